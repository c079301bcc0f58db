"""Tables of derivatives: the last row is the derivative."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.expressions import tabulated as module
from einsdiff.expressions.formula import Formula
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.numeric.running import program as programs
from tests.catalogue_rows import ROWS
from tests.display.expressions import arrays_for, derivatives
from tests.test_catalogue import (
    arrays_of,
    derivative,
    expression,
    substituted,
    symbols_of,
    tensors_of,
)

every_row = pytest.mark.parametrize("row", ROWS, ids=str)
every_mode = pytest.mark.parametrize("mode", ["forward", "reverse"])


def operands_of(row) -> dict[str, Any]:
    operands = dict(tensors_of(row, arrays_of(row)))
    return substituted(row, "sine", operands, np) if row.of else operands


# --- the catalogue ----------------------------------------------------------------------------


@every_row
@every_mode
def test_the_last_row_is_the_derivative(row, mode):
    J = derivative(row, "build", operands_of(row))
    table = J.table(mode)
    np.testing.assert_allclose(table[-1][-1], J.dense(), rtol=1e-9, atol=1e-12)
    assert all(isinstance(row[k], np.ndarray) for row in table for k in (1, 3))


@every_row
def test_adjoints_are_derivatives_by_each_variable(row):
    if row.of or row.order > 1:
        return
    f = expression(row, "build", operands_of(row))
    table = f.table("reverse")
    for step, value, _, adjoint in table.rows[-len(f.names) :]:
        name = step.split("_")[0]
        if name in f.names:
            np.testing.assert_array_equal(value, f.values[name])
            expected = ed.grad(f, wrt=name).dense()
            np.testing.assert_allclose(adjoint, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("row", [row for row in ROWS if row.id[0] == "D"], ids=str)
@every_mode
def test_the_last_rule_is_the_derivative_symbolically(row, mode):
    J = derivative(row, "build", symbols_of(row))
    f, by = J.formula.source
    axes = J.formula.heading.wrt[-1][1]
    if mode == "forward":
        steps = module.forward_steps(f.expr, f.heading, f.letters, f.arguments, by, axes)
    else:
        steps = module.reverse_steps(f.expr, f.heading, f.letters, f.arguments, by, axes)
    last = Formula(
        steps[-1].derivative, J.formula.heading, J.formula.letters, J.formula.arguments, len(axes)
    )
    assert ed.equal(Tensor(last, {}), J)


# --- how they read ----------------------------------------------------------------------------

D7 = """\
∂f/∂x in forward mode, from x to f

step          value    derivative               its value
────────────  ───────  ───────────────────────  ─────────
x             2        ∂x/∂x = 1                1
v1 = x^3      8        ∂v1/∂x = 3 x^2           12
v2 = sin(v1)  0.9894   ∂v2/∂x = cos(v1) ∂v1/∂x  -1.746
v3 = v2^2     0.9788   ∂v3/∂x = 2 v2 ∂v2/∂x     -3.455
f = log(v3)   -0.0214  ∂f/∂x = ∂v3/∂x / v3      -3.53"""

D14 = """\
∂f/∂x in reverse mode, from f to x; v̄ stands for ∂f/∂v

step          value   adjoint          its value
────────────  ──────  ───────────────  ─────────
f = y v2      0.1411  f̄ = 1            1
v2 = sin(v1)  0.1411  v̄2 = f̄ y         1
v1 = y + x    3       v̄1 = v̄2 cos(v1)  -0.99
y             1       ȳ = v̄1 + f̄ v2    -0.8489
x             2       x̄ = v̄1           -0.99"""

NETWORK = """\
∂f_i/∂W_pq in forward mode, from W to f

