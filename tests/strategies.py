"""Random einsums and awkward arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

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
