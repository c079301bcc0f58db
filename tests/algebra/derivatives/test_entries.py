"""Entries of expressions, taken of all that these are made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.derivatives.entries import key_of, placed, shape_of, taken
from einsdiff.algebra.nodes.function_records import lookup
from einsdiff.algebra.nodes.interning import variable
from einsdiff.algebra.nodes.nodes import call, einsum, related
from einsdiff.algebra.rewriting.orient import normal_form
from tests.strategies import Drawn, expressions


@settings(max_examples=100, deadline=None)
@given(drawn=expressions(most=3), data=st.data())
def test_entries_are_those_of_the_value(drawn: Drawn, data: st.DataObject):
    f = drawn.expression
    arrays = {n: drawn.arrays[n] for n in f.names}
    named = {n for v in f.formula.arguments for n in v.shape}
    assume(f.ndim and f.formula.named_sizes <= named)
    whole = np.asarray(ed.Tensor(f.formula, arrays))
    key = []
    for n in whole.shape:
        runs = [range(a, b, s) for a in range(n) for b in range(a + 1, n + 1) for s in (1, 2)]
        key.append(data.draw(st.sampled_from([None, *range(n), *runs])))
    node = taken(f.expr, tuple(key))
    assert node.shape == shape_of(tuple(key), f.expr.shape)
    formula = replace(f.formula, expr=node)
    items = tuple(
        slice(None) if k is None else k if isinstance(k, int) else slice(k.start, k.stop, k.step)
        for k in key
    )
    found = np.asarray(ed.Tensor(formula, arrays))
    np.testing.assert_allclose(found, whole[items], rtol=1e-9, atol=1e-12)


def test_entries_of_relations_are_relations():
    band = related((4, 5), (1, -1), 1)  # i + 1 = p
    assert taken(band, (0, None)) is related((5,), (1,), -1)
    assert taken(band, (None, 0)).shape == (4,)
    triangle = related((3, 3), (1, -1), 0, is_equation=False)
    assert taken(triangle, (2, range(0, 3, 2))).shape == (2,)


def test_only_the_entries_are_computed():
    A, x = variable("A", (4, 5)), variable("x", (5,))
    product = call(lookup("exp"), [einsum([A, x], ["ij", "j"], "i")])
    row = taken(product, (2,))
    entry = call(lookup("exp"), [einsum([taken(A, (2, None)), x], ["j", "j"], "")])
    assert normal_form(row) is normal_form(entry)


def test_a_chain_of_many_steps_is_no_recursion():
    node = variable("x", (3,))
    for _ in range(3000):
        node = call(lookup("sin"), [node])
    assert taken(node, (0,)).shape == ()


@pytest.mark.parametrize("key", [(0, None), (None, range(1, 5, 2)), (3, 4), (range(4), 0)])
def test_what_is_placed_can_be_taken_again(key):
    A = variable("A", (4, 5))
    v = variable("v", shape_of(key, A.shape))
    there = placed(v, key, A)
    assert there.shape == A.shape
    formula = ed.tensor("v", v.shape).formula
    values = {"v": np.arange(1.0, 1 + np.prod(v.shape)).reshape(v.shape)}
    back = ed.Tensor(replace(formula, expr=taken(there, key)), values)
    np.testing.assert_array_equal(np.asarray(back), values["v"])
    zeros = ed.Tensor(replace(formula, expr=there), values)
    assert np.count_nonzero(np.asarray(zeros)) == values["v"].size


def test_what_is_no_entries():
    A = variable("A", (4, 4))
    assert key_of(A) is None
    assert key_of(einsum([A], ["ij"], "ji")) is None
    assert key_of(einsum([A], ["ii"], "i")) is None
    assert key_of(taken(A, (0, None))) == (A, (0, None))
