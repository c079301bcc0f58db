"""Index notation says what is computed: read back, it has the same value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.build import build
from einsdiff.algebra.functions import FUNCTIONS
from einsdiff.algebra.nodes import add, call, constant, einsum, variable
from einsdiff.display.index import Heading, Letters, format_heading, format_index, format_number
from einsdiff.notation.index import parse_index
from einsdiff.numeric.program import program_for
from tests.oracle import random_array

N = 2
POOL = {
    "s": variable("s", ()),
    "x": variable("x", (N,)),
    "y": variable("y", (N,)),
    "A": variable("A", (N, N)),
    "B": variable("B", (N, N)),
    "S": variable("S", (N, N), symmetric=True),
}


@st.composite
def expressions(draw, rank, depth=3):
    """Random sums, products, powers and functions of the pool, with this number of axes."""
    kinds = ["variable", "sum", "product", "product", "call"] if depth else ["variable"]
    kind = draw(st.sampled_from(kinds))
    alike = [node for node in POOL.values() if len(node.shape) == rank]
    if kind == "variable" and alike:
        return draw(st.sampled_from(alike))
    if kind == "sum":
        count = draw(st.integers(1, 3))
        coefficients = st.sampled_from([1, -1, 2, -3, 0.5])
        return add([(draw(coefficients), draw(expressions(rank, depth - 1))) for _ in range(count)])
    if kind == "call":
        argument = draw(expressions(rank, depth - 1))
        function = draw(st.sampled_from(["sin", "power"]))
        args = [argument] if function == "sin" else [argument, constant(draw(st.integers(2, 3)))]
        return call(FUNCTIONS[function], args)
    count = draw(st.integers(1, 3))
    factors = [draw(expressions(draw(st.integers(0, 2)), max(depth - 1, 0))) for _ in range(count)]
    labels = st.integers(0, 3)
    subscripts = [[draw(labels) for _ in node.shape] for node in factors]
    output = [draw(labels) for _ in range(rank)]
    return einsum(factors, subscripts, output, dict.fromkeys(output, N))


def value(node):
    rng = np.random.default_rng(0)
    arrays = {name: random_array(rng, v.shape, "float64") / 2 for name, v in POOL.items()}
    arrays["S"] = arrays["S"] + arrays["S"].T
    program = program_for((node,), (), "float64")
    return np.asarray(program.function(*(arrays[v.name] for v in program.inputs)), float)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 3).flatmap(expressions))
def test_what_is_printed_has_the_value_when_it_is_read_back(node):
    axes = "pqr"[: len(node.shape)]
    letters = Letters({name: (("i", "j")[: len(v.shape)],) for name, v in POOL.items()})
    text = format_index(node, axes, letters)
    sizes = dict.fromkeys("abcdefghijklmnopqrstuvwxyz", N)
    again = build(parse_index(text), POOL, axes, functions=FUNCTIONS, sizes=sizes)
    np.testing.assert_allclose(value(again), value(node), rtol=1e-9, atol=1e-9, err_msg=text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (lambda x, A: A @ x, "f_i = A_ij x_j"),
        (lambda x, A: ed.einsum("ij->i", A), "f_i = Σ_j A_ij"),
        (lambda x, A: ed.einsum("ii->", A), "f = A_ii"),
        (lambda x, A: ed.einsum("i->ii", x), "f_ij = δ_ij x_i"),
        (lambda x, A: ed.einsum("i->ij", x, j=2), "f_ij = x_i"),
        (lambda x, A: x - x, "f_i = 0"),
        (lambda x, A: x * x + 0.1 * x - 1, "f_i = 0.1 x_i + x_i x_i - 1"),
        (lambda x, A: -x / 2, "f_i = -1/2 x_i"),
        (lambda x, A: (1 + 2j) * x, "f_i = (1+2j) x_i"),
        (lambda x, A: A @ (x - 1), "f_i = A_ij (x_j - 1)"),
        (lambda x, A: (x + 1) ** -2, "f_i = (x_i + 1)^-2"),
        (lambda x, A: ed.einsum("i,j->ij", x, x), "f_ij = x_i x_j"),
    ],
)
def test_expressions_print_as_one_writes_them(text, expected):
    x, A = ed.tensors(x=(2,), A=(2, 2))
    assert str(text(x, A)) == expected


def test_a_variable_prints_as_itself():
    assert str(ed.tensor("A", "mn")) == "A_ij"
    assert str(ed.tensor("s", ())) == "s"


def test_summed_indices_have_the_users_letters_and_stay_apart():
    y, A, t = ed.tensors(y=(2,), A=(2, 3), t=(3,))
    r = ed.einsum("a->a", y) - ed.einsum("ab,b->a", A, t)
    assert str(ed.einsum("a,a->", r, r)) == "f = (y_a - A_ab t_b) (y_a - A_ai t_i)"


def test_long_shared_expressions_are_summarised():
    x = ed.tensor("x", (2,))
    for _ in range(60):
        x = x * x
    assert "61 nodes" in str(x)


def test_deep_expressions_print_without_recursion():
    node = variable("x", (2,))
    for _ in range(3000):
        node = call(FUNCTIONS["sin"], [node])
    text = format_index(node, "i", Letters())
    assert text.startswith("sin(sin(")
    assert text.count("(") == 3000


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        (Heading("f", ()), "f"),
        (Heading("f", ("i", "j")), "f_ij"),
        (Heading("f", ("i10",)), "f_{i10}"),
        (Heading("f", ("i",), (("A", ("p", "q")),)), "∂f_i/∂A_pq"),
        (Heading("f", (), (("x", ("p",)), ("y", ("q",)))), "∂²f/∂x_p∂y_q"),
        (Heading("f", (), (("x", ("p",)),) * 12), "∂¹²f/" + "∂x_p" * 12),
    ],
)
def test_left_hand_sides(heading, expected):
    assert format_heading(heading) == expected


def test_numbers_print_as_typed():
    assert [format_number(c) for c in (3, -0.25, 1e-9)] == ["3", "-0.25", "1e-09"]
