"""LaTeX is translated, with the places of its characters, or refused with a caret."""

from __future__ import annotations

import random
import re
import sys
from contextlib import suppress

import pytest

import einsdiff as ed
from einsdiff.notation.latex_commands import WORDS
from einsdiff.notation.latex_reader import translate
from einsdiff.notation.lexer import is_latex
from tests.catalogue_rows import ROWS, Row, names_in
from tests.test_catalogue import derivative, expression, symbols_of

#: LaTeX, the notation that it is in, and the plain text.
READ = {
    # Matrix notation.
    r"\mathbf{x}^\top A \mathbf{x}": ("matrix", "xᵀ A x"),
    r"\boldsymbol{x}^{\top} A \bm x": ("matrix", "xᵀ A x"),
    r"x^{T} A x": ("matrix", "xᵀ A x"),
    r"x'Ax": ("matrix", "x' A x"),
    r"\left( A x - y \right)^\top \bigl( A x - y \bigr)": ("matrix", "(A x - y)ᵀ (A x - y)"),
    r"\frac{1}{2}\lVert y-\Phi\theta\rVert^2": ("matrix", "1/2 ‖y - Φ θ‖^2"),
    r"\tfrac12 \|A x - y\|_2^2": ("matrix", "1/2 ‖A x - y‖_2^2"),
    r"\left\| A x \right\|": ("matrix", "‖A x‖"),
    r"\Vert X \Vert_F^2": ("matrix", "‖X‖_F^2"),
    r"\|x - \|y\| y\|": ("matrix", "‖x - (‖y‖) y‖"),
    r"\operatorname{tr}(X^\top A X)": ("matrix", "tr(Xᵀ A X)"),
    r"\mathrm{Tr}(A X B)": ("matrix", "tr(A X B)"),
    r"\operatorname{tr} A X B + 1": ("matrix", "tr(A X B) + 1"),
    r"tr(A X)": ("matrix", "tr(A X)"),
    r"\ln |X|": ("matrix", "log(|X|)"),
    r"x \odot y + x \oslash y + x \circ y": ("matrix", "x ⊙ y + x ⊘ y + x ⊙ y"),
    r"(A \otimes B) \operatorname{vec}(X)": ("matrix", "(A ⊗ B) vec(X)"),
    r"\sigma(Wx + b)": ("matrix", "sigmoid(W x + b)"),
    r"\text{softmax}(W x + b)": ("matrix", "softmax(W x + b)"),
    r"\exp(-x^\top A x)": ("matrix", "exp(-xᵀ A x)"),
    r"X^{-1} + X^{-\top} + X^{-T}": ("matrix", "X^-1 + X⁻ᵀ + X⁻ᵀ"),
    r"{X^{-1}}^\top": ("matrix", "(X^-1)ᵀ"),
    r"A^{+} x": ("matrix", "A⁺ x"),
    r"x^{\circ 2}": ("matrix", "x.^2"),
    r"\mathbf{1}^\top x": ("matrix", "𝟏ᵀ x"),
    r"\mathbb{1}^\top x": ("matrix", "𝟏ᵀ x"),
    r"\langle x, y \rangle": ("matrix", "<x, y>"),
    r"\begin{bmatrix} a & b \\ c & d \end{bmatrix} x": ("matrix", "[a, b; c, d] x"),
    r"\begin{pmatrix} x \\ y \\ \end{pmatrix}": ("matrix", "[x; y]"),
    r"\begin{vmatrix} a & b \\ c & d \end{vmatrix}": ("matrix", "det([a, b; c, d])"),
    r"\operatorname{diag}(\mathbf{1} \oslash x)": ("matrix", "diag(𝟏 ⊘ x)"),
    r"x^\top \Sigma^{-1} x": ("matrix", "xᵀ Σ^-1 x"),
    r"W_2 \sigma(W_1 x + b_1) + b_2": ("matrix", "W_2 sigmoid(W_1 x + b_1) + b_2"),
    r"\frac{x^\top A x}{x^\top x}": ("matrix", "xᵀ A x/(xᵀ x)"),
    r"\frac{A x + b}{2}": ("matrix", "(A x + b)/2"),
    r"f(x) = x^\top x": ("matrix", "f = xᵀ x"),
    # Derivatives.
    r"\frac{\partial}{\partial x} x^\top A x": ("matrix", "∂/∂x xᵀ A x"),
    r"\frac{\partial (x^\top x)}{\partial x}": ("matrix", "∂/∂x (xᵀ x)"),
    r"\frac{\partial f}{\partial X}": (None, "∂f/∂X"),
    r"\frac{\partial^2}{\partial x^2} f": (None, "∂²/∂x∂x f"),
    r"\frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q": (
        "index",
        "∂f_i/∂A_{pq} = δ_{ip} x_q",
    ),
    r"\frac{\partial^2 f}{\partial x_p \, \partial x_q} = 2 A_{ip} A_{iq}": (
        "index",
        "∂²f/∂x_p∂x_q = 2 A_{ip} A_{iq}",
    ),
    r"\frac{\partial f}{\partial \operatorname{vec}(A)} = I_{m} \otimes x^{\top}": (
        "matrix",
        "∂f/∂vec(A) = I_m ⊗ xᵀ",
    ),
    r"\frac{\partial f}{\partial X} = 2 X": ("matrix", "∂f/∂X = 2 X"),
    r"x^{\top} \frac{\partial y}{\partial z}": ("matrix", "xᵀ (∂y/∂z)"),
    r"\frac{d}{dx} (x^2)": (None, "d/dx (x^2)"),
    r"\frac{\mathrm{d}}{\mathrm{d}x} \sin x": (None, "d/dx sin(x)"),
    r"\frac{df}{dx}": (None, "df/dx"),
    r"\nabla_\theta \|y - \Phi\theta\|^2": ("matrix", "∇_θ ‖y - Φ θ‖^2"),
    r"\partial_x f": (None, "∂/∂x f"),
    # Index notation.
    r"\sum_{i=1}^{N} (y_i - A_{ij} x_j)^2": ("index", "Σ_{i=1}^{N} (y_i - A_{ij} x_j)^2"),
    r"\sum\limits_{i,j} A_{ij}": ("index", "Σ_{i,j} A_{ij}"),
    r"\prod_i x_i": ("index", "Π_i x_i"),
    r"\delta_{ij} A_{ij}": ("index", "δ_{ij} A_{ij}"),
    r"\varepsilon_{ijk} a_j b_k": ("index", "ε_{ijk} a_j b_k"),
    r"a_ib_i": ("index", "a_i b_i"),
    r"T^{ij}_k A_{ij}": ("index", "T^{ij}_k A_{ij}"),
    r"x_i^2": ("index", "x_i^2"),
    r"x^2_i": ("index", "x_i^2"),
    r"A_{i,j+1} x_{2i} B_{0,j} C_{1i} D_{01}": (
        "index",
        "A_{i,j+1} x_{2i} B_{0,j} C_{1,i} D_{0,1}",
    ),
    r"x_{i_{10}} y_{i_{10},j}": ("index", "x_{i10,} y_{i10,j}"),
    r"\max_i x_i": ("index", "max_i(x_i)"),
    r"-(X^{-1})_{ip}\, [x_i > 0]": ("index", "-(X^-1)_{ip} [x_i > 0]"),
    r"(X^{-1} b)_i": ("index", "solve(X, b)_i"),
    r"((A_{ij} B_{jk})^{-1})_{ik}": ("index", "inv(A_{ij} B_{jk})_{ik}"),
    r"\Sigma_{ij} x_i x_j": ("index", "Sigma_{ij} x_i x_j"),
    r"\mathbb{1}[x_i \geq 0] x_i": ("index", "[x_i >= 0] x_i"),
    r"\mathbb{1}_{x_i > 0} x_i": ("index", "[x_i > 0] x_i"),
    r"\hat{x}_i \bar{x}_i": ("index", "x\u0302_i x\u0304_i"),
    # What either notation has.
    r"$x^2$": (None, "x^2"),
    r"\[ x^2 . \]": (None, "x^2"),
    r"\begin{align*} y &= x^2 \\ \end{align*}": (None, "y = x^2"),
    "\\begin{equation}\n  x^2 % a square\n\\end{equation}": (None, "x^2"),
    r"\dfrac{a+b}{2c}": (None, "(a + b)/(2 c)"),
    r"1 / \frac{a}{b}": (None, "1/(a/b)"),
    r"\frac{a}{b}^2": (None, "(a/b)^2"),
    r"\log\det X": (None, "logdet(X)"),
    r"\log_2(x) + \log_{10} x": (None, "log2(x) + log10(x)"),
    r"\sin^2(x) + \cos^2 x": (None, "sin(x)^2 + cos(x)^2"),
    r"\sin 2x": (None, "sin(2 x)"),
    r"-\log\sigma(x)": (None, "-log(sigmoid(x))"),
    r"\sqrt[3]{x} + \sqrt[n]{x} + \sqrt{x}": (None, "cbrt(x) + (x)^(1/n) + sqrt(x)"),
    r"e^{-x^2} + x^{ab} + x^{n+1}": (None, "e^(-x^2) + x^(a b) + x^(n + 1)"),
    r"2 \times 3 \cdot x": (None, "2 * 3 · x"),
    r"10^{-6} x + 2.5 \cdot 10^{20} + 10^{3}": (None, "1e-6 x + 2.5e20 + 10^3"),
    r"(1 + 2\mathrm{i}) x": (None, "(1 + 2j) x"),
    r"\left\lfloor x \right\rfloor + |x|": (None, "floor(x) + abs(x)"),
    r"x \neq y": (None, "x != y"),
    r"\mathrm{loss} + w_{\mathrm{hidden}}": (None, "loss + w_hidden_{}"),
    r"\begin{cases} x & \text{if } x > 0 \\ 0 & \text{otherwise} \end{cases}": (
        None,
        "where([x > 0], x, 0)",
    ),
    r"x^n(1 - x)": (None, "x^n (1 - x)"),
}


