"""Matrix notation is read back to numbers, and says what a lecturer writes.

The numbers are those of the tensor, as `tests.display.matrix_reader` reads the text; the forms of
the catalogue are also compared with a table, so that none is lost or gets worse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import Einsum
from einsdiff.algebra.rewriting.simplification import expand
from einsdiff.display.matrix import matrix_equation as matrix
from einsdiff.display.matrix.failing import NoMatrixFormError
from einsdiff.display.matrix.forms import hadamard, named, power, times
from einsdiff.display.matrix.reader import MOST_MULTIPLIED, matrix_form
from einsdiff.display.matrix.writers import write
from einsdiff.expressions.layout import as_matrix
from tests.catalogue_rows import ROWS, SIZES, Row, called
from tests.display import drawn
from tests.display.matrix_reader import evaluate, parted
from tests.extras import katex_complaints, needs
from tests.test_catalogue import arrays_of, bound, derivative, symbols_of, tensors_of

#: Every layout and vec order; None is what is usual.
LAYOUTS = [(layout, order) for layout in (None, "numerator", "denominator") for order in ("C", "F")]

every_row = pytest.mark.parametrize("row", ROWS, ids=str)


# --- what is compared -------------------------------------------------------------------------


class Expected(NamedTuple):
    """A matrix of numbers, and the sizes of the axes that are its rows and its columns."""

    matrix: np.ndarray
    shape: tuple[tuple[int, ...], tuple[int, ...]]


def numbers(tensor: ed.Tensor, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the value of a tensor, given all of its variables or none."""
    missing = {name: arrays[name] for name in tensor.names if name not in tensor.values}
    return np.asarray(tensor(**missing) if missing else tensor)


def expected(tensor: ed.Tensor, array: np.ndarray, note: str) -> Expected:
    """Arrange numbers as a note says."""
    domain = tensor.formula.domain or 0
    split = array.ndim - domain
    shape = array.shape[:split], array.shape[split:]
    if note.startswith(("numerator", "denominator", "Hessian")):
        layout = "denominator" if note.startswith("denominator") else "numerator"
        matrix = as_matrix(array, domain, layout, note[-1])
        return Expected(matrix, shape if layout == "numerator" else shape[::-1])
    assert array.ndim <= 2, note
    shape = array.shape[:1], array.shape[1:]
    return Expected(np.reshape(array, [int(np.prod(sizes)) for sizes in shape]), shape)


def has_form(text: str) -> bool:
    return "(no matrix form: " not in text


def check(
    tensor: ed.Tensor,
    arrays: Mapping[str, np.ndarray],
    sizes: Mapping[str, int] | None = None,
    rtol: float = 1e-9,
) -> list[str]:
    """Evaluate the matrix forms of a tensor in every layout; return the texts."""
    array = numbers(tensor, arrays)
    known = {v.name: arrays[v.name] for v in tensor.formula.arguments if v.name in arrays}
    known.update({name: arrays[name] for name in arrays if name.startswith("∂")})
    texts = []
    for layout, order in LAYOUTS:
        if tensor.formula.domain is None and layout:
            continue
        text = tensor.format("matrix", layout=layout, order=order)
        tensor.latex("matrix", layout=layout, order=order)
        texts.append(text)
        if not has_form(text):
            assert text.startswith(str(tensor))
            continue
        _, right, note = parted(text)
        matrix, shape = expected(tensor, array, note)
        if layout:
            assert note == f"{layout} layout, vec order {order}"
            same = as_matrix(array, tensor.formula.domain or 0, layout, order)
            np.testing.assert_array_equal(matrix, same)
        found = evaluate(right, known, shape, order, sizes)
        assert found.shape == matrix.shape, text
        where = np.isfinite(matrix)
        scale = max(1.0, np.abs(matrix[where]).max(initial=0))
        np.testing.assert_allclose(
            found[where], matrix[where], rtol=rtol, atol=rtol * scale, err_msg=text
        )
    return texts


# --- the catalogue ----------------------------------------------------------------------------

