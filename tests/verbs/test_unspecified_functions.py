"""Functions of which nothing is known but their name: `einsdiff.function`."""

import pickle

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.errors import OperandError, SubscriptsError


@pytest.fixture(autouse=True)
def declared():
    ed.function("φ", latex=r"\varphi")
    ed.function("ψ")


@pytest.mark.parametrize(
    ("text", "wrt", "first", "second"),
    [
        (
            "φ(A_ij x_j)",
            "x",
            "∂f_i/∂x_p = φ'(A_ij x_j) A_ip",
            "∂²f_i/∂x_p∂x_q = φ''(A_ij x_j) A_ip A_iq",
        ),
        ("φ(x)^2", "x", "∂f/∂x = 2 φ'(x) φ(x)", "∂²f/∂x∂x = 2 φ''(x) φ(x) + 2 φ'(x)^2"),
        ("φ(ψ(x))", "x", "∂f/∂x = φ'(ψ(x)) ψ'(x)", None),
        ("φ(W x + b)", "b", "∂f_i/∂b_p = δ_ip φ'(W_ij x_j + b_i)", None),
        ("Σ_i φ(x_i)", "x", "∂f/∂x_p = φ'(x_p)", "∂²f/∂x_p∂x_q = δ_pq φ''(x_p)"),
        (r"\varphi(A_{ij} x_j)", "x", "∂f_i/∂x_p = φ'(A_ij x_j) A_ip", None),
    ],
)
def test_derivatives_have_primes_and_are_read_back(text, wrt, first, second):
    J = ed.grad(text, wrt=wrt)
    assert J.format("index") == first
    assert ed.equal(ed.parse(first), J)
    if second is not None:
        H = ed.hessian(text, wrt=wrt)
        assert str(H) == second
        assert ed.equal(ed.parse(second), H)


def test_a_function_is_called_as_the_keyword_that_it_is_given_by():
    J = ed.grad("kernel(x_i - y_i)", kernel=ed.function(), wrt="y")
    assert str(J) == "∂f_i/∂y_p = -δ_ip kernel'(x_i - y_i)"
    with pytest.raises(OperandError, match="this function has no name"):
        ed.function()(ed.tensor("x", "n"))


def test_it_is_applied_to_tensors_of_any_shape():
    A, x = ed.tensors(A="mn", x="n")
    phi = ed.function("φ")
    assert phi(A @ x) == ed.parse("φ(A_ij x_j)")
    assert ed.grad(np.sum(phi(A)), wrt="A") == ed.parse("∂f/∂A_pq = φ'(A_pq)")


def test_latex_matrix_notation_code_and_sympy():
    J = ed.grad("φ(A_ij x_j)", wrt="x")
    assert J.latex().endswith(r"\varphi'(A_{ij} x_j)\, A_{ip}")
    assert ed.parse(J.latex()) == J
    assert J.format("matrix") == "∂f/∂x = diag(φ'(A x)) A  (numerator layout, vec order C)"
    assert "def jacobian(A, x, *, φ_prime):" in J.code("numpy")
    assert "φ'(Sum(A[i, j]*x[j]" in str(J.to_sympy())
    assert "chain rule: the derivative of φ(t) is φ'(t)" in str(J.explain())
    assert pickle.loads(pickle.dumps(J)) == J


def test_it_has_no_values_until_it_is_registered():
    A, x = np.ones((2, 3)), np.ones(3)
    J = ed.grad("chi(A_ij x_j)", A=A, x=x, chi=ed.function(), wrt="x")
    with pytest.raises(OperandError, match=r"say what it is, ed.register\('chi'"):
        np.asarray(J)
    ed.register("chi", np.tanh, "1 - y^2")
    J = ed.grad("chi(A_ij x_j)", A=A, x=x, wrt="x")
    np.testing.assert_allclose(np.asarray(J), np.full((2, 3), 1 - np.tanh(3) ** 2))


@pytest.mark.parametrize("name", ["tanh", "a_b", "1", "if", "np", "δ"])
def test_names_that_are_taken_or_none_are_refused(name):
    with pytest.raises(OperandError, match=r"cannot be a function's name|there is a function"):
        ed.function(name)


def test_a_name_that_is_no_function_says_how_to_declare_it():
    with pytest.raises(SubscriptsError, match=r"ed.function\('χ'\)"):
        ed.parse("χ(x_i)")


def test_a_declared_name_is_an_operand_where_no_bracket_follows():
    assert str(ed.parse("φ_ij x_j + φ_ik y_k")) == "f_i = φ_ij x_j + φ_ij y_j"
    assert str(ed.parse("2 ψ x")) == "f = 2 ψ x"
