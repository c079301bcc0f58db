"""Tensors, compiled functions and all else that a user may hold, in other processes."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import pickle
import pickletools
import random
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import einsdiff as ed
from einsdiff.algebra.nodes import records
from einsdiff.algebra.nodes.function_records import FUNCTIONS
from einsdiff.algebra.nodes.interning import interned_einsum, variable
from einsdiff.algebra.nodes.nodes import einsum
from tests import elsewhere
from tests.catalogue_rows import ROWS, called
from tests.extras import needs
from tests.strategies import Case, einsums
from tests.test_catalogue import (
    arrays_of,
    derivative,
    every_plain_row,
    every_row,
    symbols_of,
    tensors_of,
)

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def again(value: Any, protocol: int | None = None) -> Any:
    return pickle.loads(pickle.dumps(value, protocol))


def check_tensor(t: ed.Tensor, other: ed.Tensor) -> None:
    """Compare all that a tensor is, in the process that made it."""
    mine, theirs = t.formula, other.formula
    assert other == t
    assert hash(other) == hash(t)
    assert other.expr is t.expr
    assert str(other) == str(t)
    assert theirs.arguments == mine.arguments
    assert theirs.letters.of == mine.letters.of
    assert list(theirs.letters.of) == list(mine.letters.of)
    assert theirs.heading == mine.heading
    assert theirs.domain == mine.domain
    while mine.source is not None:
        assert theirs.source is not None
        assert theirs.source[1] is mine.source[1]
        mine, theirs = mine.source[0], theirs.source[0]
        assert theirs.expr is mine.expr
        assert theirs.text == mine.text
    assert theirs.source is None
    assert list(other.values) == list(t.values)
    for name, array in t.values.items():
        np.testing.assert_array_equal(other.values[name], array)
        assert other.values[name].dtype == array.dtype


# --- tensors and derivatives ------------------------------------------------------------------


@every_row
def test_every_row_comes_back(row):
    for t in (called(row.build, symbols_of(row)), derivative(row, "build", symbols_of(row))):
        check_tensor(t, again(t))
        assert again(t).structure_hash == t.structure_hash


@every_plain_row
def test_every_row_comes_back_with_its_values(row):
    J = derivative(row, "build", tensors_of(row, arrays_of(row)))
    other = again(J)
    check_tensor(J, other)
    np.testing.assert_array_equal(np.asarray(other), np.asarray(J))
    compiled = again(J.compile())
    np.testing.assert_array_equal(compiled(), J.compile()())


@settings(max_examples=40)
@given(einsums())
def test_random_einsums_come_back(case: Case):
    t = ed.einsum(
        case.subscripts,
        *(ed.tensor(name, case.arrays[name]) for name in case.names),
        sizes=case.broadcast,
    )
    for part in (t, *(ed.grad(t, wrt=name) for name in dict.fromkeys(case.names))):
        check_tensor(part, again(part))
        check_tensor(part, copy.deepcopy(part))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol(protocol):
    x = ed.tensor("x", np.array([0.5, 1.0]))
    J = ed.hessian(np.sin(x) @ x, wrt=x)
    check_tensor(J, again(J, protocol))
    compiled = again(ed.compile((J, x)), protocol)
    np.testing.assert_array_equal(compiled()[0], np.asarray(J))
    with pytest.raises(ed.ShapeError) as caught:
        ed.einsum("ij,j", np.ones((2, 3)), x)
    assert str(again(caught.value, protocol)) == str(caught.value)


def test_numbers_keep_their_kinds():
    x = ed.tensor("x", 3)
    t = Fraction(1, 3) * x + 1.0 * x**2 + (2 + 1j) * x**3 + 7
    check_tensor(t, again(t))
    assert str(again(1.0 * x)) == "f_i = 1.0 x_i"
    assert again(1.0 * x) != again(x)


def test_tensors_in_one_pickle_share_their_arrays_and_their_formulas():
    A, x = ed.tensor("A", np.ones((2, 2))), ed.tensor("x", np.ones(2))
    f = A @ x
    one, two, three = again((f, f, f * x))
    assert one is two
    assert one.values["x"] is three.values["x"]
    np.testing.assert_array_equal(np.asarray(one + three), np.asarray(f + f * x))


def test_lists_stay_unchangeable_values():
    """A tensor of a list is combined with another one of an equal list, also after a journey."""
    x = ed.tensor("x", [1.0, 2.0])
    np.testing.assert_array_equal(np.asarray(again(x) + x), [2.0, 4.0])
    np.testing.assert_array_equal(np.asarray(copy.deepcopy(x) + x), [2.0, 4.0])
    y = ed.tensor("y", np.array([1.0, 2.0]))
    with pytest.raises(ed.BindingError, match="two different arrays are called 'y'"):
        again(y) + y


def test_unspecified_functions():
    z = ed.tensor("z", "k")
    x = ed.tensor("x", "n", of=z)
    H = ed.hessian(x @ x, wrt=z)
    check_tensor(H, again(H))
    assert ed.grad(again(x), wrt=again(z)) == ed.grad(x, wrt=z)


def test_a_chain_of_ten_thousand_operations():
    def chain(n: int) -> ed.Tensor:
        y = x = ed.tensor("x", 3)
        for k in range(n):
            y = np.sin(y) + k * x
        return y

    y = chain(10_000)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(150 + len(inspect.stack()))
    try:
        pickled = pickle.dumps(y)
        other = pickle.loads(pickled)
        nodes = pickle.loads(pickle.dumps([y.expr]))
    finally:
        sys.setrecursionlimit(limit)
    assert other.expr is y.expr is nodes[0]
    assert copy.deepcopy(y).expr is y.expr
    assert len(pickled) < 2.5 * len(pickle.dumps(chain(5_000)))
    assert len(pickled) < 50 * 20_000


def test_what_is_shared_is_written_once():
    x = ed.tensor("x", 3)
    for _ in range(60):
        x = np.tanh(x) + x  # written out, this is 2^60 long
    f, df = ed.value_and_grad(x @ x, wrt="x")
    check_tensor(df, again(df))
    size = len(pickle.dumps(df))
    assert size < 20_000
    assert len(pickle.dumps(ed.compile((f, df)))) < 1.2 * size


# --- copies -----------------------------------------------------------------------------------


def test_a_copy_shares_its_arrays():
    a = np.array([1.0, 2.0])
    t = ed.tensor("x", a) ** 2
    other = copy.copy(t)
    check_tensor(t, other)
    assert other is not t
    assert other.values["x"] is a
    assert other.formula is t.formula


def test_a_deep_copy_has_arrays_of_its_own():
    a = np.array([1.0, 2.0])
    x = ed.tensor("x", a)
    t = x**2
    other = copy.deepcopy(t)
    check_tensor(t, other)
    a[0] = 10.0
    np.testing.assert_array_equal(np.asarray(other), [1.0, 4.0])
    np.testing.assert_array_equal(np.asarray(t), [100.0, 4.0])
    assert other.expr is t.expr
    assert ed.grad(other, wrt=x) == ed.grad(t, wrt=x)
    first, second = copy.deepcopy((x, t))
    assert first.values["x"] is second.values["x"]
    assert first.values["x"] is not a


def test_a_deep_copy_of_a_compiled_function():
    a = np.array([1.0, 2.0])
    f = ed.compile(ed.tensor("x", a) ** 2)
    f()
    shallow, deep = copy.copy(f), copy.deepcopy(f)
    a[0] = 10.0
    np.testing.assert_array_equal(shallow(), [100.0, 4.0])
    np.testing.assert_array_equal(deep(), [1.0, 4.0])


# --- compiled functions -----------------------------------------------------------------------


def quadratic() -> tuple[ed.Tensor, dict[str, np.ndarray]]:
    rng = np.random.default_rng(3)
    arrays = {"A": rng.normal(size=(3, 3)), "x": rng.normal(size=3)}
    A, x = ed.tensors(A="nn", x="n")
    return ed.einsum("i,ij,j->", x, A, x), arrays


def test_compiled_functions_keep_how_results_are_nested():
    f, arrays = quadratic()
    parts = ed.value_and_grad(f, wrt=("A", "x"))
    compiled = ed.compile(parts)
    other = again(compiled)
    value, (by_A, by_x) = other(**arrays)
    expected, (of_A, of_x) = compiled(**arrays)
    for a, b in ((value, expected), (by_A, of_A), (by_x, of_x)):
        np.testing.assert_array_equal(a, b)
    assert repr(other) == repr(compiled)
    assert other.names == compiled.names


def test_compiled_functions_are_pickled_after_calls():
    f, arrays = quadratic()
    compiled = ed.compile(ed.grad(f, wrt="x"))
    expected = compiled(**arrays)
    other = again(compiled)
    np.testing.assert_array_equal(other(**arrays), expected)
    assert other.source == compiled.source


@pytest.mark.parametrize("form", ["dense", "cores", "sparse"])
def test_compiled_functions_keep_their_form(form):
    if form == "sparse":
        needs("scipy")
    x = ed.tensor("x", [1.0, 2.0])
    compiled = again(ed.grad(x * x, wrt=x).compile(form=form))
    assert compiled.form == form
    result = compiled()
    if form == "cores":
        np.testing.assert_array_equal(result[0], [2.0, 4.0])
    else:
        array = result.toarray() if form == "sparse" else result
        np.testing.assert_array_equal(array, np.diag([2.0, 4.0]))


def test_compiled_functions_keep_their_limit_and_what_is_bound():
    A, x = ed.tensor("A", np.ones((100, 100))), ed.tensor("x", 100)
    compiled = again((A @ x).compile(memory_limit=200))
    with pytest.raises(ed.SizeError):
        compiled(x=np.ones(100))
    bound = again((A @ x).compile())
    np.testing.assert_array_equal(bound(x=np.ones(100)), np.full(100, 100.0))
    with pytest.raises(ed.BindingError, match="no array for 'x'"):
        bound()


# --- everything else --------------------------------------------------------------------------


def bound() -> ed.Tensor:
    return ed.parse("x_i A_ij x_j", **quadratic()[1])


def jacobian() -> ed.Tensor:
    return ed.grad(np.sin(bound()), wrt="x")


HELD: dict[str, Callable[[], Any]] = {
    "cores": lambda: ed.hessian(bound(), wrt="x").cores(),
    "check": lambda: jacobian().check(),
    "derivation": lambda: jacobian().explain(),
    "table": lambda: jacobian().table(),
    "cases": lambda: ed.grad("R_mp R_mq", wrt="R").cases(),
    "diagram": lambda: bound().diagram(),
    "equality": lambda: ed.equal(bound(), bound()),
    "report": lambda: jacobian().compile().report(),
    "plan": lambda: jacobian().compile().plan,
    "function": lambda: ed.tanh,
}


@pytest.mark.parametrize("name", HELD)
def test_whatever_a_user_holds(name):
    value = HELD[name]()
    for other in (again(value), copy.copy(value), copy.deepcopy(value)):
        assert type(other) is type(value)
        assert repr(other) == repr(value)
    if name == "cores":
        np.testing.assert_array_equal(again(value).dense(), value.dense())
    if name == "function":
        assert again(value) is value


def solvable() -> dict[str, Callable[[], ed.Tensor]]:
    rng = np.random.default_rng(5)
    A, B = rng.normal(size=(3, 3)) + 4 * np.eye(3), rng.normal(size=(2, 2)) + 4 * np.eye(2)
    W = rng.normal(size=(40, 40)) + 20 * np.eye(40)
    S, R = A + A.T, B + B.T
    a, d = rng.normal(size=(2, 60)), rng.uniform(1, 2, 60)
    X = np.zeros((3, 2))
    return {
        "division": partial(ed.grad, "f_i = d_i x_i", wrt="x", d=d, x=d),
        "inverses": partial(ed.grad, "A_ij x_j", wrt="x", A=A, x=X[:, 0]),
        "LU": partial(ed.grad, "A_ij x_j", wrt="x", A=W, x=W[0]),
        "factors": partial(ed.grad, "A_ik X_kl B_lj", wrt="X", A=A, B=B, X=X),
        "Schur": partial(ed.grad, "A_ik X_kj + X_il B_lj", wrt="X", A=A, B=B, X=X),
        "eigenvectors": partial(ed.grad, "A_ik X_kj + X_il B_lj", wrt="X", A=S, B=R, X=X),
        "low rank": partial(ed.grad, "f_i = d_i x_i + a_ki a_kj x_j", wrt="x", d=d, a=a, x=d),
    }


@pytest.mark.parametrize("name", solvable())
def test_solvers_and_operators(name):
    needs("scipy")
    J = solvable()[name]()
    solver = J.solver()
    other = again(solver)
    rhs = np.random.default_rng(0).normal(size=solver.shape)
    np.testing.assert_array_equal(other.solve(rhs), solver.solve(rhs))
    assert repr(other) == repr(solver)
    x = np.random.default_rng(1).normal(size=solver.domain)
    for layout in ("numerator", "denominator"):
        operator = J.operator(layout)
        np.testing.assert_array_equal(again(operator) @ x.ravel(), operator @ x.ravel())
        np.testing.assert_array_equal(again(operator).H @ x.ravel(), operator.H @ x.ravel())


def test_an_iterative_solver(monkeypatch):
    needs("scipy")
    monkeypatch.setattr("einsdiff.numeric.solving.factorise.MOST_ROWS", 10)
    rng = np.random.default_rng(2)
    A = rng.normal(size=(30, 30)) + 30 * np.eye(30)
    solver = ed.grad("A_ij x_j", wrt="x", A=A, x=A[0]).solver()
    assert "GMRES" in repr(solver)
    np.testing.assert_allclose(again(solver).solve(A[0]), np.linalg.solve(A, A[0]))


ERRORS = {
    "SubscriptsError": lambda: ed.einsum("ij->i->j", "A"),
    "ShapeError": lambda: ed.einsum("ij,j->i", np.ones((2, 3)), np.ones(4)),
    "RangeError": lambda: ed.tensor("x", 3)[5],
    "OperandError": lambda: ed.tensor("A", ["one", "two"]),
    "NameNotFoundError": lambda: ed.grad("ij,j->i", "A", "x", wrt="B"),
    "BindingError": lambda: ed.einsum("i,i->", "x", "y")(x=[1.0, 2.0]),
    "LayoutError": lambda: ed.einsum("i,i->", "x", "x").matrix(layout="row"),  # type: ignore
    "SizeError": lambda: ed.tensor("A", np.ones((9, 9))).dense(memory_limit=1),
    "SolveError": lambda: ed.grad("0 x_i", x=[0.0, 0.0], wrt="x").solve([1.0, 1.0]),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_keep_their_page(name):
    kind = getattr(ed, name)
    with pytest.raises(kind) as caught:
        ERRORS[name]()
    error = caught.value
    error.add_note("while testing")
    for other in (again(error), copy.copy(error)):
        assert type(other) is kind
        assert str(other) == str(error)
        assert other.__notes__ == ["while testing"]
        for part in ("headline", "text", "shapes", "action"):
            assert getattr(other.args[0], part, "") == getattr(error.args[0], part, "")
        assert str(other.located("a_i", [0])) == str(error.located("a_i", [0]))


# --- what a pickle is made of -----------------------------------------------------------------


def test_a_pickle_calls_nothing_but_einsdiff_and_numpy():
    x = ed.tensor("x", np.array([0.5, 1.0]))
    f = Fraction(1, 3) * np.sin(x) @ x
    objects = (f, ed.hessian(f, wrt=x), ed.compile(ed.value_and_grad(f, wrt=x)))
    pickled = pickle.dumps(objects, 2)  # which writes names where later ones refer to strings
    named = {arg for op, arg, _ in pickletools.genops(pickled) if op.name == "GLOBAL"}
    assert named
    rooms = {name.split(" ")[0].split(".")[0] for name in named}
    assert rooms <= {"einsdiff", "numpy", "fractions", "functools", "_codecs"}
    assert not {name for name in named if "eval" in name or "exec" in name or "getattr" in name}


def test_a_format_that_is_not_known_is_refused():
    graph = records.dumped([variable("x", (3,))])
    with pytest.raises(ed.OperandError, match="format 99, and this version of einsdiff reads"):
        records.loaded(graph._replace(format=99))


def test_what_another_version_wrote_is_made_canonical_again():
    A, x = variable("A", (3, 3)), variable("x", (3,))
    expected = einsum([x, A, x], ["i", "ij", "j"], "")
    order = expected.operands[::-1]
    other = interned_einsum(order, expected.subscripts[::-1], (), expected.sizes)
    assert other is not expected
    graph = records.dumped([other])
    assert records.restored(graph) is other
    assert records.restored(graph._replace(version="0.0.0")) is expected
    for row in ROWS[::10]:
        node = derivative(row, "build", symbols_of(row)).formula.normal_form
        assert records.restored(records.dumped([node])._replace(version="0.0.0")) is node


def _whole(t: Any) -> Any:
    """Return all that is to come back of a tensor or a compiled function, to be compared."""
    if isinstance(t, ed.Tensor):
        values = {name: (a.dtype.str, a.tobytes()) for name, a in t.values.items()}
        return str(t), t.formula.check, values
    return repr(t), t.form, [getattr(a, "tolist", str)() for a in t._values]


@contextmanager
def little_memory() -> Iterator[None]:
    """Let what asks for gigabytes fail, as a damaged length may, before it gets them."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


