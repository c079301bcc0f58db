"""Labels of a product under construction, and what ties them: deltas and relations.

>>> labels = Labels()
>>> i, j, p = (labels.new(size) for size in (3, 3, 4))
>>> labels.unite(i, j)
>>> labels.find(j) == i
True
>>> labels.relate(Relation((1, -1), 1), [j, p])  # j + 1 = p, so that p can be summed away
>>> labels.settle({i})
>>> labels.relations
[]
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence

from einsdiff.algebra.nodes.relations import Relation, bounds, is_digits, truth
from einsdiff.notation.subscripts import Size

#: A relation under construction: the coefficient of each label, the offset, and its kind.
_Terms = dict[int, int]
_Relation = tuple[_Terms, int, bool]


class Labels:
    """Labels with their sizes, which of them are one, and how the others are related."""

    def __init__(self) -> None:
        self.vanishes = False
        self.numbers: dict[Hashable, int] = {}
        self.parent: list[int] = []
        self.size: list[Size] = []
        self.relations: list[_Relation] = []
        self.eliminated: set[int] = set()

    # Union-find, in which a delta is one union.

    def new(self, size: Size) -> int:
        """Make a label."""
        self.parent.append(len(self.parent))
        self.size.append(size)
        return len(self.parent) - 1

    def known(self, label: Hashable) -> int:
        """Return the number of a label that has one."""
        assert label in self.numbers, f"output label {label!r} has no size"
        return self.numbers[label]

    def number(self, label: Hashable, size: Size) -> int:
        """Return the number of a label, given to it now if it has none."""
        found = self.numbers.get(label)
        if found is None:
            found = self.numbers[label] = self.new(size)
        assert self.size[found] == size, f"label {label!r}: {self.size[found]} and {size}"
        return found

    def find(self, label: int) -> int:
        """Return the label that stands for all that are equal to this one."""
        parent = self.parent
        while parent[label] != label:
            parent[label] = parent[parent[label]]
            label = parent[label]
        return label

    def unite(self, a: int, b: int) -> None:
        """Make two labels one: a Kronecker delta."""
        a, b = self.find(a), self.find(b)
        if a != b:
            assert self.size[a] == self.size[b], f"{self.size[a]} and {self.size[b]}"
            self.parent[max(a, b)] = min(a, b)

    # Relations: what `unite` is to equal indices.

    def relate(self, relation: Relation, labels: Sequence[int]) -> None:
        """Note a relation between labels."""
        c, offset, is_equation = relation
        terms: dict[int, int] = {}
        for label, k in zip(labels, c, strict=True):
            terms[label] = terms.get(label, 0) + k
        self.relations.append((terms, offset, is_equation))

    def settle(self, kept: Collection[int]) -> None:
        """Substitute what the relations determine, until nothing changes.

        Labels in `kept` stand in the result or in a factor, and so cannot be summed away.
        """
        while self.relations and not self.vanishes:
            roots = self.classes()
            found = [simpler for r in self.relations for simpler in self.simplify(*r)]
            # Relations are 0 or 1, so that one stated twice is stated once.
            relations = [r for k, r in enumerate(found) if r not in found[:k]]
            changed = relations != self.relations or self.classes() != roots
            self.relations = relations
            # A label that was just united has another root now: which labels stand elsewhere
            # can be told when all relations are written in roots.
            if not changed and not self.eliminate({self.find(label) for label in kept}):
                break

    def classes(self) -> int:
        """Count the labels that are different."""
        return len({self.find(label) for label in range(len(self.parent))})

    def simplify(self, terms: _Terms, offset: int, is_equation: bool) -> list[_Relation]:
        """Bring a relation into its simplest form; none if it always holds."""
        joined: _Terms = {}
        for label, c in terms.items():
            root = self.find(label)
            joined[root] = joined.get(root, 0) + c
        joined = {n: c for n, c in joined.items() if c and self.size[n] != 1}
        if joined == {}:
            holds: bool | None = offset == 0 if is_equation else offset >= 0
        else:
            relation = Relation(tuple(joined.values()), offset, is_equation)
            holds = truth(relation, [self.size[n] for n in joined])
        if holds is not None:
            self.vanishes |= not holds
            return []
        if is_equation and offset == 0 and sorted(joined.values()) == [-1, 1]:
            a, b = joined
            if self.size[a] == self.size[b]:
                self.unite(a, b)
                return []
        return [(joined, offset, is_equation)]

    def eliminate(self, elsewhere: Collection[int]) -> bool:
        """Sum over an index that stands in relations only and that one of them determines.

        Returns whether there was one.
        """
        for k, (terms, offset, is_equation) in enumerate(self.relations):
            for label, c in terms.items():
                if not is_equation or abs(c) != 1 or label in elsewhere:
                    continue
                # label = sum(rest) + constant
                rest = {n: -c * other for n, other in terms.items() if n != label}
                constant = -c * offset
                low, high = bounds(tuple(rest.values()), constant, [self.size[n] for n in rest])
                size = self.size[label]
                if low < 0 or not (isinstance(size, int) and high < size):
                    continue
                others = [j for j, r in enumerate(self.relations) if j != k and label in r[0]]
                if len(rest) > 1 and others and not self.same_digits(label, terms, others, offset):
                    continue
                for j in others:
                    theirs, their_offset, kind = self.relations[j]
                    factor = theirs.pop(label)
                    for n, other in rest.items():
                        theirs[n] = theirs.get(n, 0) + factor * other
                    self.relations[j] = (theirs, their_offset + factor * constant, kind)
                del self.relations[k]
                self.eliminated.add(label)
                return True
        return False

    def same_digits(self, label: int, terms: _Terms, others: Sequence[int], offset: int) -> bool:
        """Unite the digits of two ways to write one index, as in ``3 i + j = 3 k + l``."""
        if len(others) != 1:
            return False
        theirs, their_offset, is_equation = self.relations[others[0]]
        sides = []
        for side in (terms, theirs):
            sign = -side[label]
            digits = sorted((sign * c, n) for n, c in side.items() if n != label)
            sides.append(digits)
        sizes = [[(c, self.size[n]) for c, n in side] for side in sides]
        if not (is_equation and offset == their_offset == 0 and sizes[0] == sizes[1]):
            return False
        if not is_digits([c for c, _ in sizes[0]], [size for _, size in sizes[0]]):
            return False
        for (_, a), (_, b) in zip(*sides, strict=True):
            self.unite(a, b)
        return True
