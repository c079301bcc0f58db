r"""Expressions as SymPy writes them: with indices, as array expressions, and as matrices.

In the indexed form each entry is an expression of entries, and each sum is written,

.. math:: \frac{\partial f_i}{\partial x_p} =
    \delta_{ip} \sum_{j=0}^{n-1} A_{ij} \quad\to\quad
    \texttt{KroneckerDelta(i, p) * Sum(A[i, j], (j, 0, n - 1))} .

It comes as an equation, whose left-hand side says in which order the axes are, which sizes they
have, and what the function depends on: ``∂f/∂A(A, x)[i, p, q]``. `einsdiff.interop.sympy.importing`
reads it.

SymPy is imported when the first expression is written.

>>> A, x = variable("A", (2, "n")), variable("x", ("n",))
>>> f = einsum([A, x], ["ij", "j"], "i")
>>> indexed_form(f, Heading("f", ("i",)), Letters(), (A, x))
Eq(f(A, x)[i], Sum(A[i, j]*x[j], (j, 0, n - 1)))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from importlib import import_module
from itertools import product
from math import prod
from typing import Any, NoReturn, TypeGuard

from einsdiff.algebra.nodes.entry_indices import absorbable
from einsdiff.algebra.nodes.function_records import Function
from einsdiff.algebra.nodes.graph import topological, variables_of
from einsdiff.algebra.nodes.interning import (
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
)
from einsdiff.algebra.nodes.levi_civita import has_levi_civita
from einsdiff.algebra.nodes.nodes import is_zero
from einsdiff.algebra.reading.definitions import with_definitions
from einsdiff.display.index.index_text import part_name
from einsdiff.display.index.lettering import (
    Heading,
    Letters,
    assigned,
    axis_spellings,
    places,
    summary,
)
from einsdiff.display.matrix.forms import Form, is_ones, subforms
from einsdiff.display.matrix.matrix_equation import MatrixEquation
from einsdiff.display.matrix.reader import lengths
from einsdiff.display.sympy.vocabulary import OF_MATRICES, holds, spelled, sympy_module
from einsdiff.errors import OperandError
from einsdiff.notation.letters import first_unused
from einsdiff.notation.subscripts import Size

#: Functions inside of each other, at most: SymPy prints and rewrites by recursion.
DEEPEST = 100

#: An array of ones and zeros has at most so many entries.
MOST_ENTRIES = 1000


def _is_known(function: Function) -> bool:
    """Tell whether SymPy has a function of the table, which else is written by its definition."""
    is_known = function.name in _OF_AXES or function.name in OF_MATRICES
    return bool(function.sympy) or is_known or not function.arguments


def _refuse(headline: str, action: str) -> NoReturn:
    raise OperandError(headline, action=action)


def _check(node: Node) -> None:
    _, depth = lengths(node)
    if depth > DEEPEST:
        _refuse(
            f"the expression is {depth} levels deep, and SymPy goes down by recursion",
            "name a part of it, ed.tensor('y', ..), and write the rest",
        )


def _is_matrix(node: Node) -> TypeGuard[Variable]:
    """Tell whether SymPy's symbol for a matrix would be read as this variable."""
    is_plain = isinstance(node, Variable) and node.derivative is None and not node.of
    return is_plain and len(node.shape) == 2 and 1 not in node.shape


# --- atoms ------------------------------------------------------------------------------------


class _Writer:
    """Writes numbers, sizes and variables as SymPy's."""

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
        if isinstance(size, int):
            return self.sympy.Integer(size)
        return self.sympy.Symbol(size, integer=True, positive=True)

    def sizes(self, shape: Shape) -> tuple[Any, ...]:
        return tuple(self.size(size) for size in shape)

    def index(self, letter: str) -> Any:
        return self.sympy.Symbol(letter, integer=True)

    def range(self, letter: str, size: Size) -> tuple[Any, int, Any]:
        """Write what a sum over an index is taken over."""
        return self.index(letter), 0, self.size(size) - 1

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

    def matrix(self, node: Variable) -> Any:
        """Write a variable as a matrix; a vector has one column."""
        return self.sympy.MatrixSymbol(node.name, *self.sizes((*node.shape, 1)[:2]))

    def entrywise(self, name: str, args: Sequence[Any]) -> Any:
        """Apply a function of each entry, of one array at most; None if there are several."""
        arrays = [arg for arg in args if hasattr(arg, "shape")]
        if len(arrays) > 1:
            return None
        if not arrays:
            return spelled(name, *args)
        entry = self.sympy.Dummy("d")
        value = spelled(name, *(entry if hasattr(arg, "shape") else arg for arg in args))
        return self.mapped(self.sympy.Lambda(entry, value), arrays[0])

    def mapped(self, rule: Any, array: Any) -> Any:
        """Apply a rule to each entry of an array."""
        return array.applyfunc(rule)


