"""Formulas in matrix notation, where they have one.

>>> import einsdiff as ed
>>> as_matrix_equation(ed.grad("i,ij,j->", "x", "A", "x", wrt="x").formula, {}).text
'∂f/∂x = xᵀ (A + Aᵀ)  (numerator layout, vec order C)'
"""

from __future__ import annotations

from collections.abc import Mapping

from einsdiff.display.matrix import MatrixEquation, NoMatrixFormError, matrix_equation
from einsdiff.formula import Formula
from einsdiff.layout import Layout, VecOrder
from einsdiff.numeric.arrays import Array
from einsdiff.numeric.libraries import dtype_kind

__all__ = ["as_matrix_equation"]


def as_matrix_equation(
    formula: Formula,
    values: Mapping[str, Array],
    layout: Layout | None = None,
    order: VecOrder = "C",
) -> MatrixEquation | str:
    """Write a formula with products of matrices, or tell why it has no matrix form.

    Parameters
    ----------
    formula
        The formula.
    values
        The arrays given so far; the square of a complex vector is no norm.
    layout, order
        As for `einsdiff.Tensor.format`.

    Returns
    -------
    MatrixEquation or str
        The equation, or the reason.
    """
    is_real = all(dtype_kind(array) != "c" for array in values.values())
    names = [*formula.letters.of, *formula.by_name]
    try:
        return matrix_equation(
            formula.normal_form, formula.heading, formula.domain, names, layout, order, is_real
        )
    except NoMatrixFormError as error:
        return str(error)
