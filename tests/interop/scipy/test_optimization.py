"""Problems for SciPy's optimisers, against differences, dense matrices and scikit-learn."""

from __future__ import annotations

import importlib.util
import pickle
import re
import tracemalloc
from itertools import pairwise
from math import prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import (
    Bounds,
    NonlinearConstraint,
    approx_fprime,
    check_grad,
    least_squares,
    minimize,
    root,
)
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator

import einsdiff as ed
from einsdiff.expressions.compiled import Compiled
from einsdiff.interop.scipy import blocks
from tests.catalogue_rows import ROWS, called
from tests.extras import needs
from tests.test_catalogue import arrays_of, tensors_of

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
FORMS = ("dense", "sparse", "operator")
rng = np.random.default_rng(0)


def normal(*shape):
    return np.random.default_rng(prod(shape)).standard_normal(shape)


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def differences(function, x, h=1e-5):
    """Estimate the Jacobian of a function of a vector by central differences."""
    columns = [
        (np.asarray(function(x + h * e)) - np.asarray(function(x - h * e))) / (2 * h)
        for e in np.eye(len(x))
    ]
    return np.stack(columns, axis=-1) if columns else np.zeros((*np.shape(function(x)), 0))


def as_dense(matrix):
    """Write any form of a matrix as an array."""
    if isinstance(matrix, LinearOperator):
        return matrix @ np.eye(matrix.shape[1])
    return matrix.toarray() if issparse(matrix) else matrix


def network(W, b, X, Y):
    return np.mean((np.tanh(X @ W + b) - Y) ** 2)


def network_problem(**options):
    X, Y = normal(20, 4), normal(20, 3)
    return ed.problem(network, wrt=["W", "b"], X=X, Y=Y, W=normal(4, 3), b=np.zeros(3), **options)


def residuals(a, k, t, Y):
    """Curves with amplitudes of their own and one rate."""
    return a[:, None] * np.exp(-k * t) - Y


def residuals_problem(**options):
    t = np.linspace(0, 2, 6)
    Y = np.array([[1.0], [2.0], [3.0]]) * np.exp(-0.7 * t) + 0.01 * normal(3, 6)
    return ed.problem(residuals, wrt=["a", "k"], t=t, Y=Y, a=np.ones(3), k=1.0, **options)


# --- the vector -------------------------------------------------------------------------------


def test_parameters_follow_one_another_in_c_order():
    A = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    p = ed.problem("A_ij A_ij b + c_i c_i", A, wrt=["b", "A", "c"], b=7, c=[8, 9])
    assert dict(p.parameters) == {"b": (), "A": (2, 3), "c": (2,)}
    assert p.size == 9
    np.testing.assert_array_equal(p.x0, [7, 0, 1, 2, 3, 4, 5, 8, 9])
    assert p.x0.dtype == float
    parts = p.unpack(p.x0)
    assert list(parts) == ["b", "A", "c"]
    assert parts["b"].shape == ()
    np.testing.assert_array_equal(parts["A"], A)


def test_what_is_unpacked_is_no_view():
    p = ed.problem("x_i x_i", wrt="x", x=[1.0, 2.0])
    x = p.x0
    p.unpack(x)["x"][:] = 5
    np.testing.assert_array_equal(x, [1, 2])
    x[:] = 7
    np.testing.assert_array_equal(p.x0, [1, 2])


def test_a_number_fills_a_parameter_as_bounds_want_it():
    p = ed.problem("(x_i - 1) (x_i - 1) + b^2", wrt=["x", "b"], x=[3.0, 3.0], b=1.0)
    low, high = p.pack(x=2, b=-np.inf), p.pack({"x": [3, 4], "b": np.inf})
    result = minimize(p.fun_and_jac, p.x0, jac=True, bounds=Bounds(low, high))
    np.testing.assert_allclose(p.unpack(result.x)["x"], [2, 2])
    np.testing.assert_allclose(p.unpack(result.x)["b"], 0, atol=1e-6)


def test_integers_and_float32_become_floats():
    p = ed.problem("x_i x_i", wrt="x", x=np.array([1, 2], np.float32))
    assert p.x0.dtype == float
    p = ed.problem("a_i x_i x_i", wrt="x", x=[1, 2], a=np.array([1, 2], np.int8))
    assert p.fun([0.5, 0.5]) == 0.75
    np.testing.assert_array_equal(p.jac([0.5, 0.5]), [1, 2])
    assert p.fun([1, 2]) == 9


def test_a_problem_is_read_as_what_it_is():
    p = ed.problem("A_ij A_ij + b^2", wrt=["A", "b"], A=(2, 3))
    assert repr(p) == "<problem of 7 unknowns, A: (2, 3)   b: (); f = A_ij A_ij + b^2>"
    assert repr(ed.problem("b^2", wrt="b")).startswith("<problem of 1 unknown, b: ();")


