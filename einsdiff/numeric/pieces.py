r"""Pieces of code: expressions in Python, until they are given a name or written into another one.

A piece knows how tightly it binds, so that it gets brackets where it needs them and nowhere else:

.. math:: -2\,(y - A x) / n

>>> y, A, x, n = (Piece(name, names=frozenset([name])) for name in "yAxn")
>>> Ax = joined("A @ x", [A, x], (), level=PRODUCT, sign="@")
>>> residual = joined(f"{y.at(SUM)} - {Ax.at(PRODUCT)}", [y, Ax], (), level=SUM)
>>> product(reciprocal(n, ()), product(read_number("(-2)"), residual)).text
'-2 * (y - A @ x) / n'
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

__all__ = [
    "ATOM",
    "COMPARISON",
    "COMPLEX",
    "EXACT",
    "FLOAT",
    "NO_ONE",
    "OWN",
    "POWER",
    "PRODUCT",
    "REPEATED",
    "SHARED",
    "SUM",
    "UNARY",
    "Piece",
    "is_number",
    "joined",
    "names_in",
    "product",
    "range_text",
    "read_number",
    "reciprocal",
    "shape_text",
    "view_of",
    "whole_power",
]

#: How tightly expressions bind, as in Python.
COMPARISON, SUM, PRODUCT, UNARY, POWER, ATOM = range(6)

#: What numbers become: they keep integers, make floats of them, or complex numbers.
EXACT, FLOAT, COMPLEX = range(3)

#: Arrays that have memory of their own; that may be views; whose entries may be in one place.
OWN, SHARED, REPEATED = range(3)

#: In place of the names of arrays in what is an array all the same, of indices or ones.
NO_ONE = ""


@dataclass(frozen=True)
class Piece:
    """An expression in Python.

    Attributes
    ----------
    text
        How it is written.
    shape
        Of its value.
    level
        How tightly its outermost operator binds.
    sign
        That operator, if it is one of a product.
    names
        The arrays that it is made of; none for a number.
    kind
        What it does to integers.
    is_simple
        Whether it costs nothing to be written again: a name, a number, or a view of a name.
    memory
        Whether it has memory of its own.
    number
        Its value, if that is known.
    divisor
        What it is the reciprocal of.
    condition
        The condition of which it is the truth value.
    """

    text: str
    shape: tuple[int, ...] = ()
    level: int = ATOM
    sign: str = ""
    names: frozenset[str] = frozenset()
    kind: int = EXACT
    is_simple: bool = False
    memory: int = OWN
    number: int | Fraction | float | complex | None = None
    divisor: Piece | None = None
    condition: Piece | None = None

    def at(self, level: int) -> str:
        """Write it as an operand, in brackets if need be."""
        return self.text if self.level >= level else f"({self.text})"


def names_in(pieces: Iterable[Piece]) -> frozenset[str]:
    """Return the arrays that expressions are made of."""
    return frozenset[str]().union(*(piece.names for piece in pieces))


def joined(
    text: str,
    pieces: Sequence[Piece],
    shape: tuple[int, ...],
    kind: int = EXACT,
    level: int = ATOM,
    sign: str = "",
) -> Piece:
    """Make an expression of others.

    Parameters
    ----------
    text
        How it is written.
    pieces
        What it is made of.
    shape, kind, level, sign
        As for `Piece`; integers stay integers only if they do so in all that it is made of.
    """
    return Piece(text, shape, level, sign, names_in(pieces), max([kind, *(p.kind for p in pieces)]))


def view_of(a: Piece, piece: Piece) -> Piece:
    """Remember that an expression is a view of another."""
    memory = max(a.memory, SHARED if a.is_simple else OWN)
    return replace(piece, is_simple=a.is_simple, memory=memory)


# --- numbers, slices and shapes ---------------------------------------------------------------


def is_number(name: str) -> bool:
    """Tell numbers from the names of arrays, in the arguments of a step."""
    return not name.isidentifier()


def read_number(text: str) -> Piece:
    """Read a number as the planner writes it.

    >>> read_number("(-1/2)").number, read_number("(-3)").text, read_number("float('inf')").text
    (Fraction(-1, 2), '-3', "float('inf')")
    """
    is_complex = "j" in text
    if "'" in text:  # as what is not finite is written
        return Piece(text, kind=COMPLEX if is_complex else FLOAT)
    plain = text if is_complex else text.removeprefix("(").removesuffix(")")
    if "/" in plain:
        shown = plain.replace("/", " / ")
        return Piece(shown, (), PRODUCT, "/", kind=FLOAT, number=Fraction(plain))
    value: Any
    if is_complex:
        value, kind = complex(text), COMPLEX
    elif re.search(r"[.e]", plain):
        value, kind = float(plain), FLOAT
    else:
        value, kind = int(plain), EXACT
    return Piece(plain, (), UNARY if plain.startswith("-") else ATOM, kind=kind, number=value)


def shape_text(shape: Sequence[int]) -> str:
    """Write a shape as a tuple.

    >>> shape_text((2, 3)), shape_text((2,)), shape_text(())
    ('(2, 3)', '(2,)', '()')
    """
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def range_text(start: int, step: int, length: int, size: int) -> str:
    """Write indices of an axis of this size as a slice.

    >>> range_text(0, 2, 3, 5), range_text(1, 1, 3, 5)
    ('::2', '1:4')
    """
    stop = start + (length - 1) * step + 1
    first = "" if not start else str(start)
    last = "" if stop == size else str(stop)
    return f"{first}:{last}" + (f":{step}" if step != 1 else "")


# --- products ---------------------------------------------------------------------------------


def product(a: Piece, b: Piece) -> Piece:
    """Multiply, a number first and divisors last."""
    shape = max(a.shape, b.shape, key=len)
    c = a.number
    if c == 1 and isinstance(c, int):
        return b
    if c == -1 and isinstance(c, int):
        inner = b.text if b.level >= PRODUCT and b.sign != "@" else b.at(POWER)
        return joined(f"-{inner}", [b], shape, level=PRODUCT, sign=b.sign)
    if isinstance(c, Fraction):
        sign = "-" if c < 0 else ""
        if b.divisor is not None and not b.divisor.number:
            below = product(read_number(str(c.denominator)), b.divisor)
            return _quotient(str(c.numerator), below, [b], shape)
        if abs(c.numerator) == 1:
            inner = b.at(PRODUCT) if b.sign != "@" or not sign else f"({b.text})"
            return _quotient(f"{sign}{inner}", Piece(str(c.denominator)), [b], shape)
    is_scalar = bool(a.shape) and not b.shape
    is_quotient = a.sign == "/" and b.sign != "/" and a.number is None
    if b.divisor is None and (a.divisor is not None or is_scalar or is_quotient):
        a, b = b, a
    if b.divisor is not None:
        return _quotient(a.at(PRODUCT), b.divisor, [a, b], shape)
    left = a.at(PRODUCT) if a.sign != "@" else f"({a.text})"
    right = b.text if b.sign in ("*", "/") and not b.text.startswith("-") else b.at(UNARY)
    return joined(f"{left} * {right}", [a, b], shape, level=PRODUCT, sign="*")


def reciprocal(a: Piece, shape: tuple[int, ...]) -> Piece:
    """Divide one by an expression; what is multiplied by the result is divided by it instead."""
    return replace(_quotient("1", a, [a], shape), divisor=a)


def _quotient(above: str, below: Piece, pieces: Sequence[Piece], shape: tuple[int, ...]) -> Piece:
    return joined(f"{above} / {below.at(UNARY)}", pieces, shape, FLOAT, PRODUCT, "/")


def whole_power(a: Piece, n: int) -> Piece:
    """Write a whole power, with spaces around the operator unless it is that of a name."""
    space = "" if re.fullmatch(r"[\w.]+", a.text) else " "
    return joined(f"{a.at(ATOM)}{space}**{space}{n}", [a], a.shape, level=POWER)
