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
from typing import NamedTuple, NoReturn

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
_NABLA = re.compile(
    rf"\s*([∇D∂])(?:\^\{{?(\d)\}}?|([{_RAISED}]))?_(?:\{{([^{{}}]*)\}}|({_LETTER}+))"
)
#: The sign of a derivative around an expression, and of one that is said behind it.
_SIGN = re.compile(rf"\s*([d∂]){_POWER}")
_DEFINED = re.compile(rf"({_VARIABLE})/([d∂].*)")
#: What a derivative is called, before it: the derivative itself, or the function.
_RESULT = re.compile(
    rf"\s*(?:({_VARIABLE})|[d∂]({_LETTER}+)\s*/\s*[d∂]{_VARIABLE})\s*:?=(?=\s*[d∂D∇])"
)
#: A derivative that is asked for within an expression.
_INSIDE = re.compile(rf"(?<!\w)[d∂]{_POWER}\s*/\s*([d∂]){_LETTER}|∇_")

#: What einsdiff writes behind matrix notation.
_NOTES = re.compile(
    r"\s+\((?:numerator layout|denominator layout|Hessian|in the shape of|vec order|\w+ has shape)"
    r"[^()]*\)\s*$"
)

#: What only index notation has, and subscripts of matrix notation that it could be taken for.
_LABELLED = re.compile(
    r"_\{?(?:[0-9]*[i-np-s][0-9i-np-s]*|[a-z]{1,2}|[α-ω]{2,4}|[μνρκ])(?![^\W_])"
    r"|_\{[^{}]*[,<+-]|\)_|[δΣ∑Π∏]_|[Σ∑∏][ₐ-ₜ^]|->"
    r"|[ᵢ-ᵪₐ-ₜⱼ]"
)
_SIZED = re.compile(r"(?:[IKe𝟏]|(?<![\w.])0)_\{?|[IK][ₐ-ₜ]+")

#: Functions of a whole operand, which index notation has too.
_OF_WHOLE = re.compile(r"\b(?:det|logdet|max|min|logsumexp|prod)\(\s*[^\W\d]\w*\s*\)")

