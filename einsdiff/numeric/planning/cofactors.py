r"""Derivatives of determinants, computed where the inverse does not exist.

The derivative of a determinant is written :math:`\det X\, (X^{-1})_{ji}`, which is the cofactor
:math:`C_{ij}`, a polynomial in the entries of X. The second derivative is a cofactor of order 2,

.. math:: C_{ij,kl} = \det X
    \left( (X^{-1})_{ji} (X^{-1})_{lk} - (X^{-1})_{li} (X^{-1})_{jk} \right) ,

and so on. Each term is infinite at a singular matrix, and their sum is not. So products of as many
inverses as there are determinants are written in cofactors, and sums of products of more inverses
as combinations of products of cofactors of higher order, which is a small system of linear
equations in exact numbers. With a decomposition
:math:`X^{-1} = R\, s^{-1} L^T`, such as by singular values, and with :math:`o_{ab}` for the
product of all s but two,

.. math:: C_{ij,kl} = \sum_{ab} o_{ab} L_{ia} L_{kb} (R_{ja} R_{lb} - R_{la} R_{jb}) ,

so that a product with a matrix takes no array of four axes.

>>> X = variable("X", (3, 3))
>>> det, inv = call(FUNCTIONS["det"], [X]), call(FUNCTIONS["inv"], [X])
>>> with_cofactors([einsum([det, inv], ["", "ji"], "ij")])
(_cofactor(X),)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import combinations, permutations
from math import factorial
from typing import Any

from einsdiff.algebra.nodes.function_records import FUNCTIONS, Function, kernel
from einsdiff.algebra.nodes.graph import children, rewritten, topological
from einsdiff.algebra.nodes.interning import (
    Add,
    Call,
    Constant,
    Einsum,
    Node,
    Number,
    constant,
    interned_sum,
)
from einsdiff.algebra.nodes.nodes import add, call, einsum

#: Sums are looked through for cofactors of an order up to this one.
MOST_ORDER = 5
#: A product is multiplied out into at most so many terms.
MOST_SPREAD = 256
#: At most so many products are made in search of cofactors.
MOST_PRODUCTS = 2000


def _kernel(name: str, spelled: str, signature: str) -> Function:
    called = spelled.partition("(")[0]
    is_factor = called in ("cofactor_left", "cofactor_right")  # of whatever order
    code = dict.fromkeys(("numpy", "torch", "jax"), f"{called}({{0}})") if is_factor else {}
    return kernel(name, spelled, signature, code=code, temporary=7)


_COFACTOR = _kernel("cofactor", "cofactor({0})", "(n,n)->(n,n)")
#: L, R and o for each order.
_LEFT, _RIGHT, _REST = (
    {
        order: _kernel(
            f"cofactor_{part}{order}",
            f"cofactor_{part}({{0}}, {order})",
            f"(n,n)->({','.join(['n'] * (order if part == 'rest' else 2))})",
        )
        for order in range(2, MOST_ORDER + 1)
    }
    for part in ("left", "right", "rest")
)


def with_cofactors(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Write products of determinants and inverses in cofactors.

    The expressions have the same values, and have values where X is singular, if the formula has a
    limit there that is a polynomial.
    """
    parts = topological(nodes)
    if any(map(_is_divided, parts)):  # by a determinant, which is not 0 then
        return tuple(nodes)
    # Where that brings all inverses together with their determinants, products are multiplied out.
    for is_spread in (True, False):
        room = _Room(MOST_PRODUCTS)
        try:
            found = rewritten(nodes, partial(_spread, room=room)) if is_spread else tuple(nodes)
            found = rewritten(found, partial(_written, room=room))
        except _TooManyError:
            continue
        if not is_spread or not any(True for part in topological(found) for _ in _terms(part)):
            return found
    return tuple(nodes)


class _TooManyError(Exception):
    """There are more products to look at than there is time for."""


