r"""What is computed instead: the distributive law, in whichever direction costs less.

A factor that terms of a sum have in common is taken out where that saves operations,

.. math:: X_{ki} D_{kl} X_{lj} + X_{ki} E_{kl} X_{lj} = X_{ki} (D_{kl} + E_{kl}) X_{lj} ,

and a factor that is a sum with deltas in it is multiplied out where the sum itself would be a
larger array than its terms. With :math:`s` the softmax of a matrix,

.. math:: (\delta_{kl} - s_{il})\, s_{ik} K_{lq} V_{kj}
    = s_{ik} K_{kq} V_{kj} - s_{ik} V_{kj}\; s_{il} K_{lq}

needs no array with the axes i, k and l.

>>> X, D, E = (variable(name, (100, 100)) for name in "XDE")
>>> terms = [einsum([X, M, X], ["ki", "kl", "lj"], "ij") for M in (D, E)]
>>> (node,) = rearranged([add([(1, term) for term in terms])], {})
>>> node is einsum([X, add([(1, D), (1, E)]), X], ["ki", "kl", "lj"], "ij")
True
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import NamedTuple

from einsdiff.algebra.nodes.effort import budget, within
from einsdiff.algebra.nodes.graph import children, rebuilt, rewritten, topological, use_counts
from einsdiff.algebra.nodes.interning import Add, Delta, Einsum, Node, Number, Shape
from einsdiff.algebra.nodes.nodes import add, einsum, scale
from einsdiff.algebra.reading.definitions import with_definitions
from einsdiff.algebra.rewriting.factor import factored
from einsdiff.algebra.rewriting.flatten import flatten
from einsdiff.notation.subscripts import Size
from einsdiff.numeric.planning.merging import merged, order, order_cost
from einsdiff.numeric.planning.stable import stable

#: A sum is looked through for common factors of some of its terms if it has at most so many;
#: longer ones for factors that all terms have.
MOST_GROUPED = 32
#: A product is multiplied out into at most so many terms.
MOST_SPREAD = 32
#: A sum is large that has so many times the entries of all that it is made of and multiplied by.
LARGE = 4
#: A product is multiplied out in part if that costs less than this share of other ways.
CLEARLY = 0.9
#: How often what was rearranged is looked at again, while there are steps left.
MOST_ROUNDS = 6


def rearranged(
    outputs: Iterable[Node], sizes: Mapping[str, int], is_placed: bool = False
) -> tuple[Node, ...]:
    """Write expressions that are computed together so that they cost less to compute.

    They have the same values, with products merged, and with `stable` differences. Where they
    consist of terms that are placed, these are left apart.
    """
    outputs = with_definitions(tuple(outputs), lambda function: bool(function.numpy))
    nodes = flatten(stable(flatten(outputs, merges_placed=True)), merges_placed=True)
    nodes = merged(nodes, sizes)
    uses = use_counts(nodes)
    if not any(isinstance(node, Add) for node in uses):
        return nodes
    found = [nodes]

    def rounds() -> tuple[Node, ...]:
        while len(found) <= MOST_ROUNDS:
            walk = _Round(found[-1], sizes, is_placed)
            changed = flatten(walk.nodes(), merges_placed=True)
            found.append(changed if changed == found[-1] else merged(changed, sizes))
            if found[-1] == found[-2]:
                break
        return found[-1]

    return within(budget("planning", len(uses)), rounds, lambda: found[-1])


def with_units(outputs: Iterable[Node]) -> tuple[Node, ...]:
    r"""Take floats that all terms of a sum have out of it, and make 1.0 the number 1.

    So the residual in :math:`0.5\, r_i r_i` and in its derivative is one array, and not an array
    and 1.0 times it. The values are the same where arrays are of the dtype of the result, to which
    a program converts them first.

    >>> x, y = variable("x", (3,)), variable("y", (3,))
    >>> (node,) = with_units([add([(1.0, x), (-1.0, y)])])
    >>> node is add([(1, x), (-1, y)])
    True
    """
    roots = tuple(outputs)
    floats = (
        type(c) is float for n in topological(roots) if isinstance(n, Add) for c, _ in n.terms
    )
    return rewritten(roots, _with_units) if any(floats) else roots


def _with_units(node: Node) -> Node:
    if not isinstance(node, Add) or not any(type(c) is float for c, _ in node.terms):
        return node
    first = node.terms[0][0]
    if type(first) is float and all(c in (first, -first) for c, _ in node.terms):
        signs = [(1 if c == first else -1, term) for c, term in node.terms]
        return scale(_unit(first), add(signs, node.shape))
    return add([(_unit(c), term) for c, term in node.terms], node.shape)


def _unit(c: Number) -> Number:
    return int(c) if type(c) is float and abs(c) == 1 else c


class _Way(NamedTuple):
    """A way to write a product, and what it costs to compute."""

    node: Node
    cost: float


class _Round:
    """One walk over expressions, what is below first."""

    def __init__(
        self, roots: Sequence[Node], sizes: Mapping[str, int], is_placed: bool = False
    ) -> None:
        self.roots = roots
        self.kept = {node for root in roots for node in (root, *_terms(root))} if is_placed else ()
        self.sizes = sizes
        self.uses = use_counts(roots)
        self.done: dict[Node, Node] = {}
        self.contents: dict[Node, int] = {}
        self.given: frozenset[Node] = frozenset()  # what is computed once, however it is written

    def nodes(self) -> tuple[Node, ...]:
        for node in self.uses:
            self.done[node] = self.rewritten(node)
        return tuple(self.done[root] for root in self.roots)

    def rewritten(self, node: Node) -> Node:
        new = rebuilt(node, self.done)
        if new is not node or node in self.kept:  # if new, it is looked at in the next round
            return new
        if isinstance(node, Add):
            return self.taken_out(node)
        return self.spread(node) if isinstance(node, Einsum) else node

    # Common factors.

    def taken_out(self, node: Add) -> Node:
        """Take out a factor that terms have in common, if that costs less."""
        if len(node.terms) < 2 or any(self.uses[term] > 1 for _, term in node.terms):
            return node
        least = 2 if len(node.terms) <= MOST_GROUPED else len(node.terms)
        if not any(isinstance(term, Einsum) and len(term.operands) > 1 for _, term in node.terms):
            return node
        ways = [node, *_hoisted(node)]
        other = factored(node, least)
        return min(ways if other is None else [*ways, other], key=self.whole)

    def cost(self, node: Node, limit: int = 3) -> float:
        """Estimate the operations of a sum or a product, sums in it included."""
        if isinstance(node, Add):
            return sum(self.cost(term, limit) for _, term in node.terms) + self.added(
                node.terms, node.shape
            )
        if not isinstance(node, Einsum) or not limit:
            return 0
        inner = sum(
            self.cost(operand, limit - 1)
            for operand in node.operands
            if isinstance(operand, Add)
            and self.uses.get(operand, 0) < 2
            and operand not in self.given
        )
        return inner + self.multiplied(node)

    def whole(self, node: Node) -> float:
        """Estimate what it costs to compute an array, zeros and all."""
        return self.cost(node) + (
            0 if isinstance(node, Add) else self.added([(1, node)], node.shape)
        )

    def multiplied(self, node: Einsum) -> float:
        return order_cost(node, self.sizes)

    def number(self, size: Size) -> int:
        return size if isinstance(size, int) else self.sizes[size]

    def extent_of(self, shape: Iterable[Size]) -> int:
        return prod(map(self.number, shape))

    def added(self, terms: Iterable[tuple[Number, Node]], shape: Shape) -> int:
        """Count the entries that are written to add terms up once they are known."""
        whole = self.extent_of(shape)
        filled: list[int] = []  # the entries of the cores of terms that fill the result
        parts: list[int] = []  # the entries that others are written to
        for _, term in terms:
            if isinstance(term, Delta):
                parts.append(max(map(self.number, term.shape)))
            elif not isinstance(term, Einsum):
                filled.append(whole)
            elif len(set(term.output)) < len(term.output):
                parts.append(self.extent_of(term.sizes[n] for n in set(term.output)))
            else:
                labels = term.carried.intersection(term.output)
                filled.append(self.extent_of(term.sizes[n] for n in labels))
        # Adding reads two arrays and writes one. Where nothing fills the result, zeros do; a term
        # alone must be repeated.
        passes = max(3 * (len(filled) - 1), 1 if max(filled, default=0) < whole else 0)
        first = 0 if filled else 2 * max(parts, default=0)  # is written, not added
        return passes * whole + 3 * sum(parts) - first

    # Sums with deltas.

    def spread(self, node: Einsum) -> Node:
        """Multiply out a factor that is a sum with deltas, or a large one, if that costs less.

        Other sums are kept: a small difference such as ``1 - y^2`` has more digits than what it
        would be in pieces.
        """
        for k, operand in enumerate(node.operands):
            if (
                not isinstance(operand, Add)
                or len(node.operands) < 2
                or not 1 < len(operand.terms) <= MOST_SPREAD
                or not (_has_deltas(operand) or self.is_large(node, operand))
            ):
                continue
            before = self.multiplied(node) + self.cost(operand) / self.uses[operand]
            before += self.added([(1, node)], node.shape)
            self.given = frozenset(node.operands) - {operand}
            whole, *partly = self.spreadings(node, k, operand)
            self.given = frozenset()
            # What is multiplied out in part hides its factors from sums that it is a term of.
            best = min(partly, key=lambda way: way.cost, default=whole)
            if best.cost < CLEARLY * min(before, whole.cost):
                return best.node
            if whole.cost < before:
                return whole.node
        return node

    def spreadings(self, node: Einsum, k: int, total: Add) -> Iterator[_Way]:
        """Multiply a sum out with all other factors, or with those that it is multiplied by first.

        What these are made of is multiplied once, and not in each term.
        """
        sizes = dict(enumerate(node.sizes))
        terms = []
        for c, term in total.terms:
            factors = [*node.operands[:k], term, *node.operands[k + 1 :]]
            terms.append((c, einsum(factors, node.subscripts, node.output, sizes, [k])))
        new = add(terms, node.shape)
        yield _Way(new, self.whole(new))
        at = [n for n, operand in enumerate(node.operands) if not isinstance(operand, Delta)]
        left: list[tuple[int, ...]] = [(n,) for n in at]
        parts: list[tuple[int, ...]] = []  # what the sum is multiplied by, each made of factors
        for chosen in order(node, self.sizes)[0]:
            group = [left.pop(place) for place in sorted(chosen, reverse=True)]
            left.append(tuple(n for slots in group for n in slots))
            if k in left[-1] and len(left) > 1:
                parts += [slots for slots in group if k not in slots]
                yield self.spread_with(node, k, total, parts)

    def spread_with(
        self, node: Einsum, k: int, total: Add, parts: Sequence[tuple[int, ...]]
    ) -> _Way:
        r"""Multiply a sum out with parts of a product, each made of factors at these places.

        So :math:`(\delta_{jk} - s_{lj})\, u_{lk} s_{lj}` becomes
        :math:`(u_{lj} - s_{lk} u_{lk})\, s_{lj}`.
        """
        made = [_made(node, slots) for slots in parts]
        inside = {k, *(n for slots in parts for n in slots)}
        outside = [n for n in range(len(node.operands)) if n not in inside]
        needed = {*node.output, *(label for n in outside for label in node.subscripts[n])}
        own = [node.subscripts[k], *(labels for _, labels in made)]
        out = [n for n in dict.fromkeys(n for labels in own for n in labels) if n in needed]
        sizes = {label: node.sizes[label] for label in out}
        terms = [
            (c, einsum([term, *(factor for factor, _ in made)], own, out, sizes, [0]))
            for c, term in total.terms
        ]
        factors = [add(terms, tuple(sizes.values())), *(node.operands[n] for n in outside)]
        labels = [out, *(node.subscripts[n] for n in outside)]
        # Only labels that are left have a size, since one of no factor would count as one.
        left = {label: node.sizes[label] for label in node.output}
        new = einsum(factors, labels, node.output, left)
        below = [factor for (factor, _), slots in zip(made, parts, strict=True) if len(slots) > 1]
        return _Way(new, self.whole(new) + sum(map(self.cost, below)))

    def is_large(self, node: Einsum, total: Add) -> bool:
        """Tell whether a sum of products is much larger than all that it and the product are of.

        The terms of :math:`(x_i y_j - y_i x_j) w_j` are rounded before they are subtracted, so that
        nothing is lost if they are not. Differences of arrays as they are given, as in
        :math:`(x_i - y_j) w_j`, have more digits; and so has the square of any difference.
        """
        exact = sum(not isinstance(t, Einsum) or len(t.operands) < 2 for _, t in total.terms)
        if exact > 1 or node.operands.count(total) > 1:
            return False
        most = self.extent_of(total.shape) / LARGE
        others = (operand.shape for operand in node.operands if operand is not total)
        shapes = (node.shape, *others)
        return all(self.extent_of(s) < most for s in shapes) and self.content(total) < most

    def content(self, node: Node) -> int:
        """Return the entries of the largest array that is surely formed to compute a node."""
        if node not in self.contents:
            for part in topological([node], self.unknown):
                parts = self.parts(part)
                self.contents[part] = (
                    max(self.contents[inner] for inner in parts)
                    if parts
                    else self.extent_of(part.shape)
                )
        return self.contents[node]

    def parts(self, node: Node) -> tuple[Node, ...]:
        """List what a sum or a product is made of, without deltas."""
        if not isinstance(node, Add | Einsum):
            return ()
        return tuple(part for part in children(node) if not isinstance(part, Delta))

    def unknown(self, node: Node) -> tuple[Node, ...]:
        return tuple(part for part in self.parts(node) if part not in self.contents)


def _made(node: Einsum, slots: Sequence[int]) -> tuple[Node, tuple[int, ...]]:
    """Multiply some factors of a product; also return the labels that others need of them."""
    others = [own for n, own in enumerate(node.subscripts) if n not in slots]
    needed = {*node.output, *(label for own in others for label in own)}
    subscripts = [node.subscripts[n] for n in slots]
    out = tuple(n for n in dict.fromkeys(n for own in subscripts for n in own) if n in needed)
    return einsum([node.operands[n] for n in slots], subscripts, out), out


def _terms(node: Node) -> list[Node]:
    return [term for _, term in node.terms] if isinstance(node, Add) else []


def _hoisted(node: Add) -> Iterator[Node]:
    r"""Take out a factor of all terms that has axes of the result only, in every way there is.

    Unlike `factored` this puts terms with deltas and one without into one bracket,

    .. math:: x_p A_{qs} + x_p \delta_{qs} b_q = x_p (A_{qs} + \delta_{qs} b_q) ,

    since where one term fills the result, so does the sum.
    """
    terms = [term for _, term in node.terms]
    if not all(isinstance(term, Einsum) and not term.loose for term in terms):
        return
    products: list[Einsum] = terms  # type: ignore[assignment]  # as was just seen
    if all(len(set(term.output)) < len(term.output) for term in products):
        return
    first = products[0]
    for operand, labels in zip(first.operands, first.subscripts, strict=True):
        if not set(labels).issubset(first.output) or len(set(labels)) < len(labels):
            continue
        for place in product(*([k for k, n in enumerate(first.output) if n == m] for m in labels)):
            at = [_position(term, operand, place) for term in products]
            if None not in at:
                yield _divided(node, products, [k for k in at if k is not None], operand, place)


def _position(term: Einsum, factor: Node, place: tuple[int, ...]) -> int | None:
    """Find a factor whose axes are these axes of the result."""
    wanted = tuple(term.output[axis] for axis in place)
    slots = zip(term.operands, term.subscripts, strict=True)
    return next((k for k, slot in enumerate(slots) if slot == (factor, wanted)), None)


def _divided(
    node: Add, terms: Sequence[Einsum], at: Sequence[int], factor: Node, place: tuple[int, ...]
) -> Node:
    """Write a sum as a factor times what is left of it."""
    axes = range(len(node.shape))
    left = [
        (
            term.output,
            [*term.operands[:k], *term.operands[k + 1 :]],
            [*term.subscripts[:k], *term.subscripts[k + 1 :]],
        )
        for term, k in zip(terms, at, strict=True)
    ]
    kept = [
        axis
        for axis in axes
        if axis not in place
        or any(
            output.count(output[axis]) > 1 or any(output[axis] in labels for labels in subscripts)
            for output, _, subscripts in left
        )
    ]
    shape = [node.shape[axis] for axis in kept]
    rests = []
    for output, operands, subscripts in left:
        own = [output[axis] for axis in kept]
        rests.append(einsum(operands, subscripts, own, dict(zip(own, shape, strict=True))))
    rest = add([(c, r) for (c, _), r in zip(node.terms, rests, strict=True)], shape)
    return einsum([factor, rest], [place, kept], axes, dict(enumerate(node.shape)))


def _has_deltas(node: Add) -> bool:
    """Tell whether a term stands in a part of the sum only."""
    return any(
        isinstance(term, Delta)
        or (isinstance(term, Einsum) and len(set(term.output)) < len(term.output))
        for _, term in node.terms
    )
