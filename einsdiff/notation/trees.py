"""The trees of formulas: what is written, before it is known what it means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from einsdiff.notation.subscripts import Size

#: Brackets inside of each other, at most; no person reads more.
DEEPEST = 150


@dataclass(frozen=True, slots=True)
class Affine:
    """An index that is more than a label: ``i+1``, ``2i+j-1``, or a number.

    ``i+0`` is one too. It says that the index runs over a part of the axis only, so that their
    sizes may differ. With a `modulus`, ``(i+k)%n``, its remainder is the index.
    """

    terms: tuple[tuple[int, str], ...]
    offset: int = 0
    modulus: Size | None = field(default=None, repr=False)

    @property
    def is_label(self) -> bool:
        """Whether it is a label, or the name of a size, and nothing is added."""
        return not self.offset and len(self.terms) == 1 and self.terms[0][0] == 1


Index = str | Affine


@dataclass(frozen=True, slots=True)
class Literal:
    """A number: an integer, or a float or complex number as typed."""

    value: int | float | complex
    column: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name with the labels of its axes; ``δ`` is the Kronecker delta.

    `sizes` has the ranges that are written on a left-hand side, ``f_{i<4}``, for each label, and
    `raised` tells for each whether it is written as an upper index, ``A^i_j``; empty if none is.
    """

    name: str
    labels: tuple[Index, ...] = ()
    column: int = field(default=0, compare=False, repr=False)
    columns: tuple[int, ...] = field(default=(), compare=False, repr=False)
    sizes: tuple[Size | None, ...] = field(default=(), repr=False)
    raised: tuple[bool, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Partial:
    """A derivative as a symbol: ``∂x_i/∂z_p``."""

    base: Symbol
    wrt: tuple[Symbol, ...]
    column: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Sum:
    """Terms with their signs, in brackets unless it is the whole of something."""

    terms: tuple[tuple[int, Tree], ...]


@dataclass(frozen=True, slots=True)
class Product:
    """Factors, with exponent 1, or -1 after a division sign."""

    factors: tuple[tuple[Tree, int], ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """What is said of labels below the sign of a sum: ``i<j``, ``1≤i<j≤n``, ``i=1`` with ``^n``.

    The signs, of ``< <= > >= !=``, stand between the sides, of which at least one is a label. Of
    ``i=1`` it is known which one, the `label`.
    """

    sides: tuple[Affine, ...]
    signs: tuple[str, ...]
    column: int = field(default=0, compare=False, repr=False)
    label: str = ""


@dataclass(frozen=True, slots=True)
class Over:
    """A sum that is written, ``Σ_j A_ij``, over the factors that follow; or a product, ``Π_j``.

    `sizes` has the range of each label, None where it is not written. What else is said of labels
    is in `chains`, whose labels are not among `labels`.
    """

    labels: tuple[str, ...]
    sizes: tuple[Size | None, ...]
    body: Tree
    column: int = field(default=0, compare=False, repr=False)
    chains: tuple[Chain, ...] = ()
    sign: str = "Σ"


@dataclass(frozen=True, slots=True)
class Power:
    """A base and an exponent."""

    base: Tree
    exponent: Tree


@dataclass(frozen=True, slots=True)
class Compare:
    """1 where a relation holds, else 0: ``[x_i > 0]``, ``[i ≥ j]``.

    The sign is one of ``> >= < <= = !=``. A side is an `Affine` where it is certain that an index
    is meant, ``[{i} ≥ {j}]``. The labels of a condition at the sign of a sum, ``Σ_{j≠i}``, run
    equally far where nothing else is known.
    """

    sign: str
    left: Tree | Affine
    right: Tree | Affine
    column: int = field(default=0, compare=False, repr=False)
    is_condition: bool = field(default=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Apply:
    """A function applied to arguments; or a name before a bracket, which may be a product.

    `is_apart` tells whether there is a space between name and bracket, as between factors.
    """

    symbol: Symbol  # the name, with the labels between it and the bracket if there are any
    arguments: tuple[Tree, ...]
    labels: tuple[Index, ...] | None = None  # those of the value, after the closing bracket
    #: The labels between name and bracket for each argument, with their sizes where written.
    cores: tuple[tuple[tuple[str, Size | None], ...], ...] | None = None
    columns: tuple[int, ...] = field(default=(), compare=False, repr=False)
    is_apart: bool = field(default=False, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.symbol.name

    @property
    def column(self) -> int:
        """Where the name stands."""
        return self.symbol.column


@dataclass(frozen=True, slots=True)
class Summary:
    """What is said of an expression that is too long to be written; no text is read as one."""

    text: str


Tree = Literal | Symbol | Partial | Sum | Product | Over | Power | Compare | Apply | Summary


@dataclass(frozen=True, slots=True)
class Equation:
    """A right-hand side, and what stands on the left of it, if anything does."""

    left: Symbol | Partial | None
    right: Tree


def parts_of(tree: object) -> list[Tree]:
    """List what a tree is made of, in order.

    >>> parts_of(Power(Symbol("x"), Literal(2)))
    [Symbol(name='x', labels=()), Literal(value=2)]
    """
    match tree:
        case Sum(terms):
            return [term for _, term in terms]
        case Product(factors):
            return [factor for factor, _ in factors]
        case Over(body=body):
            return [body]
        case Power(base, exponent):
            return [base, exponent]
        case Compare(_, left, right):
            return [side for side in (left, right) if not isinstance(side, Affine)]
        case Apply(arguments=arguments):
            return list(arguments)
        case Partial(base, wrt):
            return [base, *wrt]
        case Equation(left, right):
            return [right] if left is None else [left, right]
    return []


def below(tree: object) -> list[Tree]:
    """List what a tree is made of, where a derivative is one part, with all its names."""
    return [] if isinstance(tree, Partial) else parts_of(tree)


def symbols_of(tree: object) -> tuple[Symbol, ...]:
    """Return the names in a symbol or in a derivative: all that a left-hand side can have.

    >>> symbols_of(Partial(Symbol("x"), (Symbol("z"),)))
    (Symbol(name='x', labels=()), Symbol(name='z', labels=()))
    """
    if isinstance(tree, Partial):
        return (tree.base, *tree.wrt)
    return (tree,) if isinstance(tree, Symbol) else ()


def walk(*trees: object, into: Callable[[Any], Sequence[Tree]] = parts_of) -> Iterator[Tree]:
    """Yield trees and all trees in them, from left to right.

    >>> [part.name for part in walk(Symbol("x"))]
    ['x']
    """
    stack = list(reversed(trees))
    while stack:
        one = stack.pop()
        if not isinstance(one, Equation):
            yield one  # type: ignore[misc]
        stack += reversed(into(one))


def product(factors: Sequence[tuple[Tree, int]]) -> Tree:
    """Return a product of factors with their exponents; of one factor, this one.

    >>> product([(Symbol("x"), 1)])
    Symbol(name='x', labels=())
    """
    return factors[0][0] if len(factors) == 1 and factors[0][1] == 1 else Product(tuple(factors))


def added(terms: Sequence[tuple[int, Tree]]) -> Tree:
    """Return a sum of terms with their signs; of one positive term, this one.

    >>> added([(1, Symbol("x"))])
    Symbol(name='x', labels=())
    """
    return terms[0][1] if len(terms) == 1 and terms[0][0] > 0 else Sum(tuple(terms))


def bracketed(tree: Tree) -> Tree:
    """Put brackets around a tree; those of a sum are understood.

    >>> bracketed(Symbol("x"))
    Sum(terms=((1, Symbol(name='x', labels=())),))
    """
    return tree if isinstance(tree, Sum) else Sum(((1, tree),))


def atom(tree: Tree) -> Tree:
    """Put brackets around a tree, unless it can be the base of a power without.

    >>> atom(Literal(2)), atom(Literal(-2))
    (Literal(value=2), Sum(terms=((1, Literal(value=-2)),)))
    """
    is_atom = isinstance(tree, Symbol | Apply | Compare)
    if isinstance(tree, Literal):
        is_atom = isinstance(tree.value, complex) or not repr(tree.value).startswith("-")
    return tree if is_atom else bracketed(tree)


def in_product(factors: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Count the labels of a product from those of its factors.

    The count says where a label is summed, if nothing outside asks for it: 0 is *inside* a
    bracket or function, 2 or more is in this product, and 1 is not yet.

    >>> in_product([{"i": 1, "j": 1}, {"j": 1}])
    {'i': 1, 'j': 2}

    What is summed inside of a bracket belongs to the bracket, unless the label stands openly
    beside it: in ``(a_i b_i) (c_i d_i)`` there are two sums, in ``x_i (a_i b_i + 1)`` one.

    >>> in_product([{"i": 0}, {"i": 0}]), in_product([{"i": 1}, {"i": 0}])
    ({'i': 0}, {'i': 2})
    """
    openly: dict[str, int] = {}
    inside: dict[str, int] = {}
    for counts in factors:
        for label, count in counts.items():
            openly[label] = openly.get(label, 0) + count
            if not count:
                inside[label] = inside.get(label, 0) + 1
    if not inside:
        return openly
    return {label: n + inside.get(label, 0) if n else 0 for label, n in openly.items()}


def in_bracket(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Count the labels of a bracket, from those of its terms or of a function's arguments.

    >>> in_bracket([{"i": 1}, {"i": 1, "j": 2}])
    {'i': 1, 'j': 0}
    """
    found: dict[str, int] = {}
    for counts in parts:
        for label, count in counts.items():
            found[label] = 1 if count == 1 else found.get(label, 0)
    return found


def letters_of(indices: Iterable[Index]) -> list[str]:
    """List the labels in indices, as often as they stand there.

    >>> letters_of(["i", Affine(((2, "i"), (1, "j")), 1)])
    ['i', 'i', 'j']
    """
    terms = (((1, n),) if isinstance(n, str) else n.terms for n in indices)
    return [label for own in terms for _, label in own]


def labels_in(tree: object) -> Iterator[str]:
    """Yield every label of a tree, as often as it stands there.

    >>> [*labels_in(Compare(">", Symbol("x", ("i",)), Affine(((1, "j"),))))]
    ['j', 'i']
    """
    for part in walk(tree, into=below):
        match part:
            case Over(labels=labels):
                yield from labels
            case Apply(symbol=symbol, labels=labels, cores=cores):
                yield from letters_of((*symbol.labels, *(labels or ())))
                yield from (letter for core in cores or () for letter, _ in core)
            case Compare(_, left, right):
                yield from letters_of(side for side in (left, right) if isinstance(side, Affine))
        for symbol in symbols_of(part):
            yield from letters_of(symbol.labels)


def ranges_in(tree: object) -> Iterator[Size]:
    """Yield the ranges that are written in a tree.

    >>> [*ranges_in(Over(("i", "j"), ("n", None), Symbol("x", ("i",))))]
    ['n']
    """
    for part in walk(tree, into=below):
        if isinstance(part, Over):
            yield from (size for size in part.sizes if size is not None)
        elif isinstance(part, Apply):
            cores = part.cores or ()
            yield from (size for core in cores for _, size in core if size is not None)


def count_of(numbers: Iterable[range]) -> int | None:
    """Tell how many entries are written if they are all there: two or more, from 0 on.

    >>> count_of([range(1, 2), range(0, 1)]), count_of([range(1, 2)]), count_of([range(0, 1)])
    (2, None, None)
    """
    count = 0
    for part in sorted(numbers, key=lambda part: part.start):
        if part.start > count:
            return None
        count = max(count, part.stop)
    return count if count > 1 else None


def relettered(indices: Sequence[Index], letters: Iterable[str]) -> tuple[Index, ...]:
    """Put letters in the place of the labels in indices, one after the other.

    >>> relettered(["i", Affine((), 0), Affine(((2, "j"),), 1)], "pq")
    ('p', Affine(terms=(), offset=0), Affine(terms=((2, 'q'),), offset=1))
    """
    take = iter(letters)
    return tuple(
        next(take)
        if isinstance(index, str)
        else Affine(tuple((c, next(take)) for c, _ in index.terms), index.offset)
        for index in indices
    )


def sides_of(terms: Iterable[tuple[int, str]], offset: int) -> tuple[Index, Index]:
    """Part a sum of indices that is compared with zero: each side has what is positive there.

    >>> sides_of(((2, "i"), (-1, "j")), -1)
    (Affine(terms=((2, 'i'),), offset=0), Affine(terms=((1, 'j'),), offset=1))
    >>> sides_of(((1, "i"), (-1, "j")), 0)
    ('i', 'j')
    """
    terms = tuple(terms)
    left, right = (
        Affine(tuple((sign * c, a) for c, a in terms if sign * c > 0), max(sign * offset, 0))
        for sign in (1, -1)
    )
    return _bare(left), _bare(right)


def _bare(index: Affine) -> Index:
    is_label = len(index.terms) == 1 and index.terms[0][0] == 1 and not index.offset
    return index.terms[0][1] if is_label else index


def inverse(
    arguments: Sequence[Tree], labels: Sequence[Index], columns: Sequence[int] = ()
) -> Apply | None:
    """Read the inverse of a matrix, ``(K^-1)_ij``; None if what is in the bracket is none.

    >>> inverse([Power(Symbol("K"), Literal(-1))], "ij").name
    'inv'
    """
    match arguments:
        case [Power(Symbol(labels=()) as matrix, Literal(-1))]:
            symbol = Symbol("inv", (), matrix.column)
            return Apply(symbol, (matrix,), tuple(labels), None, tuple(columns))
    return None
