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
from dataclasses import dataclass
from itertools import combinations
from math import prod
from typing import cast

from einsdiff.algebra.functions.of_axes import POSITION
from einsdiff.algebra.nodes.graph import children, topological
from einsdiff.algebra.nodes.interning import Add, Call, Constant, Delta, Einsum, Node, Variable
from einsdiff.algebra.nodes.levi_civita import has_levi_civita
from einsdiff.algebra.nodes.nodes import is_zero
from einsdiff.display.index.lettering import MOST_FACTORS
from einsdiff.display.matrix.failing import NoMatrixFormError
from einsdiff.display.matrix.forms import (
    Form,
    apply,
    chain,
    commutation,
    compare,
    diag,
    entry,
    eye,
    has_entries,
    inverse,
    kron,
    named,
    norm,
    number,
    power,
    times,
    total,
    trace,
    transpose,
    unit,
    vec,
)
from einsdiff.display.matrix.stacks import stacked, tells_size
from einsdiff.display.matrix.walks import UNSEEN, Factor, Path, Walks, product
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.subscripts import Size

#: Functions inside of each other, and factors of one product, at most; no person reads more.
DEEPEST = 100
MOST_MULTIPLIED = 60
#: Axes that the rows or the columns are made of, at most, when merged axes are taken apart.
MOST_AXES = 6


def matrix_form(
    node: Node,
    rows: Sequence[int],
    columns: Sequence[int],
    order: str = "C",
    place: Mapping[str, int] | None = None,
    is_real: bool = True,
    names: Collection[str] = (),
) -> Form:
    """Write an expression with products of matrices; where there are none, the error says why.

    Which axes become the rows and the columns is given in order, at most two each. `place` has the
    places of variables in what the user wrote, which decide between :math:`x^T A y` and
    :math:`y^T A^T x`; of complex arrays, for which `is_real` is false, squares are those of no
    norm. Names are also those of variables that do not stand in the expression.

    >>> A, x, w = variable("A", (2, 3)), variable("x", (3,)), variable("w", (3,))
    >>> write(matrix_form(einsum([A, w, x], ["ij", "j", "j"], "i"), [0], []))
    'A (w ⊙ x)'
    >>> matrix_form(einsum([A, A, A], ["aj", "bj", "cj"], "abc"), [0], [1, 2])
    Traceback (most recent call last):
    ...
    einsdiff.display.matrix.failing.NoMatrixFormError: an index joins three matrices
    """
    if is_zero(node):
        return number(0)
    most = max(len(rows), len(columns))
    if most > 2:
        raise NoMatrixFormError(f"{most} of its {len(node.shape)} axes are on one side")
    _check_size(node)
    if order == "F":
        rows, columns = rows[::-1], columns[::-1]
    reader = _MatrixReader(place or {}, is_real and not _has_complex_number(node), names, order)
    return run(reader.matrix(node, tuple(rows), tuple(columns)))


def _has_complex_number(node: Node) -> bool:
    """Tell whether a number in it is complex, so that a square may be negative."""
    return any(
        isinstance(part.value, complex)
        if isinstance(part, Constant)
        else isinstance(part, Add) and any(isinstance(c, complex) for c, _ in part.terms)
        for part in topological([node])
    )


def lengths(node: Node) -> tuple[int, int]:
    """Count the factors of an expression that is written out, and how deep they stand."""
    length: dict[Node, int] = {}
    depth: dict[Node, int] = {}
    for part in topological([node]):
        below = children(part)
        length[part] = 1 + sum(length[child] for child in below)
        depth[part] = 1 + max((depth[child] for child in below), default=0)
    return length[node], depth[node]


def _check_size(node: Node) -> None:
    length, depth = lengths(node)
    if length > MOST_FACTORS or depth > DEEPEST:
        raise NoMatrixFormError(f"written out it has {length} factors, {depth} levels deep")


