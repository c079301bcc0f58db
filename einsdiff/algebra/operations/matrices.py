r"""Linear algebra: functions of matrices, batched over the axes before the last two.

.. math:: \frac{\partial (X^{-1})_{ij}}{\partial X_{kl}} = -(X^{-1})_{ik} (X^{-1})_{lj} \qquad
    \frac{\partial \log\lvert\det X\rvert}{\partial X_{ij}} = (X^{-1})_{ji} .

They are entries of the table, where their derivatives are; here shapes are checked. The rules are
collected in Petersen and Pedersen, *The Matrix Cookbook* (2012), and in Giles, *An extended
collection of matrix derivative results* (2008).

>>> A, b = variable("A", (4, 3, 3)), variable("b", (3,))
>>> inv(A).shape, logdet(A).shape, solve(A, b).shape
((4, 3, 3), (4,), (4, 3))
"""

from __future__ import annotations

from operator import index as as_index
from typing import Any, NamedTuple

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.function_records import lookup
from einsdiff.algebra.nodes.interning import Node, zero
from einsdiff.algebra.nodes.nodes import call, einsum
from einsdiff.algebra.operations.applying import check_square, of_record
from einsdiff.algebra.operations.naming import numpys
from einsdiff.algebra.operations.products import check_inner, matmul
from einsdiff.algebra.operations.shapes import broadcast_shape, broadcast_to, operands_line
from einsdiff.errors import OperandError, ShapeError


class Slogdet(NamedTuple):
    """The sign of a determinant, and the logarithm of its absolute value."""

    sign: Any
    logabsdet: Any


inv, logdet = of_record(FUNCTIONS["inv"]), of_record(FUNCTIONS["logdet"])


# --- equations ---------------------------------------------------------------------------------


@numpys("linalg.solve")
def solve(a: Node, b: Node) -> Node:
    """Solve linear equations: ``a_ij y_j = b_i``, or ``a_ij y_jk = b_ik``.

    The derivatives are ``∂y_i/∂a_jk = -(a⁻¹)_ij y_k`` and ``∂y_i/∂b_j = (a⁻¹)_ij``.

    Parameters
    ----------
    a
        Square matrices: tensor or array.
    b
        The right-hand side: a vector if it has one axis, else matrices; batch axes are broadcast.

    Raises
    ------
    ShapeError
        The matrices are not square, or have not the size of the right-hand side.

    >>> A, b = ed.tensors(A="nn", b="n")
    >>> ed.solve(A, b)
    f_i = solve(A, b)_i
    >>> ed.grad(ed.solve(A, b), wrt="A")
    ∂f_i/∂A_pq = -inv(A)_ip solve(A, b)_q
    """
    check_square("solve", a)
    core = 1 if len(b.shape) == 1 else 2
    if not b.shape:
        raise ShapeError(
            "solve: the right-hand side is a number",
            shapes=operands_line([a, b]),
            action="pass a vector or a matrix",
        )
    check_inner(a, b, -1, -core, "solve")
    function = lookup("solve", (2, core))
    assert function is not None
    batches = [zero(a.shape[:-2]), zero(b.shape[:-core])]
    if all(batch.shape for batch in batches):
        batch = broadcast_shape(batches)
        a, b = broadcast_to(a, batch + a.shape[-2:]), broadcast_to(b, batch + b.shape[-core:])
    return call(function, [a, b])


# --- determinants -----------------------------------------------------------------------------


@numpys("linalg.slogdet")
def slogdet(a: Node) -> Slogdet:
    """Take signs of determinants and logarithms of their absolute values, as two tensors.

    Those are ``sign`` and ``logabsdet`` of the result. The derivative of the sign is 0.

    Returns
    -------
    Slogdet
        A pair of tensors.

    Raises
    ------
    ShapeError
        The last two axes are not of one size.

    >>> sign, logabsdet = ed.slogdet(ed.tensor("A", [[0.0, 1.0], [1.0, 0.0]]))
    >>> float(sign), float(logabsdet)
    (-1.0, 0.0)
    """
    return Slogdet(of_record(FUNCTIONS["signdet"])(a), logdet(a))


# --- powers -----------------------------------------------------------------------------------


@numpys("linalg.matrix_power")
def matrix_power(a: Node, n: int) -> Node:
    """Multiply a square matrix by itself: ``y_ik = x_ij x_jk`` for 2.

    Parameters
    ----------
    a
        Square matrices: tensor or array.
    n
        A whole number: the identity matrix for 0, the power of the inverse if it is negative.

    Raises
    ------
    ShapeError
        The last two axes are not of one size.
    OperandError
        The exponent is no whole number.

    >>> A = ed.tensor("A", "nn")
    >>> ed.matrix_power(A, 2)
    f_ij = A_ik A_kj
    >>> ed.grad(ed.matrix_power(A, 2), wrt="A")
    ∂f_ij/∂A_pq = δ_ip A_qj + δ_jq A_ip
    """
    check_square("matrix_power", a)
    try:
        n = as_index(n)
    except TypeError:
        raise OperandError(
            f"matrix_power: n={n!r} is no whole number", action="write one, such as 2 or -1"
        ) from None
    if n < 0:
        return matrix_power(inv(a), -n)
    if n == 0:
        rank = len(a.shape)
        return einsum([], [], [*range(rank - 1), rank - 2], dict(enumerate(a.shape[:-1])))
    if n == 1:
        return a
    half = matrix_power(a, n // 2)
    return matmul(matmul(half, half), a) if n % 2 else matmul(half, half)
