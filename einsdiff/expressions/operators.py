"""What tensors share with NumPy's arrays: operators, indexing and methods.

Each does to the expression what NumPy does to the entries; see
`einsdiff.algebra.operations.numpy_names`.

>>> import einsdiff as ed
>>> A, x = ed.tensors(A="mn", x="n")
>>> (A @ x).sum()
f = Σ_i A_ij x_j
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any, Never, Self, TypeVar

from einsdiff.algebra.nodes.nodes import scale
from einsdiff.algebra.operations.indexing import index
from einsdiff.algebra.operations.numpy_names import NUMPY
from einsdiff.algebra.operations.shapes import Axis
from einsdiff.errors import OperandError, ShapeError
from einsdiff.expressions.base import Bound
from einsdiff.expressions.combining import NodeFunction, applied, combined, warn_of_lost
from einsdiff.expressions.dispatch import OPERATORS, applied_function, applied_ufunc
from einsdiff.expressions.explained import documented
from einsdiff.notation.subscripts import Size
from einsdiff.numeric.libraries.operands import as_number

_O = TypeVar("_O", bound="Operators")


def _by(name: str, *, is_reflected: bool = False) -> Callable[[_O, Any], _O]:
    """Return the operator that a function of NumPy's is; the reflected one has the tensor last."""
    function = NUMPY[name]

    def operator(self: _O, other: Any) -> _O:
        result: _O = applied(type(self), function, (other, self) if is_reflected else (self, other))
        return result

    return operator


