r"""Expressions in index notation: ``∂f_i/∂A_pq = δ_ip x_q``.

Free indices have the letters of the left-hand side. A summed index gets the letter that the user
gave to that axis of that operand, unless the letter is taken, and else a new one. A summed index
that stands at one place only is named by a sign, ``Σ_j A_ij``; where it stands twice, the sum is
understood. A label that stands twice in the output of an einsum is printed as the Kronecker delta
that it is. What is printed is read back as the same expression
(`einsdiff.algebra.reading.equation`), since letters are counted here by the same rules as there.

>>> from einsdiff.algebra.nodes.nodes import einsum, variable
>>> x = variable("x", (3,))
>>> J = einsum([x], ["q"], "iiq", {"i": 2})
>>> format_index(J, ("i", "p", "q"), Letters())
'δ_ip x_q'
"""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import log10

from einsdiff.algebra.nodes.nodes import (
    SUPERSCRIPT,
    Add,
    Call,
    Constant,
    Delta,
    Einsum,
    Node,
    Number,
    Variable,
    is_one,
)
from einsdiff.algebra.nodes.relations import bounds
from einsdiff.algebra.reading.choice import Argument, choose, is_function
from einsdiff.algebra.reading.parts import MOST_EXPANDED
from einsdiff.display.index.lettering import (
    Heading,
    Letters,
    assigned,
    axis_spellings,
    places,
    without_repetition,
)
from einsdiff.display.index.numbers import format_number
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.letters import first_unused
from einsdiff.notation.subscripts import Size
from einsdiff.notation.trees import Affine, Index, in_bracket, in_product, letters_of

__all__ = [
    "MOST_FACTORS",
    "WIDTH",
    "absorbable",
    "format_equation",
    "format_heading",
    "format_index",
    "format_sides",
    "summary",
    "terms",
    "wrapped_equation",
]

#: Lines are at most so long, unless a term is longer.
WIDTH = 80
#: Printing writes a shared node out wherever it stands, which can be exponentially long; an
#: expression with more factors than this, written out, is summarised instead.
MOST_FACTORS = 5000


def indexed(name: str, indices: Sequence[Index], braces: bool = False) -> str:
    """Write a name with its indices.

    >>> indexed("A", "ij"), indexed("f", ""), indexed("A", ["i", "i10"])
    ('A_ij', 'f', 'A_{i,i10}')
    >>> indexed("x", [Affine(((1, "i"),), 1)]), indexed("A", [Affine((), 0), "i"])
    ('x_{i+1}', 'A_0i')

    A name with an underscore needs braces, so that one sees where it ends.

    >>> indexed("x_1", "ij"), indexed("x", ["i10"])
    ('x_1_{ij}', 'x_{i10,}')
    """
    return name + _subscript(indices, braces or "_" in name) if indices else name


def _subscript(indices: Sequence[Index], braces: bool = False) -> str:
    parts = [index if isinstance(index, str) else affine_text(index) for index in indices]
    if all(len(part) == 1 for part in parts):
        if not braces:
            return f"_{''.join(parts)}"
        if all(part.isalpha() for part in parts):
            return f"_{{{''.join(parts)}}}"
    return f"_{_braced(parts)}"


def _braced(parts: Sequence[str]) -> str:
    """Write a list of indices in braces; one that would be read as letters gets a comma."""
    single = len(parts) == 1 and re.search(r"[^\W\d]\w", parts[0])
    return f"{{{','.join(parts)}{',' if single else ''}}}"


def affine_text(index: Affine) -> str:
    """Write an index that is a sum.

    >>> affine_text(Affine(((-1, "i"), (2, "j")), -1)), affine_text(Affine(((1, "i"),), 0))
    ('2j-i-1', 'i+0')
    """
    terms = sorted(index.terms, key=lambda term: term[0] < 0)
    parts = [f"{c:+d}".removesuffix("1" if abs(c) == 1 else "") + label for c, label in terms]
    is_label = len(terms) == 1 and terms[0][0] == 1
    if index.offset or is_label or not terms:
        before = index.offset > 0 and bool(terms) and terms[0][0] < 0
        parts.insert(0 if before else len(parts), f"{index.offset:+d}")
    return "".join(parts).removeprefix("+")