def _entry(base: Any, indices: Sequence[Any]) -> Any:
    return base[tuple(indices)] if indices else base


# --- indices ----------------------------------------------------------------------------------


def indexed_form(
    node: Node, heading: Heading, letters: Letters, arguments: Sequence[Variable]
) -> Any:
    """Write an expression entry by entry, as an equation for ``∂f/∂A(A, x)[i, p, q]``.

    >>> x = variable("x", (3,))
    >>> J = einsum([x], ["q"], "iiq", {"i": 2})
    >>> indexed_form(J, Heading("f", ("i",), (("A", ("p", "q")),)), Letters(), (x,))
    Eq(∂f/∂A(x)[i, p, q], KroneckerDelta(i, p)*x[q])
    """
    (node,) = with_definitions([node], _is_known)
    order, first, length = places(node, letters)
    if too_long := summary(order, length):
        _refuse(f"SymPy would get {too_long[1:-1]}", "name a part of it, and write the rest")
    _check(node)
    writer = _Indices(letters, first)
    axes = heading.letters
    sizes = {size for part in order for size in getattr(part, "sizes", part.shape)}
    taken = {*axes, *(size for size in sizes if isinstance(size, str))}
    right = writer.sum(node, axes, taken)
    left = writer.left(node, heading, arguments)
    return writer.sympy.Eq(left, right, evaluate=False)


