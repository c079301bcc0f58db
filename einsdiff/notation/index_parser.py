r"""Index notation: from ``"A_ij x_j + b_i"`` to a tree of sums, products and names.

The grammar, with juxtaposition for products::

    equation =  [ ( symbol | partial ) "=" ] sum
    sum      =  ["+" | "-"] product { ("+" | "-") product }
    product  =  power { ["*" | "/"] power } [ "Σ_" labels product ]
    power    =  atom [ "^" ["+" | "-"] atom ]
    atom     =  number | symbol | partial | call | "(" sum ")" | "[" sum compare sum "]"
    call     =  name [ "_" labels ] "(" sum { "," sum } ")" [ "_" labels ]
    symbol   =  name [ "_" labels ]
    partial  =  "∂" symbol "/" "∂" symbol | "∂²" symbol "/" "∂" symbol "∂" symbol | ..
    compare  =  ">" | "<" | "≥" | "≤" | "=" | "≠"        (also ">=", "<=", "==", "!=")
    labels   =  ( letter | digit ) { letter | digit } | "{" index { "," index } "}"
    index    =  label | sum of labels and whole numbers, such as 2i+j-1

At the sign of a sum and on the left, a label may have a range, ``Σ_{i<3}`` and ``f_{i<3} = ..``.
Labels may be lowered letters and digits, ``Aᵢⱼ``, and exponents raised digits, ``x⁻²``.

A label says which axes belong together; where it is summed is decided by how often it stands in a
term, which `in_product` and `in_bracket` count.

>>> parse_index("2 A_ij x_j")
Product(factors=((Literal(value=2), 1), (Symbol(name='A', labels=('i', 'j')), 1), ...))
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from math import isinf
from typing import NoReturn

from einsdiff.errors import SubscriptsError
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.lexer import COMPARE, COMPLEX, STARTS, Lexer, Token
from einsdiff.notation.names import spelled_out
from einsdiff.notation.trees import (
    DEEPEST,
    Affine,
    Apply,
    Compare,
    Equation,
    Index,
    Literal,
    Over,
    Partial,
    Power,
    Product,
    Sum,
    Symbol,
    Tree,
    inverse,
    symbols_of,
)


def parse_index(text: str, names: Iterable[str] = ()) -> Tree:
    """Read an expression in index notation, with nothing summed or simplified yet.

    Labels are single letters and digits, or, in braces and parted by commas, longer names and sums
    such as ``i+1``. Of names that are known the longest one that fits is read, so that they may
    have underscores. Text that does not follow the grammar is a `SubscriptsError`, with a caret
    under the place.

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
    return _parse(text, frozenset(names)).whole_sum()


def parse_equation(text: str, names: Iterable[str] = (), apart: bool = False) -> Equation:
    """Read an expression with or without a left-hand side, as `parse_index` does.

    With `apart`, a space between a name and a bracket says that they are factors, as in what is
    printed; else who knows the names decides, see `Apply.is_apart`.

    >>> parse_equation("f_i = 2 x_i").left
    Symbol(name='f', labels=('i',))
    >>> parse_equation("2 x_i").left
    """
    return _parse(text, frozenset(names), apart)


@lru_cache(maxsize=1024)
def names_in(text: str, names: frozenset[str] = frozenset()) -> frozenset[str]:
    """List the names in a text, those of functions and signs among them, without labels.

    >>> sorted(names_in("1/2x_i + sin(y_i)"))
    ['sin', 'x', 'y']
    """
    return frozenset(token.text for token in Lexer(text, names).tokens if token.kind == "name")


@lru_cache(maxsize=1024)
def _parse(text: str, names: frozenset[str], apart: bool = False) -> _Parsed:
    return run(_Parser(text, names, apart).equation())


@dataclass(frozen=True, slots=True)
class _Parsed(Equation):
    """An equation, and its text for messages."""

    text: str = field(default="", compare=False, repr=False)
    equals: int = field(default=0, compare=False, repr=False)

    def whole_sum(self) -> Tree:
        ranged = [symbol for symbol in symbols_of(self.right) if symbol.sizes]
        if ranged:
            raise _no_labels(self.text, ranged[0].name, ranged[0].column, len(ranged[0].name))
        if self.left is None:
            return self.right
        raise SubscriptsError(
            "the expression should end here",
            text=self.text,
            carets=[self.equals],
            action="remove what follows",
        )


def _no_labels(text: str, name: str, column: int, width: int) -> SubscriptsError:
    return SubscriptsError(
        f"these are no labels of {name}",
        text=text,
        carets=range(column, column + width),
        action="part them by commas, A_{i,j+1}; a range stands at the sign of a sum, "
        "Σ_{i<3}, or on the left: f_{i<3} = x_{i+1}",
    )