# What NumPy says of a damaged dtype when it is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("which", ["values", "symbols", "derivative", "compiled"])
def test_a_damaged_pickle_is_refused_or_is_the_same(which, protocol):
    local = np.random.default_rng(3)
    A, x = ed.tensor("A", local.standard_normal((3, 2))), ed.tensor("x", np.array([0.5, -1.0]))
    made = {
        "values": ed.einsum("ij,j->i", A, x),
        "symbols": ed.parse("f_i = A_ij x_j + 1/3 b_i"),
        "derivative": ed.hessian("exp(a_i x_i)^2", a=np.ones(2), x=x, wrt="x"),
        "compiled": ed.compile(ed.value_and_grad("(A_ij x_j)^2", A=A, x=x, wrt="x")),
    }[which]
    pickled = pickle.dumps(made, protocol)
    rng = random.Random(protocol)
    refused = 0
    for at in range(len(pickled)):
        broken = bytearray(pickled)
        broken[at] ^= 1 << rng.randrange(8)
        if broken[at] in pickle.BYTEARRAY8 + pickle.LONG_BINPUT:
            continue  # which may take memory without a limit before pickle looks at the rest
        try:
            with little_memory() if Path("/proc/self/statm").exists() else nullcontext():
                found = pickle.loads(bytes(broken))
        except Exception:  # of which pickle has many
            refused += 1
            continue
        # A pickle that ends early holds a part of what was written, which is no tensor.
        if isinstance(found, ed.Tensor | ed.Compiled):
            assert _whole(found) == _whole(made)
    assert refused > len(pickled) // 2


