r"""In which order a product is contracted, and what that costs.

opt_einsum searches; what is found is judged by the time that it takes, not by multiplications
alone: a matrix product does many of them for each entry that it reads or writes, a product entry
by entry only one,

.. math:: \text{cost}(AB) = \tfrac18\, m k n + (m k + k n + m n) .

What has more factors than `NETWORK` is searched as a closed network, and what was found for it is
an order for all its derivatives (`einsdiff.numeric.orders.networks`).

>>> path, cost = find_path(((0, 1), (1, 2), (2,)), (0,), (100, 200, 300))
>>> path
((1, 2), (0, 1))
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import combinations
from math import inf, prod
from typing import Any, NamedTuple

import opt_einsum as oe

from einsdiff.numeric.orders.engines import Explicit, Held, Searched, searched
from einsdiff.numeric.orders.networks import (
    BLAS,
    Labels,
    Path,
    TensorNetwork,
    Tree,
    annealed,
    cuts,
    hung,
    lightest,
    network_of,
    tree_of,
)
from einsdiff.numeric.orders.slices import MOST_STEPS, NETWORK, Slices, steps_of

#: Products of so many factors, and no fewer, are searched greedily; all orders of others are tried.
MANY_FACTORS = 5


def _random_greedy(*args: Any, trials: int = 24) -> Any:
    """Try greedy orders; opt_einsum's optimisers remember what they were called with."""
    state = random.getstate()  # which is the user's, and is seeded
    try:
        return oe.RandomGreedy(max_repeats=trials, minimize="flops")(*args)
    finally:
        random.setstate(state)


#: Searches, the cost of what was found before from which on they are worth their time, and the
#: fewest factors that they are for.
_SEARCHES: tuple[tuple[Callable[..., Any], float, int], ...] = (
    (lambda *args: oe.paths.greedy(*args), 0, MANY_FACTORS),
    (lambda *args: oe.paths.auto(*args), 2**12, MANY_FACTORS),
    (_random_greedy, 2**18, MANY_FACTORS),
)
#: Of a network greedy orders are tried that often, and the best is annealed in so many sweeps, from
#: which cost on.
TRIALS = 8
_SWEEPS = ((2**18, 160), (2**24, 640), (2**30, 2500))
#: In all sweeps so many branches are looked at, which takes a few seconds.
MOST_VISITS = 2**18
#: Where there is too little room, a tree is annealed in so many sweeps for each label that is
#: sliced, until no array takes a larger share of it than one of these.
ROOM_SWEEPS = 80
SHARES = (2, 4, 8, 16)


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """A path that was given for one product, as the tree of its network."""

    key: object  # the closed network of the product
    tree: Tree  # its tree, of the tensors in the order of the network


#: Who finds paths, once a path that was given is known to be for one product.
Finder = str | bool | Held | Given | None

#: Products: the labels of each factor, in an order or without.
Factors = tuple[Labels, ...]
Sets = Sequence[frozenset[int]]
#: Orders the tensors of a closed network.
Place = Callable[[Sequence[Labels], Mapping[int, int]], TensorNetwork]


@lru_cache(maxsize=4096)
def find_path(
    factors: Factors, output: Labels, sizes: Labels, finder: Finder = None
) -> tuple[Path, float]:
    """Find an order in which to multiply factors with these labels, keeping those of the output.

    The path has the positions of what is multiplied in each step, as opt_einsum gives them; its
    cost is about how many entries could be written in that time. Without a finder the choice is
    einsdiff's.

    >>> find_path(((0, 1), (1, 2)), (0, 2), (100, 200, 300))
    (((0, 1),), 860000.0)
    """
    left = [frozenset(labels) for labels in factors]
    kept = frozenset(output)
    if len(left) < 2:
        is_summed = bool(left) and left[0] != kept
        return (), float(prod(sizes[n] for n in left[0])) if is_summed else 0.0
    hanging = _network_path(left, kept, sizes, finder)
    if hanging is not None:
        return hanging, _cost(left, kept, sizes, hanging)
    if finder is not None and not isinstance(finder, Given):
        path = _searched(finder, factors, output, sizes).path
        return path, _cost(left, kept, sizes, path)
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


# --- networks ---------------------------------------------------------------------------------


class _Closed(NamedTuple):
    """A product and its result as a network; whether the result is a tensor of it."""

    network: TensorNetwork
    tensors: tuple[tuple[int, ...], ...]
    is_open: bool


def _closed(
    factors: Sets, kept: frozenset[int], sizes: Sequence[int], place: Place = network_of
) -> _Closed:
    tensors = [tuple(sorted(labels)) for labels in factors]
    if kept:
        tensors.append(tuple(sorted(kept)))
    size = {n: sizes[n] for labels in tensors for n in labels}
    return _Closed(place(tensors, size), tuple(tensors), bool(kept))


