r"""The parameters of a problem: what they may be, and the one vector of all their entries.

>>> unknown = Parameters({"A": (2, 2), "b": ()})
>>> unknown.packed({"A": [[1, 2], [3, 4]], "b": 5})
array([1., 2., 3., 4., 5.])
>>> unknown.parts(np.arange(5.0))["A"]
array([[0., 1.],
       [2., 3.]])
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np

from einsdiff.algebra.nodes.interning import Variable
from einsdiff.errors import BindingError, OperandError, ShapeError, shape_text, shapes_line
from einsdiff.expressions.evaluation import sizes_of
from einsdiff.expressions.refusals import signature
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.notation.threads import cached_property
from einsdiff.numeric.libraries.known import LIBRARIES
from einsdiff.numeric.libraries.library import library_of
from einsdiff.numeric.libraries.operands import Array, as_array, dtype_of
from einsdiff.numeric.libraries.xarray import original
from einsdiff.verbs.calculus import grad

#: By the names of operands.
Shapes = Mapping[str, tuple[int, ...]]
Arrays = Mapping[str, Array]

# --- what is optimised ------------------------------------------------------------------------


def accepted(
    f: Tensor, chosen: Sequence[Variable]
) -> tuple[Tensor, Shapes, Arrays, Arrays, tuple[Tensor, ...]]:
    """Check what is optimised and by what.

    Returns the function, the shapes of the parameters, the arrays that are data, those that are
    the start, and the gradients by each parameter.
    """
    operands = signature(f.formula.arguments)
    names = [by.name for by in chosen]
    if not names or len({*names}) < len(names):
        raise OperandError(
            f"wrt={names!r} is no list of different parameters",
            shapes=operands,
            action=f"name each once, as in wrt={[*dict.fromkeys(names or f.names)]!r}",
        )
    for name, array in f.values.items():
        library = LIBRARIES[library_of(array)]
        if library is not LIBRARIES["numpy"]:
            raise OperandError(
                f"'{name}' is {library.array}, and SciPy's optimisers call with NumPy arrays",
                action=f"pass NumPy arrays: {name}=np.asarray({name})",
            )
    # One vector has no named dimensions, as xarray's arrays have.
    values = {n: a if original(a) is None else a.view() for n, a in f.values.items()}
    f = Tensor(f.formula, values)
    gradients = grad(f, wrt=tuple(names))
    required = {name for part in (f, *gradients) for name in part.formula.required}
    if missing := sorted((required - {*names}) - f.values.keys()):
        raise BindingError(
            f"no array for {listed(missing)}",
            shapes=operands,
            action=f"pass {', '.join(f'{name}=...' for name in missing)} to problem(), or make "
            f"{'it a parameter' if len(missing) == 1 else 'them parameters'}: "
            f"wrt={[*names, *missing]!r}",
        )
    known = sizes_of(f.formula, f.values)
    shapes: dict[str, tuple[int, ...]] = {}
    for by in chosen:
        shape = tuple(known.get(s, s) if isinstance(s, str) else s for s in by.shape)
        for size in shape:
            if isinstance(size, str):
                raise BindingError(
                    f"parameter '{by.name}' has no start value, and the size '{size}' of its "
                    f"shape {shape_text(shape)} does not follow from other arrays",
                    shapes=operands,
                    action=f"pass {by.name}=array to problem()",
                )
        if by.symmetric:
            raise OperandError(
                f"parameter '{by.name}' is symmetric, so that its entries are not free",
                action=f"leave symmetric=True out, and write ({by.name} + {by.name}.T) / 2 in "
                "the expression",
            )
        shapes[by.name] = tuple(map(int, shape))
    if unsettled := sorted(f.formula.named_sizes - known.keys()):
        raise BindingError(
            f"the number that size '{unsettled[0]}' stands for is not known",
            shapes=operands,
            action=f"give '{unsettled[0]}' as a number, as in sizes=",
        )
    data = {name: array for name, array in f.values.items() if name not in names}
    dtype = dtype_of(f.expr, [np.dtype(float), *(array.dtype for array in data.values())])
    if dtype.kind == "c":
        raise OperandError(
            "the function is complex, and only real ones are optimised",
            shapes=shapes_line([(n, a.shape) for n, a in data.items() if a.dtype.kind == "c"]),
            action="give real and imaginary parts as two operands",
        )
    start = {name: _start(name, f.values[name]) for name in names if name in f.values}
    return f, shapes, data, start, gradients


def _start(name: str, array: Array) -> Array:
    """Take the value that a parameter starts from."""
    if array.dtype.kind not in "iuf":
        raise OperandError(
            f"parameter '{name}' has dtype {array.dtype}, and the parameters of a problem are "
            "real numbers",
            action="give real and imaginary parts as two parameters"
            if array.dtype.kind == "c"
            else f"pass an array of floats for '{name}'",
        )
    start = np.array(array, float)
    bad = np.argwhere(~np.isfinite(start))
    if len(bad):
        where = f"[{', '.join(map(str, bad[0]))}]" if start.ndim else ""
        raise OperandError(
            f"{name}{where}, where parameter '{name}' starts, is {start[tuple(bad[0])]}",
            action="start from finite numbers",
        )
    return start


# --- one vector -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parameters:
    """Where in one vector the entries of each parameter are: in C order, one after the other."""

    shapes: Shapes

    @cached_property
    def size(self) -> int:
        """The number of entries of the vector."""
        return sum(map(prod, self.shapes.values()))

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Where in the vector each parameter is."""
        stops = accumulate(map(prod, self.shapes.values()))
        return {
            name: slice(stop - prod(shape), stop)
            for (name, shape), stop in zip(self.shapes.items(), stops, strict=True)
        }

    def packed(self, given: Mapping[str, Any]) -> Array:
        """Write values of the parameters one after the other into a vector."""
        strange = [name for name in given if name not in self.shapes]
        lacking = [name for name in self.shapes if name not in given]
        if strange or lacking:
            raise BindingError(
                f"there is no parameter '{strange[0]}'"
                if strange
                else f"no value for {listed(lacking)}",
                shapes=shapes_line(self.shapes),
                action=f"pass values for {listed(self.shapes)}",
            )
        x = np.empty(self.size)
        for name, place in self.slices.items():
            array, shape = real(given[name], f"the value of '{name}'"), self.shapes[name]
            if array.shape not in ((), shape):
                raise ShapeError(
                    f"the value of '{name}' has shape {shape_text(array.shape)}, "
                    f"but '{name}' is {shape_text(shape)}",
                    shapes=shapes_line(self.shapes),
                    action=f"pass an array of shape {shape_text(shape)}, or a number",
                )
            x[place] = array.ravel()
        return x

    def checked(self, x: Any, name: str = "x") -> Array:
        """Check a vector."""
        vector = x if isinstance(x, np.ndarray) else np.asarray(x)
        if vector.shape != (self.size,):
            raise ShapeError(
                f"{name} has shape {shape_text(vector.shape)}, but the parameters have "
                f"{self.size} entries",
                shapes=shapes_line(self.shapes),
                action=f"pass a vector of shape {shape_text((self.size,))}, as pack() makes it",
            )
        return real(vector, name)

    def parts(self, x: Array) -> dict[str, Array]:
        """View the parts of a vector as arrays of the parameters' shapes."""
        return {name: x[place].reshape(self.shapes[name]) for name, place in self.slices.items()}


def real(value: Any, what: str) -> Array:
    """Take real numbers as floats."""
    array = value if isinstance(value, np.ndarray) else np.asarray(as_array(value, what))
    if array.dtype == float:
        return array
    if array.dtype.kind not in "biuf":
        raise OperandError(
            f"{what} has dtype {array.dtype}, and is to be real", action="pass floats"
        )
    return array.astype(float)


def joined(parts: Sequence[Array]) -> Array:
    """Write arrays one after the other into a new vector."""
    return np.concatenate([part.ravel() for part in parts], dtype=float)


def listed(names: Iterable[str]) -> str:
    """Write names one after the other, each in quotation marks."""
    return " and ".join(f"'{name}'" for name in names)
