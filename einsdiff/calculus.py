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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from types import FrameType
from typing import Any, overload

import numpy as np

from einsdiff.algebra.differentiate import derivatives
from einsdiff.algebra.nodes import Node, Variable, constant, variable
from einsdiff.algebra.nodes import einsum as einsum_node
from einsdiff.display.index import Heading, Letters
from einsdiff.errors import (
    BindingError,
    NameNotFoundError,
    OperandError,
    SubscriptsError,
    page,
    shapes_line,
)
from einsdiff.notation.letters import fresh_letters
from einsdiff.notation.names import is_name, name_of
from einsdiff.notation.subscripts import (
    Size,
    Subscripts,
    from_sublists,
    parse_subscripts,
    resolve,
)
from einsdiff.numeric.arrays import Array, as_array, is_number
from einsdiff.tensor import Tensor, function_name, merged

__all__ = ["einsum", "grad", "hessian", "jacobian"]

#: What names a variable: its name, its position, a tensor that is it, or the array itself.
Wrt = str | int | Tensor | Array


def einsum(
    expression: Any, *operands: Any, sizes: Mapping[str, Size] | None = None, **named: Any
) -> Tensor:
    """Write a sum of products.

    Parameters
    ----------
    expression
        An einsum string, in every form that ``numpy.einsum`` takes, and with labels in the output
        that repeat or that no operand carries. Or the first operand of the interleaved form.
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
    return _read(expression, operands, sizes, named, sys._getframe(1), ()).tensor


@overload
def grad(
    expression: Any,
    *operands: Any,
    wrt: Wrt | None = ...,
    order: int = ...,
    sizes: Mapping[str, Size] | None = ...,
    **named: Any,
) -> Tensor: ...


@overload
def grad(
    expression: Any,
    *operands: Any,
    wrt: tuple[Wrt, ...] | list[Wrt],
    order: int = ...,
    sizes: Mapping[str, Size] | None = ...,
    **named: Any,
) -> tuple[Any, ...]: ...


def grad(
    expression: Any,
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
        expression, operands, wrt, order, sizes, named, sys._getframe(1)
    )
    return result


def jacobian(
    expression: Any,
    *operands: Any,
    wrt: Any = None,
    order: int = 1,
    sizes: Mapping[str, Size] | None = None,
    **named: Any,
) -> Any:
    """Differentiate; this is `grad`, under the name that a derivative of a vector has.

    Parameters
    ----------
    expression, *operands, wrt, order, sizes, **named
        As for `grad`.

    Returns
    -------
    Tensor
        As for `grad`: shape ``(m1, .., ms, n1, .., nk)``.

    Raises
    ------
    NameNotFoundError, SubscriptsError, ShapeError, OperandError, BindingError
        As for `grad`.

    Examples
    --------
    >>> jacobian("ij,j->i", "A", "x", wrt="x")
    ∂f_i/∂x_p = A_ip
    """
    return _grad(expression, operands, wrt, order, sizes, named, sys._getframe(1))


def hessian(
    expression: Any,
    *operands: Any,
    wrt: Any = None,
    sizes: Mapping[str, Size] | None = None,
    **named: Any,
) -> Any:
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
    ('i', 'i')
    """
    return _grad(expression, operands, wrt, 2, sizes, named, sys._getframe(1))


# --- differentiating --------------------------------------------------------------------------


def _grad(
    expression: Any,
    operands: Sequence[Any],
    wrt: Any,
    order: Any,
    sizes: Mapping[str, Size] | None,
    named: Mapping[str, Any],
    frame: FrameType,
) -> Any:
    if not isinstance(order, int) or order < 1:
        raise OperandError(
            page(f"order={order!r} is not a number of differentiations", action="write order=1")
        )
    several = isinstance(wrt, tuple | list)
    wanted = tuple(wrt) if several else (wrt,)
    function = _read(expression, operands, sizes, named, frame, wanted)
    chosen = tuple(_find(w, function) for w in wanted)
    return _derivative(function.tensor, chosen, order, several)


def _derivative(f: Tensor, chosen: tuple[Variable, ...], order: int, several: bool) -> Any:
    results = tuple(
        _with_domain(f, expr, by)
        for by, expr in zip(chosen, _derivatives(f.expr, chosen), strict=True)
    )
    if order > 1:
        results = tuple(_derivative(result, chosen, order - 1, several) for result in results)
    return results if several else results[0]


@lru_cache(maxsize=1024)
def _derivatives(expr: Node, chosen: tuple[Variable, ...]) -> tuple[Node, ...]:
    return derivatives(expr, chosen)


