r"""One numbering for all the ways to write one product of tensors.

The names of summed labels and the order of the factors mean nothing:

.. math:: A_{ij} x_j x_i = x_k A_{km} x_m .

`canonical` picks one order of the factors and one numbering of the labels that depend on the
structure alone. It is the canonical labelling of a small coloured hypergraph (labels are
vertices, factors are edges with ordered ends): colours are refined until they are stable
(Weisfeiler and Leman, 1968); labels that are still alike are told apart by trying each of them
first and keeping the least result (McKay, *Practical graph isomorphism*, 1981), one connected
part at a time, so that many like parts, as in ``x_i x_i x_j x_j``, cost a sort and not a search. Of
labels that an automorphism exchanges, one is tried.

>>> a = canonical([b"x", b"x", b"A"], [(7,), (4,), (7, 4)], (), {7: 3, 4: 3})
>>> b = canonical([b"A", b"x", b"x"], [(1, 2), (2,), (1,)], (), {1: 3, 2: 3})
>>> a.subscripts == b.subscripts
True
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

from einsdiff.notation.subscripts import Size


class Exchange(NamedTuple):
    """Blocks of axes, all of one length, that may change places without changing the tensor.

    A single block stays where it is. `inside` tells whether the axes of a block may change places.
    """

    blocks: tuple[tuple[int, ...], ...]
    inside: bool = False


#: The orders of a factor's axes that change nothing: all, none but its own, or those that
#: exchanges make, of which each axis is in one. Of n! orders there are then n blocks.
Orders = bool | tuple[Exchange, ...]

#: How many surroundings of labels are looked at before the search stops to compare and takes the
#: first of the labels that are left alike. It is reached only by large networks of one tensor whose
#: symmetry is not found by exchanging pairs; such a product is still right, merely not always
#: recognised when it is written in another order.
MOST_VIEWS = 20_000


class Canonical(NamedTuple):
    """The factors in canonical order, and where each label went."""

    order: tuple[int, ...]
    subscripts: tuple[tuple[int, ...], ...]
    number: dict[int, int]


def least(values: Sequence[Any], orders: Orders) -> tuple[Any, ...]:
    """Arrange what stands at the axes of a factor in the order that comes first.

    >>> least("bca", True), least("bca", False)
    (('a', 'b', 'c'), ('b', 'c', 'a'))
    >>> least("xdcba", (Exchange(((0,),)), Exchange(((1, 2), (3, 4)))))
    ('x', 'b', 'a', 'd', 'c')
    """
    if isinstance(orders, bool):
        return tuple(sorted(values) if orders else values)
    found = list(values)
    for blocks, inside in orders:
        parts = [[values[axis] for axis in block] for block in blocks]
        parts = sorted(sorted(part) for part in parts) if inside else sorted(parts)
        for block, part in zip(blocks, parts, strict=True):
            for axis, value in zip(block, part, strict=True):
                found[axis] = value
    return tuple(found)


class _ColouredFactor(NamedTuple):
    key: int  # rank of the factor's key among the keys
    labels: tuple[int, ...]
    orders: Orders

    def ends(self, of: Mapping[int, Any]) -> tuple[Any, ...]:
        return least([of[label] for label in self.labels], self.orders)

    def arranged(self, position: Mapping[int, int]) -> list[int]:
        """Return the labels in the order of the axes that comes first by position."""
        at = {position[label]: label for label in self.labels}
        return [at[place] for place in self.ends(position)]

    def seen_from(self, label: int, colour: Mapping[int, int]) -> tuple[Any, ...]:
        """Describe at which axes a label stands, alike for all orders of the axes."""
        if isinstance(self.orders, bool):
            axes = tuple(axis for axis, other in enumerate(self.labels) if other == label)
            return (len(axes),) if self.orders else axes
        found = []
        for blocks, inside in self.orders:
            parts = [[self.labels[axis] for axis in block] for block in blocks]
            marked = [tuple([(colour[other], other != label) for other in part]) for part in parts]
            found.append(tuple(sorted(tuple(sorted(p)) if inside else p for p in marked)))
        return tuple(found)


def canonical(
    keys: Sequence[bytes],
    subscripts: Sequence[tuple[int, ...]],
    output: Sequence[int],
    sizes: Mapping[int, Size],
    symmetric: Sequence[Orders] = (),
    unordered: Collection[int] = (),
) -> Canonical:
    """Order factors and number their labels by structure.

    Equal keys mean equal factors. The labels of the output have places that are given and never
    permuted; those that are `unordered` are free, but have no place in the result. For each factor,
    `symmetric` has the orders of its axes that change nothing. Numbers are given first to the
    labels of the output, then to the others as they occur in the ordered factors.
    """
    flags: Sequence[Orders] = symmetric or [False] * len(keys)
    number: dict[int, int] = {}
    for label in output:
        number.setdefault(label, len(number))
    if len(set(keys)) == len(keys) and not any(flags):  # keys tell them apart, without a search
        order = sorted(range(len(keys)), key=keys.__getitem__)
        for k in order:
            for label in subscripts[k]:
                number.setdefault(label, len(number))
        terms = [tuple([number[label] for label in subscripts[k]]) for k in order]
        return Canonical(tuple(order), tuple(terms), number)
    rank = {key: k for k, key in enumerate(sorted(set(keys)))}
    factors = [
        _ColouredFactor(rank[key], labels, flag)
        for key, labels, flag in zip(keys, subscripts, flags, strict=True)
    ]
    position = _total_order(factors, number, sizes, frozenset(unordered))
    order = sorted(range(len(factors)), key=lambda k: (factors[k].key, factors[k].ends(position)))
    for k in order:
        for label in factors[k].arranged(position):
            number.setdefault(label, len(number))
    return Canonical(tuple(order), tuple(factors[k].ends(number) for k in order), number)


def _total_order(
    factors: Sequence[_ColouredFactor],
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
    rank = {value: k for k, value in enumerate(sorted(set(signature.values())))}
    search = _Search(factors, {label: rank[value] for label, value in signature.items()})
    ordered = search.order(sorted(labels), sorted(labels), thorough=True).labels
    return {label: k for k, label in enumerate(ordered)}


class _Labelling(NamedTuple):
    """An order of labels, and how they lie between their factors in it.

    Equal certificates mean that one order can be exchanged for the other.
    """

    certificate: tuple[Any, ...]
    labels: list[int]


class _Search:
    """A search for the order of labels that are told apart by their surroundings alone.

    Colours are whole numbers, of which only the order means something. Each owns the numbers around
    it up to those of its neighbours, so that a class that falls apart needs no other numbers than
    its own, and a class that stays whole keeps its colour: what lies beside it need not be looked
    at again, and the refinement of a chain is linear in its length.
    """

    def __init__(self, factors: Sequence[_ColouredFactor], rank: Mapping[int, int]) -> None:
        self.factors = factors
        self.touching: dict[int, list[int]] = {}
        for k, factor in enumerate(factors):
            for label in dict.fromkeys(factor.labels):
                self.touching.setdefault(label, []).append(k)
        # Into n + 1 parts, a split leaves 1 / (2 n + 2) of what a colour owned: in all splits
        # together fewer binary digits than there are labels, twice.
        self.step = 1 << (2 * len(rank) + 8)
        self.colour = {label: (2 * k + 1) * self.step for label, k in rank.items()}
        self.owned = {c: (c - self.step, c + self.step) for c in self.colour.values()}
        self.floor = 0
        self.views = 0

    def order(self, labels: Sequence[int], changed: Collection[int], thorough: bool) -> _Labelling:
        """Order `labels`, of which some have just changed colour.

        If thorough, the least order of all; else that in which the first of several labels that
        are alike comes first.
        """
        self.refine(labels, changed)
        classes = self.classes(labels)
        settled = [classes[c][0] for c in sorted(classes) if len(classes[c]) == 1]
        parts = self.parts(set(labels).difference(settled))
        if len(parts) == 1 and not settled:
            _, alike = min((len(found), c) for c, found in classes.items())
            return self.branch(labels, classes[alike], thorough)
        ordered = settled
        leaves = (self.order(part, (), thorough) for part in parts)
        for leaf in sorted(leaves, key=attrgetter("certificate")):
            ordered = ordered + leaf.labels
        return self.leaf(ordered)

    def branch(self, labels: Sequence[int], alike: Sequence[int], thorough: bool) -> _Labelling:
        """Order labels of which some are alike, by trying which of these comes first."""
        saved = {label: (c := self.colour[label], self.owned[c]) for label in labels}
        if all(self.is_exchangeable(alike[0], label) for label in alike[1:]):
            found = self.tried(labels, alike, thorough)
        elif not thorough or self.views > MOST_VIEWS:
            found = self.tried(labels, alike[:1], False)
        else:
            trials = []
            for label in self.representatives(labels, alike, saved):
                self.restore(saved)
                trials.append(self.tried(labels, [label], True))
            found = min(trials, key=attrgetter("certificate"))
        self.restore(saved)
        return found

    def representatives(
        self, labels: Sequence[int], alike: Sequence[int], saved: Mapping[int, Any]
    ) -> list[int]:
        """Choose labels such that any other can be exchanged for one of them.

        Two quick orders that begin with different labels and have equal certificates are an
        automorphism, which says of more labels than these that they are exchangeable.
        """
        orbit = {label: label for label in labels}

        def find(label: int) -> int:
            while orbit[label] != label:
                orbit[label] = label = orbit[orbit[label]]
            return label

        leaves: dict[tuple[Any, ...], _Labelling] = {}
        chosen: list[int] = []
        for label in alike:
            if find(label) in map(find, chosen):
                continue
            if chosen and self.views > MOST_VIEWS:
                break
            self.restore(saved)
            leaf = self.tried(labels, [label], False)
            same = leaves.setdefault(leaf.certificate, leaf)
            if same is leaf:
                chosen.append(label)
            for a, b in zip(same.labels, leaf.labels, strict=True):
                orbit[find(b)] = find(a)
        return chosen

    def tried(self, labels: Sequence[int], first: Sequence[int], thorough: bool) -> _Labelling:
        """Order labels after some that are told apart from all others, and come first."""
        for label in first:
            self.floor -= 2 * self.step
            self.colour[label] = self.floor
            self.owned[self.floor] = (self.floor - self.step, self.floor + self.step)
        return self.order(labels, first, thorough)

    def restore(self, saved: Mapping[int, tuple[int, tuple[int, int]]]) -> None:
        for label, (c, owned) in saved.items():
            self.colour[label] = c
            self.owned[c] = owned

    def is_exchangeable(self, a: int, b: int) -> bool:
        """Tell whether the factors are the same ones if two labels change places."""
        near = [self.factors[k] for k in {*self.touching[a], *self.touching[b]}]

        def ends(of: Mapping[int, int]) -> list[tuple[int, tuple[int, ...]]]:
            return sorted(
                (factor.key, least([of.get(n, n) for n in factor.labels], factor.orders))
                for factor in near
            )

        return ends({}) == ends({a: b, b: a})

    def classes(self, labels: Iterable[int]) -> dict[int, list[int]]:
        """Group labels by their colours."""
        found: dict[int, list[int]] = {}
        for label in labels:
            found.setdefault(self.colour[label], []).append(label)
        return found

    def refine(self, labels: Sequence[int], changed: Collection[int]) -> None:
        """Split classes of labels until every label of a class sees the same surroundings.

        Only labels beside one whose colour has changed can see something new; of those that did
        not, which were alike and still are, one in each class stands for all.
        """
        members = {c: set(found) for c, found in self.classes(labels).items()}
        inside = set(labels)
        while changed:
            near = {k for label in changed for k in self.touching[label]}
            beside = {n for k in near for n in self.factors[k].labels}.intersection(inside)
            classes = self.classes(sorted(beside.union(changed)))
            classes = {c: found for c, found in classes.items() if len(members[c]) > 1}
            others = {
                c: next(n for n in members[c] if n not in beside)
                for c, found in classes.items()
                if len(found) < len(members[c])
            }
            views = self.seen([*chain.from_iterable(classes.values()), *others.values()])
            changed = []
            for c, found in classes.items():
                parts: dict[Any, list[int]] = {views[others[c]]: []} if c in others else {}
                for label in found:
                    parts.setdefault(views[label], []).append(label)
                if len(parts) == 1:
                    continue
                stays = views[others[c]] if c in others else max(parts, key=lambda v: len(parts[v]))
                for colour, view in self.split(c, sorted(parts), stays):
                    for label in parts[view]:
                        self.colour[label] = colour
                    members[colour] = set(parts[view])
                    members[c] -= members[colour]
                    changed += parts[view]

    def seen(self, labels: Sequence[int]) -> dict[int, tuple[Any, ...]]:
        """Describe the surroundings of labels, to be compared with each other."""
        self.views += len(labels)
        near = sorted({k for label in labels for k in self.touching[label]})
        ends = {k: (self.factors[k].key, self.factors[k].ends(self.colour)) for k in near}
        rank = {end: at for at, end in enumerate(sorted(set(ends.values())))}
        return {
            label: tuple(
                sorted(
                    (rank[ends[k]], self.factors[k].seen_from(label, self.colour))
                    for k in self.touching[label]
                )
            )
            for label in labels
        }

    def split(self, c: int, views: Sequence[Any], stays: Any) -> list[tuple[int, Any]]:
        """Share out what a colour owns in the order of views, of which one keeps the colour."""
        before, after = views[: (at := views.index(stays))], views[at + 1 :]
        low, high = self.owned[c]
        down, up = (c - low) // (len(before) + 1), (high - c) // (len(after) + 1)
        self.owned[c] = (c - down // 2, c + up // 2)
        given = [(low + down * (k + 1), down, view) for k, view in enumerate(before)]
        given += [(c + up * (k + 1), up, view) for k, view in enumerate(after)]
        for colour, gap, _ in given:
            self.owned[colour] = (colour - gap // 2, colour + gap // 2)
        return [(colour, view) for colour, _, view in given]

    def parts(self, labels: Collection[int]) -> list[list[int]]:
        """Split labels into those that share a factor, directly or through others."""
        left, found = set(labels), []
        for label in sorted(labels):
            if label not in left:
                continue
            left.remove(label)
            part, front = [], [label]
            while front:
                label = front.pop()
                part.append(label)
                for k in self.touching[label]:
                    for other in self.factors[k].labels:
                        if other in left:
                            left.remove(other)
                            front.append(other)
            found.append(sorted(part))
        return found

    def leaf(self, ordered: list[int]) -> _Labelling:
        """Say how ordered labels lie between their factors."""
        place = {label: (1, k) for k, label in enumerate(ordered)}
        ends = []
        for k in {k for label in ordered for k in self.touching[label]}:
            factor = self.factors[k]
            at = {n: place.get(n) or (0, self.colour[n]) for n in factor.labels}
            ends.append((factor.key, factor.ends(at)))
        return _Labelling(tuple(sorted(ends)), ordered)
