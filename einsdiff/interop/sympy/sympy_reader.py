r"""The parts of an expression of SymPy: entries as trees of index notation, arrays as nodes.

Both may stand inside of each other: an entry of a matrix in a sum, and a number before a matrix.

>>> import sympy
>>> M, v = sympy.MatrixSymbol("M", 2, 3), sympy.MatrixSymbol("v", 3, 1)
>>> reader = SympyReader(sympy, {})
>>> reader.scan(M * v, (), ())
>>> reader.declare()
>>> run(reader.node(M * v)).shape
(2, 1)
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import reduce
from itertools import product
from typing import Any

from einsdiff.algebra.nodes.function_records import FUNCTIONS, lookup
from einsdiff.algebra.nodes.interning import Node, delta, zero
from einsdiff.algebra.nodes.levi_civita import LEVI_CIVITA
from einsdiff.algebra.nodes.nodes import call, einsum, partial
from einsdiff.algebra.operations.joining import concatenate
from einsdiff.algebra.operations.reshaping import reshape
from einsdiff.algebra.reading.binding import Builder
from einsdiff.algebra.reading.epsilons import epsilon_name
from einsdiff.algebra.reading.kinds import Part, Total
from einsdiff.algebra.reading.parts import PartReader
from einsdiff.display.sympy.vocabulary import named_by_sympy
from einsdiff.errors import OperandError, ShapeError, SubscriptsError, shape_text
from einsdiff.interop.sympy.meanings import (
    NODES,
    NOT_READ,
    REWRITTEN,
    SIGNS,
    TREES,
    bracketed,
    refuse,
)
from einsdiff.interop.sympy.symbols import Scope, Symbols, name_of, plain, walk
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.letters import fresh_letters
from einsdiff.notation.subscripts import SIZES, Size
from einsdiff.notation.trees import (
    Affine,
    Apply,
    Compare,
    Index,
    Literal,
    Over,
    Power,
    Product,
    Sum,
    Symbol,
    Tree,
)

#: What the permutation symbol is called in trees of entries, which no operand is called.
_LEVI_CIVITA = "LeviCivita"


class SympyReader(Symbols):
    """Reads the parts of one expression; its methods are jobs, see `run`."""

    def __init__(self, sympy: Any, operands: Mapping[str, Any]) -> None:
        super().__init__(sympy, operands)
        #: For each name the labels of its axes, as often as they differ.
        self.letters: dict[str, dict[tuple[str, ...], None]] = {}
        #: What a bound symbol for an entry stands for, see `elementwise`.
        self.entries: dict[Any, Tree] = {}
        self.nodes: dict[Any, Node] = {}
        #: The indices that are axes, where that is said.
        self.axes: frozenset[Any] = frozenset()

    # From a tree to a node.

    def built(
        self,
        tree: Tree,
        letters: Sequence[str] | None,
        sizes: Sequence[Size],
        by: str = "",
        unknown: Mapping[str, int] | None = None,
    ) -> tuple[Node, Sequence[str]]:
        """Build a node of a tree, given the ranks of the operands that have no node yet.

        Its axes have these letters, or are those that are free, and these sizes, said by someone.
        """
        unknown = unknown or {}
        ranks = {**{name: len(node.shape) for name, node in self.names.items()}, **unknown}
        size_names = {size for size in self.sizes.values() if isinstance(size, str)}
        parts = PartReader(
            ranks, size_names=frozenset(size_names.difference(ranks)), labels=frozenset()
        )
        parts.epsilons = frozenset([_LEVI_CIVITA])
        symbols = {epsilon_name(n): node for n, node in LEVI_CIVITA.items()}
        builder = Builder(parts, {**self.names, **symbols})
        for name, rank in unknown.items():
            builder.axes[name] = tuple(builder.new() for _ in range(rank))
        root = run(parts.whole(tree))
        if letters is None:
            letters = self.free(root, parts)
        if not all(letters) or len({*letters}) < len(letters):
            raise SubscriptsError(
                "the axes are not named by different indices",
                action="write a symbol for each axis, Eq(f[i, j], ..), and deltas on the "
                "right-hand side",
            )
        env = {letter: builder.new(letter) for letter in letters}
        for letter, size in zip(letters, sizes, strict=bool(sizes)):
            builder.give(env[letter], size, by)
        run(builder.bind(root, env))
        builder.settle(
            {
                label: self.size(symbol.upper + 1)
                for symbol, label in self.labels.items()
                if isinstance(symbol, self.sympy.Idx) and symbol.upper is not None
            }
        )
        self.name_sizes(builder, env)
        for name in unknown:
            shape = [builder.size_of(axis) for axis in builder.axes[name]]
            builder.names[name] = self.names[name] = self.made(name, shape)
        return builder.finish(root, [env[letter] for letter in letters]), letters

    def free(self, root: Part, parts: PartReader) -> list[str]:
        """List the indices that stand once in every term that has any, in alphabetical order."""
        names = {label: name_of(symbol) for symbol, label in self.labels.items()}
        terms = [term for _, term in root.terms] if isinstance(root, Total) else [root]
        own = [
            sorted(
                (a for a, n in term.counts.items() if n == 1), key=lambda a: (names.get(a, a), a)
            )
            for term in terms
        ]
        found = next((letters for letters in own if letters), [])
        for letters, term in zip(own, terms, strict=True):
            summed = [a for a in found if term.counts.get(a, 1) != 1]
            if (letters and letters != found) or summed:
                shown_as = [
                    ", ".join(names.get(a, a) for a in group) or "none"
                    for group in (found, letters)
                ]
                parts.fail(
                    f"the terms have different indices: {' and '.join(shown_as)}",
                    (),
                    "say which ones are axes, from_sympy(expr, axes=[i, j]), or write Sum for "
                    "those that are not",
                )
        return found

    def name_sizes(self, builder: Builder, env: Mapping[str, int]) -> None:
        """Give names to the sizes of operands that nobody said."""
        new = fresh_letters({str(size) for size in self.sizes.values()}, SIZES)
        for name in sorted(builder.axes):
            for axis in builder.axes[name]:
                if not builder.is_sized(axis):
                    builder.give(axis, next(new), name)
        builder.settle({})
        for letter, index in env.items():
            if not builder.is_sized(index):
                raise SubscriptsError(
                    f"the size of '{letter}' is not known",
                    action=f"write Idx('{letter}', n), or IndexedBase('f', shape=..) on the "
                    "left-hand side",
                )
        for index in range(len(builder.parent)):
            if not builder.is_sized(index):
                builder.give(index, next(new))

    # Entries.

    def tree(self, expr: Any, scope: Scope) -> Job[Tree]:
        """Read the expression of an entry."""
        if expr in self.entries:
            return self.entries[expr]
        found: Tree
        if name := named_by_sympy().get(type(expr)):
            found = yield self.function(name, expr, scope)
            return found
        for kind in (kind.__name__ for kind in type(expr).__mro__):
            if kind in _ENTRIES:
                found = yield from _asked(_ENTRIES[kind](self, expr, scope))
                return found
            if kind in TREES:
                args = yield from self.trees(expr.args, scope)
                return TREES[kind](expr, *args)
        if type(expr).__name__ in NODES or self.is_array(expr):
            node = yield self.node(expr)
            if not node.shape:
                return self.operand(node)
        if written := REWRITTEN.get(type(expr).__name__):
            found = yield self.tree(written(self.sympy, *expr.args), scope)
            return found
        refuse(expr)

    def trees(self, exprs: Iterable[Any], scope: Scope) -> Job[list[Tree]]:
        """Read expressions of entries."""
        found = []
        for expr in exprs:
            found.append((yield self.tree(expr, scope)))
        return found

    def operand(self, node: Node, indices: tuple[Index, ...] = ()) -> Symbol:
        """Make an operand of a node."""
        name = f"part {len(self.names)}"  # no name of a variable has a blank
        self.names[name] = node
        return Symbol(name, indices)

    def is_said(self, exprs: Sequence[Any], scope: Scope) -> bool:
        """Tell whether no index that expressions share would be summed in their product.

        An index of an axis or of a ``Sum`` is not.
        """
        shared = set.intersection(*(part.free_symbols for part in exprs))
        return all(s in scope or s in self.axes for s in shared if s in self.labels)

    def name(self, expr: Any, scope: Scope) -> Tree:
        """Read a symbol: a variable without axes, or a size, which is a factor."""
        size = self.sizes.get(expr)
        if size is not None and expr not in scope:
            return Literal(size) if isinstance(size, int) else Symbol(size)
        if expr in self.labels:
            refuse(
                expr,
                f"the index {expr} is taken for a number",
                "put a vector in its place, x[i] with x = 0, 1, ..",
            )
        return Symbol(self.leaf(expr))

    def undefined(self, expr: Any, scope: Scope) -> Tree | Job[Tree]:
        """Read a function that SymPy does not know: one of the table, or an unspecified one."""
        name = expr.func.__name__
        return self.function(name, expr, scope) if name in FUNCTIONS else Symbol(self.leaf(expr))

    def function(self, name: str, expr: Any, scope: Scope) -> Job[Tree]:
        """Read a function of the table."""
        inner = expr.args[0]
        if name == "log" and isinstance(inner, self.sympy.Abs):
            inner = inner.args[0]
        is_of_matrix = name == "sign" or (name == "log" and inner is not expr.args[0])
        if is_of_matrix and isinstance(inner, self.sympy.Determinant):
            found: Tree = yield self.of_matrix(f"{name}det", inner.args[0], scope)
            return found
        args = yield from self.trees(expr.args, scope)
        while len(args) > 2 and name in ("maximum", "minimum"):
            args[-2:] = [Apply(Symbol(name), tuple(args[-2:]))]
        return Apply(Symbol(name), tuple(args))

    def derivative_of(self, expr: Any, scope: Scope) -> Tree | Job[Tree]:
        """Read a derivative: a symbol for one, or one that SymPy takes."""
        if not self.is_symbol(expr):
            return self.tree(_differentiated(expr), scope)
        node: Node = self.variable(self.leaf(expr.expr))
        for by in expr.variables:
            node = partial(node, self.variable(self.leaf(by)))  # type: ignore[arg-type]
        return self.operand(node)

    def indexed(self, expr: Any, scope: Scope) -> Tree:
        """Read an entry of an operand; note its letters."""
        name = self.leaf(expr.base, len(expr.indices))
        node = self.names.get(name)
        labels = self.indices(expr.indices, None if node is None else node.shape, scope)
        spoken = tuple(label for label in labels if isinstance(label, str))
        if spoken and len(spoken) == len(labels):
            self.letters.setdefault(name, {}).setdefault(spoken)
        return Symbol(name, labels)

    def power(self, expr: Any, scope: Scope) -> Job[Tree]:
        """Read a power; that of ``1 + exp(-x)`` to -1 is the sigmoid, which does not overflow."""
        below, power = expr.args
        if power.is_Integer and power < 0 and below.is_Add and len(below.args) == 2:
            one, other = below.args
            if one == 1 and isinstance(other, self.sympy.exp):
                argument = yield self.tree(-other.args[0], scope)
                sigmoid: Tree = Apply(Symbol("sigmoid"), (argument,))
                return sigmoid if power == -1 else Power(sigmoid, Literal(-int(power)))
        base, exponent = yield from self.trees(expr.args, scope)
        return Power(base, exponent)

    def over(self, expr: Any, scope: Scope) -> Job[Tree]:
        """Read a sum or a product over indices; the first of its ranges is the innermost."""
        inner, ranges = dict(scope), []
        for limit in expr.limits:
            label, size, inner[limit[0]] = self.limits(expr, limit)
            ranges.append((label, size))
        outer, self.soft = self.soft, {**self.soft, **dict(ranges)}
        tree: Tree = yield self.tree(expr.function, inner)
        self.soft = outer
        if isinstance(expr, self.sympy.Product):
            return Apply(Symbol("prod"), (tree,), None, (tuple(ranges),))
        for label, size in ranges:
            tree = Over((label,), (size,), tree)
        return tree

    def kronecker(self, expr: Any, scope: Scope) -> Tree:
        """Read a delta, also of indices that are sums."""
        sides = [self.index(side, scope) for side in expr.args[:2]]
        labels = [plain(side) for side in sides]
        is_plain = all(isinstance(label, str) for label in labels)
        return Symbol("δ", tuple(labels if is_plain else sides))

    def levi_civita(self, expr: Any, scope: Scope) -> Tree:
        """Read the permutation symbol."""
        if len(expr.args) not in LEVI_CIVITA:
            raise OperandError(
                f"LeviCivita has {len(expr.args)} indices",
                action=f"{min(LEVI_CIVITA)} to {max(LEVI_CIVITA)} are read",
            )
        sides = (self.index(side, scope) for side in expr.args)
        return Symbol(_LEVI_CIVITA, tuple(map(plain, sides)))

    def comparison(self, expr: Any, scope: Scope) -> Job[Tree]:
        """Read a comparison, of two indices or of two numbers."""
        sign = next(SIGNS[kind.__name__] for kind in type(expr).__mro__ if kind.__name__ in SIGNS)
        symbols = expr.free_symbols
        if symbols and all(symbol in self.labels for symbol in symbols):
            one, other = (self.index(side, scope) for side in expr.args)
            return Compare(sign, one, other)
        left, right = yield from self.trees(expr.args, scope)
        return Compare(sign, left, right)

    def conjunction(self, expr: Any, scope: Scope) -> Job[Tree]:
        """Read a condition that is several: their product, unless that would be summed."""
        args = yield from self.trees(expr.args, scope)
        if self.is_said(expr.args, scope):
            return Product(tuple((bracketed(arg), 1) for arg in args))
        return reduce(lambda a, b: Apply(Symbol("minimum"), (a, b)), args)

    def piecewise(self, expr: Any, scope: Scope) -> Job[Tree]:
        """Read a choice; one of a value and 0 is their product."""
        *pairs, (last, rest) = expr.args
        if rest != True:  # noqa: E712 (SymPy's truth)
            refuse(expr, "Piecewise has no value elsewhere", "end it with (value, True)")
        tree: Tree = yield self.tree(last, scope)
        for value, condition in reversed(pairs):
            chosen, other = yield from self.trees((condition, value), scope)
            if tree == Literal(0) and self.is_said((condition, value), scope):
                # As SymPy writes the product of a condition and a value.
                tree = Product(((bracketed(chosen), 1), (bracketed(other), 1)))
            else:
                tree = Apply(Symbol("where"), (chosen, other, tree))
        return tree

    # Matrices and arrays inside of entries.

    def array_element(self, expr: Any, scope: Scope) -> Job[Tree]:
        """Read an entry of an array."""
        node = yield self.node(expr.args[0])
        return self.operand(node, self.indices(expr.args[1], None, scope))

    def trace(self, expr: Any, scope: Scope) -> Job[Tree]:
        """Read a trace, of a matrix that is given by its entries as a sum."""
        matrix = expr.args[0]
        if not _is_of_entries(matrix):
            node = yield self.node(matrix)
            return self.operand(einsum([node], ["ii"], ""))
        index = Affine(((1, self.new_label()),))
        entry = yield self.entry(matrix, index, index, scope)
        return Over((index.terms[0][1],), (self.size(matrix.shape[0]),), entry)

    def of_matrix(self, name: str, matrix: Any, scope: Scope) -> Job[Tree]:
        """Read a number that is a function of a matrix."""
        if _is_of_entries(matrix):
            core, entry = yield from self.core(matrix, scope)
            return Apply(Symbol(name), (entry,), None, (core,))
        function = lookup(name)
        assert function is not None
        return self.operand(call(function, [(yield self.node(matrix))]))

    def core(self, matrix: Any, scope: Scope) -> Job[tuple[tuple[tuple[str, Size], ...], Tree]]:
        """Read a matrix that a function acts on: its indices with their sizes, and the entry."""
        labels = [self.new_label(), self.new_label()]
        row, column = (Affine(((1, label),)) for label in labels)
        entry = yield self.entry(matrix, row, column, scope)
        return tuple(zip(labels, map(self.size, matrix.shape), strict=True)), entry

    def element(self, expr: Any, scope: Scope) -> Job[Tree]:
        """Read an entry of a matrix, which is named by its indices."""
        matrix, row, column = expr.args
        return self.entry(matrix, self.index(row, scope), self.index(column, scope), scope)

    def entry(self, matrix: Any, row: Affine, column: Affine, scope: Scope) -> Job[Tree]:
        """Read an entry of a matrix."""
        sympy = self.sympy
        found: Tree
        if isinstance(matrix, sympy.Transpose) and _is_of_entries(matrix):
            found = yield self.entry(matrix.args[0], column, row, scope)
            return found
        if isinstance(matrix, sympy.FunctionMatrix):
            i, j = matrix.lamda.variables
            found = yield self.tree(matrix.lamda.expr, {**scope, i: row, j: column})
            return found
        labels = plain(row), plain(column)
        if isinstance(matrix, sympy.Inverse) and _is_of_entries(matrix):
            inside = matrix.args[0]
            core, value = yield from self.core(inside, scope)
            symbols = [s for s in inside.free_symbols if s in self.labels]
            batch = sorted({a for s in symbols for _, a in self.index(s, scope).terms})
            return Apply(Symbol("inv"), (value,), (*batch, *labels), (core,))
        if isinstance(matrix, sympy.MatrixSymbol):
            name = self.leaf(matrix)
            if len(self.names[name].shape) < 2:  # a vector, or a number
                sized = zip(labels, matrix.shape, strict=True)
                return Symbol(name, tuple(label for label, size in sized if size != 1))
            return Symbol(name, labels)
        return self.operand((yield self.node(matrix)), labels)

    # Arrays.

    def node(self, expr: Any) -> Job[Node]:
        """Read a matrix or array expression; axes of size 1 are axes."""
        if expr not in self.nodes:
            self.nodes[expr] = yield self.new_node(expr)
        return self.nodes[expr]

    def new_node(self, expr: Any) -> Job[Node]:
        """Read a matrix or array expression that was not read yet."""
        for kind in (kind.__name__ for kind in type(expr).__mro__):
            if kind in _ARRAYS:
                found: Node = yield from _asked(_ARRAYS[kind](self, expr))
                return found
            if kind in NODES:
                args = []
                for arg in expr.args:
                    if type(arg).__name__ not in NOT_READ:
                        args.append((yield self.node(arg)))
                return NODES[kind](expr, *args)
        if self.is_array(expr):
            refuse(expr)
        self.need_shapes(expr)  # of a number
        node, _ = self.built((yield self.tree(expr, {})), (), ())
        return node

    def need_shapes(self, expr: Any) -> None:
        """Refuse names whose shapes only the rest of the expression could tell."""
        for part in walk(expr):
            if isinstance(part, self.sympy.IndexedBase) and self.leaf(part) not in self.names:
                refuse(
                    expr,
                    f"the shape of '{part}' is not known",
                    f"write IndexedBase('{part}', shape=..), or pass {part}=shape",
                )

    def shape(self, expr: Any) -> tuple[Size, ...]:
        """Read the sizes of a matrix or an array."""
        return tuple(self.size(size) for size in expr.shape)

    def symbol(self, expr: Any) -> Node:
        """Read a symbol for a matrix or an array."""
        node = self.names[self.leaf(expr)]
        shape = tuple(expr.shape)
        if len(node.shape) == len(shape):
            return node
        axes = [k for k, size in enumerate(shape) if size != 1]
        if len(axes) != len(node.shape):
            raise ShapeError(
                f"'{expr}' has the shape {shape_text(shape)} in the expression, and "
                f"{shape_text(node.shape)} as given",
                action="pass an operand of that shape, or a vector for a matrix of one column",
            )
        ones = {k: 1 for k, size in enumerate(shape) if size == 1}
        return einsum([node], [axes], range(len(shape)), ones)

    def ones(self, expr: Any) -> Node:
        """Read an array of ones."""
        shape = self.shape(expr)
        return einsum([], [], range(len(shape)), dict(enumerate(shape)))

    def reshaped(self, expr: Any) -> Job[Node]:
        """Read an array of another shape."""
        node = yield self.node(expr.args[0])
        return reshape(node, self.shape(expr))

    def blocks(self, expr: Any) -> Job[Node]:
        """Read a matrix of matrices."""
        rows = []
        for i in range(expr.blocks.rows):
            row = []
            for j in range(expr.blocks.cols):
                row.append((yield self.node(expr.blocks[i, j])))
            rows.append(concatenate(row, 1))
        return concatenate(rows, 0)

    def elementwise(self, expr: Any) -> Job[Node]:
        """Apply a function of SymPy to each entry."""
        function, array = expr.args
        node = yield self.node(array)
        entry = self.sympy.Dummy("d")
        labels = tuple(self.new_label() for _ in node.shape)
        self.entries[entry] = self.operand(node, labels)
        made, _ = self.built((yield self.tree(function(entry), {})), labels, node.shape)
        return made

    def of_indices(self, expr: Any) -> Job[Node]:
        """Read a matrix that is given by its entries."""
        self.need_shapes(expr)
        core, entry = yield from self.core(expr, {})
        node, _ = self.built(entry, [label for label, _ in core], [size for _, size in core])
        return node

    def explicit(self, expr: Any) -> Job[Node]:
        """Read an array of expressions."""
        shape = tuple(int(size) for size in expr.shape)
        labels = tuple(self.new_label() for _ in shape)
        terms: list[tuple[int, Tree]] = []
        for position in product(*map(range, shape)):
            value = self.sympy.sympify(expr[position])
            if value == 0:
                continue
            tree = yield self.tree(value, {})
            deltas = [
                (Symbol("δ", (Affine(((1, label),)), Affine((), k))), 1)
                for label, k in zip(labels, position, strict=True)
            ]
            terms.append((1, Product((*deltas, (bracketed(tree), 1)))))
        return self.built(Sum(tuple(terms)), labels, shape)[0] if terms else zero(shape)


def _asked(found: Any) -> Job[Any]:
    """Return what was found, or the answer of a job."""
    return (yield found) if isinstance(found, Generator) else found


def _is_of_entries(matrix: Any) -> bool:
    """Tell whether a matrix is given by its entries, or is the inverse or transpose of one."""
    while type(matrix).__name__ in ("Inverse", "Transpose"):
        matrix = matrix.args[0]
    return type(matrix).__name__ == "FunctionMatrix"


def _differentiated(expr: Any) -> Any:
    """Have SymPy take a derivative that was only written."""
    done = expr.doit()
    if isinstance(done, type(expr)):
        refuse(
            expr,
            "SymPy leaves this derivative as it is",
            "differentiate here: ed.grad(ed.from_sympy(expr), wrt=..)",
        )
    return done


#: How the entries are read that are more than a function of their arguments.
_ENTRIES: dict[str, Callable[[SympyReader, Any, Scope], Tree | Job[Tree]]] = {
    "Symbol": SympyReader.name,
    "AppliedUndef": SympyReader.undefined,
    "Derivative": SympyReader.derivative_of,
    "Indexed": SympyReader.indexed,
    "Pow": SympyReader.power,
    "Sum": SympyReader.over,
    "Product": SympyReader.over,
    "KroneckerDelta": SympyReader.kronecker,
    "LeviCivita": SympyReader.levi_civita,
    "MatrixElement": SympyReader.element,
    "ArrayElement": SympyReader.array_element,
    "Trace": SympyReader.trace,
    "Determinant": lambda reader, expr, scope: reader.of_matrix("det", expr.args[0], scope),
    "Piecewise": SympyReader.piecewise,
    **dict.fromkeys(SIGNS, SympyReader.comparison),
    "And": SympyReader.conjunction,
}

#: How the arrays are read that are more than a function of their arguments.
_ARRAYS: dict[str, Callable[[SympyReader, Any], Node | Job[Node]]] = {
    "MatrixSymbol": SympyReader.symbol,
    "ArraySymbol": SympyReader.symbol,
    "Identity": lambda reader, expr: delta(reader.size(expr.shape[0])),
    "OneMatrix": SympyReader.ones,
    "OneArray": SympyReader.ones,
    "ZeroMatrix": lambda reader, expr: zero(reader.shape(expr)),
    "ZeroArray": lambda reader, expr: zero(reader.shape(expr)),
    "BlockMatrix": SympyReader.blocks,
    "ElementwiseApplyFunction": SympyReader.elementwise,
    "ArrayElementwiseApplyFunc": SympyReader.elementwise,
    "FunctionMatrix": SympyReader.of_indices,
    "Reshape": SympyReader.reshaped,
    "ArrayDerivative": lambda reader, expr: reader.node(_differentiated(expr)),
    "MatrixBase": SympyReader.explicit,
    "NDimArray": SympyReader.explicit,
}
