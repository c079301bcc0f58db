"""Products with index relations, against their definition, and what they are lowered to."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from einsdiff.algebra.nodes.interning import variable
from einsdiff.algebra.nodes.nodes import add, einsum, related
from einsdiff.numeric.planning.plan import plan
from einsdiff.numeric.running.program import program_for
from tests.oracle import random_array
from tests.strategies import DTYPES, awkward


def evaluate(node, arrays, sizes=(), dtype=None, out=None):
    """Run the program of an expression, and check that its result is nobody else's memory."""
    if dtype is None:
        dtype = np.result_type(*arrays.values()) if arrays else np.dtype(int)
    program = program_for((node,), tuple(sorted(dict(sizes).items())), dtype)
    inputs = [arrays[v.name].astype(dtype, copy=False) for v in program.inputs]
    result = program.function(*inputs, out=out)
    assert out is None or result is out
    assert not any(np.may_share_memory(result, array) for array in inputs)
    assert np.shape(result) == program.plan.shapes[0]
    return np.asarray(result)


def brute(operands, relations, output, sizes):
    """Sum over all indices, by the definition; labels are letters."""
    dtype = np.result_type(int, *(array for array, _ in operands))
    result = np.zeros([sizes[n] for n in output], dtype)
    labels = list(dict.fromkeys([*output, *sizes]))
    for index in product(*(range(sizes[n]) for n in labels)):
        at = dict(zip(labels, index, strict=True))
        value = dtype.type(1)
        for c, offset, is_equation, names in relations:
            total = offset + sum(k * at[n] for k, n in zip(c, names, strict=True))
            value = value * int(total == 0 if is_equation else total >= 0)
        for array, names in operands:
            value = value * array[tuple(at[n] for n in names)]
        result[tuple(at[n] for n in output)] += value
    return result


@dataclass(frozen=True)
class Case:
    operands: list
    relations: list
    output: str
    sizes: dict
    symbolic: bool

    def node(self):
        named = {n: f"size_{n}" if self.symbolic else size for n, size in self.sizes.items()}
        nodes = [
            related([named[n] for n in names], c, offset, is_equation)
            for c, offset, is_equation, names in self.relations
        ]
        nodes += [
            variable("ABC"[k], [named[n] for n in names])
            for k, (_, names) in enumerate(self.operands)
        ]
        terms = [names for *_, names in self.relations] + [names for _, names in self.operands]
        return einsum(nodes, terms, self.output, named)

    def bound(self):
        return {f"size_{n}": size for n, size in self.sizes.items()} if self.symbolic else {}


