r"""From a tree of index notation to an expression.

A label that is not wanted outside of a term is summed in it: in

.. math:: f_i = A_{ij} x_j + b_i ,

``j`` stands in the first term only and not on the left, so it is summed there. A bracket hands
out the labels that its surroundings mention, and sums the others.

>>> from einsdiff.algebra.nodes import einsum, variable
>>> from einsdiff.notation.index import parse_index
>>> A, x = variable("A", (2, 3)), variable("x", (3,))
>>> build(parse_index("A_ij x_j"), {"A": A, "x": x}, "i") is einsum(
...     [A, x], ["ij", "j"], "i"
... )
True
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from einsdiff.algebra.nodes import (
    Constant,
    Function,
    Node,
    Number,
    add,
    call,
    constant,
    delta,
    einsum,
)
from einsdiff.notation.index import Apply, Literal, Power, Product, Sum, Symbol, Tree
from einsdiff.notation.subscripts import Size

__all__ = ["build"]

Labels = tuple[str, ...]


def build(
    tree: Tree,
    names: Mapping[str, Node],
    output: Sequence[str],
    *,
    functions: Mapping[str, Function] | None = None,
    sizes: Mapping[str, Size] | None = None,
    batch: Sequence[str] = (),
) -> Node:
    """Build the expression that a tree of index notation describes.

    Parameters
    ----------
    tree
        What `parse_index` returned.
    names
        The node that each name stands for.
    output
        The labels of the result's axes.
    functions
        The functions that may be called, by name.
    sizes
        Sizes of labels that no name carries.
    batch
        Labels of axes that every named tensor with further axes has before its labelled ones.

    Returns
    -------
    Node
        With one axis for each label of `output`.
    """
    known: dict[str, Size] = dict(sizes or {})
    for symbol in _symbols(tree):
        if symbol.name not in ("δ", "Σ"):
            node = names[symbol.name]
            labels = _axes(symbol, node, batch)
            known.update(zip(labels, node.shape, strict=True))
    builder = _Builder(names, functions or {}, known, tuple(batch))
    node, labels = builder.build(tree, frozenset(output))
    return einsum([node], [labels], output, {label: known[label] for label in output})


def _axes(symbol: Symbol, node: Node, batch: Sequence[str]) -> Labels:
    return (*batch, *symbol.labels) if len(node.shape) > len(symbol.labels) else symbol.labels


def _parts(tree: Tree) -> Sequence[Tree]:
    match tree:
        case Sum(terms):
            return [term for _, term in terms]
        case Product(factors):
            return [factor for factor, _ in factors]
        case Power(base, exponent):
            return [base, exponent]
        case Apply(_, arguments):
            return arguments
    return ()


def _symbols(tree: Tree) -> Iterator[Symbol]:
    stack = [tree]
    while stack:
        part = stack.pop()
        if isinstance(part, Symbol):
            yield part
        stack.extend(_parts(part))


class _Builder:
    def __init__(
        self,
        names: Mapping[str, Node],
        functions: Mapping[str, Function],
        sizes: Mapping[str, Size],
        batch: Labels,
    ) -> None:
        self.names, self.functions, self.sizes, self.batch = names, functions, sizes, batch

    def build(self, tree: Tree, wanted: frozenset[str]) -> tuple[Node, Labels]:
        """Return the node of a part, and the labels of its axes, all of them wanted."""
        match tree:
            case Literal(value):
                return constant(value), ()
            case Symbol():
                return self.symbol(tree, wanted)
            case Sum(terms):
                parts = [self.build(term, wanted) for _, term in terms]
                nodes, labels = self.aligned(parts)
                signs = [sign for sign, _ in terms]
                return add(list(zip(signs, nodes, strict=True))), labels
            case Product(factors):
                return self.product(factors, wanted)
            case Power(base, exponent):
                return self.call("power", [base, exponent], wanted)
            case Apply(name, arguments) if name in self.functions:
                return self.call(name, arguments, wanted)
            case Apply(name, arguments):  # a scalar before a bracket: s (x_i + y_i)
                return self.product([(Symbol(name, ()), 1), (arguments[0], 1)], wanted)

    def symbol(self, symbol: Symbol, wanted: frozenset[str]) -> tuple[Node, Labels]:
        if symbol.name == "δ":
            node: Node = delta(self.sizes[symbol.labels[0]])
            labels = symbol.labels
        elif symbol.name == "Σ":  # ones: a second place for its labels, over which to sum
            labels = symbol.labels
            node = einsum([], [], labels, {label: self.sizes[label] for label in labels})
        else:
            node = self.names[symbol.name]
            labels = _axes(symbol, node, self.batch)
        kept = tuple(label for label in dict.fromkeys(labels) if label in wanted)
        return einsum([node], [labels], kept), kept

    def product(
        self, factors: Sequence[tuple[Tree, int]], wanted: frozenset[str]
    ) -> tuple[Node, Labels]:
        mentioned = [
            {label for s in _symbols(factor) for label in (*s.labels, *self.batch)}
            for factor, _ in factors
        ]
        parts = []
        for k, (factor, exponent) in enumerate(factors):
            outside = wanted.union(*mentioned[:k], *mentioned[k + 1 :])
            if exponent == -1:
                parts.append(self.reciprocal(factor, outside))
            else:
                parts.append(self.build(factor, outside))
        labels = tuple(
            label for label in dict.fromkeys(sum((ls for _, ls in parts), ())) if label in wanted
        )
        return einsum([node for node, _ in parts], [ls for _, ls in parts], labels), labels

    def reciprocal(self, tree: Tree, wanted: frozenset[str]) -> tuple[Node, Labels]:
        if isinstance(tree, Literal):
            value: Number = tree.value
            return constant(Fraction(1, value) if isinstance(value, int) else 1 / value), ()
        return self.call("power", [tree, Literal(-1)], wanted)

    def call(
        self, name: str, arguments: Sequence[Tree], wanted: frozenset[str]
    ) -> tuple[Node, Labels]:
        parts = [self.build(argument, wanted) for argument in arguments]
        scalars = [isinstance(node, Constant) for node, _ in parts]
        nodes, labels = self.aligned([p for p, s in zip(parts, scalars, strict=True) if not s])
        rest = iter(nodes)
        args = [node if s else next(rest) for (node, _), s in zip(parts, scalars, strict=True)]
        return call(self.functions[name], args), labels

    def aligned(self, parts: Sequence[tuple[Node, Labels]]) -> tuple[list[Node], Labels]:
        """Give all parts the same axes, by broadcasting over the labels that one lacks."""
        labels: Labels = tuple(dict.fromkeys(sum((ls for _, ls in parts), ())))
        sizes = {label: self.sizes[label] for label in labels}
        return [einsum([node], [theirs], labels, sizes) for node, theirs in parts], labels
