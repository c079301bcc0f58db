"""The catalogue of formulas: each row is an expression, its derivative, and how that is printed.

Every derivative is compared with the closed form, with differences of the order below, and with
JAX; its formula, its shape and its matrices are checked as well. A new formula is one more `Row`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import numpy as np
import pytest

import einsdiff as ed
from tests.oracle import finite_differences

jax.config.update("jax_enable_x64", True)

#: The sizes that the rows name, all different, so that no axis can pass for another.
SIZES = {"k": 2, "m": 3, "n": 4}


@dataclass(frozen=True)
class Row:
    """One formula of the catalogue.

    `build` makes the expression of tensors (or arrays); `value` is the same function of NumPy or
    JAX arrays, in matrix notation; `expected` is the closed form of the derivative. All three
    take the variables by name.
    """

    id: str
    shapes: dict[str, str]
    build: Callable[..., ed.Tensor]
    value: Callable[..., Any]
    wrt: str
    expected: Callable[..., Any]
    formula: str
    order: int = 1
    symmetric: tuple[str, ...] = ()


def entries(shape: str, entry: Callable[..., Any]) -> np.ndarray:
    """Write a tensor down entry by entry; `shape` names its sizes."""
    result = np.empty([SIZES[name] for name in shape])
    for index in np.ndindex(result.shape):
        result[index] = entry(*index)
    return result


def gram_by_cases(R):
    """Write down the derivative of RᵀR, case by case."""

    def entry(p, q, i, j):
        if j == p == q:
            return 2 * R[i, q]
        if j == p:
            return R[i, q]
        if j == q:
            return R[i, p]
        return 0

    return entries("nnmn", entry)


def squares(y, A, x):
    """Write down the sum of squares of y - Ax."""
    r = y - ed.einsum("ij,j->i", A, x)
    return ed.einsum("i,i->", r, r)


ROWS = [
    # --- index rules
    Row(
        "A1",
        {"x": "n"},
        build=lambda x: ed.einsum("i->i", x),
        value=lambda x: x,
        wrt="x",
        expected=lambda x: np.eye(SIZES["n"]),
        formula="∂f_i/∂x_p = δ_ip",
    ),
    Row(
        "A2",
        {"A": "mn"},
        build=lambda A: ed.einsum("ij->ij", A),
        value=lambda A: A,
        wrt="A",
        expected=lambda A: entries("mnmn", lambda i, j, p, q: i == p and j == q),
        formula="∂f_ij/∂A_pq = δ_ip δ_jq",
    ),
    Row(
        "A3",
        {"c": "n", "x": "n"},
        build=lambda c, x: ed.einsum("i,i->", c, x),
        value=lambda c, x: c @ x,
        wrt="x",
        expected=lambda c, x: c,
        formula="∂f/∂x_p = c_p",
    ),
    Row(
        "A4",
        {"x": "n"},
        build=lambda x: ed.einsum("i,i->", x, x),
        value=lambda x: x @ x,
        wrt="x",
        expected=lambda x: 2 * x,
        formula="∂f/∂x_p = 2 x_p",
    ),
    Row(
        "A5",
        {"A": "mn", "x": "n"},
        build=lambda A, x: ed.einsum("ij,j->i", A, x),
        value=lambda A, x: A @ x,
        wrt="x",
        expected=lambda A, x: A,
        formula="∂f_i/∂x_p = A_ip",
    ),
    Row(
        "A6",
        {"A": "mn", "x": "n"},
        build=lambda A, x: ed.einsum("ij,j->i", A, x),
        value=lambda A, x: A @ x,
        wrt="A",
        expected=lambda A, x: entries("mmn", lambda i, p, q: x[q] if i == p else 0),
        formula="∂f_i/∂A_pq = δ_ip x_q",
    ),
    Row(
        "A7",
        {"R": "mn"},
        build=lambda R: ed.einsum("mp,mq->pq", R, R),
        value=lambda R: R.T @ R,
        wrt="R",
        expected=lambda R: entries(
            "nnmn", lambda p, q, i, j: (j == p) * R[i, q] + (j == q) * R[i, p]
        ),
        formula="∂f_pq/∂R_rs = δ_ps R_rq + δ_qs R_rp",
    ),
    Row(
        "A8",
        {"R": "mn"},
        build=lambda R: ed.einsum("mp,mq->pq", R, R),
        value=lambda R: R.T @ R,
        wrt="R",
        expected=gram_by_cases,
        formula="∂f_pq/∂R_rs = δ_ps R_rq + δ_qs R_rp",
    ),
    Row(
        "A9",
        {"a": "m", "X": "mn", "b": "n"},
        build=lambda a, X, b: ed.einsum("i,ij,j->", a, X, b),
        value=lambda a, X, b: a @ X @ b,
        wrt="X",
        expected=lambda a, X, b: np.outer(a, b),
        formula="∂f/∂X_pq = a_p b_q",
    ),
    Row(
        "A10",  # the entry i of f by the row k of A
        {"A": "mn", "x": "n"},
        build=lambda A, x: ed.einsum("ij,j->i", A, x),
        value=lambda A, x: A @ x,
        wrt="A",
        expected=lambda A, x: [[x * (i == k) for k in range(len(A))] for i in range(len(A))],
        formula="∂f_i/∂A_pq = δ_ip x_q",
    ),
    # --- vectors and quadratic forms
    Row(
        "B1",
        {"y": "m", "A": "mn", "x": "n"},
        build=lambda y, A, x: ed.einsum("i,ij,j->", y, A, x),
        value=lambda y, A, x: y @ A @ x,
        wrt="x",
        expected=lambda y, A, x: y @ A,
        formula="∂f/∂x_p = y_i A_ip",
    ),
    Row(
        "B2",
        {"y": "m", "A": "mn", "x": "n"},
        build=lambda y, A, x: ed.einsum("i,ij,j->", y, A, x),
        value=lambda y, A, x: y @ A @ x,
        wrt="y",
        expected=lambda y, A, x: x @ A.T,
        formula="∂f/∂y_p = A_pj x_j",
    ),
    Row(
        "B3",
        {"x": "n", "A": "nn"},
        build=lambda x, A: ed.einsum("i,ij,j->", x, A, x),
        value=lambda x, A: x @ A @ x,
        wrt="x",
        expected=lambda x, A: x @ (A + A.T),
        formula="∂f/∂x_p = x_i A_ip + x_i A_pi",
    ),
    Row(
        "B4",
        {"x": "n", "A": "nn"},
        symmetric=("A",),
        build=lambda x, A: ed.einsum("i,ij,j->", x, A, x),
        value=lambda x, A: x @ A @ x,
        wrt="x",
        expected=lambda x, A: 2 * x @ A,
        formula="∂f/∂x_p = 2 x_i A_ip",
    ),
    Row(
        "B5",
        {"x": "n", "A": "nn"},
        build=lambda x, A: ed.einsum("i,ij,j->", x, A, x),
        value=lambda x, A: x @ A @ x,
        wrt="x",
        order=2,
        expected=lambda x, A: A + A.T,
        formula="∂²f/∂x_p∂x_q = A_pq + A_qp",
    ),
    Row(
        "B11",
        {"y": "m", "A": "mn", "x": "n"},
        build=squares,
        value=lambda y, A, x: (y - A @ x) @ (y - A @ x),
        wrt="x",
        expected=lambda y, A, x: -2 * (y - A @ x) @ A,
        formula="∂f/∂x_p = -2 (y_i - A_ij x_j) A_ip",
    ),
    Row(
        "B12",
        {"y": "m", "A": "mn", "x": "n"},
        build=squares,
        value=lambda y, A, x: (y - A @ x) @ (y - A @ x),
        wrt="x",
        order=2,
        expected=lambda y, A, x: 2 * A.T @ A,
        formula="∂²f/∂x_p∂x_q = 2 A_ip A_iq",
    ),
    # --- traces
    Row(
        "E1",
        {"X": "nn"},
        build=lambda X: ed.einsum("ii", X),
        value=lambda X: X.trace(),
        wrt="X",
        expected=lambda X: np.eye(SIZES["n"]),
        formula="∂f/∂X_pq = δ_pq",
    ),
    Row(
        "E2a",
        {"A": "nm", "X": "mn"},
        build=lambda A, X: ed.einsum("ij,ji->", A, X),
        value=lambda A, X: (A @ X).trace(),
        wrt="X",
        expected=lambda A, X: A.T,
        formula="∂f/∂X_pq = A_qp",
    ),
    Row(
        "E2b",
        {"X": "mn", "A": "nm"},
        build=lambda X, A: ed.einsum("ij,ji->", X, A),
        value=lambda X, A: (X @ A).trace(),
        wrt="X",
        expected=lambda X, A: A.T,
        formula="∂f/∂X_pq = A_qp",
    ),
    Row(
        "E2c",
        {"A": "mn", "X": "mn"},
        build=lambda A, X: ed.einsum("ij,ij->", A, X),
        value=lambda A, X: (A @ X.T).trace(),
        wrt="X",
        expected=lambda A, X: A,
        formula="∂f/∂X_pq = A_pq",
    ),
    Row(
        "E3",
        {"A": "km", "X": "mn", "B": "nk"},
        build=lambda A, X, B: ed.einsum("ij,jk,ki->", A, X, B),
        value=lambda A, X, B: (A @ X @ B).trace(),
        wrt="X",
        expected=lambda A, X, B: A.T @ B.T,
        formula="∂f/∂X_pq = A_ip B_qi",
    ),
    Row(
        "E4",
        {"X": "mn"},
        build=lambda X: ed.einsum("ji,ji->", X, X),
        value=lambda X: (X.T @ X).trace(),
        wrt="X",
        expected=lambda X: 2 * X,
        formula="∂f/∂X_pq = 2 X_pq",
    ),
    Row(
        "E6",
        {"X": "mn", "A": "mm"},
        build=lambda X, A: ed.einsum("ji,jk,ki->", X, A, X),
        value=lambda X, A: (X.T @ A @ X).trace(),
        wrt="X",
        expected=lambda X, A: (A + A.T) @ X,
        formula="∂f/∂X_pq = X_jq A_jp + X_jq A_pj",
    ),
]

every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)


def arrays_of(row: Row) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(20240229)
    arrays = {}
    for name, shape in row.shapes.items():
        array = rng.normal(size=[SIZES[size] for size in shape])
        arrays[name] = array + array.T if name in row.symmetric else array
    return arrays


def expression(row: Row, values: dict[str, Any]) -> ed.Tensor:
    """Build a row's expression of arrays, or of shapes."""
    return row.build(
        **{name: ed.tensor(name, v, symmetric=name in row.symmetric) for name, v in values.items()}
    )


