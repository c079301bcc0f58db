r"""Arithmetic: functions of the entries of operands that are broadcast.

.. math:: y_{ij} = f(a_{ij}, b_j) \qquad a_i / b_i = a_i\, b_i^{-1} \qquad \sqrt{x_i} = x_i^{1/2} .

Sums are sums and products are einsums; a quotient, a root and a reciprocal are powers, so that
like factors meet. All else is an entry of the table.

>>> x, y = variable("x", (3,)), variable("y", (2, 1))
>>> add_(x, y).shape
(2, 3)
>>> divide(x, y) is multiply(x, reciprocal(y)), add_(x, subtract(x, x)) is x
(True, True)
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import pi

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.function_records import Function
from einsdiff.algebra.nodes.interning import Node, Number, constant
from einsdiff.algebra.nodes.nodes import add, call, einsum, scale
from einsdiff.algebra.operations.naming import numpys
from einsdiff.algebra.operations.shapes import broadcast_shape, broadcast_to, placed

# --- functions of the table -------------------------------------------------------------------


def entrywise(function: Function, *operands: Node) -> Node:
    """Apply a function of entries to operands that are broadcast.

    Those without axes stay as they are: ``x^2`` has the exponent 2, not a vector of twos.
    """
    shape = broadcast_shape(operands)
    args = [node if not node.shape else broadcast_to(node, shape) for node in operands]
    result = call(function, args)
    return result if result.shape == shape else broadcast_to(result, shape)


def elementwise(name: str, *operands: Node) -> Node:
    """Apply the function of entries that has this name, see `entrywise`."""
    return entrywise(FUNCTIONS[name], *operands)


# --- sums and products ------------------------------------------------------------------------


@numpys("add")
def add_(x1: Node, x2: Node) -> Node:
    """Add: ``y_i = a_i + b_i``; the same as ``a + b``."""
    return _sum([(1, x1), (1, x2)])


@numpys("subtract")
def subtract(x1: Node, x2: Node) -> Node:
    """Subtract: ``y_i = a_i - b_i``; the same as ``a - b``."""
    return _sum([(1, x1), (-1, x2)])


def _sum(terms: Sequence[tuple[Number, Node]]) -> Node:
    shape = broadcast_shape([node for _, node in terms])
    return add([(c, broadcast_to(node, shape)) for c, node in terms], shape)


@numpys("multiply")
def multiply(x1: Node, x2: Node) -> Node:
    """Multiply the entries: ``y_i = a_i b_i``; the same as ``a * b``."""
    shape = broadcast_shape([x1, x2])
    labels = [placed(node, shape) for node in (x1, x2)]
    return einsum([x1, x2], labels, range(len(shape)), dict(enumerate(shape)))


@numpys("divide")
def divide(x1: Node, x2: Node) -> Node:
    """Divide the entries: ``y_i = a_i / b_i``; the same as ``a / b``."""
    return multiply(x1, reciprocal(x2))


@numpys("fabs")
def fabs(x: Node) -> Node:
    """Take absolute values, see `abs`: of integers they are floats, as NumPy's are."""
    return elementwise("abs", x)


@numpys("negative")
def negative(x: Node) -> Node:
    """Change the sign: ``y_i = -x_i``; the same as ``-x``."""
    return scale(-1, x)


@numpys("positive")
def positive(x: Node) -> Node:
    """Return the tensor itself; the same as ``+x``."""
    return x


@numpys("deg2rad", "radians")
def deg2rad(x: Node) -> Node:
    """Convert degrees to radians: ``y_i = π/180 x_i``."""
    return scale(pi / 180, x)


@numpys("rad2deg", "degrees")
def rad2deg(x: Node) -> Node:
    """Convert radians to degrees: ``y_i = 180/π x_i``."""
    return scale(180 / pi, x)


# --- powers -----------------------------------------------------------------------------------


@numpys("power")
def power(x: Node, n: Node) -> Node:
    """Raise to a power: ``y_i = x_i^n``; the same as ``x ** n``.

    The derivative by the exponent is ``y log(x)``, and 0 where ``y`` is 0. Whole powers of
    negative numbers are real and differentiable by `x`; as in NumPy, other powers of them are
    nan.

    Parameters
    ----------
    x
        The base: tensor, array or number.
    n
        The exponent: tensor, array or number.

    >>> x, n = ed.tensors(x="m", n=())
    >>> ed.power(x, n)
    f_i = x_i^n
    >>> ed.grad(ed.power(x, n), wrt="n")
    ∂f_i/∂n = xlogy(x_i^n, x_i)
    """
    return elementwise("power", x, n)


@numpys("float_power")
def float_power(x: Node, n: Node) -> Node:
    """Raise to a power, see `power`: ``y_i = x_i^n``."""
    return power(x, n)


@numpys("square")
def square(x: Node) -> Node:
    """Square: ``y_i = x_i x_i``. That of a complex number is no absolute value.

    >>> ed.square(ed.tensor("x", "n"))
    f_i = x_i^2
    """
    return power(x, constant(2))


@numpys("sqrt")
def sqrt(x: Node) -> Node:
    """Take the square root: ``y_i = x_i^1/2``. Its derivative, ``1/2 x_i^-1/2``, is inf at 0.

    >>> ed.sqrt(ed.tensor("x", "n"))
    f_i = sqrt(x_i)
    >>> ed.grad("sqrt(x)", wrt="x")
    ∂f/∂x = 1/2 / sqrt(x)
    """
    return power(x, constant(Fraction(1, 2)))


@numpys("reciprocal")
def reciprocal(x: Node) -> Node:
    """Take the reciprocal: ``y_i = 1 / x_i``, of integers too (NumPy rounds these down to 0).

    >>> ed.reciprocal(ed.tensor("x", "n"))
    f_i = 1 / x_i
    >>> ed.grad("1 / x", wrt="x")
    ∂f/∂x = -1 / x^2
    """
    return power(x, constant(-1))


@numpys("exp2")
def exp2(x: Node) -> Node:
    """Raise 2 to a power: ``y_i = 2^x_i``.

    >>> ed.exp2(ed.tensor("x", "n"))
    f_i = 2^x_i
    """
    return power(constant(2), x)


# --- quotients in whole numbers ---------------------------------------------------------------


@numpys("floor_divide")
def floor_divide(x1: Node, x2: Node) -> Node:
    """Divide and round down: ``y_i = floor(a_i / b_i)``; the same as ``a // b``.

    The derivative is 0: at the steps there is none.
    """
    return elementwise("floordiv", x1, x2)


@numpys("remainder")
def remainder(x1: Node, x2: Node) -> Node:
    """Take what a division leaves: ``y_i = a_i - b_i floor(a_i / b_i)``; the same as ``a % b``.

    It has the sign of the divisor, as in NumPy. The derivative is 1 by `x1` and
    ``-floor(a_i / b_i)`` by `x2`; at the steps there is none.
    """
    return elementwise("mod", x1, x2)
