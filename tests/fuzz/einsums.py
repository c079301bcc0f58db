"""Random einsums, against NumPy's with identity matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np

from tests.fuzz import drawing, oracles
from tests.fuzz.drawing import Draw
from tests.fuzz.expressions import Expression, displayed, forms, reads_back, symmetric
from tests.fuzz.trials import Trial

#: Entries of a second derivative, and of what NumPy makes on the way to it.
MOST_ENTRIES = 20_000
#: The names of sizes, of which equal ones are equal.
NAMED = {0: "z", 1: "o", 2: "m", 3: "n", 4: "k"}


@dataclass
class Einsum:
    """An einsum: its terms, the name of the operand at each, and how arrays are written."""

    terms: list[str]
    output: str
    sizes: dict[str, int]
    names: list[str]
    arrays: dict[str, str]
    symmetric: set[str]

    @property
    def subscripts(self) -> str:
        return f"{','.join(self.terms)}->{self.output}"

    @property
    def broadcast(self) -> dict[str, int]:
        """Sizes of the labels that no operand carries."""
        carried = "".join(self.terms)
        return {n: self.sizes[n] for n in dict.fromkeys(self.output) if n not in carried}

    def slots(self, name: str) -> list[int]:
        return [k for k, other in enumerate(self.names) if other == name]

    def shape(self, labels: str) -> tuple[int, ...]:
        return tuple(self.sizes[label] for label in labels)


def drawn(draw: Draw, dtypes: Sequence[str] = drawing.DTYPES) -> Einsum:
    """Draw an einsum: traces, deltas, broadcasts, equal operands, sizes 0 and 1."""
    sizes = {
        label: draw.choice([2, 3, 2, 3, 4, 1, 2, 3, 2, 0 if draw.flag() else 1]) for label in "ijkl"
    }
    terms = [_labels(draw, "ijkl", 3) for _ in range(draw.integer(1, 4))]
    case = Einsum(terms, _labels(draw, "ijkl", 3), sizes, [], {}, set())
    shapes: dict[str, tuple[int, ...]] = {}
    for term in terms:
        shape = case.shape(term)
        alike = [name for name in shapes if shapes[name] == shape]
        if alike and draw.flag(0.4):
            case.names.append(draw.choice(alike))
            continue
        name = "ABCD"[len(shapes)]
        shapes[name] = shape
        case.names.append(name)
        dtype = draw.choice(dtypes)
        if len(shape) == 2 and shape[0] == shape[1] > 0 and draw.flag(0.3):
            case.symmetric.add(name)
            case.arrays[name] = drawing.symmetric(draw, shape[0], dtype)
        else:
            case.arrays[name] = drawing.awkward(draw, shape, dtype)
    return case


def _labels(draw: Draw, letters: str, most: int) -> str:
    return "".join(draw.choice(letters) for _ in range(draw.integer(0, most)))


def expression(draw: Draw, trial: Trial, named: bool) -> Expression:
    """Build an einsum of double precision; `named` sizes, or with its arrays."""
    case = drawn(draw, ["float64"])
    while named and case.broadcast:  # a size that no array has would have no number
        case = drawn(draw, ["float64"])
    build(draw, trial, case, named)
    arrays = {name: np.asarray(eval(source, {"np": np})) for name, source in case.arrays.items()}
    return Expression(partial(_truth, case), arrays)


def _truth(case: Einsum, arrays: oracles.Arrays) -> Any:
    operands = [arrays[name] for name in case.names]
    return oracles.einsum(case.terms, case.output, case.sizes, operands)


def build(draw: Draw, trial: Trial, case: Einsum, named: bool) -> None:
    """Have the trial make `f`, of named sizes with arrays in `given`, or of arrays."""
    for name, source in case.arrays.items():
        if named:
            shape = np.shape(eval(source, {"np": np}))
            axes = tuple(NAMED[size] for size in shape)
            trial.do(f"{name} = ed.tensor({name!r}, {axes}{_symmetric(case, name)})")
        elif name in case.symmetric or draw.flag(0.2):
            trial.do(f"{name} = ed.tensor({name!r}, {source}{_symmetric(case, name)})")
        else:
            trial.do(f"{name} = {source}")
    if named:
        trial.do(f"given = {{{', '.join(f'{n!r}: {s}' for n, s in case.arrays.items())}}}")
    sizes = case.broadcast
    if sizes:
        written = {n: NAMED[size] for n, size in sizes.items()} if named else sizes
        trial.do(f"f = ed.einsum({case.subscripts!r}, {', '.join(case.names)}, sizes={written})")
    else:
        trial.do(f"f = ed.einsum({case.subscripts!r}, {', '.join(case.names)})")


def _symmetric(case: Einsum, name: str) -> str:
    return ", symmetric=True" if name in case.symmetric else ""


def check(draw: Draw, trial: Trial) -> None:
    """Claim value, first and second derivatives of a random einsum, and that its forms agree."""
    case = drawn(draw)
    named = draw.flag(0.2) and not case.broadcast
    build(draw, trial, case, named)
    arrays = {name: np.asarray(eval(source, {"np": np})) for name, source in case.arrays.items()}
    operands = [arrays[name] for name in case.names]
    value = oracles.einsum(case.terms, case.output, case.sizes, operands)
    exact = 1e-12 if np.result_type(value, *operands).name in ("float64", "complex128") else 1e-4
    trial.agrees("value", trial.numbers("f"), value, exact, dtype=True)

    names = [n for n in arrays if value.size * max(arrays[n].size, 1) <= MOST_ENTRIES]
    if not names:
        return
    one = draw.choice(names)
    trial.do(f"J = ed.grad(f, wrt={one!r})")
    trial.agrees("first derivative", trial.numbers("J"), _derivative(case, operands, [one]), exact)
    size = value.size * arrays[one].size
    names = [n for n in arrays if size * max(arrays[n].size, 1) <= MOST_ENTRIES]
    if names:
        other = one if one in names and draw.flag() else draw.choice(names)
        trial.do(f"H = ed.grad(J, wrt={other!r})")
        expected = _derivative(case, operands, [one, other])
        trial.agrees("second derivative", trial.numbers("H"), expected, exact)
        if one == other:
            symmetric(trial, len(case.output), arrays[one].ndim)
    if not named:
        forms(trial, draw, draw.choice(["J", "J", "H"] if names else ["J"]))
    which = draw.choice(["f", "J"])
    displayed(trial, draw, which, 1)
    reads_back(trial, which, list(arrays), trial.get(trial.numbers(which)))


def _derivative(case: Einsum, operands: Sequence[Any], by: Sequence[str]) -> Any:
    """Differentiate by variables, one after the other, symmetric ones symmetrically."""
    slots = [case.slots(name) for name in by]
    found = oracles.einsum_derivative(case.terms, case.output, case.sizes, operands, slots)
    shapes = [case.shape(case.terms[case.slots(name)[0]]) for name in by]
    shape = (*case.shape(case.output), *(size for part in shapes for size in part))
    if found.shape != shape:  # zero
        assert not np.any(found)
        return np.zeros(shape)
    at = len(case.output)
    for name, part in zip(by, shapes, strict=True):
        if name in case.symmetric:
            found = oracles.symmetrised(found, range(at, at + len(part)))
        at += len(part)
    assert found.size == prod(shape)
    return found
