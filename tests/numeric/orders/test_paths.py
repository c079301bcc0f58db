"""Orders of contraction: that they are valid, what they cost, and how near to the best they are."""

from __future__ import annotations

from itertools import combinations
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.nodes.interning import variable
from einsdiff.algebra.nodes.nodes import einsum
from einsdiff.numeric.orders.networks import BLAS
from einsdiff.numeric.orders.paths import find_path
from einsdiff.numeric.planning.plan import plan


def step_cost(group, result, sizes):
    """Return the cost of multiplying two factors, by the module's formula."""

    def count(labels):
        return prod(sizes[n] for n in labels)

    union = frozenset().union(*group)
    if result == union:
        return count(union)
    return count(union) / BLAS + sum(map(count, (*group, result)))


def best_cost(factors, kept, sizes):
    """Try all orders of multiplying pairs."""
    if len(factors) < 2:
        return 0.0
    best = float("inf")
    for i, j in combinations(range(len(factors)), 2):
        rest = [f for k, f in enumerate(factors) if k not in (i, j)]
        group = factors[i], factors[j]
        result = frozenset().union(*group) & kept.union(*rest)
        cost = step_cost(group, result, sizes)
        if cost < best:
            best = min(best, cost + best_cost([*rest, result], kept, sizes))
    return best


def path_cost(factors, kept, sizes, path):
    left, total = list(factors), 0.0
    for chosen in path:
        group = [left.pop(k) for k in sorted(chosen, reverse=True)]
        result = frozenset().union(*group) & kept.union(*left)
        total += step_cost(group, result, sizes)
        left.append(result)
    return total


@st.composite
def products(draw, most=4):
    """Draw the labels of factors and of the output, and sizes."""
    sizes = tuple(draw(st.sampled_from([1, 2, 5, 20, 100, 300])) for _ in range(5))
    labels = st.lists(st.integers(0, 4), max_size=3, unique=True).map(tuple)
    factors = draw(st.lists(labels, min_size=1, max_size=most))
    carried = sorted({n for own in factors for n in own})
    output = tuple(n for n in carried if draw(st.booleans()))
    # Labels of one factor only are summed before.
    needed = [
        tuple(n for n in own if n in output or any(n in o for j, o in enumerate(factors) if j != k))
        for k, own in enumerate(factors)
    ]
    return tuple(needed), output, sizes


@settings(max_examples=300)
@given(products(most=7))
def test_a_path_multiplies_everything_once(drawn):
    factors, output, sizes = drawn
    path, cost = find_path(factors, output, sizes)
    left = len(factors)
    for chosen in path:
        assert len(set(chosen)) == len(chosen) >= 2
        assert all(0 <= k < left for k in chosen)
        left -= len(chosen) - 1
    assert left == 1
    assert cost >= 0
    assert (path, cost) == find_path.__wrapped__(factors, output, sizes)


@settings(max_examples=300)
@given(products())
def test_the_cost_is_that_of_the_path_by_its_formula(drawn):
    factors, output, sizes = drawn
    path, cost = find_path(factors, output, sizes)
    left = [frozenset(own) for own in factors]
    if len(left) > 1:
        assert cost == pytest.approx(path_cost(left, frozenset(output), sizes, path))


def test_up_to_four_factors_cost_little_more_than_in_the_best_order():
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(2000):
        sizes = tuple(int(n) for n in rng.choice([1, 2, 5, 20, 100, 300], 5))
        drawn = [rng.permutation(5)[: rng.integers(0, 4)] for _ in range(rng.integers(3, 5))]
        factors = [frozenset(map(int, own)) for own in drawn]
        kept = frozenset(int(n) for n in range(5) if rng.integers(2)) & frozenset().union(*factors)
        factors = [
            own & kept.union(*(o for j, o in enumerate(factors) if j != k))
            for k, own in enumerate(factors)
        ]
        _, cost = find_path(tuple(map(tuple, factors)), tuple(kept), sizes)
        best = best_cost(factors, kept, sizes)
        assert best <= cost * (1 + 1e-12)
        ratios.append(cost / best if best else 1.0)
    # Factors with the same axes come first, which is not quite the best at times.
    assert max(ratios) <= 2
    assert np.mean(np.array(ratios) <= 1.001) >= 0.98


