"""Upper and lower indices: what is one, where each stands, and what is refused."""

import re
from contextlib import suppress

import numpy as np
import pytest

import einsdiff as ed
from einsdiff import SubscriptsError
from einsdiff.errors import EinsdiffError
from einsdiff.notation.levels import lowered

READ = {
    "g_ij x^i x^j": "f = g_ij x_i x_j",
    "A^i_j x^j": "f_i = A_ij x_j",
    "f^i = A^i_j x^j": "f_i = A_ij x_j",
    "f_j = A_j^i y_i": "f_j = A_ji y_i",
    "T^{ij}_k v^k": "f_ij = T_ijk v_k",
    "T^ij_k v^k y_i y_j": "f = T_ijk v_k y_i y_j",
    "T_k^{ij} v^k": "f_ij = T_kij v_k",
    "x^i y_i": "f = x_i y_i",
    "x^{i} y_i": "f = x_i y_i",
    "Γ^i_jk v^j v^k": "f_i = Γ_ijk v_j v_k",
    "F^{μν} G_{μν}": "f = F_μν G_μν",
    "δ^i_j x^j y_i": "f = x_j y_j",
    "ε_ijk a^j b^k": "f_i = ε_ijk a_j b_k",
    "g^{ij} v_i w_j": "f = g_ij v_i w_j",
    "sin(x^i) y_i": "f = sin(x_i) y_i",
    "x^i y_i + a^2": "f = x_i y_i + a^2",
    "(A^i_j x^j + b^i) y_i": "f = (A_ij x_j + b_i) y_i",
    "∂f^i/∂x^p = A^i_p": "∂f_i/∂x_p = A_ip",
}

LATEX = {
    r"A^{i}_{\ j} x^j": "f^i = A^i_j x^j",
    r"A^i{}_j x^j": "f^i = A^i_j x^j",
    r"A_j{}^i y_i": "f_j = A_j^i y_i",
    r"T^{ij}{}_k v^k": "f^{ij} = T^{ij}_k v^k",
    r"T^{ij}_k v^k": "f^{ij} = T^{ij}_k v^k",
    r"g_{\mu\nu} x^\mu x^\nu": "f = g_μν x^μ x^ν",
    r"\Gamma^{i}_{jk} v^j v^k": "f^i = Γ^i_jk v^j v^k",
    r"\frac{\partial f^i}{\partial x^p} = A^i_p": "∂f^i/∂x^p = A^i_p",
    r"x^{2} y_i": "f_i = x^2 y_i",
}

POWERS = [
    ("x^2 y_i", {}, "f_i = x^2 y_i"),
    ("x_i^2", {}, "f_i = x_i^2"),
    ("x^n y_i", {}, "f_i = x^n y_i"),
    ("e^x y_i", {}, "f_i = exp(x) y_i"),
    ("a^b", {}, "f = a^b"),
    ("a_i x^n", {"n": ""}, "f_i = a_i x^n"),
    ("x^n y_i y_i", {"y": "n"}, "f = x^n y_i y_i"),
    ("x_i^n y_n", {"n": 3}, None),
    ("y_i x^-1", {}, "f_i = y_i / x"),
]

REFUSED = [
    ("x^i y^i + g_ij x^i y^j", "once up and once down, x^i y_i"),
    ("g_ij x_i x^j", "write a metric"),
    ("x_i x^i", "write a metric"),
    ("F^{μν} F_{μν}", "write a metric"),
    ("f_i = A^i_j x^j", "the same level on both sides"),
    ("∂f/∂x_p = g_pj x^j + x_p", "write a metric"),
    ("x^i + y_i", "at one level in all terms"),
    ("A^i_j x_j", "all indices below"),
    ("k a_k x^k", "write x^(k) or Σ_k for a power"),
    ("x^n + A^i_j x^j y_i", "write x^(n) or Σ_n for a power"),
    ("Σ_n a_n x^n + A^i_j x^j y_i", "or Σ_n for a power"),
]


@pytest.mark.parametrize(("text", "plain"), READ.items())
def test_indices_mean_what_they_mean_below(text, plain):
    assert ed.parse(text).expr is ed.parse(plain).expr