#: What only matrix notation has.
_SIGNS = re.compile(
    r"['′ᵀ⊤@⊙∘⊘⊗‖⟨𝟏⁺;]|(?<![\w.])0_|⁻ᵀ|\.[*/^T]|\|\|"
    r"|<[^<>=]*,|\b(?:det|tr) +[^\W\d_]|\b(?:log|ln) +det\b"
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
    """What an expression is to be differentiated by, one after the other, and where it stands."""

    by: tuple[str, ...]
    start: int
    end: int | None = None  # None where it is all that follows
    name: str = ""  # what the derivative is called, if that is said
    of: str = ""  # what the function is called, if that is said


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


#: An upper index on a left-hand side, where no power stands.
_RAISED_LEFT = re.compile(
    r"\s*[^\W\d_]\w*\^(?!T\b)\{?[^\W\d][^=\s()]*\s*=|\s*∂[^=()]*\^\{?[^\W\d][^=()]*="
)


def has_index_signs(text: str) -> bool:
    """Tell whether a text has what only index notation has.

    >>> has_index_signs("A_ij x_j"), has_index_signs("I_n x"), has_index_signs("A x")
    (True, False, False)
    """
    if "\\" in text or _RAISED_LEFT.match(text):
        return True
    return bool(_LABELLED.search(_SIZED.sub("", text)))


def asked(text: str, names: Collection[str] = (), formulas: Collection[str] = ()) -> Asked | None:
    """Find a derivative that is asked for; None if there is none.

    It stands in front of an expression, ``d/dx (..)``, or around it, ``d(..)/dx``, after the name
    of the result or none. `names` are those of operands, `formulas` of those that are given as
    texts. A derivative that is asked for elsewhere, or that leaves open what is differentiated, is
    a `SubscriptsError`.

    >>> asked("d/dx (x' A x)")
    Asked(by=('x',), start=4, end=None, name='', of='')
    >>> asked("g = ∂²(x y_0)/∂x∂y_0")
    Asked(by=('x', 'y_0'), start=6, end=13, name='g', of='')
    >>> asked("∂f/∂x = 2 x")
    >>> asked("d/dx x^2 + x")
    Traceback (most recent call last):
    einsdiff.SubscriptsError: it is not clear how much is to be differentiated
    <BLANKLINE>
        d/dx x^2 + x
                 ^
    <BLANKLINE>
    write d/dx (x^2 + x) for all of it; else take ed.grad('x^2', wrt='x') and go on with that
    """
    name, of, at = _result(text)
    found = _in_front(text, at, names) or _around(text, at, names, formulas)
    inside = None if "d" in names else _INSIDE.search(text, at if found is None else found.start)
    if inside is not None and not _is_heading(text, inside.start()):
        raise SubscriptsError(
            "a derivative is asked for within an expression",
            text=text,
            carets=[inside.start()],
            action="write it in front of the whole, d/dx (..), or differentiate the parts by "
            "einsdiff.grad",
        )
    if found is None:
        return None
    if found.end is None:
        _check_extent(text, at, found)
        start, end = _without_brackets(text, found.start)
        found = found._replace(start=start, end=end)
    return found._replace(name=name, of=of)


def _result(text: str) -> tuple[str, str, int]:
    """Read what a derivative and the function are called, and where the rest begins."""
    match = _RESULT.match(text)
    return (match[1] or "", match[2] or "", match.end()) if match else ("", "", 0)


def _in_front(text: str, start: int, names: Collection[str]) -> Asked | None:
    """Read ``d/dx ..``, ``∇_x ..`` or ``D_x ..``."""
    nabla = _NABLA.match(text, start)
    if nabla is not None:
        sign, power, raised, *names_ = nabla.groups()
        name = next(filter(None, names_))
        if sign == "∇" or (sign not in names and _stands_alone(name, text, nabla.end())):
            return Asked((name,) * _number(power, raised), nabla.end())
    above = _ABOVE.match(text, start)
    if above is None or (above[1] == "d" and "d" in names):
        return None
    below = _below(text, above.end())
    if below is None:
        return None
    by, at = below
    _check_order(text, above, by)
    if not text[at:].strip():
        raise SubscriptsError(
            "nothing is differentiated",
            text=text,
            carets=[len(text)],
            action="write an expression after it, as in d/dx (x^2)",
        )
    return Asked(by, at)


def _around(
    text: str, start: int, names: Collection[str], formulas: Collection[str]
) -> Asked | None:
    """Read ``d(..)/dx``, ``∂ tr(A X B)/∂A``, or ``df/dx`` of an operand or a formula f."""
    above = _SIGN.match(text, start)
    if above is None or above[1] in names:
        return None
    at = above.end()
    defined = _defined(text, at)
    if defined is not None:
        _check_order(text, above, defined.by)
        return defined
    stop = text.rfind("/")
    below = _below(text, stop + 1) if stop > at else None
    if below is None or text[below[1] :].strip() or any(f"d{name}" in names for name in below[0]):
        return None
    inside = text[at:stop].strip()
    if not inside or "=" in inside or (above[1] == "∂" and "∂" in inside):
        return None
    if re.fullmatch(_VARIABLE, inside):
        known = formulas if above[1] == "∂" else names
        if inside not in known or f"d{inside}" in names:
            return None  # of a function that nobody knows
    elif above[1] == "d" and not (text[at].isspace() or text[at] in "(["):
        return None  # a name that begins with d
    whole = _closing(text, at, stop)
    problem = None if whole else _sum_sign(text, at, stop)
    if problem is not None:
        shown = f"{text[start:at].strip()}(..){text[stop:].strip()}"
        _refuse_extent(text, shown, (at, stop), problem, below[0])
    _check_order(text, above, below[0])
    if whole and text[whole[0]] == "[":
        return Asked(below[0], whole[0] + 1, whole[1] - 1)
    return Asked(below[0], at, stop)


def _defined(text: str, at: int) -> Asked | None:
    """Read ``df/dx where f = ..``, from the f on."""
    equals = text.find("=", at)
    words = re.split(r"[\s,;:]+", text[at:equals].strip()) if equals > at else []
    if len(words) > 2 and words[-2] in ("where", "with", "for", "of"):
        del words[-2]
    if len(words) < 2:
        return None
    match = _DEFINED.fullmatch("".join(words[:-1]))
    below = _below(match[2], 0) if match and match[1] == words[-1] else None
    if match is None or below is None or below[1] < len(match[2]):
        return None
    return Asked(below[0], text.rindex(words[-1], at, equals), len(text))


def _below(text: str, at: int) -> tuple[tuple[str, ...], int] | None:
    """Read what is differentiated by, ``∂x∂y``, and return it with where it ends."""
    by: list[str] = []
    bracket = _OPENING.match(text, at)
    at = bracket.end() if bracket else at
    while (below := _BELOW.match(text, at)) is not None and below[1]:
        by += [below[1]] * _number(below[2], below[3])
        at = below.end()
    if not by or (bracket and text[at : at + 1] != ")"):
        return None
    return tuple(by), at + bool(bracket)


def _check_order(text: str, above: re.Match[str], by: Collection[str]) -> None:
    """Refuse another order above than below."""
    count = _number(above[2], above[3])
    if count != len(by):
        raise SubscriptsError(
            f"the order above is {count}, and it is differentiated by {len(by)} below",
            text=text,
            carets=[above.start(1)],
            action="write ∂²/∂x² or ∂²/∂x∂y for a second derivative",
        )


def _stands_alone(name: str, text: str, start: int) -> bool:
    """Tell whether a name stands in a text for an operand, and never for a label."""
    found = re.finditer(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", text[start:])
    before = {text[start + match.start() - 1] for match in found}
    return bool(before) and "_" not in before and not text[start:].lstrip().startswith("=")


def _number(power: str | None, raised: str | None) -> int:
    return int(power) if power else 2 + _RAISED.index(raised) if raised else 1


def _is_heading(text: str, at: int) -> bool:
    """Tell whether a quotient of differentials is a left-hand side."""
    return "=" in text[at:] and not text[:at].strip()


def _closing(text: str, start: int, stop: int) -> tuple[int, int] | None:
    """Return where a bracket opens that spans all there is but space, and where it ends."""
    while start < stop and text[stop - 1].isspace():
        stop -= 1
    while start < stop and text[start].isspace():
        start += 1
    if start >= stop or text[start] not in "([{":
        return None
    depth = 0
    for at in range(start, stop):
        depth += (text[at] in "([{") - (text[at] in ")]}")
        if depth == 0:
            return (start, stop) if at == stop - 1 else None
    return None


def _without_brackets(text: str, start: int) -> tuple[int, int | None]:
    """Return where an expression stands in square brackets or braces that are no part of it."""
    whole = _closing(text, start, len(text))
    if whole is None or text[whole[0]] == "(":
        return start, None
    if text[whole[0]] == "[" and re.search("[;,<>=≥≤≠]", text[whole[0] :]):
        return start, None
    return whole[0] + 1, whole[1] - 1


def _sum_sign(text: str, start: int, stop: int) -> int | None:
    """Find a sign of a sum, or what stands behind a bracket, outside of all brackets."""
    depth, before, norms = 0, "", False
    is_bracket = text[start:].lstrip()[:1] == "("
    for at in range(start, stop):
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
                return at
        if not char.isspace():
            before = char
    return None


def _check_extent(text: str, first: int, found: Asked) -> None:
    """Refuse sums that are not in brackets: it would be open where the derivative ends."""
    start = found.start
    at = _sum_sign(text, start, len(text))
    if at is not None:
        front = text[first:start].strip() + " (..)"
        _refuse_extent(text, front, (start, len(text)), at, found.by)


def _refuse_extent(
    text: str, shown: str, span: tuple[int, int], at: int, by: tuple[str, ...]
) -> NoReturn:
    """Say what to write for each of the two readings."""
    whole, part = text[slice(*span)].strip(), text[span[0] : at].strip()
    action = f"put all that is to be differentiated in brackets, {shown}"
    if len(whole) <= 60 and whole.count("(") == whole.count(")"):
        wrt = repr(by[0]) if len(by) == 1 else repr(by)
        action = (
            f"write {shown.replace('(..)', f'({whole})')} for all of it; "
            f"else take ed.grad({part!r}, wrt={wrt}) and go on with that"
        )
    raise SubscriptsError(
        "it is not clear how much is to be differentiated", text=text, carets=[at], action=action
    )
