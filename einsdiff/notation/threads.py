"""What makes the library safe where threads and forks meet.

A fork copies the memory of a process and one of its threads. What another thread was holding at
that moment, a lock or the import of a module, nobody in the child will ever give back. So there are
few locks, none of them where values are computed: a property that two threads ask for at once is
computed twice, and both get the one that came first. The locks there are open in a child, and a
fork waits for modules that are just being imported.

>>> class Circle:
...     radius = 2
...
...     @cached_property
...     def area(self):
...         return 3 * self.radius**2
>>> circle = Circle()
>>> circle.area, vars(circle)
(12, {'area': 12})
"""

from __future__ import annotations

import functools
import os
import sys
from _thread import get_ident  # which, unlike threading, is there already
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from time import sleep
from types import FrameType
from typing import TYPE_CHECKING, Any

__all__ = ["cached_property", "in_child"]

if TYPE_CHECKING:
    from functools import cached_property
else:

    class cached_property(functools.cached_property):  # noqa: N801 (as in functools)
        """A property that is computed once, without the lock of Python 3.11.

        That lock is one for all objects of a class, is held while the value is computed, and stays
        shut in a child that was forked meanwhile.
        """

        def __get__(self, instance: object, owner: type[Any] | None = None) -> Any:
            """Return the value, computed now if this is the first time."""
            if instance is None:
                return self
            # There is no value yet: where there is one, it stands before this in the object.
            return vars(instance).setdefault(self.attrname, self.func(instance))


def in_child(action: Callable[[], None]) -> None:
    """Do something in every process that is forked from this one, such as to make a lock anew."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=action)


#: So long no other thread may ask for its turn between the last look and the fork, in seconds.
_UNDISTURBED = 100.0
_interval = sys.getswitchinterval()


def _await_imports() -> None:
    """Wait for the modules that other threads are just importing."""
    global _interval
    if sys.getswitchinterval() != _UNDISTURBED:  # which it is while two threads fork at once
        _interval = sys.getswitchinterval()
    if len(sys._current_frames()) > 1:
        sys.setswitchinterval(_UNDISTURBED)
        sleep(2 * _interval)  # those that wait for their turn already have had it then
    for _ in range(100):  # one import may be followed by another
        names = _being_imported()
        if not names:
            return
        for name in names:
            with suppress(Exception):  # which is for the thread that imports it
                import_module(name)


def _being_imported() -> list[str]:
    """List the modules that other threads are importing for this library.

    A module that is looked for, but not found yet, is seen in the frames of the threads alone.
    """
    found: list[str] = []
    for thread, frame in sys._current_frames().items():
        at: FrameType | None = frame if thread != get_ident() else None
        names: list[str] = []
        while at is not None:
            if "importlib" in at.f_code.co_filename:
                names += [n for n in [at.f_locals.get("name")] if isinstance(n, str)]
            elif str(at.f_globals.get("__name__")).partition(".")[0] == "einsdiff":
                found += names
                names = []
            at = at.f_back
    return list(dict.fromkeys(found))


def _go_on() -> None:
    sys.setswitchinterval(_interval)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_await_imports, after_in_parent=_go_on, after_in_child=_go_on)
