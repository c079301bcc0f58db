r"""Rules for inverses, determinants, and solutions of linear equations.

.. math:: A^{-1}_{ij} A_{jk} \to \delta_{ik} \qquad A^{-1}_{ij} b_j \to \mathrm{solve}(A, b)_i
"""

from __future__ import annotations

from collections.abc import Sequence

from einsdiff.algebra.nodes.factors import Slot, multiplied, slots
from einsdiff.algebra.nodes.function_records import lookup
from einsdiff.algebra.nodes.interning import (
    Delta,
    Einsum,
    Node,
    constant,
    delta,
    is_one,
    reciprocal,
    symmetry,
)
from einsdiff.algebra.nodes.nodes import call, einsum, ones, scale
from einsdiff.algebra.rewriting.rules.patterns import (
    again,
    apply,
    arguments,
    as_factor,
    is_call,
    product_of,
    rule,
    scaled,
)

#: The functions of a determinant.
_OF_DETERMINANT = ("det", "logdet", "signdet")


def transposed(node: Node) -> Node | None:
    """Return the transpose of a node that is one.

    >>> A = variable("A", (3, 3))
    >>> transposed(einsum([A], ["ij"], "ji")), transposed(A)
    (A, None)
    """
    rank = len(node.shape)
    swap = (*range(rank - 2), rank - 1, rank - 2)
    c, inner = scaled(node)
    if not isinstance(inner, Einsum) or not inner.is_view:
        return None
    found = as_factor(inner, range(rank))
    if found is None or found[2] != swap:
        return None
    return scale(c, found[1])


def _swapped(node: Node) -> Node:
    rank = len(node.shape)
    return einsum([node], [range(rank)], [*range(rank - 2), rank - 1, rank - 2])


@rule("inv", widens=True)
def inverse_of_inverse(node: Node) -> Node | None:
    """``inv(inv(A)) -> A``: also where A is singular."""
    (inner,) = arguments(node)
    return arguments(inner)[0] if is_call(inner, "inv") else None


@rule("inv")
def inverse_of_transpose(node: Node) -> Node | None:
    """``inv(A^T) -> inv(A)^T``."""
    other = transposed(arguments(node)[0])
    return None if other is None else _swapped(again(node, other))


@rule("inv")
def inverse_of_multiple(node: Node) -> Node | None:
    """``inv(c A) -> 1/c inv(A)`` for a number c."""
    c, rest = scaled(arguments(node)[0])
    return None if is_one(c) or c == 0 else scale(reciprocal(c), again(node, rest))


@rule(*_OF_DETERMINANT)
def determinant_of_transpose(node: Node) -> Node | None:
    """``det(A^T) -> det(A)``, and so for its logarithm and its sign."""
    other = transposed(arguments(node)[0])
    return None if other is None else again(node, other)


def _diagonal(node: Node) -> Node | None:
    """Return x for the matrix δ_ij x_i, 1 for δ_ij."""
    if isinstance(node, Delta) and node.is_identity:
        return ones(node.shape[:1])
    if not isinstance(node, Einsum):
        return None
    *batch, i, j = node.output
    if i != j or i in batch:
        return None
    sizes = dict(enumerate(node.sizes))
    return einsum(node.operands, node.subscripts, node.output[:-1], sizes)


@rule("inv")
def inverse_of_diagonal(node: Node) -> Node | None:
    """``inv(δ_ij x_i) -> δ_ij / x_i``, ``inv(δ) -> δ``."""
    (matrix,) = arguments(node)
    entries = _diagonal(matrix)
    if entries is None or isinstance(matrix, Delta):
        return matrix if entries is not None else None
    axes = tuple(range(len(entries.shape)))
    return einsum([apply("power", entries, constant(-1))], [axes], [*axes, axes[-1]])


@rule("det", "logdet")
def determinant_of_diagonal(node: Node) -> Node | None:
    """``det(δ_ij x_i) -> prod(x)``, ``logdet(δ_ij x_i) -> Σ_i log(abs(x_i))``."""
    entries = _diagonal(arguments(node)[0])
    if entries is None:
        return None
    axes = range(len(entries.shape))
    if is_call(node, "logdet"):
        return einsum([apply("log", apply("abs", entries))], [axes], axes[:-1])
    prod = lookup("prod", (1,))
    assert prod is not None
    return ones(node.shape) if entries is ones(entries.shape) else call(prod, [entries])


@rule(*_OF_DETERMINANT)
def determinant_of_inverse(node: Node) -> Node | None:
    """``det(inv(A)) -> 1 / det(A)``, ``logdet(inv(A)) -> -logdet(A)``."""
    (inner,) = arguments(node)
    if not is_call(inner, "inv"):
        return None
    of_matrix = again(node, *arguments(inner))
    if is_call(node, "logdet"):
        return scale(-1, of_matrix)
    return of_matrix if is_call(node, "signdet") else apply("power", of_matrix, constant(-1))


