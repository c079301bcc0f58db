r"""What the steps of a plan do: one record for each operation.

A product of matrices, :math:`C_{ij} = \sum_k A_{ik} B_{kj}`, is a step of the operation ``dot``:

>>> step = Instruction("dot", "C", ("A", "B"), None, (20, 40))
>>> step.operation.flops(step, [(20, 30), (30, 40)])  # 2 m k n
48000
>>> step.allocates, step.operation.is_view
(True, False)

What a record says is all that schedulers, reports and writers know of an operation. How it is
written is a table of each writer by operation (`einsdiff.numeric.running.program` for NumPy,
`einsdiff.numeric.source.statements` for people and other libraries), which has all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from types import NoneType
from typing import Any, NamedTuple

from einsdiff.algebra.nodes.function_records import Function

Shapes = Sequence[tuple[int, ...]]

#: So many pairs of columns are multiplied at a time, where the rest is their mirror image.
MOST_PAIRS = 512
#: NumPy's functions of entries that are no ufuncs.
WITHOUT_OUT = frozenset({"where"})


# --- steps ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step of a program."""

    op: str  # what to do, a key of `OPERATIONS`
    target: str  # the name of the array that it makes or writes into
    args: tuple[str, ...]  # names of arrays, or numbers
    detail: Any  # what else the operation needs; of the type that its record says
    shape: tuple[int, ...]  # of the target
    into: str = ""  # the array that the result is written into, if not into a new one

    @property
    def operation(self) -> Operation:
        """The record of the operation."""
        return OPERATIONS[self.op]

    @property
    def allocates(self) -> bool:
        """Whether its result has memory of its own."""
        does = self.operation
        is_seen = does.is_view and not does.copies and self.detail != "copy"
        return not (is_seen or does.is_write or self.into)

    @property
    def is_foreign(self) -> bool:
        """Whether it calls a function of the user's, which may keep or return what it is given."""
        return self.op == "call" and callable(self.detail.implementation)

    @property
    def names(self) -> tuple[str, ...]:
        """All names in it: of the target, of what it reads, and of what it is written into."""
        return (self.target, *self.args, self.into) if self.into else (self.target, *self.args)


def is_entrywise(step: Instruction) -> bool:
    """Tell whether a step is an operation entry by entry whose result can be written anywhere."""
    return step.operation.is_entrywise or (step.op == "call" and _takes_out(step.detail))


@lru_cache(maxsize=1024)
def _takes_out(function: Function) -> bool:
    """Tell whether a function is one of NumPy's that can write its result anywhere.

    >>> _takes_out(FUNCTIONS["tanh"]), _takes_out(FUNCTIONS["softplus"])
    (True, False)
    """
    spelled = re.fullmatch(r"np\.(\w+)\([^()]*\)", function.numpy)
    is_of_entries = set(function.signature) <= set("(),->")
    return spelled is not None and is_of_entries and spelled[1] not in WITHOUT_OUT


# --- details ----------------------------------------------------------------------------------


class IndexSum(NamedTuple):
    """The array ``sum(c_k i_k) + offset`` of the indices of its axes."""

    coefficients: tuple[int, ...]
    offset: int
    shape: tuple[int, ...]


class IndexCondition(NamedTuple):
    """Where a sum of indices is zero, or else where it is not negative."""

    of: IndexSum
    is_equation: bool


class Gather(NamedTuple):
    """How entries are taken at positions along the first axis of an array."""

    size: int  # the size of that axis
    divisor: int  # what positions are divided by; those that are no multiple of it are outside
    #: What to do about positions that the axis does not have: take "zero", "clip" them to the
    #: nearest one, or nothing, as there are "none".
    outside: str
    rank: int  # how many axes the positions have
    shared: tuple[int, ...] = ()  # which of these are the next axes of the array


class Scatter(NamedTuple):
    """How entries are added up at positions along a new first axis of this size."""

    size: int
    is_inside: bool  # all positions
    is_injective: bool  # no two of them are one


@dataclass(frozen=True, slots=True)
class Sliced:
    """Steps that are taken for each value of some indices, and add up."""

    indices: tuple[tuple[str, int], ...]  # the name of each index, and how many values it has
    steps: tuple[Instruction, ...]  # the steps; slices in them are of these indices
    value: str  # the name of what they make
    #: Where in the result that stands, axis by axis: the name of an index, or ``":"``.
    place: tuple[str, ...]
    is_sum: bool  # whether several of them stand in one place

    @property
    def count(self) -> int:
        """How often the steps are taken."""
        return prod(n for _, n in self.indices)


# --- what operations cost ---------------------------------------------------------------------


def _nothing(_: Instruction, __: Shapes) -> int:
    return 0


def _of_entries(step: Instruction, _: Shapes) -> int:
    return prod(step.shape)


def _of_product(step: Instruction, read: Shapes) -> int:
    return 2 * prod(step.shape) * read[0][-1]


def _of_half(step: Instruction, read: Shapes) -> int:
    return prod(step.shape) * read[0][0] + 2 * prod(read[0])


