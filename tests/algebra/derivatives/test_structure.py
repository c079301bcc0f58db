"""What is told of a linear map from its expression."""

from __future__ import annotations

import pytest

from einsdiff.algebra.derivatives.linear_terms import (
    contracted,
    diagonal,
    expression,
    is_symmetric,
    linear_map,
    ties,
)
from einsdiff.algebra.derivatives.structure import (
    Blocks,
    Copies,
    Deficient,
    Diagonal,
    Kronecker,
    KroneckerSum,
    KroneckerTerms,
    LowRank,
    Scaled,
    structure,
)
from einsdiff.algebra.nodes.interning import delta, variable, zero
from einsdiff.algebra.nodes.nodes import add, einsum, related, scale

A, B, C = (variable(name, (n, n)) for name, n in (("A", 3), ("B", 4), ("C", 5)))
D, E = variable("D", (3, 4)), variable("E", (3, 4, 4))
u, v, x = (variable(name, (9,)) for name in "uvx")


def product(operands, subscripts, output):
    return einsum(operands, subscripts.split(","), output)


IDENTITY = product([delta(3), delta(4)], "ip,jq", "ijpq")
KRON = product([A, B], "ip,jq", "ijpq")
SUM = add(
    [(1, product([A, delta(4)], "ip,jq", "ijpq")), (2, product([B, delta(3)], "qj,ip", "ijpq"))]
)


