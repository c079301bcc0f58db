r"""Which of its transposes a sum or a function is, where that does not matter.

In :math:`x_j (A_{ij} + B_{ji})` the bracket may be the sum of A and of B transposed, or the
transpose of the sum of A transposed and of B. Inside a product both are the same: one is chosen.
Axes along which a sum or a function only repeats are taken out of it, and inside of a product so
are deltas that all terms have: :math:`x_k (\delta_{ij} y_i + \delta_{ij} z_i)` is
:math:`\delta_{ij} x_k (y_i + z_i)`.

>>> A, B, x = variable("A", (2, 2)), variable("B", (2, 2)), variable("x", (2,))
>>> def t(node):
...     return einsum([node], ["ij"], "ji")
>>> one = einsum([x, add([(1, A), (1, t(B))])], ["j", "ij"], "i")
>>> other = einsum([x, add([(1, t(A)), (1, B)])], ["j", "ji"], "i")
>>> one is other, oriented(one) is oriented(other)
(False, True)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise, permutations, product
from math import factorial, prod
from typing import Any, NamedTuple

from einsdiff.algebra.nodes.effort import budget, spend, within
from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import Add, Call, Delta, Einsum, Node, delta, symmetry
from einsdiff.algebra.nodes.nodes import add, call, einsum
from einsdiff.algebra.rewriting.flatten import MOST_COMPARED_FACTORS, MOST_REPEATED_FACTORS, flatten

#: So many orders are tried of axes that look alike, and of those of symmetric factors.
MOST_TRIED = 120
#: The same for each order of the axes of a sum that is tried.
MOST_COPIES = 12
#: So many orders are listed of axes that may be exchanged.
MOST_WAYS = 5040
#: To list so many orders takes as long as a step of `einsdiff.algebra.nodes.effort`.
WAYS_A_STEP = 10
#: How often products are merged and axes put in order, at most, to find the normal form. Two rounds
#: are the rule.
MOST_ROUNDS = 8


class _TurnedView(NamedTuple):
    """What a node is: another one with its axes in some order, repeated along others.

    Each of the `ways`, of which every one is true, has the axis of the node that each axis of the
    core is. Pairs of axes in `ties` are equal by a delta.
    """

    core: Node
    ways: tuple[tuple[int, ...], ...]
    ties: tuple[tuple[int, int], ...] = ()


#: What an axis of a sum or function is in each of its terms or arguments.
_Colour = tuple[str, tuple[tuple[bytes, int, int], ...]]


def normal_form(node: Node) -> Node:
    """Merge products of products and sums of sums, and put axes in order.

    Tensors are compared and printed in this form. Where it takes more steps than it may, axes stay
    as they are: what is printed is right all the same, but the same expression may be found in
    several forms.

    >>> A, B, x = variable("A", (2, 3)), variable("B", (3, 4)), variable("x", (4,))
    >>> Bx = einsum([B, x], ["jk", "k"], "j")
    >>> len(normal_form(einsum([A, Bx], ["ij", "j"], "i")).operands)
    3
    """
    return NormalForms()(node)


class NormalForms:
    """The normal forms of several expressions; the parts that they share are put in order once.

    >>> x, forms = variable("x", (2,)), NormalForms()
    >>> square = einsum([x, x], ["i", "i"], "i")
    >>> forms(square) is normal_form(square), forms(add([(1, square), (1, x)])) is forms(x)
    (True, False)
    """

    def __init__(self) -> None:
        self.known: dict[Node, Node] = {}
        self.turner = _Turner()

    def __call__(self, node: Node) -> Node:
        """Return the normal form of an expression."""
        found = self.known.get(node)
        if found is None:
            limits = MOST_COMPARED_FACTORS, MOST_REPEATED_FACTORS
            (merged,) = flatten([node], *limits)
            # What is merged may be turned, and the other way round.
            found = self.known[node] = within(
                budget("order of axes", len(topological([merged]))),
                lambda: _settled(
                    merged, lambda node: flatten([oriented(node, self.turner)], *limits)[0]
                ),
                lambda: merged,
            )
        return found


def oriented(root: Node, turner: _Turner | None = None) -> Node:
    """Choose the order of the axes of sums and functions inside of products.

    Sums that have met, and products that have been opened, are merged (see `flatten`), until
    nothing changes. The turner is what is known of the parts of other expressions.
    """
    turner = turner or _Turner()

    def turned(root: Node) -> Node:
        for node in topological([root]):
            if node not in turner.done:
                turner.turn(node)
        return flatten([turner.done[root]], MOST_COMPARED_FACTORS)[0]

    return _settled(root, turned)


def _settled(node: Node, step: Callable[[Node], Node]) -> Node:
    """Repeat a step until nothing changes; of nodes that it goes round in, return the least."""
    seen = [node]
    for _ in range(MOST_ROUNDS):
        node = step(node)
        if node in seen:
            return min(seen[seen.index(node) :], key=_key)
        seen.append(node)
    return node


class _Turner:
    """Turns the nodes of an expression, those first that others are made of.

    `done` has for each node what it has become, with the same axes; `views` the same for sums and
    functions, as products see them; `whole` the same, with the deltas of sums in them.
    """

    def __init__(self) -> None:
        self.done: dict[Node, Node] = {}
        self.views: dict[Node, _TurnedView] = {}
        self.whole: dict[Node, _TurnedView] = {}

    def turn(self, node: Node) -> None:
        if isinstance(node, Einsum):
            self.done[node] = self.product(node)
        elif isinstance(node, Add | Call):
            view = self.total(node) if isinstance(node, Add) else self.call(node)
            # Deltas stay in the sums that are seen, δ_ip x_q + δ_iq x_p.
            whole = self.total(node, ()) if isinstance(node, Add) and view.ties else view
            self.views[node], self.whole[node] = view, whole
            self.done[node] = self.spread(whole, node)
            for known, (core, ways, _) in ((self.views, view), (self.whole, whole)):
                own = tuple(tuple(ways[0].index(axis) for axis in axes) for axes in ways)
                known.setdefault(core, _TurnedView(core, own))
        else:
            self.done[node] = node

    def spread(self, view: _TurnedView, like: Node) -> Node:
        """Return the node that a view says."""
        axes = tuple(range(len(like.shape)))
        return min((node for node in _written(view, axes, axes, like)), key=_key)

    def product(self, node: Einsum) -> Node:
        """Put the cores of the factors into a product."""
        found = self.least(node, node.output)
        if isinstance(found, Einsum) and not found.is_view and len(found.operands) == 1:
            # Without what only repeats it, a sum over axes of a sum may be the sum of those.
            alive = _alive([found], len(found.shape))
            inner = _only(found, alive)
            if isinstance(inner, Add):
                self.done.update((term, term) for _, term in inner.terms)
                core, ways, _ = self.total(inner, ())
                turned = tuple(tuple(alive[axis] for axis in axes) for axes in ways)
                return self.spread(_TurnedView(core, turned), found)
        return found

    def alone(self, node: Node) -> _TurnedView:
        return _TurnedView(self.done.get(node, node), (tuple(range(len(node.shape))),))

    def least(self, node: Einsum, output: Sequence[int], most: int = MOST_TRIED) -> Node:
        """Multiply, with the axes of symmetric factors in the order that gives the least node."""
        views = [self.views.get(operand, self.alone(operand)) for operand in node.operands]
        sizes = {
            n: size for n, size in enumerate(node.sizes) if n in output or n not in node.output
        }
        ties = [
            (delta(view.core.shape[view.ways[0].index(a)]), (labels[a], labels[b]))
            for view, labels in zip(views, node.subscripts, strict=True)
            for a, b in view.ties
        ]
        choices = [
            [tuple(labels[axis] for axis in axes) for axes in view.ways]
            for view, labels in zip(views, node.subscripts, strict=True)
        ]
        spend(sum(map(len, choices)) // WAYS_A_STEP)
        if prod(map(len, choices)) > most:
            choices = [[_first(ways, output)] for ways in choices]
        operands = [*(view.core for view in views), *(factor for factor, _ in ties)]
        tied = [labels for _, labels in ties]
        return min(
            (einsum(operands, [*chosen, *tied], output, sizes) for chosen in product(*choices)),
            key=_key,
        )

    def total(self, node: Add, ties: tuple[tuple[int, int], ...] | None = None) -> _TurnedView:
        """View a sum; without `ties`, its common deltas are taken out of it."""
        terms = [self.done[term] for _, term in node.terms]
        if len(terms) == 1:
            core, axes = _unviewed(terms[0])
            if isinstance(core, Add):
                return _TurnedView(add([(node.terms[0][0], core)]), (axes,))
        alive = _alive(terms, len(node.shape))
        if ties is None:
            ties = tuple(_ties(terms, alive))
        free = [axis for axis in alive if axis not in {b for _, b in ties}]
        old = [term for _, term in node.terms]

        def turned(axes: tuple[int, ...]) -> Node:
            terms = [(c, self.taken(term, axes)) for c, term in node.terms]
            return add(terms, [node.shape[axis] for axis in axes])

        groups = [
            tuple(free[k] for k in group)
            for group in _alike([self.colour(old, axis) for axis in free])
        ]
        symmetric = _exchangeable(groups, turned)
        orders = _orders([[group] if group in symmetric else group for group in groups])
        view = _least([(turned(axes), axes) for axes in orders], ties)
        return view._replace(ways=_exchanged(view.ways, symmetric))

    def call(self, node: Call) -> _TurnedView:
        """View a function."""
        given, result = node.function.cores
        count = len(node.batch)
        batched = [
            arg for arg, names in zip(node.args, given, strict=True) if len(arg.shape) > len(names)
        ]
        alive = _alive([self.done[arg] for arg in batched], count)
        tail = tuple(range(count, count + len(result)))
        found = []
        for order in _orders(_alike([self.colour(batched, axis) for axis in alive])):
            axes = tuple(alive[k] for k in order)
            turned = []
            for arg, names in zip(node.args, given, strict=True):
                start = len(arg.shape) - len(names)
                is_single = all(_repeats(self.done[arg], axis) for axis in range(start))
                rest = range(start, len(arg.shape))
                turned.append(self.taken(arg, (*(() if is_single else axes), *rest)))
            core, own = _unviewed(call(node.function, turned))
            places = (*axes, *tail)
            found.append((core, tuple(places[axis] for axis in own)))
        return _least(found)

    def taken(self, old: Node, axes: tuple[int, ...]) -> Node:
        """Return a node with these axes in this order; the others repeat it, or equal these."""
        view = self.view(old)
        if view is None or not set(view.ways[0]) <= set(axes):
            return self.cut(self.done[old], axes)
        return min(_written(view, tuple(range(len(old.shape))), axes, old), key=_key)

    def view(self, old: Node) -> _TurnedView | None:
        """View a node that is a sum or function, or one of these with its axes in an order."""
        view = self.whole.get(old)
        if view is None:
            core, own = _unviewed(self.done[old])
            inner = self.whole.get(core)
            if inner is not None:
                ways = tuple(tuple(own[axis] for axis in axes) for axes in inner.ways)
                view = _TurnedView(inner.core, ways)
        return view

    def cut(self, node: Node, axes: tuple[int, ...]) -> Node:
        if not isinstance(node, Einsum):
            return _only(node, axes)
        return self.least(node, [node.output[axis] for axis in axes], MOST_COPIES)

    # What an axis is, as far as that does not depend on the order of the axes.

    def colour(self, nodes: Sequence[Node], axis: int) -> _Colour:
        found: list[tuple[bytes, int, int]] = []
        for old in nodes:
            node = self.done[old]
            view = self.view(old)
            if isinstance(node, Add) and len(node.terms) == 1:
                node = node.terms[0][1]
            elif view is not None:
                found.append(self.place(view.core, view.ways[0], axis))
                continue
            core, axes = _unviewed(node)
            if core is not node or not isinstance(node, Einsum):
                found.append(self.place(core, axes, axis))
                continue
            label = node.output[axis]
            count = node.output.count(label)
            found += [
                (*self.place(operand, range(len(labels)), at)[:2], count)
                for operand, labels in zip(node.operands, node.subscripts, strict=True)
                for at, theirs in enumerate(labels)
                if theirs == label
            ]
            found.append((node.core.node.key, -1, count))
        return str(nodes[0].shape[axis]), tuple(sorted(found))

    def place(self, node: Node, axes: Sequence[int], axis: int) -> tuple[bytes, int, int]:
        # Which of several axes one is cannot be told where they may be exchanged.
        view = self.whole.get(node, self.views.get(node))
        is_free = isinstance(node, Add | Call) and (view is None or len(view.ways) > 1)
        at = axes.index(axis) if axis in axes else -1
        return node.key, -1 if is_free or symmetry(node) else at, 1


def _written(
    view: _TurnedView, labels: Sequence[int], output: Sequence[int], like: Node
) -> Iterator[Node]:
    """Write a view as a product, in every way."""
    sizes = {label: like.shape[axis] for axis, label in enumerate(labels) if label in output}
    deltas = [delta(like.shape[a]) for a, _ in view.ties]
    tied = [(labels[a], labels[b]) for a, b in view.ties]
    ways = [tuple(labels[axis] for axis in axes) for axes in view.ways]
    for own in ways if len(ways) <= MOST_COPIES else [_first(ways, output)]:
        yield einsum([view.core, *deltas], [own, *tied], output, sizes)


def _first(ways: Sequence[tuple[int, ...]], output: Sequence[int]) -> tuple[int, ...]:
    """Choose the way whose labels come in the order of the result."""
    place = {label: k for k, label in reversed(list(enumerate(output)))}
    late = len(output)
    return min(ways, key=lambda labels: [place.get(n, late + n) for n in labels])


def _ties(terms: Sequence[Node], axes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of axes that all terms make equal, each axis once as the second."""
    seen: set[int] = set()
    for k, a in enumerate(axes):
        for b in axes[k + 1 :]:
            if a not in seen and b not in seen and all(_tied(term, a, b) for term in terms):
                seen.add(b)
                yield a, b


