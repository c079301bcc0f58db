r"""Sizes that are numbers, and remember for which names they stand.

A plan is made for numbers. Made for extents, it says in names what it computes from them:

.. math:: (m, n) \mapsto (m n,\; 2 m + n - 1)

>>> m, n = Extent.named("m", 101), Extent.named("n", 103)
>>> m * n, 2 * m + n - 1, prod((m, m)), int(m)
(m * n, 2 * m + n - 1, m * m, 101)

Each name stands for a prime of its own, larger than any number in the plan, so that sizes with
different names never agree, and a size that has lost its name is noticed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from math import prod
from typing import Any

from einsdiff.algebra.nodes.graph import rewritten, variables_of
from einsdiff.algebra.nodes.interning import Einsum, Node, Variable, variable
from einsdiff.algebra.nodes.nodes import einsum
from einsdiff.numeric.planning.operations import Instruction

#: Extents are larger than this, and than the product of all sizes that are numbers.
SMALLEST = 1009


class Extent(int):
    """A number that stands for a size, and remembers for which, through sums and products.

    >>> -Extent.named("n", 3) + 1
    -n + 1
    """

    terms: Mapping[tuple[str, ...], int]  # a polynomial: by products of names, their coefficients

    @staticmethod
    def named(name: str, number: int) -> Extent:
        """Make the number that stands for a size."""
        return Extent._made(number, {(name,): 1})

    @staticmethod
    def _made(number: int, terms: Mapping[tuple[str, ...], int]) -> Extent:
        made = Extent(number)
        ordered = sorted(terms.items(), key=lambda term: (-len(term[0]), term[0]))
        made.terms = {names: c for names, c in ordered if c}
        return made

    def _plus(self, other: Any, sign: int) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        terms = Counter(self.terms)
        for names, c in _terms(other).items():
            terms[names] += sign * c
        return Extent._made(int(self) + sign * int(other), terms)

    def __add__(self, other: Any) -> Any:
        return self._plus(other, 1)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._plus(other, -1)

    def __rsub__(self, other: Any) -> Any:
        return (-self)._plus(other, 1)

    def __neg__(self) -> Extent:
        return Extent._made(-int(self), {names: -c for names, c in self.terms.items()})

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        terms: Counter[tuple[str, ...]] = Counter()
        for names, c in self.terms.items():
            for others, d in _terms(other).items():
                terms[tuple(sorted((*names, *others)))] += c * d
        return Extent._made(int(self) * int(other), terms)

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return sum_of_multiples((c, " * ".join(names)) for names, c in self.terms.items())

    __str__ = __repr__
    __hash__ = int.__hash__


def _terms(number: int) -> Mapping[tuple[str, ...], int]:
    return number.terms if isinstance(number, Extent) else {(): number}


def sum_of_multiples(terms: Iterable[tuple[int, str]]) -> str:
    """Write a sum of multiples of names; a number alone is a multiple of no name.

    >>> sum_of_multiples([(2, "j"), (3, ""), (-1, "i")]), sum_of_multiples([])
    ('2 * j + 3 - i', '0')
    """
    text = ""
    for c, name in terms:
        sign = ("-" if c < 0 else "") if not text else (" - " if c < 0 else " + ")
        factor = "" if abs(c) == 1 and name else str(abs(c))
        text += sign + factor + (" * " if factor and name else "") + name
    return text or "0"


# --- extents for expressions, and whether a plan has kept them --------------------------------


def extents_of(nodes: Iterable[Node], names: Mapping[str, str]) -> dict[str, Extent]:
    """Choose extents for the named sizes of expressions and all that they are made of.

    They are primes that are larger than the product of all sizes that are numbers.

    >>> found = extents_of([variable("x", ("n", 4))], {"n": "n"})
    >>> found, int(found["n"])
    ({'n': n}, 1013)
    """
    primes = _primes(_base(nodes))
    return {size: Extent.named(name, next(primes)) for size, name in names.items()}


def counted(
    nodes: Sequence[Node], extents: Mapping[str, int]
) -> tuple[tuple[Node, ...], dict[Variable, Extent]]:
    """Put a variable in the place of each factor that is a named size; return which extent each is.

    A coefficient may become any number, a fraction or a complex one, which would forget the name.
    Numbers that have no names stay as they are.

    >>> (node,), found = counted([einsum([], [], "", {"k": "n"})], {"n": Extent.named("n", 11)})
    >>> node in found, list(found.values())
    (True, [n])
    """
    # No variable of theirs is called so.
    longest = max((len(v.name) for v in variables_of(nodes)), default=0)
    found: dict[Variable, Extent] = {}

    def with_factors(node: Node) -> Node:
        if not isinstance(node, Einsum):
            return node
        loose = {n: extents.get(str(node.sizes[n])) for n in node.loose}
        known = {n: extent for n, extent in loose.items() if isinstance(extent, Extent)}
        if not known:
            return node
        factors = [variable(f"{node.sizes[n]} {longest * '_'}", ()) for n in known]
        found.update(zip(factors, known.values(), strict=True))
        sizes = {n: size for n, size in enumerate(node.sizes) if n not in known}
        subscripts = [*node.subscripts, *[()] * len(factors)]
        return einsum([*node.operands, *factors], subscripts, node.output, sizes)

    return rewritten(nodes, with_factors), found


def check_extents(instructions: Iterable[Instruction], nodes: Iterable[Node]) -> None:
    """Make sure that no number in the steps of a plan is a size whose name was forgotten."""
    base = _base(nodes)
    for step in instructions:
        if step.op == "zeros":  # whose detail is not written
            continue
        for number in (*step.shape, *_numbers_in(step.detail)):
            assert abs(number) < base or isinstance(number, Extent), f"a size was lost in {step}"


def _base(nodes: Iterable[Node]) -> int:
    """Return a number that is larger than the sizes that are numbers, and than their product."""
    sizes = {size for node in nodes for size in (*node.shape, *getattr(node, "sizes", ()))}
    return SMALLEST + prod(size for size in sizes if isinstance(size, int) and size)


def _primes(start: int) -> Iterator[int]:
    return (n for n in count(start) if all(n % d for d in range(2, int(n**0.5) + 1)))


def _numbers_in(detail: object) -> Iterator[int]:
    if isinstance(detail, tuple):
        for part in detail:
            yield from _numbers_in(part)
    elif isinstance(detail, int):
        yield detail
