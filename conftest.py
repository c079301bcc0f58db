"""What the examples in docstrings need not import."""

from __future__ import annotations

from typing import Any

import pytest

import einsdiff
from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.function_records import lookup
from einsdiff.algebra.nodes.interning import constant, delta, variable, zero
from einsdiff.algebra.nodes.nodes import add, call, einsum, related, scale
from einsdiff.display.matrix.writers import write
from einsdiff.notation.index_parser import parse_index

#: What makes nodes and writes forms, for the examples of the rooms below the public functions.
_INNER: list[Any] = [add, call, constant, delta, einsum, lookup, parse_index, related, scale]
_INNER += [variable, write, zero]
_ROOMS = ("einsdiff.algebra.", "einsdiff.display.", "einsdiff.numeric.")


@pytest.fixture(autouse=True)
def _names(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> None:
    """Examples of operations are for users, whose `help` shows the import; others are for readers.

    What a module has by the same name is what its examples mean.
    """
    doctest_namespace["ed"] = einsdiff
    example = getattr(request.node, "dtest", None)
    if example is not None and example.name.startswith(_ROOMS):
        for name, value in [("FUNCTIONS", FUNCTIONS), *((f.__name__, f) for f in _INNER)]:
            example.globs.setdefault(name, value)
