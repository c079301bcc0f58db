"""Random expressions of all kinds, and their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

import einsdiff as ed

#: The variables of random expressions; `S` is symmetric.
SHAPES: dict[str, tuple[int, ...]] = {
    "x": (3,),
    "y": (3,),
    "b": (2,),
    "A": (3, 3),
    "B": (2, 3),
    "S": (3, 3),
    "T": (3, 3, 3),
    "s": (),
    "u": (3,),
}

ENTRYWISE = (
    *("sin", "exp", "tanh", "log", "sqrt", "abs", "relu", "sigmoid", "softplus", "erf", "log1p"),
    *("arctan", "square", "sign", "reciprocal", "cbrt", "gelu", "floor"),
)
OF_VECTORS = ("softmax", "logsumexp", "cumsum", "norm", "prod", "max", "sum", "mean", "diag")
OF_MATRICES = ("inv", "det", "logdet", "trace", "transpose", "diagonal")
INDICES = (0, 1, slice(1, None), slice(None, None, -1), slice(0, 2))


def variable(name: str) -> ed.Tensor:
    return ed.tensor(name, SHAPES[name], symmetric=name == "S")


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> ed.Tensor:
    """Draw an expression of any shape."""
    if not depth or draw(st.integers(0, 9)) == 0:
        return variable(draw(st.sampled_from(sorted(SHAPES))))
    kind = draw(st.sampled_from(_KINDS))
    return kind(draw, lambda: draw(expressions(depth - 1)))


@st.composite
def derivatives(draw: st.DrawFn, depth: int = 2, most: int = 2) -> ed.Tensor:
    """Draw a derivative, of a low order, that has at most six axes."""
    try:
        tensor = draw(expressions(depth))
        order = draw(st.integers(1, most))
        for _ in range(order):
            assume(tensor.names)
            tensor = ed.grad(tensor, wrt=draw(st.sampled_from(sorted(tensor.names))))
            assume(len(tensor.shape) <= 6)
    except ed.EinsdiffError:  # complex powers, functions that are not differentiable, sizes
        assume(False)
    return tensor


def arrays_for(*tensors: ed.Tensor, seed: int = 5) -> dict[str, np.ndarray]:
    """Return arrays for all variables of tensors and of what they are derivatives of."""
    rng = np.random.default_rng(seed)
    found: dict[str, np.ndarray] = {}
    for tensor in tensors:
        formula: Any = tensor.formula
        while formula is not None:
            for v in formula.arguments:
                found.setdefault(v.name, rng.uniform(0.5, 1.5, v.shape))
            formula = formula.source[0] if formula.source else None
    if "S" in found:
        found["S"] = found["S"] + found["S"].T
    return found


def _entrywise(draw, inner):
    return getattr(ed, draw(st.sampled_from(ENTRYWISE)))(inner())


def _sum(draw, inner):
    a, b = inner(), inner()
    if a.shape and b.shape and a.shape != b.shape:
        return 3 * a
    return a + b if draw(st.booleans()) else a - 2 * b


def _product(draw, inner):
    a, b = inner(), inner()
    if a.shape and b.shape and a.shape != b.shape:
        return a * a
    return a * b if draw(st.booleans()) else a / (b * b + 1)


def _einsum(draw, inner):
    operands = [inner() for _ in range(draw(st.integers(1, 3)))]
    if draw(st.booleans()):
        operands.append(draw(st.sampled_from(operands)))
    sizes: dict[str, int] = {}
    inputs = []
    for operand in operands:
        labels = ""
        for size in operand.shape:
            free = [label for label in "ijklm" if sizes.get(label, size) == size]
            if not free:
                return operand
            labels += draw(st.sampled_from(free))
            sizes[labels[-1]] = size
        inputs.append(labels)
    used = sorted(set("".join(inputs)))
    output = "".join(draw(st.permutations(used))[: draw(st.integers(0, 2))])
    return ed.einsum(f"{','.join(inputs)}->{output}", *operands)


def _linear(draw, inner):
    a = inner()
    if len(a.shape) == 2 and a.shape[0] == a.shape[1]:
        return getattr(ed, draw(st.sampled_from(OF_MATRICES)))(a)
    if len(a.shape) == 1:
        return getattr(ed, draw(st.sampled_from(OF_VECTORS)))(a)
    return ed.sum(a)


def _rearranged(draw, inner):
    a = inner()
    if not a.shape:
        return a ** draw(st.sampled_from([2, 3, -1]))
    kind = draw(st.sampled_from(["index", "flat", "stack", "joined"]))
    if kind == "index":
        return a[draw(st.sampled_from(INDICES))] if a.shape[0] > 1 else a
    if kind == "flat":
        return ed.reshape(a, (-1,))
    return ed.stack([a, 2 * a]) if kind == "stack" else ed.concatenate([a, a])


def _branches(draw, inner):
    a = inner()
    return ed.where(a > 1, a, a * a) if draw(st.booleans()) else ed.maximum(a, 1)


_KINDS = [_entrywise, _entrywise, _sum, _product, _einsum, _einsum, _linear, _rearranged, _branches]
