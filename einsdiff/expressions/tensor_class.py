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

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cache, partial
from inspect import signature as signature_of
from itertools import count
from operator import index as as_index
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.nodes import Node, Shape, Variable, einsum, scale
from einsdiff.algebra.operations import numpy_names as arrays
from einsdiff.display.index.index_text import format_heading
from einsdiff.display.index.lettering import Heading, Letters
from einsdiff.errors import (
    BindingError,
    LostDependenceWarning,
    OperandError,
    ShapeError,
    page,
    shape_text,
    shapes_line,
)
from einsdiff.expressions.asked import CHOOSE, PLAIN, asking, instead, outermost
from einsdiff.expressions.checking import Check, checked
from einsdiff.expressions.coding import CodeMethods
from einsdiff.expressions.compiled import Compiled
from einsdiff.expressions.dependence import lost, lost_within, note
from einsdiff.expressions.dimensions import with_dimensions
from einsdiff.expressions.evaluation import (
    check_symmetric,
    evaluate,
    evaluate_matrix,
    evaluated_dtype,
    sizes_of,
)
from einsdiff.expressions.formula import (
    Formula,
    fresh,
    function_name,
    joined_arguments,
    joined_least,
    number,
    symbol,
    token,
)
from einsdiff.expressions.layout import Layout, VecOrder, check_layout
from einsdiff.expressions.maps import LinearMapMethods
from einsdiff.expressions.notations import ReadableMethods
from einsdiff.expressions.operators import ArrayMethods, NodeFunction
from einsdiff.expressions.refusals import TRACED, missing_array, places_of, signature
from einsdiff.notation.letters import first_unused
from einsdiff.notation.names import as_name, name_of
from einsdiff.notation.subscripts import Size, as_size, is_index
from einsdiff.numeric.libraries.anonymous import anonymous_name
from einsdiff.numeric.libraries.library import as_numpy, dtype_kind, is_traced, kind_of, library_of
from einsdiff.numeric.libraries.memory import check_limit
from einsdiff.numeric.libraries.operands import (
    Array,
    as_array,
    as_number,
    carried,
    check_intact,
    checksum,
    received,
    same_array,
)
from einsdiff.numeric.libraries.xarray import own_name

# What plans and solves is imported where it is needed: a formula is read without it.
if TYPE_CHECKING:
    from einsdiff.expressions.cores import Cores

__all__ = [
    "TRACED",
    "VERBS",
    "Tensor",
    "applied",
    "as_direction",
    "as_shape",
    "as_tensor",
    "checked_arrays",
    "combined",
    "join_values",
    "outside",
    "tensor",
    "tensors",
    "warn_of_lost",
]


#: What an array is asked for.
_NUMBERS = "takes numbers"


