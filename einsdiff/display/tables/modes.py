r"""Tables: the steps of forward and of reverse mode, and shapes.

A function is taken apart into steps :math:`v_1, v_2, \dots, f`, each one sum, one product or one
function of those before it. Forward mode goes from the variable to the function and reverse mode
back, with the adjoint :math:`\bar v = \partial f/\partial v`:

.. math:: \frac{\partial v_k}{\partial x} =
    \sum_j \frac{\partial v_k}{\partial v_j} \frac{\partial v_j}{\partial x} \qquad
    \bar v_j = \sum_k \bar v_k \frac{\partial v_k}{\partial v_j} .

The derivative of a step is that of `einsdiff.algebra.derivatives.differentiate`: in forward mode
the steps before it are unspecified functions of the variable, whose derivatives stay symbols.

>>> from einsdiff.algebra.functions.catalogue import FUNCTIONS
>>> from einsdiff.algebra.nodes.nodes import call, einsum, variable
>>> x = variable("x", ())
>>> f = call(FUNCTIONS["sin"], [einsum([x, x], ["", ""], "")])
>>> for step in forward_steps(f, Heading("f", ()), Letters(), [x], x, ()):
...     print(f"{step.definition:12}  {step.rule}")
x             ∂x/∂x = 1
v1 = x^2      ∂v1/∂x = 2 x
f = sin(v1)   ∂f/∂x = cos(v1) ∂v1/∂x
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from html import escape
from itertools import chain, count
from math import prod
from textwrap import wrap
from typing import Any, Literal, NamedTuple
from unicodedata import combining, east_asian_width, normalize

from einsdiff.algebra.derivatives.differentiate import derivatives
from einsdiff.algebra.nodes.graph import children, dependencies, rebuilt, topological, use_counts
from einsdiff.algebra.nodes.nodes import (
    Add,
    Call,
    Constant,
    Delta,
    Einsum,
    Node,
    Shape,
    Variable,
    add,
    einsum,
    is_zero,
    partial,
    variable,
)
from einsdiff.display.html import formula_html
from einsdiff.display.index.latex import index_latex, latex_number, latex_text
from einsdiff.display.index.lines import normal_sides, normal_text
from einsdiff.display.index.printer import Heading, Letters, format_heading, indexed
from einsdiff.errors import EinsdiffError, SizeError, page
from einsdiff.notation.letters import first_unused
from einsdiff.notation.subscripts import Size

__all__ = [
    "Block",
    "Column",
    "Step",
    "Table",
    "formula_latex",
    "forward_steps",
    "kind_of",
    "layouts_table",
    "matrix_shape_text",
    "product_text",
    "reverse_steps",
    "shapes_table",
    "sizes_text",
    "steps_table",
    "width_of",
]

#: Text is at most so wide, where it can be.
WIDTH = 80
#: A column that is wrapped is at least so wide, and as its longest word up to so many signs.
LEAST_WIDTH, LONGEST_WORD = 12, 40
#: A cell has at most so many lines; of what is longer it is said how much was cut.
MOST_LINES = 8
#: A table has at most so many steps.
MOST_STEPS = 200


# --- tables -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name
        What stands at its head.
    kind
        What its cells are: formulas in index notation, plain text, numbers, or matrices, which
        text shows below their row.
    """

    name: str
    kind: Literal["formula", "text", "number", "block"] = "text"


@dataclass(frozen=True, slots=True)
class Block:
    """A matrix of numbers as text.

    Attributes
    ----------
    rows
        The entries, ``…`` for those that were cut.

    Examples
    --------
    >>> print(Block((("1", "-2"), ("10", "4"))))
    [  1  -2 ]
    [ 10   4 ]
    """

    rows: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        wide = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        lines = (
            "  ".join(entry.rjust(n) for entry, n in zip(row, wide, strict=True))
            for row in self.rows
        )
        return "\n".join(f"[ {line} ]" for line in lines)