#: The matrix form of each row's derivative, in vec order C.
FORMS = {
    "A1": "∂f/∂x = I_n  (numerator layout)",
    "A2": "∂vec(f)/∂vec(A) = I_m ⊗ I_n  (numerator layout)",
    "A3": "∂f/∂x = cᵀ  (numerator layout)",
    "A4": "∂f/∂x = 2 xᵀ  (numerator layout)",
    "A5": "∂f/∂x = A  (numerator layout)",
    "A6": "∂f/∂vec(A) = I_m ⊗ xᵀ  (numerator layout)",
    "A7": "∂vec(f)/∂vec(R) = Rᵀ ⊗ I_n + (I_n ⊗ Rᵀ) K_mn  (numerator layout)",
    "A8": "∂vec(f)/∂vec(R) = Rᵀ ⊗ I_n + (I_n ⊗ Rᵀ) K_mn  (numerator layout)",
    "A9": "∂f/∂X = a bᵀ  (in the shape of X)",
    "A10:all rows": "∂f/∂vec(A) = I_3 ⊗ xᵀ  (numerator layout)",
    "A10:one row": "∂f/∂A = e_1 xᵀ  (in the shape of A)",
    "B1": "∂f/∂x = yᵀA  (numerator layout)",
    "B2": "∂f/∂y = xᵀAᵀ  (numerator layout)",
    "B3": "∂f/∂x = xᵀ (A + Aᵀ)  (numerator layout)",
    "B4": "∂f/∂x = 2 xᵀA  (numerator layout)",
    "B5": "∂²f/∂x∂x = A + Aᵀ  (Hessian)",
    "B6": "∂f/∂z = A (∂x/∂z)  (numerator layout)",
    "B7": "∂f/∂z = xᵀ (∂y/∂z) + yᵀ (∂x/∂z)  (numerator layout)",
    "B8": "∂f/∂z = 2 xᵀ (∂x/∂z)  (numerator layout)",
    "B9": "∂f/∂z = xᵀAᵀ (∂y/∂z) + yᵀA (∂x/∂z)  (numerator layout)",
    "B10": "∂f/∂z = xᵀ (A + Aᵀ) (∂x/∂z)  (numerator layout)",
    "B10:symmetric": "∂f/∂z = 2 xᵀA (∂x/∂z)  (numerator layout)",
    "B11": "∂f/∂x = -2 (y - A x)ᵀ A  (numerator layout)",
    "B12": "∂²f/∂x∂x = 2 AᵀA  (Hessian)",
    "B13": "∂f/∂s = -2 (x - A s)ᵀ WA  (numerator layout)",
    "B14:gradient": "∂f/∂θ = -2 (y - Φ θ)ᵀ Φ  (numerator layout)",
    "B14:Hessian": "∂²f/∂θ∂θ = 2 ΦᵀΦ  (Hessian)",
    "C1:w + x by w": "∂f/∂w = I_n  (numerator layout)",
    "C1:w + x by x": "∂f/∂x = I_n  (numerator layout)",
    "C1:w - x by w": "∂f/∂w = I_n  (numerator layout)",
    "C1:w - x by x": "∂f/∂x = -I_n  (numerator layout)",
    "C2:by w": "∂f/∂w = diag(x)  (numerator layout)",
    "C2:by x": "∂f/∂x = diag(w)  (numerator layout)",
    "C3:by w": "∂f/∂w = diag(𝟏 ⊘ x)  (numerator layout)",
    "C3:by x": "∂f/∂x = -diag(w ⊘ (x ⊙ x))  (numerator layout)",
    "C4": "∂f/∂x = diag([x > 0])  (numerator layout)",
    "C5:by x": "∂f/∂x = I_n  (numerator layout)",
    "C5:by ζ": "∂f/∂ζ = 𝟏_n  (numerator layout)",
    "C6:by x": "∂f/∂x = ζ I_n  (numerator layout)",
    "C6:by ζ": "∂f/∂ζ = x  (numerator layout)",
    "C7": "∂f/∂t = [2 / t, 3 cos(3 t)]ᵀ  (numerator layout)",
    "C8:by x": "∂f/∂x = [6 x y, 2]ᵀ  (numerator layout)",
    "C8:by y": "∂f/∂y = [3 x², 8 y]ᵀ  (numerator layout)",
    "C9:exp": "∂f/∂x = diag(exp(x))  (numerator layout)",
    "C9:log": "∂f/∂x = diag(𝟏 ⊘ x)  (numerator layout)",
    "C9:sqrt": "∂f/∂x = 1/2 diag(𝟏 ⊘ sqrt(x))  (numerator layout)",
    "C9:sin": "∂f/∂x = diag(cos(x))  (numerator layout)",
    "C9:cos": "∂f/∂x = -diag(sin(x))  (numerator layout)",
    "C9:tan": "∂f/∂x = diag(𝟏 + tan(x) ⊙ tan(x))  (numerator layout)",
    "C9:arcsin": "∂f/∂x = diag(𝟏 ⊘ sqrt(𝟏 - x ⊙ x))  (numerator layout)",
    "C9:arctan": "∂f/∂x = diag(𝟏 ⊘ (𝟏 + x ⊙ x))  (numerator layout)",
    "C9:sinh": "∂f/∂x = diag(cosh(x))  (numerator layout)",
    "C9:tanh": "∂f/∂x = diag(𝟏 - tanh(x) ⊙ tanh(x))  (numerator layout)",
    "C9:log1p": "∂f/∂x = diag(𝟏 ⊘ (𝟏 + x))  (numerator layout)",
    "C9:abs": "∂f/∂x = diag(sign(x))  (numerator layout)",
    "C9:sigmoid": "∂f/∂x = diag((𝟏 - sigmoid(x)) ⊙ sigmoid(x))  (numerator layout)",
    "C9:erf": "∂f/∂x = 1.1283791670955126 diag(exp(-x ⊙ x))  (numerator layout)",
    "D1:power rule": "∂f/∂x = n x^(n - 1)",
    "D1:power rule for a number": "∂f/∂x = 5 x⁴",
    "D1:exponential": "∂f/∂x = exp(x)",
    "D1:sum rule": "∂h/∂x = ∂f/∂x + ∂g/∂x",
    "D1:product rule": "∂h/∂x = (∂f/∂x) g + f (∂g/∂x)",
    "D1:quotient rule": "∂h/∂x = (∂f/∂x) / g - f (∂g/∂x) / g²",
    "D1:chain rule": "∂h/∂x = (∂f/∂g) (∂g/∂x)",
    "D1:triple product rule": "∂u/∂x = (∂f/∂x) g h + f (∂g/∂x) h + f g (∂h/∂x)",
    "D2": "∂f/∂x = 2 cos(2 x + 1)",
    "D3": "∂f/∂x = 20 x³ cos(x⁴) sin(x⁴)⁴",
    "D4": "∂f/∂x = x³ cos(x) + 3 x² sin(x)",
    "D5": "∂f/∂x = 10 (x² + 5 x + 6)⁹ (2 x + 5)",
    "D6": "∂f/∂x = 2 x / (x² + 1)",
    "D7": "∂f/∂x = 6 x² cos(x³) / sin(x³)",
    "D8:by x": "∂f/∂x = 2 x + 4 y³",
    "D8:by y": "∂f/∂y = 12 y² (x + 2 y³)",
    "D9": "∂f/∂x = [x_1³ + 2 x_0 x_1, x_0² + 3 x_0 x_1²]  (numerator layout)",
    "D10": "∂f/∂t = 2 sin(t) cos(t) - 2 sin(t)",
    "D11": "∂f/∂t = cos(t) (2 sin(t) exp(2 t) + 3) + 2 exp(2 t) (sin(t)² + 6)",
    "D12:by p": (
        "∂f/∂p = 3 q r (2 p² + q + 5 r) + 2 p (2 p² cos(q + 2 r)² + cos(q + 2 r)² (2 p² + q "
        "+ 5 r) + 6 p q r)"
    ),
    "D12:by q": (
        "∂f/∂q = p (3 r (2 p² + 2 q + 5 r) - p cos(q + 2 r) (2 sin(q + 2 r) (2 p² + q + 5 r) "
        "- cos(q + 2 r)))"
    ),
    "D12:by r": (
        "∂f/∂r = p (3 q (2 p² + q + 10 r) - p cos(q + 2 r) (4 sin(q + 2 r) (2 p² + q + 5 r) "
        "- 5 cos(q + 2 r)))"
    ),
    "D13": ("∂f/∂t = t² sin(t) exp(t³ sin(t)² cos(t)) (2 t cos(t)² - t sin(t)² + 3 sin(t) cos(t))"),
    "D13:through a vector": (
        "∂f/∂t = t² sin(t) exp(t³ sin(t)² cos(t)) (2 t cos(t)² - t sin(t)² + 3 sin(t) cos(t))"
    ),
    "D14:by x": "∂f/∂x = y cos(y + x)",
    "D14:by y": "∂f/∂y = y cos(y + x) + sin(y + x)",
    "D15": "∂f/∂x = diag(cos(A tanh(B x))) A diag(𝟏 - tanh(B x) ⊙ tanh(B x)) B  (numerator layout)",
    "D15:unspecified functions": "∂h/∂x = (∂f/∂g) (∂g/∂x)  (numerator layout)",
    "D16": "∂²f/∂x∂x = [[2 x_1, 2 x_0 + 3 x_1²], [2 x_0 + 3 x_1², 6 x_0 x_1]]  (Hessian)",
    "E1": "∂f/∂X = I_n  (in the shape of X)",
    "E2:tr(A X)": "∂f/∂X = Aᵀ  (in the shape of X)",
    "E2:tr(X A)": "∂f/∂X = Aᵀ  (in the shape of X)",
    "E2:tr(A Xᵀ)": "∂f/∂X = A  (in the shape of X)",
    "E3": "∂f/∂X = AᵀBᵀ  (in the shape of X)",
    "E4:tr(Xᵀ X)": "∂f/∂X = 2 X  (in the shape of X)",
    "E4:square of the norm": "∂f/∂X = 2 X  (in the shape of X)",
    "E5": "∂f/∂X = X / ‖X‖_F  (in the shape of X)",
    "E6": "∂f/∂X = (A + Aᵀ) X  (in the shape of X)",
    "E7:tr(A B C)": "∂f/∂B = AᵀCᵀ  (in the shape of B)",
    "E7:tr(A)": "∂f/∂A = I_n  (in the shape of A)",
    "E7:tr(A + B)": "∂f/∂A = I_n  (in the shape of A)",
    "E7:tr(c A)": "∂f/∂A = c I_n  (in the shape of A)",
    "E8": "∂f/∂t = (∂U/∂t)ᵀ V + Uᵀ (∂V/∂t)  (in the shape of f)",
    "E9": "∂f/∂t = -A⁻¹ (∂A/∂t) A⁻¹  (in the shape of f)",
    "E10": "∂vec(f)/∂vec(X) = -X⁻¹ ⊗ X⁻ᵀ  (numerator layout)",
    "E11:det(X)": "∂f/∂X = det(X) X⁻ᵀ  (in the shape of X)",
    "E11:log det(X)": "∂f/∂X = X⁻ᵀ  (in the shape of X)",
    "E11:log of det(X)": "∂f/∂X = X⁻ᵀ  (in the shape of X)",
    "E12": "∂f/∂X = -X⁻ᵀ a bᵀ X⁻ᵀ  (in the shape of X)",
    "E12:by solving": "∂f/∂X = -X⁻ᵀ a bᵀ X⁻ᵀ  (in the shape of X)",
    "E13": "∂f/∂X = -X⁻ᵀ Aᵀ X⁻ᵀ  (in the shape of X)",
    "E14:X ⊗ Y": (
        "∂vec(f)/∂vec(X) = (I_2 ⊗ K_{3,3} ⊗ I_2) (I_2 ⊗ I_3 ⊗ vec(Y))  "
        "(numerator layout, f has shape 6 by 6)"
    ),
    "E14:A X B": "∂vec(f)/∂vec(X) = A ⊗ Bᵀ  (numerator layout)",
    "E14:vec(A X B)": "∂f/∂vec(X) = (Bᵀ ⊗ A) K_{3,2}  (numerator layout)",
    "F1": "∂f/∂μ = 2 diag(rᵀ 𝟏) μ - 2 rᵀx  (in the shape of μ)",
    "F2:active, by w": "∂f/∂w = [wᵀ x + b > 0] xᵀ  (numerator layout)",
    "F2:active, by b": "∂f/∂b = [wᵀ x + b > 0]",
    "F2:inactive, by w": "∂f/∂w = [wᵀ x + b > 0] xᵀ  (numerator layout)",
    "F2:inactive, by b": "∂f/∂b = [wᵀ x + b > 0]",
    "F3:by w": "∂f/∂w = -2 ((y - relu(X w + b 𝟏)) ⊙ [X w + b 𝟏 > 0])ᵀ X / N  (numerator layout)",
    "F3:by b": "∂f/∂b = -2 (y - relu(X w + b 𝟏))ᵀ [X w + b 𝟏 > 0] / N",
    "F4:gradient": "∂f/∂θ = -2 (y - A θ)ᵀ A / N  (numerator layout)",
    "F4:Hessian": "∂²f/∂θ∂θ = 2 AᵀA / N  (Hessian)",
    "F4:mean": "∂f/∂θ = -2/5 (y - A θ)ᵀ A  (numerator layout)",
    "F4:mean over a named size": "∂f/∂θ = -2 (y - A θ)ᵀ A / m  (numerator layout)",
    "F5": "∂f/∂x = 2 x - 4",
    "F6": "∂f/∂x = 2 x",
}

