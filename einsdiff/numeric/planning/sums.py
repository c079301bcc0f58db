r"""Sums over some axes of an array as products with ones.

.. math:: y_i = \sum_j X_{ij} = (X \mathbf 1)_i

NumPy's sum goes through the axes that are left in a loop, and takes longer for each than for a few
numbers; BLAS does not. What is summed has to be the first or the last axis of a matrix, or the
middle one of a stack, after the axes are put into the order in which they lie in memory:

>>> summing((20, 100, 30), (3000, 30, 1), (1, 2))
Summing(op='row sums', axes=(0, 1, 2), sizes=(20, 3000), kept=(0,))
>>> summing((20, 100, 30), (1, 20, 2000), (1,))
Summing(op='column sums', axes=(2, 1, 0), sizes=(30, 100, 20), kept=(2, 0))
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import prod
from typing import NamedTuple

from einsdiff.numeric.planning.strides import Strides, is_matrix, reshaped

#: Arrays of fewer entries are summed in the time of the call.
LEAST_ENTRIES = 256
#: Rows with more are summed by NumPy, which adds them in pairs and loses fewer digits.
MOST_IN_ROW = 4096


class Summing(NamedTuple):
    """How an array is summed."""

    op: str  # over which axis of a matrix or a stack; empty if there is nothing to be summed
    axes: tuple[int, ...]  # in the order in which they lie in memory
    sizes: tuple[int, ...]  # those of the matrix or of the stack
    kept: tuple[int, ...]  # the axes that are left, in the order in which they lie in memory


def summing(shape: Sequence[int], strides: Strides, axes: Sequence[int]) -> Summing | None:
    """Say how to sum over some axes by BLAS; None where NumPy's own sum is as good."""
    long = [axis for axis, size in enumerate(shape) if size != 1]
    if not set(long).intersection(axes):
        return Summing("", (), (), ())
    if set(long).issubset(axes) or prod(shape) < LEAST_ENTRIES:
        return None
    order = sorted(long, key=lambda axis: -abs(strides[axis]))
    groups = [list(group) for _, group in groupby(order, key=lambda axis: axis in axes)]
    is_last = groups[-1][0] in axes
    if len(groups) > 3 - is_last:
        return None
    sizes = tuple(prod(shape[axis] for axis in group) for group in groups)
    if is_last and sizes[-1] > MOST_IN_ROW:
        return None
    turned = (*(axis for axis in range(len(shape)) if axis not in order), *order)
    lies = reshaped([shape[axis] for axis in turned], tuple(strides[a] for a in turned), sizes)
    if lies is None or not is_matrix(sizes, lies):
        return None
    kept = tuple(axis for axis in order if axis not in axes)
    return Summing("row sums" if is_last else "column sums", turned, sizes, kept)