#: What stands in a cell.
Cell = str | Block


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """A table that prints as text, Markdown, LaTeX and HTML.

    Attributes
    ----------
    title
        What it shows.
    columns
        Their heads, and what kind of cells they have.
    rows
        The cells as data: formulas and text as they are, values as numbers and arrays.
    cells
        The cells as they are printed.
    notes
        What is said below.
    marked
        Cells (row, column) that are pointed out.
    names
        The names of the variables in the formulas.

    Examples
    --------
    >>> table = Table(
    ...     "squares", (Column("n"), Column("n²", "number")), ((2, 4),), (("2", "4"),)
    ... )
    >>> table
    squares
    <BLANKLINE>
    n  n²
    ─  ──
    2  4
    >>> print(table.markdown())
    **squares**
    <BLANKLINE>
    | n | n² |
    |---|---|
    | 2 | 4 |
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    cells: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    marked: frozenset[tuple[int, int]] = frozenset()
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)

    def __getitem__(self, k: int) -> tuple[Any, ...]:
        return self.rows[k]

    def with_column(
        self, column: Column, rows: Sequence[Any], cells: Sequence[Cell] | None = None
    ) -> Table:
        """Return the table with one more column, the last one.

        Parameters
        ----------
        column
            Its head and kind.
        rows
            The cells as data.
        cells
            As they are printed, if not the same.

        Returns
        -------
        Table
            Another table.
        """
        shown = cells if cells is not None else [str(value) for value in rows]
        return replace(
            self,
            columns=(*self.columns, column),
            rows=tuple((*row, value) for row, value in zip(self.rows, rows, strict=True)),
            cells=tuple((*row, cell) for row, cell in zip(self.cells, shown, strict=True)),
        )

    @property
    def is_narrow(self) -> bool:
        """Whether text needs no broken lines."""
        wide = self._natural(*self._texts())
        return sum(wide) + 2 * (len(wide) - 1) <= WIDTH

    def _texts(self) -> tuple[list[str], list[list[str]]]:
        """Return the heads and the cells that stand side by side."""
        upper = [k for k, column in enumerate(self.columns) if column.kind != "block"]
        texts = [[self._text(j, k) for k in upper] for j in range(len(self))]
        return [self.columns[k].name for k in upper], texts

    def _text(self, j: int, k: int) -> str:
        text = str(self.cells[j][k])
        return "▸ " + text.replace("\n", "\n  ") if (j, k) in self.marked else text

    @staticmethod
    def _natural(head: Sequence[str], texts: Sequence[Sequence[str]]) -> list[int]:
        return [
            max(width_of(line) for text in column for line in text.splitlines() or [""])
            for column in zip(head, *texts, strict=True)
        ]

    def __str__(self) -> str:
        upper = [k for k, column in enumerate(self.columns) if column.kind != "block"]
        lower = [k for k in range(len(self.columns)) if k not in upper]
        head, texts = self._texts()
        natural = self._natural(head, texts)
        least = [
            min(
                n,
                LONGEST_WORD,
                max([LEAST_WIDTH, *(2 + width_of(w) for w in " ".join(column).split())]),
            )
            if self.columns[k].kind in ("formula", "text")
            else n
            for k, n, column in zip(upper, natural, zip(*texts, strict=True), strict=True)
        ]
        wide = _fitted(natural, least, WIDTH - 2 * (len(upper) - 1))
        lines = [_line(head, wide), _line(["─" * n for n in wide], wide)]
        is_apart = any("\n" in text for row in texts for text in row) or bool(lower)
        for j, row in enumerate(texts):
            wrapped = [_wrapped(text, n) for text, n in zip(row, wide, strict=True)]
            high = max(map(len, wrapped))
            if is_apart and j:
                lines.append("")
            lines += [
                _line([cell[k] if k < len(cell) else "" for cell in wrapped], wide)
                for k in range(high)
            ]
            for k in lower:
                lines += ["    " + line for line in str(self.cells[j][k]).splitlines()]
        notes = [line for note in self.notes for line in wrap(note, WIDTH)]
        parts = [wrap(self.title, WIDTH), lines, notes]
        return "\n\n".join("\n".join(part) for part in parts if part)

    __repr__ = __str__

    def markdown(self) -> str:
        """Write it in Markdown, with formulas in LaTeX between dollar signs."""

        def shown(cell: Cell, kind: str) -> str:
            if kind == "formula" or isinstance(cell, Block):
                text = _cell_latex(cell, kind, self.names).replace("|", r"\vert ")
                return f"${text}$".replace("\n", " ") if text else ""
            return _markdown_text(cell)

        lines = [[_markdown_text(column.name) for column in self.columns]]
        for j, row in enumerate(self.cells):
            cells = [shown(cell, c.kind) for cell, c in zip(row, self.columns, strict=True)]
            lines.append(
                [f"**{cell}**" if (j, k) in self.marked else cell for k, cell in enumerate(cells)]
            )
        table = [f"| {' | '.join(line)} |" for line in lines]
        table.insert(1, "|" + "---|" * len(self.columns))
        title = [f"**{_markdown_text(self.title)}**"] if self.title else []
        notes = [_markdown_text(note) for note in self.notes]
        return "\n\n".join([*title, "\n".join(table), *notes])

    def latex(self) -> str:
        r"""Write it in LaTeX, as an ``array``.

        Examples
        --------
        >>> table = Table("", (Column("v", "formula"),), (("x_i^2",),), (("x_i^2",),))
        >>> print(table.latex())
        \begin{array}{l}
        \text{v} \\ \hline
        x_i^2
        \end{array}
        """
        head = " & ".join(latex_text(c.name) if c.name else "" for c in self.columns)
        rows = []
        for j, row in enumerate(self.cells):
            cells = [
                _cell_latex(cell, c.kind, self.names)
                for cell, c in zip(row, self.columns, strict=True)
            ]
            rows.append(
                " & ".join(
                    rf"\boxed{{{cell}}}" if (j, k) in self.marked else cell
                    for k, cell in enumerate(cells)
                )
            )
        body = " \\\\[5pt]\n".join(rows)  # so that fractions do not touch
        letters = "l" * len(self.columns)
        return f"\\begin{{array}}{{{letters}}}\n{head} \\\\ \\hline\n{body}\n\\end{{array}}"

    def _repr_html_(self) -> str:
        style = "text-align:left;vertical-align:top;padding:2px 1.2em 2px 0"
        line = ";border-bottom:1px solid"
        head = "".join(f'<th style="{style}{line}">{escape(c.name)}</th>' for c in self.columns)
        body = ""
        for j, row in enumerate(self.cells):
            body += "<tr>"
            for k, (cell, column) in enumerate(zip(row, self.columns, strict=True)):
                mark = ";box-shadow:0 0 0 2px #0072b2" if (j, k) in self.marked else ""
                body += f'<td style="{style}{mark}">{_cell_html(cell, column.kind)}</td>'
            body += "</tr>"
        title = f"<p><b>{escape(self.title)}</b></p>" if self.title else ""
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return (
            f'<div>{title}<table style="border-collapse:collapse"><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>{notes}</div>"
        )


def width_of(text: str) -> int:
    """Count the columns that a text takes in a terminal.

    >>> width_of("v̄1"), width_of("行")
    (2, 2)
    """
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _line(cells: Sequence[str], wide: Sequence[int]) -> str:
    padded = [cell + " " * (n - width_of(cell)) for cell, n in zip(cells, wide, strict=True)]
    return "  ".join(padded).rstrip()


def _fitted(natural: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Make the widest columns narrower until all fit, where that is possible."""
    wide = list(natural)
    while sum(wide) > room:
        spare = [(n, k) for k, n in enumerate(wide) if n > least[k]]
        if not spare:
            break
        wide[max(spare)[1]] -= 1
    return wide


