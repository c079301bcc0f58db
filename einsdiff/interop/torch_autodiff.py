r"""Steps that PyTorch differentiates: functions with a backward and a forward mode of their own.

For complex numbers PyTorch's cotangents are conjugates: of a step that is differentiable for
complex arguments

.. math:: \bar x_k = \overline{\sum_c \bar{\bar y}_c \frac{\partial f_c}{\partial x_k}} .

>>> from einsdiff.algebra.nodes.nodes import einsum
>>> from einsdiff.algebra.nodes.interning import variable
>>> from einsdiff.interop.differentiable import STEPS, Pass
>>> x = variable("x", (2,))
>>> square = Pass((einsum([x, x], ["i", "i"], ""),), (x,), (), "torch")
>>> array = torch.tensor([1.0, 2.0], requires_grad=True)
>>> run(square, [array]).backward()
>>> array.grad
tensor([2., 4.])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.autograd import forward_ad

from einsdiff.interop.differentiable import STEPS, Pass
from einsdiff.numeric.libraries import dynamo


def _conj(array: torch.Tensor) -> torch.Tensor:
    return array.conj() if array.is_complex() else array


class _Computed(torch.autograd.Function):
    """A step in eager mode, where what is needed is known when it is asked for."""

    generate_vmap_rule = True

    @staticmethod
    def forward(step: Pass, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return step(*inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        step, *arrays = inputs
        ctx.set_materialize_grads(False)
        ctx.step = step
        needed = ctx.needs_input_grad[1:]
        if forward_ad._current_level >= 0:  # which inputs have tangents is not known yet
            ctx.kept = range(len(arrays))
            ctx.save_for_forward(*arrays)
        elif any(needed):
            ctx.kept = step.kept(step.pullback(needed, (True,) * len(output)))
        else:
            return
        ctx.save_for_backward(*[arrays[k] for k in ctx.kept])

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        step, needed = ctx.step, ctx.needs_input_grad[1:]
        given = tuple(u is not None for u in cotangents)
        if not any(given) or not any(needed):
            return (None,) * (1 + len(needed))
        pulled = step.pullback(needed, given)
        saved = dict(zip(ctx.kept, ctx.saved_tensors, strict=True))
        arrays = [saved[k] for k in step.kept(pulled)]
        found = iter(_computed(pulled, *arrays, *[_conj(u) for u in cotangents if u is not None]))
        return None, *[_conj(next(found)) if is_needed else None for is_needed in needed]

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        moved = ctx.step.pushforward(tuple(v is not None for v in tangents))
        given = [v for v in tangents if v is not None]
        return tuple(_computed(moved, *ctx.saved_tensors, *given))


# `apply` has no types in PyTorch.
_apply: Callable[..., tuple[torch.Tensor, ...]] = _Computed.apply


def _computed(step: Pass, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Compute a step, such that it can be differentiated if anyone may ask for that."""
    is_asked = (
        (torch.is_grad_enabled() and any(array.requires_grad for array in inputs))
        or forward_ad._current_level >= 0
        or torch._C._are_functorch_transforms_active()
    )
    return _apply(step, *inputs) if is_asked else step(*inputs)


# --- under torch.compile ----------------------------------------------------------------------


@dynamo.constant_result
def _named(number: int) -> str:
    """Return the name that a step has in `dynamo.functions`."""
    name = f"step{number}"
    setattr(dynamo.functions, name, STEPS[number].plain())
    return name


@dynamo.constant_result
def _pulled(number: int, needed: tuple[bool, ...], given: tuple[bool, ...]) -> int:
    """Return the number of a pullback."""
    step = STEPS[number]
    pulled = step.pullback(needed, given)
    return pulled.number


@dynamo.constant_result
def _kept(number: int, pulled: int) -> tuple[int, ...]:
    """Return which arguments of a step a pullback takes."""
    return STEPS[number].kept(STEPS[pulled])


class _Traced(torch.autograd.Function):
    """A step that is traced, which has no forward mode: PyTorch does not trace that."""

    @staticmethod
    def forward(number: int, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        computed: tuple[torch.Tensor, ...] = getattr(dynamo.functions, _named(number))(*inputs)
        return computed

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, _: Any) -> None:
        ctx.number = inputs[0]
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        needed = ctx.needs_input_grad[1:]
        pulled = _pulled(ctx.number, needed, (True,) * len(cotangents))
        arrays = [ctx.saved_tensors[k] for k in _kept(ctx.number, pulled)]
        computed = getattr(dynamo.functions, _named(pulled))
        found = iter(computed(*arrays, *[_conj(u) for u in cotangents]))
        return None, *[_conj(next(found)) if is_needed else None for is_needed in needed]


_apply_traced: Callable[..., tuple[torch.Tensor, ...]] = _Traced.apply


def run(step: Pass, inputs: Sequence[torch.Tensor]) -> Any:
    """Compute a step from tensors of one dtype: a result, or a tuple of several."""
    if torch.compiler.is_compiling():
        results = _apply_traced(step.number, *inputs)
    else:
        results = _computed(step, *inputs)
    return results if len(results) > 1 else results[0]
