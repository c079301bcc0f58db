r"""Products of products, and sums of sums, as one: the normal form in which results are given.

A product that stands inside one other product, and nowhere else, is merged into it,

.. math:: (A_{ij} B_{jk})\, C_{kl} \;\to\; A_{ij} B_{jk} C_{kl},

since nothing is lost: the order of contraction is chosen by the planner from all factors. A
product that is used twice is kept apart, because it will be computed once; but not, if it is to be
computed, one that only places an array among zeros, as slices do. Sums likewise.

>>> A, B, C = (variable(name, (2, 2)) for name in "ABC")
>>> AB = einsum([A, B], ["ij", "jk"], "ik")
>>> (nested,) = flatten([einsum([AB, C], ["ik", "kl"], "il")])
>>> nested is einsum([A, B, C], ["ij", "jk", "kl"], "il")
True
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from einsdiff.algebra.nodes.graph import children, rebuilt, use_counts
from einsdiff.algebra.nodes.interning import Add, Delta, Einsum, Node, Number, delta
from einsdiff.algebra.nodes.nodes import add, einsum
from einsdiff.notation.subscripts import Size

#: A product that is to be computed has at most this many factors unless it was written with more:
#: contraction paths of longer ones are costly.
MOST_FACTORS = 16
#: The same for products that are only compared and printed.
MOST_COMPARED_FACTORS = 256
#: A product that is used twice is merged too, if it is only compared and printed, when it has at
#: most this many factors; so that what is equal does not depend on what was shared.
MOST_REPEATED_FACTORS = 8


def flatten(
    roots: Iterable[Node],
    most_factors: int = MOST_FACTORS,
    most_repeated: int = 0,
    merges_placed: bool = False,
) -> tuple[Node, ...]:
    """Merge what is used once: products into products, sums into sums.

    The roots are used together: a node used by two of them counts as shared. A product is merged
    into another one only if that has `most_factors` at most then, and one that is used more than
    once if it has `most_repeated` at most, or if it only places an array among zeros and
    `merges_placed` is true. The nodes where nothing is merged stay the same.
    """
    roots = tuple(roots)
    while True:
        flat = _Merger(roots, most_factors, most_repeated, merges_placed).merged()
        if flat == roots:
            return flat
        roots = flat


class _Merger:
    """Merges what is used once, in one pass from below."""

    def __init__(
        self, roots: tuple[Node, ...], most_factors: int, most_repeated: int, merges_placed: bool
    ) -> None:
        self.roots, self.uses = roots, use_counts(roots)
        self.most_factors, self.most_repeated = most_factors, most_repeated
        self.merges_placed = merges_placed
        self.done: dict[Node, Node] = {}
        # Sums inside of sums are not built on their own, since they might be long and many.
        self.inside: set[Node] = {
            child
            for node in self.uses
            if isinstance(node, Add)
            for child in children(node)
            if isinstance(child, Add) and self.uses[child] == 1
        }
        # Nor are products inside of products.
        self.inside |= _opened(self.uses, most_factors)

    def merged(self) -> tuple[Node, ...]:
        for node in self.uses:  # children first
            if node in self.inside:
                continue
            if isinstance(node, Add):
                self.done[node] = self.sum(node)
            elif isinstance(node, Einsum):
                self.done[node] = self.product(node)
            else:
                self.done[node] = rebuilt(node, self.done)
        return tuple(self.done[root] for root in self.roots)

    def sum(self, node: Add) -> Node:
        terms: list[tuple[Number, Node]] = []
        stack = list(node.terms)
        while stack:
            c, old = stack.pop()
            is_inside = old in self.inside
            new = old if is_inside else self.done[old]
            if isinstance(new, Add) and self.uses[old] == 1:
                (stack if is_inside else terms).extend((c * inner, t) for inner, t in new.terms)
            else:
                terms.append((c, new))
        return add(terms, node.shape)

    def product(self, node: Einsum) -> Node:
        slots, sizes = _gathered(node, self.inside)
        # A delta of two labels is what it was.
        new = [self.done.get(old, old) for old, _ in slots]
        room = self.most_factors - len(new)
        inline = []
        for k, ((old, _), operand) in enumerate(zip(slots, new, strict=True)):
            inner = operand.primitive[1] if isinstance(operand, Add) else operand
            if not isinstance(inner, Einsum) or len(inner.operands) - 1 > room:
                continue
            is_merged = self.uses.get(old) == 1 or len(inner.operands) <= self.most_repeated
            if is_merged or (self.merges_placed and _only_places(inner)):
                inline.append(k)
                room -= len(inner.operands) - 1
        if not inline and tuple(new) == node.operands:
            return node
        output = [(0, label) for label in node.output]
        return einsum(new, [labels for _, labels in slots], output, sizes, inline)


def _opened(uses: Mapping[Node, int], most_factors: int) -> set[Node]:
    """Choose the products that are used once, in a product that has room for their factors.

    Those that might become something else than a product are looked at when they have.
    """
    opened: set[Node] = set()
    count: dict[Node, int] = {}
    for node in uses:  # children first
        if not isinstance(node, Einsum):
            continue
        room = most_factors - len(node.operands)
        for inner in node.operands:
            if inner not in count or uses[inner] > 1 or count[inner] - 1 > room:
                continue
            opened.add(inner)
            room -= count[inner] - 1
        is_plain = not any(isinstance(operand, Delta) for operand in node.operands)
        if is_plain and len(node.operands) > 1:
            count[node] = most_factors - room
    return opened


_Label = tuple[int, int]


def _gathered(
    node: Einsum, inside: Collection[Node]
) -> tuple[list[tuple[Node, tuple[_Label, ...]]], dict[_Label, Size]]:
    """List the factors of a product and of those inside of it; labels of each have its number."""
    found: list[tuple[Node, tuple[_Label, ...]]] = []
    sizes: dict[_Label, Size] = {}
    ties: list[tuple[Node, tuple[_Label, ...]]] = []
    stack: list[tuple[Einsum, dict[int, _Label]]] = [(node, {})]
    count = 0
    while stack:
        product, name = stack.pop()
        for label, size in enumerate(product.sizes):
            sizes[name.setdefault(label, (count, label))] = size
        count += 1
        for operand, labels in zip(product.operands, product.subscripts, strict=True):
            ours = tuple(name[label] for label in labels)
            if operand not in inside or not isinstance(operand, Einsum):
                found.append((operand, ours))
                continue
            inner: dict[int, _Label] = {}
            for theirs, own in zip(operand.output, ours, strict=True):
                if inner.setdefault(theirs, own) != own:
                    ties.append((delta(operand.sizes[theirs]), (inner[theirs], own)))
            stack.append((operand, inner))
    return [*found, *ties], sizes


def _only_places(node: Einsum) -> bool:
    """Tell whether a product spreads one array along a diagonal, and does nothing else.

    As an array of its own it would be mostly zeros, which are better never formed.
    """
    relations = [operand for operand in node.operands if isinstance(operand, Delta)]
    is_diagonal = any(len(relation.shape) > 1 for relation in relations)
    return is_diagonal and len(node.operands) - len(relations) <= 1