class Tensor(ReadableMethods, CodeMethods, LinearMapMethods, ArrayMethods):
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
    f_i = y_i^2 - 1
    >>> np.asarray(f)
    array([0., 3.])
    >>> f(y=[3.0, 4.0])
    array([ 8., 15.])
    """

    __slots__ = ("__weakref__", "formula", "values")

    def __init__(self, formula: Formula, values: Mapping[str, Array]) -> None:
        self.formula = formula
        self.values = values

    # --- reading ------------------------------------------------------------------------------

    @property
    def expr(self) -> Node:
        """The expression, a node of `einsdiff.algebra.nodes.nodes`.

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
        sizes = sizes_of(self.formula, self.values)
        return tuple(sizes.get(s, NamedSize(s)) if isinstance(s, str) else s for s in shape)

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
        """The dtype of the result, from those of the arrays given so far; of their library.

        Examples
        --------
        >>> n = tensor("n", [1, 2])
        >>> n.dtype, (n / 2).dtype
        (dtype('int64'), dtype('float64'))
        """
        found: np.dtype[Any] = evaluated_dtype(self.formula, _known_values(self))
        return found

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

    @property
    def structure_hash(self) -> str:
        """A digest of what tensors are compared by, the same in every process.

        Tensors that are equal have one digest, however they were written, and others have others.
        Values do not count. A function that was registered counts by its name and derivatives.

        Examples
        --------
        >>> A, x = tensors(A="mn", x="n")
        >>> (A @ x).structure_hash == (x @ A.T).structure_hash
        True
        >>> len(x.structure_hash)
        64
        """
        return self.formula.structure_hash

    # --- copies -------------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        values, fixed = carried(self.values)
        check = checksum(values, self.formula.check, fixed)
        return _restored, (self.formula, values, fixed, check)

    def __copy__(self) -> Tensor:
        return Tensor(self.formula, self.values)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        values, fixed = carried(self.values)
        return Tensor(self.formula, received(deepcopy(values, memo), fixed))

    def __dask_tokenize__(self) -> Any:
        return token(type(self), [self.formula], carried(self.values)[0])

    def __str__(self) -> str:
        return self.formula.text

    # --- computing ----------------------------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("a tensor is computed, so there is no array to be had without a copy")
        if dtype is not None and np.dtype(dtype).kind == "O":
            return self._entries()
        if not self.formula.required <= self.values.keys():
            raise self._without_values(_NUMBERS)
        array = as_numpy(self.dense())
        return array if dtype is None else array.astype(dtype, copy=False)

    def _entries(self) -> Array:
        """Return an array of objects, which are the entries as tensors."""
        self._number("array of objects", self.shape)
        found: Array = np.empty(tuple(map(int, self.shape)), dtype=object)
        for place in np.ndindex(found.shape):
            found[place] = self[place] if place else self
        return found

    def _number_of(self, kind: Callable[[Any], Any], what: str) -> Any:
        if not self.formula.required <= self.values.keys():
            raise self._without_values(what)
        return kind(self.__array__())

    def __bool__(self) -> bool:
        return bool(self._number_of(bool, "has to be true or false"))

    def __int__(self) -> int:
        return int(self._number_of(int, "takes a number"))

    def __float__(self) -> float:
        return float(self._number_of(float, "takes a number"))

    def __complex__(self) -> complex:
        return complex(self._number_of(complex, "takes a number"))

    def __index__(self) -> int:
        return int(self._number_of(as_index, "takes a whole number"))

    def __round__(self, digits: int | None = None) -> Any:
        return self._number_of(lambda array: round(array[()], digits), "takes a number")

    def _without_values(self, what: str) -> BindingError:
        """Make the error for an expression without values that is asked for numbers."""
        missing = next(n for n in self.names if n in self.formula.required - self.values.keys())
        piece = asking(outermost(outside()))
        action = instead(piece, CHOOSE if "true" in what else PLAIN)
        if TRACED.get() is None and what == _NUMBERS and action == PLAIN:
            return missing_array(self.formula, missing)  # the value itself is asked for
        return BindingError(
            page(
                f"{piece or 'the code'} {what}, and there is no array for '{missing}'",
                text=self.formula.text,
                carets=places_of(missing, self.formula.text),
                shapes=signature(self.formula.arguments),
                action=action,
            )
        )

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
                    shapes=signature(self.formula.arguments),
                    action=f"write t({', '.join(f'{name}=...' for name in self.names)})",
                )
            )
        values = {**self.values, **checked_arrays(self, arrays)}
        array: Array = with_dimensions(self.formula, values, evaluate(self.formula, values))
        return array

    def dense(
        self,
        out: Array | None = None,
        *,
        memory_limit: int | None = None,
        optimize: Any = None,
    ) -> Array:
        """Evaluate with the arrays given so far.

        Parameters
        ----------
        out
            An array of the result's shape and dtype to write into. If it is what an earlier call
            gave or wrote, only the entries that can be other than zero are written; who has
            changed others in the meantime passes a new array, or one filled with zeros.
        memory_limit
            The most bytes to allocate at one time, the result included; None for the limit of
            `set_memory_limit`. Within it, sums and results are computed in slices if need be.
        optimize
            Who searches for the order in which products are multiplied: all that opt_einsum takes,
            the name of a search such as ``"auto-hq"``, an optimiser of opt_einsum's or cotengra's,
            a function, or a path, which counts the operands in the order of `names`. None for
            einsdiff's own choice.

        Returns
        -------
        array
            The result, `out` if it was given. It shares no memory with the operands. One of
            xarray's, with dimensions and coordinates, if operands were.

        Raises
        ------
        BindingError
            A variable has no array.
        SizeError
            The result, or an array on the way to it, is above the memory limit.
        OperandError
            `optimize` is none of these, or finds no order.
        ShapeError
            `out` has another shape or dtype than the result.

        Examples
        --------
        >>> x = tensor("x", [1.0, 2.0])
        >>> (x * x).dense()
        array([1., 4.])
        """
        check_limit(memory_limit)
        values = self.values
        array = evaluate(self.formula, values, out, limit=memory_limit, optimize=optimize)
        if out is None:
            if type(array) is np.ndarray:
                note(array, self.formula.required, values, outermost(outside()))
            array = with_dimensions(self.formula, values, array)
        return array

    def compile(
        self,
        backend: str | None = None,
        *,
        form: str = "dense",
        memory_limit: int | None = None,
        optimize: Any = None,
    ) -> Compiled:
        """Make a function of named arrays, which plans once for each combination of shapes.

        Parameters
        ----------
        backend
            The array library that the function is for: ``"numpy"``, ``"torch"``, ``"jax"``,
            ``"cupy"`` or ``"dask"``. If left out, that of the arrays it is called with.
        form
            What the function returns: ``"dense"``, an array; ``"cores"``, a tuple of the arrays
            that make it up, see `cores`; ``"sparse"``, a SciPy matrix, see `sparse`.
        memory_limit
            The most bytes to allocate at one time, as for `dense`.
        optimize
            Who searches for the order in which products are multiplied, as for `dense`.

        Returns
        -------
        Compiled
            Takes arrays by name, or in the order of `names`; those given to this tensor already
            need not be given again.

        Raises
        ------
        OperandError
            There is no such backend or form, or way to search.

        Examples
        --------
        >>> import einsdiff as ed
        >>> import numpy as np
        >>> jacobian = ed.grad("ij,j->i", "A", "x", wrt="A").compile()
        >>> jacobian(A=np.ones((2, 2)), x=np.array([1.0, 2.0]))
        array([[[1., 2.],
                [0., 0.]],
               [[0., 0.],
                [1., 2.]]])
        """
        return Compiled([self.formula], self.values, form, None, memory_limit, backend, optimize)

    def cores(self) -> Cores:
        r"""Evaluate, and leave the result as it is known before a number is written to an array.

        A derivative is a sum of arrays, most of them small, each at its place in the result:
        :math:`\delta_{ip}\, x_q` is ``x`` along a diagonal.

        Parameters
        ----------
        None
            There are none.

        Returns
        -------
        Cores
            The arrays, and where they stand; ``.dense()`` and ``.sparse()`` put them there.

        Examples
        --------
        >>> import einsdiff as ed
        >>> import numpy as np
        >>> ed.grad("ij,j->i", np.ones((2, 2)), np.array([1.0, 2.0]), wrt=0).cores()
        shape (2, 2, 2), 4 of 8 entries can be other than zero
        j->iij  array([1., 2.])
        """
        from einsdiff.expressions.cores import evaluate_cores

        return evaluate_cores(self.formula, self.values)

    def sparse(
        self,
        format: str | None = None,  # SciPy's name
        layout: Layout = "numerator",
        order: VecOrder = "C",
    ) -> Any:
        """Evaluate to a sparse matrix, whose indices are known without looking for zeros.

        Parameters
        ----------
        format
            ``"coo"``, ``"csr"``, ``"csc"``, ``"bsr"`` or ``"dia"``; if left out, BSR where the
            derivative consists of dense blocks, else CSR.
        layout, order
            As for `matrix`.

        Returns
        -------
        scipy.sparse array
            Of the shape of `matrix`, with sorted indices and without duplicates.

        Raises
        ------
        OperandError
            SciPy is not installed, or there is no such format.
        LayoutError
            There is no such layout or order.

        Examples
        --------
        >>> import einsdiff as ed
        >>> x = ed.tensor("x", [1.0, 2.0])
        >>> print(ed.grad(x * x, wrt="x").sparse())
        <Compressed Sparse Row sparse array of dtype 'float64'
                with 2 stored elements and shape (2, 2)>
          Coords        Values
          (0, 0)        2.0
          (1, 1)        4.0
        """
        from einsdiff.expressions.cores import evaluate_cores

        check_layout(layout, order)
        return evaluate_cores(self.formula, self.values).sparse(format, layout, order)

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
        matrix: Array = evaluate_matrix(self.formula, self.values, layout, order)
        return matrix

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

    def check(self, *, tolerance: float | None = None, seed: int = 0) -> Check:
        """Compare a derivative with a numerical estimate; see `einsdiff.check`.

        Parameters
        ----------
        tolerance
            The largest error that passes.
        seed
            For values of the variables that have none.

        Returns
        -------
        Check
            True if the derivative is right.

        Raises
        ------
        OperandError
            This is no derivative.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.grad("x_i x_i", wrt="x").check().ok
        True
        """
        return checked(self.formula, self.values, tolerance=tolerance, seed=seed)

    def _contracted(self, other: Any, name: str, axes: slice) -> Tensor:
        if self.formula.domain is None:
            raise OperandError(
                page(
                    "this is no derivative, so it has no product with a direction",
                    text=str(self),
                    action="differentiate first, as in ed.grad(t, wrt=...)",
                )
            )
        from einsdiff.algebra.derivatives.linear_terms import contracted

        direction = as_direction(other, name, self.expr.shape[axes], self)
        labels = range(self.ndim)
        kept = [label for label in labels if label not in labels[axes]]
        expr = contracted(self.expr, labels[axes], direction.expr)
        letters = [self.formula.heading.letters[label] for label in kept]
        return combined(expr, letters, [self, direction])

    # --- combining ----------------------------------------------------------------------------

    def _plus(self, other: Any, function: NodeFunction, operands: tuple[Any, ...]) -> Tensor:
        result: Tensor = applied(function, operands)
        if isinstance(other, Tensor) and self.formula.domain is not None:
            alike = (self.formula.domain, self.ndim) == (other.formula.domain, other.ndim)
            if alike:  # a sum of derivatives is one
                return Tensor(replace(result.formula, domain=self.formula.domain), result.values)
        return result

    def _applied(self, function: NodeFunction, *others: Any, **options: Any) -> Tensor:
        result: Tensor = applied(function, (self, *others), options)
        return result

    def _reflected(self, function: NodeFunction, other: Any) -> Tensor:
        result: Tensor = applied(function, (other, self))
        return result

    def _meets(self, number: Any, place: int) -> None:
        warn_of_lost({place: number}, [self])

    def _scaled(self, c: Any, least: str = "") -> Tensor:
        letters, domain = self.formula.heading.letters, self.formula.domain
        return combined(scale(c, self.expr), letters, [self], domain, least)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in arrays.NUMPY or name in _OWN]

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return applied_ufunc(ufunc, method, inputs, options)

    def __array_function__(
        self, function: Any, types: object, args: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        return applied_function(function, args, options)

    @classmethod
    def __torch_function__(
        cls,
        function: Any,
        types: object,
        args: tuple[Any, ...] = (),
        options: dict[str, Any] | None = None,
    ) -> Any:
        name = getattr(function, "__name__", str(function))
        if name.strip("_") in _OPERATORS:  # of tensors of both kinds, which are einsdiff's
            return NotImplemented
        raise OperandError(
            page(
                f"torch.{name} takes PyTorch's tensors, and here is an expression",
                action="write it with NumPy's functions, as in np.sin(t), or compute it first: "
                "t.dense()",
            )
        )

    @property
    def T(self) -> Tensor:  # noqa: N802  # NumPy's name
        """The tensor with its axes reversed, as NumPy's.

        Examples
        --------
        >>> tensor("A", ("m", "n")).T.shape
        ('n', 'm')
        """
        expr = arrays.transpose(self.expr)
        return combined(expr, self.formula.heading.letters[::-1], [self])


class _OfObjects:
    """A method that NumPy's function of an array of objects calls of each of them."""

    def __init__(self, function: np.ufunc) -> None:
        self.function = function

    def __get__(self, t: Tensor | None, kind: type[Tensor]) -> Any:
        return self if t is None else partial(self.function, t)


#: What tensors share with NumPy's arrays.
_OWN = frozenset(dir(ArrayMethods))

for _name in arrays.NUMPY:
    _found: Any = getattr(np, _name, None)
    if isinstance(_found, np.ufunc) and not hasattr(Tensor, _name):
        setattr(Tensor, _name, _OfObjects(_found))


class NamedSize(str):
    """The name of a size whose number is not known yet, and which can be computed with.

    It is the string, and in arithmetic a tensor without axes: ``x.sum() / x.shape[0]`` is a mean.

    Examples
    --------
    >>> x = tensor("x", "n")
    >>> x.shape
    ('n',)
    >>> x / x.shape[0]
    f_i = x_i / n
    >>> (x.sum() / (x.shape[0] - 1))(x=[1.0, 2.0, 3.0])
    array(3.)
    """

    __slots__ = ()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        taken = [as_tensor(value) if isinstance(value, NamedSize) else value for value in inputs]
        return applied_ufunc(ufunc, method, taken, options)

    def _has_no_number(self, *_: object) -> Any:
        piece = asking(outermost(outside()))
        raise ShapeError(
            page(
                f"{piece or 'the code'} takes a number, and size '{self}' is a name",
                action=instead(piece, _DECLARE).replace(PLAIN, _DECLARE),
            )
        )

    __index__ = __int__ = __float__ = __complex__ = _has_no_number
    __iter__: None = None  # type: ignore[assignment]  # it is one size and no sequence of letters

    def __lt__(self, other: Any) -> bool:
        return super().__lt__(other) if isinstance(other, str) else self._has_no_number()

    def __le__(self, other: Any) -> bool:
        return super().__le__(other) if isinstance(other, str) else self._has_no_number()

    def __gt__(self, other: Any) -> bool:
        return super().__gt__(other) if isinstance(other, str) else self._has_no_number()

    def __ge__(self, other: Any) -> bool:
        return super().__ge__(other) if isinstance(other, str) else self._has_no_number()


_DECLARE = "declare the tensor with a number for this size; products and quotients take the name"


def _of_sizes(name: str) -> Callable[..., Any]:
    def operator(self: NamedSize, *others: Any) -> Any:
        return getattr(as_tensor(self), name)(*others)

    return operator


for _operator in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    for _name in (f"__{_operator}__", f"__r{_operator}__"):
        setattr(NamedSize, _name, _of_sizes(_name))
for _name in ("__neg__", "__pos__", "__abs__"):
    setattr(NamedSize, _name, _of_sizes(_name))


def _restored(
    formula: Formula, values: dict[str, Array], fixed: Sequence[str], check: int
) -> Tensor:
    """Make a tensor of what was pickled, if it is what was written."""
    check_intact(check, values, formula.check, fixed)
    return Tensor(formula, received(values, fixed))


# --- making tensors ---------------------------------------------------------------------------


def tensor(
    name: str, value: Any, *, symmetric: bool = False, of: Tensor | Sequence[Tensor] = ()
) -> Tensor:
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
    of
        The variable, or several, that this is an unspecified function of. Its derivative by one
        of them is the symbol ``∂x/∂z``, a variable of that name.

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

    An unspecified function of z, and the chain rule through it:

    >>> import einsdiff as ed
    >>> A, z = tensors(A="mn", z="k")
    >>> x = tensor("x", "n", of=z)
    >>> ed.grad(A @ x, wrt=z)
    ∂f_i/∂z_p = A_ij ∂x_j/∂z_p
    """
    name = as_name(name)
    values: dict[str, Array] = {}
    shape = as_shape(value, name)
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
    formula = symbol(name, shape, symmetric, _as_variables(of, name))
    for array in values.values():
        check_symmetric(formula.arguments[0], array)
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


def _as_variables(of: Any, name: str) -> tuple[Variable, ...]:
    """Read what a tensor is a function of."""
    found = []
    for part in of if isinstance(of, tuple | list) else (of,):
        if not isinstance(part, Tensor) or not isinstance(part.expr, Variable):
            raise OperandError(
                page(
                    f"tensor '{name}': of={part} is no variable",
                    action="pass tensors made by ed.tensor, as in of=z or of=(z, t)",
                )
            )
        found.append(part.expr)
    return tuple(found)


def as_shape(value: Any, name: str) -> tuple[Size, ...] | None:
    """Read a shape; None if this is an array.

    Parameters
    ----------
    value
        A tuple of sizes, a string of one-letter names, or a number, the shape of a vector.
    name
        Of the tensor, for messages.

    Returns
    -------
    tuple or None
        The sizes.
    """
    sizes: Sequence[Any]
    if isinstance(value, str) and not isinstance(value, NamedSize):
        sizes = value
    elif isinstance(value, NamedSize):
        sizes = (value,)
    elif isinstance(value, int) and not isinstance(value, bool):
        sizes = (value,)  # NumPy's integers are arrays of no axes
    elif isinstance(value, tuple) and all(isinstance(v, str) or is_index(v) for v in value):
        sizes = value
    else:
        return None
    return tuple(as_size(size, f"tensor '{name}'") for size in sizes)


# --- combining tensors ------------------------------------------------------------------------


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
                    shapes=signature(f.formula.arguments),
                    action=f"pass arrays for {' and '.join(known) or 'nothing'} only",
                )
            )
        if isinstance(value, Tensor) and not value.formula.required <= value.values.keys():
            raise BindingError(
                page(
                    f"'{name}' is given as an expression, and an array is put in its place only",
                    text=str(value),
                    shapes=signature(value.formula.arguments),
                    action=f"write the expression with this from the start, in place of {name}",
                )
            )
        found[name] = array = as_array(value, f"operand '{name}'")
        check_symmetric(known[name], array)
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


def combined(
    expr: Node,
    axes: Sequence[str],
    parts: Sequence[Tensor],
    domain: int | None = None,
    least: str = "",
) -> Tensor:
    """Make a tensor of an expression built from those of other tensors.

    Parameters
    ----------
    expr
        The expression.
    axes
        A letter for each of its axes.
    parts
        The tensors that it is made of.
    domain
        How many axes, the last ones, are those of a derivative's variable.
    least
        The least dtype of the result, if not that of a part.

    Returns
    -------
    Tensor
        With the variables, letters and values of all parts.
    """
    letters = parts[0].formula.letters
    values: dict[str, Array] = {}
    for part in parts:
        letters = letters.joined(part.formula.letters)
        join_values(values, part.values)
    arguments = joined_arguments(part.formula for part in parts)
    heading = Heading(function_name([v.name for v in arguments]), tuple(axes))
    least = joined_least([part.formula.least for part in parts] + [least])
    return Tensor(Formula(expr, heading, letters, arguments, domain, None, least), values)


def as_direction(value: Any, name: str, shape: Shape, f: Tensor) -> Tensor:
    """Make what a derivative is multiplied by a tensor.

    Parameters
    ----------
    value
        A tensor or an array; None for a variable without values.
    name
        What it is called if it has no name.
    shape
        The shape that it must have; it may hold named sizes.
    f
        The tensor whose derivative it is multiplied by.

    Returns
    -------
    Tensor
        Of this shape.

    Raises
    ------
    ShapeError
        It has another shape.
    """
    sizes = sizes_of(f.formula, f.values)
    wanted = tuple(sizes.get(s, s) if isinstance(s, str) else s for s in shape)
    if isinstance(value, Tensor) and value.expr.shape != shape and value.shape == wanted:
        value = value.dense()  # its sizes are numbers that are names here
    if isinstance(value, Tensor):
        given, direction = value.expr.shape, value
    else:
        array = None if value is None else as_array(value, f"operand '{name}'")
        given = shape if array is None or array.shape == wanted else array.shape
        name = _unused_name(name, f.names)
        direction = Tensor(symbol(name, shape), {} if array is None else {name: array})
    if given != shape:
        raise ShapeError(
            page(
                f"{name} has shape {shape_text(given)}, "
                f"but this derivative takes {shape_text(wanted)}",
                text=format_heading(f.formula.heading),
                action=f"pass {name} of shape {shape_text(wanted)}",
            )
        )
    return direction


def _unused_name(name: str, names: Iterable[str]) -> str:
    taken = set(names)
    return first_unused([name, *(f"{name}{k}" for k in range(1, len(taken) + 2))], taken)


# --- functions of nodes, applied to tensors ---------------------------------------------------

#: Functions of NumPy's that tell something about numbers, and so are given the arrays.
EVALUATED = frozenset(
    getattr(np, name)
    for name in (
        "allclose",
        "array_equal",
        "array_equiv",
        "isclose",
        "array2string",
        "array_repr",
        "array_str",
        "save",
        "savez",
        "savetxt",
    )
)


#: Functions of the bits of integers, which are taken of conditions only.
_BITWISE = frozenset((arrays.bitwise_and, arrays.bitwise_or, arrays.invert))

#: Functions whose results NumPy widens, and to what at least.
_LEAST: dict[Any, str] = {
    **{arrays.NUMPY[n]: "integer" for n in ("sum", "prod", "cumsum", "trace", "linalg.trace")},
    # What simplification makes of these may be a sum of products again, as of sqrt(x)^2 and x/2*2.
    **{
        function: "float"
        for name, function in {**arrays.NUMPY, **arrays.BEYOND_NUMPY}.items()
        if name in FUNCTIONS and name != "power" and not FUNCTIONS[name].keeps_integers
    },
    **{
        arrays.NUMPY[name]: "float"
        for name in (
            "rint",
            "fabs",
            "float_power",
            "sqrt",
            "divide",
            "reciprocal",
            "exp2",
            "mean",
            "var",
            "std",
            "linalg.norm",
            "linalg.inv",
            "linalg.det",
            "linalg.solve",
        )
    },
}

#: Functions that NumPy computes with complex conjugates.
_CONJUGATING = frozenset(arrays.NUMPY[name] for name in ("linalg.norm", "vdot", "var", "std"))


def applied(
    function: NodeFunction, args: Sequence[Any], options: Mapping[str, Any] | None = None
) -> Any:
    """Apply a function of nodes to tensors, arrays and numbers.

    Parameters
    ----------
    function
        One of `einsdiff.algebra.operations.numpy_names`, whose annotations say which arguments are
        nodes.
    args, options
        Its arguments; where it takes a node, a tensor, an array or a number.

    Returns
    -------
    Tensor
        Or a tuple of tensors, where the function returns several nodes.
    """
    parts: list[Tensor] = []
    plain: dict[int, Any] = {}
    kinds, names = _kinds(function)

    def taken(value: Any) -> Node:
        if not isinstance(value, Tensor):
            plain[len(parts)] = value
        parts.append(as_tensor(value))
        return parts[-1].expr

    def lifted(value: Any, kind: str) -> Any:
        if kind == "one" and value is not None:
            return taken(value)
        return [taken(item) for item in value] if kind == "many" else value

    given = [lifted(value, kinds[k] if k < len(kinds) else "plain") for k, value in enumerate(args)]
    named = {
        name: lifted(value, kinds[names.index(name)] if name in names else "plain")
        for name, value in (options or {}).items()
    }
    if plain:
        warn_of_lost(plain, parts)
    if function in _BITWISE:
        for part in parts:
            _check_truth(part)
    if function in _CONJUGATING and any(map(_is_complex, parts)):
        raise OperandError(
            page(
                f"{function.__name__.strip('_')} of complex numbers conjugates them, which has no "
                "derivative here",
                shapes=shapes_line([(p.formula.heading.name, p.shape) for p in parts]),
                action="give real and imaginary parts as two variables",
            )
        )
    result = function(*given, **named)
    if isinstance(result, tuple):
        return type(result)(*(combined(node, _axes(node, parts), parts) for node in result))
    return combined(result, _axes(result, parts), parts, None, _LEAST.get(function, ""))


def _check_truth(part: Tensor) -> None:
    """Refuse the bits of numbers: a condition is 0 or 1, and a number has many."""
    values = _known_values(part)
    truths = [name for name in part.names if name not in values or dtype_kind(values[name]) == "b"]
    if not arrays.is_condition(part.expr, truths):
        raise OperandError(
            page(
                "&, | and ~ of numbers are functions of their bits, and these have no derivative",
                text=str(part),
                action="compare first, as in (x > 0) & (y > 0), or write np.logical_and(x, y)",
            )
        )


def warn_of_lost(plain: Mapping[int, Any], parts: Sequence[Tensor]) -> None:
    """Warn of arrays that meet expressions in what they were computed from.

    Parameters
    ----------
    plain
        Arrays and numbers, as they were passed, by their positions among the operands.
    parts
        The tensors that they meet; they may be among these.
    """
    values: dict[str, Any] = {}
    for part in parts:
        values.update(part.values)
    if not values:
        return
    found = [lost(a, values) if type(a) is np.ndarray else "" for a in plain.values()]
    for name in found if any(found) else [lost_within(outermost(outside()), plain, values)]:
        if name:
            told = page(
                f"an array that was computed from '{name}' meets an expression in '{name}', and "
                "counts as a constant",
                shapes=shapes_line({name: values[name].shape}),
                action="keep it an expression: np.stack([..]) in place of np.array([..]), and no "
                "np.asarray or float;\nif a constant is meant, name it: ed.tensor('w', array)",
            )
            warnings.warn(LostDependenceWarning(told), stacklevel=_depth())


def _depth() -> int:
    """Return how many frames the caller's code is above the one that calls this."""
    frame, depth = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_LIBRARY):
        frame, depth = frame.f_back, depth + 1
    return depth


