"""What SymPy calls each function: one table, which is read in both directions.

>>> import sympy
>>> x = sympy.Symbol("x")
>>> spelled("arcsin", x), spelled("sigmoid", x)
(asin(x), 1/(1 + exp(-x)))
>>> named_by_sympy()[sympy.asin]
'arcsin'
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from einsdiff.errors import OperandError, page

__all__ = ["OF_MATRICES", "SPELLED", "holds", "named_by_sympy", "spelled", "sympy_module"]

#: What SymPy calls a function of each entry, by its name in the function table: an attribute of
#: SymPy, or of the module that stands before it. A function that SymPy has no name for is written
#: out, of SymPy and the arguments.
SPELLED: Mapping[str, str | Callable[..., Any]] = {
    "exp": "exp",
    "expm1": "sympy.codegen.cfunctions:expm1",
    "log": "log",
    "log1p": "sympy.codegen.cfunctions:log1p",
    "log2": "sympy.codegen.cfunctions:log2",
    "log10": "sympy.codegen.cfunctions:log10",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "sinh": "sinh",
    "cosh": "cosh",
    "tanh": "tanh",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "erf": "erf",
    "abs": "Abs",
    "sign": "sign",
    "floor": "floor",
    "ceil": "ceiling",
    "maximum": "Max",
    "minimum": "Min",
    "arctan2": "atan2",
    "hypot": "sympy.codegen.cfunctions:hypot",
    "logaddexp": "sympy.codegen.numpy_nodes:logaddexp",
    "mod": "Mod",
    "power": lambda _, x, n: x**n,
    "cbrt": lambda s, x: s.sign(x) * s.Abs(x) ** s.Rational(1, 3),
    "sigmoid": lambda s, x: 1 / (1 + s.exp(-x)),
    "softplus": lambda _, x: spelled("logaddexp", 0, x),
    "gelu": lambda s, x: x * (1 + s.erf(x / s.sqrt(2))) / 2,
    "relu": lambda s, x: s.Max(x, 0),
    "trunc": lambda s, x: s.sign(x) * s.floor(s.Abs(x)),
    "greater": lambda s, a, b: holds(s, a > b),
    "greater_equal": lambda s, a, b: holds(s, a >= b),
    "equal": lambda s, a, b: holds(s, s.Eq(a, b)),
    "not_equal": lambda s, a, b: holds(s, s.Ne(a, b)),
    "where": lambda s, c, a, b: s.Piecewise((a, _condition(s, c)), (b, True)),
    "floordiv": lambda s, a, b: s.floor(a / b),
    "xlogy": lambda s, a, b: s.Piecewise((0, s.Eq(a, 0)), (a * s.log(b), True)),
}

#: Functions of a matrix, of SymPy and the matrix.
OF_MATRICES: Mapping[str, Callable[[Any, Any], Any]] = {
    "inv": lambda s, matrix: s.Inverse(matrix),
    "det": lambda s, matrix: s.Determinant(matrix),
    "logdet": lambda s, matrix: s.log(s.Abs(s.Determinant(matrix))),
    "signdet": lambda s, matrix: s.sign(s.Determinant(matrix)),
}


def sympy_module(what: str) -> Any:
    """Import SymPy, for what is not done without it.

    >>> sympy_module("to_sympy()").__name__
    'sympy'
    """
    try:
        import sympy
    except ImportError:
        action = 'pip install "einsdiff[sympy]"'
        raise OperandError(page(f"{what} needs SymPy", action=action)) from None
    return sympy


def spelled(name: str, *args: Any) -> Any:
    """Apply a function of each entry; one that SymPy does not know is a name to it.

    >>> spelled("log1p", 0), spelled("rint", 2)
    (0, rint(2))
    """
    sympy = sympy_module("to_sympy()")
    known = SPELLED.get(name)
    if known is None:
        return sympy.Function(name)(*args)
    return _class_of(known)(*args) if isinstance(known, str) else known(sympy, *args)


def _class_of(known: str) -> Any:
    module, _, attribute = known.rpartition(":")
    return getattr(import_module(module or "sympy"), attribute)


@cache
def named_by_sympy() -> Mapping[type, str]:
    """Return what the functions that SymPy has a class for are called here."""
    return {_class_of(known): name for name, known in SPELLED.items() if isinstance(known, str)}


def holds(sympy: Any, condition: Any) -> Any:
    """Return 1 where a condition holds, else 0."""
    return sympy.Piecewise((1, condition), (0, True))


def _condition(sympy: Any, value: Any) -> Any:
    """Return the condition that a value is other than zero: of a bracket what stands in it."""
    if isinstance(value, sympy.Piecewise) and len(value.args) == 2:
        (one, condition), (other, rest) = value.args
        if one == 1 and other == 0 and rest == True:  # noqa: E712 (SymPy's truth)
            return condition
    return sympy.Ne(value, 0)
