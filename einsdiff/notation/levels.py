r"""Upper and lower indices: ``g_ij x^i x^j``, ``A^i_j``, ``T^{ij}_k``.

A raised letter is an index where the text says so: where it also stands below a name, or where it
is known how many axes the operand has. Else it is an exponent, as in ``x^2`` and ``x^n``. What a
level means is left to the reader; where the indices stand is a matter of spelling, and the text is
read as if all of them stood below, each name's in their order.

>>> found = lowered("A^i_j x^j", {})
>>> found.text, found.of
('A_{ij} x_{j}', {'A': (True, False), 'x': (True,)})
>>> lowered("x^n + y_i", {})
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, NoReturn
from unicodedata import normalize

from einsdiff.errors import SubscriptsError
from einsdiff.notation.index_parser import parse_equation
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.trees import (
    Apply,
    Equation,
    Over,
    Partial,
    Power,
    Product,
    Sum,
    Symbol,
    Tree,
    letters_of,
    symbols_of,
)

#: Names that have no levels of their own: deltas and permutation symbols.
SIGNS = ("δ", "delta", "ε", "eps", "epsilon", "varepsilon")
#: What has labels below it that are no axes, and exponents that are none.
_SUMS = ("Σ", "∑", "Π", "∏", "sum", "prod")
_NEVER = ("T", "H")

_SMALL = "⁰¹²³⁴⁵⁶⁷⁸⁹ₐ-ₜᵢ-ᵪ₀-₉ⱼ"
_LETTER = rf"[^\W\d_{_SMALL}]"
_SCRIPT = re.compile(
    rf"_(?:\{{(?P<low>[^{{}}]*)\}}|(?P<short>[^\W_]+))|(?P<sub>[ₐ-ₜᵢ-ᵪ₀-₉ⱼ]+)"
    rf"|\^(?:\{{(?P<high>[^{{}}]*)\}}|(?P<up>{_LETTER}+)(?![^\W_]))|\{{\}}"
)
_NAME = re.compile(rf"{_LETTER}[^\W_{_SMALL}]*")
_DERIVED = re.compile(r"∂[⁰¹²³⁴⁵⁶⁷⁸⁹]*\s*$")
_RAISED = re.compile(rf"\^\s*\{{?\s*{_LETTER}")


class Lowered(NamedTuple):
    """A text with all indices below."""

    text: str
    #: Where each character stands in the text that was given, and where that ends.
    columns: tuple[int, ...]
    #: For each name that has indices, whether each of them is an upper one.
    of: Mapping[str, tuple[bool, ...]]
    #: The same for each place of a name in the new text.
    at: Mapping[int, tuple[bool, ...]]


class _LevelLabel(NamedTuple):
    text: str
    column: int
    is_upper: bool


@dataclass(slots=True)
class _LevelPlace:
    """A name with what is written below and above it."""

    name: str
    start: int
    end: int
    labels: list[_LevelLabel] = field(default_factory=list)
    #: Whether there is something raised that could be an index, and whether it is.
    is_open: bool = False
    is_index: bool | None = None

    @property
    def upper(self) -> list[str]:
        return [label.text for label in self.labels if label.is_upper]

    @property
    def lower(self) -> list[str]:
        return [label.text for label in self.labels if not label.is_upper]


def lowered(
    text: str, ranks: Mapping[str, int | None], sizes: Iterable[str] = ()
) -> Lowered | None:
    """Write a text with all indices below; None if it has no upper ones.

    `ranks` has the number of axes of each operand that is known, None where it is not, and `sizes`
    are names of sizes. Where a raised letter may be an exponent as well as an index it is a
    `SubscriptsError`.
    """
    if not _RAISED.search(text):
        return None
    return _lowered(text, tuple(sorted(ranks.items())), frozenset(sizes))


@lru_cache(maxsize=1024)
def _lowered(
    text: str, known: tuple[tuple[str, int | None], ...], sizes: frozenset[str]
) -> Lowered | None:
    ranks = dict(known)
    places = list(_places(text, ranks))
    if not _settled(text, places, ranks, sizes):
        return None
    shown: list[str] = []
    columns: list[int] = []
    of: dict[str, tuple[bool, ...]] = {}
    at: dict[int, tuple[bool, ...]] = {}
    done = 0

    def write(part: str, first: int, step: int = 0) -> None:
        shown.append(part)
        columns.extend(first + step * k for k in range(len(part)))

    for place in places:
        if not place.labels or (place.is_open and not place.is_index):
            continue
        write(text[done : place.start], done, 1)
        levels = tuple(label.is_upper for label in place.labels)
        at[len(columns)] = levels
        if place.name not in SIGNS and of.setdefault(place.name, levels) != levels:
            _fail(
                text,
                f"the indices of {place.name} stand at different levels",
                [label.column for label in place.labels],
                "no level is changed by itself: write a metric, g_ij x^j for x_i, give the other "
                "one a name of its own, or write all indices below; "
                f"write Σ_{place.labels[0].text} before the term for powers",
            )
        write(place.name, place.start, 1)
        if any(levels):
            write("_{", place.end - 1)
            is_short = all(len(label.text) == 1 for label in place.labels)
            for k, label in enumerate(place.labels):
                write("," if k and not is_short else "", label.column)
                write(label.text, label.column, 1)
            is_one = len(place.labels) == 1 and not is_short
            write(",}" if is_one else "}", place.end - 1)
        else:
            after = place.start + len(place.name)
            write(text[after : place.end], after, 1)
        done = place.end
    write(text[done:], done, 1)
    return Lowered("".join(shown), (*columns, len(text)), of, at)


def _places(text: str, ranks: Mapping[str, int | None]) -> Iterator[_LevelPlace]:
    """Yield the names of a text, with their scripts."""
    parted = sorted((name for name in ranks if "_" in name), key=len, reverse=True)
    at = 0
    while at < len(text):
        name = next((n for n in parted if text.startswith(n, at)), "")
        if not name and (match := _NAME.match(text, at)):
            name = match[0]
        if not name:
            at += 1
            continue
        place = _LevelPlace(name, at, at + len(name))
        at = _scripts(text, place)
        yield place


def _scripts(text: str, place: _LevelPlace) -> int:
    """Read what is below and above a name; return where it ends."""
    at = place.end
    if place.name in _SUMS:
        match = _SCRIPT.match(text, at)
        return match.end() if match else at
    while (match := _SCRIPT.match(text, at)) is not None:
        group = match.lastgroup
        if group is not None:
            inside, first = normalize("NFKC", match[group]), match.start(group)
            is_upper = group in ("high", "up")
            labels = list(_labels(inside, first, is_upper, group in ("short", "sub", "up")))
            is_of_letters = all(re.match(_LETTER, label.text) for label in labels)
            if is_upper and not is_of_letters and "," not in inside:
                break  # an exponent
            place.labels += labels
            place.is_open |= is_upper
        at = match.end()
        place.end = at
    return max(at, place.end)


def _labels(text: str, column: int, is_upper: bool, is_short: bool) -> Iterator[_LevelLabel]:
    if "," not in text and (is_short or re.fullmatch(r"[\w\s]*", text)):
        for k, char in enumerate(text, column):
            if not char.isspace():
                yield _LevelLabel(char, k, is_upper)
        return
    for part in text.split(","):
        if part.strip():
            yield _LevelLabel(part.strip(), column + len(part) - len(part.lstrip()), is_upper)
        column += len(part) + 1


# --- indices or exponents ---------------------------------------------------------------------


def _settled(
    text: str,
    places: Sequence[_LevelPlace],
    ranks: Mapping[str, int | None],
    sizes: Collection[str],
) -> bool:
    """Tell for each raised letter whether it is an index; return whether one is."""
    maybe = [place for place in places if place.is_open]
    if not maybe:
        return False
    below = {label for place in places for label in place.lower}
    bound = _bound(text)
    equals = _equals(text)
    alone = {place.name for place in places if not place.labels}
    for place in maybe:
        is_size = any(label in sizes and label not in below for label in place.upper)
        place.is_index = False if is_size else _by_rank(place, ranks)
        if place.is_index is None and place.end <= equals:  # no power stands on the left
            place.is_index = True
        if place.is_index is None and _DERIVED.search(text[max(0, place.start - 9) : place.start]):
            place.is_index = True
    evident = [
        place
        for place in maybe
        if place.is_index is None and any(a in below and a not in bound for a in place.upper)
    ]
    if not evident and not any(place.is_index for place in maybe):
        return False
    times = [label.text for place in places for label in place.labels]
    for place in maybe:
        if place.is_index is not None:
            continue
        is_open = [a for a in place.upper if a in alone or a in bound or times.count(a) < 2]
        if is_open and len(place.labels) == 1:
            letter = is_open[0]
            _fail(
                text,
                f"'{letter}' above {place.name} is an index or an exponent",
                [label.column for label in place.labels],
                f"write {place.name}^({letter}) or Σ_{letter} for a power; for an upper "
                f"index, give {place.name} as an operand with an axis, {place.name}='n', or write "
                "all indices below",
            )
        place.is_index = True
    return True


def _equals(text: str) -> int:
    """Return where the left-hand side ends."""
    depth = 0
    for column, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if char == "=" and not depth:
            return column
    return 0


def _by_rank(place: _LevelPlace, ranks: Mapping[str, int | None]) -> bool | None:
    """Tell by what is known of an operand whether what is raised is an index."""
    if any(label in ranks or label in _NEVER for label in place.upper):
        return False
    if place.name == "e" and "e" not in ranks:
        return False
    rank = ranks.get(place.name)
    if rank is None:
        return None
    return True if rank == len(place.labels) else False if rank == len(place.lower) else None


def _bound(text: str) -> Collection[str]:
    """List the letters at the signs of sums."""
    found = re.findall(rf"(?<![^\W_])(?:{'|'.join(_SUMS)})_(\{{[^{{}}]*\}}|[^\W_]+)", text)
    return {letter for part in found for letter in re.findall(_LETTER, part)}


def _fail(text: str, headline: str, columns: Iterable[int], action: str) -> NoReturn:
    raise SubscriptsError(headline, text=text, carets=columns, action=action)


# --- once up and once down --------------------------------------------------------------------


class _Stand(NamedTuple):
    """A label in a term: its level, None where it has none, and where it stands."""

    is_upper: bool | None
    column: int
    is_metric: bool = False  # whether it is a delta's, both of whose labels are at one level


_Stands = dict[str, list[_Stand]]


def open_levels(found: Lowered, names: Iterable[str]) -> dict[str, bool]:
    """Tell for each label that is not summed whether it stands above.

    `names` are those that a text may have with underscores in them, as for `parse_equation`. Labels
    that are summed at one level, or added at two, are a `SubscriptsError`.

    >>> open_levels(lowered("A^i_j x^j", {}), ())
    {'i': True}
    >>> open_levels(lowered("g_ij x^i x^j + x^i x^i", {}), ())
    Traceback (most recent call last):
    einsdiff.SubscriptsError: 'i' stands twice above
    <BLANKLINE>
        g_ij x_{i} x_{j} + x_{i} x_{i}
                              ^     ^
    <BLANKLINE>
    a label is summed once up and once down, x^i y_i; write all indices below for other sums
    """
    equation = parse_equation(found.text, tuple(names))
    left = {letter for symbol in symbols_of(equation.left) for letter in letters_of(symbol.labels)}
    checker = _LevelChecker(found, left)
    right = checker.summed(run(checker.stands(equation.right)))
    for label, (level, column, _) in checker.left(equation).items():
        for other in right.get(label, [])[:1]:
            if None not in (level, other.is_upper) and level != other.is_upper:
                above, side = ("above", "below") if other.is_upper else ("below", "above")
                checker.fail(
                    f"'{label}' stands {above} on the right-hand side and {side} on the left",
                    [column, other.column],
                    "write it at the same level on both sides, and a power as "
                    f"x^({label}); what is differentiated by has its labels at the other one",
                )
    return {label: bool(own[0].is_upper) for label, own in right.items()}


class _LevelChecker:
    """Checks one text; methods that take a tree are jobs, see `run`."""

    def __init__(self, found: Lowered, free: Collection[str]) -> None:
        #: The labels of the left-hand side are not summed, wherever they stand.
        self.found, self.free = found, free

    def fail(self, headline: str, columns: Iterable[int], action: str) -> NoReturn:
        _fail(self.found.text, headline, columns, action)

    def left(self, equation: Equation) -> dict[str, _Stand]:
        """Return where the labels of the left-hand side stand; below a derivative, turned."""
        stands = {}
        for k, symbol in enumerate(symbols_of(equation.left)):
            for label, (stand, *more) in self.of_symbol(symbol, is_turned=k > 0).items():
                if more:
                    self.fail(
                        f"'{label}' stands twice on the left-hand side",
                        [one.column for one in (stand, *more)],
                        "write another letter, and a delta on the right: f^i_j = δ^i_j x",
                    )
                stands[label] = stand
        return stands

    def of_symbol(self, symbol: Symbol, is_turned: bool = False) -> _Stands:
        levels = self.found.at.get(symbol.column, (False,) * len(symbol.labels))
        stands: _Stands = {}
        is_metric = symbol.name == "δ" and len(levels) == 2 and levels[0] == levels[1]
        for k, index in enumerate(symbol.labels):
            column = symbol.columns[k] if k < len(symbol.columns) else symbol.column
            for letter in letters_of([index]):
                level = levels[k] != is_turned if k < len(levels) else None
                stands.setdefault(letter, []).append(_Stand(level, column, is_metric))
        return stands

    def stands(self, tree: Tree) -> Job[_Stands]:
        """Return where the labels that are open in a tree stand."""
        found: _Stands = {}
        match tree:
            case Symbol():
                found = self.of_symbol(tree)
            case Partial(base, wrt):
                parts = [self.of_symbol(base), *(self.of_symbol(z, True) for z in wrt)]
                found = _together(parts)
            case Product(factors):
                parts = []
                for factor, _ in factors:
                    parts.append((yield self.stands(factor)))
                found = _together(parts)
            case Power(base=base):
                found = yield self.stands(base)
            case Over(labels=labels, body=body, chains=chains):
                inner: _Stands = yield self.stands(body)
                bound = {*labels, *(a for c in chains for side in c.sides for _, a in side.terms)}
                found = {label: own for label, own in inner.items() if label not in bound}
                found = self.summed(found)
            case Sum(terms):
                for _, term in terms:
                    self.alike(found, self.summed((yield self.stands(term))))
            case Apply(symbol=symbol, arguments=arguments, labels=labels):
                found = self.of_symbol(symbol)
                for label in letters_of(labels or ()):
                    found.setdefault(label, []).append(_Stand(None, symbol.column))
                for argument in arguments:
                    part = self.summed((yield self.stands(argument)))
                    found = _together([found, part])
        return found

    def summed(self, stands: _Stands) -> _Stands:
        """Leave out the labels that are summed in a term: those that stand there twice."""
        for label, own in stands.items():
            levels = [stand.is_upper for stand in own]
            if (
                label not in self.free
                and len(own) == 2
                and None not in levels
                and levels[0] == levels[1]
            ):
                self.fail(
                    f"'{label}' stands twice {'above' if levels[0] else 'below'}",
                    [stand.column for stand in own],
                    "a label is summed once up and once down, x^i y_i; write all indices below "
                    "for other sums",
                )
            is_summed = len(own) > 1 and label not in self.free
            if is_summed and any(stand.is_metric for stand in own):
                self.fail(
                    f"a delta would move '{label}' to another level",
                    [stand.column for stand in own],
                    "a delta has a label above and one below, δ^i_j; write a metric, g_ij, or all "
                    "indices below",
                )
        return {
            label: own if len(own) == 1 else [_Stand(None, own[0].column)]
            for label, own in stands.items()
            if len(own) == 1 or label in self.free
        }

    def alike(self, found: _Stands, term: _Stands) -> None:
        """Add the open labels of a term to those of the terms before it."""
        for label, own in term.items():
            first = found.setdefault(label, own)[0]
            if None not in (first.is_upper, own[0].is_upper) and first.is_upper != own[0].is_upper:
                self.fail(
                    f"'{label}' stands above in one term and below in another",
                    [first.column, own[0].column],
                    "write it at one level in all terms, or write a metric that lowers it",
                )


def _together(parts: Iterable[_Stands]) -> _Stands:
    found: _Stands = {}
    for part in parts:
        for label, own in part.items():
            found[label] = [*found.get(label, []), *own]
    return found
