r"""Less memory for more steps: a sum or a result computed in slices, one after the other.

The array :math:`u_i + v_j` need not be known as a whole for the sum of its exponentials,

.. math:: \sum_{ij} e^{u_i + v_j} = \sum_{s} \; \sum_{i \in I_s} \sum_j e^{u_i + v_j}
    \qquad I_1 \cup I_2 \cup \dots = \{1, \dots, n\} ,

and a result with an axis i can be written slice by slice. Both are expressions again, in which
every tensor with that index is replaced by a slice of it.

>>> u, v = variable("u", (4,)), variable("v", (3,))
>>> f = einsum([u, v], ["i", "j"], "")
>>> in_slices([f], [Cut(f, 0, 2)])
(Add((1, <Einsum ()>), (1, <Einsum ()>)),)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import NamedTuple

from einsdiff.algebra.nodes.graph import children, rebuilt, remade, topological
from einsdiff.algebra.nodes.interning import Add, Call, Delta, Einsum, Node, Variable, variable
from einsdiff.algebra.nodes.nodes import add, call, einsum, related
from einsdiff.notation.subscripts import Size
from einsdiff.numeric.orders.slices import NETWORK

#: Into at most so many slices an axis is cut.
MOST_SLICES = 64
#: Expressions in which one slice depends on more than so many levels are not sliced below.
MOST_DEPTH = 100


class Cut(NamedTuple):
    """What is sliced: a label of a product that is summed, or an axis of a result."""

    node: Node  # the product, or the result
    label: int  # the label, or the number of the axis
    slices: int  # how many
    is_summed: bool = True  # whether it is a label that is summed


def with_numbers(nodes: Sequence[Node], sizes: Mapping[str, int]) -> tuple[Node, ...]:
    """Put numbers in the place of named sizes.

    >>> with_numbers([variable("x", ("n",))], {"n": 3})[0].shape
    (3,)
    """

    def number(size: Size) -> int:
        return size if isinstance(size, int) else sizes[size]

    done: dict[Node, Node] = {}
    for node in topological(nodes):
        numbers = [number(n) for n in (node.sizes if isinstance(node, Einsum) else node.shape)]
        if isinstance(node, Variable):
            # What it is a function of has no part in its value.
            done[node] = variable(node.name, numbers, node.symmetric)
        elif isinstance(node, Delta):
            done[node] = related(numbers, *node.relation)
        else:
            done[node] = remade(node, [done[part] for part in children(node)], numbers)
    return tuple(done[node] for node in nodes)


def candidates(roots: Sequence[Node], limit: int) -> Iterator[list[Cut]]:
    """List what could be sliced so that arrays have at most about so many entries.

    It is to be tried one after the other: sums over large operands, then axes of the results. Sizes
    are numbers.
    """
    products = [
        node for node in topological(roots) if isinstance(node, Einsum) and not _is_network(node)
    ]
    for more in (1, 4):
        cuts = []
        for node in products:
            found = _summed_cut(node, limit // more)
            if found is not None:
                cuts.append(found)
        if cuts:
            yield cuts
    for count in (4, 16, MOST_SLICES):
        for root in roots:
            if _is_network(root):
                continue
            axes = sorted(range(len(root.shape)), key=lambda axis: -_number(root.shape[axis]))
            for axis in axes[:2]:
                if _number(root.shape[axis]) > 1:
                    yield [Cut(root, axis, min(count, _number(root.shape[axis])), False)]


def _is_network(node: Node) -> bool:
    """Tell whether a product has so many factors that it is sliced in a loop, if at all."""
    return isinstance(node, Einsum) and len(node.operands) > NETWORK


def _summed_cut(node: Einsum, limit: int) -> Cut | None:
    """Choose the summed label by which the large operands of a product are sliced."""
    large = [
        (prod(map(_number, part.shape)), labels)
        for part, labels in zip(node.operands, node.subscripts, strict=True)
        if not isinstance(part, Variable | Delta)
    ]
    biggest, labels = max(large, default=(0, ()), key=lambda item: item[0])
    if len(node.operands) > 2:  # on the way, products of factors
        carried = node.carried
        biggest = max(biggest, prod(_number(node.sizes[n]) for n in carried))
        labels = labels or tuple(carried)
    summed = [n for n in set(labels) if n not in node.output]
    if 3 * biggest <= limit or not summed:
        return None
    label = max(summed, key=lambda n: _number(node.sizes[n]))
    count = -(-3 * biggest // max(limit, 1))
    return Cut(node, label, max(2, min(count, MOST_SLICES, _number(node.sizes[label]))))


def in_slices(roots: Sequence[Node], cuts: Sequence[Cut]) -> tuple[Node, ...]:
    """Write expressions, with numbers for sizes, with sums and results in slices."""
    wanted = {cut.node: cut for cut in cuts}
    done: dict[Node, Node] = {}
    for node in topological(roots):
        new = rebuilt(node, done)
        cut = wanted.get(node)
        if cut is not None and not cut.is_summed:
            new = _placed(new, cut)
        elif cut is not None and isinstance(new, Einsum) and _is_alike(new, node):
            new = _summed(new, cut)
        done[node] = new
    return tuple(done[root] for root in roots)


def _is_alike(new: Einsum, old: Node) -> bool:
    """Tell whether a product has the labels that it had before factors of it were sliced."""
    return isinstance(old, Einsum) and (new.subscripts, new.sizes) == (old.subscripts, old.sizes)


def _number(size: Size) -> int:
    assert isinstance(size, int), f"size '{size}' has no number"
    return size


def _ranges(size: int, count: int) -> Iterator[tuple[int, int]]:
    """Cut a range into parts of about one length: where each starts, and how long it is."""
    for k in range(count):
        start, stop = k * size // count, (k + 1) * size // count
        if stop > start:
            yield start, stop - start


def _summed(node: Einsum, cut: Cut) -> Node:
    """Sum over a label in slices."""
    ranges = _ranges(_number(node.sizes[cut.label]), cut.slices)
    terms = [_SlicedPart(start, length).of_product(node, cut.label) for start, length in ranges]
    return add([(1, term) for term in terms], node.shape)


def _placed(node: Node, cut: Cut) -> Node:
    """Compute a result slice by slice along one of its axes."""
    size = _number(node.shape[cut.label])
    labels = list(range(len(node.shape)))
    whole = len(labels)
    terms = []
    for start, length in _ranges(size, cut.slices):
        part = _SlicedPart(start, length).of(node, [cut.label])
        place = related((length, size), (1, -1), start)
        output = [whole if n == cut.label else n for n in labels]
        terms.append((1, einsum([place, part], [(cut.label, whole), labels], output)))
    return add(terms, node.shape)


def restricted(node: Node, axes: Sequence[int], start: int, length: int) -> Node:
    """Take a slice of axes, all of one size, of a node, by slices of what it is made of.

    Variables are multiplied by shifted deltas then. Sizes are numbers.

    >>> x = variable("x", (4,))
    >>> restricted(einsum([x, x], ["i", "i"], "i"), [0], 1, 2).shape
    (2,)
    """
    return _SlicedPart(start, length).of(node, axes)


class _SlicedPart:
    """A range of an axis, taken of what nodes are made of, and of each of these once."""

    def __init__(self, start: int, length: int) -> None:
        self.start = start
        self.length = length
        self.known: dict[tuple[Node, int], Node] = {}

    def of(self, node: Node, axes: Iterable[int], depth: int = 0) -> Node:
        """Take that part of axes of a node."""
        for axis in axes:
            key = node, axis
            if key not in self.known:
                self.known[key] = self.along(node, axis, depth)
            node = self.known[key]
        return node

    def of_product(self, node: Einsum, label: int, depth: int = 0) -> Node:
        """Take that part of a label of a product."""
        parts = [
            self.of(part, [k for k, n in enumerate(labels) if n == label], depth)
            for part, labels in zip(node.operands, node.subscripts, strict=True)
        ]
        return remade(node, parts, [*node.sizes[:label], self.length, *node.sizes[label + 1 :]])

    def along(self, node: Node, axis: int, depth: int) -> Node:
        below = depth + 1
        if depth < MOST_DEPTH:
            if isinstance(node, Einsum) and node.output.count(node.output[axis]) == 1:
                return self.of_product(node, node.output[axis], below)
            if isinstance(node, Add):
                shape = [self.length if k == axis else size for k, size in enumerate(node.shape)]
                return remade(node, [self.of(term, [axis], below) for _, term in node.terms], shape)
            if isinstance(node, Call) and axis < len(node.batch):
                rank = len(node.batch)
                args = [
                    self.of(arg, [axis], below) if len(arg.shape) - len(core) == rank else arg
                    for arg, core in zip(node.args, node.function.cores[0], strict=True)
                ]
                return call(node.function, args)
        labels = list(range(len(node.shape)))
        taken = related((self.length, node.shape[axis]), (1, -1), self.start)
        output = [len(labels) if n == axis else n for n in labels]
        return einsum([taken, node], [(len(labels), axis), labels], output)
