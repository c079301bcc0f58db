"""Texts of index notation with what is known of their operands."""

from __future__ import annotations

import pytest

import einsdiff as ed


@pytest.mark.parametrize("text", ["δ x^2", "delta x^2", r"\delta x^2", "x δ + δ_ii", "δ (x + 1)"])
def test_a_delta_without_labels_is_an_operand(text):
    f = ed.parse(text, sizes={"i": 2}) if "δ_" in text else ed.parse(text)
    assert {"delta", "x"} == set(f.names)
    assert ed.grad(f, wrt="δ") == ed.grad(f, wrt="delta")
    if "δ_" not in text:
        assert ed.parse(str(f)) == ed.parse(f.latex()) == f


def test_what_matrix_notation_calls_delta_is_read_back():
    f = ed.parse("x^T A x δ + yᵀ y")
    assert ed.parse(str(f)) == ed.parse(f.latex()) == ed.parse(f.format("matrix")) == f
    assert str(ed.parse("delta")) == "delta"
