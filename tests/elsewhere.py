"""What tests have other processes do: they import this module, and little else."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

import einsdiff as ed
from tests.catalogue_rows import ROWS, called


def softcube(x: Any) -> Any:
    """Compute a function that a test registers, which can be imported from here."""
    return x**3 / (1 + x**2)


def hashed(k: int, variables: dict[str, ed.Tensor]) -> tuple[str, str, str, str]:
    """Build the expression of a row of the catalogue and its derivative in this process."""
    row = ROWS[k]
    f = called(row.build, variables)
    derivative = ed.grad(f, wrt=row.wrt, order=row.order)
    return str(f), f.structure_hash, str(derivative), derivative.structure_hash


def all_hashed(
    variables: list[dict[str, ed.Tensor]], noise: int
) -> list[tuple[str, str, str, str]]:
    """Do so for all rows, with other addresses of objects than in other processes."""
    kept = [object() for _ in range(noise)]
    found = [hashed(k, given) for k, given in enumerate(variables)]
    del kept
    return found


def described(t: ed.Tensor) -> tuple[str, str, np.ndarray]:
    """Return what is known of a tensor, and its values."""
    return str(t), t.structure_hash, np.asarray(t)


def applied(function: Any, **arrays: Any) -> Any:
    """Call what came from another process."""
    return function(**arrays)


def run(pickled: bytes) -> Any:
    """Call a function that was pickled by value."""
    return pickle.loads(pickled)()


def differentiated(t: ed.Tensor) -> ed.Tensor:
    """Return a derivative that is made in this process."""
    return ed.grad(t, wrt=t.names[0])


def failing(text: str) -> None:
    """Raise an error with located text."""
    ed.einsum(text, np.ones((2, 3)), np.ones(4))
