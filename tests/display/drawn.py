"""Random tensors of all kinds, drawn from a seed, with arrays for their variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import einsdiff as ed

#: Sizes by name. One is the product of the others, so that Kronecker products fit.
SIZES = [
    {"m": m, "n": n, "l": m * n}
    for m, n in ((2, 3), (2, 3), (2, 2), (3, 2), (1, 2), (2, 1), (1, 1), (0, 2), (2, 0))
]
#: Variables by name, with the names of their sizes; S is symmetric, P is invertible.
SHAPES = {
    "A": "mn", "B": "nm", "C": "nn", "D": "mm", "P": "nn", "S": "nn", "E": "ln", "T": "mnn",
    "x": "n", "y": "m", "z": "l", "u": "n", "w": "l", "a": "", "b": "",
}  # fmt: skip
ENTRYWISE = (ed.sin, ed.exp, ed.tanh, ed.sigmoid, ed.relu, ed.abs, ed.square)

Rng = np.random.Generator


def leaves(
    sizes: Mapping[str, int], is_named: bool, values: Mapping[str, np.ndarray] | None = None
) -> dict[str, ed.Tensor]:
    """Return the variables, with sizes that are names or numbers."""
    return {
        name: ed.tensor(
            name,
            values[name] if values else tuple(axes if is_named else [sizes[axis] for axis in axes]),
            symmetric=name == "S",
        )
        for name, axes in SHAPES.items()
    }


def arrays(rng: Rng, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Return values for the variables."""
    found = {name: rng.normal(size=[sizes[axis] for axis in axes]) for name, axes in SHAPES.items()}
    found["S"] = found["S"] + found["S"].T
    found["P"] = found["P"] / 5 + 3 * np.eye(sizes["n"])
    return found


def tensor(
    rng: Rng,
    sizes: Mapping[str, int],
    is_named: bool = False,
    depth: int = 3,
    values: Mapping[str, np.ndarray] | None = None,
) -> ed.Tensor:
    """Draw an expression with at most four axes, of variables with values if there are some."""
    given = leaves(sizes, is_named, values)
    kinds = NAMED if is_named else (*NAMED, *NUMBERED)

    def drawn(left: int) -> ed.Tensor:
        for _ in range(20):
            try:
                if not left or rng.random() < 0.15:
                    return given[rng.choice(sorted(given))]
                kind = kinds[rng.integers(len(kinds))]
                found = kind(rng, lambda: drawn(left - 1), given)
            except (ed.EinsdiffError, ValueError, IndexError, TypeError):
                continue  # shapes that do not fit
            if isinstance(found, ed.Tensor) and len(found.shape) <= 4:
                return found
        return given["x"]

    return drawn(depth)


Inner = Callable[[], ed.Tensor]


def _einsum(rng: Rng, inner: Inner, given: dict[str, ed.Tensor]) -> ed.Tensor:
    """Draw a product; axes of equal sizes often share a label, also in the result."""
    operands = [inner() for _ in range(rng.integers(1, 4))]
    size_of: dict[str, Any] = {}
    terms = []
    for operand in operands:
        term = ""
        for size in operand.shape:
            alike = [letter for letter, other in size_of.items() if other == size]
            new = "ijklmnopqrstuvwxyz"[len(size_of)]
            term += str(rng.choice([*alike, *alike, new]))
            size_of[term[-1]] = size
        terms.append(term)
    count = rng.integers(0, 3) if size_of else 0
    output = "".join(rng.choice(sorted(size_of), size=count))
    return ed.einsum(f"{','.join(terms)}->{output}", *operands)


def _alike(rng: Rng, inner: Inner, given: dict[str, ed.Tensor]) -> tuple[ed.Tensor, ed.Tensor]:
    """Draw two tensors that are multiplied or added entry by entry."""
    one = inner()
    same = [leaf for leaf in given.values() if leaf.shape in (one.shape, one.shape[-1:], ())]
    return one, same[rng.integers(len(same))] if rng.random() < 0.5 else inner()


def _sum(rng: Rng, inner: Inner, given: dict[str, ed.Tensor]) -> ed.Tensor:
    one, other = _alike(rng, inner, given)
    return float(rng.choice([1, -2, 0.5])) * one + other


