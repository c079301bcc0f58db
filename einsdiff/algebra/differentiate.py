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
hands on the change :math:`\dot v_a` of each node along one direction; both use the same local
derivatives. The deltas of the seed are labels that occur twice (see
`einsdiff.algebra.nodes`), so that replacing :math:`\partial A_{ij}/\partial A_{pq}` by
:math:`\delta_{ip}\delta_{jq}` and contracting is renaming. The result is an expression again, made
of the nodes of the function, and its derivative is the same function once more.

>>> from einsdiff.algebra.nodes import einsum, variable
>>> A, x = variable("A", (2, 3)), variable("x", (3,))
>>> (J,) = derivatives(einsum([A, x], ["ij", "j"], "i"), [A])
>>> J is einsum([x], ["q"], "iiq", {"i": 2})  # δ_ip x_q
True
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import permutations
from typing import Any

from einsdiff.algebra.build import build
from einsdiff.algebra.entrywise import entrywise
from einsdiff.algebra.flatten import flatten
from einsdiff.algebra.function import RULE_LETTERS
from einsdiff.algebra.graph import dependencies, topological
from einsdiff.algebra.nodes import (
    Add,
    Call,
    Einsum,
    Node,
    Number,
    Variable,
    add,
    einsum,
    partial,
    zero,
)
from einsdiff.notation.index import parse_index
from einsdiff.notation.subscripts import Size

__all__ = ["derivatives", "directional"]


def derivatives(
    expression: Node, wrt: Sequence[Node], seed: Node | None = None
) -> tuple[Node, ...]:
    """Differentiate an expression with respect to several variables at once.

    Parameters
    ----------
    expression
        Of shape ``(m1, .., ms)``.
    wrt
        Variables, or other nodes inside the expression, of shapes ``(n1, .., nk)``.
    seed
        What the derivatives are multiplied by, of shape ``(.., m1, .., ms)``, contracted over
        the axes of the expression; the identity if left out.

    Returns
    -------
    tuple of Node
        For each a node of shape ``(m1, .., ms, n1, .., nk)``, or ``(.., n1, .., nk)`` with a
        seed; zero where it does not occur.
    """
    if seed is None:
        seed = _identity(expression.shape)
    outside = seed.shape[: len(seed.shape) - len(expression.shape)]
    codomain = len(outside)
    targets = set(wrt)
    order = topological([expression], dependencies)
    active = _active(order, targets)
    contributions: dict[Node, list[tuple[Number, Node]]] = {expression: [(1, seed)]}
    adjoints: dict[Node, Node] = {}
    for node in reversed(order):
        if node not in active or node not in contributions:
            continue
        adjoint = add(contributions.pop(node))
        if node in targets:
            adjoints[node] = adjoint
        for child, c, term in _pull(node, adjoint, codomain, active):
            contributions.setdefault(child, []).append((c, term))
    found = [
        _symmetrised(adjoints[node], node, codomain)
        if node in adjoints
        else zero(outside + node.shape)
        for node in wrt
    ]
    return flatten(found)


def directional(expressions: Sequence[Node], directions: Mapping[Any, Node]) -> tuple[Node, ...]:
    r"""Differentiate expressions along a direction, in one forward sweep.

    Parameters
    ----------
    expressions
        Of any shapes.
    directions
        For variables, or other nodes inside the expressions, the direction, of the same shape.

    Returns
    -------
    tuple of Node
        For each :math:`\sum_x \frac{\partial f}{\partial x_d} v_d`, of the shape of the expression.

    Examples
    --------
    >>> from einsdiff.algebra.nodes import variable
    >>> x, v = variable("x", (3,)), variable("v", (3,))
    >>> f = einsum([x, x], ["i", "i"], "")
    >>> directional([f], {x: v})[0] is einsum([derivatives(f, [x])[0], v], ["i", "i"], "")
    True
    """
    order = topological(expressions, dependencies)
    active = _active(order, set(directions))
    tangents: dict[Node, Node] = {}
    for node in order:
        if node not in active:
            continue
        terms = list(_push(node, tangents))
        if node in directions:
            terms.append((1, _symmetrised(directions[node], node, 0)))
        tangents[node] = add(terms, node.shape)
    return flatten([tangents.get(e, zero(e.shape)) for e in expressions])


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


def _symmetrised(adjoint: Node, node: Node, codomain: int) -> Node:
    """Average over the orders of a symmetric variable's axes, of which no one is meant."""
    if not (isinstance(node, Variable) and node.symmetric):
        return adjoint
    axes = tuple(range(len(adjoint.shape)))
    orders = list(permutations(axes[codomain:]))
    weight = Fraction(1, len(orders))
    return add(
        [(weight, einsum([adjoint], [axes], (*axes[:codomain], *order))) for order in orders],
        adjoint.shape,
    )


# --- local derivatives ------------------------------------------------------------------------