def _network_path(
    factors: Sets,
    kept: frozenset[int],
    sizes: Sequence[int],
    finder: Finder,
    place: Place = network_of,
) -> Path | None:
    """Return the path of the tree of a product's network, hung up at its result."""
    is_network = len(factors) + bool(kept) > NETWORK
    if not is_network and not isinstance(finder, Given):
        return None
    closed = _closed(factors, kept, sizes, place)
    if isinstance(finder, Given) and finder.key == closed.network.key:
        tree = finder.tree
    elif is_network:
        tree = _tree(closed.network.key, closed.network.leaves, _searcher(finder))[0]
    else:
        return None
    return _hung(closed, tree, sizes)


def _hung(closed: _Closed, tree: Tree, sizes: Sequence[int]) -> Path:
    """Return the path of the tree of a closed network, for the product that it was made of."""
    own = tree.placed([closed.network.place.index(k) for k in range(tree.leaves)])
    if closed.is_open:
        return hung(own, tree.leaves - 1)
    return hung(own, *lightest(own, closed.tensors, sizes))


def _searcher(finder: Finder) -> str | bool | Held | None:
    return None if isinstance(finder, Given) else finder


@lru_cache(maxsize=256)
def _tree(
    key: tuple[tuple[int, tuple[int, ...]], ...], count: int, finder: str | bool | Held | None
) -> tuple[Tree, tuple[int, ...]]:
    """Search for the tree of a network; also return the labels that are to be sliced."""
    tensors = TensorNetwork(key, count).tensors
    sizes = [size for size, _ in key]
    if finder is None:
        return _own_tree(tensors, sizes), ()
    found = searched(finder, tensors, (), dict(enumerate(sizes)))
    return tree_of(found.path, count), found.sliced