@rule("solve", widens=True)
def solution_of_product(node: Node) -> Node | None:
    """``solve(A, A x) -> x`` and ``solve(inv(A), b) -> A b``: also where A is singular.

    And ``solve(δ, b) -> b``.
    """
    matrix, b = arguments(node)
    if isinstance(matrix, Delta) and matrix.is_identity and b.shape == node.shape:
        return b
    if len(matrix.shape) != 2 or b.shape != node.shape:
        return None
    labels = ["j", *(("k",) if len(b.shape) == 2 else ())]
    if is_call(matrix, "inv"):
        return einsum([*arguments(matrix), b], [["i", "j"], labels], ["i", *labels[1:]])
    product = einsum(
        [apply("inv", matrix), b], [["i", "j"], labels], ["i", *labels[1:]], inline=(1,)
    )
    return cancelled_inverse.apply(product) if isinstance(product, Einsum) else None


@rule("product", widens=True)
def cancelled_inverse(node: Node) -> Node | None:
    """``inv(A) A -> δ``, ``A inv(A) -> δ``, ``A solve(A, b) -> b``: also where A is singular."""
    assert isinstance(node, Einsum)
    factors = slots(node)
    for p, (factor, labels) in enumerate(factors):
        if not is_call(factor, "inv", "solve"):
            continue
        matrix = arguments(factor)[0]
        found = as_factor(matrix, range(len(matrix.shape)))
        if found is None or (is_call(factor, "solve") and len(matrix.shape) > 2):
            continue
        c, core, order = found
        for q, (other, theirs) in enumerate(factors):
            if q == p or other is not core:
                continue
            name = dict(zip(order, theirs, strict=True))
            *batch, r, s = (name[axis] for axis in range(len(matrix.shape)))
            sides = (
                [(r, s), (s, r)] if len(core.shape) == 2 and symmetry(core) is True else [(r, s)]
            )
            for row, column in sides:
                made = _meeting(node, factor, labels, batch, row, column)
                if made is not None:
                    new, gone = made
                    rest = [slot for k, slot in enumerate(factors) if k not in (p, q)]
                    return scale(reciprocal(c), product_of(node, [*rest, new], 1, [gone]))
    return None


def _meeting(
    node: Einsum, factor: Node, labels: tuple[int, ...], batch: list[int], row: int, column: int
) -> tuple[Slot, int] | None:
    """Return what a matrix with these labels and an inverse give, and the label that goes."""

    def meet(label: int) -> bool:
        count = sum(labels.count(label) for labels in node.subscripts)
        return label not in node.output and count == 2

    if is_call(factor, "solve"):
        b = arguments(factor)[1]
        first, *others = labels
        if b.shape == factor.shape and first == column and meet(column):
            return (b, (row, *others)), column
        return None
    *lead, i, j = labels
    if lead != batch or row == column or i == j:
        return None
    size = factor.shape[-1]
    if j == row and meet(j):
        return (delta(size), (i, column)), j
    if i == column and meet(i):
        return (delta(size), (row, j)), i
    return None


@rule("product", once=("inv",))
def inverse_to_solution(node: Node) -> Node | None:
    """``inv(A) b -> solve(A, b)``, ``b inv(A) -> solve(A^T, b)``, for vectors and matrices b.

    ``inv(A) B b -> solve(A, B b)``: b is all that is left of the product on one side of the
    inverse, if that is a vector or a matrix. The inverse is then not computed; it must not be
    needed elsewhere.
    """
    assert isinstance(node, Einsum)
    factors = slots(node)
    inverses = [k for k, (f, _) in enumerate(factors) if is_call(f, "inv") and len(f.shape) == 2]
    for p in inverses:
        inverse, (i, j) = factors[p]
        if sum(factors[q][0] is inverse for q in inverses) > 1:
            continue
        (matrix,) = arguments(inverse)
        for near, far, side in ((j, i, matrix), (i, j, _swapped(matrix))):
            chosen = _beside(node, factors, p, near, far)
            if chosen is None or all(isinstance(factors[k][0], Delta) for k in chosen):
                continue
            rest = [slot for k, slot in enumerate(factors) if k not in (p, *chosen)]
            inside = {n for k in chosen for n in factors[k][1]}
            outside = {far, *node.output, *(n for _, labels in rest for n in labels)}
            free = sorted(inside & outside)
            b = multiplied([factors[k] for k in chosen], [near, *free])
            solve = lookup("solve", (2, len(b.shape)))
            assert solve is not None
            solved = (call(solve, [side, b]), (far, *free))
            gone = inside.difference(outside)
            return product_of(node, [*rest, solved], 1, gone)
    return None


def _beside(node: Einsum, factors: Sequence[Slot], p: int, near: int, far: int) -> list[int] | None:
    """Choose the factors that an inverse is applied to: all that hang on its label `near`."""
    if near in node.output or near == far:
        return None
    touching = [k for k, (_, labels) in enumerate(factors) if near in labels and k != p]
    if not touching:
        return None
    chosen, front = set(touching), list(touching)
    while front:
        for label in factors[front.pop()][1]:
            if label in node.output or label == far:
                continue
            for k, (_, labels) in enumerate(factors):
                if label in labels and k != p and k not in chosen:
                    chosen.add(k)
                    front.append(k)
    for some in (sorted(chosen), touching):
        others = {n for k, (_, ls) in enumerate(factors) if k not in (p, *some) for n in ls}
        inside = {n for k in some for n in factors[k][1]}
        free = inside & {far, *node.output, *others}
        if len(free) <= 1 and near not in others:
            return some
    return None
