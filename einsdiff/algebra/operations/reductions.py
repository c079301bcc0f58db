r"""Sums and other reductions over axes.

.. math:: \textstyle y_i = \sum_j x_{ij} \qquad \bar x_i = \frac1n \sum_j x_{ij} \qquad
    \operatorname{var}(x) = \frac1n \sum_j (x_j - \bar x)^2 \qquad
    \operatorname{softmax}(x)_j = \frac{e^{x_j}}{\sum_k e^{x_k}} .

Sums, means and variances are einsums, in which a size that is a name stays a factor. ``max``,
``prod``, ``logsumexp`` and their like are entries of the table that act on the last axes; the
reduced axes are moved there, and axes that were kept are moved back.

>>> from einsdiff.algebra.nodes.nodes import variable
>>> A = variable("A", (2, 3))
>>> sum_(A, axis=1).shape, sum_(A, axis=1, keepdims=True).shape, max_(A).shape
((2,), (2, 1), ())
>>> softmax(A, axis=0).shape
(2, 3)
"""

from __future__ import annotations

from collections.abc import Sequence

from einsdiff.algebra.nodes.function import WITHOUT_IDENTITY, lookup
from einsdiff.algebra.nodes.nodes import Constant, Node, call, constant, einsum, scale, zero
from einsdiff.algebra.operations.arithmetic import divide, elementwise, sqrt, square, subtract
from einsdiff.algebra.operations.reshaping import ravel
from einsdiff.algebra.operations.shapes import (
    Axis,
    axes_of,
    axis_of,
    broadcast_to,
    operands_line,
    permuted,
)
from einsdiff.errors import OperandError, ShapeError, page

__all__ = [
    "cumsum",
    "kept",
    "log_softmax",
    "logsumexp",
    "max_",
    "mean",
    "min_",
    "prod_",
    "ptp",
    "softmax",
    "std",
    "sum_",
    "var",
]


# --- sums -------------------------------------------------------------------------------------


def kept(result: Node, axes: Sequence[int], rank: int, keepdims: bool) -> Node:
    """Put axes of size 1 where `axes` of `rank` axes were reduced, if that is wanted."""
    if not keepdims:
        return result
    rest = [k for k in range(rank) if k not in axes]
    return einsum([result], [rest], range(rank), dict.fromkeys(axes, 1))


