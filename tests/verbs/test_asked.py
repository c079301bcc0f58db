"""Derivatives that a text asks for, and `notation=`."""

from __future__ import annotations

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
