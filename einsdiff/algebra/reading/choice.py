"""Which axes a function of rows or of matrices is taken over, by the labels of its argument."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from typing import NamedTuple

from einsdiff.algebra.nodes.function_records import (
    FAMILIES,
    FUNCTIONS,
    Function,
    Unspecified,
    lookup,
)
from einsdiff.notation.trees import Index

#: Names for powers.
POWERS: dict[str, int | Fraction] = {"sqrt": Fraction(1, 2), "square": 2, "reciprocal": -1}

#: Other names of functions, which are read.
ALIASES = {
    "ln": "log",
    "sgn": "sign",
    **{"a" + name: "arc" + name for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
}


def is_function(name: str) -> bool:
    """Tell whether index notation has a function of this name.

    >>> is_function("sqrt"), is_function("A")
    (True, False)
    """
    is_known = name in FUNCTIONS or name in FAMILIES or name in POWERS or name in ALIASES
    return is_known or (name.endswith("'") and lookup(name) is not None)


def is_word(name: str) -> bool:
    """Tell whether a name is that of a function also where no bracket follows.

    A function that is not specified is none there: who declares g for ``g(x)`` has ``g_ij``, too.

    >>> is_word("sqrt"), is_word("A")
    (True, False)
    """
    found = FUNCTIONS.get(name)
    return is_function(name) and not (found and isinstance(found.implementation, Unspecified))


class Argument(NamedTuple):
    """What the choice of a function needs to know of an argument.

    `rank` is the number of axes of a name without labels, None if that is not known, -1 of others.
    `free` are the letters that are free in it, in order of appearance, `letters` are all.
    `is_given` says that the free ones were written at the function's name, so that these are acted
    on.
    """

    rank: int | None
    free: tuple[str, ...] = ()
    letters: frozenset[str] = frozenset()
    is_given: bool = False


class Choice(NamedTuple):
    """A function, the number of batch axes, and for each argument whether it has them."""

    function: Function
    batch: int
    batched: tuple[bool, ...]


def choose(
    name: str, arguments: Sequence[Argument], labels: Sequence[Index], batch: int | None = None
) -> Choice | None:
    """Find the function that is meant, from the labels of its value and of its arguments.

    The first labels of the value may be batch labels, `batch` many if that is known. In an
    argument, the letters that are among them are batch axes, and the others are acted on; of a name
    without labels, the last axes are. Return None if no function of the table fits.
    """
    default = lookup(name)
    if default is not None and len(default.ranks) != len(arguments):
        return None  # all functions of a name have as many arguments
    carried = frozenset[str]().union(*(argument.letters for argument in arguments))
    best: tuple[tuple[bool, bool, int], Choice] | None = None
    for count in range(len(labels) + 1) if batch is None else (batch,):
        letters = {label for label in labels[:count] if isinstance(label, str)}
        is_lettered = len(letters) == count and letters <= carried
        for options in product(
            *(
                _options(argument, k, count, letters, default)
                for k, argument in enumerate(arguments)
            )
        ):
            ranks = tuple(rank for rank, _ in options)
            batched = tuple(has for _, has in options)
            function = lookup(name, ranks)
            if function is None or function.ranks != ranks:
                continue
            if len(function.cores[1]) != len(labels) - count:
                continue
            by_name = any(a.rank != -1 and has for a, has in zip(arguments, batched, strict=True))
            if count and not by_name and not is_lettered:
                continue
            # Several names without labels have no batch axes, if a function of all axes fits.
            is_usual = function is default or (count == 0 and len(arguments) > 1)
            found = (count > 0 and not all(batched), not is_usual, count)
            if best is None or found < best[0]:
                best = found, Choice(function, count, batched)
    return None if best is None else best[1]


def _options(
    argument: Argument, k: int, batch: int, letters: set[str], default: Function | None
) -> list[tuple[int, bool]]:
    """List how many axes a function may act on in an argument, and whether it has batch axes."""
    if argument.rank == -1:
        acted = [a for a in argument.free if argument.is_given or a not in letters]
        return [(len(acted), bool(argument.letters & letters))]
    if argument.rank is None:
        usual = default.ranks[k : k + 1] if default is not None else ()
        return [(rank, batch > 0) for rank in dict.fromkeys((*usual, 1, 2))]
    found = [(argument.rank - batch, True)] if 0 < batch <= argument.rank else []
    return [*found, (argument.rank, False)]
