r"""What the steps of a plan cost: operations, bytes moved, and memory alive.

A product of an m×k and a k×n matrix is :math:`2 m k n` operations, a sum or a function one for each
entry; a view costs nothing. Bytes are those that a step reads and writes, each once. Memory is what
is allocated at the same time, without the operands.

>>> from einsdiff.numeric.steps import Handle, Steps
>>> steps, A, x = Steps(), Handle("A", (200, 300), True), Handle("x", (300,), True)
>>> y = steps.emit("dot", [A, x], (200,))
>>> costs(steps.instructions, [y.name], {"A": (200, 300), "x": (300,)})
[Cost(flops=120000, entries=60500, alive=200)]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple

from einsdiff.numeric.fusing import bases, last_uses
from einsdiff.numeric.steps import ALIASES, WRITES, Instruction

__all__ = ["Cost", "costs"]


class Cost(NamedTuple):
    """What a step costs.

    Attributes
    ----------
    flops
        Operations.
    entries
        The entries that it reads and writes.
    alive
        The entries of all arrays that are allocated while it runs.
    """

    flops: int
    entries: int
    alive: int


def costs(
    instructions: Sequence[Instruction],
    results: Sequence[str],
    inputs: Mapping[str, tuple[int, ...]],
) -> list[Cost]:
    """Return what each step costs.

    Parameters
    ----------
    instructions
        The steps.
    results
        The names of the results, which stay.
    inputs
        The shapes of the arrays that are given.

    Returns
    -------
    list of Cost
        One for each step.
    """
    base = bases(instructions)
    last = last_uses(instructions, results, base)
    shapes = dict(inputs)
    held: dict[str, int] = {}  # entries of what is allocated
    alive = 0
    found = []
    for k, step in enumerate(instructions):
        size = prod(step.shape)
        read = [shapes[name] for name in step.args if name in shapes]
        shapes[step.target] = step.shape
        if step.op not in ALIASES and step.op not in WRITES and not step.into:
            held[step.target] = size
            alive += size
        if step.op in ALIASES:
            found.append(Cost(0, 0, alive))
        else:
            moved = sum(map(prod, read)) + (size if step.op not in WRITES else 0)
            found.append(Cost(_flops(step, read), moved, alive))
        for name in {base.get(name, name) for name in (step.target, *step.args)}:
            if last[name] == k:
                alive -= held.pop(name, 0)
    return found


def _flops(step: Instruction, read: Sequence[tuple[int, ...]]) -> int:
    """Count operations; those of functions of matrices as for one factorisation."""
    size = prod(step.shape)
    match step.op:
        case "zeros" | "empty" | "copy" | "clear" | "gather" | "positions":
            return 0
        case "assign" if len(step.args) == 2:
            return 0
        case "dot" | "matmul":
            return 2 * size * read[0][-1]
        case "einsum":
            return 2 * max(map(prod, read))
        case "sum" | "scatter" | "cumsum":
            return prod(read[0])
        case "call" if not step.detail.is_elementwise:
            return max(map(prod, read)) * max((shape[-1] for shape in read if shape), default=1)
    return size
