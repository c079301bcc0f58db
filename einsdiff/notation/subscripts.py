r"""Einsum strings: from ``"ij,j->i"`` and the operands' shapes to labelled axes.

A string lists the labels of each operand's axes, then those of the result,

.. math:: f_i = \sum_j A_{ij} x_j \quad\Leftrightarrow\quad \texttt{ij,j->i},

and a label that is not in the result is summed. Everything that ``numpy.einsum`` reads is read:
spaces, implicit output, ``...``, repeated labels, the interleaved form. So is what it refuses and
what derivatives need: labels that repeat in the result (``i->ii``, a diagonal matrix), labels of
the result that no operand carries (``i->ij``, a broadcast), and any Unicode letter as a label.

>>> spec = resolve(parse_subscripts("...j, j"), [(5, 2, 3), (3,)], ["A", "x"])
>>> spec.inputs, spec.output
((('a', 'b', 'j'), ('j',)), ('a', 'b'))
>>> spec.sizes
{'a': 5, 'b': 2, 'j': 3}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from numbers import Integral
from typing import Any, NamedTuple, Never, TypeGuard, TypeVar

from einsdiff.errors import ShapeError, SubscriptsError, shapes_line
from einsdiff.notation.letters import DUMMY, fresh_letters

#: The length of an axis: a number, or the name of a number that is not known yet.
Size = int | str

ELLIPSIS = "..."
#: opt_einsum's labels go on with this character and those after it, letters or not.
FIRST_SYMBOL = "\xc0"
#: Names for sizes that are not known, in the order in which they are taken.
SIZES = "mnklpqrstuvwxyzabcdefghijo"


class Subscripts(NamedTuple):
    """A subscripts string, read but not yet matched with operands.

    `inputs` holds for each operand its labels, of which one may be ``"..."``; `output` is None
    when it is implicit; `columns` says where in `text` each label of each input stands.
    """

    text: str
    inputs: tuple[tuple[str, ...], ...]
    output: tuple[str, ...] | None
    columns: tuple[tuple[int, ...], ...]
    output_columns: tuple[int, ...] = ()

    @property
    def term_columns(self) -> list[list[int]]:
        """For each operand the columns of all characters of its labels."""
        return [
            [at + k for label, at in zip(labels, columns, strict=True) for k in range(len(label))]
            for labels, columns in zip(self.inputs, self.columns, strict=True)
        ]


class Axes(NamedTuple):
    """Subscripts matched with operands: one label for each axis, one size for each label."""

    inputs: tuple[tuple[str, ...], ...]
    output: tuple[str, ...]
    sizes: dict[str, Size]
    shapes: tuple[tuple[Size, ...], ...]


@lru_cache(maxsize=1024)
def parse_subscripts(text: str) -> Subscripts:
    """Read an einsum string.

    Labels are single letters of any alphabet; spaces have no meaning. Symbols that opt_einsum takes
    where it has no more letters, such as ``×``, are read as other letters. A character that is no
    label, a second ``->`` or ``...``, or a comma in the output is a `SubscriptsError`.

    >>> parse_subscripts("i j, j -> i").inputs
    (('i', 'j'), ('j',))
    >>> parse_subscripts("ii->i").output
    ('i',)
    >>> parse_subscripts("i×,×j").inputs
    (('i', 'α'), ('α', 'j'))
    """
    terms: list[list[tuple[str, int]]] = [[]]
    arrows: list[int] = []
    letters: dict[str, str] = {}  # for symbols that are none
    spare = fresh_letters(frozenset(text), "")

    def fail(headline: str, carets: Iterable[int], action: str) -> Never:
        raise SubscriptsError(headline, text=text, carets=carets, action=action)

    column = 0
    while column < len(text):
        char, start = text[column], column
        column += 1
        if text.startswith("->", start):
            arrows.append(start)
            terms.append([])
            column += 1
        elif text.startswith(ELLIPSIS, start):
            column += 2
            if any(label == ELLIPSIS for label, _ in terms[-1]):
                fail(
                    f"{'the output' if arrows else 'an operand'} has two '...'",
                    range(start, column),
                    "keep one '...' in each operand and in the output",
                )
            terms[-1].append((ELLIPSIS, start))
        elif char == ",":
            if arrows:
                fail("the output has a ','", [start], "write the labels of one result after '->'")
            terms.append([])
        elif char.isalpha():
            terms[-1].append((char, start))
        elif char >= FIRST_SYMBOL and not char.isspace():
            if char not in letters:
                letters[char] = next(spare)
            terms[-1].append((letters[char], start))
        elif not char.isspace():
            fail(
                f"{char!r} is not a label",
                [start],
                "labels are single letters; ',' parts operands, '->' comes before "
                "the output, '...' stands for axes without a label",
            )
    if len(arrows) > 1:
        fail(
            "the subscripts have two '->'",
            arrows,
            "write one '->' between the operands' labels and the output's",
        )
    output = terms.pop() if arrows else None
    return Subscripts(
        text,
        tuple(tuple(label for label, _ in term) for term in terms),
        None if output is None else tuple(label for label, _ in output),
        tuple(tuple(at for _, at in term) for term in terms),
        () if output is None else tuple(at for _, at in output),
    )


def from_sublists(
    sublists: Sequence[Sequence[Any]], output: Sequence[Any] | None
) -> tuple[Subscripts, dict[Hashable, str]]:
    """Turn the labels of the interleaved form, ``einsum(A, [0, 1], x, [1], [0])``, into a string.

    Labels are integers, or other hashable things, or ``Ellipsis``; the smallest integer becomes
    ``i``. An output of None is implicit: the labels that occur once, sorted, after the ellipsis.
    The letter of each label is returned too. A label that is not hashable is a `SubscriptsError`.

    >>> subscripts, letters = from_sublists([[0, 1], [1]], [0])
    >>> subscripts.text, letters[1]
    ('ij,j->i', 'j')
    """
    for label in (label for term in (*sublists, output or ()) for label in term):
        if not isinstance(label, Hashable):
            raise SubscriptsError(
                f"{label!r} cannot be a label",
                action="labels of the interleaved form are integers: "
                "einsum(A, [0, 1], x, [1], [0])",
            )
    counts = Counter(label for term in sublists for label in term)
    labels = [label for label in {**counts, **dict.fromkeys(output or ())} if label is not ...]
    labels.sort(key=_label_order)
    letters: dict[Hashable, str] = dict(zip(labels, fresh_letters((), DUMMY), strict=False))
    letters[...] = ELLIPSIS
    if output is None:
        once = [label for label in labels if counts[label] == 1]
        output = [..., *once] if ... in counts else once
    text = ",".join("".join(letters[label] for label in term) for term in sublists)
    return parse_subscripts(text + "->" + "".join(letters[label] for label in output)), letters


def is_index(value: object) -> TypeGuard[int]:
    """Tell whether a value is a whole number, of Python's or NumPy's, and not a truth value.

    >>> is_index(2), is_index(True), is_index(2.0), is_index("2")
    (True, False, False, False)
    """
    return isinstance(value, Integral) and not isinstance(value, bool)


def _label_order(label: Any) -> tuple[bool, int, str]:
    whole = isinstance(label, Integral)
    return not whole, int(label) if whole else 0, str(label)


def as_size(value: object, of: str) -> Size:
    """Read the size of an axis: a whole number from 0, NumPy's too, or a name.

    >>> as_size(3, "tensor 'A'"), as_size("n", "tensor 'A'")
    (3, 'n')
    >>> as_size(-1, "tensor 'A'")
    Traceback (most recent call last):
    einsdiff.ShapeError: -1 is no size for tensor 'A'
    <BLANKLINE>
    a size is a whole number from 0, or a name such as n
    """
    if isinstance(value, str) and value.isidentifier():
        return str(value)
    if is_index(value) and value >= 0:
        return int(value)
    raise ShapeError(
        f"{value!r} is no size for {of}",
        action="a size is a whole number from 0, or a name such as n",
    )


def resolve(
    subscripts: Subscripts,
    shapes: Sequence[tuple[Size, ...] | None],
    names: Sequence[str],
    sizes: Mapping[str, Size] | None = None,
) -> Axes:
    """Match subscripts with operands: give every axis a label and every label a size.

    An operand known by name only has no shape: its axes then have the sizes that their labels have
    elsewhere, else sizes named m, n, .., and operands of one name share one shape. `sizes` are
    those of labels that no operand carries. There is a letter of its own for each axis that ``...``
    stands for, and for each size-1 axis that is broadcast under ``...``; such an axis is summed,
    over its one entry.

    >>> resolve(parse_subscripts("mp,mq->pq"), [None, None], ["R", "R"]).shapes
    (('m', 'n'), ('m', 'n'))
    """
    where = _Reporter(subscripts, shapes, names)
    if len(subscripts.inputs) != len(shapes):
        raise where.operand_count()
    inputs, batch = _expand_ellipsis(subscripts, shapes, where)
    output = _output_labels(subscripts, batch, where)
    known = _label_sizes(inputs, shapes, names, sizes or {}, where)
    for position, label in enumerate(output):
        if label not in known:
            raise where.output_label(label, position)
    return Axes(
        inputs,
        output,
        {label: known[label] for label in dict.fromkeys([*sum(inputs, ()), *output])},
        tuple(
            tuple(known[label] for label in labels) if shape is None else shape
            for labels, shape in zip(inputs, shapes, strict=True)
        ),
    )


def _expand_ellipsis(
    subscripts: Subscripts, shapes: Sequence[tuple[Size, ...] | None], where: _Reporter
) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """Give the axes under ``...`` letters, aligned from the right; also return these letters."""
    ranks = []
    for k, (labels, shape) in enumerate(zip(subscripts.inputs, shapes, strict=True)):
        named = len(labels) - (ELLIPSIS in labels)
        rank = named if shape is None else len(shape)
        if rank < named or (rank > named and ELLIPSIS not in labels):
            raise where.label_count(k)
        ranks.append(rank - named)
    used = {label for labels in subscripts.inputs for label in labels} | set(
        subscripts.output or ()
    )
    fresh = fresh_letters(used, "abcdefgh")
    batch = tuple(next(fresh) for _ in range(max(ranks, default=0)))
    inputs = []
    for labels, rank in zip(subscripts.inputs, ranks, strict=True):
        at = labels.index(ELLIPSIS) if ELLIPSIS in labels else len(labels)
        inputs.append(labels[:at] + batch[len(batch) - rank :] + labels[at + 1 :])
    # Under '...', and only there, an axis of size 1 stretches, as NumPy's do.
    for letter in batch:
        under = [
            (k, axis, shape[axis])
            for k, (labels, shape) in enumerate(zip(inputs, shapes, strict=True))
            if shape is not None
            for axis, label in enumerate(labels)
            if label == letter
        ]
        if any(size != 1 for _, _, size in under):
            for k, axis, size in under:
                if size == 1:
                    labels = inputs[k]
                    inputs[k] = (*labels[:axis], next(fresh), *labels[axis + 1 :])
    return tuple(inputs), batch


def _output_labels(
    subscripts: Subscripts, batch: tuple[str, ...], where: _Reporter
) -> tuple[str, ...]:
    if subscripts.output is None:
        counts = Counter(label for labels in subscripts.inputs for label in labels)
        del counts[ELLIPSIS]
        return batch + tuple(sorted(label for label, n in counts.items() if n == 1))
    if ELLIPSIS in subscripts.output:
        at = subscripts.output.index(ELLIPSIS)
        return subscripts.output[:at] + batch + subscripts.output[at + 1 :]
    if batch:
        raise where.lost_ellipsis()
    return subscripts.output


def _label_sizes(
    inputs: tuple[tuple[str, ...], ...],
    shapes: Sequence[tuple[Size, ...] | None],
    names: Sequence[str],
    declared: Mapping[str, Size],
    where: _Reporter,
) -> dict[str, Size]:
    # Operands known by name only tie labels to each other: in "mp,mq" of R and R, p and q.
    tied: dict[str, str] = {}

    def root(label: str) -> str:
        while label in tied:
            label = tied[label]
        return label

    first_labels: dict[str, tuple[str, ...]] = {}
    for k, (labels, shape, name) in enumerate(zip(inputs, shapes, names, strict=True)):
        if shape is None:
            first = first_labels.setdefault(name, labels)
            if len(first) != len(labels):
                raise where.label_count(k, expected=len(first))
            for one, other in zip(first, labels, strict=True):
                if root(one) != root(other):
                    tied[root(other)] = root(one)
    found: dict[str, tuple[Size, tuple[int, int] | None]] = {}
    for label, size in declared.items():
        found[root(label)] = (size, None)
    for k, (labels, shape) in enumerate(zip(inputs, shapes, strict=True)):
        for axis, label in enumerate(labels):
            if shape is None:
                continue
            size, place = found.setdefault(root(label), (shape[axis], (k, axis)))
            if size != shape[axis]:
                raise where.sizes(label, (size, place), (shape[axis], (k, axis)))
    every = {label for labels in inputs for label in labels}
    sizes: dict[str, Size] = {
        label: found[root(label)][0] for label in every if root(label) in found
    }
    for label in declared:
        sizes[label] = declared[label]
    # The other sizes get names by operand and axis, which do not depend on the user's labels.
    fresh = fresh_letters({size for size in sizes.values() if isinstance(size, str)}, SIZES)
    implied: dict[str, str] = {}
    for name in sorted(first_labels):
        for label in first_labels[name]:
            if label not in sizes and root(label) not in implied:
                implied[root(label)] = next(fresh)
    sizes.update((label, implied[root(label)]) for label in every - sizes.keys())
    return sizes


_E = TypeVar("_E", bound=SubscriptsError | ShapeError)


class _Reporter(NamedTuple):
    """Builds the errors: they all show the string, the operands and their shapes."""

    subscripts: Subscripts
    shapes: Sequence[tuple[Size, ...] | None]
    names: Sequence[str]

    def operand(self, k: int) -> str:
        return f"operand {k} ({self.names[k]})"

    def column(self, k: int, axis: int) -> int:
        """Where in the string the label of an axis stands; that of '...' if it is under one."""
        labels, columns = self.subscripts.inputs[k], self.subscripts.columns[k]
        shape = self.shapes[k]
        if ELLIPSIS in labels and shape is not None:
            at = labels.index(ELLIPSIS)
            if axis >= at:
                axis = max(at, axis - (len(shape) - len(labels)))
        return columns[axis]

    def error(self, kind: type[_E], headline: str, carets: Iterable[int], action: str) -> _E:
        text, shapes = self.subscripts.text, shapes_line(zip(self.names, self.shapes, strict=True))
        return kind(headline, text=text, carets=carets, shapes=shapes, action=action)

    def operand_count(self) -> SubscriptsError:
        wanted, given = len(self.subscripts.inputs), len(self.names)
        return self.error(
            SubscriptsError,
            f"the subscripts describe {_count(wanted, 'operand')}, "
            f"but {_count(given, 'operand')} {'was' if given == 1 else 'were'} given",
            self.surplus(given),
            "write one comma-separated term for each operand",
        )

    def surplus(self, given: int) -> list[int]:
        """Find the terms without an operand, or the end of the terms if there are too few."""
        columns = self.subscripts.term_columns
        found = [column for term in columns[given:] for column in term]
        end = (columns[-1][-1:] or [0])[0] if columns else 0
        return found or [end + 1]

    def label_count(self, k: int, expected: int | None = None) -> SubscriptsError:
        labels, shape = self.subscripts.inputs[k], self.shapes[k]
        rank = expected if shape is None else len(shape)
        return self.error(
            SubscriptsError,
            f"{self.operand(k)} has {_count(rank or 0, 'axis')}, "
            f"but {_count(len(labels) - (ELLIPSIS in labels), 'label')}: '{''.join(labels)}'",
            self.subscripts.term_columns[k],
            "write one label for each axis, or '...' for those without one",
        )

    def lost_ellipsis(self) -> SubscriptsError:
        return self.error(
            SubscriptsError,
            "an operand has axes under '...', but the output has no '...'",
            [
                column + dot
                for labels, columns in zip(
                    self.subscripts.inputs, self.subscripts.columns, strict=True
                )
                for label, column in zip(labels, columns, strict=True)
                if label == ELLIPSIS
                for dot in range(3)
            ],
            "write '...' in the output too, or give labels to the axes to be summed",
        )

    def output_label(self, label: str, position: int) -> SubscriptsError:
        return self.error(
            SubscriptsError,
            f"output label '{label}' is carried by no operand, so its size is not known",
            self.subscripts.output_columns[position : position + 1],
            f"give its size with sizes={{'{label}': n}}, or use a label of one of the operands",
        )

    def sizes(
        self,
        label: str,
        first: tuple[Size, tuple[int, int] | None],
        second: tuple[Size, tuple[int, int]],
    ) -> ShapeError:
        (size_1, place_1), (size_2, place_2) = first, second
        origin = "as declared in sizes=" if place_1 is None else f"in {self.operand(place_1[0])}"
        shown = f"label '{label}'" if label in self.subscripts.text else "an axis under '...'"
        if place_1 is None:
            action = f"correct the size given for '{label}', or leave it out"
        elif 1 in (size_1, size_2):
            k, _ = place_2 if size_2 == 1 else place_1
            stretch = ", or use '...'" if label in (self.subscripts.output or ()) else ""
            action = (
                "a size-1 axis is not stretched under a named label: give that axis of "
                f"{self.operand(k)} a label of its own (it is then summed over its one entry)"
                f"{stretch}"
            )
        elif isinstance(size_1, str) or isinstance(size_2, str):
            action = "a named size equals only itself: declare both axes with the same size"
        elif label not in self.subscripts.text:
            action = "axes under '...' need equal sizes, or size 1, counted from the right"
        else:
            action = (
                f"pass arrays whose '{label}' axes have equal sizes, "
                "or give one of the two axes another label"
            )
        return self.error(
            ShapeError,
            f"{shown} has size {size_1} {origin} but {size_2} in {self.operand(place_2[0])}",
            [self.column(*place) for place in (place_1, place_2) if place is not None],
            action,
        )


def _count(n: int, noun: str) -> str:
    plural = {"axis": "axes"}.get(noun, noun + "s")
    return f"{n} {noun if n == 1 else plural}"
