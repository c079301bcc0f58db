r"""Expressions computed by the library of their arrays: PyTorch, JAX or CuPy.

What runs is the code that `einsdiff.Tensor.code` shows: statements of that library, which it can
trace, differentiate and compile. A derivative with deltas,

.. math:: \frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q ,

is zeros into which ``x`` is written, and no identity matrix is formed.

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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from einsdiff.algebra.nodes.function_records import Function, revision
from einsdiff.algebra.nodes.graph import topological, variables_of
from einsdiff.algebra.nodes.interning import Call, Node, Variable
from einsdiff.errors import OperandError
from einsdiff.numeric.libraries.known import LIBRARIES
from einsdiff.numeric.libraries.library import check_places, library_of, taken_to
from einsdiff.numeric.libraries.registered import check_result
from einsdiff.numeric.orders.engines import Optimizer
from einsdiff.numeric.planning.slicing import with_numbers
from einsdiff.numeric.source.code import function_source


@dataclass(frozen=True, slots=True)
class Portable:
    """A function of arrays of one library."""

    library: str  # which it is
    nodes: tuple[Node, ...]  # what is computed
    names: tuple[str, ...]  # the names of the arrays it takes, in order
    source: str  # its source
    #: Takes the arrays, all of one dtype, and returns a tuple of results.
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

    `sizes` are pairs (named size, number). The `arguments` are the variables that there are arrays
    for; those that do not occur in the expressions are not read, but a result without any array in
    it has the dtype and the device of one. `matrix` is the number of domain axes, the layout and
    the vec order, if the one result is to be a matrix.
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
    text, names = function_source(
        numbers, arguments, library, matrix, has_floats=has_floats, optimizer=optimizer
    )
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
                f"'{function.name}' was registered with a function that does not take "
                f"{LIBRARIES[library].array}: {str(error).splitlines()[0]}",
                action="write it with operators and the functions of the array's own library, "
                "or pass NumPy arrays",
            ) from error
        if result is None:
            raise OperandError(f"'{function.name}' returned None", action="let it return an array")
        check_result(function, [tuple(array.shape) for array in arrays], tuple(np.shape(result)))
        if library_of(result) == library:
            return result
        return taken_to(library, {"": arrays[0], "result": np.asarray(result)})["result"]

    return called
