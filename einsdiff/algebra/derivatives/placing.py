r"""A derivative as few products that stand among zeros, each at its places.

In :math:`\sum_i (2 \delta_{i,p} - x_i \delta_{i+1,p})\, \delta_{i+1,q}` the sum in the bracket has
all indices i and p, though most of its entries are zero. Multiplied out, each term stands on a
diagonal of the result, and terms of one diagonal are added up before they are written there:

.. math::
    \sum_i \delta_{i,p}\, \delta_{i+1,q}\, a_i + \sum_i \delta_{i,p}\, \delta_{i+1,q}\, b_i
    = \sum_i \delta_{i,p}\, \delta_{i+1,q}\, (a_i + b_i) .

>>> x, first, second = (
...     variable("x", (3,)),
...     related((3, 4), (1, -1)),
...     related((3, 4), (1, -1), 1),
... )
>>> terms = [
...     einsum([first, second, y], ["ip", "iq", "i"], "pq") for y in (x, add([(2, x)]))
... ]
>>> placed(add([(1, term) for term in terms]), 1) is einsum(
...     [first, second, x, constant(3)], ["ip", "iq", "i", ""], "pq"
... )
True
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache

from einsdiff.algebra.derivatives.linear_terms import LinearTerm, LinearTerms, linear_map
from einsdiff.algebra.nodes.factors import Slot, multiplied
from einsdiff.algebra.nodes.interning import Delta, Node
from einsdiff.algebra.nodes.nodes import add
from einsdiff.algebra.rewriting.flatten import flatten
from einsdiff.notation.subscripts import Size

#: Products are multiplied out up to so many terms, of which those at the same places are added up.
MOST_PLACED = 2048


@lru_cache(maxsize=256)
def placed(expr: Node, domain: int) -> Node:
    """Write a derivative as a sum of products of deltas and a sum, one for each set of deltas.

    Its last axes, `domain` many, are those of what it is differentiated by.
    """
    (flat,) = flatten([expr])
    m = linear_map(flat, domain, MOST_PLACED, is_deep=True)
    groups: dict[Hashable, list[_PlacedProduct]] = {}
    for term in m.terms:
        part = _PlacedProduct(m, term)
        groups.setdefault(part.key, []).append(part)
    if len(groups) == len(m.terms) == 1:
        return flat
    return add([(1, _joined(m, parts)) for parts in groups.values()], expr.shape)


class _PlacedProduct:
    """A term, whose summed labels that its deltas have are numbered as they stand in these."""

    def __init__(self, m: LinearTerms, term: LinearTerm) -> None:
        rank = len(m.shape)
        deltas = [slot for slot in term.factors if _is_placing(slot, rank)]
        deltas.sort(key=lambda slot: _place(slot, rank))
        number = {label: label for label in range(rank)}
        for _, labels in deltas:
            for label in labels:
                number.setdefault(label, len(number))
        self.count = len(number)
        for _, labels in term.factors:
            for label in labels:
                number.setdefault(label, len(number))
        self.coefficient, self.labels = term.coefficient, term.labels
        self.deltas: list[Slot] = [(node, tuple(number[n] for n in own)) for node, own in deltas]
        self.factors: list[Slot] = [
            (node, tuple(number[n] for n in own))
            for node, own in term.factors
            if not _is_placing((node, own), rank)
        ]

    @property
    def key(self) -> Hashable:
        """What terms have in common that stand at the same places."""
        return self.labels, tuple(self.deltas)


def _is_placing(slot: Slot, rank: int) -> bool:
    """Tell whether a factor is a delta that has axes of the result."""
    node, labels = slot
    return isinstance(node, Delta) and any(label < rank for label in labels)


def _place(slot: Slot, rank: int) -> tuple[object, ...]:
    """Order deltas by what they say of the axes."""
    node, labels = slot
    assert isinstance(node, Delta)
    axes = tuple(label if label < rank else rank for label in labels)
    return axes, tuple(map(str, node.shape)), node.relation


def _joined(m: LinearTerms, parts: list[_PlacedProduct]) -> Node:
    """Add up terms that stand at the same places."""
    first = parts[0]
    sizes: dict[int, Size] = {label: m.shape[label] for label in first.labels}
    for node, labels in first.deltas:
        sizes |= dict(zip(labels, node.shape, strict=True))
    own = sorted(sizes)
    carried = {n for part in parts for _, labels in part.factors for n in labels}
    kept = [n for n in own if n in carried]
    inside = {n: sizes[n] for n in kept}
    inner = [(part.coefficient, multiplied(part.factors, kept, inside)) for part in parts]
    total = add(inner, tuple(inside.values()))
    outside = {n: m.shape[n] for n in first.labels}
    return multiplied([*first.deltas, (total, tuple(kept))], first.labels, outside)
