"""Walks over expressions, without recursion: a chain of ten thousand nodes is legitimate.

>>> x = variable("x", (3,))
>>> len(topological([einsum([x, x], ["i", "i"], "")]))
2
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from einsdiff.algebra.nodes.function_records import Function
from einsdiff.algebra.nodes.interning import (
    Add,
    Call,
    Constant,
    Delta,
    Einsum,
    Node,
    Variable,
    symbol,
    variable,
)
from einsdiff.algebra.nodes.nodes import add, call, einsum, related
from einsdiff.notation.subscripts import Size


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes that this one is computed from.

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

    >>> z = variable("z", ("k",))
    >>> dependencies(variable("x", ("n",), of=[z]))
    (z,)
    """
    return node.of if isinstance(node, Variable) else children(node)


def topological(
    roots: Iterable[Node], below: Callable[[Node], tuple[Node, ...]] = children
) -> list[Node]:
    """List all nodes under the roots, each once and after those below it, without recursion.

    What is `below` a node is its `children`, its `dependencies`, or what else is said.

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

    >>> variables_of([einsum([variable("x", (3,))] * 2, ["i", "i"], "")])
    [x]
    """
    return [node for node in topological(roots) if isinstance(node, Variable)]


def rebuilt(node: Node, done: Mapping[Node, Node]) -> Node:
    """Build a node from what its children became.

    >>> x, y = variable("x", (3,)), variable("y", (3,))
    >>> rebuilt(scale(2, x), {x: y}) is scale(2, y)
    True
    """
    below = children(node)
    new = [done[child] for child in below]
    if all(a is b for a, b in zip(below, new, strict=True)):
        return node
    return remade(node, new, node.sizes if isinstance(node, Einsum) else node.shape)


def remade(node: Node, parts: Sequence[Node], sizes: Sequence[Size]) -> Node:
    """Build a node of other parts, and of other sizes: those of a product's labels, or its shape.

    >>> remade(variable("x", (3,)), [], (3,))
    x
    """
    if isinstance(node, Einsum):
        return einsum(parts, node.subscripts, node.output, dict(enumerate(sizes)))
    if isinstance(node, Add):
        terms = [(c, part) for (c, _), part in zip(node.terms, parts, strict=True)]
        return add(terms, sizes)
    return call(node.function, parts) if isinstance(node, Call) else node


def rewritten(nodes: Iterable[Node], rule: Callable[[Node], Node]) -> tuple[Node, ...]:
    """Apply a rule to all that expressions are made of, each part made of what those below became.

    >>> x, y = variable("x", (3,)), variable("y", (3,))
    >>> rewritten([scale(2, x)], lambda node: y if node is x else node)[0] is scale(2, y)
    True
    """
    roots = tuple(nodes)
    done: dict[Node, Node] = {}
    for part in topological(roots):
        done[part] = rule(rebuilt(part, done))
    return tuple(done[root] for root in roots)


def substituted(node: Node, known: Mapping[Node, Node]) -> Node:
    """Put expressions in place of parts of an expression.

    >>> x, y = variable("x", (3,)), variable("y", (3,))
    >>> substituted(einsum([x, x], ["i", "j"], "ij"), {x: y})
    Einsum((y, y), ((0,), (1,)), (0, 1))
    """
    done: dict[Node, Node] = {}
    for part in topological([node]):
        done[part] = known[part] if part in known else rebuilt(part, done)
    return done[node]


def resized(nodes: Iterable[Node], sizes: Mapping[str, Size]) -> tuple[Node, ...]:
    """Put sizes in the place of named ones, in expressions and in all variables in them.

    >>> x = variable("x", ("n",))
    >>> resized([einsum([x, x], ["i", "j"], "ij")], {"n": 3})[0].shape
    (3, 3)
    """
    roots = tuple(nodes)
    done: dict[Node, Node] = {}

    def of_variable(node: Variable) -> Variable:
        if node.derivative is not None:
            base, by = node.derivative
            return symbol(of_variable(base), tuple(map(of_variable, by)))
        of = [of_variable(v) for v in node.of]
        return variable(node.name, new(node.shape), node.symmetric, of)

    def new(shape: Sequence[Size]) -> list[Size]:
        return [sizes.get(size, size) if isinstance(size, str) else size for size in shape]

    for node in topological(roots):
        if isinstance(node, Variable):
            done[node] = of_variable(node)
        elif isinstance(node, Delta):
            done[node] = related(new(node.shape), *node.relation)
        else:
            shape = new(node.sizes if isinstance(node, Einsum) else node.shape)
            done[node] = remade(node, [done[part] for part in children(node)], shape)
    return tuple(done[root] for root in roots)


@lru_cache(maxsize=4096)
def not_analytic(node: Node, complex_names: frozenset[str]) -> Function | None:
    """Find the first function that is not analytic and is applied to something complex.

    It has no derivative there. Complex are the variables of these names, and complex numbers.

    >>> node = call(lookup("floor"), [variable("z", (3,))])
    >>> not_analytic(node, frozenset("z")), not_analytic(node, frozenset())
    (floor, None)
    """
    is_complex: dict[Node, bool] = {}
    for part in topological([node]):
        if isinstance(part, Variable):
            is_complex[part] = part.name in complex_names
        elif isinstance(part, Constant):
            is_complex[part] = isinstance(part.value, complex)
        else:
            is_complex[part] = any(is_complex[child] for child in children(part))
        if isinstance(part, Add):
            is_complex[part] |= any(isinstance(c, complex) for c, _ in part.terms)
        if isinstance(part, Call) and is_complex[part] and not part.function.is_analytic:
            return part.function
    return None
