r"""Arithmetic and functions as expressions in Python.

What has an operator is written with it, what is a function is called as the array library calls
it. A negative power is a quotient:

.. math:: x^{-2} \mapsto \texttt{1 / x**2}

>>> from einsdiff.numeric.planning.plan import plain_plan
>>> plan = plain_plan(call(FUNCTIONS["power"], [variable("x", (3,)), constant(-2)]), {})
>>> (step,) = plan.instructions
>>> ARITHMETIC[step.op](Draft(plan, "numpy", {"x_": "x"}, uses={}), step).text
'1 / x**2'
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from einsdiff.algebra.nodes.function_records import Function
from einsdiff.numeric.planning.operations import Instruction
from einsdiff.numeric.source.draft import WIDTH, Draft, Writer
from einsdiff.numeric.source.pieces import (
    COMPLEX,
    EXACT,
    FLOAT,
    Piece,
    joined,
    names_in,
    negated,
    number_of,
    operation,
    product,
    reciprocal,
    whole_power,
)
from einsdiff.numeric.source.spelling import spelled
from einsdiff.numeric.source.syntax import called, name


def _operated(sign: str) -> Writer:
    def write(draft: Draft, step: Instruction) -> Piece:
        a, b = draft.arguments(step)
        return operation(a, sign, b)

    return write


def _negative(draft: Draft, step: Instruction) -> Piece:
    return negated(*draft.arguments(step))


def _multiply(draft: Draft, step: Instruction) -> Piece:
    a, b = draft.arguments(step)
    if b.number is not None:
        a, b = b, a
    if step.args[0] == step.args[1]:
        return whole_power(a, 2)
    return product(a, b)


# --- powers -----------------------------------------------------------------------------------


def _whole_power(draft: Draft, step: Instruction) -> Piece:
    (a,) = draft.arguments(step)
    return whole_power(a, step.detail)


def _power(draft: Draft, step: Instruction) -> Piece:
    a, b = draft.arguments(step)
    n = b.number
    if isinstance(n, int | Fraction):
        if n < 0 and (isinstance(n, int) or n == Fraction(-1, 2)):
            return reciprocal(_raised(draft, a, -n))
        return _raised(draft, a, n)
    return replace(operation(a, "**", b), kind=max(a.kind, b.kind, FLOAT))


def _raised(draft: Draft, a: Piece, n: int | Fraction) -> Piece:
    """Write a power."""
    if n == 1:
        return a
    if n == Fraction(1, 2) and a.names:
        return draft.made("sqrt", [a], a.shape, FLOAT)
    if isinstance(n, int):
        return whole_power(a, n)
    return operation(a, "**", number_of(n))


# --- functions --------------------------------------------------------------------------------


def _call(draft: Draft, step: Instruction) -> Piece:
    function: Function = step.detail
    if function.name == "power":
        return _power(draft, step)
    pieces = draft.arguments(step, WIDTH - len(function.name))
    if function.compares:
        return _compared(draft, function, pieces, step.shape)
    values = 0  # the first of the arguments that are no conditions
    if function.name == "where":
        pieces[0], values = _condition(draft, pieces[0]), 1
    if not draft.library.takes_numbers or callable(function.implementation):
        pieces[values:] = [as_array(draft, piece, pieces[values:]) for piece in pieces[values:]]
    kind = EXACT if function.keeps_integers else FLOAT
    return joined(_called(draft, function, pieces), pieces, step.shape, kind)


def _called(draft: Draft, function: Function, pieces: Sequence[Piece]) -> ast.expr:
    """Call a function; one of the user's has a name of its own."""
    if function.name == "solve" and function.ranks == (2, 1):
        is_stack = len(pieces[0].shape) > 2 or len(pieces[1].shape) > 1
        if is_stack:  # of vectors, which would be taken for a matrix
            return draft.spell(draft.library.operations["solve for vectors"], *pieces)
    template = spelled(function, draft.library.code)
    if template is not None:
        return draft.spell(template, *pieces)
    chosen = draft.functions.get(function.name)
    if chosen is None:
        name = function.title
        chosen = draft.named(name, f"{name}_", f"{name}_function")
        draft.functions[function.name] = chosen
    return called(chosen, *(piece.tree for piece in pieces))


def _condition(draft: Draft, a: Piece) -> Piece:
    """Write a number as a condition, unless it is the truth value of one."""
    if not draft.library.takes_numbers:
        a = as_array(draft, a)
    return a.condition or operation(a, "!=", number_of(0))


def _compared(
    draft: Draft, function: Function, pieces: Sequence[Piece], shape: tuple[int, ...]
) -> Piece:
    """Write a comparison, whose value is 0 or 1."""
    names = names_in(pieces)
    a, b = pieces
    if not names and not draft.library.takes_numbers:
        a, b = as_array(draft, a), as_array(draft, b)
    condition = replace(operation(a, function.compares, b), names=names)
    dtype = draft.dtype_of_conditions(names)
    if dtype is None:
        found = draft.made("where", [condition, number_of(1.0), number_of(0.0)], shape)
    else:
        found = draft.made("cast", [condition], shape, dtype=dtype)
    return replace(found, kind=EXACT, condition=condition, names=names)


def as_array(draft: Draft, a: Piece, others: Sequence[Piece] = ()) -> Piece:
    """Write a number as an array, where it takes one.

    It is of full precision where that changes no dtype: beside arrays that have axes. Else it is of
    the dtype that other arguments have, or the function's.
    """
    if a.names:
        return a
    library = draft.library
    if not library.takes_numbers:
        dtype = name(f"{library.alias}.{'complex128' if a.kind == COMPLEX else 'float64'}")
        if others and not any(piece.shape for piece in others):
            dtype = draft.dtype_of(names_in(others), max(a.kind, FLOAT))
        tree = draft.spell("{np}.tensor({0}, dtype={dtype}, device={device})", a, dtype=dtype)
    else:
        tree = called(f"{library.alias}.asarray", a.tree)
    made = replace(a, tree=tree, kind=max(a.kind, FLOAT))
    if len(made.text) <= WIDTH // 2:
        return made
    known = draft.numbers.get(made.text)
    if known is None:
        chosen = draft.named("c")
        draft.assign(chosen, made)
        known = draft.numbers[made.text] = replace(made, tree=name(chosen), is_simple=True)
    return known


#: How the steps of this module are written, by what they are called in a plan.
ARITHMETIC: Mapping[str, Writer] = {
    "add": _operated("+"),
    "call": _call,
    "multiply": _multiply,
    "negative": _negative,
    "power": _whole_power,
    "subtract": _operated("-"),
}
