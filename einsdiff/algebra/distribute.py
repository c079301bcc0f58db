r"""The distributive law, multiplying out: products of sums as sums of products.

.. math:: (x + y)_i\, a_i = x_i a_i + y_i a_i \qquad (x + 1)^2 = x^2 + 2 x + 1

>>> from einsdiff.algebra.nodes import variable
>>> a, b, c = (variable(name, (3,)) for name in "abc")
>>> product = einsum([a, add([(1, b), (1, c)])], ["i", "i"], "i")
>>> multiplied_out(product)
Add((1, <Einsum (3,)>), (1, <Einsum (3,)>))
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from math import comb

from einsdiff.algebra.functions import FUNCTIONS, MOST_EXPANDED
from einsdiff.algebra.graph import children, topological
from einsdiff.algebra.nodes import (
    ONE,
    Add,
    Call,
    Constant,
    Einsum,
    Node,
    Number,
    add,
    call,
    constant,
    einsum,
)
from einsdiff.errors import OperandError, page
from einsdiff.notation.subscripts import Size

__all__ = [
    "MOST_TERMS",
    "MOST_WRITTEN",
    "Slot",
    "check_terms",
    "multiplied_out",
    "out_of_reach",
    "size_factor",
    "slots",
    "spread",
]

#: A sum that is multiplied out has at most this many terms.
MOST_TERMS = 4096
#: A term of it has at most so many factors, and for a power at most so many products are made:
#: they take some seconds.
MOST_FACTORS = 64
MOST_PRODUCTS = 2**15
#: Before like terms are collected there may be so many times more.
MOST_ALIKE = 16
#: Sums are looked through up to so many terms in all.
MOST_WRITTEN = 2**18
#: Products without sums in them are merged up to this many factors, so that like terms meet.
MOST_MERGED = 16

#: A factor, and the label of each of its axes.
Slot = tuple[Node, tuple[int, ...]]
Terms = list[tuple[Number, Node]]


def slots(node: Node) -> list[Slot]:
    """List the factors of a term with their labels; named sizes are factors too.

    >>> from einsdiff.algebra.nodes import variable
    >>> slots(variable("A", (2, 3)))
    [(A, (0, 1))]
    """
    if isinstance(node, Einsum):
        sizes = [size_factor(node.sizes[label]) for label in node.loose]
        return [*zip(node.operands, node.subscripts, strict=True), *sizes]
    return [] if node is ONE else [(node, tuple(range(len(node.shape))))]


def size_factor(size: Size) -> Slot:
    """Return a size as a factor.

    >>> size_factor("n")
    (Einsum((), (), ()), ())
    """
    return einsum([], [], (), {0: size}), ()


def counted(node: Einsum) -> dict[Slot, int]:
    """Count equal factors of a product.

    >>> from einsdiff.algebra.nodes import variable
    >>> x = variable("x", (3,))
    >>> counted(einsum([x, x], ["i", "i"], "i"))
    {(x, (0,)): 2}
    """
    counts: dict[Slot, int] = {}
    for slot in zip(node.operands, node.subscripts, strict=True):
        counts[slot] = counts.get(slot, 0) + 1
    return counts


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
    r"""Write products of sums as sums of products: :math:`(x + 1)^2 = x^2 + 2 x + 1`.

    Parameters
    ----------
    node
        An expression. What stands inside of functions is left as it is, but for whole powers.
    most_terms
        The number of terms that a sum may come to have.

    Returns
    -------
    Node
        A sum of products without sums in them; the same node if it is one already.

    Raises
    ------
    OperandError
        There would be more terms, or products of very many factors.
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
    """Multiply out one node whose children, given in `below`, are multiplied out.

    Parameters
    ----------
    node
        The node.
    below
        What takes the place of its children.
    most_terms
        As for `multiplied_out`.

    Returns
    -------
    Node
        The node itself if there is nothing to do.
    """
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
        if n is not None and isinstance(below[0], Add):
            return _power(below[0], n, most_terms)
        return node if tuple(below) == node.args else call(node.function, below)
    return node


#: Sums of sums are multiplied out again and again by `simplify`, each on the way to the next.
_spread = lru_cache(maxsize=2048)(spread)


