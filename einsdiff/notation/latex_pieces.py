"""Pieces of plain text that a formula in LaTeX is translated into, each with where it stood."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

#: What a bracket is closed by.
_CLOSING = {"(": ")", "[": "]", "<": ">", "‖": "‖", "|": "|", "(‖": "‖)", "(|": "|)", "": ""}

#: Signs that part terms, or the sides of a comparison.
_LOOSE = frozenset(["+", "-", "=", "<", ">", "<=", ">=", "!=", ",", ";", ":"])


@dataclass(slots=True)
class LatexPiece:
    """A name, number, sign or bracket.

    Attributes
    ----------
    kind
        ``"name"``, ``"number"``, ``"function"``, ``"sign"``, ``"script"`` for what is raised or
        lowered, ``"group"`` for brackets, ``"glue"`` for what nothing parts from what follows,
        ``"tied"`` for what nothing parts from what is before it either.
    text, matrix
        The text in index notation, and in matrix notation where it differs; of brackets the
        opening one.
    column, end
        Where it stands in LaTeX; of brackets also where the closing one does.
    columns
        For each character of `text`, if they do not all stand at `column`.
    apart
        Whether space stands before it.
    inner
        What stands in brackets, or is raised.
    letters
        Letters that are raised: labels if they are labels elsewhere, else a product.
    is_whole
        Whether it is a name with an index that is part of it, which is no operand's: braces say
        so in index notation, ``w_hidden_{}``.
    """

    kind: str
    text: str
    column: int
    matrix: str | None = None
    columns: tuple[int, ...] = ()
    apart: bool = False
    end: int = 0
    inner: list[LatexPiece] = field(default_factory=list)
    letters: tuple[str, ...] = ()
    is_whole: bool = False


def bracketed(
    inner: list[LatexPiece], column: int, end: int, sign: str = "(", apart: bool = False
) -> LatexPiece:
    """Put pieces into brackets."""
    return LatexPiece("group", sign, column, apart=apart, end=end, inner=inner)


def lowered_script(text: str, columns: tuple[int, ...], column: int) -> LatexPiece:
    """Lower an index: in braces, unless it is one sign, or in matrix notation a word.

    >>> lowered_script("F", (3,), 3).text, lowered_script("12", (3, 4), 3).text
    ('_F', '_{12}')
    """
    is_one = len(text) == 1
    matrix = f"_{text}" if is_one or text.isalpha() else f"_{{{text}}}"
    if is_one:
        return LatexPiece("script", f"_{text}", column, columns=(column, *columns), matrix=matrix)
    places = (column, column, *columns, *columns[-1:])
    return LatexPiece("script", f"_{{{text}}}", column, columns=places, matrix=matrix)


def atoms(pieces: Sequence[LatexPiece]) -> int:
    """Count the factors, without what is raised and lowered.

    >>> atoms(
    ...     [LatexPiece("function", "exp", 0), bracketed([], 3, 4), LatexPiece("name", "x", 5)]
    ... )
    2
    """
    return sum(piece.kind in ("name", "number", "group") for piece in pieces)


def is_loose(pieces: Sequence[LatexPiece]) -> bool:
    """Tell whether pieces need brackets in a product: a sum, or operations of several kinds."""
    signs = [piece.text for piece in pieces if piece.kind == "sign"]
    is_big = any(piece.kind == "tied" or piece.text in ("Σ", "Π") for piece in pieces)
    return is_big or bool(signs)


def upper_labels(pieces: Sequence[LatexPiece], labels: Collection[str]) -> frozenset[str]:
    """Return the labels of a formula with upper ones, if some of these also stand below.

    Several letters above a name are labels then, ``T^{ij}_k v^k``, and single ones may be.
    """
    groups: list[tuple[str, ...]] = []
    stack = [*pieces]
    while stack:
        piece = stack.pop()
        stack += piece.inner
        if piece.letters:
            groups.append(piece.letters)
    if not any(letter in labels for group in groups for letter in group):
        return frozenset(labels)
    several = (letter for group in groups if len(group) > 1 for letter in group)
    return frozenset(labels).union(several)


def has_labels(pieces: Sequence[LatexPiece]) -> bool:
    """Tell whether something is lowered, here or in brackets."""
    stack = [*pieces]
    while stack:
        piece = stack.pop()
        if piece.kind == "script" and piece.text.startswith("_"):
            return True
        stack += piece.inner
    return False


def of_matrix(group: LatexPiece) -> list[LatexPiece]:
    """Write a bracket with labels after it as the function that it is: inv, solve, pinv, expm."""
    inner = group.inner
    if group.kind != "group" or len(inner) < 2:
        return [group]
    at = next((k for k in range(1, len(inner)) if inner[k].text[:1] in ("^", "⁺")), 0)
    mark = inner[at]
    power = mark.inner[0].text if mark.text == "^" and len(mark.inner) == 1 else ""
    base, rest = inner[:at], inner[at + 1 :]
    name = {"^-1": "inv", "⁺": "pinv", "^": "expm" if base[:1] and base[0].text == "e" else ""}
    found = name.get(mark.text, "")
    is_one = atoms(base) == 1 and base[0].kind in ("name", "group")
    if not found or not is_one or (rest and (found != "inv" or atoms(rest) != 1)):
        return [group]
    if found == "expm":
        arguments = mark.inner
        if not power:
            return [group]
        return [LatexPiece("function", found, group.column), _argument(arguments, group)]
    if not rest:
        if found == "inv" and base[0].kind == "name":
            return [group]  # (X^-1)_ij is read
        cores = base[1:]
        return [
            LatexPiece("function", found, group.column, apart=group.apart),
            *cores,
            _argument(base[:1], group),
        ]
    inside = [*_bare(base), LatexPiece("sign", ",", mark.column), *_bare(rest)]
    cores = _joined([*base[1:], *rest[1:]])
    first = LatexPiece("function", "solve", group.column, apart=group.apart)
    return [first, *cores, bracketed(inside, group.column, group.end)]


def _bare(pieces: list[LatexPiece]) -> list[LatexPiece]:
    """Return what stands in a bracket with labels, or a name."""
    return pieces[0].inner if pieces[0].kind == "group" else pieces[:1]


def _argument(pieces: list[LatexPiece], group: LatexPiece) -> LatexPiece:
    return bracketed(_bare(pieces), group.column, group.end)


def _joined(scripts: list[LatexPiece]) -> list[LatexPiece]:
    """Join the labels of two arguments."""
    if len(scripts) != 2:
        return []
    texts = [piece.text[1:].strip("{}") for piece in scripts]
    return [LatexPiece("script", f"_{{{';'.join(texts)}}}", scripts[0].column)]


def has_matrix_product(pieces: Sequence[LatexPiece]) -> bool:
    """Tell whether a capital letter stands in a product with another name or bracket."""
    stack = [pieces]
    while stack:
        row = [piece for piece in stack.pop() if piece.kind != "script"]
        for k, piece in enumerate(row):
            stack.append(piece.inner)
            if piece.kind != "name" or not piece.text[0].isupper():
                continue
            is_divisor = k > 0 and row[k - 1].text == "/"
            beside = [] if is_divisor else row[max(k - 1, 0) : k] + row[k + 1 : k + 2]
            if any(other.kind in ("name", "function", "group") for other in beside):
                return True
    return False


def rendered(
    pieces: Sequence[LatexPiece], is_matrix: bool, labels: Collection[str]
) -> tuple[str, list[int]]:
    """Write pieces as text, with the column in LaTeX of each character."""
    text: list[str] = []
    columns: list[int] = []
    before: _Flat | None = None
    for flat in _flattened(pieces, is_matrix, labels):
        if flat.kind == "end" and before is not None:
            before.kind = "raised"
        if not flat.text:
            continue
        if before is not None and _is_parted(before, flat):
            text.append(" ")
            columns.append(flat.columns[0])
        if (
            flat.kind == "sign"
            and flat.text in "+-"
            and (before is None or before.kind in ("sign", "open", "tight", "glue"))
        ):
            flat.kind = "tight"  # a sign before a thing
        text.append(flat.text)
        columns += flat.columns
        before = flat
    return "".join(text), columns


@dataclass(slots=True)
class _Flat:
    kind: str  # that of a piece, or open, close, or tight: with no space after it
    text: str
    columns: Sequence[int]
    apart: bool = False


def _flattened(
    pieces: Sequence[LatexPiece], is_matrix: bool, labels: Collection[str]
) -> Iterator[_Flat]:
    """List what is written, brackets as what opens and what closes."""
    stack: list[LatexPiece | _Flat] = [*reversed(pieces)]
    while stack:
        piece = stack.pop()
        if isinstance(piece, _Flat):
            yield piece
            continue
        shown = piece.matrix if is_matrix and piece.matrix is not None else piece.text
        if piece.kind == "group":
            last = _CLOSING[shown]
            yield _Flat("open", shown, (piece.column,) * len(shown), piece.apart)
            stack.append(_Flat("close", last, (piece.end,) * len(last)))
            stack += reversed(piece.inner)
            continue
        if piece.letters:
            is_power = not labels or not set(piece.letters) <= {*labels}
            joined = "".join(piece.letters)
            if len(piece.letters) > 1:
                shown = f"^({' '.join(piece.letters)})" if is_power else f"^{{{joined}}}"
        if piece.is_whole and not is_matrix and "_" in shown:
            follows = stack[-1] if stack else None
            is_indexed = isinstance(follows, LatexPiece) and follows.text.startswith("_")
            if is_indexed and isinstance(follows, LatexPiece) and not follows.text.startswith("_{"):
                follows.text = f"_{{{follows.text[1:]}}}"
                follows.columns = ()
            shown += "" if is_indexed else "_{}"
        columns = piece.columns if len(piece.columns) == len(shown) else ()
        if (
            not columns
            and piece.kind in ("name", "number")
            and piece.end - piece.column == len(shown)
        ):
            columns = tuple(range(piece.column, piece.end))
        yield _Flat(piece.kind, shown, columns or (piece.column,) * len(shown), piece.apart)
        if piece.inner:
            stack += [_Flat("end", "", ()), *reversed(piece.inner)]


def _is_parted(left: _Flat, right: _Flat) -> bool:
    """Tell whether space stands between two things."""
    if right.text in (",", ";"):
        return False
    if left.text in (",", ";"):
        return True
    if left.kind in ("open", "glue", "tight", "tied"):
        return False
    if right.kind in ("close", "script", "tight", "tied") or "/" in (left.text, right.text):
        return False
    if left.kind == "script" and left.text.endswith("^"):
        return False
    if right.kind == "open":
        if left.kind == "function":
            return False
        if left.kind in ("name", "script") and right.text == "(":
            return right.apart or left.text.startswith("^")
    return True
