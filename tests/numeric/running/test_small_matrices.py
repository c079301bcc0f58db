"""Closed forms of small matrices against LAPACK: residuals, hard cases, and errors."""

from __future__ import annotations

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.numeric.planning.closed_forms import LEAST_MATRICES, LEAST_SYSTEMS
from einsdiff.numeric.running import small_matrices as small
from einsdiff.numeric.running.kernels import cofactor

COUNT = 3000


def of_singular_values(values, seed=0, count=COUNT):
    """Draw matrices of these singular values."""
    rng = np.random.default_rng(seed)
    n = len(values)
    left, right = (np.linalg.qr(rng.normal(size=(count, n, n)))[0] for _ in range(2))
    return (left * np.array(values)) @ right


def kinds(n):
    """Draw matrices of several kinds, easy and hard."""
    rng = np.random.default_rng(n)
    normal = rng.normal(size=(COUNT, n, n))
    yield "near the identity", np.eye(n) + 0.1 * normal
    yield "normal", normal
    yield "whole numbers", np.round(normal) + 5 * np.eye(n)
    yield "large", 1e150 * normal
    yield "small", 1e-150 * normal
    yield "rows of all sizes", 10.0 ** rng.integers(-8, 9, (COUNT, n, 1)) * normal
    yield "columns of all sizes", 10.0 ** rng.integers(-8, 9, (COUNT, 1, n)) * normal
    yield "triangular", np.tril(normal) + 3 * np.eye(n)
    for ratio in (1e-1, 1e-2, 1e-4, 1e-8, 1e-12):
        yield f"last value {ratio}", of_singular_values([1] * (n - 1) + [ratio])
        yield f"first value 1 of {ratio}", of_singular_values([1] + [ratio] * (n - 1))
        yield f"values down to {ratio}", of_singular_values(np.geomspace(1, ratio, n))


CASES = [(n, name, A) for n in (2, 3) for name, A in kinds(n)]
all_kinds = pytest.mark.parametrize(
    ("n", "A"), [(n, A) for n, _, A in CASES], ids=[f"{n}: {name}" for n, name, _ in CASES]
)


def norm(A):
    return np.linalg.norm(A, axis=(-2, -1))


@all_kinds
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_residuals_of_inverses(n, A, dtype):
    if dtype == "float32" and not 1e-15 < np.abs(A).max() < 1e15:
        return
    A = A.astype(dtype)
    A = A[np.linalg.cond(A) < 0.01 / np.finfo(dtype).eps]
    eps = float(np.finfo(dtype).eps)
    found, lapack = small.inverses(A), np.linalg.inv(A)
    assert found.dtype == A.dtype
    sizes = norm(A) * norm(lapack) * eps  # what residuals of inverses are measured by
    for left, right in (("found", "A"), ("A", "found")):
        pair = {"found": found.astype("longdouble"), "A": A.astype("longdouble")}
        residual = norm((pair[left] @ pair[right] - np.eye(n)).astype("float64")) / sizes
        pair["found"] = lapack.astype("longdouble")
        theirs = norm((pair[left] @ pair[right] - np.eye(n)).astype("float64")) / sizes
        assert residual.max(initial=0) <= max(4, 2 * theirs.max(initial=0))
    np.testing.assert_array_equal(small.transposed_inverses(A), np.swapaxes(found, -1, -2))


@all_kinds
def test_determinants(n, A):
    with np.errstate(over="ignore"):
        found, lapack = small.determinants(A), np.linalg.det(A)
    exact = exact_determinants(A)
    scale = np.finfo(float).eps * np.linalg.cond(A)
    finite = np.isfinite(lapack) & (np.abs(exact) > 1e-300)
    error = np.abs((found - exact) / exact)[finite] / scale[finite]
    theirs = np.abs((lapack - exact) / exact)[finite] / scale[finite]
    assert error.max(initial=0) <= max(4, 2 * theirs.max(initial=0))
    np.testing.assert_array_equal(found[~finite], lapack[~finite])
    sign, logs = np.linalg.slogdet(A)
    sure = scale < 0.01
    apart = np.abs(small.log_determinants(A) - logs)[sure]
    assert (apart <= 8 * scale[sure] + 1e-13 * np.abs(logs[sure])).all()
    np.testing.assert_array_equal(small.signs_of_determinants(A)[sure], sign[sure])


def exact_determinants(A):
    """Take determinants in numbers of more digits, rows and columns scaled."""
    A = A.astype("longdouble")
    if A.shape[-1] == 2:
        return A[:, 0, 0] * A[:, 1, 1] - A[:, 0, 1] * A[:, 1, 0]
    a, b, c = np.moveaxis(A, 1, 0)
    return np.sum(a * np.cross(b, c), -1)


@all_kinds
@pytest.mark.parametrize("width", [1, 3])
def test_residuals_of_solutions(n, A, width):
    b = np.random.default_rng(1).normal(size=(len(A), n, width))
    A = A / np.abs(A).max()
    found, lapack = small.solutions(A, b), np.linalg.solve(A, b)

    def backward_error(x):
        residual = (A.astype("longdouble") @ x - b).astype(float)
        return norm(residual) / (norm(A) * norm(x)) / np.finfo(float).eps

    assert backward_error(found).max() <= max(4, 2 * backward_error(lapack).max())
    # And forwards: as far from the truth as LAPACK's, at most.
    far = np.abs(found - lapack).max((1, 2)) / np.abs(lapack).max((1, 2))
    assert (far <= 30 * np.linalg.cond(A) * np.finfo(float).eps).all()


