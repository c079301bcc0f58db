"""What holds of every node, and of every second derivative, on random expressions."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.nodes.interning import Add, Einsum, variable
from einsdiff.algebra.nodes.nodes import add, einsum, scale
from tests.algebra.invariants import Builder, assert_canonical
from tests.oracle import finite_differences


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_node_is_in_canonical_form(seed):
    assert_canonical(Builder(seed).grow(14))


def _long_sum(multiple: int, size: int = 3) -> Add:
    return add([(multiple, variable(f"v{k}", (size,))) for k in range(6)])


def test_the_number_of_a_multiple_of_a_long_sum_is_taken_out_whole():
    # A long sum is not merged into another one, so that a multiple of it holds a multiple.
    nested = scale(3, _long_sum(2))
    assert isinstance(nested.terms[0][1], Add)
    assert nested.primitive == (6, _long_sum(1))
    x = variable("x", (3,))
    assert einsum([nested, x], ["i", "i"], "") is scale(
        6, einsum([_long_sum(1), x], ["i", "i"], "")
    )


def test_a_view_is_opened_before_the_number_of_the_product_is_read():
    x = variable("x", (3,))
    inner = einsum([scale(5, _long_sum(-2)), x], ["i", "j"], "ij")
    turned = einsum([inner], ["ij"], "ji")
    assert turned is scale(-10, einsum([x, _long_sum(1)], ["j", "i"], "ji"))
    assert_canonical([turned])


def test_a_sum_over_axes_of_a_sum_meets_its_like_terms_under_deltas_too():
    A, B = variable("A", (3, 3)), variable("B", (3, 3))
    total = add([(1, A), (1, einsum([B], ["ij"], "ji"))])
    spread = einsum([total], ["ij"], "iipq", {"p": 2, "q": 4})
    rows = add([(1, einsum([A], ["ij"], "i")), (1, einsum([B], ["ji"], "i"))])
    assert spread is einsum([rows], ["i"], "iipq", {"p": 2, "q": 4})
    assert isinstance(spread, Einsum)


# --- second derivatives -----------------------------------------------------------------------


def _polynomial(rng: random.Random, depth: int) -> str:
    """Write a random polynomial of the entries of x, as NumPy code."""
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(["x", "x", "x", "1", "2"])
    a, b = _polynomial(rng, depth - 1), _polynomial(rng, depth - 1)
    return f"({a} {rng.choice(['*', '*', '-', '+'])} {b})"


def _function(rng: random.Random) -> str:
    """Write a random function of x with stacks, slices, sums and squares."""

    def whole(depth: int = 3) -> str:
        how = rng.choice(["sum", "sum", "entry", "mean", "dot"])
        p = f"({_polynomial(rng, depth)} + 0*x)"
        if how == "entry":
            return f"{p}[{rng.randrange(2)}]"
        if how == "dot":
            return f"np.dot({p}, {_polynomial(rng, 2)} + 0*x)"
        return f"np.{how}({p})"

    how = rng.choice(["stack", "stack", "outer", "concatenate"])
    if how == "stack":
        inner = f"np.stack([{', '.join(whole() for _ in range(rng.randint(2, 3)))}])"
    elif how == "outer":
        inner = f"np.outer({_polynomial(rng, 2)} + 0*x, {_polynomial(rng, 2)} - x)"
    else:
        inner = f"np.concatenate([{_polynomial(rng, 3)} + 0*x, {_polynomial(rng, 2)} - x])"
    return f"np.sum({inner}**2) * {rng.choice(['1', '2', whole(2)])} - {whole(2)}"


def _hessian_and_expected(source: str, x: np.ndarray) -> tuple[ed.Tensor, np.ndarray]:
    f = eval(f"lambda x: {source}", {"np": np})
    H = ed.hessian(f, x, wrt="x")
    return H, finite_differences(lambda at: finite_differences(f, at), x)


@pytest.mark.parametrize("seed", range(60))
def test_second_derivatives_are_right_and_symmetric(seed):
    rng = random.Random(seed)
    source = _function(rng)
    x = np.array([0.3, 0.6])
    H, expected = _hessian_and_expected(source, x)
    found = np.asarray(H)
    size = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * size, err_msg=source)
    np.testing.assert_allclose(found, found.T, rtol=0, atol=1e-12 * size, err_msg=source)
    assert ed.equal(H, H.T), source


@pytest.mark.parametrize(
    "parts",
    [
        ["x*(x*x-1)-x*x", "x*(x-1)", "x*(x-1)-x"],
        ["x*(x*x-2)-x*x", "x*(x-1)-x", "x*(x*x-1)"],
        ["x*(x-1)", "x*(x*x-1)-2*x*x", "x*(x-2)-x", "x*x*(x-1)-x"],
    ],
)
def test_second_derivatives_of_stacked_sums(parts):
    source = f"np.sum(np.stack([{', '.join(f'np.sum({p})' for p in parts)}])**2)"
    H, expected = _hessian_and_expected(source, np.array([0.3, 0.6]))
    np.testing.assert_allclose(np.asarray(H), expected, rtol=1e-6, atol=1e-6)
    assert ed.equal(H, H.T)
