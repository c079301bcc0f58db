"""From a formula and arrays to numbers: what is checked before a program runs.

>>> from einsdiff.expressions.formula import symbol
>>> formula = symbol("x", ("n",))
>>> evaluate(formula, {"x": np.array([1.0, 2.0])})
array([1., 2.])
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakKeyDictionary, ref

import numpy as np

from einsdiff.algebra.nodes.function import WITHOUT_IDENTITY
from einsdiff.algebra.nodes.graph import not_analytic, topological
from einsdiff.algebra.nodes.nodes import Call, Node, Variable, einsum
from einsdiff.errors import (
    BindingError,
    EinsdiffError,
    OperandError,
    ShapeError,
    SizeError,
    page,
    shape_text,
    shapes_line,
)
from einsdiff.expressions.formula import Formula, joined_arguments, joined_least
from einsdiff.expressions.layout import Layout, VecOrder, as_matrix
from einsdiff.numeric.libraries.library import (
    LIBRARIES,
    are_dtypes_enough,
    as_numpy,
    check_places,
    common_library,
    dtype_kind,
    is_traced,
    kind_of,
    library_of,
    taken_to,
)
from einsdiff.numeric.libraries.memory import format_bytes, memory_limit
from einsdiff.numeric.libraries.operands import Array, dtype_of
from einsdiff.numeric.libraries.xarray import KNOWN, Conflict, conflict, named, original

# What plans and solves is imported where it is needed: a formula is read without it.
if TYPE_CHECKING:
    from einsdiff.numeric.orders.engines import Optimizer
    from einsdiff.numeric.planning.plan import Plan
    from einsdiff.numeric.running.program import Program

__all__ = [
    "TRACED",
    "Elsewhere",
    "Prepared",
    "check_dimensions",
    "check_numpy",
    "check_symmetric",
    "evaluate",
    "evaluate_matrix",
    "evaluated_dtype",
    "in_conflict",
    "missing_array",
    "places_of",
    "prepare",
    "prepare_anywhere",
    "signature",
    "sizes_of",
    "with_dimensions",
]

#: While a function is traced: the arrays by name that its tensors stand for.
TRACED: ContextVar[dict[str, Array] | None] = ContextVar("TRACED", default=None)

#: The most axes that an array of NumPy's can have.
MOST_AXES = 64 if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else 32


def sizes_of(formula: Formula, values: Mapping[str, Array]) -> dict[str, int]:
    """Find the number that each named size stands for, and check all shapes.

    Parameters
    ----------
    formula
        What is to be evaluated.
    values
        Arrays by the names of its variables; some may be missing.

    Returns
    -------
    dict
        A number for each named size that an array tells.

    Raises
    ------
    ShapeError
        An array has not the shape of its variable, or two arrays disagree on a size.
    """
    sizes: dict[str, int] = {}
    origin: dict[str, str] = {}
    for argument in formula.arguments:
        array = values.get(argument.name)
        if array is None or array.shape == argument.shape:
            continue
        if array.ndim != len(argument.shape):
            raise _wrong_shape(formula, argument, array, "the number of axes differs", sizes)
        for size, n in zip(argument.shape, array.shape, strict=True):
            if isinstance(size, int):
                if size != n:
                    raise _wrong_shape(formula, argument, array, f"{n} is not {size}", sizes)
            elif sizes.setdefault(size, n) != n:
                reason = f"size '{size}' is {sizes[size]} in '{origin[size]}', but {n} here"
                raise _wrong_shape(formula, argument, array, reason, sizes)
            else:
                origin.setdefault(size, argument.name)
    return sizes


def _wrong_shape(
    formula: Formula, argument: Variable, array: Array, reason: str, sizes: Mapping[str, int]
) -> ShapeError:
    wanted = tuple(sizes.get(s, s) if isinstance(s, str) else s for s in argument.shape)
    return ShapeError(
        page(
            f"the array for '{argument.name}' has shape {shape_text(array.shape)}, "
            f"but '{argument.name}' is {shape_text(argument.shape)}: {reason}",
            text=formula.text,
            carets=places_of(argument.name, formula.text),
            shapes=signature(formula.arguments),
            action=f"pass an array of shape {shape_text(wanted)} for '{argument.name}'",
        )
    )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A program for arrays of certain shapes and dtypes, which were checked.

    Attributes
    ----------
    program
        The program.
    dtype
        In which it computes.
    names
        The names of the arrays it takes, in order.
    shapes
        The shapes of the results.
    bytes
        How many it allocates at one time, copies of operands of other dtypes included.
    limit
        How many it may allocate; None for the limit that `set_memory_limit` sets.
    """

    program: Program
    dtype: np.dtype[Any]
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    bytes: int
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

    @property
    def library(self) -> str:
        """The library that computes: NumPy."""
        return "numpy"

    def call(self, inputs: Sequence[Array], out: Array | None = None) -> Any:
        """Compute from arrays of the program's dtype, in its order."""
        if self.bytes > (memory_limit() if self.limit is None else self.limit):
            raise _too_large(self)
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
    """What is computed by another library than NumPy, for arrays that were checked.

    Attributes
    ----------
    library
        Which it is, of `einsdiff.numeric.libraries.library.LIBRARIES`.
    names
        The names of the arrays it takes, in order.
    dtype
        In which it computes; one of that library.
    function
        Takes these arrays, all of that dtype.
    source
        The statements it runs.
    is_kept
        Whether it is for all arrays of these shapes and dtypes.
    bytes
        None of NumPy's.
    """

    library: str
    names: tuple[str, ...]
    dtype: Any
    function: Callable[[Sequence[Any]], Any]
    source: str
    is_kept: bool = True
    bytes: int = 0

    def run(self, values: Mapping[str, Any], out: Any = None) -> Any:
        """Compute from arrays by name, numbers and lists among them."""
        taken = taken_to(self.library, values)
        return self.call(self.converted([taken[name] for name in self.names]), out)

    def converted(self, inputs: Sequence[Any]) -> list[Any]:
        """Convert arrays to the dtype that is computed in."""
        convert = "to" if self.library == "torch" else "astype"
        return [a if a.dtype == self.dtype else getattr(a, convert)(self.dtype) for a in inputs]

    def call(self, inputs: Sequence[Any], out: Any = None) -> Any:
        """Compute from arrays of that dtype, in the order of the names."""
        if out is not None:
            raise OperandError(
                page(
                    f"out= is for NumPy arrays, and {LIBRARIES[self.library].title} computes this",
                    action="leave it out",
                )
            )
        result = self.function(inputs)
        if isinstance(result, tuple):
            return tuple(self.converted(result))
        return self.converted([result])[0]  # functions of the library may have widened it

    @property
    def plan(self) -> NoReturn:
        """There is none: the library runs the statements of `source`."""
        raise OperandError(
            page(
                f"{LIBRARIES[self.library].title} computes this, so that there is no plan of "
                "NumPy's operations",
                action="see .source, or pass NumPy arrays",
            )
        )