@pytest.mark.parametrize("latex", READ)
def test_latex_is_translated(latex):
    notation, text = READ[latex]
    found = translate(latex)
    assert (found.text, found.notation) == (text, notation)


@pytest.mark.parametrize("latex", READ)
def test_each_character_has_a_place(latex):
    found = translate(latex)
    assert len(found.columns) == len(found.text) + 1
    assert all(0 <= column <= len(found.latex) for column in found.columns)
    for match in re.finditer(r"(?<![A-Za-z0-9])[a-ce-z](?![A-Za-z\u0300-\u036f])", found.text):
        is_joined = "^(a b)" in found.text and match[0] == "b"
        assert is_joined or found.latex[found.columns[match.start()]] == match[0]


@pytest.mark.parametrize(
    ("latex", "names", "text"),
    [
        ("ab + b", ["ab"], "ab + b"),
        (r"\hat{x} + \hat\theta", ["x_hat", "theta_hat", "θ_hat"], "x_hat + θ_hat"),
        (r"\theta + \lambda", ["theta", "lambda_"], "theta + lambda_"),
        ("x_{1} + x_2", ["x1", "x_2"], "x1 + x_2"),
        (r"w_{\mathrm{in}} x", ["w_in", "x"], "w_in x"),
        ("x2 + loss", ["x2", "loss"], "x2 + loss"),
        (r"\sigma(x)", ["σ", "x"], "σ(x)"),
        (r"\mathbf{I} + I", ["I"], "𝐈 + I"),
        (r"\frac{d}{dx}", ["d", "x"], "d/(d x)"),
    ],
)
def test_names_of_operands_are_spelled_as_they_are(latex, names, text):
    assert translate(latex, names).text == text


