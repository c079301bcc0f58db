r"""The permutation symbol: 1 for an even order of its labels, -1 for an odd one, else 0.

.. math:: (a \times b)_i = \varepsilon_{ijk}\, a_j b_k \qquad
    \varepsilon_{ijk}\, \varepsilon_{imn} = \delta_{jm} \delta_{kn} - \delta_{jn} \delta_{km}

It is a call of a function without arguments, and so a constant: its derivative is zero, and what is
computed is its definition, a sum of products of deltas. Its labels are as many as the values that
each of them takes. In a product they stand in canonical order, with the sign that this makes; with
a label twice, or where an exchange of labels changes nothing but the sign, the product is zero.

>>> levi_civita(3).shape
(3, 3, 3)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import combinations, permutations
from typing import Any

from einsdiff.algebra.nodes.canonical import Orders, canonical
from einsdiff.algebra.nodes.function_records import KERNELS, RULE_LETTERS, Function
from einsdiff.algebra.nodes.interning import Node, interned_call, symmetry
from einsdiff.notation.subscripts import Size

#: Labels of a symbol, at most: one of n labels is a sum of n! products of deltas.
MOST_PERMUTED = 5


def _entered(n: int) -> Function:
    """Enter the function that has no argument, and the symbol of n labels as its value."""
    letters = RULE_LETTERS[:n]
    signs = {1: "+", -1: "-"}
    definition = " ".join(
        signs[parity(order)]
        + " ".join(f"δ_{{{k},{a}}}" for k, a in zip(order, letters, strict=True))
        for order in permutations(range(n))
    )
    axes = ",".join([str(n)] * n)
    return KERNELS.setdefault(
        f"_levi_civita{n}",
        Function(
            f"_levi_civita{n}",
            signature=f"->({axes})",
            arguments=(),
            definition=definition,
            keeps_integers=True,
        ),
    )


def parity(values: Sequence[Any]) -> int:
    """Return 1 if an even number of exchanges sorts values, and -1 if an odd one does.

    >>> parity("abc"), parity("bac"), parity("bca")
    (1, -1, 1)
    """
    return -1 if sum(a > b for a, b in combinations(values, 2)) % 2 else 1


#: The symbols, by how many labels they have.
LEVI_CIVITA: dict[int, Node] = {
    n: interned_call(_entered(n), ()) for n in range(2, MOST_PERMUTED + 1)
}
_SYMBOLS = frozenset(LEVI_CIVITA.values())


def levi_civita(n: int) -> Node:
    """Build the symbol of n labels, each of which takes n values.

    >>> levi_civita(2) is levi_civita(2)
    True
    """
    return LEVI_CIVITA[n]


def has_levi_civita(nodes: Iterable[Node]) -> bool:
    """Tell whether one of some nodes is the permutation symbol.

    >>> has_levi_civita([levi_civita(2)])
    True
    """
    return not _SYMBOLS.isdisjoint(nodes)


def sorted_symbols(
    operands: Sequence[Node],
    subscripts: Sequence[tuple[int, ...]],
    output: Sequence[int],
    sizes: Mapping[int, Size],
) -> tuple[int, list[tuple[int, ...]]]:
    """Put the labels of each symbol in a product in order; the sign is 0 if the product vanishes.

    The order is that of the product's canonical form, in which a symbol's labels are unordered.

    >>> sorted_symbols([levi_civita(2)], [(1, 0)], (0, 1), {0: 2, 1: 2})
    (-1, [(0, 1)])
    """
    found = list(subscripts)
    places = [k for k, node in enumerate(operands) if node in _SYMBOLS]
    if any(len(set(found[k])) < len(found[k]) for k in places):
        return 0, found
    keys = [node.key for node in operands]
    orders: list[Orders] = [symmetry(node) for node in operands]
    unordered = [True if k in places else same for k, same in enumerate(orders)]
    number = canonical(keys, found, output, sizes, unordered).number
    sign = 1
    for k in places:
        sign *= parity([number[label] for label in found[k]])
        found[k] = tuple(sorted(found[k], key=number.__getitem__))

    def form(terms: Sequence[tuple[int, ...]]) -> Hashable:
        return canonical(keys, terms, output, sizes, orders).subscripts

    fixed = set(output)
    whole: Hashable = None
    for k in places:
        for a, b in combinations([label for label in found[k] if label not in fixed], 2):
            whole = form(found) if whole is None else whole
            turned = tuple({a: b, b: a}.get(label, label) for label in found[k])
            if form([*found[:k], turned, *found[k + 1 :]]) == whole:
                return 0, found
    return sign, found
