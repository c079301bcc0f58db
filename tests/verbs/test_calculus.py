"""The verbs: what is differentiated by what, under which name, and how often."""

from __future__ import annotations

import numpy as np
import pytest

import einsdiff as ed

A = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
x = np.array([1.0, 2.0, 4.0])
y = np.array([2.0, -1.0, 3.0])
S = np.array([[1.0, 2.0, 0.0], [0.0, 3.0, 1.0], [4.0, 0.0, 5.0]])
twin = A  # another name for the same array
eye = np.eye


def same(t, expected):
    assert t.shape == np.shape(expected)
    np.testing.assert_array_equal(np.asarray(t), expected)
    return True


# --- what wrt may be --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by_A", "by_x"),
    [
        ("A", "x"),
        (0, 1),
        (-2, -1),
        (np.int64(0), np.int64(1)),
        (A, x),
        (ed.tensor("A", A), ed.tensor("x", x)),
        (ed.tensor("A", (2, 3)), ed.tensor("x", 3)),
    ],
)
def test_wrt_is_a_name_a_position_an_array_or_a_tensor(by_A, by_x):
    for operands in ((A, x), (ed.tensor("A", A), ed.tensor("x", x))):
        if by_A is A and operands[0] is not A:
            continue
        assert same(ed.grad("ij,j->i", *operands, wrt=by_A), np.einsum("ip,q->ipq", eye(2), x))
        assert same(ed.grad("ij,j->i", *operands, wrt=by_x), A)


@pytest.mark.parametrize("by", ["x", 1, -1, x, ed.tensor("x", x)])
def test_wrt_of_a_tensor_is_the_same(by):
    f = ed.einsum("ij,j->i", A, x)
    assert same(ed.grad(f, wrt=by), A)


def test_wrt_may_be_an_array_that_has_no_name():
    arrays = [A, 2 * x]
    J = ed.grad("ij,j->i", arrays[0], arrays[1], wrt=arrays[1])
    assert same(J, A)


def test_wrt_is_the_object_and_not_an_equal_array():
    u, v = np.ones(3), np.ones(3)
    assert str(ed.grad("i,i->i", u, v, wrt=v)) == "∂f_i/∂v_p = δ_ip u_i"
    with pytest.raises(ed.NameNotFoundError):
        ed.grad("i,i->i", u, v, wrt=np.ones(3))


def test_wrt_may_be_left_out_where_there_is_one_variable():
    assert same(ed.grad("i,i->", x, x), 2 * x)
    assert same(ed.grad(",i->", 2, x), [2, 2, 2])
    assert same(ed.hessian("i,i->", x, x), 2 * eye(3))


def test_a_tuple_gives_a_tuple_in_its_order():
    result = ed.grad("i,ij,j->", A[:, 0].copy(), A, x, wrt=("x", "A", 0))
    assert isinstance(result, tuple)
    by_x, by_A, by_first = result
    assert same(by_x, A[:, 0] @ A)
    assert same(by_A, np.outer(A[:, 0], x))
    assert same(by_first, A @ x)


@pytest.mark.parametrize("wrt", [("x",), ["x"], (1,), (x,)])
def test_a_tuple_or_list_of_one_gives_a_tuple_of_one(wrt):
    (by_x,) = ed.grad("ij,j->i", A, x, wrt=wrt)
    assert same(by_x, A)
    assert ed.grad("ij,j->i", A, x, wrt=()) == ()


def test_a_tuple_at_order_two_gives_a_tuple_of_tuples():
    for blocks in (
        ed.grad("i,ij,j->", y, S, x, wrt=("y", "x"), order=2),
        ed.hessian("i,ij,j->", y, S, x, wrt=("y", "x")),
    ):
        (yy, yx), (xy, xx) = blocks
        assert same(yy, np.zeros((3, 3)))
        assert same(yx, S)
        assert same(xy, S.T)
        assert same(xx, np.zeros((3, 3)))


def test_a_tuple_at_order_three_is_nested_three_deep():
    blocks = ed.grad("i,i,i->", x, x, y, wrt=("x", "y"), order=3)
    assert [len(blocks), len(blocks[0]), len(blocks[0][0])] == [2, 2, 2]
    assert same(blocks[0][0][1], 2 * np.einsum("ip,iq->ipq", eye(3), eye(3)))
    assert same(blocks[1][1][1], np.zeros((3, 3, 3)))