def prepare(
    formulas: Sequence[Formula],
    values: Mapping[str, Any],
    in_cores: bool = False,
    nodes: tuple[Node, ...] = (),
    limit: int | None = None,
    optimize: Any = None,
) -> Prepared:
    """Check NumPy arrays, and plan the evaluation of formulas for them.

    Parameters
    ----------
    formulas
        What is to be evaluated, together.
    values
        An array for each variable that the values depend on.
    in_cores
        Whether results are left as cores.
    nodes
        What is evaluated in place of the formulas' expressions, from the same variables.
    limit
        The most bytes to allocate at one time; None for the limit that `set_memory_limit` sets.
    optimize
        Who searches for the order of products; see `einsdiff.numeric.orders.engines.as_optimizer`.

    Returns
    -------
    Prepared
        What runs with arrays of these shapes and dtypes.

    Raises
    ------
    BindingError, OperandError, ShapeError
        As for `evaluate`.
    """
    if KNOWN:
        check_dimensions(formulas, values)
    common_library(values)
    check_numpy(values, "this", formulas[0])
    sizes = _settled(formulas, values)
    from einsdiff.numeric.running.program import program_for

    dtypes = [array.dtype for array in values.values()]
    dtype = np.result_type(*(dtype_of(f.expr, dtypes, f.least) for f in formulas))
    known = tuple(sorted(sizes.items()))
    wanted = nodes or tuple(f.expr for f in formulas)
    optimizer = _optimizer(optimize, formulas)
    most = memory_limit() if limit is None else limit
    if not in_cores:  # before any work, which may be as long as the result is large
        _check_ranks(formulas, [node.shape for node in wanted])
        for node in wanted:
            shape = tuple(s if isinstance(s, int) else sizes[s] for s in node.shape)
            if prod(shape) * dtype.itemsize > most:
                raise _result_too_large(formulas, shape, dtype, most)
    program = program_for(wanted, known, dtype, in_cores, None, optimizer)
    names = tuple(part.name for part in program.inputs)
    copied = sum(values[name].size for name in names if values[name].dtype != dtype)
    shapes = program.plan.shapes
    room = most // dtype.itemsize - copied
    if program.plan.peak > room:
        program = program_for(wanted, known, dtype, in_cores, max(room, 0), optimizer)
        names = tuple(part.name for part in program.inputs)
    count = (program.plan.peak + copied) * dtype.itemsize
    prepared = Prepared(program, dtype, names, shapes, count, limit)
    if program.plan.peak > room:
        raise _too_large(prepared, formulas)
    return prepared


