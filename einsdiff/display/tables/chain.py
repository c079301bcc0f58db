r"""The chain of Jacobians that the derivative of a composition is.

Some of the steps of a function lie on every way from the variable to the value. Between them the
chain rule is a product of matrices, one for each link:

.. math::
    f = \sin(A \tanh(B x)):\quad \frac{\partial f}{\partial x} =
    \frac{\partial f}{\partial v_3} \frac{\partial v_3}{\partial v_2}
    \frac{\partial v_2}{\partial v_1} \frac{\partial v_1}{\partial x} .

What lies between two such steps, such as the terms of a sum, belongs to one link.

>>> B, x = variable("B", ("m", "n")), variable("x", ("n",))
>>> f = call(FUNCTIONS["tanh"], [einsum([B, x], ["ij", "j"], "i")])
>>> for link in chain_links(f, x, Heading("f", ("i",), (("x", ("p",)),)), Letters()):
...     print(link.left, "=", link.right)
∂f_i/∂v1_j = δ_ij (1 - tanh(v1_i)^2)
∂v1_i/∂x_p = B_ip
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from einsdiff.algebra.derivatives.differentiate import derivatives
from einsdiff.algebra.nodes.graph import (
    children,
    dependencies,
    substituted,
    topological,
    variables_of,
)
from einsdiff.algebra.nodes.interning import Add, Call, Einsum, Node, Shape, Variable, variable
from einsdiff.algebra.nodes.nodes import is_zero
from einsdiff.display.index.index_text import Written, equation, format_heading
from einsdiff.display.index.lettering import Heading, Letters, axes_of
from einsdiff.display.index.lines import normal_sides, normal_text
from einsdiff.errors import SizeError
from einsdiff.notation.letters import DUMMY, fresh_letters

#: A chain is looked for in expressions with at most so many nodes.
MOST_NODES = 2000


@dataclass(frozen=True, slots=True)
class Link:
    """A factor of the chain."""

    heading: Heading
    local: Node  # as a function of the step that it is differentiated by
    node: Node  # as a function of the variables
    right: Written  # in index notation
    definition: Written | None  # of what is differentiated; None for an unspecified function
    codomain: Shape
    domain: Shape

    @property
    def left(self) -> Written:
        """The left-hand side: ``∂f_i/∂v1_j``."""
        return format_heading(self.heading)


def chain_links(root: Node, by: Variable, heading: Heading, letters: Letters) -> list[Link]:
    """Find the factors of a derivative, from the value to the variable.

    Their product over the axes between them is the derivative, whose left-hand side is given.
    """
    stops = _on_every_way(root, by)
    names = {v.name for v in variables_of([root])} | {heading.name, by.name}
    split = len(heading.letters) - len(by.shape)
    free = {*heading.letters}
    links: list[Link] = []
    before: Node = by
    name, axes = by.name, tuple(heading.letters[split:])
    known: dict[Node, Node] = {}
    inner = by
    for k, stop in enumerate(stops, start=1):
        is_last = stop is root
        own = next(n for n in _names(k) if n not in names)
        if isinstance(stop, Variable):  # an unspecified function has its own name
            own = stop.name
        own = heading.name if is_last else own
        names.add(own)
        own_axes = tuple(heading.letters[:split]) if is_last else axes_of(stop, letters)
        function = stop if isinstance(stop, Variable) else substituted(stop, {before: inner})
        (local,) = derivatives(function, [inner])
        if set(own_axes) & set(axes):  # the letters of both stand in one formula
            axes = tuple(islice(fresh_letters({*own_axes, *free}, DUMMY), len(axes)))
        letters = letters.with_axes(name, axes)
        head = Heading(own, own_axes, ((name, axes),))
        links.append(
            Link(
                head,
                local,
                substituted(local, {inner: known.get(inner, inner)}),
                normal_text(local, head.letters, letters),
                None
                if isinstance(stop, Variable)
                else equation(*normal_sides(function, Heading(own, own_axes), letters)),
                stop.shape,
                before.shape,
            )
        )
        before, name, axes = stop, own, own_axes
        inner = stop if isinstance(stop, Variable) else variable(own, stop.shape)
        known[inner] = stop
    return links[::-1]


def _names(k: int) -> Sequence[str]:
    return [f"{letter}{k}" for letter in "vuws"] + [f"v{k}_{n}" for n in range(100)]


def _on_every_way(root: Node, by: Variable) -> list[Node]:
    """List the nodes, the root the last one, that lie on every way from a variable to the root."""
    order = topological([root], dependencies)
    if len(order) > MOST_NODES:
        raise SizeError(
            f"a chain is not looked for in an expression of {len(order)} nodes",
            action="take the table of a part of it, or the matrix of the derivative",
        )
    upwards: dict[Node, int] = {}
    for node in order:
        below = {*dependencies(node)}
        upwards[node] = int(node is by) + sum(upwards[child] for child in below)
    downwards = dict.fromkeys(order, 0)
    downwards[root] = 1
    for node in reversed(order):
        for child in {*dependencies(node)}:
            downwards[child] += downwards[node]
    ways = upwards[root]
    found = [
        node
        for node in order
        if node is not by and ways and upwards[node] * downwards[node] == ways and _is_step(node)
    ]
    return found if root in found else [*found, root]


def _is_step(node: Node) -> bool:
    """Tell whether a node does something, other than to repeat, to turn or to scale another one."""
    if isinstance(node, Einsum):
        return not node.is_view
    if isinstance(node, Add):
        return len(node.terms) > 1
    return (
        isinstance(node, Call | Variable)
        and not is_zero(node)
        and bool(children(node) or isinstance(node, Variable))
    )