@pytest.mark.parametrize(
    "make",
    [
        lambda A, x: ed.problem("i,ij,j->", x, A, x, wrt="x"),
        lambda A, x: ed.problem("i,ij,j->", x, A, x, wrt=0),
        lambda A, x: ed.problem("i,ij,j->", x, A, x, wrt=[x]),
        lambda A, x: ed.problem("x_i A_ij x_j", A, x, wrt=("x",)),
        lambda A, x: ed.problem(lambda A, x: x @ A @ x, A, x, wrt="x"),
        lambda A, x: ed.problem(ed.tensor("x", x) @ A @ ed.tensor("x", x), wrt="x"),
        lambda A, x: ed.problem(ed.parse("x_i A_ij x_j"), A=A, x=x, wrt="x"),
    ],
)
def test_it_takes_what_grad_takes(make):
    A, x = normal(3, 3), normal(3)
    p = make(A, x)
    np.testing.assert_array_equal(p.x0, x)
    np.testing.assert_allclose(p.jac(p.x0), (A + A.T) @ x)
    np.testing.assert_allclose(p.function(**p.unpack(p.x0)), p.fun(p.x0))


def test_one_variable_needs_no_wrt():
    assert ed.problem("x_i x_i", x=[3.0, 4.0]).fun([3.0, 4.0]) == 25


