"""Factorised matrices, and what is done when a structure does not suffice."""

from __future__ import annotations

import numpy as np
import pytest

from einsdiff.algebra.derivatives.structure import structure
from einsdiff.algebra.nodes.interning import delta, variable
from einsdiff.algebra.nodes.nodes import add, einsum
from einsdiff.errors import OperandError
from einsdiff.numeric.running.program import program_for
from einsdiff.numeric.solving import dense as dense_module
from einsdiff.numeric.solving import factorise as solving
from einsdiff.numeric.solving import failures, iterations, kronecker
from einsdiff.numeric.solving.dense import factored
from einsdiff.numeric.solving.factorise import factorised
from einsdiff.numeric.solving.failures import SolveError, default_tolerance, solving_dtype
from einsdiff.numeric.solving.frames import Evaluation

rng = np.random.default_rng(0)


def without_scipy(monkeypatch):
    for module in (dense_module, failures, iterations, kronecker, solving):
        if hasattr(module, "scipy_module"):
            monkeypatch.setattr(module, "scipy_module", lambda name: None)


def evaluation(expr, arrays, dtype="float64"):
    """Evaluate nodes of variables and deltas by their definition, densely."""

    def array(node):
        return dense(node, arrays)

    def product(node, domain, x):
        return np.tensordot(array(node), x, domain)

    return Evaluation(array, product, expr.shape, np.dtype(dtype))


def dense(node, arrays):
    program = program_for((node,), (), "float64")
    return program.function(*(arrays[v.name] for v in program.inputs))


def solved(expr, arrays, b, tolerance=1e-10):
    domain = len(expr.shape) // 2
    made = factorised(structure(expr, domain, ()), evaluation(expr, arrays))
    return made, made.solve(b, tolerance)


# --- matrices ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("with_scipy", [True, False])
@pytest.mark.parametrize(("count", "n"), [(1, 1), (5, 1), (1, 3), (1, 40), (5, 3), (3, 40)])
def test_factorised_matrices_solve_equations(monkeypatch, count, n, with_scipy, dtype):
    if not with_scipy:
        without_scipy(monkeypatch)
    matrices = (rng.standard_normal((count, n, n)) + 3 * np.eye(n)).astype(dtype)
    b = rng.standard_normal((count, n, 4)).astype(dtype)
    if np.dtype(dtype).kind == "c":
        matrices, b = matrices * (1 + 2j), b * (2 - 1j)
    matrices, b = matrices.astype(dtype), b.astype(dtype)
    x = factored(matrices).solve(b)
    assert x.dtype == dtype
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(x, np.linalg.solve(matrices, b), rtol=1e5 * eps, atol=1e5 * eps)


def test_what_is_factorised_and_how_is_said(monkeypatch):
    assert factored(np.ones((1, 1, 1))).method == "division by a number"
    assert factored(np.ones((7, 1, 1))).method == "division by a diagonal of 7 entries"
    large = np.eye(40)[None]
    assert factored(large).method == "LU factorisation of 40 x 40"
    assert type(factored(large)).__name__ == "_LU"
    assert factored(np.eye(3)[None]).method == "LU factorisation of 3 x 3"
    assert factored(np.stack([np.eye(3)] * 5)).method == "LU factorisations of 5 blocks of 3 x 3"
    without_scipy(monkeypatch)
    assert factored(large).method == "LU factorisation of 40 x 40"
    assert type(factored(large)).__name__ == "_Inverses"


@pytest.mark.parametrize("n", [3, 40])
def test_no_right_hand_sides_are_no_trouble(n):
    assert factored(np.eye(n)[None]).solve(np.zeros((1, n, 0))).shape == (1, n, 0)


@pytest.mark.parametrize(("count", "n"), [(1, 2), (1, 50), (4, 5)])
def test_a_singular_matrix_raises(count, n):
    matrices = rng.standard_normal((count, n, n))
    matrices[-1, 0] = matrices[-1, 1:].sum(axis=0)
    with pytest.raises(SolveError, match="singular to working precision"):
        factored(matrices)
    matrices[-1, 0] = 0
    with pytest.raises(SolveError, match="singular to working precision"):
        factored(matrices)


