"""Sides and solutions of an equation as matrices, with the axes that a structure has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np

from einsdiff.algebra.derivatives.structure import Group, Split
from einsdiff.algebra.nodes.interning import Node
from einsdiff.numeric.libraries.operands import Array


def _no_sparse(_node: Node, _domain: int) -> None:
    """Make no sparse matrix."""


@dataclass(frozen=True)
class Evaluation:
    """How the nodes of a structure become numbers."""

    array: Callable[[Node], Array]  # evaluates a node
    #: Multiplies a node, whose last axes are so many domain axes, by an array with these axes and
    #: one more for several vectors.
    product: Callable[[Node, int, Array], Array]
    size: tuple[int, ...]  # the size of each axis of the map
    dtype: np.dtype[Any]  # in which to solve
    #: Makes SciPy's sparse matrix of a node with so many domain axes; None of one whose entries are
    #: not mostly zeros, and without SciPy.
    sparse: Callable[[Node, int], Any] = _no_sparse

    def matrices(self, node: Node) -> Array:
        """Evaluate a node for solving."""
        return self.array(node).astype(self.dtype, copy=False)

    def count(self, axes: Sequence[int]) -> int:
        """Count the indices of axes."""
        return prod(self.size[axis] for axis in axes)


class Factorisation(Protocol):
    """A map that equations can be solved with.

    `solve` takes right-hand sides with the axes of the codomain and one more for several of them,
    and returns as many solutions with the axes of the domain.
    """

    @property
    def method(self) -> str:
        """How it is done, in a few words."""
        ...

    def solve(self, b: Array, tolerance: float) -> Array:
        """Solve; the tolerance is a residual relative to the right-hand side."""
        ...


@dataclass(frozen=True)
class Frame:
    """Brings arrays from the axes of a map to (ties, rows, right-hand sides), and back."""

    split: Split
    size: tuple[int, ...]

    @property
    def turned(self) -> Frame:
        """The same for the transpose of the map."""
        split = self.split
        back = tuple((d, c) for c, d in split.ties)
        return Frame(
            Split(split.domain, split.codomain, back, split.columns, split.rows), self.size
        )

    def shape(self, axes: Sequence[int]) -> tuple[int, ...]:
        """Return the sizes of some axes."""
        return tuple(self.size[axis] for axis in axes)

    @property
    def sizes(self) -> tuple[int, int]:
        """How many blocks there are, and how many rows each has."""
        return prod(self.shape(self.split.tied)), prod(self.shape(self.split.rows))

    def stacked(self, b: Array) -> Array:
        """Bring an array with the axes of the codomain to (ties, rows, right-hand sides)."""
        order = [self.split.codomain.index(axis) for axis in self.split.tied + self.split.rows]
        return b.transpose([*order, b.ndim - 1]).reshape(*self.sizes, b.shape[-1])

    def spread(self, x: Array) -> Array:
        """Bring (ties, columns, right-hand sides) to the axes of the domain."""
        axes = (*(d for _, d in self.split.ties), *self.split.columns)
        x = x.reshape(*self.shape(axes), x.shape[-1])
        return x.transpose([*(axes.index(axis) for axis in self.split.domain), x.ndim - 1])


def stack(group: Group, split: Split, e: Evaluation) -> Array:
    """Evaluate a group's matrices: one, or one for each index of all ties."""
    n = e.count(group.rows)
    matrices = e.matrices(group.node)
    if not any(group.is_carried):
        return matrices.reshape(1, n, n)
    ties = [
        e.size[c] if is_carried else 1
        for c, is_carried in zip(split.tied, group.is_carried, strict=True)
    ]
    shape = (*(e.size[c] for c in split.tied), n, n)
    return np.broadcast_to(matrices.reshape(*ties, n, n), shape).reshape(-1, n, n)


def along(x: Array, sizes: Sequence[int], k: int, apply: Callable[[Array], Array]) -> Array:
    """Apply what acts on (ties, rows, ..) to one axis of (ties, rows of all groups, ..)."""
    count, n, columns = x.shape
    before, after = prod(sizes[:k]), prod(sizes[k + 1 :]) * columns
    x = x.reshape(count, before, sizes[k], after).transpose(0, 2, 1, 3)
    x = apply(x.reshape(count, sizes[k], before * after)).reshape(count, sizes[k], before, after)
    return x.transpose(0, 2, 1, 3).reshape(count, n, columns)


def named(sizes: Sequence[int]) -> str:
    """Write the sizes of square factors."""
    return " and ".join(f"{n} x {n}" for n in sizes)