def format_heading(heading: Heading, ranges: Mapping[str, Size] | None = None) -> str:
    """Write a left-hand side, with the ranges of some of its letters.

    >>> format_heading(Heading("f", ("i",), (("A", ("p", "q")),)))
    '∂f_i/∂A_pq'
    >>> format_heading(Heading("f", (), (("x", ("p",)), ("x", ("q",)))))
    '∂²f/∂x_p∂x_q'
    >>> format_heading(Heading("f", ("i", "j")), {"i": 4})
    'f_{i<4,j}'
    """
    if ranges and not ranges.keys().isdisjoint(heading.axes):
        shown = [f"{a}<{ranges[a]}" if a in ranges else a for a in heading.axes]
        function = f"{heading.name}_{_braced(shown)}"
    else:
        function = _whole(heading.name, heading.axes)
    if not heading.wrt:
        return function
    return _partial_text(function, [_whole(name, letters) for name, letters in heading.wrt])


def _whole(name: str, indices: Sequence[Index], braces: bool = False) -> str:
    """Write a name with its indices, so that the end of a name with an underscore is seen."""
    return indexed(name, indices, braces) if indices or "_" not in name else f"{name}_{{}}"


def _partial_text(above: str, below: Sequence[str]) -> str:
    order = str(len(below)).translate(SUPERSCRIPT) if len(below) > 1 else ""
    return f"∂{order}{above}/" + "".join(f"∂{part}" for part in below)


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
    return _written(node, axes, letters)[0].text


def format_equation(node: Node, heading: Heading, letters: Letters) -> str:
    """Write an expression with its left-hand side, which has the ranges that one cannot see.

    How far the labels of a derivative's variable run can be seen from the variable; those of its
    function are as on paper, unless they take a part of an axis or the derivative is zero.

    Parameters
    ----------
    node
        The expression.
    heading
        Its left-hand side.
    letters
        As for `format_index`.

    Returns
    -------
    str
        Of a variable alone, the variable.

    Examples
    --------
    >>> from einsdiff.algebra.nodes.nodes import einsum, related, variable
    >>> x, first = variable("x", (5,)), related((4, 5), (1, -1), 0)
    >>> format_equation(einsum([x, first], ["p", "ip"], "i"), Heading("f", ("i",)), Letters())
    'f_{i<4} = x_{i+0}'
    """
    left, right = format_sides(node, heading, letters)
    return right if format_heading(heading) == right else f"{left} = {right}"


def format_sides(node: Node, heading: Heading, letters: Letters) -> tuple[str, str]:
    """Write both sides of an equation, see `format_equation`.

    >>> from einsdiff.algebra.nodes.nodes import zero
    >>> format_sides(zero((2,)), Heading("f", ("i",)), Letters())
    ('f_{i<2}', '0')
    """
    text, equal, cut, fits = _written(node, heading.letters, letters)
    seen = set(text.sized).union(letter for _, axes in heading.wrt for letter in axes)
    while True:
        more = {a for pair in equal for a in pair if not seen.isdisjoint(pair)} - seen
        if not more:
            break
        seen |= more
    ranges = {
        letter: size
        for letter, size in zip(heading.letters, node.shape, strict=True)
        if letter not in seen
        and (
            not heading.wrt
            or fits.get(letter, size) != size
            or (isinstance(size, int) and (letter in cut or text.text == "0"))
        )
    }
    return format_heading(heading, ranges), text.text


def _written(
    node: Node, axes: Sequence[str], letters: Letters
) -> tuple[_Text, set[tuple[str, str]], set[str], dict[str, int]]:
    """Write an expression, and list letters whose ranges it tells, or does not.

    These are the pairs of letters that a delta says have one range, the letters of slices, which
    run over parts of axes, and the ranges that letters of shifted indices have at most.
    """
    order, first, length = places(node, letters)
    if too_long := summary(order, length):
        return _Text(too_long, sized=frozenset(axes)), set(), set(), {}
    names = {part.name for part in order if isinstance(part, Variable)}.union(letters.of)
    printer = _Printer(letters, first, names)
    printer.sizes = {s for v in order if isinstance(v, Variable) for s in v.shape}
    text = run(printer.sum(node, tuple(axes), set(axes)))
    equal = {pair for pair in printer.equal if set(pair) <= set(axes)}
    return text, equal, printer.cut, printer.fits


