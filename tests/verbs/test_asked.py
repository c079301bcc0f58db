"""Derivatives that a text asks for, and `notation=`."""

from __future__ import annotations

from inspect import signature

import numpy as np
import pytest

import einsdiff as ed

A = np.array([[1.0, 2.0], [3.0, 5.0]])
x = np.array([0.5, -1.5])


@pytest.mark.parametrize("text", ["d/dx (x' A x)", r"\frac{\partial}{\partial x} x^\top A x"])
def test_the_text_says_by_what(text):
    expected = (A + A.T) @ x
    for J in (ed.parse(text, A=A, x=x), ed.grad(text, A=A, x=x), ed.grad(text, A, x, wrt="x")):
        np.testing.assert_allclose(J, expected)
    value, gradient = ed.value_and_grad(text, A=A, x=x)
    np.testing.assert_allclose(value, x @ A @ x)
    np.testing.assert_allclose(gradient, expected)
    np.testing.assert_allclose(ed.hessian(text, A=A, x=x), A + A.T)
    np.testing.assert_allclose(ed.jvp(text, A=A, x=x, v=x), expected @ x)


def test_second_derivatives_are_asked_for():
    assert ed.grad("∂²/∂x∂y (x' A y)").format("index") == "∂²f/∂x_p∂y_q = A_pq"
    assert ed.hessian("∂²/∂x² (x_i x_i)") == ed.grad("∂²/∂x² (x_i x_i)")
    with pytest.raises(ed.OperandError, match="of order 2"):
        ed.value_and_grad("∂²/∂x² (x_i x_i)")
    with pytest.raises(ed.OperandError, match="by x, and wrt='A' is given"):
        ed.grad("d/dx (x' A x)", wrt="A")


def test_carets_stand_in_the_whole_text():
    with pytest.raises(ed.SubscriptsError) as caught:
        ed.parse("d/dx (x' A x))")
    assert "    d/dx (x' A x))" in str(caught.value).splitlines()


def test_the_notation_may_be_said():
    f = ed.parse("a b", notation="matrix", a="mn", b="n")
    assert (str(f), f.format("index")) == ("f = a b", "f_i = a_ij b_j")
    assert ed.parse("A x", notation="index", A="", x="").shape == ()
    assert ed.parse("x^{2}", notation="latex") == ed.parse("x^2")
    assert ed.grad("ij,j->i", A, x, wrt=1, notation="einsum") == ed.grad("ij,j->i", A, x, wrt=1)
    assert ed.parse("notation^2", notation=3.0).shape == ()  # an operand of that name
    with pytest.raises(ed.OperandError, match="'latx' is not a notation"):
        ed.parse("x", notation="latx")


def test_operands_in_order_are_matched_by_name():
    np.testing.assert_allclose(ed.grad("A x", A, x, wrt="x"), A)


def test_a_derivative_may_be_written_around_what_is_differentiated():
    expected = ed.grad("x' A x", wrt="x")
    for text in ("d(x' A x)/dx", "d/dx[x' A x]", "D_x (x' A x)", "∂_x (x' A x)"):
        assert ed.parse(text) == ed.grad(text) == expected
    assert ed.parse("∂ tr(A X B)/∂A") == ed.grad("tr(A X B)", wrt="A")
    assert ed.parse(r"\frac{\partial (x^\top A x)}{\partial x}") == expected
    assert ed.parse(r"\partial_x (x^\top A x)") == expected


def test_a_derivative_is_called_as_it_is_written():
    g = ed.parse("g = d/dx (x' A x)")
    assert str(g) == "g = (A + Aᵀ) x"
    assert g.format("index") == "g_p = x_i A_ip + x_i A_pi"
    assert ed.parse(g.format("index")) == g
    assert ed.grad(g, wrt="x").format("index") == "∂g_p/∂x_q = A_pq + A_qp"
    assert str(ed.parse("H_ab = ∂²/∂x² (x_i A_ij x_j)")) == "H_ab = A_ab + A_ba"
    assert str(ed.parse("∂L/∂x = ∂/∂x (x^2)")) == "∂L/∂x = 2 x"
    with pytest.raises(ed.SubscriptsError, match="'g_ij' has other labels"):
        ed.parse("g_ij = d/dx (x' A x)")


@pytest.mark.parametrize("text", ["df/dx", "d f/dx", "d/dx f", "∂f/∂x", "∂/∂x f", "∇_x f"])
@pytest.mark.parametrize("f", ["x' A x", "x_i A_ij x_j"])
def test_what_is_differentiated_may_be_given_by_name(text, f):
    assert ed.parse(text, f=f) == ed.grad(f, wrt="x")
    np.testing.assert_allclose(ed.grad(text, f=f, A=A, x=x), (A + A.T) @ x)


def test_what_is_differentiated_may_stand_behind():
    assert str(ed.parse("dL/dw where L = 3 w^2")) == "∂L/∂w = 6 w"


def test_operands_are_given_in_matrix_notation():
    assert ed.parse("f^2", f="x' A x") == ed.parse("(x_i A_ij x_j)^2")


def test_signatures_tell_of_the_notation():
    for verb in (ed.parse, ed.einsum, ed.grad, ed.hessian, ed.jvp, ed.vjp, ed.hvp, ed.compile):
        assert "notation" in signature(verb).parameters
        assert "notation" in verb.__doc__
    for verb in (ed.value_and_grad, ed.check, ed.problem, ed.as_torch, ed.as_jax):
        assert "notation" in signature(verb).parameters
        assert "notation" in verb.__doc__
    J = ed.grad("x^{2}", wrt="x", notation="latex")
    assert ed.grad("x^2", wrt="x") == J
    with pytest.raises(ed.BindingError, match="notation"):
        ed.grad(ed.parse("x^2"), wrt="x", notation="latex")
    assert ed.grad(lambda notation: notation**2, notation=2.0).dense() == 4.0
