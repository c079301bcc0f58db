r"""Entries in another shape.

An axis that is taken apart, or several that are put together, are one number and its digits:

.. math:: \operatorname{ravel}(X)_p = \delta_{p,\,n i + j}\, X_{ij}, \qquad 0 \le j < n .

A reshape is one such relation for every group of axes whose sizes have one product before and
after; a group of one axis on both sides is not touched. Sizes are multiplied as monomials, so that
axes whose size is a name take part where no digit of them is needed.

>>> A = variable("A", (2, 3, "n"))
>>> reshape(A, (6, "n")).shape, reshape(A, (3, 2, -1)).shape
((6, 'n'), (3, 2, 'n'))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import prod
from operator import index as as_index
from typing import Any

from einsdiff.algebra.nodes.interning import Node, Shape, zero
from einsdiff.algebra.nodes.nodes import einsum, related
from einsdiff.algebra.operations.naming import numpys
from einsdiff.algebra.operations.shapes import as_shape, need_numbers, operands_line
from einsdiff.algebra.operations.transposing import transpose
from einsdiff.errors import OperandError, ShapeError, shape_text
from einsdiff.notation.subscripts import Size


@numpys("reshape")
def reshape(a: Node, shape: Any, order: str = "C") -> Node:
    """Arrange the entries in another shape: ``y_p = x_ij`` where ``p = n i + j``.

    Parameters
    ----------
    shape
        The sizes; one of them may be -1, for what is left. An axis whose size is a name can be
        moved past others only by `transpose`: its size is needed to take it apart.
    order
        ``"C"`` if the last index runs fastest, ``"F"`` if the first one does.

    Raises
    ------
    ShapeError
        The number of entries is another, or a size that is needed is a name.

    >>> ed.reshape(ed.tensor("A", (2, 6)), (3, -1)).shape
    (3, 4)
    >>> ed.reshape(ed.tensor("x", [1.0, 2.0, 3.0, 4.0]), (2, 2), order="F").dense()
    array([[1., 3.],
           [2., 4.]])
    """
    if order == "F":
        return transpose(reshape(transpose(a), as_shape(shape)[::-1]))
    if order != "C":
        raise OperandError(f"there is no order {order!r}", action="write 'C' or 'F'")
    old, new = a.shape, _completed(a, as_shape(shape))
    if new == old:
        return a
    if 0 in old:
        return zero(new)
    factors: list[Node] = [a]
    labels: list[list[Any]] = [[("old", k) for k in range(len(old))]]
    out: list[Any] = [("new", k) for k in range(len(new))]
    sizes: dict[Any, Size] = {}
    for before, after in _groups(old, new):
        if len(before) == len(after) == 1:
            out[after[0]] = ("old", before[0])
            continue
        # Both sides are digits of one number. A side of one axis is that number.
        need_numbers(a, before, "reshape")
        sides = [("old", old, before), ("new", new, after)]
        whole = next(
            ((name, axes[0]) for name, _, axes in sides if len(axes) == 1), ("all", after[0])
        )
        for name, shape_, axes in sides:
            if len(axes) > 1:
                counts = [int(shape_[k]) for k in axes]
                weights = [prod(counts[k + 1 :]) for k in range(len(counts))]
                sizes[whole] = prod(counts)
                factors.append(related((sizes[whole], *counts), (-1, *weights)))
                labels.append([whole, *((name, k) for k in axes)])
    # Those that are not found again are of size 1.
    sizes.update({(name, k): new[k] for name, k in out if name == "new"})
    return einsum(factors, labels, out, sizes)


@numpys("ravel")
def ravel(a: Node, order: str = "C") -> Node:
    """Arrange the entries in one axis: ``y_p = x_ij`` where ``p = n i + j``.

    Parameters
    ----------
    order
        ``"C"`` if the last index runs fastest, ``"F"`` if the first one does.

    >>> ed.ravel(ed.tensor("A", [[1.0, 2.0], [3.0, 4.0]])).dense()
    array([1., 2., 3., 4.])
    """
    return reshape(a, (-1,), order)


#: A product of sizes: a number, and the sizes that are names.
_Product = tuple[int, tuple[str, ...]]


def _running(sizes: Iterable[Size]) -> Iterator[_Product]:
    """Multiply sizes one after the other.

    >>> list(_running([2, "n", 3]))
    [(2, ()), (2, ('n',)), (6, ('n',))]
    """
    number, names = 1, Counter[str]()
    for size in sizes:
        if isinstance(size, int):
            number *= size
        else:
            names[size] += 1
        yield number, tuple(sorted(names.elements())) if number else ()


def _product(sizes: Iterable[Size]) -> _Product:
    return [(1, ()), *_running(sizes)][-1]


def _groups(old: Shape, new: Shape) -> Iterator[tuple[list[int], list[int]]]:
    """Cut the axes of two shapes where the products of the sizes so far agree.

    >>> list(_groups((2, 3, 1, 4), (6, 2, 2)))
    [([0, 1], [0]), ([3], [1, 2])]
    """
    # Axes of size 1 change nothing. Without them every product is another than those before it.
    left, right = ([k for k, size in enumerate(shape) if size != 1] for shape in (old, new))
    ends = {product: n for n, product in enumerate(_running(new[k] for k in right), 1)}
    i = j = 0
    for m, product in enumerate(_running(old[k] for k in left), 1):
        if product in ends:
            n = ends[product]
            yield left[i:m], right[j:n]
            i, j = m, n


def _completed(a: Node, shape: Sequence[Any]) -> Shape:
    """Find the size written as -1, and check the number of entries."""
    new: list[Size | None] = [
        n if isinstance(n, str) else None if as_index(n) == -1 else as_index(n) for n in shape
    ]
    if new.count(None) > 1 or any(isinstance(n, int) and n < 0 for n in new):
        raise ShapeError(f"{shape_text(shape)} is no shape", action="write -1 for one size at most")
    total, known = _product(a.shape), _product(n for n in new if n is not None)
    rest = _quotient(total, known) if None in new else None
    if rest is None if None in new else total != known:
        if total[1] != known[1]:
            need_numbers(a, range(len(a.shape)), "reshape")
        raise ShapeError(
            f"a tensor of shape {shape_text(a.shape)} has not as many entries as one of "
            f"shape {shape_text(shape)}",
            shapes=operands_line([a]),
            action="the products of both shapes must be equal",
        )
    return tuple(rest if n is None else n for n in new)  # type: ignore[misc]


def _quotient(total: _Product, known: _Product) -> Size | None:
    """Divide; None if that is not one size, or not determined.

    >>> _quotient((6, ("n",)), (3, ("n",))), _quotient((6, ("n",)), (6, ()))
    (2, 'n')
    >>> _quotient((6, ("n",)), (3, ())), _quotient((6, ()), (4, ()))
    (None, None)
    """
    if not total[0] or not known[0]:
        return 0 if known[0] else None
    number, left_over = divmod(total[0], known[0])
    names = Counter(total[1])
    names.subtract(known[1])
    if left_over or min(names.values(), default=0) < 0:
        return None
    named = list(names.elements())
    if not named:
        return number
    return named[0] if len(named) == 1 and number == 1 else None
