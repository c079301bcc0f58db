"""What every tensor is: a formula with the values given so far, and how it becomes numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from einsdiff.algebra.nodes.interning import Node
from einsdiff.algebra.nodes.nodes import einsum
from einsdiff.display.index.lettering import Heading, Letters
from einsdiff.errors import ShapeError
from einsdiff.expressions.asked import PLAIN, asking, instead, outermost, outside
from einsdiff.expressions.dependence import note
from einsdiff.expressions.dimensions import with_dimensions
from einsdiff.expressions.evaluation import evaluate, evaluated_dtype, sizes_of
from einsdiff.expressions.formula import Formula
from einsdiff.expressions.refusals import TRACED
from einsdiff.notation.subscripts import Size
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.memory import check_limit
from einsdiff.numeric.libraries.operands import Array


class Bound:
    """A formula and the arrays given so far. `==` and `hash` go by the formula alone."""

    __slots__ = ("__weakref__", "formula", "values")

    def __init__(self, formula: Formula, values: Mapping[str, Array]) -> None:
        self.formula = formula
        self.values = values

    @property
    def expr(self) -> Node:
        """The expression, a node of `einsdiff.algebra.nodes.nodes`.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.tensor("x", 3).expr
        x
        """
        return self.formula.expr

    @property
    def shape(self) -> tuple[Size, ...]:
        """The sizes of the axes: numbers, or names where they are not known.

        Examples
        --------
        >>> import einsdiff as ed
        >>> A, x = ed.tensors(A="mn", x=[1.0, 2.0, 3.0])
        >>> A.shape, x.shape
        (('m', 'n'), (3,))
        """
        shape = self.expr.shape
        if all(isinstance(size, int) for size in shape):
            return shape
        sizes = sizes_of(self.formula, self.values)
        return tuple(
            sizes.get(s, NamedSize(s, type(self))) if isinstance(s, str) else s for s in shape
        )

    @property
    def ndim(self) -> int:
        """The number of axes.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.tensor("A", "mn").ndim
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
        >>> import einsdiff as ed
        >>> n = ed.tensor("n", [1, 2])
        >>> n.dtype, (n / 2).dtype
        (dtype('int64'), dtype('float64'))
        """
        found: np.dtype[Any] = evaluated_dtype(self.formula, known_values(self))
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the variables of the function, in order of appearance.

        Examples
        --------
        >>> import einsdiff as ed
        >>> A, x = ed.tensors(A="mn", x="n")
        >>> (A @ x).names
        ('A', 'x')
        """
        return tuple(argument.name for argument in self.formula.arguments)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bound):
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
        >>> import einsdiff as ed
        >>> A, x = ed.tensors(A="mn", x="n")
        >>> (A @ x).structure_hash == (x @ A.T).structure_hash
        True
        >>> len(x.structure_hash)
        64
        """
        return self.formula.structure_hash

    def __str__(self) -> str:
        return str(self.formula.text)  # without the tree that it carries

    def dense(
        self, out: Array | None = None, *, memory_limit: int | None = None, optimize: Any = None
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
        >>> import einsdiff as ed
        >>> x = ed.tensor("x", [1.0, 2.0])
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


class NamedSize(str):
    """The name of a size whose number is not known yet, and which can be computed with.

    It is the string, and in arithmetic a tensor without axes: ``x.sum() / x.shape[0]`` is a mean.

    Examples
    --------
    >>> import einsdiff as ed
    >>> x = ed.tensor("x", "n")
    >>> x.shape
    ('n',)
    >>> x / x.shape[0]
    f_i = x_i / n
    >>> (x.sum() / (x.shape[0] - 1))(x=[1.0, 2.0, 3.0])
    array(3.)
    """

    kind: type[Bound]

    def __new__(cls, name: str, kind: type[Bound]) -> Self:
        """Make a size of tensors of this class."""
        made = super().__new__(cls, name)
        made.kind = kind
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        return str(self), self.kind

    @property
    def tensor(self) -> Any:
        """The size as a tensor without axes."""
        size = einsum([], [], (), {0: str(self)})
        return self.kind(Formula(size, Heading("f", ()), Letters(), ()), {})

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        taken = [value.tensor if isinstance(value, NamedSize) else value for value in inputs]
        return getattr(ufunc, method)(*taken, **options)

    def _has_no_number(self, *_: object) -> Any:
        piece = asking(outermost(outside()))
        raise ShapeError(
            f"{piece or 'the code'} takes a number, and size '{self}' is a name",
            action=instead(piece, _DECLARE).replace(PLAIN, _DECLARE),
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
        return getattr(self.tensor, name)(*others)

    return operator


for _operator in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    for _name in (f"__{_operator}__", f"__r{_operator}__"):
        setattr(NamedSize, _name, _of_sizes(_name))
for _name in ("__neg__", "__pos__", "__abs__"):
    setattr(NamedSize, _name, _of_sizes(_name))


def known_values(t: Bound) -> dict[str, Array]:
    """Return the arrays given so far; those that a function is traced for are among them."""
    values = dict(t.values)
    for name, array in (TRACED.get() or {}).items():
        if name in t.formula.by_name:
            values.setdefault(name, array)
    return values
