"""Operands that are expressions."""

from __future__ import annotations

import numpy as np
import pytest

import einsdiff as ed

rng = np.random.default_rng(7)
A, B, x = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), rng.normal(size=2)


def test_an_operand_is_an_expression_with_a_name():
    f = ed.parse("y_i y_i", y="A_ij x_j")
    assert f == ed.parse("A_ij x_j A_ik x_k")
    assert f.names == ("A", "x")
    assert str(ed.grad(f, wrt="y")) == "∂f/∂y_p = 2 A_pj x_j"
    assert str(ed.grad("y_i y_i", y="A_ij x_j", wrt="y_0")) == "∂f/∂y_0 = 2 A_0j x_j"
    assert str(ed.grad(f, wrt="y", order=2)) == "∂²f/∂y_p∂y_q = 2 δ_pq"
    assert str(ed.grad(f, wrt="x")) == "∂f/∂x_p = 2 A_ij A_ip x_j"


def test_expressions_are_made_of_each_other_and_of_arrays():
    f = ed.parse("y_i y_i + z_i z_i", y="A_ij z_j", z="B_ij x_j", A=A, B=B, x=x)
    assert f.names == ("A", "B", "x")
    v = B @ x
    np.testing.assert_allclose(float(f), v @ v + (A @ v) @ (A @ v))
    np.testing.assert_allclose(ed.grad(f, wrt="y").dense(), 2 * A @ v)
    np.testing.assert_allclose(ed.grad(f, wrt="z").dense(), 2 * v + 2 * A.T @ A @ v)
    assert ed.check(f, wrt="B").ok
    assert ed.check(f, wrt="z").ok


def test_sizes_of_two_expressions_are_their_own():
    f = ed.parse("y_i w_i", y="A_ij x_j", w="B_ij z_j")
    shapes = {v.name: v.shape for v in f.formula.arguments}
    assert shapes["A"][0] == shapes["B"][0]
    assert shapes["A"][1] != shapes["B"][1]


def test_shapes_are_shapes():
    assert ed.parse("A_ij x_j", A="mn", x="n").shape == ("m",)
    assert ed.parse("y_i y_i", y="A_ij x_j", A=(3, 2)).names == ("A", "x")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"y": "A_ij z_j", "z": "B_ij y_j"}, "'y' is made of 'z' is made of 'y'"),
        ({"w": "A_ij z_j"}, "there is no 'w' in this expression"),
        ({"y": "A_ij z_j", "q": "n"}, "there is no 'q' in this expression"),
        ({"y": "A_ij"}, "'y' has 1 axis"),
    ],
)
def test_what_is_no_definition_is_refused(given, message):
    with pytest.raises(ed.EinsdiffError, match=message):
        ed.parse("y_i y_i", **given)
