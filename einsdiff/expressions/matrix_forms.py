"""Formulas in matrix notation, where they have one.

>>> import einsdiff as ed
>>> as_matrix_equation(ed.grad("i,ij,j->", "x", "A", "x", wrt="x").formula, {}).text
'∂f/∂x = xᵀ (A + Aᵀ)  (numerator layout, vec order C)'
"""

from __future__ import annotations

from collections.abc import Mapping

from einsdiff.algebra.nodes.effort import budget, within
from einsdiff.algebra.nodes.graph import topological
from einsdiff.display.matrix.failing import NoMatrixFormError
from einsdiff.display.matrix.matrix_equation import MatrixEquation, matrix_equation
from einsdiff.expressions.formula import Formula
from einsdiff.expressions.layout import Layout, VecOrder
from einsdiff.numeric.libraries.library import dtype_kind
from einsdiff.numeric.libraries.operands import Array


def as_matrix_equation(
    formula: Formula,
    values: Mapping[str, Array],
    layout: Layout | None = None,
    order: VecOrder = "C",
) -> MatrixEquation | str:
    """Write a formula with products of matrices, or tell why it has no matrix form."""
    is_real = all(dtype_kind(array) != "c" for array in values.values())
    names = [*formula.letters.of, *formula.by_name]

    def work() -> MatrixEquation | str:
        try:
            return matrix_equation(
                node, formula.heading, formula.domain, names, layout, order, is_real
            )
        except NoMatrixFormError as error:
            return str(error)

    node = formula.normal_form
    most = budget("matrix notation", len(topological([node])))
    return within(most, work, lambda: "it is too long")
