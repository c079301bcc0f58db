r"""What the steps of a plan cost: operations, bytes moved, and memory alive.

A product of an m×k and a k×n matrix is :math:`2 m k n` operations, a sum or a function one for each
entry; a view costs nothing. Bytes are those that a step reads and writes, each once. Memory is what
is allocated at the same time, without the operands.

>>> from einsdiff.numeric.planning.steps import Handle, Steps
>>> steps, A, x = Steps(), Handle("A", (200, 300), True), Handle("x", (300,), True)
>>> y = steps.emit("dot", [A, x], (200,))
>>> costs(steps.instructions, [y.name], {"A": (200, 300), "x": (300,)})
[Cost(flops=120000, entries=60500, alive=200)]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from einsdiff.algebra.nodes.interning import Add, Delta, Einsum, Node
from einsdiff.numeric.libraries.memory import format_bytes
from einsdiff.numeric.orders.paths import find_path
from einsdiff.numeric.orders.slices import steps_of
from einsdiff.numeric.planning.fusing import bases, last_uses
from einsdiff.numeric.planning.operations import Instruction, Sliced


class Cost(NamedTuple):
    """What a step costs."""

    flops: int  # operations
    entries: int  # the entries that it reads and writes
    alive: int  # those of all arrays while it runs, also of those that a function makes on its way


@dataclass(frozen=True)
class Report:
    """What a program does and costs; it prints as a table."""

    steps: tuple[Instruction, ...]  # the instructions
    costs: tuple[Cost, ...]  # what each of them costs
    itemsize: int = 8  # the bytes of an entry
    mode: str = ""  # in which order a derivative's chain rule is multiplied out: see `mode_of`
    #: The entries of operands that are converted first, since they have another dtype. They are
    #: alive in each step.
    copied: int = 0

    @property
    def flops(self) -> int:
        """All operations."""
        return sum(cost.flops for cost in self.costs)

    @property
    def bytes(self) -> int:
        """All bytes that are read and written."""
        return self.itemsize * sum(cost.entries for cost in self.costs)

    @property
    def peak(self) -> int:
        """The most bytes that are allocated at one time."""
        return self.itemsize * (self.copied + max((cost.alive for cost in self.costs), default=0))

    def __str__(self) -> str:
        rows = [("step", "operation", "shape", "flops", "bytes", "memory")]
        for k, (step, cost) in enumerate(zip(self.steps, self.costs, strict=True), start=1):
            if not step.operation.is_view and step.op != "clear":
                entries = cost.entries, cost.alive + self.copied
                moved, alive = (format_bytes(self.itemsize * n) for n in entries)
                shape = _short(str(step.shape), 20)
                rows.append(
                    (str(k), _short(_text(step), 34), shape, f"{cost.flops:,}", moved, alive)
                )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                text.rjust(width) if column in (0, 3, 4) else text.ljust(width)
                for column, (text, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        lines.append(
            f"total {self.flops:,} operations, {format_bytes(self.bytes)} moved, "
            f"at most {format_bytes(self.peak)} allocated"
            + (f", {format_bytes(self.itemsize * self.copied)} by conversions" * bool(self.copied))
            + (f", {self.mode} mode" if self.mode else "")
        )
        return "\n".join(lines)

    __repr__ = __str__


def mode_of(node: Node, domain: int, sizes: Mapping[str, int]) -> str:
    r"""Tell in which order the chain rule is multiplied out, if there is more than one.

    In :math:`\frac{\partial f}{\partial g} \frac{\partial g}{\partial h} \frac{\partial h}{\partial
    x}` the products on the way have the axes of f if it is done from the left, reverse mode, and
    those of x if it is done from the right, forward mode. The order is chosen by what it costs, and
    may be neither. The last axes of the derivative, its domain, are those of x.

    >>> A, B = variable("A", (2, 50)), variable("B", (50, 50))
    >>> mode_of(einsum([A, B, B], ["ij", "jk", "kl"], "il"), 1, {})
    'reverse'
    """
    split = len(node.shape) - domain
    if not split:  # a derivative of a number is found backwards
        return "reverse"
    found = set()
    terms = [term for _, term in node.terms] if isinstance(node, Add) else [node]
    for term in terms:
        if not isinstance(term, Einsum):
            continue
        ours, theirs = set(term.output[:split]), set(term.output[split:])
        left = [
            frozenset(labels)
            for part, labels in zip(term.operands, term.subscripts, strict=True)
            if not isinstance(part, Delta)
        ]
        kept = term.carried.intersection(term.output)
        numbers = tuple(n if isinstance(n, int) else sizes[n] for n in term.sizes)
        path, _ = find_path(tuple(tuple(sorted(s)) for s in left), tuple(sorted(kept)), numbers)
        for step in list(steps_of(path, left, kept))[:-1]:
            if bool(step.result & ours) != bool(step.result & theirs):
                found.add("reverse" if step.result & ours else "forward")
    return "mixed" if len(found) > 1 else next(iter(found), "")


def _text(step: Instruction) -> str:
    """Write an instruction in one line."""
    name = step.detail.title if step.op == "call" else step.op
    args = ", ".join(step.args[1:] if step.operation.is_write else step.args)
    if step.op == "einsum":
        args = f"{step.detail!r}, {args}"
    into = f" into {step.into}" if step.into and step.into != step.target else ""
    return f"{step.target} = {name}({args}){into}"


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def costs(
    instructions: Sequence[Instruction],
    results: Sequence[str],
    inputs: Mapping[str, tuple[int, ...]],
) -> list[Cost]:
    """Return what each step costs, from the shapes of the arrays that are given; results stay."""
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
        does = step.operation
        if step.allocates:
            memory = base.get(step.target, step.target)
            held[memory] = held.get(memory, 0) + size
            alive += size
        if step.op == "slices":
            found.append(_repeated(step.detail, shapes, alive))
        elif step.allocates or does.is_write or step.into:
            moved = sum(map(prod, read)) + (0 if does.is_write else size)
            found.append(Cost(does.flops(step, read), moved, alive + does.temporary(step, read)))
        else:
            found.append(Cost(0, 0, alive))
        for name in {base.get(name, name) for name in (step.target, *step.args)}:
            if last[name] == k:
                alive -= held.pop(name, 0)
    return found


def _repeated(sliced: Sliced, shapes: Mapping[str, tuple[int, ...]], alive: int) -> Cost:
    """Return what it costs to take steps many times, and to add up what they make."""
    inner = costs(sliced.steps, [sliced.value], shapes)
    last = next((step.shape for step in sliced.steps if step.target == sliced.value), ())
    entries = prod(last or shapes.get(sliced.value, ()))
    flops = sum(cost.flops for cost in inner) + (entries if sliced.is_sum else 0)
    moved = sum(cost.entries for cost in inner) + 2 * entries
    return Cost(
        sliced.count * flops,
        sliced.count * moved,
        alive + max((cost.alive for cost in inner), default=0),
    )
