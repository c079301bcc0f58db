r"""What SymPy's classes mean, one function for each, in two tables.

An entry, such as ``A[i, j]`` or a ``Sum``, is read as a tree of index notation; a matrix or an
array, such as ``MatMul`` or an ``ArrayContraction``, as a node with all of SymPy's axes. A function
that needs what is below it is a job, see `einsdiff.notation.jobs.run`.

>>> ENTRIES["Sum"].__name__, ARRAYS["MatMul"].__name__
('_over', '_matrix_product')
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any, NoReturn

from einsdiff.algebra.nodes.function import FUNCTIONS
from einsdiff.algebra.nodes.nodes import Node, add, call, constant, delta, einsum, partial, zero
from einsdiff.algebra.operations.arithmetic import power as power_of
from einsdiff.algebra.operations.indexing import index
from einsdiff.algebra.operations.joining import concatenate
from einsdiff.algebra.operations.matrices import matrix_power
from einsdiff.algebra.operations.products import kron
from einsdiff.algebra.operations.reshaping import reshape
from einsdiff.errors import OperandError, page
from einsdiff.notation.jobs import Job
from einsdiff.notation.trees import (
    Affine,
    Apply,
    Compare,
    Literal,
    Over,
    Power,
    Product,
    Sum,
    Symbol,
    Tree,
)

if TYPE_CHECKING:
    from einsdiff.interop.sympy.importing import SympyReader

__all__ = [
    "ARRAYS",
    "ENTRIES",
    "REWRITTEN",
    "Scope",
    "bracketed",
    "free_symbols",
    "is_determinant",
    "is_of_entries",
    "refuse",
    "shown",
    "without_unit_axes",
    "written_out",
]

#: The value of an index symbol, as an index.
Scope = Mapping[Any, Affine]


def refuse(expr: Any, why: str = "", action: str = "") -> NoReturn:
    """Say that a part of an expression has no counterpart."""
    kind = type(expr).__name__
    raise OperandError(
        page(
            why or f"{kind} has no counterpart in einsdiff",
            text=shown(expr),
            action=action
            or "write it with other functions, expr.rewrite(..) or expr.doit(), or put a symbol in "
            "its place, expr.subs(part, symbol)",
        )
    )


#: An expression with at most so many parts is shown in a message, with so many characters.
MOST_SHOWN = 100
MOST_CHARACTERS = 200


def shown(expr: Any) -> str:
    """Write an expression for a message, or say how large it is."""
    count = written_out(expr)
    if count > MOST_SHOWN:
        return f"[{type(expr).__name__} of {count} parts]"
    text = str(expr).replace("\n", " ")
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} .."


def written_out(expr: Any) -> int:
    """Count the parts of an expression, those that are shared as often as they stand there."""
    counts: dict[Any, int] = {}
    stack = [expr]
    while stack:
        part = stack[-1]
        below = [arg for arg in getattr(part, "args", ()) if hasattr(arg, "args")]
        waiting = [arg for arg in below if arg not in counts]
        if waiting:
            stack += waiting
            continue
        counts[stack.pop()] = 1 + sum(counts[arg] for arg in below)
    return counts[expr]


def free_symbols(expr: Any) -> set[Any]:
    """Return the symbols of an expression that are not bound in it."""
    found: set[Any] = expr.free_symbols
    return found


def bracketed(tree: Tree) -> Tree:
    """Put a tree in brackets."""
    return tree if isinstance(tree, Sum) else Sum(((1, tree),))


def without_unit_axes(node: Node) -> Node:
    """Return a matrix of one column or one row as a vector, and that of one entry as a number."""
    axes = range(len(node.shape))
    return einsum([node], [axes], [k for k in axes if node.shape[k] != 1])


def is_determinant(expr: Any) -> bool:
    """Tell whether an expression is the determinant of a matrix."""
    return type(expr).__name__ == "Determinant"


def is_of_entries(matrix: Any) -> bool:
    """Tell whether a matrix is given by its entries, or is the inverse or transpose of one."""
    while type(matrix).__name__ in ("Inverse", "Transpose"):
        matrix = matrix.args[0]
    return type(matrix).__name__ == "FunctionMatrix"


# --- entries ----------------------------------------------------------------------------------


def _rational(reader: SympyReader, expr: Any, scope: Scope) -> Tree:
    del reader, scope
    above = Literal(int(expr.p))
    return above if expr.q == 1 else Product(((above, 1), (Literal(int(expr.q)), -1)))


def _float(reader: SympyReader, expr: Any, scope: Scope) -> Tree:
    del reader, scope
    return Literal(float(expr))


def _imaginary(reader: SympyReader, expr: Any, scope: Scope) -> Tree:
    del reader, expr, scope
    return Literal(1j)


def _euler(reader: SympyReader, expr: Any, scope: Scope) -> Tree:
    del reader, expr, scope
    return Apply(Symbol("exp"), (Literal(1),))


def _name(reader: SympyReader, expr: Any, scope: Scope) -> Tree:
    """Read a symbol: a variable without axes, or a size, which is a factor."""
    size = reader.sizes.get(expr)
    if size is not None and expr not in scope:
        return Literal(size) if isinstance(size, int) else Symbol(size)
    if expr in reader.labels:
        refuse(
            expr,
            f"the index {expr} is taken for a number",
            "put a vector in its place, x[i] with x = 0, 1, ..",
        )
    return Symbol(reader.leaf(expr))


def _undefined(reader: SympyReader, expr: Any, scope: Scope) -> Tree | Job[Tree]:
    """Read a function that SymPy does not know: one of the table, or an unspecified one."""
    name = expr.func.__name__
    if name in FUNCTIONS:
        return reader.function(name, expr, scope)
    return Symbol(reader.leaf(expr))


def _derivative(reader: SympyReader, expr: Any, scope: Scope) -> Job[Tree]:
    if reader.is_symbol(expr):
        node: Node = reader.variable(reader.leaf(expr.expr))
        for by in expr.variables:
            node = partial(node, reader.variable(reader.leaf(by)))  # type: ignore[arg-type]
        return reader.operand(node)
    found: Tree = yield reader.tree(_differentiated(expr), scope)
    return found


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


def _indexed(reader: SympyReader, expr: Any, scope: Scope) -> Tree:
    name = reader.leaf(expr.base, len(expr.indices))
    node = reader.names.get(name)
    shape = None if node is None else node.shape
    labels = reader.indices(expr.indices, shape, scope)
    plain = tuple(label for label in labels if isinstance(label, str))
    if plain and len(plain) == len(labels):
        reader.letters.setdefault(name, {}).setdefault(plain)
    return Symbol(name, labels)


def _sum(reader: SympyReader, expr: Any, scope: Scope) -> Job[Tree]:
    terms = []
    for arg in expr.args:
        terms.append((1, (yield reader.tree(arg, scope))))
    return Sum(tuple(terms))


def _product(reader: SympyReader, expr: Any, scope: Scope) -> Job[Tree]:
    factors: list[tuple[Tree, int]] = []
    for arg in expr.args:
        tree: Tree = yield reader.tree(arg, scope)
        own = tree.factors if isinstance(tree, Product) else ((tree, 1),)
        factors += own
    return Product(tuple(factors))


def _power(reader: SympyReader, expr: Any, scope: Scope) -> Job[Tree]:
    """Read a power; that of ``1 + exp(-x)`` to -1 is the sigmoid, which does not overflow."""
    below, power = expr.args
    if power.is_Integer and power < 0 and below.is_Add and len(below.args) == 2:
        one, other = below.args
        if one == 1 and isinstance(other, reader.sympy.exp):
            argument = yield reader.tree(-other.args[0], scope)
            sigmoid: Tree = Apply(Symbol("sigmoid"), (argument,))
            return sigmoid if power == -1 else Power(sigmoid, Literal(-int(power)))
    base = yield reader.tree(below, scope)
    exponent = yield reader.tree(power, scope)
    return Power(base, exponent)


def _over(reader: SympyReader, expr: Any, scope: Scope) -> Job[Tree]:
    """Read a sum; the first of its ranges is the innermost."""
    inner, ranges = dict(scope), []
    for limit in reversed(expr.limits):
        label, size, value = reader.limits(expr, limit)
        inner[limit[0]] = value
        ranges.append((label, size))
    outer = dict(reader.soft)
    reader.soft.update(ranges)
    tree: Tree = yield reader.tree(expr.function, inner)
    reader.soft = outer
    for label, size in reversed(ranges):
        tree = Over((label,), (size,), tree)
    return tree


def _multiplied(reader: SympyReader, expr: Any, scope: Scope) -> Job[Tree]:
    """Read a product over indices."""
    inner, cores = dict(scope), []
    for limit in expr.limits:
        label, size, value = reader.limits(expr, limit)
        inner[limit[0]] = value
        cores.append((label, size))
    tree: Tree = yield reader.tree(expr.function, inner)
    return Apply(Symbol("prod"), (tree,), None, (tuple(cores),))


def _kronecker(reader: SympyReader, expr: Any, scope: Scope) -> Tree:
    sides = [reader.index(side, scope) for side in expr.args[:2]]
    labels = reader.indices(expr.args[:2], None, scope)
    is_plain = all(isinstance(label, str) for label in labels)
    return Symbol("δ", labels if is_plain else tuple(sides))


def _element(reader: SympyReader, expr: Any, scope: Scope) -> Job[Tree]:
    matrix, row, column = expr.args
    if isinstance(matrix, reader.sympy.MatrixSymbol):
        name = reader.leaf(matrix)
        if len(reader.names[name].shape) < 2:
            kept = [
                index for index, size in zip((row, column), matrix.shape, strict=True) if size != 1
            ]
            return Symbol(name, reader.indices(kept, None, scope))
    at = reader.index(row, scope), reader.index(column, scope)
    found: Tree = yield reader.entry(matrix, *at, scope)
    return found


def _array_element(reader: SympyReader, expr: Any, scope: Scope) -> Job[Tree]:
    array, indices = expr.args
    node = yield reader.node(array)
    return reader.operand(node, reader.indices(indices, None, scope))


def _trace(reader: SympyReader, expr: Any, scope: Scope) -> Job[Tree]:
    matrix = expr.args[0]
    if not is_of_entries(matrix):
        node = yield reader.node(matrix)
        return reader.operand(einsum([node], ["ii"], ""))
    label = reader.new_label()
    index = Affine(((1, label),))
    entry = yield reader.entry(matrix, index, index, scope)
    return Over((label,), (reader.size(matrix.shape[0]),), entry)


def _of_node(reader: SympyReader, expr: Any) -> Job[Tree]:
    return reader.operand((yield reader.node(expr)))


def _determinant(reader: SympyReader, expr: Any, scope: Scope) -> Job[Tree]:
    return reader.of_matrix("det", expr.args[0], scope)


def _piecewise(reader: SympyReader, expr: Any, scope: Scope) -> Job[Tree]:
    """Read a choice; one of a value and 0 is their product."""
    *pairs, (last, rest) = expr.args
    if rest != True:  # noqa: E712 (SymPy's truth)
        refuse(expr, "Piecewise has no value elsewhere", "end it with (value, True)")
    tree: Tree = yield reader.tree(last, scope)
    for value, condition in reversed(pairs):
        chosen = yield reader.tree(condition, scope)
        other = yield reader.tree(value, scope)
        if tree == Literal(0) and reader.is_said(condition, value, scope):
            # As SymPy writes the product of a condition and a value.
            tree = Product(((bracketed(chosen), 1), (bracketed(other), 1)))
        else:
            tree = Apply(Symbol("where"), (chosen, other, tree))
    return tree


#: Signs of comparisons, by SymPy's classes.
_SIGNS = {
    "StrictGreaterThan": ">",
    "GreaterThan": ">=",
    "StrictLessThan": "<",
    "LessThan": "<=",
    "Equality": "=",
    "Unequality": "!=",
}


def _comparison(reader: SympyReader, expr: Any, scope: Scope) -> Job[Tree]:
    sign = _SIGNS[type(expr).__name__]
    symbols = free_symbols(expr)
    if symbols and all(symbol in reader.labels for symbol in symbols):
        one, other = (reader.index(side, scope) for side in expr.args)
        return Compare(sign, one, other)
    left = yield reader.tree(expr.args[0], scope)
    right = yield reader.tree(expr.args[1], scope)
    return Compare(sign, left, right)


def _truth(reader: SympyReader, expr: Any, scope: Scope) -> Tree:
    del reader, scope
    return Literal(int(bool(expr)))


def _not(reader: SympyReader, expr: Any, scope: Scope) -> Job[Tree]:
    tree: Tree = yield reader.tree(expr.args[0], scope)
    return Sum(((1, Literal(1)), (-1, bracketed(tree))))


def _and(reader: SympyReader, expr: Any, scope: Scope) -> Job[Tree]:
    args: list[Tree] = []
    for arg in expr.args:
        args.append((yield reader.tree(arg, scope)))
    if reader.is_said(*expr.args, scope):
        return Product(tuple((bracketed(arg), 1) for arg in args))
    return reduce(lambda a, b: Apply(Symbol("minimum"), (a, b)), args)


def _or(reader: SympyReader, expr: Any, scope: Scope) -> Job[Tree]:
    args: list[Tree] = []
    for arg in expr.args:
        args.append((yield reader.tree(arg, scope)))
    return reduce(lambda a, b: Apply(Symbol("maximum"), (a, b)), args)


#: How entries are read, by SymPy's classes.
ENTRIES: dict[str, Callable[[SympyReader, Any, Scope], Any]] = {
    "Rational": _rational,
    "Float": _float,
    "NumberSymbol": _float,
    "Infinity": _float,
    "NegativeInfinity": _float,
    "ImaginaryUnit": _imaginary,
    "Exp1": _euler,
    "Symbol": _name,
    "AppliedUndef": _undefined,
    "Derivative": _derivative,
    "Indexed": _indexed,
    "Add": _sum,
    "Mul": _product,
    "Pow": _power,
    "Sum": _over,
    "Product": _multiplied,
    "KroneckerDelta": _kronecker,
    "MatrixElement": _element,
    "ArrayElement": _array_element,
    "Trace": _trace,
    "DotProduct": lambda reader, expr, _: _of_node(reader, expr),
    "Determinant": _determinant,
    "Piecewise": _piecewise,
    **dict.fromkeys(_SIGNS, _comparison),
    "BooleanTrue": _truth,
    "BooleanFalse": _truth,
    "Not": _not,
    "And": _and,
    "Or": _or,
}

#: Functions of SymPy that are others written shortly, of SymPy and the arguments.
REWRITTEN: dict[str, Callable[..., Any]] = {
    "sec": lambda s, x: 1 / s.cos(x),
    "csc": lambda s, x: 1 / s.sin(x),
    "cot": lambda s, x: s.cos(x) / s.sin(x),
    "sech": lambda s, x: 1 / s.cosh(x),
    "csch": lambda s, x: 1 / s.sinh(x),
    "coth": lambda s, x: 1 / s.tanh(x),
    "erfc": lambda s, x: 1 - s.erf(x),
    "exp2": lambda s, x: s.Integer(2) ** x,
    "Sqrt": lambda s, x: s.sqrt(x),
    "Cbrt": lambda s, x: s.cbrt(x),
    "sinc": lambda s, x: s.Piecewise((s.sin(x) / x, s.Ne(x, 0)), (1, True)),
    "Heaviside": lambda s, x, at: (
        s.Piecewise((1, x > 0), (0, True)) + at * s.Piecewise((1, s.Eq(x, 0)), (0, True))
    ),
    "ITE": lambda s, c, a, b: s.Piecewise((a, c), (b, True)),
}


# --- matrices and arrays ----------------------------------------------------------------------


def _each(reader: SympyReader, expr: Any) -> Job[list[Node]]:
    found = []
    for arg in expr.args:
        found.append((yield reader.node(arg)))
    return found


def _matrix_sum(reader: SympyReader, expr: Any) -> Job[Node]:
    terms = yield _each(reader, expr)
    return add([(1, term) for term in terms])


def _matrix_product(reader: SympyReader, expr: Any) -> Job[Node]:
    """Read a product of matrices, and of the numbers before it."""
    nodes = yield _each(reader, expr)
    labels: list[list[int]] = []
    last = 0
    for node in nodes:
        labels.append([last, last + 1] if node.shape else [])
        last += bool(node.shape)
    return einsum(nodes, labels, [0, last])


def _matrix_power(reader: SympyReader, expr: Any) -> Job[Node]:
    base, exponent = expr.args
    if not exponent.is_Integer:
        refuse(expr, f"a matrix to the power {exponent}", "write a power that is a number")
    node = yield reader.node(base)
    return _raised(node, int(exponent))


def _raised(node: Node, exponent: int) -> Node:
    if node.shape == (1, 1):  # a number
        value = call(FUNCTIONS["power"], [without_unit_axes(node), constant(exponent)])
        return einsum([value], [()], "ij", {"i": 1, "j": 1})
    return matrix_power(node, exponent)


def _inverse(reader: SympyReader, expr: Any) -> Job[Node]:
    return _raised((yield reader.node(expr.args[0])), -1)


def _transposed(reader: SympyReader, expr: Any) -> Job[Node]:
    node = yield reader.node(expr.args[0])
    return einsum([node], ["ij"], "ji")


def _identity(reader: SympyReader, expr: Any) -> Node:
    return delta(reader.size(expr.shape[0]))


def _ones(reader: SympyReader, expr: Any) -> Node:
    shape = [reader.size(size) for size in expr.shape]
    return einsum([], [], range(len(shape)), dict(enumerate(shape)))


def _zeros(reader: SympyReader, expr: Any) -> Node:
    return zero([reader.size(size) for size in expr.shape])


def _hadamard(reader: SympyReader, expr: Any) -> Job[Node]:
    nodes = yield _each(reader, expr)
    return einsum(nodes, ["ij"[: len(node.shape)] for node in nodes], "ij")


def _hadamard_power(reader: SympyReader, expr: Any) -> Job[Node]:
    base, exponent = yield _each(reader, expr)
    return power_of(base, exponent)


def _kronecker_product(reader: SympyReader, expr: Any) -> Job[Node]:
    nodes: list[Node] = yield _each(reader, expr)
    return reduce(kron, nodes)


def _diag_matrix(reader: SympyReader, expr: Any) -> Job[Node]:
    vector = without_unit_axes((yield reader.node(expr.args[0])))
    if len(vector.shape) != 1:
        refuse(expr, "DiagMatrix of what is no vector", "write DiagonalMatrix of a matrix")
    return einsum([vector], ["i"], "ii")


def _diagonal_matrix(reader: SympyReader, expr: Any) -> Job[Node]:
    node = yield reader.node(expr.args[0])
    if node.shape[0] != node.shape[1]:
        refuse(expr, "DiagonalMatrix of a matrix that is not square")
    return einsum([node], ["ii"], "ii")


def _diagonal_of(reader: SympyReader, expr: Any) -> Job[Node]:
    node = yield reader.node(expr.args[0])
    if node.shape[0] != node.shape[1]:
        refuse(expr, "DiagonalOf a matrix that is not square")
    return einsum([node], ["ii"], "ij", {"j": 1})


def _dot(reader: SympyReader, expr: Any) -> Job[Node]:
    nodes = yield _each(reader, expr)
    vectors = [without_unit_axes(node) for node in nodes]
    return einsum(vectors, ["i"[: len(v.shape)] for v in vectors], "")


def _blocks(reader: SympyReader, expr: Any) -> Job[Node]:
    """Read a matrix of matrices."""
    rows = []
    for i in range(expr.blocks.rows):
        row: list[Node] = []
        for j in range(expr.blocks.cols):
            row.append((yield reader.node(expr.blocks[i, j])))
        rows.append(concatenate(row, 1))
    return concatenate(rows, 0)


def _slice(reader: SympyReader, expr: Any) -> Job[Node]:
    matrix, *ranges = expr.args
    node = yield reader.node(matrix)
    for part in ranges:
        if not all(getattr(end, "is_Integer", isinstance(end, int)) for end in part):
            refuse(expr, f"the slice {part} is not of numbers", "give the sizes as numbers")
    return index(node, tuple(slice(*(int(end) for end in part)) for part in ranges))


def _elementwise(reader: SympyReader, expr: Any) -> Job[Node]:
    function, array = expr.args
    found: Node = yield reader.applied(function, (yield reader.node(array)))
    return found


def _of_indices(reader: SympyReader, expr: Any) -> Job[Node]:
    """Read a matrix that is given by its entries."""
    reader.need_shapes(expr)
    shape = [reader.size(size) for size in expr.shape]
    labels = reader.new_label(), reader.new_label()
    row, column = (Affine(((1, label),)) for label in labels)
    tree = yield reader.entry(expr, row, column, {})
    return reader.built(tree, labels, shape)


def _tensor_product(reader: SympyReader, expr: Any) -> Job[Node]:
    nodes = yield _each(reader, expr)
    labels: list[range] = []
    count = 0
    for node in nodes:
        labels.append(range(count, count + len(node.shape)))
        count += len(node.shape)
    return einsum(nodes, labels, range(count))


def _tied(rank: int, groups: Iterable[Iterable[int]]) -> tuple[list[int], list[int]]:
    """Give axes labels, one to each group of them; return these too."""
    labels = list(range(rank))
    firsts = []
    for group in groups:
        axes = [int(axis) for axis in group]
        firsts.append(axes[0])
        for axis in axes:
            labels[axis] = axes[0]
    return labels, firsts


def _contraction(reader: SympyReader, expr: Any) -> Job[Node]:
    node = yield reader.node(expr.expr)
    labels, summed = _tied(len(node.shape), expr.contraction_indices)
    return einsum([node], [labels], [n for n in labels if n not in summed])


def _array_diagonal(reader: SympyReader, expr: Any) -> Job[Node]:
    node = yield reader.node(expr.expr)
    labels, tied = _tied(len(node.shape), expr.diagonal_indices)
    return einsum([node], [labels], [*(n for n in labels if n not in tied), *tied])


def _permuted(reader: SympyReader, expr: Any) -> Job[Node]:
    node = yield reader.node(expr.expr)
    order = [int(axis) for axis in expr.permutation.array_form]
    return einsum([node], [range(len(node.shape))], order)


def _reshaped(reader: SympyReader, expr: Any) -> Job[Node]:
    node = yield reader.node(expr.args[0])
    return reshape(node, tuple(reader.size(size) for size in expr.shape))


def _array_derivative(reader: SympyReader, expr: Any) -> Job[Node]:
    found: Node = yield reader.node(_differentiated(expr))
    return found


#: How matrices and arrays are read, by SymPy's classes.
ARRAYS: dict[str, Callable[[SympyReader, Any], Any]] = {
    "MatrixSymbol": lambda reader, expr: reader.symbol(expr),
    "ArraySymbol": lambda reader, expr: reader.symbol(expr),
    "MatAdd": _matrix_sum,
    "ArrayAdd": _matrix_sum,
    "MatMul": _matrix_product,
    "Inverse": _inverse,
    "MatPow": _matrix_power,
    "Transpose": _transposed,
    "Identity": _identity,
    "OneMatrix": _ones,
    "OneArray": _ones,
    "ZeroMatrix": _zeros,
    "ZeroArray": _zeros,
    "HadamardProduct": _hadamard,
    "HadamardPower": _hadamard_power,
    "KroneckerProduct": _kronecker_product,
    "DiagMatrix": _diag_matrix,
    "DiagonalMatrix": _diagonal_matrix,
    "DiagonalOf": _diagonal_of,
    "DotProduct": _dot,
    "BlockMatrix": _blocks,
    "MatrixSlice": _slice,
    "ElementwiseApplyFunction": _elementwise,
    "ArrayElementwiseApplyFunc": _elementwise,
    "FunctionMatrix": _of_indices,
    "ArrayTensorProduct": _tensor_product,
    "ArrayContraction": _contraction,
    "ArrayDiagonal": _array_diagonal,
    "PermuteDims": _permuted,
    "Reshape": _reshaped,
    "ArrayDerivative": _array_derivative,
    "MatrixBase": lambda reader, expr: reader.explicit(expr),
    "NDimArray": lambda reader, expr: reader.explicit(expr),
}
