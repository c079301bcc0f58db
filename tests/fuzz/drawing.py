"""What every family draws from: numbers that are the same on every machine, and arrays as text."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

DTYPES = ("float64", "float64", "float64", "float32", "complex128", "complex64", "int64", "int32")


class Draw:
    """Draws of one example.

    Of Python's generator only `random` is promised to give the same numbers in every version, so
    that all else is made of it.

    >>> Draw("0/einsum/7").choice("abcdef") == Draw("0/einsum/7").choice("abcdef")
    True
    """

    def __init__(self, key: str) -> None:
        self._unit = random.Random(key).random

    def integer(self, low: int, high: int) -> int:
        """Draw a whole number; both ends are possible."""
        return low + int(self._unit() * (high - low + 1))

    def choice(self, options: Sequence[T]) -> T:
        return options[self.integer(0, len(options) - 1)]

    def flag(self, chance: float = 0.5) -> bool:
        return self._unit() < chance

    def shuffled(self, options: Sequence[T]) -> list[T]:
        left = list(options)
        return [left.pop(self.integer(0, len(left) - 1)) for _ in options]

    def some(self, options: Sequence[T], count: int) -> list[T]:
        return self.shuffled(options)[:count]

    def number(self, low: float, high: float, whole: bool = False) -> Any:
        return self.integer(int(low), int(high)) if whole else round(self.unit(low, high), 2)

    def unit(self, low: float, high: float) -> float:
        return low + self._unit() * (high - low)


# --- arrays, as Python ------------------------------------------------------------------------


def nested(draw: Draw, shape: Sequence[int], low: float, high: float, dtype: str) -> Any:
    """Draw lists of lists of numbers; of whole ones for every dtype but double precision."""
    if shape:
        return [nested(draw, shape[1:], low, high, dtype) for _ in range(shape[0])]
    whole = dtype != "float64"
    number = draw.number(low, high, whole)
    return complex(number, draw.number(low, high, whole)) if dtype[0] == "c" else number


def literal(values: Any, shape: Sequence[int], dtype: str = "float64") -> str:
    """Write an array of these values.

    >>> literal([[1, 2]], (1, 2), "int64"), literal([], (0, 3)), literal(2.5, ())
    ("np.array([[1, 2]], 'int64')", 'np.zeros((0, 3))', 'np.array(2.5)')
    """
    kind = "" if dtype == "float64" else f", {dtype!r}"
    if 0 in shape:
        return f"np.zeros({tuple(shape)}{kind})"
    if dtype == "float64" and np.all(np.asarray(values) == np.round(np.asarray(values))):
        kind = ", float"
    return f"np.array({values}{kind})"


def array(
    draw: Draw, shape: Sequence[int], low: float = -1.5, high: float = 1.5, dtype: str = "float64"
) -> str:
    """Draw an array, as Python."""
    return literal(nested(draw, shape, low, high, dtype), shape, dtype)


def symmetric(draw: Draw, size: int, dtype: str = "float64") -> str:
    """Draw a symmetric matrix."""
    values = nested(draw, (size, size), -3, 3, dtype)
    rows = [[values[max(i, j)][min(i, j)] for j in range(size)] for i in range(size)]
    return literal(rows, (size, size), dtype)


def square(draw: Draw, size: int) -> str:
    """Draw a matrix that has an inverse and a positive determinant."""
    values = nested(draw, (size, size), -0.5, 0.5, "float64")
    for k in range(size):
        values[k][k] = round(values[k][k] + 2 + k / 4, 2)
    return literal(values, (size, size))


def awkward(draw: Draw, shape: Sequence[int], dtype: str) -> str:
    """Draw an array that may be in Fortran order, strided, reversed, a view or read-only."""
    how = draw.choice(["plain", "plain", "fortran", "strided", "reversed", "turned", "spread"])
    if how == "turned":
        return f"{array(draw, shape[::-1], -3, 3, dtype)}.T"
    if how == "spread" and shape and shape[0] > 1:
        one = array(draw, (1, *shape[1:]), -3, 3, dtype)
        return f"np.broadcast_to({one}, {tuple(shape)})"
    source = array(draw, shape, -3, 3, dtype)
    if how == "fortran":
        return f"np.array({source}, order='F')"
    if how == "strided" and shape:
        return f"np.repeat({source}, 2, -1)[..., ::2]"
    return f"{source}[::-1]" if how == "reversed" and shape else source
