"""Stacks of matrices, factorised."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from einsdiff.numeric.libraries.extras import scipy_module
from einsdiff.numeric.libraries.operands import Array
from einsdiff.numeric.solving.failures import SINGULAR, SolveError, scipy

#: For one matrix of more rows, LAPACK's triangles are used, if SciPy gives access to them.
MOST_SMALL = 32


class Matrices(Protocol):
    """Factorised square matrices, a stack of them."""

    @property
    def method(self) -> str:
        """How it is solved, for people."""

    def solve(self, b: Array) -> Array:
        """Solve for right-hand sides, the columns."""


def factored(matrices: Array) -> Matrices:
    """Factorise a stack of square matrices, of shape ``(count, n, n)``, in a dtype of LAPACK's.

    Right-hand sides have the shape ``(count, n, k)``, with any count if there is one matrix. A
    matrix that is singular to working precision is a SolveError.
    """
    count, n, _ = matrices.shape
    check_finite(matrices)
    if n == 1:
        if not matrices.all():
            zeros = matrices.size - np.count_nonzero(matrices)
            raise SolveError(
                f"{zeros} of the {count} entries to divide by are zero"
                if count > 1
                else "the number to divide by is zero",
                action=SINGULAR,
            )
        return _Division(matrices)
    # Rows and columns of very different sizes are no sign of a singular map; powers of 2 are exact.
    rows = _power_of_two(np.abs(matrices).max(axis=2), n)
    matrices = matrices * rows[:, :, None]
    columns = _power_of_two(np.abs(matrices).max(axis=1), n)
    matrices *= columns[:, None, :]
    linalg = scipy_module("linalg") if count == 1 and n > MOST_SMALL else None
    if linalg is not None:
        return _lu(matrices, rows, columns, linalg)
    try:
        inverses = np.linalg.inv(matrices)
    except np.linalg.LinAlgError:
        raise _singular(n, count, 0.0) from None
    sizes = np.linalg.norm(matrices, 1, axis=(1, 2)) * np.linalg.norm(inverses, 1, axis=(1, 2))
    _check_condition(float(1 / sizes.max()), n, count, matrices.dtype)
    return _Inverses(matrices, inverses, rows, columns)


def check_finite(matrices: Array) -> None:
    """Refuse matrices with entries that are no finite numbers."""
    if not np.isfinite(matrices).all():
        raise SolveError(
            "the map has entries that are infinite or not a number",
            action="look for them in the arrays that it is made of, with np.isfinite",
        )


def _power_of_two(largest: Array, n: int) -> Array:
    if not largest.all():
        raise _singular(n, len(largest), 0.0)
    return np.exp2(-np.rint(np.log2(largest)))


def _check_condition(rcond: float, n: int, count: int, dtype: np.dtype[Any]) -> None:
    if not rcond > float(np.finfo(dtype).eps) * max(10.0, sqrt(n)):
        raise _singular(n, count, rcond)


def _singular(n: int, count: int, rcond: float) -> SolveError:
    which = f"the matrix of {n} x {n}" if count == 1 else f"one of the {count} blocks of {n} x {n}"
    return SolveError(
        f"{which} is singular to working precision: the reciprocal of its condition number is "
        f"{rcond:.1g}",
        action=SINGULAR,
    )


@dataclass(frozen=True)
class _Division:
    """Matrices of one row."""

    entries: Array

    @property
    def method(self) -> str:
        count = len(self.entries)
        return f"division by a diagonal of {count} entries" if count > 1 else "division by a number"

    def solve(self, b: Array) -> Array:
        return np.asarray(b / self.entries)


def _lu(matrices: Array, rows: Array, columns: Array, linalg: ModuleType) -> Matrices:
    (matrix,) = matrices
    getrf, gecon = linalg.get_lapack_funcs(("getrf", "gecon"), (matrix,))
    lu, pivots, info = getrf(matrix)
    n = len(matrix)
    if info > 0:
        raise _singular(n, 1, 0.0)
    rcond, _ = gecon(lu, np.linalg.norm(matrix, 1))
    _check_condition(float(rcond), n, 1, matrix.dtype)
    return _LU(lu, pivots, rows[0][:, None], columns[0][:, None])


@dataclass(frozen=True)
class _LU:
    """One matrix, with its rows and columns scaled, as LAPACK's triangles."""

    lu: Array
    pivots: Array
    rows: Array
    columns: Array

    @property
    def method(self) -> str:
        return f"LU factorisation of {len(self.lu)} x {len(self.lu)}"

    def solve(self, b: Array) -> Array:
        count, n, k = b.shape
        (getrs,) = scipy("linalg").get_lapack_funcs(("getrs",), (self.lu,))
        side = (b * self.rows).transpose(1, 0, 2).reshape(n, count * k)
        if side.size == 0:  # which LAPACK refuses
            return np.zeros_like(b)
        x, _ = getrs(self.lu, self.pivots, side)
        return np.asarray(x * self.columns).reshape(n, count, k).transpose(1, 0, 2)


@dataclass(frozen=True)
class _Inverses:
    """Many matrices or a small one: NumPy keeps no factors, but an inverse is one of them."""

    matrices: Array
    inverses: Array
    rows: Array
    columns: Array

    @property
    def method(self) -> str:
        count, n, _ = self.matrices.shape
        if count == 1:
            return f"LU factorisation of {n} x {n}"
        return f"LU factorisations of {count} blocks of {n} x {n}"

    def solve(self, b: Array) -> Array:
        side = b * self.rows[:, :, None]
        x = self.inverses @ side
        # One step of refinement makes what an inverse gives as good as what LU gives.
        x = x + self.inverses @ (side - self.matrices @ x)
        return np.asarray(x * self.columns[:, :, None])
