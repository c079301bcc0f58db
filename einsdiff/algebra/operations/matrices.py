r"""Linear algebra: functions of matrices, batched over the axes before the last two.

.. math:: \frac{\partial (X^{-1})_{ij}}{\partial X_{kl}} = -(X^{-1})_{ik} (X^{-1})_{lj} \qquad
    \frac{\partial \log\lvert\det X\rvert}{\partial X_{ij}} = (X^{-1})_{ji} .

They are entries of the table, where their derivatives are; here shapes are checked. The rules are
collected in Petersen and Pedersen, *The Matrix Cookbook* (2012), and in Giles, *An extended
collection of matrix derivative results* (2008).

>>> from einsdiff.algebra.nodes.nodes import variable
>>> A, b = variable("A", (4, 3, 3)), variable("b", (3,))
>>> inv(A).shape, det(A).shape, solve(A, b).shape
((4, 3, 3), (4,), (4, 3))
"""

from __future__ import annotations

from operator import index as as_index
from typing import Any, NamedTuple

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.function import lookup
from einsdiff.algebra.nodes.nodes import Node, call, einsum, zero
from einsdiff.algebra.operations.products import check_inner, matmul
from einsdiff.algebra.operations.shapes import broadcast_shape, broadcast_to, operands_line
from einsdiff.errors import OperandError, ShapeError, page

__all__ = [
    "Slogdet",
    "check_square",
    "det",
    "expm",
    "inv",
    "logdet",
    "matrix_power",
    "of_square",
    "pinv",
    "slogdet",
    "solve",
]


class Slogdet(NamedTuple):
    """The sign of a determinant, and the logarithm of its absolute value."""

    sign: Any
    logabsdet: Any


def of_square(name: str, a: Node) -> Node:
    """Apply the function of the table that has this name to square matrices."""
    check_square(name, a)
    return call(FUNCTIONS[name], [a])


def check_square(name: str, a: Node) -> None:
    """Raise `ShapeError` unless the last two axes are of one size."""
    rank = len(a.shape)
    if rank < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError(
            page(
                f"{name} takes square matrices",
                shapes=operands_line([a]),
                action="the last two axes need one size" if rank > 1 else "pass a matrix",
            )
        )


# --- inverses ---------------------------------------------------------------------------------


def inv(a: Node) -> Node:
    """Invert square matrices: ``y_ij x_jk = δ_ik``.

    The derivative is ``∂y_ij/∂x_kl = -y_ik y_lj``.

    Raises
    ------
    ShapeError
        The last two axes are not of one size.

    References
    ----------
    Petersen and Pedersen, *The Matrix Cookbook* (2012), section 2.2.

    Examples
    --------
    >>> import einsdiff as ed
    >>> A = ed.tensor("A", "nn")
    >>> ed.inv(A)
    f_ij = inv(A)_ij
    >>> ed.grad(ed.inv(A), wrt="A")
    ∂f_ij/∂A_pq = -inv(A)_ip inv(A)_qj
    """
    return of_square("inv", a)


def pinv(a: Node) -> Node:
    """Take the Moore-Penrose inverse of matrices: ``(XᵀX)⁻¹ Xᵀ`` if the columns are independent.

    Of shape ``(.., n, m)`` for ``(.., m, n)``. The derivative is that of matrices whose rank does
    not change; where it does, there is none.

    Raises
    ------
    ShapeError
        There are fewer than two axes.

    References
    ----------
    Golub and Pereyra, *The differentiation of pseudo-inverses and nonlinear least squares problems
    whose variables separate*, SIAM J. Numer. Anal. 10 (1973), theorem 4.3.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.pinv(ed.tensor("A", "mn"))
    f_ij = pinv(A)_ij
    >>> ed.pinv(ed.tensor("A", [[3.0], [4.0]])).dense()
    array([[0.12, 0.16]])
    """
    if len(a.shape) < 2:
        raise ShapeError(
            page("pinv takes matrices", shapes=operands_line([a]), action="pass a matrix")
        )
    return call(FUNCTIONS["pinv"], [a])


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

    Examples
    --------
    >>> import einsdiff as ed
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
            page(
                "solve: the right-hand side is a number",
                shapes=operands_line([a, b]),
                action="pass a vector or a matrix",
            )
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


def det(a: Node) -> Node:
    """Take determinants of square matrices.

    The derivative is ``∂y/∂x_ij = y (x⁻¹)_ji``, which is not finite for singular matrices.

    Raises
    ------
    ShapeError
        The last two axes are not of one size.

    References
    ----------
    Petersen and Pedersen, *The Matrix Cookbook* (2012), section 2.1.

    Examples
    --------
    >>> import einsdiff as ed
    >>> A = ed.tensor("A", "nn")
    >>> ed.det(A)
    f = det(A)
    >>> ed.grad(ed.det(A), wrt="A")
    ∂f/∂A_pq = det(A) inv(A)_qp
    """
    return of_square("det", a)


def logdet(a: Node) -> Node:
    """Take logarithms of absolute values of determinants: ``y = log(abs(det(x)))``.

    It neither overflows nor underflows where the determinant does. The derivative is
    ``∂y/∂x_ij = (x⁻¹)_ji``.

    Raises
    ------
    ShapeError
        The last two axes are not of one size.

    References
    ----------
    Petersen and Pedersen, *The Matrix Cookbook* (2012), section 2.1.

    Examples
    --------
    >>> import einsdiff as ed
    >>> A = ed.tensor("A", "nn")
    >>> ed.logdet(A)
    f = logdet(A)
    >>> ed.grad(ed.logdet(A), wrt="A")
    ∂f/∂A_pq = inv(A)_qp
    """
    return of_square("logdet", a)


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

    Examples
    --------
    >>> import einsdiff as ed
    >>> sign, logabsdet = ed.slogdet(ed.tensor("A", [[0.0, 1.0], [1.0, 0.0]]))
    >>> float(sign), float(logabsdet)
    (-1.0, 0.0)
    """
    return Slogdet(of_square("signdet", a), of_square("logdet", a))


# --- powers -----------------------------------------------------------------------------------


def expm(a: Node) -> Node:
    """Take the exponential of square matrices: ``y = Σ_k x^k / k!``, with products of matrices.

    The derivative in the direction E is ``∫ exp((1-t)x) E exp(tx) dt`` from 0 to 1; it is computed
    as a block of the exponential of a larger matrix.

    Raises
    ------
    ShapeError
        The last two axes are not of one size.

    References
    ----------
    Higham, *Functions of Matrices* (2008), chapter 10.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.expm(ed.tensor("A", [[0.0, 1.0], [0.0, 0.0]])).dense()
    array([[1., 1.],
           [0., 1.]])
    """
    return of_square("expm", a)


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

    Examples
    --------
    >>> import einsdiff as ed
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
            page(f"matrix_power: n={n!r} is no whole number", action="write one, such as 2 or -1")
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
