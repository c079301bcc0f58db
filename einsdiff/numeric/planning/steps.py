r"""Straight-line steps: the instructions that a program is made of, and a list of them that grows.

An array that is still to be computed is known by its name and its shape. A step that was taken
before is not taken again: what two products have in common is computed once, whatever the order in
which they are contracted. Whatever only looks at an array in another way is a view, which costs
neither time nor memory; in

.. math:: y_i = \sum_p \delta_{i+1,\,p}\, x_p

nothing is computed:

>>> steps = Steps()
>>> x = Handle("x", (4,))
>>> steps.slice(x, {0: Range(1, 1, 3)}).shape
(3,)
>>> steps.instructions[0].op, steps.instructions[0].detail
('slice', ('1:',))
"""

from __future__ import annotations

from cmath import isfinite
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from typing import Any

import opt_einsum as oe

from einsdiff.algebra.nodes.interning import Number, is_one
from einsdiff.numeric.orders.networks import Placed
from einsdiff.numeric.planning.operations import OPERATIONS, Instruction
from einsdiff.numeric.planning.strides import contiguous, entrywise, reshaped, turned
from einsdiff.numeric.planning.sums import Summing, summing

Labels = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Handle:
    """An array that a program has or computes."""

    name: str  # what it is called
    shape: tuple[int, ...]  # its shape
    borrowed: bool = False  # whether it is an input, or a view of one
    #: How far apart its entries are along each axis, counted in entries; those of a new array if
    #: left out.
    strides: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.strides) != len(self.shape):
            object.__setattr__(self, "strides", contiguous(self.shape))


#: What numbers are multiples of; no array.
ONES = Handle("1", ())


@dataclass(frozen=True, slots=True)
class Range:
    """The indices ``start, start + step, ..``, so many of them."""

    start: int
    step: int
    count: int

    def text(self, size: int) -> str:
        """Write it as a slice of an axis of this size.

        >>> Range(1, 1, 4).text(5), Range(4, -2, 3).text(5), Range(0, 2, 2).text(5)
        ('1:', '::-2', ':-2:2')
        """
        last = self.start + self.step * (self.count - 1)
        forward = self.step > 0
        first = "" if self.start == (0 if forward else size - 1) else str(self.start)
        goes_on = 0 <= last + self.step < size
        end = last + (1 if forward else -1)
        if 2 * end > size and forward:
            end -= size  # x[:-1] says more than x[:999]
        stop = str(end) if goes_on else ""
        return f"{first}:{stop}" + (f":{self.step}" if self.step != 1 else "")

    def reversed(self) -> Range:
        """List the same indices from the last to the first."""
        return Range(self.start + self.step * (self.count - 1), -self.step, self.count)

    def is_all(self, size: int) -> bool:
        """Tell whether it is every index of an axis, in order."""
        return self == Range(0, 1, size)