def test_damage_to_numbers_is_found_where_pickle_finds_none():
    x = ed.tensor("x", np.array([0.5, -1.0]))
    pickled = pickle.dumps(ed.einsum("i,i->", x, x) * 3)
    number = np.array([0.5, -1.0]).tobytes()
    with pytest.raises(ed.OperandError, match="damaged: the arrays"):
        pickle.loads(pickled.replace(number, number[::-1]))
    factor = pickle.dumps(ed.parse("123456 x_i"))
    with pytest.raises(ed.OperandError, match="damaged: the expressions"):
        pickle.loads(factor.replace((123456).to_bytes(4, "little"), (123457).to_bytes(4, "little")))


# --- registered functions ---------------------------------------------------------------------


@pytest.fixture
def softcube() -> Iterator[ed.TensorFunction]:
    yield ed.register("softcube", elsewhere.softcube, "(3 x^2 + x^4) / (1 + x^2)^2")
    forget("softcube")


def forget(name: str) -> None:
    """Make a process one that has not registered a function."""
    from einsdiff.verbs import named_functions as functions

    FUNCTIONS.pop(name, None)
    functions._REGISTERED.pop(name, None)


def test_a_registered_function_comes_back(softcube):
    x = ed.tensor("x", [0.5, 1.0])
    t = ed.grad(softcube(x), wrt=x)
    check_tensor(t, again(t))
    assert again(softcube) is softcube


