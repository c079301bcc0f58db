"""Dask: arrays in chunks, which are computed when they are asked for."""

from __future__ import annotations

import sys
from math import isnan
from typing import Any

from einsdiff.errors import OperandError, ShapeError
from einsdiff.numeric.libraries.array_library import ArrayLibrary


class Dask(ArrayLibrary):
    """Dask; see `einsdiff.numeric.chunks` for what is computed from which chunks."""

    name, title, array = "dask", "Dask", "a Dask array"
    packages = ("dask",)
    takes_numpy = is_lazy = True

    def is_traced(self, array: Any) -> bool:
        del array
        return True

    def as_numpy(self, array: Any) -> Any:
        return array.compute()

    def check_operand(self, array: Any, name: str) -> None:
        """Raise an error for chunks of unknown sizes, or of another type than NumPy's arrays.

        >>> import dask.array as da
        >>> x = da.arange(4, chunks=2)
        >>> Dask().check_operand(x[x > 1], "x")
        Traceback (most recent call last):
        einsdiff.ShapeError: the sizes of the chunks of 'x' are not known: its shape is (nan,)
        <BLANKLINE>
        call x.compute_chunk_sizes(), or make it of arrays of known shapes
        """
        called = name if name.isidentifier() else "x"
        if any(isnan(size) for size in array.shape):
            shape = ", ".join(map(str, array.shape)) + "," * (array.ndim == 1)
            raise ShapeError(
                f"the sizes of the chunks of '{name}' are not known: its shape is ({shape})",
                action=f"call {called}.compute_chunk_sizes(), or make it of arrays of known shapes",
            )
        kind, numpy = type(array._meta), sys.modules["numpy"]
        if kind is not numpy.ndarray and not issubclass(kind, numpy.generic):
            raise OperandError(
                f"the chunks of '{name}' are of type {kind.__module__}.{kind.__qualname__}, "
                "and einsdiff computes with chunks that are NumPy arrays",
                action=f"convert them, as in {called}.map_blocks(np.asarray), or fill them",
            )