#: Which derivatives of order 0, 1 and 2 of the catalogue's functions have no form, and why.
NO_FORM = {
    "A7, order 2": "4 of its 6 axes are on one side",
    "A8, order 2": "4 of its 6 axes are on one side",
    "E10, order 2": "4 of its 6 axes are on one side",
    "B6, order 2": "∂²x/∂z∂z has 3 axes",
    "B7, order 2": "∂²x/∂z∂z has 3 axes",
    "B8, order 2": "∂²x/∂z∂z has 3 axes",
    "B9, order 2": "∂²y/∂z∂z has 3 axes",
    "B10, order 2": "∂²x/∂z∂z has 3 axes",
    "B10:symmetric, order 2": "∂²x/∂z∂z has 3 axes",
    "D15, order 2": "a sum has 3 axes",
    "D15:unspecified functions, order 2": "∂²g/∂x∂x has 3 axes",
    **{
        f"{row}, order 2": "an index stands three times in the result"
        for row in ("C3:by x", *(f"C9:{name}" for name in (
            "exp", "log", "sqrt", "sin", "cos", "tan", "arcsin", "arctan", "sinh", "tanh", "log1p",
            "sigmoid", "erf",
        )))
    },
}  # fmt: skip


def of_order(row: Row, operands: Mapping[str, Any], order: int) -> ed.Tensor:
    return called(row.build, operands) if order == 0 else derivative(row, "build", operands, order)


