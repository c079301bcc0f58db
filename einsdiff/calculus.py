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
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from types import FrameType
from typing import Any, Literal, overload
from unicodedata import normalize

import numpy as np

from einsdiff.algebra.differentiate import derivatives
from einsdiff.algebra.nodes import Number, Variable
from einsdiff.algebra.nodes import einsum as einsum_node
from einsdiff.display.index import Heading, Letters
from einsdiff.errors import (
    EinsdiffError,
    NameNotFoundError,
    OperandError,
    SubscriptsError,
    page,
    shapes_line,
)
from einsdiff.notation.letters import DUMMY, fresh_letters
from einsdiff.notation.names import as_name, name_of, value_of
from einsdiff.notation.subscripts import (
    Size,
    Subscripts,
    as_size,
    from_sublists,
    is_index,
    parse_subscripts,
    resolve,
)
from einsdiff.numeric.arrays import (
    Array,
    anonymous_name,
    as_array,
    as_number,
    is_anonymous,
    same_memory,
)
from einsdiff.tensor import (
    Formula,
    Tensor,
    checked_arrays,
    function_name,
    join_values,
    joined_arguments,
    number,
    symbol,
)

__all__ = ["einsum", "grad", "hessian", "jacobian"]

#: What names a variable: its name, its position, a tensor that is it, or the array itself.
Wrt = str | int | np.integer[Any] | Tensor | Array


def einsum(
    expression: Any, /, *operands: Any, sizes: Mapping[str, Size] | None = None, **named: Any
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
        expression, operands, wrt, order, sizes, named, sys._getframe(1)
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
        expression, operands, wrt, 2, sizes, named, sys._getframe(1)
    )
    return result


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
    if not is_index(order) or order < 1:
        raise OperandError(
            page(f"order={order!r} is not a number of differentiations", action="write order=1")
        )
    several = isinstance(wrt, tuple | list)
    wanted = tuple(wrt) if several else (wrt,)
    function = _read(expression, operands, sizes, named, frame, wanted)
    try:
        chosen = tuple(_find(w, function, frame) for w in wanted)
        _check_overlaps(function.tensor, chosen)
    except EinsdiffError as error:
        if function.subscripts is None:
            raise error.located(str(function.tensor)) from None
        columns = function.subscripts.term_columns
        raise error.located(
            function.subscripts.text, [column for term in columns for column in term]
        ) from None
    return _derivative(function.tensor, chosen, order, several)


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


def _overlap(a: Array, b: Array) -> bool:
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
        fresh = fresh_letters(used)
        axes = tuple(next(fresh) for _ in by.shape)
        heading = replace(f.heading, wrt=(*f.heading.wrt, (by.name, axes)))
        results.append(Formula(expr, heading, f.letters, f.arguments, len(axes)))
    return tuple(results)


# Formulas are told apart by identity; expressions that are equal share their derivatives too.
_derivatives = lru_cache(maxsize=1024)(derivatives)


@dataclass(frozen=True, slots=True)
class _Function:
    """What is differentiated: the expression, and for each operand its object and its name."""

    tensor: Tensor
    sources: tuple[tuple[Any, str], ...] = ()
    subscripts: Subscripts | None = None

    def called(self, value: object) -> str:
        """Return what an object is called that is an operand or an operand's array, else ""."""
        held = [*self.sources, *((array, name) for name, array in self.tensor.values.items())]
        return next((name for source, name in held if source is value), "")


