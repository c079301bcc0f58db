"""Expressions that arrive in matrix notation."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from einsdiff.algebra.nodes.function_records import parted_names, revision
from einsdiff.algebra.reading.equation import Reading
from einsdiff.algebra.reading.matrix_reading import amounts_in, read_matrix_text
from einsdiff.errors import ShapeError
from einsdiff.expressions.formula import Formula
from einsdiff.notation.names import spelled_out
from einsdiff.notation.subscripts import Size
from einsdiff.verbs.sources.named_operands import Grammar, Known, read_named
from einsdiff.verbs.sources.source import Arguments, Source


def read_matrix(arguments: Arguments) -> Source:
    """Read matrix notation; operands are matched by name, nameless ones by order."""
    named = {spelled_out(name): value for name, value in arguments.named.items()}
    return read_named(replace(arguments, named=named), _MATRIX)


def _names_in(text: str, known: frozenset[str]) -> tuple[str, ...]:
    return amounts_in(text, known.difference(parted_names())).names


def _shapes_in(text: str) -> dict[str, tuple[Size, ...]]:
    """Return the shapes of the operands by what fits and by convention, else of numbers."""
    try:
        operands = _reading(text, (), (), revision()).operands
    except ShapeError:  # what is given may say which names are matrices
        return dict.fromkeys(_names_in(text, frozenset()), ())
    return {name: node.shape for name, node in operands.items()}


def _is_size(name: str, text: str) -> bool:
    """Tell whether a name that has a whole number is a size, or the exponent of a matrix."""
    amounts = amounts_in(text, frozenset())
    return name in amounts.exponents or name not in amounts.names


@lru_cache(maxsize=1024)
def _reading(
    text: str, operands: Known, sizes: tuple[tuple[str, Size], ...], revision: int
) -> Reading:
    del revision
    known = {name: o.expr if isinstance(o, Formula) else o for name, o in operands}
    return read_matrix_text(text, known, dict(sizes))


def _read(text: str, operands: Known, sizes: tuple[tuple[str, Size], ...]) -> Reading:
    return _reading(text, operands, sizes, revision())


_MATRIX = Grammar(_names_in, _shapes_in, _is_size, _read, "matrix")
