"""Dimensions and coordinates of xarray, from operands to results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from einsdiff.algebra.nodes.interning import Node, Variable
from einsdiff.expressions.formula import Formula
from einsdiff.expressions.refusals import in_conflict
from einsdiff.numeric.libraries.xarray import KNOWN, conflict, named


def with_dimensions(formula: Formula, values: Mapping[str, Any], result: Any) -> Any:
    """Give a result the named dimensions of the arrays that it was computed from."""
    if not KNOWN:
        return result
    expressions, by = _derived_from(formula)
    return named(result, expressions, by, values)


def check_dimensions(formulas: Sequence[Formula], values: Mapping[str, Any]) -> None:
    """Raise ShapeError for axes that are bound to each other and are of different dimensions."""
    for formula in formulas:
        found = conflict(_derived_from(formula)[0], values)
        if found is not None:
            raise in_conflict(found, values, formula.text)


@lru_cache(maxsize=1024)
def _derived_from(formula: Formula) -> tuple[tuple[Node, ...], tuple[Variable, ...]]:
    """List expressions from a derivative to the function, and what that is differentiated by."""
    expressions, by = [formula.expr], []
    while formula.source is not None:
        formula, variable = formula.source
        expressions.append(formula.expr)
        by.append(variable)
    return tuple(expressions), tuple(reversed(by))
