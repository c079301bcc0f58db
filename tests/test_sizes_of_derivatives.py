"""Long expressions: the number of nodes of derivatives, which is what they cost."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.algebra.nodes.graph import topological

CHAIN = [np.sin, np.tanh, np.exp, np.cos]


def nodes(*tensors):
    return len(topological([t.expr for t in tensors]))


def chain(x, steps):
    for k in range(steps):
        x = CHAIN[k % len(CHAIN)](x)
    return x.sum()


def sum_of_terms(x, count):
    return sum((np.sin(x[k % 7] * (k + 1)) * x[(k + 1) % 7] for k in range(count)), 0)


def product_of_factors(x, count):
    result = x[0]
    for k in range(1, count):
        result = result * (x[k % 7] + k)
    return result


@pytest.mark.parametrize(
    ("function", "size"),
    [(chain, 10_000), (sum_of_terms, 2_000), (product_of_factors, 60)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_derivatives_have_a_bounded_number_of_nodes_for_each_node_of_the_function(function, size):
    x = ed.tensor("x", 7)
    f = function(x, size)
    gradient = ed.grad(f, wrt="x")
    product = ed.hvp(f, wrt="x")
    assert nodes(f) >= size
    assert nodes(gradient) <= 6 * nodes(f)
    assert nodes(product) <= 20 * nodes(f)


@pytest.mark.parametrize("function", [chain, sum_of_terms, product_of_factors])
def test_the_derivatives_of_long_expressions_are_right(function):
    values = np.linspace(0.1, 0.9, 7)
    assert ed.check(function, values, 40, wrt="x").ok
    assert ed.check(function, values, 12, wrt="x", order=2).ok


def test_the_cost_of_a_chain_is_linear():
    x = ed.tensor("x", 3)
    counts = [nodes(ed.grad(chain(x, n), wrt="x")) for n in (1000, 2000, 4000)]
    assert counts[2] <= 2.1 * counts[1] <= 4.3 * counts[0]


def test_gradients_by_a_hundred_variables_share_one_sweep():
    variables = [ed.tensor(f"x{k}", 3) for k in range(100)]
    f = sum((np.sin(a) * b for a, b in pairwise(variables)), 0).sum()
    f = np.exp(f)
    gradients = ed.grad(f, wrt=tuple(variables))
    assert len(gradients) == 100
    assert nodes(*gradients) <= 6 * nodes(f)


def test_a_shared_step_is_differentiated_once():
    x = ed.tensor("x", 3)
    y = np.sin(x)
    for _ in range(50):
        y = y * y + y  # written out, this has 3^50 factors
    gradient = ed.grad(y.sum(), wrt="x")
    assert nodes(gradient) <= 6 * nodes(y)


def test_labels_of_a_delta_take_sizes_by_keyword():
    delta = ed.parse("δ_{i+1,p}", i=3, p=4)
    assert delta.shape == (3, 4)
    np.testing.assert_array_equal(delta, np.eye(4)[1:])
