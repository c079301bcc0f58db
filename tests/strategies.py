"""Random einsums, random expressions, and awkward arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import einsdiff as ed
from tests.oracle import random_array

DTYPES = ["float64", "float32", "complex128", "complex64", "int64", "int32"]


@dataclass(frozen=True)
class Case:
    """An einsum with its operands; equal names are one array."""

    inputs: tuple[str, ...]
    output: str
    sizes: dict[str, int]
    names: tuple[str, ...]
    arrays: dict[str, np.ndarray]

    @property
    def subscripts(self) -> str:
        return ",".join(self.inputs) + "->" + self.output

    @property
    def operands(self) -> list[np.ndarray]:
        return [self.arrays[name] for name in self.names]

    @property
    def broadcast(self) -> dict[str, int]:
        """Sizes of the labels that no operand carries."""
        return {n: self.sizes[n] for n in self.output if n not in "".join(self.inputs)}

    def slots(self, name: str) -> list[int]:
        return [k for k, other in enumerate(self.names) if other == name]


def awkward(draw: st.DrawFn, array: np.ndarray) -> np.ndarray:
    """Give an array another memory layout: Fortran order, strides, negative strides."""
    how = draw(st.sampled_from(["plain", "fortran", "strided", "reversed"]))
    if how == "fortran":
        return np.array(array, order="F")
    if how == "strided" and array.ndim:
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    if how == "reversed":
        return array[tuple(slice(None, None, -1) for _ in array.shape)]
    return array


@st.composite
def einsums(draw: st.DrawFn, most_operands: int = 4, dtypes: list[str] = DTYPES) -> Case:
    """Draw an einsum: repeated labels, traces, deltas, broadcasts, sizes 0 and 1 included."""
    letters = "ijkl"
    sizes = {letter: draw(st.sampled_from([2, 3, 2, 1, 0])) for letter in letters}
    labels = st.text(st.sampled_from(letters), min_size=0, max_size=3)
    inputs = tuple(draw(st.lists(labels, min_size=1, max_size=most_operands)))
    output = draw(st.text(st.sampled_from(letters), max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    names: list[str] = []
    arrays: dict[str, np.ndarray] = {}
    for term in inputs:
        shape = tuple(sizes[label] for label in term)
        alike = [name for name in arrays if arrays[name].shape == shape]
        if alike and draw(st.booleans()):
            names.append(draw(st.sampled_from(alike)))
        else:
            name = "ABCDEFGH"[len(arrays)]
            array = random_array(rng, shape, draw(st.sampled_from(dtypes)))
            arrays[name] = awkward(draw, array)
            names.append(name)
    return Case(inputs, output, sizes, tuple(names), arrays)


# --- expressions ------------------------------------------------------------------------------

#: The axes of each operand, as names of sizes.
OPERANDS = {"a": "", "b": "", "x": "n", "y": "m", "A": "nm", "B": "nn", "C": "mm"}


@dataclass(frozen=True)
class Drawn:
    """An expression, the operands' arrays, and the numbers that its sizes are or stand for."""

    expression: ed.Tensor
    arrays: dict[str, np.ndarray]
    sizes: dict[str, int]
    is_named: bool


@st.composite
def expressions(draw: st.DrawFn, most: int = 2, dtypes: Sequence[str] = ("float64",)) -> Drawn:
    """Draw an expression of products of matrices, quotients, functions, deltas and sums.

    Its sizes are names or numbers, one among them.
    """
    sizes = {"n": draw(st.sampled_from([3, 2, 1])), "m": draw(st.sampled_from([2, 3, 1]))}
    dtype = draw(st.sampled_from(dtypes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    arrays = {}
    for name, axes in OPERANDS.items():
        values = rng.uniform(0.4, 1.3, [sizes[n] for n in axes]).astype(dtype)
        arrays[name] = values + 1j * values[::-1] if dtype[0] == "c" and axes else values
    is_named = draw(st.booleans())
    known = {
        n: ed.tensor(n, tuple(axes) if is_named else arrays[n]) for n, axes in OPERANDS.items()
    }
    names = dict(zip(sizes, sizes, strict=True)) if is_named else sizes
    result = draw(_expressions(known, names, draw(st.sampled_from(["", "n", "nm", "nn"])), most))
    return Drawn(result, arrays, sizes, is_named)


@st.composite
def _expressions(
    draw: st.DrawFn, known: dict[str, ed.Tensor], sizes: dict[str, Any], axes: str, most: int
) -> ed.Tensor:
    """Draw an expression of these axes, with so many operations one in the other."""

    def part(inner: str) -> ed.Tensor:
        return draw(_expressions(known, sizes, inner, most - 1))

    alike = [name for name, own in OPERANDS.items() if own == axes]
    if most <= 0:
        return known[draw(st.sampled_from(alike))] if alike else np.outer(known["y"], known["x"])
    n = draw(st.sampled_from("nm"))
    ways = ["+", "-", "*", "/", "@", "einsum", "sum", "function", "power", "negative"]
    ways += [["trace"], ["cumsum", "diagonal"], ["transpose"]][len(axes)]
    way = draw(st.sampled_from(ways))
    if way in "+-*/":
        a, b = part(axes), part(axes[1:] if draw(st.integers(0, 3)) == 0 else axes)
        return {"+": a + b, "-": a - b, "*": a * b, "/": a / (b * b + 1)}[way]
    if way == "@":
        first = draw(st.booleans())
        before, after = (axes[:1], axes[1:]) if len(axes) == 2 or first else ("", axes)
        return part(before + n) @ part(n + after)
    if way == "einsum":
        return _einsum(draw, part, sizes, axes)
    if way == "sum":
        return np.mean(part(n + axes), axis=0) if len(axes) < 2 else part(axes) * np.sum(part(n))
    if way == "function":
        function = draw(st.sampled_from([np.exp, np.sin, np.tanh, np.square, ed.sigmoid]))
        return function(part(axes) / 4)
    if way == "power":
        return (part(axes) ** 2 + 1) ** draw(st.sampled_from([2, 3, -1, -0.5]))
    if way == "trace":
        return np.trace(part(n + n))
    if way == "cumsum":
        return np.cumsum(part(axes))
    if way == "diagonal":
        return np.diagonal(part(axes + axes))
    return part(axes[::-1]).T if way == "transpose" else -part(axes)


def _einsum(
    draw: st.DrawFn, part: Callable[[str], ed.Tensor], sizes: dict[str, Any], axes: str
) -> ed.Tensor:
    """Draw an einsum with deltas, traces, and axes that nothing carries."""
    size = {"i": "n", "j": "m", "k": "n", "l": "m"}
    output = "".join(draw(st.sampled_from([k for k in size if size[k] == n])) for n in axes)
    terms = draw(st.lists(st.text(st.sampled_from("ijkl"), max_size=2), min_size=1, max_size=3))
    parts = [part("".join(size[label] for label in term)) for term in terms]
    absent = {k: sizes[size[k]] for k in output if k not in "".join(terms)}
    return ed.einsum(",".join(terms) + "->" + output, *parts, sizes=absent or None)
