"""What the documentation says is so: its examples run, its commands exist."""

from __future__ import annotations

import doctest
import inspect
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.cli import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = [page for page in PAGES if ">>>" in page.read_text(encoding="utf-8")]
FUNCTIONS = [name for name in ed.__all__ if inspect.isfunction(getattr(ed, name))]
METHODS = [
    name
    for name, value in inspect.getmembers(ed.Tensor, inspect.isfunction)
    if not name.startswith("_") or name == "__call__"
]


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
    }


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
    assert shlex.split(command)[-3:] == [".venv/bin/python", "-m", "pytest"]


def test_the_commands_of_the_readme_work(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "A.csv").write_text("1,2,3\n4,5,6\n")
    np.save("x.npy", np.array([7.0, 8.0, 9.0]))
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
    assert "Parameters\n----------\n" in doc
    assert "Returns\n-------\n" in doc
    assert ">>> " in doc
    listed = doc[doc.index("Parameters\n") : doc.index("Returns\n")]
    for parameter in inspect.signature(function).parameters:
        if parameter != "self":
            assert re.search(rf"^[\w, *]*\b{parameter}\b[\w, *]*$", listed, re.M), parameter


def test_functions_and_methods_were_found():
    assert {"einsum", "grad", "hessian", "tensor", "tensors", "set_memory_limit"} <= set(FUNCTIONS)
    assert {"dense", "matrix", "jvp", "vjp", "__call__"} <= set(METHODS)


@pytest.mark.parametrize("name", ed.__all__)
def test_every_public_name_stands_in_the_reference(name):
    reference = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert f"einsdiff.{name}\n" in reference or f"`{name}` is" in reference
