r"""Large arrays: written by all cores, tile by tile, and without touching what stays zero.

What is larger than the caches takes as long as memory takes. Three things help there:

- Pages of memory are given, filled with zeros, when they are first written to, and one core does
  that more slowly than two.
- :math:`A_{ij} + A_{ji}` reads one of its operands across the rows; in tiles that fit in the cache
  each line of it is read once.
- Where a result is zero but for a diagonal, pages should be small, since only those that are
  written to are needed.

>>> a, b = np.arange(3.0), np.arange(4.0)
>>> entrywise(np.multiply, a[:, None], b)
array([[0., 0., 0., 0.],
       [0., 1., 2., 3.],
       [0., 2., 4., 6.]])
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from einsdiff.numeric.libraries.operands import Array
from einsdiff.numeric.planning.strides import entrywise as along
from einsdiff.numeric.planning.views import Window

#: Arrays of so many bytes are large: more than the caches hold.
LARGE = 2**25
#: More threads than this do not write memory faster.
MOST_THREADS = 8
#: The sides of a tile of two axes in which memory runs differently, in entries.
TILE = 64, 512
#: Tiles are handed to threads in so many pieces for each.
PIECES = 4
#: Pages of memory are of this size, in bytes, unless huge ones are asked for, as NumPy does.
PAGE = 2**12
HUGE_PAGE = 2**21
#: So many small pages are given in the time that it takes to clear a huge one. Measured in a
#: virtual machine: 3.7 µs for a small page, 80 µs for a huge one.
PAGES_FOR_HUGE = 20


def threads() -> int:
    """Return how many threads write to a large array: one for each core that may be used."""
    return _threads(os.environ.get("OMP_NUM_THREADS", ""))


@lru_cache(maxsize=8)
def _threads(limit: str) -> int:
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        count = os.cpu_count() or 1
    return max(1, min(count, int(limit) if limit.isdigit() else count, MOST_THREADS))


@lru_cache(maxsize=1)
def _pool(process: int, count: int) -> ThreadPoolExecutor:  # noqa: ARG001  # one for each process
    return ThreadPoolExecutor(count, "einsdiff")


def entrywise(ufunc: Callable[..., Any], *args: Any, out: Array | None = None) -> Array:
    """Apply a function of NumPy's that takes ``out=`` to large arrays and numbers, entry by entry.

    The result, if it is not written into a given array, lies in memory as NumPy's own would.
    """
    shape = np.broadcast_shapes(*(np.shape(arg) for arg in args))
    if out is None:
        lies = [
            (a.shape, tuple(step // a.itemsize for step in a.strides))
            for a in args
            if isinstance(a, np.ndarray)
        ]
        strides = along(shape, lies)
        order = sorted(range(len(shape)), key=lambda axis: -strides[axis])
        packed = np.empty([shape[axis] for axis in order], np.result_type(*args))
        out = packed.transpose([order.index(axis) for axis in range(len(shape))])
    arrays = [np.broadcast_to(a, out.shape) if isinstance(a, np.ndarray) else a for a in args]

    def work(index: tuple[slice, ...]) -> None:
        parts = [a[index] if isinstance(a, np.ndarray) else a for a in arrays]
        ufunc(*parts, out=out[index])

    _shared_out(work, out, [a for a in arrays if isinstance(a, np.ndarray)])
    return out


def assign(out: Array, value: Any) -> None:
    """Write a value, broadcast, to a large array or a view of one.

    >>> out = np.zeros((2, 3))
    >>> assign(out, np.arange(3.0))
    >>> out
    array([[0., 1., 2.],
           [0., 1., 2.]])
    """
    array = np.broadcast_to(value, out.shape)

    def work(index: tuple[slice, ...]) -> None:
        out[index] = array[index]

    _shared_out(work, out, [array])


def _shared_out(
    work: Callable[[tuple[slice, ...]], None], out: Array, operands: Sequence[Array]
) -> None:
    """Do work on the tiles of an array, by all threads."""
    tiles = list(_tiles(out, operands))
    count = threads()
    if count == 1 or len(tiles) == 1 or out.nbytes < LARGE:
        for index in tiles:
            work(index)
        return

    def several(part: Sequence[tuple[slice, ...]]) -> None:
        for index in part:
            work(index)

    step = -(-len(tiles) // (count * PIECES))
    pool = _pool(os.getpid(), count)
    # What the caller has set with numpy.errstate holds in the threads, too.
    running = [
        pool.submit(copy_context().run, several, tiles[k : k + step])
        for k in range(0, len(tiles), step)
    ]
    for part in running:
        part.result()


def _tiles(out: Array, operands: Sequence[Array]) -> Iterator[tuple[slice, ...]]:
    """Cut an array into parts: along its slowest axis, or where operands run across its rows."""
    if not out.shape or 0 in out.shape:
        yield ()
        return
    rows = max(range(out.ndim), key=lambda axis: (out.shape[axis] > 1, abs(out.strides[axis])))
    fast = _fastest(out)
    # An operand that is repeated along the rows is read once in any case.
    across = next((_fastest(a) for a in operands if a.strides[fast] and _fastest(a) != fast), None)
    if across is None:
        step = max(1, -(-out.shape[rows] // (threads() * PIECES)))
        for start in range(0, out.shape[rows], step):
            yield (*(slice(None),) * rows, slice(start, start + step))
        return
    short, long = TILE
    for start in range(0, out.shape[across], short):
        for begin in range(0, out.shape[fast], long):
            index = [slice(None)] * out.ndim
            index[across] = slice(start, start + short)
            index[fast] = slice(begin, begin + long)
            yield tuple(index)


def _fastest(array: Array) -> int:
    """Return the axis along which entries lie closest together; -1 if there is but one entry."""
    axes = [k for k in range(array.ndim) if array.shape[k] > 1 and array.strides[k]]
    return min(axes, key=lambda axis: abs(array.strides[axis]), default=-1)


def touches_little(shape: Sequence[int], windows: Sequence[Window], itemsize: int) -> bool:
    """Tell whether small pages are better for an array of which windows are written to.

    >>> touches_little((40000, 40000), [Window(0, (40000,), (40001,))], 8)
    True
    """
    total = prod(shape) * itemsize
    if total < HUGE_PAGE:
        return False
    pages = 0
    for window in windows:
        run = 1  # entries that follow each other
        for size, stride in sorted(
            zip(window.shape, window.strides, strict=True), key=lambda axis: abs(axis[1])
        ):
            if stride == run:
                run *= size
        pages += prod(window.shape) // max(run, 1) * (run * itemsize // PAGE + 1)
    return pages < PAGES_FOR_HUGE * min(pages, total // HUGE_PAGE)


def sparse_zeros(shape: Sequence[int], dtype: Any) -> Array:
    """Return zeros of which few will be written to, in pages as small as they come.

    >>> sparse_zeros((2, 2), "float64")
    array([[0., 0.],
           [0., 0.]])
    """
    dtype = np.dtype(dtype)
    size = prod(shape) * dtype.itemsize
    if size < HUGE_PAGE or not hasattr(mmap, "MADV_NOHUGEPAGE"):
        return np.zeros(shape, dtype)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, dtype).reshape(shape)
