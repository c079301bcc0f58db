r"""Expressions as einsum strings: ``einsum("q->iiq", x, i=2)`` for :math:`\delta_{ip} x_q`.

What is written is Python, with the functions of `einsdiff` under their names: a sum of products is
one call, sums and functions of entries are operators and calls of tensors, as NumPy has them. Run
with the variables, it gives the same expression.

>>> A, x = variable("A", (2, 3)), variable("x", (3,))
>>> format_einsum(einsum([A, x], ["ij", "j"], "i"), ("i",), Letters())
'einsum("ij,j->i", A, x)'
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from math import isfinite
from typing import TypeGuard

from einsdiff.algebra.functions.catalogue import MOST_EXPANDED
from einsdiff.algebra.functions.of_axes import POSITION
from einsdiff.algebra.nodes.entry_indices import absorbable, counted_factors
from einsdiff.algebra.nodes.graph import children
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
    variable,
)
from einsdiff.algebra.nodes.levi_civita import has_levi_civita
from einsdiff.algebra.nodes.nodes import call
from einsdiff.display.index.index_text import format_heading
from einsdiff.display.index.lettering import (
    Heading,
    Letters,
    assigned,
    axis_spellings,
    places,
    summary,
)
from einsdiff.display.index.printer import exact_exponent, format_index, is_number
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.letters import first_unused
from einsdiff.notation.subscripts import Size

#: How tightly an expression of Python holds together.
COMPARISON, SUM, PRODUCT, POWER, ATOM = range(5)

#: Functions of the table that are operators of tensors.
_OPERATORS = {"greater": ">", "greater_equal": ">="}
#: Functions of the table that `einsdiff` offers by another name.
_SPELLED = {
    "equal": "np.equal({0})",  # einsdiff.equal compares expressions
    "signdet": "slogdet({0})[0]",
    "eigvectors": "eigh({0})[1]",
}
#: Functions of the table that are for the derivatives of others only; digits may follow.
_INNER = ("others", "dexpm")


def format_einsum(node: Node, axes: Sequence[str], letters: Letters) -> str:
    """Write an expression with einsum strings, as Python.

    It is in the names that ``from einsdiff import *`` gives, with ``Fraction`` for exact exponents
    and ``inf`` and ``nan`` as in `math`; where a variable has the name of a function that is
    called, with ``ed.`` before each function. Of what would be very long there is a summary.

    >>> A, x, y = variable("A", ("m", "n")), variable("x", ("n",)), variable("y", ("m",))
    >>> r = add([(1, y), (-1, einsum([A, x], ["ij", "j"], "i"))])
    >>> format_einsum(r, ("i",), Letters())
    'y - einsum("ij,j->i", A, x)'
    >>> format_einsum(einsum([r, A], ["i", "ip"], "p"), ("p",), Letters())
    'einsum("i,ip->p", y - einsum("ij,j->i", A, x), A)'
    >>> format_einsum(einsum([x], ["q"], "iiq", {"i": 2}), ("i", "p", "q"), Letters())
    'einsum("q->iiq", x, i=2)'
    """
    order, first, length = places(node, letters)
    if too_long := summary(order, length):
        return too_long
    names = {part.name for part in order if isinstance(part, Variable)}
    writer = _EinsumWriter(letters, first)
    text = run(writer.sum(node, tuple(axes))).text
    if names.isdisjoint(writer.functions):
        return text
    return run(_EinsumWriter(letters, first, "ed.").sum(node, tuple(axes))).text


@dataclass(frozen=True, slots=True)
class _Code:
    """A part of the text, and how tightly it holds together."""

    text: str
    level: int = ATOM

    def at(self, level: int) -> str:
        """Return the text, with brackets unless it holds together as tightly as that."""
        return self.text if self.level >= level else f"({self.text})"


class _EinsumWriter:
    """Writes the nodes of one expression; its methods are jobs, see `run`."""

    def __init__(self, letters: Letters, first: Mapping[Node, int], prefix: str = "") -> None:
        self.letters = letters
        self.first = first
        self.prefix = prefix
        self.functions: set[str] = set()  # that are called

    def function(self, name: str) -> str:
        self.functions.add(name)
        return self.prefix + name

    # Sums.

    def sum(self, node: Node, axes: tuple[str, ...]) -> Job[_Code]:
        """Write a node as a sum of terms."""
        terms = node.terms if isinstance(node, Add) else ((1, node),)
        # A number is added to each entry, if something else in the sum has these entries.
        may_spread = not all(_is_spread(term) for _, term in terms)
        written: list[tuple[int, str, bool, _Code]] = []
        for c, term in terms:
            value = term.value if isinstance(term, Constant) and is_one(c) else c
            negative = not isinstance(value, complex) and value < 0
            part: _Code = yield self.term(-value if negative else value, term, axes, may_spread)
            written.append((self.first[term], part.text, negative, part))
        if not written:
            return self.filled("0", axes, dict(zip(axes, node.shape, strict=True)))
        if len(written) == 1:
            _, text, negative, part = written[0]
            return _Code("-" + part.at(PRODUCT), PRODUCT) if negative else part
        written.sort(key=lambda term: term[:3])
        positive = [k for k, term in enumerate(written) if not term[2]]
        if positive:  # 1 - x rather than -x + 1
            written.insert(0, written.pop(positive[0]))
        text = ""
        for _, _, negative, part in written:
            sign = (" - " if negative else " + ") if text else "-" * negative
            text += sign + part.at(PRODUCT)
        return _Code(text, SUM)

    def term(self, c: Number, node: Node, axes: tuple[str, ...], may_spread: bool) -> Job[_Code]:
        """Write a coefficient, the factors without axes, and the einsum of the others."""
        if isinstance(node, Constant):
            return _number(c)
        if not isinstance(node, Einsum):
            part: _Code = yield self.factor(node, axes, divides := _divides(node))
            return _joined(c, [], [part]) if divides else _joined(c, [part], [])
        used = set(axes)
        slices = _slices(node)
        letter = assigned(node, axes, self.letters, self.first, used, slices)
        counts: Counter[tuple[int, tuple[str, ...], str, bool]] = Counter()
        parts: dict[tuple[int, tuple[str, ...], str, bool], tuple[_Code, bool]] = {}
        for (operand, labels), count in counted_factors(node, slices.values()).items():
            divides = not labels and _divides(operand)
            if slices.keys() & set(labels):
                assert isinstance(operand, Variable)
                part, own = self.sliced(operand, labels, letter, slices)
            else:
                own = [letter[label] for label in labels]
                if isinstance(operand, Variable) and operand.symmetric:
                    own.sort()
                part = yield self.factor(operand, _distinct(own, used), divides)
            at = -1 if isinstance(operand, Delta) else self.first[operand]
            key = at, tuple(own), part.text, divides
            counts[key] += count
            parts[key] = part, _is_power(operand)
        output = tuple(letter[label] for label in node.output)
        factors: list[tuple[tuple[str, ...], _Code, bool]] = []
        for key in sorted(counts):
            part, is_power = parts[key]
            # What is summed stands side by side, einsum("i,i->", x, x); and so do powers, since a
            # power of a power would be another power.
            is_beside = counts[key] == 2 and not set(key[1]) <= set(output)
            copies = [part] * counts[key]
            if not is_beside and not is_power:
                copies = [_power(part, n) for n in _split(counts[key])]
            factors += [(key[1], copy, key[3]) for copy in copies]
        above = [self.size(node.sizes[label]) for label in node.loose]
        above += [part for own, part, divides in factors if not own and not divides]
        below = [part for _, part, divides in factors if divides]
        inputs = [(own, part) for own, part, _ in factors if own]
        sizes = {letter[label]: node.sizes[label] for label in node.output}
        if inputs:
            above.append(self.einsum(inputs, output, sizes))
        elif output and not (may_spread and _is_spread(node)):
            above = [self.filled(_joined(1, above, []).text, output, sizes)]
        return _joined(c, above, below)

    def einsum(
        self,
        inputs: Sequence[tuple[tuple[str, ...], _Code]],
        output: tuple[str, ...],
        sizes: Mapping[str, Size],
    ) -> _Code:
        """Write the call of an einsum; what it would not change is written alone."""
        terms = [own for own, _ in inputs]
        if terms == [output] and len(set(output)) == len(output):
            return inputs[0][1]
        single = _single([name for own in (*terms, output) for name in own])
        strings = ["".join(single[name] for name in own) for own in (*terms, output)]
        subscripts = f'"{",".join(strings[:-1])}->{strings[-1]}"'
        carried = {name for own in terms for name in own}
        free = {single[name]: size for name, size in sizes.items() if name not in carried}
        operands = ", ".join(part.text for _, part in inputs)
        return _Code(f"{self.function('einsum')}({subscripts}, {operands}{_sizes(free)})")

    def filled(self, text: str, axes: tuple[str, ...], sizes: Mapping[str, Size]) -> _Code:
        """Write a number at each entry, or at those of a diagonal."""
        return self.einsum([((), _Code(text))], axes, sizes)

    def size(self, size: Size) -> _Code:
        """Write a size that is a name: the number of values of an index."""
        return self.einsum([(("i",), self.filled("1", ("i",), {"i": size}))], (), {})

    # Factors.

    def factor(self, node: Node, axes: tuple[str, ...], divides: bool) -> Job[_Code]:
        """Write a node; of one that `divides`, what it divides by."""
        if isinstance(node, Variable):
            return self.variable(node)
        if isinstance(node, Delta):
            return self.delta(node, axes)
        if has_levi_civita([node]):
            return _Code(f"{self.function('parse')}({_index(node, axes)})")
        if isinstance(node, Call):
            write = self.power(node, axes, divides) if _is_power(node) else self.call(node, axes)
            part: _Code = yield write
            return part
        part = yield self.sum(node, axes)
        return part

    def sliced(
        self,
        node: Variable,
        labels: tuple[int, ...],
        letter: Mapping[int, str],
        slices: Mapping[int, tuple[str, int | None, int]],
    ) -> tuple[_Code, list[str]]:
        """Write a part of a variable: ``A[1]`` for ``A_1i``, and the letters of its axes."""
        shown = [slices[label][0] if label in slices else ":" for label in labels]
        while shown[-1] == ":":
            shown.pop()
        left = [slices[label][1] if label in slices else label for label in labels]
        text = f"{self.variable(node).text}[{', '.join(shown)}]"
        return _Code(text), [letter[label] for label in left if label is not None]

    def variable(self, node: Variable) -> _Code:
        if node.derivative is None:
            return _Code(node.name)
        base, wrt = node.derivative
        text = base.name
        for v, same in groupby(wrt):
            count = len(list(same))
            order = f", order={count}" if count > 1 else ""
            text = f"{self.function('grad')}({text}, wrt={_quoted(v.name)}{order})"
        return _Code(text)

    def delta(self, node: Delta, axes: tuple[str, ...]) -> _Code:
        """Write a delta; one of shifted or merged indices is read from index notation."""
        if node.is_identity:
            return self.filled("1", (axes[0], axes[0]), {axes[0]: node.shape[0]})
        sizes = _sizes(dict(zip(_letters(axes), node.shape, strict=True)), is_short=False)
        return _Code(f"{self.function('parse')}({_index(node, axes)}{sizes})")

    def power(self, node: Call, axes: tuple[str, ...], divides: bool) -> Job[_Code]:
        below, above = node.args
        base: _Code = yield self.sum(below, axes if below.shape else ())
        p: Number | None = above.value if isinstance(above, Constant) else None
        is_exact = isinstance(p, int | Fraction)
        value = below.value if isinstance(below, Constant) else Fraction(0)
        if is_number(below) and (is_exact or isinstance(value, Fraction)):
            # Numbers alone are not left to Python, which would not keep them exact.
            exponent: _Code = yield self.sum(above, axes if above.shape else ())
            return _Code(f"{self.function('power')}({base.text}, {exponent.text})")
        if p is None:
            exponent = yield self.sum(above, axes if above.shape else ())
            return _Code(f"{base.at(ATOM)}**{exponent.at(ATOM)}", POWER)
        if isinstance(p, float | complex):
            return _power(base, p)
        size = -p if p < 0 else p
        is_root = size == Fraction(1, 2)
        part = _Code(f"{self.function('sqrt')}({base.text})") if is_root else _power(base, size)
        return _joined(1, [], [part]) if p < 0 and not divides else part

    def call(self, node: Call, axes: tuple[str, ...]) -> Job[_Code]:
        """Write a call; what `einsdiff` has no function for is read from index notation."""
        function = node.function
        if function is POSITION:
            sizes = _sizes({axes[0]: node.shape[0]}, is_short=False)
            return _Code(f"{self.function('parse')}({_index(node, axes)}{sizes})")
        given, result = function.cores
        rank = len(axes) - len(result)
        parts: list[_Code] = []
        for arg, core in zip(node.args, given, strict=True):
            own = list(axes[:rank] if len(arg.shape) > len(core) else ())
            for axis in range(len(own), len(arg.shape)):
                own.append(first_unused(axis_spellings(self.letters, arg, axis), own))
            parts.append((yield self.sum(arg, tuple(own))))
        shown = ", ".join(part.text for part in parts)
        if _is_inner(node):
            operands = [variable(f"a{k}", arg.shape) for k, arg in enumerate(node.args)]
            text = _index(call(function, operands), axes)
            named = ", ".join(
                f"{v.name}={part.text}" for v, part in zip(operands, parts, strict=True)
            )
            return _Code(f"{self.function('parse')}({text}, {named})")
        if function.name in _OPERATORS and not all(isinstance(arg, Constant) for arg in node.args):
            sides = [part.at(SUM) for part in parts]
            return _Code(f" {_OPERATORS[function.name]} ".join(sides), COMPARISON)
        if "axis=" in function.numpy and len(node.args[0].shape) > len(given[0]):
            last = tuple(range(-len(given[0]), 0))
            shown += f", axis={last[0] if len(last) == 1 else last}"
        spelled = _SPELLED.get(function.name, f"{function.name}({{0}})")
        name = spelled.partition("(")[0]
        spelled = spelled.replace(name, name if "." in name else self.function(name), 1)
        return _Code(spelled.replace("{0}", shown))


# --- what nodes are ---------------------------------------------------------------------------


def _slices(node: Einsum) -> dict[int, tuple[str, int | None, int]]:
    """Find the relations that are slices of a variable, ``x[0]`` or ``x[1:4]``.

    For each label of a variable that is sliced: the slice, the label that is left, if any, and the
    position of the relation.
    """
    found: dict[int, tuple[str, int | None, int]] = {}
    for n, (terms, start, relation) in absorbable(node).items():
        if not terms:
            found[n] = str(start), None, relation
            continue
        (c, label), *others = terms
        size = node.sizes[label]
        if not others and c > 0 and isinstance(size, int) and size > 0 and start >= 0:
            stop = start + c * (size - 1) + 1
            text = f"{start or ''}:{'' if stop == node.sizes[n] else stop}"
            found[n] = text + (f":{c}" if c > 1 else ""), label, relation
    return found


def _is_spread(node: Node) -> bool:
    """Tell whether a term is the same number at each of its entries."""
    return (
        isinstance(node, Einsum)
        and not any(node.subscripts)
        and 0 < len(node.output) == len(set(node.output))
    )


def _is_power(node: Node) -> TypeGuard[Call]:
    return isinstance(node, Call) and node.function.name == "power"


def _divides(node: Node) -> bool:
    """Tell whether a node is written after a division sign."""
    return (exact_exponent(node) or 0) < 0 and not is_number(children(node)[0])


def _is_inner(node: Call) -> bool:
    """Tell whether a call has no function of its own, or one that would not act on these axes."""
    function = node.function
    if function.name == "solve" and function.ranks == (2, 1):
        return len(node.args[1].shape) > 1
    return function.name.rstrip("0123456789") in _INNER


# --- Python -----------------------------------------------------------------------------------


def _joined(c: Number, above: Sequence[_Code], below: Sequence[_Code]) -> _Code:
    """Write a product and a quotient; fractions stay exact, as they divide a tensor."""
    q = 1
    if isinstance(c, Fraction) and (above or below):
        c, q = c.numerator, c.denominator
    parts = [*([] if is_one(c) and above else [_number(c)]), *above]
    below = [*below, *([_number(q)] if q > 1 else [])]
    if len(parts) == 1 and not below:
        return parts[0]
    text = " * ".join(part.at(POWER if k else PRODUCT) for k, part in enumerate(parts))
    return _Code(text + "".join(f" / {part.at(POWER)}" for part in below), PRODUCT)


def _power(base: _Code, p: Number) -> _Code:
    if is_one(p):
        return base
    return _Code(f"{base.at(ATOM)}**{_number(p).at(POWER)}", POWER)


def _split(count: int) -> list[int]:
    """Part an exponent, so that each part is a product and no power."""
    return [*([MOST_EXPANDED] * (count // MOST_EXPANDED)), *filter(None, [count % MOST_EXPANDED])]


def _number(value: Number) -> _Code:
    if isinstance(value, Fraction):
        return _Code(f"Fraction({value.numerator}, {value.denominator})")
    if isinstance(value, complex):
        finite = isfinite(value.real) and isfinite(value.imag)
        return _Code(repr(value) if finite else f"complex({value.real!r}, {value.imag!r})")
    text = repr(value)
    return _Code(text, POWER if text.startswith("-") else ATOM)


def _quoted(text: str) -> str:
    """Write a text as Python does, in double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _sizes(sizes: Mapping[str, Size], is_short: bool = True) -> str:
    """Write the sizes of labels as the last arguments of a call."""
    if not sizes:
        return ""
    if is_short and all(n.isascii() and isinstance(size, int) for n, size in sizes.items()):
        return "".join(f", {name}={size}" for name, size in sizes.items())
    items = (
        f"{_quoted(name)}: {size if isinstance(size, int) else _quoted(size)}"
        for name, size in sizes.items()
    )
    return f", sizes={{{', '.join(items)}}}"


def _index(node: Node, axes: Sequence[str]) -> str:
    """Write a node in index notation, as a text of Python."""
    own = _letters(axes)
    return _quoted(f"{format_heading(Heading('f', own))} = {format_index(node, own, Letters())}")


def _letters(names: Sequence[str]) -> tuple[str, ...]:
    single = _single(names)
    return tuple(single[name] for name in names)


def _single(names: Iterable[str]) -> dict[str, str]:
    """Give labels that are longer than one letter a letter."""
    names = list(dict.fromkeys(names))
    found = {name: name for name in names if len(name) == 1}
    for name in names:
        found.setdefault(name, first_unused((), found.values()))
    return found


def _distinct(letters: Sequence[str], used: set[str]) -> tuple[str, ...]:
    """Give a second occurrence of a letter a letter of its own."""
    found: list[str] = []
    for name in letters:
        found.append(first_unused((), used.union(letters, found)) if name in found else name)
    return tuple(found)