class _Parser:
    """Reads tokens into trees; every method is a job, see `run`."""

    def __init__(self, text: str, names: frozenset[str], apart: bool) -> None:
        self.apart = apart
        lexer = Lexer(text, names)
        self.fail = lexer.fail
        self.text, self.names, self.tokens = text, names, lexer.tokens
        self.at = 0
        self.depth = 0
        #: The names whose labels have ranges, as only those on the left may.
        self.ranged: list[Token] = []

    def peek(self) -> str:
        """Return the kind of the token that comes next; "" at the end."""
        return self.tokens[self.at].kind if self.at < len(self.tokens) else ""

    def column(self) -> int:
        return self.tokens[self.at].column if self.peek() else len(self.text.rstrip())

    def next(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def open(self) -> Token:
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail(
                "brackets are nested too deeply",
                self.column(),
                f"{DEEPEST} inside of each other are the most; name a part, and write the name",
            )
        return self.next()

    def close(self, sign: str) -> Token:
        if self.peek() != sign:
            self.fail(f"'{sign}' is missing", self.column(), f"write '{sign}' here")
        self.depth -= 1
        return self.next()

    def equation(self) -> Job[_Parsed]:
        left: Symbol | Partial | None = None
        column = equals = self.column()
        tree: Tree = yield self.sum()
        if self.peek() == "=":
            if not isinstance(tree, Symbol | Partial):
                self.fail(
                    "the left-hand side is no name",
                    column,
                    "write a name and labels before '=', as in f_i = .., or ∂f_i/∂x_p = ..; "
                    "what it is a function of is seen on the right",
                )
            if self.tokens[self.at].text == "==":
                self.fail(
                    "'==' is no sign of a left-hand side",
                    self.column(),
                    "write f = .. for that, and [x_i = y_i] for 1 where both are equal",
                    2,
                )
            left = tree
            self.ranged = []
            equals = self.next().column
            tree = yield self.sum()
        if self.peek():
            self.fail("the expression should end here", self.column(), self.what_follows())
        if self.ranged and not (left is None and isinstance(tree, Symbol | Partial)):
            self.no_labels(self.ranged[0])
        return _Parsed(left, tree, self.text, equals)

    def what_follows(self) -> str:
        """Say what to write in place of what stands behind an expression."""
        if self.peek() == ",":
            return "part labels by commas in braces, A_{i,j+1}; a text is one expression"
        if self.peek() in COMPARE:
            return "write a comparison in brackets: [x_i > 0]"
        return "remove what follows"

    def sum(self) -> Job[Tree]:
        terms: list[tuple[int, Tree]] = []
        while not terms or self.peek() in ("+", "-"):
            terms.append((self.sign(), (yield self.product())))
        return terms[0][1] if len(terms) == 1 and terms[0][0] == 1 else Sum(tuple(terms))

    def sign(self) -> int:
        """Read the sign before a term or an exponent, which need not have one."""
        return -1 if self.peek() in ("+", "-") and self.next().kind == "-" else 1

    def product(self) -> Job[Tree]:
        factors: list[tuple[Tree, int]] = []
        while not factors or self.peek() in ("*", "/", *STARTS):
            exponent = 1
            if factors and self.peek() in ("*", "/"):
                exponent = -1 if self.next().kind == "/" else 1
            elif factors:
                self.check_line()
            if self.peek() == "big" or self.is_bare_sign():
                if exponent == -1:
                    self.fail(
                        "a sum after '/' needs brackets",
                        self.column(),
                        "write them around the sum: 1 / (Σ_i x_i)",
                    )
                factors.append(((yield self.over()), 1))
                break
            factors.append(((yield self.power()), exponent))
        return factors[0][0] if len(factors) == 1 else Product(tuple(factors))

    def is_bare_sign(self) -> bool:
        """Tell whether the sign of a sum comes next, without labels."""
        return self.peek() == "name" and self.tokens[self.at].text == "Σ"

    def check_line(self) -> None:
        """Refuse factors in two lines without a sign, which could be two expressions."""
        before = self.tokens[self.at - 1].end
        if len(self.text[before : self.column() + 1].splitlines()) > 1:
            self.fail(
                "a product goes on in another line",
                self.column(),
                "write * between its factors; a text is one expression",
            )

    def over(self) -> Job[Tree]:
        sign = self.next()
        items = sign.groups[0] if sign.groups and len(sign.groups) == 1 else ()
        labels = [item.index for item in items if isinstance(item.index, str)]
        does = "sum" if sign.text == "Σ" else "multiply"
        if not (labels or sign.chains) or len(set(labels)) < len(items):
            self.fail(
                f"{sign.text} needs the labels to {does} over, each once",
                sign.column,
                f"write them below it: {sign.text}_ij, or {sign.text}_{{i<3}} with the number of "
                "values",
                sign.end - sign.column,
            )
        if self.peek() not in STARTS:
            self.fail(
                f"there is nothing to {does}",
                self.column(),
                f"write what follows after {sign.text}",
            )
        body: Tree = yield self.product()
        sizes = tuple(item.size for item in items)
        return Over(tuple(labels), sizes, body, sign.column, sign.chains, sign.text)

    def power(self) -> Job[Tree]:
        base: Tree = yield self.atom()
        if self.peek() == "power":
            base = Power(base, Literal(int(self.next().text)))
        elif self.peek() == "^":
            self.next()
            sign = self.sign()
            exponent: Tree = yield self.exponent()
            if sign == -1:
                if isinstance(exponent, Literal) and not isinstance(exponent.value, complex):
                    exponent = Literal(-exponent.value)
                else:
                    exponent = Product(((Literal(-1), 1), (exponent, 1)))
            base = Power(base, exponent)
        if self.peek() in ("^", "power"):
            self.fail(
                "a power of a power needs brackets",
                self.column(),
                "write them around the first or the second: (x^a)^b, x^(a^b)",
            )
        return base

    def exponent(self) -> Job[Tree]:
        """Read an exponent; in ``x^n (a + b)`` the bracket does not belong to it."""
        if self.peek() == "name":
            token, rest = self.tokens[self.at], self.tokens[self.at + 1 : self.at + 2]
            if token.text != "nan" and rest and rest[0].column > token.end:
                return self.symbol(self.next())
        found: Tree = yield self.atom()
        return found

    def atom(self) -> Job[Tree]:
        kind, column = self.peek(), self.column()
        if kind == "number":
            return self.number(self.next().text, column)
        if kind == "complex":
            match = COMPLEX.fullmatch(self.next().text)
            assert match is not None
            real, sign, imaginary = (part.replace("∞", "inf") for part in match.groups())
            return Literal(complex(float(real), float(sign + imaginary)))
        if kind == "∞":
            self.next()
            return Literal(float("inf"))
        if kind in ("name", "["):
            found: Tree = yield self.named() if kind == "name" else self.compare()
            return found
        if kind == "(":
            self.open()
            inner: Tree = yield self.sum()
            end = self.close(")")
            if end.groups is not None:
                return self.labelled(inner, end)
            # A bracket remains one, so that what belongs together is seen.
            return inner if isinstance(inner, Sum) else Sum(((1, inner),))
        if kind == "∂":
            return self.partial()
        headline = f"'{self.next().text}' cannot stand here" if kind else ""
        return self.fail(headline or "the expression ends too early", column, self.instead(kind))

    def instead(self, kind: str) -> str:
        """Say what to write where a factor is expected."""
        if kind == "<":
            return "write a product of vectors with labels: x_i y_i"
        if kind == "braced":
            return "braces are for labels; write round brackets: x^(n+1)"
        return "write a number, a name or a bracket here"

    def number(self, text: str, column: int) -> Literal:
        if text.isdigit():
            return Literal(int(text), column)
        value = float(text)
        if isinf(value) or (not value and re.search("[1-9]", re.split("[eE]", text)[0])):
            what = "large" if value else "small"
            self.fail(f"a number is too {what}", column, "write ∞ or 0, if that is meant")
        return Literal(value, column)

    def labelled(self, inner: Tree, end: Token) -> Tree:
        """Read a bracket with labels after it, which is the inverse of a matrix or nothing."""
        message = (
            "labels stand after a bracket",
            "write them at the names inside the bracket; (K^-1)_ij is the inverse of K",
        )
        labels, columns = self.value_labels(end, *message)
        found = inverse([inner], labels, columns)
        return found if found is not None else self.no_value_labels(end, *message)

    def value_labels(
        self, end: Token, headline: str, action: str
    ) -> tuple[tuple[Index, ...], tuple[int, ...]]:
        """Return the labels after a closing bracket, and their columns."""
        (items,) = end.groups if end.groups and len(end.groups) == 1 else ((),)
        if not items or any(item.size is not None for item in items):
            self.no_value_labels(end, headline, action)
        return tuple(item.index for item in items), tuple(item.column for item in items)

    def no_value_labels(self, end: Token, headline: str, action: str) -> NoReturn:
        self.fail(headline, end.column + 1, action, end.end - end.column - 1)

    def named(self) -> Job[Tree]:
        """Read what begins with a name: a symbol, a call, or nan."""
        token = self.next()
        if token.text == "nan" and token.groups is None and "nan" not in self.names:
            return Literal(float("nan"))
        is_factor = self.apart and self.column() > token.end
        if is_factor or self.peek() not in ("(", "complex") or token.text == "δ":
            return self.symbol(token)
        if self.peek() == "complex":  # of exp(1+2j), the bracket and what is in it
            return Apply(self.symbol(token), ((yield self.atom()),))
        before = self.open()
        arguments: list[Tree] = [(yield self.sum())]
        while self.peek() == ",":
            self.next()
            arguments.append((yield self.sum()))
        end = self.close(")")
        labels: tuple[Index, ...] | None = None
        columns: tuple[int, ...] = ()
        if end.groups is not None:
            message = "these are no labels", "write the labels of the value: inv(X)_ij"
            labels, columns = self.value_labels(end, *message)
        cores = None
        if token.groups is not None:
            groups = token.groups
            if len(groups) == len(arguments) + 1 and not groups[-1]:
                groups = groups[:-1]  # max_{i;}(..), which is no product of max_i and a bracket
            plain = all(isinstance(item.index, str) for group in groups for item in group)
            if plain and (len(groups) == len(arguments)):
                cores = tuple(
                    tuple((str(item.index), item.size) for item in group) for group in groups
                )
            elif len(groups) > 1 or len(arguments) > 1 or end.groups is not None:
                self.fail(
                    "these labels do not fit the arguments",
                    token.column,
                    "write those of each argument, with ';' between: solve_{kl;l}(A_kl, b_l)_i",
                    before.column - token.column,
                )
        is_call = len(arguments) > 1 or end.groups is not None
        sized = cores is not None and any(size is not None for core in cores for _, size in core)
        is_inverse = end.groups is not None and inverse(arguments, ()) is not None
        is_call |= sized or self.apart or bool(token.groups and len(token.groups) > 1)
        if is_inverse or not is_call:
            symbol = self.symbol(token)
        else:
            symbol = Symbol(token.text, (), token.column)
        is_apart = before.column > token.end
        return Apply(symbol, tuple(arguments), labels, cores, columns, is_apart)

    def symbol(self, token: Token) -> Symbol:
        """Make a symbol of a name."""
        if token.text == "δ" and token.groups is None:  # without labels it is a letter like others
            return Symbol(spelled_out(token.text), (), token.column)
        groups = token.groups or ((),)
        if len(groups) > 1:
            self.no_labels(token)
        (items,) = groups
        sizes = tuple(item.size for item in items)
        if set(sizes) <= {None}:
            sizes = ()
        else:
            self.ranged.append(token)
        if token.text in ("δ", "Σ") and len(items) != 2:
            self.fail(
                f"{token.text} needs {'two' if token.text == 'δ' else 'its'} labels",
                token.column,
                "write δ_ij" if token.text == "δ" else "write Σ_i before what is summed",
                token.end - token.column,
            )
        return Symbol(
            token.text,
            tuple(item.index for item in items),
            token.column,
            tuple(item.column for item in items),
            sizes,
        )

    def no_labels(self, token: Token) -> NoReturn:
        raise _no_labels(self.text, token.text, token.column, token.end - token.column)

    def partial(self) -> Partial:
        sign = self.next()
        count = int(self.next().text) if self.peek() == "power" else 1
        base = self.variable("∂x_i/∂z_p")
        if self.peek() != "/" or count < 1:
            self.fail("the denominator is missing", self.column(), "write '/' here: ∂x_i/∂z_p")
        self.next()
        wrt: list[Symbol] = []
        while len(wrt) < count:
            if self.peek() != "∂":
                self.fail("'∂' is missing", self.column(), "write ∂x_i/∂z_p or ∂²x_i/∂z_p∂z_q")
            self.next()
            wrt.append(self.variable("∂z_p"))
        return Partial(base, tuple(wrt), sign.column)

    def variable(self, example: str) -> Symbol:
        if self.peek() != "name" or self.tokens[self.at].text in ("δ", "Σ"):
            self.fail(
                "a name is missing",
                self.column(),
                f"write a name and labels: {example}; what is to be differentiated goes into "
                "ed.grad(text, wrt='x')",
            )
        return self.symbol(self.next())

    def compare(self) -> Job[Tree]:
        column = self.open().column
        left = yield self.side()
        if self.peek() not in COMPARE:
            self.fail(
                "the comparison is missing",
                self.column(),
                "write [x_i > 0], or one of < ≥ ≤ = ≠; brackets for products are round, labels "
                "stand after '_', and a stack is a sum of deltas: δ_{i,0} a + δ_{i,1} b",
            )
        sign = self.next().kind
        right = yield self.side()
        self.close("]")
        return Compare(sign, left, right, column)

    def side(self) -> Job[Tree | Affine]:
        if self.peek() != "braced":
            found: Tree = yield self.sum()
            return found
        token = self.next()
        items = [item for group in token.groups or () for item in group]
        if len(items) != 1:
            self.fail("one index is expected", token.column, "write [{i+1} ≥ {j}]")
        index = items[0].index
        return Affine(((1, index),)) if isinstance(index, str) else index
