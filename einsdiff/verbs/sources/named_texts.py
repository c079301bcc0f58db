"""Operands that are given as expressions: ``y_i y_i`` with ``y="A_ij x_j"``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from unicodedata import normalize

from einsdiff.errors import OperandError
from einsdiff.expressions.base import NamedSize
from einsdiff.expressions.refusals import places_of
from einsdiff.expressions.replacing import with_replaced
from einsdiff.verbs.sources.source import Arguments, Source

#: Signs that a shape such as ``mn`` does not have, and an expression does.
_SIGNS = frozenset("_+-*/^()[]=·−²³⁻'′ᵀ⊤@⊙⊘∘⊗‖|\\⟨√∇")


def texts_among(named: Mapping[str, Any]) -> dict[str, str]:
    """Return the operands that are expressions, and not the letters of a shape.

    >>> texts_among({"y": "A_ij x_j", "x": "n"})
    {'y': 'A_ij x_j'}
    """
    return {
        normalize("NFKC", name): value
        for name, value in named.items()
        if isinstance(value, str)
        and not isinstance(value, NamedSize)
        and not _SIGNS.isdisjoint(value)
    }


def with_texts(
    given: Arguments, texts: Mapping[str, str], read: Callable[[Arguments], Source]
) -> Source:
    """Read an expression whose operands are expressions, which may be made of each other.

    Each is put in its place when the expression has been read, so that it has its name there.
    """
    rest = {n: v for n, v in given.named.items() if normalize("NFKC", n) not in texts}
    inner = {
        name: value
        for name, value in rest.items()
        if any(places_of(name, text) for text in texts.values())
    }
    outer = {n: v for n, v in rest.items() if n not in inner or places_of(n, given.expression)}
    ordered = _ordered(texts)
    every = (given.expression, *texts.values())
    for name in texts:
        if not any(places_of(name, text) for text in every):
            outer[name] = ()  # there is no such name, which is said where it is read
    source = read(replace(given, named=outer))
    tensor = source.tensor
    for name in ordered:
        if name in tensor.names:
            new = {
                n: value
                for n, value in inner.items()
                if n not in tensor.names and places_of(n, texts[name])
            }
            tensor = with_replaced(tensor, {name: texts[name], **new})
    return replace(source, tensor=tensor)


def _ordered(texts: Mapping[str, str]) -> list[str]:
    """List names so that each comes before those that its text is made of."""
    order: list[str] = []
    open_: list[str] = []

    def visit(name: str) -> None:
        if name in order:
            return
        if name in open_:
            circle = " is made of ".join(f"'{n}'" for n in (*open_[open_.index(name) :], name))
            raise OperandError(
                circle, text=texts[name], action="write what it is made of by other names"
            )
        open_.append(name)
        for other in texts:
            if places_of(other, texts[name]):
                visit(other)
        open_.pop()
        order.insert(0, name)

    for name in texts:
        visit(name)
    return order