class _Indices(_Writer):
    """Writes the nodes of one expression entry by entry."""

    def __init__(self, letters: Letters, first: Mapping[Node, int]) -> None:
        super().__init__()
        self.letters, self.first = letters, first

    def left(self, node: Node, heading: Heading, arguments: Sequence[Variable]) -> Any:
        """Write a left-hand side: the variable that it names, or a function of the arguments."""
        name = heading.name
        known = next((v for v in arguments if v.name == name and not heading.wrt), None)
        if known is not None:
            base = self.variable(known)
        else:
            if heading.wrt:
                n = len(heading.wrt)
                order = str(n).translate(SUPERSCRIPT) if n > 1 else ""
                name = f"∂{order}{name}/" + "".join(f"∂{part_name(*by)}" for by in heading.wrt)
            given = [self.variable(v) for v in arguments if v.derivative is None]
            base = self.sympy.Function(name)(*given) if given else self.sympy.Symbol(name)
            if heading.letters:
                base = self.sympy.IndexedBase(base, shape=self.sizes(node.shape))
        return _entry(base, [self.index(letter) for letter in heading.letters])

    def sum(self, node: Node, axes: Sequence[str], used: set[str]) -> Any:
        """Write a node; add the letters that it uses to `used`."""
        outside = frozenset(used)
        total = []
        for c, term in node.terms if isinstance(node, Add) else ((1, node),):
            inner = set(outside)
            total.append(self.number(c) * self.product(term, axes, inner))
            used |= inner
        return self.sympy.Add(*total)

    def product(self, node: Node, axes: Sequence[str], used: set[str]) -> Any:
        """Write deltas and size factors, and a sum over the factors that it is taken of."""
        if not isinstance(node, Einsum):
            indices = [self.index(letter) for letter in axes]
            return self.factor(node, axes, indices, used)
        absorbed = absorbable(node)
        gone = {relation for _, _, relation in absorbed.values()}
        letter = assigned(node, tuple(axes), self.letters, self.first, used, absorbed)
        index = {n: self.index(name) for n, name in letter.items()}
        for n, (terms, offset, _) in absorbed.items():
            index[n] = sum((c * index[m] for c, m in terms), self.sympy.Integer(offset))
        outer = [self.size(node.sizes[n]) for n in node.loose]
        first: dict[int, str] = {}
        for n, axis in zip(node.output, axes, strict=True):
            if n in first:
                pair = (self.index(name) for name in (first[n], axis))
                outer.append(self.sympy.KroneckerDelta(*pair))
            first.setdefault(n, axis)
        summed = [n for n in letter if n not in node.output and n not in node.loose]
        dummies = {index[n] for n in summed}
        inner: list[Any] = []
        for k, (operand, labels) in enumerate(zip(node.operands, node.subscripts, strict=True)):
            if k in gone:
                continue
            names = [letter.get(n, "") for n in labels]
            value = self.factor(operand, names, [index[n] for n in labels], used)
            is_inside = any(dummies & index[n].free_symbols for n in labels)
            (inner if is_inside else outer).append(value)
        if summed:
            limits = (self.range(letter[n], node.sizes[n]) for n in summed)
            outer.append(self.sympy.Sum(self.sympy.Mul(*inner), *limits))
        return self.sympy.Mul(*outer)

    def factor(
        self, node: Node, axes: Sequence[str], indices: Sequence[Any], used: set[str]
    ) -> Any:
        """Write an entry; of a variable the indices may be sums, of others they are letters."""
        if isinstance(node, Variable):
            return _entry(self.variable(node), indices)
        if isinstance(node, Constant):
            return self.number(node.value)
        if isinstance(node, Delta):
            return self.delta(node, indices)
        if has_levi_civita([node]):
            return self.sympy.LeviCivita(*indices)
        if isinstance(node, Call):
            return self.call(node, axes, used)
        return self.sum(node, axes, used)

    def delta(self, node: Delta, indices: Sequence[Any]) -> Any:
        c, offset, is_equation = node.relation
        if node.is_identity:
            return self.sympy.KroneckerDelta(*indices)
        terms, integer = list(zip(c, indices, strict=True)), self.sympy.Integer
        above, below = (
            sum((s * k * index for k, index in terms if s * k > 0), integer(max(s * offset, 0)))
            for s in (1, -1)
        )
        if is_equation:
            return self.sympy.KroneckerDelta(above, below)
        return holds(self.sympy, above >= below)

    # Functions.

    def call(self, node: Call, axes: Sequence[str], used: set[str]) -> Any:
        function, name = node.function, node.function.name
        if function.is_elementwise:
            args = (self.sum(arg, axes if arg.shape else (), used) for arg in node.args)
            return spelled(name, *args)
        rank = len(node.batch)
        is_of_matrix = name in OF_MATRICES or name == "solve"
        if name not in _OF_AXES and not is_of_matrix:
            _refuse(
                f"SymPy has no {name} of entries that are named by indices",
                "write the expression without it, with a tensor for its value",
            )
        parts: list[_Arg] = []
        for k, (arg, core) in enumerate(zip(node.args, function.cores[0], strict=True)):
            is_matrix = is_of_matrix and k == 0
            head = tuple(axes[:rank]) if len(arg.shape) > len(core) else ()
            own: list[str] = []
            for axis in range(len(head), len(arg.shape)):
                own.append(first_unused(axis_spellings(self.letters, arg, axis), used))
                used.add(own[-1])
            if is_matrix and _is_matrix(arg):
                parts.append(([], self.matrix(arg)))
                continue
            value = self.sum(arg, (*head, *own), used)
            shape = arg.shape[len(head) :]
            if is_matrix:
                rule = self.sympy.Lambda(tuple(map(self.index, own)), value)
                value = self.sympy.FunctionMatrix(*self.sizes(shape), rule)
            parts.append((list(map(self.range, own, shape)), value))
        if name in _OF_AXES:
            return _OF_AXES[name](self.sympy, parts, [self.index(a) for a in axes[rank:]])
        return OF_MATRICES[name](self.sympy, parts[0][1])


#: The ranges of the axes that a function acts on, and the entry there; or a matrix.
_Arg = tuple[list[tuple[Any, int, Any]], Any]


def _solution(s: Any, args: list[_Arg], axes: list[Any]) -> Any:
    (_, matrix), (ranges, value) = args
    if len(ranges) == 2:
        value = value.xreplace({ranges[1][0]: axes[1]})
    return s.Sum(_entry_of_inverse(s, matrix, axes[0], ranges[0][0]) * value, ranges[0])


def _entry_of_inverse(s: Any, matrix: Any, row: Any, column: Any) -> Any:
    # Indexing would write out the inverse of a matrix whose size is a number.
    element = import_module("sympy.matrices.expressions.matexpr").MatrixElement
    return element(s.Inverse(matrix), row, column)


def _sum_of_exp(s: Any, arg: _Arg) -> Any:
    ranges, value = arg
    return s.Sum(s.exp(value), *ranges)


