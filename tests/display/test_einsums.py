"""Einsum strings are Python: run, they give the expression that they were made of."""

from __future__ import annotations

import math
from contextlib import suppress
from fractions import Fraction
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings

import einsdiff as ed
from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import Variable, constant, variable, zero
from einsdiff.algebra.nodes.nodes import call, einsum
from einsdiff.display.einsums import format_einsum
from einsdiff.display.index.lettering import Heading, Letters
from einsdiff.expressions.formula import Formula, symbol
from tests.catalogue_rows import ROWS, called
from tests.display.index.test_printer import LETTERS, POOL, SHAPES, expressions, normal
from tests.strategies import einsums
from tests.test_catalogue import symbols_of

#: What may stand in the text: the functions of einsdiff, and nothing of Python's own.
KNOWN = MappingProxyType(
    {name: getattr(ed, name) for name in dir(ed) if not name.startswith("_")}
    | {"ed": ed, "np": np, "Fraction": Fraction, "inf": math.inf, "nan": math.nan}
    | {"complex": complex, "__builtins__": {}}
)


def text_of(tensor: ed.Tensor) -> str:
    formula = tensor.formula
    return format_einsum(formula.normal_form, formula.heading.letters, formula.letters)


def run_text(text: str, tensors: dict[str, ed.Tensor]) -> ed.Tensor:
    """Run the text; this is for texts made here, of names made here."""
    return ed.einsum("...->...", eval(text, {**KNOWN, **tensors}))


def variables_in(tensor: ed.Tensor) -> dict[str, ed.Tensor]:
    nodes = [node for node in topological([tensor.expr]) if isinstance(node, Variable)]
    bases = [node.derivative[0] if node.derivative else node for node in nodes]
    return {v.name: ed.Tensor(symbol(v.name, v.shape, v.symmetric, v.of), {}) for v in bases}


# --- all of the catalogue ---------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_text_gives_the_expression(row):
    f = called(row.build, symbols_of(row))
    for tensor in (f, ed.grad(f, wrt=row.wrt), ed.grad(f, wrt=row.wrt, order=2)):
        text = text_of(tensor)
        again = run_text(text, variables_in(tensor))
        assert again.shape == tensor.shape
        assert again.formula.normal_form is tensor.formula.normal_form, text


# --- what single things look like -------------------------------------------------------------


def written(f: ed.Tensor) -> str:
    """Write a tensor, and check that the text gives it back."""
    text = text_of(f)
    again = run_text(text, variables_in(f))
    assert again.formula.normal_form is f.formula.normal_form, text
    return text


A, B, x, y, s = ed.tensors(A="mn", B="nn", x="n", y="m", s="")
T = ed.tensor("T", (4, 6))


@pytest.mark.parametrize(
    "subscripts",
    ["ij,j->i", "i,ij->j", "ij->ji", "ij->i", "ij,ij->", "i,j->ij", "j->jj", "kl,l->k", "αβ,β->α"],
)
def test_an_einsum_is_written_as_it_was_typed(subscripts):
    operands = [A if len(term) == 2 else x for term in subscripts.split("->")[0].split(",")]
    if subscripts == "i,ij->j":
        operands[0] = y
    f = ed.einsum(subscripts, *operands)
    names = ", ".join("A" if t is A else "y" if t is y else "x" for t in operands)
    assert written(f) == f'einsum("{subscripts}", {names})'


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (x, "x"),
        (-x, "-x"),
        (2 * x, "2 * x"),
        (x / 2, "x / 2"),
        (-2 * x / 5, "-2 * x / 5"),
        (0.5 * x, "0.5 * x"),
        ((1 + 2j) * x, "(1+2j) * x"),
        (float("inf") * x, "inf * x"),
        (s * x, "s * x"),
        (x / s, "x / s"),
        (3 * x / (2 * s**2), "3 * x / s**2 / 2"),
        (1 / x, "1 / x"),
        (x + 1, "x + 1"),
        (1 - x, "1 - x"),
        (x + Fraction(1, 2), "x + Fraction(1, 2)"),
        (x + s, "x + s"),
        (x**2, "x**2"),
        (x**0.5, "x**0.5"),
        (x ** Fraction(3, 2), "x**Fraction(3, 2)"),
        (ed.sqrt(x), "sqrt(x)"),
        (1 / ed.sqrt(x), "1 / sqrt(x)"),
        (2**x, "2**x"),
        (x**s, "x**s"),
        (x**20, "x**20"),
        (ed.einsum("i,i->", x, x), 'einsum("i,i->", x, x)'),
        (ed.einsum("i,i,i->", x, x, x), 'einsum("i->", x**3)'),
        (y - A @ x, 'y - einsum("ij,j->i", A, x)'),
        (
            ed.einsum("i,ij->j", y - ed.einsum("ij,j->i", A, x), A),
            'einsum("i,ij->j", y - einsum("ij,j->i", A, x), A)',
        ),
        (ed.exp(A @ x), 'exp(einsum("ij,j->i", A, x))'),
        (ed.einsum("q->iiq", x, i=2), 'einsum("q->iiq", x, i=2)'),
        (ed.einsum("i->ij", x, sizes={"j": "k"}), 'einsum("i->ij", x, sizes={"j": "k"})'),
        (ed.einsum("->ii", 1, i=3), 'einsum("->ii", 1, i=3)'),
        (ed.einsum("->i", s, i=3), 'einsum("->i", s, i=3)'),
        (0 * x, 'einsum("->i", 0, sizes={"i": "n"})'),
        (0 * s, "0"),
        (ed.inv(B), "inv(B)"),
        (ed.det(B), "det(B)"),
        (ed.solve(B, x), "solve(B, x)"),
        (ed.max(A), "max(A)"),
        (ed.max(A, axis=1), "max(A, axis=-1)"),
        (ed.softmax(A), "softmax(A)"),
        (ed.softmax(A, axis=-1), "softmax(A, axis=-1)"),
        (ed.logsumexp(A, axis=0), 'logsumexp(einsum("ji->ij", A), axis=-1)'),
        (ed.where(x > 0, x, 0), "where(x > 0, x, 0)"),
        (np.equal(x, 0), "np.equal(x, 0)"),
        (ed.abs(x), "abs(x)"),
        (ed.slogdet(B)[0], "slogdet(B)[0]"),
        (ed.eigh(B)[1], "eigh(B)[1]"),
        (ed.mean(x), 'einsum("i->", x) / einsum("i->", einsum("->i", 1, sizes={"i": "n"}))'),
        (T[1], "T[1]"),
        (T[:, 1], "T[:, 1]"),
        (T[1, 2] ** 2, "T[1, 2]**2"),
        (T[1:3], "T[1:3]"),
        (T[1:], "T[1:]"),
        (T[::2], "T[:3:2]"),
    ],
    ids=str,
)
def test_expressions_are_written(f, text):
    assert written(f) == text


