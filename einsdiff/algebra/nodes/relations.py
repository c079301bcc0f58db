r"""Relations between indices: what is left of an index that is shifted, cut or merged.

The Kronecker delta is 1 where two indices are equal. Slicing, reshaping and stacking need the same
for indices that are related otherwise (Iverson's bracket, in Knuth's notation):

.. math:: x_{[1:]}: \; \delta_{i+1,\,p}\, x_p \qquad
    \operatorname{ravel} X: \; \delta_{p,\,3i+j}\, X_{ij} \qquad
    \operatorname{tril} A: \; [i \ge j]\, A_{ij} .

A relation is ``sum(c_k i_k) + offset = 0`` or ``>= 0``, with whole numbers; every index runs from
0 to its size. As these are 0 or 1, they are linear algebra like any other, and none of the
operations above needs a rule of differentiation.

>>> simplified(Relation((1, -1), 0), (3, 3)).coefficients
(1, -1)
>>> truth(Relation((1,), 1), (3,))  # i + 1 = 0 never holds
False
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from einsdiff.notation.subscripts import Size


class Relation(NamedTuple):
    """``sum(c_k i_k) + offset`` is zero, or at least zero."""

    coefficients: tuple[int, ...]
    offset: int
    is_equation: bool = True


def bounds(coefficients: Sequence[int], offset: int, sizes: Sequence[Size]) -> tuple[float, float]:
    """Return the least and the largest value of ``sum(c_k i_k) + offset``.

    >>> bounds((3, -1), 1, (2, 4)), bounds((1,), 0, ("n",))
    ((-2, 4), (0, inf))
    """
    low = high = float(offset) if offset != int(offset) else offset
    for c, size in zip(coefficients, sizes, strict=True):
        reach = c * (max(size, 1) - 1) if isinstance(size, int) else c * float("inf")
        low, high = (low, high + reach) if c > 0 else (low + reach, high)
    return low, high


def truth(relation: Relation, sizes: Sequence[Size]) -> bool | None:
    """Tell whether a relation always holds, or never; None if that depends on the indices."""
    low, high = bounds(relation.coefficients, relation.offset, sizes)
    if relation.is_equation:
        if not low <= 0 <= high:
            return False
        return True if low == high == 0 else None
    return True if low >= 0 else False if high < 0 else None


def simplified(relation: Relation, sizes: Sequence[Size]) -> Relation:
    """Choose the sign of an equation: of the two, the one whose coefficients sort first.

    >>> simplified(Relation((-1, 1), -2), (3, 5))
    Relation(coefficients=(-1, 1), offset=-2, is_equation=True)
    """
    if not relation.is_equation:
        return relation
    negated = Relation(tuple(-c for c in relation.coefficients), -relation.offset)
    keys = [
        (sorted(zip(r.coefficients, map(str, sizes), strict=True)), r.offset)
        for r in (relation, negated)
    ]
    return relation if keys[0] <= keys[1] else negated


def is_digits(coefficients: Sequence[int], sizes: Sequence[Size]) -> bool:
    """Tell whether indices are the digits of one number, as i and j are of ``3 i + j``.

    >>> is_digits((3, 1), (2, 3)), is_digits((2, 1), (2, 3))
    (True, False)
    """
    expected = 1
    for c, size in sorted(zip(coefficients, sizes, strict=True), key=lambda digit: digit[0]):
        if c != expected or not isinstance(size, int):
            return False
        expected *= size
    return True
