"""What is a matrix, a column, a row or a number follows from operands, what fits, and letters."""

from __future__ import annotations

import pytest

from einsdiff.algebra.reading.matrix_kinds import C, M, R, S, kinds_of
from einsdiff.algebra.reading.matrix_reading import functions_of_matrices
from einsdiff.errors import ShapeError
from einsdiff.notation.matrix_parser import parse_matrix


def kinds(text, **known):
    tree = parse_matrix(text, frozenset(known), functions_of_matrices()).right
    found = kinds_of(text, tree, known)
    return found.of[id(tree)], found.names


@pytest.mark.parametrize(
    ("text", "whole", "names"),
    [
        # By convention.
        ("x' A x", S, {"x": C, "A": M}),
        ("λ A", M, {"λ": S, "A": M}),
        ("theta' A", R, {"theta": C, "A": M}),
        ("θᵀ θ + α", S, {"θ": C, "α": S}),
        ("μ' Σ⁻¹ μ + ‖β‖²", S, {"μ": C, "Sigma": M, "β": C}),
        ("loss' loss", S, {"loss": C}),
        ("x' A", R, {"x": C, "A": M}),
        ("A + σ² I", M, {"A": M, "σ": S}),
        ("σ(A x)", C, {"A": M, "x": C}),
        # By what fits.
        ("y - Φ θ", C, {"y": C, "Φ": M, "θ": C}),
        ("(x - μ)' Σ^-1 (x - μ)", S, {"x": C, "μ": C, "Sigma": M}),
        ("1/N sum(x)", S, {"N": S, "x": C}),
        ("X^n", M, {"X": M, "n": S}),
        ("x' x / m", S, {"x": C, "m": S}),
        ("A x + b", C, {"A": M, "x": C, "b": C}),
        ("w' x + b", S, {"w": C, "x": C, "b": S}),
        ("(1 - t) A + t B", None, None),
        ("(1 - s) A", M, {"s": S, "A": M}),
        ("A diag(x) B", M, {"A": M, "x": C, "B": M}),
        ("x' diag(A)", S, {"x": C, "A": M}),
        # Letters a to g are numbers where columns cannot be multiplied.
        ("c x", C, {"c": S, "x": C}),
        ("x c", C, {"x": C, "c": S}),
        ("a b", S, {"a": S, "b": S}),
        ("c1 x + c2 y", C, {"c1": S, "x": C, "c2": S, "y": C}),
        ("a' X^-1 b", S, {"a": C, "X": M, "b": C}),
        ("a^b", S, {"a": S, "b": S}),
        # Numbers that are written are added to vectors.
        ("exp(X w) + 1", C, {"X": M, "w": C}),
        ("1 - x'", R, {"x": C}),
        # Functions.
        ("max(A x)", S, {"A": M, "x": C}),
        ("softmax(A x)", C, {"A": M, "x": C}),
        ("cumsum(x')", R, {"x": C}),
        ("solve(A, b)", C, {"A": M, "b": C}),
        ("vec(X)' vec(Y)", S, {"X": M, "Y": M}),
        ("x ⊗ y'", M, {"x": C, "y": C}),
        ("[x; y]", C, {"x": C, "y": C}),
        ("[A, x]", M, {"A": M, "x": C}),
    ],
)  # fmt: skip
def test_kinds(text, whole, names):
    if whole is None:
        with pytest.raises(ShapeError, match=r"say what|added"):
            kinds(text)
    else:
        found = kinds(text)
        assert found == (whole, names)


def test_what_is_known_comes_first():
    assert kinds("A x", A=S)[0] == C
    assert kinds("A x", x=M)[0] == M
    assert kinds("t A", t=S)[0] == M
    assert kinds("x A", x=M)[0] == M


@pytest.mark.parametrize(
    ("text", "known", "message"),
    [
        ("A + c", {"A": M, "c": S}, "a matrix and a number are added"),
        ("c + A", {"A": M, "c": S}, "a number and a matrix are added"),
        ("x + y + A", {"x": C, "A": M}, "a column and a matrix are added"),
        ("x x", {"x": C}, "a column stands before a column"),
        ("A x'", {"x": C, "A": M}, "a matrix stands before a row"),
        ("det(x)", {"x": C}, "'det' is taken of a column"),
        ("x^2", {"x": C}, "a column is raised to a power"),
        ("A^x", {"A": M, "x": C}, "the exponent is a column"),
        ("A / x", {"A": M, "x": C}, "a matrix is divided by a column"),
        ("maximum(A, x)", {"A": M, "x": C}, "'maximum' is taken of a matrix and a column"),
        ("sin(x, y)", {}, "'sin' cannot have 2 arguments"),
        ("[A > x]", {"A": M, "x": C}, "a matrix and a column do not fit"),
        ("A * x .* y", {}, "products of matrices and entry by entry stand side by side"),
    ],
)
def test_what_does_not_fit_is_refused(text, known, message):
    with pytest.raises(ShapeError, match=message):
        kinds(text, **known)


def test_a_number_beside_other_products_is_not_mixed():
    assert kinds("2 * x .* y * 3")[0] == C
    assert kinds("c * x .* y", c=S)[0] == C


def test_many_names_are_decided_in_a_short_time():
    text = " + ".join(f"x{k}' y{k}" for k in range(3000))
    assert len(kinds(text)[1]) == 6000