def _hadamard(rng: Rng, inner: Inner, given: dict[str, ed.Tensor]) -> ed.Tensor:
    one, other = _alike(rng, inner, given)
    return one * other


def _ratio(rng: Rng, inner: Inner, given: dict[str, ed.Tensor]) -> ed.Tensor:
    one, other = _alike(rng, inner, given)
    return one / (3 + other * other)


def _call(rng: Rng, inner: Inner, given: dict[str, ed.Tensor]) -> ed.Tensor:
    found: ed.Tensor = ENTRYWISE[rng.integers(len(ENTRYWISE))](inner())
    return found


def _power(rng: Rng, inner: Inner, given: dict[str, ed.Tensor]) -> ed.Tensor:
    return (2 + ed.square(inner())) ** [2, -1, 0.5, -2, 3][rng.integers(5)]


def _matmul(rng: Rng, inner: Inner, given: dict[str, ed.Tensor]) -> ed.Tensor:
    one = inner()
    fitting = [v for v in given.values() if 0 < len(v.shape) < 3 and v.shape[0] == one.shape[-1]]
    return one @ fitting[rng.integers(len(fitting))]


def _of_matrix(rng: Rng, inner: Inner, given: dict[str, ed.Tensor]) -> ed.Tensor:
    P = given["P"]
    kinds = (
        lambda: ed.inv(P),
        lambda: ed.det(P),
        lambda: ed.logdet(P),
        lambda: ed.solve(P, given["x"]),
        lambda: ed.trace(inner()),
        lambda: ed.diag(inner()),
        lambda: np.diagonal(inner()),
        lambda: inner().T,
    )
    found: ed.Tensor = kinds[rng.integers(len(kinds))]()
    return found


def _reduced(rng: Rng, inner: Inner, given: dict[str, ed.Tensor]) -> ed.Tensor:
    one = inner()
    axis = None if rng.random() < 0.5 else int(rng.integers(len(one.shape)))
    found: ed.Tensor = (np.sum, np.mean, np.linalg.norm)[rng.integers(3)](one, axis=axis)
    return found


def _of_vector(rng: Rng, inner: Inner, given: dict[str, ed.Tensor]) -> ed.Tensor:
    found: ed.Tensor = (ed.softmax, ed.logsumexp, ed.cumsum)[rng.integers(3)](inner())
    return found


def _kron(rng: Rng, inner: Inner, given: dict[str, ed.Tensor]) -> ed.Tensor:
    return np.kron(inner(), inner())


def _ravel(rng: Rng, inner: Inner, given: dict[str, ed.Tensor]) -> ed.Tensor:
    return np.reshape(inner(), [-1, (2, -1), (3, -1), (-1, 2), (-1, 3)][rng.integers(5)])


def _slice(rng: Rng, inner: Inner, given: dict[str, ed.Tensor]) -> ed.Tensor:
    keys = (0, 1, slice(1, None), slice(None, None, -1), slice(0, 2), slice(None, None, 2), None)
    one = inner()
    key = tuple(keys[rng.integers(len(keys))] for _ in range(rng.integers(1, 3)))
    return one[key]


def _joined(rng: Rng, inner: Inner, given: dict[str, ed.Tensor]) -> ed.Tensor:
    one, other = _alike(rng, inner, given)
    found: ed.Tensor = (np.stack, np.concatenate)[rng.integers(2)]([one, other])
    return found


def _outer(rng: Rng, inner: Inner, given: dict[str, ed.Tensor]) -> ed.Tensor:
    return np.outer(inner(), inner())


def _compared(rng: Rng, inner: Inner, given: dict[str, ed.Tensor]) -> ed.Tensor:
    one, other = _alike(rng, inner, given)
    return np.where(one > other, one, other) if rng.random() < 0.5 else np.maximum(one, other)


Kind = Callable[[Rng, Inner, dict[str, ed.Tensor]], ed.Tensor]
#: Kinds of expressions that take sizes that are names, and those that need numbers.
NAMED: tuple[Kind, ...] = (
    _einsum, _einsum, _einsum, _sum, _hadamard, _hadamard, _ratio, _call, _power, _matmul,
    _of_matrix, _reduced, _of_vector,
)  # fmt: skip
NUMBERED: tuple[Kind, ...] = (_kron, _kron, _ravel, _slice, _joined, _outer, _compared)
