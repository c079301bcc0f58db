"""What lines say: labels that are summed, deltas that go, and lines that differ in order only."""

from __future__ import annotations

import pytest

from einsdiff.display.index import lines
from einsdiff.display.index.index_text import Written, tree_of, write
from einsdiff.errors import EinsdiffError
from einsdiff.notation.trees import Summary


def line(text: str, names=()) -> Written:
    """Return a line as it is printed; what cannot be read is a summary."""
    try:
        return Written(text, tree_of(text, names))
    except EinsdiffError:
        return write(Summary(text))


def counts(text, names=()):
    return lines.counts(line(text, names), names)


def summed(text, free):
    return lines.summed(line(text), free)


def contracted(before, after, free):
    return lines.contracted(line(before), line(after), free)


def is_reordered(one, other, symmetric):
    return lines.is_reordered(line(one), line(other), symmetric=symmetric)


def skeleton(text, free):
    return lines.skeleton(line(text), free)


def derivatives_in(text):
    return lines.derivatives_in(line(text))


@pytest.mark.parametrize(
    ("text", "free", "expected"),
    [
        ("A_ij x_j", "i", "j"),
        ("A_ij x_j", "", "j"),
        ("A_ii", "", "i"),
        ("A_ij x_j (a_k b_k + 1)", "i", "j"),
        ("A_ij x_j (a_k b_k + 1)^2", "i", "j"),
        ("x_i (a_i b_i + 1)", "", "i"),
        ("x_i / (a_j a_j + 1) y_i", "", "i"),
        ("δ_{2k+l,i} X_kl", "i", "kl"),
        ("[i ≥ j] A_ij", "i", "j"),
        ("[x_j > 0] A_ij", "i", "j"),
        ("inv(A_kl)_ij x_j", "i", "j"),
        ("max(x_j) y_i y_i", "", "i"),
        ("softmax(x)_i y_i", "", "i"),
        ("x_i ∂y_i/∂z_p", "p", "i"),
        ("∂y_i/∂y_i", "", "i"),
        ("exp(x_i) y_i", "", "i"),
        ("sqrt(x_j x_j) y_i", "i", ""),
        ("x_{i+1} y_i", "", "i"),
        ("[an expression of 9 nodes, 99 when written out]", "", ""),
        ("x_i y_i +", "", ""),
    ],
)
def test_labels_that_are_summed(text, free, expected):
    assert sorted(summed(text, free)) == list(expected)


def test_written_sums_are_not_counted():
    assert counts("Σ_j A_ij") == {"i": 1}


def test_names_with_underscores_are_known():
    assert counts("x_1_{i} x_1_{i}", ["x_1"]) == {"i": 2}
    assert counts("[i ≥ j]", ["i", "j"]) != counts("[i ≥ j]")


@pytest.mark.parametrize(
    ("before", "after", "free", "expected"),
    [
        ("δ_ip δ_jq x_j", "δ_ip x_q", "ipq", [("δ_jq", "j", "q")]),
        ("δ_ip δ_iq", "δ_pq", "pq", [("δ_ip", "i", "p")]),
        ("δ_ij δ_jp x_i", "x_p", "p", [("δ_ij", "i", "j"), ("δ_jp", "j", "p")]),
        ("δ_ip x_i + δ_jp y_j", "x_p + y_p", "p", [("δ_ip", "i", "p"), ("δ_jp", "j", "p")]),
        ("2 (δ_ip + δ_iq) x_i", "2 x_p + 2 x_q", "pq", [("δ_ip", "i", "p"), ("δ_iq", "i", "q")]),
        ("δ_pi sqrt(A_pi)", "δ_ip sqrt(A_pi)", "p", []),
        ("inv(δ_kl + A_kl)_ij", "inv(A_ij)_ij", "ij", []),
        ("δ_{i+1,p} x_i", "x_{p-1}", "p", []),
        ("[an expression of 9 nodes, 99 when written out]", "δ_ip", "ip", []),
    ],
)
def test_deltas_that_are_gone(before, after, free, expected):
    assert contracted(before, after, free) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a b + c", "c + b a", True),
        ("δ_0p x_0", "δ_{p,0} x_0", True),
        ("a - b", "-b + a", True),
        ("a - b", "b - a", False),
        ("A_ij", "A_ji", False),
        ("S_ij", "S_ji", True),
        ("x_i^2", "x_i x_i", False),
        ("Σ_j A_ij", "Σ_k A_ij", False),
        ("[x > y]", "[y > x]", False),
        ("(a + b) x_i", "x_i (b + a)", True),
        ("∂x_i/∂x_p", "∂x_p/∂x_i", False),
        ("a +", "a +", True),
        ("a +", "a", False),
    ],
)
def test_lines_in_another_order(one, other, expected):
    assert is_reordered(one, other, symmetric=["S"]) is expected


def test_summed_labels_may_have_other_names():
    assert skeleton("A_ij x_j", "i") == skeleton("A_ik x_k", "i")
    assert skeleton("A_ij x_j", "i") != skeleton("A_kj x_j", "k")
    assert skeleton("Σ_j A_ij", "i") == skeleton("Σ_k A_ik", "i")
    assert skeleton("a +", "") == skeleton("a +", "") != skeleton("a", "")


def test_derivatives_that_are_symbols():
    assert [d.base.name for d in derivatives_in("∂x_i/∂z_p (∂y/∂z_q + 1)")] == ["x", "y"]
    assert derivatives_in("a +") == []
