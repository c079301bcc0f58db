"""Equations with a derivative, and products of its parts, without forming it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

from einsdiff.algebra.nodes.interning import Node, variable
from einsdiff.display.index.lettering import Heading
from einsdiff.errors import ShapeError, shape_text
from einsdiff.expressions.base import Bound
from einsdiff.expressions.evaluation import check_numpy, evaluate
from einsdiff.expressions.formula import Formula, fresh, function_name
from einsdiff.expressions.layout import VecOrder
from einsdiff.notation.letters import first_unused, numbered
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.operands import Array, as_array

# What plans and solves is imported where it is needed: a formula is read without it.
if TYPE_CHECKING:
    from einsdiff.numeric.solving.frames import Factorisation


@dataclass(frozen=True, repr=False, eq=False)
class Solver:
    """A derivative that has been factorised, to solve equations with.

    Attributes
    ----------
    method
        How equations are solved, in a sentence.
    shape
        The shape of a right-hand side.
    domain
        The shape of a solution.
    dtype
        The dtype that is computed in.

    Examples
    --------
    >>> import einsdiff as ed
    >>> solver = ed.grad("ij,j->i", [[2.0, 0.0], [1.0, 1.0]], [1.0, 1.0], wrt=1).solver()
    >>> solver
    <Solver: LU factorisation of 2 x 2>
    >>> solver.solve([2.0, 3.0])
    array([1., 2.])
    """

    method: str
    shape: tuple[int, ...]
    domain: tuple[int, ...]
    dtype: np.dtype[Any]
    _factorisation: Factorisation | None
    _text: str

    def __repr__(self) -> str:
        return f"<Solver: {self.method}>"

    def solve(self, rhs: Any, *, tolerance: float | None = None) -> Array:
        """Solve for one right-hand side, or for several of them.

        Parameters
        ----------
        rhs
            An array or a tensor with values. Its first axes are those of the codomain; each index
            of the others is a right-hand side of its own.
        tolerance
            The residual, relative to the right-hand side, at which an iteration stops and above
            which no iterated or updated solution is given. By default eps^(2/3), which is 4e-11
            in double precision.

        Returns
        -------
        array
            With the axes of the domain, and then the further ones of `rhs`.

        Raises
        ------
        ShapeError
            `rhs` has other axes.
        SolveError
            An iteration did not converge.

        Examples
        --------
        >>> import numpy as np
        >>> import einsdiff as ed
        >>> solver = ed.grad("i,i->i", [2.0, 4.0], "x", wrt="x").solver()
        >>> solver.solve(np.eye(2))
        array([[0.5 , 0.  ],
               [0.  , 0.25]])
        """
        b = right_side(rhs)
        rank = len(self.shape)
        if b.shape[:rank] != self.shape:
            raise ShapeError(
                f"the right-hand side has shape {shape_text(b.shape)}, "
                f"but the codomain has shape {shape_text(self.shape)}",
                text=self._text,
                action=f"pass an array of shape {shape_text(self.shape)}, with further axes "
                "for several right-hand sides",
            )
        further = b.shape[rank:]
        is_complex = b.dtype.kind == "c" and self.dtype.kind != "c"
        result = (*self.domain, *further)
        if self._factorisation is None:
            return np.zeros(result, np.result_type(self.dtype, b) if is_complex else self.dtype)
        sides = b.reshape(*self.shape, prod(further))
        if is_complex:  # a real map acts on the parts
            sides = np.concatenate([sides.real, sides.imag], axis=-1)
        sides = sides.astype(self.dtype, copy=False)
        from einsdiff.numeric.solving.failures import SolveError, default_tolerance

        goal = default_tolerance(self.dtype) if tolerance is None else tolerance
        try:
            x = self._factorisation.solve(sides, goal)
        except SolveError as error:
            raise error.located(self._text) from None
        if is_complex:
            x = x[..., : prod(further)] + 1j * x[..., prod(further) :]
        return x.reshape(result)


def right_side(rhs: Any) -> Array:
    """Return the right-hand side of an equation as an array of NumPy's."""
    given = rhs.dense() if isinstance(rhs, Bound) else rhs
    check_numpy({"rhs": given}, "solve()")
    return as_array(given, "the right-hand side")


# --- evaluating parts -------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def part_of(formula: Formula, node: Node) -> Formula:
    """Return the formula of a part of another one's expression."""
    names = [argument.name for argument in formula.arguments]
    heading = Heading(function_name(names), fresh(len(node.shape), names))
    return Formula(node, heading, formula.letters, formula.arguments, least=formula.least)


@lru_cache(maxsize=1024)
def _product_of(formula: Formula, node: Node, summed: tuple[int, ...]) -> tuple[Formula, str]:
    """Return the formula of a node times vectors, as the columns of a variable of this name."""
    from einsdiff.algebra.derivatives.linear_terms import contracted
    from einsdiff.expressions.swept import product

    names = {argument.name for argument in formula.arguments}
    name = first_unused(numbered("v"), names)
    columns = first_unused(numbered("c"), formula.named_sizes)
    vectors = variable(name, (*(node.shape[axis] for axis in summed), columns))
    whole = node is formula.expr
    expr = product(formula, summed, vectors) if whole else contracted(node, summed, vectors)
    heading = Heading(function_name([*names, name]), fresh(len(expr.shape), [*names, name]))
    arguments = (*formula.arguments, vectors)
    return Formula(expr, heading, formula.letters, arguments, least=formula.least), name


# These are no closures, so that solvers and operators can be pickled.


@dataclass(frozen=True)
class Products:
    """The products of a derivative's matrix and of its adjoint with the columns of an array."""

    formula: Formula
    values: Mapping[str, Array]
    shape: tuple[int, ...]
    #: For the matrix and for its transpose which axes are left and which are summed.
    sides: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    order: VecOrder  # how several axes become one

    def forward(self, x: Array) -> Array:
        """Multiply by the matrix."""
        return self.product(*self.sides[0], x)

    def adjoint(self, x: Array) -> Array:
        """Multiply by the adjoint."""
        return self.product(*self.sides[1], x.conj()).conj()

    def product(self, left: tuple[int, ...], summed: tuple[int, ...], x: Array) -> Array:
        """Sum over some of the axes."""
        given = x.reshape(*(self.shape[n] for n in summed), x.shape[1], order=self.order)
        y = _multiplied(self.formula, self.values, self.formula.expr, summed, given)
        return y.reshape(prod(self.shape[n] for n in left), x.shape[1], order=self.order)


def one_vector(matrices: Callable[[Array], Array], x: Array) -> Array:
    """Multiply one vector by what multiplies columns."""
    return matrices(x.reshape(-1, 1))[:, 0]


def evaluate_part(formula: Formula, values: Mapping[str, Array], node: Node) -> Array:
    """Compute a part of a formula's expression."""
    return evaluate(part_of(formula, node), values)


def apply_part(
    formula: Formula, values: Mapping[str, Array], node: Node, count: int, x: Array
) -> Array:
    """Multiply a part, whose last axes are so many domain axes, by vectors."""
    rank = len(node.shape)
    return _multiplied(formula, values, node, tuple(range(rank - count, rank)), x)


def _multiplied(
    formula: Formula, values: Mapping[str, Array], node: Node, summed: tuple[int, ...], x: Array
) -> Array:
    """Multiply a part of a formula's expression by vectors, the last axis of an array."""
    product, name = _product_of(formula, node, summed)
    return evaluate(product, {**values, name: x})
