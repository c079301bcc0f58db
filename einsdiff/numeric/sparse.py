r"""Results that are mostly zeros: their cores, and where in the result these stand.

The derivative :math:`\partial f_i/\partial A_{pq} = \delta_{ip}\, x_q` is one vector, repeated
along a diagonal. Whatever form is asked for is made of the array and of the *window* of the result
it stands in, a view with an offset and strides: a dense array by writing through the view, a sparse
matrix by counting the view's positions, neither by looking for what is not zero.

>>> import numpy as np
>>> core = PlannedCore(
...     "x", Window(0, (2, 3), (9, 1)), (1,), "k->iik"
... )  # δ_ip x_q of shape (2, 2, 3)
>>> rows, columns = np.divmod(positions(core.window), 6)
>>> rows, columns
(array([0, 0, 0, 1, 1, 1]), array([0, 1, 2, 3, 4, 5]))
>>> entries(core, np.array([7.0, 8.0, 9.0]))
array([7., 8., 9., 7., 8., 9.])
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from einsdiff.errors import OperandError, SizeError, shape_text
from einsdiff.numeric.libraries.extras import needs_scipy, scipy_module
from einsdiff.numeric.libraries.memory import format_bytes, memory_limit
from einsdiff.numeric.libraries.operands import Array
from einsdiff.numeric.planning.views import PlannedCore, Window

#: The formats of sparse matrices that are made.
FORMATS = ("coo", "csr", "csc", "bsr", "dia")


def positions(window: Window) -> Array:
    """Return the position of each entry of a window in the result, counted in C order."""
    total = np.array(window.offset)
    for size, stride in zip(window.shape, window.strides, strict=True):
        total = total[..., None] + stride * np.arange(size)
    return np.asarray(total.ravel())


#: The most bytes that it takes to place an entry of a sparse matrix, apart from its value:
#: positions, rows, columns, and how they are sorted. Measured with NumPy 2.4.
PLACING = 64


def check_room(what: str, needed: int, limit: int | None = None) -> None:
    """Raise SizeError for what needs more bytes at one time than the limit, or the one set.

    >>> check_room("the matrix", 10**6, limit=10**6)
    """
    limit = memory_limit() if limit is None else limit
    if needed > limit:
        raise SizeError(
            f"{what} needs {format_bytes(needed)}, and the limit is {format_bytes(limit)}",
            action="operator(), jvp(v) and vjp(u) make no matrix; or raise the limit, with "
            "memory_limit= or ed.set_memory_limit(bytes)",
        )


def window_of(out: Array, window: Window) -> Array:
    """View the entries of a result that a core stands at.

    >>> window_of(np.arange(9.0).reshape(3, 3), Window(0, (3,), (4,)))
    array([0., 4., 8.])
    """
    item = out.itemsize
    return np.ndarray(
        window.shape,
        out.dtype,
        out,
        window.offset * item,
        tuple(stride * item for stride in window.strides),
    )


def laid(core: PlannedCore, array: Array) -> Array:
    """View an array with the axes of its window, along some of which it is repeated."""
    order = sorted(range(len(core.axes)), key=core.axes.__getitem__)
    index = tuple(slice(None) if k in core.axes else None for k in range(len(core.window.shape)))
    return np.broadcast_to(np.asarray(array).transpose(order)[index], core.window.shape)


def entries(core: PlannedCore, array: Array) -> Array:
    """Return the values at the positions of a window."""
    return np.ravel(laid(core, array))


# --- sparse matrices --------------------------------------------------------------------------


class _Pattern(NamedTuple):
    """Where the entries of a sparse matrix are, in the order of its format."""

    format: str  # the format
    indices: Array  # as SciPy has them; rows and columns for COO
    pointers: Array
    #: Which of the cores' entries, one after the other, comes first; None if they do as they are.
    order: Array | None = None
    #: Where those that stand at one place begin; None if all places are different.
    starts: Array | None = None


def sparse(
    cores: Sequence[PlannedCore],
    arrays: Sequence[Array],
    shape: tuple[int, ...],
    domain: int,
    dtype: np.dtype[Any],
    format: str | None = None,  # SciPy's name
    is_transposed: bool = False,
    vec: str = "C",
    limit: int | None = None,
) -> Any:
    """Build the sparse matrix of a derivative from its cores, in canonical form.

    The last axes of the shape, the domain, become columns, or rows if it is transposed. The format
    is one of `FORMATS`, or BSR where the cores are dense blocks, and else CSR. Without SciPy, or
    for a dtype that it has no matrices of, there is an OperandError; for what takes more bytes than
    the limit a SizeError.
    """
    scipy = scipy_module("sparse")
    if scipy is None:
        raise needs_scipy("a sparse matrix")
    if dtype.char == "e":
        raise OperandError(
            "SciPy has no sparse matrices of float16", action="pass arrays of float32"
        )
    split = len(shape) - domain
    rows, columns = prod(shape[:split]), prod(shape[split:])
    size = (columns, rows) if is_transposed else (rows, columns)
    count = sum(prod(core.window.shape) for core in cores)
    what = f"making the sparse matrix of shape {shape_text(size)} and dtype {dtype}"
    check_room(what, count * 2 * dtype.itemsize, limit)
    blocks = None
    if format in (None, "bsr") and len(cores) == 1:
        blocks = _blocks(cores[0].window, shape, domain, is_transposed, vec)
    if blocks is not None:
        order, block, indices, pointers = blocks
        values = laid(cores[0], arrays[0]).transpose(order).reshape(-1, *block)
        data = np.array(values, dtype)  # SciPy may change it
        return scipy.bsr_array((data, indices.copy(), pointers.copy()), shape=size)
    check_room(what, count * (PLACING + 2 * dtype.itemsize) + 16 * size[0], limit)
    pattern = _pattern(tuple(c.window for c in cores), shape, domain, is_transposed, vec)
    parts = [entries(core, array) for core, array in zip(cores, arrays, strict=True)]
    values = np.concatenate(parts, dtype=dtype) if parts else np.zeros(0, dtype)
    if pattern.order is not None:
        values = values[pattern.order]
    if pattern.starts is not None:
        values = np.add.reduceat(values, pattern.starts)
    matrix = scipy.csr_array((values, pattern.indices.copy(), pattern.pointers.copy()), shape=size)
    matrix.has_canonical_format = True
    return matrix if format in (None, "csr") else matrix.asformat(format)


@lru_cache(maxsize=64)
def _pattern(
    windows: tuple[Window, ...], shape: tuple[int, ...], domain: int, is_transposed: bool, vec: str
) -> _Pattern:
    """Find rows and columns, in the order of CSR."""
    split = len(shape) - domain
    count = prod(shape[split:])
    flat = np.concatenate([np.zeros(0, np.int64), *map(positions, windows)])
    if vec == "F" and shape:
        index = np.unravel_index(flat, shape)
        row = _raveled(index[:split], shape[:split], flat)
        column = _raveled(index[split:], shape[split:], flat)
    else:
        row, column = np.divmod(flat, max(count, 1))
    height, width = prod(shape[:split]), count
    if is_transposed:
        row, column, height, width = column, row, width, height
    key = row * max(width, 1) + column
    order: Array | None = None
    if np.any(key[1:] <= key[:-1]):
        order = np.argsort(key, kind="stable")
        key = key[order]
    starts: Array | None = None
    if np.any(key[1:] == key[:-1]):
        starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
        key = key[starts]
    small = np.int32 if max(height, width, len(key)) < 2**31 else np.int64
    row, column = np.divmod(key, max(width, 1))
    pointers = np.zeros(height + 1, small)
    np.cumsum(np.bincount(row, minlength=height), out=pointers[1:])
    return _Pattern("csr", column.astype(small), pointers, order, starts)


def _raveled(index: Sequence[Array], shape: tuple[int, ...], like: Array) -> Array:
    """Count positions with the first axis running fastest."""
    total = np.zeros_like(like)
    for axis, size in zip(reversed(index), reversed(shape), strict=True):
        total = total * size + axis
    return total


@lru_cache(maxsize=64)
def _blocks(
    window: Window, shape: tuple[int, ...], domain: int, is_transposed: bool, vec: str
) -> tuple[tuple[int, ...], tuple[int, int], Array, Array] | None:
    """Find dense blocks: axes of a window that run through rows or columns only.

    Returns the order of the window's axes in which the tied ones come first, then those of rows
    and of columns; the shape of a block; and the block columns and row pointers. None if there are
    no blocks of more than one entry.
    """
    split = len(shape) - domain
    if 0 in window.shape or not all(0 <= stride < prod(shape) for stride in window.strides):
        return None
    offset = np.unravel_index(window.offset, shape)
    digits = [np.unravel_index(stride, shape) for stride in window.strides]
    last = np.array(offset, int)
    for size, step in zip(window.shape, digits, strict=True):
        last += (size - 1) * np.array(step, int)
    if np.any(last >= shape):  # a step along two axes in opposite directions
        return None
    steps = [_row_and_column(step, shape, split, vec, is_transposed) for step in digits]
    height, width = prod(shape[:split]), prod(shape[split:])
    if is_transposed:
        height, width = width, height
    own: list[list[int]] = [[], []]
    for side in (0, 1):
        mine = [k for k, step in enumerate(steps) if step[side] and not step[1 - side]]
        own[side] = sorted(mine, key=lambda k: -steps[k][side])
    block = tuple(prod(window.shape[k] for k in group) for group in own)
    if prod(block) == 1:
        return None
    for side, group in enumerate(own):  # they must run through a range without gaps
        stride = block[side]
        for k in group:
            stride //= window.shape[k]
            if steps[k][side] != stride:
                return None
    tied = sorted((k for k, step in enumerate(steps) if all(step)), key=lambda k: -steps[k][0])
    if any(steps[k][side] % block[side] for k in tied for side in (0, 1)):
        return None
    if len(tied) + len(own[0]) + len(own[1]) != len(steps):
        return None
    start = _row_and_column(offset, shape, split, vec, is_transposed)
    if start[0] % block[0] or start[1] % block[1] or height % block[0] or width % block[1]:
        return None
    row, column = (
        positions(
            Window(
                start[side] // block[side],
                tuple(window.shape[k] for k in tied),
                tuple(steps[k][side] // block[side] for k in tied),
            )
        )
        for side in (0, 1)
    )
    if np.any(row[1:] < row[:-1]):
        return None
    pointers = np.zeros(height // block[0] + 1, np.int32)
    np.cumsum(np.bincount(row, minlength=height // block[0]), out=pointers[1:])
    return (*tied, *own[0], *own[1]), (block[0], block[1]), column.astype(np.int32), pointers


def _row_and_column(
    index: Sequence[Any], shape: tuple[int, ...], split: int, vec: str, is_transposed: bool
) -> tuple[int, int]:
    """Return the row and the column that an index, or a step, is."""
    both = []
    for part, sizes in ((index[:split], shape[:split]), (index[split:], shape[split:])):
        pairs = list(zip(part, sizes, strict=True))
        total = 0
        for k, n in pairs if vec == "C" else pairs[::-1]:
            total = total * n + int(k)
        both.append(total)
    return (both[1], both[0]) if is_transposed else (both[0], both[1])
