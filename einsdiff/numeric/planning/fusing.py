r"""What a list of steps becomes before it is run: late, in place, and without what nobody needs.

A sum of products, :math:`2 A_{ij} x_j + \tanh(y_i)`, is planned as one array for each operation.
Here every step is put off until its result is needed, so that few arrays are alive at a time; an
entry-by-entry operation writes its result into an argument that nobody needs afterwards, or into
the part of a larger array where it is to stand.

>>> from einsdiff.numeric.planning.steps import Handle, Steps
>>> steps, A, x = Steps(), Handle("A", (2, 3), True), Handle("x", (3,), True)
>>> product = steps.emit("dot", [A, x], (2,))
>>> unused = steps.emit("negative", [x], (3,))
>>> double = steps.multiple(2, product)
>>> for step in fused(steps.instructions, [double.name])[0]:
...     print(step.op, step.target, step.args, step.into)
dot t0 ('A', 'x')
multiply t2 ('t0', '2') t0
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from einsdiff.numeric.planning.closed_forms import with_transposes
from einsdiff.numeric.planning.operations import Instruction, is_entrywise
from einsdiff.numeric.planning.powers import Kind, with_chains


def fused(
    instructions: Sequence[Instruction], results: Sequence[str], chained: Kind = "all"
) -> tuple[tuple[Instruction, ...], tuple[str, ...]]:
    """Order steps, drop what no result needs, and let arrays be used again.

    Each step comes after those that it needs. The results may have other names afterwards. Powers
    are `chained` (see `einsdiff.numeric.planning.powers`).
    """
    steps = _scheduled(instructions, results)
    new = with_transposes(with_chains(steps, results, chained), results)
    if new is not steps:
        steps = _scheduled(new, results)
    return _in_place(_directed(steps, results), results)


def needed(instructions: Sequence[Instruction], results: Sequence[str]) -> tuple[Instruction, ...]:
    """Drop the steps that no result needs, and leave the others in their order.

    >>> steps = [Instruction("negative", f"t{k}", ("x",), None, (3,)) for k in range(2)]
    >>> [step.target for step in needed(steps, ["t1"])]
    ['t1']
    """
    kept = set(map(id, _scheduled(instructions, results)))
    return tuple(step for step in instructions if id(step) in kept)


def bases(instructions: Sequence[Instruction]) -> dict[str, str]:
    """Return for each name the array whose memory it may be; that of its own if it is not listed.

    >>> bases([Instruction("transpose", "t1", ("t0",), (1, 0), (3, 2))])
    {'t1': 't0'}
    """
    base: dict[str, str] = {}
    for step in instructions:
        if step.into:
            base[step.target] = base.get(step.into, step.into)
        elif step.operation.is_view:
            base[step.target] = base.get(step.args[0], step.args[0])
    return base


def last_uses(
    instructions: Sequence[Instruction], results: Collection[str], base: dict[str, str]
) -> dict[str, int]:
    """Return the last step in which the memory of each array is used; results are used for ever."""
    last: dict[str, int] = {}
    for k, step in enumerate(instructions):
        for name in (step.target, *step.args):
            last[base.get(name, name)] = k
    last.update((base.get(name, name), len(instructions)) for name in results)
    return last


# --- order ------------------------------------------------------------------------------------


def _scheduled(instructions: Sequence[Instruction], results: Sequence[str]) -> list[Instruction]:
    """Put each step off until its result is needed, and drop what is not needed."""
    base = bases(instructions)
    makes: dict[str, int] = {}
    targets = {step.target for step in instructions if step.operation.is_write}
    for step in reversed(instructions):  # views of views, which may be read, too
        if step.operation.is_view and step.target in targets:
            targets.add(step.args[0])
    last_write: dict[str, int] = {}
    before: dict[int, int] = {}  # the previous write into the same array
    for k, step in enumerate(instructions):
        if step.operation.is_write:
            array = base.get(step.target, step.target)
            if array in last_write:
                before[k] = last_write[array]
            last_write[array] = k
        else:
            makes[step.target] = k

    def values(names: Sequence[str]) -> Iterator[int]:
        """List the steps after which arrays have their values."""
        for name in names:
            if name in makes:
                yield makes[name]
                array = base.get(name, name)
                if array in last_write:
                    yield last_write[array]

    def needs(k: int) -> Iterator[int]:
        step = instructions[k]
        if step.operation.is_write:
            if k in before:
                yield before[k]
            yield from values(step.args[1:])
            yield makes[step.target]
        elif step.target in targets:  # a view to write through needs no values
            yield from (makes[name] for name in step.args if name in makes)
            if not step.operation.is_view:
                yield from values(step.args)
        else:
            yield from values(step.args)

    order: list[Instruction] = []
    seen: set[int] = set()
    for root in values(results):
        if root in seen:
            continue
        seen.add(root)
        stack = [(root, needs(root))]
        while stack:
            k, rest = stack[-1]
            for other in rest:
                if other not in seen:
                    seen.add(other)
                    stack.append((other, needs(other)))
                    break
            else:
                order.append(instructions[k])
                stack.pop()
    return order


# --- where results are written ----------------------------------------------------------------


def _uses(instructions: Sequence[Instruction], results: Sequence[str]) -> dict[str, int]:
    """Count how often each name is used."""
    uses: dict[str, int] = {}
    for name in (*results, *(name for step in instructions for name in step.args)):
        uses[name] = uses.get(name, 0) + 1
    return uses


def _directed(instructions: list[Instruction], results: Sequence[str]) -> list[Instruction]:
    """Let operations write where their result would be copied to."""
    uses = _uses(instructions, results)
    makes = {step.target: step for step in instructions if not step.operation.is_write}
    moved: dict[str, Instruction] = {}  # by the array to write into: what is written
    for step in instructions:
        if step.op == "assign" and len(step.args) == 2:
            made = makes.get(step.args[1])
            if (
                made is not None
                and is_entrywise(made)
                and made.shape == step.shape != ()
                and uses[made.target] == 1
            ):
                moved[made.target] = made
    directed = []
    for step in instructions:
        if step.op == "assign" and step.args[1] in moved:
            directed.append(replace(moved[step.args[1]], into=step.target))
        elif step.target not in moved or step.operation.is_write:
            directed.append(step)
    return directed


def _in_place(
    instructions: Sequence[Instruction], results: Sequence[str]
) -> tuple[tuple[Instruction, ...], tuple[str, ...]]:
    """Let operations write into an argument that is not needed afterwards."""
    base = bases(instructions)
    last = last_uses(instructions, results, base)
    shapes: dict[str, tuple[int, ...]] = {}  # of arrays that may be written to
    foreign: set[str] = set()  # memory that a function of the user's may have kept
    reused: dict[str, str] = {}  # names of memory that has another name already
    renamed: dict[str, str] = {}  # of copies that are not made

    done: list[Instruction] = []

    def memory(name: str) -> str:
        name = base.get(name, name)
        while name in reused:
            name = reused[name]
        return name

    for k, old in enumerate(instructions):
        step = replace(
            old,
            target=renamed.get(old.target, old.target),
            args=tuple(renamed.get(name, name) for name in old.args),
            into=renamed.get(old.into, old.into),
        )
        spent = None
        if not step.into and (step.op == "copy" or is_entrywise(step)):
            spent = next(
                (
                    name
                    for name in step.args
                    if shapes.get(name) == step.shape != ()
                    and memory(name) in shapes
                    and memory(name) not in foreign
                    and last[memory(name)] == k
                    # Another view of the same entries would change under the operation.
                    and all(other == name or memory(other) != memory(name) for other in step.args)
                ),
                None,
            )
        if spent is not None:
            reused[old.target] = memory(spent)
            last[memory(spent)] = last[old.target]
            if step.op == "copy":
                renamed[old.target] = spent
                continue
            step = replace(step, into=spent)
        if step.is_foreign:
            foreign.update(memory(name) for name in step.args)  # it may be what is returned
        elif not step.operation.is_write:
            shapes[step.target] = step.shape
        done.append(step)
    return tuple(done), tuple(renamed.get(name, name) for name in results)
