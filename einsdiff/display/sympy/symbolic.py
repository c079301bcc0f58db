r"""Expressions as SymPy writes them: with indices, as array expressions, and as matrices.

In the indexed form each entry is an expression of entries, and each sum is written,

.. math:: \frac{\partial f_i}{\partial x_p} =
    \delta_{ip} \sum_{j=0}^{n-1} A_{ij} \quad\to\quad
    \texttt{KroneckerDelta(i, p) * Sum(A[i, j], (j, 0, n - 1))} .

It comes as an equation, whose left-hand side says in which order the axes are, which sizes they
have, and what the function depends on: ``∂f/∂A(A, x)[i, p, q]``. `einsdiff.interop.sympy.importing`
reads it.

SymPy is imported when the first expression is written.

>>> from einsdiff.algebra.nodes.nodes import einsum, variable
>>> A, x = variable("A", (2, "n")), variable("x", ("n",))
>>> f = einsum([A, x], ["ij", "j"], "i")
>>> indexed_form(f, Heading("f", ("i",)), Letters(), (A, x))
Eq(f(A, x)[i], Sum(A[i, j]*x[j], (j, 0, n - 1)))
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from fractions import Fraction
from importlib import import_module
from itertools import product
from math import prod
from typing import Any, NoReturn

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.graph import children, topological, variables_of
from einsdiff.algebra.nodes.nodes import (
    SUPERSCRIPT,
    Add,
    Call,
    Constant,
    Delta,
    Einsum,
    Node,
    Number,
    Shape,
    Variable,
    is_zero,
)
from einsdiff.algebra.reading.definitions import with_definitions
from einsdiff.display.index.lettering import Heading, Letters, assigned, axis_spellings, places
from einsdiff.display.index.printer import absorbable, summary
from einsdiff.display.matrix.forms import Form, subforms
from einsdiff.display.matrix.matrix_equation import MatrixEquation
from einsdiff.errors import OperandError, page
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.letters import first_unused
from einsdiff.notation.subscripts import Size

__all__ = [
    "DEEPEST",
    "SPELLED",
    "array_form",
    "indexed_form",
    "matrix_expression",
    "spelled",
    "sympy_module",
]

#: Functions inside of each other, at most: SymPy prints and rewrites by recursion.
DEEPEST = 100

#: An array of ones and zeros has at most so many entries.
MOST_ENTRIES = 1000

#: What SymPy calls a function of each entry, by its name in the function table.
SPELLED = {
    name: entry.sympy
    for name, entry in FUNCTIONS.items()
    if isinstance(entry.sympy, str) and entry.sympy
}


def sympy_module(what: str) -> Any:
    """Import SymPy, for what is not done without it.

    >>> sympy_module("to_sympy()").__name__
    'sympy'
    """
    try:
        import sympy
    except ImportError:
        action = 'pip install "einsdiff[sympy]"'
        raise OperandError(page(f"{what} needs SymPy", action=action)) from None
    return sympy


def spelled(name: str) -> Any:
    """Return SymPy's function of this name in the function table.

    >>> spelled("arcsin"), spelled("log1p")
    (asin, log1p)
    """
    module, _, attribute = SPELLED[name].rpartition(":")
    return getattr(import_module(module or "sympy"), attribute)


def _holds(sympy: Any, condition: Any) -> Any:
    return sympy.Piecewise((1, condition), (0, True))


def _refuse(headline: str, action: str) -> NoReturn:
    raise OperandError(page(headline, action=action))


def _check(node: Node) -> None:
    depth: dict[Node, int] = {}
    for part in topological([node]):
        depth[part] = 1 + max((depth[child] for child in children(part)), default=0)
    if depth[node] > DEEPEST:
        _refuse(
            f"the expression is {depth[node]} levels deep, and SymPy goes down by recursion",
            "name a part of it, ed.tensor('y', ..), and write the rest",
        )


# --- atoms ------------------------------------------------------------------------------------


class _Atoms:
    """Numbers, sizes and variables, as SymPy's."""

    def __init__(self) -> None:
        self.sympy = sympy_module("to_sympy()")

    def number(self, value: Number) -> Any:
        """Write a number: exact ones are exact, and floats are floats."""
        sympy = self.sympy
        if isinstance(value, complex):
            return sympy.Float(value.real) + sympy.I * sympy.Float(value.imag)
        if isinstance(value, float):
            return sympy.Float(value)
        fraction = Fraction(value)
        return sympy.Rational(fraction.numerator, fraction.denominator)

    def size(self, size: Size) -> Any:
        sympy = self.sympy
        if isinstance(size, int):
            return sympy.Integer(size)
        return sympy.Symbol(size, integer=True, positive=True)

    def sizes(self, shape: Shape) -> tuple[Any, ...]:
        return tuple(self.size(size) for size in shape)

    def index(self, letter: str) -> Any:
        return self.sympy.Symbol(letter, integer=True)

    def variable(self, node: Variable) -> Any:
        """Write a variable without its indices; an unspecified function with its arguments."""
        sympy = self.sympy
        label = sympy.Symbol(node.name)
        if node.derivative is not None and not node.shape:
            base, by = node.derivative
            return sympy.Derivative(self.variable(base), *map(self.variable, by))
        if node.of:
            label = sympy.Function(node.name)(*(self.variable(v) for v in node.of))
        return sympy.IndexedBase(label, shape=self.sizes(node.shape)) if node.shape else label

    def entry(self, base: Any, indices: Sequence[Any]) -> Any:
        return base[tuple(indices)] if indices else base


