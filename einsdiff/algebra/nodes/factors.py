r"""A product as its factors, each a node with the labels of its axes.

>>> A, x = variable("A", (2, 3)), variable("x", (3,))
>>> product = multiplied([(A, "ij"), (x, "j")], "i")
>>> slots(product)
[(x, (1,)), (A, (0, 1))]
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any

from einsdiff.algebra.nodes.interning import ONE, Einsum, Node
from einsdiff.algebra.nodes.nodes import einsum
from einsdiff.notation.subscripts import Size

#: A factor, and the label of each of its axes.
Slot = tuple[Node, tuple[int, ...]]


def multiplied(
    factors: Iterable[tuple[Node, Sequence[Hashable]]],
    output: Sequence[Hashable],
    sizes: Mapping[Any, Size] | None = None,
    inline: Collection[int] = (),
) -> Node:
    """Multiply factors as `einsum` does, which takes nodes and labels apart."""
    factors = tuple(factors)
    return einsum([node for node, _ in factors], [own for _, own in factors], output, sizes, inline)


def slots(node: Node) -> list[Slot]:
    """List the factors of a term with their labels; named sizes are factors too.

    >>> slots(variable("A", (2, 3)))
    [(A, (0, 1))]
    """
    if isinstance(node, Einsum):
        sizes = [size_factor(node.sizes[label]) for label in node.loose]
        return [*zip(node.operands, node.subscripts, strict=True), *sizes]
    return [] if node is ONE else [(node, tuple(range(len(node.shape))))]


def size_factor(size: Size) -> Slot:
    """Return a size as a factor.

    >>> size_factor("n")
    (Einsum((), (), ()), ())
    """
    return einsum([], [], (), {0: size}), ()


def counted(node: Einsum) -> dict[Slot, int]:
    """Count equal factors of a product.

    >>> x = variable("x", (3,))
    >>> counted(einsum([x, x], ["i", "i"], "i"))
    {(x, (0,)): 2}
    """
    counts: dict[Slot, int] = {}
    for slot in zip(node.operands, node.subscripts, strict=True):
        counts[slot] = counts.get(slot, 0) + 1
    return counts
