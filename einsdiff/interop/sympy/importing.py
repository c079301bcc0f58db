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

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

from einsdiff.algebra.nodes.function import FUNCTIONS, lookup
from einsdiff.algebra.nodes.graph import dependencies, topological
from einsdiff.algebra.nodes.nodes import Node, Variable, call, einsum, partial, variable, zero
from einsdiff.algebra.reading.binding import Builder
from einsdiff.algebra.reading.kinds import Part, Total
from einsdiff.algebra.reading.parts import PartReader
from einsdiff.display.index.lettering import Heading, Letters
from einsdiff.display.sympy.symbolic import SPELLED, spelled, sympy_module
from einsdiff.errors import (
    BindingError,
    EinsdiffError,
    OperandError,
    ShapeError,
    SubscriptsError,
    page,
    shape_text,
    shapes_line,
)
from einsdiff.expressions.combining import checked_arrays, join_values
from einsdiff.expressions.formula import Formula, fresh, function_name
from einsdiff.expressions.tensor_class import Tensor, as_shape
from einsdiff.interop.sympy.meanings import (
    ARRAYS,
    ENTRIES,
    REWRITTEN,
    Scope,
    bracketed,
    free_symbols,
    is_determinant,
    is_of_entries,
    refuse,
    shown,
    without_unit_axes,
    written_out,
)
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.letters import DUMMY, fresh_letters
from einsdiff.notation.names import as_name
from einsdiff.notation.subscripts import SIZES, Size, is_index
from einsdiff.notation.trees import Affine, Apply, Index, Product, Sum, Symbol, Tree
from einsdiff.numeric.libraries.operands import Array, as_array

__all__ = ["SympyReader", "from_sympy"]

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
        return SympyReader(sympy, operands).tensor(expr, axes, domain)
    except RecursionError:
        raise OperandError(
            page(
                "the expression is nested too deeply for SymPy, which goes down by recursion",
                action="name a part of it with a symbol, and convert the parts",
            )
        ) from None


# --- what an expression refers to -------------------------------------------------------------


@dataclass(slots=True)
class _Leaf:
    """A name in the expression.

    Attributes
    ----------
    label
        The symbol, or the application ``u(z)`` of an unspecified function.
    dims
        SymPy's sizes of its axes, None where they are not known.
    rank
        The number of axes.
    of
        The names that it is a function of.
    is_column
        Whether it is a matrix of one column or row, which is a vector here.
    """

    label: Any
    dims: tuple[Any, ...] | None
    rank: int
    of: tuple[str, ...] = ()
    is_column: bool = False


@dataclass(slots=True)
class _Left:
    """A left-hand side: the name, what it is differentiated by, the arguments and the axes."""

    name: str = ""
    wrt: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    axes: tuple[Any, ...] | None = None
    dims: tuple[Any, ...] | None = None