# --- indices ----------------------------------------------------------------------------------


def indexed_form(
    node: Node, heading: Heading, letters: Letters, arguments: Sequence[Variable]
) -> Any:
    """Write an expression entry by entry.

    Parameters
    ----------
    node
        The expression.
    heading
        What stands on the left-hand side.
    letters
        The user's letters for summed indices.
    arguments
        The variables of the function.

    Returns
    -------
    sympy.Equality
        Its left-hand side is ``f(A, x)[i]``, or ``∂f/∂A(A, x)[i, p, q]``.

    Raises
    ------
    OperandError
        SymPy is not installed, the expression is too long or too deep, or it has a function that
        SymPy has no sign for.

    Examples
    --------
    >>> from einsdiff.algebra.nodes.nodes import einsum, variable
    >>> x = variable("x", (3,))
    >>> J = einsum([x], ["q"], "iiq", {"i": 2})
    >>> indexed_form(J, Heading("f", ("i",), (("A", ("p", "q")),)), Letters(), (x,))
    Eq(∂f/∂A(x)[i, p, q], KroneckerDelta(i, p)*x[q])
    """
    (node,) = with_definitions([node], lambda known: bool(known.sympy) or known.name in _OF_AXES)
    order, first, length = places(node, letters)
    if too_long := summary(order, length):
        _refuse(f"SymPy would get {too_long[1:-1]}", "name a part of it, and write the rest")
    _check(node)
    atoms = _Atoms()
    sympy = atoms.sympy
    axes = heading.letters
    sizes = {size for part in order for size in getattr(part, "sizes", part.shape)}
    taken = {*axes, *(size for size in sizes if isinstance(size, str))}
    right = run(_Indices(atoms, letters, first).sum(node, axes, taken))
    by_name = {v.name: v for v in arguments}
    indices = [atoms.index(letter) for letter in axes]
    if heading.name in by_name and not heading.wrt:
        left = atoms.variable(by_name[heading.name])
    else:
        left = sympy.Symbol(_name(heading))
        given = [atoms.variable(v) for v in arguments if v.derivative is None]
        if given:
            left = sympy.Function(_name(heading))(*given)
        if axes:
            left = sympy.IndexedBase(left, shape=atoms.sizes(node.shape))
    return sympy.Eq(atoms.entry(left, indices), right, evaluate=False)


def _name(heading: Heading) -> str:
    """Write a left-hand side without its indices: ``∂²f/∂x∂y``."""
    if not heading.wrt:
        return heading.name
    order = str(len(heading.wrt)).translate(SUPERSCRIPT) if len(heading.wrt) > 1 else ""
    return f"∂{order}{heading.name}/" + "".join(f"∂{name}" for name, _ in heading.wrt)


