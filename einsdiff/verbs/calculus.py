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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, Literal, TypeAlias, overload

from einsdiff.algebra.derivatives.differentiate import derivatives, directional
from einsdiff.algebra.nodes.effort import budget, within
from einsdiff.algebra.nodes.graph import topological, variables_of
from einsdiff.algebra.nodes.nodes import Node, Shape, Variable
from einsdiff.errors import EinsdiffError, OperandError, page, shapes_line
from einsdiff.expressions.asked import outside
from einsdiff.expressions.checking import Check, checked
from einsdiff.expressions.combining import as_direction, checked_arrays, combined, join_values
from einsdiff.expressions.compiled import Compiled
from einsdiff.expressions.dispatch import VERBS
from einsdiff.expressions.formula import Formula, fresh
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.notation.letters import fresh_letters
from einsdiff.notation.subscripts import Size, is_index
from einsdiff.numeric.libraries.anonymous import is_anonymous
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.operands import AnyArray, Array
from einsdiff.verbs.sources.accept import read_expression, take_keywords
from einsdiff.verbs.sources.index_notation import read_index
from einsdiff.verbs.sources.source import Arguments, find_variable

__all__ = [
    "check",
    "compile",
    "einsum",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "parse",
    "value_and_grad",
    "vjp",
]

#: What names a variable: its name, its position, a tensor that is it, or the array itself.
Wrt: TypeAlias = "str | int | np.integer[Any] | Tensor | Array | AnyArray"


