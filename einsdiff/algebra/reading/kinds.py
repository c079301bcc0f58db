"""What the parts of a formula are, between the tree of its text and the node that it means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from einsdiff.algebra.nodes.function_records import Function
from einsdiff.algebra.nodes.interning import Number
from einsdiff.notation.subscripts import Size
from einsdiff.notation.trees import Affine, Index, letters_of


@dataclass(slots=True, eq=False)
class Part:
    """A part of an expression, and how often each letter stands in it, as `in_product` counts."""

    counts: dict[str, int]


@dataclass(slots=True, eq=False)
class Amount(Part):
    """A number."""

    value: Number


@dataclass(slots=True, eq=False)
class SizePart(Part):
    """A size, by name: the factor n."""

    name: str


@dataclass(slots=True, eq=False)
class Tie:
    """A relation of indices: the coefficient of each, the offset, and whether it is an equation.

    With a `modulus`, the index is equal to the remainder.
    """

    terms: list[tuple[int, int]]
    offset: int
    is_equation: bool = True
    modulus: Size | None = None


@dataclass(slots=True, eq=False)
class Named(Part):
    """An operand with its indices.

    Once its letters are bound, `axes` is the index of each axis, and `ties` says of those that are
    sums what they are.
    """

    name: str
    indices: tuple[Index, ...]
    columns: tuple[int, ...]
    column: int
    axes: tuple[int, ...] = ()
    ties: tuple[Tie, ...] = ()


@dataclass(slots=True, eq=False)
class Equal(Part):
    """The delta of two labels, of one size."""

    letters: tuple[str, ...]
    columns: tuple[int, ...]
    axes: tuple[int, ...] = ()


@dataclass(slots=True, eq=False)
class Related(Part):
    """A relation of labels, ``δ_{i+1,p}`` or ``[i ≥ j]``: the index is zero, or at least zero.

    Those of a condition, ``Σ_{j≠i}``, run equally far where nothing else is known.
    """

    index: Affine
    is_equation: bool
    column: int
    is_condition: bool = False
    tie: Tie | None = None


@dataclass(slots=True, eq=False)
class Position(Part):
    """A label as a number, ``i x_i``, which counts from 0; it does not count as an index."""

    letter: str
    column: int
    axis: int = -1


@dataclass(slots=True, eq=False)
class Total(Part):
    """A sum, with the sign of each term."""

    terms: list[tuple[int, Part]]


@dataclass(slots=True, eq=False)
class TermPart(Part):
    """A product, with the multiplicity of each factor.

    `over` are the letters of a written sum, with their ranges, and `idle` those of them that
    stand nowhere in it. Once letters are bound, `summed` has the indices that are summed here.
    """

    factors: list[tuple[Part, int]]
    over: tuple[str, ...] = ()
    ranges: tuple[Size | None, ...] = ()
    idle: frozenset[str] = frozenset()
    column: int = 0
    summed: tuple[int, ...] = ()


@dataclass(slots=True, eq=False)
class Applied(Part):
    """A function and its arguments.

    `labels` are the indices of the value as they are written, `given` the letters at the name, and
    `count` is the number of batch axes where it is known before. Once letters are bound, `batch`
    has the batch axes as the arguments know them, `cores` the axes that the function acts on in
    each argument, `value` the axes of the value, and `ties` says of those that are sums what they
    are.
    """

    name: str
    function: Function | None
    args: list[Part]
    column: int
    labels: tuple[Index, ...] | None = None
    columns: tuple[int, ...] = ()
    given: tuple[tuple[tuple[str, Size | None], ...], ...] | None = None
    count: int | None = None
    batch: tuple[int, ...] = ()
    cores: tuple[tuple[int, ...], ...] = ()
    value: tuple[int, ...] = ()
    ties: tuple[Tie, ...] = ()


def places(part: Part, letter: str) -> Iterator[int]:
    """Yield the columns where a letter stands in a part, from left to right.

    >>> from einsdiff.notation.jobs import run
    >>> from einsdiff.algebra.reading.parts import PartReader
    >>> part = run(PartReader({"x": 1}).whole(parse_index("x_i + 2 x_i")))
    >>> list(places(part, "i"))
    [2, 10]
    """
    stack = [part]
    while stack:
        part = stack.pop()
        if isinstance(part, TermPart):
            stack += [factor for factor, _ in reversed(part.factors)]
        elif isinstance(part, Total):
            stack += [term for _, term in reversed(part.terms)]
        elif isinstance(part, Related):
            if letter in part.counts:
                yield part.column
        elif isinstance(part, Equal):
            yield from _columns(part.letters, part.columns, letter)
        elif isinstance(part, Named):
            yield from _columns(part.indices, part.columns, letter)
        elif isinstance(part, Applied):
            if part.labels is None:
                stack += part.args[::-1]
            else:
                yield from _columns(part.labels, part.columns, letter)


def _columns(indices: Sequence[Index], columns: Sequence[int], letter: str) -> Iterator[int]:
    for index, column in zip(indices, columns, strict=False):
        if letter in letters_of([index]):
            yield column