def _with_domain(f: Tensor, expr: Node, by: Variable) -> Tensor:
    """Make a derivative a tensor, with new letters for the axes of the variable."""
    heading, letters = f.heading, f.letters
    fresh = fresh_letters({*letters.all(), *heading.letters, *f.names, heading.name})
    axes = tuple(next(fresh) for _ in by.shape)
    return Tensor(
        expr,
        Heading(heading.name, heading.axes, (*heading.wrt, (by.name, axes))),
        letters,
        f.arguments,
        f.values,
        len(axes),
    )


@dataclass(frozen=True, slots=True)
class _Function:
    """What is differentiated: the expression, and for each operand its object and its name."""

    tensor: Tensor
    sources: tuple[tuple[Any, str], ...]


def _find(wrt: Any, function: _Function) -> Variable:
    """Find the variable that a `wrt` means."""
    variables = {v.name: v for v in function.tensor.arguments}
    if wrt is None:
        if len(variables) == 1:
            return next(iter(variables.values()))
        raise _not_found("wrt is missing: there is more than one variable", variables)
    if isinstance(wrt, str):
        name = wrt
    elif isinstance(wrt, int | np.integer) and not isinstance(wrt, bool):
        places = [name for _, name in function.sources] or list(variables)
        if not -len(places) <= wrt < len(places):
            raise _not_found(
                f"wrt={wrt} is out of range: there "
                f"{'is 1 operand' if len(places) == 1 else f'are {len(places)} operands'}, "
                f"counted from 0",
                variables,
            )
        name = places[wrt]
    elif isinstance(wrt, Tensor):
        if isinstance(wrt.expr, Variable) and variables.get(wrt.expr.name) is wrt.expr:
            return wrt.expr
        shown = str(wrt.expr) if isinstance(wrt.expr, Variable) else str(wrt)
        raise _not_found(f"wrt={shown} is no variable of this expression", variables)
    else:
        held = [*function.sources, *((v, name) for name, v in function.tensor.values.items())]
        name = next((theirs for source, theirs in held if source is wrt), "")
        if not name:
            raise _not_found("the array given as wrt is no operand of this expression", variables)
    if name not in variables:
        raise _not_found(f"wrt={wrt!r} names no operand of this expression", variables)
    return variables[name]


def _not_found(headline: str, variables: Mapping[str, Variable]) -> NameNotFoundError:
    there = [f"wrt='{name}'" for name in variables]
    return NameNotFoundError(
        page(
            headline,
            shapes=shapes_line([(name, v.shape) for name, v in variables.items()]),
            action=f"write {' or '.join(there)}" if there else "there is no variable",
        )
    )


# --- reading ----------------------------------------------------------------------------------


def _read(
    expression: Any,
    operands: Sequence[Any],
    sizes: Mapping[str, Size] | None,
    named: Mapping[str, Any],
    frame: FrameType,
    wanted: Sequence[Any],
) -> _Function:
    """Make one tensor of an expression in any form and its operands."""
    if isinstance(expression, Tensor) and not operands:
        if named or sizes:
            expression = _bind(expression, named, sizes)
        return _Function(expression, ())
    if isinstance(expression, str):
        subscripts = parse_subscripts(expression)
    elif operands and isinstance(operands[0], list | tuple):
        subscripts, operands = _interleaved((expression, *operands))
    else:
        raise OperandError(
            page(
                f"{type(expression).__name__} is no expression",
                action="pass an einsum string and its operands, such as "
                "('ij,j->i', A, x), or a Tensor",
            )
        )
    return _product(subscripts, operands, dict(sizes or {}), dict(named), frame, wanted)


def _bind(f: Tensor, named: Mapping[str, Any], sizes: Mapping[str, Size] | None) -> Tensor:
    if sizes:
        raise OperandError(
            page("sizes= goes with an einsum string", action="leave it out for a Tensor")
        )
    values = {**f.values, **f._bound(named)}
    return Tensor(f.expr, f.heading, f.letters, f.arguments, values, f.domain)


def _interleaved(arguments: Sequence[Any]) -> tuple[Subscripts, list[Any]]:
    output = arguments[-1] if len(arguments) % 2 else None
    pairs = len(arguments) // 2
    operands = [arguments[2 * k] for k in range(pairs)]
    lists = [arguments[2 * k + 1] for k in range(pairs)]
    for k, labels in enumerate([*lists, *([] if output is None else [output])]):
        if not isinstance(labels, list | tuple):
            place = f"operand {k}" if k < pairs else "the output"
            raise SubscriptsError(
                page(
                    f"{place} has no list of labels",
                    action="alternate operands and lists: einsum(A, [0, 1], x, [1], [0])",
                )
            )
    return from_sublists(lists, output), operands


