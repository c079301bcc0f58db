r"""Matrix notation: which products of matrices an expression in index notation is.

Each index of :math:`\sum_{ij} x_i A_{ij} y_j` stands at two places, so that the factors form a
path, and a path is a product, :math:`x^\top A\, y`. An index that stands at more places needs a
sign of its own: vectors that share an index are multiplied entry by entry, :math:`x \odot y`, a
vector within a path is a diagonal matrix, :math:`X^\top \operatorname{diag}(w)\, X`, and an index
that stands alone is summed with the vector of ones. A closed path is a trace.

A derivative with more than two axes is the matrix of `einsdiff.expressions.layout`, with Kronecker
products. In vec order ``"C"``, where the last axis of a matrix runs fastest,

.. math::
    J_{(ab)(cd)} = M_{ac} N_{bd} \;\to\; M \otimes N \qquad
    J_{(ab)(cd)} = M_{ad} N_{bc} \;\to\; (M \otimes N)\, K

and with ``"F"`` the factors change places: the Jacobian of :math:`AXB` is :math:`A \otimes B^\top`
or :math:`B^\top \otimes A`. See Magnus and Neudecker, *Matrix Differential Calculus* (1988).

>>> from einsdiff.algebra.nodes.nodes import einsum, variable
>>> A, x = variable("A", (2, 3)), variable("x", (3,))
>>> J = einsum([x], ["q"], "iiq", {"i": 2})  # ∂f_i/∂A_pq = δ_ip x_q
>>> (
...     write(matrix_form(J, rows=[0], columns=[1, 2])),
...     write(matrix_form(A, rows=[0], columns=[1])),
... )
('I_2 ⊗ xᵀ', 'A')
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, count, pairwise
from math import comb, prod
from operator import itemgetter
from typing import cast

from einsdiff.algebra.nodes.graph import children, topological
from einsdiff.algebra.nodes.nodes import (
    SUPERSCRIPT,
    Add,
    Call,
    Constant,
    Delta,
    Einsum,
    Node,
    Variable,
    is_zero,
)
from einsdiff.algebra.rewriting.simplification import collect, expand
from einsdiff.display.index.printer import MOST_FACTORS, Heading
from einsdiff.display.matrix.forms import (
    SPELLED,
    Form,
    apply,
    chain,
    commutation,
    compare,
    cost,
    diag,
    entry,
    eye,
    hadamard,
    has_entries,
    inverse,
    kron,
    named,
    norm,
    number,
    ones,
    power,
    stacked,
    subforms,
    tells_size,
    times,
    total,
    trace,
    transpose,
    unit,
    vec,
    write,
    write_latex,
)
from einsdiff.errors import OperandError
from einsdiff.notation.index_parser import Job, run
from einsdiff.notation.subscripts import Size

__all__ = ["MatrixEquation", "NoMatrixFormError", "matrix_equation", "matrix_form"]

#: Functions inside of each other, and factors of one product, at most; no person reads more.
DEEPEST = 100
MOST_MULTIPLIED = 60
#: Axes that the rows or the columns are made of, at most, when merged axes are taken apart.
MOST_AXES = 6


class NoMatrixFormError(Exception):
    """An expression that matrix notation has no signs for; the message says why."""


def matrix_form(
    node: Node,
    rows: Sequence[int],
    columns: Sequence[int],
    order: str = "C",
    place: Mapping[str, int] | None = None,
    is_real: bool = True,
    names: Collection[str] = (),
) -> Form:
    """Write an expression with products of matrices.

    Parameters
    ----------
    node
        The expression.
    rows, columns
        Which of its axes, in order, become the rows and the columns, at most two each.
    order
        The vec order of several axes, see `einsdiff.expressions.layout`.
    place
        For names of variables their place in what the user wrote, which decides between
        :math:`x^T A y` and :math:`y^T A^T x`.
    is_real
        Whether squares are those of norms; for complex arrays they are not.
    names
        What variables are called, also those that do not stand in the expression.

    Returns
    -------
    Form
        Of rank 0 without rows and columns, 1 without columns, else 2.

    Raises
    ------
    NoMatrixFormError
        There is no such product; the message is the reason.

    Examples
    --------
    >>> from einsdiff.algebra.nodes.nodes import einsum, variable
    >>> A, x, w = variable("A", (2, 3)), variable("x", (3,)), variable("w", (3,))
    >>> write(matrix_form(einsum([A, w, x], ["ij", "j", "j"], "i"), [0], []))
    'A (w ⊙ x)'
    >>> matrix_form(einsum([A, A, A], ["aj", "bj", "cj"], "abc"), [0], [1, 2])
    Traceback (most recent call last):
    ...
    einsdiff.display.matrix.reader.NoMatrixFormError: an index joins three matrices
    """
    if is_zero(node):
        return number(0)
    most = max(len(rows), len(columns))
    if most > 2:
        raise NoMatrixFormError(f"{most} of its {len(node.shape)} axes are on one side")
    _check_size(node)
    if order == "F":
        rows, columns = rows[::-1], columns[::-1]
    reader = _Reader(place or {}, is_real and not _has_complex_number(node), names, order)
    return run(reader.matrix(node, tuple(rows), tuple(columns)))


def _has_complex_number(node: Node) -> bool:
    """Tell whether a number in it is complex, so that a square may be negative."""
    return any(
        isinstance(part.value, complex)
        if isinstance(part, Constant)
        else isinstance(part, Add) and any(isinstance(c, complex) for c, _ in part.terms)
        for part in topological([node])
    )


@dataclass(frozen=True, slots=True)
class MatrixEquation:
    """A left-hand side and a matrix.

    Attributes
    ----------
    function, by
        What stands above and below the line of a derivative, each a name and whether it is a vec.
    form
        The right-hand side.
    note
        The layout and the vec order of the matrix, or whose shape it has.
    rows, columns
        Which axes of the tensor are its rows and its columns.
    names
        What variables are called.
    """

    function: tuple[str, bool]
    by: tuple[tuple[str, bool], ...]
    form: Form
    note: str
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    names: frozenset[str] = frozenset()

    @property
    def right(self) -> str:
        """The right-hand side as text."""
        return write(self.form, self.names)

    @property
    def left(self) -> str:
        """The left-hand side as text."""
        names = [f"vec({name})" if is_vec else name for name, is_vec in (self.function, *self.by)]
        if not self.by:
            return names[0]
        order = str(len(self.by)).translate(SUPERSCRIPT) if len(self.by) > 1 else ""
        return f"∂{order}{names[0]}/" + "".join(f"∂{name}" for name in names[1:])

    @property
    def text(self) -> str:
        """The equation, and the note in brackets."""
        whole = self.right if self.left == self.right else f"{self.left} = {self.right}"
        return f"{whole}  ({self.note})" if self.note else whole

    @property
    def latex(self) -> str:
        """The equation as LaTeX, without the note."""
        names = [
            rf"\operatorname{{vec}}({_latex_heading(name)})" if is_vec else _latex_heading(name)
            for name, is_vec in (self.function, *self.by)
        ]
        left = names[0]
        if self.by:
            order = f"^{len(self.by)}" if len(self.by) > 1 else ""
            below = r" \, ".join(rf"\partial {name}" for name in names[1:])
            left = rf"\frac{{\partial{order} {left}}}{{{below}}}"
        right = write_latex(self.form, self.names)
        return right if left == right else f"{left} = {right}"


def _latex_heading(name: str) -> str:
    return write_latex(named(name, 0))


def matrix_equation(
    node: Node,
    heading: Heading,
    domain: int | None,
    names: Sequence[str],
    layout: str | None = None,
    order: str = "C",
    is_real: bool = True,
) -> MatrixEquation:
    """Write a tensor as a matrix.

    Parameters
    ----------
    node, heading, domain
        The tensor, its left-hand side, and how many of its axes are those of the domain.
    names
        The names of the variables in the order in which the user wrote them.
    layout
        ``"numerator"`` or ``"denominator"``; None for what is usual: the derivative of a number
        by a matrix has the shape of the matrix, a second derivative of a number is the Hessian,
        and everything else is in numerator layout.
    order, is_real
        As for `matrix_form`.

    Returns
    -------
    MatrixEquation
        The shortest form that was found.

    Raises
    ------
    NoMatrixFormError
        There is none.
    """
    axes = tuple(range(len(node.shape)))
    split = len(axes) - (domain or 0)
    rows, columns = axes[:split], axes[split:]
    groups = heading.wrt
    owner = "" if domain is None or layout is not None else _owner(heading, rows, columns)
    note = f"{layout or 'numerator'} layout, vec order {order}"
    if domain is None or owner:
        rows, columns = axes[:1], axes[1:]
        note = f"in the shape of {owner}" if owner else ""
    elif layout is None and len(groups) == 2 and not heading.axes:
        note = f"Hessian, vec order {order}"
    is_vec = len(rows) > 1 and bool(heading.axes)
    function = heading.name, is_vec
    by = tuple((name, not owner and len(letters) > 1) for name, letters in groups)
    if is_vec and len(groups) > 1:
        function, by = (_partial(heading.name, groups[:-1]), True), by[-1:]
    known = _names(node).union(names)
    form = _shortest(node, rows, columns, order, names, is_real, known)
    _check_functions(form, known)
    if domain is None and len(axes) > 2:
        raise NoMatrixFormError(f"it has {len(axes)} axes")
    if layout == "denominator":
        form, rows, columns = transpose(form), columns, rows
    if max(len(rows), len(columns)) < 2:
        sizes = [[node.shape[axis] for axis in side] for side in (rows, columns)]
        form = stacked(form, *(side[0] if side else 1 for side in sizes))
    if layout is None and not rows and not columns:  # a number has no layout
        note = ""
    has_order = any(part.op in ("vec", "commutation") for part in subforms(form))
    if has_order and (owner or not note):
        note = f"{note}, vec order {order}".removeprefix(", ")
    return MatrixEquation(function, by, form, note, rows, columns, known)


def _owner(heading: Heading, rows: Sequence[int], columns: Sequence[int]) -> str:
    """Return the name of the matrix whose shape a derivative by a number, or of one, has."""
    if sorted((len(rows), len(columns))) != [0, 2]:
        return ""
    shaped = [(heading.name, heading.axes), *heading.wrt]
    found = [name for name, letters in shaped if len(letters) == 2]
    return found[0] if found else _partial(heading.name, heading.wrt[:-1])


def _partial(name: str, groups: Sequence[tuple[str, tuple[str, ...]]]) -> str:
    order = str(len(groups)).translate(SUPERSCRIPT) if len(groups) > 1 else ""
    return f"∂{order}{name}/" + "".join(f"∂{by}" for by, _ in groups)


def _names(node: Node) -> frozenset[str]:
    """List the names of variables, and of sizes that could be taken for a product of them."""
    parts = topological([node])
    names = {part.name for part in parts if isinstance(part, Variable)}
    for part in parts:
        if isinstance(part, Variable) and part.derivative is not None:
            base, by = part.derivative
            names.update(variable.name for variable in (base, *by))
    sizes = {size for part in parts for size in part.shape if isinstance(size, str)}
    return frozenset(names.union(size for size in sizes if names.issuperset(size)))


def _check_functions(form: Form, names: Collection[str]) -> None:
    """Raise an error if a variable is called like a function in the form."""
    for part in subforms(form):
        name = part.value[0] if part.op == "apply" else SPELLED.get(part.op, "")
        if part.op == "power" and part.value == Fraction(1, 2):
            name = "sqrt"
        if name in names:
            raise NoMatrixFormError(f"'{name}' is a variable and a function")


def _same(node: Node) -> Node:
    return node


def _regrouped(node: Node) -> Node:
    return collect(expand(node))


#: Expressions with more nodes, more factors when written out, or more of them when they are
#: multiplied out, are not rewritten to find a shorter matrix form.
MOST_REWRITTEN = 400
MOST_COLLECTED = 3000
MOST_EXPANDED = 2000
#: Ways to write an expression, and how much its length counts: what is multiplied out says less
#: about where it comes from, and has to be much shorter.
_WAYS = ((_same, 1.0), (collect, 1.0), (expand, 1.25), (_regrouped, 1.5))


def _shortest(
    node: Node,
    rows: tuple[int, ...],
    columns: tuple[int, ...],
    order: str,
    names: Sequence[str],
    is_real: bool,
    known: Collection[str],
) -> Form:
    """Return the shortest form of an expression, also with brackets taken out or written out."""
    place = {name: k for k, name in enumerate(names)}
    found: list[tuple[float, Form]] = []
    reason: NoMatrixFormError | None = None
    for weight, new in _ways(node):
        try:
            form = matrix_form(new, rows, columns, order, place, is_real, known)
            found.append((weight * cost(form), form))
        except NoMatrixFormError as error:
            reason = reason or error
    if not found:
        assert reason is not None
        raise reason
    return min(found, key=itemgetter(0))[1]


@lru_cache(maxsize=16)  # the same for each layout and order
def _ways(node: Node) -> tuple[tuple[float, Node], ...]:
    """Rewrite an expression in all ways that do not take long, each with its weight."""
    is_small = len(topological([node])) <= MOST_REWRITTEN and _lengths(node)[0] <= MOST_COLLECTED
    ways = _WAYS if is_small and _expanded_length(node) <= MOST_EXPANDED else _WAYS[: 1 + is_small]
    found: dict[Node, float] = {}
    for rewrite, weight in ways:
        try:
            found.setdefault(rewrite(node), weight)
        except OperandError:  # too long to be written out
            continue
    return tuple((weight, new) for new, weight in found.items())


def _lengths(node: Node) -> tuple[int, int]:
    """Count the factors of an expression that is written out, and how deep they stand."""
    length: dict[Node, int] = {}
    depth: dict[Node, int] = {}
    for part in topological([node]):
        below = children(part)
        length[part] = 1 + sum(length[child] for child in below)
        depth[part] = 1 + max((depth[child] for child in below), default=0)
    return length[node], depth[node]


def _expanded_length(node: Node) -> int:
    """Count the factors that `expand` writes, those of what is shared once, without doing it.

    >>> from einsdiff.algebra.nodes.nodes import add, einsum, variable
    >>> x, y = variable("x", ()), variable("y", ())
    >>> _expanded_length(
    ...     einsum([add([(1, x), (1, y)])] * 2, ["", ""], "")
    ... )  # x x + x y + y x + y y
    8
    """
    size: dict[Node, tuple[int, int]] = {}  # terms, and factors of all of them
    total = 0
    for part in topological([node]):
        below = [size[child] for child in children(part)]
        size[part] = 1, 1
        n = _whole_exponent(part)
        if isinstance(part, Add):
            size[part] = sum(terms for terms, _ in below), sum(length for _, length in below)
        elif isinstance(part, Einsum):
            terms = _product_terms(part, [terms for terms, _ in below])
            size[part] = terms, sum(terms * length // max(n, 1) for n, length in below)
        elif n > 1 and below[0][0] > 1:
            terms, length = below[0]
            many = comb(terms + n - 1, n) if max(n, terms) < MOST_EXPANDED else MOST_EXPANDED
            size[part] = many, many * n * length // terms
        if not isinstance(part, Add) and size[part][0] > 1:
            total += size[part][1]
        if total > MOST_EXPANDED:
            break
    return total


def _product_terms(node: Einsum, counts: Sequence[int]) -> int:
    """Count the terms of a product, of whose factors the terms are counted.

    Of stacks with the same index, ``δ_{i,0} x + δ_{i,1} y``, only terms of one entry meet.
    """
    terms = 1
    stacks: dict[int, list[int]] = {}
    for operand, labels, n in zip(node.operands, node.subscripts, counts, strict=True):
        axis = _stacked_axis(operand)
        if axis is None:
            terms *= n
        else:
            stacks.setdefault(labels[axis], []).append(n)
    return terms * prod(1 if 1 in found else max(found) for found in stacks.values())


def _stacked_axis(node: Node) -> int | None:
    """Return the axis of which each term of a sum has one entry, if there is one."""
    if isinstance(node, Delta):
        return 0 if len(node.shape) == 1 else None
    if not isinstance(node, Add):
        return None
    for axis in range(len(node.shape)):
        if all(
            (isinstance(term, Einsum) and _has_unit(term, term.output[axis]))
            or _stacked_axis(term) == axis
            for _, term in node.terms
        ):
            return axis
    return None


def _has_unit(node: Einsum, label: int) -> bool:
    return any(
        isinstance(operand, Delta) and labels == (label,)
        for operand, labels in zip(node.operands, node.subscripts, strict=True)
    )


def _whole_exponent(node: Node) -> int:
    """Return n for the n-th power of something, 0 if it is none."""
    if isinstance(node, Call) and node.function.name == "power":
        exponent = node.args[1].value if isinstance(node.args[1], Constant) else 0
        return exponent if isinstance(exponent, int) else 0
    return 0


def _check_size(node: Node) -> None:
    length, depth = _lengths(node)
    if length > MOST_FACTORS or depth > DEEPEST:
        raise NoMatrixFormError(f"written out it has {length} factors, {depth} levels deep")


@dataclass
class _Factor:
    """A number, vector or matrix with the labels of its axes."""

    form: Form
    labels: list[Hashable]


#: Why a sum of unit vectors is not written: ``𝟏ᵀ exp(e_0)`` depends on their size.
UNSEEN = "one would not see the size of a vector"


def _product(factors: Sequence[Form]) -> Form:
    """Multiply matrices whose inner sizes can be seen."""
    for left, right in pairwise(factors):
        if not tells_size(left, 1) and not tells_size(right):
            raise NoMatrixFormError(UNSEEN)
    return chain(factors)


@dataclass
class _Path:
    """Matrices from one end to another.

    An end is the position of an axis of the result, or a vector; a closed path has none.
    """

    start: int | Form | None
    end: int | Form | None
    matrices: list[Form] = field(default_factory=list)

    def reversed(self) -> _Path:
        return _Path(self.end, self.start, [transpose(m) for m in reversed(self.matrices)])

    def column(self) -> Form:
        """Return the vector at the end, multiplied by the matrices before it."""
        assert isinstance(self.end, Form)
        return _product([*self.matrices, self.end])


class _Reader:
    """Reads the nodes of one expression; its methods are jobs, see `run`."""

    def __init__(
        self, place: Mapping[str, int], is_real: bool, names: Collection[str], order: str
    ) -> None:
        self.place = place
        self.is_real = is_real
        self.names = names
        self.order = order
        self.found: dict[Node, Form] = {}

    def whole(self, node: Node) -> Job[Form]:
        """Read a number, a column or a matrix."""
        if node not in self.found:
            rank = len(node.shape)
            if rank > 2:
                raise NoMatrixFormError(f"the argument of a function has {rank} axes")
            rows, columns = (0,)[:rank], (1,) if rank == 2 else ()
            self.found[node] = yield self.matrix(node, rows, columns)
        return self.found[node]

    def matrix(self, node: Node, rows: tuple[int, ...], columns: tuple[int, ...]) -> Job[Form]:
        if isinstance(node, Add):
            if not node.terms:
                return number(0)
            terms = []
            for c, term in node.terms:
                form: Form = yield self.matrix(term, rows, columns)
                place = *self.places(term), -_degree(form), _weight(form)
                terms.append((place, c, form))
            terms.sort(key=lambda term: term[0])
            return total([(c, form) for _, c, form in terms])
        if isinstance(node, Einsum):
            form = yield self.product(node, rows, columns)
            return form
        labels = range(len(node.shape))
        form = yield self.factor(node)
        factors = [_Factor(form, list(labels))]
        sizes: dict[Hashable, Size] = dict(zip(labels, node.shape, strict=True))
        return self.assembled(factors, list(labels), sizes, rows, columns)

    def places(self, node: Node) -> tuple[int, list[int]]:
        """Return the place of the first variable that the user wrote, and of derivatives."""
        parts = [part for part in topological([node]) if isinstance(part, Variable)]
        bases = [part.derivative[0] if part.derivative else part for part in parts]
        found = [self.place.get(base.name, len(self.place)) for base in bases]
        derived = [k for k, part in zip(found, parts, strict=True) if part.derivative]
        return min(found, default=-1), sorted(derived)

    def factor(self, node: Node) -> Job[Form]:
        """Read a node that is no sum of products."""
        if isinstance(node, Delta):
            return _relation(node)
        rank = len(node.shape)
        if rank > 2:
            kinds = {Call: "the value of a function", Add: "a sum", Einsum: "a product"}
            name = node.name if isinstance(node, Variable) else kinds[type(node)]
            raise NoMatrixFormError(f"{name} has {rank} axes")
        if isinstance(node, Variable):
            return named(node.name, rank, node.symmetric and rank == 2)
        if isinstance(node, Constant):
            return number(node.value)
        if isinstance(node, Call):
            form: Form = yield self.call(node)
            return form
        form = yield self.whole(node)
        return form

    def call(self, node: Call) -> Job[Form]:
        function = node.function
        rank = len(node.shape)
        if not function.is_elementwise and node.batch:
            raise NoMatrixFormError(f"{function.name} acts on a part of the axes only")
        args: list[Form] = []
        for arg in node.args:
            form: Form = yield self.whole(arg)
            args.append(stacked(form, *(*arg.shape, 1, 1)[:2]))
        if any(arg.op == "number" and len(n.shape) for arg, n in zip(args, node.args, strict=True)):
            raise NoMatrixFormError("a sum has no terms")
        if not function.is_elementwise and not all(
            tells_size(arg, side, shows_ones=True) for arg in args for side in range(arg.rank)
        ):
            raise NoMatrixFormError(UNSEEN)
        match function.name:
            case "inv":
                return inverse(args[0])
            case "pinv":
                return inverse(args[0], "+")
            case "solve":
                return chain([inverse(args[0]), args[1]])
            case "power":
                return self.power(node, *args)
            case "abs":
                return Form("abs", tuple(args), rank=rank)
        if function.text.startswith("["):
            return compare(function.text, function.latex, args, rank)
        return apply(function.name, args, rank, function.latex, function.is_elementwise)

    def power(self, node: Call, base: Form, exponent: Form) -> Form:
        above = node.args[1]
        if base == number(0):
            raise NoMatrixFormError("a power of zero")
        if isinstance(above, Constant):
            return power(base, above.value)
        if exponent.rank != base.rank and exponent.rank:
            raise NoMatrixFormError("a number is raised to the entries of a vector")
        return power(base, exponent)

    # Products.

    def product(self, node: Einsum, rows: tuple[int, ...], columns: tuple[int, ...]) -> Job[Form]:
        if len(node.operands) > MOST_MULTIPLIED:
            raise NoMatrixFormError(f"it has {len(node.operands)} factors")
        slots = sorted(
            zip(node.operands, node.subscripts, strict=True),
            key=lambda slot: self.places(slot[0])[0],
        )
        factors = []
        for operand, labels in slots:
            factors.append(_Factor((yield self.factor(operand)), list(labels)))
        sizes: dict[Hashable, Size] = dict(enumerate(node.sizes))
        for label in node.loose:
            factors.append(_Factor(self.size(node.sizes[label]), []))
        return self.assembled(factors, list(node.output), sizes, rows, columns)

    def size(self, size: Size) -> Form:
        """Write a size as a number; one that is called like a variable is a trace."""
        if isinstance(size, int):
            return number(size)
        return trace(eye(size)) if size in self.names else named(size, 0)

    def assembled(
        self,
        factors: list[_Factor],
        output: list[Hashable],
        sizes: Mapping[Hashable, Size],
        rows: tuple[int, ...],
        columns: tuple[int, ...],
    ) -> Form:
        """Put factors together to the matrix with these rows and columns, slowest first."""
        parts = _Parts(factors, list(output), rows, columns)
        stuck = parts.part(_merges(factors, sizes))
        if stuck:
            return self.joined(stuck[0], parts, sizes)
        factors, output, rows, columns = parts.factors, parts.output, parts.rows, parts.columns
        network = _Network(factors, output, sizes)
        square = network.entrywise()
        network.reduce()
        scalars = [factor.form for factor in network.factors if not factor.labels]
        outer: dict[int, _Path] = {}
        for path in network.paths():
            if isinstance(path.start, int):
                outer[path.start] = path
            elif isinstance(path.end, int):
                outer[path.end] = path.reversed()
            elif path.end is None:
                scalars.append(self.trace(path.matrices))
            else:
                scalars.append(self.scalar(path))
            if isinstance(path.start, int) and isinstance(path.end, int):
                outer[path.end] = path.reversed()
        if square is not None:
            whole: Form | None = self.diagonal(square, rows, columns, output, sizes)
        else:
            whole = _matrix(outer, rows, columns, self.order, [sizes[label] for label in output])
        return times(1, [*scalars, *([whole] if whole is not None else [])])

    def joined(self, merge: _Merge, parts: _Parts, sizes: Mapping[Hashable, Size]) -> Form:
        """Put factors together of which some are behind a merged index that others carry, too.

        What is behind it becomes one vector or matrix: ``x ⊗ y`` in ``z ⊙ (x ⊗ y)``.
        """
        behind = parts.behind(merge)
        rest = [factor for factor in parts.factors if all(factor is not f for f in behind)]
        labels = [label for factor in behind for label in factor.labels]
        inside = {*labels} - {merge.whole}
        if labels.count(merge.whole) > 1:
            raise NoMatrixFormError("an index is merged with another one of the same factor")
        far = list(dict.fromkeys(label for label in parts.output if label in inside))
        if len(far) < 2:
            ends = [merge.whole, *far]
            form = self.assembled(behind, ends, sizes, (0,), (1,)[: len(far)])
            whole = [*rest, _Factor(form, ends)]
            return self.assembled(whole, parts.output, sizes, parts.rows, parts.columns)
        for side, other, is_row in (
            (parts.columns, parts.rows, False),
            (parts.rows, parts.columns, True),
        ):
            far = [parts.output[axis] for axis in side]
            if not inside.issuperset(far) or any(parts.output[axis] in inside for axis in other):
                continue
            axes = tuple(range(1, 1 + len(far)))
            right = self.assembled(behind, [merge.whole, *far], sizes, (0,), axes)
            near = [*(parts.output[axis] for axis in other), merge.whole]
            axes = tuple(range(len(other)))
            left = self.assembled(rest, near, sizes, axes, (len(other),))
            return chain([transpose(right), transpose(left)] if is_row else [left, right])
        raise NoMatrixFormError("indices are merged, and a factor has the one that they become")

    def diagonal(
        self,
        square: Form,
        rows: tuple[int, ...],
        columns: tuple[int, ...],
        output: Sequence[Hashable],
        sizes: Mapping[Hashable, Size],
    ) -> Form:
        """Return the matrix of a function of each entry of a matrix."""
        if len(rows) != 2 or len(columns) != 2:
            raise NoMatrixFormError("an index stands three times in the result")
        whole = diag(vec(square))
        if output[rows[0]] != output[columns[0]]:
            slow, fast = (sizes[output[c]] for c in columns)
            whole = chain([whole, _crossing(slow, fast, self.order)])
        return whole

    def scalar(self, path: _Path) -> Form:
        """Write a number as a product from one vector to another."""
        assert isinstance(path.start, Form)
        assert isinstance(path.end, Form)
        if not path.matrices:
            for one, other in ((path.start, path.end), (path.end, path.start)):
                if one.op == "unit" and has_entries(other, one.value, self.names):
                    return entry(other, one.value)
            if self.is_real and path.start == path.end and tells_size(path.end):
                return power(norm(path.end), 2)
        forwards = _product([transpose(path.start), *path.matrices, path.end])
        turned = path.reversed()
        backwards = chain([transpose(path.end), *turned.matrices, path.start])
        return backwards if _weight(backwards) < _weight(forwards) else forwards

    def trace(self, matrices: Sequence[Form]) -> Form:
        """Write the trace of a product; it begins where there are the fewest transposes."""
        turns = []
        for way in (list(matrices), [transpose(m) for m in reversed(matrices)]):
            turns += [way[k:] + way[:k] for k in range(len(way))]
        if self.is_real and len(matrices) == 2:
            for one, other in turns:
                if one == transpose(other) and other.op != "transpose":
                    return power(norm(other), 2)

        def cost(way: Sequence[Form]) -> tuple[int, bool]:
            is_quadratic = len(way) > 1 and way[0] == transpose(way[-1])
            return sum(map(_weight, way)), not (is_quadratic and way[0].op == "transpose")

        return trace(chain(min(turns, key=cost)))


def _degree(form: Form) -> float:
    """Return the exponent of a power of a number, by which the terms of a polynomial are put."""
    if form.rank or form.op not in ("power", "times"):
        return 0
    if form.op == "times":
        return max(_degree(arg) for arg in form.args)
    return form.value if isinstance(form.value, int | float) else 0


def _weight(form: Form) -> int:
    """Count transposes."""
    own = {"transpose": 1, "ones": 0}.get(form.op, 0)
    return own + sum(_weight(arg) for arg in form.args)


@dataclass
class _Parts:
    """Factors, the labels of the result, and which of its axes are rows and columns."""

    factors: list[_Factor]
    output: list[Hashable]
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    def part(self, merges: Iterable[_Merge]) -> list[_Merge]:
        """Write axes of the result that are two axes in one, ``δ_{3p+q,i}``, as the two.

        An index that another factor carries, too, cannot be replaced; these merges are returned.
        """
        waiting = list(merges)
        while free := [merge for merge in waiting if self._is_free(merge)]:
            merge = free[0]
            waiting.remove(merge)
            self.factors = [factor for factor in self.factors if factor is not merge.factor]
            position = self.output.index(merge.whole)
            self.output[position] = merge.slow
            self.output.append(merge.fast)
            both = position, len(self.output) - 1
            self.rows, self.columns = (
                axes[:k] + both + axes[k + 1 :]
                if (k := _index(axes, position)) is not None
                else axes
                for axes in (self.rows, self.columns)
            )
            if max(len(self.rows), len(self.columns)) > MOST_AXES:
                raise NoMatrixFormError("too many axes become one")
        return waiting

    def _is_free(self, merge: _Merge) -> bool:
        carried = sum(factor.labels.count(merge.whole) for factor in self.factors)
        return carried == 1 and self.output.count(merge.whole) == 1

    def behind(self, merge: _Merge) -> list[_Factor]:
        """List the factors that a merge reaches by its two indices, itself first."""
        found = [merge.factor]
        seen = {merge.slow, merge.fast}
        left = [factor for factor in self.factors if factor is not merge.factor]
        while met := [factor for factor in left if seen.intersection(factor.labels)]:
            found += met
            seen.update(label for factor in met for label in factor.labels)
            seen.discard(merge.whole)
            left = [factor for factor in left if all(factor is not other for other in met)]
        return found


@dataclass(frozen=True)
class _Merge:
    """A factor ``δ_{np+q,i}``, and its indices i, p and q."""

    factor: _Factor
    whole: Hashable
    slow: Hashable
    fast: Hashable


def _merges(factors: Iterable[_Factor], sizes: Mapping[Hashable, Size]) -> Iterator[_Merge]:
    """Yield the relations between indices, all of which have to be merges."""
    for factor in factors:
        if factor.form.op == "relation":
            merged = _merged(factor.form.value, factor.labels, sizes)
            if merged is None:
                raise NoMatrixFormError("indices are shifted, merged or compared")
            yield _Merge(factor, *merged)


def _stuck(times_out: int) -> NoMatrixFormError:
    if times_out > 1:
        return NoMatrixFormError("an index stands three times in the result")
    return NoMatrixFormError("an index joins three matrices")


def _index(axes: tuple[int, ...], position: int) -> int | None:
    return axes.index(position) if position in axes else None


def _merged(
    node: Delta, labels: Sequence[Hashable], sizes: Mapping[Hashable, Size]
) -> tuple[Hashable, Hashable, Hashable] | None:
    """Read ``δ_{np+q,i}``, with q below n, as the labels i, p and q."""
    c, offset, is_equation = node.relation
    if not is_equation or offset or len(labels) != 3 or len(set(labels)) != 3:
        return None
    for whole in range(3):
        one, other = (k for k in range(3) if k != whole)
        for slow, fast in ((one, other), (other, one)):
            n = sizes[labels[fast]]
            if not isinstance(n, int) or c[fast] != -c[whole] or c[slow] != -c[whole] * n:
                continue
            p = sizes[labels[slow]]
            if isinstance(p, int) and sizes[labels[whole]] == n * p:
                return labels[whole], labels[slow], labels[fast]
    return None


def _relation(node: Delta) -> Form:
    """Read a delta: of two indices the identity, of one index a unit vector."""
    if node.is_identity:
        return eye(node.shape[0])
    c, offset, is_equation = node.relation
    if is_equation and len(node.shape) == 1 and abs(c[0]) == 1:
        return unit(-offset * c[0])
    return Form("relation", (), node, len(node.shape))  # see `_parted`


def _matrix(
    outer: Mapping[int, _Path],
    rows: tuple[int, ...],
    columns: tuple[int, ...],
    order: str,
    sizes: Sequence[Size],
) -> Form | None:
    """Put paths together that end at the axes of a matrix."""
    if not rows and not columns:
        return None
    if len(rows) <= 1 and len(columns) <= 1:
        return _plain(outer, rows, columns, sizes)
    ways = [
        (left, right, _parts(outer, rs, cs, order, sizes))
        for left, rs in _orders(rows, sizes, order, is_row=True)
        for right, cs in _orders(columns, sizes, order, is_row=False)
    ]
    found = [(*left, kron(parts), *right) for left, right, parts in ways if parts]
    if not found:
        raise NoMatrixFormError("its axes cross more than once")
    return chain(min(found, key=len))


def _orders(
    axes: tuple[int, ...], sizes: Sequence[Size], order: str, is_row: bool
) -> Iterator[tuple[tuple[Form, ...], tuple[int, ...]]]:
    """Yield orders of axes: as they are, and with two blocks of them exchanged.

    With each comes the matrix that does it, ``I ⊗ K ⊗ I``: from the new order for rows, to the new
    order for columns.
    """
    yield (), axes
    for a, b, c in combinations(range(len(axes) + 1), 3):
        blocks = [[sizes[axis] for axis in axes[start:end]] for start, end in ((a, b), (b, c))]
        widths = [_width(block) for block in blocks]
        if None in widths:
            continue
        slow, fast = reversed(widths) if is_row else widths
        assert slow is not None
        assert fast is not None
        crossing = _crossing(slow, fast, order)
        before, after = ([eye(sizes[axis]) for axis in part] for part in (axes[:a], axes[c:]))
        new = axes[:a] + axes[b:c] + axes[a:b] + axes[c:]
        yield (kron([*before, crossing, *after]),), new


def _crossing(slow: Size, fast: Size, order: str) -> Form:
    """Return the matrix that lets two axes change places, the slower of which is given first."""
    return commutation(slow, fast) if order == "C" else commutation(fast, slow)


def _width(sizes: Sequence[Size]) -> Size | None:
    """Return the size of several axes in one, None if that has no name."""
    if len(sizes) == 1:
        return sizes[0]
    return prod(cast(Sequence[int], sizes)) if all(isinstance(n, int) for n in sizes) else None


def _parts(
    outer: Mapping[int, _Path],
    rows: tuple[int, ...],
    columns: tuple[int, ...],
    order: str,
    sizes: Sequence[Size],
) -> list[Form] | None:
    """Return the factors of a Kronecker product, None if it is not one with axes in this order."""
    parts: list[Form] = []
    left = [list(rows), list(columns)]
    while left[0] or left[1]:
        side = 0 if left[0] and outer[left[0][0]].end not in columns else 1
        if side and left[1] and outer[left[1][0]].end in rows:
            if not left[0] or outer[left[0][0]].end != left[1][0]:
                return None
            parts.append(_between(outer[left[0].pop(0)], sizes))
            left[1].pop(0)
            continue
        if not left[side]:
            return None
        axis = left[side].pop(0)
        path = outer[axis]
        if isinstance(path.end, int):
            if not left[side] or left[side].pop(0) != path.end:
                return None
            column = vec(_between(outer[axis if order == "C" else path.end], sizes))
        else:
            column = path.column()
        parts.append(transpose(column) if side else column)
    return parts


def _between(path: _Path, sizes: Sequence[Size]) -> Form:
    assert isinstance(path.start, int)
    return _product(path.matrices) if path.matrices else eye(sizes[path.start])


def _plain(
    outer: Mapping[int, _Path],
    rows: tuple[int, ...],
    columns: tuple[int, ...],
    sizes: Sequence[Size],
) -> Form:
    if not columns:
        return outer[rows[0]].column()
    if not rows:
        return transpose(outer[columns[0]].column())
    path = outer[rows[0]]
    if isinstance(path.end, int):
        return _between(path, sizes)
    return chain([path.column(), transpose(outer[columns[0]].column())])


class _Network:
    """Factors that are joined by labels, changed until each label joins two ends."""

    def __init__(
        self, factors: list[_Factor], output: list[Hashable], sizes: Mapping[Hashable, Size]
    ) -> None:
        self.factors = factors
        self.output = list(output)
        self.sizes = dict(sizes)
        self.fresh = (("new", k) for k in count())
        for factor in factors:
            self._tie(factor)

    def _tie(self, factor: _Factor) -> None:
        """Take the diagonal of a matrix both of whose axes have a label that stands elsewhere."""
        if len(factor.labels) == 2 and factor.labels[0] == factor.labels[1]:
            label = factor.labels[0]
            others = sum(f.labels.count(label) for f in self.factors if f is not factor)
            if others or label in self.output:
                factor.form, factor.labels = diag(factor.form), [label]

    def ends(self, label: Hashable) -> tuple[list[_Factor], list[_Factor], int]:
        """Return the vectors and the matrices at a label, and how often it is in the result."""
        vectors = [f for f in self.factors if len(f.labels) == 1 and f.labels[0] == label]
        matrices = [f for f in self.factors if len(f.labels) == 2 for x in f.labels if x == label]
        return vectors, matrices, self.output.count(label)

    def labels(self) -> list[Hashable]:
        found = dict.fromkeys(self.output)
        for factor in self.factors:
            found.update(dict.fromkeys(factor.labels))
        return list(found)

    def entrywise(self) -> Form | None:
        """Take out a matrix that stands on the diagonal of a tensor with four axes."""
        out = self.output
        if len(out) != 4 or len(set(out)) != 2 or any(out.count(a) != 2 for a in out):
            return None
        a, b = out[0], out[1]
        if a == b:
            return None
        pair = [f for f in self.factors if set(f.labels) == {a, b}]
        if not pair:
            return None
        forms = [f.form if f.labels == [a, b] else transpose(f.form) for f in pair]
        rest = [f for f in self.factors if all(f is not other for other in pair)]
        for label, side in ((a, 0), (b, 1)):
            vectors, matrices, _ = self.ends(label)
            matrices = [m for m in matrices if all(m is not other for other in pair)]
            if matrices:
                raise NoMatrixFormError("an index stands three times in the result")
            for vector in vectors:
                rest = [f for f in rest if f is not vector]
                spread = [ones(self.sizes[a]), ones(self.sizes[b])]
                spread[side] = vector.form
                forms.append(chain([spread[0], transpose(spread[1])]))
        self.factors = rest
        self.output = []
        return hadamard(forms) if len(forms) > 1 else forms[0]

    def reduce(self) -> None:
        """Merge factors until each label stands at two places."""
        while True:
            for label in self.labels():
                vectors, matrices, times_out = self.ends(label)
                found = len(vectors) + len(matrices) + times_out
                if found == 1:
                    self.factors.append(_Factor(ones(self.sizes[label]), [label]))
                    break
                if found > 2 and self._eased(label, vectors, matrices, times_out):
                    break
            else:
                break
        for label in self.labels():
            vectors, matrices, times_out = self.ends(label)
            if len(vectors) + len(matrices) + times_out > 2:
                raise _stuck(times_out)

    def _eased(
        self, label: Hashable, vectors: list[_Factor], matrices: list[_Factor], times_out: int
    ) -> bool:
        """Make a label stand at fewer places, or tell that there is nothing to be done yet."""
        for k, one in enumerate(matrices):
            for other in matrices[k + 1 :]:
                if set(one.labels) == set(other.labels) and one is not other:
                    same = one.labels == other.labels
                    turned = other.form if same else transpose(other.form)
                    one.form = hadamard([one.form, turned])
                    self._drop(other)
                    return True
        for matrix in matrices:
            far = matrix.labels[1 - matrix.labels.index(label)]
            tips, others, out = self.ends(far)
            if len(others) == 1 and not out and far != label:
                tip = hadamard([t.form for t in tips]) if tips else ones(self.sizes[far])
                form = matrix.form if matrix.labels[0] == label else transpose(matrix.form)
                matrix.form, matrix.labels = _product([form, tip]), [label]
                for t in tips:
                    self._drop(t)
                return True
        rest = len(matrices) + times_out
        if len(vectors) > 1 and rest:
            vectors[0].form = hadamard([v.form for v in vectors])
            for v in vectors[1:]:
                self._drop(v)
            return True
        if not rest:  # vectors alone
            vectors[0].form = hadamard([v.form for v in vectors[:-1]])
            for v in vectors[1:-1]:
                self._drop(v)
            return True
        if vectors and rest == 2:
            self._diagonal(label, vectors[0], matrices)
            return True
        if self._waits(label):
            return False
        raise _stuck(times_out)

    def _waits(self, label: Hashable) -> bool:
        """Tell whether another label can still be eased first."""
        for other in self.labels():
            vectors, matrices, times_out = self.ends(other)
            found = len(vectors) + len(matrices) + times_out
            if other != label and (found == 1 or (vectors and found > 2)):
                return True
        return False

    def _diagonal(self, label: Hashable, vector: _Factor, matrices: list[_Factor]) -> None:
        """Put a vector between the two other ends of a label, as a diagonal matrix."""
        new = next(self.fresh)
        self.sizes[new] = self.sizes[label]
        if matrices:
            last = matrices[-1]
            at = len(last.labels) - 1 - last.labels[::-1].index(label)
            last.labels[at] = new
        else:
            self.output[len(self.output) - 1 - self.output[::-1].index(label)] = new
        vector.form, vector.labels = diag(vector.form), [label, new]

    def _drop(self, factor: _Factor) -> None:
        self.factors = [f for f in self.factors if f is not factor]

    def paths(self) -> Iterable[_Path]:
        """Follow the labels from end to end."""
        left = [f for f in self.factors if f.labels]
        for position, label in enumerate(self.output):
            if position not in self._reached:
                yield self._walk(position, label, left)
        while left:
            ends = [f for f in left if len(f.labels) == 1]
            start = ends[0] if ends else left[0]
            left.remove(start)
            if ends:
                path = self._walk(start.form, start.labels[0], left)
            else:
                path = self._walk(None, start.labels[1], left)
                path.matrices.insert(0, start.form)
            yield path

    _reached: tuple[int, ...] = ()

    def _walk(self, start: int | Form | None, label: Hashable, left: list[_Factor]) -> _Path:
        path = _Path(start, None)
        while True:
            following = [f for f in left if label in f.labels]
            if not following:
                ends = [p for p, other in enumerate(self.output) if other == label and p != start]
                if ends:
                    path.end = ends[0]
                    self._reached = (*self._reached, ends[0])
                return path
            factor = following[0]
            left.remove(factor)
            if len(factor.labels) == 1:
                path.end = factor.form
                return path
            forwards = factor.labels[0] == label
            path.matrices.append(factor.form if forwards else transpose(factor.form))
            label = factor.labels[1] if forwards else factor.labels[0]
