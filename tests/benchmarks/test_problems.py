"""The benchmark's problems are what they say: by hand and by einsdiff alike, and by differences.

Run with ``python -m pytest tests/benchmarks/test_problems.py``.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tests.benchmarks.measuring import agree
from tests.benchmarks.problems import PROBLEMS
from tests.benchmarks.systems import SYSTEMS, MissingError

every_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=list(PROBLEMS))


def softmax(z):
    powers = np.exp(z)
    return powers / powers.sum(axis=-1, keepdims=True)


#: NumPy, for complex numbers, too.
NUMPY = SimpleNamespace(
    einsum=np.einsum,
    sum=np.sum,
    sin=np.sin,
    exp=np.exp,
    tanh=np.tanh,
    relu=lambda z: z * (z.real > 0),
    softplus=lambda z: np.log(1 + np.exp(z)),
    softmax=softmax,
    log_softmax=lambda z: np.log(softmax(z)),
    logdet=lambda X: np.log(np.linalg.det(X)),
    inv=np.linalg.inv,
)


def stepped(problem, operands, name, h):
    """Return what a complex or a real step in each entry changes the function by."""
    columns = []
    for place in np.ndindex(operands[name].shape):
        moved = {k: array.astype(np.result_type(array, h)) for k, array in operands.items()}
        moved[name][place] += h
        columns.append(np.asarray(problem.function(NUMPY, **moved)))
    return np.stack(columns, axis=-1).reshape(*columns[0].shape, *operands[name].shape)


def by_differences(problem, operands):
    """Differentiate by complex steps, and once more by central differences."""
    first = problem.wrt[0]
    if problem.order == 1:
        return stepped(problem, operands, first, 1e-30j).imag / 1e-30
    second, h, columns = problem.wrt[1], 1e-5, []
    for place in np.ndindex(operands[second].shape):
        gradients = []
        for step in (h, -h):
            moved = {k: array.copy() for k, array in operands.items()}
            moved[second][place] += step
            gradients.append(stepped(problem, moved, first, 1e-30j).imag / 1e-30)
        columns.append((gradients[0] - gradients[1]) / (2 * h))
    return np.stack(columns, axis=-1).reshape(*columns[0].shape, *operands[second].shape)


@every_problem
def test_the_optimum_by_hand_is_the_derivative(problem):
    operands = problem.operands("tiny")
    hand = problem.hand(**operands)
    assert hand.flags.c_contiguous
    assert not agree(by_differences(problem, operands), hand, tolerance=1e-7)


@every_problem
@pytest.mark.parametrize("system", [name for name in SYSTEMS if name.startswith("einsdiff")])
def test_every_form_of_einsdiff_agrees_with_it(problem, system):
    operands = problem.operands("tiny")
    if system == "einsdiff sparse" and not problem.structured:
        with pytest.raises(MissingError, match="no zeros"):
            SYSTEMS[system](problem, operands)
        return
    call = SYSTEMS[system](problem, operands)
    assert not call.check(call.run(), problem.hand(**operands))


@every_problem
def test_shapes_are_known_before(problem):
    operands = problem.operands("tiny")
    rows, columns = problem.shapes(operands, "tiny")
    assert problem.hand(**operands).shape == (*rows, *columns)
