r"""Matrix notation as a tree, and how it is written: ``-2 (y - A x)ᵀ A``.

A `Form` is a number, a column vector or a matrix. It is made by the functions here, which keep it
in order as they build it: a transpose goes to the factors, :math:`(A B)^\top = B^\top A^\top`, a
product of products is one product, numbers stand before it, and equal factors of a fraction cancel.

Products bind first, then ``⊙ ⊘ ⊗`` (entry by entry, division entry by entry, Kronecker), then sums.
Functions with their argument in round brackets act on each entry, ``x^∘3`` is a power of each.
``𝟏`` is the vector of ones, ``e_k`` the k-th unit vector (from 0), ``I_n`` the identity, and
``K_mn`` the commutation matrix of Magnus and Neudecker (1979), with :math:`K_{mn}
\operatorname{vec} X = \operatorname{vec} X^\top` for each :math:`X \in \mathbb R^{m \times n}`.
Where a variable is called I, K or e, that sign is bold.

>>> A, x, y = named("A", 2), named("x", 1), named("y", 1)
>>> residual = total([(1, y), (-1, chain([A, x]))])
>>> write(times(-2, [chain([transpose(residual), A])]))
'-2 (y - A x)ᵀ A'
>>> write(transpose(chain([A, x])))
'xᵀAᵀ'
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from einsdiff.algebra.nodes.interning import Number, is_one
from einsdiff.display.index.latex_names import latex_name
from einsdiff.notation.subscripts import Size


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A number, vector or matrix, as it is written."""

    op: str  # what it is
    args: tuple[Form, ...] = ()  # what it is made of
    value: Any = None  # what else: a name, a number, coefficients, an exponent
    rank: int = 0  # 0: a number, 1: a column vector, 2: a matrix or a row
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Kept, since that of a whole form would be computed at each of its levels.
        object.__setattr__(self, "_hash", hash((self.op, self.args, self.value, self.rank)))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other or not isinstance(other, Form):
            return self is other
        own, theirs = (
            (form._hash, form.op, form.value, form.rank, form.args) for form in (self, other)
        )
        return own == theirs


# --- atoms ------------------------------------------------------------------------------------


def named(name: str, rank: int, is_symmetric: bool = False) -> Form:
    """Return a variable."""
    return Form("name", (), (name, is_symmetric), rank)


def number(value: Number) -> Form:
    """Return a number."""
    return Form("number", (), value)


def ones(size: Size | None = None) -> Form:
    """Return the vector of ones; its size is written only where nothing else tells it."""
    return Form("ones", (), size, 1)


def zeros(rows: Sequence[Size], columns: Sequence[Size] | None) -> Form:
    """Return a column or a matrix of zeros, whose sizes are products of these.

    >>> write(zeros(["m"], None)), write(transpose(zeros([2, 3], ["n"])))
    ('0_m', '0_{n×2·3}')
    """
    sides = (tuple(rows), None if columns is None else tuple(columns))
    return Form("zeros", (), sides, 1 if columns is None else 2)


def unit(position: int, size: Size | None = None) -> Form:
    """Return a unit vector; positions count from 0.

    Its size is written only where nothing else tells it.
    """
    return Form("unit", (), (position, size), 1)


def entry(form: Form, position: int) -> Form:
    """Return an entry of a vector; positions count from 0."""
    return Form("entry", (form,), position)


def has_entries(form: Form, position: int, names: Collection[str]) -> bool:
    """Tell whether an entry can be written as ``x_0``: not if a variable is called so.

    >>> x = named("x", 1)
    >>> has_entries(x, 0, ["x", "x_1"]), has_entries(x, 1, ["x", "x_1"])
    (True, False)
    """
    if form.op != "name" or "_" in latex_name(form.value[0]) or form.value[0] in BOLD:
        return False
    spelled = f"{latex_name(form.value[0])}_{{{position}}}"
    return all(latex_name(name) != spelled for name in names)


def eye(size: Size) -> Form:
    """Return the identity matrix."""
    return Form("eye", (), (size,), 2)


def commutation(rows: Size, columns: Size) -> Form:
    """Return the commutation matrix of matrices of this shape."""
    return Form("commutation", (), (rows, columns), 2)