@every_row
def test_derivative_is_written_as_in_a_textbook(row):
    J = derivative(row, "build", symbols_of(row))
    assert J.format("matrix").replace(", vec order C", "") == FORMS[str(row)]


def test_every_row_is_in_the_table():
    assert list(FORMS) == [str(row) for row in ROWS]


@pytest.mark.parametrize("order", [0, 1, 2])
@every_row
def test_form_has_the_numbers_of_the_tensor(row, order):
    if row.of and order == 2:
        assert str(row)  # second derivatives of symbols have no arrays here
        return
    arrays = bound(row, "sine")[0] if row.of else arrays_of(row)
    tensor = of_order(row, symbols_of(row), order)
    texts = check(tensor, arrays, SIZES)
    reason = NO_FORM.get(f"{row}, order {order}")
    for text in texts:
        assert has_form(text) == (reason is None), text
        assert reason is None or text == f"{tensor}  (no matrix form: {reason})"
    if not row.of:
        check(of_order(row, tensors_of(row, arrays), order), arrays)


@every_row
def test_second_derivatives_of_symbols_say_why_they_have_no_form(row):
    if not row.of:
        return
    text = of_order(row, symbols_of(row), 2).format("matrix")
    reason = NO_FORM.get(f"{row}, order 2")
    assert has_form(text) == (reason is None)
    assert reason is None or text.endswith(f"(no matrix form: {reason})")


def catalogue_latex() -> list[str]:
    found = []
    for row in ROWS:
        for order in (0, 1, 2):
            tensor = of_order(row, symbols_of(row), order)
            for layout, vec in LAYOUTS:
                if layout is None or tensor.formula.domain is not None:
                    found.append(tensor.latex("matrix", layout=layout, order=vec))
    return sorted(set(found))


def test_katex_takes_the_catalogue():
    formulas = catalogue_latex()
    complaints = zip(formulas, katex_complaints(formulas), strict=True)
    assert [(formula, said) for formula, said in complaints if said is not None] == []


def test_matplotlib_takes_the_catalogue():
    needs("matplotlib")
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("path")
    for formula in catalogue_latex():
        parser.parse(f"${formula}$")


@pytest.mark.parametrize(
    ("row", "latex"),
    [
        ("B3", r"\frac{\partial f}{\partial x} = x^{\top} (A + A^{\top})"),
        ("B6", r"\frac{\partial f}{\partial z} = A \frac{\partial x}{\partial z}"),
        ("C7", r"\frac{\partial f}{\partial t} = \left[\frac{2}{t},\; 3 \cos(3 t)\right]^{\top}"),
        ("E5", r"\frac{\partial f}{\partial X} = \frac{1}{\left\Vert X \right\Vert_F} X"),
        (
            "F3:by b",
            r"\frac{\partial f}{\partial b} ="
            r" -\frac{2 (y - \operatorname{relu}(X w + b \mathbf{1}))^{\top}"
            r" \left[X w + b \mathbf{1} > 0\right]}{N}",
        ),
        (
            "A7",
            r"\frac{\partial \operatorname{vec}(f)}{\partial \operatorname{vec}(R)} ="
            r" R^{\top} \otimes I_{n} + (I_{n} \otimes R^{\top}) K_{mn}",
        ),
    ],
)
def test_latex(row, latex):
    (found,) = [r for r in ROWS if str(r) == row]
    assert derivative(found, "build", symbols_of(found)).latex("matrix") == latex


# --- random expressions -----------------------------------------------------------------------

#: Variables by name, with sizes by name; P and Q are invertible, S is symmetric.
SHAPES = {
    "A": "mn", "B": "nm", "C": "mm", "D": "nn", "P": "nn", "Q": "nn", "S": "nn",
    "x": "n", "z": "n", "y": "m", "a": "", "b": "",
}  # fmt: skip
FUNCTIONS = (ed.sin, ed.exp, ed.tanh)
REAL_FUNCTIONS = (ed.relu, ed.abs, ed.sigmoid)


def variables(sizes: Mapping[str, int], seed: int, is_complex: bool) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    found = {}
    for name, axes in SHAPES.items():
        array = rng.normal(size=[sizes[axis] for axis in axes])
        if is_complex:
            array = array + 1j * rng.normal(size=array.shape)
        if name in "PQ":
            array = 3 * np.eye(len(array)) + array / (2 + len(array))
        found[name] = array + array.T if name == "S" else array
    return found


@st.composite
def products(draw: st.DrawFn, operands: list[ed.Tensor]) -> ed.Tensor:
    """Draw an einsum; axes of equal sizes often share a label."""
    letters: dict[str, Any] = {}
    terms = []
    for operand in operands:
        term = ""
        for size in operand.shape:
            alike = [letter for letter, other in letters.items() if other == size]
            new = "ijklmnopqrst"[len(letters)]
            term += draw(st.sampled_from([*alike, *alike, new]))
            letters[term[-1]] = size
        terms.append(term)
    output = draw(st.lists(st.sampled_from(sorted(letters)), max_size=2)) if letters else []
    return ed.einsum(",".join(terms) + "->" + "".join(output), *operands)


@st.composite
def tensors(draw: st.DrawFn, leaves: list[ed.Tensor], functions: Any, depth: int) -> ed.Tensor:
    """Draw an expression with at most two axes."""
    kind = draw(
        st.sampled_from(["leaf", "einsum", "einsum", "einsum", "sum", "call", "inv", "ratio"])
    )
    inner = tensors(leaves, functions, depth - 1)
    if depth == 0 or kind == "leaf":
        return draw(st.sampled_from(leaves))
    if kind == "inv":
        found = ed.inv(draw(st.sampled_from([leaf for leaf in leaves if str(leaf)[0] in "PQ"])))
        return draw(st.sampled_from([found, ed.solve(leaves[4], leaves[7]), ed.det(leaves[4])]))
    if kind == "call":
        return draw(st.sampled_from(functions))(draw(inner))
    if kind == "einsum":
        count = draw(st.integers(1, 4))
        return draw(products([draw(inner) for _ in range(count)]))
    one = draw(inner)
    other = draw(st.sampled_from([leaf for leaf in leaves if leaf.shape == one.shape] or [one]))
    if kind == "ratio":
        return one / (3 + other * other)
    return draw(st.sampled_from([1, -2, 3])) * one + other


