"""Numbers as they are printed: so that they are read back to the last digit."""

from __future__ import annotations

from einsdiff.algebra.nodes.nodes import (
    Number,
)

__all__ = ["format_number"]


def format_number(value: Number) -> str:
    """Write a coefficient: integers and fractions exactly, floats as Python prints them.

    >>> from fractions import Fraction
    >>> format_number(Fraction(1, 2)), format_number(0.1), format_number(float("-inf"))
    ('1/2', '0.1', '-∞')
    >>> format_number(1 + 2j), format_number(complex(0, -2))
    ('(1+2j)', '(0-2j)')
    """
    if isinstance(value, complex):
        real, imaginary = (
            _float_text(part).removesuffix(".0") for part in (value.real, value.imag)
        )
        return f"({real}{'' if imaginary[0] == '-' else '+'}{imaginary}j)"
    return _float_text(value) if isinstance(value, float) else str(value)


def _float_text(value: float) -> str:
    return repr(value).replace("inf", "∞")
