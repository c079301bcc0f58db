"""Transposes that do not matter are not told apart."""

from __future__ import annotations

import pytest

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.interning import variable, zero
from einsdiff.algebra.nodes.nodes import add, call, einsum
from einsdiff.algebra.rewriting.orient import oriented

A, B, S = variable("A", (2, 2)), variable("B", (2, 2)), variable("S", (2, 2), symmetric=True)
T, x, y, s = variable("T", (2, 2, 2)), variable("x", (2,)), variable("y", (2,)), variable("s", ())


def t(node):
    return einsum([node], ["ij"], "ji")


def turned(output):
    return einsum([T], ["ijk"], output)


def plus(a, b):
    return add([(1, a), (1, b)])


def sin(node):
    return call(FUNCTIONS["sin"], [node])


def times_x(node, labels="ij"):
    return einsum([node, x], [labels, labels[-1]], labels[:-1])


def wide(node, labels):
    return einsum([node], [labels], "ij", {"i": 2, "j": 2})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (times_x(plus(A, t(B))), einsum([plus(t(A), B), x], ["ji", "j"], "i")),
        (sin(plus(A, t(B))), t(sin(plus(t(A), B)))),
        (times_x(sin(plus(A, t(B)))), einsum([sin(plus(t(A), B)), x], ["ji", "j"], "i")),
        (plus(wide(x, "j"), wide(y, "j")), wide(plus(x, y), "j")),
        (sin(plus(wide(x, "j"), wide(y, "j"))), wide(sin(plus(x, y)), "j")),
        (times_x(sin(S)), einsum([sin(S), x], ["ji", "j"], "i")),
        (times_x(plus(A, t(A))), einsum([plus(A, t(A)), x], ["ji", "j"], "i")),
        (
            call(FUNCTIONS["inv"], [einsum([A], ["jk"], "ijk", {"i": 3})]),
            einsum([call(FUNCTIONS["inv"], [A])], ["jk"], "ijk", {"i": 3}),
        ),
        (
            times_x(plus(T, turned("jki")), "ijk"),
            einsum([plus(turned("jik"), turned("kji")), x], ["jik", "k"], "ij"),
        ),
        (zero((2, 2)), zero((2, 2))),
    ],
)
def test_what_differs_in_orientation_only_is_one_expression(one, other):
    assert oriented(one) is oriented(other)
    assert oriented(oriented(one)) is oriented(one)
    assert oriented(one).shape == one.shape


def test_what_differs_in_more_stays_apart():
    assert oriented(times_x(plus(A, B))) is not oriented(times_x(plus(A, t(B))))
    assert oriented(plus(A, B)) is not oriented(t(plus(A, B)))


def test_long_chains_are_no_recursion():
    node = x
    for _ in range(3000):
        node = sin(plus(node, y))
    assert oriented(node).shape == (2,)
