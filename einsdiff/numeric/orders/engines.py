r"""Who searches for the order of a contraction: everything that opt_einsum takes, and cotengra.

opt_einsum calls a search with the labels of each factor, those of the result and the size of each
label, and gets the positions of what is multiplied in each step:

>>> import opt_einsum as oe
>>> search = as_optimizer(oe.DynamicProgramming())
>>> searched(search, [(0, 1), (1, 2), (2,)], (0,), {0: 10, 1: 20, 2: 30}).path
((1, 2), (0, 1))
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from typing import Any, NamedTuple

import opt_einsum as oe

from einsdiff.errors import OperandError
from einsdiff.notation.subscripts import is_index
from einsdiff.numeric.orders.networks import Path

#: Searches that try so many orders that they do not come to an end for more factors than these.
MOST_FACTORS = {"optimal": 12, "branch-all": 12, "branch-2": 30}
#: So many optimisers are known again.
MOST_HELD = 64


class Searched(NamedTuple):
    """What a search found: the path, and labels that are to be sliced if it says so."""

    path: Path
    sliced: tuple[int, ...] = ()


class Held:
    """An optimiser that is an object, told apart from others by identity.

    opt_einsum's and cotengra's optimisers keep the best that they found, so that one is for one
    network; others get copies of what it was when it was given.
    """

    __slots__ = ("is_for_one", "is_used", "pristine", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.is_for_one = hasattr(value, "best") or hasattr(value, "best_ssa_path")
        self.is_used = False
        self.pristine = None
        if self.is_for_one:
            with suppress(Exception):  # some hold what cannot be copied, such as processes
                self.pristine = _copied(value)

    def fresh(self) -> Any:
        """Return the optimiser for one more search."""
        if not self.is_used or not self.is_for_one:
            self.is_used = True
            return self.value
        if self.pristine is None:
            raise OperandError(
                f"optimize={self} is for one network, and this is another one",
                action="pass a new one, or one that can be used again such as "
                "cotengra.ReusableHyperOptimizer()",
            )
        return _copied(self.pristine)

    def __str__(self) -> str:
        return _text(self.value)


def _copied(value: Any) -> Any:
    """Copy an object; what modules it refers to are these."""
    return deepcopy(value, {id(module): module for module in list(sys.modules.values())})


class Explicit(NamedTuple):
    """A path that was given, and the names of the arrays in the order that it counts them in."""

    path: Path
    names: tuple[str, ...] = ()


#: What is asked for: nothing, a name of opt_einsum's, False for the order as written, a path, or an
#: object.
Optimizer = str | bool | Explicit | Held | None

_held: dict[int, Held] = {}


def as_optimizer(optimize: Any, names: Sequence[str] = ()) -> Optimizer:
    """Read what is given as ``optimize=``, or raise OperandError.

    That is what opt_einsum takes: None, True or False, the name of a search, a path, an optimiser
    such as ``opt_einsum.RandomGreedy()`` or ``cotengra.HyperOptimizer()``, or a function. The names
    are those of the arrays in the order in which a path counts them. None is einsdiff's own choice.

    >>> as_optimizer("Greedy"), as_optimizer([(0, 1), (0, 1)]).path
    ('greedy', ((0, 1), (0, 1)))
    """
    if optimize is None or optimize is False:
        return optimize
    if optimize is True:
        return "auto"
    if isinstance(optimize, str):
        _named(optimize)
        return optimize.lower()
    if isinstance(optimize, list | tuple):
        return Explicit(_as_path(optimize), tuple(names))
    if not callable(optimize) or isinstance(optimize, type):
        made = "()" if isinstance(optimize, type) else ""
        raise OperandError(
            f"optimize={_text(optimize)} is no way to search for an order of contraction",
            action=f"write optimize={_text(optimize)}{made}, an instance"
            if made
            else "write the name of a search such as 'auto-hq', a path such as "
            "[(0, 1), (0, 1)], an optimiser of opt_einsum's or cotengra's, or None",
        )
    held = _held.get(id(optimize))
    if held is None or held.value is not optimize:
        if len(_held) >= MOST_HELD:
            del _held[next(iter(_held))]
        held = _held[id(optimize)] = Held(optimize)
    return held


def _text(value: Any) -> str:
    """Write an optimiser in an error.

    >>> _text(oe.RandomGreedy), _text(oe.RandomGreedy()), _text(3)
    ('RandomGreedy', '<RandomGreedy>', '3')
    """
    if isinstance(value, type):
        return value.__name__
    if callable(value):
        return f"<{getattr(value, '__name__', type(value).__name__)}>"
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _named(name: str) -> Any:
    """Return the search of a name; cotengra adds its own to those of opt_einsum."""
    name = name.lower()
    with suppress(KeyError):
        return oe.paths.get_path_fn(name)
    who, more = "neither opt_einsum nor cotengra has a search", ""
    try:
        import cotengra  # noqa: F401  # which registers its searches
    except ImportError:
        who = "opt_einsum has no search"
        more = '; cotengra brings more: pip install "einsdiff[cotengra]"'
    with suppress(KeyError):
        return oe.paths.get_path_fn(name)
    names = getattr(oe.paths, "_PATH_OPTIONS", ("auto", "auto-hq", "greedy", "optimal"))
    known = ", ".join(map(repr, sorted(names)))
    raise OperandError(f"{who} {name!r}", action=f"write one of {known}{more}")


def _as_path(path: Sequence[Any]) -> Path:
    """Read a path; NumPy's begins with a word."""
    steps = list(path[1:] if path and path[0] == "einsum_path" else path)
    count = 1
    for step in steps:
        if not isinstance(step, list | tuple) or not step or not all(map(is_index, step)):
            raise OperandError(
                f"{step!r} is no step of a path",
                action="a path lists for each step the positions of what is multiplied, such "
                "as [(1, 2), (0, 1)] for three factors; the product comes last then",
            )
        count += len(step) - 1
    return _checked(steps, count, path)


