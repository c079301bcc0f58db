"""Tensors: computed, called, combined with arrays, compared, multiplied by vectors."""

from __future__ import annotations

import operator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import einsdiff as ed
from tests.oracle import random_array
from tests.strategies import einsums

A = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
Q = np.array([[2.0, -1.0, 1.0], [0.5, 3.0, 1.0], [1.0, 1.0, 4.0]])
x = np.array([1.0, 2.0, 4.0])
stack = np.arange(24.0).reshape(4, 2, 3)


# --- shape and dtype --------------------------------------------------------------------------


def test_shape_and_ndim_are_those_of_the_result():
    J = ed.grad("ij,j->i", A, x, wrt="A")
    assert (J.shape, J.ndim, J.domain) == ((2, 2, 3), 3, 2)
    assert np.asarray(J).shape == J.shape
    assert (ed.einsum("ij->", A).shape, ed.einsum("ij->", A).ndim) == ((), 0)


def test_unknown_sizes_are_shown_by_name_and_known_ones_as_numbers():
    M, u = ed.tensors(M="mn", u="n")
    assert (M @ u).shape == ("m",)
    f = ed.einsum("ij,j->i", "M", "u", u=x)
    assert f.shape == ("m",)
    assert ed.grad(f, wrt="M").shape == ("m", "m", 3)
    assert ed.grad(ed.einsum("ij,j->i", M, u), wrt="M", u=x).shape == ("m", "m", 3)


def test_names_are_those_of_the_variables_in_order_of_appearance():
    y = np.ones(2)
    assert ed.einsum("i,ij,j,i->", y, A, x, y).names == ("y", "A", "x")


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16", "i4", "i8", "u1", "f2"])
def test_a_multilinear_expression_keeps_the_dtype(dtype):
    M, u = A.astype(dtype), x.astype(dtype)
    for t in (
        ed.einsum("ij,j->i", M, u),
        ed.grad("ij,j->i", M, u, wrt="M"),
        2 * ed.tensor("u", u) + 1,
    ):
        assert t.dtype == np.asarray(t).dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    ("left", "right"), [("f4", "f8"), ("i4", "f4"), ("i4", "i8"), ("f8", "c8"), ("u1", "i1")]
)
def test_mixed_dtypes_are_promoted_as_numpy_promotes_them(left, right):
    M, u = A.astype(left), x.astype(right)
    t = ed.einsum("ij,j->i", M, u)
    assert t.dtype == np.asarray(t).dtype == np.einsum("ij,j->i", M, u).dtype
    np.testing.assert_array_equal(np.asarray(t), M @ u)


def test_booleans_count_as_integers():
    marks = np.array([True, False, True])
    t = ed.einsum("i,i->", marks, marks)
    assert t.dtype == np.int64
    assert np.asarray(t) == 2
    np.testing.assert_array_equal(np.asarray(ed.tensor("m", marks) + marks), [2, 0, 2])


@pytest.mark.parametrize(
    ("make", "dtype", "expected"),
    [
        (lambda t: t / 2, "i4", "f8"),
        (lambda t: t / 2, "f4", "f4"),
        (lambda t: t * 0.5, "i8", "f8"),
        (lambda t: t * 0.5, "f4", "f4"),
        (lambda t: t / 3 - t, "i4", "f8"),
        (lambda t: t**-2, "i8", "f8"),
        (lambda t: t**2, "i8", "i8"),
        (lambda t: t**0.5, "i8", "f8"),
        (lambda t: t * 1j, "f4", "c8"),
        (lambda t: t * 1j, "i8", "c16"),
        (lambda t: t * t - 3 * t, "i4", "i4"),
        (lambda t: 1 / t, "i8", "f8"),
    ],
)
def test_fractions_floats_and_functions_make_integers_floats(make, dtype, expected):
    values = np.array([1, 2, 4], dtype)
    t = make(ed.tensor("u", values))
    assert t.dtype == np.asarray(t).dtype == np.dtype(expected)
    np.testing.assert_allclose(np.asarray(t), make(values.astype("c16")), rtol=1e-6)


