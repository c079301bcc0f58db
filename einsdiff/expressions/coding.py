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
from unicodedata import normalize

from einsdiff.algebra.nodes.graph import dependencies, topological
from einsdiff.algebra.nodes.interning import Variable
from einsdiff.errors import OperandError
from einsdiff.expressions.formula import Formula
from einsdiff.expressions.layout import Layout, VecOrder, check_layout

#: What the array is called that the result is written into, if not J.
_RESULTS = {"f": "result", "gradient": "grad", "hessian": "H"}


def source_of(
    formula: Formula, backend: str, layout: Layout | None, order: VecOrder, name: str | None
) -> str:
    """Write a function that computes a formula, see `einsdiff.Tensor.code`."""
    from einsdiff.numeric.source.code import check_code_backend, source

    check_code_backend(backend)
    if layout is not None:
        check_layout(layout, order)
    if name is not None and not _is_name(name):
        raise OperandError(
            f"{name!r} cannot be the name of a function",
            action="pass an identifier, such as name='jacobian'",
        )
    return source(
        formula.expr,
        _arguments(formula),
        name or _name_of(formula),
        formula.text,
        backend,
        letters=formula.heading.letters,
        result="f" if formula.domain is None else "H" if _name_of(formula) == "hessian" else "J",
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
