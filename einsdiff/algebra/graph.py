"""Walks over expressions, without recursion: a chain of ten thousand nodes is legitimate.

>>> from einsdiff.algebra.nodes import einsum, variable
>>> x = variable("x", (3,))
>>> len(topological([einsum([x, x], ["i", "i"], "")]))
2
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from einsdiff.algebra.nodes import Add, Call, Einsum, Node, Variable, add, call, einsum

__all__ = ["children", "dependencies", "rebuilt", "topological", "use_counts", "variables_of"]


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes that this one is computed from.

    >>> from einsdiff.algebra.nodes import einsum, variable
    >>> children(einsum([variable("x", (3,))] * 2, ["i", "i"], ""))
    (x, x)
    """
    if isinstance(node, Einsum):
        return node.operands
    if isinstance(node, Add):
        return tuple(term for _, term in node.terms)
    if isinstance(node, Call):
        return node.args
    return ()


def dependencies(node: Node) -> tuple[Node, ...]:
    """Return the nodes that this one changes with: children, or what a function is one of.

    >>> from einsdiff.algebra.nodes import variable
    >>> z = variable("z", ("k",))
    >>> dependencies(variable("x", ("n",), of=[z]))
    (z,)
    """
    return node.of if isinstance(node, Variable) else children(node)


def topological(
    roots: Iterable[Node], below: Callable[[Node], tuple[Node, ...]] = children
) -> list[Node]:
    """List all nodes under the roots, each once and after those below it, without recursion.

    Parameters
    ----------
    roots
        Expressions.
    below
        What is under a node: `children`, or `dependencies`.

    Examples
    --------
    >>> from einsdiff.algebra.nodes import einsum, variable
    >>> x = variable("x", (3,))
    >>> topological([einsum([x, x], ["i", "i"], "")])[0]
    x
    """
    order: list[Node] = []
    seen: set[Node] = set()
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        stack: list[tuple[Node, Iterator[Node]]] = [(root, iter(below(root)))]
        while stack:
            node, rest = stack[-1]
            for child in rest:
                if child not in seen:
                    seen.add(child)
                    stack.append((child, iter(below(child))))
                    break
            else:
                order.append(node)
                stack.pop()
    return order


def use_counts(roots: Iterable[Node]) -> dict[Node, int]:
    """Count for each node under the roots how often it is used; being a root counts.

    >>> from einsdiff.algebra.nodes import einsum, variable
    >>> x = variable("x", (3,))
    >>> use_counts([einsum([x, x], ["i", "i"], "")])[x]
    2
    """
    roots = list(roots)
    counts: dict[Node, int] = dict.fromkeys(topological(roots), 0)
    for node in list(counts):
        for child in children(node):
            counts[child] += 1
    for root in roots:
        counts[root] += 1
    return counts


def variables_of(roots: Iterable[Node]) -> list[Variable]:
    """List the variables under the roots, each once.

    >>> from einsdiff.algebra.nodes import einsum, variable
    >>> variables_of([einsum([variable("x", (3,))] * 2, ["i", "i"], "")])
    [x]
    """
    return [node for node in topological(roots) if isinstance(node, Variable)]


def rebuilt(node: Node, done: Mapping[Node, Node]) -> Node:
    """Build a node from what its children became.

    >>> from einsdiff.algebra.nodes import scale, variable
    >>> x, y = variable("x", (3,)), variable("y", (3,))
    >>> rebuilt(scale(2, x), {x: y}) is scale(2, y)
    True
    """
    below = children(node)
    new = [done[child] for child in below]
    if all(a is b for a, b in zip(below, new, strict=True)):
        return node
    if isinstance(node, Einsum):
        return einsum(new, node.subscripts, node.output, dict(enumerate(node.sizes)))
    if isinstance(node, Add):
        terms = [(c, term) for (c, _), term in zip(node.terms, new, strict=True)]
        return add(terms, node.shape)
    assert isinstance(node, Call)
    return call(node.function, new)
