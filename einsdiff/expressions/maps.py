r"""What a derivative offers as a linear map: products, diagonals, blocks, equations.

A derivative :math:`J_{cd} = \partial f_c/\partial x_d` maps directions to changes,
:math:`v_d \mapsto \sum_d J_{cd} v_d`. What its expression tells of it is used before any number is:
the second derivative by U of a factorisation, :math:`2 \delta_{pr} V_{jq} V_{js}`, is one small
matrix for all rows of U, so that Newton's step takes one small factorisation.

>>> import numpy as np
>>> import einsdiff as ed
>>> T, U, V = np.ones((6, 5)), np.zeros((6, 2)), np.arange(10.0).reshape(5, 2)
>>> H = ed.hessian("(T_ij - U_ik V_jk) (T_ij - U_il V_jl)", T, U, V, wrt="U")
>>> H
∂²f/∂U_pq∂U_rs = 2 δ_pr V_jq V_js
>>> H.blocks()
f_{p<6,q,s} = 2 V_jq V_js
>>> H.solver()
<Solver: one LU factorisation of 2 x 2 for 6 right-hand sides>
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, Self

from einsdiff.algebra.nodes.interning import Node
from einsdiff.algebra.nodes.nodes import einsum
from einsdiff.display.index.lettering import Heading
from einsdiff.errors import BindingError, OperandError, ShapeError, shape_text
from einsdiff.expressions.combining import as_direction, combined
from einsdiff.expressions.evaluation import check_numpy, evaluate_matrix, sizes_of
from einsdiff.expressions.formula import Formula, function_name
from einsdiff.expressions.layout import Layout, VecOrder, check_layout
from einsdiff.expressions.operators import Operators
from einsdiff.expressions.refusals import signature
from einsdiff.expressions.solver import (
    Products,
    Solver,
    apply_part,
    evaluate_part,
    one_vector,
    right_side,
)
from einsdiff.numeric.libraries.extras import needs_scipy, scipy_module
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.operands import Array

# What plans and solves is imported where it is needed: a formula is read without it.
if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from einsdiff.expressions.cores import Cores


class LinearMap(Operators):
    """Methods of derivatives, as linear maps from the domain's axes to the codomain's."""

    __slots__ = ()

    # --- numbers ------------------------------------------------------------------------------

    def cores(self) -> Cores:
        r"""Evaluate, and leave the result as it is known before a number is written to an array.

        A derivative is a sum of arrays, most of them small, each at its place in the result:
        :math:`\delta_{ip}\, x_q` is ``x`` along a diagonal.

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

    # --- products -----------------------------------------------------------------------------

    def operator(self, layout: Layout = "numerator", order: VecOrder = "C") -> Any:
        r"""Offer the products of `matrix` to SciPy's iterative methods, without forming it.

        Parameters
        ----------
        layout, order
            As for `matrix`: which axes are rows, and how several become one.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            Of the shape and dtype of the matrix. Its products are :math:`\sum_d J_{cd} v_d` and,
            for the adjoint, :math:`\sum_c \bar J_{cd} u_c`, contracted before they are computed;
            `matmat` takes all columns at once.

        Raises
        ------
        OperandError
            This is no derivative, or SciPy is not installed.
        BindingError
            A variable has no array.
        LayoutError
            There is no such layout or order.

        Examples
        --------
        >>> import numpy as np
        >>> import einsdiff as ed
        >>> A = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> J = ed.grad("ij,jk->ik", A, "X", wrt="X", X=np.zeros((2, 3)))
        >>> J.operator().shape
        (6, 6)
        >>> J.operator() @ np.ones(6)
        array([3., 3., 3., 7., 7., 7.])
        """
        check_layout(layout, order)
        split = self._split("no products with vectors")
        linalg = scipy_module("sparse.linalg")
        if linalg is None:
            raise needs_scipy("operator()")
        shape = self._sizes("operator()")
        axes = tuple(range(split)), tuple(range(split, self.ndim))
        sides = [(axes[0], axes[1]), (axes[1], axes[0])]  # what is left, what is summed
        if layout == "denominator":
            sides.reverse()
        products = Products(self.formula, self.values, shape, (*sides,), order)
        return linalg.LinearOperator(
            tuple(prod(shape[axis] for axis in side) for side in sides[0]),
            matvec=partial(one_vector, products.forward),
            rmatvec=partial(one_vector, products.adjoint),
            matmat=products.forward,
            rmatmat=products.adjoint,
            dtype=self.dtype,
        )

    def jvp(self, v: ArrayLike | Self) -> Self:
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

    def vjp(self, u: ArrayLike | Self) -> Self:
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

    def _contracted(self, other: Any, name: str, axes: slice) -> Self:
        self._split("no product with a direction")
        from einsdiff.expressions.swept import product

        direction = as_direction(other, name, self.expr.shape[axes], self)
        labels = range(self.ndim)
        kept = [label for label in labels if label not in labels[axes]]
        expr = product(self.formula, tuple(labels[axes]), direction.expr)
        letters = [self.formula.heading.letters[label] for label in kept]
        return combined(expr, letters, [self, direction])

    # --- diagonals and blocks -----------------------------------------------------------------

    def diagonal(
        self, offset: int | None = None, axis1: int | None = None, axis2: int | None = None
    ) -> Self:
        r"""Take the diagonal of a linear map, :math:`J_{cc}`, or of two axes, as NumPy does.

        A derivative of more than two axes, called without arguments, is taken as the linear map
        that it is: from the axes of the variable to those of the function. Its diagonal is found
        from the formula, and nothing larger than it is formed.

        Parameters
        ----------
        offset
            Which diagonal of two axes: 0 for the main one, positive ones above it.
        axis1, axis2
            These axes, by default 0 and 1.

        Returns
        -------
        Tensor
            Of the shape of the function; for two axes, with their diagonal as the last axis.

        Raises
        ------
        ShapeError
            The function and the variable have different shapes.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.hessian("(y_i - A_ij X_jk) (y_i - A_il X_lk)", wrt="X").diagonal()
        f_{p,q<k} = 2 A_ip A_ip
        >>> ed.tensor("A", "nn").diagonal()
        f_i = A_ii
        """
        if not self._is_map(offset, axis1, axis2):
            return super().diagonal(offset or 0, axis1 or 0, 1 if axis2 is None else axis2)
        from einsdiff.algebra.derivatives.linear_terms import diagonal

        split = self._square("the diagonal of a linear map", "diagonal(axis1=0, axis2=1)")
        expr = diagonal(self.formula.normal_form, split)
        return self._part(expr, self.formula.heading.letters[:split])

    def trace(
        self, offset: int | None = None, axis1: int | None = None, axis2: int | None = None
    ) -> Self:
        r"""Sum the diagonal of a linear map, :math:`\sum_c J_{cc}`, or of two axes, as NumPy does.

        A derivative of more than two axes, called without arguments, is taken as the linear map
        that it is: the trace of a second derivative is the Laplacian, that of a first derivative
        the divergence.

        Parameters
        ----------
        offset
            Which diagonal of two axes: 0 for the main one, positive ones above it.
        axis1, axis2
            These axes, by default 0 and 1.

        Returns
        -------
        Tensor
            Without axes; for two axes, with the others.

        Raises
        ------
        ShapeError
            The function and the variable have different shapes.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.hessian("X_ij X_ij", X=(2, 3), wrt="X").trace()
        f = 12
        >>> ed.tensor("A", "nn").trace()
        f = A_ii
        """
        if not self._is_map(offset, axis1, axis2):
            return super().trace(offset or 0, axis1 or 0, 1 if axis2 is None else axis2)
        split = self._square("the trace of a linear map", "trace(axis1=0, axis2=1)")
        from einsdiff.algebra.derivatives.linear_terms import diagonal

        entries = diagonal(self.formula.normal_form, split)
        return self._part(einsum([entries], [range(split)], (), inline=[0]), ())

    def blocks(self) -> Self:
        r"""Take the diagonal blocks over the axes that deltas tie in every term.

        Where :math:`\delta_{pr}` stands in every term, nothing but the entries with p = r can
        differ from zero, and these are the blocks.

        Returns
        -------
        Tensor
            With the axes of the function that are tied to one of the variable, then the others of
            the function, then the others of the variable. The derivative itself if none are.

        Raises
        ------
        OperandError
            This is no derivative.

        Examples
        --------
        >>> import einsdiff as ed
        >>> H = ed.hessian("(T_ij - U_ik V_jk) (T_ij - U_il V_jl)", wrt="U")
        >>> H.shape, H.blocks().shape
        (('m', 'k', 'm', 'k'), ('m', 'k', 'k'))
        >>> H.blocks()
        f_{p<m,q,s} = 2 V_jq V_js
        """
        self._split("no blocks")
        from einsdiff.algebra.derivatives.linear_terms import expression, linear_map, ties

        m = linear_map(self.formula.normal_form, self.formula.domain or 0)
        pairs = ties(m)
        if not pairs:
            return self
        first = [c for c, _ in pairs]
        gone = {axis for pair in pairs for axis in pair}
        axes = [*first, *(axis for axis in m.codomain + m.domain if axis not in gone)]
        letters = self.formula.heading.letters
        return self._part(expression(m, axes), tuple(letters[axis] for axis in axes))

    # --- equations ----------------------------------------------------------------------------

    def solver(self) -> Solver:
        r"""Factorise the derivative by its structure, to solve equations with it.

        The structure is told from the expression: copies of one block, a diagonal, a Kronecker
        product or a sum of them (Sylvester's equation), a change of low rank (Woodbury's
        identity); else there is a matrix, or above 4096 rows an iteration of SciPy's.

        Returns
        -------
        Solver
            Its `method` says what was found, and its `solve` takes right-hand sides.

        Raises
        ------
        OperandError
            This is no derivative, or only SciPy can do what is needed, and is not installed.
        ShapeError
            There are not as many equations as unknowns.
        BindingError
            A variable has no array.
        SolveError
            The map is singular to working precision.

        Examples
        --------
        >>> import numpy as np
        >>> import einsdiff as ed
        >>> A, B = np.diag([1.0, 2.0]), np.diag([3.0, 4.0, 5.0])
        >>> ed.grad("A_ij X_jk + X_ij B_jk", A, B, X=np.zeros((2, 3)), wrt="X").solver()
        <Solver: Sylvester equation of 2 x 2 and 3 x 3, by eigenvectors>
        """
        return self._solver(self.dtype)

    def solve(self, rhs: Any, *, tolerance: float | None = None) -> Array:
        r"""Solve :math:`\sum_d J_{cd} x_d = b_c` by the structure of the derivative.

        Parameters
        ----------
        rhs
            The array b, or a tensor with values. Its first axes are those of the function; each
            index of the others is a right-hand side of its own.
        tolerance
            As for `Solver.solve`.

        Returns
        -------
        array
            The x, with the axes of the variable and then the further ones of `rhs`.

        Raises
        ------
        ShapeError
            There are not as many equations as unknowns, or `rhs` has other axes.
        SolveError
            The map is singular to working precision, or an iteration did not converge.
        OperandError, BindingError
            As for `solver`.

        Examples
        --------
        Newton's step for a factorisation, which takes one matrix of 2 by 2:

        >>> import numpy as np
        >>> import einsdiff as ed
        >>> T, U, V = (
        ...     np.ones((3, 4)),
        ...     np.zeros((3, 2)),
        ...     np.array([[1.0, 0], [0, 1], [1, 1], [1, 2]]),
        ... )
        >>> f = ed.parse("(T_ij - U_ik V_jk) (T_ij - U_il V_jl)", T, U, V)
        >>> G, H = ed.grad(f, wrt="U"), ed.hessian(f, wrt="U")
        >>> step = H.solve(G)
        >>> np.allclose(U - step, T @ np.linalg.pinv(V).T)
        True
        """
        b = right_side(rhs)
        return self._solver(self.dtype, b.real.dtype).solve(b, tolerance=tolerance)

    def _solver(self, *dtypes: np.dtype[Any]) -> Solver:
        split = self._split("no equation to be solved")
        size = self._sizes("solve()")
        codomain, domain = size[:split], size[split:]
        text = self.formula.text
        if prod(codomain) != prod(domain):
            raise ShapeError(
                f"the equations are {prod(codomain)} and the unknowns {prod(domain)}: the "
                f"codomain has shape {shape_text(codomain)}, the domain {shape_text(domain)}",
                text=text,
                action="solve a square map, or one in the sense of least squares: "
                "scipy.sparse.linalg.lsqr(J.operator(), rhs.ravel())",
            )
        from einsdiff.algebra.derivatives.structure import structure
        from einsdiff.expressions.cores import sparse_part
        from einsdiff.numeric.solving.factorise import factorised
        from einsdiff.numeric.solving.failures import SolveError, solving_dtype
        from einsdiff.numeric.solving.frames import Evaluation

        dtype = solving_dtype(*dtypes)
        if not prod(domain):
            return Solver(
                "nothing to solve: there are no entries", codomain, domain, dtype, None, text
            )
        sizes = tuple(sorted(sizes_of(self.formula, self.values).items()))
        array = partial(evaluate_part, self.formula, self.values)
        product = partial(apply_part, self.formula, self.values)
        parts = partial(sparse_part, self.formula, self.values)
        try:
            found = structure(self.formula.normal_form, len(domain), sizes)
            made = factorised(found, Evaluation(array, product, size, dtype, parts))
        except SolveError as error:
            raise error.located(text) from None
        return Solver(made.method, codomain, domain, dtype, made, text)

    # --- what is needed -----------------------------------------------------------------------

    def _is_map(self, *given: int | None) -> bool:
        """Tell whether a diagonal is that of a linear map, and not of two axes as in NumPy."""
        is_plain = all(argument is None for argument in given)
        return is_plain and self.formula.domain is not None and self.ndim != 2

    def _split(self, what: str) -> int:
        """Return the number of codomain axes of a derivative."""
        if self.formula.domain is None:
            raise OperandError(
                f"this is no derivative, so it has {what}",
                text=self.formula.text,
                action="differentiate first, as in ed.grad(t, wrt=...)",
            )
        return self.ndim - self.formula.domain

    def _square(self, what: str, instead: str) -> int:
        """Return the number of codomain axes, which are as large as those of the domain."""
        split = self._split("no diagonal of a linear map")
        codomain, domain = self.shape[:split], self.shape[split:]
        if codomain != domain:
            raise ShapeError(
                f"{what} needs a codomain and a domain of one shape, and they are "
                f"{shape_text(codomain)} and {shape_text(domain)}",
                text=self.formula.text,
                action=f"name two axes, as in {instead}, for those of an array",
            )
        return split

    def _sizes(self, what: str) -> tuple[int, ...]:
        """Return the shape in numbers, when all arrays are there, and are NumPy's."""
        check_numpy(self.values, what, self.formula)
        missing = sorted(self.formula.required - self.values.keys())
        shape = self.shape
        named = [str(size) for size in shape if not isinstance(size, int)]
        if missing or named:
            lacking = f"'{missing[0]}'" if missing else f"what tells the size '{named[0]}'"
            raise BindingError(
                f"{what} needs an array for {lacking}",
                text=self.formula.text,
                shapes=signature(self.formula.arguments),
                action="give arrays where the expression is made, as in "
                f"ed.grad(.., {missing[0] if missing else 'x'}=array)",
            )
        return tuple(int(size) for size in shape)

    def _part(self, expr: Node, letters: tuple[str, ...]) -> Self:
        """Make a tensor of an expression in the same variables."""
        formula = self.formula
        heading = Heading(function_name(v.name for v in formula.arguments), letters)
        made = Formula(
            expr,
            heading,
            formula.letters,
            formula.arguments,
            least=formula.least,
            notation=formula.notation,
        )
        return type(self)(made, self.values)
