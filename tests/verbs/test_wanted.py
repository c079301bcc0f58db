"""Derivatives by entries of variables, and by parts of expressions."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import einsdiff as ed
from tests.strategies import OPERANDS, Drawn, expressions

rng = np.random.default_rng(3)
A, x, y = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=3)


# --- entries ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrt", "key", "heading"),
    [
        ("A_01", (0, 1), "∂f_{i<3}/∂A_01"),
        ("A_{0,1}", (0, 1), "∂f_{i<3}/∂A_01"),
        ("A_0j", (0,), "∂f_{i<3}/∂A_0q"),
        ("A_{2,j}", (2,), "∂f_{i<3}/∂A_2q"),
        ("A_k1", (slice(None), 1), "∂f_i/∂A_p1"),
        ("A_ij", (), "∂f_i/∂A_pq"),
        ("A[0]", (0,), "∂f_{i<3}/∂A_0q"),
        ("A[-1]", (-1,), "∂f_{i<3}/∂A_2q"),
        ("A[0, 1]", (0, 1), "∂f_{i<3}/∂A_01"),
        ("A[:,1]", (slice(None), 1), "∂f_i/∂A_p1"),
        ("A[..., 1]", (slice(None), 1), "∂f_i/∂A_p1"),
        ("A[1:3]", (slice(1, 3),), "∂f_i/∂A_{p+1<3,q}"),
        ("A[:, ::2]", (slice(None), slice(None, None, 2)), "∂f_i/∂A_{p,2q<3}"),
        ("A[0:, :]", (), "∂f_i/∂A_pq"),
        (" A [ 1 : 2 , -2 : ] ", (slice(1, 2), slice(-2, None)), "∂f_i/∂A_{p+1<2,q+2<4}"),
    ],
)
def test_entries_are_spelled_as_labels_or_as_slices(wrt, key, heading):
    whole = np.asarray(ed.grad("tanh(A_ij x_j)", A=A, x=x, wrt="A"))
    J = ed.grad("tanh(A_ij x_j)", A=A, x=x, wrt=wrt)
    assert str(J).startswith(f"{heading} = ")
    np.testing.assert_allclose(np.asarray(J), whole[(slice(None), *key)], rtol=1e-13)
    assert J.domain == J.ndim - 1
    assert ed.parse(str(J), A=A, x=x) == J
    assert J.check().ok
    assert pickle.loads(pickle.dumps(J)) == J


def test_the_variable_has_precedence():
    g = ed.grad("x_1_{} y + x_i x_i", x_1=2.0, y=3.0, x=x, wrt="x_1")
    assert float(g) == 3
    h = ed.grad("x_1_{} y + x_i x_i", x_1=2.0, y=3.0, x=x, wrt="x[1]")
    assert str(h) == "∂f/∂x_{1} = 2 x_{1}"
    assert ed.parse(str(h), x=4) == h


@pytest.mark.parametrize("by", ["x_0", "x[1:3]", ("x_0", "A_1j"), ("A[:,1]", "x", "A_00")])
def test_second_derivatives_are_slices_of_the_whole(by):
    keys = {
        "x_0": ("x", (0,)),
        "x": ("x", ()),
        "x[1:3]": ("x", (slice(1, 3),)),
        "A_1j": ("A", (1,)),
        "A[:,1]": ("A", (slice(None), 1)),
        "A_00": ("A", (0, 0)),
    }
    text = "exp(A_ij x_j) x_0"
    several = by if isinstance(by, tuple) else (by,)
    H = ed.hessian(text, A=A, x=x, wrt=several)
    for one, row in zip(several, H, strict=True):
        for other, found in zip(several, row, strict=True):
            (a, left), (b, right) = keys[one], keys[other]
            whole = ed.grad(ed.grad(text, A=A, x=x, wrt=a), wrt=b).dense()
            rank = {"x": 1, "A": 2}
            filled = left + (slice(None),) * (rank[a] - len(left))
            expected = whole[(slice(None), *filled, *right)]
            np.testing.assert_allclose(found.dense(), expected, rtol=1e-12, atol=1e-14)
            assert ed.parse(str(found), A=A, x=x) == found


@st.composite
def keys(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[str, tuple[object, ...]]:
    """Draw entries in Python's spelling, and what they are."""
    items, texts = [], []
    for n in shape:
        kind = draw(st.sampled_from(["whole", "entry", "slice"]))
        if kind == "whole":
            items.append(slice(None))
            texts.append(":")
        elif kind == "entry":
            items.append(draw(st.integers(-n, n - 1)))
            texts.append(str(items[-1]))
        else:
            bounds = st.none() | st.integers(-n - 1, n + 1)
            start, stop = draw(bounds), draw(bounds)
            step = draw(st.none() | st.integers(1, 3))
            items.append(slice(start, stop, step))
            shown = ["" if part is None else str(part) for part in (start, stop)]
            texts.append(":".join(shown) + ("" if step is None else f":{step}"))
    return ", ".join(texts), tuple(items)


