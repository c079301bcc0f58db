r"""Expressions of Dask arrays, as lazy Dask arrays.

A sum over an index that is in chunks is the sum of what each chunk gives,

.. math:: \frac{\partial^2 L}{\partial w_p \, \partial w_q} = \sum_n A_{np} s_n A_{nq}
    = \sum_c \Big[ \sum_{n \in I_c} A_{np} s_n A_{nq} \Big] ,

and one task computes for its chunk all that is needed of it, by a program of einsdiff's. See
`einsdiff.numeric.chunks.fused` for what is computed from which chunks, and
`einsdiff.numeric.chunks.tasks` for the tasks.

>>> import dask.array as da
>>> import einsdiff as ed
>>> x = da.arange(6.0, chunks=2)
>>> f = ed.einsum("i,i->", x, x).dense()
>>> f
dask.array<einsdiff, shape=(), dtype=float64, chunksize=(), chunktype=numpy.ndarray>
>>> f.compute()
array(55.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from itertools import chain
from math import prod
from typing import Any

import numpy as np

from einsdiff.algebra.nodes.function_records import revision
from einsdiff.algebra.nodes.graph import variables_of
from einsdiff.algebra.nodes.interning import Node, Variable
from einsdiff.errors import SizeError, shape_text
from einsdiff.numeric.chunks.chunk_layout import Layout
from einsdiff.numeric.chunks.fused import Spread, spread_out
from einsdiff.numeric.chunks.tasks import arrays_of
from einsdiff.numeric.libraries.memory import format_bytes, memory_limit
from einsdiff.numeric.planning.rearrange import rearranged
from einsdiff.numeric.planning.slicing import with_numbers


@dataclass(frozen=True, slots=True, eq=False)
class Chunked:
    """A function of Dask arrays."""

    nodes: tuple[Node, ...]  # what is computed, with numbers for sizes
    arguments: tuple[Variable, ...]
    matrix: tuple[int, str, str] | None  # as for `chunked`

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the arrays it takes, in order."""
        return tuple(v.name for v in self.arguments)

    def __call__(self, inputs: Sequence[Any]) -> Any:
        """Return lazy arrays for arrays of one dtype, of Dask or NumPy, in the order of the names.

        What needs an axis in one chunk that is in many, and a dense delta, are errors.
        """
        arrays: dict[Node, Any] = {
            v: array if isinstance(array, np.ndarray) else _without_empty(array)
            for v, array in zip(self.arguments, inputs, strict=True)
        }
        dtype = inputs[0].dtype if inputs else np.dtype(float)
        layouts = tuple((v, _layout(arrays[v])) for v in self.arguments)
        spread = _spread(self.nodes, layouts, dtype.itemsize, _chunk_size())
        _check_sizes(spread, dtype)
        results = arrays_of(spread, arrays, dtype)
        if self.matrix is not None:
            results = [_as_matrix(results[0], *self.matrix)]
        return results[0] if len(results) == 1 else tuple(results)

    @property
    def source(self) -> str:
        """What is computed, for axes in any chunks."""
        lines = [f"# einsdiff for Dask: a function of {', '.join(self.names) or 'nothing'}"]
        lines += [f"{v.name}: {shape_text(v.shape)}" for v in self.arguments]
        lines += [f"-> {shape_text(node.shape)}" for node in self.nodes]
        lines.append("# one task for each chunk, and a tree of sums over the chunks")
        return "\n".join(lines)


def chunked(
    nodes: tuple[Node, ...],
    sizes: tuple[tuple[str, int], ...],
    arguments: tuple[Variable, ...],
    matrix: tuple[int, str, str] | None = None,
) -> Chunked:
    """Make a function of expressions that gives lazy arrays, or return the one made before.

    `sizes` are pairs (named size, number). The `arguments` are the variables that there are arrays
    for; those that do not occur in the expressions are not read. `matrix` is the number of domain
    axes, the layout and the vec order, if the one result is to be a matrix.
    """
    return _chunked(nodes, sizes, arguments, matrix, revision())


@lru_cache(maxsize=256)
def _chunked(
    nodes: tuple[Node, ...],
    sizes: tuple[tuple[str, int], ...],
    given: tuple[Variable, ...],
    matrix: tuple[int, str, str] | None,
    revision: int,  # of the function table
) -> Chunked:
    del revision
    numbers = rearranged(with_numbers(nodes, dict(sizes)), {})
    arguments = variables_of(numbers)
    if not arguments and given:  # whose dtype the result has
        (like,) = with_numbers(given[:1], dict(sizes))
        assert isinstance(like, Variable)
        arguments = [like]
    return Chunked(numbers, tuple(arguments), matrix)


@lru_cache(maxsize=256)
def _spread(
    nodes: tuple[Node, ...], layouts: tuple[tuple[Variable, Layout], ...], itemsize: int, most: int
) -> Spread:
    return spread_out(nodes, dict(layouts), itemsize, most)


# --- operands ---------------------------------------------------------------------------------


def _layout(array: Any) -> Layout:
    """Return how an array is cut; NumPy arrays can be cut in any way."""
    if isinstance(array, np.ndarray):
        return (None,) * array.ndim
    chunks: Layout = array.chunks
    return chunks


def _without_empty(array: Any) -> Any:
    """Return an array without chunks that have no entries, or in one chunk if it has none."""
    if not array.size:  # which Dask does not cut anew
        zeros = import_module("dask.array").zeros
        return zeros(array.shape, dtype=array.dtype, chunks=array.shape)
    chunks = tuple(tuple(n for n in lengths if n) for lengths in array.chunks)
    return array if chunks == array.chunks else array.rechunk(chunks)


def _chunk_size() -> int:
    """Return of how many bytes Dask makes chunks at most."""
    size = import_module("dask.config").get("array.chunk-size")
    return int(import_module("dask.utils").parse_bytes(size))


# --- results ----------------------------------------------------------------------------------


def _check_sizes(spread: Spread, dtype: np.dtype[Any]) -> None:
    """Raise SizeError for chunks of results that memory does not hold."""
    limit = memory_limit()
    for output in chain.from_iterable(region.outputs for region in spread.regions):
        largest = tuple(max(lengths, default=0) for lengths in output.chunks)
        count = prod(largest) * dtype.itemsize
        if count > limit:
            shape = tuple(sum(lengths) for lengths in output.chunks)
            raise SizeError(
                f"an array of shape {shape_text(shape)} and dtype {dtype} is needed in chunks "
                f"of shape {shape_text(largest)}, {format_bytes(count)}, and the limit is "
                f"{format_bytes(limit)}",
                action="compute its product with a vector, by jvp(v), vjp(u) or ed.hvp(...); "
                "pass operands in smaller chunks; or raise the limit, with "
                "ed.set_memory_limit(bytes)",
            )


def _as_matrix(array: Any, domain: int, layout: str, order: str) -> Any:
    """Return a derivative as a matrix."""
    split = array.ndim - domain
    rows, columns = array.shape[:split], array.shape[split:]
    if order == "F":
        axes = [*reversed(range(split)), *reversed(range(split, array.ndim))]
        array = array.transpose(axes)
    array = array.reshape((prod(rows), prod(columns)))
    return array if layout == "numerator" else array.T
