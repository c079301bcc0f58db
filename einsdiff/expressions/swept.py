r"""Products of a derivative with directions, by a sweep over what it is the derivative of.

A derivative knows its function. Its product with a direction is then not the formula of the
derivative, multiplied, but a sweep over that of the function,

.. math:: \sum_q \frac{\partial^2 f}{\partial x_p\, \partial x_q} v_q
    = \frac{d}{dt} \frac{\partial f}{\partial x_p}(x + t v) ,

which takes as many steps as the function has, and shares what they share.

>>> from einsdiff.verbs.calculus import hessian, hvp
>>> H = hessian("exp(x_i A_ij x_j)", wrt="x")
>>> H.jvp(None) == hvp("exp(x_i A_ij x_j)", wrt="x")
True
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from einsdiff.algebra.derivatives.differentiate import adjoints, derivatives, directional
from einsdiff.algebra.derivatives.linear_terms import contracted
from einsdiff.algebra.nodes.interning import Node
from einsdiff.algebra.nodes.nodes import einsum
from einsdiff.expressions.formula import Formula


@lru_cache(maxsize=1024)
def nested(formula: Formula) -> Node:
    """Return the expression of a formula; of a derivative, as its sweep has built it."""
    if formula.source is None:
        return formula.expr
    function, by = formula.source
    return adjoints(nested(function), [by])[0]


@lru_cache(maxsize=1024)
def product(formula: Formula, axes: tuple[int, ...], vector: Node) -> Node:
    """Multiply by a vector and sum over axes, as `contracted` does.

    Where the formula is a second derivative, or a higher one, and these are all axes of its
    variable, or of what was differentiated, no derivative of this order is built.
    """
    rank = len(formula.expr.shape)
    split = rank - (formula.domain or 0)
    if formula.source is None or formula.source[0].source is None:
        return contracted(formula.expr, axes, vector)
    function, by = formula.source
    if axes == tuple(range(split, rank)):
        return directional([nested(function)], {by: vector})[0]
    if axes != tuple(range(split)):
        return contracted(formula.expr, axes, vector)
    before, first = function.source or (None, None)
    if before is not None and first is not None and before.expr.shape == ():
        # The order in which a number is differentiated does not matter.
        return directional(adjoints(nested(before), [by]), {first: vector})[0]
    columns = len(vector.shape) - split
    turned = _turned(vector, [*range(split, split + columns), *range(split)])
    (found,) = derivatives(nested(function), [by], turned)
    return _turned(found, [*range(columns, len(found.shape)), *range(columns)])


def _turned(node: Node, order: Sequence[int]) -> Node:
    axes = range(len(node.shape))
    return node if list(order) == list(axes) else einsum([node], [axes], order)