# --- matrices ---------------------------------------------------------------------------------


def transpose(form: Form) -> Form:
    """Return the transpose; that of a column is a row, of rank 2 here.

    >>> X = named("X", 2)
    >>> write(transpose(inverse(X))), write(transpose(transpose(X)))
    ('X⁻ᵀ', 'X')
    """
    match form.op:
        case "name" if form.value[1]:
            return form
        case _ if form.rank == 0:
            return form
        case "transpose":
            return form.args[0]
        case "eye" | "diag":
            return form
        case "inverse" if transpose(form.args[0]) == form.args[0]:
            return form
        case "commutation":
            return commutation(*reversed(form.value))
        case "zeros" if form.rank == 2:
            return zeros(form.value[1], form.value[0])
        case "chain":
            return chain([transpose(factor) for factor in reversed(form.args)])
        case "times":
            c, n = form.value
            return times(c, [*form.args[:n], transpose(form.args[n])], form.args[n + 1 :])
        case "kron":
            return kron([transpose(factor) for factor in form.args])
        case "hadamard" | "power" | "apply" | "compare" | "abs" if _is_entrywise(form):
            turned_args = tuple(transpose(arg) for arg in form.args)
            if _marks(turned_args) <= _marks(form.args):
                return replace(form, args=turned_args)
        case "total" if all(term.rank == 2 for term in form.args):
            terms = list(zip(form.value, form.args, strict=True))
            turned = [(c, transpose(term)) for c, term in terms]
            if _marks(term for _, term in turned) <= _marks(form.args):
                return total(sorted(turned, key=lambda pair: _marks([pair[1]])))
    return Form("transpose", (form,), rank=2)


def _is_entrywise(form: Form) -> bool:
    """Tell whether a matrix is a function of the entries of matrices."""
    if form.op == "apply" and not form.value[2]:
        return False
    return all(arg.rank in (0, form.rank) for arg in form.args) and form.rank == 2


def _marks(forms: Iterable[Form]) -> int:
    """Count transposes."""
    return sum(part.op == "transpose" for form in forms for part in subforms(form))


def subforms(form: Form) -> Iterator[Form]:
    """Yield a form and all that it is made of."""
    stack = [form]
    while stack:
        form = stack.pop()
        yield form
        stack.extend(form.args)


def inverse(form: Form, mark: str = "-1") -> Form:
    """Return the inverse of a matrix, or with the mark ``"+"`` its pseudoinverse."""
    if form.op == "transpose" and form.args[0].rank == 2:
        return transpose(inverse(form.args[0], mark))
    return Form("inverse", (form,), mark, 2)


def chain(factors: Sequence[Form]) -> Form:
    """Return the matrix product; identities, and numbers before it, are taken out.

    >>> A, x = named("A", 2), named("x", 1)
    >>> write(chain([transpose(x), A, x]))
    'xᵀA x'
    """
    c, above, wholes, below = _peeled(factors)
    if number(0) in wholes:
        return number(0)
    found = _flat("chain", wholes)
    inner = [factor for factor in found if not _is_eye(factor)] or found[:1]
    whole = inner[0] if len(inner) == 1 else Form("chain", tuple(inner), None, _rank(inner))
    return times(c, [*above, whole], below)


def _flat(op: str, factors: Iterable[Form]) -> list[Form]:
    return [part for f in factors for part in (f.args if f.op == op else [f])]


def _is_eye(form: Form) -> bool:
    return form.op == "eye" or (form.op == "kron" and all(f.op == "eye" for f in form.args))


def _rank(factors: Sequence[Form]) -> int:
    """Return the rank of a product: rows are transposed vectors."""
    is_column = factors[-1].rank == 1
    return (0 if is_column else 2) if _is_row(factors[0]) else (1 if is_column else 2)


