"""The sides of the parts of a formula in matrix notation: what has to be equal, and the sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from einsdiff.algebra.nodes.interning import Node
from einsdiff.algebra.reading.choice import POWERS
from einsdiff.algebra.reading.matrix_kinds import C, Kinds, M, R, S, canonical_name, function_for
from einsdiff.algebra.reading.matrix_sides import NONE, Margin, MarginAxis, Sides
from einsdiff.errors import ShapeError, shapes_line
from einsdiff.notation.letters import fresh_letters
from einsdiff.notation.matrix_trees import MatrixTree, upward
from einsdiff.notation.subscripts import SIZES, Size


class Margins(NamedTuple):
    """The two sides of a part."""

    rows: Margin
    columns: Margin

    @property
    def turned(self) -> Margins:
        """Those of the transpose."""
        return Margins(self.columns, self.rows)


class MatrixSizes:
    """Finds the sides of all parts of a formula."""

    def __init__(
        self, text: str, tree: MatrixTree, kinds: Kinds, known: Mapping[str, Node], order: str
    ) -> None:
        self.text, self.tree, self.kinds, self.known = text, tree, kinds, known
        self.order = order
        self.sides = Sides()
        self.trees = upward(tree)
        self.of: dict[int, Margins] = {}
        self.names: dict[str, Margins] = {}
        self.named_sizes: dict[str, MarginAxis] = {}

    # Errors.

    def shown(self, tree: MatrixTree) -> str:
        return self.text[tree.start : tree.end]

    def carets(self, trees: Sequence[MatrixTree]) -> list[int]:
        return [at for tree in trees for at in range(tree.start, tree.end)]

    def fail(self, headline: str, trees: Sequence[MatrixTree], action: str) -> NoReturn:
        shapes = shapes_line({name: node.shape for name, node in self.known.items()})
        raise ShapeError(
            headline, text=self.text, carets=self.carets(trees), shapes=shapes, action=action
        )

    # Sizes.

    def kind(self, tree: MatrixTree) -> int:
        return self.kinds.of[id(tree)]

    def measure(self) -> None:
        """Find the sides of every part."""
        for tree in self.trees:
            args = [self.of[id(part)] for part in tree.args]
            self.of[id(tree)] = self.measured(tree, args)

    def operand(self, name: str) -> Margins:
        """Return the sides of a name."""
        if name in self.named_sizes and name not in self.known:
            return Margins(NONE, NONE)
        if name not in self.names:
            node = self.known.get(name)
            kind = self.kinds.names[name]
            rank = {S: 0, C: 1, M: 2}[kind]
            shape: Sequence[Size | None] = node.shape if node is not None else (None,) * rank
            own = [self.sides.axis(size) for size in shape]
            self.names[name] = Margins(*own, *(NONE,) * (2 - rank))
        return self.names[name]

    def size(self, size: Size) -> MarginAxis:
        """Return the axis that a written size means: equal names are one."""
        if isinstance(size, int):
            return MarginAxis(size)
        return self.named_sizes.setdefault(size, MarginAxis())

    def written(self, sizes: Sequence[Size]) -> Margin:
        """Return a side of sizes that are written; without any, nothing is known of it."""
        return Margin(tuple(map(self.size, sizes))) if sizes else Margin()

    def same(self, a: Margins, b: Margins, one: MatrixTree, other: MatrixTree) -> None:
        """Give two parts of one kind the same sides."""
        self.equal(a.rows, b.rows, one, "rows", other, "rows")
        self.equal(a.columns, b.columns, one, "columns", other, "columns")

    def equal(
        self, a: Margin, b: Margin, one: MatrixTree, first: str, other: MatrixTree, second: str
    ) -> None:
        """Make two sides equal, or say which sizes do not fit."""
        if self.sides.equate(a, b):
            return
        counts = []
        for side, tree, what in ((a, one, first), (b, other, second)):
            known = " ".join(str(size) for size in self.sides.sizes(side)) or "no"
            plural = what if known != "1" else what[:-1]
            counts.append(f"'{self.shown(tree)}' has {known} {plural}")
        is_same = one is other
        self.fail(
            f"{counts[0]} and {counts[1].partition(' has ')[2]}"
            if is_same
            else f"{counts[0]}, but {counts[1]}",
            [one] if is_same else [one, other],
            "a square matrix is needed here"
            if is_same
            else "pass operands whose sizes fit, or write a transpose",
        )

    def broadcast(self, tree: MatrixTree, args: Sequence[Margins]) -> Margins:
        """Return the sides of a function of each entry."""
        found: tuple[Margins, MatrixTree] | None = None
        for arg, part in zip(args, tree.args, strict=True):
            if self.kind(part) == S:
                continue
            if found is None:
                found = arg, part
            else:
                self.same(found[0], arg, found[1], part)
        return found[0] if found is not None else Margins(NONE, NONE)

    def measured(self, tree: MatrixTree, args: list[Margins]) -> Margins:
        """Return the sides of one part, from those of its parts."""
        match tree.op:
            case "number" | "size" | "norm" | "entry":
                return Margins(NONE, NONE)
            case "name":
                return self.operand(tree.value)
            case "ones":
                return Margins(self.written(tree.value), NONE)
            case "zeros":
                rows, columns = tree.value
                return Margins(
                    self.written(rows), NONE if columns is None else self.written(columns)
                )
            case "unit":
                return Margins(Margin(), NONE)
            case "eye":
                side = self.written(tree.value)
                return Margins(side, side)
            case "commutation":
                m, n = map(self.size, tree.value)
                flat = ((n, m), (m, n)) if self.order == "C" else ((m, n), (n, m))
                return Margins(Margin(flat[0]), Margin(flat[1]))
            case "partial":
                base, by = tree.value
                own = [n for name in (base, *by) for n in self.known[name].shape]
                return Margins(*map(self.sides.axis, own), *(NONE,) * (2 - len(own)))
            case "transpose" | "over":
                return args[0].turned if tree.op == "transpose" else args[0]
            case "sum":
                return self.measured_sum(tree, args)
            case "product":
                return self.measured_product(tree, args)
            case "kron":
                return Margins(*(self.joined(a, b) for a, b in zip(*args, strict=True)))
            case "power" | "exponential":
                base = args[0]
                if self.kind(tree) == M:
                    self.square(tree.args[0], base)
                return base
            case "bars":
                if self.kind(tree.args[0]) != M:
                    return args[0]
                self.square(tree.args[0], args[0])
                return Margins(NONE, NONE)
            case "inner":
                self.same(args[0], args[1], *tree.args)
                return Margins(NONE, NONE)
            case "across" | "down":
                return self.blocks(tree, args)
            case "call":
                return self.measured_call(tree, args)
        return self.broadcast(tree, args)

    def square(self, tree: MatrixTree, matrix: Margins) -> None:
        self.equal(matrix.rows, matrix.columns, tree, "rows", tree, "columns")

    def joined(self, a: Margin, b: Margin) -> Margin:
        """Return the rows of a Kronecker product."""
        for one, other in ((a, b), (b, a)):
            if one.axes == ():
                return other
        sides: list[MarginAxis] = []
        for side in (a, b):
            if side.axes is None:
                self.sides.equate(side, self.sides.axis())
            sides += side.axes or ()
        return Margin(tuple(sides))

    def measured_sum(self, tree: MatrixTree, args: list[Margins]) -> Margins:
        kind = self.kind(tree)
        whole = [k for k, part in enumerate(tree.args) if self.kind(part) == kind]
        if not whole:
            return Margins(NONE, NONE)
        first = whole[0]
        for k in whole[1:]:
            self.same(args[first], args[k], tree.args[first], tree.args[k])
        return args[first]

    def measured_product(self, tree: MatrixTree, args: list[Margins]) -> Margins:
        kinds = [self.kind(part) for part in tree.args]
        if S in kinds:
            return args[1] if kinds[0] == S else args[0]
        left, right = args
        one, other = tree.args
        if kinds == [C, C]:
            self.equal(left.rows, right.rows, one, "rows", other, "rows")
            return Margins(NONE, NONE)
        self.equal(left.columns, right.rows, one, "columns", other, "rows")
        return Margins(left.rows, right.columns)

    def blocks(self, tree: MatrixTree, args: list[Margins]) -> Margins:
        """Return the sides of blocks; across, they have the same rows, and columns that add up."""
        if tree.op == "down":
            args = [arg.turned for arg in args]
        what = ("rows", "rows") if tree.op == "across" else ("columns", "columns")
        for arg, part in zip(args[1:], tree.args[1:], strict=True):
            self.equal(args[0].rows, arg.rows, tree.args[0], what[0], part, what[1])
        widths: list[MarginAxis] = []
        for arg in args:
            if arg.columns.axes is None:
                self.sides.equate(arg.columns, self.sides.axis())
            widths += arg.columns.axes or (MarginAxis(1),)
        total = MarginAxis()
        self.sides.totals.append((total, widths))
        whole = Margins(args[0].rows, Margin((total,)))
        return whole if tree.op == "across" else whole.turned

    def measured_call(self, tree: MatrixTree, args: list[Margins]) -> Margins:
        name, kinds = tree.value, [self.kind(part) for part in tree.args]
        first = args[0]
        match name:
            case "norm" | "norm1" | "norm2" | "sum" | "mean":
                return Margins(NONE, NONE)
            case "tr" | "trace" | "adj":
                self.square(tree.args[0], first)
                return first if name == "adj" else Margins(NONE, NONE)
            case "transpose":
                return first.turned
            case "vec":
                sides = first if self.order == "C" else first.turned
                return Margins(self.joined(*sides), NONE)
            case "diag":
                if kinds[0] == M:
                    self.square(tree.args[0], first)
                    return Margins(first.rows, NONE)
                side = first.rows if kinds[0] == C else first.columns
                return Margins(side, side)
            case "vector":
                return Margins(Margin(), NONE)
            case "matrix":
                return Margins(Margin(), Margin())
            case "kron":
                return Margins(*(self.joined(a, b) for a, b in zip(*args, strict=True)))
            case "outer":
                return Margins(first.rows, args[1].rows)
            case "dot" | "inner":
                self.same(args[0], args[1], *tree.args)
                return Margins(NONE, NONE)
        function = self.function(tree)
        if function is None or function.is_elementwise:
            return self.broadcast(tree, args)
        inputs, output = function.cores
        known: dict[str, tuple[Margin, MatrixTree, str]] = {}
        for own, arg, part, kind in zip(inputs, args, tree.args, kinds, strict=True):
            theirs = (arg.columns,) if kind == R else arg
            for core, side, what in zip(own, theirs, ("rows", "columns"), strict=False):
                if core in known:
                    before = known[core]
                    self.equal(before[0], side, before[1], before[2], part, what)
                else:
                    known[core] = side, part, what
        found = [known[core][0] if core in known else Margin() for core in output]
        if kinds == [R] and found:
            return Margins(NONE, found[0])
        return Margins(*found, *(NONE,) * (2 - len(found)))

    def function(self, tree: MatrixTree) -> Any:
        """Return the function of the table that a call means, None for a power."""
        name = canonical_name(tree.value)
        if len(tree.args) == 2 and name in ("max", "min"):
            name += "imum"
        return None if name in POWERS else function_for(name, [self.kind(p) for p in tree.args])

    def name_sizes(self, taken: Sequence[Size] = ()) -> None:
        """Give names to sizes that nobody said, in the order of the names of operands."""
        self.check(self.sides.settle())
        for name, axis in self.named_sizes.items():
            if axis.found().size is None:
                axis.found().size = name
        used = {*taken, *self.named_sizes}
        for matrix in self.of.values():
            for side in matrix:
                used.update(size for size in self.sides.sizes(side) if isinstance(size, str))
        fresh = fresh_letters({size for size in used if isinstance(size, str)}, SIZES)
        for name in sorted(self.names):
            for side in self.names[name]:
                for extent in side.axes or ():
                    if extent.found().size is None:
                        extent.found().size = next(fresh)
        self.check(self.sides.settle())

    def check(self, pair: tuple[Margin, Margin] | None) -> None:
        if pair is not None:
            counts = [" · ".join(map(str, self.sides.sizes(side))) for side in pair]
            self.fail(
                f"{counts[0]} entries stand in place of {counts[1]}",
                [self.tree],
                "pass operands whose sizes fit",
            )

    # What was found.

    def extents(self, side: Margin, tree: MatrixTree) -> tuple[Size, ...]:
        """Return the sizes of a side, or say that one is not known."""
        sizes = [] if side.axes is None else self.sides.sizes(side)
        if side.axes is None or None in sizes:
            if tree.op in ("across", "down"):
                self.need_numbers(tree)
            self.fail(
                f"the size of '{self.shown(tree)}' does not follow from what stands around it",
                [tree],
                "write its size, as in 𝟏_n, ones(n), I_n",
            )
        return tuple(size for size in sizes if size is not None)

    def need_numbers(self, tree: MatrixTree) -> NoReturn:
        """Say that blocks have places only where their sizes are numbers."""
        names = dict.fromkeys(part.value for part in upward(tree) if part.op == "name")
        shapes = (f"{name}={(2, 2) if name[0].isupper() else (2,)}" for name in [*names][:4])
        self.fail(
            "the sizes of blocks need to be numbers, so that each has its place",
            [tree],
            f"pass arrays, or sizes as numbers, such as {', '.join(shapes)}"
            if names
            else "write sizes as numbers, such as I_2",
        )

    def shape(self, tree: MatrixTree) -> tuple[tuple[Size, ...], tuple[Size, ...]]:
        rows, columns = self.of[id(tree)]
        return self.extents(rows, tree), self.extents(columns, tree)