# --- names of arrays --------------------------------------------------------------------------


def test_global_arrays_have_the_names_of_their_variables():
    assert str(ed.grad("ij,j->i", A, x, wrt="A")) == "∂f_i/∂A_pq = δ_ip x_q"


def test_local_arrays_have_the_names_of_their_variables():
    matrix, vector = A + 1, x + 1
    assert str(ed.grad("ij,j->i", matrix, vector, wrt="vector")) == "∂f_i/∂vector_p = matrix_ip"


def test_names_are_found_in_lambdas_comprehensions_and_nested_functions():
    vector = x + 1
    expected = "∂f_i/∂vector_p = A_ip"

    def nested(inner):
        return ed.grad("ij,j->i", A, inner, wrt="inner"), ed.grad(
            "ij,j->i", A, vector, wrt="vector"
        )

    assert str((lambda: ed.grad("ij,j->i", A, vector, wrt="vector"))()) == expected
    assert [str(ed.grad("ij,j->i", A, vector, wrt="vector")) for _ in "a"] == [expected]
    assert {str(ed.grad("ij,j->i", A, u, wrt="u")) for u in [vector]} == {"∂f_i/∂u_p = A_ip"}
    by_inner, by_vector = nested(vector)
    assert str(by_inner) == "∂f_i/∂inner_p = A_ip"
    assert str(by_vector) == expected


@pytest.mark.parametrize("verb", [ed.grad, ed.jacobian, ed.hessian])
def test_every_verb_finds_the_names(verb):
    local = x + 1
    assert "∂local_p" in str(verb("i,i->i", local, y, wrt="local"))


def test_einsum_and_operators_find_the_names():
    local = x + 1
    assert ed.einsum("i,i->i", local, y).names == ("local", "y")
    assert (local * ed.tensor("t", y)).names == ("local", "t")


def test_wrt_chooses_between_names_of_one_array():
    alias = x
    assert str(ed.grad("ij,j->i", A, x, wrt="alias")) == "∂f_i/∂alias_p = A_ip"
    assert str(ed.grad("ij,j->i", A, alias, wrt="alias")) == "∂f_i/∂alias_p = A_ip"
    assert same(ed.grad("i,i->", alias, alias, wrt="alias"), 2 * x)


def test_wrt_chooses_between_global_names_of_one_array():
    assert same(ed.grad("ij,j->i", A, x, wrt="twin"), np.einsum("ip,q->ipq", eye(2), x))


def test_arrays_without_a_variable_are_found_by_position():
    assert same(ed.grad("ij,j->i", 2 * A, x + 1, wrt=0), np.einsum("ip,q->ipq", eye(2), x + 1))
    assert same(ed.grad("ij,j->i", 2 * A, x + 1, wrt=1), 2 * A)


def test_an_array_passed_twice_is_differentiated_twice():
    assert same(ed.grad("i,i->", x, x, wrt="x"), 2 * x)
    assert same(ed.grad("i,ij,j->", x, S, x, wrt=0), (S + S.T) @ x)
    assert same(ed.grad("i,i->", 2 * x, 2 * x, wrt=0), 2 * x)
    both = 2 * x
    assert same(ed.grad("i,i->", both, both, wrt=both), 4 * x)


def test_equal_arrays_under_two_names_are_two_variables():
    u, v = np.ones(3), np.ones(3)
    assert same(ed.grad("i,i->", u, v, wrt="u"), v)


# --- operands by name -------------------------------------------------------------------------


def test_arrays_may_be_given_by_name():
    J = ed.grad("ij,j->i", "M", "u", wrt="u", M=A, u=[1, 2, 4])
    assert same(J, A)
    assert same(ed.einsum("ij,j->i", "M", "u", M=A, u=x), A @ x)
    assert same(ed.hessian("i,ij,j->", "u", "M", "u", wrt="u", M=S, u=x), S + S.T)


def test_some_arrays_may_be_given_later():
    J = ed.grad("ij,j->i", "M", "u", wrt="M", M=A)
    assert J.shape == (2, 2, 3)
    np.testing.assert_array_equal(J(u=x), np.einsum("ip,q->ipq", eye(2), x))


