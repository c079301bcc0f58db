"""What needs a package that is not installed says which extra brings it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CALLS = {
    "ed.grad('x_i x_i', x=[1.0]).sparse()": ("scipy", "scipy"),
    "ed.grad('x_i x_i', x=[1.0]).operator()": ("scipy", "scipy"),
    "ed.problem('x_i x_i', x=[1.0], form='sparse').hess([1.0])": ("scipy", "scipy"),
    "ed.as_torch('x_i x_i')": ("torch", "torch"),
    "ed.as_jax('x_i x_i')": ("jax", "jax"),
    "ed.parse('x_i x_i').to_sympy()": ("sympy", "sympy"),
    "ed.parse('x_i x_i', x=[1.0]).dense(optimize='hyper')": ("cotengra", "cotengra"),
    "ed.grad('x_i x_i', x=[1.0]).plot()": ("matplotlib", "plot"),
}

CODE = """
import sys
sys.modules[{package!r}] = None  # which makes importing it fail
import einsdiff as ed
try:
    {call}
except ed.OperandError as error:
    print(error)
"""


@pytest.mark.parametrize("call", CALLS)
def test_a_missing_package_is_named_with_its_extra(call):
    package, extra = CALLS[call]
    code = CODE.format(package=package, call=call)
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert f'pip install "einsdiff[{extra}]"' in found.stdout, found.stderr


def test_every_extra_that_is_named_exists():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"]
    assert {extra for _, extra in CALLS.values()} <= extras.keys()
