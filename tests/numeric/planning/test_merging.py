"""Shared products are computed once, unless no good order needs them."""

from __future__ import annotations

import numpy as np

import einsdiff as ed
from einsdiff.algebra.nodes.interning import variable
from einsdiff.algebra.nodes.nodes import einsum
from einsdiff.numeric.planning.merging import MOST_FACTORS, merged
from einsdiff.numeric.planning.plan import plan

A, B, C = (variable(name, (60, 60)) for name in "ABC")
x, y = (variable(name, (60,)) for name in "xy")


def times(*factors):
    """Multiply matrices, and perhaps a vector."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    subscripts = [letters[k : k + len(f.shape)] for k, f in enumerate(factors)]
    return einsum(factors, subscripts, "a" + "".join(subscripts)[-1] * (len(factors[-1].shape) > 1))


def test_a_product_of_matrices_that_meets_vectors_alone_is_opened():
    product = times(A, B)
    nodes = [einsum([product, v], ["ij", "j"], "i") for v in (x, y)]
    assert merged(nodes, {}) == tuple(einsum([A, B, v], ["ij", "jk", "k"], "i") for v in (x, y))


def test_a_product_that_is_needed_anyhow_stays():
    product = times(A, B)
    nodes = (product, *[einsum([product, v], ["ij", "j"], "i") for v in (x, y)])
    assert merged(nodes, {}) == nodes
    squares = (einsum([product, C], ["ij", "jk"], "ik"), einsum([C, product], ["ij", "jk"], "ik"))
    assert merged(squares, {}) == squares


def test_a_product_that_is_needed_anyhow_is_opened_where_it_costs_less():
    outer = einsum([x, y], ["i", "j"], "ij")
    node = einsum([outer, C, y], ["ij", "jk", "k"], "i")
    assert merged([outer, node], {})[1] is einsum([x, y, C, y], ["i", "j", "jk", "k"], "i")


def test_what_is_inside_of_what_is_opened_is_opened_next():
    local = einsum([A, A], ["ip", "qj"], "ijpq")
    twice = einsum([local, local], ["ijpq", "pqrs"], "ijrs")
    nodes = [einsum([twice, M], ["ijrs", "rs"], "ij") for M in (B, C)]
    for node, M in zip(merged(nodes, {}), (B, C), strict=True):
        assert node is times(A, A, M, A, A)


def test_products_do_not_grow_without_end():
    product = einsum([x] * 10 + [y], [*["i"] * 10, "j"], "ij")
    nodes = tuple(
        einsum([product, product, M, v], ["ij", "jk", "kl", "l"], "i")
        for M, v in ((A, x), (B, y), (C, x))
    )
    assert all(len(node.operands) <= MOST_FACTORS for node in merged(nodes, {}))


def test_named_sizes_are_those_that_are_given():
    first, second = variable("A", ("m", "n")), variable("B", ("n", "m"))
    v = [variable(name, ("m",)) for name in "xyz"]
    product = einsum([first, second], ["ij", "jk"], "ik")
    nodes = tuple(einsum([product, each], ["ij", "j"], "i") for each in v)
    assert merged(nodes, {"m": 200, "n": 200}) != nodes
    assert merged(nodes, {"m": 3, "n": 200}) == nodes


def gaussian_process(n):
    """Return the likelihood of a Gaussian process, and its parameters."""
    rng = np.random.default_rng(0)
    points, y = rng.normal(size=(n, 2)), rng.normal(size=n)
    distances = (points[:, None] - points[None]) ** 2
    identity = np.eye(n)

    def likelihood(t):
        kernel = np.exp(t[2] - 0.5 * np.einsum("ijk,k->ij", distances, np.exp(t[:2])))
        kernel = kernel + np.exp(t[3]) * identity
        return y @ np.linalg.solve(kernel, y) + np.linalg.slogdet(kernel)[1]

    return likelihood, np.full(4, 0.3)


def test_the_hessian_of_a_gaussian_process_times_a_vector_takes_matrices_only():
    costs = {}
    for n in (50, 100):
        f, t = gaussian_process(n)
        product = ed.hvp(f, t=t, v=np.ones(4))
        value, derivative = plan([ed.parse(f, t=t).expr], {}), plan([product.expr], {})
        assert derivative.peak <= 5 * value.peak
        costs[n] = sum(cost.flops for cost in derivative.costs)
    assert costs[100] < 8.5 * costs[50]


def test_it_is_right():
    f, t = gaussian_process(12)
    v = np.array([1.0, -0.5, 0.3, 2.0])
    step = 1e-5
    gradients = [np.asarray(ed.grad(f, t=t + s * step * v)) for s in (1, -1)]
    expected = (gradients[0] - gradients[1]) / (2 * step)
    np.testing.assert_allclose(np.asarray(ed.hvp(f, t=t, v=v)), expected, rtol=1e-6)
