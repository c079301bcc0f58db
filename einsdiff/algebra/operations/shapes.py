r"""Axes, and the shapes that operands are broadcast to.

Axes are matched from the right, and one of size 1 is repeated along the axis it meets:

.. math:: y_{ij} = a_i + b_j \qquad\text{for}\qquad a: (m, 1), \quad b: (n) .

Repeating is a product with nothing: an einsum whose output has a label that no operand carries.

>>> a, b = variable("a", ("m", 1)), variable("b", ("n",))
>>> broadcast_shape([a, b])
('m', 'n')
>>> broadcast_to(b, ("m", "n")).operands
(b,)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from operator import index as as_index
from typing import Any

from einsdiff.algebra.nodes.interning import Node, Shape, Variable, constant, zero
from einsdiff.algebra.nodes.nodes import einsum
from einsdiff.algebra.operations.naming import numpys
from einsdiff.errors import OperandError, RangeError, ShapeError, shape_text, shapes_line
from einsdiff.notation.subscripts import Size, as_size

#: One axis, several, or (None) all.
Axis = int | Sequence[int] | None


# --- axes -------------------------------------------------------------------------------------


def operands_line(nodes: Sequence[Node]) -> str:
    """Write operands and their shapes, as errors show them.

    >>> operands_line([variable("A", (2, 3)), constant(1)])
    'A: (2, 3)   operand 1: ()'
    """
    return shapes_line(
        (node.name if isinstance(node, Variable) else f"operand {k}", node.shape)
        for k, node in enumerate(nodes)
    )


def axis_of(node: Node, axis: Any, rank: int | None = None) -> int:
    """Read the number of an axis, of those of a node or of `rank`; from the end if negative.

    >>> axis_of(constant(1), -1, rank=3)
    2
    """
    rank = len(node.shape) if rank is None else rank
    try:
        k = as_index(axis)
    except TypeError:
        raise OperandError(
            f"axis={axis!r} is no axis", action="write the number of an axis"
        ) from None
    if not -rank <= k < rank:
        raise RangeError(
            f"there is no axis {k}: the tensor has {rank} {'axis' if rank == 1 else 'axes'}",
            shapes=operands_line([node]),
            action=f"use an axis from {-rank} to {rank - 1}" if rank else "leave axis= out",
        )
    return k % rank


def axes_of(node: Node, axis: Any, rank: int | None = None) -> tuple[int, ...]:
    """Read axes, each of which may be named once; None means all.

    >>> A = variable("A", (2, 3))
    >>> axes_of(A, None), axes_of(A, -1), axes_of(A, (1, 0))
    ((0, 1), (1,), (1, 0))
    """
    if axis is None:
        return tuple(range(len(node.shape) if rank is None else rank))
    given = tuple(axis) if isinstance(axis, Iterable) else (axis,)
    axes = tuple(axis_of(node, k, rank) for k in given)
    if len(set(axes)) < len(axes):
        raise OperandError(f"axis={axis} names an axis twice", action="name each axis once")
    return axes


def need_numbers(node: Node, axes: Iterable[int], what: str) -> list[int]:
    """Return the sizes of axes; raise `ShapeError` if one of them is a name."""
    sizes = []
    for k in axes:
        size = node.shape[k]
        if not isinstance(size, int):
            raise ShapeError(
                f"{what} needs the number that size '{size}' of axis {k} stands for",
                shapes=operands_line([node]),
                action="declare the tensor with a number for this size",
            )
        sizes.append(size)
    return sizes


def permuted(a: Node, order: Sequence[int]) -> Node:
    """Put the axes in another order.

    >>> permuted(variable("A", (2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    return einsum([a], [range(len(order))], order)


# --- broadcasting -----------------------------------------------------------------------------


def broadcast_shape(nodes: Sequence[Node]) -> Shape:
    """Return the shape that operands are broadcast to, by NumPy's rule: a size of 1 stretches.

    A named size equals only itself; other sizes that meet and differ raise `ShapeError`.
    """
    rank = max((len(node.shape) for node in nodes), default=0)
    shape: list[Size] = []
    for k in range(-rank, 0):
        sizes = dict.fromkeys(node.shape[k] for node in nodes if len(node.shape) >= -k)
        wide = [size for size in sizes if size != 1]
        if len(wide) > 1:
            raise ShapeError(
                f"axes of sizes {wide[0]} and {wide[1]} do not go together",
                shapes=operands_line(nodes),
                action="axes are matched from the right; their sizes must be equal, or 1"
                if all(isinstance(size, int) for size in wide)
                else "a named size equals only itself: declare both axes with one size",
            )
        shape.append(wide[0] if wide else 1)
    return tuple(shape)


def placed(node: Node, shape: Shape) -> tuple[Hashable, ...]:
    """Return labels for a node's axes: the number of the axis of `shape` that each one becomes.

    An axis of size 1 that meets a wider one gets a label of its own: it is summed, and its place
    in the result is one that no operand carries.
    """
    start = len(shape) - len(node.shape)
    return tuple(
        ("one", k) if size == 1 and shape[k] != 1 else k for k, size in enumerate(node.shape, start)
    )


def as_shape(shape: Any) -> tuple[Any, ...]:
    """Read a shape, or the size of the only axis."""
    return tuple(shape) if isinstance(shape, Iterable) and not isinstance(shape, str) else (shape,)


@numpys("broadcast_to")
def broadcast_to(array: Node, shape: Any) -> Node:
    """Repeat the entries to fill a shape: ``y_ij = x_j``.

    Axes are matched from the right, and one of size 1 is repeated, as for `numpy.broadcast_to`.

    Parameters
    ----------
    shape
        The sizes, numbers or names.

    Raises
    ------
    ShapeError
        A size is neither 1 nor the one it meets, or there are more axes than in `shape`.

    >>> ed.broadcast_to(ed.tensor("x", "n"), ("m", "n"))
    f_{i<m,j} = x_j
    """
    shape = tuple(as_size(size, "broadcast_to") for size in as_shape(shape))
    if len(shape) < len(array.shape) or broadcast_shape([array, zero(shape)]) != shape:
        raise ShapeError(
            f"a tensor of shape {shape_text(array.shape)} does not broadcast to "
            f"{shape_text(shape)}",
            action="sizes must be equal, or 1, counted from the right",
        )
    return einsum([array], [placed(array, shape)], range(len(shape)), dict(enumerate(shape)))


# --- in the shape of another ------------------------------------------------------------------


@numpys("zeros_like")
def zeros_like(a: Node) -> Node:
    """Return zeros in the shape of another tensor: ``y_i = 0``.

    >>> ed.zeros_like(ed.tensor("x", "n"))
    f_{i<n} = 0
    """
    return zero(a.shape)


@numpys("ones_like")
def ones_like(a: Node) -> Node:
    """Return ones in the shape of another tensor: ``y_i = 1``.

    >>> ed.ones_like(ed.tensor("x", 3)).dense()
    array([1, 1, 1])
    """
    return broadcast_to(constant(1), a.shape)


@numpys("full_like")
def full_like(a: Node, fill_value: Node) -> Node:
    """Repeat a value in the shape of another tensor: ``y_i = c``.

    Parameters
    ----------
    a
        The tensor whose shape is taken.
    fill_value
        Tensor, array or number that is broadcast to it.

    >>> ed.full_like(ed.tensor("x", "n"), ed.tensor("c", ()))
    f_{i<n} = c
    """
    return broadcast_to(fill_value, a.shape)


@numpys("copy")
def copy(a: Node) -> Node:
    """Return the tensor itself, which never changes."""
    return a
