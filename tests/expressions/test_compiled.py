"""Compiled functions: what they take and give, what they keep, and what they leave alone."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import combinations
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.expressions.compiled import MOST_KEPT, Compiled
from einsdiff.expressions.prepared import _written
from tests.numeric.planning import test_fusing
from tests.numeric.planning.test_fusing import as_tensors, graphs
from tests.oracle import brute_derivative, random_array
from tests.strategies import einsums

A = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
x = np.array([1.0, 2.0, 4.0])
y = np.array([0.5, -1.0, 3.0])


# --- what is given ----------------------------------------------------------------------------


class Subclass(np.ndarray):
    """Some library's arrays."""


def product() -> Compiled:
    return ed.compile("ij,j->i", "A", "x")


def test_arrays_are_bound_by_name_where_tensors_are_compiled():
    f, g = ed.value_and_grad("A_ij x_j x_i", wrt="x")
    square = np.eye(2)
    np.testing.assert_array_equal(ed.compile(g, A=square)(x=[1.0, 2.0]), [2, 4])
    value, gradient = ed.compile((f, g), A=square, x=[1.0, 2.0])()
    assert value == 5
    np.testing.assert_array_equal(gradient, [2, 4])
    with pytest.raises(ed.BindingError, match="there is no 'B' in this expression"):
        ed.compile(f, g, B=square)
    with pytest.raises(ed.OperandError, match="sizes= goes with an einsum string"):
        ed.compile(f, sizes={"i": 2})


def test_names_are_those_of_the_operands_in_order():
    assert product().names == ("A", "x")
    assert ed.grad("ij,j->i", "A", "x", wrt="A").compile().names == ("A", "x")
    both = ed.compile(ed.tensor("b", "n") * 2, ed.tensor("a", "n") + ed.tensor("b", "n"))
    assert both.names == ("b", "a")


@pytest.mark.parametrize(
    "give",
    [
        lambda f: f(A, x),
        lambda f: f(A, x=x),
        lambda f: f(A=A, x=x),
        lambda f: f(x=x, A=A),
        lambda f: f(A.tolist(), x=tuple(x)),
        lambda f: f(np.asfortranarray(A), x[::-1].copy()[::-1]),
        lambda f: f(A.astype(">f8"), x.astype("f4")),
        lambda f: f(A.astype(int), x),
        lambda f: f(A, x.astype(complex)),
        lambda f: f(A.view(Subclass), x.view(Subclass)),
    ],
)
def test_arrays_are_given_by_place_or_by_name_in_any_form(give):
    f = product()
    for _ in range(2):  # planned, and then known
        np.testing.assert_array_equal(give(f), A @ x)


def test_scalars_are_arrays_without_axes():
    f = ed.compile("f_i = c x_i")
    for c in (2, 2.0, np.float64(2), np.array(2)):
        np.testing.assert_array_equal(f(c=c, x=x), 2 * x)


def test_arrays_that_were_bound_need_not_be_given():
    f = ed.compile("ij,j->i", A, "x")
    np.testing.assert_array_equal(f(x=x), A @ x)
    np.testing.assert_array_equal(f(2 * A, x), 2 * A @ x)
    np.testing.assert_array_equal(f(x=x), A @ x)
    g = ed.compile("ij,j->i", A, x)
    np.testing.assert_array_equal(g(), A @ x)
    np.testing.assert_array_equal(g(x=y), A @ y)
    with pytest.raises(ed.ShapeError, match=r"'A' has shape \(2, 2\), but 'A' is \(2, 3\)"):
        g(x=x[:2], A=A[:, :2])


def test_bound_arrays_are_read_when_the_function_is_called():
    M = A.copy()
    f = ed.compile("ij->i", M)
    f()
    M[...] = 1
    np.testing.assert_array_equal(f(), [3, 3])


