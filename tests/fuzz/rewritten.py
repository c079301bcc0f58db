"""Other ways to write an expression, whose sizes are names, at arrays of several sizes."""

from __future__ import annotations

import numpy as np

from tests.fuzz import drawing, programs, stacks
from tests.fuzz.drawing import Draw
from tests.fuzz.expressions import Expression
from tests.fuzz.trials import Trial

VERBS = ("simplify", "expand", "collect")


def check(draw: Draw, trial: Trial) -> None:
    """Claim that rewriting keeps the value, of functions and derivatives, at several sizes."""
    e = draw.choice(SOURCES)(draw, trial, named=True)
    at = "f"
    if draw.flag(0.3) and (by := e.small(draw)):
        trial.do(f"J = ed.grad(f, wrt={by[0]!r})")
        at = "J"
    verbs = draw.some(VERBS, 2)
    for verb in verbs:
        trial.do(f"{verb}ed = ed.{verb}({at})")
    names = [f"{verb}ed" for verb in verbs]
    if draw.flag(0.3):
        trial.do(f"again = ed.{draw.choice(VERBS)}({names[0]})")
        names.append("again")
    if at == "f":
        with np.errstate(all="ignore"):
            trial.agrees("value", trial.numbers("f"), e.value, 1e-8)
    _agree(trial, e, at, names)
    for _ in range(draw.integer(1, 2)):
        trial.do(f"given = {_resized(draw, trial)}")
        e = Expression(e.truth, trial.space["given"], e.analytic)
        _agree(trial, e, at, names)


def _agree(trial: Trial, e: Expression, at: str, names: list[str]) -> None:
    """Claim the values, unless those of the function are not finite.

    Where a sum over no entries meets a divisor, there is a hole, which rewriting may move or fill.
    """
    is_empty = not all(np.size(array) for array in trial.space["given"].values())
    if is_empty and any(sign in str(trial.space[at]) for sign in ("/", "^-", "log")):
        return
    with np.errstate(all="ignore"):
        try:
            value = e.value if at == "f" else np.asarray(trial.get(trial.numbers(at)))
        except (ValueError, IndexError, ZeroDivisionError, np.linalg.LinAlgError):
            return  # such as the largest of no entries
    if np.all(np.isfinite(value)) and np.max(np.abs(value), initial=0) < 1e8:
        for name in names:
            trial.agrees(name.replace("ed", ""), trial.numbers(name), value)


def _resized(draw: Draw, trial: Trial) -> str:
    """Draw arrays of other sizes for the variables, of the same where these are equal."""
    sizes: dict[object, int] = {}
    sources = []
    for name in trial.space["given"]:
        shape = trial.space[name].shape
        numbers = []
        for size in shape:
            new = draw.choice([0, 1, 1, 2, 3, 4])
            numbers.append(size if isinstance(size, int) else sizes.setdefault(size, new))
        is_square = name == "B" and len(numbers) == 2
        array = drawing.square(draw, numbers[0]) if is_square else drawing.array(draw, numbers)
        sources.append(f"{name!r}: {array}")
    return "{" + ", ".join(sources) + "}"


# --- sizes as factors -------------------------------------------------------------------------


def means(draw: Draw, trial: Trial, named: bool) -> Expression:
    """Build products of means of means, in which sizes are factors, divisors and powers."""
    sizes = programs.sizes_drawn(draw)
    names = [*draw.some(["y", "b", "A", "T", "s"], 2), "x"]
    shapes = {n: programs.VARIABLES[n] for n in names}
    source = f"def program({', '.join(shapes)}):\n    return {_mean(draw, shapes, (), 3)}"
    used = {n: s for n, s in shapes.items() if f"{n}" in source.split("return", 1)[1]}
    source = source.replace(f"({', '.join(shapes)})", f"({', '.join(used)})", 1)
    arrays = {n: drawing.array(draw, [sizes[str(k)] for k in s]) for n, s in used.items()}
    trial.do(source)
    if named:
        trial.do(f"given = {{{', '.join(f'{n!r}: {s}' for n, s in arrays.items())}}}")
    trial.do(*(f"{n} = ed.tensor({n!r}, {used[n] if named else arrays[n]})" for n in used))
    trial.do(f"f = program({', '.join(used)})")
    values = {n: np.asarray(eval(text, {"np": np})) for n, text in arrays.items()}
    return Expression(programs.truth_of(source, list(used)), values)


def _mean(draw: Draw, shapes: dict[str, tuple[int | str, ...]], shape: object, depth: int) -> str:
    alike = [n for n, s in shapes.items() if s == shape]
    if alike and (not depth or draw.flag(0.3)):
        return draw.choice(alike)
    if depth <= 0:
        return f"np.mean({draw.choice([n for n in shapes if shapes[n]])})"
    other = draw.choice(sorted(set(shapes.values()), key=str))

    def inner(wanted: object) -> str:
        return _mean(draw, shapes, wanted, depth - 1)

    kind = draw.integer(0, 6)
    if kind == 0:
        return f"({inner(shape)} * {inner(shape)})"
    if kind == 1:
        return f"({inner(shape)} * {inner(())})"
    if kind == 2:
        return f"({inner(shape)} {draw.choice('+-')} {inner(())})"
    if kind == 3:
        return f"({inner(shape)})**2"
    if shape == ():
        how = draw.choice(["np.mean", "np.mean", "np.sum", "np.var"])
        return f"{how}({inner(other)})"
    return f"({inner(shape)} - {inner(())})"


SOURCES = (*[programs.expression] * 3, stacks.expression, means, means)