#: Stands for a space at which no line is broken.
_GLUE = "\u00a0"


def _unbroken(text: str) -> str:
    """Keep brackets on one line."""
    found, depth = "", 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        found += _GLUE if char == " " and depth else char
    return found


def _wrapped(text: str, width: int) -> list[str]:
    """Break the lines of a cell that are too long, and cut what is far too long."""
    lines: list[str] = []
    for line in text.splitlines() or [""]:
        if width_of(line) <= width:
            lines.append(line)
            continue
        # Combining signs take no room, so that what is counted as letters is a little too much.
        whole = _unbroken(line)
        line = whole if max(map(width_of, whole.split())) <= width - 2 else line
        parts = wrap(line, width, subsequent_indent="  ", break_on_hyphens=False)
        lines += [part.replace(_GLUE, " ") for part in parts]
    if len(lines) > MOST_LINES:
        cut = sum(map(len, lines[MOST_LINES - 1 :]))
        said = wrap(f"… ({cut} more signs)", width, subsequent_indent="  ")
        lines = [*lines[: MOST_LINES - 1], *said]
    return lines


def _markdown_text(text: Any) -> str:
    escaped = re.sub(r"([\\`*_{}\[\]<>|$])", r"\\\1", str(text))
    return escaped.replace("\n", "<br>")


def _cell_latex(cell: Cell, kind: str, names: Collection[str]) -> str:
    if isinstance(cell, Block):
        signs = {"…": r"\cdots"}
        rows = [" & ".join(signs.get(e) or _number_latex(e) for e in row) for row in cell.rows]
        return r"\begin{bmatrix} " + r" \\ ".join(rows) + r" \end{bmatrix}"
    if not cell:
        return ""
    if kind == "formula":
        return formula_latex(cell, names)
    if kind == "number":
        return _number_latex(cell)
    lines = [_text_latex(line) for line in cell.splitlines()]
    if len(lines) == 1:
        return lines[0]
    return r"\begin{array}{l} " + r" \\ ".join(lines) + r" \end{array}"