def _is_row(form: Form) -> bool:
    """Tell whether a form of rank 2 has one row: it is the transpose of a column, or made of some.

    >>> x, A = named("x", 1), named("A", 2)
    >>> [_is_row(f) for f in (transpose(x), transpose(kron([x, x])), transpose(A))]
    [True, True, False]
    """
    match form.op:
        case "transpose":
            return form.args[0].rank == 1
        case "kron" | "total":
            return all(_is_row(arg) for arg in form.args)
        case "times":
            return _is_row(form.args[form.value[1]])
        case "chain":
            return form.rank == 2 and _is_row(form.args[0])
        case "stack":
            return form.rank == 2 and form.value[0] == 1
    return False


def norm(form: Form) -> Form:
    """Return the Euclidean norm of a column, or the Frobenius norm of a matrix.

    >>> write(norm(named("x", 1))), write(power(norm(named("X", 2)), 2))
    ('‖x‖', '‖X‖_F²')
    """
    return number(0) if form == number(0) else Form("norm", (form,))


def trace(form: Form) -> Form:
    """Return the trace of a matrix.

    >>> write(trace(times(2, [named("X", 2)])))
    '2 tr(X)'
    """
    return _linear("tr", form, 0)


def diag(form: Form) -> Form:
    """Return the diagonal matrix of a vector, or the diagonal of a matrix.

    >>> write(diag(named("x", 1))), write(diag(named("A", 2)))
    ('diag(x)', 'diag(A)')
    """
    return _linear("diag" if form.rank == 1 else "diagonal", form, 3 - form.rank)


def vec(form: Form) -> Form:
    """Return the entries of a matrix as a column.

    >>> write(total([(1, vec(named("A", 2))), (-2, vec(named("B", 2)))]))
    'vec(A - 2 B)'
    """
    return _linear("vec", form, 1)


def _linear(op: str, form: Form, rank: int) -> Form:
    """Apply a linear function, with the numbers before it."""
    c, above, (whole,), below = _peeled([form])
    if whole.op == "number":
        return number(0)
    return times(c, [*above, Form(op, (whole,), None, rank)], below)


def _peeled(factors: Iterable[Form]) -> tuple[Number, list[Form], list[Form], list[Form]]:
    """Take the numbers out: the coefficient, those above, what is left, and those below."""
    c: Number = 1
    above: list[Form] = []
    wholes: list[Form] = []
    below: list[Form] = []
    for factor in factors:
        if factor.op == "times":
            own, n = factor.value
            c = c * own
            above += factor.args[:n]
            below += factor.args[n + 1 :]
            factor = factor.args[n]
        wholes.append(factor)
    return c, above, wholes, below


def kron(factors: Sequence[Form]) -> Form:
    """Return the Kronecker product of matrices, columns and rows."""
    c, above, wholes, below = _peeled(factors)
    if number(0) in wholes:
        return number(0)
    found = _flat("kron", wholes)
    rank = 1 if all(factor.rank == 1 for factor in found) else 2
    whole = found[0] if len(found) == 1 else Form("kron", tuple(found), None, rank)
    return times(c, [*above, whole], below)


# --- entry by entry ---------------------------------------------------------------------------


def hadamard(factors: Sequence[Form]) -> Form:
    """Return the product entry by entry; negative powers divide.

    >>> w, x = named("w", 1), named("x", 1)
    >>> write(hadamard([w, power(x, -2)])), write(hadamard([w, w, times(2, [w]), w]))
    ('w ⊘ (x ⊙ x)', '2 w^∘4')
    """
    return _multiplied(factors, 1)


def _multiplied(factors: Sequence[Form], n: int) -> Form:
    """Multiply entry by entry, each factor n times; it takes as long for every n."""
    c, over, wholes, under = _peeled(factors)
    if number(0) in wholes:
        return number(0)
    above: list[Form] = []
    below: list[Form] = []
    for factor in wholes:
        if factor.op == "hadamard":
            above += factor.args[: factor.value]
            below += factor.args[factor.value :]
        else:
            above.append(factor)
    rank = factors[0].rank
    every = [factor for factor in above if is_ones(factor)] or [_all_ones(rank)]
    counted = [f for f in above if not is_ones(f)], below
    sides = _cancelled(*counted)
    if not any(sides):  # what is left would have no size
        sides = tuple(list(_counted(side).items()) for side in counted)
    above, below = (
        [
            part
            for base, k in side
            for part in ([base] * k * n if k * n < 4 else [_raised(base, k * n)])
        ]
        for side in sides
    )
    c, over, under = c**n, [power(f, n) for f in over], [power(f, n) for f in under]
    above = above or every[:1]
    whole = Form("hadamard", (*above, *below), len(above), rank)
    return times(c, [*over, above[0] if len(above) == 1 and not below else whole], under)


