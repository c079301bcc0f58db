r"""Diagonals and triangles of matrices.

.. math:: \operatorname{diag}(v)_{ij} = \delta_{ij}\, v_i \qquad
    \operatorname{diag}(A)_i = A_{ii} \qquad
    \operatorname{tr} A = A_{ii} \qquad
    \operatorname{tril}(A)_{ij} = [i \ge j]\, A_{ij} .

A diagonal beside the main one is two shifted indices, :math:`\delta_{i,d}\, \delta_{j,d+k}\,
A_{ij}`.

>>> A, v = variable("A", (3, 4)), variable("v", (3,))
>>> diagonal(A, 1).shape, diag(v, -1).shape, tril(A).shape
((3,), (4, 4), (3, 4))
"""

from __future__ import annotations

from typing import Any

from einsdiff.algebra.nodes.interning import Node
from einsdiff.algebra.nodes.nodes import einsum, related
from einsdiff.algebra.operations.naming import numpys
from einsdiff.algebra.operations.reductions import sum_
from einsdiff.algebra.operations.shapes import axis_of, need_numbers, operands_line
from einsdiff.errors import OperandError, ShapeError


@numpys("diagonal")
def diagonal(a: Node, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Node:
    """Take a diagonal of two axes: ``y_i = x_ii``; it becomes the last axis.

    Raises
    ------
    ShapeError
        There are fewer than two axes, or a size that is needed is a name: those of different
        sizes, or with an offset, are needed.

    >>> ed.diagonal(ed.tensor("A", "nn"))
    f_i = A_ii
    >>> ed.diagonal(ed.tensor("A", [[1.0, 2.0], [3.0, 4.0]]), offset=1).dense()
    array([2.])
    """
    if len(a.shape) < 2:
        raise ShapeError(
            "a diagonal needs two axes", shapes=operands_line([a]), action="pass a matrix"
        )
    rows, columns = axis_of(a, axis1), axis_of(a, axis2)
    if rows == columns:
        raise OperandError("a diagonal needs two different axes", action="name two axes")
    labels: list[Any] = list(range(len(a.shape)))
    rest = [k for k in labels if k not in (rows, columns)]
    if offset == 0 and a.shape[rows] == a.shape[columns]:
        labels[columns] = rows
        return einsum([a], [labels], [*rest, rows])
    m, n = need_numbers(a, [rows, columns], "this diagonal")
    down, right = max(-offset, 0), max(offset, 0)
    count = max(min(m - down, n - right), 0)
    factors = [a, related((count, m), (1, -1), down), related((count, n), (1, -1), right)]
    terms = [labels, ["d", rows], ["d", columns]]
    return einsum(factors, terms, [*rest, "d"], {"d": count, rows: m, columns: n})


@numpys("trace")
def trace(a: Node, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Node:
    """Sum a diagonal of two axes: ``y = x_ii``.

    Raises
    ------
    ShapeError
        There are fewer than two axes, or a size that is needed is a name.

    >>> A, B = ed.tensors(A="mn", B="nm")
    >>> ed.trace(A @ B)
    f = A_ij B_ji
    >>> ed.grad(ed.trace(A @ B), wrt="A")
    ∂f/∂A_pq = B_qp
    """
    return sum_(diagonal(a, offset, axis1, axis2), -1)


@numpys("linalg.diagonal")
def matrix_diagonal(x: Node, *, offset: int = 0) -> Node:
    """Take a diagonal of the last two axes, as `numpy.linalg.diagonal` does."""
    return diagonal(x, offset, -2, -1)


@numpys("linalg.trace")
def matrix_trace(x: Node, *, offset: int = 0) -> Node:
    """Sum a diagonal of the last two axes, as `numpy.linalg.trace` does."""
    return trace(x, offset, -2, -1)


@numpys("diag")
def diag(v: Node, k: int = 0) -> Node:
    """Make a diagonal matrix of a vector, ``y_ij = δ_ij v_i``, or take the diagonal of a matrix.

    Raises
    ------
    ShapeError
        There are more axes than two or none, or a size that is needed is a name.

    >>> ed.diag(ed.tensor("v", "n"))
    f_ij = δ_ij v_i
    >>> ed.diag(ed.tensor("A", "nn"))
    f_i = A_ii
    """
    if len(v.shape) == 2:
        return diagonal(v, k)
    if len(v.shape) != 1:
        raise ShapeError(
            "diag takes a vector or a matrix",
            shapes=operands_line([v]),
            action="use diagonal for tensors with more axes",
        )
    if k == 0:
        return einsum([v], [[0]], [0, 0])
    (count,) = need_numbers(v, [0], "diag")
    total = count + abs(k)
    places = [related((total, count), (1, -1), -max(shift, 0)) for shift in (-k, k)]
    sizes = {"p": total, "q": total, "i": count}
    return einsum([v, *places], [["i"], ["p", "i"], ["q", "i"]], ["p", "q"], sizes)


@numpys("tril")
def tril(m: Node, k: int = 0) -> Node:
    """Keep the lower triangle of the last two axes: ``y_ij = [i ≥ j] x_ij``.

    Raises
    ------
    ShapeError
        There are fewer than two axes.

    >>> ed.tril(ed.tensor("A", "nn"))
    f_ij = [i ≥ j] A_ij
    """
    return _triangle(m, (1, -1), k)


@numpys("triu")
def triu(m: Node, k: int = 0) -> Node:
    """Keep the upper triangle of the last two axes: ``y_ij = [j ≥ i] x_ij``.

    Raises
    ------
    ShapeError
        There are fewer than two axes.

    >>> ed.triu(ed.tensor("A", "nn"), k=1)
    f_ij = [j ≥ i+1] A_ij
    """
    return _triangle(m, (-1, 1), -k)


def _triangle(m: Node, c: tuple[int, int], offset: int) -> Node:
    if len(m.shape) < 2:
        raise ShapeError(
            "a triangle needs two axes", shapes=operands_line([m]), action="pass a matrix"
        )
    labels = range(len(m.shape))
    mask = related(m.shape[-2:], c, offset, is_equation=False)
    return einsum([m, mask], [labels, labels[-2:]], labels)
