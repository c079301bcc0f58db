r"""Products that are used several times: computed once, or opened where that costs less.

A product that is used twice is computed once, which is right for most. It is wrong where the
product is a larger array than what it is made of and what becomes of it: the derivative of an
inverse,

.. math:: \partial Y_{ij} = -Y_{ip}\, Y_{qj}\; \partial X_{pq} \qquad Y = X^{-1} ,

is two products of matrices for each change of X, and an array of four axes for all of them. What is
cheaper is told by the sizes, so that it is decided here and not where expressions are flattened.

>>> Y, V, W = (variable(name, (50, 50)) for name in "YVW")
>>> local = einsum([Y, Y], ["ip", "qj"], "ijpq")
>>> changes = [einsum([local, M], ["ijpq", "pq"], "ij") for M in (V, W)]
>>> merged(changes, {})[0] is einsum([Y, V, Y], ["ip", "pq", "qj"], "ij")
True
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from einsdiff.algebra.nodes.graph import children, rebuilt, topological
from einsdiff.algebra.nodes.interning import Add, Delta, Einsum, Node
from einsdiff.algebra.nodes.nodes import einsum
from einsdiff.notation.subscripts import Size
from einsdiff.numeric.orders.networks import Path
from einsdiff.numeric.orders.paths import find_path

#: A product in which others are opened has at most so many factors.
MOST_FACTORS = 24
#: Products are opened in products that were opened so often at most.
MOST_WALKS = 8


def merged(outputs: Iterable[Node], sizes: Mapping[str, int]) -> tuple[Node, ...]:
    """Open shared products, and sums of larger terms, in the products that they are factors of.

    It is done where it costs less than to compute them once. The values are the same.
    """
    nodes = tuple(outputs)
    for _ in range(MOST_WALKS):
        found = _Walk(nodes, sizes).nodes()
        if found == nodes:
            break
        nodes = found
    return nodes


def order_cost(node: Node, sizes: Mapping[str, int]) -> float:
    """Estimate what it takes to multiply the factors of a product, once these are known.

    >>> A, x = variable("A", (100, 200)), variable("x", (200,))
    >>> order_cost(einsum([A, x], ["ij", "j"], "i"), {})
    22800.0
    """
    return order(node, sizes)[1] if isinstance(node, Einsum) else 0


def order(node: Einsum, sizes: Mapping[str, int]) -> tuple[Path, float]:
    """Find an order of the factors of a product that are no deltas, and what it costs."""
    factors = tuple(
        labels
        for operand, labels in zip(node.operands, node.subscripts, strict=True)
        if not isinstance(operand, Delta)
    )
    carried = frozenset(label for labels in factors for label in labels)
    output = tuple(label for label in dict.fromkeys(node.output) if label in carried)
    return find_path(factors, output, tuple([_number(size, sizes) for size in node.sizes]))


def _number(size: Size, sizes: Mapping[str, int]) -> int:
    return size if isinstance(size, int) else sizes[size]


class _Walk:
    """One walk over expressions: which shared products are opened, and where."""

    def __init__(self, roots: tuple[Node, ...], sizes: Mapping[str, int]) -> None:
        self.roots, self.sizes = roots, sizes
        self.order = topological(roots)
        #: The products that each is a factor of; whether it is needed elsewhere, too.
        self.products: dict[Node, list[Einsum]] = {}
        self.others: set[Node] = set(roots)
        for node in self.order:
            if not isinstance(node, Einsum):
                self.others.update(children(node))
                continue
            for operand in dict.fromkeys(node.operands):
                self.products.setdefault(operand, []).append(node)

    def nodes(self) -> tuple[Node, ...]:
        opened: dict[Node, set[Node]] = {}  # by the products in which they are
        for node in self.order:
            if isinstance(node, Einsum) and node in self.products and _is_product(node):
                for product in self.opened_in(node):
                    opened.setdefault(product, set()).add(node)
        if not opened:
            return self.roots
        done: dict[Node, Node] = {}
        for node in self.order:
            if node in opened and isinstance(node, Einsum):
                # What is opened has its own factors as they were; it is looked at in the next walk.
                done[node] = _with_opened(node, done, opened[node])
            else:
                done[node] = rebuilt(node, done)
        return tuple(done[root] for root in self.roots)

    def opened_in(self, node: Einsum) -> list[Einsum]:
        """Choose the products in which a product is opened."""
        apart: list[float] = []
        inside: list[float] = []
        products = self.products[node]
        for product in products:
            count = product.operands.count(node)
            if len(product.operands) + count * (len(node.operands) - 1) > MOST_FACTORS:
                return []
            apart.append(self.cost(product))
            inside.append(self.cost(_with_opened(product, {}, {node})))
        kept = 0.0 if node in self.others else self.cost(node)
        better = [k for k in range(len(products)) if inside[k] < apart[k]]
        if sum(inside) < kept + sum(map(min, apart, inside)) and kept:
            better = list(range(len(products)))
        return [products[k] for k in better]

    def cost(self, node: Node) -> float:
        # A number in front of a product is no factor.
        return order_cost(node.primitive[1] if isinstance(node, Add) else node, self.sizes)


def _is_product(node: Einsum) -> bool:
    """Tell whether a product has several factors, and is no array among zeros."""
    if any(isinstance(operand, Delta) for operand in node.operands):
        return False
    return len(node.operands) > 1


def _with_opened(node: Einsum, done: Mapping[Node, Node], opened: Iterable[Node]) -> Node:
    """Build a product in which some factors are opened."""
    chosen = set(opened)
    new: list[Node] = []
    inline = []
    for k, operand in enumerate(node.operands):
        new.append(done.get(operand, operand))
        if operand in chosen:
            inline.append(k)
    return einsum(new, node.subscripts, node.output, dict(enumerate(node.sizes)), inline)
