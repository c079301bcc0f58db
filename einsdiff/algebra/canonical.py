r"""One numbering for all the ways to write one product of tensors.

The names of summed labels and the order of the factors mean nothing:

.. math:: A_{ij} x_j x_i = x_k A_{km} x_m .

`canonical` picks one order of the factors and one numbering of the labels that depend on the
structure alone. It is the canonical labelling of a small coloured hypergraph (labels are
vertices, factors are edges with ordered ends): colours are refined until they are stable
(Weisfeiler and Leman, 1968); labels that are still alike are told apart by trying each of them
first and keeping the least result (McKay, *Practical graph isomorphism*, 1981), one connected
part at a time, so that many like parts, as in ``x_i x_i x_j x_j``, cost a sort and not a search.

>>> a = canonical([b"x", b"x", b"A"], [(7,), (4,), (7, 4)], (), {7: 3, 4: 3})
>>> b = canonical([b"A", b"x", b"x"], [(1, 2), (2,), (1,)], (), {1: 3, 2: 3})
>>> a.subscripts == b.subscripts
True
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from einsdiff.notation.subscripts import Size

__all__ = ["Canonical", "Orders", "canonical"]

#: The orders of a factor's axes that change nothing: all, the given ones, or none but its own.
Orders = bool | tuple[tuple[int, ...], ...]

#: Trials after which the search keeps the best numbering so far. It is reached only by large
#: networks of one symmetric tensor; such a product is still right, merely not always recognised.
MOST_TRIALS = 512


class Canonical(NamedTuple):
    """The factors in canonical order, and where each label went."""

    order: tuple[int, ...]
    subscripts: tuple[tuple[int, ...], ...]
    number: dict[int, int]


class _Factor(NamedTuple):
    key: int  # rank of the factor's key among the keys
    labels: tuple[int, ...]
    orders: Orders

    def ends(self, of: Mapping[int, Any]) -> tuple[Any, ...]:
        found = [of[label] for label in self.labels]
        if isinstance(self.orders, tuple):
            return min(tuple(found[axis] for axis in order) for order in self.orders)
        return tuple(sorted(found)) if self.orders else tuple(found)

    def arranged(self, position: Mapping[int, int]) -> list[int]:
        """Return the labels in the order of the axes that comes first by position."""
        if isinstance(self.orders, tuple):
            orders = [[self.labels[axis] for axis in order] for order in self.orders]
            return min(orders, key=lambda labels: [position[label] for label in labels])
        return sorted(self.labels, key=position.__getitem__) if self.orders else list(self.labels)

    def seen_from(self, label: int, colour: Mapping[int, int]) -> Any:
        """Describe at which axes a label stands, alike for all orders of the axes."""
        if isinstance(self.orders, tuple):
            return tuple(
                sorted(
                    (
                        tuple(colour[self.labels[axis]] for axis in order),
                        tuple(at for at, axis in enumerate(order) if self.labels[axis] == label),
                    )
                    for order in self.orders
                )
            )
        axes = tuple(axis for axis, other in enumerate(self.labels) if other == label)
        return (len(axes),) if self.orders else axes


def canonical(
    keys: Sequence[bytes],
    subscripts: Sequence[tuple[int, ...]],
    output: Sequence[int],
    sizes: Mapping[int, Size],
    symmetric: Sequence[Orders] = (),
    unordered: Collection[int] = (),
) -> Canonical:
    """Order factors and number their labels by structure.

    Parameters
    ----------
    keys
        For each factor a key; equal keys mean equal factors.
    subscripts
        The labels of each factor's axes.
    output
        The labels of the result; their places are given and never permuted.
    sizes
        The size of each label.
    symmetric
        For each factor the orders of its axes that change nothing.
    unordered
        Labels that are free, but whose order in the result is not given.

    Returns
    -------
    Canonical
        The order of the factors, their renumbered labels, and the number of each label: first
        the output's, then the others as they occur in the ordered factors.
    """
    flags: Sequence[Orders] = symmetric or [False] * len(keys)
    if len(set(keys)) == len(keys) and not any(flags):
        return _of_different_factors(keys, subscripts, output)
    rank = {key: k for k, key in enumerate(sorted(set(keys)))}
    factors = [
        _Factor(rank[key], labels, flag)
        for key, labels, flag in zip(keys, subscripts, flags, strict=True)
    ]
    position: dict[int, int] = {}
    for label in output:
        position.setdefault(label, len(position))
    position = _total_order(factors, position, sizes, frozenset(unordered))
    order = sorted(range(len(factors)), key=lambda k: (factors[k].key, factors[k].ends(position)))
    number: dict[int, int] = {}
    for label in output:
        number.setdefault(label, len(number))
    for k in order:
        for label in factors[k].arranged(position):
            number.setdefault(label, len(number))
    return Canonical(tuple(order), tuple(factors[k].ends(number) for k in order), number)


def _of_different_factors(
    keys: Sequence[bytes], subscripts: Sequence[tuple[int, ...]], output: Sequence[int]
) -> Canonical:
    """Order factors that their keys tell apart, which needs no search."""
    order = sorted(range(len(keys)), key=keys.__getitem__)
    number: dict[int, int] = {}
    for label in output:
        number.setdefault(label, len(number))
    for k in order:
        for label in subscripts[k]:
            number.setdefault(label, len(number))
    terms = tuple(tuple([number[label] for label in subscripts[k]]) for k in order)
    return Canonical(tuple(order), terms, number)


def _total_order(
    factors: Sequence[_Factor],
    position: Mapping[int, int],
    sizes: Mapping[int, Size],
    unordered: frozenset[int],
) -> dict[int, int]:
    """Give every label a place, the same for all ways to write the product."""
    labels = {label for factor in factors for label in factor.labels}
    signature = {
        label: (0, position[label], "")
        if label in position
        else (1 + (label not in unordered), 0, str(sizes[label]))
        for label in labels
    }
    colour = _ranked(signature)
    search = _Search(factors)
    _, ordered = search.order(frozenset(labels), colour)
    return {label: k for k, label in enumerate(ordered)}


def _ranked(signature: Mapping[int, Any]) -> dict[int, int]:
    rank = {value: k for k, value in enumerate(sorted(set(signature.values())))}
    return {label: rank[value] for label, value in signature.items()}


class _Search:
    def __init__(self, factors: Sequence[_Factor]) -> None:
        self.factors = factors
        self.touching: dict[int, list[int]] = {}
        for k, factor in enumerate(factors):
            for label in dict.fromkeys(factor.labels):
                self.touching.setdefault(label, []).append(k)
        self.trials = 0

    def order(
        self, labels: frozenset[int], colour: Mapping[int, int]
    ) -> tuple[tuple[Any, ...], list[int]]:
        """Order `labels`, the rest being told apart by `colour`; also return a certificate.

        The certificate says how the labels lie between their factors. Equal certificates mean
        that one part can be exchanged for the other.
        """
        colour = self.refine(labels, colour)
        classes: dict[int, list[int]] = {}
        for label in labels:
            classes.setdefault(colour[label], []).append(label)
        settled = [classes[c][0] for c in sorted(classes) if len(classes[c]) == 1]
        parts = self.parts(labels.difference(settled))
        if len(parts) == 1 and not settled:
            _, alike = min((len(found), c) for c, found in classes.items())
            trials: list[tuple[tuple[Any, ...], list[int]]] = []
            for label in sorted(classes[alike]):
                self.trials += 1
                if trials and self.trials > MOST_TRIALS:
                    break
                trials.append(self.order(labels, {**colour, label: min(colour.values()) - 1}))
            return min(trials, key=lambda trial: trial[0])
        ordered = settled
        found = sorted((self.order(part, colour) for part in parts), key=lambda trial: trial[0])
        for _, part_order in found:
            ordered = ordered + part_order
        return self.certificate(ordered, colour), ordered

    def refine(self, labels: frozenset[int], colour: Mapping[int, int]) -> dict[int, int]:
        """Split classes of labels until every label of a class sees the same surroundings."""
        now = dict(colour)
        near = sorted({k for label in labels for k in self.touching[label]})
        count = len({now[label] for label in labels})
        while True:
            seen = {k: (self.factors[k].key, self.factors[k].ends(now)) for k in near}
            views: dict[int, Any] = {}
            for label in labels:
                ends = []
                for k in self.touching[label]:
                    factor = self.factors[k]
                    ends.append((seen[k], factor.seen_from(label, now)))
                views[label] = (now[label], tuple(sorted(ends)))
            rank = {view: k for k, view in enumerate(sorted(set(views.values())))}
            # New colours lie below those of all other labels, so that they meet none of them.
            lowest = min((c for label, c in now.items() if label not in labels), default=0)
            now.update({label: lowest - len(rank) + rank[view] for label, view in views.items()})
            if len(rank) == count:
                return now
            count = len(rank)

    def parts(self, labels: frozenset[int]) -> list[frozenset[int]]:
        """Split labels into those that share a factor, directly or through others."""
        left, found = set(labels), []
        while left:
            part, front = set(), [left.pop()]
            while front:
                label = front.pop()
                part.add(label)
                for k in self.touching[label]:
                    for other in self.factors[k].labels:
                        if other in left:
                            left.remove(other)
                            front.append(other)
            found.append(frozenset(part))
        return found

    def certificate(self, ordered: Sequence[int], colour: Mapping[int, int]) -> tuple[Any, ...]:
        inside = {label: k for k, label in enumerate(ordered)}
        place = {
            label: (1, inside[label]) if label in inside else (0, c) for label, c in colour.items()
        }
        near = sorted({k for label in ordered for k in self.touching[label]})
        return tuple(sorted((self.factors[k].key, self.factors[k].ends(place)) for k in near))