class Operators(Bound):
    """Operators and methods of arrays, by functions of nodes."""

    __slots__ = ()

    # --- how they are applied -----------------------------------------------------------------

    def _plus(self, other: Any, function: NodeFunction, operands: tuple[Any, ...]) -> Self:
        result: Self = applied(type(self), function, operands)
        if isinstance(other, Bound) and self.formula.domain is not None:
            alike = (self.formula.domain, self.ndim) == (other.formula.domain, other.ndim)
            if alike:  # a sum of derivatives is one
                return type(self)(
                    replace(result.formula, domain=self.formula.domain), result.values
                )
        return result

    def _applied(self, function: NodeFunction, *others: Any, **options: Any) -> Self:
        result: Self = applied(type(self), function, (self, *others), options)
        return result

    def _meets(self, number: Any, place: int) -> None:
        warn_of_lost({place: number}, [self])

    def _scaled(self, c: Any, least: str = "") -> Self:
        letters, domain = self.formula.heading.letters, self.formula.domain
        return combined(scale(c, self.expr), letters, [self], domain, least)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return applied_ufunc(type(self), ufunc, method, inputs, options)

    def __array_function__(
        self, function: Any, types: object, args: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        return applied_function(type(self), function, args, options)

    @classmethod
    def __torch_function__(
        cls,
        function: Any,
        types: object,
        args: tuple[Any, ...] = (),
        options: dict[str, Any] | None = None,
    ) -> Any:
        name = getattr(function, "__name__", str(function))
        if name.strip("_") in OPERATORS:  # of tensors of both kinds, which are einsdiff's
            return NotImplemented
        raise OperandError(
            f"torch.{name} takes PyTorch's tensors, and here is an expression",
            action="write it with NumPy's functions, as in np.sin(t), or compute it first: "
            "t.dense()",
        )

    # --- arithmetic ---------------------------------------------------------------------------

    def __add__(self, other: Any) -> Self:
        return self._plus(other, NUMPY["add"], (self, other))

    def __radd__(self, other: Any) -> Self:
        return self._plus(other, NUMPY["add"], (other, self))

    def __sub__(self, other: Any) -> Self:
        return self._plus(other, NUMPY["subtract"], (self, other))

    def __rsub__(self, other: Any) -> Self:
        return self._plus(other, NUMPY["subtract"], (other, self))

    def __neg__(self) -> Self:
        return self._scaled(-1)

    def __pos__(self) -> Self:
        return self

    def __mul__(self, other: Any) -> Self:
        c = as_number(other)
        if c is None:
            return self._applied(NUMPY["multiply"], other)
        self._meets(other, 1)
        return self._scaled(c)

    def __rmul__(self, other: Any) -> Self:
        c = as_number(other)
        if c is None:
            result: Self = applied(type(self), NUMPY["multiply"], (other, self))
            return result
        self._meets(other, 0)
        return self._scaled(c)

    def __truediv__(self, other: Any) -> Self:
        c = as_number(other)
        if c is None:
            return self._applied(NUMPY["divide"], other)
        if c == 0:
            raise OperandError(
                "a tensor is divided by the number 0",
                text=f"{self} / {other!r}",
                action="divide by another number, or by an array",
            )
        self._meets(other, 1)
        inverse = Fraction(1) / c if isinstance(c, int | Fraction) else 1 / c
        return self._scaled(inverse, "float")

    __rtruediv__ = _by("divide", is_reflected=True)
    __floordiv__, __rfloordiv__ = _by("floor_divide"), _by("floor_divide", is_reflected=True)
    __mod__, __rmod__ = _by("remainder"), _by("remainder", is_reflected=True)
    __pow__, __rpow__ = _by("power"), _by("power", is_reflected=True)
    __matmul__, __rmatmul__ = _by("matmul"), _by("matmul", is_reflected=True)
    __gt__, __ge__ = _by("greater"), _by("greater_equal")
    __lt__, __le__ = _by("less"), _by("less_equal")
    __and__, __or__ = _by("bitwise_and"), _by("bitwise_or")

    def __abs__(self) -> Self:
        return self._applied(NUMPY["absolute"])

    def __invert__(self) -> Self:
        return self._applied(NUMPY["invert"])

    # --- as an array of NumPy's ---------------------------------------------------------------

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("a tensor without axes has no length")
        size = self.shape[0]
        if not isinstance(size, int):
            raise ShapeError(
                f"the length of {self} is the named size '{size}'",
                action="declare the tensor with a number for this size",
            )
        return size

    def __iter__(self) -> Iterator[Self]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, key: Any) -> Self:
        return self._applied(index, key)

    def __setitem__(self, key: object, value: object) -> Never:
        raise OperandError(
            "a tensor does not change, so no entry of it can be assigned to",
            text=str(self),
            action="write the result as a whole, with np.where, np.stack or np.concatenate",
        )

    @property
    def size(self) -> int:
        """The number of entries.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.tensor("A", (2, 3)).size
        6
        """
        self._number("size", self.shape)
        return prod(int(n) for n in self.shape)

    def _number(self, what: str, sizes: Iterable[Size]) -> None:
        for size in sizes:
            if not isinstance(size, int):
                raise ShapeError(
                    f"the {what} of {self} needs the number that '{size}' stands for",
                    action="declare the tensor with numbers for its sizes",
                )

    @property
    def T(self) -> Self:  # noqa: N802  # NumPy's name
        """The tensor with its axes reversed, as NumPy's.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.tensor("A", ("m", "n")).T.shape
        ('n', 'm')
        """
        expr = NUMPY["transpose"](self.expr)
        return combined(expr, self.formula.heading.letters[::-1], [self])

    @property
    def mT(self) -> Self:  # noqa: N802  # NumPy's name
        """The tensor with its last two axes exchanged.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.tensor("A", ("b", "m", "n")).mT.shape
        ('b', 'n', 'm')
        """
        return self._applied(NUMPY["matrix_transpose"])

    @documented(NUMPY["transpose"])
    def transpose(self, *axes: Any) -> Self:
        return self._applied(NUMPY["transpose"], _unpacked(axes) or None)

    @documented(NUMPY["reshape"])
    def reshape(self, *shape: Any, order: str = "C") -> Self:
        return self._applied(NUMPY["reshape"], _unpacked(shape), order)

    @documented(NUMPY["ravel"])
    def ravel(self, order: str = "C") -> Self:
        return self._applied(NUMPY["ravel"], order)

    @documented(NUMPY["ravel"])
    def flatten(self, order: str = "C") -> Self:
        return self.ravel(order)

    @documented(NUMPY["swapaxes"])
    def swapaxes(self, axis1: int, axis2: int) -> Self:
        return self._applied(NUMPY["swapaxes"], axis1, axis2)

    @documented(NUMPY["squeeze"])
    def squeeze(self, axis: Axis = None) -> Self:
        return self._applied(NUMPY["squeeze"], axis)

    @documented(NUMPY["sum"])
    def sum(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return self._applied(NUMPY["sum"], axis, keepdims)

    @documented(NUMPY["mean"])
    def mean(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return self._applied(NUMPY["mean"], axis, keepdims)

    @documented(NUMPY["var"])
    def var(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Self:
        return self._applied(NUMPY["var"], axis, ddof, keepdims)

    @documented(NUMPY["std"])
    def std(self, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Self:
        return self._applied(NUMPY["std"], axis, ddof, keepdims)

    @documented(NUMPY["prod"])
    def prod(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return self._applied(NUMPY["prod"], axis, keepdims)

    @documented(NUMPY["max"])
    def max(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return self._applied(NUMPY["max"], axis, keepdims)

    @documented(NUMPY["min"])
    def min(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return self._applied(NUMPY["min"], axis, keepdims)

    @documented(NUMPY["cumsum"])
    def cumsum(self, axis: int | None = None) -> Self:
        return self._applied(NUMPY["cumsum"], axis)

    @documented(NUMPY["dot"])
    def dot(self, b: Any) -> Self:
        return self._applied(NUMPY["dot"], b)

    @documented(NUMPY["trace"])
    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        return self._applied(NUMPY["trace"], offset, axis1, axis2)

    @documented(NUMPY["diagonal"])
    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        return self._applied(NUMPY["diagonal"], offset, axis1, axis2)

    @documented(NUMPY["clip"])
    def clip(self, min: Any = None, max: Any = None) -> Self:  # NumPy's names
        return self._applied(NUMPY["clip"], min, max)

    def copy(self) -> Self:
        """Return the tensor itself, which never changes.

        Returns
        -------
        Tensor
            The same object.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.tensor("x", 3).copy()
        x_i
        """
        return self


def _unpacked(arguments: tuple[Any, ...]) -> Any:
    """Read ``f(2, 3)`` and ``f((2, 3))`` alike."""
    if len(arguments) == 1 and (arguments[0] is None or isinstance(arguments[0], tuple | list)):
        return arguments[0]
    return arguments
