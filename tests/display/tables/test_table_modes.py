"""Tables: their text fits, and their markup is escaped."""

from __future__ import annotations

import re

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.interning import variable
from einsdiff.algebra.nodes.nodes import call, einsum, scale
from einsdiff.display.html import formula_html
from einsdiff.display.index.lettering import Heading, Letters
from einsdiff.display.tables import modes as module
from einsdiff.display.tables import table
from einsdiff.display.tables.modes import forward_steps, reverse_steps
from einsdiff.display.tables.shape_tables import layouts_table
from einsdiff.display.tables.table import Block, Column, Table, formula_latex, width_of
from tests.catalogue_rows import ROWS
from tests.display import drawn
from tests.extras import katex_complaints
from tests.test_catalogue import arrays_of, derivative, symbols_of, tensors_of

KINDS = ("forward", "reverse", "shapes", "layouts")


def wide_table(text: str) -> Table:
    columns = (Column("step", "formula"), Column("value", "number"))
    return Table("title", columns, ((text, 1.0),), ((text, "1"),))


# --- text -------------------------------------------------------------------------------------


def test_wide_formulas_are_broken_between_words():
    text = " + ".join(f"a_{{i,k}} (b_j + c{k}_j)" for k in range(10))
    lines = str(wide_table(text)).splitlines()
    assert max(map(width_of, lines)) <= 80
    # No bracket is broken, and nothing is lost.
    assert all(line.count("(") == line.count(")") for line in lines)
    body = " ".join(line.removesuffix("  1").strip() for line in lines[4:])
    assert " ".join(body.split()) == text


def test_what_is_far_too_long_is_cut_and_says_so():
    text = " + ".join(f"x{k}" for k in range(1000))
    shown = str(wide_table(text))
    assert len(shown.splitlines()) <= 4 + table.MOST_LINES
    assert "more signs)" in shown


def test_columns_of_combining_signs_are_aligned():
    table = ed.grad("y sin(x + y)", wrt="y").table("reverse")
    lines = str(table).splitlines()[2:]
    assert {width_of(line[:12]) for line in lines} == {12}
    assert width_of("v̄1") == 2
    assert width_of("行") == 2


def test_matrices_stand_below_their_row():
    blocks = [(None, Block((("1", "2"),)))] * 4
    heading = Heading("f", (), (("x", ("p",)),))
    table = layouts_table("", heading, (2,), 1, blocks)
    assert "\n    [ 1  2 ]\n" in str(table)
    assert table.notes == ("With one axis on each side at most, both vec orders are the same.",)
    assert r"\begin{bmatrix} 1 & 2 \end{bmatrix}" in table.latex()
    assert "<pre" in table._repr_html_()


# --- data -------------------------------------------------------------------------------------


def test_a_table_is_its_rows():
    table = ed.grad("x^2", x=3.0, wrt="x").table()
    assert len(table) == 2
    assert [row[0] for row in table] == ["x", "f = x^2"]
    assert table[1] == ("f = x^2", 9.0, "∂f/∂x = 2 x", 6.0)
    assert [column.name for column in table.columns] == ["step", "value", "derivative", "its value"]


def test_a_column_is_added():
    table = ed.grad("x^2", wrt="x").table()
    more = table.with_column(Column("n", "number"), [1, 2])
    assert [row[-1] for row in more] == [1, 2]
    assert [row[-1] for row in more.cells] == ["1", "2"]
    assert more.columns[-1].name == "n"
    other = table.with_column(Column("n", "number"), [1, 2], ["one", "two"])
    assert str(other).endswith("two")
    assert len(table.columns) == 2


# --- markup -----------------------------------------------------------------------------------

EVIL = "<script>&amp;|$`*_x\\"


def test_markup_is_escaped():
    table = Table(EVIL, (Column(EVIL),), ((EVIL,),), ((EVIL,),), (EVIL,))
    html = table._repr_html_()
    assert "<script>" not in html
    assert html.count("&lt;script&gt;&amp;amp;|$`*_x\\") == 4
    assert "<script>" not in table.markdown()
    assert r"\|" in table.markdown()
    assert "<script>" not in formula_html(EVIL)


def test_formulas_have_indices_below_and_powers_above():
    assert formula_html("v2_ij") == "<i>v</i><sub>2,<i>ij</i></sub>"
    assert formula_html("x_0^2") == "<i>x</i><sub>0</sub><sup>2</sup>"
    assert formula_html("x^(1/2)") == "<i>x</i><sup>1/2</sup>"
    assert formula_html("sin(x)") == "sin(<i>x</i>)"
    assert formula_html("Σ_{i<3} A_{i+1,j}") == (
        "<i>Σ</i><sub><i>i</i>&lt;3</sub> <i>A</i><sub><i>i</i>+1,<i>j</i></sub>"
    )
    assert formula_html("if p = q", is_prose=True) == "if <i>p</i> = <i>q</i>"


def test_marked_cells_are_marked_everywhere():
    table = ed.grad("A_ij x_j", wrt="A").table("shapes")
    assert table.marked == {(1, 3)}
    assert "▸ (m,n,p)" in str(table)
    assert r"\boxed{" in table.latex()
    assert "box-shadow" in table._repr_html_()
    assert "| **(m,n,p)" in table.markdown()


def test_markdown_is_a_table():
    lines = ed.grad("y sin(x + y)", x=2.0, y=1.0, wrt="y").table("reverse").markdown().splitlines()
    assert lines[0] == "**∂f/∂y in reverse mode, from f to y; v̄ stands for ∂f/∂v**"
    assert lines[2] == "| step | value | adjoint | its value |"
    assert lines[4] == r"| $f = y v_{2}$ | 0.1411 | $\bar{f} = 1$ | 1 |"
    assert lines[8] == r"| $y$ | 1 | $\bar{y} = \bar{v}_{1} + \bar{f} v_{2}$ | -0.8489 |"


