"""Derivatives of determinants of matrices that have an inverse, and of matrices that have none.

A determinant is a polynomial, so that its derivatives are compared with those of the sum over
permutations, entry by entry.
"""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.numeric.planning import cofactors
from einsdiff.numeric.running import kernels as special
from tests.numeric.source.test_code import run
from tests.oracle import finite_differences

RNG = np.random.default_rng(3)


def by_permutations(X: np.ndarray, order: int) -> np.ndarray:
    """Differentiate the sum of signed products of entries, of which each row and column has one."""
    n = len(X)
    result = np.zeros((n, n) * order, X.dtype)
    for columns in permutations(range(n)):
        sign = (-1) ** sum(a > b for k, b in enumerate(columns) for a in columns[:k])
        for rows in product(range(n), repeat=order):
            if len(set(rows)) == order:
                rest = [X[i, columns[i]] for i in range(n) if i not in rows]
                at = tuple(index for row in rows for index in (row, columns[row]))
                result[at] += sign * np.prod(rest)
    return result


def derivative(X: np.ndarray, order: int) -> ed.Tensor:
    t = ed.det(ed.tensor("X", X))
    for _ in range(order):
        t = ed.grad(t, wrt="X")
    return t


def of_rank(n: int, rank: int) -> np.ndarray:
    return RNG.normal(size=(n, rank)) @ RNG.normal(size=(rank, n))


MATRICES = {
    "one": np.array([[3.0]]),
    "one that is zero": np.zeros((1, 1)),
    "two": np.array([[1.0, 2.0], [2.0, 4.0]]),
    "diagonal": np.diag([1.0, 2.0, 0.0]),
    "two zeros": np.diag([0.0, 0.0, 3.0]),
    "zero": np.zeros((3, 3)),
    "regular": RNG.normal(size=(4, 4)),
    **{f"rank {rank} of 4": of_rank(4, rank) for rank in (1, 2, 3)},
    "nearly singular": of_rank(3, 2) + 1e-13 * RNG.normal(size=(3, 3)),
    "complex": of_rank(3, 2) + 1j * of_rank(3, 2) @ np.diag([1, 0, 0]),
    "integers": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
    "nilpotent": np.diag([1.0, 1.0], 1),
}


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("name", MATRICES)
def test_derivatives_of_a_determinant_are_polynomials(name, order):
    X = MATRICES[name]
    wanted = by_permutations(X, order)
    scale = max(np.abs(wanted).max(), 1)
    np.testing.assert_allclose(np.asarray(derivative(X, order)), wanted, atol=2e-13 * scale)
    large = X.astype(np.result_type(X, float)) * 1e100
    if len(X) - order <= 2:
        found = np.asarray(derivative(large, order)) / 1e100 ** max(len(X) - order, 0)
        np.testing.assert_allclose(found, wanted, atol=2e-13 * scale)


def test_the_text_stays_that_of_the_textbook_and_is_computed_as_it_reads():
    X = np.diag([1.0, 2.0, 0.0])
    H = derivative(X, 2)
    text = "∂²f/∂X_pq∂X_rs = det(X) inv(X)_qp inv(X)_sr - det(X) inv(X)_qr inv(X)_sp"
    assert str(H) == text
    np.testing.assert_array_equal(np.asarray(ed.parse(text, X=X)), by_permutations(X, 2))
    adjugate = np.asarray(ed.parse("f_ij = det(X) inv(X)_ij", X=X))
    np.testing.assert_array_equal(adjugate, np.diag([0, 0, 2]))


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_sizes_whose_powers_overflow(scale):
    np.testing.assert_allclose(np.asarray(derivative(scale * np.eye(2), 1)), scale * np.eye(2))
    X = np.diag([scale, 1 / scale])
    np.testing.assert_allclose(np.asarray(derivative(X, 1)), np.diag([1 / scale, scale]))


def test_a_batch_with_all_kinds_of_matrices():
    X = np.stack([np.eye(3), np.diag([1.0, 2, 0]), np.diag([0, 0, 1.0]), np.full((3, 3), np.nan)])
    t = ed.det(ed.tensor("X", X))
    g = np.asarray(ed.grad(ed.sum(t), wrt="X"))
    np.testing.assert_array_equal(g[:3], [by_permutations(A, 1) for A in X[:3]])
    assert np.isnan(g[3]).all()
    H = np.asarray(ed.grad(ed.grad(t, wrt="X"), wrt="X"))
    for k, A in enumerate(X[:3]):
        np.testing.assert_allclose(H[k, k, :, :, k], by_permutations(A, 2), atol=1e-14)


