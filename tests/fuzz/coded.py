"""The code of random expressions, run without the library."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from tests.fuzz import einsums, indexed, programs, stacks
from tests.fuzz.drawing import Draw
from tests.fuzz.expressions import Expression
from tests.fuzz.rewritten import means
from tests.fuzz.trials import Trial

BACKENDS = [name for name in ("numpy", "numpy", "numpy", "torch", "jax") if find_spec(name)]
SOURCES = (einsums.expression, indexed.expression, programs.expression, stacks.expression, means)


def derived(draw: Draw, trial: Trial, named: bool, most: int = 2) -> tuple[Expression, str]:
    """Build an expression of another family, and perhaps a derivative; return its name."""
    e = draw.choice(SOURCES)(draw, trial, named)
    at, entries = "f", 1
    for name in "JH"[: draw.integer(0, most)]:
        by = e.small(draw, entries)
        if not by:
            break
        trial.do(f"{name} = ed.grad({at}, wrt={by[0]!r})")
        at, entries = name, entries * e.arrays[by[0]].size
    return e, at


def check(draw: Draw, trial: Trial) -> None:
    """Claim that the code of an expression gives what the expression does."""
    backend = draw.choice(("numpy", "numpy", "numpy", "torch", "torch", "jax"))
    if backend not in BACKENDS:
        return
    named = draw.flag()
    e, name = derived(draw, trial, named)
    t = trial.space[name]
    options, form = repr(backend), ""
    if draw.flag(0.2) and t.domain and not named:
        form = f"{draw.choice(['numerator', 'denominator'])!r}, {draw.choice('CF')!r}"
        options += ", layout={}, order={}".format(*form.split(", "))
    expected = np.asarray(trial.get(f"{name}.matrix({form})" if form else trial.numbers(name)))
    if not np.all(np.isfinite(expected)) or not set(t.names) <= set(e.arrays):
        return  # constants without a name are arguments of the code
    trial.do("from tests.numeric.source.test_code import run")
    arrays = "given" if named else f"dict({', '.join(f'{n}=np.asarray({n})' for n in t.names)})"
    trial.agrees(f"code {backend}", f"run({name}.code({options}), {arrays}, {backend!r})", expected)