def is_settled(f: ed.Tensor) -> bool:
    """Tell whether arrays tell all sizes that are names."""
    return f.formula.named_sizes <= {n for v in f.formula.arguments for n in v.shape}


@settings(max_examples=60, deadline=None)
@given(drawn=expressions(), data=st.data())
def test_values_are_those_of_the_whole_derivative(drawn: Drawn, data: st.DataObject):
    f = ed.Tensor(drawn.expression.formula, {**drawn.expression.values})
    names = [n for n in f.names if OPERANDS[n]]
    if not (names and is_settled(f)):
        return
    name = data.draw(st.sampled_from(names))
    text, key = data.draw(keys(drawn.arrays[name].shape))
    arrays = {n: drawn.arrays[n] for n in f.names}
    bound = ed.Tensor(f.formula, arrays)
    whole = np.asarray(ed.grad(bound, wrt=name))
    lead = (slice(None),) * f.ndim
    J = ed.grad(bound, wrt=f"{name}[{text}]")
    np.testing.assert_allclose(np.asarray(J), whole[(*lead, *key)], rtol=1e-9, atol=1e-12)
    v = np.asarray(rng.normal(size=J.shape[f.ndim :]))
    along = np.asarray(ed.jvp(bound, wrt=f"{name}[{text}]", v=v))
    expected = np.tensordot(np.asarray(J), v, v.ndim) if v.ndim else np.asarray(J) * v
    np.testing.assert_allclose(along, expected, rtol=1e-9, atol=1e-12)
    u = np.asarray(rng.normal(size=np.asarray(bound).shape))
    back = np.asarray(ed.vjp(bound, wrt=f"{name}[{text}]", u=u))
    expected = np.tensordot(u, np.asarray(J), u.ndim) if u.ndim else np.asarray(J) * u
    np.testing.assert_allclose(back, expected, rtol=1e-9, atol=1e-12)


def test_entries_of_a_symmetric_variable_are_those_of_its_derivative():
    S = ed.tensor("S", (A @ A.T), symmetric=True)
    f = ed.einsum("ij,i,j->", S, ed.tensor("y", y), ed.tensor("z", y**2))
    whole = ed.grad(f, wrt="S").dense()
    np.testing.assert_allclose(float(ed.grad(f, wrt="S_01")), whole[0, 1])
    np.testing.assert_allclose(ed.grad(f, wrt="S_1j").dense(), whole[1])


def test_hessian_vector_products_by_entries():
    text = "exp(A_ij x_j) y_i"
    H = ed.hessian(text, A=A, x=x, y=y, wrt="x").dense()
    v = rng.normal(size=2)
    found = ed.hvp(text, A=A, x=x, y=y, wrt="x[1:3]", v=v).dense()
    np.testing.assert_allclose(found, H[1:3, 1:3] @ v, rtol=1e-12)
    one, other = ed.hvp(text, A=A, x=x, y=y, wrt=("x_0", "x_2"), v=(2.0, 3.0))
    np.testing.assert_allclose(float(one), 2 * H[0, 0] + 3 * H[0, 2])
    np.testing.assert_allclose(float(other), 2 * H[2, 0] + 3 * H[2, 2])


