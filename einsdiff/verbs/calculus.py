r"""The verbs: `einsum`, `grad` (also `jacobian`) and `hessian`.

>>> import numpy as np
>>> A, x = np.arange(6.0).reshape(2, 3), np.array([1.0, 10.0, 100.0])
>>> J = grad("ij,j->i", A, x, wrt="A")
>>> print(J)
∂f_i/∂A_pq = δ_ip x_q
>>> J.shape
(2, 2, 3)
>>> np.asarray(J)[0]
array([[  1.,  10., 100.],
       [  0.,   0.,   0.]])
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from einsdiff.algebra.nodes.interning import Node
from einsdiff.errors import OperandError
from einsdiff.expressions.asked import outside
from einsdiff.expressions.checking import checked
from einsdiff.expressions.combining import combined
from einsdiff.expressions.compiled import Compiled
from einsdiff.expressions.dispatch import VERBS
from einsdiff.expressions.formula import fresh
from einsdiff.expressions.replacing import READERS
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.notation.subscripts import Size, is_index
from einsdiff.verbs.differentiated import (
    backwards,
    differentiated,
    forwards,
    read_chosen,
    read_derived,
    read_directions,
    twice,
)
from einsdiff.verbs.several import expressions
from einsdiff.verbs.sources.accept import read_expression
from einsdiff.verbs.sources.source import Arguments


def einsum(
    expression: Any,
    /,
    *operands: Any,
    sizes: Mapping[str, Size] | None = None,
    notation: str | None = None,
    **named: Any,
) -> Tensor:
    """Write a sum of products.

    Parameters
    ----------
    expression
        An einsum string, in every form that ``numpy.einsum`` takes, and with labels in the output
        that repeat or that no operand carries. Or the first operand of the interleaved form. Or
        the first of several arrays of xarray's: the dimensions that they share are summed.
    *operands
        One for each term of the string: an array, a `Tensor`, a number, or a name (a string) for
        an array that is not given yet. A plain array is called what the caller's variable is
        called.
    sizes
        Sizes of labels that no operand carries. They may also be given as ``j=3``.
    notation
        The notation of a text, as for `parse`; if left out, the text tells.
    **named
        Arrays for operands given by name.

    Returns
    -------
    Tensor
        Of the output's shape; nothing is computed yet.

    Raises
    ------
    SubscriptsError
        The string cannot be read, or has another number of operands or labels than given.
    ShapeError
        One label has two sizes.
    OperandError
        An operand is no array of numbers.
    BindingError
        One name stands for two different arrays, or a keyword names no operand.

    Examples
    --------
    >>> import numpy as np
    >>> A, x = np.ones((2, 3)), np.arange(3.0)
    >>> f = einsum("ij,j->i", A, x)
    >>> f
    f_i = A_ij x_j
    >>> np.asarray(f)
    array([3., 3.])
    >>> einsum("i->ii", x).shape, einsum("i->ij", x, sizes={"j": 4}).shape
    ((3, 3), (3, 4))
    >>> einsum(A, [0, 1], x, [1], [0]) == f
    True
    """
    return read_derived(
        Arguments(expression, operands, sizes, named, sys._getframe(1), notation=notation)
    ).tensor


def _numpy_einsum(*operands: Any, optimize: Any = None, **options: Any) -> Tensor:
    """Do what ``numpy.einsum`` does; the order of contraction is chosen later."""
    del optimize
    if options:
        raise OperandError(
            f"numpy.einsum of a tensor takes no {next(iter(options))}=", action="leave it out"
        )
    return read_expression(Arguments(operands[0], operands[1:], None, {}, outside())).tensor


VERBS["einsum"] = _numpy_einsum


def grad(
    expression: Any,
    /,
    *operands: Any,
    wrt: Any = None,
    order: int = 1,
    sizes: Mapping[str, Size] | None = None,
    notation: str | None = None,
    **named: Any,
) -> Any:
    r"""Differentiate: the full tensor of partial derivatives.

    By the rule :math:`\partial A_{ij}/\partial A_{pq} = \delta_{ip}\delta_{jq}`, the product rule
    and the chain rule, in one reverse sweep; an operand that occurs twice is differentiated in
    both places.

    Parameters
    ----------
    expression
        An einsum string, or a `Tensor`.
    *operands
        The string's operands, as for `einsum`.
    wrt
        What to differentiate by: a name, the position of an operand, a `Tensor`, or the array
        itself; entries of a variable, ``"x_0"``, ``"A_0j"`` or ``"A[:, 1]"``; or an expression
        that occurs, ``"A_ij x_j"``, with all else held constant. Or a tuple of these, and then a
        tuple of derivatives is returned. It may be left out where there is one variable only.
    order
        How often to differentiate. With a tuple, order 2 gives a tuple of tuples.
    sizes
        As for `einsum`.
    notation
        The notation of a text, as for `parse`; if left out, the text tells.
    **named
        Arrays for operands given by name.

    Returns
    -------
    Tensor
        Of shape ``(m1, .., ms, n1, .., nk)``: the axes of the expression, then those of the
        variable, in operand axis order (as in JAX; SymPy has them the other way round).

    Raises
    ------
    NameNotFoundError
        `wrt` names no variable of the expression; the message lists those there are.
    RangeError
        An entry is outside of its axis.
    SubscriptsError, ShapeError, OperandError, BindingError
        As for `einsum`.

    Examples
    --------
    >>> import numpy as np
    >>> R = np.arange(6.0).reshape(3, 2)
    >>> J = grad("mp,mq->pq", R, R, wrt="R")
    >>> print(J)
    ∂f_pq/∂R_rs = δ_ps R_rq + δ_qs R_rp
    >>> J.shape
    (2, 2, 3, 2)

    By an entry, or by a part of the expression:

    >>> grad("x_i A_ij x_j", wrt="x_0")
    ∂f/∂x_0 = A_0j x_j + A_i0 x_i
    >>> grad("exp(-x_i x_i)", wrt="x_i x_i")
    ∂f/∂y = -exp(-x_i x_i)

    A tuple of variables gives a tuple of derivatives:

    >>> y, A, x = np.ones(2), np.ones((2, 3)), np.ones(3)
    >>> for derivative in grad("i,ij,j->", y, A, x, wrt=("y", "A", "x")):
    ...     print(derivative)
    ∂f/∂y_p = A_pj x_j
    ∂f/∂A_pq = y_p x_q
    ∂f/∂x_p = y_i A_ip
    """
    return _grad(
        Arguments(expression, operands, sizes, named, sys._getframe(1), notation=notation),
        wrt,
        order,
    )


#: The derivative of a vector is called so; it is the same verb.
jacobian = grad


def hessian(
    expression: Any,
    /,
    *operands: Any,
    wrt: Any = None,
    sizes: Mapping[str, Size] | None = None,
    notation: str | None = None,
    **named: Any,
) -> Any:
    """Differentiate twice.

    Parameters
    ----------
    expression, *operands, wrt, sizes, notation, **named
        As for `grad`. A tuple of variables gives a tuple of tuples, as in JAX: the entry at
        ``[i][j]`` is differentiated by the i-th and then by the j-th.

    Returns
    -------
    Tensor
        Of shape ``(m1, .., ms, n1, .., nk, n1, .., nk)``. Its matrix is that of the derivative
        of the gradient: square for a scalar function.

    Raises
    ------
    NameNotFoundError, SubscriptsError, ShapeError, OperandError, BindingError
        As for `grad`.

    Examples
    --------
    >>> H = hessian("i,ij,j->", "x", "A", "x", wrt="x")
    >>> print(H)
    ∂²f/∂x_p∂x_q = A_pq + A_qp
    >>> H.shape
    ('m', 'm')
    """
    return _grad(
        Arguments(expression, operands, sizes, named, sys._getframe(1), notation=notation), wrt, 2
    )


def parse(
    expression: str | Callable[..., Any],
    /,
    *operands: Any,
    sizes: Mapping[str, Size] | None = None,
    notation: str | None = None,
    **named: Any,
) -> Tensor:
    r"""Read an expression in index notation, matrix notation or LaTeX, or what a function does.

    Parameters
    ----------
    expression
        Such as ``"A_ij x_j + b_i"``, ``"f_i = exp(A_ij x_j)"``, ``"A x + b"``, or
        ``r"\mathbf{A} x"``; ``"d/dx (x' A x)"`` is the derivative. In index notation, a label that
        stands twice in a product and not on the left-hand side is summed. Without a left-hand side
        the result has the labels that are not summed, in alphabetical order. What einsdiff prints
        is read.
        Or a function of arrays, which is traced with its operands.
    *operands
        Tensors, arrays, or names, matched by what they are called.
    sizes
        Sizes of labels that no operand carries.
    notation
        ``"index"``, ``"matrix"``, ``"latex"`` or ``"einsum"``, where somebody wants to say it; if
        left out, the text and the operands tell. An operand may be called so, too.
    **named
        For a name its tensor, its array, or its shape, as in ``A="mn"``; or an expression, as in
        ``y="A_ij x_j"``, by whose name it can be differentiated then. Names without any are
        variables whose sizes are called m, n, ...

    Returns
    -------
    Tensor
        With the axes of the left-hand side.

    Raises
    ------
    SubscriptsError
        Text that cannot be read, with a caret under the place.
    ShapeError
        One label has two sizes.
    BindingError
        An operand whose name does not stand in the expression.

    Examples
    --------
    >>> f = parse("A_ij x_j + b_i")
    >>> f
    f_i = A_ij x_j + b_i
    >>> f.shape, parse(str(f)) == f
    (('m',), True)
    >>> parse("(y_i - A_ij x_j) (y_i - A_ik x_k)", A=(5, 3)).shape
    ()
    """
    given = Arguments(expression, operands, sizes, named, sys._getframe(1), notation=notation)
    is_text_or_function = isinstance(expression, str) or callable(expression)
    if not is_text_or_function or isinstance(expression, Tensor):
        raise OperandError(
            f"{type(expression).__name__} is no string of index notation",
            action="write an expression such as 'A_ij x_j'",
        )
    given.is_formula = isinstance(expression, str)
    return read_derived(given).tensor


READERS["text"] = lambda text, named: parse(text, **named)


def value_and_grad(
    expression: Any,
    /,
    *operands: Any,
    wrt: Any = None,
    sizes: Mapping[str, Size] | None = None,
    notation: str | None = None,
    **named: Any,
) -> tuple[Tensor, Any]:
    """Return an expression and its derivative.

    Parameters
    ----------
    expression, *operands, wrt, sizes, notation, **named
        As for `grad`.

    Returns
    -------
    tuple
        The expression as a tensor, and what `grad` returns.

    Raises
    ------
    NameNotFoundError, SubscriptsError, ShapeError, OperandError, BindingError
        As for `grad`.

    Examples
    --------
    >>> value, gradient = value_and_grad("x_i x_i", x=[1.0, 2.0])
    >>> float(value), gradient.dense()
    (5.0, array([2., 4.]))
    """
    given = Arguments(expression, operands, sizes, named, sys._getframe(1), notation=notation)
    f, chosen, several = read_chosen(given, wrt)
    return f, differentiated(f, chosen, 1, several)


def jvp(
    expression: Any,
    /,
    *operands: Any,
    wrt: Any = None,
    v: Any = None,
    sizes: Mapping[str, Size] | None = None,
    notation: str | None = None,
    **named: Any,
) -> Tensor:
    r"""Differentiate along a direction: :math:`\sum_d \frac{\partial f_c}{\partial x_d} v_d`.

    By one forward sweep, which never forms the derivative.

    Parameters
    ----------
    expression, *operands, wrt, sizes, notation, **named
        As for `grad`.
    v
        The direction, of the shape of the variable; for a tuple of variables a tuple, and then
        the products are summed. A variable called v if left out.

    Returns
    -------
    Tensor
        Of the shape of the expression.

    Raises
    ------
    ShapeError
        `v` has another shape than the variable.
    NameNotFoundError, SubscriptsError, OperandError, BindingError
        As for `grad`.

    Examples
    --------
    >>> jvp("x_i A_ij x_j", wrt="x")
    f = A_ij x_i v_j + A_ij x_j v_i
    """
    given = Arguments(expression, operands, sizes, named, sys._getframe(1), notation=notation)
    f, chosen, several = read_chosen(given, wrt)
    directions = read_directions(v, "v", [by.shape for by in chosen], several, f)
    expr = forwards(f, chosen, [d.expr for d in directions])
    return combined(expr, f.formula.heading.letters, [f, *directions])


def vjp(
    expression: Any,
    /,
    *operands: Any,
    wrt: Any = None,
    u: Any = None,
    sizes: Mapping[str, Size] | None = None,
    notation: str | None = None,
    **named: Any,
) -> Any:
    r"""Multiply the derivative from the left: :math:`\sum_c u_c \frac{\partial f_c}{\partial x_d}`.

    By one reverse sweep, which never forms the derivative.

    Parameters
    ----------
    expression, *operands, wrt, sizes, notation, **named
        As for `grad`.
    u
        Of the shape of the expression. A variable called u if left out.

    Returns
    -------
    Tensor
        Of the shape of the variable; for a tuple of variables a tuple.

    Raises
    ------
    ShapeError
        `u` has another shape than the expression.
    NameNotFoundError, SubscriptsError, OperandError, BindingError
        As for `grad`.

    Examples
    --------
    >>> vjp("f_i = A_ij x_j", wrt="A")
    f_ij = x_j u_i
    """
    given = Arguments(expression, operands, sizes, named, sys._getframe(1), notation=notation)
    f, chosen, several = read_chosen(given, wrt)
    (covector,) = read_directions(u, "u", [f.expr.shape], False, f)
    return _products(backwards(f, chosen, covector.expr), [f, covector], several)


def hvp(
    expression: Any,
    /,
    *operands: Any,
    wrt: Any = None,
    v: Any = None,
    sizes: Mapping[str, Size] | None = None,
    notation: str | None = None,
    **named: Any,
) -> Any:
    r"""Multiply the Hessian by a direction, without forming it.

    .. math:: \sum_q \frac{\partial^2 f}{\partial x_p\, \partial x_q} v_q

    By a reverse sweep and then a forward one (Pearlmutter, *Fast exact multiplication by the
    Hessian*, 1994).

    Parameters
    ----------
    expression, *operands, wrt, sizes, notation, **named
        As for `grad`.
    v
        The direction, of the shape of the variable; for a tuple of variables a tuple. A variable
        called v if left out.

    Returns
    -------
    Tensor
        Of the shape of the gradient; for a tuple of variables a tuple.

    Raises
    ------
    ShapeError
        `v` has another shape than the variable.
    NameNotFoundError, SubscriptsError, OperandError, BindingError
        As for `grad`.

    Examples
    --------
    >>> hvp("x_i A_ij x_j", wrt="x")
    f_i = A_ij v_j + A_ji v_j
    """
    given = Arguments(expression, operands, sizes, named, sys._getframe(1), notation=notation)
    f, chosen, several = read_chosen(given, wrt)
    directions = read_directions(v, "v", [by.shape for by in chosen], several, f)
    products = twice(f, chosen, [d.expr for d in directions])
    return _products(products, [f, *directions], several)


def check(
    expression: Any,
    /,
    *operands: Any,
    wrt: Any = None,
    order: int = 1,
    tolerance: float | None = None,
    seed: int = 0,
    sizes: Mapping[str, Size] | None = None,
    notation: str | None = None,
    **named: Any,
) -> Any:
    """Check a derivative by numbers: the complex step where it applies, else differences.

    Parameters
    ----------
    expression, *operands, wrt, sizes, notation, **named
        As for `grad`. Variables without values get random ones.
    order
        The derivative of this order is compared with differences of the one below.
    tolerance
        The largest error that passes, relative to the size of the derivative or to 1; by default
        1e-8 for the complex step and 1e-5 for differences.
    seed
        For what is drawn at random.

    Returns
    -------
    Check
        True if the derivative is right; it prints the largest error and where it is. For a tuple
        of variables a tuple.

    Raises
    ------
    NameNotFoundError, SubscriptsError, ShapeError, OperandError, BindingError
        As for `grad`.

    Examples
    --------
    >>> result = check("f_i = tanh(A_ij x_j)", wrt="A", order=2)
    >>> result.ok, result.method, result.error < 1e-12
    (True, 'complex step', True)
    """
    derivative = _grad(
        Arguments(expression, operands, sizes, named, sys._getframe(1), notation=notation),
        wrt,
        order,
    )

    def report(d: Any) -> Any:
        if isinstance(d, tuple):
            return tuple(report(part) for part in d)
        return checked(d.formula, d.values, tolerance=tolerance, seed=seed)

    return report(derivative)


def compile(
    expression: Any,
    /,
    *operands: Any,
    backend: str | None = None,
    form: str = "dense",
    memory_limit: int | None = None,
    optimize: Any = None,
    sizes: Mapping[str, Size] | None = None,
    notation: str | None = None,
    **named: Any,
) -> Compiled:
    """Make a function of named arrays of one expression or of several, computed together.

    Parameters
    ----------
    expression, *operands
        An expression in any form that `grad` takes, with its operands. Or tensors, as many as are
        wanted, and tuples of them as the verbs return: what they have in common is computed once.
    backend
        The array library that the function is for: ``"numpy"``, ``"torch"``, ``"jax"``,
        ``"cupy"`` or ``"dask"``. If left out, that of the arrays it is called with.
    form
        What is returned for each expression, as for `einsdiff.Tensor.compile`.
    memory_limit
        The most bytes to allocate at one time, as for `einsdiff.Tensor.dense`.
    optimize
        Who searches for the order in which products are multiplied, as for `einsdiff.Tensor.dense`.
    sizes, notation, **named
        As for `grad`.

    Returns
    -------
    Compiled
        Takes arrays by name or by their place; returns an array, or for several expressions a
        tuple, nested as they were.

    Raises
    ------
    OperandError
        There is no such backend or form, or way to search.
    NameNotFoundError, SubscriptsError, ShapeError, BindingError
        As for `grad`.

    Examples
    --------
    >>> import numpy as np
    >>> f = compile(value_and_grad("(y_i - A_ij x_j) (y_i - A_ik x_k)", wrt="x"))
    >>> f.names
    ('y', 'A', 'x')
    >>> f(A=np.eye(2), x=np.ones(2), y=np.zeros(2))
    (array(2.), array([2., 2.]))
    """
    given = Arguments(expression, operands, sizes, named, sys._getframe(1), notation=notation)
    formulas, values, build = expressions(given)
    return Compiled(formulas, values, form, build, memory_limit, backend, optimize)


# --- differentiating --------------------------------------------------------------------------


def _grad(given: Arguments, wrt: Any, order: Any) -> Any:
    if not is_index(order) or order < 1:
        raise OperandError(
            f"order={order!r} is not a number of differentiations", action="write order=1"
        )
    f, chosen, several = read_chosen(given, wrt, order)
    return differentiated(f, chosen, order, several)


def _products(exprs: Iterable[Node], parts: Sequence[Tensor], several: bool) -> Any:
    """Make tensors of products, of the shapes of the variables, with letters of their own."""
    names = parts[0].names
    results = tuple(combined(e, fresh(len(e.shape), names), parts) for e in exprs)
    return results if several else results[0]
