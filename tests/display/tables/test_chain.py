"""The Jacobians of a chain multiply to the derivative."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.display.tables.chain import MOST_NODES
from tests.catalogue_rows import ROWS
from tests.test_catalogue import arrays_of, derivative, symbols_of, tensors_of


@pytest.mark.parametrize("row", [row for row in ROWS if not row.of], ids=str)
def test_product_of_the_chain_is_the_derivative(row):
    J = derivative(row, "build", tensors_of(row, arrays_of(row)))
    table = J.table("chain")
    *_, values = zip(*table, strict=True)
    for _, shape, _, matrix in table:
        assert shape == " × ".join(map(str, matrix.shape))
    found = reduce(np.matmul, values)
    np.testing.assert_allclose(found, J.matrix(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_first_factor_is_of_the_function_and_the_last_one_by_the_variable(row):
    table = derivative(row, "build", symbols_of(row)).table("chain")
    assert table[-1][0].partition(" = ")[0].partition("/∂")[2].startswith(row.wrt)
    assert len(table.notes) <= len(table)


def test_composition_of_vectors():
    A, B, x = ed.tensors(A="km", B="mn", x="n")
    table = ed.grad(ed.sin(A @ ed.tanh(B @ x)), wrt="x").table("chain")
    assert (
        str(table)
        == """\
The chain ∂f_i/∂x_p = ∂f/∂v3 ∂v3/∂v2 ∂v2/∂v1 ∂v1/∂x

Jacobian                               matrix  matrix notation
─────────────────────────────────────  ──────  ─────────────────────────────
∂f_i/∂v3_j = δ_ij cos(v3_i)            k × k   diag(cos(v3))
∂v3_i/∂v2_j = A_ij                     k × m   A
∂v2_i/∂v1_j = δ_ij (1 - tanh(v1_i)^2)  m × m   diag(𝟏 - tanh(v1) ⊙ tanh(v1))
∂v1_i/∂x_p = B_ip                      m × n   B

v1_i = B_ip x_p.
v2_i = tanh(v1_i).
v3_i = A_ij v2_j.
f_i = sin(v3_i)."""
    )


def test_steps_beside_each_other_are_one_link():
    table = ed.grad("exp(sin(x) cos(x))", wrt="x").table("chain")
    assert [row[0].partition(" = ")[0] for row in table] == ["∂f/∂v1", "∂v1/∂x"]
    assert table.notes == ("v1 = cos(x) sin(x).", "f = exp(v1).")


def test_unspecified_functions_are_links():
    z = ed.tensor("z", "k")
    g = ed.tensor("g", "n", of=z)
    h = ed.grad(ed.tensor("f", "m", of=g), wrt="z")
    left = [row[0].partition(" = ")[0] for row in h.table("chain")]
    assert left == ["∂f_i/∂g_j", "∂g_i/∂z_p"]


def test_names_of_steps_are_not_those_of_the_user():
    table = ed.grad("v1 exp(v1 sin(x))", wrt="x").table("chain")
    assert "u1 = " in table.notes[0]


def test_long_expressions_are_refused():
    y = ed.tensor("x", ())
    for _ in range(MOST_NODES):
        y = ed.sin(y)
    with pytest.raises(ed.SizeError, match="not looked for"):
        ed.grad(y, wrt="x").table("chain")