def test_a_zero_to_divide_by_raises():
    with pytest.raises(SolveError, match="2 of the 3 entries to divide by are zero"):
        factored(np.array([0.0, 1.0, 0.0]).reshape(3, 1, 1))
    with pytest.raises(SolveError, match="the number to divide by is zero"):
        factored(np.zeros((1, 1, 1)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_entries_that_are_no_numbers_raise(value):
    matrices = np.eye(3)[None].copy()
    matrices[0, 1, 2] = value
    with pytest.raises(SolveError, match="infinite or not a number"):
        factored(matrices)


@pytest.mark.parametrize("n", [4, 40])
def test_rows_and_columns_of_different_sizes_are_not_taken_for_singular(n):
    scales = 10.0 ** np.linspace(-12, 12, n)
    matrix = scales[:, None] * (rng.standard_normal((n, n)) + 5 * np.eye(n)) * scales[::-1]
    x = rng.standard_normal((n, 1)) / scales[::-1, None]
    found = factored(matrix[None]).solve((matrix @ x)[None])[0]
    np.testing.assert_allclose(found, x, rtol=1e-9)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["int32"], "float64"),
        (["bool"], "float64"),
        (["float16"], "float32"),
        (["float32", "int8"], "float32"),
        (["float32", "float64"], "float64"),
        (["complex64"], "complex64"),
        (["complex64", "float64"], "complex128"),
        (["longdouble"], "float64"),
    ],
)
def test_the_dtype_is_one_of_lapacks(given, expected):
    assert solving_dtype(*map(np.dtype, given)) == expected


# --- structures -------------------------------------------------------------------------------

A, B, C = (variable(name, (n, n)) for name, n in (("A", 3), ("B", 4), ("C", 2)))


def arrays_of(*names, symmetric=False):
    sizes = {"A": 3, "B": 4, "C": 2}
    made = {name: rng.standard_normal((sizes[name], sizes[name])) for name in names}
    return {
        name: a @ a.T + np.eye(len(a)) if symmetric else a + 3 * np.eye(len(a))
        for name, a in made.items()
    }


def kronecker_sum(*parts):
    """Add matrices, each along one axis and the identity along the others."""
    rank = len(parts)
    terms = []
    for k in range(rank):
        factors = [part if j == k else delta(part.shape[0]) for j, part in enumerate(parts)]
        labels = [(j, j + rank) for j in range(rank)]
        terms.append((1, einsum(factors, labels, range(2 * rank))))
    return add(terms)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("parts", [(A, B), (B, A), (A, B, C)])
@pytest.mark.parametrize("with_scipy", [True, False])
def test_kronecker_sums(monkeypatch, parts, symmetric, with_scipy):
    if not with_scipy:
        without_scipy(monkeypatch)
    arrays = arrays_of("A", "B", "C", symmetric=symmetric)
    expr = kronecker_sum(*parts)
    shape = expr.shape[: len(parts)]
    b = rng.standard_normal((*shape, 5))
    made, x = solved(expr, arrays, b)
    matrix = dense(expr, arrays).reshape(np.prod(shape), -1)
    np.testing.assert_allclose(
        x.reshape(len(matrix), 5), np.linalg.solve(matrix, b.reshape(len(matrix), 5)), rtol=1e-9
    )
    if symmetric:
        assert made.method.endswith("by eigenvectors")
    elif with_scipy and len(parts) == 2:
        assert made.method.endswith("by Schur forms")
    else:
        assert made.method == f"LU factorisation of {len(matrix)} x {len(matrix)}"


