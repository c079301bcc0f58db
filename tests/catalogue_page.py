r"""The catalogue of formulas as a page of the documentation, and as a page to look at.

``python -m tests.catalogue_page`` writes ``docs/catalogue.md`` from the rows of
`tests.catalogue_rows`. ``python -m tests.catalogue_page --html FILE`` writes a page with every
LaTeX string of every row, its derivation and its cases included, which KaTeX typesets in a browser,
in its strict mode; a string that it does not take is shown in red. KaTeX is the npm package
``katex``, in a folder ``node_modules`` that ``--katex`` or `NODE_PATH` names.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

import einsdiff as ed
from einsdiff.display.index.latex import aligned, index_terms, wrapped
from tests.catalogue_rows import ROWS, Row, called
from tests.test_catalogue import symbols_of

PAGE = Path(__file__).resolve().parent.parent / "docs" / "catalogue.md"

#: The sections of the catalogue, by the letter that its numbers begin with.
SECTIONS = {
    "A": "Index rules",
    "B": "Vectors and quadratic forms",
    "C": "Entry by entry, broadcasting, stacking",
    "D": "Scalar calculus and the chain rule",
    "E": "Matrices",
    "F": "Losses and algorithms",
}

#: Index notation is not shown if it is longer, and sums that are wider have several lines.
MOST_TEXT = 150
WIDTH = 40

INTRODUCTION = """\
<!-- Written by `python -m tests.catalogue_page`; a test compares. -->

# Catalogue of formulas

The formulas of matrix and tensor calculus that most courses and papers use, as einsdiff prints
them. Each is a test: the derivative is compared with a closed form, with differences, and with JAX;
the matrix notation is evaluated by a reader of its own and compared with the array.