class _MatrixReader:
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
        factors = [Factor(form, list(labels))]
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
        if has_levi_civita([node]):
            raise NoMatrixFormError("the permutation symbol is no matrix of this notation")
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
        if function is POSITION:
            raise NoMatrixFormError("an index stands as a number")
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
            factors.append(Factor((yield self.factor(operand)), list(labels)))
        sizes: dict[Hashable, Size] = dict(enumerate(node.sizes))
        for label in node.loose:
            factors.append(Factor(self.size(node.sizes[label]), []))
        return self.assembled(factors, list(node.output), sizes, rows, columns)

    def size(self, size: Size) -> Form:
        """Write a size as a number; one that is called like a variable is a trace."""
        if isinstance(size, int):
            return number(size)
        return trace(eye(size)) if size in self.names else named(size, 0)

    def assembled(
        self,
        factors: list[Factor],
        output: list[Hashable],
        sizes: Mapping[Hashable, Size],
        rows: tuple[int, ...],
        columns: tuple[int, ...],
    ) -> Form:
        """Put factors together to the matrix with these rows and columns, slowest first."""
        parts = _MergedFactors(factors, list(output), rows, columns)
        stuck = parts.part(_merges(factors, sizes))
        if stuck:
            return self.joined(stuck[0], parts, sizes)
        factors, output, rows, columns = parts.factors, parts.output, parts.rows, parts.columns
        network = Walks(factors, output, sizes)
        square = network.entrywise()
        network.reduce()
        scalars = [factor.form for factor in network.factors if not factor.labels]
        outer: dict[int, Path] = {}
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

    def joined(self, merge: _Merge, parts: _MergedFactors, sizes: Mapping[Hashable, Size]) -> Form:
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
            whole = [*rest, Factor(form, ends)]
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

    def scalar(self, path: Path) -> Form:
        """Write a number as a product from one vector to another."""
        assert isinstance(path.start, Form)
        assert isinstance(path.end, Form)
        if not path.matrices:
            for one, other in ((path.start, path.end), (path.end, path.start)):
                if one.op == "unit" and has_entries(other, one.value[0], self.names):
                    return entry(other, one.value[0])
            if self.is_real and path.start == path.end and tells_size(path.end):
                return power(norm(path.end), 2)
        forwards = product([transpose(path.start), *path.matrices, path.end])
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
class _MergedFactors:
    """Factors, the labels of the result, and which of its axes are rows and columns."""

    factors: list[Factor]
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
                tuple(a for axis in axes for a in (both if axis == position else (axis,)))
                for axes in (self.rows, self.columns)
            )
            if max(len(self.rows), len(self.columns)) > MOST_AXES:
                raise NoMatrixFormError("too many axes become one")
        return waiting

    def _is_free(self, merge: _Merge) -> bool:
        carried = sum(factor.labels.count(merge.whole) for factor in self.factors)
        return carried == 1 and self.output.count(merge.whole) == 1

    def behind(self, merge: _Merge) -> list[Factor]:
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

    factor: Factor
    whole: Hashable
    slow: Hashable
    fast: Hashable


def _merges(factors: Iterable[Factor], sizes: Mapping[Hashable, Size]) -> Iterator[_Merge]:
    """Yield the relations between indices, all of which have to be merges."""
    for factor in factors:
        if factor.form.op == "relation":
            merged = _merged(factor.form.value, factor.labels, sizes)
            if merged is None:
                raise NoMatrixFormError("indices are shifted, merged or compared")
            yield _Merge(factor, *merged)


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
        return unit(-offset * c[0], node.shape[0])
    return Form("relation", (), node, len(node.shape))  # see `_parted`


def _matrix(
    outer: Mapping[int, Path],
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
    outer: Mapping[int, Path],
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


def _between(path: Path, sizes: Sequence[Size]) -> Form:
    assert isinstance(path.start, int)
    return product(path.matrices) if path.matrices else eye(sizes[path.start])


def _plain(
    outer: Mapping[int, Path],
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