@pytest.mark.parametrize(
    ("give", "error", "message"),
    [
        (lambda f: f(A), ed.BindingError, r"no array for 'x'(.|\n)*pass x=\.\.\."),
        (lambda f: f(), ed.BindingError, "no array for 'A'"),
        (lambda f: f(A, x, y), ed.BindingError, "3 arrays for 2 names(.|\n)*at most 2: A, x"),
        (lambda f: f(A, z=x), ed.BindingError, "no operand 'z'(.|\n)*A and x only"),
        (lambda f: f(A, x, z=x), ed.BindingError, "no operand 'z'"),
        (lambda f: f(A, A=A, x=x), ed.BindingError, "'A' is given twice"),
        (lambda f: f(A, x, x=x), ed.BindingError, "'x' is given twice"),
        (lambda f: f(A, x[:2]), ed.ShapeError, "size 'n' is 3 in 'A', but 2 here"),
        (lambda f: f(x, x), ed.ShapeError, "number of axes differs"),
        (lambda f: f(A, "x"), ed.OperandError, "dtype <U1"),
        (lambda f: f(A, [1, [2]]), ed.OperandError, "x is no array"),
        (lambda f: f(A, x.astype(object)), ed.OperandError, "dtype object"),
        (lambda f: f(A, np.ma.array(x, mask=[1, 0, 0])), ed.OperandError, "masked"),
        (lambda f: f(A, None), ed.OperandError, "dtype object"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(give, error, message):
    f = product()
    with pytest.raises(error, match=message):
        give(f)
    f(A, x)
    with pytest.raises(error, match=message):  # also by a function that was planned
        give(f)


def test_an_array_is_needed_for_its_sizes():
    with pytest.raises(ed.BindingError, match="no array for 'A'"):
        ed.grad("ij,j->i", "A", "x", wrt="A").compile()(x=x)


def test_real_functions_refuse_complex_arrays_also_after_a_real_one():
    f = ed.compile("f_i = abs(x_i)")
    f(x)
    with pytest.raises(ed.OperandError, match="abs"):
        f(1j * x)


def test_an_operand_may_be_called_out():
    out = ed.tensor("out", "n")
    f = (out * ed.tensor("x", "n")).compile()
    np.testing.assert_array_equal(f(out=y, x=x), x * y)
    np.testing.assert_array_equal(f(y, x), x * y)
    np.testing.assert_array_equal(f(y, x=x), x * y)


@pytest.mark.parametrize("name", ["self", "arrays", "named", "t0", "np", "clear", "class"])
def test_operands_may_have_any_name(name):
    f = (ed.tensor(name, "n") * ed.tensor("x", "n")).compile()
    np.testing.assert_array_equal(f(**{name: y, "x": x}), x * y)


# --- shapes and dtypes ------------------------------------------------------------------------


def test_each_combination_of_shapes_and_dtypes_has_its_own_program():
    f = product()
    rng = np.random.default_rng(0)
    for _ in range(2):
        for m, n in [(2, 3), (3, 2), (1, 1), (0, 2), (2, 0)]:
            for dtype in ("f8", "f4", "i8", "c16", "u1", "?"):
                M, v = random_array(rng, (m, n), "i8"), random_array(rng, (n,), "i8")
                M, v = abs(M).astype(dtype), abs(v).astype(dtype)
                found = f(M, v)
                assert found.dtype == (np.dtype(dtype) if dtype != "?" else np.int64)
                wide = np.int64 if dtype == "?" else dtype
                np.testing.assert_array_equal(found, M.astype(wide) @ v.astype(wide))


def test_many_shapes_do_not_fill_memory():
    f = ed.compile("2 x_i")
    for n in range(MOST_KEPT + 5):
        np.testing.assert_array_equal(f(np.ones(n)), np.full(n, 2))
    assert len(f._ready) <= MOST_KEPT


def test_the_source_and_the_report_are_those_of_the_arrays_seen_last():
    f = product()
    for n in (2, 3, 2):
        f(np.ones((n, n)), np.ones(n))
        assert f"({n},)" in f.source
        assert f.report().flops == 2 * n * n


def test_the_source_and_the_report_need_arrays_or_bound_ones():
    with pytest.raises(ed.BindingError, match="no array for 'A'"):
        _ = product().source
    f = ed.compile("ij,j->i", A, x)
    assert "A_.dot(x_)" in f.source
    assert f.report().flops == 12
    assert repr(f) == "<compiled function of A, x: f_i = A_ij x_j>"


def test_the_source_runs_without_the_library():
    f = ed.compile(
        ed.value_and_grad("log(1 + exp(A_ij x_j)) log(1 + exp(A_ij x_j))", wrt=("x", "A"))
    )
    value, (by_x, by_A) = f(A, x)
    assert "einsdiff" not in f.source
    names = {"np": np}
    exec(f.source, names)
    arrays = {"A_": A, "x_": x}
    for found, expected in zip(names["program"](**arrays), (value, by_x, by_A), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_symmetric_operands_are_checked_at_each_call():
    S, v = ed.tensor("S", "nn", symmetric=True), ed.tensor("v", "n")
    f = (S @ v).compile()
    good, bad = np.array([[1.0, 2.0], [2.0, 3.0]]), np.array([[1.0, 2.0], [0.0, 3.0]])
    for _ in range(2):
        np.testing.assert_array_equal(f(good, [1, 1]), [3, 5])
        with pytest.raises(ed.ShapeError, match="symmetric"):
            f(bad, [1, 1])
        with pytest.raises(ed.ShapeError, match="symmetric"):
            f(S=bad.tolist(), v=[1, 1])


# --- what is returned -------------------------------------------------------------------------


def test_results_are_nested_as_the_expressions_were():
    one, two, three = (ed.parse(text, x=x) for text in ("x_i x_i", "2 x_i", "x_i x_j"))
    assert isinstance(ed.compile(one)(), np.ndarray)
    for tree in ((one,), [one], ((one,),), (one, (two, three)), ((one, two), three)):
        found = ed.compile(tree)()
        flat = str(found).count("array") or 1
        assert type(found) is tuple
        assert flat == str(tree).count("=")
    value, (gradient, (outer,)) = ed.compile(one, (two, (three,)))()
    assert value == 21
    np.testing.assert_array_equal(gradient, 2 * x)
    np.testing.assert_array_equal(outer, np.outer(x, x))


def test_what_several_expressions_share_is_computed_once():
    f = ed.compile(
        ed.value_and_grad("f_i = exp(A_ij x_j)", A=A, x=x, wrt="x"), ed.parse("exp(A_ij x_j)", A=A)
    )
    f(x=x)
    assert f.source.count("np.exp") == 1
    assert f.source.count(".dot") == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda t: (t, t),
        lambda t: (t, t.T, t),
        lambda t: (t @ t, (t @ t).T, t @ t),
        lambda t: (t + 1, t + 1, (t + 1).T),
        lambda t: (np.exp(t), np.exp(t), 2 * np.exp(t)),
        lambda t: (t[0], t[1:], t[::-1], t.reshape(9)),
        lambda t: (0 * t, 0 * t, ed.einsum("i->ii", t[0]), ed.einsum("i->ii", t[0])),
        lambda t: (t.trace(), t.trace(), ed.tensor("c", np.array(2.0)), t[0, 0]),
        lambda t: ((t @ t).reshape(9), t @ t, (t @ t)[0], (t @ t)[:, 1]),
    ],
)
@pytest.mark.parametrize("form", ["dense", "cores", "sparse"])
def test_each_result_is_memory_of_its_own(make, form):
    values = np.arange(9.0).reshape(3, 3)
    tensors = make(ed.tensor("t", values))
    results = ed.compile(*tensors, form=form)()
    if form == "sparse":
        for found, t in zip(results, tensors, strict=True):
            np.testing.assert_array_equal(found.toarray(), t.matrix())
        results = [found.data for found in results]
    elif form == "cores":
        for found in results:
            assert not any(np.shares_memory(core, values) for core in found)
        return
    else:
        for found, t in zip(results, tensors, strict=True):
            np.testing.assert_array_equal(found, t.dense())
    assert not any(np.shares_memory(a, b) for a, b in combinations([*results, values], 2))
    assert all(found.flags.writeable for found in results)


@pytest.mark.parametrize("form", ["dense", "cores", "sparse"])
def test_a_coefficient_is_applied_once_to_what_several_expressions_have(form):
    s = ed.parse("2 A_ij x_j", A=A, x=x)
    for tensors in [(s, s), (np.sin(s), s), (s, np.sin(s)), (s, 3 * s, s), (s @ s, s, s + 1)]:
        results = ed.compile(*tensors, form=form)()
        for found, t in zip(results, tensors, strict=True):
            whole = found.toarray() if form == "sparse" else found
            whole = sum(found) if form == "cores" else whole
            np.testing.assert_allclose(np.reshape(whole, t.shape), t.dense())


def test_constants_are_results():
    one = ed.grad("x_i", x=x, wrt="x")
    two = ed.parse("2 x_i", x=x) * 0
    three = ed.grad("3 x_i y_i", x=x, y=y, wrt=("x", "y"))
    f = ed.compile(one, two, three)
    delta, zero, (by_x, by_y) = f()
    np.testing.assert_array_equal(delta, np.eye(3))
    np.testing.assert_array_equal(zero, np.zeros(3))
    np.testing.assert_array_equal(by_x, 3 * y)
    np.testing.assert_array_equal(by_y, 3 * x)
    assert f()[0] is not delta


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_random_expressions_compiled_together_are_what_they_are_by_definition(graph):
    before = graph.copy()
    tensors = as_tensors(graph)
    f = ed.compile(tuple(tensors))
    for _ in range(2):
        results = f(**graph.arrays)
        for found, t, node in zip(results, tensors, graph.outputs, strict=True):
            test_fusing.check(found, node, before, t.dtype)
        assert not any(np.shares_memory(a, b) for a, b in combinations(results, 2))
        assert not any(np.shares_memory(r, a) for r in results for a in graph.arrays.values())
    for name, array in graph.arrays.items():
        np.testing.assert_array_equal(array, before[name])


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_random_expressions_have_one_value_in_every_form(graph):
    tensors = as_tensors(graph)
    dense = ed.compile(tuple(tensors))()
    sparse = ed.compile(tuple(tensors), form="sparse")()
    for t, whole, matrix, node in zip(tensors, dense, sparse, graph.outputs, strict=True):
        assert matrix.dtype == whole.dtype
        test_fusing.check(matrix.toarray().reshape(node.shape), node, graph.arrays, whole.dtype)
        alone = t.compile(form="cores")()
        assert isinstance(alone, tuple)
        assert not any(np.shares_memory(c, a) for c in alone for a in graph.arrays.values())


@settings(max_examples=150, deadline=None)
@given(einsums(most_operands=3), st.sampled_from(["C", "F", "strided", "again", "operand"]))
def test_derivatives_are_written_into_any_array(case, how):
    tensors = {name: ed.tensor(name, array) for name, array in case.arrays.items()}
    f = ed.einsum(case.subscripts, *(tensors[name] for name in case.names), sizes=case.broadcast)
    J = ed.grad(f, wrt="A").compile()
    slots = case.slots("A")
    expected = brute_derivative(case.inputs, case.output, case.sizes, case.operands, slots)
    before = {name: array.copy() for name, array in case.arrays.items()}
    out = np.full(expected.shape, 7, J().dtype, order="F" if how == "F" else "C")
    if how == "strided":
        out = np.full((*expected.shape, 3), 7, out.dtype)[..., 1]
    elif how == "again":
        out = J()
        out = J(**{name: -array for name, array in case.arrays.items()}, out=out)
    assert J(out=out) is out
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(J(), expected)
    for name, array in case.arrays.items():
        np.testing.assert_array_equal(array, before[name])
        assert not np.shares_memory(array, out)


def test_coefficients_of_every_kind():
    t = ed.tensor("x", x)
    for c in (Fraction(1, 3), Fraction(-7, 2), -1, 0.1, -2.5, 10**20, 1j, 2 - 1j):
        number = float(c) if isinstance(c, Fraction) else c
        for u, expected in [
            (c * t, number * x),
            (t - c * t * t, x - number * x * x),
            (ed.grad(c * t * t, wrt="x"), np.diag(2 * number * x)),
            (ed.grad(c * t * t + t, wrt="x"), np.diag(2 * number * x + 1)),
        ]:
            f = u.compile()
            np.testing.assert_allclose(f(), expected, rtol=1e-14)
            np.testing.assert_allclose(f(out=f()), expected, rtol=1e-14)


# --- out --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.zeros(3), ed.ShapeError, r"out has shape \(3,\)(.|\n)*result has shape \(2,\)"),
        (np.zeros((2, 1)), ed.ShapeError, "out has shape"),
        (np.zeros(2, "f4"), ed.ShapeError, "dtype float32(.|\n)*dtype float64"),
        (np.zeros(2, ">f8"), ed.ShapeError, "dtype >f8"),
        ([0.0, 0.0], ed.OperandError, "list that cannot be written into"),
        (np.broadcast_to(0.0, 2), ed.OperandError, "cannot be written into"),
    ],
)
def test_an_out_that_does_not_fit_is_refused(out, error, message):
    with pytest.raises(error, match=message):
        product()(A, x, out=out)