# --- searching --------------------------------------------------------------------------------


def searched(
    optimizer: str | bool | Held,
    factors: Sequence[Sequence[int]],
    output: Sequence[int],
    sizes: Mapping[int, int],
) -> Searched:
    """Search for an order in which to multiply factors with these labels.

    The labels of `output` are kept. A search that fails or returns no path is an OperandError.
    """
    count = len(factors)
    if optimizer is False:  # as written
        return Searched(((0, 1), *[(0, k) for k in range(count - 2, 0, -1)]) if count > 1 else ())
    if count < 3:
        return Searched(((0, 1),) if count == 2 else ())
    most = MOST_FACTORS.get(optimizer, count) if isinstance(optimizer, str) else count
    if count > most:
        raise OperandError(
            f"optimize={optimizer!r} does not come to an end for {count} factors",
            action="write optimize='auto-hq' or 'random-greedy-128', or pass "
            "cotengra.HyperOptimizer()",
        )
    # As opt_einsum calls them, with letters, whose order in sets is another one in each process:
    # its own searches get numbers. No axis of none, since they divide by sizes.
    is_named = isinstance(optimizer, str)
    letter = {n: n if is_named else oe.get_symbol(k) for k, n in enumerate(sizes)}
    back = {symbol: n for n, symbol in letter.items()}
    inputs = [[letter[n] for n in own] for own in factors]
    size = {letter[n]: max(count, 1) for n, count in sizes.items()}
    kept = [letter[n] for n in output]
    search = optimizer.fresh() if isinstance(optimizer, Held) else _named(str(optimizer))
    # opt_einsum's greedy searches seed Python's random numbers, which are the user's.
    state = random.getstate()
    sliced: tuple[int, ...] = ()
    try:
        if hasattr(search, "search"):  # of cotengra, which slices
            tree = search.search(inputs, kept, size)
            path: Any = tree.get_path()
            sliced = tuple(back[symbol] for symbol in getattr(tree, "sliced_inds", ()))
        else:
            path = search(list(map(frozenset, inputs)), frozenset(kept), size, None)
    except OperandError:
        raise
    except Exception as error:
        raise OperandError(
            f"optimize={optimizer} found no order of contraction for {count} factors: "
            f"{type(error).__name__}: {error}",
            action="pass another one, or leave optimize= out",
        ) from error
    finally:
        random.setstate(state)
    return Searched(_checked(path, count, optimizer), sliced)


def _checked(path: Any, count: int, optimizer: Any) -> Path:
    """Return a path that multiplies everything once, two or more at a time."""
    left = list(range(count))
    fresh = range(count, 2 * count)
    groups: list[list[int]] = []
    try:
        for step in path:
            chosen = sorted({int(k) for k in step}, reverse=True)
            if len(chosen) < len(step) or not chosen or chosen[-1] < 0:
                raise ValueError
            group = [left.pop(k) for k in chosen]
            if len(group) > 1:
                groups.append(group)
                group = [fresh[len(groups) - 1]]
            left += group  # alone it is moved to the end, and nothing is multiplied
        if len(left) != 1:
            raise ValueError
    except (TypeError, ValueError, IndexError):
        raise OperandError(
            f"{_text(path)} is no path for {count} factors"
            + (f", and optimize={optimizer} gave it" if isinstance(optimizer, Held) else ""),
            action="a path lists for each step the positions of what is multiplied, such "
            "as [(1, 2), (0, 1)] for three factors; the product comes last then",
        ) from None
    left = list(range(count))
    found = []
    for k, group in enumerate(groups):
        found.append(tuple(sorted(map(left.index, group))))
        left = [*(n for n in left if n not in group), fresh[k]]
    return tuple(found)
