"""Results in cores, sparse matrices, and dense arrays that are written again."""

from __future__ import annotations

import tracemalloc
from itertools import product
from math import prod

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import einsdiff as ed
import einsdiff.numeric.sparse
from einsdiff.expressions.combining import combined
from einsdiff.expressions.layout import as_matrix
from einsdiff.numeric import sparse as numeric_cores
from einsdiff.numeric.planning.core import PlannedCore
from einsdiff.numeric.planning.views import Window
from einsdiff.numeric.sparse import FORMATS, entries, laid, positions, sparse, window_of
from tests.numeric.planning.test_fusing import by_definition, check, graphs
from tests.oracle import brute_derivative
from tests.strategies import einsums

A = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
x = np.array([1.0, 2.0, 4.0])
y = np.array([0.5, -1.0, 3.0])
R = np.arange(1.0, 7.0).reshape(3, 2)

DERIVATIVES = {
    "one delta": lambda: ed.grad("ij,j->i", A, x, wrt="A"),
    "crossing deltas": lambda: ed.grad("mp,mq->pq", R, R, wrt="R"),
    "diagonal": lambda: ed.grad("x_i x_i x_i", x=x, wrt="x", order=2),
    "diagonal and full": lambda: ed.hessian("x_i x_i x_j y_j", x=x, y=y, wrt="x"),
    "identity": lambda: ed.grad("f_ij = A_ij", A=A, wrt="A"),
    "transposition": lambda: ed.grad("f_ij = A_ji", A=A, wrt="A"),
    "symmetric": lambda: ed.grad(ed.tensor("S", np.eye(3), symmetric=True) * 2, wrt="S"),
    "blocks": lambda: ed.hessian(
        "(T_ij - U_ik V_jk) (T_ij - U_il V_jl)", np.zeros((4, 3)), R[[0, 1, 2, 0]], R, wrt=1
    ),
    "other blocks": lambda: ed.hessian(
        "(T_ij - U_ik V_jk) (T_ij - U_il V_jl)", np.zeros((4, 3)), R[[0, 1, 2, 0]], R, wrt=2
    ),
    "full": lambda: ed.grad("ij,j->i", A, x, wrt="x"),
    "scalar": lambda: ed.grad("x_i x_i", x=x, wrt="x"),
    "no axes": lambda: ed.grad("c c", c=np.array(3.0), wrt="c"),
    "zero": lambda: ed.grad("ij,j->i", A, x, wrt="A", order=2),
    "slice": lambda: ed.grad(ed.tensor("A", A)[:, 1:], wrt="A"),
    "reversed": lambda: ed.grad(ed.tensor("x", x)[::-1] * 2, wrt="x"),
    "reshaped": lambda: ed.grad(ed.tensor("A", A).reshape(6), wrt="A"),
    "stacked": lambda: ed.grad(np.concatenate([ed.tensor("x", x), ed.tensor("x", x) * 2]), wrt="x"),
    "running sum": lambda: ed.grad(np.cumsum(ed.tensor("x", x)), wrt="x"),
    "lower triangle": lambda: ed.grad(np.tril(ed.tensor("Q", np.ones((3, 3)))), wrt="Q"),
    "softmax": lambda: ed.grad(
        np.exp(ed.tensor("x", x)) / np.exp(ed.tensor("x", x)).sum(), wrt="x"
    ),
    "functions": lambda: ed.grad("f_i = tanh(A_ij x_j)", A=A, x=x, wrt="A"),
    "whole numbers": lambda: ed.grad("mp,mq->pq", R.astype(int), R.astype(int), wrt=0),
    "small numbers": lambda: ed.grad("ij,j->i", A.astype("i1"), x.astype("i1"), wrt=0),
    "complex": lambda: ed.grad("ij,j->i", A, 1j * x, wrt=0),
    "single": lambda: ed.grad("ij,j->i", A.astype("f4"), x.astype("f4"), wrt=0),
    "empty rows": lambda: ed.grad("ij,j->i", np.ones((0, 3)), x, wrt=0),
    "empty columns": lambda: ed.grad("ij,j->i", np.ones((2, 0)), np.ones(0), wrt=0),
    "no derivative": lambda: ed.einsum("i,j->ijj", x, y),
    "an operand": lambda: ed.tensor("A", A),
    "a number": lambda: 0 * ed.tensor("c", np.array(1.0)) + 3,
    "ones": lambda: 0 * ed.tensor("x", x) + 1,
}


