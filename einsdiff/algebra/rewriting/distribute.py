r"""The distributive law, multiplying out: products of sums as sums of products.

.. math:: (x + y)_i\, a_i = x_i a_i + y_i a_i \qquad (x + 1)^2 = x^2 + 2 x + 1

>>> a, b, c = (variable(name, (3,)) for name in "abc")
>>> product = einsum([a, add([(1, b), (1, c)])], ["i", "i"], "i")
>>> multiplied_out(product)
Add((1, <Einsum (3,)>), (1, <Einsum (3,)>))
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from math import comb

from einsdiff.algebra.functions.catalogue import FUNCTIONS, MOST_EXPANDED
from einsdiff.algebra.nodes.factors import Slot, counted, multiplied, size_factor, slots
from einsdiff.algebra.nodes.graph import children, topological
from einsdiff.algebra.nodes.interning import (
    ONE,
    Add,
    Call,
    Constant,
    Einsum,
    Node,
    Number,
    constant,
    delta,
)
from einsdiff.algebra.nodes.nodes import add, call, einsum
from einsdiff.errors import OperandError
from einsdiff.notation.subscripts import Size

#: A sum that is multiplied out has at most this many terms.
MOST_TERMS = 4096
#: A term of it has at most so many factors, and for a power at most so many products are made.
MOST_FACTORS = 64
MOST_PRODUCTS = 2**15
#: Before like terms are collected there may be so many times more; of those that only their
#: canonical form shows to be alike, so many.
MOST_ALIKE = 16
MOST_WRITTEN_ALIKE = 4
#: Sums are looked through up to so many terms in all.
MOST_WRITTEN = 2**18
#: Products without sums in them are merged up to this many factors, so that like terms meet.
MOST_MERGED = 16

Terms = list[tuple[Number, Node]]
#: Factors by number, with exponents; and a sum of those with coefficients.
_Monomial = frozenset[tuple[int, int]]
_Polynomial = dict[_Monomial, Number]


def _terms(node: Node) -> Terms:
    """List the terms of a sum, and of the sums in it."""
    terms: Terms = []
    stack: Terms = [(1, node)]
    while stack:
        c, inner = stack.pop()
        if isinstance(inner, Add):
            stack.extend((c * d, term) for d, term in reversed(inner.terms))
            check_terms(len(terms) + len(stack), MOST_WRITTEN)
        else:
            terms.append((c, inner))
    return terms


def multiplied_out(node: Node, most_terms: int = MOST_TERMS) -> Node:
    """Write products of sums as sums of products: :math:`(x + 1)^2 = x^2 + 2 x + 1`.

    What stands inside of functions is left as it is, but for whole powers. It is an `OperandError`
    if there would be more terms than that, or products of very many factors.
    """
    order = topological([node], _factors)
    done: dict[Node, Node] = {}
    for inner in order:
        below = tuple(done[factor] for factor in _factors(inner))
        done[inner] = _spread(inner, below, most_terms) if below else inner
    return done[node]


def _factors(node: Node) -> tuple[Node, ...]:
    """Return what a polynomial is made of: functions are its variables."""
    if isinstance(node, Call) and _whole_power(node) is None:
        return ()
    return children(node)


def _whole_power(node: Node) -> int | None:
    """Return n for the n-th power of something, n > 1."""
    if isinstance(node, Call) and node.function is FUNCTIONS["power"]:
        exponent = node.args[1]
        if isinstance(exponent, Constant) and isinstance(exponent.value, int):
            return exponent.value if exponent.value > 1 else None
    return None


def spread(node: Node, below: Sequence[Node], most_terms: int = MOST_TERMS) -> Node:
    """Multiply out one node whose children, given in `below`, are multiplied out."""
    if isinstance(node, Add):
        if all(new is term for new, (_, term) in zip(below, node.terms, strict=True)):
            return node
        total = add(
            [
                (c * inner, term)
                for (c, _), new in zip(node.terms, below, strict=True)
                for inner, term in _terms(new)
            ],
            node.shape,
        )
        check_terms(len(_terms(total)), most_terms)
        return total
    if isinstance(node, Einsum):
        return _distributed(node, below, most_terms)
    if isinstance(node, Call):
        n = _whole_power(node)
        # A number times something is no sum.
        if n and isinstance(below[0], Add) and (len(below[0].terms) != 1 or n <= MOST_EXPANDED):
            axes = tuple(range(len(node.shape)))
            factors = _Factors(most_terms, MOST_FACTORS)
            power = factors.power(factors.polynomial(below[0], axes), n)
            return factors.written(power, axes, dict(enumerate(node.shape)))
        return node if tuple(below) == node.args else call(node.function, below)
    return node


#: Sums of sums are multiplied out again and again by `simplify`, each on the way to the next.
_spread = lru_cache(maxsize=2048)(spread)


def check_terms(count: int, most: int, what: str = "terms") -> None:
    """Raise an error if there are too many."""
    if count > most:
        raise OperandError(
            f"multiplied out, the expression has more than {most} {what}",
            action="leave it in factors, or expand a part of it",
        )


def _distributed(node: Einsum, below: Sequence[Node], most_terms: int) -> Node:
    sizes: dict[Hashable, Size] = dict(enumerate(node.sizes))
    if not any(isinstance(factor, Add) for factor in below):
        inline = _merged(below)
        if not inline and tuple(below) == node.operands:
            return node
        return einsum(below, node.subscripts, node.output, sizes, inline)
    plain: list[Slot] = []
    counts: dict[Slot, int] = {}
    for slot in zip(below, node.subscripts, strict=True):
        if isinstance(slot[0], Add):
            counts[slot] = counts.get(slot, 0) + 1
        else:
            plain.append(slot)
    factors = _Factors(most_terms, max(MOST_FACTORS, 2 * len(node.operands)))
    total: _Polynomial = {factors.monomial(plain): 1}
    for (factor, theirs), count in counts.items():
        # Equal factors first: like terms of a power are many.
        power = factors.power(factors.polynomial(factor, theirs), count)
        total = factors.times(total, power)
    return factors.written(total, node.output, sizes)


def _merged(factors: Sequence[Node]) -> list[int]:
    """Choose the factors, products themselves, that become part of the product."""
    room = MOST_MERGED - len(factors)
    inline = []
    for k, factor in enumerate(factors):
        if isinstance(factor, Einsum) and len(factor.operands) - 1 <= room:
            inline.append(k)
            room -= len(factor.operands) - 1
    return inline


class _Factors:
    """The factors of a product that is multiplied out, by number; polynomials in them.

    Products of terms are made of numbers and exponents, and like terms collected by them, before
    any of them becomes a node: that takes a hundred times as long.
    """

    def __init__(self, most_terms: int, most_factors: int) -> None:
        self.most_terms = most_terms
        self.most_factors = most_factors
        self.slots: list[Slot] = []
        self.numbers: dict[Slot, int] = {}

    # Polynomials.

    def polynomial(self, node: Node, labels: tuple[int, ...]) -> _Polynomial:
        """Write a sum as a polynomial, with labels for its axes."""
        found: _Polynomial = {}
        for c, term in _terms(node):
            if isinstance(term, Constant):
                c, term = c * term.value, ONE
            _collect(found, self.monomial([(term, labels)]), c)
        return found

    def monomial(self, factors: Sequence[Slot]) -> _Monomial:
        """Write a product as a monomial."""
        exponents: dict[int, int] = {}
        for factor, labels in factors:
            for inner, theirs in _apart(factor, labels):
                base, n = inner, _whole_power(inner) or 1
                if n > 1 and isinstance(inner, Call):
                    base = inner.args[0]
                number = self.numbers.setdefault((base, theirs), len(self.slots))
                if number == len(self.slots):
                    self.slots.append((base, theirs))
                exponents[number] = exponents.get(number, 0) + n
        return frozenset(exponents.items())

    def times(self, left: _Polynomial, right: _Polynomial) -> _Polynomial:
        """Multiply, each term with each, and collect."""
        check_terms(len(left) * len(right) // MOST_ALIKE, self.most_terms)
        found: _Polynomial = {}
        for one, c in left.items():
            for other, d in right.items():
                _collect(found, _joined(one, other), c * d)
        return found

    def power(self, base: _Polynomial, n: int) -> _Polynomial:
        """Multiply n times by itself."""
        found = base
        products = 0
        for _ in range(n - 1 if base else 0):
            products += len(found) * len(base)
            check_terms(products, MOST_PRODUCTS, "products in a power")
            found = self.times(found, base)
        return found

    # Nodes.

    def written(
        self, terms: _Polynomial, output: Sequence[int], sizes: Mapping[Hashable, Size]
    ) -> Node:
        """Write a polynomial as a node: a sum of products, summed over labels not in `output`."""
        check_terms(len(terms) // MOST_WRITTEN_ALIKE, self.most_terms)
        for monomial in terms:
            check_terms(sum(map(self.length, monomial)), self.most_factors, "factors in a term")
        products = [(c, self.product(m, output, sizes)) for m, c in terms.items()]
        total = add(products, [sizes[label] for label in output])
        check_terms(len(_terms(total)), self.most_terms)
        return total

    def length(self, power: tuple[int, int]) -> int:
        """Count the factors that a power is written with: many equal ones are one."""
        number, n = power
        node, _ = self.slots[number]
        return (
            1 if n > MOST_EXPANDED else n * (len(node.operands) if isinstance(node, Einsum) else 1)
        )

    def product(
        self, monomial: _Monomial, output: Sequence[int], sizes: Mapping[Hashable, Size]
    ) -> Node:
        factors: list[Slot] = []
        for number, n in sorted(monomial):
            node, labels = self.slots[number]
            if n > MOST_EXPANDED:
                factors.append((call(FUNCTIONS["power"], [node, constant(n)]), labels))
            else:
                factors += [(node, labels)] * n
        return multiplied(factors, output, sizes, inline=range(len(factors)))


def _apart(node: Node, labels: tuple[int, ...]) -> list[Slot]:
    """List the factors of a product that are told apart; one that is summed over is one."""
    if not isinstance(node, Einsum):
        return [] if node is ONE else [(node, labels)]
    name: dict[int, int] = {}
    found: list[Slot] = []
    for theirs, ours in zip(node.output, labels, strict=True):
        if name.setdefault(theirs, ours) != ours:
            found.append((delta(node.sizes[theirs]), (name[theirs], ours)))
    factors = slots(node)
    if not node.carried.issubset(node.output):
        core, axes, sizes = node.core
        factors = [(core, axes), *map(size_factor, sizes)]
    return [*found, *((factor, tuple(name[n] for n in own)) for factor, own in factors)]


def _collect(terms: _Polynomial, monomial: _Monomial, c: Number) -> None:
    total = terms.get(monomial, 0) + c
    if total == 0:
        terms.pop(monomial, None)
    else:
        terms[monomial] = total


def _joined(one: _Monomial, other: _Monomial) -> _Monomial:
    if not one or not other:
        return one or other
    exponents = dict(one)
    for number, n in other:
        exponents[number] = exponents.get(number, 0) + n
    return frozenset(exponents.items())


def out_of_reach(
    node: Node, most_terms: int, most_factors: int, most_together: int, most_nodes: int
) -> bool:
    """Tell, without doing it, whether multiplying out is more work than a few products.

    That is so if there are more terms, more factors in one of them, or more of both multiplied,
    like terms of powers being collected, or more nodes to be looked at to find out.
    """
    seen = {node}
    front = [node]
    while front:
        for below in _factors(front.pop()):
            if below not in seen:
                seen.add(below)
                front.append(below)
        if len(seen) > most_nodes:
            return True
    # For each node: how many terms, and how many factors the longest of them has.
    size: dict[Node, tuple[int, int]] = {}
    for inner in topological([node], _factors):
        terms, length = 1, 1
        if isinstance(inner, Add):
            terms = sum(size[term][0] for _, term in inner.terms)
            length = max((size[term][1] for _, term in inner.terms), default=1)
        elif isinstance(inner, Einsum):
            length = 0
            for (factor, _), n in counted(inner).items():
                some, longest = size[factor]
                terms *= comb(n + some - 1, n)
                length += n * longest
        elif (whole := _whole_power(inner)) is not None and isinstance(inner, Call):
            some, longest = size[inner.args[0]]
            if some > 1:
                terms, length = comb(whole + some - 1, whole), whole * longest
        if terms > most_terms or length > most_factors or terms * length > most_together:
            return True
        size[inner] = terms, length
    return False
