r"""Expressions computed by the library of their arrays: PyTorch, JAX or CuPy.

What runs is the code that `einsdiff.Tensor.code` shows: statements of that library, which it can
trace, differentiate and compile. A derivative with deltas,

.. math:: \frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q ,

is zeros into which ``x`` is written, and no identity matrix is formed.

>>> from einsdiff.algebra.nodes.nodes import einsum, variable
>>> x = variable("x", (2,))
>>> function = portable((einsum([x], ["q"], "iiq", {"i": 2}),), (), "numpy", (x,))
>>> function([np.array([1.0, 2.0])])
array([[[1., 2.],
        [0., 0.]],
<BLANKLINE>
       [[0., 0.],
        [1., 2.]]])
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from einsdiff.algebra.nodes.function import Function, revision
from einsdiff.algebra.nodes.graph import topological, variables_of
from einsdiff.algebra.nodes.nodes import Call, Node, Variable
from einsdiff.errors import OperandError, page
from einsdiff.numeric.libraries.library import (
    LIBRARIES,
    check_dtypes,
    check_places,
    kind_of,
    library_of,
    taken_to,
)
from einsdiff.numeric.libraries.operands import at_least, dtype_of
from einsdiff.numeric.libraries.registered import check_result
from einsdiff.numeric.orders.engines import Optimizer
from einsdiff.numeric.planning.slicing import with_numbers
from einsdiff.numeric.source.code import function_source

__all__ = ["Portable", "portable", "result_dtype"]


@dataclass(frozen=True, slots=True)
class Portable:
    """What computes nodes from arrays of one library, all of one dtype, in the order of names."""

    library: str
    nodes: tuple[Node, ...]
    names: tuple[str, ...]
    source: str
    function: Callable[..., tuple[Any, ...]]

    def __call__(self, inputs: Sequence[Any]) -> Any:
        """Compute from arrays of one dtype, in the order of the names: a result, or a tuple."""
        try:
            results = self.function(*inputs)
        except (RuntimeError, ValueError, TypeError):
            # The library says what is wrong, but not with which operands.
            check_places(dict(zip(self.names, inputs, strict=True)))
            raise
        return results[0] if len(results) == 1 else results


def portable(
    nodes: tuple[Node, ...],
    sizes: tuple[tuple[str, int], ...],
    library: str,
    arguments: tuple[Variable, ...],
    matrix: tuple[int, str, str] | None = None,
    *,
    has_floats: bool = True,
    optimizer: Optimizer = None,
) -> Portable:
    """Make a function of expressions, or return the one made before.

    Of the arguments, those that do not occur in the expressions are not read; but a result without
    any array in it has the dtype and the device of one. `matrix` is the number of domain axes, the
    layout and the vec order, if the one result is to be a matrix; `has_floats` says whether the
    arrays are of floating-point or complex numbers.
    """
    return _portable(nodes, sizes, library, arguments, matrix, has_floats, optimizer, revision())


@lru_cache(maxsize=512)
def _portable(
    nodes: tuple[Node, ...],
    sizes: tuple[tuple[str, int], ...],
    library: str,
    given: tuple[Variable, ...],
    matrix: tuple[int, str, str] | None,
    has_floats: bool,
    optimizer: Optimizer,
    revision: int,  # of the function table
) -> Portable:
    del revision
    numbers = with_numbers(nodes, dict(sizes))
    arguments = list(variables_of(numbers))
    if not any(v.shape for v in arguments):
        # One that there is an array for, of whose dtype and on whose device results are.
        known = [v for v in given if v.shape][:1] or list(given[:1])
        like = [v for v in with_numbers(known, dict(sizes)) if isinstance(v, Variable)]
        arguments += [v for v in like if v not in arguments]
    # CuPy's functions are called as NumPy's are.
    text, names = function_source(
        numbers,
        arguments,
        "numpy" if library == "cupy" else library,
        matrix,
        has_floats=has_floats,
        optimizer=optimizer,
    )
    if library == "cupy":
        text = text.replace("import numpy as np", "import cupy as np", 1)
    own = {
        names[part.function.name]: _called(part.function, library)
        for part in topological(numbers)
        if isinstance(part, Call) and part.function.name in names
    }
    # No user's text is in the source but identifiers.
    namespace: dict[str, Any] = {}
    exec(compile(text, f"<einsdiff for {library}>", "exec"), namespace)
    function = namespace["computed"]
    if own:
        function.__kwdefaults__ = own
    return Portable(library, nodes, tuple(v.name for v in arguments), text, function)


def _called(function: Function, library: str) -> Callable[..., Any]:
    """Return a function that was registered, with results that are arrays of the library."""
    implementation: Any = function.implementation

    def called(*arrays: Any) -> Any:
        try:
            result = implementation(*arrays)
        except Exception as error:
            raise OperandError(
                page(
                    f"'{function.name}' was registered with a function that does not take "
                    f"{LIBRARIES[library].array}: {str(error).splitlines()[0]}",
                    action="write it with operators and the functions of the array's own library, "
                    "or pass NumPy arrays",
                )
            ) from error
        if result is None:
            raise OperandError(
                page(f"'{function.name}' returned None", action="let it return an array")
            )
        check_result(function, [tuple(array.shape) for array in arrays], tuple(np.shape(result)))
        if library_of(result) == library:
            return result
        return taken_to(library, {"": arrays[0], "result": np.asarray(result)})["result"]

    return called


# --- dtypes -----------------------------------------------------------------------------------


def result_dtype(
    library: str, nodes: Sequence[Node], values: Mapping[str, Any], least: str = ""
) -> Any:
    """Return the dtype in which a library computes expressions of these arrays, one of its own.

    Integers become floating-point numbers where the expression needs it, of the library's default
    precision if there are no others, and at least `least`, one of
    `einsdiff.numeric.libraries.operands.LEAST`. PyTorch tensors of several floating-point dtypes
    are refused.
    """
    arrays = list(values.values())
    if library == "torch":
        check_dtypes(values)
        return _dtype_of_torch(nodes, [array.dtype for array in arrays], least)
    if library == "jax":
        return _dtype_of_jax(nodes, arrays, least)
    return np.result_type(*(dtype_of(node, [a.dtype for a in arrays], least) for node in nodes))


def _dtype_of_torch(nodes: Sequence[Node], dtypes: Sequence[Any], least: str) -> Any:
    torch = sys.modules["torch"]
    known = [np.dtype(_numpy_name(dtype)) for dtype in dtypes]
    wanted = np.result_type(*(dtype_of(node, known) for node in nodes))
    wanted = (
        np.dtype(int) if least == "integer" and wanted.kind in "iu" else at_least(wanted, least)
    )
    floats = [dtype for dtype in dtypes if kind_of(dtype) in "fc"]
    if not floats and wanted.kind in "iub":
        return getattr(torch, wanted.name, torch.int64)
    found = next((dtype for dtype in floats if dtype.is_complex), None)
    found = found or next(iter(floats), torch.get_default_dtype())
    return found.to_complex() if wanted.kind == "c" else found


def _dtype_of_jax(nodes: Sequence[Node], arrays: Sequence[Any], least: str) -> Any:
    jax = sys.modules["jax"]
    found = jax.numpy.result_type(*arrays) if arrays else jax.numpy.result_type(int)

    def wanted(known: Any) -> np.dtype[Any]:
        return np.result_type(*(dtype_of(node, [known]) for node in nodes))

    needed = wanted(np.dtype(_numpy_name(found)))
    if found.kind not in "iub":
        return jax.numpy.result_type(found, 1j) if needed.kind == "c" else found
    if least == "float":
        return jax.numpy.result_type(1.0 if needed.kind != "c" else 1j)
    if needed.kind in "iub" and least:
        needed = at_least(needed, least)
    if needed.kind in "iub":  # of which JAX may have no long ones
        there = jax.dtypes.canonicalize_dtype(needed)
        return there if wanted(there) == there else jax.numpy.result_type(1.0)
    return jax.numpy.result_type(1.0 if needed.kind == "f" else 1j)


def _numpy_name(dtype: Any) -> str:
    """Return what NumPy calls a dtype, or one of its kind that it has."""
    name = str(dtype).removeprefix("torch.")
    return {"complex32": "complex64", "bfloat16": "float16"}.get(name, name)