@st.composite
def cases(draw: st.DrawFn, is_complex: bool = False) -> tuple[ed.Tensor, dict, dict]:
    """Draw a tensor, the arrays of its variables, and the sizes that are names."""
    m, n = draw(st.sampled_from([(2, 3), (3, 3), (1, 2), (2, 1), (1, 1), (0, 2), (2, 0)]))
    arrays = variables({"m": m, "n": n}, draw(st.integers(0, 2**16)), is_complex)
    is_named = draw(st.booleans()) and not is_complex
    leaves = [
        ed.tensor(name, tuple(axes) if is_named else arrays[name], symmetric=name == "S")
        for name, axes in SHAPES.items()
    ]
    functions = FUNCTIONS if is_complex else FUNCTIONS + REAL_FUNCTIONS
    tensor = draw(tensors(leaves, functions, draw(st.integers(1, 2))))
    return tensor, arrays, {"m": m, "n": n} if is_named else {}


def check_case(case: tuple[ed.Tensor, dict, dict], order: int) -> None:
    tensor, arrays, sizes = case
    for name in sorted(tensor.names)[: 2 if order == 1 else 1]:
        try:
            J = ed.grad(tensor, wrt=name, order=order) if order else tensor
        except ed.EinsdiffError:
            continue
        if np.prod([sizes.get(size, size) for size in J.shape], initial=1) <= 10_000:
            check(J, arrays, sizes, rtol=1e-6)


@given(case=cases())
@settings(max_examples=60, deadline=None)
def test_random_forms_have_the_numbers_of_the_tensor(case):
    check_case(case, 0)


@given(case=cases())
@settings(max_examples=60, deadline=None)
def test_random_derivatives_have_the_numbers_of_the_tensor(case):
    check_case(case, 1)


@given(case=cases())
@settings(max_examples=30, deadline=None)
def test_random_second_derivatives_have_the_numbers_of_the_tensor(case):
    check_case(case, 2)


@given(case=cases(is_complex=True))
@settings(max_examples=40, deadline=None)
def test_complex_arrays_have_the_numbers_of_the_tensor(case):
    check_case(case, 0)
    check_case(case, 1)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("seed", range(40))
def test_drawn_tensors_have_the_numbers_of_the_tensor(seed, order):
    """Kronecker products, reshapes, slices, stacks, traces, calls of entries, axes and matrices."""
    rng = np.random.default_rng([seed, order])
    sizes = drawn.SIZES[rng.integers(len(drawn.SIZES))]
    is_named = rng.random() < 0.3
    given = drawn.arrays(rng, sizes)
    J = drawn.tensor(rng, sizes, is_named, depth=int(rng.integers(2, 4)))
    try:
        for _ in range(order if J.names else 0):
            J = ed.grad(J, wrt=str(rng.choice(sorted(J.names))))
    except ed.EinsdiffError:  # a function that is not differentiable
        return
    if np.prod([sizes.get(size, size) for size in J.shape], initial=1) <= 20_000:
        check(J, given, sizes if is_named else {}, rtol=1e-6)


# --- functions of the table, views, merged axes -----------------------------------------------

A, x, y = (np.random.default_rng(5).normal(size=shape) for shape in ((2, 3), (3,), (2,)))
C = np.random.default_rng(6).normal(size=(3, 3)) + 4 * np.eye(3)
a = np.array(1.3)
GIVEN = {"A": A, "x": x, "y": y, "C": C, "a": a}