def _text_latex(text: str) -> str:
    """Write plain text; fonts for text have no sign of multiplication."""
    parts = [latex_text(part) for part in text.split("×")]
    return r" \times ".join(parts)


def _number_latex(text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        return _text_latex(text)
    return text if re.fullmatch(r"-?\d+(\.\d+)?", text) else latex_number(value)


def _cell_html(cell: Cell, kind: str) -> str:
    if isinstance(cell, Block):
        return f'<pre style="margin:0">{escape(str(cell))}</pre>'
    lines = [
        formula_html(line) if kind == "formula" else escape(line) for line in cell.splitlines()
    ]
    return "<br>".join(lines)


def formula_latex(text: str, names: Iterable[str] = ()) -> str:
    r"""Write index notation in LaTeX; what is no index notation becomes text.

    >>> print(formula_latex("∂x/∂x = 1"), formula_latex("[an expression of 9 nodes]"))
    \frac{\partial x}{\partial x} = 1 \text{[an expression of 9 nodes]}
    """
    try:
        return index_latex(text, tuple(names))
    except EinsdiffError:
        return latex_text(text)


# --- steps ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """A row of the table of forward or of reverse mode.

    Attributes
    ----------
    name
        What it is called.
    definition
        How it is computed from the steps before it: ``v2 = sin(v1)``.
    rule
        Its derivative or adjoint, of steps that are in the table: ``∂v2/∂x = cos(v1) ∂v1/∂x``.
    value, derivative
        Both as expressions of the variables.
    """

    name: str
    definition: str
    rule: str
    value: Node
    derivative: Node


class _Part(NamedTuple):
    """A step of a function: its name, its node, and the node as a function of earlier steps."""

    name: str
    node: Node
    local: Node
    stands: Variable  # for it, in the steps after it


def _is_divisor(node: Node) -> bool:
    """Tell whether a node is written after a division sign."""
    if not isinstance(node, Call) or node.function.name != "power":
        return False
    exponent = node.args[1].value if isinstance(node.args[1], Constant) else 0
    return isinstance(exponent, int | Fraction) and exponent < 0


def _is_wrapper(node: Node) -> bool:
    """Tell whether a node is another one times a number, or with its axes in another order."""
    if isinstance(node, Add):
        return len(node.terms) == 1
    return isinstance(node, Einsum) and node.is_view and len(node.operands) == 1


def _is_turned(node: Node) -> bool:
    """Tell whether a wrapper has the axes of what is in it, and no others."""
    if not isinstance(node, Einsum):
        return True
    (labels,) = node.subscripts
    return sorted(labels) == sorted(node.output) and not node.loose


def _in_order(root: Node, variables: Sequence[Variable]) -> list[Node]:
    """List all nodes, children first, and those that are printed first before others."""
    first: dict[Node, int] = {v: k for k, v in enumerate(variables)}
    for node in topological([root]):
        inside = [first[child] for child in children(node)]
        first[node] = min([first.get(node, len(variables)), *inside])

    def place(node: Node) -> tuple[bool, int, str]:
        return _is_divisor(node), first[node], node.function.name if isinstance(node, Call) else ""

    return topological([root], lambda node: tuple(sorted(children(node), key=place)))


def _named(order: Sequence[Node]) -> list[Node]:
    """Choose the nodes that become steps: operations, but no numbers, views and divisors."""
    root = order[-1]
    uses = use_counts([root])
    parents = {child: node for node in order for child in children(node)}
    written: set[Node] = set()  # inside of the step that they are part of
    for node in order:
        if isinstance(node, Variable):
            if node.derivative is None:
                written.add(node)
        elif isinstance(node, Constant | Delta) or not children(node):
            written.add(node)
        elif _is_wrapper(node):
            (inner,) = children(node)
            if inner not in written and uses[inner] == 1 and _is_turned(node):
                written.add(inner)
            else:
                written.add(node)
        elif _is_divisor(node) and uses[node] == 1 and isinstance(parents.get(node), Einsum):
            written.add(node)
    return [node for node in order[:-1] if node not in written]


def _parts(
    root: Node, variables: Sequence[Variable], name: str, by: Variable | None
) -> list[_Part]:
    """Take an expression apart; the last part is itself.

    Where there is a variable, steps that change with it stand for functions of it.
    """
    order = _in_order(root, variables)
    names = [name, *(v.name for v in variables)]
    chosen = _named(order)
    if len(chosen) >= MOST_STEPS:
        raise SizeError(
            page(
                f"the table would have {len(chosen) + 1} steps, and it has at most {MOST_STEPS}",
                action="make a table of a part of the function",
            )
        )
    stem = next(
        stem
        for stem in chain("vwuzsh", (f"v{k}_" for k in count()))
        if not any(re.fullmatch(rf"{stem}\d+", other) for other in names)
    )
    active: set[Node] = set()
    for node in topological([root], dependencies):
        if node is by or any(child in active for child in dependencies(node)):
            active.add(node)
    place = {node: k for k, node in enumerate(chosen, 1)}
    shown: dict[Node, Node] = {}
    parts = []
    for node in order:
        local = rebuilt(node, shown)
        shown[node] = local
        if node in place:
            of = [by] if by is not None and node in active else []
            stands = variable(f"{stem}{place[node]}", node.shape, of=of)
            parts.append(_Part(stands.name, node, local, stands))
            shown[node] = stands
    stands = variable(name, root.shape)
    return [*parts, _Part(name, root, shown[root], stands)]


def _variables(root: Node, arguments: Iterable[Variable], last: Variable | None) -> list[Variable]:
    """List the variables in the order of the user, those that others are functions of first."""
    inside = [v for v in topological([root], dependencies) if isinstance(v, Variable)]
    inside = [v for v in inside if v.derivative is None]
    wanted = {*inside} | ({last} if last is not None else set())
    known = [v for v in arguments if v in wanted]
    known += [v for v in inside if v not in known]
    ordered = topological(known, lambda node: getattr(node, "of", ()))
    return [v for v in ordered if isinstance(v, Variable) and v in wanted]


def _axes(node: Node, letters: Letters, used: Iterable[str]) -> tuple[str, ...]:
    """Choose letters for the axes of a step: the user's, where they are not taken."""
    taken = set(used)
    found = []
    for axis in range(len(node.shape)):
        letter = first_unused(_spellings(node, axis, letters), taken)
        taken.add(letter)
        found.append(letter)
    return tuple(found)


def _spellings(node: Node, axis: int, letters: Letters) -> Iterator[str]:
    """Yield the letters that the user gave to an axis of what a step is made of."""
    stack = [(node, axis)]
    while stack:
        part, at = stack.pop()
        below: list[tuple[Node, int]] = []
        if isinstance(part, Variable):
            base, _ = part.derivative or (part, ())
            for axes in letters.of.get(base.name, ()):
                yield from axes[at : at + 1]
        elif isinstance(part, Einsum):
            below = [
                (operand, k)
                for operand, labels in zip(part.operands, part.subscripts, strict=True)
                for k, label in enumerate(labels)
                if label == part.output[at]
            ]
        elif isinstance(part, Call) and at >= len(part.batch):
            below = [(arg, at) for arg in part.args if len(arg.shape) == len(part.shape)]
        else:
            below = [(child, at) for child in children(part) if at < len(child.shape)]
        stack.extend(reversed(below))


def _equation(left: str, right: str) -> str:
    return left if left == right else f"{left} = {right}"


def _substituted(node: Node, known: Mapping[Node, Node]) -> Node:
    """Put expressions in place of variables."""
    done: dict[Node, Node] = {}
    for part in topological([node]):
        done[part] = known[part] if part in known else rebuilt(part, done)
    return done[node]


def _root_name(heading: Heading, names: Collection[str]) -> str:
    """Name the function in its table: a derivative gets a name of its own."""
    if heading.wrt:
        return first_unused("ghuw", names)
    return first_unused([heading.name, *"fghuw"], names)


def forward_steps(
    expr: Node,
    heading: Heading,
    letters: Letters,
    arguments: Sequence[Variable],
    by: Variable,
    by_axes: Sequence[str],
) -> list[Step]:
    """Differentiate a function step by step, from its variables to itself.

    Parameters
    ----------
    expr
        The function.
    heading
        Its name, and the letters of its axes.
    letters
        The user's letters.
    arguments
        The variables in the order of the user.
    by
        What is differentiated by.
    by_axes
        The letters of its axes in derivatives.

    Returns
    -------
    list of Step
        First the variables, last the function.

    Raises
    ------
    SizeError
        There are too many steps.
    """
    own = _variables(expr, arguments, by)
    name = _root_name(heading, [v.name for v in own])
    parts = _parts(expr, own, name, by)
    variables = [_Part(v.name, v, v, v) for v in own]
    known: dict[Node, Node] = {}
    for v in own:
        letters = letters.with_axes(v.name, *letters.of.get(v.name, ()))
    steps = []
    used = frozenset(by_axes)
    for k, part in enumerate([*variables, *parts]):
        is_variable = k < len(variables)
        is_last = part is parts[-1]
        axes = heading.letters if is_last else _axes(part.local, letters, used)
        letters = letters.with_axes(part.name, axes)
        (local,) = derivatives(part.local, [by])
        derivative = _substituted(local, known)
        if not is_variable:
            known[part.stands] = part.node
            if part.stands.of:
                known[partial(part.stands, by)] = derivative
        below = Heading(part.name, axes, ((by.name, tuple(by_axes)),))
        rule = normal_text(local, (*axes, *by_axes), letters)
        steps.append(
            Step(
                part.name,
                _definition(part, axes, letters, is_variable),
                _equation(format_heading(below), rule),
                part.node,
                derivative,
            )
        )
    return steps


def _definition(part: _Part, axes: tuple[str, ...], letters: Letters, is_variable: bool) -> str:
    left = indexed(part.name, axes)
    if is_variable:
        of = part.stands.of
        return f"{left}({', '.join(v.name for v in of)})" if of else left
    ranged, right = normal_sides(part.local, Heading(part.name, axes), letters)
    return _equation(ranged if axes else left, right)


def _barred(name: str, taken: Collection[str]) -> str:
    """Write a bar over a name.

    >>> _barred("x1", ()) == "x\u03041"
    True
    """
    found = normalize("NFC", re.sub(r"([^\W\d_])", "\\1\u0304", name))
    while found in taken:
        found += "ʹ"
    return found


def reverse_steps(
    expr: Node,
    heading: Heading,
    letters: Letters,
    arguments: Sequence[Variable],
    last: Variable | None = None,
    last_axes: Sequence[str] = (),
) -> list[Step]:
    """Differentiate a function by all that it is made of, from itself to its variables.

    Parameters
    ----------
    expr, heading, letters, arguments
        As for `forward_steps`.
    last
        The variable whose adjoint comes last.
    last_axes
        The letters of its axes in derivatives.

    Returns
    -------
    list of Step
        First the function, last the variables.

    Raises
    ------
    SizeError
        There are too many steps.
    """
    every_variable = own = _variables(expr, arguments, last)
    if last is not None:  # the adjoints of what it is a function of would come after it
        above = topological([last], dependencies)
        own = [last, *(v for v in own if v not in above)]
    name = _root_name(heading, [v.name for v in every_variable])
    parts = _parts(expr, every_variable, name, None)
    codomain = expr.shape
    outer = heading.letters
    for v in own:
        letters = letters.with_axes(v.name, *letters.of.get(v.name, ()))
    own_axes: dict[str, tuple[str, ...]] = {}
    every = [*(_Part(v.name, v, v, v) for v in own), *parts]
    for part in every:
        own_axes[part.name] = outer if part is parts[-1] else _axes(part.local, letters, ())
        letters = letters.with_axes(part.name, own_axes[part.name])
    bars: dict[str, Variable] = {}
    for part in every:
        taken = {p.name for p in every}.union(v.name for v in bars.values())
        bars[part.name] = variable(_barred(part.name, taken), codomain + part.node.shape)
    # Bars come first in products: v̄1 = v̄2 cos(v1).
    order = Letters(dict.fromkeys((bar.name for bar in bars.values()), ()))
    letters = order.joined(letters)
    # What stands for a variable that is a function of others, so that only it is meant.
    alone: dict[Node, Node] = {
        part.stands: variable(part.name, part.node.shape, part.stands.symmetric)
        for part in every
        if part.stands.of
    }
    back: dict[Node, Node] = {stands: v for v, stands in alone.items()}
    terms: dict[str, list[Node]] = {part.name: [] for part in every}
    nodes: dict[Node, Node] = {part.stands: part.node for part in parts}
    labels = range(len(codomain))
    seed = einsum([], [], (*labels, *labels), dict(enumerate(codomain)))
    terms[parts[-1].name].append(seed)
    steps = []
    for part in reversed(every):
        shape = codomain + part.node.shape
        adjoint = add([(1, term) for term in terms[part.name]], shape)
        bar = bars[part.name]
        inner = tuple(last_axes) if part.stands is last else _axes(part.local, letters, outer)
        axes = (*outer, *inner)
        text = normal_text(adjoint, axes, letters)
        value = _substituted(adjoint, nodes)
        nodes[bar] = value
        is_variable = part in every[: len(own)]
        steps.append(
            Step(
                part.name,
                _definition(part, own_axes[part.name], letters, is_variable),
                _equation(indexed(bar.name, axes), text),
                part.node,
                value,
            )
        )
        local = _substituted(part.local, alone) if not is_variable else part.local
        below = [v for v in topological([local]) if isinstance(v, Variable)]
        if is_variable:
            below = list(part.stands.of)
        elif isinstance(part.local, Variable) and part.local.derivative is not None:
            local, below = part.local, list(part.local.of)
        found = derivatives(local, below, bar) if below else ()
        for v, term in zip(below, found, strict=True):
            real = back.get(v, v)
            assert isinstance(real, Variable)
            # What `last` is a function of has no row: no way leads from it back to `last`.
            if real.name in terms and not is_zero(term):
                terms[real.name].append(_substituted(term, back))
    return steps


def steps_table(
    title: str,
    steps: Sequence[Step],
    what: str,
    names: Sequence[str],
    values: Sequence[tuple[tuple[Any, str], tuple[Any, str]]] | None = None,
    notes: Sequence[str] = (),
) -> Table:
    """Make the table of forward or of reverse mode.

    Parameters
    ----------
    title
        What it shows.
    steps
        Its rows.
    what
        What the rules are called: derivatives or adjoints.
    names
        The names of the variables.
    values
        For each row the value and the value of the rule, each as data and as text.
    notes
        What is said below.

    Returns
    -------
    Table
        With columns for numbers if there are values.

    Examples
    --------
    >>> x = variable("x", ())
    >>> steps = reverse_steps(x, Heading("f", ()), Letters(), [x])
    >>> steps_table("", steps, "adjoint", ["x"])
    step   adjoint
    ─────  ───────
    f = x  f̄ = 1
    x      x̄ = f̄
    """
    columns = [Column("step", "formula"), Column(what, "formula")]
    rows: list[tuple[Any, ...]] = [(step.definition, step.rule) for step in steps]
    cells: list[tuple[Cell, ...]] = [(step.definition, step.rule) for step in steps]
    if values is not None:
        columns = [columns[0], Column("value", "number"), columns[1], Column("its value", "number")]
        pairs = list(zip(steps, values, strict=True))
        rows = [(s.definition, a, s.rule, b) for s, ((a, _), (b, _)) in pairs]
        cells = [(s.definition, a, s.rule, b) for s, ((_, a), (_, b)) in pairs]
    known = (*names, *(step.name for step in steps))
    return Table(title, tuple(columns), tuple(rows), tuple(cells), tuple(notes), names=known)


# --- shapes -----------------------------------------------------------------------------------

_KINDS = ("scalar", "vector", "matrix", "tensor")
#: Sizes of the axes of a function and of a variable.
_SIZES = (("m", "k", "l"), ("n", "p", "q"))


def kind_of(rank: int) -> str:
    """Say what an array of so many axes is called.

    >>> kind_of(0), kind_of(5)
    ('scalar', 'tensor')
    """
    return _KINDS[min(rank, 3)]


def sizes_text(shape: Sequence[Size]) -> str:
    """Write a shape: ``(m, 3)``, ``(n,)``.

    >>> sizes_text(("m", 3)), sizes_text(("n",)), sizes_text(())
    ('(m, 3)', '(n,)', '()')
    """
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def product_text(shape: Sequence[Size]) -> str:
    """Write the number of entries: ``mn``, ``6``.

    >>> (
    ...     product_text(("m", "n")),
    ...     product_text((2, 3)),
    ...     product_text((2, "rows", "n")),
    ... )
    ('mn', '6', '2·rows·n')
    >>> product_text(())
    '1'
    """
    number = prod(size for size in shape if isinstance(size, int))
    names = [size for size in shape if isinstance(size, str)]
    if number == 0:
        return "0"
    parts = [str(number)] * (number != 1 or not names) + names
    is_short = all(len(part) == 1 and part.isalpha() for part in parts)
    return "".join(parts) if is_short else "·".join(parts)


def matrix_shape_text(rows: Sequence[Size], columns: Sequence[Size]) -> str:
    """Write the shape of a matrix: ``m × np``.

    >>> matrix_shape_text(("m",), ("n", "p"))
    'm × np'
    """
    return f"{product_text(rows)} × {product_text(columns)}"


def shapes_table(
    name: str, codomain: Shape, wrt: str, domain: Shape, operands: Iterable[tuple[str, Shape]]
) -> Table:
    """Make the table of the shapes of derivatives, with one of them pointed out.

    Parameters
    ----------
    name, codomain
        The function, and its shape.
    wrt, domain
        The variable, and its shape.
    operands
        All variables with their shapes.

    Returns
    -------
    Table
        With a row for each kind of function and a column for each kind of variable.

    Examples
    --------
    >>> shapes_table("f", ("m",), "A", ("m", "n"), [("A", ("m", "n")), ("x", ("n",))])[1]
    ('vector (m,)', ('m',), ('m', 'n'), ('m', 'n', 'p'), ('m', 'n', 'p', 'q'))
    """
    columns = [Column("function \\ variable")]
    columns += [
        Column(f"{kind} {_tight(_SIZES[1][:k])}" if k else kind) for k, kind in enumerate(_KINDS)
    ]
    rows, cells = [], []
    for j, kind in enumerate(_KINDS):
        above = _SIZES[0][:j]
        head = f"{kind} {_tight(above)}" if j else kind
        shapes = [above + _SIZES[1][:k] for k in range(4)]
        rows.append((head, *shapes))
        cells.append(
            (
                head,
                *(
                    f"{_tight(shape)}\n{matrix_shape_text(above, shape[j:])}\n"
                    f"{matrix_shape_text(shape[j:], above)}"
                    for shape in shapes
                ),
            )
        )
    whole = codomain + domain
    shown = ", ".join(f"{operand} {sizes_text(shape)}" for operand, shape in operands)
    notes = (
        "In each cell: the shape, axes of the function first; then that of the matrix in numerator "
        "layout, and in denominator layout.",
        f"▸ here: {name} is a {kind_of(len(codomain))} {sizes_text(codomain)}, "
        f"{wrt} is a {kind_of(len(domain))} {sizes_text(domain)}; "
        f"the derivative has shape {sizes_text(whole)}, and as a matrix "
        f"{matrix_shape_text(codomain, domain)} in numerator layout, "
        f"{matrix_shape_text(domain, codomain)} in denominator layout.",
        f"Variables: {shown}.",
    )
    mark = (min(len(codomain), 3), 1 + min(len(domain), 3))
    title = "Shapes of derivatives"
    return Table(title, tuple(columns), tuple(rows), tuple(cells), notes, frozenset({mark}))


def _tight(shape: Sequence[Size]) -> str:
    return sizes_text(shape).replace(", ", ",")


def layouts_table(
    title: str,
    heading: Heading,
    shape: Shape,
    domain: int,
    blocks: Sequence[tuple[Any, Block]] | None = None,
    notations: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> Table:
    """Make the table of the matrices of one derivative, by layout and vec order.

    Parameters
    ----------
    title
        What it shows.
    heading
        The left-hand side, with a letter for each axis.
    shape
        The sizes of all axes.
    domain
        How many of them, the last ones, are those of the variable.
    blocks
        For each row the matrix, as data and as text; left out if there are no values.
    notations
        For each row the matrix in matrix notation, if there is one.
    notes
        What is said below.

    Returns
    -------
    Table
        With four rows.

    Examples
    --------
    >>> layouts_table("", Heading("f", ("i",), (("A", ("p", "q")),)), ("m", "m", "n"), 2)
    layout       vec order  shape   rows           columns
    ───────────  ─────────  ──────  ─────────────  ─────────────
    numerator    C          m × mn  i              pq, q fastest
    numerator    F          m × mn  i              pq, p fastest
    denominator  C          mn × m  pq, q fastest  i
    denominator  F          mn × m  pq, p fastest  i
    """
    split = len(shape) - domain
    sides = [(heading.letters[:split], shape[:split]), (heading.letters[split:], shape[split:])]
    columns = [
        Column("layout"),
        Column("vec order"),
        Column("shape"),
        Column("rows"),
        Column("columns"),
    ]
    rows: list[tuple[Any, ...]] = []
    for layout, (rows_of, columns_of) in (("numerator", sides), ("denominator", sides[::-1])):
        for order in "CF":
            texts = [_fastest(letters, order) for letters, _ in (rows_of, columns_of)]
            rows.append((layout, order, matrix_shape_text(rows_of[1], columns_of[1]), *texts))
    if notations is not None:
        columns.append(Column("matrix notation"))
        rows = [(*row, notation) for row, notation in zip(rows, notations, strict=True)]
    cells: list[tuple[Cell, ...]] = list(rows)
    if blocks is not None:
        columns.append(Column("values", "block"))
        rows = [(*row, data) for row, (data, _) in zip(rows, blocks, strict=True)]
        cells = [(*row, text) for row, (_, text) in zip(cells, blocks, strict=True)]
    said = []
    if split < 2 and domain < 2:
        said.append("With one axis on each side at most, both vec orders are the same.")
    return Table(title, tuple(columns), tuple(rows), tuple(cells), (*said, *notes))


def _fastest(letters: Sequence[str], order: str) -> str:
    """Say which index runs fastest where several become one."""
    if not letters:
        return "(only one)"
    text = "".join(letters) if all(len(a) == 1 for a in letters) else ", ".join(letters)
    return f"{text}, {letters[-1 if order == 'C' else 0]} fastest" if len(letters) > 1 else text
