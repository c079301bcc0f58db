"""Text with calls of einsum, which is read as it is written, and never run."""

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.errors import EinsdiffError
from tests.catalogue_rows import ROWS, called
from tests.display.test_notations_read_back import operands
from tests.test_catalogue import derivative, symbols_of

A = np.array([[1.0, 2.0], [3.0, 4.0]])
x = np.array([0.5, -1.0])


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("row", [row for row in ROWS if not row.of], ids=str)
def test_the_catalogue_reads_back(row, order):
    symbols = symbols_of(row)
    J = called(row.build, symbols) if not order else derivative(row, "build", symbols, order)
    text = J.format("einsum")
    if "einsum(" not in text and "parse(" not in text:
        return  # which nothing tells from other notations
    again = ed.parse(text, **operands(J))
    assert again.shape == J.shape
    assert again.formula.heading.wrt == J.formula.heading.wrt
    assert ed.equal(again, J), text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('einsum("ij,j->i", A, x)', A @ x),
        ('f_i = einsum("ij,j->i", A, x) + 1', A @ x + 1),
        ('2 * exp(einsum("ij,j->i", A, x)) / x', 2 * np.exp(A @ x) / x),
        ('einsum("i,i->", x, x > 0)', (x * (x > 0)).sum()),
        ('einsum("->i", 1, i=2) * x[1]', np.full(2, x[1])),
        ('einsum("i,i->", x, parse("f_i = i", sizes={"i": 2}))', x[1]),
        ('sum(A, axis=-1) * einsum("i->i", x)', A.sum(-1) * x),
        ('f_{i<2} = einsum("ij,j->i", A, x)', A @ x),
        ("-A[0, :] + einsum('i->i', x) ** 2", -A[0] + x**2),
    ],
)
def test_what_is_read(text, value):
    given = {name: array for name, array in {"A": A, "x": x}.items() if name in text}
    np.testing.assert_allclose(np.asarray(ed.parse(text, **given)), value)


@pytest.mark.parametrize(
    "text",
    [
        'einsum("i->", __import__("os").getcwd())',
        'einsum("i->", x).__class__',
        'einsum("i->", x) if x else x',
        'einsum("i->", [y for y in x])',
        'einsum("i->", (lambda: x)())',
        'einsum("i->", x.T)',
        'einsum("ij,j->i", A, z)',
        'einsum("i->", x) + unheard(x)',
        'einsum("i->", x',
        'einsum("i->", x) ; 1',
        'eval("1") + einsum("i->", x)',
        '9 ** 9 ** 9 ** 9 * einsum("i->", x)',
        '1 / 0 * einsum("i->", x)',
        'exp(x, x, x) + einsum("i->", x)',
        'einsum("i->", x)[9]',
        'einsum("i->")',
        'einsum("i->", x, optimize=x)',
        'f_i = einsum("i->", x)',
        'f(x) = einsum("i->", x)',
        'x * Fraction(1, 0) * einsum("i->", x)',
        'einsum("i->", ' + "(" * 300 + "x" + ")" * 300 + ")",
        'einsum("i->", x)' + " + x" * 3000,
    ],
)
def test_what_is_refused(text):
    given = {name: array for name, array in {"A": A, "x": x}.items() if name in text}
    with pytest.raises(EinsdiffError):
        ed.parse(text, **given)