def test_einsum_strings_functions_and_tensors_take_entries():
    expected = A[:, 1] * 0 + np.array([x[1], 0, 0])
    np.testing.assert_allclose(ed.grad("ij,j->i", A, x, wrt="A_01").dense(), expected)
    np.testing.assert_allclose(ed.grad(lambda A, x: A @ x, A, x, wrt="A_01").dense(), expected)
    t = ed.tensor("A", A)
    f = t @ ed.tensor("x", x)
    np.testing.assert_allclose(ed.grad(f, wrt=t[0, 1]).dense(), expected)
    np.testing.assert_allclose(
        ed.grad(f, wrt=t[1:, ::2]).dense(), ed.grad(f, wrt="A").dense()[:, 1:, ::2]
    )
    value, gradient = ed.value_and_grad("x_i x_i", x=x, wrt="x_1")
    assert float(gradient) == 2 * x[1]
    assert float(value) == pytest.approx(x @ x)
    assert ed.check("sin(x_i)", x=x, wrt="x_1").ok


def test_whole_numbers_are_variables_of_traced_functions_if_an_entry_is_wanted():
    assert float(ed.grad(lambda x: (x * x).sum(), [1, 2], wrt="x_1")) == 4


@pytest.mark.parametrize("wrt", ["x₀", "x_{0}", "x[0]", " x_0 ", "x[ 0 ,]"])
def test_one_entry_has_several_spellings(wrt):
    assert str(ed.grad("x_i x_i", wrt=wrt)) == "∂f/∂x_0 = 2 x_0"


def test_dimensions_are_those_of_the_axes_that_are_left():
    xarray = pytest.importorskip("xarray")
    table = xarray.DataArray(A, dims=("a", "b"), coords={"b": [1, 2, 3, 4]})
    row = xarray.DataArray(x, dims="b", coords={"b": [1, 2, 3, 4]})
    whole = ed.grad("ij,j->i", table, row, wrt="table").dense()
    assert whole.dims == ("a", "d_a", "b")
    assert ed.grad("ij,j->i", table, row, wrt="table[0]").dense().dims == ("a", "b")
    assert ed.grad("ij,j->i", table, row, wrt="table_01").dense().dims == ("a",)
    run = ed.grad("ij,j->i", table, row, wrt="table[:, 1:3]").dense()
    assert run.dims == ("a", "d_a", "b")
    np.testing.assert_array_equal(run, whole[:, :, 1:3])


def test_a_derivation_ends_with_the_entry():
    steps = ed.grad("x_i A_ij x_j", wrt="x_0").explain().steps
    assert [s.rule for s in steps][-2] == "entries"
    assert steps[-2].sentence == "p is 0"
    assert "∂f/∂x_0 = " in str(ed.grad("x_i A_ij x_j", wrt="x_0", order=2).explain())
    assert "p becomes p+1" in str(ed.grad("x_i x_i", x=5, wrt="x[1:3]").explain())


def test_other_notations_name_the_entry():
    J = ed.grad("x_i A_ij x_j", wrt="x_0")
    assert J.format("matrix") == "∂f/∂x_0 = xᵀA e_0 + e_0ᵀ A x"
    assert r"\partial x_0" in J.latex()
    row = ed.grad("x_i A_ij x_j", wrt="A_0j")
    assert "a part of 'A'" in row.format("matrix")
    run = ed.grad("x_i x_i", x=5, wrt="x[1:3]")
    assert r"\partial x_{p+1<3}" in run.latex()
    assert run.table("shapes").title