def test_arrays_may_be_given_to_a_tensor_that_is_differentiated():
    M, u = ed.tensors(M="mn", u="n")
    assert same(ed.grad(M @ u, wrt="u", M=A), A)
    assert same(ed.einsum(M @ u, M=A, u=x), A @ x)
    assert same(ed.grad("ij,j->i", M, u, wrt=u)(M=A) @ eye(3), A)


def test_a_size_may_be_declared_where_one_differentiates():
    expected = np.einsum("ip,j->ijp", eye(3), np.ones(2))
    assert same(ed.grad("i->ij", x, wrt="x", sizes={"j": 2}), expected)
    assert same(ed.grad("i->ij", x, wrt="x", j=2), expected)
    assert same(ed.hessian("i->ij", x, j=2), np.zeros((3, 2, 3, 3)))


# --- order ------------------------------------------------------------------------------------


def test_derivatives_of_derivatives_are_those_of_higher_order():
    f = ed.einsum("i,i,i,ij->j", x, x, x, S)
    first, second, third = (ed.grad(f, wrt="x", order=k) for k in (1, 2, 3))
    assert ed.grad(first, wrt="x") == second
    assert ed.grad(second, wrt="x") == ed.grad(first, wrt="x", order=2) == third
    assert str(ed.grad(first, wrt="x")) == str(second)
    d = eye(3)
    assert same(first, np.einsum("pj,p->jp", S, 3 * x**2))
    assert same(second, np.einsum("pj,p,pq->jpq", S, 6 * x, d))
    assert same(third, 6 * np.einsum("pj,pq,pr->jpqr", S, d, d))
    assert same(ed.grad(third, wrt="x"), np.zeros((3, 3, 3, 3, 3)))


def test_mixed_derivatives_may_be_taken_one_after_the_other():
    J = ed.grad(ed.grad("i,ij,j->", y, S, x, wrt="y"), wrt="x")
    assert str(J) == "∂²f/∂y_p∂x_q = S_pq"
    assert same(J, S)
    assert J.domain == 1


def test_the_hessian_is_the_gradient_of_order_two():
    H, G = ed.hessian("i,ij,j->", x, S, x, wrt="x"), ed.grad("i,ij,j->", x, S, x, wrt="x", order=2)
    assert H == G
    assert str(H) == str(G) == "∂²f/∂x_p∂x_q = S_pq + S_qp"
    assert same(H, S + S.T)
    assert H.matrix().shape == (3, 3)


def test_the_jacobian_is_the_gradient():
    J, G = ed.jacobian("ij,j->i", A, x, wrt="A"), ed.grad("ij,j->i", A, x, wrt="A")
    assert J == G
    assert str(J) == str(G)
    assert ed.jacobian("i,i->i", x, x, order=2) == ed.grad("i,i->i", x, x, order=2)
    assert ed.jacobian("i->ij", x, sizes={"j": 2}).shape == (3, 2, 3)
    assert len(ed.jacobian("ij,j->i", A, x, wrt=("A", "x"))) == 2


@pytest.mark.parametrize("subscripts", ["ij,j->i", "ij,j->", "ij,j->ji"])
def test_the_second_derivative_of_a_linear_function_is_a_zero_of_the_right_shape(subscripts):
    codomain = np.einsum(subscripts, A, x).shape
    H = ed.hessian(subscripts, A, x, wrt="A")
    assert str(H).endswith(" = 0")
    assert same(H, np.zeros((*codomain, 2, 3, 2, 3)))
    assert H.dtype == np.float64


def test_a_derivative_may_be_taken_by_a_variable_that_has_gone():
    J = ed.grad("ij,j->i", A, x, wrt="A")
    assert same(ed.grad(J, wrt="A"), np.zeros((2, 2, 3, 2, 3)))
    assert same(ed.grad(ed.tensor("x", x) * 0, wrt="x"), np.zeros((3, 3)))
    named = ed.grad(ed.einsum("ij,j->i", "A", "x"), wrt="A", order=2)
    np.testing.assert_array_equal(named(A=A, x=x), np.zeros((2, 2, 3, 2, 3)))