def _is_complex(part: Tensor) -> bool:
    return kind_of(part.dtype) == "c"


@cache
def _kinds(function: NodeFunction) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell for each argument whether it is one node, many, or none; and the arguments' names."""
    parameters = signature_of(function).parameters.values()
    notes = [str(parameter.annotation) for parameter in parameters]
    kinds = ["many" if "[Node]" in n else "one" if n.startswith("Node") else "plain" for n in notes]
    return tuple(kinds), tuple(parameter.name for parameter in parameters)


def _axes(node: Node, parts: Sequence[Tensor]) -> tuple[str, ...]:
    """Choose letters for the axes of a result: those of a part of its shape, else new ones."""
    for part in parts:
        if part.expr.shape == node.shape:
            return part.formula.heading.letters
    return fresh(
        len(node.shape), {argument.name for p in parts for argument in p.formula.arguments}
    )


def as_tensor(value: Any) -> Tensor:
    """Make an operand a tensor: an array is called what the caller calls it.

    Parameters
    ----------
    value
        A tensor, a number, or an array.

    Returns
    -------
    Tensor
        The same object if it is one.

    Raises
    ------
    OperandError
        It is not an array of numbers.
    """
    if isinstance(value, Tensor):
        return value
    if isinstance(value, NamedSize):
        size = einsum([], [], (), {0: str(value)})
        return Tensor(Formula(size, Heading("f", ()), Letters(), ()), {})
    c = as_number(value)
    if c is not None:
        return Tensor(number(c), {})
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        value = _joined(value)
        if isinstance(value, Tensor):
            return value
    if isinstance(value, list | tuple) and any(isinstance(item, Tensor) for item in value):
        raise OperandError(
            page(
                "an operand is a list of tensors",
                action="join them to one tensor with np.stack, np.concatenate or ed.stack",
            )
        )
    name = name_of(value, outside()) or own_name(value)
    array = as_array(value, f"operand '{name}'" if name else "an operand")
    if array.ndim == 0 and name is None and library_of(array) == "numpy":
        return Tensor(number(array.item()), {})
    name = name or anonymous_name(array)
    known = TRACED.get()
    if known is not None:  # a local name may stand for one array after the other
        name = first_unused(
            (n for n in _numbered(name) if n not in known or same_array(known[n], array)), ()
        )
        known[name] = array
    return tensor(name, array)


