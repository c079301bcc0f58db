"""Libraries that need not be installed, and how it is said that one is missing."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType

from einsdiff.errors import OperandError


@cache
def scipy_module(name: str) -> ModuleType | None:
    """Import a module of SciPy's, an optional extra, when it is first needed; None without it.

    >>> scipy_module("no_such_module") is None
    True
    """
    try:
        return import_module(f"scipy.{name}")
    except ImportError:
        return None


def needs_extra(what: str, package: str, extra: str = "") -> OperandError:
    """Make the error for what only a package can do that is not installed.

    The extra of einsdiff's that brings it is the package in lower case if it is left out.

    >>> print(needs_extra("as_torch()", "PyTorch", "torch"))
    as_torch() needs PyTorch
    <BLANKLINE>
    pip install "einsdiff[torch]"
    """
    action = f'pip install "einsdiff[{extra or package.lower()}]"'
    return OperandError(f"{what} needs {package}", action=action)


def needs_scipy(what: str) -> OperandError:
    """Make the error for what only SciPy can do.

    >>> print(needs_scipy("operator()"))
    operator() needs SciPy
    <BLANKLINE>
    pip install "einsdiff[scipy]"
    """
    return needs_extra(what, "SciPy")
