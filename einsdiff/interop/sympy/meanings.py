r"""What SymPy's classes mean, in two tables: for each the function of what its arguments mean.

An entry, such as a sum or a comparison, is a tree of index notation; a matrix or an array, such as
``MatMul`` or an ``ArrayContraction``, is a node with all of SymPy's axes. What needs to know the
indices, names and sizes of the whole is in `einsdiff.interop.sympy.importing`.

>>> from einsdiff.algebra.nodes.interning import variable
>>> TREES["Add"](None, Literal(1), Symbol("x")).terms[1]
(1, Symbol(name='x', labels=()))
>>> NODES["Transpose"](None, variable("A", (2, 3))).shape
(3, 2)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from itertools import pairwise
from typing import Any, NoReturn

from einsdiff.algebra.nodes.function_records import FUNCTIONS
from einsdiff.algebra.nodes.interning import Node, constant
from einsdiff.algebra.nodes.nodes import add, call, einsum
from einsdiff.algebra.operations.arithmetic import power as power_of
from einsdiff.algebra.operations.indexing import index
from einsdiff.algebra.operations.matrices import matrix_power
from einsdiff.algebra.operations.products import kron
from einsdiff.errors import OperandError
from einsdiff.notation.trees import Apply, Literal, Product, Sum, Symbol, Tree

#: An expression with at most so many parts is shown in a message, with so many characters.
MOST_SHOWN = 100
MOST_CHARACTERS = 200


def refuse(expr: Any, why: str = "", action: str = "") -> NoReturn:
    """Say that a part of an expression has no counterpart."""
    raise OperandError(
        why or f"{type(expr).__name__} has no counterpart in einsdiff",
        text=shown(expr),
        action=action
        or "write it with other functions, expr.rewrite(..) or expr.doit(), or put a symbol in "
        "its place, expr.subs(part, symbol)",
    )


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


# --- entries ----------------------------------------------------------------------------------


def bracketed(tree: Tree) -> Tree:
    """Put a tree in brackets."""
    return tree if isinstance(tree, Sum) else Sum(((1, tree),))


def _rational(expr: Any) -> Tree:
    above = Literal(int(expr.p))
    return above if expr.q == 1 else Product(((above, 1), (Literal(int(expr.q)), -1)))


def _float(expr: Any) -> Tree:
    return Literal(float(expr))


def _product(_: Any, *args: Tree) -> Tree:
    factors: list[tuple[Tree, int]] = []
    for tree in args:
        factors += tree.factors if isinstance(tree, Product) else ((tree, 1),)
    return Product(tuple(factors))


#: How entries are read, by SymPy's classes: of the expression, and the trees of its arguments.
TREES: dict[str, Callable[..., Tree]] = {
    "Rational": _rational,
    "Float": _float,
    "NumberSymbol": _float,
    "Infinity": _float,
    "NegativeInfinity": _float,
    "ImaginaryUnit": lambda _: Literal(1j),
    "Exp1": lambda _: Apply(Symbol("exp"), (Literal(1),)),
    "Add": lambda _, *args: Sum(tuple((1, arg) for arg in args)),
    "Mul": _product,
    "BooleanTrue": lambda _: Literal(1),
    "BooleanFalse": lambda _: Literal(0),
    "Not": lambda _, arg: Sum(((1, Literal(1)), (-1, bracketed(arg)))),
    "Or": lambda _, *args: reduce(lambda a, b: Apply(Symbol("maximum"), (a, b)), args),
}

#: Signs of comparisons, by SymPy's classes.
SIGNS = {
    "StrictGreaterThan": ">",
    "GreaterThan": ">=",
    "StrictLessThan": "<",
    "LessThan": "<=",
    "Equality": "=",
    "Unequality": "!=",
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

#: The classes of what has axes of its own.
ARRAY_KINDS = {"MatrixExpr", "MatrixBase", "NDimArray", "_ArrayExpr", "_CodegenArrayAbstract"}
#: The classes of arguments that are neither matrices nor numbers.
NOT_READ = ("Tuple", "tuple", "Permutation")


def without_unit_axes(node: Node) -> Node:
    """Return a matrix of one column or one row as a vector, and that of one entry as a number."""
    axes = range(len(node.shape))
    return einsum([node], [axes], [k for k in axes if node.shape[k] != 1])


def _matrix_product(expr: Any, *nodes: Node) -> Node:
    """Read a product of matrices, and of the numbers before it."""
    for (_, columns), (rows, _) in pairwise(node.shape for node in nodes if node.shape):
        if rows != columns:  # SymPy lets a matrix of one entry stand before any other
            why = f"a matrix of {rows} rows stands after one of {columns} columns"
            refuse(expr, why, "write a number as one: Trace(x.T*x)*A")
    labels: list[list[int]] = []
    last = 0
    for node in nodes:
        labels.append([last, last + 1] if node.shape else [])
        last += bool(node.shape)
    return einsum(nodes, labels, [0, last])


def _matrix_power(expr: Any, node: Node, _: Node) -> Node:
    exponent = expr.args[1]
    if not exponent.is_Integer:
        refuse(expr, f"a matrix to the power {exponent}", "write a power that is a number")
    if node.shape == (1, 1):  # a number
        value = call(FUNCTIONS["power"], [without_unit_axes(node), constant(int(exponent))])
        return einsum([value], [()], "ij", {"i": 1, "j": 1})
    return matrix_power(node, int(exponent))


def _diag_matrix(expr: Any, node: Node) -> Node:
    vector = without_unit_axes(node)
    if len(vector.shape) != 1:
        refuse(expr, "DiagMatrix of what is no vector", "write DiagonalMatrix of a matrix")
    return einsum([vector], ["i"], "ii")


def _diagonal_matrix(expr: Any, node: Node) -> Node:
    if node.shape[0] != node.shape[1]:
        refuse(expr, "DiagonalMatrix of a matrix that is not square")
    return einsum([node], ["ii"], "ii")


def _diagonal_of(expr: Any, node: Node) -> Node:
    if node.shape[0] != node.shape[1]:
        refuse(expr, "DiagonalOf a matrix that is not square")
    return einsum([node], ["ii"], "ij", {"j": 1})


def _dot(_: Any, *nodes: Node) -> Node:
    vectors = [without_unit_axes(node) for node in nodes]
    return einsum(vectors, ["i"[: len(v.shape)] for v in vectors], "")


def _slice(expr: Any, node: Node) -> Node:
    ranges = expr.args[1:]
    for part in ranges:
        if not all(getattr(end, "is_Integer", isinstance(end, int)) for end in part):
            refuse(expr, f"the slice {part} is not of numbers", "give the sizes as numbers")
    return index(node, tuple(slice(*(int(end) for end in part)) for part in ranges))


def _tensor_product(_: Any, *nodes: Node) -> Node:
    labels: list[range] = []
    count = 0
    for node in nodes:
        labels.append(range(count, count + len(node.shape)))
        count += len(node.shape)
    return einsum(nodes, labels, range(count))


def _tied(node: Node, groups: Iterable[Iterable[int]]) -> tuple[list[int], list[int]]:
    """Give axes labels, one to each group of them; return these too."""
    labels = list(range(len(node.shape)))
    firsts = []
    for group in groups:
        axes = [int(axis) for axis in group]
        firsts.append(axes[0])
        for axis in axes:
            labels[axis] = axes[0]
    return labels, firsts


def _contraction(expr: Any, node: Node) -> Node:
    labels, summed = _tied(node, expr.contraction_indices)
    return einsum([node], [labels], [n for n in labels if n not in summed])


def _array_diagonal(expr: Any, node: Node) -> Node:
    labels, tied = _tied(node, expr.diagonal_indices)
    return einsum([node], [labels], [*(n for n in labels if n not in tied), *tied])


#: How matrices and arrays are read, by SymPy's classes: of the expression, and the nodes of its
#: arguments.
NODES: dict[str, Callable[..., Node]] = {
    "MatAdd": lambda _, *nodes: add([(1, node) for node in nodes]),
    "ArrayAdd": lambda _, *nodes: add([(1, node) for node in nodes]),
    "MatMul": _matrix_product,
    "MatPow": _matrix_power,
    "Transpose": lambda _, node: einsum([node], ["ij"], "ji"),
    "HadamardProduct": lambda _, *nodes: einsum(nodes, ["ij"[: len(n.shape)] for n in nodes], "ij"),
    "HadamardPower": lambda _, base, exponent: power_of(base, exponent),
    "KroneckerProduct": lambda _, *nodes: reduce(kron, nodes),
    "DiagMatrix": _diag_matrix,
    "DiagonalMatrix": _diagonal_matrix,
    "DiagonalOf": _diagonal_of,
    "DotProduct": _dot,
    "MatrixSlice": _slice,
    "ArrayTensorProduct": _tensor_product,
    "ArrayContraction": _contraction,
    "ArrayDiagonal": _array_diagonal,
    "PermuteDims": lambda expr, node: einsum(
        [node], [range(len(node.shape))], [int(axis) for axis in expr.permutation.array_form]
    ),
}
