"""What a terminal and a notebook show of a tensor by itself: never too much, and never an error."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import einsdiff as ed
from einsdiff.algebra.nodes.function_records import FUNCTIONS
from einsdiff.expressions import notations
from einsdiff.expressions.notations import MOST_LINES, MOST_TEXT
from einsdiff.notation.trees import Apply, Product, Sum, Symbol
from tests.catalogue_rows import ROWS
from tests.display.expressions import derivatives, expressions
from tests.test_catalogue import arrays_of, derivative, symbols_of, tensors_of

often = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


class Tags(HTMLParser):
    """Reads HTML whose tags are all closed in order, and keeps its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=False)
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        assert not re.search("[<>&]", data)
        self.text += data

    def handle_entityref(self, name):
        self.text += unescape(f"&{name};")

    def handle_charref(self, name):
        self.text += unescape(f"&#{name};")


def letters(text: str) -> str:
    """Leave the signs out that HTML writes in another way."""
    return re.sub(r"[\s_^{}(),]", "", text)


@pytest.mark.parametrize("row", ROWS, ids=str)
@pytest.mark.parametrize("kind", ["symbols", "arrays"])
def test_html_is_well_formed_and_says_what_the_text_says(row, kind):
    is_symbolic = kind == "symbols" or row.of
    operands = symbols_of(row) if is_symbolic else tensors_of(row, arrays_of(row))
    J = derivative(row, "build", operands)
    html = Tags(J._repr_html_())
    if len(str(J)) <= MOST_TEXT:
        assert letters(str(J)) in letters(html.text)
        last = J.explain()[-1]
        assert letters(last.after) in letters(html.text)
    for part in (J.explain(), J.cases() if row.id != "D13" else J, J.table("reverse")):
        Tags(part._repr_html_())


@given(expressions())
@often
def test_random_expressions_are_shown(tensor):
    Tags(tensor._repr_html_())
    assert tensor._repr_latex_().startswith("$")
    assert len(repr(tensor).splitlines()) <= MOST_LINES


@given(derivatives())
@often
def test_random_derivatives_are_shown(tensor):
    Tags(tensor._repr_html_())
    assert tensor._repr_latex_().startswith("$")
    assert len(repr(tensor).splitlines()) <= MOST_LINES


def deep(count: int) -> ed.Tensor:
    y = ed.tensor("x", (3,))
    for k in range(count):
        y = ed.sin(y) + k * y
    return y


@pytest.mark.parametrize("tensor", [deep(10_000), ed.grad(deep(1000), wrt="x")], ids=str)
def test_large_expressions_are_summarised(tensor):
    assert re.search(
        r"\[an expression of \d+ nodes, about 10\^\d+ when written out\]", repr(tensor)
    )
    assert "an expression of" in Tags(tensor._repr_html_()).text
    assert len(tensor._repr_latex_()) < 1000


def test_nothing_large_is_computed():
    J = ed.grad("A_ij x_j", wrt="A", A=np.ones((400, 400)), x=np.ones(400))
    assert "64000000 entries, not computed here" in J._repr_html_()
    f = ed.parse("f = Σ_j exp(x_i y_j) z_i", x=np.ones(10**5), y=np.ones(10**5), z=np.ones(10**5))
    assert "the limit is 64 MiB" in f._repr_html_()
    f = ed.grad("A_ij x_j", wrt="A", A=(10**5, 10**5))
    assert "shape (100000, 100000, 100000)" in Tags(f._repr_html_()).text


def test_what_cannot_be_computed_is_said_in_its_place():
    singular = ed.parse("inv(A_ij)_ij", A=np.zeros((2, 2)))
    assert "Singular matrix" in singular._repr_html_()

    def broken(x):
        raise TypeError

    f = ed.register("broken", broken, "1")
    try:
        assert "<pre>TypeError</pre>" in f(ed.tensor("x", np.ones(2)))._repr_html_()
    finally:
        del FUNCTIONS["broken"]


def test_a_preview_does_not_warn(recwarn):
    html = ed.grad("log(x_i)", wrt="x", x=np.array([0.0, np.nan]))._repr_html_()
    assert "inf" in html
    assert not recwarn


def test_long_expressions_are_cut_and_say_how_much():
    names = [f"a{k}" for k in range(400)]
    f = sum(ed.tensor(f"x{k}", 3) * ed.tensor(name, 3) for k, name in enumerate(names))
    assert repr(f).splitlines()[-1].startswith("[")
    assert "more lines; print(str(t)) shows all]" in repr(f)
    assert "more characters; str(t) shows all]" in Tags(f._repr_html_()).text
    assert all(len(line) <= 80 for line in repr(f).splitlines())


def test_long_derivations_are_not_folded_in():
    x = ed.tensor("x", 3)
    f = sum(ed.tensor(f"a{k}", 3) * x ** (k % 10 + 2) for k in range(600))
    html = ed.grad(f, wrt="x")._repr_html_()
    assert "long steps; print(t.explain()) shows all]" in html
    assert len(html) < 50_000


def test_the_matrix_form_of_what_is_long_is_not_looked_for():
    x = ed.tensor("x", 5)
    for k in range(10):
        x = ed.tanh(ed.tensor(f"W{k}", (5, 5)) @ x + ed.tensor(f"b{k}", 5))
    assert all(step.rule != "matrix" for step in ed.grad(x, wrt="x").explain())


def in_polish_notation(formula, *_):
    """Write what is applied before what it is applied to."""

    def written(tree):
        match tree:
            case Sum(terms):
                return f"(+ {' '.join('-' * (sign < 0) + written(term) for sign, term in terms)})"
            case Product(factors):
                return f"(* {' '.join(written(factor) for factor, _ in factors)})"
            case Apply(name=name, arguments=arguments):
                return f"({name} {' '.join(map(written, arguments))})"
            case Symbol(name, labels):
                return f"{name}[{' '.join(map(str, labels))}]" if labels else name
        return str(tree)

    return f"(= {written(formula.text.tree.left)} {written(formula.text.tree.right)})"


def test_a_notation_is_one_writer(monkeypatch):
    monkeypatch.setitem(notations.NOTATIONS, "polish", in_polish_notation)
    f = ed.parse("f_i = tanh(A_ij x_j) b_i - c_i")
    assert f.format("polish") == "(= f[i] (+ (* (tanh (* A[i j] x[j])) b[i]) -c[i]))"
    with pytest.raises(ed.OperandError, match="'index', 'matrix', 'einsum', 'polish'"):
        f.format("reverse polish")
