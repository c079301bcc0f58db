"""A text that is likely to mean something else is refused, with what to write."""

from __future__ import annotations

import re
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.reading.doubts import Doubts
from einsdiff.algebra.reading.equation import read
from einsdiff.errors import EinsdiffError, SubscriptsError
from einsdiff.notation.index_parser import names_in, parse_index
from einsdiff.notation.lexer import LONGEST_NUMBER, LONGEST_TEXT, MOST_LABELS

TRANSPOSE = "order of the labels: A_ji"
LABELS = "write labels: A_ij x_j"
NUMBER = "an index as a number counts from 0"

REFUSED = [
    # matrix notation
    *[(text, TRANSPOSE) for text in ("x^T A x", "xᵀ A x", "Rᵀ R", "R^T R", "x' A x", "x.T A x")],
    *[(text, TRANSPOSE) for text in ("x^⊤ x", "A_ij^T x_j", "(A x)^T (A x)", "x^(T)", "x†")],
    ("x^H x", TRANSPOSE),
    *[(text, TRANSPOSE) for text in ("xᵀ (A + Aᵀ)", "x.T @ A @ x", "X^-T", "x_i x_i'", "uᴴ v")],
    *[(text, LABELS) for text in ("A x", "A*x", "A x + b", "log(X b)", "(A x)^2", "y - A x")],
    ("2 A x", LABELS),
    *[(text, LABELS) for text in ("(A + B) x", "Φ θ", "A^2 x", "f = A x", "exp(-W x)", "A⁻¹ x")],
    ("X^-1", r"write inv\(X\)_ij"),
    ("X⁻¹", r"write inv\(X\)_ij"),
    ("A @ x", "products are written with labels"),
    ("A ⊗ B", "products are written with labels"),
    ("x ⊙ y", "entry by entry"),
    ("x .* y", "entry by entry"),
    ("x ./ y", "entry by entry"),
    ("‖x‖²", r"sqrt\(x_i x_i\)"),
    ("||A x - y||^2", r"sqrt\(x_i x_i\)"),
    ("|x|", r"abs\(x\)"),
    ("<x, y>", "x_i y_i"),
    ("[a; b]", "stack"),
    ("[a, b]", "stack"),
    # functions and signs
    ("det A", r"write brackets: det\(x\)"),
    ("max_i x_i", "write brackets"),
    ("sinx", r"sin\(x\)"),
    ("a logx", r"log\(x\)"),
    ("sum x_i", "sign of a sum: Σ_i x_i"),
    ("Π x_i", "the labels of a product"),
    ("tr_i(A_ij)", "A_ii"),
    ("mean_i x_i", "write a mean as a sum"),
    ("sum(x_i)", "Σ_i x_i"),
    ("trace(A_ij)", "A_ii"),
    ("tr(A_ij)", "A_ii"),
    ("tr(A)", "A_ii"),
    ("norm(x_i)", r"sqrt\(x_i x_i\)"),
    ("mean(x_i)", "Σ_i x_i / n"),
    ("transpose(A)_ij", "A_ji"),
    ("diag(x)_ij", "δ_ij x_i"),
    ("inverse(X)_ij", r"inv\(X\)_ij"),
    ("f(x)", r"write a product as f \* \(..\)"),
    ("f (x)", r"write a product as f \* \(..\)"),
    ("A(i, j)", "write a product"),
    ("sofmax (x_i + 1)", r"write softmax\(..\)"),
    ("inf x", "write ∞"),
    # upper indices, and indices as numbers
    ("x_i x^i", "upper indices"),
    ("g_ij x^i x^j", "upper indices"),
    ("x_i^i", "upper indices"),
    ("A^i_j", "indices below"),
    ("x^n_i", r"x_i\^n"),
    ("T^{ij}_k", "all labels stand in one place"),
    ("i x_i", NUMBER),
    ("cos(k x_k)", NUMBER),
    ("k x + x_k", NUMBER),
    ("xⁿ", r"x\^n"),
    ("xⁱ", r"x\^i"),
    # derivatives and LaTeX
    ("d/dx x^2", "ed.grad"),
    ("dy/dx", "ed.grad"),
    ("d^2/dx^2 y", "ed.grad"),
    ("∂/∂x x^2", "ed.grad"),
    ("∇f", "ed.grad"),
    (r"\frac{1}{2} x", "LaTeX"),
    ("$x$", "dollar"),
    ("x^{2}", "round brackets"),
    ("x!", "factorial"),
    ("x′", TRANSPOSE),
    ("½ x", "1/2"),
    ("√x", r"sqrt\(x\)"),
    ("x > y", "in brackets"),
    ("A_i,j", "in braces"),
    # ranges
    ("x_{(i+k)%n} w_k", "give sizes as numbers"),
    ("d_i = f_{i+1} - f_i", "a range on the left"),
    # powers and bases that could be of a matrix, or of another function
    *[(text, "for its square") for text in ("X^2", "X²", "X^n", "2 + X^3")],
    ("A_ij^-1 b_j", r"write 1 / A_ij .* \(A\^-1\)_ij"),
    ("A^T_ij x_j", TRANSPOSE),
    *[(text, r"log2\(x\)") for text in ("log_2(x)", "log_10(x_i)", "log₂(x)", "log_b(x)")],
    *[(text, "leave it out") for text in ("max_0(x)", "exp_i(x_i)", "sin_1(x)", "sqrt_3(x)")],
    ("log(det(inv(X)))", r"inv\(X\)_ij"),
    *[(text, "not in the table") for text in ("logm(X)", "sqrtm(X)_ij", "cumprod(x)_i")],
    *[(text, "the number: x_i . 1") for text in ("vector(1)", "ones(n)", "matrix(1) x_i")],
    # words, and signs of programming languages
    *[(text, "no words") for text in ("x if y else z", "x_i and y_i", "not x", "2 True")],
    *[(text, r"exp\(x\)") for text in ("np.exp(x)", "math.sqrt(x)")],
    ("x_i.", "remove the dot"),
    ("a == b", r"\[x_i = y_i\]"),
    ("e^{-x^2}", "round brackets"),
    (r"A^{\top}", "LaTeX"),
    ("x_i – y_i", "write - "),
    ("x ÷ y", "write / "),
    *[(text, "cannot be seen") for text in ("\ufeffx_i", "x\u200b_i", "x\u2062y", "x\x00")],
    # letters that cannot be told from each other
    *[(text, "same letter") for text in ("a_i а_i", "x_i y_і", "Α_ij A_jk", "x_i + х_i")],
    *[(text, "for both") for text in ("ε ϵ", "x 𝐱", "x_ℓ y_l", "𝑥_i x_i")],
    *[(text, "one expression") for text in ("x_i^2\ny_i^2", "f_i = x_i\r\ny_i", "2\u2028(x)")],
    # numbers that are none
    *[(text, r"\(0\+2j\)") for text in ("2j x_i", "exp(2j x)", "2j")],
    *[(text, "write one number") for text in ("1 000 x_i", "12 345 678", "1.2.3", "1e5.3 x")],
    *[(text, "write numbers as") for text in ("0x10", "0b101 x_i", "0xff1")],
    ("1e999 x", "write ∞"),
    ("1e-999 x", "write ∞ or 0"),
    ("e + e^x", r"write exp\(x\)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "action"), REFUSED, ids=[text for text, _ in REFUSED])
def test_what_is_likely_to_mean_something_else_is_refused(text, action):
    with pytest.raises(SubscriptsError) as error:
        read(text, {}, {})
    assert re.search(action, str(error.value).split("\n\n")[-1]), str(error.value)


@pytest.mark.parametrize(
    ("text", "given", "printed"),
    [
        ("sin(2 x + 1)", {}, "f = sin(2 x + 1)"),
        ("(x + 2 y^3)^2", {}, "f = (x + 2 y^3)^2"),
        ("p cos(q + 2 r)", {}, "f = p cos(q + 2 r)"),
        ("x^t y", {}, "f = x^t y"),
        ("A x", {"A": "", "x": ""}, "f = A x"),
        ("x^T A", {"T": "", "A": ""}, "f = x^T A"),
        ("x^k a_k", {"k": ""}, "f_k = x^k a_k"),
        ("sum_i x_i", {"sum": (3,)}, "f = sum_i x_i"),
        ("1/2 K x_i x_i", {}, "f = 1/2 K x_i x_i"),
        ("∑_i x_i", {}, "f = Σ_i x_i"),
        ("Aᵢⱼ xⱼ", {}, "f_i = A_ij x_j"),
        ("x₀", {}, "f = x_0"),
        ("x⁻²", {}, "f = 1 / x^2"),
        ("e^x", {}, "f = exp(x)"),
        ("e^-x_i", {}, "f_i = exp(-x_i)"),
        ("e^x", {"e": ""}, "f = (e)^x"),
        ("2 e^x", {}, "f = 2 exp(x)"),
        ("ln(x_i)", {}, "f_i = log(x_i)"),
        ("asin(x) + sgn(x)", {}, "f = arcsin(x) + sign(x)"),
        ("λ (x_i x_i + 1)", {}, "f = λ (x_i x_i + 1)"),
        ("m (x + 1) / m", {}, "f = m (x + 1) / m"),
        ("m (x + 1)^2", {}, "f = m (x + 1)^2"),
        ("y_i (K^-1)_ij y_j", {}, "f = y_i y_j inv(K)_ij"),
        ("(K^-1)_ij", {}, "f_ij = inv(K)_ij"),
        ("s (K^-1)_ij", {}, "f_ij = s inv(K)_ij"),
        ("x_i - mean_i", {}, "f_i = x_i - mean_i"),
        ("n_k x_k", {}, "f = n_k x_k"),
        ("[i ≥ j] A_ij", {}, "f = [i ≥ j] A_ij"),
        ("ｘ＿ｉ（ｙ＿ｉ　＋　２）", {}, "f = x_i (y_i + 2)"),
        ("𝑥_𝑖 𝑦_𝑖", {}, "f = x_i y_i"),
        ("µ x + μ", {}, "f = μ + μ x"),
        ("а_і б_і", {}, "f = а_і б_і"),
        ("X^2", {"X": ""}, "f = X^2"),
        ("x_i^-1 + y_i", {}, "f_i = 1 / x_i + y_i"),
        ("2 3 x", {}, "f = 6 x"),
        ("0 x1", {}, "f = 0"),
        ("2 j x", {}, "f = 2 j x"),
        ("2j x", {"j": ""}, "f = 2 j x"),
        ("(0+2j) x", {}, "f = (0+2j) x"),
        ("[i ≥ 2j] A_ij", {}, "f = [i ≥ 2j] A_ij"),
        ("f_i = A_ij x_j\n  + b_i\n  * c_i", {}, "f_i = A_ij x_j + b_i c_i"),
        ("lambda x_i", {}, "f_i = lambda x_i"),
    ],
)
def test_what_is_clear_is_answered(text, given, printed):
    tensor = ed.parse(text, **given)
    assert str(tensor) == printed
    assert ed.parse(printed, **given) == tensor


def test_operands_with_axes_are_no_scalars():
    A, x = np.ones((3, 3)), np.ones(3)
    for text, value in (("A x", A @ x), ("a x", A @ x), ("x^T A x", x @ A @ x)):
        operands = {name: A if name in "Aa" else x for name in set(text) & set("Aax")}
        np.testing.assert_array_equal(np.asarray(ed.parse(text, **operands)), value)
    assert float(np.asarray(ed.parse("A b", A=2.0, b=3.0))) == 6.0


def test_operands_are_found_wherever_they_stand_in_a_text():
    x, A = np.array([1.0, 2.0]), np.array([[1.0, 2.0], [3.0, 4.0]])
    for text, value in (("1/2x_i", x / 2), ("1e1x_i", 10 * x), ("3𝐱_i", 3 * x), ("2ｘ_i", 2 * x)):
        np.testing.assert_allclose(np.asarray(ed.parse(text, x=x)), value)
        np.testing.assert_allclose(np.asarray(ed.parse(text, x)), value)
    np.testing.assert_allclose(np.asarray(ed.parse("2A_ij x_j", A=A, x=x)), 2 * A @ x)
    with pytest.raises(ed.BindingError, match="there is no 'i'"):
        ed.parse("x_i", x=x, i=x)


def test_rules_of_the_library_are_not_doubted():
    assert read("x^T A x", {}, {}, doubts=False).node.shape == ()


def test_a_doubt_needs_no_text():
    def fail(headline, columns, action):
        raise KeyError(headline, list(columns))

    doubts = Doubts((), (), (), {}, fail, bool, bool)
    with pytest.raises(KeyError, match="'sin' is a function"):
        doubts.check(parse_index("2 sin x"))


# --- lengths ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "x" + "²" * 4301,
        "1" * (LONGEST_NUMBER + 1),
        "(" + "1" * 30_000,
        "A_" + "1" * 32_000,
        "A_" + "i" * (MOST_LABELS + 1),
        "A_{" + "i" * 32_000 + "}",
        "a_b" * 5000,
        "(" * 5000 + "x" + ")" * 5000,
        "max(" + ",".join(["x"] * 1000) + ")",
        "solve(" + ",".join(["x"] * 1000) + ")_i",
        "x" * (LONGEST_TEXT + 1),
    ],
)
def test_long_texts_are_refused(text):
    with pytest.raises(SubscriptsError):
        ed.parse(text)


