"""The text of matrix notation as tokens.

>>> [token.text for token in tokens_of("x'A x + ‖yᵀ‖²", frozenset())][:4]
['x', "'", 'A', 'x']
"""

from __future__ import annotations

import re
from collections.abc import Set
from functools import lru_cache
from typing import NamedTuple, NoReturn
from unicodedata import combining, decomposition, normalize

from einsdiff.errors import SubscriptsError
from einsdiff.notation.hints import SIGNS_OF_OTHERS
from einsdiff.notation.lexer import COMPLEX, LONGEST_NUMBER, LONGEST_TEXT
from einsdiff.notation.names import spelled_out

_NUMBER = re.compile(r"(?:[0-9]+(?:\.(?![*/^'T])[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|∞|nan(?!\w)")

#: A column or a matrix of zeros with its sizes: ``0_n``, ``0_{m×n}``, ``0_{2·3×n}``.
_ZEROS = re.compile(r"0_(?:\{([^{}]*)\}|([0-9]+|[^\W_ᵀ])(?![^\Wᵀ]))")

_RAISED = re.compile(r"⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+|⁻ᵀ|⁺ᵀ|⁺|ᵀ|⁻?ⁿ")

_DIGITS = str.maketrans("⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹ᵀⁿ", "-+0123456789Tn")

#: Signs, longer ones first, and the kind of token that they are.
_SIGNS = {
    "^∘": ".^",
    ".*": "⊙",
    "./": "⊘",
    ".^": ".^",
    ".'": "'",
    "**": "^",
    "||": "‖",
    ">=": "≥",
    "<=": "≤",
    "!=": "≠",
    "==": "=",
    "∥": "‖",
    "∘": "⊙",
    "∗": "*",
    "×": "*",
    "⋅": "·",
    "−": "-",
    "∕": "/",
    "′": "'",
    "’": "'",
    "∣": "|",
    **{sign: sign for sign in "+-*/@·⊙⊘⊗^()[]{},;<>⟨⟩=≥≤≠'‖|⊤†"},
}

#: Bold letters for signs, where a name is spelled like the sign.
_BOLD = {"𝐈": "I", "𝐊": "K", "𝐞": "e"}

#: What to write in place of signs that matrix notation does not have.
_INSTEAD = {
    "ᴴ": "write a transpose: ' or ᵀ",
    "\\": "write LaTeX without commands; A \\ b of other languages is inv(A) b",
    "$": "write the formula without dollar signs",
    "½": "write 1/2",
    "%": "write mod(x, y)",
    "!": "a factorial has no derivative; give its value as an operand",
    "∑": "write sum(x) for the sum of all entries, or indices: Σ_i x_i",
    "∇": "take the derivative with ed.grad(text, wrt='x')",
    **dict.fromkeys("‐‑–—⁃", "write - for a minus"),
    **dict.fromkeys('"`“”‘', "write the formula without quotation marks"),
    ":": "write = after a left-hand side, and ' for a transpose",
}


class MatrixToken(NamedTuple):
    """A part of the text.

    `kind` is a sign, or number, complex, name, bold (a sign that no name can be), ones, raised (a
    superscript, with `text` in plain letters), index (a subscript after a sign), partial or end.
    """

    kind: str
    text: str
    start: int
    end: int
    is_apart: bool = False  # whether there is space before it


class MatrixSyntax:
    """A text that is refused with carets."""

    def __init__(self, text: str) -> None:
        self.text = text

    def fail(self, headline: str, start: int, end: int, action: str) -> NoReturn:
        """Refuse the text, with carets below what is wrong."""
        raise SubscriptsError(headline, text=self.text, carets=range(start, end), action=action)


@lru_cache(maxsize=1024)
def _place(char: str) -> str:
    """Return "<super>" or "<sub>" for a raised or a lowered letter or digit, else ""."""
    kind = "" if char.isascii() else decomposition(char).partition(" ")[0]
    return kind if kind in ("<super>", "<sub>") else ""


def _is_letter(char: str) -> bool:
    return f"_{char}".isidentifier() and char not in "·𝟏" and not _place(char)


def _is_greek(char: str) -> bool:
    return "Α" <= char <= "ω" or char in "ϵϑϕϱϖ"


def tokens_of(text: str, names: Set[str], is_tight: bool = False) -> list[MatrixToken]:
    """Cut a text into tokens; names that are known are not cut.

    In a tight text, names of matrices stand side by side, as they are printed: ``AXBᵀ``.
    """
    return _MatrixLexer(text, names, is_tight).tokens


