"""The node that a formula in matrix notation means.

Every part becomes a node whose axes are those of its rows, and then those of its columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import Any, NamedTuple, NoReturn

from einsdiff.algebra.functions.catalogue import FUNCTIONS, MOST_EXPANDED
from einsdiff.algebra.nodes.interning import (
    Einsum,
    Node,
    Number,
    Variable,
    constant,
    delta,
    variable,
)
from einsdiff.algebra.nodes.nodes import add, call, einsum, ones, partial, related, stretched
from einsdiff.algebra.reading.choice import POWERS
from einsdiff.algebra.reading.matrix_kinds import C, Kinds, M, R, S, canonical_name, function_for
from einsdiff.algebra.reading.matrix_sides import NONE, Extent, Side, Sides
from einsdiff.errors import ShapeError, shapes_line
from einsdiff.notation.letters import fresh_letters
from einsdiff.notation.matrix_trees import MatrixTree, upward
from einsdiff.notation.subscripts import SIZES, Size

#: Products with more factors are not written out when they are multiplied further.
_MOST_INLINE = 32

_COMPARE = {
    ">": ("greater", False),
    "≥": ("greater_equal", False),
    "<": ("greater", True),
    "≤": ("greater_equal", True),
    "=": ("equal", False),
    "≠": ("not_equal", False),
}


class Matrix(NamedTuple):
    """The two sides of a part."""

    rows: Side
    columns: Side

    @property
    def turned(self) -> Matrix:
        """Those of the transpose."""
        return Matrix(self.columns, self.rows)


class MatrixBuilder:
    """Finds the sizes of all parts of a formula, and builds its node."""

    def __init__(
        self,
        text: str,
        tree: MatrixTree,
        kinds: Kinds,
        known: Mapping[str, Node],
        powers: Mapping[str, int],
        order: str,
    ) -> None:
        self.text, self.tree, self.kinds, self.known = text, tree, kinds, known
        self.powers, self.order = powers, order
        self.sides = Sides()
        self.trees = upward(tree)
        self.of: dict[int, Matrix] = {}
        self.names: dict[str, Matrix] = {}
        self.named_sizes: dict[str, Extent] = {}
        self.nodes: dict[int, Node] = {}
        self.variables: dict[str, Node] = {}
        self.squares = {
            id(part.args[0])
            for part in self.trees
            if part.op == "power" and part.args[0].op == "norm" and part.args[1].value == 2
        }

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

    def operand(self, name: str) -> Matrix:
        """Return the sides of a name."""
        if name not in self.names:
            node = self.known.get(name)
            kind = self.kinds.names[name]
            rank = {S: 0, C: 1, M: 2}[kind]
            shape: Sequence[Size | None] = node.shape if node is not None else (None,) * rank
            own = [self.sides.axis(size) for size in shape]
            self.names[name] = Matrix(*own, *(NONE,) * (2 - rank))
        return self.names[name]

    def size(self, size: Size) -> Extent:
        """Return the axis that a written size means: equal names are one."""
        if isinstance(size, int):
            return Extent(size)
        return self.named_sizes.setdefault(size, Extent(size))

    def written(self, sizes: Sequence[Size]) -> Side:
        """Return a side of sizes that are written; without any, nothing is known of it."""
        return Side(tuple(map(self.size, sizes))) if sizes else Side()

    def same(self, a: Matrix, b: Matrix, one: MatrixTree, other: MatrixTree) -> None:
        """Give two parts of one kind the same sides."""
        self.equal(a.rows, b.rows, one, "rows", other, "rows")
        self.equal(a.columns, b.columns, one, "columns", other, "columns")

    def equal(
        self, a: Side, b: Side, one: MatrixTree, first: str, other: MatrixTree, second: str
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

    def broadcast(self, tree: MatrixTree, args: Sequence[Matrix]) -> Matrix:
        """Return the sides of a function of each entry."""
        found: tuple[Matrix, MatrixTree] | None = None
        for arg, part in zip(args, tree.args, strict=True):
            if self.kind(part) == S:
                continue
            if found is None:
                found = arg, part
            else:
                self.same(found[0], arg, found[1], part)
        return found[0] if found is not None else Matrix(NONE, NONE)

    def measured(self, tree: MatrixTree, args: list[Matrix]) -> Matrix:
        """Return the sides of one part, from those of its parts."""
        match tree.op:
            case "number" | "size" | "norm" | "entry":
                return Matrix(NONE, NONE)
            case "name":
                return self.operand(tree.value)
            case "ones":
                return Matrix(self.written(tree.value), NONE)
            case "unit":
                return Matrix(Side(), NONE)
            case "eye":
                side = self.written(tree.value)
                return Matrix(side, side)
            case "commutation":
                m, n = map(self.size, tree.value)
                flat = ((n, m), (m, n)) if self.order == "C" else ((m, n), (n, m))
                return Matrix(Side(flat[0]), Side(flat[1]))
            case "partial":
                base, by = tree.value
                own = [n for name in (base, *by) for n in self.known[name].shape]
                return Matrix(*map(self.sides.axis, own), *(NONE,) * (2 - len(own)))
            case "transpose":
                return args[0].turned
            case "sum":
                return self.measured_sum(tree, args)
            case "product":
                return self.measured_product(tree, args)
            case "over":
                return args[0]
            case "kron":
                return Matrix(*(self.joined(a, b) for a, b in zip(*args, strict=True)))
            case "power" | "exponential":
                base = args[0]
                if self.kind(tree) == M:
                    self.square(tree.args[0], base)
                return base
            case "bars":
                if self.kind(tree.args[0]) != M:
                    return args[0]
                self.square(tree.args[0], args[0])
                return Matrix(NONE, NONE)
            case "inner":
                self.same(*args, *tree.args)
                return Matrix(NONE, NONE)
            case "across" | "down":
                return self.blocks(tree, args)
            case "call":
                return self.measured_call(tree, args)
        return self.broadcast(tree, args)

    def square(self, tree: MatrixTree, matrix: Matrix) -> None:
        self.equal(matrix.rows, matrix.columns, tree, "rows", tree, "columns")

    def joined(self, a: Side, b: Side) -> Side:
        """Return the rows of a Kronecker product."""
        for one, other in ((a, b), (b, a)):
            if one.axes == ():
                return other
        sides = []
        for side in (a, b):
            if side.axes is None:
                self.sides.equate(side, self.sides.axis())
            sides += side.axes or ()
        return Side(tuple(sides))

    def measured_sum(self, tree: MatrixTree, args: list[Matrix]) -> Matrix:
        kind = self.kind(tree)
        whole = [k for k, part in enumerate(tree.args) if self.kind(part) == kind]
        if not whole:
            return Matrix(NONE, NONE)
        first = whole[0]
        for k in whole[1:]:
            self.same(args[first], args[k], tree.args[first], tree.args[k])
        return args[first]

    def measured_product(self, tree: MatrixTree, args: list[Matrix]) -> Matrix:
        kinds = [self.kind(part) for part in tree.args]
        if S in kinds:
            return args[1] if kinds[0] == S else args[0]
        left, right = args
        one, other = tree.args
        if kinds == [C, C]:
            self.equal(left.rows, right.rows, one, "rows", other, "rows")
            return Matrix(NONE, NONE)
        self.equal(left.columns, right.rows, one, "columns", other, "rows")
        return Matrix(left.rows, right.columns)

    def blocks(self, tree: MatrixTree, args: list[Matrix]) -> Matrix:
        """Return the sides of blocks; across, they have the same rows, and columns that add up."""
        if tree.op == "down":
            args = [arg.turned for arg in args]
        what = ("rows", "rows") if tree.op == "across" else ("columns", "columns")
        for arg, part in zip(args[1:], tree.args[1:], strict=True):
            self.equal(args[0].rows, arg.rows, tree.args[0], what[0], part, what[1])
        widths = []
        for arg in args:
            if arg.columns.axes is None:
                self.sides.equate(arg.columns, self.sides.axis())
            widths += arg.columns.axes or (Extent(1),)
        total = Extent()
        self.sides.totals.append((total, widths))
        whole = Matrix(args[0].rows, Side((total,)))
        return whole if tree.op == "across" else whole.turned

    def measured_call(self, tree: MatrixTree, args: list[Matrix]) -> Matrix:
        name, kinds = tree.value, [self.kind(part) for part in tree.args]
        first = args[0]
        match name:
            case "norm" | "norm1" | "norm2" | "sum" | "mean":
                return Matrix(NONE, NONE)
            case "tr" | "trace" | "adj":
                self.square(tree.args[0], first)
                return first if name == "adj" else Matrix(NONE, NONE)
            case "transpose":
                return first.turned
            case "vec":
                sides = first if self.order == "C" else first.turned
                return Matrix(self.joined(*sides), NONE)
            case "diag":
                if kinds[0] == M:
                    self.square(tree.args[0], first)
                    return Matrix(first.rows, NONE)
                side = first.rows if kinds[0] == C else first.columns
                return Matrix(side, side)
            case "vector":
                return Matrix(Side(), NONE)
            case "matrix":
                return Matrix(Side(), Side())
            case "kron":
                return Matrix(*(self.joined(a, b) for a, b in zip(*args, strict=True)))
            case "outer":
                return Matrix(first.rows, args[1].rows)
            case "dot" | "inner":
                self.same(*args, *tree.args)
                return Matrix(NONE, NONE)
        function = self.function(tree)
        if function is None or function.is_elementwise:
            return self.broadcast(tree, args)
        inputs, output = function.cores
        sides: dict[str, tuple[Side, MatrixTree, str]] = {}
        for own, arg, part, kind in zip(inputs, args, tree.args, kinds, strict=True):
            theirs = (arg.columns,) if kind == R else arg
            for core, side, what in zip(own, theirs, ("rows", "columns"), strict=False):
                if core in sides:
                    before = sides[core]
                    self.equal(before[0], side, before[1], before[2], part, what)
                else:
                    sides[core] = side, part, what
        found = [sides[core][0] if core in sides else Side() for core in output]
        if kinds == [R] and found:
            return Matrix(NONE, found[0])
        return Matrix(*found, *(NONE,) * (2 - len(found)))

    def function(self, tree: MatrixTree) -> Any:
        """Return the function of the table that a call means, None for a power."""
        name = canonical_name(tree.value)
        if len(tree.args) == 2 and name in ("max", "min"):
            name += "imum"
        return None if name in POWERS else function_for(name, [self.kind(p) for p in tree.args])

    def name_sizes(self, taken: Sequence[Size] = ()) -> None:
        """Give names to sizes that nobody said, in the order of the names of operands."""
        self.check(self.sides.settle())
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
        for name, matrix in self.names.items():
            if name in self.known:
                self.variables[name] = self.known[name]

    def check(self, pair: tuple[Side, Side] | None) -> None:
        if pair is not None:
            counts = [" · ".join(map(str, self.sides.sizes(side))) for side in pair]
            self.fail(
                f"{counts[0]} entries stand in place of {counts[1]}",
                [self.tree],
                "pass operands whose sizes fit",
            )

    # Nodes.

    def extents(self, side: Side, tree: MatrixTree) -> tuple[Size, ...]:
        """Return the sizes of a side, or say that one is not known."""
        sizes = [] if side.axes is None else self.sides.sizes(side)
        if side.axes is None or None in sizes:
            shown = self.shown(tree)
            is_block = tree.op in ("across", "down")
            self.fail(
                f"the size of '{shown}' does not follow from what stands around it",
                [tree],
                "the sizes of blocks need to be numbers: pass arrays, or sizes as numbers"
                if is_block
                else "write its size, as in 𝟏_n, ones(n), I_n",
            )
        return tuple(size for size in sizes if size is not None)

    def shape(self, tree: MatrixTree) -> tuple[tuple[Size, ...], tuple[Size, ...]]:
        rows, columns = self.of[id(tree)]
        return self.extents(rows, tree), self.extents(columns, tree)

    def build(self) -> Node:
        """Return the node of the whole."""
        for tree in self.trees:
            self.nodes[id(tree)] = self.made(tree, [self.nodes[id(part)] for part in tree.args])
        return self.nodes[id(self.tree)]

    def variable(self, name: str) -> Node:
        if name not in self.variables:
            sizes = [s for side in self.names[name] for s in self.sides.sizes(side)]
            known = tuple(size for size in sizes if size is not None)
            self.variables[name] = self.known.get(name) or variable(name, known)
        return self.variables[name]

    def multiplied(
        self,
        factors: Sequence[tuple[Node, Sequence[Any]]],
        output: Sequence[Any],
        sizes: Mapping[Any, Size] | None = None,
    ) -> Node:
        """Multiply; what is a product already becomes factors of this one, if it is short."""
        inline = [
            k
            for k, (node, _) in enumerate(factors)
            if isinstance(node, Einsum) and len(node.operands) <= _MOST_INLINE
        ]
        return einsum(
            [node for node, _ in factors], [own for _, own in factors], output, sizes, inline
        )

    def regrouped(
        self,
        node: Node,
        have: Sequence[tuple[Size, ...]],
        want: Sequence[tuple[Size, ...]],
        tree: MatrixTree,
    ) -> Node:
        """Merge and part axes, so that each side is made of the sizes that are wanted."""
        if list(have) == list(want):
            return node
        factors: list[tuple[Node, Sequence[Any]]] = []
        sizes: dict[Any, Size] = {}
        own: list[Any] = []
        output: list[Any] = []
        for k, (old, new) in enumerate(zip(have, want, strict=True)):
            labels = [(k, "old", i) for i in range(len(old))]
            own += labels
            if old == new:
                output += labels
                continue
            if not all(isinstance(size, int) for size in (*old, *new)):
                self.fail(
                    f"the entries of '{self.shown(tree)}' cannot be counted: "
                    f"{' · '.join(map(str, old))} in place of {' · '.join(map(str, new))}",
                    [tree],
                    "give sizes as numbers, or arrays",
                )
            made = [(k, "new", i) for i in range(len(new))]
            output += made
            whole: Any = (k, "whole")
            sizes[whole] = prod(int(size) for size in old)
            for group, group_labels in ((old, labels), (new, made)):
                factors.append(_digits(sizes[whole], group, whole, group_labels))
                sizes.update(zip(group_labels, group, strict=True))
        return self.multiplied([(node, own), *factors], output, sizes)

    def aligned(self, tree: MatrixTree, part: MatrixTree) -> Node:
        """Return the node of a part, with the axes of the whole."""
        node = self.nodes[id(part)]
        if self.kind(part) == S:
            return node
        return self.regrouped(node, self.shape(part), self.shape(tree), part)

    def made(self, tree: MatrixTree, args: list[Node]) -> Node:
        """Build the node of one part from those of its parts."""
        build: Callable[[MatrixTree, list[Node]], Node]
        build = getattr(self, f"make_{tree.op}")
        return build(tree, args)

    def make_number(self, tree: MatrixTree, args: list[Node]) -> Node:
        return constant(tree.value)

    def make_name(self, tree: MatrixTree, args: list[Node]) -> Node:
        if tree.value in self.named_sizes and tree.value not in self.known:
            return einsum([], [], (), {0: tree.value})
        return self.variable(tree.value)

    def make_entry(self, tree: MatrixTree, args: list[Node]) -> Node:
        (size,) = args[0].shape
        if isinstance(size, int) and tree.value >= size:
            self.fail(
                f"entry {tree.value} is outside of '{tree.args[0].value}', whose size is {size}",
                [tree],
                f"entries are counted from 0, so that the last one is {size - 1}",
            )
        return einsum([args[0], related((size,), (1,), -tree.value)], ["i", "i"], "")

    def make_ones(self, tree: MatrixTree, args: list[Node]) -> Node:
        return ones(self.shape(tree)[0])

    def make_unit(self, tree: MatrixTree, args: list[Node]) -> Node:
        sizes = self.shape(tree)[0]
        (place,) = tree.value
        if len(sizes) > 1 or (isinstance(sizes[0], int) and place >= sizes[0]):
            self.fail(
                f"'{self.shown(tree)}' has {' · '.join(map(str, sizes))} entries",
                [tree],
                "entries are counted from 0",
            )
        return related(sizes, (1,), -place)

    def make_eye(self, tree: MatrixTree, args: list[Node]) -> Node:
        sizes = self.shape(tree)[0]
        if len(sizes) == 1:
            return delta(sizes[0])
        labels = range(len(sizes))
        return einsum([], [], [*labels, *labels], dict(enumerate(sizes)))

    def make_commutation(self, tree: MatrixTree, args: list[Node]) -> Node:
        first, second = self.shape(tree)[1]
        return einsum([], [], [1, 0, 0, 1], {0: first, 1: second})

    def make_partial(self, tree: MatrixTree, args: list[Node]) -> Node:
        base, by = tree.value
        node = self.known[base]
        for name in by:
            other = self.known[name]
            if not isinstance(node, Variable | Einsum) or not isinstance(other, Variable):
                self.fail("a derivative of what is no variable", [tree], "write its name")
            node = partial(node, other)  # type: ignore[arg-type]
        return node

    def make_sum(self, tree: MatrixTree, args: list[Node]) -> Node:
        rows, columns = self.shape(tree)
        terms = []
        for sign, part in zip(tree.value, tree.args, strict=True):
            node = self.aligned(tree, part)
            terms.append((sign, stretched(node, (*rows, *columns)) if not node.shape else node))
        return add(terms, (*rows, *columns))

    def make_product(self, tree: MatrixTree, args: list[Node]) -> Node:
        left, right = tree.args
        kinds = self.kind(left), self.kind(right)
        ranks = [len(node.shape) for node in args]
        if S in kinds:
            labels = [[(k, i) for i in range(rank)] for k, rank in enumerate(ranks)]
            return self.multiplied(list(zip(args, labels, strict=True)), labels[0] + labels[1])
        shapes = [self.shape(left), self.shape(right)]
        if kinds == (C, C):
            return self.inner(tree, args)
        rows, inner = shapes[0]
        other, columns = shapes[1]
        if inner != other:
            shared = inner if len(inner) < len(other) else other
            args = [
                self.regrouped(args[0], shapes[0], (rows, shared), left),
                self.regrouped(args[1], shapes[1], (shared, columns), right),
            ]
            inner = shared
        summed = [("j", k) for k in range(len(inner))]
        above = [("i", k) for k in range(len(rows))]
        below = [("k", k) for k in range(len(columns))]
        return self.multiplied(
            [(args[0], above + summed), (args[1], summed + below)], above + below
        )

    def inner(self, tree: MatrixTree, args: list[Node]) -> Node:
        """Sum the products of entries in the same places."""
        left, right = tree.args
        other = self.regrouped(args[1], self.shape(right), self.shape(left), right)
        labels = range(len(other.shape))
        return self.multiplied([(args[0], labels), (other, labels)], ())

    make_inner = inner

    def make_over(self, tree: MatrixTree, args: list[Node]) -> Node:
        whole, divisor = args
        labels = range(len(whole.shape))
        return self.multiplied([(whole, labels), (self.raised(divisor, -1), ())], labels)

    def entrywise(self, tree: MatrixTree, factors: Sequence[Node]) -> Node:
        """Multiply entry by entry; numbers are factors."""
        labels = range(sum(map(len, self.shape(tree))))
        own = [(node, labels if node.shape else ()) for node in factors]
        return self.multiplied(own, labels)

    def make_hadamard(self, tree: MatrixTree, args: list[Node]) -> Node:
        return self.entrywise(tree, [self.aligned(tree, part) for part in tree.args])

    def make_quotient(self, tree: MatrixTree, args: list[Node]) -> Node:
        above, below = (self.aligned(tree, part) for part in tree.args)
        return self.entrywise(tree, [above, self.raised(below, -1)])

    def make_kron(self, tree: MatrixTree, args: list[Node]) -> Node:
        (a, b), (c, d) = ([len(side) for side in self.shape(part)] for part in tree.args)
        left = [("a", k) for k in range(a)], [("b", k) for k in range(b)]
        right = [("c", k) for k in range(c)], [("d", k) for k in range(d)]
        return self.multiplied(
            [(args[0], left[0] + left[1]), (args[1], right[0] + right[1])],
            left[0] + right[0] + left[1] + right[1],
        )

    def make_power(self, tree: MatrixTree, args: list[Node]) -> Node:
        base, exponent = tree.args
        if self.kind(base) == M:
            return self.matrix_power(tree, args[0])
        if id(base) in self.squares:
            return args[0]  # the norm is squared already
        value = exponent.value if exponent.op == "number" else None
        if exponent.op == "name":
            value = self.powers.get(exponent.value)
        if value is not None:
            return self.raised(args[0], value)
        return call(FUNCTIONS["power"], args)

    def raised(self, node: Node, exponent: Number) -> Node:
        """Raise each entry to a power that is a number."""
        if isinstance(exponent, int) and 2 <= exponent <= MOST_EXPANDED:
            labels = range(len(node.shape))
            return einsum([node] * exponent, [labels] * exponent, labels)
        return call(FUNCTIONS["power"], [node, constant(exponent)])

    def matrix_power(self, tree: MatrixTree, node: Node) -> Node:
        base, exponent = tree.args
        n = exponent.value if exponent.op == "number" else self.powers.get(str(exponent.value))
        if exponent.op == "sum" and len(exponent.args) == 1:
            inner = self.powers.get(str(exponent.args[0].value))
            n = None if inner is None else inner * exponent.value[0]
        if not isinstance(n, int):
            self.fail(
                "the exponent of a matrix is no whole number",
                [exponent],
                f"give it: {self.shown(exponent)}=3; or write .^ for the power of each entry"
                if exponent.op == "name"
                else "write sqrtm or .^, whichever is meant",
            )
        if tree.value == "**" and n != -1:
            self.fail(
                "'**' is a power of each entry in NumPy, and a product of matrices elsewhere",
                [tree],
                f"write {self.shown(base)} .^ {n} or {self.shown(base)}^{n}",
            )
        rows, columns = self.shape(base)
        if rows != columns or len(rows) != 1:
            whole = self.regrouped(node, (rows, columns), ((prod_of(rows),),) * 2, base)
            return self.regrouped(_power(whole, n), ((prod_of(rows),),) * 2, (rows, rows), base)
        return _power(node, n)

    def make_entrypower(self, tree: MatrixTree, args: list[Node]) -> Node:
        exponent = tree.args[1]
        base = self.aligned(tree, tree.args[0])
        if exponent.op == "number":
            return self.raised(base, exponent.value)
        above = self.aligned(tree, exponent)
        if not base.shape and above.shape:
            base = stretched(base, above.shape)
        return call(FUNCTIONS["power"], [base, above])

    def make_exponential(self, tree: MatrixTree, args: list[Node]) -> Node:
        name = "expm" if self.kind(tree) == M else "exp"
        return call(FUNCTIONS[name], args)

    def make_transpose(self, tree: MatrixTree, args: list[Node]) -> Node:
        rows, columns = self.shape(tree.args[0])
        labels = range(len(args[0].shape))
        return einsum([args[0]], [labels], [*labels[len(rows) :], *labels[: len(rows)]])

    def make_norm(self, tree: MatrixTree, args: list[Node]) -> Node:
        return self.norm(tree, args[0], tree.value or "")

    def norm(self, tree: MatrixTree, node: Node, index: str) -> Node:
        """Take the norm of a vector, or that of Frobenius, of a matrix."""
        kind = self.kind(tree.args[0])
        shown = self.shown(tree.args[0])
        index = index.strip("{}")
        if index not in ("", "1", "2", "F"):
            self.fail(
                f"there is no norm with the index '{index}'", [tree], "write ‖x‖, ‖x‖_1, ‖A‖_F"
            )
        if kind == M and index in ("1", "2"):
            way = {
                "1": f"sum(abs({shown})) for the sum of all absolute values",
                "2": f"‖{shown}‖_F for the root of the sum of squares",
            }[index]
            self.fail(
                f"norm {index} of a matrix may be that of its entries, or that of the map",
                [tree],
                f"write {way}; ed.norm has the others",
            )
        labels = range(len(node.shape))
        if index == "1":
            return einsum([call(FUNCTIONS["abs"], [node])], [labels], ())
        squares = self.multiplied([(node, labels), (node, labels)], ())
        is_square = id(tree) in self.squares
        return squares if is_square and index != "1" else self.raised(squares, Fraction(1, 2))

    def make_bars(self, tree: MatrixTree, args: list[Node]) -> Node:
        return call(FUNCTIONS["det" if self.kind(tree.args[0]) == M else "abs"], args)

    def make_compare(self, tree: MatrixTree, args: list[Node]) -> Node:
        name, is_swapped = _COMPARE[tree.value]
        sides = [self.aligned(tree, part) for part in tree.args]
        return self.applied(tree, name, sides[::-1] if is_swapped else sides)

    def applied(self, tree: MatrixTree, name: str, sides: Sequence[Node]) -> Node:
        """Apply a function of each entry."""
        shape = tuple(size for side in self.shape(tree) for size in side)
        node = call(FUNCTIONS[name], sides)
        return node if node.shape == shape else stretched(node, shape)

    def make_across(self, tree: MatrixTree, args: list[Node]) -> Node:
        return self.stacked(tree, args, 1)

    def make_down(self, tree: MatrixTree, args: list[Node]) -> Node:
        return self.stacked(tree, args, 0)

    def stacked(self, tree: MatrixTree, args: list[Node], side: int) -> Node:
        """Put blocks into a larger matrix, each at its place."""
        shape = self.shape(tree)
        (total,) = shape[side]
        start = 0
        terms = []
        for part, node in zip(tree.args, args, strict=True):
            own = self.shape(part)
            other = shape[1 - side]
            width: Size = own[side][0] if own[side] else 1
            if not isinstance(width, int) or not isinstance(total, int):
                self.fail(
                    "the sizes of blocks need to be numbers",
                    [tree],
                    "pass arrays, or sizes as numbers",
                )
            fixed = (other, own[1]) if side else (own[0], other)
            node = self.regrouped(node, own, fixed, part)
            across = [("o", k) for k in range(len(other))]
            labels = ["i"] if own[side] else []
            inside = across + labels if side else labels + across
            place = related((width, total), (1, -1), start)
            whole = [*across, "p"] if side else ["p", *across]
            terms.append((1, self.multiplied([(node, inside), (place, ["i", "p"])], whole)))
            start += width
        return add(terms)

    def make_call(self, tree: MatrixTree, args: list[Node]) -> Node:
        name = tree.value
        (first, *_) = args
        part = tree.args[0]
        labels = range(len(first.shape))
        match name:
            case "norm" | "norm1" | "norm2":
                return self.norm(tree, first, name[4:])
            case "tr" | "trace" | "diag" if self.kind(part) == M:
                rows, columns = self.shape(part)
                first = self.regrouped(first, (rows, columns), (rows, rows), part)
                half = range(len(rows))
                return self.multiplied([(first, [*half, *half])], half if name == "diag" else ())
            case "diag":
                return self.multiplied([(first, labels)], [*labels, *labels])
            case "transpose":
                return self.make_transpose(tree, args)
            case "vec":
                rows, columns = self.shape(part)
                turned = [*labels[len(rows) :], *labels[: len(rows)]]
                return einsum([first], [labels], labels if self.order == "C" else turned)
            case "sum":
                return self.multiplied([(first, labels)], ())
            case "mean":
                size: dict[Any, Size] = {("n", k): n for k, n in enumerate(first.shape)}
                count = einsum([], [], (), size)
                return self.multiplied([(first, labels), (self.raised(count, -1), ())], ())
            case "vector" | "matrix":
                shape = tuple(size for side in self.shape(tree) for size in side)
                return stretched(first, shape)
            case "kron":
                return self.make_kron(tree, args)
            case "dot" | "inner":
                return self.inner(tree, args)
            case "outer":
                pair = [[(k, i) for i in range(len(node.shape))] for k, node in enumerate(args)]
                return self.multiplied(list(zip(args, pair, strict=True)), pair[0] + pair[1])
            case "adj":
                whole = self.squared(part, first)
                found = call(FUNCTIONS["inv"], [whole])
                two = range(2)
                return einsum([call(FUNCTIONS["det"], [whole]), found], [(), two], two)
        return self.of_table(tree, args)

    def squared(self, part: MatrixTree, node: Node) -> Node:
        """Return a square matrix with one axis for its rows and one for its columns."""
        have = self.shape(part)
        return self.regrouped(node, have, [(prod_of(side),) for side in have], part)

    def of_table(self, tree: MatrixTree, args: list[Node]) -> Node:
        """Apply a function of the table."""
        name = canonical_name(tree.value)
        if name in POWERS:
            return self.raised(args[0], POWERS[name])
        part = tree.args[0]
        if name == "log" and self.kind(tree) == S:
            inner = part.args[0] if part.args else part
            is_det = part.op == "call" and part.value == "det"
            if is_det or (part.op == "bars" and self.kind(inner) == M):
                return call(FUNCTIONS["logdet"], [self.squared(inner, self.nodes[id(inner)])])
        function = self.function(tree)
        if function.is_elementwise:
            sides = [self.aligned(tree, arg) for arg in tree.args]
            shape = tuple(size for side in self.shape(tree) for size in side)
            node = call(function, sides)
            return node if node.shape == shape else stretched(node, shape)
        merged = []
        for arg, node in zip(tree.args, args, strict=True):
            have = self.shape(arg)
            want = [(prod_of(side),) if side else () for side in have]
            merged.append(self.regrouped(node, have, want, arg))
        return call(function, merged)

    def whole(self, node: Node) -> Node:
        """Return the node of the whole, with at most one axis for its rows and its columns.

        Where a size is a name, the axes of ``vec(A)`` and of ``A ⊗ B`` stay apart.
        """
        have = self.shape(self.tree)
        if any(isinstance(size, str) for side in have if len(side) > 1 for size in side):
            return node
        want = [(prod_of(side),) if side else () for side in have]
        return self.regrouped(node, have, want, self.tree)


def prod_of(sizes: Sequence[Size]) -> Size:
    """Multiply sizes; a single one may be a name.

    >>> prod_of(["n"]), prod_of([2, 3])
    ('n', 6)
    """
    if len(sizes) == 1:
        return sizes[0]
    if all(isinstance(size, int) for size in sizes):
        return prod(int(size) for size in sizes)
    return "·".join(map(str, sizes))


def _power(node: Node, n: int) -> Node:
    """Multiply a matrix by itself."""
    if n < 0:
        return _power(call(FUNCTIONS["inv"], [node]), -n)
    if n == 0:
        return delta(node.shape[0])
    if n <= MOST_EXPANDED:
        return einsum([node] * n, [(k, k + 1) for k in range(n)], (0, n))
    half = _power(node, n // 2)
    factors = [half, half, *[node] * (n % 2)]
    count = len(factors)
    return einsum(factors, [(k, k + 1) for k in range(count)], (0, count))


def _digits(
    whole: Size, sizes: Sequence[Size], label: Any, labels: Sequence[Any]
) -> tuple[Node, Sequence[Any]]:
    """Return the delta of an index and those that count its digits, as a factor."""
    if len(sizes) == 1:
        return delta(sizes[0]), [label, *labels]
    weights = [prod(int(size) for size in sizes[k + 1 :]) for k in range(len(sizes))]
    node = related((whole, *sizes), (1, *(-weight for weight in weights)))
    return node, [label, *labels]
