r"""Conditions, which are 1 where they hold and 0 elsewhere, and what is chosen by them.

.. math:: y_i = [x_i > 0] \qquad
    y_i = [c_i \ne 0]\, a_i + [c_i = 0]\, b_i \qquad
    \operatorname{clip}(x)_i = \min(\max(x_i, a), b) .

The derivative of a condition is 0, also at the step, where it has none.

>>> x = variable("x", (3,))
>>> step(x) is less(zero(()), x), clip(x) is x
(True, True)
"""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction

from einsdiff.algebra.nodes.interning import (
    Add,
    Call,
    Constant,
    Delta,
    Einsum,
    Node,
    Variable,
    constant,
    zero,
)
from einsdiff.algebra.nodes.nodes import scale
from einsdiff.algebra.operations.arithmetic import add_, elementwise, multiply, subtract
from einsdiff.algebra.operations.naming import beyond_numpy, numpys
from einsdiff.algebra.operations.shapes import operands_line
from einsdiff.errors import OperandError


@numpys("less")
def less(x1: Node, x2: Node) -> Node:
    """Compare: ``y_i = [a_i < b_i]``, 1 where it holds and 0 elsewhere; its derivative is 0.

    >>> ed.less(ed.tensor("x", "n"), 1)
    f_i = [1 > x_i]
    """
    return elementwise("greater", x2, x1)


@numpys("less_equal")
def less_equal(x1: Node, x2: Node) -> Node:
    """Compare: ``y_i = [a_i ≤ b_i]``, 1 where it holds and 0 elsewhere; its derivative is 0.

    >>> ed.less_equal(ed.tensor("x", "n"), 1)
    f_i = [1 ≥ x_i]
    """
    return elementwise("greater_equal", x2, x1)


@numpys("heaviside")
def heaviside(x1: Node, x2: Node) -> Node:
    """Step from 0 to 1 at 0, with a given value ``h`` there: ``y_i = [x_i > 0] + h_i [x_i = 0]``.

    Its derivative by `x1` is 0, also at the step; by `x2` it is ``[x_i = 0]``.

    Parameters
    ----------
    x1
        Where the step is evaluated: tensor, array or number.
    x2
        The value at 0, commonly 1/2 or 1: tensor, array or number.

    >>> ed.heaviside(ed.tensor("x", [-1.0, 0.0, 2.0]), 0.5).dense()
    array([0. , 0.5, 1. ])
    """
    # With the sign rather than [x > 0], it is nan where x is.
    at_zero = elementwise("equal", x1, zero(()))
    beside = scale(Fraction(1, 2), subtract(add_(constant(1), elementwise("sign", x1)), at_zero))
    return add_(beside, multiply(x2, at_zero))


@beyond_numpy
def step(x: Node) -> Node:
    """Step from 0 to 1 at 0, where it is 0: ``y_i = [x_i > 0]``, the derivative of `relu`.

    Its derivative is 0, also at the step.

    >>> ed.step(ed.tensor("x", "n"))
    f_i = [x_i > 0]
    """
    return elementwise("greater", x, zero(()))


def truth(x: Node) -> Node:
    """Return 1 where a number is not 0."""
    return elementwise("not_equal", x, zero(()))


@numpys("logical_and")
def logical_and(x1: Node, x2: Node) -> Node:
    """Tell where both are not 0: ``y_i = [a_i ≠ 0] [b_i ≠ 0]``; the same as ``a & b``."""
    return multiply(truth(x1), truth(x2))


@numpys("logical_or")
def logical_or(x1: Node, x2: Node) -> Node:
    """Tell where one or both are not 0; the same as ``a | b``."""
    return elementwise("maximum", truth(x1), truth(x2))


@numpys("logical_not")
def logical_not(x: Node) -> Node:
    """Tell where a number is 0: ``y_i = [x_i = 0]``; the same as ``~x``."""
    return elementwise("equal", x, zero(()))


@numpys("bitwise_and")
def bitwise_and(x1: Node, x2: Node) -> Node:
    """Tell where both conditions hold: of conditions the same as `logical_and`."""
    return logical_and(x1, x2)


@numpys("bitwise_or")
def bitwise_or(x1: Node, x2: Node) -> Node:
    """Tell where one condition or both hold: of conditions the same as `logical_or`."""
    return logical_or(x1, x2)


@numpys("invert")
def invert(x: Node) -> Node:
    """Tell where a condition does not hold: of conditions the same as `logical_not`."""
    return logical_not(x)


