"""Which labels to slice, so that a tree of products has room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from math import prod
from typing import NamedTuple

#: Products of more tensors than these, their result being one, are searched as closed networks.
NETWORK = 16


#: A product is computed in at most so many slices.
MOST_STEPS = 2**16


class Slices:
    r"""Labels of which one value at a time is taken, so that few entries are alive.

    Of a product :math:`\sum_k A_{ik} B_{jk} \dots` there is a part for each value of :math:`k`,
    in which arrays have no such axis.
    Some labels may be taken at first.

    >>> ring = [frozenset(labels) for labels in ((0, 1), (1, 2), (2, 3), (3, 0))]
    >>> choice, path = Slices(ring, frozenset(), (10, 10, 10, 10)), ((0, 1), (0, 1), (0, 1))
    >>> choice.need(path), choice.add(path), choice.sliced, choice.need(path)
    (201.0, True, frozenset({0}), 21.0)
    """

    def __init__(
        self,
        factors: Sequence[frozenset[int]],
        output: frozenset[int],
        sizes: Sequence[int],
        sliced: Collection[int] = (),
    ) -> None:
        self.factors = factors
        self.output = output
        self.whole = tuple(sizes)
        self.sliced = frozenset(sliced)

    @property
    def sizes(self) -> list[int]:
        """The sizes of labels in one part."""
        return [1 if n in self.sliced else size for n, size in enumerate(self.whole)]

    def need(self, path: Sequence[Sequence[int]]) -> float:
        """Return how many entries are alive at one time, the operands not counted."""
        return self._need(self._steps(path))[0]

    def add(self, path: Sequence[Sequence[int]]) -> bool:
        """Take one more label, of those of the largest array the one that makes the least work."""
        steps = self._steps(path)
        largest = self._need(steps)[1]
        count = prod(self.whole[n] for n in self.sliced)
        options = [
            n
            for n in sorted(largest - self.sliced)
            if self.whole[n] > 1 and count * self.whole[n] <= MOST_STEPS
        ]
        if not options:
            return False
        best = min(options, key=lambda n: self._work(steps, self.sliced | {n}))
        self.sliced |= {best}
        return True

    def _steps(self, path: Sequence[Sequence[int]]) -> list[_Contraction]:
        return list(steps_of(path, self.factors, self.output))

    def _need(self, steps: Sequence[_Contraction]) -> tuple[float, frozenset[int]]:
        """Return how many entries are alive at one time, and the labels of the largest array."""
        sizes = list(map(float, self.sizes))
        held = [0.0] * len(self.factors)  # operands are there anyway
        need = [0.0] * len(self.factors)
        largest: frozenset[int] = frozenset()
        most = -1.0
        for step in steps:
            entries = prod([sizes[n] for n in step.result])
            if entries > most:
                largest, most = step.result, entries
            alive, top = 0.0, 0.0
            # What takes most besides its result comes first.
            for k in sorted(step.group, key=lambda k: held[k] - need[k]):
                top = max(top, alive + need[k])
                alive += held[k]
            held.append(entries)
            need.append(max(top, alive + entries))
        return need[-1] if steps else 0.0, largest

    def _work(self, steps: Sequence[_Contraction], sliced: frozenset[int]) -> float:
        """Count multiplications if these labels are sliced; what has none of them is done once."""
        count = prod(self.whole[n] for n in sliced)
        sizes = [1.0 if n in sliced else float(size) for n, size in enumerate(self.whole)]
        depends = [not labels.isdisjoint(sliced) for labels in self.factors]
        total = 0.0
        for step in steps:
            depends.append(any(depends[k] for k in step.group))
            total += prod([sizes[n] for n in step.labels]) * (count if depends[-1] else 1)
        return total


class _Contraction(NamedTuple):
    """What is multiplied, the labels of all of it, and those of the result."""

    group: tuple[int, ...]
    labels: frozenset[int]
    result: frozenset[int]


def steps_of(
    path: Sequence[Sequence[int]], factors: Sequence[frozenset[int]], output: Iterable[int]
) -> Iterator[_Contraction]:
    """Write a path with numbers that stay: factors first, then the results of the steps."""
    carried = Counter(output)  # by how many of what is left, and by the result
    for labels in factors:
        carried.update(labels)
    left = list(enumerate(factors))
    for made, chosen in enumerate(path, start=len(factors)):
        group = [left.pop(k) for k in sorted(chosen, reverse=True)]
        parts = [labels for _, labels in group]
        for labels in parts:
            for n in labels:
                carried[n] -= 1
        union = parts[0].union(*parts[1:])
        result = frozenset([n for n in union if carried[n]])
        carried.update(result)
        left.append((made, result))
        yield _Contraction(tuple([k for k, _ in group]), union, result)