def test_a_registered_function_is_registered_where_it_is_read(softcube):
    t = softcube(ed.tensor("x", [0.5, 1.0]))
    J = ed.grad(t, wrt="x")
    expected, pickled, function = np.asarray(J), pickle.dumps(J), pickle.dumps(softcube)
    forget("softcube")
    np.testing.assert_array_equal(np.asarray(pickle.loads(pickled)), expected)
    assert str(ed.parse("softcube(x_i)")) == "f_i = softcube(x_i)"
    assert pickle.loads(function)(ed.tensor("x", [0.5, 1.0])) == pickle.loads(pickle.dumps(t))
    assert ed.check("softcube(x_i)", wrt="x").ok


def test_a_function_that_cannot_be_imported_goes_by_value():
    needs("cloudpickle")
    own = ed.register("own", lambda x: 2 * x, "2")
    pickled = pickle.dumps(own(ed.tensor("x", [0.5, 1.0])))
    forget("own")
    np.testing.assert_array_equal(np.asarray(pickle.loads(pickled)), [1.0, 2.0])
    forget("own")


def test_a_function_that_is_not_known_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    own = ed.register("own", lambda x: 2 * x, "2")
    x = ed.tensor("x", [0.5, 1.0])
    pickled = pickle.dumps(own(x))
    np.testing.assert_array_equal(np.asarray(pickle.loads(pickled)), [1.0, 2.0])  # by its name
    forget("own")
    with pytest.raises(ed.OperandError, match="'own', which is not registered") as caught:
        pickle.loads(pickled)
    assert "call ed.register('own', ...)" in str(caught.value)


