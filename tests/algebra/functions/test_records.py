"""Every record of the function table, in all that the library does with it.

What is asserted here of each record is what adding one has to come to: a value in each library,
a derivative that agrees with differences, text that is read back, LaTeX, SymPy, and a place in the
documentation. A record that lacks any of it is refused where it is made, or fails here.
"""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
import sympy

import einsdiff as ed
from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.function_records import (
    FAMILIES,
    KERNELS,
    About,
    Function,
    enter,
    lookup,
)
from einsdiff.algebra.nodes.interning import Node, variable
from einsdiff.algebra.nodes.nodes import call, scale
from einsdiff.algebra.operations.applying import of_record
from einsdiff.algebra.operations.numpy_names import BEYOND_NUMPY, NUMPY
from einsdiff.algebra.reading.definitions import by_definition
from einsdiff.algebra.rewriting.simplification import simplify
from einsdiff.display.sympy.vocabulary import spelled as in_sympy
from einsdiff.expressions.combining import applied
from einsdiff.numeric.planning import cofactors, stable
from einsdiff.numeric.running import kernels
from einsdiff.numeric.running.program import program_for
from einsdiff.numeric.source.spelling import BACKENDS, RESERVED, helper, is_spelled, spelled
from tests.algebra.functions.test_catalogue_of_functions import ENTRIES, case_of

ROWS = sorted(ENTRIES)
NAMES = sorted(FUNCTIONS)


def at_points(entry: Function) -> dict[str, np.ndarray]:
    """Return arguments at which a function is smooth."""
    return case_of(entry.name, entry.ranks).arrays


def tensor_of(entry: Function) -> ed.Tensor:
    """Apply a function at such points."""
    return case_of(entry.name, entry.ranks).f


def value(node: Node, arrays: dict[str, np.ndarray]) -> np.ndarray:
    program = program_for((node,), (), "float64")
    return np.asarray(program.function(*(arrays[v.name] for v in program.inputs)))


@pytest.mark.parametrize("name", NAMES)
def test_a_record_is_tested_with_values(name):
    assert (name, FUNCTIONS[name].ranks) in ENTRIES


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("name", "ranks"), ROWS)
def test_a_record_is_spelled_or_defined_for_each_library(name, ranks, backend):
    entry = lookup(name, ranks)
    assert is_spelled(entry, backend) or entry.definition
    assert set(entry.code) <= set(BACKENDS)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("name", "ranks"), ROWS)
def test_a_record_is_computed_by_each_library(name, ranks, backend):
    entry = lookup(name, ranks)
    f = tensor_of(entry)
    library = pytest.importorskip({"numpy": "numpy", "torch": "torch", "jax": "jax.numpy"}[backend])
    scope: dict[str, object] = {}
    exec(f.code(backend), scope)
    found = scope["f"](**{n: library.asarray(array) for n, array in f.values.items()})
    scale = max(np.abs(np.asarray(f)).max(), 1)
    np.testing.assert_allclose(np.asarray(found) / scale, np.asarray(f) / scale, atol=1e-12)


@pytest.mark.parametrize("name", [*KERNELS])
def test_what_only_computations_have_is_spelled_for_each_library(name):
    assert {cofactors, stable}  # which enter them
    entry = KERNELS[name]
    assert entry.implementation is None or callable(getattr(kernels, entry.implementation))
    assert entry.definition or all(is_spelled(entry, backend) for backend in BACKENDS)


@pytest.mark.parametrize(("name", "ranks"), ROWS)
def test_the_derivative_of_a_record_agrees_with_differences(name, ranks):
    case = case_of(name, ranks)
    if not case.row.orders:
        pytest.skip("it has no derivative that the library knows")
    for argument in case.entry.arguments:
        result = ed.check(case.f, wrt=argument)
        assert result.ok, str(result)


@pytest.mark.parametrize(("name", "ranks"), ROWS)
def test_a_record_is_printed(name, ranks):
    f = tensor_of(lookup(name, ranks))
    assert str(f)
    assert f.latex()
    assert name in str(f) or lookup(name, ranks).text or name in ("power",)


@pytest.mark.parametrize("name", [n for n in NAMES if FUNCTIONS[n].sympy])
def test_what_sympy_calls_a_record_is_there(name):
    entry = FUNCTIONS[name]
    symbols = sympy.symbols(entry.arguments, real=True)
    made = in_sympy(name, *symbols)
    arrays = {n: array.flat[0] for n, array in at_points(entry).items()}
    numbers = dict(zip(symbols, map(float, arrays.values()), strict=True))
    expected = np.asarray(case_of(name, entry.ranks).f).flat[0]
    assert complex(made.subs(numbers).evalf()).real == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("name", [n for n in NAMES if FUNCTIONS[n].definition])