def test_complex_arrays_are_differentiated_without_conjugation():
    z = np.array([1 + 2j, 3 - 1j])
    assert same(ed.grad("i,i->", z, z, wrt="z"), 2 * z)
    assert same(ed.grad("i,i->", z, z, wrt="z").jvp(1j * z), 2 * (1j * z) @ z)


# --- what the function is called --------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "called"), [("u v", "f"), ("f v", "g"), ("f g", "h"), ("v f", "g"), ("g v", "f")]
)
def test_the_function_is_called_f_unless_a_variable_is(names, called):
    first, second = names.split()
    assert str(ed.einsum("i,i->i", first, second)).startswith(f"{called}_i = ")
    J = ed.grad("i,i->i", first, second, wrt=first)
    assert str(J) == f"∂{called}_i/∂{first}_p = δ_ip {second}_i"


def test_a_variable_called_f_is_found_like_any_other():
    f = x + 1
    assert str(ed.grad("i,i->", f, f, wrt="f")) == "∂g/∂f_p = 2 f_p"
    assert str(ed.tensor("f", x) + 1) == "g_i = f_i + 1"


# --- what is kept for repeated calls ----------------------------------------------------------


def test_a_repeated_call_computes_with_its_own_arrays():
    results = []
    for factor in (1.0, 2.0):
        M, u = factor * A, factor * x
        results.append([ed.einsum("ij,j->i", M, u), ed.grad("ij,j->i", M, u, wrt="M")])
    for factor, (f, J) in zip((1.0, 2.0), results, strict=True):
        assert same(f, factor**2 * (A @ x))
        assert same(J, factor * np.einsum("ip,q->ipq", eye(2), x))


def test_numbers_that_are_equal_but_of_another_type_are_told_apart():
    counts = np.array([1, 2])
    dtypes = [ed.einsum(",i->i", c, counts).dtype.kind for c in (2, 2.0, 2 + 0j, 2)]
    assert dtypes == ["i", "f", "c", "i"]
    dtypes = [(c * ed.tensor("counts", counts)).dtype.kind for c in (2, 2.0, 2 + 0j, 2)]
    assert dtypes == ["i", "f", "c", "i"]


def test_an_array_and_its_whole_view_are_one_variable():
    assert same(ed.grad("i,i->", x, x[:], wrt="x"), 2 * x)
    assert same(ed.grad("i,i->", x, x.T, wrt=1), 2 * x)


def test_a_view_without_a_name_beside_the_variable_is_refused():
    R = np.ones((3, 2))
    for call in (
        lambda: ed.grad("pm,mq->pq", R.T, R, wrt="R"),
        lambda: ed.grad(R.T @ ed.tensor("R", R), wrt="R"),
    ):
        with pytest.raises(ed.OperandError, match="share memory"):
            call()
    assert ed.grad("pm,mq->pq", R.T.copy(), R, wrt="R").shape == (2, 2, 3, 2)
    assert ed.grad("i,i->", R[:, 0], R[:, 1], wrt=0).shape == (3,)


@pytest.mark.parametrize("value", [2, 0.5, (1.0, 2.0)])
def test_a_name_is_refused_that_may_mean_two_operands(value):
    a = b = value
    text = "i,i->" if isinstance(value, tuple) else ",->"
    with pytest.raises(ed.OperandError, match="'a' may mean either"):
        ed.grad(text, a, b, wrt="a")


def test_named_tensors_among_the_operands_take_arrays_by_keyword():
    u = ed.tensor("u", "n")
    assert same(ed.grad("i,i->", u, u, wrt="u", u=x), 2 * x)


def test_sizes_of_the_interleaved_form_have_its_labels():
    assert ed.einsum(x, [0], [0, 1], sizes={1: 4}).shape == (*x.shape, 4)


def test_points_at_which_digits_are_lost_do_not_tell_expressions_apart():
    T = ed.tensor("T", ("k", "m", "n"))
    powers = np.exp(np.outer(np.sum(T, axis=(1, 2)), np.sum(T, axis=(0, 2))).sum(0))
    H = ed.hessian(powers / np.sum(powers), wrt=T)  # whose sum of exponentials overflows, cubed
    assert ed.equal(H, np.transpose(H, (0, 4, 5, 6, 1, 2, 3)))
    assert not ed.equal(H, 2 * H)
