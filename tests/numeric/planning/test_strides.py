"""How arrays lie in memory, against what NumPy does."""

from __future__ import annotations

from itertools import permutations
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.nodes.function_records import FUNCTIONS
from einsdiff.algebra.nodes.interning import variable
from einsdiff.algebra.nodes.nodes import add, call, einsum
from einsdiff.numeric.planning.strides import contiguous, entrywise, is_matrix, reshaped, turned
from einsdiff.numeric.running.program import program_for
from tests.numeric.planning.test_fusing import graphs
from tests.numeric.running.test_program import peak_bytes

SIZES = st.sampled_from([2, 3, 4, 2, 1])


def strides_of(array):
    return tuple(step // array.itemsize for step in array.strides)


def alike(found, array):
    """Compare strides where they mean something: along axes with more than one index."""
    long = [k for k, n in enumerate(array.shape) if n != 1]
    return [found[k] for k in long] == [strides_of(array)[k] for k in long]


@st.composite
def arrays(draw, most=4):
    """Draw views of arrays: turned, cut, reversed, spread out, repeated."""
    shape = draw(st.lists(SIZES, max_size=most))
    array = np.zeros([2 * n for n in shape])
    index = tuple(
        draw(
            st.sampled_from(
                [slice(0, n), slice(0, n), slice(0, n), slice(0, 2 * n, 2), slice(n - 1, None, -1)]
            )
        )
        for n in shape
    )
    array = np.zeros(shape) if draw(st.booleans()) else array[(*index, ...)]
    array = array.transpose(draw(st.permutations(range(array.ndim))))
    if draw(st.integers(0, 3)) == 0:
        n, at = draw(SIZES), draw(st.integers(0, array.ndim))
        array = np.expand_dims(array, at)
        array = np.broadcast_to(array, (*array.shape[:at], n, *array.shape[at + 1 :]))
    return array


@st.composite
def shapes_of(draw, size):
    """Draw a shape with so many entries."""
    shape = []
    for prime in (2, 3):
        while size % prime == 0:
            size //= prime
            if shape and draw(st.booleans()):
                shape[draw(st.integers(0, len(shape) - 1))] *= prime
            else:
                shape.insert(draw(st.integers(0, len(shape))), prime)
    for _ in range(draw(st.integers(0, 2))):
        shape.insert(draw(st.integers(0, len(shape))), 1)
    assert size == 1
    return tuple(shape)


@given(st.lists(st.integers(1, 4), max_size=4))
def test_new_arrays_run_along_the_last_axis(shape):
    assert alike(contiguous(shape), np.zeros(shape))


def test_strides_of_empty_arrays_are_numbers():
    assert contiguous((3, 0, 2)) == (2, 2, 1)
    assert contiguous(()) == ()
    assert reshaped((0, 3), (3, 1), (3, 0)) == contiguous((3, 0))


@settings(max_examples=500)
@given(arrays(), st.data())
def test_a_reshape_is_a_view_where_numpys_is_one(array, data):
    new = data.draw(shapes_of(array.size))
    made = array.reshape(new)
    found = reshaped(array.shape, strides_of(array), new)
    assert (found is not None) == np.shares_memory(made, array)
    if found is not None:
        assert len(found) == len(new)
        assert alike(found, made)


@settings(max_examples=300)
@given(arrays(), st.data())
def test_splitting_an_axis_is_always_a_view(array, data):
    new = tuple(n for size in array.shape for n in data.draw(shapes_of(size)))
    found = reshaped(array.shape, strides_of(array), new)
    assert found is not None
    assert alike(found, array.reshape(new))


@settings(max_examples=500)
@given(arrays(), st.data())
def test_a_result_entry_by_entry_lies_in_memory_as_its_operands_do(array, data):
    operands = [array]
    if data.draw(st.booleans()):
        # Another one, turned in memory, and cut to one entry along some axes.
        other = np.zeros(array.shape).transpose(data.draw(st.permutations(range(array.ndim))))
        other = np.zeros(other.shape).transpose(np.argsort(np.argsort(other.strides)))
        if other.shape == array.shape:
            index = tuple(slice(0, data.draw(st.sampled_from([1, None]))) for _ in array.shape)
            other = other[index]
            leading = data.draw(st.integers(0, array.ndim))
            if all(n == 1 for n in other.shape[:leading]):
                other = other.reshape(other.shape[leading:])
            operands.append(other)
    result = operands[0] + operands[1] if len(operands) > 1 else -operands[0]
    if not isinstance(result, np.ndarray):
        return
    found = entrywise(result.shape, [(a.shape, strides_of(a)) for a in operands])
    assert alike(found, result)


@pytest.mark.parametrize("rank", [2, 3])
def test_a_result_lies_in_order_where_its_operands_disagree(rank):
    shape = (2, 3, 4)[:rank]
    for one in permutations(range(rank)):
        for other in permutations(range(rank)):
            a, b = (
                np.zeros([shape[k] for k in order]).transpose(np.argsort(order))
                for order in (one, other)
            )
            found = entrywise(shape, [(v.shape, strides_of(v)) for v in (a, b)])
            assert alike(found, a + b)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda m: m, True),
        (lambda m: m.T, True),
        (lambda m: m[:, :2], True),
        (lambda m: m[:2, :].T, True),
        (lambda m: m[::2], True),
        (lambda m: m[::2].T, True),
        (lambda m: m[:1], True),
        (lambda m: m[:, :1], True),
        (lambda m: m[:1, :1], True),
        (lambda m: m[:, ::2], False),
        (lambda m: m[::2, ::2], False),
        (lambda m: m[::-1], False),
        (lambda m: m[:, ::-1], False),
        (lambda m: np.broadcast_to(m[0], m.shape), False),
        (lambda m: np.broadcast_to(m[:, :1], m.shape), False),
    ],
)
def test_what_blas_takes_as_a_matrix(make, expected):
    matrix = make(np.zeros((4, 6)))
    assert is_matrix(matrix.shape, strides_of(matrix)) == expected
    # So is each of a stack of matrices.
    assert is_matrix((3, *matrix.shape), (24, *strides_of(matrix))) == expected


