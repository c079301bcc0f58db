r"""Functions of one flat vector, as SciPy's optimisers want them, from expressions of tensors.

To an optimiser a function :math:`f(W, b)` of several tensors is a function of one vector, that of
all their entries, :math:`x = (\operatorname{vec} W, \operatorname{vec} b)`. Its Jacobian is a row
of blocks, one for each tensor. Its Hessian

.. math:: \begin{pmatrix} \partial^2 f/\partial W\,\partial W & \partial^2 f/\partial W\,\partial b
    \\ \partial^2 f/\partial b\,\partial W & \partial^2 f/\partial b\,\partial b \end{pmatrix}

is symmetric: the blocks below the diagonal are those above it, transposed.

>>> import einsdiff as ed
>>> A, y = [[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 3.0, 4.0]
>>> p = ed.problem("Σ_i (y_i - A_ij w_j)^2 + λ w_j w_j", wrt="w", A=A, y=y, w=[0, 0], λ=0.5)
>>> p.fun(p.x0), p.jac(p.x0)
(26.0, array([-16., -22.]))
>>> p.hess(p.x0)
array([[ 7.,  6.],
       [ 6., 11.]])
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate, count
from math import prod
from typing import Any

import numpy as np

from einsdiff.algebra.nodes.nodes import Variable
from einsdiff.errors import (
    BindingError,
    EinsdiffError,
    OperandError,
    ShapeError,
    page,
    shape_text,
    shapes_line,
)
from einsdiff.expressions.compiled import Compiled
from einsdiff.expressions.evaluation import sizes_of
from einsdiff.expressions.formula import Formula, symbol
from einsdiff.expressions.refusals import signature
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.interop.scipy.blocks import BlockMatrix, MatrixBlock
from einsdiff.notation.letters import first_unused
from einsdiff.notation.subscripts import Size
from einsdiff.notation.threads import cached_property
from einsdiff.numeric.libraries.extras import needs_scipy, scipy_module
from einsdiff.numeric.libraries.library import LIBRARIES, library_of
from einsdiff.numeric.libraries.operands import Array, as_array, dtype_of
from einsdiff.numeric.libraries.xarray import original
from einsdiff.verbs.calculus import grad, hvp, jvp, vjp
from einsdiff.verbs.sources.accept import read_expression
from einsdiff.verbs.sources.source import Arguments, Wrt, find_variable

__all__ = ["MATRIX_FORMS", "Problem", "problem"]

#: The forms of a Jacobian or a Hessian.
MATRIX_FORMS = ("dense", "sparse", "operator")


def problem(
    expression: Any,
    /,
    *operands: Any,
    wrt: Wrt | tuple[Wrt, ...] | list[Wrt] | None = None,
    form: str = "dense",
    sizes: Mapping[str, Size] | None = None,
    **named: Any,
) -> Problem:
    """Make an expression a function of one flat vector, as SciPy's optimisers want it.

    Parameters
    ----------
    expression, *operands
        What to minimise, or residuals, in any form that `grad` takes.
    wrt
        The parameters, as for `grad`: one, or a list of them. Their arrays are the start; other
        operands are data, which are not copied and are not to change. Parameters may have any
        shapes, no axes included; integers become floats.
    form
        How Jacobians of vector functions and Hessians are given: ``"dense"``, a NumPy array;
        ``"sparse"``, a SciPy CSR array, whose pattern is known from the formula; ``"operator"``,
        a LinearOperator, which never forms the matrix.
    sizes, **named
        As for `grad`.

    Returns
    -------
    Problem
        Whose methods are what ``minimize``, ``least_squares`` and ``root`` take.

    Raises
    ------
    BindingError
        An operand has no array, or a parameter neither an array nor a shape that follows from the
        others.
    OperandError
        A parameter is complex, symmetric or not finite, the function is complex, or there is no
        such form.
    NameNotFoundError, SubscriptsError, ShapeError
        As for `grad`.

    Examples
    --------
    >>> import einsdiff as ed
    >>> from scipy.optimize import minimize
    >>> p = ed.problem("(a - x)^2 + 100 (y - x^2)^2", wrt=["x", "y"], a=1.0, x=-1.0, y=2.0)
    >>> p
    <problem of 2 unknowns, x: ()   y: (); f = (a - x)^2 + 100 (y - x^2)^2>
    >>> result = minimize(p.fun_and_jac, p.x0, jac=True, hess=p.hess, method="trust-exact")
    >>> {name: float(value.round(4)) for name, value in p.unpack(result.x).items()}
    {'x': 1.0, 'y': 1.0}
    """
    _check_form(form)
    wanted = tuple(wrt) if isinstance(wrt, tuple | list) else (wrt,)
    frame = sys._getframe(1)
    source = read_expression(Arguments(expression, operands, sizes, named, frame, wanted))
    f = source.tensor
    try:
        return _problem(f, [find_variable(w, source, frame) for w in wanted], form)
    except EinsdiffError as error:
        raise error.located(source.subscripts.text if source.subscripts else str(f)) from None


def _problem(f: Tensor, chosen: Sequence[Variable], form: str) -> Problem:
    """Check what is optimised and by what."""
    names = [by.name for by in chosen]
    if not names or len({*names}) < len(names):
        raise OperandError(
            page(
                f"wrt={names!r} is no list of different parameters",
                shapes=signature(f.formula.arguments),
                action=f"name each once, as in wrt={[*dict.fromkeys(names or f.names)]!r}",
            )
        )
    for name, array in f.values.items():
        library = LIBRARIES[library_of(array)]
        if library is not LIBRARIES["numpy"]:
            raise OperandError(
                page(
                    f"'{name}' is {library.array}, and SciPy's optimisers call with NumPy arrays",
                    action=f"pass NumPy arrays: {name}=np.asarray({name})",
                )
            )
    # One vector has no named dimensions, as xarray's arrays have.
    values = {n: a if original(a) is None else a.view() for n, a in f.values.items()}
    f = Tensor(f.formula, values)
    gradients = grad(f, wrt=tuple(names))
    required = {name for part in (f, *gradients) for name in part.formula.required}
    missing = sorted((required - {*names}) - f.values.keys())
    if missing:
        raise BindingError(
            page(
                f"no array for {_listed(missing)}",
                shapes=signature(f.formula.arguments),
                action=f"pass {', '.join(f'{name}=...' for name in missing)} to problem(), or make "
                f"{'it a parameter' if len(missing) == 1 else 'them parameters'}: "
                f"wrt={[*names, *missing]!r}",
            )
        )
    known = sizes_of(f.formula, f.values)
    shapes = {
        by.name: tuple(known.get(s, s) if isinstance(s, str) else s for s in by.shape)
        for by in chosen
    }
    for by in chosen:
        unknown = [s for s in shapes[by.name] if isinstance(s, str)]
        if unknown:
            raise BindingError(
                page(
                    f"parameter '{by.name}' has no start value, and the size '{unknown[0]}' of its "
                    f"shape {shape_text(shapes[by.name])} does not follow from other arrays",
                    shapes=signature(f.formula.arguments),
                    action=f"pass {by.name}=array to problem()",
                )
            )
        if by.symmetric:
            raise OperandError(
                page(
                    f"parameter '{by.name}' is symmetric, so that its entries are not free",
                    action=f"leave symmetric=True out, and write ({by.name} + {by.name}.T) / 2 in "
                    "the expression",
                )
            )
    unsettled = sorted(f.formula.named_sizes - known.keys())
    if unsettled:
        raise BindingError(
            page(
                f"the number that size '{unsettled[0]}' stands for is not known",
                shapes=signature(f.formula.arguments),
                action=f"give '{unsettled[0]}' as a number, as in sizes=",
            )
        )
    data = {name: array for name, array in f.values.items() if name not in names}
    dtype = dtype_of(f.expr, [np.dtype(float), *(array.dtype for array in data.values())])
    if dtype.kind == "c":
        raise OperandError(
            page(
                "the function is complex, and only real ones are optimised",
                shapes=shapes_line([(n, a.shape) for n, a in data.items() if a.dtype.kind == "c"]),
                action="give real and imaginary parts as two operands",
            )
        )
    start = {name: _start(name, f.values[name]) for name in names if name in f.values}
    numbers = {name: tuple(int(n) for n in shape) for name, shape in shapes.items()}
    return Problem(f, numbers, form, data, start, gradients)


def _start(name: str, array: Array) -> Array:
    """Take the value that a parameter starts from."""
    if array.dtype.kind not in "iuf":
        raise OperandError(
            page(
                f"parameter '{name}' has dtype {array.dtype}, and the parameters of a problem are "
                "real numbers",
                action="give real and imaginary parts as two parameters"
                if array.dtype.kind == "c"
                else f"pass an array of floats for '{name}'",
            )
        )
    start = np.array(array, float)
    bad = np.argwhere(~np.isfinite(start))
    if len(bad):
        where = f"[{', '.join(map(str, bad[0]))}]" if start.ndim else ""
        raise OperandError(
            page(
                f"{name}{where}, where parameter '{name}' starts, is {start[tuple(bad[0])]}",
                action="start from finite numbers",
            )
        )
    return start


@dataclass(frozen=True, eq=False, repr=False)
class Problem:
    """A function of one flat vector, with its derivatives; made by `einsdiff.problem`.

    The methods are what SciPy's optimisers call. None keeps the vector it is given, or returns an
    array that it keeps.

    Attributes
    ----------
    function
        What is optimised, as a tensor.
    parameters
        The shapes of the parameters by name, in the order in which their entries, in C order,
        follow one another in the vector.
    form
        How Jacobians of vector functions and Hessians are given, if not asked for otherwise.

    Examples
    --------
    Residuals, with a sparse Jacobian, from a function of arrays:

    >>> import numpy as np
    >>> import einsdiff as ed
    >>> from scipy.optimize import least_squares
    >>> t, y = np.arange(4.0), np.array([2.0, 0.8, 0.3, 0.1])
    >>> def residuals(t, y, a, k):
    ...     return a * np.exp(-k * t) - y
    >>> p = ed.problem(residuals, t, y, 1.0, 1.0, wrt=["a", "k"], form="sparse")
    >>> fit = least_squares(p.fun, p.x0, jac=p.jac)
    >>> p.unpack(fit.x)["a"].round(3)
    np.float64(2.004)
    """

    function: Tensor
    parameters: Mapping[str, tuple[int, ...]]
    form: str
    _data: Mapping[str, Array]
    _start: Mapping[str, Array]
    _gradients: tuple[Tensor, ...]  # by each parameter

    def __repr__(self) -> str:
        unknowns = f"{self.size} unknown{'s' * (self.size != 1)}"
        return f"<problem of {unknowns}, {shapes_line(self.parameters)}; {self.function}>"

    # --- the vector ---------------------------------------------------------------------------

    @cached_property
    def size(self) -> int:
        """The number of entries of the vector.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.problem("A_ij A_ij + b^2", wrt=["A", "b"], A=(2, 3)).size
        7
        """
        return sum(map(prod, self.parameters.values()))

    @cached_property
    def _slices(self) -> dict[str, slice]:
        """Where in the vector each parameter is."""
        stops = accumulate(map(prod, self.parameters.values()))
        return {
            name: slice(stop - prod(shape), stop)
            for (name, shape), stop in zip(self.parameters.items(), stops, strict=True)
        }

    @property
    def x0(self) -> Array:
        """The vector to start from: the arrays that the parameters had.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.problem("A_ij A_ij + b^2", wrt=["A", "b"], A=[[1, 2], [3, 4]], b=5.0).x0
        array([1., 2., 3., 4., 5.])
        """
        lacking = [name for name in self.parameters if name not in self._start]
        if lacking:
            given = ", ".join(
                f"{n}=array of shape {shape_text(self.parameters[n])}" for n in lacking
            )
            raise BindingError(
                page(
                    f"no start value for {_listed(lacking)}",
                    text=str(self.function),
                    shapes=shapes_line(self.parameters),
                    action=f"pass {given} to problem(), or all of them to pack()",
                )
            )
        return self.pack(self._start)

    def pack(self, values: Mapping[str, Any] | None = None, /, **named: Any) -> Array:
        """Write values of the parameters one after the other into a vector.

        Parameters
        ----------
        values, **named
            For each parameter an array of its shape, in a dictionary or by name. A number stands
            for an array that is full of it, as one wants for bounds.

        Returns
        -------
        array
            Flat, of floats.

        Raises
        ------
        BindingError
            A parameter has no value, or a value no parameter.
        ShapeError
            An array has another shape than its parameter.

        Examples
        --------
        >>> import numpy as np
        >>> import einsdiff as ed
        >>> p = ed.problem("A_ij A_ij + b^2", wrt=["A", "b"], A=(2, 2))
        >>> p.pack(A=[[1, 2], [3, 4]], b=5)
        array([1., 2., 3., 4., 5.])
        >>> p.pack(A=0, b=-np.inf)
        array([  0.,   0.,   0.,   0., -inf])
        """
        given = {**(values or {}), **named}
        strange = [name for name in given if name not in self.parameters]
        lacking = [name for name in self.parameters if name not in given]
        if strange or lacking:
            raise BindingError(
                page(
                    f"there is no parameter '{strange[0]}'"
                    if strange
                    else f"no value for {_listed(lacking)}",
                    shapes=shapes_line(self.parameters),
                    action=f"pass values for {_listed(self.parameters)}",
                )
            )
        x = np.empty(self.size)
        for name, place in self._slices.items():
            array, shape = _real(given[name], f"the value of '{name}'"), self.parameters[name]
            if array.shape not in ((), shape):
                raise ShapeError(
                    page(
                        f"the value of '{name}' has shape {shape_text(array.shape)}, "
                        f"but '{name}' is {shape_text(shape)}",
                        shapes=shapes_line(self.parameters),
                        action=f"pass an array of shape {shape_text(shape)}, or a number",
                    )
                )
            x[place] = array.ravel()
        return x

    def unpack(self, x: Any) -> dict[str, Array]:
        """Give the parts of a vector the shapes of the parameters.

        Parameters
        ----------
        x
            The vector, such as the ``result.x`` of an optimiser.

        Returns
        -------
        dict
            For each parameter an array of its own.

        Raises
        ------
        ShapeError
            The vector has another size.

        Examples
        --------
        >>> import einsdiff as ed
        >>> p = ed.problem("A_ij A_ij + b^2", wrt=["A", "b"], A=(2, 2))
        >>> p.unpack([1, 2, 3, 4, 5])
        {'A': array([[1., 2.], [3., 4.]]), 'b': array(5.)}
        """
        parts = self._parts(self._vector(x, "x"))
        return {name: part.copy() for name, part in parts.items()}

    def _vector(self, x: Any, name: str) -> Array:
        """Check a vector."""
        vector = x if isinstance(x, np.ndarray) else np.asarray(x)
        if vector.shape != (self.size,):
            raise ShapeError(
                page(
                    f"{name} has shape {shape_text(vector.shape)}, but the parameters have "
                    f"{self.size} entries",
                    shapes=shapes_line(self.parameters),
                    action=f"pass a vector of shape {shape_text((self.size,))}, as pack() makes it",
                )
            )
        return _real(vector, name)

    def _parts(self, x: Array) -> dict[str, Array]:
        """View the parts of a vector as arrays of the parameters' shapes."""
        return {
            name: x[place].reshape(self.parameters[name]) for name, place in self._slices.items()
        }

    # --- values and first derivatives ---------------------------------------------------------

    @property
    def is_scalar(self) -> bool:
        """Whether the function has no axes, and so is one to minimise.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.problem("x_i x_i", wrt="x", x=[1.0]).is_scalar
        True
        """
        return self.function.ndim == 0

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape of the function's values.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.problem("x_i y_j", wrt="x", x=[1.0], y=[1.0, 2.0]).shape
        (1, 2)
        """
        sizes = sizes_of(self.function.formula, self._stand_ins)
        return tuple(
            sizes[size] if isinstance(size, str) else size for size in self.function.expr.shape
        )

    def fun(self, x: Any) -> Any:
        """Compute the function.

        Parameters
        ----------
        x
            The vector of the parameters.

        Returns
        -------
        float or array
            The value; flat, in C order, of a function with axes. A scalar function is computed
            together with its gradient, which `jac` has at hand then.

        Raises
        ------
        ShapeError
            The vector has another size.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.problem("x_i x_i", wrt="x", x=[0, 0]).fun([3.0, 4.0])
        25.0
        >>> ed.problem("f_ij = x_i x_j", wrt="x", x=[0, 0]).fun([3.0, 4.0])
        array([ 9., 12., 12., 16.])
        """
        if self.is_scalar:
            return self._value_and_gradient(x)[0]
        return _joined(self._values(**self._parts(self._vector(x, "x"))))

    def jac(self, x: Any, form: str | None = None) -> Any:
        """Compute the gradient, or the Jacobian of a function with axes.

        Parameters
        ----------
        x
            The vector of the parameters.
        form
            How a Jacobian is given, if not as the problem says.

        Returns
        -------
        array, scipy.sparse.csr_array or LinearOperator
            The gradient of a scalar function is a vector. The Jacobian has a row for each entry of
            the function and a column for each entry of the vector: numerator layout, C order.

        Raises
        ------
        ShapeError
            The vector has another size.
        OperandError
            There is no such form, a gradient is asked for in one, or SciPy is not installed.

        Examples
        --------
        >>> import einsdiff as ed
        >>> p = ed.problem("x_i y_j", wrt=["x", "y"], x=[1, 2], y=[3, 4])
        >>> p.jac(p.x0)
        array([[3., 0., 1., 0.],
               [4., 0., 0., 1.],
               [0., 3., 2., 0.],
               [0., 4., 0., 2.]])
        >>> p.jac(p.x0, form="sparse").nnz
        8
        """
        chosen = self._form(form)
        if self.is_scalar:
            if form not in (None, "dense"):
                raise OperandError(
                    page(
                        f"the gradient of a scalar function is a vector, and has no form={form!r}",
                        text=str(self.function),
                        action="leave form= out; it is for hess()",
                    )
                )
            return self._value_and_gradient(x)[1].copy()
        x = self._vector(x, "x")
        if chosen == "operator":
            return self._jacobian_operator(x)
        return self._jacobian.evaluate(chosen, self._parts(x))[0]

    def fun_and_jac(self, x: Any) -> tuple[Any, Any]:
        """Compute the function and its gradient or Jacobian together.

        Parameters
        ----------
        x
            The vector of the parameters.

        Returns
        -------
        tuple
            What `fun` and `jac` return: what ``minimize`` and ``root`` take with ``jac=True``.

        Raises
        ------
        ShapeError
            The vector has another size.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.problem("x_i x_i", wrt="x", x=[0, 0]).fun_and_jac([3.0, 4.0])
        (25.0, array([6., 8.]))
        """
        if self.is_scalar:
            value, gradient = self._value_and_gradient(x)
            return value, gradient.copy()
        x = self._vector(x, "x")
        if self.form == "operator":
            return self.fun(x), self._jacobian_operator(x)
        values, jacobian = self._function_and_jacobian.evaluate(self.form, self._parts(x))
        return _joined([values]), jacobian

    def jac_sparsity(self) -> Any:
        """Tell which entries of the Jacobian can be other than zero, from the formula alone.

        Parameters
        ----------
        None
            There are none.

        Returns
        -------
        scipy.sparse.csr_array
            With ones at these entries, for the ``jac_sparsity`` of ``least_squares``.

        Raises
        ------
        OperandError
            The function is scalar, or SciPy is not installed.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.problem("f_i = x_i y_i", wrt=["x", "y"], x=(2,), y=(2,)).jac_sparsity().toarray()
        array([[1, 0, 1, 0],
               [0, 1, 0, 1]], dtype=int8)
        """
        if self.is_scalar:
            raise OperandError(
                page(
                    "the gradient of a scalar function is a vector, which has no sparsity",
                    text=str(self.function),
                    action="use hess_sparsity()",
                )
            )
        return self._jacobian.sparsity()

    # --- second derivatives -------------------------------------------------------------------

    def hess(self, x: Any, v: Any = None, *, form: str | None = None) -> Any:
        r"""Compute the Hessian of a scalar function, or of a weighted sum of a function's entries.

        Parameters
        ----------
        x
            The vector of the parameters.
        v
            The weight of each entry of the function, which ``NonlinearConstraint`` passes:
            :math:`\sum_c v_c\, \partial^2 f_c/\partial x\,\partial x`. A scalar function needs
            none.
        form
            How it is given, if not as the problem says.

        Returns
        -------
        array, scipy.sparse.csr_array or LinearOperator
            With a row and a column for each entry of the vector.

        Raises
        ------
        OperandError
            The function is no scalar, and there are no weights. There is no such form, or SciPy is
            not installed.
        ShapeError
            The vector, or the weights, have another size.
        SizeError
            The matrix is above the memory limit.

        Examples
        --------
        >>> import einsdiff as ed
        >>> p = ed.problem("a (x_i x_i)", wrt=["a", "x"], a=1.0, x=[1.0, 2.0])
        >>> p.hess(p.x0)
        array([[0., 2., 4.],
               [2., 2., 0.],
               [4., 0., 2.]])
        >>> p.hess(p.x0, form="operator") @ [1.0, 0.0, 0.0]
        array([0., 2., 4.])
        """
        form = self._form(form)
        x = self._vector(x, "x")
        if v is None and not self.is_scalar:
            raise self._needs_a_scalar("hess(x)", "give the entries weights, hess(x, v)")
        weight = None if v is None else self._checked_weights(v)
        weights = {} if self.is_scalar or weight is None else self._weights(weight)
        if form == "operator":
            matrix = self._hessian_operator(x, weights)
        else:
            (matrix,) = self._hessian.evaluate(form, {**self._parts(x), **weights})
        # One number, as `NonlinearConstraint` has it for a scalar function.
        return matrix * weight[0] if self.is_scalar and weight is not None else matrix

    def hessp(self, x: Any, p: Any) -> Array:
        r"""Multiply the Hessian of a scalar function by a vector, without forming it.

        Parameters
        ----------
        x
            The vector of the parameters.
        p
            The vector to multiply by.

        Returns
        -------
        array
            :math:`\sum_j \partial^2 f/\partial x_i\,\partial x_j\; p_j`.

        Raises
        ------
        OperandError
            The function is no scalar.
        ShapeError
            A vector has another size.

        Examples
        --------
        >>> import einsdiff as ed
        >>> p = ed.problem("(x_i x_i)^2", wrt="x", x=[1.0, 2.0])
        >>> p.hessp(p.x0, [1.0, 0.0])
        array([28., 16.])
        """
        if not self.is_scalar:
            raise self._needs_a_scalar("hessp()", 'take hess(x, v, form="operator")')
        x, direction = self._vector(x, "x"), self._vector(p, "p")
        return _joined(self._hvp(**self._parts(x), **self._directions(direction)))

    def hess_sparsity(self) -> Any:
        """Tell which entries of the Hessian can be other than zero, from the formula alone.

        Parameters
        ----------
        None
            There are none.

        Returns
        -------
        scipy.sparse.csr_array
            With ones at these entries; for a function with axes, those of `hess` for any weights.

        Raises
        ------
        OperandError
            SciPy is not installed.

        Examples
        --------
        >>> import einsdiff as ed
        >>> p = ed.problem("Σ_i (w_i - m)^2", wrt=["w", "m"], w=[1.0, 2.0], m=0.0)
        >>> p.hess_sparsity().toarray()
        array([[1, 0, 1],
               [0, 1, 1],
               [1, 1, 1]], dtype=int8)
        """
        return self._hessian.sparsity()

    # --- how it is computed: what is needed is derived and planned when it is first asked for -

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(self.parameters)

    @cached_property
    def _stand_ins(self) -> dict[str, Array]:
        """Arrays of the shapes of all operands, by which programs are planned."""
        parameters = {name: _stand_in(shape) for name, shape in self.parameters.items()}
        return {**self._data, **parameters}

    def _symbol(self, name: str, shape: tuple[Size, ...]) -> Tensor:
        """Make a variable beside those of the function."""
        return Tensor(symbol(first_unused(_numbered(name), self.function.names), shape), {})

    @cached_property
    def _weight(self) -> Tensor:
        """A variable for the weight of each entry of the function."""
        return self._symbol("u", self.function.expr.shape)

    @cached_property
    def _direction(self) -> tuple[Tensor, ...]:
        """Variables of the shapes of the parameters."""
        known = self.function.formula.by_name
        return tuple(self._symbol(f"v{k}", known[name].shape) for k, name in enumerate(self._names))

    def _directions(self, p: Array) -> dict[str, Array]:
        names = [part.names[0] for part in self._direction]
        return dict(zip(names, self._parts(p).values(), strict=True))

    def _weights(self, v: Array) -> dict[str, Array]:
        return {self._weight.names[0]: v.reshape(self.shape)}

    def _compiled(self, *parts: Tensor) -> Compiled:
        """Compile a function of the parameters, and of what else is no data."""
        return Compiled([part.formula for part in parts], self._data, build=tuple)

    @cached_property
    def _values(self) -> Compiled:
        return self._compiled(self.function)

    @cached_property
    def _value_and_gradients(self) -> Compiled:
        return self._compiled(self.function, *self._gradients)

    def _value_and_gradient(self, x: Any) -> tuple[float, Array]:
        """Compute a scalar function and its gradient, unless that was done last."""
        x = self._vector(x, "x")
        key = x.tobytes()
        known = self.__dict__.get("_latest")
        if known is None or known[0] != key:
            value, *gradients = self._value_and_gradients(**self._parts(x))
            known = self.__dict__["_latest"] = (key, float(value), _joined(gradients))
        return known[1], known[2]

    @cached_property
    def _jacobian(self) -> BlockMatrix:
        return self._row_of_blocks(())

    @cached_property
    def _function_and_jacobian(self) -> BlockMatrix:
        return self._row_of_blocks((self.function.formula,))

    def _row_of_blocks(self, others: tuple[Formula, ...]) -> BlockMatrix:
        rows = slice(0, prod(self.shape))
        blocks = tuple(
            MatrixBlock(part.formula, rows, place)
            for part, place in zip(self._gradients, self._slices.values(), strict=True)
        )
        return BlockMatrix((rows.stop, self.size), blocks, self._stand_ins, others)

    @cached_property
    def _jvp(self) -> Compiled:
        return self._compiled(jvp(self.function, wrt=self._names, v=self._direction))

    @cached_property
    def _vjp(self) -> Compiled:
        return self._compiled(*vjp(self.function, wrt=self._names, u=self._weight))

    @cached_property
    def _objective(self) -> Tensor:
        """The function, if it is a scalar one, else the weighted sum of its entries."""
        return self.function if self.is_scalar else (self.function * self._weight).sum()

    @cached_property
    def _hessian(self) -> BlockMatrix:
        names, places = self._names, self._slices
        blocks = tuple(
            MatrixBlock(part.formula, places[p], places[q], is_mirrored=p != q)
            for k, (p, by_p) in enumerate(zip(names, grad(self._objective, wrt=names), strict=True))
            for q, part in zip(names[k:], grad(by_p, wrt=names[k:]), strict=True)
        )
        known = {**self._stand_ins, self._weight.names[0]: _stand_in(self.shape)}
        return BlockMatrix((self.size, self.size), blocks, known)

    @cached_property
    def _hvp(self) -> Compiled:
        return self._compiled(*hvp(self._objective, wrt=self._names, v=self._direction))

    def _jacobian_operator(self, x: Array) -> Any:
        given = self._parts(x.copy())

        def forward(v: Array) -> Array:
            return _joined(self._jvp(**given, **self._directions(_real(v, "v").reshape(-1))))

        def adjoint(u: Array) -> Array:
            return _joined(self._vjp(**given, **self._weights(_real(u, "u").reshape(-1))))

        return _operator((prod(self.shape), self.size), forward, adjoint)

    def _hessian_operator(self, x: Array, weights: Mapping[str, Array]) -> Any:
        given = {**self._parts(x.copy()), **weights}

        def product(v: Array) -> Array:
            return _joined(self._hvp(**given, **self._directions(_real(v, "v").reshape(-1))))

        return _operator((self.size, self.size), product, product)

    # --- what is refused ----------------------------------------------------------------------

    def _form(self, form: str | None) -> str:
        if form is not None:
            _check_form(form)
        return self.form if form is None else form

    def _checked_weights(self, v: Any) -> Array:
        weight = _real(v, "v").ravel()
        if weight.size != prod(self.shape):
            raise ShapeError(
                page(
                    f"{weight.size} weights for a function of shape {shape_text(self.shape)}",
                    text=str(self.function),
                    action=f"pass v with {prod(self.shape)} entries, one for each of the function",
                )
            )
        return weight

    def _needs_a_scalar(self, what: str, instead: str) -> OperandError:
        return OperandError(
            page(
                f"{what} is for a scalar function, and this one has values of shape "
                f"{shape_text(self.shape)}",
                text=str(self.function),
                action=f"{instead}; least_squares() and root() take jac() only; to minimise the "
                "sum of squares, make a problem of np.sum(f**2)",
            )
        )


# --- numbers ----------------------------------------------------------------------------------


def _real(value: Any, what: str) -> Array:
    """Take real numbers as floats."""
    array = value if isinstance(value, np.ndarray) else np.asarray(as_array(value, what))
    if array.dtype == float:
        return array
    if array.dtype.kind not in "biuf":
        raise OperandError(
            page(f"{what} has dtype {array.dtype}, and is to be real", action="pass floats")
        )
    return array.astype(float)


def _joined(parts: Sequence[Array]) -> Array:
    """Write arrays one after the other into a new vector."""
    return np.concatenate([part.ravel() for part in parts], dtype=float)


def _stand_in(shape: tuple[int, ...]) -> Array:
    """Return an array of a shape that takes no memory."""
    return np.broadcast_to(np.zeros(()), shape)


def _operator(
    shape: tuple[int, int],
    forward: Callable[[Array], Array],
    adjoint: Callable[[Array], Array],
) -> Any:
    linalg = scipy_module("sparse.linalg")
    if linalg is None:
        raise needs_scipy('form="operator"')
    return linalg.LinearOperator(shape, matvec=forward, rmatvec=adjoint, dtype=np.dtype(float))


# --- words ------------------------------------------------------------------------------------


def _check_form(form: str) -> None:
    if form not in MATRIX_FORMS:
        raise OperandError(
            page(
                f"form={form!r} is not how a matrix can be given",
                action=f"write one of {', '.join(map(repr, MATRIX_FORMS))}",
            )
        )


def _listed(names: Iterable[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{k}" for k in count(1))
