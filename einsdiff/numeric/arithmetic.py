r"""Arithmetic and functions as expressions in Python.

What has an operator is written with it, what is a function is called as the array library calls
it. A negative power is a quotient:

.. math:: x^{-2} \mapsto \texttt{1 / x**2}

>>> from einsdiff.algebra.nodes import call, constant, variable
>>> from einsdiff.algebra.function import FUNCTIONS
>>> from einsdiff.numeric.plan import plain_plan
>>> plan = plain_plan(call(FUNCTIONS["power"], [variable("x", (3,)), constant(-2)]), {})
>>> (step,) = plan.instructions
>>> ARITHMETIC[step.op](Draft(plan, "numpy", {"x_": "x"}, uses={}), step).text
'1 / x**2'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from einsdiff.algebra.function import Function
from einsdiff.numeric.drafts import WIDTH, Draft, Writer
from einsdiff.numeric.pieces import (
    ATOM,
    COMPARISON,
    COMPLEX,
    EXACT,
    FLOAT,
    POWER,
    PRODUCT,
    SUM,
    UNARY,
    Piece,
    joined,
    names_in,
    product,
    reciprocal,
    whole_power,
)
from einsdiff.numeric.spelling import ALIASES, COMPARISONS, spelled
from einsdiff.numeric.steps import Instruction

__all__ = ["ARITHMETIC"]


def _add(draft: Draft, step: Instruction) -> Piece:
    a, b = draft.arguments(step)
    text = f"{a.at(SUM)} + {b.at(SUM)}"
    if b.level <= UNARY and b.text.startswith("-"):
        text = f"{a.at(SUM)} - {b.text[1:]}" if b.level > SUM else f"{a.at(SUM)} + ({b.text})"
    return joined(text, [a, b], step.shape, level=SUM)


def _subtract(draft: Draft, step: Instruction) -> Piece:
    a, b = draft.arguments(step)
    return joined(f"{a.at(SUM)} - {b.at(PRODUCT)}", [a, b], step.shape, level=SUM)


def _negative(draft: Draft, step: Instruction) -> Piece:
    (a,) = draft.arguments(step)
    is_product = a.level == PRODUCT
    inner = a.text if is_product else a.at(POWER)
    if inner.startswith("-"):
        inner = f"({inner})"
    level = PRODUCT if is_product else UNARY
    return joined(f"-{inner}", [a], step.shape, level=level, sign=a.sign)


def _multiply(draft: Draft, step: Instruction) -> Piece:
    a, b = draft.arguments(step)
    if b.number is not None:
        a, b = b, a
    if step.args[0] == step.args[1]:
        return whole_power(a, 2)
    return replace(product(a, b), shape=step.shape)


# --- powers -----------------------------------------------------------------------------------


def _whole_power(draft: Draft, step: Instruction) -> Piece:
    (a,) = draft.arguments(step)
    return whole_power(a, step.detail)


def _power(draft: Draft, step: Instruction) -> Piece:
    a, b = draft.arguments(step)
    n = b.number
    if isinstance(n, int | Fraction):
        if n < 0 and (isinstance(n, int) or n == Fraction(-1, 2)):
            return reciprocal(_raised(draft, a, -n), step.shape)
        return replace(_raised(draft, a, n), shape=step.shape)
    text = f"{a.at(ATOM)} ** {b.at(UNARY)}"
    if b.is_simple and b.level == ATOM:
        text = f"{a.at(ATOM)}**{b.text}"
    return joined(text, [a, b], step.shape, FLOAT, level=POWER)


def _raised(draft: Draft, a: Piece, n: int | Fraction) -> Piece:
    """Write a power."""
    if n == 1:
        return a
    if n == Fraction(1, 2) and a.names:
        return draft.made("sqrt", [a], a.shape, FLOAT)
    if isinstance(n, int):
        return whole_power(a, n)
    exponent = f"({n.numerator} / {n.denominator})"
    return joined(f"{a.at(ATOM)} ** {exponent}", [a], a.shape, FLOAT, level=POWER)


# --- functions --------------------------------------------------------------------------------


def _call(draft: Draft, step: Instruction) -> Piece:
    function: Function = step.detail
    if function.name == "power":
        return _power(draft, step)
    pieces = draft.arguments(step, WIDTH - len(function.name))
    if function.name in COMPARISONS:
        return _compared(draft, function, pieces, step.shape)
    values = 0  # the first of the arguments that are no conditions
    if function.name == "where":
        pieces[0], values = _condition(draft, pieces[0]), 1
    if draft.backend == "torch" or callable(function.implementation):
        pieces[values:] = [
            piece if piece.names else _as_array(draft, piece) for piece in pieces[values:]
        ]
    template = _template(draft, function, pieces)
    kind = EXACT if function.keeps_integers else FLOAT
    return joined(draft.spell(template, *pieces), pieces, step.shape, kind)


def _template(draft: Draft, function: Function, pieces: Sequence[Piece]) -> str:
    """Return how a function is called; one of the user's has a name of its own."""
    if function.name == "solve" and function.ranks == (2, 1):
        is_stack = len(pieces[0].shape) > 2 or len(pieces[1].shape) > 1
        if is_stack:  # of vectors, which would be taken for a matrix
            function = replace(function, implementation="solve for vectors")
    template = spelled(function, draft.backend)
    if template is not None:
        return template
    name = draft.functions.get(function.name)
    if name is None:
        name = draft.named(function.name, f"{function.name}_", f"{function.name}_function")
        draft.functions[function.name] = name
    return f"{name}({', '.join(f'{{{k}}}' for k in range(len(pieces)))})"


def _condition(draft: Draft, a: Piece) -> Piece:
    """Write a number as a condition, unless it is the truth value of one."""
    if not a.names and draft.backend == "torch":
        a = _as_array(draft, a)
    condition = a.condition or Piece(f"{a.at(SUM)} != 0", level=COMPARISON)
    return replace(condition, names=a.names)


def _compared(
    draft: Draft, function: Function, pieces: Sequence[Piece], shape: tuple[int, ...]
) -> Piece:
    """Write a comparison, whose value is 0 or 1."""
    names = names_in(pieces)
    a, b = pieces
    if not names and draft.backend == "torch":
        a, b = _as_array(draft, a), _as_array(draft, b)
    text = f"{a.at(SUM)} {COMPARISONS[function.name]} {b.at(SUM)}"
    condition = joined(text, pieces, shape, level=COMPARISON)
    dtype = draft.dtype_of_conditions(names)
    if dtype is None:
        found = draft.made("where", [condition, Piece("1.0"), Piece("0.0")], shape)
    else:
        found = draft.made("cast", [condition], shape, dtype=dtype)
    return replace(found, kind=EXACT, condition=condition, names=names)


def _as_array(draft: Draft, a: Piece) -> Piece:
    """Write a number where an array is needed."""
    if draft.backend == "torch":
        precision = "complex128" if a.kind == COMPLEX else "float64"
        text = draft.spell_operation("argument", a, precision=precision)
    else:
        text = f"{ALIASES[draft.backend]}.asarray({a.text})"
    return replace(a, text=text, level=ATOM, sign="", kind=max(a.kind, FLOAT))


#: How the steps of this module are written, by what they are called in a plan.
ARITHMETIC: Mapping[str, Writer] = {
    "add": _add,
    "call": _call,
    "multiply": _multiply,
    "negative": _negative,
    "power": _whole_power,
    "subtract": _subtract,
}
