"""A library that einsdiff has not heard of is one class: it computes values and derivatives."""

from __future__ import annotations

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.numeric.libraries.array_library import ArrayLibrary
from einsdiff.numeric.libraries.known import LIBRARIES
from tests.numeric.libraries import toy_arrays

TOY = LIBRARIES.pop("toy")  # which importing its file has entered: other tests are without it


@pytest.fixture(autouse=True)
def toy():
    LIBRARIES["toy"] = TOY
    yield toy_arrays
    del LIBRARIES["toy"]


rng = np.random.default_rng(0)
A, x, X = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=(3, 3))

EXPRESSIONS = {
    "A_ij x_j": {"A": A, "x": x},
    "exp(A_ij x_j)": {"A": A, "x": x},
    "log(Σ_j exp(A_ij x_j))": {"A": A, "x": x},
    "x_i x_i": {"x": x},
    "det(X) inv(X)_ij": {"X": X},
    "sigmoid(A_ij) A_ij": {"A": A},
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_values_and_derivatives_are_numpys(toy, text):
    arrays = EXPRESSIONS[text]
    given = {name: toy.Array(array) for name, array in arrays.items()}
    for order in (0, 1, 2):
        mine, numpys = (
            ed.parse(text, **values)
            if not order
            else ed.grad(text, wrt=next(iter(values)), order=order, **values)
            for values in (given, arrays)
        )
        found = mine.dense()
        assert type(found) is toy.Array
        expected = numpys.dense()
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(np.asarray(mine), expected, rtol=1e-9, atol=1e-12)


def test_numbers_go_along_and_the_code_calls_the_module(toy):
    compiled = ed.parse("exp(a x_i)", a=2.0, x=toy.Array(x)).compile()
    np.testing.assert_allclose(compiled().values, np.exp(2 * x))
    assert f"import {toy.__name__} as np" in compiled.source


def test_arrays_of_two_libraries_are_told_apart(toy):
    with pytest.raises(ed.OperandError, match="a toy array and 'x' is a NumPy array"):
        ed.parse("A_ij x_j", A=toy.Array(A), x=x).dense()


def test_a_library_writes_every_operation_or_says_that_it_has_none():
    for library in LIBRARIES.values():
        assert library.operations.keys() == ArrayLibrary.operations.keys()
        assert library.code in LIBRARIES


def test_a_column_of_ones_own_is_written(toy):
    class Other(toy.Toy):
        name = "other"
        operations = {**ArrayLibrary.operations, "copy": "{np}.array({0})"}  # noqa: RUF012

    try:
        from einsdiff.numeric.source.code import function_source

        node = ed.tensor("x", (3,)).expr
        text, _ = function_source([node], [node], "other")
        assert "return (np.array(x),)" in text
    finally:
        del LIBRARIES["other"]
