"""Pieces of code: what they compute does not depend on what they are written into."""

from __future__ import annotations

import ast
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from einsdiff.numeric.pieces import (
    COMPLEX,
    EXACT,
    FLOAT,
    PRODUCT,
    SUM,
    Piece,
    joined,
    product,
    range_text,
    read_number,
    reciprocal,
    whole_power,
)
from einsdiff.numeric.steps import literal

VALUES = {"x": Fraction(3, 2), "y": Fraction(-5, 7), "z": Fraction(11)}

leaves = st.sampled_from(sorted(VALUES)).map(
    lambda name: (Piece(name, names=frozenset([name])), VALUES[name])
)
numbers = st.integers(-9, 9).filter(bool) | st.fractions(-9, 9, max_denominator=5).filter(
    lambda value: value.denominator > 1
)


def difference(a, b):
    return joined(f"{a.at(SUM)} - {b.at(PRODUCT)}", [a, b], (), level=SUM)


def grown(parts):
    """Combine expressions, each a piece and its value."""
    pairs = st.tuples(parts, parts)
    return st.one_of(
        pairs.map(lambda p: (product(p[0][0], p[1][0]), p[0][1] * p[1][1])),
        pairs.map(lambda p: (difference(p[0][0], p[1][0]), p[0][1] - p[1][1])),
        st.tuples(numbers, parts).map(
            lambda p: (product(read_number(literal(p[0])), p[1][0]), p[0] * p[1][1])
        ),
        st.tuples(parts, st.integers(1, 3)).map(
            lambda p: (whole_power(p[0][0], p[1]), p[0][1] ** p[1])
        ),
        parts.filter(lambda p: p[1]).map(lambda p: (reciprocal(p[0], ()), 1 / p[1])),
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
    assert eval(f"list(range({size}))[{range_text(start, step, length, size)}]") == indices