class _Room:
    """So many products may still be made."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, count: int = 1) -> None:
        """Raise an error if there is no room for so many more."""
        self.left -= count
        if self.left < 0:
            raise _TooManyError


def _is_divided(node: Node) -> bool:
    """Tell whether a node is a power of a determinant that is not defined for a singular matrix."""
    if not isinstance(node, Call) or node.function is not FUNCTIONS["power"]:
        return False
    base = node.args[0]
    is_det = isinstance(base, Call) and base.function is FUNCTIONS["det"]
    return is_det and _determinant(node) is None


# --- terms ------------------------------------------------------------------------------------

#: A factor with its labels.
Slot = tuple[Node, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class _CofactorTerm:
    """A product of determinants and inverses of one matrix, and of other factors."""

    node: Einsum  # the whole product
    matrix: Node  # what the determinants and inverses are of
    batch: tuple[int, ...]  # the labels of its batch axes
    dets: int  # how many determinants there are
    #: For each inverse the labels (column of the cofactor, row of the cofactor).
    inverses: tuple[tuple[int, int], ...]
    others: tuple[Slot, ...]  # the other factors

    def with_factors(self, factors: Sequence[Slot], dets: int) -> Node:
        """Put other factors in the place of the inverses, and some determinants."""
        det = call(FUNCTIONS["det"], [self.matrix])
        power = call(FUNCTIONS["power"], [det, constant(dets)])
        own = [(det, self.batch)] * dets if isinstance(power, Einsum) else [(power, self.batch)]
        slots = [*self.others, *(own if dets else []), *factors]
        sizes = dict(enumerate(self.node.sizes))
        return einsum([n for n, _ in slots], [ls for _, ls in slots], self.node.output, sizes)

    def permuted(self, columns: Sequence[int]) -> Node:
        """Return the same product with the columns of the inverses in another order."""
        inv = call(FUNCTIONS["inv"], [self.matrix])
        pairs = zip((self.inverses[k][0] for k in columns), self.inverses, strict=True)
        factors = [(inv, (*self.batch, column, row)) for column, (_, row) in pairs]
        return self.with_factors(factors, self.dets)

    def cofactors(self, blocks: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> Node:
        """Return the product with cofactors for blocks of rows and of columns."""
        terms: list[tuple[Number, list[Slot]]] = [(1, [])]
        for rows, columns in blocks:
            block = self.cofactor(rows, columns)
            terms = [(c * d, [*slots, *more]) for c, slots in terms for d, more in block]
        dets = self.dets - len(blocks)
        return add([(c, self.with_factors(s, dets)) for c, s in terms], self.node.shape)

    def cofactor(
        self, of_rows: Sequence[int], of_columns: Sequence[int]
    ) -> list[tuple[int, list[Slot]]]:
        """Return the terms of one cofactor of some inverses: signs and factors."""
        order = len(of_rows)
        rows = [self.inverses[k][1] for k in of_rows]
        columns = [self.inverses[k][0] for k in of_columns]
        if order == 1:
            return [(1, [(call(_COFACTOR, [self.matrix]), (*self.batch, *rows, *columns))])]
        left, right, rest = (
            call(kernel[order], [self.matrix]) for kernel in (_LEFT, _RIGHT, _REST)
        )
        inner = [len(self.node.sizes) + k for k in of_rows]  # labels of their own
        shared: list[Slot] = [(rest, (*self.batch, *inner))]
        shared += [(left, (*self.batch, row, a)) for row, a in zip(rows, inner, strict=True)]
        found = []
        for places in permutations(range(order)):
            ends = [
                (right, (*self.batch, columns[k], a)) for k, a in zip(places, inner, strict=True)
            ]
            found.append((_sign(places), [*shared, *ends]))
        return found


def _terms(node: Node) -> Iterator[_CofactorTerm]:
    """Read a product as one of determinants and inverses, for each matrix that it has both of."""
    if not isinstance(node, Einsum):
        return
    slots: list[Slot] = list(zip(node.operands, node.subscripts, strict=True))
    counted: dict[tuple[Node, tuple[int, ...]], int] = {}
    for factor, labels in slots:
        found = _determinant(factor)
        if found is not None:
            key = found[0], labels
            counted[key] = counted.get(key, 0) + found[1]
    for (matrix, batch), dets in counted.items():
        rank = len(batch)
        inverses, others = [], []
        for slot in slots:
            factor, labels = slot
            found = _determinant(factor)
            if found is not None and (found[0], labels) == (matrix, batch):
                continue
            if factor is _inverse(matrix) and labels[:rank] == batch:
                inverses.append((labels[rank], labels[rank + 1]))
            else:
                others.append(slot)
        if inverses:
            yield _CofactorTerm(node, matrix, batch, dets, tuple(inverses), tuple(others))


def _determinant(node: Node) -> tuple[Node, int] | None:
    """Return the matrix and the exponent of a power of a determinant."""
    exponent: Any = 1
    if isinstance(node, Call) and node.function is FUNCTIONS["power"]:
        node, n = node.args
        exponent = n.value if isinstance(n, Constant) else None
    is_det = isinstance(node, Call) and node.function is FUNCTIONS["det"]
    if not is_det or not isinstance(exponent, int) or exponent < 1:
        return None
    assert isinstance(node, Call)
    return node.args[0], exponent


def _inverse(matrix: Node) -> Node:
    return call(FUNCTIONS["inv"], [matrix])


# --- products and sums of them ----------------------------------------------------------------


def _written(node: Node, room: _Room) -> Node:
    """Write one node in cofactors; what it is made of was."""
    terms = node.terms if isinstance(node, Add) else [(1, node)]
    if not any(True for _, term in terms for _ in _terms(term)):
        return node
    kept: list[tuple[Number, Node]] = []
    waiting: list[tuple[Number, Node]] = []
    for c, term in terms:
        replaced = _by_first_order(term)
        (waiting if replaced is None else kept).append((c, term if replaced is None else replaced))
    whole = add(waiting, node.shape)
    rest = {t: c for c, t in (whole.terms if isinstance(whole, Add) else [(1, whole)])}
    for term in list(rest):
        if term not in rest:
            continue
        for reading in _terms(term):
            found = _by_higher_order(reading, rest, room)
            if found is not None:
                new, used = found
                kept.append((1, new))
                for t in used:
                    del rest[t]
                break
    return add([*kept, *((c, t) for t, c in rest.items())], node.shape)


def _by_first_order(node: Node) -> Node | None:
    """Write a product in cofactors that has no more inverses than determinants."""
    changed = None
    while True:
        reading = next((t for t in _terms(node) if len(t.inverses) <= t.dets), None)
        if reading is None:
            return changed
        node = changed = reading.cofactors([((k,), (k,)) for k in range(len(reading.inverses))])


def _spread(node: Node, room: _Room) -> Node:
    """Multiply out what has determinants or inverses of one matrix in several factors."""
    if isinstance(node, Add):
        whole = add([(c, _spread(term, room)) for c, term in node.terms], node.shape)
        if not isinstance(whole, Add) or len(whole.terms) > MOST_SPREAD:
            return node
        return _merged(whole)
    if not isinstance(node, Einsum):
        return node
    for k, factor in enumerate(node.operands):
        others = _matrices(node.operands[:k] + node.operands[k + 1 :])
        inner = factor.terms if isinstance(factor, Add) else ((1, factor),)
        is_sum = isinstance(factor, Add | Einsum) and len(inner) <= MOST_SPREAD
        is_part = any(len(term.inverses) > term.dets for term in _terms(factor))
        if is_part or (is_sum and not others.isdisjoint(_matrices([factor]))):
            sizes = dict(enumerate(node.sizes))
            products = []
            room.take(len(inner))
            for c, term in inner:
                factors = [*node.operands[:k], term, *node.operands[k + 1 :]]
                product = einsum(factors, node.subscripts, node.output, sizes, [k])
                products.append((c, product if product is node else _spread(product, room)))
            return _merged(add(products, node.shape))
    return node


def _merged(node: Node) -> Node:
    """Write sums inside of a sum as one."""
    if not isinstance(node, Add) or not any(isinstance(term, Add) for _, term in node.terms):
        return node
    terms: list[tuple[Number, Node]] = []
    for c, term in node.terms:
        terms += [(c * d, t) for d, t in term.terms] if isinstance(term, Add) else [(c, term)]
    collected: dict[Node, Number] = {}
    for c, term in terms:
        collected[term] = collected.get(term, 0) + c
    return interned_sum([(c, t) for t, c in collected.items() if c != 0], node.shape)


def _matrices(factors: Iterable[Node]) -> set[Node]:
    """Return the matrices that products and sums have determinants or inverses of."""
    found = set()
    for part in topological(factors, lambda part: () if isinstance(part, Call) else children(part)):
        pair = _determinant(part)
        if pair is not None:
            found.add(pair[0])
        elif isinstance(part, Call) and part.function is FUNCTIONS["inv"]:
            found.add(part.args[0])
    return found


# --- cofactors of higher order ----------------------------------------------------------------


def _by_higher_order(
    reading: _CofactorTerm, terms: Mapping[Node, Number], room: _Room
) -> tuple[Node, list[Node]] | None:
    """Write what terms of a sum have in common with one of them in cofactors, if there are such.

    The terms that these are equal to are returned as well.
    """
    order = len(reading.inverses)
    if order > MOST_ORDER or (order > 3 and reading.dets > 1):
        return None
    room.take(factorial(order))
    orbit: dict[tuple[int, ...], tuple[Number, Node]] = {}
    for columns in permutations(range(order)):
        whole = reading.permuted(columns)
        orbit[columns] = (
            whole.terms[0] if isinstance(whole, Add) and len(whole.terms) == 1 else (1, whole)
        )
    rows = list(dict.fromkeys(node for _, node in orbit.values()))
    if any(isinstance(c, complex) for c in (terms.get(node, 0) for node in rows)):
        return None
    candidates = list(_candidates(order, reading.dets))
    matrix = [[Fraction(0)] * len(candidates) for _ in rows]
    for j, blocks in enumerate(candidates):
        for sign, columns in _expanded(blocks):
            c, node = orbit[columns]
            matrix[rows.index(node)][j] += sign * Fraction(c)  # type: ignore[arg-type]
    values = [terms.get(node, 0) for node in rows]
    solution = _solved(matrix, [Fraction(v) for v in values])  # type: ignore[arg-type]
    if solution is None:
        return None
    is_exact = all(isinstance(v, int | Fraction) for v in values)
    found = [
        (x if is_exact else float(x), reading.cofactors(blocks))
        for x, blocks in zip(solution, candidates, strict=True)
        if x
    ]
    return add(found, reading.node.shape), [node for node in rows if node in terms]


#: A product of cofactors: of which rows and of which columns.
Blocks = list[tuple[tuple[int, ...], tuple[int, ...]]]


def _candidates(order: int, dets: int) -> Iterator[Blocks]:
    """List the products of at most so many cofactors with so many rows, the fewest blocks first."""
    rows = tuple(range(order))
    for partition in sorted(_partitions(rows), key=len):
        if len(partition) > dets:
            continue
        for columns in _assigned(partition, rows):
            yield list(zip(partition, columns, strict=True))


def _partitions(items: tuple[int, ...]) -> Iterator[list[tuple[int, ...]]]:
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for count in range(len(rest) + 1):
        for chosen in combinations(rest, count):
            left = tuple(item for item in rest if item not in chosen)
            for others in _partitions(left):
                yield [(first, *chosen), *others]


def _assigned(
    partition: Sequence[tuple[int, ...]], items: tuple[int, ...]
) -> Iterator[list[tuple[int, ...]]]:
    if not partition:
        yield []
        return
    for chosen in combinations(items, len(partition[0])):
        left = tuple(item for item in items if item not in chosen)
        for others in _assigned(partition[1:], left):
            yield [chosen, *others]


def _expanded(blocks: Blocks) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Write a product of cofactors in products of inverses: for each row the column, with signs."""
    found: list[tuple[int, dict[int, int]]] = [(1, {})]
    for rows, columns in blocks:
        found = [
            (
                sign * _sign(order),
                {**taken, **{r: columns[k] for r, k in zip(rows, order, strict=True)}},
            )
            for sign, taken in found
            for order in permutations(range(len(rows)))
        ]
    for sign, taken in found:
        yield sign, tuple(taken[row] for row in sorted(taken))


def _sign(order: Sequence[int]) -> int:
    swaps = sum(a > b for a, b in combinations(order, 2))
    return -1 if swaps % 2 else 1


def _solved(matrix: list[list[Fraction]], values: list[Fraction]) -> list[Fraction] | None:
    """Solve linear equations exactly, free unknowns being 0; None if there is no solution."""
    rows = [[*row, value] for row, value in zip(matrix, values, strict=True)]
    width = len(matrix[0])
    pivots: list[int] = []
    for column in range(width):
        at = len(pivots)
        best = next((k for k in range(at, len(rows)) if rows[k][column]), None)
        if best is None:
            continue
        rows[at], rows[best] = rows[best], rows[at]
        rows[at] = [x / rows[at][column] for x in rows[at]]
        for k, row in enumerate(rows):
            if k != at and row[column]:
                rows[k] = [x - row[column] * y for x, y in zip(row, rows[at], strict=True)]
        pivots.append(column)
    if any(row[width] for row in rows[len(pivots) :]):
        return None
    solution = [Fraction(0)] * width
    for k, column in enumerate(pivots):
        solution[column] = rows[k][width]
    return solution
