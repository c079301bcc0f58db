"""Who searches for the order of contraction: all that opt_einsum takes, and cotengra."""

from __future__ import annotations

import pickle

import numpy as np
import opt_einsum as oe
import pytest

import einsdiff as ed
from einsdiff.numeric.orders import engines
from einsdiff.numeric.orders.engines import Explicit, as_optimizer, searched
from tests.extras import needs
from tests.networks import grid, regular, tree

NAMES = [
    "auto",
    "auto-hq",
    "greedy",
    "eager",
    "opportunistic",
    "random-greedy",
    "random-greedy-128",
    "dp",
    "dynamic-programming",
    "optimal",
    "branch-all",
    "branch-2",
    "branch-1",
]
OBJECTS = {
    "RandomGreedy": lambda: oe.RandomGreedy(max_repeats=4),
    "BranchBound": lambda: oe.BranchBound(nbranch=2),
    "DynamicProgramming": lambda: oe.DynamicProgramming(minimize="flops"),
    "a function": lambda: oe.paths.greedy,
    "another function": lambda: (
        lambda inputs, output, sizes, limit=None: oe.paths.greedy(inputs, output, sizes)
    ),
}
#: Nine factors: a row of six with two more at its ends, and a label on three of them.
TEXT = "ab,bcd,cef,dfg,eh,gi,hij,jkd,kl->al"
SIZES = dict(zip("abcdefghijkl", [7, 2, 3, 5, 2, 4, 3, 6, 2, 5, 3, 4], strict=True))
ARRAYS = [
    np.random.default_rng(k).normal(size=[SIZES[n] for n in term])
    for k, term in enumerate(TEXT.split("->")[0].split(","))
]
EXPECTED = np.einsum(TEXT, *ARRAYS, optimize=True)


def product():
    return ed.einsum(TEXT, *(ed.tensor(f"T{k}", array) for k, array in enumerate(ARRAYS)))


def steps(compiled):
    """Return what the matrix products of a plan are: the number of their multiplications."""
    return sorted(cost.flops for cost in compiled.report().costs if cost.flops)


def cotengra():
    needs("cotengra")
    import cotengra

    return cotengra


# --- what is taken ----------------------------------------------------------------------------


@pytest.mark.parametrize("optimize", [None, True, False, *NAMES, *OBJECTS])
def test_all_that_opt_einsum_takes(optimize):
    f = product()
    optimize = OBJECTS[optimize]() if optimize in OBJECTS else optimize
    for given in (f.dense(optimize=optimize), f.compile(optimize=optimize)()):
        np.testing.assert_allclose(given, EXPECTED, rtol=1e-10)
    gradient = ed.grad(f, wrt="T4").compile(optimize=optimize)
    np.testing.assert_allclose(
        np.einsum("alpq,pq->al", gradient(), ARRAYS[4]), EXPECTED, rtol=1e-10
    )
    both = ed.compile(ed.value_and_grad(f, wrt=("T0", "T8")), optimize=optimize)
    np.testing.assert_allclose(both()[0], EXPECTED, rtol=1e-10)


@pytest.mark.parametrize("name", ["auto-hq", "dp", "branch-all", "optimal"])
def test_the_path_costs_what_the_one_does_that_opt_einsum_finds(name):
    path, info = oe.contract_path(TEXT, *ARRAYS, optimize=name)
    flops = {product().compile(optimize=given).report().flops for given in (name, path)}
    assert len(flops) == 1
    assert 0.5 * float(info.opt_cost) <= flops.pop() <= 1.2 * float(info.opt_cost)


def test_a_path_counts_the_operands_in_the_order_of_the_names():
    x, A, B = np.ones(20), np.ones((30, 40)), np.ones((40, 20))
    # The operands' order in the expression is not that of their names.
    f = ed.einsum("ij,jk,k->i", ed.tensor("Z", A), ed.tensor("M", B), ed.tensor("C", x))
    assert f.names == ("Z", "M", "C")
    left = f.compile(optimize=[(0, 1), (0, 1)])
    right = f.compile(optimize=[(1, 2), (0, 1)])
    assert steps(left) == [2 * 30 * 20, 2 * 30 * 40 * 20]
    assert steps(right) == [2 * 40 * 20, 2 * 30 * 40]
    numpy = f.compile(optimize=["einsum_path", (0, 1), (0, 1)])
    assert steps(numpy) == steps(left)
    assert steps(f.compile(optimize=False)) == steps(left)
    assert steps(f.compile()) == steps(right)
    np.testing.assert_array_equal(left(), right())


def test_a_path_is_for_the_one_product_that_it_fits():
    x, A, B = np.ones(20), np.ones((30, 40)), np.ones((40, 20))
    f = ed.einsum("ij,jk,k->i", ed.tensor("A", A), ed.tensor("B", B), ed.tensor("x", x))
    path = [(0, 1), (0, 1)]
    with pytest.raises(ed.OperandError, match="the path is for 3 factors, and the product has 2"):
        ed.grad(f, wrt="x").compile(optimize=path)()
    with pytest.raises(ed.OperandError, match="nothing is multiplied"):
        (f - f).compile(optimize=path)()
    with pytest.raises(ed.OperandError, match="2 products have so many"):
        ed.compile(f, ed.einsum("ij,jk,k->", A, B, x), optimize=path)()
    both = ed.compile(f, ed.grad(f, wrt="A"), optimize=path)
    assert 2 * 30 * 40 * 20 in steps(both)