@dataclass(frozen=True, slots=True)
class _Text:
    """A part of the text.

    Attributes
    ----------
    text
        The text.
    counts
        How often each letter stands in it, see `einsdiff.notation.trees.in_product`.
    sized
        The letters in it whose size one can see, from the operand at which they stand.
    is_atom
        Whether it needs no brackets as the base of a power.
    divides
        Whether it is a divisor, to be written after a division sign.
    name
        The name that it ends with: a bracket after it could be that of a function's argument.
    """

    text: str
    counts: Mapping[str, int] = field(default_factory=dict)
    sized: frozenset[str] = frozenset()
    is_atom: bool = False
    divides: bool = False
    name: str = ""

    def atom(self) -> _Text:
        """Return it with brackets, unless it needs none."""
        return self if self.is_atom else self.bracketed()

    def bracketed(self) -> _Text:
        return _Text(f"({self.text})", in_bracket([self.counts]), self.sized, True)


class _Printer:
    """Writes the nodes of one expression; its methods are jobs, see `run`."""

    def __init__(self, letters: Letters, first: Mapping[Node, int], names: Collection[str]) -> None:
        self.letters = letters
        self.first = first
        self.names = frozenset(names)
        self.parted = [name for name in names if "_" in name]
        #: The sizes of the operands, by which a reader knows that a name is a size.
        self.sizes: Collection[Size] = ()
        #: The pairs of letters at deltas.
        self.equal: set[tuple[str, str]] = set()
        #: The letters in relations of two indices, such as i+1 and p, and how far others can run.
        self.cut: set[str] = set()
        self.fits: dict[str, int] = {}

    def sum(self, node: Node, axes: tuple[str, ...], used: set[str]) -> Job[_Text]:
        """Write a node as a sum of terms; add the letters that it uses to `used`."""
        node, axes = without_repetition(node, axes)
        terms = node.terms if isinstance(node, Add) else ((1, node),)
        outside = frozenset(used)
        written: list[tuple[int, str, bool, _Text]] = []
        for c, term in terms:
            inner = set(outside)
            part: _Text = yield self.term(c, term, axes, inner)
            used |= inner
            text = part.text.removeprefix("-")
            written.append((self.first[term], text, part.text.startswith("-"), part))
        if not written:
            return _Text("0", is_atom=True)
        if len(written) == 1:
            return written[0][3]
        written.sort(key=lambda term: term[:3])
        positive = [k for k, term in enumerate(written) if not term[2]]
        if positive:  # 1 - x rather than -x + 1
            written.insert(0, written.pop(positive[0]))
        text = ("-" if written[0][2] else "") + written[0][1]
        for _, term_text, negative, _ in written[1:]:
            text += (" - " if negative else " + ") + term_text
        parts = [part for *_, part in written]
        return _Text(text, in_bracket(part.counts for part in parts), _sized(parts))

    def term(self, c: Number, node: Node, axes: tuple[str, ...], used: set[str]) -> Job[_Text]:
        """Write a coefficient and a product."""
        if isinstance(node, Constant):
            c = node.value if is_one(c) else c
            return _Text(format_number(c), is_atom=_is_plain(c))
        negative = not isinstance(c, complex) and c < 0
        text: _Text = yield self.product(-c if negative else c, node, axes, used)
        return _Text("-" + text.text, text.counts, text.sized) if negative else text

    def product(self, c: Number, node: Node, axes: tuple[str, ...], used: set[str]) -> Job[_Text]:
        """Write a coefficient, deltas, size factors and factors."""
        if not isinstance(node, Einsum):
            return self.joined(c, [], [(yield self.factor(node, axes, used))], {})
        absorbed = absorbable(node)
        gone = {relation for _, _, relation in absorbed.values()}
        letter = assigned(node, axes, self.letters, self.first, used, absorbed)
        affine = {
            n: Affine(tuple((k, letter[m]) for k, m in terms), offset)
            for n, (terms, offset, _) in absorbed.items()
        }
        summed = {
            letter[n]: node.sizes[n]
            for n in range(len(node.sizes))
            if n in letter and n not in node.output
        }
        slots: dict[tuple[Node, tuple[int, ...]], int] = {}
        for k, slot in enumerate(zip(node.operands, node.subscripts, strict=True)):
            if k not in gone:
                slots[slot] = slots.get(slot, 0) + 1
        ties: list[_Text] = []
        groups: list[tuple[tuple[int, tuple[str, ...], str], list[_Text], int, set[str]]] = []
        for (operand, labels), count in slots.items():
            own: list[Index] = []
            for axis, n in enumerate(labels):
                index: Index = affine[n] if n in affine else letter[n]
                if isinstance(index, str) and index in own and _needs_tie(operand, axis):
                    other = first_unused((), used)
                    used.add(other)
                    summed[other] = node.sizes[n]
                    ties.append(_Text(indexed("δ", (index, other)), {index: 1, other: 1}))
                    index = other
                own.append(index)
            if isinstance(operand, Variable) and operand.symmetric:
                own.sort(key=str)
            copies: list[_Text] = [(yield self.factor(operand, tuple(own), used))]
            theirs = set(letters_of(own)) & summed.keys()
            if count == 2 and theirs and not copies[0].divides:
                copies.append((yield self.factor(operand, tuple(own), used)))
            at = -1 if isinstance(operand, Delta) else self.first[operand]
            place = (at, tuple(letters_of(own)), copies[0].text)
            groups.append((place, copies, count, theirs))
        groups.sort(key=lambda group: group[0])
        # Two equal factors stand side by side, x_i x_i, if that shows that there is a sum.
        beside = [text for _, copies, n, _ in groups for text in _repeated(copies, n)]
        counts = in_product(text.counts for text in [*ties, *beside])
        factors = list(ties)
        for _, copies, n, theirs in groups:
            is_clear = all(counts.get(name, 0) > 1 for name in theirs)
            factors += _repeated(copies if is_clear else copies[:1], n)
        head = _deltas(node.output, axes)
        self.equal.update((a, b) for a, b in (tuple(text.counts) for text in head))
        return self.joined(c, head, factors, summed)

    def joined(
        self, c: Number, head: list[_Text], factors: list[_Text], summed: Mapping[str, Size]
    ) -> _Text:
        """Write a product, with a sign for each sum that a reader could miss."""
        counts = in_product(text.counts for text in (*head, *factors))
        sized = _sized((*head, *factors))
        signs: dict[str, str] = {}
        for letter, size in summed.items():
            if letter not in counts and isinstance(size, int):
                c = c * size
                c = c.numerator if isinstance(c, Fraction) and c.denominator == 1 else c
            elif letter not in counts and size not in self.names and size in self.sizes:
                head.append(_Text(str(size), is_atom=True, name=str(size)))
            elif letter not in sized:
                signs[letter] = f"{letter}<{size}"
            elif counts[letter] < 2:
                signs[letter] = letter
        above = [text for text in factors if not text.divides]
        below = [text for text in factors if text.divides]
        parts = [*([] if is_one(c) else [_Text(format_number(c))]), *head]
        if len(parts) + len(above) == 1 and not below and not signs:
            return (parts + above)[0]
        if signs:
            shown = list(signs.values())
            is_short = all(len(sign) == 1 for sign in shown)
            parts.append(_Text("Σ_" + ("".join(shown) if is_short else _braced(shown))))
        if not above and (signs or not parts):
            parts.append(_Text("1"))
        text, name = "", ""
        for part in (*parts, *above):
            if text:
                # A name before a bracket is a function, if there is one that is called so.
                text += " * " if part.text[0] == "(" and name and is_function(name) else " "
            text, name = text + part.text, part.name
        for part in below:
            text += f" / {part.text}"
        outer = {letter: n for letter, n in counts.items() if letter not in signs}
        return _Text(text, outer, sized, name="" if below else name)

    def factor(self, node: Node, axes: tuple[Index, ...], used: set[str]) -> Job[_Text]:
        """Write a node so that it can stand in a product."""
        if isinstance(node, Variable):
            return self.variable(node, axes)
        letters = tuple(axis for axis in axes if isinstance(axis, str))
        if isinstance(node, Delta):
            return self.delta(node, letters)
        if isinstance(node, Constant):
            return _Text(format_number(node.value), is_atom=_is_plain(node.value))
        if isinstance(node, Call):
            function = node.function
            write = self.elementwise if function.is_elementwise else self.call
            write = self.power if function.name == "power" else write
            text: _Text = yield write(node, letters, used)
            return text
        text = yield self.sum(node, letters, used)
        return text.bracketed()

    def variable(self, node: Variable, axes: tuple[Index, ...]) -> _Text:
        counts = _counted(letters_of(axes))
        sized = frozenset(axis for axis in axes if isinstance(axis, str))
        for axis, size in zip(axes, node.shape, strict=True):
            if isinstance(axis, Affine) and len(axis.terms) == 1 and isinstance(size, int):
                ((c, letter),) = axis.terms
                most = (size - 1 - axis.offset) // c + 1 if c > 0 else axis.offset // -c + 1
                self.fits[letter] = min(most, self.fits.get(letter, most))
        if node.derivative is not None:
            base, wrt = node.derivative
            rest = iter(axes)
            parts = [self.indexed(v.name, [next(rest) for _ in v.shape]) for v in (base, *wrt)]
            return _Text(_partial_text(parts[0], parts[1:]), counts, sized, name=wrt[-1].name)
        return _Text(self.indexed(node.name, axes), counts, sized, True, name=node.name)

    def indexed(self, name: str, axes: Sequence[Index]) -> str:
        """Write a name with its indices, so that it cannot be taken for a longer name."""
        text = _whole(name, axes)
        if axes and any(text == other or text.startswith(other + "_") for other in self.parted):
            return _whole(name, axes, braces=True)
        return text

    def delta(self, node: Delta, axes: tuple[str, ...]) -> _Text:
        counts = _counted(axes)
        if node.is_identity:
            if len(counts) == 2:
                self.equal.add((axes[0], axes[1]))
            return _Text(indexed("δ", axes), counts, is_atom=True)
        c, offset, is_equation = node.relation
        if len(c) == 2:
            self.cut.update(axes)
        sides: list[Index] = []
        for sign in (1, -1):
            terms = tuple((sign * k, a) for k, a in zip(c, axes, strict=True) if sign * k > 0)
            is_label = len(terms) == 1 and terms[0][0] == 1 and sign * offset <= 0
            sides.append(terms[0][1] if is_label else Affine(terms, max(sign * offset, 0)))
        if is_equation:
            sides.sort(key=_place_in_delta)
        if is_equation and all(isinstance(side, str) for side in sides):
            # The indices are equal, but run over different ranges.
            sides[0] = Affine(((1, str(sides[0])),))
        left, right = (side if isinstance(side, str) else affine_text(side) for side in sides)
        if is_equation:
            return _Text(f"δ_{{{left},{right}}}", counts, is_atom=True)
        if not self.names.isdisjoint(axes) or re.search("[0-9][eE][-+]", left + right):
            left, right = f"{{{left}}}", f"{{{right}}}"  # neither names nor 2e+1
        return _Text(f"[{left} ≥ {right}]", counts, is_atom=True)

    # Functions.

    def power(self, node: Call, axes: tuple[str, ...], used: set[str]) -> Job[_Text]:
        """Write a power, as a root or a divisor where it is one."""
        below, above = node.args
        base: _Text = yield self.sum(below, axes if below.shape else (), used)
        p = above.value if isinstance(above, Constant) else None
        exact = p if isinstance(p, int | Fraction) and not _is_number(below) else None
        divides = exact is not None and exact < 0
        if divides:
            assert exact is not None
            p = exact = -exact
        counts = in_bracket([base.counts])
        if exact == Fraction(1, 2):
            return _Text(f"sqrt({base.text})", counts, base.sized, True, divides)
        if divides and exact == 1:
            # 1 / sqrt(x) is one power of x, and 1 / (sqrt(x)) a power of another; 1 / x^n is clear.
            kind = _kind_of_power(below)
            base = base.bracketed() if kind == "exact" else base if kind else base.atom()
            return replace(base, counts=counts, is_atom=False, divides=True)
        base = base.atom()
        if below.shape == () and base.text == "e":  # e^x is the exponential function
            base = base.bracketed()
        if p is None:
            exponent: _Text = yield self.sum(above, axes if above.shape else (), used)
            # s^x_i could also be s_i to the power of x, as s with an upper and a lower index.
            is_unclear = isinstance(below, Variable) and not below.shape and above.shape
            exponent = exponent.bracketed() if is_unclear else exponent.atom()
        else:
            exponent = _Text(f"({p})" if isinstance(p, Fraction) else format_number(p))
        return _Text(
            f"{base.text}^{exponent.text}",
            in_bracket([base.counts, exponent.counts]),
            base.sized | exponent.sized,
            divides=divides,
            name=exponent.name,
        )

    def elementwise(self, node: Call, axes: tuple[str, ...], used: set[str]) -> Job[_Text]:
        function = node.function
        args: list[_Text] = []
        for arg in node.args:
            args.append((yield self.sum(arg, axes if arg.shape else (), used)))
        counts = in_bracket(text.counts for text in args)
        # Whole numbers alone in a comparison would be read as indices.
        if function.text and not all(map(_is_number, node.args)):
            is_bracket = function.text.startswith("[")
            texts = [text.text if is_bracket else text.atom().text for text in args]
            return _Text(function.text.format(*texts), counts, _sized(args), is_bracket)
        shown = ", ".join(text.text for text in args)
        return _Text(f"{function.name}({shown})", counts, _sized(args), True)

    def call(self, node: Call, axes: tuple[str, ...], used: set[str]) -> Job[_Text]:
        """Write a call of a function of vectors or matrices, with the labels of its value."""
        function = node.function
        given, result = function.cores
        rank = len(axes) - len(result)
        own = list(zip(result, axes[rank:], strict=True))
        texts: list[_Text] = []
        cores: list[list[str]] = []
        letters: list[set[str]] = []
        for arg, dims in zip(node.args, given, strict=True):
            head = axes[:rank] if len(arg.shape) > len(dims) else ()
            core: list[str] = []
            for axis, dim in enumerate(dims, len(head)):
                # The scope of the argument is its own, so that it may have the value's letters.
                alike = [a for d, a in own if d == dim and a not in (*axes[:rank], *core)]
                taken = used.union(core, *letters).difference(alike)
                core.append(first_unused([*alike, *axis_spellings(self.letters, arg, axis)], taken))
            inner = used.union(core, *letters)
            texts.append((yield self.sum(arg, (*head, *core), inner)))
            letters.append(inner)
            cores.append(core)
        carried = {letter for text in texts for letter in text.counts}
        batch = tuple(letter for letter in axes[:rank] if letter in carried)
        labels = (*batch, *axes[rank:])
        seen = {
            dim
            for text, core, dims in zip(texts, cores, given, strict=True)
            for letter, dim in zip(core, dims, strict=True)
            if letter in text.sized
        }
        bare = [  # without its letters, a name that is one, too, would be doubted
            isinstance(arg, Variable)
            and arg.derivative is None
            and bool(arg.shape)
            and arg.name not in used
            for arg in node.args
        ]
        is_seen = all(
            letter in text.sized for text, core in zip(texts, cores, strict=True) for letter in core
        )
        is_short = is_seen and self.is_understood(node, texts, cores, bare, labels, batch)
        if is_seen and not is_short and any(bare):  # max(A_ij), since max(A) is that of a vector
            bare = [False] * len(bare)
            is_short = self.is_understood(node, texts, cores, bare, labels, batch)
        if is_short:
            shown = [
                repr(arg) if is_name else text.text
                for arg, text, is_name in zip(node.args, texts, bare, strict=True)
            ]
            text = f"{function.name}({', '.join(shown)})"
            letters = [a for a, is_name in zip(letters, bare, strict=True) if not is_name]
        else:
            shown = [text.text for text in texts]
            name = _explicit(node, cores, seen, node.function.name in self.names)
            text = f"{name}({', '.join(shown)})"
        used.update(*letters)
        if not labels:
            inside = in_bracket(
                part.counts for part, b in zip(texts, bare, strict=True) if not (b and is_short)
            )
            return _Text(text, dict.fromkeys(inside, 0), is_atom=True)
        sized = (_sized(texts) & set(batch)) | set(axes[rank:])
        return _Text(text + _subscript(labels), _counted(labels), sized, True)

    def is_understood(
        self,
        node: Call,
        texts: Sequence[_Text],
        cores: Sequence[Sequence[str]],
        bare: Sequence[bool],
        labels: Sequence[str],
        batch: Sequence[str],
    ) -> bool:
        """Tell whether a reader finds the function, and the axes that it acts on, by himself."""
        arguments = []
        for arg, text, core, is_name in zip(node.args, texts, cores, bare, strict=True):
            if is_name:
                arguments.append(Argument(len(arg.shape)))
                continue
            counts = in_bracket([text.counts])
            free = tuple(letter for letter, n in counts.items() if n == 1)
            if [letter for letter in free if letter not in batch] != list(core):
                return False
            arguments.append(Argument(-1, free, frozenset(counts)))
        batched = tuple(not set(batch).isdisjoint(text.counts) for text in texts)
        # As one reads it who knows the operands, and as one does who knows the text alone.
        unknown = [Argument(None) if a.rank != -1 else a for a in arguments]
        for known in (arguments, unknown):
            chosen = choose(node.function.name, known, labels, None if labels else 0)
            if chosen is None or chosen.function is not node.function:
                return False
            if (chosen.batch, chosen.batched) != (len(batch), batched):
                return False
        return True


