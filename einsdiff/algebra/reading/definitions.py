r"""Functions of the table as what they are defined by.

.. math:: \operatorname{softplus}(x) = \log(1 + e^x) .

>>> x = variable("x", (3,))
>>> by_definition(call(FUNCTIONS["softplus"], [x])) is call(FUNCTIONS["softplus"], [x])
False
>>> by_definition(call(FUNCTIONS["softplus"], [x])).function
log
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from einsdiff.algebra.nodes.function_records import RULE_LETTERS, Function
from einsdiff.algebra.nodes.graph import rebuilt, topological
from einsdiff.algebra.nodes.interning import Call, Node
from einsdiff.algebra.nodes.nodes import einsum
from einsdiff.algebra.reading.binding import build
from einsdiff.algebra.reading.entrywise import entrywise
from einsdiff.notation.index_parser import parse_index


def by_definition(node: Call) -> Node:
    """Return what a call is by the definition of its function."""
    function = node.function
    names = dict(zip(function.arguments, node.args, strict=True))
    tree = parse_index(function.definition)
    if function.is_elementwise:
        found = entrywise(tree, names, node.shape)
        axes = range(len(node.shape))
        return einsum([found], [axes[: len(found.shape)]], axes, dict(enumerate(node.shape)))
    batch = [f"b{axis}" for axis in range(len(node.batch))]
    labels = [*batch, *RULE_LETTERS[: len(function.cores[1])]]
    sizes = dict(zip(labels, node.shape, strict=True))
    return build(tree, names, labels, sizes=sizes, batch=batch)


def with_definitions(
    nodes: Sequence[Node], is_known: Callable[[Function], bool]
) -> tuple[Node, ...]:
    """Put definitions in the place of functions that are not known, where they have one.

    >>> softplus = call(FUNCTIONS["softplus"], [variable("x", ())])
    >>> with_definitions([softplus], lambda function: function.name == "log")[0].function
    log
    """
    lacking = {
        node.function
        for node in topological(nodes)
        if isinstance(node, Call) and node.function.definition and not is_known(node.function)
    }
    if not lacking:
        return tuple(nodes)
    done: dict[Node, Node] = {}
    for node in topological(nodes):
        new = done[node] = rebuilt(node, done)
        if isinstance(new, Call) and new.function in lacking:
            (done[node],) = with_definitions([by_definition(new)], is_known)
    return tuple(done[node] for node in nodes)
