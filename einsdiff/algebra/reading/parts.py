r"""The parts of a text of index notation: what is multiplied, added, and applied to what.

A tree says what was written. Its parts say what is meant, as far as names alone tell: whether a
name before a bracket is a function, which sign of equality compares indices, and how often each
letter stands in a part, from which follows where it is summed (see
`einsdiff.notation.trees.in_product`).

>>> from einsdiff.notation.jobs import run
>>> part = run(PartReader({"A": 2, "x": 1}).whole(parse_index("A_ij x_j + 1")))
>>> part.counts
{'i': 1, 'j': 0}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, NoReturn, TypeGuard

from einsdiff.algebra.functions.catalogue import MOST_EXPANDED
from einsdiff.algebra.nodes.function_records import FAMILIES, FUNCTIONS, lookup
from einsdiff.algebra.nodes.interning import Number, Shape, reciprocal
from einsdiff.algebra.reading.choice import ALIASES, POWERS, Argument, choose, is_function
from einsdiff.algebra.reading.epsilons import epsilon_name
from einsdiff.algebra.reading.kinds import (
    Amount,
    Applied,
    Equal,
    Named,
    Part,
    Position,
    Related,
    SizePart,
    TermPart,
    Total,
)
from einsdiff.errors import SubscriptsError, shapes_line
from einsdiff.notation.hints import hint, near
from einsdiff.notation.jobs import Job
from einsdiff.notation.trees import (
    Affine,
    Apply,
    Compare,
    Index,
    Literal,
    Over,
    Partial,
    Power,
    Product,
    Sum,
    Symbol,
    Tree,
    in_bracket,
    in_product,
    inverse,
    letters_of,
)

#: The function of each comparison, and whether its arguments change places.
COMPARISONS = {
    ">": ("greater", False),
    ">=": ("greater_equal", False),
    "<": ("greater", True),
    "<=": ("greater_equal", True),
    "=": ("equal", False),
    "!=": ("not_equal", False),
}
_LETTERS = "ijklmnabcdefgh"


# --- from trees to parts ----------------------------------------------------------------------


class PartReader:
    """Makes parts of trees; its methods that take a tree are jobs, see `run`.

    Operands have `ranks`, None where it is not known yet. For messages are the `shapes` that are
    known, and the `text` that the trees were read from. `labels` are the letters that stand at
    names, so that a comparison of them is one of indices; None if every name that is no operand is
    one. `batch` are those of axes that operands with further axes have before their labelled ones,
    which a rule knows; None where the labels of functions' values tell.
    """

    def __init__(
        self,
        ranks: Mapping[str, int | None],
        shapes: Mapping[str, Shape] | None = None,
        text: str = "",
        size_names: frozenset[str] = frozenset(),
        labels: frozenset[str] | None = None,
        batch: tuple[str, ...] | None = None,
    ) -> None:
        self.ranks = dict(ranks)
        self.shapes, self.text = shapes or {}, text
        self.size_names, self.labels = size_names, labels
        self.is_rule, self.batch = batch is not None, batch or ()
        #: Whether e^x is the exponential function, and e no operand.
        self.has_e = False
        #: The names that are the permutation symbol, and no operands.
        self.epsilons: frozenset[str] = frozenset()

    def fail(
        self, headline: str, columns: Iterable[int], action: str, kind: type[Any] = SubscriptsError
    ) -> NoReturn:
        """Raise an error that shows the text."""
        carets, shapes = columns if self.text else (), shapes_line(self.shapes)
        raise kind(headline, text=self.text, carets=carets, shapes=shapes, action=action)

    def whole(self, tree: Tree) -> Job[Part]:
        """Make a part of something whole: a sum, or a term."""
        if not isinstance(tree, Sum):
            term: Part = yield self.term(tree)
            return term
        terms: list[tuple[int, Part]] = []
        for sign, summand in tree.terms:
            terms.append((sign, (yield self.term(summand))))
        return Total(in_bracket(term.counts for _, term in terms), terms)

    def term(self, tree: Tree) -> Job[TermPart]:
        """Make a part of a product."""
        factors: list[tuple[Part, int]] = []
        for factor, exponent in tree.factors if isinstance(tree, Product) else ((tree, 1),):
            factors += yield self.factor(factor, exponent)
        return TermPart(
            in_product(part.counts if n == 1 else in_bracket([part.counts]) for part, n in factors),
            factors,
        )

    def factor(self, tree: Tree, exponent: int) -> Job[list[tuple[Part, int]]]:
        """Make parts of a factor with exponent 1 or -1, each with its multiplicity."""
        part: Part
        if isinstance(tree, Over):
            return [((yield self.over(tree)), 1)]
        if self.has_e and is_exponential(tree):
            tree = Apply(Symbol("exp"), (tree.exponent,))
        split = self.split(tree)
        if split is not None:
            first: list[tuple[Part, int]] = yield self.factor(split[0], exponent)
            return [*first, *(yield self.factor(split[1], 1))]
        if isinstance(tree, Literal) and exponent == -1:
            return [(Amount({}, self.inverse(tree)), 1)]
        power = _power_of(tree)
        if exponent == -1 and not isinstance(power, int | Fraction):
            part = yield self.part(tree)
            return [(_power(TermPart(part.counts, [(part, 1)]), -1), 1)]
        if power is None:
            return [((yield self.part(tree)), 1)]
        assert isinstance(tree, Power | Apply)
        part = yield self.whole(tree.base if isinstance(tree, Power) else tree.arguments[0])
        return [_raised(part, exponent * power)]

    def over(self, tree: Over) -> Job[TermPart]:
        """Make a part of a sum that is written."""
        term: TermPart = yield self.term(tree.body)
        term.over, term.ranges, term.column = tree.labels, tree.sizes, tree.column
        term.idle = frozenset(tree.labels).difference(term.counts)
        term.counts = {label: n for label, n in term.counts.items() if label not in tree.labels}
        return term

    def inverse(self, tree: Literal) -> Number:
        """Return 1 divided by a number."""
        if tree.value == 0:
            self.fail("a division by zero", [tree.column], "divide by another number")
        return reciprocal(tree.value)

    def split(self, tree: Tree) -> tuple[Tree, Tree] | None:
        """Take a product apart that was read as a call: ``s (x_i + 1)^2``."""
        if isinstance(tree, Apply) and self.is_product(tree):
            return tree.symbol, _bracket(tree)
        if isinstance(tree, Power):
            base, exponent = tree.base, tree.exponent
            if isinstance(base, Apply) and self.is_product(base):
                return base.symbol, Power(_bracket(base), exponent)
            sign = 1
            if isinstance(exponent, Product):  # x^-n(a + b)
                sign, exponent = -1, exponent.factors[1][0]
            if isinstance(exponent, Apply) and self.is_product(exponent):
                inner: Tree = exponent.symbol
                if sign == -1:
                    inner = Product(((Literal(-1), 1), (inner, 1)))
                return Power(base, inner), _bracket(exponent)
        return None

    def is_product(self, tree: Apply) -> bool:
        """Tell whether a name before a bracket is a factor."""
        name = tree.name
        if len(tree.arguments) > 1:
            return False
        if tree.labels is not None:  # y_i (K^-1)_ij
            is_inverse = inverse(tree.arguments, ()) is not None and not is_function(name)
            return is_inverse and (bool(tree.symbol.labels) or name in self.ranks)
        if tree.symbol.labels:
            return name in self.ranks or not is_function(name)
        if tree.cores is not None or is_function(name):
            return False
        return name in self.ranks or name in self.size_names or name in (self.labels or ())

    def part(self, tree: Tree) -> Job[Part]:
        """Make a part of a factor that stands alone."""
        found: Part
        if isinstance(tree, Literal):
            return Amount({}, tree.value)
        if isinstance(tree, Symbol):
            return self.symbol(tree)
        if isinstance(tree, Partial):
            return self.symbol(self.derivative(tree))
        if isinstance(tree, Power):
            base: Part = yield self.whole(tree.base)
            exponent: Part = yield self.whole(tree.exponent)
            counts = in_bracket([base.counts, exponent.counts])
            return Applied(counts, "power", lookup("power"), [base, exponent], 0)
        if isinstance(tree, Compare):
            found = yield self.compare(tree)
        elif isinstance(tree, Apply):
            found = yield self.apply(tree)
        else:
            found = yield self.whole(tree)
        return found

    def derivative(self, tree: Partial) -> Symbol:
        """Return the name and the labels of a derivative that is a symbol."""
        return self.fail(
            "a derivative cannot stand here", [tree.column], "write the names of operands"
        )

    def symbol(self, tree: Symbol) -> Part:
        """Make a part of a name with its labels."""
        name, labels = tree.name, tree.labels
        if tree.sizes:
            self.fail(
                f"a label of {name} has a range",
                tree.columns,
                "write the range at the sign of a sum, Σ_{i<3}, or on the left: f_{i<3} = x_{i+1}",
            )
        if name == "δ":
            if any(isinstance(label, Affine) for label in labels):
                self.check_remainders(labels, tree)
                return _related(_difference(*labels), True, tree.column)
            return Equal(_count(labels), tuple(letters_of(labels)), tree.columns)
        if name in self.epsilons:
            return Named(
                _count(labels), epsilon_name(len(labels)), labels, tree.columns, tree.column
            )
        if name not in self.ranks:
            if not labels and name in self.size_names:
                return SizePart({}, name)
            if not labels and self.labels is not None and name in self.labels:
                return Position({}, name, tree.column)
            self.fail(
                f"there is no '{name}'",
                _word(name, tree.column),
                f"the names are {', '.join(self.ranks)}" if self.ranks else "there are no names",
            )
        rank = self.ranks[name]
        if rank is None:
            rank = self.ranks[name] = len(labels)
        if rank == len(labels) + len(self.batch):
            labels = (*self.batch, *labels)
        if rank != len(labels):
            self.fail(
                f"'{name}' has {_number_of(rank, 'axis', 'axes')}, "
                f"but {_number_of(len(labels), 'label', 'labels')}",
                tree.columns or _word(name, tree.column),
                f"write one label for each axis: {name}_{_LETTERS[:rank]}"
                if rank
                else f"write {name} without labels",
            )
        columns = tree.columns if len(tree.columns) == len(labels) else (tree.column,) * rank
        return Named(_count(labels), name, labels, columns, tree.column)

    def check_remainders(self, labels: Iterable[Index], tree: Symbol) -> None:
        """Refuse remainders where no operand has them as an index."""
        if any(isinstance(label, Affine) and label.modulus is not None for label in labels):
            self.fail(
                f"an index of {tree.name} is a remainder",
                tree.columns,
                "write remainders at names: x_{(i+k)%n}",
            )

    # Comparisons.

    def compare(self, tree: Compare) -> Job[Part]:
        """Make a part of a bracket: a relation of indices, or a comparison of values."""
        sign = tree.sign
        left, right = self.index(tree.left), self.index(tree.right)
        if left is not None and right is not None:
            index = _difference(right, left) if sign in ("<", "<=") else _difference(left, right)
            if sign in (">", "<"):
                index = Affine(index.terms, index.offset - 1)
            part = _related(index, sign in ("=", "!="), tree.column, tree.is_condition)
            if sign != "!=":
                return part
            one = TermPart({}, [(Amount({}, 1), 1)])
            return Total(
                in_bracket([part.counts]), [(1, one), (-1, TermPart(part.counts, [(part, 1)]))]
            )
        if isinstance(tree.left, Affine) or isinstance(tree.right, Affine):
            self.fail(
                "an index is compared with a value",
                [tree.column],
                "write indices on both sides: [{i+1} ≥ {j}]",
            )
        name, is_swapped = COMPARISONS[sign]
        args: list[Part] = [(yield self.whole(tree.left)), (yield self.whole(tree.right))]
        if is_swapped:
            args.reverse()
        counts = in_bracket(arg.counts for arg in args)
        return Applied(counts, name, lookup(name), args, tree.column)

    def index(self, tree: Tree | Affine) -> Affine | None:
        """Read a side of a comparison as an index; None if it is a value."""
        if isinstance(tree, Affine):
            return tree
        found: dict[str, int] = {}
        offset = 0
        for sign, term in tree.terms if isinstance(tree, Sum) else ((1, tree),):
            c, label = sign, ""
            for factor, exponent in term.factors if isinstance(term, Product) else ((term, 1),):
                if isinstance(factor, Literal) and isinstance(factor.value, int) and exponent == 1:
                    c *= factor.value
                elif isinstance(factor, Symbol) and self.is_label(factor) and not label:
                    label = factor.name
                else:
                    return None
            if label:
                found[label] = found.get(label, 0) + c
            else:
                offset += c
        return Affine(tuple((c, label) for label, c in found.items() if c), offset)

    def is_label(self, tree: Symbol) -> bool:
        """Tell whether a name in a comparison is a label, and no operand."""
        if tree.labels or self.ranks.get(tree.name, 1) == 0:
            return False
        if self.labels is None:
            return tree.name not in self.ranks
        return tree.name in self.labels

    # Functions.

    def apply(self, tree: Apply) -> Job[Part]:
        """Make a part of a call."""
        name, column = tree.name, tree.column
        if name in ALIASES and name not in FUNCTIONS:
            name = ALIASES[name]
            tree = replace(tree, symbol=replace(tree.symbol, name=name))
        if name in ("max", "min") and len(tree.arguments) == 2:
            name += "imum"
        if not is_function(name):
            self.no_function(name, column)
        if tree.symbol.labels and tree.cores is None:  # max_0(x), log_2(x)
            self.no_cores(tree, name)
        function = lookup(name)
        if name in POWERS or (function is not None and function.is_elementwise):
            self.check_entries(tree, 1 if function is None else len(function.ranks))
        args: list[Part] = []
        if name in POWERS:
            base: Part = yield self.whole(tree.arguments[0])
            part, n = _raised(base, POWERS[name])
            return part if n == 1 else TermPart(in_bracket([part.counts]), [(part, n)])
        if function is not None and function.is_elementwise:
            for argument in tree.arguments:
                args.append((yield self.whole(argument)))
            return Applied(in_bracket(arg.counts for arg in args), name, function, args, column)
        for argument in tree.arguments:
            if isinstance(argument, Symbol) and self.is_bare(argument):
                args.append(Named({}, argument.name, (), (), argument.column))
            else:
                args.append((yield self.whole(argument)))
        labels, columns, count = tree.labels, tree.columns, None
        if self.is_rule:  # the value has the batch axes, if its arguments have them
            every = (*self.batch, *(labels or ()))
            if choose(name, self.described(args), every, len(self.batch)) is not None:
                labels, columns, count = every, (), len(self.batch)
        if labels is not None:
            counts = _count(labels)
        else:
            counts = dict.fromkeys(in_bracket(arg.counts for arg in args), 0)
            for letter, _ in (item for core in tree.cores or () for item in core):
                counts.pop(letter, None)
        return Applied(counts, name, None, args, column, labels, columns, tree.cores, count)

    def is_bare(self, tree: Symbol) -> bool:
        """Tell whether a name stands for all of its axes."""
        return not tree.labels and tree.name != "δ" and self.ranks.get(tree.name, 0) != 0

    def described(self, args: Sequence[Part]) -> list[Argument]:
        """Say what `choose` needs to know of arguments."""
        found = []
        for arg in args:
            if isinstance(arg, Named) and not arg.indices and self.ranks[arg.name] != 0:
                found.append(Argument(self.ranks[arg.name]))
            else:
                free = tuple(letter for letter, n in arg.counts.items() if n == 1)
                found.append(Argument(-1, free, frozenset(arg.counts)))
        return found

    def check_entries(self, tree: Apply, arity: int) -> None:
        """Check the call of a function of each entry."""
        name = tree.name
        if len(tree.arguments) != arity:
            self.wrong_count(name, tree.column, len(tree.arguments), "xyzuvw"[:arity])
        if tree.cores is not None:
            self.no_cores(tree, name)
        if tree.labels is not None:
            self.fail(
                f"{name} is a function of each entry, so that its labels are its argument's",
                tree.columns or _word(name, tree.column),
                f"leave out the labels of the value: {name}(x_i)",
            )
        for argument in tree.arguments:
            if not isinstance(argument, Symbol) or not self.is_bare(argument) or self.batch:
                continue
            rank = self.ranks[argument.name]
            if rank is not None:
                self.fail(
                    f"'{argument.name}' has {_number_of(rank, 'axis', 'axes')}, but no label",
                    _word(argument.name, argument.column),
                    f"write its labels: {name}({argument.name}_{_LETTERS[:rank]})",
                )

    def no_cores(self, tree: Apply, name: str) -> NoReturn:
        """Say that what stands between a function and its bracket are no labels it acts on."""
        source = self.text[tree.column :].partition("(")[0].strip() or f"{name}_"
        self.fail(
            f"'{source[len(name) + 1 :]}' below {name} is nothing that it acts on",
            _word(source, tree.column),
            "write log2(x), log10(x), or log(x) / log(b) for another base"
            if name == "log"
            else f"leave it out, {name}(x_i); labels of a value stand after the bracket: "
            "max(A_ij)_i",
        )

    def wrong_count(self, name: str, column: int, given: int, wanted: Sequence[str]) -> NoReturn:
        """Say that a function has another number of arguments."""
        self.fail(
            f"{name} takes {_number_of(len(wanted), 'argument', 'arguments')}, not {given}",
            _word(name, column),
            f"write {name}({', '.join(wanted)})",
        )

    def no_function(self, name: str, column: int) -> NoReturn:
        """Say that there is no such function."""
        first = hint(name, "index" if self.labels else "either", _functions())
        product = f"write a product as {name} * (..)"
        self.fail(
            f"there is no function '{name}'",
            _word(name, column),
            f"{first}; {product}"
            if first
            else f"{product}; ed.register adds a function, ed.function('{name}') one of which "
            "nothing is known but its name",
        )

    def no_choice(
        self, part: Applied, arguments: Sequence[Argument], labels: Sequence[Index]
    ) -> NoReturn:
        """Say why a call fits no function."""
        name, column = part.name, part.column
        default = lookup(name)
        if default is not None and len(default.ranks) != len(arguments):
            self.wrong_count(name, column, len(arguments), default.arguments)
        if part.labels is None and default is not None:
            result = default.cores[1]
            free = arguments[0].free if arguments[0].rank == -1 else ()
            shown = "".join(free) or _LETTERS[: arguments[0].rank or len(result)]
            source = self.text[column:].partition(")")[0] or f"{name}("
            if result:
                self.fail(
                    f"the value of {name} has {_number_of(len(result), 'axis', 'axes')}, "
                    "but no label",
                    _word(name, column),
                    f"write the labels of the value: {source})_{shown}",
                )
            if labels:
                self.fail(
                    f"'{labels[0]}' stands outside of {name} too, so that it is not acted on",
                    _word(name, column),
                    f"use another letter inside, or write the labels of the value: {name}(A_ij)_i",
                )
            if arguments[0].rank not in (None, -1):
                self.fail(
                    f"{name} acts on {_number_of(default.ranks[0], 'axis', 'axes')}, but its "
                    f"argument has {arguments[0].rank}",
                    _word(name, column),
                    f"write labels of the value for the others, which come first: {source})_i",
                )
        for argument in part.args:
            self.check_value(argument)
        acts = f", which acts on {default.signature}" if default is not None else ""
        self.fail(
            f"the labels do not fit {name}{acts}",
            part.columns or _word(name, column),
            "write the batch labels of the value first, then its own: softmax(A_ij)_ij",
        )

    def check_value(self, part: Part) -> None:
        """Check that the value of a function has labels, in the argument of another."""
        while isinstance(part, TermPart) and len(part.factors) == 1:
            part = part.factors[0][0]
        if isinstance(part, Applied) and part.labels is None and part.function is None:
            default = lookup(part.name)
            if default is not None and default.cores[1]:
                self.no_choice(part, self.described(part.args), ())


def near_function(name: str) -> str:
    """Return the function whose name is nearly this one, "" if there is none.

    >>> near_function("sofmax"), near_function("m")
    ('softmax', '')
    """
    return near(name, _functions())


def _functions() -> list[str]:
    return [*FUNCTIONS, *FAMILIES, *POWERS, *ALIASES]


def _word(name: str, column: int) -> range:
    return range(column, column + len(name))


def _power(base: Part, exponent: Number) -> Part:
    args = [base, TermPart({}, [(Amount({}, exponent), 1)])]
    return Applied(in_bracket([base.counts]), "power", lookup("power"), args, 0)


def _raised(base: Part, exponent: Number) -> tuple[Part, int]:
    """Return a part and how often it stands, for a power of another part."""
    if isinstance(exponent, int) and 2 <= exponent <= MOST_EXPANDED:
        return base, exponent
    return _power(base, exponent), 1


def _bracket(tree: Apply) -> Tree:
    """Return the bracket after a name."""
    (argument,) = tree.arguments
    if tree.labels is not None:
        found = inverse(tree.arguments, tree.labels, tree.columns)
        assert found is not None
        return found
    return argument if isinstance(argument, Sum) else Sum(((1, argument),))


def is_exponential(tree: Tree) -> TypeGuard[Power]:
    """Tell whether a tree is a power of e, without brackets around it.

    >>> is_exponential(Power(Symbol("e"), Symbol("x")))
    True
    """
    return isinstance(tree, Power) and tree.base == Symbol("e")


def _power_of(tree: Tree) -> Number | None:
    """Return the exponent of a power, if it is a number."""
    if isinstance(tree, Apply):
        is_plain = tree.labels is None and tree.cores is None and not tree.symbol.labels
        is_plain = is_plain and len(tree.arguments) == 1
        return POWERS.get(tree.name) if is_plain else None
    return _number(tree.exponent) if isinstance(tree, Power) else None


def _number(tree: Tree) -> Number | None:
    """Return the number that a tree is: ``2``, ``-1``, ``(1/2)``, ``(-3/2)``."""
    sign = 1
    if isinstance(tree, Sum):
        if len(tree.terms) > 1:
            return None
        ((sign, tree),) = tree.terms
    if isinstance(tree, Literal):
        return sign * tree.value
    match tree:
        case Product(((Literal(int(a)), 1), (Literal(int(b)), -1))) if b:
            return sign * Fraction(a, b)
    return None


def _count(labels: Iterable[Index]) -> dict[str, int]:
    return dict(Counter(letters_of(labels)))


def _difference(a: Index, b: Index) -> Affine:
    """Return a - b."""
    terms: dict[str, int] = {}
    offset = 0
    for index, sign in ((a, 1), (b, -1)):
        affine = Affine(((1, index),)) if isinstance(index, str) else index
        offset += sign * affine.offset
        for c, letter in affine.terms:
            terms[letter] = terms.get(letter, 0) + sign * c
    return Affine(tuple((c, letter) for letter, c in terms.items() if c), offset)


def _related(index: Affine, is_equation: bool, column: int, is_condition: bool = False) -> Part:
    if index.terms:
        return Related(_count([index]), index, is_equation, column, is_condition)
    return Amount({}, int(index.offset == 0 if is_equation else index.offset >= 0))


def _number_of(count: int, one: str, many: str) -> str:
    return f"{count or 'no'} {one if count in (0, 1) else many}"