class _Indices:
    """Writes the nodes of one expression entry by entry; its methods are jobs, see `run`."""

    def __init__(self, atoms: _Atoms, letters: Letters, first: Mapping[Node, int]) -> None:
        self.atoms, self.sympy = atoms, atoms.sympy
        self.letters, self.first = letters, first

    def sum(self, node: Node, axes: Sequence[str], used: set[str]) -> Job[Any]:
        """Write a node; add the letters that it uses to `used`."""
        outside = frozenset(used)
        total = []
        for c, term in node.terms if isinstance(node, Add) else ((1, node),):
            inner = set(outside)
            value = yield self.product(term, axes, inner)
            total.append(self.atoms.number(c) * value)
            used |= inner
        return self.sympy.Add(*total)

    def product(self, node: Node, axes: Sequence[str], used: set[str]) -> Job[Any]:
        """Write deltas and size factors, and a sum over the factors that it is taken of."""
        if not isinstance(node, Einsum):
            indices = [self.atoms.index(letter) for letter in axes]
            return (yield self.factor(node, axes, indices, used))
        absorbed = absorbable(node)
        gone = {relation for _, _, relation in absorbed.values()}
        letter = assigned(node, tuple(axes), self.letters, self.first, used, absorbed)
        index = {n: self.atoms.index(name) for n, name in letter.items()}
        for n, (terms, offset, _) in absorbed.items():
            index[n] = sum((c * index[m] for c, m in terms), self.sympy.Integer(offset))
        outer = [self.atoms.size(node.sizes[n]) for n in node.loose]
        first: dict[int, str] = {}
        for n, axis in zip(node.output, axes, strict=True):
            if n in first:
                pair = (self.atoms.index(name) for name in (first[n], axis))
                outer.append(self.sympy.KroneckerDelta(*pair))
            first.setdefault(n, axis)
        summed = [n for n in letter if n not in node.output and n not in node.loose]
        dummies = {index[n] for n in summed}
        inner: list[Any] = []
        for k, (operand, labels) in enumerate(zip(node.operands, node.subscripts, strict=True)):
            if k in gone:
                continue
            names = [letter.get(n, "") for n in labels]
            value = yield self.factor(operand, names, [index[n] for n in labels], used)
            is_inside = any(dummies & index[n].free_symbols for n in labels)
            (inner if is_inside else outer).append(value)
        limits = [(index[n], 0, self.atoms.size(node.sizes[n]) - 1) for n in summed]
        if limits:
            outer.append(self.sympy.Sum(self.sympy.Mul(*inner), *limits))
        return self.sympy.Mul(*outer)

    def factor(
        self, node: Node, axes: Sequence[str], indices: Sequence[Any], used: set[str]
    ) -> Job[Any]:
        """Write an entry; of a variable the indices may be sums, of others they are letters."""
        if isinstance(node, Variable):
            return self.atoms.entry(self.atoms.variable(node), indices)
        if isinstance(node, Constant):
            return self.atoms.number(node.value)
        if isinstance(node, Delta):
            return self.delta(node, indices)
        if isinstance(node, Call):
            return (yield self.call(node, axes, used))
        return (yield self.sum(node, axes, used))

    def delta(self, node: Delta, indices: Sequence[Any]) -> Any:
        c, offset, is_equation = node.relation
        if node.is_identity:
            return self.sympy.KroneckerDelta(*indices)
        terms = [(k, index) for k, index in zip(c, indices, strict=True)]
        above = sum((k * index for k, index in terms if k > 0), self.sympy.Integer(max(offset, 0)))
        below = sum(
            (-k * index for k, index in terms if k < 0), self.sympy.Integer(-min(offset, 0))
        )
        if is_equation:
            return self.sympy.KroneckerDelta(above, below)
        return _holds(self.sympy, above >= below)

    # Functions.

    def call(self, node: Call, axes: Sequence[str], used: set[str]) -> Job[Any]:
        function, name = node.function, node.function.name
        if function.is_elementwise:
            args = []
            for arg in node.args:
                args.append((yield self.sum(arg, axes if arg.shape else (), used)))
            return self.applied(name, args)
        rank = len(node.batch)
        write = _OF_AXES.get(name)
        if write is None:
            _refuse(
                f"SymPy has no {name} of entries that are named by indices",
                "write the expression without it, with a tensor for its value",
            )
        parts: list[_Arg] = []
        for k, (arg, core) in enumerate(zip(node.args, function.cores[0], strict=True)):
            head = tuple(axes[:rank]) if len(arg.shape) > len(core) else ()
            own: list[str] = []
            for axis in range(len(head), len(arg.shape)):
                own.append(first_unused(axis_spellings(self.letters, arg, axis), used))
                used.add(own[-1])
            is_matrix = k < _MATRICES.get(name, 0)
            if is_matrix and isinstance(arg, Variable) and _is_matrix(arg):
                sizes = self.atoms.sizes(arg.shape)
                parts.append(([], self.sympy.MatrixSymbol(arg.name, *sizes)))
                continue
            value = yield self.sum(arg, (*head, *own), used)
            limits = [
                (self.atoms.index(letter), self.atoms.size(size))
                for letter, size in zip(own, arg.shape[len(head) :], strict=True)
            ]
            if is_matrix:
                (i, m), (j, n) = limits
                value = self.sympy.FunctionMatrix(m, n, self.sympy.Lambda((i, j), value))
            parts.append((limits, value))
        return write(self.sympy, parts, [self.atoms.index(letter) for letter in axes[rank:]])

    def applied(self, name: str, args: Sequence[Any]) -> Any:
        """Apply a function of each entry; one that SymPy does not know is a name to it."""
        known = FUNCTIONS.get(name)
        if name in SPELLED:
            return spelled(name)(*args)
        if known is not None and callable(known.sympy):
            return known.sympy(self.sympy, *args)
        return self.sympy.Function(name)(*args)


