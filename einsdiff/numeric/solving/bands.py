r"""Equations whose matrix is mostly zeros: bands, and other sparse matrices.

A chain of differences, :math:`\sum_i (x_{i+1} - x_i)^2`, has a matrix with entries beside its
diagonal only. Of n rows with a band of width w, factors have n w entries; LAPACK finds them, and
SuperLU those of matrices whose entries stand in no narrow band.

>>> matrix = scipy("sparse").diags_array(
...     [[2.0] * 4, [1.0] * 3], offsets=[0, 1], format="csr"
... )
>>> made = factorised_sparsely(matrix)
>>> made.method, made.solve(np.array([[3.0], [3.0], [3.0], [2.0]]))[:, 0]
('LU factorisation of a band of 2 diagonals, 4 x 4', array([1., 1., 1., 1.]))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any, Protocol

import numpy as np

from einsdiff.notation.threads import cached_property
from einsdiff.numeric.libraries.operands import Array
from einsdiff.numeric.solving.dense import check_finite
from einsdiff.numeric.solving.failures import SINGULAR, SolveError, scipy

#: A band may have so many times the entries that are stored in it, and so many diagonals more.
MOST_EMPTY, FEW_DIAGONALS = 4, 8


#: Solves with one matrix, or with its adjoint.
_Solve = Callable[[Array, bool], Array]


class SparseFactors(Protocol):
    """A sparse matrix that equations can be solved with."""

    @property
    def method(self) -> str:
        """How it is done, in a few words."""
        ...

    def solve(self, b: Array) -> Array:
        """Solve for the columns of a matrix."""
        ...


def factorised_sparsely(matrix: Any) -> SparseFactors:
    """Factorise a square sparse matrix of SciPy's, in CSR format.

    A matrix that is singular to working precision is a `SolveError`.
    """
    check_finite(matrix.data)
    n = matrix.shape[0]
    filled = np.diff(matrix.indptr)
    if not filled.all():
        raise _singular(n, 0.0)
    rows = _scales(np.maximum.reduceat(np.abs(matrix.data), matrix.indptr[:-1]))
    data = matrix.data * np.repeat(rows, filled)
    row = np.repeat(np.arange(n, dtype=matrix.indices.dtype), filled)
    offset = matrix.indices - row
    lower, upper = int(max(-offset.min(), 0)), int(max(offset.max(), 0))
    if (lower + upper + 1) * n <= MOST_EMPTY * len(data) + FEW_DIAGONALS * n:
        band = np.zeros((2 * lower + upper + 1, n), data.dtype)
        band[lower + upper - offset, matrix.indices] = data
        return _banded(band, lower, upper, rows)
    scaled = scipy("sparse").csr_array((data, matrix.indices, matrix.indptr), matrix.shape)
    return _superlu(scaled.tocsc(), rows)


def _scales(largest: Array) -> Array:
    """Return powers of two by which rows or columns are multiplied, so that sizes are alike."""
    if not largest.all():
        raise _singular(len(largest), 0.0)
    return np.exp2(-np.rint(np.log2(largest))).astype(largest.dtype)


def _singular(n: int, rcond: float) -> SolveError:
    return SolveError(
        f"the matrix of {n} x {n} is singular to working precision: the reciprocal of its "
        f"condition number is {rcond:.1g}",
        action=SINGULAR,
    )


def _check_condition(size: float, n: int, dtype: Any, solve: _Solve) -> None:
    """Refuse a matrix that is singular to working precision, told by an estimate of its inverse.

    The estimate is that of Higham and Tisseur, *A block algorithm for matrix 1-norm estimation*,
    2000. LAPACK's own for bands takes a time that grows with the square of the rows.
    """
    linalg = scipy("sparse.linalg")

    def forward(b: Array) -> Array:
        return solve(b, False)

    def adjoint(b: Array) -> Array:
        return solve(b, True)

    inverse = linalg.LinearOperator((n, n), forward, adjoint, forward, dtype, rmatmat=adjoint)
    rcond = 1 / (size * float(linalg.onenormest(inverse, t=1, itmax=3)))
    if not rcond > float(np.finfo(dtype).eps) * max(10.0, sqrt(n)):
        raise _singular(n, rcond)


def _banded(band: Array, lower: int, upper: int, rows: Array) -> SparseFactors:
    """Factorise a band, with diagonals as rows, and room for those that pivots fill."""
    n = len(rows)
    columns = _scales(np.abs(band).max(axis=0))
    band *= columns
    size = float(np.abs(band).sum(axis=0).max())
    (getrf,) = scipy("linalg").get_lapack_funcs(("gbtrf",), (band,))
    factors, pivots, info = getrf(band, lower, upper)
    if info > 0:
        raise _singular(n, 0.0)
    made = _Band(factors, pivots, lower, upper, rows, columns)
    _check_condition(size, n, band.dtype, made.plain)
    return made


@dataclass(frozen=True)
class _Band:
    """A band as LAPACK's triangles, with its rows and columns scaled."""

    factors: Array
    pivots: Array
    lower: int
    upper: int
    rows: Array
    columns: Array

    @property
    def method(self) -> str:
        n = len(self.rows)
        count = self.lower + self.upper + 1
        return f"LU factorisation of a band of {count} diagonals, {n} x {n}"

    def solve(self, b: Array) -> Array:
        if b.size == 0:  # which LAPACK refuses
            return np.zeros_like(b)
        return self.plain(b * self.rows[:, None], False) * self.columns[:, None]

    def plain(self, b: Array, is_adjoint: bool) -> Array:
        """Solve for the scaled matrix, or for its adjoint."""
        (getrs,) = scipy("linalg").get_lapack_funcs(("gbtrs",), (self.factors,))
        trans = 2 * is_adjoint
        x, _ = getrs(self.factors, self.lower, self.upper, b, self.pivots, trans=trans)
        return np.asarray(x)


def _superlu(scaled: Any, rows: Array) -> SparseFactors:
    """Factorise a matrix in CSC format."""
    n = len(rows)
    filled = np.diff(scaled.indptr)
    if not filled.all():
        raise _singular(n, 0.0)
    columns = _scales(np.maximum.reduceat(np.abs(scaled.data), scaled.indptr[:-1]))
    scaled.data *= np.repeat(columns, filled)
    made = _SuperLU(scaled, rows, columns)
    try:
        factors = made.factors
    except RuntimeError:  # the factor is exactly singular
        raise _singular(n, 0.0) from None
    size = float(np.add.reduceat(np.abs(scaled.data), scaled.indptr[:-1]).max())
    _check_condition(
        size, n, scaled.dtype, lambda b, is_adjoint: factors.solve(b, "H" if is_adjoint else "N")
    )
    return made


@dataclass(frozen=True)
class _SuperLU:
    """A sparse matrix, with its rows and columns scaled, and its triangles by SuperLU."""

    scaled: Any
    rows: Array
    columns: Array

    def __reduce__(self) -> tuple[Any, ...]:
        return _SuperLU, (self.scaled, self.rows, self.columns)

    @cached_property
    def factors(self) -> Any:
        """The triangles, which are no part of a pickle."""
        return scipy("sparse.linalg").splu(self.scaled)

    @property
    def method(self) -> str:
        n = len(self.rows)
        return f"sparse LU factorisation of {n} x {n}, with {self.scaled.nnz} entries"

    def solve(self, b: Array) -> Array:
        x = self.factors.solve(np.ascontiguousarray(b * self.rows[:, None]))
        return np.asarray(x * self.columns[:, None])
