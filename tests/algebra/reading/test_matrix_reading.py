"""Sizes of matrix notation follow from products and sums, and from what is made of several axes."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einsdiff.algebra.nodes.nodes import einsum
from einsdiff.algebra.reading.matrix_reading import amounts_in, read_matrix_text
from einsdiff.algebra.reading.matrix_sides import Sides
from einsdiff.errors import EinsdiffError, ShapeError


def shapes(text, sizes=(), **known):
    reading = read_matrix_text(text, known, dict(sizes))
    return reading.node.shape, {name: node.shape for name, node in reading.operands.items()}


def test_sizes_are_named_in_the_order_of_the_names():
    assert shapes("B A")[1] == {"B": ("k", "m"), "A": ("m", "n")}
    assert shapes("x' A x")[1] == {"x": ("m",), "A": ("m", "m")}
    assert shapes("A x", A=("n", "k")) == (("n",), {"A": ("n", "k"), "x": ("k",)})


def test_sizes_that_are_written_are_those_of_what_stands_there():
    assert shapes("A + I_p") == (("p", "p"), {"A": ("p", "p")})
    assert shapes("A + I_p", A=(3, 3))[0] == (3, 3)
    assert shapes("𝟏_p x'", {"p": 4}, x=(3,))[0] == (4, 3)
    assert shapes("x / n", x=("n",))[0] == ("n",)
    assert set(shapes("x / n", x=("n",))[1]) == {"x"}


def test_sides_of_several_axes_are_counted():
    assert shapes("(A ⊗ B) x", A=(2, 3), B=(4, 5), x=(15,))[0] == (8,)
    assert shapes("(A ⊗ B) x", A=(2, 3), B=(4, 5))[1]["x"] == (15,)
    assert shapes("x' vec(A)", A=(2, 3))[1]["x"] == (6,)
    assert shapes("vec(A) + vec(B)", A=(2, 3), B=(3, 2))[0] == (6,)
    assert shapes("[x; y] + z", x=(2,), z=(5,))[1]["y"] == (3,)
    with pytest.raises(ShapeError, match="7 entries stand in place of 2 · 3"):
        shapes("x' vec(A)", A=(2, 3), x=(7,))


def test_products_of_matrices_are_one_product():
    assert len(read_matrix_text("x' A B A' x", {}, {}).node.operands) == 5


def test_the_square_of_a_norm_is_a_sum_of_squares():
    reading = read_matrix_text("‖x‖²", {}, {})
    x = reading.operands["x"]
    assert reading.node is einsum([x, x], ["i", "i"], "")
    assert read_matrix_text("norm(x)^2", {}, {}).node is reading.node


def test_names_of_a_text():
    amounts = amounts_in("X^n + ones(m) x' + I_k", frozenset())
    assert amounts.names == ("X", "n", "x")
    assert amounts.exponents == {"n"}
    assert amounts.sizes == {"m", "k"}


def test_sides():
    sides = Sides()
    two, unknown = sides.axis(2), sides.axis()
    assert sides.equate(two, unknown)
    assert not sides.equate(unknown, sides.axis(3))
    assert not sides.equate(sides.axis("n"), sides.axis("m"))
    assert sides.sizes(unknown) == [2]


PIECES = [
    *("A ", "X ", "x ", "y ", "c ", "λ ", "Φθ ", "x_0 ", "e_1 ", "I ", "I_n ", "K_mn ", "𝟏 ", "2 "),
    *("'", "ᵀ", "⁻¹", "²", "⁺", "^", "^T", "^∘", ".* ", "./ ", "* ", "· ", "⊙ ", "⊗ ", "/ ", "+ "),
    *("- ", "(", ")", "[", "]", ", ", "; ", "|", "‖", "> ", "sin ", "log ", "det", "tr", "norm"),
    *("diag", "vec", "sum", "ones", "vector", "expm", "softmax", "solve", "∂x/∂z", "f = ", "e^"),
    *("∂f/∂x = ", "∂vec(f)/∂vec(X) = ", "  (numerator layout, vec order F)"),
    *("  (in the shape of X)", "  (denominator layout, vec order C)"),
]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=9), st.booleans())
def test_any_text_is_read_or_refused(pieces, is_known):
    known = {"A": (3, 3), "X": (2, 3), "x": (3,), "y": (2,), "c": ()} if is_known else {}
    with suppress(EinsdiffError):
        assert read_matrix_text("".join(pieces), known, {}).node is not None
