"""Tensors as source code, which runs without this library.

The gradient of :math:`f = (y_i - A_{ij} x_j)(y_i - A_{ik} x_k)` by x:

>>> import einsdiff as ed
>>> gradient = ed.grad("(y_i - A_ij x_j) (y_i - A_ik x_k)", wrt="x")
>>> print(gradient.code())
def gradient(y, A, x):
    \"\"\"∂f/∂x_p = -2 (y_i - A_ij x_j) A_ip\"\"\"
    m, n = A.shape
    assert y.shape == (m,) and x.shape == (n,)
    return -2 * (A.T @ (y - A @ x))  # (n,)
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Any
from unicodedata import normalize

from einsdiff.algebra.nodes.graph import dependencies, topological
from einsdiff.algebra.nodes.nodes import Variable
from einsdiff.errors import OperandError, page
from einsdiff.expressions.formula import Formula
from einsdiff.expressions.layout import Layout, VecOrder, check_layout

__all__ = ["CodeMethods"]


#: What the array is called that the result is written into, if not J.
_RESULTS = {"f": "result", "gradient": "grad", "hessian": "H"}


class CodeMethods:
    """The method of `einsdiff.Tensor` that writes source code."""

    __slots__ = ()

    formula: Formula
    values: Mapping[str, Any]

    def code(
        self,
        backend: str = "numpy",
        *,
        layout: Layout | None = None,
        order: VecOrder = "C",
        name: str | None = None,
    ) -> str:
        """Write a function that computes the tensor, as Python source.

        Parameters
        ----------
        backend
            The array library that it is written for: ``"numpy"``, ``"torch"`` or ``"jax"``.
        layout, order
            If a layout is given, the function returns the matrix that `matrix` does.
        name
            What the function is called. If left out: ``gradient``, ``jacobian``, ``hessian``,
            ``derivative``, or ``f`` for what is no derivative.

        Returns
        -------
        str
            A module with the imports it needs. The function takes arrays in the order of `names`.
            Sizes that are names are read from the arrays, which may be of any size then.
            Arrays are of floating-point or complex numbers, for PyTorch all of one dtype, as its
            matrix products take them; the result is of that dtype and on that device. What has no
            axes may be a number. A function that was registered is an argument by name.

        Raises
        ------
        OperandError
            There is no such backend; the name is no identifier, or is that of a module or function
            that the code needs.
        LayoutError
            There is no such layout or order.

        Examples
        --------
        >>> import einsdiff as ed
        >>> J = ed.grad("ij,j->i", "A", "x", wrt="A")
        >>> print(J.code())
        import numpy as np
        <BLANKLINE>
        <BLANKLINE>
        def jacobian(A, x):
            \"\"\"∂f_i/∂A_pq = δ_ip x_q\"\"\"
            m, n = A.shape
            assert x.shape == (n,)
            J = np.zeros((m, m, n), x.dtype)  # (m, m, n)
            i = np.arange(m)
            J[i, i] = x
            return J

        For JAX, whose arrays do not change, the last lines are others:

        >>> for line in J.code("jax").splitlines()[7:]:
        ...     print(line)
            i = jnp.arange(m)
            J = jnp.zeros((m, m, n), x.dtype).at[i, i].set(x)  # (m, m, n)
            return J
        """
        from einsdiff.numeric.source.code import check_code_backend, source

        check_code_backend(backend)
        if layout is not None:
            check_layout(layout, order)
        if name is not None and not _is_name(name):
            raise OperandError(
                page(
                    f"{name!r} cannot be the name of a function",
                    action="pass an identifier, such as name='jacobian'",
                )
            )
        formula = self.formula
        return source(
            formula.expr,
            _arguments(formula),
            name or _name_of(formula),
            str(self),
            backend,
            letters=formula.heading.letters,
            result="f"
            if formula.domain is None
            else "H"
            if _name_of(formula) == "hessian"
            else "J",
            reference="" if formula.source is None else formula.source[1].name,
            matrix=None if layout is None else (formula.domain or 0, layout, order),
        )


def _is_name(name: object) -> bool:
    """Tell what a function can be called; Python reads names in this normal form."""
    if not isinstance(name, str) or not name.isidentifier():
        return False
    plain = normalize("NFKC", name)
    return not keyword.iskeyword(plain) and plain != "__debug__"


def _arguments(formula: Formula) -> list[Variable]:
    """List the variables of the code: those that unspecified functions depend on are not needed."""
    hidden = {
        v
        for a in formula.arguments
        if a.of
        for v in topological([a], dependencies)
        if isinstance(v, Variable)
    }
    needed = [a for a in formula.arguments if a not in hidden or a.name in formula.required]
    sizes = {size for a in needed for size in a.shape}
    missing = formula.named_sizes - sizes
    return [a for a in formula.arguments if a in needed or missing.intersection(a.shape)]


def _name_of(formula: Formula) -> str:
    """Choose a name by what a tensor is."""
    if formula.domain is None or formula.source is None:
        return "f" if formula.domain is None else "derivative"
    below = formula.source[0]
    if below.domain is None:
        return "gradient" if not below.expr.shape else "jacobian"
    if below.source is not None and below.source[0].domain is None:
        return "derivative" if below.source[0].expr.shape else "hessian"
    return "derivative"