def _find(wrt: Any, function: _Function, frame: FrameType) -> Variable:
    """Find the variable that a `wrt` means."""
    variables = {v.name: v for v in function.tensor.formula.arguments}
    if not variables:
        raise _not_found("there is no variable to differentiate by", function)
    if wrt is None:
        if len(variables) == 1:
            return next(iter(variables.values()))
        raise _not_found("wrt is missing: there is more than one variable", function)
    if isinstance(wrt, str):
        name = normalize("NFKC", wrt)
        if name not in variables:  # it may be another name of the same array
            name = function.called(value_of(name, frame)) or name
    elif is_index(wrt) and not (isinstance(wrt, np.generic) and function.called(wrt)):
        places = [name for _, name in function.sources] or list(variables)
        if not -len(places) <= wrt < len(places):
            raise _not_found(
                f"wrt={wrt} is out of range: there "
                f"{'is 1 operand' if len(places) == 1 else f'are {len(places)} operands'}, "
                f"counted from 0",
                function,
            )
        name = places[wrt]
        if name not in variables:
            raise _not_found(f"operand {wrt} is an expression and no variable", function)
    elif isinstance(wrt, Tensor):
        if isinstance(wrt.expr, Variable) and variables.get(wrt.expr.name) is wrt.expr:
            return wrt.expr
        shown = str(wrt.expr) if isinstance(wrt.expr, Variable) else str(wrt)
        raise _not_found(f"wrt={shown} is no variable of this expression", function)
    else:
        name = function.called(wrt)
        if not name:
            what = "the array" if isinstance(wrt, np.ndarray) else f"the {type(wrt).__name__}"
            raise _not_found(f"{what} given as wrt is no operand of this expression", function)
    if name not in variables:
        raise _not_found(f"wrt={wrt!r} names no operand of this expression", function)
    return variables[name]