def test_complex_eigenvalues_of_schur_forms_are_told():
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    P, Q = variable("P", (2, 2)), variable("Q", (2, 2))
    expr = kronecker_sum(P, Q)
    with pytest.raises(SolveError, match="eigenvalues come as near to zero"):
        solved(expr, {"P": turn, "Q": turn}, np.ones((2, 2, 1)))
    arrays = {"P": turn, "Q": 3 * turn + np.eye(2)}
    b = rng.standard_normal((2, 2, 1))
    _, x = solved(expr, arrays, b)
    np.testing.assert_allclose(arrays["P"] @ x[..., 0] + x[..., 0] @ arrays["Q"].T, b[..., 0])


def test_a_singular_kronecker_sum_raises():
    expr = kronecker_sum(A, B)
    arrays = arrays_of("A", "B", symmetric=True)
    arrays["B"] = arrays["B"] - (
        np.linalg.eigvalsh(arrays["B"])[0] + np.linalg.eigvalsh(arrays["A"])[0]
    ) * np.eye(4)
    with pytest.raises(SolveError, match="Kronecker sum of 3 x 3 and 4 x 4 is singular"):
        solved(expr, arrays, np.ones((3, 4, 1)))


u, v, d = (variable(name, (12,)) for name in "uvd")
CHANGE = add([(1, einsum([d], ["i"], "ii")), (1, einsum([u, v], ["i", "p"], "ip"))])


def test_a_change_of_low_rank_of_what_is_singular_is_solved_as_a_matrix():
    arrays = {"u": np.ones(12), "v": np.ones(12), "d": np.arange(12.0)}
    b = rng.standard_normal((12, 2))
    made, x = solved(CHANGE, arrays, b)
    assert made.method == "LU factorisation of 12 x 12"
    np.testing.assert_allclose(x, np.linalg.solve(np.diag(arrays["d"]) + 1, b))


def test_a_change_of_low_rank_that_cancels_is_solved_as_a_matrix():
    # The diagonal nearly vanishes beside the change, and its inverse has no correct digits.
    arrays = {"u": np.ones(12), "v": np.ones(12), "d": np.full(12, 1.0)}
    arrays["d"][0] = 1e-18
    b = rng.standard_normal((12, 2))
    made, x = solved(CHANGE, arrays, b)
    assert made.method == "LU factorisation of 12 x 12"
    np.testing.assert_allclose(x, np.linalg.solve(np.diag(arrays["d"]) + 1, b), rtol=1e-9)


def test_a_right_hand_side_that_the_identity_is_inaccurate_for_is_solved_as_a_matrix():
    arrays = {"u": np.ones(12), "v": np.ones(12), "d": np.arange(1.0, 13)}
    b = rng.standard_normal((12, 1))
    made, _ = solved(CHANGE, arrays, b)
    assert made.method == "Woodbury: division by a diagonal of 12 entries, plus rank 1"
    x = made.solve(b, 0.0)  # no residual is zero
    assert "otherwise" in vars(made)
    np.testing.assert_allclose(x, np.linalg.solve(np.diag(arrays["d"]) + 1, b))


def test_a_singular_change_of_low_rank_raises():
    arrays = {"u": np.full(12, -1 / 12), "v": np.ones(12), "d": np.ones(12)}
    with pytest.raises(SolveError, match="the matrix of 12 x 12 is singular"):
        solved(CHANGE, arrays, np.ones((12, 1)))


# --- iterations -------------------------------------------------------------------------------

M = variable("M", (40, 40))


@pytest.fixture
def iterating(monkeypatch):
    monkeypatch.setattr(solving, "MOST_ROWS", 20)


@pytest.mark.usefixtures("iterating")
@pytest.mark.parametrize("sign", [1, -1])
def test_a_symmetric_map_with_many_rows_is_solved_by_conjugate_gradients(sign):
    gram = add([(sign, einsum([M, M], ["ki", "kj"], "ij"))])
    arrays = {"M": rng.standard_normal((40, 40)) + 8 * np.eye(40)}
    b = rng.standard_normal((40, 3))
    made, x = solved(gram, arrays, b)
    assert made.method == "conjugate gradients, else GMRES, for 40 unknowns"
    matrix = sign * arrays["M"].T @ arrays["M"]
    np.testing.assert_allclose(x, np.linalg.solve(matrix, b), rtol=1e-6, atol=1e-8)