def found(expr, domain=None, sizes=()):
    return structure(expr, len(expr.shape) // 2 if domain is None else domain, sizes)


# --- terms and ties ---------------------------------------------------------------------------


def test_a_sum_with_deltas_in_a_product_is_multiplied_out():
    softmax = product(
        [add([(1, delta(9)), (-1, einsum([u], ["i"], "ip", {"p": 9}))]), v], "ip,p", "ip"
    )
    terms = linear_map(softmax, 1).terms
    assert sorted((t.coefficient, t.labels) for t in terms) == [(-1, (0, 1)), (1, (0, 0))]


def test_a_sum_of_outer_products_in_a_product_is_multiplied_out_and_one_of_matrices_is_not():
    outer = add([(1, product([u, v], "i,j", "ij")), (1, product([v, x], "i,j", "ij"))])
    assert len(linear_map(product([outer, u], "ip,i", "ip"), 1).terms) == 2
    matrices = add([(1, A), (1, einsum([A], ["ij"], "ji"))])
    assert len(linear_map(product([matrices, A, A], "ij,pk,qk", "ijpq"), 2).terms) == 1


def test_labels_are_the_first_axes_that_are_equal_and_summed_ones_come_after():
    (term,) = linear_map(product([delta(3), B, B], "pr,jq,js", "pqrs"), 2).terms
    assert term.labels == (0, 1, 0, 3)
    (summed,) = set(term.factors[0][1]) & set(term.factors[1][1])
    assert summed > 3


@pytest.mark.parametrize(
    ("expr", "domain", "expected"),
    [
        (IDENTITY, 2, ((0, 2), (1, 3))),
        (product([delta(3), delta(4)], "ip,jq", "ijqp"), 2, ((0, 3), (1, 2))),
        (SUM, 2, ()),
        (add([(1, IDENTITY), (1, product([B, delta(3)], "jq,ip", "ijpq"))]), 2, ((0, 2),)),
        (einsum([u], ["i"], "iii"), 2, ((0, 1),)),
        (einsum([u], ["i"], "iii"), 1, ((0, 2),)),
        (related((8, 9), (1, -1), 1), 1, ()),
        (zero((3, 3)), 1, ()),
        (u, 1, ()),
    ],
)
def test_ties_are_those_of_every_term_and_each_axis_has_one(expr, domain, expected):
    assert ties(linear_map(expr, domain)) == expected


@pytest.mark.parametrize("expr", [IDENTITY, KRON, SUM, zero((3, 4)), scale(2, D)])
def test_a_map_is_written_as_the_expression_that_it_was(expr):
    m = linear_map(expr, 1)
    assert expression(m, range(len(expr.shape))) is expr


# --- products and diagonals -------------------------------------------------------------------


def test_deltas_are_substituted_in_the_vector_term_by_term():
    X = variable("X", (3, 4))
    AX, XB = product([A, X], "ip,pj", "ij"), product([B, X], "qj,iq", "ij")
    assert contracted(SUM, (2, 3), X) is add([(1, AX), (2, XB)])
    ATX, XBT = product([A, X], "pi,pj", "ij"), product([B, X], "jq,iq", "ij")
    assert contracted(SUM, (0, 1), X) is add([(1, ATX), (2, XBT)])


def test_further_axes_of_the_vector_come_last():
    many = variable("V", (3, 4, 7))
    assert contracted(IDENTITY, (2, 3), many) is many
    assert contracted(zero((3, 4)), (1,), variable("w", (4, 2))) is zero((3, 2))


def test_the_diagonal_has_no_deltas():
    assert diagonal(KRON, 2) is product([A, B], "ii,jj", "ij")
    assert diagonal(IDENTITY, 2) is einsum([], [], "ij", {"i": 3, "j": 4})
    softmax = product(
        [add([(1, delta(9)), (-1, einsum([u], ["i"], "ip", {"p": 9}))]), v], "ip,p", "ip"
    )
    assert diagonal(softmax, 1) is add([(1, v), (-1, product([u, v], "i,i", "i"))])


def test_the_diagonal_of_a_size_that_is_a_name_and_a_number():
    W = variable("W", ("n", 9))
    assert diagonal(W, 1).shape == ("n",)


def test_symmetric_maps_are_recognised():
    assert is_symmetric(IDENTITY, 2)
    assert is_symmetric(product([delta(3), B, B], "pr,jq,js", "pqrs"), 2)
    assert is_symmetric(add([(1, A), (1, einsum([A], ["ij"], "ji"))]), 1)
    assert is_symmetric(variable("S", (3, 3), symmetric=True), 1)
    assert not is_symmetric(KRON, 2)
    assert not is_symmetric(D, 1)
    assert not is_symmetric(u, 1)


# --- structures -------------------------------------------------------------------------------


def test_what_is_tied_everywhere_is_a_diagonal():
    one = found(einsum([D], ["ij"], "ijij"))
    assert isinstance(one, Diagonal)
    assert one.entries is D
    turned = found(einsum([D], ["ij"], "ijji"))
    assert isinstance(turned, Diagonal)
    assert turned.split.ties == ((0, 3), (1, 2))


def test_what_no_factor_carries_is_copied():
    copies = found(IDENTITY)
    assert isinstance(copies, Copies)
    assert copies.split.ties == ((0, 2), (1, 3))
    assert isinstance(copies.inner, Diagonal)
    blocks = found(product([delta(3), B], "ip,jq", "ijpq"))
    assert isinstance(blocks, Copies)
    assert isinstance(blocks.inner, Blocks)
    assert blocks.inner.node is B


def test_a_tie_that_another_axis_shares_is_no_copy():
    blocks = found(einsum([], [], "iiii", {"i": 3}))
    assert isinstance(blocks, Diagonal)  # of a matrix that is the identity, and so not invertible
    assert blocks.entries is delta(3)


def test_blocks_have_the_tied_axes_that_factors_carry():
    blocks = found(product([E], "ijq", "ijiq"))
    assert isinstance(blocks, Blocks)
    assert blocks.split.ties == ((0, 2),)
    assert blocks.node is E


def test_factors_without_a_common_label_are_a_kronecker_product():
    kron = found(scale(3, KRON))
    assert isinstance(kron, Kronecker)
    assert kron.coefficient == 3
    assert [group.node for group in kron.groups] == [A, B]
    crossed = found(product([A, B], "iq,jp", "ijpq"))
    assert [(g.rows, g.columns) for g in crossed.groups] == [((0,), (3,)), ((1,), (2,))]
    assert (crossed.split.rows, crossed.split.columns) == ((0, 1), (3, 2))


def test_sums_of_kronecker_products_of_two_matrices_each():
    found_ = found(add([(1, KRON), (5, IDENTITY)]))
    assert isinstance(found_, KroneckerTerms)
    nodes = [[group.node for group in groups] for groups in found_.groups]
    assert nodes == [[delta(3), A], [delta(4), B]] or nodes == [[A, delta(3)], [B, delta(4)]]
    by_matrices = {
        tuple(nodes[k][which] for k, which in enumerate(choice)): c for c, choice in found_.terms
    }
    assert by_matrices == {(A, B): 1, (delta(3), delta(4)): 5}


def test_a_sum_of_kronecker_products_of_three_matrices_is_a_matrix():
    other = product([variable("Q", (3, 3)), B], "ip,jq", "ijpq")
    assert isinstance(found(add([(1, KRON), (5, IDENTITY), (1, other)])), Blocks)


def test_a_summed_scalar_belongs_to_one_factor():
    kron = found(product([A, B, C], "ip,jq,kk", "ijpq"))
    assert [group.node for group in kron.groups] == [product([A, C], "ij,kk", "ij"), B]


def test_factors_of_a_kronecker_product_may_depend_on_tied_axes():
    F = variable("F", (3, 5, 5))
    kron = found(product([E, C], "bjq,kr", "bjkbqr"))
    assert isinstance(kron, Kronecker)
    assert [group.is_carried for group in kron.groups] == [(True,), (False,)]
    assert found(product([E, F], "bjq,bkr", "bjkbqr")).groups[1].node is F


def test_an_index_that_two_factors_share_is_no_kronecker_product():
    linked = product([variable("P", (3, 3, 2)), variable("Q", (4, 4, 2))], "ipk,jqk", "ijpq")
    assert isinstance(found(linked), Blocks)


def test_terms_that_are_the_identity_of_each_others_axes_are_a_kronecker_sum():
    total = found(SUM)
    assert isinstance(total, KroneckerSum)
    assert [group.node for group in total.groups] == [A, scale(2, einsum([B], ["ij"], "ji"))]


def test_a_multiple_of_the_identity_joins_a_kronecker_sum():
    total = found(add([(1, SUM), (7, IDENTITY)]))
    assert isinstance(total, KroneckerSum)
    assert total.groups[0].node is add([(1, A), (7, delta(3))])


def test_three_axes_make_a_kronecker_sum_of_three():
    parts = [
        product([A, delta(4), delta(5)], "ip,jq,kr", "ijkpqr"),
        product([delta(3), B, delta(5)], "ip,jq,kr", "ijkpqr"),
        product([delta(3), delta(4), C], "ip,jq,kr", "ijkpqr"),
    ]
    total = found(add([(1, part) for part in parts]))
    assert isinstance(total, KroneckerSum)
    assert [group.node for group in total.groups] == [A, B, C]


@pytest.mark.parametrize(
    "other",
    [
        product([A, D], "ip,pj", "ijpj"),  # carries the tied index
        product([A, B], "ip,jq", "ijpq"),  # ties nothing
        einsum([A], ["ip"], "iipp"),
    ],
)
def test_other_sums_are_no_kronecker_sums(other):
    if other.shape != SUM.shape:
        other = einsum([other], [range(4)], [0, 1, 2, 3])
        total = add([(1, other), (1, product([A, delta(3)], "ip,jq", "ijpq"))])
    else:
        total = add([(1, other), (1, SUM)])
    assert isinstance(found(total), Blocks)


def test_terms_with_few_indices_between_their_sides_are_of_low_rank():
    change = found(add([(1, einsum([u], ["i"], "ii")), (2, product([v, x], "i,p", "ip"))]))
    assert isinstance(change, LowRank)
    assert change.rank == 1
    assert change.sides == ((scale(2, v), x),)
    assert isinstance(change.base, Diagonal)


def test_the_fewest_indices_are_found_among_factors_in_the_middle():
    P, M = variable("P", (9, 6)), variable("M", (6, 2))
    chain = product([P, M, M, P], "ia,ar,br,pb", "ip")
    change = found(add([(1, delta(9)), (1, chain)]))
    assert isinstance(change, LowRank)
    assert change.rank == 2


def test_a_change_of_no_low_rank_is_a_matrix():
    P = variable("P", (9, 6))
    gram = product([P, P], "ir,pr", "ip")
    assert isinstance(found(add([(1, einsum([u], ["i"], "ii")), (1, gram)])), Blocks)
    named = variable("P", (9, "r"))
    gram = add([(1, einsum([u], ["i"], "ii")), (1, product([named, named], "ir,pr", "ip"))])
    assert isinstance(found(gram, 1, (("r", 2),)), LowRank)
    assert isinstance(found(gram, 1, (("r", 7),)), Blocks)


def test_a_change_of_a_matrix_is_a_matrix():
    full = variable("M", (9, 9))
    assert isinstance(found(add([(1, full), (1, product([u, v], "i,p", "ip"))])), Blocks)


def test_too_few_indices_in_all_terms_are_singular():
    assert found(product([u, v], "i,p", "ip")) == Deficient(1, 9)
    P = variable("P", (9, 4))
    gram = product([P, P], "ir,pr", "ip")
    assert found(add([(1, gram), (1, product([u, v], "i,p", "ip"))])) == Deficient(5, 9)
    copies = product([delta(3), P, P], "jk,ir,pr", "jikp")
    assert found(copies) == Deficient(4, 9)
    assert found(zero((3, 4, 3, 4))) == Deficient(0, 12)


def test_factors_of_one_side_that_every_term_has_are_divided_by():
    scaled = found(product([D, A, B], "ij,ip,jq", "ijpq"))
    assert isinstance(scaled, Scaled)
    assert (scaled.rows.node, scaled.rows.axes, scaled.columns) == (D, (0, 1), None)
    assert isinstance(scaled.inner, Kronecker)
    both = add(
        [
            (1, product([D, A, delta(4)], "ij,ip,jq", "ijpq")),
            (1, product([D, delta(3), B], "ij,ip,jq", "ijpq")),
        ]
    )
    assert isinstance(found(both), Scaled)
    assert isinstance(found(both).inner, KroneckerSum)


def test_factors_of_the_domain_are_divided_by_afterwards():
    scaled = found(product([A, B, D], "ip,jq,pq", "ijpq"))
    assert isinstance(scaled, Scaled)
    assert (scaled.rows, scaled.columns.node, scaled.columns.axes) == (None, D, (2, 3))


def test_a_scaling_that_leaves_a_matrix_is_left_in_it():
    full = product([variable("M", (9, 9)), u], "ip,i", "ip")
    assert isinstance(found(full), Blocks)


def test_a_scaled_copy_needs_one_matrix_only():
    w = variable("w", (3,))
    scaled = found(product([delta(3), w, B], "ip,i,jq", "ijpq"))
    assert isinstance(scaled, Scaled)
    assert isinstance(scaled.inner, Copies)


def test_structures_hold_structures():
    base = product([delta(9), C, C], "pr,jq,js", "pqrs")
    X = variable("X", (9, 5))
    change = found(add([(2, base), (8, product([X, X], "pq,rs", "pqrs"))]))
    assert isinstance(change, LowRank)
    assert isinstance(change.base, Copies)
    assert isinstance(change.base.inner, Blocks)


def test_relations_of_indices_are_factors():
    shift = related((8, 9), (1, -1), 1)
    gram = product([shift, shift], "ip,iq", "pq")
    assert isinstance(found(add([(1, gram), (1, delta(9))])), Blocks)
    kron = found(product([related((3, 3), (1, -1), 0, False), B], "ip,jq", "ijpq"))
    assert isinstance(kron, Kronecker)
