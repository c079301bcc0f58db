r"""Functions of entries that stand in the table, and what is told of them.

.. math:: y_{ij} = f(x_{ij}) \qquad
    \frac{\partial y_{ij}}{\partial x_{pq}} = \delta_{ip}\, \delta_{jq}\, f'(x_{ij}) .

An entry of the table says how a function is differentiated. `ABOUT` says the rest, for people; an
entry without a row there is explained by its rule alone. The examples in docstrings that are made
of both are tests, see ``__test__``.

>>> of_entries(FUNCTIONS["tanh"]).__doc__.splitlines()[0]
'Take hyperbolic tangents: ``y_i = sinh(x_i) / cosh(x_i)``.'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from inspect import Parameter, Signature
from textwrap import fill
from typing import NamedTuple

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.function import Function
from einsdiff.algebra.nodes.nodes import Node
from einsdiff.algebra.operations.arithmetic import entrywise

__all__ = ["ABOUT", "About", "explained", "of_entries"]


def of_entries(entry: Function) -> Callable[..., Node]:
    """Return the function of nodes that applies an entry of the table with broadcasting.

    Parameters
    ----------
    entry
        Its signature has no axes.

    Returns
    -------
    callable
        Its parameters are called what the entry calls its arguments, and its docstring is made of
        the entry.

    Examples
    --------
    >>> from inspect import signature
    >>> signature(of_entries(FUNCTIONS["maximum"]))
    <Signature (a: 'Node', b: 'Node') -> 'Node'>
    """
    kind = Parameter.POSITIONAL_OR_KEYWORD
    signature = Signature(
        [Parameter(name, kind, annotation="Node") for name in entry.arguments],
        return_annotation="Node",
    )

    def apply(*args: Node, **named: Node) -> Node:
        return entrywise(entry, *signature.bind(*args, **named).args)

    apply.__name__ = apply.__qualname__ = entry.name
    apply.__doc__ = explained(entry)
    apply.__signature__ = signature  # type: ignore[attr-defined]
    return apply


# --- what is told of them ---------------------------------------------------------------------


class About(NamedTuple):
    """What is told of a function of entries besides its rule.

    Attributes
    ----------
    summary
        What it is, in one line.
    gradient
        What its derivative by its first argument prints.
    note
        What happens at kinks and borders.
    source
        Where it comes from, if it is not elementary.
    """

    summary: str
    gradient: str
    note: str = ""
    source: str = ""


_FLAT = "The derivative is 0, also at the steps, where there is none."
_CONDITION = "It is a number and can be multiplied. The derivative is 0, also at the step."
_ZERO = (_FLAT, _CONDITION)
_TIES = "Where both are equal, they share the derivative equally."

#: Those whose names mean something else in einsdiff: `einsdiff.equal` compares expressions.
_NUMPYS = ("equal", "not_equal")

#: The functions of entries by name.
ABOUT: dict[str, About] = {
    "exp": About(
        "Take exponentials: ``y_i = exp(x_i)``.",
        "∂f/∂x = exp(x)",
    ),
    "expm1": About(
        "Take exponentials less 1: ``y_i = exp(x_i) - 1``, with all digits where `x` is small.",
        "∂f/∂x = expm1(x) + 1",
    ),
    "log": About(
        "Take natural logarithms: ``y_i = log(x_i)``.",
        "∂f/∂x = 1 / x",
        "Of negative real numbers it is nan, and -inf of 0.",
    ),
    "log1p": About(
        "Take logarithms of 1 more: ``y_i = log(1 + x_i)``, with all digits where `x` is small.",
        "∂f/∂x = 1 / (x + 1)",
    ),
    "log2": About(
        "Take logarithms to the base 2: ``y_i = log(x_i) / log(2)``.",
        "∂f/∂x = 1.4426950408889634 / x",
        "The number in the derivative is ``1 / log(2)``.",
    ),
    "log10": About(
        "Take logarithms to the base 10: ``y_i = log(x_i) / log(10)``.",
        "∂f/∂x = 0.4342944819032518 / x",
        "The number in the derivative is ``1 / log(10)``.",
    ),
    "sin": About(
        "Take sines: ``y_i = sin(x_i)``, of angles in radians.",
        "∂f/∂x = cos(x)",
    ),
    "cos": About(
        "Take cosines: ``y_i = cos(x_i)``, of angles in radians.",
        "∂f/∂x = -sin(x)",
    ),
    "tan": About(
        "Take tangents: ``y_i = sin(x_i) / cos(x_i)``, of angles in radians.",
        "∂f/∂x = tan(x)^2 + 1",
    ),
    "arcsin": About(
        "Take inverse sines: ``sin(y_i) = x_i``, between -π/2 and π/2.",
        "∂f/∂x = 1 / sqrt(1 - x^2)",
        "The derivative is inf at -1 and 1; outside, real values are nan.",
    ),
    "arccos": About(
        "Take inverse cosines: ``cos(y_i) = x_i``, between 0 and π.",
        "∂f/∂x = -1 / sqrt(1 - x^2)",
        "The derivative is -inf at -1 and 1; outside, real values are nan.",
    ),
    "arctan": About(
        "Take inverse tangents: ``tan(y_i) = x_i``, between -π/2 and π/2.",
        "∂f/∂x = 1 / (x^2 + 1)",
    ),
    "sinh": About(
        "Take hyperbolic sines: ``y_i = (exp(x_i) - exp(-x_i)) / 2``.",
        "∂f/∂x = cosh(x)",
    ),
    "cosh": About(
        "Take hyperbolic cosines: ``y_i = (exp(x_i) + exp(-x_i)) / 2``.",
        "∂f/∂x = sinh(x)",
    ),
    "tanh": About(
        "Take hyperbolic tangents: ``y_i = sinh(x_i) / cosh(x_i)``.",
        "∂f/∂x = 1 - tanh(x)^2",
    ),
    "arcsinh": About(
        "Take inverse hyperbolic sines: ``y_i = log(x_i + sqrt(x_i^2 + 1))``.",
        "∂f/∂x = 1 / sqrt(x^2 + 1)",
    ),
    "arccosh": About(
        "Take inverse hyperbolic cosines: ``y_i = log(x_i + sqrt(x_i^2 - 1))``.",
        "∂f/∂x = 1 / sqrt(x + 1) / sqrt(x - 1)",
        "The derivative is inf at 1; below, real values are nan.",
    ),
    "arctanh": About(
        "Take inverse hyperbolic tangents: ``y_i = 1/2 log((1 + x_i) / (1 - x_i))``.",
        "∂f/∂x = 1 / (1 - x^2)",
        "Outside of -1 to 1, real values are nan.",
    ),
    "cbrt": About(
        "Take cube roots: ``y_i^3 = x_i``, negative ones of negative numbers.",
        "∂f/∂x = 1/3 / cbrt(x)^2",
        "The derivative is inf at 0.",
    ),
    "sigmoid": About(
        "Take the logistic function: ``y_i = 1 / (1 + exp(-x_i))``.",
        "∂f/∂x = (1 - sigmoid(x)) sigmoid(x)",
        "It is ``scipy.special.expit``, and does not overflow.",
    ),
    "softplus": About(
        "Take the softplus function: ``y_i = log(1 + exp(x_i))``, a smooth `relu`.",
        "∂f/∂x = sigmoid(x)",
        "It does not overflow.",
    ),
    "erf": About(
        "Take the error function: ``y_i = 2/√π ∫ exp(-t^2) dt`` from 0 to ``x_i``.",
        "∂f/∂x = 1.1283791670955126 exp(-x^2)",
        "The number in the derivative is ``2/√π``.",
    ),
    "gelu": About(
        "Take the Gaussian error linear unit: ``y_i = x_i/2 (1 + erf(x_i/√2))``.",
        "∂f/∂x = 0.3989422804014327 exp(-1/2 x^2) x + 1/2 erf(0.7071067811865476 x) + 1/2",
        "It is the exact one, not the approximation by `tanh`. The numbers in the derivative "
        "are ``1/√2``"
        " and ``1/√(2π)``.",
        "Hendrycks and Gimpel, *Gaussian error linear units*, arXiv:1606.08415 (2016).",
    ),
    "relu": About(
        "Take the rectified linear unit: ``y_i = max(x_i, 0)``.",
        "∂f/∂x = [x > 0]",
        "The derivative at 0 is 0.",
    ),
    "abs": About(
        "Take absolute values: ``y_i = abs(x_i)``.",
        "∂f/∂x = sign(x)",
        "The derivative at 0 is 0.",
    ),
    "sign": About(
        "Take signs: -1, 0 or 1 for negative numbers, 0 and positive ones.",
        "∂f/∂x = 0",
        _FLAT,
    ),
    "floor": About(
        "Round down: the largest whole number that is not larger.",
        "∂f/∂x = 0",
        _FLAT,
    ),
    "ceil": About(
        "Round up: the smallest whole number that is not smaller.",
        "∂f/∂x = 0",
        _FLAT,
    ),
    "trunc": About(
        "Round towards 0.",
        "∂f/∂x = 0",
        _FLAT,
    ),
    "rint": About(
        "Round to the nearest whole number, halves to the even one.",
        "∂f/∂x = 0",
        _FLAT,
    ),
    "greater": About(
        "Compare: ``y_i = [a_i > b_i]``, 1 where it holds and 0 elsewhere.",
        "∂f/∂a = 0",
        _CONDITION,
    ),
    "greater_equal": About(
        "Compare: ``y_i = [a_i ≥ b_i]``, 1 where it holds and 0 elsewhere.",
        "∂f/∂a = 0",
        _CONDITION,
    ),
    "equal": About(
        "Compare: ``y_i = [a_i = b_i]``, 1 where it holds and 0 elsewhere.",
        "∂f/∂a = 0",
        _CONDITION,
    ),
    "not_equal": About(
        "Compare: ``y_i = [a_i ≠ b_i]``, 1 where it holds and 0 elsewhere.",
        "∂f/∂a = 0",
        _CONDITION,
    ),
    "maximum": About(
        "Take the larger of two numbers: ``y_i = max(a_i, b_i)``.",
        "∂f/∂a = 1/2 [a = b] + [a > b]",
        _TIES,
    ),
    "minimum": About(
        "Take the smaller of two numbers: ``y_i = min(a_i, b_i)``.",
        "∂f/∂a = 1/2 [a = b] + [b > a]",
        _TIES,
    ),
    "arctan2": About(
        "Take angles of points: ``tan(y_i) = a_i / b_i``, between -π and π.",
        "∂f/∂a = b / (a^2 + b^2)",
        "The point has the coordinates ``(b_i, a_i)``; at ``(0, 0)`` the derivatives are nan.",
    ),
    "hypot": About(
        "Take lengths: ``y_i = sqrt(a_i^2 + b_i^2)``, without overflow.",
        "∂f/∂a = a / hypot(a, b)",
        "At ``(0, 0)`` the derivatives are nan.",
    ),
    "logaddexp": About(
        "Add numbers given by logarithms: ``y_i = log(exp(a_i) + exp(b_i))``, without overflow.",
        "∂f/∂a = exp(a - logaddexp(a, b))",
    ),
    "xlogy": About(
        "Multiply by a logarithm: ``y_i = a_i log(b_i)``, and 0 where ``a_i`` is 0.",
        "∂f/∂a = log(b)",
    ),
}


def explained(entry: Function) -> str:
    """Explain an entry of the table: what it is, how it is differentiated, and an example.

    Parameters
    ----------
    entry
        Of the table, or registered; its signature may have axes.

    Returns
    -------
    str
        A docstring, without what it takes and returns.

    Examples
    --------
    >>> print(explained(Function("swish", ("sigmoid(x) + y sigmoid(-x)",), "swish({0})")))
    Apply ``swish``, a function that was registered.
    <BLANKLINE>
    The derivative is ``sigmoid(x) + y sigmoid(-x)``, where ``y`` is the value.
    """
    about = ABOUT.get(entry.name)
    if about is None:
        return f"Apply ``{entry.name}``, a function that was registered.\n\n{_rules(entry)}"
    note = fill(about.note, 95)
    blocks = [about.summary, note, "" if about.note in _ZERO else _rules(entry)]
    if not entry.is_analytic:
        blocks.append("Complex numbers are refused.")
    if about.source:
        blocks.append(f"References\n----------\n{about.source}")
    tensors = ", ".join(f'ed.tensor("{name}", "n")' for name in entry.arguments)
    lines = [
        "Examples",
        "--------",
        ">>> import einsdiff as ed",
        *([">>> import numpy as np"] if entry.name in _NUMPYS else []),
        f">>> {'np' if entry.name in _NUMPYS else 'ed'}.{entry.name}({tensors})",
        f"f_i = {_written(entry, [f'{name}_i' for name in entry.arguments])}",
        f'>>> ed.grad("{_written(entry, entry.arguments)}", wrt="{entry.arguments[0]}")',
        about.gradient,
    ]
    return "\n\n".join(block for block in [*blocks, "\n".join(lines)] if block)


def _written(entry: Function, arguments: Sequence[str]) -> str:
    return entry.text.format(*arguments) or f"{entry.name}({', '.join(arguments)})"


def _rules(entry: Function) -> str:
    rules = [f"``{rule}``" for rule in entry.jacobians]
    if len(set(rules)) == 1:
        told = f"The derivative is {rules[0]}"
    else:
        by = [f"{rule} by `{name}`" for rule, name in zip(rules, entry.arguments, strict=True)]
        told = f"The derivatives are {', '.join(by[:-1])} and {by[-1]}"
    names_value = any(re.search(r"\by\b", rule) for rule in entry.jacobians)
    return told + (", where ``y`` is the value." if names_value else ".")


#: Examples that `doctest` finds.
__test__ = {name: explained(FUNCTIONS[name]) for name in ABOUT}
