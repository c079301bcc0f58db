r"""Index notation as people write it: with its left-hand side, and with sizes to be found.

.. math:: \frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q

The left-hand side fixes the order of the axes. Without one, the axes are the labels that stand
once in every term, in alphabetical order. Names that are not known become variables; their sizes
are those that their labels have elsewhere, or else are called m, n, .. in the order of the names.

>>> reading = read("∂f_i/∂A_pq = δ_ip x_q", {}, {})
>>> reading.node.shape, reading.operands["A"].shape
(('m', 'm', 'n'), ('m', 'n'))
>>> reading.name, reading.axes, reading.wrt
('f', ('i',), (('A', ('p', 'q')),))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from einsdiff.algebra.nodes.function_records import parted_names
from einsdiff.algebra.nodes.interning import Node, Shape, Variable, variable
from einsdiff.algebra.nodes.levi_civita import levi_civita
from einsdiff.algebra.nodes.nodes import partial
from einsdiff.algebra.reading.binding import Builder
from einsdiff.algebra.reading.choice import is_function
from einsdiff.algebra.reading.doubts import Doubts
from einsdiff.algebra.reading.epsilons import epsilon_name, epsilons
from einsdiff.algebra.reading.kinds import Part, Total, places
from einsdiff.algebra.reading.parts import PartReader, is_exponential, near_function
from einsdiff.algebra.reading.sums import plain_sums
from einsdiff.notation.hints import INSTEAD
from einsdiff.notation.index_parser import parse_equation
from einsdiff.notation.jobs import run
from einsdiff.notation.letters import first_unused, fresh_letters
from einsdiff.notation.subscripts import SIZES, Size
from einsdiff.notation.trees import (
    Affine,
    Apply,
    Compare,
    Equation,
    Index,
    Over,
    Partial,
    Product,
    Sum,
    Symbol,
    Tree,
    below,
    inverse,
    labels_in,
    letters_of,
    symbols_of,
    walk,
)

#: Steps in which an order of the names is looked for; beyond, they are in order of appearance.
MOST_COMPARED = 1_000_000


class Reading(NamedTuple):
    """What a text says."""

    node: Node
    #: The left-hand side: the name of the function, the letters of its axes, and for each
    #: differentiation the variable's name and the indices of its axes.
    name: str
    axes: tuple[str, ...]
    wrt: tuple[tuple[str, tuple[Index, ...]], ...]
    #: For each name the letters of its axes, as often as they differ, in order of appearance.
    letters: Mapping[str, tuple[tuple[str, ...], ...]]
    #: The node of each name, in order of appearance; those on the left-hand side come last.
    operands: Mapping[str, Node]


def read(
    text: str,
    operands: Mapping[str, Variable | Node | Shape | None],
    sizes: Mapping[str, Size],
    *,
    doubts: bool = True,
) -> Reading:
    """Read an expression in index notation, with or without a left-hand side.

    What is known of the operands is a node, a shape, or None for a name alone; other names in the
    text become variables. `sizes` are those of labels. With `doubts`, what is likely to mean
    something else is refused, see `einsdiff.algebra.reading.doubts`. A text that cannot be read, or
    is not clear about what is summed, is a `SubscriptsError`, two sizes under one label are a
    `ShapeError`.

    >>> read("x_i y_i", {"x": (3,), "y": (3,)}, {}).node.shape
    ()
    >>> read("x_i + y_j", {"x": (3,), "y": (2,)}, {})
    Traceback (most recent call last):
    einsdiff.SubscriptsError: the terms have different labels
    <BLANKLINE>
        x_i + y_j
          ^     ^
        x: (3,)   y: (2,)
    <BLANKLINE>
    write a left-hand side that says which axes there are: f_ij = ..
    """
    return _EquationReader(text, operands, sizes, doubts).reading()


class _EquationReader:
    """Reads one text."""

    def __init__(
        self,
        text: str,
        operands: Mapping[str, Variable | Node | Shape | None],
        sizes: Mapping[str, Size],
        doubts: bool,
    ) -> None:
        self.equation = parse_equation(text, (*operands, *parted_names()))
        self.sizes = sizes
        self.known: dict[str, Node] = {
            name: given if isinstance(given, Node) else variable(name, given)
            for name, given in operands.items()
            if given is not None
        }
        shapes = {name: node.shape for name, node in self.known.items()}
        given = (size for shape in shapes.values() for size in shape)
        self.ranges = _ranges(self.equation.left)
        self.parts = _NotedParts(
            {name: len(shapes[name]) if name in shapes else None for name in operands},
            shapes,
            text,
            frozenset(size for size in (*given, *sizes.values()) if isinstance(size, str)),
            frozenset(labels_in(self.equation)),
        )
        self.equation = plain_sums(self.equation, self.parts, shapes, sizes)
        self.parts.labels = frozenset(labels_in(self.equation))
        self.parts.size_names |= {
            size for size in _written_sizes(self.equation) if size not in operands
        }
        self.builder = Builder(self.parts, self.known)
        permuted = epsilons(self.equation, operands, self.parts.fail)
        self.parts.epsilons = frozenset(symbol.name for symbol in permuted)
        self.builder.names.update(
            {epsilon_name(n): levi_civita(n) for n in {len(symbol.labels) for symbol in permuted}}
        )
        self.parts.builder = self.builder
        self.names: list[str] = []
        #: For each name the letters of its axes, and what its derivatives are taken by.
        self.letters: dict[str, list[tuple[str, ...]]] = {}
        self.of: dict[str, list[str]] = {}
        self.find_names()
        if doubts:
            Doubts(
                {*operands, *self.parts.size_names, *self.parts.epsilons},
                {*shapes, *self.parts.size_names},
                self.parts.labels or (),
                self.bound_labels(),
                self.parts.fail,
                self.is_of_indices,
                self.parts.is_product,
            ).check(self.equation.right)
        self.left = self.heading()

    def reading(self) -> Reading:
        builder = self.builder
        for name in self.names:
            rank = self.parts.ranks[name]
            if name not in self.known and rank is not None:
                builder.axes[name] = tuple(builder.new() for _ in range(rank))
        root = run(self.parts.whole(self.equation.right))
        letters = self.free(root) if self.left is None else _left_letters(self.left)
        env = {letter: builder.new(letter) for letter in letters}
        for letter in letters:
            if letter in self.sizes:
                builder.give(env[letter], self.sizes[letter])
            if letter in self.ranges:
                size, column = self.ranges[letter]
                builder.give(env[letter], size, "the left-hand side", column)
        builder.slices = _shifted(self.equation.right)
        builder.ranged = {env[letter] for letter in letters if letter in self.ranges}
        builder.cut = {
            env[letter]
            for letter in letters
            if letter in self.sizes and letter in {label for _, _, label in builder.slices}
        }
        run(builder.bind(root, env))
        if isinstance(self.equation.left, Partial):
            for symbol in self.equation.left.wrt:
                builder.reference(symbol, env)
        builder.settle(self.sizes)
        self.name_sizes(root, env)
        self.make_variables()
        node = builder.finish(root, [env[letter] for letter in letters])
        name, axes, wrt = self.name_and_axes(letters)
        return Reading(
            node,
            name,
            axes,
            wrt,
            {name: tuple(self.letters[name]) for name in self.names},
            {name: builder.names[name] for name in self.names},
        )

    # Names.

    def find_names(self) -> None:
        """List the operands, and count the axes of those that are not known."""
        parts, right = self.parts, self.equation.right
        parts.has_e = self.find_e()
        calls = [tree for tree in walk(right, into=below) if isinstance(tree, Apply)]
        heads = {tree.name for tree in calls if not _is_factor(tree)}
        for tree in walk(right, into=lambda part: [] if isinstance(part, Compare) else below(part)):
            name = tree.name if isinstance(tree, Symbol) else "δ"
            if isinstance(tree, Apply) and _is_factor(tree):
                name = tree.name
            symbol = tree.symbol if isinstance(tree, Apply) else tree
            is_number = isinstance(symbol, Symbol) and self.is_number(symbol)
            known = ("δ", *heads, *parts.size_names, *parts.epsilons)
            if name not in known and not is_number:
                parts.ranks.setdefault(name, None)
        labels: set[int] = set()
        for tree in walk(right, into=below):
            if parts.has_e and is_exponential(tree):
                labels.add(id(tree.base))
            if isinstance(tree, Compare) and self.is_of_indices(tree):
                labels.update(id(part) for side in below(tree) for part in walk(side, into=below))
            elif id(tree) in labels:
                continue
            elif isinstance(tree, Symbol):
                self.note(tree)
            elif isinstance(tree, Apply) and parts.is_product(tree):
                self.note(tree.symbol)
            elif isinstance(tree, Partial):
                self.note(tree.base)
                of = self.of.setdefault(tree.base.name, [])
                for symbol in tree.wrt:
                    self.note(symbol, is_spoken=False)
                    if symbol.name not in of:
                        of.append(symbol.name)
        self.names = _printed_order(right, self.names)
        if isinstance(self.equation.left, Partial):
            for symbol in self.equation.left.wrt:
                self.note(symbol, is_spoken=False)

    def find_e(self) -> bool:
        """Tell whether e is Euler's number, since it stands only below exponents."""
        if "e" in self.parts.ranks:
            return False
        parts = list(walk(self.equation.right, into=below))
        bases = {id(part.base) for part in parts if is_exponential(part)}
        others = [
            symbol
            for part in parts
            for symbol in symbols_of(part)
            if symbol.name == "e" and id(symbol) not in bases
        ]
        if bases and others:
            self.parts.fail(
                "'e' is the base of a power and stands elsewhere",
                [symbol.column for symbol in others],
                "write exp(x) for powers of Euler's number; if e is an operand, give it: e=''",
            )
        return bool(bases)

    def is_of_indices(self, tree: Compare) -> bool:
        """Tell whether a comparison is one of indices."""
        return None not in map(self.parts.index, (tree.left, tree.right))

    def bound_labels(self) -> dict[str, bool]:
        """List the labels on the left, and those of sums, of which it is true."""
        found = (
            dict.fromkeys(_left_letters(self.equation.left), False) if self.equation.left else {}
        )
        for part in walk(self.equation.right, into=below):
            if isinstance(part, Over):
                found |= dict.fromkeys(part.labels, True)
        return found

    def is_number(self, symbol: Symbol) -> bool:
        """Tell whether a name is a label that stands as a number, ``i x_i``."""
        is_label = not symbol.labels and symbol.name in (self.parts.labels or ())
        return is_label and symbol.name not in self.parts.ranks

    def note(self, symbol: Symbol, is_spoken: bool = True) -> None:
        """Note that a name occurs, and its letters if they are to be those of its axes."""
        ranks, name = self.parts.ranks, symbol.name
        is_size = name in self.parts.size_names and name not in ranks and not symbol.labels
        if name == "δ" or name in self.parts.epsilons or is_size or self.is_number(symbol):
            return
        if name not in self.letters:
            self.names.append(name)
            self.letters[name] = []
        if ranks.get(name) is None:
            ranks[name] = len(symbol.labels) or None
        plain = tuple(label for label in symbol.labels if isinstance(label, str))
        is_plain = bool(plain) and len(plain) == len(symbol.labels)
        if is_plain and is_spoken and plain not in self.letters[name]:
            self.letters[name].append(plain)

    # The left-hand side.

    def heading(self) -> Symbol | Partial | None:
        """Return the left-hand side, which of a variable alone is the variable itself."""
        left, right = self.equation.left, self.equation.right
        if left is None:
            if not isinstance(right, Partial) and not (
                isinstance(right, Symbol) and right.name in self.letters
            ):
                return None
            labels = [label for symbol in symbols_of(right) for label in symbol.labels]
            is_plain = len(set(labels)) == len(labels) == len(_letters(right))
            return right if is_plain else None
        seen: set[str] = set()
        base, *_ = symbols_of(left)
        for symbol in symbols_of(left):
            for index, column in zip(symbol.labels, symbol.columns, strict=True):
                if not isinstance(index, str) and (symbol is base or not _is_run(index)):
                    self.parts.fail(
                        "there is a number or a sum among the labels of the left-hand side",
                        [column],
                        "write one letter for each axis: f_ij = .."
                        if symbol is base
                        else "write a letter, a number, or a run of entries: ∂f/∂x_{p+1<3} = ..",
                    )
                label = next(iter(letters_of([index])), None)
                if label is None:
                    continue
                if label in seen:
                    self.parts.fail(
                        f"'{label}' stands twice on the left-hand side",
                        [column],
                        "write another letter, and a delta on the right: f_ij = δ_ij x_i",
                    )
                seen.add(label)
        return left

    def name_and_axes(
        self, letters: list[str]
    ) -> tuple[str, tuple[str, ...], tuple[tuple[str, tuple[Index, ...]], ...]]:
        if self.left is None:
            return first_unused("fghuvwFGH", set(self.names)), tuple(letters), ()
        base, *by = symbols_of(self.left)
        rest = iter(letters)
        axes = tuple(next(rest) for _ in base.labels)
        return base.name, axes, tuple((z.name, z.labels) for z in by)

    def free(self, root: Part) -> list[str]:
        """List the labels that stand once in every term that has labels, in alphabetical order."""
        terms = [term for _, term in root.terms] if isinstance(root, Total) else [root]
        own = [[letter for letter, n in term.counts.items() if n == 1] for term in terms]
        first = next((k for k, letters in enumerate(own) if letters), 0)
        found = sorted(own[first])
        for k, term in enumerate(terms):
            odd = sorted(set(own[k]) ^ set(found)) if own[k] else []
            if odd:
                columns = [[*places(terms[j], a)][:1] for j in (first, k) for a in odd]
                every = "".join(sorted({*own[k], *found}))
                self.parts.fail(
                    "the terms have different labels",
                    [column for one in columns for column in one],
                    f"write a left-hand side that says which axes there are: f_{every} = ..",
                )
            for letter in found:
                if term.counts.get(letter, 1) != 1:
                    self.parts.fail(
                        f"'{letter}' is an axis of one term, and summed in another",
                        [*[*places(terms[first], letter)][:1], *places(term, letter)],
                        f"write a left-hand side, f_{''.join(found)} = .., "
                        "or another letter where it is summed",
                    )
        return found

    # Sizes and variables.

    def name_sizes(self, root: Part, env: Mapping[str, int]) -> None:
        """Give names to the sizes that nobody said, or say that they are needed."""
        builder = self.builder
        used = {size for size, _, _ in builder.size.values() if isinstance(size, str)}
        fresh = fresh_letters(used, SIZES)
        for name in sorted(builder.axes):
            for axis in builder.axes[name]:
                if not builder.is_sized(axis):
                    builder.give(axis, next(fresh), name)
        builder.settle({})
        # Derivatives are written as on paper: ∂f_i/∂t = 2 δ_{i,0} t + δ_{i,1} has two entries.
        if isinstance(self.left, Partial):
            for index in env.values():
                if not builder.is_sized(index) and (count := builder.counted(index)):
                    builder.give(index, count)
        # The right-hand side of ∂f_i/∂A_pq = 0 has no label with which one could be mistaken.
        is_free = isinstance(self.left, Partial) and not root.counts
        for letter, index in env.items():
            if letter not in root.counts and not builder.is_sized(index) and not is_free:
                columns = [
                    column
                    for symbol in symbols_of(self.left)
                    for label, column in zip(symbol.labels, symbol.columns, strict=True)
                    if label == letter
                ]
                self.parts.fail(
                    f"'{letter}' stands on the left only, so that its size is not known",
                    columns,
                    f"give its size, as in {letter}=3, or leave it out",
                )
        needed = [(n, column) for tie, _, _, column in builder.ties for _, n in tie.terms]
        related = [(n, column) for n, column in builder.related.items() if n in env.values()]
        for index, column in (*needed, *builder.idle.items(), *related):
            if not builder.is_sized(index):
                letter = builder.letters[index]
                self.parts.fail(
                    f"the size of '{letter}' is not known",
                    [column],
                    f"give it, as in {letter}=3, or write the range of a sum: Σ_{{{letter}<3}}",
                )
        for index in range(len(builder.parent)):
            if not builder.is_sized(index):
                builder.give(index, next(fresh))

    def make_variables(self) -> None:
        """Make the variables that are not known, those first that others are functions of."""
        names = self.builder.names
        waiting = [name for name in self.names if name not in self.known]
        while waiting:
            name = next(
                (n for n in waiting if not set(self.of.get(n, ())).intersection(waiting)), ""
            )
            if not name:
                self.parts.fail(
                    f"'{waiting[0]}' is a function of itself",
                    (),
                    "write derivatives by other variables",
                )
            axes = self.builder.axes.get(name, ())
            shape = [self.builder.size_of(axis) for axis in axes]
            of = [self.variable(z) for z in sorted(self.of.get(name, ()))]
            names[name] = variable(name, shape, of=of)
            waiting.remove(name)
        for key, (tree, by) in self.parts.partials.items():
            base = node = self.variable(tree.base.name)
            base = base.derivative[0] if base.derivative is not None else base
            for z in by:
                at = self.variable(z)
                if at not in base.of:
                    self.parts.fail(
                        f"'{base}' is not declared to be a function of '{z}'",
                        [tree.column],
                        f"declare it: ed.tensor('{base}', .., of={z})",
                    )
                found = partial(node, at)  # its axes are in order, since the names are sorted
                assert isinstance(found, Variable)
                node = found
            names[key] = node

    def variable(self, name: str) -> Variable:
        """Return the variable of a name."""
        node = self.builder.names.get(name)
        if node is None:
            self.parts.fail(
                f"'{name}' is a label, and no operand to differentiate by",
                (),
                "write another letter for the label, or for the operand",
            )
        if not isinstance(node, Variable):
            self.parts.fail(
                f"'{name}' is an expression, so that its derivative is no symbol",
                (),
                "differentiate the whole, or give the variables themselves",
            )
        return node