step               derivative
─────────────────  ────────────────────────────────────────────
V_ik               ∂V_ik/∂W_pq = 0
W_kj               ∂W_kj/∂W_pq = δ_kp δ_jq
x_j                ∂x_j/∂W_pq = 0
b_k                ∂b_k/∂W_pq = 0
v1_k = W_kj x_j    ∂v1_k/∂W_pq = δ_kp x_q
v2_k = b_k + v1_k  ∂v2_k/∂W_pq = ∂v1_k/∂W_pq
v3_k = tanh(v2_k)  ∂v3_k/∂W_pq = (1 - tanh(v2_k)^2) ∂v2_k/∂W_pq
f_i = V_ik v3_k    ∂f_i/∂W_pq = V_ik ∂v3_k/∂W_pq"""

LEAST_SQUARES = """\
∂f/∂x_p in reverse mode, from f to x; v̄ stands for ∂f/∂v

step               adjoint
─────────────────  ───────────────
f = v2_i v2_i      f̄ = 1
v2_i = y_i - v1_i  v̄2_i = 2 f̄ v2_i
v1_i = A_ij x_j    v̄1_i = -v̄2_i
A_ij               Ā_ij = v̄1_i x_j
y_i                ȳ_i = v̄2_i
x_j                x̄_p = v̄1_i A_ip"""

FUNCTION_OF_Z = """\
∂f_i/∂z_p in reverse mode, from f to z; v̄ stands for ∂f/∂v