#: Functions of tensors, and the matrix form of each.
CALLS = {
    "max": (lambda A, x, y, C, a: ed.max(A @ x), "max(A x)"),
    "product": (lambda A, x, y, C, a: ed.prod(x), "prod(x)"),
    "of ones": (lambda A, x, y, C, a: ed.prod(0 * x + a), "prod(a 𝟏_3)"),
    "logsumexp": (lambda A, x, y, C, a: ed.logsumexp(x), "logsumexp(x)"),
    "softmax": (lambda A, x, y, C, a: ed.softmax(A @ x), "softmax(A x)"),
    "softmax of rows": (
        lambda A, x, y, C, a: ed.softmax(A, axis=-1),
        "softmax acts on a part of the axes only",
    ),
    "cumsum": (lambda A, x, y, C, a: ed.cumsum(x), "cumsum(x)"),
    "expm": (lambda A, x, y, C, a: ed.expm(C), "expm(C)"),
    "cholesky": (lambda A, x, y, C, a: ed.cholesky(C @ C.T), "cholesky(CCᵀ)"),
    "eigenvalues": (lambda A, x, y, C, a: ed.eigvalsh(C + C.T), "eigvalsh(C + Cᵀ)"),
    "pseudoinverse": (lambda A, x, y, C, a: ed.pinv(A).T @ x, "A⁺ᵀ x"),
    "solve": (lambda A, x, y, C, a: ed.solve(C, A.T), "C⁻¹ Aᵀ"),
    "mean": (lambda A, x, y, C, a: ed.mean(A), "1/6 𝟏ᵀ A 𝟏"),
    "power": (lambda A, x, y, C, a: ed.abs(x) ** 2.5, "|x|^∘2.5"),
    "fifth power": (lambda A, x, y, C, a: x**5, "x^∘5"),
    "negative power": (lambda A, x, y, C, a: C**-3, "𝟏 𝟏ᵀ ⊘ (C ⊙ C ⊙ C)"),
    "exponents": (lambda A, x, y, C, a: ed.abs(x) ** (a + 1), "|x|^∘(a + 1)"),
    "exponent vector": (
        lambda A, x, y, C, a: a**x,
        "a number is raised to the entries of a vector",
    ),
    "power of a matrix": (lambda A, x, y, C, a: C @ C @ C @ x, "C³ x"),
    "norm in a norm": (lambda A, x, y, C, a: ed.norm(ed.abs(x) * ed.abs(a + 1)), None),
    "bars in bars": (lambda A, x, y, C, a: ed.abs(x * ed.abs(a + 1)), "|(|a + 1|) x|"),
    "where": (lambda A, x, y, C, a: ed.where(x > 0, x, a), "where([x > 0], x, a)"),
    "maximum": (lambda A, x, y, C, a: ed.maximum(x, 1), "maximum(x, 1)"),
    "entry": (lambda A, x, y, C, a: x[0] * x[2] ** 2, "x_0 x_2²"),
    "entry of a matrix": (lambda A, x, y, C, a: A[0, 1] * a, "a (e_0ᵀ A e_1)"),
    "row": (lambda A, x, y, C, a: A[1], "Aᵀ e_1"),
    "slice": (lambda A, x, y, C, a: x[1:], "indices are shifted, merged or compared"),
    "triangle": (lambda A, x, y, C, a: ed.triu(C), "indices are shifted, merged or compared"),
    "ravel": (lambda A, x, y, C, a: A.ravel(), "vec(A)"),
    "ravel in order F": (lambda A, x, y, C, a: A.ravel("F"), "vec(Aᵀ)"),
    "Kronecker product": (lambda A, x, y, C, a: ed.kron(A, C), "A ⊗ C"),
    "outer product": (lambda A, x, y, C, a: ed.outer(x, y), "x yᵀ"),
    "stack": (lambda A, x, y, C, a: ed.stack([a, a**2, 3 * a]), "[a, a², 3 a]ᵀ"),
    "many zeros": (lambda A, x, y, C, a: x[0] * ed.stack([0, 0, 0, a]), "a x_0 I_4 e_3"),
    "diagonal matrix": (lambda A, x, y, C, a: ed.diag(x), "diag(x)"),
    "diagonal": (lambda A, x, y, C, a: ed.diag(C) * x, "diag(C) ⊙ x"),
    "quadratic form": (lambda A, x, y, C, a: ed.exp(-(x @ C @ x) / 2), "exp(-1/2 xᵀC x)"),
    "unit vector": (lambda A, x, y, C, a: x / ed.norm(x), "x / ‖x‖"),
    "centred": (lambda A, x, y, C, a: A - A.mean(axis=0), "A - 1/2 𝟏 𝟏ᵀ A"),
    "symmetric function": (lambda A, x, y, C, a: ed.exp(A @ A.T), "exp(AAᵀ)"),
    "distances": (
        lambda A, x, y, C, a: ed.sum((A - x) ** 2, axis=1),
        "((A - 𝟏 xᵀ) ⊙ (A - 𝟏 xᵀ)) 𝟏",
    ),
    "zero": (lambda A, x, y, C, a: 0 * A, "0_{2×3}"),
    "ones": (lambda A, x, y, C, a: 0 * A + 1, "𝟏_2 𝟏_3ᵀ"),
    "complex": (lambda A, x, y, C, a: (1 + 2j) * x, "(1+2j) x"),
    "square of complex": (
        lambda A, x, y, C, a: ed.einsum("i,i->", x + 1j * C[0], x + 1j * C[0]),
        None,
    ),
    "infinite": (lambda A, x, y, C, a: float("inf") * (x @ x), "∞ ‖x‖²"),
    "long numbers": (lambda A, x, y, C, a: 1e-7 * x * a, "1e-07 a x"),
    "fraction": (lambda A, x, y, C, a: -x / 3 - a / 2, "-1/3 x - 1/2 a 𝟏"),
    "numbers beside": (lambda A, x, y, C, a: (x @ x) * (A @ x), "‖x‖² A x"),
    "products beside": (lambda A, x, y, C, a: (y @ A @ x) * (A @ x), "(yᵀA x) A x"),
    "a vector of size 1": (lambda A, x, y, C, a: A[:1] @ x, None),
}


@pytest.mark.parametrize("name", CALLS)
def test_functions_have_forms_of_their_numbers(name):
    build, form = CALLS[name]
    operands = {key: ed.tensor(key, array) for key, array in GIVEN.items()}
    tensor = build(**operands)
    text = tensor.format("matrix")
    if form is not None:
        told = parted(text)[1] if has_form(text) else text.split("(no matrix form: ")[1][:-1]
        assert told == form
    check(tensor, GIVEN)
    for wrt in tensor.names:
        check(ed.grad(tensor, wrt=wrt), GIVEN, rtol=1e-7)


def test_a_complex_square_is_no_norm():
    z = np.array([1 + 2j, 3.0])
    real, other = ed.tensor("x", z.real), ed.tensor("x", z)
    assert ed.einsum("i,i->", real, real).format("matrix") == "f = ‖x‖²"
    assert ed.einsum("i,i->", other, other).format("matrix") == "f = xᵀ x"
    Z = ed.tensor("Z", np.outer(z, z))
    assert ed.einsum("ij,ij->", Z, Z).format("matrix") == "f = tr(ZᵀZ)"
    x = ed.tensor("x", (2,))
    f = x + 1j * ed.tensor("y", (2,))
    assert "‖" not in ed.einsum("i,i->", f, f).format("matrix")


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "build", "form"),
    [
        ("I", lambda A: A @ A + A.trace() * A, "I² + tr(I) I"),
        ("K", lambda K: ed.grad(K.T, wrt="K"), "𝐊_nn"),
        ("I", lambda A: ed.grad(A @ ed.tensor("x", ("n",)), wrt="I"), "𝐈_n ⊗ xᵀ"),
        ("e", lambda e: e[0], "eᵀ 𝐞_0"),
        ("e_0", lambda e_0: e_0[1], "e_0ᵀ 𝐞_1"),
        ("AB", lambda AB: AB @ AB.T @ AB, "AB ABᵀ AB"),
        ("A AB", lambda A, AB: A @ A.T @ AB, "A Aᵀ AB"),
        ("d e", lambda d, e: d @ e, "d e"),
    ],
)
def test_names_that_look_like_signs(names, build, form):
    operands = [ed.tensor(name, ("n", "n")) for name in names.split()]
    tensor = build(*operands)
    arrays = {
        name: np.random.default_rng(k).normal(size=(3,) * len(v.shape))
        for k, (name, v) in enumerate(tensor.formula.by_name.items())
    }
    check(tensor, arrays, {"n": 3})
    assert form is None or parted(tensor.format("matrix"))[1] == form


