"""Dimensions and coordinates of xarray, from operands to results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from einsdiff.algebra.derivatives.entries import Key
from einsdiff.algebra.nodes.interning import Node
from einsdiff.expressions.formula import Formula
from einsdiff.expressions.made import is_derived
from einsdiff.expressions.refusals import in_conflict
from einsdiff.numeric.libraries.xarray import KNOWN, Axis, conflict, named


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
def _derived_from(formula: Formula) -> tuple[tuple[Node, ...], tuple[Axis, ...]]:
    """List expressions from a derivative to the function, and the axes of what that is by."""
    expressions, by = [formula.expr], []
    key: Key = ()
    while is_derived(formula) and not (formula.made_of is not None and formula.made_of.known):
        if formula.source is None and formula.made_of is not None:
            formula, key, _ = formula.made_of
            continue
        assert formula.source is not None
        formula, variable = formula.source
        expressions.append(formula.expr)
        places = enumerate(key or (None,) * len(variable.shape))
        by.append([Axis(variable.name, k, n is None) for k, n in places if not isinstance(n, int)])
        key = ()
    return tuple(expressions), tuple(axis for own in reversed(by) for axis in own)
