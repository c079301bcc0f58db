r"""Axes in another order, and axes of size 1 put in and left out.

.. math:: (A^\top)_{ji} = A_{ij} \qquad y_{i0j} = x_{ij} .

These are einsums of one operand.

>>> A = variable("A", (2, 3))
>>> transpose(A).shape, expand_dims(A, 1).shape, squeeze(expand_dims(A, 1)) is A
((3, 2), (2, 1, 3), True)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from einsdiff.algebra.nodes.interning import Node
from einsdiff.algebra.nodes.nodes import einsum
from einsdiff.algebra.operations.naming import numpys
from einsdiff.algebra.operations.shapes import (
    Axis,
    as_shape,
    axes_of,
    axis_of,
    operands_line,
    permuted,
)
from einsdiff.errors import OperandError, ShapeError

# --- the order of axes ------------------------------------------------------------------------


@numpys("transpose")
def transpose(a: Node, axes: Sequence[int] | None = None) -> Node:
    """Put the axes in another order: ``y_ji = x_ij``.

    Parameters
    ----------
    axes
        The axes in their new order; if left out, they are reversed.

    Raises
    ------
    OperandError
        Not every axis is named once.

    >>> ed.transpose(ed.tensor("A", "mn"))
    f_ij = A_ji
    >>> ed.transpose(ed.tensor("A", ("b", "m", "n")), (2, 0, 1)).shape
    ('n', 'b', 'm')
    """
    rank = len(a.shape)
    order = tuple(range(rank))[::-1] if axes is None else axes_of(a, axes)
    if len(order) != rank:
        raise OperandError(
            f"transpose: {len(order)} axes are named, and there are {rank}",
            shapes=operands_line([a]),
            action="name each axis once",
        )
    return permuted(a, order)


@numpys("matrix_transpose", "linalg.matrix_transpose")
def matrix_transpose(x: Node) -> Node:
    """Exchange the last two axes: ``y_bji = x_bij``."""
    if len(x.shape) < 2:
        raise ShapeError("a matrix has two axes", shapes=operands_line([x]), action="pass a matrix")
    return swapaxes(x, -1, -2)


@numpys("swapaxes")
def swapaxes(a: Node, axis1: int, axis2: int) -> Node:
    """Exchange two axes: ``y_kji = x_ijk``.

    >>> ed.swapaxes(ed.tensor("A", ("b", "m", "n")), 0, 2).shape
    ('n', 'm', 'b')
    """
    order = list(range(len(a.shape)))
    i, j = axis_of(a, axis1), axis_of(a, axis2)
    order[i], order[j] = order[j], order[i]
    return permuted(a, order)


@numpys("moveaxis")
def moveaxis(a: Node, source: Any, destination: Any) -> Node:
    """Move axes to other places; the others keep their order.

    Parameters
    ----------
    a
        Tensor or array.
    source
        The axes to move: an integer or several.
    destination
        Their places in the result, as many.

    Raises
    ------
    OperandError
        They are not as many, or an axis is named twice.

    >>> ed.moveaxis(ed.tensor("A", ("b", "m", "n")), 0, -1).shape
    ('m', 'n', 'b')
    """
    sources, places = axes_of(a, source), axes_of(a, destination)
    if len(sources) != len(places):
        raise OperandError(
            "moveaxis: source and destination differ in length", action="give as many of both"
        )
    rest = iter(k for k in range(len(a.shape)) if k not in sources)
    to = dict(zip(places, sources, strict=True))
    return permuted(a, [to[k] if k in to else next(rest) for k in range(len(a.shape))])


# --- axes of size 1 ---------------------------------------------------------------------------


@numpys("expand_dims")
def expand_dims(a: Node, axis: Any) -> Node:
    """Put in axes of size 1.

    Parameters
    ----------
    axis
        Their places in the result: an integer or several.

    Raises
    ------
    RangeError
        The result has no such axis.
    OperandError
        A place is named twice.

    >>> ed.expand_dims(ed.tensor("x", "n"), 0).shape
    (1, 'n')
    """
    places = as_shape(axis)
    rank = len(a.shape) + len(places)
    new = axes_of(a, places, rank)
    old = [k for k in range(rank) if k not in new]
    return einsum([a], [old], range(rank), dict.fromkeys(new, 1))


@numpys("squeeze")
def squeeze(a: Node, axis: Axis = None) -> Node:
    """Leave out axes of size 1.

    Parameters
    ----------
    axis
        Which ones: an integer or several; if left out, all whose size is 1.

    Raises
    ------
    ShapeError
        The size of an axis is another.

    >>> ed.squeeze(ed.tensor("A", (1, "n"))).shape
    ('n',)
    """
    ones = [k for k, size in enumerate(a.shape) if size == 1]
    axes = ones if axis is None else axes_of(a, axis)
    for k in axes:
        if a.shape[k] != 1:
            raise ShapeError(
                f"squeeze: axis {k} has size {a.shape[k]}",
                shapes=operands_line([a]),
                action="only axes of size 1 can be left out",
            )
    labels = range(len(a.shape))
    return einsum([a], [labels], [k for k in labels if k not in axes])
