"""Derivatives of random einsums against brute force and against differences of the order below."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import einsdiff as ed
from tests.oracle import brute_derivative, brute_einsum, finite_differences
from tests.strategies import Case, einsums


def as_tensor(case: Case) -> ed.Tensor:
    operands = [ed.tensor(name, case.arrays[name]) for name in case.names]
    return ed.einsum(case.subscripts, *operands, sizes=case.broadcast)


@settings(max_examples=400, deadline=None)
@given(einsums())
def test_value_is_that_of_the_definition(case):
    result = np.asarray(as_tensor(case))
    expected = brute_einsum(case.inputs, case.output, case.sizes, case.operands)
    assert result.dtype == np.result_type(*case.operands)
    np.testing.assert_array_equal(result, expected.astype(result.dtype))


@settings(max_examples=400, deadline=None)
@given(einsums(), st.data())
def test_first_derivative_is_that_of_brute_force(case, data):
    name = data.draw(st.sampled_from(case.names))
    J = ed.grad(as_tensor(case), wrt=name)
    expected = brute_derivative(
        case.inputs, case.output, case.sizes, case.operands, case.slots(name)
    )
    result = np.asarray(J)
    assert J.shape == result.shape == expected.shape
    assert result.dtype == np.result_type(*case.operands)
    np.testing.assert_array_equal(result, expected.astype(result.dtype))


@settings(max_examples=60, deadline=None)
@given(einsums(most_operands=3, dtypes=["float64", "complex128"]), st.data())
@pytest.mark.parametrize("order", [2, 3])
def test_higher_derivative_is_the_difference_of_the_order_below(order, case, data):
    name = data.draw(st.sampled_from(case.names))
    f = as_tensor(case)
    below = ed.grad(f, wrt=name, order=order - 1)
    result = np.asarray(ed.grad(f, wrt=name, order=order))
    expected = finite_differences(lambda x: below(**{name: x}), case.arrays[name])
    np.testing.assert_allclose(result, expected, rtol=1e-8, atol=1e-8)
