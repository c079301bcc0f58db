"""Which letters the labels of an expression are printed with."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import log10

from einsdiff.algebra.nodes.graph import children, topological
from einsdiff.algebra.nodes.interning import Add, Call, Einsum, Node, Variable
from einsdiff.algebra.nodes.levi_civita import has_levi_civita, parity
from einsdiff.notation.letters import first_unused
from einsdiff.notation.trees import Index, letters_of

#: Printing writes a shared node out wherever it stands, which can be exponentially long; an
#: expression with more factors than this, written out, is summarised instead.
MOST_FACTORS = 5000


@dataclass(frozen=True, slots=True)
class Letters:
    """The user's letters: for each operand, by name, those of its axes, in order of appearance.

    The order of the names is that in which factors and terms are printed.
    """

    of: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    #: For names with upper indices, also of functions, whether each index is one.
    levels: Mapping[str, tuple[bool, ...]] = field(default_factory=dict)

    def joined(self, other: Letters) -> Letters:
        """Return these letters followed by others.

        >>> a, b = Letters({"x": (("i",),)}), Letters({"x": (("j",),)})
        >>> a.joined(b).of
        {'x': (('i',), ('j',))}
        """
        if other is self or (
            other.levels.items() <= self.levels.items()
            and all(n in self.of and set(axes) <= set(self.of[n]) for n, axes in other.of.items())
        ):
            return self
        joined = dict(self.of)
        for name, axes in other.of.items():
            joined[name] = tuple(dict.fromkeys((*joined.get(name, ()), *axes)))
        return Letters(joined, {**self.levels, **other.levels})

    def at_levels(self, levels: Mapping[str, tuple[bool, ...]]) -> Letters:
        """Return these letters, with the levels of those of some names.

        >>> Letters().at_levels({"x": (True,)}).levels
        {'x': (True,)}
        """
        return Letters(self.of, {**self.levels, **levels})

    def with_axes(self, name: str, *axes: tuple[str, ...]) -> Letters:
        """Return these letters and those of an operand's axes.

        >>> Letters().with_axes("A", ("i", "j")).of
        {'A': (('i', 'j'),)}
        """
        return self.joined(Letters({name: axes}))

    def all(self) -> frozenset[str]:
        """Return every letter in use."""
        return frozenset(
            letter for spellings in self.of.values() for axes in spellings for letter in axes
        )


@dataclass(frozen=True, slots=True)
class Heading:
    """A left-hand side: ``f_i``, or ``∂f_i/∂A_pq``, or ``∂²f/∂x_p∂x_q``.

    What is differentiated by may be entries of a variable, ``∂f/∂A_0q``, or a run of them,
    ``∂f/∂x_{p+1}``.
    """

    name: str  # of the function
    axes: tuple[str, ...]  # the letters of its axes
    wrt: tuple[tuple[str, tuple[Index, ...]], ...] = ()  # of each variable the name, and indices

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters of all axes, codomain first."""
        return self.axes + tuple(letter for _, axes in self.wrt for letter in letters_of(axes))

    @property
    def names(self) -> tuple[str, ...]:
        """What is named: the function, and what it is differentiated by."""
        return (self.name, *(name for name, _ in self.wrt))


def places(node: Node, letters: Letters) -> tuple[list[Node], dict[Node, int], dict[Node, int]]:
    """Find where the nodes of an expression stand when it is written.

    Returned are the nodes, children first; for each the place of the first of its variables, in the
    order of the user's letters, which is that of factors and terms; and how many nodes there are
    in it when it is written out.
    """
    place = {name: k for k, name in enumerate(letters.of)}
    first: dict[Node, int] = {}
    length: dict[Node, int] = {}
    order = topological([node])
    for part in order:
        below = children(part)
        own = len(place) + 1
        if isinstance(part, Variable):
            base = part.derivative[0] if part.derivative is not None else part
            own = place.get(base.name, len(place))
        elif has_levi_civita([part]):
            own = -1  # a sign in front of other factors, which does not move the term
        first[part] = min([own, *(first[child] for child in below if first[child] >= 0)])
        length[part] = 1 + sum(length[child] for child in below)
    return order, first, length


def assigned(
    node: Einsum,
    axes: tuple[str, ...],
    letters: Letters,
    first: Mapping[Node, int],
    used: set[str],
    absorbed: Container[int] = (),
) -> dict[int, str]:
    """Give a letter to each label of a product; the first axis of a delta gives its own.

    Letters that are taken are `used`, to which those that are given are added; what is `absorbed`
    needs none. `first` has the place of each node, see `places`.
    """
    letter: dict[int, str] = {}
    for label, axis in zip(node.output, axes, strict=True):
        letter.setdefault(label, axis)
    slots = sorted(
        zip(node.operands, node.subscripts, strict=True), key=lambda slot: first[slot[0]]
    )
    for label in chain(chain.from_iterable(labels for _, labels in slots), node.loose):
        if label not in letter and label not in absorbed:
            letter[label] = first_unused(_spellings(letters, slots, label), used)
            used.add(letter[label])
    return letter


