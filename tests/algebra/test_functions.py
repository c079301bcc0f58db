"""Every entry of the function table, by differences to second order."""

from __future__ import annotations

import numpy as np
import pytest

from einsdiff.algebra.differentiate import derivatives
from einsdiff.algebra.functions import FUNCTIONS
from einsdiff.algebra.nodes import Node, call, constant, einsum, topological, variable, zero
from einsdiff.numeric.program import program_for
from tests.oracle import finite_differences


def arguments(name: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    entry = FUNCTIONS[name]
    arrays = {}
    for argument, names in zip(entry.arguments, entry.cores[0], strict=True):
        shape = (2, *(3 for _ in names))
        arrays[argument] = rng.uniform(0.5, 2.0, shape)
        if len(names) == 2:
            arrays[argument] += 3 * np.identity(3)
    return arrays


def value(node: Node, arrays: dict[str, np.ndarray]) -> np.ndarray:
    program = program_for((node,), (), "float64")
    return np.asarray(program.function(*(arrays[v.name] for v in program.inputs)))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("name", "argument"),
    [(name, argument) for name, entry in FUNCTIONS.items() for argument in entry.arguments],
)
def test_derivative_of_every_function(name, argument, order):
    arrays = arguments(name)
    variables = {a: variable(a, array.shape) for a, array in arrays.items()}
    f = call(FUNCTIONS[name], [variables[a] for a in FUNCTIONS[name].arguments])
    below = f
    for _ in range(order):
        previous, (below,) = below, derivatives(below, [variables[argument]])
    expected = finite_differences(lambda v: value(previous, {**arrays, argument: v}),
                                  arrays[argument])  # fmt: skip
    np.testing.assert_allclose(value(below, arrays), expected, rtol=2e-6, atol=2e-6)


def test_power_folds_trivial_exponents():
    x = variable("x", (3,))
    power = FUNCTIONS["power"]
    assert call(power, [x, constant(1)]) is x
    assert call(power, [x, constant(0)]) is einsum([], [], "i", {"i": 3})
    assert call(power, [constant(3), constant(4)]) is constant(81)
    assert call(power, [zero((3,)), constant(2)]) is zero((3,))


def test_an_argument_without_batch_axes_is_used_for_the_whole_batch():
    x, n = variable("x", (3,)), variable("n", ())
    f = call(FUNCTIONS["power"], [x, n])
    (df,) = derivatives(f, [n])
    assert df.shape == (3,)
    arrays = {"x": np.array([1.0, 2.0, 3.0]), "n": np.array(2.0)}
    np.testing.assert_allclose(value(df, arrays), arrays["x"] ** 2 * np.log(arrays["x"]))


@pytest.mark.parametrize("length", [100, 400])
def test_the_derivative_of_a_chain_has_nodes_in_proportion(length):
    x = variable("x", (3,))
    f: Node = x
    for k in range(length):
        f = call(FUNCTIONS["sin" if k % 2 else "tanh"], [f])
    (df,) = derivatives(f, [x])
    assert len(topological([df])) <= 6 * len(topological([f]))


def test_gradients_by_many_variables_share_one_sweep():
    variables = [variable(f"x{k}", (3,)) for k in range(60)]
    f: Node = variables[0]
    for x in variables[1:]:
        f = einsum([f, x], ["i", "i"], "i")
    together = derivatives(f, variables)
    assert len(topological(together)) <= 6 * len(topological([f]))