class Steps:
    """Instructions, appended one by one; each method returns the array that its step makes.

    If they are plain, they are what a person would write: no array is laid out otherwise than the
    expression has it so that a product of two is faster. The `finder` searches for the order of a
    product, see `einsdiff.numeric.orders.paths`; where that takes more entries than there is `room`
    for, products are computed in slices.
    """

    def __init__(self, is_plain: bool = False, finder: Any = None, room: int | None = None) -> None:
        self.is_plain = is_plain
        self.finder = finder
        self.room = room
        self.instructions: list[Instruction] = []
        self._made: dict[Hashable, Handle] = {}
        #: The networks of arrays that were multiplied.
        self.placed = Placed()
        #: The sorted shapes of what is to lie in the order of its axes: results, which are large.
        self.straight: Collection[tuple[int, ...]] = ()
        self.has_turned = False  # whether results may lie otherwise than their operands do
        #: Products of two arrays, and their axes: numbers of labels as they occur in the two.
        self.pairs: dict[Hashable, tuple[Handle, Labels]] = {}
        self._numbers = count()
        self._labels = count(-1, -1)

    def inside(self) -> Steps:
        """Return a list of steps of its own, whose arrays have names that these do not use."""
        steps = Steps(self.is_plain)
        steps._numbers = self._numbers
        return steps

    def new_label(self) -> int:
        """Return a label that no expression has: those of expressions start from 0."""
        return next(self._labels)

    def emit(
        self,
        op: str,
        args: Sequence[Handle],
        shape: Sequence[int],
        detail: Any = None,
        strides: Sequence[int] | None = None,
    ) -> Handle:
        """Append an instruction that makes an array, unless there is this array already."""
        names = tuple(arg.name for arg in args)
        assert isinstance(detail, OPERATIONS[op].detail), f"{detail!r} does not belong to {op}"
        key = (op, names, detail, tuple(shape))
        if key in self._made:
            return self._made[key]
        if op == "sum" and not self.is_plain and self.room is None:  # ones take room
            (array,) = args
            axes: Any = detail
            found = self._summed(array, shape, summing(array.shape, array.strides, axes))
            if found is not None:
                self._made[key] = found
                return found
        name = f"t{next(self._numbers)}"
        self.instructions.append(Instruction(op, name, names, detail, tuple(shape)))
        # A reshape may or may not copy.
        borrowed = OPERATIONS[op].is_view and args[0].borrowed
        made = Handle(name, tuple(shape), borrowed, tuple(strides or ()))
        if not OPERATIONS[op].is_changed:
            self._made[key] = made
        return made

    def _summed(self, array: Handle, shape: Sequence[int], way: Summing | None) -> Handle | None:
        """Sum over some axes as a product with ones, if that is a way."""
        if way is None:
            return None
        if not way.op:
            return self.reshape(array, shape)
        matrix = self.reshape(self.transpose(array, way.axes), way.sizes)
        is_row = way.op == "row sums"
        rest = way.sizes[:-1] if is_row else (*way.sizes[:-2], way.sizes[-1])
        found = self.emit(way.op, [matrix], rest, way.sizes[-1 if is_row else -2])
        found = self.reshape(found, [array.shape[axis] for axis in way.kept])
        found = self.transpose(found, [way.kept.index(axis) for axis in sorted(way.kept)])
        return self.reshape(found, shape)

    def multiple(self, c: Number, array: Handle) -> Handle:
        """Multiply an array, or `ONES`, by a number."""
        if array is ONES:
            return Handle(literal(c), ())
        if is_one(c) or (c == 1 and not self.is_plain):  # 1.0 is a pass over nothing new
            return array
        if c == -1:
            return self.entrywise("negative", [array], array.shape)
        return self.entrywise("multiply", [array, Handle(literal(c), ())], array.shape)

    def fresh(self, array: Handle) -> Handle:
        """Copy an array in order to change it."""
        name = f"t{next(self._numbers)}"
        self.instructions.append(Instruction("copy", name, (array.name,), None, array.shape))
        return Handle(
            name, array.shape, False, entrywise(array.shape, [(array.shape, array.strides)])
        )

    def write(self, op: str, target: Handle, args: Sequence[str]) -> None:
        """Append an instruction that changes an array."""
        self.instructions.append(
            Instruction(op, target.name, (target.name, *args), None, target.shape)
        )

    def transpose(self, array: Handle, axes: Sequence[int]) -> Handle:
        """Permute axes."""
        if list(axes) == list(range(len(axes))):
            return array
        shape = [array.shape[axis] for axis in axes]
        strides = [array.strides[axis] for axis in axes]
        return self.emit("transpose", [array], shape, tuple(axes), strides)

    def reshape(self, array: Handle, shape: Sequence[int]) -> Handle:
        """Merge or split axes; merging may copy."""
        if tuple(shape) == array.shape:
            return array
        strides = reshaped(array.shape, array.strides, shape)
        # Whether it copies is known for sure only when it is done.
        detail = "view" if strides is not None else "copy"
        return self.emit("reshape", [array], shape, detail, strides)

    def split(self, array: Handle, parts: Mapping[int, Sequence[int]]) -> Handle:
        """Split axes into several, which is a view whatever the strides."""
        shape = tuple(n for k, size in enumerate(array.shape) for n in parts.get(k, (size,)))
        if shape == array.shape:
            return array
        strides = [
            step * inner
            for k, (size, step) in enumerate(zip(array.shape, array.strides, strict=True))
            for inner in contiguous(parts.get(k, (size,)))
        ]
        digits = tuple(tuple(parts.get(k, (size,))) for k, size in enumerate(array.shape))
        return self.emit("split", [array], shape, digits, strides)

    def slice(self, array: Handle, ranges: Mapping[int, Range | int]) -> Handle:
        """Take ranges of axes, or one index, which removes the axis."""
        texts, shape, strides = [], [], []
        for axis, size in enumerate(array.shape):
            found = ranges.get(axis, Range(0, 1, size))
            if isinstance(found, int):
                texts.append(str(found))
            else:
                texts.append(":" if found.is_all(size) else found.text(size))
                shape.append(found.count)
                strides.append(array.strides[axis] * found.step)
        if all(text == ":" for text in texts):
            return array
        while texts[-1] == ":":
            del texts[-1]
        if not shape:
            texts.append("...")  # a view without axes, not a number
        return self.emit("slice", [array], shape, tuple(texts), strides)

    def diagonal(self, array: Handle, labels: Labels) -> tuple[Handle, Labels]:
        """View the entries in which axes of one label have one index."""
        distinct = tuple(dict.fromkeys(labels))
        if len(distinct) == len(labels):
            return array, labels
        shape = [array.shape[labels.index(label)] for label in distinct]
        strides = [
            sum(step for n, step in zip(labels, array.strides, strict=True) if n == label)
            for label in distinct
        ]
        detail = letters([labels], distinct)
        return self.emit("diagonal", [array], shape, detail, strides), distinct

    def arrange(self, array: Handle, labels: Labels, order: Sequence[int]) -> Handle:
        """View an array with its axes in this order, and axes of size 1 for absent labels."""
        present = [label for label in order if label in labels]
        array = self.transpose(array, [labels.index(label) for label in present])
        if len(present) == len(order):
            return array
        # Absent labels in front are added by broadcasting itself.
        first = next((k for k, label in enumerate(order) if label in labels), len(order))
        index = tuple(label in labels for label in order[first:])
        if all(index):
            return array
        axes = iter(zip(array.shape, array.strides, strict=True))
        shape, strides = zip(*(next(axes) if there else (1, 0) for there in index), strict=True)
        return self.emit("expand", [array], shape, index, strides)

    def entrywise(
        self, op: str, args: Sequence[Handle], shape: Sequence[int], detail: Any = None
    ) -> Handle:
        """Append an operation entry by entry, whose result lies in memory as its arguments do.

        Where two that are added are both repeated, as in a difference of points, its longest axis
        comes to run fastest; products meet what matrix products have laid out.
        """
        own = [(arg.shape, arg.strides) for arg in args if arg.shape]
        lies = entrywise(shape, own)
        order = None
        is_sum = op in ("add", "subtract") and not self.is_plain
        if is_sum and tuple(sorted(shape)) not in self.straight:
            order = turned(shape, lies, [lengths for lengths, _ in own])
        if order is None:
            return self.emit(op, args, shape, detail, lies)
        values = [self._turned(arg, order) if arg.shape else arg for arg in args]
        found = self.emit(op, values, [shape[axis] for axis in order], detail)
        self.has_turned = True
        return self.transpose(found, [order.index(axis) for axis in range(len(order))])

    def _turned(self, array: Handle, order: Sequence[int]) -> Handle:
        """Copy a small array to lie in the order of these axes, among which it may lack some."""
        full = self.reshape(array, (1,) * (len(order) - len(array.shape)) + array.shape)
        full = self.transpose(full, order)
        lies = [(n, step) for n, step in zip(full.shape, full.strides, strict=True) if n > 1]
        if lies and lies[-1][1] != 1:
            full = self.emit("pack", [full], full.shape)
        return full


