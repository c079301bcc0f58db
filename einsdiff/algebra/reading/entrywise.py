r"""Rules of functions of entries, applied without any labels.

The derivative of a function of each entry, such as :math:`1 - y^2`, has at every entry the same
form, so that its parts all have the axes of the value, and nothing is to be matched or summed.
Long chains of such functions are what this saves time for: `einsdiff.algebra.reading.binding` would
come to the same node.

>>> y = variable("y", (3,))
>>> entrywise(parse_index("1 - y^2"), {"y": y}, (3,))
Add((1, <Einsum (3,)>), (-1, <Einsum (3,)>))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.function_records import lookup
from einsdiff.algebra.nodes.interning import Node, Shape, constant, reciprocal
from einsdiff.algebra.nodes.nodes import add, call, einsum, stretched
from einsdiff.algebra.reading.choice import POWERS
from einsdiff.algebra.reading.parts import COMPARISONS
from einsdiff.notation.trees import (
    Affine,
    Apply,
    Compare,
    Literal,
    Power,
    Product,
    Sum,
    Symbol,
    Tree,
)


def entrywise(tree: Tree, names: Mapping[str, Node], shape: Shape) -> Node:
    """Build the node of a rule for entries, for names that are nodes of this shape, without labels.

    Names may be scalars too; so is the result where the rule is a number.
    """
    match tree:
        case Literal(value):
            return constant(value)
        case Symbol():
            return names[tree.name]
        case Sum(terms):
            parts = [(sign, entrywise(term, names, shape)) for sign, term in terms]
            if len({node.shape for _, node in parts}) > 1:
                parts = [(sign, stretched(node, shape)) for sign, node in parts]
            return add(parts)
        case Product(factors):
            return _product([_factor(f, exponent, names, shape) for f, exponent in factors])
        case Power(base, exponent):
            return _power(entrywise(base, names, shape), entrywise(exponent, names, shape))
        case Compare(sign, left, right):
            name, is_swapped = COMPARISONS[sign]
            assert not isinstance(left, Affine)
            assert not isinstance(right, Affine)
            sides = [entrywise(side, names, shape) for side in (left, right)]
            return call(FUNCTIONS[name], sides[::-1] if is_swapped else sides)
        case Apply():
            args = [entrywise(argument, names, shape) for argument in tree.arguments]
            if tree.name in names:  # a name before a bracket: y (1 - y)
                return _product([names[tree.name], *args])
            if tree.name in POWERS:
                return _power(args[0], constant(POWERS[tree.name]))
            function = lookup(tree.name)
            assert function is not None
            return call(function, args)
    raise AssertionError(f"not a rule for entries: {tree}")


def _factor(tree: Tree, exponent: int, names: Mapping[str, Node], shape: Shape) -> Node:
    if exponent == 1:
        return entrywise(tree, names, shape)
    if isinstance(tree, Literal):
        return constant(reciprocal(tree.value))
    return _power(entrywise(tree, names, shape), constant(-1))


def _product(nodes: Sequence[Node]) -> Node:
    axes = range(max(len(node.shape) for node in nodes))
    return einsum(nodes, [axes[: len(node.shape)] for node in nodes], axes)


def _power(base: Node, exponent: Node) -> Node:
    return call(FUNCTIONS["power"], [base, exponent])
