"""What is printed reads back, in every notation: an equal expression, or a refusal; never another.

The expressions are those of `tests.display.matrix.test_reader`'s drawings, and texts that people
type; sizes are numbers or names.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.errors import EinsdiffError
from einsdiff.expressions.formula import symbol
from tests.catalogue_rows import ROWS, called
from tests.test_catalogue import derivative, symbols_of

LAYOUTS = [(layout, order) for layout in (None, "numerator", "denominator") for order in ("C", "F")]

#: What is drawn: vectors, matrices, and numbers, combined as matrix notation can say it.
SHAPES = {"x": (2,), "y": (2,), "z": (3,), "A": (2, 2), "B": (2, 2), "C": (2, 3), "c": ()}


@st.composite
def drawn(draw, shape=None, depth=3):
    """Tensors of shape (2,), (2, 2) or ()."""
    shape = draw(st.sampled_from([(), (2,), (2, 2)])) if shape is None else shape
    if not depth or draw(st.integers(0, 4)) == 0:
        name = draw(st.sampled_from([n for n, s in SHAPES.items() if s == shape]))
        return ed.tensor(name, SHAPES[name])

    def part(*inner):
        return draw(drawn(inner, depth - 1))

    if not shape:
        ways = [
            lambda: part(2) @ part(2),
            lambda: ed.trace(part(2, 2)),
            lambda: ed.norm(part(2)),
            lambda: part(2)[1],
            lambda: np.sum(part(2)),
            lambda: part() * part(),
        ]
    elif len(shape) == 1:
        ways = [
            lambda: part(2, 2) @ part(2),
            lambda: part(2) * part(2),
            lambda: part() * part(2),
            lambda: part(2) + part(2),
            lambda: np.exp(part(2)),
            lambda: np.sum(part(2, 2), axis=0),
            lambda: ed.tensor("C", (2, 3)) @ ed.tensor("z", (3,)),
            lambda: part(2) * 0 + part(),
        ]
    else:
        ways = [
            lambda: part(2, 2) @ part(2, 2),
            lambda: part(2, 2).T,
            lambda: part(2, 2) + part(2, 2),
            lambda: ed.diag(part(2)),
            lambda: ed.outer(part(2), part(2)),
            lambda: part(2, 2) * part(2, 2),
            lambda: ed.inv(part(2, 2)),
        ]
    return draw(st.sampled_from(ways))()


def operands(tensor):
    """Return the variables that stand in the text of a tensor, without values."""
    formula = tensor.formula
    there = formula.required.union(name for name, _ in formula.heading.wrt)
    return {
        v.name: ed.Tensor(symbol(v.name, v.shape, v.symmetric, v.of), {})
        for v in formula.arguments
        if v.name in there
    }


def check_text(tensor, text, **said):
    again = ed.parse(text, **said, **operands(tensor))
    assert again.shape == tensor.shape, text
    assert again.formula.domain == tensor.formula.domain, text
    assert ed.equal(again, tensor), text


def texts_of(tensor):
    """Yield the texts in matrix notation, plain and LaTeX."""
    seen = set()
    for layout, order in LAYOUTS:
        if layout and tensor.formula.domain is None:
            continue
        text = tensor.format("matrix", layout=layout, order=order)
        if "no matrix form" not in text:
            seen.add(text)
            seen.add(tensor.latex("matrix", layout=layout, order=order))
    return sorted(seen)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(drawn(), st.integers(0, 2), st.data())
def test_matrix_notation_reads_back(tensor, order, data):
    assume(tensor.names)
    if order:
        wrt = data.draw(st.sampled_from(sorted(tensor.names)))
        try:
            tensor = ed.grad(tensor, wrt=wrt, order=order)
        except EinsdiffError:
            assume(False)
    assume(len(tensor.format("index")) < 600)
    for text in texts_of(tensor):
        check_text(tensor, text)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("row", [row for row in ROWS if not row.of], ids=str)
def test_the_catalogue_reads_back(row, order):
    symbols = symbols_of(row)
    tensor = called(row.build, symbols) if not order else derivative(row, "build", symbols, order)
    for text in texts_of(tensor):
        if any(v.shape for v in tensor.formula.arguments):
            check_text(tensor, text, notation=None if "\\" in text else "matrix")


TYPED = (
    "x' A x",
    "(y - A x)' (y - A x)",
    "||A x - y||^2 + λ ||x||^2",
    "tr(A X B)",
    "log det X",
    "a' X^-1 b",
    "sum(log(exp(X w) + 1))",
    "A diag(x) B",
    "x x'",
    "σ(W x + b)",
    "1/2 ||T - U V'||^2",
    r"\frac{1}{2}\lVert y - \Phi\theta \rVert^2",
)


@pytest.mark.parametrize("text", TYPED)
def test_what_was_written_in_matrix_notation_prints_so_and_reads_back(text):
    f = ed.parse(text)
    assert f.formula.notation == "matrix"
    results = [f, 2 * f, *(ed.grad(f, wrt=name) for name in f.names)]
    for tensor in [*results, ed.expand(f), ed.simplify(f)]:
        assert tensor.formula.notation == "matrix"
        shown = tensor.format("matrix")
        if "no matrix form" in shown:
            assert str(tensor) == tensor.format("index")
            continue
        assert str(tensor) == shown == repr(tensor).partition("\n")[0]
        assert tensor.latex() == tensor.latex("matrix")
        check_text(tensor, str(tensor))


def test_other_notations_print_index_notation():
    A, x = ed.tensors(A="mn", x="n")
    for tensor in (ed.parse("A_ij x_j"), ed.einsum("ij,j->i", "A", "x"), A @ x):
        assert str(tensor) == "f_i = A_ij x_j"
        assert tensor.latex() == tensor.latex("index")
    both = ed.parse("A x", A=A, x=x) + ed.parse("A_ij x_j", A=A, x=x)
    assert str(both) == "f_i = 2 A_ij x_j"
    assert str(ed.parse("A x", A=A, x=x) + A @ x) == "f = 2 A x"


def test_layouts_of_latex_are_not_confused():
    B = ed.tensor("B", "nn")
    J = ed.grad(B @ B, wrt=B)
    for layout, order in LAYOUTS:
        check_text(J, J.latex("matrix", layout=layout, order=order))
    other = J.latex("matrix", layout="denominator")
    assert other.endswith(r"\quad \text{(denominator layout, vec order C)}")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda x, t: t * (0 * x + 1), "∂f/∂t = 𝟏_n  (numerator layout, vec order C)"),
        (lambda x, t: x + 0 * t, "∂f/∂t = 0_n  (numerator layout, vec order C)"),
        (lambda x, t: ed.outer(x, x) + 0 * t, "∂f/∂t = 0_{n×n}  (in the shape of f)"),
    ],
)
def test_sizes_are_told_where_nothing_else_does(make, text):
    x, t = ed.tensor("x", "n"), ed.tensor("t", "")
    J = ed.grad(make(x, t), wrt=t)
    assert J.format("matrix") == text
    check_text(J, text)


def test_a_formula_keeps_its_notation_in_a_pickle():
    import pickle

    f = ed.grad("x' A x", wrt="x")
    again = pickle.loads(pickle.dumps(f))
    assert str(again) == str(f) == "∂f/∂x = xᵀ (A + Aᵀ)  (numerator layout, vec order C)"
    assert str(ed.Tensor(replace(again.formula, notation=""), {})) == f.format("index")