def test_a_definition_is_the_function(name):
    entry = FUNCTIONS[name]
    arrays = at_points(entry)
    node = call(entry, [variable(n, array.shape) for n, array in arrays.items()])
    assert by_definition(node).shape == node.shape
    np.testing.assert_allclose(value(by_definition(node), arrays), value(node, arrays), rtol=1e-12)


def points(name: str) -> np.ndarray:
    (array,) = at_points(FUNCTIONS[name]).values()
    return array


def at(name: str, array: np.ndarray) -> np.ndarray:
    x = variable("x", array.shape)
    return value(call(FUNCTIONS[name], [x]), {"x": array})


@pytest.mark.parametrize("name", [n for n in NAMES if FUNCTIONS[n].parity])
def test_parity(name):
    x = points(name)
    np.testing.assert_allclose(at(name, -x), FUNCTIONS[name].parity * at(name, x), rtol=1e-13)
    node = variable("x", (3,))
    negative = call(FUNCTIONS[name], [scale(-1, node)])
    assert simplify(negative) is scale(FUNCTIONS[name].parity, call(FUNCTIONS[name], [node]))


@pytest.mark.parametrize("name", [n for n in NAMES if FUNCTIONS[n].degree is not None])
def test_degree(name):
    x, degree = points(name), FUNCTIONS[name].degree
    np.testing.assert_allclose(at(name, 3 * x), 3.0**degree * at(name, x), rtol=1e-12)


@pytest.mark.parametrize("name", [n for n in NAMES if FUNCTIONS[n].is_nonnegative])
def test_nonnegative(name):
    assert np.asarray(tensor_of(FUNCTIONS[name])).min() >= 0


@pytest.mark.parametrize("kind", ["undoes", "undoes_real"])
@pytest.mark.parametrize(
    "name", [n for n in NAMES if FUNCTIONS[n].undoes or FUNCTIONS[n].undoes_real]
)
def test_what_a_function_undoes(name, kind):
    inner = getattr(FUNCTIONS[name], kind)
    if not inner:
        pytest.skip("none")
    x = points(inner)
    if inner:
        np.testing.assert_allclose(at(name, at(inner, x)), x, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_at_zero_and_integers(name):
    entry = FUNCTIONS[name]
    if entry.at_zero is not None:
        assert at(name, np.zeros(1)) == entry.at_zero
    if entry.compares:
        assert entry.keeps_integers
        assert entry.is_nonnegative


@pytest.mark.parametrize("name", [n for n in NAMES if FUNCTIONS[n].about])
def test_what_is_told_of_a_record_is_public(name):
    entry, public = FUNCTIONS[name], {**NUMPY, **BEYOND_NUMPY}
    assert of_record(entry) in public.values() or name in ("cholesky", "eigvalsh")
    if name not in ("equal", "not_equal"):
        assert name in ed.__all__
        assert inspect.getdoc(getattr(ed, name)).startswith(entry.about.summary[:60])


# --- what is not complete ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "lacking"),
    [
        (Function("half", numpy="np.half({0})"), "no derivative by x"),
        (Function("half", ("1/2",), "half({0})"), "nothing says what 'half' is"),
        (Function("half", ("1/2",), "half({0})", definition="1/2 x"), "no implementation"),
        (Function("half", ("1/2",)), "no spelling for NumPy"),
        (Function("half", ("1/2",), "np.half({0})", "(),()->()"), "has not the arguments x"),
        (Function("half", ("1/2", "1"), definition="1/2 x"), "2 derivatives for 1 arguments"),
    ],
)
def test_an_incomplete_record_is_refused(record, lacking):
    with pytest.raises(TypeError, match=f"record of 'half' is incomplete: .*{lacking}"):
        enter(record)
    assert "half" not in FUNCTIONS