def test_a_function_that_means_something_else_is_refused(softcube):
    pickled = pickle.dumps(softcube(ed.tensor("x", 3)))
    ed.register("softcube", np.negative, "-1")
    with pytest.raises(ed.OperandError, match="'softcube' in this pickle is another function"):
        pickle.loads(pickled)


def test_a_function_that_the_library_does_not_have_is_refused():
    pickled = pickle.dumps(ed.tanh(ed.tensor("x", 3)).expr, 2)
    assert b"tanh" in pickled
    with pytest.raises(ed.OperandError, match="the function 'tanq'"):
        pickle.loads(pickled.replace(b"tanh", b"tanq"))


# --- the structure hash -----------------------------------------------------------------------


def test_equal_expressions_have_one_hash():
    """And different ones have different hashes, over all pairs of the catalogue."""
    found: dict[str, ed.Tensor] = {}
    for row in ROWS:
        variables = symbols_of(row)
        f = called(row.build, variables)
        for t in (f, derivative(row, "build", variables)):
            known = found.setdefault(t.structure_hash, t)
            assert known == t
    assert len(found) == len(set(found.values()))


def test_the_hash_does_not_depend_on_how_it_was_written():
    A, x = ed.tensors(A=(3, 3), x=3)
    ways = [
        ed.einsum("i,ij,j->", x, A, x),
        ed.einsum("b,ab,a", x, A, x),
        x @ A @ x,
        ed.parse("A_kl x_k x_l", A, x),
        ed.parse("q = x_l x_k A_kl", A=np.ones((3, 3)), x=np.ones(3)),
    ]
    assert len({t.structure_hash for t in ways}) == 1
    assert all(len(t.structure_hash) == 64 for t in ways)
    different = [x, 1.0 * x, 2 * x, ed.tensor("x", 4), ed.tensor("y", 3), np.sin(x), ed.parse("1")]
    square = [A, A.T, ed.tensor("A", (3, 3), symmetric=True), ed.grad(A @ x, wrt=x)]
    assert len({t.structure_hash for t in different + square}) == len(different + square)


