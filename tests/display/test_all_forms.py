"""Whatever is printed anywhere, in derivations, tables and cases, is written in LaTeX too."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.display.index.latex import index_latex
from tests.display import drawn

#: A range below a name or a sign of a sum, in index notation and in LaTeX.
RANGE = re.compile("(?<! )<(?! )")


def texts(tensor: ed.Tensor) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield what is printed of a tensor in index notation, with the names of the variables."""
    names = frozenset(tensor.formula.by_name)
    yield str(tensor), names
    if tensor.formula.source is None:
        return
    for detail in ("full", "brief"):
        derivation = tensor.explain(detail)
        for step in derivation:
            if not step.latex:
                yield f"{step.left} = {step.after}", derivation.names
            for part in step.comment.split("`")[1::2]:
                yield part, derivation.names
    for kind in ("forward", "reverse", "chain", "shapes"):
        table = tensor.table(kind)
        for row in table.cells:
            for cell, column in zip(row, table.columns, strict=True):
                if column.kind == "formula" and isinstance(cell, str):
                    yield cell, frozenset(table.names)
    cases = tensor.cases()
    for case in cases:
        yield f"{cases.heading} = {case.value}", cases.names


@pytest.mark.parametrize("seed", range(60))
def test_each_text_is_read_with_its_ranges(seed):
    rng = np.random.default_rng(seed)
    sizes = drawn.SIZES[rng.integers(len(drawn.SIZES))]
    is_named = bool(rng.integers(2)) and min(sizes.values()) > 0
    f = drawn.tensor(rng, sizes, is_named)
    for name in ["", *sorted(f.formula.by_name)]:
        found = texts(ed.grad(f, wrt=name) if name else f)
        while True:
            try:
                text, names = next(found)
            except StopIteration:
                break
            except ed.EinsdiffError:  # too long, or none of that kind
                break
            assert len(RANGE.findall(index_latex(text, names))) == len(RANGE.findall(text)), text


@pytest.mark.parametrize("seed", range(60))
def test_each_form_is_written(seed):
    rng = np.random.default_rng(seed)
    sizes = drawn.SIZES[rng.integers(len(drawn.SIZES))]
    f = drawn.tensor(rng, sizes)
    for name in f.formula.by_name:
        J = ed.grad(f, wrt=name)
        for detail in ("full", "brief"):
            derivation = J.explain(detail)
            assert all((derivation.latex(), derivation.markdown(), derivation.html()))


def test_the_shape_of_a_derivative_and_its_order_are_apart_in_what_is_said():
    b, C = ed.tensor("b", ()), ed.tensor("C", (2, 2))
    derivation = ed.grad(b * np.outer(C, C), wrt=b).explain()
    assert derivation[-1].comment == "in matrix notation, in the shape of `f`, vec order C"
    assert derivation.latex()


def test_ranges_stand_on_the_left_in_latex():
    w = ed.tensor("w", 4)
    assert w[:-1].latex() == "f_{i<3} = w_{i+0}"
    f = ed.einsum("k->lll", ed.tensor("A", 2), sizes={"l": 3})
    assert f.latex().startswith("f_{l<3,i<3,j<3} = ")
    shown = index_latex("x_1_{i<n_1,j} = a_i a_j", ["x_1", "n_1"])
    assert shown == "(x_{1})_{i<n_{1},j} = a_i a_j"


def test_steps_of_tables_have_the_ranges_that_one_cannot_see():
    w = ed.tensor("w", 4)
    J = ed.grad(2 * np.exp(w[:-1]), wrt=w)
    assert "v1_{i<3} = w_{i+0}" in [row[0] for row in J.table("forward").cells]
    assert "v1_{i<3} = w_{i+0}." in str(J.table("chain"))
    assert "v1_{i<3}" not in str(ed.grad(ed.exp(2 * ed.sin(w)), wrt=w).table("forward"))


def test_names_with_underscores_are_formulas_in_cases():
    A, x = ed.tensor("A_1", (2, 3)), ed.tensor("x_1", 3)
    cases = ed.grad(A @ x, wrt="A_1").cases()
    assert r"\text" not in cases.latex().replace(r"\text{if", "").replace(r"\text{otherwise}", "")
