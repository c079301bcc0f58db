"""Pieces of code: what they compute does not depend on what they are written into."""

from __future__ import annotations

import ast
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einsdiff.numeric.planning.steps import literal
from einsdiff.numeric.source.pieces import (
    COMPLEX,
    EXACT,
    FLOAT,
    Piece,
    operation,
    product,
    range_of,
    read_number,
    reciprocal,
    whole_power,
)
from einsdiff.numeric.source.syntax import (
    assigned,
    attribute,
    called,
    changed,
    filled,
    listed,
    name,
    negative,
    operated,
    subscripted,
    summed,
    whole,
    written,
)
from einsdiff.numeric.source.syntax import literal as literal_tree

VALUES = {"x": Fraction(3, 2), "y": Fraction(-5, 7), "z": Fraction(11)}

leaves = st.sampled_from(sorted(VALUES)).map(
    lambda text: (Piece(name(text), names=frozenset([text])), VALUES[text])
)
numbers = st.integers(-9, 9).filter(bool) | st.fractions(-9, 9, max_denominator=5).filter(
    lambda value: value.denominator > 1
)


def grown(parts):
    """Combine expressions, each a piece and its value."""
    pairs = st.tuples(parts, parts)
    return st.one_of(
        pairs.map(lambda p: (product(p[0][0], p[1][0]), p[0][1] * p[1][1])),
        pairs.map(lambda p: (operation(p[0][0], "-", p[1][0]), p[0][1] - p[1][1])),
        st.tuples(numbers, parts).map(
            lambda p: (product(read_number(literal(p[0])), p[1][0]), p[0] * p[1][1])
        ),
        st.tuples(parts, st.integers(1, 3)).map(
            lambda p: (whole_power(p[0][0], p[1]), p[0][1] ** p[1])
        ),
        parts.filter(lambda p: p[1]).map(lambda p: (reciprocal(p[0]), 1 / p[1])),
    )


@given(st.recursive(leaves, grown, max_leaves=6))
def test_brackets_stand_where_they_are_needed(case):
    piece, value = case
    # Whole numbers are fractions, so that the quotient of two is exact.
    exact = ast.unparse(_Exact().visit(ast.parse(piece.text, mode="eval")))
    assert eval(exact, {**VALUES, "Fraction": Fraction}) == value


class _Exact(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.parse(f"Fraction({node.value})", mode="eval").body


# --- trees ------------------------------------------------------------------------------------

names = st.sampled_from("xyz").map(name)
constants = st.integers(0, 9).map(whole) | st.floats(0.5, 2).map(literal_tree)
indices = st.none() | st.integers(-3, 3) | st.builds(slice, *[st.none() | st.integers(-2, 2)] * 3)


def branched(trees):
    """Join trees in any way that code is written in, without a thought of brackets."""
    signs = st.sampled_from([*"+-*/@%&", "//", "**", "==", "!=", "<", "<=", ">", ">="])
    several = st.lists(trees, max_size=3)
    return st.one_of(
        st.builds(lambda a, sign, b: operated(a, sign, b), trees, signs, trees),
        trees.map(lambda a: ast.UnaryOp(ast.USub(), a)),
        trees.map(lambda a: attribute(a, "T")),
        st.builds(subscripted, trees, st.lists(indices | trees, min_size=1, max_size=3)),
        several.map(lambda args: called("np.exp", *args)),
        st.builds(lambda a, args: called(attribute(a, "sum"), *args), trees, several),
        st.builds(lambda a, b: filled("{0}.sum(axis={1})", {"0": a, "1": b}), trees, trees),
        st.builds(lambda a, b: filled("{0} ** -{1}[0]", {"0": a, "1": b}), trees, trees),
        several.map(listed),
    )


@given(st.recursive(names | constants, branched, max_leaves=12))
@settings(deadline=None)
def test_what_python_reads_is_the_tree(tree):
    assert ast.dump(ast.parse(written(tree), mode="eval").body) == ast.dump(tree)


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (assigned(listed([name("i"), name("j")]), name("x")), "i, j = x"),
        (assigned(subscripted(name("J"), [slice(None), name("i")]), name("x")), "J[:, i] = x"),
        (changed(subscripted(name("J"), [...]), "-", negative(name("x"))), "J[...] -= -x"),
    ],
)
def test_statements(statement, text):
    assert written(statement) == text
    (read,) = ast.parse(text).body
    assert ast.unparse(ast.fix_missing_locations(read)) == ast.unparse(
        ast.fix_missing_locations(statement)
    )


@given(st.lists(st.tuples(st.integers(-3, 3), st.sampled_from([*"xyz", None])), max_size=5))
def test_a_sum_of_multiples(terms):
    text = written(summed((c, None if n is None else name(n)) for c, n in terms))
    values = {"x": 5, "y": 11, "z": 17}
    assert eval(text, dict(values)) == sum(c * values.get(n, 1) for c, n in terms)


@pytest.mark.parametrize(
    ("a", "b", "fits"),
    [((3, 1), (4,), True), ((3,), (4,), False), ((), (2,), True), ((1,), (0,), True)],
)
def test_what_is_combined_has_shapes_that_fit(a, b, fits):
    one, other = Piece(name("x"), a), Piece(name("y"), b)
    if fits:
        assert product(one, other).shape == np.broadcast_shapes(a, b)
    else:
        with pytest.raises(AssertionError, match="do not fit"):
            product(one, other)


# --- numbers and slices -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text", "kind"),
    [
        (3, "3", EXACT),
        (-3, "-3", EXACT),
        (Fraction(-1, 2), "-1 / 2", FLOAT),
        (1e300, "1e+300", FLOAT),
        (-2.5, "-2.5", FLOAT),
        (float("-inf"), "float('-inf')", FLOAT),
        (-2j, "(-0-2j)", COMPLEX),
        (complex("inf"), "complex('(inf+0j)')", COMPLEX),
    ],
)
def test_numbers_are_read_as_the_planner_writes_them(value, text, kind):
    found = read_number(literal(value))
    assert (found.text, found.kind) == (text, kind)
    assert eval(found.text) == value


@given(st.integers(0, 5), st.integers(1, 3), st.integers(1, 4), st.integers(0, 3))
def test_a_slice_has_the_indices_of_a_range(start, step, length, more):
    indices = list(range(start, start + length * step, step))
    size = indices[-1] + 1 + more
    assert list(range(size))[range_of(start, step, length, size)] == indices
