"""Source code for NumPy, PyTorch and JAX: what it computes, and that it serves any sizes."""

from __future__ import annotations

import ast
import importlib
import keyword
from fractions import Fraction
from inspect import signature
from typing import Any
from unicodedata import normalize

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.nodes.function_records import FAMILIES, FUNCTIONS
from einsdiff.algebra.nodes.graph import variables_of
from einsdiff.algebra.nodes.interning import constant, variable
from einsdiff.algebra.nodes.nodes import add, call, einsum, related
from einsdiff.numeric.planning.extents import Extent
from einsdiff.numeric.source.code import docstring, identifier, source
from einsdiff.numeric.source.spelling import BACKENDS, RESERVED
from tests.numeric.planning.test_lowering import brute, cases, digits, evaluate
from tests.oracle import brute_einsum
from tests.strategies import OPERANDS, einsums, expressions

every_backend = pytest.mark.parametrize("backend", BACKENDS)


def module(backend: str) -> Any:
    """Import what the code of a backend needs, or skip."""
    if backend == "jax":
        jax = pytest.importorskip("jax")
        jax.config.update("jax_enable_x64", True)
        return importlib.import_module("jax.numpy")
    return pytest.importorskip(backend)


def run(
    code: str, arrays: dict[str, Any], backend: str, *, keep: bool = False, **others: Any
) -> np.ndarray:
    """Run the function of some code with arrays by the names of its parameters.

    What has no axes becomes an array, too, unless numbers are kept.
    """
    library = module(backend)
    namespace: dict[str, Any] = {}
    assert "einsdiff" not in code
    exec(compile(code, "<code>", "exec"), namespace)
    last = ast.parse(code).body[-1]
    assert isinstance(last, ast.FunctionDef)
    function = namespace[last.name]
    # PyTorch multiplies matrices of one dtype only.
    dtype = np.result_type(*arrays.values()) if backend == "torch" and arrays else None
    if keep:
        others |= {name: array for name, array in arrays.items() if np.ndim(array) == 0}
    arrays = {name: np.asarray(array, dtype) for name, array in arrays.items()}
    known = {name: library.asarray(np.array(array, order="C")) for name, array in arrays.items()}
    result = function(**{name: (known | others)[name] for name in signature(function).parameters})
    return np.asarray(result)


def code_of(node, backend="numpy", **options):
    arguments = sorted(variables_of([node]), key=lambda v: v.name)
    return source(node, arguments, "computed", "", backend, **options)


# --- random expressions -----------------------------------------------------------------------

backends = st.sampled_from(BACKENDS)
FLOATS = ["float64", "complex128"]


def renamed(case, is_named):
    """Return a case as a node, with names in place of sizes if wanted."""
    used = "".join([*case.inputs, case.output])
    size = {n: f"size_{n}" if is_named else k for n, k in case.sizes.items() if n in used}
    shapes = dict(zip(case.names, case.inputs, strict=True))
    nodes = {name: variable(name, [size[n] for n in shapes[name]]) for name in case.arrays}
    return einsum([nodes[name] for name in case.names], case.inputs, case.output, size)


@pytest.mark.parametrize("is_named", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
@given(case=einsums(dtypes=FLOATS))
@settings(max_examples=60, deadline=None)
def test_random_einsums(backend, is_named, case):
    if is_named and len(case.arrays) < len(case.names):
        return  # sizes that are equal have different names then
    node = renamed(case, is_named)
    expected = brute_einsum(case.inputs, case.output, case.sizes, case.operands)
    sizes = {f"size_{n}": k for n, k in case.sizes.items()}
    found = run(code_of(node, backend), case.arrays, backend, **sizes)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert found.shape == expected.shape


@pytest.mark.parametrize("backend", BACKENDS)
@given(case=cases([1, -1, 2, -2, 3, 6]) | digits())
@settings(max_examples=150, deadline=None)
def test_random_relations_of_indices(backend, case):
    arrays = {"ABC"[k]: array for k, (array, _) in enumerate(case.operands)}
    case = type(case)(case.operands, case.relations, case.output, case.sizes, False)
    expected = brute(case.operands, case.relations, case.output, case.sizes)
    arrays = {name: array.astype(complex) for name, array in arrays.items()}
    found = run(code_of(case.node(), backend), arrays, backend)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert found.shape == expected.shape


@every_backend
@pytest.mark.parametrize("rest", [(), (2,)], ids=["entries", "rows"])
@pytest.mark.parametrize(
    ("coefficients", "offset", "size"),
    [((1, -2, -3), 0, 30), ((1, -2, -6), 0, 30), ((1, -2, -6), -1, 8), ((1, 2, 4), -12, 14)],
    ids=["added", "set", "gathered", "added where inside"],
)
def test_entries_at_positions(coefficients, offset, size, rest, backend):
    x, y = variable("x", (3, 4, *rest)), variable("y", (size, 9, 9))
    relation = related((size, 3, 4), coefficients, offset)
    node = einsum([relation, x, y], ["kij", "ijc"[: 2 + len(rest)], "kab"], "abc"[: 2 + len(rest)])
    rng = np.random.default_rng(7)
    arrays = {"x": rng.normal(size=x.shape), "y": rng.normal(size=y.shape)}
    expected = evaluate(node, arrays)
    found = run(code_of(node, backend), arrays, backend)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@every_backend
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), 1e300, -2.5, 3 - 4j, -2j])
def test_a_number_as_a_factor(value, backend):
    node = einsum([variable("x", (2,)), constant(value)], ["i", ""], "i")
    arrays = {"x": np.array([1.0, -2.0])}
    found = run(code_of(node, backend), arrays, backend)
    np.testing.assert_array_equal(found, arrays["x"] * value)