# --- letters ----------------------------------------------------------------------------------


def summary(order: Sequence[Node], length: Mapping[Node, int]) -> str:
    """Describe an expression that is too long to be written; empty if it is not."""
    total = length[order[-1]]
    if total <= MOST_FACTORS:
        return ""
    digits = int(total.bit_length() * log10(2))
    shown = f"about 10^{digits}" if digits > 15 else str(total)
    return f"[an expression of {len(order)} nodes, {shown} when written out]"


def absorbable(node: Einsum) -> dict[int, tuple[list[tuple[int, int]], int, int]]:
    """Find the relations that can be written as an index of a variable: ``x_{i+1}``.

    Returns
    -------
    dict
        For a label that is summed, and stands at one variable and in one relation only: what the
        relation says that it is, as coefficients of other labels and an offset; and the position
        of the relation.
    """
    found: dict[int, tuple[list[tuple[int, int]], int, int]] = {}
    places: dict[int, list[int]] = {}
    for k, labels in enumerate(node.subscripts):
        for n in labels:
            places.setdefault(n, []).append(k)
    for k, (operand, labels) in enumerate(zip(node.operands, node.subscripts, strict=True)):
        if not isinstance(operand, Delta) or not operand.relation.is_equation:
            continue
        c, offset, _ = operand.relation
        for own, n in zip(c, labels, strict=True):
            others = [j for j in places[n] if j != k]
            if abs(own) != 1 or n in node.output or len(places[n]) != 2 or len(others) != 1:
                continue
            terms = [(-own * m, t) for m, t in zip(c, labels, strict=True) if t != n]
            sizes = [node.sizes[t] for _, t in terms]
            low, high = bounds([m for m, _ in terms], -own * offset, sizes)
            size = node.sizes[n]
            is_inside = low >= 0 and not (isinstance(size, int) and high >= size)
            if is_inside and isinstance(node.operands[others[0]], Variable):
                found[n] = terms, -own * offset, k
                break
    return found