class _NotedParts(PartReader):
    """A reader of parts that knows derivatives which are symbols."""

    builder: Builder

    def __init__(
        self,
        ranks: Mapping[str, int | None],
        shapes: Mapping[str, Shape],
        text: str,
        size_names: frozenset[str],
        labels: frozenset[str],
    ) -> None:
        super().__init__(ranks, shapes, text, size_names, labels)
        #: By the name of the symbol the derivative, and the names of what it is taken by, sorted.
        self.partials: dict[str, tuple[Partial, tuple[str, ...]]] = {}

    def derivative(self, tree: Partial) -> Symbol:
        """Make an operand of a derivative; its axes are those of its parts."""
        by = sorted(tree.wrt, key=lambda symbol: symbol.name)
        every = (tree.base, *by)
        name = f"∂{tree.base.name}/" + "".join(f"∂{symbol.name}" for symbol in by)
        for symbol in every:
            self.symbol(symbol)  # checks the number of its labels
        if name not in self.partials:
            self.partials[name] = tree, tuple(symbol.name for symbol in by)
            self.ranks[name] = sum(len(symbol.labels) for symbol in every)
            self.builder.axes[name] = tuple(axis for s in every for axis in self.axes_of(s))
        return Symbol(
            name,
            tuple(label for symbol in every for label in symbol.labels),
            tree.column,
            tuple(column for symbol in every for column in symbol.columns),
        )

    def axes_of(self, symbol: Symbol) -> tuple[int, ...]:
        """Return an index for each axis of an operand."""
        builder, name = self.builder, symbol.name
        if name in builder.axes:
            return builder.axes[name]
        axes = tuple(builder.new() for _ in symbol.labels)
        if name in builder.names:
            for axis, size in zip(axes, builder.names[name].shape, strict=True):
                builder.give(axis, size, name)
        else:
            builder.axes[name] = axes
        return axes


