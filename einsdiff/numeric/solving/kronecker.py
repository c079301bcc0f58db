"""Kronecker products and sums of them, solved by their factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from einsdiff.algebra.nodes.interning import Number
from einsdiff.numeric.libraries.operands import Array
from einsdiff.numeric.solving.dense import Matrices
from einsdiff.numeric.solving.failures import SINGULAR, SolveError, scipy
from einsdiff.numeric.solving.frames import along, named


@dataclass(frozen=True)
class ByFactors:
    """A Kronecker product, whose factors act on one axis each."""

    sizes: tuple[int, ...]
    parts: tuple[Matrices, ...]

    @property
    def method(self) -> str:
        return f"Kronecker product of {named(self.sizes)}, factor by factor"

    def solve(self, b: Array) -> Array:
        for k, part in enumerate(self.parts):
            b = along(b, self.sizes, k, part.solve)
        return b


def scalar(c: Number) -> complex:
    """Return a number that arrays take."""
    return float(c) if isinstance(c, Fraction) else c


def diagonalised(matrices: Sequence[Array]) -> tuple[list[Array], Array] | None:
    """Diagonalise one Hermitian matrix, or two of which one is positive definite, at once.

    Returns their values on the diagonal, and the vectors; None if neither is definite.
    """
    if len(matrices) == 1:
        values, vectors = np.linalg.eigh(matrices[0])
        return [values], vectors
    n = matrices[0].shape[-1]
    for mass, other in sorted(
        ((0, 1), (1, 0)), key=lambda pair: not (matrices[pair[0]] == np.eye(n)).all()
    ):
        try:
            lower = np.linalg.cholesky(matrices[mass])
        except np.linalg.LinAlgError:
            continue
        inner = np.linalg.solve(lower, matrices[other])
        inner = np.linalg.solve(lower, inner.conj().swapaxes(1, 2))
        values, vectors = np.linalg.eigh(inner)
        vectors = np.linalg.solve(lower.conj().swapaxes(1, 2), vectors)
        found = [np.ones((1, n)), np.ones((1, n))]
        found[other] = values
        return found, vectors
    return None


def is_hermitian(matrices: Array) -> bool:
    """Tell whether matrices are Hermitian up to rounding."""
    adjoint = matrices.conj().swapaxes(1, 2)
    largest = np.abs(matrices).max(initial=0)
    return bool(
        np.abs(matrices - adjoint).max(initial=0) <= 8 * np.finfo(matrices.dtype).eps * largest
    )


def eigenvalues(t: Array) -> Array:
    """Return the eigenvalues of a Schur form; LAPACK gives blocks of 2 x 2 an equal diagonal."""
    values = np.diagonal(t).astype(np.complex128)
    if t.dtype.kind != "c":
        below, above = np.diagonal(t, -1), np.diagonal(t, 1)
        parts = 1j * np.sqrt(np.abs(below * above))
        parts[below == 0] = 0
        values[:-1] += parts
        values[1:] -= parts
    return values


def added(values: Sequence[Array]) -> Array:
    """Add the eigenvalues of the parts, as (ties, one axis for each part)."""
    total: Array = np.zeros((1,) * (len(values) + 1))
    for k, of_one in enumerate(values):
        total = total + on_axis(of_one, k, len(values))
    return total


def on_axis(values: Array, k: int, count: int) -> Array:
    """Bring the eigenvalues of one part to (ties, one axis for each part)."""
    shape = [1] * (count + 1)
    shape[0], shape[k + 1] = values.shape
    return values.reshape(shape)


def check_spectrum(spectrum: Array, sizes: Sequence[int], dtype: np.dtype[Any]) -> None:
    """Refuse eigenvalues of which some are as good as 0."""
    sums = np.abs(spectrum)
    least = float(sums.min() / sums.max()) if sums.any() else 0.0
    if not least > float(np.finfo(dtype).eps) * max(10, *sizes):
        raise SolveError(
            f"the Kronecker sum of {named(sizes)} is singular to working precision: the sums "
            f"of their eigenvalues come as near to zero as {least:.1g} of the largest",
            action=SINGULAR,
        )


@dataclass(frozen=True)
class ByEigenvectors:
    """A sum of Kronecker products of Hermitian matrices: diagonal in their eigenvectors."""

    sizes: tuple[int, ...]
    vectors: tuple[Array, ...]
    spectrum: Array
    method: str

    def solve(self, b: Array) -> Array:
        x = b
        for k, vectors in enumerate(self.vectors):
            x = along(x, self.sizes, k, vectors.conj().swapaxes(1, 2).__matmul__)
        x = (x.reshape(len(x), *self.sizes, -1) / self.spectrum[..., None]).reshape(x.shape)
        for k, vectors in enumerate(self.vectors):
            x = along(x, self.sizes, k, vectors.__matmul__)
        return x


@dataclass(frozen=True)
class BySchurForms:
    """Sylvester's equation ``A X + X B^T = F``: triangular in the Schur forms of A and B."""

    sizes: tuple[int, ...]
    forms: tuple[tuple[tuple[Array, Array], ...], ...]

    @property
    def method(self) -> str:
        return f"Sylvester equation of {named(self.sizes)}, by Schur forms"

    def solve(self, b: Array) -> Array:
        x = np.empty_like(b)
        for k, right in np.ndindex(len(x), x.shape[-1]):
            first, second = (forms[k if len(forms) > 1 else 0] for forms in self.forms)
            f = b[k, :, right].reshape(self.sizes)
            x[k, :, right] = self.sylvester(first, second, f).ravel()
        return x

    def sylvester(self, first: tuple[Array, Array], second: tuple[Array, Array], f: Array) -> Array:
        """Solve a triangular Sylvester equation, both of whose factors are Schur forms."""
        (t, r), (w, s) = first, second
        (trsyl,) = scipy("linalg").get_lapack_funcs(("trsyl",), (t, w, f))
        # LAPACK has the adjoint of the second form, and this equation its transpose.
        y, scale, _ = trsyl(t, w.conj(), r.conj().T @ f @ s.conj(), tranb="C")
        return np.asarray(r @ (y / scale) @ s.T)
