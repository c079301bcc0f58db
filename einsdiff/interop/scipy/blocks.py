r"""Matrices made of blocks, each of which is a derivative: one for each two parameters.

.. math:: \begin{pmatrix} A & B \\ B^\top & C \end{pmatrix}

The blocks are computed together, what they have in common once. Where the entries of a sparse
matrix stand is known from the deltas of the formulas, found once, and the same for all values.

>>> from einsdiff.verbs.calculus import grad, hessian
>>> f = grad("x_i x_i y", wrt="y", x=[1.0, 2.0], y=3.0)
>>> (B,) = [grad(f, wrt="x").formula]
>>> matrix = BlockMatrix(
...     (3, 3), (MatrixBlock(B, slice(2, 3), slice(0, 2), True),), f.values
... )
>>> matrix.evaluate("sparse", {})[0].toarray()
array([[0., 0., 2.],
       [0., 0., 4.],
       [2., 4., 0.]])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np

from einsdiff.errors import OperandError, SizeError
from einsdiff.expressions.compiled import Compiled
from einsdiff.expressions.cores import Cores
from einsdiff.expressions.formula import Formula
from einsdiff.notation.threads import cached_property
from einsdiff.numeric.libraries.extras import needs_scipy, scipy_module
from einsdiff.numeric.libraries.memory import format_bytes, memory_limit
from einsdiff.numeric.libraries.operands import Array
from einsdiff.numeric.planning.views import PlannedCore
from einsdiff.numeric.sparse import PLACING, check_room, entries, positions

#: The forms of a Jacobian or a Hessian.
MATRIX_FORMS = ("dense", "sparse", "operator")


def checked_form(form: str) -> str:
    """Check that a matrix can be given in this form."""
    if form not in MATRIX_FORMS:
        raise OperandError(
            f"form={form!r} is not how a matrix can be given",
            action=f"write one of {', '.join(map(repr, MATRIX_FORMS))}",
        )
    return form


class MatrixBlock(NamedTuple):
    """A derivative, and where its matrix stands in the whole."""

    formula: Formula
    rows: slice
    columns: slice
    is_mirrored: bool = False  # whether its transpose stands on the other side of the diagonal


class _BlockPattern(NamedTuple):
    """Where the entries of a sparse matrix are."""

    columns: Array  # as in CSR
    pointers: Array
    order: Array  # which of the blocks' entries, one after the other, comes first
    starts: Array  # where those begin that stand at one place


@dataclass(frozen=True, eq=False)
class BlockMatrix:
    """A matrix of blocks and their mirror images, and expressions to be computed with it."""

    shape: tuple[int, int]
    blocks: tuple[MatrixBlock, ...]
    known: Mapping[str, Array]  # which need not be given again
    others: tuple[Formula, ...] = ()

    def evaluate(self, form: str, given: Mapping[str, Array]) -> tuple[Any, ...]:
        """Compute the other expressions and then the matrix, ``"dense"`` or ``"sparse"``."""
        return self._dense(given) if form == "dense" else self._sparse(given)

    def sparsity(self) -> Any:
        """Tell where an entry can be other than zero: there are ones."""
        return self._csr(np.ones(len(self._pattern.starts), np.int8))

    def _formulas(self) -> list[Formula]:
        return [*self.others, *(block.formula for block in self.blocks)]

    # --- dense --------------------------------------------------------------------------------

    @cached_property
    def _compiled(self) -> Compiled:
        return Compiled(self._formulas(), self.known, build=tuple)

    def _dense(self, given: Mapping[str, Array]) -> tuple[Any, ...]:
        self._check_memory()
        results = self._compiled(**given)
        count = len(self.others)
        others, parts = results[:count], results[count:]
        if len(parts) == 1 and not self.blocks[0].is_mirrored:
            return *others, np.asarray(parts[0], float).reshape(self.shape)
        matrix = np.zeros(self.shape)
        for block, part in zip(self.blocks, parts, strict=True):
            view = matrix[block.rows, block.columns]
            view[...] = part.reshape(view.shape)
            if block.is_mirrored:
                matrix[block.columns, block.rows] = view.T
        return *others, matrix

    def _check_memory(self) -> None:
        """Count the matrix too, where it is put together of blocks that are counted elsewhere."""
        needed = 8 * prod(self.shape)
        if len(self.blocks) > 1 and needed > memory_limit():
            raise SizeError(
                f"the matrix of shape {self.shape} needs {format_bytes(needed)}, above the "
                f"memory limit of {format_bytes(memory_limit())}",
                action='ask for form="sparse" or form="operator"',
            )

    # --- sparse -------------------------------------------------------------------------------

    @cached_property
    def _programs(self) -> tuple[Compiled, ...]:
        """Compile all formulas together, or each alone where that keeps more of their zeros."""
        formulas = self._formulas()
        together = self._in_cores(formulas)
        apart = [self._in_cores([formula]) for formula in formulas]
        return (together,) if _count(together) <= sum(map(_count, apart)) else tuple(apart)

    def _in_cores(self, formulas: list[Formula]) -> Compiled:
        return Compiled(formulas, self.known, "cores", build=tuple)

    @cached_property
    def _places(self) -> tuple[tuple[PlannedCore, ...], ...]:
        """Where the cores of each formula stand, which only sizes decide."""
        return tuple(cores for program in self._programs for cores in program.plan.cores)

    @cached_property
    def _pattern(self) -> _BlockPattern:
        height, width = self.shape
        placed = list(zip(self.blocks, self._places[len(self.others) :], strict=True))
        count = sum(
            prod(core.window.shape) * (2 if block.is_mirrored else 1)
            for block, cores in placed
            for core in cores
        )
        what = f"making the sparse matrix of shape {self.shape}"
        check_room(what, count * (PLACING + 16) + 16 * height)
        keys = [np.zeros(0, np.int64)]
        for block, cores in placed:
            flat = np.concatenate([keys[0], *(positions(core.window) for core in cores)])
            row, column = np.divmod(flat, max(block.columns.stop - block.columns.start, 1))
            row, column = row + block.rows.start, column + block.columns.start
            keys.append(row * width + column)
            if block.is_mirrored:
                keys.append(column * width + row)
        key = np.concatenate(keys)
        order = np.argsort(key, kind="stable")
        key = key[order]
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        row, column = np.divmod(key[starts], max(width, 1))
        small = np.int32 if max(height, width, len(key)) < 2**31 else np.int64
        pointers = np.zeros(height + 1, small)
        np.cumsum(np.bincount(row, minlength=height), out=pointers[1:])
        return _BlockPattern(column.astype(small), pointers, order, starts)

    def _sparse(self, given: Mapping[str, Array]) -> tuple[Any, ...]:
        results = [part for program in self._programs for part in program(**given)]
        shapes = [shape for program in self._programs for shape in program.plan.shapes]
        count = len(self.others)
        others = [
            Cores(shape, 0, np.dtype(float), places, arrays).dense()
            for shape, places, arrays in zip(
                shapes[:count], self._places[:count], results[:count], strict=True
            )
        ]
        parts = [np.zeros(0)]
        for block, cores, arrays in zip(
            self.blocks, self._places[count:], results[count:], strict=True
        ):
            found = [entries(core, array) for core, array in zip(cores, arrays, strict=True)]
            parts += found * (2 if block.is_mirrored else 1)
        values = np.concatenate(parts, dtype=float)[self._pattern.order]
        if len(self._pattern.starts) < len(values):
            values = np.add.reduceat(values, self._pattern.starts)
        return *others, self._csr(values)

    def _csr(self, values: Array) -> Any:
        scipy = scipy_module("sparse")
        if scipy is None:
            raise needs_scipy("a sparse matrix")
        where = self._pattern.columns.copy(), self._pattern.pointers.copy()
        matrix = scipy.csr_array((values, *where), shape=self.shape)
        matrix.has_canonical_format = True
        return matrix


def _count(program: Compiled) -> int:
    """Count the entries that can be other than zero."""
    return sum(prod(core.window.shape) for cores in program.plan.cores for core in cores)


def linear_operator(
    shape: tuple[int, int], forward: Callable[[Any], Array], adjoint: Callable[[Any], Array]
) -> Any:
    """Make a matrix that is only multiplied with vectors, from both sides."""
    linalg = scipy_module("sparse.linalg")
    if linalg is None:
        raise needs_scipy('form="operator"')
    return linalg.LinearOperator(shape, matvec=forward, rmatvec=adjoint, dtype=np.dtype(float))


def stand_in(shape: tuple[int, ...]) -> Array:
    """Return an array of a shape that takes no memory."""
    return np.broadcast_to(np.zeros(()), shape)