def _not_found(headline: str, function: _Function) -> NameNotFoundError:
    tensor = function.tensor
    there = []
    for v in tensor.formula.arguments:
        nameless = v.name in tensor.values and is_anonymous(tensor.values[v.name])
        places = [k for k, (_, name) in enumerate(function.sources) if name == v.name]
        there.append(f"wrt={places[0]}" if nameless and places else f"wrt='{v.name}'")
    return NameNotFoundError(
        page(
            headline,
            shapes=shapes_line([(v.name, v.shape) for v in tensor.formula.arguments]),
            action=f"write {' or '.join(there)}"
            if there
            else "give an operand a name, as in ed.tensor('x', array)",
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
        return _Function(expression)
    if sizes is not None and not isinstance(sizes, Mapping):
        raise OperandError(
            page(f"sizes={sizes!r} is no mapping", action="write sizes={'j': 3}, or j=3")
        )
    if isinstance(expression, str):
        subscripts = parse_subscripts(expression)
    elif operands and _are_labels(operands[0]):
        subscripts, letters, operands = _interleaved((expression, *operands))
        sizes = {letters.get(label, label): size for label, size in (sizes or {}).items()}
    else:
        raise OperandError(
            page(
                f"{type(expression).__name__} is no expression",
                action="pass an einsum string and its operands, such as "
                "('ij,j->i', A, x), or a Tensor",
            )
        )
    return _product(subscripts, operands, sizes or {}, named, frame, wanted)


def _bind(f: Tensor, named: Mapping[str, Any], sizes: Mapping[str, Size] | None) -> Tensor:
    if sizes:
        raise OperandError(
            page("sizes= goes with an einsum string", action="leave it out for a Tensor")
        )
    return Tensor(f.formula, {**f.values, **checked_arrays(f, named)})


def _are_labels(value: object) -> bool:
    """Tell whether this is a list of labels, as in the interleaved form."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and value.dtype.kind in "iu"
    return isinstance(value, list | tuple | range)


def _interleaved(
    arguments: Sequence[Any],
) -> tuple[Subscripts, dict[Any, str], list[Any]]:
    output = arguments[-1] if len(arguments) % 2 else None
    pairs = len(arguments) // 2
    operands = [arguments[2 * k] for k in range(pairs)]
    lists = [arguments[2 * k + 1] for k in range(pairs)]
    for k, labels in enumerate([*lists, *([] if output is None else [output])]):
        if not _are_labels(labels):
            place = f"operand {k}" if k < pairs else "the output"
            raise SubscriptsError(
                page(
                    f"{place} has no list of labels",
                    action="alternate operands and lists: einsum(A, [0, 1], x, [1], [0])",
                )
            )
    return *from_sublists(lists, output), operands


def _product(
    subscripts: Subscripts,
    operands: Sequence[Any],
    sizes: Mapping[str, Size],
    named: Mapping[str, Any],
    frame: FrameType,
    wanted: Sequence[Any],
) -> _Function:
    later: Mapping[str, Any] = {}
    if sizes or named:
        sizes, named, later = _sorted_keywords(subscripts, operands, sizes, named)
    sources: list[tuple[Any, str]] = []
    signature: list[_Operand] = []
    values: dict[str, Array] = {}
    parts = _named(operands, named, frame, wanted)
    for k, source in enumerate(operands):
        name = ""
        try:
            part = next(parts)
            if isinstance(part, Tensor):
                signature.append(part.formula)
                join_values(values, part.values)
            else:
                name, array = part
                signature.append((name, None if array is None else array.shape))
                if array is not None:
                    join_values(values, {name: array})
        except EinsdiffError as error:
            alike = [j for j, (_, theirs) in enumerate(sources) if theirs == name]
            carets = [column for j in (*alike, k) for column in _term(subscripts, j)]
            raise error.located(subscripts.text, carets) from None
        sources.append((source, _name(signature[k], k)))
    try:
        formula = _einsum(subscripts, tuple(signature), tuple(sizes.items()))
        tensor = Tensor(formula, values)
        if later:  # arrays for variables of tensors among the operands
            tensor = Tensor(formula, {**values, **checked_arrays(tensor, later)})
    except EinsdiffError as error:
        raise error.located(subscripts.text) from None
    return _Function(tensor, tuple(sources), subscripts)


def _sorted_keywords(
    subscripts: Subscripts,
    operands: Sequence[Any],
    sizes: Mapping[str, Any],
    named: Mapping[str, Any],
) -> tuple[dict[str, Size], dict[str, Any], dict[str, Any]]:
    """Tell sizes of labels, arrays of operands given by name, and other arrays apart."""
    labels = {label for term in (*subscripts.inputs, subscripts.output or ()) for label in term}
    given = {normalize("NFKC", operand) for operand in operands if isinstance(operand, str)}
    all_sizes = dict(sizes)
    arrays: dict[str, Any] = {}
    later: dict[str, Any] = {}
    for name, value in named.items():
        if name in given:
            arrays[name] = value
        elif name in labels and as_number(value) is not None:
            all_sizes[name] = value
        else:
            later[name] = value
    checked = {n: _checked_size(n, size, labels, subscripts) for n, size in all_sizes.items()}
    return checked, arrays, later


def _term(subscripts: Subscripts, k: int) -> Sequence[int]:
    """Return the columns of an operand's labels."""
    return subscripts.term_columns[k] if k < len(subscripts.inputs) else ()


def _checked_size(label: str, size: Any, labels: set[str], subscripts: Subscripts) -> Size:
    if label not in labels:
        raise SubscriptsError(
            page(
                f"a size is given for '{label}', which is no label of this string",
                text=subscripts.text,
                action="give sizes for labels of the string only",
            )
        )
    try:
        return as_size(size, f"label '{label}'")
    except EinsdiffError as error:
        places = [column for column, char in enumerate(subscripts.text) if char == label]
        raise error.located(subscripts.text, places) from None


#: What is known of an operand apart from its values: the formula of a tensor or a number, or the
#: name and the shape, if known, of an array.
_Operand = Formula | tuple[str, tuple[Size, ...] | None]


def _name(operand: _Operand, position: int) -> str:
    if isinstance(operand, tuple):
        return operand[0]
    return operand.expr.name if isinstance(operand.expr, Variable) else f"op{position}"


@lru_cache(maxsize=1024)
def _einsum(
    subscripts: Subscripts,
    operands: tuple[_Operand, ...],
    sizes: tuple[tuple[str, Size], ...],
) -> Formula:
    """Build the formula of a string and operands of these names and shapes."""
    shapes = [
        operand[1] if isinstance(operand, tuple) else operand.expr.shape for operand in operands
    ]
    names = [_name(operand, k) for k, operand in enumerate(operands)]
    axes = resolve(subscripts, shapes, names, dict(sizes))
    formulas = []
    letters = Letters()
    for operand, shape, labels in zip(operands, axes.shapes, axes.inputs, strict=True):
        formula = symbol(operand[0], shape) if isinstance(operand, tuple) else operand
        if isinstance(formula.expr, Variable):
            letters = letters.with_axes(formula.expr.name, labels)
        letters = letters.joined(formula.letters)
        formulas.append(formula)
    arguments = joined_arguments(formulas)
    expr = einsum_node([f.expr for f in formulas], axes.inputs, axes.output, axes.sizes)
    name = function_name(argument.name for argument in arguments)
    return Formula(expr, Heading(name, _distinct(axes.output, set(axes.sizes))), letters, arguments)


def _distinct(labels: Sequence[str], used: set[str]) -> tuple[str, ...]:
    """Give a second occurrence of a label a letter of its own."""
    if len(set(labels)) == len(labels):
        return tuple(labels)
    fresh = fresh_letters(used, DUMMY)
    seen: set[str] = set()
    letters = []
    for label in labels:
        letters.append(next(fresh) if label in seen else label)
        seen.add(label)
    return tuple(letters)


def _named(
    operands: Sequence[Any], named: Mapping[str, Any], frame: FrameType, wanted: Sequence[Any]
) -> Iterator[Tensor | tuple[str, Array | None]]:
    """Give each operand its name: tensors and numbers as they are, arrays with what they hold."""
    positions = {w % len(operands) for w in wanted if is_index(w) and operands}
    hoped = [normalize("NFKC", w) for w in wanted if isinstance(w, str)]
    arrays: dict[int, Array] = {}
    seen: list[tuple[Array, str]] = []
    for k, source in enumerate(operands):
        if isinstance(source, Tensor):
            yield source
        elif isinstance(source, str):
            name = as_name(source, f"operand {k}: ")
            value = named.get(name)
            yield name, as_array(value, f"operand '{name}'") if name in named else None
        else:
            name = next((w for w in hoped if value_of(w, frame) is source), "")
            constant = as_number(source)
            if constant is not None and not name and k not in positions:
                yield Tensor(number(constant), {})
                continue
            if name and isinstance(source, int | float | complex | Fraction | tuple):
                _check_alone(source, k, name, operands)
            name = name or name_of(source, frame) or ""
            if id(source) not in arrays:  # a list that stands twice is one array
                value = source if constant is None else np.array(_inexact(constant))
                arrays[id(source)] = as_array(value, f"operand {k}" + f" ({name})" * bool(name))
            array = arrays[id(source)]
            for other, theirs in seen:  # x[:] is x
                if other is array or (array.size and same_memory(other, array)):
                    name = theirs
            name = name or _free_name(array, frame)
            seen.append((array, name))
            yield name, array


def _check_alone(source: object, k: int, name: str, operands: Sequence[Any]) -> None:
    """Refuse to guess which of two operands a name means that Python keeps as one object."""
    same = [j for j, other in enumerate(operands) if other is source and j != k]
    if same:
        raise OperandError(
            page(
                f"operands {k} and {same[0]} are one object of Python's, {source!r}, "
                f"so that '{name}' may mean either",
                action=f"name the one that is meant: ed.tensor('{name}', np.array({source!r}))",
            )
        )


def _free_name(array: Array, frame: FrameType) -> str:
    name = anonymous_name(array)
    while value_of(name, frame) is not None:
        name += "_"
    return name


def _inexact(value: Number) -> int | float | complex:
    return float(value) if isinstance(value, Fraction) else value
