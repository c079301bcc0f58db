r"""Tensors: expressions with the values of their variables.

A `Tensor` is what every verb takes and returns. It can be read (``str``), computed
(``np.asarray``), combined with others by ``+ - * / ** @``, and differentiated again. A derivative
:math:`\partial f_c/\partial x_d` is a tensor whose axes are split: codomain, then domain.

>>> A, x = tensors(A="mn", x="n")
>>> A @ x + 2 * (A @ x)
f_i = 3 A_ij x_j
>>> (A @ x).shape
('m',)
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from einsdiff.algebra.flatten import MOST_COMPARED_FACTORS, flatten
from einsdiff.algebra.functions import FUNCTIONS
from einsdiff.algebra.nodes import (
    Node,
    Number,
    Variable,
    add,
    call,
    constant,
    einsum,
    scale,
    topological,
    variable,
    variables_of,
)
from einsdiff.display.index import Heading, Letters, format_heading, format_index
from einsdiff.errors import (
    BindingError,
    OperandError,
    ShapeError,
    SizeError,
    page,
    shape_text,
    shapes_line,
)
from einsdiff.layout import Layout, VecOrder, as_matrix, check_layout
from einsdiff.notation.letters import DUMMY, first_unused, fresh_letters
from einsdiff.notation.names import as_name, name_of
from einsdiff.notation.subscripts import Axes, Size, as_size, is_index, parse_subscripts, resolve
from einsdiff.numeric.arrays import (
    Array,
    anonymous_name,
    as_array,
    as_number,
    dtype_of,
    same_array,
)
from einsdiff.numeric.memory import format_bytes, memory_limit
from einsdiff.numeric.program import Program, program_for

__all__ = [
    "Formula",
    "Tensor",
    "checked_arrays",
    "function_name",
    "join_values",
    "joined_arguments",
    "number",
    "symbol",
    "tensor",
    "tensors",
]


@dataclass(frozen=True, eq=False)
class Formula:
    """What a tensor is apart from its values: the expression and how it is written.

    Formulas hold no arrays, so that what is derived, planned or printed for one of them is kept
    for every call with other data.

    Attributes
    ----------
    expr
        The expression.
    heading
        What stands on the left-hand side when it is printed.
    letters
        The letters that the user gave to the axes of the variables.
    arguments
        The variables of the function, in order of appearance; also those that a derivative no
        longer depends on.
    domain
        The number of axes, the last ones, that belong to what was differentiated by; None if
        this is no derivative.
    """

    expr: Node
    heading: Heading
    letters: Letters
    arguments: tuple[Variable, ...]
    domain: int | None = None

    @cached_property
    def normal_form(self) -> Node:
        """The expression with products of products and sums of sums merged."""
        return flatten([self.expr], MOST_COMPARED_FACTORS)[0]

    @cached_property
    def required(self) -> frozenset[str]:
        """The names of the variables that the value depends on."""
        return frozenset(v.name for v in variables_of([self.expr]))

    @cached_property
    def named_sizes(self) -> frozenset[str]:
        """The sizes that are names, of which the value needs to know the numbers."""
        nodes = topological([self.expr])
        sizes = {s for node in nodes for s in (*node.shape, *getattr(node, "sizes", ()))}
        return frozenset(s for s in sizes if isinstance(s, str))

    @cached_property
    def text(self) -> str:
        """The formula in index notation."""
        left = format_heading(self.heading)
        right = format_index(self.normal_form, self.heading.letters, self.letters)
        return left if left == right else f"{left} = {right}"


#: The most axes that an array of NumPy's can have.
MOST_AXES = 64 if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else 32


class Tensor:
    """A tensor expression, with values for some or all of its variables.

    Made by `tensor`, `tensors`, `einsum` and the verbs, and by arithmetic on these; it does not
    change. `==` and `hash` go by the expression in its canonical form, not by the values.

    Attributes
    ----------
    formula
        The expression and how it is written.
    values
        The arrays given so far, by name.

    Examples
    --------
    >>> import numpy as np
    >>> y = tensor("y", np.array([1.0, 2.0]))
    >>> f = y * y - 1
    >>> f
    f_i = y_i y_i - 1
    >>> np.asarray(f)
    array([0., 3.])
    >>> f(y=[3.0, 4.0])
    array([ 8., 15.])
    """

    __slots__ = ("__weakref__", "formula", "values")

    # NumPy's operators hand over to those below instead of trying entry by entry.
    __array_ufunc__ = None

    def __init__(self, formula: Formula, values: Mapping[str, Array]) -> None:
        self.formula = formula
        self.values = values

    # --- reading ------------------------------------------------------------------------------

    @property
    def expr(self) -> Node:
        """The expression, a node of `einsdiff.algebra.nodes`.

        Examples
        --------
        >>> tensor("x", 3).expr
        x
        """
        return self.formula.expr

    @property
    def shape(self) -> tuple[Size, ...]:
        """The sizes of the axes: numbers, or names where they are not known.

        Examples
        --------
        >>> A, x = tensors(A="mn", x=[1.0, 2.0, 3.0])
        >>> A.shape, x.shape
        (('m', 'n'), (3,))
        """
        shape = self.expr.shape
        if all(isinstance(size, int) for size in shape):
            return shape
        sizes = self._sizes(self.values)
        return tuple(sizes.get(s, s) if isinstance(s, str) else s for s in shape)

    @property
    def ndim(self) -> int:
        """The number of axes.

        Examples
        --------
        >>> tensor("A", "mn").ndim
        2
        """
        return len(self.expr.shape)

    @property
    def domain(self) -> int:
        """The number of axes, the last ones, that belong to what was differentiated by.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.grad("ij,j->i", "A", "x", wrt="A").domain
        2
        """
        return self.formula.domain or 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the result, from those of the arrays given so far.

        Examples
        --------
        >>> n = tensor("n", [1, 2])
        >>> n.dtype, (n / 2).dtype
        (dtype('int64'), dtype('float64'))
        """
        return dtype_of(self.expr, (array.dtype for array in self.values.values()))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the variables of the function, in order of appearance.

        Examples
        --------
        >>> A, x = tensors(A="mn", x="n")
        >>> (A @ x).names
        ('A', 'x')
        """
        return tuple(argument.name for argument in self.formula.arguments)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tensor):
            return NotImplemented
        mine, theirs = self.formula, other.formula
        return mine.normal_form is theirs.normal_form and mine.domain == theirs.domain

    def __hash__(self) -> int:
        return hash(self.formula.normal_form)

    def __str__(self) -> str:
        return self.formula.text

    __repr__ = __str__

    # --- computing ----------------------------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("a tensor is computed, so there is no array to be had without a copy")
        return self.dense() if dtype is None else self.dense().astype(dtype, copy=False)

    def __bool__(self) -> bool:
        return bool(self.dense())

    def __int__(self) -> int:
        return int(self.dense())

    def __float__(self) -> float:
        return float(self.dense())

    def __complex__(self) -> complex:
        return complex(self.dense())

    def __call__(self, /, *positional: object, **arrays: ArrayLike) -> Array:
        """Evaluate with arrays for the variables, in place of those given before.

        Parameters
        ----------
        *positional
            None: arrays are given by name.
        **arrays
            An array for each variable that has none yet.

        Returns
        -------
        array
            Of the tensor's shape.

        Raises
        ------
        BindingError
            An array is missing, or one is given that the function has no variable for.
        ShapeError
            An array's shape is not that of its variable.

        Examples
        --------
        >>> A, x = tensors(A="mn", x="n")
        >>> (A @ x)(A=[[1, 2], [3, 4]], x=[1, 1])
        array([3, 7])
        """
        if positional:
            raise BindingError(
                page(
                    "arrays are given by name",
                    text=str(self),
                    shapes=_signature(self.formula.arguments),
                    action=f"write t({', '.join(f'{name}=...' for name in self.names)})",
                )
            )
        return self._evaluate({**self.values, **checked_arrays(self, arrays)}, None)

    def dense(self, out: Array | None = None) -> Array:
        """Evaluate with the arrays given so far.

        Parameters
        ----------
        out
            An array of the result's shape and dtype to write into.

        Returns
        -------
        array
            The result, `out` if it was given. It shares no memory with the operands.

        Raises
        ------
        BindingError
            A variable has no array.
        SizeError
            The result, or an array on the way to it, is above the memory limit.
        ShapeError
            `out` has another shape or dtype than the result.

        Examples
        --------
        >>> x = tensor("x", [1.0, 2.0])
        >>> (x * x).dense()
        array([1., 4.])
        """
        return self._evaluate(self.values, out)

    def matrix(self, layout: Layout = "numerator", order: VecOrder = "C") -> Array:
        """Evaluate, and reshape to a matrix.

        Parameters
        ----------
        layout
            ``"numerator"``: one row for each entry of the function, one column for each entry of
            what it is differentiated by, so that a scalar's gradient is a row. ``"denominator"``:
            the transpose. A tensor that is no derivative has one column in numerator layout.
        order
            How several axes become one: ``"C"``, the last axis runs fastest, or ``"F"``, the
            first axis runs fastest, which is the vec of matrix calculus.

        Returns
        -------
        array
            Of shape ``(m, n)``, or ``(n, m)`` in denominator layout.

        Raises
        ------
        LayoutError
            There is no such layout or order.

        Examples
        --------
        >>> import einsdiff as ed
        >>> x = ed.tensor("x", [1.0, 2.0])
        >>> ed.grad(x * x, wrt="x").matrix()
        array([[2., 0.],
               [0., 4.]])
        """
        check_layout(layout, order)  # before the work, not after
        dense = self._evaluate(self.values, None, order)
        return np.asarray(as_matrix(dense, self.domain, layout, order))

    def jvp(self, v: ArrayLike | Tensor) -> Tensor:
        r"""Multiply by a direction: :math:`\sum_d J_{cd} v_d`, without forming the derivative.

        Parameters
        ----------
        v
            Of the shape of what the function is differentiated by.

        Returns
        -------
        Tensor
            Of the function's shape. The product is taken symbolically: deltas become
            substitutions in `v`.

        Raises
        ------
        ShapeError
            `v` has another shape.

        Examples
        --------
        >>> import einsdiff as ed
        >>> import numpy as np
        >>> x = ed.tensor("x", [1.0, 2.0])
        >>> ed.grad(x * x, wrt="x").jvp([1.0, 10.0]).dense()
        array([ 2., 40.])
        """
        return self._contracted(v, "v", slice(self.ndim - self.domain, None))

    def vjp(self, u: ArrayLike | Tensor) -> Tensor:
        r"""Multiply by a covector: :math:`\sum_c u_c J_{cd}`, without forming the derivative.

        Parameters
        ----------
        u
            Of the shape of the function.

        Returns
        -------
        Tensor
            Of the shape of what the function is differentiated by.

        Raises
        ------
        ShapeError
            `u` has another shape.

        Examples
        --------
        >>> import einsdiff as ed
        >>> import numpy as np
        >>> x = ed.tensor("x", [1.0, 2.0])
        >>> ed.grad(x * x, wrt="x").vjp([1.0, 10.0]).dense()
        array([ 2., 40.])
        """
        return self._contracted(u, "u", slice(0, self.ndim - self.domain))

    def _contracted(self, other: ArrayLike | Tensor, name: str, axes: slice) -> Tensor:
        if self.formula.domain is None:
            raise OperandError(
                page(
                    "this is no derivative, so it has no product with a direction",
                    text=str(self),
                    action="differentiate first, as in ed.grad(t, wrt=...)",
                )
            )
        shape = self.expr.shape[axes]
        if (
            isinstance(other, Tensor)
            and other.expr.shape != shape
            and other.shape == self.shape[axes]
        ):
            other = other.dense()  # its sizes are numbers that are names here
        if isinstance(other, Tensor):
            given = other.expr.shape
        else:
            array = as_array(other, f"operand '{name}'")
            given = array.shape if array.shape != self.shape[axes] else shape
            name = _unused_name(name, self.names)
            other = Tensor(symbol(name, shape), {name: array})
        if given != shape:
            raise ShapeError(
                page(
                    f"{name} has shape {shape_text(given)}, "
                    f"but this derivative takes {shape_text(self.shape[axes])}",
                    text=format_heading(self.formula.heading),
                    action=f"pass {name} of shape {shape_text(self.shape[axes])}",
                )
            )
        labels = range(self.ndim)
        kept = [label for label in labels if label not in labels[axes]]
        expr = einsum([self.expr, other.expr], [labels, labels[axes]], kept)
        return _combined(
            expr, [self.formula.heading.letters[label] for label in kept], [self, other]
        )

    def _sizes(self, values: Mapping[str, Array]) -> dict[str, int]:
        """Find the number that each named size stands for, and check all shapes."""
        sizes: dict[str, int] = {}
        origin: dict[str, str] = {}
        for argument in self.formula.arguments:
            array = values.get(argument.name)
            if array is None or array.shape == argument.shape:
                continue
            if array.ndim != len(argument.shape):
                raise self._wrong_shape(argument, array, "the number of axes differs", sizes)
            for size, n in zip(argument.shape, array.shape, strict=True):
                if isinstance(size, int):
                    if size != n:
                        raise self._wrong_shape(argument, array, f"{n} is not {size}", sizes)
                elif sizes.setdefault(size, n) != n:
                    reason = f"size '{size}' is {sizes[size]} in '{origin[size]}', but {n} here"
                    raise self._wrong_shape(argument, array, reason, sizes)
                else:
                    origin.setdefault(size, argument.name)
        return sizes

    def _wrong_shape(
        self, argument: Variable, array: Array, reason: str, sizes: Mapping[str, int]
    ) -> ShapeError:
        wanted = tuple(sizes.get(s, s) if isinstance(s, str) else s for s in argument.shape)
        return ShapeError(
            page(
                f"the array for '{argument.name}' has shape {shape_text(array.shape)}, "
                f"but '{argument.name}' is {shape_text(argument.shape)}: {reason}",
                text=str(self),
                carets=_places(argument.name, str(self)),
                shapes=_signature(self.formula.arguments),
                action=f"pass an array of shape {shape_text(wanted)} for '{argument.name}'",
            )
        )

    def _evaluate(
        self, values: Mapping[str, Array], out: Array | None, order: VecOrder = "C"
    ) -> Array:
        formula = self.formula
        sizes = self._sizes(values)
        for name in self.names:
            if name in formula.required and name not in values:
                raise self._missing(name)
        for size in sorted(formula.named_sizes - sizes.keys()):
            raise self._unsettled(size)
        dtype = dtype_of(formula.expr, (array.dtype for array in values.values()))
        program = program_for((formula.expr,), tuple(sorted(sizes.items())), dtype)
        inputs = [values[part.name] for part in program.inputs]
        # Integers become what the result is before they are computed with and could overflow.
        cast = [a.dtype.kind in "biu" and a.dtype != dtype for a in inputs]
        copied = max(
            (a.size for a, is_cast in zip(inputs, cast, strict=True) if is_cast), default=0
        )
        if max(program.largest, copied) * dtype.itemsize > memory_limit():
            raise self._too_large(program, dtype, copied)
        if len(program.plan.shapes[0]) > MOST_AXES:
            raise ShapeError(
                page(
                    f"the result has {len(program.plan.shapes[0])} axes, "
                    f"and NumPy's arrays have at most {MOST_AXES}",
                    text=str(self),
                    action="contract some of them first",
                )
            )
        if out is not None:
            _check_out(out, program.plan.shapes[0], dtype)
        inputs = [a.astype(dtype) if c else a for a, c in zip(inputs, cast, strict=True)]
        if order == "F" and out is None:
            out = np.empty(program.plan.shapes[0], dtype, order="F")
        if out is not None and any(np.may_share_memory(out, array) for array in inputs):
            out[...] = program.function(*inputs)
            return out
        return np.asarray(program.function(*inputs, out=out), dtype)

    def _missing(self, name: str) -> BindingError:
        return BindingError(
            page(
                f"no array for '{name}'",
                text=str(self),
                carets=_places(name, str(self)),
                shapes=_signature(self.formula.arguments),
                action=f"pass {name}=... in the call, or bind it with ed.tensor('{name}', array)",
            )
        )

    def _unsettled(self, size: str) -> BindingError:
        for argument in self.formula.arguments:
            if size in argument.shape:
                return self._missing(argument.name)
        return BindingError(
            page(
                f"the number that size '{size}' stands for is not known",
                text=str(self),
                shapes=_signature(self.formula.arguments),
                action=f"give '{size}' as a number, or to an axis of a variable",
            )
        )

    def _too_large(self, program: Program, dtype: np.dtype[Any], copied: int) -> SizeError:
        shape, largest = program.plan.shapes[0], program.plan.largest
        if copied > program.largest:
            largest = (copied,)
        what = "the result" if shape == largest else "an array on the way to the result"
        text = str(self)
        forms = []
        if self.domain and shape == largest:
            split = self.ndim - self.domain
            for form, kept in (("jvp(v)", shape[:split]), ("vjp(u)", shape[split:])):
                count = int(np.prod(kept, dtype=object)) * dtype.itemsize
                if count <= memory_limit():
                    forms.append(f"{form}, of shape {shape_text(kept)}, {format_bytes(count)}")
        fits = f"these fit: {'; '.join(forms)}. Or " if forms else ""
        return SizeError(
            page(
                f"{what} of shape {shape_text(largest)} and dtype {dtype} needs "
                f"{format_bytes(max(program.largest, copied) * dtype.itemsize)}, and the limit is "
                f"{format_bytes(memory_limit())}",
                text=text,
                action=f"{fits}raise the limit with ed.set_memory_limit(bytes)",
            )
        )

    # --- arithmetic ---------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        return _sum_of(self, _operand(other), 1)

    def __radd__(self, other: Any) -> Tensor:
        return _sum_of(_operand(other), self, 1)

    def __sub__(self, other: Any) -> Tensor:
        return _sum_of(self, _operand(other), -1)

    def __rsub__(self, other: Any) -> Tensor:
        return _sum_of(_operand(other), self, -1)

    def __neg__(self) -> Tensor:
        return self._scaled(-1)

    def __pos__(self) -> Tensor:
        return self

    def __mul__(self, other: Any) -> Tensor:
        c = as_number(other)
        return self._scaled(c) if c is not None else _elementwise_product(self, _operand(other))

    def __rmul__(self, other: Any) -> Tensor:
        return (
            self * other
            if as_number(other) is not None
            else _elementwise_product(_operand(other), self)
        )

    def __truediv__(self, other: Any) -> Tensor:
        c = as_number(other)
        if c is None:
            return _elementwise_product(self, _operand(other)._power(-1))
        if c == 0:
            raise OperandError(
                page(
                    "a tensor is divided by the number 0",
                    text=f"{self} / {other!r}",
                    action="divide by another number, or by an array",
                )
            )
        return self._scaled(Fraction(1) / c if isinstance(c, int | Fraction) else 1 / c)

    def __rtruediv__(self, other: Any) -> Tensor:
        return _elementwise_product(_operand(other), self._power(-1))

    def __pow__(self, exponent: Any) -> Tensor:
        c = as_number(exponent)
        if c is None:
            raise OperandError(
                page("an exponent is a number", action="write t ** 2, with an integer or a float")
            )
        return self._power(c)

    def _power(self, exponent: Number) -> Tensor:
        expr = call(FUNCTIONS["power"], [self.expr, constant(exponent)])
        return _combined(expr, self.formula.heading.letters, [self])

    def __matmul__(self, other: Any) -> Tensor:
        return _matmul(self, _operand(other))

    def __rmatmul__(self, other: Any) -> Tensor:
        return _matmul(_operand(other), self)

    @property
    def T(self) -> Tensor:  # noqa: N802  # NumPy's name
        """The tensor with its axes reversed, as NumPy's.

        Examples
        --------
        >>> tensor("A", ("m", "n")).T.shape
        ('n', 'm')
        """
        axes = range(self.ndim)
        expr = einsum([self.expr], [axes], axes[::-1])
        return _combined(expr, self.formula.heading.letters[::-1], [self])

    def _scaled(self, c: Any) -> Tensor:
        return _combined(
            scale(c, self.expr), self.formula.heading.letters, [self], self.formula.domain
        )


def _check_out(out: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if not isinstance(out, np.ndarray) or not out.flags.writeable:
        raise OperandError(
            page(
                f"out is a {type(out).__name__} that cannot be written into",
                action="pass a writeable NumPy array, or leave it out",
            )
        )
    if out.shape != shape or out.dtype != dtype:
        raise ShapeError(
            page(
                f"out has shape {shape_text(out.shape)} and dtype {out.dtype}, but the result "
                f"has shape {shape_text(shape)} and dtype {dtype}",
                action="pass an array of the result's shape and dtype",
            )
        )


# --- making tensors ---------------------------------------------------------------------------


def tensor(name: str, value: Any, *, symmetric: bool = False) -> Tensor:
    r"""Name a tensor, with its values or with its shape only.

    Parameters
    ----------
    name
        What it is called: an identifier, in any alphabet.
    value
        An array; or its shape, a tuple of sizes, each a number or the name of one. A string
        is a shape of one-letter names, ``"mn"``; a number is the shape of a vector.
    symmetric
        Whether the order of its axes has no meaning, :math:`A_{ij} = A_{ji}`. Its derivative is
        then the symmetric one, half of :math:`\delta_{ip}\delta_{jq} + \delta_{iq}\delta_{jp}`.

    Returns
    -------
    Tensor
        To be used in expressions.

    Raises
    ------
    OperandError
        The name is no identifier, or the array is not one of numbers.
    ShapeError
        A size is negative, or a symmetric tensor's axes differ in size or its array is not
        symmetric.

    Examples
    --------
    >>> tensor("A", ("m", "n")).shape, tensor("x", "n").shape, tensor("x", 3).shape
    (('m', 'n'), ('n',), (3,))
    >>> tensor("A", [[1, 2], [2, 3]], symmetric=True)
    A_ij
    """
    name = as_name(name)
    values: dict[str, Array] = {}
    shape = _as_shape(value, name)
    if shape is None:
        values[name] = as_array(value, f"operand '{name}'")
        shape = values[name].shape
    if symmetric and len(set(shape)) > 1:
        raise ShapeError(
            page(
                f"tensor '{name}' is declared symmetric, but its axes differ in size",
                shapes=shapes_line({name: shape}),
                action="give all axes one size, or leave symmetric=True out",
            )
        )
    formula = symbol(name, shape, symmetric)
    for array in values.values():
        _check_symmetric(formula.arguments[0], array)
    return Tensor(formula, values)


def tensors(**specifications: Any) -> tuple[Tensor, ...]:
    """Name several tensors at once.

    Parameters
    ----------
    **specifications
        For each name an array or a shape, as for `tensor`.

    Returns
    -------
    tuple of Tensor
        In the order given.

    Raises
    ------
    OperandError, ShapeError
        As for `tensor`.

    Examples
    --------
    >>> A, x = tensors(A="mn", x="n")
    >>> A @ x
    f_i = A_ij x_j
    """
    return tuple(tensor(name, value) for name, value in specifications.items())


def _as_shape(value: Any, name: str) -> tuple[Size, ...] | None:
    """Read a shape; None if this is an array."""
    sizes: Sequence[Any]
    if isinstance(value, str):
        sizes = value
    elif isinstance(value, int) and not isinstance(value, bool):
        sizes = (value,)  # NumPy's integers are arrays of no axes
    elif isinstance(value, tuple) and all(isinstance(v, str) or is_index(v) for v in value):
        sizes = value
    else:
        return None
    return tuple(as_size(size, f"tensor '{name}'") for size in sizes)


def _check_symmetric(node: Variable, array: Array) -> None:
    if node.symmetric and array.ndim == len(node.shape):
        for k in range(array.ndim - 1):  # exchanges of neighbours make every order
            other = array.swapaxes(k, k + 1)
            if other.shape != array.shape or not np.allclose(array, other, equal_nan=True):
                raise ShapeError(
                    page(
                        f"'{node.name}' is declared symmetric, but its array is not",
                        action="pass a symmetric array, such as (A + A.T) / 2, "
                        "or leave symmetric=True out",
                    )
                )


# --- combining tensors ------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def symbol(name: str, shape: tuple[Size, ...], symmetric: bool = False) -> Formula:
    """Return the formula of a variable alone.

    Parameters
    ----------
    name, shape, symmetric
        As for `einsdiff.algebra.nodes.variable`.

    Returns
    -------
    Formula
        The same object for the same arguments.
    """
    node = variable(name, shape, symmetric)
    heading = Heading(name, _fresh(len(shape), {name}))
    return Formula(node, heading, Letters().with_axes(name), (node,))


@lru_cache(maxsize=1024, typed=True)
def number(value: Number) -> Formula:
    """Return the formula of a number.

    Parameters
    ----------
    value
        An integer or fraction, which stays exact, or a float or complex number.

    Returns
    -------
    Formula
        Without variables and without axes.
    """
    return Formula(constant(value), Heading("f", ()), Letters(), ())


def joined_arguments(formulas: Iterable[Formula]) -> tuple[Variable, ...]:
    """List the variables of several formulas, each once.

    Parameters
    ----------
    formulas
        Formulas that become one expression.

    Returns
    -------
    tuple of Variable
        In order of appearance.

    Raises
    ------
    BindingError
        One name stands for tensors of different shapes.
    """
    arguments: dict[str, Variable] = {}
    for formula in formulas:
        for argument in formula.arguments:
            known = arguments.setdefault(argument.name, argument)
            if known is not argument:
                shapes = [(argument.name, known.shape), (argument.name, argument.shape)]
                raise BindingError(
                    page(
                        f"'{argument.name}' stands for two different tensors",
                        shapes=shapes_line(shapes),
                        action="give one of them another name with ed.tensor(name, array)",
                    )
                )
    return tuple(arguments.values())


def checked_arrays(f: Tensor, arrays: Mapping[str, Any]) -> dict[str, Array]:
    """Check arrays that are given by name; whether all are there is seen when they are needed.

    Parameters
    ----------
    f
        The tensor that they are for.
    arrays
        An array for each name.

    Returns
    -------
    dict
        The same as arrays of numbers.

    Raises
    ------
    BindingError
        A name is that of no variable.
    """
    known = {argument.name: argument for argument in f.formula.arguments}
    found = {}
    for name, value in arrays.items():
        if name not in known:
            raise BindingError(
                page(
                    f"there is no '{name}' in this expression",
                    text=str(f),
                    shapes=_signature(f.formula.arguments),
                    action=f"pass arrays for {' and '.join(known) or 'nothing'} only",
                )
            )
        found[name] = array = as_array(value, f"operand '{name}'")
        _check_symmetric(known[name], array)
    return found


def join_values(into: dict[str, Array], values: Mapping[str, Array]) -> None:
    """Add arrays to those of an expression.

    Parameters
    ----------
    into
        The arrays by name; added to.
    values
        More arrays by name.

    Raises
    ------
    BindingError
        One name stands for two different arrays.
    """
    for name, array in values.items():
        known = into.setdefault(name, array)
        if known is not array and not same_array(known, array):
            raise BindingError(
                page(
                    f"two different arrays are called '{name}'",
                    shapes=shapes_line([(name, known.shape), (name, array.shape)]),
                    action="give one of them another name with ed.tensor(name, array)",
                )
            )


def function_name(names: Iterable[str]) -> str:
    """Choose a name for a function of these variables: f, unless one of them is called so."""
    return first_unused("fghuvwFGH", set(names))


def _combined(
    expr: Node, axes: Sequence[str], parts: Sequence[Tensor], domain: int | None = None
) -> Tensor:
    letters = Letters()
    values: dict[str, Array] = {}
    for part in parts:
        letters = letters.joined(part.formula.letters)
        join_values(values, part.values)
    arguments = joined_arguments(part.formula for part in parts)
    heading = Heading(function_name(argument.name for argument in arguments), tuple(axes))
    return Tensor(Formula(expr, heading, letters, arguments, domain), values)


def _fresh(count: int, used: Iterable[str]) -> tuple[str, ...]:
    take = fresh_letters(set(used), DUMMY)
    return tuple(next(take) for _ in range(count))


def _unused_name(name: str, names: Iterable[str]) -> str:
    taken = set(names)
    return first_unused([name, *(f"{name}{k}" for k in range(1, len(taken) + 2))], taken)


def _operand(value: Any) -> Tensor:
    """Make the other side of an operator a tensor, called as the caller calls it."""
    if isinstance(value, Tensor):
        return value
    c = as_number(value)
    if c is not None:
        return Tensor(number(c), {})
    name = name_of(value, _outside())
    array = as_array(value, f"operand '{name}'" if name else "an operand")
    return tensor(name or anonymous_name(array), array)


def _outside() -> FrameType:
    """Return the frame of the code that uses the library."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return frame


