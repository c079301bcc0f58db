"""Operands made one tensor: their letters, arrays and variables joined, a function applied."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from inspect import signature as signature_of
from typing import Any, TypeVar

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.interning import Node, Shape
from einsdiff.algebra.operations.conditions import is_condition
from einsdiff.algebra.operations.numpy_names import BEYOND_NUMPY, NUMPY
from einsdiff.display.index.index_text import format_heading
from einsdiff.display.index.lettering import Heading
from einsdiff.errors import (
    BindingError,
    LostDependenceWarning,
    OperandError,
    ShapeError,
    page,
    shape_text,
    shapes_line,
)
from einsdiff.expressions.asked import depth, outermost, outside
from einsdiff.expressions.base import Bound, NamedSize, known_values
from einsdiff.expressions.dependence import lost, lost_within
from einsdiff.expressions.evaluation import check_symmetric, sizes_of
from einsdiff.expressions.formula import (
    Formula,
    fresh,
    function_name,
    joined_arguments,
    joined_least,
    joined_notation,
    number,
    symbol,
)
from einsdiff.expressions.refusals import TRACED, signature
from einsdiff.notation.letters import first_unused, numbered
from einsdiff.notation.names import as_name, name_of
from einsdiff.numeric.libraries.anonymous import anonymous_name
from einsdiff.numeric.libraries.array_library import kind_of
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.library import dtype_kind, library_of
from einsdiff.numeric.libraries.operands import Array, as_array, as_number, same_array
from einsdiff.numeric.libraries.xarray import own_name

_B = TypeVar("_B", bound=Bound)

#: A function of nodes.
NodeFunction = Callable[..., Any]


def checked_arrays(f: Bound, arrays: Mapping[str, Any]) -> dict[str, Array]:
    """Check arrays that are given by name; whether all are there is seen when they are needed."""
    known = {argument.name: argument for argument in f.formula.arguments}
    found = {}
    for name, value in arrays.items():
        if name not in known:
            raise BindingError(
                f"there is no '{name}' in this expression",
                text=str(f),
                shapes=signature(f.formula.arguments),
                action=f"pass arrays for {' and '.join(known) or 'nothing'} only",
            )
        if isinstance(value, Bound) and not value.formula.required <= value.values.keys():
            raise BindingError(
                f"'{name}' is given as an expression, and an array is put in its place only",
                text=str(value),
                shapes=signature(value.formula.arguments),
                action=f"write the expression with this from the start, in place of {name}",
            )
        found[name] = array = as_array(value, f"operand '{name}'")
        check_symmetric(known[name], array)
    return found


def join_values(into: dict[str, Array], values: Mapping[str, Array]) -> None:
    """Add arrays to those of an expression."""
    for name, array in values.items():
        known = into.setdefault(name, array)
        if known is not array and not same_array(known, array):
            raise BindingError(
                f"two different arrays are called '{name}'",
                shapes=shapes_line([(name, known.shape), (name, array.shape)]),
                action="give one of them another name with ed.tensor(name, array)",
            )


def combined(
    expr: Node, axes: Sequence[str], parts: Sequence[_B], domain: int | None = None, least: str = ""
) -> _B:
    """Make a tensor of an expression built from those of other tensors."""
    letters = parts[0].formula.letters
    values: dict[str, Array] = {}
    for part in parts:
        letters = letters.joined(part.formula.letters)
        join_values(values, part.values)
    arguments = joined_arguments(part.formula for part in parts)
    heading = Heading(function_name([v.name for v in arguments]), tuple(axes))
    least = joined_least([part.formula.least for part in parts] + [least])
    notation = joined_notation(part.formula for part in parts)
    formula = Formula(expr, heading, letters, arguments, domain, least=least, notation=notation)
    return type(parts[0])(formula, values)


def as_direction(value: Any, name: str, shape: Shape, f: _B) -> _B:
    """Make what a derivative is multiplied by a tensor."""
    sizes = sizes_of(f.formula, f.values)
    wanted = tuple(sizes.get(s, s) if isinstance(s, str) else s for s in shape)
    if isinstance(value, Bound) and value.expr.shape != shape and value.shape == wanted:
        value = value.dense()  # its sizes are numbers that are names here
    direction: _B
    if isinstance(value, type(f)):
        given, direction = value.expr.shape, value
    else:
        array = None if value is None else as_array(value, f"operand '{name}'")
        given = shape if array is None or array.shape == wanted else array.shape
        name = first_unused(numbered(name), f.names)
        direction = type(f)(symbol(name, shape), {} if array is None else {name: array})
    if given != shape:
        raise ShapeError(
            f"{name} has shape {shape_text(given)}, but this derivative takes {shape_text(wanted)}",
            text=format_heading(f.formula.heading),
            action=f"pass {name} of shape {shape_text(wanted)}",
        )
    return direction


#: Functions of the bits of integers, which are taken of conditions only.
_BITWISE = frozenset((NUMPY["bitwise_and"], NUMPY["bitwise_or"], NUMPY["invert"]))


#: Functions whose results NumPy widens, and to what at least.
_LEAST: dict[Any, str] = {
    **{NUMPY[n]: "integer" for n in ("sum", "prod", "cumsum", "trace", "linalg.trace")},
    # What simplification makes of these may be a sum of products again, as of sqrt(x)^2 and x/2*2.
    **{
        function: "float"
        for name, function in {**NUMPY, **BEYOND_NUMPY}.items()
        if name in FUNCTIONS and name != "power" and not FUNCTIONS[name].keeps_integers
    },
    **{
        NUMPY[name]: "float"
        for name in (
            "rint",
            "fabs",
            "float_power",
            "sqrt",
            "divide",
            "reciprocal",
            "exp2",
            "mean",
            "var",
            "std",
            "linalg.norm",
            "linalg.inv",
            "linalg.det",
            "linalg.solve",
        )
    },
}


#: Functions that NumPy computes with complex conjugates.
_CONJUGATING = frozenset(NUMPY[name] for name in ("linalg.norm", "vdot", "var", "std"))


def applied(
    kind: type[_B],
    function: NodeFunction,
    args: Sequence[Any],
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Apply a function of nodes to tensors, arrays and numbers."""
    parts: list[_B] = []
    plain: dict[int, Any] = {}
    ways, names = parameters_of(function)

    def taken(value: Any) -> Node:
        if not isinstance(value, Bound):
            plain[len(parts)] = value
        parts.append(as_tensor(value, kind))
        return parts[-1].expr

    def lifted(value: Any, way: str) -> Any:
        if way == "one" and value is not None:
            return taken(value)
        return [taken(item) for item in value] if way == "many" else value

    given = [lifted(value, ways[k] if k < len(ways) else "plain") for k, value in enumerate(args)]
    named = {
        name: lifted(value, ways[names.index(name)] if name in names else "plain")
        for name, value in (options or {}).items()
    }
    if plain:
        warn_of_lost(plain, parts)
    if function in _BITWISE:
        for part in parts:
            _check_truth(part)
    if function in _CONJUGATING and any(kind_of(part.dtype) == "c" for part in parts):
        raise OperandError(
            f"{function.__name__.strip('_')} of complex numbers conjugates them, which has no "
            "derivative here",
            shapes=shapes_line([(p.formula.heading.name, p.shape) for p in parts]),
            action="give real and imaginary parts as two variables",
        )
    result = function(*given, **named)
    if isinstance(result, tuple):
        tensors: Any = [combined(node, _axes(node, parts), parts) for node in result]
        return type(result)(*tensors)
    return combined(result, _axes(result, parts), parts, None, _LEAST.get(function, ""))


