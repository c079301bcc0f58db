r"""Simpler nodes that calls of functions are as soon as they are made.

.. math:: x^1 = x \qquad (x^2)^3 = x^6 \qquad \max(x, 0) = \operatorname{relu}(x) .

>>> x = variable("x", ())
>>> fold_power(x, constant(1)) is x, fold_maximum(x, x) is x
(True, True)
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

from einsdiff.algebra.nodes.factors import counted, multiplied
from einsdiff.algebra.nodes.function_records import FUNCTIONS
from einsdiff.algebra.nodes.interning import Add, Call, Constant, Einsum, Node, constant, is_one
from einsdiff.algebra.nodes.nodes import call, einsum, is_zero, ones, scale

Real = int | Fraction | float

#: Powers up to this one are products, in which equal factors meet and cancel by counting.
MOST_EXPANDED = 16
#: Powers of numbers are computed up to this exponent: others have too many digits.
MOST_EXACT = 1024


def fold_power(base: Node, exponent: Node) -> Node | None:
    """``x^0 -> 1``, ``x^1 -> x``, ``(x^2)^3 -> x^6``, and numbers of numbers."""
    if is_zero(exponent):
        return ones(base.shape)
    if not isinstance(exponent, Constant):
        return None
    n = exponent.value
    if is_one(n):
        return base
    if isinstance(base, Constant):
        return _power_of_number(base, n)
    if not isinstance(n, int):
        return base if is_zero(base) and isinstance(n, Fraction) and n > 0 else None
    if is_zero(base):
        return base if n > 0 else None
    if isinstance(base, Call) and base.function is FUNCTIONS["power"] and n > 1:
        inner, p = base.args  # (s^p)^n = s^(pn) where s cannot be negative
        if isinstance(p, Constant) and isinstance(p.value, Fraction) and _is_square(inner):
            return call(base.function, [inner, constant(p.value * n)])
    if 1 < n <= MOST_EXPANDED:
        labels = range(len(base.shape))
        return einsum([base] * n, [labels] * n, labels)
    return _whole_power(base, n)


def _is_square(node: Node) -> bool:
    """Tell whether a node is a sum of squares, which is never negative for real values."""
    if isinstance(node, Add):
        return all(
            isinstance(c, int | Fraction) and c > 0 and _is_square(term) for c, term in node.terms
        )
    if not isinstance(node, Einsum):
        return isinstance(node, Constant)
    slots = list(zip(node.operands, node.subscripts, strict=True))
    return all(slots.count(slot) % 2 == 0 or _is_square(slot[0]) for slot in slots)


def _whole_power(base: Node, n: int) -> Node | None:
    """Take a power to a whole exponent apart: that of a product is a product."""
    power = FUNCTIONS["power"]
    if isinstance(base, Add):
        c, rest = base.primitive
        if not is_one(c) and isinstance(c, int | Fraction) and abs(n) <= MOST_EXACT:
            return scale(Fraction(c) ** n, call(power, [rest, constant(n)]))
    if isinstance(base, Call) and base.function is power:
        inner, p = base.args
        # (x^p)^n = x^(pn), but for square roots and the like, whose domain would grow.
        if isinstance(p, Constant) and isinstance(p.value, int | Fraction):
            product = p.value * n
            if isinstance(p.value, int) or Fraction(product).denominator > 1:
                return call(power, [inner, constant(product)])
    if isinstance(base, Einsum) and base.operands and not base.loose:
        out = base.output
        plain = all(len(set(labels)) == len(labels) for labels in base.subscripts)
        if plain and len(set(out)) == len(out) and set(range(len(base.sizes))) == set(out):
            powers = [
                (call(power, [node, constant(k * n)]), labels)
                for (node, labels), k in counted(base).items()
            ]
            return multiplied(powers, out, dict(enumerate(base.sizes)))
    return None


def _power_of_number(base: Constant, n: int | Fraction | float | complex) -> Node | None:
    value = base.value
    if isinstance(value, int | Fraction) and isinstance(n, int):
        return constant(Fraction(value) ** n) if abs(n) <= MOST_EXACT else None
    if isinstance(value, int | Fraction) and isinstance(n, Fraction) and n.denominator == 2:
        root = _square_root(Fraction(value))
        return None if root is None else constant(root**n.numerator)
    if isinstance(value, float) and isinstance(n, int | Fraction | float):
        try:
            result = value ** float(n)
        except (OverflowError, ZeroDivisionError):
            return None
        return constant(result) if isinstance(result, float) else None
    return None


def _square_root(value: Fraction) -> Fraction | None:
    """Return the root of a square, else None."""
    if value < 0:
        return None
    root = Fraction(isqrt(value.numerator), isqrt(value.denominator))
    return root if root * root == value else None


def _beside_zero(a: Node, b: Node) -> Node | None:
    """Return that of two arguments which is not the number 0."""
    for one, other in ((a, b), (b, a)):
        if is_zero(one) and not one.shape:
            return other
    return None


def fold_maximum(a: Node, b: Node) -> Node | None:
    """Write the larger of a number and 0 as relu, whose derivative at 0 is 0."""
    x = _beside_zero(a, b)
    return call(FUNCTIONS["relu"], [x]) if x is not None else a if a is b else None


def fold_minimum(a: Node, b: Node) -> Node | None:
    """Write the smaller of a number and 0 with relu."""
    x = _beside_zero(a, b)
    if x is not None:
        return scale(-1, call(FUNCTIONS["relu"], [scale(-1, x)]))
    return a if a is b else None


def fold_logaddexp(a: Node, b: Node) -> Node | None:
    """``log(exp(0) + exp(x))`` is softplus, whose derivative is the sigmoid."""
    x = _beside_zero(a, b)
    return None if x is None else call(FUNCTIONS["softplus"], [x])


def fold_greater(a: Node, b: Node, or_equal: bool = False) -> Node | None:
    """Compare numbers."""
    if isinstance(a, Constant | Add) and isinstance(b, Constant | Add):
        left, right = (number(node) for node in (a, b))
        if left is not None and right is not None:
            return constant(int(left > right or (or_equal and left == right)))
    return None


def number(node: Node) -> Real | None:
    """Return the real number that a node is, None if it is none."""
    if is_zero(node) and not node.shape:
        return 0
    value = node.value if isinstance(node, Constant) else None
    return None if isinstance(value, complex) else value