def test_integers_become_floats_before_a_power_and_not_after_it():
    large = np.array([100_000], "i4")
    np.testing.assert_allclose(np.asarray(ed.tensor("u", large) ** -2), [1e-10])
    np.testing.assert_allclose(np.asarray(ed.tensor("u", large) ** 2.5), [1e5**2.5])


def test_integers_are_exact_beyond_the_floats():
    large = np.array([2**53 + 1, 1])
    np.testing.assert_array_equal(
        np.asarray(ed.einsum("i,i->i", large, np.array([3, 3]))), large * 3
    )


def test_unsigned_integers_become_signed_where_a_coefficient_is_negative():
    one, two = np.array([1], "u1"), np.array([2], "u1")
    t = ed.tensor("one", one) - ed.tensor("two", two)
    assert np.asarray(t).dtype == np.int16
    np.testing.assert_array_equal(np.asarray(t), [-1])


def test_a_coefficient_that_an_integer_dtype_cannot_hold_widens_it():
    t = 300 * ed.tensor("one", np.array([1], "i1"))
    np.testing.assert_array_equal(np.asarray(t), [300])
    huge = 10**30 * ed.tensor("one", np.array([1], "i8"))
    np.testing.assert_array_equal(np.asarray(huge), [1e30])


# --- as an array ------------------------------------------------------------------------------


def test_a_tensor_becomes_an_array_of_a_wanted_dtype():
    t = ed.einsum("ij,j->i", A, x)
    assert np.asarray(t).dtype == np.float64
    for array in (np.asarray(t, dtype="f4"), np.array(t, dtype="f4"), np.array(t, "f4", copy=True)):
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, A @ x)


def test_an_array_without_a_copy_is_not_to_be_had():
    t = ed.tensor("x", x)
    with pytest.raises(ValueError, match="copy"):
        t.__array__(copy=False)
    np.testing.assert_array_equal(t.__array__(copy=True), x)


def test_each_evaluation_is_a_new_array():
    t = ed.einsum("ij,j->i", A, x)
    first, second = np.asarray(t), np.asarray(t)
    first[...] = 0
    np.testing.assert_array_equal(second, A @ x)
    np.testing.assert_array_equal(np.asarray(t), A @ x)


@pytest.mark.parametrize(
    "make",
    [
        lambda M: ed.tensor("M", M),
        lambda M: +ed.tensor("M", M),
        lambda M: ed.tensor("M", M).T,
        lambda M: ed.tensor("M", M) ** 1,
        lambda M: ed.tensor("M", M) * 1,
        lambda M: ed.tensor("M", M) + 0,
        lambda M: ed.tensor("M", M).T.T,
        lambda M: ed.einsum("ij->ji", M),
        lambda M: ed.einsum("ii->i", M),
        lambda M: ed.einsum("ii", M),
        lambda M: ed.einsum("...->...", M),
        lambda M: ed.einsum("ij->kij", M, k=1),
        lambda M: ed.einsum("ij->kij", M, k=2),
        lambda M: ed.einsum("ij,jk->ik", M, np.eye(3)),
        lambda M: ed.grad("ij,j->i", M, x, wrt=1),
        lambda M: ed.grad("ij,j->i", M, x, wrt=1).jvp(np.ones(3)),
        lambda M: ed.grad("ij,ji->", M, "N", wrt="N", N=M),
    ],
)
def test_results_share_no_memory_with_operands(make):
    M = Q.copy()
    t = make(M)
    for result in (np.asarray(t), t.dense(), t(), t.matrix()):
        assert not np.shares_memory(result, M)
        result[...] = -1
        np.testing.assert_array_equal(M, Q)


def test_a_called_tensor_shares_no_memory_with_what_it_is_called_with():
    M = Q.copy()
    result = ed.tensor("M", "mn").T(M=M)
    assert not np.shares_memory(result, M)
    np.testing.assert_array_equal(result, Q.T)


