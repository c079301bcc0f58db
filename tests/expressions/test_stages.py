"""What does not depend on a direction is computed once for many of them."""

from __future__ import annotations

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.expressions import stages
from einsdiff.expressions.stages import Stages

rng = np.random.default_rng(0)
X, w, v = rng.normal(size=(40, 3)), rng.normal(size=3), rng.normal(size=3)
LOSS = "Σ_i log1p(exp(X_ij w_j)) + w_j w_j"


def product(moving=("v",)):
    f = ed.hvp(LOSS, wrt="w", X=X, w=w)
    return f, Stages([f.formula], {"X": X}, moving, f.values)


def test_what_is_kept_has_no_direction_in_it():
    f, parts = product()
    assert parts.held
    kept = parts.prepared(w=w)
    for direction in (v, w, np.zeros(3)):
        (found,) = parts(kept, w=w, v=direction)
        np.testing.assert_allclose(found, f(v=direction, w=w), rtol=1e-12)


def test_nothing_is_kept_of_what_moves_with_all_or_is_too_large(monkeypatch):
    f, parts = product(("v", "w", "X"))
    assert not parts.held
    np.testing.assert_allclose(parts(parts.prepared(), X=X, w=w, v=v)[0], f(v=v, w=w))
    monkeypatch.setattr(stages, "memory_limit", lambda: 100)
    assert not product()[1].held


def test_a_problem_keeps_what_belongs_to_the_last_point():
    problem = ed.problem(LOSS, wrt="w", X=X, w=w)
    hessian = problem.hess(w)
    other = problem.hess(2 * w)
    np.testing.assert_allclose(problem.hessp(w, v), hessian @ v)
    np.testing.assert_allclose(problem.hessp(w, w), hessian @ w)
    np.testing.assert_allclose(problem.hessp(2 * w, v), other @ v)
    buffer = w.copy()
    problem.hessp(buffer, v)
    buffer *= 2  # SciPy writes new points to the same memory
    np.testing.assert_allclose(problem.hessp(buffer, v), other @ v)


def test_the_operator_of_a_problem_stays_at_its_point():
    problem = ed.problem(LOSS, wrt="w", X=X, w=w)
    buffer = w.copy()
    operator = problem.hess(buffer, form="operator")
    hessian = problem.hess(w)
    buffer *= 0
    problem.hessp(buffer, v)
    np.testing.assert_allclose(operator @ v, hessian @ v)


def test_weights_of_entries_belong_to_the_operator():
    problem = ed.problem("f_i = exp(X_ij w_j)", wrt="w", X=X, w=w)
    weights = rng.normal(size=40)
    operator = problem.hess(w, weights, form="operator")
    np.testing.assert_allclose(operator @ v, problem.hess(w, weights) @ v)


def test_what_depends_on_the_point_is_not_computed_again(monkeypatch):
    points = []
    prepared = Stages.prepared
    monkeypatch.setattr(
        Stages, "prepared", lambda self, **arrays: points.append(arrays) or prepared(self, **arrays)
    )
    problem = ed.problem(LOSS, wrt="w", X=X, w=w)
    for point, direction in ((w, v), (w, w), (w.copy(), v), (v, w)):
        problem.hessp(point, direction)
    assert len(points) == 2


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_digits_that_are_kept_together_stay_together(scale):
    x = np.array([0.5, -2.0, 1.0]) * scale
    problem = ed.problem("Σ_i (x_i^3 exp(-x_i^2) + tanh(x_i)^2)", wrt="x", x=x)
    f = ed.hvp("Σ_i (x_i^3 exp(-x_i^2) + tanh(x_i)^2)", wrt="x", x=x, v=v)
    np.testing.assert_allclose(problem.hessp(x, v), np.asarray(f), rtol=1e-9, atol=1e-300)
