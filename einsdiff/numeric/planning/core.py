"""What a plan computes: an array, and the axes at which its entries stand in the result."""

from __future__ import annotations

from typing import NamedTuple

from einsdiff.numeric.planning.views import (
    Window,
)

__all__ = ["PlannedCore"]


class PlannedCore(NamedTuple):
    """A term of a result: an array, and where in the result it stands."""

    name: str  # the name of the array, or a number
    window: Window  # the entries of the result that it is written to, or added to
    #: Which axis of the window each axis of the array is; along the others it is repeated.
    axes: tuple[int, ...]
    #: How NumPy's einsum would write it, if it took labels that stand twice in the output:
    #: ``k->iik`` is the diagonal. Empty where more than deltas place it, as for a slice.
    subscripts: str
