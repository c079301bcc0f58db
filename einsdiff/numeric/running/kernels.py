"""Functions that NumPy lacks: stable where the naive form overflows, and batched.

They are plain functions of NumPy arrays; the first argument's leading axes are batch axes.

>>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
array([0. , 0.5, 1. ])
>>> softplus(np.array([-1000.0, 1000.0]))
array([   0., 1000.])
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.numeric.libraries.extras import needs_scipy, scipy_module
from einsdiff.numeric.planning.operations import MOST_PAIRS
from einsdiff.numeric.running.small_matrices import (  # noqa: F401 (kernels, too)
    cofactors,
    determinants,
    inverses,
    log_determinants,
    signs_of_determinants,
    solutions,
    transposed_inverses,
)

Array = np.ndarray[Any, np.dtype[Any]]
Axes = tuple[int, ...]


@np.errstate(over="ignore")
def sigmoid(x: Array) -> Array:
    """Return ``1 / (1 + exp(-x))``; an overflow of the exponential is the limit 0."""
    x = np.asarray(x)
    if x.dtype.kind == "c":  # infinite complex numbers have no direction
        above = x.real > 0
        small = np.exp(np.where(above, -x, x))
        return np.asarray(np.where(above, 1, small) / (1 + small))
    y = np.exp(-x)
    y += 1
    return np.asarray(np.reciprocal(y))


def sech2(x: Array) -> Array:
    """Return ``1 / cosh(x)**2``, which is ``1 - tanh(x)**2``, exact also where that is nearly 0."""
    x = np.asarray(x)
    small = np.asarray(np.where(x.real < 0, -x, x) if x.dtype.kind == "c" else np.abs(x))
    small *= -2
    np.exp(small, out=small)
    below = np.asarray(small + 1)
    below *= below
    small *= 4
    small /= below
    return small


def damped_product(x: Array, factor: Array) -> Array:
    """Return ``x * factor``, and 0 where the factor is, however large x is."""
    factor = np.asarray(factor)
    return np.asarray(np.where(np.equal(factor, 0), 0, x) * factor)


def falling_power(x: Array, n: Array, order: int) -> Array:
    """Return ``n (n - 1) .. x**(n - order)``, a derivative of ``x**n``, which has no poles at 0."""
    factor = np.asarray(n)
    for k in range(1, order):
        factor = factor * (n - k)
    is_gone = np.equal(factor, 0)
    return np.asarray(factor * np.where(is_gone, 1, x) ** np.where(is_gone, 0, n - order))


def hypotenuse(a: Array, b: Array) -> Array:
    """Return the root of ``a**2 + b**2`` without overflow."""
    if "c" in (np.asarray(a).dtype.kind, np.asarray(b).dtype.kind):
        return np.asarray(np.sqrt(a * a + b * b))
    return np.asarray(np.hypot(a, b))


def unit_part_of_two(a: Array, b: Array) -> Array:
    """Return a divided by the root of ``a**2 + b**2``, its sign where a is infinite."""
    root = hypotenuse(a, b)
    if root.dtype.kind == "c":
        return np.asarray(a / root)
    is_far = np.isinf(a) & np.isfinite(b)
    return np.asarray(np.where(is_far, np.sign(a), a) / np.where(is_far, 1, root))


def root_of_squares(x: Array, rank: int) -> Array:
    """Return the root of the sum of squares over the last axes without overflow."""
    flat = x.reshape(*x.shape[: x.ndim - rank], math.prod(x.shape[x.ndim - rank :]))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        total = np.asarray(np.einsum("...i,...i->...", flat, flat))
    limits = np.finfo(total.dtype)
    size = np.abs(total)
    if ((size > limits.tiny / limits.eps) & (size < np.inf)).all() or not flat.shape[-1]:
        return np.asarray(np.sqrt(total))
    top = np.abs(flat).max(-1)
    top = np.where((top > 0) & np.isfinite(top), top, 1)
    flat = flat / top[..., None]
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", flat, flat)) * top)


def unit_part(x: Array, rank: int) -> Array:
    """Return x divided by the root of the sum of squares over the last axes."""
    return np.asarray(x / root_of_squares(x, rank)[(..., *[None] * rank)])


def gram(x: Array, weights: Array) -> Array:
    r"""Return :math:`\sum_k w_k x_{ki} x_{kj}`.

    Rows are multiplied by roots of their weights, since a matrix times its own transpose takes BLAS
    half of the operations; those of positive and of negative weights apart.
    """
    if x.dtype.kind in "iu":
        return np.asarray((x * weights[:, None]).T.dot(x))
    if x.dtype.kind == "c":
        scaled = x * np.sqrt(weights)[:, None]
        return np.asarray(scaled.T.dot(scaled))
    is_negative = weights < 0
    scaled = x * np.sqrt(np.abs(weights))[:, None]
    if not is_negative.any():
        return np.asarray(scaled.T.dot(scaled))
    below, above = scaled[is_negative], scaled[~is_negative]
    del scaled
    total = below.T.dot(below)
    np.negative(total, out=total)
    if len(above):
        total += above.T.dot(above)
    return np.asarray(total)


def pairs(x: Array, rest: Array) -> Array:
    r"""Return :math:`\sum_k x_{ki} x_{kj} r_{km}`, computed for :math:`i \le j` only."""
    n, width = x.shape[1], rest.shape[1]
    result = np.empty((n, n, width), x.dtype)
    rows, columns = np.triu_indices(n)
    for start in range(0, len(rows), MOST_PAIRS):  # not all of the half beside the whole
        i, j = rows[start : start + MOST_PAIRS], columns[start : start + MOST_PAIRS]
        products = x[:, i]
        products *= x[:, j]
        half = products.T.dot(rest)
        result[i, j] = half
        result[j, i] = half
    return result


def softplus(x: Array) -> Array:
    """Return ``log(1 + exp(x))`` without overflow."""
    # With the real part's sign rather than logaddexp, so that complex arguments are taken.
    x = np.asarray(x)
    above = x.real > 0
    small = np.exp(np.where(above, -x, x))
    return np.asarray(np.where(above, x, 0) + _log1p(small))


def _log1p(x: Array) -> Array:
    """Return ``log(1 + x)``; NumPy's is inexact for small complex numbers."""
    if x.dtype.kind != "c":
        return np.asarray(np.log1p(x))
    a, b = x.real, x.imag
    return np.asarray(np.log1p(a * (2 + a) + b * b) / 2 + 1j * np.arctan2(b, 1 + a))