In each row stands the function, and below it its derivative. Matrices are in numerator layout with
vec order C, unless what is in brackets says otherwise; see [the
conventions](conventions.md#layouts), and [the signs](reading.md#matrix-notation). Tensors are
symbols here, with the sizes m, n, .. unless the formula needs numbers. Indices count from 0.
"""

TABLE = """\
| no. | index notation | matrix notation |
|---|---|---|
"""


#: What is said of a matrix if it is nothing special.
USUAL = ("", "numerator layout, vec order C", "Hessian, vec order C")


@dataclass(frozen=True)
class Entry:
    """A row, its function and its derivative, of symbols.

    Attributes
    ----------
    row
        The row.
    function, derivative
        The tensors.
    """

    row: Row
    function: ed.Tensor
    derivative: ed.Tensor


@cache
def entries() -> tuple[Entry, ...]:
    """Differentiate the function of each row."""
    found = []
    for row in ROWS:
        function = called(row.build, symbols_of(row))
        derivative = ed.grad(function, wrt=row.wrt, order=row.order)
        found.append(Entry(row, function, derivative))
    return tuple(found)


# --- the page of the documentation ------------------------------------------------------------


def page() -> str:
    """Write the catalogue in Markdown, one table for each section."""
    parts = [INTRODUCTION]
    for letter, title in SECTIONS.items():
        lines = [line_of(entry) for entry in entries() if entry.row.id[0] == letter]
        parts.append(f"## {letter}. {title}\n\n{TABLE}" + "".join(f"{line}\n" for line in lines))
    return "\n".join(parts)


def line_of(entry: Entry) -> str:
    """Write one line of a table."""
    row = entry.row
    tensors = (entry.function, entry.derivative)
    cells = [
        [row.id, *([row.title] if row.title else []), *declared(row)],
        map(index_line, tensors),
        map(matrix_line, tensors),
    ]
    return f"| {' | '.join(map('<br>'.join, cells))} |"


def declared(row: Row) -> Iterator[str]:
    """Say what is known of the variables beyond their shapes."""
    for name in row.symmetric:
        yield f"{name} symmetric"
    for name, inner in row.of.items():
        yield f"{name} of {inner}"


def index_line(tensor: ed.Tensor) -> str:
    """Write index notation, or how long it would be."""
    if len(str(tensor)) > MOST_TEXT:
        return f"{len(str(tensor))} letters long"
    left, terms = index_terms(str(tensor), tensor.names)
    lines = wrapped(terms, WIDTH)
    return math(tensor.latex() if len(lines) == 1 else aligned([(left, lines)]))


def matrix_line(tensor: ed.Tensor) -> str:
    """Write matrix notation with what is unusual about it, or why there is none."""
    text = tensor.format("matrix")
    _, is_missing, reason = text.partition("  (no matrix form: ")
    if is_missing:
        return f"none: {reason.removesuffix(')')}"
    note = text.rpartition("  (")[2].removesuffix(")") if "  (" in text else ""
    shown = math(tensor.latex("matrix"))
    return shown if note in USUAL else f"{shown} ({note})"


def math(latex: str) -> str:
    r"""Write LaTeX for a cell of a table in Markdown, where a bar would end the cell.

    >>> math(r"\left\|x\right\|^2 |y|")
    '$\\displaystyle \\left\\Vert x\\right\\Vert ^2 \\vert y\\vert $'
    """
    for sign, name in ((r"\|", r"\Vert "), ("|", r"\vert "), ("\n", " ")):
        latex = latex.replace(sign, name)
    return rf"$\displaystyle {latex}$"


# --- the page to look at ----------------------------------------------------------------------


def formulas_of(entry: Entry) -> Iterator[tuple[str, str]]:
    """List all that a row has in LaTeX, each with what it is."""
    for name, tensor in (("function", entry.function), ("derivative", entry.derivative)):
        yield f"{name}, index", tensor.latex()
        yield f"{name}, matrix", tensor.latex("matrix")
    for block in entry.derivative.explain().latex().split("\n\n"):
        yield "derivation", block
    yield "cases", entry.derivative.cases().latex()


HTML = """\
<!doctype html>
<meta charset="utf-8">
<title>Catalogue of formulas</title>
<link rel="stylesheet" href="{katex}/katex.min.css">
<script src="{katex}/katex.min.js"></script>
<style>
body {{ font: 15px sans-serif; margin: 1em 2em; }}
h2 {{ margin: 1.5em 0 .3em; }}
h3 {{ margin: 1em 0 0; border-top: 1px solid #ccc; padding-top: .3em; }}
div.of {{ display: flex; align-items: center; gap: 1em; margin: .6em 0; }}
div.of > small {{ width: 9em; color: #777; flex: none; }}
.katex-display {{ margin: 0 !important; text-align: left !important; }}
.katex-display > .katex {{ text-align: left !important; }}
.error {{ color: #b00; }}
</style>
<h1>Catalogue of formulas</h1>
<p id="count"></p>
{body}
<script>
const formulas = {formulas};
let wrong = 0;
document.querySelectorAll("span[data-k]").forEach((place) => {{
  const formula = formulas[place.dataset.k];
  try {{
    katex.render(formula, place, {{ displayMode: true, strict: "error", throwOnError: true }});
  }} catch (error) {{
    wrong += 1;
    place.className = "error";
    place.textContent = error.message + " -- " + formula;
  }}
}});
document.getElementById("count").textContent =
  formulas.length + " formulas, " + wrong + " that KaTeX does not take";
</script>
"""


def html_page(katex: Path, prefixes: Sequence[str] = ("",)) -> str:
    """Write a page with all formulas of the rows whose numbers begin with one of the prefixes."""
    body: list[str] = []
    formulas: list[str] = []
    section = ""
    for entry in entries():
        row = entry.row
        if not row.id.startswith(tuple(prefixes)):
            continue
        if row.id[0] != section:
            section = row.id[0]
            body.append(f"<h2>{section}. {SECTIONS[section]}</h2>")
        body.append(f"<h3>{escape(str(row))}</h3>")
        for what, latex in formulas_of(entry):
            place = f'<span data-k="{len(formulas)}"></span>'
            body.append(f'<div class="of"><small>{what}</small>{place}</div>')
            formulas.append(latex)
    data = json.dumps(formulas).replace("<", r"\u003c")
    return HTML.format(katex=katex.as_uri(), body="\n".join(body), formulas=data)


def katex_folder(given: Path | None) -> Path:
    """Find KaTeX's files for browsers."""
    places = [given] if given else map(Path, os.environ.get("NODE_PATH", "").split(os.pathsep))
    for place in places:
        for folder in (place / "node_modules" / "katex", place / "katex", place):
            if (folder / "dist" / "katex.min.js").is_file():
                return (folder / "dist").resolve()
    sys.exit("KaTeX is not there: npm install katex, and give the folder node_modules as --katex")


# --- the command ------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page of the documentation, or the page to look at."""
    parser = argparse.ArgumentParser(prog="python -m tests.catalogue_page")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page to look at")
    parser.add_argument("--katex", type=Path, metavar="FOLDER", help="where node_modules is")
    parser.add_argument("--only", nargs="+", default=[""], metavar="ID", help="such as B or E12")
    options = parser.parse_args(arguments)
    if options.html is None:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        text = html_page(katex_folder(options.katex), options.only)
        options.html.write_text(text, encoding="utf-8")
    print(options.html or PAGE)


if __name__ == "__main__":
    main()
