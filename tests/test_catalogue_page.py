"""The page of the catalogue is what its program writes, and KaTeX takes all of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.catalogue_page import PAGE, SECTIONS, entries, formulas_of, html_page, main, math, page
from tests.catalogue_rows import ROWS
from tests.extras import katex_complaints

LINES = [line for line in page().splitlines() if re.match(r"\| [A-Z]\d", line)]


def cells(line):
    """Part a line of a table, as Markdown does: at each bar, there is none in a cell."""
    assert line.startswith("| ")
    assert line.endswith(" |")
    return [cell.strip() for cell in line[1:-1].split("|")]


def formulas(text):
    return re.findall(r"\$\\displaystyle (.*?)\$", text)


def test_the_page_is_what_the_program_writes():
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_row_stands_once_in_its_section():
    numbers = [cells(line)[0].split("<br>")[0] for line in LINES]
    assert numbers == [row.id for row in ROWS]
    assert [number[0] for number in numbers] == sorted(number[0] for number in numbers)
    assert {number[0] for number in numbers} == set(SECTIONS)
    titles = {tuple(cells(line)[0].split("<br>")[:2]) for line in LINES}
    assert {(row.id, row.title) for row in ROWS if row.title} <= titles


@pytest.mark.parametrize("line", LINES, ids=lambda line: cells(line)[0])
def test_a_row_has_function_and_derivative_or_says_why_there_is_no_matrix_form(line):
    number, index, matrix = cells(line)
    assert number
    function, derivative = index.split("<br>")
    if number.endswith("<br>through a vector"):  # longer than a page
        assert re.fullmatch(r"\d{3} letters long<br>\d{4} letters long", index)
    else:
        assert len(formulas(function)) == len(formulas(derivative)) == 1
        assert r"\partial" in derivative
    for part in matrix.split("<br>"):
        assert len(formulas(part)) == 1 or re.match(r"none: \w", part)


def test_what_is_unusual_about_a_matrix_is_said():
    (line,) = (line for line in LINES if cells(line)[0] == "A9")
    assert cells(line)[2].endswith("a b^{\\top}$ (in the shape of X)")
    (line,) = (line for line in LINES if cells(line)[0].startswith("B4"))
    assert cells(line)[0] == "B4<br>A symmetric"


def test_katex_takes_the_page():
    found = [formula for line in LINES for formula in formulas(line)]
    assert len(found) >= 4 * len(ROWS) - 10
    complaints = zip(found, katex_complaints(found), strict=True)
    assert [(formula, said) for formula, said in complaints if said is not None] == []


def test_katex_takes_everything_on_the_page_to_look_at():
    found = [(str(e.row), what, latex) for e in entries() for what, latex in formulas_of(e)]
    complaints = katex_complaints([latex for _, _, latex in found])
    said = [(*where, said) for where, said in zip(found, complaints, strict=True) if said]
    assert said == []


def test_a_bar_in_a_cell_is_written_in_letters():
    assert math(r"\left|{x}\right| \|A\|") == (
        r"$\displaystyle \left\vert {x}\right\vert  \Vert A\Vert $"
    )


# --- the page to look at ----------------------------------------------------------------------


@pytest.fixture
def katex(tmp_path):
    """Make a folder that looks like KaTeX."""
    dist = tmp_path / "node_modules" / "katex" / "dist"
    dist.mkdir(parents=True)
    (dist / "katex.min.js").touch()
    return dist


def test_the_page_to_look_at_has_all_formulas_of_the_rows_that_are_asked_for(katex):
    text = html_page(katex, ["A6", "E9"])
    headings = re.findall(r"<h3>(.*?)</h3>", text)
    assert headings == ["A6", "E9"]
    (data,) = re.findall(r"^const formulas = (.*);$", text, re.M)
    assert json.loads(data) == [
        latex for e in entries() if e.row.id in ("A6", "E9") for _, latex in formulas_of(e)
    ]
    assert text.count("<span data-k=") == len(json.loads(data))
    assert "<" not in data
    assert f'src="{katex.as_uri()}/katex.min.js"' in text


def test_the_page_to_look_at_has_derivations_and_cases():
    (entry,) = (entry for entry in entries() if str(entry.row) == "A6")
    kinds = [what for what, _ in formulas_of(entry)]
    assert kinds[:4] == [
        "function, index",
        "function, matrix",
        "derivative, index",
        "derivative, matrix",
    ]
    assert kinds.count("derivation") == 3
    assert kinds[-1] == "cases"


@pytest.mark.parametrize("way", ["folder", "environment"])
def test_the_command_finds_katex(katex, tmp_path, monkeypatch, way, capsys):
    place = tmp_path / "node_modules"
    monkeypatch.setenv("NODE_PATH", str(place) if way == "environment" else "")
    out = tmp_path / "page.html"
    given = ["--katex", str(tmp_path)] if way == "folder" else []
    main(["--html", str(out), "--only", "A6", *given])
    assert capsys.readouterr().out == f"{out}\n"
    assert katex.as_uri() in out.read_text(encoding="utf-8")


def test_without_katex_the_command_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("NODE_PATH", "")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="npm install katex"):
        main(["--html", str(tmp_path / "page.html")])


def test_the_command_writes_the_page_of_the_documentation(tmp_path, monkeypatch):
    place = tmp_path / "catalogue.md"
    monkeypatch.setattr("tests.catalogue_page.PAGE", place)
    main([])
    assert Path(place).read_text(encoding="utf-8") == page()
