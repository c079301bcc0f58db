"""Squares of stacked scalar functions, whose Hessians mix sums that nearly cancel."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.fuzz import drawing
from tests.fuzz.drawing import Draw
from tests.fuzz.expressions import Expression, differentiate, forms
from tests.fuzz.programs import truth_of
from tests.fuzz.trials import Trial


def polynomial(draw: Draw, name: str, depth: int) -> str:
    """Draw a polynomial of each entry of a vector; equal parts and ones that cancel are likely."""
    if not depth:
        return draw.choice([name, name, f"{name}*{name}"])
    one = polynomial(draw, name, depth - 1)
    kind = draw.integer(0, 5)
    if kind < 3:
        return f"{name}*({one} - {draw.choice(['1', '1', '2', name])})"
    if kind == 3:
        return f"({one} - {polynomial(draw, name, 0)})"
    return f"({one} {draw.choice('+-')} {polynomial(draw, name, depth - 1)})"


def scalar(draw: Draw, names: str) -> str:
    """Draw a number made of a polynomial in one of the vectors, or of two of them."""
    inner = polynomial(draw, draw.choice(names), draw.integer(1, 3))
    how = draw.choice(["np.sum({})"] * 4 + ["np.mean({})", "({}) @ " + draw.choice(names)])
    return how.format(inner)


def expression(draw: Draw, trial: Trial, named: bool) -> Expression:
    """Build the sum of squares, or a weighted sum, of a stack of numbers."""
    size = draw.choice([1, 2, 2, 2, 3])
    names = draw.choice(["x", "x", "xy"])
    parts = [scalar(draw, names) for _ in range(draw.choice([2, 3, 3, 4, 4]))]
    twice = draw.flag(0.2)
    stack = f"np.stack([{', '.join(parts)}])"
    if draw.flag(0.2) and not named:
        stack = f"np.concatenate([{stack}, {polynomial(draw, names[0], 2)}])"
    body = draw.choice([f"np.sum({stack}**2)"] * 6 + [f"np.sum({stack}**3)", f"{stack}"])
    if twice:
        body = f"np.sum(np.stack([{body}, {parts[0]}])**2)" if "sum" in body[:7] else body
    source = f"def program({', '.join(names)}):\n    return {body}"
    arrays = {name: drawing.array(draw, (size,), -1, 1) for name in names}
    trial.do(source)
    if named:
        trial.do(f"given = {{{', '.join(f'{n!r}: {s}' for n, s in arrays.items())}}}")
        trial.do(*(f"{n} = ed.tensor({n!r}, 'n')" for n in names))
    else:
        trial.do(*(f"{n} = ed.tensor({n!r}, {text})" for n, text in arrays.items()))
    trial.do(f"f = program({', '.join(names)})")
    values: Any = {n: np.asarray(eval(text, {"np": np})) for n, text in arrays.items()}
    return Expression(truth_of(source, list(names)), values)


def check(draw: Draw, trial: Trial) -> None:
    """Claim value, gradient and Hessian of a stack."""
    named = draw.flag(0.3)
    e = expression(draw, trial, named)
    if differentiate(trial, draw, e) and not named:
        forms(trial, draw, "H" if "H" in trial.space else "J", 1)