def _is_matrix(node: Variable) -> bool:
    """Tell whether SymPy's symbol for a matrix would be read as this variable."""
    return len(node.shape) == 2 and 1 not in node.shape and node.derivative is None and not node.of


#: The limits of the axes that a function acts on, and the entry there; or no limits and a matrix.
_Arg = tuple[list[tuple[Any, Any]], Any]


def _solution(s: Any, args: list[_Arg], axes: list[Any]) -> Any:
    (_, matrix), (limits, value) = args
    k, size = limits[0]
    if len(limits) == 2:
        value = value.xreplace({limits[1][0]: axes[1]})
    return s.Sum(_entry_of_inverse(s, matrix, axes[0], k) * value, (k, 0, size - 1))


def _entry_of_inverse(s: Any, matrix: Any, row: Any, column: Any) -> Any:
    # Indexing would write out the inverse of a matrix whose size is a number.
    element = import_module("sympy.matrices.expressions.matexpr").MatrixElement
    return element(s.Inverse(matrix), row, column)


def _summed(s: Any, arg: _Arg, function: Callable[[Any], Any]) -> Any:
    limits, value = arg
    return s.Sum(function(value), *((k, 0, size - 1) for k, size in limits))


def _at(arg: _Arg, axes: Sequence[Any]) -> Any:
    """Return an argument at the indices of the value."""
    limits, value = arg
    return value.xreplace({k: axis for (k, _), axis in zip(limits, axes, strict=True)})


#: How many arguments of a function are matrices to SymPy, the first ones.
_MATRICES = {"inv": 1, "det": 1, "logdet": 1, "signdet": 1, "solve": 1}

#: Functions of axes: of SymPy, the arguments, and the indices of the value.
_OF_AXES: dict[str, Callable[[Any, list[_Arg], list[Any]], Any]] = {
    "inv": lambda s, args, axes: _entry_of_inverse(s, args[0][1], *axes),
    "det": lambda s, args, _: s.Determinant(args[0][1]),
    "logdet": lambda s, args, _: s.log(s.Abs(s.Determinant(args[0][1]))),
    "signdet": lambda s, args, _: s.sign(s.Determinant(args[0][1])),
    "solve": _solution,
    "prod": lambda s, args, _: s.Product(args[0][1], *((k, 0, n - 1) for k, n in args[0][0])),
    "logsumexp": lambda s, args, _: s.log(_summed(s, args[0], s.exp)),
    "softmax": lambda s, args, axes: s.exp(_at(args[0], axes)) / _summed(s, args[0], s.exp),
    "log_softmax": lambda s, args, axes: _at(args[0], axes) - s.log(_summed(s, args[0], s.exp)),
    "cumsum": lambda s, args, axes: _summed(
        s, args[0], lambda value: value * _holds(s, axes[0] >= args[0][0][0][0])
    ),
}


# --- array expressions ------------------------------------------------------------------------


def array_form(node: Node) -> Any:
    r"""Write an expression with SymPy's array expressions.

    A product is an ``ArrayTensorProduct``, in which an index that is summed is contracted, one that
    stands twice and is not summed is made a diagonal, and the axes are put in order. A delta is an
    ``Identity``, an axis along which nothing changes a ``OneArray``.

    Parameters
    ----------
    node
        The expression.

    Returns
    -------
    sympy.Basic
        Of the shape of the expression.

    Raises
    ------
    OperandError
        SymPy is not installed, the expression is too deep, or SymPy has no array expression for a
        part of it: indices that are shifted or compared, and functions of several arrays.

    Examples
    --------
    >>> from einsdiff.algebra.nodes.nodes import einsum, variable
    >>> A, x = variable("A", (2, 3)), variable("x", (3,))
    >>> array_form(einsum([A, x], ["ij", "j"], "i"))
    ArrayContraction(ArrayTensorProduct(x, A), (0, 2))
    """
    _check(node)
    writer = _Arrays(_Atoms())
    for part in topological([node]):
        writer.done[part] = writer.written(part)
    return writer.done[node]


