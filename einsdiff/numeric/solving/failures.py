"""What solutions are computed in, how exact they have to be, and how a failure is said."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from einsdiff.errors import EinsdiffError
from einsdiff.numeric.libraries.extras import needs_scipy, scipy_module


class SolveError(EinsdiffError, np.linalg.LinAlgError):
    """An equation without a unique solution, or one that an iteration did not solve.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.hessian("(a_i x_i)^2", a=[1.0, 2.0], x=[0.0, 0.0], wrt="x").solve([1.0, 1.0])
    Traceback (most recent call last):
    einsdiff.SolveError: the map is singular for all values: its rank is at most 1, its rows are 2
    <BLANKLINE>
        ∂²f/∂x_p∂x_q = 2 a_p a_q
    <BLANKLINE>
    solve for what the expression determines, or add a term such as λ x_i x_i to it
    """

    __module__ = "einsdiff"


@cache
def solving_dtype(*dtypes: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in which LAPACK solves equations of these.

    >>> solving_dtype(np.dtype("int64")), solving_dtype(np.dtype("float16"))
    (dtype('float64'), dtype('float32'))
    """
    wanted = np.result_type(*dtypes)
    if wanted.kind in "biu":
        return np.dtype(np.float64)
    if wanted.kind == "c":
        return np.dtype(np.complex64 if wanted.itemsize <= 8 else np.complex128)
    return np.dtype(np.float32 if wanted.itemsize <= 4 else np.float64)


SINGULAR = "solve for what the expression determines, or add a term such as λ x_i x_i to it"


def scipy(name: str) -> ModuleType:
    """Return a module that was there when the equations were factorised, maybe elsewhere."""
    module = scipy_module(name)
    if module is None:
        raise needs_scipy("this solver")
    return module


def default_tolerance(dtype: np.dtype[Any]) -> float:
    """Return the relative residual that is asked for unless one is given.

    >>> f"{default_tolerance(np.dtype('float64')):.0e}"
    '4e-11'
    """
    return float(float(np.finfo(dtype).eps) ** (2 / 3))
