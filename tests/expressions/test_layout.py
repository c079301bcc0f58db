"""Layouts: which axes of a derivative become rows and columns, and in which order."""

from __future__ import annotations

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.expressions.layout import as_matrix, check_layout

A = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
X = np.array([[1.0, -1.0], [0.5, 2.0], [3.0, 1.0]])
B = np.array([[2.0, 1.0, 0.0, 1.0], [1.0, 3.0, 5.0, -2.0]])
x = np.array([7.0, 8.0, 9.0])


def vec(array, order):
    return np.asarray(array).ravel(order=order)


@pytest.mark.parametrize(
    ("layout", "order", "expected"),
    [
        ("numerator", "C", [[7, 8, 9, 0, 0, 0], [0, 0, 0, 7, 8, 9]]),
        ("numerator", "F", [[7, 0, 8, 0, 9, 0], [0, 7, 0, 8, 0, 9]]),
        ("denominator", "C", [[7, 0], [8, 0], [9, 0], [0, 7], [0, 8], [0, 9]]),
        ("denominator", "F", [[7, 0], [0, 7], [8, 0], [0, 8], [9, 0], [0, 9]]),
    ],
)
def test_each_layout_of_a_derivative_by_a_matrix(layout, order, expected):
    J = ed.grad("ij,j->i", A, x, wrt="A")
    np.testing.assert_array_equal(J.matrix(layout=layout, order=order), expected)
    np.testing.assert_array_equal(J.matrix(layout, order), expected)


def test_the_numerator_layout_with_the_last_axis_fastest_is_the_default():
    J = ed.grad("ij,jk->ik", A, X, wrt="X")
    np.testing.assert_array_equal(J.matrix(), J.matrix(layout="numerator", order="C"))
    np.testing.assert_array_equal(J.matrix(), np.asarray(J).reshape(4, 6))


def test_the_matrix_of_a_product_is_the_kronecker_product_of_the_textbooks():
    J = ed.grad("ij,jk,kl->il", A, X, B, wrt="X")
    np.testing.assert_allclose(J.matrix(order="F"), np.kron(B.T, A))
    np.testing.assert_allclose(J.matrix(order="C"), np.kron(A, B.T))


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_matrix_maps_the_vec_of_the_variable_to_the_vec_of_a_linear_function(order):
    J = ed.grad("ij,jk,kl->il", A, X, B, wrt="X")
    value = vec(A @ X @ B, order)
    np.testing.assert_allclose(J.matrix(order=order) @ vec(X, order), value)
    np.testing.assert_allclose(vec(X, order) @ J.matrix("denominator", order), value)


def test_a_gradient_is_a_row_or_a_column_and_a_function_has_one_column():
    gradient = ed.grad("ij,j->", A, x, wrt="A")
    assert gradient.matrix().shape == (1, 6)
    assert gradient.matrix(layout="denominator").shape == (6, 1)
    assert ed.einsum("ij->ij", A).matrix().shape == (6, 1)
    assert ed.einsum("ij->", A).matrix().shape == (1, 1)


def test_the_matrix_of_a_hessian_is_that_of_the_gradients_derivative():
    H = ed.hessian("ij,ij,j->", A, A, x, wrt="A")
    np.testing.assert_array_equal(H.matrix(), np.diag(2 * np.tile(x, 2)))
    mixed = ed.grad(ed.grad("ij,j->", A, x, wrt="A"), wrt="x")
    assert mixed.matrix().shape == (6, 3)


@pytest.mark.parametrize("layout", ["numerator", "denominator"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    ("shape", "domain"), [((2, 2, 3), 2), ((2, 3, 4), 1), ((2, 3), 0), ((2, 3), 2), ((), 0)]
)
def test_entries_stand_where_their_indices_say(shape, domain, order, layout):
    array = np.arange(float(np.prod(shape))).reshape(shape)
    matrix = as_matrix(array, domain, layout, order)
    split = len(shape) - domain
    sides = shape[:split], shape[split:]
    for index in np.ndindex(shape):
        halves = index[:split], index[split:]
        row, column = (
            np.ravel_multi_index(half, side, order=order) if side else 0
            for half, side in zip(halves, sides, strict=True)
        )
        at = (row, column) if layout == "numerator" else (column, row)
        assert matrix[at] == array[index]
    assert matrix.size == array.size


@pytest.mark.parametrize(("shape", "expected"), [((0, 2, 3), (0, 6)), ((2, 0), (2, 0))])
def test_an_empty_derivative_has_a_matrix(shape, expected):
    assert as_matrix(np.ones(shape), len(shape) - 1).shape == expected
    assert as_matrix(np.ones(shape), len(shape) - 1, "denominator").shape == expected[::-1]


@pytest.mark.parametrize("layout", ["numerator", "denominator"])
def test_a_matrix_is_a_view_where_it_can_be(layout):
    array = np.ones((2, 3, 4))
    assert np.shares_memory(as_matrix(array, 1, layout), array)


def test_layouts_are_checked_before_anything_is_computed():
    not_computable = ed.einsum("ij,j->i", "A", "x")
    with pytest.raises(ed.LayoutError):
        not_computable.matrix(layout="row")
    with pytest.raises(ed.LayoutError):
        not_computable.matrix(order="A")
    with pytest.raises(ed.BindingError):
        not_computable.matrix()
    for layout in ("numerator", "denominator"):
        for order in ("C", "F"):
            check_layout(layout, order)
