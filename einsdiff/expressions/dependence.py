r"""Numbers that were computed from a variable, and meet an expression in it again.

An array has no derivative. Where :math:`w_i = x_i^2` was computed, and the array is multiplied by
:math:`x_i`, the product depends on the entries of ``w`` as on constants:

.. math:: f = w_i x_i, \qquad \frac{\partial f}{\partial x_p} = w_p \quad\text{and not}\quad
    3 x_p^2 .

What was computed is remembered in three ways, all bounded: the arrays themselves, as long as they
live; the entries of the last small ones, which NumPy copies into arrays of its own; and the places
in the user's code that asked for them. In ``math.exp(x[0]) * x`` a number meets an expression, and
within that product `x` was asked for numbers.

>>> x = np.array([1.0, 2.0])
>>> w = x**2
>>> note(w, ["x"], {"x": x})
>>> lost(w[:1], {"x": x}), lost(w + 1, {"x": x}), lost(w, {"x": x.copy()})
('x', '', '')
"""

from __future__ import annotations

import ast
import linecache
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import groupby, islice
from types import CodeType, FrameType
from typing import Any, NamedTuple
from weakref import ref

from einsdiff.numeric.libraries.lazy import np

#: So many arrays are remembered, and for so many variables so many conversions of at most so many
#: entries each.
MOST_ARRAYS, MOST_VARIABLES, MOST_CONVERSIONS, MOST_ENTRIES = 512, 64, 64, 16
#: So many places are remembered, each with the calls that led there, and so many of these.
MOST_PLACES, MOST_CALLS = 32, 12


_NUMBERS = (int, float, complex)
_Span = tuple[tuple[int, int], tuple[int, int]]


class _Conversions(NamedTuple):
    """The array of a variable, and the entries of small ones that were computed from it."""

    of: ref[Any]
    entries: deque[tuple[bytes, np.dtype[Any]]]


class _Place(NamedTuple):
    """Instructions that were running when numbers were asked for: that of each call."""

    running: tuple[tuple[int, CodeType, int], ...]
    of: list[tuple[str, ref[Any]]]


_places: deque[_Place] = deque(maxlen=MOST_PLACES)

#: An array that was computed, and the arrays of the variables that it depends on.
_arrays: dict[int, tuple[ref[Any], list[tuple[str, ref[Any]]]]] = {}

#: What was computed from a variable last, by its name and the identity of its array.
_conversions: dict[tuple[str, int], _Conversions] = {}


def note(
    array: np.ndarray[Any, np.dtype[Any]],
    names: Iterable[str],
    values: Mapping[str, Any],
    frame: FrameType | None = None,
) -> None:
    """Remember that an array was computed from variables, and where it was asked for."""
    of = [(name, ref(values[name])) for name in names]
    if array.size <= MOST_ENTRIES:
        entry = array.tobytes(), array.dtype
        for name, alive in of:
            value = values[name]
            key = name, id(value)
            known = _conversions.get(key)
            if known is None or known.of() is not value:
                if len(_conversions) >= MOST_VARIABLES:
                    _conversions.clear()
                known = _conversions[key] = _Conversions(alive, deque(maxlen=MOST_CONVERSIONS))
            if not known.entries or known.entries[-1] != entry:
                known.entries.append(entry)
    if array.ndim:
        if len(_arrays) >= MOST_ARRAYS:
            _forget_the_dead()
        _arrays[id(array)] = ref(array), of
    running: list[tuple[int, CodeType, int]] = []
    while frame is not None and len(running) < MOST_CALLS:
        running.append((id(frame), frame.f_code, frame.f_lasti))
        frame = frame.f_back
    if running:
        _places.append(_Place(tuple(running), of))


def _forget_the_dead() -> None:
    for key in [key for key, (array, _) in list(_arrays.items()) if array() is None]:
        _arrays.pop(key, None)
    if len(_arrays) >= MOST_ARRAYS:
        _arrays.clear()


def lost(array: Any, values: Mapping[str, Any]) -> str:
    """Return the name of a variable that an array was computed from, as far as that is seen."""
    base: Any = array
    while base is not None:
        known = _arrays.get(id(base))
        if known is not None and known[0]() is base:
            for name, value in known[1]:
                if name in values and value() is values[name]:
                    return name
            return ""
        base = getattr(base, "base", None)
    if type(array) is np.ndarray and 0 < array.size <= 256 and array.dtype.kind in "iufc":
        return next((n for n, value in values.items() if _is_made_of(array, n, value)), "")
    return ""


