"""Arrays from outside: which are taken, and in which dtype results are given.

>>> as_array([1, 2], "x").dtype
dtype('int64')
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, Protocol, TypeAlias
from zlib import crc32

from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import Add, Call, Constant, Node, Number
from einsdiff.algebra.nodes.records import damaged
from einsdiff.errors import OperandError
from einsdiff.numeric.libraries.array_library import at_least
from einsdiff.numeric.libraries.known import LIBRARIES
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.library import dtype_kind, library_of
from einsdiff.numeric.libraries.xarray import are_told_apart, bare, is_named, original

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


class AnyArray(Protocol):
    """An array of any library."""

    @property
    def shape(self) -> Any:
        """The sizes of the axes."""

    @property
    def dtype(self) -> Any:
        """The type of the entries; that of a `Tensor` is known from its arrays."""

    @property
    def ndim(self) -> int:
        """The number of axes."""


def as_array(value: Any, name: str) -> Array:
    """Take an operand as an array of numbers, or raise an OperandError that calls it by this name.

    It is the same object if it is one already, of NumPy or of another library.
    """
    if "numpy.ma" in sys.modules and isinstance(value, np.ma.MaskedArray):
        raise OperandError(
            f"{name} is a masked array, and its mask would be lost",
            action="fill the masked entries, with array.filled(value)",
        )
    if is_named(value):
        value = bare(value)
    library = library_of(value)
    if library != "numpy":
        if dtype_kind(value) not in "biufc":
            raise _no_numbers(name, value.dtype)
        LIBRARIES[library].check_operand(value, name)
        other: Array = value
        return other
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise OperandError(
            f"{name} is no array: {error}",
            action="pass an array, or nested lists whose rows have equal lengths",
        ) from None
    if array.dtype.kind not in "biufc":
        raise _no_numbers(name, array.dtype)
    if isinstance(value, list | tuple | np.generic | int | float | complex):
        # No one else can change this array, so that it is what its values are; see `same_array`.
        array.flags.writeable = False
    return array


def _no_numbers(name: str, dtype: object) -> OperandError:
    return OperandError(
        f"{name} has dtype {dtype}, which has no derivative",
        action="pass an array of floats, complex numbers or integers",
    )


def same_memory(a: Array, b: Array) -> bool:
    """Tell whether two arrays are the same entries of the same memory.

    >>> x = np.ones(3)
    >>> same_memory(x, x[:]), same_memory(x, x.copy()), same_memory(x, x[::-1])
    (True, False, False)
    """
    return (
        type(a) is type(b) is np.ndarray
        and a.shape == b.shape
        and a.strides == b.strides
        and a.dtype == b.dtype
        and bool(a.__array_interface__["data"][0] == b.__array_interface__["data"][0])
        and not are_told_apart(a, b)
    )


def same_array(a: Array, b: Array) -> bool:
    """Tell whether two arrays are one: the same memory, or equal and unchangeable.

    >>> same_array(as_array([1, 2], "x"), as_array([1, 2], "x"))
    True
    >>> same_array(np.array([1, 2]), np.array([1, 2]))
    False
    """
    if same_memory(a, b):
        return True
    if not type(a) is type(b) is np.ndarray:  # arrays of other libraries are what they are
        return a is b
    fixed = is_unchangeable(a) and is_unchangeable(b)
    return fixed and a.dtype == b.dtype and bool(np.array_equal(a, b))


def is_unchangeable(array: Any) -> bool:
    """Tell whether an array is what its values are, since no one can change them.

    >>> is_unchangeable(as_array([1, 2], "x")), is_unchangeable(np.ones(2))
    (True, False)
    """
    return type(array) is np.ndarray and array.flags.owndata and not array.flags.writeable


def carried(values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return arrays as they are to be copied: with their dimensions, and which are unchangeable.

    >>> carried({"x": as_array([1, 2], "x")})
    ({'x': array([1, 2])}, ('x',))
    """
    found = {}
    for name, array in values.items():
        source = original(array)
        found[name] = array if source is None else source
    return found, tuple(name for name, array in values.items() if is_unchangeable(array))


def checksum(values: Mapping[str, Any], *marks: object) -> int:
    """Return a number that changes when arrays are damaged: NumPy's, in every bit.

    >>> checksum({"x": np.ones(2)}) == checksum({"x": np.ones(2)}) != checksum(
    ...     {"x": np.zeros(2)}
    ... )
    True
    """
    found = crc32(ascii(marks).encode())
    for name, array in values.items():
        plain = array if isinstance(array, np.ndarray) and array.dtype.kind != "O" else None
        kind = None if plain is None else (plain.dtype.str, plain.shape)
        found = crc32(ascii((name, type(array).__name__, kind)).encode(), found)
        if plain is not None and plain.size:
            found = crc32(np.ascontiguousarray(plain).reshape(-1).view(np.uint8).data, found)
    return found


