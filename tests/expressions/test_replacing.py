"""Expressions in the place of variables."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import einsdiff as ed

rng = np.random.default_rng(5)
A, B = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
x, y, z = rng.normal(size=4), rng.normal(size=3), rng.normal(size=2)


def shapes(t: ed.Tensor) -> dict[str, tuple[object, ...]]:
    return {v.name: v.shape for v in t.formula.arguments}


def test_a_text_takes_the_place_of_a_variable():
    f = ed.parse("(y_i - A_ij x_j) (y_i - A_ik x_k)", A=A, y=y)
    g = f(x="B_ij z_j")
    assert isinstance(g, ed.Tensor)
    assert g.names == ("y", "A", "B", "z")
    assert shapes(g)["B"][0] == shapes(g)["A"][1] == 4
    assert shapes(g)["B"][1] == shapes(g)["z"][0]
    expected = np.sum((y - A @ B @ z) ** 2)
    np.testing.assert_allclose(g(B=B, z=z), expected)
    h = f.substitute(x="B_ij z_j", B=B, z=ed.tensor("z", z))
    np.testing.assert_allclose(float(h), expected)
    np.testing.assert_allclose(
        ed.grad(h, wrt="z").dense(), -2 * B.T @ A.T @ (y - A @ B @ z), rtol=1e-12
    )
    assert ed.check(h, wrt="B", order=2).ok


def test_labels_are_in_the_order_of_the_left_hand_side_or_alphabetical():
    f = ed.einsum("ij->ij", ed.tensor("M", (2, 3)))
    N = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(f.substitute(M="1 N_ba", N=N).dense(), N.T)
    np.testing.assert_array_equal(f.substitute(M="M_ba = N_ab", N=N).dense(), N.T)
    with pytest.raises(ed.OperandError, match=r"itself or its transpose(.|\n)*M_ab = N_ba"):
        f.substitute(M="N_ba", N=N)
    with pytest.raises(ed.ShapeError, match="'M' has size 2, and what is put in its place 3"):
        f.substitute(M="N_ab", N=N)


def test_all_takes_place_at_once():
    f = ed.parse("f_i = x_i / y_i", x=[1.0, 2.0], y=[4.0, 8.0])
    g = f.substitute(x="y_i", y="x_i")
    assert str(g) == "f_i = y_i / x_i"
    np.testing.assert_array_equal(g.dense(), [4, 4])
    assert str(f.substitute(x="x_i + 1")) == "f_i = (x_i + 1) / y_i"
    np.testing.assert_array_equal(f.substitute(x="x_i + 1").dense(), [2 / 4, 3 / 8])


def test_sizes_that_are_names_become_what_takes_their_place():
    f = ed.parse("B_kl x_l")
    assert shapes(f(x="A_ij z_j")) == {"B": ("m", "n"), "A": ("n", "k"), "z": ("k",)}
    assert shapes(f(x=ed.tensor("z", 5))) == {"B": ("m", 5), "z": (5,)}
    assert shapes(f(x=ed.tensor("z", "k"))) == {"B": ("m", "k"), "z": ("k",)}
    two = ed.parse("x_i w_i").substitute(x="A_ij z_j", w="C_ij z_j")
    assert shapes(two) == {"A": ("m", "n"), "z": ("n",), "C": ("m", "n")}
    assert two.shape == ()
    with_range = ed.parse("x_i x_i")(x="Σ_{j<n} δ_ij w_j")
    assert with_range.ndim == 0


@pytest.mark.parametrize(
    ("f", "given", "error", "message"),
    [
        ("x_i y_i", {"q": "2 x_i"}, ed.BindingError, "there is no 'q' in this expression"),
        ("x_i y_i", {"x": "A_ij"}, ed.ShapeError, "'x' has 1 axis, .* 2 axes"),
        ("x_i y_i", {"x": "c"}, ed.ShapeError, "write one label for each axis .* x_i = .."),
        ("c x_i", {"c": "y_i"}, ed.ShapeError, "'c' has 0 axes, .* 1 axis"),
        ("x_i y_i", {"x": "y_i +"}, ed.SubscriptsError, "ends too early"),
        ("x_j B_ij", {"x": "B_ij w_j"}, ed.ShapeError, "'x' has size n, .* m"),
        (
            "x_i y_i",
            {"x": ed.tensor("z", 2), "y": ed.tensor("w", 3)},
            ed.ShapeError,
            "'y' has size 2, and what is put in its place 3",
        ),
        (
            "x_i y_i",
            {"x": ed.tensor("z", "k"), "y": ed.tensor("w", "l")},
            ed.ShapeError,
            "'y' has size k, and what is put in its place l",
        ),
        (
            "x_i y_i",
            {"x": ed.tensor("z", [1.0, 2.0]), "y": ed.tensor("z", [1.0, 3.0])},
            ed.BindingError,
            "two different arrays are called 'z'",
        ),
        (
            "x_i y_j",
            {"x": ed.tensor("z", 2), "y": ed.tensor("z", 3)},
            ed.BindingError,
            "'z' stands for two different tensors",
        ),
    ],
)
def test_what_does_not_fit_is_said(f, given, error, message):
    with pytest.raises(error, match=message):
        ed.parse(f).substitute(**given)


def test_arrays_that_do_not_fit_are_said_at_once():
    f = ed.parse("A_ij x_j", A=A)
    with pytest.raises(ed.ShapeError, match="3 is not 4"):
        f.substitute(x=np.ones(3), A="2 C_ij")
    with pytest.raises(ed.ShapeError, match="size"):
        f.substitute(x="C_ij w_j", C=np.ones((3, 2)))


def test_arrays_and_numbers_are_bound():
    f = ed.parse("c A_ij x_j")
    g = f.substitute(c=2, A=A)
    assert str(g) == "f_i = 2 A_ij x_j"
    np.testing.assert_allclose(g(x=x), 2 * A @ x)
    np.testing.assert_allclose(f(c=2, A=A, x=x), 2 * A @ x)
    assert isinstance(f(c=2, A=A, x=x), np.ndarray)


def test_a_tensor_with_its_values_is_an_array_in_a_call_and_an_expression_in_a_substitution():
    f = ed.parse("A_ij x_j", A=A)
    t = 2 * ed.tensor("w", x)
    assert isinstance(f(x=t), np.ndarray)
    g = f.substitute(x=t)
    assert g.names == ("A", "w")
    np.testing.assert_allclose(ed.grad(g, wrt="w").dense(), 2 * A)


def test_symbols_of_derivatives_become_derivatives():
    v = ed.tensor("v", "k")
    u = ed.tensor("u", "n", of=v)
    J = ed.grad(ed.tensor("M", "mn") @ u, wrt=v)
    g = J.substitute(u="C_jk v_k")
    assert str(g) == "∂f_i/∂v_p = M_ij C_jp"
    assert g.names == ("M", "C", "v")
    H = ed.grad(u, wrt=v, order=2).substitute(u="D_ik sin(v_k)")
    assert H.shape == ("n", "k", "k")
    with pytest.raises(ed.OperandError, match="'u' is an unspecified function of 'v'"):
        J.substitute(v="w_i")
    with pytest.raises(ed.OperandError, match="replace 'u'"):
        J.substitute(**{"∂u/∂v": "w_ij"})


def test_what_is_declared_symmetric_stays_so():
    f = ed.tensor("S", "nn", symmetric=True) @ ed.tensor("x", "n")
    with pytest.raises(ed.OperandError, match="is declared symmetric"):
        f(S="B_ij")
    assert str(f(S="B_ij + B_ji")) == "f_i = (B_ij + B_ji) x_j"
    f(S="w_i w_j"), f(S=ed.tensor("T", "nn", symmetric=True))


def test_a_derivative_is_taken_elsewhere():
    J = ed.grad("sin(x_i)", wrt="x")
    g = J.substitute(x="A_ij z_j")
    assert g.domain == J.domain
    np.testing.assert_allclose(g(A=B, z=z), np.diag(np.cos(B @ z)))
    assert ed.parse(str(g)) == g


def test_what_was_replaced_can_be_differentiated_by():
    f = ed.parse("x_i x_i y").substitute(x="B_ij z_j", y="z_i z_i", B=B, z=z)
    np.testing.assert_allclose(ed.grad(f, wrt="x").dense(), 2 * (B @ z) * (z @ z))
    np.testing.assert_allclose(float(ed.grad(f, wrt="y")), (B @ z) @ (B @ z))
    again = pickle.loads(pickle.dumps(f))
    np.testing.assert_allclose(ed.grad(again, wrt="x_1").dense(), 2 * (B @ z)[1] * (z @ z))
    assert ed.grad(f, wrt="x", order=2).check().ok
