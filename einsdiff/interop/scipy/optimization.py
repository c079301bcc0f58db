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
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import chain, count
from math import prod
from types import FrameType
from typing import Any

from einsdiff.algebra.nodes.interning import Variable
from einsdiff.errors import (
    BindingError,
    EinsdiffError,
    OperandError,
    ShapeError,
    shape_text,
    shapes_line,
)
from einsdiff.expressions.compiled import Compiled
from einsdiff.expressions.evaluation import sizes_of
from einsdiff.expressions.formula import Formula, symbol
from einsdiff.expressions.stages import Stages
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.interop.scipy.blocks import (
    BlockMatrix,
    MatrixBlock,
    checked_form,
    linear_operator,
    stand_in,
)
from einsdiff.interop.scipy.parameters import Parameters, accepted, joined, listed, real
from einsdiff.notation.letters import first_unused
from einsdiff.notation.subscripts import Size
from einsdiff.notation.threads import cached_property
from einsdiff.numeric.libraries.operands import Array
from einsdiff.verbs.calculus import grad, hvp, jvp, vjp
from einsdiff.verbs.differentiated import read_derived, wanted_of
from einsdiff.verbs.sources.source import Arguments, Source, Wrt
from einsdiff.verbs.wanted import read_wrt


def problem(
    expression: Any,
    /,
    *operands: Any,
    wrt: Wrt | tuple[Wrt, ...] | list[Wrt] | None = None,
    form: str = "dense",
    sizes: Mapping[str, Size] | None = None,
    notation: str | None = None,
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
    sizes, notation, **named
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
    checked_form(form)
    wanted = wanted_of(wrt)
    frame = sys._getframe(1)
    source = read_derived(Arguments(expression, operands, sizes, named, frame, wanted, notation))
    f = source.tensor
    try:
        chosen = [_whole(w, source, frame) for w in wanted]
        function, shapes, data, start, gradients = accepted(f, chosen)
    except EinsdiffError as error:
        raise error.located(source.subscripts.text if source.subscripts else str(f)) from None
    return Problem(function, shapes, form, data, start, gradients)


def _whole(wrt: Any, source: Source, frame: FrameType) -> Variable:
    """Find a parameter, which is a whole variable and no entry or part of one."""
    found = read_wrt(wrt, source, frame)
    if isinstance(found, Variable):
        return found
    raise OperandError(
        f"wrt={wrt!r} is a part of the expression, and parameters are whole variables",
        action="pass what is free and what is fixed as two operands, or give the optimiser bounds",
    )


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
        return self._unknown.size

    @cached_property
    def _unknown(self) -> Parameters:
        return Parameters(self.parameters)

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
                f"no start value for {listed(lacking)}",
                text=str(self.function),
                shapes=shapes_line(self.parameters),
                action=f"pass {given} to problem(), or all of them to pack()",
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
        return self._unknown.packed({**(values or {}), **named})

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
        return {name: part.copy() for name, part in self._parts(x).items()}

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
        return joined(self._values(**self._parts(x)))

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
        chosen = self.form if form is None else checked_form(form)
        if self.is_scalar:
            if form not in (None, "dense"):
                why = f"the gradient of a scalar function is a vector, and has no form={form!r}"
                raise self._refused(OperandError, why, "leave form= out; it is for hess()")
            return self._value_and_gradient(x)[1].copy()
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
        if self.form == "operator":
            return self.fun(x), self._jacobian_operator(x)
        values, jacobian = self._function_and_jacobian.evaluate(self.form, self._parts(x))
        return joined([values]), jacobian

    def jac_sparsity(self) -> Any:
        """Tell which entries of the Jacobian can be other than zero, from the formula alone.

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
            why = "the gradient of a scalar function is a vector, which has no sparsity"
            raise self._refused(OperandError, why, "use hess_sparsity()")
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
        form = self.form if form is None else checked_form(form)
        parts = self._parts(x)
        if v is None and not self.is_scalar:
            raise self._needs_a_scalar("hess(x)", "give the entries weights, hess(x, v)")
        weight = None if v is None else self._checked_weights(v)
        given = parts if self.is_scalar or weight is None else {**parts, **self._weights(weight)}
        if form == "operator":
            matrix = self._hessian_operator(given)
        else:
            (matrix,) = self._hessian.evaluate(form, given)
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
        parts, key = self._parts(x), self._unknown.checked(x).tobytes()
        known = self.__dict__.get("_prepared")
        if known is None or known[0] != key:
            known = self.__dict__["_prepared"] = (key, self._hvp.prepared(**parts))
        directions = self._directions(self._unknown.checked(p, "p"))
        return joined(self._hvp(known[1], **parts, **directions))

    def hess_sparsity(self) -> Any:
        """Tell which entries of the Hessian can be other than zero, from the formula alone.

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

    def _parts(self, x: Any) -> dict[str, Array]:
        """Check a vector, and view its parts."""
        return self._unknown.parts(self._unknown.checked(x))

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(self.parameters)

    @cached_property
    def _stand_ins(self) -> dict[str, Array]:
        """Arrays of the shapes of all operands, by which programs are planned."""
        parameters = {name: stand_in(shape) for name, shape in self.parameters.items()}
        return {**self._data, **parameters}

    def _symbol(self, name: str, shape: tuple[Size, ...]) -> Tensor:
        """Make a variable beside those of the function."""
        names = chain([name], (f"{name}_{k}" for k in count(1)))
        return Tensor(symbol(first_unused(names, self.function.names), shape), {})

    @cached_property
    def _weight(self) -> Tensor:
        """A variable for the weight of each entry of the function."""
        return self._symbol("u", self.function.expr.shape)

    @cached_property
    def _direction(self) -> tuple[Tensor, ...]:
        """Variables of the shapes of the parameters."""
        known = self.function.formula.by_name
        return tuple(self._symbol(f"v{k}", known[name].shape) for k, name in enumerate(self._names))

    def _directions(self, v: Any) -> dict[str, Array]:
        parts = self._unknown.parts(real(v, "v").reshape(-1))
        return dict(zip([part.names[0] for part in self._direction], parts.values(), strict=True))

    def _weights(self, u: Any) -> dict[str, Array]:
        return {self._weight.names[0]: real(u, "u").reshape(self.shape)}

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
        x = self._unknown.checked(x)
        key = x.tobytes()
        known = self.__dict__.get("_latest")
        if known is None or known[0] != key:
            value, *gradients = self._value_and_gradients(**self._unknown.parts(x))
            known = self.__dict__["_latest"] = (key, float(value), joined(gradients))
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
            for part, place in zip(self._gradients, self._unknown.slices.values(), strict=True)
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
        names, places = self._names, self._unknown.slices
        blocks = tuple(
            MatrixBlock(part.formula, places[p], places[q], is_mirrored=p != q)
            for k, (p, by_p) in enumerate(zip(names, grad(self._objective, wrt=names), strict=True))
            for q, part in zip(names[k:], grad(by_p, wrt=names[k:]), strict=True)
        )
        known = {**self._stand_ins, self._weight.names[0]: stand_in(self.shape)}
        return BlockMatrix((self.size, self.size), blocks, known)

    @cached_property
    def _hvp(self) -> Stages:
        products = hvp(self._objective, wrt=self._names, v=self._direction)
        moving = [part.names[0] for part in self._direction]
        return Stages([f.formula for f in products], self._data, moving, self._stand_ins)

    def _jacobian_operator(self, x: Any) -> Any:
        given = {name: part.copy() for name, part in self._parts(x).items()}
        return linear_operator(
            (prod(self.shape), self.size),
            lambda v: joined(self._jvp(**given, **self._directions(v))),
            lambda u: joined(self._vjp(**given, **self._weights(u))),
        )

    def _hessian_operator(self, parts: Mapping[str, Array]) -> Any:
        given = {name: part.copy() for name, part in parts.items()}
        kept = self._hvp.prepared(**given)

        def product(v: Array) -> Array:
            return joined(self._hvp(kept, **given, **self._directions(v)))

        return linear_operator((self.size, self.size), product, product)

    # --- what is refused ----------------------------------------------------------------------

    def _refused(self, kind: type[EinsdiffError], why: str, action: str) -> EinsdiffError:
        return kind(why, text=str(self.function), action=action)

    def _needs_a_scalar(self, what: str, instead: str) -> EinsdiffError:
        return self._refused(
            OperandError,
            f"{what} is for a scalar function, and this one has values of shape "
            f"{shape_text(self.shape)}",
            f"{instead}; least_squares() and root() take jac() only; to minimise the sum of "
            "squares, make a problem of np.sum(f**2)",
        )

    def _checked_weights(self, v: Any) -> Array:
        weight = real(v, "v").ravel()
        if weight.size != prod(self.shape):
            raise self._refused(
                ShapeError,
                f"{weight.size} weights for a function of shape {shape_text(self.shape)}",
                f"pass v with {prod(self.shape)} entries, one for each of the function",
            )
        return weight