# --- every form of a result -------------------------------------------------------------------


@pytest.mark.parametrize("name", DERIVATIVES)
def test_cores_are_what_makes_up_the_dense_result(name):
    t = DERIVATIVES[name]()
    dense, cores = t.dense(), t.cores()
    found = cores.dense()
    assert found.dtype == cores.dtype == dense.dtype
    assert cores.shape == found.shape == dense.shape
    np.testing.assert_array_equal(found, dense)
    assert all(array.dtype == dense.dtype for array in cores.arrays)
    assert not any(
        np.shares_memory(array, value) for array in cores.arrays for value in t.values.values()
    )


@pytest.mark.parametrize("layout", ["numerator", "denominator"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", DERIVATIVES)
def test_sparse_matrices_are_the_dense_ones(name, layout, order):
    t = DERIVATIVES[name]()
    expected = t.matrix(layout, order)
    np.testing.assert_array_equal(expected, as_matrix(t.dense(), t.domain, layout, order))
    for format in (None, *FORMATS):
        if format == "dia" and 0 in expected.shape:
            continue  # SciPy has none
        matrix = t.sparse(format, layout, order)
        assert matrix.format == format or format is None
        assert matrix.shape == expected.shape
        assert matrix.dtype == expected.dtype
        np.testing.assert_array_equal(matrix.toarray(), expected)


@settings(max_examples=200, deadline=None)
@given(graphs(), st.data())
def test_random_expressions_are_the_same_in_every_form(graph, data):
    node = data.draw(st.sampled_from(graph.outputs))
    domain = data.draw(st.integers(0, len(node.shape)))
    parts = [ed.tensor(name, array) for name, array in graph.arrays.items()]
    parts.append(ed.tensor("unused", np.ones(1, graph.dtype)))
    t = combined(node, "ijklmn"[: len(node.shape)], parts, domain)
    before = graph.copy()
    check(t.cores().dense(), node, before, t.dtype)
    whole, bound = by_definition(node, before)
    layout = data.draw(st.sampled_from(["numerator", "denominator"]))
    order = data.draw(st.sampled_from(["C", "F"]))
    expected = as_matrix(whole, domain, layout, order)
    format = data.draw(st.sampled_from([None, "coo", "csr", "csc", "bsr"]))
    matrix = t.sparse(format, layout, order)
    error = 1e-4 if t.dtype.itemsize == 4 else 1e-11
    np.testing.assert_allclose(matrix.toarray(), expected, rtol=0, atol=error * bound)
    found = t.matrix(layout, order)
    np.testing.assert_allclose(found, expected, rtol=0, atol=error * bound)
    for array in graph.arrays.values():
        assert not np.shares_memory(found, array)
        assert not np.shares_memory(matrix.data, array)
    for name, array in graph.arrays.items():
        np.testing.assert_array_equal(array, before[name])


@settings(max_examples=200, deadline=None)
@given(einsums(most_operands=3), st.sampled_from(["C", "F"]), st.booleans())
def test_derivatives_are_the_same_in_every_form(case, order, is_transposed):
    tensors = {name: ed.tensor(name, array) for name, array in case.arrays.items()}
    operands = [tensors[name] for name in case.names]
    J = ed.grad(ed.einsum(case.subscripts, *operands, sizes=case.broadcast), wrt="A")
    slots = case.slots("A")
    expected = brute_derivative(case.inputs, case.output, case.sizes, case.operands, slots)
    cores = J.cores()
    np.testing.assert_array_equal(cores.dense(), expected)
    layout = "denominator" if is_transposed else "numerator"
    expected = as_matrix(expected, case.arrays["A"].ndim, layout, order)
    for format in (None, "coo", "csc", "bsr"):
        found = cores.sparse(format, layout, order)
        np.testing.assert_array_equal(found.toarray(), expected)
        again = J.sparse(format, layout, order)
        assert found.format == again.format
        np.testing.assert_array_equal(again.toarray(), expected)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", DERIVATIVES)
def test_indices_are_sorted_and_there_are_no_duplicates(name, order):
    t = DERIVATIVES[name]()
    for format, layout in product(["csr", "csc", "bsr", "coo"], ["numerator", "denominator"]):
        matrix = t.sparse(format, layout, order)
        if format == "coo":
            assert matrix.nnz == len(set(zip(*matrix.coords, strict=True)))
            rows, columns = matrix.coords
            np.testing.assert_array_equal(np.lexsort((columns, rows)), np.arange(matrix.nnz))
            continue
        plain = type(matrix)((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
        assert plain.has_sorted_indices
        assert plain.has_canonical_format
        plain.check_format(full_check=True)


# --- what is stored ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arrays", "count"),
    [
        ("one delta", [(3,)], 6),
        ("crossing deltas", [(3, 2), (3, 2)], 24),
        ("diagonal", [(3,)], 3),
        ("identity", [()], 6),
        ("blocks", [(2, 2)], 16),
        ("full", [(2, 3)], 6),
        ("zero", [], 0),
        ("slice", [()], 4),
        ("reshaped", [()], 6),
        ("stacked", [(), ()], 6),
        ("functions", [(2, 3)], 6),
    ],
)
def test_only_cores_are_computed_and_only_entries_of_the_pattern_are_stored(name, arrays, count):
    t = DERIVATIVES[name]()
    cores = t.cores()
    assert [array.shape for array in cores.arrays] == arrays
    assert cores.count == count
    stored = t.sparse("csr").nnz
    assert stored <= count
    if name != "crossing deltas":  # whose terms meet
        assert stored == count


def test_dense_blocks_are_blocks():
    H = DERIVATIVES["blocks"]()
    for layout, order in product(["numerator", "denominator"], ["C", "F"]):
        matrix = H.sparse(None, layout, order)
        if order == "C":
            assert matrix.format == "bsr"
            assert matrix.blocksize == (2, 2)
            assert matrix.data.shape == (4, 2, 2)
        np.testing.assert_array_equal(matrix.toarray(), H.matrix(layout, order))
    J = DERIVATIVES["one delta"]()
    matrix = J.sparse()
    assert matrix.format == "bsr"
    assert matrix.blocksize == (1, 3)


def test_where_there_are_no_blocks_rows_are_compressed():
    for name in ("diagonal", "crossing deltas", "reversed", "identity"):
        assert DERIVATIVES[name]().sparse().format == "csr"


@pytest.mark.parametrize(
    ("window", "block"),
    [
        (Window(0, (4, 2), (12 + 2, 1)), (1, 2)),
        (Window(4, (4, 2), (12 + 2, 1)), (1, 2)),
        (Window(12, (3, 2), (12 + 4, 1)), (1, 2)),
        (Window(0, (2, 2, 3), (24 + 6, 12, 1)), (2, 3)),
        (Window(0, (2, 3, 2), (24 + 6, 1, 12)), (2, 3)),
        (Window(0, (4, 12), (12, 1)), (4, 12)),
        (Window(1, (4, 2), (12 + 2, 1)), None),  # where it starts
        (Window(0, (4, 2), (12 + 3, 1)), None),  # how far it goes on
        (Window(0, (3, 2, 3), (12 + 3, 12, 1)), None),  # rows twice
        (Window(0, (4, 2), (12 + 1, 6)), None),  # with gaps
        (Window(0, (4, 5), (12, 1)), None),  # no divisor of the columns
        (Window(9, (4, 2), (12 - 2, 1)), None),  # backwards
        (Window(0, (4,), (13,)), None),  # single entries
    ],
)
def test_blocks_are_found_where_they_lie_on_a_grid(window, block):
    dense = np.zeros((4, 12))
    array = 1 + np.arange(float(prod(window.shape))).reshape(window.shape)
    view = window_of(dense, window)
    meets = len(set(positions(window))) < array.size
    core = PlannedCore("t0", window, tuple(range(array.ndim)), "")
    if not meets:
        view[...] = array
        matrix = sparse([core], [array], (4, 12), 1, dense.dtype)
        assert (matrix.blocksize if matrix.format == "bsr" else None) == block
        np.testing.assert_array_equal(matrix.toarray(), dense)
    dense = np.zeros(48)
    np.add.at(dense, positions(window), array.ravel())
    for is_transposed, vec in product([False, True], "CF"):
        expected = dense.reshape(4, 12).T if is_transposed else dense.reshape(4, 12)
        for format in (None, *FORMATS):
            arguments = [core], [array], (4, 12), 1, dense.dtype, format, is_transposed, vec
            np.testing.assert_array_equal(sparse(*arguments).toarray(), expected)


def test_a_huge_derivative_is_made_of_a_small_array():
    v = np.arange(1000.0)
    J = ed.grad("ij,j->i", np.ones((1000, 1000)), v, wrt=0)
    cores = J.cores()
    assert cores.shape == (1000, 1000, 1000)
    assert cores.count == 10**6
    (array,) = cores.arrays
    np.testing.assert_array_equal(array, v)
    matrix = cores.sparse()
    assert matrix.shape == (1000, 10**6)
    assert matrix.nnz == 10**6
    direction = np.ones((1000, 1000))
    np.testing.assert_array_equal(matrix @ direction.ravel(), np.full(1000, v.sum()))


def test_a_matrix_may_be_changed_without_changing_the_next_one():
    for name, format in product(["blocks", "crossing deltas", "identity"], ["bsr", "csr", "coo"]):
        t = DERIVATIVES[name]()
        expected = t.matrix()
        cores = t.cores()
        for make in (cores.sparse, t.sparse):
            matrix = make(format)
            matrix.data[...] = 99
            if format == "coo":
                matrix.coords[0][...] = 0
            else:
                matrix.indices[...] = 0
                matrix.indptr[...] = 0
            np.testing.assert_array_equal(make(format).toarray(), expected)
        np.testing.assert_array_equal(cores.dense(), expected.reshape(cores.shape))


def test_dense_arrays_of_cores_are_new_each_time():
    cores = DERIVATIVES["crossing deltas"]().cores()
    first = cores.dense()
    first[...] = 7
    np.testing.assert_array_equal(cores.dense(), DERIVATIVES["crossing deltas"]().dense())


def test_cores_print_where_they_stand():
    assert str(DERIVATIVES["one delta"]().cores()) == (
        "shape (2, 2, 3), 6 of 12 entries can be other than zero\nj->iij  array([1., 2., 4.])"
    )
    K = DERIVATIVES["crossing deltas"]().cores()
    assert {place.subscripts for place in K.places} == {"ik->ijki", "jk->ijkj"} or all(
        place.subscripts for place in K.places
    )
    text = repr(DERIVATIVES["slice"]().cores())
    assert "4 of 24 entries" in text
    assert "Window" in text
    assert str(DERIVATIVES["zero"]().cores()).startswith("shape (2, 2, 3, 2, 3), 0 of 72 entries")


@pytest.mark.parametrize(
    "name", [n for n in DERIVATIVES if n not in ("slice", "reversed", "reshaped", "stacked")]
)
def test_subscripts_say_where_a_core_stands(name):
    cores = DERIVATIVES[name]().cores()
    total = np.zeros(cores.shape, cores.dtype)
    for place, array in zip(cores.places, cores.arrays, strict=True):
        if not place.subscripts:
            return
        own, output = place.subscripts.split("->")
        sizes = dict(zip(output, cores.shape, strict=True))
        for index in product(*(range(n) for n in sizes.values())):
            at = dict(zip(sizes, index, strict=True))
            total[tuple(at[n] for n in output)] += array[tuple(at[n] for n in own)]
    np.testing.assert_array_equal(total, cores.dense())


# --- what is refused --------------------------------------------------------------------------


def test_formats_layouts_and_orders_that_there_are_not():
    t = DERIVATIVES["one delta"]()
    for take in (t.sparse, t.cores().sparse):
        with pytest.raises(ed.OperandError, match=r"format='lil'(.|\n)*'coo', 'csr', 'csc'"):
            take("lil")
        with pytest.raises(ed.LayoutError, match="layout='rows'"):
            take(layout="rows")
        with pytest.raises(ed.LayoutError, match="order='A'"):
            take(order="A")


def test_half_precision_has_no_sparse_matrix():
    t = ed.grad("ij,j->i", A.astype("f2"), x.astype("f2"), wrt=0)
    np.testing.assert_array_equal(t.cores().dense(), t.dense())
    with pytest.raises(ed.OperandError, match="float16"):
        t.sparse()
    with pytest.raises(ed.OperandError, match="float16"):
        t.compile(form="sparse")()


def test_a_sparse_matrix_needs_scipy(monkeypatch):
    monkeypatch.setattr(numeric_cores, "scipy_module", lambda name: None)
    t = DERIVATIVES["one delta"]()
    np.testing.assert_array_equal(t.cores().dense(), t.dense())
    with pytest.raises(ed.OperandError, match=r"needs SciPy(.|\n)*pip install"):
        t.sparse()


def test_cores_need_arrays():
    with pytest.raises(ed.BindingError, match="no array for 'x'"):
        ed.grad("ij,j->i", A, "x", wrt=0).cores()


def test_cores_are_computed_where_the_dense_result_is_above_the_limit():
    t = ed.grad("f_i = x_i x_i", x=np.ones(1000), wrt="x")  # of 8 MB as an array
    before = ed.set_memory_limit(10**5)
    try:
        with pytest.raises(ed.SizeError):
            t.dense()
        assert t.cores().count == 1000
        assert t.sparse().nnz == 1000
    finally:
        ed.set_memory_limit(before)


@pytest.mark.parametrize("format", [None, "csr", "bsr"])
@pytest.mark.parametrize("layout", ["numerator", "denominator"])
def test_sparse_matrices_stay_within_the_memory_that_is_counted(format, layout):
    ones = np.ones((60, 40))
    blocks = ed.hessian("(T_ij - U_ik V_jk) (T_ij - U_il V_jl)", ones, ones, ones[:40], wrt=1)
    shared = ed.grad("A_ij x_j + A_ji x_j", A=np.ones((90, 90)), x=np.ones(90), wrt="A")
    diagonal = ed.grad("f_i = x_i x_i x_i", x=np.ones(20_000), wrt="x")
    assert blocks.sparse().format == "bsr"
    for t in (blocks, shared, diagonal):
        cores = t.cores()
        before = ed.set_memory_limit(10**9)
        try:
            peak = measured(cores, format, layout)
            ed.set_memory_limit(peak - 1)
            with pytest.raises(ed.SizeError, match="making the sparse matrix of shape"):
                cores.sparse(format, layout)
            ed.set_memory_limit(2 * peak)  # nor is more counted than that
            cores.sparse(format, layout)
        finally:
            ed.set_memory_limit(before)


def measured(cores, format, layout):
    """Return the most bytes that are allocated while a sparse matrix is made."""
    cores.sparse(format, layout)
    einsdiff.numeric.sparse._pattern.cache_clear()
    tracemalloc.start()
    try:
        cores.sparse(format, layout)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_limits_hold_for_compiled_sparse_matrices_and_for_cores_written_out():
    t = ed.grad("f_i = x_i x_i", x=np.ones(1000), wrt="x")
    sparse = t.compile(form="sparse", memory_limit=10**4)
    with pytest.raises(ed.SizeError, match=r"shape \(1000, 1000\) and dtype float64 needs"):
        sparse(np.ones(1000))
    assert t.compile(form="sparse", memory_limit=10**6)(np.ones(1000)).nnz == 1000
    cores = t.cores()
    before = ed.set_memory_limit(10**6)
    try:
        with pytest.raises(ed.SizeError, match=r"shape \(1000, 1000\).* needs 7.63 MiB"):
            cores.dense()
    finally:
        ed.set_memory_limit(before)


# --- windows ----------------------------------------------------------------------------------


@st.composite
def windows(draw):
    """Draw a window of an array: an offset, and strides that stay inside; some negative."""
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))
    strides = [prod(shape[k + 1 :]) for k in range(len(shape))]
    offset, own, steps = 0, [], []
    for n, stride in zip(shape, strides, strict=True):
        kind = draw(st.sampled_from(["all", "index", "reversed", "joined"]))
        if kind == "index":
            offset += draw(st.integers(0, n - 1)) * stride
        elif kind == "reversed":
            offset += (n - 1) * stride
            own.append(n)
            steps.append(-stride)
        elif kind == "joined" and own and steps[-1] > 0:
            own[-1] = min(own[-1], n)
            steps[-1] += stride
        else:
            own.append(n)
            steps.append(stride)
    return shape, Window(offset, tuple(own), tuple(steps))


@given(windows(), st.data())
def test_windows_and_positions_are_the_same_entries(drawn, data):
    shape, window = drawn
    flat = np.arange(prod(shape))
    viewed = window_of(flat.reshape(shape), window)
    np.testing.assert_array_equal(viewed.ravel(), positions(window))
    assert np.shares_memory(viewed, flat)
    # A core with some of the window's axes, in another order, is repeated along the others.
    axes = data.draw(st.permutations(range(len(window.shape))))
    axes = tuple(axes[: data.draw(st.integers(0, len(axes)))])
    array = np.arange(float(prod(window.shape[k] for k in axes)))
    array = array.reshape([window.shape[k] for k in axes])
    core = PlannedCore("t0", window, axes, "")
    spread = laid(core, array)
    assert spread.shape == window.shape
    for index in np.ndindex(window.shape):
        assert spread[index] == array[tuple(index[k] for k in axes)]
    np.testing.assert_array_equal(entries(core, array), spread.ravel())


# --- dense arrays that are written again ------------------------------------------------------


@pytest.mark.parametrize("name", DERIVATIVES)
@pytest.mark.parametrize("order", ["C", "F", "strided", "reversed"])
def test_a_dense_result_is_written_again(name, order):
    t = DERIVATIVES[name]()
    expected = t.dense()
    out = np.full(expected.shape, 7, expected.dtype, order="F" if order == "F" else "C")
    if order == "strided":
        out = np.full((*expected.shape, 2), 7, expected.dtype)[..., 0]
    elif order == "reversed":
        out = out[(*(slice(None, None, -1) for _ in out.shape), ...)]
    for _ in range(3):
        assert t.dense(out=out) is out
        np.testing.assert_array_equal(out, expected)
    again = t.dense()
    for _ in range(2):
        assert t.dense(out=again) is again
        np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize(
    "name", ["one delta", "crossing deltas", "diagonal", "identity", "slice", "stacked", "reshaped"]
)
def test_only_the_pattern_is_written_again(name):
    t = DERIVATIVES[name]()
    out = t.dense()
    inside = np.zeros(out.shape, bool)
    for place in t.cores().places:
        window_of(inside, place.window)[...] = True
    expected = np.where(inside, out, 5)
    out[~inside] = 5  # which is not allowed, and shows what is not looked at
    out[inside] = 99
    t.dense(out=out)
    np.testing.assert_array_equal(out, expected)


def test_a_full_result_is_written_whole():
    t = DERIVATIVES["full"]()
    out = t.dense()
    out[...] = 99
    np.testing.assert_array_equal(t.dense(out=out), A)


def test_scipy_reads_what_is_made():
    J = DERIVATIVES["one delta"]()
    assert isinstance(J.sparse(), scipy.sparse.sparray)
    v = np.arange(6.0)
    np.testing.assert_array_equal(J.sparse() @ v, J.matrix() @ v)
    np.testing.assert_array_equal((J.sparse().T @ [1.0, 2.0]), J.matrix().T @ [1.0, 2.0])


def test_a_write_through_a_view_of_a_buffer_is_not_overlooked():
    x = np.array([1.0, 2.0, 3.0])
    J = ed.einsum("i->ii", x)
    out = J.dense()
    (2 * ed.tensor("x", x)).dense(out=out[:, 0])
    np.testing.assert_array_equal(J.dense(out=out), np.diag(x))