def derivative(row: Row, values: dict[str, Any]) -> ed.Tensor:
    return ed.grad(expression(row, values), wrt=row.wrt, order=row.order)


def closed_form(row: Row) -> np.ndarray:
    return np.asarray(row.expected(**arrays_of(row)))


def test_every_row_is_there_once():
    ids = [row.id for row in ROWS]
    assert len(set(ids)) == len(ids)


@every_row
def test_expression_is_that_of_matrix_notation(row):
    arrays = arrays_of(row)
    np.testing.assert_allclose(expression(row, arrays), row.value(**arrays), rtol=1e-12)


@every_row
def test_numbers_are_those_of_the_closed_form(row):
    J = derivative(row, arrays_of(row))
    np.testing.assert_allclose(J, closed_form(row), rtol=1e-12, atol=1e-12)
    by_name = derivative(row, row.shapes)(**arrays_of(row))
    np.testing.assert_array_equal(by_name, np.asarray(J))


@every_row
def test_numbers_are_the_differences_of_the_order_below(row):
    arrays = arrays_of(row)
    below = expression(row, arrays)
    if row.order > 1:
        below = ed.grad(below, wrt=row.wrt, order=row.order - 1)
    expected = finite_differences(lambda v: below(**{row.wrt: v}), arrays[row.wrt])
    np.testing.assert_allclose(derivative(row, arrays), expected, rtol=1e-9, atol=1e-9)


