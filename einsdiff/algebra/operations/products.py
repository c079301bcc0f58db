r"""Products of two tensors, all of them einsums.

.. math:: (AB)_{ij} = A_{ik} B_{kj} \qquad (a \otimes b)_{ij} = a_i b_j \qquad
    (A \otimes B)_{pq} = \delta_{p,\,ki+k'}\, \delta_{q,\,lj+l'}\, A_{ij} B_{k'l'} .

>>> A, x = variable("A", (2, 3)), variable("x", (3,))
>>> matmul(A, x).shape, outer(x, x).shape, kron(A, A).shape
((2,), (3, 3), (4, 9))
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import index as as_index
from typing import Any

from einsdiff.algebra.nodes.interning import Node, zero
from einsdiff.algebra.nodes.nodes import einsum, related
from einsdiff.algebra.operations.arithmetic import multiply
from einsdiff.algebra.operations.naming import numpys
from einsdiff.algebra.operations.reshaping import ravel
from einsdiff.algebra.operations.shapes import (
    axes_of,
    broadcast_shape,
    need_numbers,
    operands_line,
    placed,
)
from einsdiff.algebra.operations.transposing import expand_dims
from einsdiff.errors import OperandError, ShapeError
from einsdiff.notation.subscripts import Size


def check_inner(a: Node, b: Node, i: int, j: int, what: str) -> None:
    """Raise `ShapeError` unless axis `i` of the first operand and `j` of the second are one."""
    if a.shape[i] != b.shape[j]:
        raise ShapeError(
            f"{what}: the axes to be summed have sizes {a.shape[i]} and {b.shape[j]}",
            shapes=operands_line([a, b]),
            action="the axes that meet need one size",
        )


@numpys("matmul")
def matmul(x1: Node, x2: Node) -> Node:
    """Multiply matrices and vectors: ``y_ij = a_ik b_kj``; the same as ``a @ b``.

    The last axis of the first and the last but one of the second (or its only one) are summed;
    axes before the last two are batch axes, and are broadcast.

    Parameters
    ----------
    x1, x2
        Tensors or arrays with one axis or more.

    Raises
    ------
    ShapeError
        The axes to be summed differ in size, or an operand is a number.

    >>> A, B = ed.tensors(A="mk", B="kn")
    >>> ed.matmul(A, B)
    f_ij = A_ik B_kj
    >>> ed.grad(ed.matmul(A, B), wrt="A")
    ∂f_ij/∂A_pq = δ_ip B_qj
    """
    if not x1.shape or not x2.shape:
        raise ShapeError(
            "matmul needs a vector or a matrix on both sides",
            shapes=operands_line([x1, x2]),
            action="multiply by a scalar with *",
        )
    check_inner(x1, x2, -1, -2 if len(x2.shape) > 1 else -1, "matmul")
    batches = [zero(x.shape[:-2]) for x in (x1, x2)]
    batch = broadcast_shape(batches)
    left, right = (placed(own, batch) for own in batches)
    first = ["k"] if len(x1.shape) == 1 else [*left, "i", "k"]
    second = ["k"] if len(x2.shape) == 1 else [*right, "k", "j"]
    out = [*range(len(batch)), *(n for n in ("i", "j") if n in first or n in second)]
    return einsum([x1, x2], [first, second], out, dict(enumerate(batch)))


@numpys("linalg.multi_dot")
def multi_dot(arrays: Sequence[Node]) -> Node:
    """Multiply several matrices: ``y_il = a_ij b_jk c_kl``.

    In which order they are multiplied is decided when it is computed.

    Parameters
    ----------
    arrays
        Tensors or arrays: matrices, of which the first and the last may be vectors.

    Raises
    ------
    ShapeError
        Axes to be summed differ in size.

    >>> A, B, x = ed.tensors(A="ij", B="jk", x="k")
    >>> ed.multi_dot([A, B, x])
    f_i = A_ij B_jk x_k
    """
    if not arrays:
        raise OperandError("multi_dot of nothing", action="pass matrices")
    return reduce(matmul, arrays)


@numpys("dot")
def dot(a: Node, b: Node) -> Node:
    """Multiply as `numpy.dot` does: ``y_ij = a_ik b_kj``, for vectors ``y = a_i b_i``.

    The last axis of the first and the last but one of the second (or its only one) are summed;
    all other axes stand in the result, those of `a` first. With a number it multiplies. No
    complex conjugate is taken.

    Raises
    ------
    ShapeError
        The axes to be summed differ in size.

    >>> A, x = ed.tensors(A="mn", x="n")
    >>> ed.dot(A, x)
    f_i = A_ij x_j
    """
    if not a.shape or not b.shape:
        return multiply(a, b)
    return tensordot(a, b, ([-1], [-2 if len(b.shape) > 1 else -1]))


@numpys("inner")
def inner(a: Node, b: Node) -> Node:
    """Sum over the last axes: ``y_ij = a_ik b_jk``, for vectors ``y = a_i b_i``.

    With a number it multiplies. No complex conjugate is taken.

    Raises
    ------
    ShapeError
        The last axes differ in size.

    >>> A, B = ed.tensors(A="mk", B="nk")
    >>> ed.inner(A, B)
    f_ij = A_ik B_jk
    """
    if not a.shape or not b.shape:
        return multiply(a, b)
    return tensordot(a, b, ([-1], [-1]))


@numpys("vdot")
def vdot(a: Node, b: Node) -> Node:
    """Sum the products of all entries: ``y = a_ij b_ij``.

    Unlike NumPy's, it takes no complex conjugate, which has no derivative.

    Raises
    ------
    ShapeError
        They have not as many entries.

    >>> A, B = ed.tensors(A="mn", B="mn")
    >>> ed.vdot(A, B)
    f = A_ij B_ij
    """
    if a.shape != b.shape:
        a, b = ravel(a), ravel(b)
        check_inner(a, b, 0, 0, "vdot")
    labels = range(len(a.shape))
    return einsum([a, b], [labels, labels], ())


@numpys("outer", "linalg.outer")
def outer(a: Node, b: Node) -> Node:
    """Multiply every entry by every other: ``y_ij = a_i b_j``.

    Of tensors with several axes, the entries are first put in one axis; use `tensordot` with
    ``axes=0`` to keep them apart.

    >>> x, y = ed.tensors(x="m", y="n")
    >>> ed.outer(x, y)
    f_ij = x_i y_j
    """
    return tensordot(ravel(a), ravel(b), 0)


@numpys("tensordot")
def tensordot(a: Node, b: Node, axes: Any = 2) -> Node:
    """Sum over pairs of axes: ``y_il = a_ijk b_jkl``.

    Parameters
    ----------
    a, b
        Tensors or arrays.
    axes
        How many of the last axes of `a` meet the first ones of `b`, or two lists: axes of `a`,
        and the axes of `b` that they meet.

    Raises
    ------
    ShapeError
        Axes that meet differ in size.
    OperandError
        The lists differ in length, or name an axis twice.

    >>> A, B = ed.tensors(A="ijk", B="jkl")
    >>> ed.tensordot(A, B)
    f_ij = A_ikl B_klj
    >>> ed.tensordot(A, A, axes=([0, 2], [0, 2]))
    f_ij = A_kil A_kjl
    """
    if isinstance(axes, Iterable):
        pair = [() if k is None else k for k in axes]
        if len(pair) != 2:
            raise OperandError(
                f"tensordot: axes={axes} are not those of two operands",
                action="write (axes of the first, axes of the second)",
            )
        left, right = axes_of(a, pair[0]), axes_of(b, pair[1])
    else:
        count = as_index(axes)
        if not 0 <= count <= min(len(a.shape), len(b.shape)):
            raise OperandError(
                f"tensordot: axes={count} of operands with {len(a.shape)} and {len(b.shape)} axes",
                shapes=operands_line([a, b]),
                action="sum as many axes as both operands have, at most",
            )
        left, right = tuple(range(len(a.shape)))[len(a.shape) - count :], tuple(range(count))
    if len(left) != len(right):
        raise OperandError(
            f"tensordot: {len(left)} axes of one operand and {len(right)} of the other",
            action="name as many axes of both operands",
        )
    for i, j in zip(left, right, strict=True):
        check_inner(a, b, i, j, "tensordot")
    first = [("a", k) for k in range(len(a.shape))]
    meets = dict(zip(right, (first[i] for i in left), strict=True))
    second = [meets.get(k, ("b", k)) for k in range(len(b.shape))]
    summed = set(meets.values())
    return einsum([a, b], [first, second], [n for n in first + second if n not in summed])


@numpys("kron")
def kron(a: Node, b: Node) -> Node:
    """Replace every entry of `a` by that entry times `b`, the Kronecker product.

    ``y_pq = a_ij b_kl`` where ``p = m i + k`` and ``q = n j + l``, for `b` of shape ``(m, n)``. The
    operand with fewer axes gets axes of size 1 in front, as in NumPy.

    Raises
    ------
    ShapeError
        A size is a name, and the axis it meets has not the size 1.

    References
    ----------
    Van Loan, *The ubiquitous Kronecker product*, J. Comput. Appl. Math. 123 (2000).

    >>> A = ed.tensor("A", [[1.0, 2.0]])
    >>> ed.kron(A, [[1, 0], [0, 1]]).dense()
    array([[1., 0., 2., 0.],
           [0., 1., 0., 2.]])
    """
    rank = max(len(a.shape), len(b.shape))
    a, b = (expand_dims(x, range(rank - len(x.shape))) for x in (a, b))
    factors, labels = [a, b], [[("a", k) for k in range(rank)], [("b", k) for k in range(rank)]]
    out: list[tuple[str, int]] = []
    sizes: dict[Any, Size] = {}
    for k in range(rank):
        if 1 in (a.shape[k], b.shape[k]):
            out.append(("b", k) if a.shape[k] == 1 else ("a", k))
            continue
        (m,), (n,) = (need_numbers(x, [k], "kron") for x in (a, b))
        out.append(("c", k))
        factors.append(related((m * n, m, n), (-1, n, 1)))
        labels.append([("c", k), ("a", k), ("b", k)])
        sizes.update({("c", k): m * n, ("a", k): m, ("b", k): n})
    return einsum(factors, labels, out, sizes)