def test_the_hash_tells_registered_functions_apart():
    found = set()
    for rule in ("2", "2 + 0 x"):
        own = ed.register("own", np.negative, rule)
        found.add(own(ed.tensor("x", 3)).structure_hash)
    forget("own")
    assert len(found) == 2


def test_dask_knows_equal_tensors_by_one_token():
    needs("dask")
    from dask.base import tokenize

    x = ed.tensor("x", np.array([0.5, 1.0]))
    f = np.sin(x) @ x
    for one in (f, ed.grad(f, wrt=x), f.compile(), ed.compile((f, x))):
        assert tokenize(one, ensure_deterministic=True) == tokenize(again(one))
    y = ed.tensor("x", np.array([0.5, 2.0]))
    others = [f, np.sin(y) @ y, f.compile(), f.compile(memory_limit=9**9), ed.compile((f,))]
    others += [ed.parse("sin(x_j) x_j", x=[0.5, 1.0]), ed.parse("sin(x_i) x_i", x=2)]
    assert len({tokenize(other) for other in others}) == len(others)
    own = [ed.register("own", f, "2")(x) for f in (lambda x: 2 * x, lambda x: 2 * x + 1)]
    forget("own")
    assert own[0].structure_hash == own[1].structure_hash
    assert tokenize(own[0]) != tokenize(own[1])


