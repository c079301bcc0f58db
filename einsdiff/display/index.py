r"""Expressions in index notation: ``∂f_i/∂A_pq = δ_ip x_q``.

Free indices have the letters of the left-hand side. A summed index gets the letter that the user
gave to that axis of that operand, unless the letter is taken, and else a new one. A summed index
that stands at one place only is named by a sign, ``Σ_j A_ij``; where it stands twice, the sum is
understood. A label that stands twice in the output of an einsum is printed as the Kronecker delta
that it is.

>>> from einsdiff.algebra.nodes import einsum, variable
>>> x = variable("x", (3,))
>>> J = einsum([x], ["q"], "iiq", {"i": 2})
>>> format_index(J, ("i", "p", "q"), Letters())
'δ_ip x_q'
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain

from einsdiff.algebra.nodes import (
    Add,
    Call,
    Constant,
    Delta,
    Einsum,
    Node,
    Number,
    Variable,
    children,
    is_one,
    topological,
)
from einsdiff.notation.letters import DUMMY, first_unused

__all__ = ["Heading", "Letters", "format_heading", "format_index", "format_number"]

#: Printing writes a shared node out wherever it stands, which can be exponentially long; an
#: expression with more factors than this, written out, is summarised instead.
MOST_FACTORS = 5000


@dataclass(frozen=True, slots=True)
class Letters:
    """The user's letters: for each operand, by name, those of its axes, in order of appearance.

    The order of the names is that in which factors and terms are printed.
    """

    of: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)

    def joined(self, other: Letters) -> Letters:
        """Return these letters followed by others.

        >>> a, b = Letters({"x": (("i",),)}), Letters({"x": (("j",),)})
        >>> a.joined(b).of
        {'x': (('i',), ('j',))}
        """
        if all(n in self.of and set(axes) <= set(self.of[n]) for n, axes in other.of.items()):
            return self
        names = dict.fromkeys(chain(self.of, other.of))
        return Letters(
            {
                name: tuple(dict.fromkeys((*self.of.get(name, ()), *other.of.get(name, ()))))
                for name in names
            }
        )

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

    Attributes
    ----------
    name
        What the function is called.
    axes
        The letters of its axes.
    wrt
        For each differentiation the variable's name and the letters of its axes.
    """

    name: str
    axes: tuple[str, ...]
    wrt: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters of all axes, codomain first."""
        return self.axes + tuple(letter for _, axes in self.wrt for letter in axes)


def indexed(name: str, letters: Sequence[str]) -> str:
    """Write a name with its indices.

    >>> indexed("A", "ij"), indexed("f", ""), indexed("A", ["i", "i10"])
    ('A_ij', 'f', 'A_{i,i10}')
    """
    if not letters:
        return name
    if all(len(letter) == 1 for letter in letters):
        return f"{name}_{''.join(letters)}"
    return f"{name}_{{{','.join(letters)}}}"


def format_heading(heading: Heading) -> str:
    """Write a left-hand side.

    >>> format_heading(Heading("f", ("i",), (("A", ("p", "q")),)))
    '∂f_i/∂A_pq'
    >>> format_heading(Heading("f", (), (("x", ("p",)), ("x", ("q",)))))
    '∂²f/∂x_p∂x_q'
    """
    function = indexed(heading.name, heading.axes)
    if not heading.wrt:
        return function
    order = str(len(heading.wrt)).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    below = "".join("∂" + indexed(name, letters) for name, letters in heading.wrt)
    return f"∂{'' if len(heading.wrt) == 1 else order}{function}/{below}"


def format_number(value: Number) -> str:
    """Write a coefficient: integers and fractions exactly, floats as Python prints them.

    >>> format_number(Fraction(1, 2)), format_number(0.1), format_number(1 + 2j)
    ('1/2', '0.1', '(1+2j)')
    """
    return str(value) if isinstance(value, Fraction) else repr(value)


def format_index(node: Node, axes: Sequence[str], letters: Letters) -> str:
    """Write an expression in index notation.

    Parameters
    ----------
    node
        The expression.
    axes
        A letter for each of its axes.
    letters
        The user's letters for summed indices, and the order of the factors.

    Returns
    -------
    str
        The right-hand side; of an expression that would be very long, a summary in brackets.
    """
    place = {name: k for k, name in enumerate(letters.of)}
    first: dict[Node, int] = {}
    length: dict[Node, int] = {}
    mentioned: dict[Node, tuple[bool, ...]] = {}
    order = topological([node])
    for part in order:
        below = children(part)
        own = place.get(part.name, len(place)) if isinstance(part, Variable) else len(place) + 1
        first[part] = min([own, *(first[child] for child in below)])
        length[part] = 1 + sum(length[child] for child in below)
        mentioned[part] = _mentioned(part, mentioned)
    if length[node] > MOST_FACTORS:
        return f"[an expression of {len(order)} nodes, {length[node]} when written out]"
    return _run(_Printer(letters, first, mentioned).sum(node, tuple(axes), set(axes)))


#: A job yields the jobs whose text it needs, and returns its own text.
_Job = Generator["_Job", str, str]


def _run(job: _Job) -> str:
    """Run printing jobs that wait for each other, without recursion."""
    stack = [job]
    answer: str | None = None
    while True:
        try:
            # A job that has not begun is sent None, which the type of generators cannot say.
            stack.append(stack[-1].send(answer))  # type: ignore[arg-type]
            answer = None
        except StopIteration as stop:
            stack.pop()
            answer = stop.value
            if not stack:
                return str(answer)


class _Printer:
    def __init__(
        self,
        letters: Letters,
        first: Mapping[Node, int],
        mentioned: Mapping[Node, tuple[bool, ...]],
    ) -> None:
        self.letters = letters
        self.first = first
        self.mentioned = mentioned

    def sum(self, node: Node, axes: tuple[str, ...], used: set[str]) -> _Job:
        """Write a node as a sum of terms; add the letters that it uses to `used`."""
        terms = node.terms if isinstance(node, Add) else ((1, node),)
        outside = frozenset(used)
        written = []
        for c, term in terms:
            inner = set(outside)
            text = yield self.term(c, term, axes, inner)
            used |= inner
            written.append((self.first[term], text.removeprefix("-"), text.startswith("-")))
        if not written:
            return "0"
        written.sort()
        if len(written) > 1 and written[0][2] and not written[-1][2]:
            # Begin with a positive term where that alone avoids a leading minus sign.
            start = next(k for k, (_, _, negative) in enumerate(written) if not negative)
            if written[start][0] == written[0][0]:
                written.insert(0, written.pop(start))
        text = ("-" if written[0][2] else "") + written[0][1]
        for _, term_text, negative in written[1:]:
            text += (" - " if negative else " + ") + term_text
        return text

    def term(self, c: Number, node: Node, axes: tuple[str, ...], used: set[str]) -> _Job:
        """Write a coefficient and a product."""
        negative = not isinstance(c, complex) and c < 0
        size = -c if negative else c
        factors: list[str] = []
        if isinstance(node, Constant):
            product = node.value if is_one(size) else size
            factors.append(format_number(product))
        else:
            if not is_one(size):
                factors.append(format_number(size))
            factors.append((yield self.product(node, axes, used)))
        text = " ".join(factor for factor in factors if factor)
        return ("-" if negative else "") + (text or "1")

    def product(self, node: Node, axes: tuple[str, ...], used: set[str]) -> _Job:
        """Write deltas, size factors and factors; "" for a product of nothing."""
        if isinstance(node, Einsum):
            letter = self.assign(node, axes, used)
            parts = _deltas(node.output, axes)
            parts += [str(node.sizes[label]) for label in node.loose]
            alone = [n for n in range(len(node.sizes)) if self.is_alone(node, n)]
            if alone:
                parts.append(indexed("Σ", [letter[label] for label in alone]))
            written = []
            for operand, labels in zip(node.operands, node.subscripts, strict=True):
                theirs = tuple(letter[label] for label in labels)
                text = yield self.factor(operand, theirs, used)
                written.append((self.first[operand], theirs, text))
            return " ".join([*parts, *(text for _, _, text in sorted(written))])
        return (yield self.factor(node, axes, used))

    def factor(self, node: Node, axes: tuple[str, ...], used: set[str]) -> _Job:
        """Write a node so that it can stand in a product."""
        if isinstance(node, Variable):
            return indexed(node.name, sorted(axes) if node.symmetric else axes)
        if isinstance(node, Delta):
            return indexed("δ", axes)
        if isinstance(node, Call):
            return (yield self.call(node, axes, used))
        return "(" + (yield self.sum(node, axes, used)) + ")"

    def call(self, node: Call, axes: tuple[str, ...], used: set[str]) -> _Job:
        given, result = node.function.cores
        batch = axes[: len(axes) - len(result)]
        texts = []
        for arg, names in zip(node.args, given, strict=True):
            own = batch if len(arg.shape) > len(names) else ()
            inner = list(own)
            for _ in names:
                inner.append(first_unused((), used, DUMMY))
                used.add(inner[-1])
            texts.append((yield self.sum(arg, tuple(inner), used)))
        if node.function.text:
            atoms = [
                text if _is_atom(arg) else f"({text})"
                for arg, text in zip(node.args, texts, strict=True)
            ]
            return node.function.text.format(*atoms)
        return indexed(f"{node.function.name}({', '.join(texts)})", axes if result else ())

    def assign(self, node: Einsum, axes: tuple[str, ...], used: set[str]) -> dict[int, str]:
        """Give a letter to each label of a product; the first axis of a delta gives its own."""
        letter: dict[int, str] = {}
        for label, axis in zip(node.output, axes, strict=True):
            letter.setdefault(label, axis)
        slots = sorted(
            zip(node.operands, node.subscripts, strict=True),
            key=lambda slot: self.first[slot[0]],
        )
        for label in chain.from_iterable(labels for _, labels in slots):
            if label not in letter:
                letter[label] = first_unused(self.spellings(slots, label), used)
                used.add(letter[label])
        return letter

    def spellings(self, slots: Iterable[tuple[Node, tuple[int, ...]]], label: int) -> Iterable[str]:
        """Yield the letters that the user gave to the axes with this label."""
        for operand, labels in slots:
            for axis, theirs in enumerate(labels):
                if theirs == label:
                    yield from self.axis_spellings(operand, axis)

    def is_alone(self, node: Einsum, label: int) -> bool:
        """Tell whether a reader could miss a sum, or where it belongs.

        So it is with a label that stands at one place only, and with one that stands in one
        bracket or function only: in ``sin(A_ii)`` the trace is taken first, in ``Σ_i sin(A_ii)``
        the sine.
        """
        if label in node.output or label in node.loose:
            return False
        places = [
            (k, operand)
            for k, (operand, labels) in enumerate(zip(node.operands, node.subscripts, strict=True))
            for axis, theirs in enumerate(labels)
            if theirs == label and self.mentioned[operand][axis]
        ]
        factors = {k for k, _ in places}
        return len(factors) < 2 and not (len(places) > 1 and isinstance(places[0][1], Variable))

    def axis_spellings(self, node: Node, axis: int, depth: int = 4) -> Iterable[str]:
        """Yield the letters of an axis, those of the variables inside that have it."""
        if isinstance(node, Variable):
            for axes in self.letters.of.get(node.name, ()):
                yield from axes[axis : axis + 1]
        elif depth and isinstance(node, Add):
            for _, term in node.terms[:depth]:
                yield from self.axis_spellings(term, axis, depth - 1)
        elif depth and isinstance(node, Call):
            for arg in node.args:
                if axis < len(arg.shape):
                    yield from self.axis_spellings(arg, axis, depth - 1)
        elif depth and isinstance(node, Einsum):
            for operand, labels in zip(node.operands, node.subscripts, strict=True):
                for at, label in enumerate(labels):
                    if label == node.output[axis]:
                        yield from self.axis_spellings(operand, at, depth - 1)


def _mentioned(node: Node, below: Mapping[Node, tuple[bool, ...]]) -> tuple[bool, ...]:
    """Tell for each axis whether its letter stands in the text; a broadcast's does not."""
    if isinstance(node, Add):
        return tuple(
            any(below[term][axis] for _, term in node.terms) for axis in range(len(node.shape))
        )
    if isinstance(node, Einsum):
        spoken = {
            label
            for operand, labels in zip(node.operands, node.subscripts, strict=True)
            for axis, label in enumerate(labels)
            if below[operand][axis]
        }
        return tuple(label in spoken or node.output.count(label) > 1 for label in node.output)
    if isinstance(node, Call):
        return tuple(
            axis >= len(node.batch)
            or any(below[arg][axis] for arg in node.args if axis < len(arg.shape))
            for axis in range(len(node.shape))
        )
    return (True,) * len(node.shape)


def _deltas(output: tuple[int, ...], axes: tuple[str, ...]) -> list[str]:
    at: dict[int, str] = {}
    found = []
    for label, axis in zip(output, axes, strict=True):
        if label in at:
            found.append(indexed("δ", (at[label], axis)))
        else:
            at[label] = axis
    return found


def _is_atom(node: Node) -> bool:
    """Whether the text of a node needs no brackets beside an operator."""
    whole = isinstance(node, Constant) and isinstance(node.value, int)
    return whole or isinstance(node, Variable)
