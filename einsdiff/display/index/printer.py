r"""Expressions as trees of index notation, which are written as text: ``∂f_i/∂A_pq = δ_ip x_q``.

Free indices have the letters of the left-hand side. A summed index gets the letter that the user
gave to that axis of that operand, unless the letter is taken, and else a new one. A summed index
that stands at one place only is named by a sign, ``Σ_j A_ij``; where it stands twice, the sum is
understood. A label that stands twice in the output of an einsum is printed as the Kronecker delta
that it is. What is printed is read back as the same expression
(`einsdiff.algebra.reading.equation`), since letters are counted here by the same rules as there.

>>> x = variable("x", (3,))
>>> J = einsum([x], ["q"], "iiq", {"i": 2})
>>> format_index(J, ("i", "p", "q"), Letters())
'δ_ip x_q'
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import log10

from einsdiff.algebra.functions.catalogue import MOST_EXPANDED
from einsdiff.algebra.functions.of_axes import POSITION
from einsdiff.algebra.nodes.interning import (
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
from einsdiff.algebra.nodes.levi_civita import has_levi_civita
from einsdiff.algebra.nodes.relations import bounds
from einsdiff.algebra.reading.choice import Argument, choose
from einsdiff.algebra.reading.parts import COMPARISONS
from einsdiff.display.index.index_text import (
    TextWriter,
    Written,
    equation,
    format_heading,
    format_number,
    index_text,
    write,
)
from einsdiff.display.index.lettering import (
    Heading,
    Letters,
    assigned,
    axis_spellings,
    places,
    symbol_letters,
    without_repetition,
)
from einsdiff.display.index.raising import at_levels
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.letters import first_unused
from einsdiff.notation.subscripts import Size
from einsdiff.notation.trees import (
    Affine,
    Apply,
    Compare,
    Index,
    Literal,
    Over,
    Partial,
    Power,
    Sum,
    Summary,
    Symbol,
    Tree,
    atom,
    below,
    bracketed,
    count_of,
    in_bracket,
    in_product,
    labels_in,
    letters_of,
    product,
    ranges_in,
    sides_of,
    walk,
)

#: The signs of comparisons, by the names of their functions.
_SIGNS = {name: sign for sign, (name, is_swapped) in COMPARISONS.items() if not is_swapped}
#: Printing writes a shared node out wherever it stands, which can be exponentially long; an
#: expression with more factors than this, written out, is summarised instead.
MOST_FACTORS = 5000


def format_index(node: Node, axes: Sequence[str], letters: Letters) -> Written:
    """Write an expression in index notation; of one that would be very long, a summary.

    The axes have a letter each; `letters` are the user's for summed indices, whose order is that
    of the factors.
    """
    printer = _Printer(node, letters)
    text = printer.whole(node, tuple(axes))[0]
    if not letters.levels:
        return text
    return at_levels(write(Symbol("", tuple(axes))), text, letters, printer.names)[1]


def format_equation(node: Node, heading: Heading, letters: Letters) -> Written:
    """Write an expression with its left-hand side, which has the ranges that one cannot see.

    How far the labels of a derivative's variable run can be seen from the variable; those of its
    function are as on paper, unless they take a part of an axis, or the derivative is zero, or
    other labels stand on the right. Of a variable alone, the variable is written.

    >>> x, first = variable("x", (5,)), related((4, 5), (1, -1), 0)
    >>> format_equation(einsum([x, first], ["p", "ip"], "i"), Heading("f", ("i",)), Letters())
    'f_{i<4} = x_{i+0}'
    """
    left, right = format_sides(node, heading, letters)
    return right if format_heading(heading) == right else equation(left, right)


def format_sides(node: Node, heading: Heading, letters: Letters) -> tuple[Written, Written]:
    """Write both sides of an equation, see `format_equation`.

    >>> format_sides(zero((2,)), Heading("f", ("i",)), Letters())
    ('f_{i<2}', '0')
    """
    printer, axes = _Printer(node, letters), heading.letters
    text, sized = printer.whole(node, axes)
    groups = [index for _, own in heading.wrt for index in own]
    is_of_entries = any(isinstance(index, Affine) for index in groups)
    seen = set(sized).union(letters_of(groups))
    equal = [pair for pair in printer.equal if set(pair) <= set(axes)]
    _spread(seen, equal)
    written = printer.cut.union(labels_in(text.tree))
    ranges = {
        letter: size
        for letter, size in zip(axes, node.shape, strict=True)
        if letter not in seen
        and (
            not heading.wrt
            or (written and letter not in written)
            or is_of_entries
            or printer.fits.get(letter, size) != size
            or (letter in printer.counted and count_of(printer.counted[letter]) != size)
            or (isinstance(size, int) and (letter in printer.cut or text == "0"))
        )
    }
    if heading.wrt and ranges:  # one that is not as on paper is written out
        seen.update(ranges, printer.counted)
        _spread(seen, equal)
        for letter, size in zip(axes, node.shape, strict=True):
            if letter not in seen and isinstance(size, int):
                ranges[letter] = size
                seen.add(letter)
                _spread(seen, equal)
    runs = set(letters_of(index for index in groups if isinstance(index, Affine)))
    ranges.update((a, n) for a, n in zip(axes, node.shape, strict=True) if a in runs)
    # An entry x_1 could be taken for a variable of that name.
    left = format_heading(heading, ranges, printer.names if is_of_entries else ())
    return at_levels(left, text, letters, printer.names)


def _spread(seen: set[str], equal: Iterable[tuple[str, str]]) -> None:
    """Add the letters that are equal to some whose size one can see."""
    while more := {a for pair in equal for a in pair if not seen.isdisjoint(pair)} - seen:
        seen |= more


@dataclass(frozen=True, slots=True)
class _TreePart:
    """A part of what is printed."""

    tree: Tree
    counts: Mapping[str, int] = field(default_factory=dict)  # of letters, see `in_product`
    sized: frozenset[str] = frozenset()  # letters whose size one can see, from their operand
    divides: bool = False  # whether it is to be written after a division sign
    is_turned: bool = False  # whether it is the product with the other sign

    def atom(self) -> _TreePart:
        """Return it with brackets, unless it needs none as the base of a power."""
        tree = atom(self.tree)
        is_bare = tree is self.tree and not isinstance(tree, Sum)
        return self if is_bare else replace(self.bracketed(), tree=tree)

    def bracketed(self) -> _TreePart:
        return _TreePart(bracketed(self.tree), in_bracket([self.counts]), self.sized)


class _Printer:
    """Makes trees of the nodes of one expression; its methods are jobs, see `run`."""

    def __init__(self, node: Node, letters: Letters) -> None:
        order, self.first, length = places(node, letters)
        self.summary = summary(order, length)
        self.letters = letters
        variables = [part for part in order if isinstance(part, Variable)]
        self.names = frozenset(letters.of).union(v.name for v in variables)
        #: The sizes of the operands, by which a reader knows that a name is a size.
        self.sizes = {size for v in variables for size in v.shape}
        self.writer = TextWriter(self.names)
        self.equal: set[tuple[str, str]] = set()  # letters that a delta says have one range
        self.cut: set[str] = set()  # of relations, i+1 and p: they run over parts of axes
        self.fits: dict[str, int] = {}  # how far letters can run at most
        self.numbers: set[str] = set()  # those that stand as numbers, i x_i
        self.counted: dict[str, list[range]] = {}  # the numbers that they equal, δ_{i,0} + δ_{i,1}

    def whole(self, node: Node, axes: tuple[str, ...]) -> tuple[Written, frozenset[str]]:
        """Write the expression, and list the letters whose size one can see."""
        if self.summary:
            return write(Summary(self.summary)), frozenset(axes)
        part = run(self.sum(node, axes, set(axes)))
        # A letter is not to be the name of a size that is written, Σ_{j<k} A_kl.
        names = {tree.name for tree in walk(part.tree, into=below) if isinstance(tree, Symbol)}
        sizes = (names & self.sizes - self.names).union(map(str, ranges_in(part.tree)))
        taken = sizes.intersection(labels_in(part.tree)).difference(axes)
        if taken:
            for noted in (self.equal, self.cut, self.fits, self.counted):
                noted.clear()
            part = run(self.sum(node, axes, {*axes, *taken}))
        return Written(self.writer.text(part.tree), part.tree), part.sized

    def text(self, tree: Tree) -> str:
        """Write a factor or a term, by which those at one place are ordered."""
        return run(self.writer.factor(tree))

    def sum(self, node: Node, axes: tuple[str, ...], used: set[str]) -> Job[_TreePart]:
        """Write a node as a sum of terms; add the letters that it uses to `used`."""
        node, axes = without_repetition(node, axes)
        terms = node.terms if isinstance(node, Add) else ((1, node),)
        outside = frozenset(used)
        parts: list[tuple[Node, _TreePart]] = []
        for c, term in terms:
            inner = set(outside)
            parts.append((term, (yield self.term(c, term, axes, inner))))
            used |= inner
        if not parts:
            return _TreePart(Literal(0))
        if len(parts) == 1:
            return parts[0][1]
        signed = []
        for term, part in parts:
            sign, tree = _signed(part.tree)
            signed.append((self.first[term], self.text(tree), sign < 0, tree))
        signed.sort(key=lambda term: term[:3])
        positive = [k for k, term in enumerate(signed) if not term[2]]
        if positive:  # 1 - x rather than -x + 1
            signed.insert(0, signed.pop(positive[0]))
        tree = Sum(tuple((-1 if negative else 1, term) for _, _, negative, term in signed))
        return _TreePart(tree, in_bracket(p.counts for _, p in parts), _sized(p for _, p in parts))

    def term(self, c: Number, node: Node, axes: tuple[str, ...], used: set[str]) -> Job[_TreePart]:
        """Write a coefficient and a product."""
        if isinstance(node, Constant):
            return _TreePart(_number(node.value if is_one(c) else c))
        negative = not isinstance(c, complex) and c < 0
        size = -c if negative else c
        part: _TreePart = yield self.product(size, node, axes, used, negative)
        negative ^= part.is_turned
        return _TreePart(Sum(((-1, part.tree),)), part.counts, part.sized) if negative else part

    def product(
        self, c: Number, node: Node, axes: tuple[str, ...], used: set[str], is_negative: bool
    ) -> Job[_TreePart]:
        """Write a coefficient, deltas, size factors and factors, in a term with this sign."""
        if not isinstance(node, Einsum):
            return self.joined(c, [], [(yield self.factor(node, axes, used))], {})
        absorbed = absorbable(node)
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
        ties: list[_TreePart] = []
        groups: list[tuple[tuple[int, tuple[str, ...], str], list[_TreePart], int, set[str]]] = []
        is_turned = False
        for (operand, labels), count in counted_factors(node, absorbed.values()).items():
            own: list[Index] = []
            for axis, n in enumerate(labels):
                index: Index = affine[n] if n in affine else letter[n]
                if isinstance(index, str) and index in own and _needs_tie(operand, axis):
                    other = first_unused((), used)
                    used.add(other)
                    summed[other] = node.sizes[n]
                    ties.append(_delta((index, other)))
                    index = other
                own.append(index)
            if isinstance(operand, Variable) and operand.symmetric:
                own.sort(key=str)
            elif has_levi_civita([operand]):
                shown, sign = symbol_letters(own, axes, is_negative ^ is_turned)
                own = list(shown)
                is_turned ^= sign**count < 0
            copies: list[_TreePart] = [(yield self.factor(operand, tuple(own), used))]
            theirs = set(letters_of(own)) & summed.keys()
            is_number = isinstance(operand, Call) and operand.function is POSITION
            if count == 2 and theirs and not (copies[0].divides or is_number):
                copies.append((yield self.factor(operand, tuple(own), used)))
            at = -1 if isinstance(operand, Delta) or is_number else self.first[operand]
            place = (at, tuple(letters_of(own)), self.text(copies[0].tree))
            groups.append((place, copies, count, theirs))
        groups.sort(key=lambda group: group[0])
        # Two equal factors stand side by side, x_i x_i, if that shows that there is a sum.
        beside = [part for _, copies, n, _ in groups for part in _repeated(copies, n)]
        counts = in_product(part.counts for part in [*ties, *beside])
        factors = list(ties)
        for _, copies, n, theirs in groups:
            is_clear = all(counts.get(name, 0) > 1 for name in theirs)
            factors += _repeated(copies if is_clear else copies[:1], n)
        head = _deltas(node.output, axes)
        self.equal.update((a, b) for a, b in (tuple(part.counts) for part in head))
        return replace(self.joined(c, head, factors, summed), is_turned=is_turned)

    def joined(
        self, c: Number, head: list[_TreePart], factors: list[_TreePart], summed: Mapping[str, Size]
    ) -> _TreePart:
        """Write a product, with a sign for each sum that a reader could miss."""
        counts = in_product(part.counts for part in (*head, *factors))
        sized = _sized((*head, *factors))
        signs: dict[str, Size | None] = {}
        for letter, size in summed.items():
            if letter not in counts and isinstance(size, int):
                c = c * size
                c = c.numerator if isinstance(c, Fraction) and c.denominator == 1 else c
            elif letter not in counts and size not in self.names and size in self.sizes:
                head.append(_TreePart(Symbol(str(size))))
            elif letter not in sized:
                signs[letter] = size
            elif counts[letter] < 2 or letter in self.numbers:
                signs[letter] = None
        lead = [*([] if is_one(c) else _factors(c)), *((part.tree, 1) for part in head)]
        rest = [(part.tree, 1) for part in factors if not part.divides]
        if not lead and len(rest) == len(factors) == 1 and not signs:
            return factors[0]
        if not rest and (signs or not lead):
            rest = [(Literal(1), 1)]
        rest += [(part.tree, -1) for part in factors if part.divides]
        if signs:
            rest = [(Over(tuple(signs), tuple(signs.values()), product(rest)), 1)]
        outer = {letter: n for letter, n in counts.items() if letter not in signs}
        return _TreePart(product([*lead, *rest]), outer, sized)

    def factor(self, node: Node, axes: tuple[Index, ...], used: set[str]) -> Job[_TreePart]:
        """Write a node so that it can stand in a product."""
        if isinstance(node, Variable):
            return self.variable(node, axes)
        letters = tuple(axis for axis in axes if isinstance(axis, str))
        if isinstance(node, Delta):
            return self.delta(node, letters)
        if isinstance(node, Constant):
            return _TreePart(_number(node.value))
        if isinstance(node, Call):
            if has_levi_civita([node]):
                return _TreePart(Symbol("ε", letters), _counted(letters), frozenset(letters))
            function = node.function
            if function is POSITION:
                return self.position(node, letters)
            write = self.elementwise if function.is_elementwise else self.call
            write = self.power if function.name == "power" else write
            part: _TreePart = yield write(node, letters, used)
            return part
        part = yield self.sum(node, letters, used)
        return part.bracketed()

    def variable(self, node: Variable, axes: tuple[Index, ...]) -> _TreePart:
        for axis, size in zip(axes, node.shape, strict=True):
            if isinstance(axis, Affine) and len(axis.terms) == 1 and isinstance(size, int):
                ((c, letter),) = axis.terms
                most = (size - 1 - axis.offset) // c + 1 if c > 0 else axis.offset // -c + 1
                self.fits[letter] = min(most, self.fits.get(letter, most))
        shown = [axis if isinstance(axis, str) else _affine(axis) for axis in axes]
        tree: Tree = Symbol(node.name, tuple(shown))
        if node.derivative is not None:
            base, wrt = node.derivative
            rest = iter(shown)
            own, *by = (Symbol(v.name, tuple(next(rest) for _ in v.shape)) for v in (base, *wrt))
            tree = Partial(own, tuple(by))
        sized = frozenset(axis for axis in axes if isinstance(axis, str))
        return _TreePart(tree, _counted(letters_of(axes)), sized)

    def delta(self, node: Delta, axes: tuple[str, ...]) -> _TreePart:
        if node.is_identity:
            if axes[0] != axes[1]:
                self.equal.add((axes[0], axes[1]))
            return _delta(axes)
        counts = _counted(axes)
        c, offset, is_equation = node.relation
        alone, numbers = _alone(axes, c, offset, node.shape)
        if is_equation and len(c) != 2 and alone is not None:
            self.counted.setdefault(alone, []).append(numbers)
            self.cut.update(set(axes) - {alone})
        elif len(c) > 1:
            self.cut.update(axes)
        sides = list(sides_of(zip(c, axes, strict=True), offset))
        if is_equation:
            sides.sort(key=_place_in_delta)
            if all(isinstance(side, str) for side in sides):
                # The indices are equal, but run over different ranges.
                sides[0] = Affine(((1, str(sides[0])),))
            return _TreePart(Symbol("δ", tuple(sides)), counts)
        shown = "".join(map(index_text, sides))
        # Letters in braces are no names, and 2e+1 no number.
        is_clear = self.names.isdisjoint(axes) and not re.search("[0-9][eE][-+]", shown)
        left, right = (_side(side) if is_clear else _as_affine(side) for side in sides)
        return _TreePart(Compare(">=", left, right), counts)

    # Functions.

    def power(self, node: Call, axes: tuple[str, ...], used: set[str]) -> Job[_TreePart]:
        """Write a power, as a root or a divisor where it is one."""
        below, above = node.args
        base: _TreePart = yield self.sum(below, axes if below.shape else (), used)
        p = above.value if isinstance(above, Constant) else None
        exact = p if isinstance(p, int | Fraction) and not is_number(below) else None
        divides = exact is not None and exact < 0
        if divides:
            assert exact is not None
            p = exact = -exact
        counts = in_bracket([base.counts])
        if exact == Fraction(1, 2):
            return _TreePart(Apply(Symbol("sqrt"), (base.tree,)), counts, base.sized, divides)
        if divides and exact == 1:
            # 1 / sqrt(x) is one power of x, and 1 / (sqrt(x)) a power of another; 1 / x^n is clear.
            if exact_exponent(below) is not None:
                base = base.bracketed()
            elif not isinstance(below, Call) or below.function.name != "power":
                base = base.atom()
            return replace(base, counts=counts, divides=True)
        base = base.atom()
        if below.shape == () and base.tree == Symbol("e"):  # e^x is the exponential function
            base = base.bracketed()
        if p is None:
            exponent: _TreePart = yield self.sum(above, axes if above.shape else (), used)
            # s^x_i could also be s_i to the power of x, as s with an upper and a lower index.
            is_unclear = isinstance(below, Variable) and not below.shape and bool(above.shape)
            is_unclear |= isinstance(exponent.tree, Symbol) and exponent.tree.name in self.numbers
            exponent = exponent.bracketed() if is_unclear else exponent.atom()
        else:
            exponent = _TreePart(bracketed(_number(p)) if isinstance(p, Fraction) else Literal(p))
        return _TreePart(
            Power(base.tree, exponent.tree),
            in_bracket([base.counts, exponent.counts]),
            base.sized | exponent.sized,
            divides,
        )

    def elementwise(self, node: Call, axes: tuple[str, ...], used: set[str]) -> Job[_TreePart]:
        function = node.function
        args: list[_TreePart] = []
        for arg in node.args:
            args.append((yield self.sum(arg, axes if arg.shape else (), used)))
        trees = tuple(arg.tree for arg in args)
        tree: Tree = Apply(Symbol(function.name), trees)
        # Whole numbers alone in a comparison would be read as indices.
        if function.name in _SIGNS and not all(map(is_number, node.args)):
            tree = Compare(_SIGNS[function.name], trees[0], trees[1])
        return _TreePart(tree, in_bracket(arg.counts for arg in args), _sized(args))

    def position(self, node: Call, axes: tuple[str, ...]) -> _TreePart:
        """Write an index as a number, by its letter; where that is a name, by what it counts."""
        (letter,) = axes
        if letter in self.names or letter in self.sizes:
            cores = (((letter, node.shape[0]),),)
            count = Apply(Symbol("cumsum"), (Literal(1),), axes, cores)
            return _TreePart(Sum(((1, count), (-1, Literal(1)))), {letter: 1}, frozenset(axes))
        self.numbers.add(letter)
        return _TreePart(Symbol(letter), {letter: 0})

    def call(self, node: Call, axes: tuple[str, ...], used: set[str]) -> Job[_TreePart]:
        """Write a call of a function of vectors or matrices, with the labels of its value."""
        function = node.function
        given, result = function.cores
        rank = len(axes) - len(result)
        own = list(zip(result, axes[rank:], strict=True))
        parts: list[_TreePart] = []
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
            parts.append((yield self.sum(arg, (*head, *core), inner)))
            letters.append(inner)
            cores.append(core)
        carried = {letter for part in parts for letter in part.counts}
        batch = tuple(letter for letter in axes[:rank] if letter in carried)
        labels = (*batch, *axes[rank:])
        bare = [  # without its letters, a name that is one, too, would be doubted
            isinstance(arg, Variable)
            and arg.derivative is None
            and bool(arg.shape)
            and arg.name not in used
            for arg in node.args
        ]
        is_seen = all(
            a in part.sized for part, core in zip(parts, cores, strict=True) for a in core
        )
        is_short = is_seen and self.is_understood(node, parts, cores, bare, labels, batch)
        if is_seen and not is_short and any(bare):  # max(A_ij), since max(A) is that of a vector
            bare = [False] * len(bare)
            is_short = self.is_understood(node, parts, cores, bare, labels, batch)
        bare = [is_name and is_short for is_name in bare]
        trees = tuple(
            Symbol(repr(arg)) if is_name else part.tree
            for arg, part, is_name in zip(node.args, parts, bare, strict=True)
        )
        used.update(*(a for a, is_name in zip(letters, bare, strict=True) if not is_name))
        acted = None if is_short else _cores(node, parts, cores)
        tree = Apply(Symbol(function.name), trees, labels or None, acted)
        if not labels:
            inside = in_bracket(part.counts for part, b in zip(parts, bare, strict=True) if not b)
            return _TreePart(tree, dict.fromkeys(inside, 0))
        sized = (_sized(parts) & set(batch)) | set(axes[rank:])
        return _TreePart(tree, _counted(labels), sized)

    def is_understood(
        self,
        node: Call,
        parts: Sequence[_TreePart],
        cores: Sequence[Sequence[str]],
        bare: Sequence[bool],
        labels: Sequence[str],
        batch: Sequence[str],
    ) -> bool:
        """Tell whether a reader finds the function, and the axes that it acts on, by himself."""
        arguments = []
        for arg, part, core, is_name in zip(node.args, parts, cores, bare, strict=True):
            if is_name:
                arguments.append(Argument(len(arg.shape)))
                continue
            counts = in_bracket([part.counts])
            free = tuple(letter for letter, n in counts.items() if n == 1)
            if [letter for letter in free if letter not in batch] != list(core):
                return False
            arguments.append(Argument(-1, free, frozenset(counts)))
        batched = tuple(not set(batch).isdisjoint(part.counts) for part in parts)
        # As one reads it who knows the operands, and as one does who knows the text alone.
        unknown = [Argument(None) if a.rank != -1 else a for a in arguments]
        for known in (arguments, unknown):
            chosen = choose(node.function.name, known, labels, None if labels else 0)
            if chosen is None or chosen.function is not node.function:
                return False
            if (chosen.batch, chosen.batched) != (len(batch), batched):
                return False
        return True


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

    For a label that is summed, and stands at one variable and in one relation only: what the
    relation says that it is, as coefficients of other labels and an offset; and the position of the
    relation.
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


def counted_factors(
    node: Einsum, absorbed: Iterable[tuple[object, object, int]]
) -> Counter[tuple[Node, tuple[int, ...]]]:
    """Count equal factors with their labels, without the relations that are absorbed."""
    gone = {relation for _, _, relation in absorbed}
    slots = enumerate(zip(node.operands, node.subscripts, strict=True))
    return Counter(slot for k, slot in slots if k not in gone)


def _needs_tie(node: Node, axis: int) -> bool:
    """Tell whether an axis that has the label of another one is written with a delta.

    ``(A_ii + B_ii)`` would be the sum of two diagonals, and not the diagonal of the sum.
    """
    if isinstance(node, Call) and not node.function.is_elementwise:
        return axis < len(node.batch)
    return not isinstance(node, Variable)


def _repeated(copies: list[_TreePart], count: int) -> list[_TreePart]:
    """Write a factor several times: as it is, or as a power."""
    if len(copies) > 1 or count == 1:
        return copies
    (part,) = copies
    if part.divides:
        return copies * count
    base = part.bracketed() if part.tree == Symbol("e") else part.atom()
    found = []
    while count:
        n = min(count, MOST_EXPANDED)
        power = Power(base.tree, Literal(n))
        found.append(_TreePart(power, in_bracket([part.counts]), part.sized) if n > 1 else part)
        count -= n
    return found


def _cores(
    node: Call, parts: Sequence[_TreePart], cores: Sequence[Sequence[str]]
) -> tuple[tuple[tuple[str, Size | None], ...], ...]:
    """Return the labels that a function acts on, with the ranges that one cannot see."""
    given = list(zip(parts, cores, node.function.cores[0], node.args, strict=True))
    seen = {
        dim
        for part, core, dims, _ in given
        for letter, dim in zip(core, dims, strict=True)
        if letter in part.sized
    }
    return tuple(
        tuple(
            (letter, None if dim in seen else size)
            for letter, dim, size in zip(
                core, dims, arg.shape[len(arg.shape) - len(dims) :], strict=True
            )
        )
        for _, core, dims, arg in given
    )


def _delta(labels: tuple[str, ...]) -> _TreePart:
    return _TreePart(Symbol("δ", labels), _counted(labels))


def _deltas(output: tuple[int, ...], axes: tuple[str, ...]) -> list[_TreePart]:
    at: dict[int, str] = {}
    found = []
    for label, axis in zip(output, axes, strict=True):
        if at.setdefault(label, axis) != axis:
            found.append(_delta((at[label], axis)))
    return found


def _counted(letters: Iterable[str]) -> dict[str, int]:
    return dict(Counter(letters))


def _sized(parts: Iterable[_TreePart]) -> frozenset[str]:
    return frozenset().union(*(part.sized for part in parts))


def _factors(value: Number) -> list[tuple[Tree, int]]:
    """Write a number that is not negative as factors."""
    if isinstance(value, Fraction):
        return [(Literal(value.numerator), 1), (Literal(value.denominator), -1)]
    return [(Literal(value), 1)]


def _number(value: Number) -> Tree:
    is_negative = format_number(value).startswith("-")
    tree = product(_factors(-value if is_negative else value))
    return Sum(((-1, tree),)) if is_negative else tree


def _signed(tree: Tree) -> tuple[int, Tree]:
    """Take the sign off a term."""
    is_negative = isinstance(tree, Sum) and len(tree.terms) == 1 and tree.terms[0][0] < 0
    return tree.terms[0] if is_negative and isinstance(tree, Sum) else (1, tree)


def _alone(
    axes: Sequence[str], c: Sequence[int], offset: int, shape: Sequence[Size]
) -> tuple[str | None, range]:
    """Return the letter that is equal to a sum of indices, and the numbers that this can be."""
    for k, letter in enumerate(axes):
        rest = [(-c[k] * d, size) for d, size in zip(c, shape, strict=True)]
        del rest[k]
        first = last = -c[k] * offset
        for d, size in rest:
            if not isinstance(size, int) or d < 0:
                break
            last += d * (size - 1)
        else:
            if abs(c[k]) == 1:
                return letter, range(first, last + 1)
    return None, range(0)


def _affine(index: Affine) -> Affine:
    """Return a sum of indices in the order in which it is written."""
    return Affine(tuple(sorted(index.terms, key=lambda term: term[0] < 0)), index.offset)


def _as_affine(side: Index) -> Affine:
    return Affine(((1, side),)) if isinstance(side, str) else side


def _side(index: Index) -> Tree:
    """Write an index as a side of a comparison, where it is a sum like others."""
    if isinstance(index, str):
        return Symbol(index)
    terms: list[tuple[int, Tree]] = []
    for c, letter in index.terms:
        lead = [] if abs(c) == 1 else _factors(abs(c))
        terms.append((1 if c > 0 else -1, product([*lead, (Symbol(letter), 1)])))
    if index.offset or not terms:
        before = index.offset > 0 and bool(terms) and terms[0][0] < 0
        sign = -1 if index.offset < 0 else 1
        terms.insert(0 if before else len(terms), (sign, Literal(abs(index.offset))))
    return terms[0][1] if len(terms) == 1 and terms[0][0] > 0 else Sum(tuple(terms))


def is_number(node: Node) -> bool:
    """Tell whether a node is a number; zero is a sum of no terms."""
    return isinstance(node, Constant) or (isinstance(node, Add) and not node.terms)


def _place_in_delta(side: Index) -> tuple[int, str]:
    # Sums, labels, numbers.
    return (1, side) if isinstance(side, str) else (0 if side.terms else 2, "")


def exact_exponent(node: Node) -> int | Fraction | None:
    """Return the exponent of a power, if it is an exact number."""
    if not isinstance(node, Call) or node.function.name != "power":
        return None
    p = node.args[1].value if isinstance(node.args[1], Constant) else None
    return p if isinstance(p, int | Fraction) else None
