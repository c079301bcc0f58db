"""What is planned and written as code needs no array library: not even to be installed."""

from __future__ import annotations

import subprocess
import sys

ROOMS = (
    "errors",
    "notation",
    "algebra",
    "display",
    "numeric.orders",
    "numeric.planning",
    "numeric.source",
)

#: Imports every module of the rooms, and writes the code of a derivative.
PROGRAM = f"""
import sys
from importlib import import_module
from pkgutil import walk_packages

sys.modules["numpy"] = sys.modules["scipy"] = None  # which makes importing them fail
count = 0
for room in {ROOMS!r}:
    package = import_module("einsdiff." + room)
    for found in walk_packages(getattr(package, "__path__", []), package.__name__ + "."):
        import_module(found.name)
        count += 1

from einsdiff.algebra.nodes.nodes import einsum
from einsdiff.algebra.nodes.interning import variable
from einsdiff.numeric.source.code import source

A, x = variable("A", ("m", "n")), variable("x", ("n",))
print(count, source(einsum([x], ["q"], "iiq", {{"i": "m"}}), [A, x], "jacobian", "f"))
"""


def test_pure_rooms_are_imported_and_write_code_without_numpy():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    count, _, code = done.stdout.partition(" ")
    assert int(count) > 50
    assert "J[i, i] = x" in code
