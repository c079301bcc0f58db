r"""How a tensor is read: notations, derivations, tables, pictures.

One expression, four notations; of the derivative of :math:`x^\top A x` by :math:`x`:

>>> import einsdiff as ed
>>> J = ed.grad("i,ij,j->", "x", "A", "x", wrt="x")
>>> print(J.format("index"))
∂f/∂x_p = x_i A_ip + x_i A_pi
>>> print(J.format("matrix"))
∂f/∂x = xᵀ (A + Aᵀ)  (numerator layout, vec order C)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from math import prod
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from einsdiff.algebra.nodes.effort import budget, within
from einsdiff.algebra.nodes.graph import topological
from einsdiff.display.index.index_text import format_heading, wrapped_equation
from einsdiff.display.index.lettering import places
from einsdiff.errors import OperandError, shape_text
from einsdiff.expressions.formula import Formula
from einsdiff.expressions.layout import Layout, VecOrder, check_layout
from einsdiff.expressions.made import before, is_derived
from einsdiff.expressions.maps import LinearMap
from einsdiff.expressions.refusals import signature
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.library import as_numpy, known_values

# What only writes is imported where it is needed: most programs compute, and start sooner without.
if TYPE_CHECKING:
    from einsdiff.display.derivation.derivation import Derivation
    from einsdiff.display.matrix.matrix_equation import MatrixEquation
    from einsdiff.display.network.diagram import Diagram
    from einsdiff.display.tables.cases import Cases
    from einsdiff.display.tables.table import Table
    from einsdiff.expressions.pictures import Kind

_T = TypeVar("_T")

#: What is shown by itself, in a terminal or a notebook, has at most so many lines, so many
#: characters of index notation or of LaTeX, and so many entries computed within so many bytes.
MOST_LINES = 40
MOST_TEXT = 2000
MOST_LATEX = 20_000
MOST_PREVIEWED = 100_000
MOST_READ = 1_000_000  # entries of the arrays that it is computed from
#: A derivation is folded into it if the derivatives in it, written out, have at most so many
#: factors, which takes about a tenth of a second, and if it has so many characters of HTML.
MOST_DERIVED = 300
MOST_HTML = 100_000
#: Index notation of more characters is not written in matrix notation, too, unless asked for.
MOST_BESIDE = 500
PREVIEW_BYTES = 64 * 2**20

#: How much `Notations.explain` tells.
Detail = Literal["full", "brief"]

#: The kinds of `Notations.table`.
TABLES = ("forward", "reverse", "chain", "shapes", "layouts")
#: The notations of `Notations.format`.
#: The forms of `Notations.to_sympy`.
SYMPY_FORMS = ("indexed", "array", "matrix")


class Notations(LinearMap):
    """Methods of a tensor that write it."""

    __slots__ = ()

    def format(
        self, notation: str = "index", *, layout: Layout | None = None, order: VecOrder = "C"
    ) -> str:
        """Write the tensor in a notation.

        Parameters
        ----------
        notation
            ``"index"``: index notation, which reads back with `einsdiff.parse`. ``"matrix"``:
            products of matrices, for at most two axes on each side. ``"einsum"``: einsum strings.
        layout, order
            Of matrix notation. If the layout is left out, a derivative of a number by a matrix has
            the shape of the matrix, a second derivative of a number is the Hessian, and any other
            is in numerator layout. See `einsdiff.Tensor.matrix`.

        Returns
        -------
        str
            What has no matrix form says why, and is in index notation.

        Raises
        ------
        OperandError
            There is no such notation.
        LayoutError
            There is no such layout or order.

        Examples
        --------
        >>> import einsdiff as ed
        >>> J = ed.grad("ij,j->i", "A", "x", wrt="A")
        >>> for notation in ("index", "matrix", "einsum"):
        ...     print(J.format(notation))
        ∂f_i/∂A_pq = δ_ip x_q
        ∂f/∂vec(A) = I_m ⊗ xᵀ  (numerator layout, vec order C)
        ∂f_i/∂A_pq = einsum("q->iiq", x, sizes={"i": "m"})
        """
        formula, values = self.formula, self.values
        check_layout(layout or "numerator", order)
        if notation not in NOTATIONS:
            raise _no_notation(notation, tuple(NOTATIONS))
        return NOTATIONS[notation](formula, values, layout, order)

    def latex(
        self, notation: str | None = None, *, layout: Layout | None = None, order: VecOrder = "C"
    ) -> str:
        r"""Write the tensor as LaTeX, to stand in a formula.

        Parameters
        ----------
        notation
            ``"index"`` or ``"matrix"``; if left out, the one that the expression was written in.
        layout, order
            As for `format`.

        Returns
        -------
        str
            Without dollar signs. What has no matrix form is in index notation.

        Raises
        ------
        OperandError
            There is no such notation.
        LayoutError
            There is no such layout or order.

        Examples
        --------
        >>> import einsdiff as ed
        >>> J = ed.grad("ij,j->i", "A", "x", wrt="A")
        >>> print(J.latex())
        \frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q
        >>> print(J.latex("matrix"))
        \frac{\partial f}{\partial \operatorname{vec}(A)} = I_{m} \otimes x^{\top}
        """
        from einsdiff.display.index.latex import index_latex
        from einsdiff.expressions.matrix_forms import as_matrix_equation

        formula, values = self.formula, self.values
        check_layout(layout or "numerator", order)
        notation = notation or formula.notation or "index"
        if notation == "matrix":
            equation = as_matrix_equation(formula, values, layout, order)
            if not isinstance(equation, str):
                return equation.latex
        if notation in ("index", "matrix"):
            return index_latex(formula.text, formula.by_name)
        raise _no_notation(notation, ("index", "matrix"))

    def to_sympy(
        self, form: str = "indexed", *, layout: Layout | None = None, order: VecOrder = "C"
    ) -> Any:
        """Write the tensor as an expression of SymPy, which `einsdiff.from_sympy` reads.

        Parameters
        ----------
        form
            ``"indexed"``: entry by entry, with ``IndexedBase``, ``Sum`` and ``KroneckerDelta``.
            ``"array"``: an array expression, of ``ArraySymbol``, ``ArrayTensorProduct``,
            ``ArrayContraction`` and the like. ``"matrix"``: a matrix expression, of
            ``MatrixSymbol``, for what has a matrix form; vectors have one column.
        layout, order
            Of the matrix expression, as for `format`.

        Returns
        -------
        sympy.Basic
            In the indexed form an equation, ``Eq(f(A, x)[i], ..)``: its left-hand side says which
            axes there are, in order, their sizes, and what the function depends on; its
            right-hand side, ``.rhs``, is the entry. In the other forms the expression alone.

        Raises
        ------
        OperandError
            SymPy is not installed, there is no such form, the expression has no matrix form, or
            SymPy has no sign for a part of it.
        LayoutError
            There is no such layout or order.

        Examples
        --------
        >>> import einsdiff as ed
        >>> J = ed.grad("ij,j->i", "A", "x", wrt="A")
        >>> J.to_sympy()
        Eq(∂f/∂A(A, x)[i, p, q], KroneckerDelta(i, p)*x[q])
        >>> J.to_sympy("array")
        PermuteDims(ArrayTensorProduct(x, I), (0 1 2))
        >>> ed.grad("x_i A_ij x_j", wrt="x").to_sympy("matrix")
        x.T*(A + A.T)
        """
        from einsdiff.display.sympy.symbolic import array_form, indexed_form, matrix_expression
        from einsdiff.expressions.matrix_forms import as_matrix_equation

        formula, node = self.formula, self.formula.normal_form
        check_layout(layout or "numerator", order)
        if form == "indexed":
            return indexed_form(node, formula.heading, formula.letters, formula.arguments)
        if form == "array":
            return array_form(node)
        if form != "matrix":
            raise _no_notation(form, SYMPY_FORMS)
        equation = as_matrix_equation(formula, self.values, layout, order)
        if isinstance(equation, str):
            raise OperandError(
                f"there is no matrix form: {equation}",
                text=formula.text,
                action='write to_sympy("indexed"), or to_sympy("array")',
            )
        return matrix_expression(equation, node)

    def explain(self, detail: Detail = "full") -> Derivation:
        """Derive the derivative, step by step.

        Parameters
        ----------
        detail
            ``"full"``, or ``"brief"`` for what a practised reader needs.

        Returns
        -------
        Derivation
            The steps as data; it prints as text, and writes itself as Markdown, LaTeX and HTML.
            A higher derivative begins with the lower ones. Of a derivative with thousands of
            factors, the steps are left out, which its last line says.

        Raises
        ------
        OperandError
            This is no derivative, there is no such level of detail, or the derivation would be too
            long.

        Examples
        --------
        >>> import einsdiff as ed
        >>> print(ed.grad("ij,j->i", "A", "x", wrt="A").explain())
        f_i = A_ij x_j
            = Σ_j A_ij x_j                  the sum written out
        <BLANKLINE>
        ∂f_i/∂A_pq = ∂A_ij/∂A_pq x_j        x does not depend on A
                   = δ_ip δ_jq x_j          ∂A_ij/∂A_pq = δ_ip δ_jq
                   = δ_ip x_q               δ_jq: j becomes q
        <BLANKLINE>
        In matrix notation, numerator layout, vec order C:
          ∂f/∂vec(A) = I_m ⊗ xᵀ
        """
        if detail not in ("full", "brief"):
            raise OperandError(
                f"detail={detail!r} is not a level of detail",
                action="write detail='full' or detail='brief'",
            )

        def work() -> Derivation:
            from einsdiff.expressions.derived import derivation_of

            derivation = derivation_of(self.formula)
            equation = self._equation()
            if equation is not None:
                derivation = derivation.named(equation)
            return derivation if detail == "full" else derivation.brief()

        return _bounded(self.formula, "derivation", work)

    def table(self, kind: str = "forward") -> Table:
        r"""Show how a derivative comes about, or which shapes it has, as a table.

        Parameters
        ----------
        kind
            ``"forward"``: the steps of the function from the variable to its value, each with its
            derivative by the variable. ``"reverse"``: the same steps backwards, each with its
            adjoint, :math:`\bar v = \partial f/\partial v`; of a function that is no derivative
            too. ``"chain"``: the Jacobians that a derivative is the product of, between the steps
            that lie on every way from the variable to the value. ``"shapes"``: the shapes of
            derivatives of scalars, vectors, matrices and tensors by each other. ``"layouts"``: the
            matrices of this derivative in both layouts and both vec orders.

        Returns
        -------
        Table
            It prints as text, and has `markdown` and `latex`; its rows are data, too. There are
            numbers in it where arrays are bound to the variables.

        Raises
        ------
        OperandError
            There is no such table, or none of what is no derivative, or it would be too long.
        SizeError
            The function has too many steps.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.grad("y sin(x + y)", wrt="y").table("reverse")
        ∂f/∂y in reverse mode, from f to y; v̄ stands for ∂f/∂v
        <BLANKLINE>
        step          adjoint
        ────────────  ───────────────
        f = y v2      f̄ = 1
        v2 = sin(v1)  v̄2 = f̄ y
        v1 = y + x    v̄1 = v̄2 cos(v1)
        x             x̄ = v̄1
        y             ȳ = v̄1 + f̄ v2
        """
        if kind not in TABLES:
            raise OperandError(
                f"there is no table {kind!r}", action=f"write one of {', '.join(map(repr, TABLES))}"
            )
        from einsdiff.expressions.tabulated import table

        return _bounded(
            self.formula, "table", lambda: table(self.formula, self.values, self.shape, kind)
        )

    def cases(self) -> Cases:
        r"""Write the derivative by cases, as its deltas tell them.

        Returns
        -------
        Cases
            Conditions on the free indices, each with the value; exactly one of them applies to
            each index tuple. It prints as text, and has `markdown` and `latex`.

        Raises
        ------
        SizeError
            There are too many of them.
        OperandError
            They would be too long.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.grad("K_pq = R_ip R_iq", wrt="R").cases()
                      ⎧ R_rq    if p = s ≠ q
        ∂K_pq/∂R_rs = ⎨ R_rp    if q = s ≠ p
                      ⎪ 2 R_rq  if p = q = s
                      ⎩ 0       otherwise
        """
        from einsdiff.display.tables.cases import by_cases

        formula = self.formula
        return _bounded(
            formula,
            "list of cases",
            lambda: by_cases(formula.normal_form, formula.heading, formula.letters),
        )

    def plot(
        self,
        layout: Layout = "numerator",
        order: VecOrder = "C",
        ax: Any = None,
        kind: Kind | None = None,
        *,
        sizes: Mapping[str, int] | None = None,
    ) -> Any:
        r"""Draw which entries can be other than zero, and their values where there are some.

        Which entries that are follows from the deltas, as for `cores`; values are not looked at
        for it. Entries count from 0. Lines part the blocks of each axis, the thicker the slower it
        runs. Large matrices are thinned: a cell stands for several entries then, and shows the
        value of the largest magnitude, which the picture says.

        Parameters
        ----------
        layout, order
            As for `matrix`: which axes are rows, and how several become one. A tensor that is no
            derivative has its last axis as columns.
        ax
            Matplotlib's axes to draw in; by default a new figure, which pyplot does not know, so
            that there is nothing to be closed.
        kind
            ``"matrix"``; or ``"stack"`` for a tensor of three axes, as matrices side by side, one
            for each index of the function. By default a stack where there are three axes.
        sizes
            Numbers for sizes that are names. Those that are not given are small ones, which the
            picture says.

        Returns
        -------
        matplotlib.figure.Figure
            A notebook shows it; ``figure.savefig("jacobian.pdf")`` writes it to a file.

        Raises
        ------
        OperandError
            Matplotlib is not installed, there is no such kind or size, or the tensor has not three
            axes for a stack.
        SizeError
            More entries can be other than zero than a picture shows.
        LayoutError
            There is no such layout or order.

        Examples
        --------
        >>> import einsdiff as ed
        >>> J = ed.grad("mp,mq->pq", "R", "R", wrt="R")
        >>> figure = J.plot(sizes={"m": 3, "n": 4})
        """
        from einsdiff.expressions.pictures import plot

        return plot(self.formula, self.values, layout, order, ax, kind, sizes or {})

    def diagram(self) -> Diagram:
        r"""Draw the tensor network: a circle for each factor, a line for each index.

        A line between two factors is summed over, one that dangles is an index of the result. An
        index with more than two ends, as deltas make it, is a dot. A matrix has a small mark where
        its first index is, and a tensor of more axes has numbers. Functions are boxes around
        their arguments. A derivative stands beside its function; what the function is
        differentiated by is marked, and so are the legs that it leaves.

        Returns
        -------
        Diagram
            With ``.svg``, which notebooks show, and ``.dot`` for Graphviz; ``.save(path)`` writes
            either. Of a large expression, the inner parts are left out, which the picture says.

        Examples
        --------
        >>> import einsdiff as ed
        >>> picture = ed.parse("a_i X_ij b_j").diagram()
        >>> picture
        <Diagram: f = a_i X_ij b_j>
        >>> picture.svg[:4], picture.dot[:5]
        ('<svg', 'graph')
        """
        from einsdiff.expressions.diagrams import diagram_of

        return _bounded(self.formula, "diagram", lambda: diagram_of(self.formula))

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
        from einsdiff.expressions.coding import source_of

        return source_of(self.formula, backend, layout, order, name)

    def __str__(self) -> str:
        return str(self._written() or self.formula.text)  # without the tree that it carries

    def _written(self) -> str:
        """Write in matrix notation what was written in it; "" where there is no such form."""
        from einsdiff.expressions.matrix_forms import as_matrix_equation

        if self.formula.notation != "matrix":
            return ""
        equation = as_matrix_equation(self.formula, self.values)
        return "" if isinstance(equation, str) else equation.text

    def __repr__(self) -> str:
        written = self._written()
        if written:
            return f"{written}\n{signature(self.formula.arguments)}"
        left, sign, right = self.formula.text.partition(" = ")
        lines = wrapped_equation(f"{left} = ", right) if sign else [left]
        if len(lines) > MOST_LINES:
            cut = len(lines) - MOST_LINES + 1
            lines = [*lines[: MOST_LINES - 1], f"[{cut} more lines; print(str(t)) shows all]"]
        return "\n".join(lines)

    def _repr_latex_(self) -> str:
        from einsdiff.display.index.latex_names import latex_text

        text = self.latex()
        if len(text) > MOST_LATEX:
            text = latex_text(f"[{len(text)} characters of LaTeX; t.latex() shows all]")
        return f"$\\displaystyle {text}$"

    def _repr_html_(self) -> str:
        from einsdiff.display.html import formula_html

        text = self.formula.text
        shown = text[:MOST_TEXT]
        parts = [f'<div style="font-family:serif;font-size:120%">{formula_html(shown)}']
        if len(text) > MOST_TEXT:
            parts.append(f" <i>[{len(text) - MOST_TEXT} more characters; str(t) shows all]</i>")
        parts.append("</div>")
        equation = self._equation()
        if equation is not None:
            shown = f"{equation.left} = {equation.right}"
            if len(shown) <= MOST_TEXT:
                note = f' <span style="opacity:0.7">{escape(equation.note)}</span>'
                parts.append(f'<div style="font-family:serif">{formula_html(shown)}{note}</div>')
        parts.append(f"<div>shape {escape(shape_text(self.shape))}</div>")
        if is_derived(self.formula):
            parts.append(_folded("derivation", self._derivation_html()))
        preview = self._preview()
        if preview:
            parts.append(_folded("values", f"<pre>{escape(preview)}</pre>"))
        return f"<div>{''.join(parts)}</div>"

    def _equation(self) -> MatrixEquation | None:
        """Write it in matrix notation, if it has one that is read beside the index notation."""
        from einsdiff.expressions.matrix_forms import as_matrix_equation

        formula = self.formula
        if len(formula.text) > MOST_BESIDE or not any(v.shape for v in formula.arguments):
            return None
        equation = as_matrix_equation(formula, self.values)
        return None if isinstance(equation, str) else equation

    def _derivation_html(self) -> str:
        from einsdiff.display.derivation.board import Board
        from einsdiff.expressions.derived import derivation_of

        long = "<i>[long steps; print(t.explain()) shows all]</i>"
        board, node = Board(room=MOST_DERIVED), self.formula.normal_form
        if places(node, self.formula.letters)[2][node] > board.room:
            return long
        try:
            derivation = _bounded(
                self.formula, "derivation", lambda: derivation_of(self.formula, board)
            )
        except OperandError as error:
            return escape(str(error).partition("\n")[0])
        if board.is_full:
            return long
        equation = self._equation()
        if equation is not None:
            derivation = derivation.named(equation)
        html = derivation.html()
        if len(html) > MOST_HTML:
            return long
        return html

    def _preview(self) -> str:
        """Write the values, if all arrays are there and they are not too many to compute."""
        if not self.formula.required <= known_values(self.values).keys():
            return ""
        shape = self.shape
        if not all(isinstance(size, int) for size in shape):
            return ""
        count = prod(size for size in shape if isinstance(size, int))
        read = sum(prod(self.values[name].shape) for name in self.formula.required)
        if count > MOST_PREVIEWED or read > MOST_READ:
            return f"{count} entries, not computed here; t.dense() computes them"
        try:
            with np.errstate(all="ignore"):
                values = as_numpy(self.dense(memory_limit=PREVIEW_BYTES))
        except Exception as error:  # a function of the user's may raise anything
            return str(error).partition("\n")[0] or type(error).__name__
        text = np.array2string(values, max_line_width=80, threshold=100, edgeitems=3, precision=4)
        return f"{text}\n{count} entries, {values.dtype}" if count > 100 else text


def _in_index_notation(formula: Formula, *_: object) -> str:
    return str(formula.text)


def _in_einsum_notation(formula: Formula, *_: object) -> str:
    from einsdiff.display.einsums import format_einsum

    right = format_einsum(formula.normal_form, formula.heading.letters, formula.letters)
    return f"{format_heading(formula.heading)} = {right}"


def _in_matrix_notation(
    formula: Formula, values: Mapping[str, Any], layout: Layout | None, order: VecOrder
) -> str:
    from einsdiff.expressions.matrix_forms import as_matrix_equation

    equation = as_matrix_equation(formula, values, layout, order)
    if isinstance(equation, str):
        return f"{formula.text}  (no matrix form: {equation})"
    return equation.text


#: What writes each notation of `format`, from a formula, values, a layout and a vec order.
NOTATIONS: dict[str, Callable[..., str]] = {
    "index": _in_index_notation,
    "matrix": _in_matrix_notation,
    "einsum": _in_einsum_notation,
}


def _folded(title: str, html: str) -> str:
    return f"<details><summary>{title}</summary>{html}</details>"


def _bounded(formula: Formula, what: str, work: Callable[[], _T]) -> _T:
    """Write what is asked for, or refuse it where that would take too many steps."""
    count, each = 0, formula
    while True:
        count += len(topological([each.expr]))
        if not is_derived(each):
            break
        each = before(each)
    most = budget("display", count)

    def refuse() -> _T:
        raise OperandError(
            f"the {what} is too long: it takes more than {most} steps to write",
            action="ask for that of a lower order, or of a part of the expression",
        )

    return within(most, work, refuse)


def _no_notation(notation: object, known: tuple[str, ...]) -> OperandError:
    return OperandError(
        f"{notation!r} is not a notation", action=f"write one of {', '.join(map(repr, known))}"
    )
