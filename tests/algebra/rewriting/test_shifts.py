"""Maxima that change nothing: softmaxes and their logarithms as people write them."""

from __future__ import annotations

import numpy as np
import pytest

import einsdiff as ed

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(7, 4))
Y = np.eye(4)[RNG.integers(4, size=7)]
W = RNG.normal(size=(7, 4))


def softmax(z):
    e = np.exp(z - np.max(z, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def logsumexp(z):
    m = z.max(axis=1)
    return np.log(np.sum(np.exp(z - m[:, None]), axis=1)) + m


def by_log_of_sum(z, y, w):
    shifted = z - np.max(z, axis=1)[:, None]
    return -np.sum(y * (shifted - np.log(np.sum(np.exp(shifted), axis=1))[:, None]))


#: Functions that do not depend on the maxima that they subtract.
SAME = {
    "cross-entropy of shares": lambda z, y, w: -np.sum(y * np.log(softmax(z))),
    "cross-entropy by the logarithm of a sum": by_log_of_sum,
    "mean": lambda z, y, w: np.mean(logsumexp(2 * z)),
    "weights": lambda z, y, w: np.sum(softmax(w * z) * z),
    "twice": lambda z, y, w: np.sum(softmax(softmax(z) * w) ** 2),
    "squares": lambda z, y, w: np.sum((softmax(z) - y) ** 2),
    "products of shares": lambda z, y, w: np.sum(softmax(z) * softmax(w - z) ** 2),
    "the maximum of all": lambda z, y, w: np.log(np.sum(np.exp(z - np.max(z)))) + np.max(z),
    "entropy": lambda z, y, w: -np.sum(softmax(z) * np.log(softmax(z))),
    "subtracted before a function": lambda z, y, w: np.sum(
        ed.softmax(z - np.max(z, axis=1, keepdims=True), axis=1) * w
    ),
    "the smallest": lambda z, y, w: np.sum(
        np.log(np.sum(np.exp(z - z.min(axis=1)[:, None]), axis=1)) + z.min(axis=1)
    ),
    "a root of the sum": lambda z, y, w: np.sum(
        np.exp(z - z.max(axis=1)[:, None]) ** 2
        / np.sqrt(np.sum(np.exp(z - z.max(axis=1)[:, None]), axis=1))[:, None] ** 4
    ),
    "of a product": lambda z, y, w: -np.sum(y * np.log(softmax(w @ w.T @ z))),
}

#: And others, that do, each in a way that is close to one of those.
OTHERS = {
    "what is small beside it": lambda z, y, w: np.sum(
        np.exp(z - z.max(axis=1)[:, None])
        / (1e-3 + np.sum(np.exp(z - z.max(axis=1)[:, None]), axis=1))[:, None] ** 2
    ),
    "another power": lambda z, y, w: np.sum(
        np.exp(z - z.max(axis=1)[:, None])
        / np.sum(np.exp(z - z.max(axis=1)[:, None]), axis=1)[:, None] ** 2
    ),
    "the exponentials": lambda z, y, w: np.sum(w * np.exp(z - z.max(axis=1)[:, None])),
    "not added again": lambda z, y, w: np.sum(
        np.log(np.sum(np.exp(z - z.max(axis=1)[:, None]), axis=1))
    ),
    "added twice": lambda z, y, w: np.sum(logsumexp(z)) + np.sum(z.max(axis=1)),
    "another axis": lambda z, y, w: np.sum(
        np.exp(z - z.max(axis=0)) / np.sum(np.exp(z - z.max(axis=0)), axis=1)[:, None] * w
    ),
    "weighed otherwise": lambda z, y, w: np.sum(w[:, 0] * logsumexp(z)) + w[:, 1] @ z.max(axis=1),
    "itself": lambda z, y, w: np.sum(w[:, 0] * np.max(z, axis=1) ** 2),
    "a sine": lambda z, y, w: np.sum(np.sin(z - z.max(axis=1)[:, None])),
    "a product of two": lambda z, y, w: np.sum(z.max(axis=1) * z.min(axis=1)),
}


def differences(function, z):
    step = 1e-6
    found = np.zeros_like(z)
    for k in np.ndindex(*z.shape):
        moved = [z.copy(), z.copy()]
        moved[0][k] += step
        moved[1][k] -= step
        found[k] = (function(moved[0]) - function(moved[1])) / (2 * step)
    return found


@pytest.mark.parametrize("name", [*SAME, *OTHERS])
def test_gradients_and_products(name):
    function = {**SAME, **OTHERS}[name]
    numbers = RNG.normal(size=Z.shape)
    gradient = ed.grad(function, Z, Y, W, wrt="z")
    np.testing.assert_allclose(
        gradient.dense(),
        differences(lambda z: float(np.asarray(function_of(function, z))), Z),
        atol=1e-7,
    )
    assert ("[" in str(gradient)) == (name in OTHERS)  # which entries are the largest
    product = np.asarray(ed.hvp(function, Z, Y, W, wrt="z", v=numbers))
    moved = [ed.grad(function, Z + s * 1e-6 * numbers, Y, W, wrt="z").dense() for s in (1, -1)]
    np.testing.assert_allclose(product, (moved[0] - moved[1]) / 2e-6, atol=1e-6)
    if name in SAME:
        hessian = ed.hessian(function, Z, Y, W, wrt="z").dense()
        np.testing.assert_allclose(np.einsum("ijkl,kl->ij", hessian, numbers), product, atol=1e-10)


def function_of(function, z):
    return ed.value_and_grad(function, z, Y, W, wrt="z")[0].dense()


def test_what_is_printed_is_what_was_written():
    value, _ = ed.value_and_grad(SAME["mean"], Z, Y, W, wrt="z")
    assert "max(" in str(value)
    f = ed.parse("Σ_i (log(Σ_j exp(z_ij - max(z)_i)) + max(z)_i)", z=Z)
    np.testing.assert_allclose(ed.grad(f, wrt="z").dense(), softmax(Z))
    assert "[" not in str(ed.grad(f, wrt="z"))


def test_large_numbers_and_ties():
    z = 1e4 * np.ones((2, 3))
    gradient = ed.grad(lambda z: np.sum(logsumexp(z)), z, wrt="z").dense()
    np.testing.assert_allclose(gradient, np.full((2, 3), 1 / 3))


def test_explained_and_checked():
    f = ed.parse("Σ_i (log(Σ_j exp(z_ij - max(z)_i)) + max(z)_i)", z=Z)
    gradient = ed.grad(f, wrt="z")
    assert str(gradient.explain())
    assert ed.check(gradient)
    assert str(gradient.table())


def test_parts_are_differentiated_by():
    x = ed.tensor("z", Z)
    shares = softmax(x)
    np.testing.assert_allclose(
        ed.grad(np.sum(np.sin(shares)), wrt=shares).dense(), np.cos(softmax(Z))
    )
    m = np.max(x, axis=1)
    both = np.sum(np.log(np.sum(np.exp(x - m[:, None]), axis=1)) + m)
    np.testing.assert_allclose(ed.grad(both, wrt=m).dense(), np.zeros(7), atol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_code(backend):
    module = pytest.importorskip(backend)
    gradient = ed.grad(SAME["cross-entropy of shares"], Z, Y, W, wrt="z")
    namespace = {}
    exec(gradient.code(backend=backend, name="f"), namespace)
    if backend == "torch":
        arrays = {"z": module.from_numpy(Z), "y": module.from_numpy(Y), "w": module.from_numpy(W)}
    else:
        arrays = {"z": Z, "y": Y, "w": W}
    np.testing.assert_allclose(
        np.asarray(namespace["f"](**arrays)), softmax(Z) - Y, rtol=1e-4, atol=1e-5
    )