# --- what stands where ------------------------------------------------------------------------


def _letters(left: Symbol | Partial) -> list[str]:
    """List the labels of a left-hand side that are letters."""
    return [label for s in symbols_of(left) for label in s.labels if isinstance(label, str)]


def _left_letters(left: Symbol | Partial) -> list[str]:
    """List the letters of a left-hand side, one for each axis."""
    return [letter for s in symbols_of(left) for letter in letters_of(s.labels)]


def _is_run(index: Affine) -> bool:
    """Tell whether an index is a number or a run of entries, such as ``2p+1``."""
    if index.offset < 0 or len(index.terms) > 1 or index.modulus is not None:
        return False
    return all(c > 0 for c, _ in index.terms)


def _ranges(left: Symbol | Partial | None) -> dict[str, tuple[Size, int]]:
    """Return the range of each label of a left-hand side that has one, and where it stands."""
    found: dict[str, tuple[Size, int]] = {}
    for symbol in symbols_of(left):
        for index, size, column in zip(symbol.labels, symbol.sizes, symbol.columns, strict=False):
            if size is None:
                continue
            if isinstance(index, str):
                found[index] = size, column
            elif isinstance(size, int) and index.terms and _is_run(index):
                ((c, label),) = index.terms
                found[label] = max(0, -((index.offset - size) // c)), column
    return found


def _written_sizes(equation: Equation) -> Iterator[str]:
    """Yield the names of sizes that stand in a text, which are not labels in it."""
    labels = set(labels_in(equation))
    found: list[Size | None] = [size for size, _ in _ranges(equation.left).values()]
    for part in walk(equation.right, into=below):
        if isinstance(part, Over):
            found += part.sizes
        elif isinstance(part, Apply):
            found += [size for core in part.cores or () for _, size in core]
    yield from (size for size in found if isinstance(size, str) and size not in labels)


def _shifted(tree: Tree) -> frozenset[tuple[str, int, str]]:
    """List the axes of operands at which a label stands in a sum: the name, the axis, the label."""
    return frozenset(
        (part.name, axis, label)
        for part in walk(tree, into=below)
        if isinstance(part, Symbol)
        for axis, index in enumerate(part.labels)
        if isinstance(index, Affine)
        for _, label in index.terms
    )


def _is_factor(tree: Apply) -> bool:
    """Tell whether an unknown name before a bracket is a factor.

    It is one in ``m (x_i x_i - 1)``, where the bracket stands apart; ``f (x)`` could be either.
    """
    name = tree.name
    if is_function(name) or name in INSTEAD or len(tree.arguments) > 1 or tree.cores is not None:
        return False
    if tree.labels is not None:
        return inverse(tree.arguments, ()) is not None
    is_alone = isinstance(tree.arguments[0], Symbol)
    return tree.is_apart and not is_alone and not near_function(name)


def _printed_order(tree: Tree, names: Sequence[str]) -> list[str]:
    """Order names so that the terms and factors of a text are in their order.

    What is printed is sorted by the places of the names, so that a text that is read keeps its
    order when it is printed again. Of ``b / (a + b)`` the names are a and b.
    """
    order = list(names)
    inside: dict[int, frozenset[str]] = {}
    rows: list[list[frozenset[str]]] = []
    for part in reversed(list(walk(tree, into=below))):
        within = [inside[id(child)] for child in below(part)]
        own = {part.name} if isinstance(part, Symbol | Apply) else set()
        if isinstance(part, Partial):
            own = {part.base.name}
        inside[id(part)] = frozenset(own.intersection(order)).union(*within)
        if isinstance(part, Sum):
            rows.append(within)
        elif isinstance(part, Product):
            for sign in (1, -1):
                exponents = [exponent for _, exponent in part.factors]
                rows.append([b for b, e in zip(within, exponents, strict=True) if e == sign])
    pairs = [pair for row in rows for pair in pairwise(filter(None, row))]
    cost = len(pairs) * len(order) + 1
    for _ in range(min(len(order) + 1, MOST_COMPARED // cost)):
        before = list(order)
        for one, other in pairs:
            a, b = (min(group, key=order.index) for group in (one, other))
            if order.index(a) > order.index(b):
                order.remove(a)
                order.insert(order.index(b), a)
        if order == before:
            return order
    return list(names)  # as in ``x_i A_ij x_j``, where no order suits all