def _of_call(step: Instruction, read: Shapes) -> int:
    """Count operations of a function, those of functions of matrices as for one factorisation."""
    if step.detail.is_elementwise:
        return prod(step.shape)
    return max(map(prod, read)) * max((shape[-1] for shape in read if shape), default=1)


def _beside_gram(_: Instruction, read: Shapes) -> int:
    height, extent = read[0]
    return 2 * height * extent + extent**2


def _beside_pairs(step: Instruction, read: Shapes) -> int:
    height, extent = read[0]
    count = min(MOST_PAIRS, extent * (extent + 1) // 2)
    return count * (2 * height + step.shape[-1])


def _beside_call(step: Instruction, read: Shapes) -> int:
    largest = max(prod(step.shape), *map(prod, read), 0)
    return int(step.detail.temporary * largest)


# --- the table --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operation:
    """What is known of an operation."""

    detail: type = NoneType  # the type of what it needs besides its arguments
    is_view: bool = False  # whether its result may be a view of its argument
    copies: bool = False  # whether that is a copy all the same, unless there is nothing to be done
    is_write: bool = False  # whether it changes its target, which it does not make
    #: Whether NumPy can write its result anywhere, since it is computed entry by entry.
    is_entrywise: bool = False
    #: Whether what it makes is there to be changed, so that it is made anew each time.
    is_changed: bool = False
    is_product: bool = False  # whether it is a product of matrices, or of vectors with these
    #: Whether its result can be written into the array that the caller of a program passes.
    takes_out: bool = False
    is_for_speed: bool = False  # whether plans that people read are without it
    #: How many operations on numbers it takes, from the step and the shapes of what it reads.
    flops: Callable[[Instruction, Shapes], int] = _of_entries
    #: How many entries it allocates and frees again.
    temporary: Callable[[Instruction, Shapes], int] = _nothing


#: All operations of plans, by name.
OPERATIONS = {
    # Views.
    "transpose": Operation(tuple, is_view=True),
    "expand": Operation(tuple, is_view=True),
    "diagonal": Operation(str, is_view=True),
    "slice": Operation(tuple, is_view=True),
    "split": Operation(tuple, is_view=True),
    "reshape": Operation(str, is_view=True, flops=_nothing),  # a "view" or a "copy"
    "pack": Operation(is_view=True, copies=True, is_for_speed=True, flops=_nothing),
    "repeat": Operation(is_view=True, copies=True, is_for_speed=True, flops=_nothing),
    # Arrays that are written into, and what is written there.
    "zeros": Operation(object, is_changed=True, takes_out=True, flops=_nothing),  # its windows
    "empty": Operation(is_changed=True, takes_out=True, flops=_nothing),
    "copy": Operation(takes_out=True, flops=_nothing),
    "assign": Operation(
        is_write=True, flops=lambda step, _: 0 if len(step.args) == 2 else prod(step.shape)
    ),
    "accumulate": Operation(is_write=True),
    "deduct": Operation(is_write=True),
    "clear": Operation(is_write=True, flops=_nothing),
    # Entry by entry.
    "add": Operation(is_entrywise=True),
    "subtract": Operation(is_entrywise=True),
    "multiply": Operation(is_entrywise=True),
    "negative": Operation(is_entrywise=True),
    "power": Operation(int, is_entrywise=True),
    "call": Operation(Function, flops=_of_call, temporary=_beside_call),
    "number": Operation(),
    "size": Operation(int),
    # Products and sums.
    "dot": Operation(is_product=True, takes_out=True, flops=_of_product),
    "matmul": Operation(is_product=True, takes_out=True, flops=_of_product),
    "einsum": Operation(str, flops=lambda _, read: 2 * max(map(prod, read))),
    "gram": Operation(is_for_speed=True, flops=_of_half, temporary=_beside_gram),
    "pairs": Operation(is_for_speed=True, flops=_of_half, temporary=_beside_pairs),
    "sum": Operation(tuple, flops=lambda _, read: prod(read[0])),
    "row sums": Operation(  # of so many entries each
        int,
        is_for_speed=True,
        flops=lambda _, read: prod(read[0]),
        temporary=lambda step, _: step.detail,
    ),
    "column sums": Operation(  # of so many rows
        int,
        is_for_speed=True,
        flops=lambda _, read: prod(read[0]),
        temporary=lambda step, _: step.detail,
    ),
    "cumsum": Operation(bool, flops=lambda _, read: prod(read[0])),
    "slices": Operation(Sliced, is_for_speed=True),
    # Relations of indices.
    "positions": Operation(IndexSum, flops=_nothing),
    "gather": Operation(Gather, flops=_nothing, temporary=lambda _, read: 2 * prod(read[1])),
    "scatter": Operation(Scatter, flops=lambda _, read: prod(read[0])),
    "mask": Operation(IndexCondition, temporary=lambda step, _: prod(step.shape) // 8),
    "relation": Operation(IndexCondition, temporary=lambda step, _: prod(step.shape) // 8),
}

#: Those that allocate nothing.
VIEWS = frozenset(
    name
    for name, known in OPERATIONS.items()
    if known.is_write or (known.is_view and not known.copies and name != "reshape")
)
