"""A text that is likely to mean something else is refused, with what to write."""

from __future__ import annotations

import re
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.doubts import Doubts
from einsdiff.algebra.read import read
from einsdiff.errors import EinsdiffError, SubscriptsError
from einsdiff.notation.index import LONGEST_NUMBER, LONGEST_TEXT, MOST_LABELS

TRANSPOSE = "order of the labels: A_ji"
LABELS = "write labels: A_ij x_j"
NUMBER = "an index is no number here"

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
    ("sin x", r"write brackets: sin\(x\)"),
    ("exp x_i", r"write brackets: exp\(x\)"),
    ("ln x", r"write brackets: ln\(x\)"),
    ("sin^2(x)", r"sin\(x\)\^2"),
    ("sin²(x)", r"sin\(x\)\^2"),
    ("det A", r"write brackets: det\(x\)"),
    ("max_i x_i", "write brackets"),
    ("sinx", r"sin\(x\)"),
    ("a logx", r"log\(x\)"),
    *[(text, "sign of a sum: Σ_i x_i") for text in ("sum_i x_i^2", "sum_ij A_ij", "sum x_i")],
    ("prod_i x_i", "prod"),
    ("Π_i x_i", "prod"),
    ("∏_i x_i", "prod"),
    ("delta_ij A_ij", "δ_ij"),
    ("eps_ijk a_j b_k", "as an operand"),
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
    ("Σ_k a_k x^k", "upper indices"),
    ("x_i x^i", "upper indices"),
    ("g_ij x^i x^j", "upper indices"),
    ("x_i^i", "upper indices"),
    ("A^i_j", "indices below"),
    ("x^n_i", r"x_i\^n"),
    ("T^{ij}_k", "all labels stand in one place"),
    ("i x_i", NUMBER),
    ("cos(k x_k)", NUMBER),
    ("Σ_k cos(2 k) x_k", NUMBER),
    ("f_k = k", NUMBER),
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
    ("Σ_{i=1}^{n} x_i", "count from 0"),
    ("Σ_{i<j} A_ij", r"Σ_ij \[i < j\]"),
    ("x_{(i+k)%n} w_k", "remainder with deltas"),
    ("d_i = f_{i+1} - f_i", "a range on the left"),
    # numbers that are none
    ("1e999 x", "write ∞"),
    ("1e-999 x", "write ∞ or 0"),
    ("e + e^x", r"write exp\(x\)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "action"), REFUSED, ids=[text for text, _ in REFUSED])
def test_what_is_likely_to_mean_something_else_is_refused(text, action):
    with pytest.raises(SubscriptsError) as error:
        ed.parse(text)
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
    ],
)
def test_what_is_clear_is_answered(text, given, printed):
    tensor = ed.parse(text, **given)
    assert str(tensor) == printed
    assert ed.parse(printed, **given) == tensor


def test_operands_with_axes_are_no_scalars():
    A, x = np.ones((3, 3)), np.ones(3)
    for text in ("A x", "a x", "x^T A x"):
        operands = {name: A if name in "Aa" else x for name in set(text) & set("Aax")}
        with pytest.raises(SubscriptsError):
            ed.parse(text, **operands)
    assert float(np.asarray(ed.parse("A b", A=2.0, b=3.0))) == 6.0


def test_rules_of_the_library_are_not_doubted():
    assert read("x^T A x", {}, {}, doubts=False).node.shape == ()


def test_a_doubt_needs_no_text():
    def fail(headline, columns, action):
        raise KeyError(headline, list(columns))

    doubts = Doubts((), (), (), fail, bool, bool)
    with pytest.raises(KeyError, match="'sin' is a function"):
        doubts.check(ed.notation.index.parse_index("2 sin x"))


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
    shapes = {v.name: v for v in tensor.formula.arguments if v.derivative is None}
    again = read(str(tensor), shapes, {})
    assert again.node.shape == tensor.shape, (text, str(tensor))


@pytest.mark.parametrize(
    "text", ["x_{-1}", "x_{i-1}", "x_{2i-1} y_i", "x_{i-k} w_k", "Σ_i x_{2i} x_i"]
)
def test_indices_that_leave_their_axis_are_refused_whatever_its_size(text):
    with pytest.raises(SubscriptsError):
        ed.parse(text)