def check_intact(check: object, values: Mapping[str, Any], *marks: object) -> None:
    """Raise OperandError unless this is the checksum of arrays and of what belongs to them.

    >>> check_intact(checksum({"x": np.ones(2)}), {"x": np.ones(2)})
    """
    try:
        is_intact = check == checksum(values, *marks)
    except Exception:  # whatever the arrays have become
        is_intact = False
    if not is_intact:
        raise damaged("the arrays")


def received(values: Mapping[str, Any], fixed: Iterable[str]) -> dict[str, Any]:
    """Return arrays that `carried` gave, after they were copied.

    >>> received(*carried({"x": np.ones(2)}))
    {'x': array([1., 1.])}
    """
    for name in fixed:
        values[name].flags.writeable = False
    return {name: as_array(array, f"operand '{name}'") for name, array in values.items()}


def as_number(value: object) -> Number | None:
    """Return a scalar as a number of Python's, which is a constant; None if it is no scalar.

    >>> as_number(2), as_number(np.float64(0.5)), as_number(np.ones(2))
    (2, 0.5, None)
    """
    if isinstance(value, np.number):
        value = value.item()
    return value if isinstance(value, int | float | complex | Fraction) else None


#: The least dtypes that functions of NumPy's have, from the weakest to the strongest: of any;
#: integers as wide as NumPy's sums of them; floats.
LEAST = ("", "integer", "float")


def dtype_of(node: Node, dtypes: Iterable[np.dtype[Any]], least: str = "") -> np.dtype[Any]:
    """Return the dtype in which an expression of arrays with these dtypes is given.

    It is found by NumPy's promotion, booleans being integers. A fraction, a float or a function of
    the table makes integers floats; an integer coefficient widens an integer dtype that it does not
    fit in, as a negative one does an unsigned dtype. With no arrays, integers, floats or complex
    numbers are given as the expression needs. The least dtype is one of `LEAST`.
    """
    weak, lowest, highest = _scalars(node)
    dtype = np.result_type(*(np.int64 if d.kind == "b" else d for d in dtypes), *weak)
    if dtype.kind in "iu":
        for c in (lowest, highest):
            dtype = _with_room(dtype, c)
    widened: np.dtype[Any] = at_least(dtype, least)
    return widened


def result_dtype(
    library: str, nodes: Sequence[Node], values: Mapping[str, Any], least: str = ""
) -> Any:
    """Return the dtype, one of a library, in which it computes expressions of these arrays.

    Integers become floating-point numbers where the expression needs it, of the library's default
    precision if there are no others. PyTorch tensors of several floating-point dtypes are refused.
    """
    known = LIBRARIES[library]
    known.check_dtypes(values)

    def needed(dtypes: Sequence[np.dtype[Any]], least: str) -> np.dtype[Any]:
        return np.result_type(*(dtype_of(node, dtypes, least) for node in nodes))

    return known.result_dtype(needed, list(values.values()), least)


def _with_room(dtype: np.dtype[Any], c: int) -> np.dtype[Any]:
    """Widen an integer dtype until a coefficient fits in it."""
    if dtype.kind not in "iu" or np.iinfo(dtype).min <= c <= np.iinfo(dtype).max:
        return dtype
    needed = np.min_scalar_type(-abs(c) - 1)  # signed
    return np.promote_types(dtype, needed if needed.kind == "i" else np.float64)


@lru_cache(maxsize=4096)
def _scalars(node: Node) -> tuple[tuple[complex, ...], int, int]:
    """Return Python numbers of the kinds that occur, and the range of the integers.

    In NumPy's promotion a Python number stands for its kind only.
    """
    kinds: set[type] = {int}
    numbers: list[Number] = [0]
    for part in topological([node]):
        if isinstance(part, Call):
            if not part.function.keeps_integers:
                kinds.add(float)
        elif isinstance(part, Constant):
            numbers.append(part.value)
        elif isinstance(part, Add):
            numbers.extend(c for c, _ in part.terms)
    kinds.update(map(type, numbers))
    weak: dict[type, complex] = {int: 1, Fraction: 1.0, float: 1.0, complex: 1j}
    integers = [c for c in numbers if isinstance(c, int)]
    return tuple(weak[kind] for kind in kinds), min(integers), max(integers)
