"""Texts that cannot be read: those in other languages, and those in two notations at once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from einsdiff.errors import ShapeError, SubscriptsError
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.notation.evidence import has_index_signs
from einsdiff.notation.foreign import LONGEST, elsewhere

_NAME = re.compile(
    r"(?P<name>[^\W\d_][^\W_]*)(?:_(?:\{(?P<braced>[^{}]*)\}|(?P<labels>[^\W_]+)))?"
    r"(?P<transposed>['′ᵀ]|\^T\b|\^⊤|\.T\b)?(?P<call>\()?"
)
_LATEX = re.compile(r"\\[A-Za-z]{2}|\\[,;:!|{}\[(]|\$")
_OF_MATRICES = re.compile(r"['′ᵀ⊤@⊙⊘⊗‖]|\^T\b|\.T\b|\|\|")


def told_elsewhere(
    text: str, error: SubscriptsError | ShapeError, read: Callable[[str], Tensor | None]
) -> SubscriptsError | None:
    """Say what a text is that cannot be read, and how it is written; None if that is not known.

    `read` reads another text, with None for what cannot be read.
    """
    if len(text) > LONGEST or "is an entry elsewhere" in str(error):
        return None
    if isinstance(error, ShapeError) and not re.search(r"cannot have \d+ arg", str(error)):
        return None
    if _LATEX.search(text):
        return None
    shown = re.sub(r"\s", " ", text)
    found = elsewhere(text, lambda other: read(other) is not None)
    if found is not None:
        return SubscriptsError(
            found.headline, text=shown, carets=range(found.start, found.end), action=found.action
        )
    return _mixed(shown, read)


def _mixed(text: str, read: Callable[[str], Tensor | None]) -> SubscriptsError | None:
    """Say what to write in each of two notations that are mixed."""
    sign = _OF_MATRICES.search(text)
    if sign is None or "\\" in text or not has_index_signs(text):
        return None
    without = _NAME.sub(lambda m: f"{m['name']}{m['transposed'] or ''}{m['call'] or ''}", text)
    matrix = read(without)
    if matrix is None:
        return None
    labelled = _labelled(text)
    index = read(labelled) if labelled else None
    if index is None:
        labelled, index = matrix.format("index").partition(" = ")[2], matrix
        if read(labelled) != matrix:  # the left-hand side says what is not summed
            labelled = matrix.format("index")
    what = "" if index == matrix else ", which is another formula"
    return SubscriptsError(
        "labels, as in index notation, and a sign of matrix notation stand together",
        text=text,
        carets=range(*sign.span()),
        action=f"write {without} without labels, or {labelled} with labels everywhere{what}",
    )


def _labelled(text: str) -> str:
    """Give the labels that stand once in a text to the names that have none, "" if others are."""
    names = list(_NAME.finditer(text))
    counts = Counter(char for m in names for char in m["braced"] or m["labels"] or "")
    free = [label for label, count in counts.items() if count == 1]
    bare = [m for m in names if not (m["braced"] or m["labels"] or m["call"])]
    if len(free) != len(bare) or not all(label.isalpha() for label in free):
        return ""
    given = {m.start(): label for m, label in zip(bare, free, strict=True)}

    def written(m: re.Match[str]) -> str:
        index = m["braced"] or m["labels"] or given.get(m.start(), "")
        braced = f"{{{index}}}" if m["braced"] else index
        return f"{m['name']}{'_' if index else ''}{braced}{m['call'] or ''}"

    return _NAME.sub(written, text)
