"""Calls of functions in programs: dtypes, numbers as arguments, functions of the user's."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.function_records import Function, lookup
from einsdiff.algebra.nodes.graph import not_analytic
from einsdiff.algebra.nodes.interning import constant, variable
from einsdiff.algebra.nodes.nodes import add, call, einsum
from einsdiff.numeric.running.program import program_for

x, y = variable("x", (3,)), variable("y", (3,))
FLOATS = ["float32", "float64"]


def run(node, dtype, **arrays):
    program = program_for((node,), (), dtype)
    return program.function(*(arrays[v.name].astype(dtype) for v in program.inputs))


def apply(name, *args):
    return call(FUNCTIONS[name], [constant(a) if isinstance(a, int | float) else a for a in args])


VALUES = {"x": np.array([0.5, 2.0, 3.0]), "y": np.array([2.0, 2.0, 0.5])}
HALF = constant(Fraction(1, 2))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (apply("exp", 2), np.exp(2)),
        (call(FUNCTIONS["power"], [constant(2), HALF]), np.sqrt(2)),
        (apply("where", apply("greater", x, y), 1, 0), [0, 0, 1]),
        (apply("where", apply("greater", x, y), 1, 0.5), [0.5, 0.5, 1]),
        (apply("where", apply("equal", x, y), x, 0.5), [0.5, 2, 0.5]),
        (apply("greater", x, 1), [0, 1, 1]),
        (apply("greater_equal", 2, x), [1, 1, 0]),
        (apply("maximum", x, 1.5), [1.5, 2, 3]),
        (apply("xlogy", x, 0.5), VALUES["x"] * np.log(0.5)),
        (apply("xlogy", 2, x), 2 * np.log(VALUES["x"])),
        (apply("xlogy", 2, 0.5), 2 * np.log(0.5)),
        (apply("power", 2, x), 2 ** VALUES["x"]),
        (apply("power", x, -1), 1 / VALUES["x"]),
        (apply("power", x, 0.5), VALUES["x"] ** 0.5),
        (apply("sigmoid", 1), 1 / (1 + np.exp(-1))),
        (apply("hypot", x, 1), np.hypot(VALUES["x"], 1)),
        (apply("relu", 2), 2),
    ],
    ids=str,
)
def test_numbers_as_arguments_neither_promote_nor_leak(node, expected, dtype):
    found = run(node, dtype, **VALUES)
    assert isinstance(found, np.ndarray | np.generic)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("function", [f for f in FUNCTIONS.values() if f.is_elementwise], ids=str)
def test_functions_keep_the_dtype(function, dtype):
    point = 1.5 if function.name == "arccosh" else 0.5
    values = {n: np.full(3, point, dtype) for n in "abc"}
    args = [variable("abc"[k], (3,)) for k in range(len(function.ranks))]
    found = run(call(function, args), dtype, **values)
    assert found.dtype == dtype
    assert found.shape == (3,)


@pytest.mark.parametrize("name", ["greater", "greater_equal", "equal", "not_equal"])
def test_comparisons_are_numbers(name):
    both = apply(name, x, y)
    total = add([(1, both), (1, both), (1, einsum([both, both], ["i", "i"], "i"))])
    compare = getattr(np, name)(VALUES["x"], VALUES["y"])
    np.testing.assert_array_equal(run(total, "float64", **VALUES), 3.0 * compare)
    count = einsum([both, both], ["i", "i"], "")
    assert run(count, "float64", **VALUES) == compare.sum()
    alone = einsum([apply("greater", 2, 1), x], ["", "i"], "i") if name == "greater" else x
    np.testing.assert_array_equal(run(alone, "float64", **VALUES), VALUES["x"])


@pytest.mark.parametrize("name", ["t0", "t1", "np", "out", "program", "float", "x", "f"])
def test_functions_of_the_user_may_have_any_name(name):
    own = Function(name, ("1",), f"{name}({{0}})", implementation=lambda a: a + 1)
    node = einsum([call(own, [call(own, [x])]), y], ["i", "j"], "ij")
    expected = np.multiply.outer(VALUES["x"] + 2, VALUES["y"])
    np.testing.assert_array_equal(run(node, "float64", **VALUES), expected)


def test_a_function_that_returns_its_argument_gives_no_memory_away():
    same = Function("same", ("1",), "same({0})", implementation=lambda a: a)
    found = run(call(same, [x]), "float64", x=(values := np.ones(3)))
    assert not np.may_share_memory(found, values)


def test_functions_of_real_numbers_are_found():
    node = einsum([apply("floor", x), apply("exp", y)], ["i", "i"], "")
    floor = FUNCTIONS["floor"]
    assert not_analytic(node, frozenset()) is None
    assert not_analytic(node, frozenset("y")) is None
    assert not_analytic(node, frozenset("x")) is floor
    assert not_analytic(apply("floor", einsum([x, y], ["i", "i"], "")), frozenset("y")) is floor
    assert not_analytic(apply("floor", add([(1j, x)])), frozenset()) is floor
    assert not_analytic(call(floor, [constant(0.5j)]), frozenset()) is floor
    assert not_analytic(apply("maximum", x, 1.0), frozenset("x")).name == "maximum"


def test_scipy_is_imported_only_where_it_is_needed():
    code = """
import sys
from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.nodes import call
from einsdiff.algebra.nodes.interning import variable
from einsdiff.numeric.running.program import program_for
import numpy as np
x = variable("x", (3,))
for name in ("exp", "sigmoid", "softplus"):
    program_for((call(FUNCTIONS[name], [x]),), (), "float64").function(np.ones(3))
assert not any(name.split(".")[0] == "scipy" for name in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_families_are_called_with_their_axes():
    z = variable("z", (2, 3, 4))
    values = np.random.default_rng(0).normal(size=(2, 3, 4))
    found = run(call(lookup("logsumexp", (2,)), [z]), "float64", z=values)
    np.testing.assert_allclose(found, np.log(np.exp(values).sum((1, 2))))
    found = run(call(lookup("softmax", (2,)), [z]), "float32", z=values)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum((1, 2)), [1, 1], rtol=1e-6)
