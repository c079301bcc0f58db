"""The table of spellings in the docs: all that stands in one row is one thing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import einsdiff as ed

PAGE = (Path(__file__).parent.parent / "docs" / "your_way.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in PAGE.splitlines()
    if line.startswith(("| a", "| entry", "| the"))
]
REFUSED = [
    tuple(cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[2:4])
    for line in PAGE.splitlines()
    if line.startswith(("| Mathematica", "| MATLAB", "| R |", "| SymPy |", "| NumPy |", "| two"))
]
VALUES = {
    "A": np.array([[1.5, 0.25], [-0.5, 2.0]]),
    "B": np.array([[0.5, 1.0], [2.0, -1.0]]),
    "x": np.array([0.5, 1.25]),
    "y": np.array([2.0, 0.75]),
}


@pytest.mark.parametrize(("text", "numpy"), [(text, row[1]) for row in ROWS for text in row[3:]])
def test_spellings_in_one_row_are_one_thing(text, numpy):
    expected = eval(numpy, {"np": np, **VALUES})  # the page's own code
    words = re.findall(r"(?<![\\A-Za-z])[A-Za-z]+", re.sub(r"\\[a-z]+|_\{?\w+", " ", text))
    given = {name: VALUES[name] for name in VALUES if name in words or f"bf{{{name}}}" in text}
    np.testing.assert_allclose(np.asarray(ed.parse(text, **given)), expected)


@pytest.mark.parametrize(("text", "numpy"), [(row[2], row[1]) for row in ROWS])
def test_expressions_of_sympy_are_one_thing_with_them(text, numpy):
    sympy = pytest.importorskip("sympy")
    symbols = {name: sympy.MatrixSymbol(name, *(*v.shape, 1)[:2]) for name, v in VALUES.items()}
    made = eval(text, {**vars(sympy), **symbols, "t": sympy.Symbol("t")})  # the page's own code
    f = ed.from_sympy(made)
    expected = eval(numpy, {"np": np, **VALUES})
    np.testing.assert_allclose(np.asarray(f(**{n: VALUES[n] for n in f.names})), expected)


@pytest.mark.parametrize(("text", "here"), REFUSED)
def test_what_is_refused_is_written_as_the_page_says(text, here):
    with pytest.raises(ed.SubscriptsError) as caught:
        ed.parse(text)
    assert f"write {here}" in str(caught.value)
    ed.parse(here)


def test_the_tables_are_there():
    assert len(REFUSED) == 6
    assert len(ROWS) == 18
