"""Matrix notation of random expressions, read back to numbers by a reader of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import einsdiff as ed
from tests.display.matrix.test_reader import check as compare
from tests.display.matrix_reader import ReadingError
from tests.fuzz import drawing
from tests.fuzz.coded import derived
from tests.fuzz.drawing import Draw
from tests.fuzz.trials import Trial

#: What a linear function is made of, from matrices, vectors and numbers; `kron` needs two of one
#: kind, and a diagonal a square.
SHAPES = {"x": 2, "y": 2, "z": 4, "A": (2, 2), "B": (2, 2), "C": (2, 4), "S": (4, 4)}


def check(draw: Draw, trial: Trial) -> None:
    """Claim that matrix notation, in every layout and vec order, says what `matrix` computes."""
    if draw.flag(0.4):
        given = list(_products(draw, trial))
        name = draw.choice(["f", "J", "J"])
        if name == "J":
            trial.do(f"J = ed.grad(f, wrt={draw.choice(given)!r})")
    else:
        e, name = derived(draw, trial, named=False)
        given = list(e.arrays)
    if not np.all(np.isfinite(np.asarray(trial.get(f"np.asarray({name})")))):
        return
    if not set(trial.space[name].names) <= set(given):
        return
    if not trial.ends("display", f"{name}.format('matrix')"):
        return
    trial.do("from tests.fuzz.matrices import is_read")
    arrays = ", ".join(f"{n}=np.asarray({n})" for n in given)
    trial.holds("matrix notation", f"is_read({name}, dict({arrays}))")


def is_read(tensor: ed.Tensor, arrays: dict[str, np.ndarray]) -> bool:
    """Read matrix notation in every layout and compare; tell whether it could be read.

    A size that the text leaves open, as in `‖a e_0 + b e_1‖`, has no meaning for the value.
    """
    try:
        compare(tensor, arrays)
    except ReadingError as error:
        if str(error) != "a size is not known":
            raise
    return True


def _products(draw: Draw, trial: Trial) -> dict[str, tuple[int, ...]]:
    """Build a product of Kronecker products, diagonals and entrywise products."""
    shapes = {n: (s,) if isinstance(s, int) else s for n, s in SHAPES.items()}
    source = _of_shape(draw, draw.choice([(4,), (4, 4), (2, 2), (2,)]), 2)
    used = {n: s for n, s in shapes.items() if n in source}
    for name, shape in used.items():
        trial.do(f"{name} = ed.tensor({name!r}, {drawing.array(draw, shape)})")
    trial.do(f"f = {source}")
    return used


def _of_shape(draw: Draw, shape: tuple[int, ...], depth: int) -> str:
    alike = [n for n, s in SHAPES.items() if s == shape or (s,) == shape]
    if not depth or (alike and draw.flag(0.2)):
        return draw.choice(alike)

    def inner(*other: int) -> str:
        return _of_shape(draw, other, depth - 1)

    (n, *_) = shape
    options: list[Callable[[], str]] = [
        lambda: f"{inner(*shape)} * {inner(*shape)}",
        lambda: f"({inner(*shape)} + {inner(*shape)})",
        lambda: f"({inner(n, n)} @ {inner(*shape)})",
        lambda: f"np.exp({inner(*shape)})",
    ]
    if n == 4:
        options += [
            lambda: f"np.kron({inner(*(2 for _ in shape))}, {inner(*(2 for _ in shape))})"
        ] * 3
    if len(shape) == 1:
        options.append(lambda: f"np.diag({inner(n, n)})")
        options.append(lambda: f"np.sum({inner(n, n)}, axis={draw.choice([0, 1])})")
        if n == 4:
            options.append(lambda: f"np.ravel({inner(2, 2)})")
    else:
        options.append(lambda: f"np.diag({inner(n)})")
        options.append(lambda: f"{inner(n, n)}.T")
        options.append(lambda: f"{inner(n)}[:, None] * {inner(n, n)}")
        options.append(lambda: f"np.outer({inner(n)}, {inner(n)})")
    return draw.choice(options)()
