"""Products of permutation symbols become deltas, in `simplify` and in `expand`."""

import numpy as np
import pytest

import einsdiff as ed

IDENTITIES = [
    ("ε_ijk ε_imn", "f_{j<3,k<3,m<3,n<3} = δ_jm δ_kn - δ_km δ_jn"),
    ("ε_ijk ε_ijn", "f_{k<3,n<3} = 2 δ_kn"),
    ("ε_ijk ε_ijk", "f = 6"),
    ("ε_ij ε_ij", "f = 2"),
    ("ε_ij ε_ik", "f_{j<2,k<2} = δ_jk"),
    ("ε_ij ε_kl", "f_{i<2,j<2,k<2,l<2} = δ_ik δ_jl - δ_jk δ_il"),
    ("ε_ijkl ε_ijkl", "f = 24"),
    ("ε_ijkl ε_ijmn", "f_{k<4,l<4,m<4,n<4} = 2 δ_km δ_ln - 2 δ_lm δ_kn"),
    ("ε_ijk a_j ε_kmn b_m c_n", "f_i = a_j b_i c_j - a_j b_j c_i"),
    ("ε_ijk (A_jk + A_kj)", "f_{i<3} = 0"),
    ("ε_ijk ε_jki", "f = 6"),
    ("ε_ijk ε_jik", "f = -6"),
]


@pytest.mark.parametrize(("text", "shown"), IDENTITIES, ids=[text for text, _ in IDENTITIES])
def test_products_of_symbols_contract(text, shown):
    assert str(ed.simplify(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        *(text for text, _ in IDENTITIES),
        "ε_ijk ε_lmn",
        "ε_ijkl ε_imno",
        "ε_ijk ε_imn a_j b_k c_m d_n",
        "ε_ijk a_i b_j c_k ε_lmn a_l b_m c_n",
        "ε_ijk ε_lmn A_il A_jm A_kn",
        "ε_ijk ε_klm ε_mnp a_j b_l c_n",
        "f_ijk = ε_ijk ε_ijk",
        "f_ijk = ε_ijk ε_ijn v_n",
    ],
)
def test_what_is_rewritten_has_the_same_values(text):
    t = ed.parse(text)
    values = {
        v.name: np.random.default_rng(k).normal(
            size=[n if isinstance(n, int) else 3 for n in v.shape]
        )
        for k, v in enumerate(t.formula.arguments)
    }
    wanted = np.asarray(t(**values) if values else t)
    for other in (ed.simplify(t), ed.expand(t)):
        np.testing.assert_allclose(
            np.asarray(other(**values) if values else other), wanted, atol=1e-12
        )
        assert ed.equal(t, other)


def test_expanding_leaves_at_most_one_symbol_in_a_term():
    for text in ("ε_ijk ε_lmn A_il A_jm A_kn", "ε_ijk ε_klm ε_mnp a_j b_l c_n"):
        terms = str(ed.expand(text)).replace(" - ", " + ").split(" + ")
        assert all(term.count("ε") < 2 for term in terms)


def test_lagranges_identity_is_known():
    assert ed.equal("(ε_ijk a_j b_k) (ε_imn a_m b_n)", "a_i a_i b_j b_j - (a_i b_i)^2")
    assert not ed.equal("(ε_ijk a_j b_k) (ε_imn a_m b_n)", "a_i a_i b_j b_j")


def test_the_determinant_is_a_sum_over_orders():
    A = ed.tensor("A", (3, 3))
    assert ed.equal(ed.parse("ε_ijk A_0i A_1j A_2k", A=A), ed.parse("det(A)", A=A))