@settings(max_examples=200)
@given(arrays(most=2))
def test_a_matrix_for_blas_has_rows_or_columns_that_follow_each_other(array):
    if array.ndim != 2:
        return
    rows, columns = array.shape
    # By definition: the entries of one axis are neighbours, and lines of them do not overlap.
    down, along = strides_of(array)
    takes = False
    for (length, step), (count, between) in (
        ((columns, along), (rows, down)),
        ((rows, down), (columns, along)),
    ):
        line = [k * step for k in range(length)]
        if line == list(range(length)) and (count == 1 or between >= length):
            takes = True
    assert is_matrix(array.shape, (down, along)) == takes


@settings(max_examples=200, deadline=None)
@given(graphs(dtypes=("float64",)))
def test_what_is_planned_as_a_view_is_one(graph):
    made = program_for(tuple(graph.outputs), (), graph.dtype)
    lines = [line for line in made.source.splitlines() if not line.strip().startswith("del ")]
    assert lines[-1].strip().startswith("return ")
    lines[-1] = "    return locals()"
    names = dict(made.function.__globals__)
    exec("\n".join(lines), names)
    inputs = [np.ascontiguousarray(graph.arrays[v.name]) for v in made.inputs]
    inputs = [
        array.reshape(v.shape) for array, v in zip(inputs, made.inputs, strict=True)
    ]  # those without axes had one
    known = names["program"](*inputs)
    for step in made.plan.instructions:
        if step.op == "reshape" and step.detail == "view" and prod(step.shape) > 0:
            one, other = np.asarray(known[step.target]), known[step.args[0]]
            assert np.shares_memory(one, other) or not isinstance(other, np.ndarray)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ed.einsum(
            "bhqk,hqk->b",
            np.exp(ed.einsum("hbqd,hbkd->bhqk", np.ones((8, 16, 30, 5)), np.ones((8, 16, 30, 5)))),
            np.ones((8, 30, 30)),
        ),
        lambda: ed.einsum(
            "ij,ij,k->k",
            np.tanh(ed.einsum("jki->ij", np.ones((200, 3, 100)))),
            np.ones((100, 200)),
            np.ones(5),
        ),
        lambda: np.exp(ed.einsum("ji->ij", np.ones((300, 200))) * 2).reshape(200 * 300).sum(),
    ],
    ids=["matrix products", "sum", "product"],
)
def test_results_lie_in_memory_as_planned(make):
    f = make().compile()
    peak, _ = peak_bytes(f)
    assert peak <= f.report().peak + 2000