@pytest.mark.parametrize(
    ("wrt", "error", "message"),
    [
        ("A_0", ed.ShapeError, "has 1 index, and 'A' 2 axes"),
        ("x_12", ed.ShapeError, r"braces: wrt='x_\{12\}'"),
        ("A[0,1,2]", ed.ShapeError, "3 indices"),
        ("A_09", ed.RangeError, "index 9 is outside of axis 1 of 'A', whose size is 4"),
        ("x[-5]", ed.RangeError, "use one from 0 to 3"),
        ("A_ii", ed.OperandError, "one letter twice"),
        ("x_{i+1}", ed.OperandError, r"wrt='x\[1:\]'"),
        ("x[a]", ed.OperandError, "'a' is no index, and no slice"),
        ("x[]", ed.OperandError, "no index"),
        ("x[::-1]", ed.OperandError, "does not go forwards"),
        ("x[::0]", ed.OperandError, "does not go forwards"),
        ("B", ed.NameNotFoundError, "wrt='A' or wrt='x'"),
        ("B_0", ed.NameNotFoundError, "wrt='A' or wrt='x'"),
        ("B[0]", ed.EinsdiffError, "B"),
        ("A_ij z_j", ed.NameNotFoundError, "has 'z', which is not in this expression"),
        ("x_j x_j", ed.NameNotFoundError, "does not occur in this expression as such"),
        ("2", ed.NameNotFoundError, "names no operand"),
        ("1/2", ed.OperandError, "is a number"),
        ("x_i +", ed.SubscriptsError, "ends too early"),
        ("A_i = exp(x_i)", ed.OperandError, "a name in this expression already"),
    ],
)
def test_what_is_no_part_is_refused(wrt, error, message):
    with pytest.raises(error, match=message):
        ed.grad("tanh(A_ij x_j)", A=A, x=x, wrt=wrt)


@pytest.mark.parametrize("wrt", ["x[-1]", "x[1:]", "x[:2]"])
def test_a_size_that_is_a_name_has_no_end(wrt):
    with pytest.raises(ed.ShapeError, match="is called"):
        ed.grad("x_i x_i", wrt=wrt)


# --- parts of expressions -----------------------------------------------------------------------


def test_an_expression_that_occurs_is_held_as_a_variable():
    text = "(y_i - A_ij x_j) (y_i - A_ik x_k)"
    J = ed.grad(text, A=A, x=x, y=y, wrt="A_ij x_j")
    np.testing.assert_allclose(J.dense(), 2 * (A @ x - y))
    assert str(J).startswith("∂f/∂z_p = ")
    assert ed.parse(str(J), A=A, x=x, y=y) == J
    r = ed.grad(text, A=A, x=x, y=y, wrt="r_i = y_i - A_ij x_j")
    assert str(r).startswith("∂f/∂r_p = ")
    np.testing.assert_allclose(r.dense(), 2 * (y - A @ x))
    H = ed.grad(text, A=A, x=x, y=y, wrt="A_ij x_j", order=2)
    np.testing.assert_allclose(H.dense(), 2 * np.eye(3))
    v = rng.normal(size=3)
    np.testing.assert_allclose(ed.hvp(text, A=A, x=x, y=y, wrt="A_ij x_j", v=v).dense(), 2 * v)
    assert J.check().ok
    assert H.check().ok
    assert "z_i = A_ij x_j" in str(J.explain())


def test_all_else_is_constant():
    J = ed.grad("A_ij x_j A_ik x_k + x_i x_i", A=A, x=x, wrt="A_ij x_j")
    np.testing.assert_allclose(J.dense(), 2 * A @ x)


@pytest.mark.parametrize(
    ("text", "wrt", "expected"),
    [
        ("z_i A_ij x_j", "A_ij x_j", "∂f/∂y_p = z_p"),
        ("z_i A_ij x_j", "z_i A_ij", "∂f/∂y_p = x_p"),
        ("z_i A_ij x_j", "A_ij z_i", "∂f/∂y_p = x_p"),
        ("A_ij x_j A_ik x_k", "A_ij x_j", "∂f/∂y_p = 2 A_pj x_j"),
        ("sin(2 x_i) y_i", "2 x_i", "∂f/∂z_p = cos(2 x_p) y_p"),
        ("3 sin(x_i)", "sin(x_i)", "∂f_i/∂y_p = 3 δ_ip"),
        ("exp(a_i - b_i - c_i)", "a_i - b_i", "∂f_i/∂y_p = δ_ip exp(a_i - b_i - c_i)"),
        ("(b_i - a_i) c_i", "a_i - b_i", "∂f/∂y_p = -c_p"),
        ("2 A_ij x_j z_i", "2 A_ij x_j", "∂f/∂y_p = z_p"),
        ("exp(x_i x_i)", "x_i x_i", "∂f/∂y = exp(x_i x_i)"),
        ("inv(X)_ij A_ji", "inv(X)_ij", "∂f/∂y_pq = A_qp"),
    ],
)
def test_where_a_part_occurs(text, wrt, expected):
    assert str(ed.grad(text, wrt=wrt)) == expected


