r"""Pieces of code: expressions in Python, until they are given a name or written into another one.

A piece is a tree, and what is known of its value: the shape, the arrays that it is made of, what it
does to integers. Whatever is made of pieces gets its shape from theirs, as in NumPy, and brackets
where it needs them and nowhere else:

.. math:: -2\,(y - A x) / n

>>> from einsdiff.numeric.source.syntax import name
>>> y, x = (Piece(name(text), (3,), frozenset([text])) for text in "yx")
>>> A, n = Piece(name("A"), (3, 3), frozenset(["A"])), Piece(name("n"))
>>> residual = operation(y, "-", matmul(A, x))
>>> product(reciprocal(n), product(read_number("(-2)"), residual)).text
'-2 * (y - A @ x) / n'
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import inf

from einsdiff.numeric.planning.strides import broadcast
from einsdiff.numeric.source.syntax import (
    Index,
    added,
    attribute,
    listed,
    literal,
    multiplied,
    negative,
    operated,
    subscripted,
    whole,
    written,
)

#: What numbers become: they keep integers, make floats of them, or complex numbers.
EXACT, FLOAT, COMPLEX = range(3)

#: Arrays that have memory of their own; that may be views; whose entries may be in one place.
OWN, SHARED, REPEATED = range(3)

#: In place of the names of arrays in what is an array all the same, of indices or ones.
NO_ONE = ""


@dataclass(frozen=True)
class Piece:
    """An expression in Python."""

    tree: ast.expr  # the expression
    shape: tuple[int, ...] = ()  # of its value
    names: frozenset[str] = frozenset()  # the arrays that it is made of; none for a number
    kind: int = EXACT  # what it does to integers
    #: Whether it costs nothing to be written again: a name, a number, or a view of a name.
    is_simple: bool = False
    memory: int = OWN  # whether it has memory of its own
    number: int | Fraction | float | complex | None = None  # its value, if that is known
    divisor: Piece | None = None  # what it is the reciprocal of
    condition: Piece | None = None  # the condition of which it is the truth value

    @cached_property
    def text(self) -> str:
        """How it is written."""
        return written(self.tree)

    @property
    def is_name(self) -> bool:
        """Whether it is a name, or a number that is one."""
        return isinstance(self.tree, ast.Name)


def names_in(pieces: Iterable[Piece]) -> frozenset[str]:
    """Return the arrays that expressions are made of."""
    return frozenset[str]().union(*(piece.names for piece in pieces))


def joined(
    tree: ast.expr, pieces: Sequence[Piece], shape: tuple[int, ...], kind: int = EXACT
) -> Piece:
    """Make an expression of others; integers stay integers only if they do so in all of these."""
    return Piece(tree, shape, names_in(pieces), max([kind, *(p.kind for p in pieces)]))


def operation(a: Piece, sign: str, b: Piece) -> Piece:
    """Join expressions by an operator entry by entry, or by a comparison.

    >>> from einsdiff.numeric.source.syntax import name
    >>> x = Piece(name("x"), (3,))
    >>> operation(x, "+", negated(product(x, x))).text
    'x - x * x'
    """
    tree = added(a.tree, sign, b.tree) if sign in "+-" else operated(a.tree, sign, b.tree)
    kind = FLOAT if sign == "/" else EXACT
    return joined(tree, [a, b], broadcast(a.shape, b.shape), kind)


def matmul(a: Piece, b: Piece) -> Piece:
    """Multiply matrices, or a matrix and a vector, or vectors; also stacks of matrices."""
    inner = b.shape[0] if len(b.shape) == 1 else b.shape[-2]
    assert a.shape[-1] == inner, f"{a.shape} and {b.shape} do not fit"
    stack = broadcast(a.shape[:-2], b.shape[:-2])
    shape = (*stack, *a.shape[-2:-1], *b.shape[-1:][: len(b.shape) - 1])
    return joined(operated(a.tree, "@", b.tree), [a, b], shape)


def negated(a: Piece) -> Piece:
    """Put a minus sign before an expression, or take it away."""
    return joined(negative(a.tree), [a], a.shape)


# --- views and entries ------------------------------------------------------------------------


def view_of(a: Piece, piece: Piece) -> Piece:
    """Remember that an expression is a view of another."""
    memory = max(a.memory, SHARED if a.is_simple else OWN)
    return replace(piece, is_simple=a.is_simple, memory=memory)


def transpose_of(a: Piece) -> Piece:
    """Exchange the axes of a matrix."""
    rows, columns = a.shape
    return view_of(a, joined(attribute(a.tree, "T"), [a], (columns, rows)))


def entries(a: Piece, indices: Sequence[Index], shape: tuple[int, ...]) -> Piece:
    """Return the entries of an array at indices; the array where there are none."""
    if not indices:
        assert a.shape == shape
        return a
    return joined(subscripted(a.tree, indices), [a], shape)


# --- numbers, slices and shapes ---------------------------------------------------------------


def is_number(text: str) -> bool:
    """Tell numbers from the names of arrays, in the arguments of a step."""
    return not text.isidentifier()


def read_number(text: str) -> Piece:
    """Read a number as the planner writes it.

    >>> read_number("(-1/2)").number, read_number("(-3)").text, read_number("float('inf')").text
    (Fraction(-1, 2), '-3', "float('inf')")
    """
    if "'" in text:  # as what is not finite is written
        return number_of(complex(text[9:-2]) if "complex" in text else float(text[7:-2]))
    if "j" in text:
        return number_of(complex(text))
    plain = text.removeprefix("(").removesuffix(")")
    if "/" in plain:
        return number_of(Fraction(plain))
    return number_of(float(plain) if "." in plain or "e" in plain else int(plain))


def number_of(value: int | Fraction | float | complex) -> Piece:
    """Write a number."""
    if isinstance(value, Fraction):
        tree = operated(whole(value.numerator), "/", whole(value.denominator))
        return Piece(tree, kind=FLOAT, number=value)
    kind = EXACT if isinstance(value, int) else COMPLEX if isinstance(value, complex) else FLOAT
    return Piece(literal(value), kind=kind, number=value)


def shape_text(shape: Sequence[int]) -> str:
    """Write a shape as a tuple.

    >>> shape_text((2, 3)), shape_text((2,)), shape_text(())
    ('(2, 3)', '(2,)', '()')
    """
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def shape_of(shape: Sequence[int]) -> ast.expr:
    """Write a shape as a tuple, in a tree."""
    return listed(map(whole, shape))


def range_of(start: int, step: int, length: int, size: int) -> slice:
    """Return indices of an axis of this size as a slice.

    >>> range_of(0, 2, 3, 5), range_of(1, 1, 3, 5)
    (slice(None, None, 2), slice(1, 4, None))
    """
    stop = start + (length - 1) * step + 1
    return slice(start or None, None if stop == size else stop, None if step == 1 else step)


# --- products ---------------------------------------------------------------------------------


def product(a: Piece, b: Piece) -> Piece:
    """Multiply, a number first and divisors last."""
    c = a.number
    if isinstance(c, int) and abs(c) == 1:
        return b if c == 1 else negated(b)
    if isinstance(c, Fraction):
        if b.divisor is not None and b.divisor.number is None:
            return quotient(number_of(c.numerator), product(number_of(c.denominator), b.divisor))
        if abs(c.numerator) == 1:
            return quotient(b if c > 0 else negated(b), number_of(c.denominator))
    is_scalar = bool(a.shape) and not b.shape
    is_quotient = is_divided(a) and not is_divided(b) and a.number is None
    if b.divisor is None and (a.divisor is not None or is_scalar or is_quotient):
        a, b = b, a
    if b.divisor is not None:
        return quotient(a, b.divisor)
    return joined(multiplied(a.tree, b.tree), [a, b], broadcast(a.shape, b.shape))


def is_divided(a: Piece) -> bool:
    """Tell quotients."""
    return isinstance(a.tree, ast.BinOp) and isinstance(a.tree.op, ast.Div)


def quotient(a: Piece, b: Piece) -> Piece:
    """Divide; a number by 0, as the size of an empty axis is, as the libraries do it.

    >>> quotient(number_of(1), number_of(0)).text
    "float('inf')"
    """
    if b.number == 0 and not a.names and not a.shape:  # where Python raises an error
        infinity = number_of(inf)
        return infinity if a.number == 1 else product(infinity, a)
    return operation(a, "/", b)


def reciprocal(a: Piece) -> Piece:
    """Divide one by an expression; what is multiplied by the result is divided by it instead."""
    return replace(quotient(number_of(1), a), divisor=a)


def whole_power(a: Piece, n: int) -> Piece:
    """Write a whole power."""
    return joined(operated(a.tree, "**", whole(n)), [a], a.shape)