# --- any text ---------------------------------------------------------------------------------

TEXTS = [text for text, _ in REFUSED]
PIECES = [
    *"xAiejTnd12 _^{}()[]<>=+-*/.,;'|Σ∂δ²ᵀ⁻₁ⁿ",
    "sin",
    "ln(",
    "x_i",
    "A_ij",
    "w_1",
    "i+1",
    "{i<3}",
]


@st.composite
def mutated(draw):
    """A text of the lists, with pieces put in, taken out, doubled and exchanged."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        a, b = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        change = draw(st.sampled_from(["put", "cut", "double", "other"]))
        if change == "put":
            text = text[:a] + draw(st.sampled_from(PIECES)) + text[a:]
        elif change == "cut":
            text = text[:a] + text[b:]
        elif change == "double":
            text = text[:b] + text[a:]
        else:
            text = text[:a] + draw(st.sampled_from(TEXTS))[b:]
        text = text[:150]
    return text


@settings(max_examples=1000, deadline=None)
@example("x^" * 60)
@given(mutated())
def test_any_text_is_answered_or_refused(text):
    for call in (ed.parse, lambda t: ed.einsum(t, "x"), lambda t: ed.tensor(t, 3)):
        with suppress(EinsdiffError):
            call(text)
    for name in ("shape", "sizes"):
        with suppress(EinsdiffError):
            if name == "shape":
                ed.tensor("x", text)
            else:
                ed.einsum("ij,j->i", "A", "x", sizes={text: 3})


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_what_is_answered_is_printed_so_that_it_means_the_same(text):
    try:
        tensor = ed.parse(text)
    except EinsdiffError:
        return
    text = tensor.format("index")
    there = names_in(text, frozenset(tensor.names))
    variables = [v for v in tensor.formula.arguments if v.derivative is None and v.name in there]
    again = ed.parse(text, notation="index", **{v.name: v.shape for v in variables})
    assert again.shape == tensor.shape, text


@pytest.mark.parametrize(
    "text", ["x_{-1}", "x_{i-1}", "x_{2i-1} y_i", "x_{i-k} w_k", "Σ_i x_{2i} x_i"]
)
def test_indices_that_leave_their_axis_are_refused_whatever_its_size(text):
    with pytest.raises(SubscriptsError):
        ed.parse(text)


def test_a_range_that_nothing_shows_is_asked_for():
    with pytest.raises(SubscriptsError, match="the size of 'i' is not known"):
        ed.parse("∂f_i/∂x = 6 δ_{i,0} x")
    assert ed.parse("∂f_i/∂x = 6 δ_{i,0} x", i=2).shape == (2,)
    assert ed.parse("∂f_{i<2}/∂x = 6 δ_{i,0} x").shape == (2,)
    assert ed.parse("∂f_i/∂x = 6 δ_{i,0} x + δ_{i,1}").shape == (2,)  # as on paper
    for text in ("∂f_i/∂x = δ_{i,2} + δ_{i,0}", "∂f_i/∂x = δ_{i,0} + δ_{i,1} + Σ_{j<2} [i ≥ j] x"):
        with pytest.raises(SubscriptsError, match="the size of 'i' is not known"):
            ed.parse(text)
