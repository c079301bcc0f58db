"""Expressions that arrive as functions of arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from einsdiff.algebra.nodes.interning import Variable
from einsdiff.errors import BindingError, EinsdiffError, OperandError
from einsdiff.expressions.combining import as_tensor, join_values
from einsdiff.expressions.formula import joined_arguments, symbol
from einsdiff.expressions.refusals import TRACED
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.notation.subscripts import is_index
from einsdiff.numeric.libraries.operands import Array, as_array
from einsdiff.verbs.sources.given import inexact
from einsdiff.verbs.sources.source import Arguments, Source


def traced(given: Arguments) -> Source:
    """Call a function with tensors without values in place of its arrays, and see what it does."""
    function: Callable[..., Any] = given.expression
    operands, named, wanted = given.operands, given.named, given.wanted
    shown = getattr(function, "__name__", type(function).__name__)
    if given.sizes:
        raise OperandError("sizes= goes with a string", action="leave it out for a function")
    try:
        bound = inspect.signature(function).bind(*operands, **named)
    except (TypeError, ValueError) as error:
        raise BindingError(
            f"{shown} cannot be called with these operands: {error}",
            action="pass one operand for each parameter that has no default",
        ) from None
    names: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = inspect.signature(function).parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            names.update({f"{name}{k}": item for k, item in enumerate(value)})
        elif kind is inspect.Parameter.VAR_KEYWORD:
            names.update(value)
        else:
            names[name] = value
    places = list(names)
    by = {w for w in wanted if isinstance(w, str)}
    by |= {places[w] for w in wanted if is_index(w) and -len(places) <= w < len(places)}
    values: dict[str, Array] = {}
    sources: list[tuple[Any, str]] = []
    stand_ins: dict[str, Any] = {}
    for name, value in names.items():
        stand_in = _stand_in(name, value, name in by, values)
        stand_ins[name] = stand_in
        called = name
        if isinstance(stand_in, Tensor) and isinstance(stand_in.expr, Variable):
            called = stand_in.expr.name
        sources.append((value, called))
    args, kwargs = _arranged(bound, stand_ins)
    token = TRACED.set(dict(values))
    try:
        result = function(*args, **kwargs)
    except (TypeError, ValueError) as error:
        # NumPy gives an error of its own where an entry is assigned to.
        found = error if isinstance(error, BindingError) else error.__cause__
        if not isinstance(found, BindingError):
            raise
        found.add_note(
            f"while tracing {shown}: its arrays have no values yet, so that nothing that depends "
            "on them can be taken for a constant. Use np.where in place of `if`, and np.stack in "
            "place of np.array([..])."
        )
        if found is error:
            raise
        raise found from None
    finally:
        TRACED.reset(token)
    if isinstance(result, Mapping):
        raise OperandError(
            f"{shown} returns a {type(result).__name__}, which is no tensor: of dtype object",
            action="return one of its entries, or join them with np.stack or np.concatenate",
        )
    if isinstance(result, list | tuple) and any(isinstance(part, Tensor) for part in result):
        raise OperandError(
            f"{shown} returns {len(result)} results",
            action="return one, or join them with np.stack or np.concatenate",
        )
    try:
        tensor = as_tensor(result, Tensor)
    except EinsdiffError as error:
        error.add_note(f"this is what {shown} returned")
        raise
    formulas = [t.formula for t in stand_ins.values() if isinstance(t, Tensor)]
    arguments = joined_arguments([*formulas, tensor.formula])
    join_values(values, tensor.values)
    return Source(Tensor(replace(tensor.formula, arguments=arguments), values), tuple(sources))


def _stand_in(name: str, value: Any, is_wanted: bool, values: dict[str, Array]) -> Any:
    """Return what a function is called with: a tensor for an array, other things as they are."""
    if isinstance(value, Tensor):
        join_values(values, value.values)
        return Tensor(value.formula, {})
    is_whole = isinstance(value, int) and not is_wanted  # such as axis=0
    is_shape = isinstance(value, tuple | list) and all(is_index(n) for n in value)
    if not is_wanted and (is_whole or is_shape):
        return value
    if value is None or callable(value) or isinstance(value, str | slice | bool):
        return value
    array = as_array(inexact(value) if is_wanted else value, f"operand '{name}'")
    join_values(values, {name: array})
    return Tensor(symbol(name, array.shape), {})


def _arranged(
    bound: inspect.BoundArguments, stand_ins: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Put the stand-ins where the arguments stood."""
    for name in bound.arguments:
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            count = len(bound.arguments[name])
            bound.arguments[name] = tuple(stand_ins[f"{name}{k}"] for k in range(count))
        elif kind is inspect.Parameter.VAR_KEYWORD:
            bound.arguments[name] = {key: stand_ins[key] for key in bound.arguments[name]}
        else:
            bound.arguments[name] = stand_ins[name]
    return list(bound.args), dict(bound.kwargs)