step            adjoint
──────────────  ─────────────────────
f_i = A_ij x_j  f̄_ij = δ_ij
x_j(z)          x̄_ij = f̄_ik A_kj
A_ij            Ā_ijk = f̄_ij x_k
z_i             z̄_ip = x̄_ij ∂x_j/∂z_p"""


def test_forward_mode_of_a_chain():
    assert str(ed.grad("log(sin(x^3)^2)", x=2.0, wrt="x").table("forward")) == D7


def test_reverse_mode_of_a_product():
    assert str(ed.grad("y sin(x + y)", x=2.0, y=1.0, wrt="x").table("reverse")) == D14


def test_forward_mode_of_a_network():
    assert str(ed.grad("f_i = V_ik tanh(W_kj x_j + b_k)", wrt="W").table()) == NETWORK


def test_reverse_mode_of_least_squares():
    J = ed.grad("(y_i - A_ij x_j) (y_i - A_ik x_k)", wrt="x")
    assert str(J.table("reverse")) == LEAST_SQUARES


def test_reverse_mode_through_an_unspecified_function():
    z = ed.tensor("z", "k")
    x = ed.tensor("x", "n", of=z)
    J = ed.grad("A_ij x_j", A=ed.tensor("A", "mn"), x=x, wrt="z")
    assert str(J.table("reverse")) == FUNCTION_OF_Z
    forward = str(J.table("forward")).splitlines()
    assert "x_j(z)          ∂x_j/∂z_p" in forward


def test_a_derivative_has_a_name_in_the_table_of_its_derivative():
    H = ed.grad("x^3", wrt="x", order=2)
    table = H.table("forward")
    assert table.title == "∂²f/∂x∂x in forward mode, from x to g"
    assert table[-1] == ("g = 3 x^2", "∂g/∂x = 6 x")
    assert table.notes == ("g stands for ∂f/∂x.",)


def test_second_derivatives_of_unspecified_functions_have_steps():
    z = ed.tensor("z", ())
    x = ed.tensor("x", (), of=z)
    H = ed.grad(ed.sin(x), wrt="z", order=2)
    steps = [row[0] for row in H.table("forward")]
    assert "v1 = ∂x/∂z" in steps or "v2 = ∂x/∂z" in steps
    values = {"z": 0.3, "x": 0.7, "∂x/∂z": 2.0, "∂²x/∂z∂z": 5.0}
    bound = Tensor(H.formula, {name: np.asarray(value) for name, value in values.items()})
    expected = np.cos(0.7) * 5 - np.sin(0.7) * 4
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(bound.table(mode)[-1][-1], expected)


# --- functions that are no derivatives --------------------------------------------------------


def test_reverse_mode_of_a_function_shows_all_adjoints():
    table = ed.parse("y sin(x + y)").table("reverse")
    assert table.title == "Reverse mode, from f to its variables; v̄ stands for ∂f/∂v"
    assert {row[0] for row in table} >= {"x", "y"}


@pytest.mark.parametrize("kind", ["forward", "shapes", "layouts"])
def test_others_say_what_to_do(kind):
    with pytest.raises(ed.OperandError, match="no derivative") as error:
        ed.parse("y sin(x + y)").table(kind)
    assert f"ed.grad(t, wrt='y').table('{kind}')" in str(error.value)


def test_unknown_tables_are_named():
    with pytest.raises(ed.OperandError, match="'forward', 'reverse', 'chain', 'shapes', 'layouts'"):
        ed.grad("x^2", wrt="x").table("sideways")


# --- values -----------------------------------------------------------------------------------


def test_values_are_computed_in_one_program(monkeypatch):
    made = []
    plan = programs.plan

    def recorded(*args, **kwargs):
        made.append(args)
        return plan(*args, **kwargs)

    monkeypatch.setattr(programs, "plan", recorded)
    ed.grad("y tan(x + 2 y)^3", x=2.0, y=1.0, wrt="y").table("reverse")
    assert len(made) == 1


def test_what_is_bound_is_shown():
    x = ed.tensor("x", [1.0, 2.0])
    table = ed.grad("A_ij x_j", A=ed.tensor("A", ("m", 2)), x=x, wrt="A").table()
    values = {row[0]: row[1] for row in table}
    np.testing.assert_array_equal(values["x_j"], [1, 2])
    assert values["A_ij"] is None
    assert str(table.cells[1][1]) == "[1 2]"


def test_large_arrays_are_not_computed():
    x = np.ones(1000)
    table = ed.grad("f_i = sin(x_i)", x=x, wrt="x").table()
    assert table[-1][3] == (1000, 1000)
    assert table.cells[-1][3] == "1000×1000"
    assert table.cells[0][1] == "1000, norm 31.6"
    assert table.notes == ("Long arrays are given by their shape and norm.",)


def test_numbers_are_short():
    assert module._value_text(np.asarray(-0.0), 26) == "0"
    assert module._value_text(np.asarray(1 / 3), 26) == "0.3333"
    assert module._value_text(np.asarray(1 - 2j), 26) == "1-2j"
    assert module._value_text(np.asarray(12), 26) == "12"
    assert module._value_text(np.zeros((2, 3)), 26) == "0"
    assert module._value_text(np.eye(2), 26) == "[[1 0] [0 1]]"
    assert module._value_text(np.eye(2), 12) == "2×2, norm 1.41"
    assert module._value_text(np.asarray(np.nan), 26) == "nan"


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.sampled_from(["x_i", "y_i", "2", "1/3"]),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda pair: f"({pair[0]} + {pair[1]})"),
            st.tuples(inner, inner).map(lambda pair: f"({pair[0]} * {pair[1]})"),
            st.tuples(st.sampled_from(["sin", "tanh", "exp"]), inner).map(
                lambda pair: f"{pair[0]}({pair[1]})"
            ),
            inner.map(lambda a: f"A_ij sin(y_j) * {a}"),
        ),
        max_leaves=8,
    ),
    st.sampled_from("xyA"),
)
def test_any_function_has_its_derivative_in_the_last_row(text, wrt):
    rng = np.random.default_rng(1)
    operands = {
        "x": rng.normal(size=2) / 3,
        "y": rng.normal(size=2) / 3,
        "A": rng.normal(size=(2, 2)) / 3,
    }
    f = ed.parse(f"f_i = 0 x_i + 0 y_i + 0 A_ii + {text} + x_i y_i A_ii", **operands)
    J = ed.grad(f, wrt=wrt)
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(J.table(mode)[-1][-1], J.dense(), rtol=1e-9, atol=1e-12)


# --- shapes and layouts -----------------------------------------------------------------------


@every_row
def test_shapes_are_those_of_the_derivative(row):
    J = derivative(row, "build", operands_of(row))
    table = J.table("shapes")
    rank = J.ndim - J.domain
    assert table.marked == {(min(rank, 3), 1 + min(J.domain, 3))}
    dense = J.dense()
    said = " × ".join(map(str, J.matrix().shape))
    assert f"{said} in numerator layout" in table.notes[1]
    assert f"({', '.join(map(str, dense.shape))}" in table.notes[1]


@every_row
def test_layouts_are_the_matrices(row):
    J = derivative(row, "build", operands_of(row))
    for layout, order, shape, *_, matrix in J.table("layouts"):
        expected = J.matrix(layout, order)
        np.testing.assert_allclose(matrix, expected, rtol=1e-12, atol=1e-14)
        assert shape == " × ".join(map(str, expected.shape))


def test_long_matrices_lose_their_middle():
    table = ed.grad("A_ij x_j", A=np.ones((4, 3)), x=np.ones(3), wrt="A").table("layouts")
    assert table.notes[-1] == "Of long rows and columns the middle is left out, written …."
    assert "[ 1  1  1  …  0  0  0 ]" in str(table)


def test_layouts_say_what_runs_fastest():
    table = ed.grad("A_ij x_j", wrt="A").table("layouts")
    assert [row[:2] for row in table] == [
        ("numerator", "C"),
        ("numerator", "F"),
        ("denominator", "C"),
        ("denominator", "F"),
    ]
    assert table[1][2:] == ("m × mn", "i", "pq, p fastest", "xᵀ ⊗ I_m")
    assert table[2][2:] == ("mn × m", "pq, q fastest", "i", "I_m ⊗ x")
    square = ed.grad("x^2", wrt="x").table("layouts")
    assert square[0][2:] == ("1 × 1", "(only one)", "(only one)", "2 x")


@given(derivatives())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_derivatives_are_in_the_last_row(J):
    arrays = arrays_for(J)
    bound = Tensor(J.formula, {v.name: arrays[v.name] for v in J.formula.arguments})
    with np.errstate(all="ignore"):
        try:
            dense = bound.dense()
        except np.linalg.LinAlgError:
            reject()
    for mode in ("forward", "reverse"):
        value = bound.table(mode)[-1][-1]
        if isinstance(value, np.ndarray):
            known = np.isfinite(value) & np.isfinite(dense)
            np.testing.assert_allclose(value[known], dense[known], rtol=1e-6, atol=1e-8)
    for mode in ("forward", "reverse", "shapes", "layouts"):
        for table in (J.table(mode), bound.table(mode)):
            assert all((str(table), table.markdown(), table.latex(), table._repr_html_()))


@pytest.mark.parametrize("mode", ["forward", "reverse", "layouts"])
def test_what_has_no_value_is_left_out(mode):
    J = ed.grad("inv(A_ij)_ij", wrt="A", A=np.zeros((2, 2)))
    table = J.table(mode)
    if mode == "layouts":
        assert len(table.columns) == 6
        return
    values = {row[0]: row[1] for row in table}
    assert values["f_ij = inv(A)_ij"] is None
    np.testing.assert_array_equal(values["A_ij"], np.zeros((2, 2)))


def test_empty_arrays_are_called_so():
    J = ed.grad("A_ij x_j", wrt="A", A=np.zeros((0, 2)), x=np.ones(2))
    shown = [line.split("  ")[-1].strip() for line in str(J.table("forward")).splitlines()[4:]]
    assert shown == ["empty 0×2×0×2", "empty 2×0×2", "empty 0×0×2"]
    J = ed.grad("x_i x_i", wrt="x", x=np.zeros(0))
    assert str(J.table("reverse")).splitlines()[-1].endswith("empty")


def test_complex_arrays_and_nan_are_written():
    J = ed.grad("x_i x_i", wrt="x", x=np.array([1 + 2j, np.nan]))
    assert "[1+2j nan+0j]" in str(J.table("forward"))
    assert "2+4j" in str(J.table("layouts"))
