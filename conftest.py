"""What the examples in docstrings need not import."""

from __future__ import annotations

from typing import Any

import pytest

import einsdiff


@pytest.fixture(autouse=True)
def _names(doctest_namespace: dict[str, Any]) -> None:
    """Docstrings of operations are written for users, whose `help` shows the import."""
    doctest_namespace["ed"] = einsdiff