def _needs_tie(node: Node, axis: int) -> bool:
    """Tell whether an axis that has the label of another one is written with a delta.

    ``(A_ii + B_ii)`` would be the sum of two diagonals, and not the diagonal of the sum.
    """
    if isinstance(node, Call) and not node.function.is_elementwise:
        return axis < len(node.batch)
    return not isinstance(node, Variable)


def _repeated(copies: list[_Text], count: int) -> list[_Text]:
    """Write a factor several times: as it is, or as a power."""
    if len(copies) > 1 or count == 1:
        return copies
    (text,) = copies
    if text.divides:
        return copies * count
    found = []
    while count:
        n = min(count, MOST_EXPANDED)
        base = text.bracketed() if text.text == "e" else text.atom()
        power = f"{base.text}^{n}"
        found.append(_Text(power, in_bracket([text.counts]), text.sized) if n > 1 else text)
        count -= n
    return found


def _explicit(
    node: Call, cores: Sequence[Sequence[str]], seen: Container[str], is_operand: bool
) -> str:
    """Write a function's name with the labels that it acts on: ``inv_kl``, ``max_{i<3}``."""
    groups = []
    for arg, core, dims in zip(node.args, cores, node.function.cores[0], strict=True):
        sizes = arg.shape[len(arg.shape) - len(dims) :]
        items = [
            letter if dim in seen else f"{letter}<{size}"
            for letter, dim, size in zip(core, dims, sizes, strict=True)
        ]
        is_short = all(len(item) == 1 for item in items)
        groups.append("".join(items) if is_short else _braced(items)[1:-1])
    name = node.function.name
    if len(groups) == 1 and groups[0].isalpha() and len(groups[0]) == len(cores[0]):
        return f"{name}_{{{groups[0]};}}" if is_operand else f"{name}_{groups[0]}"
    end = ";" if is_operand else ""  # so that it is no product of an operand and a bracket
    return f"{name}_{{{';'.join(groups)}{end}}}"


