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
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import isinf
from typing import Any, NoReturn, TypeVar
from unicodedata import category, decomposition, normalize

from einsdiff.errors import SubscriptsError, page
from einsdiff.notation.subscripts import Size

__all__ = [
    "Affine",
    "Apply",
    "Compare",
    "Equation",
    "Index",
    "Job",
    "Literal",
    "Over",
    "Partial",
    "Power",
    "Product",
    "Sum",
    "Symbol",
    "Tree",
    "in_bracket",
    "in_product",
    "inverse",
    "is_index_notation",
    "letters_of",
    "names_in",
    "parse_equation",
    "parse_index",
    "run",
]

#: Brackets inside of each other, at most; no person reads more.
DEEPEST = 150
#: Digits of a whole number, at most: Python reads no more from a text.
LONGEST_NUMBER = 4000
#: Characters of a text, at most; what is printed is far shorter.
LONGEST_TEXT = 200_000
#: Labels in one place, at most: no array has as many axes.
MOST_LABELS = 100


@dataclass(frozen=True, slots=True)
class Affine:
    """An index that is more than a label: ``i+1``, ``2i+j-1``, or a number.

    ``i+0`` is one too. It says that the index runs over a part of the axis only, so that their
    sizes may differ.
    """

    terms: tuple[tuple[int, str], ...]
    offset: int = 0


Index = str | Affine


@dataclass(frozen=True, slots=True)
class Literal:
    """A number: an integer, or a float or complex number as typed."""

    value: int | float | complex
    column: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name with the labels of its axes; ``δ`` is the Kronecker delta.

    `sizes` has the ranges that are written on a left-hand side, ``f_{i<4}``, for each label.
    """

    name: str
    labels: tuple[Index, ...] = ()
    column: int = field(default=0, compare=False, repr=False)
    columns: tuple[int, ...] = field(default=(), compare=False, repr=False)
    sizes: tuple[Size | None, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Partial:
    """A derivative as a symbol: ``∂x_i/∂z_p``."""

    base: Symbol
    wrt: tuple[Symbol, ...]
    column: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Sum:
    """Terms with their signs, in brackets unless it is the whole of something."""

    terms: tuple[tuple[int, Tree], ...]


@dataclass(frozen=True, slots=True)
class Product:
    """Factors, with exponent 1, or -1 after a division sign."""

    factors: tuple[tuple[Tree, int], ...]


@dataclass(frozen=True, slots=True)
class Over:
    """A sum that is written, ``Σ_j A_ij``, over the factors that follow in the product.

    `sizes` has the range of each label, None where it is not written.
    """

    labels: tuple[str, ...]
    sizes: tuple[Size | None, ...]
    body: Tree
    column: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Power:
    """A base and an exponent."""

    base: Tree
    exponent: Tree


@dataclass(frozen=True, slots=True)
class Compare:
    """1 where a relation holds, else 0: ``[x_i > 0]``, ``[i ≥ j]``.

    Attributes
    ----------
    sign
        ``">"``, ``">="``, ``"<"``, ``"<="``, ``"="`` or ``"!="``.
    left, right
        The two sides; an `Affine` where it is certain that an index is meant, ``[{i} ≥ {j}]``.
    """

    sign: str
    left: Tree | Affine
    right: Tree | Affine
    column: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Apply:
    """A function applied to arguments; or a name before a bracket, which may be a product.

    Attributes
    ----------
    symbol
        The name, with the labels between it and the bracket if there are any.
    arguments
        At least one.
    labels
        Those of the value, after the closing bracket; None if there are none.
    cores
        The labels between name and bracket for each argument, with their sizes where written.
    is_apart
        Whether there is a space between name and bracket, as between factors.
    """

    symbol: Symbol
    arguments: tuple[Tree, ...]
    labels: tuple[Index, ...] | None = None
    cores: tuple[tuple[tuple[str, Size | None], ...], ...] | None = None
    columns: tuple[int, ...] = field(default=(), compare=False, repr=False)
    is_apart: bool = field(default=False, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.symbol.name

    @property
    def column(self) -> int:
        """Where the name stands."""
        return self.symbol.column


Tree = Literal | Symbol | Partial | Sum | Product | Over | Power | Compare | Apply


@dataclass(frozen=True, slots=True)
class Equation:
    """A right-hand side, and what stands on the left of it, if anything does."""

    left: Symbol | Partial | None
    right: Tree


# --- counting labels --------------------------------------------------------------------------


def in_product(factors: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Count the labels of a product from those of its factors.

    The count says where a label is summed, if nothing outside asks for it: 0 is *inside* a
    bracket or function, 2 or more is in this product, and 1 is not yet.

    >>> in_product([{"i": 1, "j": 1}, {"j": 1}])
    {'i': 1, 'j': 2}

    What is summed inside of a bracket belongs to the bracket, unless the label stands openly
    beside it: in ``(a_i b_i) (c_i d_i)`` there are two sums, in ``x_i (a_i b_i + 1)`` one.

    >>> in_product([{"i": 0}, {"i": 0}]), in_product([{"i": 1}, {"i": 0}])
    ({'i': 0}, {'i': 2})
    """
    openly: dict[str, int] = {}
    inside: dict[str, int] = {}
    for counts in factors:
        for label, count in counts.items():
            openly[label] = openly.get(label, 0) + count
            if not count:
                inside[label] = inside.get(label, 0) + 1
    if not inside:
        return openly
    return {label: n + inside.get(label, 0) if n else 0 for label, n in openly.items()}


