r"""Norms of vectors and matrices.

.. math:: \textstyle \|x\|_2 = \sqrt{x_i x_i} \qquad
    \|x\|_p = \bigl(\sum_i |x_i|^p\bigr)^{1/p} \qquad
    \|A\|_2 = \sqrt{\lambda_{\max}(A^\top A)} \qquad
    \|A\|_1 = \max_j \sum_i |A_{ij}| .

>>> x = variable("x", (3,))
>>> norm(x).shape, norm(x, keepdims=True).shape, norm(x) is norm(x, 2)
((), (1,), True)
"""

from __future__ import annotations

from fractions import Fraction
from math import inf
from numbers import Real
from operator import index as as_index
from typing import Any

from einsdiff.algebra.nodes.interning import Node, constant, zero
from einsdiff.algebra.operations.applying import kept
from einsdiff.algebra.operations.arithmetic import elementwise, power, sqrt, square
from einsdiff.algebra.operations.naming import numpys
from einsdiff.algebra.operations.products import matmul
from einsdiff.algebra.operations.reductions import max_, min_, sum_
from einsdiff.algebra.operations.shapes import Axis, axes_of, need_numbers, operands_line, permuted
from einsdiff.algebra.operations.symmetric import eigvalsh
from einsdiff.algebra.operations.transposing import matrix_transpose
from einsdiff.errors import OperandError

#: What is measured over one axis and over two, and how it may be.
_KINDS = {
    1: ("vectors", "a number other than 0, or inf"),
    2: ("matrices", "1, -1, 2, -2, inf, -inf, 'fro' or 'nuc'"),
}


@numpys("linalg.norm")
def norm(x: Node, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Node:
    """Take the norm of vectors or matrices: ``y = (x_i x_i)^1/2`` if nothing else is said.

    The derivative of ``(x_i x_i)^1/2`` is ``x_i / y``, which is nan at 0, where there is none.

    Parameters
    ----------
    x
        Tensor or array. The absolute values of complex numbers have no complex derivative: norms
        with an `ord` refuse them, and without one their squares are summed, without conjugates.
    ord
        Which one, as for `numpy.linalg.norm`. Of vectors: a number p other than 0 for
        ``(Σ_i abs(x_i)^p)^(1/p)``, inf or -inf for the largest and the smallest absolute value. Of
        matrices: 1 and inf for the largest sum of absolute values in a column and in a row, -1 and
        -inf for the smallest; 2, -2 and ``"nuc"`` for the largest, the smallest and the sum of all
        singular values; ``"fro"``, like None, for the square root of the sum of all squares.
    axis
        One axis for vectors, two for matrices; all if left out.

    Raises
    ------
    OperandError
        There is no such norm over as many axes.
    ShapeError
        There are no entries; or ``-2`` of a matrix whose sizes are two names: the smaller one is
        needed.

    Notes
    -----
    Singular values are computed as square roots of the eigenvalues of ``AᵀA`` or ``AAᵀ``, the
    smaller of the two: those below about 1e-8 of the largest are not accurate. The norms 2, -2
    and ``"nuc"`` are differentiable where the singular values that they take are distinct and not
    0 (Watson, *Characterization of the subdifferential of some matrix norms*, Linear Algebra
    Appl. 170, 1992).

    >>> x = ed.tensor("x", "n")
    >>> ed.norm(x)
    f = sqrt(x_i x_i)
    >>> ed.grad(ed.norm(x), wrt="x")
    ∂f/∂x_p = x_p / sqrt(x_i x_i)
    >>> ed.norm(x, 1)
    f = Σ_i abs(x_i)
    >>> float(ed.norm(ed.tensor("A", [[3.0, 0.0], [0.0, 4.0]]), 2))
    4.0
    """
    axes = axes_of(x, axis)
    if ord is None:
        return sqrt(sum_(square(x), axes, keepdims))
    if len(axes) == 1:
        result = _of_vectors(x, ord, axes[0])
    elif len(axes) == 2:
        result = _of_matrices(x, ord, axes[0], axes[1])
    else:
        raise OperandError(
            f"norm with ord={ord!r} over {len(axes)} axes",
            shapes=operands_line([x]),
            action="say which axes are meant, with axis=0 or axis=(0, 1)",
        )
    if result is None:
        kind, known = _KINDS[len(axes)]
        raise OperandError(
            f"there is no norm of {kind} with ord={ord!r}",
            shapes=operands_line([x]),
            action=f"write {known}",
        )
    return kept(result, axes, len(x.shape), keepdims)


def _of_vectors(x: Node, ord: Any, axis: int) -> Node | None:
    if not isinstance(ord, Real) or ord == 0 or ord != ord:
        return None
    if ord == 2:
        return sqrt(sum_(square(x), axis))
    size = elementwise("abs", x)
    if ord in (inf, -inf):
        return (max_ if ord == inf else min_)(size, axis)
    if ord == 1:
        return sum_(size, axis)
    p = _exact(ord)
    return power(sum_(power(size, constant(p)), axis), constant(1 / p))


def _exact(p: Real) -> Fraction | float:
    """Return a number of the language, exact if it is a whole one or a fraction."""
    if isinstance(p, Fraction):
        return p
    try:
        return Fraction(as_index(p))  # type: ignore[arg-type]  # NumPy's integers have one
    except TypeError:
        return float(p)


def _of_matrices(x: Node, ord: Any, row: int, column: int) -> Node | None:
    if ord in ("fro", "f"):
        return sqrt(sum_(square(x), (row, column)))
    if ord in (1, -1, inf, -inf):
        inside, outside = (row, column) if abs(ord) == 1 else (column, row)
        sums = sum_(elementwise("abs", x), inside, keepdims=True)
        return sum_((max_ if ord > 0 else min_)(sums, outside, keepdims=True), (row, column))
    if ord not in (2, -2, "nuc"):
        return None
    rest = [k for k in range(len(x.shape)) if k not in (row, column)]
    a = permuted(x, [*rest, row, column])
    m, n = a.shape[-2:]
    # The larger of the two products has more eigenvalues than there are singular values. They are
    # 0: wrong for the smallest, and where the square root has no derivative.
    if m != n and (ord == -2 or (isinstance(m, int) and isinstance(n, int))):
        rows, columns = need_numbers(x, [row, column], f"norm with ord={ord!r}")
        a = matrix_transpose(a) if rows < columns else a
    squares = elementwise("maximum", eigvalsh(matmul(matrix_transpose(a), a)), zero(()))
    if ord == "nuc":
        return sum_(sqrt(squares), -1)
    return sqrt((max_ if ord == 2 else min_)(squares, -1))
