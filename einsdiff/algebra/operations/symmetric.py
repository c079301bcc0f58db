r"""Symmetric matrices: factors, eigenvalues and eigenvectors.

.. math:: S_{ij} = L_{ik} L_{jk} \qquad S_{ij} v_{jk} = v_{ik} \lambda_k \qquad
    \frac{\partial \lambda_k}{\partial S_{ij}} = v_{ik} v_{jk} .

Each is read as a function of the symmetric part of any matrix, so that its derivative by entries
is defined: it is symmetric too. NumPy reads one triangle, and its functions of tensors do the same
where the other one differs: they are those of the matrix that has this triangle on both sides, and
entries that are not read have the derivative 0,

.. math:: S_{ij} = [i \ge j]\, x_{ij} + [j > i]\, x_{ji} .

>>> S = variable("S", (4, 3, 3))
>>> cholesky(S).shape, eigvalsh(S).shape, eigh(S).eigenvectors.shape
((4, 3, 3), (4, 3), (4, 3, 3))
"""

from __future__ import annotations

from typing import Any, NamedTuple

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import Node
from einsdiff.algebra.operations.applying import check_square, of_record
from einsdiff.algebra.operations.arithmetic import add_
from einsdiff.algebra.operations.diagonals import tril, triu
from einsdiff.algebra.operations.naming import numpys
from einsdiff.algebra.operations.transposing import matrix_transpose
from einsdiff.algebra.rewriting.orient import normal_form
from einsdiff.errors import OperandError


class Eigh(NamedTuple):
    """The eigenvalues in ascending order, and the eigenvectors as columns."""

    eigenvalues: Any
    eigenvectors: Any


cholesky, eigvalsh = of_record(FUNCTIONS["cholesky"]), of_record(FUNCTIONS["eigvalsh"])


def eigh(a: Node) -> Eigh:
    """Take eigenvalues and eigenvectors of symmetric matrices: ``x_ij v_jk = v_ik λ_k``.

    Those are ``eigenvalues``, in ascending order, and ``eigenvectors``, the columns of a matrix,
    of the result. The derivative of eigenvectors is that of distinct eigenvalues. Both are
    functions of the symmetric part of the matrix; ``np.linalg.eigh`` reads the lower triangle, also
    of a tensor whose values are not symmetric.

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
    return Eigh(eigvalsh(a), of_record(FUNCTIONS["eigvectors"])(a))


# --- what NumPy reads -------------------------------------------------------------------------

#: The largest expression of which it is found out whether it is symmetric.
MOST_NODES = 100


def is_symmetric(a: Node) -> bool:
    """Tell whether matrices are symmetric whatever the values are, as far as that is seen.

    >>> X = variable("X", (3, 3))
    >>> is_symmetric(X), is_symmetric(add_(X, matrix_transpose(X)))
    (False, True)
    """
    if len(a.shape) < 2 or a.shape[-1] != a.shape[-2] or len(topological([a])) > MOST_NODES:
        return False
    return normal_form(a) is normal_form(matrix_transpose(a))


def _of_triangle(what: str, a: Node, letter: Any, is_whole: bool) -> Node:
    """Return the symmetric matrix that has one triangle of a matrix on both sides."""
    if not isinstance(letter, str) or letter.upper() not in ("L", "U"):
        raise OperandError(
            f"numpy.linalg.{what}: UPLO={letter!r} is no triangle",
            action="write UPLO='L' for the lower triangle, or 'U' for the upper one",
        )
    if is_whole:
        return a
    check_square(what, a)
    if letter.upper() == "U":
        a = matrix_transpose(a)
    return add_(tril(a), triu(matrix_transpose(a), 1))


@numpys("linalg.cholesky")
def cholesky_of_triangle(a: Node, *, upper: bool = False, is_whole: bool = False) -> Node:
    """Factorise positive definite matrices of which NumPy reads one triangle.

    Here and below `is_whole` says that both triangles are the same.
    """
    factor = cholesky(_of_triangle("cholesky", a, "U" if upper else "L", is_whole))
    return matrix_transpose(factor) if upper else factor


@numpys("linalg.eigvalsh")
def eigvalsh_of_triangle(a: Node, UPLO: str = "L", *, is_whole: bool = False) -> Node:
    """Take the eigenvalues of symmetric matrices of which NumPy reads one triangle."""
    return eigvalsh(_of_triangle("eigvalsh", a, UPLO, is_whole))


@numpys("linalg.eigh")
def eigh_of_triangle(a: Node, UPLO: str = "L", *, is_whole: bool = False) -> Eigh:
    """Take eigenvalues and eigenvectors of matrices of which NumPy reads one triangle."""
    return eigh(_of_triangle("eigh", a, UPLO, is_whole))