def _joined(value: Any) -> Any:
    """Make an array of objects that holds tensors one tensor; other arrays stay."""
    if not any(isinstance(item, Tensor) for item in value.flat):
        return value
    entries: Tensor = applied(arrays.NUMPY["stack"], (list(value.flat),))
    return applied(arrays.reshape, (entries, (*value.shape, *entries.expr.shape[1:])))


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}{k}" for k in count(2))


#: The folder of the library, whose frames are not the caller's.
_LIBRARY = str(Path(__file__).parent.parent) + os.sep


def outside() -> FrameType:
    """Return the frame of the code that uses the library."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_LIBRARY):
        frame = frame.f_back
    return frame


#: NumPy's functions that are verbs of tensors. The verbs add ``numpy.einsum``.
VERBS: dict[Any, Callable[..., Any]] = {}

#: What NumPy's functions do with nodes.
HANDLED: dict[Any, NodeFunction] = {}
for _name, _function in arrays.NUMPY.items():
    _found = np
    for _part in _name.split("."):
        _found = getattr(_found, _part, None)
    if _found is not None:  # some are newer than the oldest NumPy
        HANDLED[_found] = _function

#: Ufuncs of SciPy's, by name.
_SCIPY = {"expit": "sigmoid", "erf": "erf", "xlogy": "xlogy"}

#: What PyTorch calls its operators.
_OPERATORS = frozenset(
    ["add", "sub", "rsub", "mul", "div", "true_divide", "pow", "matmul", "eq", "ne"]
)

_REDUCTIONS = {
    np.add: arrays.sum_,
    np.multiply: arrays.prod_,
    np.maximum: arrays.max_,
    np.minimum: arrays.min_,
}


def applied_ufunc(ufunc: Any, method: str, inputs: Sequence[Any], options: dict[str, Any]) -> Any:
    """Apply one of NumPy's universal functions to tensors."""
    name = ufunc.__name__
    if options.pop("out", None) is not None:
        raise OperandError(
            page(
                f"numpy.{name} cannot write a tensor into an array",
                action="write y = y + t instead of y += t, and leave out= out",
            )
        )
    function = HANDLED.get(ufunc)
    if function is None and name in _SCIPY:
        function = arrays.BEYOND_NUMPY[_SCIPY[name]]
    if method == "reduce" and ufunc in _REDUCTIONS:
        options.setdefault("axis", 0)
        return _applied_numpy(f"{name}.reduce", _REDUCTIONS[ufunc], inputs, options)
    if method == "accumulate" and ufunc is np.add:
        options.setdefault("axis", 0)
        return _applied_numpy(f"{name}.accumulate", arrays.cumsum, inputs, options)
    if method == "outer" and function is not None and len(inputs) == 2:
        a, b = (as_tensor(value) for value in inputs)
        return applied(function, (a[(..., *(None,) * b.ndim)], b))
    if method != "__call__" or function is None:
        raise _uncovered(name if method == "__call__" else f"{name}.{method}")
    return _applied_numpy(name, function, inputs, options)


