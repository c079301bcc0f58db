"""What functions of nodes are called by NumPy and by users.

A function says so itself, where it is defined. What is not named here is for other functions.

>>> @numpys("sinc", "special.sinc")
... def sinc(x):
...     return x
>>> NUMPY.pop("sinc") is NUMPY.pop("special.sinc") is sinc
True
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

#: NumPy's name of each function, and what it does with nodes.
NUMPY: dict[str, Callable[..., Any]] = {}

#: Functions that NumPy lacks.
BEYOND_NUMPY: dict[str, Callable[..., Any]] = {}

_Named = TypeVar("_Named", bound=Callable[..., Any])


def numpys(*names: str) -> Callable[[_Named], _Named]:
    """Say which functions of NumPy's a function of nodes is."""

    def named(function: _Named) -> _Named:
        NUMPY.update(dict.fromkeys(names, function))
        return function

    return named


def beyond_numpy(function: _Named) -> _Named:
    """Say that a function of nodes is for users, and that NumPy has none like it."""
    BEYOND_NUMPY[function.__name__] = function
    return function
