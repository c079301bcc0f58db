"""What the results are compared with: slow, short, and independent of the library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np


def brute_einsum(inputs, output, sizes, arrays):
    """Evaluate a sum of products by its definition, one index at a time.

    Labels of the output may repeat, which is a delta, and may be carried by no operand.
    """
    shape = tuple(sizes[label] for label in output)
    dtype = np.result_type(int, *arrays)
    result = np.zeros(shape, dtype)
    labels = list(dict.fromkeys([*output, *(label for term in inputs for label in term)]))
    for index in product(*(range(sizes[label]) for label in labels)):
        at = dict(zip(labels, index, strict=True))
        value = dtype.type(1)
        for term, array in zip(inputs, arrays, strict=True):
            value = value * array[tuple(at[label] for label in term)]
        result[tuple(at[label] for label in output)] += value
    return result


def brute_derivative(inputs, output, sizes, arrays, slots):
    """Differentiate along every basis direction, in all places where the operand stands.

    `slots` are the positions of the operand. A product is linear in each of its factors, so that
    the product rule needs no limit.
    """
    operand = arrays[slots[0]]
    shape = tuple(sizes[label] for label in output)
    dtype = np.result_type(int, *arrays)
    result = np.zeros((*shape, *operand.shape), dtype)
    for index in np.ndindex(operand.shape):
        basis = np.zeros_like(operand)
        basis[index] = 1
        for slot in slots:
            moved = [basis if k == slot else array for k, array in enumerate(arrays)]
            result[(..., *index)] += brute_einsum(inputs, output, sizes, moved)
    return result


def finite_differences(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """Differentiate by Richardson-extrapolated central differences, error of order h^4."""
    x = np.asarray(x, np.result_type(x, 1.0))
    value = np.asarray(f(x))
    result = np.zeros((*value.shape, *x.shape), np.result_type(value, x))
    h = 1e-2
    for index in np.ndindex(x.shape):

        def central(step: float, index: tuple[int, ...] = index) -> np.ndarray:
            moved = [x.copy(), x.copy()]
            moved[0][index] += step
            moved[1][index] -= step
            return (np.asarray(f(moved[0])) - np.asarray(f(moved[1]))) / (2 * step)

        result[(..., *index)] = (4 * central(h / 2) - central(h)) / 3
    return result


def random_array(rng: np.random.Generator, shape: Sequence[int], dtype: str) -> np.ndarray:
    """Draw an array of small whole numbers, so that sums of products are exact in any dtype."""
    values = rng.integers(-3, 4, size=tuple(shape)).astype(dtype)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.integers(-3, 4, size=tuple(shape))
    return values.astype(dtype)