class _MatrixLexer(MatrixSyntax):
    def __init__(self, text: str, names: Set[str], is_tight: bool) -> None:
        super().__init__(text)
        self.is_tight = is_tight
        if len(text) > LONGEST_TEXT:
            self.text = text[:40] + " .."
            action = f"{LONGEST_TEXT} are the most; give parts of it as operands"
            self.fail(f"the text has {len(text)} characters", 0, 0, action)
        self.names = names
        self.tokens: list[MatrixToken] = []
        at = 0
        while at < len(text):
            at = at + 1 if text[at].isspace() else self.token(at)
        self.add("end", len(text), len(text))

    def add(self, kind: str, start: int, end: int, text: str | None = None) -> int:
        is_apart = start > 0 and self.text[start - 1].isspace()
        shown = self.text[start:end] if text is None else text
        shown = spelled_out(shown) if kind == "name" else shown
        self.tokens.append(MatrixToken(kind, shown, start, end, is_apart))
        return end

    def token(self, at: int) -> int:
        """Read the token at a place, and return where it ends."""
        text, char = self.text, self.text[at]
        if char == "(" and (match := COMPLEX.match(text, at)):
            return self.add("complex", at, match.end())
        if match := _ZEROS.match(text, at):
            return self.add("zeros", at, match.end(), match[1] or match[2])
        if match := _NUMBER.match(text, at):
            if len(match[0]) > LONGEST_NUMBER:
                self.fail("a number is too long", at, at + 1, f"{LONGEST_NUMBER} digits are most")
            return self.add("number", at, match.end())
        if match := _RAISED.match(text, at):
            return self.add("raised", at, match.end(), match[0].translate(_DIGITS))
        if text.startswith(".T", at) and not _is_letter(text[at + 2 : at + 3] or " "):
            return self.add("'", at, at + 2)
        if char == "𝟏":
            return self.indexed("ones", at, at + 1, "𝟏")
        if char in _BOLD:
            return self.indexed("bold", at, at + 1, _BOLD[char])
        if char == "√":
            return self.add("name", at, at + 1, "sqrt")
        if char == "∂":
            return self.partial(at)
        if (char == "_" and self.is_closed()) or _place(char) == "<sub>":
            end, index = self.index(at)
            return self.add("index", at, end, index)
        if char not in _INSTEAD and _is_letter(char) and not combining(char):
            return self.name(at)
        for sign, kind in _SIGNS.items():
            if text.startswith(sign, at):
                return self.add(kind, at, at + len(sign))
        usual = "write numbers, names, and + - * / ^ ' ( )"
        action = _INSTEAD.get(char) or SIGNS_OF_OTHERS.get(char, usual)
        return self.fail(f"{char!r} cannot stand here", at, at + 1, action)

    def is_closed(self) -> bool:
        return bool(self.tokens) and self.tokens[-1].kind in ("‖", "|")

    def index(self, at: int) -> tuple[int, str]:
        """Read a subscript, "" if there is none."""
        text = self.text
        end = at
        if text.startswith("_{", at):
            end = text.find("}", at) + 1
            if not end:
                self.fail("'}' is missing", at + 1, at + 2, "close the brace: I_{n}")
            return end, text[at + 2 : end - 1].strip()
        if text.startswith("_", at):
            end = at + 1
            while end < len(text) and (_is_letter(text[end]) or text[end] == "∞"):
                end += 1
            if end == at + 1:
                self.fail("a subscript is missing", at, end, "write I_n, ‖x‖_1, ‖A‖_F")
            return end, text[at + 1 : end]
        while end < len(text) and _place(text[end]) == "<sub>":
            end += 1
        return end, normalize("NFKC", text[at:end])

    def indexed(self, kind: str, at: int, end: int, sign: str) -> int:
        end, index = self.index(end)
        return self.add(kind, at, end, f"{sign}_{index}" if index else sign)

    def name(self, at: int) -> int:
        """Read a name, with its subscript; glued names that are known, one after the other."""
        text = self.text
        end = at
        while end < len(text) and _is_letter(text[end]):
            end += 1
        word = normalize("NFKC", text[at:end])
        if word.endswith("_") and text.startswith("{", end):
            end, index = self.index(end - 1)
            word += "{" + index + "}"
            return self.add("name", at, end, word)
        low, index = self.index(end) if _place(text[end : end + 1] or " ") else (end, "")
        if index:
            return self.add("name", at, low, f"{word}_{index}")
        stem, sign, rest = word.partition("_")
        parts = self.parts(stem) if stem else []
        if word in self.names or len(word) != end - at or len(parts) < 2:
            return self.add("name", at, end, word)
        parts[-1] += sign + rest
        for part in parts:
            at = self.add("name", at, at + len(part), part)
        return at

    def parts(self, word: str) -> list[str]:
        """Part a word that nobody knows into names: those that are known, or Greek letters."""
        if len(word) > 1 and all(char in self.names for char in word):
            return [*word]
        if self.is_tight and word[1:].isupper() and word.isalpha():
            return [*word]
        parts: list[str] = []
        for char in word:
            is_new = bool(parts) and not char.isdigit() and self.is_border(parts[-1], char)
            if is_new or not parts:
                parts.append(char)
            else:
                parts[-1] += char
        return parts

    def is_border(self, before: str, char: str) -> bool:
        """Tell whether a Greek letter stands beside another letter: ``Φθ``, ``λI``, not ``Δx``."""
        if before in ("Δ", "δ") and not _is_greek(char):
            return False
        return _is_greek(before[-1]) or _is_greek(char) or _is_greek(before[0])

    def partial(self, at: int) -> int:
        match = re.compile(r"∂[²³⁴⁵⁶⁷⁸⁹]?(\w+)/((?:∂\w+)+)").match(self.text, at)
        if match is None:
            self.fail(
                "'∂' cannot stand here",
                at,
                at + 1,
                "write ∂x/∂z for the derivative of an operand that is a function of another",
            )
        return self.add("partial", at, match.end())
