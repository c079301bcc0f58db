"""LaTeX says what index notation says, and KaTeX and matplotlib take it."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.nodes.function_records import FAMILIES, FUNCTIONS
from einsdiff.display.index.index_text import equation, format_heading, write
from einsdiff.display.index.latex import (
    MOST_EXPANSIONS,
    aligned,
    index_latex,
    index_terms,
    latex_width,
    wrapped,
)
from einsdiff.display.index.latex_names import latex_indices, latex_name, latex_number, latex_text
from einsdiff.display.index.lettering import Heading
from einsdiff.display.index.printer import format_index
from einsdiff.notation.index_parser import parse_index
from einsdiff.notation.trees import Affine, Product, Sum, Summary
from tests.catalogue_rows import ROWS, called
from tests.display.index.test_printer import LETTERS, SHAPES, expressions, normal
from tests.extras import katex_complaints, needs
from tests.test_catalogue import symbols_of


def latex(tensor: ed.Tensor) -> str:
    return index_latex(tensor.formula.text, [v.name for v in tensor.formula.arguments])


@cache
def catalogue_latex() -> tuple[tuple[str, str], ...]:
    """List every formula of the catalogue: the function, its first and its second derivative."""
    found = []
    for row in ROWS:
        f = called(row.build, symbols_of(row))
        for order in range(3):
            tensor = f if order == 0 else ed.grad(f, wrt=row.wrt, order=order)
            found.append((f"{row}, order {order}", latex(tensor)))
    return tuple(found)


def accepted_by_katex(formulas: list[str]) -> None:
    complaints = zip(formulas, katex_complaints(formulas), strict=True)
    assert [(formula, said) for formula, said in complaints if said is not None] == []


def accepted_by_matplotlib(formulas: list[str]) -> None:
    needs("matplotlib")
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("path")
    for formula in formulas:
        parser.parse(f"${formula}$")


# --- all of the catalogue ---------------------------------------------------------------------


def test_katex_takes_every_formula_of_the_catalogue():
    formulas = [formula for _, formula in catalogue_latex()]
    accepted_by_katex(formulas)
    accepted_by_katex([aligned([("f", formula)]) for formula in formulas])


def test_matplotlib_takes_every_formula_of_the_catalogue():
    accepted_by_matplotlib([formula for _, formula in catalogue_latex()])


def test_katex_and_matplotlib_take_every_function_of_the_table():
    names = sorted({*FUNCTIONS, *FAMILIES} - {"power"})
    formulas = []
    for name in names:
        entry = FUNCTIONS.get(name)
        count = len(entry.ranks) if entry is not None else 1
        labels = "" if entry is not None and not entry.cores[1] else "_ij"
        for arguments in ("xyz"[:count], [f"{v} / 2 + 1" for v in "xyz"[:count]]):
            formulas.append(index_latex(f"{name}({', '.join(arguments)}){labels}^2"))
    accepted_by_katex(formulas)
    accepted_by_matplotlib(formulas)
    assert len(set(formulas)) == 2 * len(names)


def test_formulas_of_the_catalogue_differ_as_their_texts_do():
    by_latex: dict[str, set[str]] = {}
    for row in ROWS:
        f = called(row.build, symbols_of(row))
        for tensor in (f, ed.grad(f, wrt=row.wrt)):
            by_latex.setdefault(latex(tensor), set()).add(str(tensor))
    assert {text: texts for text, texts in by_latex.items() if len(texts) > 1} == {}


# --- what single things look like -------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("∂f_i/∂A_pq = δ_ip x_q", r"\frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q"),
        ("∂²f/∂x_p∂x_q = 0", r"\frac{\partial^2 f}{\partial x_p \, \partial x_q} = 0"),
        ("∂²f/∂t∂t = 2", r"\frac{\partial^2 f}{\partial t^2} = 2"),
        ("∂³f/∂t∂x∂t", r"\frac{\partial^3 f}{\partial t^2 \, \partial x}"),
        ("Σ_j A_ij", r"\sum_j A_{ij}"),
        ("2 Σ_{i<3,j<n} δ_{i+1,j}", r"2 \sum_{i<3,j<n} \delta_{i+1,j}"),
        ("x_i^2 + x^n + x^10", r"x_i^2 + x^n + x^{10}"),
        ("x_i^(3/2) + (1 + x)^(n + 1)", r"x_i^{3/2} + (1 + x)^{n + 1}"),
        ("x^-2 + x^-n", r"x^{-2} + x^{-n}"),
        ("(x^2)^n (f / g)^2", r"(x^2)^n \left( \frac{f}{g} \right)^2"),
        ("1 / x_i", r"\frac{1}{x_i}"),
        ("x / y / z", r"\frac{x}{y z}"),
        ("1/2 x_i", r"\frac{1}{2} x_i"),
        ("1/2 δ_ip / sqrt(x_i)", r"\frac{\delta_{ip}}{2 \sqrt{x_i}}"),
        ("(x + 1) / (y - 1)", r"\frac{x + 1}{y - 1}"),
        ("2 (x + 1) y / N", r"\frac{2}{N} (x + 1)\, y"),
        ("1 / N Σ_i x_i", r"\frac{1}{N} \sum_i x_i"),
        ("f ∂g/∂x / g^2", r"\frac{f}{g^2} \frac{\partial g}{\partial x}"),
        ("x / (1 / y + 1)", r"\frac{x}{\left( \frac{1}{y} + 1 \right)}"),
        ("sqrt(x / y)", r"\sqrt{\frac{x}{y}}"),
        ("abs(x_i) + abs(-x)^2", r"\left|{x_i}\right| + \left|{-x}\right|^2"),
        ("floor(x) ceil(y)", r"\left\lfloor{x}\right\rfloor \left\lceil{y}\right\rceil"),
        ("exp(x_i / y)", r"\exp\left( \frac{x_i}{y} \right)"),
        ("exp(x)^2 sin(x)^2", r"\exp(x)^2 \sin^2(x)"),
        ("sin(x / y)^2", r"\sin^2\left( \frac{x}{y} \right)"),
        ("relu(x_i + 1)", r"\operatorname{relu}(x_i + 1)"),
        ("log1p(x) cbrt(y)", r"\log(1 + x)\, \sqrt[3]{y}"),
        ("[x_i > 0] [y ≥ 1] [{i} ≥ {j+1}]", r"[x_i > 0]\, [y \geq 1]\, [i \geq j+1]"),
        ("[x / y = 0]", r"\left[ \frac{x}{y} = 0 \right]"),
        ("greater(1, 2)", r"[{1} >{2}]"),
        ("inv(X)_ij b_j", r"(X^{-1})_{ij} b_j"),
        ("inv(X_ij + Y_ij)_kl", r"((X_{ij} + Y_{ij})^{-1})_{kl}"),
        ("inv_kl(A_lk)_ij", r"((A_{lk})_{kl}^{-1})_{ij}"),
        ("solve(X, b)_i", r"(X^{-1} b)_i"),
        ("expm(X)_ij", r"(e^{X})_{ij}"),
        ("logdet(X) det(X)", r"\log\det(X) \det(X)"),
        ("max_{i<3}(x_i)", r"\max_{i<3}(x_i)"),
        ("softmax(x)_i", r"\operatorname{softmax}(x)_i"),
        ("where(c, x, 0)", r"\operatorname{where}(c, x, 0)"),
        ("A_ip (x_p + 1) y", r"A_{ip} (x_p + 1)\, y"),
        ("A_ip (x_p + 1)^2", r"A_{ip} (x_p + 1)^2"),
        ("(A_ii) (B_ii)", r"(A_{ii}) (B_{ii})"),
        ("(x^9) y ((x + 1) z)", r"x^9 y (x + 1)\, z"),
        ("x_0 x_{i+1} A_{0,i-1}", r"x_0 x_{i+1} A_{0,i-1}"),
        ("2 3^x", r"2 \cdot 3^x"),
        ("-x_i - 2 y_i", r"-x_i - 2 y_i"),
        ("-(x - y)", r"-(x - y)"),
        ("(1+2j) x", r"(1 + 2\mathrm{i})\, x"),
        ("1e-06 x + 2.5e20^n", r"10^{-6} x + (2.5 \cdot 10^{20})^n"),
        ("∞ nan", r"\infty \mathrm{nan}"),
        ("loss x", r"\mathrm{loss}\, x"),
    ],
)
def test_index_notation_in_latex(text, expected):
    found = index_latex(text)
    assert found == expected
    accepted_by_matplotlib([found])


def test_names_with_underscores_are_known_by_their_variables():
    assert index_latex("f = w_h x_1_{ij}", ["x_1"]) == r"f = w_h (x_{1})_{ij}"
    assert index_latex("f = w_h", ["w_h"]) == r"f = w_{h}"


def test_ranges_on_the_left_are_accepted():
    formulas = [latex(ed.tensor("w", 4)[:-1]), index_latex("x_1_{i<n_1,j} = a_i", ["x_1", "n_1"])]
    assert all("<" in formula for formula in formulas)
    accepted_by_katex(formulas)
    accepted_by_matplotlib(formulas)


def test_two_things_do_not_look_the_same():
    assert index_latex("x_1 + x1", ["x1"]) == r"x_1 + \text{x1}"
    assert index_latex("theta + θ", ["theta"]) == r"\text{theta} + \theta"


def test_summaries_are_text():
    summary = write(Summary("[an expression of 30 nodes, 9000 when written out]"))
    left = format_heading(Heading("f", (), (("x", ("p",)),)))
    assert index_latex(equation(left, summary)) == (
        rf"\frac{{\partial f}}{{\partial x_p}} = \text{{{summary}}}"
    )
    assert index_latex(summary) == rf"\text{{{summary}}}"


def test_what_is_nested_too_deeply_to_be_read_is_summarised():
    x = ed.tensor("x", ("n",))
    f = x
    for _ in range(1000):
        f = ed.tanh(f)
    expected = r"f_i = \text{[an expression of 1000 brackets in each other]}"
    assert latex(f) == expected
    accepted_by_katex([expected])


def test_long_formulas_do_without_fine_spacing():
    text = " + ".join(["sin(x) relu(x) x"] * (MOST_EXPANSIONS // 2))
    found = index_latex(text)
    assert r"\mathrm{relu}" in found
    accepted_by_katex([found, aligned([("f", wrapped(index_terms(text)[1]))])])


# --- names and numbers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("A", "A"),
        ("θ", r"\theta"),
        ("theta", r"\theta"),
        ("Φ", r"\Phi"),
        ("x_1", "x_{1}"),
        ("x12", "x_{12}"),
        ("θ_0", r"\theta_{0}"),
        ("loss", r"\mathrm{loss}"),
        ("W_hidden", r"W_{\mathrm{hidden}}"),
        ("a_1_2", "a_{1,2}"),
        ("_a", r"\text{\_a}"),
        ("a__b", r"\text{a\_\_b}"),
        ("été", r"\text{été}"),
        ("ж", r"\text{ж}"),
        ("ש", r"\text{U+05E9}"),
    ],
)
def test_names(name, expected):
    assert latex_name(name) == expected
    accepted_by_katex([latex_name(name), latex_indices([name, "j", Affine(((1, name),), 1)])])


EVIL = [r"\input{x}", "a}$b", "%x", "#1", "x^2~y", "a&b", "{", "</script>", "\\", "\n", "'\""]


@pytest.mark.parametrize("text", EVIL)
def test_any_text_is_escaped(text):
    for found in (latex_text(text), latex_name(text)):
        accepted_by_katex([found, f"x_{{{found}}} + 1"])
        assert "\\input" not in found


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=8), min_size=20, max_size=20))
def test_random_text_is_escaped(texts):
    accepted_by_katex([latex_text(text) for text in texts] + [latex_name(text) for text in texts])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, "3"),
        (-2, "-2"),
        (Fraction(1, 2), r"\frac{1}{2}"),
        (Fraction(-3, 2), r"-\frac{3}{2}"),
        (0.5, "0.5"),
        (1e-06, "10^{-6}"),
        (-1e-06, "-10^{-6}"),
        (1.5e300, r"1.5 \cdot 10^{300}"),
        (float("inf"), r"\infty"),
        (float("-inf"), r"-\infty"),
        (float("nan"), r"\mathrm{nan}"),
        (1 - 2j, r"(1 - 2\mathrm{i})"),
        (0.5j, r"(0 + 0.5\mathrm{i})"),
    ],
)
def test_numbers(value, expected):
    assert latex_number(value) == expected
    accepted_by_katex([expected])
    accepted_by_matplotlib([expected])


def test_indices():
    assert latex_indices(["i", "j"]) == "ij"
    assert latex_indices(["μ", "ν", "i"]) == r"\mu\nu i"
    assert latex_indices(["i", Affine((), 0)]) == "i0"
    assert latex_indices(["i10", "j"]) == "i_{10},j"
    assert latex_indices([Affine(((1, "i"), (-2, "j")), -1), "k"]) == "i-2j-1,k"


# --- lines ------------------------------------------------------------------------------------


def test_lines_are_aligned():
    text = aligned([("f", "a"), ("", ("b", "+ c", "- d")), ("g", "e")])
    assert text == (
        "\\begin{aligned}\n"
        "f &= a \\\\\n&= b \\\\\n&\\qquad {}+ c \\\\\n&\\qquad {}- d \\\\\ng &= e\n"
        "\\end{aligned}"
    )
    accepted_by_katex([text])


def test_sums_are_broken_between_terms():
    left, terms = index_terms("f_i = " + " + ".join(f"x_i^{k}" for k in range(2, 60)))
    lines = wrapped(terms, 40)
    assert left == "f_i"
    assert all(latex_width(line) <= 40 for line in lines)
    assert len(lines) > 1
    assert " ".join(lines) == "".join(terms)
    accepted_by_matplotlib(list(lines))
    accepted_by_katex([aligned([(left, lines)])])


def test_a_fraction_is_as_wide_as_its_wider_part():
    assert latex_width(r"\frac{a + b}{c}") == latex_width("a + b") == 3
    assert latex_width(r"\frac{\frac{a}{b + c}}{x_{ij}}") == 3
    assert latex_width(r"\left( \mathrm{loss}^{2} \right)") == 7


# --- random expressions -----------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.lists(SHAPES.flatmap(expressions), min_size=10, max_size=10))
def test_random_expressions_are_accepted(nodes):
    texts = []
    for node in nodes:
        text = format_index(normal(node), tuple("ijk"[: len(node.shape)]), LETTERS)
        if len(text) < 2000:
            texts.append(index_latex(text, LETTERS.of))
    accepted_by_katex(texts)
    accepted_by_matplotlib(texts)


@settings(max_examples=200, deadline=None)
@given(SHAPES.flatmap(expressions))
def test_terms_are_those_of_the_text(node):
    text = format_index(normal(node), tuple("ijk"[: len(node.shape)]), LETTERS)
    if len(text) < 2000:
        tree = parse_index(text, [*LETTERS.of, "log_softmax"])
        count = len(tree.terms) if isinstance(tree, Sum) else 1
        left, terms = index_terms(text, LETTERS.of)
        assert (left, len(terms)) == ("", count)
        assert isinstance(tree, Product | Sum) or count == 1