def prepare_anywhere(
    formulas: Sequence[Formula],
    values: Mapping[str, Any],
    limit: int | None = None,
    matrix: tuple[int, str, str] | None = None,
    optimize: Any = None,
) -> Prepared | Elsewhere:
    """Check arrays of any library, and make what computes formulas from them.

    Parameters
    ----------
    formulas, values, limit, optimize
        As for `prepare`.
    matrix
        The number of domain axes, the layout and the vec order, if the one result is to be a
        matrix. With NumPy arrays it is left to the caller.

    Returns
    -------
    Prepared or Elsewhere
        What runs with arrays of these shapes and dtypes.

    Raises
    ------
    BindingError, OperandError, ShapeError, SizeError
        As for `evaluate`; and arrays of several libraries, dtypes or devices.
    """
    library = common_library(values)
    if library == "numpy":
        return prepare(formulas, values, limit=limit, optimize=optimize)
    sizes = _settled(formulas, values)
    nodes = tuple(f.expr for f in formulas)
    known = tuple(sorted(sizes.items()))
    taken = taken_to(library, values)
    check_places(taken)
    from einsdiff.numeric.running.portable import portable, result_dtype

    shapes = [tuple(sizes[s] if isinstance(s, str) else s for s in node.shape) for node in nodes]
    _check_ranks(formulas, shapes)
    dtype = result_dtype(library, nodes, taken, joined_least(f.least for f in formulas))
    bound = tuple(v for v in joined_arguments(formulas) if v.name in values)
    optimizer = _optimizer(optimize, formulas)
    if library == "dask":  # whose results are as large as their chunks
        from einsdiff.numeric.chunks.chunked import chunked

        if optimizer is not None:
            raise OperandError(
                page(
                    "optimize= is for arrays in memory: what Dask computes is ordered by what is "
                    "moved between chunks",
                    text=formulas[0].text if formulas else "",
                    action="leave it out",
                )
            )
        lazy = chunked(nodes, known, bound, matrix)
        return Elsewhere(library, lazy.names, dtype, lazy, lazy.source)
    room = memory_limit() if limit is None else limit
    for shape in shapes:
        if prod(shape) * dtype.itemsize > room:
            raise _result_too_large(formulas, shape, dtype, room)
    has_floats = kind_of(dtype) in "fc"
    function = portable(
        nodes, known, library, bound, matrix, has_floats=has_floats, optimizer=optimizer
    )
    kept = are_dtypes_enough(taken)
    return Elsewhere(library, function.names, dtype, function, function.source, is_kept=kept)


