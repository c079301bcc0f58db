r"""Arrays of other libraries: which one an array is of, and what its dtype and its device are.

An expression is computed by the library of its arrays, where they are and in their dtype,

.. math:: f_i = A_{ij} x_j,

so that all arrays have to be of one library. What einsdiff knows of a library is one entry below; a
library is imported by whoever made the arrays, and never here.

>>> library_of(np.ones(2)), library_of([1.0, 2.0])
('numpy', 'numpy')
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from einsdiff.errors import OperandError, page
from einsdiff.numeric.libraries.lazy import np

__all__ = [
    "LIBRARIES",
    "OWNERS",
    "PLACE",
    "are_dtypes_enough",
    "as_numpy",
    "check_dtypes",
    "check_places",
    "check_strided",
    "common_library",
    "dtype_kind",
    "is_traced",
    "kind_of",
    "known_values",
    "library_of",
    "place_of",
    "taken_to",
]


class Library(NamedTuple):
    """What messages call a library and one of its arrays, and the packages of its types."""

    title: str
    array: str
    packages: tuple[str, ...]


#: The libraries whose arrays are taken.
LIBRARIES = {
    "numpy": Library("NumPy", "a NumPy array", ("numpy",)),
    "torch": Library("PyTorch", "a PyTorch tensor", ("torch",)),
    "jax": Library("JAX", "a JAX array", ("jax", "jaxlib")),
    "cupy": Library("CuPy", "a CuPy array", ("cupy",)),
    "dask": Library("Dask", "a Dask array", ("dask",)),
}

#: What makes functions for arrays, by number; see `einsdiff.numeric.libraries.dynamo`.
OWNERS: WeakValueDictionary[int, Any] = WeakValueDictionary()
#: The attribute of an array without values that says where the array is that it stands for.
PLACE = "_einsdiff_place"


def library_of(value: object) -> str:
    """Return the name of the library that an array is of; "numpy" for all that is of no other.

    Parameters
    ----------
    value
        Anything.

    Returns
    -------
    str
        A key of `LIBRARIES`.
    """
    kind: Any = type(value)
    return "numpy" if kind is np.ndarray else _library_of_type(kind)


@cache
def _library_of_type(kind: type) -> str:
    # Arrays say how they go with those of others; modules, devices and descriptions of arrays of
    # the same library do not.
    for base in kind.__mro__:
        package = base.__module__.partition(".")[0]
        for name, library in LIBRARIES.items():
            if name != "numpy" and package in library.packages:
                return name if hasattr(kind, "__array_priority__") else "numpy"
    return "numpy"


def common_library(values: Mapping[str, Any]) -> str:
    """Return the library that all arrays are of.

    NumPy arrays go with Dask arrays, which are made of them, and what was written as a number or as
    a list goes with every library; see `taken_to`.

    Parameters
    ----------
    values
        Arrays by name.

    Returns
    -------
    str
        A key of `LIBRARIES`.

    Raises
    ------
    OperandError
        Arrays of several libraries.

    Examples
    --------
    >>> common_library({"x": np.ones(2), "y": np.ones(3)})
    'numpy'
    """
    found: dict[str, str] = {}  # and the first array that is of it
    for name, value in values.items():
        library = library_of(value)
        if library != "numpy" or not _is_written(value):
            found.setdefault(library, name)
    if "dask" in found:
        found.pop("numpy", None)
    if len(found) > 1:
        (one, a), (other, b) = list(found.items())[:2]
        raise OperandError(
            page(
                f"'{a}' is {LIBRARIES[one].array} and '{b}' is {LIBRARIES[other].array}",
                action="pass arrays of one library",
            )
        )
    return next(iter(found), "numpy")


def _is_written(array: Any) -> bool:
    """Tell whether an array was written as a number or as a list; see `arrays.as_array`."""
    return isinstance(array, np.ndarray) and array.flags.owndata and not array.flags.writeable


#: NumPy's letters for kinds of numbers, for dtypes of PyTorch, which has none.
_TORCH_KINDS = {"bool": "b", "uint": "u", "int": "i", "float": "f", "bfloat": "f", "complex": "c"}


def dtype_kind(array: Any) -> str:
    """Return NumPy's letter for the kind of numbers in an array.

    Parameters
    ----------
    array
        Of any library.

    Returns
    -------
    str
        One of ``"biufc"`` for numbers; another letter for anything else.

    Examples
    --------
    >>> dtype_kind(np.ones(2)), dtype_kind(np.array(["a"]))
    ('f', 'U')
    """
    return kind_of(array.dtype)


def kind_of(dtype: Any) -> str:
    """Return NumPy's letter for the kind of a dtype; see `dtype_kind`.

    >>> kind_of(np.dtype("complex64"))
    'c'
    """
    kind = getattr(dtype, "kind", None)
    if kind is None:
        name = str(dtype).removeprefix("torch.").rstrip("0123456789")
        return _TORCH_KINDS.get(name, "O")
    # Types that NumPy does not have itself, such as bfloat16, come as kind V.
    return "f" if kind == "V" and "float" in dtype.name else str(kind)


def is_traced(array: Any) -> bool:
    """Tell whether an array stands for another one while a function is traced, and has no values.

    >>> is_traced(np.ones(2))
    False
    """
    library = library_of(array)
    if library == "jax":
        return isinstance(array, sys.modules["jax"].core.Tracer)
    if library == "torch":
        torch = sys.modules["torch"]
        is_wrapped = torch._C._functorch.is_functorch_wrapped_tensor(array)
        return bool(is_wrapped or array.is_meta or torch.compiler.is_compiling())
    return library == "dask"  # whose arrays are computed when they are asked for


def place_of(array: Any) -> Any:
    """Return the device that an array is on; None where its library has one only, or moves it.

    >>> place_of(np.ones(2)) is None
    True
    """
    library = library_of(array)
    if library == "torch":
        return getattr(array, PLACE, array.device) if array.is_meta else array.device
    if library == "cupy":
        return array.device
    if library == "jax" and not is_traced(array) and array.committed:
        return tuple(sorted(map(str, array.devices())))
    return None


def check_places(values: Mapping[str, Any]) -> None:
    """Raise OperandError for arrays on different devices.

    Parameters
    ----------
    values
        Arrays by name.

    Examples
    --------
    >>> check_places({"x": np.ones(2)})
    """
    places = {name: place_of(value) for name, value in values.items()}
    known = {name: place for name, place in places.items() if place is not None}
    first = next(iter(known), "")
    for name, place in known.items():
        if place != known[first]:
            raise OperandError(
                page(
                    f"'{first}' is on {_shown(known[first])} and '{name}' is on {_shown(place)}",
                    action="move them to one device",
                )
            )


def _shown(place: Any) -> str:
    return ", ".join(place) if isinstance(place, tuple) else f"device {place}"


def check_dtypes(values: Mapping[str, Any]) -> None:
    """Raise OperandError for PyTorch tensors of several precisions, which it does not multiply.

    Parameters
    ----------
    values
        Arrays by name. Those of integers are left out, since they become floating-point numbers.
    """
    first = ""
    for name, value in values.items():
        if library_of(value) != "torch" or dtype_kind(value) in "biu":
            continue
        first = first or name
        if value.dtype.to_real() != values[first].dtype.to_real():
            raise OperandError(
                page(
                    f"'{first}' has dtype {values[first].dtype} and '{name}' has {value.dtype}, "
                    "and PyTorch does not multiply these",
                    action=f"convert one of them, as in {name}.to({values[first].dtype})",
                )
            )


def are_dtypes_enough(values: Mapping[str, Any]) -> bool:
    """Tell whether the dtypes of arrays say that of a result.

    In JAX an array that was made of a Python number gives way to others, which its dtype does not
    tell. It makes a difference only where there are several dtypes.

    Parameters
    ----------
    values
        Arrays of one library, by name.

    Examples
    --------
    >>> are_dtypes_enough({"x": np.ones(2), "n": np.ones(2, int)})
    True
    """
    found = [array.dtype for array in values.values() if library_of(array) == "jax"]
    floats = {dtype for dtype in found if kind_of(dtype) in "fc"}
    return len(floats or set(found)) <= 1


def check_strided(array: Any, name: str) -> None:
    """Raise OperandError for PyTorch's tensors that are sparse or nested.

    >>> check_strided(np.ones(2), "x")
    """
    layout = getattr(array, "layout", None)
    if library_of(array) == "torch" and (array.is_nested or "strided" not in str(layout)):
        what = "nested" if array.is_nested else str(layout).removeprefix("torch.")
        raise OperandError(
            page(f"{name} is a {what} tensor", action="pass one that is dense: t.to_dense()")
        )


def taken_to(library: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Make arrays that were written as numbers or lists arrays of a library.

    Parameters
    ----------
    library
        The library of the other arrays.
    values
        Arrays by name.

    Returns
    -------
    dict
        All of that library; on the device of the others, and of their dtype, as Python's numbers
        would be.
    """
    others = [value for value in values.values() if library_of(value) == library]
    made = dict(values)
    if library in ("numpy", "dask") or not others:
        return made
    like = others[0]
    for name, value in values.items():
        if library_of(value) == library:
            continue
        if library == "torch":
            floats = [v.dtype for v in others if dtype_kind(v) in "fc"]
            dtype = floats[0] if floats else None
            if dtype is not None and dtype_kind(value) == "c":
                dtype = dtype.to_complex()
            made[name] = sys.modules["torch"].tensor(value, dtype=dtype, device=place_of(like))
        else:
            numbers = sys.modules["cupy"] if library == "cupy" else sys.modules["jax"].numpy
            dtype = like.dtype if dtype_kind(like) in "fc" else None
            if dtype is not None and dtype_kind(value) == "c":
                dtype = numbers.result_type(dtype, 1j)
            made[name] = numbers.asarray(value, dtype)
    return made


def as_numpy(array: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """Return the values of an array of any library as a NumPy array.

    Parameters
    ----------
    array
        Any that has values. Floats that NumPy does not have, such as bfloat16, become float32.

    Raises
    ------
    OperandError
        The array is on PyTorch's device meta, and has none.

    Examples
    --------
    >>> as_numpy(np.ones(2))
    array([1., 1.])
    """
    library = library_of(array)
    if library == "torch":
        if array.is_meta:
            raise OperandError(
                page(
                    "the result is on device meta, where tensors have no values",
                    action="use dense(), whose result is a tensor of that device",
                )
            )
        array = array.detach().cpu().resolve_conj().resolve_neg()
        if array.dtype == sys.modules["torch"].bfloat16:
            array = array.float()
    elif library == "cupy":
        array = array.get()
    elif library == "dask":
        array = array.compute()
    found = np.asarray(array)
    return found.astype(np.float32) if found.dtype.kind == "V" else found


def known_values(values: Mapping[str, Any]) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Return as NumPy arrays those that have values now: none that are traced, or lazy.

    >>> known_values({"x": np.ones(2)})
    {'x': array([1., 1.])}
    """
    return {name: as_numpy(array) for name, array in values.items() if not is_traced(array)}