def erf(x: Array) -> Array:
    """Return the error function, by SciPy if it is installed, else by Python's own."""
    scipy = scipy_module("special")
    return np.asarray(scipy.erf(x)) if scipy is not None else _by_entry(math.erf, x)


def erfc(x: Array) -> Array:
    """Return ``1 - erf(x)``, exact also where that is nearly 0."""
    scipy = scipy_module("special")
    return np.asarray(scipy.erfc(x)) if scipy is not None else _by_entry(math.erfc, x)


def _by_entry(function: Callable[[float], float], x: Array) -> Array:
    x = np.asarray(x)
    if x.dtype.kind == "c":
        raise needs_scipy(f"{function.__name__} of complex numbers")
    values = np.array([function(entry) for entry in x.ravel().tolist()], float)
    return values.reshape(x.shape).astype(np.result_type(x.dtype, np.float16), copy=False)


def gelu(x: Array) -> Array:
    """Return ``x/2 (1 + erf(x / sqrt(2)))``, exact also where that is nearly 0."""
    x = np.asarray(x)
    return damped_product(x, erfc(-math.sqrt(0.5) * x) / 2)


def xlogy(a: Array, b: Array) -> Array:
    """Return ``a log(b)``, and 0 where a is 0."""
    return np.asarray(a * np.log(np.where(np.equal(a, 0), 1, b)))


#: Rows of so many entries are short, and arrays of so many entries worth a loop over their columns.
SHORT_ROW = 32
LEAST_ENTRIES = 2000


