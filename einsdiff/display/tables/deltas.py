"""The deltas of free indices in an expression, and which of them can hold together.

>>> atoms = [Atom(((0, 1), (1, -1)), 0, True), Atom(((0, 1), (1, -1)), -1, True)]
>>> [len(pattern) for pattern in possible_patterns(atoms, ("n", "n"))]  # p = q, p = q + 1
[1, 1, 0]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import product
from math import prod
from typing import NamedTuple

from einsdiff.algebra.nodes.interning import Add, Delta, Einsum, Node, Number, Shape
from einsdiff.algebra.nodes.nodes import einsum, is_zero
from einsdiff.algebra.nodes.relations import bounds
from einsdiff.errors import SizeError

#: Products of sums with deltas in them are multiplied out up to so many terms.
MOST_TERMS = 64
#: Of related indices every tuple is looked at, to tell what is possible, if there are at most so
#: many.
MOST_TUPLES = 4096
#: In so many ways equations may hold or not.
MOST_PATTERNS = 4096


# --- terms ------------------------------------------------------------------------------------


class Atom(NamedTuple):
    """What a delta of free indices says: ``sum(c axis) + offset`` is zero, or at least zero."""

    terms: tuple[tuple[int, int], ...]  # (axis, coefficient)
    offset: int
    is_equation: bool

    @property
    def is_equality(self) -> bool:
        """Whether it says that two indices are equal."""
        return self.is_equation and not self.offset and sorted(c for _, c in self.terms) == [-1, 1]


class CaseTerm(NamedTuple):
    """A coefficient times deltas of free indices times a core, with the axes that the core has."""

    coefficient: Number
    atoms: frozenset[Atom]
    core: Node
    axes: tuple[int, ...]


def _atom(terms: Iterable[tuple[int, int]], offset: int, is_equation: bool) -> Atom:
    terms = tuple(sorted(terms))
    if is_equation and terms[0][1] < 0:  # of the two signs of an equation one is chosen
        terms, offset = tuple((axis, -c) for axis, c in terms), -offset
    return Atom(terms, offset, is_equation)


def _term(c: Number, node: Node) -> CaseTerm:
    """Take the deltas of free indices out of a term."""
    rank = len(node.shape)
    if isinstance(node, Einsum):
        slots = list(zip(node.operands, node.subscripts, strict=True))
        output, sizes, loose = node.output, node.sizes, node.loose
    else:
        slots = [(node, tuple(range(rank)))] if not is_zero(node) else []
        output, sizes, loose = tuple(range(rank)), node.shape, ()
    first: dict[int, int] = {}
    atoms = set()
    for axis, label in enumerate(output):
        if first.setdefault(label, axis) != axis:
            atoms.add(_atom([(first[label], 1), (axis, -1)], 0, True))
    kept = []
    for operand, labels in slots:
        if isinstance(operand, Delta) and all(label in first for label in labels):
            k, offset, is_equation = operand.relation
            terms = [(first[label], n) for label, n in zip(labels, k, strict=True)]
            atoms.add(_atom(terms, offset, is_equation))
        else:
            kept.append((operand, labels))
    carried = {label for _, labels in kept for label in labels}
    inside = [label for label in first if label in carried]
    core = einsum(
        [operand for operand, _ in kept],
        [labels for _, labels in kept],
        inside,
        {label: sizes[label] for label in (*sorted(carried), *loose)},
    )
    return CaseTerm(c, frozenset(atoms), core, tuple(first[label] for label in inside))


def delta_terms(expr: Node) -> list[CaseTerm]:
    """Write an expression as a sum, in which no delta of free indices is inside of a bracket."""
    found: list[tuple[Number, Node]] = []
    stack: list[tuple[Number, Node]] = [(1, expr)]
    while stack:
        c, node = stack.pop()
        if isinstance(node, Add):
            stack.extend((c * inner, part) for inner, part in reversed(node.terms))
            continue
        parts = _opened(node) if len(found) + len(stack) < MOST_TERMS else None
        if parts is None:
            found.append((c, node))
        else:
            stack.extend((c * inner, part) for inner, part in reversed(parts))
    return [_term(c, node) for c, node in found]


def _opened(node: Node) -> list[tuple[Number, Node]] | None:
    """Multiply out one factor that is a sum with deltas of free indices in it."""
    if not isinstance(node, Einsum):
        return None
    for k, (operand, labels) in enumerate(zip(node.operands, node.subscripts, strict=True)):
        free = {axis for axis, label in enumerate(labels) if label in node.output}
        if isinstance(operand, Add) and _has_atoms(operand, free):
            sizes = dict(enumerate(node.sizes))
            before, after = node.operands[:k], node.operands[k + 1 :]
            return [
                (c, einsum([*before, part, *after], node.subscripts, node.output, sizes, [k]))
                for c, part in operand.terms
            ]
    return None


def _has_atoms(node: Add, free: set[int]) -> bool:
    """Tell whether there are deltas, in this sum or in one that is a factor, of certain axes."""
    stack: list[tuple[Node, set[int]]] = [(node, free)]
    while stack:
        part, axes = stack.pop()
        if isinstance(part, Add):
            stack.extend((term, axes) for _, term in part.terms)
        elif axes and isinstance(part, Einsum | Delta):
            atoms = _term(1, part).atoms
            if any(axis in axes for atom in atoms for axis, _ in atom.terms):
                return True
            if isinstance(part, Einsum):
                ours = {part.output[axis] for axis in axes}
                for operand, labels in zip(part.operands, part.subscripts, strict=True):
                    inner = {axis for axis, label in enumerate(labels) if label in ours}
                    if isinstance(operand, Add):
                        stack.append((operand, inner))
    return False


# --- which equations can hold together --------------------------------------------------------

Pattern = frozenset[Atom]  # those that hold


def possible_patterns(atoms: Sequence[Atom], shape: Shape) -> list[Pattern]:
    """List the ways in which relations can hold or not; at least all that are possible."""
    parts = []
    count = 1
    for group in _components(atoms):
        found = _patterns_of(group, shape)
        count *= len(found)
        if count > MOST_PATTERNS:
            raise SizeError(
                f"{len(atoms)} different deltas hold or not in more than {MOST_PATTERNS} ways, "
                "which are too many cases",
                action="take a part of the derivative, such as J[0], or contract some axes",
            )
        parts.append(found)
    return [frozenset().union(*parts) for parts in product(*parts)]


def _components(atoms: Sequence[Atom]) -> list[list[Atom]]:
    """Group relations that have indices in common."""
    groups: list[tuple[set[int], list[Atom]]] = []
    for atom in atoms:
        axes = {axis for axis, _ in atom.terms}
        joined = [group for group in groups if group[0] & axes]
        groups = [group for group in groups if not group[0] & axes]
        every = axes.union(*(group[0] for group in joined))
        groups.append((every, [*(a for group in joined for a in group[1]), atom]))
    return [members for _, members in groups]


def _patterns_of(atoms: Sequence[Atom], shape: Shape) -> list[Pattern]:
    axes = sorted({axis for atom in atoms for axis, _ in atom.terms})
    sizes = [size for size in (shape[axis] for axis in axes) if isinstance(size, int)]
    if len(sizes) == len(axes) and prod(sizes) <= MOST_TUPLES:
        found: dict[Pattern, None] = {}
        for index in product(*map(range, sizes)):
            at = dict(zip(axes, index, strict=True))
            found[frozenset(atom for atom in atoms if _is_true(atom, at))] = None
        return list(found)
    if all(atom.is_equality for atom in atoms):
        return _partitions(atoms)
    ways: list[tuple[Pattern, Pattern]] = [(frozenset(), frozenset())]  # those that hold, or not
    for atom in atoms:
        ways = [
            way
            for yes, no in ways
            for way in ((yes | {atom}, no), (yes, no | {atom}))
            if _is_possible(*way, shape)
        ]
        if len(ways) > MOST_PATTERNS:
            break  # the caller refuses them
    return [yes for yes, _ in ways]


def _partitions(atoms: Sequence[Atom]) -> list[Pattern]:
    """List the ways in which indices can be equal or not."""
    axes = sorted({axis for atom in atoms for axis, _ in atom.terms})
    # What holds, the least index that each is equal to, and pairs of those that are not equal.
    ways: list[tuple[Pattern, dict[int, int], frozenset[frozenset[int]]]] = [
        (frozenset(), {axis: axis for axis in axes}, frozenset())
    ]
    for atom in atoms:
        (one, _), (other, _) = atom.terms
        after = []
        for yes, root, apart in ways:
            a, b = sorted((root[one], root[other]))
            pair = frozenset((a, b))
            if a == b:
                after.append((yes | {atom}, root, apart))
                continue
            if pair not in apart:
                joined = {axis: a if r == b else r for axis, r in root.items()}
                moved = frozenset(frozenset(a if r == b else r for r in p) for p in apart)
                after.append((yes | {atom}, joined, moved))
            after.append((yes, root, apart | {pair}))
        ways = after
        if len(ways) > MOST_PATTERNS:
            break  # the caller refuses them
    return [yes for yes, _, _ in ways]


def _is_true(atom: Atom, index: Mapping[int, int]) -> bool:
    value = sum(c * index[axis] for axis, c in atom.terms) + atom.offset
    return value == 0 if atom.is_equation else value >= 0


#: Coefficients of axes, and a constant.
_Affine = tuple[dict[int, Fraction], Fraction]


def _is_possible(yes: Iterable[Atom], no: Iterable[Atom], shape: Shape) -> bool:
    """Tell whether relations can be true and others false: no, only if that is certain."""
    solved: dict[int, _Affine] = {}

    def reduced(atom: Atom, sign: int = 1, shift: int = 0) -> _Affine:
        terms: dict[int, Fraction] = {}
        constant = Fraction(sign * atom.offset + shift)
        for axis, c in atom.terms:
            rest, offset = solved.get(axis, ({axis: Fraction(1)}, Fraction(0)))
            constant += sign * c * offset
            for other, k in rest.items():
                terms[other] = terms.get(other, Fraction(0)) + sign * c * k
        return {axis: k for axis, k in terms.items() if k}, constant

    def reach(value: _Affine) -> tuple[float, float]:
        terms, constant = value
        whole = [float(c) for c in terms.values()]
        low, high = bounds(whole, 0, [shape[axis] for axis in terms])  # type: ignore[arg-type]
        return low + float(constant), high + float(constant)

    for atom in yes:
        if not atom.is_equation:
            continue
        terms, constant = reduced(atom)
        low, high = reach((terms, constant))
        if not low <= 0 <= high:
            return False
        if terms:
            axis = max(terms)
            own = terms.pop(axis)
            rest = {other: -c / own for other, c in terms.items()}, -constant / own
            for other, (theirs, offset) in list(solved.items()):
                if axis in theirs:
                    k = theirs.pop(axis)
                    for a, c in rest[0].items():
                        theirs[a] = theirs.get(a, Fraction(0)) + k * c
                    solved[other] = {a: c for a, c in theirs.items() if c}, offset + k * rest[1]
            solved[axis] = rest
    for atom in no:
        if atom.is_equation and reduced(atom) == ({}, Fraction(0)):
            return False
    # An inequality that does not hold is one the other way round, of whole numbers.
    positive = [reduced(atom) for atom in yes if not atom.is_equation]
    positive += [reduced(atom, -1, -1) for atom in no if not atom.is_equation]
    pairs = [(a, b) for k, a in enumerate(positive) for b in positive[:k]]
    both = [(_plus(a[0], b[0]), a[1] + b[1]) for a, b in pairs]
    return all(reach(value)[1] >= 0 for value in (*positive, *both))


def _plus(a: Mapping[int, Fraction], b: Mapping[int, Fraction]) -> dict[int, Fraction]:
    total = {axis: a.get(axis, Fraction(0)) + b.get(axis, Fraction(0)) for axis in {**a, **b}}
    return {axis: c for axis, c in total.items() if c}