# --- derivatives ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_scalar_function(form):
    p = network_problem(form=form)
    x, v = p.x0 + 0.1, normal(p.size)
    assert isinstance(p.fun(x), float)
    value, gradient = p.fun_and_jac(x)
    assert value == p.fun(x)
    np.testing.assert_array_equal(gradient, p.jac(x))
    np.testing.assert_allclose(gradient, approx_fprime(x, p.fun), atol=1e-6)
    assert check_grad(p.fun, p.jac, x) < 1e-6
    H = p.hess(x)
    expected = {"dense": np.ndarray, "sparse": object, "operator": LinearOperator}
    assert isinstance(H, expected[form])
    assert issparse(H) == (form == "sparse")
    np.testing.assert_allclose(as_dense(H), differences(p.jac, x), atol=1e-8)
    np.testing.assert_allclose(as_dense(H), as_dense(H).T, atol=1e-14)
    np.testing.assert_allclose(p.hessp(x, v), as_dense(H) @ v, atol=1e-12)
    for other in FORMS:
        np.testing.assert_allclose(as_dense(p.hess(x, form=other)), as_dense(H), atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_a_function_with_axes(form):
    p = residuals_problem(form=form)
    assert p.shape == (3, 6)
    assert not p.is_scalar
    x = p.x0 + 0.1
    values = p.fun(x)
    assert values.shape == (18,)
    np.testing.assert_allclose(values.reshape(3, 6), p.function(**p.unpack(x)))
    J = p.jac(x)
    assert J.shape == (18, 4)
    np.testing.assert_allclose(as_dense(J), differences(p.fun, x), atol=1e-8)
    both = p.fun_and_jac(x)
    np.testing.assert_array_equal(both[0], values)
    np.testing.assert_allclose(as_dense(both[1]), as_dense(J))
    for other in FORMS:
        K = p.jac(x, form=other)
        np.testing.assert_allclose(as_dense(K), as_dense(J), atol=1e-14)
        u = normal(18)
        np.testing.assert_allclose(K.T @ u, as_dense(J).T @ u, atol=1e-13)
    v = normal(18)
    H = p.hess(x, v)
    np.testing.assert_allclose(
        as_dense(H), differences(lambda z: as_dense(p.jac(z)).T @ v, x), atol=1e-7
    )
    np.testing.assert_allclose(as_dense(p.hess(x, v, form="operator")), as_dense(H), atol=1e-13)


def sums(parameters, weights):
    """Return a number that couples all parameters, and an array of its and the first one's."""
    total = sum(np.sum(np.sin(p) * w) for p, w in zip(parameters, weights, strict=True))
    first = parameters[0]
    return total, np.stack([first * total + total**2, first**2])


shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@settings(max_examples=25, deadline=None)
@given(st.lists(shapes, min_size=1, max_size=3), st.integers(0, 2**32 - 1))
def test_all_forms_agree_for_parameters_of_any_shapes(shapes, seed):
    draw = np.random.default_rng(seed)
    names = ["A", "b", "C"][: len(shapes)]
    start = {name: draw.standard_normal(shape) for name, shape in zip(names, shapes, strict=True)}
    tensors = [ed.tensor(name, array) for name, array in start.items()]
    weights = [ed.tensor(f"w{k}", draw.standard_normal(shape)) for k, shape in enumerate(shapes)]
    total, values = sums(tensors, weights)
    vector = ed.problem(values, wrt=names)
    scalar = ed.problem(total**2 + np.sum(values * total), wrt=names)
    for p in (vector, scalar):
        x = p.x0
        assert x.shape == (p.size,) == (sum(map(prod, shapes)),)
        parts = p.unpack(x)
        for name, array in start.items():
            np.testing.assert_array_equal(parts[name], array)
        np.testing.assert_array_equal(p.pack(parts), x)
        np.testing.assert_array_equal(p.pack(**parts), x)

    J = vector.jac(x)
    assert J.shape == (2 * prod(shapes[0]), len(x))
    np.testing.assert_allclose(J, differences(vector.fun, x), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(vector.jac(x, "sparse").toarray(), J, atol=1e-12)
    pattern = vector.jac_sparsity()
    assert pattern.shape == J.shape
    assert not np.any(J[pattern.toarray() == 0])
    v, u, w = (draw.standard_normal(n) for n in (len(x), len(J), len(J)))
    np.testing.assert_allclose(vector.jac(x, "operator") @ v, J @ v, atol=1e-12)
    np.testing.assert_allclose(vector.jac(x, "operator").T @ u, J.T @ u, atol=1e-12)

    np.testing.assert_allclose(scalar.jac(x), differences(scalar.fun, x), rtol=1e-6, atol=1e-5)
    for H, gradient in [
        (scalar.hess(x), scalar.jac),
        (vector.hess(x, w), lambda z: w @ vector.jac(z)),
    ]:
        np.testing.assert_allclose(H, differences(gradient, x), rtol=1e-6, atol=1e-5)
    H = scalar.hess(x)
    np.testing.assert_allclose(scalar.hess(x, form="sparse").toarray(), H, atol=1e-12)
    assert not np.any(H[scalar.hess_sparsity().toarray() == 0])
    np.testing.assert_allclose(scalar.hessp(x, v), H @ v, atol=1e-10)
    np.testing.assert_allclose(scalar.hess(x, form="operator") @ v, H @ v, atol=1e-10)


@pytest.mark.parametrize("row", [row for row in ROWS if not row.of and not row.symmetric], ids=str)
def test_all_forms_agree_over_the_catalogue_with_all_variables_as_parameters(row):
    f = called(row.build, tensors_of(row, arrays_of(row)))
    p = ed.problem(f, wrt=list(f.names))
    x = p.x0
    blocks = [g.dense() for g in ed.grad(f, wrt=f.names)]
    if p.is_scalar:
        expected = np.concatenate([block.ravel() for block in blocks])
        np.testing.assert_allclose(p.jac(x), expected, atol=1e-12)
        v, gradient = None, p.jac
    else:
        expected = np.hstack([b.reshape(prod(p.shape), prod(b.shape[f.ndim :])) for b in blocks])
        for form in FORMS:
            np.testing.assert_allclose(as_dense(p.jac(x, form)), expected, atol=1e-9)
        assert not np.any(expected[p.jac_sparsity().toarray() == 0])
        v = normal(len(expected))

        def gradient(z):
            return v @ p.jac(z)

    u = normal(p.size)
    product = p.hess(x, v, form="operator") @ u
    scale = np.abs(product).max(initial=1)
    along = (gradient(x + 1e-6 * u) - gradient(x - 1e-6 * u)) / 2e-6
    np.testing.assert_allclose(product, along, atol=1e-4 * scale)
    for form in ("dense", "sparse"):
        np.testing.assert_allclose(p.hess(x, v, form=form) @ u, product, atol=1e-9 * scale)


# --- structure --------------------------------------------------------------------------------

FACTORISATION = "(T_ij - U_ik V_jk) (T_ij - U_il V_jl)"


def test_sparsity_is_known_from_the_deltas():
    p = residuals_problem()
    expected = np.zeros((3, 6, 4), np.int8)
    expected[range(3), :, range(3)] = 1
    expected[..., 3] = 1
    np.testing.assert_array_equal(p.jac_sparsity().toarray(), expected.reshape(18, 4))
    # At the start, where every entry of it is zero, the pattern is that of all values.
    p = ed.problem("f_i = x_i^3 + y x_i^2", wrt=["x", "y"], x=np.zeros(3), y=0.0)
    J = p.jac(p.x0, form="sparse")
    assert J.nnz == p.jac_sparsity().nnz == 6
    assert J.count_nonzero() == 0
    assert J.has_canonical_format
    assert J.format == p.jac_sparsity().format == "csr"


def test_the_hessian_of_a_factorisation_has_blocks_on_the_diagonal_and_is_full_elsewhere():
    m, n, k = 5, 4, 2
    p = ed.problem(FACTORISATION, T=normal(m, n), U=normal(m, k), V=normal(n, k), wrt=["U", "V"])
    H = p.hess(p.x0, form="sparse")
    assert H.nnz == p.hess_sparsity().nnz == (m + n) * k * k + 2 * m * n * k * k
    np.testing.assert_allclose(H.toarray(), p.hess(p.x0), atol=1e-13)
    dense = [[b.dense() for b in row] for row in ed.hessian(p.function, wrt=["U", "V"])]
    blocks = np.block([[b.reshape(prod(b.shape[:2]), -1) for b in row] for row in dense])
    np.testing.assert_allclose(p.hess(p.x0), blocks, atol=1e-13)


def test_a_sparse_jacobian_of_many_curves_takes_the_memory_of_its_entries():
    n, points = 2000, 5
    t = np.linspace(0, 1, points)
    p = ed.problem(
        residuals, a=np.ones(n), k=0.5, t=t, Y=np.zeros((n, points)), wrt=["a", "k"], form="sparse"
    )
    p.jac(p.x0)
    tracemalloc.start()
    J = p.jac(p.x0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert J.nnz == 2 * n * points
    assert peak < 3 * 2**20  # dense it has 160 MB


def test_stacked_residuals_keep_their_zeros():
    x, y = np.linspace(1, 2, 50), normal(50)
    p = ed.problem(
        lambda ξ, b, s: np.concatenate([(y - np.exp(-b[0] * ξ) / (b[1] + b[2] * ξ)) / s, x - ξ]),
        ξ=x,
        b=np.ones(3),
        s=2.0,
        wrt=["ξ", "b"],
        form="sparse",
    )
    J = p.jac(p.x0)
    assert J[:, :50].nnz == 100
    np.testing.assert_allclose(J.toarray(), p.jac(p.x0, "dense"), atol=1e-14)
    np.testing.assert_allclose(J.toarray(), differences(p.fun, p.x0), atol=1e-8)
    values, both = p.fun_and_jac(p.x0)
    np.testing.assert_allclose(values, p.fun(p.x0))
    np.testing.assert_allclose(both.toarray(), J.toarray())


def test_products_with_the_hessian_form_nothing_large():
    n = 20_000
    p = ed.problem("(x_i x_i)^2 + Σ_i c_i x_i^3", wrt=["x", "c"], x=normal(n), c=np.ones(n))
    x, v = p.x0, normal(2 * n)
    H = p.hess(x, form="operator")
    p.hessp(x, v)
    tracemalloc.start()
    first, second = p.hessp(x, v), H @ v
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 2**20  # the Hessian has 12.8 GB
    np.testing.assert_array_equal(first, second)
    x, c, vx, vc = *p.unpack(x).values(), *p.unpack(v).values()
    expected = 8 * x * (x @ vx) + 4 * (x @ x) * vx + 6 * c * x * vx + 3 * x**2 * vc
    np.testing.assert_allclose(first[:n], expected, atol=1e-9 * np.abs(expected).max())


def test_a_matrix_above_the_memory_limit_is_refused_with_what_would_fit():
    n = 1000
    p = ed.problem("x_i y_i z + (z x_i y_i)^2", wrt=["x", "y", "z"], x=(n,), y=(n,), z=1.0)
    before = ed.set_memory_limit(20 * 2**20)
    try:
        with pytest.raises(ed.SizeError, match='form="sparse" or form="operator"'):
            p.hess(np.ones(2 * n + 1))
        q = ed.problem("f_i = x_i y_i", wrt=["x", "y"], x=(2 * n,), y=(2 * n,))
        assert q.jac(np.ones(4 * n), form="sparse").nnz == 4 * n
        with pytest.raises(ed.SizeError):
            q.jac(np.ones(4 * n))
    finally:
        ed.set_memory_limit(before)


# --- what is kept -----------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch):
    """List the compiled functions that are called."""
    made = []
    call = Compiled.__call__

    def recorded(self, *args, **kwargs):
        made.append(self)
        return call(self, *args, **kwargs)

    monkeypatch.setattr(Compiled, "__call__", recorded)
    return made


def test_value_and_gradient_of_one_vector_are_computed_once(calls):
    p = network_problem()
    x = p.x0
    p.fun(x), p.jac(x), p.fun_and_jac(x), p.fun(x.copy())
    assert len(calls) == 1
    p.fun(x + 1)
    p.jac(x + 1)
    assert len(calls) == 2


def test_a_vector_that_the_optimiser_uses_again_is_another_one(calls):
    p = ed.problem("x_i x_i", wrt="x", x=[0.0, 0.0])
    x = np.array([1.0, 2.0])
    assert p.fun(x) == 5
    x[0] = 3
    assert p.fun(x) == 13
    np.testing.assert_array_equal(p.jac(x), [6, 4])
    assert len(calls) == 2


@pytest.mark.parametrize("form", FORMS)
def test_an_operator_keeps_its_own_vector(form):
    p = ed.problem("Σ_i x_i^3", wrt="x", x=[1.0, 2.0], form=form)
    r = ed.problem("f_i = x_i^3", wrt="x", x=[1.0, 2.0], form=form)
    x = p.x0
    H, J = p.hess(x), r.jac(x)
    x[:] = 0
    np.testing.assert_allclose(as_dense(H), np.diag([6, 12]))
    np.testing.assert_allclose(as_dense(J), np.diag([3, 12]))


def test_what_is_returned_may_be_written_to():
    p = network_problem()
    x = p.x0
    kept = p.jac(x).copy()
    p.jac(x)[:] = 0
    p.fun_and_jac(x)[1][:] = 0
    np.testing.assert_array_equal(p.jac(x), kept)
    r = residuals_problem()
    kept = [r.fun(x[:4]).copy(), r.jac(x[:4]).copy()]
    r.fun(x[:4])[:] = 0
    r.jac(x[:4])[:] = 0
    np.testing.assert_array_equal(r.fun(x[:4]), kept[0])
    np.testing.assert_array_equal(r.jac(x[:4]), kept[1])
    A = np.eye(3)
    linear = ed.problem("f_i = A_ij x_j", A, x=np.ones(3), wrt="x")
    linear.jac(linear.x0)[:] = 7
    np.testing.assert_array_equal(A, np.eye(3))


def test_zeros_of_both_signs_are_two_vectors():
    p = ed.problem("1 / x", wrt="x", x=1.0)
    with np.errstate(divide="ignore"):
        assert p.fun([0.0]) == np.inf
        assert p.fun([-0.0]) == -np.inf


def test_a_problem_goes_to_other_processes_as_scipys_workers_need_it():
    p = residuals_problem(form="sparse")
    p.fun_and_jac(p.x0)
    q = pickle.loads(pickle.dumps(p))
    assert repr(q) == repr(p)
    np.testing.assert_array_equal(q.x0, p.x0)
    np.testing.assert_array_equal(q.fun(q.x0), p.fun(p.x0))
    np.testing.assert_array_equal(q.jac(q.x0).toarray(), p.jac(p.x0).toarray())


# --- SciPy's optimisers -----------------------------------------------------------------------

FIRST = ["CG", "BFGS", "L-BFGS-B", "TNC", "SLSQP", "trust-constr"]


@pytest.mark.parametrize("method", FIRST)
def test_minimize_by_gradients(method):
    p = ed.problem(
        "(a - x)^2 + 10 (y_i - x^2) (y_i - x^2)", a=1.0, x=-1.0, y=[2, 3], wrt=["x", "y"]
    )
    together = minimize(p.fun_and_jac, p.x0, jac=True, method=method)
    apart = minimize(p.fun, p.x0, jac=p.jac, method=method)
    for result in (together, apart):
        np.testing.assert_allclose(p.unpack(result.x)["y"], [1, 1], atol=2e-2)


@pytest.mark.parametrize(
    ("method", "forms"),
    [
        ("trust-exact", ["dense"]),
        ("dogleg", ["dense"]),
        ("Newton-CG", FORMS),
        ("trust-constr", FORMS),
    ],
)
def test_minimize_by_hessians(method, forms):
    for form in forms:
        p = ed.problem(
            lambda x, b, t: np.sum(np.logaddexp(x - t, t - x)) + np.sum(x * x) / 2 + b**2 + b,
            wrt=["x", "b"],
            x=np.zeros(3),
            b=0.0,
            t=np.arange(3.0),
            form=form,
        )
        result = minimize(p.fun, p.x0, jac=p.jac, hess=p.hess, method=method)
        np.testing.assert_allclose(p.jac(result.x), 0, atol=1e-4)
        np.testing.assert_allclose(p.unpack(result.x)["b"], -0.5, atol=1e-4)


@pytest.mark.parametrize("method", ["Newton-CG", "trust-ncg", "trust-krylov", "trust-constr"])
def test_minimize_by_products_with_the_hessian(method):
    p = network_problem()
    result = minimize(p.fun, p.x0, jac=p.jac, hessp=p.hessp, method=method)
    assert np.abs(p.jac(result.x)).max() < 1e-3


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("options", [{}, {"method": "dogbox"}, {"loss": "soft_l1"}])
def test_least_squares(form, options):
    p = residuals_problem(form=form)
    fit = least_squares(p.fun, p.x0, jac=p.jac, **options)
    answer = p.unpack(fit.x)
    np.testing.assert_allclose(answer["a"], [1, 2, 3], atol=0.1)
    np.testing.assert_allclose(answer["k"], 0.7, atol=0.1)


def test_least_squares_by_differences_in_groups_of_the_pattern():
    p = residuals_problem()
    pattern = p.jac_sparsity()
    fit = least_squares(p.fun, p.x0, jac="2-point", jac_sparsity=pattern)
    exact = least_squares(p.fun, p.x0, jac=p.jac)
    np.testing.assert_allclose(fit.x, exact.x, rtol=1e-5)


@pytest.mark.parametrize("method", ["hybr", "lm"])
def test_root(method):
    A = normal(3, 3) + 4 * np.eye(3)
    p = ed.problem("f_i = A_ij x_j + x_i^3 - b_i", A=A, x=np.zeros(3), b=[1, 2, 3], wrt="x")
    for found in (
        root(p.fun_and_jac, p.x0, jac=True, method=method),
        root(p.fun, p.x0, jac=p.jac, method=method),
    ):
        assert found.success
        np.testing.assert_allclose(A @ found.x + found.x**3, [1, 2, 3])


@pytest.mark.parametrize("form", ["dense", "sparse"])
@pytest.mark.parametrize("constraint", ["x_i x_i + b^2", "g_i = x_i x_i + b^2"])
def test_constraints_have_their_own_problem_of_the_same_parameters(constraint, form):
    A = np.diag([3.0, 2.0])
    start = {"x": [0.5, 0.5], "b": 0.5}
    p = ed.problem("x_i A_ij x_j - b", A=A, wrt=["x", "b"], **start)
    c = ed.problem(constraint, wrt=["x", "b"], form=form, **start)
    result = minimize(
        p.fun,
        p.x0,
        jac=p.jac,
        hess=p.hess,
        method="trust-constr",
        constraints=NonlinearConstraint(c.fun, 1, 1, jac=c.jac, hess=c.hess),
    )
    np.testing.assert_allclose(c.fun(result.x), np.ones(np.shape(c.fun(result.x))), atol=1e-7)
    if c.is_scalar:
        np.testing.assert_allclose(result.fun, -1, atol=1e-6)
    v = np.full(1 if c.is_scalar else 2, 2.5)
    x = p.x0
    np.testing.assert_allclose(
        as_dense(c.hess(x, v)),
        differences(lambda z: np.atleast_2d(as_dense(c.jac(z))).T @ v, x),
        atol=1e-7,
    )


# --- what is refused --------------------------------------------------------------------------


def refused(error, *texts):
    return pytest.raises(error, match="(?s)" + ".*".join(map(re.escape, texts)))


def test_a_vector_of_another_size():
    p = network_problem()
    message = ("x has shape (3,)", "15 entries", "W: (4, 3)   b: (3,)", "(15,)")
    for call in (p.fun, p.jac, p.hess, p.unpack, p.fun_and_jac):
        with refused(ed.ShapeError, *message):
            call(np.zeros(3))
    with refused(ed.ShapeError, "x has shape (15, 1)"):
        p.fun(np.zeros((15, 1)))
    with refused(ed.ShapeError, "p has shape (2,)"):
        p.hessp(p.x0, np.zeros(2))
    with refused(ed.OperandError, "x has dtype complex128"):
        p.fun(p.x0 * 1j)
    with refused(ed.OperandError, "v has dtype complex128"):
        p.hess(p.x0, form="operator") @ (p.x0 * 1j)


def test_values_that_do_not_fit_the_parameters():
    p = network_problem()
    with refused(ed.BindingError, "there is no parameter 'c'", "pass values for 'W' and 'b'"):
        p.pack(W=0, b=0, c=0)
    with refused(ed.BindingError, "no value for 'b'"):
        p.pack(W=0)
    with refused(ed.ShapeError, "the value of 'b' has shape (4,)", "'b' is (3,)"):
        p.pack(W=0, b=np.zeros(4))
    with refused(ed.OperandError, "the value of 'b'", "complex"):
        p.pack(W=0, b=1j)


def test_a_missing_start():
    p = ed.problem("A_ij x_j x_i + b^2", A=np.eye(3), wrt=["x", "b"])
    assert p.size == 4  # the shape of x follows from that of A
    assert p.fun(p.pack(x=1, b=2)) == 7
    with refused(ed.BindingError, "no start value for 'x' and 'b'", "x=array of shape (3,)"):
        _ = p.x0
    with refused(ed.BindingError, "parameter 'x' has no start value", "size 'm'", "x=array"):
        ed.problem("x_i x_i", wrt="x")


def test_missing_data():
    with refused(ed.BindingError, "no array for 'A' and 'y'", "pass A=..., y=..."):
        ed.problem("(y_i - A_ij x_j) (y_i - A_ik x_k)", wrt="x", x=np.ones(3))
    z = ed.tensor("z", 3)
    with refused(ed.BindingError, "no array for", "'z'"):
        ed.problem(ed.tensor("x", 3, of=z) @ z, wrt="x")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_start_that_is_not_finite(bad):
    x = np.array([[1.0, 2.0], [bad, 0.0]])
    with refused(ed.OperandError, "x[1, 0], where parameter 'x' starts", str(bad)):
        ed.problem("x_ij x_ij", wrt="x", x=x)
    with refused(ed.OperandError, "b, where parameter 'b' starts"):
        ed.problem("b^2", wrt="b", b=bad)


def test_parameters_that_are_no_real_numbers():
    with refused(ed.OperandError, "parameter 'x' has dtype complex128", "two parameters"):
        ed.problem("x_i x_i", wrt="x", x=np.ones(2) * 1j)
    with refused(ed.OperandError, "parameter 'x' has dtype bool", "floats"):
        ed.problem("x_i x_i", wrt="x", x=np.array([True, False]))
    with refused(ed.OperandError, "the function is complex", "c: (2,)"):
        ed.problem("c_i x_i", wrt="x", x=np.ones(2), c=np.ones(2) * 1j)


def test_symmetric_parameters():
    S = ed.tensor("S", np.eye(2), symmetric=True)
    with refused(ed.OperandError, "parameter 'S' is symmetric", "(S + S.T) / 2"):
        ed.problem(np.sum(S * S), wrt="S")


def test_arrays_of_other_libraries():
    needs("torch")
    import torch

    with refused(ed.OperandError, "'x' is a PyTorch tensor", "NumPy arrays"):
        ed.problem("x_i x_i", wrt="x", x=torch.ones(2))


def test_names_that_are_no_parameters():
    with refused(ed.NameNotFoundError, "wrt='z' names no operand", "wrt='x'"):
        ed.problem("x_i x_i", wrt="z", x=np.ones(2))
    with refused(ed.OperandError, "no list of different parameters", "wrt=['x']"):
        ed.problem("x_i x_i", wrt=["x", "x"], x=np.ones(2))
    with refused(ed.OperandError, "wrt=[]"):
        ed.problem("x_i x_i", wrt=[], x=np.ones(2))
    with refused(ed.NameNotFoundError, "wrt is missing"):
        ed.problem("x_i y_i", x=np.ones(2), y=np.ones(2))


def test_forms_that_there_are_not():
    with refused(ed.OperandError, "form='csr'", "'dense', 'sparse', 'operator'"):
        ed.problem("x_i x_i", x=np.ones(2), form="csr")
    p = ed.problem("x_i x_i", x=np.ones(2))
    with refused(ed.OperandError, "form=3"):
        p.hess(p.x0, form=3)
    with refused(ed.OperandError, "gradient of a scalar function is a vector", "hess()"):
        p.jac(p.x0, form="sparse")
    with refused(ed.OperandError, "gradient of a scalar function is a vector", "hess_sparsity()"):
        p.jac_sparsity()


def test_hessians_of_functions_with_axes_need_weights():
    p = residuals_problem()
    with refused(ed.OperandError, "hess(x) is for a scalar function", "(3, 6)", "hess(x, v)"):
        p.hess(p.x0)
    with refused(ed.OperandError, "hessp() is for a scalar function", "np.sum(f**2)"):
        p.hessp(p.x0, p.x0)
    with refused(ed.ShapeError, "2 weights", "18 entries"):
        p.hess(p.x0, np.ones(2))


def test_without_scipy_there_are_dense_matrices(monkeypatch):
    monkeypatch.setattr(blocks, "scipy_module", lambda name: None)
    p = residuals_problem()
    assert p.jac(p.x0).shape == (18, 4)
    install = 'pip install "einsdiff[scipy]"'
    for call in (
        p.jac_sparsity,
        lambda: p.jac(p.x0, "sparse"),
        lambda: p.jac(p.x0, "operator"),
        lambda: p.hess(p.x0, np.ones(18), form="sparse"),
        lambda: p.hess(p.x0, np.ones(18), form="operator"),
    ):
        with refused(ed.OperandError, "needs SciPy", install):
            call()


# --- the worked examples ----------------------------------------------------------------------


def test_logistic_regression_is_that_of_scikit_learn():
    needs("sklearn")
    from sklearn.linear_model import LogisticRegression

    module = example("optimization_logistic")
    _, X, y = module.load()
    λ = 2.0
    p = module.logistic_regression(X, y, λ)
    x = 0.1 * normal(p.size)
    assert check_grad(p.fun, p.jac, x) < 1e-4
    np.testing.assert_allclose(p.hess(x), differences(p.jac, x), atol=1e-5)
    np.testing.assert_allclose(p.hessp(x, x), p.hess(x) @ x, atol=1e-10)
    result = minimize(p.fun, p.x0, jac=p.jac, hessp=p.hessp, method="trust-ncg", tol=1e-6)
    theirs = LogisticRegression(C=1 / λ, tol=1e-10, max_iter=10_000).fit(X, y)
    answer = p.unpack(result.x)
    np.testing.assert_allclose(answer["w"], theirs.coef_[0], atol=1e-5)
    np.testing.assert_allclose(answer["b"], theirs.intercept_[0], atol=1e-5)


@pytest.mark.parametrize("rows", [(0, 50, 100), (0, 1, 2), (50, 60, 70)])
def test_k_means_is_that_of_scikit_learn(rows):
    needs("sklearn")
    from sklearn.cluster import KMeans

    module = example("optimization_kmeans")
    _, X, _ = module.load()
    start = X[list(rows)]
    M, R, history = module.lloyd(X, start)
    theirs = KMeans(3, init=start, n_init=1, algorithm="lloyd", tol=0).fit(X)
    np.testing.assert_allclose(history[-1], theirs.inertia_)
    np.testing.assert_allclose(M, theirs.cluster_centers_)
    np.testing.assert_array_equal(R.argmax(axis=1), theirs.labels_)
    assert history == sorted(history, reverse=True)
    p = ed.problem(module.inertia, X, M, wrt="M")
    np.testing.assert_allclose(p.jac(p.x0), 0, atol=1e-10)
    away = p.x0 + 0.1
    assert check_grad(p.fun, p.jac, away) < 1e-4
    np.testing.assert_allclose(p.hess(p.x0), differences(p.jac, p.x0), atol=1e-4)


def test_a_factorisation_ends_at_the_truncated_svd():
    module = example("optimization_factorisation")
    _, T = module.load()
    U, V = normal(len(T), 4), normal(T.shape[1], 4)
    p = ed.problem(FACTORISATION, T, U, V, wrt=["U", "V"])
    v = normal(p.size)
    slope = (p.fun(p.x0 + 1e-4 * v) - p.fun(p.x0 - 1e-4 * v)) / 2e-4
    np.testing.assert_allclose(p.jac(p.x0) @ v, slope, rtol=1e-6)
    U, V, losses = module.factorise(T, U, V, rounds=60)
    best = np.sum(np.linalg.svd(T, compute_uv=False)[4:] ** 2)
    np.testing.assert_allclose(losses[-1], best, rtol=1e-9)
    assert all(b <= a * (1 + 1e-12) for a, b in pairwise(losses))
    np.testing.assert_allclose(p.jac(p.pack(U=U, V=V)), 0, atol=1e-2)
    left, singular, right = np.linalg.svd(T)
    np.testing.assert_allclose(U @ V.T, left[:, :4] * singular[:4] @ right[:4], atol=1e-4)


def test_the_curve_has_the_certified_parameters():
    module = example("optimization_curve")
    x, y = module.load()
    p = ed.problem(module.vertical, x, y, module.START, wrt="b")
    fit = least_squares(p.fun, p.x0, jac=p.jac, method="lm", xtol=1e-15, ftol=1e-15, gtol=1e-15)
    np.testing.assert_allclose(fit.x, module.CERTIFIED["b"], rtol=1e-7)
    np.testing.assert_allclose(2 * fit.cost, module.CERTIFIED["sum"], rtol=1e-10)


def test_errors_in_both_coordinates_are_those_of_a_dense_fit():
    module = example("optimization_curve")
    x, y = module.load()
    x, y, b = x[::8], y[::8], np.array(module.CERTIFIED["b"])
    p = module.errors_in_both(x, y, 3.0, 0.02, b)
    n = len(x)
    J = p.jac(p.x0)
    np.testing.assert_allclose(J.toarray(), differences(p.fun, p.x0, 1e-6), rtol=1e-6, atol=1e-4)
    assert p.jac_sparsity()[:, :n].nnz == 2 * n
    sparse = least_squares(p.fun, p.x0, jac=p.jac, tr_solver="lsmr", x_scale="jac", ftol=1e-13)
    dense = least_squares(p.fun, p.x0, x_scale="jac", ftol=1e-13)
    np.testing.assert_allclose(sparse.cost, dense.cost, rtol=1e-8)
    np.testing.assert_allclose(sparse.x, dense.x, rtol=1e-3)


@pytest.mark.parametrize(
    ("file", "columns", "loader"),
    [
        ("breast_cancer.csv", slice(0, 10), "load_breast_cancer"),
        ("iris.csv", slice(0, 4), "load_iris"),
        ("digits.csv", slice(1, 65), "load_digits"),
    ],
)
def test_the_data_are_those_that_scikit_learn_bundles(file, columns, loader):
    needs("sklearn")
    from sklearn import datasets

    rows = (EXAMPLES / "data" / file).read_text(encoding="utf-8").splitlines()[1:]
    table = np.array([row.split(",")[columns] for row in rows], float)
    theirs = getattr(datasets, loader)().data[: len(rows), : table.shape[1]]
    np.testing.assert_allclose(table, theirs, rtol=1e-9)


def test_a_derivative_that_the_text_asks_for_is_what_is_minimized():
    p = ed.problem("d/dx (x^3 + x)", wrt="x", x=2.0)
    assert p.fun(p.x0) == 13.0
    np.testing.assert_allclose(p.jac(p.x0), [12.0])


@pytest.mark.parametrize("wrt", ["x_0", "x_i x_i"])
def test_parameters_are_whole_variables(wrt):
    with pytest.raises(ed.OperandError, match="parameters are whole variables"):
        ed.problem("x_i x_i", x=np.ones(3), wrt=wrt)
    assert ed.problem("x_0^2", x_0=2.0, wrt="x_0").x0.tolist() == [2.0]
    assert ed.problem("θ_i θ_i", θ=np.ones(3), wrt=r"\theta").x0.size == 3
