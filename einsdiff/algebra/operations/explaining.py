r"""Docstrings of functions that stand in the table, made of their records.

.. math:: \text{the rule } f' = 1 - y^2 \;\to\;
    \text{``The derivative is 1 - y^2, where y is the value.''}

What a record tells `About` a function comes first. The examples are tests, see ``__test__``.

>>> explained(FUNCTIONS["tanh"]).splitlines()[0]
'Take hyperbolic tangents: ``y_i = sinh(x_i) / cosh(x_i)``.'
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from textwrap import fill

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.function_records import About, Function

#: Those whose names mean something else in einsdiff: `einsdiff.equal` compares expressions.
_NUMPYS = ("equal", "not_equal")


@cache
def explained(entry: Function) -> str:
    """Explain a record: what it is, how it is differentiated, and an example.

    >>> print(explained(Function("swish", ("sigmoid(x) + y sigmoid(-x)",), "swish({0})")))
    Apply ``swish``, a function that was registered.
    <BLANKLINE>
    The derivative is ``sigmoid(x) + y sigmoid(-x)``, where ``y`` is the value.
    """
    about = entry.about
    if about is None:
        return f"Apply ``{entry.name}``, a function that was registered.\n\n{_rules(entry)}"
    sections = {
        "Parameters": "",
        "Raises": _raises(entry),
        "References": _filled(about.source),
        "Examples": "\n".join([">>> import einsdiff as ed", *_examples(entry, about)]),
    }
    given, result = entry.cores
    if given == (("n0",),) and result:
        sections["Parameters"] = (
            "x\n    Tensor or array.\naxis\n"
            "    Those that it acts on together: an integer or several; all if left out."
        )
    is_told = not entry.is_elementwise or entry.jacobians[:1] == ("0",)
    blocks = [
        _filled(about.summary),
        _filled(about.note),
        "" if is_told else _rules(entry),
        "" if entry.is_analytic or not entry.is_elementwise else "Complex numbers are refused.",
        *(f"{title}\n{'-' * len(title)}\n{text}" for title, text in sections.items() if text),
    ]
    return "\n\n".join(filter(None, blocks))


def _filled(text: str) -> str:
    """Break lines, but not within formulas."""
    whole = re.sub("``.*?``", lambda found: found[0].replace(" ", "\0"), text)
    return fill(whole, 96).replace("\0", " ")


def _raises(entry: Function) -> str:
    """Tell what is wrong with arguments that do not have the axes of the signature."""
    given, result = entry.cores
    if entry.needs_entries:
        return "ShapeError\n    There are no entries."
    if given == (("n", "n"),):
        return "ShapeError\n    The last two axes are not of one size."
    if len(given[0]) == 2:
        return "ShapeError\n    There are fewer than two axes."
    return "OperandError\n    There is no such axis, or no axis at all." if result else ""


def _examples(entry: Function, about: About) -> list[str]:
    if about.example:
        return [about.example]
    names, is_numpys = entry.arguments, entry.name in _NUMPYS
    tensors = ", ".join(f'ed.tensor("{name}", "n")' for name in names)
    return [
        *([">>> import numpy as np"] if is_numpys else []),
        f">>> {'np' if is_numpys else 'ed'}.{entry.name}({tensors})",
        f"f_i = {_written(entry, [f'{name}_i' for name in names])}",
        f'>>> ed.grad("{_written(entry, names)}", wrt="{names[0]}")',
        about.gradient,
    ]


def _written(entry: Function, arguments: Sequence[str]) -> str:
    return entry.text.format(*arguments) or f"{entry.name}({', '.join(arguments)})"


def _rules(entry: Function) -> str:
    if not entry.jacobians:
        return f"It is ``{entry.definition}``."
    rules = [f"``{rule}``" for rule in entry.jacobians]
    if len(set(rules)) == 1:
        told = f"The derivative is {rules[0]}"
    else:
        by = [f"{rule} by `{name}`" for rule, name in zip(rules, entry.arguments, strict=True)]
        told = f"The derivatives are {', '.join(by[:-1])} and {by[-1]}"
    names_value = any(re.search(r"\by\b", rule) for rule in entry.jacobians)
    return told + (", where ``y`` is the value." if names_value else ".")


#: Examples that `doctest` finds.
__test__ = {name: explained(entry) for name, entry in FUNCTIONS.items() if entry.about}
