r"""Symmetric matrices: factors, eigenvalues and eigenvectors.

.. math:: S_{ij} = L_{ik} L_{jk} \qquad S_{ij} v_{jk} = v_{ik} \lambda_k \qquad
    \frac{\partial \lambda_k}{\partial S_{ij}} = v_{ik} v_{jk} .

Each is read as a function of the symmetric part of any matrix, so that its derivative by entries
is defined: it is symmetric too.

>>> from einsdiff.algebra.nodes import variable
>>> S = variable("S", (4, 3, 3))
>>> cholesky(S).shape, eigvalsh(S).shape, eigh(S).eigenvectors.shape
((4, 3, 3), (4, 3), (4, 3, 3))
"""

from __future__ import annotations

from typing import Any, NamedTuple

from einsdiff.algebra.arrays.matrices import of_square
from einsdiff.algebra.nodes import Node

__all__ = ["Eigh", "cholesky", "eigh", "eigvalsh"]


class Eigh(NamedTuple):
    """The eigenvalues in ascending order, and the eigenvectors as columns."""

    eigenvalues: Any
    eigenvectors: Any


def cholesky(a: Node) -> Node:
    """Factorise positive definite matrices: ``x_ij = y_ik y_jk`` with a lower triangle ``y``.

    It is a function of the symmetric part of the matrix, ``1/2 (x_ij + x_ji)``, and so is its
    derivative; NumPy reads the lower triangle, which is the same for symmetric matrices.

    Raises
    ------
    ShapeError
        The last two axes are not of one size.

    References
    ----------
    Murray, *Differentiation of the Cholesky decomposition*, arXiv:1602.07527 (2016).

    Examples
    --------
    >>> import einsdiff as ed
    >>> S = ed.tensor("S", [[4.0, 2.0], [2.0, 10.0]])
    >>> ed.cholesky(S).dense()
    array([[2., 0.],
           [1., 3.]])
    """
    return of_square("cholesky", a)


def eigvalsh(a: Node) -> Node:
    """Take the eigenvalues of symmetric matrices, in ascending order.

    The derivative of an eigenvalue is ``v_i v_j``, of its eigenvector; where eigenvalues are
    equal, only functions that treat them alike, such as their sum, are differentiable. It is a
    function of the symmetric part of the matrix; NumPy reads the lower triangle.

    Raises
    ------
    ShapeError
        The last two axes are not of one size.

    References
    ----------
    Petersen and Pedersen, *The Matrix Cookbook* (2012), section 2.3; Magnus, *On differentiating
    eigenvalues and eigenvectors*, Econometric Theory 1 (1985).

    Examples
    --------
    >>> import einsdiff as ed
    >>> S = ed.tensor("S", [[2.0, 0.0], [0.0, 1.0]])
    >>> ed.eigvalsh(S).dense()
    array([1., 2.])
    >>> ed.grad(ed.eigvalsh(S)[0], wrt="S").dense()
    array([[0., 0.],
           [0., 1.]])
    """
    return of_square("eigvalsh", a)


def eigh(a: Node) -> Eigh:
    """Take eigenvalues and eigenvectors of symmetric matrices: ``x_ij v_jk = v_ik λ_k``.

    Those are ``eigenvalues``, in ascending order, and ``eigenvectors``, the columns of a matrix,
    of the result. The derivative of eigenvectors is that of distinct eigenvalues. Both are
    functions of the symmetric part of the matrix; NumPy reads the lower triangle.

    Returns
    -------
    Eigh
        A pair of tensors.

    Raises
    ------
    ShapeError
        The last two axes are not of one size.

    References
    ----------
    Magnus, *On differentiating eigenvalues and eigenvectors*, Econometric Theory 1 (1985).

    Examples
    --------
    >>> import einsdiff as ed
    >>> values, vectors = ed.eigh(ed.tensor("S", [[2.0, 0.0], [0.0, 1.0]]))
    >>> values.dense()
    array([1., 2.])
    """
    return Eigh(of_square("eigvalsh", a), of_square("eigvectors", a))
