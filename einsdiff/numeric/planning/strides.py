r"""How arrays lie in memory: which reshapes copy, and which matrices BLAS takes as they are.

The strides of an array are counted in entries. Those of operands are taken to be those of a new
array; if they are not, a plan is right all the same, and a little slower.

>>> contiguous((2, 3, 4))
(12, 4, 1)
>>> reshaped((2, 3, 4), (12, 4, 1), (6, 4)), reshaped((3, 2), (1, 3), (6,))
((4, 1), None)
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import prod

Strides = tuple[int, ...]


def contiguous(shape: Sequence[int]) -> Strides:
    """Return the strides of a new array, whose last axis runs fastest."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of arrays that are combined entry by entry.

    >>> broadcast((3, 1), (4,), ())
    (3, 4)
    """
    rank = max(map(len, shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    found = tuple(
        next((n for n in sizes if n != 1), sizes[0]) for sizes in zip(*padded, strict=True)
    )
    for shape in padded:
        assert all(n in (1, m) for n, m in zip(shape, found, strict=True)), f"{shapes} do not fit"
    return found


def reshaped(shape: Sequence[int], strides: Strides, new: Sequence[int]) -> Strides | None:
    """Return the strides of a reshaped array, or None if that is a copy."""
    if 0 in shape:
        return contiguous(new)
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    result: list[int] = []
    k = 0
    axis = 0
    while axis < len(new):
        if new[axis] == 1:
            result.append(1)
            axis += 1
            continue
        # The smallest groups of axes, old and new, that have as many entries.
        taken = [old[k]]
        made = [new[axis]]
        k, axis = k + 1, axis + 1
        while (have := prod(n for n, _ in taken)) != (want := prod(made)):
            if have < want:
                taken.append(old[k])
                k += 1
            else:
                made.append(new[axis])
                axis += 1
        for (_, outer), (n, inner) in itertools.pairwise(taken):
            if outer != n * inner:
                return None
        step = taken[-1][1]
        result.extend(step * prod(made[j + 1 :]) for j in range(len(made)))
    return tuple(result)


def entrywise(shape: Sequence[int], operands: Sequence[tuple[Sequence[int], Strides]]) -> Strides:
    """Return the strides that NumPy gives the result of an operation entry by entry.

    Its axes lie in the order of those of the operands, or where these disagree in their own.

    >>> entrywise((3, 2), [((3, 2), (1, 3))])
    (1, 3)
    """
    rank = len(shape)
    given = [
        [0] * (rank - len(theirs))
        + [s if n != 1 else 0 for n, s in zip(theirs, strides, strict=True)]
        for theirs, strides in operands
    ]

    order: list[int] = []  # from the fastest axis to the slowest
    for axis in reversed(range(rank)):
        place = len(order)
        for k in reversed(range(len(order))):
            faster = _is_faster(given, axis, order[k])
            if faster:
                place = k
            elif faster is not None:
                break
        order.insert(place, axis)
    packed = contiguous([shape[axis] for axis in reversed(order)])[::-1]
    return tuple(packed[order.index(axis)] for axis in range(rank))


def _is_faster(given: Sequence[Sequence[int]], a: int, b: int) -> bool | None:
    """Tell whether all operands run faster along an axis than along a later one, if any tells."""
    told = [abs(own[a]) < abs(own[b]) for own in given if own[a] and own[b]]
    return all(told) if told else None


#: Rows of fewer entries are short, and axes so many times as long may run fastest in their place.
SHORT = 32
LONGER = 4
#: Results of so many entries are worth copies of operands that are so many times smaller.
LEAST_TURNED = 4096
SMALLER = 8


def turned(
    shape: Sequence[int], strides: Strides, operands: Sequence[Sequence[int]]
) -> tuple[int, ...] | None:
    r"""Return an order of axes in which the result of an operation entry by entry lies better.

    NumPy goes along the axis that runs fastest in a loop of its own, which :math:`x_{ik} - x_{jk}`
    with three k leaves after three entries. None if the order is as good as another.

    >>> turned((500, 500, 3), (1500, 3, 1), [(500, 1, 3), (500, 3)])
    (2, 0, 1)
    >>> turned((500, 500, 3), (1500, 3, 1), [(500, 500, 3), (500, 500, 1)])
    """
    entries = prod(shape)
    if len(shape) < 2 or entries < LEAST_TURNED:
        return None
    long = [axis for axis, n in enumerate(shape) if n > 1]
    fastest = min(long, key=lambda axis: abs(strides[axis]), default=0)
    row = shape[fastest]
    if row >= SHORT or max(shape) < LONGER * row:
        return None
    if any(SMALLER * prod(lengths) > entries for lengths in operands):
        return None
    return tuple(sorted(range(len(shape)), key=lambda axis: shape[axis]))


def is_matrix(shape: Sequence[int], strides: Strides) -> bool:
    """Tell whether BLAS takes the last two axes as a matrix, maybe a transposed one.

    >>> is_matrix((5, 3, 2), (6, 1, 3)), is_matrix((5, 3, 2), (1, 10, 5))
    (True, False)
    """
    (rows, columns), (down, along) = shape[-2:], strides[-2:]
    along = 1 if columns == 1 else along
    down = 1 if rows == 1 else down
    return (along == 1 and (rows == 1 or down >= columns)) or (
        down == 1 and (columns == 1 or along >= rows)
    )