def _reduced(ufunc: np.ufunc, x: Array, axis: Axes) -> Array:
    """Reduce over axes, which are kept; column by column where that is faster."""
    if x.size < LEAST_ENTRIES or axis != (-1,) or not 1 < x.shape[-1] <= SHORT_ROW or x.ndim < 2:
        if ufunc is np.maximum:
            return np.asarray(ufunc.reduce(x, axis=axis, keepdims=True, initial=-np.inf))
        return np.asarray(ufunc.reduce(x, axis=axis, keepdims=True))
    n = x.shape[-1]
    if ufunc is np.add and x.dtype.char in "fd" and x.flags.c_contiguous:
        ones = np.ones(n, x.dtype)
        return np.asarray(x.reshape(-1, n).dot(ones).reshape(*x.shape[:-1], 1))
    found = ufunc(x[..., 0], x[..., 1])
    for k in range(2, n):
        ufunc(found, x[..., k], out=found)
    return np.asarray(found[..., None])


def largest(x: Array) -> Array:
    """Return the largest entry of each row; rows are short."""
    return _reduced(np.maximum, x, (-1,))[..., 0]


def smallest(x: Array) -> Array:
    """Return the smallest entry of each row; rows are short."""
    return _reduced(np.minimum, x, (-1,))[..., 0]


def _shifted(x: Array, axis: Axes) -> tuple[Array, Array, bool]:
    """Return x minus its maximum over axes, so that no exponential overflows; and that maximum.

    The third result says whether all maxima are finite, so that there is no sum of zeros.
    """
    real = x.real if x.dtype.kind == "c" else x
    top = _reduced(np.maximum, real, axis)
    is_finite = np.isfinite(top)
    is_tame = bool(is_finite.all())
    if not is_tame:
        top = np.where(is_finite, top, 0)
    return x - top, top, is_tame


def _log(x: Array, is_tame: bool) -> Array:
    """Return the logarithm, silently -inf at 0."""
    if is_tame:
        return np.asarray(np.log(x))
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(x))


def logsumexp(x: Array, axis: Axes) -> Array:
    """Return ``log(sum(exp(x)))`` over axes, without overflow."""
    shifted, top, is_tame = _shifted(x, axis)
    total = _reduced(np.add, np.exp(shifted, out=shifted), axis)
    return np.asarray(np.squeeze(_log(total, is_tame) + top, axis))


def log_softmax(x: Array, axis: Axes) -> Array:
    """Return ``x - logsumexp(x)``."""
    shifted, _, is_tame = _shifted(x, axis)
    shifted -= _log(_reduced(np.add, np.exp(shifted), axis), is_tame)
    return np.asarray(shifted)


def softmax(x: Array, axis: Axes) -> Array:
    """Return ``exp(x) / sum(exp(x))`` over axes, without overflow."""
    powers, _, _ = _shifted(x, axis)
    powers = np.exp(powers, out=powers)
    powers /= _reduced(np.add, powers, axis)
    return np.asarray(powers)


def others(x: Array, order: int, axes: int) -> Array:
    """Return products of all entries but some: the derivatives of ``prod`` over the last axes.

    With `order` 1, the entry at i is the product of all entries but that at i, without dividing,
    so that zeros are no trouble. With `order` 2, that at ij is the product of all but two, and
    0 where i = j, since a product is linear in each factor.
    """
    batch, core = x.shape[: x.ndim - axes], x.shape[x.ndim - axes :]
    flat = x.reshape(*batch, math.prod(core))
    return _others(flat, order).reshape(*batch, *(core * order))


def _others(x: Array, order: int) -> Array:
    if order == 1:
        return _all_but_one(x)
    n = x.shape[-1]
    diagonal = np.eye(n, dtype=bool)
    rest = _others(np.where(diagonal, 1, x[..., None, :]), order - 1)
    # An entry taken out twice: the derivative by it twice is 0.
    for axis in range(order - 1):
        shape = [n if k in (0, axis + 1) else 1 for k in range(order)]
        rest = np.where(diagonal.reshape(shape), 0, rest)
    return rest