#: What is refused: the columns of the first and the last caret, and a part of what is said.
REFUSED = {
    r"x + \foo y": (4, 7, r"'\foo' is no command"),
    r"\alhpa x": (0, 5, r"write \alpha"),
    r"\mathbb{E} x": (0, 0, r"'\mathbb{E}'"),
    r"\log x y": (5, 7, "where the argument of 'log' ends is not clear"),
    r"\sin^{-1}(x)": (6, 6, "arcsin"),
    r"x^{(k)}": (3, 5, "may be no power"),
    "x^10 + \\pi": (2, 3, "write braces: {10}"),
    r"A_ij x_j + \pi": (2, 3, "write _{ij} for both"),
    r"loss + \pi": (0, 3, r"\mathrm{loss}"),
    r"x2 + \pi": (0, 1, "side by side"),
    r"\mathbf{x} + x": (13, 13, "two styles"),
    r"\sum x_i": (0, 3, "has no label"),
    r"x_1 + \cdots + x_n": (6, 11, r"\sum_{i=1}^{n}"),
    r"\left( x": (0, 0, "is not closed"),
    r"x \right)": (2, 2, "closes nothing"),
    r"\frac{x}{y": (8, 8, "'{' is not closed"),
    r"x} + \pi": (1, 1, "'}' closes nothing"),
    r"\begin{align} x &= 1 \\ y &= 2 \end{align}": (21, 22, "more than one formula"),
    r"\begin{bmatrix} a & b \\ c \end{bmatrix}": (0, 0, "different lengths"),
    r"\begin{cases} x & x > 0 \\ 0 & x < 0 \end{cases}": (0, 5, "these cases are not read"),
    r"\text{for all } x": (0, 4, "holds no name"),
    r"\frac{\partial^2 f}{\partial x}": (0, 4, "of order 2, but by 1"),
    r"\hat{x + y}": (0, 3, "over more than a letter"),
    r"\sin": (4, 4, "the argument of 'sin' is missing"),
    r"^2 + \pi": (0, 0, "has nothing before it"),
    "": (0, 0, "there is no formula"),
}


