r"""Expressions of SymPy as tensors.

SymPy writes a sum over entries in three ways, which mean one tensor here:

.. math:: f_i = \sum_j A_{ij} x_j:\qquad
    \texttt{Sum(A[i, j]*x[j], (j, 0, n - 1))},\quad
    \texttt{ArrayContraction(ArrayTensorProduct(A, x), (1, 2))},\quad
    \texttt{A*x} .

An entry with indices becomes a tree of index notation, so that an index that repeats without a
``Sum`` is summed by the same rule as there. Matrix and array expressions become nodes, each once.
Both may stand inside of each other. What is written is `einsdiff.display.sympy.symbolic`.

>>> import sympy
>>> i, j = sympy.symbols("i j", integer=True)
>>> A, x = sympy.IndexedBase("A"), sympy.IndexedBase("x")
>>> from_sympy(A[i, j] * x[j])
f_i = A_ij x_j
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice, product
from typing import Any

from einsdiff.algebra.nodes.function import FUNCTIONS, lookup
from einsdiff.algebra.nodes.graph import dependencies, topological
from einsdiff.algebra.nodes.nodes import Node, Variable, call, delta, einsum, partial, zero
from einsdiff.algebra.operations.joining import concatenate
from einsdiff.algebra.operations.reshaping import reshape
from einsdiff.algebra.reading.binding import Builder
from einsdiff.algebra.reading.kinds import Part, Total
from einsdiff.algebra.reading.parts import PartReader
from einsdiff.display.index.lettering import Heading, Letters
from einsdiff.display.sympy.vocabulary import named_by_sympy, sympy_module
from einsdiff.errors import (
    EinsdiffError,
    OperandError,
    ShapeError,
    SubscriptsError,
    page,
    shape_text,
)
from einsdiff.expressions.combining import checked_arrays
from einsdiff.expressions.formula import Formula, fresh, function_name
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.interop.sympy.meanings import (
    NODES,
    NOT_READ,
    REWRITTEN,
    SIGNS,
    TREES,
    bracketed,
    refuse,
    shown,
    without_unit_axes,
    written_out,
)
from einsdiff.interop.sympy.symbols import Scope, Symbols, name_of, parted, plain, walk
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

__all__ = ["from_sympy"]

#: An expression that is shared is written out where it stands, up to so many parts.
MOST_PARTS = 200_000


def from_sympy(
    expr: Any,
    /,
    *,
    axes: Sequence[Any] | None = None,
    domain: int | None = None,
    **operands: Any,
) -> Tensor:
    r"""Make a tensor of an expression of SymPy.

    Parameters
    ----------
    expr
        An expression with indices, of ``IndexedBase``, ``Sum``, ``KroneckerDelta``; an array
        expression, of ``ArraySymbol``, ``ArrayTensorProduct``, ``ArrayContraction``; a matrix
        expression, of ``MatrixSymbol``, whose matrices of one column or one row are vectors; an
        ``Array`` or ``Matrix`` of expressions; an equation, ``Eq(f(A, x)[i], ..)``, whose
        left-hand side says the order of the axes; or a ``Lambda`` of the indices.
    axes
        The indices of the result in order, where neither an equation nor a ``Lambda`` says it;
        otherwise they are in alphabetical order.
    domain
        How many axes, the last ones, belong to what was differentiated by, if this is a
        derivative. The equations of `Tensor.to_sympy` say it themselves.
    **operands
        Of a name in the expression, the tensor that it is, its array, or its shape.

    Returns
    -------
    Tensor
        An index that repeats in a product, and is neither an axis nor that of a ``Sum``, is summed.
        Indices count from 0. Integers and fractions are exact, π and the like are floats.

    Raises
    ------
    OperandError
        SymPy is not installed, or a part of the expression has no counterpart.
    SubscriptsError
        It is not clear what the axes are, or what is summed.
    ShapeError
        An index has two sizes, or is outside of its axis.
    BindingError
        An operand is given that is not in the expression.

    Examples
    --------
    >>> import sympy
    >>> import einsdiff as ed
    >>> n = sympy.Symbol("n", integer=True, positive=True)
    >>> A, x = sympy.MatrixSymbol("A", n, n), sympy.MatrixSymbol("x", n, 1)
    >>> ed.grad(ed.from_sympy(sympy.Trace(x.T * A * x)), wrt="x")
    ∂f/∂x_p = x_i A_ip + x_i A_pi

    What is written is read back:

    >>> J = ed.grad("ij,j->i", "A", "x", wrt="A")
    >>> ed.from_sympy(J.to_sympy()) == J
    True
    """
    sympy = sympy_module("from_sympy()")
    try:
        if isinstance(expr, sympy.MatrixBase):
            expr = sympy.ImmutableDenseMatrix(expr)
        elif isinstance(expr, sympy.NDimArray):
            expr = sympy.ImmutableDenseNDimArray(expr)
        if not isinstance(expr, sympy.Basic | sympy.MatrixBase | sympy.NDimArray):
            raise OperandError(
                page(
                    f"{type(expr).__name__} is no expression of SymPy",
                    action="pass a SymPy expression; ed.parse reads strings",
                )
            )
        count = written_out(expr)
        if count > MOST_PARTS:
            raise OperandError(
                page(
                    f"written out, the expression has {count} parts, more than {MOST_PARTS}",
                    action="name a part of it with a symbol, and convert the parts",
                )
            )
        return _SympyReader(sympy, operands).tensor(expr, axes, domain)
    except RecursionError:
        raise OperandError(
            page(
                "the expression is nested too deeply for SymPy, which goes down by recursion",
                action="name a part of it with a symbol, and convert the parts",
            )
        ) from None


# --- reading ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Left:
    """A left-hand side: the name, what it is differentiated by, the arguments and the axes."""

    name: str = ""
    wrt: Sequence[str] = ()
    arguments: tuple[str, ...] = ()
    axes: tuple[Any, ...] | None = None
    dims: tuple[Any, ...] = ()


class _SympyReader(Symbols):
    """Reads one expression; the methods that read parts are jobs, see `run`."""

    def __init__(self, sympy: Any, operands: Mapping[str, Any]) -> None:
        super().__init__(sympy, operands)
        #: For each name the labels of its axes, as often as they differ.
        self.letters: dict[str, dict[tuple[str, ...], None]] = {}
        #: What a bound symbol for an entry stands for, see `elementwise`.
        self.entries: dict[Any, Tree] = {}
        self.nodes: dict[Any, Node] = {}
        #: The indices that are axes, where that is said.
        self.axes: frozenset[Any] = frozenset()

    # The whole.

    def tensor(self, expr: Any, axes: Sequence[Any] | None, domain: int | None) -> Tensor:
        """Read the whole; see `from_sympy`."""
        left, right = self.sides(expr)
        if axes is not None:
            left.axes = tuple(self.axis(axis, right) for axis in axes)
        self.axes = frozenset(left.axes or ())
        self.scan(right, left.axes or (), left.dims)
        self.declare()
        letters: Sequence[str]
        try:
            if self.is_array(right):
                node = run(self.node(right))
                if isinstance(right, self.sympy.MatrixBase | self.sympy.MatrixExpr):
                    node = without_unit_axes(node)
                letters = fresh(len(node.shape), self.leaves)
            else:
                node, letters = self.whole(run(self.tree(right, {})), left)
        except EinsdiffError as error:
            raise error.located(shown(right)) from None
        return self.made_tensor(node, letters, left, domain)

    def sides(self, expr: Any) -> tuple[_Left, Any]:
        """Split an equation, or a function of the indices, from the expression of an entry."""
        sympy = self.sympy
        if isinstance(expr, sympy.Lambda):
            signature = tuple(expr.signature)
            if any(isinstance(part, sympy.Tuple | tuple) for part in signature):
                refuse(expr, "the indices of a Lambda are nested", "write Lambda((i, j), ..)")
            return _Left(axes=signature), expr.expr
        if not isinstance(expr, sympy.Eq):
            return _Left(), expr
        side = expr.lhs
        base = side.base if isinstance(side, sympy.Indexed) else side
        label = base.label if isinstance(base, sympy.IndexedBase) else base
        if isinstance(label, self.applied_undef):
            name, arguments = label.func.__name__, label.args
        elif isinstance(label, sympy.Symbol | sympy.MatrixSymbol):
            name, arguments = label.name, ()
        else:
            refuse(
                side,
                "the left-hand side is no name with indices",
                "write Eq(f[i], ..), with f = IndexedBase('f'), or pass the right-hand side",
            )
        left = _Left(axes=tuple(side.indices) if base is not side else None)
        if base is not side and base.shape is not None:
            left.dims = tuple(base.shape)
        left.name, *left.wrt = parted(name)
        left.arguments = tuple(self.leaf(argument) for argument in arguments)
        if left.axes is None and not self.is_array(expr.rhs):
            left.axes = ()
        return left, expr.rhs

    def axis(self, axis: Any, expr: Any) -> Any:
        """Find the index symbol that a name means."""
        if not isinstance(axis, str):
            return axis
        symbols = self.sympy.Symbol | self.sympy.Idx
        named = (s for s in walk(expr) if isinstance(s, symbols) and name_of(s) == axis)
        return next(named, None) or self.sympy.Symbol(axis, integer=True)

    def made_tensor(
        self, node: Node, letters: Sequence[str], left: _Left, domain: int | None
    ) -> Tensor:
        """Make the tensor: its variables, its left-hand side, and its values."""
        order = {name: k for k, name in enumerate(dict.fromkeys((*left.arguments, *self.leaves)))}
        known = [self.names[name] for name in order if name in self.names]
        found = [v for v in topological([*known, node], dependencies) if isinstance(v, Variable)]
        found.sort(key=lambda v: order.get(v.name, len(order)))
        arguments = {v.name: v for v in found}
        rank = len(node.shape)
        ranks = [len(self.variable(name).shape) for name in left.wrt]
        if sum(ranks) > rank:
            raise ShapeError(
                page(
                    f"the left-hand side has {rank} indices, and what it is "
                    f"differentiated by has {sum(ranks)}",
                    action="write an index for each axis of the function and the variables",
                )
            )
        if ranks:
            domain = ranks[-1]
        if domain is not None and not 0 <= domain <= rank:
            raise ShapeError(
                page(
                    f"domain={domain} of {rank} axes",
                    action="say how many of the axes, the last ones, are those of the variable",
                )
            )
        rest = iter(letters)
        own = tuple(islice(rest, rank - sum(ranks)))
        groups = [(name, tuple(islice(rest, n))) for name, n in zip(left.wrt, ranks, strict=True)]
        heading = Heading(left.name or function_name(arguments), own, tuple(groups))
        spoken = Letters({name: tuple(self.letters.get(name, ())) for name in arguments})
        formula = Formula(node, heading, spoken, tuple(arguments.values()), domain)
        used = {name: array for name, array in self.values.items() if name in arguments}
        return Tensor(formula, checked_arrays(Tensor(formula, {}), used))

    # From a tree to a node.

    def whole(self, tree: Tree, left: _Left) -> tuple[Node, Sequence[str]]:
        """Build the expression of an entry; find the axes, and the sizes that no one says."""
        letters = None
        if left.axes is not None:
            letters = [self.labels.get(axis, "") for axis in left.axes]
        ranks = {name: leaf.rank for name, leaf in self.leaves.items() if leaf.rank is not None}
        unknown = {name: rank for name, rank in ranks.items() if name not in self.names}
        sizes = [self.size(size) for size in left.dims]
        return self.built(tree, letters, sizes, "the left-hand side", unknown)

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
        builder = Builder(parts, self.names)
        for name, rank in unknown.items():
            builder.axes[name] = tuple(builder.new() for _ in range(rank))
        root = run(parts.whole(tree))
        if letters is None:
            letters = self.free(root, parts)
        if not all(letters) or len({*letters}) < len(letters):
            raise SubscriptsError(
                page(
                    "the axes are not named by different indices",
                    action="write a symbol for each axis, Eq(f[i, j], ..), and deltas on the "
                    "right-hand side",
                )
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
                    page(
                        f"the size of '{letter}' is not known",
                        action=f"write Idx('{letter}', n), or IndexedBase('f', shape=..) on the "
                        "left-hand side",
                    )
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
        sides = [self.index(side, scope) for side in expr.args[:2]]
        labels = [plain(side) for side in sides]
        is_plain = all(isinstance(label, str) for label in labels)
        return Symbol("δ", tuple(labels if is_plain else sides))

    def comparison(self, expr: Any, scope: Scope) -> Job[Tree]:
        sign = next(SIGNS[kind.__name__] for kind in type(expr).__mro__ if kind.__name__ in SIGNS)
        symbols = expr.free_symbols
        if symbols and all(symbol in self.labels for symbol in symbols):
            one, other = (self.index(side, scope) for side in expr.args)
            return Compare(sign, one, other)
        left, right = yield from self.trees(expr.args, scope)
        return Compare(sign, left, right)

    def conjunction(self, expr: Any, scope: Scope) -> Job[Tree]:
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
        node = yield self.node(expr.args[0])
        return self.operand(node, self.indices(expr.args[1], None, scope))

    def trace(self, expr: Any, scope: Scope) -> Job[Tree]:
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
                page(
                    f"'{expr}' has the shape {shape_text(shape)} in the expression, and "
                    f"{shape_text(node.shape)} as given",
                    action="pass an operand of that shape, or a vector for a matrix of one column",
                )
            )
        ones = {k: 1 for k, size in enumerate(shape) if size == 1}
        return einsum([node], [axes], range(len(shape)), ones)

    def ones(self, expr: Any) -> Node:
        shape = self.shape(expr)
        return einsum([], [], range(len(shape)), dict(enumerate(shape)))

    def reshaped(self, expr: Any) -> Job[Node]:
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
_ENTRIES: dict[str, Callable[[_SympyReader, Any, Scope], Tree | Job[Tree]]] = {
    "Symbol": _SympyReader.name,
    "AppliedUndef": _SympyReader.undefined,
    "Derivative": _SympyReader.derivative_of,
    "Indexed": _SympyReader.indexed,
    "Pow": _SympyReader.power,
    "Sum": _SympyReader.over,
    "Product": _SympyReader.over,
    "KroneckerDelta": _SympyReader.kronecker,
    "MatrixElement": _SympyReader.element,
    "ArrayElement": _SympyReader.array_element,
    "Trace": _SympyReader.trace,
    "Determinant": lambda reader, expr, scope: reader.of_matrix("det", expr.args[0], scope),
    "Piecewise": _SympyReader.piecewise,
    **dict.fromkeys(SIGNS, _SympyReader.comparison),
    "And": _SympyReader.conjunction,
}

#: How the arrays are read that are more than a function of their arguments.
_ARRAYS: dict[str, Callable[[_SympyReader, Any], Node | Job[Node]]] = {
    "MatrixSymbol": _SympyReader.symbol,
    "ArraySymbol": _SympyReader.symbol,
    "Identity": lambda reader, expr: delta(reader.size(expr.shape[0])),
    "OneMatrix": _SympyReader.ones,
    "OneArray": _SympyReader.ones,
    "ZeroMatrix": lambda reader, expr: zero(reader.shape(expr)),
    "ZeroArray": lambda reader, expr: zero(reader.shape(expr)),
    "BlockMatrix": _SympyReader.blocks,
    "ElementwiseApplyFunction": _SympyReader.elementwise,
    "ArrayElementwiseApplyFunc": _SympyReader.elementwise,
    "FunctionMatrix": _SympyReader.of_indices,
    "Reshape": _SympyReader.reshaped,
    "ArrayDerivative": lambda reader, expr: reader.node(_differentiated(expr)),
    "MatrixBase": _SympyReader.explicit,
    "NDimArray": _SympyReader.explicit,
}
