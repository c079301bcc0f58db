"""Bounds and conditions at the signs of sums and products, and functions without brackets."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.errors import EinsdiffError

x = np.array([1.0, 3, 7, 2, 5])
y = np.array([2.0, -1, 4, 0.5, 3])
A = np.arange(25.0).reshape(5, 5) ** 1.5 % 7

#: What is written, and what it means in NumPy.
READ = [
    ("Σ_{i=1}^{n} x_i", x.sum()),
    ("Σ_{i=1}^n x_i", x.sum()),
    ("Σ^n_{i=1} x_i", x.sum()),
    ("Σᵢ₌₁ⁿ xᵢ", x.sum()),
    ("Σ_{i=1..n} x_i", x.sum()),
    ("Σ_{i=0}^{n-1} x_i", x.sum()),
    ("Σ_{i=1}^{5} x_i", x.sum()),
    ("Σ_{i=0}^{3} x_i", x[:4].sum()),
    ("Σ_{i<n} x_i", x.sum()),
    ("Σ_{i≤n} x_i", x.sum()),
    ("Σ_{i>=2} x_i", x[2:].sum()),
    ("1/n Σ_{i=1}^{n} (x_i - y_i)^2", ((x - y) ** 2).mean()),
    ("Σ_{i=1}^{n-1} (x_{i+1} - x_i)^2", (np.diff(x) ** 2).sum()),
    ("Σ_{i=0}^{n-2} (x_{i+1} - x_i)^2", (np.diff(x) ** 2).sum()),
    ("Σ_{i=2}^{n} (x_i - x_{i-1})^2", (np.diff(x) ** 2).sum()),
    ("Σ_{i=1}^{n-2} (x_{i+2} - 2 x_{i+1} + x_i)^2", (np.diff(x, 2) ** 2).sum()),
    ("Σ_{i=1}^{n-1} i (x_{i+1} - x_i)", (np.arange(1, 5) * np.diff(x)).sum()),
    ("Σ_{i=0}^{n-2} i (x_{i+1} - x_i)", (np.arange(4) * np.diff(x)).sum()),
    ("Σ_{i,j=1}^{n} A_ij", A.sum()),
    ("Σ_{i<j} A_ij", np.triu(A, 1).sum()),
    ("Σ_{i≤j} A_ij", np.triu(A).sum()),
    ("Σ_{i≠j} A_ij", A.sum() - A.trace()),
    ("Σ_{1≤i<j≤n} A_ij", np.triu(A, 1).sum()),
    ("Σ_{i=1}^{n} Σ_{j=i+1}^{n} A_ij", np.triu(A, 1).sum()),
    ("Σ_{i=1}^{n} Σ_{j=1}^{i} A_ij", np.tril(A).sum()),
    ("Σ_{i=1}^{n-1} Σ_{j=i+1}^{n} A_ij", np.triu(A, 1).sum()),
    ("Σ_{i<j<k} x_i x_j x_k", sum(a * b * c for i, a in enumerate(x) for j, b in enumerate(x)
                                 for k, c in enumerate(x) if i < j < k)),
    ("f_i = Σ_{j≠i} A_ij", A.sum(1) - np.diag(A)),
    ("f_i = Σ_{j≠i} x_j", x.sum() - x),
    ("f_i = Σ_{j≤i} x_j", np.cumsum(x)),
    ("f_i = Σ_{j<i} A_ij", np.tril(A, -1).sum(1)),
    ("f_i = Σ_{j=0}^{i} x_j", np.cumsum(x)),
    ("Π_i x_i", x.prod()),
    ("∏_{i=1}^{n} x_i", x.prod()),
    ("prod_i x_i", x.prod()),
    ("Π_{i=1}^{n-1} (x_{i+1} + x_i)", (x[1:] + x[:-1]).prod()),
    ("f_i = Π_{j≠i} x_j", x.prod() / x),
    ("f_i = Π_j A_ij", A.prod(1)),
    ("sum_i x_i", x.sum()),
    ("sum_j A_ij x_j", A @ x),
    ("sum_{i} x_i y_i", x @ y),
    ("delta_ij A_ij", A.trace()),
    ("Σ_i i x_i", np.arange(5) @ x),
    ("Σ_{i=1}^{n} i x_i", np.arange(1, 6) @ x),
    ("f_i = i x_i + i^2", np.arange(5) * x + np.arange(5) ** 2),
    ("Σ_i x_i cos(i)", x @ np.cos(np.arange(5))),
    ("f_j = Σ_i x_i^(j)", (x[:, None] ** np.arange(5)).sum(0)),
    ("Σ_{i=1}^{5} 1", 5),
    ("Σ_{i<4} i", 6),
    ("sin x_i", np.sin(x)),
    ("sin^2(x_i)", np.sin(x) ** 2),
    ("sin² x_i", np.sin(x) ** 2),
    ("exp 2x_i", np.exp(2 * x)),
    ("Σ_i log x_i", np.log(x).sum()),
    ("f_i = 2 sin x_i cos x_i", np.sin(2 * x)),
    ("f_i = x_{(i+1)%n}", np.roll(x, -1)),
    ("f_i = x_{(i-1)%5}", np.roll(x, 1)),
    ("f_i = y_k x_{(i-k)%n}", sum(y[k] * np.roll(x, k) for k in range(5))),
    ("Σ_i (x_i - x_{(i+1)%n})^2", ((x - np.roll(x, -1)) ** 2).sum()),
    ("f_i = Σ_{k≤i} y_k x_{i-k}", np.convolve(x, y)[:5]),
    ("f_i = Σ_{k=0}^{i} y_k x_{i-k}", np.convolve(x, y)[:5]),
    (r"\sum_{i=1}^{n} x_i y_i", x @ y),
    (r"\sum_{i=1}^{n-1} (x_{i+1} - x_i)^2", (np.diff(x) ** 2).sum()),
    (r"\sum_{i<j} A_{ij}", np.triu(A, 1).sum()),
    (r"\sum_{1 \le i < j \le n} A_{ij}", np.triu(A, 1).sum()),
    (r"\prod_{i=1}^{n} x_i", x.prod()),
    (r"f_i = \sum_{j \neq i} x_j", x.sum() - x),
]  # fmt: skip


def operands(text):
    """Return the arrays that stand in a text."""
    known = {"x": x, "y": y, "A": A}
    return {name: a for name, a in known.items() if re.search(rf"(?<![a-zA-Z\\]){name}", text)}


@pytest.mark.parametrize(("text", "value"), READ, ids=[text for text, _ in READ])
def test_what_stands_at_signs_is_read(text, value):
    sizes = {"j": 5} if text.startswith("f_j") else {}
    f = ed.parse(text, **operands(text), **sizes)
    np.testing.assert_allclose(np.asarray(f), value, rtol=1e-13)
    again = ed.parse(str(f), **operands(text))
    np.testing.assert_allclose(np.asarray(again), value, rtol=1e-13)
    if "x" in operands(text):
        assert ed.check(f, wrt="x").ok


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Σ_{i=1}^{n} x_i", "f = Σ_i x_i"),
        ("1/n Σ_{i=1}^{n} x_i", "f = Σ_i x_i / n"),
        ("Σ_{k=0}^{n} a_k x^k", "f = Σ_k a_k x^(k)"),
        ("Σ_{i<j} x_i x_j", "f = [j ≥ i+1] x_i x_j"),
        ("Σ_{i=1}^{n} i x_i", "f = Σ_i x_i (1 + i)"),
        ("sin^2(x) + sin x", "f = sin(x) + sin(x)^2"),
        ("2 sin x cos x", "f = 2 cos(x) sin(x)"),
        ("sin 2x", "f = sin(2 x)"),
    ],
)
def test_named_sizes_and_scalars(text, shown):
    assert str(ed.parse(text)) == shown
    sizes = {"x": "n"} if "x_i" in text else {}
    assert ed.parse(shown, **sizes) == ed.parse(text, **sizes)


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("Σ_{i=1}^{3} x_i", "Σ_{i<3} for the first three"),  # from 0 or from 1?
        ("Σ_{i=2}^{3} x_i", "Σ_{i<3} for the first three"),
        ("Σ_{i=1}^{9} x_i", "bounds for which all indices stay inside"),
        ("Σ_{i≤3} x_i", "Σ_{i<3} for 0, 1 and 2"),
        ("Σ_{i=1} x_i", "Σ_{i=1}^{n} for n entries"),
        ("Σ_i^2 x_i", "where a label begins"),
        ("Σ_{j≠i} A_ij", "write a left-hand side with i"),
        ("Σ_{j<i} A_ij", "write a left-hand side with i"),
        ("x_i Σ_{i≠j} A_ij", "write a left-hand side"),
        ("Σ_{i=1}^{n} x_i + Σ_{j=0}^{n-1} x_j", "count from 0 or from 1 in all"),
        ("Σ_{i=1}^{n} x_i x_0", "count from 0 in all sums"),
        ("f_j = Σ_{i=1}^{n} x_i A_{i+j,j}", "count from 0 in all sums"),
        ("f_i = Σ_{j=1}^{i} x_j", "Σ_{j<3} for the first three"),
        ("i x_i", "write Σ_i before the term, or i on the left-hand side"),
        ("x^i x_i", "no level is changed by itself"),
        ("f_k = x^k", "write it at the same level on both sides"),
        ("Σ_i x_i + i", "or i on the left-hand side"),
        ("sin x_i x_i", "write brackets"),
        ("sin z/2", "write brackets"),
        ("Σ_{} x_i", "write them below it"),
        ("f_i = x_{(i+1)%9}", "write the size of the axis, 5"),
        ("f_i = x_{i+1%n}", "write brackets around what is divided"),
        ("f_i = z_{(i+1)%n}", "give sizes as numbers"),
        ("δ_{(i+1)%5,j} x_j", "write remainders at names"),
        ("Σ_{i=1}^{n} x_i x_{(i+1)%n}", "count from 0 in all sums"),
        ("f_i = y_k x_{i-k}", "leave out what is outside with a delta"),
        ("Π x_i", "write the labels of a product below its sign"),
        ("Σ_{i=a+b}^{n} x_i", "count from 0 in all sums"),
    ],
)
def test_what_is_not_clear_is_refused(text, action):
    with pytest.raises(EinsdiffError, match=re.escape(action)):
        ed.parse(text, **operands(text))


def test_a_label_of_a_name_that_is_a_size_is_refused():
    with pytest.raises(EinsdiffError, match="another letter for the label"):
        ed.parse("Σ_n n x_n", x="n")


def test_a_size_that_stands_in_bounds_only_is_that_of_the_axis():
    f = ed.parse("1/n Σ_{i=1}^{n} x_i", x="m")
    assert str(f) == "f = Σ_i x_i / m"
    with pytest.raises(EinsdiffError, match="give sizes as numbers"):
        ed.parse("Σ_{i=1}^{n-1} (x_{i+1} - x_i)^2")


@given(st.integers(3, 7), st.integers(-1, 1), st.integers(0, 3), st.integers(0, 4))
def test_bounds_are_read_if_they_can_be_read_in_one_way(n, offset, first, count):
    """A sum counts from 0 or from 1, whichever stays inside of the axis; if both do, it is open."""
    a = np.arange(1.0, n + 1) ** 2
    last = first + count
    text = f"Σ_{{i={first}}}^{{{last}}} a_" + ("i" if not offset else f"{{i{offset:+}}}")
    inside = [base for base in (0, 1) if first + offset - base >= 0 and last + offset - base < n]
    if len(inside) != 1:
        with pytest.raises(EinsdiffError, match=r"count from 0|leaves the axes"):
            ed.parse(text, a=a)
        return
    start = first + offset - inside[0]
    assert float(ed.parse(text, a=a)) == a[start : start + count + 1].sum()


def test_derivatives_of_sums_with_bounds():
    g = ed.grad("Σ_{i=1}^{n-1} (x_{i+1} - x_i)^2", x=x, wrt="x")
    expected = np.zeros(5)
    expected[:-1] -= 2 * np.diff(x)
    expected[1:] += 2 * np.diff(x)
    np.testing.assert_allclose(np.asarray(g), expected)
    p = ed.grad("Σ_{k=0}^{n} a_k x^k", a=y, x="", wrt="x")
    np.testing.assert_allclose(float(p(x=0.5)), np.polynomial.Polynomial(y).deriv()(0.5))
