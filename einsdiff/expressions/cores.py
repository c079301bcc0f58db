r"""Derivatives as cores and deltas: the arrays that they are made of, and where these stand.

.. math:: \frac{\partial^2}{\partial U_{ij}\, \partial U_{kl}} \lVert T - U V^\top \rVert^2
    = \delta_{ik}\, 2\, V_{pj} V_{pl}

is one small matrix, at a thousand places of a large array. It is computed once:

>>> import einsdiff as ed
>>> import numpy as np
>>> U, V, T = np.ones((4, 2)), np.ones((3, 2)), np.zeros((4, 3))
>>> H = ed.hessian("(T_ij - U_ik V_jk) (T_ij - U_il V_jl)", T, U, V, wrt="U")
>>> H.cores()
shape (4, 2, 4, 2), 16 of 64 entries can be other than zero
jk->ijik  array([[6., 6.], [6., 6.]])
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from einsdiff.algebra.derivatives.placing import placed
from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import Delta, Node
from einsdiff.errors import OperandError, shape_text
from einsdiff.expressions.evaluation import prepare
from einsdiff.expressions.formula import Formula
from einsdiff.expressions.layout import Layout, VecOrder, check_layout
from einsdiff.expressions.prepared import Prepared
from einsdiff.expressions.solver import part_of
from einsdiff.numeric.libraries.extras import scipy_module
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.operands import Array
from einsdiff.numeric.planning.views import PlannedCore
from einsdiff.numeric.sparse import FORMATS, check_room, laid, sparse, window_of


@dataclass(frozen=True, slots=True, repr=False)
class Cores:
    """An array as a sum of smaller ones, each at its place.

    Attributes
    ----------
    shape
        The shape of the array.
    domain
        How many of its axes, the last ones, belong to what was differentiated by.
    dtype
        Its dtype.
    places
        For each core the entries that it stands at, and how it is repeated there.
    arrays
        The cores.

    Examples
    --------
    >>> import einsdiff as ed
    >>> cores = ed.grad("x_i y_j", x=[1.0, 2.0], y=[3.0, 4.0, 5.0], wrt="x").cores()
    >>> cores.arrays
    (array([3., 4., 5.]),)
    >>> cores.places[0].subscripts
    'j->iji'
    """

    shape: tuple[int, ...]
    domain: int
    dtype: np.dtype[Any]
    places: tuple[PlannedCore, ...]
    arrays: tuple[Array, ...]

    @property
    def count(self) -> int:
        """How many entries can be other than zero, those of several cores counted again."""
        return sum(prod(place.window.shape) for place in self.places)

    def __repr__(self) -> str:
        head = (
            f"shape {self.shape}, {self.count} of {prod(self.shape)} entries can be other than zero"
        )
        lines = [
            f"{place.subscripts or place.window}  "
            + np.array_repr(array, max_line_width=10**6).replace("\n      ", "")
            for place, array in zip(self.places, self.arrays, strict=True)
        ]
        return "\n".join([head, *lines])

    def dense(self) -> Array:
        """Write the cores into one array.

        Returns
        -------
        array
            Of the shape of the derivative.

        Raises
        ------
        SizeError
            The array is above the memory limit.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.grad("x_i x_i", x=[1.0, 2.0], wrt="x").cores().dense()
        array([2., 4.])
        """
        check_room(
            f"the array of shape {shape_text(self.shape)} and dtype {self.dtype}",
            prod(self.shape) * self.dtype.itemsize,
        )
        out = np.zeros(self.shape, self.dtype)
        for place, array in zip(self.places, self.arrays, strict=True):
            view = window_of(out, place.window)
            view += laid(place, array)
        return out

    def sparse(
        self,
        format: str | None = None,  # SciPy's name
        layout: Layout = "numerator",
        order: VecOrder = "C",
    ) -> Any:
        """Build a sparse matrix; see `einsdiff.Tensor.sparse`.

        Parameters
        ----------
        format, layout, order
            As for `einsdiff.Tensor.sparse`.

        Returns
        -------
        scipy.sparse array
            Of the shape of the derivative's matrix.

        Raises
        ------
        OperandError
            SciPy is not installed, or there is no such format.
        LayoutError
            There is no such layout or order.
        SizeError
            Making it needs more memory than the limit.

        Examples
        --------
        >>> import einsdiff as ed
        >>> cores = ed.grad("f_ij = A_ij", A=[[1.0, 2.0], [3.0, 4.0]], wrt="A").cores()
        >>> cores.sparse("coo").coords
        (array([0, 1, 2, 3], dtype=int32), array([0, 1, 2, 3], dtype=int32))
        """
        check_layout(layout, order)
        if format is not None and format not in FORMATS:
            raise OperandError(
                f"format={format!r} is not a sparse format",
                action=f"write one of {', '.join(map(repr, FORMATS))}",
            )
        is_transposed = layout == "denominator"
        return sparse(
            self.places,
            self.arrays,
            self.shape,
            self.domain,
            self.dtype,
            format,
            is_transposed,
            order,
        )


def evaluate_cores(formula: Formula, values: Mapping[str, Array]) -> Cores:
    """Compute the cores of a formula."""
    prepared: Prepared = prepare([formula], values, in_cores=True)
    (places,) = prepared.program.plan.cores
    arrays = prepared.run(values)
    return Cores(prepared.shapes[0], formula.domain or 0, prepared.dtype, places, arrays)


#: A matrix is sparse to a solver if at most this part of its entries is stored.
STORED = 1 / 8


def sparse_part(
    formula: Formula, values: Mapping[str, Array], node: Node, domain: int
) -> Any | None:
    """Build the sparse matrix of a part of a formula's expression, whose last axes are columns.

    None if its entries are not mostly zeros, or SciPy is not there.
    """
    is_shifted = any(isinstance(n, Delta) and not n.is_identity for n in topological([node]))
    if not is_shifted or scipy_module("sparse") is None:
        return None
    part = part_of(formula, node)
    prepared = prepare([part], values, in_cores=True, nodes=(placed(node, domain),))
    (places,) = prepared.program.plan.cores
    (shape,) = prepared.shapes
    if sum(prod(place.window.shape) for place in places) > STORED * prod(shape):
        return None
    return sparse(places, prepared.run(values), shape, domain, prepared.dtype, "csr")
