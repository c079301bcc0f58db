"""Derivatives as products that stand among zeros, each at its places."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.derivatives.placing import placed


def chain(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def five_points(u):
    across, down = u[1:, :] - u[:-1, :], u[:, 1:] - u[:, :-1]
    return 0.5 * np.sum(across**2) + 0.5 * np.sum(down**2) + 0.25 * np.sum((u**2 - 1) ** 2)


def plate(u):
    across, down = u[1:, :-1] - u[:-1, :-1], u[:-1, 1:] - u[:-1, :-1]
    return np.sum(np.sqrt(1 + across**2 + down**2))


def elements(F):
    a, b, c, d = F[:, 0, 0], F[:, 0, 1], F[:, 1, 0], F[:, 1, 1]
    return np.sum((a * d - b * c) ** 2 + np.log(a**2 + d**2 + 1))


def far_apart(x):
    return np.sum(np.sin(x[::2] * x[1::2])) + np.sum(x[2:] * x[:-2] ** 2)


LOSSES = [
    (chain, (7,), 3),
    (five_points, (5, 4), 5),
    (plate, (5, 4), 7),
    (elements, (4, 3, 3), 4),
    (far_apart, (8,), 4),
]


@pytest.mark.parametrize(("loss", "shape", "most"), LOSSES, ids=[row[0].__name__ for row in LOSSES])
def test_what_can_be_other_than_zero_is_stored_and_no_more(loss, shape, most):
    x = np.random.default_rng(0).normal(size=shape)
    H = ed.hessian(loss, x, wrt=0)
    dense = np.asarray(H).reshape(x.size, x.size)
    matrix = H.sparse()
    np.testing.assert_allclose(matrix.toarray(), dense, atol=1e-12)
    assert matrix.nnz == np.count_nonzero(np.abs(dense) > 1e-13)
    assert np.diff(matrix.tocsr().indptr).max() <= most
    np.testing.assert_allclose(H.cores().dense().reshape(dense.shape), dense, atol=1e-12)


@pytest.mark.parametrize(("loss", "shape", "most"), LOSSES, ids=[row[0].__name__ for row in LOSSES])
def test_a_placed_derivative_is_the_same(loss, shape, most):
    del most
    H = ed.hessian(loss, np.random.default_rng(1).normal(size=shape), wrt=0)
    node = placed(H.formula.expr, H.formula.domain)
    again = H._part(node, tuple("abcdefgh"[: H.ndim]))
    np.testing.assert_allclose(np.asarray(again), np.asarray(H), atol=1e-12)


@settings(max_examples=60)
@given(
    st.integers(3, 9),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 3)), min_size=1),
    st.integers(0, 2**32 - 1),
)
def test_sums_of_products_of_shifted_entries(n, pairs, seed):
    """Sums of products of entries a few places apart, in brackets that share shifts."""
    x = np.random.default_rng(seed).normal(size=n + 2)

    def loss(x):
        total = 0
        for first, second, power in pairs[:4]:
            total = total + np.sum(
                (x[first : first + n] - 2 * x[second : second + n] ** power) ** 2
            )
        return total

    H = ed.hessian(loss, x, wrt="x")
    dense = np.asarray(H)
    np.testing.assert_allclose(H.sparse().toarray(), dense, rtol=1e-9, atol=1e-9)
    G = ed.grad(loss, x, wrt="x")
    np.testing.assert_allclose(G.cores().dense(), np.asarray(G), rtol=1e-9, atol=1e-9)


def test_large_maps_take_no_more_room_than_their_entries():
    x = np.linspace(-1, 1, 100_000)
    H = ed.hessian(chain, x, wrt="x")
    assert H.sparse().nnz == 3 * len(x) - 2
    assert H.cores().count <= 4 * len(x)
    u = np.random.default_rng(0).normal(size=(200, 300))
    assert ed.hessian(five_points, u, wrt="u").sparse().nnz <= 5 * u.size
