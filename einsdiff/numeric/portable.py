r"""Expressions computed by the library of their arrays: PyTorch, JAX or CuPy.

What runs is the code that `einsdiff.Tensor.code` shows: statements of that library, which it can
trace, differentiate and compile. A derivative with deltas,

.. math:: \frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q ,

is zeros into which ``x`` is written, and no identity matrix is formed.

>>> from einsdiff.algebra.nodes import einsum, variable
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

from einsdiff.algebra.function import Function, revision
from einsdiff.algebra.graph import topological, variables_of
from einsdiff.algebra.nodes import Call, Node, Variable
from einsdiff.errors import OperandError, page
from einsdiff.numeric.arrays import dtype_of
from einsdiff.numeric.code import function_source
from einsdiff.numeric.libraries import (
    LIBRARIES,
    check_dtypes,
    check_places,
    dtype_kind,
    library_of,
    taken_to,
)
from einsdiff.numeric.slicing import with_numbers

__all__ = ["Portable", "portable", "result_dtype"]


@dataclass(frozen=True, slots=True)
class Portable:
    """A function of arrays of one library.

    Attributes
    ----------
    library
        Which it is.
    nodes
        What is computed.
    names
        The names of the arrays it takes, in order.
    source
        Its source.
    function
        Takes the arrays, all of one dtype, and returns a tuple of results.
    """

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
) -> Portable:
    """Make a function of expressions, or return the one made before.

    Parameters
    ----------
    nodes
        The expressions.
    sizes
        Pairs (named size, number).
    library
        One of `einsdiff.numeric.libraries.LIBRARIES`, other than Dask.
    arguments
        The variables that there are arrays for. Those that do not occur in the expressions are not
        read; but a result without any array in it has the dtype and the device of one.
    matrix
        The number of domain axes, the layout and the vec order, if the one result is to be a
        matrix.
    has_floats
        Whether the arrays are of floating-point or complex numbers.
    """
    return _portable(nodes, sizes, library, arguments, matrix, has_floats, revision())


@lru_cache(maxsize=512)
def _portable(
    nodes: tuple[Node, ...],
    sizes: tuple[tuple[str, int], ...],
    library: str,
    given: tuple[Variable, ...],
    matrix: tuple[int, str, str] | None,
    has_floats: bool,
    revision: int,  # of the function table
) -> Portable:
    del revision
    numbers = with_numbers(nodes, dict(sizes))
    arguments = list(variables_of(numbers))
    if not any(v.shape for v in arguments):
        like = next((v for v in given if v.shape), next(iter(given), None))
        if like is not None:
            (like,) = with_numbers([like], dict(sizes))
            assert isinstance(like, Variable)
            arguments += [like] if like not in arguments else []
    # CuPy's functions are called as NumPy's are.
    text, names = function_source(
        numbers,
        arguments,
        "numpy" if library == "cupy" else library,
        matrix,
        has_floats=has_floats,
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
        if library_of(result) == library:
            return result
        return taken_to(library, {"": arrays[0], "result": np.asarray(result)})["result"]

    return called


# --- dtypes -----------------------------------------------------------------------------------


def result_dtype(library: str, nodes: Sequence[Node], values: Mapping[str, Any]) -> Any:
    """Return the dtype in which a library computes expressions of these arrays.

    Parameters
    ----------
    library
        One of `einsdiff.numeric.libraries.LIBRARIES`.
    nodes
        The expressions.
    values
        Their arrays, of that library, by name.

    Returns
    -------
    dtype
        One of that library. Integers become floating-point numbers where the expression needs it,
        of the library's default precision if there are no others.

    Raises
    ------
    OperandError
        PyTorch tensors of several floating-point dtypes.
    """
    arrays = list(values.values())
    if library == "torch":
        torch = sys.modules["torch"]
        check_dtypes(values)
        floats = [a.dtype for a in arrays if dtype_kind(a) in "fc"]
        known = [np.dtype(_numpy_name(a.dtype)) for a in arrays]
        wanted = np.result_type(*(dtype_of(node, known) for node in nodes))
        if not floats:
            if wanted.kind in "iub":
                return getattr(torch, wanted.name, torch.int64)
            single = torch.get_default_dtype()
            return single if wanted.kind == "f" else single.to_complex()
        is_widened = wanted.kind == "c" and not floats[0].is_complex
        return floats[0].to_complex() if is_widened else floats[0]
    if library == "jax":
        jnp = sys.modules["jax"].numpy
        found = jnp.result_type(*arrays) if arrays else jnp.result_type(int)

        def wanted(known: Any) -> np.dtype[Any]:
            return np.result_type(*(dtype_of(node, [known]) for node in nodes))

        needed = wanted(np.dtype(_numpy_name(found)))
        if found.kind not in "iub":
            return jnp.result_type(found, 1j) if needed.kind == "c" else found
        if needed.kind in "iub":  # of which JAX may have no long ones
            there = sys.modules["jax"].dtypes.canonicalize_dtype(needed)
            return there if wanted(there) == there else jnp.result_type(1.0)
        return jnp.result_type(1.0 if needed.kind == "f" else 1j)
    return np.result_type(*(dtype_of(node, [a.dtype for a in arrays]) for node in nodes))


def _numpy_name(dtype: Any) -> str:
    """Return what NumPy calls a dtype, or one of its kind that it has."""
    name = str(dtype).removeprefix("torch.")
    if name in ("complex32",):
        return "complex64"
    return "float32" if "float" in name and name not in np.sctypeDict else name
