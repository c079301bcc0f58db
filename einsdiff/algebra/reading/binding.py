r"""From a tree of index notation to an expression.

A label that is not wanted outside of a term is summed in it: in

.. math:: f_i = A_{ij} x_j + b_i ,

``j`` stands twice in the first term and not on the left, so it is summed there. Each term, bracket
and function is a scope: the ``j`` of another term is another index, which may have another size.
What is counted where is said in `einsdiff.notation.trees.in_product`.

Parts are made of the tree (`einsdiff.algebra.reading.parts`), every letter is bound to an index of
its scope, sizes are found, and nodes are built.

>>> A, x = variable("A", (2, 3)), variable("x", (3,))
>>> build(parse_index("A_ij x_j"), {"A": A, "x": x}, "i") is einsum(
...     [A, x], ["ij", "j"], "i"
... )
True
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from einsdiff.algebra.functions.of_axes import POSITION
from einsdiff.algebra.nodes.factors import Slot, multiplied, size_factor
from einsdiff.algebra.nodes.interning import Node, constant, delta
from einsdiff.algebra.nodes.nodes import add, call, einsum, related
from einsdiff.algebra.nodes.relations import bounds
from einsdiff.algebra.reading.choice import Argument, choose
from einsdiff.algebra.reading.epsilons import symbol_sizes
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
    Tie,
    Total,
    places,
)
from einsdiff.algebra.reading.parts import PartReader
from einsdiff.errors import ShapeError
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.subscripts import Size
from einsdiff.notation.trees import Affine, Index, Symbol, Tree, count_of


def build(
    tree: Tree,
    names: Mapping[str, Node],
    output: Sequence[str],
    *,
    sizes: Mapping[str, Size] | None = None,
    batch: Sequence[str] | None = None,
) -> Node:
    """Build the expression that a tree of index notation describes, with axes for `output`.

    Sizes are those of labels that no name carries. `batch` are labels of axes that every named
    tensor with further axes has before its labelled ones; where they are left out, the labels of
    functions' values tell which axes are batch axes. A name, a function or a label that does not
    fit is a `SubscriptsError`, two sizes under one label are a `ShapeError`.
    """
    ranks = {name: len(node.shape) for name, node in names.items()}
    builder = Builder(PartReader(ranks, batch=None if batch is None else tuple(batch)), names)
    root = run(builder.parts.whole(tree))
    env = {label: builder.new(label) for label in output}
    for label, size in (sizes or {}).items():
        if label in env:
            builder.give(env[label], size)
    run(builder.bind(root, env))
    builder.settle(sizes or {})
    return builder.finish(root, [env[label] for label in output])


class Builder:
    """Binds letters to indices, finds their sizes, and builds nodes.

    An index is a number. Indices of one size are united, so that what is said of one of them is
    said of all. The nodes of operands that are not known at first are added before `finish`.
    """

    def __init__(self, parts: PartReader, names: Mapping[str, Node]) -> None:
        self.parts = parts
        self.names = dict(names)
        #: For operands whose shapes are not known, an index for each axis.
        self.axes: dict[str, tuple[int, ...]] = {}
        self.letters: list[str] = []
        self.parent: list[int] = []
        #: For the root of each index its size, and who said so: the operand and the column.
        self.size: dict[int, tuple[Size, str, int | None]] = {}
        #: Axes whose index is a sum: what it is, the axis, the operand and the column.
        self.ties: list[tuple[Tie, int, str, int]] = []
        #: Indices that are summed and stand nowhere, and the column of their sign.
        self.idle: dict[int, int] = {}
        #: Indices in relations, which do not say how far they run, and the column of one of these.
        self.related: dict[int, int] = {}
        #: The relations, δ_{i,0} and δ_{i,2j+k} and [i ≥ j].
        self.relations: list[Tie] = []
        #: What is said of labels at the signs of sums.
        self.conditions: list[Tie] = []
        #: Indices that are summed.
        self.summed: set[int] = set()
        #: Indices that run equally far if nothing else is known, and the column of one.
        self.alike: list[tuple[int, int, int]] = []
        #: Indices whose range is written, Σ_{i<4}: where an axis is longer, they take a part of it.
        self.ranged: set[int] = set()
        #: Indices whose range was given beside the text; they do so if the text has an i+1, too.
        self.cut: set[int] = set()
        #: Where a label stands in a sum: the operand, the axis, and the label.
        self.slices: Collection[tuple[str, int, str]] = ()

    # Indices and their sizes.

    def new(self, letter: str = "") -> int:
        """Make an index."""
        self.parent.append(len(self.parent))
        self.letters.append(letter)
        return len(self.parent) - 1

    def find(self, index: int) -> int:
        """Return the root of an index, which is the same for united ones."""
        parent = self.parent
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def is_sized(self, index: int) -> bool:
        """Tell whether the size of an index is known."""
        return self.find(index) in self.size

    def size_of(self, index: int) -> Size:
        """Return the size of an index."""
        return self.size[self.find(index)][0]

    def give(self, index: int, size: Size, by: str = "", column: int | None = None) -> None:
        """Note that an index has a size."""
        known = self.size.setdefault(self.find(index), (size, by, column))
        if known[0] != size:
            self.sizes_differ(self.letters[index], known, (size, by, column))

    def unite(self, a: int, b: int, column: int | None = None) -> None:
        """Note that two indices have one size."""
        first, second = self.find(a), self.find(b)
        if first == second:
            return
        self.parent[second] = first
        other = self.size.pop(second, None)
        if other is not None:
            known = self.size.setdefault(first, other)
            if known[0] != other[0]:
                size, by, place = other
                place = column if place is None else place
                self.sizes_differ(self.letters[b] or self.letters[a], known, (size, by, place))

    def sizes_differ(
        self, letter: str, first: tuple[Size, str, int | None], second: tuple[Size, str, int | None]
    ) -> NoReturn:
        """Say that an index has two sizes."""
        what = f"label '{letter}'" if letter else "an axis"
        said = [f"{size} in {by}" if by else f"{size} as given" for size, by, _ in (first, second)]
        self.parts.fail(
            f"{what} has size {said[0]} but {said[1]}",
            [column for _, _, column in (first, second) if column is not None],
            symbol_sizes(first, second)
            or "give one of the two axes another label, or pass arrays of equal sizes",
            ShapeError,
        )

    # Binding.

    def bind(self, part: Part, env: Mapping[str, int]) -> Job[None]:
        """Give an index to each letter of a part, and note what is known of its size.

        The indices of the letters that are wanted outside are those in `env`.
        """
        if isinstance(part, TermPart):
            inner = self.scope(part, env)
            for factor, _ in part.factors:
                yield self.bind(factor, inner)
        elif isinstance(part, Total):
            for _, term in part.terms:
                yield self.bind(term, env)
        elif isinstance(part, Named):
            part.axes, part.ties = self.indexed(part.indices, part.columns, env, part.name)
            self.fit(part)
        elif isinstance(part, Equal):
            a, b = part.axes = tuple(env[letter] for letter in part.letters)
            self.unite(a, b, part.columns[-1] if part.columns else None)
        elif isinstance(part, SizePart):
            self.check_size(part, env)
        elif isinstance(part, Position):
            if part.letter not in env:
                self.no_position(part)
            part.axis = env[part.letter]
            self.related.setdefault(part.axis, part.column)
        elif isinstance(part, Related):
            terms = [(c, env[letter]) for c, letter in part.index.terms]
            part.tie = Tie(terms, part.index.offset, part.is_equation)
            self.related.update((index, part.column) for _, index in terms)
            self.relations.append(part.tie)
            if part.is_condition:
                self.conditions.append(part.tie)
                if len(terms) == 2:
                    self.alike.append((terms[0][1], terms[1][1], part.column))
        elif isinstance(part, Applied) and part.function is not None:
            for arg in part.args:
                yield self.bind(arg, env)
        elif isinstance(part, Applied):
            yield self.bind_call(part, env)

    def scope(self, term: TermPart, env: Mapping[str, int]) -> Mapping[str, int]:
        """Make indices for the letters that are summed in a term."""
        inner = dict(env)
        summed = []
        for letter, size in zip(term.over, term.ranges, strict=True):
            inner[letter] = index = self.new(letter)
            summed.append(index)
            if size is not None:
                self.give(index, size, f"Σ_{letter}")
                self.ranged.add(index)
            elif letter in term.idle:
                self.idle[index] = term.column
        for letter, n in term.counts.items():
            if n and letter not in inner:
                if n == 1:
                    self.stands_once(term, letter)
                inner[letter] = self.new(letter)
                summed.append(inner[letter])
        term.summed = tuple(summed)
        self.summed.update(summed)
        return inner

    def stands_once(self, part: Part, letter: str) -> NoReturn:
        """Say that it is not clear whether a label is summed."""
        self.parts.fail(
            f"'{letter}' stands once and is not on the left-hand side",
            list(places(part, letter))[:1],
            f"write Σ_{letter} to sum over it, or {letter} on the left-hand side",
        )

    def check_size(self, part: SizePart, env: Mapping[str, int]) -> None:
        """Refuse the name of a size where it is also a label that is summed."""
        if env.get(part.name, -1) in self.summed:
            self.parts.fail(
                f"'{part.name}' is the name of a size, and a label",
                (),
                "write another letter for the label",
            )

    def no_position(self, part: Position) -> NoReturn:
        """Say that it is not known what a label that is a number counts."""
        self.parts.fail(
            f"'{part.letter}' is a number here, and no index of this term",
            [part.column],
            f"write Σ_{part.letter} to sum over it, or {part.letter} on the left-hand side; if it "
            f"is a scalar, give it as an operand: {part.letter}=''",
        )

    def indexed(
        self, indices: Sequence[Index], columns: Sequence[int], env: Mapping[str, int], name: str
    ) -> tuple[tuple[int, ...], tuple[Tie, ...]]:
        """Give an index to each axis; that of a sum is new, and tied to it."""
        axes, ties = [], []
        for k, index in enumerate(indices):
            if isinstance(index, str):
                if not self.is_slice(name, k, env[index]):
                    axes.append(env[index])
                    continue
                index = Affine(((1, index),))
            axis = self.new()
            terms = [(c, env[letter]) for c, letter in index.terms]
            column = columns[k] if k < len(columns) else 0
            self.ties.append((Tie(terms, index.offset, True, index.modulus), axis, name, column))
            ties.append(Tie([*terms, (-1, axis)], index.offset, True, index.modulus))
            axes.append(axis)
        return tuple(axes), tuple(ties)

    def is_slice(self, name: str, axis: int, index: int) -> bool:
        """Tell whether an index runs over a part of an axis of an operand only."""
        is_written = index in self.ranged
        if not (is_written or index in self.cut):
            return False
        size = self.size_of(index)
        is_shifted = is_written and any(place[:2] == (name, axis) for place in self.slices)
        if name not in self.names:
            return is_shifted
        shape = self.names[name].shape
        whole = shape[axis] if axis < len(shape) else size
        if isinstance(whole, int) and isinstance(size, int):
            return size < whole
        return is_shifted and whole != size

    def reference(self, symbol: Symbol, env: Mapping[str, int]) -> None:
        """Note the sizes of an operand that is only mentioned, with its labels."""
        run(self.bind(self.parts.symbol(replace(symbol, sizes=())), env))

    def fit(self, part: Named) -> None:
        """Note the sizes of an operand's axes."""
        known = self.axes.get(part.name)
        for k, axis in enumerate(part.axes):
            column = part.columns[k] if k < len(part.columns) else part.column
            if known is None:
                self.give(axis, self.names[part.name].shape[k], part.name, column)
            else:
                self.unite(known[k], axis, column)

    def bind_call(self, part: Applied, env: Mapping[str, int]) -> Job[None]:
        """Choose the function, and tell batch axes from those that it acts on."""
        arguments = self.parts.described(part.args)
        given, labels, count = part.given, part.labels, part.count
        if given is not None:
            acted = [tuple(letter for letter, _ in core) for core in given]
            arguments = [
                Argument(-1, own, argument.letters.difference(own), True)
                for argument, own in zip(arguments, acted, strict=True)
            ]
        if labels is None:  # what is wanted outside is batch, if the value has no axes of its own
            inside = {letter for own in arguments if own.is_given for letter in own.free}
            seen = dict.fromkeys(letter for arg in part.args for letter in arg.counts)
            labels = tuple(letter for letter in seen if letter in env and letter not in inside)
            count = len(labels)
        chosen = choose(part.name, arguments, labels, count)
        if chosen is None:
            self.parts.no_choice(part, arguments, labels)
        part.function, count = chosen.function, chosen.batch
        part.value, part.ties = self.indexed(labels, part.columns, env, part.name)
        part.batch = part.value[:count]
        if len(set(part.batch)) < count:  # a diagonal of batches is taken of the value
            part.batch = tuple(self.new(self.letters[index]) for index in part.batch)
            for ours, theirs in zip(part.batch, part.value, strict=False):
                self.unite(theirs, ours)
        outer = {
            label: index
            for label, index in zip(labels, part.batch, strict=False)
            if isinstance(label, str)
        }
        dims: dict[str, int] = {}
        cores = []
        inputs = zip(arguments, chosen.batched, chosen.function.cores[0], strict=True)
        for k, (argument, has_batch, names) in enumerate(inputs):
            arg = part.args[k]
            if argument.rank != -1:
                assert isinstance(arg, Named)
                core = tuple(self.new() for _ in names)
                arg.axes = (*(part.batch if has_batch else ()), *core)
                self.bind_bare(arg)
            else:
                sizes = given[k] if given is not None else ()
                inner = {
                    letter: self.new(letter)
                    for letter in argument.free
                    if argument.is_given or letter not in outer
                }
                core = tuple(inner.values())
                for letter, size in sizes:
                    if size is not None:
                        self.give(inner[letter], size, f"{part.name}_{letter}")
                        self.ranged.add(inner[letter])
                for letter, n in arg.counts.items():
                    if n == 1 and letter not in inner and letter not in outer:
                        self.stands_once(arg, letter)
                yield self.bind(arg, {**outer, **inner})
            cores.append(core)
            for name, index in zip(names, core, strict=True):
                self.unite(dims.setdefault(name, index), index, part.column)
        part.cores = tuple(cores)
        for name, index in zip(chosen.function.cores[1], part.value[count:], strict=True):
            self.unite(dims.setdefault(name, index), index, part.column)

    def bind_bare(self, arg: Named) -> None:
        """Note the sizes of an operand that is given to a function without labels."""
        ranks = self.parts.ranks
        if ranks[arg.name] is None:
            ranks[arg.name] = len(arg.axes)
            self.axes[arg.name] = tuple(self.new() for _ in arg.axes)
        if ranks[arg.name] != len(arg.axes):
            self.parts.fail(
                f"'{arg.name}' has another number of axes elsewhere",
                [arg.column],
                "write its labels",
            )
        self.fit(arg)

    # Sizes.

    def counted(self, index: int) -> int | None:
        """Tell how far an index runs if all numbers that it can be equal to are written."""
        numbers = []
        for tie in self.relations:
            own = [c for c, n in tie.terms if n == index]
            rest = [(c, self.size.get(self.find(n), ("",))[0]) for c, n in tie.terms if n != index]
            if not own:
                continue
            if not tie.is_equation or own not in ([1], [-1]):
                return None
            first = last = -own[0] * tie.offset
            for c, size in rest:
                if not isinstance(size, int) or own[0] * c > 0:
                    return None
                last += abs(c) * (size - 1)
            numbers.append(range(first, last + 1))
        return count_of(numbers)

    def settle(self, soft: Mapping[str, Size]) -> None:
        """Find the sizes that no operand says, and check the indices that are sums.

        Letters have the sizes in `soft` where nothing else is known.
        """
        for index, letter in enumerate(self.letters):
            if letter in soft and not self.is_sized(index):
                self.give(index, soft[letter])
        for a, b, column in self.alike:
            if self.is_sized(a) != self.is_sized(b):
                self.unite(a, b, column)
        for tie, axis, _, column in self.ties:
            unknown = [n for _, n in tie.terms if not self.is_sized(n)]
            if len(unknown) == 1 and self.is_sized(axis) and tie.modulus is None:
                self.widen(unknown[0])
            elif tie.modulus is not None and self.is_sized(axis):
                for index in unknown:
                    self.unite(axis, index, column)
        for tie, axis, name, column in self.ties:
            size = self.size_of(axis) if self.is_sized(axis) else ""
            if tie.modulus is not None:
                self.check_remainder(tie, size, name, column)
                continue
            self.check_shift(tie, size, name, column)
            reach = self.reach(tie.terms, tie.offset)
            if reach is not None and reach[0] <= reach[1]:
                self.check_reach(tie, reach, size, name, column)

    def check_reach(
        self, tie: Tie, reach: tuple[float, float], size: Size, name: str, column: int
    ) -> None:
        """Refuse an index whose values, which are known, are not all inside of its axis."""
        low, high = reach
        if low < 0 and self.is_kept(tie):
            low = 0
        if low >= 0 and not (isinstance(size, int) and high >= size):
            return
        last = f"{size - 1}" if isinstance(size, int) else "the last one"
        letters = [self.letters[n] for _, n in tie.terms]
        self.parts.fail(
            f"an index of {name} is {low if low == high else f'{low} to {high}'}, "
            f"outside of 0 to {last}",
            [column],
            self.stay_inside(tie, letters, low)
            if letters
            else f"indices count from 0, so that the last one is {last}"
            if isinstance(size, int)
            else "indices count from 0",
        )

    def is_kept(self, tie: Tie) -> bool:
        """Tell whether a condition keeps an index from being negative, ``Σ_{k≤i} h_k x_{i-k}``."""
        terms = sorted(tie.terms)
        return any(
            sorted(other.terms) == terms and other.offset <= tie.offset for other in self.conditions
        )

    def check_remainder(self, tie: Tie, size: Size, name: str, column: int) -> None:
        """Refuse a remainder that leaves its axis, or whose deltas cannot be counted."""
        modulus = size if isinstance(tie.modulus, str) else tie.modulus
        if not isinstance(size, int) or self.reach(tie.terms, tie.offset) is None:
            if size:
                self.parts.fail(
                    f"an index of {name} is a remainder, and sizes are names",
                    [column],
                    "give sizes as numbers or arrays: how often it wraps depends on them",
                )
            return
        if modulus != size:
            self.parts.fail(
                f"an index of {name} is a remainder by {modulus}, and the axis has size {size}",
                [column],
                f"write the size of the axis, {size}, or its name",
                ShapeError,
            )

    def stay_inside(self, tie: Tie, letters: Sequence[str], low: float) -> str:
        """Say how to write an index that leaves its axis."""
        letter = letters[0]
        if low < 0 and len(letters) > 1:
            sums = "+".join(name for (c, _), name in zip(tie.terms, letters, strict=True) if c < 0)
            return (
                f"all labels count from 0: write the index so that it does, as in "
                f"x_{{{letter}-{sums}+2}}, or leave out what is outside with a delta: "
                f"δ_{{{sums}+j,{letter}}} x_j"
            )
        return (
            f"give a size of '{letter}' for which it stays inside: a range on the left, "
            f"f_{{{letter}<3}} = .., or at the sign of a sum, Σ_{{{letter}<3}}"
        )

    def check_shift(self, tie: Tie, size: Size, name: str, column: int) -> None:
        """Refuse an index i+1 where i runs over the whole axis, of whatever size, and i-1."""
        if tie.offset < 0 and tie.terms and self.reach(tie.terms, 0) is None:
            letters = [self.letters[n] for _, n in tie.terms]
            self.parts.fail(
                f"an index of {name} begins at {tie.offset} or below",
                [column],
                self.stay_inside(tie, letters, tie.offset),
            )
        if len(tie.terms) != 1 or not isinstance(size, str) or not size:
            return
        ((c, index),) = tie.terms
        is_whole = self.is_sized(index) and self.size_of(index) == size
        if is_whole and c > 0 and (c > 1 or tie.offset > 0):
            letter = self.letters[index]
            self.parts.fail(
                f"an index of {name} leaves its axis, since '{letter}' runs over all of it",
                [column],
                self.stay_inside(tie, [letter], 0),
            )

    def reach(self, terms: Sequence[tuple[int, int]], offset: int) -> tuple[float, float] | None:
        """Return the least and the largest value of an index, if all sizes are known numbers."""
        sizes = [self.size_of(n) if self.is_sized(n) else "" for _, n in terms]
        if any(isinstance(size, str) for size in sizes):
            return None
        return bounds([c for c, _ in terms], offset, sizes) if 0 not in sizes else (1, 0)

    def widen(self, index: int) -> None:
        """Give an index the largest range for which all indices that are sums stay inside."""
        root = self.find(index)
        ranges = []
        for tie, axis, _, _ in self.ties:
            own = [c for c, n in tie.terms if self.find(n) == root]
            rest = self.reach([t for t in tie.terms if self.find(t[1]) != root], tie.offset)
            size = self.size_of(axis) if self.is_sized(axis) else ""
            if len(own) != 1 or rest is None or isinstance(size, str):
                continue
            room = (size - 1 - rest[1]) // own[0] if own[0] > 0 else rest[0] // -own[0]
            ranges.append(max(int(room) + 1, 0))
        if ranges and not self.is_sized(index):
            self.give(index, min(ranges), "an index")

    # Nodes.

    def finish(self, root: Part, output: Sequence[int]) -> Node:
        """Build the node of the whole, with these axes."""
        try:
            node, labels = run(self.emit(root))
            if labels == tuple(output):
                return node
            return einsum([node], [labels], output, {n: self.size_of(n) for n in output})
        except (OverflowError, ZeroDivisionError, ValueError):
            self.parts.fail("a number is too large", (), "write smaller numbers")

    def emit(self, part: Part) -> Job[Slot]:
        """Build the node of a part, with axes in order of appearance."""
        if isinstance(part, Total):
            built: list[Slot] = []
            for _, term in part.terms:
                built.append((yield self.emit(term)))
            nodes, labels = self.aligned(built)
            return add(list(zip((sign for sign, _ in part.terms), nodes, strict=True))), labels
        node: Slot = yield self.emit_term(
            part if isinstance(part, TermPart) else TermPart(part.counts, [(part, 1)])
        )
        return node

    def emit_term(self, term: TermPart) -> Job[Slot]:
        """Build a product; products in it that are written without brackets are part of it."""
        built: list[Slot] = []
        summed: set[int] = set()
        stack: list[tuple[Part, int]] = [(term, 1)]
        while stack:
            part, n = stack.pop()
            if n > 1 or isinstance(part, Total):
                built += [(yield self.emit(part))] * n
            elif isinstance(part, TermPart):
                summed.update(part.summed)
                stack.extend(reversed(part.factors))
            elif isinstance(part, Named | Applied):
                if isinstance(part, Named):
                    built.append((self.names[part.name], part.axes))
                else:
                    built.append((yield self.emit_call(part)))
                for tie in part.ties:
                    built.append(self.relation(tie))
                    summed.add(tie.terms[-1][1])
            else:
                built.append(self.leaf(part))
        labels = tuple(dict.fromkeys(n for _, theirs in built for n in theirs if n not in summed))
        sizes = {n: self.size_of(n) for n in summed if self.is_sized(n)}
        return multiplied(built, labels, sizes), labels

    def leaf(self, part: Part) -> Slot:
        """Build the node of a part that is made of no others."""
        if isinstance(part, Amount):
            return constant(part.value), ()
        if isinstance(part, SizePart):
            return size_factor(part.name)
        if isinstance(part, Equal):
            return delta(self.size_of(part.axes[0])), part.axes
        if isinstance(part, Position):
            axes = (part.axis,)
            ones = einsum([], [], axes, {part.axis: self.size_of(part.axis)})
            return call(POSITION, [ones]), axes
        assert isinstance(part, Related)
        assert part.tie is not None
        return self.relation(part.tie)

    def relation(self, tie: Tie) -> Slot:
        """Build the node of a relation; of a remainder, a sum of one for each time it wraps."""
        joined: dict[int, int] = {}
        for c, index in tie.terms:
            joined[index] = joined.get(index, 0) + c
        sizes = [self.size_of(index) for index in joined]
        offsets = [tie.offset]
        if tie.modulus is not None:
            *terms, (_, axis) = tie.terms
            modulus = self.size_of(axis) if isinstance(tie.modulus, str) else tie.modulus
            reach = self.reach(terms, tie.offset)
            assert isinstance(modulus, int)
            assert reach is not None
            first, last = (int(end // modulus) for end in reach)
            offsets = [tie.offset - t * modulus for t in range(first, last + 1)]
        each = tuple(joined.values())
        nodes = [related(sizes, each, offset, tie.is_equation) for offset in offsets]
        return (nodes[0] if len(nodes) == 1 else add([(1, n) for n in nodes])), tuple(joined)

    def emit_call(self, part: Applied) -> Job[Slot]:
        """Build the value of a function, with its batch axes first."""
        function = part.function
        assert function is not None
        built: list[Slot] = []
        for arg in part.args:
            built.append((yield self.emit(arg)))
        if function.is_elementwise:
            nodes, labels = self.aligned([one for one in built if one[1]])
            rest = iter(nodes)
            return call(function, [next(rest) if own else node for node, own in built]), labels
        args = []
        for core, (node, labels) in zip(part.cores, built, strict=True):
            axes = (*(part.batch if set(part.batch) & set(labels) else ()), *core)
            args.append(einsum([node], [labels], axes, {n: self.size_of(n) for n in axes}))
        return call(function, args), part.value

    def aligned(self, built: Sequence[Slot]) -> tuple[list[Node], tuple[int, ...]]:
        """Give all nodes the same axes, by broadcasting over the labels that one lacks."""
        labels = tuple(dict.fromkeys(index for _, theirs in built for index in theirs))
        sizes = {index: self.size_of(index) for index in labels}
        return [einsum([node], [theirs], labels, sizes) for node, theirs in built], labels
