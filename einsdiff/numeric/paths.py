r"""In which order a product is contracted, and what that costs.

opt_einsum searches; what is found is judged by the time that it takes, not by multiplications
alone: a matrix product does many of them for each entry that it reads or writes, a product entry
by entry only one,

.. math:: \text{cost}(AB) = \tfrac18\, m k n + (m k + k n + m n) .

>>> path, cost = find_path(((0, 1), (1, 2), (2,)), (0,), (100, 200, 300))
>>> path
((1, 2), (0, 1))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from math import inf, prod
from typing import Any

import opt_einsum as oe

__all__ = ["Path", "find_path"]

Path = tuple[tuple[int, ...], ...]

#: So many multiplications of a matrix product cost as much as writing one entry of an array.
#: Measured with OpenBLAS: 10 to 40, fewer for matrices with few rows or columns.
BLAS = 8
#: Products of so many factors, and no fewer, are searched greedily; all orders of others are tried.
MANY_FACTORS = 5


def _random_greedy(*args: Any) -> Any:
    """Try 24 greedy orders; opt_einsum's optimisers remember what they were called with."""
    return oe.RandomGreedy(max_repeats=24, minimize="flops")(*args)


#: Searches, the cost of what was found before from which on they are worth their time, and the
#: fewest factors that they are for.
_SEARCHES: tuple[tuple[Callable[..., Any], float, int], ...] = (
    (lambda *args: oe.paths.greedy(*args), 0, MANY_FACTORS),
    (lambda *args: oe.paths.auto(*args), 2**12, MANY_FACTORS),
    (_random_greedy, 2**18, MANY_FACTORS),
)


@lru_cache(maxsize=4096)
def find_path(
    factors: tuple[tuple[int, ...], ...], output: tuple[int, ...], sizes: tuple[int, ...]
) -> tuple[Path, float]:
    """Find an order in which to multiply factors.

    Parameters
    ----------
    factors
        The labels of each.
    output
        The labels that are kept; the others are summed.
    sizes
        The size of each label.

    Returns
    -------
    tuple
        The positions of what is multiplied in each step, as opt_einsum gives them; and about how
        many entries could be written in that time.

    Examples
    --------
    >>> find_path(((0, 1), (1, 2)), (0, 2), (100, 200, 300))
    (((0, 1),), 860000.0)
    """
    left = [frozenset(labels) for labels in factors]
    kept = frozenset(output)
    if len(left) < 2:
        is_summed = bool(left) and left[0] != kept
        return (), float(prod(sizes[n] for n in left[0])) if is_summed else 0.0
    # Factors with the same axes are multiplied first, which costs no more in any order.
    first: list[tuple[int, ...]] = []
    rest = list(left)
    while (pair := _alike(rest)) is not None:
        first.append(pair)
        rest.append(rest[pair[0]])
        del rest[pair[1]], rest[pair[0]]
    # No axis of none: opt_einsum divides by sizes.
    size = {n: max(sizes[n], 1) for labels in left for n in labels}
    best: Path = ()
    cost = inf
    if len(rest) < MANY_FACTORS:
        best = (*first, *min(_orders(len(rest)), key=lambda path: _cost(rest, kept, sizes, path)))
        cost = _cost(left, kept, sizes, best)
    for search, least, fewest in _SEARCHES:
        if cost < least or len(rest) < fewest:
            continue
        path = (*first, *_found(search, rest, kept, size))
        found = _cost(left, kept, sizes, path)
        if found < cost:
            best, cost = path, found
    return best, cost


@lru_cache(maxsize=MANY_FACTORS)
def _orders(count: int) -> tuple[Path, ...]:
    """List all orders in which so many factors can be multiplied, pair by pair.

    >>> len(_orders(4))
    18
    """
    if count < 2:
        return ((),)
    return tuple(
        (pair, *rest) for pair in combinations(range(count), 2) for rest in _orders(count - 1)
    )


def _alike(factors: Sequence[frozenset[int]]) -> tuple[int, int] | None:
    """Find two factors with the same axes."""
    seen: dict[frozenset[int], int] = {}
    for k, labels in enumerate(factors):
        if labels in seen:
            return seen[labels], k
        seen[labels] = k
    return None


def _found(
    search: Callable[..., Any],
    factors: Sequence[frozenset[int]],
    kept: frozenset[int],
    size: Mapping[int, int],
) -> Path:
    if len(factors) < 3:
        return ((0, 1),) if len(factors) == 2 else ()
    return tuple(tuple(sorted(chosen)) for chosen in search(list(factors), kept, size))


def _cost(
    factors: Sequence[frozenset[int]],
    kept: frozenset[int],
    sizes: Sequence[int],
    path: Sequence[Sequence[int]],
) -> float:
    left = list(factors)
    total = 0.0
    for chosen in path:
        group = [left.pop(k) for k in sorted(chosen, reverse=True)]
        union = frozenset().union(*group)
        result = union & kept.union(*left)
        work = prod(sizes[n] for n in union)
        if result == union:
            total += work
        else:
            moved = sum(prod(sizes[n] for n in labels) for labels in (*group, result))
            total += work / BLAS + moved
        left.append(result)
    return total