class SympyReader:
    """Reads one expression; the methods that read parts are jobs, see `run`."""

    def __init__(self, sympy: Any, operands: Mapping[str, Any]) -> None:
        self.sympy = sympy
        self.operands = operands
        self.values: dict[str, Array] = {}
        #: The names in the expression, in order of appearance.
        self.leaves: dict[str, _Leaf] = {}
        #: The symbols that are sizes, with what they are; those that are indices, by their label.
        self.sizes: dict[Any, Size] = {}
        self.labels: dict[Any, str] = {}
        self.own: set[str] = set()
        #: For each name the labels of its axes, as often as they differ.
        self.letters: dict[str, dict[tuple[str, ...], None]] = {}
        #: The sizes of the indices that a sum in which one stands is taken over.
        self.soft: dict[str, Size] = {}
        #: The node of each operand whose shape is known, also of parts that are matrices.
        self.names: dict[str, Node] = {}
        #: What a bound symbol for an entry stands for, see `applied`.
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
        self.scan(right, left)
        self.declare()
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
        return self.made(node, letters, left, domain)

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
        if isinstance(label, sympy.core.function.AppliedUndef):
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
        left.name, *by = _parted(name)
        left.wrt = tuple(by)
        left.arguments = tuple(self.leaf(argument) for argument in arguments)
        if left.axes is None and not self.is_array(expr.rhs):
            left.axes = ()
        return left, expr.rhs

    def axis(self, axis: Any, expr: Any) -> Any:
        """Find the index symbol that a name means."""
        if not isinstance(axis, str):
            return axis
        for part in _walk(expr):
            if (isinstance(part, self.sympy.Symbol) and part.name == axis) or (
                isinstance(part, self.sympy.Idx) and part.label.name == axis
            ):
                return part
        return self.sympy.Symbol(axis, integer=True)

    def made(self, node: Node, letters: Sequence[str], left: _Left, domain: int | None) -> Tensor:
        """Make the tensor: its variables, its left-hand side, and its values."""
        known = [self.names[name] for name in (*left.arguments, *self.leaves) if name in self.names]
        found = [v for v in topological([*known, node], dependencies) if isinstance(v, Variable)]
        names = dict.fromkeys((*left.arguments, *self.leaves))
        order = {name: k for k, name in enumerate(names)}
        found.sort(key=lambda v: order.get(v.name, len(order)))
        arguments = {v.name: v for v in found}
        if left.wrt:
            ranks = [len(self.variable(name).shape) for name in left.wrt]
            domain = ranks[-1]
            ends = [len(node.shape) - sum(ranks[k:]) for k in range(len(ranks) + 1)]
            if ends[0] < 0:
                raise ShapeError(
                    page(
                        f"the left-hand side has {len(node.shape)} indices, and what it is "
                        f"differentiated by has {sum(ranks)}",
                        action="write an index for each axis of the function and the variables",
                    )
                )
            groups = tuple(
                (name, tuple(letters[a:b]))
                for name, a, b in zip(left.wrt, ends, ends[1:], strict=False)
            )
            heading = Heading(left.name, tuple(letters[: ends[0]]), groups)
        else:
            heading = Heading(left.name or function_name(arguments), tuple(letters))
        if domain is not None and not 0 <= domain <= len(node.shape):
            raise ShapeError(
                page(
                    f"domain={domain} of {len(node.shape)} axes",
                    action="say how many of the axes, the last ones, are those of the variable",
                )
            )
        spoken = Letters({name: tuple(self.letters.get(name, ())) for name in arguments})
        formula = Formula(node, heading, spoken, tuple(arguments.values()), domain)
        tensor = Tensor(formula, {})
        used = {name: array for name, array in self.values.items() if name in arguments}
        return Tensor(formula, checked_arrays(tensor, used))

    # Names, sizes and indices.

    def scan(self, expr: Any, left: _Left) -> None:
        """Find the names, the sizes and the indices of an expression."""
        sympy = self.sympy
        for size in left.dims or ():
            self.note_size(size)
        self.note_indices(left.axes or ())
        ends: list[Any] = []
        bound: dict[Any, None] = {}
        for part in _walk(expr):
            if type(part).__name__ in ("IndexedBase", "MatrixSymbol", "ArraySymbol"):
                self.leaf(part)
            elif isinstance(part, sympy.Indexed):
                self.leaf(part.base, len(part.indices))
                self.note_indices(part.indices)
            elif isinstance(part, sympy.KroneckerDelta):
                self.note_indices(part.args[:2])
            elif type(part).__name__ in ("MatrixElement", "ArrayElement"):
                indices = part.args[1:] if type(part).__name__ == "MatrixElement" else part.args[1]
                self.note_indices(indices)
            elif isinstance(part, sympy.Sum | sympy.Product):
                for limit in part.limits:
                    bound.setdefault(limit[0])
                    ends += limit[1:]
            elif isinstance(part, sympy.FunctionMatrix):
                bound.update(dict.fromkeys(part.lamda.variables))
            if self.is_array(part):
                for size in part.shape:
                    self.note_size(size)
        self.note_indices(bound)
        for symbol in set(self.sizes) & set(self.labels):
            if symbol in bound or symbol in (left.axes or ()):
                refuse(symbol, f"{symbol} is an index and a size", "give one of them another name")
            del self.labels[symbol]  # as in x[n - 1]
        self.name_indices()
        for end in ends:
            for symbol in set(_symbols(sympy, end)).difference(self.labels):
                self.note_size(symbol)
        hidden = {*self.sizes, *self.labels, *self.bound(expr)}
        for part in _walk(expr):
            is_name = isinstance(part, sympy.Symbol) and part not in hidden
            if isinstance(part, sympy.core.function.AppliedUndef):
                is_name = part.func.__name__ not in FUNCTIONS
            if is_name:
                self.leaf(part)
            elif isinstance(part, sympy.Derivative) and self.is_symbol(part):
                for name in (part.expr, *part.variables):
                    self.leaf(name)

    def bound(self, expr: Any) -> set[Any]:
        """Return the symbols that stand for the argument of a function."""
        found: set[Any] = set()
        for part in _walk(expr):
            if isinstance(part, self.sympy.Lambda):
                found.update(part.variables)
        return found

    def note_indices(self, indices: Iterable[Any]) -> None:
        """Note the symbols in indices."""
        for index in indices:
            for symbol in _symbols(self.sympy, index):
                self.note_index(symbol)

    def note_index(self, symbol: Any) -> None:
        """Note an index symbol, and the size that it may have."""
        self.labels.setdefault(symbol, "")
        if isinstance(symbol, self.sympy.Idx) and symbol.upper is not None:
            if symbol.lower != 0:
                refuse(
                    symbol,
                    f"the index {symbol} begins at {symbol.lower}",
                    "let indices begin at 0: Idx('i', n)",
                )
            self.note_size(symbol.upper)

    def name_indices(self) -> None:
        """Give index symbols labels: their names, or letters where these are no labels."""
        for symbol in self.labels:
            name = _name_of(symbol)
            is_plain = name.isidentifier() and "_" not in name
            if is_plain and name not in self.labels.values():
                self.labels[symbol] = name
        for symbol, label in self.labels.items():
            if not label:
                self.labels[symbol] = self.new_label()

    def note_size(self, size: Any) -> None:
        """Note the symbols in a size."""
        for symbol in getattr(size, "free_symbols", ()):
            self.sizes.setdefault(symbol, symbol.name)

    def size(self, size: Any) -> Size:
        """Read a size: a number, or a symbol."""
        if getattr(size, "is_Integer", False) or isinstance(size, int):
            return int(size)
        known = {s: v for s, v in self.sizes.items() if isinstance(v, int)}
        size = size.xreplace(known) if known else size
        if isinstance(size, self.sympy.Symbol):
            found: Size = self.sizes.get(size, size.name)
            return found
        size = self.sympy.simplify(size)
        if not size.is_Integer and not isinstance(size, self.sympy.Symbol):
            refuse(
                size,
                f"the size {size} is neither a number nor a name",
                "give the arrays their sizes as numbers, or one symbol to each size",
            )
        return self.size(size)

    def leaf(self, part: Any, rank: int | None = None) -> str:
        """Note a name of the expression; return it."""
        sympy = self.sympy
        label: Any = part
        dims: tuple[Any, ...] | None = ()
        if isinstance(part, sympy.IndexedBase):
            label = part.label
            dims = None if part.shape is None else tuple(part.shape)
        elif isinstance(part, sympy.MatrixSymbol) or type(part).__name__ == "ArraySymbol":
            label, dims = sympy.Symbol(str(part.name)), tuple(part.shape)
            if isinstance(part, sympy.MatrixSymbol):
                dims = tuple(size for size in dims if size != 1)
        elif not isinstance(part, sympy.Symbol | sympy.core.function.AppliedUndef):
            refuse(part, f"{part} is no name", "write a symbol, a matrix symbol or IndexedBase")
        of: tuple[str, ...] = ()
        name = label.name if isinstance(label, sympy.Symbol) else ""
        if isinstance(label, sympy.core.function.AppliedUndef):
            name, of = label.func.__name__, tuple(self.leaf(argument) for argument in label.args)
        elif not name:
            refuse(part, f"{label} is no name", "write IndexedBase('A')")
        for size in dims or ():
            self.note_size(size)
        rank = len(dims) if dims is not None else rank
        known = self.leaves.get(name)
        if known is None:
            if name[:1] != "∂":
                as_name(name, "a symbol of the expression: ")
            is_column = isinstance(part, sympy.MatrixSymbol) and rank != 2
            self.leaves[name] = _Leaf(label, dims, -1 if rank is None else rank, of, is_column)
            return name
        if known.dims is None:
            known.dims = dims
        if known.rank == -1 and rank is not None:
            known.rank = rank
        # A matrix symbol has no assumptions; two symbols of one name differ by theirs.
        is_other = isinstance(part, sympy.Symbol | sympy.IndexedBase) and known.label != label
        if is_other and not isinstance(part, sympy.MatrixSymbol):
            refuse(
                part,
                f"two different symbols are called '{name}'",
                "give one of them another name, or the same assumptions",
            )
        if rank is not None and known.rank not in (-1, rank):
            refuse(
                part,
                f"'{name}' has {known.rank} axes in one place and {rank} in another",
                "give one of the two another name",
            )
        if dims is not None and known.dims is not None and dims != known.dims:
            refuse(
                part,
                f"'{name}' has two shapes: {shape_text(known.dims)} and {shape_text(dims)}",
                "give one of the two another name",
            )
        return name

    def declare(self) -> None:
        """Make the variables whose shapes are known, those first that others are functions of."""
        mentioned = {part for name in self.leaves if name[:1] == "∂" for part in _parted(name)}
        for name, value in self.operands.items():
            if name in mentioned and name not in self.leaves and isinstance(value, Tensor):
                self.names[name] = value.formula.expr
            elif name not in self.leaves:
                raise BindingError(
                    page(
                        f"there is no '{name}' in this expression",
                        action=f"the names are {', '.join(self.leaves)}"
                        if self.leaves
                        else "there are no names",
                    )
                )
        given: dict[str, Node | None] = {}
        for name, value in self.operands.items():
            if name in self.leaves:
                given[name] = self.given(name, value)
        for name, leaf in list(self.leaves.items()):
            node = given.get(name)
            if node is not None:
                self.names[name] = node
            elif leaf.dims is not None and not name.startswith("∂"):
                shape = [self.size(size) for size in leaf.dims]
                of = [self.variable(z) for z in leaf.of]
                self.names[name] = variable(name, shape, of=of)
        for name in [name for name in self.leaves if name.startswith("∂")]:
            self.names[name] = self.derivative(name)

    def given(self, name: str, value: Any) -> Node | None:
        """Read an operand; None for an array of a name whose shape the expression says."""
        leaf = self.leaves[name]
        if isinstance(value, Tensor):
            join_values(self.values, value.values)
            node: Node = value.formula.expr
        else:
            shape = as_shape(value, name)
            if shape is None or (is_index(value) and leaf.rank != 1):
                array = as_array(value, f"operand '{name}'")
                if leaf.is_column and len(array.shape) == 2 and 1 in array.shape:
                    array = array.reshape([size for size in array.shape if size != 1])
                self.values[name] = array
                if leaf.dims is not None:
                    return None
                shape = self.values[name].shape
            node = variable(name, shape, of=[self.variable(z) for z in leaf.of])
        if leaf.dims is not None and len(leaf.dims) == len(node.shape):
            for dim, size in zip(leaf.dims, node.shape, strict=True):
                known = self.size(dim)
                if isinstance(known, int) and known != size:
                    raise ShapeError(
                        page(
                            f"an axis of '{name}' has size {known} in the expression, and {size} "
                            "as given",
                            shapes=shapes_line({name: node.shape}),
                            action="give operands of equal sizes",
                        )
                    )
                if isinstance(dim, self.sympy.Symbol):
                    self.sizes[dim] = size
        leaf.rank = len(node.shape)
        return node

    def variable(self, name: str) -> Variable:
        """Return the variable of a name, made before its turn if need be."""
        node = self.names.get(name)
        if node is None:
            leaf = self.leaves.get(name)
            if leaf is None or leaf.dims is None:
                raise OperandError(
                    page(
                        f"the shape of '{name}' is not known",
                        action=f"write IndexedBase('{name}', shape=..), or pass {name}=shape",
                    )
                )
            shape = [self.size(size) for size in leaf.dims]
            node = variable(name, shape, of=[self.variable(z) for z in leaf.of])
            self.names[name] = node
        if not isinstance(node, Variable):
            raise OperandError(
                page(
                    f"'{name}' is an expression, and nothing is differentiated by it",
                    action="pass a tensor that is a variable",
                )
            )
        return node

    def derivative(self, name: str) -> Node:
        """Make the symbol ∂x/∂z of a name like that, from what it says of x or x itself."""
        base, *by = _parted(name)
        leaf = self.leaves[name]
        if base not in self.names and leaf.of and leaf.dims is not None:
            of = [self.variable(z) for z in leaf.of]
            inner = sum(len(v.shape) for z in by for v in of if v.name == z)
            dims = leaf.dims[: len(leaf.dims) - inner]
            self.names[base] = variable(base, [self.size(size) for size in dims], of=of)
        node = self.names.get(base)
        for z in by:
            at = [v for v in getattr(node, "of", ()) if v.name == z]
            if not isinstance(node, Variable) or not at:
                raise OperandError(
                    page(
                        f"'{name}' is the derivative of a function, which is not declared",
                        action=f"pass {base}=ed.tensor('{base}', .., of={by[0]})",
                    )
                )
            node = partial(node, at[0])
        assert node is not None
        return node

    def is_array(self, expr: Any) -> bool:
        """Tell whether an expression has axes of its own, and no indices."""
        sympy = self.sympy
        kinds = (sympy.MatrixExpr, sympy.MatrixBase, sympy.NDimArray, *_array_kinds())
        return isinstance(expr, kinds)

    def is_symbol(self, expr: Any) -> bool:
        """Tell whether a derivative is one of an unspecified function by its arguments."""
        applied = self.sympy.core.function.AppliedUndef
        return isinstance(expr.expr, applied) and set(expr.variables) <= set(expr.expr.args)

    # The entry of a tensor.

    def whole(self, tree: Tree, left: _Left) -> tuple[Node, tuple[str, ...]]:
        """Build the expression of an entry; find the axes, and the sizes that no one says."""
        ranks = {name: leaf.rank for name, leaf in self.leaves.items() if leaf.rank >= 0}
        ranks.update({name: len(node.shape) for name, node in self.names.items()})
        sizes = frozenset(size for size in self.sizes.values() if isinstance(size, str))
        parts = PartReader(ranks, size_names=sizes.difference(ranks), labels=frozenset())
        builder = Builder(parts, self.names)
        unknown = [name for name in ranks if name not in self.names]
        for name in unknown:
            builder.axes[name] = tuple(builder.new() for _ in range(ranks[name]))
        root = run(parts.whole(tree))
        if left.axes is None:
            names = {label: _name_of(symbol) for symbol, label in self.labels.items()}
            letters = _free(root, parts, names)
        else:
            letters = [self.labels.get(axis, "") for axis in left.axes]
        for letter in letters:
            if not letter or letters.count(letter) > 1:
                raise SubscriptsError(
                    page(
                        "the axes are not named by different indices",
                        action="write a symbol for each axis, Eq(f[i, j], ..), and deltas on the "
                        "right-hand side",
                    )
                )
        env = {letter: builder.new(letter) for letter in letters}
        for letter, dim in zip(letters, left.dims or (), strict=bool(left.dims)):
            builder.give(env[letter], self.size(dim), "the left-hand side")
        run(builder.bind(root, env))
        builder.settle(self.soft_sizes())
        self.name_sizes(builder, env, {str(size) for size in self.sizes.values()})
        for name in unknown:
            shape = [builder.size_of(axis) for axis in builder.axes[name]]
            of = [self.variable(z) for z in self.leaves[name].of]
            builder.names[name] = self.names[name] = variable(name, shape, of=of)
        return builder.finish(root, [env[letter] for letter in letters]), tuple(letters)

    def soft_sizes(self) -> dict[str, Size]:
        """Return the sizes of indices that have a range of their own."""
        return {
            label: self.size(symbol.upper + 1)
            for symbol, label in self.labels.items()
            if isinstance(symbol, self.sympy.Idx) and symbol.upper is not None
        }

    def name_sizes(self, builder: Builder, env: Mapping[str, int], used: set[str]) -> None:
        """Give names to the sizes of operands that nobody said."""
        new = fresh_letters(used, SIZES)
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

    def tree(self, expr: Any, scope: Scope) -> Job[Tree]:
        """Read the expression of an entry."""
        if expr in self.entries:
            return self.entries[expr]
        found: Tree
        name = _functions().get(type(expr))
        if name is not None:
            found = yield self.function(name, expr, scope)
            return found
        for kind in type(expr).__mro__:
            read = ENTRIES.get(kind.__name__)
            if read is not None:
                made = read(self, expr, scope)
                found = (yield made) if isinstance(made, Generator) else made
                return found
        if self.is_array(expr) and not expr.shape:
            return self.operand((yield self.node(expr)))
        written = REWRITTEN.get(type(expr).__name__)
        if written is not None:
            found = yield self.tree(written(self.sympy, *expr.args), scope)
            return found
        refuse(expr)

    def operand(self, node: Node, indices: tuple[Index, ...] = ()) -> Symbol:
        """Make an operand of a node."""
        name = f"part {len(self.names)}"  # no name of a variable has a blank
        self.names[name] = node
        return Symbol(name, indices)

    def function(self, name: str, expr: Any, scope: Scope) -> Job[Tree]:
        """Read a function of the table."""
        sympy = self.sympy
        inner = expr.args[0]
        if name == "log" and isinstance(inner, sympy.Abs):
            inner, name = inner.args[0], "logdet" if is_determinant(inner.args[0]) else name
        elif name == "sign" and is_determinant(inner):
            name = "signdet"
        if name in ("logdet", "signdet"):
            found: Tree = yield self.of_matrix(name, inner.args[0], scope)
            return found
        args = []
        for arg in expr.args:
            args.append((yield self.tree(arg, scope)))
        while len(args) > 2 and name in ("maximum", "minimum"):
            args[-2:] = [Apply(Symbol(name), tuple(args[-2:]))]
        return Apply(Symbol(name), tuple(args))

    def is_said(self, *exprs: Any) -> bool:
        """Tell whether no index that expressions share would be summed in their product.

        The last of them is the scope. An index of an axis or of a ``Sum`` is not.
        """
        *parts, scope = exprs
        shared = set.intersection(*(free_symbols(part) for part in parts))
        return all(s in scope or s in self.axes for s in shared if s in self.labels)

    def index(self, expr: Any, scope: Scope) -> Affine:
        """Read an index, which is a sum of index symbols and a number."""
        terms: dict[str, int] = {}
        offset = 0
        for symbol, c in self.sympy.sympify(expr).expand().as_coefficients_dict().items():
            if not c.is_Integer:
                refuse(expr, f"the index {expr} is no sum of whole multiples of symbols")
            if symbol == 1:
                offset += int(c)
            elif symbol in self.labels:
                own = scope.get(symbol, Affine(((1, self.labels[symbol]),)))
                offset += int(c) * own.offset
                for k, label in own.terms:
                    terms[label] = terms.get(label, 0) + int(c) * k
            elif isinstance(self.sizes.get(symbol), int):
                offset += int(c) * int(self.sizes[symbol])
            else:
                refuse(
                    expr,
                    f"the index {expr} is no sum of index symbols and numbers",
                    "give the sizes in it as numbers, expr.subs(n, 3)",
                )
        if not any(terms.values()) and offset < 0:
            refuse(expr, f"the index {offset} is negative", "indices count from 0")
        return Affine(tuple((c, label) for label, c in terms.items() if c), offset)

    def indices(
        self, exprs: Iterable[Any], shape: Sequence[Size] | None, scope: Scope
    ) -> tuple[Index, ...]:
        """Read indices; one that runs over all of its axis is a label alone."""
        found: list[Index] = []
        for k, expr in enumerate(exprs):
            index = self.index(expr, scope)
            size = shape[k] if shape is not None else None
            own = self.soft.get(index.terms[0][1]) if index.terms else None
            if isinstance(size, str) and own == size and index.terms[0][0] == 1 and index.offset:
                refuse(
                    expr,
                    f"the index {expr} goes up to {size}{index.offset - 1:+d}, and the last one is "
                    f"{size}-1".replace(f"{size}+0", size),
                    "indices count from 0: Sum(x[i], (i, 0, n - 1))",
                )
            is_label = len(index.terms) == 1 and index.terms[0][0] == 1 and not index.offset
            if not is_label:
                found.append(index)
                continue
            label = index.terms[0][1]
            is_part = isinstance(size, int) and isinstance(own, int) and own != size
            found.append(index if is_part else label)
        return tuple(found)

    def limits(self, expr: Any, limit: Any) -> tuple[str, Size, Affine]:
        """Read the range of a sum: the label, its size, and what the symbol is."""
        symbol = limit[0]
        if len(limit) == 1 and isinstance(symbol, self.sympy.Idx) and symbol.upper is not None:
            low, high = symbol.lower, symbol.upper
        elif len(limit) == 3:
            low, high = limit[1:]
        else:
            refuse(expr, f"the sum over {symbol} has no range", f"write ({symbol}, 0, n - 1)")
        others = [s for s in _symbols(self.sympy, low - high) if s in self.labels]
        if others:
            refuse(
                expr,
                f"the range of {symbol} depends on {', '.join(map(str, others))}",
                "sum over all of the axis, with Piecewise((expr, condition), (0, True))",
            )
        if not low.is_Integer:
            refuse(expr, f"the range of {symbol} begins at {low}", "begin at a number")
        size = self.size(high - low + 1)
        if isinstance(size, int) and size < 0:
            refuse(expr, f"the range of {symbol} ends before it begins", "turn it round")
        label = self.labels[symbol]
        return label, size, Affine(((1, label),), int(low))

    # Matrices and arrays inside of entries.

    def of_matrix(self, name: str, matrix: Any, scope: Scope) -> Job[Tree]:
        """Read a number that is a function of a matrix."""
        if not is_of_entries(matrix):
            node = yield self.node(matrix)
            function = lookup(name)
            assert function is not None
            return self.operand(call(function, [node]))
        k, m = self.new_label(), self.new_label()
        entry = yield self.entry(matrix, Affine(((1, k),)), Affine(((1, m),)), scope)
        rows, columns = (self.size(size) for size in matrix.shape)
        return Apply(Symbol(name), (entry,), None, (((k, rows), (m, columns)),))

    def new_label(self) -> str:
        """Return a label that no index of the expression has."""
        label = next(fresh_letters({*self.labels.values(), *self.own}, DUMMY))
        self.own.add(label)
        return label

    def entry(self, matrix: Any, row: Affine, column: Affine, scope: Scope) -> Job[Tree]:
        """Read an entry of a matrix."""
        sympy = self.sympy
        found: Tree
        if isinstance(matrix, sympy.Transpose) and is_of_entries(matrix):
            found = yield self.entry(matrix.args[0], column, row, scope)
            return found
        if isinstance(matrix, sympy.FunctionMatrix):
            i, j = matrix.lamda.variables
            inner = {**scope, i: row, j: column}
            found = yield self.tree(matrix.lamda.expr, inner)
            return found
        labels = tuple(
            index.terms[0][1]
            if len(index.terms) == 1 and index.terms[0][0] == 1 and not index.offset
            else index
            for index in (row, column)
        )
        if isinstance(matrix, sympy.Inverse) and is_of_entries(matrix):
            k, m = self.new_label(), self.new_label()
            inside = matrix.args[0]
            value = yield self.entry(inside, Affine(((1, k),)), Affine(((1, m),)), scope)
            symbols = [s for s in free_symbols(inside) if s in self.labels]
            batch = sorted({a for s in symbols for _, a in self.index(s, scope).terms})
            size = self.size(inside.shape[0])
            cores = (((k, size), (m, size)),)
            return Apply(Symbol("inv"), (value,), (*batch, *labels), cores)
        if isinstance(matrix, sympy.MatrixSymbol):
            name = self.leaf(matrix)
            if len(self.names[name].shape) == 2:
                return Symbol(name, labels)
        return self.operand((yield self.node(matrix)), labels)

    # Arrays.

    def node(self, expr: Any) -> Job[Node]:
        """Read a matrix or array expression; axes of size 1 are axes."""
        if expr not in self.nodes:
            for kind in type(expr).__mro__:
                read = ARRAYS.get(kind.__name__)
                if read is not None:
                    found = read(self, expr)
                    is_job = isinstance(found, Generator)
                    self.nodes[expr] = (yield found) if is_job else found
                    break
            else:
                if self.is_array(expr):
                    refuse(expr)
                self.nodes[expr] = yield self.number(expr)
        return self.nodes[expr]

    def number(self, expr: Any) -> Job[Node]:
        """Read a number inside of a matrix or array expression."""
        self.need_shapes(expr)
        tree = yield self.tree(expr, {})
        return self.built(tree, (), ())

    def need_shapes(self, expr: Any) -> None:
        """Refuse names whose shapes only the rest of the expression could tell."""
        for part in _walk(expr):
            if isinstance(part, self.sympy.IndexedBase) and self.leaf(part) not in self.names:
                refuse(
                    expr,
                    f"the shape of '{part}' is not known",
                    f"write IndexedBase('{part}', shape=..), or pass {part}=shape",
                )

    def built(self, tree: Tree, labels: Sequence[str], shape: Sequence[Size]) -> Node:
        """Build a tree whose operands all have shapes."""
        for name, leaf in self.leaves.items():
            if name not in self.names and leaf.rank == 0:
                self.names[name] = variable(name, ())
        ranks = {name: len(node.shape) for name, node in self.names.items()}
        sizes = frozenset(size for size in self.sizes.values() if isinstance(size, str))
        parts = PartReader(ranks, size_names=sizes.difference(ranks), labels=frozenset())
        builder = Builder(parts, self.names)
        root = run(parts.whole(tree))
        env = {label: builder.new(label) for label in labels}
        for label, size in zip(labels, shape, strict=True):
            builder.give(env[label], size)
        run(builder.bind(root, env))
        builder.settle({**self.soft_sizes()})
        return builder.finish(root, [env[label] for label in labels])

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

    def applied(self, function: Any, node: Node) -> Job[Node]:
        """Apply a function of SymPy to each entry."""
        entry = self.sympy.Dummy("d")
        labels = tuple(self.new_label() for _ in node.shape)
        self.entries[entry] = self.operand(node, labels)
        tree = yield self.tree(function(entry), {})
        return self.built(tree, labels, node.shape)

    def explicit(self, expr: Any) -> Job[Node]:
        """Read an array of expressions."""
        shape = tuple(int(size) for size in expr.shape)
        labels = tuple(self.new_label() for _ in shape)
        terms: list[tuple[int, Tree]] = []
        for position in _positions(shape):
            value = self.sympy.sympify(expr[position])
            if value == 0:
                continue
            tree = yield self.tree(value, {})
            deltas = [
                (Symbol("δ", (Affine(((1, label),)), Affine((), k))), 1)
                for label, k in zip(labels, position, strict=True)
            ]
            terms.append((1, Product((*deltas, (bracketed(tree), 1)))))
        return self.built(Sum(tuple(terms)), labels, shape) if terms else zero(shape)


