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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import prod, sqrt
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from einsdiff.algebra.derivatives.structure import (
    Blocks,
    Copies,
    Deficient,
    Diagonal,
    Group,
    Kronecker,
    KroneckerSum,
    KroneckerTerms,
    LowRank,
    Scale,
    Scaled,
    Split,
    Structure,
    diagonal,
    is_symmetric,
)
from einsdiff.algebra.nodes.nodes import Node, Number
from einsdiff.algebra.nodes.threads import cached_property
from einsdiff.errors import EinsdiffError, page
from einsdiff.numeric.libraries.memory import memory_limit
from einsdiff.numeric.libraries.operands import Array, needs_scipy, scipy_module

__all__ = [
    "Evaluation",
    "Factorisation",
    "SolveError",
    "default_tolerance",
    "factored",
    "factorised",
    "solving_dtype",
]

#: A matrix of up to so many rows is factorised; above it, SciPy's Krylov methods iterate.
MOST_ROWS = 4096
#: For one matrix of more rows, LAPACK's triangles are used, if SciPy gives access to them.
MOST_SMALL = 32
#: The iterations of a Krylov method, and those of GMRES between its restarts.
MOST_ITERATIONS = 5000
RESTART = 50


class SolveError(EinsdiffError, np.linalg.LinAlgError):
    """An equation without a unique solution, or one that an iteration did not solve.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.hessian("(a_i x_i)^2", a=[1.0, 2.0], x=[0.0, 0.0], wrt="x").solve([1.0, 1.0])
    Traceback (most recent call last):
    einsdiff.SolveError: the map is singular for all values: its rank is at most 1, its rows are 2
    <BLANKLINE>
        ∂²f/∂x_p∂x_q = 2 a_p a_q
    <BLANKLINE>
    solve for what the expression determines, or add a term such as λ x_i x_i to it
    """

    __module__ = "einsdiff"


