r"""Which axes of a derivative become rows, and which columns.

A derivative :math:`\partial f_c / \partial x_d` has codomain axes :math:`c` and then domain axes
:math:`d`. In *numerator layout* its matrix has one row for each entry of :math:`f` and one column
for each entry of :math:`x`; in *denominator layout* it is the transpose. Several axes become one
by vec order: ``"C"`` lets the last axis run fastest (rows of a matrix one after the other), ``"F"``
the first one (columns: the usual vec of matrix calculus, see Magnus and Neudecker, 1988).

>>> import numpy as np
>>> J = np.arange(12).reshape(2, 2, 3)  # ∂f_i/∂A_pq
>>> as_matrix(J, 2)
array([[ 0,  1,  2,  3,  4,  5],
       [ 6,  7,  8,  9, 10, 11]])
>>> as_matrix(J, 2, order="F")[0]  # p runs fastest
array([0, 3, 1, 4, 2, 5])
"""

from __future__ import annotations

from math import prod
from typing import Any, Literal

from einsdiff.errors import LayoutError

Layout = Literal["numerator", "denominator"]
VecOrder = Literal["C", "F"]


def check_layout(layout: str, order: str) -> None:
    """Raise LayoutError for names that mean nothing.

    >>> check_layout("numerator", "C")
    """
    if layout not in ("numerator", "denominator"):
        raise LayoutError(
            f"layout={layout!r} is not a layout; write layout='numerator' or 'denominator'"
        )
    if order not in ("C", "F"):
        raise LayoutError(
            f"order={order!r} is not a vec order; write order='C' (last axis fastest) "
            "or order='F' (first axis fastest)"
        )


def as_matrix(array: Any, domain: int, layout: str = "numerator", order: str = "C") -> Any:
    """Reshape a derivative to a matrix."""
    check_layout(layout, order)
    split = array.ndim - domain
    matrix = array.reshape((prod(array.shape[:split]), prod(array.shape[split:])), order=order)
    return matrix if layout == "numerator" else matrix.T