def test_out_is_for_one_dense_result():
    two = ed.compile(ed.value_and_grad("x_i x_i", x=x, wrt="x"))
    one = ed.compile((ed.parse("2 x_i", x=x),))
    cores = ed.parse("2 x_i", x=x).compile(form="cores")
    for f in (two, one, cores):
        with pytest.raises(ed.OperandError, match="one dense result"):
            f(out=np.zeros(3))


@pytest.mark.parametrize(
    "make",
    [
        lambda M: ed.einsum("ij->ji", M),
        lambda M: ed.einsum("ij,jk->ik", M, M),
        lambda M: ed.tensor("M", M) + ed.tensor("M", M).T,
        lambda M: ed.einsum("ii->ii", M),
        lambda M: ed.tensor("M", M)[::-1],
        lambda M: 2 * ed.tensor("M", M),
    ],
)
def test_out_may_be_an_operand_or_a_part_of_its_memory(make):
    M = np.arange(9.0).reshape(3, 3)
    expected = make(M).dense()
    f = make(M).compile()
    np.testing.assert_array_equal(f(M, out=M), expected)
    wide = np.arange(12.0)
    operand, out = wide[:9].reshape(3, 3), wide[3:].reshape(3, 3)
    expected = f(operand.copy())
    np.testing.assert_array_equal(f(operand, out=out), expected)


