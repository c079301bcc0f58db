r"""Derivatives as tables, with numbers where values are bound.

>>> import einsdiff as ed
>>> x = ed.tensor("x", 2.0)
>>> ed.grad(ed.log(ed.sin(x**3) ** 2), wrt="x").table("forward")
∂f/∂x in forward mode, from x to f
<BLANKLINE>
step          value    derivative               its value
────────────  ───────  ───────────────────────  ─────────
x             2        ∂x/∂x = 1                1
v1 = x^3      8        ∂v1/∂x = 3 x^2           12
v2 = sin(v1)  0.9894   ∂v2/∂x = cos(v1) ∂v1/∂x  -1.746
v3 = v2^2     0.9788   ∂v3/∂x = 2 v2 ∂v2/∂x     -3.455
f = log(v3)   -0.0214  ∂f/∂x = ∂v3/∂x / v3      -3.53
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, get_args

from einsdiff.algebra.nodes.graph import variables_of
from einsdiff.algebra.nodes.interning import Node, Shape, Variable
from einsdiff.display.index.index_text import equation, format_heading
from einsdiff.display.index.lettering import Heading
from einsdiff.display.tables.chain import chain_links
from einsdiff.display.tables.modes import Row, forward_steps, reverse_steps, steps_table
from einsdiff.display.tables.shape_tables import layouts_table, matrix_shape_text, shapes_table
from einsdiff.display.tables.table import Block, Column, Table
from einsdiff.errors import OperandError
from einsdiff.expressions.evaluation import prepare, sizes_of
from einsdiff.expressions.formula import Formula
from einsdiff.expressions.layout import Layout, VecOrder, as_matrix
from einsdiff.expressions.made import before, is_derived
from einsdiff.expressions.matrix_forms import as_matrix_equation
from einsdiff.notation.subscripts import Size
from einsdiff.notation.trees import letters_of
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.library import known_values
from einsdiff.numeric.libraries.operands import Array

#: Arrays with at most so many entries are computed for a table.
MOST_ENTRIES = 100_000
#: Arrays are written out if that takes at most so many signs, fewer if the table is too wide; a
#: matrix up to so many rows and columns.
MOST_SIGNS = (26, 12)
MOST_ROWS = 6

#: The layouts with the vec orders of each.
FORMS = tuple(product(get_args(Layout), get_args(VecOrder)))


def table(formula: Formula, values: Mapping[str, Array], shape: Shape, kind: str) -> Table:
    """Make a table; see `einsdiff.Tensor.table`.

    >>> from einsdiff.expressions.formula import symbol
    >>> print(table(symbol("x", ("n",)), {}, ("n",), "reverse").title)
    Reverse mode, from f to its variables; v̄ stands for ∂f/∂v
    """
    if formula.source is None and is_derived(formula):
        whole = before(formula)
        known = sizes_of(whole, values)
        sizes = tuple(known.get(n, n) if isinstance(n, str) else n for n in whole.expr.shape)
        return table(whole, values, sizes, kind)
    if formula.source is None and kind != "reverse":
        names = [argument.name for argument in formula.arguments]
        first = names[0] if names else "x"
        raise OperandError(
            "this is no derivative, of which there would be a table",
            text=formula.text,
            action=f"differentiate first: ed.grad(t, wrt={first!r}).table({kind!r})",
        )
    made: Table = getattr(_Tables(formula, known_values(values), shape), kind)()
    return made


@dataclass(frozen=True)
class _Tables:
    """The tables of one tensor."""

    formula: Formula
    values: Mapping[str, Array]
    shape: Shape

    def _source(self) -> tuple[Formula, Variable]:
        assert self.formula.source is not None
        return self.formula.source

    def forward(self) -> Table:
        f, by = self._source()
        axes = letters_of(self.formula.heading.wrt[-1][1])
        steps = forward_steps(f.expr, f.heading, f.letters, f.arguments, by, axes)
        name = steps[-1].name
        title = f"{format_heading(self.formula.heading)} in forward mode, from {by.name} to {name}"
        return self._steps(title, steps, "derivative", _called(name, f.heading))

    def reverse(self) -> Table:
        if self.formula.source is None:
            f, by = self.formula, None
            steps = reverse_steps(f.expr, f.heading, f.letters, f.arguments)
        else:
            f, by = self._source()
            axes = letters_of(self.formula.heading.wrt[-1][1])
            steps = reverse_steps(f.expr, f.heading, f.letters, f.arguments, by, axes)
        name = steps[0].name
        said = "its variables" if by is None else by.name
        what = f"{format_heading(self.formula.heading)} in " if by is not None else ""
        title = f"{what}reverse mode, from {name} to {said}; v̄ stands for ∂{name}/∂v"
        title = title[0].upper() + title[1:] if by is None else title
        return self._steps(title, steps, "adjoint", _called(name, f.heading))

    def _steps(self, title: str, steps: list[Row], what: str, notes: list[str]) -> Table:
        names = [argument.name for argument in self.formula.arguments]
        nodes = [node for step in steps for node in (step.value, step.derivative)]
        found = self._evaluated(nodes)
        if all(value is None for value in found[::2]):
            return steps_table(title, steps, what, names, None, notes)
        said = [*notes, "Long arrays are given by their shape and norm."]
        for most in MOST_SIGNS:  # few signs if that makes the table narrow enough
            texts = [_value_text(value, most) for value in found]
            shown = list(zip(found, texts, strict=True))
            pairs = list(zip(shown[::2], shown[1::2], strict=True))
            is_short = any("norm" in text for text in texts)
            table = steps_table(title, steps, what, names, pairs, said if is_short else notes)
            if table.is_narrow:
                break
        return table

    def _evaluated(self, nodes: Sequence[Node]) -> list[Any]:
        """Compute those of the nodes that can be computed and are not large, in one program.

        The others are given by their shapes, or None where these are not known.
        """
        formula = self.formula
        sizes = sizes_of(formula, self.values)
        results: list[Any] = []
        chosen: list[Formula] = []
        for node in nodes:
            shape = self._known(node.shape)
            part = Formula(node, Heading("f", ()), formula.letters, tuple(variables_of([node])))
            is_known = part.required <= self.values.keys() and part.named_sizes <= sizes.keys()
            whole = [size for size in shape if isinstance(size, int)]
            if is_known and prod(whole) <= MOST_ENTRIES:
                chosen.append(part)
                results.append(part)
            else:
                results.append(shape if is_known else None)
        if chosen:
            # All named sizes are those of the whole formula's variables.
            parts = [
                Formula(part.expr, part.heading, part.letters, formula.arguments) for part in chosen
            ]
            known = dict(zip(map(id, chosen), self._computed(parts), strict=True))
            results = [known.get(id(result), result) for result in results]
        return results

    def _computed(self, parts: list[Formula]) -> list[Any]:
        """Compute parts; None for those that have no value, such as a singular matrix's inverse."""
        try:
            with np.errstate(all="ignore"):
                found = prepare(parts, self.values).run(self.values)
            return [np.asarray(array) for array in (found if len(parts) > 1 else (found,))]
        except np.linalg.LinAlgError:
            if len(parts) == 1:
                return [None]
        return [value for part in parts for value in self._computed([part])]

    def shapes(self) -> Table:
        f, by = self._source()
        known = self._known
        operands = [(v.name, known(v.shape)) for v in f.arguments]
        name = format_heading(Heading(f.heading.name, (), tuple((n, ()) for n, _ in f.heading.wrt)))
        return shapes_table(name, known(f.expr.shape), by.name, known(by.shape), operands)

    def layouts(self) -> Table:
        heading, domain = self.formula.heading, self.formula.domain or 0
        title = f"The matrices of {format_heading(heading)}"
        (value,) = self._evaluated([self.formula.expr])
        notations = self._notations()
        if not isinstance(value, np.ndarray):
            return layouts_table(title, heading, self.shape, domain, None, notations)
        matrices = [as_matrix(value, domain, layout, order) for layout, order in FORMS]
        blocks = [(matrix, _block(matrix)) for matrix in matrices]
        cut = max(blocks[0][0].shape, default=0) > MOST_ROWS
        notes = ["Of long rows and columns the middle is left out, written …."] if cut else []
        return layouts_table(title, heading, self.shape, domain, blocks, notations, notes)

    def chain(self) -> Table:
        """Make the table of the Jacobians that the derivative is the product of."""
        f, by = self._source()
        heading = self.formula.heading
        links = chain_links(f.normal_form, by, heading, f.letters)
        bare = [Heading(h.name, (), ((h.wrt[0][0], ()),)) for h in (link.heading for link in links)]
        product = " ".join(map(format_heading, bare))
        title = f"The chain {format_heading(heading)} = {product}"
        columns = [Column("Jacobian", "formula"), Column("matrix"), Column("matrix notation")]
        rows: list[tuple[Any, ...]] = []
        for link in links:
            inside = tuple(variables_of([link.local]))
            part = Formula(link.local, link.heading, f.letters, inside, len(link.domain))
            found = as_matrix_equation(part, self.values, "numerator")
            notation = "" if isinstance(found, str) else found.right
            shape = matrix_shape_text(self._known(link.codomain), self._known(link.domain))
            both = equation(link.left, link.right, is_short=False)
            rows.append((both, shape, notation))
        cells = list(rows)
        values = self._evaluated([link.node for link in links])
        if all(isinstance(value, np.ndarray) for value in values):
            matrices = [
                as_matrix(value, len(link.domain))
                for value, link in zip(values, links, strict=True)
            ]
            columns.append(Column("values", "block"))
            rows = [(*row, matrix) for row, matrix in zip(rows, matrices, strict=True)]
            cells = [(*row, _block(m)) for row, m in zip(cells, matrices, strict=True)]
        notes = [f"{link.definition}." for link in links[::-1] if link.definition]
        return Table(title, tuple(columns), tuple(rows), tuple(cells), tuple(notes))

    def _known(self, shape: Sequence[Size]) -> tuple[Size, ...]:
        sizes = sizes_of(self.formula, self.values)
        return tuple(sizes.get(s, s) if isinstance(s, str) else s for s in shape)

    def _notations(self) -> list[str] | None:
        """Write the matrices in matrix notation, if there is one."""
        found = []
        for layout, order in FORMS:
            equation = as_matrix_equation(self.formula, self.values, layout, order)
            if isinstance(equation, str):
                return None
            found.append(equation.right)
        return found


