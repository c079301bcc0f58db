"""Diagrams: SVG and DOT of tensor networks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import combinations

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.display.network.diagram import Diagram, diagram
from einsdiff.display.network.network import Edge, Network, Term, Vertex, network
from einsdiff.display.network.palette import Panel
from tests.catalogue_rows import ROWS
from tests.display.network.test_network import every_network, formulas_of
from tests.extras import missing
from tests.test_catalogue import derivative, symbols_of

every_row = pytest.mark.parametrize("row", ROWS, ids=str)

SVG = "{http://www.w3.org/2000/svg}"


def diagram_of(row):
    return derivative(row, "build", symbols_of(row)).diagram()


def networks_of(row):
    return [
        network(formula.normal_form, formula.heading.letters, formula.letters)
        for formula in formulas_of(row)
    ]


def placed(svg):
    """Yield each element with the place that its groups move it to."""
    stack = [(ET.fromstring(svg), 0.0, 0.0)]
    while stack:
        element, x, y = stack.pop()
        move = re.match(r"translate\((\S+) (\S+)\)", element.get("transform", ""))
        if move:
            x, y = x + float(move[1]), y + float(move[2])
        yield element, x, y
        stack += [(child, x, y) for child in element]


def boxes(svg):
    """Return the rectangles of vertices: left, top, right, bottom."""
    found = []
    for element, x, y in placed(svg):
        if element.tag == SVG + "rect" and element.get("class"):
            left, top = x + float(element.get("x")), y + float(element.get("y"))
            right, bottom = (left + float(element.get("width")), top + float(element.get("height")))
            found.append((left, top, right, bottom))
    return found


def written(svg):
    return [e.text for e, _, _ in placed(svg) if e.tag == SVG + "text"]


# --- SVG --------------------------------------------------------------------------------------


@every_row
def test_the_picture_has_all_factors_dots_and_legs(row):
    svg = diagram_of(row).svg
    root = ET.fromstring(svg)
    parts = [part for net in networks_of(row) for part in every_network(net)]
    terms = [term for part in parts for term in part.terms]
    vertices = [vertex for term in terms for vertex in term.vertices]
    edges = [edge for term in terms for edge in term.edges]
    drawn = [element.get("class") for element in root.iter()]
    for kind in ("operand", "function", "sum", "relation"):
        assert drawn.count(kind) == sum(vertex.kind == kind for vertex in vertices)
    assert drawn.count("dot") == sum(edge.is_dot for edge in edges)
    assert drawn.count("leg") == sum(len(edge.legs) for edge in edges)
    texts = written(svg)
    for vertex in vertices:
        assert vertex.label in texts or not vertex.label


@every_row
def test_vertices_lie_apart_or_inside_of_each_other(row):
    for one, other in combinations(boxes(diagram_of(row).svg), 2):
        apart = one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]
        small, large = sorted((one, other), key=lambda box: box[2] - box[0])
        inside = (
            large[0] < small[0]
            and small[2] < large[2]
            and large[1] < small[1]
            and small[3] < large[3]
        )
        assert apart or inside


@every_row
def test_everything_is_inside_of_the_picture(row):
    svg = diagram_of(row).svg
    root = ET.fromstring(svg)
    width, height = float(root.get("width")), float(root.get("height"))
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    for left, top, right, bottom in boxes(svg):
        assert 0 < left < right < width
        assert 0 < top < bottom < height
    for element, x, y in placed(svg):
        if element.tag == SVG + "text":
            assert 4 < x + float(element.get("x")) < width - 4
            assert 4 < y + float(element.get("y")) < height - 2


@every_row
def test_letters_lie_apart(row):
    svg = diagram_of(row).svg
    at = [
        (x + float(e.get("x")), y + float(e.get("y")))
        for e, x, y in placed(svg)
        if e.tag == SVG + "text" and e.get("font-style") == "italic"
    ]
    for (x, y), (u, v) in combinations(at, 2):
        assert max(abs(x - u), abs(y - v)) > 7


def test_the_derivative_stands_beside_the_function():
    picture = ed.grad("ij,j->i", "A", "x", wrt="A").diagram()
    texts = written(picture.svg)
    assert {"f_i = A_ij x_j", "∂/∂A", "∂f_i/∂A_pq = δ_ip x_q"} <= set(texts)
    names = [text for text in texts if text in ("A", "x")]
    assert sorted(names) == ["A", "x", "x"]


def test_the_operand_that_is_differentiated_by_is_marked():
    svg = ed.grad("mp,mq->pq", "R", "R", wrt="R").diagram().svg
    fills = [e.get("fill") for e in ET.fromstring(svg).iter() if e.get("class") == "operand"]
    assert len(fills) == 4
    assert len(set(fills)) == 2
    legs = [e.get("stroke") for e in ET.fromstring(svg).iter() if e.get("class") == "leg"]
    assert len(legs) == 2 + 8
    assert len(set(legs)) == 2


def test_the_legs_of_the_variable_point_down():
    svg = ed.grad("ij,j->i", "A", "x", wrt="x").diagram().svg
    height = {}
    for element, _, y in placed(svg):
        if element.tag == SVG + "text":
            height.setdefault(element.text, []).append(y + float(element.get("y")))
    (p,) = height["p"]
    assert all(i < min(height["A"]) for i in height["i"])
    assert p > max(height["A"])


def test_a_matrix_is_told_from_its_transpose():
    one, other = (ed.parse(text).diagram().svg for text in ("f_ij = A_ij", "f_ij = A_ji"))
    marks = [re.findall(r'class="first" d="([^"]*)"', svg) for svg in (one, other)]
    assert [len(found) for found in marks] == [1, 1]
    assert marks[0] != marks[1]
    three = ed.parse("f_ijk = T_kij").diagram().svg
    assert sorted(text for text in written(three) if text.isdigit()) == ["0", "1", "2"]


def test_a_reader_of_the_screen_is_told_what_is_seen():
    root = ET.fromstring(ed.parse("A_ij x_j").diagram().svg)
    assert root.get("role") == "img"
    assert root.find(SVG + "title").text == "Tensor network of f_i = A_ij x_j"


def test_the_background_is_white_on_dark_pages_too():
    root = ET.fromstring(ed.parse("A_ij x_j").diagram().svg)
    background = root.find(SVG + "rect")
    assert (background.get("width"), background.get("fill")) == ("100%", "#ffffff")


def test_zero_and_numbers_are_written():
    assert "0" in written(ed.parse("x_i y_i - x_i y_i").diagram().svg)
    assert "2" in written(ed.grad("2 x + y", wrt="x").diagram().svg)


def test_long_sums_take_several_rows():
    f = ed.parse(" + ".join(f"x_i A{k}_ij y_j" for k in range(8)))
    root = ET.fromstring(f.diagram().svg)
    assert float(root.get("width")) < 1000


# --- names ------------------------------------------------------------------------------------

EVIL = '<script>alert("x")</script>&\'\\'


def evil():
    edges = (Edge((EVIL,), (0, 1), (0, 0), ()), Edge((EVIL,), (0,), (1,), (EVIL,)))
    vertices = (
        Vertex(EVIL, "operand", (EVIL, EVIL), is_ordered=True),
        Vertex(EVIL, "function", (EVIL,), (Network((), ()),), EVIL),
    )
    net = Network((Term(EVIL, vertices, edges),), (EVIL,))
    return diagram([Panel(net, EVIL, wrt=EVIL), Panel(net, EVIL)], EVIL)


def test_names_are_escaped():
    svg = evil().svg
    ET.fromstring(svg)
    assert "<script" not in svg
    assert EVIL in written(svg)


# --- DOT --------------------------------------------------------------------------------------

QUOTED = r'"(?:[^"\\]|\\.)*"'


def attributes(line):
    """Read the list of attributes at the end of a line of DOT."""
    found = re.fullmatch(rf"\s*[\w -]+ \[((?:\w+=(?:{QUOTED}|[\w.]+)(?:, )?)*)\];", line)
    assert found, line
    return dict(re.findall(rf"(\w+)=({QUOTED}|[\w.]+)", found[1]))


@every_row
def test_the_graph_has_all_legs_dots_and_names(row):
    dot = diagram_of(row).dot
    assert dot.count("{") == dot.count("}")
    nodes = [attributes(line) for line in dot.splitlines() if re.match(r"\s*n\d+ \[", line)]
    nets = networks_of(row)
    legs = sum(len(edge.legs) for net in nets for term in net.terms for edge in term.edges)
    assert sum(node.get("class") == '"leg"' for node in nodes) == legs
    terms = [term for net in nets for part in every_network(net) for term in part.terms]
    dots = sum(edge.is_dot for term in terms for edge in term.edges)
    assert sum(node.get("class") == '"dot"' for node in nodes) == dots
    labels = [node.get("label", "").strip('"') for node in nodes]
    for net in nets:
        assert all((v.label or "( )") in labels for v in net.vertices())
    used = set(re.findall(r"\bn\d+\b", dot))
    assert used == {line.split()[0] for line in dot.splitlines() if re.match(r"\s*n\d+ \[", line)}


def test_graphviz_reads_all_of_them():
    program = shutil.which("dot") or missing("Graphviz")
    graphs = "".join(diagram_of(row).dot for row in ROWS) + evil().dot
    found = subprocess.run([program, "-Tcanon"], input=graphs, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert not found.stderr
    assert found.stdout.count("graph einsdiff") == len(ROWS) + 1


def test_the_graph_has_coefficients_and_tells_axes_apart():
    dot = ed.parse("f_ij = A_ij - 2 A_ji + 1/3 T_kijk").diagram().dot
    assert {'label="− 2"', 'label="+ 1/3"'} <= set(re.findall(r'label="[^"]*"', dot))
    assert sorted(re.findall(r'(?:tail|head)label="(.)"', dot)) == list("000123")


def test_quotation_marks_cannot_end_a_name():
    for line in evil().dot.splitlines():
        assert re.sub(QUOTED, "", line).count('"') == 0


# --- diagrams ---------------------------------------------------------------------------------


def test_the_same_expression_is_drawn_the_same_in_every_process():
    program = (
        "import einsdiff as ed, numpy as np\n"
        "X = ed.tensor('X', 'nn')\n"
        "for t in (ed.grad(np.linalg.inv(X), wrt=X),\n"
        "          ed.hessian('(T_ij - U_ik V_jk) (T_ij - U_il V_jl)', wrt='U'),\n"
        "          ed.grad('f_i = exp(A_ij x_j) / (y_k y_k + z_i)', wrt='x')):\n"
        "    print(t.diagram().svg, t.diagram().dot)\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert next(iter(found)).count(b"<svg") == 3


def test_a_diagram_shows_itself():
    picture = ed.parse("A_ij x_j").diagram()
    assert isinstance(picture, Diagram)
    assert picture._repr_svg_() == picture.svg
    assert str(picture) == picture.dot
    assert repr(picture) == "<Diagram: f_i = A_ij x_j>"
    assert picture == ed.parse("A_ij x_j").diagram()


@pytest.mark.parametrize(("suffix", "kind"), [("svg", "svg"), ("dot", "dot"), ("gv", "dot")])
def test_a_diagram_is_saved_by_the_end_of_the_name(tmp_path, suffix, kind):
    picture = ed.grad("A_ij x_j", wrt="A").diagram()
    path = tmp_path / f"picture.{suffix}"
    picture.save(path)
    assert path.read_text(encoding="utf-8") == getattr(picture, kind)
    picture.save(str(path))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ed.OperandError, match=r"name the file picture\.svg or picture\.dot"):
        ed.parse("A_ij x_j").diagram().save(tmp_path / "picture.png")
    assert not list(tmp_path.iterdir())


def test_a_very_large_expression_is_summarised():
    x = ed.tensor("x", 3)
    for _ in range(10_000):
        x = np.tanh(x)
    picture = x.diagram()
    assert len(picture.svg) < 10**5
    ET.fromstring(picture.svg)
    assert any(re.fullmatch(r"… [\d,]+ factors", text) for text in written(picture.svg))
    assert len(repr(picture)) < 200
