"""What the catalogue says beyond single derivatives: zeros, cases, identities and algorithms.

The formulas are in `tests.catalogue_rows`, each with its id; here they meet each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.algebra.functions.catalogue import FUNCTIONS
from tests.catalogue_rows import names_in
from tests.oracle import finite_differences


@pytest.fixture
def rng():
    return np.random.default_rng(20240302)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


# --- A. index rules ---------------------------------------------------------------------------


def test_a6_slices_have_one_row(rng):
    A, x = rng.normal(size=(3, 4)), rng.normal(size=4)
    J = np.asarray(ed.grad("ij,j->i", A, x, wrt="A"))
    assert J.shape == (3, 3, 4)
    for i in range(3):
        close(J[i, i], x)
        assert not np.delete(J[i], i, axis=0).any()


def test_a7_a8_cases_are_those_of_the_indices(rng):
    R = rng.normal(size=(3, 4))
    J = np.asarray(ed.grad("K_pq = R_mp R_mq", R=R, wrt="R"))
    assert J.shape == (4, 4, 3, 4)
    for p, q, i, j in np.ndindex(J.shape):
        if j == p == q:
            expected = 2 * R[i, q]
        elif j == p:
            expected = R[i, q]
        elif j == q:
            expected = R[i, p]
        else:
            expected = 0
        assert J[p, q, i, j] == pytest.approx(expected, abs=1e-15)


def test_a10_one_entry_by_one_row_is_x_or_zero(rng):
    x = rng.normal(size=4)
    a, c = rng.normal(size=(2, 4))
    f_i = ed.tensor("a", a) @ ed.tensor("x", x)
    close(ed.grad(f_i, wrt="a").matrix(), x[None, :])
    row_k = ed.tensor("c", c)
    f = ed.stack([f_i, row_k @ ed.tensor("x", x)])
    close(ed.grad(f, wrt="c"), [0 * x, x])


# --- B. quadratic forms -----------------------------------------------------------------------

LEAST_SQUARES = {
    "einsum": lambda y, Φ, θ: (
        lambda r: ed.einsum("i,i->", r, r)  # r_i r_i
    )(y - ed.einsum("ij,j->i", Φ, θ)),
    "operators": lambda y, Φ, θ: (y - Φ @ θ) @ (y - Φ @ θ),
    "norm": lambda y, Φ, θ: ed.norm(y - Φ @ θ) ** 2,
    "index": lambda y, Φ, θ: ed.parse("(y_i - Φ_ij θ_j) (y_i - Φ_ik θ_k)", y=y, Φ=Φ, θ=θ),
}


@pytest.mark.parametrize("write", list(LEAST_SQUARES.values()), ids=list(LEAST_SQUARES))
def test_b14_gradient_is_zero_at_the_least_squares_solution(write, rng):
    y, Φ = rng.normal(size=6), rng.normal(size=(6, 3))
    solution = np.linalg.solve(Φ.T @ Φ, Φ.T @ y)
    tensors = {"y": ed.tensor("y", y), "Φ": ed.tensor("Φ", Φ), "θ": ed.tensor("θ", solution)}
    L = write(**tensors)
    close(ed.grad(L, wrt="θ"), np.zeros(3))
    assert np.abs(ed.grad(L, wrt="θ")(θ=solution + 1)).max() > 0.1
    close(ed.hessian(L, wrt="θ"), 2 * Φ.T @ Φ)


@pytest.mark.parametrize("write", list(LEAST_SQUARES.values()), ids=list(LEAST_SQUARES))
def test_b14_hessian_is_twice_the_gram_matrix(write):
    y, Φ, θ = ed.tensors(y="m", Φ="mn", θ="n")
    assert ed.equal(ed.hessian(write(y, Φ, θ), wrt="θ"), 2 * Φ.T @ Φ)


@pytest.mark.parametrize("write", LEAST_SQUARES.values(), ids=LEAST_SQUARES)
def test_b14_gradient_is_zero_where_the_fit_is_exact(write):
    y, Φ, θ = np.array([1.0, 2.0, 3.0]), np.array([[1.0], [2.0], [3.0]]), np.array([1.0])
    L = write(*ed.tensors(y=y, Φ=Φ, θ=θ))
    with np.errstate(all="ignore"):
        close(ed.grad(L, wrt="θ"), [0])


def test_b14_solution_is_read_off_the_gradient(rng):
    y, Φ, θ = ed.tensors(y="m", Φ="mn", θ="n")
    gradient = ed.grad((y - Φ @ θ) @ (y - Φ @ θ), wrt=θ)
    assert ed.equal(gradient, 2 * (Φ.T @ Φ @ θ - Φ.T @ y))


# --- C. elementwise functions and stacking ----------------------------------------------------


POSITIVE_PART = {
    "relu": lambda x: ed.grad(ed.relu(ed.tensor("x", x)), wrt="x"),
    "index relu": lambda x: ed.grad("relu(x_i)", x=x),
    "index max": lambda x: ed.grad("max(x_i, 0)", x=x),
    "numpy": lambda x: ed.grad(lambda x: np.maximum(x, 0), x),
    "numpy, reversed": lambda x: ed.grad(lambda x: np.maximum(0, x), x),
}


@pytest.mark.parametrize("write", list(POSITIVE_PART.values()), ids=list(POSITIVE_PART))
def test_c4_derivative_of_the_positive_part_is_zero_at_zero(write):
    J = write(np.array([-1.0, 0.0, 2.0]))
    close(J, np.diag([0.0, 0.0, 1.0]))


def test_c8_tuple_of_variables_gives_the_columns_of_the_jacobian(rng):
    x, y = 0.7, -1.3

    def f(x, y):
        return np.stack([3 * x**2 * y, 2 * x + 4 * y**2])

    expected = np.array([[6 * x * y, 3 * x**2], [2, 8 * y]])
    text = "f_i = 3 δ_{i,0} x^2 y + δ_{i,1} (2 x + 4 y^2)"
    tensors = ed.tensors(x=np.array(x), y=np.array(y))
    for by_x, by_y in (
        ed.grad(f, x, y, wrt=("x", "y")),
        ed.grad(f(*tensors), wrt=("x", "y")),
        ed.grad(text, sizes={"i": 2}, x=np.array(x), y=np.array(y), wrt=("x", "y")),
    ):
        assert by_x.shape == by_y.shape == (2,)
        close(np.hstack([by_x.matrix(), by_y.matrix()]), expected)
        rows = [J.matrix("denominator") for J in (by_x, by_y)]
        close(np.vstack(rows), expected.T)


def test_c8_vector_of_variables_gives_the_jacobian():
    v = np.array([0.7, -1.3])
    x, y = v
    expected = np.array([[6 * x * y, 3 * x**2], [2, 8 * y]])

    def f(v):
        return np.stack([3 * v[0] ** 2 * v[1], 2 * v[0] + 4 * v[1] ** 2])

    text = "f_i = 3 δ_{i,0} v_0^2 v_1 + δ_{i,1} (2 v_0 + 4 v_1^2)"
    for J in (ed.grad(f, v), ed.grad(f(ed.tensor("v", v))), ed.grad(text, v=v, sizes={"i": 2})):
        close(J.matrix("numerator"), expected)
        close(J.matrix("denominator"), expected.T)


# --- D. the chain rule ------------------------------------------------------------------------


def test_d12_gradient_goes_through_the_three_intermediate_variables(rng):
    p, q, r = (ed.tensor(name, np.array(rng.normal())) for name in "pqr")
    inner = ed.stack([p * q * r, 2 * p**2 + q + 5 * r, p * ed.cos(q + 2 * r)])
    xyz = {name: np.asarray(part) for name, part in zip("xyz", inner.dense(), strict=True)}
    outer = ed.grad("3 x y + y z^2", wrt=("x", "y", "z"), **xyz)
    whole = ed.parse("3 x y + y z^2", x=inner[0], y=inner[1], z=inner[2])
    for variable in (p, q, r):
        steps = np.asarray(ed.grad(inner, wrt=variable))
        close(ed.grad(whole, wrt=variable), np.asarray(outer, float) @ steps)


def test_d15_jacobian_of_a_composition_is_the_product_of_the_jacobians(rng):
    A, B, x = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), rng.normal(size=2)
    g = ed.tanh(ed.tensor("B", B) @ ed.tensor("x", x))
    inner = ed.grad(g, wrt="x").matrix()
    v = ed.tensor("v", g.dense())
    outer = ed.grad(ed.sin(ed.tensor("A", A) @ v), wrt="v").matrix()
    assert (outer.shape, inner.shape) == ((3, 4), (4, 2))
    whole = ed.grad(ed.sin(ed.tensor("A", A) @ g), wrt="x")
    close(whole.matrix(), outer @ inner)
    close(whole.matrix("denominator"), inner.T @ outer.T)


def test_d16_mixed_second_partials_are_one_expression():
    x1, x2 = ed.tensors(x1=(), x2=())
    f = x1**2 * x2 + x1 * x2**3
    for written in (f, ed.parse("x1^2 x2 + x1 x2^3")):
        (_, mixed), (reverse, _) = ed.hessian(written, wrt=("x1", "x2"))
        assert mixed == reverse
        assert mixed == ed.grad(ed.grad(written, wrt="x1"), wrt="x2")
        assert reverse == ed.grad(ed.grad(written, wrt="x2"), wrt="x1")
        assert ed.equal(mixed, 2 * x1 + 3 * x2**2)
        assert str(mixed) == "∂²f/∂x1∂x2 = 2 x1 + 3 x2^2"
        assert str(reverse) == "∂²f/∂x2∂x1 = 2 x1 + 3 x2^2"


def test_d16_mixed_second_partials_of_numpy_code():
    (xx, mixed), (reverse, yy) = ed.hessian(
        lambda x1, x2: x1**2 * x2 + x1 * x2**3, 0.5, 2.0, wrt=("x1", "x2")
    )
    close([xx, mixed, reverse, yy], [4, 2 * 0.5 + 3 * 4, 2 * 0.5 + 3 * 4, 6 * 0.5 * 2])


def test_d16_hessian_of_a_vector_is_symmetric():
    H = ed.hessian("x_0^2 x_1 + x_0 x_1^3", x=2)
    x = ed.tensor("x", 2)
    assert ed.equal(H, H.T)
    assert ed.equal(H[0, 1], 2 * x[0] + 3 * x[1] ** 2)
    close(H(x=[0.5, 2.0]), [[4, 13], [13, 6]])


# --- E. matrices ------------------------------------------------------------------------------

A, B, C, c = ed.tensors(A="nn", B="nn", C="nn", c=())


def written(text: str) -> ed.Tensor:
    return ed.parse(text, **names_in(text, {"A": A, "B": B, "C": C, "c": c}))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (written("A_ij B_jk C_ki"), (B @ C @ A).trace()),
        (written("A_ij B_jk C_ki"), (C @ A @ B).trace()),
        ((A @ B @ C).trace(), (B @ C @ A).trace()),
        ((A @ B @ C).trace(), (C @ A @ B).trace()),
        ((A @ B @ C).trace(), (A @ B @ C).T.trace()),
        ((A @ B @ C).trace(), (C.T @ B.T @ A.T).trace()),
        (A.trace(), A.T.trace()),
        (written("A_ii"), np.trace(A.T)),
        ((A + B).trace(), A.trace() + B.trace()),
        (written("A_ii + B_jj"), np.trace(A + B)),
        ((c * A).trace(), c * A.trace()),
        ((3 * A).trace(), 3 * A.trace()),
        ((2 * A - B / 2).trace(), 2 * A.trace() - B.trace() / 2),
        (written("c A_ii"), np.trace(A * c)),
    ],
    ids=str,
)
def test_e7_traces_are_equal_by_their_canonical_form(left, right):
    assert ed.equal(left, right).how == "canonical form"
    assert left == right


def test_e7_cyclic_permutations_of_other_shapes_are_equal():
    P, Q, R = ed.tensors(P="km", Q="mn", R="nk")
    assert (P @ Q @ R).trace() == (Q @ R @ P).trace() == (R @ P @ Q).trace()


def test_e7_other_orders_of_the_factors_are_not_equal():
    assert not ed.equal((A @ B @ C).trace(), (A @ C @ B).trace())
    assert not ed.equal((A @ B).trace(), A.trace() * B.trace())


def test_e9_derivative_of_an_inverse_is_that_of_e10_along_the_change_of_the_matrix():
    t = ed.tensor("t", ())
    M = ed.tensor("M", ("n", "n"), of=t)
    whole = ed.grad(ed.inv(M), wrt=t)
    X, V = ed.tensors(X="nn", V="nn")
    along = ed.jvp(ed.inv(X), wrt=X, v=V)
    assert ed.equal(along, -ed.inv(X) @ V @ ed.inv(X))
    rng = np.random.default_rng(5)
    at, change = np.eye(3) * 2 + rng.uniform(-0.4, 0.4, (3, 3)), rng.normal(size=(3, 3))
    close(whole(M=at, **{"∂M/∂t": change}), along(X=at, V=change))


def test_e14_jacobian_with_vec_order_f_is_a_kronecker_product(rng):
    A, X, B = rng.normal(size=(2, 3)), rng.normal(size=(3, 4)), rng.normal(size=(4, 5))
    expected = np.kron(B.T, A)
    for J in (
        ed.grad("ij,jk,kl->il", A, X, B, wrt="X"),
        ed.grad("A_ij X_jk B_kl", wrt="X", A=A, X=X, B=B),
        ed.grad(lambda A, X, B: A @ X @ B, A, X, B, wrt="X"),
    ):
        close(J.matrix(order="F"), expected)
        close(J.matrix("denominator", "F"), expected.T)
        close(J.matrix(order="C"), np.kron(A, B.T))  # the row-major vec has them exchanged


def test_e14_vec_of_a_product_is_a_kronecker_product_times_vec():
    A, X, B = ed.tensors(A=(2, 3), X=(3, 4), B=(4, 5))
    left = (A @ X @ B).ravel("F")
    right = ed.kron(B.T, A) @ X.ravel("F")
    assert ed.equal(left, right)
    J = ed.grad(left, wrt=X)
    assert J.shape == (10, 3, 4)
    by_vec = J.transpose(0, 2, 1).reshape(10, 12)  # by the column-major vec of X
    assert ed.equal(by_vec, ed.kron(B.T, A))


def test_e14_derivative_of_a_kronecker_product_is_that_of_numpy(rng):
    X, Y = rng.normal(size=(2, 3)), rng.normal(size=(3, 2))
    J = ed.grad(lambda X, Y: np.kron(X, Y), X, Y, wrt="X")
    close(J, finite_differences(lambda v: np.kron(v, Y), X).round(12))
    for i, j in np.ndindex(X.shape):
        unit = np.zeros_like(X)
        unit[i, j] = 1
        close(np.asarray(J)[..., i, j], np.kron(unit, Y))


# --- F. losses and algorithms -----------------------------------------------------------------

K_MEANS = {
    "index": lambda r, x, μ: ed.parse("Σ_nkd r_nk (x_nd - μ_kd)^2", r=r, x=x, μ=μ),
    "index, written out": lambda r, x, μ: ed.parse(
        "r_nk (x_nd - μ_kd) (x_nd - μ_kd)", r=r, x=x, μ=μ
    ),
    "numpy": lambda r, x, μ: np.sum(r * np.sum((x[:, None] - μ) ** 2, axis=-1)),
}


@pytest.mark.parametrize("write", list(K_MEANS.values()), ids=list(K_MEANS))
def test_f1_gradient_of_k_means_is_zero_at_the_centres(write, rng):
    x, r = rng.normal(size=(7, 2)), np.eye(3)[[0, 1, 2, 0, 1, 2, 0]]
    centres = (r.T @ x) / r.sum(axis=0)[:, None]
    tensors = ed.tensors(r=r, x=x, μ=centres)
    gradient = ed.grad(write(*tensors), wrt="μ")
    assert gradient.shape == (3, 2)
    close(gradient, np.zeros((3, 2)))
    μ = centres + rng.normal(size=(3, 2))
    close(gradient(μ=μ), 2 * r.sum(axis=0)[:, None] * (μ - centres))
    H = ed.hessian(write(*tensors), wrt="μ")
    close(H, np.einsum("k,kl,de->kdle", 2 * r.sum(axis=0), np.eye(3), np.eye(2)))


NEURON = {
    "relu": lambda w, x, b: ed.relu(w @ x + b),
    "index": lambda w, x, b: ed.parse("relu(w_i x_i + b)", w=w, x=x, b=b),
    "numpy": lambda w, x, b: np.maximum(0, w @ x + b),
}


@pytest.mark.parametrize("write", list(NEURON.values()), ids=list(NEURON))
@pytest.mark.parametrize(
    ("b", "is_active"), [(-4.0, True), (-6.0, False), (-5.0, False)], ids=["active", "not", "zero"]
)
def test_f2_neuron_passes_its_input_on_only_where_it_is_active(write, b, is_active):
    w, x = np.array([1.0, 2.0]), np.array([1.0, 2.0])  # w·x is 5
    by_w, by_b = ed.grad(write(*ed.tensors(w=w, x=x, b=np.array(b))), wrt=("w", "b"))
    close(by_w, x * is_active)
    close(by_b, float(is_active))


LAYER = {
    "relu": lambda y, X, w, b: ((y - ed.relu(X @ w + b)) ** 2).mean(),
    "index": lambda y, X, w, b: ed.parse(
        "1/4 Σ_i (y_i - relu(X_ij w_j + b))^2", y=y, X=X, w=w, b=b
    ),
    "numpy": lambda y, X, w, b: np.mean((y - np.maximum(0, X @ w + b)) ** 2),
}


@pytest.mark.parametrize("write", list(LAYER.values()), ids=list(LAYER))
def test_f3_only_active_neurons_learn(write):
    X = np.array([[1.0, 2.0], [-1.0, -2.0], [2.0, -1.0], [3.0, 1.0]])
    w, b = np.array([1.0, 2.0]), 0.0  # w·x_i + b is 5, -5, exactly 0, and 5
    y = np.array([1.0, 2.0, 3.0, 4.0])
    active = [0, 3]
    by_w, by_b = ed.grad(write(*ed.tensors(y=y, X=X, w=w, b=np.array(b))), wrt=("w", "b"))
    close(by_w, 2 / 4 * sum((w @ X[i] + b - y[i]) * X[i] for i in active))
    close(by_b, 2 / 4 * sum(w @ X[i] + b - y[i] for i in active))


PARABOLA = {
    "operators": lambda x: ed.grad(ed.tensor("x", ()) ** 2 - 4 * ed.tensor("x", ()) + 3)(x=x),
    "index": lambda x: ed.grad("x^2 - 4 x + 3", x=np.array(x)).dense(),
    "numpy": lambda x: ed.grad(lambda x: x**2 - 4 * x + 3, x, wrt="x").dense(),
    "compiled once": None,
}
PARABOLA["compiled once"] = (lambda J: lambda x: J(x=x))(ed.grad("x^2 - 4 x + 3"))


@pytest.mark.parametrize("gradient", list(PARABOLA.values()), ids=list(PARABOLA))
def test_f5_gradient_descent_goes_to_the_minimum(gradient):
    θ, steps = 4.0, []
    for _ in range(100):
        θ = float(θ - 0.1 * gradient(θ))
        steps.append(θ)
    close(steps[:5], [3.6, 3.28, 3.024, 2.8192, 2.65536])
    close(steps, 2 + 2 * 0.8 ** np.arange(1.0, 101.0))
    assert steps[-1] == pytest.approx(2, abs=1e-8)


def test_f6_difference_quotients_approach_the_derivative():
    f, df = ed.parse("x^2"), ed.grad("x^2")
    assert float(df(x=2.0)) == 4
    for ε, expected in ((0.1, 4.1), (0.01, 4.01)):
        assert (f(x=2 + ε) - f(x=2.0)) / ε == pytest.approx(expected, rel=1e-9)


def test_f6_library_checks_its_derivatives():
    assert ed.check("x^2", x=np.array(2.0))
    assert ed.check(lambda x: x**2, 2.0, wrt="x")
    assert ed.check(ed.tensor("x", np.array(2.0)) ** 2)
    report = ed.check("x^2", x=np.array(2.0))
    assert (report.derivative, report.entries) == (4.0, 1)
    assert report.estimate == pytest.approx(4)
    assert report.error < 1e-12


def test_f6_checker_finds_a_wrong_derivative():
    wrong = ed.register("wrongcube", lambda x: x**3, "3 x")
    try:
        x = ed.tensor("x", np.array([1.0, 2.0]))
        report = ed.check(wrong(x), wrt=x)
    finally:
        del FUNCTIONS["wrongcube"]
    assert not report
    assert report.where == (1, 1)
    assert report.derivative == pytest.approx(6)
    assert report.estimate == pytest.approx(12)