def _at(arg: _Arg, axes: Sequence[Any]) -> Any:
    """Return an argument at the indices of the value."""
    ranges, value = arg
    return value.xreplace({k: axis for (k, *_), axis in zip(ranges, axes, strict=True)})


#: Functions of axes: of SymPy, the arguments, and the indices of the value.
_OF_AXES: dict[str, Callable[[Any, list[_Arg], list[Any]], Any]] = {
    "inv": lambda s, args, axes: _entry_of_inverse(s, args[0][1], *axes),
    "solve": _solution,
    "prod": lambda s, args, _: s.Product(args[0][1], *args[0][0]),
    "logsumexp": lambda s, args, _: s.log(_sum_of_exp(s, args[0])),
    "softmax": lambda s, args, axes: s.exp(_at(args[0], axes)) / _sum_of_exp(s, args[0]),
    "log_softmax": lambda s, args, axes: _at(args[0], axes) - s.log(_sum_of_exp(s, args[0])),
    "_position": lambda _s, _args, axes: axes[0],
    "cumsum": lambda s, args, axes: s.Sum(
        args[0][1] * holds(s, axes[0] >= args[0][0][0][0]), *args[0][0]
    ),
}


# --- array expressions ------------------------------------------------------------------------


def array_form(node: Node) -> Any:
    r"""Write an expression with SymPy's array expressions.

    A product is an ``ArrayTensorProduct``, in which an index that is summed is contracted, one that
    stands twice and is not summed is made a diagonal, and the axes are put in order. A delta is an
    ``Identity``, an axis along which nothing changes a ``OneArray``. Indices that are shifted or
    compared, and functions of several arrays, are refused.

    >>> A, x = variable("A", (2, 3)), variable("x", (3,))
    >>> array_form(einsum([A, x], ["ij", "j"], "i"))
    ArrayContraction(ArrayTensorProduct(x, A), (0, 2))
    """
    _check(node)
    writer = _Arrays()
    for part in topological([node]):
        writer.done[part] = writer.written(part)
    return writer.done[node]


class _Arrays(_Writer):
    """Writes nodes as array expressions, each once, from those below it."""

    def __init__(self) -> None:
        super().__init__()
        self.arrays = import_module("sympy.tensor.array.expressions")
        self.done: dict[Node, Any] = {}

    def written(self, node: Node) -> Any:
        if isinstance(node, Variable):
            if not node.shape:
                return self.sympy.Symbol(node.name)
            return self.arrays.ArraySymbol(node.name, self.sizes(node.shape))
        if isinstance(node, Constant):
            return self.number(node.value)
        if isinstance(node, Delta):
            return self.delta(node)
        if isinstance(node, Add):
            return self.total(node)
        if isinstance(node, Einsum):
            return self.product(node)
        if has_levi_civita([node]):
            places = product(range(len(node.shape)), repeat=len(node.shape))
            entries = [self.sympy.LeviCivita(*place) for place in places]
            return self.sympy.ImmutableDenseNDimArray(entries, node.shape)
        assert isinstance(node, Call)
        return self.call(node)

    def delta(self, node: Delta) -> Any:
        """Write a delta: an identity, or an array of its entries where they are few."""
        if node.is_identity:
            identity = self.sympy.Identity(self.size(node.shape[0]))
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
                return self.sympy.Add(*(self.number(c) * term for c, term in terms))
        if not node.terms:
            return self.arrays.ZeroArray(*self.sizes(node.shape))
        # Neither a matrix expression nor a number can be added to an array expression.
        terms = [
            term
            if c == 1 and hasattr(term, "shape") and not isinstance(term, self.sympy.MatrixExpr)
            else self.arrays.ArrayTensorProduct(self.number(c), term)
            for c, term in ((c, self.done[term]) for c, term in node.terms)
        ]
        return terms[0] if len(terms) == 1 else self.arrays.ArrayAdd(*terms)

    def product(self, node: Einsum) -> Any:
        """Write a tensor product, its contractions, its diagonals, and the order of the axes."""
        factors = [self.done[operand] for operand in node.operands]
        labels = [n for own in node.subscripts for n in own]
        out = list(node.output)
        factors += [self.size(node.sizes[n]) for n in node.loose]
        for place, n in enumerate(node.output):
            if n in node.output[:place]:  # a delta joins the first of these axes and this one
                factors.append(self.sympy.Identity(self.size(node.sizes[n])))
                out[place] = -1 - place
                labels += [n, out[place]]
        for n in node.output:
            if n not in labels:
                factors.append(self.arrays.OneArray(self.size(node.sizes[n])))
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
        if summed := [axes for n, axes in _axes_of(labels).items() if n not in out]:
            whole = self.arrays.ArrayContraction(whole, *summed)
            labels = [n for n in labels if n in out]
        tied = {n: axes for n, axes in _axes_of(labels).items() if len(axes) > 1}
        if tied:  # diagonals become the last axes
            whole = self.arrays.ArrayDiagonal(whole, *tied.values())
            labels = [*(n for n in labels if n not in tied), *tied]
        return whole, labels

    def call(self, node: Call) -> Any:
        name = node.function.name
        args = [self.done[arg] for arg in node.args]
        found, arg = None, node.args[0]
        if node.function.is_elementwise:
            found = self.entrywise(name, args)
        elif name in OF_MATRICES and _is_matrix(arg):
            found = OF_MATRICES[name](self.sympy, self.matrix(arg))
        if found is None:
            _refuse(
                f"SymPy's array expressions have no {name} of these arguments",
                'write to_sympy("indexed"), or to_sympy("matrix")',
            )
        return found

    def mapped(self, rule: Any, array: Any) -> Any:
        return self.arrays.ArrayElementwiseApplyFunc(rule, array)