class _Arrays:
    """Writes nodes as array expressions, each once, from those below it."""

    def __init__(self, atoms: _Atoms) -> None:
        self.atoms, self.sympy = atoms, atoms.sympy
        self.arrays = import_module("sympy.tensor.array.expressions")
        self.done: dict[Node, Any] = {}

    def written(self, node: Node) -> Any:
        if isinstance(node, Variable):
            if not node.shape:
                return self.sympy.Symbol(node.name)
            return self.arrays.ArraySymbol(node.name, self.atoms.sizes(node.shape))
        if isinstance(node, Constant):
            return self.atoms.number(node.value)
        if isinstance(node, Delta):
            return self.delta(node)
        if isinstance(node, Add):
            return self.total(node)
        if isinstance(node, Einsum):
            return self.product(node)
        assert isinstance(node, Call)
        return self.call(node)

    def delta(self, node: Delta) -> Any:
        """Write a delta: an identity, or an array of its entries where they are few."""
        if node.is_identity:
            identity = self.sympy.Identity(self.atoms.size(node.shape[0]))
            # A matrix of one column is a vector to `from_sympy`, and an array is an array.
            return self.arrays.ArrayTensorProduct(1, identity) if 1 in node.shape else identity
        sizes = [size for size in node.shape if isinstance(size, int)]
        if len(sizes) < len(node.shape) or prod(sizes) > MOST_ENTRIES:
            _refuse(
                "SymPy's array expressions have no sign for indices that are shifted or compared",
                'write to_sympy("indexed")',
            )
        c, offset, is_equation = node.relation
        entries = []
        for position in product(*map(range, sizes)):
            value = sum(k * at for k, at in zip(c, position, strict=True)) + offset
            entries.append(int(value == 0 if is_equation else value >= 0))
        return self.sympy.ImmutableDenseNDimArray(entries, tuple(sizes))

    def total(self, node: Add) -> Any:
        if not node.shape:
            terms = [(c, self.done[term]) for c, term in node.terms]
            if not any(hasattr(term, "shape") for _, term in terms):
                return self.sympy.Add(*(self.atoms.number(c) * term for c, term in terms))
        if not node.terms:
            return self.arrays.ZeroArray(*self.atoms.sizes(node.shape))
        # Neither a matrix expression nor a number can be added to an array expression.
        terms = [
            term
            if c == 1 and hasattr(term, "shape") and not isinstance(term, self.sympy.MatrixExpr)
            else self.arrays.ArrayTensorProduct(self.atoms.number(c), term)
            for c, term in ((c, self.done[term]) for c, term in node.terms)
        ]
        return terms[0] if len(terms) == 1 else self.arrays.ArrayAdd(*terms)

    def product(self, node: Einsum) -> Any:
        """Write a tensor product, its contractions, its diagonals, and the order of the axes."""
        factors = [self.done[operand] for operand in node.operands]
        labels = [n for own in node.subscripts for n in own]
        out = list(node.output)
        factors += [self.atoms.size(node.sizes[n]) for n in node.loose]
        for place, n in enumerate(node.output):
            if n in node.output[:place]:  # a delta joins the first of these axes and this one
                factors.append(self.sympy.Identity(self.atoms.size(node.sizes[n])))
                out[place] = -1 - place
                labels += [n, out[place]]
        for n in node.output:
            if n not in labels:
                factors.append(self.arrays.OneArray(self.atoms.size(node.sizes[n])))
                labels.append(n)
        if not any(hasattr(factor, "shape") for factor in factors):
            return self.sympy.Mul(*factors)
        whole = factors[0]
        if len(factors) > 1:
            whole = self.arrays.ArrayTensorProduct(*factors)
        whole, labels = self.contracted(whole, labels, out)
        if labels == out:
            return whole
        return self.arrays.PermuteDims(whole, [labels.index(n) for n in out])

    def contracted(self, whole: Any, labels: list[int], out: list[int]) -> tuple[Any, list[int]]:
        """Sum over the labels that are not wanted, and make diagonals of those that repeat."""
        found: dict[int, list[int]] = {}
        for axis, n in enumerate(labels):
            found.setdefault(n, []).append(axis)
        summed = [tuple(axes) for n, axes in found.items() if n not in out]
        if summed:
            whole = self.arrays.ArrayContraction(whole, *summed)
            labels = [n for n in labels if n in out]
        again: dict[int, list[int]] = {}
        for axis, n in enumerate(labels):
            again.setdefault(n, []).append(axis)
        tied = {n: tuple(axes) for n, axes in again.items() if len(axes) > 1}
        if tied:  # diagonals become the last axes
            whole = self.arrays.ArrayDiagonal(whole, *tied.values())
            labels = [*(n for n in labels if n not in tied), *tied]
        return whole, labels

    def call(self, node: Call) -> Any:
        function = node.function
        args = [self.done[arg] for arg in node.args]
        arrays = [k for k, arg in enumerate(args) if hasattr(arg, "shape")]
        if function.is_elementwise and len(arrays) < 2:
            apply = _Indices(self.atoms, Letters(), {}).applied
            if not arrays:
                return apply(function.name, args)
            (k,) = arrays
            entry = self.sympy.Dummy("d")
            value = apply(function.name, [*args[:k], entry, *args[k + 1 :]])
            rule = self.sympy.Lambda(entry, value)
            return self.arrays.ArrayElementwiseApplyFunc(rule, args[k])
        if function.name in ("inv", "det", "logdet", "signdet"):
            (arg,) = node.args
            if isinstance(arg, Variable) and _is_matrix(arg):
                matrix = self.sympy.MatrixSymbol(arg.name, *self.atoms.sizes(arg.shape))
                return _MATRIX_FUNCTIONS[function.name](self.sympy, matrix)
        _refuse(
            f"SymPy's array expressions have no {function.name} of these arguments",
            'write to_sympy("indexed"), or to_sympy("matrix")',
        )


