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

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from einsdiff.algebra.nodes.graph import dependencies, topological
from einsdiff.algebra.nodes.interning import Node, Variable
from einsdiff.display.index.lettering import Heading, Letters
from einsdiff.display.sympy.vocabulary import sympy_module
from einsdiff.errors import EinsdiffError, OperandError, ShapeError, SubscriptsError
from einsdiff.expressions.combining import checked_arrays
from einsdiff.expressions.formula import Formula, fresh, function_name
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.interop.sympy.meanings import refuse, shown, without_unit_axes, written_out
from einsdiff.interop.sympy.symbols import name_of, parted, walk
from einsdiff.interop.sympy.sympy_reader import SympyReader
from einsdiff.notation.index_parser import parse_equation
from einsdiff.notation.jobs import run
from einsdiff.notation.trees import Index, Symbol, letters_of, relettered

#: An expression that is shared is written out where it stands, up to so many parts.
MOST_PARTS = 200_000
_IN_PARTS = "name a part of it with a symbol, and convert the parts"


def from_sympy(
    expr: Any, /, *, axes: Sequence[Any] | None = None, domain: int | None = None, **operands: Any
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
            why = f"{type(expr).__name__} is no expression of SymPy"
            raise OperandError(why, action="pass a SymPy expression; ed.parse reads strings")
        count = written_out(expr)
        if count > MOST_PARTS:
            why = f"written out, the expression has {count} parts, more than {MOST_PARTS}"
            raise OperandError(why, action=_IN_PARTS)
        return _WholeReader(sympy, operands).tensor(expr, axes, domain)
    except RecursionError:
        why = "the expression is nested too deeply for SymPy, which goes down by recursion"
        raise OperandError(why, action=_IN_PARTS) from None


# --- reading ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Left:
    """A left-hand side: the name, what it is differentiated by, the arguments and the axes."""

    name: str = ""
    wrt: Sequence[str] = ()
    arguments: tuple[str, ...] = ()
    axes: tuple[Any, ...] | None = None
    dims: tuple[Any, ...] = ()


class _WholeReader(SympyReader):
    """Reads a whole expression with its left-hand side."""

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
                node, letters = self.entry_of(right, left)
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

    def entry_of(self, expr: Any, left: _Left) -> tuple[Node, Sequence[str]]:
        """Read the expression of an entry; find the axes, and the sizes that no one says."""
        tree = run(self.tree(expr, {}))
        letters = None
        if left.axes is not None:
            letters = [self.labels.get(axis, "") for axis in left.axes]
        sizes = [self.size(size) for size in left.dims]
        ranks = {name: leaf.rank for name, leaf in self.leaves.items() if leaf.rank is not None}
        unknown = {name: rank for name, rank in ranks.items() if name not in self.names}
        return self.built(tree, letters, sizes, "the left-hand side", unknown)

    def named_entries(self, name: str) -> tuple[str, tuple[Index, ...] | None]:
        """Read the name of what is differentiated by: a variable, or entries of one."""
        if "_" not in name or name in self.leaves or name in self.names:
            return name, None
        with suppress(SubscriptsError):
            tree = parse_equation(name, (*self.leaves, *self.names)).right
            if isinstance(tree, Symbol) and tree.labels:
                return tree.name, tree.labels
        return name, None

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
        by = [self.named_entries(name) for name in left.wrt]
        ranks = [
            len(self.variable(name).shape) if indices is None else len(letters_of(indices))
            for name, indices in by
        ]
        if sum(ranks) > rank:
            raise ShapeError(
                f"the left-hand side has {rank} indices, and what it is "
                f"differentiated by has {sum(ranks)}",
                action="write an index for each axis of the function and the variables",
            )
        if ranks:
            domain = ranks[-1]
        if domain is not None and not 0 <= domain <= rank:
            raise ShapeError(
                f"domain={domain} of {rank} axes",
                action="say how many of the axes, the last ones, are those of the variable",
            )
        rest = iter(letters)
        own = tuple(islice(rest, rank - sum(ranks)))
        groups: list[tuple[str, tuple[Index, ...]]] = []
        for (name, indices), n in zip(by, ranks, strict=True):
            new = tuple(islice(rest, n))
            groups.append((name, new if indices is None else relettered(indices, new)))
        heading = Heading(left.name or function_name(arguments), own, tuple(groups))
        spoken = Letters({name: tuple(self.letters.get(name, ())) for name in arguments})
        formula = Formula(node, heading, spoken, tuple(arguments.values()), domain)
        used = {name: array for name, array in self.values.items() if name in arguments}
        return Tensor(formula, checked_arrays(Tensor(formula, {}), used))
