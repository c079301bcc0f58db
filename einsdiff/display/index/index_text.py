r"""Trees as index notation: ``∂f_i/∂A_pq = δ_ip x_q``.

What is written is read back as the same tree, which `parse_equation` tells of with ``apart=True``.
A sum within something else has brackets, and where others are needed the tree has a sum of one term
in their place, see `einsdiff.notation.trees.atom`; so that nothing is decided here but spelling.

>>> str(write(parse_index("A_ij  x_j+1/2 (b_i)")))
'A_ij x_j + 1/2 (b_i)'
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from einsdiff.algebra.nodes.function_records import FAMILIES, FUNCTIONS, parted_names
from einsdiff.algebra.nodes.interning import SUPERSCRIPT, Number
from einsdiff.algebra.reading.choice import is_function
from einsdiff.display.index.lettering import Heading
from einsdiff.notation.index_parser import parse_equation
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.subscripts import Size
from einsdiff.notation.trees import (
    Affine,
    Apply,
    Compare,
    Equation,
    Index,
    Literal,
    Over,
    Partial,
    Power,
    Product,
    Sum,
    Summary,
    Symbol,
    Tree,
    walk,
)

#: Lines are at most so long, unless a term is longer.
WIDTH = 80
_SIGNS = {">": ">", ">=": "≥", "<": "<", "<=": "≤", "=": "=", "!=": "≠"}


class Written(str):
    """A text of index notation, with the tree that it was written from."""

    __slots__ = ("tree",)
    tree: Tree | Equation

    def __new__(cls, text: str, tree: Tree | Equation) -> Written:
        """Make a text of a tree."""
        found = super().__new__(cls, text)
        found.tree = tree
        return found

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def tree_of(text: str, names: Iterable[str] = ()) -> Tree | Equation:
    """Return the tree that a text was written from; a text of the user's is read.

    >>> tree_of("2 x_i")
    Product(factors=((Literal(value=2), 1), (Symbol(name='x', labels=('i',)), 1)))
    """
    if isinstance(text, Written):
        return text.tree
    found = parse_equation(text, (*names, *parted_names()), apart=True)
    return found.right if found.left is None else Equation(found.left, found.right)


def equation(left: Written, right: Written, is_short: bool = True) -> Written:
    """Write an equation; where that is short enough, of two equal sides one."""
    if left == right and is_short:
        return right
    assert isinstance(left.tree, Symbol | Partial)
    assert not isinstance(right.tree, Equation)
    return Written(f"{left} = {right}", Equation(left.tree, right.tree))


def write(tree: Tree, names: Iterable[str] = ()) -> Written:
    """Write a tree.

    Names are those of the variables: where one begins like another one, as x and x_1 do, its labels
    are in braces, and a function of such a name is written so that it cannot be a product.

    >>> write(Symbol("x", ("1",))), write(Symbol("x", ("1",)), ["x", "x_1"])
    ('x_1', 'x_{1}')
    """
    return Written(TextWriter(names).text(tree), tree)


def format_heading(
    heading: Heading, ranges: Mapping[str, Size] | None = None, names: Iterable[str] = ()
) -> Written:
    """Write a left-hand side, with the ranges of some of its letters, as `write` does.

    >>> format_heading(Heading("f", ("i",), (("A", ("p", "q")),)))
    '∂f_i/∂A_pq'
    >>> format_heading(Heading("f", (), (("x", ("p",)), ("x", ("q",)))))
    '∂²f/∂x_p∂x_q'
    >>> format_heading(Heading("f", ("i", "j")), {"i": 4})
    'f_{i<4,j}'
    >>> format_heading(Heading("f", (), (("x", (Affine(((2, "p"),), 1),)),)), {"p": 3})
    '∂f/∂x_{2p+1<6}'
    """

    def symbol(name: str, labels: tuple[Index, ...]) -> Symbol:
        sizes = tuple(_end(label, ranges or {}) for label in labels)
        is_ranged = any(size is not None for size in sizes)
        return Symbol(name, labels, sizes=sizes if is_ranged else ())

    base = symbol(heading.name, heading.axes)
    wrt = tuple(symbol(name, labels) for name, labels in heading.wrt)
    return write(Partial(base, wrt) if wrt else base, names)


def _end(label: Index, ranges: Mapping[str, Size]) -> Size | None:
    """Return what an index of a left-hand side stays below, if that is to be written."""
    if isinstance(label, str):
        return ranges.get(label)
    count = next((ranges.get(letter) for _, letter in label.terms), None)
    if not isinstance(count, int):
        return None
    ((c, _),) = label.terms
    return c * (count - 1) + label.offset + 1


def bare_partial(name: str, by: Sequence[str]) -> Written:
    """Write a derivative without its letters.

    >>> bare_partial("f", ["x", "y"])
    '∂²f/∂x∂y'
    """
    tree = Partial(Symbol(name), tuple(map(Symbol, by)))
    return Written(_partial_text(name, by), tree)


def _partial_text(above: str, below: Sequence[str]) -> str:
    order = str(len(below)).translate(SUPERSCRIPT) if len(below) > 1 else ""
    return f"∂{order}{above}/" + "".join(f"∂{part}" for part in below)


# --- names and numbers ------------------------------------------------------------------------


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


def part_name(name: str, indices: Sequence[Index]) -> str:
    """Name what is differentiated by: a variable, or entries of it.

    >>> part_name("A", "pq"), part_name("A", [Affine((), 0), "q"])
    ('A', 'A_0q')
    """
    return name if all(isinstance(index, str) for index in indices) else indexed(name, indices)


def _subscript(indices: Sequence[Index], braces: bool = False) -> str:
    parts = [*map(index_text, indices)]
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


def _scripts(tree: Symbol) -> str:
    """Write indices that are upper and lower ones, in their order: ``^i_j``.

    >>> _scripts(Symbol("A", ("i", "j", "k"), raised=(True, True, False)))
    '^{ij}_k'
    """
    text = ""
    shown = _ranged(tree.labels, tree.sizes or [None] * len(tree.labels))
    for is_upper, own in groupby(zip(tree.raised, shown, strict=True), key=lambda pair: pair[0]):
        parts = [part for _, part in own]
        is_plain = all(len(part) == 1 and part.isalpha() for part in parts)
        if is_upper:
            inside = "".join(parts) if is_plain else f"{','.join(parts)},"
            text += f"^{inside}" if len(inside) == 1 else f"^{{{inside}}}"
        else:
            text += f"_{''.join(parts)}" if is_plain else f"_{_braced(parts)}"
    return text


def _ranged(labels: Iterable[Index], sizes: Iterable[Size | None]) -> list[str]:
    """Write labels, each with its range where there is one."""
    return [
        index_text(label) if size is None else f"{index_text(label)}<{size}"
        for label, size in zip(labels, sizes, strict=True)
    ]


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


def index_text(index: Index) -> str:
    """Write an index.

    >>> index_text("i"), index_text(Affine((), 2))
    ('i', '2')
    """
    return index if isinstance(index, str) else affine_text(index)


def format_number(value: Number) -> str:
    """Write a number so that it is read back to the last digit: floats as Python prints them.

    >>> from fractions import Fraction
    >>> format_number(Fraction(1, 2)), format_number(0.1), format_number(float("-inf"))
    ('1/2', '0.1', '-∞')
    >>> format_number(1 + 2j), format_number(complex(0, -2))
    ('(1+2j)', '(0-2j)')
    """
    if isinstance(value, complex):
        real, imaginary = (
            format_number(part).removesuffix(".0") for part in (value.real, value.imag)
        )
        return f"({real}{'' if imaginary[0] == '-' else '+'}{imaginary}j)"
    return repr(value).replace("inf", "∞") if isinstance(value, float) else str(value)


# --- trees ------------------------------------------------------------------------------------


def is_elementwise(tree: Apply) -> bool:
    """Tell whether a call is one of a function of each entry."""
    function = FUNCTIONS.get(tree.name)
    if tree.labels is not None or tree.name in FAMILIES:
        return False
    return function is None or function.is_elementwise


class TextWriter:
    """Writes trees, each one once; its methods are jobs, see `run`."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names: Collection[str] = frozenset(names)
        self.parted = [name for name in self.names if "_" in name]
        self.done: dict[int, tuple[Tree, str]] = {}

    def text(self, tree: Tree) -> str:
        """Write a tree."""
        return run(self.whole(tree))

    def whole(self, tree: Tree) -> Job[str]:
        """Write something that has nothing around it."""
        if id(tree) in self.done:
            return self.done[id(tree)][1]
        text: str
        match tree:
            case Symbol():
                text = self.symbol(tree)
            case Product():
                text = yield self.product(tree)
            case Sum(((1, inner),)):
                text = f"({(yield self.whole(inner))})"
            case Sum():
                text = yield self.sum(tree)
            case Literal(value):
                text = format_number(value)
            case Partial(base, wrt):
                text = _partial_text(self.symbol(base), [self.symbol(part) for part in wrt])
            case Over(labels, sizes, body):
                shown = _ranged(labels, sizes)
                is_short = all(len(label) == 1 for label in shown)
                below = "".join(shown) if is_short else _braced(shown)
                text = f"Σ_{below} {(yield self.factor(body))}"
            case Power(base, exponent):
                text = yield self.factor(base)
                if isinstance(base, Symbol) and any(base.raised):
                    text = f"({text})"
                text += f"^{(yield self.factor(exponent))}"
            case Compare():
                text = yield self.compare(tree)
            case Apply():
                text = yield self.call(tree)
            case Summary():
                text = tree.text
        self.done[id(tree)] = tree, text
        return text

    def factor(self, tree: Tree) -> Job[str]:
        """Write a part of something else, a sum in brackets."""
        text: str = yield self.whole(tree)
        is_open = isinstance(tree, Sum) and (len(tree.terms) != 1 or tree.terms[0][0] < 0)
        return f"({text})" if is_open else text

    def sum(self, tree: Sum) -> Job[str]:
        """Write terms with their signs."""
        text = ""
        for sign, term in tree.terms:
            part: str = yield self.factor(term)
            text += (" - " if sign < 0 else " + ") + part if text else "-" * (sign < 0) + part
        return text

    def product(self, tree: Product) -> Job[str]:
        """Write factors side by side, and divisors after strokes."""
        text, name = "", ""
        for k, (factor, exponent) in enumerate(tree.factors):
            part: str = yield self.factor(factor)
            if exponent < 0:  # 1/2 is a number
                is_number = k == 1 and all(isinstance(f, Literal) for f, _ in tree.factors[:2])
                text += f"/{part}" if is_number else f" / {part}"
            elif text:
                # A name before a bracket is a function, if there is one that is called so.
                text += f" * {part}" if part[0] == "(" and is_function(name) else f" {part}"
            else:
                text = part
            name = _name_at_end(factor) if exponent > 0 else ""
        return text

    def symbol(self, tree: Symbol) -> str:
        """Write a name with its indices, so that it cannot be taken for a longer name."""
        name, labels = tree.name, tree.labels
        if any(tree.raised):
            return name + _scripts(tree)
        if tree.sizes:
            return f"{name}_{_braced(_ranged(labels, tree.sizes))}"
        if not labels:
            return f"{name}_{{}}" if "_" in name else name
        if name == "δ" and isinstance(labels[-1], Affine):
            return f"δ_{_braced([*map(index_text, labels)])}"
        text = indexed(name, labels)
        if any(text == other or text.startswith(other + "_") for other in self.parted):
            return indexed(name, labels, braces=True)
        return text

    def compare(self, tree: Compare) -> Job[str]:
        """Write a comparison in square brackets."""
        sides: list[str] = []
        is_index = not any(
            isinstance(part, Symbol) and (part.labels or part.name in self.names)
            for part in walk(tree)
        )
        for side in (tree.left, tree.right):
            if not isinstance(side, Affine):
                text: str = yield self.whole(side)
                sides.append(text.replace(" ", "") if is_index else text)
            elif side.offset or len(side.terms) != 1 or side.terms[0][0] != 1:
                sides.append(f"{{{affine_text(side)}}}")
            else:
                sides.append(f"{{{side.terms[0][1]}}}")
        return f"[{sides[0]} {_SIGNS[tree.sign]} {sides[1]}]"

    def call(self, tree: Apply) -> Job[str]:
        """Write a function with its arguments."""
        shown: list[str] = []
        takes_all = tree.cores is None and not is_elementwise(tree)
        for arg in tree.arguments:
            if takes_all and isinstance(arg, Symbol) and not arg.labels:  # a name of all its axes
                shown.append(arg.name)
            else:
                shown.append((yield self.whole(arg)))
        below = "" if tree.cores is None else self.cores(tree.name, tree.cores)
        text = f"{tree.name}{below}({', '.join(shown)})"
        return text if tree.labels is None else text + _subscript(tree.labels)

    def cores(self, name: str, cores: Sequence[Sequence[tuple[str, Size | None]]]) -> str:
        """Write the labels that a function acts on: ``inv_kl``, ``max_{i<3}``."""
        groups = []
        for core in cores:
            items = _ranged(*zip(*core, strict=True)) if core else []
            is_short = all(len(item) == 1 for item in items)
            groups.append("".join(items) if is_short else _braced(items)[1:-1])
        end = ";" if name in self.names else ""  # so that it is no product with a bracket
        if len(groups) == 1 and groups[0].isalpha() and len(groups[0]) == len(cores[0]):
            return f"_{{{groups[0]};}}" if end else f"_{groups[0]}"
        return f"_{{{';'.join(groups)}{end}}}"


def _name_at_end(tree: Tree) -> str:
    """Return the name that a factor ends with: a bracket after it could be its argument's."""
    while isinstance(tree, Power):
        tree = tree.exponent
    if isinstance(tree, Partial):
        tree = tree.wrt[-1]
    return tree.name if isinstance(tree, Symbol) else ""


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
    """Part a line into the terms of its sum, each with the sign before it.

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