def _check_truth(part: Bound) -> None:
    """Refuse the bits of numbers: a condition is 0 or 1, and a number has many."""
    values = known_values(part)
    truths = [name for name in part.names if name not in values or dtype_kind(values[name]) == "b"]
    if not is_condition(part.expr, truths):
        raise OperandError(
            "&, | and ~ of numbers are functions of their bits, and these have no derivative",
            text=str(part),
            action="compare first, as in (x > 0) & (y > 0), or write np.logical_and(x, y)",
        )


def warn_of_lost(plain: Mapping[int, Any], parts: Sequence[Bound]) -> None:
    """Warn of arrays that meet expressions in what they were computed from."""
    values: dict[str, Any] = {}
    for part in parts:
        values.update(part.values)
    if not values:
        return
    found = [lost(a, values) if type(a) is np.ndarray else "" for a in plain.values()]
    for name in found if any(found) else [lost_within(outermost(outside()), plain, values)]:
        if name:
            told = page(
                f"an array that was computed from '{name}' meets an expression in '{name}', and "
                "counts as a constant",
                shapes=shapes_line({name: values[name].shape}),
                action="keep it an expression: np.stack([..]) in place of np.array([..]), and no "
                "np.asarray or float;\nif a constant is meant, name it: ed.tensor('w', array)",
            )
            warnings.warn(LostDependenceWarning(told), stacklevel=depth())


@cache
def parameters_of(function: NodeFunction) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell for each argument whether it is one node, many, or none; and the arguments' names."""
    parameters = signature_of(function).parameters.values()
    notes = [str(parameter.annotation) for parameter in parameters]
    kinds = ["many" if "[Node]" in n else "one" if n.startswith("Node") else "plain" for n in notes]
    return tuple(kinds), tuple(parameter.name for parameter in parameters)


def _axes(node: Node, parts: Sequence[Bound]) -> tuple[str, ...]:
    """Choose letters for the axes of a result: those of a part of its shape, else new ones."""
    for part in parts:
        if part.expr.shape == node.shape:
            return part.formula.heading.letters
    return fresh(
        len(node.shape), {argument.name for p in parts for argument in p.formula.arguments}
    )


def as_tensor(value: Any, kind: type[_B]) -> _B:
    """Make an operand a tensor: an array is called what the caller calls it."""
    if isinstance(value, kind):
        return value
    if isinstance(value, NamedSize):
        size: _B = value.tensor
        return size
    c = as_number(value)
    if c is not None:
        return kind(number(c), {})
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        value = _joined(value, kind)
        if isinstance(value, kind):
            return value
    if isinstance(value, list | tuple) and any(isinstance(item, Bound) for item in value):
        raise OperandError(
            "an operand is a list of tensors",
            action="join them to one tensor with np.stack, np.concatenate or ed.stack",
        )
    name = name_of(value, outside()) or own_name(value)
    array = as_array(value, f"operand '{name}'" if name else "an operand")
    if array.ndim == 0 and name is None and library_of(array) == "numpy":
        return kind(number(array.item()), {})
    name = name or anonymous_name(array)
    known = TRACED.get()
    if known is not None:  # a local name may stand for one array after the other
        names = numbered(name, 2)
        name = next(n for n in names if n not in known or same_array(known[n], array))
        known[name] = array
    name = as_name(name)
    return kind(symbol(name, array.shape), {name: array})


def _joined(value: Any, kind: type[_B]) -> Any:
    """Make an array of objects that holds tensors one tensor; other arrays stay."""
    if not any(isinstance(item, Bound) for item in value.flat):
        return value
    entries: _B = applied(kind, NUMPY["stack"], (list(value.flat),))
    return applied(kind, NUMPY["reshape"], (entries, (*value.shape, *entries.expr.shape[1:])))