def _tied(node: Node, a: int, b: int) -> bool:
    if isinstance(node, Add):
        return bool(node.terms) and all(_tied(term, a, b) for _, term in node.terms)
    if isinstance(node, Delta):
        return node.is_identity
    return isinstance(node, Einsum) and node.output[a] == node.output[b]


def _alike(colours: Sequence[_Colour]) -> list[list[int]]:
    """Group axes that look alike, in an order that is that of how they look."""
    groups: dict[_Colour, list[int]] = {}
    for axis in sorted(range(len(colours)), key=lambda axis: colours[axis]):
        groups.setdefault(colours[axis], []).append(axis)
    return list(groups.values())


def _orders(groups: Sequence[Sequence[Any]]) -> list[tuple[int, ...]]:
    """List the orders of axes that leave those of one group together; a tuple stays as it is."""
    if prod(factorial(len(group)) for group in groups) > MOST_TRIED:
        return [_chained(groups)]
    return [_chained(choice) for choice in product(*map(permutations, groups))]


def _chained(groups: Iterable[Sequence[Any]]) -> tuple[int, ...]:
    flat: list[int] = []
    for group in groups:
        for member in group:
            flat.extend(member if isinstance(member, tuple) else (member,))
    return tuple(flat)


def _exchangeable(
    groups: Sequence[tuple[int, ...]], turned: Callable[[tuple[int, ...]], Node]
) -> list[tuple[int, ...]]:
    """Choose the groups of axes whose order means nothing, by exchanging neighbours.

    That takes as many trials as there are axes, and not as there are orders.
    """
    found = []
    axes = _chained(groups)
    for group in groups:
        swaps = []
        for a, b in pairwise(group if len(group) > 2 else ()):
            other = {a: b, b: a}
            swaps.append(tuple(other.get(axis, axis) for axis in axes))
        if swaps:
            node = turned(axes)
            if all(turned(swap) is node for swap in swaps):
                found.append(group)
    return found