# --- buffers that are written again -----------------------------------------------------------


def jacobian() -> Compiled:
    return ed.grad("ij,j->i", "A", "x", wrt="A").compile()


def expected_jacobian(v):
    return np.einsum("ip,q->ipq", np.eye(2), v)


OTHERS = {
    "full": lambda out: ed.einsum("i,j,k->ijk", x[:2], y[:2], x).dense(out=out),
    "broadcast": lambda out: ed.einsum("i,k->ijk", y[:2], x, j=2).dense(out=out),
    "another pattern": lambda out: ed.einsum(
        "i,jk->ijk", x[:2], ed.grad(ed.tensor("z", x)[1:], wrt="z")
    ).dense(out=out),
    "zero": lambda out: (0 * ed.tensor("z", np.ones((2, 2, 3)))).dense(out=out),
    "copy": lambda out: ed.tensor("z", np.ones((2, 2, 3))).dense(out=out),
    "itself": lambda out: (ed.tensor("z", out) + 1).dense(out=out),
    "compiled": lambda out: (ed.tensor("z", np.ones((2, 2, 3))) + 1).compile()(out=out),
    "in slices": lambda out: ed.einsum("i,j,k->ijk", x[:2], y[:2], x).dense(
        out=out, memory_limit=10**6
    ),
}


