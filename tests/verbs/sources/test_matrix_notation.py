"""Matrix notation as people type it, and as it is printed, means what it says."""

from __future__ import annotations

import sys
from contextlib import suppress

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.algebra.reading.matrix_reading import amounts_in
from einsdiff.notation.names import spelled_out
from einsdiff.verbs.sources.matrix_notation import read_matrix
from einsdiff.verbs.sources.source import Arguments
from tests.catalogue_rows import ROWS
from tests.matrix_rows import SIZES, SPELLINGS
from tests.test_catalogue import derivative, symbols_of


def read(text, /, *operands, **named):
    """Read a text in matrix notation, whatever else it may be."""
    return read_matrix(Arguments(text, operands, None, named, sys._getframe(1))).tensor


@pytest.mark.parametrize("row", SPELLINGS, ids=str)
def test_value_is_that_of_numpy(row):
    arrays = row.arrays()
    sizes = {
        name: n for name, n in SIZES.items() if name in amounts_in(row.text, frozenset()).sizes
    }
    found = np.asarray(read(row.text, **arrays, **sizes))
    expected = row.expected(arrays)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("row", SPELLINGS, ids=str)
def test_derivatives_are_those_of_differences(row):
    arrays = row.arrays()
    sizes = {
        name: n for name, n in SIZES.items() if name in amounts_in(row.text, frozenset()).sizes
    }
    f = read(row.text, **arrays, **sizes)
    for name in arrays:
        assert ed.check(f, wrt=name).ok  # Σ is called Sigma


@pytest.mark.parametrize("row", [row for row in SPELLINGS if row.named], ids=str)
def test_sizes_are_named(row):
    arrays = row.arrays()
    f = read(row.text, **row.shapes)
    given = {spelled_out(name): array for name, array in arrays.items()}
    np.testing.assert_allclose(np.asarray(f(**given)), row.expected(arrays), rtol=1e-10)


def test_kinds_and_sizes_follow_from_what_fits():
    f = read("‖y - Φ θ‖²")
    assert {v.name: v.shape for v in f.formula.arguments} == {
        "y": ("m",), "Φ": ("m", "n"), "θ": ("n",)
    }  # fmt: skip
    assert read("c x").formula.by_name["c"].shape == ()
    assert read("c' x").formula.by_name["c"].shape == ("m",)
    assert read("A X B").shape == ("m", "l")
    assert read("x' A").shape == ("n",)


def test_operands_are_found_by_name_and_by_order():
    A, x = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    expected = A @ x
    for f in (read("A x", A, x), read("A x", A + 0, x + 0), read("Ax", A=A, x=x), read("Ax", A, x)):
        np.testing.assert_array_equal(np.asarray(f), expected)
    B = ed.tensor("B", A)
    np.testing.assert_array_equal(np.asarray(read("B x", B, x)), expected)
    np.testing.assert_array_equal(np.asarray(read("C' x", C=B.T, x=x)), expected)


def test_glued_names_are_one_name_unless_they_are_known():
    assert read("tr(AB)").names == ("AB",)
    assert set(read("tr(AB)", A="nn", B="nn").names) == {"A", "B"}
    assert set(read("λx").names) == {"λ", "x"}
    with pytest.raises(ed.SubscriptsError, match="'Ax' is one name, but 'x' is one too"):
        read("x' Ax")


def test_whole_numbers_are_exponents_and_sizes():
    X = np.array([[2.0, 1.0], [0.0, 3.0]])
    np.testing.assert_array_equal(np.asarray(read("X^n", X=X, n=3)), X @ X @ X)
    np.testing.assert_allclose(np.asarray(read("X^-n", X=X, n=1)), np.linalg.inv(X))
    np.testing.assert_array_equal(np.asarray(read("X + I_n", X=X, n=2)), X + np.eye(2))
    np.testing.assert_array_equal(np.asarray(read("X Xⁿ", X=X, n=2)), X @ X @ X)


def test_a_vec_of_named_sizes_keeps_its_axes():
    f = read("(A ⊗ B) vec(X)", A="mn", B="kl", X="nl")
    assert f.shape == ("m", "k")
    assert f.format("matrix") == "f = AXBᵀ"