def _exchanged(
    ways: Sequence[tuple[int, ...]], symmetric: Sequence[tuple[int, ...]]
) -> tuple[tuple[int, ...], ...]:
    """List all ways that differ by an order of exchangeable axes."""
    if prod(factorial(len(group)) for group in symmetric) > MOST_WAYS:
        return tuple(ways)
    for group in symmetric:
        moves = [dict(zip(group, order, strict=True)) for order in permutations(group)]
        ways = [tuple(move.get(axis, axis) for axis in way) for way in ways for move in moves]
    return tuple(dict.fromkeys(ways))


def _least(
    found: Sequence[tuple[Node, tuple[int, ...]]], ties: tuple[tuple[int, int], ...] = ()
) -> _TurnedView:
    """Return the least node, and all the ways in which it was found."""
    best = min((node for node, _ in found), key=_key)
    return _TurnedView(
        best, tuple(dict.fromkeys(axes for node, axes in found if node is best)), ties
    )


def _key(node: Node) -> bytes:
    # Of a sum and its negative, products keep one, whichever of its transposes it is.
    return node.primitive[1].key if isinstance(node, Add) else node.key


def _repeats(node: Node, axis: int) -> bool:
    """Tell whether a node is the same for all indices of an axis."""
    if isinstance(node, Add):
        return all(_repeats(term, axis) for _, term in node.terms)
    if not isinstance(node, Einsum):
        return False
    label = node.output[axis]
    return node.output.count(label) == 1 and label not in node.carried