@pytest.mark.parametrize("name", ["x", "loss", "x1", "x_1", "e", "I", "_a", "θ", "exp"])
def test_entries_of_vectors_by_name(name):
    v, other = ed.tensor(name, ("n",)), ed.tensor("x_0", ())
    arrays = {name: np.array([2.0, 3.0, 5.0]), "x_0": np.array(7.0)}
    check(v[0] * other + v[2], arrays, {"n": 3})
    check(ed.grad(v[0] * other + v[2], wrt=name), arrays, {"n": 3})


@pytest.mark.parametrize("name", ["diag", "tr", "vec", "sqrt", "sin", "inv"])
def test_a_variable_that_is_called_like_a_function(name):
    v, A = ed.tensor(name, ("n",)), ed.tensor("A", ("n", "n"))
    arrays = {name: np.array([2.0, 3.0]), "A": np.array([[1.0, 2.0], [3.0, 5.0]])}
    uses = {
        "diag": ed.grad(ed.sin(v), wrt=name),
        "tr": A.trace() * v,
        "vec": ed.tensor(name, (2, 2)).ravel(),
        "sqrt": v / ed.sqrt(v @ A @ v),
        "sin": ed.sin(v),
        "inv": ed.inv(A) @ v,
    }
    text = uses[name].format("matrix")
    if name == "inv":
        assert text == "f = A⁻¹ inv"
    else:
        assert text.endswith(f"(no matrix form: '{name}' is a variable and a function)")
    check(v @ A, arrays, {"n": 2})


def test_a_size_that_is_called_like_a_variable():
    m, v = ed.tensor("m", ()), ed.tensor("v", ("m",))
    arrays = {"m": np.array(0.5), "v": np.arange(3.0)}
    tensor = m * v.mean()
    assert tensor.format("matrix") == "f = m (vᵀ 𝟏) / tr(I_m)"
    check(tensor, arrays, {"m": 3})


def test_names_that_look_alike_in_latex():
    one, other = ed.tensor("x1", ("n",)), ed.tensor("x_1", ("n",))
    latex = (one + other).latex("matrix")
    left, right = latex.split(" = ")[1].split(" + ")
    assert left != right
    assert r"\text{" in left + right


# --- notes and headings -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subscripts", "wrt", "text"),
    [("ij->ij", ["A", "t"], "∂²f/∂A∂t"), ("ij->", ["A", "A"], "∂²f/∂vec(A)∂vec(A)")],
)
def test_mixed_derivatives(subscripts, wrt, text):
    A, t = ed.tensor("A", ("m", "n")), ed.tensor("t", ())
    tensor = ed.einsum(subscripts, ed.sin(A) * t)
    for name in wrt:
        tensor = ed.grad(tensor, wrt=name)
    arrays = {"A": np.random.default_rng(0).normal(size=(2, 3)), "t": np.array(0.7)}
    texts = check(tensor, arrays, {"m": 2, "n": 3})
    assert any(found.startswith((text, "∂")) for found in texts)


def test_shape_of_what_is_differentiated_twice_by_numbers():
    A, t = ed.tensor("A", ("m", "n")), ed.tensor("t", ())
    J = ed.grad(ed.sin(t * A), wrt="t", order=2)
    assert J.format("matrix") == "∂²f/∂t∂t = -sin(t A) ⊙ A ⊙ A  (in the shape of f)"
    v = ed.tensor("v", ("n",))
    J = ed.grad(t**2 * v, wrt="t", order=2)
    assert J.format("matrix") == "∂²f/∂t∂t = 2 v  (numerator layout, vec order C)"
    J = ed.grad(v * v, wrt="v", order=2)
    assert J.format("matrix").endswith(
        "(no matrix form: an index stands three times in the result)"
    )
    J = ed.grad(ed.einsum("i,i->", v, v) * v, wrt="v", order=2)
    assert J.format("matrix").startswith("∂vec(∂f/∂v)/∂v = ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x_i y_j z_k", "it has 3 axes"),
        ("A_ia B_ja C_ka", "an index joins three matrices"),
        ("T_ijk x_k", "T has 3 axes"),
    ],
)
def test_tensors_with_three_axes_have_no_form(text, reason):
    assert ed.parse(text).format("matrix").endswith(f"  (no matrix form: {reason})")


def test_vec_names_its_order():
    A = ed.tensor("A", ("m", 2))
    f = ed.tensor("A", (3, 2)).ravel()
    assert f.format("matrix") == "f = vec(A)  (vec order C)"
    assert f.format("matrix", order="F") == "f = vec(Aᵀ)  (vec order F)"
    assert A.format("matrix") == "A"


def test_merged_axes_are_taken_apart():
    A, x, t = ed.tensor("A", (2, 3)), ed.tensor("x", (4,)), ed.tensor("t", ())
    arrays = {"A": GIVEN["A"], "x": np.arange(4.0), "t": np.array(0.3)}
    f = ed.outer(A.ravel(), x) * t
    assert check(f, arrays)[0] == "f = t (vec(A) ⊗ xᵀ)  (vec order C)"
    by_t = check(ed.grad(f, wrt="t"), arrays)
    assert by_t[0] == "∂f/∂t = vec(A) ⊗ xᵀ  (in the shape of f, vec order C)"
    assert by_t[1] == "∂f/∂t = vec(Aᵀ) ⊗ xᵀ  (in the shape of f, vec order F)"
    for tensor in (ed.outer(A.ravel("F"), x), ed.kron(A, A), ed.kron(A.T, x)):
        J = ed.grad(tensor, wrt="A")
        assert all(has_form(text) for text in check(J, arrays))


# --- limits -----------------------------------------------------------------------------------


#: Kronecker products and vecs of which another factor has the index that they become.
MERGED = {
    "f = z ⊙ (x ⊗ y)": lambda x, y, z, X: np.kron(x, y) * z,
    "f = zᵀ (x ⊗ y)": lambda x, y, z, X: np.sum(np.kron(x, y) * z),
    "f = z ⊙ vec(X)  (vec order C)": lambda x, y, z, X: z * X.ravel(),
    "f = exp(vec(X)) ⊙ (x ⊗ y)  (vec order C)": lambda x, y, z, X: (
        np.kron(x, y) * ed.exp(X.ravel())
    ),
    "f = (y ⊗ x) ⊙ (x ⊗ y)": lambda x, y, z, X: np.kron(x, y) * np.kron(y, x),
    "f = diag(x ⊗ y)": lambda x, y, z, X: ed.diag(np.kron(x, y)),
    "f = ((𝟏_3ᵀ ⊗ 𝟏_2ᵀ) (x ⊗ y)) X": lambda x, y, z, X: X * np.sum(np.kron(x, y).reshape(3, 2)),
}


