"""When ε is the permutation symbol, and when an operand."""

import re

import numpy as np
import pytest

import einsdiff as ed
from einsdiff import EinsdiffError, ShapeError


@pytest.mark.parametrize("sign", ["ε", "eps", "epsilon", "varepsilon"])
def test_every_spelling_is_read(sign):
    assert str(ed.parse(f"{sign}_ijk a_j b_k")) == "f_i = ε_ijk a_j b_k"


@pytest.mark.parametrize("text", [r"\epsilon_{ijk} a_j b_k", r"\varepsilon_{ijk} a_j b_k"])
def test_latex_is_read(text):
    assert str(ed.parse(text)) == "f_i = ε_ijk a_j b_k"


@pytest.mark.parametrize(
    ("text", "named", "axes"),
    [
        ("y_i = A_ij x_j + ε_i", {}, 1),
        ("x_i + ε", {}, 0),
        ("ε_ij ε_ij", {"ε": "nn"}, 2),
        ("ε_ijk a_j", {"ε": np.ones((2, 3, 4))}, 3),
        ("∂f/∂ε_pq = 2 ε_pq", {}, 2),
    ],
)
def test_what_is_given_or_has_one_label_is_an_operand(text, named, axes):
    found = {v.name: v for v in ed.parse(text, **named).formula.arguments}
    assert len(found["ε"].shape) == axes


def test_what_is_differentiated_by_is_an_operand():
    assert str(ed.grad("ε_ij ε_ij", wrt="ε")) == "∂f/∂ε_pq = 2 ε_pq"


@pytest.mark.parametrize("text", ["ε_ijk a_j b_k", "f_l = ε_ljk (A_jk + a_j b_k)", "ε_ij A_jk"])
def test_labels_run_over_as_many_values_as_there_are(text):
    symbol = re.search("ε_([a-z]+)", text)[1]
    sizes = {size for v in ed.parse(text).formula.arguments for size in v.shape}
    assert len(symbol) in sizes


@pytest.mark.parametrize(
    "named", [{"a": "n"}, {"a": np.ones(4)}, {"a": 4}, {"i": 4}, {"b": np.ones(2)}]
)
def test_another_size_is_refused(named):
    with pytest.raises(ShapeError, match=r"has size .*ε of 3 labels") as error:
        ed.parse("ε_ijk a_j b_k", **named)
    assert "write 3 for the size" in str(error.value)


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("σ_ij = ε_kk δ_ij + ε_ij", "give ε as an operand, if it is one: ε='nn'"),
        ("ε_iij a_j", "ε='nnn'"),
        ("ε_ijklmno a_i", "5 are the most"),
        ("ε_i + ε_ijk a_j b_k", "one label for each axis"),
        ("eps a_i", "with its labels"),
    ],
)
def test_what_is_likely_to_be_another_tensor_is_refused(text, action):
    with pytest.raises(EinsdiffError, match=re.escape(action)):
        ed.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "f_i = ε_ijk a_j b_k",
        "f = ε_ijk a_i b_j c_k",
        "f_ij = 2 ε_ij",
        "f_ij = ε_ij + A_ij",
        "f_ijk = -ε_ijk",
        "f_ij = exp(ε_ij)",
        "f_i = ε_ijk (A_jk + a_j b_k)",
        "f_i = ε_ijk ∂v_k/∂x_j",
    ],
)
def test_it_is_printed_as_it_is_written(text):
    t = ed.parse(text)
    assert str(t) == text
    assert ed.parse(str(t)) == t
    assert ed.parse(t.latex()) == t


def test_derivatives_are_printed():
    t = ed.parse("ε_ijk a_j b_k")
    assert str(ed.grad(t, wrt="a")) == "∂f_i/∂a_p = ε_ipk b_k"
    assert str(ed.grad(t, wrt="b")) == "∂f_i/∂b_p = ε_ijp a_j"
    assert ed.grad(t, wrt="a").latex() == (
        r"\frac{\partial f_i}{\partial a_p} = \varepsilon_{ipk} b_k"
    )


def test_a_curl_is_the_contracted_derivative_of_a_field():
    A, x = np.random.default_rng(1).normal(size=(2, 3, 3)), np.array([0.5, -1.0, 2.0])
    J = ed.grad("v_k = A_kl x_l + sin(B_kl x_l)", wrt="x", A=A[0], B=A[1], x=x)
    D = np.asarray(J)
    wanted = [D[2, 1] - D[1, 2], D[0, 2] - D[2, 0], D[1, 0] - D[0, 1]]
    np.testing.assert_allclose(np.asarray(ed.parse("ε_ijk J_kj", J=J)), wanted)
    assert str(ed.parse("ε_ijk ∂²φ/∂x_j∂x_k")) == "f_{i<3} = 0"


@pytest.mark.parametrize("library", ["torch", "jax.numpy", "dask.array"])
def test_other_libraries_compute_it(library):
    module = pytest.importorskip(library)
    convert = module.asarray
    a, b = np.random.default_rng(2).normal(size=(2, 3))
    found = ed.parse("ε_ijk a_j b_k", a=convert(a), b=convert(b)).dense()
    np.testing.assert_allclose(np.asarray(found), np.cross(a, b), rtol=1e-6)


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_code_computes_it(backend):
    a, b = np.random.default_rng(3).normal(size=(2, 3))
    space = {}
    exec(ed.grad("ε_ijk a_j b_k", wrt="a", a=a, b=b).code(backend), space)  # what we wrote
    module = pytest.importorskip({"jax": "jax.numpy"}.get(backend, backend))
    found = np.asarray(space["jacobian"](module.asarray(a), module.asarray(b)))
    wanted = np.asarray(ed.grad("ε_ijk a_j b_k", wrt="a", a=a, b=b))
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_sparse_and_cores_and_einsum():
    a, b = np.random.default_rng(4).normal(size=(2, 3))
    g = ed.grad("ε_ijk a_j b_k", wrt="a", a=a, b=b)
    np.testing.assert_allclose(g.sparse().toarray(), np.asarray(g))
    np.testing.assert_allclose(np.asarray(g.cores().dense()), np.asarray(g))
    assert str(ed.parse("ε_ijk a_j b_k").format("einsum")).endswith(
        'einsum("ijk,j,k->i", parse("f_ijk = ε_ijk"), a, b)'
    )
