r"""Steps that JAX differentiates: functions with a rule for tangents of their own.

.. math:: (x, \dot x) \mapsto \Bigl(f(x), \sum_k \frac{\partial f}{\partial x_k} \dot x_k\Bigr)

The second part is linear in :math:`\dot x`, and JAX transposes it for the reverse mode. Both are
computed by one step, which has a rule in its turn.

>>> import jax.numpy as jnp
>>> from einsdiff.algebra.nodes.nodes import einsum
>>> from einsdiff.algebra.nodes.interning import variable
>>> from einsdiff.interop.differentiable import Pass
>>> x = variable("x", (2,))
>>> square = Pass((einsum([x, x], ["i", "i"], ""),), (x,), (), "jax")
>>> jax.grad(lambda x: run(square, [x]))(jnp.array([1.0, 2.0])).tolist()
[2.0, 4.0]
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import compress
from typing import Any

import jax
from jax.custom_derivatives import SymbolicZero

from einsdiff.interop.differentiable import Pass


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _computed(step: Pass, *inputs: Any) -> tuple[Any, ...]:
    return step(*inputs)


def _rule(
    step: Pass, primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    needed = tuple(not isinstance(tangent, SymbolicZero) for tangent in tangents)
    moved = step.pushforward(needed, with_values=True)
    results = _computed(moved, *primals, *compress(tangents, needed))
    count = len(step.nodes)
    return results[:count], results[count:]


_computed.defjvp(_rule, symbolic_zeros=True)


def run(step: Pass, inputs: Sequence[Any]) -> Any:
    """Compute a step from arrays of one dtype: a result, or a tuple of several."""
    results = _computed(step, *inputs)
    return results if len(results) > 1 else results[0]
