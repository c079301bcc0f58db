"""Operands with named dimensions: xarray's arrays in, xarray's arrays out."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import einsdiff as ed
from tests.extras import needs
from tests.test_catalogue import (
    PLAIN,
    Row,
    arrays_of,
    derivative,
    every_plain_row,
    symbols_of,
    tensors_of,
)

needs("xarray")

import xarray as xr  # noqa: E402

#: Rows with axes that are no variable's: stacked scalars, and several axes made one.
MADE = {"C7", "C8:by x", "C8:by y", "E14:X ⊗ Y", "E14:vec(A X B)"}


def again(name: str, taken: list[str]) -> str:
    """Name a dimension by the rule of the documentation."""
    for prefix in ("", "d_", *(f"d{k}_" for k in range(2, 9))):
        if prefix + name not in taken:
            return prefix + name
    raise AssertionError(name)


def dimensions_of(sizes: Any) -> list[str]:
    names: list[str] = []
    for size in sizes:
        names.append(again(size if isinstance(size, str) else f"size{size}", names))
    return names


def plain(dimension: str) -> str:
    return dimension.rpartition("_")[2]


def labelled(array: np.ndarray, sizes: Any) -> xr.DataArray:
    dims = dimensions_of([f"size{size}" if size.isdigit() else size for size in sizes])
    coords = {d: 10 * np.arange(n) for d, n in zip(dims, array.shape, strict=True)}
    return xr.DataArray(array, dims=dims, coords=coords)


@pytest.fixture
def A() -> xr.DataArray:
    return xr.DataArray(
        [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
        dims=("time", "space"),
        coords={"time": [2001, 2002], "space": ["a", "b", "c"], "season": ("time", [1, 2])},
    )


@pytest.fixture
def x() -> xr.DataArray:
    return xr.DataArray(
        [1.0, 0.5, 0.25],
        dims="space",
        coords={"space": ["a", "b", "c"], "height": ("space", [7.0, 8.0, 9.0]), "run": 3},
    )


# --- the catalogue ----------------------------------------------------------------------------


@every_plain_row
def test_every_row_has_the_dimensions_of_its_variables(row: Row):
    arrays = arrays_of(row)
    tensors = {
        name: ed.tensor(name, labelled(array, row.shapes[name]), symmetric=name in row.symmetric)
        for name, array in arrays.items()
    }
    J = derivative(row, "build", tensors)
    result = J.dense()
    assert isinstance(result, xr.DataArray)
    expected = np.asarray(derivative(row, "build", tensors_of(row, arrays)))
    np.testing.assert_array_equal(result.values, expected)
    np.testing.assert_array_equal(np.asarray(J), expected)
    shape = derivative(row, "build", symbols_of(row)).formula.expr.shape
    wanted = [size if isinstance(size, str) else f"size{size}" for size in shape]
    found = [plain(d) for d in result.dims]
    for k, dimension in enumerate(result.dims):
        if str(row) in MADE and dimension == f"dim_{k}":
            assert dimension not in result.coords
            wanted[k] = str(k)
        else:
            np.testing.assert_array_equal(result[dimension], 10 * np.arange(result.shape[k]))
    assert found == wanted
    xr.testing.assert_identical(J.compile()(), result)


def test_rows_of_made_axes_are_rows():
    assert {str(row) for row in PLAIN} >= MADE


# --- einsums ----------------------------------------------------------------------------------


@st.composite
def products(draw: st.DrawFn) -> tuple[list[str], str, dict[str, int]]:
    sizes = {label: draw(st.sampled_from([2, 3, 1])) for label in "ijk"}
    term = st.lists(st.sampled_from("ijk"), unique=True, max_size=3).map("".join)
    inputs = draw(st.lists(term, min_size=1, max_size=3))
    carried = sorted(set("".join(inputs)))
    output = draw(st.lists(st.sampled_from(carried), unique=True).map("".join)) if carried else ""
    return inputs, output, sizes


@settings(max_examples=60)
@given(products())
def test_random_einsums_are_those_of_xarray(case):
    inputs, output, sizes = case
    rng = np.random.default_rng(0)
    operands = [
        xr.DataArray(
            rng.normal(size=[sizes[label] for label in term]),
            dims=list(term),
            coords={label: np.arange(sizes[label]) for label in term},
        )
        for term in inputs
    ]
    tensors = [ed.tensor("ABC"[k], operand) for k, operand in enumerate(operands)]
    f = ed.einsum(",".join(inputs) + "->" + output, *tensors)
    summed = [label for label in sizes if label in "".join(inputs) and label not in output]
    expected = xr.dot(*operands, dim=summed).transpose(*output)
    xr.testing.assert_allclose(f.dense(), expected)
    for name, term in zip("ABC", inputs, strict=False):
        J = ed.grad(f, wrt=name).dense()
        assert list(J.dims) == dimensions_of(output + term)
        for dimension, label in zip(J.dims, output + term, strict=True):
            np.testing.assert_array_equal(J[dimension], np.arange(sizes[label]))


def test_without_subscripts_shared_dimensions_are_summed(A, x):
    B = xr.DataArray(np.ones((3, 4)), dims=("space", "draw"), coords={"space": list("abc")})
    for operands in ((A, x), (A, B), (A, B, x), (A,), (A, A)):
        names = [ed.tensor(f"A{k}", a).values[f"A{k}"] for k, a in enumerate(operands)]
        assert all(type(array) is np.ndarray for array in names)
        xr.testing.assert_allclose(ed.einsum(*operands).dense(), xr.dot(*operands))
    J = ed.grad(A, x, wrt="x")
    xr.testing.assert_equal(J.dense().drop_vars(("height", "run")), A)
    assert str(J) == "∂f_i/∂x_p = A_ip"


@pytest.mark.parametrize(
    "way",
    [
        lambda A, x: ed.einsum("ij,j->i", A, x),
        lambda A, x: ed.einsum("...j,j", A, x),
        lambda A, x: ed.einsum(A, [0, 1], x, [1], [0]),
        lambda A, x: ed.parse("A_ij x_j", A, x),
        lambda A, x: ed.parse("A_ij x_j", A=A, x=x),
        lambda A, x: ed.tensor("A", A) @ ed.tensor("x", x),
        lambda A, x: ed.tensor("A", A) @ x,
        lambda A, x: np.matmul(ed.tensor("A", A), x),
        lambda A, x: ed.value_and_grad(lambda A, x: A @ x, A, x, wrt="x")[0],
        lambda A, x: ed.grad(lambda x: ed.tensor("A", A) @ x, x, wrt="x").jvp(x),
        lambda A, x: ed.einsum("ij,j->i", "A", "x", A=A, x=x),
    ],
)
def test_every_way_of_writing(way, A, x):
    result = way(A, x).dense()
    xr.testing.assert_allclose(result, xr.dot(A, x))
    np.testing.assert_array_equal(result.season, [1, 2])


def test_arrays_at_call_time(A, x):
    f = ed.parse("sin(A_ij x_j)")
    expected = np.sin(xr.dot(A, x))
    xr.testing.assert_allclose(f(A=A, x=x), expected)
    xr.testing.assert_allclose(f(A=A, x=x.values), expected.drop_vars("run"))
    assert f(A=A.values, x=x.values).shape == (2,)
    compiled = f.compile()
    assert isinstance(compiled(A=A.values, x=x.values), np.ndarray)
    for _ in range(2):
        xr.testing.assert_allclose(compiled(A=A, x=x), expected)
    assert isinstance(compiled(A=A.values, x=x.values), np.ndarray)
    out = np.empty(2)
    assert compiled(A=A, x=x, out=out) is out
    np.testing.assert_allclose(out, expected)


def test_compiled_functions_of_several_results(A, x):
    value, (by_A, by_x) = ed.compile(ed.value_and_grad("Σ_i sin(A_ij x_j)", wrt=("A", "x")))(
        A=A, x=x
    )
    assert value.dims == ()
    assert by_A.dims == ("time", "space")
    assert by_x.dims == ("space",)
    np.testing.assert_array_equal(by_x.height, [7.0, 8.0, 9.0])


def test_an_array_is_found_by_its_own_name(A, x):
    data = xr.Dataset({"A": A, "x": x})
    J = ed.grad("ij,j->i", data["A"], data["x"], wrt="A")
    assert str(J) == "∂f_i/∂A_pq = δ_ip x_q"
    assert ed.grad("A_ij x_j", data["A"], data["x"], wrt="x").names == ("A", "x")
    assert ed.einsum("ij,j->i", A, x).names == ("A", "x")
    assert ed.grad("ij,j->i", A, x, wrt=A) == J


# --- dimensions of results --------------------------------------------------------------------


def test_a_dimension_that_occurs_twice(A, x):
    J = ed.grad("ij,j->i", A, x, wrt="A").dense()
    assert J.dims == ("time", "d_time", "space")
    np.testing.assert_array_equal(J.d_time, [2001, 2002])
    np.testing.assert_array_equal(J.d_season, [1, 2])
    assert J.d_season.dims == ("d_time",)
    assert J.sel(time=2001, d_time=2002).values.tolist() == [0.0, 0.0, 0.0]
    assert J.sel(time=2002, d_time=2002).values.tolist() == [1.0, 0.5, 0.25]
    D = ed.grad("x_i x_i x_i", x=x, wrt="x", order=3).dense()
    assert D.dims == ("space", "d_space", "d2_space")
    np.testing.assert_array_equal(D.d2_height, [7.0, 8.0, 9.0])
    model = xr.DataArray([1.0, 2.0], dims="d_model")
    assert ed.hessian("x_i x_i", x=model, wrt="x").dense().dims == ("d_model", "d_d_model")


def test_a_hessian_is_an_operand_again(x):
    H = ed.hessian("exp(x_i) x_i", x=x, wrt="x").dense()
    assert H.dims == ("space", "d_space")
    np.testing.assert_allclose(ed.einsum("ij,j->i", H, x).dense(), H.values @ x.values)
    q = ed.parse("x_i H_ij x_j", x=x, H=H)
    assert ed.grad(q, wrt="x").dense().dims == ("space",)
    product = ed.einsum("ij,j->ij", H, x).dense()
    assert product.dims == ("space", "d_space")
    np.testing.assert_array_equal(product.d_height, [7.0, 8.0, 9.0])
    column = ed.einsum("ij,i->j", H, x).dense()
    assert column.dims == ("d_space",)
    np.testing.assert_array_equal(column.d_space, list("abc"))
    trace = ed.einsum("ii->i", H).dense()
    assert trace.dims == ("space",)
    xr.testing.assert_equal(ed.tensor("H", H).T.dense(), H.T)


def test_one_dimension_under_two_labels(A):
    B = 2 * A
    G = ed.einsum("ij,kj->ik", A, B).dense()
    assert G.dims == ("time", "d_time")
    np.testing.assert_allclose(G, A.values @ B.values.T)
    np.testing.assert_array_equal(G.d_time, [2001, 2002])
    later = B.assign_coords(time=[2003, 2004])
    G = ed.einsum("ij,kj->ik", A, later).dense()
    np.testing.assert_array_equal(G.d_time, [2003, 2004])


def test_axes_that_are_no_variables(A, x):
    t = ed.tensor("A", A)
    assert t[:, 1:].dense().dims == ("time", "space")
    assert "space" not in t[:, 1:].dense().coords
    assert t.reshape(6).dense().dims == ("dim_0",)
    assert np.stack([t, t]).dense().dims == ("dim_0", "time", "space")
    assert (t[:, 1:] + t[:, :-1]).dense().dims == ("time", "space")


def test_functions_keep_dimensions():
    rng = np.random.default_rng(4)
    coords = {"row": [1, 2, 3], "column": list("abc")}
    M = xr.DataArray(rng.normal(size=(3, 3)) + 4 * np.eye(3), dims=("row", "column"), coords=coords)
    S = M.rename(column="d_row").drop_vars("d_row")
    m, s = ed.tensor("M", M), ed.tensor("S", S)
    assert ed.softmax(m).dense().dims == ("row", "column")
    assert np.exp(m).dense().dims == ("row", "column")
    assert ed.logsumexp(m, axis=1).dense().dims == ("row",)
    assert ed.maximum(m, 1).dense().dims == ("row", "column")
    assert ed.inv(s).dense().dims == ("row", "d_row")
    # The rows of an inverse are the columns of the matrix: they are not told here.
    assert ed.inv(m).dense().dims == ("dim_0", "dim_1")
    assert ed.det(m).dense().dims == ()
    b = xr.DataArray([1.0, 2.0, 3.0], dims="row", coords={"row": [1, 2, 3]})
    assert ed.solve(s, b).dense().dims == ("row",)


def test_coordinates_of_several_dimensions_and_levels(A, x):
    area = A.assign_coords(area=(("time", "space"), np.ones((2, 3))))
    f = ed.einsum("ij,j->ij", area, x).dense()
    assert f.area.dims == ("time", "space")
    assert "area" not in ed.einsum("ij,j->i", area, x).dense().coords
    stacked = A.drop_vars("season").stack(point=("time", "space"))
    H = ed.hessian("f = x_i x_i x_i", x=stacked, wrt="x").dense()
    assert H.dims == ("point", "d_point")
    assert list(H.indexes["d_point"].names) == ["d_time", "d_space"]
    assert H.sel(point=(2001, "b"), d_point=(2001, "b")) == 12.0


def test_what_operands_disagree_on_is_left_out(A, x):
    f = ed.einsum("ij,j->ij", A.assign_coords(run=1), x)
    assert "run" not in f.dense().coords
    other = x.assign_coords(height=("space", [0.0, 0.0, 0.0]))
    assert "height" not in ed.parse("x_i y_i x_i", x=x, y=other).dense().coords
    assert "height" not in ed.einsum("i,i->i", x, other).dense().coords


def test_one_array_under_two_names_is_two_operands(x):
    """The memory is the same, and its axes are not."""
    other = x.rename(space="place")
    f = ed.einsum("i,j->ij", x, other)
    assert f.dense().dims == ("space", "place")
    assert f.names == ("x", "other")
    assert ed.einsum("i,j->ij", x, x).dense().dims == ("space", "d_space")
    assert ed.einsum("i,i->", x, x.copy(deep=False)).names == ("x",)
    with pytest.raises(ed.ShapeError, match="label 'i' is dimension 'space' of 'x'"):
        ed.einsum("i,i->", x, other)
    with pytest.raises(ed.ShapeError, match="label 'i' has other coordinates along 'space'"):
        ed.einsum("i,i->", x, x.assign_coords(space=[1, 2, 3]))


def test_bare_arrays_have_no_names(A, x):
    """What an array holds is no operand with names, though its memory is the same."""
    named = ed.einsum("ij,j->i", A, x)
    a, b = A.values, x.values
    assert isinstance(ed.einsum("ij,j->i", a, b).dense(), np.ndarray)
    assert isinstance(named.dense(), xr.DataArray)
    mixed = ed.einsum("ij,j->i", a, x).dense()
    assert mixed.dims == ("dim_0",)
    assert isinstance(named.dense(out=np.empty(2)), np.ndarray)


def test_arrays_that_are_gone_are_forgotten(A, x):
    from einsdiff.numeric.libraries.xarray import KNOWN

    before = len(KNOWN)
    f = ed.einsum("ij,j->i", A, x)
    assert len(KNOWN) == before + 2
    del f
    assert len(KNOWN) == before


def test_other_forms_are_bare(A, x):
    J = ed.grad("sin(A_ij x_j)", A=A, x=x, wrt="x")
    assert type(J.matrix()) is np.ndarray
    assert type(J.cores().dense()) is np.ndarray
    assert type(np.asarray(J)) is np.ndarray
    assert J.check().ok
    assert str(ed.grad("A_ij x_j", A=A, x=x, wrt="A").cases())
    y = J.vjp(xr.DataArray([1.0, 2.0], dims="time", coords={"time": [2001, 2002]}))
    assert y.dense().dims == ("space",)
    H = ed.hessian("exp(x_i) x_i", x=x, wrt="x")
    np.testing.assert_allclose(H.solve(x), x.values / np.diag(np.asarray(H)))
    assert float(ed.einsum("i,i->", x, x)) == 1.3125


# --- what does not fit ------------------------------------------------------------------------


def test_a_label_of_two_dimensions_is_refused(A, x):
    y = x.rename(space="time").drop_vars("time")
    message = (
        "label 'j' is dimension 'space' of 'A' and dimension 'time' of 'y'\n\n"
        "    ij,j->i\n     ^ ^\n    A: (time: 2, space: 3)   y: (time: 3,)\n\n"
        "rename it, as in y.rename({'time': 'space'}), or bind other axes"
    )
    with pytest.raises(ed.ShapeError) as caught:
        ed.einsum("ij,j->i", A, y)
    assert str(caught.value) == message
    with pytest.raises(ed.ShapeError, match="'space' of 'A' and dimension 'time' of 'y'"):
        ed.parse("A_ij y_j", A=A, y=y)
    with pytest.raises(ed.ShapeError, match="'space' of 'A' and dimension 'time' of 'y'"):
        (ed.tensor("A", A) @ ed.tensor("y", y)).dense()
    f = ed.parse("A_ij y_j")
    for call in (f, f.compile(), ed.compile((f, f))):
        with pytest.raises(ed.ShapeError, match="one index is dimension 'space' of 'A'"):
            call(A=A, y=y)
    square = xr.DataArray(np.ones((2, 2)), dims=("row", "column"))
    with pytest.raises(ed.ShapeError, match="label 'j' is dimension 'row' of 'square' and"):
        ed.einsum("ij,jk->ik", square, square)


def test_other_coordinates_are_refused(A, x):
    y = x.assign_coords(space=["a", "b", "d"])
    with pytest.raises(ed.ShapeError) as caught:
        ed.einsum("ij,j->i", A, y)
    assert str(caught.value) == (
        "label 'j' has other coordinates along 'space' in 'A' than in 'y'\n\n"
        "    ij,j->i\n     ^ ^\n    A: (time: 2, space: 3)   y: (space: 3,)\n\n"
        "align them first, as in A, y = xr.align(A, y, join='inner')"
    )
    f = ed.parse("sin(A_ij y_j)")
    assert f(A=A, y=x).dims == ("time",)
    J = ed.grad(f, wrt="y")
    for t in (f, f.compile(), J, J.compile()):
        with pytest.raises(ed.ShapeError, match="one index has other coordinates along 'space'"):
            t(A=A, y=y)
    bound = ed.tensor("A", A) @ ed.tensor("y", y)
    for compute in (bound.dense, bound.matrix, bound.cores, bound.compile(), bound.__array__):
        with pytest.raises(ed.ShapeError, match="other coordinates along 'space'"):
            compute()
    one = ed.tensor("x", x) + ed.tensor("y", y)
    with pytest.raises(ed.ShapeError, match="other coordinates along 'space' in 'x' than in 'y'"):
        one.dense()


def test_coordinates_that_one_array_lacks_are_taken_from_the_other(A, x):
    result = ed.einsum("ij,j->ij", A.drop_vars("space"), x).dense()
    np.testing.assert_array_equal(result.space, list("abc"))


def test_entries_that_are_no_numbers_are_refused(x):
    with pytest.raises(ed.OperandError, match="operand 'y' has dtype <U1"):
        ed.tensor("y", x.space)
    with pytest.raises(ed.OperandError, match="operand 'y' is no array"):
        ed.tensor("y", xr.Dataset({"x": x}))


# --- copies, and other arrays inside ----------------------------------------------------------


def test_copies_keep_the_dimensions(A, x):
    J = ed.grad("sin(A_ij x_j)", A=A, x=x, wrt="x")
    expected = J.dense()
    for other in (pickle.loads(pickle.dumps(J)), copy.copy(J), copy.deepcopy(J)):
        xr.testing.assert_identical(other.dense(), expected)
    for other in (pickle.loads(pickle.dumps(J.compile())), copy.deepcopy(J.compile())):
        xr.testing.assert_identical(other(), expected)
    deep = copy.deepcopy(J)
    x[0] = 100.0
    xr.testing.assert_identical(deep.dense(), expected)
    assert not J.dense().equals(expected)


def test_dask_arrays_inside_stay_lazy(A, x):
    needs("dask")
    f = ed.einsum("ij,j->i", A.chunk(time=1), x)
    result = f.dense()
    assert result.chunks is not None
    xr.testing.assert_allclose(result.compute(), xr.dot(A, x))