@st.composite
def cases(draw, coefficients, letters="ijkpq", most_relations=3, most_size=5):
    """Draw operands, relations between their labels and others, and an output."""
    sizes = {n: draw(st.sampled_from([2, 3, 4, most_size, 1, 0])) for n in letters}
    used = st.sampled_from(letters)
    relations = []
    for _ in range(draw(st.integers(1, most_relations))):
        names = draw(st.lists(used, min_size=1, max_size=3, unique=True))
        c = tuple(draw(st.sampled_from(coefficients)) for _ in names)
        offset = draw(st.integers(-4, 4))
        relations.append((c, offset, draw(st.sampled_from([True, True, False])), "".join(names)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    operands = []
    for _ in range(draw(st.integers(0, 2))):
        names = draw(st.text(used, min_size=1, max_size=3))
        array = random_array(rng, [sizes[n] for n in names], draw(st.sampled_from(DTYPES)))
        operands.append((awkward(draw, array), names))
    output = draw(st.text(used, max_size=3))
    present = set(output).union(*(names for *_, names in relations), *(n for _, n in operands))
    sizes = {n: size for n, size in sizes.items() if n in present}
    return Case(operands, relations, output, sizes, draw(st.booleans()))


def check(case):
    arrays = {"ABC"[k]: array for k, (array, _) in enumerate(case.operands)}
    node = case.node()
    expected = brute(case.operands, case.relations, case.output, case.sizes)
    dtype = np.result_type(np.int64, *arrays.values())
    np.testing.assert_array_equal(evaluate(node, arrays, case.bound(), dtype), expected)
    # Into a buffer that is neither zero nor contiguous.
    wide = np.full((*expected.shape, 2), 7, dtype)
    evaluate(node, arrays, case.bound(), dtype, out=wide[..., 0])
    np.testing.assert_array_equal(wide[..., 0], expected)
    np.testing.assert_array_equal(wide[..., 1], 7)


@given(cases([1, -1]))
@settings(max_examples=300, deadline=None)
def test_shifts_and_bounds_agree_with_the_definition(case):
    check(case)


@given(cases([1, -1, 2, -2, 3, -3, 6]))
@settings(max_examples=300, deadline=None)
def test_relations_of_any_coefficients_agree_with_the_definition(case):
    check(case)


@given(cases([1, -1, 2, -3], letters="ij", most_relations=2, most_size=7))
@settings(max_examples=200, deadline=None)
def test_relations_of_few_indices_agree_with_the_definition(case):
    check(case)


@st.composite
def digits(draw):
    """Draw indices that are merged, split, shifted and cut, one after the other."""
    sizes = {n: draw(st.sampled_from([2, 3, 2, 1])) for n in "ijk"}
    relations = []
    for new in draw(st.sampled_from(["p", "pq", "pqr"])):
        names = draw(st.lists(st.sampled_from(list(sizes)), min_size=1, max_size=3, unique=True))
        c, unit = [], draw(st.sampled_from([1, 1, 1, 2]))
        for n in names:
            c.append(unit)
            unit *= sizes[n]
        if draw(st.integers(0, 3)) == 0:
            c[-1] = -c[-1]  # reversed, with an offset that makes up for it
        low = sum(min(0, k * (sizes[n] - 1)) for k, n in zip(c, names, strict=True))
        offset = -low + draw(st.sampled_from([0, 0, 0, 1, -1]))
        reach = sum(abs(k) * (sizes[n] - 1) for k, n in zip(c, names, strict=True)) + 1
        sizes[new] = max(1, reach + draw(st.sampled_from([0, 0, 0, 1, -1, -2])))
        is_equation = draw(st.integers(0, 7)) > 0
        relations.append(((*c, -1), offset, is_equation, "".join(names) + new))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    operands = []
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        names = "".join(draw(st.permutations(list(sizes))))[: draw(st.integers(1, 3))]
        array = random_array(rng, [sizes[n] for n in names], draw(st.sampled_from(DTYPES)))
        operands.append((awkward(draw, array), names))
    output = "".join(draw(st.permutations(list(sizes))))[: draw(st.integers(0, 3))]
    present = set(output).union(*(names for *_, names in relations), *(n for _, n in operands))
    sizes = {n: size for n, size in sizes.items() if n in present}
    assume(prod(sizes.values()) <= 5000)
    return Case(operands, relations, output, sizes, draw(st.booleans()))


@given(digits())
@settings(max_examples=300, deadline=None)
def test_merged_and_split_indices_agree_with_the_definition(case):
    check(case)


# --- what they are lowered to -----------------------------------------------------------------

#: Operations that look at positions one by one, or form tensors of 0 and 1.
COSTLY = {"relation", "mask", "positions", "gather", "scatter", "cumsum"}


def ops(node, sizes=()):
    return [step.op for step in plan([node], dict(sizes)).instructions]


def shifted(n, start, step, count):
    """Return the relation of ``x[start::step]``, whose labels are those of the slice and of x."""
    return related((count, n), (step, -1), start)


def merged(*sizes):
    """Return the relation of ``x.ravel()``, whose labels are that of the result and those of x."""
    weights = [prod(sizes[k + 1 :]) for k in range(len(sizes))]
    return related((prod(sizes), *sizes), (1, *(-w for w in weights)))


x, y = variable("x", (12,)), variable("y", (12,))
X, W = variable("X", (3, 4)), variable("W", (2, 5))


@pytest.mark.parametrize(
    ("start", "stop", "step"), [(1, None, 1), (0, -1, 1), (2, 9, 3), (None, None, -1), (10, 1, -2)]
)
def test_a_slice_is_a_view_and_its_derivative_is_written_through_one(start, stop, step):
    first, end, step = slice(start, stop, step).indices(12)
    count = len(range(first, end, step))
    relation = shifted(12, first, step, count)
    values = np.arange(12.0)
    piece = einsum([relation, x], ["ip", "p"], "i")
    assert ops(piece) == ["slice", "copy"]
    np.testing.assert_array_equal(evaluate(piece, {"x": values}), values[start:stop:step])
    g = variable("g", (count,))
    scattered = einsum([relation, g], ["ip", "i"], "p")
    assert set(ops(scattered)) <= {"zeros", "slice", "assign", "copy"}
    expected = np.zeros(12)
    expected[start:stop:step] = np.arange(count) + 1
    found = evaluate(scattered, {"g": np.arange(count) + 1.0})
    np.testing.assert_array_equal(found, expected)
    # Both axes kept: the derivative of the slice, times something.
    both = einsum([relation, g], ["ip", "i"], "ip")
    assert set(ops(both)) == {"zeros", "slice", "diagonal", "assign"}
    expected = np.zeros((count, 12))
    expected[range(count), range(first, end, step)] = np.arange(count) + 1
    np.testing.assert_array_equal(evaluate(both, {"g": np.arange(count) + 1.0}), expected)


def test_an_index_is_an_index():
    at_2 = einsum([related((12,), (1,), -2), x], ["p", "p"], "")
    assert ops(at_2) == ["slice", "copy"]
    assert evaluate(at_2, {"x": np.arange(12.0)}) == 2
    row = einsum([related((3,), (1,), -1), X], ["i", "ij"], "j")
    values = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(evaluate(row, {"X": values}), values[1])
    back = einsum([related((12,), (1,), -2)], ["p"], "p")
    np.testing.assert_array_equal(evaluate(back, {}), np.arange(12) == 2)


def test_a_slice_of_two_axes_is_one_view():
    relations = [shifted(3, 1, 1, 2), shifted(4, 3, -2, 2)]
    piece = einsum([*relations, X], ["ip", "jq", "pq"], "ij")
    assert set(ops(piece)) == {"slice", "copy"}
    values = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(evaluate(piece, {"X": values}), values[1:, 3::-2])


def test_reshapes_are_reshapes():
    values = np.arange(12.0).reshape(3, 4)
    flat = einsum([merged(3, 4), X], ["pij", "ij"], "p")
    assert ops(flat) == ["reshape", "copy"]
    np.testing.assert_array_equal(evaluate(flat, {"X": values}), values.ravel())
    fortran = einsum([merged(4, 3), X], ["pji", "ij"], "p")
    assert not COSTLY.intersection(ops(fortran))
    np.testing.assert_array_equal(evaluate(fortran, {"X": values}), values.ravel("F"))
    again = einsum([merged(3, 4), merged(2, 6), X], ["pij", "pkl", "ij"], "kl")
    assert not COSTLY.intersection(ops(again))
    np.testing.assert_array_equal(evaluate(again, {"X": values}), values.reshape(2, 6))
    cut = einsum(
        [merged(3, 4), shifted(12, 1, 1, 6), merged(2, 3), X], ["pij", "qp", "qkl", "ij"], "kl"
    )
    assert not COSTLY.intersection(ops(cut))
    np.testing.assert_array_equal(evaluate(cut, {"X": values}), values.ravel()[1:7].reshape(2, 3))
    G = variable("G", (2, 3))
    back = einsum(
        [merged(3, 4), shifted(12, 1, 1, 6), merged(2, 3), G], ["pij", "qp", "qkl", "kl"], "ij"
    )
    assert not COSTLY.intersection(ops(back))
    expected = np.zeros(12)
    expected[1:7] = np.arange(6) + 1
    found = evaluate(back, {"G": np.arange(6.0).reshape(2, 3) + 1})
    np.testing.assert_array_equal(found, expected.reshape(3, 4))


def test_the_derivative_of_a_reshape_is_a_diagonal():
    node = merged(3, 4)
    assert set(ops(node)) == {"zeros", "split", "diagonal", "assign"}
    np.testing.assert_array_equal(evaluate(node, {}), np.identity(12).reshape(12, 3, 4))


def test_kronecker_products_are_outer_products():
    node = einsum([merged(3, 2), merged(4, 5), X, W], ["pik", "qjl", "ij", "kl"], "pq")
    assert set(ops(node)) == {"expand", "multiply", "reshape"}
    a, b = np.arange(12.0).reshape(3, 4), np.arange(10.0).reshape(2, 5)
    np.testing.assert_array_equal(evaluate(node, {"X": a, "W": b}), np.kron(a, b))
    v = variable("v", (20,))
    product = einsum([merged(3, 2), merged(4, 5), X, W, v], ["pik", "qjl", "ij", "kl", "q"], "p")
    made = plan([product], {})
    assert not COSTLY.intersection(step.op for step in made.instructions)
    assert made.peak < 6 * 20, "the Kronecker product itself is not formed"
    c = np.arange(20.0)
    np.testing.assert_array_equal(evaluate(product, {"X": a, "W": b, "v": c}), np.kron(a, b) @ c)


def test_pieces_are_joined_by_writing_them_one_after_the_other():
    relations = [related((15, 12), (1, -1)), related((15, 3), (1, -1), -12)]
    z = variable("z", (3,))
    node = add(
        [(1, einsum([r, v], ["pi", "i"], "p")) for r, v in zip(relations, (x, z), strict=True)]
    )
    assert not COSTLY.intersection(ops(node))
    arrays = {"x": np.arange(12.0), "z": np.ones(3)}
    np.testing.assert_array_equal(evaluate(node, arrays), np.concatenate([*arrays.values()]))


def test_tiles_and_repeats_are_broadcast():
    tiled = einsum([merged(3, 12), x], ["prj", "j"], "p")
    repeated = einsum([merged(12, 3), x], ["pjr", "j"], "p")
    values = np.arange(12.0)
    for node, expected in [(tiled, np.tile(values, 3)), (repeated, np.repeat(values, 3))]:
        assert set(ops(node)) <= {"empty", "split", "assign", "expand"}
        np.testing.assert_array_equal(evaluate(node, {"x": values}), expected)


def test_diagonals_off_the_middle_are_views():
    relation = related((3, 4), (1, -1), 1)
    A = np.arange(12.0).reshape(3, 4)
    node = einsum([relation, X], ["ij", "ij"], "i")
    assert not COSTLY.intersection(ops(node))
    np.testing.assert_array_equal(evaluate(node, {"X": A}), np.diagonal(A, 1))
    trace = einsum([relation, X], ["ij", "ij"], "")
    assert evaluate(trace, {"X": A}) == np.trace(A, 1)


def test_triangles_are_masks_that_let_no_nan_through():
    lower = related((4, 4), (1, -1), 0, False)
    S = variable("S", (4, 4))
    values = np.arange(16.0).reshape(4, 4)
    values[0, 3] = np.nan
    node = einsum([lower, S], ["ij", "ij"], "ij")
    assert ops(node) == ["mask"]
    np.testing.assert_array_equal(evaluate(node, {"S": values}), np.tril(np.nan_to_num(values)))
    u = variable("u", (4,))
    product = einsum([lower, u, u], ["ij", "i", "j"], "ij")
    assert "relation" not in ops(product)
    c = np.arange(4.0) + 1
    np.testing.assert_array_equal(evaluate(product, {"u": c}), np.tril(np.outer(c, c)))
    np.testing.assert_array_equal(evaluate(lower, {}, dtype="int64"), np.tri(4))


@pytest.mark.parametrize("sign", [1, -1])
def test_triangular_sums_are_running_sums(sign):
    triangle = related((12, 12), (sign, -sign), 0, False)
    values = np.arange(12.0)
    node = einsum([triangle, x], ["ij", "j"], "i")
    assert set(ops(node)) <= {"slice", "cumsum", "copy"}
    expected = np.cumsum(values) if sign > 0 else np.cumsum(values[::-1])[::-1]
    np.testing.assert_array_equal(evaluate(node, {"x": values}), expected)
    product = einsum([triangle, x, y], ["ij", "j", "j"], "i")
    assert "relation" not in ops(product)
    whole = einsum([triangle, x, y], ["ij", "i", "j"], "")
    assert "relation" not in ops(whole)
    holds = np.tri(12) if sign > 0 else np.tri(12).T
    found = evaluate(whole, {"x": values, "y": values + 1})
    np.testing.assert_array_equal(found, values @ holds @ (values + 1))


@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_take_entries_at_positions(stride):
    w = variable("w", (3,))
    count = (12 - 3) // stride + 1
    relation = related((12, count, 3), (1, -stride, -1))
    correlate = einsum([relation, x, w], ["ipk", "i", "k"], "p")
    assert "relation" not in ops(correlate)
    a, b = np.arange(12.0), np.array([1.0, -2.0, 5.0])
    expected = np.correlate(a, b)[::stride]
    np.testing.assert_array_equal(evaluate(correlate, {"x": a, "w": b}), expected)
    g = variable("g", (count,))
    for factors, terms, output in (([w, g], ["k", "p"], "i"), ([x, g], ["i", "p"], "k")):
        assert "relation" not in ops(einsum([relation, *factors], ["ipk", *terms], output))


def test_entries_at_positions_that_meet_are_added_up():
    T = variable("T", (5, 5, 5))
    values = np.arange(125.0).reshape(5, 5, 5)
    total = sum(np.ogrid[:5, :5, :5])
    for size in (20, 8):
        node = einsum([related((size, 5, 5, 5), (1, -1, -1, -1)), T], ["pijk", "ijk"], "p")
        assert "relation" not in ops(node)
        assert ("scatter" in ops(node)) == (size == 20), "few results are rather taken"
        expected = np.bincount(total.ravel(), values.ravel())
        expected = np.pad(expected, (0, 20))[:size]
        np.testing.assert_array_equal(evaluate(node, {"T": values}), expected)
    node = einsum([related((200, 5, 5, 5), (1, -36, -6, -1)), T], ["pijk", "ijk"], "p")
    blocks = np.zeros((6, 6, 6))
    blocks[:5, :5, :5] = values
    expected = blocks.ravel()[:200]
    np.testing.assert_array_equal(evaluate(node, {"T": values}), expected)
    assert "np.add.at" not in program_for((node,), (), "float64").source


def test_a_slice_of_a_long_vector_takes_memory_for_the_result_only():
    n = 10**6
    v = variable("v", (n,))
    later, earlier = shifted(n, 1, 1, n - 1), shifted(n, 0, 1, n - 1)
    f = einsum([later, v, earlier, v], ["ip", "p", "iq", "q"], "")
    gradient = add(
        [
            (1, einsum([later, earlier, v], ["ip", "iq", "q"], "p")),
            (1, einsum([later, earlier, v], ["iq", "ip", "q"], "p")),
        ]
    )
    assert plan([f], {}).peak == 1
    made = plan([gradient], {})
    assert made.peak == n
    assert not COSTLY.intersection(step.op for step in made.instructions)
    values = np.random.default_rng(0).normal(size=n)
    program = program_for((gradient,), (), "float64")
    tracemalloc.start()
    try:
        found = program.function(values)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 1.1 * found.nbytes
    expected = np.zeros(n)
    expected[:-1] += values[1:]
    expected[1:] += values[:-1]
    np.testing.assert_array_equal(found, expected)


# --- powers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 3, 5, 16])
@pytest.mark.parametrize("dtype", ["int64", "float32", "complex128"])
def test_equal_factors_are_a_power(k, dtype):
    cubes = einsum([x] * k, ["i"] * k, "i")
    total = einsum([x] * k, ["i"] * k, "")
    assert ops(cubes) == (["power"] if k > 2 else ["multiply"])
    assert ops(total) == (["power", "sum"] if k > 2 else ["dot"])
    values = np.array([-3, -2, -1, 0, 1, 2, 3, 2, 1, 2, 1, 0]).astype(dtype)
    found = evaluate(cubes, {"x": values})
    assert found.dtype == dtype
    np.testing.assert_allclose(found, values**k, rtol=1e-6 if dtype == "float32" else 1e-12)
    if dtype == "int64":
        np.testing.assert_array_equal(found, [int(v) ** k for v in values.tolist()])
    np.testing.assert_allclose(evaluate(total, {"x": values}), (values**k).sum(), rtol=1e-5)


def test_powers_of_diagonals_and_beside_other_factors():
    S = variable("S", (3, 3))
    values = np.arange(9.0).reshape(3, 3) - 4
    node = einsum([S] * 3 + [S], ["ii"] * 3 + ["ij"], "ij")
    expected = np.diagonal(values)[:, None] ** 3 * values
    np.testing.assert_allclose(evaluate(node, {"S": values}), expected)