@pytest.mark.parametrize("latex", REFUSED)
def test_what_is_not_read_is_refused_with_a_caret(latex):
    first, last, said = REFUSED[latex]
    with pytest.raises(ed.SubscriptsError) as caught:
        translate(latex)
    message = str(caught.value)
    assert said in message
    below = [line for line in message.splitlines() if set(line) <= set(" ^") and "^" in line]
    if latex and first < len(latex):
        assert (below[0].index("^") - 4, len(below[0]) - 5) == (first, last)


@pytest.mark.parametrize(
    ("latex", "under"),
    [
        (r"\frac{1}{2} \theta_i \mathrm{unheard}(x_i)", "unheard"),
        (r"\sum_j \mathbf{x}_j^\top", r"\top"),
    ],
)
def test_later_errors_point_into_the_latex(latex, under):
    with pytest.raises(ed.EinsdiffError) as caught:
        ed.parse(latex)
    shown, carets = str(caught.value).splitlines()[2:4]
    assert shown == "    " + latex
    at = latex.index(under)
    assert at <= carets.index("^") - 4 <= at + len(under)


def test_errors_of_other_texts_are_left_as_they_are():
    error = ed.SubscriptsError("something", text="x y", carets=[2])
    assert error.moved("x", "y", [0, 1]) is error
    moved = error.moved("x y", r"x \theta", [0, 1, 2, 8])
    assert str(moved).splitlines()[2:4] == [r"    x \theta", "      ^"]


def test_what_is_latex():
    assert all(map(is_latex, (r"\theta", "$x$", "x^{2}", r"A_{ij} \, x_j")))
    assert not any(map(is_latex, ("A_{ij} x_j", "ij,j->i", "loss^{2}", "x' A x", "x_i^2")))


def test_words_before_a_bracket_are_functions():
    for word, name in WORDS.items():
        letters = word if word.isalnum() else rf"\mathrm{{{word}}}".replace("_", r"\_")
        assert translate(f"{letters}(x)").text == f"{name}(x)"


# --- what is printed is read ----------------------------------------------------------------------

#: Where LaTeX shows less than there is: brackets, and log1p and logdet as logarithms.
BY_VALUES = {"C9:log1p", "D5", "E11:log of det(X)"}


@pytest.mark.parametrize("row", [row for row in ROWS if str(row) not in BY_VALUES], ids=str)
def test_index_notation_in_latex_is_read(row: Row):
    operands = symbols_of(row)
    for J in (derivative(row, "build", operands), expression(row, "build", operands)):
        latex = J.latex()
        text = translate(latex, operands).text
        sizes = dict(zip(J.formula.heading.letters, J.shape, strict=True))
        again = ed.parse(
            latex if is_latex(latex) else text, sizes=sizes, **names_in(text, operands)
        )
        assert again == J