def _own_tree(tensors: Sequence[tuple[int, ...]], sizes: Sequence[int]) -> Tree:
    """Search for the tree of a network: greedily, and from there by exchanges of branches."""
    factors = list(map(frozenset, tensors))
    size = {n: max(count, 1) for n, count in enumerate(sizes)}  # opt_einsum divides by sizes
    none: frozenset[int] = frozenset()
    best = _found(oe.paths.greedy, factors, none, size)
    cost = _cost(factors, none, sizes, best)
    tree = tree_of(best, len(tensors))
    if cost >= _SWEEPS[0][0]:
        other = _found(partial(_random_greedy, trials=TRIALS), factors, none, size)
        found = _cost(factors, none, sizes, other)
        if found < cost:
            tree, cost = tree_of(other, len(tensors)), found
    for least, sweeps in _SWEEPS:
        if cost < least:
            break
        tree = annealed(tree, tensors, sizes, min(sweeps, MOST_VISITS // len(tensors) + 2))
        path = hung(tree, *lightest(tree, tensors, sizes))
        cost = _cost(factors, none, sizes, path)
    return tree


def given_path(
    explicit: Explicit, factors: Sequence[Labels], output: Labels, sizes: Labels
) -> Given:
    """Say for which product a path was given.

    The factors are in the order that the path counts them in, and have no labels that are summed
    within one of them.

    >>> path = Explicit(((0, 1), (0, 1)))
    >>> chain = ((0, 1), (1, 2), (2, 3))
    >>> given = given_path(path, chain, (0, 3), (9, 9, 9, 2))
    >>> (
    ...     find_path(chain, (0, 3), (9, 9, 9, 2), given)[0],
    ...     find_path(chain, (0, 3), (9, 9, 9, 2))[0],
    ... )
    (((0, 1), (0, 1)), ((1, 2), (0, 1)))
    """
    closed = _closed(list(map(frozenset, factors)), frozenset(output), sizes)
    tree = tree_of(explicit.path, len(factors), closed.is_open)
    return Given(closed.network.key, tree.placed(closed.network.place))


def find_order(
    factors: Factors,
    output: Labels,
    sizes: Labels,
    finder: Finder = None,
    place: Place = network_of,
) -> Path:
    """Find an order in which to multiply factors, as `find_path` does, not what it costs.

    What places the tensors of a network may have seen it before; see `Placed`.

    >>> find_order(((0, 1), (1, 2), (2,)), (0,), (100, 200, 300))
    ((1, 2), (0, 1))
    """
    left = list(map(frozenset, factors))
    path = _network_path(left, frozenset(output), sizes, finder, place)
    return find_path(factors, output, sizes, finder)[0] if path is None else path


def find_slices(
    factors: Factors,
    output: Labels,
    sizes: Labels,
    finder: Finder = None,
    room: int | None = None,
    place: Place = network_of,
) -> tuple[Path, frozenset[int]]:
    """Find an order in which to multiply factors, for one value of some labels at a time.

    These labels are those that the finder wants, and more where that makes room: `room` entries may
    be alive at one time. If nothing makes room enough, they are those that the finder wants.

    >>> ring = ((0, 1), (1, 2), (2, 3), (3, 0))
    >>> find_slices(ring, (), (10, 10, 10, 10), room=40)[1]
    frozenset({0})
    """
    path = first = find_order(factors, output, sizes, finder, place)
    left = [frozenset(labels) for labels in factors]
    kept = frozenset(output)
    wanted: frozenset[int] = frozenset()
    if isinstance(finder, Held) and len(factors) > 2:
        if len(left) + bool(kept) <= NETWORK:
            wanted = frozenset(_searched(finder, factors, output, sizes).sliced)
        else:
            network = _closed(left, kept, sizes, place).network
            found = _tree(network.key, network.leaves, finder)[1]
            wanted = frozenset(network.labels[k] for k in found)
    if room is None or len(factors) < 2:
        return path, wanted
    choice = Slices(left, kept, sizes, wanted)
    if finder is None and len(left) + bool(kept) > NETWORK and choice.need(path) > room:
        closed = _closed(left, kept, sizes, place)
        for share in SHARES:
            roomy = _roomy_tree(closed.network.key, closed.network.leaves, room // share)
            if roomy is None:
                break
            sliced = frozenset(closed.network.labels[k] for k in roomy[1])
            narrow = Slices(left, kept, sizes, sliced)
            other = _hung(closed, roomy[0], narrow.sizes)
            if narrow.need(other) <= room:
                return other, sliced
            path, choice = other, narrow
    while choice.need(path) > room:
        if not choice.add(path):
            return first, wanted
    return path, choice.sliced


@lru_cache(maxsize=256)
def _roomy_tree(
    key: tuple[tuple[int, tuple[int, ...]], ...], leaves: int, room: int
) -> tuple[Tree, frozenset[int]] | None:
    """Find a tree of a network, and labels to slice, with no array of more entries than that.

    Neither depends on where the tree is hung up, so that a derivative is sliced as the network is.
    """
    tensors = TensorNetwork(key, leaves).tensors
    whole = [size for size, _ in key]
    tree, _ = _tree(key, leaves, None)
    sliced: frozenset[int] = frozenset()
    while True:
        sizes = [1 if n in sliced else size for n, size in enumerate(whole)]
        if _largest(tree, tensors, sizes)[0] > room:
            tree = annealed(tree, tensors, sizes, ROOM_SWEEPS, room)
        most, labels = _largest(tree, tensors, sizes)
        if most <= room:
            return tree, sliced
        count = prod(whole[n] for n in sliced)
        options = [n for n in sorted(labels) if sizes[n] > 1 and count * sizes[n] <= MOST_STEPS]
        if not options or most * count > room * MOST_STEPS:  # slices make it smaller by their count
            return None
        # The label whose slices together are the least work.
        on = cuts(tree, tensors)
        unions = [
            frozenset().union(*(on[vertex, other] for other in tree.near[vertex]))
            for vertex in range(tree.leaves, len(tree.near))
        ]
        sliced |= {min(options, key=partial(_sliced_work, unions, list(map(float, sizes))))}


def _largest(
    tree: Tree, tensors: Sequence[Sequence[int]], sizes: Sequence[int]
) -> tuple[int, frozenset[int]]:
    """Return the size and the labels of the largest array on the way."""
    arrays = (
        labels
        for branch, labels in cuts(tree, tensors).items()
        if tree.leaves <= branch[0] < branch[1]
    )
    found = max(arrays, key=lambda labels: (prod([sizes[n] for n in labels]), sorted(labels)))
    return prod([sizes[n] for n in found]), found


def _sliced_work(unions: Sequence[frozenset[int]], sizes: Sequence[float], label: int) -> float:
    """Count multiplications of the labels in each step if one more is sliced."""
    return sum([prod([sizes[n] for n in union | {label}]) for union in unions])


@lru_cache(maxsize=1024)
def _searched(
    finder: str | bool | Held, factors: Factors, output: Labels, sizes: Labels
) -> Searched:
    """Search once: what searches at random finds something else the next time."""
    return searched(finder, factors, output, {n: sizes[n] for own in factors for n in own})


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


def _alike(factors: Sets) -> tuple[int, int] | None:
    """Find two factors with the same axes."""
    seen: dict[frozenset[int], int] = {}
    for k, labels in enumerate(factors):
        if labels in seen:
            return seen[labels], k
        seen[labels] = k
    return None


def _found(
    search: Callable[..., Any], factors: Sets, kept: frozenset[int], size: Mapping[int, int]
) -> Path:
    if len(factors) < 3:
        return ((0, 1),) if len(factors) == 2 else ()
    return tuple(tuple(sorted(chosen)) for chosen in search(list(factors), kept, size))


def _cost(
    factors: Sets, kept: frozenset[int], sizes: Sequence[int], path: Sequence[Sequence[int]]
) -> float:
    total = 0.0
    arrays = list(factors)
    for step in steps_of(path, factors, kept):
        work = prod([sizes[n] for n in step.labels])
        if step.result == step.labels:
            total += work
        else:
            moved = [*(arrays[k] for k in step.group), step.result]
            total += work / BLAS + sum([prod([sizes[n] for n in labels]) for labels in moved])
        arrays.append(step.result)
    return total