def _all_but_one(x: Array) -> Array:
    """Multiply all that is before an entry, and all that is after it."""
    if x.dtype.kind != "f":
        return _before_and_after(x)
    with np.errstate(over="ignore", invalid="ignore"):
        products = _before_and_after(x)
    if not products.size or (_are_finite(products) and products.all()) or not _are_finite(x):
        return products
    # Exponents apart, so that nothing overflows on the way.
    del products
    fractions, exponents = np.frexp(x)
    np.subtract(np.sum(exponents, -1, keepdims=True), exponents, out=exponents, casting="unsafe")
    products = _before_and_after(fractions)
    return np.asarray(np.ldexp(products, exponents, out=products))


def _are_finite(x: Array) -> bool:
    """Tell whether all entries are, without an array of truth values."""
    return bool(np.isfinite(x.min()) and np.isfinite(x.max()))


def _before_and_after(x: Array) -> Array:
    ones = np.ones((*x.shape[:-1], 1), x.dtype)
    before = np.cumprod(np.concatenate([ones, x[..., :-1]], -1), -1)[..., : x.shape[-1]]
    after = np.cumprod(np.concatenate([ones, x[..., :0:-1]], -1), -1)[..., : x.shape[-1]]
    return np.asarray(before * after[..., ::-1])


def solve(A: Array, b: Array) -> Array:
    """Solve ``A x = b`` for vectors, those of a batch by one factorisation where A is one."""
    if A.ndim == 2 and b.ndim > 1:
        count = math.prod(b.shape[:-1])
        columns = np.linalg.solve(A, b.reshape(count, b.shape[-1]).T)
        return np.asarray(columns.T.reshape(b.shape))
    return np.asarray(np.linalg.solve(A, b[..., None])[..., 0])


# A derivative of a determinant is a polynomial in the entries, which has a value where the inverse
# does not exist. It is made of L, R and s with inv(X) = R diag(1/s) L^T: by the inverse itself,
# with L and s trivial, where that costs no more than a third of the digits, else by singular
# values.


def cofactor(X: Array) -> Array:
    """Return the matrix of cofactors: the derivative of the determinant."""
    if X.shape[-1] in (1, 2, 3):
        return cofactors(X)

    def by_inverse(X: Array, inverse: Array) -> Array:
        return np.asarray(np.linalg.det(X)[..., None, None] * np.swapaxes(inverse, -1, -2))

    def by_singular_values(X: Array) -> Array:
        U, _, V = np.linalg.svd(X)
        return np.asarray((U.conj() * _rest(X, 1)[..., None, :]) @ V.conj())

    return _in_either_way(X, 1, 2, by_inverse, by_singular_values)


def cofactor_left(X: Array, order: int) -> Array:
    """Return L for cofactors of some order."""

    def by_inverse(X: Array, _: Array) -> Array:
        return np.eye(X.shape[-1], dtype=X.dtype) + np.zeros_like(X)  # which later steps may change

    def by_singular_values(X: Array) -> Array:
        return np.asarray(np.linalg.svd(X)[0].conj())

    return _in_either_way(X, order, 2, by_inverse, by_singular_values)


def cofactor_right(X: Array, order: int) -> Array:
    """Return R for cofactors of some order."""

    def by_singular_values(X: Array) -> Array:
        return np.asarray(np.swapaxes(np.linalg.svd(X)[2].conj(), -1, -2))

    return _in_either_way(X, order, 2, lambda _, inverse: inverse, by_singular_values)


def cofactor_rest(X: Array, order: int) -> Array:
    """Return for cofactors of some order the determinant without so many of s."""

    def by_inverse(X: Array, _: Array) -> Array:
        ones = _others(np.ones(X.shape[-1], X.dtype), order)
        return np.asarray(ones * np.linalg.det(X)[(..., *[None] * order)])

    return _in_either_way(X, order, order, by_inverse, lambda X: _rest(X, order))


