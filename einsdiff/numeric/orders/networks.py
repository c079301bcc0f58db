r"""Tensor networks: one tree for the contraction of a network and for all of its derivatives.

A product together with its result is a closed network, in which the result is one more tensor. For

.. math:: f = A_{ij} B_{jk} C_{ki} \qquad \frac{\partial f}{\partial A_{pq}} = B_{qk} C_{kp}

that is the same network: the derivative is *A* taken out, and its axes are the result's. An order
of contraction is a tree with the tensors at its ends, and three branches meet where two tensors are
multiplied. What that costs is the size of all labels on them, from whichever end the tree is looked
at. So the tree found for the contraction, hung up at the tensor that is taken out, is an order for
the derivative which costs as much, and nothing is searched again.

>>> tree = tree_of(((1, 2), (0, 1)), 3)  # A (B C)
>>> hung(tree, 0), hung(tree, 2)  # the environments of A and of C
(((0, 1),), ((0, 1),))

Networks are recognised by their structure, whatever their tensors and labels are called.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import permutations
from math import inf, log2, prod
from typing import NamedTuple

from einsdiff.algebra.nodes.canonical import canonical

Labels = tuple[int, ...]
#: For each step the positions of what is multiplied.
Path = tuple[Labels, ...]


class TensorNetwork(NamedTuple):
    """A closed network in an order that depends on its structure alone."""

    #: For each label its size and the places of the tensors that carry it; equal keys mean equal
    #: networks.
    key: tuple[tuple[int, tuple[int, ...]], ...]
    leaves: int  # how many tensors there are
    place: tuple[int, ...] = ()  # the place of each tensor in that order
    labels: tuple[int, ...] = ()  # the labels in the order of the key

    @property
    def tensors(self) -> list[tuple[int, ...]]:
        """The labels of the tensors, in order; a label is its position in the key."""
        found: list[list[int]] = [[] for _ in range(self.leaves)]
        for label, (_, places) in enumerate(self.key):
            for k in places:
                found[k].append(label)
        return [tuple(labels) for labels in found]


class Tree(NamedTuple):
    """A tree of contractions."""

    #: For each vertex those that it is connected with; the first vertices are the tensors.
    near: tuple[tuple[int, ...], ...]
    leaves: int  # how many tensors there are

    def placed(self, place: Sequence[int]) -> Tree:
        """Return the tree with its tensors at other places."""
        at = [*place, *range(self.leaves, len(self.near))]
        near: list[tuple[int, ...]] = [()] * len(self.near)
        for vertex, others in enumerate(self.near):
            near[at[vertex]] = tuple(sorted(at[v] for v in others))
        return Tree(tuple(near), self.leaves)


# --- structure --------------------------------------------------------------------------------

#: Around each tensor so many rings of neighbours are counted.
RINGS = 8
#: So many multiplications of a matrix product cost as much as writing one entry of an array.
#: Measured with OpenBLAS: 10 to 40, fewer for matrices with few rows or columns.
BLAS = 8
#: How willingly exchanges that cost more are made at first.
HEAT = 0.6
#: How much more arrays cost that there is no room for.
CROWDED = 1000


def network_of(tensors: Sequence[Sequence[int]], sizes: Mapping[int, int]) -> TensorNetwork:
    """Order the tensors of a closed network by its structure; each has its labels once.

    It is the order of the factors of a product of one symmetric tensor (`canonical`). For a large
    network with symmetries it may depend on how the network was written: then it is not recognised,
    and no more.

    >>> one = network_of([(0, 1), (1, 2), (2, 0)], {0: 2, 1: 3, 2: 4})
    >>> other = network_of([(7, 5), (5, 6), (6, 7)], {5: 4, 6: 2, 7: 3})
    >>> one.key == other.key
    True
    """
    subscripts = list(map(tuple, tensors))
    is_symmetric = [True] * len(tensors)
    order = canonical(_surroundings(subscripts), subscripts, (), sizes, is_symmetric).order
    return _placed(tensors, sizes, tuple(map(order.index, range(len(tensors)))))


def _surroundings(tensors: Sequence[tuple[int, ...]]) -> list[bytes]:
    """Count the tensors in each ring around a tensor, as a key: equal ones may be alike.

    In a regular network, where each tensor looks like any other, that tells most of them apart.

    >>> [key.hex(" ") for key in _surroundings([(0,), (0, 1), (1,)])]
    ['01 01 01', '01 02', '01 01 01']
    """
    on: dict[int, list[int]] = {}
    for k, own in enumerate(tensors):
        for n in own:
            on.setdefault(n, []).append(k)
    near = [{other for n in own for other in on[n]} for own in tensors]
    keys = []
    for k in range(len(tensors)):
        seen, ring = {k}, {k}
        counts: list[int] = []
        while ring and len(counts) < RINGS:
            counts.append(len(ring))
            ring = set().union(*(near[other] for other in ring)) - seen
            seen |= ring
        keys.append(bytes(min(count, 255) for count in counts))
    return keys


def _placed(
    tensors: Sequence[Sequence[int]], sizes: Mapping[int, int], place: tuple[int, ...]
) -> TensorNetwork:
    """Describe a network by the places of its tensors."""
    where: dict[int, list[int]] = {}
    for k, own in enumerate(tensors):
        for n in own:
            where.setdefault(n, []).append(place[k])
    key = sorted((sizes[n], tuple(sorted(places)), n) for n, places in where.items())
    return TensorNetwork(
        tuple((size, places) for size, places, _ in key),
        len(tensors),
        place,
        tuple(n for _, _, n in key),
    )


class Placed:
    """Networks of tensors with names, to know them again when one tensor is the result.

    Where a network has symmetries there are several orders of its tensors that depend on the
    structure alone. That its derivatives have products in common shows only if it is one for all.
    """

    def __init__(self) -> None:
        self.known: list[tuple[TensorNetwork, dict[str, int]]] = []

    def network(
        self, tensors: Sequence[Sequence[int]], sizes: Mapping[int, int], names: Sequence[str]
    ) -> TensorNetwork:
        """Order the tensors of a closed network, as those of an earlier one if it is that.

        The names are those of the first tensors; the result, if it is a tensor, has none.

        >>> placed, size = Placed(), {0: 2, 1: 2, 2: 2}
        >>> placed.network([(0, 1), (1, 2), (2, 0)], size, "ABC").place
        (2, 0, 1)
        >>> placed.network([(1, 2), (0, 2), (0, 1)], size, "BC").place  # without A
        (0, 1, 2)
        """
        if len(set(names)) < len(names):
            return network_of(tensors, sizes)
        for network, places in self.known:
            if network.leaves != len(tensors):
                continue
            here = [places.get(name, -1) for name in names] + [-1] * (len(tensors) - len(names))
            absent = [k for k, at in enumerate(here) if at < 0]
            if len(absent) > 2:  # the result, and the tensor that was it before
                continue
            for order in permutations(set(range(len(tensors))).difference(here)):
                for k, at in zip(absent, order, strict=True):
                    here[k] = at
                found = _placed(tensors, sizes, tuple(here))
                if found.key == network.key:
                    places.update(zip(names, here, strict=False))
                    return found
        found = network_of(tensors, sizes)
        self.known.append((found, dict(zip(names, found.place, strict=False))))
        return found


# --- trees ------------------------------------------------------------------------------------


def tree_of(path: Sequence[Sequence[int]], count: int, is_open: bool = False) -> Tree:
    """Make a tree of the path of a contraction of so many tensors.

    If it is open, the result is one more tensor, the last one.

    >>> tree_of(((0, 1), (0, 1)), 3).near
    ((3,), (3,), (3,), (0, 1, 2))
    """
    leaves = count + is_open
    near: list[list[int]] = [[] for _ in range(leaves)]
    left = list(range(count))
    for k, chosen in enumerate(path):
        group = [left.pop(at) for at in sorted(chosen, reverse=True)]
        is_last = k == len(path) - 1
        if is_last and is_open:
            group.append(leaves - 1)
        if is_last and len(group) == 2:
            a, b = group
            near[a].append(b)
            near[b].append(a)
            break
        vertex = len(near)
        near.append(group)
        for other in group:
            near[other].append(vertex)
        left.append(vertex)
    return Tree(tuple(tuple(sorted(others)) for others in near), leaves)


def hung(tree: Tree, root: int, other: int = -1) -> Path:
    """Return the path of a tree that is hung up at a tensor, or between two vertices.

    The tensor is taken out, and the positions in the path are those of the others. With another
    vertex next to it nothing is taken out, and the last step multiplies what comes from either
    side.

    >>> tree = tree_of(((0, 1), (0, 1)), 3)
    >>> hung(tree, 2), hung(tree, 2, 3)
    (((0, 1),), ((0, 1), (0, 1)))
    """
    is_closed = other >= 0
    starts = [(root, other), (other, root)] if is_closed else [(tree.near[root][0], root)]
    order: list[tuple[int, int]] = []  # vertices and where they hang, from the top
    stack = starts[::-1]
    while stack:
        vertex, above = stack.pop()
        order.append((vertex, above))
        stack += [(below, vertex) for below in tree.near[vertex] if below != above]
    # The branch with the first tensor comes first: so that what two paths have in common is
    # multiplied in the same order.
    first: dict[int, int] = {}
    for vertex, above in reversed(order):
        below = [first[v] for v in tree.near[vertex] if v != above] if vertex >= tree.leaves else []
        first[vertex] = min(below, default=vertex)
    left = [k for k in range(tree.leaves) if is_closed or k != root]
    path: list[tuple[int, ...]] = []
    done: list[tuple[int, int, bool]] = [(v, above, False) for v, above in starts[::-1]]
    done.sort(key=lambda item: -first[item[0]])
    while done:
        vertex, above, is_ready = done.pop()
        below = [v for v in tree.near[vertex] if v != above]
        if vertex < tree.leaves:
            continue
        if not is_ready:
            done.append((vertex, above, True))
            below.sort(key=lambda v: -first[v])
            done += [(v, vertex, False) for v in below]
        else:
            path.append(_taken(left, below))
            left.append(vertex)
    if is_closed:
        path.append(_taken(left, [root, other]))
    return tuple(path)


def _taken(left: list[int], wanted: Sequence[int]) -> tuple[int, ...]:
    """Take things out of a list; return where they were."""
    at = tuple(sorted(map(left.index, wanted)))
    for k in reversed(at):
        del left[k]
    return at


def cuts(tree: Tree, tensors: Sequence[Sequence[int]]) -> dict[tuple[int, int], frozenset[int]]:
    """Return for each two vertices that are connected the labels on that branch."""
    total: dict[int, int] = {}
    for own in tensors:
        for n in own:
            total[n] = total.get(n, 0) + 1
    order: list[tuple[int, int]] = []
    stack = [(tree.near[0][0], 0)] if tree.near[0] else []
    while stack:
        vertex, above = stack.pop()
        order.append((vertex, above))
        stack += [(below, vertex) for below in tree.near[vertex] if below != above]
    found: dict[tuple[int, int], frozenset[int]] = {}
    inside: dict[int, dict[int, int]] = {}  # how many tensors below a vertex carry each label
    for vertex, above in reversed(order):
        counted: dict[int, int] = {}
        if vertex < tree.leaves:
            counted = dict.fromkeys(tensors[vertex], 1)
        for below in tree.near[vertex]:
            if below != above and vertex >= tree.leaves:
                for n, times in inside.pop(below).items():
                    counted[n] = counted.get(n, 0) + times
        counted = {n: times for n, times in counted.items() if times < total[n]}
        inside[vertex] = counted
        found[vertex, above] = found[above, vertex] = frozenset(counted)
    return found


def lightest(tree: Tree, tensors: Sequence[Sequence[int]], sizes: Sequence[int]) -> tuple[int, int]:
    """Return the branch with the fewest entries, where a closed network is best hung up."""
    found = cuts(tree, tensors)
    return min(found, key=lambda branch: (prod(sizes[n] for n in found[branch]), branch))


# --- better trees -----------------------------------------------------------------------------


def annealed(
    tree: Tree,
    tensors: Sequence[Sequence[int]],
    sizes: Sequence[int],
    sweeps: int = 40,
    room: float = inf,
) -> Tree:
    r"""Look for a tree that costs less, by exchanges of neighbouring branches.

    Where two vertices meet there are four branches, of which two lie on either side, :math:`AB|CD`,
    and might lie otherwise, :math:`AC|BD` or :math:`AD|BC`. Only what these two vertices cost
    depends on that. An exchange is made if that is less, or at random if it is more, rarely so
    towards the end (simulated annealing; always with the same random numbers). In each of the
    sweeps every vertex is looked at. What has more entries than there is room for costs `CROWDED`
    times as much. The cheapest tree that was met is returned.
    """
    count = tree.leaves
    if any(len(others) != 3 for others in tree.near[count:]):
        return tree
    classes: dict[int, int] = {}
    for n in {n for own in tensors for n in own}:
        classes[sizes[n]] = classes.get(sizes[n], 0) | 1 << n
    weights = [(mask, log2(max(size, 1))) for size, mask in classes.items()]

    def entries(mask: int) -> float:
        """Count the entries of an array with these labels, the bits of a number."""
        return 2.0 ** min(sum([(mask & own).bit_count() * w for own, w in weights]), 1000.0)

    on = {branch: sum([1 << n for n in labels]) for branch, labels in cuts(tree, tensors).items()}
    near = [list(others) for others in tree.near]
    best, excess, least = tree, 0.0, 0.0  # what it costs more than at the start
    chance = random.Random(0)
    for sweep in range(sweeps):
        heat = HEAT * (1 - sweep / (sweeps - 1)) ** 2
        for u in range(count, len(near)):
            inner = [w for w in near[u] if w >= count]
            if not inner:
                continue
            v = inner[int(chance.random() * len(inner))]
            a, b = [w for w in near[u] if w != v]
            c, d = [w for w in near[v] if w != u]
            if chance.random() < 0.5:
                c, d = d, c
            at_a, at_b, at_c, at_d, middle = on[u, a], on[u, b], on[v, c], on[v, d], on[u, v]
            new = (at_a | at_c) & (at_b | at_d)
            before, after = entries(middle), entries(new)
            before *= 2 if before <= room else CROWDED
            after *= 2 if after <= room else CROWDED
            before += (entries(at_a | at_b) + entries(at_c | at_d)) / BLAS
            after += (entries(at_a | at_c) + entries(at_b | at_d)) / BLAS
            if after > before and (not heat or chance.random() > (before / after) ** (1 / heat)):
                continue
            near[u], near[v] = [a, c, v], [b, d, u]
            near[c][near[c].index(v)] = u
            near[b][near[b].index(u)] = v
            for old in ((v, c), (c, v), (u, b), (b, u)):
                del on[old]
            on[u, v] = on[v, u] = new
            on[u, c] = on[c, u] = at_c
            on[v, b] = on[b, v] = at_b
            excess += after - before
        if excess < least:
            best, least = Tree(tuple(tuple(sorted(others)) for others in near), count), excess
    return best
