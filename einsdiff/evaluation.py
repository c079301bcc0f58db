"""From a formula and arrays to numbers: what is checked before a program runs.

>>> from einsdiff.formula import symbol
>>> formula = symbol("x", ("n",))
>>> evaluate(formula, {"x": np.array([1.0, 2.0])})
array([1., 2.])
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from einsdiff.algebra.nodes import Variable
from einsdiff.errors import (
    BindingError,
    OperandError,
    ShapeError,
    SizeError,
    page,
    shape_text,
    shapes_line,
)
from einsdiff.formula import Formula
from einsdiff.layout import VecOrder
from einsdiff.numeric.arrays import Array, dtype_of
from einsdiff.numeric.memory import format_bytes, memory_limit
from einsdiff.numeric.plan import not_analytic
from einsdiff.numeric.program import Program, program_for

__all__ = ["check_symmetric", "evaluate", "places_of", "signature", "sizes_of"]

#: The most axes that an array of NumPy's can have.
MOST_AXES = 64 if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else 32


def sizes_of(formula: Formula, values: Mapping[str, Array]) -> dict[str, int]:
    """Find the number that each named size stands for, and check all shapes.

    Parameters
    ----------
    formula
        What is to be evaluated.
    values
        Arrays by the names of its variables; some may be missing.

    Returns
    -------
    dict
        A number for each named size that an array tells.

    Raises
    ------
    ShapeError
        An array has not the shape of its variable, or two arrays disagree on a size.
    """
    sizes: dict[str, int] = {}
    origin: dict[str, str] = {}
    for argument in formula.arguments:
        array = values.get(argument.name)
        if array is None or array.shape == argument.shape:
            continue
        if array.ndim != len(argument.shape):
            raise _wrong_shape(formula, argument, array, "the number of axes differs", sizes)
        for size, n in zip(argument.shape, array.shape, strict=True):
            if isinstance(size, int):
                if size != n:
                    raise _wrong_shape(formula, argument, array, f"{n} is not {size}", sizes)
            elif sizes.setdefault(size, n) != n:
                reason = f"size '{size}' is {sizes[size]} in '{origin[size]}', but {n} here"
                raise _wrong_shape(formula, argument, array, reason, sizes)
            else:
                origin.setdefault(size, argument.name)
    return sizes


def _wrong_shape(
    formula: Formula, argument: Variable, array: Array, reason: str, sizes: Mapping[str, int]
) -> ShapeError:
    wanted = tuple(sizes.get(s, s) if isinstance(s, str) else s for s in argument.shape)
    return ShapeError(
        page(
            f"the array for '{argument.name}' has shape {shape_text(array.shape)}, "
            f"but '{argument.name}' is {shape_text(argument.shape)}: {reason}",
            text=formula.text,
            carets=places_of(argument.name, formula.text),
            shapes=signature(formula.arguments),
            action=f"pass an array of shape {shape_text(wanted)} for '{argument.name}'",
        )
    )


def evaluate(
    formula: Formula,
    values: Mapping[str, Array],
    out: Array | None = None,
    order: VecOrder = "C",
) -> Array:
    """Compute a formula.

    Parameters
    ----------
    formula
        What is to be evaluated.
    values
        An array for each variable that the value depends on.
    out
        An array of the result's shape and dtype to write into.
    order
        The memory layout of a new result.

    Returns
    -------
    array
        The result, `out` if it was given. It shares no memory with the values.

    Raises
    ------
    BindingError
        A variable has no array, or a named size no number.
    OperandError
        Complex values for a function of real numbers.
    ShapeError, SizeError
        Arrays that do not fit, or a result that memory does not hold.
    """
    sizes = sizes_of(formula, values)
    for argument in formula.arguments:
        if argument.name in formula.required and argument.name not in values:
            raise _missing(formula, argument.name)
    for size in sorted(formula.named_sizes - sizes.keys()):
        raise _unsettled(formula, size)
    _check_analytic(formula, values)
    dtype = dtype_of(formula.expr, (array.dtype for array in values.values()))
    program = program_for((formula.expr,), tuple(sorted(sizes.items())), dtype)
    inputs = [values[part.name] for part in program.inputs]
    # One dtype for all: integers cannot overflow then, and steps may use each other's memory.
    cast = [a.dtype != dtype for a in inputs]
    copied = max((a.size for a, is_cast in zip(inputs, cast, strict=True) if is_cast), default=0)
    if max(program.largest, copied) * dtype.itemsize > memory_limit():
        raise _too_large(formula, program, dtype, copied)
    if len(program.plan.shapes[0]) > MOST_AXES:
        raise ShapeError(
            page(
                f"the result has {len(program.plan.shapes[0])} axes, "
                f"and NumPy's arrays have at most {MOST_AXES}",
                text=formula.text,
                action="contract some of them first",
            )
        )
    if out is not None:
        _check_out(out, program.plan.shapes[0], dtype)
    inputs = [a.astype(dtype) if c else a for a, c in zip(inputs, cast, strict=True)]
    if order == "F" and out is None:
        out = np.empty(program.plan.shapes[0], dtype, order="F")
    try:
        if out is not None and any(np.may_share_memory(out, array) for array in inputs):
            out[...] = program.function(*inputs)
            return out
        return np.asarray(program.function(*inputs, out=out), dtype)
    except np.linalg.LinAlgError as error:
        error.add_note(f"while computing {formula.text}")
        raise


def _check_analytic(formula: Formula, values: Mapping[str, Array]) -> None:
    """Refuse complex values where the function of real numbers has no such extension."""
    names = frozenset(name for name, array in values.items() if array.dtype.kind == "c")
    function = not_analytic(formula.expr, names)
    if function is not None:
        raise OperandError(
            page(
                f"'{function.name}' is a function of real numbers, and its argument is complex",
                text=formula.text,
                shapes=signature(formula.arguments),
                action="pass real arrays; give real and imaginary parts as two variables",
            )
        )


def _missing(formula: Formula, name: str) -> BindingError:
    return BindingError(
        page(
            f"no array for '{name}'",
            text=formula.text,
            carets=places_of(name, formula.text),
            shapes=signature(formula.arguments),
            action=f"pass {name}=... in the call, or bind it with ed.tensor('{name}', array)"
            if name.isidentifier()
            else f"pass it by name: t(**{{'{name}': array}})",
        )
    )


def _unsettled(formula: Formula, size: str) -> BindingError:
    for argument in formula.arguments:
        if size in argument.shape:
            return _missing(formula, argument.name)
    return BindingError(
        page(
            f"the number that size '{size}' stands for is not known",
            text=formula.text,
            shapes=signature(formula.arguments),
            action=f"give '{size}' as a number, or to an axis of a variable",
        )
    )


def _too_large(formula: Formula, program: Program, dtype: np.dtype[Any], copied: int) -> SizeError:
    shape, largest = program.plan.shapes[0], program.plan.largest
    if copied > program.largest:
        largest = (copied,)
    what = "the result" if shape == largest else "an array on the way to the result"
    text = formula.text
    forms = []
    if formula.domain and shape == largest:
        split = len(shape) - formula.domain
        for form, kept in (("jvp(v)", shape[:split]), ("vjp(u)", shape[split:])):
            count = int(np.prod(kept, dtype=object)) * dtype.itemsize
            if count <= memory_limit():
                forms.append(f"{form}, of shape {shape_text(kept)}, {format_bytes(count)}")
    fits = f"these fit: {'; '.join(forms)}. Or " if forms else ""
    return SizeError(
        page(
            f"{what} of shape {shape_text(largest)} and dtype {dtype} needs "
            f"{format_bytes(max(program.largest, copied) * dtype.itemsize)}, and the limit is "
            f"{format_bytes(memory_limit())}",
            text=text,
            action=f"{fits}raise the limit with ed.set_memory_limit(bytes)",
        )
    )


def _check_out(out: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if not isinstance(out, np.ndarray) or not out.flags.writeable:
        raise OperandError(
            page(
                f"out is a {type(out).__name__} that cannot be written into",
                action="pass a writeable NumPy array, or leave it out",
            )
        )
    if out.shape != shape or out.dtype != dtype:
        raise ShapeError(
            page(
                f"out has shape {shape_text(out.shape)} and dtype {out.dtype}, but the result "
                f"has shape {shape_text(shape)} and dtype {dtype}",
                action="pass an array of the result's shape and dtype",
            )
        )


def signature(arguments: Iterable[Variable]) -> str:
    """Write names and shapes for an error."""
    return shapes_line([(argument.name, argument.shape) for argument in arguments])


def places_of(name: str, text: str) -> list[int]:
    """Find the columns in which a name stands in a formula."""
    found = re.finditer(rf"(?<!\w){re.escape(name)}(?![^\W_])", text)
    return [column for match in found for column in range(*match.span())]


def check_symmetric(node: Variable, array: Array) -> None:
    """Raise ShapeError for an array of a symmetric variable that is not symmetric."""
    if node.symmetric and array.ndim == len(node.shape):
        for k in range(array.ndim - 1):  # exchanges of neighbours make every order
            other = array.swapaxes(k, k + 1)
            if other.shape != array.shape or not np.allclose(array, other, equal_nan=True):
                raise ShapeError(
                    page(
                        f"'{node.name}' is declared symmetric, but its array is not",
                        action="pass a symmetric array, such as (A + A.T) / 2, "
                        "or leave symmetric=True out",
                    )
                )
