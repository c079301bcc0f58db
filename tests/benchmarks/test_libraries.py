"""What a call costs above the bare statements of PyTorch and of JAX, on tiny arrays.

Run with ``python -m pytest tests/benchmarks/test_libraries.py``; the table shows medians. In each
group the first is written by hand.
"""

from __future__ import annotations

import numpy as np
import pytest

import einsdiff as ed

pytest.importorskip("pytest_benchmark")

F = "tanh(A_ij x_j) y_i"
ARRAYS = np.ones((3, 4), "float32") / 9, np.ones(4, "float32"), np.ones(3, "float32")


def gradient_by_hand(tanh, A, x, y):
    return ((1 - tanh(A @ x) ** 2) * y) @ A


def of_torch():
    """Return calls by name: a gradient, and a value with its gradient by autograd."""
    torch = pytest.importorskip("torch")
    A, x, y = (torch.tensor(a) for a in ARRAYS)
    compiled = ed.grad(F, wrt="x").compile()
    variable = x.clone().requires_grad_()
    f = ed.as_torch(F)
    bound = ed.grad(F, wrt="x", A=A, x=x, y=y)

    def by_autograd(function):
        return lambda: torch.autograd.grad(function(A, variable, y), variable)

    return {
        "gradient by hand": lambda: gradient_by_hand(torch.tanh, A, x, y),
        "gradient compiled": lambda: compiled(A, x, y),
        "gradient bound": bound.dense,
        "autograd by hand": by_autograd(lambda A, x, y: torch.tanh(A @ x) @ y),
        "autograd of as_torch": by_autograd(f),
    }


def of_jax():
    """Return calls by name: statements of JAX one by one, and compiled by it."""
    jax = pytest.importorskip("jax")
    A, x, y = (jax.numpy.asarray(a) for a in ARRAYS)
    compiled = ed.grad(F, wrt="x").compile()
    by_hand = jax.jit(lambda A, x, y: gradient_by_hand(jax.numpy.tanh, A, x, y))
    jitted = jax.jit(compiled)
    value = jax.jit(jax.value_and_grad(lambda A, x, y: jax.numpy.tanh(A @ x) @ y, argnums=1))
    other = jax.jit(jax.value_and_grad(ed.as_jax(F), argnums=1))
    return {
        "eager by hand": lambda: gradient_by_hand(jax.numpy.tanh, A, x, y),
        "eager compiled": lambda: compiled(A, x, y),
        "jit by hand": lambda: by_hand(A, x, y).block_until_ready(),
        "jit of compiled": lambda: jitted(A, x, y).block_until_ready(),
        "value_and_grad by hand": lambda: jax.block_until_ready(value(A, x, y)),
        "value_and_grad of as_jax": lambda: jax.block_until_ready(other(A, x, y)),
    }


NAMES = {
    of_torch: [
        "gradient by hand",
        "gradient compiled",
        "gradient bound",
        "autograd by hand",
        "autograd of as_torch",
    ],
    of_jax: [
        "eager by hand",
        "eager compiled",
        "jit by hand",
        "jit of compiled",
        "value_and_grad by hand",
        "value_and_grad of as_jax",
    ],
}


@pytest.mark.parametrize(
    ("library", "name"),
    [(library, name) for library, names in NAMES.items() for name in names],
    ids=lambda value: value if isinstance(value, str) else value.__name__.removeprefix("of_"),
)
def test_call(benchmark, library, name):
    call = library()[name]
    call()
    benchmark(call)