@pytest.mark.parametrize(
    "layout",
    [
        lambda M: np.asfortranarray(M),
        lambda M: np.repeat(M, 2, axis=1)[:, ::2],
        lambda M: M[::-1, ::-1].copy()[::-1, ::-1],
        lambda M: np.broadcast_to(M, (4, 3, 3))[2],
        lambda M: M.astype(">f8"),
        lambda M: M.tolist(),
    ],
)
def test_any_memory_layout_gives_the_same(layout):
    M = layout(Q)
    np.testing.assert_allclose(np.asarray(ed.einsum("ij,j->i", M, x)), Q @ x)
    np.testing.assert_allclose(np.asarray(ed.einsum("ij->ji", M)), Q.T)
    np.testing.assert_allclose(
        np.asarray(ed.grad("ij,jk->ik", "M", "M", wrt="M", M=M).jvp(np.eye(3))), 2 * Q
    )


def test_a_read_only_operand_is_taken():
    M = Q.copy()
    M.flags.writeable = False
    result = np.asarray(ed.einsum("ij->ij", M))
    assert result.flags.writeable
    np.testing.assert_array_equal(result, Q)


def test_tensors_without_axes():
    c = ed.tensor("c", np.array(3.0))
    t = c * c + 1
    assert t.shape == ()
    assert np.asarray(t).shape == ()
    assert np.asarray(t) == 10
    assert np.asarray(ed.grad(t, wrt="c")) == 6
    assert ed.grad(t, wrt="c").matrix().tolist() == [[6.0]]


@pytest.mark.parametrize(
    ("subscripts", "shapes", "expected"),
    [
        ("ij,j->i", [(2, 0), (0,)], (2, 2, 0)),
        ("ij,j->i", [(0, 3), (3,)], (0, 0, 3)),
        ("i,j->ij", [(0,), (0,)], (0, 0, 0)),
        ("i->", [(0,)], (0,)),
    ],
)
def test_empty_arrays_have_empty_derivatives(subscripts, shapes, expected):
    arrays = [np.ones(shape) for shape in shapes]
    f = ed.einsum(subscripts, *arrays)
    np.testing.assert_array_equal(np.asarray(f), np.einsum(subscripts, *arrays))
    J = ed.grad(subscripts, *arrays, wrt=0)
    assert J.shape == np.asarray(J).shape == expected


# --- calls ------------------------------------------------------------------------------------


def test_a_call_binds_arrays_by_name():
    f = ed.einsum("ij,j->i", "A", "x")
    np.testing.assert_array_equal(f(A=A, x=x), A @ x)
    np.testing.assert_array_equal(f(x=[1, 1], A=[[1, 2], [3, 4]]), [3, 7])
    np.testing.assert_array_equal(f(A=A[:, :1], x=x[:1]), A[:, :1] @ x[:1])


def test_a_call_replaces_arrays_for_that_call_only():
    f = ed.einsum("ij,j->i", A, x)
    np.testing.assert_array_equal(f(x=[1.0, 0.0, 0.0]), A[:, 0])
    np.testing.assert_array_equal(f(), A @ x)
    np.testing.assert_array_equal(np.asarray(f), A @ x)


def test_a_call_may_change_the_dtype():
    f = ed.einsum("ij,j->i", A, x)
    assert f(x=1j * x).dtype == np.complex128
    np.testing.assert_array_equal(f(x=1j * x), A @ (1j * x))


def test_named_sizes_are_solved_from_any_of_the_arrays():
    J = ed.grad("ij,j->i", "A", "x", wrt="A")
    result = J(A=A, x=x)
    assert result.shape == (2, 2, 3)
    np.testing.assert_array_equal(result, np.einsum("ip,q->ipq", np.eye(2), x))


