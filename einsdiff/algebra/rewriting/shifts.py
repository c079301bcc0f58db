r"""Largest entries that are subtracted before exponentials are taken, and change nothing.

A softmax is written out as

.. math:: p_{ij} = \frac{e^{z_{ij} - m_i}}{\sum_k e^{z_{ik} - m_i}} \qquad m_i = \max_j z_{ij}

so that nothing overflows, and is the same for every m. Its derivative by m is zero then, but what
the chain rule gives is a sum of terms that cancel. Where an expression is seen not to depend on
such
a maximum, it is a constant for the derivative.

What is seen is how a node changes when m does: not at all, by a multiple of m that is added, or by
an exponential of one as a factor. Exponentials and logarithms turn one into the other, products add
multiples up, and where these are 0 in the end the expression is the same for every m:

>>> z = variable("z", (4, 3))
>>> m = einsum([call(lookup("max", (1,)), [z])], ["i"], "ij", {"j": 3})
>>> e = call(FUNCTIONS["exp"], [add([(1, z), (-1, m)])])
>>> p = einsum(
...     [e, call(FUNCTIONS["power"], [einsum([e], ["ij"], "i"), constant(-1)])],
...     ["ij", "i"],
...     "ij",
... )
>>> held([p])[1], held([e])[1]
({_max0: max(z)}, {})
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from einsdiff.algebra.nodes.function_records import FUNCTIONS
from einsdiff.algebra.nodes.graph import children, substituted, topological
from einsdiff.algebra.nodes.interning import (
    Add,
    Call,
    Constant,
    Einsum,
    Node,
    Shape,
    Variable,
    variable,
)
from einsdiff.algebra.nodes.nodes import add, einsum, is_zero, scale

#: More maxima than this are not looked at.
MOST_MAXIMA = 16

_EXTREMA = frozenset(["max", "min"])


class _Factor(NamedTuple):
    """A node that is multiplied by an exponential of a multiple of m."""

    multiple: Fraction
    axes: tuple[int, ...]  # the axes of the node that are those of m


class _Added(NamedTuple):
    """A node to which something is added that is linear in m."""

    node: Node


class _Other(NamedTuple):
    """A node that changes in another way."""


#: How a node changes with m; None if it does not.
_Change = _Factor | _Added | _Other | None


def held(nodes: Iterable[Node]) -> tuple[tuple[Node, ...], Mapping[Node, Node]]:
    """Put variables in the place of maxima on which expressions do not depend.

    Returned are the expressions, and what the variables stand for.
    """
    roots = tuple(nodes)
    order = topological(roots)
    maxima = [n for n in order if isinstance(n, Call) and n.function.name in _EXTREMA]
    if not maxima or len(maxima) > MOST_MAXIMA:
        return roots, {}
    names = {node.name for node in order if isinstance(node, Variable)}
    put: dict[Node, Node] = {}
    for k, maximum in enumerate(maxima):
        name = f"_max{k}"
        while name in names:
            name += "_"
        m = variable(name, maximum.shape)
        new = tuple(substituted(root, {**put, maximum: m}) for root in roots)
        changes = _changes(new, m)
        if all(changes[root] is None for root in new):
            put[maximum] = m
    if not put:
        return roots, {}
    return (
        tuple(substituted(root, put) for root in roots),
        {m: maximum for maximum, m in put.items()},
    )


def released(nodes: Iterable[Node], known: Mapping[Node, Node]) -> tuple[Node, ...]:
    """Put maxima back in their place."""
    return tuple(substituted(node, known) for node in nodes) if known else tuple(nodes)


def _changes(roots: Iterable[Node], m: Variable) -> Mapping[Node, _Change]:
    """Find how the parts of expressions change with m."""
    changes: dict[Node, _Change] = {m: _Added(m)}
    for node in topological(roots):
        if node is m:
            continue
        if isinstance(node, Variable):
            changes[node] = _Other() if m in node.of else None
            continue
        below = [changes[part] for part in children(node)]
        if all(change is None for change in below):
            changes[node] = None
        elif any(isinstance(change, _Other) for change in below):
            changes[node] = _Other()
        elif isinstance(node, Einsum):
            changes[node] = _of_product(node, below)
        elif isinstance(node, Add):
            changes[node] = _of_sum(node, below)
        else:
            assert isinstance(node, Call)
            changes[node] = _of_call(node, below, m)
    return changes


def _of_product(node: Einsum, changes: list[_Change]) -> _Change:
    """Multiply what is added, or add up the exponents of factors that have m along one label."""
    added = [k for k, change in enumerate(changes) if isinstance(change, _Added)]
    factors = [
        (change.multiple, tuple(labels[axis] for axis in change.axes))
        for change, labels in zip(changes, node.subscripts, strict=True)
        if isinstance(change, _Factor)
    ]
    if added:
        if factors or len(added) > 1:
            return _Other()
        parts = list(node.operands)
        change = changes[added[0]]
        assert isinstance(change, _Added)
        parts[added[0]] = change.node
        return _added(einsum(parts, node.subscripts, node.output, dict(enumerate(node.sizes))))
    (place, *others) = dict.fromkeys(labels for _, labels in factors)
    total = sum((multiple for multiple, _ in factors), Fraction(0))
    if others:
        return _Other()
    if not total:
        return None
    if len(set(place)) < len(place) or any(node.output.count(label) != 1 for label in place):
        return _Other()
    return _Factor(total, tuple(map(node.output.index, place)))


def _added(node: Node) -> _Change:
    return None if is_zero(node) else _Added(node)


def _of_sum(node: Add, changes: list[_Change]) -> _Change:
    """Add up what is added; factors have to be the same in all terms."""
    first = changes[0]
    if all(change == first for change in changes) and isinstance(first, _Factor):
        return first
    terms = []
    for (c, _), change in zip(node.terms, changes, strict=True):
        if isinstance(change, _Factor):
            return _Other()
        if isinstance(change, _Added):
            terms.append((c, change.node))
    return _added(add(terms, node.shape))


def _of_call(node: Call, changes: list[_Change], m: Variable) -> _Change:
    """Turn what is added into a factor, and back."""
    change, function = changes[0], node.function
    if change is None or any(other is not None for other in changes[1:]) or function.is_registered:
        return _Other()
    if isinstance(change, _Factor):
        exponent = node.args[-1]
        if function is FUNCTIONS["log"]:
            return _Added(_repeated(m, change, node.shape))
        if function is FUNCTIONS["power"] and isinstance(exponent, Constant):
            n = exponent.value
            if isinstance(n, int | Fraction):
                return change._replace(multiple=change.multiple * n)
        return _Other()
    assert isinstance(change, _Added)
    alike = _as_factor(change.node, m)
    if alike is None:
        return _Other()
    if function is FUNCTIONS["exp"]:
        return alike
    # Functions of the last axes, along which m has to be the same.
    shape = node.args[0].shape[: len(node.args[0].shape) - sum(function.ranks)]
    if any(axis >= len(shape) for axis in alike.axes):
        return _Other()
    if function.name in ("softmax", "log_softmax"):
        return None
    if function.name in ("logsumexp", *_EXTREMA):
        return _Added(_repeated(m, alike, shape))
    return _Other()


def _repeated(m: Variable, change: _Factor, shape: Shape) -> Node:
    """Return the multiple of m that is an exponent, repeated along the other axes."""
    axes = range(len(shape))
    return scale(change.multiple, einsum([m], [change.axes], axes, dict(enumerate(shape))))


def _as_factor(node: Node, m: Variable) -> _Factor | None:
    """Read a multiple of m that is repeated along axes."""
    multiple = Fraction(1)
    if isinstance(node, Add):
        if len(node.terms) != 1 or not isinstance(node.terms[0][0], int | float | Fraction):
            return None
        c, node = node.terms[0]
        multiple = Fraction(c)  # type: ignore[arg-type]  # which is no complex number
    if node is m:
        return _Factor(multiple, tuple(range(len(m.shape))))
    if not isinstance(node, Einsum) or node.operands != (m,):
        return None
    (own,), out = node.subscripts, list(node.output)
    if len(set(out)) < len(out) or len(set(own)) < len(own) or not set(own).issubset(out):
        return None
    if any(label not in out and size != 1 for label, size in enumerate(node.sizes)):
        return None
    return _Factor(multiple, tuple(map(out.index, own)))