def test_a_path_may_multiply_several_at_once_or_one_alone():
    f = product()
    compiled = f.compile(optimize=[(0, 1, 2), (0, 1, 2, 3), (1,), (0, 1, 2, 3)])
    np.testing.assert_allclose(compiled(), EXPECTED, rtol=1e-10)


@pytest.mark.parametrize(
    "path",
    [[(0, 9), (0, 1)], [(0, 0), (0, 1)], [(0, 1), "ab"], [(0.5, 1)], [(0, -1)], [()], [0, 1]],
)
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ed.OperandError, match="path"):
        product().compile(optimize=path)


@pytest.mark.parametrize("optimize", [3, 2.5, {"a": 1}, np.ones(3), oe.RandomGreedy])
def test_what_searches_for_nothing_is_refused(optimize):
    with pytest.raises(ed.OperandError, match="is no way to search"):
        product().dense(optimize=optimize)
    with pytest.raises(ed.OperandError, match="is no way to search"):
        ed.compile(product(), optimize=optimize)


def test_an_unknown_name_is_refused_with_those_there_are(monkeypatch):
    with pytest.raises(ed.OperandError, match="search 'gredy'") as told:
        product().compile(optimize="gredy")
    assert "'greedy'" in str(told.value)
    monkeypatch.setitem(__import__("sys").modules, "cotengra", None)
    with pytest.raises(ed.OperandError, match=r'pip install "einsdiff\[cotengra\]"'):
        product().compile(optimize="gredy")


def test_a_search_that_does_not_come_to_an_end_is_refused():
    net = tree(40)
    f = ed.einsum(net.text, *net.arrays())
    assert f.compile(optimize="branch-1")() == pytest.approx(f.dense())
    for name in ("optimal", "branch-all", "branch-2"):
        with pytest.raises(ed.OperandError, match="does not come to an end for 40 factors"):
            f.compile(optimize=name)()


def test_what_a_search_raises_or_returns_is_told():
    def fails(*_):
        raise KeyError("oh")

    with pytest.raises(ed.OperandError, match=r"optimize=<fails> found no order .* KeyError: 'oh'"):
        product().dense(optimize=fails)
    for wrong in (None, [], [(0, 1)], [(0, 30)], 7, [(0, 0)] * 8):
        with pytest.raises(ed.OperandError, match="no path for 9 factors"):
            product().dense(optimize=lambda *_, path=wrong: path)


# --- optimisers that are objects --------------------------------------------------------------


@pytest.mark.parametrize("name", ["RandomGreedy", "BranchBound"])
def test_an_optimiser_may_be_asked_for_several_products(name):
    optimizer = OBJECTS[name]()
    A, B, C, D = (ed.tensor(n, np.ones((4, 4))) for n in "ABCD")
    f = ed.einsum("ij,jk,kl,lm->im", A, B, C, D)
    g = ed.einsum("ij,jk,kl,ml,ij->m", A, B, C, D, A)
    ed.compile(np.tanh(f), g, optimize=optimizer)()
    assert optimizer.best["flops"] < float("inf")  # it was asked itself


def test_one_optimiser_searches_once_for_a_network_and_its_derivatives():
    net = regular(40)
    arrays = net.arrays()
    f = ed.einsum(net.text, *arrays)
    calls = []

    def search(inputs, output, sizes, limit=None):
        calls.append(len(inputs))
        return oe.paths.greedy(inputs, output, sizes)

    report = f.compile(optimize=search).report()
    for k in (0, 10, 30):
        gradient = ed.grad(f, wrt=f.names[k]).compile(optimize=search)
        assert gradient.report().flops <= 1.25 * report.flops
        np.testing.assert_allclose(np.sum(gradient() * arrays[k]), f.dense(), rtol=1e-8)
    assert calls == [40]


def test_optimisers_are_told_apart():
    f = ed.einsum("ij,jk,k->i", *(np.ones(shape) for shape in ((30, 40), (40, 20), 20)))

    def first(*_):
        return [(0, 1), (0, 1)]

    def last(*_):
        return [(1, 2), (0, 1)]

    counts = {steps(f.compile(optimize=search))[0] for search in (first, last)}
    assert len(counts) == 2
    assert as_optimizer(first) is as_optimizer(first)
    for _ in range(2 * engines.MOST_HELD):
        as_optimizer(lambda *_: [])
    assert len(engines._held) <= engines.MOST_HELD


def test_the_default_is_not_what_another_one_found():
    f = product()
    f.dense(optimize=lambda *_: [(0, 1)] * 8)
    slow = f.compile(optimize=lambda *_: [(0, 1)] * 8).report().flops
    assert f.compile().report().flops < slow