@every_row
def test_numbers_are_those_of_jax(row):
    arrays = arrays_of(row)
    oracle = {1: jax.jacobian, 2: jax.hessian}[row.order]
    expected = oracle(lambda v: row.value(**{**arrays, row.wrt: v}))(arrays[row.wrt])
    assert expected.dtype == np.float64
    np.testing.assert_allclose(derivative(row, arrays), expected, rtol=1e-12, atol=1e-12)


@every_row
def test_formula_is_printed(row):
    assert str(derivative(row, row.shapes)) == row.formula
    assert str(derivative(row, arrays_of(row))) == row.formula


@every_row
def test_plain_arrays_are_called_what_the_variables_are_called(row):
    values: dict[str, Any] = arrays_of(row)
    for name in row.symmetric:  # this is known of tensors only
        values[name] = ed.tensor(name, values[name], symmetric=True)
    J = ed.grad(row.build(**values), wrt=row.wrt, order=row.order)
    assert str(J) == row.formula
    np.testing.assert_array_equal(J, derivative(row, arrays_of(row)))


@every_row
@pytest.mark.parametrize("vec", ["C", "F"])
def test_shape_and_matrix_are_codomain_by_domain(row, vec):
    arrays = arrays_of(row)
    J, expected, x = derivative(row, arrays), closed_form(row), arrays[row.wrt]
    codomain = expression(row, arrays).shape + x.shape * (row.order - 1)
    assert J.shape == np.asarray(J).shape == codomain + x.shape

    matrix = np.reshape(expected, (prod(codomain), prod(x.shape)), order=vec)
    numerator = J.matrix(order=vec)
    np.testing.assert_allclose(numerator, matrix, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(J.matrix("denominator", vec), numerator.T)

    v, u = np.cos(np.arange(x.size)), np.sin(1.0 + np.arange(prod(codomain)))
    jvp = J.jvp(np.reshape(v, x.shape, order=vec))
    vjp = J.vjp(np.reshape(u, codomain, order=vec))
    np.testing.assert_allclose(np.ravel(jvp, vec), matrix @ v, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(np.ravel(vjp, vec), u @ matrix, rtol=1e-12, atol=1e-12)
