"""Arrays in chunks, as operands."""

from __future__ import annotations

from typing import Any

from einsdiff.errors import OperandError, ShapeError, page
from einsdiff.numeric.libraries.lazy import np

__all__ = ["check_chunks"]


def check_chunks(array: Any, name: str) -> None:
    """Raise an error for an array of Dask's that cannot be computed with.

    Parameters
    ----------
    array
        The array.
    name
        What to call it in messages.

    Raises
    ------
    OperandError
        Its chunks are of another type than NumPy's arrays.
    ShapeError
        The sizes of its chunks are not known.

    Examples
    --------
    >>> import dask.array as da
    >>> x = da.arange(4, chunks=2)
    >>> check_chunks(x[x > 1], "x")
    Traceback (most recent call last):
    einsdiff.ShapeError: the sizes of the chunks of 'x' are not known: its shape is (nan,)
    <BLANKLINE>
    call x.compute_chunk_sizes(), or make it of arrays of known shapes
    """
    called = name if name.isidentifier() else "x"
    if any(np.isnan(size) for size in array.shape):
        shape = ", ".join(map(str, array.shape)) + "," * (array.ndim == 1)
        raise ShapeError(
            page(
                f"the sizes of the chunks of '{name}' are not known: its shape is ({shape})",
                action=f"call {called}.compute_chunk_sizes(), or make it of arrays of known shapes",
            )
        )
    if type(array._meta) is not np.ndarray and not isinstance(array._meta, np.generic):
        kind = type(array._meta)
        raise OperandError(
            page(
                f"the chunks of '{name}' are of type {kind.__module__}.{kind.__qualname__}, "
                "and einsdiff computes with chunks that are NumPy arrays",
                action=f"convert them, as in {called}.map_blocks(np.asarray), or fill them",
            )
        )
