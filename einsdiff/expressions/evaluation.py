"""From a formula and arrays to numbers: what is checked before a program runs.

>>> from einsdiff.expressions.formula import symbol
>>> formula = symbol("x", ("n",))
>>> evaluate(formula, {"x": np.array([1.0, 2.0])})
array([1., 2.])
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from einsdiff.algebra.derivatives.placing import placed
from einsdiff.algebra.nodes.entry_indices import fixed_indices
from einsdiff.algebra.nodes.graph import not_analytic, topological
from einsdiff.algebra.nodes.interning import Call, Node, Variable
from einsdiff.algebra.nodes.nodes import einsum
from einsdiff.errors import EinsdiffError, OperandError, ShapeError, shapes_line
from einsdiff.expressions.formula import Formula, joined_arguments, joined_least
from einsdiff.expressions.layout import Layout, VecOrder, as_matrix
from einsdiff.numeric.libraries.array_library import kind_of
from einsdiff.numeric.libraries.known import LIBRARIES
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.library import (
    are_dtypes_enough,
    as_numpy,
    check_places,
    common_library,
    dtype_kind,
    is_traced,
    library_of,
    taken_to,
)
from einsdiff.numeric.libraries.memory import memory_limit
from einsdiff.numeric.libraries.operands import Array, dtype_of, result_dtype
from einsdiff.numeric.libraries.xarray import KNOWN

# What plans and solves is imported where it is needed: a formula is read without it.
if TYPE_CHECKING:
    from einsdiff.numeric.orders.engines import Optimizer
from einsdiff.expressions.dimensions import check_dimensions
from einsdiff.expressions.prepared import Elsewhere, Prepared, too_large
from einsdiff.expressions.refusals import (
    missing_array,
    result_too_large,
    signature,
    unsettled,
    wrong_shape,
)

#: The most axes that an array of NumPy's can have, before version 2 and since then.
MOST_AXES = 32, 64


def sizes_of(formula: Formula, values: Mapping[str, Array]) -> dict[str, int]:
    """Find the number that each named size stands for, and check all shapes."""
    sizes: dict[str, int] = {}
    origin: dict[str, str] = {}
    for argument in formula.arguments:
        array = values.get(argument.name)
        if array is None or array.shape == argument.shape:
            continue
        if array.ndim != len(argument.shape):
            raise wrong_shape(formula, argument, array, "the number of axes differs", sizes)
        for size, n in zip(argument.shape, array.shape, strict=True):
            if isinstance(size, int):
                if size != n:
                    raise wrong_shape(formula, argument, array, f"{n} is not {size}", sizes)
            elif sizes.setdefault(size, n) != n:
                reason = f"size '{size}' is {sizes[size]} in '{origin[size]}', but {n} here"
                raise wrong_shape(formula, argument, array, reason, sizes)
            else:
                origin.setdefault(size, argument.name)
    return sizes


def prepare(
    formulas: Sequence[Formula],
    values: Mapping[str, Any],
    in_cores: bool = False,
    nodes: tuple[Node, ...] = (),
    limit: int | None = None,
    optimize: Any = None,
) -> Prepared:
    """Check NumPy arrays, and plan the evaluation of formulas for them."""
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
    if in_cores and not nodes:
        wanted = tuple(placed(f.expr, f.domain or 0) for f in formulas)
    optimizer = _optimizer(optimize, formulas)
    most = memory_limit() if limit is None else limit
    if not in_cores:  # before any work, which may be as long as the result is large
        _check_ranks(formulas, [node.shape for node in wanted])
        for node in wanted:
            shape = tuple(s if isinstance(s, int) else sizes[s] for s in node.shape)
            if prod(shape) * dtype.itemsize > most:
                raise result_too_large(formulas, shape, dtype, most)
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
        raise too_large(prepared, formulas)
    return prepared


def prepare_anywhere(
    formulas: Sequence[Formula],
    values: Mapping[str, Any],
    limit: int | None = None,
    matrix: tuple[int, str, str] | None = None,
    optimize: Any = None,
) -> Prepared | Elsewhere:
    """Check arrays of any library, and make what computes formulas from them.

    The one result is a matrix if `matrix` is given: the number of domain axes, the layout and the
    vec order. With NumPy arrays it is left to the caller.
    """
    library = common_library(values)
    if library == "numpy":
        return prepare(formulas, values, limit=limit, optimize=optimize)
    sizes = _settled(formulas, values)
    nodes = tuple(f.expr for f in formulas)
    known = tuple(sorted(sizes.items()))
    taken = taken_to(library, values)
    check_places(taken)
    from einsdiff.numeric.running.portable import portable

    shapes = [tuple(sizes[s] if isinstance(s, str) else s for s in node.shape) for node in nodes]
    _check_ranks(formulas, shapes)
    dtype = result_dtype(library, nodes, taken, joined_least(f.least for f in formulas))
    bound = tuple(v for v in joined_arguments(formulas) if v.name in values)
    optimizer = _optimizer(optimize, formulas)
    if LIBRARIES[library].is_lazy:  # whose results are as large as their chunks
        from einsdiff.numeric.chunks.chunked import chunked

        if optimizer is not None:
            raise OperandError(
                "optimize= is for arrays in memory: what Dask computes is ordered by what is "
                "moved between chunks",
                text=formulas[0].text if formulas else "",
                action="leave it out",
            )
        lazy = chunked(nodes, known, bound, matrix)
        return Elsewhere(library, lazy.names, dtype, lazy, lazy.source)
    room = memory_limit() if limit is None else limit
    for shape in shapes:
        if prod(shape) * dtype.itemsize > room:
            raise result_too_large(formulas, shape, dtype, room)
    has_floats = kind_of(dtype) in "fc"
    function = portable(
        nodes, known, library, bound, matrix, has_floats=has_floats, optimizer=optimizer
    )
    kept = are_dtypes_enough(taken)
    return Elsewhere(library, function.names, dtype, function, function.source, is_kept=kept)


def check_numpy(values: Mapping[str, Any], what: str, formula: Formula | None = None) -> None:
    """Raise OperandError for arrays of other libraries than NumPy.

    >>> check_numpy({"x": np.ones(2)}, "cores()")
    """
    for name, value in values.items():
        if library_of(value) != "numpy":
            raise OperandError(
                f"{what} is computed from NumPy arrays only, and '{name}' is "
                f"{LIBRARIES[library_of(value)].array}",
                text="" if formula is None else formula.text,
                action=_INSTEAD.get(what, "use dense(), matrix(), jvp(v) or vjp(u)")
                + ", or pass NumPy arrays",
            )


#: What to do in place of what needs NumPy arrays, where the dense forms are not it.
_INSTEAD = {
    "solve()": "solve with the values if they are few, as in np.linalg.solve(np.asarray(t), rhs)"
}


def evaluated_dtype(formula: Formula, values: Mapping[str, Any]) -> Any:
    """Return the dtype of a result, from those of the arrays that there are."""
    library = common_library(values)
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
                    f"size '{size}' is {sizes[size]} in one expression and {n} in another",
                    text=formula.text,
                    shapes=signature(formula.arguments),
                    action="give one of them another name, or compute them one by one",
                )
        for argument in formula.arguments:
            if argument.name in formula.required and argument.name not in values:
                raise missing_array(formula, argument.name)
    for formula in formulas:
        for size in sorted(formula.named_sizes - sizes.keys()):
            raise unsettled(formula, size)
        _check_analytic(formula, values)
        _check_not_empty(formula, sizes, values)
        if formula.named_sizes:
            _check_entries(formula, sizes, values)
    return sizes


def _check_entries(formula: Formula, sizes: Mapping[str, int], values: Mapping[str, Any]) -> None:
    """Raise ShapeError for an entry that an axis, whose size was a name, does not have."""
    whole: Formula | None = formula
    while whole is not None:
        for variable, axis, size, index in fixed_indices(whole.expr):
            number = sizes.get(str(size), size)
            if isinstance(number, int) and index >= number:
                raise ShapeError(
                    f"'{variable}' has no entry {index} along axis {axis}, whose size is {number}",
                    text=whole.text,
                    shapes=shapes_line([(n, a.shape) for n, a in values.items()]),
                    action=f"indices count from 0: give an array of {index + 1} entries or more, "
                    f"or write an index up to {number - 1}",
                )
        whole = None if whole.source is None else whole.source[0]


def _check_not_empty(formula: Formula, sizes: Mapping[str, int], values: Mapping[str, Any]) -> None:
    """Raise ShapeError for the largest of no entries, of all libraries alike."""
    for node in topological([formula.expr]):
        if not isinstance(node, Call) or not node.function.needs_entries:
            continue
        axes = node.args[0].shape[len(node.shape) :]
        empty = [size for size in axes if sizes.get(str(size), size) == 0]
        if empty:
            name, size = node.function.name, empty[0]
            where = f": size '{size}' is 0" if isinstance(size, str) else ""
            raise ShapeError(
                f"{name} of no entries{where}",
                text=formula.text,
                shapes=shapes_line([(n, a.shape) for n, a in values.items()]),
                action=f"there is no {name} of none: leave out the empty axis",
            )


def _check_ranks(formulas: Sequence[Formula], shapes: Iterable[Sequence[object]]) -> None:
    for formula, shape in zip(formulas, shapes, strict=True):
        most = MOST_AXES[0]
        if len(shape) > most:
            most = MOST_AXES[np.lib.NumpyVersion(np.__version__) >= "2.0.0"]
        if len(shape) > most:
            raise ShapeError(
                f"the result has {len(shape)} axes, and NumPy's arrays have at most {most}",
                text=formula.text,
                action="contract some of them first",
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

    If `out` is what an earlier call gave or wrote, only the entries that can be other than zero
    are written. The memory layout of a new result is `order`.
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
    """Compute a formula, and reshape it to a matrix."""
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


# --- what does not fit ------------------------------------------------------------------------


def _check_analytic(formula: Formula, values: Mapping[str, Array]) -> None:
    """Refuse complex values where the function of real numbers has no such extension."""
    names = frozenset(name for name, array in values.items() if dtype_kind(array) == "c")
    function = not_analytic(formula.expr, names)
    if function is not None:
        raise OperandError(
            f"'{function.name}' is a function of real numbers, and its argument is complex",
            text=formula.text,
            shapes=signature(formula.arguments),
            action="pass real arrays; give real and imaginary parts as two variables",
        )


def check_symmetric(node: Variable, array: Array) -> None:
    """Raise ShapeError for an array of a symmetric variable that is not symmetric."""
    if node.symmetric and array.ndim == len(node.shape) and not is_traced(array):
        array = as_numpy(array)
        for k in range(array.ndim - 1):  # exchanges of neighbours make every order
            other = array.swapaxes(k, k + 1)
            if other.shape != array.shape or not np.allclose(array, other, equal_nan=True):
                raise ShapeError(
                    f"'{node.name}' is declared symmetric, but its array is not",
                    action="pass a symmetric array, such as (A + A.T) / 2, "
                    "or leave symmetric=True out",
                )
