"""Products of second derivatives are sweeps over the function, however they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.numeric.planning.plan import plan

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(30, 4)), np.eye(5)[rng.integers(0, 5, 30)]
W, V = rng.normal(size=(4, 5)), rng.normal(size=(4, 5))


def loss(W):
    z = X @ W
    return (ed.logsumexp(z, axis=1) - np.sum(z * Y, axis=1)).mean()


def expected(f, x, v, step=1e-5):
    a, b = (np.asarray(ed.grad(f, x + s * step * v, wrt=0)) for s in (1, -1))
    return (a - b) / (2 * step)


def test_all_products_with_a_hessian_are_one_program():
    H = ed.hessian(loss, W)
    product = ed.hvp(loss, W, v=V)
    assert H.jvp(V) == product
    assert plan([H.jvp(V).expr], {}).instructions == plan([product.expr], {}).instructions
    for found in (H.jvp(V), H.vjp(V), product):
        np.testing.assert_allclose(np.asarray(found), expected(loss, W, V), atol=1e-8)
    operator = H.operator()
    columns = np.stack([V.ravel(), W.ravel()], axis=1)
    matrix = H.matrix()
    np.testing.assert_allclose(operator @ columns, matrix @ columns, atol=1e-12)
    np.testing.assert_allclose(operator.rmatmat(columns), matrix.T @ columns, atol=1e-12)


def test_no_row_of_a_softmax_needs_a_matrix():
    sizes = (200, 3, 50)
    f = ed.parse("Σ_i logsumexp(X_ij W_jk)_i", X=sizes[:2], W=sizes[1:])
    product = ed.hvp(f, wrt="W")
    assert plan([product.expr], {}).peak < 6 * 200 * 50


def test_products_of_vector_functions_and_higher_derivatives():
    A, x, v = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=4)
    f = ed.parse("f_i = exp(A_ij x_j) x_k x_k", A=A, x=x)
    H = ed.hessian(f, wrt="x")
    u = rng.normal(size=(3, 4))
    np.testing.assert_allclose(np.asarray(H.jvp(v)), np.asarray(H) @ v)
    np.testing.assert_allclose(np.asarray(H.vjp(u)), np.einsum("ip,ipq->q", u, np.asarray(H)))
    third = ed.grad(f, wrt="x", order=3)
    np.testing.assert_allclose(np.asarray(third.jvp(v)), np.asarray(third) @ v)
    operator, columns = H.operator(), rng.normal(size=(12, 3))
    np.testing.assert_allclose(operator.rmatmat(columns), H.matrix().T @ columns)
    np.testing.assert_allclose(operator @ columns[:4], H.matrix() @ columns[:4])


def test_mixed_derivatives_know_which_variable_came_first():
    x, y = rng.normal(size=3), rng.normal(size=2)
    f = ed.parse("exp(x_i B_ij y_j) x_k x_k", B=rng.normal(size=(3, 2)), x=x, y=y)
    mixed = ed.grad(ed.grad(f, wrt="x"), wrt="y")
    matrix = np.asarray(mixed)
    np.testing.assert_allclose(np.asarray(mixed.jvp(y)), matrix @ y)
    np.testing.assert_allclose(np.asarray(mixed.vjp(x)), x @ matrix)


@pytest.mark.parametrize("side", ["jvp", "vjp"])
def test_directions_of_symmetric_variables_are_symmetrised(side):
    S = rng.normal(size=(3, 3))
    S = ed.tensor("S", S @ S.T + np.eye(3), symmetric=True)
    f = ed.logdet(S) * ed.parse("S_ij S_ij", S=S)
    H = ed.hessian(f, wrt="S")
    direction = rng.normal(size=(3, 3))
    whole = np.asarray(H)
    subscripts = "pqrs,rs->pq" if side == "jvp" else "pqrs,pq->rs"
    found = np.asarray(getattr(H, side)(direction))
    np.testing.assert_allclose(found, np.einsum(subscripts, whole, direction))
    operator = H.operator()
    columns = rng.normal(size=(9, 2))
    np.testing.assert_allclose(operator @ columns, H.matrix() @ columns)


def test_a_variable_that_is_given_twice_has_the_sum_of_directions():
    x = rng.normal(size=3)
    first, second = ed.hvp("exp(x_i x_i)", wrt=("x", "x"), v=(x, 2 * x), x=x)
    once = ed.hvp("exp(x_i x_i)", wrt="x", v=3 * x, x=x)
    for found in (first, second):
        np.testing.assert_allclose(np.asarray(found), np.asarray(once))
