r"""Equations with a derivative, :math:`\sum_d J_{cd} x_d = b_c`, by what is known of its structure.

A structure (see `einsdiff.algebra.derivatives.structure`) is turned into numbers once: its parts
are evaluated and factorised, never the whole. Right-hand sides then cost what their structure asks
for.

.. math::
    (A \otimes B)^{-1} = A^{-1} \otimes B^{-1} \qquad
    (K + P Q^T)^{-1} = K^{-1} - K^{-1} P\, (1 + Q^T K^{-1} P)^{-1} Q^T K^{-1}

The second one is Woodbury's identity. A Kronecker sum :math:`A X + X B^T` is diagonal in the
eigenvectors of symmetric A and B, and triangular in the Schur forms of others (Bartels and
Stewart, *Solution of the matrix equation AX + XB = C*, 1972).

A map that is singular to working precision raises, and so does an iteration that does not
converge: there is no result that does not solve its equation.

>>> found = factored(np.array([[[2.0, 1.0], [1.0, 3.0]]]))
>>> found.solve(np.array([[[3.0], [4.0]]]))
array([[[1.],
        [1.]]])
>>> factored(np.ones((1, 2, 2)))
Traceback (most recent call last):
einsdiff.SolveError: the matrix of 2 x 2 is singular to working precision: the reciprocal of its ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from einsdiff.algebra.derivatives.structure import (
    Blocks,
    Copies,
    Deficient,
    Diagonal,
    Kronecker,
    KroneckerSum,
    KroneckerTerms,
    LowRank,
    Scale,
    Scaled,
    Structure,
)
from einsdiff.notation.threads import cached_property
from einsdiff.numeric.libraries.extras import scipy_module
from einsdiff.numeric.libraries.memory import memory_limit
from einsdiff.numeric.libraries.operands import Array
from einsdiff.numeric.solving.bands import SparseFactors, factorised_sparsely
from einsdiff.numeric.solving.dense import Matrices, check_finite, factored
from einsdiff.numeric.solving.failures import SINGULAR, SolveError, default_tolerance
from einsdiff.numeric.solving.frames import Evaluation, Factorisation, Frame, named, stack
from einsdiff.numeric.solving.iterations import krylov
from einsdiff.numeric.solving.kronecker import (
    ByEigenvectors,
    ByFactors,
    BySchurForms,
    added,
    check_spectrum,
    diagonalised,
    eigenvalues,
    is_hermitian,
    on_axis,
    scalar,
)

#: A matrix of so few rows is made as a whole, though most of its entries are zero.
FEWEST_ROWS = 24
#: A matrix of up to so many rows is factorised; above it, SciPy's Krylov methods iterate.
MOST_ROWS = 4096


def factorised(found: Structure, e: Evaluation) -> Factorisation:
    """Evaluate and factorise what the structure of a square map is made of."""
    match found:
        case Deficient():
            raise SolveError(
                f"the map is singular for all values: its rank is at most {found.rank}, "
                f"its rows are {found.rows}",
                action=SINGULAR,
            )
        case Copies():
            return _Repeated(Frame(found.split, e.size), factorised(found.inner, e))
        case Scaled():
            return _scaled(found, e)
        case Diagonal():
            frame = Frame(found.split, e.size)
            entries = e.matrices(found.entries).reshape(-1, 1, 1)
            return _Blockwise(frame, factored(entries))
        case Kronecker():
            return _kronecker(found, e)
        case KroneckerSum():
            return _kronecker_sum(found, e)
        case KroneckerTerms():
            return _kronecker_terms(found, e)
        case LowRank():
            return _woodbury(found, e)
        case Blocks():
            return _dense(found, e)


# --- copies, scalings, blocks -----------------------------------------------------------------


def _scaled(found: Scaled, e: Evaluation) -> Factorisation:
    return _Divided(
        _scale(found.rows, found.codomain, e),
        _scale(found.columns, found.domain, e),
        factorised(found.inner, e),
    )


def _scale(scale: Scale | None, axes: Sequence[int], e: Evaluation) -> Array | None:
    if scale is None:
        return None
    entries = e.matrices(scale.node)
    factored(entries.reshape(-1, 1, 1))  # none is zero
    order = sorted(range(len(scale.axes)), key=lambda k: axes.index(scale.axes[k]))
    shape = [e.size[axis] if axis in scale.axes else 1 for axis in axes]
    return entries.transpose(order).reshape(*shape, 1)


def _dense(found: Blocks, e: Evaluation) -> Factorisation:
    frame = Frame(found.split, e.size)
    count, n = frame.sizes
    matrix = e.sparse(found.whole, len(found.split.domain)) if n > FEWEST_ROWS else None
    if matrix is not None:
        return _Sparse(frame, factorised_sparsely(matrix.astype(e.dtype)))
    # The matrices, the scaled ones and their factors are there at the same time.
    if n > MOST_ROWS or 3 * count * n * n * e.dtype.itemsize > memory_limit():
        return krylov(found, e)
    matrices = factored(e.matrices(found.node).reshape(count, n, n))
    return _Blockwise(frame, matrices)


@dataclass(frozen=True)
class _Sparse:
    """A sparse matrix of all rows by all columns."""

    frame: Frame
    factors: SparseFactors

    @property
    def method(self) -> str:
        return self.factors.method

    def solve(self, b: Array, tolerance: float) -> Array:
        del tolerance
        x = self.factors.solve(b.reshape(-1, b.shape[-1]))
        return x.reshape(*self.frame.shape(self.frame.split.domain), b.shape[-1])


# --- Kronecker products and sums --------------------------------------------------------------


def _kronecker(found: Kronecker, e: Evaluation) -> Factorisation:
    shapes = [(e.count(group.rows), e.count(group.columns)) for group in found.groups]
    if any(m != n for m, n in shapes):
        rank = prod(min(pair) for pair in shapes)
        return factorised(Deficient(rank, prod(m for m, _ in shapes)), e)
    if max(n for n, _ in shapes) > MOST_ROWS:
        return _dense(found.otherwise, e)
    stacks = [stack(group, found.split, e) for group in found.groups]
    stacks[0] = (stacks[0] * scalar(found.coefficient)).astype(e.dtype, copy=False)
    parts = tuple(map(factored, stacks))
    made = ByFactors(tuple(n for n, _ in shapes), parts)
    return _Blockwise(Frame(found.split, e.size), made)


def _kronecker_sum(found: KroneckerSum, e: Evaluation) -> Factorisation:
    sizes = tuple(e.count(group.rows) for group in found.groups)
    if max(sizes) > MOST_ROWS:
        return _dense(found.otherwise, e)
    stacks = [stack(group, found.split, e) for group in found.groups]
    for matrices in stacks:
        check_finite(matrices)
    frame = Frame(found.split, e.size)
    if all(map(is_hermitian, stacks)):
        pairs = [np.linalg.eigh(matrices) for matrices in stacks]
        spectrum = added([values for values, _ in pairs])
        check_spectrum(spectrum, sizes, e.dtype)
        kind = "Sylvester equation" if len(sizes) == 2 else "Kronecker sum"
        vectors = tuple(vectors for _, vectors in pairs)
        method = f"{kind} of {named(sizes)}, by eigenvectors"
        return _Blockwise(frame, ByEigenvectors(sizes, vectors, spectrum.astype(e.dtype), method))
    linalg = scipy_module("linalg")
    if len(stacks) != 2 or linalg is None:
        return _dense(found.otherwise, e)
    output = "complex" if e.dtype.kind == "c" else "real"
    forms = [[linalg.schur(matrix, output) for matrix in matrices] for matrices in stacks]
    values = [np.stack([eigenvalues(t) for t, _ in stack]) for stack in forms]
    check_spectrum(added(values), sizes, e.dtype)
    return _Blockwise(frame, BySchurForms(sizes, tuple(map(tuple, forms))))


def _kronecker_terms(found: KroneckerTerms, e: Evaluation) -> Factorisation:
    r"""Find eigenvectors that the terms have in common, if their matrices are Hermitian.

    With :math:`V^* M V = 1` and :math:`V^* A V = \Lambda` for the two matrices of each group, a sum
    of Kronecker products of them is diagonal.
    """
    sizes = tuple(e.count(groups[0].rows) for groups in found.groups)
    columns = tuple(e.count(groups[0].columns) for groups in found.groups)
    if max(sizes) > MOST_ROWS or columns != sizes:
        return _dense(found.otherwise, e)
    stacks = [[stack(group, found.split, e) for group in groups] for groups in found.groups]
    values: list[list[Array]] = []
    vectors = []
    for matrices in stacks:
        for matrix in matrices:
            check_finite(matrix)
        pencil = diagonalised(matrices) if all(map(is_hermitian, matrices)) else None
        if pencil is None:
            return _dense(found.otherwise, e)
        values.append(pencil[0])
        vectors.append(pencil[1])
    spectrum: Array = np.zeros((1,) * (len(sizes) + 1))
    for c, choice in found.terms:
        one: Array = np.full((1,) * (len(sizes) + 1), scalar(c))
        for k, which in enumerate(choice):
            one = one * on_axis(values[k][which], k, len(sizes))
        spectrum = spectrum + one
    if not spectrum.all():
        return _dense(found.otherwise, e)
    method = f"sum of {len(found.terms)} Kronecker products of {named(sizes)}, by eigenvectors"
    made = ByEigenvectors(sizes, tuple(vectors), spectrum.astype(e.dtype), method)
    return _checked(_Blockwise(Frame(found.split, e.size), made), found.otherwise, e)


# --- low rank ---------------------------------------------------------------------------------


def _woodbury(found: LowRank, e: Evaluation) -> Factorisation:
    """Factorise by Woodbury's identity if that is accurate, and else the matrix."""
    try:
        base = factorised(found.base, e)
        frame = Frame(found.split, e.size)
        count, n = frame.sizes
        left, right = (
            np.concatenate([e.matrices(node).reshape(count, n, -1) for node in nodes], axis=2)
            for nodes in zip(*found.sides, strict=True)
        )
        tolerance = default_tolerance(e.dtype)
        solved = frame.turned.stacked(base.solve(frame.turned.spread(left), tolerance))
        small = factored(right.swapaxes(1, 2) @ solved + np.eye(found.rank, dtype=e.dtype))
    except SolveError:  # what is added may make a singular map regular
        return _dense(found.otherwise, e)
    made = _Woodbury(found.rank, frame, base, right, solved, small)
    return _checked(made, found.otherwise, e)


