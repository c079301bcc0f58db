"""Pictures of matrices and stacks: what is coloured, where blocks end, and what is written."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.expressions import pictures
from tests.catalogue_rows import ROWS
from tests.extras import needs
from tests.test_catalogue import PLAIN, arrays_of, derivative, symbols_of, tensors_of

rng = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def _matplotlib():
    needs("matplotlib")


def normal(*shape):
    return rng.standard_normal(shape)


def images(figure):
    return figure.axes[0].get_images()


def coloured(image):
    """Return which cells have a colour of their own."""
    return ~np.ma.getmaskarray(image.get_array())


def texts(figure):
    """Return all that is written in and above the picture."""
    ax = figure.axes[0]
    return [ax.get_title("left"), *(text.get_text() for text in ax.texts)]


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def lines_at(figure, vertical, width):
    """Return where lines stand, those at least this wide."""
    found = set()
    for collection in figure.axes[0].collections:
        for segment in collection.get_segments():
            across = segment[0][0] == segment[1][0]
            if across == vertical and collection.get_linewidths()[0] >= width:
                found.add(float(segment[0][0 if vertical else 1]))
    return sorted(found)


def product(**arrays):
    return ed.grad("ij,j->i", "A", "x", wrt="A", **arrays)


def gram(**arrays):
    return ed.grad("mp,mq->pq", "R", "R", wrt="R", **arrays)


# --- what is coloured -------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("layout", ["numerator", "denominator"])
@pytest.mark.parametrize("row", PLAIN, ids=str)
def test_cells_are_those_of_the_matrix(row, layout, order):
    J = derivative(row, "build", tensors_of(row, arrays_of(row)))
    matrix = J.matrix(layout, order)
    (image,) = images(J.plot(layout, order, kind="matrix"))
    shown = np.ma.filled(image.get_array(), 0)
    np.testing.assert_allclose(shown, matrix, rtol=1e-12, atol=1e-14)
    sparse = J.sparse("coo", layout, order)
    known = np.zeros(matrix.shape, bool)
    known[sparse.coords] = True
    np.testing.assert_array_equal(coloured(image), known)


@pytest.mark.parametrize("row", [row for row in ROWS if row in PLAIN], ids=str)
def test_the_structure_needs_no_values(row):
    arrays = arrays_of(row)
    by_name = derivative(row, "build", symbols_of(row))
    names = by_name.formula.named_sizes
    known = {
        size: n
        for name, array in arrays.items()
        for size, n in zip(row.shapes[name], array.shape, strict=True)
        if size in names
    }
    matrix = by_name(**{n: a for n, a in arrays.items() if n in by_name.names})
    (image,) = images(by_name.plot(kind="matrix", sizes=known))
    nonzero = np.reshape(matrix, image.get_array().shape) != 0
    assert np.all(coloured(image)[nonzero])


def test_zeros_of_values_are_coloured_and_those_of_deltas_are_not():
    J = product(A=np.zeros((2, 3)), x=np.array([0.0, 1.0, 0.0]))
    (image,) = images(J.plot(kind="matrix"))
    np.testing.assert_array_equal(coloured(image), [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]])


def test_colours_are_centred_at_zero():
    (image,) = images(product(A=np.zeros((2, 3)), x=np.array([-1.0, 0.5, 4.0])).plot(kind="matrix"))
    assert (image.norm.vmin, image.norm.vmax) == (-4.0, 4.0)
    rgb = np.array([image.cmap(image.norm(v))[:3] for v in (-4.0, 0.0, 4.0)])
    assert rgb[0, 2] > rgb[0, 0]  # blue, orange
    assert rgb[2, 0] > rgb[2, 2]
    assert np.ptp(rgb[1]) < 0.02  # grey
    assert rgb[1].max() < 0.95  # no white


def test_complex_values_are_shown_by_their_size():
    R = normal(2, 3) + 1j * normal(2, 3)
    figure = gram(R=R).plot(kind="matrix")
    matrix = gram(R=R).matrix()
    np.testing.assert_allclose(np.ma.filled(images(figure)[0].get_array(), 0), np.abs(matrix))
    assert "absolute values" in " ".join(texts(figure)).replace("\n", " ")


def test_what_is_no_number_is_seen():
    figure = ed.grad("f_i = x_i x_i", x=np.array([1.0, np.nan, np.inf]), wrt="x").plot()
    (image,) = images(figure)
    assert coloured(image)[1, 1]
    assert image.norm.vmax == 2.0
    assert image.cmap(image.norm(image.get_array()[1, 1])) == (0, 0, 0, 1)
    assert texts(figure).count("!") == 2


def test_a_tensor_that_is_no_derivative_has_its_last_axis_as_columns():
    A = normal(3, 4)
    figure = ed.tensor("A", A).plot()
    np.testing.assert_array_equal(images(figure)[0].get_array(), A)
    assert "layout" not in "".join(texts(figure))


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1, 1)])
def test_small_and_empty_tensors_are_drawn(shape, tmp_path):
    ed.tensor("A", np.ones(shape)).plot().savefig(tmp_path / "a.png")


# --- lines and labels -------------------------------------------------------------------------


def test_thick_lines_part_blocks_of_the_slow_axis_and_thin_ones_entries():
    figure = product(A=normal(3, 4), x=normal(4)).plot(kind="matrix")
    assert lines_at(figure, True, 0.9) == [4, 8]
    assert lines_at(figure, True, 0) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert lines_at(figure, False, 0.9) == []
    assert lines_at(figure, False, 0) == [1, 2]


def test_in_the_other_vec_order_the_other_axis_is_slow():
    figure = product(A=normal(3, 4), x=normal(4)).plot(kind="matrix", order="F")
    assert lines_at(figure, True, 0.9) == [3, 6, 9]
    assert labels(figure.axes[0].xaxis)[:4] == ["0,0", "1,0", "2,0", "0,1"]


def test_lines_are_nested_where_there_are_three_axes():
    x = ed.tensor("x", normal(24))
    J = ed.grad(x.reshape(2, 3, 4).transpose(2, 1, 0), wrt="x")
    figure = J.plot()
    assert lines_at(figure, False, 1.7) == [6, 12, 18]
    assert lines_at(figure, False, 1.0) == [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22]


def test_sides_are_named_and_counted_from_0():
    ax = product(A=normal(2, 3), x=normal(3)).plot(kind="matrix").axes[0]
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("i", "(p, q)")
    assert labels(ax.xaxis) == ["0,0", "0,1", "0,2", "1,0", "1,1", "1,2"]
    assert labels(ax.yaxis) == ["0", "1"]
    ax = gram(R=normal(2, 3)).plot("denominator").axes[0]
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("(r, s)", "(p, q)")


def test_large_sides_have_a_label_for_each_block_or_for_some_entries():
    figure = gram(R=normal(6, 8)).plot()
    assert labels(figure.axes[0].xaxis) == [f"r = {k}" for k in range(6)]
    assert labels(figure.axes[0].yaxis) == [f"p = {k}" for k in range(8)]
    figure = ed.grad(np.exp(ed.tensor("x", normal(50))), wrt="x").plot()
    assert labels(figure.axes[0].xaxis) == ["0", "10", "20", "30", "40"]


def test_the_formula_the_layout_and_the_count_stand_above():
    written = texts(product(A=normal(3, 4), x=normal(4)).plot(kind="matrix"))
    assert written[0] == "∂f_i/∂A_pq = δ_ip x_q"
    note = next(text for text in written if "layout" in text).replace("\n", " ")
    assert note == (
        "3 × 12, numerator layout, vec order C: the last axis runs fastest; "
        "12 of 36 entries can be other than zero"
    )


def test_long_formulas_are_cut():
    f = ed.parse("f = " + " + ".join(f"x_i A{k}_ij x_j" for k in range(40)))
    title = texts(ed.grad(f, wrt="x").plot())[0]
    assert title.endswith("…")
    assert title.count("\n") < 3


def test_values_are_written_into_small_pictures():
    figure = product(A=normal(2, 2), x=np.array([0.123, -45.0])).plot(kind="matrix")
    written = texts(figure)[1:]
    assert written.count("0.12") == written.count("−45") == 2
    assert written.count("0") == 4
    assert not any(text == "0" for text in texts(gram(R=normal(6, 8)).plot()))


# --- stacks -----------------------------------------------------------------------------------


def test_three_axes_are_a_stack_of_matrices():
    x = normal(4)
    figure = product(A=normal(3, 4), x=x).plot()
    slices = images(figure)
    assert len(slices) == 3
    for k, image in enumerate(slices):
        expected = np.zeros((3, 4))
        expected[k] = x
        np.testing.assert_array_equal(np.ma.filled(image.get_array(), 0), expected)
        np.testing.assert_array_equal(coloured(image)[:, 0], np.arange(3) == k)
    assert [t for t in texts(figure) if t.startswith("i = ")] == ["i = 0", "i = 1", "i = 2"]
    assert (figure.axes[0].get_ylabel(), figure.axes[0].get_xlabel()) == ("p", "q")


def test_slices_do_not_overlap():
    figure = product(A=normal(10, 50), x=normal(50)).plot()
    boxes = [image.get_extent() for image in images(figure)]
    for k, (left, right, bottom, top) in enumerate(boxes):
        for other in boxes[:k]:
            assert left >= other[1] or right <= other[0] or top >= other[2] or bottom <= other[3]


def test_a_matrix_by_a_vector_is_a_stack_over_the_vector():
    f = ed.parse("f_ij = x_i y_j", x=normal(2), y=normal(3))
    figure = ed.grad(f, wrt="y").plot()
    assert [t for t in texts(figure) if t.startswith("p = ")] == ["p = 0", "p = 1", "p = 2"]
    J = ed.grad(f, wrt="y").dense()
    for k, image in enumerate(images(figure)):
        np.testing.assert_array_equal(np.ma.filled(image.get_array(), 0), J[:, :, k])


def test_slices_that_are_left_out_are_named():
    figure = product(A=normal(50, 3), x=normal(3)).plot()
    assert len(images(figure)) == pictures.MOST_SLICES == 12
    assert any("i = 12 to 49 not drawn" in text for text in texts(figure))
    figure = product(A=normal(13, 3), x=normal(3)).plot()
    assert any("i = 12 not drawn" in text.replace("\n", " ") for text in texts(figure))


# --- sizes ------------------------------------------------------------------------------------


def test_sizes_that_are_not_known_are_chosen_and_told():
    figure = product().plot(kind="matrix")
    assert coloured(images(figure)[0]).shape == (3, 12)
    notes = " ".join(texts(figure)).replace("\n", " ")
    assert "sizes chosen for the picture: m = 3, n = 4" in notes


def test_sizes_that_are_given_are_taken():
    figure = product().plot(kind="matrix", sizes={"m": 5})
    assert coloured(images(figure)[0]).shape == (5, 15)
    notes = " ".join(texts(figure)).replace("\n", " ")
    assert "for m = 5" in notes
    assert "chosen for the picture: n = 3" in notes


@pytest.mark.parametrize("sizes", [{"k": 3}, {"m": -1}, {"m": 2.5}])
def test_sizes_that_mean_nothing_are_refused(sizes):
    with pytest.raises(ed.OperandError, match="give whole numbers from 0 for m, n"):
        product().plot(sizes=sizes)
    with pytest.raises(ed.OperandError, match="all sizes are known"):
        product(A=normal(2, 3), x=normal(3)).plot(sizes=sizes)


def test_large_matrices_are_thinned_and_say_so():
    U, V, T = normal(50, 20), normal(40, 20), normal(50, 40)
    H = ed.hessian("(T_ij - U_ik V_jk) (T_ij - U_il V_jl)", T=T, U=U, V=V, wrt="U")
    figure = H.plot()
    shown = images(figure)[0].get_array()
    assert shown.shape == (334, 334)
    matrix = np.pad(H.matrix(), (0, 2)).reshape(334, 3, 334, 3)
    np.testing.assert_allclose(
        np.abs(np.ma.filled(shown, 0)), np.abs(matrix).max((1, 3)), rtol=1e-12
    )
    notes = " ".join(texts(figure)).replace("\n", " ")
    assert "each cell stands for 3 × 3 entries, of which it shows the largest" in notes


def test_what_is_mostly_zero_may_be_very_large():
    figure = ed.grad(np.exp(ed.tensor("x", 10**6)), wrt="x").plot()
    assert coloured(images(figure)[0]).sum() == 400


def test_what_is_too_large_is_refused_before_anything_is_computed():
    with pytest.raises(ed.SizeError, match=r"64,000,000 entries .* at most 4,000,000"):
        ed.hessian("x_i A_ij x_j", A=np.ones((8000, 8000)), x=np.ones(8000), wrt="x").plot()


# --- figures ----------------------------------------------------------------------------------


def test_a_figure_shows_itself_and_pyplot_does_not_know_it():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    figure = product(A=normal(2, 3), x=normal(3)).plot()
    assert plt.get_fignums() == before
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_pictures_are_drawn_into_axes_that_are_given():
    from matplotlib.figure import Figure

    figure = Figure()
    left, right = figure.subplots(1, 2)
    J = product(A=normal(2, 3), x=normal(3))
    assert J.plot(ax=left) is figure
    assert J.plot(ax=right, kind="matrix") is figure
    assert (len(left.get_images()), len(right.get_images())) == (2, 1)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_formula_is_drawn_without_a_warning(row, tmp_path):
    J = derivative(row, "build", symbols_of(row))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        J.plot().savefig(tmp_path / "a.png", dpi=40)


def test_names_are_no_mathtext():
    figure = ed.grad("f = x_i x_i", wrt="x").plot()
    assert not figure.axes[0].title.get_parse_math() or "$" not in texts(figure)[0]


@pytest.mark.parametrize(
    ("options", "error", "action"),
    [
        ({"kind": "cards"}, ed.OperandError, "write 'matrix' or 'stack'"),
        ({"layout": "row"}, ed.LayoutError, "write layout='numerator' or 'denominator'"),
        ({"order": "K"}, ed.LayoutError, "write order='C'"),
    ],
)
def test_what_does_not_exist_is_refused(options, error, action):
    with pytest.raises(error, match=action):
        product().plot(**options)


def test_a_stack_has_three_axes():
    with pytest.raises(ed.OperandError, match="has three axes, and this tensor has 4"):
        gram().plot(kind="stack")


def test_without_matplotlib_the_error_names_the_extra():
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import einsdiff as ed\n"
        "try: ed.grad('ij,j->i', 'A', 'x', wrt='A').plot()\n"
        "except ed.OperandError as error: print(error)\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert 'pip install "einsdiff[plot]"' in found.stdout, found.stderr


def test_matplotlib_is_not_imported_before_it_is_needed():
    program = (
        "import sys, einsdiff as ed; ed.grad('ij,j->i', 'A', 'x', wrt='A').diagram();"
        "print('matplotlib' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.strip() == "False", found.stderr