@pytest.mark.parametrize(
    ("text", "named", "error", "message"),
    [
        ("A + 1", {}, ed.ShapeError, "(?s)a matrix and a number.*A \\+ c I .*A \\+ c 𝟏 𝟏'"),
        ("A + c", {"A": "nn", "c": ""}, ed.ShapeError, "a matrix and a number"),
        ("x + c", {"x": "n", "c": ""}, ed.ShapeError, "(?s)a column and a number.*x \\+ c 𝟏"),
        ("x^2", {"x": "n"}, ed.ShapeError, "(?s)a column is raised.*x .\\^ 2.*‖x‖\\^2"),
        ("x y", {"x": "n", "y": "n"}, ed.ShapeError, "(?s)a column stands before.*x' y.*x y'"),
        ("x A", {"x": "n", "A": "nn"}, ed.ShapeError, "(?s)a column stands before.*x' A"),
        ("x A", {}, ed.ShapeError, "(?s)a column stands before.*x=''"),
        ("t A", {}, ed.ShapeError, "(?s)a column stands before a matrix.*t=''"),
        ("A / B", {}, ed.ShapeError, "(?s)divided by a matrix.*inv\\(B\\)"),
        ("y / x", {"x": "n", "y": "n"}, ed.ShapeError, "(?s)divided by a column.*./"),
        ("tr(x)", {"x": "n"}, ed.ShapeError, "'tr' is taken of a column"),
        ("x + y'", {"x": "n", "y": "n"}, ed.ShapeError, "a column and a row are added"),
        ("A x", {"A": (2, 3), "x": (4,)}, ed.ShapeError, "'A' has 3 columns, but 'x' has 4 rows"),
        ("A + B", {"A": "mn", "B": "nm"}, ed.ShapeError, "'A' has m rows, but 'B' has n rows"),
        ("tr(A)", {"A": (2, 3)}, ed.ShapeError, "'A' has 2 rows and 3 columns"),
        ("A .* B * C", {}, ed.ShapeError, "(?s)side by side.*write brackets"),
        ("A_ij x", {}, ed.SubscriptsError, "'A_ij' has labels"),
        ("sin x y", {}, ed.SubscriptsError, r"(?s)not clear where.*sin\(x\) y or sin\(x y\)"),
        ("tr A B", {}, ed.SubscriptsError, "not clear where the argument of 'tr' ends"),
        ("1/2x", {}, ed.SubscriptsError, r"(?s)not clear what is divided by.*1/\(2 x\)"),
        ("sin^-1(x)", {}, ed.SubscriptsError, "a power of the function 'sin' is not clear"),
        ("f(x)' x", {}, ed.SubscriptsError, "there is no function 'f'"),
        ("softmax(A)", {"A": "nn"}, ed.ShapeError, "(?s)'softmax' is taken of a matrix.*each row"),
        ("norm2(A)", {"A": "nn"}, ed.ShapeError, "(?s)norm 2 of a matrix may be.*‖A‖_F"),
        ("sqrtm(A)", {}, ed.ShapeError, "there is no function 'sqrtm'"),
        ("X^n", {}, ed.ShapeError, "(?s)no whole number.*n=3"),
        ("X^1/2", {"X": "nn"}, None, ""),
        ("X^(1/2)", {"X": "nn"}, ed.ShapeError, "no whole number"),
        ("X**2", {"X": "nn"}, ed.ShapeError, r"(?s)'\*\*' is a power of each entry.*X .\^ 2"),
        ("A^T", {"A": "nn", "T": ""}, ed.SubscriptsError, "'T' is an operand, and the sign"),
        ("A +", {}, ed.SubscriptsError, "something is missing"),
        ("(A", {}, ed.SubscriptsError, r"'\)' is missing"),
        ("A)", {}, ed.SubscriptsError, r"'\)' cannot stand here"),
        ("‖x", {}, ed.SubscriptsError, "'‖' is missing"),
        ("𝟏' 𝟏", {}, ed.ShapeError, "(?s)the size of '𝟏' does not follow.*𝟏_n"),
        ("[x; y]", {"x": "n", "y": "m"}, ed.ShapeError, "sizes of blocks need to be numbers"),
        ("x_5 x'x", {"x": (3,)}, ed.ShapeError, "entry 5 is outside of 'x'"),
        ("T x", {"T": "nmk", "x": "k"}, ed.ShapeError, "'T' has 3 axes"),
        ("e^x", {"x": "n"}, ed.ShapeError, "(?s)e is raised to a column.*exp"),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_refused_with_what_to_write(text, named, error, message):
    if error is None:
        assert read(text, **named).shape == ("n", "n")
    else:
        with pytest.raises(error, match=message):
            read(text, **named)


def test_sizes_that_do_not_fit_are_shown():
    with pytest.raises(ed.ShapeError) as caught:
        read("x' A' y", A=(2, 3), x=(3,), y=(5,))
    assert str(caught.value).splitlines()[2:5] == [
        "    x' A' y",
        "    ^^^^^ ^",
        "    A: (2, 3)   x: (3,)   y: (5,)",
    ]


# --- what is printed --------------------------------------------------------------------------

PRINTED = [row for row in ROWS if row.build is not None]
NOTES = [
    {},
    {"layout": "numerator"},
    {"layout": "denominator"},
    {"layout": "numerator", "order": "F"},
]


@pytest.mark.parametrize("row", PRINTED, ids=str)
def test_what_is_printed_is_read(row):
    tensors = symbols_of(row)
    J = derivative(row, "build", tensors)
    for note in NOTES:
        text = J.format("matrix", **note)
        if "no matrix form" in text or text.partition("  (")[0].endswith("= 0"):
            continue
        there = amounts_in(text, frozenset(tensors)).names
        known = {name: t for name, t in tensors.items() if name in there}
        if "𝟏" in text or "⊗ vec" in text:  # what is not in the text: sizes of the function
            with suppress(ed.ShapeError):
                assert read(text, **known).shape in (J.shape, (36, 6), (6, 36))
            continue
        found = read(text, **known)
        assert found.shape == J.shape, text
        assert ed.equal(found, J), text


@pytest.mark.parametrize(
    "text",
    [
        "∂f/∂vec(A) = I_m ⊗ xᵀ  (numerator layout, vec order C)",
        "∂f/∂x = xᵀ (A + Aᵀ)  (numerator layout, vec order C)",
        "∂f/∂x = (A + Aᵀ) x  (denominator layout, vec order C)",
        "∂f/∂X = a bᵀ  (in the shape of X)",
        "∂²f/∂x∂x = A + Aᵀ  (Hessian, vec order C)",
        "∂vec(f)/∂vec(X) = -X⁻¹ ⊗ X⁻ᵀ  (numerator layout, vec order C)",
        "∂vec(f)/∂vec(X) = -X⁻ᵀ ⊗ X⁻¹  (numerator layout, vec order F)",
    ],
)
def test_headings_are_read_and_printed_again(text):
    layout = "denominator" if "denominator" in text else None
    order = "F" if "order F" in text else "C"
    assert read(text).format("matrix", layout=layout, order=order) == text


def test_a_zero_without_the_sizes_of_the_function_is_refused():
    with pytest.raises(ed.ShapeError, match="the sizes of 'f' do not follow"):
        read("∂vec(f)/∂x = 0  (numerator layout, vec order C)")
    assert read("∂f/∂x = 0  (numerator layout, vec order C)").shape == ("m",)


@pytest.mark.parametrize(
    ("text", "given", "headline"),
    [
        ("∂f/∂xX = 2 X  (in the shape of X)", {}, "'xX' is a column"),
        ("∂f/∂μ = diag(rᵀ 𝟏) μ - 2 rᵀx  (in the shape of μ)", {"x": (3,)}, "does not fit here"),
    ],
)
def test_left_hand_sides_that_do_not_fit_are_refused(text, given, headline):
    with pytest.raises(ed.ShapeError, match=headline):
        ed.parse(text, **given)


def test_blocks_without_sizes_say_how_to_give_them():
    with pytest.raises(ed.ShapeError, match="blocks need to be numbers") as caught:
        ed.parse("[A, b]")
    assert "such as A=(2, 2), b=(2,)" in str(caught.value)
    assert ed.parse("[A, b]", A=(2, 2), b=(2,)).shape == (2, 3)


@pytest.mark.parametrize(
    "text", ["∂f/∂X = A ⊗ B", "∂f/∂³ = Aᵀ Bᵀ  (in the shape of X)", "∂f/∂² = x³"]
)
def test_left_hand_sides_of_other_axes_and_without_names_are_refused(text):
    with pytest.raises(ed.EinsdiffError):
        ed.parse(text, notation="matrix")
