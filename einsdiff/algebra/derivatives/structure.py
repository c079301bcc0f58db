r"""What a derivative is as a linear map, told from its expression and before a number is touched.

A derivative maps a direction :math:`v_d` to :math:`\sum_d J_{cd} v_d`. In each term of :math:`J`
a Kronecker delta ties a codomain axis to a domain axis, and so does not mix entries:

.. math::
    \frac{\partial^2 f}{\partial U_{pq}\, \partial U_{rs}} = 2\, \delta_{pr} V_{jq} V_{js}

is one matrix of q by s, the same for every p. What to make use of is told by the ties that hold in
every term, by which factors share labels with which, and by the labels that are summed:

====================  ==============================================  ==========================
structure             expression                                      equations are solved by
====================  ==============================================  ==========================
`Copies`              the tied label stands in no factor              one block, many right sides
`Diagonal`            every axis is tied                              division
`Scaled`              a factor of every term has codomain axes only   division before or after
`LowRank`             terms :math:`P_{cr} Q_{rd}` with few r          Woodbury's identity
`Kronecker`           :math:`A_{ip} B_{jq}`                           factor by factor
`KroneckerSum`        :math:`A_{ip} \delta_{jq} + \delta_{ip} B_{jq}`  Sylvester's equation
`KroneckerTerms`      :math:`A_{ip} B_{jq} + \delta_{ip} \delta_{jq}`  eigenvectors, if symmetric
`Blocks`              none of these                                   a matrix for each tied index
`Deficient`           fewer summed than free indices                  nothing: it is singular
====================  ==============================================  ==========================

A structure holds others: copies of a low-rank change of a Kronecker product are three of them.

>>> V = variable("V", (5, 2))
>>> hessian = einsum([delta(9), V, V], ["pr", "jq", "js"], "pqrs")
>>> found = structure(hessian, 2, ())
>>> type(found).__name__, found.split.ties, type(found.inner).__name__
('Copies', ((0, 2),), 'Blocks')
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, product
from math import prod
from typing import NamedTuple

from einsdiff.algebra.derivatives.linear_terms import (
    Axes,
    LinearTerm,
    LinearTerms,
    Pairs,
    _product,
    expression,
    linear_map,
    ties,
)
from einsdiff.algebra.nodes.factors import Slot
from einsdiff.algebra.nodes.interning import Node, Number, Shape
from einsdiff.algebra.nodes.nodes import scale
from einsdiff.notation.subscripts import Size

#: So many factors that have neither codomain nor domain axes are tried on either side of a cut.
MOST_FREE = 8
#: Woodbury's identity is used where the rank of the change, and the rows of what is changed, are at
#: most this part of the rows.
SHARE = 4


# --- structures -------------------------------------------------------------------------------


class Split(NamedTuple):
    """The axes of a map: those that are tied, and the rows and columns of each block.

    The codomain and the domain are in the order in which the map is given and wanted. Ties are
    pairs (codomain axis, domain axis); rows and columns are the other axes of both.
    """

    codomain: Axes
    domain: Axes
    ties: Pairs
    rows: Axes
    columns: Axes

    @property
    def tied(self) -> Axes:
        """The codomain axes that are tied."""
        return tuple(c for c, _ in self.ties)


class Diagonal(NamedTuple):
    """Every axis is tied: ``y_c = entries_c x_c``, the entries with an axis for each tie."""

    split: Split
    entries: Node


class Copies(NamedTuple):
    """The tied axes stand in no factor: the same map for all of their indices."""

    split: Split
    inner: Structure


class Scale(NamedTuple):
    """A factor of the rows or of the columns, and the axes of the map that it has."""

    node: Node
    axes: Axes


class Scaled(NamedTuple):
    """A map whose rows, and then columns, are multiplied by numbers."""

    codomain: Axes
    domain: Axes
    rows: Scale | None
    columns: Scale | None
    inner: Structure


class Blocks(NamedTuple):
    """A matrix of rows by columns for each index of the tied axes.

    The `node` has the tied axes, the rows and the columns; `whole` is the map itself, with its
    codomain and its domain axes.
    """

    split: Split
    node: Node
    whole: Node


class Group(NamedTuple):
    """A factor of a Kronecker product, or a term of a Kronecker sum.

    `is_carried` tells for each tie whether the factor depends on it; its matrices have the axes of
    these ties, the rows and the columns.
    """

    rows: Axes
    columns: Axes
    is_carried: tuple[bool, ...]
    node: Node


class Kronecker(NamedTuple):
    """A Kronecker product, times a number, for each index of the tied axes.

    `otherwise` is the same as a matrix, here and in the structures below.
    """

    split: Split
    coefficient: Number
    groups: tuple[Group, ...]
    otherwise: Blocks


class KroneckerTerms(NamedTuple):
    """A sum of Kronecker products that have one or two matrices for each group of axes.

    Each term has a coefficient, and says which matrix it has of each group.
    """

    split: Split
    groups: tuple[tuple[Group, ...], ...]
    terms: tuple[tuple[Number, tuple[int, ...]], ...]
    otherwise: Blocks


class KroneckerSum(NamedTuple):
    """A Kronecker sum for each index of the tied axes."""

    split: Split
    groups: tuple[Group, ...]
    otherwise: Blocks


class LowRank(NamedTuple):
    r"""A map with structure plus one of low rank, :math:`J = K + \sum_t P^t Q^{t\,T}`.

    The sides are P and Q of each term, with the tied axes, the rows or the columns, and the r; the
    rank is the number of all r.
    """

    split: Split
    base: Structure
    sides: tuple[tuple[Node, Node], ...]
    rank: int
    otherwise: Blocks


class Deficient(NamedTuple):
    """A map whose rank is below its number of rows for all values, and so singular."""

    rank: int
    rows: int


Structure = (
    Diagonal
    | Copies
    | Scaled
    | Blocks
    | Kronecker
    | KroneckerSum
    | KroneckerTerms
    | LowRank
    | Deficient
)


@lru_cache(maxsize=1024)
def structure(expr: Node, domain: int, sizes: tuple[tuple[str, int], ...]) -> Structure:
    """Tell how equations with a square map are best solved.

    The last axes of the expression, which is best in its normal form, are those of the domain. What
    its named sizes stand for is said in pairs (size, number).

    >>> A, B = variable("A", (3, 3)), variable("B", (2, 2))
    >>> product = einsum([A, B], ["ip", "jq"], "ijpq")
    >>> [group.node for group in structure(product, 2, ()).groups]
    [A, B]
    >>> type(structure(einsum([delta(4)], ["ip"], "ip"), 1, ())).__name__
    'Copies'
    """
    return _StructureReader(expr.shape, dict(sizes)).read(linear_map(expr, domain))


class _StructureReader:
    """Finds the structure of maps that are part of one expression.

    The sizes of its axes are in `shape`; `numbers` are what named sizes stand for.
    """

    def __init__(self, shape: Shape, numbers: Mapping[str, int]) -> None:
        self.numbers = numbers
        self.shape = tuple(self.number(size) for size in shape)

    def number(self, size: Size) -> int:
        return size if isinstance(size, int) else self.numbers[size]

    def count(self, axes: Iterable[int]) -> int:
        return prod(self.shape[axis] for axis in axes)

    def read(self, m: LinearTerms) -> Structure:
        tied = ties(m)
        if not m.terms:
            return Deficient(0, self.count(m.codomain))
        idle = tuple(pair for pair in tied if _is_idle(m, pair))
        if idle:
            inner = _without(m, idle)
            found = self.read(inner)
            if isinstance(found, Deficient):
                return found
            return Copies(Split(m.codomain, m.domain, idle, inner.codomain, inner.domain), found)
        rest = _without(m, tied)
        split = Split(m.codomain, m.domain, tied, rest.codomain, rest.domain)
        if not rest.codomain and not rest.domain:
            return Diagonal(split, expression(m, split.tied))
        blocks = Blocks(
            split,
            expression(m, (*split.tied, *split.rows, *split.columns)),
            expression(m, m.codomain + m.domain),
        )
        return (
            self.scaled(m)
            or self.low_rank(m, split, blocks)
            or (_kronecker_sum(m, split, blocks) if _ties_are_apart(m, split) else None)
            or (_kronecker(m, split, blocks) if _ties_are_apart(m, split) else None)
            or blocks
        )

    def scaled(self, m: LinearTerms) -> Structure | None:
        """Divide by the factors of every term that have axes on one side only."""
        rows, inner = _extracted(m, m.codomain)
        columns, inner = _extracted(inner, m.domain)
        if rows is None and columns is None:
            return None
        found = self.read(inner)
        if isinstance(found, Blocks):  # nothing is gained
            return None
        if isinstance(found, Deficient):
            return found
        return Scaled(m.codomain, m.domain, rows, columns, found)

    def low_rank(self, m: LinearTerms, split: Split, blocks: Blocks) -> Structure | None:
        """Take off the terms that are products of a few columns and rows."""
        n = self.count(split.rows)
        cuts = [self.cut(term, m, split) for term in m.terms]
        chosen = [cut for cut in cuts if cut is not None]
        rank = sum(cut.rank for cut in chosen)
        if len(chosen) == len(cuts) and rank < n:
            return Deficient(rank, n)
        if not chosen or rank * SHARE > n:
            return None
        others = tuple(term for term, cut in zip(m.terms, cuts, strict=True) if cut is None)
        base = self.read(m._replace(terms=others))
        if isinstance(base, Deficient) or self.largest(base) * SHARE > n:
            return None  # which is to be inverted, at less cost than the whole
        return LowRank(split, base, tuple((cut.left, cut.right) for cut in chosen), rank, blocks)

    def largest(self, found: Structure) -> int:
        """Count the rows of the largest matrix that is factorised."""
        match found:
            case Copies() | Scaled():
                return self.largest(found.inner)
            case Blocks():
                return self.count(found.split.rows)
            case Kronecker() | KroneckerSum():
                return max(self.count(group.rows) for group in found.groups)
            case KroneckerTerms():
                return max(self.count(groups[0].rows) for groups in found.groups)
            case LowRank():
                return max(found.rank, self.largest(found.base))
            case _:
                return 1

    def cut(self, term: LinearTerm, m: LinearTerms, split: Split) -> _CutMap | None:
        """Part the factors of a term by the fewest summed indices; None if they link both sides."""
        bound = [term.labels[axis] for axis in split.tied]
        rows = [term.labels[axis] for axis in split.rows]
        columns = [term.labels[axis] for axis in split.columns]
        if set(rows) & set(columns):
            return None
        size = {
            label: self.number(n)
            for node, labels in term.factors
            for label, n in zip(labels, node.shape, strict=True)
        }
        with_rows = [not set(rows).isdisjoint(labels) for _, labels in term.factors]
        with_columns = [not set(columns).isdisjoint(labels) for _, labels in term.factors]
        if any(a and b for a, b in zip(with_rows, with_columns, strict=True)):
            return None
        free = [k for k in range(len(term.factors)) if not with_rows[k] and not with_columns[k]]
        best: tuple[int, list[int], list[bool]] | None = None
        for choice in product((True, False), repeat=min(len(free), MOST_FREE)):
            is_left = list(with_rows)
            for k, side in zip(free, choice, strict=False):
                is_left[k] = side
            held = [
                {
                    n
                    for (_, labels), mine in zip(term.factors, is_left, strict=True)
                    if mine is side
                    for n in labels
                }
                for side in (True, False)
            ]
            shared = sorted((held[0] & held[1]).difference(bound))
            rank = prod(size[label] for label in shared)
            if best is None or rank < best[0]:
                best = rank, shared, is_left
        assert best is not None
        rank, shared, is_left = best
        left = [slot for slot, mine in zip(term.factors, is_left, strict=True) if mine]
        right = [slot for slot, mine in zip(term.factors, is_left, strict=True) if not mine]
        return _CutMap(
            rank,
            scale(term.coefficient, _product(m, left, [*bound, *rows, *shared])),
            _product(m, right, [*bound, *columns, *shared]),
        )


class _CutMap(NamedTuple):
    """A term as a product of two matrices, with `rank` indices between them."""

    rank: int
    left: Node
    right: Node


def _is_idle(m: LinearTerms, pair: tuple[int, int]) -> bool:
    """Tell whether a tie has a label of its own in every term, which no factor carries."""
    for term in m.terms:
        label = term.labels[pair[0]]
        if sum(term.labels[axis] == label for axis in m.codomain + m.domain) > 2:
            return False
        if any(label in labels for _, labels in term.factors):
            return False
    return True


def _ties_are_apart(m: LinearTerms, split: Split) -> bool:
    """Tell whether no term ties two pairs to each other, and so is zero in most blocks."""
    return all(len({term.labels[c] for c in split.tied}) == len(split.tied) for term in m.terms)


def _without(m: LinearTerms, pairs: Pairs) -> LinearTerms:
    gone = {axis for pair in pairs for axis in pair}
    return m._replace(
        codomain=tuple(axis for axis in m.codomain if axis not in gone),
        domain=tuple(axis for axis in m.domain if axis not in gone),
    )


def _extracted(m: LinearTerms, axes: Axes) -> tuple[Scale | None, LinearTerms]:
    """Take out the factors that stand in every term with the same of these axes."""
    found: list[dict[Slot, list[int]]] = []
    for term in m.terms:
        place = {label: axis for axis, label in reversed([(a, term.labels[a]) for a in axes])}
        here: dict[Slot, list[int]] = {}
        for k, (node, labels) in enumerate(term.factors):
            if labels and all(label in place for label in labels):
                here.setdefault((node, tuple(place[n] for n in labels)), []).append(k)
        found.append(here)
    counts = [Counter({slot: len(at) for slot, at in here.items()}) for here in found]
    common = counts[0]
    for other in counts[1:]:
        common &= other
    if not common:
        return None, m
    terms = []
    for term, here in zip(m.terms, found, strict=True):
        gone = {k for slot, count in common.items() for k in here[slot][:count]}
        kept = tuple(slot for k, slot in enumerate(term.factors) if k not in gone)
        terms.append(term._replace(factors=kept))
    factors = list(common.elements())
    own = tuple(sorted({axis for _, labels in factors for axis in labels}))
    return Scale(_product(m, factors, own), own), m._replace(terms=tuple(terms))


def _kronecker(m: LinearTerms, split: Split, blocks: Blocks) -> Structure | None:
    """Part the factors of terms into groups that share no label but tied ones."""
    parts = [_parts(term, split) for term in m.terms]
    together = _Classes(split.rows + split.columns)
    for term, found in zip(m.terms, parts, strict=True):
        first: dict[int, int] = {}
        for axis in split.rows + split.columns:
            # An axis that a term ties to tied ones is a factor by itself for each of their indices.
            if term.labels[axis] in found.parent:
                root = found.find(term.labels[axis])
                together.unite([first.setdefault(root, axis), axis])
    members: dict[int, tuple[list[int], list[int]]] = {}
    for side, axes in enumerate((split.rows, split.columns)):
        for axis in axes:
            members.setdefault(together.find(axis), ([], []))[side].append(axis)
    if len(members) < 2:
        return None
    options: list[list[Group]] = [[] for _ in members]
    choices: list[tuple[int, ...]] = []
    for term, found in zip(m.terms, parts, strict=True):
        group_of = {
            found.find(term.labels[axis]): k
            for k, sides in enumerate(members.values())
            for axis in (*sides[0], *sides[1])
            if term.labels[axis] in found.parent
        }
        own: list[list[Slot]] = [[] for _ in members]
        for slot in term.factors:
            roots = [found.find(label) for label in slot[1] if label in found.parent]
            own[group_of.get(roots[0], 0) if roots else 0].append(slot)
        choice = []
        for k, (rows, columns) in enumerate(members.values()):
            part = term._replace(coefficient=1, factors=tuple(own[k]))
            group = _group(m._replace(terms=(part,)), split, rows, columns)
            if group not in options[k]:
                options[k].append(group)
            choice.append(options[k].index(group))
        choices.append(tuple(choice))
    grouped = _grouped(split, [groups[0] for groups in options])
    terms = tuple((term.coefficient, c) for term, c in zip(m.terms, choices, strict=True))
    if len(terms) == 1:
        return Kronecker(grouped, terms[0][0], tuple(groups[0] for groups in options), blocks)
    if max(map(len, options)) > 2:  # matrices of which no two have eigenvectors in common
        return None
    return KroneckerTerms(grouped, tuple(map(tuple, options)), terms, blocks)


def _parts(term: LinearTerm, split: Split) -> _Classes:
    """Put labels together that factors share, apart from those of ties."""
    bound = {term.labels[axis] for axis in split.tied}
    labels = (*term.labels, *(n for _, theirs in term.factors for n in theirs))
    parts = _Classes(label for label in labels if label not in bound)
    for _, theirs in term.factors:
        parts.unite([label for label in theirs if label not in bound])
    return parts


def _kronecker_sum(m: LinearTerms, split: Split, blocks: Blocks) -> Structure | None:
    """Part the axes so that each term is the identity of all of them but one part."""
    partner: dict[int, int] = {}
    for term in m.terms:
        for c in split.rows:
            for d in split.columns:
                if term.labels[c] == term.labels[d] and partner.setdefault(c, d) != d:
                    return None
    is_matched = len(partner) == len(split.rows) == len(split.columns)
    if not is_matched or len(set(partner.values())) < len(partner):
        return None
    parts = _Classes(split.rows)
    touched = []
    for term in m.terms:
        # What is tied to tied axes is no identity either.
        carried = {term.labels[axis] for axis in split.tied}
        carried.update(label for _, labels in term.factors for label in labels)
        touched.append(
            [
                c
                for c in split.rows
                if term.labels[c] != term.labels[partner[c]] or term.labels[c] in carried
            ]
        )
        parts.unite(touched[-1])
    members: dict[int, list[int]] = {}
    for c in split.rows:
        members.setdefault(parts.find(c), []).append(c)
    if len(members) < 2:
        return None
    first = next(iter(members))
    groups = []
    for root, rows in members.items():
        own = tuple(
            term
            for term, axes in zip(m.terms, touched, strict=True)
            if (parts.find(axes[0]) if axes else first) == root
        )
        columns = [partner[c] for c in rows]
        groups.append(_group(m._replace(terms=own), split, rows, columns))
    return KroneckerSum(_grouped(split, groups), tuple(groups), blocks)


def _group(m: LinearTerms, split: Split, rows: Sequence[int], columns: Sequence[int]) -> Group:
    carried = [
        {
            *(term.labels[axis] for axis in (*rows, *columns)),
            *chain(*(ls for _, ls in term.factors)),
        }
        for term in m.terms
    ]
    is_carried = tuple(
        any(term.labels[c] in labels for term, labels in zip(m.terms, carried, strict=True))
        for c in split.tied
    )
    tied = [c for c, is_here in zip(split.tied, is_carried, strict=True) if is_here]
    node = expression(m, (*tied, *rows, *columns))
    return Group(tuple(rows), tuple(columns), is_carried, node)


def _grouped(split: Split, groups: Sequence[Group]) -> Split:
    """Put the rows and columns in the order of the groups."""
    return split._replace(
        rows=tuple(axis for group in groups for axis in group.rows),
        columns=tuple(axis for group in groups for axis in group.columns),
    )


class _Classes:
    """Labels, and which of them belong together."""

    def __init__(self, labels: Iterable[int]) -> None:
        self.parent = {label: label for label in labels}

    def find(self, label: int) -> int:
        while self.parent[label] != label:
            label = self.parent[label]
        return label

    def unite(self, labels: Sequence[int]) -> None:
        for label in labels[1:]:
            self.parent[self.find(label)] = self.find(labels[0])
