"""What is printed carries all that is in it: read back, it has the same shape and value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.nodes.interning import Variable
from einsdiff.algebra.reading.equation import read
from einsdiff.algebra.rewriting.orient import normal_form
from einsdiff.display.index.lettering import Heading
from einsdiff.display.index.printer import format_equation
from einsdiff.errors import EinsdiffError
from tests.display.index.test_printer import KNOWN, LETTERS, SHAPES, expressions, normal

#: Names of all kinds: functions, labels, signs, entries, and those that begin like others.
NAMES = ("x", "x_1", "x_i", "w_1", "e", "sum", "exp", "max", "tr", "T", "A", "i", "p", "n", "ln")
SLICES = st.builds(
    slice,
    st.one_of(st.none(), st.integers(-4, 4)),
    st.one_of(st.none(), st.integers(-4, 4)),
    st.sampled_from([None, 1, 2, -1, -2, 3]),
)
ENTRIES = (
    lambda t: t,
    lambda t: -t,
    lambda t: 0 * t,
    lambda t: t * np.inf,
    lambda t: t * (1 - 2j),
    lambda t: t * t * t,
    lambda t: t + 1e-9,
    np.exp,
    lambda t: np.maximum(t, 0.5),
    lambda t: t / 3,
    lambda t: 2**t,
    lambda t: t**0.5,
    np.sum,
    lambda t: ed.grad(t * t, wrt=t) if isinstance(t.expr, Variable) else t,
)


@st.composite
def tensors(draw):
    """Tensors of sliced, stacked and multiplied vectors, some of them empty or of one entry."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    operands = {
        name: draw(st.sampled_from([(), (0,), (1,), (3,), (4,), (2, 3), (3, 3), ("n",)]))
        for name in names
    }
    parts = []
    for name, shape in operands.items():
        part = ed.tensor(name, shape)
        for _ in range(draw(st.integers(0, 2))):
            numbers = [k for k, size in enumerate(part.shape) if isinstance(size, int)]
            if numbers and len(numbers) == len(part.shape) and draw(st.booleans()):
                key = draw(st.tuples(*[SLICES] * draw(st.integers(1, len(numbers)))))
                part = part[key]
            else:
                part = draw(st.sampled_from(ENTRIES))(part)
        parts.append(part)
    whole = parts[0]
    for part in parts[1:]:
        how = draw(st.sampled_from(["stack", "concatenate", "outer", "sum", "product", "power"]))
        if how == "stack" and part.shape == whole.shape:
            whole = np.stack([whole, part])
        elif (
            how == "concatenate"
            and len(part.shape) == len(whole.shape) == 1
            and "n" not in (*part.shape, *whole.shape)
        ):
            whole = np.concatenate([whole, part])
        elif how == "sum" and (part.shape == whole.shape or not part.shape):
            whole = whole + part
        elif how == "power" and not part.shape:
            whole = part**whole
        else:
            whole = whole * np.sum(part)
    return whole, operands


def read_back(tensor):
    """Read the text of a tensor with its operands' shapes."""
    there = {v.name: v for v in tensor.formula.arguments}
    sizes = {}
    if tensor.formula.heading.wrt:  # whose left-hand side does not say all sizes
        axes = zip(tensor.formula.heading.letters, tensor.shape, strict=True)
        sizes = {letter: size for letter, size in axes if f"{letter}<{size}" not in str(tensor)}
    return read(str(tensor), there, sizes).node


@settings(max_examples=300, deadline=None)
@given(tensors())
def test_tensors_are_read_back_with_their_shape(drawn):
    tensor, _ = drawn
    again = read_back(tensor)
    assert again.shape == tensor.shape, str(tensor)
    assert normal_form(again) is tensor.formula.normal_form, str(tensor)


@settings(max_examples=300, deadline=None)
@given(tensors(), st.integers(1, 2), st.data())
def test_derivatives_are_read_back_with_their_shape(drawn, order, data):
    tensor, _ = drawn
    wrt = data.draw(st.sampled_from([v.name for v in tensor.formula.arguments]))
    try:
        derivative = ed.grad(tensor, wrt=wrt, order=order)
    except EinsdiffError:
        assume(False)  # such as one of more axes than there are letters
    text = str(derivative)
    assume("when written out" not in text)
    again = read_back(derivative)
    assert again.shape == derivative.shape, text
    assert normal_form(again) is derivative.formula.normal_form, text


@settings(max_examples=300, deadline=None)
@given(tensors())
def test_a_text_alone_is_read_with_the_same_names_and_axes_or_refused(drawn):
    tensor, operands = drawn
    try:
        reading = read(str(tensor), {}, {})
    except EinsdiffError:
        return
    sizes = {size for shape in operands.values() for size in shape if isinstance(size, str)}
    for name, node in reading.operands.items():
        if name not in sizes:  # Σ_i x_i / n, where n is a size only if x is known
            assert len(node.shape) == len(operands[name]), str(tensor)


