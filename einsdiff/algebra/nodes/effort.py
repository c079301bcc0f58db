r"""Work that is counted, so that every question has an answer in time.

Some ways to write an expression are searched for, and what comes out can be longer than what goes
in by any factor: products that are multiplied out, higher derivatives, orders of axes. The steps
are counted where products are built, one for each factor and one for the product, each some twenty
millionths of a second. Whoever starts a search says how many there may be, and what to do when they
are used up. A count is the same on every machine, which a clock is not.

>>> x = variable("x", (3,))
>>> def work():
...     return [einsum([x, x], ["i", "i"], "") for _ in range(100)][0]
>>> within(1000, work, lambda: "too much")
Einsum((x, x), ((0,), (0,)), ())
>>> within(10, work, lambda: "too much")
'too much'
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

_T = TypeVar("_T")

#: How many steps there may be of some work, and how many more for each node that it is done to.
BUDGETS = {
    "derivative": (200_000, 50),  # some seconds
    "rewriting": (150_000, 20),  # some seconds
    "planning": (50_000, 20),
    "matrix notation": (40_000, 20),
    "display": (40_000, 10),  # about a second, with the nodes of the functions of all orders
    "order of axes": (30_000, 10),
}


def budget(work: str, count: int) -> int:
    """Return how many steps there may be of some work on so many nodes.

    >>> budget("derivative", 100)
    205000
    """
    most, each = BUDGETS[work]
    return most + each * count


class _Budget:
    """How many steps are left."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


class _ExhaustedError(Exception):
    """The steps of a budget are used up; only who set it catches this."""

    def __init__(self, budget: _Budget) -> None:
        super().__init__("more steps were taken than there may be")
        self.budget = budget


_budget: ContextVar[_Budget | None] = ContextVar("_budget", default=None)


def spend(steps: int) -> None:
    """Count steps of what is done `within` a number of them.

    >>> spend(3)  # within none
    """
    budget = _budget.get()
    if budget is not None:
        budget.left -= steps
        if budget.left < 0:
            raise _ExhaustedError(budget)


def within(most: int, work: Callable[[], _T], otherwise: Callable[[], _T]) -> _T:
    """Do some work, or something else if it takes more than so many steps.

    Work inside of other work takes its steps from that, too. It must leave nothing half done that
    others see. What is returned, or raised, when steps are used up is what `otherwise` says.
    """
    outer = _budget.get()
    room = most if outer is None else min(most, outer.left)
    own = _Budget(room)
    token = _budget.set(own)
    try:
        return work()
    except _ExhaustedError as error:
        if error.budget is not own:
            raise
    finally:
        _budget.reset(token)
        if outer is not None:
            outer.left -= room - own.left
    if outer is not None and room < most:
        raise _ExhaustedError(outer)
    return otherwise()