@pytest.mark.parametrize("backend", BACKENDS)
@given(
    drawn=expressions(dtypes=["float64", "float64", "float32", "complex128"]),
    order=st.integers(0, 2),
    choice=st.integers(0, 99),
    layout=st.sampled_from([None, None, "numerator", "denominator"]),
    numbers=st.booleans(),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_code_computes_what_the_tensor_is(backend, drawn, order, choice, layout, numbers):
    t = drawn.expression
    if not t.names:
        return
    wrt = t.names[choice % len(t.names)]
    J = ed.grad(t, wrt=wrt, order=order) if order else t
    arrays = {name: drawn.arrays[name] for name in J.names}
    if not J.formula.named_sizes.issubset("".join(OPERANDS[name] for name in arrays)):
        return  # a size that no array has any more
    shown: dict[str, Any] = (
        {} if layout is None or not order or drawn.is_named else {"layout": layout}
    )
    expected = J.matrix(layout) if shown else J(**arrays)
    given = dict(drawn.arrays)
    if numbers:  # in place of arrays that have no axes
        given |= {name: array.item() for name, array in given.items() if not array.shape}
    found = run(J.code(backend, **shown), given, backend, keep=numbers, **drawn.sizes)
    close = 1e-3 if drawn.arrays["x"].dtype == np.float32 else 1e-9
    close *= 1 + abs(expected).max(initial=0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=close)
    assert found.shape == expected.shape
    if backend != "numpy" and not shown:  # arrays of the library itself
        direct = J(**{name: module(backend).asarray(array) for name, array in arrays.items()})
        np.testing.assert_allclose(np.asarray(direct), expected, rtol=0, atol=close)


def test_arrays_that_are_written_into_each_other():
    x = ed.tensor("x", np.array([1.0, 2.0]))
    t = x
    for _ in range(1000):
        t = ed.concatenate([t, x])
    found = run(t.code(), {"x": np.asarray(x)}, "numpy")
    np.testing.assert_array_equal(found, np.tile([1.0, 2.0], 1001))


# --- the table of functions -------------------------------------------------------------------


def entries():
    """List the functions of the table, those of several axes and of higher orders included."""
    found = {function.name: function for function in FUNCTIONS.values()}
    for name, ranks in (
        *((name, (2,)) for name in ("max", "min", "prod", "logsumexp", "softmax", "log_softmax")),
        *((name, (rank,)) for name in ("others", "others2", "others3") for rank in (1, 2)),
        *((name, (2,)) for name in ("dexpm", "dexpm2")),
        ("solve", (2, 2)),
    ):
        found[f"{name}{ranks}"] = FAMILIES[name](ranks)
    return {name: f for name, f in found.items() if not callable(f.implementation)}


ENTRIES = entries()


def arguments_of(function, batch):
    """Draw arrays that suit a function."""
    rng = np.random.default_rng(5)
    sizes = {"n": 3, "m": 2, "k": 2, "n0": 2, "n1": 3}
    arrays = {}
    for k, axes in enumerate(function.cores[0]):
        shape = (*batch, *(sizes[axis] for axis in axes))
        array = rng.uniform(0.3, 0.9, shape)
        if function.name == "arccosh":
            array = array + 1
        if axes in (("n", "n"), ("m", "n")):
            array = array / 4 + np.eye(*array.shape[-2:])
        arrays["abc"[k]] = array
    return arrays


@every_backend
@pytest.mark.parametrize("batch", [(), (2,)], ids=["alone", "stacked"])
@pytest.mark.parametrize("name", ENTRIES)
def test_every_function_of_the_table(name, batch, backend):
    function = ENTRIES[name]
    if backend == "numpy" and "expm" in name:
        pytest.importorskip("scipy")
    arrays = arguments_of(function, batch)
    variables = [variable(a, array.shape) for a, array in arrays.items()]
    node = call(function, variables)
    expected = evaluate(node, arrays)
    code = code_of(node, backend)
    found = run(code, arrays, backend)
    if name == "eigvectors":  # of either sign
        found, expected = abs(found), abs(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
    assert found.dtype == expected.dtype


@every_backend
@pytest.mark.parametrize("name", [name for name, f in ENTRIES.items() if f.is_elementwise])
def test_a_function_of_numbers(name, backend):
    function = ENTRIES[name]
    numbers = [constant(0.5) for _ in function.arguments[1:]]
    numbers = [constant(1.5) if name == "arccosh" else constant(0.25), *numbers]
    x = variable("x", (2,))
    node = einsum([x, call(function, numbers)], ["i", ""], "i")
    arrays = {"x": np.array([1.0, 2.0])}
    expected = evaluate(node, arrays)
    np.testing.assert_allclose(run(code_of(node, backend), arrays, backend), expected, rtol=1e-12)
    if len(numbers) > 1:
        node = call(function, [x, *numbers[1:]])
        expected = evaluate(node, arrays)
        found = run(code_of(node, backend), arrays, backend)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        node = call(function, [numbers[0]] * (len(numbers) - 1) + [x])
        expected = evaluate(node, arrays)
        found = run(code_of(node, backend), arrays, backend)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@every_backend
@pytest.mark.parametrize(
    "name", ["sigmoid", "softplus", "logsumexp", "softmax", "log_softmax", "gelu", "erf", "xlogy"]
)
def test_functions_do_not_overflow(name, backend):
    x = np.array([-1000.0, -30.0, 0.0, 30.0, 1000.0])
    arrays = {"x": x}
    variables = [variable("x", x.shape)] * (2 if name == "xlogy" else 1)
    if name == "xlogy":
        arrays["x"] = abs(x)
    node = call(FUNCTIONS[name], variables)
    expected = evaluate(node, arrays)
    assert np.isfinite(expected).all()
    found = run(code_of(node, backend), arrays, backend)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


# --- sizes that are names ---------------------------------------------------------------------


def test_sizes_remember_their_names_in_sums_and_products():
    m, n = Extent.named("m", 101), Extent.named("n", 103)
    assert [str(size) for size in (m * n * 2, 3 + m - n, -m, 1 - n, m - m, n * 0)] == [
        "2 * m * n", "m - n + 3", "-m", "-n + 1", "0", "0",
    ]  # fmt: skip
    assert (m * n * 2, 3 + m - n, 1 - n) == (20806, 1, -102)
    assert (m + 0.5, hash(m)) == (101.5, hash(101))


@every_backend
@pytest.mark.parametrize("size", [0, 1, 2, 4])
@pytest.mark.parametrize("is_lower", [True, False])
def test_a_triangle_of_any_size(size, is_lower, backend):
    x = variable("x", ("n",))
    triangle = related(("n", "n"), (1, -1) if is_lower else (-1, 1), 0, False)
    rng = np.random.default_rng(3)
    arrays = {"x": rng.normal(size=size)}
    for terms, output in ((["ij", "j"], "i"), (["ij", "j"], "ij"), (["ij", "j"], "iij")):
        node = einsum([triangle, x], terms, output)
        mask = np.tril(np.ones((size, size))) if is_lower else np.triu(np.ones((size, size)))
        expected = brute_einsum(["ij", "j"], output, {"i": size, "j": size}, [mask, arrays["x"]])
        found = run(code_of(node, backend), arrays, backend)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_relations_that_depend_on_the_numbers_are_refused():
    shift = related(("m", "n"), (1, -1), 1)
    node = einsum([shift, variable("x", ("n",))], ["ij", "j"], "i")
    with pytest.raises(ed.OperandError, match="depends on how large 'm' and 'n' is") as caught:
        code_of(node)
    assert "give these sizes as numbers" in str(caught.value)


@every_backend
def test_a_size_as_a_factor(backend):
    A = variable("A", ("m", "n"))
    mean = einsum([A], ["ij"], "j", {"k": "m", "i": "m", "j": "n"})  # times m
    total = add([(Fraction(-1, 3), mean), (2, einsum([], [], "j", {"j": "n", "k": "m"}))])
    arrays = {"A": np.arange(12.0).reshape(4, 3)}
    expected = -4 / 3 * arrays["A"].sum(axis=0) + 8
    np.testing.assert_allclose(run(code_of(total, backend), arrays, backend), expected)


# --- texts ------------------------------------------------------------------------------------


@given(st.text(), st.sets(st.text(max_size=3)))
def test_an_identifier_is_one_and_not_taken(text, taken):
    found = identifier(text, taken)
    assert found.isidentifier()
    assert not keyword.iskeyword(found)
    assert found not in taken | RESERVED
    assert normalize("NFKC", found) == found


@given(st.text(max_size=8))
def test_a_docstring_says_what_it_was_given(text):
    assert ast.literal_eval(docstring(text)) == text
    assert docstring(text).isprintable()
