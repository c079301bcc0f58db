"""Functions that NumPy lacks, against SciPy's, against brute force, and at their limits."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from einsdiff.errors import OperandError
from einsdiff.numeric.running import kernels as special

scipy_special = pytest.importorskip("scipy.special")
scipy_linalg = pytest.importorskip("scipy.linalg")

DTYPES = ["float32", "float64", "complex64", "complex128"]
ENTRIES = ["sigmoid", "softplus", "erf", "gelu"]
LIMITS = np.array([-np.inf, -1000.0, 0.0, 1000.0, np.inf])
inf = np.inf


def draw(shape, dtype, scale=1.0):
    rng = np.random.default_rng(0)
    values = scale * rng.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.normal(size=shape)
    return values.astype(dtype)


def tolerance(dtype):
    return 2e-5 if dtype in ("float32", "complex64") else 1e-11


# --- functions of each entry ------------------------------------------------------------------

EXPECTED = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "erf": scipy_special.erf,
    "gelu": lambda x: x * scipy_special.erfc(-x / np.sqrt(2)) / 2,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ENTRIES)
def test_values_shapes_and_dtypes(name, dtype):
    for shape in [(), (5,), (2, 3), (0,), (0, 3)]:
        x = draw(shape, dtype)
        found = getattr(special, name)(x)
        assert found.shape == shape
        assert found.dtype == dtype
        wide = x.astype(np.result_type(x, np.float64))
        np.testing.assert_allclose(found, EXPECTED[name](wide), rtol=tolerance(dtype), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sigmoid", [0, 0, 0.5, 1, 1]),
        ("softplus", [0, 0, np.log(2), 1000, inf]),
        ("erf", [-1, -1, 0, 1, 1]),
        ("gelu", [0, 0, 0, 1000, inf]),
    ],
)
def test_limits_are_reached_without_a_warning(name, expected):
    np.testing.assert_array_equal(getattr(special, name)(LIMITS), expected)
    small = getattr(special, name)(LIMITS.astype("float32"))
    np.testing.assert_array_equal(small, np.asarray(expected, "float32"))


@pytest.mark.parametrize("x", [-1000.0, -40.0, -1e-9, 0.0, 1e-9, 40.0, 1000.0])
def test_complex_steps_are_exact_far_from_zero(x):
    h = 1e-30
    slope = special.softplus(np.array(x + 1j * h)).imag / h
    np.testing.assert_allclose(slope, special.sigmoid(np.array(x)), rtol=1e-12)
    slope = special.sigmoid(np.array(x + 1j * h)).imag / h
    y, z = special.sigmoid(np.array(x)), special.sigmoid(np.array(-x))
    np.testing.assert_allclose(slope, y * z, rtol=1e-12)


def test_tails_are_exact():
    x = np.array([-30.0, -10.0])
    np.testing.assert_allclose(special.sigmoid(x), np.exp(x), rtol=1e-4)
    np.testing.assert_allclose(special.softplus(x), np.exp(x), rtol=1e-4)
    np.testing.assert_allclose(special.gelu(x), x * scipy_special.ndtr(x), rtol=1e-12)


def test_xlogy_is_zero_where_the_factor_is():
    a, b = np.array([0.0, 0, 0, 1, 2]), np.array([0.0, -1, inf, 2, 3])
    found = special.xlogy(a, b)
    np.testing.assert_allclose(found, [0, 0, 0, np.log(2), 2 * np.log(3)])
    a, b = a[3:].astype("float32"), b[3:].astype("float32")
    assert special.xlogy(a, b).dtype == np.float32
    np.testing.assert_allclose(special.xlogy(np.array(2.0), b), scipy_special.xlogy(2.0, b))


# --- sums of exponentials ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [(-1,), (-2, -1), (-3, -2, -1)])
@pytest.mark.parametrize("name", ["logsumexp", "log_softmax", "softmax"])
def test_sums_of_exponentials_agree_with_scipy(name, axis, dtype):
    x = draw((2, 3, 4), dtype, 200.0)
    found = getattr(special, name)(x, axis)
    expected = getattr(scipy_special, name)(x, axis=axis)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=tolerance(dtype), atol=1e-6)


def test_limits_of_sums_of_exponentials():
    x = np.array([[-inf, 1.0], [-inf, -inf], [inf, 1.0], [1000.0, 1000.0]])
    expected = [1, -inf, inf, 1000 + np.log(2)]
    np.testing.assert_allclose(special.logsumexp(x, (-1,)), expected)
    np.testing.assert_array_equal(special.softmax(x[0], (-1,)), [0, 1])
    np.testing.assert_array_equal(special.log_softmax(x[0], (-1,)), [-inf, 0])
    np.testing.assert_array_equal(special.softmax(x[3], (-1,)), [0.5, 0.5])


def test_empty_sums_of_exponentials():
    np.testing.assert_array_equal(special.logsumexp(np.zeros((2, 0)), (-1,)), [-inf, -inf])
    assert special.logsumexp(np.zeros((0, 2)), (-1,)).shape == (0,)
    for f in (special.softmax, special.log_softmax):
        assert f(np.zeros((2, 0)), (-1,)).shape == (2, 0)
        assert f(np.zeros((0, 2)), (-1,)).shape == (0, 2)


# --- products of all entries but some ---------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int64", "float32", "float64", "complex128"])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [((3,), 1), ((1,), 1), ((0,), 1), ((2, 3), 2), ((2, 3), 1), ((4, 2, 2), 2), ((0, 3), 1)],
)
def test_products_of_others_agree_with_the_definition(shape, axes, order, dtype):
    rng = np.random.default_rng(1)
    batch, core = shape[: len(shape) - axes], shape[len(shape) - axes :]
    for _ in range(5):
        x = rng.integers(-2, 3, shape).astype(dtype)  # with zeros
        expected = np.zeros((*batch, *core * order), dtype)
        for taken in product(*(np.ndindex(*core) for _ in range(order))):
            rest = np.ones(core, bool)
            for index in taken:
                rest[index] = False
            if len(set(taken)) == order:
                expected[(..., *sum(taken, ()))] = np.prod(x[..., rest], axis=-1)
        found = special.others(x, order, axes)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected)


# --- functions of matrices --------------------------------------------------------------------

SHAPES = [(3, 3), (1, 1), (2, 3, 3), (2, 1, 2, 2), (0, 0), (2, 0, 0), (0, 2, 2)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_and_dtypes_of_derivatives_of_the_exponential(shape, dtype):
    X = draw(shape, dtype)
    batch, n = shape[:-2], shape[-1]
    assert special.expm(X).shape == shape
    assert special.expm(X).dtype == dtype
    for order in (1, 2):
        found = special.dexpm(X, order)
        assert found.shape == (*batch, *(n,) * (2 + 2 * order))
        assert found.dtype == dtype


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", [(3, 3), (2, 2, 2), (1, 1)])
def test_derivatives_of_the_exponential(shape, dtype):
    X = draw(shape, dtype)
    n = shape[-1]
    first, second = special.dexpm(X, 1), special.dexpm(X, 2)
    exchanged = np.moveaxis(second, (-4, -3), (-2, -1))
    np.testing.assert_allclose(second, exchanged, rtol=1e-10, atol=1e-12)
    for k, m in product(range(n), repeat=2):
        E = np.zeros((n, n), dtype)
        E[k, m] = 1
        for index in np.ndindex(*shape[:-2]):
            expected = scipy_linalg.expm_frechet(X[index], E, compute_expm=False)
            np.testing.assert_allclose(first[index][..., k, m], expected, rtol=1e-9, atol=1e-11)
        h = 1e-3

        def central(h, E=E):
            return (special.dexpm(X + h * E, 1) - special.dexpm(X - h * E, 1)) / (2 * h)

        expected = (4 * central(h / 2) - central(h)) / 3
        np.testing.assert_allclose(second[..., k, m], expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(
    ("matrices", "vectors"),
    [
        ((3, 3), (3,)),
        ((3, 3), (4, 3)),
        ((3, 3), (2, 4, 3)),
        ((3, 3), (0, 3)),
        ((2, 3, 3), (2, 3)),
        ((2, 3, 3), (3,)),
        ((0, 0), (2, 0)),
        ((0, 0), (0,)),
        ((0, 3, 3), (0, 3)),
    ],
)
def test_solutions_of_linear_equations(matrices, vectors):
    A = draw(matrices, "float64") + 4 * np.identity(matrices[-1])
    b = draw(vectors, "float64")
    found = special.solve(A, b)
    expected = np.broadcast_to(b, found.shape)
    assert len(found.shape) == max(len(matrices) - 1, len(vectors))
    np.testing.assert_allclose(np.einsum("...ij,...j->...i", A, found), expected, atol=1e-12)
    assert special.solve(A.astype("float32"), b.astype("float32")).dtype == np.float32


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3), (0, 0), (0, 2, 2)])
def test_functions_of_symmetric_matrices_are_those_of_the_symmetric_part(shape, dtype):
    S = draw(shape, dtype)
    S = S @ np.swapaxes(S, -1, -2) + 3 * np.identity(shape[-1], dtype)
    skew = draw(shape, dtype)
    A = S + skew - np.swapaxes(skew, -1, -2)
    L, values, vectors = special.cholesky(A), special.eigvalsh(A), special.eigvectors(A)
    assert L.dtype == values.dtype == vectors.dtype == dtype
    close = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(L @ np.swapaxes(L, -1, -2), S, **close)
    np.testing.assert_allclose(S @ vectors, vectors * values[..., None, :], **close)


# --- without SciPy ----------------------------------------------------------------------------


@pytest.fixture
def no_scipy(monkeypatch):
    monkeypatch.setattr(special, "scipy_module", lambda name: None)


@pytest.mark.usefixtures("no_scipy")
@pytest.mark.parametrize("name", ["erf", "gelu"])
def test_functions_of_entries_do_without_scipy(name):
    for dtype in ("float32", "float64"):
        x = draw((2, 3), dtype)
        found = getattr(special, name)(x)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, EXPECTED[name](x), rtol=tolerance(dtype))
    assert getattr(special, name)(np.zeros((0, 3))).shape == (0, 3)
    with pytest.raises(OperandError, match="of complex numbers needs SciPy"):
        getattr(special, name)(np.array([1j]))


@pytest.mark.usefixtures("no_scipy")
def test_the_matrix_exponential_needs_scipy():
    with pytest.raises(OperandError, match=r"expm needs SciPy(.|\n)*pip install"):
        special.expm(np.zeros((2, 2)))
    with pytest.raises(OperandError, match="expm needs SciPy"):
        special.dexpm(np.zeros((2, 2)), 1)