def check_numpy(values: Mapping[str, Any], what: str, formula: Formula | None = None) -> None:
    """Raise OperandError for arrays of other libraries than NumPy.

    Parameters
    ----------
    values
        Arrays by name.
    what
        What needs NumPy arrays.
    formula
        What is computed.

    Examples
    --------
    >>> check_numpy({"x": np.ones(2)}, "cores()")
    """
    for name, value in values.items():
        if library_of(value) != "numpy":
            raise OperandError(
                page(
                    f"{what} is computed from NumPy arrays only, and '{name}' is "
                    f"{LIBRARIES[library_of(value)].array}",
                    text="" if formula is None else formula.text,
                    action=_INSTEAD.get(what, "use dense(), matrix(), jvp(v) or vjp(u)")
                    + ", or pass NumPy arrays",
                )
            )


#: What to do in place of what needs NumPy arrays, where the dense forms are not it.
_INSTEAD = {
    "solve()": "solve with the values if they are few, as in np.linalg.solve(np.asarray(t), rhs)"
}


def evaluated_dtype(formula: Formula, values: Mapping[str, Any]) -> Any:
    """Return the dtype of a result, from those of the arrays that there are.

    Parameters
    ----------
    formula, values
        As for `evaluate`.
    """
    library = common_library(values)
    if library in ("numpy", "cupy", "dask"):
        dtypes = (array.dtype for array in values.values())
        return dtype_of(formula.expr, dtypes, formula.least)
    from einsdiff.numeric.running.portable import result_dtype

    return result_dtype(library, [formula.expr], taken_to(library, values), formula.least)


def _optimizer(optimize: Any, formulas: Sequence[Formula]) -> Optimizer:
    """Read ``optimize=``; a path counts the operands in the order of the arguments."""
    if optimize is None:
        return None
    from einsdiff.numeric.orders.engines import as_optimizer

    return as_optimizer(optimize, [v.name for v in joined_arguments(formulas)])


def _settled(formulas: Sequence[Formula], values: Mapping[str, Any]) -> dict[str, int]:
    """Check that arrays fit to formulas and to each other; return the numbers of named sizes."""
    sizes: dict[str, int] = {}
    for formula in formulas:
        for size, n in sizes_of(formula, values).items():
            if sizes.setdefault(size, n) != n:
                raise ShapeError(
                    page(
                        f"size '{size}' is {sizes[size]} in one expression and {n} in another",
                        text=formula.text,
                        shapes=signature(formula.arguments),
                        action="give one of them another name, or compute them one by one",
                    )
                )
        for argument in formula.arguments:
            if argument.name in formula.required and argument.name not in values:
                raise missing_array(formula, argument.name)
    for formula in formulas:
        for size in sorted(formula.named_sizes - sizes.keys()):
            raise _unsettled(formula, size)
        _check_analytic(formula, values)
        _check_not_empty(formula, sizes, values)
    return sizes


def _check_not_empty(formula: Formula, sizes: Mapping[str, int], values: Mapping[str, Any]) -> None:
    """Raise ShapeError for the largest of no entries, of all libraries alike."""
    for node in topological([formula.expr]):
        if not isinstance(node, Call) or node.function.name not in WITHOUT_IDENTITY:
            continue
        axes = node.args[0].shape[len(node.shape) :]
        empty = [size for size in axes if sizes.get(str(size), size) == 0]
        if empty:
            name, size = node.function.name, empty[0]
            where = f": size '{size}' is 0" if isinstance(size, str) else ""
            raise ShapeError(
                page(
                    f"{name} of no entries{where}",
                    text=formula.text,
                    shapes=shapes_line([(n, a.shape) for n, a in values.items()]),
                    action=f"there is no {name} of none: leave out the empty axis",
                )
            )


def _check_ranks(formulas: Sequence[Formula], shapes: Iterable[Sequence[object]]) -> None:
    for formula, shape in zip(formulas, shapes, strict=True):
        if len(shape) > MOST_AXES:
            raise ShapeError(
                page(
                    f"the result has {len(shape)} axes, "
                    f"and NumPy's arrays have at most {MOST_AXES}",
                    text=formula.text,
                    action="contract some of them first",
                )
            )


