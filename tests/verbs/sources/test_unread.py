"""Texts in other languages, and in two notations at once: what the errors say to write is read."""

from __future__ import annotations

import re

import pytest

import einsdiff as ed
from einsdiff.notation.languages import LANGUAGES

ELSEWHERE = [
    ("Sum(x[i], (i, 1, n))", "SymPy", "Σ_{i=1}^n (x_i)"),
    ("Sum(A[i, j]*x[j], (j, 1, n))", "SymPy", "Σ_{j=1}^n (A_ij * x_j)"),
    ("diff(x**2, x)", "SymPy or Maple", "d/dx (x^2)"),
    ("diff(sin(x)**2, x, 2)", "SymPy", "d²/dx² (sin(x)^2)"),
    ("Derivative(x**2, x)", "SymPy", "d/dx (x^2)"),
    ("MatrixSymbol('A', n, n)", "SymPy", ""),
    ("Trace(A*B)", "SymPy", "tr(A * B)"),
    ("A(1,:)", "MATLAB", "A_0j"),
    ("A(2,3)*x(1)", "MATLAB", "A_{1,2} * x_0"),
    (r"A\b", "MATLAB", "inv(A) b"),
    (r"A \ (b + c)", "MATLAB", "inv(A) (b + c)"),
    ("x(1)", "MATLAB", "x_0"),
    ("norm(A, 'fro')", "MATLAB", "norm(A)"),
    ("norm(x, 1)", "MATLAB", "norm1(x)"),
    ("@(x) x'*A*x", "MATLAB", "x' * A * x"),
    ("x'*A*x;", "MATLAB", "x' * A * x"),
    ("D[x^2, x]", "Mathematica", "d/dx (x^2)"),
    ("D[x^2 Sin[x], {x, 2}]", "Mathematica", "d²/dx² (x^2 sin(x))"),
    ("Tr[A.B]", "Mathematica", "tr(A B)"),
    ("Sin[x]", "Mathematica", "sin(x)"),
    ("Transpose[A].x", "Mathematica", "A' x"),
    ("Sum[x[[i]]^2, {i, 1, n}]", "Mathematica", "Σ_{i=1}^n (x_i^2)"),
    ("np.dot(a, b)", "NumPy", "a · b"),
    ("np.sum(x**2)", "NumPy", "sum(x .^ 2)"),
    ("np.linalg.inv(A) @ x", "NumPy", "inv(A) @ x"),
    ("np.mean((y - X @ w)**2)", "NumPy", "mean((y - X @ w) .^ 2)"),
    ("torch.norm(A @ x - y)**2", "PyTorch", "norm(A @ x - y) .^ 2"),
    ("A.dot(x)", "Python", "A · x"),
    ("np.einsum('ij,j->i', A, x)", "a call of einsum", ""),
    ("lambda x: x**2", "Python", "x^2"),
    ("def f(x): return x**2", "Python", "x^2"),
    ("x -> x^2", "Julia", "x^2"),
    ("exp.(x)", "Julia", "exp(x)"),
    ("t(A) %*% x", "R", "A' x"),
    ("solve(A) %*% b", "R", "inv(A) b"),
    ("crossprod(A, b)", "R", "A' b"),
    ("sum(x[i]^2, i=1..n)", "Maple", "Σ_{i=1}^n (x_i^2)"),
    ("Transpose(A) . x", "Maple", "A' x"),
    ("x[0]**2 + x[1]", "Python", "x_0^2 + x_1"),
    ("A[0, :]", "Python", "A_0j"),
    ("A[i][j]", "Python", "A_ij"),
]


@pytest.mark.parametrize(("text", "title", "translation"), ELSEWHERE)
def test_a_language_is_named_with_what_to_write(text, title, translation):
    with pytest.raises(ed.SubscriptsError) as caught:
        ed.parse(text)
    page = caught.value.args[0]
    assert page.headline.startswith(f"this looks like {title}")
    assert page.carets
    if translation:
        assert page.action.startswith(f"write {translation}; ")
        ed.parse(translation)


def test_every_language_is_tried():
    tried = {title for _, title, _ in ELSEWHERE}
    for language in LANGUAGES:
        assert any(language.title.startswith(title) for title in tried), language.title


def test_what_is_not_read_is_not_said_to_be_written():
    with pytest.raises(ed.SubscriptsError) as caught:
        ed.parse("np.linalg.qr(A)[0]")
    assert caught.value.args[0].action.startswith("pass the function itself")


@pytest.mark.parametrize(
    ("text", "matrix", "index"),
    [
        ("x' A_ij x_j", "x' A x", "x_i A_ij x_j"),
        ("x_i ⊙ y_i", "x ⊙ y", "f_i = x_i y_i"),
        ("A_ij @ x_j", "A @ x", "A_ij x_j"),
        ("‖A_ij x_j‖", "‖A x‖", "sqrt("),
    ],
)
def test_two_notations_are_told_apart(text, matrix, index):
    with pytest.raises(ed.SubscriptsError, match="a sign of matrix notation stand") as caught:
        ed.parse(text)
    action = caught.value.args[0].action
    assert action.startswith(f"write {matrix} without labels, or {index}")
    assert ed.parse(matrix) is not None


def test_entries_of_other_languages_are_no_products():
    with pytest.raises(ed.SubscriptsError, match=r"'x\(2\)' is an entry elsewhere") as caught:
        ed.parse("x(2)", x=(3,))
    assert re.search(r"write x_1 for the entry.* x \* 2", caught.value.args[0].action)
    assert ed.parse("x (2)", x=(3,)).format("index") == "f_i = 2 x_i"


@pytest.mark.parametrize(
    "text", ["np.(" * 100, "x[" * 240, "D[" * 200 + "x", "Sum(" * 120, "A(:," * 99]
)
def test_long_texts_of_other_languages_are_refused_at_once(text):
    with pytest.raises(ed.EinsdiffError):
        ed.parse(text)