def test_only_entries_that_can_be_other_than_zero_are_written_again():
    J = jacobian()
    out = J(A, x)
    outside = expected_jacobian(np.ones(3)) == 0
    out[outside] = 5  # which is not allowed, and shows what is not looked at
    assert J(A, y, out=out) is out
    np.testing.assert_array_equal(out[outside], 5)
    np.testing.assert_array_equal(out[~outside], expected_jacobian(y)[~outside])


def test_a_buffer_written_by_a_call_is_known_as_one_that_was_returned():
    J = jacobian()
    out = np.full((2, 2, 3), 7.0, order="F")
    J(A, x, out=out)
    np.testing.assert_array_equal(out, expected_jacobian(x))
    out[0, 1] = 5
    J(A, y, out=out)
    np.testing.assert_array_equal(out[0, 1], 5)
    np.testing.assert_array_equal(out[1, 1], y)


@pytest.mark.parametrize("name", OTHERS)
def test_a_buffer_that_something_else_was_written_into_is_written_whole(name):
    J = jacobian()
    out = J(A, x)
    OTHERS[name](out)
    np.testing.assert_array_equal(J(A, y, out=out), expected_jacobian(y))
    out = np.full((2, 2, 3), 7.0)
    OTHERS[name](out)
    np.testing.assert_array_equal(J(A, y, out=out), expected_jacobian(y))


