"""A formula made ready for arrays of certain shapes, by NumPy or by another library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn
from weakref import ref

from einsdiff.errors import OperandError, ShapeError, SizeError, shape_text
from einsdiff.expressions.formula import Formula
from einsdiff.numeric.libraries.known import LIBRARIES
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.library import taken_to
from einsdiff.numeric.libraries.memory import memory_limit
from einsdiff.numeric.libraries.operands import Array

if TYPE_CHECKING:
    from einsdiff.numeric.planning.plan import Plan
    from einsdiff.numeric.running.program import Program
from einsdiff.expressions.refusals import result_too_large, size_error


@dataclass(frozen=True, slots=True)
class Prepared:
    """A program for arrays of certain shapes and dtypes, which were checked."""

    program: Program
    dtype: np.dtype[Any]  # in which it computes
    names: tuple[str, ...]  # the names of the arrays it takes, in order
    shapes: tuple[tuple[int, ...], ...]  # of the results
    library: ClassVar[str] = "numpy"  # that computes
    bytes: int  # how many it allocates at one time, copies of operands of other dtypes included
    #: How many it may allocate; None for the limit that `set_memory_limit` sets.
    limit: int | None = None

    def run(self, values: Mapping[str, Array], out: Array | None = None) -> Any:
        """Compute; an array is written into `out` if there is one, see `evaluate`."""
        return self.call(self.converted([values[name] for name in self.names]), out)

    def converted(self, inputs: Sequence[Array]) -> list[Array]:
        """Convert arrays to the dtype that is computed in.

        One dtype for all: integers cannot overflow then, and steps may use each other's memory.
        """
        return [a if a.dtype == self.dtype else a.astype(self.dtype) for a in inputs]

    @property
    def source(self) -> str:
        """The statements of the program."""
        return self.program.source

    @property
    def plan(self) -> Plan:
        """The plan of the program."""
        return self.program.plan

    @property
    def copied(self) -> int:
        """How many entries of operands of other dtypes are converted, and kept meanwhile."""
        return self.bytes // self.dtype.itemsize - self.plan.peak

    def call(self, inputs: Sequence[Array], out: Array | None = None) -> Any:
        """Compute from arrays of the program's dtype, in its order."""
        if self.bytes > (memory_limit() if self.limit is None else self.limit):
            raise too_large(self)
        function = self.program.function
        if out is None:
            result = function(*inputs)
            if self.program.plan.pattern is not None:
                remember(result, self.program)
            return result
        _check_out(out, self.shapes[0], self.dtype)
        is_zero = is_remembered(out, self.program)
        forget(out)  # until it is written as a whole
        if any(np.may_share_memory(out, array) for array in inputs):
            out[...] = function(*inputs)
        elif self.program.plan.pattern is None:
            function(*inputs, out=out)
        else:
            function(*inputs, out=out, clear=not is_zero)
            remember(out, self.program)
        return out


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What is computed by another library than NumPy, for arrays that were checked."""

    library: str  # which it is, of `einsdiff.numeric.libraries.library.LIBRARIES`
    names: tuple[str, ...]  # the names of the arrays it takes, in order
    dtype: Any  # in which it computes; one of that library
    function: Callable[[Sequence[Any]], Any]  # takes these arrays, all of that dtype
    source: str  # that it runs
    is_kept: bool = True  # whether it is for all arrays of these shapes and dtypes
    bytes: int = 0  # none of NumPy's

    def run(self, values: Mapping[str, Any], out: Any = None) -> Any:
        """Compute from arrays by name, numbers and lists among them."""
        taken = taken_to(self.library, values)
        return self.call(self.converted([taken[name] for name in self.names]), out)

    def converted(self, inputs: Sequence[Any]) -> list[Any]:
        """Convert arrays to the dtype that is computed in."""
        convert = LIBRARIES[self.library].converted
        return [a if a.dtype == self.dtype else convert(a, self.dtype) for a in inputs]

    def call(self, inputs: Sequence[Any], out: Any = None) -> Any:
        """Compute from arrays of that dtype, in the order of the names."""
        if out is not None:
            raise OperandError(
                f"out= is for NumPy arrays, and {LIBRARIES[self.library].title} computes this",
                action="leave it out",
            )
        result = self.function(inputs)
        if isinstance(result, tuple):
            return tuple(self.converted(result))
        return self.converted([result])[0]  # functions of the library may have widened it

    @property
    def plan(self) -> NoReturn:
        """There is none: the library runs the statements of `source`."""
        raise OperandError(
            f"{LIBRARIES[self.library].title} computes this, so that there is no plan of "
            "NumPy's operations",
            action="see .source, or pass NumPy arrays",
        )


#: For the arrays that are zero but where a program wrote: these, and the program.
_written: dict[int, tuple[ref[Array], Program]] = {}


def remember(array: Array, program: Program) -> None:
    """Remember that an array is zero but where a program writes."""
    key = id(array)
    known = _written.get(key)
    if known is None or known[1] is not program or known[0]() is not array:
        _written[key] = ref(array, lambda _: _written.pop(key, None)), program


def forget(array: Array) -> None:
    """Forget what is known of an array's entries, and of those of what it is a view of."""
    base: object = array
    while base is not None:
        _written.pop(id(base), None)
        base = getattr(base, "base", None)


def is_remembered(array: Array, program: Program) -> bool:
    """Tell whether an array is zero but where a program writes."""
    known = _written.get(id(array))
    return known is not None and known[0]() is array and known[1].writes_as(program)


def too_large(prepared: Prepared, formulas: Sequence[Formula] = ()) -> SizeError:
    """Say which array on the way is above the memory limit."""
    plan, item = prepared.program.plan, prepared.dtype.itemsize
    costs, copied = plan.costs, prepared.copied
    limit = memory_limit() if prepared.limit is None else prepared.limit
    first = next((k for k, cost in enumerate(costs) if (cost.alive + copied) * item > limit), 0)
    kept = [shape for shape in prepared.shapes if prod(shape) * item > limit]
    if kept or not costs:
        return result_too_large(formulas, (kept or prepared.shapes)[0], prepared.dtype, limit)
    step = plan.instructions[first]
    what = f"step {first + 1} ({step.op}) on the way to the result, of shape"
    converted = " and with operands converted" if copied else ""
    alive = (f" with what is alive then{converted}", (costs[first].alive + copied) * item)
    return size_error(formulas, what, step.shape, prepared.dtype, limit, alive)


def _check_out(out: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if not isinstance(out, np.ndarray) or not out.flags.writeable:
        raise OperandError(
            f"out is a {type(out).__name__} that cannot be written into",
            action="pass a writeable NumPy array, or leave it out",
        )
    if out.shape != shape or out.dtype != dtype:
        raise ShapeError(
            f"out has shape {shape_text(out.shape)} and dtype {out.dtype}, but the result "
            f"has shape {shape_text(shape)} and dtype {dtype}",
            action="pass an array of the result's shape and dtype",
        )
