"""Which letter an index gets: the user's own where there is one, else one that never clashes.

>>> first_unused("pqr", {"q"})
'p'
>>> take = fresh_letters({"p", "q"})
>>> next(take), next(take)
('r', 's')
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from itertools import chain, count

#: Letters for the axes of what one differentiates by, in the order in which they are taken.
DOMAIN = "pqrstuvwxyzabcdefghijklmno"
#: Letters for the axes of what is differentiated, and for summed indices.
DUMMY = "ijklmnabcdefghopqrstuvwxyz"


def _all_letters(preferred: str) -> Iterator[str]:
    greek = "αβγζηθικλμνξρστφχψω"  # without δ, the delta, and ε, which is read as a small number
    yield from chain(preferred, preferred.upper(), greek)
    # CJK ideographs: 20,000 single letters that isalpha() accepts and that no one else uses here.
    yield from (chr(0x4E00 + k) for k in range(20_000))
    yield from (f"i{k}" for k in count())


def fresh_letters(used: Container[str], preferred: str = DOMAIN) -> Iterator[str]:
    """Yield letters that are not in `used`, in the preferred order, never the same one twice."""
    return (letter for letter in _all_letters(preferred) if letter not in used)


def numbered(name: str, first: int = 1) -> Iterator[str]:
    """Yield a name, and then the name with numbers.

    >>> names = numbered("v")
    >>> next(names), next(names), next(names)
    ('v', 'v1', 'v2')
    """
    yield name
    yield from (f"{name}{k}" for k in count(first))


def first_unused(preferred: Iterable[str], used: Container[str], fallback: str = DUMMY) -> str:
    """Return the first of `preferred` that is not in `used`, else a fresh letter."""
    first = (letter for letter in preferred if letter not in used)
    return next(first, "") or next(fresh_letters(used, fallback))
