"""What the documentation says is so: its examples run, its commands exist."""

from __future__ import annotations

import doctest
import inspect
import json
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.cli import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = [page for page in PAGES if ">>>" in page.read_text(encoding="utf-8")]
SESSIONS = [page for page in PAGES if "```console\n" in page.read_text(encoding="utf-8")]
PICTURES = ROOT / "docs" / "pictures"
FUNCTIONS = [name for name in ed.__all__ if inspect.isfunction(getattr(ed, name))]
METHODS = [
    name
    for name, value in inspect.getmembers(ed.Tensor, inspect.isfunction)
    if not name.startswith("_") or name == "__call__"
]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Work in a folder with the files that the pages' commands read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "A.csv").write_text("1,2,3\n4,5,6\n")
    np.save("x.npy", np.array([7.0, 8.0, 9.0]))


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.name)
def test_the_examples_of_a_page_print_what_it_shows(page):
    text = page.read_text(encoding="utf-8")
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    report: list[str] = []
    results = runner.run(test, out=report.append)
    assert results.attempted == text.count("\n>>> ")
    assert results.failed == 0, "".join(report)


def test_the_pages_that_teach_have_examples():
    assert {page.name for page in EXAMPLES} >= {
        "README.md",
        "conventions.md",
        "index.md",
        "notation.md",
        "reading.md",
    }


@pytest.mark.parametrize("page", SESSIONS, ids=lambda page: page.name)
def test_the_commands_of_a_page_print_what_it_shows(page, files, capsys):
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S):
        shown = ""
        for line in re.findall(r"^\$ .*$", block, re.M):
            prompt, command, *arguments = shlex.split(line)
            assert (prompt, command) == ("$", "einsdiff")
            status = main(arguments)
            printed = capsys.readouterr()
            assert status == (1 if printed.err else 0)
            shown += f"{line}\n{printed.out}{printed.err}"
        assert [line.rstrip() for line in shown.splitlines()] == block.splitlines()


def test_the_pages_that_teach_have_commands():
    assert {page.name for page in SESSIONS} == {"README.md", "reading.md"}


def test_python_blocks_without_a_prompt_run():
    A, x = np.ones((2, 3)), np.ones(3)
    blocks = [b for b in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if ">>>" not in b]
    assert blocks
    for block in blocks:
        exec(block, {"ed": ed, "A": A, "x": x})


def test_the_first_line_of_the_readme_prints_what_its_comment_says(capsys):
    ((line, comment),) = re.findall(r"^(print\(ed\.grad.*\))  # (.*)$", README, re.MULTILINE)
    exec(line, {"ed": ed, "A": np.ones((2, 3)), "x": np.ones(3)})
    assert capsys.readouterr().out == comment + "\n"


def marked(name):
    """Find the command after a mark of the README."""
    (command,) = re.findall(rf"^<!-- {name} -->\n```sh\n(.*?)\n```$", README, re.M | re.S)
    return command


def test_the_run_command_runs_a_script_that_is_there():
    command = marked("run")
    *setup, last = [shlex.split(part) for part in command.split("&&")]
    assert setup
    python, script = last
    assert python.endswith("bin/python")
    assert (ROOT / script).is_file()


def test_the_test_command_installs_what_the_tests_need_and_runs_them():
    command = marked("test")
    assert '".[test]"' in command
    assert shlex.split(command)[-5:] == [".venv/bin/python", "-m", "pytest", "-n", "auto"]


def test_the_commands_of_the_readme_work(files, capsys):
    commands = [shlex.split(line) for line in README.splitlines() if line.startswith("einsdiff ")]
    commands = [words[1:] for words in commands if "->" in words[1]]
    assert len(commands) >= 2
    for arguments in commands:
        assert main(arguments) == 0, capsys.readouterr().err
    assert np.load("J.npy").shape == (2, 2, 3)


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
        for target in re.findall(r"\]\(([^)#\s]+)[^)\s]*\)", text):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_derivation_that_is_typeset_is_the_one_that_is_made():
    page = (ROOT / "docs" / "reading.md").read_text(encoding="utf-8")
    gradient = ed.grad("(y_i - A_ij θ_j) (y_i - A_ik θ_k)", wrt="θ")
    blocks = gradient.explain().latex().split("\n\n")
    assert "\n\n".join(f"$$\n{block}\n$$" for block in blocks) in page