def test_an_array_that_is_needed_for_its_sizes_only_must_be_given():
    J = ed.grad("ij,j->i", "A", "x", wrt="A")
    with pytest.raises(ed.BindingError, match="'A'"):
        J(x=x)
    G = ed.grad("ij,j->i", "A", "x", wrt="x")
    np.testing.assert_array_equal(G(A=A), A)  # and x is not needed


def test_sizes_must_agree_between_arrays():
    f = ed.tensor("M", "nn") @ ed.tensor("u", "n")
    with pytest.raises(ed.ShapeError, match="size 'n' is 3 in 'M', but 2 here"):
        f(M=Q, u=[1.0, 2.0])
    with pytest.raises(ed.ShapeError, match="size 'n' is 2 in 'M', but 3 here"):
        f(M=A, u=x)


# --- out --------------------------------------------------------------------------------------

OUTS = {
    "product": lambda: ed.einsum("ij,j->i", A, x),
    "copy": lambda: ed.einsum("ij->ij", A),
    "scalar": lambda: ed.einsum("ij->", A),
    "one delta": lambda: ed.grad("ij,j->i", A, x, wrt="A"),
    "sum of deltas": lambda: ed.grad("mp,mq->pq", A, A, wrt="A"),
    "sum": lambda: ed.tensor("x", x) * x + x,
    "zero": lambda: ed.grad("ij,j->i", A, x, wrt="A", order=2),
    "broadcast": lambda: ed.einsum("i->ij", x, j=2),
    "empty": lambda: ed.einsum("i->ii", np.ones(0)),
}


@pytest.mark.parametrize("case", OUTS)
@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_a_result_is_written_into_out(case, order):
    t = OUTS[case]()
    expected = t.dense()
    if order == "strided":
        out = np.full([2 * n for n in t.shape], np.nan)[
            tuple(slice(None, None, 2) for _ in t.shape)
        ]
        if not t.shape:
            out = np.full((), np.nan)
    else:
        out = np.full(t.shape, np.nan, order=order)
    for _ in range(2):  # the second time over the result of the first
        assert t.dense(out=out) is out
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda M: ed.einsum("ij->ji", M),
        lambda M: ed.einsum("ij,jk->ik", M, M),
        lambda M: 2 * ed.einsum("ij->ji", M) + ed.einsum("ij->ij", M),
        lambda M: ed.einsum("ii->ii", M),
    ],
)
def test_out_may_be_an_operand(make):
    M = Q.copy()
    expected = make(M).dense()
    np.testing.assert_array_equal(make(M).dense(out=M), expected)


# --- arithmetic -------------------------------------------------------------------------------

ROW = [1, 2, 3]
BINARY = [operator.add, operator.sub, operator.mul, operator.truediv]


@pytest.mark.parametrize("op", BINARY)
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (2, 3)),
        ((2, 1), (1, 3)),
        ((4, 1, 3), (2, 1)),
        ((), (2, 3)),
        ((2, 3), ()),
        ((1,), (3,)),
        ((0, 3), (1, 3)),
    ],
)
def test_operators_broadcast_as_numpys(op, left, right):
    rng = np.random.default_rng(1)
    a, b = (np.abs(random_array(rng, shape, "f8")) + 1 for shape in (left, right))
    expected = op(a, b)
    for t in (
        op(ed.tensor("a", a), ed.tensor("b", b)),
        op(ed.tensor("a", a), b),
        op(a, ed.tensor("b", b)),
    ):
        assert isinstance(t, ed.Tensor)
        assert t.shape == expected.shape
        np.testing.assert_allclose(np.asarray(t), expected, rtol=1e-14)


