r"""Entries at positions, and what relations of indices leave, as expressions in Python.

What is left of an array where a relation of its indices holds is a triangle, or what a condition
selects:

.. math:: \sum_j [i \ge j]\, x_j \mapsto \texttt{np.cumsum(x)} \qquad
    [i \ge j]\, A_{ij} \mapsto \texttt{np.tril(A)}

>>> from einsdiff.numeric.planning.plan import plain_plan
>>> triangle = related((3, 3), (1, -1), 0, False)
>>> plan = plain_plan(einsum([triangle, variable("A", (3, 3))], ["ij", "ij"], "ij"), {})
>>> draft = Draft(plan, "numpy", {handle: v.name for v, handle in plan.inputs}, uses={})
>>> (step,) = plan.instructions
>>> INDEXING[step.op](draft, step).text
'np.tril(A)'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from einsdiff.numeric.planning.operations import Gather, IndexSum, Instruction
from einsdiff.numeric.planning.strides import broadcast
from einsdiff.numeric.source.draft import WIDTH, Draft, Writer
from einsdiff.numeric.source.pieces import (
    EXACT,
    NO_ONE,
    Piece,
    entries,
    joined,
    number_of,
    operation,
)
from einsdiff.numeric.source.syntax import name, summed


def index_range(draft: Draft, size: int, after: int = 0) -> Piece:
    """Write the array of all indices below a size, with so many axes of length one after it."""
    found = draft.made("range", [number_of(size)], (size,))
    if after:
        found = entries(found, [slice(None), *[None] * after], (size, *[1] * after))
    return replace(found, names=frozenset([NO_ONE]))


def sum_of_indices(terms: Iterable[tuple[int, Piece]], offset: int) -> Piece:
    """Write a sum of multiples and a number, with what is not subtracted first.

    >>> i, j = (Piece(name(text), (3,)) for text in "ij")
    >>> sum_of_indices([(-1, i), (2, j)], 3).text, sum_of_indices([(-1, i)], 3).text
    ('2 * j + 3 - i', '3 - i')
    """
    pieces = [piece for _, piece in terms]
    every = [(c, piece.tree) for c, piece in terms] + ([(offset, None)] if offset else [])
    tree = summed(sorted(every, key=lambda term: (term[0] < 0, term[1] is None)))
    return joined(tree, pieces, broadcast(*(piece.shape for piece in pieces)))


def _affine(draft: Draft, affine: IndexSum) -> Piece:
    """Write an array of sums of indices."""
    last = len(affine.shape) - 1
    terms = [
        (c, index_range(draft, size, last - axis))
        for axis, (c, size) in enumerate(zip(affine.coefficients, affine.shape, strict=True))
        if c
    ]
    return sum_of_indices(terms, affine.offset)


def _positions(draft: Draft, step: Instruction) -> Piece:
    return _affine(draft, step.detail)


# --- relations --------------------------------------------------------------------------------


def _mask(draft: Draft, step: Instruction) -> Piece:
    (a,) = draft.arguments(step, WIDTH - 12)
    return _masked(draft, a, *step.detail)


def _relation(draft: Draft, step: Instruction) -> Piece:
    ones = draft.constant("ones", step.shape, [], EXACT)
    return _masked(draft, ones, *step.detail)


def _masked(draft: Draft, a: Piece, affine: IndexSum, is_equation: bool) -> Piece:
    """Put zeros where a relation does not hold."""
    *rest, c, d = 0, 0, *affine.coefficients  # of the last two indices
    if not is_equation and not any(rest) and sorted((c, d)) == [-1, 1]:
        op, k = ("tril", affine.offset) if c > 0 else ("triu", -affine.offset)
        return draft.made(f"{op} at" if k else op, [a, number_of(k)], a.shape)
    condition = operation(_affine(draft, affine), "==" if is_equation else ">=", number_of(0))
    return draft.where(condition, a, a.shape)


def _cumsum(draft: Draft, step: Instruction) -> Piece:
    (a,) = draft.arguments(step)
    if not step.detail:
        return draft.made("cumsum", [a], a.shape)
    a = draft.bind(step.args[0])
    sums = draft.made("cumsum", [a], a.shape)
    zeros = draft.constant("zeros", (1, *a.shape[1:]), [a], EXACT)
    return draft.made("join", [zeros, sums], step.shape)


# --- positions --------------------------------------------------------------------------------


def _gather(draft: Draft, step: Instruction) -> Piece:
    a, at = draft.piece(step.args[0]), draft.bind(step.args[1], "at")
    detail: Gather = step.detail
    size, divisor = detail.size, detail.divisor
    index = operation(at, "//", number_of(divisor)) if divisor > 1 else at
    if detail.outside != "none":
        index = draft.made("clip", [index, number_of(0), number_of(size - 1)], at.shape)
    shared = [
        index_range(draft, step.shape[axis], detail.rank - 1 - axis) for axis in detail.shared
    ]
    taken = entries(a, [piece.tree for piece in (index, *shared)], step.shape)
    if detail.outside != "zero":
        return taken
    inside = _is_inside(at, size * divisor)
    if divisor > 1:
        exact = operation(operation(at, "%", number_of(divisor)), "==", number_of(0))
        inside = operation(inside, "&", exact)
    rest = len(step.shape) - len(at.shape)
    if rest:
        inside = entries(inside, [..., *[None] * rest], (*inside.shape, *[1] * rest))
    return draft.where(inside, taken, step.shape)


def _scatter(draft: Draft, step: Instruction) -> Piece:
    a, at = draft.bind(step.args[0]), draft.bind(step.args[1], "at")
    size, is_inside, is_injective = step.detail
    shape = (size if is_inside else size + 1, *step.shape[1:])
    index = at
    if not is_inside:  # what is outside is added up behind the end
        parts = _is_inside(at, size), at, number_of(size)
        index = draft.made("where", parts, at.shape)
    target = draft.named("total")
    draft.assign(target, draft.constant("zeros", shape, [a], EXACT))
    draft.change("set" if is_injective and is_inside else "add at", target, [index.tree], a)
    made = Piece(name(target), shape, frozenset([target]), is_simple=True)
    if is_inside:
        return made
    return replace(entries(made, [slice(None, size)], step.shape), is_simple=True)


def _is_inside(at: Piece, end: int) -> Piece:
    above, below = operation(at, ">=", number_of(0)), operation(at, "<", number_of(end))
    return operation(above, "&", below)


#: How the steps of this module are written, by what they are called in a plan.
INDEXING: Mapping[str, Writer] = {
    "cumsum": _cumsum,
    "gather": _gather,
    "mask": _mask,
    "positions": _positions,
    "relation": _relation,
    "scatter": _scatter,
}
