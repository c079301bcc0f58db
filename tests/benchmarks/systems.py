"""What runs on NumPy: the hand-written optimum and the forms in which einsdiff gives a derivative.

Each system is a function from a problem and its operands to a `Call`: what is timed, and what its
result is checked by. One that cannot be measured raises `MissingError`, with the reason.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tests.benchmarks.measuring import agree
from tests.benchmarks.problems import Arrays, Problem

__all__ = ["SYSTEMS", "Call", "MissingError", "forget"]


class MissingError(Exception):
    """A system that cannot be measured here, and why."""


@dataclass
class Call:
    """What is timed.

    Attributes
    ----------
    run
        The call; its result is fresh each time.
    check
        Compares a result with the dense one; returns what is wrong, or an empty string.
    setup
        Seconds that went before, once.
    note
        What a reader of the figure should know.
    """

    run: Callable[[], Any]
    check: Callable[[Any, np.ndarray], str]
    setup: float | None = None
    note: str = ""


def forget() -> None:
    """Empty every cache of einsdiff's, so that the next call starts from the string."""
    for name, room in list(sys.modules.items()):
        if name.startswith("einsdiff."):
            for kept in list(vars(room).values()):
                if hasattr(kept, "cache_parameters") and kept.cache_parameters()["maxsize"]:
                    kept.cache_clear()


def hand(problem: Problem, operands: Arrays) -> Call:
    return Call(lambda: problem.hand(**operands), agree)


def hand_core(problem: Problem, operands: Arrays) -> Call:
    return Call(lambda: problem.core(**operands), lambda result, expected: "")


def first(problem: Problem, operands: Arrays) -> Call:
    def run():
        forget()
        return np.asarray(problem.derivative(**operands))

    return Call(run, agree)


def repeated(problem: Problem, operands: Arrays) -> Call:
    return Call(lambda: np.asarray(problem.derivative(**operands)), agree)


def _compiled(problem: Problem, operands: Arrays, **options: Any) -> Callable[..., Any]:
    """Compile the derivative, and bind the arrays by position."""
    J = problem.derivative(**operands)
    function = J.compile(**options)
    values = tuple(J.values[name] for name in function.names)
    return lambda **out: function(*values, **out)


def compiled(problem: Problem, operands: Arrays) -> Call:
    return Call(_compiled(problem, operands), agree)


def into_buffer(problem: Problem, operands: Arrays) -> Call:
    function = _compiled(problem, operands)
    buffer = function()

    def run():
        return function(out=buffer)

    return Call(run, lambda result, expected: _again(run, buffer, expected))


def _again(run: Callable[[], Any], buffer: np.ndarray, expected: np.ndarray) -> str:
    """Spoil what an earlier call wrote, and see whether it is written anew."""
    buffer *= 3
    return agree(run(), expected)


def core(problem: Problem, operands: Arrays) -> Call:
    function = _compiled(problem, operands, form="cores")
    cores = problem.derivative(**operands).cores()
    return Call(
        function, lambda result, expected: agree(replace(cores, arrays=result).dense(), expected)
    )


def sparse(problem: Problem, operands: Arrays) -> Call:
    if not problem.structured:
        raise MissingError("no zeros to leave out")
    run = _compiled(problem, operands, form="sparse")

    def check(result, expected):
        matrix = expected.reshape(result.shape)
        v = np.random.default_rng(1).normal(size=matrix.shape[1])
        return agree(result @ v, matrix @ v)

    return Call(run, check)


def _product(problem: Problem, operands: Arrays, of: Callable[..., Callable[[], Any]]) -> Call:
    """Multiply the derivative by a vector."""
    J = problem.derivative(**operands)
    columns = J.shape[J.ndim - J.domain :]
    v = np.random.default_rng(1).normal(size=columns)

    def check(result, expected):
        product = expected.reshape(-1, v.size) @ v.ravel()
        return agree(np.asarray(result).reshape(-1), product)

    return Call(of(J, v), check)


def product(problem: Problem, operands: Arrays) -> Call:
    def compiled_product(J, v):
        jvp = J.jvp(v)
        function = jvp.compile()
        values = tuple(jvp.values[name] for name in function.names)
        return lambda: function(*values)

    return _product(problem, operands, compiled_product)


def operator(problem: Problem, operands: Arrays) -> Call:
    def matvec(J, v):
        linear, flat = J.operator(), v.ravel()
        return lambda: linear.matvec(flat)

    return _product(problem, operands, matvec)


#: What is measured on NumPy, by name.
SYSTEMS: dict[str, Callable[[Problem, Arrays], Call]] = {
    "hand": hand,
    "hand core": hand_core,
    "einsdiff first": first,
    "einsdiff repeated": repeated,
    "einsdiff compiled": compiled,
    "einsdiff into buffer": into_buffer,
    "einsdiff core": core,
    "einsdiff sparse": sparse,
    "einsdiff product": product,
    "einsdiff operator": operator,
}
