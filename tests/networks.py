"""Tensor networks to contract and to differentiate: trees, grids, random regular networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Net(NamedTuple):
    """A network: the labels of its tensors, those of the result, and the size of each label."""

    tensors: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    sizes: dict[int, int]

    @property
    def text(self) -> str:
        """The einsum string, with a CJK ideograph for each label."""
        terms = ["".join(map(letter, labels)) for labels in (*self.tensors, self.output)]
        return ",".join(terms[:-1]) + "->" + terms[-1]

    def arrays(self, seed: int = 0) -> list[np.ndarray]:
        """Draw arrays for the tensors, so that the result is neither tiny nor huge."""
        rng = np.random.default_rng(seed)
        shapes = [[self.sizes[n] for n in labels] for labels in self.tensors]
        return [rng.standard_normal(shape) / np.prod(shape) ** 0.25 for shape in shapes]


def letter(label: int) -> str:
    return chr(0x4E00 + label)


def of_bonds(count: int, bonds: Sequence[Sequence[int]], size: int = 2) -> Net:
    """Make a network of bonds, each between two tensors or more."""
    own: list[list[int]] = [[] for _ in range(count)]
    for label, ends in enumerate(bonds):
        for k in ends:
            own[k].append(label)
    return Net(tuple(map(tuple, own)), (), dict.fromkeys(range(len(bonds)), size))


def tree(count: int, size: int = 2, seed: int = 0) -> Net:
    """Make a random tree."""
    rng = np.random.default_rng(seed)
    return of_bonds(
        count, [(int(rng.integers(max(0, k - 4), k)), k) for k in range(1, count)], size
    )


def grid(height: int, width: int, size: int = 2) -> Net:
    """Make a grid of so many rows and columns."""
    bonds = []
    for k in range(height * width):
        bonds += [(k, k + 1)] if (k + 1) % width else []
        bonds += [(k, k + width)] if k + width < height * width else []
    return of_bonds(height * width, bonds, size)


def regular(count: int, size: int = 2, seed: int = 0, degree: int = 3) -> Net:
    """Make a random network in which each tensor has so many different neighbours."""
    rng = np.random.default_rng(seed)
    while True:
        ends = np.repeat(np.arange(count), degree)
        rng.shuffle(ends)
        bonds = [tuple(map(int, sorted(pair))) for pair in ends.reshape(-1, 2)]
        if len(set(bonds)) == len(bonds) and all(a != b for a, b in bonds):
            return of_bonds(count, bonds, size)


def mixed(count: int, axes: int = 2, seed: int = 0) -> Net:
    """Make a network with bonds of 2 to 8, labels on three tensors, and axes of the result."""
    rng = np.random.default_rng(seed)
    bonds = [(int(rng.integers(max(0, k - 3), k)), k) for k in range(1, count)]
    bonds += [
        tuple(map(int, rng.choice(np.arange(k, k + 5), 3, replace=False)))
        for k in range(0, count - 5, 6)
    ]
    bonds += [(k * count // 3,) for k in range(axes)]
    net = of_bonds(count, bonds)
    sizes = {n: int(rng.choice([2, 3, 5, 8], p=[0.6, 0.2, 0.1, 0.1])) for n in net.sizes}
    return Net(net.tensors, tuple(range(len(bonds) - axes, len(bonds))), sizes)
