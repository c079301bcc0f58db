"""Sums over axes as products with ones, of arrays of every layout and dtype."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from einsdiff.algebra.nodes.interning import variable
from einsdiff.algebra.nodes.nodes import add, einsum
from einsdiff.numeric.planning.plan import plain_plan, plan
from einsdiff.numeric.running.program import program_for

SHAPES = [
    (40, 30),
    (300, 2),
    (2, 300),
    (7, 11, 13),
    (400, 3, 2),
    (3, 400, 2),
    (1, 40, 30),
    (5, 1, 400),
]


def total(shape, axes, order=None):
    """Sum a product of an array with itself, so that it is one that the program made."""
    x = variable("x", shape)
    rank = range(len(shape))
    square = add(
        [(1, einsum([x, x], [rank, rank], order or rank)), (2, einsum([x], [rank], order or rank))]
    )
    places = order or rank
    kept = [k for k in places if k not in axes]
    return einsum([square], [places], kept, {k: shape[k] for k in rank})


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128", "int64", "int8", "float16"])
def test_sums_over_axes(shape, dtype):
    rng = np.random.default_rng(0)
    values = rng.integers(-2, 3, shape).astype(dtype)
    expected = values * values + 2 * values
    for count in range(1, len(shape)):
        for axes in combinations(range(len(shape)), count):
            for order in permutations(range(len(shape))):
                node = total(shape, axes, order)
                found = program_for((node,), (), dtype).function(values)
                assert found.dtype == dtype
                turned = expected.transpose(order).copy()
                own = tuple(k for k, axis in enumerate(order) if axis in axes)
                rtol = 0.1 if dtype == "float16" else 0  # NumPy's own, one after the other
                np.testing.assert_allclose(found, turned.sum(axis=own).astype(dtype), rtol)


@pytest.mark.parametrize("shape", SHAPES[:6], ids=str)
def test_operands_that_lie_otherwise(shape):
    values = np.random.default_rng(1).normal(size=shape)
    x = variable("x", shape)
    views = (np.asfortranarray(values), values[::-1].copy()[::-1], np.repeat(values, 2, 0)[::2])
    for axis in range(len(shape)):
        kept = [k for k in range(len(shape)) if k != axis]
        program = program_for((einsum([x], [range(len(shape))], kept),), (), "float64")
        out = np.empty([shape[k] for k in kept])
        for view in views:
            np.testing.assert_allclose(program.function(view), values.sum(axis), atol=1e-12)
            assert program.function(view, out=out) is out
            np.testing.assert_allclose(out, values.sum(axis), atol=1e-12)


def ops(node):
    return [step.op for step in plan([node], {}).instructions]


def test_which_sums_are_products():
    X = variable("X", (1000, 10))
    assert ops(einsum([X], ["ij"], "i")) == ["row sums"]
    assert ops(einsum([X], ["ij"], "j")) == ["column sums"]
    assert ops(einsum([X], ["ij"], "")) == ["sum"]
    assert ops(einsum([variable("x", (6, 5))], ["ij"], "i")) == ["sum"]
    long = variable("x", (5, 10_000))  # where NumPy adds in pairs
    assert ops(einsum([long], ["ij"], "i")) == ["sum"]
    stack = variable("S", (50, 60, 70))
    assert ops(einsum([stack], ["ijk"], "ik")) == ["column sums"]
    assert ops(einsum([stack], ["ijk"], "j")) == ["sum"]
    column = variable("c", (5000, 1))
    assert ops(einsum([column], ["ij"], "i")) == ["reshape", "copy"]


def test_code_for_people_says_sum():
    X = variable("X", (1000, 10))
    (step,) = plain_plan(einsum([X], ["ij"], "i"), {}).instructions
    assert (step.op, step.detail) == ("sum", (1,))


def test_digits_of_long_rows():
    values = np.random.default_rng(2).uniform(size=(50, 4096)).astype("float32")
    X = variable("X", values.shape)
    found = program_for((einsum([X], ["ij"], "i"),), (), "float32").function(values)
    np.testing.assert_allclose(found, values.astype(float).sum(1), rtol=3e-6)