def test_the_pictures_are_what_their_program_draws(tmp_path):
    runpy.run_path(str(ROOT / "docs" / "pictures.py"))["draw"](tmp_path)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn | {"house.svg"} == {path.name for path in PICTURES.iterdir()}
    shown = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert {name for name in drawn if f"pictures/{name})" in shown} == drawn
    for path in tmp_path.glob("*.svg"):  # other pictures depend on Matplotlib and its fonts
        assert path.read_text("utf-8") == (PICTURES / path.name).read_text("utf-8")


def test_the_picture_of_the_house_shows_what_imports_what():
    house = runpy.run_path(str(ROOT / "docs" / "house.py"))
    edges = house["reduced"](house["imports"]())
    shown = re.findall(r"<title>(.*?)</title>", (PICTURES / "house.svg").read_text("utf-8"))
    arrows = {title.replace("&#45;&gt;", "->") for title in shown if "&gt;" in title}
    assert arrows == {f"{room}->{other}" for room, found in edges.items() for other in found}
    assert not edges["errors"]


FOLLOWED = """
import json, sys
import numpy as np
import einsdiff as ed

called = []


def follow(frame, event, argument):
    module = frame.f_globals.get("__name__", "")
    if event == "call" and module.startswith("einsdiff."):
        called.append(f"{module[9:]}.{frame.f_code.co_qualname}")


A, x = np.ones((5, 4)), np.ones(4)
sys.setprofile(follow)
np.asarray(ed.grad("ij,j->i", A, x, wrt="A"))
sys.setprofile(None)
print(json.dumps(called))
"""


def test_the_path_of_a_line_is_the_one_that_is_told():
    text = (ROOT / "docs" / "design.md").read_text("utf-8")
    text = text[text.index("### The path of one line") : text.index("## The calculus")]
    rooms = "verbs|notation|numeric|expressions|algebra"
    told = re.findall(rf"`((?:{rooms})\.[\w.]+)`", text)
    done = subprocess.run([sys.executable, "-c", FOLLOWED], capture_output=True, text=True)
    called = json.loads(done.stdout)
    assert len(told) > 20
    assert [name for name in told if name not in called] == []
    # A function is told of where it is first called.
    order = [called.index(name) for name in told]
    assert [told[k] for k in range(1, len(told)) if order[k - 1] > order[k]] == []


@pytest.mark.parametrize("name", ed.__all__)
def test_every_public_name_is_explained_with_an_example(name):
    doc = inspect.getdoc(getattr(ed, name))
    assert doc
    assert len(doc.splitlines()[0]) > 10
    assert "Examples\n--------\n" in doc
    assert ">>> " in doc


@pytest.mark.parametrize("name", [*FUNCTIONS, *(f"Tensor.{name}" for name in METHODS)])
def test_every_function_says_what_it_takes_and_returns(name):
    function = ed
    for part in name.split("."):
        function = getattr(function, part)
    doc = inspect.getdoc(function)
    assert "Returns\n-------\n" in doc
    assert ">>> " in doc
    parameters = [p for p in inspect.signature(function).parameters if p != "self"]
    assert ("Parameters\n----------\n" in doc) == bool(parameters)
    listed = doc[doc.find("Parameters\n") : doc.index("Returns\n")]
    for parameter in parameters:
        assert re.search(rf"^[\w, *]*\b{parameter}\b[\w, *]*$", listed, re.M), parameter


def test_functions_and_methods_were_found():
    assert {"einsum", "grad", "hessian", "tensor", "tensors", "set_memory_limit"} <= set(FUNCTIONS)
    assert {"dense", "matrix", "jvp", "vjp", "__call__"} <= set(METHODS)


@pytest.mark.parametrize("name", ed.__all__)
def test_every_public_name_stands_in_the_reference(name):
    reference = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert f"einsdiff.{name}\n" in reference or f"`{name}` is" in reference
