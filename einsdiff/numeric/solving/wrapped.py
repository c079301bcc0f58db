"""Solutions that are made of other solutions."""

from __future__ import annotations

from dataclasses import dataclass

from einsdiff.numeric.libraries.operands import Array
from einsdiff.numeric.solving.dense import Matrices
from einsdiff.numeric.solving.frames import Factorisation, Frame

__all__ = ["Blockwise", "Divided", "Repeated", "Woodbury"]


@dataclass(frozen=True)
class Blockwise:
    """A matrix for each index of the tied axes."""

    frame: Frame
    matrices: Matrices

    @property
    def method(self) -> str:
        """How it is solved, for people."""
        return self.matrices.method

    def solve(self, b: Array, tolerance: float) -> Array:
        """Solve for one right-hand side."""
        del tolerance
        return self.frame.spread(self.matrices.solve(self.frame.stacked(b)))


@dataclass(frozen=True)
class Repeated:
    """One map for all indices of the tied axes."""

    frame: Frame
    inner: Factorisation

    @property
    def method(self) -> str:
        """How it is solved, for people."""
        count = self.frame.sizes[0]
        if count == 1 or self.inner.method.startswith("division"):
            return self.inner.method
        one = "one " if self.inner.method.startswith("LU factorisation of") else ""
        return f"{one}{self.inner.method} for {count} right-hand sides"

    def solve(self, b: Array, tolerance: float) -> Array:
        """Solve for one right-hand side."""
        split, shape = self.frame.split, self.frame.shape
        order = [split.codomain.index(axis) for axis in split.rows + split.tied]
        sides = b.transpose([*order, b.ndim - 1])
        count = self.frame.sizes[0] * b.shape[-1]
        x = self.inner.solve(sides.reshape(*shape(split.rows), count), tolerance)
        x = x.reshape(*shape(split.columns), *shape(split.tied), b.shape[-1])
        axes = (*split.columns, *(d for _, d in split.ties))
        return x.transpose([*(axes.index(axis) for axis in split.domain), x.ndim - 1])


@dataclass(frozen=True)
class Divided:
    """A map between two diagonal ones."""

    rows: Array | None
    columns: Array | None
    inner: Factorisation

    @property
    def method(self) -> str:
        """How it is solved, for people."""
        sides = [
            side
            for side, scale in (("rows", self.rows), ("columns", self.columns))
            if scale is not None
        ]
        return f"{self.inner.method}, with scaled {' and '.join(sides)}"

    def solve(self, b: Array, tolerance: float) -> Array:
        """Solve for one right-hand side."""
        x = self.inner.solve(b if self.rows is None else b / self.rows, tolerance)
        return x if self.columns is None else x / self.columns


@dataclass(frozen=True)
class Woodbury:
    """A map with a structure, and a change of low rank."""

    rank: int
    frame: Frame
    base: Factorisation
    right: Array
    solved: Array
    small: Matrices

    @property
    def method(self) -> str:
        """How it is solved, for people."""
        return f"Woodbury: {self.base.method}, plus rank {self.rank}"

    def solve(self, b: Array, tolerance: float) -> Array:
        """Solve for one right-hand side."""
        y = self.base.solve(b, tolerance)
        inner = self.small.solve(self.right.swapaxes(1, 2) @ self.frame.turned.stacked(y))
        return y - self.frame.spread(self.solved @ inner)
