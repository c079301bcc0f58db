"""Networks in the language of Graphviz."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from einsdiff.display.network.network import Network, Term, Vertex
from einsdiff.display.network.palette import BLUE, FILL, GREY, INK, RED, Panel, _mark


def _quoted(text: str) -> str:
    r"""Write a text as DOT does: a quotation mark and a backslash are escaped.

    >>> print(_quoted('a "b"'))
    "a \"b\""
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def _dot(panels: Sequence[Panel], arrow: str) -> str:
    writer = _DotWriter()
    anchors = [writer.panel(panel) for panel in panels]
    for one, other in pairwise(anchors):  # an arrow, so that they stand side by side
        writer.line(f'{one} -- {other} [label={_quoted(arrow)}, dir=forward, color="{GREY}"]')
    head = [
        "graph einsdiff {",
        '  graph [rankdir=LR, labeljust=l, bgcolor=white, fontname="Helvetica", color=gray];',
        f'  node [fontname="Helvetica", color="{BLUE}", style=filled, '
        f'fillcolor="{FILL["operand"]}"];',
        f'  edge [fontname="Helvetica", color="{INK}"];',
    ]
    return "\n".join([*head, *writer.lines, "}", ""])


#: What hangs on a leg in DOT: its letter, and the vertices at its end with their marks.
_DotLegs = list[tuple[str, list[tuple[str, str]]]]


class _DotWriter:
    """Writes networks as clusters of a graph, each vertex with a name of its own."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.count = 0

    def line(self, text: str) -> None:
        self.lines.append(f"  {text};")

    def new(self, attributes: str) -> str:
        self.count += 1
        self.line(f"n{self.count} [{attributes}]")
        return f"n{self.count}"

    def words(self, text: str) -> str:
        return self.new(f"label={_quoted(text)}, shape=plaintext, fillcolor=white")

    def open(self, label: str, style: str) -> None:
        self.count += 1
        self.lines.append(f"  subgraph cluster_{self.count} {{")
        self.line(f"label={_quoted(label)}; style={_quoted(style)}")

    def close(self) -> None:
        self.lines.append("  }")

    def edge(self, end: tuple[str, str], to: str, label: str, more: str = "") -> None:
        """Write a line from an end of an index; the mark tells which axis of the vertex it is."""
        name, mark = end
        tail = f", taillabel={_quoted('0' if mark == 'first' else mark)}" if mark else ""
        self.line(f"{name} -- {to} [label={_quoted(label)}{tail}{more}]")

    def panel(self, panel: Panel) -> str:
        """Write a network with its legs under its formula; return the name of the formula."""
        self.open("", "rounded")
        caption = self.words(panel.caption)
        if not panel.network.terms:
            self.words("0")
        for legs in self.network(panel.network, panel):
            for letter, ends in legs:
                color = RED if letter in panel.by else INK
                leg = self.new(
                    f'label={_quoted(letter)}, shape=plaintext, fontcolor="{color}", '
                    'fillcolor=white, class="leg"'
                )
                for end in ends:
                    self.edge(end, leg, "", f', color="{color}"')
        self.close()
        return caption

    def network(self, net: Network, panel: Panel) -> list[_DotLegs]:
        """Write the terms, each in a cluster with its coefficient; return the legs of each."""
        found = []
        for k, term in enumerate(net.terms):
            sign = "" if k == 0 or term.coefficient.startswith("-") else "+ "
            text = (sign + term.coefficient.replace("-", "− ")).strip()
            is_number = not (term.vertices or term.edges)
            is_plain = len(net.terms) == 1 and (is_number or not text)
            if not is_plain:
                self.open("" if is_number else text, "dotted")
            if is_number:
                self.words(text if text.strip("+− ") else text + " 1")
            found.append(self.term(term, panel))
            if not is_plain:
                self.close()
        return found

    def term(self, term: Term, panel: Panel) -> _DotLegs:
        names = [self.vertex(vertex, panel) for vertex in term.vertices]
        legs: _DotLegs = []
        for edge in term.edges:
            ends = [
                (names[k], _mark(term.vertices[k], axis))
                for k, axis in zip(edge.ends, edge.axes, strict=True)
            ]
            if edge.is_dot:
                dot = self.new(
                    'label="", shape=point, width=0.12, color=black, fillcolor=black, class="dot"'
                )
                text = "" if edge.legs else ",".join(edge.letters)
                for k, end in enumerate(ends):
                    self.edge(end, dot, "" if k else text)
                legs += [(letter, [(dot, "")]) for letter in edge.legs]
            elif edge.legs:
                legs.append((edge.legs[0], ends))
            else:
                other, mark = ends[1]
                head = f", headlabel={_quoted('0' if mark == 'first' else mark)}" if mark else ""
                self.edge(ends[0], other, ",".join(edge.letters), head)
        return legs

    def vertex(self, vertex: Vertex, panel: Panel) -> str:
        """Write a factor; the legs of what is inside of a function's cluster end at its box."""
        if not vertex.inside:
            shape = {"relation": "diamond", "rest": "box"}.get(vertex.kind, "ellipse")
            is_wrt = vertex.kind == "operand" and vertex.label == panel.wrt
            mark = f', color="{RED}", fillcolor="{FILL["wrt"]}", penwidth=2' if is_wrt else ""
            return self.new(f"label={_quoted(vertex.label)}, shape={shape}{mark}")
        self.open("", "filled,rounded" if vertex.kind == "function" else "dashed,rounded")
        self.line(f'fillcolor="{FILL[vertex.kind]}"')
        label = vertex.label if vertex.kind == "function" else "( )"
        box = self.new(
            f'label={_quoted(label)}, shape=box, color="{GREY}", fillcolor="{FILL["function"]}"'
        )
        for net in vertex.inside:
            for legs in self.network(net, panel):
                last = f"n{self.count}"
                for letter, ends in legs:
                    for end in ends:
                        self.edge(end, box, letter)
                if not legs:  # a number, or an operand with all of its axes
                    self.line(f"{last} -- {box} [style=dotted]")
        self.close()
        return box
