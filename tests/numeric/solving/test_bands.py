"""Equations whose matrix is mostly zeros."""

import pickle

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.numeric.solving.bands import factorised_sparsely

sparse = pytest.importorskip("scipy.sparse")


def chain(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def grid(u):
    across, down = u[1:, :] - u[:-1, :], u[:, 1:] - u[:, :-1]
    return np.sum(across**2) + np.sum(down**2) + np.sum(u**4)


def test_a_chain_is_solved_by_its_band():
    x = np.linspace(-1, 1, 300)
    H = ed.hessian(chain, x, wrt="x")
    solver = H.solver()
    assert solver.method == "LU factorisation of a band of 3 diagonals, 300 x 300"
    b = np.random.default_rng(0).normal(size=(300, 2))
    np.testing.assert_allclose(solver.solve(b), np.linalg.solve(np.asarray(H), b), rtol=1e-9)
    again = pickle.loads(pickle.dumps(solver))
    np.testing.assert_array_equal(again.solve(b), solver.solve(b))


def test_a_long_chain_is_solved_by_its_band():
    x = np.linspace(-1, 1, 50_000)
    H = ed.hessian(chain, x, wrt="x")
    b = np.ones_like(x)
    np.testing.assert_allclose(H.sparse() @ H.solve(b), b, atol=1e-8)


def test_a_grid_is_solved_by_sparse_factors():
    u = np.random.default_rng(0).normal(size=(40, 30))
    H = ed.hessian(grid, u, wrt="u")
    solver = H.solver()
    assert solver.method == "sparse LU factorisation of 1200 x 1200, with 5860 entries"
    b = np.random.default_rng(1).normal(size=(40, 30))
    expected = np.linalg.solve(np.asarray(H).reshape(1200, 1200), b.ravel()).reshape(b.shape)
    np.testing.assert_allclose(solver.solve(b), expected, rtol=1e-8)
    again = pickle.loads(pickle.dumps(solver))
    np.testing.assert_array_equal(again.solve(b), solver.solve(b))


def test_single_precision_and_complex_numbers():
    x = np.linspace(-1, 1, 100, dtype=np.float32)
    H = ed.hessian(chain, x, wrt="x")
    assert H.solve(np.ones_like(x)).dtype == np.float32
    z = np.linspace(-1, 1, 100) + 0.5j
    H = ed.hessian("Σ_{i<99} (x_{i+1} - x_i^2)^2 + Σ_i x_i^2", x=z, wrt="x")
    b = np.ones(100) + 1j
    np.testing.assert_allclose(np.asarray(H) @ H.solve(b), b, rtol=1e-9)


@pytest.mark.parametrize("scale", [1.0, 1e-150, 1e150])
def test_scales_do_not_matter(scale):
    diagonals = [scale * np.full(50, 2.0), scale * np.full(49, -1.0), scale * np.full(49, -1.0)]
    matrix = sparse.diags_array(diagonals, offsets=[0, 1, -1], format="csr")
    x = factorised_sparsely(matrix).solve(scale * np.ones((50, 1)))
    np.testing.assert_allclose(matrix @ x, scale * np.ones((50, 1)), rtol=1e-12)


def singular(kind):
    n = 60
    if kind == "empty row":
        return sparse.csr_array((np.ones(n - 1), (np.arange(n - 1),) * 2), shape=(n, n))
    if kind == "differences":  # of which the constants are the kernel
        D = sparse.diags_array([np.ones(n), -np.ones(n - 1)], offsets=[0, 1]).tocsr()[:-1]
        return (D.T @ D).tocsr()
    grid = sparse.kronsum(singular("differences"), singular("differences")).tocsr()
    return sparse.csr_array(grid)


@pytest.mark.parametrize("kind", ["empty row", "differences", "differences of a grid"])
def test_singular_matrices_are_refused(kind):
    with pytest.raises(ed.SolveError, match="singular to working precision"):
        factorised_sparsely(singular(kind))


def test_a_singular_chain_is_refused():
    x = np.linspace(-1, 1, 100)
    with pytest.raises(ed.SolveError, match="singular"):
        ed.hessian("Σ_{i<99} (x_{i+1} - x_i)^2", x=x, wrt="x").solve(np.ones(100))