@pytest.mark.parametrize("text", list(READ))
def test_indices_are_printed_where_they_stand(text):
    t = ed.parse(text)
    shown = [t, *(ed.grad(t, wrt=v.name) for v in t.formula.arguments)]
    for one in shown:
        for text in (str(one), one.latex()):
            again = ed.parse(text)
            assert str(again) == str(one)
            assert again == one or str(one).endswith("= 0")  # whose sizes the text does not say


@pytest.mark.parametrize(("text", "shown"), LATEX.items())
def test_latex_is_read(text, shown):
    assert str(ed.parse(text)) == shown


def test_levels_are_written_in_latex():
    assert ed.parse("T^{ij}_k v^k").latex() == "f^{ij} = T^{ij}{}_k v^k"
    assert ed.parse("f_j = A_j^i (y_i + z_i)").latex() == r"f_j = A_j{}^i (y_i + z_i)"
    assert ed.parse("f^i = (A^i_j x^j)^2").latex().startswith("f^i = ")


def test_derivatives_have_their_label_at_the_level_of_the_variable():
    f = ed.parse("g_ij x^i x^j")
    assert str(ed.grad(f, wrt="x")) == "∂f/∂x^p = g_ip x^i + g_pj x^j"
    assert str(ed.hessian(f, wrt="x")) == "∂²f/∂x^p∂x^q = g_pq + g_qp"
    y = ed.parse("A^i_j x^j")
    assert str(ed.grad(y, wrt="x")) == "∂f^i/∂x^p = A^i_p"
    assert str(ed.grad(y, wrt="A")) == "∂f^i/∂A^p_q = δ^i_p x^q"
    assert str(ed.grad("A^i_j", wrt="A", A="mn")) == "∂A^i_j/∂A^p_q = δ^i_p δ_j^q"


def test_derivatives_are_right():
    rng = np.random.default_rng(0)
    g, x, A = rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=(3, 3))
    ed.check("g_ij x^i x^j", g=g, x=x, wrt="x")
    ed.check("g_ij A^i_k A^j_l x^k x^l", g=g, A=A, x=x, wrt="A")
    found = ed.grad("g_ij x^i x^j", wrt="x", g=g, x=x)
    np.testing.assert_allclose(np.asarray(found), (g + g.T) @ x)


@pytest.mark.parametrize(("text", "named", "shown"), POWERS)
def test_powers_stay_powers(text, named, shown):
    if shown is not None:
        assert str(ed.parse(text, **named)) == shown


def test_what_is_known_of_an_operand_decides():
    x = np.ones(3)
    assert str(ed.parse("Σ_i x^i y_i", x=x)) == "f = x^i y_i"
    assert str(ed.parse("Σ_k a_k x^k")) == str(ed.parse("Σ_k a_k x^k", x=""))
    assert str(ed.parse("A^i_j", A="mn")) == "A^i_j"


@pytest.mark.parametrize(("text", "action"), REFUSED, ids=[text for text, _ in REFUSED])
def test_what_is_not_clear_is_refused(text, action):
    with pytest.raises(SubscriptsError, match=re.escape(action)) as error:
        ed.parse(text)
    assert text in str(error.value)  # as it was written


def test_levels_are_kept_by_pickles_and_operators():
    import pickle

    f = ed.parse("f^i = A^i_j x^j")
    again = pickle.loads(pickle.dumps(f))
    assert str(again) == "f^i = A^i_j x^j"
    assert str(ed.grad(again, wrt="x")) == "∂f^i/∂x^p = A^i_p"
    assert "A^i_j x^j" in str(2 * f)


@pytest.mark.parametrize(
    "text", ["x^i" * 3000, "x^{" * 300, "A^i_j x^j " * 2000, "∂" * 3000 + "x^i"]
)
def test_long_texts_are_read_or_refused(text):
    with suppress(EinsdiffError):
        lowered(text, {})


def test_columns_point_into_the_text():
    found = lowered("A^i_j  x^j", {})
    for column, char in enumerate(found.text):
        if char.isalpha():
            assert "A^i_j  x^j"[found.columns[column]] == char


@pytest.mark.parametrize("text", ["a^bX_X = A_ii", "h^hh = f g", "f^i_i = x_i"])
def test_labels_that_stand_twice_on_the_left_are_refused(text):
    with pytest.raises(EinsdiffError):
        ed.parse(text, notation="index")
