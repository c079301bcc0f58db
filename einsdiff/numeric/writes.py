r"""Arrays of zeros, or copies, and what is written into parts of them.

A derivative with deltas is an array of zeros into which is written where the deltas are one,

.. math:: \frac{\partial f_i}{\partial A_{pq}} = \delta_{ip}\, x_q \mapsto
    \texttt{J[i, i] = x} ,

unless it is one expression: a diagonal matrix, or an array that is repeated.

>>> from einsdiff.algebra.nodes import einsum, variable
>>> from einsdiff.numeric.plan import plain_plan
>>> plan = plain_plan(einsum([variable("x", (3,))], ["q"], "iiq", {"i": 2}), {})
>>> targets = targets_of(plan, "J", "ipq")
>>> draft = Draft(plan, "numpy", {"x_": "x"}, uses=uses_of(plan, targets))
>>> (result,) = write_plan(draft, plan, targets)
>>> print("\n".join(draft.lines))
J = np.zeros((2, 2, 3), x.dtype)  # (2, 2, 3)
i = np.arange(2)
J[i, i] = x
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from einsdiff.numeric.drafts import LINE, Draft
from einsdiff.numeric.indexing import index_range, sum_of_indices
from einsdiff.numeric.pieces import (
    ATOM,
    EXACT,
    FLOAT,
    PRODUCT,
    REPEATED,
    UNARY,
    Piece,
    is_number,
    names_in,
    product,
    range_text,
    read_number,
)
from einsdiff.numeric.plan import Plan
from einsdiff.numeric.regions import Region, through, whole
from einsdiff.numeric.spelling import ALIASES
from einsdiff.numeric.statements import expanded, transposed, written
from einsdiff.numeric.steps import ALIASES as VIEWS_OF
from einsdiff.numeric.steps import WRITES, Instruction

__all__ = ["Target", "Write", "targets_of", "uses_of", "write_plan"]

#: So many places where an array is written are compared with each other.
MOST_COMPARED = 64

#: What arrays of indices are called, if not as the letters of the result's axes.
INDICES = "ijkpqr"


@dataclass(frozen=True)
class Write:
    """Something that is written into an array, or added to it.

    Attributes
    ----------
    step
        The step that does so.
    region
        The part of the array.
    """

    step: Instruction
    region: Region

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
    """An array that is written into.

    Attributes
    ----------
    step
        The step that makes it: zeros or a copy.
    names
        What it may be called; made up if there are none.
    letters
        What the indices of its axes are called.
    writes
        What is written into it, in order.
    """

    step: Instruction
    names: tuple[str, ...] = ()
    letters: Sequence[str] = ()
    writes: list[Write] = field(default_factory=list)


#: The arrays that are written into and the views that are used for it, by name: for each the array
#: and the part of it.
Targets = Mapping[str, tuple[Target, Region]]


def targets_of(plan: Plan, result: str, letters: Sequence[str]) -> Targets:
    """Find the arrays that are written into, and the views through which they are.

    Parameters
    ----------
    plan
        The steps.
    result, letters
        What the result and the indices of its axes are called.
    """
    steps = {step.target: step for step in plan.instructions if step.op not in WRITES}
    found: dict[str, tuple[Target, Region]] = {}
    for write in plan.instructions:
        if write.op not in WRITES or write.target in found:
            continue
        chain = [steps[write.target]]
        while chain[-1].op in VIEWS_OF:
            chain.append(steps[chain[-1].args[0]])
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
        if step.op in WRITES:
            uses.update(step.args[1:2])
        elif step.target not in targets:
            uses.update(step.args)
    return uses


def write_plan(draft: Draft, plan: Plan, targets: Targets) -> list[Piece]:
    """Write the steps of a plan.

    Parameters
    ----------
    draft
        Where they are written.
    plan
        The steps.
    targets
        The arrays among them that are written into, from `targets_of`.

    Returns
    -------
    list of Piece
        What is left to be returned: the results.
    """
    for step in plan.instructions:
        if step.op in WRITES:
            if step.op != "clear":  # which zeros do not need
                target, region = targets[step.target]
                target.writes.append(Write(step, region))
        elif step.target not in targets:
            _complete(draft, step.args, targets)
            piece = draft.pieces[step.target] = written(draft, step)
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
            draft.pieces[handle] = written(draft, step) if is_view else _filled(draft, target)


# --- arrays -----------------------------------------------------------------------------------


def _filled(draft: Draft, target: Target) -> Piece:
    """Write an array, and what is written into it."""
    if target.step.op == "copy":
        return _added_to_copy(draft, target)
    return _short(draft, target) or _written_into_zeros(draft, target)


def _added_to_copy(draft: Draft, target: Target) -> Piece:
    base = written(draft, target.step)
    kind = max([base.kind, *(draft.piece(write.value).kind for write in target.writes)])
    if kind > base.kind and draft.floats.isdisjoint(base.names):
        dtype = draft.dtype_of(base.names, kind)
        base = draft.made("cast", [base], base.shape, dtype=dtype)
    name = draft.named(*target.names)
    draft.assign(name, base.text, target.step.shape)
    draft.cover(name, base.names)
    for write in target.writes:
        _write_into(draft, name, target, write, sets=False)
    return _result(draft, name, target, base.names, kind)


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
    is_joined = draft.backend == "jax"  # whose first write is in the line that makes the zeros
    if is_joined:
        _index(draft, target, writes[0].region)
    zeros = draft.constant("zeros", target.step.shape, like, kind)
    name = draft.named(*target.names)
    draft.assign(name, zeros.text, target.step.shape)
    draft.cover(name, names_in(like))
    for k, write in enumerate(writes):
        sets = k <= MOST_COMPARED and all(
            write.region.is_apart(other.region) for other in writes[:k]
        )
        _write_into(draft, name, target, write, sets)
        if is_joined and not k:
            _join_lines(draft, name)
    return _result(draft, name, target, zeros.names, kind)


def _result(draft: Draft, name: str, target: Target, names: frozenset[str], kind: int) -> Piece:
    if kind == FLOAT:
        draft.floats.add(name)
    names = names if kind == EXACT else frozenset([name])
    return Piece(name, target.step.shape, names=names, is_simple=True)


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
            name = "ones" if value.text == "1" else "full"
            return draft.constant(name, shape, [], value.kind, value)
        if value.shape == shape:
            return value
        return replace(draft.made("broadcast", [value], shape), memory=REPEATED)
    if len(region.sizes) != 1:
        return None
    ((index, length),) = region.sizes.items()
    if shape != (length, length) or region.axes != (({index: 1}, 0),) * 2:
        return None
    if value.number in (1, -1):
        eye = draft.constant("eye", shape, [], EXACT, Piece(str(length)))
        return eye if value.number == 1 else replace(eye, text=f"-{eye.text}", level=UNARY)
    if value.names and len(value.shape) == 1:
        return draft.made("diag", [value], shape)
    return None


def _multiple(draft: Draft, write: Write, value: Piece) -> Piece:
    """Multiply what is written by the number that it is written with."""
    for factor in write.factors:
        value = product(draft.piece(factor), value)
    return value


# --- statements -------------------------------------------------------------------------------


def _write_into(draft: Draft, name: str, target: Target, write: Write, sets: bool) -> None:
    """Write the statement that writes into a part of an array, or adds to it."""
    index, order = _index(draft, target, write.region)
    value = _multiple(draft, write, _aligned(draft, write, order))
    kind = {"assign": "set", "accumulate": "add", "deduct": "subtract"}[write.step.op]
    if sets:
        value = product(read_number("-1"), value) if kind == "subtract" else value
        kind = "set"
    if kind == "add" and value.text.startswith("-") and value.level >= PRODUCT:
        kind, value = "subtract", replace(value, text=value.text[1:])
    pieces = Piece(name), Piece(index or "..."), value
    draft.lines.append(draft.spell_operation(kind, *pieces))


def _join_lines(draft: Draft, name: str) -> None:
    """Write the first write in the line that makes the zeros, if that stays short."""
    above, text = draft.lines[-2:]
    above, _, comment = above.partition("  # ")
    made = above.removeprefix(f"{name} = ")
    joined = text.replace(f"= {name}.", f"= {made}.", 1)
    if made != above and len(joined) < LINE:
        draft.lines[-2:] = [f"{joined}  # {comment}"]


# --- indices ----------------------------------------------------------------------------------


def _index(draft: Draft, target: Target, region: Region) -> tuple[str, list[int]]:
    """Write the indices of a region; return also the order of what they leave."""
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
    names = _meshed(draft, target, region, mesh)
    texts, places = [], []
    for axis, (terms, start) in enumerate(region.axes):
        if not terms:
            texts.append(str(start))
        elif meshed.isdisjoint(terms):
            ((n, step),) = terms.items()
            texts.append(range_text(start, step, region.sizes[n], region.shape[axis]))
        else:
            places.append(axis)
            texts.append(sum_of_indices([(c, names[n]) for n, c in terms.items()], start))
    order = [n for terms, _ in region.axes for n in terms if n not in meshed]
    # Axes of arrays of indices come first, or where these stand if they stand side by side.
    before = 0
    if places and places[-1] - places[0] == len(places) - 1:
        before = sum(bool(terms) for terms, _ in region.axes[: places[0]])
    order[before:before] = mesh
    while texts and texts[-1] == ":":
        del texts[-1]
    return ", ".join(texts), order


def _meshed(draft: Draft, target: Target, region: Region, mesh: Sequence[int]) -> dict[int, str]:
    """Give arrays of indices names, and write what makes them."""
    names: dict[int, str] = {}
    new: list[tuple[str, str]] = []
    for k, n in enumerate(mesh):
        after = len(mesh) - 1 - k
        key = (str(region.sizes[n]), after)
        known = draft.ranges.get(key)
        if known is not None and known not in names.values():
            names[n] = known
            continue
        axis = next(a for a, (terms, _) in enumerate(region.axes) if n in terms)
        letter = target.letters[axis] if axis < len(target.letters) else ""
        wanted = [letter] if letter.isidentifier() else []
        names[n] = draft.ranges[key] = draft.named(*wanted, *INDICES, "i")
        new.append((names[n], index_range(draft, region.sizes[n], after)))
    if len(new) > 1 and len(new) == len(mesh) and draft.backend != "torch":
        parts = ", ".join(f":{region.sizes[n]}" for n in mesh)
        left = ", ".join(name for name, _ in new)
        draft.lines.append(f"{left} = {ALIASES[draft.backend]}.ogrid[{parts}]")
    else:
        draft.lines += [f"{name} = {text}" for name, text in new]
    return names


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
        if below.is_simple or piece.text.startswith(below.at(ATOM)):
            piece = below
            carried = [carried[step.detail.index(k)] for k in range(len(carried))]
    wanted = [n for n in order if n in carried]
    piece = transposed(draft, piece, [carried.index(n) for n in wanted])
    first = next((k for k, n in enumerate(order) if n in carried), len(order))
    mask = [n in carried for n in order[first:]]
    if all(mask):
        return piece
    shape = tuple(write.region.sizes[n] if n in carried else 1 for n in order[first:])
    return expanded(piece, mask, shape)
