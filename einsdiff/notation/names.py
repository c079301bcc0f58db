"""What a plain array is called: the name of the caller's variable that holds it.

>>> import sys
>>> table = [1, 2, 3]
>>> name_of(table, sys._getframe())
'table'
"""

from __future__ import annotations

from types import FrameType
from unicodedata import normalize

from einsdiff.errors import OperandError

#: Signs of index notation, which no operand can be called.
RESERVED = {"δ": "the Kronecker delta", "Σ": "the sign of a sum"}

#: What operands are called that matrix notation spells like a sign of index notation.
SPELLED_OUT = {"δ": "delta", "Σ": "Sigma", "Π": "Pi"}


def spelled_out(name: str) -> str:
    """Return the name of an operand that cannot be called like a sign.

    >>> spelled_out("Σ"), spelled_out("Σ_1"), spelled_out("A")
    ('Sigma', 'Sigma_1', 'A')
    """
    stem, sign, index = name.partition("_")
    return SPELLED_OUT.get(stem, stem) + sign + index


def as_name(text: object, what: str = "") -> str:
    r"""Read the name of an operand, spelled as Python spells identifiers.

    It is an identifier in any alphabet, and becomes one in Unicode's normal form NFKC, in which
    Python reads the name of a keyword argument. What is none, or is a sign of index notation, is an
    `OperandError`, whose message begins with `what`.

    >>> as_name("θ_1"), as_name("\u00b5") == "\u03bc"
    ('θ_1', True)
    >>> as_name("2x")
    Traceback (most recent call last):
    einsdiff.OperandError: '2x' is not a name
    <BLANKLINE>
    names are identifiers, such as A, x1 or θ
    """
    if not isinstance(text, str) or not text.isidentifier():
        headline = f"{what}{text!r} is not a name"
        raise OperandError(headline, action="names are identifiers, such as A, x1 or θ")
    name = normalize("NFKC", text)
    if name in RESERVED:
        headline = f"{what}{name!r} is not a name: it is {RESERVED[name]} in index notation"
        raise OperandError(headline, action="choose another name")
    return name


def name_of(value: object, frame: FrameType | None) -> str | None:
    """Find what the caller's code calls a value, which is compared by identity.

    The local variables of the caller's frame are searched first, then the global ones, for names
    without a leading underscore.
    """
    if frame is None:
        return None
    local = frame.f_locals
    for names in (local, frame.f_globals):
        for name, found in names.items():
            # Frames also hold names that the user did not write, such as "@py_assert1" and "_".
            is_spoken = found is value and name[0] != "_" and name.isidentifier()
            if is_spoken and (names is local or name not in local):
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