def _parted(name: str) -> list[str]:
    """Read ``∂²f/∂x∂y`` as f, x and y, and any other name as itself.

    >>> _parted("∂²f/∂x∂y")
    ['f', 'x', 'y']
    """
    above, _, below = name.partition("/")
    return [above.lstrip("∂⁰¹²³⁴⁵⁶⁷⁸⁹"), *below.split("∂")[1:]]


#: What is written by a name, of which a product has those first in alphabetical order.
_SPOKEN = ("Indexed", "MatrixElement", "ArrayElement", "Symbol")


def _walk(expr: Any) -> Iterable[Any]:
    """Yield the parts of an expression, each once, in the order in which they are printed."""
    seen = set()
    stack = [expr]
    while stack:
        part = stack.pop()
        if isinstance(part, int | str) or part in seen:
            continue
        seen.add(part)
        yield part
        kind = type(part).__name__
        if kind in ("IndexedBase", "MatrixSymbol", "ArraySymbol", "Idx"):
            continue
        below = list(part) if hasattr(part, "tolist") else list(part.args)
        if kind in ("Add", "Mul"):  # whose arguments are in an order of SymPy's own
            below.sort(key=lambda arg: str(arg) if type(arg).__name__ in _SPOKEN else "~")
        stack.extend(reversed(below))


