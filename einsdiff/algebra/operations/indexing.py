r"""Entries taken by their positions: slices, and what is made of slices.

A slice is a product with a relation between the old index and the new one, an integer one with the
relation that leaves a single value:

.. math:: x_{[a::s]}: \; \delta_{s i + a,\,p}\, x_p \qquad x_{[a]}: \; \delta_{p,\,a}\, x_p .

>>> A = variable("A", (4, 5))
>>> index(A, (slice(None, None, -2), None, 0)).shape, index(A, ...) is A
((2, 1), True)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import index as as_index
from typing import Any

from einsdiff.algebra.nodes.interning import Node
from einsdiff.algebra.nodes.nodes import einsum, related
from einsdiff.algebra.operations.arithmetic import subtract
from einsdiff.algebra.operations.joining import concatenate
from einsdiff.algebra.operations.naming import numpys
from einsdiff.algebra.operations.reshaping import ravel, reshape
from einsdiff.algebra.operations.shapes import Axis, axes_of, axis_of, need_numbers, operands_line
from einsdiff.errors import OperandError, RangeError
from einsdiff.notation.subscripts import Size


def index(a: Node, key: Any) -> Node:
    """Take entries: integers, slices, None and ``...``, as in ``a[1:, None, 0]``.

    The result is an einsum with one relation for each axis that is cut. Lists of positions are
    refused, and positions counted from the end of an axis whose size is a name.
    """
    factors, labels = [a], [[("old", axis) for axis in range(len(a.shape))]]
    out: list[Any] = []
    sizes: dict[Any, Size] = {}
    axis = 0
    for k in _whole_key(a, key):
        if k is None:
            out.append(("one", len(out)))
            sizes[out[-1]] = 1
            continue
        if not isinstance(k, slice):
            factors.append(related((a.shape[axis],), (1,), -_position(a, axis, k)))
            labels.append([("old", axis)])
        elif k == slice(None):
            out.append(("old", axis))
        else:
            run, size = _run(a, axis, k)
            out.append(("cut", axis))
            sizes[out[-1]] = len(run)
            factors.append(related((len(run), size), (run.step, -1), run.start))
            labels.append([out[-1], ("old", axis)])
        axis += 1
    return einsum(factors, labels, out, sizes)


def _whole_key(a: Node, key: Any) -> list[Any]:
    """Write a key with one position or slice for each axis, and None for each new one."""
    keys = list(key) if isinstance(key, tuple) else [key]
    given = sum(k is not None and k is not Ellipsis for k in keys)
    rest = len(a.shape) - given
    if rest < 0:
        raise RangeError(
            f"{given} indices for {len(a.shape)} axes",
            shapes=operands_line([a]),
            action="give one index for each axis at most",
        )
    dots = [n for n, k in enumerate(keys) if k is Ellipsis]
    if len(dots) > 1:
        raise OperandError(
            "an index has two '...'",
            shapes=operands_line([a]),
            action="write '...' once, for all axes that are left",
        )
    at = dots[0] if dots else len(keys)
    return [*keys[:at], *[slice(None)] * rest, *keys[at + 1 :]]


def _run(a: Node, axis: int, key: slice) -> tuple[range, int]:
    """Return the positions that a slice takes, and the size of the axis."""
    (size,) = need_numbers(a, [axis], f"the slice {_slice_text(key)}")
    try:
        return range(*key.indices(size)), size
    except (TypeError, ValueError) as error:
        raise OperandError(
            f"{_slice_text(key)} is no slice: {error}", action="write a[start:stop:step]"
        ) from None


def _slice_text(key: slice) -> str:
    parts = ["" if part is None else str(part) for part in (key.start, key.stop)]
    return ":".join([*parts, *([] if key.step is None else [str(key.step)])])


def _position(a: Node, axis: int, key: Any) -> int:
    try:
        if isinstance(key, bool):  # a mask to NumPy, not 0 or 1
            raise TypeError
        k = as_index(key)
    except TypeError:
        raise OperandError(
            f"an index is of type {type(key).__name__}",
            shapes=operands_line([a]),
            action="use integers, slices, None and '...'; for a list of positions stack "
            "the entries, or contract with a 0/1 matrix; where a position depends on values, "
            "choose by np.where",
        ) from None
    size = a.shape[axis]
    if k < 0:
        need_numbers(a, [axis], f"the index {k}")
    if isinstance(size, int):
        if not -size <= k < size:
            allowed = f"use an index from {-size} to {size - 1}" if size else "the axis is empty"
            raise RangeError(
                f"index {k} is outside of axis {axis}, whose size is {size}",
                shapes=operands_line([a]),
                action=allowed,
            )
        k %= size
    return k


def _cut(a: Node, axis: int, start: int | None, stop: int | None) -> Node:
    """Take a slice along one axis."""
    return index(a, (*[slice(None)] * axis, slice(start, stop)))


@numpys("flip")
def flip(m: Node, axis: Axis = None) -> Node:
    """Reverse axes: ``y_i = x_(n-1-i)``.

    Raises
    ------
    ShapeError
        The size of such an axis is a name.

    >>> ed.flip(ed.tensor("x", [1.0, 2.0, 3.0])).dense()
    array([3., 2., 1.])
    """
    axes = axes_of(m, axis)
    reverse = slice(None, None, -1)
    return index(m, tuple(reverse if k in axes else slice(None) for k in range(len(m.shape))))


@numpys("diff")
def diff(a: Node, n: int = 1, axis: int = -1) -> Node:
    """Take differences of neighbours: ``y_i = x_(i+1) - x_i``.

    Parameters
    ----------
    a
        Tensor or array.
    n
        How often.
    axis
        Along which axis.

    Raises
    ------
    RangeError
        There is no such axis, or `n` is negative.
    ShapeError
        Its size is a name.

    >>> x = ed.tensor("x", [1.0, 4.0, 9.0])
    >>> ed.diff(x).dense()
    array([3., 5.])
    >>> ed.grad(ed.diff(x), wrt="x").dense()
    array([[-1.,  1.,  0.],
           [ 0., -1.,  1.]])
    """
    axis, n = axis_of(a, axis), as_index(n)
    if n < 0:
        raise RangeError(f"diff: n={n} is negative", action="write how often, from 0")
    for _ in range(n):
        a = subtract(_cut(a, axis, 1, None), _cut(a, axis, None, -1))
    return a


@numpys("roll")
def roll(a: Node, shift: int | Sequence[int], axis: Axis = None) -> Node:
    """Move entries along an axis, those from its end to its start: ``y_i = x_(i-s mod n)``.

    Parameters
    ----------
    shift
        By how many places: an integer, or one for each axis.
    axis
        Along which axis, or axes; if left out, the entries are moved in one axis and put back.

    Raises
    ------
    ShapeError
        The size of such an axis is a name.

    >>> ed.roll(ed.tensor("x", [1.0, 2.0, 3.0]), 1).dense()
    array([3., 1., 2.])
    """
    if axis is None:
        return reshape(roll(ravel(a), shift, 0), a.shape)
    shifts = list(shift) if isinstance(shift, Iterable) else [shift]
    axes = list(axis) if isinstance(axis, Iterable) else [axis]
    if 1 not in (len(shifts), len(axes)) and len(shifts) != len(axes):
        raise OperandError(
            f"roll: {len(shifts)} shifts for {len(axes)} axes",
            action="give one shift for each axis",
        )
    count = max(len(shifts), len(axes)) if shifts and axes else 0
    for n in range(count):
        k = axis_of(a, axes[n % len(axes)])
        (size,) = need_numbers(a, [k], "roll")
        cut = -as_index(shifts[n % len(shifts)]) % size if size else 0
        a = concatenate([_cut(a, k, cut, None), _cut(a, k, None, cut)], k)
    return a
