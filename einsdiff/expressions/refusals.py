"""How it is said that arrays do not fit: which, where, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from math import prod
from typing import Any

from einsdiff.algebra.nodes.interning import Variable
from einsdiff.errors import BindingError, ShapeError, SizeError, shape_text, shapes_line
from einsdiff.expressions.formula import Formula
from einsdiff.numeric.libraries.memory import format_bytes
from einsdiff.numeric.libraries.operands import Array
from einsdiff.numeric.libraries.xarray import Conflict, original

#: While a function is traced: the arrays by name that its tensors stand for.
TRACED: ContextVar[dict[str, Array] | None] = ContextVar("TRACED", default=None)


def wrong_shape(
    formula: Formula, argument: Variable, array: Array, reason: str, sizes: Mapping[str, int]
) -> ShapeError:
    """Say which axis of an array does not fit, and where its size is from."""
    wanted = tuple(sizes.get(s, s) if isinstance(s, str) else s for s in argument.shape)
    return ShapeError(
        f"the array for '{argument.name}' has shape {shape_text(array.shape)}, "
        f"but '{argument.name}' is {shape_text(argument.shape)}: {reason}",
        text=formula.text,
        carets=places_of(argument.name, formula.text),
        shapes=signature(formula.arguments),
        action=f"pass an array of shape {shape_text(wanted)} for '{argument.name}'",
    )


def in_conflict(
    found: Conflict,
    values: Mapping[str, Any],
    text: str,
    label: str = "",
    carets: Iterable[int] = (),
) -> ShapeError:
    """Make the error for axes whose dimensions or coordinates are different."""
    (a, b), (one, other) = (found.first.name, found.second.name), found.dimensions
    bound = f"label '{label}'" if label else "one index"
    if found.is_of_names:
        headline = f"{bound} is dimension '{one}' of '{a}' and dimension '{other}' of '{b}'"
        action = f"rename it, as in {b}.rename({{{other!r}: {one!r}}}), or bind other axes"
    else:
        headline = f"{bound} has other coordinates along '{one}' in '{a}' than in '{b}'"
        action = f"align them first, as in {a}, {b} = xr.align({a}, {b}, join='inner')"
    shown = []
    for name in dict.fromkeys((a, b)):
        array = original(values[name])
        shown.append((name, [f"{d}: {n}" for d, n in array.sizes.items()]))
    columns = list(carets) or [c for name in (a, b) for c in places_of(name, text)]
    return ShapeError(headline, text=text, carets=columns, shapes=shapes_line(shown), action=action)


def missing_array(formula: Formula, name: str) -> BindingError:
    """Make the error for a variable that has no array."""
    if TRACED.get() is not None:
        return BindingError(
            f"no array for '{name}': while a function is traced, its arrays have no values",
            text=formula.text,
            carets=places_of(name, formula.text),
            shapes=signature(formula.arguments),
            action="go on with the expression itself, by functions that take tensors",
        )
    return BindingError(
        f"no array for '{name}'",
        text=formula.text,
        carets=places_of(name, formula.text),
        shapes=signature(formula.arguments),
        action=f"pass {name}=... in the call, or bind it with ed.tensor('{name}', array)"
        if name.isidentifier()
        else f"pass it by name: t(**{{'{name}': array}})",
    )


def unsettled(formula: Formula, size: str) -> BindingError:
    """Say that nothing tells the number that a size stands for."""
    for argument in formula.arguments:
        if size in argument.shape:
            return missing_array(formula, argument.name)
    return BindingError(
        f"the number that size '{size}' stands for is not known",
        text=formula.text,
        shapes=signature(formula.arguments),
        action=f"give '{size}' as a number, or to an axis of a variable",
    )


def result_too_large(
    formulas: Sequence[Formula], shape: tuple[int, ...], dtype: Any, limit: int
) -> SizeError:
    """Say that a result is above the memory limit, and in which form it is not."""
    forms = []
    if len(formulas) == 1 and formulas[0].domain and prod(shape) * dtype.itemsize > limit:
        split = len(shape) - formulas[0].domain
        for form, left in (("jvp(v)", shape[:split]), ("vjp(u)", shape[split:])):
            size = prod(left) * dtype.itemsize
            if size <= limit:
                forms.append(f"{form}, of shape {shape_text(left)}, {format_bytes(size)}")
    fits = f"these fit: {'; '.join(forms)}. Or " if forms else ""
    return size_error(formulas, "the result of shape", shape, dtype, limit, fits=fits)


def size_error(
    formulas: Sequence[Formula],
    what: str,
    shape: tuple[int, ...],
    dtype: Any,
    limit: int,
    alive: tuple[str, int] | None = None,
    fits: str = "",
) -> SizeError:
    """Say what is above the memory limit, and what to do."""
    also, count = alive or ("", prod(shape) * dtype.itemsize)
    return SizeError(
        f"{what} {shape_text(shape)} and dtype {dtype} needs "
        f"{format_bytes(count)}{also}, and the limit is {format_bytes(limit)}",
        text=formulas[0].text if formulas else "",
        action=f"{fits}raise the limit, with memory_limit= or ed.set_memory_limit(bytes)",
    )


def signature(arguments: Iterable[Variable]) -> str:
    """Write names and shapes for an error."""
    return shapes_line([(argument.name, argument.shape) for argument in arguments])


def places_of(name: str, text: str) -> list[int]:
    """Find the columns in which a name stands in a formula."""
    found = re.finditer(rf"(?<!\w){re.escape(name)}(?![^\W_])", text)
    return [column for match in found for column in range(*match.span())]
