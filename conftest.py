"""What the examples in docstrings need not import."""

from __future__ import annotations

from typing import Any

import pytest

import einsdiff
from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.interning import variable, zero
from einsdiff.algebra.nodes.nodes import add, call, einsum, related
from einsdiff.display.matrix.writers import write

#: What expressions are built with, and written; a module's own names come first.
INNER = {f.__name__: f for f in (variable, zero, add, call, einsum, related, write)}


@pytest.fixture(autouse=True)
def _names(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> None:
    """Docstrings of operations are written for users, whose `help` shows the import."""
    doctest_namespace["ed"] = einsdiff
    if isinstance(request.node, pytest.DoctestItem):
        own = request.node.dtest.globs
        own.update({**INNER, "FUNCTIONS": FUNCTIONS, **own})
