r"""What an array library can do, and how things are spelled there: NumPy, which others inherit.

A library is a class in a file of its own, which says where it differs from NumPy. One whose arrays
and functions are NumPy's under another name needs no more than its names:

    class CuPy(ArrayLibrary):
        name, title, array = "cupy", "CuPy", "a CuPy array"
        packages, module = ("cupy",), "cupy"

The class registers itself, so that arrays of the library are taken from then on. It imports
nothing: a library was imported by whoever made the arrays, and code for it is written without it.

>>> ArrayLibrary().operations["cumsum"]
'{np}.cumsum({0}, axis=0)'
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

#: The libraries whose arrays are taken, by name.
LIBRARIES: dict[str, ArrayLibrary] = {}

#: What NumPy calls dtypes of others, or one of their kind that it has.
_LIKE = {"complex32": "complex64", "bfloat16": "float16"}
#: NumPy's letters for kinds of numbers, for dtypes that do not tell theirs.
_KINDS = {"bool": "b", "uint": "u", "int": "i", "float": "f", "bfloat": "f", "complex": "c"}


class ArrayLibrary:
    """NumPy; a subclass is another library, and has what it does not say otherwise from NumPy."""

    name: ClassVar[str] = "numpy"  # what it is called in the interface
    title: ClassVar[str] = "NumPy"  # and in messages
    array: ClassVar[str] = "a NumPy array"  # what one of its arrays is, in messages
    packages: ClassVar[tuple[str, ...]] = ("numpy",)  # those of its types
    module: ClassVar[str] = "numpy"  # that of its functions
    alias: ClassVar[str] = "np"  # what the module is called in code
    #: The library whose code is its own, but for the module: its functions are called alike.
    code: ClassVar[str] = "numpy"
    #: Whether NumPy arrays and numbers go with its arrays as they are.
    takes_numpy: ClassVar[bool] = False
    takes_numbers: ClassVar[bool] = True  # whether functions of entries take numbers
    is_strict: ClassVar[bool] = False  # whether what is not of `module` takes arrays only
    #: Whether arrays are computed in chunks, when they are asked for.
    is_lazy: ClassVar[bool] = False
    #: Whether a part of an array can be written into; else a changed copy is made.
    changes_in_place: ClassVar[bool] = True
    has_ogrid: ClassVar[bool] = True  # whether it has ``ogrid``
    has_negative_steps: ClassVar[bool] = True  # whether it has slices that go backwards
    #: The function of two dtypes that joins them, where none joins arrays and numbers.
    promote: ClassVar[str] = ""

    #: How it writes operations. ``{np}`` is the module, ``{0}`` an argument, in brackets unless it
    #: is a name or the like. Blank where there is no such operation.
    operations: ClassVar[Mapping[str, str]] = {
        "transpose": "{0}.transpose(*{axes})",
        "reshape": "{0}.reshape(*{sizes})",
        "reshape F": "{0}.reshape({shape}, order='F')",
        "diagonal": "{np}.diagonal({0})",
        "trace": "{np}.trace({0})",
        "view": "{np}.einsum({subscripts}, {0})",
        "einsum": "{np}.einsum({subscripts}, {0}, {1})",
        "einsum by BLAS": "{np}.einsum({subscripts}, {0}, {1}, optimize=True)",
        "solve for vectors": "{np}.linalg.solve({0}, {1}[..., None])[..., 0]",
        "flip": "{np}.flip({0}, {axes})",
        "sum": "{np}.sum({0}, axis={axes})",
        "sum all": "{np}.sum({0})",
        "cumsum": "{np}.cumsum({0}, axis=0)",
        "join": "{np}.concatenate([{0}, {1}])",
        "copy": "{0}.copy()",
        "broadcast": "{np}.broadcast_to({0}, {shape})",
        "cast": "{0}.astype({dtype})",
        "where": "{np}.where({0}, {1}, {2})",
        "clip": "{np}.clip({0}, {1}, {2})",
        "tril": "{np}.tril({0})",
        "tril at": "{np}.tril({0}, {1})",
        "triu": "{np}.triu({0})",
        "triu at": "{np}.triu({0}, {1})",
        "range": "{np}.arange({0})",
        "zeros": "{np}.zeros({length}, {dtype})",
        "ones": "{np}.ones({length}, {dtype})",
        "full": "{np}.full({shape}, {0}, {dtype})",
        "number": "{np}.asarray({0}, {dtype})",
        "eye": "{np}.eye({0}, dtype={dtype})",
        # Of the dtype and on the device of an array.
        "zeros like": "",
        "ones like": "",
        "full like": "",
        "number like": "",
        "eye like": "",
        # What may be a number, as an array, like another one if there is one.
        "number to array": "{np}.asarray({0})",
        "number to array like": "{np}.asarray({0})",
        "diag": "{np}.diag({0})",
        "sqrt": "{np}.sqrt({0})",
        # How what is written into a part of an array becomes part of a copy of it.
        "set": "",
        "add": "",
        # Where positions occur more than once.
        "add at": "{np}.add.at({0}, {1}, {2})",
    }

    def __init_subclass__(cls) -> None:
        LIBRARIES[cls.name] = cls()

    # --- code ---------------------------------------------------------------------------------

    def imported(self, line: str) -> str:
        """Return a line of code that imports NumPy's module as one that imports this module."""
        theirs = LIBRARIES[self.code].module
        return line.replace(f"import {theirs} as ", f"import {self.module} as ")

    @property
    def functions(self) -> Any:
        """The module of its functions, which was imported by whoever made the arrays."""
        return sys.modules[self.module]

    # --- arrays -------------------------------------------------------------------------------

    def is_traced(self, array: Any) -> bool:
        """Tell whether an array stands for another one while a function is traced."""
        del array
        return False

    def place_of(self, array: Any) -> Any:
        """Return the device that an array is on; None where there is one only, or it is moved."""
        del array

    def as_numpy(self, array: Any) -> Any:
        """Return what NumPy makes an array of: one with the values of this."""
        return array

    def check_operand(self, array: Any, name: str) -> None:
        """Raise an error for an array that cannot be computed with."""

    def check_dtypes(self, values: Mapping[str, Any]) -> None:
        """Raise OperandError for dtypes that the library does not multiply."""

    def are_dtypes_enough(self, values: Mapping[str, Any]) -> bool:
        """Tell whether the dtypes of arrays say that of a result."""
        del values
        return True

    def taken(self, value: Any, others: Sequence[Any]) -> Any:
        """Make an array of what was written as a number or a list, like others of the library."""
        dtype = others[0].dtype if kind_of(others[0].dtype) in "fc" else None
        if dtype is not None and kind_of(value.dtype) == "c":
            dtype = self.functions.result_type(dtype, 1j)
        return self.functions.asarray(value, dtype)

    def converted(self, array: Any, dtype: Any) -> Any:
        """Return an array in another dtype."""
        return array.astype(dtype)

    def result_dtype(
        self, needed: Callable[[Sequence[Any], str], Any], arrays: Sequence[Any], least: str
    ) -> Any:
        """Return the dtype in which expressions of arrays are computed.

        `needed` says in which NumPy would compute them, from the dtypes and the least one.
        """
        return needed([array.dtype for array in arrays], least)


