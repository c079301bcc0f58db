r"""The rules for products of two permutation symbols, which are determinants of deltas.

.. math:: \varepsilon_{ijk}\, \varepsilon_{imn} = \delta_{jm} \delta_{kn} - \delta_{jn} \delta_{km}
    \qquad \varepsilon_{ijk}\, \varepsilon_{ijn} = 2\, \delta_{kn}

>>> from einsdiff.algebra.nodes.levi_civita import levi_civita
>>> two = einsum([levi_civita(3), levi_civita(3)], ["ijk", "ijn"], "kn")
>>> paired_symbols.apply(two) is scale(2, delta(3))
True
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations, permutations
from math import factorial

from einsdiff.algebra.nodes.factors import Slot, slots
from einsdiff.algebra.nodes.interning import Add, Einsum, Node, Number, delta
from einsdiff.algebra.nodes.levi_civita import has_levi_civita, parity
from einsdiff.algebra.nodes.nodes import add, einsum, is_zero
from einsdiff.algebra.rewriting.distribute import multiplied_out, out_of_reach
from einsdiff.algebra.rewriting.rules.patterns import rule

__all__: list[str] = []

#: Two symbols are multiplied where so many labels of each are left: n of them make n! terms.
MOST_LEFT = 4
#: What may vanish is multiplied out into so many terms, of so many factors together, at most.
MOST_TERMS = 100


@rule("product")
def vanishing_symbol(node: Node) -> Node | None:
    """``ε_ijk (A_jk + A_kj) -> 0``: what is multiplied out may vanish."""
    assert isinstance(node, Einsum)
    if not has_levi_civita(node.operands) or not any(isinstance(f, Add) for f in node.operands):
        return None
    if out_of_reach(node, MOST_TERMS, MOST_TERMS, MOST_TERMS, MOST_TERMS):
        return None
    found = multiplied_out(node)
    return found if is_zero(found) else None


@rule("product")
def paired_symbols(node: Node) -> Node | None:
    """``ε_ijk ε_imn -> δ_jm δ_kn - δ_jn δ_km``, for the two that have most labels in common."""
    assert isinstance(node, Einsum)
    factors = slots(node)
    places = [k for k, (factor, _) in enumerate(factors) if has_levi_civita([factor])]
    if len(places) < 2:
        return None
    uses = Counter(label for _, labels in factors for label in labels)
    uses.update(node.output)

    def inside(one: Slot, other: Slot) -> list[int]:
        """List the labels that are summed over the two symbols alone."""
        return [label for label in one[1] if label in other[1] and uses[label] == 2]

    pairs = [
        (len(inside(factors[a], factors[b])), a, b)
        for a, b in combinations(places, 2)
        if len(factors[a][1]) == len(factors[b][1])
    ]
    if not pairs:
        return None
    common, a, b = max(pairs, key=lambda pair: (pair[0], -pair[1], -pair[2]))
    if len(factors[a][1]) - common > MOST_LEFT:
        return None
    gone = inside(factors[a], factors[b])
    rests, sign = [], 1
    for _, labels in (factors[a], factors[b]):
        rests.append([label for label in labels if label not in gone])
        moved = [*gone, *rests[-1]]
        sign *= parity([moved.index(label) for label in labels])
    kept = [slot for k, slot in enumerate(factors) if k not in (a, b)]
    # Sizes of labels that no factor has are factors already.
    absent = {*gone, *node.loose}
    sizes = {label: size for label, size in enumerate(node.sizes) if label not in absent}
    ties = delta(len(factors[a][1]))
    terms: list[tuple[Number, Node]] = []
    for order in permutations(range(len(rests[1]))):
        pairs_of_labels = [(label, rests[1][at]) for label, at in zip(rests[0], order, strict=True)]
        operands = [*(factor for factor, _ in kept), *(ties for _ in pairs_of_labels)]
        subscripts = [*(labels for _, labels in kept), *pairs_of_labels]
        product = einsum(operands, subscripts, node.output, sizes)
        terms.append((sign * parity(order) * factorial(common), product))
    return add(terms, node.shape)
