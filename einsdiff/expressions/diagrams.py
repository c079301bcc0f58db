"""The tensor networks of formulas, drawn."""

from __future__ import annotations

from einsdiff.display.network.diagram import Diagram, diagram
from einsdiff.display.network.network import network
from einsdiff.display.network.palette import Panel
from einsdiff.expressions.formula import Formula
from einsdiff.notation.trees import letters_of


def diagram_of(formula: Formula) -> Diagram:
    """Draw a tensor network; see `einsdiff.Tensor.diagram`."""
    own = _panel(formula)
    if formula.source is None:
        return diagram([own])
    function, by = formula.source
    return diagram([_panel(function, by.name), own], f"∂/∂{by.name}")


def _panel(formula: Formula, wrt: str = "") -> Panel:
    heading = formula.heading
    net = network(formula.normal_form, heading.letters, formula.letters)
    domain = heading.letters[len(heading.letters) - (formula.domain or 0) :]
    by = (letter for _, indices in heading.wrt for letter in letters_of(indices))
    return Panel(net, formula.text, frozenset(domain), frozenset(by), wrt)
