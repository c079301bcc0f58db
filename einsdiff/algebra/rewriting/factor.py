r"""The distributive law, taking out: a factor that terms of a sum have in common.

.. math:: X_{ki} D_{kl} X_{lj} + X_{ki} E_{kl} X_{lj} = X_{ki} (D_{kl} + E_{kl}) X_{lj}

A factor is common to two terms if it is the same tensor and stands there in the same role: its axes
are the same axes of the result, or are summed against the rest of the product in both.

>>> a, b, c = (variable(name, (3,)) for name in "abc")
>>> total = add(
...     [(1, einsum([a, b], ["i", "i"], "i")), (1, einsum([a, c], ["i", "i"], "i"))]
... )
>>> factored(total, least=2) is einsum([a, add([(1, b), (1, c)])], ["i", "i"], "i")
True
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from einsdiff.algebra.nodes.factors import Slot, multiplied, size_factor, slots
from einsdiff.algebra.nodes.interning import Add, Einsum, Node, Number, symmetry
from einsdiff.algebra.nodes.nodes import add, einsum
from einsdiff.notation.subscripts import Size

Terms = list[tuple[Number, Node]]

#: What a common factor is recognised by: the tensor, the role of each axis (that of the result,
#: or the negative number of a summed label), and which summed labels the rest carries too.
_Key = tuple[Node, tuple[int, ...], tuple[bool, ...]]


class _FactoredTerm(NamedTuple):
    """A term, its coefficient, and its factors."""

    c: Number
    node: Node
    factors: list[Slot]


def _read(terms: Terms) -> list[_FactoredTerm]:
    """List the factors of terms; a product that is a factor elsewhere is one factor."""
    shared = {
        factor
        for _, term in terms
        if isinstance(term, Einsum)
        for factor in term.operands
        if isinstance(factor, Einsum)
    }
    found = []
    for c, term in terms:
        factors = slots(term)
        if isinstance(term, Einsum) and shared:
            core, labels, sizes = term.core
            if core in shared:
                factors = [(core, labels), *map(size_factor, sizes)]
        found.append(_FactoredTerm(c, term, factors))
    return found


def factored(node: Add, least: int) -> Node | None:
    r"""Take common factors out of a sum, the one that most terms share first.

    .. math:: a_i b_i + a_i c_i + d_i = a_i (b_i + c_i) + d_i

    At least `least` terms must share a factor, and 2; None is returned if there is no such factor.
    Terms with different deltas, such as :math:`\delta_{ij} x_i` and :math:`A_{ij}`, are kept apart,
    so that what is zero off a diagonal remains so. The brackets may have common factors again.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for k, (_, term) in enumerate(node.terms):
        groups.setdefault(_ties(term), []).append(k)
    found: Terms = []
    left = set(range(len(node.terms)))
    for ties, members in groups.items():
        if len(members) < max(least, 2):
            continue
        terms = [node.terms[k] for k in members]
        read = _read(terms)
        for key, chosen in _common(read, ties, least):
            found.append((1, _taken_out([read[n] for n in chosen], chosen.values(), key, ties)))
            left.difference_update(members[n] for n in chosen)
        common = _pattern(terms, ties) if not found and len(members) == len(node.terms) else None
        if common is not None:
            return common
    if not found:
        return None
    return add([*found, *(node.terms[k] for k in sorted(left))], node.shape)


def _ties(term: Node) -> tuple[int, ...]:
    """Return the axes of the result by number, those that a delta ties with one number."""
    return term.output if isinstance(term, Einsum) else tuple(range(len(term.shape)))


def _common(
    terms: Sequence[_FactoredTerm], ties: tuple[int, ...], least: int
) -> Iterable[tuple[_Key, dict[int, int]]]:
    """List factors to take out, each with the terms that have it and its position in these."""
    places: dict[_Key, dict[int, int]] = {}
    for n, term in enumerate(terms):
        if n and least == len(terms) and not places:
            return  # nothing is common to all
        for key, place in _roles(term.factors, set(ties)):
            if n == 0 or least < len(terms) or key in places:
                places.setdefault(key, {}).setdefault(n, place)
        if least == len(terms):
            places = {key: found for key, found in places.items() if len(found) == n + 1}
    ranked = sorted(
        (item for item in places.items() if len(item[1]) >= max(least, 2)),
        key=lambda item: (-len(item[1]), -len(item[0][1]), item[0][0].key, item[0][1:]),
    )
    used: set[int] = set()
    for key, found in ranked:
        live = {n: place for n, place in found.items() if n not in used}
        if len(live) >= max(least, 2):
            used.update(live)
            yield key, live