@pytest.mark.parametrize("op", BINARY)
@pytest.mark.parametrize("number", [2, -3, 0.5, 1 + 2j, Fraction(2, 3), np.float64(2.5), True])
def test_operators_take_numbers_on_both_sides(op, number):
    u = ed.tensor("u", x)
    value = float(number) if isinstance(number, Fraction) else number
    np.testing.assert_allclose(np.asarray(op(u, number)), op(x, value), rtol=1e-14)
    np.testing.assert_allclose(np.asarray(op(number, u)), op(value, x), rtol=1e-14)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((2,), (2, 3)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((5, 2, 3), (5, 3, 4)),
        ((1, 2, 3), (5, 3, 4)),
        ((3,), (5, 3, 4)),
        ((5, 2, 3), (3,)),
    ],
)
def test_matrix_products_are_numpys(left, right):
    a, b = (random_array(np.random.default_rng(2), shape, "f8") for shape in (left, right))
    for t in (ed.tensor("a", a) @ ed.tensor("b", b), ed.tensor("a", a) @ b, a @ ed.tensor("b", b)):
        assert t.shape == (a @ b).shape
        np.testing.assert_array_equal(np.asarray(t), a @ b)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, -2, 0.5, Fraction(1, 2), 2.0])
def test_powers_are_numpys(exponent):
    result = np.asarray(ed.tensor("u", x) ** exponent)
    np.testing.assert_allclose(result, x ** float(exponent), rtol=1e-14)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: -ed.tensor("M", A), -A),
        (lambda: +ed.tensor("M", A), A),
        (lambda: ed.tensor("M", A).T, A.T),
        (lambda: ed.tensor("u", x).T, x),
        (lambda: ed.tensor("s", stack).T, stack.T),
        (lambda: A @ (ed.tensor("u", x) - x) + 1, np.ones(2)),
        (lambda: 2 * (A @ ed.tensor("u", x)) - A @ x, A @ x),
        (lambda: ed.tensor("u", x) + ROW, x + ROW),
        (lambda: ROW - ed.tensor("u", x), ROW - x),
    ],
)
def test_compound_arithmetic_is_numpys(make, expected):
    t = make()
    assert t.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(t), expected)


def test_an_array_in_an_operator_is_called_as_the_caller_calls_it():
    weights = np.ones(3)
    f = weights * ed.tensor("u", x)
    assert f.names == ("weights", "u")
    np.testing.assert_array_equal(np.asarray(ed.grad(f, wrt="weights")), np.diag(x))


@pytest.mark.parametrize(
    "make",
    [
        lambda u: (2 * x) * u + (3 * x) * u,
        lambda u: u * (2 * x) + u * (3 * x),
        lambda u: ed.einsum("i,i->i", 2 * x, u) + ed.einsum("i,i->i", 3 * x, u),
        lambda u: ed.einsum("i,i->i", 5 * x, ed.einsum("i,i->i", np.ones(3), u)),
    ],
)
def test_arrays_without_a_name_do_not_clash(make):
    np.testing.assert_array_equal(np.asarray(make(ed.tensor("u", x))), 5 * x * x)


def test_arrays_without_a_name_are_variables_of_their_own():
    f = ed.einsum("i,i->i", np.ones(3), ed.tensor("u", x))
    np.testing.assert_array_equal(np.asarray(ed.grad("i,i->i", np.ones(3), f, wrt=0)), np.diag(x))


def test_sums_and_multiples_of_derivatives_are_derivatives():
    J, K = ed.grad("ij,j->i", A, x, wrt="A"), ed.grad("ij,j->i", A, x, wrt="A")
    for t in (2 * J, -J, J / 2, J + K, J - 2 * K):
        assert t.domain == J.domain
        assert t.matrix().shape == (2, 6)
        assert t.jvp(A).shape == (2,)


def test_a_vector_is_no_number():
    with pytest.raises(TypeError):
        float(ed.tensor("u", x))


