"""KaTeX in its strict mode and mathtext take all LaTeX of the catalogue's derivatives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest

import einsdiff as ed
from tests.catalogue_rows import ROWS
from tests.display.index.test_latex import accepted_by_katex, accepted_by_matplotlib
from tests.test_catalogue import arrays_of, derivative, symbols_of, tensors_of

LAYOUTS = [(layout, order) for layout in (None, "numerator", "denominator") for order in ("C", "F")]


@cache
def derivatives() -> tuple[ed.Tensor, ...]:
    """Return the derivative of each row, with names only, and where it can be with arrays."""
    found = []
    for row in ROWS:
        found.append(derivative(row, "build", symbols_of(row)))
        if not row.of:
            found.append(derivative(row, "build", tensors_of(row, arrays_of(row))))
    return tuple(found)


def mathematics(markdown: str) -> Iterator[str]:
    """Yield what stands between dollar signs."""
    for block, inline in re.findall(r"\$\$\n(.*?)\n\$\$|\$([^$]+)\$", markdown, re.DOTALL):
        yield block or inline


@cache
def formulas(kind: str) -> tuple[str, ...]:
    found: list[str] = []
    for J in derivatives():
        if kind == "matrix":
            found += [J.latex("matrix", layout=a, order=b) for a, b in LAYOUTS]
        elif kind == "derivation":
            derivation = J.explain()
            found += derivation.latex().split("\n\n")
            found += mathematics(derivation.markdown())
        elif kind == "cases":
            found.append(J.cases().latex())
        elif kind == "tables":
            found += [J.table(name).latex() for name in ("forward", "reverse", "layouts")]
    return tuple(dict.fromkeys(found))


@pytest.mark.parametrize("kind", ["matrix", "derivation", "cases", "tables"])
def test_katex_takes_them(kind):
    assert len(formulas(kind)) > 100
    accepted_by_katex(list(formulas(kind)))


def lines(formula: str) -> Iterator[str]:
    """Part an environment into its lines, which mathtext has no environments for."""
    inside = re.sub(r"\\(begin|end)\{aligned\}", "", formula)
    for line in re.split(r"\\\\\n", inside):
        yield line.replace("&", "").strip()


@pytest.mark.parametrize("kind", ["matrix", "derivation"])
def test_matplotlib_takes_each_line(kind):
    found = [line for formula in formulas(kind) for line in lines(formula) if line]
    assert len(found) > 100
    accepted_by_matplotlib(list(dict.fromkeys(found)))