def _roles(factors: Sequence[Slot], free: set[int]) -> list[tuple[_Key, int]]:
    """List the factors of a term by role; of equal ones that first whose partner comes first."""
    count: dict[int, int] = {}
    touched: dict[int, list[tuple[int, bytes]]] = {}
    for factor, labels in factors:
        for axis, label in enumerate(labels):
            touched.setdefault(label, []).append((axis, factor.key))
        for label in set(labels):
            count[label] = count.get(label, 0) + 1
    found = []
    for k, (factor, labels) in enumerate(factors):
        if symmetry(factor) is True:
            labels = tuple(sorted(labels))
        summed = list(dict.fromkeys(label for label in labels if label not in free))
        role = tuple(label if label in free else -1 - summed.index(label) for label in labels)
        key = (factor, role, tuple(count[label] > 1 for label in summed))
        partners = [sorted(touched[label]) for label in summed]
        found.append((partners, k, key))
    found.sort(key=lambda item: item[:2])
    return [(key, k) for _, k, key in found]


class _Parting(NamedTuple):
    """A common factor and what is left of the sum, each with its labels."""

    factor: Node
    own: list[Hashable]
    rest: Node
    out: list[Hashable]
    axes: list[Hashable]
    sizes: dict[Hashable, Size]


def _taken_out(
    terms: Sequence[_FactoredTerm], places: Iterable[int], key: _Key, ties: tuple[int, ...]
) -> Node:
    """Write terms that share a factor as it times the rest, and so on while all of that do."""
    splits = [_split(terms, places, key, ties)]
    while True:
        rest = splits[-1].rest
        if (
            not isinstance(rest, Add)
            or not rest.terms
            or len({_ties(t) for _, t in rest.terms}) > 1
        ):
            break
        terms, ties = _read(list(rest.terms)), _ties(rest.terms[0][1])
        found = next(iter(_common(terms, ties, len(terms))), None)
        if found is None:
            break
        key, chosen = found
        splits.append(_split(terms, chosen.values(), key, ties))
    node = splits[-1].rest
    for factor, own, _, out, axes, sizes in reversed(splits):
        node = einsum([factor, node], [own, out], axes, sizes, inline=(1,))
    return node


def _split(
    terms: Sequence[_FactoredTerm], places: Iterable[int], key: _Key, ties: tuple[int, ...]
) -> _Parting:
    factor, role, shared = key
    first = _sizes(terms[0].node)
    sizes: dict[Hashable, Size] = {("axis", label): first[label] for label in ties}
    axes: list[Hashable] = [("axis", label) for label in ties]
    own: list[Hashable] = [("axis", r) if r >= 0 else ("sum", r) for r in role]
    size = {**sizes, **dict(zip(own, factor.shape, strict=True))}
    rests = []
    for (c, _, given), place in zip(terms, places, strict=True):
        factors = list(given)
        _, labels = factors.pop(place)
        if symmetry(factor) is True:
            labels = tuple(sorted(labels))
        name: dict[int, Hashable] = dict(zip(ties, axes, strict=True))
        name.update(zip(labels, own, strict=True))
        renamed = [[name.get(label, ("own", label)) for label in ls] for _, ls in factors]
        rests.append((c, [f for f, _ in factors], renamed))
    carried = {label for _, _, renamed in rests for labels in renamed for label in labels}
    out = [axis for axis in dict.fromkeys(axes) if axis in carried or axis not in own]
    out += [("sum", -1 - k) for k, also in enumerate(shared) if also]
    shape = {label: size[label] for label in out}
    rest = add(
        [(c, einsum(operands, subscripts, out, shape)) for c, operands, subscripts in rests],
        tuple(shape.values()),
    )
    return _Parting(factor, own, rest, out, axes, sizes)


def _sizes(term: Node) -> Sequence[Size]:
    return term.sizes if isinstance(term, Einsum) else term.shape


def _pattern(terms: Terms, ties: tuple[int, ...]) -> Node | None:
    """Take out deltas and broadcasts that all terms have: ``δ_ij x_i + δ_ij y_i``."""
    axes = tuple(dict.fromkeys(ties))
    carried = {
        label
        for _, term in terms
        for _, labels in slots(term)
        for label in labels
        if label in set(axes)
    }
    kept = tuple(label for label in axes if label in carried)
    if kept == ties:
        return None
    size = _sizes(terms[0][1])
    shape = {label: size[label] for label in kept}
    inner = [(c, multiplied(slots(term), kept, shape)) for c, term in terms]
    total = add(inner, [size[label] for label in kept])
    return einsum([total], [kept], ties, {label: size[label] for label in ties})