@pytest.mark.parametrize("form", MERGED)
def test_a_merged_index_that_another_factor_has(form):
    rng = np.random.default_rng(3)
    shapes = {"x": (2,), "y": (3,), "z": (6,), "X": (2, 3)}
    arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    t = MERGED[form](**{name: ed.tensor(name, shape) for name, shape in shapes.items()})
    assert check(t, arrays)[0] == form
    for name in sorted(t.names):
        J = ed.grad(t, wrt=name)
        texts = check(J, arrays)
        assert len(t.shape) == 2 or all(map(has_form, texts))
        check(ed.grad(J, wrt=name), arrays)


@pytest.mark.parametrize(
    "f", [lambda v: np.sum(ed.exp(v)), ed.logsumexp, np.linalg.norm], ids=["sum", "axes", "norm"]
)
def test_a_size_that_one_would_not_see(f):
    b = ed.tensor("b", ())
    t = f(ed.exp(np.stack([b, b * 2, b, b**2, b + 1, b**3])))
    assert "one would not see the size" in t.format("matrix")
    assert "[b, 2 b]" in f(ed.exp(np.stack([b, b * 2]))).format("matrix")


def nested(depth: int) -> ed.Tensor:
    found = x = ed.tensor("x", ("n",))
    for _ in range(depth):
        found = ed.sin(found)
    return found + x


def test_deep_expressions_are_written_or_refused():
    assert has_form(nested(90).format("matrix"))
    check(nested(60), {"x": np.arange(3.0)}, {"n": 3})
    for depth in (200, 10_000):
        text = nested(depth).format("matrix")
        assert not has_form(text)
        assert "levels deep" in text
        assert nested(depth).latex("matrix")


def test_long_sums_are_written_or_refused():
    terms = [ed.tensor(f"y{k}", ("n",)) for k in range(6000)]
    total = sum(terms[1:300], terms[0])
    arrays = {f"y{k}": np.arange(2.0) + k for k in range(300)}
    check(total, arrays, {"n": 2})
    assert not has_form(sum(terms[1:], terms[0]).format("matrix"))


def test_long_products_are_refused():
    a = ed.tensor("a", ())
    factors = [ed.sin(k * a) for k in range(1, MOST_MULTIPLIED + 2)]
    product = factors[0]
    for factor in factors[1:]:
        product = product * factor
    assert product.format("matrix").endswith(f"(no matrix form: it has {len(factors)} factors)")


def test_reader_of_nodes_tells_why():
    node = ed.einsum(
        "ai,bi,ci->abc", *(ed.tensor(n, ("m", "n")) for n in "ABC")
    ).formula.normal_form
    with pytest.raises(NoMatrixFormError, match="an index joins three matrices"):
        matrix_form(node, [0], [1, 2])
    node = ed.tensor("A", (2, 3)).formula.expr
    assert write(matrix_form(node, [1], [0])) == "Aᵀ"
    assert write(matrix_form(node, [], [0, 1])) == "vec(A)ᵀ"


def recurrent(steps: int) -> ed.Tensor:
    W, h = ed.tensor("W", ("n", "n")), ed.tensor("h", ("n",))
    for _ in range(steps):
        h = h * ed.tanh(W @ h)
    return h


def filtered(steps: int) -> ed.Tensor:
    """Return the mean of a Kalman filter."""
    A, P, Q, H, R = (
        ed.tensor(name, shape)
        for name, shape in zip("APQHR", [(3, 3)] * 3 + [(2, 3), (2, 2)], strict=True)
    )
    x = ed.tensor("x", (3,))
    for t in range(steps):
        x, P = A @ x, A @ P @ A.T + Q
        K = P @ H.T @ ed.inv(H @ P @ H.T + R)
        x, P = x + K @ (ed.tensor(f"z{t}", (2,)) - H @ x), P - K @ H @ P
    return x


@pytest.mark.parametrize(
    "tensor",
    [
        *(ed.grad(recurrent(steps), wrt=name) for steps in (7, 9, 40) for name in "Wh"),
        *(filtered(steps) for steps in (3, 4, 9)),
        *(ed.grad(filtered(steps), wrt="Q") for steps in (2, 3)),
    ],
)
def test_what_would_be_long_is_not_multiplied_out(tensor, monkeypatch):
    found = []
    monkeypatch.setattr(matrix, "_WAYS", ((lambda node: found.append(expand(node)), 1.25),))
    matrix._ways.cache_clear()
    text = tensor.format("matrix")
    assert has_form(text) or text.startswith(str(tensor))
    assert all(factors(node) <= matrix.MOST_STEPS for node in found)
    matrix._ways.cache_clear()


def factors(node):
    return sum(len(n.operands) for n in topological([node]) if isinstance(n, Einsum))


@pytest.mark.parametrize("build", [lambda t: t, lambda t: ed.grad(t, wrt="x")])
def test_what_is_short_is_multiplied_out(build):
    x, y = ed.tensor("x", ("n",)), ed.tensor("y", ("n",))
    for t in ((x + y) ** 5, (x + y) * (x - 2 * y) * (x + 3), (ed.sin(x + y) + y) ** 3 * (x + 1)):
        node = build(t).formula.normal_form
        assert expand(node) in [new for _, new in matrix._ways(node)]
        assert factors(expand(node)) <= matrix.MOST_STEPS


def test_a_power_is_not_written_factor_by_factor():
    n = 20_000_000
    t = ed.parse(f"x_ij^{n}")
    assert t.format("matrix") == f"f = x^∘{n}"
    J = ed.grad(t, wrt="x").format("matrix")
    assert J.startswith(f"∂vec(f)/∂vec(x) = {n} diag(vec(x^∘{n - 1}))")
    product = hadamard([named("x", 1), named("y", 1)])
    assert write(power(product, 5)) == "x^∘5 ⊙ y^∘5"
    assert write(power(times(2, [product]), 3)) == "8 x ⊙ x ⊙ x ⊙ y ⊙ y ⊙ y"
    assert write(power(times(2, [named("x", 1)]), n)) == f"(2 x)^∘{n}"
