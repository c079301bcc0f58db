"""Matrix notation becomes trees, and what is no notation is refused where it stands."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einsdiff.errors import SubscriptsError
from einsdiff.notation.evidence import is_matrix_notation
from einsdiff.notation.matrix_lexer import tokens_of
from einsdiff.notation.matrix_parser import parse_matrix
from einsdiff.notation.matrix_trees import MatrixHeading, MatrixTree, spine, upward
from einsdiff.notation.trees import DEEPEST

FUNCTIONS = frozenset(("sin", "cos", "exp", "log"))


def tree(op, *args, value=None):
    return MatrixTree(op, args, value)


def name(text):
    return tree("name", value=text)


def number(value):
    return tree("number", value=value)


def times(left, right, sign=""):
    return tree("product", left, right, value=sign)


def call(function, *args):
    return tree("call", *args, value=function)


A, B, x, y = map(name, "ABxy")
turned = tree("transpose", x)


def read(text, names=frozenset()):
    return parse_matrix(text, frozenset(names), FUNCTIONS).right


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x' A x", times(times(turned, A), x)),
        ("x'*A", times(turned, A, "*")),
        ("xᵀ", turned), ("x.T", turned), ("x^T", turned), ("x^{T}", turned), ("x^⊤", turned),
        ("x'", turned), ("x.'", turned),
        ("A^-T", tree("transpose", tree("power", A, number(-1)))),
        ("A⁻ᵀ", tree("transpose", tree("power", A, number(-1)))),
        ("A²", tree("power", A, number(2))),
        ("A⁻¹²", tree("power", A, number(-12))),
        ("A x ⊙ y", tree("hadamard", times(A, x), y)),
        ("A (x ⊙ y)", times(A, tree("hadamard", x, y))),
        ("x .* y", tree("hadamard", x, y)),
        ("x ./ y", tree("quotient", x, y)),
        ("A .^ 2", tree("entrypower", A, number(2))),
        ("-x + y", tree("sum", x, y, value=(-1, 1))),
        ("1/2 x", times(number(Fraction(1, 2)), x)),
        ("x / 2 y", times(tree("over", x, number(2)), y)),
        ("2x", times(number(2), x)),
        ("2.*x", tree("hadamard", number(2), x)),
        ("-3", number(-3)),
        ("e^-x", tree("exponential", tree("sum", x, value=(-1,)))),
        ("e^{x y}", tree("exponential", times(x, y))),
        ("2^x^y", tree("power", number(2), tree("power", x, y))),
        ("‖x‖", tree("norm", x, value="")), ("||x||", tree("norm", x, value="")),
        ("‖x‖_1", tree("norm", x, value="1")), ("‖A‖_{F}", tree("norm", A, value="F")),
        ("‖x‖₂", tree("norm", x, value="2")),
        ("|x| |y|", times(tree("bars", x, value=""), tree("bars", y, value=""))),
        ("|x||y|", times(tree("bars", x, value=""), tree("bars", y, value=""))),
        ("2 ‖|x| y‖", times(number(2), tree(
            "norm", times(tree("bars", x, value=""), y), value=""))),
        ("sin x", call("sin", x)),
        ("sin x'", call("sin", turned)),
        ("log det A", call("log", call("det", A))),
        ("sin^2(x)", tree("power", call("sin", x), number(2))),
        ("sin(x)^2", tree("power", call("sin", x), number(2))),
        ("sin x cos y", times(call("sin", x), call("cos", y))),
        ("<x, y>", tree("inner", x, y)), ("⟨x, y⟩", tree("inner", x, y)),
        ("[x; y]", tree("down", x, y)), ("[A, B]", tree("across", A, B)),
        ("[[x, y], [y, x]]", tree("down", tree("across", x, y), tree("across", y, x))),
        ("[x > 2]", tree("compare", x, number(2), value=">")),
        ("I", tree("eye", value=())), ("I_n", tree("eye", value=("n",))),
        ("I_{batch}", tree("eye", value=("batch",))), ("eye(3)", tree("eye", value=(3,))),
        ("I(3)", tree("eye", value=(3,))),
        ("e_12", tree("unit", value=(12,))), ("K_mn", tree("commutation", value=("m", "n"))),
        ("K_{3,n}", tree("commutation", value=(3, "n"))), ("𝐈_n", tree("eye", value=("n",))),
        ("𝟏_n", tree("ones", value=("n",))), ("ones(n)", tree("ones", value=("n",))),
        ("x_0 x'", times(tree("entry", x, value=0), turned)),
        ("x_1' x_2", times(tree("transpose", name("x_1")), name("x_2"))),
        ("(∂x/∂z)", tree("partial", value=("x", ("z",)))),
        ("√x", call("sqrt", x)),
        ("(1+2j) x", times(number(1 + 2j), x)),
    ],
)  # fmt: skip
def test_trees(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("AB", "", ["AB"]),
        ("AB", "AB", ["A", "B"]),
        ("Φθ", "", ["Φ", "θ"]),
        ("λI", "", ["λ", "I"]),
        ("Δx", "", ["Δx"]),
        ("θ1", "", ["θ1"]),
        ("x1 loss", "", ["x1", "loss"]),
        ("loss", ("loss",), ["loss"]),
    ],
)
def test_glued_names(text, names, expected):
    found = tokens_of(text, frozenset(names))
    assert [token.text for token in found[:-1]] == expected


def test_operands_are_called_what_they_are_called():
    assert read("e^x", "e").op == "power"
    assert read("I x", "I") == times(name("I"), x)
    assert read("sin x", ("sin",)) == times(name("sin"), x)
    assert read("x_0 x", ("x", "x_0")) == times(name("x_0"), x)


def test_places_are_kept():
    whole = read("A (x + y)'")
    assert [(part.start, part.end) for part in whole.args] == [(0, 1), (2, 10)]
    assert [part.op for part in upward(whole)] == ["name"] * 3 + ["sum", "transpose", "product"]


def test_rows_of_mixed_products_are_marked():
    mixed = read("A * x .* y")
    assert [part.op for part in spine(mixed)] == ["hadamard", "product"]
    assert not list(spine(read("A x .* y")))
    assert not list(spine(read("(A * x) .* y")))


@pytest.mark.parametrize(
    ("text", "left", "layout", "order"),
    [
        ("x", None, "", "C"),
        ("f = x", MatrixHeading(("f", False)), "", "C"),
        ("∂f/∂x = x", MatrixHeading(("f", False), (("x", False),)), "", "C"),
        ("∂vec(f)/∂vec(A) = x  (numerator layout, vec order F)",
         MatrixHeading(("f", True), (("A", True),)), "numerator", "F"),
        ("∂²f/∂x∂y = x  (Hessian, vec order C)",
         MatrixHeading(("f", False), (("x", False), ("y", False))), "Hessian", "C"),
        ("∂²f/∂x² = x", MatrixHeading(("f", False), (("x", False),) * 2), "", "C"),
        ("∂f/∂A = x  (in the shape of A, vec order F)",
         MatrixHeading(("f", False), (("A", False),)), "shape", "F"),
        ("∂vec(∂f/∂A)/∂vec(B) = x  (denominator layout, vec order C)",
         MatrixHeading(("f", True), (("A", False), ("B", True))), "denominator", "C"),
        ("f = x  (vec order F)", MatrixHeading(("f", False)), "", "F"),
    ],
)  # fmt: skip
def test_left_hand_sides_and_notes(text, left, layout, order):
    found = parse_matrix(text)
    assert (found.left, found.layout, found.order) == (left, layout, order)
    assert found.right == x


@pytest.mark.parametrize(
    ("text", "carets", "message"),
    [
        ("A +", "   ^", "something is missing"),
        ("A )", "  ^", r"'\)' cannot stand here"),
        ("2 3 x", "^^^", "two numbers stand side by side"),
        ("A^", "  ^", "something is missing"),
        ("‖x‖_ y", "   ^", "a subscript is missing"),
        ("x ! y", "  ^", "'!' cannot stand here"),
        ("A_ij x", "^^^^", "has labels"),
        ("K_n x", "^^^", "has not two sizes"),
        ("e_n x", "^^^", "has not a number"),
        ("sin", "^^^", "'sin' has no argument"),
        ("sin x y", "^^^^^^^", "not clear where"),
        ("f(x) y", "^", "there is no function 'f'"),
        ("1/2x", "  ^^", "not clear what is divided by"),
        ("x' Ax", "   ^^", "'Ax' is one name, but 'x' is one too"),
        ("A x = y", "^^^^", "this left-hand side cannot be read"),
        ("∂ x", "^", "'∂' cannot stand here"),
        ("x $", "  ^", "cannot stand here"),
    ],
)
def test_what_cannot_be_read_is_refused_where_it_stands(text, carets, message):
    with pytest.raises(SubscriptsError, match=message) as caught:
        read(text)
    shown = str(caught.value).splitlines()
    assert shown[2] == f"    {text}"
    assert shown[3] == f"    {carets}"


def test_depth_and_length_are_limited():
    deep = "(" * DEEPEST + "x" + ")" * DEEPEST
    assert read(deep) == x
    for text in (f"({deep})", "sin " * 200 + "x", "2^" * 200 + "2", "‖(" * 200):
        with pytest.raises(SubscriptsError, match="too deep"):
            read(text)
    with pytest.raises(SubscriptsError, match="characters"):
        read("x + " * 100_000 + "x")


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(
    [*"AxyeIKT12'ᵀ²⁻⁺^{}()[],;|‖<>=+-*/·⊙⊘⊗_ ", "||", ".*", ".T", "sin", "tr", "I_n", "e_0",
     "∂x/∂z", "𝟏", "f = ", "  (numerator layout, vec order C)", "ones", "eye"]
), max_size=12))  # fmt: skip
def test_any_text_is_read_or_refused(parts):
    text = "".join(parts)
    with suppress(SubscriptsError):
        assert isinstance(read(text), MatrixTree)


@pytest.mark.parametrize(
    "text",
    [
        "x' A x", "A @ x", "‖x‖", "tr(A B)", "x .* y", "X⁻¹ y", "A^T A", "I_n + A'", "e_0' x",
        "∂f/∂A = Aᵀ  (in the shape of A)", "A x", "A*exp(x)", "log det X", "X^-1", "Φ θ", "A + λ I",
        "sum(log(exp(X w) + 1))", "log(det(inv(X)))", "|X| x", "y - A x", "2 (A + B)x", "c A",
        "tanh(A x)", "A·x", "ones(n)", "<x, y>", "[a; b]", "(A + B) (x - y)", "R^{T} R",
    ],
)  # fmt: skip
def test_matrix_notation_is_told_from_index_notation(text):
    assert is_matrix_notation(text, {})


@pytest.mark.parametrize(
    "text",
    [
        "A_ij x_j", "ij,jk->ik", "x^2 + 1", "sin(x)", "Σ_i x_i", "inv(A)_ij", "[x_i > 0] x_i",
        "(K^-1)_ij y_j", "x⁻²", "2 sin(x + 1)", "x^t y", "λ (x_i x_i + 1)", "A_ij^-1", "X",
    ],
)  # fmt: skip
def test_index_notation_is_told_from_matrix_notation(text):
    assert not is_matrix_notation(text, {})


def test_operands_tell_which_notation_is_meant():
    assert is_matrix_notation("sin(w_out)", {"w_out": 1})
    assert not is_matrix_notation("f_ijk = mine(x)_ijk", {"x": 1})
    assert not is_matrix_notation("log(det(X))", {"X": 2})
    assert is_matrix_notation("a x", {"a": 2})
    assert not is_matrix_notation("A x", {"A": 0, "x": 0})
    assert not is_matrix_notation("x^T A", {"T": 0, "A": 0})


@pytest.mark.parametrize("text", ["x'[0]", "(A x)[0]", "A[1:3] x"])
def test_entries_as_in_python_are_no_blocks(text):
    with pytest.raises(SubscriptsError):
        parse_matrix(text)
    parse_matrix("A [b; c] + 2*[b; c]")


@pytest.mark.parametrize("word", ["Tr", "Det", "Exp", "NORM", "Diag"])
def test_functions_in_capitals_are_no_matrices(word):
    for text in (f"{word}(A X)", f"2 {word} (A)"):
        with pytest.raises(SubscriptsError, match=f"write {word.lower()}"):
            parse_matrix(text, functions={"exp"})
    parse_matrix(f"{word} A", names={word, "A"})


def test_marks_alone_are_no_names():
    with pytest.raises(SubscriptsError, match="cannot stand here"):
        parse_matrix("x^T A \u0301x")
