"""How it is said that an expression has no form in matrix notation."""

from __future__ import annotations


class NoMatrixFormError(Exception):
    """An expression that matrix notation has no signs for; the message says why."""
