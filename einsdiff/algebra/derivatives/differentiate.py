r"""Derivatives of expressions, by one sweep.

For an expression :math:`f_c` with codomain axes :math:`c` and each node :math:`v_a` inside it, the
adjoint is the tensor :math:`\bar v_{ca} = \partial f_c / \partial v_a`. The sweep starts with
:math:`\bar f_{cc'} = \delta_{cc'}` and hands adjoints from each node to what it is made of,

.. math::
    f = \textstyle\sum_k c_k t_k:\;\; \bar t_k \mathrel{+}= c_k \bar f \qquad
    f_i = A_{ij} x_j:\;\; \bar A_{cij} \mathrel{+}= \bar f_{ci}\, x_j,\;\;
    \bar x_{cj} \mathrel{+}= \bar f_{ci} A_{ij} \qquad
    y = g(x):\;\; \bar x_{cb} \mathrel{+}= \bar y_{ca}\, \frac{\partial g_a}{\partial x_b}

visiting each node once. `directional` goes the other way, from the variables to the expression, and
hands on the change :math:`\dot v_a` of each node along one direction; `recorded` does so for all
directions at once, and keeps what was done. All use the same local derivatives. The deltas of the
seed are labels that occur twice (see `einsdiff.algebra.nodes.nodes`), so that replacing
:math:`\partial A_{ij}/\partial A_{pq}` by :math:`\delta_{ip}\delta_{jq}` and contracting is
renaming. The result is an expression again, made of the nodes of the function, and its derivative
is the same function once more.

>>> A, x = variable("A", (2, 3)), variable("x", (3,))
>>> (J,) = derivatives(einsum([A, x], ["ij", "j"], "i"), [A])
>>> J is einsum([x], ["q"], "iiq", {"i": 2})  # δ_ip x_q
True
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import permutations
from typing import Any, NamedTuple

from einsdiff.algebra.nodes.factors import multiplied
from einsdiff.algebra.nodes.function_records import RULE_LETTERS, parted_names
from einsdiff.algebra.nodes.graph import dependencies, rebuilt, topological
from einsdiff.algebra.nodes.interning import (
    Add,
    Call,
    Einsum,
    Node,
    Number,
    Variable,
    variable,
    zero,
)
from einsdiff.algebra.nodes.nodes import add, call, einsum, partial
from einsdiff.algebra.reading.binding import build
from einsdiff.algebra.reading.definitions import by_definition
from einsdiff.algebra.reading.entrywise import entrywise
from einsdiff.algebra.rewriting.flatten import flatten
from einsdiff.algebra.rewriting.shifts import held, released
from einsdiff.notation.index_parser import parse_index
from einsdiff.notation.subscripts import Size


def derivatives(
    expression: Node, wrt: Sequence[Node], seed: Node | None = None
) -> tuple[Node, ...]:
    """Differentiate an expression with respect to several variables at once, or other nodes in it.

    By one of shape ``(n1, .., nk)``, that of an expression of shape ``(m1, .., ms)`` has the shape
    ``(m1, .., ms, n1, .., nk)``, and is zero where it does not occur. A seed of shape
    ``(.., m1, .., ms)`` multiplies the derivatives, contracted over the axes of the expression, so
    that their shapes are ``(.., n1, .., nk)``.
    """
    return flatten(adjoints(expression, wrt, seed))


def adjoints(expression: Node, wrt: Sequence[Node], seed: Node | None = None) -> tuple[Node, ...]:
    """Differentiate as `derivatives` does, and leave products nested as the sweep has built them.

    So each adjoint is one node, and a further sweep over them takes as many steps as this one has.
    Where products are merged first, what two of them shared is in each.
    """
    if seed is None:
        seed = _identity(expression.shape)
    maxima: Mapping[Node, Node] = {}
    if all(isinstance(node, Variable) for node in wrt):
        (expression,), maxima = held([expression])
    outside = seed.shape[: len(seed.shape) - len(expression.shape)]
    codomain = len(outside)
    targets = set(wrt)
    order = topological([expression], dependencies)
    active = _active(order, targets)
    contributions: dict[Node, list[tuple[Number, Node]]] = {expression: [(1, seed)]}
    found: dict[Node, Node] = {}
    for node in reversed(order):
        if node not in active or node not in contributions:
            continue
        adjoint = add(contributions.pop(node))
        if node in targets:
            found[node] = adjoint
        for local in local_derivatives(node, active):
            term = local.backwards(adjoint)
            contributions.setdefault(local.child, []).append((local.coefficient, term))
    result = tuple(
        _symmetrised(found[node], node, codomain) if node in found else zero(outside + node.shape)
        for node in wrt
    )
    return released(result, maxima)


def directional(expressions: Sequence[Node], directions: Mapping[Any, Node]) -> tuple[Node, ...]:
    r"""Differentiate expressions along a direction, in one forward sweep.

    The directions of variables, or of other nodes inside the expressions, are of the same shape as
    these, or have further axes, the same for all, which come last in the result. For each
    expression there is :math:`\sum_x \frac{\partial f}{\partial x_d} v_d`.

    >>> x, v = variable("x", (3,)), variable("v", (3,))
    >>> f = einsum([x, x], ["i", "i"], "")
    >>> directional([f], {x: v})[0] is einsum([derivatives(f, [x])[0], v], ["i", "i"], "")
    True
    """
    seeds = {
        node: _symmetrised(v, node, 0, len(v.shape) - len(node.shape))
        for node, v in directions.items()
    }
    maxima: Mapping[Node, Node] = {}
    if all(isinstance(node, Variable) for node in directions):
        expressions, maxima = held(expressions)
    rest = next((v.shape[len(node.shape) :] for node, v in directions.items()), ())
    tangents = {change.node: change.tangent for change in _sweep(expressions, seeds)}
    return released(flatten([tangents.get(e, zero(e.shape + rest)) for e in expressions]), maxima)


def _active(order: Sequence[Node], targets: Collection[Node]) -> set[Node]:
    """Return the nodes that change with a target."""
    active: set[Node] = set()
    for node in order:
        if node in targets or any(child in active for child in dependencies(node)):
            active.add(node)
    return active


def _identity(shape: Sequence[Size]) -> Node:
    labels = range(len(shape))
    return einsum([], [], (*labels, *labels), dict(enumerate(shape)))


def _symmetrised(adjoint: Node, node: Node, codomain: int, further: int = 0) -> Node:
    """Average over the orders of a symmetric variable's axes, of which no one is meant.

    They stand between axes of the codomain and further ones.
    """
    if not (isinstance(node, Variable) and node.symmetric):
        return adjoint
    axes = tuple(range(len(adjoint.shape)))
    end = len(axes) - further
    orders = list(permutations(axes[codomain:end]))
    weight = Fraction(1, len(orders))
    return add(
        [
            (weight, einsum([adjoint], [axes], (*axes[:codomain], *order, *axes[end:])))
            for order in orders
        ],
        adjoint.shape,
    )


# --- local derivatives ------------------------------------------------------------------------


class Local(NamedTuple):
    r"""What the change of one child adds to that of a node.

    .. math:: \partial \text{node}_v \mathrel{+}= c \,\text{factors}\; \partial \text{child}_o

    Factors have the labels of their axes; `own` and `value` are those of the child and of the node.
    """

    child: Node
    coefficient: Number
    factors: Sequence[tuple[Node, Sequence[Hashable]]]
    own: Sequence[Hashable]
    value: Sequence[Hashable]
    sizes: Mapping[Any, Size]

    def forwards(self, tangent: Node) -> Node:
        """Multiply by the change of the child, whose further axes come last."""
        if not self.factors and not self.sizes:  # a term of a sum
            return tangent
        further = {("domain", k): n for k, n in enumerate(tangent.shape[len(self.own) :])}
        factors = [*self.factors, (tangent, (*self.own, *further))]
        return multiplied(factors, (*self.value, *further), {**self.sizes, **further})

    def backwards(self, adjoint: Node) -> Node:
        """Multiply by the adjoint of the node, whose further axes come first."""
        if not self.factors and not self.sizes:  # a term of a sum
            return adjoint
        rank = len(adjoint.shape) - len(self.value)
        further = {("codomain", k): n for k, n in enumerate(adjoint.shape[:rank])}
        factors = [(adjoint, (*further, *self.value)), *self.factors]
        return multiplied(factors, (*further, *self.own), {**self.sizes, **further})


def local_derivatives(node: Node, active: Collection[Node]) -> Iterator[Local]:
    """Yield what the change of a node is made of, of those below it that change.

    There is one for each term of a sum and each argument, and one for all equal factors of a
    product.

    >>> x = variable("x", (3,))
    >>> (local,) = local_derivatives(einsum([x, x], ["i", "i"], ""), {x})
    >>> local.coefficient, local.factors
    (2, [(x, (0,))])
    """
    labels = range(len(node.shape))
    if isinstance(node, Add):
        for c, term in node.terms:
            if term in active:
                yield Local(term, c, (), labels, labels, {})
    elif isinstance(node, Einsum):
        slots = list(zip(node.operands, node.subscripts, strict=True))
        for k, (operand, own) in enumerate(slots):
            if operand in active and slots[k] not in slots[:k]:
                others = slots[:k] + slots[k + 1 :]
                sizes = dict(enumerate(node.sizes))
                yield Local(operand, slots.count(slots[k]), others, own, node.output, sizes)
    elif isinstance(node, Call):
        for k, arg in enumerate(node.args):
            if arg in active:
                yield _of_call(node, k)
    elif isinstance(node, Variable):
        for by in node.of:
            if by in active:  # ∂x/∂z: first the axes of x, and then those of z
                axes = range(len(node.shape) + len(by.shape))
                symbol = partial(node, by), axes
                yield Local(by, 1, [symbol], axes[len(labels) :], labels, {})


def _of_call(node: Call, k: int) -> Local:
    """Return the local derivative of a call by its argument k."""
    batch = [f"b{axis}" for axis in range(len(node.batch))]
    given, result = node.function.cores
    arg, names = node.args[k], given[k]
    own = batch if len(arg.shape) > len(names) else []
    inside = {"y": node, **dict(zip(node.function.arguments, node.args, strict=True))}
    if not node.function.jacobians:
        return _of_definition(node, k)
    text = node.function.jacobians[k]
    rule = parse_index(text, parted_names() if "'" in text else ())
    if node.function.is_elementwise:
        local = entrywise(rule, inside, node.shape)
        joined = local, batch[: len(local.shape)]
        return Local(arg, 1, [joined], own, batch, dict(zip(batch, node.shape, strict=True)))
    values = list(RULE_LETTERS[: len(result)])  # i, j, ..
    axes = list(RULE_LETTERS[len(result) : len(result) + len(names)])
    sizes: dict[str, Size] = dict(zip([*batch, *values], node.shape, strict=True))
    sizes.update(zip(axes, arg.shape[len(arg.shape) - len(names) :], strict=True))
    labels = [*batch, *values, *axes]
    local = build(rule, inside, labels, sizes=sizes, batch=batch)
    return Local(arg, 1, [(local, labels)], [*own, *axes], [*batch, *values], sizes)


def _of_definition(node: Call, k: int) -> Local:
    """Return the local derivative of a call whose function has a definition and no rule."""
    names = node.function.arguments
    inside = [variable(name, arg.shape) for name, arg in zip(names, node.args, strict=True)]
    whole = call(node.function, inside)
    assert isinstance(whole, Call)
    (rule,) = derivatives(by_definition(whole), [inside[k]])
    done: dict[Node, Node] = dict(zip(inside, node.args, strict=True))
    for part in topological([rule]):
        done.setdefault(part, rebuilt(part, done))
    labels = range(len(rule.shape))
    rank = len(node.shape)
    sizes = dict(enumerate(rule.shape))
    return Local(node.args[k], 1, [(done[rule], labels)], labels[rank:], labels[:rank], sizes)


# --- one change after another -----------------------------------------------------------------


class Change(NamedTuple):
    """One step of a forward sweep: a node that changes, what its change is made of, its derivative.

    The derivative has first the node's own axes, and then those of the variable.
    """

    node: Node
    locals: tuple[Local, ...]
    tangent: Node


def recorded(expression: Node, wrt: Node) -> list[Change]:
    """Differentiate by one variable, and tell what was done.

    The variable is in the function, or variables in it are functions of it. There is one change for
    each node that changes, the variable first and the expression last; none if that does not
    change.

    >>> A, x = variable("A", (2, 3)), variable("x", (3,))
    >>> [change.node for change in recorded(einsum([A, x], ["ij", "j"], "i"), x)]
    [x, Einsum((x, A), ((1,), (0, 1)), (0,))]
    """
    seed = _symmetrised(_identity(wrt.shape), wrt, len(wrt.shape))
    return list(_sweep([expression], {wrt: seed}))


def _sweep(expressions: Sequence[Node], directions: Mapping[Any, Node]) -> Iterator[Change]:
    """Differentiate each node after those that it is made of."""
    order = topological(expressions, dependencies)
    active = _active(order, set(directions))
    tangents: dict[Node, Node] = {}
    rest = next((d.shape[len(node.shape) :] for node, d in directions.items()), ())
    for node in order:
        if node not in active:
            continue
        changes = tuple(local_derivatives(node, tangents))
        terms = [(c.coefficient, c.forwards(tangents[c.child])) for c in changes]
        if node in directions:
            terms.append((1, directions[node]))
        tangents[node] = add(terms, node.shape + rest)
        yield Change(node, changes, tangents[node])
