"""What SymPy calls each function of the table, read in both directions.

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

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.errors import OperandError

#: What SymPy calls a function of each entry, by its name in the function table.
SPELLED = {name: entry.sympy for name, entry in FUNCTIONS.items() if entry.sympy}

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
        raise OperandError(f"{what} needs SymPy", action=action) from None
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