# --- other processes --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def processes() -> Iterator[list[ProcessPoolExecutor]]:
    """Start two processes, with different seeds of Python's hashes."""
    context = multiprocessing.get_context("spawn")
    pools = []
    with pytest.MonkeyPatch.context() as patch:
        for seed in ("1", "2024"):
            patch.setenv("PYTHONHASHSEED", seed)
            pools.append(ProcessPoolExecutor(1, mp_context=context))
            pools[-1].submit(abs, 0).result()  # which starts it
    yield pools
    for pool in pools:
        pool.shutdown()


def test_every_process_finds_one_form_and_one_hash(processes):
    variables = [symbols_of(row) for row in ROWS]
    futures = [
        pool.submit(elsewhere.all_hashed, variables, 10_000 * k) for k, pool in enumerate(processes)
    ]
    here = elsewhere.all_hashed(variables, 0)
    for future in futures:
        for row, mine, theirs in zip(ROWS, here, future.result(), strict=True):
            assert theirs == mine, row


def test_tensors_go_to_other_processes_and_back(processes):
    x = ed.tensor("x", np.array([0.5, 1.0]))
    f = np.sin(x) @ x
    for pool in processes:
        text, digest, values = pool.submit(elsewhere.described, f).result()
        assert (text, digest) == (str(f), f.structure_hash)
        np.testing.assert_array_equal(values, np.asarray(f))
        J = pool.submit(elsewhere.differentiated, f).result()
        check_tensor(ed.grad(f, wrt=x), J)


def test_compiled_functions_go_to_other_processes(processes):
    f, arrays = quadratic()
    compiled = ed.compile(ed.value_and_grad(f, wrt="x"))
    value, gradient = processes[0].submit(elsewhere.applied, compiled, **arrays).result()
    np.testing.assert_array_equal(value, compiled(**arrays)[0])
    np.testing.assert_array_equal(gradient, compiled(**arrays)[1])
    xs = [arrays["x"], 2 * arrays["x"]]
    assert compiled.names == ("x", "A")
    results = processes[1].map(compiled, xs, [arrays["A"]] * 2)
    for x, (value, gradient) in zip(xs, results, strict=True):
        np.testing.assert_array_equal(value, compiled(x, arrays["A"])[0])
        np.testing.assert_array_equal(gradient, compiled(x, arrays["A"])[1])


def test_errors_come_from_other_processes(processes):
    with pytest.raises(ed.ShapeError, match="label 'j' has size 3 in operand 0") as caught:
        processes[0].submit(elsewhere.failing, "ij,j->i").result()
    assert caught.value.args[0].text == "ij,j->i"


def test_functions_that_close_over_tensors_go_by_value(processes):
    needs("cloudpickle")
    import cloudpickle

    A = ed.tensor("A", np.array([[2.0, 1.0], [0.0, 3.0]]))
    gradient = ed.grad("x_i A_ij x_j", A=A, wrt="x").compile()
    pickled = cloudpickle.dumps(lambda: (gradient(x=np.ones(2)), ed.grad(A @ A, wrt=A), str(A)))
    array, J, text = processes[0].submit(elsewhere.run, pickled).result()
    np.testing.assert_array_equal(array, [5.0, 7.0])
    check_tensor(ed.grad(A @ A, wrt=A), J)
    assert text == "A_ij"


def test_registered_functions_go_to_other_processes(processes, softcube):
    x = ed.tensor("x", np.array([0.5, 1.0]))
    J = ed.grad(softcube(x), wrt=x)
    _, digest, values = processes[0].submit(elsewhere.described, J).result()
    assert digest == J.structure_hash
    np.testing.assert_array_equal(values, np.asarray(J))


def test_errors_are_made_as_pickle_makes_them():
    for name in ERRORS:
        kind = getattr(ed, name)
        assert type(kind.__new__(kind)) is kind  # as libraries do that pickle tracebacks
