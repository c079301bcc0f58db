r"""Products of products, and sums of sums, as one: the normal form in which results are given.

A product that stands inside one other product, and nowhere else, is merged into it,

.. math:: (A_{ij} B_{jk})\, C_{kl} \;\to\; A_{ij} B_{jk} C_{kl},

since nothing is lost: the order of contraction is chosen by the planner from all factors. A
product that is used twice is kept apart, because it will be computed once. Sums likewise.

>>> from einsdiff.algebra.nodes import einsum, variable
>>> A, B, C = (variable(name, (2, 2)) for name in "ABC")
>>> AB = einsum([A, B], ["ij", "jk"], "ik")
>>> (nested,) = flatten([einsum([AB, C], ["ik", "kl"], "il")])
>>> nested is einsum([A, B, C], ["ij", "jk", "kl"], "il")
True
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from einsdiff.algebra.nodes import (
    Add,
    Call,
    Einsum,
    Node,
    Number,
    add,
    call,
    children,
    einsum,
    use_counts,
)

__all__ = ["MOST_COMPARED_FACTORS", "MOST_FACTORS", "flatten", "rebuild"]

#: A product that is to be computed has at most this many factors unless it was written with more:
#: contraction paths of longer ones are costly.
MOST_FACTORS = 16
#: The same for products that are only compared and printed.
MOST_COMPARED_FACTORS = 256
#: A merged sum has at most this many terms.
MOST_TERMS = 4096


def flatten(roots: Iterable[Node], most_factors: int = MOST_FACTORS) -> tuple[Node, ...]:
    """Merge what is used once: products into products, sums into sums.

    Parameters
    ----------
    roots
        Expressions that are used together; a node used by two of them counts as shared.
    most_factors
        A product is merged into another one only if that has at most so many factors then.

    Returns
    -------
    tuple of Node
        The same expressions, with the same nodes where nothing was merged.
    """
    roots = tuple(roots)
    while True:
        flat = _flatten_once(roots, most_factors)
        if flat == roots:
            return flat
        roots = flat


def _flatten_once(roots: tuple[Node, ...], most_factors: int) -> tuple[Node, ...]:
    uses = use_counts(roots)
    done: dict[Node, Node] = {}
    for node in uses:  # children first
        new = [done[child] for child in children(node)]
        once = [uses[child] == 1 for child in children(node)]
        done[node] = rebuild(node, new, once, most_factors)
    return tuple(done[root] for root in roots)


def rebuild(
    node: Node,
    new: Sequence[Node],
    once: Sequence[bool] = (),
    most_factors: int = MOST_FACTORS,
) -> Node:
    """Build the node again over other children.

    Parameters
    ----------
    node
        The node to follow.
    new
        One node for each of its children.
    once
        For each child whether it may be merged into this node.
    most_factors
        As for `flatten`.

    Returns
    -------
    Node
        The same node if nothing changed.
    """
    once = once or [False] * len(new)
    if isinstance(node, Einsum):
        room = most_factors - len(new)
        inline = []
        for k, (child, single) in enumerate(zip(new, once, strict=True)):
            inner = child.primitive[1] if isinstance(child, Add) else child
            if single and isinstance(inner, Einsum) and len(inner.operands) - 1 <= room:
                inline.append(k)
                room -= len(inner.operands) - 1
        if not inline and tuple(new) == node.operands:
            return node
        return einsum(new, node.subscripts, node.output, dict(enumerate(node.sizes)), inline)
    if isinstance(node, Add):
        terms: list[tuple[Number, Node]] = []
        for (c, _), child, single in zip(node.terms, new, once, strict=True):
            if isinstance(child, Add) and single and len(terms) < MOST_TERMS:
                terms.extend((c * inner, term) for inner, term in child.terms)
            else:
                terms.append((c, child))
        return add(terms, node.shape)
    if isinstance(node, Call):
        return node if tuple(new) == node.args else call(node.function, new)
    return node