def _product(
    subscripts: Subscripts,
    operands: Sequence[Any],
    sizes: dict[str, Size],
    named: dict[str, Any],
    frame: FrameType,
    wanted: Sequence[Any],
) -> _Function:
    labels = {label for term in (*subscripts.inputs, subscripts.output or ()) for label in term}
    given = {operand for operand in operands if isinstance(operand, str)}
    for name in list(named):
        if name in labels and name not in given and isinstance(named[name], int):
            sizes[name] = named.pop(name)
    for label in sizes:
        if label not in labels:
            raise SubscriptsError(
                page(
                    f"sizes= gives a size for '{label}', which is no label of this string",
                    text=subscripts.text,
                    action="give sizes for labels of the string only",
                )
            )
    for name in named:
        if name not in given:
            raise BindingError(
                page(
                    f"there is no operand called '{name}'",
                    text=subscripts.text,
                    action=f"pass '{name}' (a string) among the operands to give its array by name",
                )
            )
    parts = list(_operands(operands, named, frame, wanted))
    axes = resolve(subscripts, [part.shape for part in parts], [part.name for part in parts], sizes)
    tensors = [
        part.tensor or _symbol(part.name, shape)
        for part, shape in zip(parts, axes.shapes, strict=True)
    ]
    _, arguments, values = merged(tensors)
    spelled = Letters()
    for t, theirs in zip(tensors, axes.inputs, strict=True):
        own = t.letters
        if isinstance(t.expr, Variable):
            own = Letters({t.expr.name: (theirs,)}).joined(own)
        spelled = spelled.joined(own)
    expr = einsum_node([t.expr for t in tensors], axes.inputs, axes.output, axes.sizes)
    heading = Heading(
        function_name(v.name for v in arguments), _distinct(axes.output, set(axes.sizes))
    )
    return _Function(
        Tensor(expr, heading, spelled, arguments, values),
        tuple((part.source, part.name) for part in parts),
    )


def _distinct(labels: Sequence[str], used: set[str]) -> tuple[str, ...]:
    """Give a second occurrence of a label a letter of its own."""
    fresh = fresh_letters(used, "jklmnabcdefghi")
    seen: set[str] = set()
    letters = []
    for label in labels:
        letters.append(next(fresh) if label in seen else label)
        seen.add(label)
    return tuple(letters)


def _symbol(name: str, shape: tuple[Size, ...]) -> Tensor:
    node = variable(name, shape)
    return Tensor(node, Heading(name, ()), Letters({name: ()}), (node,), {})


@dataclass(frozen=True, slots=True)
class _Operand:
    """An operand as given: its name, its shape if known, and the tensor it stands for."""

    source: Any
    name: str
    shape: tuple[Size, ...] | None
    tensor: Tensor | None


def _operands(
    operands: Sequence[Any], named: Mapping[str, Any], frame: FrameType, wanted: Sequence[Any]
) -> Iterator[_Operand]:
    """Give each operand its name, and arrays their variables."""
    positions = {w % len(operands) for w in wanted if isinstance(w, int) and operands}
    hoped = [w for w in wanted if isinstance(w, str)]
    for k, source in enumerate(operands):
        if isinstance(source, Tensor):
            name = source.expr.name if isinstance(source.expr, Variable) else f"op{k}"
            yield _Operand(source, name, source.expr.shape, source)
            continue
        if isinstance(source, str):
            if not is_name(source):
                raise OperandError(
                    page(
                        f"operand {k}, {source!r}, is not a name",
                        action="a string operand names an array: an identifier, such as 'A'",
                    )
                )
            if source not in named:
                yield _Operand(source, source, None, None)
                continue
            name, value = source, named[source]
        else:
            name = next((w for w in hoped if frame.f_locals.get(w) is source), "")
            if is_number(source):
                if not name and k not in positions:
                    number = Tensor(constant(source), Heading("f", ()), Letters(), (), {})
                    yield _Operand(source, str(source), (), number)
                    continue
                if isinstance(source, Fraction):
                    source = float(source)
            name, value = name or name_of(source, frame) or f"op{k}", source
        array = as_array(value, name)
        node = variable(name, array.shape)
        bound = Tensor(node, Heading(name, ()), Letters({name: ()}), (node,), {name: array})
        yield _Operand(source, name, array.shape, bound)
