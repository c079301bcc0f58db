"""The names, sizes and indices in an expression of SymPy, and what they stand for.

A symbol may be an index, as j in ``Sum(x[j], (j, 0, n - 1))``, a size, as n there, or the name of
an operand, as x. Operands whose shapes are known become nodes.

>>> import sympy
>>> n, j = sympy.Symbol("n"), sympy.Symbol("j")
>>> found = Symbols(sympy, {})
>>> found.scan(sympy.Sum(sympy.IndexedBase("x", shape=(n,))[j], (j, 0, n - 1)), (), ())
>>> found.declare()
>>> found.labels, found.sizes, found.names["x"].shape
({j: 'j'}, {n: 'n'}, ('n',))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from einsdiff.algebra.nodes.function_records import FUNCTIONS
from einsdiff.algebra.nodes.interning import Node, Variable, variable
from einsdiff.algebra.nodes.nodes import partial
from einsdiff.errors import BindingError, OperandError, ShapeError, shape_text, shapes_line
from einsdiff.expressions.combining import join_values
from einsdiff.expressions.tensor_class import Tensor, as_shape
from einsdiff.interop.sympy.meanings import ARRAY_KINDS, refuse
from einsdiff.notation.letters import DUMMY, fresh_letters
from einsdiff.notation.names import as_name
from einsdiff.notation.subscripts import Size, is_index
from einsdiff.notation.trees import Affine, Index
from einsdiff.numeric.libraries.operands import Array, as_array

#: The value of an index symbol, as an index.
Scope = Mapping[Any, Affine]


@dataclass(slots=True)
class _Leaf:
    """A name in the expression; what is not known of it is None."""

    label: Any  # the symbol, or the application u(z) of an unspecified function
    dims: tuple[Any, ...] | None  # SymPy's sizes of its axes
    rank: int | None
    of: tuple[str, ...] = ()  # the names that it is a function of
    is_column: bool = False  # a matrix of one column or row, which is a vector here


class Symbols:
    """What the symbols in one expression are."""

    def __init__(self, sympy: Any, operands: Mapping[str, Any]) -> None:
        self.sympy = sympy
        self.applied_undef = sympy.core.function.AppliedUndef
        self.operands = operands
        self.values: dict[str, Array] = {}
        #: The names in the expression, in order of appearance.
        self.leaves: dict[str, _Leaf] = {}
        #: The symbols that are sizes, with what they are; those that are indices, by their label.
        self.sizes: dict[Any, Size] = {}
        self.labels: dict[Any, str] = {}
        self.own: set[str] = set()
        #: The sizes of the indices that a sum in which one stands is taken over.
        self.soft: dict[str, Size] = {}
        #: The node of each operand whose shape is known, also of parts that are matrices.
        self.names: dict[str, Node] = {}

    def is_array(self, expr: Any) -> bool:
        """Tell whether an expression has axes of its own, and no indices."""
        return any(kind.__name__ in ARRAY_KINDS for kind in type(expr).__mro__)

    def is_symbol(self, expr: Any) -> bool:
        """Tell whether a derivative is one of an unspecified function by its arguments."""
        function = expr.expr
        return isinstance(function, self.applied_undef) and {*expr.variables} <= {*function.args}

    # What there is.

    def scan(self, expr: Any, axes: Iterable[Any], dims: Iterable[Any]) -> None:
        """Find the names, the sizes and the indices of an expression, with those of its axes."""
        self.note_sizes(dims)
        self.note_indices(axes)
        ends: list[Any] = []
        bound: dict[Any, None] = {}
        hidden: set[Any] = set()
        parts = list(walk(expr))
        for part in parts:
            match type(part).__name__:
                case "IndexedBase" | "MatrixSymbol" | "ArraySymbol":
                    self.leaf(part)
                case "Indexed":
                    self.leaf(part.base, len(part.indices))
                    self.note_indices(part.indices)
                case "KroneckerDelta" | "LeviCivita" as name:
                    self.note_indices(part.args[: 2 if name == "KroneckerDelta" else None])
                case "MatrixElement":
                    self.note_indices(part.args[1:])
                case "ArrayElement":
                    self.note_indices(part.args[1])
                case "Sum" | "Product":
                    for symbol, *limits in part.limits:
                        bound.setdefault(symbol)
                        ends += limits
                case "FunctionMatrix":
                    bound.update(dict.fromkeys(part.lamda.variables))
                case "Lambda":
                    hidden.update(part.variables)
            if self.is_array(part):
                self.note_sizes(part.shape)
        self.note_indices(bound)
        for symbol in set(self.sizes) & set(self.labels):
            if symbol in bound or symbol in axes:
                refuse(symbol, f"{symbol} is an index and a size", "give one of them another name")
            del self.labels[symbol]  # as in x[n - 1]
        self.name_indices()
        for end in ends:
            self.note_sizes(set(symbols_of(self.sympy, end)).difference(self.labels))
        hidden.update(self.sizes, self.labels)
        for part in parts:
            is_name = isinstance(part, self.sympy.Symbol) and part not in hidden
            if isinstance(part, self.applied_undef):
                is_name = part.func.__name__ not in FUNCTIONS
            if is_name:
                self.leaf(part)
            elif isinstance(part, self.sympy.Derivative) and self.is_symbol(part):
                for name in (part.expr, *part.variables):
                    self.leaf(name)

    def note_indices(self, indices: Iterable[Any]) -> None:
        """Note the symbols in indices, and the sizes that they may have."""
        for index in indices:
            for symbol in symbols_of(self.sympy, index):
                self.labels.setdefault(symbol, "")
                if isinstance(symbol, self.sympy.Idx) and symbol.upper is not None:
                    if symbol.lower != 0:
                        refuse(
                            symbol,
                            f"the index {symbol} begins at {symbol.lower}",
                            "let indices begin at 0: Idx('i', n)",
                        )
                    self.note_sizes([symbol.upper])

    def note_sizes(self, sizes: Iterable[Any]) -> None:
        """Note the symbols in sizes."""
        for size in sizes:
            for symbol in getattr(size, "free_symbols", ()):
                self.sizes.setdefault(symbol, symbol.name)

    def name_indices(self) -> None:
        """Give index symbols labels: their names, or letters where these are no labels."""
        for symbol in self.labels:
            name = name_of(symbol)
            is_plain = name.isidentifier() and "_" not in name
            if is_plain and name not in self.labels.values():
                self.labels[symbol] = name
        for symbol, label in self.labels.items():
            if not label:
                self.labels[symbol] = self.new_label()

    def new_label(self) -> str:
        """Return a label that no index of the expression has."""
        label = next(fresh_letters({*self.labels.values(), *self.own}, DUMMY))
        self.own.add(label)
        return label

    def leaf(self, part: Any, rank: int | None = None) -> str:
        """Note a name of the expression; return it."""
        kind = type(part).__name__
        label: Any = part
        name: str
        dims: tuple[Any, ...] | None = ()
        if kind == "IndexedBase":
            label, dims = part.label, None if part.shape is None else tuple(part.shape)
        elif kind in ("MatrixSymbol", "ArraySymbol"):
            label, dims = self.sympy.Symbol(str(part.name)), tuple(part.shape)
            if kind == "MatrixSymbol":
                dims = tuple(size for size in dims if size != 1)
        of: tuple[str, ...] = ()
        if isinstance(label, self.applied_undef):
            name, of = label.func.__name__, tuple(self.leaf(argument) for argument in label.args)
        elif isinstance(label, self.sympy.Symbol):
            name = label.name
        else:
            refuse(part, f"{label} is no name", "write a symbol, a matrix symbol or IndexedBase")
        self.note_sizes(dims or ())
        rank = len(dims) if dims is not None else rank
        known = self.leaves.get(name)
        if known is None:
            if name[:1] != "∂":
                as_name(name, "a symbol of the expression: ")
            is_column = kind == "MatrixSymbol" and rank != 2
            self.leaves[name] = _Leaf(label, dims, rank, of, is_column)
            return name
        known.dims = dims if known.dims is None else known.dims
        known.rank = rank if known.rank is None else known.rank
        action = "give one of the two another name"
        # A matrix symbol has no assumptions; two symbols of one name differ by theirs.
        if isinstance(part, self.sympy.Symbol | self.sympy.IndexedBase) and known.label != label:
            action = "give one of them another name, or the same assumptions"
            refuse(part, f"two different symbols are called '{name}'", action)
        if rank is not None and known.rank != rank:
            why = f"'{name}' has {known.rank} axes in one place and {rank} in another"
            refuse(part, why, action)
        if dims is not None and dims != known.dims:
            assert known.dims is not None
            shapes = f"{shape_text(known.dims)} and {shape_text(dims)}"
            refuse(part, f"'{name}' has two shapes: {shapes}", action)
        return name

    # What it stands for.

    def declare(self) -> None:
        """Make the variables whose shapes are known, those first that others are functions of."""
        mentioned = {part for name in self.leaves if name[:1] == "∂" for part in parted(name)}
        given: dict[str, Node | None] = {}
        for name, value in self.operands.items():
            if name in mentioned and name not in self.leaves and isinstance(value, Tensor):
                self.names[name] = value.formula.expr
            elif name not in self.leaves:
                names = f"the names are {', '.join(self.leaves)}"
                action = names if self.leaves else "there are no names"
                raise BindingError(f"there is no '{name}' in this expression", action=action)
        for name, value in self.operands.items():
            if name in self.leaves:
                given[name] = self.given(name, value)
        for name, leaf in list(self.leaves.items()):
            node = given.get(name)
            if node is not None:
                self.names[name] = node
            elif leaf.dims is not None and not name.startswith("∂"):
                self.names[name] = self.made(name)
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
                shape = array.shape
            node = self.made(name, shape)
        if leaf.dims is not None and len(leaf.dims) == len(node.shape):
            for dim, size in zip(leaf.dims, node.shape, strict=True):
                known = self.size(dim)
                if isinstance(known, int) and known != size:
                    raise ShapeError(
                        f"an axis of '{name}' has size {known} in the expression, and {size} "
                        "as given",
                        shapes=shapes_line({name: node.shape}),
                        action="give operands of equal sizes",
                    )
                if isinstance(dim, self.sympy.Symbol):
                    self.sizes[dim] = size
        leaf.rank = len(node.shape)
        return node

    def made(self, name: str, shape: Sequence[Size] | None = None) -> Variable:
        """Make the variable of a name, of the shape that the expression says or of this one."""
        leaf = self.leaves[name]
        if shape is None:
            shape = [self.size(size) for size in leaf.dims or ()]
        return variable(name, shape, of=[self.variable(z) for z in leaf.of])

    def variable(self, name: str) -> Variable:
        """Return the variable of a name, made before its turn if need be."""
        node = self.names.get(name)
        if node is None:
            leaf = self.leaves.get(name)
            if leaf is None or leaf.dims is None:
                action = f"write IndexedBase('{name}', shape=..), or pass {name}=shape"
                raise OperandError(f"the shape of '{name}' is not known", action=action)
            node = self.names[name] = self.made(name)
        if not isinstance(node, Variable):
            why = f"'{name}' is an expression, and nothing is differentiated by it"
            raise OperandError(why, action="pass a tensor that is a variable")
        return node

    def derivative(self, name: str) -> Node:
        """Make the symbol ∂x/∂z of a name like that, from what it says of x or x itself."""
        base, *by = parted(name)
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
                why = f"'{name}' is the derivative of a function, which is not declared"
                action = f"pass {base}=ed.tensor('{base}', .., of={by[0]})"
                raise OperandError(why, action=action)
            node = partial(node, at[0])
        assert node is not None
        return node

    # Sizes and indices.

    def size(self, size: Any) -> Size:
        """Read a size: a number, or a symbol."""
        if getattr(size, "is_Integer", False) or isinstance(size, int):
            return int(size)
        size = size.xreplace({s: v for s, v in self.sizes.items() if isinstance(v, int)})
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
            is_part = isinstance(size, int) and isinstance(own, int) and own != size
            found.append(index if is_part else plain(index))
        return tuple(found)

    def limits(self, expr: Any, limit: Any) -> tuple[str, Size, Affine]:
        """Read the range of a sum: the label, its size, and what the symbol is."""
        symbol, low, high = limit
        others = [s for s in symbols_of(self.sympy, low - high) if s in self.labels]
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


def plain(index: Affine) -> Index:
    """Return the label that an index is, if it is no more than that."""
    is_label = len(index.terms) == 1 and index.terms[0][0] == 1 and not index.offset
    return index.terms[0][1] if is_label else index


def parted(name: str) -> list[str]:
    """Read ``∂²f/∂x∂y`` as f, x and y, and any other name as itself.

    >>> parted("∂²f/∂x∂y")
    ['f', 'x', 'y']
    """
    above, _, below = name.partition("/")
    return [above.lstrip("∂⁰¹²³⁴⁵⁶⁷⁸⁹"), *below.split("∂")[1:]]


#: What is written by a name, of which a product has those first in alphabetical order.
_SPOKEN = ("Indexed", "MatrixElement", "ArrayElement", "Symbol")


def walk(expr: Any) -> Iterable[Any]:
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


def symbols_of(sympy: Any, expr: Any) -> list[Any]:
    """List the symbols of an index; an index with a range is one of them."""
    return [
        part for part in walk(sympy.sympify(expr)) if isinstance(part, sympy.Symbol | sympy.Idx)
    ]


def name_of(symbol: Any) -> str:
    """Return the name of an index symbol, also of one with a range."""
    return str(getattr(symbol, "label", symbol))
