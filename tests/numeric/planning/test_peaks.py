"""What a derivative takes in memory, against what its function takes, on random expressions."""

from __future__ import annotations

import warnings
from importlib import import_module
from math import prod

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import Call
from einsdiff.numeric.planning.plan import plan
from tests.fuzz.drawing import Draw
from tests.fuzz.trials import BrokenError, RefusedError, Trial

#: Sizes that are drawn are 2 to 5, where the fourth power of one is less than some constants.
LARGER = 12
#: How many times the entries of the function's variables and intermediates its derivatives take:
#: as a rule 2 and 4, and up to these where these are a few matrices or vectors.
GRADIENT, PRODUCT = 10, 16


def drawn(family, number):
    """Draw a scalar function; return it, its variables, and a number for each named size."""
    trial = Trial()
    module = import_module(f"tests.fuzz.{family}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        e = module.expression(Draw(f"peaks/{family}/{number}"), trial, True)
    f = trial.space["f"]
    f = f.sum() if f.ndim else f
    names = tuple(n for n in f.names if e.arrays[n].dtype.kind == "f")
    sizes = {}
    for v in f.formula.arguments:
        for size, count in zip(v.shape, e.arrays[v.name].shape, strict=True):
            if isinstance(size, str):
                sizes[size] = LARGER * count + 1
    return f, names, sizes


@pytest.mark.parametrize("start", range(0, 80, 20))
@pytest.mark.parametrize("family", ["einsums", "programs"])
def test_no_intermediate_is_much_larger_than_those_of_the_function(family, start):
    checked = 0
    for number in range(start, start + 20):
        try:
            f, names, sizes = drawn(family, number)
        except (RefusedError, BrokenError, KeyError):
            continue
        # The second derivative of a product over an axis is a function of two axes.
        calls = [n.function.name for n in topological([f.expr]) if isinstance(n, Call)]
        if not names or "prod" in calls:
            continue
        own = sum(prod(sizes.get(n, n) for n in v.shape) for v in f.formula.arguments)
        own += plan([f.expr], sizes).peak
        gradient = [g.expr for g in ed.grad(f, wrt=names)]
        product = [h.expr for h in ed.hvp(f, wrt=names)]
        assert plan(gradient, sizes).peak <= GRADIENT * own, (number, str(f))
        assert plan(product, sizes).peak <= PRODUCT * own, (number, str(f))
        checked += 1
    assert checked > 8


def networks():
    """Yield a network with a softmax, with its variables, and a likelihood with an inverse."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(7, 3)), np.eye(4)[rng.integers(0, 4, 7)]

    def network(W, b, V, c):
        z = np.tanh(X @ W + b) @ V + c
        return (ed.logsumexp(z, axis=1) - np.sum(z * Y, axis=1)).mean()

    shapes = {"W": (3, 5), "b": (5,), "V": (5, 4), "c": (4,)}
    yield network, {name: rng.normal(size=shape) for name, shape in shapes.items()}

    def likelihood(t, S):
        K = np.exp(t[0]) * (S @ S.T) + np.exp(t[1]) * np.eye(7)
        return X[:, 0] @ np.linalg.solve(K, X[:, 0]) + np.linalg.slogdet(K)[1]

    yield likelihood, {"t": np.array([0.1, -0.4]), "S": rng.normal(size=(7, 4))}

    def attention(Q, K):
        weights = ed.softmax(X @ Q @ K.T @ X.T, axis=1)
        return np.sum((weights @ X - 1) ** 2)

    yield attention, {"Q": rng.normal(size=(3, 2)), "K": rng.normal(size=(3, 2))}


@pytest.mark.parametrize(("f", "variables"), list(networks()))
def test_products_with_the_hessian_are_right_alone_and_together(f, variables):
    rng = np.random.default_rng(1)
    names = tuple(variables)
    v = [rng.normal(size=variables[name].shape) for name in names]
    step = 1e-6

    def gradients(t):
        moved = {name: variables[name] + t * d for name, d in zip(names, v, strict=True)}
        return [np.asarray(g) for g in ed.grad(f, wrt=names, **moved)]

    expected = [
        (a - b) / (2 * step) for a, b in zip(gradients(step), gradients(-step), strict=True)
    ]
    products = ed.hvp(f, wrt=names, v=tuple(v), **variables)
    for found in ([np.asarray(h) for h in products], ed.compile(*products)()):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