def in_bracket(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Count the labels of a bracket, from those of its terms or of a function's arguments.

    >>> in_bracket([{"i": 1}, {"i": 1, "j": 2}])
    {'i': 1, 'j': 0}
    """
    found: dict[str, int] = {}
    for counts in parts:
        for label, count in counts.items():
            found[label] = 1 if count == 1 else found.get(label, 0)
    return found


def letters_of(indices: Iterable[Index]) -> list[str]:
    """List the labels in indices, as often as they stand there.

    >>> letters_of(["i", Affine(((2, "i"), (1, "j")), 1)])
    ['i', 'i', 'j']
    """
    found = []
    for index in indices:
        if isinstance(index, str):
            found.append(index)
        else:
            found.extend(label for _, label in index.terms)
    return found


def inverse(
    arguments: Sequence[Tree], labels: Sequence[Index], columns: Sequence[int] = ()
) -> Apply | None:
    """Read the inverse of a matrix, ``(K^-1)_ij``; None if what is in the bracket is none.

    >>> inverse([Power(Symbol("K"), Literal(-1))], "ij").name
    'inv'
    """
    match arguments:
        case [Power(Symbol(labels=()) as matrix, Literal(-1))]:
            symbol = Symbol("inv", (), matrix.column)
            return Apply(symbol, (matrix,), tuple(labels), None, tuple(columns))
    return None


# --- what a text is ---------------------------------------------------------------------------


def is_index_notation(text: str, has_operands: bool) -> bool:
    """Tell index notation from an einsum string.

    Parameters
    ----------
    text
        Either of them.
    has_operands
        Whether operands are given with it; letters alone are an einsum string then.

    Returns
    -------
    bool
        Whether the text is index notation.

    Examples
    --------
    >>> is_index_notation("A_ij x_j", True), is_index_notation("ij,j->i", True)
    (True, False)
    >>> is_index_notation("ij", True), is_index_notation("x", False)
    (False, True)
    """
    text = text.translate(_WIDE)
    if re.search(r"[_=(){}\[\]^*/+∂Σ∑∞≥≤≠·⋅⁻⁰¹²³⁴⁵⁶⁷⁸⁹ᵀᴴ⊤'@|‖\\!]|\.[*/^TH]", text):
        return True
    if re.search(r"->|,|\.\.\.", text):
        return False
    return not has_operands or bool(re.search(r"[-−0-9]", text))


# --- running without recursion ----------------------------------------------------------------

_T = TypeVar("_T")
#: A job yields the jobs whose answers it needs, and returns its own.
Job = Generator[Any, Any, _T]


def run(job: Job[_T]) -> _T:
    """Run jobs that wait for each other, without recursion.

    >>> def depth(n):
    ...     return 1 + (yield depth(n - 1)) if n else 0
    >>> run(depth(10_000))
    10000
    """
    stack: list[Job[Any]] = [job]
    answer: Any = None
    while True:
        try:
            stack.append(stack[-1].send(answer))
            answer = None
        except StopIteration as stop:
            stack.pop()
            answer = stop.value
            if not stack:
                return answer  # type: ignore[no-any-return]


# --- tokens -----------------------------------------------------------------------------------

_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_PART = rf"(?:{_NUMBER.pattern}|∞|nan)"
_COMPLEX = re.compile(rf"\(\s*([-+]?{_PART})\s*([-+])\s*({_PART})j\s*\)")
#: The wide letters and signs of East Asian keyboards, which mean the plain ones.
_WIDE = {0xFEE0 + code: code for code in range(ord("!"), ord("~") + 1)}
#: Letters that look like a Latin one, and are none.
_ALIKE = str.maketrans(
    "АВЕЅІЈКМНОРСТХУасеіјорѕхуһΑΒΕΖΗΙΚΜΝΟΡΤΥΧοı", "ABESIJKMHOPCTXYaceijopsxyhABEZHIKMNOPTYXoi"
)
_SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_DIGITS = str.maketrans("⁻" + _SUPERSCRIPT, "-0123456789")
_EXPONENT = re.compile(f"⁻?[{_SUPERSCRIPT}]+")
#: Signs, longer ones first, and how they are spelled in trees.
_SIGNS = {
    "**": "^",
    ">=": ">=",
    "<=": "<=",
    "!=": "!=",
    "==": "=",
    "≥": ">=",
    "≤": "<=",
    "≠": "!=",
    "·": "*",
    "⋅": "*",
    "−": "-",
    "∕": "/",
    "∗": "*",
    **{sign: sign for sign in "+-*/^(),[]<>=∂∞"},
}
_COMPARE = (">", "<", ">=", "<=", "=", "!=")
#: What may follow a factor without a sign between them.
_STARTS = ("number", "complex", "name", "(", "[", "∂", "∞")


@dataclass(frozen=True, slots=True)
class _Item:
    """An index in a list of labels, with the range that is written after it."""

    index: Index
    column: int
    size: Size | None = None


@dataclass(frozen=True, slots=True)
class _Token:
    """A part of the text.

    `kind` is a sign, or number, complex, name, braced (indices alone), power (a superscript).
    `groups` are the labels after a name or a closing bracket, in groups parted by semicolons.
    """

    kind: str
    text: str
    column: int
    end: int
    groups: tuple[tuple[_Item, ...], ...] | None = None


def _may_follow(char: str) -> bool:
    return f"_{char}".isidentifier() and char != "·" and not _raised_or_lowered(char)


def _is_letter(char: str) -> bool:
    return char.isalpha() and not _raised_or_lowered(char)


@lru_cache(maxsize=1024)
def _raised_or_lowered(char: str) -> str:
    """Return "<super>" or "<sub>" for a raised or a lowered letter or digit, else ""."""
    if char.isascii():
        return ""
    kind = decomposition(char).partition(" ")[0]
    return kind if kind in ("<super>", "<sub>") else ""


#: What to write in place of a dot between names.
_MODULES = "write functions without the name of a module: exp(x)"
#: What to write in place of signs of other notations, which index notation does not have.
_INSTEAD = {
    **dict.fromkeys(
        "'′ᵀᴴ⊤†",
        "a transpose is written by the order of the labels: A_ji for the transpose of A_ij, and "
        "x_i A_ij x_j for the product of a row, a matrix and a column",
    ),
    **dict.fromkeys("@⊗×", "products are written with labels: A_ij x_j, A_ij B_jk, x_i y_j"),
    **dict.fromkeys(
        "⊙∘⊘", "a product entry by entry has the same label at both: f_i = x_i y_i, f_i = x_i / y_i"
    ),
    "|": "write abs(x) for a number, sqrt(x_i x_i) for the length of a vector, det(A) of a matrix",
    "‖": "write sqrt(x_i x_i) for a length, and x_i x_i for its square",
    "√": "write sqrt(x)",
    "∏": "index notation has no sign for products: prod(x_i) is that of all entries",
    "∇": "take the derivative with ed.grad(text, wrt='x')",
    "∫": "index notation has no integrals",
    "!": "a factorial has no derivative; give its value as an operand",
    "%": "write mod(x, y)",
    "~": "index notation has no such sign",
    "\\": "this is LaTeX; write it without commands: 1/2 x, Σ_i x_i, A_ij, θ",
    "$": "write the formula without dollar signs",
    "½": "write 1/2",
    "→": "give the order of the axes on the left: f_ji = A_ij",
    **dict.fromkeys("‐‑–—⁃", "write - for a minus"),
    **dict.fromkeys("÷⁄", "write / for a division"),
    **dict.fromkeys("∙•", "write * for a product"),
    **dict.fromkeys('"`“”‘’', "write the formula without quotation marks"),
    ":": "write = after a left-hand side: f_i = 2 x_i",
    "⁻": "write x^-1, or x⁻¹",
    ";": "commas and semicolons part labels in braces only: A_{i,j+1}; "
    "write one expression, stacks with deltas: δ_{i,0} a + δ_{i,1} b",
}


class _Lexer:
    """Cuts a text into tokens."""

    def __init__(self, text: str, names: frozenset[str]) -> None:
        text = text.translate(_WIDE)
        self.text, self.names = text, names
        self.longest = max(map(len, names), default=0)
        self.tokens: list[_Token] = []
        #: How each name and each label was spelled first, and where.
        self.spelled: dict[tuple[str, str], tuple[str, int]] = {}
        if len(text) > LONGEST_TEXT:
            self.text = text[:40] + " .."
            self.fail(
                f"the text has {len(text)} characters",
                0,
                f"{LONGEST_TEXT} are the most; give parts of it as operands",
                0,
            )
        if "\\" in text:
            self.fail("'\\' cannot stand here", text.index("\\"), _INSTEAD["\\"])
        column = 0
        while column < len(text):
            column = self.token(column)
        self.check_alike()

    def fail(self, headline: str, column: int, action: str, width: int = 1) -> NoReturn:
        carets = range(column, column + width)
        raise SubscriptsError(page(headline, text=self.text, carets=carets, action=action))

    def add(self, kind: str, column: int, end: int, text: str = "") -> int:
        self.tokens.append(_Token(kind, text or self.text[column:end], column, end))
        return end

    def token(self, column: int) -> int:
        """Read the token at a column, and return where it ends."""
        text = self.text
        char = text[column]
        if char.isspace():
            return column + 1
        if char == "(":
            match = _COMPLEX.match(text, column)
            if match is not None:
                return self.add("complex", column, match.end())
        match = _NUMBER.match(text, column)
        if match is not None:
            self.check_digits(match[0], column)
            self.check_number(column, match.end())
            return self.add("number", column, match.end())
        match = _EXPONENT.match(text, column)
        if match is not None:
            self.check_digits(match[0], column)
            return self.add("power", column, match.end(), match[0].translate(_DIGITS))
        if char == "∑":
            return self.name(column)
        if _raised_or_lowered(char):
            self.raised(column)
        if char.isidentifier():
            return self.name(column)
        if char == "{":
            self.check_exponent(column)
            groups, end = self.labels(column)
            self.tokens.append(_Token("braced", text[column:end], column, end, groups))
            return end
        for sign, meaning in _SIGNS.items():
            if text.startswith(sign, column):
                end = self.add(meaning, column, column + len(sign), sign)
                if sign == ")" and text.startswith("_", end) and not self.is_name(end):
                    return self.value_labels(end)
                return end
        return self.fail(f"{char!r} cannot stand here", column, self.instead(column))

    def instead(self, column: int) -> str:
        """Say what to write in place of a sign that index notation does not have."""
        char, follows = self.text[column], self.text[column + 1 :].lstrip()
        if char == "." and (not follows or re.match(r"\w+\s*\(", follows)):
            return _MODULES if follows else "remove the dot"
        if char == ".":
            return _INSTEAD["'" if follows[0] == "T" else "⊙" if follows[0] in "*/^" else "@"]
        if category(char) in ("Cf", "Cc"):
            return "remove this character, which cannot be seen"
        return _INSTEAD.get(char, "write numbers, names such as A_ij, and + - * / ^ ( ) [ ]")

    def check_number(self, column: int, end: int) -> None:
        """Refuse numbers that would be read as products: ``1 000``, ``1.2.3``, ``0x10``."""
        before = self.tokens[-1] if self.tokens else None
        if before is not None and before.kind == "number":
            is_grouped = before.text.isdigit() and re.fullmatch("[0-9]{3}", self.text[column:end])
            if is_grouped or before.end == column:
                self.fail(
                    "two numbers stand side by side",
                    before.column,
                    "write one number without spaces, or * between two",
                    end - before.column,
                )
        if self.text[column:end] == "0" and re.match("[xXoObB][0-9a-fA-F]*[0-9]", self.text[end:]):
            self.fail("this is no decimal number", column, "write numbers as 16 or 1.5e-3")
        opened = [token.kind for token in self.tokens if token.kind in "[]"]
        if re.match(r"j(?!\w)", self.text[end:]) and "j" not in self.names and not opened:
            number = self.text[column:end]
            self.fail(
                f"'{number}j' is a number and a name, or imaginary",
                column,
                f"write {number} j for a product, (0+{number}j) for an imaginary number",
                end + 1 - column,
            )

    def check_exponent(self, column: int) -> None:
        """Refuse an exponent in braces, unless it could be upper indices."""
        inside = self.text[column + 1 :].partition("}")[0]
        if self.tokens and self.tokens[-1].kind == "^" and not inside.strip().isalpha():
            self.fail(
                "an exponent is in braces",
                column,
                "braces are for labels; write round brackets: x^(n+1)",
            )

    def spell(self, kind: str, word: str, plain: str, column: int) -> str:
        """Note how a name or a label is spelled, which is read as plain letters."""
        word = normalize("NFC", word).replace("\N{MICRO SIGN}", "\N{GREEK SMALL LETTER MU}")
        first, _ = self.spelled.setdefault((kind, plain), (word, column))
        if first != word:
            self.fail(
                f"'{first}' and '{word}' are both read as '{plain}'",
                column,
                f"write '{plain}' for both, or another letter for one of them",
            )
        return plain

    def label(self, char: str, column: int) -> str:
        """Return a label as plain letters, as names are."""
        plain = normalize("NFKC", char)
        return self.spell("label", char, plain if plain.isidentifier() else char, column)

    def check_alike(self) -> None:
        """Refuse letters that cannot be told from others, such as those of two alphabets."""
        known = {("name", name): (name, 0) for name in self.names}
        seen: dict[tuple[str, str], str] = {}
        for (kind, plain), (_, column) in {**known, **self.spelled}.items():
            other = seen.setdefault((kind, plain.translate(_ALIKE)), plain)
            if other != plain:
                self.fail(
                    f"'{plain}' and '{other}' look alike, but are letters of two alphabets",
                    column,
                    "write the same letter for both, or one that can be told from the other",
                )

    def check_digits(self, digits: str, column: int) -> None:
        if len(digits) > LONGEST_NUMBER:
            self.fail("a number is too long", column, f"{LONGEST_NUMBER} digits are the most")

    def raised(self, column: int) -> NoReturn:
        """Refuse a raised or lowered letter, which Python would take for the plain one."""
        char = self.text[column]
        plain = normalize("NFKC", char)
        is_raised = _raised_or_lowered(char) == "<super>"
        action = (
            f"write x^{plain} for a power" if is_raised else f"write labels after '_': x_{plain}"
        )
        self.fail(f"{char!r} cannot stand here", column, _INSTEAD.get(char, action))

    def is_name(self, column: int) -> bool:
        """Tell whether the word at a column is an operand whose name begins with "_"."""
        return normalize("NFKC", self.text[column : self.word(column)]) in self.names

    def word(self, column: int) -> int:
        end = column
        while end < len(self.text) and _may_follow(self.text[end]):
            end += 1
        return end

    def name(self, column: int) -> int:
        """Read a name and its labels; of the ways to part them, the longest name that is known."""
        text = self.text
        stop = self.word(column + 1)
        word = text[column:stop]
        braced = word.endswith("_") and text.startswith("{", stop)
        # Normalised, a name has other characters than in the text, but not many more or fewer.
        most = 4 * self.longest + 4
        cuts = [k for k, char in enumerate(word) if char == "_" and k > 0]
        known = [
            k
            for k in ([] if braced else [len(word)]) + cuts[::-1]
            if k <= most and normalize("NFKC", word[:k]) in self.names
        ]
        if known:
            cut = known[0]
        elif word[0] == "_":
            self.fail(
                f"'{word}' is no name",
                column,
                "a name begins with a letter, and all labels stand in one place: A_ij",
            )
        elif braced:
            cut = len(word) - 1
        else:
            cut = cuts[0] if cuts else len(word)
        name = self.spell("name", word[:cut], normalize("NFKC", word[:cut]), column)
        groups: tuple[tuple[_Item, ...], ...] | None = None
        end = column + cut
        if "_" in name and text.startswith("_{}", end):
            end += 3  # w_1_{} has no labels, where w_1 could be an entry of w
        elif cut < len(word):
            groups, end = self.labels(end + 1)
        elif self.is_lowered(end):
            groups, end = self.lowered(end)
        self.tokens.append(_Token("name", "Σ" if name == "∑" else name, column, end, groups))
        return end

    def is_lowered(self, column: int) -> bool:
        return column < len(self.text) and _raised_or_lowered(self.text[column]) == "<sub>"

    def lowered(self, column: int) -> tuple[tuple[tuple[_Item, ...], ...], int]:
        """Read labels that are lowered letters and digits: ``Aᵢⱼ``."""
        items = []
        while self.is_lowered(column):
            char = normalize("NFKC", self.text[column])
            if not (char.isalpha() or char in "0123456789"):
                self.fail(f"{self.text[column]!r} is no label", column, "write A_{i,j+1}")
            items.append(_Item(char if char.isalpha() else Affine((), int(char)), column))
            column += 1
        self.check_count(items, column)
        return (tuple(items),), column

    def check_count(self, items: Sequence[_Item], column: int) -> None:
        if len(items) > MOST_LABELS:
            self.fail(
                f"there are {len(items)} labels in one place", column, f"{MOST_LABELS} are the most"
            )

    def value_labels(self, column: int) -> int:
        """Read the labels after a closing bracket into the token of the bracket."""
        groups, end = self.labels(column + 1)
        bracket = self.tokens.pop()
        self.tokens.append(_Token(")", ")", bracket.column, end, groups))
        return end

    def labels(self, column: int) -> tuple[tuple[tuple[_Item, ...], ...], int]:
        """Read labels, from the place after the underscore."""
        text = self.text
        if not text.startswith("{", column):
            end = self.word(column)
            items = []
            for at in range(column, end):
                char = text[at]
                if not (_is_letter(char) or char in "0123456789"):
                    self.fail(
                        f"{char!r} is no label",
                        at,
                        "a label is one letter or digit; part names by spaces, "
                        "and write braces around longer labels: A_{i1,i2}",
                    )
                is_label = char.isalpha()
                items.append(_Item(self.label(char, at) if is_label else Affine((), int(char)), at))
            if not items:
                self.fail("a label is missing", column, "write labels after '_': A_ij")
            self.check_count(items, column)
            return (tuple(items),), end
        end = text.find("}", column)
        if end < 0:
            self.fail("'}' is missing", column, "close the brace of the labels: A_{ij}")
        groups = []
        at = column + 1
        for group in text[column + 1 : end].split(";"):
            groups.append(tuple(self.group(group, at)))
            self.check_count(groups[-1], at)
            at += len(group) + 1
        if groups == [()]:
            self.fail("a label is missing", column, "write labels between the braces: A_{ij}")
        return tuple(groups), end + 1

    def group(self, text: str, column: int) -> list[_Item]:
        """Read a list of indices, with or without commas."""
        if "," in text:
            parts = text.split(",")
            if not parts[-1].strip():
                parts.pop()  # {i10,} is one label, where {i10} would be three
            items = []
            for part in parts:
                items.append(self.index(part, column, "," in text))
                column += len(part) + 1
            return items
        plain = text.strip()
        if not plain:
            return []
        is_affine = re.search(r"[-+−<*=%(]", plain) or re.fullmatch(r"[0-9]+\s*[^\W\d_]?", plain)
        if is_affine:
            return [self.index(text, column, False)]
        items = []
        for at, char in enumerate(text, column):
            if _is_letter(char):
                items.append(_Item(self.label(char, at), at))
            elif char in "0123456789":
                items.append(_Item(Affine((), int(char)), at))
            elif not char.isspace():
                self.fail(f"{char!r} is no label", at, "labels are letters: A_{ij}, or A_{i1,i2}")
        return items

    def index(self, text: str, column: int, is_long: bool) -> _Item:
        """Read one index: a label, or a sum of labels and whole numbers."""
        start = column + len(text) - len(text.lstrip())
        text, less, bound = text.strip().partition("<")
        size = self.size(bound.strip(), start) if less else None
        text = text.rstrip()
        if text.isidentifier() and "_" not in text and (is_long or len(text) == 1):
            return _Item(self.label(text, start), start, size)
        terms: dict[str, int] = {}
        offset = 0
        at = 0
        while at < len(text) or not text:
            match = _TERM.match(text, at)
            sign, number, name = match.groups() if match else ("", "", "")
            c = int(number or 1)
            if (
                not (number or name)
                or (at and not sign)
                or (name and not (c and name.isidentifier() and (is_long or len(name) == 1)))
            ):
                self.no_index(text, start)
            assert match is not None
            if sign and sign != "+":
                c = -c
            if name:
                name = self.label(name, start)
                terms[name] = terms.get(name, 0) + c
            else:
                offset += c
            at = match.end()
        affine = Affine(tuple((c, name) for name, c in terms.items() if c), offset)
        return _Item(affine, start, size)

    def no_index(self, text: str, column: int) -> NoReturn:
        """Say what an index is, or how to write what was meant."""
        action = (
            "an index is a label, or a sum of labels and whole numbers such as 2i+1; "
            "commas part indices, as in {0,i}"
        )
        if "=" in text:
            action = "indices count from 0: write Σ_i for the whole axis, Σ_{i<3} for 0, 1 and 2"
        elif "%" in text:
            action = (
                "write a remainder with deltas, one for each time it wraps: "
                "x_{(i+k)%5} is (δ_{i+k,j} + δ_{i+k,j+5}) x_j"
            )
        elif "(" in text:
            action = "write sums without brackets: x_{2i+2}"
        self.fail(f"'{text}' is no index", column, action, max(len(text), 1))

    def size(self, text: str, column: int) -> Size:
        if text.isidentifier():
            return normalize("NFKC", text)
        if re.fullmatch("[0-9]{1,18}", text):
            return int(text)
        return self.fail(
            f"'{text}' is no size",
            column,
            "write how far a label runs, as in Σ_{i<3}",
        )


_TERM = re.compile(r"\s*([-+−])?\s*([0-9]{1,18})?\s*([^\W\d_][^\W_]*)?\s*")


# --- trees ------------------------------------------------------------------------------------


def parse_index(text: str, names: Iterable[str] = ()) -> Tree:
    """Read an expression in index notation.

    Parameters
    ----------
    text
        The expression. Labels are single letters and digits, or, in braces and parted by commas,
        longer names and sums such as ``i+1``.
    names
        Names that are known; the longest one that fits is read, so that they may have
        underscores.

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
    return _parse(text, frozenset(names)).whole_sum()


def parse_equation(text: str, names: Iterable[str] = ()) -> Equation:
    """Read an expression with or without a left-hand side.

    Parameters
    ----------
    text, names
        As for `parse_index`.

    Returns
    -------
    Equation
        Of one symbol, or of one derivative, and an expression.

    Raises
    ------
    SubscriptsError
        Text that does not follow the grammar, with a caret under the place.

    Examples
    --------
    >>> parse_equation("f_i = 2 x_i").left
    Symbol(name='f', labels=('i',))
    >>> parse_equation("2 x_i").left
    """
    return _parse(text, frozenset(names))


@lru_cache(maxsize=1024)
def names_in(text: str, names: frozenset[str] = frozenset()) -> frozenset[str]:
    """List the names in a text, those of functions and signs among them.

    Parameters
    ----------
    text, names
        As for `parse_index`.

    Returns
    -------
    frozenset
        Without labels.

    Raises
    ------
    SubscriptsError
        A sign that index notation does not have.

    Examples
    --------
    >>> sorted(names_in("1/2x_i + sin(y_i)"))
    ['sin', 'x', 'y']
    """
    return frozenset(token.text for token in _Lexer(text, names).tokens if token.kind == "name")


@lru_cache(maxsize=1024)
def _parse(text: str, names: frozenset[str]) -> _Parsed:
    return run(_Parser(text, names).equation())


@dataclass(frozen=True, slots=True)
class _Parsed(Equation):
    """An equation, and its text for messages."""

    text: str = field(default="", compare=False, repr=False)
    equals: int = field(default=0, compare=False, repr=False)

    def whole_sum(self) -> Tree:
        ranged = [symbol for symbol in _symbols_of(self.right) if symbol.sizes]
        if ranged:
            raise _no_labels(self.text, ranged[0].name, ranged[0].column, len(ranged[0].name))
        if self.left is None:
            return self.right
        raise SubscriptsError(
            page(
                "the expression should end here",
                text=self.text,
                carets=[self.equals],
                action="remove what follows",
            )
        )


def _symbols_of(tree: Tree) -> tuple[Symbol, ...]:
    """Return the names of a left-hand side."""
    if isinstance(tree, Partial):
        return (tree.base, *tree.wrt)
    return (tree,) if isinstance(tree, Symbol) else ()


def _no_labels(text: str, name: str, column: int, width: int) -> SubscriptsError:
    return SubscriptsError(
        page(
            f"these are no labels of {name}",
            text=text,
            carets=range(column, column + width),
            action="part them by commas, A_{i,j+1}; a range stands at the sign of a sum, "
            "Σ_{i<3}, or on the left: f_{i<3} = x_{i+1}",
        )
    )


class _Parser:
    """Reads tokens into trees; every method is a job, see `run`."""

    def __init__(self, text: str, names: frozenset[str]) -> None:
        lexer = _Lexer(text, names)
        self.fail = lexer.fail
        self.text, self.names, self.tokens = text, names, lexer.tokens
        self.at = 0
        self.depth = 0
        #: The names whose labels have ranges, as only those on the left may.
        self.ranged: list[_Token] = []

    def peek(self) -> str:
        """Return the kind of the token that comes next; "" at the end."""
        return self.tokens[self.at].kind if self.at < len(self.tokens) else ""

    def column(self) -> int:
        return self.tokens[self.at].column if self.peek() else len(self.text.rstrip())

    def next(self) -> _Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def open(self) -> _Token:
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail(
                "brackets are nested too deeply",
                self.column(),
                f"{DEEPEST} inside of each other are the most; name a part, and write the name",
            )
        return self.next()

    def close(self, sign: str) -> _Token:
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
        if self.peek() in _COMPARE:
            return "write a comparison in brackets: [x_i > 0]"
        return "remove what follows"

    def sum(self) -> Job[Tree]:
        terms: list[tuple[int, Tree]] = []
        while not terms or self.peek() in ("+", "-"):
            sign = 1
            if self.peek() in ("+", "-"):
                sign = -1 if self.next().kind == "-" else 1
            terms.append((sign, (yield self.product())))
        return terms[0][1] if len(terms) == 1 and terms[0][0] == 1 else Sum(tuple(terms))

    def product(self) -> Job[Tree]:
        factors: list[tuple[Tree, int]] = []
        while not factors or self.peek() in ("*", "/", *_STARTS):
            exponent = 1
            if factors and self.peek() in ("*", "/"):
                exponent = -1 if self.next().kind == "/" else 1
            elif factors:
                self.check_line()
            if self.is_sum_sign():
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

    def check_line(self) -> None:
        """Refuse factors in two lines without a sign, which could be two expressions."""
        before = self.tokens[self.at - 1].end
        if len(self.text[before : self.column() + 1].splitlines()) > 1:
            self.fail(
                "a product goes on in another line",
                self.column(),
                "write * between its factors; a text is one expression",
            )

    def is_sum_sign(self) -> bool:
        return self.peek() == "name" and self.tokens[self.at].text == "Σ"

    def over(self) -> Job[Tree]:
        sign = self.next()
        items = sign.groups[0] if sign.groups and len(sign.groups) == 1 else ()
        labels = [item.index for item in items if isinstance(item.index, str)]
        if not labels or len(set(labels)) < len(items):
            self.fail(
                "Σ needs the labels to sum over, each once",
                sign.column,
                "write them below it: Σ_ij, or Σ_{i<3} with the number of values",
                sign.end - sign.column,
            )
        if self.peek() not in _STARTS:
            self.fail("there is nothing to sum", self.column(), "write what follows after Σ")
        body: Tree = yield self.product()
        return Over(tuple(labels), tuple(item.size for item in items), body, sign.column)

    def power(self) -> Job[Tree]:
        base: Tree = yield self.atom()
        if self.peek() == "power":
            base = Power(base, Literal(int(self.next().text)))
        elif self.peek() == "^":
            self.next()
            sign = 1
            if self.peek() in ("+", "-"):
                sign = -1 if self.next().kind == "-" else 1
            exponent: Tree = yield self.exponent()
            if sign == -1:
                simple = isinstance(exponent, Literal) and not isinstance(exponent.value, complex)
                exponent = (
                    Literal(-exponent.value)
                    if isinstance(exponent, Literal) and simple
                    else Product(((Literal(-1), 1), (exponent, 1)))
                )
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
            match = _COMPLEX.fullmatch(self.next().text)
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

    def labelled(self, inner: Tree, end: _Token) -> Tree:
        """Read a bracket with labels after it, which is the inverse of a matrix or nothing."""
        (items,) = end.groups if end.groups and len(end.groups) == 1 else ((),)
        found = inverse([inner], [item.index for item in items], [item.column for item in items])
        if found is None or not items or any(item.size is not None for item in items):
            self.fail(
                "labels stand after a bracket",
                end.column + 1,
                "write them at the names inside the bracket; (K^-1)_ij is the inverse of K",
                end.end - end.column - 1,
            )
        return found

    def named(self) -> Job[Tree]:
        """Read what begins with a name: a symbol, a call, or nan."""
        token = self.next()
        if token.text == "nan" and token.groups is None and "nan" not in self.names:
            return Literal(float("nan"))
        if self.peek() not in ("(", "complex") or token.text == "δ":
            return self.symbol(token)
        if self.peek() == "complex":  # of exp(1+2j), the bracket and what is in it
            return Apply(self.symbol(token), ((yield self.atom()),))
        before = self.open()
        arguments: list[Tree] = [(yield self.sum())]
        while self.peek() == ",":
            self.next()
            arguments.append((yield self.sum()))
        end = self.close(")")
        (items,) = end.groups if end.groups and len(end.groups) == 1 else ((),)
        if end.groups is not None and (not items or any(item.size is not None for item in items)):
            self.fail(
                "these are no labels",
                end.column + 1,
                "write the labels of the value: inv(X)_ij",
                end.end - end.column - 1,
            )
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
        if is_inverse or not (is_call or sized or (token.groups and len(token.groups) > 1)):
            symbol = self.symbol(token)
        else:
            symbol = Symbol(token.text, (), token.column)
        labels = tuple(item.index for item in items) if end.groups is not None else None
        columns = tuple(item.column for item in items)
        is_apart = before.column > token.end
        return Apply(symbol, tuple(arguments), labels, cores, columns, is_apart)

    def symbol(self, token: _Token) -> Symbol:
        """Make a symbol of a name."""
        groups = token.groups or ((),)
        if len(groups) > 1:
            self.no_labels(token)
        (items,) = groups
        sizes = tuple(item.size for item in items)
        if not any(size is not None for size in sizes):
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

    def no_labels(self, token: _Token) -> NoReturn:
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
        if self.peek() not in _COMPARE:
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