def test_derivatives_of_products_read_from_index_notation():
    f = ed.grad(ed.prod(x), wrt="x")
    assert written(f) == 'parse("f_p = others(a0)_p", a0=x)'


def test_functions_have_a_prefix_where_variables_have_their_names():
    exp = ed.tensor("exp", "n")
    assert written(ed.exp(exp)) == "ed.exp(exp)"
    assert written(2 * exp) == "2 * exp"


def test_labels_of_several_letters_become_single_ones():
    f = ed.parse("A_{i1,i2} x_{i2,}")
    assert written(f) == 'einsum("ij,j->i", A, x)'


def test_long_shared_expressions_are_summarised():
    f = x
    for _ in range(40):
        f = f + ed.exp(f) * f
    assert text_of(f).startswith("[an expression of ")


def test_long_chains_are_written():
    f = x
    for _ in range(3000):
        f = ed.tanh(f)
    assert text_of(f) == "tanh(" * 3000 + "x" + ")" * 3000


@pytest.mark.parametrize("exponent", [-1, -2, Fraction(-1, 2), -0.5])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_powers_of_zero_that_have_no_value_are_no_divisions(shape, exponent):
    nothing = call(FUNCTIONS["power"], [zero(shape), constant(exponent)])
    f = einsum([nothing, variable("x", (3,))], ["i" * len(shape), "i"], "i")
    text = format_einsum(normal(f), ("i",), Letters())
    assert text.startswith("power(0, -")
    assert run_text(text, {"x": ed.tensor("x", (3,))}).formula.normal_form is normal(f)


def test_texts_are_quoted():
    node = variable('x"]\\', (2,))
    text = format_einsum(einsum([node], ["i"], "ij", {"j": 'n"\n'}), ("i", "j"), Letters())
    assert text.endswith('sizes={"j": "n\\"\\n"})')


# --- random expressions -----------------------------------------------------------------------

VARIABLES = {v.name: v for v in (*POOL, *POOL[-2].of) if v.derivative is None}


@settings(max_examples=300, deadline=None)
@given(SHAPES.flatmap(expressions))
def test_random_expressions_are_run(node):
    node = normal(node)
    text = format_einsum(node, tuple("ijk"[: len(node.shape)]), LETTERS)
    if len(text) < 2000:
        f = ed.Tensor(formula_of(node), {})
        again = run_text(text, variables_in(f))
        assert again.shape == node.shape
        if not f.formula.named_sizes:  # whose numbers nobody knows
            with suppress(ed.OperandError):  # nowhere finite
                assert ed.equal(again, f), text


def formula_of(node):
    letters = tuple("ijk"[: len(node.shape)])
    arguments = tuple(VARIABLES.values())
    return Formula(node, Heading("f", letters), LETTERS, arguments)


@settings(max_examples=200, deadline=None)
@given(einsums(dtypes=["int64", "float64"]))  # products of complex numbers have signed zeros
def test_random_einsums_are_run(case):
    f = ed.einsum(case.subscripts, *case.operands, sizes=case.broadcast)
    again = run_text(text_of(f), variables_in(f))
    assert again.formula.normal_form is f.formula.normal_form
