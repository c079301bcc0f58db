"""The checker of derivatives finds what is wrong, and equality says how it knows."""

from __future__ import annotations

import numpy as np
import pytest

import einsdiff as ed

rng = np.random.default_rng(5)


def test_a_wrong_derivative_is_found_with_its_place():
    wrong = ed.register("wrongsquare", lambda x: x * x, "3 x")
    result = ed.check(wrong(ed.tensor("x", [1.0, -4.0, 0.5])), wrt="x")
    assert not result
    assert result.where == (1, 1)
    assert result.derivative == pytest.approx(-12)
    assert result.estimate == pytest.approx(-8, rel=1e-4)
    assert result.error == pytest.approx(0.5, rel=1e-3)
    assert "DIFFERS" in str(result)
    assert "[1, 1]" in str(result)


def test_a_right_derivative_agrees_and_says_how_well():
    result = ed.check("f_i = sin(A_ij x_j)", wrt="A")
    assert result
    assert result.method == "complex step"
    assert result.error < 1e-14
    assert "agrees with the complex step" in repr(result)


def test_functions_of_real_numbers_are_checked_by_differences():
    result = ed.check("f_i = abs(x_i) + max(x_i, 1)", x=[0.3, -2.0, 3.0], wrt="x")
    assert result
    assert result.method == "differences"


def test_entries_that_are_not_finite_are_left_out_and_counted():
    with np.errstate(invalid="ignore"):
        result = ed.check("f_i = log(x_i)", x=[1.0, -1.0, 2.0], wrt="x")
    assert result
    assert (result.entries, result.skipped) == (6, 3)
    assert "3 not finite" in str(result)
    with np.errstate(invalid="ignore"):
        nothing = ed.check("log(x)", x=-1.0, wrt="x")
    assert not nothing
    assert "nothing to compare" in str(nothing)


def test_of_many_entries_some_are_chosen():
    x = rng.normal(size=1000)
    result = ed.check("x_i x_i", x=x, wrt="x")
    assert result
    assert result.entries == 256


@pytest.mark.parametrize("order", [1, 2, 3])
def test_each_order_is_checked_against_the_one_below(order):
    assert ed.check("f = exp(x_i y_i)", x=2, y=2, wrt="x", order=order)


def test_a_tuple_of_variables_gives_a_tuple_of_reports():
    one, other = ed.check("f_i = A_ij x_j", wrt=("A", "x"))
    assert one
    assert other


def test_single_precision_has_a_wider_tolerance():
    x = rng.normal(size=3).astype("f4")
    assert ed.check("f_i = sin(x_i)", x=x, wrt="x")


def test_a_symmetric_variable_is_moved_symmetrically():
    S = ed.tensor("S", np.array([[2.0, 1.0], [1.0, 3.0]]), symmetric=True)
    assert ed.check(ed.logdet(S), wrt="S")
    assert ed.check(np.linalg.inv(S), wrt="S", order=2)


def test_complex_variables_are_checked_along_real_steps():
    z = np.array([1 + 2j, 0.5 - 1j])
    assert ed.check("f_i = exp(z_i) z_i", z=z, wrt="z")


def test_only_a_derivative_has_something_to_compare_with():
    with pytest.raises(ed.OperandError, match="no derivative of a known function"):
        ed.tensor("x", 3).check()


# --- equality ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "how"),
    [
        ("A_ij B_jk C_ki", "B_ij C_jk A_ki", "canonical form"),
        ("(x_i + y_i) (x_i - y_i)", "x_i x_i - y_i y_i", "random evaluation"),
        ("exp(a) exp(b)", "exp(a + b)", "random evaluation"),
        ("x^2", "x x", "canonical form"),
        ("1 / (a b)", "1 / b / a", "canonical form"),
        ("sin(2 a)", "2 sin(a) cos(a)", "random evaluation"),
    ],
)
def test_equal_expressions_are_found_equal(a, b, how):
    result = ed.equal(a, b)
    assert result
    assert result.how == how
    assert repr(result) == f"equal, by {how}"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("x_i x_i", "2 x_i x_i"),
        ("log(a^2)", "2 log(a)"),
        ("A_ij x_j", "A_ji x_j"),
        ("x", "x + 1e-6"),
    ],
)
def test_different_expressions_are_found_different(a, b):
    named = {"A": "nn", "x": "n"} if "A" in a else {}
    result = ed.equal(ed.parse(a, **named), ed.parse(b, **named))
    if a == "log(a^2)":  # equal wherever both are defined
        assert result
        return
    assert not result
    assert result.how == "random evaluation"
    assert "differ by" in repr(result)


def test_other_shapes_are_not_equal():
    assert repr(ed.equal(ed.tensor("x", 3), ed.tensor("x", 4))) == "not equal: the shapes differ"


def test_one_name_for_two_tensors_is_refused():
    with pytest.raises(ed.BindingError, match="'x' stands for two different tensors"):
        ed.equal(ed.tensor("x", 3).sum(), ed.tensor("x", 4).sum())


def test_expressions_that_are_nowhere_finite_are_not_decided():
    x = ed.tensor("x", 3)
    with pytest.raises(ed.OperandError, match="no point was found"):
        ed.equal(np.log(-np.exp(x)), np.log(-np.exp(2 * x)))


def test_rewriting_keeps_the_values_and_the_kind():
    x, y = rng.normal(size=3), rng.normal(size=3)
    J = ed.grad("(x_i y_i + 1)^3", x=x, y=y, wrt="x")
    for rewrite in (ed.simplify, ed.expand, ed.collect):
        np.testing.assert_allclose(rewrite(J), J, rtol=1e-12)
        assert rewrite(J).domain == J.domain
    assert str(ed.expand("(a + b)^2")) == "f = 2 a b + a^2 + b^2"
    assert str(ed.collect("f_i = a_i b_i + a_i c_i")) == "f_i = a_i (b_i + c_i)"
    assert str(ed.simplify("f_i = x_i / x_i")) == "f_{i<m} = 1"  # as it reads back
