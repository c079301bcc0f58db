"""Forward and reverse mode, products with derivatives, unspecified functions."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import einsdiff as ed
from tests.oracle import finite_differences

rng = np.random.default_rng(7)
A0, x0, y0 = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=3)

FUNCTIONS = [
    "f = y_i A_ij x_j",
    "f_i = A_ij x_j",
    "f_i = tanh(A_ij x_j) y_i",
    "f = log(Σ_i exp(A_ij x_j))",
    "f_ij = exp(A_ij) x_j + sin(y_i)",
    "f = (y_i - A_ij x_j) (y_i - A_ik x_k)",
    "f_i = softmax(A_ij x_j)_i",
    "f = x_j^3 A_ij^2 y_i",
]


def arrays(text):
    return {name: value for name, value in {"A": A0, "x": x0, "y": y0}.items() if name in text}


@pytest.mark.parametrize("text", FUNCTIONS)
@pytest.mark.parametrize("wrt", ["A", "x", "y"])
def test_forward_and_reverse_sweeps_give_equal_expressions(text, wrt):
    if wrt not in arrays(text):
        return
    f = ed.parse(text, **arrays(text))
    shape = arrays(text)[wrt].shape
    v, u = ed.tensor("v", shape), ed.tensor("u", f.shape)
    J = ed.grad(f, wrt=wrt)
    assert ed.equal(ed.jvp(f, wrt=wrt, v=v), J.jvp(v))
    assert ed.equal(ed.vjp(f, wrt=wrt, u=u), J.vjp(u))
    assert ed.equal(ed.hvp(f, wrt=wrt, v=v), ed.grad(J, wrt=wrt).jvp(v))


@pytest.mark.parametrize("text", FUNCTIONS)
def test_products_have_the_values_of_the_full_derivatives(text):
    values = arrays(text)
    f = ed.parse(text, **values)
    v = rng.normal(size=values["A"].shape)
    u = rng.normal(size=f.shape)
    J = np.asarray(ed.grad(f, wrt="A"))
    H = np.asarray(ed.grad(f, wrt="A", order=2))
    np.testing.assert_allclose(ed.jvp(f, wrt="A", v=v), np.tensordot(J, v, 2), atol=1e-12)
    np.testing.assert_allclose(ed.vjp(f, wrt="A", u=u), np.tensordot(u, J, f.ndim), atol=1e-12)
    np.testing.assert_allclose(ed.hvp(f, wrt="A", v=v), np.tensordot(H, v, 2), atol=1e-12)


def test_a_tuple_of_variables_takes_and_gives_tuples():
    f = ed.parse("f = y_i A_ij x_j", A=A0, x=x0, y=y0)
    va, vx = rng.normal(size=A0.shape), rng.normal(size=4)
    expected = y0 @ va @ x0 + y0 @ A0 @ vx
    np.testing.assert_allclose(ed.jvp(f, wrt=("A", "x"), v=(va, vx)), expected)
    by_a, by_x = ed.vjp(f, wrt=("A", "x"), u=2.0)
    np.testing.assert_allclose(by_a, 2 * np.outer(y0, x0))
    np.testing.assert_allclose(by_x, 2 * y0 @ A0)
    h_a, h_x = ed.hvp(f, wrt=("A", "x"), v=(va, vx))
    np.testing.assert_allclose(h_a, np.outer(y0, vx))
    np.testing.assert_allclose(h_x, y0 @ va)


def test_a_direction_that_is_left_out_is_a_variable():
    product = ed.jvp("A_ij x_j", wrt="A")
    assert str(product) == "f_i = x_j v_ij"
    assert product.names == ("A", "x", "v")
    np.testing.assert_allclose(product(A=A0, x=x0, v=2 * A0), 2 * A0 @ x0)


def test_a_direction_of_another_shape_is_refused():
    with pytest.raises(ed.ShapeError, match=r"v has shape \(3,\)"):
        ed.jvp("A_ij x_j", A=A0, x=x0, wrt="x", v=np.ones(3))
    with pytest.raises(ed.OperandError, match="1 directions for 2 variables"):
        ed.jvp("A_ij x_j", A=A0, x=x0, wrt=("A", "x"), v=(A0,))


def test_value_and_gradient_come_together():
    value, gradient = ed.value_and_grad("y_i A_ij x_j", A=A0, x=x0, y=y0, wrt="x")
    np.testing.assert_allclose(value, y0 @ A0 @ x0)
    np.testing.assert_allclose(gradient, y0 @ A0)
    value, (by_x, by_y) = ed.value_and_grad(lambda x, y: x @ x * y, x0, 2.0, wrt=("x", "y"))
    np.testing.assert_allclose([value, by_y], [2 * x0 @ x0, x0 @ x0])
    np.testing.assert_allclose(by_x, 4 * x0)


def test_mixed_second_derivatives_agree_in_both_orders():
    f = ed.parse("f = sin(x_i y_i) z", x=3, y=3, z=())
    H = ed.hessian(f, wrt=("x", "y", "z"))
    for i in range(3):
        for j in range(3):
            axes = range(H[i][j].ndim)
            rank = len(H[i][j].shape) - H[i][j].domain
            swapped = ed.einsum(H[j][i], [*axes[rank:], *axes[:rank]], list(axes))
            assert ed.equal(H[i][j], swapped)
    assert str(ed.grad(ed.grad("x_i y_i z", wrt="x"), wrt="z")) == "∂²f/∂x_p∂z = y_p"


# --- unspecified functions --------------------------------------------------------------------

z = ed.tensor("z", 2)
u = ed.tensor("u", 4, of=z)
w = ed.tensor("w", 4, of=(z, ed.tensor("t", ())))
B, A, t = ed.tensor("B", (4, 2)), ed.tensor("A", (4, 4)), ed.tensor("t", ())


@pytest.mark.parametrize(
    ("f", "wrt", "formula"),
    [
        (A @ u, z, "∂f_i/∂z_p = A_ij ∂u_j/∂z_p"),
        (u @ u, z, "∂f/∂z_p = 2 u_i ∂u_i/∂z_p"),
        (u @ A @ u, u, "∂f/∂u_p = u_j A_pj + u_j A_jp"),
        (w @ w, t, "∂f/∂t = 2 w_i ∂w_i/∂t"),
        (np.sin(u).sum(), z, "∂f/∂z_p = cos(u_i) ∂u_i/∂z_p"),
    ],
)
def test_chain_rules_through_unspecified_functions(f, wrt, formula):
    derivative = ed.grad(f, wrt=wrt)
    assert derivative == read(formula)
    assert derivative == read(str(derivative))


def read(text):
    tensors = {"A": A, "u": u, "w": w, "z": z, "t": t}
    names = {name for name in tensors if re.search(rf"(?<![^\W_]){name}(?![^\W_])", text)}
    return ed.parse(text, **{name: tensors[name] for name in names})


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("function", "derivatives"),
    [
        (lambda b, z: b @ z, (lambda b, z: b, lambda b, z: np.zeros((4, 2, 2)))),
        (
            lambda b, z: np.sin(b @ z),
            (
                lambda b, z: np.cos(b @ z)[:, None] * b,
                lambda b, z: -np.einsum("i,ij,ik->ijk", np.sin(b @ z), b, b),
            ),
        ),
    ],
    ids=["Bz", "sin(Bz)"],
)
def test_symbols_stand_for_the_derivatives_of_any_function(function, derivatives, order):
    z0, B0, M0 = rng.normal(size=2), rng.normal(size=(4, 2)), rng.normal(size=(4, 4))
    f = np.exp(u @ A @ u)
    symbolic = ed.grad(f, wrt=z, order=order)
    values = {
        "A": M0,
        "u": function(B0, z0),
        "∂u/∂z": derivatives[0](B0, z0),
        "∂²u/∂z∂z": derivatives[1](B0, z0),
    }
    given = {name: value for name, value in values.items() if name in symbolic.names}

    def numeric(at):
        value = function(B0, at)
        return np.exp(value @ M0 @ value)

    expected = finite_differences(numeric, z0)
    if order == 2:
        expected = finite_differences(lambda at: finite_differences(numeric, at), z0)
    np.testing.assert_allclose(symbolic(**given), expected, rtol=1e-4, atol=1e-4)


def test_functions_of_functions_are_differentiated_through_both():
    s = ed.tensor("s", 3)
    inner = ed.tensor("a", 2, of=s)
    outer = ed.tensor("b", 4, of=inner)
    assert str(ed.grad(outer, wrt=s)) == "∂b_i/∂s_p = ∂b_i/∂a_j ∂a_j/∂s_p"
    second = ed.grad(outer, wrt=s, order=2)
    assert {"∂²b/∂a∂a", "∂²a/∂s∂s"} <= {*second.names}


def test_the_order_of_differentiation_has_no_meaning():
    one = ed.grad(ed.grad(w, wrt=z), wrt=t)
    other = ed.grad(ed.grad(w, wrt=t), wrt=z)
    assert one.expr is other.expr
    H = ed.grad(u, wrt=z, order=2)
    assert H.swapaxes(1, 2).expr is H.expr


def test_an_unspecified_function_needs_a_variable():
    with pytest.raises(ed.OperandError, match="of=f_i = B_ij z_j is no variable"):
        ed.tensor("x", 3, of=B @ z)


@settings(max_examples=40, deadline=None)
@example(292)  # reversed three times
@given(st.integers(0, 10**6))
def test_forward_and_reverse_agree_on_random_functions(seed):
    draw = np.random.default_rng(seed)
    x = ed.tensor("x", 3)
    y = x
    for _ in range(int(draw.integers(1, 5))):
        step = int(draw.integers(0, 6))
        y = [
            lambda y: np.sin(y),
            lambda y: y * x,
            lambda y: y + 2 * x,
            lambda y: np.exp(y / 4),
            lambda y: y[::-1] * 3,
            lambda y: ed.softmax(y, 0),
        ][step](y)
    v = ed.tensor("v", 3)
    assert ed.equal(ed.jvp(y, wrt=x, v=v), ed.grad(y, wrt=x).jvp(v))
