"""Derivatives as linear maps: operators, diagonals, blocks and equations."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.derivatives.linear_terms import linear_map, ties
from einsdiff.algebra.derivatives.structure import structure
from einsdiff.expressions import maps as structured
from einsdiff.numeric.running import program as programs
from einsdiff.numeric.solving import factorise as solving
from einsdiff.numeric.solving import iterations
from einsdiff.numeric.solving.failures import SolveError

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape)


def regular(n):
    return normal(n, n) + 2 * n * np.eye(n)


def spd(n):
    root = normal(n, n)
    return root @ root.T + np.eye(n)


def check_solution(J, method, rtol=1e-9):
    """Compare with the dense matrix, for one right-hand side and for several."""
    split = J.ndim - J.domain
    matrix = J.matrix()
    shape = np.shape(J.dense())
    solver = J.solver()
    assert solver.method == method
    assert repr(solver) == f"<Solver: {method}>"
    for further in ((), (3,), (2, 1)):
        b = normal(*shape[:split], *further)
        x = J.solve(b)
        assert x.shape == shape[split:] + further
        expected = np.linalg.solve(matrix, b.reshape(len(matrix), -1)).reshape(x.shape)
        np.testing.assert_allclose(x, expected, rtol=rtol, atol=rtol * np.abs(expected).max())
        np.testing.assert_array_equal(solver.solve(b), x)


# --- Newton's step for a factorisation --------------------------------------------------------

FACTORISATION = "(T_ij - U_ik V_jk) (T_ij - U_il V_jl)"


def test_newtons_step_takes_one_small_factorisation_and_nothing_large(monkeypatch):
    m, n, k = 1000, 1000, 10
    T, U, V = normal(m, n), normal(m, k), normal(n, k)
    made = []
    plan = programs.plan

    def recorded(*args, **kwargs):
        made.append(plan(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(programs, "plan", recorded)
    H = ed.hessian(FACTORISATION, T, U, V, wrt="U")
    G = normal(m, k)
    assert H.solver().method == "one LU factorisation of 10 x 10 for 1000 right-hand sides"
    tracemalloc.start()
    step = H.solve(G)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20  # the dense second derivative has 800 MB
    largest = max((step.shape for p in made for step in p.instructions), key=np.prod, default=())
    assert np.prod(largest) <= n * k
    np.testing.assert_allclose(step, G @ np.linalg.inv(2 * V.T @ V), rtol=1e-8)


def test_newtons_step_ends_at_the_minimum():
    T, U, V = normal(7, 6), normal(7, 2), normal(6, 2)
    f = ed.parse(FACTORISATION, T, U, V)
    G, H = ed.grad(f, wrt="U"), ed.hessian(f, wrt="U")
    after = U - H.solve(G)
    np.testing.assert_allclose(ed.grad(f, wrt="U")(U=after), np.zeros((7, 2)), atol=1e-10)


def test_a_damped_step():
    f = FACTORISATION + " + λ U_ij U_ij"
    H = ed.hessian(f, T=normal(7, 6), U=normal(7, 3), V=normal(6, 3), λ=0.1, wrt="U")
    check_solution(H, "one LU factorisation of 3 x 3 for 7 right-hand sides")


# --- structures -------------------------------------------------------------------------------


def test_a_diagonal():
    X = normal(3, 4)
    check_solution(ed.grad("ij,ij->ij", X, X, wrt="X"), "division by a diagonal of 12 entries")
    check_solution(ed.grad("ij->ji", X, wrt="X"), "division by a number")
    check_solution(
        ed.grad(np.exp(ed.tensor("X", X)).T, wrt="X"), "division by a diagonal of 12 entries"
    )


def test_a_scalar_function_of_a_scalar():
    f = ed.parse("z^3", z=2.0)
    J = ed.grad(f, wrt="z")
    assert J.solver().method == "division by a number"
    assert J.solve(6.0) == 0.5
    assert J.solve(6.0).shape == ()
    np.testing.assert_allclose(J.solve([12.0, 24.0]), [1.0, 2.0])
    assert float(J.diagonal()) == float(J.trace()) == 12.0
    assert J.operator().shape == (1, 1)


def test_blocks_for_each_row():
    W, V = rng.uniform(1, 2, (5, 6)), normal(6, 3)
    H = ed.hessian("W_ij (T_ij - U_ik V_jk)^2", W, T=normal(5, 6), U=normal(5, 3), V=V, wrt="U")
    check_solution(H, "LU factorisations of 5 blocks of 3 x 3")


def test_blocks_that_some_ties_are_carried_by():
    E = normal(3, 2, 2) + 4 * np.eye(2)
    J = ed.grad("bij,bjk->bik", E, "X", X=normal(3, 2, 4), wrt="X")
    check_solution(J, "LU factorisations of 3 blocks of 2 x 2 for 4 right-hand sides")


def test_a_kronecker_product():
    A, B = ed.tensor("A", regular(3)), ed.tensor("B", regular(4))
    J = ed.grad(A @ ed.tensor("X", normal(3, 4)) @ B, wrt="X")
    check_solution(J, "Kronecker product of 3 x 3 and 4 x 4, factor by factor")


def test_the_derivative_of_an_inverse():
    J = ed.grad(np.linalg.inv(ed.tensor("X", regular(4))), wrt="X")
    check_solution(J, "Kronecker product of 4 x 4 and 4 x 4, factor by factor")


def test_a_kronecker_product_for_each_index():
    A, B = normal(5, 2, 2) + 4 * np.eye(2), regular(3)
    J = ed.grad("bij,kl,bjl->bik", A, B, "X", X=normal(5, 2, 3), wrt="X")
    check_solution(J, "Kronecker product of 2 x 2 and 3 x 3, factor by factor")


def test_a_kronecker_product_with_exchanged_axes():
    J = ed.grad("ab,cd,bd->ca", regular(2), regular(3), "X", X=normal(2, 3), wrt="X")
    check_solution(J, "Kronecker product of 3 x 3 and 2 x 2, factor by factor")


@pytest.mark.parametrize(
    ("A", "B", "how"), [(spd(3), spd(4), "eigenvectors"), (regular(3), regular(4), "Schur forms")]
)
def test_a_sylvester_equation(A, B, how):
    J = ed.grad("A_ij X_jk + X_ij B_jk", A, B, X=normal(3, 4), wrt="X")
    check_solution(J, f"Sylvester equation of 3 x 3 and 4 x 4, by {how}")


def test_a_sylvester_equation_for_each_index():
    A, B = np.stack([spd(2) for _ in range(3)]), spd(4)
    J = ed.grad("f_bik = A_bij X_bjk + X_bij B_jk", A, B, X=normal(3, 2, 4), wrt="X")
    check_solution(J, "Sylvester equation of 2 x 2 and 4 x 4, by eigenvectors")
    A = np.stack([regular(2) for _ in range(3)])
    J = ed.grad("f_bik = A_bij X_bjk + X_bij B_jk", A, B, X=normal(3, 2, 4), wrt="X")
    check_solution(J, "Sylvester equation of 2 x 2 and 4 x 4, by Schur forms")


def test_a_kronecker_product_plus_a_multiple_of_the_identity():
    A, B = spd(3), spd(4)
    method = "sum of 2 Kronecker products of 3 x 3 and 4 x 4, by eigenvectors"
    f = "A_ij X_jk B_kl + s X_il"
    check_solution(ed.grad(f, A=A, B=B, s=0.1, X=normal(3, 4), wrt="X"), method)
    dense = ed.grad(f, A=regular(3), B=B, s=0.1, X=normal(3, 4), wrt="X")
    check_solution(dense, "LU factorisation of 12 x 12")


def test_a_sum_of_kronecker_products():
    arrays = {"A": spd(3), "B": spd(4), "C": spd(3), "D": spd(4), "X": normal(3, 4)}
    method = "sum of 2 Kronecker products of 3 x 3 and 4 x 4, by eigenvectors"
    f = "A_ij X_jk B_kl + C_ij X_jk D_kl"
    check_solution(ed.grad(f, **arrays, wrt="X"), method)
    # One matrix of each pair has to be definite, of whichever term.
    arrays |= {"A": spd(3) - 4 * np.eye(3), "D": spd(4) - 4 * np.eye(4)}
    J = ed.grad(f, **arrays, wrt="X")
    check_solution(J, method, rtol=1e-7)
    arrays["C"] = arrays["A"][::-1, ::-1]
    J = ed.grad(f, **arrays, wrt="X")
    check_solution(J, "LU factorisation of 12 x 12", rtol=1e-7)
    complex_ = {n: a * (1 + 0j) for n, a in arrays.items()}
    complex_["A"] = spd(3) + 1j * np.array([[0, 1, 2], [-1, 0, 3], [-2, -3, 0]])
    complex_["C"] = spd(3)
    check_solution(ed.grad(f, **complex_, wrt="X"), method, rtol=1e-7)


def test_three_terms_of_kronecker_products():
    arrays = {"A": spd(3), "B": spd(4), "X": normal(3, 4)}
    f = "A_ij X_jk B_kl + A_ij X_jl + X_ij B_jl + 3 X_il"
    method = "sum of 4 Kronecker products of 3 x 3 and 4 x 4, by eigenvectors"
    check_solution(ed.grad(f, **arrays, wrt="X"), method)


def test_a_sum_of_kronecker_products_for_each_index():
    A, B = np.stack([spd(2) for _ in range(3)]), spd(4)
    J = ed.grad("f_bil = A_bij X_bjk B_kl + X_bil", A=A, B=B, X=normal(3, 2, 4), wrt="X")
    check_solution(J, "sum of 2 Kronecker products of 2 x 2 and 4 x 4, by eigenvectors")


def test_a_sum_of_kronecker_products_with_a_common_matrix():
    arrays = {"A": spd(3), "B": spd(4), "C": spd(4), "X": normal(3, 4)}
    J = ed.grad("A_ij X_jk B_kl + A_ij X_jk C_kl", **arrays, wrt="X")
    check_solution(J, "sum of 2 Kronecker products of 3 x 3 and 4 x 4, by eigenvectors")


def test_an_iteration_that_fails_shows_the_formula(monkeypatch):
    monkeypatch.setattr(solving, "MOST_ROWS", 20)
    monkeypatch.setattr(iterations, "MOST_ITERATIONS", iterations.RESTART)
    J = ed.grad("ij,j->i", normal(200, 200), "x", x=np.zeros(200), wrt="x")
    with pytest.raises(SolveError, match="did not converge: its residual is") as caught:
        J.solve(np.ones(200))
    assert "    ∂f_i/∂x_p = " in str(caught.value)


def test_the_tolerance_is_the_residual_that_is_asked_for(monkeypatch):
    monkeypatch.setattr(solving, "MOST_ROWS", 20)
    J = ed.grad("ij,j->i", spd(60), "x", x=np.zeros(60), wrt="x")
    residuals = [
        np.linalg.norm(J.dense() @ J.solve(np.ones(60), tolerance=goal) - 1) / np.sqrt(60)
        for goal in (1e-2, 1e-10)
    ]
    assert 1e-9 < residuals[0] <= 2e-2
    assert residuals[1] <= 2e-10


def test_a_slice_is_singular_by_its_formula():
    x = ed.tensor("x", np.zeros(5000))
    J = ed.grad(np.concatenate([x[1:], 0 * x[:1]]), wrt="x")
    with pytest.raises(SolveError, match="its rank is at most 4999, its rows are 5000"):
        J.solver()


def test_a_singular_sum_of_kronecker_products_raises():
    A, B = np.diag([1.0, 2.0]), np.diag([3.0, 4.0])
    J = ed.grad("A_ij X_jk B_kl - 8 X_il", A=A, B=B, X=normal(2, 2), wrt="X")
    with pytest.raises(SolveError, match="the matrix of 4 x 4 is singular"):
        J.solve(np.ones((2, 2)))


def test_an_elementwise_function_scales_the_rows():
    A, B, X = (ed.tensor(n, v) for n, v in (("A", spd(3)), ("B", spd(4)), ("X", normal(3, 4) / 9)))
    check_solution(
        ed.grad(np.tanh(A @ X + X @ B), wrt="X"),
        "Sylvester equation of 3 x 3 and 4 x 4, by eigenvectors, with scaled rows",
        rtol=1e-6,
    )


def test_a_low_rank_change_of_a_diagonal():
    x = ed.tensor("x", rng.uniform(1, 2, 20))
    check_solution(
        ed.hessian(np.sum(x**4) + np.sum(x) ** 2, wrt="x"),
        "Woodbury: division by a diagonal of 20 entries, plus rank 1",
    )
    J = ed.grad(np.exp(x) / np.sum(np.exp(x)) + x, wrt="x")
    check_solution(J, "Woodbury: division by a diagonal of 20 entries, plus rank 1")


def test_a_low_rank_change_of_copies():
    H = ed.hessian(
        FACTORISATION + " + (U_ij U_ij)^2", T=normal(8, 6), U=normal(8, 3), V=normal(6, 3), wrt="U"
    )
    method = "Woodbury: one LU factorisation of 3 x 3 for 8 right-hand sides, plus rank 1"
    check_solution(H, method)


def test_a_low_rank_change_for_each_index():
    X = rng.uniform(1, 2, (3, 8))
    H = ed.hessian("X_bi X_bi X_bj X_bj", X=X, wrt="X")
    assert H.solver().method.startswith("Woodbury: division by a diagonal of 3 entries")
    check_solution(H, H.solver().method)


def test_a_matrix():
    x = ed.tensor("x", rng.uniform(1, 2, 40))
    check_solution(ed.grad(np.cumsum(x * x), wrt="x"), "LU factorisation of 40 x 40")
    check_solution(ed.grad(ed.tensor("A", regular(40)) @ x, wrt="x"), "LU factorisation of 40 x 40")


def test_a_map_between_different_shapes_of_one_size():
    X, d = ed.tensor("X", normal(3, 4)), rng.uniform(1, 2, (3, 4))
    check_solution(ed.grad((d * X).reshape(2, 6), wrt="X"), "LU factorisation of 12 x 12")


def test_slices_and_stencils():
    x = ed.tensor("x", rng.uniform(1, 2, 9))
    d = x[1:] - x[:-1]
    H = ed.hessian(np.sum(d * d) + np.sum(x**4), wrt="x")
    check_solution(H, "LU factorisation of 9 x 9")
    assert H.blocks() is H


def test_a_large_stencil_is_solved_by_its_band():
    n = 20_000
    x = ed.tensor("x", rng.uniform(1, 2, n))
    d = x[1:] - x[:-1]
    H = ed.hessian(np.sum(d * d) + np.sum(x * x), wrt="x")
    assert H.solver().method == "LU factorisation of a band of 3 diagonals, 20000 x 20000"
    b = normal(n)
    y = H.solve(b)
    expected = 4 * y - np.r_[0, 2 * y[:-1]] - np.r_[2 * y[1:], 0] + 2 * y
    expected[[0, -1]] -= 2 * y[[0, -1]]
    np.testing.assert_allclose(expected, b, atol=1e-7)


def test_a_second_derivative_by_two_variables():
    f = ed.parse("A_ij x_i y_j", A=regular(4), x=normal(4), y=normal(4))
    check_solution(ed.grad(ed.grad(f, wrt="x"), wrt="y"), "LU factorisation of 4 x 4")
    blocks = ed.hessian(f, wrt=("x", "y"))
    check_solution(blocks[1][0], "LU factorisation of 4 x 4")
    with pytest.raises(SolveError, match="rank is at most 0"):
        blocks[0][0].solve(np.ones(4))


def test_a_sum_of_derivatives_is_one():
    A = ed.tensor("A", regular(3))
    X = ed.tensor("X", normal(3, 4))
    J = ed.grad(A @ X, wrt="X") + 2 * ed.grad(X * X, wrt="X")
    check_solution(J, "LU factorisations of 4 blocks of 3 x 3")


def test_named_sizes_are_told_by_the_arrays():
    named = ed.hessian(FACTORISATION, wrt="U")
    bound = ed.hessian(FACTORISATION, T=normal(5, 4), U=normal(5, 2), V=normal(4, 2), wrt="U")
    assert named.shape == ("m", "k", "m", "k")
    check_solution(bound, "one LU factorisation of 2 x 2 for 5 right-hand sides")


def test_a_symmetric_variable_is_one_that_half_of_the_directions_do_not_change():
    A, S = ed.tensor("A", regular(3)), ed.tensor("S", spd(3), symmetric=True)
    J = ed.grad(A @ S, wrt="S")
    with pytest.raises(SolveError, match="singular"):
        J.solve(np.ones((3, 3)))
    other = ed.tensor("X", normal(3, 3))
    check_solution(
        ed.grad(S @ other, wrt="X"), "one LU factorisation of 3 x 3 for 3 right-hand sides"
    )


def test_axes_of_size_one_and_of_size_zero():
    H = ed.hessian(FACTORISATION, T=normal(5, 4), U=normal(5, 1), V=normal(4, 1), wrt="U")
    check_solution(H, H.solver().method)
    J = ed.grad("ij,jk->ik", regular(3), "X", X=normal(3, 1), wrt="X")
    check_solution(J, "LU factorisation of 3 x 3")
    empty = ed.grad("ij,jk->ik", regular(3), "X", X=normal(3, 0), wrt="X")
    assert empty.solve(np.zeros((3, 0, 2))).shape == (3, 0, 2)
    assert empty.solver().method == "nothing to solve: there are no entries"
    assert empty.solve(np.zeros((3, 0), complex)).dtype == complex
    assert empty.diagonal().dense().shape == (3, 0)
    assert float(empty.trace()) == 0.0
    assert empty.operator().shape == (0, 0)


@pytest.mark.parametrize("J_dtype", ["float32", "float64", "complex64", "complex128", "int64"])
@pytest.mark.parametrize("b_dtype", ["float32", "float64", "complex64", "complex128", "int64"])
def test_dtypes_are_numpys(J_dtype, b_dtype):
    A, B = (np.rint(10 * spd(n)).astype(J_dtype) for n in (3, 4))
    if np.dtype(J_dtype).kind == "c":
        A = A * np.dtype(J_dtype).type(1 + 2j)
    b = np.rint(10 * normal(3, 4)).astype(b_dtype)
    if np.dtype(b_dtype).kind == "c":
        b = b * np.dtype(b_dtype).type(1 + 2j)
    X = np.zeros((3, 4), J_dtype)
    for f in ("A_ij X_jk", "A_ij X_jk B_kl", "A_ij X_jk + X_ij B_jk"):
        J = ed.grad(f, **{"A": A, "B": B} if "B" in f else {"A": A}, X=X, wrt="X")
        x = J.solve(b)
        expected = np.linalg.solve(J.matrix(), b.reshape(12, 1)).reshape(3, 4)
        assert x.dtype == expected.dtype
        eps = np.finfo(x.dtype).eps
        np.testing.assert_allclose(x, expected, rtol=1e5 * eps, atol=1e5 * eps)


def test_half_precision_is_solved_in_single():
    J = ed.grad("ij,j->i", regular(3).astype("float16"), "x", x=np.zeros(3, "float16"), wrt="x")
    assert J.solver().dtype == "float32"


def test_right_hand_sides_may_be_tensors():
    A = regular(3)
    J = ed.grad("ij,j->i", A, "x", x=np.zeros(3), wrt="x")
    b = ed.tensor("b", normal(3))
    np.testing.assert_allclose(A @ J.solve(2 * b), 2 * b.dense())
    with pytest.raises(ed.BindingError, match="no array for 'b'"):
        J.solve(ed.tensor("b", 3))


def test_a_solver_does_not_change():
    solver = ed.grad("ij,j->i", regular(3), "x", x=np.zeros(3), wrt="x").solver()
    assert (solver.shape, solver.domain, solver.dtype) == ((3,), (3,), np.float64)
    with pytest.raises(AttributeError):
        solver.method = "guessing"
    b = normal(3)
    before = b.copy()
    solver.solve(b)
    np.testing.assert_array_equal(b, before)


# --- errors -----------------------------------------------------------------------------------


def test_a_map_that_is_not_square_raises():
    J = ed.grad("ij,j->i", normal(2, 3), "x", x=np.zeros(3), wrt="x")
    with pytest.raises(ed.ShapeError) as caught:
        J.solve(np.ones(2))
    assert str(caught.value) == (
        "the equations are 2 and the unknowns 3: the codomain has shape (2,), the domain (3,)\n\n"
        "    ∂f_i/∂x_p = array1_ip\n\n"
        "solve a square map, or one in the sense of least squares: "
        "scipy.sparse.linalg.lsqr(J.operator(), rhs.ravel())"
    ).replace("array1", J.names[0])


def test_a_right_hand_side_of_another_shape_raises():
    H = ed.hessian(FACTORISATION, T=normal(5, 4), U=normal(5, 2), V=normal(4, 2), wrt="U")
    with pytest.raises(
        ed.ShapeError, match=r"has shape \(2, 5\), but the codomain has shape \(5, 2\)"
    ):
        H.solve(np.ones((2, 5)))
    with pytest.raises(ed.ShapeError, match=r"has shape \(\), but"):
        H.solve(1.0)
    with pytest.raises(ed.OperandError, match="the right-hand side has dtype"):
        H.solve(["a", "b"])


def test_a_singular_map_raises_and_shows_its_formula():
    J = ed.grad("ij,j->i", np.ones((3, 3)), "x", x=np.zeros(3), wrt="x")
    with pytest.raises(SolveError, match="matrix of 3 x 3 is singular to working") as caught:
        J.solve(np.ones(3))
    assert "    ∂f_i/∂x_p" in str(caught.value)
    assert isinstance(caught.value, np.linalg.LinAlgError)
    assert isinstance(caught.value, ed.EinsdiffError)
    A, B = normal(2, 3), normal(3, 2)
    J = ed.grad("ij,kl,jl->ik", A, B, "X", X=np.zeros((3, 2)), wrt="X")
    with pytest.raises(SolveError, match="rank is at most 4, its rows are 6"):
        J.solve(np.ones((2, 3)))
    softmax = np.exp(ed.tensor("x", normal(20)))
    with pytest.raises(SolveError, match="singular"):
        ed.grad(softmax / np.sum(softmax), wrt="x").solve(np.ones(20))


def test_rows_that_are_scaled_by_zero_are_singular():
    A, B = ed.tensor("A", regular(2)), ed.tensor("B", regular(2))
    d = np.array([[1.0, 0.0], [1.0, 1.0]])
    with pytest.raises(SolveError, match="1 of the 4 entries to divide by are zero"):
        ed.grad("f_ij = d_ij A_ik X_kl B_lj", d, A, B, X=np.zeros((2, 2)), wrt="X").solver()


@pytest.mark.parametrize("method", ["operator", "blocks", "solver"])
def test_what_is_no_derivative_is_no_map(method):
    with pytest.raises(ed.OperandError, match=r"this is no derivative, so it has no"):
        getattr(ed.tensor("A", normal(3, 3)), method)()
    with pytest.raises(ed.OperandError, match="this is no derivative"):
        ed.tensor("A", normal(3, 3)).solve(np.ones(3))


@pytest.mark.parametrize("method", ["operator", "solver"])
def test_arrays_are_needed(method):
    J = ed.grad("ij,j->i", "A", "x", wrt="x", x=np.ones(3))
    with pytest.raises(ed.BindingError, match="needs an array for 'A'"):
        getattr(J, method)()
    identity = ed.grad("i->i", "x", wrt="x")
    with pytest.raises(ed.BindingError, match=r"needs an array for what tells the size 'm'"):
        getattr(identity, method)()


# --- operators --------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["numerator", "denominator"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_an_operator_has_the_products_of_the_matrix(layout, order, dtype):
    A = normal(2, 3).astype(dtype)
    X = normal(3, 4).astype(dtype)
    if dtype == "complex128":
        A, X = A * (1 + 2j), X * (2 - 1j)
    J = ed.grad("A_ij X_jk X_lk", A, X, wrt="X")
    matrix, operator = J.matrix(layout, order), J.operator(layout, order)
    assert (operator.shape, operator.dtype) == (matrix.shape, matrix.dtype)
    m, n = matrix.shape
    close = {"rtol": 1e-4, "atol": 1e-4}
    v, u = normal(n).astype(dtype), normal(m).astype(dtype)
    V, U = normal(n, 5).astype(dtype), normal(m, 5).astype(dtype)
    np.testing.assert_allclose(operator @ v, matrix @ v, **close)
    np.testing.assert_allclose(operator @ V, matrix @ V, **close)
    np.testing.assert_allclose(operator.H @ u, matrix.conj().T @ u, **close)
    np.testing.assert_allclose(operator.H @ U, matrix.conj().T @ U, **close)
    np.testing.assert_allclose(operator.T @ u, matrix.T @ u, **close)
    np.testing.assert_allclose(operator @ (v[:, None]), matrix @ v[:, None], **close)


def test_an_operator_never_forms_the_derivative_of_a_sum():
    n = 300
    J = ed.grad("A_ij X_jk + X_ij A_jk", A=normal(n, n), X=np.zeros((n, n)), wrt="X")
    operator = J.operator()
    assert operator.shape == (n * n, n * n)
    v = normal(n * n)
    operator @ v
    tracemalloc.start()
    operator @ v
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * 8 * n * n


def test_an_operator_plans_once():
    J = ed.grad("ij,j->i", normal(3, 3), "x", x=np.zeros(3), wrt="x")
    operator = J.operator()
    operator @ normal(3)
    before = programs.program_for.cache_info().misses
    for _ in range(3):
        operator @ normal(3)
    J.operator() @ normal(3)
    assert programs.program_for.cache_info().misses == before


def test_operators_take_other_dtypes_and_refuse_other_names():
    J = ed.grad("ij,j->i", np.eye(3, dtype=int), "x", x=np.zeros(3, int), wrt="x")
    np.testing.assert_array_equal(J.operator() @ np.array([1, 2j, 3]), [1, 2j, 3])
    with pytest.raises(ed.LayoutError, match="is not a layout"):
        J.operator("rows")


def test_the_derivative_by_a_number_is_a_column():
    J = ed.grad("z x_i", z=2.0, x=normal(3), wrt="z")
    np.testing.assert_array_equal(J.operator() @ np.ones(1), J.dense())
    np.testing.assert_array_equal(J.operator("denominator") @ np.ones(3), [J.dense().sum()])
    with pytest.raises(ed.ShapeError, match="the equations are 3 and the unknowns 1"):
        J.solve(np.ones(3))


def test_few_samples_make_a_low_rank_change():
    X, y, w = normal(5, 60), normal(5), ed.tensor("w", normal(60) / 60)
    residual = ed.tensor("y", y) - np.tanh(ed.tensor("X", X) @ w)
    f = np.sum(residual**2) + 0.1 * np.sum(w**2)
    H = ed.hessian(f, wrt="w")
    assert H.solver().method == "Woodbury: division by a number, plus rank 5"
    check_solution(H, H.solver().method, rtol=1e-7)


def test_what_is_symbolic_is_done_once():
    H = ed.hessian(FACTORISATION, T=normal(5, 4), U=normal(5, 2), V=normal(4, 2), wrt="U")
    H.solve(normal(5, 2))
    before = structure.cache_info().misses, programs.program_for.cache_info().misses
    again = ed.hessian(FACTORISATION, T=normal(5, 4), U=normal(5, 2), V=normal(4, 2), wrt="U")
    again.solve(normal(5, 2))
    assert (structure.cache_info().misses, programs.program_for.cache_info().misses) == before


def test_a_variable_called_v_is_no_trouble():
    J = ed.grad("v_ij c_j", v=normal(3, 3), c=normal(3), wrt="c")
    np.testing.assert_allclose(J.operator() @ np.ones(3), J.matrix().sum(axis=1))


def test_an_operator_needs_scipy(monkeypatch):
    monkeypatch.setattr(structured, "scipy_module", lambda name: None)
    with pytest.raises(ed.OperandError, match=r"operator\(\) needs SciPy"):
        ed.grad("i,i->i", normal(3), normal(3), wrt=0).operator()


# --- diagonals and blocks ---------------------------------------------------------------------


def test_the_diagonal_and_the_trace_of_a_second_derivative():
    H = ed.hessian(FACTORISATION, T=normal(5, 4), U=normal(5, 2), V=normal(4, 2), wrt="U")
    assert str(H.diagonal()) == "f_{p<5,q} = 2 V_jq V_jq"
    np.testing.assert_allclose(H.diagonal().dense().ravel(), np.diag(H.matrix()))
    np.testing.assert_allclose(H.trace().dense(), np.trace(H.matrix()))
    assert H.trace().shape == ()


def test_the_laplacian_is_a_formula():
    H = ed.hessian("X_ij X_ij X_ij X_ij", wrt="X")
    assert H.trace() == ed.parse("f = 12 X_ij X_ij")


def test_a_diagonal_forms_nothing_larger():
    X = ed.tensor("X", normal(30, 100))
    J = ed.grad(np.exp(X) / np.sum(np.exp(X)), wrt="X")
    J.diagonal().dense()
    tracemalloc.start()
    entries = J.diagonal().dense()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * entries.nbytes
    s = np.exp(X.dense()) / np.exp(X.dense()).sum()
    np.testing.assert_allclose(entries, s - s * s)


def test_arguments_and_matrices_mean_what_they_mean_in_numpy():
    H = ed.hessian(FACTORISATION, T=normal(5, 4), U=normal(5, 2), V=normal(4, 2), wrt="U")
    dense = H.dense()
    np.testing.assert_allclose(H.diagonal(0).dense(), np.diagonal(dense))
    np.testing.assert_allclose(H.diagonal(axis1=0, axis2=2).dense(), np.diagonal(dense, 0, 0, 2))
    np.testing.assert_allclose(H.trace(1, 1, 3).dense(), np.trace(dense, 1, 1, 3))
    np.testing.assert_allclose(H.trace(axis2=3).dense(), np.trace(dense, 0, 0, 3))
    J = ed.grad("ij,j->i", normal(2, 3), "x", x=np.zeros(3), wrt="x")
    np.testing.assert_array_equal(J.diagonal().dense(), np.diagonal(J.dense()))
    T = ed.tensor("T", normal(3, 3, 2))
    np.testing.assert_array_equal(T.trace().dense(), np.trace(T.dense()))
    np.testing.assert_allclose(np.trace(H).dense(), np.trace(dense))


@pytest.mark.parametrize("method", ["diagonal", "trace"])
def test_the_diagonal_of_a_map_between_different_shapes_raises(method):
    J = ed.grad("ij,jk->ik", "A", "X", wrt="X")
    with pytest.raises(ed.ShapeError) as caught:
        getattr(J, method)()
    assert str(caught.value) == (
        f"the {method} of a linear map needs a codomain and a domain of one shape, and they are "
        "(m, k) and (n, k)\n\n"
        "    ∂f_ik/∂X_pq = δ_kq A_ip\n\n"
        f"name two axes, as in {method}(axis1=0, axis2=1), for those of an array"
    )
    gradient = ed.grad("i->", "x", wrt="x")
    with pytest.raises(ed.ShapeError, match=r"they are \(\) and \(m,\)"):
        getattr(gradient, method)()


def test_blocks_are_those_of_the_axes_that_are_tied():
    H = ed.hessian(FACTORISATION, T=normal(5, 4), U=normal(5, 2), V=normal(4, 2), wrt="U")
    assert str(H.blocks()) == "f_{p<5,q,s} = 2 V_jq V_js"
    assert H.blocks().shape == (5, 2, 2)
    np.testing.assert_allclose(H.blocks().dense(), np.einsum("pqps->pqs", H.dense()))
    W = ed.hessian(
        "W_ij (T_ij - U_ik V_jk)^2",
        W=normal(5, 4),
        T=normal(5, 4),
        U=normal(5, 2),
        V=normal(4, 2),
        wrt="U",
    )
    np.testing.assert_allclose(W.blocks().dense(), np.einsum("pqps->pqs", W.dense()))
    J = ed.grad("ij->ji", "X", wrt="X")
    assert J.blocks().shape == ("n", "m")
    K = ed.grad("ij,jk,kl->il", "A", "X", "B", wrt="X")
    assert K.blocks() is K


# --- random maps ------------------------------------------------------------------------------


@st.composite
def maps(draw):
    """Draw a derivative as a sum of terms with ties, factors, low rank, or nothing of these."""
    axes = draw(st.sampled_from(["i", "ij", "ijk"]))
    size = {n: draw(st.integers(1, 4)) for n in axes} | {"r": draw(st.integers(1, 2))}
    dtype = draw(st.sampled_from(["float64", "complex128"]))
    local = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    out = axes.upper()
    order = "".join(draw(st.permutations(out)))
    X = ed.tensor("X", local.standard_normal([size[n] for n in axes]).astype(dtype))

    def array(labels):
        values = local.standard_normal([size[n.lower()] for n in labels]).astype(dtype)
        return values + 1j * local.standard_normal(values.shape) if dtype[0] == "c" else values

    def term(number):
        kind = draw(st.sampled_from(["ties", "diagonal", "low rank", "full"]))
        result = order
        factors = []
        if kind == "ties":
            for n in axes:
                how = draw(st.sampled_from(["tied", "mixed", "mixed by another"]))
                other = draw(st.sampled_from(axes))
                if how == "tied":
                    result = result.replace(n.upper(), n)
                elif how == "mixed" or other == n:
                    factors.append(n.upper() + n)
                else:
                    factors.append(other + n.upper() + n)
        elif kind == "diagonal":
            result = order.lower()
            factors = [axes]
        elif kind == "low rank":
            factors = [out + "r", "r" + axes]
        else:
            factors = [out + axes]
        operands = [ed.tensor(f"{'ABC'[number]}{k}", array(f)) for k, f in enumerate(factors)]
        subscripts = ",".join([*factors, axes])
        return ed.einsum(f"{subscripts}->{result}", *operands, X)

    total = term(0)
    for number in range(1, draw(st.integers(1, 3))):
        total = total + term(number)
    return ed.grad(total, wrt=X)


@settings(max_examples=150, deadline=None)
@given(maps())
def test_random_maps(J):
    split = J.ndim - J.domain
    dense, matrix = J.dense(), J.matrix()
    shape = dense.shape
    local = np.random.default_rng(1)
    scale = 1 + np.abs(matrix).max()

    # products
    V = local.standard_normal((matrix.shape[1], 2)) + 1j
    np.testing.assert_allclose(J.operator() @ V, matrix @ V, atol=1e-12 * scale * len(V))
    np.testing.assert_allclose(J.operator().H @ V, matrix.conj().T @ V, atol=1e-12 * scale * len(V))

    # diagonal and trace
    if J.ndim != 2 and shape[:split] == shape[split:]:
        np.testing.assert_allclose(
            J.diagonal().dense().ravel(), np.diag(matrix), atol=1e-12 * scale
        )
        np.testing.assert_allclose(J.trace().dense(), np.trace(matrix), atol=1e-11 * scale)

    # blocks: what they hold is all there is
    pairs = ties(linear_map(J.formula.normal_form, J.domain))
    if pairs:
        label = {d: c for c, d in pairs}
        labels = [label.get(axis, axis) for axis in range(J.ndim)]
        tied = [c for c, _ in pairs]
        rest = [axis for axis in range(J.ndim) if axis not in label and axis not in tied]
        np.testing.assert_allclose(
            J.blocks().dense(), np.einsum(dense, labels, tied + rest), atol=1e-12 * scale
        )
        assert np.count_nonzero(np.abs(dense) > 1e-12 * scale) <= J.blocks().dense().size
    else:
        assert J.blocks() is J

    # equations
    b = local.standard_normal((*shape[:split], 2))
    condition = np.linalg.cond(matrix)
    try:
        x = J.solve(b)
    except SolveError:
        assert condition > 1e9
        return
    if condition < 1e12:
        expected = np.linalg.solve(matrix, b.reshape(len(matrix), 2)).reshape(x.shape)
        size = np.abs(expected).max()
        np.testing.assert_allclose(x, expected, atol=1e-14 * condition * 100 * size, rtol=1e-7)
    residual = np.tensordot(dense, x, J.domain) - b
    assert np.linalg.norm(residual) <= 1e-8 * (np.linalg.norm(b) + scale * np.linalg.norm(x))


# --- maps whose terms tie, repeat and trace as they like ------------------------------------------


@st.composite
def tangled_maps(draw):
    """Draw a square map whose terms repeat labels: diagonals, traces, transposes, free ranges."""
    dims = draw(st.sampled_from([(1,), (3,), (1, 1), (2, 2), (2, 1), (2, 3), (2, 2, 2), (2, 1, 2)]))
    local = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = ed.tensor("X", local.standard_normal(dims))
    known: dict[tuple[int, ...], ed.Tensor] = {}

    def labels(sizes: dict[str, int], wanted: tuple[int, ...], often: int) -> str:
        found = ""
        for size in wanted:
            alike = [n for n, own in sizes.items() if own == size]
            if alike and draw(st.integers(0, 9)) < often:
                found += draw(st.sampled_from(alike))
            else:
                found += (n := "ijklmnopqrstuvw"[len(sizes)])
                sizes[n] = size
        return found

    def term() -> ed.Tensor:
        sizes: dict[str, int] = {}
        inputs = [labels(sizes, dims, 2)]
        output = labels(sizes, dims, 8)
        operands = [X]
        for _ in range(draw(st.integers(0, 2))):
            own = "".join(draw(st.lists(st.sampled_from(list(sizes)), max_size=2)))
            shape = tuple(sizes[n] for n in own)
            if shape not in known:
                known[shape] = ed.tensor(f"V{len(known)}", local.standard_normal(shape))
            inputs.append(own)
            operands.append(known[shape])
        return ed.einsum(f"{','.join(inputs)}->{output}", *operands, sizes=sizes)

    total = term()
    for _ in range(draw(st.integers(0, 3))):
        total = total + draw(st.sampled_from([1, 2, -1])) * term()
    return ed.grad(total, wrt="X")


@settings(max_examples=300, deadline=None)
@given(tangled_maps())
def test_a_regular_map_is_solved_and_a_singular_one_refused(J):
    matrix = J.matrix()
    values = np.linalg.svd(matrix, compute_uv=False)
    condition = values[-1] / values[0] if values[0] else 0.0
    b = np.random.default_rng(1).standard_normal(J.shape[: J.ndim - J.domain])
    try:
        x = J.solve(b)
    except ed.SolveError:
        assert condition < 1e-8
        return
    assert condition > 1e-15
    expected = np.linalg.solve(matrix, b.ravel()).reshape(x.shape)
    np.testing.assert_allclose(x, expected, rtol=0, atol=1e-9 / condition * np.abs(expected).max())


@pytest.mark.parametrize(
    ("formula", "arrays"),
    [
        ("f_ij = A_ii x_j + A_ij", {"A": rng.standard_normal((3, 3)), "x": [0.5, -0.2, 0.3]}),
        ("f_ij = A_ii + A_ij", {"A": [[0.5]]}),
        ("f_ij = A_ii y_i + 3 A_ij", {"A": [[0.5]], "y": [2.0]}),
    ],
)
def test_axes_that_one_term_ties_to_tied_ones(formula, arrays):
    arrays = {name: np.array(value) for name, value in arrays.items()}
    J = ed.grad(formula, wrt="A", **arrays)
    b = np.random.default_rng(2).standard_normal(arrays["A"].shape)
    x = J.solve(b)
    np.testing.assert_allclose(J.matrix() @ x.ravel(), b.ravel(), atol=1e-12)


def test_a_term_that_ties_two_pairs_to_each_other_has_empty_blocks():
    X = ed.tensor("X", np.ones((2, 1, 2)))
    J = ed.grad(ed.einsum("iji->kii", X, sizes={"k": 1}), wrt="X")
    with pytest.raises(ed.SolveError, match="entries to divide by are zero"):
        J.solve(np.ones((1, 2, 2)))
