"""The package: what importing it brings in, and the names that it offers."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import json
import pkgutil
import rlcompleter
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

import einsdiff as ed

ROOT = Path(__file__).resolve().parent.parent
MODULES = [
    module.name
    for module in pkgutil.walk_packages(ed.__path__, "einsdiff.")
    if not module.name.endswith("__main__")
]
PURE = [
    name for name in MODULES if name.split(".")[1] in ("errors", "notation", "algebra", "display")
]


def in_a_new_process(code):
    """Run code that prints one JSON value, and return that."""
    command = [sys.executable, "-c", f"import json, sys\n{code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


LOADED = 'print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))'


def test_importing_the_package_imports_no_array_library():
    loaded = in_a_new_process(f"import einsdiff\n{LOADED}")
    assert "einsdiff" in loaded
    assert not {"numpy", "opt_einsum", "scipy"} & set(loaded)


def test_what_is_written_meant_and_read_imports_no_array_library():
    assert len(PURE) > 8
    assert {name.split(".")[1] for name in PURE} == {"errors", "notation", "algebra", "display"}
    loaded = in_a_new_process(f"import {', '.join(PURE)}\n{LOADED}")
    assert not {"numpy", "opt_einsum", "scipy"} & set(loaded)


WITHOUT_NUMPY = """
sys.modules.update(dict.fromkeys(["numpy", "scipy"]))
import einsdiff as ed

J = ed.grad("ij,j->i", "A", "x", wrt="A")
H = ed.hessian(ed.parse("y_i = tanh(A_ij x_j)"), wrt="x")
p = ed.grad(ed.softmax(ed.tensor("x", "n")), wrt="x")
told = [str(J), str(H), str(p), J.latex(), J.format("matrix"), J.format("einsum"), repr(J)]
told += [str(J.explain()), str(J.table("reverse")), str(J.table("shapes")), str(J.cases())]
told += [J.code(), J.code("torch"), J.code("jax"), H.code(), J.diagram().svg, J._repr_html_()]
told += [str(ed.simplify("exp(log(x_i))")), str(ed.jvp("x_i x_i", wrt="x"))]
try:
    J(A=[[1.0]], x=[1.0])
except ed.OperandError as error:
    told.append(str(error))
print(json.dumps(told))
"""


def test_formulas_derivations_tables_and_code_need_no_numpy():
    told = in_a_new_process(WITHOUT_NUMPY)
    assert told[0] == "∂f_i/∂A_pq = δ_ip x_q"
    assert told[-1].startswith("this takes numbers, and numpy is not installed")
    J = ed.grad("ij,j->i", "A", "x", wrt="A")
    assert told[11] == J.code()
    assert all(told)


def test_the_command_needs_no_numpy_where_no_numbers_are_asked_for():
    code = "sys.modules.update(dict.fromkeys(['numpy', 'scipy']))\nimport einsdiff.cli\n"
    code += "code = einsdiff.cli.main(['A_ij x_j', '--wrt', 'x', '--latex'])\nprint(code)"
    command = [sys.executable, "-c", f"import sys\n{code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "0", done.stderr


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_and_offers_what_it_says(name):
    module = importlib.import_module(name)
    assert module.__doc__
    for public in getattr(module, "__all__", []):
        assert hasattr(module, public)


@pytest.mark.parametrize(
    "imports",
    [
        "import einsdiff.expressions.tensor_class",
        "import einsdiff.expressions.tensor_class, einsdiff.cli",
        "import einsdiff; einsdiff.tensor; import einsdiff.expressions.tensor_class",
        "import einsdiff; einsdiff.Tensor; einsdiff.grad",
        "from einsdiff.expressions.tensor_class import Tensor",
        "import importlib; importlib.import_module('einsdiff.expressions.tensor_class')",
    ],
)
def test_no_module_hides_the_function_tensor(imports):
    code = f"{imports}\nimport einsdiff as ed\nfrom einsdiff import tensor\n"
    code += "print(json.dumps([ed.tensor is tensor, str(ed.tensor('A', 'mn'))]))"
    assert in_a_new_process(code) == [True, "A_ij"]


def test_modules_have_names_of_their_own_and_none_of_a_function():
    stems = [name.rpartition(".")[2] for name in MODULES if name != "einsdiff"]
    modules = [m for m in MODULES if not hasattr(importlib.import_module(m), "__path__")]
    names = [m.rpartition(".")[2] for m in modules]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert set(stems) & set(ed.__all__) == set()


def test_classes_have_names_of_their_own():
    names = Counter()
    for path in (ROOT / "einsdiff").rglob("*.py"):
        classes = [
            n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if type(n) is ast.ClassDef
        ]
        names.update({n.name.strip("_") for n in classes})
    assert [name for name, count in names.items() if count > 1] == []


def test_the_types_are_those_of_the_public_names():
    stub = ast.parse((ROOT / "einsdiff" / "__init__.pyi").read_text("utf-8"))
    names = {a.asname for n in stub.body if isinstance(n, ast.ImportFrom) for a in n.names}
    names |= {n.target.id for n in stub.body if isinstance(n, ast.AnnAssign)}
    names |= {n.name for n in stub.body if isinstance(n, ast.FunctionDef)} | {"jacobian"}
    assert names - {None, "__version__"} == set(ed.__all__)


@pytest.mark.parametrize("name", ed.__all__)
def test_every_public_name_is_there_and_stays_the_same(name):
    assert getattr(ed, name) is getattr(ed, name)
    assert name in dir(ed)


def test_public_names_are_there_before_their_modules_are():
    code = "import einsdiff as ed\nnames = dir(ed)\nall_names = ed.__all__\n"
    code += "print(json.dumps([names == sorted(names), sorted(set(all_names) - set(names))]))"
    assert in_a_new_process(code) == [True, []]


def test_a_star_import_brings_the_public_names_and_no_others():
    scope = {}
    exec("from einsdiff import *", scope)
    assert scope.keys() - {"__builtins__"} == set(ed.__all__)


def test_the_public_names_are_those_of_the_field():
    assert {"einsum", "grad", "jacobian", "hessian", "tensor", "tensors", "Tensor"} <= {*ed.__all__}
    assert len(ed.__all__) == len(set(ed.__all__))
    assert {"exp", "softmax", "norm", "inv", "stack", "parse", "check"} <= {*ed.__all__}


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'einsdiff' has no attribute 'gard'"):
        _ = ed.gard
    assert not hasattr(ed, "nothing")


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert ed.__version__ == importlib.metadata.version("einsdiff") == project["version"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {ed.__version__}\n" in citation


def test_the_command_is_installed_under_its_name():
    (command,) = (
        entry
        for entry in importlib.metadata.distribution("einsdiff").entry_points
        if entry.group == "console_scripts"
    )
    assert command.name == "einsdiff"
    assert command.load() is importlib.import_module("einsdiff.cli").main


def test_the_package_says_that_it_is_typed():
    assert (Path(ed.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize(
    ("start", "names"),
    [
        ("ed.gra", {"grad"}),
        ("ed.as_", {"as_jax", "as_torch"}),
        ("t.den", {"dense"}),
        ("t.to_", {"to_sympy"}),
    ],
)
def test_names_are_completed(start, names):
    completer = rlcompleter.Completer({"ed": ed, "t": ed.tensor("t", "n")})
    found = {match.rpartition(".")[2].rstrip("()") for match in completer.attr_matches(start)}
    assert names <= found