def sum_(a: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """Sum over axes: ``y_i = Σ_j x_ij``.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.sum(ed.tensor("A", "mn"), axis=1)
    f_i = Σ_j A_ij
    """
    axes = axes_of(a, axis)
    rank = len(a.shape)
    rest = [k for k in range(rank) if k not in axes]
    return kept(einsum([a], [range(rank)], rest), axes, rank, keepdims)


def mean(a: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """Take the mean over axes: ``y_i = 1/n Σ_j x_ij``, nan if there are no entries.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.mean(ed.tensor("x", 4))
    f = 1/4 Σ_i x_i
    """
    return _divided(sum_(a, axis, keepdims), _count(a, axes_of(a, axis)))


def var(a: Node, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Node:
    """Take the variance over axes: ``y = 1/(n - ddof) Σ_i (x_i - x̄)²``, of the mean ``x̄``.

    It is not finite where ``n - ddof`` is not positive. Squares of complex numbers are squares, not
    those of absolute values.

    Examples
    --------
    >>> import einsdiff as ed
    >>> x = ed.tensor("x", [1.0, 3.0])
    >>> float(ed.var(x)), float(ed.var(x, ddof=1))
    (1.0, 2.0)
    >>> ed.grad(ed.var(x), wrt="x").dense()
    array([-1.,  1.])
    """
    residual = subtract(a, mean(a, axis, keepdims=True))
    count = subtract(_count(a, axes_of(a, axis)), constant(ddof))
    if ddof > 1 and count is not zero(()) and not isinstance(count, Constant):
        count = elementwise("maximum", count, zero(()))  # of a named size, which may be less
    return _divided(sum_(square(residual), axis, keepdims), count)


def std(a: Node, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Node:
    """Take the standard deviation over axes, the square root of `var`.

    Its derivative is not finite where all entries are equal.

    Examples
    --------
    >>> import einsdiff as ed
    >>> x = ed.tensor("x", [1.0, 3.0])
    >>> float(ed.std(x))
    1.0
    >>> ed.grad(ed.std(x), wrt="x").dense()
    array([-0.5,  0.5])
    """
    return sqrt(var(a, axis, ddof, keepdims))


def _count(a: Node, axes: Sequence[int]) -> Node:
    """Return the number of entries along axes, a number or a product of named sizes."""
    return einsum([], [], (), {k: a.shape[k] for k in axes})


def _divided(a: Node, count: Node) -> Node:
    """Divide by a number of entries; of none, or less, there is no mean."""
    value = 0 if count is zero(()) else count.value if isinstance(count, Constant) else 1
    if not isinstance(value, complex) and value <= 0:
        return scale(float("nan"), broadcast_to(constant(1), a.shape))
    return divide(a, count)


def cumsum(a: Node, axis: int | None = None) -> Node:
    """Take the sums of the entries so far: ``y_i = Σ_j [i ≥ j] x_j``.

    Parameters
    ----------
    a
        Tensor, array or number.
    axis
        Along which one; if left out, the entries are first put in one axis.

    Examples
    --------
    >>> import einsdiff as ed
    >>> x = ed.tensor("x", [1.0, 2.0, 3.0])
    >>> ed.cumsum(x).dense()
    array([1., 3., 6.])
    >>> ed.grad(ed.cumsum(x), wrt="x")
    ∂f_{i<3}/∂x_p = [i ≥ p]
    """
    if axis is None:
        a, axis = ravel(a), 0
    return _along("cumsum", a, (axis_of(a, axis),))


# --- functions of the table -------------------------------------------------------------------


def _reduced(name: str, a: Node, axis: Axis, keepdims: bool) -> Node:
    """Apply a function of the table that takes axes to a number."""
    axes = axes_of(a, axis)
    if not axes:
        return a
    rank = len(a.shape)
    rest = [k for k in range(rank) if k not in axes]
    if name in WITHOUT_IDENTITY and any(a.shape[k] == 0 for k in axes):
        raise ShapeError(
            page(
                f"{name} of no entries",
                shapes=operands_line([a]),
                action="there is no largest of none: leave out the empty axis",
            )
        )
    function = lookup(name, (len(axes),))
    if function is None:
        raise _too_many(name, a, len(axes))
    return kept(call(function, [permuted(a, [*rest, *axes])]), axes, rank, keepdims)


def _along(name: str, a: Node, axes: Sequence[int]) -> Node:
    """Apply a function of the table that keeps the axes that it acts on."""
    function = lookup(name, (len(axes),))
    if function is None:
        if axes:
            raise _too_many(name, a, len(axes))
        raise OperandError(
            page(
                f"{name} over no axis",
                shapes=operands_line([a]),
                action=f"{name} acts on one axis or more",
            )
        )
    order = [*(k for k in range(len(a.shape)) if k not in axes), *axes]
    result = call(function, [permuted(a, order)])
    return einsum([result], [order], range(len(order)))


def _too_many(name: str, a: Node, count: int) -> OperandError:
    return OperandError(
        page(
            f"{name} over {count} axes at once",
            shapes=operands_line([a]),
            action="reshape the tensor, so that these axes are fewer",
        )
    )


def max_(a: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """Take the largest entry along axes: ``y_i = max_j x_ij``.

    The derivative is 1 at the largest entry and 0 elsewhere; of several largest entries, each
    has an equal share.

    Raises
    ------
    ShapeError
        There are no entries.

    Examples
    --------
    >>> import einsdiff as ed
    >>> x = ed.tensor("x", [3.0, 1.0, 3.0])
    >>> float(ed.max(x))
    3.0
    >>> ed.grad(ed.max(x), wrt="x").dense()
    array([0.5, 0. , 0.5])
    """
    return _reduced("max", a, axis, keepdims)


def min_(a: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """Take the smallest entry along axes: ``y_i = min_j x_ij``.

    The derivative is 1 at the smallest entry and 0 elsewhere; of several smallest entries, each
    has an equal share.

    Raises
    ------
    ShapeError
        There are no entries.

    Examples
    --------
    >>> import einsdiff as ed
    >>> x = ed.tensor("x", [3.0, 1.0, 2.0])
    >>> float(ed.min(x))
    1.0
    >>> ed.grad(ed.min(x), wrt="x").dense()
    array([0., 1., 0.])
    """
    return _reduced("min", a, axis, keepdims)


def prod_(a: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """Multiply the entries along axes: ``y_i = Π_j x_ij``.

    The derivative by one of them is the product of the others; nothing is divided, so that it is
    right where entries are 0.

    Examples
    --------
    >>> import einsdiff as ed
    >>> x = ed.tensor("x", [2.0, 3.0, 0.0])
    >>> float(ed.prod(x))
    0.0
    >>> ed.grad(ed.prod(x), wrt="x").dense()
    array([0., 0., 6.])
    """
    return _reduced("prod", a, axis, keepdims)


def ptp(a: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """Take the range of the entries along axes: ``y_i = max_j x_ij - min_j x_ij``.

    Examples
    --------
    >>> import einsdiff as ed
    >>> float(ed.ptp(ed.tensor("x", [3.0, 1.0, 2.0])))
    2.0
    """
    return subtract(max_(a, axis, keepdims), min_(a, axis, keepdims))


def logsumexp(a: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """Take the logarithm of a sum of exponentials: ``y_i = log(Σ_j exp(x_ij))``.

    The largest entry is taken out before the exponentials are formed, so that none overflows. The
    derivative is the softmax.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.logsumexp(ed.tensor("x", "n"))
    f = logsumexp(x)
    >>> float(ed.logsumexp(ed.tensor("x", [1000.0, 1000.0])))
    1000.6931471805599
    """
    return _reduced("logsumexp", a, axis, keepdims)


def softmax(x: Node, axis: Axis = None) -> Node:
    """Turn numbers into shares of 1: ``y_i = exp(x_i) / Σ_j exp(x_j)``.

    The derivative is ``∂y_i/∂x_j = y_i (δ_ij - y_j)``.

    Parameters
    ----------
    x
        Tensor or array.
    axis
        Those along which the shares add to 1: an integer or several; all if left out.

    Raises
    ------
    OperandError
        There is no such axis, or no axis at all.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.softmax(ed.tensor("x", [0.0, 0.0])).dense()
    array([0.5, 0.5])
    >>> ed.softmax(ed.tensor("x", "n"))
    f_i = softmax(x)_i
    """
    return _along("softmax", x, axes_of(x, axis))


def log_softmax(x: Node, axis: Axis = None) -> Node:
    """Take the logarithm of `softmax`: ``y_i = x_i - log(Σ_j exp(x_j))``.

    The derivative is ``∂y_i/∂x_j = δ_ij - exp(y_j)``.

    Parameters
    ----------
    x
        Tensor or array.
    axis
        Those along which the shares add to 1: an integer or several; all if left out.

    Raises
    ------
    OperandError
        There is no such axis, or no axis at all.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.log_softmax(ed.tensor("x", "n"))
    f_i = log_softmax(x)_i
    """
    return _along("log_softmax", x, axes_of(x, axis))