# --- what may lose digits ---------------------------------------------------------------------


def _checked(inner: Factorisation, found: Blocks, e: Evaluation) -> Factorisation:
    """Refine and check solutions; at once a matrix if much is lost by cancellation."""
    made = _Checked(inner, found, e)
    shape = [e.size[axis] for axis in found.split.codomain]
    # A right-hand side without a pattern tells it.
    b = np.random.default_rng(0).standard_normal((*shape, 1)).astype(e.dtype)
    tolerance = default_tolerance(e.dtype)
    return made if made.is_solved(made.refined(b, tolerance), b, tolerance) else _dense(found, e)


@dataclass(frozen=True)
class _Checked:
    """A way to solve equations, one step of refinement, and a matrix if that is not enough."""

    inner: Factorisation
    found: Blocks
    e: Evaluation

    @property
    def method(self) -> str:
        return self.inner.method

    @cached_property
    def otherwise(self) -> Factorisation:
        """The same map as a matrix, for the right-hand sides that need it."""
        return _dense(self.found, self.e)

    def solve(self, b: Array, tolerance: float) -> Array:
        x = self.refined(b, tolerance)
        return x if self.is_solved(x, b, tolerance) else self.otherwise.solve(b, tolerance)

    def refined(self, b: Array, tolerance: float) -> Array:
        x = self.inner.solve(b, tolerance)
        return x + self.inner.solve(b - self.product(x), tolerance)

    def product(self, x: Array) -> Array:
        x = self.e.product(self.found.whole, len(self.found.split.domain), x)
        return x.astype(self.e.dtype, copy=False)

    def is_solved(self, x: Array, b: Array, tolerance: float) -> bool:
        residual, size = _norms(b - self.product(x)), _norms(b)
        return bool(((residual <= tolerance * size) | ~np.isfinite(size)).all())