def _slots(node: Einsum) -> list[tuple[Node, tuple[int, ...]]]:
    return list(zip(node.operands, node.subscripts, strict=True))


def _of_variable(node: Variable, by: Variable) -> tuple[Node, tuple[int, ...], tuple[int, ...]]:
    """Return ∂x/∂z, and which of its axes are those of x and of z."""
    rank, total = len(node.shape), len(node.shape) + len(by.shape)
    return partial(node, by), tuple(range(rank)), tuple(range(rank, total))


def _of_call(node: Call, k: int) -> tuple[Node, list[str], list[str], list[str]]:
    """Return the local derivative of a call by its argument k, and labels for what it joins.

    The labels are those of the derivative's axes, of the value's, and of the argument's.
    """
    batch = [f"b{axis}" for axis in range(len(node.batch))]
    given, result = node.function.cores
    arg, names = node.args[k], given[k]
    own = batch if len(arg.shape) > len(names) else []
    inside = {"y": node, **dict(zip(node.function.arguments, node.args, strict=True))}
    rule = parse_index(node.function.jacobians[k])
    if node.function.is_elementwise:
        local = entrywise(rule, inside, node.shape)
        return local, batch[: len(local.shape)], batch, own
    values = list(RULE_LETTERS[: len(result)])  # i, j, ..
    axes = list(RULE_LETTERS[len(result) : len(result) + len(names)])
    sizes: dict[str, Size] = dict(zip([*batch, *values], node.shape, strict=True))
    sizes.update(zip(axes, arg.shape[len(arg.shape) - len(names) :], strict=True))
    labels = [*batch, *values, *axes]
    local = build(rule, inside, labels, sizes=sizes, batch=batch)
    return local, labels, [*batch, *values], [*own, *axes]


# --- backwards --------------------------------------------------------------------------------


def _pull(
    node: Node, adjoint: Node, codomain: int, active: Collection[Node]
) -> Iterator[tuple[Node, Number, Node]]:
    """Yield (child, coefficient, term): what the node's adjoint adds to those of its children."""
    outer = range(-codomain, 0)  # labels of the codomain; those of the node count from 0
    if isinstance(node, Add):
        for c, term in node.terms:
            if term in active:
                yield term, c, adjoint
    elif isinstance(node, Einsum):
        sizes: dict[int, Size] = dict(zip(outer, adjoint.shape, strict=False))
        sizes.update(enumerate(node.sizes))
        slots = _slots(node)
        for k, (operand, labels) in enumerate(slots):
            if operand not in active or slots[k] in slots[:k]:
                continue
            others = slots[:k] + slots[k + 1 :]
            term = einsum(
                [adjoint, *(other for other, _ in others)],
                [(*outer, *node.output), *(theirs for _, theirs in others)],
                (*outer, *labels),
                sizes,
            )
            yield operand, slots.count(slots[k]), term
    elif isinstance(node, Call):
        for k, arg in enumerate(node.args):
            if arg in active:
                local, joined, value, own = _of_call(node, k)
                term = einsum([adjoint, local], [[*outer, *value], joined], [*outer, *own])
                yield arg, 1, term
    elif isinstance(node, Variable):
        for by in node.of:
            if by in active:
                symbol, rows, columns = _of_variable(node, by)
                terms = [(*outer, *rows), (*rows, *columns)]
                yield by, 1, einsum([adjoint, symbol], terms, (*outer, *columns))


# --- forwards ---------------------------------------------------------------------------------


def _push(node: Node, tangents: Mapping[Node, Node]) -> Iterator[tuple[Number, Node]]:
    """Yield (coefficient, term): what the changes of the node's children add to its own."""
    if isinstance(node, Add):
        for c, term in node.terms:
            if term in tangents:
                yield c, tangents[term]
    elif isinstance(node, Einsum):
        slots = _slots(node)
        for k, (operand, labels) in enumerate(slots):
            if operand not in tangents or slots[k] in slots[:k]:
                continue
            moved = [*slots[:k], (tangents[operand], labels), *slots[k + 1 :]]
            term = einsum(
                [factor for factor, _ in moved],
                [theirs for _, theirs in moved],
                node.output,
                dict(enumerate(node.sizes)),
            )
            yield slots.count(slots[k]), term
    elif isinstance(node, Call):
        for k, arg in enumerate(node.args):
            if arg in tangents:
                local, joined, value, own = _of_call(node, k)
                extents = dict(zip(value, node.shape, strict=True))
                yield 1, einsum([local, tangents[arg]], [joined, own], value, extents)
    elif isinstance(node, Variable):
        for by in node.of:
            if by in tangents:
                local, value_axes, own_axes = _of_variable(node, by)
                yield (
                    1,
                    einsum([local, tangents[by]], [(*value_axes, *own_axes), own_axes], value_axes),
                )