#: Functions of matrices, of SymPy and the matrix.
_MATRIX_FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "inv": lambda s, matrix: s.Inverse(matrix),
    "det": lambda s, matrix: s.Determinant(matrix),
    "logdet": lambda s, matrix: s.log(s.Abs(s.Determinant(matrix))),
    "signdet": lambda s, matrix: s.sign(s.Determinant(matrix)),
}


# --- matrices ---------------------------------------------------------------------------------


def matrix_expression(equation: MatrixEquation, node: Node) -> Any:
    r"""Write matrix notation with SymPy's matrix expressions.

    Vectors are matrices of one column. A function of entries is an ``ElementwiseApplyFunction``,
    a division entry by entry a ``HadamardProduct`` with a ``HadamardPower``. Where a matrix of one
    entry is a number, that is its ``Trace``.

    Parameters
    ----------
    equation
        What `einsdiff.display.matrix.matrix_equation.matrix_equation` found.
    node
        The expression that it was found for.

    Returns
    -------
    sympy.Basic
        A matrix expression, or a number.

    Raises
    ------
    OperandError
        SymPy is not installed, or has no sign for a part of it.

    Examples
    --------
    >>> from einsdiff.algebra.nodes.nodes import einsum, variable
    >>> from einsdiff.display.matrix.matrix_equation import matrix_equation
    >>> A, x = variable("A", ("m", "n")), variable("x", ("n",))
    >>> f = einsum([A, x], ["ij", "j"], "i")
    >>> matrix_expression(matrix_equation(f, Heading("f", ("i",)), None, "Ax"), f)
    A*x
    """
    writer = _SympyMatrices(_Atoms(), {v.name: v for v in variables_of([node])})
    shape = tuple(
        writer.sympy.Mul(*writer.atoms.sizes(tuple(node.shape[axis] for axis in axes)))
        for axes in (equation.rows, equation.columns)
    )
    for part in subforms(equation.form):
        if part.op in _SIGNS:
            _refuse(f"SymPy has no matrix expression for {_SIGNS[part.op]}", _OTHER_FORMS)
    if is_zero(node):
        return writer.sympy.ZeroMatrix(*shape) if node.shape else writer.sympy.Integer(0)
    return run(writer.whole(equation.form, shape))


#: The shape that a matrix should have, as far as that is known.
_Wanted = tuple[Any, ...]


