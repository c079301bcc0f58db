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
from functools import lru_cache
from typing import NamedTuple

from einsdiff.errors import SubscriptsError
from einsdiff.notation.matrix_parser import WORDS

#: The notations of `notation=`.
NOTATIONS = ("index", "matrix", "latex", "einsum")

_RAISED = "²³⁴⁵⁶⁷⁸⁹"
_POWER = rf"(?:\^\{{?(\d)\}}?|([{_RAISED}]))?"
_LETTER = rf"[^\W\d_{_RAISED}]"
_VARIABLE = rf"{_LETTER}(?:{_LETTER}|\d)*(?:_\{{[^{{}}]*\}}|_\w+|\[[^\[\]]*\])?"
_BELOW = re.compile(rf"\s*[d∂]\s*({_VARIABLE}?){_POWER}(?![\w])")
_ABOVE = re.compile(rf"(?:\s*([d∂]){_POWER}\s*/)")
_OPENING = re.compile(r"\s*\(")
_NABLA = re.compile(rf"\s*∇(?:\^\{{?(\d)\}}?|([{_RAISED}]))?_(?:\{{([^{{}}]*)\}}|({_LETTER}+))")
#: A derivative that is asked for within an expression.
_INSIDE = re.compile(rf"(?<!\w)[d∂]{_POWER}\s*/\s*([d∂]){_LETTER}|∇_")

#: What einsdiff writes behind matrix notation.
_NOTES = re.compile(
    r"\s+\((?:numerator layout|denominator layout|Hessian|in the shape of|vec order)[^()]*\)\s*$"
)

#: What only index notation has, and subscripts of matrix notation that it could be taken for.
_LABELLED = re.compile(
    r"_\{?(?:[0-9]*[i-np-s][0-9i-np-s]*|[a-z]{1,2})(?![^\W_])|_\{[^{}]*[,<+-]|\)_|[δΣ∑Π∏]_|[Σ∑∏][ₐ-ₜ^]|->"
    r"|[ᵢ-ᵪₐ-ₜⱼ]"
)
_SIZED = re.compile(r"[IKe]_\{?|[IK][ₐ-ₜ]+")

#: Functions of a whole operand, which index notation has too.
_OF_WHOLE = re.compile(r"\b(?:det|logdet|max|min|logsumexp|prod)\(\s*[^\W\d]\w*\s*\)")

#: What only matrix notation has.
_SIGNS = re.compile(
    r"['′ᵀ⊤@⊙∘⊘⊗‖⟨𝟏⁺;]|⁻ᵀ|\.[*/^T]|\|\||<[^<>=]*,|\b(?:det|tr) +[^\W\d_]|\b(?:log|ln) +det\b"
    r"|\[[^\[\]<>=≥≤≠]*,"
)
_TRANSPOSED = re.compile(r"\^\{?-?T\b")

#: An upper-case name beside another factor, or inverted.
_UPPER = r"([A-ZΑ-Ω][^\W_]*)"
_IN_PRODUCT = re.compile(
    rf"(?<![^\W_]){_UPPER}(?:⁻¹|[\^²³ⁿ]|\s*[*·|]|\s*(?=\()|\s+(?=[^\W_]))"
    rf"|(?:[*·|]|\)|[^\W_]\s)\s*{_UPPER}(?![^\W_])"
    rf"|\([^()]*?(?<![^\W_]){_UPPER}[^()]*\)\s*(?=[^\W_]|\()"
)

#: Words that tell matrix notation from index notation, where there are no labels.
_TELLING = WORDS - {
    *("det", "logdet", "min", "max", "ln", "sgn", "sqrt", "square", "reciprocal", "σ")
} | {"expm", "inv"}


class Asked(NamedTuple):
    """What an expression is to be differentiated by, one after the other, and where it begins."""

    by: tuple[str, ...]
    start: int


def which(text: str, ranks: Mapping[str, int | None] | None = None) -> str:
    """Tell matrix notation from index notation, in a text that is no LaTeX and no einsum string.

    `ranks` has the number of axes of each operand that is known, None where it is not.
    """
    return "matrix" if is_matrix_notation(text, ranks or {}) else "index"


def is_matrix_notation(text: str, ranks: Mapping[str, int | None]) -> bool:
    """Tell matrix notation from index notation.

    `ranks` has the number of axes of each operand that is known, None where it is not.

    >>> is_matrix_notation("x' A x", {}), is_matrix_notation("A_ij x_j", {})
    (True, False)
    >>> is_matrix_notation("a x", {}), is_matrix_notation("a x", {"a": 2})
    (False, True)
    """
    told = _told(text)
    if isinstance(told, bool):
        return told
    words, upper, is_transposed = told
    if (is_transposed and "T" not in ranks) or any(ranks.get(word) for word in words):
        return True
    return any(ranks.get(name) != 0 for name in upper)


@lru_cache(maxsize=1024)
def _told(text: str) -> bool | tuple[frozenset[str], frozenset[str], bool]:
    """Tell what a text says alone: whether it is matrix notation, if that is certain.

    Else return the words that an operand with axes may be called, the upper-case names in products,
    and whether there is a ``^T``.
    """
    if _NOTES.search(text):
        return True
    if has_index_signs(text):
        return False
    words = frozenset(re.findall(r"[^\W\d]\w*", _OF_WHOLE.sub("", text)))
    if _SIGNS.search(text) or words & _TELLING:
        return True
    found = (match[1] or match[2] or match[3] for match in _IN_PRODUCT.finditer(text))
    return words, frozenset(found), bool(_TRANSPOSED.search(text))


def has_index_signs(text: str) -> bool:
    """Tell whether a text has what only index notation has.

    >>> has_index_signs("A_ij x_j"), has_index_signs("I_n x"), has_index_signs("A x")
    (True, False, False)
    """
    return bool(_LABELLED.search(_SIZED.sub("", text))) or "\\" in text


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
    bracket = _OPENING.match(text, at)
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
