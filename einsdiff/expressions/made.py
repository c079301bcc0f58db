"""Formulas made of others: entries of a derivative, and expressions in the place of variables.

What a formula was made of is kept, so that its derivation and its check are those of the whole, and
so that a part of it that has a name can be differentiated by.

>>> x, y = symbol("x", (3,)), symbol("y", (3,)).expr
>>> f = outlined(x, y, x.expr)
>>> f.expr, f.arguments, filled(f, ((y, x.expr),)).expr
(y, (x, y), x)
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from einsdiff.algebra.derivatives.entries import Key, taken
from einsdiff.algebra.derivatives.substitution import with_expressions
from einsdiff.algebra.nodes.graph import variables_of
from einsdiff.algebra.nodes.interning import Node, Variable
from einsdiff.algebra.rewriting.flatten import flatten
from einsdiff.algebra.rewriting.occurrences import abstracted
from einsdiff.errors import OperandError
from einsdiff.expressions.formula import Formula, MadeOf, symbol
from einsdiff.notation.trees import Affine, Index, letters_of

Known = tuple[tuple[Variable, Node], ...]


@lru_cache(maxsize=1024)
def entries_of(whole: Formula, key: Key) -> Formula:
    """Take entries of a derivative along the axes of what it was differentiated by."""
    expr = taken(whole.expr, key)
    heading, domain = whole.heading, sum(not isinstance(k, int) for k in key)
    *before, (name, indices) = heading.wrt
    own = tuple(_entry(index, k) for index, k in zip(indices, key, strict=True))
    heading = replace(heading, wrt=(*before, (name, own)))
    return replace(
        whole, expr=expr, heading=heading, domain=domain, source=None, made_of=MadeOf(whole, key)
    )


def _entry(index: Index, k: int | range | None) -> Index:
    """Write the index of an axis of which one entry is taken, or a run."""
    if k is None:
        return index
    if isinstance(k, int):
        return Affine((), k)
    (letter,) = letters_of([index])
    return Affine(((k.step, letter),), k.start)


@lru_cache(maxsize=1024)
def filled(whole: Formula, known: Known) -> Formula:
    """Put expressions in the place of variables that stand for them."""
    (expr,) = flatten(with_expressions([whole.expr], dict(known)))
    gone = {v for v, _ in known}
    new = variables_of([*(node for _, node in known), expr])
    arguments = dict.fromkeys(v for v in (*whole.arguments, *new) if v not in gone)
    made = MadeOf(whole, (), known)
    return replace(whole, expr=expr, arguments=tuple(arguments), source=None, made_of=made)


def definitions(formula: Formula) -> dict[Variable, Node]:
    """Return the variables that stood in a formula for expressions, and what they stand for now."""
    if formula.made_of is None or formula.made_of.key:
        return {}
    whole, _, known = formula.made_of
    below = {v: with_expressions([e], dict(known))[0] for v, e in definitions(whole).items()}
    return {**below, **dict(known)}


@lru_cache(maxsize=1024)
def outlined(formula: Formula, name: Variable, node: Node) -> Formula:
    """Return a formula in which a variable stands for a part of it, with all else as it is."""
    made = formula.made_of
    if made is not None and not made.key:
        if name in dict(made.known):
            rest = tuple((v, e) for v, e in made.known if v is not name)
            return filled(made.whole, rest) if rest else made.whole
        if name in definitions(made.whole):
            below = outlined(made.whole, name, definitions(made.whole)[name])
            return filled(below, made.known)
    expr = abstracted(formula.expr, node, name)
    if expr is None:
        raise OperandError(
            f"what '{name}' stands for does not occur in {formula.heading.name} as such",
            text=formula.text,
            action=f"differentiate by '{name}' first, and then by others",
        )
    letters = formula.letters.joined(symbol(name.name, name.shape).letters)
    arguments = (*formula.arguments, name)
    notation = formula.notation
    least = formula.least
    return Formula(expr, formula.heading, letters, arguments, least=least, notation=notation)


# --- how it was derived ---------------------------------------------------------------------------


def is_derived(formula: Formula) -> bool:
    """Tell whether it is known of which function a formula is a derivative."""
    while formula.source is None and formula.made_of is not None:
        formula = formula.made_of.whole
    return formula.source is not None


def before(formula: Formula) -> Formula:
    """Return the formula that a derivative comes from: the function, or what it was made of."""
    if formula.source is not None:
        return formula.source[0]
    assert formula.made_of is not None
    return formula.made_of.whole
