r"""The steps of a plan as expressions in Python, and those that arrange, contract and copy arrays.

What is nothing but a view is written as one, and a product of matrices by its operator, also where
the vector comes first:

.. math:: v_i\, A_{ij} \mapsto \texttt{A.T @ v}

>>> from einsdiff.algebra.nodes import einsum, variable
>>> from einsdiff.numeric.plan import plain_plan
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

from einsdiff.numeric.arithmetic import ARITHMETIC
from einsdiff.numeric.drafts import WIDTH, Draft, Writer
from einsdiff.numeric.indexing import INDEXING
from einsdiff.numeric.pieces import (
    ATOM,
    EXACT,
    OWN,
    PRODUCT,
    UNARY,
    Piece,
    joined,
    view_of,
)
from einsdiff.numeric.steps import Instruction

__all__ = ["expanded", "reshaped", "transposed", "written"]


def written(draft: Draft, step: Instruction) -> Piece:
    """Write a step as an expression.

    Parameters
    ----------
    draft
        The function that is written. The step's arguments have been written; they are given names
        if the expression becomes too long.
    step
        What is to be written; nothing that changes an array.
    """
    return _STEPS[step.op](draft, step)


# --- views ------------------------------------------------------------------------------------


def transposed(draft: Draft, a: Piece, axes: Sequence[int]) -> Piece:
    """Permute axes."""
    if list(axes) == list(range(len(axes))):
        return a
    shape = tuple(a.shape[axis] for axis in axes)
    if tuple(axes) == (1, 0):
        made = joined(f"{a.at(ATOM)}.T", [a], shape)
    else:
        made = draft.made("transpose", [a], shape, axes=", ".join(map(str, axes)))
    return view_of(a, made)


def reshaped(draft: Draft, a: Piece, shape: tuple[int, ...]) -> Piece:
    """Merge or split axes."""
    sizes = ", ".join(map(str, shape)) if shape else "()"
    return view_of(a, draft.made("reshape", [a], shape, sizes=sizes))


def expanded(a: Piece, mask: Sequence[bool], shape: tuple[int, ...]) -> Piece:
    """Insert axes of length one where there is none in the mask."""
    index = ", ".join(":" if there else "None" for there in mask)
    return view_of(a, joined(f"{a.at(ATOM)}[{index}]", [a], shape))


def _transpose(draft: Draft, step: Instruction) -> Piece:
    (a,) = draft.arguments(step)
    return transposed(draft, a, step.detail)


def _reshape(draft: Draft, step: Instruction) -> Piece:
    (a,) = draft.arguments(step)
    return reshaped(draft, a, step.shape)


def _expand(draft: Draft, step: Instruction) -> Piece:
    (a,) = draft.arguments(step)
    return expanded(a, step.detail, step.shape)


def _slice(draft: Draft, step: Instruction) -> Piece:
    (a,) = draft.arguments(step)
    texts = [text for text in step.detail if text != "..."]
    if draft.backend == "torch":
        a, texts = _flipped(draft, a, texts, step.shape)
    while texts and texts[-1] == ":":
        del texts[-1]
    if not texts:
        return replace(a, shape=step.shape)
    text = f"{a.at(ATOM)}[{', '.join(texts)}]"
    return view_of(a, joined(text, [a], step.shape))


def _flipped(
    draft: Draft, a: Piece, texts: Sequence[str], shape: Sequence[int]
) -> tuple[Piece, list[str]]:
    """Reverse the axes that are sliced backwards, since PyTorch takes no negative steps."""
    forward = list(texts)
    lengths = iter(shape)
    for axis, text in enumerate(texts):
        if ":" not in text:
            continue
        length, size = next(lengths), a.shape[axis]
        start, _, stride = (*text.split(":"), "")[:3]
        if not stride.startswith("-"):
            continue
        a = draft.made("flip", [a], a.shape, axes=axis)
        first = size - 1 - int(start) if start else 0
        step = -int(stride)
        stop = first + (length - 1) * step + 1
        if first or step != 1:
            forward[axis] = f"{first}:{stop}:{step}"
        else:
            forward[axis] = ":" if length == size else f":{stop}"
    return a, forward


def _diagonal(draft: Draft, step: Instruction) -> Piece:
    (a,) = draft.arguments(step)
    if _is_diagonal(step):
        made = draft.made("diagonal", [a], step.shape)
    else:
        made = draft.made("view", [a], step.shape, subscripts=f'"{step.detail}"')
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
    axes = step.detail[0] if len(step.detail) == 1 else step.detail
    return draft.made("sum", [a], step.shape, axes=axes)


def _einsum(draft: Draft, step: Instruction) -> Piece:
    pieces = draft.arguments(step, WIDTH - 20)
    one, other = map(set, step.detail.partition("->")[0].split(","))
    name = "einsum" if one == other else "einsum by BLAS"
    return draft.made(name, pieces, step.shape, subscripts=f'"{step.detail}"')


def _matmul(draft: Draft, step: Instruction) -> Piece:
    a, b = draft.arguments(step)
    if step.op == "dot" and len(a.shape) == 1 and len(b.shape) == 2:  # the matrix comes first
        below = draft.steps.get(step.args[1])
        if below is not None and below.op == "transpose" and b.text.endswith(".T"):
            a, b = draft.piece(below.args[0]), a
        else:
            a, b = transposed(draft, b, (1, 0)), a
    left = a.text if a.sign == "@" else a.at(UNARY)
    return joined(f"{left} @ {b.at(UNARY)}", [a, b], step.shape, level=PRODUCT, sign="@")


# --- numbers and copies -----------------------------------------------------------------------


def _number(draft: Draft, step: Instruction) -> Piece:
    return replace(draft.piece(step.args[0]), is_simple=True)


def _zeros(draft: Draft, step: Instruction) -> Piece:
    if not step.shape:
        return Piece("0", number=0, is_simple=True)
    return draft.constant("zeros", step.shape, [], EXACT)


def _copy(draft: Draft, step: Instruction) -> Piece:
    (a,) = draft.arguments(step)
    below = draft.steps.get(step.args[0])
    # A function of the user's may return what it was given.
    is_own = below is None or below.op != "call" or not callable(below.detail.implementation)
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
    "slice": _slice,
    "split": _reshape,
    "sum": _sum,
    "transpose": _transpose,
    "zeros": _zeros,
}