@cache
def solving_dtype(*dtypes: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in which LAPACK solves equations of these.

    >>> solving_dtype(np.dtype("int64")), solving_dtype(np.dtype("float16"))
    (dtype('float64'), dtype('float32'))
    """
    wanted = np.result_type(*dtypes)
    if wanted.kind in "biu":
        return np.dtype(np.float64)
    if wanted.kind == "c":
        return np.dtype(np.complex64 if wanted.itemsize <= 8 else np.complex128)
    return np.dtype(np.float32 if wanted.itemsize <= 4 else np.float64)


@dataclass(frozen=True)
class Evaluation:
    """How the nodes of a structure become numbers.

    Attributes
    ----------
    array
        Evaluates a node.
    product
        Multiplies a node, whose last axes are so many domain axes, by an array with these axes
        and one more for several vectors.
    size
        The size of each axis of the map.
    dtype
        In which to solve.
    """

    array: Callable[[Node], Array]
    product: Callable[[Node, int, Array], Array]
    size: tuple[int, ...]
    dtype: np.dtype[Any]

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


def factorised(found: Structure, e: Evaluation) -> Factorisation:
    """Evaluate and factorise what a structure is made of.

    Parameters
    ----------
    found
        The structure of a square map.
    e
        How its nodes become numbers.

    Returns
    -------
    Factorisation
        To solve equations with.

    Raises
    ------
    SolveError
        The map is singular.
    """
    match found:
        case Deficient():
            raise SolveError(
                page(
                    f"the map is singular for all values: its rank is at most {found.rank}, "
                    f"its rows are {found.rows}",
                    action=_SINGULAR,
                )
            )
        case Copies():
            return _Repeated(_Frame(found.split, e.size), factorised(found.inner, e))
        case Scaled():
            return _scaled(found, e)
        case Diagonal():
            frame = _Frame(found.split, e.size)
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


_SINGULAR = "solve for what the expression determines, or add a term such as λ x_i x_i to it"


# --- axes -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Frame:
    """Brings arrays from the axes of a map to (ties, rows, right-hand sides), and back."""

    split: Split
    size: tuple[int, ...]

    @property
    def turned(self) -> _Frame:
        """The same for the transpose of the map."""
        split = self.split
        back = tuple((d, c) for c, d in split.ties)
        return _Frame(
            Split(split.domain, split.codomain, back, split.columns, split.rows), self.size
        )

    def shape(self, axes: Sequence[int]) -> tuple[int, ...]:
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


# --- matrices ---------------------------------------------------------------------------------


class _Matrices(Protocol):
    """Factorised square matrices, a stack of them."""

    @property
    def method(self) -> str: ...

    def solve(self, b: Array) -> Array: ...


def factored(matrices: Array) -> _Matrices:
    """Factorise a stack of square matrices.

    Parameters
    ----------
    matrices
        Of shape ``(count, n, n)``, in a dtype of LAPACK's.

    Returns
    -------
    object
        With ``solve(b)`` for b of shape ``(count, n, k)``, or any count if there is one matrix.

    Raises
    ------
    SolveError
        One of them is singular to working precision.
    """
    count, n, _ = matrices.shape
    _check_finite(matrices)
    if n == 1:
        if not matrices.all():
            zeros = matrices.size - np.count_nonzero(matrices)
            raise SolveError(
                page(
                    f"{zeros} of the {count} entries to divide by are zero"
                    if count > 1
                    else "the number to divide by is zero",
                    action=_SINGULAR,
                )
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


def _scipy(name: str) -> ModuleType:
    """Return a module that was there when the equations were factorised, maybe elsewhere."""
    module = scipy_module(name)
    if module is None:
        raise needs_scipy("this solver")
    return module


def _check_finite(matrices: Array) -> None:
    if not np.isfinite(matrices).all():
        raise SolveError(
            page(
                "the map has entries that are infinite or not a number",
                action="look for them in the arrays that it is made of, with np.isfinite",
            )
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
        page(
            f"{which} is singular to working precision: the reciprocal of its condition number is "
            f"{rcond:.1g}",
            action=_SINGULAR,
        )
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


def _lu(matrices: Array, rows: Array, columns: Array, linalg: ModuleType) -> _Matrices:
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
        (getrs,) = _scipy("linalg").get_lapack_funcs(("getrs",), (self.lu,))
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


# --- copies, scalings, blocks -----------------------------------------------------------------


@dataclass(frozen=True)
class _Blockwise:
    """A matrix for each index of the tied axes."""

    frame: _Frame
    matrices: _Matrices

    @property
    def method(self) -> str:
        return self.matrices.method

    def solve(self, b: Array, tolerance: float) -> Array:
        del tolerance
        return self.frame.spread(self.matrices.solve(self.frame.stacked(b)))


@dataclass(frozen=True)
class _Repeated:
    """One map for all indices of the tied axes."""

    frame: _Frame
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
    frame = _Frame(found.split, e.size)
    count, n = frame.sizes
    # The matrices, the scaled ones and their factors are there at the same time.
    if n > MOST_ROWS or 3 * count * n * n * e.dtype.itemsize > memory_limit():
        return _krylov(found, e)
    matrices = factored(e.matrices(found.node).reshape(count, n, n))
    return _Blockwise(frame, matrices)


# --- Kronecker products and sums --------------------------------------------------------------


def _stack(group: Group, split: Split, e: Evaluation) -> Array:
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


def _along(x: Array, sizes: Sequence[int], k: int, apply: Callable[[Array], Array]) -> Array:
    """Apply what acts on (ties, rows, ..) to one axis of (ties, rows of all groups, ..)."""
    count, n, columns = x.shape
    before, after = prod(sizes[:k]), prod(sizes[k + 1 :]) * columns
    x = x.reshape(count, before, sizes[k], after).transpose(0, 2, 1, 3)
    x = apply(x.reshape(count, sizes[k], before * after)).reshape(count, sizes[k], before, after)
    return x.transpose(0, 2, 1, 3).reshape(count, n, columns)


def _named(sizes: Sequence[int]) -> str:
    return " and ".join(f"{n} x {n}" for n in sizes)


def _kronecker(found: Kronecker, e: Evaluation) -> Factorisation:
    shapes = [(e.count(group.rows), e.count(group.columns)) for group in found.groups]
    if any(m != n for m, n in shapes):
        rank = prod(min(pair) for pair in shapes)
        return factorised(Deficient(rank, prod(m for m, _ in shapes)), e)
    if max(n for n, _ in shapes) > MOST_ROWS:
        return _dense(found.otherwise, e)
    stacks = [_stack(group, found.split, e) for group in found.groups]
    stacks[0] = (stacks[0] * _scalar(found.coefficient)).astype(e.dtype, copy=False)
    parts = tuple(map(factored, stacks))
    return _ByFactors(_Frame(found.split, e.size), tuple(n for n, _ in shapes), parts)


@dataclass(frozen=True)
class _ByFactors:
    """A Kronecker product, whose factors act on one axis each."""

    frame: _Frame
    sizes: tuple[int, ...]
    parts: tuple[_Matrices, ...]

    @property
    def method(self) -> str:
        return f"Kronecker product of {_named(self.sizes)}, factor by factor"

    def solve(self, b: Array, tolerance: float) -> Array:
        del tolerance
        x = self.frame.stacked(b)
        for k, part in enumerate(self.parts):
            x = _along(x, self.sizes, k, part.solve)
        return self.frame.spread(x)


def _kronecker_sum(found: KroneckerSum, e: Evaluation) -> Factorisation:
    sizes = tuple(e.count(group.rows) for group in found.groups)
    if max(sizes) > MOST_ROWS:
        return _dense(found.otherwise, e)
    stacks = [_stack(group, found.split, e) for group in found.groups]
    for matrices in stacks:
        _check_finite(matrices)
    frame = _Frame(found.split, e.size)
    if all(map(_is_hermitian, stacks)):
        pairs = [np.linalg.eigh(matrices) for matrices in stacks]
        spectrum = _spectrum([values for values, _ in pairs])
        _check_spectrum(spectrum, sizes, e.dtype)
        kind = "Sylvester equation" if len(sizes) == 2 else "Kronecker sum"
        return _ByEigenvectors(
            frame,
            sizes,
            tuple(vectors for _, vectors in pairs),
            spectrum.astype(e.dtype),
            f"{kind} of {_named(sizes)}, by eigenvectors",
        )
    linalg = scipy_module("linalg")
    if len(stacks) != 2 or linalg is None:
        return _dense(found.otherwise, e)
    output = "complex" if e.dtype.kind == "c" else "real"
    forms = [[linalg.schur(matrix, output) for matrix in matrices] for matrices in stacks]
    values = [np.stack([_eigenvalues(t) for t, _ in stack]) for stack in forms]
    _check_spectrum(_spectrum(values), sizes, e.dtype)
    return _BySchurForms(frame, sizes, tuple(map(tuple, forms)))


def _scalar(c: Number) -> complex:
    return float(c) if isinstance(c, Fraction) else c


def _kronecker_terms(found: KroneckerTerms, e: Evaluation) -> Factorisation:
    r"""Find eigenvectors that the terms have in common, if their matrices are Hermitian.

    With :math:`V^* M V = 1` and :math:`V^* A V = \Lambda` for the two matrices of each group, a sum
    of Kronecker products of them is diagonal.
    """
    sizes = tuple(e.count(groups[0].rows) for groups in found.groups)
    columns = tuple(e.count(groups[0].columns) for groups in found.groups)
    if max(sizes) > MOST_ROWS or columns != sizes:
        return _dense(found.otherwise, e)
    stacks = [[_stack(group, found.split, e) for group in groups] for groups in found.groups]
    values: list[list[Array]] = []
    vectors = []
    for matrices in stacks:
        for matrix in matrices:
            _check_finite(matrix)
        pencil = _diagonalised(matrices) if all(map(_is_hermitian, matrices)) else None
        if pencil is None:
            return _dense(found.otherwise, e)
        values.append(pencil[0])
        vectors.append(pencil[1])
    frame = _Frame(found.split, e.size)
    spectrum: Array = np.zeros((1,) * (len(sizes) + 1))
    for c, choice in found.terms:
        one: Array = np.full((1,) * (len(sizes) + 1), _scalar(c))
        for k, which in enumerate(choice):
            one = one * _on_axis(values[k][which], k, len(sizes))
        spectrum = spectrum + one
    made = _ByEigenvectors(
        frame,
        sizes,
        tuple(vectors),
        spectrum.astype(e.dtype),
        f"sum of {len(found.terms)} Kronecker products of {_named(sizes)}, by eigenvectors",
    )
    return _checked(made, found.otherwise, e) if spectrum.all() else _dense(found.otherwise, e)


def _diagonalised(matrices: Sequence[Array]) -> tuple[list[Array], Array] | None:
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


def _is_hermitian(matrices: Array) -> bool:
    """Tell whether matrices are Hermitian up to rounding."""
    adjoint = matrices.conj().swapaxes(1, 2)
    largest = np.abs(matrices).max(initial=0)
    return bool(
        np.abs(matrices - adjoint).max(initial=0) <= 8 * np.finfo(matrices.dtype).eps * largest
    )


def _eigenvalues(t: Array) -> Array:
    """Return the eigenvalues of a Schur form; LAPACK gives blocks of 2 x 2 an equal diagonal."""
    values = np.diagonal(t).astype(np.complex128)
    if t.dtype.kind != "c":
        below, above = np.diagonal(t, -1), np.diagonal(t, 1)
        parts = 1j * np.sqrt(np.abs(below * above))
        parts[below == 0] = 0
        values[:-1] += parts
        values[1:] -= parts
    return values


def _spectrum(values: Sequence[Array]) -> Array:
    """Add the eigenvalues of the parts, as (ties, one axis for each part)."""
    total: Array = np.zeros((1,) * (len(values) + 1))
    for k, of_one in enumerate(values):
        total = total + _on_axis(of_one, k, len(values))
    return total


def _on_axis(values: Array, k: int, count: int) -> Array:
    """Bring the eigenvalues of one part to (ties, one axis for each part)."""
    shape = [1] * (count + 1)
    shape[0], shape[k + 1] = values.shape
    return values.reshape(shape)


def _check_spectrum(spectrum: Array, sizes: Sequence[int], dtype: np.dtype[Any]) -> None:
    sums = np.abs(spectrum)
    least = float(sums.min() / sums.max()) if sums.any() else 0.0
    if not least > float(np.finfo(dtype).eps) * max(10, *sizes):
        raise SolveError(
            page(
                f"the Kronecker sum of {_named(sizes)} is singular to working precision: the sums "
                f"of their eigenvalues come as near to zero as {least:.1g} of the largest",
                action=_SINGULAR,
            )
        )


@dataclass(frozen=True)
class _ByEigenvectors:
    """A sum of Kronecker products of Hermitian matrices: diagonal in their eigenvectors."""

    frame: _Frame
    sizes: tuple[int, ...]
    vectors: tuple[Array, ...]
    spectrum: Array
    method: str

    def solve(self, b: Array, tolerance: float) -> Array:
        del tolerance
        x = self.frame.stacked(b)
        for k, vectors in enumerate(self.vectors):
            x = _along(x, self.sizes, k, vectors.conj().swapaxes(1, 2).__matmul__)
        x = (x.reshape(len(x), *self.sizes, -1) / self.spectrum[..., None]).reshape(x.shape)
        for k, vectors in enumerate(self.vectors):
            x = _along(x, self.sizes, k, vectors.__matmul__)
        return self.frame.spread(x)


@dataclass(frozen=True)
class _BySchurForms:
    """Sylvester's equation ``A X + X B^T = F``: triangular in the Schur forms of A and B."""

    frame: _Frame
    sizes: tuple[int, ...]
    forms: tuple[tuple[tuple[Array, Array], ...], ...]

    @property
    def method(self) -> str:
        return f"Sylvester equation of {_named(self.sizes)}, by Schur forms"

    def solve(self, b: Array, tolerance: float) -> Array:
        del tolerance
        stacked = self.frame.stacked(b)
        x = np.empty_like(stacked)
        for k, right in np.ndindex(len(x), x.shape[-1]):
            first, second = (forms[k if len(forms) > 1 else 0] for forms in self.forms)
            x[k, :, right] = self.sylvester(
                first, second, stacked[k, :, right].reshape(self.sizes)
            ).ravel()
        return self.frame.spread(x)

    def sylvester(self, first: tuple[Array, Array], second: tuple[Array, Array], f: Array) -> Array:
        (t, r), (w, s) = first, second
        (trsyl,) = _scipy("linalg").get_lapack_funcs(("trsyl",), (t, w, f))
        # LAPACK has the adjoint of the second form, and this equation its transpose.
        y, scale, _ = trsyl(t, w.conj(), r.conj().T @ f @ s.conj(), tranb="C")
        return np.asarray(r @ (y / scale) @ s.T)


# --- low rank ---------------------------------------------------------------------------------


def _woodbury(found: LowRank, e: Evaluation) -> Factorisation:
    """Factorise by Woodbury's identity if that is accurate, and else the matrix."""
    try:
        base = factorised(found.base, e)
        frame = _Frame(found.split, e.size)
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


def default_tolerance(dtype: np.dtype[Any]) -> float:
    """Return the relative residual that is asked for unless one is given.

    >>> f"{default_tolerance(np.dtype('float64')):.0e}"
    '4e-11'
    """
    return float(float(np.finfo(dtype).eps) ** (2 / 3))


@dataclass(frozen=True)
class _Woodbury:
    """A map with a structure, and a change of low rank."""

    rank: int
    frame: _Frame
    base: Factorisation
    right: Array
    solved: Array
    small: _Matrices

    @property
    def method(self) -> str:
        return f"Woodbury: {self.base.method}, plus rank {self.rank}"

    def solve(self, b: Array, tolerance: float) -> Array:
        y = self.base.solve(b, tolerance)
        inner = self.small.solve(self.right.swapaxes(1, 2) @ self.frame.turned.stacked(y))
        return y - self.frame.spread(self.solved @ inner)


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


# --- iterations -------------------------------------------------------------------------------


def _krylov(found: Blocks, e: Evaluation) -> Factorisation:
    n = e.count(found.split.codomain)
    if scipy_module("sparse.linalg") is None:
        raise needs_scipy(f"an iteration for {n} unknowns")
    domain = len(found.split.domain)
    entries: Array | None = None
    sign = 0
    if (
        all(
            e.size[c] == e.size[d]
            for c, d in zip(found.split.codomain, found.split.domain, strict=False)
        )
        and len(found.split.codomain) == domain
    ):
        entries = e.matrices(diagonal(found.whole, domain)).ravel()
        if e.dtype.kind != "c" and is_symmetric(found.whole, domain):
            sign = 1 if (entries > 0).all() else -1 if (entries < 0).all() else 0
        if not entries.all():
            entries = None
    return _Krylov(found, e, n, entries, sign)


@dataclass(frozen=True)
class _Krylov:
    """A map that is only multiplied by vectors.

    Attributes
    ----------
    entries
        Its diagonal, by which the iterations are preconditioned; None where one is zero.
    sign
        1 or -1 for a symmetric map whose diagonal is positive or negative, and so may be definite.
    """

    found: Blocks
    e: Evaluation
    n: int
    entries: Array | None
    sign: int

    @property
    def method(self) -> str:
        name = "conjugate gradients, else GMRES," if self.sign else "GMRES"
        return f"{name} for {self.n} unknowns"

    def solve(self, b: Array, tolerance: float) -> Array:
        split = self.found.split
        flat = b.reshape(self.n, b.shape[-1])
        columns = [self.column(flat[:, k], tolerance) for k in range(b.shape[-1])]
        x = np.stack(columns, axis=1) if columns else flat
        return x.reshape(*(self.e.size[axis] for axis in split.domain), b.shape[-1])

    def column(self, b: Array, tolerance: float) -> Array:
        size, relative = float(np.linalg.norm(b)), np.inf
        if not np.isfinite(size):
            return np.full_like(b, np.nan)
        for x in self.attempts(b, tolerance):
            residual = float(np.linalg.norm(b - self.product(x)))
            # The residual that an iteration keeps count of drifts from the true one.
            if residual <= 2 * tolerance * size:
                return x
            relative = min(relative, residual / size)
        raise SolveError(
            page(
                f"the iteration for {self.n} unknowns did not converge: its residual is "
                f"{relative:.1g} of the right-hand side, and {tolerance:.1g} was asked for",
                action="ask for less with tolerance=, or use operator() with a method and "
                "a preconditioner of your own",
            )
        )

    def attempts(self, b: Array, tolerance: float) -> Iterator[Array]:
        shape = self.n, self.n
        dtype = self.e.dtype
        linalg = _scipy("sparse.linalg")
        operator = linalg.LinearOperator
        entries = self.entries
        options = {"rtol": tolerance, "atol": 0.0}
        if self.sign:
            sign = self.sign
            A = operator(shape, lambda v: sign * self.product(v), dtype=dtype)
            assert entries is not None
            M = operator(shape, lambda v: v.ravel() / (sign * entries), dtype=dtype)
            yield linalg.cg(A, sign * b, M=M, maxiter=MOST_ITERATIONS, **options)[0]
        A = operator(shape, self.product, dtype=dtype)
        M = None
        if entries is not None:
            M = operator(shape, lambda v: v.ravel() / entries, dtype=dtype)
        rounds = MOST_ITERATIONS // RESTART
        yield linalg.gmres(A, b, M=M, restart=RESTART, maxiter=rounds, **options)[0]

    def product(self, v: Array) -> Array:
        split = self.found.split
        x = v.reshape(*(self.e.size[axis] for axis in split.domain), 1)
        y = self.e.product(self.found.whole, len(split.domain), x)
        return np.asarray(y, self.e.dtype).reshape(self.n)