@pytest.mark.parametrize(
    ("module", "facts", "lacking"),
    [
        ("source.spelling", 'implementation="gated"', "code for numpy would say gated"),
        ("running.kernels", 'implementation="gated", definition="x"', "'gated', is no function of"),
    ],
)
def test_a_record_without_a_kernel_or_a_helper_is_refused_at_import(module, facts, lacking):
    code = (
        "from einsdiff.algebra.nodes.function_records import Function, enter\n"
        "import einsdiff.algebra.functions.catalogue\n"
        f"enter(Function('gated', ('y',), 'gated({{0}})', {facts}))\n"
        f"import einsdiff.numeric.{module}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "record of 'gated' is incomplete" in done.stderr
    assert lacking in done.stderr


# --- a definition alone -----------------------------------------------------------------------


@pytest.fixture
def defined():
    """Enter functions that have a definition and nothing else."""
    entries = [
        Function("gated", definition="x sigmoid(x)", about=About("Take shares.", "∂f/∂x = ..")),
        Function(
            "slope", definition="(b - a) / (1 + a^2)", signature="(),()->()", arguments=("a", "b")
        ),
        Function("gram", definition="x_ki x_kj", signature="(m,n)->(n,n)"),
    ]
    enter(*entries)
    yield {entry.name: entry for entry in entries}
    for entry in entries:
        del FUNCTIONS[entry.name]
    enter()


def test_value_and_derivatives_follow_from_a_definition(defined):
    x = ed.tensor("x", [-1.0, 0.5, 2.0])
    f = ed.parse("f_i = gated(x_i)", x=x)
    assert str(f) == "f_i = gated(x_i)"
    np.testing.assert_allclose(np.asarray(f), np.asarray(x * ed.sigmoid(x)), rtol=1e-14)
    for order in (1, 2):
        assert ed.check(f, wrt="x", order=order).ok
    assert ed.equal(ed.grad(f, wrt="x"), ed.grad(x * ed.sigmoid(x), wrt="x"))


def test_a_definition_of_several_arguments_and_of_axes(defined):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    f = applied_to(defined["slope"], a=a, b=b)
    np.testing.assert_allclose(np.asarray(f), (b - a) / (1 + a**2), rtol=1e-14)
    twice = applied_to(defined["slope"], a=a, b=a)
    X = applied_to(defined["gram"], X=rng.normal(size=(4, 2, 3)))
    wanted = np.einsum("bki,bkj->bij", X.values["X"], X.values["X"])
    np.testing.assert_allclose(np.asarray(X), wanted, rtol=1e-13)
    for t, wrt in ((f, "a"), (f, "b"), (twice, "a"), (X, "X")):
        assert ed.check(t, wrt=wrt).ok


def applied_to(entry: Function, **arrays: np.ndarray) -> ed.Tensor:
    return applied(
        ed.Tensor, of_record(entry), [ed.tensor(n, array) for n, array in arrays.items()]
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_code_follows_from_a_definition(defined, backend):
    library = pytest.importorskip({"numpy": "numpy", "torch": "torch", "jax": "jax.numpy"}[backend])
    x = np.array([-1.0, 0.5, 2.0])
    f = ed.parse("f_i = gated(x_i)", x=x)
    for t in (f, ed.grad(f, wrt="x")):
        scope: dict[str, object] = {}
        exec(t.code(backend), scope)
        (function,) = (scope[n] for n in ("f", "jacobian") if n in scope)
        np.testing.assert_allclose(np.asarray(function(library.asarray(x))), np.asarray(t), 1e-6)


def test_sympy_follows_from_a_definition(defined):
    f = ed.parse("f_i = gated(x_i)", x="n")
    assert str(f.to_sympy().rhs) == "x[i]/(1 + exp(-x[i]))"


def test_a_definition_is_told(defined):
    assert "It is ``x sigmoid(x)``." in of_record(defined["gated"]).__doc__


# --- what code carries along ------------------------------------------------------------------


def test_helpers_are_shown_as_they_stand_in_their_modules():
    from einsdiff.numeric.libraries.helpers import numpy_helpers, torch_helpers

    for backend, module in (("numpy", numpy_helpers), ("torch", torch_helpers)):
        own = [
            n
            for n, f in inspect.getmembers(module, inspect.isfunction)
            if f.__module__ == module.__name__
        ]
        assert len(own) > 5
        for name in own:
            assert helper(name, backend) == inspect.getsource(getattr(module, name)).rstrip("\n")
            assert name in RESERVED


def test_helpers_of_other_libraries_are_numpys_with_another_module():
    assert helper("damped_product", "jax") == helper("damped_product", "numpy").replace(
        "np.", "jnp."
    )
    assert not helper("nothing", "torch")
    for backend in BACKENDS:
        for name in ("others_of_vectors", "dexpm", "cofactor", "sech2"):
            assert ast.parse(helper(name, backend))


def test_each_family_has_records_of_its_own_name():
    for name, family in FAMILIES.items():
        for ranks in ((1,), (2,), (2, 1)):
            entry = family(ranks)
            assert entry is None or entry.name == name
            assert entry is None or spelled(entry, "numpy")


def test_every_field_of_a_record_is_described():
    source = inspect.getsource(Function)
    above = re.findall(r"^ {4}#: .*\n {4}(\w+): ", source, re.M)
    beside = re.findall(r"^ {4}(\w+): .*  # .", source, re.M)
    assert {field.name for field in fields(Function)} == {*above, *beside}
    assert replace(FUNCTIONS["tanh"], name="other").jacobians == FUNCTIONS["tanh"].jacobians
