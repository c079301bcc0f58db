"""Merging of what is used once."""

from __future__ import annotations

from fractions import Fraction

from einsdiff.algebra.nodes.graph import use_counts
from einsdiff.algebra.nodes.interning import Add, variable
from einsdiff.algebra.nodes.nodes import add, einsum, scale
from einsdiff.algebra.rewriting.flatten import MOST_FACTORS, flatten

A, B, C = (variable(name, (2, 2)) for name in "ABC")
AB = einsum([A, B], ["ij", "jk"], "ik")


def test_a_product_used_once_is_merged():
    nested = einsum([AB, C], ["ik", "kl"], "il")
    assert flatten([nested]) == (einsum([A, B, C], ["ij", "jk", "kl"], "il"),)


def test_grouping_does_not_matter_after_merging():
    BC = einsum([B, C], ["ij", "jk"], "ik")
    left = einsum([AB, C], ["ik", "kl"], "il")
    right = einsum([A, BC], ["ij", "jl"], "il")
    assert left is not right
    assert flatten([left]) == flatten([right])


def test_a_product_used_twice_is_kept():
    square = einsum([AB, AB], ["ij", "ij"], "")
    assert flatten([square]) == (square,)
    two = [einsum([AB, C], ["ik", "kl"], "il"), einsum([C, AB], ["ij", "jk"], "ik")]
    assert flatten(two) == tuple(two)


def test_coefficients_of_merged_products_multiply():
    half = scale(Fraction(1, 2), AB)
    nested = add([(4, einsum([half, C], ["ik", "kl"], "il"))])
    assert flatten([nested]) == (scale(2, einsum([A, B, C], ["ij", "jk", "kl"], "il")),)


def test_long_sums_used_once_are_merged():
    parts = [variable(f"x{k}", (2,)) for k in range(50)]
    total = parts[0]
    for part in parts[1:]:
        total = add([(1, total), (1, part)])
    (flat,) = flatten([total])
    assert isinstance(flat, Add)
    assert {term for _, term in flat.terms} == set(parts)
    (backwards,) = flatten([add([(1, part) for part in reversed(parts)])])
    assert backwards is flat


def test_like_terms_collect_across_merged_sums():
    parts = [variable(f"x{k}", (2,)) for k in range(8)]
    total = add([(1, part) for part in parts])
    (flat,) = flatten([add([(1, total), (-1, parts[0])])])
    assert {term for _, term in flat.terms} == set(parts[1:])


def test_merged_products_have_a_bounded_number_of_factors():
    total = A
    for k in range(100):
        total = einsum([total, variable(f"M{k}", (2, 2))], ["ij", "jk"], "ik")
    (flat,) = flatten([total])
    assert 100 / MOST_FACTORS < sum(1 for n in use_counts([flat]) if len(n.shape) == 2) - 101 < 20
    assert all(len(getattr(node, "operands", ())) <= MOST_FACTORS for node in use_counts([flat]))


def test_the_transpose_of_a_long_sum_is_the_sum_of_transposes():
    parts = [variable(f"x{k}", (2, 2)) for k in range(1000)]
    total, other = parts[0], einsum([parts[0]], ["ij"], "ji")
    for part in parts[1:]:
        total = add([(1, total), (1, part)])
        other = add([(1, other), (1, einsum([part], ["ij"], "ji"))])
    assert flatten([einsum([total], ["ij"], "ji")]) == flatten([other])