@pytest.mark.usefixtures("iterating")
def test_a_map_with_many_rows_is_solved_by_gmres():
    arrays = {"M": rng.standard_normal((40, 40)) + 20 * np.eye(40)}
    b = rng.standard_normal((40, 2))
    made, x = solved(M, arrays, b)
    assert made.method == "GMRES for 40 unknowns"
    np.testing.assert_allclose(x, np.linalg.solve(arrays["M"], b), rtol=1e-6, atol=1e-8)


@pytest.mark.usefixtures("iterating")
def test_an_iteration_that_does_not_converge_raises_with_its_residual():
    arrays = {"M": np.diag(np.r_[np.ones(39), 0.0])}
    with pytest.raises(SolveError, match=r"did not converge: its residual is \d.* of the right"):
        solved(M, arrays, np.ones((40, 1)))


@pytest.mark.usefixtures("iterating")
def test_an_iteration_needs_scipy(monkeypatch):
    without_scipy(monkeypatch)
    with pytest.raises(OperandError, match=r"needs SciPy\n\npip install \"einsdiff\[scipy\]\""):
        solved(M, {"M": np.eye(40)}, np.ones((40, 1)))


@pytest.mark.usefixtures("iterating")
def test_a_zero_and_an_infinite_right_hand_side_of_an_iteration():
    b = np.zeros((40, 2))
    b[3, 1] = np.nan
    _, x = solved(M, {"M": np.eye(40)}, b)
    assert not x[:, 0].any()
    assert np.isnan(x[:, 1]).all()


@pytest.mark.usefixtures("iterating")
def test_a_large_factor_of_a_product_leaves_the_product_to_an_iteration():
    expr = einsum([M, C], ["ip", "jq"], "ijpq")
    arrays = {"M": rng.standard_normal((40, 40)) + 20 * np.eye(40), **arrays_of("C")}
    b = rng.standard_normal((40, 2, 1))
    made, x = solved(expr, arrays, b)
    assert made.method == "GMRES for 80 unknowns"
    np.testing.assert_allclose(
        arrays["M"] @ x[..., 0] @ arrays["C"].T, b[..., 0], rtol=1e-6, atol=1e-8
    )


@pytest.mark.usefixtures("iterating")
@pytest.mark.parametrize("c", [0, 1])
def test_large_parts_of_a_sum_leave_the_sum_to_an_iteration(c):
    rest = einsum([M, C], ["ip", "jq"], "ijpq") if c else kronecker_sum(M, C)
    expr = add([(1, rest), (40, einsum([delta(40), delta(2)], ["ip", "jq"], "ijpq"))])
    arrays = {"M": spread_out(40), "C": spread_out(2)}
    b = rng.standard_normal((40, 2, 1))
    made, x = solved(expr, arrays, b)
    assert "for 80 unknowns" in made.method
    np.testing.assert_allclose(np.tensordot(dense(expr, arrays), x, 2), b, rtol=1e-6, atol=1e-8)


def spread_out(n):
    root = rng.standard_normal((n, n)) / np.sqrt(n)
    return root @ root.T + np.eye(n)


def test_matrices_above_the_memory_limit_are_left_to_an_iteration(monkeypatch):
    monkeypatch.setattr(solving, "memory_limit", lambda: 40 * 40 * 8)
    arrays = {"M": rng.standard_normal((40, 40)) + 20 * np.eye(40)}
    made, _ = solved(M, arrays, np.ones((40, 1)))
    assert made.method == "GMRES for 40 unknowns"


def test_the_default_tolerance_follows_the_precision():
    assert default_tolerance(np.dtype("complex64")) == default_tolerance(np.dtype("float32"))
    assert default_tolerance(np.dtype("float64")) < 1e-10