# --- equality ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (lambda M, u: ed.einsum("ij,j->i", M, u), lambda M, u: ed.einsum("ab,b->a", M, u)),
        (lambda M, u: ed.einsum("ij,j->i", M, u), lambda M, u: ed.einsum("j,ij->i", u, M)),
        (lambda M, u: ed.einsum("ij,j->i", M, u), lambda M, u: M @ u),
        (lambda M, u: M @ u + M @ u, lambda M, u: 2 * (M @ u)),
        (lambda M, u: M.T.T, lambda M, u: M),
        (lambda M, u: u * u - u, lambda M, u: -u + u * u),
        (lambda M, u: u + 0, lambda M, u: u),
        (lambda M, u: u - u, lambda M, u: 0 * u),
        (lambda M, u: ed.grad(M @ u, wrt="u"), lambda M, u: ed.grad("ij,j->i", M, u, wrt="u")),
        (lambda M, u: ed.einsum("mp,mq->pq", M, M), lambda M, u: M.T @ M),
    ],
)
def test_equal_expressions_are_equal_and_hash_alike(left, right):
    M, u = ed.tensors(M="mn", u="n")
    assert left(M, u) == right(M, u)
    assert hash(left(M, u)) == hash(right(M, u))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (lambda M, u: M, lambda M, u: M.T),
        (lambda M, u: M @ u, lambda M, u: 2 * (M @ u)),
        (lambda M, u: u, lambda M, u: ed.tensor("v", "n")),
        (lambda M, u: u, lambda M, u: ed.tensor("u", "m")),
        (lambda M, u: M, lambda M, u: ed.grad(M @ u, wrt="u")),
        (lambda M, u: u, lambda M, u: "u"),
        (lambda M, u: u, lambda M, u: None),
    ],
)
def test_different_expressions_differ(left, right):
    M, u = ed.tensors(M="mn", u="n")
    assert left(M, u) != right(M, u)


def test_equality_goes_by_the_expression_and_not_by_the_values():
    assert ed.tensor("u", [1.0, 2.0]) == ed.tensor("u", [3.0, 4.0])
    assert len({ed.tensor("u", [1.0, 2.0]), ed.tensor("u", [3.0, 4.0]), ed.tensor("u", 3)}) == 2


# --- making tensors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("mn", ("m", "n")),
        ("", ()),
        (("m", 3), ("m", 3)),
        ((2, 3), (2, 3)),
        ((np.int64(2), "n"), (2, "n")),
        ((), ()),
        (3, (3,)),
        ([1, 2], (2,)),
        ([[1, 2]], (1, 2)),
        (2.5, ()),
        (A, (2, 3)),
        ((0, 2), (0, 2)),
    ],
)
def test_a_tensor_is_made_of_a_shape_or_an_array(value, shape):
    assert ed.tensor("t", value).shape == shape
    (t,) = ed.tensors(t=value)
    assert t.shape == shape
    assert t.names == ("t",)


def test_a_declared_tensor_prints_as_itself():
    assert str(ed.tensor("M", "mn")) == repr(ed.tensor("M", A)) == "M_ij"
    assert str(ed.tensor("c", ())) == "c"


def test_a_symmetric_tensor_is_its_transpose_and_has_the_symmetric_derivative():
    S = ed.tensor("S", "nn", symmetric=True)
    assert S.T == S
    J = ed.grad("i,ij,j->", "u", S, "v", wrt=S)
    u, v = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    outer = np.outer(u, v)
    np.testing.assert_array_equal(J(S=np.eye(2), u=u, v=v), (outer + outer.T) / 2)
    assert ed.tensor("S", "nn") != S


# --- products with vectors --------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(einsums(most_operands=3, dtypes=["float64", "int64", "complex128"]), st.data())
def test_products_are_contractions_of_the_dense_derivative(case, data):
    name = data.draw(st.sampled_from(case.names))
    operands = [ed.tensor(other, case.arrays[other]) for other in case.names]
    order = data.draw(st.sampled_from([1, 2]))
    J = ed.grad(case.subscripts, *operands, sizes=case.broadcast, wrt=name, order=order)
    dense, split = np.asarray(J), J.ndim - J.domain
    rng = np.random.default_rng(0)
    v = random_array(rng, J.shape[split:], "float64")
    u = random_array(rng, J.shape[:split], "float64")
    jvp, vjp = J.jvp(v), J.vjp(u)
    assert (jvp.shape, vjp.shape) == (J.shape[:split], J.shape[split:])
    np.testing.assert_array_equal(np.asarray(jvp), np.tensordot(dense, v, J.domain))
    np.testing.assert_array_equal(np.asarray(vjp), np.tensordot(u, dense, split))