def _elementwise_product(a: Tensor, b: Tensor) -> Tensor:
    axes = _resolved("...,...->...", a, b)
    expr = einsum([a.expr, b.expr], axes.inputs, axes.output)
    return _combined(expr, _letters_for(len(axes.output), a, b), [a, b])


def _resolved(subscripts: str, a: Tensor, b: Tensor) -> Axes:
    names = [t.formula.heading.name for t in (a, b)]
    return resolve(parse_subscripts(subscripts), [a.expr.shape, b.expr.shape], names)


def _letters_for(count: int, a: Tensor, b: Tensor) -> tuple[str, ...]:
    for part in (a, b):
        if part.ndim == count:
            return part.formula.heading.letters
    return _fresh(count, {*a.names, *b.names})


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    if not a.ndim or not b.ndim:
        raise ShapeError(
            page(
                "@ needs a vector or a matrix on both sides",
                shapes=shapes_line([(t.formula.heading.name, t.shape) for t in (a, b)]),
                action="multiply by a scalar with *",
            )
        )
    left = "j" if a.ndim == 1 else "...ij"
    right = "j" if b.ndim == 1 else "...jk"
    result = ("..." if "..." in left + right else "") + "ik"[a.ndim == 1 : 2 - (b.ndim == 1)]
    axes = _resolved(f"{left},{right}->{result}", a, b)
    expr = einsum([a.expr, b.expr], axes.inputs, axes.output)
    return _combined(expr, _fresh(len(axes.output), {*a.names, *b.names}), [a, b])


def _sum_of(a: Tensor, b: Tensor, sign: int) -> Tensor:
    axes = _resolved("...,...->...", a, b)
    aligned = [
        einsum([part.expr], [labels], axes.output, {n: axes.sizes[n] for n in axes.output})
        for part, labels in zip((a, b), axes.inputs, strict=True)
    ]
    expr = add(list(zip((1, sign), aligned, strict=True)))
    alike = (a.formula.domain, a.ndim) == (b.formula.domain, b.ndim)
    domain = a.formula.domain if alike else None
    return _combined(expr, _letters_for(len(axes.output), a, b), [a, b], domain)


def _signature(arguments: Iterable[Variable]) -> str:
    return shapes_line([(argument.name, argument.shape) for argument in arguments])


def _places(name: str, text: str) -> list[int]:
    """Find the columns in which a name stands in a formula."""
    found = re.finditer(rf"(?<!\w){re.escape(name)}(?![^\W_])", text)
    return [column for match in found for column in range(*match.span())]
