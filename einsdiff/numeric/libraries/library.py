r"""Arrays of other libraries: which one an array is of, and what its dtype and its device are.

An expression is computed by the library of its arrays, where they are and in their dtype,

.. math:: f_i = A_{ij} x_j,

so that all arrays have to be of one library. What einsdiff knows of a library is a class, see
`einsdiff.numeric.libraries.array_library`.

>>> library_of(np.ones(2)), library_of([1.0, 2.0])
('numpy', 'numpy')
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any
from weakref import WeakValueDictionary

from einsdiff.errors import OperandError
from einsdiff.numeric.libraries.array_library import kind_of
from einsdiff.numeric.libraries.known import LIBRARIES
from einsdiff.numeric.libraries.lazy import np

#: What makes functions for arrays, by number; see `einsdiff.numeric.libraries.dynamo`.
OWNERS: WeakValueDictionary[int, Any] = WeakValueDictionary()


def library_of(value: object) -> str:
    """Return the name of the library that an array is of; "numpy" for all that is of no other."""
    kind: Any = type(value)
    return "numpy" if kind is np.ndarray else _library_of_type(kind)


@cache
def _library_of_type(kind: type) -> str:
    # Arrays say how they go with those of others; modules, devices and descriptions of arrays of
    # the same library do not.
    for base in kind.__mro__:
        for name, library in LIBRARIES.items():
            if name != "numpy" and f"{base.__module__}.".startswith(
                tuple(f"{package}." for package in library.packages)
            ):
                return name if hasattr(kind, "__array_priority__") else "numpy"
    return "numpy"


def common_library(values: Mapping[str, Any]) -> str:
    """Return the library that all arrays are of, or raise OperandError.

    NumPy arrays go with Dask arrays, which are made of them, and what was written as a number or as
    a list goes with every library; see `taken_to`.

    >>> common_library({"x": np.ones(2), "y": np.ones(3)})
    'numpy'
    """
    found: dict[str, str] = {}  # and the first array that is of it
    for name, value in values.items():
        library = library_of(value)
        if library != "numpy" or not _is_written(value):
            found.setdefault(library, name)
    if len(found) > 1 and any(LIBRARIES[library].takes_numpy for library in found):
        found.pop("numpy", None)
    if len(found) > 1:
        (one, a), (other, b) = list(found.items())[:2]
        raise OperandError(
            f"'{a}' is {LIBRARIES[one].array} and '{b}' is {LIBRARIES[other].array}",
            action="pass arrays of one library",
        )
    return next(iter(found), "numpy")


def _is_written(array: Any) -> bool:
    """Tell whether an array was written as a number or as a list; see `arrays.as_array`."""
    return isinstance(array, np.ndarray) and array.flags.owndata and not array.flags.writeable


def dtype_kind(array: Any) -> str:
    """Return NumPy's letter for the kind of numbers in an array of any library.

    >>> dtype_kind(np.ones(2)), dtype_kind(np.array(["a"]))
    ('f', 'U')
    """
    return kind_of(array.dtype)


def is_traced(array: Any) -> bool:
    """Tell whether an array stands for another one while a function is traced, and has no values.

    >>> is_traced(np.ones(2))
    False
    """
    return LIBRARIES[library_of(array)].is_traced(array)


def place_of(array: Any) -> Any:
    """Return the device that an array is on; None where its library has one only, or moves it.

    >>> place_of(np.ones(2)) is None
    True
    """
    return LIBRARIES[library_of(array)].place_of(array)


def check_places(values: Mapping[str, Any]) -> None:
    """Raise OperandError for arrays on different devices.

    >>> check_places({"x": np.ones(2)})
    """
    places = {name: place_of(value) for name, value in values.items()}
    known = {name: place for name, place in places.items() if place is not None}
    first = next(iter(known), "")
    for name, place in known.items():
        if place != known[first]:
            raise OperandError(
                f"'{first}' is on {_shown(known[first])} and '{name}' is on {_shown(place)}",
                action="move them to one device",
            )


def _shown(place: Any) -> str:
    return ", ".join(place) if isinstance(place, tuple) else f"device {place}"


def are_dtypes_enough(values: Mapping[str, Any]) -> bool:
    """Tell whether the dtypes of arrays of one library say that of a result.

    >>> are_dtypes_enough({"x": np.ones(2), "n": np.ones(2, int)})
    True
    """
    libraries = set(map(library_of, values.values()))
    return all(LIBRARIES[library].are_dtypes_enough(values) for library in libraries)


def taken_to(library: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Make arrays that were written as numbers or lists arrays of a library.

    They are put on the device of the others, and get their dtype, as Python's numbers would.
    """
    known = LIBRARIES[library]
    others = [value for value in values.values() if library_of(value) == library]
    if not others or known.takes_numpy or library == "numpy":
        return dict(values)
    return {
        name: value if library_of(value) == library else known.taken(value, others)
        for name, value in values.items()
    }


def as_numpy(array: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """Return the values of an array of any library as a NumPy array.

    Floats that NumPy does not have, such as bfloat16, become float32. An array on PyTorch's device
    meta has no values, which is an OperandError.

    >>> as_numpy(np.ones(2))
    array([1., 1.])
    """
    found = np.asarray(LIBRARIES[library_of(array)].as_numpy(array))
    return found.astype(np.float32) if found.dtype.kind == "V" else found


def known_values(values: Mapping[str, Any]) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Return as NumPy arrays those that have values now: none that are traced, or lazy.

    >>> known_values({"x": np.ones(2)})
    {'x': array([1., 1.])}
    """
    return {name: as_numpy(array) for name, array in values.items() if not is_traced(array)}
