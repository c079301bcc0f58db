r"""Tensors joined along an axis.

Every part is placed where it begins, by a relation between its index and that of the result:

.. math:: \operatorname{concatenate}(x, y)_p
    = \delta_{p,\,i}\, x_i + \delta_{p,\,j + m}\, y_j , \qquad 0 \le i < m .

>>> x, y = variable("x", (2,)), variable("y", (2,))
>>> concatenate([x, y]).shape, stack([x, y]).shape, stack([x, y], axis=-1).shape
((4,), (2, 2), (2, 2))
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from einsdiff.algebra.nodes.interning import Node
from einsdiff.algebra.nodes.nodes import add, einsum, related
from einsdiff.algebra.operations.naming import numpys
from einsdiff.algebra.operations.reshaping import ravel, reshape
from einsdiff.algebra.operations.shapes import axis_of, need_numbers, operands_line
from einsdiff.algebra.operations.transposing import expand_dims
from einsdiff.errors import OperandError, ShapeError


@numpys("concatenate")
def concatenate(arrays: Sequence[Node], axis: int | None = 0) -> Node:
    """Join tensors along an axis they have.

    Parameters
    ----------
    arrays
        Tensors or arrays, whose other axes have equal sizes.
    axis
        Along which axis; if None, the entries of each are first put in one axis.

    Raises
    ------
    ShapeError
        Another axis differs in size, or the size of this one is a name.
    RangeError
        There is no such axis; numbers have none.

    >>> x, y = ed.tensors(x=[1.0, 2.0], y=[3.0])
    >>> f = ed.concatenate([x, y])
    >>> f.dense()
    array([1., 2., 3.])
    >>> ed.grad(f, wrt="y").dense()
    array([[0.],
           [0.],
           [1.]])
    """
    arrays = list(arrays)
    _need_some(arrays, "concatenate")
    if axis is None:
        arrays, axis = [ravel(a) for a in arrays], 0
    first = arrays[0]
    axis, rank = axis_of(first, axis), len(first.shape)
    for a in arrays:
        same = len(a.shape) == rank and all(
            a.shape[k] == first.shape[k] for k in range(rank) if k != axis
        )
        if not same:
            raise ShapeError(
                f"concatenate: the shapes differ in more than axis {axis}",
                shapes=operands_line(arrays),
                action="pass tensors whose other axes have equal sizes",
            )
    counts = [need_numbers(a, [axis], "concatenate")[0] for a in arrays]
    total = sum(counts)
    shape = (*first.shape[:axis], total, *first.shape[axis + 1 :])
    labels: list[Any] = list(range(rank))
    out = [*labels[:axis], "p", *labels[axis + 1 :]]
    starts = accumulate(counts[:-1], initial=0)
    parts = [
        einsum(
            [a, related((total, count), (1, -1), -start)],
            [labels, ["p", axis]],
            out,
            {"p": total, axis: count},
        )
        for a, count, start in zip(arrays, counts, starts, strict=True)
    ]
    return add([(1, part) for part in parts], shape)


def _need_some(arrays: Sequence[Node], what: str) -> None:
    if not arrays:
        raise OperandError(f"there is nothing to {what}", action="pass tensors")


@numpys("stack")
def stack(arrays: Sequence[Node], axis: int = 0) -> Node:
    """Join tensors of one shape along a new axis: ``y_0i = a_i``, ``y_1i = b_i``, ..

    Parameters
    ----------
    arrays
        Tensors, arrays or numbers of one shape.
    axis
        The place of the new axis in the result.

    Raises
    ------
    ShapeError
        The shapes differ.

    >>> r, t = ed.tensors(r=2.0, t=0.0)
    >>> polar = ed.stack([r * ed.cos(t), r * ed.sin(t)])
    >>> polar.dense()
    array([2., 0.])
    >>> ed.grad(polar, wrt="r").dense()
    array([1., 0.])
    """
    arrays = list(arrays)
    _need_some(arrays, "stack")
    if any(a.shape != arrays[0].shape for a in arrays):
        raise ShapeError(
            "stack: the shapes differ",
            shapes=operands_line(arrays),
            action="pass tensors of one shape",
        )
    axis = axis_of(arrays[0], axis, len(arrays[0].shape) + 1)
    return concatenate([expand_dims(a, axis) for a in arrays], axis)


@numpys("vstack")
def vstack(tup: Sequence[Node]) -> Node:
    """Join tensors along the first axis; vectors and numbers are rows.

    Raises
    ------
    ShapeError
        Another axis differs in size, or the size of the first one is a name.

    >>> ed.vstack([ed.tensor("x", [1.0, 2.0]), [3, 4]]).dense()
    array([[1., 2.],
           [3., 4.]])
    """
    return concatenate([reshape(a, (1, -1)) if len(a.shape) < 2 else a for a in tup], 0)


@numpys("hstack")
def hstack(tup: Sequence[Node]) -> Node:
    """Join tensors along the second axis, vectors and numbers along their only one.

    Raises
    ------
    ShapeError
        Another axis differs in size, or the size of this one is a name.

    >>> ed.hstack([ed.tensor("x", [1.0, 2.0]), 3]).dense()
    array([1., 2., 3.])
    """
    arrays = [a if a.shape else ravel(a) for a in tup]
    return concatenate(arrays, 0 if arrays and len(arrays[0].shape) == 1 else 1)


@numpys("column_stack")
def column_stack(tup: Sequence[Node]) -> Node:
    """Join tensors along the second axis; vectors and numbers are columns.

    Raises
    ------
    ShapeError
        Another axis differs in size, or the size of the second one is a name.

    >>> ed.column_stack([ed.tensor("x", [1.0, 2.0]), [3, 4]]).dense()
    array([[1., 3.],
           [2., 4.]])
    """
    return concatenate([reshape(a, (-1, 1)) if len(a.shape) < 2 else a for a in tup], 1)
