r"""Matrix notation as people write it, with its left-hand side, and with sizes to be found.

.. math:: \frac{\partial f}{\partial x} = x^\top (A + A^\top)

>>> reading = read_matrix_text("x' A x", {}, {})
>>> reading.node.shape, {name: node.shape for name, node in reading.operands.items()}
((), {'x': ('m',), 'A': ('m', 'm')})
>>> text = "∂f/∂x = xᵀ (A + Aᵀ)  (numerator layout, vec order C)"
>>> reading = read_matrix_text(text, {}, {})
>>> reading.name, reading.wrt, reading.node.shape
('f', (('x', ('p',)),), ('m',))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import NamedTuple, NoReturn

from einsdiff.algebra.nodes.function_records import FAMILIES, FUNCTIONS
from einsdiff.algebra.nodes.interning import Node, Shape, Variable, variable, zero
from einsdiff.algebra.nodes.nodes import einsum
from einsdiff.algebra.reading.choice import ALIASES, POWERS
from einsdiff.algebra.reading.equation import Reading
from einsdiff.algebra.reading.matrix_kinds import C, Kinds, KindSolver, M, R, S, kinds_of
from einsdiff.algebra.reading.matrix_nodes import MatrixBuilder
from einsdiff.algebra.reading.matrix_sides import NONE, Margin, MarginAxis
from einsdiff.algebra.reading.matrix_sizes import Margins
from einsdiff.errors import ShapeError, shapes_line
from einsdiff.notation.letters import DOMAIN, DUMMY, first_unused, fresh_letters
from einsdiff.notation.matrix_parser import parse_matrix
from einsdiff.notation.matrix_trees import MatrixHeading, MatrixText, MatrixTree, upward
from einsdiff.notation.subscripts import Size


def functions_of_matrices() -> frozenset[str]:
    """Return the names that are functions in matrix notation, besides its own words."""
    return frozenset((*FUNCTIONS, *FAMILIES, *POWERS, *ALIASES))


class Amounts(NamedTuple):
    """Names in a text that may be whole numbers: exponents, and sizes."""

    names: tuple[str, ...]  # those of operands, in order of appearance
    exponents: frozenset[str]  # that stand in exponents only
    sizes: frozenset[str]


@lru_cache(maxsize=1024)
def amounts_in(text: str, names: frozenset[str]) -> Amounts:
    """List the names of a text, and which of them are exponents or sizes.

    >>> amounts_in("X^n + I_m", frozenset())
    Amounts(names=('X', 'n'), exponents=frozenset({'n'}), sizes=frozenset({'m'}))
    """
    return _amounts(parse_matrix(text, names, functions_of_matrices()))


def _amounts(parsed: MatrixText) -> Amounts:
    trees = upward(parsed.right)
    raised = {id(part) for tree in trees if tree.op == "power" for part in upward(tree.args[1])}
    found = {tree.value: tree for tree in trees if tree.op == "name"}
    others = {tree.value for tree in trees if tree.op == "name" and id(tree) not in raised}
    symbols = [n for tree in trees if tree.op == "partial" for n in (tree.value[0], *tree.value[1])]
    left = [] if parsed.left is None else [name for name, _ in parsed.left.by]
    sizes = {
        size
        for tree in trees
        if tree.op in ("ones", "eye", "commutation", "zeros")
        for side in (tree.value if tree.op == "zeros" else [tree.value])
        for size in side or ()
        if isinstance(size, str)
    }.union(size for size in parsed.shape or () if isinstance(size, str))
    names = tuple(dict.fromkeys((*found, *symbols, *left)))
    return Amounts(names, frozenset(found) - others, frozenset(sizes))


def read_matrix_text(
    text: str, operands: Mapping[str, Variable | Node | Shape | None], sizes: Mapping[str, Size]
) -> Reading:
    """Read an expression in matrix notation, with or without a left-hand side.

    What is known of the operands is a node, a shape, or None for a name alone; other names become
    variables. `sizes` are the values of sizes and of exponents that are names. A text that cannot
    be read is a `SubscriptsError`; kinds or sizes that do not fit are a `ShapeError`.

    >>> read_matrix_text("A x", {"A": (2, 3), "x": (4,)}, {})
    Traceback (most recent call last):
    einsdiff.ShapeError: 'A' has 3 columns, but 'x' has 4 rows
    <BLANKLINE>
        A x
        ^ ^
        A: (2, 3)   x: (4,)
    <BLANKLINE>
    pass operands whose sizes fit, or write a transpose
    """
    parsed = parse_matrix(text, frozenset(operands), functions_of_matrices())
    return _FormulaReader(text, parsed, operands, sizes).reading()


class _FormulaReader:
    """Reads one text."""

    def __init__(
        self,
        text: str,
        parsed: MatrixText,
        operands: Mapping[str, Variable | Node | Shape | None],
        sizes: Mapping[str, Size],
    ) -> None:
        self.text, self.parsed, self.sizes = text, parsed, sizes
        self.amounts = _amounts(parsed)
        self.known: dict[str, Node] = {
            name: given if isinstance(given, Node) else variable(name, given)
            for name, given in operands.items()
            if given is not None
        }
        self.given = operands
        heading = parsed.left
        self.heading = heading if heading is not None and heading.by else None
        self.layout = parsed.layout

    def reading(self) -> Reading:
        builder, node, split = self.built()
        variables = {}
        for name in self.amounts.names:
            if name in builder.names:
                variables[name] = builder.variable(name)
        name, axes, wrt = self.left_side(node, split, variables)
        wanted = len(axes) + sum(len(indices) for _, indices in wrt)
        if wanted != len(node.shape):
            raise ShapeError(
                f"the left-hand side has {wanted} axes, and the right-hand side {len(node.shape)}",
                text=self.text,
                action="write vec where axes are joined, ∂vec(f)/∂vec(X) = A ⊗ B, and the layout "
                "behind it: (numerator layout, vec order C)",
            )
        return Reading(node, name, axes, wrt, dict.fromkeys(variables, ()), variables)

    def kinds(self) -> Kinds:
        known: dict[str, int] = {}
        for name, node in self.known.items():
            rank = len(node.shape)
            if rank > 2 and name in self.amounts.names:
                raise ShapeError(
                    f"'{name}' has {rank} axes, and a matrix has two",
                    text=self.text,
                    shapes=shapes_line({name: node.shape}),
                    action="write labels, as in A_ijk x_k",
                )
            known[name] = (S, C, M, M)[min(rank, 3)]
        used = {size for node in self.known.values() for size in node.shape}
        sizes = {
            size for size in (*used, *self.sizes, *self.amounts.sizes) if isinstance(size, str)
        }
        heading = self.heading
        if heading is None or self.is_zero():
            return kinds_of(self.text, self.parsed.right, known, sizes)

        def limited(solver: KindSolver) -> None:
            self.limit(solver, heading)

        return kinds_of(self.text, self.parsed.right, known, sizes, limited)

    def size_names(self) -> frozenset[str]:
        """Return the names that stand for sizes."""
        used = {size for node in self.known.values() for size in node.shape}
        every = (*used, *self.sizes, *self.amounts.sizes)
        return frozenset(size for size in every if isinstance(size, str)) - self.known.keys()

    def is_zero(self) -> bool:
        return self.parsed.right.op == "number" and self.parsed.right.value == 0

    def limit(self, solver: KindSolver, heading: MatrixHeading) -> None:
        """Tell what the layout says of the kinds of the whole and of the variables.

        A text without a layout is in that which is usual, see `settle_layout`.
        """
        enter, named, root = solver.limit, solver.named, solver.root
        layout, (_, is_vec) = self.layout, heading.function
        for name, is_matrix in heading.by:
            is_inner = is_vec and (name, is_matrix) != heading.by[-1]  # within vec(∂f/∂A)
            if is_matrix:
                enter((named(name),), ((M,),), self.parsed.right)
            elif layout in ("", "shape") or is_inner:
                named(name)
            else:
                enter((named(name),), ((S,), (C,)), self.parsed.right)
        name, is_matrix = heading.by[-1]
        turned = layout == "denominator"
        above = (R, M) if not turned else (C, M)  # the kinds with axes of the variable
        without = (S, C) if not turned else (S, R)
        if layout == "shape":
            enter((root,), ((M,),), self.parsed.right)
            return
        lines = [(kind, M if is_matrix else C) for kind in above]
        lines += [] if is_matrix else [(kind, S) for kind in without]
        if not layout and not is_vec and not is_matrix:
            lines += [(M, M), (M, S)]
        enter((root, named(name)), tuple(lines), self.parsed.right)
        if is_vec:
            whole = (C, M) if not turned else (R, M)
            enter((root,), tuple((kind,) for kind in whole), self.parsed.right)

    def settle_layout(self, kinds: Kinds, heading: MatrixHeading) -> None:
        """Choose the layout of a text that does not say it.

        A matrix that belongs to a matrix, and not to its vec, has the shape of that matrix; all
        else is in numerator layout.
        """
        if self.layout or self.is_zero():
            return
        by = [(kinds.names[name], is_vec) for name, is_vec in heading.by]
        is_of_function = kinds.of[id(self.parsed.right)] == M and by[-1][0] == S
        is_shape = is_of_function or any(kind == M and not is_vec for kind, is_vec in by)
        self.layout = "shape" if is_shape and not heading.function[1] else "numerator"

    def built(self) -> tuple[MatrixBuilder, Node, tuple[int, ...] | None]:
        """Return the node, and how many axes the function and each variable have in it."""
        kinds = self.kinds()
        if self.heading is not None:
            self.settle_layout(kinds, self.heading)
        powers = {
            name: size
            for name, size in self.sizes.items()
            if isinstance(size, int) and name in self.amounts.exponents
        }
        tree, order = self.parsed.right, self.parsed.order
        builder = MatrixBuilder(self.text, tree, kinds, self.known, powers, order)
        given = {size for node in self.known.values() for size in node.shape}
        for name in self.size_names():
            size = self.sizes.get(name, name if name in given else None)
            builder.named_sizes[name] = MarginAxis(size)
        taken = list(self.sizes.values())
        if self.heading is not None and self.is_zero():
            return self.zero(builder, self.heading, taken)
        builder.measure()
        groups = self.groups(builder) if self.heading is not None else None
        builder.name_sizes(taken)
        node = builder.build()
        if groups is None:
            return builder, builder.whole(node), None
        return builder, *self.unfolded(builder, node, groups)

    def zero(
        self, builder: MatrixBuilder, heading: MatrixHeading, taken: Sequence[Size]
    ) -> tuple[MatrixBuilder, Node, tuple[int, ...] | None]:
        """Return the derivative of what does not depend on the variable, of a number."""
        if heading.function[1]:
            raise ShapeError(
                f"the sizes of '{heading.function[0]}' do not follow from a derivative that is 0",
                text=self.text,
                action="write index notation, with a range for each label: ∂f_{i<3}/∂x_p = 0",
            )
        ranks = []
        names = dict(builder.kinds.names)
        for name, is_matrix in heading.by:
            node = self.known.get(name)
            upper = M if name[0].isupper() else C
            rank = len(node.shape) if node is not None else 2 if is_matrix or upper == M else 1
            names[name] = (S, C, M)[min(rank, 2)]
            ranks.append(rank)
        builder.kinds = Kinds(builder.kinds.of, names)
        for name, _ in heading.by:
            builder.operand(name)
        builder.name_sizes(taken)
        shape = [n for name, _ in heading.by for n in builder.variable(name).shape]
        return builder, zero(shape), (0, *ranks)

    def groups(self, builder: MatrixBuilder) -> list[list[Margin]]:
        """Return the sides of the function and of each variable.

        The sizes of the whole are those that the layout says.
        """
        heading = self.heading
        assert heading is not None
        root = builder.of[id(self.parsed.right)]
        by = [
            [side for side in builder.operand(name) if side is not NONE] for name, _ in heading.by
        ]
        rows, columns = (root.rows, root.columns)
        if self.layout == "denominator":
            rows, columns = columns, rows
        if self.layout == "shape":
            return self.shaped(builder, by)
        flat = self.flat(by[-1])
        builder.equal(columns, flat, self.parsed.right, "columns", self.parsed.right, "columns")
        function: list[Margin] = []
        extents = rows.axes
        before = [side for own in by[:-1] for side in own]
        if self.parsed.shape is not None:
            function = [builder.written([size]) for size in self.parsed.shape]
        elif heading.function[1]:
            count = -1 if extents is None else len(extents) - len(before)
            if extents is None or count not in ((0, 1, 2) if before else (2,)):
                self.refuse_extents()
            own = extents if self.parsed.order == "C" else extents[::-1]
            function = [Margin((extent,)) for extent in own[:count]]
        elif before:
            if extents is not None and len(extents) > len(before):
                self.refuse_extents()
        elif extents != ():
            if extents is None:
                builder.sides.equate(rows, builder.sides.axis())
            function = [rows]
            if len(rows.axes or ()) > 1:  # what was merged is one axis
                builder.sides.settle()
                sizes = builder.sides.sizes(rows)
                if not all(isinstance(size, int) for size in sizes):
                    self.refuse_extents()
                function = [builder.sides.axis(prod(int(size or 0) for size in sizes))]
        flat = self.flat([*function, *before])
        builder.equal(rows, flat, self.parsed.right, "rows", self.parsed.right, "rows")
        return [function, *by]

    def shaped(self, builder: MatrixBuilder, by: list[list[Margin]]) -> list[list[Margin]]:
        """Return the sides of what has the shape of a matrix: they are its rows and columns."""
        assert self.heading is not None
        if len(by[-1]) == 1:
            raise ShapeError(
                f"'{self.heading.by[-1][0]}' is a column, and what has its shape is a matrix",
                text=self.text,
                action="write on the left what the derivative is by: ∂f/∂X = ..",
            )
        tree = self.parsed.right
        own = [side for sides in by for side in sides]
        matrix = builder.of[id(tree)]
        if len(own) == 1:
            assert self.heading is not None
            raise ShapeError(
                f"'{self.heading.by[-1][0]}' is a column, and what has its shape is a matrix",
                text=self.text,
                action="write on the left what the derivative is by: ∂f/∂X = ..",
            )
        function = [matrix.rows, matrix.columns][: max(2 - len(own), 0)]
        sides = [*function, *own]
        if len(sides) != 2:
            self.refuse_shape()
        nameless = MatrixTree("name", (), "", 0, 0)
        builder.same(matrix, Margins(*sides), tree, nameless)
        return [function, *by]

    def refuse_extents(self) -> NoReturn:
        assert self.heading is not None
        name = self.heading.function[0]
        raise ShapeError(
            f"the shape of '{name}' does not follow from its derivative",
            text=self.text,
            action=f"write it behind: (numerator layout, vec order C, {name} has shape 2 by 3)",
        )

    def refuse_shape(self) -> NoReturn:
        raise ShapeError(
            "a matrix does not have so many axes",
            text=self.text,
            action="write vec on the left-hand side, as in ∂f/∂vec(A) = ..",
        )

    def flat(self, sides: Sequence[Margin]) -> Margin:
        """Return the sides of a tensor as one, in the order of the vec."""
        extents = tuple(extent for side in sides for extent in side.axes or ())
        return Margin(extents if self.parsed.order == "C" else extents[::-1])

    def unfolded(
        self, builder: MatrixBuilder, node: Node, groups: list[list[Margin]]
    ) -> tuple[Node, tuple[int, ...]]:
        """Return a derivative with its own axes, of what was written as a matrix."""
        tree, order = self.parsed.right, self.parsed.order
        have = builder.shape(tree)
        if self.layout == "shape":
            return builder.whole(node), tuple(len(own) for own in groups)
        first = [side for own in groups[:-1] for side in own]
        rows, columns = (self.flat(own) for own in (first, groups[-1]))
        want = [builder.extents(rows, tree), builder.extents(columns, tree)]
        is_turned = self.layout == "denominator"
        node = builder.regrouped(node, have, want[::-1] if is_turned else want, tree)
        labels = list(range(len(node.shape)))
        count = len(want[1] if is_turned else want[0])
        sides = [labels[:count], labels[count:]]
        if is_turned:
            sides.reverse()
        if order == "F":
            sides = [own[::-1] for own in sides]
        return einsum([node], [labels], [*sides[0], *sides[1]]), tuple(len(own) for own in groups)

    def left_side(
        self, node: Node, split: tuple[int, ...] | None, variables: Mapping[str, Node]
    ) -> tuple[str, tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]:
        """Return the name of the function, and letters for its axes and those of variables."""
        left = self.parsed.left
        own = fresh_letters(set(), DUMMY)
        if left is None or split is None:
            name = left.function[0] if left is not None else ""
            name = name or first_unused("fghuvwFGH", set(variables))
            return name, tuple(next(own) for _ in node.shape), ()
        axes = tuple(next(own) for _ in range(split[0]))
        others = fresh_letters(set(axes), DOMAIN)
        wrt = tuple(
            (name, tuple(next(others) for _ in range(count)))
            for (name, _), count in zip(left.by, split[1:], strict=True)
        )
        return left.function[0], axes, wrt
