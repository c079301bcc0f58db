"""A library of arrays as others might write it: NumPy's functions, for arrays of a type of its own.

All that einsdiff is told of it is the class at the end.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from einsdiff.numeric.libraries.array_library import ArrayLibrary


def bare(value: Any) -> Any:
    """Take NumPy's arrays out of what is made of these."""
    if isinstance(value, Array):
        return value.values
    if isinstance(value, list | tuple):
        return type(value)(map(bare, value))
    return value


def wrapped(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(wrapped, value))
    return Array(value) if isinstance(value, np.ndarray | np.generic) else value


class Array(np.lib.mixins.NDArrayOperatorsMixin):
    """An array, which NumPy's functions refuse."""

    __array_priority__ = 1000
    __array__ = None

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return called(getattr(ufunc, method))(*inputs, **options)

    def __getitem__(self, index: Any) -> Array:
        return Array(self.values[bare(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.values[bare(index)] = bare(value)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.values, name)
        return called(found) if callable(found) else wrapped(found)


def called(function: Any) -> Any:
    def call(*args: Any, **options: Any) -> Any:
        return wrapped(function(*map(bare, args), **{k: bare(v) for k, v in options.items()}))

    return call


def __getattr__(name: str) -> Any:
    """Return a function of NumPy's, for these arrays."""
    found = getattr(np, name)
    return called(found) if callable(found) and not isinstance(found, type) else found


class Toy(ArrayLibrary):
    name, title, array = "toy", "Toy", "a toy array"
    packages, module = (__name__,), __name__

    def as_numpy(self, array: Any) -> Any:
        return array.values

    @property
    def functions(self) -> Any:
        return sys.modules[__name__]