def evaluate(
    formula: Formula,
    values: Mapping[str, Array],
    out: Array | None = None,
    order: VecOrder = "C",
    limit: int | None = None,
    optimize: Any = None,
) -> Array:
    """Compute a formula.

    Parameters
    ----------
    formula
        What is to be evaluated.
    values
        An array for each variable that the value depends on.
    out
        An array of the result's shape and dtype to write into. If it is what an earlier call gave
        or wrote, only the entries that can be other than zero are written.
    order
        The memory layout of a new result.
    limit
        The most bytes to allocate at one time; None for the limit that `set_memory_limit` sets.
    optimize
        Who searches for the order of products; see `einsdiff.numeric.orders.engines.as_optimizer`.

    Returns
    -------
    array
        The result, `out` if it was given. It shares no memory with the values.

    Raises
    ------
    BindingError
        A variable has no array, or a named size no number.
    OperandError
        Complex values for a function of real numbers.
    ShapeError, SizeError
        Arrays that do not fit, or a result that memory does not hold.
    """
    if KNOWN:
        check_dimensions([formula], values)
    is_reversed = order == "F" and len(formula.expr.shape) > 1
    prepared = _prepared_before(formula, values, is_reversed, limit, optimize)
    result: Array = _run(formula, prepared, values, out)
    return result.T if is_reversed else result


def evaluate_matrix(
    formula: Formula, values: Mapping[str, Any], layout: Layout, order: VecOrder
) -> Any:
    """Compute a formula, and reshape it to a matrix.

    Parameters
    ----------
    formula, values
        As for `evaluate`.
    layout, order
        As for `einsdiff.expressions.layout.as_matrix`.

    Returns
    -------
    array
        Of the library of the values.

    Raises
    ------
    BindingError, OperandError, ShapeError, SizeError
        As for `evaluate`.
    """
    domain = formula.domain or 0
    if KNOWN:
        check_dimensions([formula], values)
    if common_library(values) == "numpy":
        return np.asarray(as_matrix(evaluate(formula, values, None, order), domain, layout, order))
    prepared = prepare_anywhere([formula], values, matrix=(domain, layout, order))
    return _run(formula, prepared, values)


def _run(
    formula: Formula, prepared: Prepared | Elsewhere, values: Mapping[str, Any], out: Any = None
) -> Any:
    try:
        return prepared.run(values, out)
    except EinsdiffError as error:
        if isinstance(prepared, Prepared):
            raise
        raise error.located(formula.text) from None
    except (np.linalg.LinAlgError, RuntimeError) as error:  # the latter of PyTorch
        error.add_note(f"while computing {formula.text}")
        raise


#: For a formula what was prepared, by the shapes and dtypes of its arrays.
_ready: WeakKeyDictionary[Formula, dict[Any, Prepared | Elsewhere]] = WeakKeyDictionary()
#: So many of these are kept for each.
MOST_KEPT = 16


def _prepared_before(
    formula: Formula,
    values: Mapping[str, Any],
    is_reversed: bool,
    limit: int | None,
    optimize: Any = None,
) -> Prepared | Elsewhere:
    """Return what was prepared for such arrays, or prepare it."""
    room = memory_limit() if limit is None else limit  # which may have changed
    arrays = [(name, type(a), a.dtype, a.shape) for name, a in values.items()]
    key = (is_reversed, room, _optimizer(optimize, [formula]), *arrays)
    known = _ready.get(formula)
    if known is None:
        known = _ready.setdefault(formula, {})
    prepared = known.get(key)
    if prepared is None:
        if is_reversed:
            nodes = (_reversed(formula.expr),)
            prepared = prepare([formula], values, nodes=nodes, limit=limit, optimize=optimize)
        else:
            prepared = prepare_anywhere([formula], values, limit, optimize=optimize)
        if len(known) >= MOST_KEPT:
            known.clear()
        if isinstance(prepared, Prepared) or prepared.is_kept:
            known[key] = prepared
    return prepared


@lru_cache(maxsize=256)
def _reversed(node: Node) -> Node:
    labels = range(len(node.shape))
    return einsum([node], [labels], labels[::-1])


# --- arrays that were written before ----------------------------------------------------------

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


# --- named dimensions -------------------------------------------------------------------------


