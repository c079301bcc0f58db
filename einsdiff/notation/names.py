"""What a plain array is called: the name of the caller's variable that holds it.

>>> import sys
>>> table = [1, 2, 3]
>>> name_of(table, sys._getframe())
'table'
"""

from __future__ import annotations

from types import FrameType

__all__ = ["is_name", "name_of", "value_of"]


def is_name(text: str) -> bool:
    """Tell whether an operand can be called so.

    >>> is_name("A"), is_name("θ_1"), is_name("2x"), is_name("a b")
    (True, True, False, False)
    """
    return text.isidentifier()


def name_of(value: object, frame: FrameType | None) -> str | None:
    """Find what the caller's code calls a value.

    Parameters
    ----------
    value
        Compared by identity.
    frame
        The caller's frame; its local variables are searched first, then the global ones.

    Returns
    -------
    str or None
        The first name without a leading underscore; None if there is none.
    """
    if frame is None:
        return None
    local = frame.f_locals
    for name, found in local.items():
        if found is value and name[0] != "_":
            return name
    for name, found in frame.f_globals.items():
        if found is value and name[0] != "_" and name not in local:
            return name
    return None


def value_of(name: str, frame: FrameType) -> object:
    """Return what a name stands for in the caller's code, None if nothing.

    >>> import sys
    >>> table = [1, 2, 3]
    >>> value_of("table", sys._getframe())
    [1, 2, 3]
    """
    local = frame.f_locals
    return local[name] if name in local else frame.f_globals.get(name)
