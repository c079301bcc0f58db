"""What both ways to draw a network share: its panels, colours and marks."""

from __future__ import annotations

from dataclasses import dataclass

from einsdiff.display.network.network import Network, Vertex


@dataclass(frozen=True, slots=True)
class Panel:
    """A network with its formula."""

    network: Network
    caption: str  # the formula
    domain: frozenset[str] = frozenset()  # legs that point down: those of the last variable
    by: frozenset[str] = frozenset()  # all legs that differentiation left
    wrt: str = ""  # the operand that is differentiated by next, which is marked


def shortened(text: str, most: int) -> str:
    """Cut a text that is too long, and say so by dots."""
    return text if len(text) <= most else text[: most - 2].rstrip() + " …"


def broken(text: str, room: int, most: int) -> list[str]:
    """Break a text into lines, at most so many; what does not fit is left out with a sign."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1] + " …"]
    return [shortened(line, 2 * room) for line in lines]


#: Of light backgrounds and dark lines; blue and vermilion are told apart by everyone.
INK, BLUE, RED, GREY = "#1a1a1a", "#0072b2", "#c8500a", "#6b6b6b"


FILL = {"operand": "#dcebf6", "wrt": "#fbe0cf", "function": "#f4f4f4", "sum": "#ffffff"}


def _mark(vertex: Vertex, axis: int) -> str:
    """Choose the mark that tells an axis from the others: of a matrix, the first one has it."""
    if not vertex.is_ordered:
        return ""
    if len(vertex.axes) == 2:
        return "first" if axis == 0 else ""
    return str(axis)