def test_the_vector_of_a_product_may_be_a_tensor_or_a_list():
    J = ed.grad("ij,j->i", A, x, wrt="x")
    direction = ed.tensor("d", (3,))
    np.testing.assert_array_equal(J.jvp(direction)(d=x), A @ x)
    np.testing.assert_array_equal(np.asarray(J.jvp([1, 2, 4])), A @ x)
    np.testing.assert_array_equal(np.asarray(J.vjp([1, 2])), [1, 2] @ A)
    assert str(J.jvp(direction)) == "f_i = A_ij d_j"


def test_the_vector_of_a_product_does_not_clash_with_variables_of_its_name():
    u, v = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    J = ed.grad("i,i->i", u, v, wrt="u")
    np.testing.assert_array_equal(np.asarray(J.jvp([1.0, 10.0])), [3, 50])
    np.testing.assert_array_equal(np.asarray(J.vjp([1.0, 10.0])), [3, 50])


def test_a_product_may_be_differentiated_again():
    J = ed.grad("i,ij,j->", x, Q, x, wrt="x")
    product = J.jvp(ed.tensor("v", np.array([1.0, 0.0, 2.0])))
    np.testing.assert_array_equal(
        np.asarray(ed.grad(product, wrt="x")), (Q + Q.T) @ np.array([1.0, 0.0, 2.0])
    )


def test_a_tensor_that_is_no_derivative_has_no_products():
    f = ed.einsum("ij->ij", A)
    for product in (f.jvp, f.vjp):
        with pytest.raises(ed.OperandError, match="no derivative"):
            product(A)


def test_a_derivative_by_a_scalar_has_products():
    s = ed.tensor("s", np.array(2.0))
    J = ed.grad(s * ed.tensor("u", x), wrt="s")
    np.testing.assert_array_equal(np.asarray(J.jvp(3.0)), 3 * x)
    np.testing.assert_array_equal(np.asarray((2 * J).vjp(x)), 2 * x @ x)


# --- numbers as operands ----------------------------------------------------------------------


@pytest.mark.parametrize("number", [2, -1.5, 2j, Fraction(1, 2), np.float64(3), np.array(3)])
def test_a_number_may_be_an_operand(number):
    value = float(number) if isinstance(number, Fraction) else number
    t = ed.einsum(",i->i", number, x)
    np.testing.assert_array_equal(np.asarray(t), value * x)
    assert np.asarray(t).dtype == (value * x).dtype


def test_a_number_is_a_coefficient_until_one_differentiates_by_it():
    assert str(ed.einsum(",i->i", 2, "u")) == "f_i = 2 u_i"
    np.testing.assert_array_equal(np.asarray(ed.grad(",i->i", 2, x, wrt=0)), x)
    factor = 3.0
    np.testing.assert_array_equal(np.asarray(ed.grad(",i->i", factor, x, wrt="factor")), x)
    np.testing.assert_array_equal(np.asarray(ed.grad(",i->i", factor, x, wrt=-2)), x)


def test_numbers_and_lists_under_one_name_are_one_array_if_they_are_equal():
    f = ed.einsum(
        ",i,i->", ed.tensor("s", 2.0), ed.tensor("u", [1.0, 2.0]), ed.tensor("u", [1, 2.0])
    )
    np.testing.assert_array_equal(np.asarray(f * ed.tensor("s", 2.0)), 20.0)
    with pytest.raises(ed.BindingError, match="two different arrays"):
        ed.tensor("s", 2.0) * ed.tensor("s", 3.0)