def _deltas(output: tuple[int, ...], axes: tuple[str, ...]) -> list[_Text]:
    at: dict[int, str] = {}
    found = []
    for label, axis in zip(output, axes, strict=True):
        if label in at:
            found.append(_Text(indexed("δ", (at[label], axis)), {at[label]: 1, axis: 1}))
        else:
            at[label] = axis
    return found


def _counted(letters: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for letter in letters:
        counts[letter] = counts.get(letter, 0) + 1
    return counts


def _sized(texts: Iterable[_Text]) -> frozenset[str]:
    return frozenset().union(*(text.sized for text in texts))


def _is_plain(value: Number) -> bool:
    """Whether a number needs no brackets as the base of a power."""
    if isinstance(value, complex):
        return True
    return not isinstance(value, Fraction) and not repr(value).startswith("-")


def _is_number(node: Node) -> bool:
    return isinstance(node, Constant) or (isinstance(node, Add) and not node.terms)


def _place_in_delta(side: Index) -> tuple[int, str]:
    # Sums, labels, numbers.
    return (1, side) if isinstance(side, str) else (0 if side.terms else 2, "")


def _kind_of_power(node: Node) -> str:
    """Tell whether a node is a power, and whether its exponent is an exact number."""
    if not isinstance(node, Call) or node.function.name != "power":
        return ""
    exponent = node.args[1]
    is_exact = isinstance(exponent, Constant) and isinstance(exponent.value, int | Fraction)
    return "exact" if is_exact else "other"


# --- long sums --------------------------------------------------------------------------------


def wrapped_equation(head: str, right: str) -> list[str]:
    """Write an equation, a long sum in several lines.

    >>> wrapped_equation("f = ", "x + y")
    ['f = x + y']
    """
    lines = [head]
    for sign, term in terms(right):
        part = sign + term
        if len(lines[-1]) + len(part) > WIDTH and lines[-1].strip() and lines[-1] != head:
            lines.append(" " * len(head) + part.lstrip())
        else:
            lines[-1] += part
    return lines


def terms(text: str) -> Iterator[tuple[str, str]]:
    """Part a sum into its terms, each with the sign before it.

    >>> list(terms("-x_i + (a - b) y_i"))
    [('-', 'x_i'), (' + ', '(a - b) y_i')]
    """
    sign, start, depth = "", 0, 0
    if text.startswith("-"):
        sign, start = "-", 1
    for k, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if not depth and text[k : k + 3] in (" + ", " - "):
            yield sign, text[start:k]
            sign, start = text[k : k + 3], k + 3
    yield sign, text[start:]
