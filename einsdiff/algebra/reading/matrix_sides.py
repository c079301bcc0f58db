"""The rows and the columns of parts of a formula: which are equal, and what sizes they have.

A side of a matrix is made of axes: none for the rows of a number, one for those of a matrix, two
for those of ``A ⊗ B`` or of ``vec(A)``.

>>> sides = Sides()
>>> a, b = sides.axis(3), sides.axis()
>>> sides.equate(a, b), sides.sizes(b)
(True, [3])
"""

from __future__ import annotations

from math import prod
from typing import Self

from einsdiff.notation.subscripts import Size


class _UnionFind:
    """One of several things that are found to be equal, one of which stands for all."""

    __slots__ = ("parent",)
    parent: Self | None  # one that it is equal to

    def __init__(self) -> None:
        self.parent = None

    def found(self) -> Self:
        """Return the one that stands for all that are equal."""
        at = self
        while at.parent is not None:
            at = at.parent
        if at is not self:
            self.parent = at
        return at


class MarginAxis(_UnionFind):
    """An axis, and its size once that is known."""

    __slots__ = ("size",)

    def __init__(self, size: Size | None = None) -> None:
        super().__init__()
        self.size = size


class Margin(_UnionFind):
    """The rows or the columns of something; what they are made of may not be known yet."""

    __slots__ = ("extents",)

    def __init__(self, extents: tuple[MarginAxis, ...] | None = None) -> None:
        super().__init__()
        self.extents = extents

    @property
    def axes(self) -> tuple[MarginAxis, ...] | None:
        """The axes, None if nothing is known."""
        return self.found().extents


#: The rows and the columns of a number.
NONE = Margin(())


class Sides:
    """Equations between sides, solved as they come, and those of products at the end."""

    def __init__(self) -> None:
        self.products: list[tuple[Margin, Margin]] = []
        self.totals: list[tuple[MarginAxis, list[MarginAxis]]] = []

    def axis(self, size: Size | None = None) -> Margin:
        """Return a side of one axis."""
        return Margin((MarginAxis(size),))

    def equate(self, a: Margin, b: Margin) -> bool:
        """Make two sides equal; tell whether they can be."""
        a, b = a.found(), b.found()
        if a is b:
            return True
        if a.extents is None or b.extents is None:
            first, second = (b, a) if a.extents is None else (a, b)
            second.parent = first
            return True
        pairs = list(zip(a.extents, b.extents, strict=False))
        if len(a.extents) == len(b.extents):
            known = [(p.found().size, q.found().size) for p, q in pairs]
            if all(m == n or m is None or n is None for m, n in known):
                for p, q in pairs:
                    self.join(p, q)
                return True
            if len(a.extents) < 2:
                return False
        if not a.extents or not b.extents:
            return False
        self.products.append((a, b))
        return True

    def join(self, a: MarginAxis, b: MarginAxis) -> None:
        """Make two axes one."""
        a, b = a.found(), b.found()
        if a is not b:
            first, second = (b, a) if a.size is None else (a, b)
            second.parent = first

    def sizes(self, side: Margin) -> list[Size | None]:
        """Return the sizes of the axes of a side."""
        return [extent.found().size for extent in side.axes or ()]

    def settle(self) -> tuple[Margin, Margin] | None:
        """Find sizes from products and sums of others; return two sides that differ, if any do."""
        is_news = True
        while is_news:
            is_news = False
            for total, parts in self.totals:
                is_news |= _settle_total(total.found(), [part.found() for part in parts])
            for pair in self.products:
                for left, right in (pair, pair[::-1]):
                    known, other = self.sizes(left), self.sizes(right)
                    rest = [k for k, size in enumerate(other) if size is None]
                    have = [size for size in other if isinstance(size, int)]
                    if len(rest) != 1 or len(have) + 1 != len(other) or not prod(have):
                        continue
                    if all(isinstance(size, int) for size in known):
                        whole, over = divmod(prod(int(size or 0) for size in known), prod(have))
                        if not over:
                            assert right.axes is not None
                            right.axes[rest[0]].found().size = whole
                            is_news = True
        for left, right in self.products:
            both = [self.sizes(side) for side in (left, right)]
            if all(isinstance(size, int) for sizes in both for size in sizes):
                one, other_ = (prod(int(size or 0) for size in sizes) for sizes in both)
                if one != other_:
                    return left, right
        return None


def _settle_total(total: MarginAxis, parts: list[MarginAxis]) -> bool:
    """Find the size of a whole from its parts, or that of one part from the others."""
    sizes = [part.size for part in parts]
    numbers = [size for size in sizes if isinstance(size, int)]
    if len(numbers) == len(sizes) and total.size is None:
        total.size = sum(numbers)
        return True
    if len(numbers) + 1 == len(sizes) and None in sizes and isinstance(total.size, int):
        rest = total.size - sum(numbers)
        if rest >= 0:
            parts[sizes.index(None)].size = rest
            return True
    return False