def test_what_is_no_index_notation_is_text():
    assert formula_latex("= (") == r"\text{= (}"


def test_katex_takes_the_tables_of_the_catalogue():
    texts = []
    for row in ROWS:
        found = [derivative(row, "build", symbols_of(row))]
        if not row.of:
            found.append(derivative(row, "build", tensors_of(row, arrays_of(row))))
        texts += [J.table(kind).latex() for J in found for kind in KINDS]
    assert [c for c in katex_complaints(texts) if c is not None] == []


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_tables_of_the_catalogue_fit(row):
    J = derivative(row, "build", symbols_of(row))
    for kind in KINDS:
        assert max(map(width_of, str(J.table(kind)).splitlines())) <= 80


# --- steps ------------------------------------------------------------------------------------


def steps_of(text: str) -> list[str]:
    """Return the definitions of the steps of a function of its first variable."""
    f = ed.parse(text).formula
    by = f.arguments[0]
    axes = tuple("pqrs"[: len(by.shape)])
    steps = forward_steps(f.expr, f.heading, f.letters, f.arguments, by, axes)
    return [step.definition for step in steps]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("log(x^2 + 1)", ["x", "v1 = x^2", "v2 = v1 + 1", "f = log(v2)"]),
        ("-2 x^2", ["x", "f = -2 x^2"]),
        ("exp(-x^2)", ["x", "v1 = -x^2", "f = exp(v1)"]),
        ("3 x", ["x", "f = 3 x"]),
        ("x", ["x", "f = x"]),
        ("sin(x) / (x + 1)", ["x", "v1 = sin(x)", "v2 = x + 1", "f = v1 / v2"]),
        ("sin(x) / x^2", ["x", "v1 = sin(x)", "f = v1 / x^2"]),
        ("exp(x) + exp(x)^2", ["x", "v1 = exp(x)", "v2 = v1^2", "f = v1 + v2"]),
        ("f_ij = tanh(A_ji)", ["A_ji", "f_ij = tanh(A_ji)"]),
        ("f_ij = A_jk A_ki", ["A_jk", "f_ij = A_jk A_ki"]),
    ],
)
def test_steps_are_operations(text, steps):
    assert steps_of(text) == steps


def test_names_of_steps_are_those_of_no_variable():
    assert steps_of("sin(v1 + w)^2")[2:] == ["w1 = v1 + w", "w2 = sin(w1)", "f = w2^2"]
    every = " + ".join(f"sin({letter}1)" for letter in "vwuzsh")
    assert "v0_1 = sin(v1)" in steps_of(every)


def test_bars_do_not_meet_names_of_variables():
    x, bar = variable("x", ()), variable("x̄", ())
    f = einsum([x, bar], ["", ""], "")
    steps = reverse_steps(f, Heading("f", ()), Letters(), [x, bar])
    rules = [step.rule for step in steps]
    assert len({rule.split(" = ")[0] for rule in rules}) == 3
    assert not any(rule.startswith("x̄ = ") for rule in rules)


def test_a_long_chain_is_refused_without_recursion():
    node = variable("x", ())
    for _ in range(10_000):
        node = call(FUNCTIONS["sin"], [node])
    x = variable("x", ())
    with pytest.raises(ed.SizeError, match="10000 steps"):
        forward_steps(node, Heading("f", ()), Letters(), [x], x, ())
    with pytest.raises(ed.SizeError, match="10000 steps"):
        reverse_steps(node, Heading("f", ()), Letters(), [x])


def test_the_most_steps_are_made():
    x = node = variable("x", ("n",))
    for _ in range(module.MOST_STEPS):
        node = call(FUNCTIONS["sin"], [node])
    steps = forward_steps(scale(2, node), Heading("f", ("i",)), Letters(), [x], x, ("p",))
    assert len(steps) == 1 + module.MOST_STEPS
    assert steps[-1].rule.endswith("∂v199_i/∂x_p")


# --- functions of others, and numbers ---------------------------------------------------------


@pytest.mark.parametrize("wrt", ["x", "A", "z"])
@pytest.mark.parametrize(
    "text",
    ["A_ij ∂x_j/∂z_p", "A_ij ∂x_j/∂z_p x_i", "A_ij exp(∂²x_j/∂z_p∂z_q) z_q", "∂x_j/∂z_p A_jj"],
)
def test_reverse_mode_of_derivatives_of_unspecified_functions(text, wrt):
    table = ed.grad(text, wrt=wrt).table("reverse")
    assert table[-1][0].startswith(wrt)
    assert table.latex()
    assert table.markdown()


@pytest.mark.parametrize("seed", range(30))
def test_tables_of_drawn_tensors_end_with_the_derivative(seed):
    rng = np.random.default_rng([11, seed])
    sizes = drawn.SIZES[rng.integers(len(drawn.SIZES))]
    given = drawn.arrays(rng, sizes)
    t = drawn.tensor(rng, sizes, depth=3, values=given)
    if not t.names:
        return
    name = str(rng.choice(sorted(t.names)))
    try:
        J = ed.grad(t, wrt=name)
    except ed.EinsdiffError:  # a function that is not differentiable
        return
    values = [J.table("forward")[-1][-1]]
    values += [
        row[-1] for row in J.table("reverse") if re.match(rf"{name}\b(?!\w)|{name}_", row[0])
    ]
    expected = np.asarray(J)
    for value in values:
        if isinstance(value, np.ndarray | float | int):  # others are constants, or large
            np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-8)
