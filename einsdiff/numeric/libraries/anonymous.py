"""Arrays that got no name from the user, and the names they get."""

from __future__ import annotations

from threading import Lock
from weakref import finalize

from einsdiff.notation.threads import in_child
from einsdiff.numeric.libraries.operands import Array


class _Anonymous:
    """Gives names to arrays that no variable of the caller holds.

    Two living arrays never share a name; a name is free again when its array is gone, so that a
    repeated call with new arrays has the same names as before.
    """

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}  # of id(array)
        self.free: list[int] = []
        self.highest = 0
        self.open_lock()
        in_child(self.open_lock)

    def open_lock(self) -> None:
        self.lock = Lock()

    def name(self, array: Array) -> str:
        with self.lock:
            number = self.numbers.get(id(array))
            if number is None:
                if self.free:
                    number = min(self.free)
                    self.free.remove(number)
                else:
                    number = self.highest = self.highest + 1
                self.numbers[id(array)] = number
                finalize(array, self.release, id(array)).atexit = False
        return f"array{number}"

    def release(self, identity: int) -> None:
        # No lock: this may run at any moment, also inside of `name`.
        self.free.append(self.numbers.pop(identity))


_anonymous = _Anonymous()


def is_anonymous(array: Array) -> bool:
    """Tell whether `anonymous_name` gave this array its name.

    >>> import numpy as np
    >>> is_anonymous(np.ones(2))
    False
    """
    return id(array) in _anonymous.numbers


def anonymous_name(array: Array) -> str:
    """Return a name for an array that has none: ``array1``, ``array2``, ..

    >>> import numpy as np
    >>> one, other = np.ones(2), np.ones(2)
    >>> anonymous_name(one) == anonymous_name(one) != anonymous_name(other)
    True
    """
    return _anonymous.name(array)