LIBRARIES["numpy"] = ArrayLibrary()


# --- dtypes -----------------------------------------------------------------------------------


def kind_of(dtype: Any) -> str:
    """Return NumPy's letter for the kind of a dtype: one of ``"biufc"`` for numbers.

    >>> import numpy as np
    >>> kind_of(np.dtype("complex64"))
    'c'
    """
    kind = getattr(dtype, "kind", None)
    if kind is None:
        name = str(dtype).rpartition(".")[2].rstrip("0123456789")
        return _KINDS.get(name, "O")
    # Types that NumPy does not have itself, such as bfloat16, come as kind V.
    return "f" if kind == "V" and "float" in dtype.name else str(kind)


def numpy_dtype(dtype: Any) -> Any:
    """Return NumPy's dtype for one of another library, or one of its kind that it has."""
    name = str(dtype).rpartition(".")[2]
    return sys.modules["numpy"].dtype(_LIKE.get(name, name))


def at_least(dtype: Any, least: str) -> Any:
    """Widen a dtype of NumPy's to the least one that there may be.

    >>> import numpy as np
    >>> at_least(np.dtype("u1"), "integer"), at_least(np.dtype("f4"), "integer")
    (dtype('uint64'), dtype('float32'))
    """
    wide = {"float": "float64", "integer": "uint64" if dtype.kind == "u" else "int64"}.get(least)
    if wide is None or dtype.kind not in ("biu" if least == "float" else "iu"):
        return dtype
    return sys.modules["numpy"].result_type(dtype, wide)
