"""Code as a user writes it, which mypy has to read as it is meant.

`mypy` in strict mode checks this file together with the package; `test_user.py` runs it.
"""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np

import einsdiff as ed


def write_expressions() -> None:
    A: np.ndarray[Any, np.dtype[np.float64]] = np.ones((2, 3))
    x: np.ndarray[Any, np.dtype[np.float64]] = np.ones(3)

    # --- verbs ------------------------------------------------------------------------------------

    assert_type(ed.einsum("ij,j->i", A, x), ed.Tensor)
    assert_type(ed.einsum(A, [0, 1], x, [1], [0]), ed.Tensor)
    assert_type(ed.parse("A_ij x_j", A=A, x=x), ed.Tensor)
    assert_type(ed.tensor("A", ("m", "n"), symmetric=False), ed.Tensor)
    assert_type(ed.tensors(A="mn", x="n"), tuple[ed.Tensor, ...])

    assert_type(ed.grad("ij,j->i", A, x, wrt="A"), ed.Tensor)
    assert_type(ed.grad("ij,j->i", A, x, wrt=A), ed.Tensor)
    assert_type(ed.grad("ij,j->i", A, x, wrt=0), ed.Tensor)
    assert_type(ed.grad(lambda A, x: A @ x, A, x, wrt="A"), ed.Tensor)
    assert_type(ed.grad("x_i x_i"), ed.Tensor)
    assert_type(ed.grad("ij,j->i", A, x, wrt=("A", "x")), tuple[ed.Tensor, ...])
    assert_type(ed.grad("ij,j->i", A, x, wrt=["A", x]), tuple[ed.Tensor, ...])
    assert_type(ed.grad("x_i x_i", wrt="x", order=3), ed.Tensor)
    assert_type(ed.jacobian("ij,j->i", A, x, wrt="x"), ed.Tensor)
    assert_type(ed.hessian("x_i A_ij x_j", wrt="x"), ed.Tensor)
    assert_type(ed.hessian("x_i A_ij y_j", wrt=("x", "y")), tuple[tuple[ed.Tensor, ...], ...])

    assert_type(ed.value_and_grad("x_i x_i", wrt="x"), tuple[ed.Tensor, ed.Tensor])
    assert_type(
        ed.value_and_grad("x_i y_i", wrt=("x", "y")), tuple[ed.Tensor, tuple[ed.Tensor, ...]]
    )
    assert_type(ed.jvp("x_i x_i", x=x, wrt="x", v=x), ed.Tensor)
    assert_type(ed.vjp("f_i = A_ij x_j", wrt="A"), ed.Tensor)
    assert_type(ed.vjp("f_i = A_ij x_j", wrt=("A", "x")), tuple[ed.Tensor, ...])
    assert_type(ed.hvp("x_i A_ij x_j", wrt="x"), ed.Tensor)
    assert_type(ed.hvp("x_i A_ij y_j", wrt=["x", "y"]), tuple[ed.Tensor, ...])
    assert_type(ed.check("x_i x_i", wrt="x"), ed.Check)
    assert_type(ed.compile(ed.grad("x_i x_i")), ed.Compiled)
    assert_type(ed.compile("x_i x_i", backend="torch"), ed.Compiled)

    # --- tensors ----------------------------------------------------------------------------------

    t = ed.tensor("t", x)
    J = ed.grad(t * t, wrt=t)
    assert_type(t + 1, ed.Tensor)
    assert_type(2 * t - x, ed.Tensor)
    assert_type(t @ t, ed.Tensor)
    assert_type(t[0], ed.Tensor)
    assert_type(-t / 2, ed.Tensor)
    assert_type(t.sum(), ed.Tensor)
    assert_type(J.T, ed.Tensor)
    assert_type(J.shape, tuple[int | str, ...])
    assert_type(J.ndim, int)
    assert_type(J.domain, int)
    assert_type(J.names, tuple[str, ...])
    assert_type(J.dense(), np.ndarray[Any, np.dtype[Any]])
    assert_type(J.matrix("denominator", "F"), np.ndarray[Any, np.dtype[Any]])
    assert_type(J.jvp(x), ed.Tensor)
    assert_type(J.vjp(x), ed.Tensor)
    assert_type(J.cores(), ed.Cores)
    assert_type(J.solve(x), np.ndarray[Any, np.dtype[Any]])
    assert_type(J.compile(), ed.Compiled)
    assert_type(J.code("jax"), str)
    assert_type(J.format("matrix"), str)
    assert_type(J.latex(), str)
    assert_type(J.explain(), ed.Derivation)
    assert_type(J.cases(), ed.Cases)
    assert_type(J.table("forward"), ed.Table)
    assert_type(J.diagram(), ed.Diagram)
    assert_type(J.check(), ed.Check)
    assert_type(float(J[0, 0]), float)
    assert_type(J == J, bool)

    # --- functions and rewriting ------------------------------------------------------------------

    assert_type(ed.tanh(t), ed.Tensor)
    assert_type(ed.sum(t, axis=0), ed.Tensor)
    assert_type(ed.eigh(ed.tensor("S", (2, 2))).eigenvalues, ed.Tensor)
    _, logdet = ed.slogdet(ed.tensor("S", (2, 2)))
    assert_type(logdet, ed.Tensor)
    assert_type(ed.simplify(t), ed.Tensor)
    assert_type(ed.expand(t), ed.Tensor)
    assert_type(ed.equal(t, t), ed.Equality)


REFUSED = (
    lambda: ed.grad("x_i x_i", wrt=1.5),  # type: ignore[call-overload]
    lambda: ed.tensor(1, "mn"),  # type: ignore[arg-type]
    lambda: ed.tensor("t", 2).matrix("rows"),  # type: ignore[arg-type]
    lambda: ed.tensor("t", 2).matrix(order="A"),  # type: ignore[arg-type]
    lambda: ed.parse(2),  # type: ignore[arg-type]
)
