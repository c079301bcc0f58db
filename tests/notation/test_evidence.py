"""Which notation a text is in, and derivatives that are asked for in front of it."""

from __future__ import annotations

import pytest

from einsdiff.errors import SubscriptsError
from einsdiff.notation.evidence import asked, which


@pytest.mark.parametrize(
    ("text", "ranks", "notation"),
    [
        ("A_ij x_j", {}, "index"),
        ("Σ_i x_i", {}, "index"),
        ("sin(2 x + 1)", {}, "index"),
        ("a b", {}, "index"),
        ("x' A x", {}, "matrix"),
        ("x.T @ A @ x", {}, "matrix"),
        ("‖y - Φθ‖²", {}, "matrix"),
        ("A x", {}, "matrix"),
        ("A x", {"A": 0, "x": 0}, "index"),
        ("a b", {"a": 2, "b": 1}, "matrix"),
        ("log(det(inv(X)))", {}, "matrix"),
        ("inv(X)_ij", {}, "index"),
        ("A_k0 B_k0", {}, "index"),
        ("-2 A_0k x_k", {}, "index"),
        ("∂f/∂C_{2p<1} = 2 C_0", {}, "index"),
    ],
)
def test_the_notation_is_told_by_the_text_and_by_the_axes_of_operands(text, ranks, notation):
    assert which(text, ranks) == notation


@pytest.mark.parametrize(
    ("text", "by", "rest"),
    [
        ("d/dx (x' A x)", "x", "(x' A x)"),
        ("∂/∂A tr(A X B)", "A", "tr(A X B)"),
        ("∇_x ‖A x - y‖²", "x", "‖A x - y‖²"),
        ("∇_{θ} f", "θ", "f"),
        ("∂²/∂x² sin(x)", "xx", "sin(x)"),
        ("d^2/dx^2 (x + 1)", "xx", "(x + 1)"),
        ("∂²/∂x∂y (x y)", "xy", "(x y)"),
        ("∂/∂x -x", "x", "-x"),
        ("d/dx[x^2]", "x", "x^2"),
        ("d/dx {x^2 + x}", "x", "x^2 + x"),
        ("d/dx [x > 0]", "x", "[x > 0]"),
        ("D_x (x' A x)", "x", "(x' A x)"),
        ("D_x x^2", "x", "x^2"),
        ("∂_θ ‖y - Φ θ‖²", "θ", "‖y - Φ θ‖²"),
        ("d(x' A x)/dx", "x", "(x' A x)"),
        ("d [x^2]/dx", "x", "x^2"),
        ("∂ tr(A X B)/∂A", "A", "tr(A X B)"),
        ("∂‖A x - y‖²/∂x", "x", "‖A x - y‖²"),
        ("∂²(x' A y)/∂x∂y", "xy", "(x' A y)"),
        ("d²(x^3)/(dx²)", "xx", "(x^3)"),
        ("df/dx where f = x^2 + x", "x", "f = x^2 + x"),
        ("∂L/∂w, L = ‖y - X w‖²", "w", "L = ‖y - X w‖²"),
    ],
)
def test_a_derivative_is_taken_off_an_expression(text, by, rest):
    found = asked(text)
    assert "".join(found.by) == by
    assert text[found.start : found.end].strip() == rest


@pytest.mark.parametrize(
    ("text", "name", "of"),
    [
        ("g = d/dx (x^2)", "g", ""),
        ("g_p := ∇_x (x_i x_i)", "g_p", ""),
        ("J = ∂(A x)/∂x", "J", ""),
        ("∂L/∂x = d/dx (x^2)", "", "L"),
    ],
)
def test_a_derivative_may_have_a_name(text, name, of):
    found = asked(text)
    assert found.by == ("x",)
    assert (found.name, found.of) == (name, of)


def test_names_of_operands_tell_what_is_differentiated():
    assert asked("df/dx") is asked("d f/dx") is asked("∂f/∂x", {"f"}) is None
    for text in ("df/dx", "d f/dx", "∂f/∂x"):
        found = asked(text, {"f"}, {"f"})
        assert (found.by, text[found.start : found.end].strip()) == (("x",), "f")
    assert asked("df/dx", {"f", "df"}) is asked("df/dx", {"f", "dx"}) is None
    assert asked("D_x (x^2)", {"D"}) is None


@pytest.mark.parametrize(
    "text",
    [
        "x' A x",
        "∂f/∂x = 2 x",
        "∂f_i/∂A_pq = δ_ip x_q",
        "d x",
        "∂x_i/∂z_p y_i",
        "∂x_i/∂z_p ∂z_p/∂w_q",
        "D_x y_x",
        "D_i x_i",
        "d (x + 1)",
        "density(x)/dx",
    ],
)
def test_other_texts_ask_for_none(text):
    assert asked(text) is None


def test_d_may_be_an_operand():
    assert asked("d/dx (x)", {"d", "dx"}) is None


@pytest.mark.parametrize(
    ("text", "headline", "caret"),
    [
        ("d/dx x^2 + x", "it is not clear how much", 9),
        ("d/dx (x) y", "it is not clear how much", 9),
        ("d x^2 + x/dx", "it is not clear how much", 6),
        ("D_x x^2 + x", "it is not clear how much", 8),
        ("∂²(x^2)/∂x", "the order above is 2", 0),
        ("a + d/dx (x)", "within an expression", 4),
        ("∂/∂x (x ∂/∂y y)", "within an expression", 8),
        ("∂²/∂x (x^2)", "the order above is 2", 0),
        ("∂/∂x∂y (x y)", "the order above is 1", 0),
        ("d/dx", "nothing is differentiated", 4),
    ],
)
def test_what_is_not_clear_is_refused(text, headline, caret):
    with pytest.raises(SubscriptsError, match=headline) as caught:
        asked(text)
    assert str(caught.value).splitlines()[3].index("^") == caret + 4


def test_both_readings_are_named():
    with pytest.raises(SubscriptsError) as caught:
        asked("d/dx x^2 + x")
    assert "write d/dx (x^2 + x) for all of it" in str(caught.value)
    assert "ed.grad('x^2', wrt='x')" in str(caught.value)