#: Whose LaTeX does not show that they have the shape of a matrix, or lacks a size.
WITHOUT_NOTE = {"E8", "E9", "F1", "C5:by ζ", "C9:log1p"}


@pytest.mark.parametrize("row", [row for row in ROWS if str(row) not in WITHOUT_NOTE], ids=str)
def test_matrix_notation_in_latex_is_read(row: Row):
    operands = symbols_of(row)
    for J in (derivative(row, "build", operands), expression(row, "build", operands)):
        latex = J.latex("matrix")
        text = translate(latex, operands, "matrix").text
        known = {name: value for name, value in operands.items() if name in text}
        plain = ed.parse(J.format("matrix").replace("AXB", "A X B"), **known)
        assert ed.parse(latex, **known).format("matrix") == plain.format("matrix")


# --- mutated texts --------------------------------------------------------------------------------

PARTS = [
    "{", "}", "^", "_", "\\", "\\\\", "&", "(", ")", "[", "]", "|", r"\|", r"\left", r"\right",
    r"\frac", r"\sqrt", r"\sum", r"\partial", r"\begin{bmatrix}", r"\end{bmatrix}", r"\text{",
    r"\begin{cases}", r"\end{cases}", r"\hat", r"\mathbf", r"\mathbb", r"\top", "'", "$", "%", "1",
    "x", "d", r"\operatorname", r"\log", r"\det", r"\nabla", r"\theta", ",", ";", "²", "ᵀ",
    "\u0302",
]  # fmt: skip


def test_mutated_latex_is_read_or_refused():
    rng = random.Random(20261201)
    texts = [latex for latex in READ if latex]
    for _ in range(3000):
        text = rng.choice(texts)
        for _ in range(rng.randint(1, 4)):
            at, end = sorted(rng.randint(0, len(text)) for _ in range(2))
            change = rng.choice(("cut", "insert", "swap", "double"))
            if change == "cut":
                text = text[:at] + text[min(end, at + 5) :]
            elif change == "insert":
                text = text[:at] + rng.choice(PARTS) + text[at:]
            elif change == "swap":
                text = text[end:] + text[at:end] + text[:at]
            else:
                text = text[:end] + text[at:end] + text[end:]
        try:
            found = translate(text, rng.choice([(), ("d", "x"), ("ab", "x_hat")]))
        except ed.EinsdiffError:
            continue
        assert len(found.columns) == len(found.text) + 1


@pytest.mark.parametrize(
    "text",
    [
        "{" * 50_000 + "x" + "}" * 50_000,
        "(" * 100_000,
        r"\frac{1}{" * 20_000 + "x" + "}" * 20_000,
        "x^{" * 40_000 + "x" + "}" * 40_000,
        "x_i" * 60_000,
        r"\hat" * 40_000,
        r"\sqrt" * 30_000,
        r"\left" * 30_000,
        "a" * 190_000,
        r"\theta" * 30_000,
        "x" + "'" * 100_000,
        "x" + "\u0302" * 100_000,
        "|x" * 60_000,
        r"\sum_" * 30_000,
        r"\text{" + "a" * 100_000 + "}",
        "\\" + "a" * 100_000,
        "1" * 190_000,
        r"\begin{bmatrix}" * 10_000,
        "&" * 100_000,
        "x" * 200_001,
    ],
    ids=lambda text: text[:12],
)
def test_long_texts_take_steps_in_proportion(text):
    half, whole = calls_of(text[: len(text) // 2]), calls_of(text)
    assert whole <= max(3 * half, 1000)
    assert whole <= 80 * len(text)


@pytest.mark.parametrize("text", [r"(y\left]( - A x)", r"[a\left]' x"])
def test_what_closes_cannot_open(text):
    with pytest.raises(ed.SubscriptsError, match="opens nothing"):
        translate(text)


def calls_of(text: str) -> int:
    """Count the functions that are called while a text is translated."""
    count = 0

    def note(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        with suppress(ed.EinsdiffError):
            translate(text)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("text", [r"\|x\|_1", r"\lVert x \rVert_1"])
def test_the_norm_of_a_name_that_is_known_is_no_entry_of_it(text):
    assert translate(text, {"x"}).text == translate(text).text == "‖x‖_1"