def lost_within(
    frame: FrameType | None, numbers: Mapping[int, Any], values: Mapping[str, Any]
) -> str:
    """Return the name of a variable that was asked for numbers within what runs now."""
    if frame is None or not _places:
        return ""
    code, here, own = frame.f_code, frame.f_lasti, id(frame)
    if all(_is_literal(number, code) for number in numbers.values()):
        return ""
    whole: _Span | None = None
    for place in _places:
        start = next((at for key, c, at in place.running if key == own and c is code), here)
        if start >= here:
            continue
        name = next((n for n, value in place.of if n in values and value() is values[n]), "")
        if not name:
            continue
        whole, part = whole or _span(code, here), _span(code, start)
        if whole and part and _is_of_a_number(frame, whole, part, numbers):
            return name
    return ""


def _is_literal(number: Any, code: CodeType) -> bool:
    """Tell whether a number stands in the source: it was not computed."""
    kind = type(number)
    return kind in _NUMBERS and any(type(c) is kind and c == number for c in code.co_consts)


def _span(code: CodeType, instruction: int) -> _Span | None:
    """Return the lines and columns at which the source of an instruction begins and ends."""
    places = islice(code.co_positions(), instruction // 2, None)
    first, last, start, stop = next(places, (None,) * 4)
    if first is None or last is None or start is None or stop is None:
        return None
    return (first, start), (last, stop)


def _is_of_a_number(
    frame: FrameType, whole: _Span, part: _Span, numbers: Mapping[int, Any]
) -> bool:
    """Tell whether it is an operand that is a number or an array within which numbers were asked.

    Literals were not computed. Of two operands the source tells where each is, if it is known.
    """
    if whole == part or part[0] < whole[0] or whole[1] < part[1]:
        return False
    found = [k for k, number in numbers.items() if not _is_literal(number, frame.f_code)]
    (first, start), (last, stop) = whole
    line = linecache.getline(frame.f_code.co_filename, first, frame.f_globals).encode()
    if found and first == last and line:
        with suppress(SyntaxError, ValueError):
            tree = ast.parse(line[start:stop].decode(errors="replace").strip(), mode="eval").body
            if isinstance(tree, ast.BinOp) and tree.left.end_col_offset is not None:
                is_left = part[0][1] - start < tree.left.end_col_offset
                return (0 if is_left else 1) in found
    return bool(found)


def _is_made_of(array: Any, name: str, own: Any) -> bool:
    """Tell whether the entries of an array, in their order, are what was computed last."""
    found = _conversions.get((name, id(own)))
    if found is None or found.of() is not own or own is array:
        return False
    recent = list(found.entries)
    rows = [entry for entry, dtype in recent if len(entry) > dtype.itemsize]
    numbers = [np.frombuffer(entry, d)[0] for entry, d in recent if len(entry) == d.itemsize]
    flat = array.ravel()
    if rows and _are_rows(flat.tobytes(), rows):
        return True
    known = np.isin(flat, numbers)
    if not known.any():
        return False
    if known.all() and _is_run(_without_repeats(flat), _without_repeats(np.array(numbers))):
        return True
    # Constants may stand between them: then one number has to tell where it comes from.
    if isinstance(own, np.ndarray) and own.size <= 10_000:
        known &= ~np.isin(flat, own)
    return any(map(_is_telling, flat[known].tolist()))


def _are_rows(data: bytes, rows: list[bytes]) -> bool:
    """Tell whether an array consists of several that were computed."""
    size = len(rows[-1])
    pieces = [data[k : k + size] for k in range(0, len(data), size)]
    return len(pieces) > 1 and all(piece in rows for piece in pieces)


def _is_run(given: list[Any], entries: list[Any]) -> bool:
    """Tell whether numbers follow each other in a longer list."""
    count = len(given)
    if count == 1 and not _is_telling(given[0]):
        return False
    starts = range(len(entries) - count + 1)
    return any(entries[start : start + count] == given for start in starts)


def _without_repeats(entries: Any) -> list[Any]:
    return [value for value, _ in groupby(entries.tolist())]


def _is_telling(value: complex) -> bool:
    """Tell whether a number has so many digits that no one writes it by chance."""
    parts = [part for part in (value.real, value.imag) if part]
    return any(np.isfinite(part) and part * 2**20 % 1 for part in parts)
