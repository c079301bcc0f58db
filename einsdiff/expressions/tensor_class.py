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

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from operator import index as as_index
from typing import Any

from einsdiff.algebra.nodes.interning import Variable
from einsdiff.algebra.operations.numpy_names import NUMPY
from einsdiff.errors import BindingError, OperandError, ShapeError, shapes_line
from einsdiff.expressions.asked import CHOOSE, PLAIN, asking, instead, outermost, outside
from einsdiff.expressions.base import NamedSize
from einsdiff.expressions.checking import Check, checked
from einsdiff.expressions.combining import checked_arrays
from einsdiff.expressions.compiled import Compiled
from einsdiff.expressions.dimensions import with_dimensions
from einsdiff.expressions.evaluation import check_symmetric, evaluate
from einsdiff.expressions.formula import Formula, symbol, token
from einsdiff.expressions.notations import Notations
from einsdiff.expressions.refusals import TRACED, missing_array, places_of, signature
from einsdiff.expressions.replacing import is_expression, with_replaced
from einsdiff.notation.names import as_name
from einsdiff.notation.subscripts import Size, as_size, is_index
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.library import as_numpy
from einsdiff.numeric.libraries.operands import (
    Array,
    as_array,
    carried,
    check_intact,
    checksum,
    received,
)

#: What an array is asked for.
_NUMBERS = "takes numbers"


class Tensor(Notations):
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

    __slots__ = ()

    def __call__(self, /, *positional: object, **arrays: Any) -> Any:
        """Evaluate with arrays for the variables, in place of those given before.

        With expressions among them, texts or tensors without values, nothing is computed: what
        comes back is the tensor in which they stand, as `substitute` makes it.

        Parameters
        ----------
        *positional
            None: arrays are given by name.
        **arrays
            An array for each variable that has none yet; or an expression.

        Returns
        -------
        array or Tensor
            Of the tensor's shape; a tensor if there are expressions.

        Raises
        ------
        BindingError
            An array is missing, or one is given that the function has no variable for.
        ShapeError
            An array's shape is not that of its variable.
        SubscriptsError
            A text cannot be read.

        Examples
        --------
        >>> A, x = tensors(A="mn", x="n")
        >>> (A @ x)(A=[[1, 2], [3, 4]], x=[1, 1])
        array([3, 7])
        >>> (A @ x)(x="x_i + y_i")
        f_i = A_ij (x_j + y_j)
        """
        if positional:
            raise BindingError(
                "arrays are given by name",
                text=str(self),
                shapes=signature(self.formula.arguments),
                action=f"write t({', '.join(f'{name}=...' for name in self.names)})",
            )
        if any(map(is_expression, arrays.values())):
            return with_replaced(self, arrays)
        values = {**self.values, **checked_arrays(self, arrays)}
        return with_dimensions(self.formula, values, evaluate(self.formula, values))

    def substitute(self, /, **replacements: Any) -> Tensor:
        """Put expressions in the place of variables, all at once.

        Parameters
        ----------
        **replacements
            For each variable what takes its place: a text, whose axes are those of its left-hand
            side, or else its labels in alphabetical order; a tensor; a number; or an array, which
            is bound. Names that stand in the texts are those of this expression, with their
            values, or new ones, whose arrays may be given here too.

        Returns
        -------
        Tensor
            With the axes of this one, and all values that there are. Sizes that are names become
            those of what takes the place of variables that have them.

        Raises
        ------
        BindingError
            There is no such variable; or one name would stand for two tensors or arrays.
        ShapeError
            An expression has another shape than the variable.
        OperandError
            What is put in the place of a symmetric variable is not symmetric, or an unspecified
            function of what is replaced is left.
        SubscriptsError
            A text cannot be read.

        Examples
        --------
        >>> import einsdiff as ed
        >>> f = ed.parse("(y_i - x_i) (y_i - x_i)")
        >>> f.substitute(x="A_ij z_j")
        f = (y_i - A_ij z_j) (y_i - A_ik z_k)

        All takes place at once, so that variables can change places:

        >>> ed.parse("f_i = x_i / y_i").substitute(x="y_i", y="x_i")
        f_i = y_i / x_i

        A derivative is taken at another place:

        >>> ed.grad("sin(x_i)", wrt="x").substitute(x="2 t_i")
        ∂f_i/∂x_p = δ_ip cos(2 t_i)
        """
        return with_replaced(self, replacements)

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
            f"{piece or 'the code'} {what}, and there is no array for '{missing}'",
            text=self.formula.text,
            carets=places_of(missing, self.formula.text),
            shapes=signature(self.formula.arguments),
            action=action,
        )

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

    def __dir__(self) -> list[str]:
        return [n for n in super().__dir__() if not isinstance(vars(Tensor).get(n), _OfObjects)]


class _OfObjects:
    """A method that a ufunc of NumPy's calls of each entry of an array of objects."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, t: Tensor | None, kind: type[Tensor]) -> Any:
        found = getattr(np, self.name, None)
        if t is None or not isinstance(found, np.ufunc):
            raise AttributeError(f"'{kind.__name__}' object has no attribute '{self.name}'")
        return partial(found, t)


for _name in NUMPY:
    if _name.isidentifier() and not hasattr(Tensor, _name):
        setattr(Tensor, _name, _OfObjects(_name))


def _restored(
    formula: Formula, values: dict[str, Array], fixed: Sequence[str], check: int
) -> Tensor:
    """Make a tensor of what was pickled, if it is what was written."""
    check_intact(check, values, formula.check, fixed)
    return Tensor(formula, received(values, fixed))


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
            f"tensor '{name}' is declared symmetric, but its axes differ in size",
            shapes=shapes_line({name: shape}),
            action="give all axes one size, or leave symmetric=True out",
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
                f"tensor '{name}': of={part} is no variable",
                action="pass tensors made by ed.tensor, as in of=z or of=(z, t)",
            )
        found.append(part.expr)
    return tuple(found)


def as_shape(value: Any, name: str) -> tuple[Size, ...] | None:
    """Read a shape; None if this is an array."""
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