def _rest(X: Array, order: int) -> Array:
    U, s, V = np.linalg.svd(X)
    sign = np.linalg.det(U) * np.linalg.det(V)
    if X.dtype.kind == "f":
        sign = np.rint(sign)
    return np.asarray(_others(s, order) * sign[(..., *[None] * order)])


def _in_either_way(
    X: Array,
    order: int,
    rank: int,
    by_inverse: Callable[[Array, Array], Array],
    by_singular_values: Callable[[Array], Array],
) -> Array:
    """Compute something of `rank` axes by the inverses of those matrices for which that is exact.

    It is nan for matrices that have entries that are not finite.
    """
    n = X.shape[-1]
    batch = X.shape[:-2]
    if X.size == 0:
        return np.zeros((*batch, *[n] * rank), X.dtype)
    X = X.reshape(-1, n, n)
    limits = np.finfo(X.dtype)
    with np.errstate(all="ignore"):
        det = np.abs(np.linalg.det(X))
        is_exact = (limits.tiny < det) & (det < limits.max)
        inverse = np.linalg.inv(np.where(is_exact[:, None, None], X, np.eye(n, dtype=X.dtype)))
        condition = n * np.abs(X).max((1, 2)) * np.abs(inverse).max((1, 2))
        is_exact &= condition <= float(limits.eps) ** (-1 / (3 * order))
    if is_exact.all():
        result = by_inverse(X, inverse)
    else:
        result = np.full((len(X), *[n] * rank), np.nan, X.dtype)
        result[is_exact] = by_inverse(X[is_exact], inverse[is_exact])
        others = ~is_exact & np.isfinite(X).all((1, 2))
        result[others] = by_singular_values(X[others])
    return result.reshape(*batch, *[n] * rank)


def _symmetric(A: Array) -> Array:
    return np.asarray((A + np.swapaxes(A, -1, -2)) / 2)


def cholesky(A: Array) -> Array:
    """Return the lower factor of the symmetric part of A."""
    return np.asarray(np.linalg.cholesky(_symmetric(A)))


def eigvalsh(A: Array) -> Array:
    """Return the eigenvalues of the symmetric part of A, in ascending order."""
    return np.asarray(np.linalg.eigvalsh(_symmetric(A)))


def eigvectors(A: Array) -> Array:
    """Return the eigenvectors of the symmetric part of A, as columns."""
    return np.asarray(np.linalg.eigh(_symmetric(A))[1])


def expm(X: Array) -> Array:
    """Return the matrix exponential, by SciPy's scaling and squaring."""
    scipy = scipy_module("linalg")
    if scipy is None:
        raise needs_scipy("expm")
    return np.asarray(scipy.expm(X))


def dexpm(X: Array, order: int) -> Array:
    r"""Return a derivative of the matrix exponential, of shape (.., n, n, n, n, ..).

    The exponential of a block triangular matrix holds the derivative along E,
    ``expm([[X, E], [0, X]]) = [[expm(X), L(X, E)], [0, expm(X)]]``, and repeating this gives the
    higher ones (Mathias, *A chain rule for matrix functions*, 1996; Higham and Relton, *Higher
    order Fréchet derivatives of matrix functions*, 2014).
    """
    if X.shape[-1] == 0:
        return np.zeros((*X.shape[:-2], *(0,) * (2 * order + 2)), X.dtype)
    if scipy_module("linalg") is None:
        raise needs_scipy("expm")
    from einsdiff.numeric.libraries.helpers import numpy_helpers  # which imports SciPy

    defined: Callable[[Array, int], Array] = numpy_helpers.dexpm
    return np.asarray(defined(X, order))


for _entry in FUNCTIONS.values():
    _named = _entry.implementation
    if isinstance(_named, str) and not callable(globals().get(_named)):
        raise TypeError(
            f"the record of '{_entry.name}' is incomplete: its implementation, '{_named}', "
            f"is no function of {__name__}"
        )
