"""Operands as they are given: named tensors, arrays, numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from types import FrameType
from typing import Any
from unicodedata import normalize

from einsdiff.algebra.nodes.interning import Variable
from einsdiff.errors import OperandError
from einsdiff.expressions.formula import Formula, number
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.notation.names import as_name, name_of, value_of
from einsdiff.notation.subscripts import Size, is_index
from einsdiff.numeric.libraries.anonymous import anonymous_name
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.operands import Array, as_array, as_number, same_memory
from einsdiff.numeric.libraries.xarray import own_name

#: What is known of an operand apart from its values: the formula of a tensor or a number, or the
#: name and the shape, if known, of an array.
Operand = Formula | tuple[str, tuple[Size, ...] | None]


def name_of_operand(operand: Operand, position: int) -> str:
    """Return what an operand is called, for messages and for `wrt`."""
    if isinstance(operand, tuple):
        return operand[0]
    return operand.expr.name if isinstance(operand.expr, Variable) else f"op{position}"


def operands_named(
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
            name = name or name_of(source, frame) or own_name(source) or ""
            if id(source) not in arrays:  # a list that stands twice is one array
                value = source if constant is None else np.array(inexact(constant))
                arrays[id(source)] = as_array(value, f"operand {k}" + f" ({name})" * bool(name))
            array = arrays[id(source)]
            for other, theirs in seen:  # x[:] is x
                if other is array or (0 not in array.shape and same_memory(other, array)):
                    name = theirs
            name = name or _free_name(array, frame)
            seen.append((array, name))
            yield name, array


def _check_alone(source: object, k: int, name: str, operands: Sequence[Any]) -> None:
    """Refuse to guess which of two operands a name means that Python keeps as one object."""
    same = [j for j, other in enumerate(operands) if other is source and j != k]
    if same:
        raise OperandError(
            f"operands {k} and {same[0]} are one object of Python's, {source!r}, "
            f"so that '{name}' may mean either",
            action=f"name the one that is meant: ed.tensor('{name}', np.array({source!r}))",
        )


def _free_name(array: Array, frame: FrameType) -> str:
    name = anonymous_name(array)
    while value_of(name, frame) is not None:
        name += "_"
    return name


def inexact(value: Any) -> Any:
    """Return a float for a fraction, which NumPy would keep as an object."""
    return float(value) if isinstance(value, Fraction) else value