def test_most_matrices_take_the_closed_form(monkeypatch):
    for name in ("inv", "det", "slogdet", "solve"):
        monkeypatch.setattr(np.linalg, name, None)
    A = np.eye(3) + 0.1 * np.random.default_rng(0).normal(size=(COUNT, 3, 3))
    assert np.isfinite(small.inverses(A)).all()
    assert np.isfinite(small.log_determinants(A)).all()
    assert np.isfinite(small.solutions(A, A[..., :1])).all()


@pytest.mark.parametrize("n", [2, 3])
def test_singular_matrices(n):
    A = np.eye(n) + np.zeros((COUNT, n, n))
    A[COUNT - 5] = 1
    np.testing.assert_array_equal(small.determinants(A), np.linalg.det(A))
    np.testing.assert_array_equal(small.log_determinants(A), np.linalg.slogdet(A)[1])
    np.testing.assert_array_equal(small.signs_of_determinants(A), np.linalg.slogdet(A)[0])
    for function in (small.inverses, lambda A: small.solutions(A, A)):
        with pytest.raises(np.linalg.LinAlgError, match="Singular"):
            function(A)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        ed.inv(ed.tensor("A", A)).dense()


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("entry", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none(n, entry):
    A = np.eye(n) + np.zeros((COUNT, n, n))
    A[7, 0, -1] = entry
    with np.errstate(all="ignore"):
        for mine, theirs in (
            (small.determinants, np.linalg.det),
            (small.log_determinants, lambda A: np.linalg.slogdet(A)[1]),
            (small.inverses, np.linalg.inv),
        ):
            np.testing.assert_array_equal(mine(A), theirs(A))
    assert np.isnan(cofactor(A)[7]).all()
    assert np.isfinite(cofactor(A)[6]).all()


@pytest.mark.parametrize("dtype", ["complex128", "complex64", "int64"])
def test_other_numbers_are_lapack_s(dtype):
    A = (4 * np.eye(3) + np.random.default_rng(0).integers(-1, 2, (COUNT, 3, 3))).astype(dtype)
    np.testing.assert_array_equal(small.inverses(A), np.linalg.inv(A))
    np.testing.assert_array_equal(small.determinants(A), np.linalg.det(A))
    np.testing.assert_array_equal(small.solutions(A, A), np.linalg.solve(A, A))


def test_blocks_and_strides():
    rng = np.random.default_rng(0)
    A = np.eye(3) + 0.1 * rng.normal(size=(2, small.BLOCK + 3, 3, 3))
    for given in (A, A[:, ::2], A.transpose(0, 1, 3, 2), A[::-1], np.asfortranarray(A), A[:, :0]):
        np.testing.assert_allclose(
            small.inverses(given), np.linalg.inv(given), rtol=1e-12, atol=1e-14
        )
        np.testing.assert_allclose(small.determinants(given), np.linalg.det(given), rtol=1e-12)
        np.testing.assert_allclose(
            small.solutions(given, given[..., :2]),
            np.linalg.solve(given, given[..., :2]),
            atol=1e-14,
        )
        expected = np.linalg.det(given)[..., None, None] * np.swapaxes(np.linalg.inv(given), -1, -2)
        np.testing.assert_allclose(cofactor(given), expected, rtol=1e-11, atol=1e-13)


def steps_of(tensor):
    return str(tensor.compile().plan.report())


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("count", [1, LEAST_SYSTEMS + 5])
def test_programs(n, count):
    rng = np.random.default_rng(n)
    values = np.eye(n) + 0.1 * rng.normal(size=(count, n, n))
    rows = rng.normal(size=(count, n, 2))
    A, B = ed.tensor("A", values), ed.tensor("B", rows)
    is_closed = n < 4 and count > max(LEAST_MATRICES, LEAST_SYSTEMS)
    for found, expected, kernel in (
        (ed.inv(A), np.linalg.inv(values), "inverses"),
        (ed.det(A), np.linalg.det(values), "determinants"),
        (ed.logdet(A), np.linalg.slogdet(values)[1], "log_determinants"),
        (ed.solve(A, B), np.linalg.solve(values, rows), "solutions"),
        (ed.inv(A).swapaxes(1, 2) * 2, 2 * np.linalg.inv(values).swapaxes(1, 2), "transposed_inv"),
    ):
        np.testing.assert_allclose(found.dense(), expected, rtol=1e-12, atol=1e-13)
        assert (kernel in steps_of(found)) == is_closed


def test_derivatives_of_an_energy():
    rng = np.random.default_rng(5)
    values = np.eye(3) + 0.1 * rng.normal(size=(LEAST_MATRICES + 3, 3, 3))

    def energy(F):
        J = np.linalg.det(F)
        return np.sum(F * F) / 2 - np.sum(np.log(J)) + np.sum(np.log(J) ** 2)

    stress = ed.grad(energy, values, wrt="F")
    inverse = np.swapaxes(np.linalg.inv(values), -1, -2)
    log = np.log(np.linalg.det(values))
    expected = values + (2 * log - 1)[:, None, None] * inverse
    np.testing.assert_allclose(stress.dense(), expected, rtol=1e-11)
    direction = rng.normal(size=values.shape)
    step = 1e-6
    moved = [ed.grad(energy, values + sign * step * direction, wrt="F").dense() for sign in (1, -1)]
    product = ed.hvp(energy, values, wrt="F", v=direction)
    np.testing.assert_allclose(np.asarray(product), (moved[0] - moved[1]) / (2 * step), atol=1e-6)