def _all_ones(rank: int) -> Form:
    return ones() if rank == 1 else chain([ones(), transpose(ones())])


def is_ones(form: Form) -> bool:
    """Tell whether all entries of a vector or matrix are 1."""
    if form.op == "chain":
        return len(form.args) == 2 and all(
            is_ones(f.args[0] if f.op == "transpose" else f) for f in form.args
        )
    return form.op == "ones"


#: Numbers before a vector are raised to at most such a power: beyond, they have too many digits.
MOST_MULTIPLIED = 64


def power(base: Form, exponent: Number | Form) -> Form:
    """Return a power, of each entry if the base has several."""
    if isinstance(exponent, Form):
        return _raised(base, exponent)
    if is_one(exponent):
        return base
    is_of_norm = base.op == "power" and base.args[0].op == "norm"
    if is_of_norm and not isinstance(base.value, Form) and not isinstance(exponent, complex):
        return power(base.args[0], _exact(base.value * exponent))
    if is_negative(exponent):
        divisor = power(base, -exponent)
        if not base.rank:
            return times(1, [], [divisor])
        c, over, (whole,), under = _peeled([divisor])
        args, n = (whole.args, whole.value) if whole.op == "hadamard" else ((whole,), 1)
        above = args[n:] or (_all_ones(base.rank),)
        parts = [form for form in args[:n] if not is_ones(form)]
        divided = Form("hadamard", (*above, *parts), len(above), base.rank)
        if len(divided.args) == 1:
            (divided,) = above
        return times(1, [*under, divided], [number(c), *over])
    is_short = base.op != "times" or is_one(base.value[0])
    if base.rank and isinstance(exponent, int) and (is_short or exponent <= MOST_MULTIPLIED):
        return _multiplied([base], exponent)
    return _raised(base, exponent)


def _raised(base: Form, exponent: Number | Form) -> Form:
    return Form("power", (base,), exponent, base.rank)


def is_negative(value: object) -> bool:
    """Tell whether a coefficient is a negative real number."""
    return isinstance(value, int | float | Fraction) and value < 0


def _exact(value: Any) -> Any:
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value


def apply(
    name: str, args: Sequence[Form], rank: int, template: str = "", is_entrywise: bool = True
) -> Form:
    """Return a function of its arguments.

    `template` spells it in LaTeX, see `einsdiff.algebra.nodes.function_records.Function`.
    """
    return Form("apply", tuple(args), (name, template, is_entrywise), rank)


def compare(template: str, latex: str, args: Sequence[Form], rank: int) -> Form:
    """Return a comparison of each entry, 1 where it holds and else 0."""
    return Form("compare", tuple(args), (template, latex), rank)


# --- products and sums ------------------------------------------------------------------------


def times(c: Number, factors: Sequence[Form], below: Sequence[Form] = ()) -> Form:
    """Return a product of a coefficient, numbers, and at most one vector or matrix.

    >>> X = named("X", 2)
    >>> write(times(1, [power(norm(X), -1), X]))
    'X / ‖X‖_F'
    """
    own, above, wholes, under = _peeled(factors)
    over, more, divisors, further = _peeled(below)
    c = _ratio(c * own, over)
    above += further
    under += more + divisors
    whole: Form | None = None
    for factor in wholes:
        if factor.rank:
            assert whole is None, "a product with numbers has one vector or matrix"
            whole = factor
        else:
            above.append(factor)
    for value in [f.value for f in above if f.op == "number"]:
        c = c * value
    for value in [f.value for f in under if f.op == "number"]:
        c = _ratio(c, value)
    counted = _cancelled(
        [f for f in above if f.op != "number"], [f for f in under if f.op != "number"]
    )
    above, under = ([power(base, n) for base, n in side] for side in counted)
    above.sort(key=_place)
    if whole is None:
        whole = above.pop() if above else number(1)
    c = _exact(c)
    if c == 0:
        return number(0)
    if whole.op == "number" and not under:
        return number(c)
    if is_one(c) and not above and not under:
        return whole
    return Form("times", (*above, whole, *under), (c, len(above)), whole.rank)


