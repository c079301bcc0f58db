r"""Which of its transposes a sum or a function is, where that does not matter.

In :math:`x_j (A_{ij} + B_{ji})` the bracket may be the sum of A and of B transposed, or the
transpose of the sum of A transposed and of B. Inside a product both are the same: one is chosen.

>>> from einsdiff.algebra.nodes import add, einsum, variable
>>> A, B, x = variable("A", (2, 2)), variable("B", (2, 2)), variable("x", (2,))
>>> def t(node):
...     return einsum([node], ["ij"], "ji")
>>> one = einsum([x, add([(1, A), (1, t(B))])], ["j", "ij"], "i")
>>> other = einsum([x, add([(1, t(A)), (1, B)])], ["j", "ji"], "i")
>>> one is other, oriented(one) is oriented(other)
(False, True)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product
from math import factorial, prod

from einsdiff.algebra.graph import topological
from einsdiff.algebra.nodes import Add, Call, Einsum, Node, add, call, einsum, symmetry

__all__ = ["oriented"]

#: Sums of more axes are left as they are: their orders are too many to try.
MOST_AXES = 4

#: Of a product, so many ways to write the axes of symmetric factors are tried.
MOST_TRIED = 64

#: A node, and for each of its axes the axis of another node that it is, in every way that is true.
_View = tuple[Node, list[tuple[int, ...]]]
#: What an axis of a sum or function is in each of its terms or arguments.
_Colour = tuple[str, tuple[tuple[bytes, int, int], ...]]


def oriented(root: Node) -> Node:
    """Choose the order of the axes of sums and functions inside of products.

    Axes along which a sum or function only repeats are taken out of it too.

    Parameters
    ----------
    root
        An expression.

    Returns
    -------
    Node
        Of the same value, the same for all orders.
    """
    done: dict[Node, Node] = {}
    free: dict[Node, _View] = {}
    for node in topological([root]):
        if isinstance(node, Einsum):
            done[node] = _product(node, done, free)
        elif isinstance(node, Add):
            free[node] = _sum(node, done, free)
            done[node] = _spread(free[node], node)
            free.setdefault(free[node][0], _own(free[node]))
        elif isinstance(node, Call):
            free[node] = _call(node, done, free)
            done[node] = _spread(free[node], node)
            free.setdefault(free[node][0], _own(free[node]))
        else:
            done[node] = node
    return done[root]


def _spread(view: _View, like: Node) -> Node:
    node, ways = view
    sizes = dict(enumerate(like.shape))
    return min((einsum([node], [axes], range(len(like.shape)), sizes) for axes in ways), key=_key)


def _own(view: _View) -> _View:
    """Return a node as a view of itself, in every way."""
    node, ways = view
    return node, [tuple(ways[0].index(axis) for axis in axes) for axes in ways]


def _product(node: Einsum, done: dict[Node, Node], free: dict[Node, _View]) -> Node:
    operands: list[Node] = []
    choices: list[list[tuple[int, ...]]] = []
    for operand, labels in zip(node.operands, node.subscripts, strict=True):
        core, ways = free.get(operand, (done[operand], [tuple(range(len(labels)))]))
        operands.append(core)
        choices.append([tuple(labels[axis] for axis in axes) for axes in ways])
    if prod(map(len, choices)) > MOST_TRIED:
        choices = [ways[:1] for ways in choices]
    sizes = dict(enumerate(node.sizes))
    found = min(
        (einsum(operands, subscripts, node.output, sizes) for subscripts in product(*choices)),
        key=_key,
    )
    if isinstance(found, Einsum) and not found.is_view and len(found.operands) == 1:
        # Without what only repeats it, a sum over axes of a sum may be the sum of those.
        alive = [axis for axis in range(len(found.shape)) if not _repeats(found, axis)]
        inner = _without(found, alive)
        if isinstance(inner, Add):
            core, ways = _sum(inner, {term: term for _, term in inner.terms}, free)
            return _spread((core, [tuple(alive[axis] for axis in axes) for axes in ways]), found)
    return found


def _sum(node: Add, done: dict[Node, Node], free: dict[Node, _View]) -> _View:
    terms = [(c, done[term]) for c, term in node.terms]
    if len(terms) == 1:
        core, axes = _unviewed(terms[0][1])
        if isinstance(core, Add):
            return add([(terms[0][0], core)]), [axes]
    alive = [
        axis
        for axis in range(len(node.shape))
        if not all(_repeats(term, axis) for _, term in terms)
    ]
    found = []
    old = [term for _, term in node.terms]
    for order in _orders([_colour(old, axis, done, free) for axis in alive]):
        axes = tuple(alive[axis] for axis in order)
        turned = [(c, _taken(term, axes, done, free)) for c, term in node.terms]
        found.append((add(turned, [node.shape[axis] for axis in axes]), axes))
    return _least(found)


def _call(node: Call, done: dict[Node, Node], free: dict[Node, _View]) -> _View:
    given, result = node.function.cores
    count = len(node.batch)
    batched = [
        arg for arg, names in zip(node.args, given, strict=True) if len(arg.shape) > len(names)
    ]
    alive = [axis for axis in range(count) if not all(_repeats(done[arg], axis) for arg in batched)]
    tail = tuple(range(count, count + len(result)))
    found = []
    for order in _orders([_colour(batched, axis, done, free) for axis in alive]):
        axes = tuple(alive[axis] for axis in order)
        turned = []
        for arg, names in zip(node.args, given, strict=True):
            start = len(arg.shape) - len(names)
            is_single = all(_repeats(done[arg], axis) for axis in range(start))
            rest = range(start, len(arg.shape))
            turned.append(_taken(arg, (*(() if is_single else axes), *rest), done, free))
        core, own = _unviewed(call(node.function, turned))
        places = (*axes, *tail)
        found.append((core, tuple(places[axis] for axis in own)))
    return _least(found)


def _taken(
    old: Node, axes: tuple[int, ...], done: dict[Node, Node], free: dict[Node, _View]
) -> Node:
    """Return a node with these axes in this order; along the others it only repeats."""
    node = done[old]
    core, own = _unviewed(node)
    if old in free:
        core, ways = free[old]
    elif core in free:
        ways = [tuple(own[axis] for axis in theirs) for theirs in free[core][1]]
    else:
        return _without(node, axes)
    sizes = {axis: old.shape[axis] for axis in axes}
    return min((einsum([core], [way], axes, sizes) for way in ways), key=_key)


def _colour(
    nodes: Sequence[Node], axis: int, done: dict[Node, Node], free: dict[Node, _View]
) -> _Colour:
    """Say what an axis is, as far as that does not depend on the order of the axes."""
    found: list[tuple[bytes, int, int]] = []
    for old in nodes:
        node = done[old]
        if isinstance(node, Add) and len(node.terms) == 1:
            node = node.terms[0][1]
        elif old in free:
            node, axes = free[old][0], free[old][1][0]
            found.append(_place(node, axes.index(axis) if axis in axes else -1, 1, free))
            continue
        core, axes = _unviewed(node)
        if core is not node or not isinstance(node, Einsum):
            found.append(_place(core, axes.index(axis) if axis in axes else -1, 1, free))
            continue
        label = node.output[axis]
        found += [
            _place(operand, at, node.output.count(label), free)
            for operand, labels in zip(node.operands, node.subscripts, strict=True)
            for at, theirs in enumerate(labels)
            if theirs == label
        ]
        found.append((node.core[0].key, -1, node.output.count(label)))
    return str(nodes[0].shape[axis]), tuple(sorted(found))


def _place(node: Node, axis: int, count: int, free: dict[Node, _View]) -> tuple[bytes, int, int]:
    # Which of several axes one is cannot be told where they may be exchanged.
    is_free = isinstance(node, Add | Call) and (node not in free or len(free[node][1]) > 1)
    return node.key, -1 if is_free or symmetry(node) else axis, count


def _orders(colours: Sequence[_Colour]) -> list[tuple[int, ...]]:
    """List the orders of axes that leave those of one colour together."""
    groups: dict[_Colour, list[int]] = {}
    for axis in sorted(range(len(colours)), key=lambda axis: colours[axis]):
        groups.setdefault(colours[axis], []).append(axis)
    if prod(factorial(len(group)) for group in groups.values()) > MOST_TRIED:
        return [tuple(axis for group in groups.values() for axis in group)]
    return [
        tuple(axis for group in choice for axis in group)
        for choice in product(*(list(permutations(group)) for group in groups.values()))
    ]


def _least(found: Sequence[tuple[Node, tuple[int, ...]]]) -> _View:
    """Return the least node, and all the ways in which it was found."""
    best = min((node for node, _ in found), key=_key)
    return best, list(dict.fromkeys(axes for node, axes in found if node is best))


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


def _without(node: Node, axes: Sequence[int]) -> Node:
    """Return a node with these axes in this order; along the others it only repeats."""
    if tuple(axes) == tuple(range(len(node.shape))):
        return node
    if isinstance(node, Add):
        shape = [node.shape[axis] for axis in axes]
        return add([(c, _without(term, axes)) for c, term in node.terms], shape)
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