def _axes_of(labels: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """Return the axes that have each label."""
    return {n: tuple(k for k, m in enumerate(labels) if m == n) for n in labels}


# --- matrices ---------------------------------------------------------------------------------


def matrix_expression(equation: MatrixEquation, node: Node) -> Any:
    r"""Write matrix notation, which was found for a node, with SymPy's matrix expressions.

    Vectors are matrices of one column. A function of entries is an ``ElementwiseApplyFunction``,
    a division entry by entry a ``HadamardProduct`` with a ``HadamardPower``. Where a matrix of one
    entry is a number, that is its ``Trace``.

    >>> from einsdiff.display.matrix.matrix_equation import matrix_equation
    >>> A, x = variable("A", ("m", "n")), variable("x", ("n",))
    >>> f = einsum([A, x], ["ij", "j"], "i")
    >>> matrix_expression(matrix_equation(f, Heading("f", ("i",)), None, "Ax"), f)
    A*x
    """
    writer = _SympyMatrices({v.name: v for v in variables_of([node])})
    shape = tuple(
        writer.sympy.Mul(*writer.sizes(tuple(node.shape[axis] for axis in axes)))
        for axes in (equation.rows, equation.columns)
    )
    for part in subforms(equation.form):
        if part.op in _UNWRITTEN:
            _refuse(f"SymPy has no matrix expression for {_UNWRITTEN[part.op]}", _OTHER_FORMS)
    if is_zero(node):
        return writer.sympy.ZeroMatrix(*shape) if node.shape else writer.sympy.Integer(0)
    found = writer.written(equation.form)
    return writer.ones(*shape) if found is None else found


#: What has no matrix expression in SymPy, in words.
_UNWRITTEN = {"vec": "the vec of a matrix", "commutation": "the commutation matrix"}
_OTHER_FORMS = 'write to_sympy("indexed"), or to_sympy("array")'


class _SympyMatrices(_Writer):
    """Writes forms as matrix expressions."""

    def __init__(self, variables: Mapping[str, Variable]) -> None:
        super().__init__()
        self.variables = variables

    def written(self, form: Form) -> Any:
        """Write a form; one without axes is a number: of a matrix of one entry its trace.

        Ones that do not say their size are None.
        """
        if is_ones(form) and all(part.value is None for part in subforms(form)):
            return None
        exponent = [form.value] if isinstance(form.value, Form) else []
        values = [self.written(arg) for arg in (*form.args, *exponent)]
        if None in values:
            shapes = [v.shape for v in values if hasattr(v, "shape")]
            if form.op in ("chain", "kron") or not shapes:
                _refuse("matrix notation does not say the size of a part, ones", _OTHER_FORMS)
            values = [self.ones(*shapes[0]) if value is None else value for value in values]
        value = _FORMS[form.op](self, form, values)
        is_number = form.rank or not hasattr(value, "shape")
        return value if is_number else self.sympy.Trace(value)

    def name(self, form: Form, _: Sequence[Any]) -> Any:
        """Write a variable, or a size."""
        known = self.variables.get(form.value[0])
        if known is None:
            return self.size(form.value[0])
        return self.matrix(known) if form.rank else self.variable(known)

    def ones(self, rows: Any, columns: Any) -> Any:
        if columns == 1:
            return self.sympy.OneMatrix(rows, columns)
        return self.sympy.MatMul(self.sympy.OneMatrix(rows, 1), self.sympy.OneMatrix(1, columns))

    def unit(self, form: Form, _: Sequence[Any]) -> Any:
        position, size = form.value
        i, j = self.index("i"), self.index("j")
        rule = self.sympy.Lambda((i, j), self.sympy.KroneckerDelta(i, position))
        return self.sympy.FunctionMatrix(self.size(size), 1, rule)

    def inverse(self, form: Form, values: Sequence[Any]) -> Any:
        if form.value != "-1":
            _refuse("SymPy has no matrix expression for a pseudoinverse", "write it as X.T ..")
        return self.sympy.Inverse(values[0])

    def times(self, form: Form, values: Sequence[Any]) -> Any:
        c, n = form.value
        factor = self.number(c)
        for above in values[:n]:
            factor *= above
        for below in values[n + 1 :]:
            factor /= below
        return factor * values[n]

    def hadamard(self, form: Form, values: Sequence[Any]) -> Any:
        power = self.sympy.HadamardPower
        below = (power(value, -1) for value in values[form.value :])
        return self.sympy.HadamardProduct(*values[: form.value], *below)

    def total(self, form: Form, values: Sequence[Any]) -> Any:
        signed = [self.number(c) * value for c, value in zip(form.value, values, strict=True)]
        return (self.sympy.MatAdd if form.rank else self.sympy.Add)(*signed)

    def power(self, form: Form, values: Sequence[Any]) -> Any:
        if isinstance(form.value, Form):
            return self.function(form, values)
        power = self.sympy.HadamardPower if form.rank else self.sympy.Pow
        return power(values[0], self.number(form.value))

    def function(self, form: Form, values: Sequence[Any]) -> Any:
        """Write a function of each entry, of one matrix at most, or one of a matrix."""
        name, is_entrywise = form.op, True
        if form.op == "compare":
            name = _COMPARED[form.value[0]]
        elif form.op == "apply":
            name, _, is_entrywise = form.value
        what, found = name, None
        if is_entrywise:
            what = f"{name} of the entries of two matrices"
            found = self.entrywise(name, values)
        elif name in OF_MATRICES:
            found = OF_MATRICES[name](self.sympy, values[0])
        if found is None:
            _refuse(f"SymPy has no matrix expression for {what}", 'write to_sympy("indexed")')
        return found


#: The function of each comparison of matrix notation.
_COMPARED = {
    "[{0} > {1}]": "greater",
    "[{0} ≥ {1}]": "greater_equal",
    "[{0} = {1}]": "equal",
    "[{0} ≠ {1}]": "not_equal",
}

#: How a form is written: of the writer, the form, and what it is made of.
_FORMS: dict[str, Callable[[_SympyMatrices, Form, list[Any]], Any]] = {
    "name": _SympyMatrices.name,
    "number": lambda w, form, _: w.number(form.value),
    "ones": lambda w, form, _: w.sympy.OneMatrix(w.size(form.value), 1),
    "unit": _SympyMatrices.unit,
    "entry": lambda _, form, values: values[0][form.value, 0],
    "eye": lambda w, form, _: w.sympy.Identity(w.size(form.value[0])),
    "transpose": lambda w, _, values: w.sympy.Transpose(values[0]).doit(deep=False),
    "inverse": _SympyMatrices.inverse,
    "chain": lambda w, _, values: w.sympy.MatMul(*values),
    "tr": lambda w, _, values: w.sympy.Trace(values[0]),
    "diag": lambda w, _, values: w.sympy.DiagMatrix(values[0]),
    "diagonal": lambda w, _, values: w.sympy.DiagonalOf(values[0]),
    "norm": lambda w, _, values: w.sympy.sqrt(w.sympy.Trace(values[0].T * values[0])),
    "kron": lambda w, _, values: w.sympy.KroneckerProduct(*values),
    "stack": lambda w, form, values: w.sympy.ImmutableMatrix(*form.value[:2], values),
    "times": _SympyMatrices.times,
    "total": _SympyMatrices.total,
    "hadamard": _SympyMatrices.hadamard,
    "power": _SympyMatrices.power,
    "abs": _SympyMatrices.function,
    "apply": _SympyMatrices.function,
    "compare": _SympyMatrices.function,
}
