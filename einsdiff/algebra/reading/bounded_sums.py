r"""What is written at the signs of sums and products: bounds, conditions, and where to count from.

Labels count from 0. Formulas on paper often count from 1, and mostly it makes no difference:

.. math:: \sum_{i=1}^{n} x_i y_i \qquad \sum_{i=1}^{n-1} (x_{i+1} - x_i)^2

are the same sums of entries in both ways. Which way a text counts can be seen from its bounds,
since only one of them stays inside of the axes; a text for which both do is refused. Here, labels
that count from 1 are shifted, conditions become factors, ``Π`` becomes the function ``prod``, and
functions whose argument has no brackets get them. No tree is left with more than labels and ranges
at the sign of a sum.

>>> from einsdiff.notation.index_parser import parse_equation
>>> from einsdiff.algebra.reading.parts import PartReader
>>> equation = parse_equation("Σ_{i=2}^{5} x_i x_{i-1}")
>>> plain = plain_sums(equation, PartReader({}, labels=frozenset("i")), {"x": (5,)}, {})
>>> plain.right.sizes, [factor.labels[0] for factor, _ in plain.right.body.factors]
((4,), [Affine(terms=((1, 'i'),), offset=1), Affine(terms=((1, 'i'),), offset=0)])
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, NoReturn

from einsdiff.algebra.nodes.function_records import lookup
from einsdiff.algebra.nodes.interning import Shape
from einsdiff.algebra.reading.choice import ALIASES, POWERS, is_function, is_word
from einsdiff.algebra.reading.parts import PartReader
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.subscripts import Size
from einsdiff.notation.trees import (
    Affine,
    Apply,
    Chain,
    Compare,
    Equation,
    Index,
    Literal,
    Over,
    Partial,
    Power,
    Product,
    Sum,
    Symbol,
    Tree,
    below,
    labels_in,
    letters_of,
    product,
    symbols_of,
    walk,
)

#: A comparison with its sides exchanged.
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "!=": "!=", "=": "="}


def plain_sums(
    equation: Equation, parts: PartReader, shapes: Mapping[str, Shape], sizes: Mapping[str, Size]
) -> Equation:
    """Return an equation whose sums have labels and ranges only.

    `shapes` are those of the operands that are known, `sizes` those of labels and names of sizes.
    What does not say where labels begin and end is a `SubscriptsError`.
    """
    if not any(_is_special(tree) for tree in walk(equation.right, into=below)):
        return equation
    reader = _SumReader(equation, parts, shapes, sizes)
    return replace(equation, right=run(reader.rewritten(equation.right, _Scope())))


def _is_special(tree: Tree) -> bool:
    """Tell whether a tree needs to be rewritten, or could need it."""
    if isinstance(tree, Over):
        return bool(tree.chains) or tree.sign != "Σ" or any(isinstance(s, str) for s in tree.sizes)
    if isinstance(tree, Product):
        return any(_function_name(factor) for factor, _ in tree.factors)
    return False


class _Bounded(NamedTuple):
    """A label with its bounds as they are written, None for a label; the last value is included."""

    label: str
    first: int | None
    last: _Last | None
    column: int


class _Last(NamedTuple):
    """A number, or the name of a size and what is added to it."""

    name: str
    offset: int


@dataclass(frozen=True)
class _Scope:
    """The labels around a tree that are bound, with the first value of those that have one."""

    bound: frozenset[str] = frozenset()
    first: Mapping[str, int] = field(default_factory=dict)


class _SumReader:
    """Rewrites the sums of one equation."""

    def __init__(
        self,
        equation: Equation,
        parts: PartReader,
        shapes: Mapping[str, Shape],
        sizes: Mapping[str, Size],
    ) -> None:
        self.parts, self.shapes, self.sizes = parts, shapes, sizes
        self.left = equation.left
        self.on_left = {a for symbol in symbols_of(self.left) for a in letters_of(symbol.labels)}
        self.counts = Counter(labels_in(equation.right))
        self.labels = {*labels_in(equation), *(parts.labels or ())}
        self.names = {
            tree.name for tree in walk(equation.right, into=below) if isinstance(tree, Symbol)
        }
        #: What names of sizes stand for that nobody has given.
        self.named: dict[str, Size] = {}
        bounded = [
            (tree, bound)
            for tree in walk(equation.right, into=below)
            if isinstance(tree, Over)
            for chain in self.chains(tree)
            for bound in self.bounds(chain)
        ]
        for tree, bound in bounded:
            self.name_size(tree, bound)
        #: Where the labels of this text count from.
        self.base = self.find_base(bounded)

    # What is said at the sign.

    def chains(self, tree: Over) -> list[Chain]:
        """List what is said of labels at a sign, with ``i<j`` and the ``i<n`` of a known axis."""
        found = list(tree.chains)
        for label, size in zip(tree.labels, tree.sizes, strict=True):
            if isinstance(size, str) and self.is_chained(label, size, tree):
                sides = Affine(((1, label),)), Affine(((1, size),))
                found.append(Chain(sides, ("<",), tree.column))
        return found

    def is_chained(self, label: str, size: str, tree: Over) -> bool:
        """Tell whether a range is a condition, or the size of an axis that is known."""
        if size in self.shapes or size in self.parts.size_names:
            return False
        return self.is_label(size) or size in self.named or self.whole_axis(tree, label) is not None

    def whole_axis(self, tree: Over, label: str) -> int | None:
        """Return the size of the axes at which a label stands alone, if they are known."""
        found = {(size, offset) for size, offset in self.axes(tree, label)}
        sizes = {size for size, _ in found if isinstance(size, int)}
        is_alone = bool(found) and all(offset == 0 for _, offset in found)
        return sizes.pop() if is_alone and len(sizes) == 1 else None

    def is_label(self, name: str) -> bool:
        return name in self.labels and name not in self.shapes and name not in self.sizes.values()

    def sides(self, chain: Chain) -> Iterator[tuple[Affine, str, Affine]]:
        """Yield what a chain compares, two neighbours at a time."""
        for k, sign in enumerate(chain.signs):
            yield chain.sides[k], sign, chain.sides[k + 1]

    def own_labels(self, chain: Chain) -> list[str]:
        """List the labels of which a chain says something."""
        if chain.label:
            return [chain.label]
        bare = [side.terms[0][1] for side in chain.sides if side.is_label]
        found = [a for a in bare if self.is_label(a) or "!=" in chain.signs] or bare[:1]
        if not found:
            self.unclear(chain)
        return found

    def unclear(self, chain: Chain) -> NoReturn:
        self.parts.fail(
            "it is not clear which label this is about",
            [chain.column],
            "write Σ_{i<3}, Σ_{i=1}^{n}, Σ_{i<j} or Σ_{j≠i}, with labels of what follows",
        )

    def bounds(self, chain: Chain) -> Iterator[_Bounded]:
        """Yield the labels of a chain that have a first and a last value."""
        own = self.own_labels(chain)
        first: dict[str, int] = {}
        last: dict[str, _Last] = {}
        ends: list[int] = []
        tops: list[_Last] = []
        for a, sign, b in self.sides(chain):
            for side, by, other in ((a, sign, b), (b, _TURNED[sign], a)):
                if not (side.is_label and side.terms[0][1] in own) or by == "!=":
                    continue
                strict = by in ("<", ">")
                if by in (">", ">=") and not other.terms:
                    first[side.terms[0][1]] = other.offset + strict
                    ends.append(other.offset + strict)
                elif by in ("<", "<=") and self.is_size(other, own):
                    top = _Last(other.terms[0][1] if other.terms else "", other.offset - strict)
                    last[side.terms[0][1]] = top
                    tops.append(top)
        if len(chain.signs) > 1 and len(own) > 1 and len(ends) == len(tops) == 1:
            first = dict.fromkeys(own, ends[0])  # 1≤i<j≤n
            last = dict.fromkeys(own, tops[0])
        for label in own:
            end = last.get(label)
            if end is not None and label not in first and len(chain.signs) == 1:
                if not end.name and chain.signs[0] != "<":
                    self.parts.fail(
                        f"it is not said where '{label}' begins",
                        [chain.column],
                        f"write Σ_{{{label}<3}} for 0, 1 and 2, or Σ_{{{label}=1}}^{{3}}",
                    )
                # Σ_{i<n} counts from 0, Σ_{i≤n} from 1.
                first[label] = 1 if end.name and not end.offset else 0
            if end is not None or (label in first and len(chain.signs) > 1):
                yield _Bounded(label, first.get(label), end, chain.column)

    def is_size(self, side: Affine, own: Sequence[str]) -> bool:
        """Tell whether a side is a number, or a size and a number."""
        if not side.terms:
            return True
        return (
            len(side.terms) == 1
            and side.terms[0][0] == 1
            and not (side.terms[0][1] in own or self.is_label(side.terms[0][1]))
        )

    # Sizes that stand in bounds only.

    def axes(self, tree: Over, label: str) -> Iterator[tuple[Size | None, int]]:
        """Yield the axes at which a label stands in a sum: their size, and what is added to it."""
        for part in walk(tree.body, into=below):
            for symbol in symbols_of(part):
                if symbol.name == "δ":
                    continue
                shape = self.shapes.get(symbol.name)
                for axis, index in enumerate(symbol.labels):
                    affine = Affine(((1, index),)) if isinstance(index, str) else index
                    if affine.terms == ((1, label),) and affine.modulus is None:
                        known = shape is not None and axis < len(shape)
                        yield (shape[axis] if known and shape else None), affine.offset

    def number(self, last: _Last) -> _Last:
        """Return the last value of a label, as a number where the size is one."""
        size: Size = self.named.get(last.name, last.name)
        size = self.sizes.get(size, size) if isinstance(size, str) else size
        if isinstance(size, int):
            return _Last("", size + last.offset)
        return _Last(size, last.offset)

    def name_size(self, tree: Over, bound: _Bounded) -> None:
        """Find the size that a name stands for, which nobody gives: that of the axes."""
        if bound.last is None:
            return
        name = bound.last.name
        is_given = name in self.sizes or name in self.parts.size_names or name in self.parts.ranks
        if not name or name in self.named or (is_given and name not in self.parts.ranks):
            return
        found = [(size, c) for size, c in self.axes(tree, bound.label) if size is not None]
        sizes = {size for size, _ in found}
        if len(sizes) != 1:
            return
        (size,) = sizes
        shift = 0
        if isinstance(size, int) and bound.first == 0 and bound.last.offset >= 0:
            # The last value of Σ_{k=0}^{n} is at the end of the axis.
            shift = -1 - bound.last.offset - max(c for _, c in found)
        if isinstance(size, int):
            self.named[name] = size + shift
        elif not shift:
            self.named[name] = size

    # Where labels count from.

    def find_base(self, bounded: Sequence[tuple[Over, _Bounded]]) -> int:
        """Tell whether the text counts from 0 or from 1."""
        forced: dict[int, _Bounded] = {}
        open_: list[_Bounded] = []
        for tree, bound in bounded:
            fitting, is_known = self.fitting(tree, bound)
            if not fitting:
                self.parts.fail(
                    f"'{bound.label}' leaves the axes of its sum",
                    [bound.column],
                    "write bounds for which all indices stay inside; Σ_i is the sum over the whole "
                    "axis",
                )
            if len(fitting) == 1:
                forced.setdefault(fitting[0], bound)
            elif is_known:
                open_.append(bound)
        if len(forced) == 2:
            self.parts.fail(
                "one sum counts from 0 and another from 1",
                [bound.column for bound in forced.values()],
                "count from 0 or from 1 in all: Σ_{i=0}^{n-1}, or Σ_{i=1}^{n}",
            )
        if forced:
            return next(iter(forced))
        if open_:
            bound = open_[0]
            self.parts.fail(
                f"'{bound.label}' could count from 0 or from 1, which are other entries",
                [bound.column],
                f"write Σ_{{{bound.label}<3}} for the first three entries; where entries are left "
                f"out in front, write {bound.label}+1 for the index",
            )
        return 0

    def fitting(self, tree: Over, bound: _Bounded) -> tuple[list[int], bool]:
        """List where a label may count from, and tell whether it would make a difference."""
        last = None if bound.last is None else self.number(bound.last)
        axes = list(self.axes(tree, bound.label)) or [(None, 0)]
        fitting = [base for base in (0, 1) if all(self.fits(bound, last, base, *a) for a in axes)]
        sizes = [size for size, _ in axes]
        is_known = any(size is not None for size in sizes) or (bound.first or 0) > 0
        return fitting, is_known

    def fits(
        self, bound: _Bounded, last: _Last | None, base: int, size: Size | None, offset: int
    ) -> bool:
        """Tell whether a label that counts from `base` stays inside of an axis."""
        if bound.first is not None and bound.first + offset < base:
            return False
        if last is None:
            return True
        size = self.sizes.get(size, size) if isinstance(size, str) else size
        if size is None and last.name:
            is_longer = bound.first == 0 and last.offset >= 0  # Σ_{k=0}^{n} a_k, of n + 1 entries
            return base == 0 if is_longer else last.offset + offset < base
        if size is None:  # Σ_{i=1}^{3} x_i is all of an axis that nobody knows
            return not (base == 0 and bound.first == 1 and not offset)
        if isinstance(size, int) and not last.name:
            return last.offset + offset - base < size
        return size != last.name or last.offset + offset < base

    # The trees.

    def rewritten(self, tree: Tree, scope: _Scope) -> Job[Tree]:
        """Return a tree without bounds, and with labels that count from 0."""
        result: Tree
        if isinstance(tree, Over):
            result = yield self.over(tree, scope)
            return result
        if isinstance(tree, Sum):
            terms = []
            for sign, term in tree.terms:
                terms.append((sign, (yield self.rewritten(term, scope))))
            return Sum(tuple(terms))
        if isinstance(tree, Product):
            factors = []
            for factor, exponent in self.applied(tree.factors):
                factors.append(((yield self.rewritten(factor, scope)), exponent))
            return product(factors)
        if isinstance(tree, Power):
            base = yield self.rewritten(tree.base, scope)
            return Power(base, (yield self.rewritten(tree.exponent, scope)))
        if isinstance(tree, Compare):
            result = yield self.compare(tree, scope)
            return result
        if isinstance(tree, Apply) and self.is_number(tree):  # i (x_i + 1)
            bracket = Sum(((1, tree.arguments[0]),))
            result = yield self.rewritten(Product(((tree.symbol, 1), (bracket, 1))), scope)
            return result
        if isinstance(tree, Apply):
            arguments = []
            for argument in tree.arguments:
                arguments.append((yield self.rewritten(argument, scope)))
            symbol = self.labelled(tree.symbol, scope)
            labels = tree.labels
            if labels is not None:
                labels = tuple(self.index(index, scope, tree.columns[:1]) for index in labels)
            return replace(tree, symbol=symbol, arguments=tuple(arguments), labels=labels)
        if isinstance(tree, Partial):
            return replace(
                tree,
                base=self.labelled(tree.base, scope),
                wrt=tuple(self.labelled(symbol, scope) for symbol in tree.wrt),
            )
        return self.symbol(tree, scope) if isinstance(tree, Symbol) else tree

    def is_number(self, tree: Apply) -> bool:
        """Tell whether a label before a bracket is a number that multiplies it."""
        is_label = tree.name in self.labels and not tree.symbol.labels
        return is_label and tree.name not in self.parts.ranks and self.parts.is_product(tree)

    def labelled(self, tree: Symbol, scope: _Scope) -> Symbol:
        """Return a name whose labels count from 0."""
        columns = tree.columns or (tree.column,)
        labels = tuple(self.index(index, scope, columns[:1]) for index in tree.labels)
        return tree if labels == tree.labels else replace(tree, labels=labels)

    def symbol(self, tree: Symbol, scope: _Scope) -> Tree:
        """Return a name whose labels count from 0; of a label as a number, its value."""
        if tree.labels:
            return self.labelled(tree, scope)
        if tree.name in self.named and tree.name not in self.parts.ranks:
            size = self.named[tree.name]
            return Literal(size, tree.column) if isinstance(size, int) else replace(tree, name=size)
        first = scope.first.get(tree.name, 0)
        if first and tree.name in scope.bound and tree.name not in self.parts.ranks:
            return Sum(((1, tree), (1, Literal(first))))
        is_number = tree.name in self.labels and tree.name not in self.parts.ranks
        if self.base and is_number and tree.name not in scope.first:
            self.counted_from(tree.name, [tree.column])
        return tree

    def counted_from(self, label: str, columns: Iterable[int]) -> NoReturn:
        self.parts.fail(
            f"a sum of this text counts from 1, and '{label}' counts from 0",
            columns,
            "count from 0 in all sums: Σ_i x_i for the whole axis, Σ_{i<3} for its first entries",
        )

    def index(self, index: Index, scope: _Scope, columns: Sequence[int]) -> Index:
        """Return an index that counts from 0."""
        if not self.base and not any(scope.first.values()):
            return index
        affine = Affine(((1, index),)) if isinstance(index, str) else index
        if affine.modulus is not None:
            self.counted_from(affine.terms[0][1] if affine.terms else "0", columns)
        whole = sum(c for c, _ in affine.terms)
        free = [a for _, a in affine.terms if a not in scope.first]
        if self.base and (not affine.terms or (free and (whole != 1 or len(affine.terms) > 1))):
            self.counted_from(free[0] if free else str(affine.offset), columns)
        shift = sum(c * scope.first.get(a, self.base) for c, a in affine.terms) - self.base
        if not shift:
            return index
        return Affine(affine.terms, affine.offset + shift)

    def compare(self, tree: Compare, scope: _Scope) -> Job[Tree]:
        """Return a comparison, of indices that count from 0."""
        left, right = self.parts.index(tree.left), self.parts.index(tree.right)
        if left is None or right is None:
            assert not isinstance(tree.left, Affine)
            assert not isinstance(tree.right, Affine)
            first = yield self.rewritten(tree.left, scope)
            return replace(tree, left=first, right=(yield self.rewritten(tree.right, scope)))
        if not self.base and not any(scope.first.values()):
            return tree
        return self.related(left, tree.sign, right, scope, tree.column)

    def related(
        self,
        left: Affine,
        sign: str,
        right: Affine,
        scope: _Scope,
        column: int,
        is_condition: bool = False,
    ) -> Compare:
        """Return a relation of the values of labels as one of labels that count from 0."""
        shifted = []
        for side in (left, right):
            shift = 0
            for c, label in side.terms:
                shift += c * scope.first.get(label, self.base)
            shifted.append(Affine(side.terms, side.offset + shift))
        free = [a for s in (left, right) for _, a in s.terms if a not in scope.first]
        balance = sum(c for c, _ in left.terms) - sum(c for c, _ in right.terms)
        if self.base and free and balance:
            self.counted_from(free[0], [column])
        return Compare(sign, shifted[0], shifted[1], column, is_condition)

    # Sums and products.

    def over(self, tree: Over, scope: _Scope) -> Job[Tree]:
        """Return a sum whose labels have ranges at most."""
        chains = self.chains(tree)
        chained = {a for chain in chains for a in self.own_labels(chain)}
        plain = [
            (label, size)
            for label, size in zip(tree.labels, tree.sizes, strict=True)
            if label not in chained
        ]
        bounds = {bound.label: bound for chain in chains for bound in self.bounds(chain)}
        outer = scope.bound | self.on_left
        summed = dict(plain)
        for chain in chains:
            own = self.own_labels(chain)
            new = [a for a in dict.fromkeys(own) if a not in outer and a not in summed]
            self.check_new(tree, chain, own, new)
            for label in new:
                summed[label] = self.range_of(bounds[label], tree) if label in bounds else None
        first = {a: self.first(bounds[a]) for a in summed if a in bounds}
        inner = _Scope(
            scope.bound.union(summed),
            {**{a: n for a, n in scope.first.items() if a not in summed}, **first},
        )
        conditions: list[tuple[Tree, int]] = []
        for chain in chains:
            for a, sign, b in self.sides(chain):
                if not self.is_bound(a, sign, b, bounds) and not (
                    self.is_bound(b, _TURNED[sign], a, bounds)
                ):
                    conditions.append((self.related(a, sign, b, inner, chain.column, True), 1))
        body: Tree = yield self.rewritten(tree.body, inner)
        if not summed:
            self.unclear(chains[0])
        labels, sizes = tuple(summed), tuple(summed.values())
        if tree.sign == "Σ":
            rest = body.factors if isinstance(body, Product) else ((body, 1),)
            return Over(labels, sizes, product([*conditions, *rest]), tree.column)
        if conditions:  # the factors that are left out are 1
            terms = ((1, body), (-1, Literal(1)))
            factors = product([*conditions, (Sum(terms), 1)])
            body = Sum(((1, Literal(1)), (1, factors)))
        cores = (tuple(zip(labels, sizes, strict=True)),)
        return Apply(Symbol("prod", (), tree.column), (body,), None, cores)

    def is_bound(
        self, side: Affine, sign: str, other: Affine, bounds: Mapping[str, _Bounded]
    ) -> bool:
        """Tell whether a comparison is the first or the last value of a label."""
        if not side.is_label or side.terms[0][1] not in bounds or sign in ("!=", "="):
            return False
        own = [side.terms[0][1]]
        return not other.terms if sign in (">", ">=") else self.is_size(other, own)

    def range_of(self, bound: _Bounded, tree: Over) -> Size | None:
        """Return how many values a label has; None if it runs over the whole axis."""
        first = self.first(bound)
        if bound.last is None:
            self.check_whole(bound, first)
            return None
        last = self.number(bound.last)
        count = last.offset - first + 1
        if not last.name:
            return max(count, 0)
        if not count:
            return last.name
        is_free = last.name not in self.names and last.name not in self.sizes.values()
        if count > 0 and is_free and all(size is None for size, _ in self.axes(tree, bound.label)):
            self.check_whole(bound, first)
            return None
        return self.parts.fail(
            f"the number of values of '{bound.label}' is {last.name}{count:+}, which has no name",
            [bound.column],
            f"give sizes as numbers, as in {last.name}=5, or write Σ_{{{bound.label}<m}} with the "
            "number of values m",
        )

    def first(self, bound: _Bounded) -> int:
        """Return the first value of a label."""
        return self.base if bound.first is None else bound.first

    def check_whole(self, bound: _Bounded, first: int) -> None:
        """Check that a label without a last value begins where its axis does."""
        if first != self.base:
            self.parts.fail(
                f"'{bound.label}' begins inside of its axis, at {first}",
                [bound.column],
                f"write a condition for that: Σ_{bound.label} [{bound.label} ≥ "
                f"{first - self.base}] x_{bound.label}",
            )

    def check_new(self, tree: Over, chain: Chain, own: Sequence[str], new: Sequence[str]) -> None:
        """Refuse a condition that does not tell which of its labels are summed."""
        every = list(dict.fromkeys(own))
        if len(every) < 2 or len(chain.signs) > 1 or not new:
            return
        inside = Counter(labels_in(tree.body))
        stray = [a for a in new if self.counts[a] > inside[a] + (a in tree.labels)]
        is_turned = len(new) == 2 and new != sorted(new)
        if stray or is_turned:
            a = every[-1]
            self.parts.fail(
                f"it is not clear whether '{a}' is summed",
                [chain.column],
                f"write a left-hand side with {a}, f_{a} = .., or Σ_{a} before it, or the sum over "
                f"both with their order, Σ_{{{min(every)}≠{max(every)}}}",
            )

    # Functions without brackets.

    def applied(self, factors: Sequence[tuple[Tree, int]]) -> list[tuple[Tree, int]]:
        """Put brackets around the arguments of functions: ``sin x``, ``sin^2(x)``, ``log 2x``."""
        found: list[tuple[Tree, int]] = []
        k = 0
        while k < len(factors):
            factor, exponent = factors[k]
            name = self.called(factor)
            k += 1
            if not name or k == len(factors):
                found.append((factor, exponent))
                continue
            symbol = factor.base if isinstance(factor, Power) else factor
            assert isinstance(symbol, Symbol)
            stop = k + 1
            if isinstance(factors[k][0], Literal) and stop < len(factors):
                stop += 1
            argument = list(factors[k:stop])
            follows = [f for f, _ in factors[stop : stop + 1]]
            is_clear = isinstance(argument[-1][0], Sum) or all(
                self.called(f) or (isinstance(f, Apply) and is_function(f.name)) for f in follows
            )
            if not is_clear or any(n != 1 for _, n in argument):
                self.parts.fail(
                    f"where the argument of '{name}' ends is not clear",
                    range(symbol.column, symbol.column + len(name)),
                    f"write brackets: {name}(x y), or {name}(x) y",
                )
            call: Tree = Apply(Symbol(name, (), symbol.column), (product(argument),))
            if isinstance(factor, Power):
                call = Power(call, factor.exponent)
            found.append((call, exponent))
            k = stop
        return found

    def called(self, factor: Tree) -> str:
        """Return the function that a factor names, without brackets; "" if it is none."""
        name = _function_name(factor)
        if not name or name in self.parts.ranks or name in self.parts.size_names:
            return ""
        if isinstance(factor, Power) and not (
            isinstance(factor.exponent, Literal)
            and isinstance(factor.exponent.value, int)
            and factor.exponent.value > 0
        ):
            return ""
        return name


def _function_name(factor: Tree) -> str:
    """Return the function of one entry that stands without brackets, also raised: ``sin^2``."""
    symbol = factor.base if isinstance(factor, Power) else factor
    if not isinstance(symbol, Symbol) or symbol.labels or not is_word(symbol.name):
        return ""
    function = lookup(ALIASES.get(symbol.name, symbol.name))
    is_one = symbol.name in POWERS or (function is not None and function.ranks == (0,))
    return symbol.name if is_one else ""
