r"""Index notation: from ``"A_ij x_j + b_i"`` to a tree of sums, products and names.

The grammar, with juxtaposition for products::

    sum      =  ["+" | "-"] product { ("+" | "-") product }
    product  =  power { ["*" | "/"] power }
    power    =  atom [ "^" ( ["-"] atom ) ]
    atom     =  number | name [ "_" labels ] | name "(" sum { "," sum } ")" | "(" sum ")"
    labels   =  letters | "{" letters { [","] letters } "}"

>>> parse_index("2 A_ij x_j")
Product(factors=((Literal(value=2), 1), (Symbol(name='A', labels=('i', 'j')), 1), ...))
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NoReturn

from einsdiff.errors import SubscriptsError, page

__all__ = ["Apply", "Literal", "Power", "Product", "Sum", "Symbol", "Tree", "parse_index"]


@dataclass(frozen=True, slots=True)
class Literal:
    """A number: an integer, or a float as typed."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name with the labels of its axes; ``δ`` is the Kronecker delta."""

    name: str
    labels: tuple[str, ...]
    column: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Sum:
    """Terms with their signs."""

    terms: tuple[tuple[int, Tree], ...]


@dataclass(frozen=True, slots=True)
class Product:
    """Factors, with exponent 1, or -1 after a division sign."""

    factors: tuple[tuple[Tree, int], ...]


@dataclass(frozen=True, slots=True)
class Power:
    """A base and an exponent."""

    base: Tree
    exponent: Tree


@dataclass(frozen=True, slots=True)
class Apply:
    """A function applied to arguments."""

    name: str
    arguments: tuple[Tree, ...]
    column: int = field(default=0, compare=False, repr=False)


Tree = Literal | Symbol | Sum | Product | Power | Apply

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)"
    r"|(?P<name>[^\W\d_][^\W_]*)(?:_(?:\{(?P<braced>[^{}]*)\}|(?P<labels>[^\W\d_]+)))?"
    r"|(?P<sign>[-+*/^(),]))"
)


@lru_cache(maxsize=1024)
def parse_index(text: str) -> Tree:
    """Read an expression in index notation.

    Parameters
    ----------
    text
        The expression. Labels are single letters, or, in braces and parted by commas, longer
        names.

    Returns
    -------
    Tree
        What was written, with nothing summed or simplified yet.

    Raises
    ------
    SubscriptsError
        Text that does not follow the grammar, with a caret under the place.

    Examples
    --------
    >>> parse_index("-y_ik y_lj").terms[0][0]
    -1
    >>> parse_index("1 +")
    Traceback (most recent call last):
    einsdiff.SubscriptsError: the expression ends too early
    <BLANKLINE>
        1 +
           ^
    <BLANKLINE>
    write a number, a name or a bracket here
    """
    return _Reader(text).expression()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, re.Match[str], int]] = []
        column = 0
        stripped = text.rstrip()
        while column < len(stripped):
            match = _TOKEN.match(stripped, column)
            if match is None:
                at = len(stripped) - len(stripped[column:].lstrip())
                self.fail(
                    f"{stripped[at]!r} cannot stand here",
                    at,
                    "write numbers, names such as A_ij, and + - * / ^ ( )",
                )
            kind = next(k for k in ("number", "name", "sign") if match[k] is not None)
            self.tokens.append((kind, match, match.start(kind)))
            column = match.end()
        self.at = 0

    def fail(self, headline: str, column: int, action: str) -> NoReturn:
        raise SubscriptsError(page(headline, text=self.text, carets=[column], action=action))

    def peek(self) -> str:
        """Return the sign, or the kind of token, that comes next; "" at the end."""
        if self.at == len(self.tokens):
            return ""
        kind, match, _ = self.tokens[self.at]
        return str(match["sign"]) if kind == "sign" else kind

    def column(self) -> int:
        return self.tokens[self.at][2] if self.at < len(self.tokens) else len(self.text.rstrip())

    def take(self, sign: str) -> None:
        if self.peek() != sign:
            self.fail(f"'{sign}' is missing", self.column(), f"write '{sign}' here")
        self.at += 1

    def expression(self) -> Tree:
        tree = self.sum()
        if self.peek():
            self.fail("the expression should end here", self.column(), "remove what follows")
        return tree

    def sum(self) -> Tree:
        terms: list[tuple[int, Tree]] = []
        sign = 1
        if self.peek() in ("+", "-"):
            sign = -1 if self.peek() == "-" else 1
            self.at += 1
        terms.append((sign, self.product()))
        while self.peek() in ("+", "-"):
            sign = -1 if self.peek() == "-" else 1
            self.at += 1
            terms.append((sign, self.product()))
        return terms[0][1] if len(terms) == 1 and terms[0][0] == 1 else Sum(tuple(terms))

    def product(self) -> Tree:
        factors: list[tuple[Tree, int]] = [(self.power(), 1)]
        while self.peek() in ("*", "/", "number", "name", "("):
            exponent = -1 if self.peek() == "/" else 1
            if self.peek() in ("*", "/"):
                self.at += 1
            factors.append((self.power(), exponent))
        return factors[0][0] if len(factors) == 1 else Product(tuple(factors))

    def power(self) -> Tree:
        base = self.atom()
        if self.peek() != "^":
            return base
        self.at += 1
        if self.peek() == "-":
            self.at += 1
            return Power(base, Sum(((-1, self.atom()),)))
        return Power(base, self.atom())

    def atom(self) -> Tree:
        kind, column = self.peek(), self.column()
        if kind == "number":
            text = self.tokens[self.at][1]["number"]
            self.at += 1
            return Literal(int(text) if text.isdigit() else float(text))
        if kind == "name":
            match = self.tokens[self.at][1]
            self.at += 1
            if match["labels"] is None and match["braced"] is None and self.peek() == "(":
                return self.apply(match["name"], column)
            return Symbol(match["name"], _labels(match), column)
        if kind == "(":
            self.at += 1
            inner = self.sum()
            self.take(")")
            # Kept apart from its surroundings, so that brackets say what belongs together.
            return inner if not isinstance(inner, Product) else Sum(((1, inner),))
        headline = f"'{kind}' cannot stand here" if kind else "the expression ends too early"
        return self.fail(headline, column, "write a number, a name or a bracket here")

    def apply(self, name: str, column: int) -> Tree:
        self.take("(")
        arguments = [self.sum()]
        while self.peek() == ",":
            self.at += 1
            arguments.append(self.sum())
        self.take(")")
        return Apply(name, tuple(arguments), column)


def _labels(match: re.Match[str]) -> tuple[str, ...]:
    if match["braced"] is not None:
        text = match["braced"]
        return (
            tuple(text.replace(",", " ").split()) if "," in text else tuple(text.replace(" ", ""))
        )
    return tuple(match["labels"] or "")
