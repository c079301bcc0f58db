r"""Expressions in the place of variables, all at once.

Where a variable is an unspecified function of others, the symbols of its derivatives become the
derivatives of what takes its place:

.. math:: M_{ij} \frac{\partial u_j}{\partial z_p},\quad u_j = C_{jk} z_k
    \quad\Rightarrow\quad M_{ij} C_{jp} .

>>> z = variable("z", ("k",))
>>> u = variable("u", ("n",), of=[z])
>>> J = derivatives(u, [z])[0]
>>> C = variable("C", ("n", "k"))
>>> with_expressions([J], {u: einsum([C, z], ["jk", "k"], "j")})[0]
C
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from einsdiff.algebra.derivatives.differentiate import derivatives
from einsdiff.algebra.nodes.graph import substituted, variables_of
from einsdiff.algebra.nodes.interning import Node, Variable, symmetry
from einsdiff.algebra.nodes.nodes import einsum
from einsdiff.algebra.rewriting.orient import normal_form
from einsdiff.errors import OperandError


def with_expressions(nodes: Iterable[Node], known: Mapping[Variable, Node]) -> tuple[Node, ...]:
    """Put expressions of the same shapes in the place of variables.

    It is an `OperandError` where that would leave a function of something that is gone, and where
    a variable that is declared symmetric would become an expression that is not.
    """
    roots = tuple(nodes)
    for variable, node in known.items():
        _check_symmetric(variable, node)
    put: dict[Node, Node] = dict(known.items())
    for v in variables_of(roots):
        base, by = v.derivative or (v, ())
        gone = next((z for z in (*by, *base.of) if z in known), None)
        if v in known or (gone is None and base not in known):
            continue
        if gone is not None:
            raise OperandError(
                f"'{base}' is an unspecified function of '{gone}', which is replaced",
                action=f"replace '{base}' alone, by an expression in '{gone}', and then '{gone}'",
            )
        node = known[base]
        for z in by:
            (node,) = derivatives(node, [z])
        put[v] = node
    return tuple(substituted(root, put) for root in roots)


def _check_symmetric(variable: Variable, node: Node) -> None:
    """Refuse what is not symmetric in the place of what is declared so."""
    if not variable.symmetric or symmetry(node) is True:
        return
    rank = len(node.shape)
    form = normal_form(node)
    axes = tuple(range(rank))
    swaps = [(*axes[:k], k + 1, k, *axes[k + 2 :]) for k in range(rank - 1)]
    if any(normal_form(einsum([node], [axes], swap)) is not form for swap in swaps):
        raise OperandError(
            f"'{variable}' is declared symmetric, and what is put in its place is not, as far as "
            "that is seen",
            action="average it over the orders of its axes, as in (B_ij + B_ji) / 2",
        )
