r"""Indices of entries, which relations say: :math:`\sum_j \delta_{i+1,j} x_j = x_{i+1}`.

>>> x = variable("x", (4,))
>>> absorbable(einsum([related((3, 4), (1, -1), 1), x], ["ij", "j"], "i"))
{1: ([(1, 0)], 1, 0)}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import Delta, Einsum, Node, Variable
from einsdiff.algebra.nodes.relations import bounds
from einsdiff.notation.subscripts import Size


def absorbable(node: Einsum) -> dict[int, tuple[list[tuple[int, int]], int, int]]:
    """Find the relations that can be written as an index of a variable: ``x_{i+1}``.

    For a label that is summed, and stands at one variable and in one relation only: what the
    relation says that it is, as coefficients of other labels and an offset; and the position of the
    relation.
    """
    found: dict[int, tuple[list[tuple[int, int]], int, int]] = {}
    places: dict[int, list[int]] = {}
    for k, labels in enumerate(node.subscripts):
        for n in labels:
            places.setdefault(n, []).append(k)
    for k, (operand, labels) in enumerate(zip(node.operands, node.subscripts, strict=True)):
        if not isinstance(operand, Delta) or not operand.relation.is_equation:
            continue
        c, offset, _ = operand.relation
        for own, n in zip(c, labels, strict=True):
            others = [j for j in places[n] if j != k]
            if abs(own) != 1 or n in node.output or len(places[n]) != 2 or len(others) != 1:
                continue
            terms = [(-own * m, t) for m, t in zip(c, labels, strict=True) if t != n]
            sizes = [node.sizes[t] for _, t in terms]
            low, high = bounds([m for m, _ in terms], -own * offset, sizes)
            size = node.sizes[n]
            is_inside = low >= 0 and not (isinstance(size, int) and high >= size)
            if is_inside and isinstance(node.operands[others[0]], Variable):
                found[n] = terms, -own * offset, k
                break
    return found


def counted_factors(
    node: Einsum, absorbed: Iterable[tuple[object, object, int]]
) -> Counter[tuple[Node, tuple[int, ...]]]:
    """Count equal factors with their labels, without the relations that are absorbed."""
    gone = {relation for _, _, relation in absorbed}
    slots = enumerate(zip(node.operands, node.subscripts, strict=True))
    return Counter(slot for k, slot in slots if k not in gone)


def fixed_indices(node: Node) -> Iterator[tuple[Variable, int, Size, int]]:
    """Yield the entries that an expression takes: the variable, the axis, its size, and the index.

    >>> x = variable("x", ("n",))
    >>> list(fixed_indices(einsum([related(("n",), (1,), -5), x], ["j", "j"], "")))
    [(x, 0, 'n', 5)]
    """
    for part in topological([node]):
        if not isinstance(part, Einsum):
            continue
        for n, (terms, index, _) in absorbable(part).items():
            for operand, labels in zip(part.operands, part.subscripts, strict=True):
                if not terms and n in labels and isinstance(operand, Variable):
                    yield operand, labels.index(n), part.sizes[n], index
