r"""The text of a formula in LaTeX as tokens, with what LaTeX says of labels and words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from typing import NamedTuple, NoReturn
from unicodedata import category

from einsdiff.errors import SubscriptsError
from einsdiff.notation.hints import MEANT, by_meaning
from einsdiff.notation.latex_commands import (
    DELIMITERS,
    FRACTIONS,
    FUNCTIONS,
    GREEK,
    GREEK_VARIANTS,
    GROWING,
    IGNORED,
    KNOWN,
    REFUSED,
    SIGNS,
    SKIPPED,
    STYLES,
    UPRIGHT,
    WRAPPERS,
)
from einsdiff.notation.lexer import LONGEST_TEXT, MOST_LABELS

_TOKEN = re.compile(
    r"(?P<space>[\s~]+|%[^\n]*)|(?P<command>\\(?:[A-Za-z]+\*?|.|\Z))"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|\.[0-9]+)|(?P<other>.)",
    re.DOTALL,
)


#: What keeps an index behind another one: ``A^i{}_j``.
_EMPTY = re.compile(r"(?<=[\w}])\{\}(?=[_^])")
_ESCAPED = {"\\_": "_", "\\%": "%", "\\#": "#", "\\&": "&", "\\$": "$", "\\{": "{", "\\}": "}"}


class LatexToken(NamedTuple):
    """A command, number, letter or sign.

    `name` is that of a command, else "". `apart` says whether space stands before it.
    """

    kind: str  # command, number, letter, raised, sign
    text: str
    column: int
    end: int
    apart: bool = False
    name: str = ""


class LatexTokens:
    """Cuts a text into tokens, and finds which braces belong together."""

    def __init__(self, text: str) -> None:
        shown = re.sub(r"[\n\r\t\x0b\x0c\x1c-\x1f\x85\u2028\u2029]", " ", text)
        self.text = shown
        if len(text) > LONGEST_TEXT:
            self.text = shown[:40] + " .."
            self.fail(
                f"the text has {len(text)} characters",
                0,
                f"{LONGEST_TEXT} are the most; give parts of it as operands",
                0,
            )
        self.tokens: list[LatexToken] = []
        self.match: dict[int, int] = {}
        self.cut(text)
        self.pair()

    def fail(self, headline: str, column: int, action: str, width: int = 1) -> NoReturn:
        """Refuse the text, with carets below what is wrong."""
        carets = range(column, column + width)
        raise SubscriptsError(headline, text=self.text, carets=carets, action=action)

    def cut(self, text: str) -> None:
        """Find the tokens, leaving out space and comments."""
        apart = False
        text = _EMPTY.sub("  ", text)
        for match in _TOKEN.finditer(text):
            kind, part = str(match.lastgroup), match[0]
            name = part[1:] if kind == "command" else ""
            if kind == "space" or name in IGNORED or (part and name == "" and kind == "command"):
                apart = True
                continue
            if kind == "other":
                kind = "letter" if part.isalpha() and not _is_raised(part) else "sign"
                if _is_raised(part):
                    kind = "raised"
                if category(part).startswith("M") and self.tokens and not apart:
                    last = self.tokens[-1]  # an accent belongs to its letter
                    self.tokens[-1] = last._replace(text=last.text + part, end=match.end())
                    continue
            column, before = match.start(), self.tokens[-1].name if self.tokens else ""
            if kind == "number" and before in FRACTIONS and part.isdecimal():
                for k in range(min(len(part) - 1, 2)):  # \\frac12 has two arguments
                    self.tokens.append(LatexToken(kind, part[k], column + k, column + k + 1, apart))
                part, column = part[min(len(part) - 1, 2) :], column + min(len(part) - 1, 2)
            self.tokens.append(LatexToken(kind, part, column, match.end(), apart, name))
            apart = False

    def pair(self) -> None:
        """Find the brace that closes each one."""
        opened: list[int] = []
        for k, token in enumerate(self.tokens):
            if token.text == "{":
                opened.append(k)
            elif token.text == "}":
                if not opened:
                    self.fail("'}' closes nothing", token.column, "remove it, or open it before")
                self.match[opened.pop()] = k
        if opened:
            self.fail("'{' is not closed", self.tokens[opened[-1]].column, "write '}' after it")

    def within_wrappers(self) -> tuple[int, int]:
        r"""Find where the formula is within dollar signs, ``\[ \]`` and ``equation``."""
        tokens, start, stop = self.tokens, 0, len(self.tokens)
        while start < stop:
            while stop > start and tokens[stop - 1].text in (".", ",", "\\\\", ";"):
                stop -= 1
            first, last = tokens[start].text, tokens[stop - 1].text
            if (first == last == "$" and stop - start > 1) or (first, last) in (
                (r"\[", r"\]"),
                (r"\(", r"\)"),
            ):
                start, stop = start + 1, stop - 1
            elif first == r"\begin" and self.environment(start)[0] in WRAPPERS:
                _, start = self.environment(start)
                ends = [k for k in range(stop - 1, start - 1, -1) if tokens[k].text == r"\end"]
                stop = ends[0] if ends and self.environment(ends[0])[1] >= stop else stop
            else:
                break
        return start, stop

    def environment(self, at: int) -> tuple[str, int]:
        r"""Return the name of an environment, from ``\begin`` or ``\end``, and where it ends."""
        start = at + 1
        if start not in self.match:
            self.fail(
                "an environment has no name", self.tokens[at].column, r"write \begin{bmatrix}"
            )
        stop = self.match[start]
        return "".join(
            token.text for token in self.tokens[start + 1 : min(stop, start + 40)]
        ), stop + 1

    def several(self, token: LatexToken) -> NoReturn:
        """Refuse a number of several digits where LaTeX takes one."""
        self.fail(
            f"'{token.text}' is more than one digit, of which LaTeX takes the first",
            token.column,
            f"write braces: {{{token.text}}}",
            token.end - token.column,
        )

    def delimiter(self, at: int, end: int) -> tuple[str, str, int] | None:
        """Return the delimiter at a token, what it does, and how many tokens it has."""
        if at >= end:
            return None
        token = self.tokens[at]
        if token.name in GROWING:
            if at + 1 >= end:
                self.fail(f"'{token.text}' has no delimiter", token.column, "write one after it")
            found = self.plain_delimiter(self.tokens[at + 1])
            if found is None:
                what = self.tokens[at + 1]
                self.fail(f"'{what.text}' is no delimiter", what.column, r"write \left( .. \right)")
            return found[0], GROWING[token.name] or found[1], 2
        found = self.plain_delimiter(token)
        return None if found is None else (*found, 1)

    def plain_delimiter(self, token: LatexToken) -> tuple[str, str] | None:
        """Return the delimiter that a token is, and what it does."""
        found = DELIMITERS.get(token.name) if token.name.isalpha() else None
        return found or DELIMITERS.get(token.text)

    def no_command(self, token: LatexToken) -> NoReturn:
        """Refuse a command, with the nearest one that is read, or what to write instead."""
        name = token.name
        action = REFUSED.get(name, "")
        if not action:
            if len(name) == 1 and name.isalpha():
                self.fail(
                    f"'{token.text}' is no command that is read",
                    token.column,
                    f"write the solution of a linear equation as A^{{-1}} {name}",
                    token.end - token.column,
                )
            action = _meant(name)
        self.fail(
            f"'{token.text}' is no command that is read",
            token.column,
            action,
            token.end - token.column,
        )

    # Words, labels and marks.

    def word(self, start: int, stop: int, command: LatexToken) -> tuple[str, int]:
        r"""Read the letters of ``\mathrm{loss}``, and where they stand."""
        text = ""
        for token in self.tokens[start:stop]:
            part = _ESCAPED.get(token.text, token.text)
            part = GREEK.get(token.name, part)
            if (token.apart and text) or not (f"_{part}".isidentifier()):
                self.fail(
                    f"{command.text}{{..}} holds no name",
                    command.column,
                    rf"write one word of letters, as in {command.text}{{loss}}",
                    command.end - command.column,
                )
            text += part
        if not text or (text[0].isdigit() and not text.isdigit()):
            self.fail(
                f"{command.text}{{..}} holds no name",
                command.column,
                rf"write one word of letters, as in {command.text}{{loss}}",
                command.end - command.column,
            )
        return text, self.tokens[start].column

    def key(self, start: int, stop: int) -> tuple[str, ...]:
        """Return what is raised as a row of names, if it is short."""
        if stop - start > 12:
            return ()
        return tuple(
            token.name or token.text
            for token in self.tokens[start:stop]
            if token.text not in "{}" and token.name not in UPRIGHT and token.name not in STYLES
        )

    def upper_labels(self, start: int, stop: int) -> tuple[str, ...]:
        """Return the letters of what is raised, if it is nothing but letters."""
        found = []
        for token in self.tokens[start:stop]:
            char = GREEK.get(token.name) or GREEK_VARIANTS.get(token.name)
            if char is None and token.kind != "letter":
                return ()
            found.append(char or token.text)
        return tuple(found) if len(found) <= MOST_LABELS else ()

    def indices(self, span: tuple[int, int]) -> list[tuple[str, str, int]]:
        """Read what is lowered: labels, numbers, words and signs, each with its column."""
        found: list[tuple[str, str, int]] = []
        at, stop = span
        while at < stop:
            token = self.tokens[at]
            at += 1
            if token.text in "{}":
                continue
            if token.text == "_" and found and found[-1][0] == "label" and at < stop:
                end = self.match.get(at, at) + 1  # of a label with a number, i_{10}
                digits = "".join(t.text for t in self.tokens[at:end] if t.text not in "{}")
                if not digits.isalnum() or len(digits) > 40:
                    self.no_index(token)
                found[-1] = ("long", found[-1][1] + digits, found[-1][2])
                at = end
                continue
            if token.name in UPRIGHT:
                end = self.match.get(at, at) + 1
                first = at + 1 if at in self.match else at
                text, column = self.word(
                    first, max(end - 1, first + 1) if at in self.match else end, token
                )
                found.append(("word" if len(text) > 1 else "label", text, column))
                at = end
                continue
            if token.name in STYLES:
                continue
            found.append((*self.index_part(token), token.column))
        return found

    def sizes_of(self, span: tuple[int, int]) -> str:
        r"""Read the sizes of zeros: ``m \times n``, ``2 \cdot 3 \times n``."""
        found = []
        for token in self.tokens[slice(*span)]:
            name = token.name
            if token.text in "{}" or name in UPRIGHT:
                continue
            letter = GREEK.get(name) or GREEK_VARIANTS.get(name)
            found.append(letter or {"times": "×", "cdot": "·"}.get(name) or token.text)
        return "".join(found)

    def index_part(self, token: LatexToken) -> tuple[str, str]:
        """Return the kind and the text of one part of an index."""
        letter = GREEK.get(token.name) or GREEK_VARIANTS.get(token.name)
        if letter or token.kind == "letter":
            return "label", letter or token.text
        if token.kind == "number" and token.text.isdecimal():
            return "number", token.text
        if token.name in FUNCTIONS:
            return "word", FUNCTIONS[token.name]
        text = {"bmod": "%", "mod": "%", "infty": "∞", "%": "%"}.get(token.name) or SIGNS.get(
            token.name, token.text
        )
        if token.kind == "sign" and text in "+-*<>=(),;%":
            return "sign", text
        if token.kind == "command" and text in ("<", ">", "<=", ">=", "!=", "%", "∞", "*", "·"):
            return "sign", text
        if token.kind == "command" and token.name not in SIGNS:
            self.no_command(token)
        return self.no_index(token)

    def no_index(self, token: LatexToken) -> NoReturn:
        """Refuse what is no part of an index."""
        self.fail(
            f"'{token.text}' cannot stand in an index",
            token.column,
            r"write labels and whole numbers: A_{ij}, x_{i+1}, \sum_{i=1}^{n}",
            token.end - token.column,
        )

    def check_marks(self, start: int, stop: int) -> None:
        """Refuse what is raised and no power, as in ``x^{(k)}``."""
        first, last = self.tokens[start], self.tokens[stop - 1]
        if first.text == "(" and last.text == ")" and stop - start == 3:
            inside = self.tokens[start + 1].text
            self.fail(
                f"'({inside})' is raised, but may be no power",
                first.column,
                f"write x_{{{inside}}} for an index, x^{{{inside}}} for a power",
                last.end - first.column,
            )

    def labels(self, span: tuple[int, int]) -> tuple[str, tuple[int, ...], set[str]]:
        """Write what is lowered as a list of indices, with its columns and the labels in it.

        Indices that could be taken for one are parted by commas.
        """
        parts = self.indices(span)
        if not parts:
            column = self.tokens[span[0]].column if span[0] < len(self.tokens) else 0
            self.fail("a label is missing", max(column - 1, 0), "write labels after '_': A_{ij}")
        texts: list[tuple[str, int]] = []
        kinds = {kind for kind, _, _ in parts}
        signs = {text for kind, text, _ in parts if kind == "sign"}
        is_long = bool(kinds & {"long", "word"})
        has_numbers = "number" in kinds
        before = ""
        for kind, text, column in parts:
            if kind == "number" and text != "0" and text[0] == "0":
                pieces = [(digit, column + k) for k, digit in enumerate(text)]  # entries 0 and 1
            else:
                pieces = [(text, column)]
            for part, at in pieces:
                is_index = kind != "sign"
                is_coefficient = before.isdecimal() and before not in "01" and part.isalpha()
                is_beside = bool(before) and is_index and (before.isalnum())
                if is_beside and (is_long or signs or has_numbers) and not is_coefficient:
                    texts.append((",", at))
                texts.append((part, at))
                before = part if is_index else ""
        if is_long and len(texts) == 1:
            texts.append((",", texts[0][1]))
        text = "".join(part for part, _ in texts)
        columns = tuple(column for part, column in texts for _ in part)
        labels = {text for kind, text, _ in parts if kind in ("label", "long")}
        if is_long:
            labels |= (
                {text for kind, text, _ in parts if kind == "word"} if len(parts) > 1 else set()
            )
        return text, columns, labels


def _meant(name: str) -> str:
    """Say what to write for a command that is not read: by what it means, else by its spelling."""
    function = MEANT.get(name, "")
    if function:
        return (
            f"write \\{function}" if function in KNOWN else rf"write \operatorname{{{function}}}(x)"
        )
    told = by_meaning(name, "matrix")
    if told:
        return told
    close = get_close_matches(name[:40], _sorted_known(), 1, 0.7)
    return f"write \\{close[0]}, if that is meant" if close else "write the formula without it"


def _is_raised(char: str) -> bool:
    return char in "ᵀᴴ⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹"


@cache
def _sorted_known() -> list[str]:
    return sorted({*KNOWN, *SIGNS, *IGNORED_WORDS})


IGNORED_WORDS: Iterable[str] = [name for name in (*IGNORED, *SKIPPED) if name.isalpha()]
