"""Dask arrays in, lazy Dask arrays out: the same numbers as NumPy's, chunk by chunk.

Everything runs in this thread; a cluster of processes is in `tests.interop.test_cluster`.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.numeric.chunks.tasks import Kernel, combined
from tests.catalogue_rows import called
from tests.extras import needs
from tests.losses import logistic, squares
from tests.oracle import brute_einsum
from tests.strategies import Case, einsums
from tests.test_catalogue import arrays_of, derivative, every_plain_row, symbols_of

needs("dask")
import dask  # noqa: E402
import dask.array as da  # noqa: E402
from dask.base import collections_to_expr  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with dask.config.set(scheduler="synchronous"):
        yield


def tasks(*lazy: Any) -> int:
    """Count the tasks that are left of several arrays when Dask has optimised their graph."""
    return len(collections_to_expr(lazy).optimize().__dask_graph__())


def in_chunks(array: np.ndarray, *chunks: Any) -> Any:
    return da.from_array(array, chunks=chunks if chunks else "auto")


def check_lazy(lazy: Any, wanted: Any, rtol: float = 1e-9) -> None:
    """Compare a lazy array with what NumPy gives."""
    wanted = np.asarray(wanted)
    assert isinstance(lazy, da.Array)
    assert lazy.shape == wanted.shape
    assert lazy.dtype == wanted.dtype
    found = lazy.compute()
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol * 1e-2)


def attempt(t: ed.Tensor, arrays: dict[str, Any]) -> tuple[Any, str]:
    """Return what a tensor is, or why it is refused to be made in chunks: it is a dense delta."""
    try:
        return t(**arrays), ""
    except ed.OperandError as error:
        if "zero but on a diagonal" not in str(error):
            raise
        return None, str(error)


def samples(n: int = 60, p: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, p))
    return {"X": X, "y": (X[:, 0] > 0).astype(float), "w": rng.normal(size=p)}


def four_of(loss, arrays: dict[str, Any]) -> list[ed.Tensor]:
    """Return the value, the gradient, the Hessian and its product with a vector."""
    X, y, w = arrays["X"], arrays["y"], arrays["w"]
    v = np.linspace(-1, 1, w.shape[0])
    return [
        *ed.value_and_grad(loss, X, y, w, wrt="w"),
        ed.hessian(loss, X, y, w, wrt="w"),
        ed.hvp(loss, X, y, w, wrt="w", v=v),
    ]


# --- the same numbers -------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [logistic, squares])
@pytest.mark.parametrize("chunks", [(20, 3), (7, 3), (1, 3), (20, 2), (60, 1), ((10, 0, 50), 3)])
def test_losses_of_samples_in_chunks(loss, chunks):
    arrays = samples()
    lazy = {"X": in_chunks(arrays["X"], *chunks), "y": in_chunks(arrays["y"], 20), "w": arrays["w"]}
    for t, wanted in zip(four_of(loss, lazy), four_of(loss, arrays), strict=True):
        check_lazy(t.dense(), np.asarray(wanted))
        np.testing.assert_allclose(np.asarray(t), np.asarray(wanted))
    compiled = ed.compile(*four_of(loss, lazy))()
    for found, wanted in zip(compiled, four_of(loss, arrays), strict=True):
        check_lazy(found, np.asarray(wanted))


@pytest.mark.parametrize("cut", ["one by one", "halves"])
@every_plain_row
def test_every_row_of_the_catalogue(row, cut):
    arrays = arrays_of(row)
    lazy = {
        name: da.from_array(
            a,
            chunks=(1,) * min(a.ndim, 1) + a.shape[1:]
            if cut == "one by one"
            else tuple(max(1, n // 2) for n in a.shape),
        )
        for name, a in arrays.items()
    }
    symbols = symbols_of(row)
    for t in (called(row.build, symbols), derivative(row, "build", symbols)):
        wanted = t(**{name: a for name, a in arrays.items() if name in t.names})
        found, refused = attempt(t, {name: a for name, a in lazy.items() if name in t.names})
        if refused:
            assert "zero but on a diagonal" in refused
            assert len(np.shape(wanted)) > 1
            assert "jvp(v)" in refused
        else:
            check_lazy(found, wanted)


@st.composite
def cut_cases(draw: st.DrawFn) -> tuple[Case, dict[str, Any]]:
    """Draw an einsum, and its operands in chunks, or some of them as they are."""
    case = draw(einsums())
    lazy: dict[str, Any] = {}
    for name, array in case.arrays.items():
        chunks = []
        for size in array.shape:
            cuts = draw(st.lists(st.integers(0, size), max_size=2).map(sorted))
            chunks.append(tuple(np.diff([0, *cuts, size]).tolist()))
        is_lazy = not lazy or draw(st.booleans())
        lazy[name] = da.from_array(array, chunks=tuple(chunks)) if is_lazy else array
    return case, lazy


def is_cut(array: Any, axis: int) -> bool:
    return isinstance(array, da.Array) and sum(n > 0 for n in array.chunks[axis]) > 1


def check_delta_refused(case: Case, lazy: dict[str, Any], repeated: set[str]) -> None:
    """Check that a label that occurs twice in a result is in several chunks somewhere."""
    assert any(
        is_cut(lazy[name], axis)
        for name, term in zip(case.names, case.inputs, strict=True)
        for axis, label in enumerate(term)
        if label in repeated
    )


@settings(max_examples=150, deadline=None)
@given(cut_cases())
def test_random_einsums_in_random_chunks(drawn):
    case, lazy = drawn
    operands = [ed.tensor(name, lazy[name]) for name in case.names]
    f = ed.einsum(case.subscripts, *operands, sizes=case.broadcast)
    wanted = brute_einsum(case.inputs, case.output, case.sizes, case.operands)
    found, refused = attempt(f, {})
    if refused:
        repeated = {label for label in case.output if case.output.count(label) > 1}
        check_delta_refused(case, lazy, repeated)
        return
    single = any(a.dtype in (np.float32, np.complex64) for a in case.operands)
    assert found.shape == wanted.shape
    result = found.compute()
    assert result.dtype == found.dtype == f(**case.arrays).dtype
    np.testing.assert_allclose(result, wanted, rtol=1e-4 if single else 1e-10, atol=1e-5)


@settings(max_examples=100, deadline=None)
@given(cut_cases())
def test_random_gradients_in_random_chunks(drawn):
    case, lazy = drawn
    operands = [ed.tensor(name, lazy[name]) for name in case.names]
    f = ed.einsum(case.subscripts, *operands, sizes=case.broadcast)
    J = ed.grad(f, wrt=case.names[0])
    wanted = J(**case.arrays)
    found, refused = attempt(J, {})
    if refused:
        check_delta_refused(case, lazy, set("ijkl"))
        return
    tolerance = 1e-4 if wanted.dtype in (np.float32, np.complex64) else 1e-10
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found.compute(), wanted, rtol=tolerance, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "complex64", "complex128", "int8", "int64", "bool"])
def test_dtypes_are_those_of_numpy(dtype):
    x = (np.arange(12) % 3).astype(dtype)
    f = ed.einsum("i,i->", ed.tensor("x", ("n",)), ed.tensor("x", ("n",)))
    for t in (f, ed.grad(f, wrt="x")):
        check_lazy(t(x=in_chunks(x, 5)), t(x=x), rtol=1e-5)


@pytest.mark.parametrize("name", ["max", "min", "prod", "logsumexp"])
@pytest.mark.parametrize("chunks", [(5, 2), (5, 4), (12, 1)])
def test_reductions_over_chunks(name, chunks):
    x = np.random.default_rng(0).normal(size=(12, 4))
    for axis in (0, 1, None):
        f = getattr(ed, name)(ed.tensor("x", ("m", "n")), axis=axis)
        check_lazy(f(x=in_chunks(x, *chunks)), f(x=x))


def test_logsumexp_over_chunks_of_large_numbers_and_of_complex_ones():
    x = np.array([1000.0, 1001.0, -1000.0, 999.0, -np.inf])
    f = ed.logsumexp(ed.tensor("x", "n"))
    check_lazy(f(x=in_chunks(x, 2)), f(x=x))
    check_lazy(f(x=in_chunks(x[:4] / 100 + 1j, 2)), f(x=x[:4] / 100 + 1j))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_over_chunks(name):
    x = np.random.default_rng(0).normal(size=(3, 12))
    f = getattr(ed, name)(ed.tensor("x", ("m", "n")), axis=1)
    check_lazy(f(x=in_chunks(x, 2, 5)), f(x=x))
    g = ed.grad((f * f).sum(), wrt="x")
    check_lazy(g(x=in_chunks(x, 2, 5)), g(x=x))


@pytest.mark.parametrize("layout", ["numerator", "denominator"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_matrices(layout, order):
    rng = np.random.default_rng(1)
    X, W, Y = rng.normal(size=(12, 3)), rng.normal(size=(3, 2)), rng.normal(size=(12, 2))
    H = ed.grad("np,pk,nk->pk", X, W, Y, wrt="X")
    wanted = H.matrix(layout, order)
    check_lazy(
        ed.grad("np,pk,nk->pk", in_chunks(X, 5, 3), W, Y, wrt=0).matrix(layout, order), wanted
    )
    J = ed.grad("np,pk->n", in_chunks(X, 5, 3), W, wrt=1)
    check_lazy(J.matrix(layout, order), ed.grad("np,pk->n", X, W, wrt=1).matrix(layout, order))


def test_steps_that_follow_a_sum_over_all_chunks():
    # The largest entry is known when all chunks were read, and then they are read again.
    x = np.random.default_rng(0).normal(size=(30, 3))
    for build in (
        lambda x: np.sum(np.exp(x - np.max(x)) ** 2),
        lambda x: np.tanh(x) / np.sum(np.tanh(x)),
        lambda x: (x - np.mean(x, axis=0)) / np.std(x, axis=0),
        lambda x: np.linalg.inv(x.T @ x + np.eye(3)) @ x.T,
        lambda x: np.log(np.linalg.det(x.T @ x)),
    ):
        t = ed.compile(build, x)
        check_lazy(t(in_chunks(x, 7, 3)), build(x))
        check_lazy(t(in_chunks(x, 7, 2)), build(x))


def test_a_matrix_of_all_pairs_of_samples():
    x = np.random.default_rng(0).normal(size=(10, 2))
    K = ed.einsum("np,mp->nm", ed.tensor("X", ("n", "p")), ed.tensor("X", ("n", "p")))
    for f in (K, np.exp(-K) * K, np.exp(K).sum(axis=0), ed.einsum("nm,mn->", K, np.tanh(K))):
        check_lazy(f(X=in_chunks(x, 3, 2)), f(X=x))
        check_lazy(f(X=in_chunks(x, 3, 1)), f(X=x))


def test_functions_of_matrices_in_a_batch_in_chunks():
    A = np.eye(3) * 3 + np.random.default_rng(0).normal(size=(8, 3, 3))
    f = np.linalg.inv(ed.tensor("A", ("n", 3, 3)))
    check_lazy(f(A=in_chunks(A, 3, 3, 3)), f(A=A))
    check_lazy(f(A=in_chunks(A, 3, 2, 3)), f(A=A))  # small enough to put chunks together
    g = ed.grad(ed.logdet(ed.tensor("A", ("n", 3, 3))).sum(), wrt="A")
    check_lazy(g(A=in_chunks(A, 3, 3, 3)), g(A=A))


def test_a_function_that_was_registered():
    cube = ed.register("daskcube", lambda x: x**3, derivative="3 x^2")
    x = np.arange(6.0)
    f = cube(ed.tensor("x", "n")).sum()
    check_lazy(f(x=in_chunks(x, 4)), f(x=x))
    check_lazy(ed.grad(f, wrt="x")(x=in_chunks(x, 4)), 3 * x**2)


def test_arrays_without_entries_and_without_axes():
    f = ed.einsum("i,->i", ed.tensor("x", "n"), ed.tensor("c", ()))
    for x in (np.ones(0), np.ones(5)):
        lazy = da.from_array(x, chunks=2)
        check_lazy(f(x=lazy, c=da.from_array(np.array(2.0))), f(x=x, c=2.0))
        check_lazy(f.sum()(x=lazy, c=2.0), f.sum()(x=x, c=2.0))
    check_lazy(ed.tensor("x", "n")(x=in_chunks(np.arange(3), 2)), np.arange(3))


def test_results_without_any_array_are_lazy_too():
    x = in_chunks(np.ones(6, np.float32), 2)
    check_lazy(ed.hessian("i,i->", x, x, wrt=0).dense(), 2 * np.eye(6, dtype=np.float32))
    check_lazy(ed.grad("i->", x, wrt=0).dense(), np.ones(6, np.float32))
    check_lazy((0 * ed.tensor("x", x)).dense(), np.zeros(6, np.float32))


def test_a_long_chain_of_operations():
    x = np.linspace(0.0, 1.0, 6)
    f = ed.tensor("x", "n")
    for _ in range(300):
        f = np.sin(f) + 0.5
    check_lazy(f(x=in_chunks(x, 4)), f(x=x))


STEPS: tuple[Callable[[Any, Any, int], Any], ...] = (
    lambda a, b, axis: np.tanh(a),
    lambda a, b, axis: a + b,
    lambda a, b, axis: a * b,
    lambda a, b, axis: a @ b / 10,
    lambda a, b, axis: a.T @ b / 10,
    lambda a, b, axis: np.sum(a, axis=axis),
    lambda a, b, axis: np.mean(a, axis=axis),
    lambda a, b, axis: np.max(a, axis=axis),
    lambda a, b, axis: ed.softmax(a, axis=axis),
    lambda a, b, axis: ed.logsumexp(a, axis=axis),
    lambda a, b, axis: np.exp(-((a - np.max(a)) ** 2)),
    lambda a, b, axis: np.outer(a, b),
    lambda a, b, axis: np.linalg.inv(a.T @ a) @ b.T,
)


def random_program(choose: random.Random) -> ed.Tensor:
    """Return an expression of samples X, of which some steps need all chunks before."""
    X, y, w = ed.tensors(X="np", y="n", w="p")
    known = [X, y, w]
    for _ in range(choose.randint(3, 9)):
        a, b = choose.choice([*known[-5:], X]), choose.choice([*known, X])
        with suppress(ed.EinsdiffError, ValueError):  # of shapes that do not fit
            t = choose.choice(STEPS)(a, b, choose.choice([0, -1]))
            known += [t] if t.ndim < 4 else []
    return known[-1]


@pytest.mark.parametrize("seed", range(50))
def test_random_programs_and_their_gradients(seed):
    choose, rng = random.Random(seed), np.random.default_rng(seed)
    arrays = {"X": rng.normal(size=(7, 3)), "y": rng.normal(size=7), "w": rng.normal(size=3)}
    t = random_program(choose)
    lazy: dict[str, Any] = {}
    for name, a in arrays.items():
        cuts = [sorted(choose.randint(0, n) for _ in range(choose.randint(0, 2))) for n in a.shape]
        chunks = [
            tuple(np.diff([0, *cut, n]).tolist()) for cut, n in zip(cuts, a.shape, strict=True)
        ]
        is_lazy = name == "X" or choose.random() < 0.7
        lazy[name] = da.from_array(a, chunks=tuple(chunks)) if is_lazy else a
    for made in (t, ed.grad(t, wrt=choose.choice(t.names))):
        wanted = made(**{name: arrays[name] for name in made.names})
        found, refused = attempt(made, {name: lazy[name] for name in made.names})
        if refused:
            assert made is not t
        elif isinstance(found, da.Array):
            check_lazy(found, wanted, rtol=1e-7)
            sizes = [found.blocks[k].compute().shape for k in np.ndindex(*found.numblocks) if k]
            assert sizes == [shape for shape in product(*found.chunks) if shape]


@pytest.mark.parametrize(
    "loss",
    [
        lambda X, y, w: np.sum((X[1:] @ w - X[:-1] @ w) ** 2) + np.sum(y),
        lambda X, y, w: np.sum(np.tanh(X @ w)[5:40] * y[:35]),
        lambda X, y, w: np.sum((X[2:][3:50] @ w - y[10:57]) ** 2),
        lambda X, y, w: np.sum(np.exp(X @ w - y)[1:] * np.max(X, axis=1)[:-1]),
    ],
)
def test_slices_of_samples_are_slices_of_chunks(loss):
    arrays = samples()
    X, y, w = ed.tensors(X=(60, 3), y=60, w=3)
    compute = ed.compile(*ed.value_and_grad(loss, X, y, w, wrt="w"))
    lazy = {"X": in_chunks(arrays["X"], 9, 3), "y": in_chunks(arrays["y"], 13), "w": arrays["w"]}
    with dask.config.set({"array.chunk-size": "300 B"}):  # not all of it in one chunk
        found = compute(**lazy)
        for a, b in zip(found, compute(**arrays), strict=True):
            check_lazy(a, b)
        with pytest.raises(ed.SizeError, match="axis 0 of a part of 'x'"):
            np.cumsum(ed.tensor("x", lazy["y"])[1:]).dense()


def test_chunks_are_computed_in_slices_if_memory_is_short():
    u, v = in_chunks(np.linspace(0, 1, 3000), 1500), np.linspace(0, 1, 2000)
    f = np.exp(-((ed.tensor("u", "m")[:, None] - ed.tensor("v", "n")[None]) ** 2)).sum()
    wanted = f(u=np.asarray(u), v=v)
    before = ed.set_memory_limit(10**7)  # an array of a chunk of u and all of v has 24 MB
    try:
        np.testing.assert_allclose(f(u=u, v=v).compute(), wanted)
    finally:
        ed.set_memory_limit(before)


# --- lazy -------------------------------------------------------------------------------------


def failing(block_info: Any = None) -> np.ndarray:
    raise AssertionError("this was computed")


def test_nothing_is_computed_before_it_is_asked_for():
    X = da.map_blocks(failing, chunks=((5, 5), (3,)), dtype=float, meta=np.empty((0, 0)))
    y = X[:, 0]
    w = np.ones(3)
    made = four_of(logistic, {"X": X, "y": y, "w": w})
    for t in made:
        str(t)
        repr(t)
        t.latex()
        assert isinstance(t.dense(), da.Array)
    assert all(isinstance(a, da.Array) for a in ed.compile(*made)())
    with pytest.raises(AssertionError, match="this was computed"):
        np.asarray(made[0])


def test_compiled_functions_take_chunks_of_any_size():
    arrays = samples()
    f = ed.compile(
        logistic,
        **{name: ed.tensor(name, s) for name, s in {"X": ("n", "p"), "y": "n", "w": "p"}.items()},
    )
    for n in (60, 40):
        X, y = arrays["X"][:n], arrays["y"][:n]
        for size in (7, 60):
            lazy = f(X=in_chunks(X, size, 3), y=in_chunks(y, size), w=arrays["w"])
            check_lazy(lazy, logistic(X, y, arrays["w"]))
        assert isinstance(f(X=X, y=y, w=arrays["w"]), np.ndarray)


def test_chunks_are_computed_by_threads():
    arrays = samples(400)
    made = ed.compile(*four_of(logistic, {**arrays, "X": in_chunks(arrays["X"], 7, 3)}))
    wanted = ed.compile(*four_of(logistic, arrays))()
    with dask.config.set(scheduler="threads", num_workers=4):
        found = dask.compute(*made())
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def test_the_source_says_what_is_computed():
    f = ed.grad("np,p->n", in_chunks(np.ones((4, 2)), 2, 2), np.ones(2), wrt=1).compile()
    assert f.source.startswith("# einsdiff for Dask: a function of ")
    assert "(4, 2)" in f.source
    with pytest.raises(ed.OperandError, match="no plan"):
        _ = f.plan


def test_a_backend_may_be_named():
    x = np.ones(4)
    f = (ed.tensor("x", "n") * 2).compile(backend="dask")
    check_lazy(f(in_chunks(x, 2)), 2 * x)
    with pytest.raises(ed.OperandError, match="compiled for Dask"):
        f(x)


# --- graphs -----------------------------------------------------------------------------------


def random_samples(chunks: int, size: int = 50) -> dict[str, Any]:
    X = da.random.default_rng(0).normal(size=(chunks * size, 3), chunks=(size, 3))
    return {"X": X, "y": np.ones(chunks * size), "w": np.ones(3)}


@pytest.mark.parametrize("loss", [logistic, squares])
def test_tasks_are_proportional_to_chunks(loss):
    counts = {}
    for chunks in (16, 32, 64):
        arrays = random_samples(chunks)
        made = four_of(loss, arrays)
        counts[chunks] = tasks(*ed.compile(*made)())
        for t in made:
            # For each chunk: X, y, and what is computed of them; and the sums.
            assert tasks(t.dense()) <= 3.2 * chunks + 8
    assert counts[64] <= 3.2 * 64 + 12
    assert counts[64] - counts[32] <= 2 * (counts[32] - counts[16]) + 2


def test_separate_results_share_the_chunks_of_operands():
    chunks = 32
    made = [t.dense() for t in four_of(logistic, random_samples(chunks))]
    # X and y once, and then one task for each result and chunk, and the sums.
    assert tasks(*made) <= (2 + len(made) * 1.2) * chunks + 20
    assert tasks(*made) < sum(map(tasks, made)) - chunks * (len(made) - 1)


def test_equal_results_have_equal_names():
    def names(**changed: Any) -> list[str]:
        arrays = {**random_samples(4), **changed}
        return [t.dense().name for t in four_of(logistic, arrays)]

    assert names() == names()
    assert set(names()).isdisjoint(names(w=np.zeros(3)))
    both = names(y=np.zeros(200))
    assert len(set(both) & set(names())) == 2  # the Hessian and its products do not know y


def test_a_sum_is_a_tree():
    x = da.ones(1000, chunks=10)
    lazy = ed.einsum("i,i->", x, x).dense()
    graph = lazy.__dask_graph__()
    most = max(len(deps) for deps in dask.core.get_deps(dict(graph))[0].values())
    assert most <= 8
    assert tasks(lazy) <= 1.3 * 100
    assert lazy.compute() == 1000


def test_what_is_large_is_not_cut_anew():
    X = da.ones((1000, 4), chunks=(100, 4))
    y = da.ones(1000, chunks=300)
    lazy = ed.einsum("np,n->p", X, y).dense()
    cut = [name for name in lazy.dask.layers if "rechunk" in name]
    assert cut
    sizes = {len(key) for name in cut for key in lazy.dask.layers[name]}
    assert 3 not in sizes  # keys of X have two positions
    assert lazy.compute().tolist() == [1000.0] * 4


def test_columns_are_put_together_where_less_is_moved():
    X = da.ones((2000, 40), chunks=(100, 4))
    H = ed.einsum("np,nq->pq", X, X).dense()
    assert H.numblocks == (1, 1)
    assert tasks(H) < 20 * 10 * 10 / 2  # for each chunk of rows and two of columns there were one
    z = ed.einsum("np,p->n", X, np.ones(40)).dense()
    assert not [name for name in z.dask.layers if "rechunk" in name]
    np.testing.assert_allclose(z.compute(), 40.0)


def test_numpy_operands_are_not_copied_into_the_graph():
    X = da.ones((2000, 200), chunks=(500, 200))
    y = np.random.default_rng(0).normal(size=2000)
    W = np.random.default_rng(0).normal(size=(200, 1000))  # more than is copied
    lazy = ed.einsum("np,pk,n->k", X, W, y).dense()
    parts = [value for value in dict(lazy.dask).values() if isinstance(value, np.ndarray)]
    assert any(np.shares_memory(part, W) for part in parts)
    assert sum(part.size for part in parts) == W.size + y.size


def test_small_numpy_operands_may_change_afterwards():
    X = da.ones((20, 3), chunks=(5, 3))
    w = np.ones(3)
    lazy = ed.einsum("np,p->", X, w).dense()
    w[:] = 0
    assert lazy.compute() == 60


def test_kernels_are_pickled_small_and_once():
    kernel = Kernel(
        (ed.einsum("i,i->", "x", "x", sizes={"i": "c0"}).expr,), ("x",), ("c0",), "float64"
    )
    again = pickle.loads(pickle.dumps(kernel))
    assert again is pickle.loads(pickle.dumps(kernel))
    assert again.nodes[0] is kernel.nodes[0]
    assert again((3,), np.ones(3)) == (3.0,)
    assert repr(again) == "<einsdiff kernel of x>"
    assert len(pickle.dumps(kernel)) < 2000


def test_parts_are_not_written_to():
    parts = [(np.ones(2), np.float64(1)) for _ in range(4)]
    total = combined(parts, ("sum", "max"), (0, 1))
    assert [a.tolist() for a in total] == [[4.0, 4.0], 1.0]
    assert all(part[0].tolist() == [1.0, 1.0] for part in parts)


# --- what is refused --------------------------------------------------------------------------


def test_deltas_over_chunks_are_refused_with_what_to_do():
    A, x = da.ones((10, 3), chunks=(5, 3)), np.ones(3)
    J = ed.grad(np.exp(ed.einsum("ij,j->i", A, x)), wrt="A")
    with pytest.raises(ed.OperandError, match=r"zero but on a diagonal.*axis 0 of 'A'") as error:
        J.dense()
    assert "vjp(u)" in str(error.value)
    assert "∂f_i/∂A_pq" in str(error.value)
    check_lazy(J.vjp(np.ones(10)).dense(), np.full((10, 3), np.exp(3)))
    check_lazy(J.jvp(np.ones((10, 3))).dense(), np.full(10, 3 * np.exp(3)))


def test_a_dense_delta_that_memory_does_not_hold_is_refused():
    X = da.ones((10**6, 3), chunks=(10**5, 3))
    with pytest.raises(ed.SizeError, match=r"\(1000000, 1000000, 3\)") as error:
        ed.grad("np,p->n", X, np.ones(3), wrt=0).dense()
    assert "vjp(u)" in str(error.value)


@pytest.mark.parametrize("build", [np.cumsum, np.linalg.det, lambda x: x[::2]])
def test_functions_of_a_whole_axis_are_refused_if_it_is_large(build):
    x = da.ones((3000, 3000), chunks=(100, 3000))
    f = build(ed.tensor("x", x) if build is np.linalg.det else ed.tensor("x", x)[:, 0])
    with dask.config.set({"array.chunk-size": "16KiB"}), pytest.raises(ed.SizeError) as error:
        f.dense()
    assert "which is in 30 chunks (axis 0 of 'x')" in str(error.value)
    assert "rechunk" in str(error.value)


def test_unknown_chunk_sizes_are_refused():
    x = da.arange(10.0, chunks=5)
    with pytest.raises(ed.ShapeError, match=r"x\.compute_chunk_sizes\(\)"):
        ed.tensor("x", x[x > 3])
    with pytest.raises(ed.ShapeError, match="not known"):
        ed.einsum("i->", ed.tensor("x", "n"))(x=x[x > 3])


def test_chunks_of_other_types_are_refused():
    x = da.ma.masked_array(da.arange(10.0, chunks=5), mask=False)
    with pytest.raises(ed.OperandError, match="MaskedArray"):
        ed.tensor("x", x)


def test_no_numbers_are_refused():
    with pytest.raises(ed.OperandError, match="datetime64"):
        ed.tensor("x", da.from_array(np.array(["2020-01-01"], "M8[D]")))


def test_derivatives_are_not_checked_with_arrays_in_chunks():
    x = da.ones(10**9, chunks=10**7)
    with pytest.raises(ed.OperandError, match=r"compute\(\)"):
        ed.check("i,i->", x, x, wrt=0)


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        (lambda t: t.sparse(), "dense()"),
        (lambda t: t.cores(), "dense()"),
        (lambda t: t.operator(), "jvp(v)"),
        (lambda t: t.solve(np.ones(3)), "np.linalg.solve(np.asarray(t), rhs)"),
        (lambda t: t.dense(out=np.ones((3, 3))), "leave it out"),
        (lambda t: t.compile(form="sparse")(), "dense()"),
    ],
)
def test_what_needs_numpy_arrays_says_what_to_do(call, advice):
    X = da.ones((10, 3), chunks=(5, 3))
    H = ed.hessian(squares, X, np.ones(10), np.ones(3), wrt="w")
    with pytest.raises(ed.OperandError, match="Dask") as error:
        call(H)
    assert advice in str(error.value)


def test_small_hessians_are_solved_with_their_values():
    arrays = samples()
    lazy = {**arrays, "X": in_chunks(arrays["X"], 20, 3)}
    _, g, H, _ = four_of(squares, lazy)
    step = np.linalg.solve(*dask.compute(H.dense(), g.dense()))
    wanted = np.linalg.lstsq(arrays["X"], arrays["y"], rcond=None)[0]
    np.testing.assert_allclose(arrays["w"] - step, wanted)