def _spellings(
    letters: Letters, slots: Iterable[tuple[Node, tuple[int, ...]]], label: int
) -> Iterable[str]:
    """Yield the letters that the user gave to the axes with this label."""
    for operand, labels in slots:
        for axis, theirs in enumerate(labels):
            if theirs == label:
                yield from axis_spellings(letters, operand, axis)


def axis_spellings(letters: Letters, node: Node, axis: int, depth: int = 4) -> Iterable[str]:
    """Yield the letters of an axis, those of the variables inside that have it.

    >>> A = Letters({"A": (("i", "j"),)})
    >>> list(axis_spellings(A, variable("A", (2, 3)), 1))
    ['j']
    """
    if isinstance(node, Variable):
        for axes in letters.of.get(node.name, ()):
            yield from axes[axis : axis + 1]
        if node.derivative is not None:
            for part in (node.derivative[0], *node.derivative[1]):
                if 0 <= axis < len(part.shape) and len(letters.of.get(part.name, ())) == 1:
                    yield from axis_spellings(letters, part, axis)
                axis -= len(part.shape)
    elif depth and isinstance(node, Add):
        for _, term in node.terms[:depth]:
            yield from axis_spellings(letters, term, axis, depth - 1)
    elif depth and isinstance(node, Call) and axis < len(node.batch):
        for arg in node.args:
            if axis < len(arg.shape):
                yield from axis_spellings(letters, arg, axis, depth - 1)
    elif depth and isinstance(node, Einsum):
        for operand, labels in zip(node.operands, node.subscripts, strict=True):
            for at, label in enumerate(labels):
                if label == node.output[axis]:
                    yield from axis_spellings(letters, operand, at, depth - 1)


def axes_of(
    node: Node,
    letters: Letters,
    used: Iterable[str] = (),
    spellings: Callable[[Letters, Node, int], Iterable[str]] = axis_spellings,
) -> tuple[str, ...]:
    """Choose letters for the axes of what is named: the user's, where they are not taken.

    >>> axes_of(variable("A", (2, 3)), Letters({"A": (("p", "q"),)}), "p")
    ('i', 'q')
    """
    found: list[str] = []
    for axis in range(len(node.shape)):
        found.append(first_unused(spellings(letters, node, axis), {*used, *found}))
    return tuple(found)


def without_repetition(node: Node, axes: tuple[str, ...]) -> tuple[Node, tuple[str, ...]]:
    """Return the sum that a product only repeats along some axes: it needs no brackets."""
    if isinstance(node, Einsum) and len(node.operands) == 1 and node.is_view and not node.loose:
        (operand,), (labels,) = node.operands, node.subscripts
        apart = len(set(labels)) == len(labels) and len(set(node.output)) == len(node.output)
        if isinstance(operand, Add) and apart:
            letter = dict(zip(node.output, axes, strict=True))
            return operand, tuple(letter[label] for label in labels)
    return node, axes


def symbol_letters(
    own: Sequence[Index], first: Sequence[str], is_negative: bool
) -> tuple[list[str], int]:
    """Put the letters of a permutation symbol in an order to be read, and tell its sign.

    That is the alphabet's, or that in which some letters come first, as in ``ε_ipk b_k``, if the
    term has no minus then.

    >>> symbol_letters("ikp", "ip", True), symbol_letters("kij", "i", False)
    ((['i', 'p', 'k'], -1), (['i', 'j', 'k'], 1))
    """
    letters = [str(letter) for letter in own]
    orders = [sorted(letters), sorted(letters, key=[*first, *sorted(letters)].index)]
    signs = [parity([order.index(letter) for letter in letters]) for order in orders]
    chosen = next((k for k in (0, 1) if (signs[k] < 0) == is_negative), 0)
    return orders[chosen], signs[chosen]


def summary(order: Sequence[Node], length: Mapping[Node, int]) -> str:
    """Describe an expression that is too long to be written; empty if it is not."""
    total = length[order[-1]]
    if total <= MOST_FACTORS:
        return ""
    digits = int(total.bit_length() * log10(2))
    shown = f"about 10^{digits}" if digits > 15 else str(total)
    return f"[an expression of {len(order)} nodes, {shown} when written out]"