COMPOSED = {
    "a square": lambda X: ed.det(X) ** 2,
    "an exponential": lambda X: ed.exp(ed.det(X)),
    "a product": lambda X: ed.det(X) * ed.trace(X),
    "of a polynomial": lambda X: ed.det(X @ X.T + X),
    "two": lambda X: ed.det(X) ** 3 * ed.det(X.T),
    "a sum": lambda X: ed.sum(X * X) + 3 * ed.det(2 * X),
    "a sine": lambda X: ed.sin(ed.det(X) + X[0, 1]),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_functions_of_determinants(name):
    f = COMPOSED[name]
    X = np.diag([1.0, 2.0, 0.0])

    def at(order):
        def value(X):
            t = f(ed.tensor("X", X))
            for _ in range(order):
                t = ed.grad(t, wrt="X")
            return np.asarray(t)

        return value

    for order in (1, 2, 3):
        wanted = finite_differences(at(order - 1), X)
        np.testing.assert_allclose(at(order)(X), wanted, atol=1e-6)


def test_products_with_the_hessian_form_no_array_of_four_axes():
    X, v = of_rank(30, 29), RNG.normal(size=(30, 30))
    f = ed.parse("det(X)", X=X)
    product_ = ed.hvp(f, wrt="X", v=v)
    assert "(30, 30, 30" not in product_.code()
    h = 1e-6
    g = [np.asarray(derivative(X + s * h * v, 1)) for s in (1, -1)]
    wanted = (g[0] - g[1]) / (2 * h)
    np.testing.assert_allclose(np.asarray(product_), wanted, atol=1e-5 * np.abs(wanted).max())


def test_what_is_divided_by_the_determinant_stays_an_inverse():
    X = np.array([[2.0, 1.0], [0.5, 3.0]])
    for f in (ed.log(ed.det(ed.tensor("X", X))), 1 / ed.det(ed.tensor("X", X))):
        H = ed.grad(ed.grad(f, wrt="X"), wrt="X")
        assert "cofactor" not in H.code()
    for f in (ed.logdet, ed.inv):
        with pytest.raises(np.linalg.LinAlgError):
            np.asarray(ed.grad(f(ed.tensor("X", np.diag([1.0, 0.0]))), wrt="X"))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_code_computes_them_too(backend, order):
    pytest.importorskip(backend)
    for X in (np.diag([1.0, 2.0, 0.0]), of_rank(4, 2), RNG.normal(size=(3, 3))):
        code = derivative(X, order).code(backend)
        found = np.asarray(run(code, {"X": X}, backend))
        np.testing.assert_allclose(found, by_permutations(X, order), atol=1e-12)


@pytest.mark.parametrize("order", [2, 3])
def test_inverses_and_singular_values_agree(order, monkeypatch):
    X = RNG.normal(size=(4, 4)) + 3 * np.eye(4)
    wanted = np.asarray(derivative(X, order))
    parts = special.cofactor_left(X, order), special.cofactor_right(X, order)
    rest = special.cofactor_rest(X, order)
    assert np.array_equal(parts[0], np.eye(4))  # by the inverse
    assert rest.shape == (4,) * order
    np.testing.assert_allclose(wanted, by_permutations(X, order), atol=1e-12 * np.abs(wanted).max())


def test_matrices_without_entries():
    assert np.asarray(derivative(np.zeros((0, 0)), 1)).shape == (0, 0)
    assert np.asarray(derivative(np.zeros((0, 0)), 2)).shape == (0, 0, 0, 0)


def test_the_search_for_cofactors_has_an_end(monkeypatch):
    X = ed.tensor("X", (3, 3))
    f = ed.det(X)
    for k in range(5):
        f = ed.sin(f) * ed.det(X @ ed.tensor(f"A{k}", (3, 3))) + f * f
    node = ed.grad(ed.grad(f, wrt="X"), wrt="X").formula.expr
    made = []
    einsum_ = cofactors.einsum

    def counted(*args):
        made.append(1)
        return einsum_(*args)

    monkeypatch.setattr(cofactors, "einsum", counted)
    cofactors.with_cofactors([node])
    assert 0 < len(made) <= 30 * cofactors.MOST_PRODUCTS
    monkeypatch.setattr(cofactors, "MOST_PRODUCTS", 0)
    node = derivative(np.eye(3), 2).formula.expr
    assert cofactors.with_cofactors([node]) == (node,)  # by inverses, as it is written


def test_what_a_kernel_returns_can_be_written_into():
    H = ed.hessian(lambda B: np.linalg.det(B), np.array([[0.12]]), wrt="B")
    np.testing.assert_array_equal(np.asarray(H), np.zeros((1, 1, 1, 1)))
