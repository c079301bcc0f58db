"""Index notation is read as people write it, and errors point at the place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einsdiff.errors import SubscriptsError
from einsdiff.notation.index_parser import parse_equation, parse_index
from einsdiff.notation.lexer import is_index_notation
from einsdiff.notation.trees import (
    Affine,
    Apply,
    Compare,
    Literal,
    Over,
    Partial,
    Power,
    Product,
    Sum,
    Symbol,
    in_bracket,
    in_product,
)

A = Symbol("A", ("i", "j"))
x, y = Symbol("x", ("i",)), Symbol("y", ("i",))


def product(*factors):
    return Product(tuple((f, 1) if not isinstance(f, tuple) else f for f in factors))


def plus(index, offset):
    return Affine(((1, index),), offset)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("A_ij", A),
        ("A_{ij}", A),
        ("A_{i,j}", A),
        ("A_{ i , j }", A),
        ("A_0i", Symbol("A", (Affine((), 0), "i"))),
        ("A_{0,i}", Symbol("A", (Affine((), 0), "i"))),
        ("A_{10}", Symbol("A", (Affine((), 10),))),
        ("A_10", Symbol("A", (Affine((), 1), Affine((), 0)))),
        ("A_{i1,i2}", Symbol("A", ("i1", "i2"))),
        ("A_{i1,}", Symbol("A", ("i1",))),
        ("x_{i+1}", Symbol("x", (plus("i", 1),))),
        ("x_{i+0}", Symbol("x", (plus("i", 0),))),
        ("x_{3-i}", Symbol("x", (Affine(((-1, "i"),), 3),))),
        ("X_{2i+k-1,j}", Symbol("X", (Affine(((2, "i"), (1, "k")), -1), "j"))),
        ("δ_{i+1,p}", Symbol("δ", (plus("i", 1), "p"))),
        ("θ", Symbol("θ", ())),
        ("x̂_i", Symbol("x̂", ("i",))),
        ("x_train_{ij}", Symbol("x_train", ("i", "j"))),
        ("2", Literal(2)),
        ("1e-3", Literal(0.001)),
        (".5", Literal(0.5)),
        ("∞", Literal(float("inf"))),
        ("(1+2j)", Literal(1 + 2j)),
        ("(0-2j)", Literal(complex(0, -2))),
        ("(1 + ∞j)", Literal(complex(1, float("inf")))),
        ("2 A_ij x_i", product(Literal(2), A, x)),
        ("2A_ij * x_i", product(Literal(2), A, x)),
        ("A_ij · x_i", product(A, x)),
        ("x_i / y_i / 2", product(x, (y, -1), (Literal(2), -1))),
        ("x_i - y_i", Sum(((1, x), (-1, y)))),
        ("x_i − y_i", Sum(((1, x), (-1, y)))),
        ("-x_i", Sum(((-1, x),))),
        ("(x_i)", Sum(((1, x),))),
        ("x_i^2", Power(x, Literal(2))),
        ("x_i**2", Power(x, Literal(2))),
        ("x_i²", Power(x, Literal(2))),
        ("x_i^-2", Power(x, Literal(-2))),
        ("x_i^-n", Power(x, product(Literal(-1), Symbol("n")))),
        ("x_i^(1/2)", Power(x, Sum(((1, product(Literal(1), (Literal(2), -1))),)))),
        ("x_i^n (y_i)", product(Power(x, Symbol("n")), Sum(((1, y),)))),
        ("Σ_j A_ij", Over(("j",), (None,), A)),
        (
            "2 Σ_{j<3} A_ij / 2",
            product(Literal(2), Over(("j",), (3,), product(A, (Literal(2), -1)))),
        ),
        ("Σ_{i<n,j<3} A_ij", Over(("i", "j"), ("n", 3), A)),
        ("sin(x_i)", Apply(Symbol("sin"), (x,))),
        ("exp(1+2j)", Apply(Symbol("exp"), (Literal(1 + 2j),))),
        ("max(x_i, y_i)", Apply(Symbol("max"), (x, y))),
        ("softmax(A_ij)_ij", Apply(Symbol("softmax"), (A,), ("i", "j"))),
        ("inv(X)_{0,j}", Apply(Symbol("inv"), (Symbol("X"),), (Affine((), 0), "j"))),
        (
            "solve_{kl;l}(A, b)_i",
            Apply(
                Symbol("solve"),
                (Symbol("A"), Symbol("b")),
                ("i",),
                ((("k", None), ("l", None)), (("l", None),)),
            ),
        ),
        ("max_{i<3}(s)", Apply(Symbol("max"), (Symbol("s"),), None, ((("i", 3),),))),
        ("[x_i > 0]", Compare(">", x, Literal(0))),
        ("[x_i >= 0]", Compare(">=", x, Literal(0))),
        ("[x_i ≤ 0]", Compare("<=", x, Literal(0))),
        ("[x_i == y_i]", Compare("=", x, y)),
        ("[x_i ≠ y_i]", Compare("!=", x, y)),
        ("[{i+1} ≥ {j}]", Compare(">=", plus("i", 1), Affine(((1, "j"),)))),
        ("∂x_i/∂z_p", Partial(x, (Symbol("z", ("p",)),))),
        (
            "∂²x_i/∂z_p∂z_q ∂y_i/∂z_r",
            product(
                Partial(x, (Symbol("z", ("p",)), Symbol("z", ("q",)))),
                Partial(y, (Symbol("z", ("r",)),)),
            ),
        ),
    ],
)
def test_what_the_grammar_reads(text, tree):
    assert parse_index(text) == tree


def test_nan_is_a_number_unless_it_is_a_name():
    (literal, _), _ = parse_index("nan x_i").factors
    assert literal.value != literal.value
    assert parse_index("nan", names=["nan"]) == Symbol("nan")


@pytest.mark.parametrize(
    ("text", "names", "symbol"),
    [
        ("x_train_ij", ["x_train"], Symbol("x_train", ("i", "j"))),
        ("learning_rate", ["learning_rate"], Symbol("learning_rate")),
        ("x_i", ["x_i", "x"], Symbol("x_i")),
        ("x_{i}", ["x_i", "x"], Symbol("x", ("i",))),
        ("x_i", [], Symbol("x", ("i",))),
        ("_x_i", ["_x"], Symbol("_x", ("i",))),
    ],
)
def test_the_longest_name_that_is_known_is_read(text, names, symbol):
    assert parse_index(text, names) == symbol


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("f_i = x_i", Symbol("f", ("i",))),
        ("f = 1", Symbol("f")),
        ("∂f_i/∂A_pq = 0", Partial(Symbol("f", ("i",)), (Symbol("A", ("p", "q")),))),
        ("∂²f/∂x_p∂x_q = 0", Partial(Symbol("f"), (Symbol("x", ("p",)), Symbol("x", ("q",))))),
        ("x_i", None),
        ("[x_i = 0]", None),
    ],
)
def test_left_hand_sides(text, left):
    assert parse_equation(text).left == left


@pytest.mark.parametrize(
    ("text", "headline", "caret"),
    [
        ("", "the expression ends too early", 0),
        ("1 +", "the expression ends too early", 3),
        ("x_i $", r"'\$' cannot stand here", 4),
        ("/ 2", "'/' cannot stand here", 0),
        ("(x_i", r"'\)' is missing", 4),
        ("x_i)", "the expression should end here", 3),
        ("A_", "a label is missing", 2),
        ("A_{", "'}' is missing", 2),
        ("A_{}", "a label is missing", 2),
        ("A_i'", '"\'" cannot stand here', 3),
        ("x_{i+}", r"'i\+' is no index", 3),
        ("A_{0i}", "'0i' is no index", 3),
        ("A_{ij+1}", r"'ij\+1' is no index", 3),
        ("A_{i<3}", "these are no labels of A", 0),
        ("_x", "'_x' is no name", 0),
        ("x^y^z", "a power of a power needs brackets", 3),
        ("1 / Σ_i x_i", "a sum after '/' needs brackets", 4),
        ("Σ x_i", "Σ needs the labels to sum over", 0),
        ("Σ_ii x_i", "Σ needs the labels to sum over", 0),
        ("2 Σ_i", "there is nothing to sum", 5),
        ("δ_i", "δ needs two labels", 0),
        ("(x)_i", "labels stand after a bracket", 3),
        ("[x]", "the comparison is missing", 2),
        ("[{i,j} > 0]", "one index is expected", 1),
        ("∂x", "the denominator is missing", 2),
        ("∂²f/∂x_p", "'∂' is missing", 8),
        ("∂1", "a name is missing", 1),
        ("max_{i;j;k}(x)", "these labels do not fit the arguments", 0),
        ("f(x)_{}", "a label is missing", 5),
        ("x_i = 1", "the expression should end here", 4),
        ("1" * 5000, "a number is too long", 0),
    ],
)
def test_errors_point_at_the_place(text, headline, caret):
    with pytest.raises(SubscriptsError, match=headline) as error:
        parse_index(text)
    if text:
        line = next(
            line for line in str(error.value).splitlines() if line.strip("^ ") == "" != line
        )
        assert line.index("^") - 4 == caret


@pytest.mark.parametrize(
    ("text", "headline"),
    [("2 x = 1", "the left-hand side is no name"), ("a = b = c", "should end here")],
)
def test_errors_of_the_left_hand_side(text, headline):
    with pytest.raises(SubscriptsError, match=headline):
        parse_equation(text)


@pytest.mark.parametrize("opening", ["(", "sin(", "[", "x^("])
def test_brackets_may_be_nested_but_not_too_deeply(opening):
    closing = {"(": ")", "[": " > 0]"}[opening[-1]]
    for depth, is_read in ((100, True), (10_000, False)):
        text = opening * depth + "x" + closing * depth
        if is_read:
            parse_index(text)
        else:
            with pytest.raises(SubscriptsError, match="nested too deeply"):
                parse_index(text)


TOKENS = """x_i A_ij x_{i+1} δ_ij Σ_i Σ_{i<2} ( ) [ ] > = + - / ^ ^2 , 2 (1+2j) f( )_i ∂x_i/∂z_p
inv(X)_ij n nan ∞ _ { }"""


@settings(max_examples=500)
@given(
    st.one_of(
        st.text("xAf iδΣ∂²_^{}()[]+-*/=<>≥,;0123459.e∞j'"),
        st.lists(st.sampled_from(TOKENS.split()), max_size=12).map(" ".join),
    )
)
def test_any_text_is_read_or_refused(text):
    try:
        parse_equation(text)
    except SubscriptsError as error:
        assert "\n\n" in str(error), text  # noqa: PT017 - a page, with the text and what to do


@pytest.mark.parametrize(
    ("factors", "counts"),
    [
        ([{"i": 1}], {"i": 1}),
        ([{"i": 1, "j": 1}, {"j": 1}], {"i": 1, "j": 2}),
        ([{"i": 2}], {"i": 2}),
        ([{"i": 0}, {"i": 0}], {"i": 0}),
        ([{"i": 0}, {"i": 1}], {"i": 2}),
        ([{"i": 0}, {"i": 0}, {"i": 1}], {"i": 3}),
        ([], {}),
    ],
)
def test_labels_are_counted_in_products(factors, counts):
    assert in_product(factors) == counts


def test_labels_are_counted_in_brackets():
    assert in_bracket([{"i": 1, "j": 2}, {"i": 2, "k": 0}]) == {"i": 1, "j": 0, "k": 0}


@pytest.mark.parametrize(
    ("text", "has_operands", "expected"),
    [
        ("A_ij x_j", True, True),
        ("ij,j->i", True, False),
        ("ij,j->i", False, False),
        ("i j, j", True, False),
        ("...ij", True, False),
        ("ij", True, False),
        ("ij", False, True),
        ("x", False, True),
        ("2x", True, True),
        ("x - y", True, True),
        ("x−y", True, True),
        ("x->y", True, False),
        ("sin(x)", True, True),
        ("max(a, b)", True, True),
        ("[a > b]", True, True),
        ("δε,ε", True, False),
        ("f = x", True, True),
        ("", True, False),
    ],
)
def test_index_notation_is_told_from_einsum_strings(text, has_operands, expected):
    assert is_index_notation(text, has_operands) is expected