def check_terms(count: int, most: int, what: str = "terms") -> None:
    """Raise an error if there are too many."""
    if count > most:
        raise OperandError(
            page(
                f"multiplied out, the expression has more than {most} {what}",
                action="leave it in factors, or expand a part of it",
            )
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
    labels = tuple(dict.fromkeys(label for _, theirs in plain for label in theirs))
    product = einsum(
        [f for f, _ in plain], [ls for _, ls in plain], labels, inline=range(len(plain))
    )
    terms = _terms(product)
    most_factors = max(MOST_FACTORS, 2 * len(node.operands))
    for (factor, theirs), count in counts.items():
        # Equal factors first: like terms of a power are many.
        power = _terms(_power(factor, count, most_terms))
        terms, labels = _times(terms, labels, power, theirs, sizes, most_terms, most_factors)
    loose = {label: sizes[label] for label in (*node.loose, *node.output)}
    return add(
        [(c, einsum([t], [labels], node.output, loose, inline=(0,))) for c, t in terms], node.shape
    )


def _merged(factors: Sequence[Node]) -> list[int]:
    """Choose the factors, products themselves, that become part of the product."""
    room = MOST_MERGED - len(factors)
    inline = []
    for k, factor in enumerate(factors):
        if isinstance(factor, Einsum) and len(factor.operands) - 1 <= room:
            inline.append(k)
            room -= len(factor.operands) - 1
    return inline


def _times(
    left: Terms,
    labels: tuple[int, ...],
    right: Terms,
    theirs: tuple[int, ...],
    sizes: Mapping[Hashable, Size],
    most_terms: int,
    most_factors: int,
) -> tuple[Terms, tuple[int, ...]]:
    """Multiply two sums, each term with each, and collect; nothing is summed over yet."""
    check_terms(len(left) * len(right) // MOST_ALIKE, most_terms)
    merged = tuple(dict.fromkeys((*labels, *theirs)))
    shape = {label: sizes[label] for label in merged}
    products = []
    for c, t in left:
        for d, s in right:
            product = einsum([t, s], [labels, theirs], merged, shape, inline=(0, 1))
            if isinstance(product, Einsum) and _is_long(product):
                product = _with_powers(product)
            check_terms(len(slots(product)), most_factors, "factors in a term")
            products.append((c * d, product))
    total = add(products, tuple(sizes[label] for label in merged))
    check_terms(len(_terms(total)), most_terms)
    return _terms(total), merged


def _is_long(node: Einsum) -> bool:
    return len(node.operands) > MOST_EXPANDED or any(map(_whole_power, node.operands))


def _with_powers(node: Einsum) -> Node:
    """Write many equal factors as one power."""
    power = FUNCTIONS["power"]
    counts: dict[Slot, int] = {}
    for factor, labels in zip(node.operands, node.subscripts, strict=True):
        n = _whole_power(factor)
        if n is not None and isinstance(factor, Call):
            factor = factor.args[0]
        counts[factor, labels] = counts.get((factor, labels), 0) + (n or 1)
    factors = [
        (call(power, [f, constant(n)]), ls) if n > MOST_EXPANDED else (f, ls)
        for (f, ls), n in counts.items()
        for _ in range(1 if n > MOST_EXPANDED else n)
    ]
    operands = [f for f, _ in factors]
    return einsum(operands, [ls for _, ls in factors], node.output, dict(enumerate(node.sizes)))


def _power(node: Node, n: int, most_terms: int) -> Node:
    """Multiply a sum n times by itself, entry by entry."""
    if n == 1:
        return node
    labels = tuple(range(len(node.shape)))
    sizes: dict[Hashable, Size] = dict(enumerate(node.shape))
    base = _terms(node)
    terms = base
    products = 0
    for _ in range(n - 1 if base else 0):
        products += len(terms) * len(base)
        check_terms(products, MOST_PRODUCTS, "products in a power")
        terms, _ = _times(terms, labels, base, labels, sizes, most_terms, MOST_FACTORS)
    return add(terms, node.shape)


def out_of_reach(
    node: Node, most_terms: int, most_factors: int, most_together: int, most_nodes: int
) -> bool:
    """Tell, without doing it, whether multiplying out is more work than a few products.

    Parameters
    ----------
    node
        An expression.
    most_terms, most_factors, most_together
        The number of terms, of the factors of one of them, and of both multiplied.
    most_nodes
        The number of nodes that are looked at to find out.

    Returns
    -------
    bool
        Whether one of them would be exceeded, like terms of powers being collected.
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