def test_one_factor_costs_what_is_summed():
    assert find_path((), (), ()) == ((), 0.0)
    assert find_path(((0, 1),), (0, 1), (5, 7)) == ((), 0.0)
    assert find_path(((0, 1),), (0,), (5, 7)) == ((), 35.0)


def test_a_product_that_sums_nothing_costs_its_entries():
    assert find_path(((0,), (1,)), (0, 1), (5, 7)) == (((0, 1),), 35.0)


def test_a_matrix_product_costs_less_than_its_multiplications():
    _, cost = find_path(((0, 1), (1, 2)), (0, 2), (100, 100, 100))
    assert cost == 100**3 / BLAS + 3 * 100**2


def test_chains_are_multiplied_from_the_small_end():
    sizes = (200, 200, 200, 200)
    chain = ((0, 1), (1, 2), (2, 3), (3,))
    path, cost = find_path(chain, (0,), sizes)
    assert cost == pytest.approx(3 * (200**2 / BLAS + 200**2 + 400))
    assert path[0] == (2, 3)


def test_factors_with_the_same_axes_are_multiplied_first():
    path, _ = find_path(((0, 1), (1, 2), (0, 1), (0, 1)), (0, 2), (50, 60, 70))
    assert path[:2] == ((0, 2), (1, 2)) or set(path[0]).issubset({0, 2, 3})
    left = [{0, 1}, {1, 2}, {0, 1}, {0, 1}]
    for chosen in path[:2]:
        group = [left.pop(k) for k in sorted(chosen, reverse=True)]
        assert all(labels == {0, 1} for labels in group)
        left.append({0, 1})


@pytest.mark.parametrize("sizes", [(0, 3, 4), (3, 0, 4), (0, 0, 0), (1, 1, 1)])
def test_axes_of_no_entries_are_no_trouble(sizes):
    factors = ((0, 1), (1, 2), (0, 2), (2,))
    path, cost = find_path(factors, (0,), sizes)
    assert len(path) == 3
    assert cost >= 0


def test_many_factors_are_ordered():
    # A ring of matrices with a vector here and there.
    n = 12
    factors = tuple((k, (k + 1) % n) for k in range(n)) + tuple((k,) for k in range(0, n, 3))
    path, cost = find_path(factors, (), (30,) * n)
    assert len(path) == len(factors) - 1
    assert cost < n * (30**3 / BLAS + 4 * 30**2)


def test_factors_without_common_axes_are_ordered():
    factors = ((0, 1), (2, 3), (1,), (3,), ())
    path, cost = find_path(factors, (0, 2), (10, 10, 10, 10))
    assert len(path) == 4
    assert cost <= 2 * (100 / BLAS + 120) + 2 * 100


@pytest.mark.parametrize("dtype", ["float64", "int64", "complex128"])
@settings(max_examples=60, deadline=None)
@given(products(most=5))
def test_products_have_the_value_that_numpy_finds(dtype, drawn):
    factors, output, sizes = drawn
    sizes = tuple(min(n, 4) for n in sizes)
    rng = np.random.default_rng(1)
    arrays = [rng.integers(-2, 3, [sizes[n] for n in own]).astype(dtype) for own in factors]
    letters = "ijklm"
    terms = ["".join(letters[n] for n in own) for own in factors]
    text = f"{','.join(terms)}->{''.join(letters[n] for n in output)}"
    np.testing.assert_array_equal(ed.einsum(text, *arrays).dense(), np.einsum(text, *arrays))


def test_products_are_not_larger_than_they_must_be():
    n = 40
    A, B, C = (variable(name, (n, n)) for name in "ABC")
    x = variable("x", (n,))
    node = einsum([A, B, C, x], ["ij", "jk", "kl", "l"], "i")
    assert max(prod(step.shape) for step in plan([node], {}).instructions if step.op == "dot") == n
    trace = einsum([A, B], ["ij", "ji"], "")
    made = plan([trace], {})
    assert made.report().flops <= 2 * n * n
    assert made.peak <= n * n + 1
