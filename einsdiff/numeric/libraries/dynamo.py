"""Preparing outside of what `torch.compile` traces.

What is planned for arrays depends on their shapes, dtypes and devices only. `torch.compile` would
trace the planner as well; here it calls it instead, with these as a string, and takes the name of
the function that was made for a constant.

>>> described(torch.ones(2, 3))
'float32 cpu 2 3'
>>> stand_in("float32 cpu 2 3").shape
torch.Size([2, 3])
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace
from typing import Any, TypeVar

import torch

from einsdiff.numeric.libraries.library import OWNERS
from einsdiff.numeric.libraries.torch_arrays import PLACE

#: The functions that were made, by name. A namespace, since its attributes are read by what is
#: compiled only after they were set.
functions = SimpleNamespace()
_numbers = count()

_F = TypeVar("_F", bound=Callable[..., Any])


def constant_result(function: _F) -> _F:
    """Have a function called while tracing, and its result taken for a constant."""
    mark: Callable[[_F], _F] = torch.compiler.assume_constant_result
    return mark(function)


def described(array: torch.Tensor | None) -> str:
    """Write the dtype, the device and the shape of an array; nothing for what is no array."""
    if array is None:
        return ""
    # `index` makes numbers of sizes that stand for several.
    sizes = [str(operator.index(n)) for n in array.shape]
    return " ".join([str(array.dtype).removeprefix("torch."), str(array.device), *sizes])


def stand_in(text: str) -> torch.Tensor | None:
    """Make an array without values of what `described` wrote."""
    if not text:
        return None
    dtype, device, *sizes = text.split(" ")
    made = torch.empty([int(n) for n in sizes], dtype=getattr(torch, dtype), device="meta")
    setattr(made, PLACE, torch.device(device))
    return made


@constant_result
def prepared(owner: int, texts: str) -> str:
    """Make a function for arrays that `described` wrote, with bars between; return its name.

    The owner is the number in `OWNERS` of what makes it.
    """
    arrays: list[Any] = [stand_in(text) for text in texts.split("|")]
    name = f"function{next(_numbers)}"
    setattr(functions, name, OWNERS[owner].function_for(arrays))
    return name