@settings(max_examples=300, deadline=None)
@given(SHAPES.flatmap(expressions), st.sampled_from(["ijk", "pqr", "xne"]))
def test_the_left_hand_side_has_the_ranges_that_nothing_else_shows(node, letters):
    node = normal(node)
    heading = Heading("f", tuple(letters[: len(node.shape)]))
    text = format_equation(node, heading, LETTERS)
    assume(len(text) < 1000 and "when written out" not in text)
    again = read(text, KNOWN, {}).node
    assert again.shape == node.shape, text
    assert normal(again) is node, text


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda w: w[:-1], "f_{i<4} = w_{i+0}"),
        (lambda w: w[::-1], "f_{i<5} = w_{4-i}"),
        (lambda w: w[1:3], "f_{i<2} = w_{i+1}"),
        (lambda w: w[:0], "f_{i<0} = w_{i+0}"),
        (lambda w: np.sum(w[:3]), "f = Σ_{i<3} w_{i+0}"),
        (lambda w: 0 * w, "f_{i<5} = 0"),
        (lambda w: np.stack([w, w]), "f_{i<2,j} = δ_{i,0} w_j + δ_{i,1} w_j"),
        (lambda w: ed.grad(w + 1, wrt=w), "∂f_i/∂w_p = δ_ip"),
        (lambda w: ed.grad(w[:-1], wrt=w), "∂f_{i<4}/∂w_p = δ_{i+0,p}"),
        (lambda w: ed.grad(w[::2], wrt=w), "∂f_{i<3}/∂w_p = δ_{2i,p}"),
        (lambda w: ed.grad(w[::-1] ** 2, wrt=w), "∂f_{i<5}/∂w_p = 2 δ_{i+p,4} w_{4-i}"),
        (lambda w: ed.grad(np.cumsum(w), wrt=w), "∂f_{i<5}/∂w_p = [i ≥ p]"),
        (lambda w: ed.grad(w, wrt=w, order=2), "∂²w_{i<5}/∂w_p∂w_q = 0"),
        (
            lambda w: ed.grad(ed.einsum("i,i->ij", w, w, sizes={"j": 2}), wrt=w),
            "∂f_{i,j<2}/∂w_p = 2 δ_ip w_i",
        ),
        (
            lambda w: ed.grad(ed.einsum("i->jkk", w, sizes={"j": 3, "k": 4}), wrt=w),
            "∂f_{j<3,k<4,l}/∂w_p = δ_kl",
        ),
        (
            lambda w: ed.grad(np.sinh(ed.tensor("x", 2))[:, None] - np.cumsum(w), wrt=w),
            "∂f_{i<2,j<5}/∂w_p = -[j ≥ p]",
        ),
        (
            lambda w: ed.grad(np.stack([w[0] ** 2, w[1]]), wrt=w),
            "∂f_i/∂w_p = 2 δ_{i,0} δ_{p,0} w_0 + δ_{i,1} δ_{p,1}",
        ),
        (
            lambda w: ed.grad(np.stack([w[0], 2 * w[0], 0 * w[0]]), wrt=w),
            "∂f_{i<3}/∂w_p = δ_{p,0} (2 δ_{i,1} + δ_{i,0})",
        ),
        (lambda w: np.max(np.outer(w, w)), "f = max(w_i w_j)"),
        (lambda w: np.max(ed.tensor("A", (2, 5))), "f = max(A_ij)"),
        (lambda w: ed.tensor("w_1", ()) * w, "f_i = w_1_{} w_i"),
        (lambda w: w[1] * w, "f_i = w_1 w_i"),
        (lambda w: ed.tensor("e", ()) ** w, "f_i = (e)^(w_i)"),
        (lambda w: ed.tensor("e", ()) ** 2, "f = (e)^2"),
        (lambda w: ed.einsum("ii", ed.grad(ed.tensor("x", "n"), wrt="x")), "f = Σ_{i<n} 1"),
    ],
)
def test_texts_say_what_one_could_not_see(make, text):
    tensor = make(ed.tensor("w", 5))
    assert str(tensor) == text
    again = read_back(tensor)
    assert again.shape == tensor.shape
    assert normal_form(again) is tensor.formula.normal_form


def test_ranges_make_slices_of_longer_axes():
    f = np.array([1.0, 4.0, 9.0, 16.0, 25.0])
    for text in ("d_{i<4} = f_{i+1} - f_i", "d_i = f_{i+1} - f_i"):
        sizes = {} if "<" in text else {"i": 4}
        np.testing.assert_allclose(np.asarray(ed.parse(text, f=f, **sizes)), np.diff(f))
    total = ed.parse("Σ_{i<4} (f_{i+1} - f_i)^2", f=f)
    assert float(np.asarray(total)) == np.sum(np.diff(f) ** 2)
    assert ed.parse("Σ_{i<4} (f_{i+1} - f_i)^2")(f=f) == np.sum(np.diff(f) ** 2)
    assert float(np.asarray(ed.parse("Σ_{i<2} f_i", f=f))) == 5.0
    with pytest.raises(ed.ShapeError, match="size 3 as given but 5 in f"):
        ed.parse("2 f_i", f=f, i=3)
    with pytest.raises(ed.SubscriptsError, match="leaves its axis"):
        ed.parse("d_i = f_{i+1} - f_i")


def test_a_name_that_is_a_letter_too_keeps_its_own_letters():
    f = ed.parse("max(A_ij)_i x_iA")
    assert str(f) == "f_A = max(A_ij)_i x_iA"
    assert ed.parse(str(f)) == f


def test_letters_are_no_names_of_sizes_that_are_written():
    x, T, B = ed.tensor("x", "n"), ed.tensor("T", "kmn"), ed.tensor("B", "nn")
    f = np.sum(np.sum(T, axis=(1, 2)) + np.sum(x)) / (1 + B.sum(0) ** 2)
    J = ed.grad(f, wrt=x)
    assert str(J) == "∂f_i/∂x_p = Σ_{j<k} 1 / (Σ_lm B_li B_mi + 1)"
    assert ed.equal(ed.parse(str(J), x=x, B=B, sizes={"i": "n"}), J)


def test_a_run_of_one_entry_is_read_back():
    C = np.array([0.5, -2.0])
    J = ed.grad("C_q C_q", C=C, wrt="C[0:2:2]")
    np.testing.assert_allclose(ed.parse(str(J), C=C), [1.0])
