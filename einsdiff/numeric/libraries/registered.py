r"""Functions that users registered, and whether they return what they said they would.

A function :math:`y = f(x)` of each entry has as many entries as its argument, one of the signature
``(n)->()`` has none of its axes, and no function changes what it is given. What does otherwise is
an error that names the function, before a wrong number comes of it.

>>> from einsdiff.algebra.nodes.function_records import Function
>>> first = Function("first", ("1",), "first({0})", implementation=lambda x: x[:1])
>>> checked(first)(np.ones(3))
Traceback (most recent call last):
    ...
einsdiff.OperandError: 'first' returned the shape (1,), not (3,)
<BLANKLINE>
    first has the signature ()->(), and its arguments the shapes (3,)
<BLANKLINE>
return one value for each entry of the argument
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from einsdiff.algebra.nodes.function_records import Function
from einsdiff.errors import OperandError

#: The end of what NumPy says where an array that is not to be changed is.
_READ_ONLY = "read-only"


def checked(function: Function) -> Callable[..., Any]:
    """Return what computes a registered function, with arguments and results checked.

    It takes NumPy arrays, which it cannot change, and gives an array.
    """
    implementation: Any = function.implementation

    def call(*arrays: Any) -> Any:
        views = [_view(array) for array in arrays]
        try:
            result = implementation(*views)
        except ValueError as error:
            if _READ_ONLY not in str(error):
                raise
            raise OperandError(
                f"'{function.name}' was registered with a function that changes its argument: "
                f"{error}",
                action="let it return a new array",
            ) from error
        if result is None:
            _refuse(function, "None", "let it return an array")
        if isinstance(result, np.ma.MaskedArray):
            _refuse(function, "a masked array, and its mask would be lost", "return filled(value)")
        array = np.asarray(result)
        if array.dtype.kind not in "fciub":
            _refuse(function, f"{type(result).__name__}, no array of numbers", "return one")
        kinds = {getattr(given, "dtype", np.asarray(given).dtype).kind for given in arrays}
        if array.dtype.kind == "c" and "c" not in kinds:
            _refuse(
                function,
                "complex numbers for real ones",
                "return real numbers, or pass complex ones",
            )
        check_result(function, [np.shape(given) for given in arrays], array.shape)
        return array

    return call


def _view(array: Any) -> Any:
    """Return an array that is not to be changed."""
    if not isinstance(array, np.ndarray):
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def check_result(
    function: Function, given: Sequence[tuple[int, ...]], found: tuple[int, ...]
) -> None:
    """Raise OperandError unless a result has the shape that the signature says."""
    cores, result = function.cores
    sizes: dict[str, int] = {}
    batches = []
    for shape, names in zip(given, cores, strict=True):
        lead = len(shape) - len(names)
        sizes.update(zip(names, shape[lead:], strict=True))
        batches.append(shape[:lead])
    wanted = np.broadcast_shapes(*batches) + tuple(sizes[name] for name in result)
    if tuple(found) != wanted:
        what = "entry" if function.is_elementwise else "set of axes before those of the signature"
        raise OperandError(
            f"'{function.name}' returned the shape {tuple(found)}, not {wanted}",
            text=f"{function.name} has the signature {function.signature}, and its arguments "
            f"the shapes {', '.join(map(str, given))}",
            action=f"return one value for each {what} of the argument",
        )


def _refuse(function: Function, what: str, action: str) -> None:
    raise OperandError(f"'{function.name}' returned {what}", action=action)