def _alive(nodes: Sequence[Node], count: int) -> list[int]:
    """List the first axes along which not all nodes are the same, of so many."""
    return [axis for axis in range(count) if not all(_repeats(node, axis) for node in nodes)]


def _only(node: Node, axes: Sequence[int]) -> Node:
    """Return a node with these axes in this order; the others repeat it, or equal these."""
    if tuple(axes) == tuple(range(len(node.shape))):
        return node
    shape = [node.shape[axis] for axis in axes]
    if isinstance(node, Add):
        return add([(c, _only(term, axes)) for c, term in node.terms], shape)
    if isinstance(node, Delta) and len(axes) == 1:
        return einsum([], [], (0,), {0: shape[0]})
    if not isinstance(node, Einsum):
        return einsum([node], [range(len(node.shape))], axes)
    output = [node.output[axis] for axis in axes]
    gone = set(node.output).difference(output)
    sizes = {label: size for label, size in enumerate(node.sizes) if label not in gone}
    return einsum(node.operands, node.subscripts, output, sizes)


def _unviewed(node: Node) -> tuple[Node, tuple[int, ...]]:
    if isinstance(node, Einsum) and len(node.operands) == 1 and node.is_view:
        (operand,), (labels,) = node.operands, node.subscripts
        if len(set(labels)) == len(labels) and len(set(node.output)) == len(node.output):
            return operand, tuple(node.output.index(label) for label in labels)
    return node, tuple(range(len(node.shape)))
