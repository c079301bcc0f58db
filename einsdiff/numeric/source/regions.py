r"""The part of an array that a chain of views shows, by the indices of its entries.

Each axis of the array is a sum of multiples of the indices of the view, and a number. With the
diagonal, of a matrix without its first column,

.. math:: J_{i,\,i+1} = x_i ,

both axes are one index of the view, here number 2, and 1 is added to it for the second:

>>> region = whole((3, 4))
>>> region = through(region, Instruction("slice", "t1", ("t0",), (":", "1:"), (3, 3)))
>>> through(region, Instruction("diagonal", "t2", ("t1",), "ii->i", (3,))).axes
(({2: 1}, 0), ({2: 1}, 1))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from math import prod

from einsdiff.numeric.planning.operations import Instruction
from einsdiff.numeric.planning.steps import indices


@dataclass(frozen=True)
class Region:
    """A view of an array: each axis of the array as a sum of the view's indices."""

    shape: tuple[int, ...]  # that of the array
    #: The size of each index, by its number, in the order of the view's axes.
    sizes: Mapping[int, int]
    #: For each axis of the array the coefficients of these, and what is added.
    axes: tuple[tuple[Mapping[int, int], int], ...]

    @property
    def is_whole(self) -> bool:
        """Whether it is the array, axis by axis."""
        return all(
            terms == {axis: 1} and not start for axis, (terms, start) in enumerate(self.axes)
        )

    def is_apart(self, other: Region) -> bool:
        """Tell whether an axis shows that two views have no entry in common."""
        return any(
            a[1] < b[0] or b[1] < a[0] for a, b in zip(self._reach(), other._reach(), strict=True)
        )

    def _reach(self) -> list[tuple[int, int]]:
        """Return the first and the last index along each axis."""
        return [
            (
                start + sum(min(c, 0) * (self.sizes[n] - 1) for n, c in terms.items()),
                start + sum(max(c, 0) * (self.sizes[n] - 1) for n, c in terms.items()),
            )
            for terms, start in self.axes
        ]


def whole(shape: tuple[int, ...]) -> Region:
    """Return the region that is all of an array.

    >>> whole((2, 3)).is_whole
    True
    """
    axes = range(len(shape))
    return Region(shape, dict(enumerate(shape)), tuple(({axis: 1}, 0) for axis in axes))


def through(region: Region, step: Instruction) -> Region:
    """Return the part of a region that a transpose, diagonal, split or slice of it shows."""
    return _VIEWS[step.op](region, step)


def _transposed(region: Region, step: Instruction) -> Region:
    axes = list(region.sizes)
    return replace(region, sizes={axes[k]: region.sizes[axes[k]] for k in step.detail})


def _diagonal(region: Region, step: Instruction) -> Region:
    sizes: dict[int, int] = {}
    terms: dict[int, dict[int, int]] = {}
    first: dict[str, int] = {}
    for axis, letter in zip(region.sizes, step.detail.partition("->")[0], strict=True):
        if letter in first:
            terms[axis] = {first[letter]: 1}
        else:
            first[letter] = axis
            sizes[axis] = region.sizes[axis]
    return _replaced(region, sizes, terms, {})


def _split(region: Region, step: Instruction) -> Region:
    new = _new_indices(region)
    sizes: dict[int, int] = {}
    terms: dict[int, dict[int, int]] = {}
    for axis, digits in zip(region.sizes, step.detail, strict=True):
        if len(digits) == 1:
            sizes[axis] = region.sizes[axis]
            continue
        terms[axis] = {}
        for k, size in enumerate(digits):
            n = next(new)
            sizes[n] = size
            terms[axis][n] = prod(digits[k + 1 :])
    return _replaced(region, sizes, terms, {})


def _slice(region: Region, step: Instruction) -> Region:
    new = _new_indices(region)
    sizes: dict[int, int] = {}
    terms: dict[int, dict[int, int]] = {}
    offsets: dict[int, int] = {}
    parts = indices(step.detail)
    parts += [slice(None)] * (len(region.sizes) - len(parts))
    lengths = iter(step.shape)
    for (axis, size), part in zip(region.sizes.items(), parts, strict=True):
        if isinstance(part, int):
            terms[axis], offsets[axis] = {}, part
            continue
        n, stride = next(new), part.step or 1
        sizes[n] = next(lengths)
        terms[axis] = {n: stride}
        offsets[axis] = (0 if stride > 0 else size - 1) if part.start is None else part.start
    return _replaced(region, sizes, terms, offsets)


_VIEWS: Mapping[str, Callable[[Region, Instruction], Region]] = {
    "diagonal": _diagonal,
    "slice": _slice,
    "split": _split,
    "transpose": _transposed,
}


def _new_indices(region: Region) -> count[int]:
    return count(max(region.sizes, default=-1) + 1)


def _replaced(
    region: Region,
    sizes: Mapping[int, int],
    new: Mapping[int, Mapping[int, int]],
    offsets: Mapping[int, int],
) -> Region:
    """Put sums of other indices in the place of indices."""
    axes = []
    for terms, start in region.axes:
        total: Counter[int] = Counter()
        for index, c in terms.items():
            start = start + c * offsets.get(index, 0)
            for other, d in new.get(index, {index: 1}).items():
                total[other] = total[other] + c * d
        axes.append((dict(total), start))
    return Region(region.shape, sizes, tuple(axes))
