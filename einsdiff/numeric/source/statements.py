r"""The steps of a plan as expressions in Python, and those that arrange, contract and copy arrays.

What is nothing but a view is written as one, and a product of matrices by its operator, also where
the vector comes first:

.. math:: v_i\, A_{ij} \mapsto \texttt{A.T @ v}

>>> from einsdiff.numeric.planning.plan import plain_plan
>>> v, A = variable("v", (3,)), variable("A", (3, 2))
>>> plan = plain_plan(einsum([v, A], ["i", "ij"], "j"), {})
>>> draft = Draft(plan, "numpy", {handle: v.name for v, handle in plan.inputs}, uses={})
>>> for step in plan.instructions:
...     draft.pieces[step.target] = written(draft, step)
>>> draft.piece(*plan.results).text
'A.T @ v'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from einsdiff.numeric.planning.operations import Instruction
from einsdiff.numeric.planning.steps import indices
from einsdiff.numeric.source.draft import WIDTH, Draft, Writer
from einsdiff.numeric.source.infix import ARITHMETIC, as_array
from einsdiff.numeric.source.pieces import (
    EXACT,
    OWN,
    Piece,
    entries,
    matmul,
    number_of,
    shape_of,
    transpose_of,
    view_of,
)
from einsdiff.numeric.source.subscripting import INDEXING
from einsdiff.numeric.source.syntax import listed, string, whole


def written(draft: Draft, step: Instruction) -> Piece:
    """Write a step as an expression; nothing that changes an array.

    The step's arguments have been written; they are given names if the expression becomes too long.
    """
    return _STEPS[step.op](draft, step)


# --- views ------------------------------------------------------------------------------------


def transposed(draft: Draft, a: Piece, axes: Sequence[int]) -> Piece:
    """Permute axes."""
    if list(axes) == list(range(len(axes))):
        return a
    if tuple(axes) == (1, 0):
        return transpose_of(a)
    shape = tuple(a.shape[axis] for axis in axes)
    return view_of(a, draft.made("transpose", [a], shape, axes=listed(map(whole, axes))))


def reshaped(draft: Draft, a: Piece, shape: tuple[int, ...]) -> Piece:
    """Merge or split axes."""
    if not a.names:  # a number
        return draft.constant("full", shape, [], a.kind, a)
    sizes = shape_of(shape) if shape else listed([shape_of(())])
    return view_of(a, draft.made("reshape", [a], shape, sizes=sizes))


def expanded(a: Piece, mask: Sequence[bool]) -> Piece:
    """Insert axes of length one where there is none in the mask."""
    sizes = iter(a.shape)
    shape = tuple(next(sizes) if there else 1 for there in mask)
    assert not list(sizes), "an axis was lost"
    return view_of(a, entries(a, [slice(None) if there else None for there in mask], shape))


def _transpose(draft: Draft, step: Instruction) -> Piece:
    (a,) = draft.arguments(step)
    return transposed(draft, a, step.detail)


def _reshape(draft: Draft, step: Instruction) -> Piece:
    (a,) = draft.arguments(step)
    return reshaped(draft, a, step.shape)


def _expand(draft: Draft, step: Instruction) -> Piece:
    (a,) = draft.arguments(step)
    return expanded(a, step.detail) if a.names else reshaped(draft, a, step.shape)


def _slice(draft: Draft, step: Instruction) -> Piece:
    (a,) = draft.arguments(step)
    parts = indices(step.detail)
    if not draft.library.has_negative_steps:
        a, parts = _flipped(draft, a, parts, step.shape)
    return view_of(a, entries(a, parts, step.shape))


def _flipped(
    draft: Draft, a: Piece, parts: Sequence[int | slice], shape: Sequence[int]
) -> tuple[Piece, list[int | slice]]:
    """Reverse the axes that are sliced backwards, where there are no negative steps."""
    forward = list(parts)
    lengths = iter(shape)
    for axis, part in enumerate(parts):
        if isinstance(part, int):
            continue
        length, size = next(lengths), a.shape[axis]
        if part.step is None or part.step > 0:
            continue
        a = draft.made("flip", [a], a.shape, axes=whole(axis))
        first = 0 if part.start is None else size - 1 - part.start
        stop = first + (length - 1) * -part.step + 1
        forward[axis] = slice(
            first or None, None if stop == size else stop, None if part.step == -1 else -part.step
        )
    while forward and forward[-1] == slice(None):
        del forward[-1]
    return a, forward


def _diagonal(draft: Draft, step: Instruction) -> Piece:
    (a,) = draft.arguments(step)
    if _is_diagonal(step):
        made = draft.made("diagonal", [a], step.shape)
    else:
        made = draft.made("view", [a], step.shape, subscripts=string(step.detail))
    return replace(view_of(a, made), is_simple=False)


def _is_diagonal(step: Instruction) -> bool:
    return step.op == "diagonal" and step.detail == "ii->i"


# --- sums and products ------------------------------------------------------------------------


def _sum(draft: Draft, step: Instruction) -> Piece:
    below = draft.steps.get(step.args[0])
    if below is not None and _is_diagonal(below) and draft.uses[below.target] == 1:
        return draft.made("trace", draft.arguments(below), step.shape)
    (a,) = draft.arguments(step)
    if not step.shape:
        return draft.made("sum all", [a], step.shape)
    axes = whole(step.detail[0]) if len(step.detail) == 1 else shape_of(step.detail)
    return draft.made("sum", [a], step.shape, axes=axes)


def _einsum(draft: Draft, step: Instruction) -> Piece:
    pieces = draft.arguments(step, WIDTH - 20)
    pieces = [as_array(draft, a, pieces) for a in pieces]
    one, other = map(set, step.detail.partition("->")[0].split(","))
    name = "einsum" if one == other else "einsum by BLAS"
    return draft.made(name, pieces, step.shape, subscripts=string(step.detail))


def _matmul(draft: Draft, step: Instruction) -> Piece:
    a, b = draft.arguments(step)
    if step.op == "dot" and len(a.shape) == 1 and len(b.shape) == 2:  # the matrix comes first
        below = draft.steps.get(step.args[1])
        is_transposed = below is not None and below.op == "transpose" and not b.is_name
        turned = draft.piece(below.args[0]) if below is not None and is_transposed else None
        a, b = turned or transposed(draft, b, (1, 0)), a
    return matmul(a, b)


# --- numbers and copies -----------------------------------------------------------------------


def _number(draft: Draft, step: Instruction) -> Piece:
    return replace(draft.piece(step.args[0]), is_simple=True)


def _size(_: Draft, step: Instruction) -> Piece:
    return Piece(whole(step.detail), is_simple=True)


def _zeros(draft: Draft, step: Instruction) -> Piece:
    if not step.shape:
        return replace(number_of(0), is_simple=True)
    return draft.constant("zeros", step.shape, [], EXACT)


def _copy(draft: Draft, step: Instruction) -> Piece:
    (a,) = draft.arguments(step)
    if not a.names:
        return draft.constant("number", (), [], a.kind, a)
    below = draft.steps.get(step.args[0])
    # A function of the user's may return what it was given.
    is_own = below is None or not below.is_foreign
    if a.names and not a.is_simple and a.memory == OWN and is_own:
        return a
    return draft.made("copy", [a], step.shape)


#: How each step is written, by what it is called in a plan.
_STEPS: Mapping[str, Writer] = {
    **ARITHMETIC,
    **INDEXING,
    "copy": _copy,
    "diagonal": _diagonal,
    "dot": _matmul,
    "einsum": _einsum,
    "expand": _expand,
    "matmul": _matmul,
    "number": _number,
    "reshape": _reshape,
    "size": _size,
    "slice": _slice,
    "split": _reshape,
    "sum": _sum,
    "transpose": _transpose,
    "zeros": _zeros,
}
