r"""Derivatives of expressions, by one sweep.

For an expression :math:`f_c` with codomain axes :math:`c` and each node :math:`v_a` inside it, the
adjoint is the tensor :math:`\bar v_{ca} = \partial f_c / \partial v_a`. The sweep starts with
:math:`\bar f_{cc'} = \delta_{cc'}` and hands adjoints from each node to what it is made of,

.. math::
    f = \textstyle\sum_k c_k t_k:\;\; \bar t_k \mathrel{+}= c_k \bar f \qquad
    f_i = A_{ij} x_j:\;\; \bar A_{cij} \mathrel{+}= \bar f_{ci}\, x_j,\;\;
    \bar x_{cj} \mathrel{+}= \bar f_{ci} A_{ij} \qquad
    y = g(x):\;\; \bar x_{cb} \mathrel{+}= \bar y_{ca}\, \frac{\partial g_a}{\partial x_b}

visiting each node once. The deltas of the seed are labels that occur twice (see
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

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import permutations
from string import ascii_lowercase

from einsdiff.algebra.build import build
from einsdiff.algebra.flatten import flatten
from einsdiff.algebra.functions import FUNCTIONS
from einsdiff.algebra.nodes import (
    Add,
    Call,
    Einsum,
    Node,
    Number,
    Variable,
    add,
    children,
    einsum,
    topological,
    zero,
)
from einsdiff.notation.index import parse_index
from einsdiff.notation.subscripts import Size

__all__ = ["derivatives"]


def derivatives(expression: Node, wrt: Sequence[Node]) -> tuple[Node, ...]:
    """Differentiate an expression with respect to several variables at once.

    Parameters
    ----------
    expression
        Of shape ``(m1, .., ms)``.
    wrt
        Variables, or other nodes inside the expression, of shapes ``(n1, .., nk)``.

    Returns
    -------
    tuple of Node
        For each a node of shape ``(m1, .., ms, n1, .., nk)``; zero where it does not occur.
    """
    codomain = len(expression.shape)
    targets = set(wrt)
    order = topological([expression])
    active: set[Node] = set()
    for node in order:
        if node in targets or any(child in active for child in children(node)):
            active.add(node)
    contributions: dict[Node, list[tuple[Number, Node]]] = {
        expression: [(1, _identity(expression.shape))]
    }
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
        else zero(expression.shape + node.shape)
        for node in wrt
    ]
    return flatten(found)


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


def _pull(
    node: Node, adjoint: Node, codomain: int, active: set[Node]
) -> Iterator[tuple[Node, Number, Node]]:
    """Yield (child, coefficient, term): what the node's adjoint adds to those of its children."""
    if isinstance(node, Add):
        for c, term in node.terms:
            if term in active:
                yield term, c, adjoint
    elif isinstance(node, Einsum):
        yield from _pull_einsum(node, adjoint, codomain, active)
    elif isinstance(node, Call):
        yield from _pull_call(node, adjoint, codomain, active)


def _pull_einsum(
    node: Einsum, adjoint: Node, codomain: int, active: set[Node]
) -> Iterator[tuple[Node, Number, Node]]:
    outer = range(-codomain, 0)  # labels of the codomain; those of the node count from 0
    sizes: dict[int, Size] = dict(zip(outer, adjoint.shape, strict=False))
    sizes.update(enumerate(node.sizes))
    slots = list(zip(node.operands, node.subscripts, strict=True))
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


def _pull_call(
    node: Call, adjoint: Node, codomain: int, active: set[Node]
) -> Iterator[tuple[Node, Number, Node]]:
    outer = [f"c{k}" for k in range(codomain)]
    batch = [f"b{k}" for k in range(len(node.batch))]
    given, result = node.function.cores
    values = ascii_lowercase[8 : 8 + len(result)]  # i, j, ..
    for arg, names, rule in zip(node.args, given, node.function.jacobians, strict=True):
        if arg not in active:
            continue
        axes = ascii_lowercase[8 + len(result) : 8 + len(result) + len(names)]
        sizes: dict[str, Size] = dict(zip([*batch, *values], node.shape, strict=True))
        sizes.update(zip(axes, arg.shape[len(arg.shape) - len(names) :], strict=True))
        inside = {"y": node, **dict(zip(node.function.arguments, node.args, strict=True))}
        local = build(
            parse_index(rule),
            inside,
            [*batch, *values, *axes],
            functions=FUNCTIONS,
            sizes=sizes,
            batch=batch,
        )
        own = batch if len(arg.shape) > len(names) else []
        yield (
            arg,
            1,
            einsum(
                [adjoint, local],
                [[*outer, *batch, *values], [*batch, *values, *axes]],
                [*outer, *own, *axes],
            ),
        )
