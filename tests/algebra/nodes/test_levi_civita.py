"""The permutation symbol as a node: its signs, where it vanishes, and its values."""

import pickle
from itertools import permutations

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.algebra.nodes.function_records import KERNELS
from einsdiff.algebra.nodes.interning import variable
from einsdiff.algebra.nodes.levi_civita import LEVI_CIVITA, levi_civita, parity
from einsdiff.algebra.nodes.nodes import einsum, is_zero, scale


def by_orders(n: int) -> np.ndarray:
    """Return the symbol's entries from the sign of each order."""
    found = np.zeros((n,) * n)
    for order in permutations(range(n)):
        matrix = np.eye(n)[list(order)]
        found[order] = round(np.linalg.det(matrix))
    return found


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_the_entries_are_the_signs_of_the_orders(n):
    labels = "ijklm"[:n]
    np.testing.assert_array_equal(np.asarray(ed.parse(f"f_{labels} = ε_{labels}")), by_orders(n))


def test_an_odd_order_of_the_labels_is_a_minus():
    for order in permutations("ijk"):
        found = einsum([levi_civita(3)], [order], "ijk")
        assert found is scale(parity(order), levi_civita(3))


def test_of_a_label_twice_it_is_zero():
    assert is_zero(einsum([levi_civita(3)], ["iij"], "j"))
    assert is_zero(einsum([levi_civita(3)], ["iij"], "ij"))


@pytest.mark.parametrize(
    "text",
    [
        "ε_ijk a_j a_k",
        "ε_ij A_ik A_jk",
        "ε_ijk A_jl A_kl",
        "ε_ijk a_i b_j a_k",
        "ε_ijkl a_i b_j c_k a_l",
        "ε_ijk ∂²φ/∂x_j∂x_k",
        "Σ_ijk ε_ijk",
    ],
)
def test_what_an_exchange_of_labels_does_not_change_is_zero(text):
    node = ed.parse(text).expr
    assert is_zero(node)


def test_what_is_not_zero_stays():
    A, a, b = random(3, 3), random(3), random(3) + 1
    assert float(ed.parse("ε_ijk A_0i A_1j A_2k", A=A)) == pytest.approx(np.linalg.det(A))
    assert float(ed.parse("ε_ijk A_ij a_k", A=A, a=a)) != 0
    assert float(ed.parse("ε_ijk ε_lmn A_il A_jm A_kn", A=A)) == pytest.approx(6 * np.linalg.det(A))
    assert np.asarray(ed.parse("ε_ijk a_j b_k", a=a, b=b)).any()


def test_two_spellings_of_a_cross_product_are_one():
    same = ["ε_ijk a_j b_k", "-ε_ijk b_j a_k", "ε_kij a_i b_j", "-a_q ε_qpr b_r", "b_k ε_kij a_j"]
    nodes = {ed.parse(text).formula.normal_form for text in same}
    assert len(nodes) == 1
    assert ed.parse("ε_ijk b_j a_k") == -ed.parse("ε_ijk a_j b_k")
    assert ed.parse("ε_ijk b_j a_k") != ed.parse("ε_ijk a_j b_k")


def test_a_cross_product_is_that_of_numpy():
    a, b = random(3), random(3) ** 2
    np.testing.assert_allclose(np.asarray(ed.parse("ε_ijk a_j b_k", a=a, b=b)), np.cross(a, b))
    many, more = random(5, 3), random(5, 3) ** 3
    found = ed.parse("f_ni = ε_ijk A_nj B_nk", A=many, B=more)
    np.testing.assert_allclose(np.asarray(found), np.cross(many, more))


def test_dtypes_are_those_of_the_operands():
    for dtype in ("int64", "float32", "float64", "complex128"):
        a = np.arange(3).astype(dtype)
        assert ed.parse("ε_ijk a_j b_k", a=a, b=a[::-1].copy()).dense().dtype == dtype


def test_the_derivative_is_checked_by_differences():
    a, b, A = random(3), random(3) + 1, random(3, 3)
    for text, names in (
        ("ε_ijk a_j b_k", {"a": a, "b": b}),
        ("ε_ijk A_jk", {"A": A}),
        ("ε_ijk a_i b_j A_kl a_l", {"a": a, "b": b, "A": A}),
        ("exp(ε_ijk a_j b_k)", {"a": a, "b": b}),
    ):
        for name in names:
            ed.check(text, **names, wrt=name)


def test_it_is_stored_and_found_again():
    f = ed.parse("ε_ijk a_j b_k")
    assert pickle.loads(pickle.dumps(f)).expr is f.expr
    assert all(node.function in KERNELS.values() for node in LEVI_CIVITA.values())


def test_a_variable_of_the_same_shape_is_another_tensor():
    E = variable("E", (3, 3, 3))
    assert einsum([E], ["jik"], "ijk") is not scale(-1, E)