@pytest.mark.parametrize("form", ["cores", "sparse"])
def test_other_forms_take_it_too(form):
    if form == "sparse":
        needs("scipy")
    J = ed.grad(product(), wrt="T4")
    result = J.compile(form=form, optimize="greedy")()
    expected = J.compile(form=form)()
    if form == "sparse":
        result, expected = [result.toarray()], [expected.toarray()]
    for a, b in zip(result, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_a_compiled_function_keeps_it_when_it_is_pickled():
    f = ed.einsum("ij,jk,k->i", *(np.ones(shape) for shape in ((30, 40), (40, 20), 20)))
    compiled = f.compile(optimize=[(0, 1), (0, 1)])
    again = pickle.loads(pickle.dumps(compiled))
    assert steps(again) == steps(compiled)


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_arrays_of_other_libraries(library):
    needs(library)
    convert = __import__("torch").asarray if library == "torch" else __import__("jax").numpy.asarray
    arrays = {f"T{k}": convert(array.astype("float32")) for k, array in enumerate(ARRAYS)}
    f = ed.einsum(TEXT, *arrays)
    compiled = f.compile(optimize="greedy")
    np.testing.assert_allclose(np.asarray(compiled(**arrays)), EXPECTED, rtol=1e-3)
    with pytest.raises(ed.OperandError, match="the path is for 3 factors"):
        f.compile(optimize=[(0, 1), (0, 1)])(**arrays)


def test_dask_orders_products_by_what_it_moves():
    needs("dask.array")
    import dask.array

    f = ed.einsum("ij,jk,k->i", *(dask.array.ones(n, chunks=2) for n in ((4, 4), (4, 4), 4)))
    with pytest.raises(ed.OperandError, match="optimize= is for arrays in memory"):
        f.dense(optimize="greedy")


# --- cotengra ---------------------------------------------------------------------------------


def hyper(**options):
    options = {"max_repeats": 4, "methods": ["greedy"], "parallel": False, **options}
    return cotengra().HyperOptimizer(optlib="random", **options)


@pytest.mark.parametrize("kind", ["HyperOptimizer", "ReusableHyperOptimizer", "GreedyOptimizer"])
def test_optimisers_of_cotengra(kind):
    options = {"max_repeats": 4, "methods": ["greedy"], "parallel": False, "optlib": "random"}
    make = getattr(cotengra(), kind)
    optimizer = make() if kind == "GreedyOptimizer" else make(**options)
    for net in (grid(5, 5), grid(3, 3), regular(30)):
        arrays = net.arrays()
        f = ed.einsum(net.text, *arrays)
        compiled = f.compile(optimize=optimizer)
        np.testing.assert_allclose(compiled(), f.dense(), rtol=1e-9)
        gradient = ed.grad(f, wrt=f.names[4]).compile(optimize=optimizer)
        np.testing.assert_allclose(np.sum(gradient() * arrays[4]), f.dense(), rtol=1e-9)
        if len(arrays) > 16:
            assert gradient.report().flops <= 1.25 * compiled.report().flops


def test_a_search_that_cotengra_registers():
    cotengra()
    f = product()
    np.testing.assert_allclose(f.dense(optimize="edgesort"), EXPECTED, rtol=1e-10)


@pytest.mark.parametrize("net", [grid(6, 6), grid(3, 4)], ids=["large", "small"])
def test_what_cotengra_slices_is_sliced(net):
    arrays = net.arrays()
    f = ed.einsum(net.text, *arrays)
    optimizer = hyper(slicing_opts={"target_slices": 4})
    sliced = f.compile(optimize=optimizer)
    (step,) = [step for step in sliced.report().steps if step.op == "slices"]
    assert step.detail.count >= 4
    assert step.detail.count == 2 ** len(optimizer.get_tree().sliced_inds)
    np.testing.assert_allclose(sliced(), f.dense(), rtol=1e-9)
    gradient = ed.grad(f, wrt=f.names[4]).compile(optimize=optimizer)
    np.testing.assert_allclose(np.sum(gradient() * arrays[4]), f.dense(), rtol=1e-9)


def test_other_libraries_compute_whole_what_cotengra_slices():
    torch = pytest.importorskip("torch")
    net = grid(3, 4)
    arrays = net.arrays()
    f = ed.einsum(net.text, *map(torch.tensor, arrays))
    sliced = f.compile(optimize=hyper(slicing_opts={"target_slices": 4}))
    np.testing.assert_allclose(sliced(), ed.einsum(net.text, *arrays).dense(), rtol=1e-9)


def test_a_search_is_given_letters_and_a_named_one_numbers():
    seen = []

    def search(inputs, output, sizes, limit=None):
        seen.append((inputs, output, sizes))
        return [(0, 1), (0, 1)]

    found = searched(as_optimizer(search), [(3, 4), (4, 5), (5,)], (3,), {3: 2, 4: 0, 5: 7})
    assert found.path == ((0, 1), (0, 1))
    inputs, output, sizes = seen[0]
    assert inputs == [frozenset("ab"), frozenset("bc"), frozenset("c")]
    assert output == frozenset("a")
    assert sizes == {"a": 2, "b": 1, "c": 7}
    assert isinstance(as_optimizer([(0, 1)], ["A", "B"]), Explicit)