class _SympyMatrices:
    """Writes forms as matrix expressions; its methods are jobs, see `run`."""

    def __init__(self, atoms: _Atoms, variables: Mapping[str, Variable]) -> None:
        self.atoms, self.sympy = atoms, atoms.sympy
        self.variables = variables
        self.shapes: dict[Form, _Wanted] = {}

    def shape(self, form: Form) -> _Wanted:
        """Return the rows and columns of a form; None where it does not say."""
        if form not in self.shapes:
            self.shapes[form] = self.found_shape(form)
        return self.shapes[form]

    def found_shape(self, form: Form) -> _Wanted:
        one = self.sympy.Integer(1)
        if form.rank == 0:
            return one, one
        match form.op:
            case "name":
                return (*self.atoms.sizes(self.variables[form.value[0]].shape), one)[:2]
            case "ones":
                return None if form.value is None else self.atoms.size(form.value), one
            case "unit":
                return None, one
            case "eye":
                size = self.atoms.size(form.value[0])
                return size, size
            case "transpose":
                rows, columns = self.shape(form.args[0])
                return columns, rows
            case "inverse":
                rows, columns = self.shape(form.args[0])
                return columns, rows
            case "chain":
                return self.shape(form.args[0])[0], self.shape(form.args[-1])[1]
            case "diag":
                size = self.shape(form.args[0])[0]
                return size, size
            case "diagonal":
                return self.shape(form.args[0])[0], one
            case "kron":
                parts = [self.shape(arg) for arg in form.args]
                return tuple(
                    None if None in side else self.sympy.Mul(*side)
                    for side in zip(*parts, strict=True)
                )
            case "stack":
                return self.sympy.Integer(form.value[0]), self.sympy.Integer(form.value[1])
        known = [self.shape(arg) for arg in form.args if arg.rank]
        return tuple(
            next((size for size in side if size is not None), None)
            for side in zip(*known, strict=True)
        )

    def written(self, form: Form, wanted: _Wanted) -> Job[Any]:
        """Write a form, whose shape is this one where the form does not say it."""
        own = self.shape(form)
        shape = tuple(b if a is None else a for a, b in zip(own, wanted, strict=True))
        found = getattr(self, f"_{form.op}")(form, shape)
        return (yield found) if isinstance(found, Generator) else found

    def number(self, form: Form) -> Job[Any]:
        """Write a form without axes as a number: of a matrix of one entry that is its trace."""
        value = yield self.written(form, (None, None))
        return self.sympy.Trace(value) if hasattr(value, "shape") else value

    def whole(self, form: Form, wanted: _Wanted) -> Job[Any]:
        return self.written(form, wanted) if form.rank else self.number(form)

    # Atoms.

    def _name(self, form: Form, shape: _Wanted) -> Any:
        name = form.value[0]
        if not form.rank:  # a variable, or a size
            known = self.variables.get(name)
            return self.atoms.size(name) if known is None else self.atoms.variable(known)
        return self.sympy.MatrixSymbol(name, *shape)

    def _number(self, form: Form, _: _Wanted) -> Any:
        return self.atoms.number(form.value)

    def _ones(self, form: Form, shape: _Wanted) -> Any:
        return self.sympy.OneMatrix(*self.said(form, shape))

    def _unit(self, form: Form, shape: _Wanted) -> Any:
        rows, _ = self.said(form, shape)
        i, j = (self.atoms.index(letter) for letter in "ij")
        entry = self.sympy.KroneckerDelta(i, form.value)
        return self.sympy.FunctionMatrix(rows, 1, self.sympy.Lambda((i, j), entry))

    def _entry(self, form: Form, _: _Wanted) -> Job[Any]:
        vector = yield self.written(form.args[0], (None, None))
        return vector[form.value, 0]

    def _eye(self, _: Form, shape: _Wanted) -> Any:
        return self.sympy.Identity(shape[0])

    def said(self, form: Form, shape: _Wanted) -> _Wanted:
        if None in shape:
            _refuse(
                f"matrix notation does not say the size of a part, {form.op}",
                _OTHER_FORMS,
            )
        return shape

    # Matrices.

    def _transpose(self, form: Form, shape: _Wanted) -> Job[Any]:
        return self.sympy.Transpose((yield self.written(form.args[0], shape[::-1]))).doit(
            deep=False
        )

    def _inverse(self, form: Form, shape: _Wanted) -> Job[Any]:
        if form.value != "-1":
            _refuse("SymPy has no matrix expression for a pseudoinverse", "write it as X.T ..")
        matrix = yield self.written(form.args[0], shape[::-1])
        return self.sympy.Inverse(matrix)

    def _chain(self, form: Form, shape: _Wanted) -> Job[Any]:
        known = [self.shape(arg) for arg in form.args]
        rows = [shape[0], *(columns for _, columns in known[:-1])]
        columns = [*(rows for rows, _ in known[1:]), shape[1]]
        factors = []
        for wanted, arg in zip(zip(rows, columns, strict=True), form.args, strict=True):
            factors.append((yield self.written(arg, wanted)))
        return self.sympy.MatMul(*factors)

    def _tr(self, form: Form, _: _Wanted) -> Job[Any]:
        return self.sympy.Trace((yield self.written(form.args[0], (None, None))))

    def _diag(self, form: Form, shape: _Wanted) -> Job[Any]:
        vector = yield self.written(form.args[0], (shape[0], self.sympy.Integer(1)))
        return self.sympy.DiagMatrix(vector)

    def _diagonal(self, form: Form, shape: _Wanted) -> Job[Any]:
        return self.sympy.DiagonalOf((yield self.written(form.args[0], (shape[0], shape[0]))))

    def _norm(self, form: Form, _: _Wanted) -> Job[Any]:
        matrix = yield self.written(form.args[0], (None, None))
        return self.sympy.sqrt(self.sympy.Trace(matrix.T * matrix))

    def _kron(self, form: Form, shape: _Wanted) -> Job[Any]:
        known = [list(self.shape(arg)) for arg in form.args]
        for side, size in enumerate(shape):  # of one that is not said it is what is left
            unsaid = [own for own in known if own[side] is None]
            if len(unsaid) == 1 and size is not None:
                said = (own[side] for own in known if own[side] is not None)
                unsaid[0][side] = size / self.sympy.Mul(*said)
        factors = []
        for arg, own in zip(form.args, known, strict=True):
            factors.append((yield self.written(arg, tuple(own))))
        return self.sympy.KroneckerProduct(*factors)

    def _stack(self, form: Form, _: _Wanted) -> Job[Any]:
        entries = []
        for arg in form.args:
            entries.append((yield self.number(arg)))
        return self.sympy.ImmutableMatrix(form.value[0], form.value[1], entries)

    # Products and sums.

    def _times(self, form: Form, shape: _Wanted) -> Job[Any]:
        c, n = form.value
        product = self.atoms.number(c)
        for arg in form.args[:n]:
            product *= yield self.number(arg)
        for arg in form.args[n + 1 :]:
            product /= yield self.number(arg)
        return product * (yield self.whole(form.args[n], shape))

    def _total(self, form: Form, shape: _Wanted) -> Job[Any]:
        terms = []
        for sign, arg in zip(form.value, form.args, strict=True):
            terms.append(self.atoms.number(sign) * (yield self.whole(arg, shape)))
        return (self.sympy.MatAdd if form.rank else self.sympy.Add)(*terms)

    def _hadamard(self, form: Form, shape: _Wanted) -> Job[Any]:
        factors = []
        for k, arg in enumerate(form.args):
            factor = yield self.written(arg, shape)
            if k >= form.value:
                factor = self.sympy.HadamardPower(factor, -1)
            factors.append(factor)
        return self.sympy.HadamardProduct(*factors)

    # Functions of each entry.

    def _power(self, form: Form, shape: _Wanted) -> Job[Any]:
        exponent = form.value
        if isinstance(exponent, Form):
            return (yield self.applied("power", [form.args[0], exponent], shape))
        base = yield self.whole(form.args[0], shape)
        exponent = self.atoms.number(exponent)
        return self.sympy.HadamardPower(base, exponent) if form.rank else base**exponent

    def _abs(self, form: Form, shape: _Wanted) -> Job[Any]:
        return self.applied("abs", form.args, shape)

    def _apply(self, form: Form, shape: _Wanted) -> Job[Any]:
        name, _, is_entrywise = form.value
        if is_entrywise:
            return (yield self.applied(name, form.args, shape))
        if name not in _MATRIX_FUNCTIONS:
            _refuse(f"SymPy has no matrix expression for {name}", 'write to_sympy("indexed")')
        matrix = yield self.written(form.args[0], (None, None))
        return _MATRIX_FUNCTIONS[name](self.sympy, matrix)

    def _compare(self, form: Form, shape: _Wanted) -> Job[Any]:
        return self.applied(_COMPARED[form.value[0]], form.args, shape)

    def applied(self, name: str, args: Sequence[Form], shape: _Wanted) -> Job[Any]:
        """Apply a function of each entry, of one matrix at most."""
        matrices = [k for k, arg in enumerate(args) if arg.rank]
        if len(matrices) > 1:
            _refuse(
                f"SymPy has no matrix expression for {name} of the entries of two matrices",
                'write to_sympy("indexed")',
            )
        entry = self.sympy.Dummy("d")
        values = []
        for arg in args:
            values.append(entry if arg.rank else (yield self.number(arg)))
        apply = _Indices(self.atoms, Letters(), {}).applied
        value = apply(name, values)
        if not matrices:
            return value
        matrix = yield self.written(args[matrices[0]], shape)
        return matrix.applyfunc(self.sympy.Lambda(entry, value))


#: The function of each comparison of matrix notation.
_COMPARED = {
    "[{0} > {1}]": "greater",
    "[{0} ≥ {1}]": "greater_equal",
    "[{0} = {1}]": "equal",
    "[{0} ≠ {1}]": "not_equal",
}
#: What has no matrix expression in SymPy, in words.
_SIGNS = {"vec": "the vec of a matrix", "commutation": "the commutation matrix"}
_OTHER_FORMS = 'write to_sympy("indexed"), or to_sympy("array")'
