"""Recursion without Python's stack: formulas may be nested more deeply than it is."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

_T = TypeVar("_T")

#: A job yields the jobs whose answers it needs, and returns its own.
Job = Generator[Any, Any, _T]


def run(job: Job[_T]) -> _T:
    """Run jobs that wait for each other, without recursion.

    >>> def depth(n):
    ...     return 1 + (yield depth(n - 1)) if n else 0
    >>> run(depth(10_000))
    10000
    """
    stack: list[Job[Any]] = [job]
    answer: Any = None
    while True:
        try:
            stack.append(stack[-1].send(answer))
            answer = None
        except StopIteration as stop:
            stack.pop()
            answer = stop.value
            if not stack:
                return answer  # type: ignore[no-any-return]
