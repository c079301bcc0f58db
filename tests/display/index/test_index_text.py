"""What is printed is read as the tree that it was written from."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.nodes.function_records import parted_names
from einsdiff.display.index.index_text import Written, equation, tree_of, write
from einsdiff.display.index.lettering import Heading
from einsdiff.display.index.printer import format_equation, format_index
from einsdiff.notation.index_parser import parse_equation
from einsdiff.notation.trees import Equation, Product, Summary, Symbol, walk
from tests.display.expressions import derivatives
from tests.display.index.test_printer import LETTERS, SHAPES, expressions, normal


def is_read_back(text: Written, names) -> bool:
    assume(len(text) < 2000 and "nan" not in text)
    assume(not any(isinstance(tree, Summary) for tree in walk(text.tree)))
    found = parse_equation(text, (*names, *parted_names()), apart=True)
    return (found.right if found.left is None else Equation(found.left, found.right)) == text.tree


@settings(max_examples=500, deadline=None)
@given(SHAPES.flatmap(expressions), st.sampled_from(["ijk", "pqr", "xne"]))
def test_trees_are_read_as_they_were_written(node, letters):
    node = normal(node)
    heading = Heading("f", tuple(letters[: len(node.shape)]))
    for text in (
        format_index(node, heading.axes, LETTERS),
        format_equation(node, heading, LETTERS),
    ):
        assert is_read_back(text, LETTERS.of), text


@settings(max_examples=200, deadline=None)
@given(derivatives())
def test_derivatives_are_read_as_they_were_written(tensor):
    text = tensor.formula.text
    assert is_read_back(text, tensor.formula.by_name), text


@pytest.mark.parametrize(
    "text",
    [
        "s (x_i + y_i)",
        "max_i * (x_i + 1)",
        "s (a b)",
        "x_i^n (a + b)^2",
        "(x_i) y_i / (a / b)",
        "-1/2 x_i - (a - b)",
        "Σ_{i<3,j} A_ij / n",
        "(Σ_i x_i)^2",
        "inv_{kl;}(A_lk)_ij b_j",
        "max_ij(A_ij)_k max_{i<3}(s)",
        "[2i+j ≥ k-1] [{i} ≥ {2j}] [x_i + 1 > 0]",
        "∂²u_i/∂z_j∂z_k δ_{i+0,j} A_0i",
        "x_1_{i} x_i^-0.5 e^(1+2j)",
        "f_{i<4,j} = δ_{i,0} w_j",
    ],
)
def test_typed_texts_are_written_as_they_were(text):
    names = ["x_1", "s", "n", "inv" if "inv" in text else "x"]
    tree = tree_of(text, names)
    if isinstance(tree, Equation):
        assert equation(write(tree.left), write(tree.right, names)) == text
    else:
        assert write(tree, names) == text


def test_a_space_parts_a_name_from_a_bracket():
    assert isinstance(tree_of("exp (x)"), Product)
    assert tree_of("s (x + y)") == tree_of("s * (x + y)")


def test_written_texts_are_copied_and_pickled_as_plain_ones():
    text = write(Symbol("x", ("i",)))
    assert text == "x_i"
    for again in (copy.copy(text), pickle.loads(pickle.dumps(text))):
        assert type(again) is str
        assert again == text


def test_formulas_carry_their_trees():
    assert isinstance(ed.parse("A_ij x_j").formula.text.tree, Equation)
