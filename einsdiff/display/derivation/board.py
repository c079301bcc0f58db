"""What stands on the board when a derivation goes on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from einsdiff.algebra.nodes.interning import Node, Variable
from einsdiff.algebra.rewriting.orient import NormalForms

#: A board has room for derivatives of so many factors in all, written out; it takes about a second.
MOST_WRITTEN = 3000


@dataclass
class Board:
    """What stands on the board already, which a higher derivative goes on from.

    Examples
    --------
    >>> Board().names
    {}
    """

    avoided: Collection[str] = ()  # names and letters that are taken
    names: dict[Node, str] = field(default_factory=dict)  # what functions are called
    results: dict[tuple[Node, Variable], Node] = field(default_factory=dict)  # with names in them
    normal_form: NormalForms = field(default_factory=NormalForms, repr=False)
    #: How many factors, written out, what is added may have.
    room: int = field(default=MOST_WRITTEN, repr=False)
    #: Whether steps were left out, since there was no room.
    is_full: bool = field(default=False, repr=False)