def test_a_foreign_array_and_a_view_of_a_buffer_are_written_whole():
    J = jacobian()
    out = J(A, x)
    for foreign in (np.full((2, 2, 3), 7.0), out.copy(), np.array(out), out[:], out.view()):
        foreign[0, 1] = 5
        np.testing.assert_array_equal(J(A, y, out=foreign), expected_jacobian(y))


def test_expressions_with_one_pattern_share_buffers():
    one = ed.einsum("i->ii", x)
    other = ed.einsum("i->ii", y)
    out = one.dense()
    out[0, 1] = 5
    expected = np.diag(y)
    expected[0, 1] = 5
    np.testing.assert_array_equal(other.dense(out=out), expected)


def test_patterns_at_other_places_are_told_apart():
    t = ed.tensor("x", x)
    below, above = ed.grad(t[:-1], wrt="x"), ed.grad(t[1:], wrt="x")
    out = above.dense()
    for _ in range(2):
        np.testing.assert_array_equal(below.dense(out=out), np.eye(2, 3))
        np.testing.assert_array_equal(above.dense(out=out), np.eye(2, 3, k=1))


def test_a_call_that_fails_leaves_a_buffer_that_is_written_whole_next():
    J = ed.grad("A_ij x_j", wrt="A").compile()
    out = J(np.ones((2, 2)), x[:2])
    singular = ed.parse("f_ijk = inv(B)_jk x_i + δ_ij x_k", B=np.zeros((2, 2)), x=x[:2])
    G = ed.parse("f_ijk = δ_ij inv(B)_jk + δ_ik x_j", B=np.zeros((2, 2)), x=x[:2])
    for failing in (singular, G):
        with pytest.raises(np.linalg.LinAlgError):
            failing.dense(out=out)
        J(np.ones((2, 2)), y[:2], out=out)
        np.testing.assert_array_equal(out, np.einsum("ip,q->ipq", np.eye(2), y[:2]))


def test_an_array_in_the_place_of_one_that_is_gone_is_not_taken_for_it():
    J = ed.einsum("i->ii", x)
    known = J.dense()
    foreign = np.full((3, 3), 7.0)
    # As if its place in memory had been that of the other array, which is gone or not.
    _written[id(foreign)] = _written[id(known)]
    np.testing.assert_array_equal(J.dense(out=foreign), np.diag(x))
    foreign = np.full((3, 3), 7.0)
    _written[id(foreign)] = _written[id(known)]
    del known
    np.testing.assert_array_equal(J.dense(out=foreign), np.diag(x))


def test_buffers_are_forgotten_with_their_arrays():
    gc.collect()
    before = len(_written)
    arrays = [ed.einsum("i->ii", x).dense() for _ in range(20)]
    assert len(_written) == before + 20
    del arrays
    gc.collect()
    assert len(_written) == before


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_one_buffer_for_many_expressions_in_turn(data):
    v, w = ed.tensors(v=2 * x, w=y)
    makers = [
        ed.einsum("i->ii", v),
        ed.einsum("i,j->ij", v, w),
        ed.grad(v[::-1], wrt="v"),
        ed.einsum("i->ii", v) + ed.einsum("i->ii", w),
        ed.grad(v * v * w, wrt="v"),
        ed.grad(np.tril(ed.einsum("i,j->ij", v, w)).sum(axis=0), wrt="v"),
        ed.einsum("i->ii", v) + 1,
        ed.einsum("i->ij", w, j=3),
        0 * ed.einsum("i,j->ij", v, w),
    ]
    compiled = [t.compile() for t in makers]
    expected = [t() for t in makers]
    out = data.draw(st.sampled_from([np.full((3, 3), 7.0), expected[0].copy()]))
    for _ in range(data.draw(st.integers(1, 6))):
        k = data.draw(st.integers(0, len(makers) - 1))
        if data.draw(st.booleans()):
            compiled[k](out=out)
        else:
            makers[k].dense(out=out)
        np.testing.assert_array_equal(out, expected[k])
        if data.draw(st.integers(0, 4)) == 0:
            out = compiled[k]()


