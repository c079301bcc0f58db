"""Who asks an expression without values for numbers, and what can be written instead.

NumPy's functions take expressions; ``float``, ``if``, ``math.exp`` and ``np.array`` take numbers.
The line of the user's code that asks is found by the frame it runs in, as Python's tracebacks find
it.

>>> instead("math.exp(x[0])")
'write np.exp, which takes tensors'
>>> instead("np.array([x[0], 2 * x[1]])")
'join the entries with np.stack([..]); inner lists are stacks of their own'
"""

from __future__ import annotations

import ast
import linecache
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import FrameType

from einsdiff.algebra.operations.numpy_names import BEYOND_NUMPY, NUMPY

#: Packages whose functions are called by users, and call tensors.
_CALLED = ("numpy", "scipy")

_JOIN = "join the entries with np.stack([..]); inner lists are stacks of their own"
#: What to write in place of a call that needs no number, and of one that chooses.
PLAIN = "write it without this call: a tensor is taken wherever a number or an array is"
CHOOSE = (
    "write np.where(condition, a, b) in place of `if`, np.logical_and and np.logical_or in place "
    "of `and` and `or`, np.maximum and np.minimum in place of `max` and `min`"
)
_COUNT = "a position or a count of steps is a whole number of Python's; choose entries by np.where"

#: What to write in place of functions of NumPy's and Python's, by their names.
_INSTEAD = {
    **dict.fromkeys(["fromiter", "stack", "fsum"], "join the entries with np.stack([..])"),
    **dict.fromkeys(["float", "int", "complex", "asarray", "asanyarray", "float64"], PLAIN),
    **dict.fromkeys(["ascontiguousarray", "item", "tolist", "asfarray"], PLAIN),
    **dict.fromkeys(
        ["allclose", "array_equal", "isclose", "bool", "any", "all", "max", "min"], CHOOSE
    ),
    **dict.fromkeys(["sorted", "assert_allclose"], CHOOSE),
    **dict.fromkeys(["range", "index", "linspace", "arange"], _COUNT),
    "array": PLAIN,
    "zeros": "write np.zeros_like(x), of a tensor of that shape",
    "ones": "write np.ones_like(x), of a tensor of that shape",
    "empty": "write np.zeros_like(x), of a tensor of that shape",
    "eye": "write np.diag(np.ones_like(x)), of a vector of that size",
    "identity": "write np.diag(np.ones_like(x)), of a vector of that size",
    "[..]": _JOIN,
    "full": "write c * np.ones(shape), or np.full_like(x, c)",
    "full_like": "write c * np.ones_like(a)",
    "fill": "write c * np.ones(shape)",
    "r_": "join the entries with np.stack([..]), and vectors with np.concatenate",
    "c_": "write np.column_stack",
    "round": "write np.rint",
    "setitem": "make a list of the entries, and join them with np.stack",
}


#: Functions that make an array of a list.
_ARRAYS = ("array", "asarray", "asanyarray")


#: The folder of the library, whose frames are not the caller's.
_LIBRARY = str(Path(__file__).parent.parent) + os.sep


def outside() -> FrameType:
    """Return the frame of the code that uses the library."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_LIBRARY):
        frame = frame.f_back
    return frame


def depth() -> int:
    """Return how many frames the caller's code is above the one that calls this."""
    frame, depth = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_LIBRARY):
        frame, depth = frame.f_back, depth + 1
    return depth


def outermost(frame: FrameType | None) -> FrameType | None:
    """Return the frame of the user's that called NumPy or SciPy, if one of these is running.

    >>> import sys
    >>> frame = sys._getframe()
    >>> outermost(frame) is frame
    True
    """
    while frame is not None and _package(frame) in _CALLED:
        frame = frame.f_back
    return frame


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def asking(frame: FrameType | None) -> str:
    """Return the piece of source that a frame is at, such as ``float(x[0])``; "" if not known."""
    if frame is None:
        return ""
    places = islice(frame.f_code.co_positions(), frame.f_lasti // 2, None)
    first, last, start, stop = next(places, (None,) * 4)
    if first is None:
        return ""
    line = linecache.getline(frame.f_code.co_filename, first, frame.f_globals).rstrip("\n")
    if start is None or last is None or stop is None:
        return line.strip()
    piece = line.encode()[start : stop if last == first else None]
    return piece.decode(errors="replace").strip() + " .." * (last != first)


def instead(piece: str, default: str = PLAIN) -> str:
    """Say what to write in place of a piece of source."""
    for name in _called(piece):
        if name in _INSTEAD:
            return _INSTEAD[name]
        if name in NUMPY:
            return f"write np.{name}, which takes tensors"
        if name in BEYOND_NUMPY:
            return f"write ed.{name}, which takes tensors"
        if name == "[]":
            return _INSTEAD["setitem"]
    return default


def _called(piece: str) -> Iterator[str]:
    """List the names of what is called, from the outside; ``[]`` for an entry assigned to."""
    with suppress(SyntaxError, ValueError):
        tree = ast.parse(piece.removesuffix(" .."), mode="eval").body
        if isinstance(tree, ast.Call):
            name = _last_name(tree.func)
            lists = (ast.List, ast.Tuple, ast.ListComp)
            is_list = bool(tree.args) and isinstance(tree.args[0], lists)
            yield "[..]" if name in _ARRAYS and is_list else name
        elif isinstance(tree, ast.Subscript):
            name = _last_name(tree.value)
            yield name if name in _INSTEAD else "[]"
        return
    yield piece.partition("(")[0].rpartition(".")[2].strip()


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
