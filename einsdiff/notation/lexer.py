"""The text of a formula as tokens: names with their indices, numbers and signs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, NoReturn
from unicodedata import category, decomposition, normalize

from einsdiff.errors import SubscriptsError
from einsdiff.notation.hints import SIGNS_OF_OTHERS, by_meaning
from einsdiff.notation.subscripts import Size
from einsdiff.notation.trees import Affine, Chain, Index

#: Digits of a whole number, at most: Python reads no more from a text.
LONGEST_NUMBER = 4000

#: Characters of a text, at most; what is printed is far shorter.
LONGEST_TEXT = 200_000

#: Labels in one place, at most: no array has as many axes.
MOST_LABELS = 100


def is_index_notation(text: str, has_operands: bool) -> bool:
    """Tell index notation from an einsum string.

    Letters alone are an einsum string if operands are given with them.

    >>> is_index_notation("A_ij x_j", True), is_index_notation("ij,j->i", True)
    (True, False)
    >>> is_index_notation("ij", True), is_index_notation("x", False)
    (False, True)
    """
    text = text.translate(_WIDE)
    if re.search(r"[_=(){}\[\]^*/+∂Σ∑Π∏∞≥≤≠·⋅⁻⁰¹²³⁴⁵⁶⁷⁸⁹ᵀᴴ⊤'@|‖\\!]|\.[*/^TH]", text):
        return True
    if re.search(r"->|,|\.\.\.", text):
        return False
    return not has_operands or bool(re.search(r"[-−0-9]", text))


def is_latex(text: str) -> bool:
    r"""Tell LaTeX from the notations of plain text.

    Without a command, exponents in braces are LaTeX, if no word of several letters is a name.

    >>> is_latex(r"\theta_i"), is_latex("$A_{ij} x_j$"), is_latex("A_{ij} x_j")
    (True, True, False)
    >>> is_latex("x^{2} + x"), is_latex("loss^{2}"), is_latex(r"A \ b")
    (True, False, False)
    """
    if re.search(r"\\[A-Za-z|{\[(\\,;:!]", text) or text.lstrip()[:1] == "$":
        return True
    text = _BOUNDS.sub("", text)
    return "^{" in text and not re.search(r"[^\W\d_]{2}|_\w\w", re.sub(r"\{[^{}]*\}", "{}", text))


#: The bounds of a sum, which plain text has too.
_BOUNDS = re.compile(
    r"(?:[Σ∑Π∏]|\b(?:sum|prod))(?:_\{[^{}]*\}\^\{[^{}]*\}|\^\{[^{}]*\}_\{[^{}]*\})"
)

_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

_PART = rf"(?:{_NUMBER.pattern}|∞|nan)"

COMPLEX = re.compile(rf"\(\s*([-+]?{_PART})\s*([-+])\s*({_PART})j\s*\)")

#: The wide letters and signs of East Asian keyboards, which mean the plain ones.
_WIDE = {0xFEE0 + code: code for code in range(ord("!"), ord("~") + 1)}

#: Letters that look like a Latin one, and are none.
_ALIKE = str.maketrans(
    "АВЕЅІЈКМНОРСТХУасеіјорѕхуһΑΒΕΖΗΙΚΜΝΟΡΤΥΧοı", "ABESIJKMHOPCTXYaceijopsxyhABEZHIKMNOPTYXoi"
)

#: What a derivative of a function that is not specified has behind its name.
_PRIMES = re.compile("['′]+")

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

COMPARE = (">", "<", ">=", "<=", "=", "!=")

#: The signs of sums and products, and words that are read as signs if labels stand below.
BIG = {"Σ": "Σ", "∑": "Σ", "sum": "Σ", "Π": "Π", "∏": "Π", "prod": "Π"}

#: What may follow a factor without a sign between them.
STARTS = ("number", "complex", "name", "big", "(", "[", "∂", "∞")


@dataclass(frozen=True, slots=True)
class _Item:
    """An index in a list of labels, with the range that is written after it."""

    index: Index
    column: int
    size: Size | None = None


class Token(NamedTuple):
    """A part of the text.

    `kind` is a sign, or number, complex, name, big (the sign of a sum or a product), braced
    (indices alone), power (a superscript).
    `groups` are the labels after a name or a closing bracket, in groups parted by semicolons;
    `chains` what is said of labels at the sign of a sum or of a product.
    """

    kind: str
    text: str
    column: int
    end: int
    groups: tuple[tuple[_Item, ...], ...] | None = None
    chains: tuple[Chain, ...] = ()


def _may_follow(char: str) -> bool:
    return f"_{char}".isidentifier() and char != "·" and not _raised_or_lowered(char)


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
    "∇": "take the derivative with ed.grad(text, wrt='x')",
    "∫": "index notation has no integrals",
    "!": "a factorial has no derivative; give its value as an operand",
    "%": "write mod(x, y)",
    "~": "index notation has no such sign",
    "\\": "write the solution of A x = b as inv(A)_ij b_j; commands of LaTeX have letters: \\theta",
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


class Lexer:
    """Cuts a text into tokens."""

    def __init__(self, text: str, names: frozenset[str]) -> None:
        text = text.translate(_WIDE)
        self.text, self.names = text, names
        self.longest = max(map(len, names), default=0)
        self.tokens: list[Token] = []
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
        """Refuse the text, with carets below what is wrong."""
        carets = range(column, column + width)
        raise SubscriptsError(headline, text=self.text, carets=carets, action=action)

    def add(self, kind: str, column: int, end: int, text: str = "") -> int:
        """Add a token, and return where it ends."""
        self.tokens.append(Token(kind, text or self.text[column:end], column, end))
        return end

    def token(self, column: int) -> int:
        """Read the token at a column, and return where it ends."""
        text = self.text
        char = text[column]
        if char.isspace():
            return column + 1
        if char == "(":
            match = COMPLEX.match(text, column)
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
        if char in "∑∏":
            return self.name(column)
        if _raised_or_lowered(char):
            self.raised(column)
        if char.isidentifier():
            return self.name(column)
        if char == "{":
            self.check_exponent(column)
            groups, end = self.labels(column)
            self.tokens.append(Token("braced", text[column:end], column, end, groups))
            return end
        for sign, meaning in _SIGNS.items():
            if text.startswith(sign, column):
                end = self.add(meaning, column, column + len(sign), sign)
                if sign == ")" and text.startswith("_", end) and not self.is_name(end):
                    groups, end = self.labels(end + 1)  # of the value, kept with the bracket
                    self.tokens[-1] = self.tokens[-1]._replace(end=end, groups=groups)
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
        usual = "write numbers, names such as A_ij, and + - * / ^ ( ) [ ]"
        return _INSTEAD.get(char) or SIGNS_OF_OTHERS.get(char, usual)

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
        """Refuse numbers that are longer than anyone writes."""
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
        """Return where a word ends."""
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
        is_call = "_" in word and text.startswith("(", stop) and not known
        told = by_meaning(word, "either") if is_call else ""
        if told:
            self.fail(f"there is no function '{word}'", column, told, len(word))
        name = self.spell("name", word[:cut], normalize("NFKC", word[:cut]), column)
        primes = _PRIMES.match(text, stop)
        if cut == len(word) and primes is not None and f"{name}'" in self.names:
            name += "'" * len(primes[0])
            self.tokens.append(Token("name", name, column, primes.end()))
            return primes.end()
        groups: tuple[tuple[_Item, ...], ...] | None = None
        end = column + cut
        if name in BIG and name not in self.names and (found := self.big(name, column, end)):
            return found
        if "_" in name and text.startswith("_{}", end):
            end += 3  # w_1_{} has no labels, where w_1 could be an entry of w
        elif cut < len(word):
            groups, end = self.labels(end + 1)
        elif self.is_lowered(end):
            groups, end = self.lowered(end)
        if name == "∑":
            name = "Σ"
        elif name == "delta" and name not in self.names and groups and len(groups[0]) == 2:
            name = "δ"
        self.tokens.append(Token("name", name, column, end, groups))
        return end

    def big(self, name: str, column: int, end: int) -> int:
        """Read the sign of a sum or a product, with what stands below and above; 0 if it is none.

        >>> Lexer("Σ_{i=1}^{n} x_i", frozenset()).tokens[0].chains[0].signs
        ('<=', '<=')
        """
        text, at = self.text, end
        below: list[tuple[str, int]] = []
        above: Affine | None = None
        while at < len(text) and (text[at] in "_^" or _raised_or_lowered(text[at])):
            is_below = text[at] == "_" or _raised_or_lowered(text[at]) == "<sub>"
            if (below and is_below) or (above is not None and not is_below):
                break
            inner, start, at = self.script(at)
            if is_below and text[start - 1] not in "_{(":
                inner = inner if _CHAINED.search(inner) else "".join(f"{n}," for n in inner)
                below.append((inner, start))
            elif is_below:
                below.append((inner, start))
            else:
                above = self.affine(inner.strip(), start, True)
        is_call = name == "prod" and text.startswith("(", at)
        if not below or is_call:
            return 0
        ((inner, start),) = below
        items, chains = self.said_below(inner, start, above)
        self.check_count(items, column)
        self.check_count(chains, column)
        self.tokens.append(Token("big", BIG[name], column, at, (tuple(items),), tuple(chains)))
        return at

    def script(self, column: int) -> tuple[str, int, int]:
        """Return what stands below or above a sign, where it begins, and where the text goes on."""
        text = self.text
        if _raised_or_lowered(text[column]):
            kind, end = _raised_or_lowered(text[column]), column
            while end < len(text) and _raised_or_lowered(text[end]) == kind:
                end += 1
            return normalize("NFKC", text[column:end]), column, end
        opening = text[column + 1 : column + 2]
        if opening not in ("{", "("):
            end = column + 1
            while end < len(text) and text[end] != "_" and _may_follow(text[end]):
                end += 1
            if end == column + 1:
                self.fail("a label is missing", end, "write labels after '_': Σ_i x_i")
            return text[column + 1 : end], column + 1, end
        closing = "}" if opening == "{" else ")"
        end = text.find(closing, column)
        if end < 0:
            self.fail(f"'{closing}' is missing", column + 1, f"write '{closing}' behind the labels")
        return text[column + 2 : end], column + 2, end + 1

    def said_below(
        self, text: str, column: int, above: Affine | None
    ) -> tuple[list[_Item], list[Chain]]:
        """Read what stands below a sign: labels, ranges ``i<3``, bounds, conditions ``i≠j``."""
        if above is None and not _CHAINED.search(text):
            return self.group(text, column), []
        items: list[_Item] = []
        chains: list[Chain] = []
        parts = text.split(",")
        for part in parts:
            if _CHAINED.search(part) or (above is not None and "<" in part):
                chains += self.chain(part, column, above, items)
            elif "<" in part or above is None:
                items.append(self.index(part, column, True))
            else:  # the first of Σ_{i,j=1}^{n}
                items += self.group(part, column)
            column += len(part) + 1
        if above is not None and not any(above in chain.sides for chain in chains):
            self.fail(
                "a bound stands above the sign, and none below",
                column - 1,
                "write where a label begins: Σ_{i=1}^{n} x_i",
            )
        return items, chains

    def chain(
        self, text: str, column: int, above: Affine | None, items: list[_Item]
    ) -> list[Chain]:
        """Read ``i<j``, ``1≤i<j≤n``, and ``i=1`` for the bound that stands above."""
        pieces = _COMPARED.split(text)
        signs = [_SIGNS.get(sign, sign) for sign in pieces[1::2]]
        if "=" not in signs:
            sides = tuple(self.affine(side.strip(), column, True) for side in pieces[::2])
            return [Chain(sides, tuple(signs), column)]
        low, dots, high = pieces[-1].partition("..")
        if dots:
            above = self.affine(high.strip(" ."), column, True)
        if len(signs) > 1 or above is None:
            self.fail(
                f"it is not said how far '{pieces[0].strip()}' runs",
                column,
                "write Σ_i for the whole axis, Σ_{i<3} for 0, 1 and 2, Σ_{i=1}^{n} for n entries",
            )
        lower = self.affine(low.strip(), column, True)
        labels = [self.affine(pieces[0].strip(), column, True)]
        while items and items[-1].size is None:  # of Σ_{i,j=1}^{n}, the labels before
            index = items.pop().index
            labels.insert(0, Affine(((1, index),)) if isinstance(index, str) else index)
        for label in labels:
            if not label.is_label:
                self.no_index(text.strip(), column)
        return [
            Chain((lower, label, above), ("<=", "<="), column, label.terms[0][1])
            for label in labels
        ]

    def is_lowered(self, column: int) -> bool:
        """Tell whether a lowered letter stands at a column."""
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

    def check_count(self, items: Sequence[object], column: int) -> None:
        """Refuse more labels in one place than there can be axes."""
        if len(items) > MOST_LABELS:
            self.fail(
                f"there are {len(items)} labels in one place", column, f"{MOST_LABELS} are the most"
            )

    def labels(self, column: int) -> tuple[tuple[tuple[_Item, ...], ...], int]:
        """Read labels, from the place after the underscore."""
        text = self.text
        if not text.startswith("{", column):
            end = self.word(column)
            action = (
                "a label is one letter or digit; part names by spaces, "
                "and write braces around longer labels: A_{i1,i2}"
            )
            items = [self.item(at, action) for at in range(column, end)]
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
        action = "labels are letters: A_{ij}, or A_{i1,i2}"
        return [self.item(at, action) for at, char in enumerate(text, column) if not char.isspace()]

    def item(self, column: int, action: str) -> _Item:
        """Read a label or an index of one character."""
        char = self.text[column]
        if char in "0123456789":
            return _Item(Affine((), int(char)), column)
        if not char.isalpha() or _raised_or_lowered(char):
            self.fail(f"{char!r} is no label", column, action)
        return _Item(self.label(char, column), column)

    def index(self, text: str, column: int, is_long: bool) -> _Item:
        """Read one index: a label, or a sum of labels and whole numbers."""
        start = column + len(text) - len(text.lstrip())
        text, less, bound = text.strip().partition("<")
        size = self.size(bound.strip(), start) if less else None
        text = text.rstrip()
        if text.isidentifier() and "_" not in text and (is_long or len(text) == 1):
            return _Item(self.label(text, start), start, size)
        return _Item(self.affine(text, start, is_long), start, size)

    def affine(self, text: str, start: int, is_long: bool) -> Affine:
        """Read a sum of labels and whole numbers, or the remainder of one."""
        remainder = _REMAINDER.fullmatch(text)
        if remainder is not None:
            inner = remainder[2] if remainder[1] is None else remainder[1]
            whole = self.affine(inner, start, is_long)
            return replace(whole, modulus=self.size(remainder[3], start))
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
        return Affine(tuple((c, name) for name, c in terms.items() if c), offset)

    def no_index(self, text: str, column: int) -> NoReturn:
        """Say what an index is, or how to write what was meant."""
        action = (
            "an index is a label, or a sum of labels and whole numbers such as 2i+1; "
            "commas part indices, as in {0,i}"
        )
        if "=" in text:
            action = "bounds stand at the sign of a sum: Σ_{i=1}^{n} x_i"
        elif "%" in text:
            action = "write brackets around what is divided: x_{(i+k)%5}, x_{(i-1)%n}"
        elif "(" in text:
            action = "write sums without brackets: x_{2i+2}"
        self.fail(f"'{text}' is no index", column, action, max(len(text), 1))

    def size(self, text: str, column: int) -> Size:
        """Read a size, a name or a number."""
        if text.isidentifier():
            return normalize("NFKC", text)
        if re.fullmatch("[0-9]{1,18}", text):
            return int(text)
        return self.fail(
            f"'{text}' is no size", column, "write how far a label runs, as in Σ_{i<3}"
        )


#: What stands below the sign of a sum beside labels and ranges, and what parts it.
_CHAINED = re.compile(r"[=≤≥>≠]|<[^,]*<")
_COMPARED = re.compile(r"(<=|>=|!=|==|[≤≥≠<>=])")
#: A remainder: of a sum in brackets, or of a label.
_REMAINDER = re.compile(r"\s*(?:\(([^()%]*)\)|(\w+))\s*%\s*(\w+)\s*")
_TERM = re.compile(r"\s*([-+−])?\s*([0-9]{1,18})?\s*([^\W\d_][^\W_]*)?\s*")