# --- errors on the way ------------------------------------------------------------------------


def test_a_singular_matrix_is_an_error_that_names_the_expression():
    f = ed.compile("inv(A)_ij")
    with pytest.raises(np.linalg.LinAlgError) as caught:
        f(np.zeros((2, 2)))
    assert any("inv(A)_ij" in note for note in caught.value.__notes__)
    np.testing.assert_array_equal(f(np.eye(2)), np.eye(2))


def test_above_the_limit_of_memory_nothing_is_computed():
    f = ed.compile("i,j->ij", "x", "y")
    u = np.ones(2000)
    f(u, u)
    before = ed.set_memory_limit(10**6)
    try:
        for _ in range(2):
            with pytest.raises(ed.SizeError, match=r"30\.5 MiB"):
                f(u, u)
        f(u[:10], u[:10])
    finally:
        ed.set_memory_limit(before)
    assert f(u, u).shape == (2000, 2000)


def test_a_function_may_have_a_limit_of_its_own():
    f = ed.compile("i,j->ij", "x", "y", memory_limit=10**4)
    assert f(np.ones(20), np.ones(20)).sum() == 400
    with pytest.raises(ed.SizeError, match=r"limit is 9\.77 KiB"):
        f(np.ones(200), np.ones(200))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "csr"}, "form='csr'(.|\n)*'dense', 'cores', 'sparse'"),
        ({"form": ""}, "form=''"),
        ({"backend": "fortran"}, "backend='fortran'(.|\n)*'numpy', 'torch'"),
    ],
)
def test_forms_and_backends_that_there_are_not(options, message):
    with pytest.raises(ed.OperandError, match=message):
        ed.compile("i->", "x", **options)
    with pytest.raises(ed.OperandError, match=message):
        ed.parse("x_i", x=x).compile(**options)


def test_one_name_is_one_array():
    with pytest.raises(ed.BindingError, match="two different arrays are called 'x'"):
        ed.compile(ed.parse("x_i", x=x), ed.parse("x_i", x=np.ones(4)))


# --- threads ----------------------------------------------------------------------------------


def in_threads(count, work):
    """Let several threads do the same at the same time."""
    barrier = Barrier(count)

    def start(k):
        barrier.wait()
        return work(k)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(start, range(count)))


def test_several_threads_call_one_function():
    f = ed.compile(ed.value_and_grad("f_i = tanh(A_ij x_j)", wrt="A"))
    rng = np.random.default_rng(0)
    work = [[(rng.normal(size=(m, n)), rng.normal(size=n)) for m in (2, 3) for n in (1, 2, 4)]] * 8

    def call(k):
        return [f(M, v) for _ in range(20) for M, v in work[k]]

    for found in in_threads(8, call):
        for (value, gradient), (M, v) in zip(found, work[0] * 20, strict=True):
            z = np.tanh(M @ v)
            np.testing.assert_allclose(value, z)
            expected = np.einsum("i,ip,q->ipq", 1 - z**2, np.eye(len(z)), v)
            np.testing.assert_allclose(gradient, expected)


def test_several_threads_compile_one_expression():
    def make(k):
        text = f"sin(A_ij x_j) x_i + {k // 4} A_ij x_j"
        J = ed.grad(f"f_i = {text}", wrt="x").compile()
        return J(np.eye(3), x)

    for k, found in enumerate(in_threads(8, make)):
        expected = np.diag(np.cos(x) * x + np.sin(x) + k // 4)
        np.testing.assert_allclose(found, expected)


def test_several_threads_write_to_buffers_of_their_own():
    J = jacobian()

    def write(k):
        out = np.full((2, 2, 3), 7.0)
        for n in range(50):
            v = np.array([k, n, 1.0])
            J(A, v, out=out)
            if not np.array_equal(out, expected_jacobian(v)):
                return False
            if n % 7 == 0:
                out = J(A, v)
        return True

    assert all(in_threads(8, write))