def with_dimensions(formula: Formula, values: Mapping[str, Any], result: Any) -> Any:
    """Give a result the named dimensions of the arrays that it was computed from.

    Parameters
    ----------
    formula, values
        What was evaluated.
    result
        Its value.

    Returns
    -------
    array
        One of xarray's if one of the arrays came as such, else `result`.
    """
    if not KNOWN:
        return result
    expressions, by = _derived_from(formula)
    return named(result, expressions, by, values)


def check_dimensions(formulas: Sequence[Formula], values: Mapping[str, Any]) -> None:
    """Raise ShapeError for axes that are bound to each other and are of different dimensions.

    Parameters
    ----------
    formulas
        What is to be evaluated.
    values
        Arrays for their variables.
    """
    for formula in formulas:
        found = conflict(_derived_from(formula)[0], values)
        if found is not None:
            raise in_conflict(found, values, formula.text)


@lru_cache(maxsize=1024)
def _derived_from(formula: Formula) -> tuple[tuple[Node, ...], tuple[Variable, ...]]:
    """List expressions from a derivative to the function, and what that is differentiated by."""
    expressions, by = [formula.expr], []
    while formula.source is not None:
        formula, variable = formula.source
        expressions.append(formula.expr)
        by.append(variable)
    return tuple(expressions), tuple(reversed(by))


def in_conflict(
    found: Conflict,
    values: Mapping[str, Any],
    text: str,
    label: str = "",
    carets: Iterable[int] = (),
) -> ShapeError:
    """Make the error for axes whose dimensions or coordinates are different.

    Parameters
    ----------
    found
        Which axes these are.
    values
        Arrays by name.
    text, carets
        The string in question, and columns of it.
    label
        The label that binds the axes, if there is one.
    """
    (a, b), (one, other) = (found.first.name, found.second.name), found.dimensions
    bound = f"label '{label}'" if label else "one index"
    if found.is_of_names:
        headline = f"{bound} is dimension '{one}' of '{a}' and dimension '{other}' of '{b}'"
        action = f"rename it, as in {b}.rename({{{other!r}: {one!r}}}), or bind other axes"
    else:
        headline = f"{bound} has other coordinates along '{one}' in '{a}' than in '{b}'"
        action = f"align them first, as in {a}, {b} = xr.align({a}, {b}, join='inner')"
    shown = []
    for name in dict.fromkeys((a, b)):
        array = original(values[name])
        shown.append((name, [f"{d}: {n}" for d, n in array.sizes.items()]))
    columns = list(carets) or [c for name in (a, b) for c in places_of(name, text)]
    return ShapeError(
        page(headline, text=text, carets=columns, shapes=shapes_line(shown), action=action)
    )


# --- what does not fit ------------------------------------------------------------------------


def _check_analytic(formula: Formula, values: Mapping[str, Array]) -> None:
    """Refuse complex values where the function of real numbers has no such extension."""
    names = frozenset(name for name, array in values.items() if dtype_kind(array) == "c")
    function = not_analytic(formula.expr, names)
    if function is not None:
        raise OperandError(
            page(
                f"'{function.name}' is a function of real numbers, and its argument is complex",
                text=formula.text,
                shapes=signature(formula.arguments),
                action="pass real arrays; give real and imaginary parts as two variables",
            )
        )


def missing_array(formula: Formula, name: str) -> BindingError:
    """Make the error for a variable that has no array.

    Parameters
    ----------
    formula
        What is to be evaluated.
    name
        The variable.
    """
    if TRACED.get() is not None:
        return BindingError(
            page(
                f"no array for '{name}': while a function is traced, its arrays have no values",
                text=formula.text,
                carets=places_of(name, formula.text),
                shapes=signature(formula.arguments),
                action="go on with the expression itself, by functions that take tensors",
            )
        )
    return BindingError(
        page(
            f"no array for '{name}'",
            text=formula.text,
            carets=places_of(name, formula.text),
            shapes=signature(formula.arguments),
            action=f"pass {name}=... in the call, or bind it with ed.tensor('{name}', array)"
            if name.isidentifier()
            else f"pass it by name: t(**{{'{name}': array}})",
        )
    )


def _unsettled(formula: Formula, size: str) -> BindingError:
    for argument in formula.arguments:
        if size in argument.shape:
            return missing_array(formula, argument.name)
    return BindingError(
        page(
            f"the number that size '{size}' stands for is not known",
            text=formula.text,
            shapes=signature(formula.arguments),
            action=f"give '{size}' as a number, or to an axis of a variable",
        )
    )


