r"""Arrays of zeros, or copies, and what is written into parts of them.

A derivative with deltas is an array of zeros into which is written where the deltas are one,

.. math:: \frac{\partial f_i}{\partial A_{pq}} = \delta_{ip}\, x_q \mapsto
    \texttt{J[i, i] = x} ,

unless it is one expression: a diagonal matrix, or an array that is repeated.

>>> from einsdiff.numeric.planning.plan import plain_plan
>>> plan = plain_plan(einsum([variable("x", (3,))], ["q"], "iiq", {"i": 2}), {})
>>> targets = targets_of(plan, "J", "ipq")
>>> draft = Draft(plan, "numpy", {"x_": "x"}, uses=uses_of(plan, targets))
>>> (result,) = write_plan(draft, plan, targets)
>>> print(*draft.lines, sep="\n")
J = np.zeros((2, 2, 3), x.dtype)  # (2, 2, 3)
i = np.arange(2)
J[i, i] = x
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from einsdiff.numeric.planning.operations import Instruction
from einsdiff.numeric.planning.plan import Plan
from einsdiff.numeric.planning.strides import broadcast
from einsdiff.numeric.source.draft import LINE, Draft, Line
from einsdiff.numeric.source.pieces import (
    EXACT,
    FLOAT,
    NO_ONE,
    REPEATED,
    Piece,
    is_number,
    names_in,
    negated,
    number_of,
    product,
    range_of,
)
from einsdiff.numeric.source.regions import Region, through, whole
from einsdiff.numeric.source.statements import expanded, transposed
from einsdiff.numeric.source.statements import written as expression
from einsdiff.numeric.source.subscripting import index_range, sum_of_indices
from einsdiff.numeric.source.syntax import (
    Index,
    assigned,
    is_negative,
    listed,
    name,
    names_of,
    replaced,
    subscripted,
    written,
)

#: So many places where an array is written are compared with each other.
MOST_COMPARED = 64

#: What arrays of indices are called, if not as the letters of the result's axes.
INDICES = "ijkpqr"


@dataclass(frozen=True)
class Write:
    """Something that is written into an array, or added to it."""

    step: Instruction  # the step that does so
    region: Region  # the part of the array

    @property
    def value(self) -> str:
        """The name of what is written."""
        return self.step.args[1]

    @property
    def factors(self) -> tuple[str, ...]:
        """The number that it is multiplied by, if there is one."""
        return self.step.args[2:]


@dataclass(frozen=True)
class Target:
    """An array that is written into."""

    step: Instruction  # the step that makes it: zeros or a copy
    names: tuple[str, ...] = ()  # what it may be called; made up if there are none
    letters: Sequence[str] = ()  # what the indices of its axes are called
    writes: list[Write] = field(default_factory=list)  # what is written into it, in order


#: The arrays that are written into and the views that are used for it, by name: for each the array
#: and the part of it.
Targets = Mapping[str, tuple[Target, Region]]


def targets_of(plan: Plan, result: str, letters: Sequence[str]) -> Targets:
    """Find the arrays that are written into, and the views through which they are.

    The result is called so, and its axes have these letters.
    """
    found: dict[str, tuple[Target, Region]] = {}
    for write in plan.instructions:
        if not write.operation.is_write or write.target in found:
            continue
        chain = [plan.makes[write.target]]
        while chain[-1].operation.is_view:
            chain.append(plan.makes[chain[-1].args[0]])
        root = chain.pop()
        if root.target not in found:
            is_result = root.target in plan.results
            names, shown = ((result, "result"), letters) if is_result else ((), ())
            found[root.target] = Target(root, names, shown), whole(root.shape)
        target, region = found[root.target]
        for step in reversed(chain):
            region = through(region, step)
            found[step.target] = target, region
    return found


def uses_of(plan: Plan, targets: Targets) -> Counter[str]:
    """Count how often each array is read, other than for being written into."""
    uses = Counter(plan.results)
    for step in plan.instructions:
        if step.operation.is_write:
            uses.update(step.args[1:2])
        elif step.target not in targets:
            uses.update(step.args)
    return uses


def write_plan(draft: Draft, plan: Plan, targets: Targets) -> list[Piece]:
    """Write the steps of a plan, some of whose arrays are written into; return its results."""
    for step in plan.instructions:
        if step.operation.is_write:
            if step.op != "clear":  # which zeros do not need
                target, region = targets[step.target]
                target.writes.append(Write(step, region))
        elif step.target not in targets:
            _complete(draft, step.args, targets)
            piece = draft.pieces[step.target] = expression(draft, step)
            if draft.uses[step.target] > 1 and not piece.is_simple:
                draft.bind(step.target)
    _complete(draft, plan.results, targets)
    return [_returned(draft, draft.piece(result)) for result in plan.results]


def _returned(draft: Draft, piece: Piece) -> Piece:
    if not piece.names and not piece.shape:
        return draft.constant("number", (), [], piece.kind, piece)
    return draft.made("copy", [piece], piece.shape) if piece.memory == REPEATED else piece


def _complete(draft: Draft, handles: Sequence[str], targets: Targets) -> None:
    """Write arrays that are read now, and so are not written into any more."""
    waiting = list(reversed(handles))
    while waiting:
        handle = waiting[-1]
        if handle not in targets or handle in draft.pieces:
            waiting.pop()
            continue
        target, _ = targets[handle]
        step = draft.steps[handle]
        is_view = step is not target.step
        needed = [*step.args, *(() if is_view else (write.value for write in target.writes))]
        missing = [arg for arg in needed if arg in targets and arg not in draft.pieces]
        waiting += reversed(missing)
        if not missing:
            draft.pieces[handle] = expression(draft, step) if is_view else _filled(draft, target)


# --- arrays -----------------------------------------------------------------------------------


def _filled(draft: Draft, target: Target) -> Piece:
    """Write an array, and what is written into it."""
    if target.step.op == "copy":
        return _added_to_copy(draft, target)
    return _short(draft, target) or _written_into_zeros(draft, target)


def _added_to_copy(draft: Draft, target: Target) -> Piece:
    base = expression(draft, target.step)
    kind = max([base.kind, *(draft.piece(write.value).kind for write in target.writes)])
    if kind > base.kind and draft.floats.isdisjoint(base.names):
        dtype = draft.dtype_of(base.names, kind)
        base = draft.made("cast", [base], base.shape, dtype=dtype)
    made = draft.named(*target.names)
    draft.assign(made, base)
    draft.cover(made, base.names)
    for write in target.writes:
        _write_into(draft, made, target, write, sets=False)
    return _result(draft, made, target, base.names, kind)


def _written_into_zeros(draft: Draft, target: Target) -> Piece:
    writes = target.writes
    like = [draft.piece(write.value) for write in writes]
    numbers = [draft.piece(factor) for write in writes for factor in write.factors]
    kind = max((piece.kind for piece in [*like, *numbers]), default=EXACT)
    if kind == FLOAT and len(writes) == 1 and like[0].names and not numbers:
        like = [draft.bind(writes[0].value, "values")]
        kind = EXACT
    if len(writes) <= MOST_COMPARED and all(
        one.region.is_apart(other.region) for one, other in combinations(writes, 2)
    ):
        writes.sort(key=lambda write: [start for _, start in write.region.axes])
    # Where arrays are not changed, the first write is in the line that makes the zeros.
    is_joined = not draft.library.changes_in_place
    if is_joined:
        _index(draft, target, writes[0].region)
    zeros = draft.constant("zeros", target.step.shape, like, kind)
    made = draft.named(*target.names)
    draft.assign(made, zeros)
    draft.cover(made, names_in(like))
    for k, write in enumerate(writes):
        sets = k <= MOST_COMPARED and all(
            write.region.is_apart(other.region) for other in writes[:k]
        )
        _write_into(draft, made, target, write, sets)
        if is_joined and not k:
            _join_lines(draft, made)
    return _result(draft, made, target, zeros.names, kind)


def _result(draft: Draft, made: str, target: Target, names: frozenset[str], kind: int) -> Piece:
    if kind == FLOAT:
        draft.floats.add(made)
    names = names if kind == EXACT else frozenset([made])
    return Piece(name(made), target.step.shape, names, is_simple=True)


def _short(draft: Draft, target: Target) -> Piece | None:
    """Write an array in one expression if there is one: repeated, or the diagonal of a matrix."""
    if len(target.writes) != 1:
        return None
    (write,) = target.writes
    shape, region = target.step.shape, write.region
    value = _multiple(draft, write, draft.piece(write.value))
    if region.is_whole:
        if not value.names:
            if not shape:
                return value
            is_one = value.kind == EXACT and value.number == 1
            return draft.constant("ones" if is_one else "full", shape, [], value.kind, value)
        if value.shape == shape:
            return value
        return replace(draft.made("broadcast", [value], shape), memory=REPEATED)
    if len(region.sizes) != 1:
        return None
    ((index, length),) = region.sizes.items()
    if shape != (length, length) or region.axes != (({index: 1}, 0),) * 2:
        return None
    if value.number in (1, -1):
        eye = draft.constant("eye", shape, [], EXACT, number_of(length))
        return eye if value.number == 1 else negated(eye)
    if value.names and len(value.shape) == 1:
        return draft.made("diag", [value], shape)
    return None


def _multiple(draft: Draft, write: Write, value: Piece) -> Piece:
    """Multiply what is written by the number that it is written with."""
    for factor in write.factors:
        value = product(draft.piece(factor), value)
    return value


# --- statements -------------------------------------------------------------------------------


def _write_into(draft: Draft, made: str, target: Target, write: Write, sets: bool) -> None:
    """Write the statement that writes into a part of an array, or adds to it."""
    index, order, shape = _index(draft, target, write.region)
    value = _multiple(draft, write, _aligned(draft, write, order))
    assert broadcast(value.shape, shape) == shape, f"{value.text} does not fit into {shape}"
    kind = {"assign": "set", "accumulate": "add", "deduct": "subtract"}[write.step.op]
    if sets:
        value = negated(value) if kind == "subtract" else value
        kind = "set"
    if kind == "add" and is_negative(value.tree):
        kind, value = "subtract", negated(value)
    draft.change(kind, made, index, value)


def _join_lines(draft: Draft, made: str) -> None:
    """Write the first write in the line that makes the zeros, if that stays short."""
    above, below = draft.lines[-2:]
    if isinstance(above.statement, ast.Assign) and isinstance(below.statement, ast.Assign):
        zeros = above.statement.value
        statement = assigned(name(made), replaced(below.statement.value, {made: zeros}))
        if names_of(above.statement.targets[0]) == {made} and len(written(statement)) < LINE:
            draft.lines[-2:] = [Line(statement, above.shape)]


# --- indices ----------------------------------------------------------------------------------


def _index(
    draft: Draft, target: Target, region: Region
) -> tuple[list[Index], list[int], tuple[int, ...]]:
    """Write the indices of a region; return also the order of what they leave, and its shape."""
    counts = Counter(index for terms, _ in region.axes for index in terms)
    meshed = {
        n
        for terms, _ in region.axes
        for n, c in terms.items()
        if len(terms) > 1 or c <= 0 or counts[n] > 1
    }
    if meshed and any(not terms for terms, _ in region.axes):
        # Libraries disagree on the order of what numbers and arrays leave.
        meshed = set(region.sizes)
    mesh = [n for n in region.sizes if n in meshed]
    ranges = _meshed(draft, target, region, mesh)
    found: list[Index] = []
    places: list[int] = []
    for axis, (terms, start) in enumerate(region.axes):
        if not terms:
            found.append(start)
        elif meshed.isdisjoint(terms):
            ((n, step),) = terms.items()
            found.append(range_of(start, step, region.sizes[n], region.shape[axis]))
        else:
            places.append(axis)
            piece = sum_of_indices([(c, ranges[n]) for n, c in terms.items()], start)
            found.append(piece.tree)
    order = [n for terms, _ in region.axes for n in terms if n not in meshed]
    # Axes of arrays of indices come first, or where these stand if they stand side by side.
    before = 0
    if places and places[-1] - places[0] == len(places) - 1:
        before = sum(bool(terms) for terms, _ in region.axes[: places[0]])
    order[before:before] = mesh
    while found and found[-1] == slice(None):
        del found[-1]
    return found, order, tuple(region.sizes[n] for n in order)


def _meshed(draft: Draft, target: Target, region: Region, mesh: Sequence[int]) -> dict[int, Piece]:
    """Return arrays of indices that span a mesh, and write what makes those that are new.

    Each has its indices along one axis of the mesh, with axes of length one after it. It may have
    such axes before it, but no more than the mesh has: else the mesh would get further axes.
    """
    found: dict[int, Piece] = {}
    new: list[Piece] = []
    for k, n in enumerate(mesh):
        size, after = region.sizes[n], len(mesh) - 1 - k
        shape = (size, *[1] * after)
        known = [
            piece
            for piece in draft.ranges
            if len(shape) <= len(piece.shape) <= len(mesh) and piece.shape[-len(shape) :] == shape
        ]
        if known:
            found[n] = known[-1]
            continue
        axis = next(a for a, (terms, _) in enumerate(region.axes) if n in terms)
        letter = target.letters[axis] if axis < len(target.letters) else ""
        wanted = [letter] if letter.isidentifier() else []
        chosen = draft.named(*wanted, *INDICES, "i")
        found[n] = Piece(name(chosen), shape, frozenset([NO_ONE]))
        new.append(found[n])
    if len(new) > 1 and len(new) == len(mesh) and draft.library.has_ogrid:
        ogrid = name(f"{draft.library.alias}.ogrid")
        parts: list[Index] = [slice(None, region.sizes[n]) for n in mesh]
        draft.write(assigned(listed(piece.tree for piece in new), subscripted(ogrid, parts)))
        for k, n in enumerate(mesh):  # of which all have as many axes
            found[n] = replace(found[n], shape=(*[1] * k, *found[n].shape))
        new = list(found.values())
    else:
        for piece in new:
            made = index_range(draft, piece.shape[0], len(piece.shape) - 1)
            draft.write(assigned(piece.tree, made.tree))
    draft.ranges += new
    return found


def _aligned(draft: Draft, write: Write, order: Sequence[int]) -> Piece:
    """Write an array that is laid out as a region with its axes in another order."""
    handle = write.value
    axes = list(write.region.sizes)
    if is_number(handle) or order == axes:
        return draft.piece(handle)
    step = draft.steps.get(handle)
    if step is not None and step.op == "expand":
        shown = axes[len(axes) - len(step.detail) :]
        carried = [n for n, there in zip(shown, step.detail, strict=True) if there]
        handle, step = step.args[0], draft.steps.get(step.args[0])
    else:
        carried = axes[len(axes) - len(draft.piece(handle).shape) :]
    piece = draft.piece(handle)
    if step is not None and step.op == "transpose":
        below = draft.piece(step.args[0])
        if below.is_simple or not piece.is_name:
            piece = below
            carried = [carried[step.detail.index(k)] for k in range(len(carried))]
    wanted = [n for n in order if n in carried]
    piece = transposed(draft, piece, [carried.index(n) for n in wanted])
    first = next((k for k, n in enumerate(order) if n in carried), len(order))
    mask = [n in carried for n in order[first:]]
    return piece if all(mask) else expanded(piece, mask)
