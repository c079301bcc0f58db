r"""A derivative as a linear map: a sum of terms, each a core and the deltas that tie its axes.

The axes of a derivative are those of the codomain and those of the domain. A delta between one of
each says that blocks off its diagonal are zero; what is left of a term when deltas are taken out
is its core.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from einsdiff.algebra.nodes.factors import Slot, multiplied, slots
from einsdiff.algebra.nodes.interning import (
    Add,
    Constant,
    Delta,
    Einsum,
    Node,
    Number,
    Shape,
    delta,
)
from einsdiff.algebra.nodes.nodes import add, einsum, related
from einsdiff.algebra.rewriting.flatten import flatten
from einsdiff.algebra.rewriting.orient import oriented

#: Products of sums with deltas in them are multiplied out up to so many terms.
MOST_TERMS = 64

Axes = tuple[int, ...]

Pairs = tuple[tuple[int, int], ...]


class LinearTerm(NamedTuple):
    """A coefficient times factors times deltas.

    The label of each axis of the expression is the first axis that deltas make it equal to; labels
    that are summed are greater than every axis.
    """

    coefficient: Number
    factors: tuple[Slot, ...]
    labels: Axes


class LinearTerms(NamedTuple):
    """A sum of terms as a map from domain axes to codomain axes.

    The axes are positions in the expression, whose sizes are in `shape`; not all of them where this
    is part of a map.
    """

    terms: tuple[LinearTerm, ...]
    codomain: Axes
    domain: Axes
    shape: Shape


@lru_cache(maxsize=1024)
def linear_map(
    expr: Node, domain: int, most: int = MOST_TERMS, is_deep: bool = False
) -> LinearTerms:
    """Take an expression, best in its normal form, apart into terms, cores and deltas.

    Its last axes, `domain` many, are those of the domain. Products are multiplied out up to `most`
    terms; if that `is_deep`, also those whose deltas stand in sums inside of factors of sums.

    >>> A, x = variable("A", (2, 3)), variable("x", (3,))
    >>> linear_map(einsum([delta(2), x], ["ip", "q"], "ipq"), 2).terms
    (LinearTerm(coefficient=1, factors=((x, (2,)),), labels=(0, 0, 2)),)
    """
    rank = len(expr.shape)
    split = rank - domain
    terms: list[LinearTerm] = []
    stack: list[tuple[Number, Node]] = [(1, expr)]
    while stack:
        c, node = stack.pop()
        if isinstance(node, Add):
            stack.extend((c * inner, part) for inner, part in reversed(node.terms))
            continue
        found = _opened(node, split, is_deep) if len(terms) + len(stack) < most else None
        if found is None:
            terms.append(_term(c, node))
        else:
            stack.extend((c * inner, part) for inner, part in reversed(found))
    return LinearTerms(tuple(terms), tuple(range(split)), tuple(range(split, rank)), expr.shape)


def _opened(node: Node, split: int, is_deep: bool) -> list[tuple[Number, Node]] | None:
    """Multiply out one factor that is a sum larger than its parts, (a_i - δ_ip) b_p."""
    if not isinstance(node, Einsum):
        return None
    sides = set(node.output[:split]), set(node.output[split:])
    for k, (operand, labels) in enumerate(zip(node.operands, node.subscripts, strict=True)):
        if is_deep and isinstance(operand, Einsum) and _has_delta(operand, is_deep):
            sizes = dict(enumerate(node.sizes))
            return [(1, einsum(node.operands, node.subscripts, node.output, sizes, [k]))]
        if not isinstance(operand, Add) or len(operand.terms) > MOST_TERMS:
            continue
        is_between = not any(side.isdisjoint(labels) for side in sides)
        found = [term for _, term in operand.terms]
        if any(_has_delta(term, is_deep) for term in found) or (
            is_between and not any(map(_is_full, found))
        ):
            sizes = dict(enumerate(node.sizes))
            before, after = node.operands[:k], node.operands[k + 1 :]
            return [
                (c, einsum([*before, term, *after], node.subscripts, node.output, sizes, [k]))
                for c, term in operand.terms
            ]
    return None


@lru_cache(maxsize=4096)
def _has_delta(node: Node, is_deep: bool) -> bool:
    if isinstance(node, Add):
        return any(_has_delta(term, is_deep) for _, term in node.terms)
    if isinstance(node, Einsum):
        is_tied = len(set(node.output)) < len(node.output)
        inside = [
            operand
            for operand in node.operands
            if isinstance(operand, Delta) or (is_deep and isinstance(operand, Add | Einsum))
        ]
        return is_tied or any(_has_delta(operand, is_deep) for operand in inside)
    return isinstance(node, Delta)


def _is_full(node: Node) -> bool:
    """Tell whether one array has all the entries of a term."""
    if isinstance(node, Einsum):
        return any(set(node.output) <= set(labels) for labels in node.subscripts)
    return not isinstance(node, Delta)


def _term(c: Number, node: Node) -> LinearTerm:
    if isinstance(node, Constant):
        return LinearTerm(c * node.value, (), ())
    if isinstance(node, Delta) and node.is_identity:
        return LinearTerm(c, (), (0, 0))
    axes = node.output if isinstance(node, Einsum) else range(len(node.shape))
    number: dict[int, int] = {}
    for axis, label in enumerate(axes):
        number.setdefault(label, axis)
    labels = tuple(number[label] for label in axes)
    factors = []
    for factor, theirs in slots(node):
        for label in theirs:
            number.setdefault(label, len(axes) + len(number))
        factors.append((factor, tuple(number[label] for label in theirs)))
    return LinearTerm(c, tuple(factors), labels)


def ties(m: LinearTerms) -> Pairs:
    """Pair the codomain axes with the domain axes that a delta makes equal in every term.

    The pairs (codomain axis, domain axis) are in codomain order, with each axis at most once.

    >>> identity = einsum([delta(2), delta(3)], ["ip", "jq"], "ijqp")
    >>> ties(linear_map(identity, 2))
    ((0, 3), (1, 2))
    """
    found: list[tuple[int, int]] = []
    free = list(m.domain)
    for c in m.codomain if m.terms else ():
        for d in free:
            if all(term.labels[c] == term.labels[d] for term in m.terms):
                found.append((c, d))
                free.remove(d)
                break
    return tuple(found)


def expression(m: LinearTerms, axes: Sequence[int]) -> Node:
    """Write a map as an expression with some of its axes, in this order.

    The axes that are left out are tied to others, or of no factor.

    >>> x = variable("x", (3,))
    >>> expression(linear_map(einsum([delta(2), x], ["ip", "q"], "ipq"), 2), (2,))
    x
    """
    parts = [
        (term.coefficient, _product(m, term.factors, [term.labels[axis] for axis in axes]))
        for term in m.terms
    ]
    return add(parts, [m.shape[axis] for axis in axes])


def _product(m: LinearTerms, factors: Sequence[Slot], output: Sequence[int]) -> Node:
    """Multiply factors; labels of the output that are no axes are carried by one of them."""
    sizes = {label: m.shape[label] for label in output if label < len(m.shape)}
    return multiplied(factors, output, sizes)


def contracted(expr: Node, axes: Sequence[int], vector: Node) -> Node:
    r"""Multiply by a vector and sum over axes: :math:`\sum_d J_{cd} v_{dk}`, term by term.

    The vector has these axes first, and may have more; they come after the other axes of the
    expression. A delta of a term becomes a substitution in the vector, so that nothing of the size
    of the expression is needed.

    >>> A, v = variable("A", (3, 3)), variable("v", (3,))
    >>> J = add([(1, A), (1, delta(3))])
    >>> contracted(J, (1,), v) is add([(1, einsum([A, v], ["ij", "j"], "i")), (1, v)])
    True
    """
    rank, own = len(expr.shape), tuple(axes)
    kept = [axis for axis in range(rank) if axis not in own]
    order = [*kept, *own]
    (flat,) = flatten([expr])
    if order != list(range(rank)):
        flat = einsum([flat], [range(rank)], order)
    m = linear_map(flat, len(own))
    more = [("column", k) for k in range(len(own), len(vector.shape))]
    terms = []
    for term in m.terms:
        factors = [*term.factors, (vector, (*term.labels[len(kept) :], *more))]
        sizes = {label: m.shape[label] for label in term.labels}
        output = (*term.labels[: len(kept)], *more)
        terms.append((term.coefficient, multiplied(factors, output, sizes)))
    return add(terms, [*(expr.shape[axis] for axis in kept), *vector.shape[len(own) :]])


def diagonal(expr: Node, domain: int) -> Node:
    """Write the entries on the diagonal of a map, :math:`J_{cc}`, where deltas are gone.

    There are as many codomain as domain axes. A size that is a name in the codomain and a number in
    the domain is taken to be that number.

    >>> x, y = variable("x", (3,)), variable("y", (3,))
    >>> outer = einsum([x, y], ["i", "p"], "ip")
    >>> diagonal(outer, 1) is einsum([x, y], ["i", "i"], "i")
    True
    """
    m = linear_map(expr, domain)
    rows, columns = expr.shape[:domain], expr.shape[domain:]
    pairs = [
        delta(row) if row == column else related((row, column), (1, -1))
        for row, column in zip(rows, columns, strict=True)
    ]
    terms = []
    for term in m.terms:
        left, right = term.labels[:domain], term.labels[domain:]
        factors = [*term.factors, *zip(pairs, zip(left, right, strict=True), strict=True)]
        sizes = {label: m.shape[label] for label in left}
        terms.append((term.coefficient, multiplied(factors, left, sizes)))
    return add(terms, rows)


@lru_cache(maxsize=1024)
def is_symmetric(expr: Node, domain: int) -> bool:
    """Tell whether a map is seen to be its own transpose, :math:`J_{cd} = J_{dc}`, for all values.

    >>> A = variable("A", (3, 3))
    >>> is_symmetric(einsum([A, A], ["ki", "kj"], "ij"), 1), is_symmetric(A, 1)
    (True, False)
    """
    rank = len(expr.shape)
    order = (*range(rank - domain, rank), *range(rank - domain))
    if 2 * domain != rank or tuple(expr.shape[axis] for axis in order) != expr.shape:
        return False
    turned = einsum([expr], [range(rank)], order)
    return turned is expr or oriented(turned) is oriented(expr)