def einsum(
    expression: Any, /, *operands: Any, sizes: Mapping[str, Size] | None = None, **named: Any
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
    return read_expression(Arguments(expression, operands, sizes, named, sys._getframe(1))).tensor


def _numpy_einsum(*operands: Any, optimize: Any = None, **options: Any) -> Tensor:
    """Do what ``numpy.einsum`` does; the order of contraction is chosen later."""
    del optimize
    if options:
        raise OperandError(
            page(
                f"numpy.einsum of a tensor takes no {next(iter(options))}=",
                action="leave it out",
            )
        )
    return read_expression(Arguments(operands[0], operands[1:], None, {}, outside())).tensor


VERBS["einsum"] = _numpy_einsum


@overload
def grad(
    expression: Any,
    /,
    *operands: Any,
    wrt: Wrt | None = ...,
    order: int = ...,
    sizes: Mapping[str, Size] | None = ...,
    **named: Any,
) -> Tensor: ...


@overload
def grad(
    expression: Any,
    /,
    *operands: Any,
    wrt: tuple[Wrt, ...] | list[Wrt],
    order: Literal[1] = ...,
    sizes: Mapping[str, Size] | None = ...,
    **named: Any,
) -> tuple[Tensor, ...]: ...


@overload
def grad(
    expression: Any,
    /,
    *operands: Any,
    wrt: tuple[Wrt, ...] | list[Wrt],
    order: int = ...,
    sizes: Mapping[str, Size] | None = ...,
    **named: Any,
) -> tuple[Any, ...]: ...


def grad(
    expression: Any,
    /,
    *operands: Any,
    wrt: Any = None,
    order: int = 1,
    sizes: Mapping[str, Size] | None = None,
    **named: Any,
) -> Tensor | tuple[Any, ...]:
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
        itself; or a tuple of these, and then a tuple of derivatives is returned. It may be left
        out where there is one variable only.
    order
        How often to differentiate. With a tuple, order 2 gives a tuple of tuples.
    sizes
        As for `einsum`.
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

    A tuple of variables gives a tuple of derivatives:

    >>> y, A, x = np.ones(2), np.ones((2, 3)), np.ones(3)
    >>> for derivative in grad("i,ij,j->", y, A, x, wrt=("y", "A", "x")):
    ...     print(derivative)
    ∂f/∂y_p = A_pj x_j
    ∂f/∂A_pq = y_p x_q
    ∂f/∂x_p = y_i A_ip
    """
    result: Tensor | tuple[Any, ...] = _grad(
        Arguments(expression, operands, sizes, named, sys._getframe(1)), wrt, order
    )
    return result


#: The derivative of a vector is called so; it is the same verb.
jacobian = grad


@overload
def hessian(
    expression: Any,
    /,
    *operands: Any,
    wrt: Wrt | None = ...,
    sizes: Mapping[str, Size] | None = ...,
    **named: Any,
) -> Tensor: ...


@overload
def hessian(
    expression: Any,
    /,
    *operands: Any,
    wrt: tuple[Wrt, ...] | list[Wrt],
    sizes: Mapping[str, Size] | None = ...,
    **named: Any,
) -> tuple[tuple[Tensor, ...], ...]: ...


def hessian(
    expression: Any,
    /,
    *operands: Any,
    wrt: Any = None,
    sizes: Mapping[str, Size] | None = None,
    **named: Any,
) -> Tensor | tuple[tuple[Tensor, ...], ...]:
    """Differentiate twice.

    Parameters
    ----------
    expression, *operands, wrt, sizes, **named
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
    result: Tensor | tuple[tuple[Tensor, ...], ...] = _grad(
        Arguments(expression, operands, sizes, named, sys._getframe(1)), wrt, 2
    )
    return result


def parse(
    expression: str | Callable[..., Any],
    /,
    *operands: Any,
    sizes: Mapping[str, Size] | None = None,
    **named: Any,
) -> Tensor:
    r"""Read an expression in index notation, or what a function of arrays does.

    Parameters
    ----------
    expression
        Such as ``"A_ij x_j + b_i"`` or ``"f_i = exp(A_ij x_j)"``. A label that stands twice in a
        product and not on the left-hand side is summed. Without a left-hand side the result has
        the labels that are not summed, in alphabetical order. What einsdiff prints is read.
        Or a function of arrays, which is traced with its operands.
    *operands
        Tensors, arrays, or names, matched by what they are called.
    sizes
        Sizes of labels that no operand carries.
    **named
        For a name its tensor, its array, or its shape, as in ``A="mn"``. Names without any are
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
    if callable(expression) and not isinstance(expression, Tensor):
        return read_expression(
            Arguments(expression, operands, sizes, named, sys._getframe(1))
        ).tensor
    if not isinstance(expression, str):
        raise OperandError(
            page(
                f"{type(expression).__name__} is no string of index notation",
                action="write an expression such as 'A_ij x_j'",
            )
        )
    given = Arguments(expression, operands, sizes, named, sys._getframe(1))
    take_keywords(given)
    return read_index(given).tensor


@overload
def value_and_grad(
    expression: Any,
    /,
    *operands: Any,
    wrt: Wrt | None = ...,
    sizes: Mapping[str, Size] | None = ...,
    **named: Any,
) -> tuple[Tensor, Tensor]: ...


@overload
def value_and_grad(
    expression: Any,
    /,
    *operands: Any,
    wrt: tuple[Wrt, ...] | list[Wrt],
    sizes: Mapping[str, Size] | None = ...,
    **named: Any,
) -> tuple[Tensor, tuple[Tensor, ...]]: ...


def value_and_grad(
    expression: Any,
    /,
    *operands: Any,
    wrt: Any = None,
    sizes: Mapping[str, Size] | None = None,
    **named: Any,
) -> tuple[Tensor, Any]:
    """Return an expression and its derivative.

    Parameters
    ----------
    expression, *operands, wrt, sizes, **named
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
    f, chosen, several = _chosen(
        Arguments(expression, operands, sizes, named, sys._getframe(1)), wrt
    )
    return f, _derivative(f, chosen, 1, several)


def jvp(
    expression: Any,
    /,
    *operands: Any,
    wrt: Any = None,
    v: Any = None,
    sizes: Mapping[str, Size] | None = None,
    **named: Any,
) -> Tensor:
    r"""Differentiate along a direction: :math:`\sum_d \frac{\partial f_c}{\partial x_d} v_d`.

    By one forward sweep, which never forms the derivative.

    Parameters
    ----------
    expression, *operands, wrt, sizes, **named
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
    f, chosen, several = _chosen(
        Arguments(expression, operands, sizes, named, sys._getframe(1)), wrt
    )
    directions = _directions(v, "v", [by.shape for by in chosen], several, f)
    (expr,) = directional([f.expr], {by: d.expr for by, d in zip(chosen, directions, strict=True)})
    return combined(expr, f.formula.heading.letters, [f, *directions])


@overload
def vjp(
    expression: Any,
    /,
    *operands: Any,
    wrt: Wrt | None = ...,
    u: Any = ...,
    sizes: Mapping[str, Size] | None = ...,
    **named: Any,
) -> Tensor: ...


@overload
def vjp(
    expression: Any,
    /,
    *operands: Any,
    wrt: tuple[Wrt, ...] | list[Wrt],
    u: Any = ...,
    sizes: Mapping[str, Size] | None = ...,
    **named: Any,
) -> tuple[Tensor, ...]: ...


def vjp(
    expression: Any,
    /,
    *operands: Any,
    wrt: Any = None,
    u: Any = None,
    sizes: Mapping[str, Size] | None = None,
    **named: Any,
) -> Any:
    r"""Multiply the derivative from the left: :math:`\sum_c u_c \frac{\partial f_c}{\partial x_d}`.

    By one reverse sweep, which never forms the derivative.

    Parameters
    ----------
    expression, *operands, wrt, sizes, **named
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
    f, chosen, several = _chosen(
        Arguments(expression, operands, sizes, named, sys._getframe(1)), wrt
    )
    (covector,) = _directions(u, "u", [f.expr.shape], False, f)
    results = tuple(
        combined(expr, fresh(len(expr.shape), f.names), [f, covector])
        for expr in derivatives(f.expr, chosen, covector.expr)
    )
    return results if several else results[0]


@overload
def hvp(
    expression: Any,
    /,
    *operands: Any,
    wrt: Wrt | None = ...,
    v: Any = ...,
    sizes: Mapping[str, Size] | None = ...,
    **named: Any,
) -> Tensor: ...


@overload
def hvp(
    expression: Any,
    /,
    *operands: Any,
    wrt: tuple[Wrt, ...] | list[Wrt],
    v: Any = ...,
    sizes: Mapping[str, Size] | None = ...,
    **named: Any,
) -> tuple[Tensor, ...]: ...


def hvp(
    expression: Any,
    /,
    *operands: Any,
    wrt: Any = None,
    v: Any = None,
    sizes: Mapping[str, Size] | None = None,
    **named: Any,
) -> Any:
    r"""Multiply the Hessian by a direction, without forming it.

    .. math:: \sum_q \frac{\partial^2 f}{\partial x_p\, \partial x_q} v_q

    By a reverse sweep and then a forward one (Pearlmutter, *Fast exact multiplication by the
    Hessian*, 1994).

    Parameters
    ----------
    expression, *operands, wrt, sizes, **named
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
    f, chosen, several = _chosen(
        Arguments(expression, operands, sizes, named, sys._getframe(1)), wrt
    )
    directions = _directions(v, "v", [by.shape for by in chosen], several, f)
    along = {by: d.expr for by, d in zip(chosen, directions, strict=True)}
    results = tuple(
        combined(expr, fresh(len(expr.shape), f.names), [f, *directions])
        for expr in directional(derivatives(f.expr, chosen), along)
    )
    return results if several else results[0]


@overload
def check(
    expression: Any,
    /,
    *operands: Any,
    wrt: Wrt | None = ...,
    order: int = ...,
    tolerance: float | None = ...,
    seed: int = ...,
    sizes: Mapping[str, Size] | None = ...,
    **named: Any,
) -> Check: ...


@overload
def check(
    expression: Any,
    /,
    *operands: Any,
    wrt: tuple[Wrt, ...] | list[Wrt],
    order: int = ...,
    tolerance: float | None = ...,
    seed: int = ...,
    sizes: Mapping[str, Size] | None = ...,
    **named: Any,
) -> tuple[Any, ...]: ...


def check(
    expression: Any,
    /,
    *operands: Any,
    wrt: Any = None,
    order: int = 1,
    tolerance: float | None = None,
    seed: int = 0,
    sizes: Mapping[str, Size] | None = None,
    **named: Any,
) -> Any:
    """Check a derivative by numbers: the complex step where it applies, else differences.

    Parameters
    ----------
    expression, *operands, wrt, sizes, **named
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
    derivative = _grad(Arguments(expression, operands, sizes, named, sys._getframe(1)), wrt, order)

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
    sizes, **named
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
    >>> f = compile(value_and_grad("(y_i - A_ij x_j) (y_i - A_ik x_k)", wrt="x"))
    >>> f.names
    ('y', 'A', 'x')
    >>> f(A=np.eye(2), x=np.ones(2), y=np.zeros(2))
    (array(2.), array([2., 2.]))
    """
    formulas, values, build = expressions(
        Arguments(expression, operands, sizes, named, sys._getframe(1))
    )
    return Compiled(formulas, values, form, build, memory_limit, backend, optimize)


def expressions(
    given: Arguments,
) -> tuple[list[Formula], Mapping[str, Array], Callable[[Iterable[Any]], Any] | None]:
    """Read one expression or several, as `compile` takes them.

    Returns
    -------
    tuple
        The formulas; the arrays by name; and what nests several results as they were given, None
        for the one result of an expression alone.
    """
    expression, operands = given.expression, given.operands
    if isinstance(expression, Tensor | tuple | list) and all(
        isinstance(part, Tensor | tuple | list) for part in operands
    ):
        tree: Any = (expression, *operands) if operands else expression
        tensors = list(_leaves(tree))
        if tensors and all(isinstance(part, Tensor) for part in tensors):
            values: dict[str, Array] = {}
            for part in tensors:
                join_values(values, part.values)
            values |= _named_arrays(tensors, given.sizes, given.named)
            single = isinstance(tree, Tensor)
            # No closure over the tensors: a compiled function can be pickled.
            build = None if single else partial(_nested, _nesting(tree))
            return [part.formula for part in tensors], values, build
    f = read_expression(given).tensor
    return [f.formula], f.values, None


def _named_arrays(
    tensors: Sequence[Tensor], sizes: Mapping[str, Size] | None, named: Mapping[str, Any]
) -> dict[str, Array]:
    """Check arrays that are given by name for tensors."""
    if sizes:
        raise OperandError(
            page("sizes= goes with an einsum string", action="leave it out for a Tensor")
        )
    found: dict[str, Array] = {}
    for name, array in named.items():
        owner = next((part for part in tensors if name in part.names), tensors[0])
        found |= checked_arrays(owner, {name: array})
    return found


def _leaves(tree: Any) -> Iterator[Any]:
    """List what is in nested tuples."""
    if isinstance(tree, tuple | list):
        for part in tree:
            yield from _leaves(part)
    else:
        yield tree


def _nesting(tree: Any) -> Any:
    """Return how a tree is nested: tuples, with None for each leaf."""
    return tuple(map(_nesting, tree)) if isinstance(tree, tuple | list) else None


def _nested(shape: Any, results: Iterable[Any]) -> Any:
    """Nest results like a tree of this shape."""
    left = iter(results)

    def part(shape: Any) -> Any:
        return next(left) if shape is None else tuple(map(part, shape))

    return part(shape)


# --- differentiating --------------------------------------------------------------------------


def _chosen(given: Arguments, wrt: Any) -> tuple[Tensor, tuple[Variable, ...], bool]:
    """Read what is differentiated and by what, and whether that is a tuple."""
    several = isinstance(wrt, tuple | list)
    given.wanted = tuple(wrt) if several else (wrt,)
    function = read_expression(given)
    try:
        chosen = tuple(find_variable(w, function, given.frame) for w in given.wanted)
        _check_overlaps(function.tensor, chosen)
    except EinsdiffError as error:
        if function.subscripts is None:
            raise error.located(str(function.tensor)) from None
        columns = function.subscripts.term_columns
        raise error.located(
            function.subscripts.text, [column for term in columns for column in term]
        ) from None
    return function.tensor, chosen, several


def _directions(
    given: Any, name: str, shapes: Sequence[Shape], several: bool, f: Tensor
) -> list[Tensor]:
    """Read directions, one for each shape."""
    parts = list(given) if several and given is not None else [given] * len(shapes)
    if len(parts) != len(shapes):
        raise OperandError(
            page(
                f"{len(parts)} directions for {len(shapes)} variables",
                action=f"pass {name}= as a tuple with one direction for each variable",
            )
        )
    names = [name] if len(shapes) == 1 else [f"{name}{k}" for k in range(len(shapes))]
    return [as_direction(*part, f) for part in zip(parts, names, shapes, strict=True)]


def _grad(given: Arguments, wrt: Any, order: Any) -> Any:
    if not is_index(order) or order < 1:
        raise OperandError(
            page(f"order={order!r} is not a number of differentiations", action="write order=1")
        )
    f, chosen, several = _chosen(given, wrt)
    return _derivative(f, chosen, order, several)


def _check_overlaps(f: Tensor, chosen: Sequence[Variable]) -> None:
    """Refuse views without a name, such as R.T, beside the array that one differentiates by."""
    for by in chosen:
        array = f.values.get(by.name)
        for name, other in f.values.items():
            if array is None or other is array:
                continue
            if (is_anonymous(array) or is_anonymous(other)) and _overlap(array, other):
                raise OperandError(
                    page(
                        f"'{by.name}' and an operand without a name ('{name}') share memory, as "
                        "R and R.T do, but are two variables",
                        shapes=shapes_line([(by.name, array.shape), (name, other.shape)]),
                        action="pass the same array in both places, with labels in another order, "
                        "as in ('mp,mq->pq', R, R), or a copy if it is meant to be constant",
                    )
                )


#: After this many steps it is left undecided whether two views overlap.
MOST_WORK = 10_000


def _overlap(a: Any, b: Any) -> bool:
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        return False
    try:
        return np.may_share_memory(a, b) and np.shares_memory(
            a,
            b,
            MOST_WORK,  # type: ignore[arg-type]  # NumPy's stubs know -1 and 0 only
        )
    except RuntimeError:  # too hard to tell
        return False


def _derivative(f: Tensor, chosen: tuple[Variable, ...], order: int, several: bool) -> Any:
    results = tuple(Tensor(formula, f.values) for formula in _derived(f.formula, chosen))
    if order > 1:
        results = tuple(_derivative(result, chosen, order - 1, several) for result in results)
    return results if several else results[0]


@lru_cache(maxsize=1024)
def _derived(f: Formula, chosen: tuple[Variable, ...]) -> tuple[Formula, ...]:
    """Differentiate a formula, and find new letters for the axes of the variables."""
    names = [argument.name for argument in f.arguments]
    used = {*f.letters.all(), *f.heading.letters, *names, f.heading.name}
    results = []
    for by, expr in zip(chosen, _derivatives(f.expr, chosen), strict=True):
        take = fresh_letters(used)
        axes = tuple(next(take) for _ in by.shape)
        heading = replace(f.heading, wrt=(*f.heading.wrt, (by.name, axes)))
        new = [v for v in variables_of([expr]) if v not in f.arguments]  # symbols such as ∂x/∂z
        arguments = (*f.arguments, *new)
        results.append(Formula(expr, heading, f.letters, arguments, len(axes), (f, by), f.least))
    return tuple(results)


@lru_cache(maxsize=1024)
def _derivatives(node: Node, chosen: tuple[Variable, ...]) -> tuple[Node, ...]:
    """Differentiate; formulas are told apart by identity, but those that are equal share this."""
    most = budget("derivative", len(topological([node])) * len(chosen))

    def refuse() -> tuple[Node, ...]:
        raise OperandError(
            page(
                f"the derivative is too long: it takes more than {most} steps to build",
                action="differentiate less often, or a part of the expression; products with "
                "vectors, ed.jvp, ed.vjp and ed.hvp, stay short",
            )
        )

    return within(most, lambda: tuple(derivatives(node, chosen)), refuse)
