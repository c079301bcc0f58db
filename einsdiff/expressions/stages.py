r"""Functions of which some arrays change less often than others, computed in two stages.

Products of one Hessian with many vectors, as an iteration takes them, have most of their work in
common: in

.. math:: \sum_q \frac{\partial^2}{\partial x_p\, \partial x_q} \sum_i \exp(A_{ij} x_j)\; v_q
    = A_{ip} \exp(A_{ij} x_j)_i\, A_{iq} v_q

the exponentials depend on x alone. They are found in the expressions as these are computed, and
kept until x is another one.

>>> import numpy as np
>>> from einsdiff.verbs.calculus import hvp
>>> A = np.ones((3, 2))
>>> f = hvp("Σ_i exp(A_ij x_j)", A=A, wrt="x", x=np.zeros(2))
>>> product = Stages([f.formula], {"A": A}, ["v"], f.values)
>>> kept = product.prepared(x=np.zeros(2))
>>> [float(entry) for entry in product(kept, x=np.zeros(2), v=np.ones(2))[0]]
[6.0, 6.0]
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from einsdiff.algebra.nodes.graph import children, rebuilt, topological
from einsdiff.algebra.nodes.interning import Constant, Delta, Einsum, Node, Variable, variable
from einsdiff.display.index.lettering import Heading
from einsdiff.expressions.compiled import Compiled
from einsdiff.expressions.evaluation import sizes_of
from einsdiff.expressions.formula import Formula, fresh, joined_arguments
from einsdiff.notation.letters import first_unused, numbered
from einsdiff.numeric.libraries.memory import memory_limit
from einsdiff.numeric.libraries.operands import Array
from einsdiff.numeric.planning.rearrange import rearranged, with_units

#: What is kept may take this part of the memory that arrays may take, at double precision.
MOST_KEPT = 1 / 4
_BYTES = 8


class Stages:
    """A function of named arrays that computes once what does not depend on those that move.

    `prepared` computes this, and a call the rest. Arrays, or stand-ins of their shapes, tell the
    sizes for which it is planned.
    """

    __slots__ = ("_first", "_names", "_second", "held")

    def __init__(
        self,
        formulas: Sequence[Formula],
        data: Mapping[str, Array],
        moving: Collection[str],
        arrays: Mapping[str, Array],
    ) -> None:
        sizes: dict[str, int] = {}
        for formula in formulas:
            sizes.update(sizes_of(formula, arrays))
        nodes = rearranged(with_units([formula.expr for formula in formulas]), sizes)
        held = _held(nodes, moving)
        entries = sum(prod(s if isinstance(s, int) else sizes[s] for s in n.shape) for n in held)
        if entries * _BYTES > MOST_KEPT * memory_limit():
            held = []
        #: The parts of the expressions that are computed once.
        self.held = tuple(held)
        arguments = joined_arguments(formulas)
        taken = {argument.name for argument in arguments}
        known: dict[Node, Node] = {}
        for node in held:
            name = first_unused(numbered("kept"), taken)
            taken.add(name)
            known[node] = variable(name, node.shape)
        self._names = tuple(v.name for v in known.values() if isinstance(v, Variable))
        extra = tuple(v for v in known.values() if isinstance(v, Variable))
        parts = [
            Formula(
                node,
                Heading("f", fresh(len(node.shape), taken)),
                formulas[0].letters,
                tuple(v for v in arguments if v.name not in moving),
            )
            for node in held
        ]
        self._first = Compiled(parts, data, build=tuple) if parts else None
        rest = formulas
        if held:
            done = dict(known)
            for node in topological(nodes, lambda n: () if n in known else children(n)):
                done.setdefault(node, rebuilt(node, done) if node not in known else known[node])
            rest = [
                replace(f, expr=done[node], arguments=(*arguments, *extra), source=None)
                for f, node in zip(formulas, nodes, strict=True)
            ]
        self._second = Compiled(rest, data, build=tuple)

    def prepared(self, **fixed: Array) -> dict[str, Array]:
        """Compute what does not depend on the arrays that move."""
        if self._first is None:
            return {}
        return dict(zip(self._names, self._first(**fixed), strict=True))

    def __call__(self, kept: Mapping[str, Array], **arrays: Array) -> tuple[Any, ...]:
        """Compute the rest, from what was prepared."""
        found: tuple[Any, ...] = self._second(**arrays, **kept)
        return found


def _held(nodes: Sequence[Node], moving: Collection[str]) -> list[Node]:
    """List the largest parts that do not depend on some variables and take work to compute."""
    moves: set[Node] = set()
    found: dict[Node, None] = {}
    for node in topological(nodes):
        if isinstance(node, Variable):
            if node.name in moving:
                moves.add(node)
        elif any(child in moves for child in children(node)):
            moves.add(node)
            for child in children(node):
                if child not in moves:
                    found.update(dict.fromkeys(_worked(child)))
    return list(found)


def _worked(node: Node) -> Iterator[Node]:
    """Yield what takes work of a node that may be another view of it."""
    stack = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, Variable | Constant | Delta):
            continue
        if isinstance(part, Einsum):
            factors = [operand for operand in part.operands if not isinstance(operand, Delta)]
            if len(factors) < 2:  # a view of it, or it among zeros
                stack.extend(factors)
                continue
        yield part
