"""Which notation a text is in, and what stands in front of an expression.

The evidence for a notation, in this order: a backslash is LaTeX's; subscripts that are labels,
deltas and sums over labels are index notation; transposes, norms, products of matrices and an
upper-case name in a product are matrix notation; and what has none of these is about scalars, which
all notations write in the same way.

>>> [which(text) for text in ("A_ij x_j", "x' A x", "sin(2 x)", "A x")]
['index', 'matrix', 'index', 'matrix']
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from einsdiff.errors import SubscriptsError
from einsdiff.notation.matrix_parser import has_index_signs, is_matrix_notation

#: The notations of `notation=`.
NOTATIONS = ("index", "matrix", "latex", "einsum")

_RAISED = "²³⁴⁵⁶⁷⁸⁹"
_POWER = rf"(?:\^\{{?(\d)\}}?|([{_RAISED}]))?"
_LETTER = rf"[^\W\d_{_RAISED}]"
_VARIABLE = rf"{_LETTER}(?:{_LETTER}|\d)*(?:_\{{[^{{}}]*\}}|_\w+|\[[^\[\]]*\])?"
_BELOW = re.compile(rf"\s*[d∂]\s*({_VARIABLE}?){_POWER}(?![\w])")
_ABOVE = re.compile(rf"(?:\s*([d∂]){_POWER}\s*/)")
_NABLA = re.compile(rf"\s*∇(?:\^\{{?(\d)\}}?|([{_RAISED}]))?_(?:\{{([^{{}}]*)\}}|({_LETTER}+))")
#: A derivative that is asked for within an expression.
_INSIDE = re.compile(rf"(?<!\w)[d∂]{_POWER}\s*/\s*([d∂]){_LETTER}|∇_")

#: Functions whose value is a matrix; in index notation labels follow, inv(A)_ij.
_MATRICES = re.compile(r"(?<!\w)(?:inv|pinv|adj|expm|logm|sqrtm)\(")


class Asked(NamedTuple):
    """What an expression is to be differentiated by, one after the other, and where it begins."""

    by: tuple[str, ...]
    start: int


def which(text: str, ranks: Mapping[str, int | None] | None = None) -> str:
    """Tell matrix notation from index notation, in a text that is no LaTeX and no einsum string.

    `ranks` has the number of axes of each operand that is known, None where it is not.
    """
    is_matrix = is_matrix_notation(text, ranks or {})
    is_matrix = is_matrix or (bool(_MATRICES.search(text)) and not has_index_signs(text))
    return "matrix" if is_matrix else "index"


def asked(text: str, names: Collection[str] = ()) -> Asked | None:
    """Find a derivative that is asked for in front of an expression; None if there is none.

    `names` are those of operands. A derivative that is asked for elsewhere, or that leaves open
    what is differentiated, is a `SubscriptsError`.

    >>> asked("d/dx (x' A x)"), asked("∂²/∂x∂y_0 x y_0"), asked("∂f/∂x = 2 x")
    (Asked(by=('x',), start=4), Asked(by=('x', 'y_0'), start=9), None)
    >>> asked("d/dx x^2 + x")
    Traceback (most recent call last):
    einsdiff.SubscriptsError: it is not clear how much is to be differentiated
    <BLANKLINE>
        d/dx x^2 + x
                 ^
    <BLANKLINE>
    put all that is to be differentiated in brackets, d/dx (..), and write nothing behind them
    """
    found = _in_front(text, names)
    start = 0 if found is None else found.start
    inside = None if "d" in names else _INSIDE.search(text, start)
    if inside is not None and not _is_heading(text, inside.start()):
        raise SubscriptsError(
            "a derivative is asked for within an expression",
            text=text,
            carets=[inside.start()],
            action="write it in front of the whole, d/dx (..), or differentiate the parts by "
            "einsdiff.grad",
        )
    if found is not None:
        _check_extent(text, start)
    return found


def _in_front(text: str, names: Collection[str]) -> Asked | None:
    nabla = _NABLA.match(text)
    if nabla is not None:
        power, raised, *names_ = nabla.groups()
        name = next(filter(None, names_))
        return Asked((name,) * _number(power, raised), nabla.end())
    above = _ABOVE.match(text)
    if above is None or (above[1] == "d" and "d" in names):
        return None
    at, by = above.end(), []
    bracket = re.compile(r"\s*\(").match(text, at)
    at = bracket.end() if bracket else at
    while (below := _BELOW.match(text, at)) is not None and below[1]:
        by += [below[1]] * _number(below[2], below[3])
        at = below.end()
    if not by:
        return None
    if bracket:
        if text[at : at + 1] != ")":
            return None
        at += 1
    count = _number(above[2], above[3])
    if count != len(by):
        raise SubscriptsError(
            f"the order above is {count}, and it is differentiated by {len(by)} below",
            text=text,
            carets=[above.start(1)],
            action="write ∂²/∂x² or ∂²/∂x∂y for a second derivative",
        )
    if not text[at:].strip():
        raise SubscriptsError(
            "nothing is differentiated",
            text=text,
            carets=[len(text)],
            action="write an expression after it, as in d/dx (x^2)",
        )
    return Asked(tuple(by), at)


def _number(power: str | None, raised: str | None) -> int:
    return int(power) if power else 2 + _RAISED.index(raised) if raised else 1


def _is_heading(text: str, at: int) -> bool:
    """Tell whether a quotient of differentials is a left-hand side."""
    return "=" in text[at:] and not text[:at].strip()


def _check_extent(text: str, start: int) -> None:
    """Refuse sums that are not in brackets: it would be open where the derivative ends."""
    depth, before, norms = 0, "", False
    is_bracket = text[start:].lstrip()[:1] == "("
    for at in range(start, len(text)):
        char = text[at]
        if char == "‖" or text[at : at + 2] == "||":
            norms = not norms
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif depth == 0 and not norms and before:
            is_sum = char in "+-−=" and before not in "^*/·,=+-−⊙⊘⊗"
            is_behind = is_bracket and before == ")" and not char.isspace()
            if is_sum or is_behind:
                raise SubscriptsError(
                    "it is not clear how much is to be differentiated",
                    text=text,
                    carets=[at],
                    action="put all that is to be differentiated in brackets, d/dx (..), and write "
                    "nothing behind them",
                )
        if not char.isspace():
            before = char