def _norms(b: Array) -> Array:
    """Return the norm of each right-hand side."""
    return np.asarray(np.linalg.norm(b.reshape(-1, b.shape[-1]), axis=0))


# --- solutions that are made of other solutions -------------------------------------------------


@dataclass(frozen=True)
class _Blockwise:
    """Matrices that act on sides in the form of a frame, one for each index of the tied axes."""

    frame: Frame
    matrices: Matrices

    @property
    def method(self) -> str:
        return self.matrices.method

    def solve(self, b: Array, tolerance: float) -> Array:
        del tolerance
        return self.frame.spread(self.matrices.solve(self.frame.stacked(b)))


@dataclass(frozen=True)
class _Repeated:
    """One map for all indices of the tied axes."""

    frame: Frame
    inner: Factorisation

    @property
    def method(self) -> str:
        count = self.frame.sizes[0]
        if count == 1 or self.inner.method.startswith("division"):
            return self.inner.method
        one = "one " if self.inner.method.startswith("LU factorisation of") else ""
        return f"{one}{self.inner.method} for {count} right-hand sides"

    def solve(self, b: Array, tolerance: float) -> Array:
        split, shape = self.frame.split, self.frame.shape
        order = [split.codomain.index(axis) for axis in split.rows + split.tied]
        sides = b.transpose([*order, b.ndim - 1])
        count = self.frame.sizes[0] * b.shape[-1]
        x = self.inner.solve(sides.reshape(*shape(split.rows), count), tolerance)
        x = x.reshape(*shape(split.columns), *shape(split.tied), b.shape[-1])
        axes = (*split.columns, *(d for _, d in split.ties))
        return x.transpose([*(axes.index(axis) for axis in split.domain), x.ndim - 1])


@dataclass(frozen=True)
class _Divided:
    """A map between two diagonal ones."""

    rows: Array | None
    columns: Array | None
    inner: Factorisation

    @property
    def method(self) -> str:
        sides = [
            side
            for side, scale in (("rows", self.rows), ("columns", self.columns))
            if scale is not None
        ]
        return f"{self.inner.method}, with scaled {' and '.join(sides)}"

    def solve(self, b: Array, tolerance: float) -> Array:
        x = self.inner.solve(b if self.rows is None else b / self.rows, tolerance)
        return x if self.columns is None else x / self.columns


@dataclass(frozen=True)
class _Woodbury:
    """A map with a structure, and a change of low rank."""

    rank: int
    frame: Frame
    base: Factorisation
    right: Array
    solved: Array
    small: Matrices

    @property
    def method(self) -> str:
        return f"Woodbury: {self.base.method}, plus rank {self.rank}"

    def solve(self, b: Array, tolerance: float) -> Array:
        y = self.base.solve(b, tolerance)
        inner = self.small.solve(self.right.swapaxes(1, 2) @ self.frame.turned.stacked(y))
        return y - self.frame.spread(self.solved @ inner)
