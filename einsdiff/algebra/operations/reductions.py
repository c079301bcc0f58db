r"""Sums and other reductions over axes.

.. math:: \textstyle y_i = \sum_j x_{ij} \qquad \bar x_i = \frac1n \sum_j x_{ij} \qquad
    \operatorname{var}(x) = \frac1n \sum_j (x_j - \bar x)^2 \qquad
    \operatorname{softmax}(x)_j = \frac{e^{x_j}}{\sum_k e^{x_k}} .

Sums, means and variances are einsums, in which a size that is a name stays a factor. The largest
entry, products and the like are records of the table, see `einsdiff.algebra.operations.applying`.

>>> A = variable("A", (2, 3))
>>> sum_(A, axis=1).shape, sum_(A, axis=1, keepdims=True).shape, max_(A).shape
((2,), (2, 1), ())
"""

from __future__ import annotations

from collections.abc import Sequence

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.interning import Constant, Node, constant, zero
from einsdiff.algebra.nodes.nodes import einsum, scale
from einsdiff.algebra.operations.applying import along, kept, of_record
from einsdiff.algebra.operations.arithmetic import divide, elementwise, sqrt, square, subtract
from einsdiff.algebra.operations.naming import numpys
from einsdiff.algebra.operations.reshaping import ravel
from einsdiff.algebra.operations.shapes import Axis, axes_of, axis_of, broadcast_to

#: The largest, the smallest, and the product of entries: records of the table.
max_, min_, prod_ = (of_record(FUNCTIONS[name]) for name in ("max", "min", "prod"))


# --- sums -------------------------------------------------------------------------------------


@numpys("sum")
def sum_(a: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """Sum over axes: ``y_i = Σ_j x_ij``.

    >>> ed.sum(ed.tensor("A", "mn"), axis=1)
    f_i = Σ_j A_ij
    """
    axes = axes_of(a, axis)
    rank = len(a.shape)
    rest = [k for k in range(rank) if k not in axes]
    return kept(einsum([a], [range(rank)], rest), axes, rank, keepdims)


@numpys("mean")
def mean(a: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """Take the mean over axes: ``y_i = 1/n Σ_j x_ij``, nan if there are no entries.

    >>> ed.mean(ed.tensor("x", 4))
    f = 1/4 Σ_i x_i
    """
    return _divided(sum_(a, axis, keepdims), _count(a, axes_of(a, axis)))


@numpys("var")
def var(a: Node, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Node:
    """Take the variance over axes: ``y = 1/(n - ddof) Σ_i (x_i - x̄)²``, of the mean ``x̄``.

    It is not finite where ``n - ddof`` is not positive. Squares of complex numbers are squares, not
    those of absolute values.

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


@numpys("std")
def std(a: Node, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Node:
    """Take the standard deviation over axes, the square root of `var`.

    Its derivative is not finite where all entries are equal.

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


@numpys("cumsum")
def cumsum(a: Node, axis: int | None = None) -> Node:
    """Take the sums of the entries so far: ``y_i = Σ_j [i ≥ j] x_j``.

    Parameters
    ----------
    axis
        Along which one; if left out, the entries are first put in one axis.

    >>> x = ed.tensor("x", [1.0, 2.0, 3.0])
    >>> ed.cumsum(x).dense()
    array([1., 3., 6.])
    >>> ed.grad(ed.cumsum(x), wrt="x")
    ∂f_{i<3}/∂x_p = [i ≥ p]
    """
    if axis is None:
        a, axis = ravel(a), 0
    return along("cumsum", a, (axis_of(a, axis),))


@numpys("ptp")
def ptp(a: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """Take the range of the entries along axes: ``y_i = max_j x_ij - min_j x_ij``.

    >>> float(ed.ptp(ed.tensor("x", [3.0, 1.0, 2.0])))
    2.0
    """
    return subtract(max_(a, axis, keepdims), min_(a, axis, keepdims))