def _called(name: str, heading: Heading) -> list[str]:
    """Say what a derivative is called in a table of its own derivative."""
    if not heading.wrt:
        return []
    short = Heading(name, heading.letters)
    return [f"{format_heading(short)} stands for {format_heading(heading)}."]


def _number_text(value: Any, digits: int = 4) -> str:
    """Write a number with so many digits."""
    if isinstance(value, complex | np.complexfloating):
        real, imaginary = (_number_text(part, digits) for part in (value.real, value.imag))
        return f"{real}{'' if imaginary[0] == '-' else '+'}{imaginary}j"
    return f"{value + 0.0:.{digits}g}" if isinstance(value, float | np.floating) else str(value)


def _value_text(value: Any, most: int) -> str:
    """Write an array on one line: as it is, or by its shape and norm."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return _by(value)
    if value.ndim == 0:
        return _number_text(value[()])
    if not value.size:
        return f"empty {_by(value.shape)}" if value.ndim > 1 else "empty"
    if not value.any():
        return "0"
    if value.size <= most:
        text = _nested(value)
        if len(text) <= most:
            return text
    return f"{_by(value.shape)}, norm {_number_text(np.linalg.norm(value.ravel()), 3)}"


def _nested(value: Array) -> str:
    if value.ndim == 0:
        return _number_text(value[()], 3)
    return f"[{' '.join(map(_nested, value))}]"


def _by(shape: Sequence[Size]) -> str:
    return "×".join(map(str, shape))


def _block(matrix: Array) -> Block:
    """Write a matrix, without the middle of long rows and columns."""
    rows, columns = (_places(n) for n in matrix.shape)
    return Block(
        tuple(
            tuple("…" if r is None or c is None else _number_text(matrix[r, c]) for c in columns)
            for r in rows
        )
    )


def _places(count: int) -> list[int | None]:
    if count <= MOST_ROWS:
        return list(range(count))
    half = MOST_ROWS // 2
    return [*range(half), None, *range(count - half, count)]
