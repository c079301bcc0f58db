"""Expressions that arrive in index notation."""

from __future__ import annotations

from functools import lru_cache

from einsdiff.algebra.nodes.function_records import revision
from einsdiff.algebra.reading.equation import Reading, read
from einsdiff.errors import SubscriptsError
from einsdiff.expressions.formula import Formula
from einsdiff.notation.index_parser import names_in
from einsdiff.notation.subscripts import Size
from einsdiff.verbs.sources.named_operands import Grammar, Known, read_named
from einsdiff.verbs.sources.source import Arguments, Source


def read_index(arguments: Arguments) -> Source:
    """Read index notation; operands are matched by name, nameless ones by order."""
    return read_named(arguments, _INDEX)


def _is_label(name: str, text: str) -> bool:
    """Tell whether a name that has a number stands for a label, whose size the number is."""
    try:
        return name not in shapes_in(text)
    except SubscriptsError:  # the size of a label is not known yet
        return True


def shapes_in(text: str) -> dict[str, tuple[Size, ...]]:
    """Return the shapes of the operands of index notation, with names for all sizes.

    What is meant is not doubted: who asks may be about to say that the names are operands.

    >>> shapes_in("A x_i")
    {'A': (), 'x': ('m',)}
    """
    operands = _reading(text, (), (), revision(), doubts=False).operands
    return {name: node.shape for name, node in operands.items()}


@lru_cache(maxsize=1024)
def _reading(
    text: str,
    operands: Known,
    sizes: tuple[tuple[str, Size], ...],
    revision: int,  # of the function table, in whose names the text is written
    doubts: bool = True,
) -> Reading:
    del revision
    known = {name: o.expr if isinstance(o, Formula) else o for name, o in operands}
    return read(text, known, dict(sizes), doubts=doubts)


def _read(text: str, operands: Known, sizes: tuple[tuple[str, Size], ...]) -> Reading:
    return _reading(text, operands, sizes, revision())


_INDEX = Grammar(names_in, shapes_in, _is_label, _read, "index")
