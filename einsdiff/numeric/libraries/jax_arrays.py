"""JAX: which dtypes and devices its arrays have, and what it calls otherwise than NumPy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from einsdiff.numeric.libraries.array_library import ArrayLibrary, at_least, kind_of, numpy_dtype


class Jax(ArrayLibrary):
    """JAX."""

    name, title, array = "jax", "JAX", "a JAX array"
    packages, module, alias, code = ("jax", "jaxlib"), "jax.numpy", "jnp", "jax"
    is_strict = True
    changes_in_place = False

    operations: ClassVar[Mapping[str, str]] = {
        **ArrayLibrary.operations,
        "einsum by BLAS": "{np}.einsum({subscripts}, {0}, {1})",
        "copy": "{0}",
        "number to array": "{np}.asarray(1.0 * {0})",
        "number to array like": "{np}.asarray(1.0 * {0})",
        "set": "{0}.at[{1}].set({2})",
        "add": "{0}.at[{1}].add({2})",
        "add at": "{0}.at[{1}].add({2})",
    }

    @property
    def functions(self) -> Any:
        return sys.modules["jax"].numpy

    def is_traced(self, array: Any) -> bool:
        return isinstance(array, sys.modules["jax"].core.Tracer)

    def place_of(self, array: Any) -> Any:
        if self.is_traced(array) or not array.committed:
            return None
        return tuple(sorted(map(str, array.devices())))

    def are_dtypes_enough(self, values: Mapping[str, Any]) -> bool:
        """Tell whether there is one dtype of floats, or one at all.

        An array that was made of a Python number gives way to others, which its dtype does not
        tell.
        """
        found = {array.dtype for array in values.values()}
        floats = {dtype for dtype in found if kind_of(dtype) in "fc"}
        return len(floats or found) <= 1

    def result_dtype(
        self, needed: Callable[[Sequence[Any], str], Any], arrays: Sequence[Any], least: str
    ) -> Any:
        """Return the dtype that JAX gives the arrays together, made one of floats if need be."""
        result_type = self.functions.result_type
        found = result_type(*arrays) if arrays else result_type(int)
        wanted = needed([numpy_dtype(found)], "")
        if found.kind not in "iub":
            return result_type(found, 1j) if wanted.kind == "c" else found
        if least == "float":
            return result_type(1.0 if wanted.kind != "c" else 1j)
        if wanted.kind in "iub" and least:
            wanted = at_least(wanted, least)
        if wanted.kind in "iub":  # of which JAX may have no long ones
            there = sys.modules["jax"].dtypes.canonicalize_dtype(wanted)
            return there if needed([there], "") == there else result_type(1.0)
        return result_type(1.0 if wanted.kind == "f" else 1j)
