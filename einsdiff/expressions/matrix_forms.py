"""Formulas in matrix notation, where they have one.

>>> import einsdiff as ed
>>> as_matrix_equation(ed.grad("i,ij,j->", "x", "A", "x", wrt="x").formula, {}).text
'∂f/∂x = xᵀ (A + Aᵀ)  (numerator layout, vec order C)'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from einsdiff.algebra.nodes.effort import budget, within
from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.reading.matrix_reading import read_matrix_text
from einsdiff.display.matrix.failing import NoMatrixFormError
from einsdiff.display.matrix.forms import Form, subforms
from einsdiff.display.matrix.matrix_equation import MatrixEquation, matrix_equation
from einsdiff.errors import EinsdiffError
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
            return _with_sizes(
                matrix_equation(
                    node, formula.heading, formula.domain, names, layout, order, is_real
                ),
                formula,
            )
        except NoMatrixFormError as error:
            return str(error)

    node = formula.normal_form
    most = budget("matrix notation", len(topological([node])))
    return within(most, work, lambda: "it is too long")


#: Forms with more different vectors of ones and unit vectors have all sizes written, or none.
_MOST_SIZED = 8


def _with_sizes(equation: MatrixEquation, formula: Formula) -> MatrixEquation:
    """Write the sizes that one needs to know to read an equation, if there are such.

    They are those of vectors of ones and unit vectors, and where these do not tell all, the shape
    of the function.
    """
    parts = list(subforms(equation.form))
    is_derived = formula.domain is not None
    loose = [part for part in parts if part.op in ("ones", "unit") and _size_of(part) is not None]
    loose = sorted(dict.fromkeys(loose), key=lambda part: (part.op, str(part.value)))
    has_merged = any(part.op in ("kron", "vec", "commutation") for part in parts)
    if not (loose or (is_derived and (has_merged or equation.function[1]))):
        return equation
    if _reads(equation, formula):
        return equation
    split = len(formula.expr.shape) - (formula.domain or 0)
    own = sum(len(axes) for _, axes in formula.heading.wrt[:-1])
    shape = formula.expr.shape[: split - own] if is_derived else ()
    for said in ((), shape) if shape else ((),):
        whole = replace(equation, sized=frozenset(loose), shape=said)
        if _reads(whole, formula):
            break
    else:
        return equation
    if len(loose) <= _MOST_SIZED:
        for part in loose[::-1]:  # those without which it reads as well
            less = replace(whole, sized=whole.sized - {part})
            if _reads(less, formula):
                whole = less
    return whole


def _size_of(form: Form) -> object:
    return form.value if form.op == "ones" else form.value[1]


def _reads(equation: MatrixEquation, formula: Formula) -> bool:
    """Tell whether an equation can be read, and has the axes that it has here."""
    try:
        reading = read_matrix_text(equation.text, formula.by_name, {})
    except EinsdiffError:
        return False
    return reading.node.shape == formula.expr.shape