def applied_function(function: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Apply one of NumPy's other functions to tensors."""
    module = getattr(function, "__module__", "numpy").removeprefix("numpy").lstrip(".")
    name = f"{module}.{function.__name__}".lstrip(".")
    if function in (np.shape, np.ndim, np.size):
        return _measured(function.__name__, *args, **options)
    if function in EVALUATED:
        return function(*map(_evaluated, args), **{k: _evaluated(v) for k, v in options.items()})
    if function in VERBS:
        return VERBS[function](*args, **options)
    if function not in HANDLED:
        raise _uncovered(name)
    return _applied_numpy(name, HANDLED[function], args, options)


def _measured(what: str, a: Any, axis: int | None = None) -> Any:
    """Return the shape, the number of axes, or the number of entries, of all or of one axis."""
    t = as_tensor(a)
    if axis is None:
        return getattr(t, what)
    front: Tensor = applied(arrays.NUMPY["moveaxis"], (t, axis, 0))
    return front.shape[0]


def _evaluated(value: Any) -> Any:
    return value.dense() if isinstance(value, Tensor) else value


def _applied_numpy(
    name: str, function: NodeFunction, args: Sequence[Any], options: Mapping[str, Any]
) -> Any:
    """Apply a function after NumPy's own arguments that say nothing have been left out."""
    known = _kinds(function)[1]
    given = {
        k: v for k, v in options.items() if v is not np._NoValue and (v is not None or k in known)
    }
    unknown = [k for k in given if k not in known]
    if function in (arrays.zeros_like, arrays.ones_like, arrays.full_like):
        unknown = [k for k in unknown if k not in ("dtype", "order", "subok")]
        if function is arrays.full_like and given.get("dtype") is None:
            _check_fill(*args[:2], **{k: v for k, v in given.items() if k in known})
        given = {k: v for k, v in given.items() if k in known}
    if unknown or len(args) > len(known):
        what = f"{unknown[0]}=" if unknown else "so many arguments"
        raise OperandError(
            page(
                f"numpy.{name} of a tensor takes no {what}",
                action=f"leave it out; it takes {', '.join(known)}",
            )
        )
    if function in arrays.OF_TRIANGLES and args:
        first = as_tensor(args[0])
        args, given = (first, *args[1:]), {**given, "is_whole": _is_symmetric(first)}
    return applied(function, args, given)


def _check_fill(a: Any, fill_value: Any) -> None:
    """Refuse a number with a fraction where NumPy would cut it off."""
    c = as_number(fill_value)
    t = as_tensor(a)
    if c is not None and complex(c).real % 1 and _known_values(t) and kind_of(t.dtype) in "iu":
        raise OperandError(
            page(
                f"numpy.full_like of integers would make {fill_value!r} a whole number",
                shapes=shapes_line([(t.formula.heading.name, t.shape)]),
                action="say which dtype is meant, as in np.full_like(t, value, dtype=float)",
            )
        )


def _is_symmetric(t: Tensor) -> bool:
    """Tell whether both triangles of matrices are the same, or their values are not known yet."""
    values = _known_values(t)
    if arrays.is_symmetric(t.expr) or not t.formula.required <= values.keys() or t.ndim < 2:
        return True
    if any(is_traced(values[name]) for name in t.formula.required):
        return True
    array = as_numpy(evaluate(t.formula, values))
    other = np.swapaxes(array, -1, -2)
    error = 1e3 * np.finfo(np.result_type(array, np.float16)).eps * np.abs(array).max(initial=0)
    return array.shape == other.shape and bool(np.allclose(array, other, 0, error, equal_nan=True))


def _known_values(t: Tensor) -> dict[str, Array]:
    """Return the arrays given so far; those that a function is traced for are among them."""
    values = dict(t.values)
    for name, array in (TRACED.get() or {}).items():
        if name in t.formula.by_name:
            values.setdefault(name, array)
    return values


def _uncovered(name: str) -> OperandError:
    return OperandError(
        page(
            f"numpy.{name} has no derivative here",
            action="write it with functions that have one, or give it one with ed.register",
        )
    )
