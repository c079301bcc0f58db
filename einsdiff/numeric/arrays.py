"""Arrays from outside: which are taken, and in which dtype results are given.

>>> as_array([1, 2], "x").dtype
dtype('int64')
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeGuard

import numpy as np

from einsdiff.algebra.nodes import Add, Call, Constant, Node, topological
from einsdiff.errors import OperandError, page

__all__ = ["Array", "as_array", "dtype_of", "is_number"]

Array = np.ndarray[Any, np.dtype[Any]]


def as_array(value: Any, name: str) -> Array:
    """Take an operand as an array of numbers.

    Parameters
    ----------
    value
        An array, or what ``np.asarray`` makes one of.
    name
        The operand's name, for messages.

    Returns
    -------
    array
        The same object if it is an array of numbers already; booleans become integers.

    Raises
    ------
    OperandError
        If the entries are objects, strings, dates or records, or rows differ in length.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise OperandError(
            page(
                f"operand '{name}' is no array: {error}",
                action="pass an array, or nested lists whose rows have equal lengths",
            )
        ) from None
    if array.dtype.kind == "b":
        return array.astype(np.int64)
    if array.dtype.kind not in "iufc":
        raise OperandError(
            page(
                f"operand '{name}' has dtype {array.dtype}, which has no derivative",
                action="pass an array of floats, complex numbers or integers",
            )
        )
    return array


def is_number(value: object) -> TypeGuard[int | float | complex | Fraction]:
    """Tell whether a value is a number of Python's, which is a constant and no operand.

    >>> is_number(2), is_number(np.float64(2))
    (True, False)
    """
    return isinstance(value, int | float | complex | Fraction) and not isinstance(value, np.generic)


def dtype_of(node: Node, dtypes: Iterable[Any]) -> np.dtype[Any]:
    """Return the dtype in which an expression of arrays is given.

    Parameters
    ----------
    node
        The expression.
    dtypes
        Those of the arrays it is made of. With none, integers, floats or complex numbers are
        given as the expression needs.

    Returns
    -------
    dtype
        By NumPy's promotion, in which an exact integer coefficient changes nothing, and a
        fraction, a float or a function of the table makes integers floats.
    """
    return np.result_type(*dtypes, *_scalars(node))


@lru_cache(maxsize=4096)
def _scalars(node: Node) -> tuple[complex, ...]:
    """Return Python numbers of the kinds that occur; their promotion is weak."""
    kinds: set[type] = {int}
    for part in topological([node]):
        if isinstance(part, Call):
            kinds.add(float)
        elif isinstance(part, Constant):
            kinds.add(type(part.value))
        elif isinstance(part, Add):
            kinds.update(type(c) for c, _ in part.terms)
    weak: dict[type, complex] = {int: 1, Fraction: 1.0, float: 1.0, complex: 1j}
    return tuple(weak[kind] for kind in kinds)
