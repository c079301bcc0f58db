"""Programs: what they allocate, in which order they contract, and what they leave alone."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.algebra.nodes.interning import variable
from einsdiff.algebra.nodes.nodes import einsum
from einsdiff.numeric.planning.operations import VIEWS
from einsdiff.numeric.planning.plan import plan
from einsdiff.numeric.running.program import program_for
from einsdiff.numeric.sparse import positions


def peak_bytes(f):
    f()  # plan and compile first
    tracemalloc.start()
    try:
        result = f()
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


def test_dense_derivative_needs_no_memory_but_its_own():
    A, x = np.ones((400, 400)), np.ones(400)
    J = ed.grad("ij,j->i", A, x, wrt="A")
    peak, result = peak_bytes(lambda: np.asarray(J))
    assert result.shape == (400, 400, 400)
    assert peak <= 1.1 * result.nbytes


@pytest.mark.parametrize("layout", ["numerator", "denominator"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_matrices_in_every_layout_need_no_copy(layout, order):
    A, x = np.ones((60, 80)), np.arange(80.0)
    J = ed.grad("ij,j->i", A, x, wrt="A")
    peak, result = peak_bytes(lambda: J.matrix(layout, order))
    assert peak <= 1.1 * result.nbytes


def test_sums_of_deltas_need_no_memory_but_the_result_and_one_core():
    R = np.ones((60, 40))
    K = ed.grad("mp,mq->pq", R, R, wrt="R")
    peak, result = peak_bytes(lambda: np.asarray(K))
    assert peak <= 1.1 * result.nbytes


def test_temporaries_are_freed_before_the_end():
    arrays = [np.ones((300, 300)) for _ in range(6)]
    total = ed.tensor("T0", arrays[0])
    for k, array in enumerate(arrays[1:], start=1):
        T = ed.tensor(f"T{k}", array)
        total = total + T @ T
    peak, result = peak_bytes(lambda: np.asarray(total))
    assert peak <= 3.2 * result.nbytes


def test_no_identity_matrix_is_formed():
    A, x = np.ones((3, 4)), np.ones(4)
    J = ed.grad("ij,j->i", A, x, wrt="A")
    source = program_for((J.formula.normal_form,), (), "float64").source
    assert "eye" not in source
    assert "identity" not in source
    allocated = [
        step.shape
        for step in plan([J.formula.normal_form], {}).instructions
        if step.op not in VIEWS
    ]
    assert allocated == [(3, 3, 4)]


def test_brackets_of_the_user_do_not_fix_the_order_of_contraction():
    n = 50
    A, B, x = ed.tensors(A=np.ones((n, n)), B=np.ones((n, n)), x=np.ones(n))
    steps = plan([((A @ B) @ x).expr], {}).instructions
    assert max(np.prod(step.shape) for step in steps) == n


def test_a_broadcast_is_a_view():
    x = variable("x", (3,))
    made = plan([einsum([x], ["j"], "ij", {"i": 1000})], {})
    assert [step.op for step in made.instructions] == ["zeros", "assign"] or [
        step.op for step in made.instructions
    ] == ["empty", "assign"]


def test_the_source_runs_without_the_library():
    A, x = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    J = ed.grad("ij,j->i", A, x, wrt="A")
    program = program_for((J.formula.normal_form,), (), "float64")
    assert "einsdiff" not in program.source
    names = {"np": np}
    exec(program.source, names)
    np.testing.assert_array_equal(names["program"](x), J.dense())


@pytest.mark.parametrize("name", ["lambda", "out", "np", "t0", "program", "µ", "class"])
def test_names_that_mean_something_to_python_are_only_names(name):
    x = ed.tensor(name, [1.0, 2.0])
    y = ed.tensor("y", [3.0, 4.0])
    np.testing.assert_array_equal((x * y).dense(), [3.0, 8.0])


def test_programs_are_kept_for_equal_structure_and_sizes():
    def program(n):
        A, x = np.ones((n, n)), np.ones(n)
        J = ed.grad("ij,j->i", A, x, wrt="A")
        return program_for((J.formula.normal_form,), (), "float64")

    assert program(3) is program(3)
    assert program(3) is not program(4)


def test_symbolic_expressions_are_planned_for_the_sizes_given():
    A, x = ed.tensors(A="mn", x="n")
    J = ed.grad(A @ x, wrt="A")
    for m, n in [(2, 3), (4, 1), (0, 2)]:
        values = np.arange(n) + 1.0
        expected = np.einsum("ip,q->ipq", np.identity(m), values)
        np.testing.assert_array_equal(J(A=np.ones((m, n)), x=values), expected)


def test_a_size_factor_is_evaluated():
    x = ed.tensor("x", "n")
    total = ed.einsum("i->ij", x, sizes={"j": "n"})
    f = ed.grad(ed.einsum("ij,i->", total, x), wrt="x")
    np.testing.assert_array_equal(f(x=[1.0, 2.0, 3.0]), [6.0, 12.0, 18.0])


def test_terms_that_are_split_in_different_ways_are_added_in_one_shape():
    rng = np.random.default_rng(0)
    a, b, c, d = rng.random((2, 3)), rng.random((3, 2)), rng.random(6), rng.random(2)
    A, B, C, D = ed.tensors(A=a, B=b, C=c, D=d)
    total = np.exp(A).reshape(6) + 2 * np.exp(B).reshape(6) - C
    np.testing.assert_allclose(total.dense(), np.exp(a).ravel() + 2 * np.exp(b).ravel() - c)
    rows = np.broadcast_to(D[:, None], (2, 3)).reshape(6)
    columns = np.broadcast_to(D, (3, 2)).reshape(6)
    expected = np.repeat(d, 3) + np.tile(d, 3)
    np.testing.assert_allclose((rows + columns).dense(), expected)
    np.testing.assert_allclose((rows + columns).cores().dense(), expected)
    assert ed.grad(rows + columns, wrt="D").check().ok


def test_a_copy_of_an_array_that_is_zero_elsewhere_is_not_taken_for_one():
    rng = np.random.default_rng(0)
    x, y = rng.random(3), rng.random(3)
    X, Y = ed.tensors(X=x, Y=y)
    diagonal = np.diag(X)
    for f in (diagonal + np.exp(diagonal), np.diag(X) + np.ones((3, 3)) * Y, diagonal * 2 + Y):
        out = f.dense()
        expected = out.copy()
        out[...] = 7.0
        np.testing.assert_array_equal(f.dense(out=out), expected)


def test_results_computed_together_have_the_zeros_that_each_has_alone():
    def residuals(b, x, y, z, s, t):
        return np.concatenate([(y - np.exp(-b[0] * x) / (b[1] + b[2] * x)) / s, (z - x) / t])

    arrays = np.array([0.3, 0.7, 0.2]), *np.linspace(1, 2, 1000).reshape(5, 200)
    gradients = [ed.grad(residuals, *arrays, wrt=name) for name in ("x", "b")]
    together = ed.compile(*gradients, form="cores")
    together()
    for gradient, cores in zip(gradients, together.plan.cores, strict=True):
        alone = [positions(core.window) for core in gradient.cores().places]
        together_at = [positions(core.window) for core in cores]
        assert set(np.concatenate(together_at)) <= set(np.concatenate(alone))
    for gradient, dense in zip(gradients, ed.compile(*gradients)(), strict=True):
        np.testing.assert_allclose(dense, gradient.dense())