def test_a_part_that_is_not_clear_or_not_there():
    with pytest.raises(ed.OperandError, match="in more than one way"):
        ed.grad("x_i x_j x_k", wrt="x_i x_j")
    with pytest.raises(ed.NameNotFoundError, match=r"these do: (.|\n)*'A_ij x_j'"):
        ed.grad("exp(A_ij x_j)", wrt="A_ij A_ij")
    with pytest.raises(ed.OperandError, match="a name in this expression already"):
        ed.grad("exp(A_ij x_j)", wrt="x_i = A_ij x_j")
    two = ("A_ij x_j", "x")
    with pytest.raises(ed.OperandError, match="one at a time"):
        ed.hvp("exp(A_ij x_j)", wrt=two)


def test_a_tensor_within_is_differentiated_by():
    t = ed.tensor("x", x)
    z = np.tanh(t)
    f = (z * z).sum() + t.sum()
    J = ed.grad(f, wrt=z)
    assert str(J) == "∂f/∂z_p = 2 tanh(x_p)"
    np.testing.assert_allclose(J.dense(), 2 * np.tanh(x))


@settings(max_examples=60, deadline=None)
@given(outer=expressions(), inner=expressions(), data=st.data())
def test_a_named_part_is_a_variable_of_the_outer_expression(outer, inner, data):
    f, g = outer.expression, inner.expression
    names = [n for n in f.names if n in f.formula.required]
    if not (is_settled(f) and is_settled(g)):
        return
    shape = g(**{n: inner.arrays[n] for n in g.names}).shape
    names = [n for n in names if outer.arrays[n].shape == shape]
    if not names:
        return
    name = data.draw(st.sampled_from(names))
    new = {n: ed.tensor(f"{n}_", v) for n, v in inner.arrays.items()}
    g = ed.Tensor(g.formula, {}).substitute(**{n: new[n] for n in g.names})
    arrays = {n: outer.arrays[n] for n in f.names if n != name}
    made = ed.Tensor(f.formula, {}).substitute(**{name: g}, **arrays)
    value = np.asarray(g)
    expected = f(**{**arrays, name: value})
    np.testing.assert_allclose(made.dense(), expected, rtol=1e-9, atol=1e-12)
    expected = ed.grad(ed.Tensor(f.formula, {}), wrt=name)(**arrays, **{name: value})
    np.testing.assert_allclose(ed.grad(made, wrt=name).dense(), expected, rtol=1e-9, atol=1e-12)


def test_names_may_be_written_in_latex():
    text = r"\lVert y - \Phi\theta \rVert^2"
    assert ed.grad(text, wrt=r"\theta") == ed.grad(text, wrt="θ")
    assert ed.grad(text, wrt=[r"\theta", r"\Phi"])[1] == ed.grad(text, wrt="Φ")
    assert ed.grad(r"\frac{d}{d\theta} \theta^3", wrt=r"\theta") == ed.grad("θ^3", wrt="θ")
    assert ed.grad(r"\theta_i \theta_i", wrt=r"\theta_0") == ed.grad("θ_i θ_i", wrt="θ_0")
    given = {r"\Phi": (2, 3), r"\theta": (3,)}
    assert ed.parse(r"\Phi \theta", **given).shape == (2,)
    assert ed.parse(r"f_k = 1", sizes={r"k": 2}).shape == (2,)
    with pytest.raises(ed.SubscriptsError, match="no command"):
        ed.grad(text, wrt=r"\tehta")