def _ratio(a: Number, b: Number) -> Number:
    if isinstance(a, int | Fraction) and isinstance(b, int | Fraction):
        return Fraction(a) / b
    return a / b


def _cancelled(*sides: Iterable[Form]) -> tuple[list[tuple[Form, int]], ...]:
    """Count equal factors, less those on the other side of a fraction."""
    over, under = map(_counted, sides)
    return list((over - under).items()), list((under - over).items())


def _counted(factors: Iterable[Form]) -> Counter[Form]:
    """Count the bases of whole powers; the square of a comparison is the comparison."""
    counts: Counter[Form] = Counter()
    for factor in factors:
        if factor.op == "power" and isinstance(factor.value, int) and factor.value > 0:
            counts[factor.args[0]] += factor.value
        elif factor.op != "compare" or not counts[factor]:
            counts[factor] += 1
    return counts


def _place(form: Form) -> tuple[int, str, int]:
    """Tell which numbers stand first in a product: names, then functions, then brackets."""
    if isinstance(form.value, Form) and form.op == "power":
        return 1, "", 0
    inner = form.args[0] if form.op == "power" else form
    if inner.op == "entry":
        return 0, str(inner.args[0].value[0]), inner.value
    return {"name": 0, "total": 3}.get(inner.op, 2), "", 0


def total(terms: Iterable[tuple[Number, Form]]) -> Form:
    """Return a sum; the first term that is added stands in front, a number at the end."""
    found: dict[Form, Number] = {}
    for c, term in terms:
        form = times(c, [term])
        pairs = [(1, form)]
        if form.op == "total":
            pairs = list(zip(form.value, form.args, strict=True))
        for sign, part in pairs:
            own, above, (whole,), below = _peeled([part])
            if whole.op == "number" and not above and not below:
                own, whole = own * whole.value, number(1)
            key = times(1, [*above, whole], below)
            found[key] = _exact(found.get(key, 0) + sign * own)
    kept = [(c, form) for form, c in found.items() if c != 0]
    if len(kept) < 2:
        return times(kept[0][0], [kept[0][1]]) if kept else number(0)
    joined = _joined(kept)
    if joined is not None:
        return joined
    kept.sort(key=lambda term: term[1].op == "number")
    signed = [(-1, -c, f) if is_negative(c) else (1, c, f) for c, f in kept]
    positive = [k for k, (sign, _, _) in enumerate(signed) if sign > 0]
    if positive:
        signed.insert(0, signed.pop(positive[0]))
    forms = tuple(times(c, [form]) for _, c, form in signed)
    return Form("total", forms, tuple(sign for sign, _, _ in signed), forms[0].rank)


def _joined(terms: Sequence[tuple[Number, Form]]) -> Form | None:
    """Write a sum of vecs, or of their transposes, as the vec of a sum."""
    inner = []
    kinds = set()
    for c, term in terms:
        own, above, (whole,), below = _peeled([term])
        kinds.add(whole.op)
        column = whole.args[0] if whole.op == "transpose" else whole
        if column.op != "vec":
            return None
        inner.append((c, times(own, [*above, column.args[0]], below)))
    if len(kinds) > 1:
        return None
    joined = vec(total(inner))
    return transpose(joined) if kinds == {"transpose"} else joined


def cost(form: Form) -> int:
    """Count the names, numbers, functions, and brackets around sums of numbers.

    >>> cost(chain([named("A", 2), named("x", 1)]))
    2
    """
    found = 0
    for part in subforms(form):
        found += part.op in ("apply", "power", "compare", "diag", "inverse") or not part.args
        if part.op == "times":
            found += sum(f.op == "total" and not f.rank for f in part.args)
    return found


# --- writing ----------------------------------------------------------------------------------


#: Signs that a variable may be called like, and those in place of them.
BOLD = {"I": "𝐈", "K": "𝐊", "e": "𝐞"}
