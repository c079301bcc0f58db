"""A table, and how it is written: as text, Markdown, LaTeX and HTML."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from textwrap import wrap
from typing import Any, Literal
from unicodedata import combining, east_asian_width

from einsdiff.display.html import formula_html
from einsdiff.display.index.latex import index_latex
from einsdiff.display.index.latex_names import latex_number, latex_text
from einsdiff.errors import EinsdiffError

#: Text is at most so wide, where it can be.
WIDTH = 80


#: A column that is wrapped is at least so wide, and as its longest word up to so many signs.
LEAST_WIDTH, LONGEST_WORD = 12, 40


#: A cell has at most so many lines; of what is longer it is said how much was cut.
MOST_LINES = 8


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    #: Formulas are in index notation; a block is a matrix, which text shows below its row.
    kind: Literal["formula", "text", "number", "block"] = "text"


@dataclass(frozen=True, slots=True)
class Block:
    """A matrix of numbers as text.

    Examples
    --------
    >>> print(Block((("1", "-2"), ("10", "4"))))
    [  1  -2 ]
    [ 10   4 ]
    """

    rows: tuple[tuple[str, ...], ...]  # ``…`` for entries that were cut

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

    def _written(self, write: Callable[[Cell, str], str], mark: str) -> list[list[str]]:
        """Write the cells, by their kinds, and mark those that are pointed out."""
        return [
            [
                mark.format(write(cell, c.kind)) if (j, k) in self.marked else write(cell, c.kind)
                for k, (cell, c) in enumerate(zip(row, self.columns, strict=True))
            ]
            for j, row in enumerate(self.cells)
        ]

    def markdown(self) -> str:
        """Write it in Markdown, with formulas in LaTeX between dollar signs."""

        def shown(cell: Cell, kind: str) -> str:
            if kind == "formula" or isinstance(cell, Block):
                text = _cell_latex(cell, kind, self.names).replace("|", r"\vert ")
                return f"${text}$".replace("\n", " ") if text else ""
            return _markdown_text(cell)

        lines = [[_markdown_text(column.name) for column in self.columns]]
        lines += self._written(shown, "**{}**")
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
        cells = self._written(
            lambda cell, kind: _cell_latex(cell, kind, self.names), r"\boxed{{{}}}"
        )
        body = " \\\\[5pt]\n".join(map(" & ".join, cells))  # so that fractions do not touch
        letters = "l" * len(self.columns)
        return f"\\begin{{array}}{{{letters}}}\n{head} \\\\ \\hline\n{body}\n\\end{{array}}"

    def _repr_html_(self) -> str:
        style = "text-align:left;vertical-align:top;padding:2px 1.2em 2px 0"
        mark = ";box-shadow:0 0 0 2px #0072b2"
        line = ";border-bottom:1px solid"
        head = "".join(f'<th style="{style}{line}">{escape(c.name)}</th>' for c in self.columns)
        cells = self._written(lambda cell, kind: f'">{_cell_html(cell, kind)}</td>', f"{mark}{{}}")
        rows = ("".join(f'<td style="{style}{cell}' for cell in row) for row in cells)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
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
