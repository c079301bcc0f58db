r"""Texts in languages that are not read: which language it is, and how to write the text here.

Nothing of such a text is evaluated. It is cut into names, signs and brackets; calls and entries are
written as they are written here, and what comes out is only named if it is read.

>>> [
...     elsewhere(text, bool).translation
...     for text in ("np.dot(A.T, x)", "D[Sin[x] y, x]", "A\\b")
... ]
["A' · x", 'd/dx (sin(x) y)', 'inv(A) b']
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from einsdiff.notation.languages import LANGUAGES, Language

#: A text that is longer, or brackets that are deeper, are no formula that somebody types.
LONGEST, DEEPEST_OF_OTHERS = 500, 20

_CUT = re.compile(
    r"\s+|(?P<number>\d+(?:\.(?![.*/^])\d*)?(?:[eE][-+]?\d+)?)|(?P<name>[^\W\d]\w*)"
    r"|(?P<string>\"[^\"]*\"|(?<![\w)\]}'.])'[^']*')"
    r"|(?P<sign>%\*%|%o%|%x%|%%|\*\*|\.\*|\./|\.\^|\.'|\.\+|\.-|->|<-|\.\.|:=|==|&\*|&x|\^%T"
    r"|>=|<=|!=|\[\[|\]\]|.)",
    re.DOTALL,
)
_OPEN = {"(": ")", "[": "]", "{": "}", "[[": "]]"}
_LABELS_OF_ROWS = "jkl"


class Foreign(NamedTuple):
    """A language that a text looks like, where, and how the text is written here, "" if unknown."""

    language: Language
    start: int
    end: int
    translation: str
    title: str

    @property
    def headline(self) -> str:
        """What is said of the text."""
        return f"this looks like {self.title}"

    @property
    def action(self) -> str:
        """What to write or to do."""
        if not self.translation:
            return self.language.advice
        return f"write {self.translation}; {self.language.advice}"


def elsewhere(text: str, is_read: Callable[[str], bool]) -> Foreign | None:
    """Tell which language a text is in, and write it as it is written here.

    A translation that is not read is not named.
    """
    if len(text) > LONGEST:
        return None
    for language in LANGUAGES:
        found = language.evidence.search(text)
        if found is None:
            continue
        try:
            made = _Translator(language).whole(text)
        except _UnknownError:
            made = ""
        if made.strip() == text.strip() or (made and not is_read(made)):
            made = ""
        title = _TITLES.get(found[0].partition(".")[0], language.title)
        return Foreign(language, found.start(), found.end(), made, title)
    return None


class _UnknownError(Exception):
    """Something that is not translated."""


class _Word(NamedTuple):
    """A name, number, string or sign; or a bracket, with what it holds parted by commas."""

    kind: str
    text: str
    parts: tuple[tuple[_Word, ...], ...] = ()
    apart: bool = False


class _AsFactor(str):
    """A text, which is put in brackets where it stands as a factor."""

    def __format__(self, spec: str) -> str:
        is_one = re.fullmatch(r"[\w.]+'?|\w+\([^()]*\)'?|\w+_\{[^{}]*\}", self)
        return str(self) if spec != "f" or is_one else f"({self})"


def _cut(text: str) -> list[_Word]:
    """Cut a text into names, numbers, strings and signs."""
    items, apart = [], False
    for match in _CUT.finditer(text):
        if match.lastgroup is None:
            apart = True
            continue
        items.append(_Word(match.lastgroup, match[0], (), apart))
        apart = False
    return items


def _grouped(items: list[_Word], has_double: bool) -> tuple[_Word, ...]:
    """Put what stands in brackets together."""
    stack: list[tuple[str, bool, list[list[_Word]]]] = [("", False, [[]])]
    queue = items[::-1]
    while queue:
        item = queue.pop()
        if item.text in ("[[", "]]") and item.kind == "sign":
            is_one = has_double and (item.text == "[[" or stack[-1][0] == "[[")
            if not is_one:
                queue += [_Word("sign", item.text[0])] * 2
                continue
        if item.kind == "sign" and item.text in _OPEN:
            if len(stack) > DEEPEST_OF_OTHERS:
                raise _UnknownError
            stack.append((item.text, item.apart, [[]]))
        elif item.kind == "sign" and item.text in _OPEN.values():
            opened, apart, parts = stack.pop()
            if _OPEN.get(opened) != item.text:
                raise _UnknownError
            made = tuple(tuple(part) for part in parts) if parts != [[]] else ()
            stack[-1][2][-1].append(_Word("group", opened, made, apart))
        elif item.kind == "sign" and item.text == "," and len(stack) > 1:
            stack[-1][2].append([])
        else:
            stack[-1][2][-1].append(item)
    if len(stack) > 1:
        raise _UnknownError
    return tuple(stack[0][2][0])


class _Translator:
    """Writes texts of one language as they are written here."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.call, self.entry = language.brackets

    def whole(self, text: str) -> str:
        """Translate a text: what is said before the formula is left out."""
        text = text.strip().rstrip(";")
        text = re.sub(r"^def\s+\w+\s*\([^()]*\)\s*:\s*return\b", "", text)
        text = re.sub(r"^lambda\b[^:]*:|^@\([^()]*\)|^function\s*\([^()]*\)", "", text)
        text = re.sub(r"^\(?[\w\s,]*\)?\s*->", "", text)
        text = re.sub(r"^(\w+)\s*(?:<-|:=)", r"\1 =", text)
        made = self.written(_grouped(_cut(text), self.entry == "[["))
        return re.sub(r"(?<=[(\[]) | +(?=[ )\],])", "", made.strip())

    def written(self, items: tuple[_Word, ...]) -> str:
        out: list[str] = []
        at = 0
        while at < len(items):
            item = items[at]
            before = out[-1] if out else ""
            if item.kind == "name":
                text, at = self.name(items, at)
                glued = before[-1:].isalnum() and not before[-1:].isspace()
                out.append(f" {text}" if glued or item.apart else text)
                continue
            at += 1
            if item.kind == "string":
                raise _UnknownError
            if item.kind == "group":
                text, at = self.methods(self.group(item), items, at)
                out.append(f" {text}" if item.apart else text)
            elif item.kind == "number":
                out.append(f" {item.text}" if item.apart or before[-1:].isalnum() else item.text)
            elif item.text == "\\" or (item.text == "/" and self.is_division(items, at)):
                if item.text == "\\":
                    left = "".join(out).strip()
                    if re.search(r"[-+=,]", re.sub(r"\([^()]*\)", "", left)):
                        raise _UnknownError
                    out = [f"inv({left.removeprefix('(').removesuffix(')')}) "]
                else:
                    out.append(" / ")
            else:
                out.append(self.sign(items, at - 1))
        return "".join(out)

    def is_division(self, items: tuple[_Word, ...], at: int) -> bool:
        """Tell whether it is divided by a number, or a number is divided."""
        around = items[at : at + 1] + items[max(at - 2, 0) : max(at - 1, 0)]
        return any(item.kind == "number" for item in around)

    def sign(self, items: tuple[_Word, ...], at: int) -> str:
        item = items[at]
        told = self.language.signs.get(item.text)
        if told is None or (self.is_division(items, at + 1) and item.text in "*/"):
            return (
                f" {item.text} "
                if item.text in ("+", "-", "=", "*", "/", "@") and at
                else item.text
            )
        return told

    def group(self, item: _Word) -> str:
        """Write what is in brackets without a name before it."""
        close = _OPEN[item.text]
        inner = ", ".join(self.written(part) for part in item.parts)
        if item.text == "[[":
            raise _UnknownError
        return f"{item.text}{inner}{close}"

    def name(self, items: tuple[_Word, ...], at: int) -> tuple[str, int]:
        """Write a name with its call or its entries, and what follows after a dot."""
        word = items[at].text
        at += 1
        is_python = self.language.title in _WITH_METHODS
        if is_python and self.is_module(word) and self.is_dot(items, at):
            word, at = items[at + 1].text, at + 2
            while self.is_dot(items, at):
                word, at = f"{word}.{items[at + 1].text}", at + 2
        text = word
        if at < len(items) and items[at].text == "." and at + 1 < len(items):
            nxt = items[at + 1]
            if nxt.kind == "group" and self.language.title == "Julia":
                return self.methods(self.called(word, nxt), items, at + 2)
        if at < len(items) and items[at].kind == "group" and not (items[at].apart and is_python):
            group = items[at]
            is_call = self.entry == "(" and word in self.language.calls
            if group.text == self.entry and self.is_entry(group) and not is_call:
                at += 1
                while at < len(items) and items[at].kind == "group" and items[at].text == "[":
                    group = group._replace(parts=(*group.parts, *items[at].parts))
                    at += 1
                text = self.entries(word, group)
            elif group.text == self.call:
                text, at = self.called(word, group), at + 1
        return self.methods(text, items, at)

    def is_module(self, word: str) -> bool:
        return word in _MODULES

    def is_dot(self, items: tuple[_Word, ...], at: int) -> bool:
        return at + 1 < len(items) and items[at].text == "." and items[at + 1].kind == "name"

    def methods(self, text: str, items: tuple[_Word, ...], at: int) -> tuple[str, int]:
        """Write what stands after a dot, in languages that have methods."""
        if self.language.title not in _WITH_METHODS:
            return text, at
        while self.is_dot(items, at):
            word = items[at + 1].text
            at += 2
            if word in ("T", "mT"):
                text = f"{_AsFactor(text):f}'"
            elif word == "I":
                text = f"inv({text})"
            elif at < len(items) and items[at].text == "(":
                given = _Word("group", "(", ((_Word("done", text),), *items[at].parts))
                text, at = self.called(word, given), at + 1
            else:
                raise _UnknownError
        return text, at

    def called(self, word: str, group: _Word) -> str:
        """Write a call."""
        parts = group.parts
        if word in ("Sum", "sum", "Product", "product", "summation", "Prod") and len(parts) > 1:
            return self.summed(word, parts)
        if word in ("D", "diff", "Diff", "Derivative") and len(parts) > 1:
            return self.derived(parts)
        if word in ("doit", "item", "evalf"):
            return self.argument(parts[0])
        if word == "f" and self.language.title == "Maple":
            raise _UnknownError
        named = [p for p in parts if len(p) > 1 and p[1].text == "=" and p[0].kind == "name"]
        order = self.norm(word, parts)
        if order:
            return order
        if named and word not in ("norm", "linalg.norm"):
            raise _UnknownError
        told = self.language.calls.get(word)
        arguments = [_AsFactor(self.argument(part)) for part in parts if part not in named]
        if told is not None and not isinstance(told, str):
            told = told.get(len(arguments))
            if told is None:
                raise _UnknownError
        if told is None or "{" not in told:
            if self.call == "[" and told is None:
                raise _UnknownError
            return f"{told or word}({', '.join(arguments)})"
        try:
            return told.format(*arguments)
        except IndexError:
            raise _UnknownError from None

    def argument(self, part: tuple[_Word, ...]) -> str:
        if len(part) == 1 and part[0].kind == "done":
            return part[0].text
        return self.written(part).strip()

    def norm(self, word: str, parts: tuple[tuple[_Word, ...], ...]) -> str:
        """Write a norm of an order that is given."""
        if not word.endswith("norm") or len(parts) < 2:
            return ""
        kind = parts[1][-1].text.strip("\"'")
        name = {"1": "norm1", "2": "norm", "fro": "norm", "F": "norm"}.get(kind)
        if name is None or len(parts[1]) > 3:
            raise _UnknownError
        return f"{name}({self.argument(parts[0])})"

    def summed(self, word: str, parts: tuple[tuple[_Word, ...], ...]) -> str:
        """Write a sum over indices with their bounds."""
        sign = "Π" if word.lower().startswith("prod") else "Σ"
        made = []
        for part in parts[1:]:
            bounds: list[str]
            if len(part) == 1 and part[0].kind == "group":
                bounds = [self.argument(bound) for bound in part[0].parts]
            else:
                found = re.fullmatch(r"(\w+)=(\w+)\.\.(\w+)", "".join(i.text for i in part))
                bounds = [*found.groups()] if found else [""]
            if len(bounds) == 2:
                bounds = [bounds[0], "1", bounds[1]]
            if len(bounds) != 3 or not all(re.fullmatch(r"\w+(?: [-+] \d+)?", b) for b in bounds):
                raise _UnknownError
            i, low, high = bounds
            braces = high if len(high) == 1 else f"{{{high}}}"
            made.append(f"{sign}_{{{i}={low}}}^{braces}")
        return f"{' '.join(reversed(made))} ({self.argument(parts[0])})"

    def derived(self, parts: tuple[tuple[_Word, ...], ...]) -> str:
        """Write a derivative: by names, and by each as often as the number after it says."""
        by: list[str] = []
        for part in parts[1:]:
            inner = part[0].parts if len(part) == 1 and part[0].kind == "group" else (part,)
            for item in inner:
                if len(item) != 1:
                    raise _UnknownError
                if item[0].kind == "number" and by and len(item[0].text) == 1:
                    by += [by[-1]] * (int(item[0].text) - 1)
                elif item[0].kind == "name":
                    by.append(item[0].text)
                else:
                    raise _UnknownError
        if not by:
            raise _UnknownError
        body = self.argument(parts[0])
        order = "" if len(by) == 1 else "²" if len(by) == 2 else f"^{len(by)}"
        below = "".join(f"∂{name}" for name in by)
        if len({*by}) == 1:
            below = f"d{by[0]}{order}"
        return f"{'d' if len({*by}) == 1 else '∂'}{order}/{below} ({body})"

    # Entries.

    def is_entry(self, group: _Word) -> bool:
        """Tell whether what is in brackets are indices."""
        if not group.parts or len(group.parts) > 6:
            return False
        if self.entry != self.call:
            return True
        return any(
            all(item.kind == "number" or item.text in (":", "end") for item in part)
            for part in group.parts
        )

    def entries(self, word: str, group: _Word) -> str:
        """Write entries with labels that count from 0; a colon is the whole axis."""
        first, rows = self.language.first or 0, iter(_LABELS_OF_ROWS)
        if len(group.parts) == 1 and [item.text for item in group.parts[0]] == [":"]:
            return f"vec({word})" if self.entry == "(" else word
        found = []
        for part in group.parts:
            text = "".join(item.text for item in part)
            if re.fullmatch("[0-9]{1,9}", text) and int(text) >= first:
                found.append(str(int(text) - first))
            elif text == ":":
                found.append(next(rows, "m"))
            elif re.fullmatch(r"[^\W\d_](?:[-+]\d{1,9})?", text):
                found.append(text)
            else:
                raise _UnknownError
        is_short = all(len(index) == 1 for index in found)
        numbers = sum(index.isdecimal() for index in found)
        if is_short and (numbers == 0 or len(found) == 1 or numbers < len(found)):
            return f"{word}_{''.join(found)}"
        return f"{word}_{{{','.join(found)}}}"


_WITH_METHODS = ("NumPy", "Python", "SymPy or Maple")
#: What is called otherwise than NumPy, by the name of its module.
_TITLES = {
    "torch": "PyTorch",
    "F": "PyTorch",
    "nn": "PyTorch",
    "jnp": "JAX",
    "jax": "JAX",
    "tf": "TensorFlow",
    "tensorflow": "TensorFlow",
    "math": "Python",
    "scipy": "SciPy",
    "cp": "CuPy",
    "cupy": "CuPy",
}
_MODULES = frozenset(
    re.findall(r"\w+", "np numpy jnp jax torch tf tensorflow cp cupy scipy math F K sp sympy nn mx")
)
