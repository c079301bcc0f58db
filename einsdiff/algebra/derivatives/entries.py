r"""Entries of the last axes of an expression: of a derivative by a variable those by a part of it.

.. math:: \frac{\partial f_i}{\partial A_{0q}}: \quad
    \delta_{p0} \frac{\partial f_i}{\partial A_{pq}} .

>>> A = variable("A", (4, 5))
>>> (
...     taken(A, (0, range(1, 5, 2))).shape,
...     placed(variable("v", (2,)), (0, range(1, 5, 2)), A).shape,
... )
((2,), (4, 5))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from einsdiff.algebra.nodes.interning import (
    Add,
    Call,
    Delta,
    Einsum,
    Node,
    Variable,
    constant,
    zero,
)
from einsdiff.algebra.nodes.nodes import add, call, einsum, related
from einsdiff.algebra.rewriting.flatten import flatten
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.subscripts import Size

#: For each axis one position, a run of them, or None for all.
Key: TypeAlias = tuple[int | range | None, ...]


def shape_of(key: Key, shape: Sequence[Size]) -> tuple[Size, ...]:
    """Return the sizes of the axes that are left.

    >>> shape_of((0, None, range(1, 3)), (4, "n", 6))
    ('n', 2)
    """
    sizes = zip(key, shape, strict=True)
    return tuple(len(k) if isinstance(k, range) else n for k, n in sizes if not isinstance(k, int))


def taken(node: Node, key: Key) -> Node:
    """Take entries along the last axes, of all that an expression is made of.

    >>> x, sin = variable("x", (3,)), lookup("sin")
    >>> taken(call(sin, [x]), (0,)) is call(sin, [taken(x, (0,))])
    True
    """
    whole = (*[None] * (len(node.shape) - len(key)), *key)
    return flatten([run(_taken(node, whole, {}))])[0]


def _taken(node: Node, key: Key, done: dict[tuple[Node, Key], Node]) -> Job[Node]:
    """Take entries along all axes."""
    if all(k is None for k in key):
        return node
    if (node, key) not in done:
        found: Node
        if isinstance(node, Add):
            terms = []
            for c, term in node.terms:
                terms.append((c, (yield _taken(term, key, done))))
            found = add(terms, shape_of(key, node.shape))
        elif isinstance(node, Call):
            found = yield _of_call(node, key, done)
        elif isinstance(node, Einsum):
            found = yield _of_product(node, key, done)
        else:
            found = _of_relation(node, key) if isinstance(node, Delta) else _cut(node, key)
        done[node, key] = found
    return done[node, key]


def _cut(node: Node, key: Key) -> Node:
    """Take entries of what is not made of others."""
    factors, labels, own, left, sizes = _related(key, node.shape)
    return einsum([node, *factors], [own, *labels], left, sizes)


def _of_relation(node: Delta, key: Key) -> Node:
    """Take entries of a relation: some of its indices are numbers, or others times steps."""
    own, offset, is_equation = node.relation
    coefficients = []
    for c, k in zip(own, key, strict=True):
        if isinstance(k, int):
            offset += c * k
        else:
            coefficients.append(c if k is None else c * k.step)
            offset += 0 if k is None else c * k.start
    if not coefficients:
        return constant(int(offset == 0 if is_equation else offset >= 0))
    return related(shape_of(key, node.shape), coefficients, offset, is_equation)


def _of_call(node: Call, key: Key, done: dict[tuple[Node, Key], Node]) -> Job[Node]:
    """Take entries of the arguments along the axes of a batch, and of the value along others."""
    count = len(node.batch)
    batch, cores = key[:count], key[count:]
    args = []
    for arg, names in zip(node.args, node.function.cores[0], strict=True):
        has_batch = len(arg.shape) > len(names)
        own = (*(batch if has_batch else ()), *[None] * len(names))
        args.append((yield _taken(arg, own, done)))
    found = call(node.function, args)
    left = (*[None] * (len(found.shape) - len(cores)), *cores)
    return _cut(found, left) if any(k is not None for k in cores) else found


def _of_product(node: Einsum, key: Key, done: dict[tuple[Node, Key], Node]) -> Job[Node]:
    """Take entries of the factors; an axis that a delta ties to others stays tied to these."""
    slots = list(zip(node.operands, node.subscripts, strict=True))
    wanted: dict[int, set[int | range | None]] = {}
    for label, k in zip(node.output, key, strict=True):
        wanted.setdefault(label, set()).add(k)
    fixed: dict[int, int | range] = {}
    for label, ks in wanted.items():
        places = ks - {None}
        if len(places) > 1 and all(isinstance(k, int) for k in places):
            return zero(shape_of(key, node.shape))  # off the diagonal
        (place, *others) = places or (None,)
        is_run = isinstance(place, range) and node.output.count(label) > 1
        if place is not None and not others and not is_run:
            fixed[label] = place
    factors: list[Node] = []
    labels: list[list[Any]] = []
    for operand, own in slots:
        factors.append((yield _taken(operand, tuple(fixed.get(n) for n in own), done)))
        labels.append([n for n in own if not isinstance(fixed.get(n), int)])
    output: list[Any] = []
    left: list[int | range | None] = []
    gone = {n for n, k in fixed.items() if isinstance(k, int)}
    sizes: dict[Any, Size] = {n: s for n, s in enumerate(node.sizes) if n not in gone}
    sizes.update((n, len(k)) for n, k in fixed.items() if isinstance(k, range))
    for axis, (n, k) in enumerate(zip(node.output, key, strict=True)):
        at = fixed.get(n)
        if isinstance(at, int) and k is None:  # a delta says which entry is not zero
            output.append(("tied", axis))
            factors.append(related((node.shape[axis],), (1,), -at))
            labels.append([output[-1]])
            left.append(None)
        elif not isinstance(at, int):
            output.append(n)
            left.append(None if n in fixed else k)
    found = einsum(factors, labels, output, sizes)
    return _cut(found, tuple(left)) if any(k is not None for k in left) else found


def placed(node: Node, key: Key, whole: Node) -> Node:
    """Put entries in their places of the shape of a whole, with zeros elsewhere."""
    factors, labels, own, left, sizes = _related(key, whole.shape)
    return einsum([node, *factors], [left, *labels], own, sizes)


def key_of(node: Node) -> tuple[Variable, Key] | None:
    """Return the variable of which an expression is entries, and which; None if it is not.

    >>> A = variable("A", (4, 5))
    >>> key_of(taken(A, (0, range(1, 5, 2))))
    (A, (0, range(1, 5, 2)))
    """
    if not isinstance(node, Einsum):
        return None
    slots = list(zip(node.operands, node.subscripts, strict=True))
    whole = [(v, own) for v, own in slots if isinstance(v, Variable)]
    ties = [(d, own) for d, own in slots if isinstance(d, Delta)]
    if len(whole) != 1 or len(ties) != len(slots) - 1:
        return None
    (v, own) = whole[0]
    found = [next((_run(d, labels, n) for d, labels in ties if n in labels), None) for n in own]
    key = tuple(found)
    return (v, key) if any(k is not None for k in key) and taken(v, key) is node else None


def _run(tie: Delta, labels: Sequence[int], label: int) -> int | range | None:
    """Return which places of an axis a relation leaves."""
    coefficients, offset, _ = tie.relation
    at = list(labels).index(label)
    c, (*rest,) = coefficients[at], (*coefficients[:at], *coefficients[at + 1 :])
    start, count = -offset // c, tie.shape[1 - at] if len(rest) == 1 else 1
    if not rest:
        return start
    step = -rest[0] // c
    if len(rest) > 1 or step < 1 or not isinstance(count, int):
        return None
    return range(start, start + step * count, step)


def _related(
    key: Key, shape: Sequence[Size]
) -> tuple[list[Node], list[Any], list[Any], list[Any], dict[Any, Size]]:
    """List what ties places in a whole to places among the entries, and the labels of both."""
    factors: list[Node] = []
    labels: list[Any] = []
    own = [("whole", axis) for axis in range(len(shape))]
    left: list[Any] = []
    sizes: dict[Any, Size] = dict(zip(own, shape, strict=True))
    for axis, (k, size) in enumerate(zip(key, shape, strict=True)):
        if k is None:
            left.append(own[axis])
        elif isinstance(k, int):
            factors.append(related((size,), (1,), -k))
            labels.append([own[axis]])
        else:
            left.append(("entries", axis))
            sizes[left[-1]] = len(k)
            factors.append(related((len(k), size), (k.step, -1), k.start))
            labels.append([left[-1], own[axis]])
    return factors, labels, own, left, sizes
