"""Forms are kept in order as they are built, and written with the brackets they need."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.display.matrix.forms import (
    Form,
    apply,
    chain,
    commutation,
    compare,
    cost,
    diag,
    entry,
    eye,
    hadamard,
    has_entries,
    inverse,
    kron,
    named,
    norm,
    number,
    ones,
    power,
    subforms,
    times,
    total,
    trace,
    transpose,
    unit,
    vec,
)
from einsdiff.display.matrix.stacks import stacked
from einsdiff.display.matrix.writers import write, write_latex
from tests.display.matrix_reader import ReadingError, evaluate

A, B, S = named("A", 2), named("B", 2), named("S", 2, is_symmetric=True)
x, y = named("x", 1), named("y", 1)
a, b = named("a", 0), named("b", 0)
dx = named("∂x/∂z", 2)


def sin(form: Form) -> Form:
    return apply("sin", [form], form.rank, r"\sin")


def outer(row: int, column: int) -> Form:
    return chain([unit(row), transpose(unit(column))])


both = total([(1, unit(0)), (1, unit(1))])


def positive(form: Form) -> Form:
    return compare("[{0} > {1}]", r"\left[{0} >{1}\right]", [form, number(0)], form.rank)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        # Transposes go to the factors.
        (transpose(chain([A, B, x])), "xᵀBᵀAᵀ"),
        (transpose(S), "S"),
        (transpose(inverse(S)), "S⁻¹"),
        (inverse(transpose(A)), "A⁻ᵀ"),
        (transpose(inverse(A, "+")), "A⁺ᵀ"),
        (transpose(times(2, [chain([A, B])])), "2 BᵀAᵀ"),
        (transpose(kron([A, x])), "Aᵀ ⊗ xᵀ"),
        (transpose(commutation("m", "n")), "K_nm"),
        (transpose(diag(x)), "diag(x)"),
        (transpose(total([(1, transpose(A)), (-1, transpose(B))])), "A - B"),
        (transpose(total([(1, A), (1, B)])), "(A + B)ᵀ"),
        (transpose(total([(1, A), (1, transpose(A))])), "A + Aᵀ"),
        (transpose(sin(chain([A, transpose(A)]))), "sin(AAᵀ)"),
        (transpose(sin(A)), "sin(A)ᵀ"),
        (transpose(hadamard([transpose(A), B])), "A ⊙ Bᵀ"),
        # Products.
        (chain([eye("n"), A, eye("m")]), "A"),
        (chain([eye("n"), eye("n")]), "I_n"),
        (chain([kron([eye("m"), eye("n")]), A]), "A"),
        (chain([A, A, A, x]), "A³ x"),
        (chain([named("d", 2), named("e", 2), named("t", 2)]), "d e t"),
        (chain([named("r", 2), named("μ", 2)]), "rμ"),
        (chain([times(2, [a, A]), times(3, [x], [b])]), "6 a A x / b"),
        (chain([A, dx]), "A (∂x/∂z)"),
        (chain([A, number(0)]), "0"),
        (kron([times(2, [A]), total([(1, A), (1, B)])]), "2 A ⊗ (A + B)"),
        (kron([ones("m"), transpose(ones("n"))]), "𝟏_m ⊗ 𝟏_nᵀ"),
        (times(1, [chain([transpose(x), y]), chain([transpose(x), A, x])]), "(xᵀ y) (xᵀA x)"),
        (times(2, [chain([transpose(x), y])]), "2 xᵀ y"),
        (times(1, [total([(1, a), (1, b)]), sin(a), b]), "b sin(a) (a + b)"),
        (times(Fraction(-1, 2), [a, x], [b, b]), "-1/2 a x / b²"),
        (times(1, [a, a, b], [a, b, b]), "a / b"),
        (times(3, [a], [times(6, [a])]), "1/2"),
        (times(1, [hadamard([x, y])], [a]), "(x ⊙ y) / a"),
        (times(1, [a, hadamard([x, y])]), "a (x ⊙ y)"),
        (times(1, [named("∂x/∂z", 0), a]), "(∂x/∂z) a"),
        (times(1, [positive(a), positive(a)]), "[a > 0]"),
        # Entry by entry.
        (hadamard([x, ones("n"), y]), "x ⊙ y"),
        (hadamard([ones("n"), ones("n")]), "𝟏"),
        (hadamard([x, power(x, -1)]), "x ⊘ x"),
        (hadamard([x, y, power(x, -1)]), "y"),
        (hadamard([x, power(y, -1), power(x, -2)]), "𝟏 ⊘ (y ⊙ x)"),
        (hadamard([x, power(y, -4)]), "x ⊘ y^∘4"),
        (power(A, -1), "𝟏 𝟏ᵀ ⊘ A"),
        (power(x, Fraction(-1, 2)), "𝟏 ⊘ sqrt(x)"),
        (power(x, a), "x^∘a"),
        (power(x, total([(1, a), (-1, number(1))])), "x^∘(a - 1)"),
        (power(a, Fraction(2, 3)), "a^(2/3)"),
        (power(power(a, b), 2), "(a^b)²"),
        (power(times(2, [a]), 3), "(2 a)³"),
        (power(a, -2), "1 / a²"),
        (power(power(norm(x), 2), Fraction(1, 2)), "‖x‖"),
        (power(power(norm(A), 2), Fraction(-3, 2)), "1 / ‖A‖_F³"),
        (norm(times(1, [norm(y), x])), "‖(‖y‖) x‖"),
        # Sums.
        (total([(-1, x), (1, y)]), "y - x"),
        (total([(-1, x), (-2, y)]), "-x - 2 y"),
        (total([(1, number(1)), (1, a), (-3, number(2))]), "a - 5"),
        (total([(1, x), (2, x), (-3, x)]), "0"),
        (total([(1, total([(1, x), (1, y)])), (-1, y)]), "x"),
        (total([(1, vec(A)), (-2, vec(B))]), "vec(A - 2 B)"),
        (total([(1, transpose(vec(A))), (1, transpose(vec(B)))]), "vec(A + B)ᵀ"),
        (total([(1, vec(A)), (1, kron([x, y]))]), "vec(A) + x ⊗ y"),
        (trace(times(3, [A], [a])), "3 tr(A) / a"),
        (vec(chain([ones("m"), transpose(ones("n"))])), "vec(𝟏_m 𝟏_nᵀ)"),
        # Numbers.
        (times(1 + 2j, [x]), "(1+2j) x"),
        (times(0.5, [x]), "0.5 x"),
        (number(-2), "-2"),
        (power(number(-2), a), "(-2)^a"),
        (entry(x, 10), "x_{10}"),
        (unit(12), "e_{12}"),
        (commutation(3, "n"), "K_{3,n}"),
        (eye("batch"), "I_{batch}"),
    ],
)
def test_text(form, text):
    assert write(form) == text


@pytest.mark.parametrize(
    ("form", "latex"),
    [
        (chain([A, inverse(B), x]), "A B^{-1} x"),
        (transpose(inverse(A, "+")), r"A^{+\top}"),
        (named("∂²x/∂z∂t", 2), r"\frac{\partial^2 x}{\partial z \, \partial t}"),
        (transpose(dx), r"\left(\frac{\partial x}{\partial z}\right)^{\top}"),
        (times(Fraction(1, 2), [a], [b]), r"\frac{a}{2 b}"),
        (times(Fraction(-3, 2), [x], [total([(1, a), (1, b)])]), r"-\frac{3}{2 (a + b)} x"),
        (times(1, [a, x], [b]), r"\frac{a}{b} x"),
        (hadamard([x, power(y, -1)]), r"x \oslash y"),
        (power(x, Fraction(5, 2)), r"x^{\circ \frac{5}{2}}"),
        (power(a, Fraction(1, 2)), r"\sqrt{a}"),
        (chain([A, A, x]), "A^{2} x"),
        (norm(A), r"\left\Vert A \right\Vert_F"),
        (Form("abs", (x,), rank=1), r"\left| x \right|"),
        (kron([eye("n"), commutation("m", 3)]), r"I_{n} \otimes K_{m,3}"),
        (positive(x), r"\left[x > 0\right]"),
        (apply("f", [a, x], 1, ""), r"\operatorname{f}(a, x)"),
        (apply("expm", [total([(1, A), (1, B)])], 2, "e^{0}"), "e^{A + B}"),
        (apply("xlogy", [total([(1, a), (1, b)]), b], 0, r"{0} \log\left({1}\right)"), None),
        (named("theta", 1), r"\theta"),
        (entry(named("theta", 1), 0), r"\theta_{0}"),
    ],
)
def test_latex(form, latex):
    expected = r"(a + b) \log\left({b}\right)" if latex is None else latex
    assert write_latex(form) == expected


def test_names_of_variables_change_signs_and_spacing():
    form = total([(1, chain([A, B])), (1, eye("n"))])
    assert write(form) == "AB + I_n"
    assert write(form, ["A", "B", "loss"]) == "A B + I_n"
    assert write(form, ["A", "B", "I"]) == "AB + 𝐈_n"
    assert write(form, ["A", "B", "I_n"]) == "A B + 𝐈_n"
    assert write_latex(form, ["I"]) == r"A B + \mathbf{I}_{n}"
    assert write(unit(0), ["e0"]) == "𝐞_0"  # which LaTeX would write alike
    assert write(commutation(2, 3), ["K"]) == "𝐊_{2,3}"


def test_entries_are_written_where_no_variable_is_called_so():
    assert has_entries(x, 0, ["x", "y"])
    assert not has_entries(x, 0, ["x_0"])
    assert not has_entries(x, 0, ["x0"])
    assert not has_entries(named("x_1", 1), 0, ["x_1"])
    assert not has_entries(named("e", 1), 0, ["e"])
    assert not has_entries(sin(x), 0, [])


def test_names_that_look_alike_are_spelled_out():
    assert write_latex(total([(1, named("x1", 0)), (1, named("x_1", 0))]), ["x1", "x_1"]) == (
        r"\text{x1} + \text{x\_1}"
    )


@pytest.mark.parametrize(
    ("form", "rows", "columns", "text"),
    [
        (total([(1, unit(0)), (2, unit(1))]), 2, 1, "[1, 2]ᵀ"),
        (transpose(times(1, [total([(1, unit(0)), (2, unit(1))])], [a])), 1, 2, "[1 / a, 2 / a]"),
        (total([(1, outer(0, 1)), (-1, times(1, [a, outer(1, 0)]))]), 2, 2, "[[0, 1], [-a, 0]]"),
        (chain([both, transpose(unit(1))]), 2, 2, "[[0, 1], [0, 1]]"),
        (unit(0), 2, 1, "e_0"),  # one entry
        (total([(1, unit(0)), (2, unit(1))]), 5, 1, "e_0 + 2 e_1"),  # too many rows
        (total([(1, unit(0)), (2, unit(1))]), "n", 1, "e_0 + 2 e_1"),
        (total([(1, unit(0)), (1, x)]), 2, 1, "e_0 + x"),
        (chain([unit(0), transpose(x)]), 2, 2, "e_0 xᵀ"),
        (chain([A, unit(0)]), 2, 1, "A e_0"),
        (number(0), 2, 1, "0"),
    ],
)  # fmt: skip
def test_entries_are_stacked(form, rows, columns, text):
    assert write(stacked(form, rows, columns)) == text


def test_cost_counts_what_is_read():
    assert cost(chain([transpose(x), A, x])) == 3
    assert cost(sin(x)) == 2
    bracket = total([(1, a), (1, b)])
    assert cost(times(1, [a, bracket])) == 4
    assert cost(chain([A, total([(1, A), (1, B)])])) == 3
    assert [part.op for part in subforms(sin(x))] == ["apply", "name"]


# --- the reader of the tests ------------------------------------------------------------------

ARRAYS = {
    "A": np.array([[1.0, 2.0], [3.0, 4.0]]), "B": np.array([[0.0, 1.0], [5.0, 2.0]]),
    "x": np.array([2.0, 3.0]), "a": np.array(7.0),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shape", "expected"),
    [
        ("AB x", ((2,), ()), [[35], [73]]),
        ("xᵀA", ((), (2,)), [[11, 16]]),
        ("2 x ⊙ x", ((2,), ()), [[8], [18]]),
        ("-x ⊘ x", ((2,), ()), [[-1], [-1]]),
        ("a x / x_0", ((2,), ()), [[7], [10.5]]),
        ("[x > 2] + 𝟏", ((2,), ()), [[1], [2]]),
        ("[x, 2 x]", None, None),
        ("[a, 2 a]ᵀ", ((2,), ()), [[7], [14]]),
        ("diag(diag(A))", ((2,), (2,)), [[1, 0], [0, 4]]),
        ("A² - AA", ((2,), (2,)), [[0, 0], [0, 0]]),
        ("vec(A)ᵀ", ((), (2, 2)), [[1, 2, 3, 4]]),
        ("K_{2,2} vec(A)", ((2, 2), ()), [[1], [3], [2], [4]]),
        ("e_1ᵀ ⊗ xᵀ", ((), (2, 2)), [[0, 0, 2, 3]]),
        ("𝟏_2ᵀ ⊗ e_0", ((2,), (2,)), [[1, 1], [0, 0]]),
        ("‖x‖² - xᵀ x", ((), ()), [[0]]),
        ("‖A‖_F² - tr(AᵀA)", ((), ()), [[0]]),
        ("0", ((2,), ()), [[0], [0]]),
        ("1/2 a", ((), ()), [[3.5]]),
    ],
)
def test_reader(text, shape, expected):
    if shape is None:
        with pytest.raises(ReadingError):
            evaluate(text, ARRAYS, ((2,), (2,)))
    else:
        found = evaluate(text, ARRAYS, shape)
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "x + a", "A xᵀ", "x A", "A a", "x ⊙ A", "x ⊗ x ⊙ x", "a / x", "a / a a", "x²", "aᵀ", "x⁻¹",
        "y", "𝟏ᵀ 𝟏", "(x", "x y", "A B)", "‖A‖", "‖x‖_F", "x  + x",
        "sin x", "I_n", "a ^∘2", "∂x/∂z",
        "x ⊘ x ⊘ x", "A(x)", "1 + [x > 0]", "K_2", "[A]",
    ],
)  # fmt: skip
def test_reader_refuses(text):
    with pytest.raises((ReadingError, KeyError)):
        evaluate(text, ARRAYS, ((2,), ()))


def test_vec_order_of_the_reader():
    A = ARRAYS["A"]
    for order in ("C", "F"):
        (column,) = evaluate("vec(A)", ARRAYS, ((2, 2), ()), order).T
        np.testing.assert_array_equal(column, np.ravel(A, order))
        (column,) = evaluate("K_{2,2} vec(A)", ARRAYS, ((2, 2), ()), order).T
        np.testing.assert_array_equal(column, np.ravel(A.T, order))
    wide = np.arange(6.0).reshape(2, 3)
    for order in ("C", "F"):
        (column,) = evaluate("K_{2,3} vec(W)", {"W": wide}, ((3, 2), ()), order).T
        np.testing.assert_array_equal(column, np.ravel(wide.T, order))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("f_i = x_i / (z_0i / A_i)", "x ⊙ A ⊘ (zᵀ e_0)"),
        ("f_i = 1 / (z_0i / A_i)^2", "A ⊙ A ⊘ (zᵀ e_0 ⊙ zᵀ e_0)"),
        ("f_i = x_i / (z_0i A_i)", "x ⊘ (zᵀ e_0 ⊙ A)"),
    ],
)
def test_the_divisor_of_a_divisor_is_a_factor(text, shown):
    assert ed.parse(text).format("matrix") == f"f = {shown}"
