"""What a derivative costs before the first number is computed, and when everything is known.

Run with ``python -m pytest tests/benchmarks``; the table shows medians.
"""

from __future__ import annotations

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.expressions import evaluation
from einsdiff.expressions.formula import symbol
from einsdiff.notation.subscripts import parse_subscripts
from einsdiff.numeric.orders.paths import find_path
from einsdiff.numeric.running.program import program_for
from einsdiff.verbs import calculus
from einsdiff.verbs.sources import accept as reading

pytest.importorskip("pytest_benchmark")

A, x, R = np.ones((3, 4)), np.ones(4), np.ones((3, 4))
PROBLEMS = {
    "A6": lambda: np.asarray(ed.grad("ij,j->i", A, x, wrt="A")),
    "A7": lambda: np.asarray(ed.grad("mp,mq->pq", R, R, wrt="R")),
    "A6 in index notation": lambda: np.asarray(ed.grad("A_ij x_j", A, x, wrt="A")),
    "A6 traced": lambda: np.asarray(ed.grad(lambda A, x: A @ x, A, x, wrt="A")),
    "tanh(A x)": lambda: np.asarray(ed.grad("f_i = tanh(A_ij x_j)", A, x, wrt="x")),
    "B5": lambda: np.asarray(ed.hessian("i,ij,j->", R[0], A.T @ A, R[0], wrt=0)),
}


def forget() -> None:
    """Empty every cache, so that the next call starts from the string."""
    for kept in (
        parse_subscripts,
        symbol,
        reading._einsum,
        reading._reading,
        calculus._derived,
        calculus._derivatives,
        program_for,
        find_path,
    ):
        kept.cache_clear()
    evaluation._ready.clear()


@pytest.mark.parametrize("problem", PROBLEMS)
def test_repeated_call(benchmark, problem):
    benchmark(PROBLEMS[problem])


@pytest.mark.parametrize("problem", PROBLEMS)
def test_cold_call(benchmark, problem):
    benchmark.pedantic(PROBLEMS[problem], setup=forget, rounds=50)
