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

    Attributes
    ----------
    avoided
        Names and letters that are taken.
    names
        What functions are called.
    results
        Derivatives of these functions, with names in them, by the function and the variable.
    normal_form
        What brings expressions to their normal forms.
    room
        How many factors, written out, the derivatives that are added to it may have.
    is_full
        Whether steps were left out, since there was no room for them.

    Examples
    --------
    >>> Board().names
    {}
    """

    avoided: Collection[str] = ()
    names: dict[Node, str] = field(default_factory=dict)
    results: dict[tuple[Node, Variable], Node] = field(default_factory=dict)
    normal_form: NormalForms = field(default_factory=NormalForms, repr=False)
    room: int = field(default=MOST_WRITTEN, repr=False)
    is_full: bool = field(default=False, repr=False)