def _symbols(sympy: Any, expr: Any) -> list[Any]:
    """List the symbols of an index; an index with a range is one of them."""
    return [
        part for part in _walk(sympy.sympify(expr)) if isinstance(part, sympy.Symbol | sympy.Idx)
    ]


def _positions(shape: Sequence[int]) -> Iterable[tuple[int, ...]]:
    """Yield the positions of an array, the last axis fastest."""
    for k in range(prod(shape)):
        position = []
        for size in reversed(shape):
            k, rest = divmod(k, size)
            position.append(rest)
        yield tuple(reversed(position))


def _name_of(symbol: Any) -> str:
    """Return the name of an index symbol, also of one with a range."""
    return str(getattr(symbol, "label", symbol))


def _free(root: Part, parts: PartReader, names: Mapping[str, str]) -> list[str]:
    """List the indices that stand once in every term that has indices, in alphabetical order."""

    def shown_as(labels: Sequence[str]) -> str:
        return ", ".join(names.get(label, label) for label in labels) or "none"

    terms = [term for _, term in root.terms] if isinstance(root, Total) else [root]
    own = [
        sorted((a for a, n in term.counts.items() if n == 1), key=lambda a: (names.get(a, a), a))
        for term in terms
    ]
    found = next((letters for letters in own if letters), [])
    for letters, term in zip(own, terms, strict=True):
        summed = [a for a in found if term.counts.get(a, 1) != 1]
        if (letters and letters != found) or summed:
            parts.fail(
                f"the terms have different indices: {shown_as(found)} and {shown_as(letters)}",
                (),
                "say which ones are axes, from_sympy(expr, axes=[i, j]), or write Sum for those "
                "that are not",
            )
    return found


@cache
def _array_kinds() -> tuple[type, ...]:
    from sympy.tensor.array.expressions import array_expressions

    return array_expressions._ArrayExpr, array_expressions._CodegenArrayAbstract


@cache
def _functions() -> dict[type, str]:
    """Return the names of SymPy's functions in the function table."""
    return {spelled(name): name for name in SPELLED}