# --- long axes last -----------------------------------------------------------------------------


def spread(labels, out, sizes):
    """Say how an array is repeated along the axes that it lacks."""
    return [sizes[n] for n in out if n not in labels], [n for n in out if n not in labels]


def difference(shapes, labels, out, sizes):
    nodes = [variable(name, shape) for name, shape in zip("xy", shapes, strict=True)]
    full = [einsum([node], [own], out, sizes) for node, own in zip(nodes, labels, strict=True)]
    return add([(1, full[0]), (-1, full[1])])


TURNED = {
    "points": ([(50, 3), (60, 3)], ["ik", "jk"], "ijk"),
    "points, axes first": ([(50, 3), (60, 3)], ["ik", "jk"], "kij"),
    "points, axes between": ([(50, 3), (60, 3)], ["ik", "jk"], "ikj"),
    "centres": ([(500, 2), (10, 2)], ["ik", "jk"], "ijk"),
    "operands that lie otherwise": ([(3, 50), (3, 60)], ["ki", "kj"], "ijk"),
    "four axes": ([(20, 2), (30, 5)], ["ik", "jl"], "ijkl"),
    "a size of one": ([(1, 3), (2000, 3)], ["ik", "jk"], "ijk"),
}


@pytest.mark.parametrize("name", TURNED)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "complex128"])
def test_what_is_repeated_lies_with_its_longest_axis_last(name, dtype):
    shapes, labels, out = TURNED[name]
    sizes = dict(zip("".join(labels), sum(shapes, ()), strict=True))
    node = difference(shapes, labels, out, sizes)
    rng = np.random.default_rng(0)
    values = {
        name: rng.integers(-9, 9, shape).astype(dtype)
        for name, shape in zip("xy", shapes, strict=True)
    }
    x, y = (
        np.einsum(f"{own},{''.join(lacked)}->{out}", values[name], np.ones(lengths, dtype))
        for name, own in zip("xy", labels, strict=True)
        for lengths, lacked in [spread(own, out, sizes)]
    )
    expected = x - y

    def computed(*nodes, **out):
        program = program_for(nodes, (), dtype)
        return program.function(*(values[v.name] for v in program.inputs), **out)

    found = computed(node)
    np.testing.assert_array_equal(found, expected)
    given = np.empty_like(expected)
    assert computed(node, out=given) is given
    np.testing.assert_array_equal(given, expected)
    # What comes after it knows how it lies.
    squares = einsum([node, node], [out, out], out[:-1])
    cubes = einsum([node] * 3, [out] * 3, out[1:])
    functions = call(FUNCTIONS["max"], [einsum([node, node], [out, out], out)])
    weighed = einsum([node, node, squares], [out, out, out[:-1]], out[::-1][:1])
    for single, wanted in (
        (squares, (expected**2).sum(-1)),
        (cubes, (expected**3).sum(0)),
        (functions, (expected**2).real.max(-1)),
        (weighed, (expected**2 * (expected**2).sum(-1)[..., None]).sum(tuple(range(len(out) - 1)))),
    ):
        if single is functions and dtype == "complex128":
            continue
        result = computed(single)
        np.testing.assert_allclose(result, wanted, 1e-4)
        assert result.flags.c_contiguous or name not in ("points", "centres")
    for result, wanted in zip(computed(squares, cubes), (squares, cubes), strict=True):
        np.testing.assert_allclose(result, computed(wanted), 1e-6)


def test_which_results_are_turned():
    assert turned((50, 60, 3), (180, 3, 1), [(50, 1, 3), (60, 3)]) == (2, 0, 1)
    assert turned((5000, 10, 2), (20, 2, 1), [(5000, 1, 2), (10, 2)]) == (2, 1, 0)
    assert turned((50, 60, 3), (1, 50, 3000), [(50, 1, 3), (60, 3)]) is None  # lies so already
    assert turned((50, 60, 3), (180, 3, 1), [(50, 60, 3), (60, 3)]) is None  # one is as large
    assert turned((5, 6, 3), (18, 3, 1), [(5, 1, 3), (6, 3)]) is None  # too small
    assert turned((50, 60, 40), (2400, 40, 1), [(50, 1, 40), (60, 40)]) is None
