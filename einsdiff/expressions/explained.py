"""What `help` tells of functions of tensors, from what is told of functions of nodes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeVar

__all__ = ["documentation", "documented"]

_F = TypeVar("_F", bound=Callable[..., Any])

#: What is told of parameters that are no operands, by name.
_PARAMETERS = {
    "axis": "Which ones: an integer or several; all if left out.",
    "axis1": "The first of the two axes.",
    "axis2": "The second of the two axes.",
    "ddof": "What is subtracted from the number of entries in the divisor.",
    "k": "Which diagonal: 0 for the main one, 1 for the one above it, -1 for the one below.",
    "keepdims": "Whether these axes stay, with size 1.",
    "offset": "Which diagonal: 0 for the main one, 1 for the one above it, -1 for the one below.",
    "order": '"C" if the last index runs fastest, "F" if the first one does.',
}

_SECTION = re.compile(r"^[A-Z][A-Za-z ]*\n-{3,}$", re.MULTILINE)


def documentation(function: Callable[..., Any]) -> str:
    """Return the docstring with the sections that it lacks, in NumPy's order."""
    told = inspect.getdoc(function)
    assert told, f"{function} is not explained"
    starts = [match.start() for match in _SECTION.finditer(told)] + [len(told)]
    summary = told[: starts[0]].strip()
    sections = [told[a:b].strip() for a, b in pairwise(starts)]
    titles = [section.partition("\n")[0] for section in sections]
    if "Returns" not in titles:
        at = 1 if "Parameters" in titles else 0
        result = "Returns\n-------\nTensor\n    The expression; nothing is computed yet."
        sections.insert(at, result)
    if "Parameters" not in titles:
        sections.insert(0, _parameters(function))
    return "\n\n".join([summary, *sections])


def _parameters(function: Callable[..., Any]) -> str:
    groups: list[tuple[list[str], str]] = []
    for parameter in inspect.signature(function).parameters.values():
        note = str(parameter.annotation)
        if "[Node]" in note:
            text = "Tensors, arrays or numbers."
        elif note.startswith("Node"):
            text = "Tensor, array or number."
        else:
            text = _PARAMETERS[parameter.name]
        if groups and groups[-1][1] == text:
            groups[-1][0].append(parameter.name)
        else:
            groups.append(([parameter.name], text))
    lines = [f"{', '.join(names)}\n    {text}" for names, text in groups]
    return "\n".join(["Parameters", "----------", *lines])


def documented(function: Callable[..., Any]) -> Callable[[_F], _F]:
    """Tell of a method what is told of the function whose first operand the tensor is."""

    def with_text(method: _F) -> _F:
        own, *_ = inspect.signature(function).parameters
        text = documentation(function)
        text = re.sub(rf"(?m)^{own}, (?=\w+)|^{own}\n    Tensor, array or number\.\n", "", text)
        method.__doc__ = text.replace("Parameters\n----------\n\n", "")
        return method

    return with_text