def literal(value: Number) -> str:
    """Write a number as Python source.

    >>> from fractions import Fraction
    >>> literal(3), literal(-3), literal(Fraction(-1, 2)), literal(float("inf"))
    ('3', '(-3)', '(-1/2)', "float('inf')")
    """
    if isinstance(value, int) and abs(value) >= 2**63:  # more than NumPy's integers hold
        try:
            value = float(value)
        except OverflowError:
            value = float("inf") if value > 0 else float("-inf")
    if isinstance(value, float | complex) and not isfinite(value):
        return f"{type(value).__name__}('{value}')"
    if isinstance(value, Fraction):
        return f"({value})"
    text = repr(value)
    return f"({text})" if text.startswith("-") else text


def indices(texts: Sequence[str]) -> list[int | slice]:
    """Read the detail of a slice, up to the last axis that is sliced.

    >>> indices((":", "2", "1:-1", ":"))
    [slice(None, None, None), 2, slice(1, -1, None)]
    """
    found: list[int | slice] = []
    for text in texts:
        if ":" in text:
            found.append(slice(*(int(part) if part else None for part in text.split(":"))))
        elif text != "...":
            found.append(int(text))
    while found and found[-1] == slice(None):
        del found[-1]
    return found


def letters(inputs: Sequence[Labels], output: Sequence[int]) -> str:
    """Write integer labels as an einsum string.

    >>> letters([(4, 7), (7,)], [4])
    'ij,j->i'
    """
    letter: dict[int, str] = {}
    for label in (*(label for labels in inputs for label in labels), *output):
        # i, j, .. and then the rest of the 52 letters that NumPy knows
        letter.setdefault(label, oe.get_symbol((8 + len(letter)) % 52))
    terms = ["".join(letter[label] for label in labels) for labels in (*inputs, output)]
    return ",".join(terms[:-1]) + "->" + terms[-1]