def _too_large(prepared: Prepared, formulas: Sequence[Formula] = ()) -> SizeError:
    plan, item = prepared.program.plan, prepared.dtype.itemsize
    costs, copied = plan.costs, prepared.copied
    limit = memory_limit() if prepared.limit is None else prepared.limit
    first = next((k for k, cost in enumerate(costs) if (cost.alive + copied) * item > limit), 0)
    kept = [shape for shape in prepared.shapes if prod(shape) * item > limit]
    if kept or not costs:
        return _result_too_large(formulas, (kept or prepared.shapes)[0], prepared.dtype, limit)
    step = plan.instructions[first]
    what = f"step {first + 1} ({step.op}) on the way to the result, of shape"
    converted = " and with operands converted" if copied else ""
    alive = (f" with what is alive then{converted}", (costs[first].alive + copied) * item)
    return _size_error(formulas, what, step.shape, prepared.dtype, limit, alive)


def _result_too_large(
    formulas: Sequence[Formula], shape: tuple[int, ...], dtype: Any, limit: int
) -> SizeError:
    forms = []
    if len(formulas) == 1 and formulas[0].domain and prod(shape) * dtype.itemsize > limit:
        split = len(shape) - formulas[0].domain
        for form, left in (("jvp(v)", shape[:split]), ("vjp(u)", shape[split:])):
            size = prod(left) * dtype.itemsize
            if size <= limit:
                forms.append(f"{form}, of shape {shape_text(left)}, {format_bytes(size)}")
    fits = f"these fit: {'; '.join(forms)}. Or " if forms else ""
    return _size_error(formulas, "the result of shape", shape, dtype, limit, fits=fits)


def _size_error(
    formulas: Sequence[Formula],
    what: str,
    shape: tuple[int, ...],
    dtype: Any,
    limit: int,
    alive: tuple[str, int] | None = None,
    fits: str = "",
) -> SizeError:
    also, count = alive or ("", prod(shape) * dtype.itemsize)
    return SizeError(
        page(
            f"{what} {shape_text(shape)} and dtype {dtype} needs "
            f"{format_bytes(count)}{also}, and the limit is {format_bytes(limit)}",
            text=formulas[0].text if formulas else "",
            action=f"{fits}raise the limit, with memory_limit= or ed.set_memory_limit(bytes)",
        )
    )


def _check_out(out: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if not isinstance(out, np.ndarray) or not out.flags.writeable:
        raise OperandError(
            page(
                f"out is a {type(out).__name__} that cannot be written into",
                action="pass a writeable NumPy array, or leave it out",
            )
        )
    if out.shape != shape or out.dtype != dtype:
        raise ShapeError(
            page(
                f"out has shape {shape_text(out.shape)} and dtype {out.dtype}, but the result "
                f"has shape {shape_text(shape)} and dtype {dtype}",
                action="pass an array of the result's shape and dtype",
            )
        )


def signature(arguments: Iterable[Variable]) -> str:
    """Write names and shapes for an error."""
    return shapes_line([(argument.name, argument.shape) for argument in arguments])


def places_of(name: str, text: str) -> list[int]:
    """Find the columns in which a name stands in a formula."""
    found = re.finditer(rf"(?<!\w){re.escape(name)}(?![^\W_])", text)
    return [column for match in found for column in range(*match.span())]


def check_symmetric(node: Variable, array: Array) -> None:
    """Raise ShapeError for an array of a symmetric variable that is not symmetric."""
    if node.symmetric and array.ndim == len(node.shape) and not is_traced(array):
        array = as_numpy(array)
        for k in range(array.ndim - 1):  # exchanges of neighbours make every order
            other = array.swapaxes(k, k + 1)
            if other.shape != array.shape or not np.allclose(array, other, equal_nan=True):
                raise ShapeError(
                    page(
                        f"'{node.name}' is declared symmetric, but its array is not",
                        action="pass a symmetric array, such as (A + A.T) / 2, "
                        "or leave symmetric=True out",
                    )
                )
