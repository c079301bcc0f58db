"""Budgets: what is asked for is answered, or refused, after a known number of steps."""

from __future__ import annotations

import threading
from contextlib import suppress

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.algebra.nodes.effort import BUDGETS, budget, spend, within


def steps(count):
    for _ in range(count):
        spend(1)
    return "done"


def test_work_within_its_steps_is_done():
    assert within(10, lambda: steps(10), lambda: "too much") == "done"
    assert within(10, lambda: steps(11), lambda: "too much") == "too much"
    assert steps(10**4) == "done"  # nobody counts


def test_a_budget_grows_with_the_nodes():
    for work, (most, each) in BUDGETS.items():
        assert budget(work, 0) == most > 0
        assert budget(work, 7) == most + 7 * each > most


def test_steps_of_inner_work_are_taken_from_the_outer():
    def work():
        first = within(5, lambda: steps(100), lambda: "inner")
        return first, within(100, lambda: steps(3), lambda: "inner")

    assert within(10, work, lambda: "outer") == ("inner", "done")
    assert within(7, work, lambda: "outer") == "outer"
    # The outer work has none left: the inner does not go on in its own way.
    assert (
        within(5, lambda: within(50, lambda: steps(9), lambda: "inner"), lambda: "outer") == "outer"
    )


def test_what_is_raised_passes_and_the_count_goes_on():
    def work():
        with pytest.raises(ZeroDivisionError):
            within(5, lambda: steps(3) and 1 / 0, lambda: 0)
        return steps(3)

    assert within(6, work, lambda: "too much") == "done"
    assert within(5, work, lambda: "too much") == "too much"


def test_threads_count_their_own_steps():
    found = []
    thread = threading.Thread(target=lambda: found.append(steps(100)))

    def work():
        thread.start()
        thread.join()
        return steps(5)

    assert within(5, work, lambda: "too much") == "done"
    assert found == ["done"]


def counted(monkeypatch, work):
    """Return how many steps work takes, whatever budgets there are inside of it."""
    total = 0

    def count(steps):
        nonlocal total
        total += steps
        spend(steps)

    with monkeypatch.context() as patch:
        patch.setattr("einsdiff.algebra.nodes.nodes.spend", count)
        with suppress(ed.OperandError, ed.SizeError):
            work()
    return total


DISPLAYS = {
    "str": str,
    "latex": lambda t: t.latex(),
    "matrix": lambda t: t.format("matrix"),
    "explain": lambda t: t.explain(),
    "cases": lambda t: t.cases(),
    "html": lambda t: t._repr_html_(),
    "layouts": lambda t: t.table("layouts"),
    "simplify": ed.simplify,
    "expand": ed.expand,
    "code": lambda t: t.code(),
}


@pytest.mark.parametrize("name", DISPLAYS)
@pytest.mark.parametrize(
    ("text", "order"),
    [("x_i / sqrt(x_j x_j)", 6), ("exp(x_i x_i)", 7), ("f_i = tanh(A_ij tanh(A_jk x_k))", 5)],
)
def test_high_derivatives_are_shown_or_refused_in_time(monkeypatch, name, text, order):
    J = ed.grad(text, wrt="x", order=order)
    display = DISPLAYS[name]
    assert counted(monkeypatch, lambda: display(J)) < 250_000


def test_a_normal_form_that_is_not_found_in_time_has_the_value_all_the_same(monkeypatch):
    x = np.array([0.3, -1.2, 0.7])
    text = "x_i / sqrt(x_j x_j)"
    expected = ed.grad(text, x=x, wrt="x", order=3)
    shown = ed.parse(str(expected), x=x).dense()
    monkeypatch.setitem(BUDGETS, "order of axes", (0, 0))
    again = ed.grad("y_i / sqrt(y_j y_j)", y=x, wrt="y", order=3)
    np.testing.assert_allclose(ed.parse(str(again), y=x).dense(), shown, atol=1e-12)
    np.testing.assert_allclose(again.dense(), expected.dense(), atol=1e-12)


def test_what_is_refused_says_what_to_ask_for():
    J = ed.grad("exp(x_i x_i)", wrt="x", order=8)
    with pytest.raises(ed.OperandError, match=r"too long.*\n+.*ask for that of a lower order"):
        J.explain()
