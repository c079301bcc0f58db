"""The trees of matrix notation: what is written, before it is known which name is a matrix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from einsdiff.notation.subscripts import Size


@dataclass(frozen=True, slots=True)
class MatrixTree:
    """A part of a formula in matrix notation.

    What `op` says, with what `value` and `args` are:

    =============== ==========================================================================
    number          the number
    name            the name of an operand
    entry           which entry, of a vector
    ones            the size if it is written; a column of ones
    eye             the size if it is written; the identity
    unit            which unit vector
    zeros           the sizes of its rows and of its columns; all entries are 0
    commutation     both sizes
    partial         the function and what it is differentiated by, as a symbol
    sum             the sign of each term
    product         the sign, "" for juxtaposition; two factors
    over            two, the second a number
    hadamard        two, entry by entry
    quotient        two, entry by entry
    kron            two
    power           base and exponent; the value is "**" where that is how it is spelled
    entrypower      base and exponent, entry by entry
    exponential     the exponent of e
    transpose       one
    norm            the index: "", "F", "1", "2"
    bars            one, between single bars
    inner           two, between angles
    compare         the sign; two
    across, down    blocks side by side, or below each other
    call            the name of a function
    =============== ==========================================================================

    `start` and `end` say where it stands. Where matrix products and products entry by entry stand
    side by side without brackets, `mixed` is the number of products in that row.
    """

    op: str
    args: tuple[MatrixTree, ...] = ()
    value: Any = None
    start: int = field(default=0, compare=False, repr=False)
    end: int = field(default=0, compare=False, repr=False)
    mixed: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class MatrixHeading:
    """A left-hand side: the function, and what it is differentiated by, each with "is a vec"."""

    function: tuple[str, bool]
    by: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class MatrixText:
    """A text in matrix notation: its two sides, and what the note says.

    The layout is one of "numerator", "denominator", "Hessian", "shape" and "".
    """

    left: MatrixHeading | None
    right: MatrixTree
    layout: str = ""
    order: str = "C"
    shape: tuple[Size, ...] | None = None  # of the function, if the note says it


def written_size(text: str) -> Size:
    """Read a size, a number or a name."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() else text


def upward(tree: MatrixTree) -> list[MatrixTree]:
    """List a tree and all that it is made of, parts before the whole, from left to right.

    >>> x = MatrixTree("name", (), "x")
    >>> [part.op for part in upward(MatrixTree("transpose", (x,)))]
    ['name', 'transpose']
    """
    found = []
    stack = [tree]
    while stack:
        one = stack.pop()
        found.append(one)
        stack += one.args
    return found[::-1]


def spine(tree: MatrixTree) -> Iterator[MatrixTree]:
    """Yield the products of a row of factors without brackets, the last one first."""
    for _ in range(tree.mixed):
        yield tree
        tree = tree.args[0]
