"""NumPy's own functions, called with tensors: which function of nodes each is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.operations.indexing import index
from einsdiff.algebra.operations.numpy_names import BEYOND_NUMPY, NUMPY, OF_TRIANGLES
from einsdiff.algebra.operations.symmetric import is_symmetric
from einsdiff.errors import OperandError, shapes_line
from einsdiff.expressions.base import Bound, known_values
from einsdiff.expressions.combining import NodeFunction, applied, as_tensor, parameters_of
from einsdiff.expressions.evaluation import evaluate
from einsdiff.numeric.libraries.array_library import kind_of
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.library import as_numpy, is_traced
from einsdiff.numeric.libraries.operands import as_number

#: Functions of NumPy's that tell something about numbers, and so are given the arrays.
EVALUATED = frozenset(
    [
        "allclose",
        "array_equal",
        "array_equiv",
        "isclose",
        "array2string",
        "array_repr",
        "array_str",
        "save",
        "savez",
        "savetxt",
    ]
)

#: NumPy's functions that are verbs of tensors. The verbs add ``numpy.einsum``.
VERBS: dict[str, Callable[..., Any]] = {}


@cache
def handled() -> dict[Any, NodeFunction]:
    """Return what NumPy's functions do with nodes."""
    known: dict[Any, NodeFunction] = {}
    for name, function in NUMPY.items():
        found: Any = np
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is not None:  # some are newer than the oldest NumPy
            known[found] = function
    return known


#: Ufuncs of SciPy's, by name.
_SCIPY = {entry.scipy: name for name, entry in FUNCTIONS.items() if entry.scipy}


#: What PyTorch calls its operators.
OPERATORS = frozenset(
    ["add", "sub", "rsub", "mul", "div", "true_divide", "pow", "matmul", "eq", "ne"]
)


#: What it is to reduce by a ufunc.
_REDUCTIONS = {
    "add": NUMPY["sum"],
    "multiply": NUMPY["prod"],
    "maximum": NUMPY["max"],
    "minimum": NUMPY["min"],
}


def applied_ufunc(
    kind: type[Bound], ufunc: Any, method: str, inputs: Sequence[Any], options: dict[str, Any]
) -> Any:
    """Apply one of NumPy's universal functions to tensors."""
    name = ufunc.__name__
    if options.pop("out", None) is not None:
        raise OperandError(
            f"numpy.{name} cannot write a tensor into an array",
            action="write y = y + t instead of y += t, and leave out= out",
        )
    function = handled().get(ufunc)
    if function is None and name in _SCIPY:
        function = BEYOND_NUMPY[_SCIPY[name]]
    if method == "reduce" and name in _REDUCTIONS:
        options.setdefault("axis", 0)
        return _applied_numpy(kind, f"{name}.reduce", _REDUCTIONS[name], inputs, options)
    if method == "accumulate" and name == "add":
        options.setdefault("axis", 0)
        return _applied_numpy(kind, f"{name}.accumulate", NUMPY["cumsum"], inputs, options)
    if method == "outer" and function is not None and len(inputs) == 2:
        a, b = (as_tensor(value, kind) for value in inputs)
        wide = applied(kind, index, (a, (..., *(None,) * b.ndim)))
        return applied(kind, function, (wide, b))
    if method != "__call__" or function is None:
        raise _uncovered(name if method == "__call__" else f"{name}.{method}")
    return _applied_numpy(kind, name, function, inputs, options)


def applied_function(
    kind: type[Bound], function: Any, args: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    """Apply one of NumPy's other functions to tensors."""
    module = getattr(function, "__module__", "numpy").removeprefix("numpy").lstrip(".")
    name = f"{module}.{function.__name__}".lstrip(".")
    if function in (np.shape, np.ndim, np.size):
        return _measured(kind, function.__name__, *args, **options)
    if name in EVALUATED:
        return function(*map(_evaluated, args), **{k: _evaluated(v) for k, v in options.items()})
    if name in VERBS:
        return VERBS[name](*args, **options)
    if function not in handled():
        raise _uncovered(name)
    return _applied_numpy(kind, name, handled()[function], args, options)


def _measured(kind: type[Bound], what: str, a: Any, axis: int | None = None) -> Any:
    """Return the shape, the number of axes, or the number of entries, of all or of one axis."""
    t = as_tensor(a, kind)
    if axis is None:
        return getattr(t, what)
    front = applied(kind, NUMPY["moveaxis"], (t, axis, 0))
    return front.shape[0]


def _evaluated(value: Any) -> Any:
    return value.dense() if isinstance(value, Bound) else value


def _applied_numpy(
    kind: type[Bound],
    name: str,
    function: NodeFunction,
    args: Sequence[Any],
    options: Mapping[str, Any],
) -> Any:
    """Apply a function after NumPy's own arguments that say nothing have been left out."""
    known = parameters_of(function)[1]
    given = {
        k: v for k, v in options.items() if v is not np._NoValue and (v is not None or k in known)
    }
    unknown = [k for k in given if k not in known]
    if function in (NUMPY["zeros_like"], NUMPY["ones_like"], NUMPY["full_like"]):
        unknown = [k for k in unknown if k not in ("dtype", "order", "subok")]
        if function is NUMPY["full_like"] and given.get("dtype") is None:
            _check_fill(kind, *args[:2], **{k: v for k, v in given.items() if k in known})
        given = {k: v for k, v in given.items() if k in known}
    if unknown or len(args) > len(known):
        what = f"{unknown[0]}=" if unknown else "so many arguments"
        raise OperandError(
            f"numpy.{name} of a tensor takes no {what}",
            action=f"leave it out; it takes {', '.join(known)}",
        )
    if function in OF_TRIANGLES and args:
        first = as_tensor(args[0], kind)
        args, given = (first, *args[1:]), {**given, "is_whole": _is_symmetric(first)}
    return applied(kind, function, args, given)


def _check_fill(kind: type[Bound], a: Any, fill_value: Any) -> None:
    """Refuse a number with a fraction where NumPy would cut it off."""
    c = as_number(fill_value)
    t = as_tensor(a, kind)
    if c is not None and complex(c).real % 1 and known_values(t) and kind_of(t.dtype) in "iu":
        raise OperandError(
            f"numpy.full_like of integers would make {fill_value!r} a whole number",
            shapes=shapes_line([(t.formula.heading.name, t.shape)]),
            action="say which dtype is meant, as in np.full_like(t, value, dtype=float)",
        )


def _is_symmetric(t: Bound) -> bool:
    """Tell whether both triangles of matrices are the same, or their values are not known yet."""
    values = known_values(t)
    if is_symmetric(t.expr) or not t.formula.required <= values.keys() or t.ndim < 2:
        return True
    if any(is_traced(values[name]) for name in t.formula.required):
        return True
    array = as_numpy(evaluate(t.formula, values))
    other = np.swapaxes(array, -1, -2)
    error = 1e3 * np.finfo(np.result_type(array, np.float16)).eps * np.abs(array).max(initial=0)
    return array.shape == other.shape and bool(np.allclose(array, other, 0, error, equal_nan=True))


def _uncovered(name: str) -> OperandError:
    return OperandError(
        f"numpy.{name} has no derivative here",
        action="write it with functions that have one, or give it one with ed.register",
    )
