"""What `help` tells of functions of tensors, from what is told of functions of nodes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar

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

_SECTION = re.compile(r"^([A-Z][A-Za-z ]*)\n-{3,}\n", re.MULTILINE)

_EXAMPLES = "Examples\n--------\n>>> import einsdiff as ed\n>>> "


def documentation(function: Callable[..., Any]) -> str:
    """Return the docstring with the sections and the parameters that it lacks, in NumPy's order."""
    told = inspect.getdoc(function)
    assert told, f"{function} is not explained"
    if "\nExamples\n" not in told:
        told = told.replace("\n\n>>> ", f"\n\n{_EXAMPLES}", 1)
    summary, *rest = _SECTION.split(told)
    sections = {
        "Parameters": "",
        "Returns": "Tensor\n    The expression; nothing is computed yet.",
        **{title: text.strip() for title, text in zip(rest[::2], rest[1::2], strict=True)},
    }
    sections["Parameters"] = _parameters(function, sections["Parameters"])
    written = (f"{title}\n{'-' * len(title)}\n{text}" for title, text in sections.items())
    return "\n\n".join([summary.strip(), *written])


def _parameters(function: Callable[..., Any], told: str) -> str:
    """Describe parameters: as it is told, or else by their names and by what they are."""
    known: dict[str, str] = {}
    for names, text in re.findall(r"^(\w.*)\n((?:    .*\n?)+)", told, re.MULTILINE):
        known.update(dict.fromkeys(names.split(", "), text.rstrip()))
    groups: dict[str, list[str]] = {}
    for parameter in inspect.signature(function).parameters.values():
        note = str(parameter.annotation)
        if parameter.name in known:
            text = known[parameter.name]
        elif "[Node]" in note:
            text = "    Tensors, arrays or numbers."
        elif note.startswith("Node"):
            text = "    Tensor, array or number."
        else:
            text = f"    {_PARAMETERS[parameter.name]}"
        groups.setdefault(text, []).append(parameter.name)
    return "\n".join(f"{', '.join(names)}\n{text}" for text, names in groups.items())


def documented(function: Callable[..., Any]) -> Callable[[_F], _F]:
    """Tell of a method what is told of the function whose first operand the tensor is."""

    def with_text(method: _F) -> _F:
        own, *_ = inspect.signature(function).parameters
        text = documentation(function)
        text = re.sub(rf"(?m)^{own}, (?=\w+)|^{own}\n    Tensor, array or number\.\n", "", text)
        method.__doc__ = text.replace("Parameters\n----------\n\n", "")
        return method

    return with_text