def is_condition(x: Node, truths: Collection[str] = ()) -> bool:
    """Tell whether all entries are 0 or 1, as far as that is seen.

    >>> x = variable("x", (3,))
    >>> is_condition(logical_not(step(x))), is_condition(x), is_condition(x, ["x"])
    (True, False, True)
    """
    if isinstance(x, Variable):
        return x.name in truths
    if isinstance(x, Constant):
        return x.value in (0, 1)
    if isinstance(x, Call):
        if x.function.name in ("maximum", "minimum"):
            return all(is_condition(part, truths) for part in x.args)
        return bool(x.function.compares)
    if isinstance(x, Add):
        return not x.terms  # zero
    return (
        isinstance(x, Einsum)
        and _picks(x)
        and all(isinstance(part, Delta) or is_condition(part, truths) for part in x.operands)
    )


def _picks(x: Einsum) -> bool:
    """Tell whether no entries are added up: each index that is summed is fixed by a relation."""
    relations = [
        labels
        for part, labels in zip(x.operands, x.subscripts, strict=True)
        if isinstance(part, Delta) and part.relation.is_equation
    ]
    summed = {label for labels in x.subscripts for label in labels} - set(x.output)
    return len(summed) <= len(relations) and summed <= {n for labels in relations for n in labels}


@numpys("where")
def where(condition: Node, x: Node | None = None, y: Node | None = None) -> Node:
    """Choose by a condition: ``[c_i ≠ 0] x_i + [c_i = 0] y_i``.

    What was not chosen has the derivative 0, even where that of the formula it stands for is inf
    or nan: it is multiplied by 0, so guard the argument of such a formula as well.

    Parameters
    ----------
    condition
        Tensor, array or number; what is not 0 holds.
    x
        Taken where it holds: tensor, array or number.
    y
        Taken elsewhere: tensor, array or number.

    Raises
    ------
    OperandError
        There is a condition alone.

    >>> x = ed.tensor("x", [-2.0, 3.0])
    >>> leaky = ed.where(x > 0, x, 0.1 * x)
    >>> leaky.dense()
    array([-0.2,  3. ])
    >>> ed.grad(leaky, wrt="x").dense()
    array([[0.1, 0. ],
           [0. , 1. ]])
    """
    if x is None or y is None:
        raise OperandError(
            "where with a condition alone gives positions, and these have no derivative",
            shapes=operands_line([condition]),
            action="write where(condition, x, y)",
        )
    return elementwise("where", condition, x, y)


@numpys("fmax")
def fmax(x1: Node, x2: Node) -> Node:
    """Take the larger of two numbers, or that which is not nan: else as `maximum`."""
    return _passing_over_nan("maximum", x1, x2)


@numpys("fmin")
def fmin(x1: Node, x2: Node) -> Node:
    """Take the smaller of two numbers, or that which is not nan: else as `minimum`."""
    return _passing_over_nan("minimum", x1, x2)


def _passing_over_nan(name: str, a: Node, b: Node) -> Node:
    result = elementwise(name, a, b)
    for node, other in ((a, b), (b, a)):
        if not isinstance(node, Constant) or node.value != node.value:
            is_nan = elementwise("not_equal", node, node)
            result = elementwise("where", is_nan, other, result)
    return result


@numpys("clip")
def clip(
    a: Node,
    a_min: Node | None = None,
    a_max: Node | None = None,
    *,
    min: Node | None = None,  # NumPy's names
    max: Node | None = None,
) -> Node:
    """Limit the entries to a range: ``y_i = min(max(x_i, a_min), a_max)``.

    The derivative is 1 within the range and 0 outside; on its border, where the entry and the
    limit are equal, they share it equally, as for `maximum`.

    Parameters
    ----------
    a_min, a_max
        The least and the largest value, tensors, arrays or numbers; None for no limit.
    min, max
        Other names of these, as in NumPy.

    >>> x = ed.tensor("x", [-1.0, 0.5, 2.0])
    >>> ed.clip(x, 0, 1).dense()
    array([0. , 0.5, 1. ])
    >>> ed.grad(ed.clip(x, 0, None).sum(), wrt="x").dense()
    array([0., 1., 1.])
    """
    low, high = a_min if min is None else min, a_max if max is None else max
    if low is not None:
        a = elementwise("maximum", a, low)
    return a if high is None else elementwise("minimum", a, high)
