"""Index notation says what is computed: read back, it is the same expression."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.derivatives.differentiate import derivatives
from einsdiff.algebra.nodes.function_records import FUNCTIONS, lookup
from einsdiff.algebra.nodes.graph import topological, variables_of
from einsdiff.algebra.nodes.interning import constant, variable, zero
from einsdiff.algebra.nodes.nodes import add, call, einsum, partial, related
from einsdiff.algebra.reading.equation import read
from einsdiff.algebra.rewriting.flatten import MOST_COMPARED_FACTORS, flatten
from einsdiff.algebra.rewriting.orient import oriented
from einsdiff.display.index.index_text import format_heading, format_number
from einsdiff.display.index.lettering import Heading, Letters
from einsdiff.display.index.printer import format_index
from einsdiff.numeric.running.program import program_for
from tests.oracle import random_array

N, M = 2, 3
Z = variable("z", (N,))
U = variable("u", (N,), of=[Z])
#: Variables of all kinds; names that other names begin with, and that functions have too.
POOL = (
    variable("s", ()),
    variable("n", ()),
    variable("max", ()),
    variable("x", (N,)),
    variable("x_1", (N,)),
    variable("p", (N,)),
    variable("w", (M,)),
    variable("A", (N, N)),
    variable("B", (N, M)),
    variable("S", (N, N), symmetric=True),
    variable("T", (N, N, N)),
    U,
    partial(U, Z),
)
KNOWN = {v.name: v for v in (*POOL, Z) if v.derivative is None} | {"size": ("K",)}
LETTERS = Letters({v.name: ("ijk"[: len(v.shape)],) for v in POOL if v.derivative is None})
COEFFICIENTS = (1, 1, -1, 2, -3, 0.5, Fraction(-3, 2), 1e-9, float("inf"))
EXPONENTS = (2, 3, 17, -1, -2, 0.5, -0.5, Fraction(1, 2), Fraction(-1, 2), Fraction(3, 2))
ENTRIES = ("sin", "maximum", "greater", "equal", "where")
#: Functions, the axes that they act on in their argument, and those of the value.
OTHERS = {
    "max": ((M,), ()),
    "logsumexp": ((N, M), ()),
    "det": ((N, N), ()),
    "inv": ((N, N), (N, N)),
    "softmax": ((N,), (N,)),
    "log_softmax": ((N, N), (N, N)),
    "eigvalsh": ((N, N), (N,)),
}


@st.composite
def expressions(draw, shape, depth=2):
    """Random sums, products, powers, relations and functions of the pool, in this shape."""
    kinds = ["sum", "product", "product", "relation", "power", "entries", "other", "solve"]
    kind = draw(st.sampled_from(kinds)) if depth else "variable"
    alike = [v for v in POOL if v.shape == shape]
    if kind == "sum":
        terms = st.tuples(st.sampled_from(COEFFICIENTS), expressions(shape, depth - 1))
        return add(draw(st.lists(terms, min_size=1, max_size=3)), shape)
    if kind == "power":
        exponents = st.one_of(st.sampled_from(EXPONENTS).map(constant), expressions((), depth - 1))
        return call(FUNCTIONS["power"], [draw(expressions(shape, depth - 1)), draw(exponents)])
    if kind == "entries":
        function = FUNCTIONS[draw(st.sampled_from(ENTRIES))]
        shapes = [draw(st.sampled_from([shape, ()])) for _ in function.ranks[1:]] + [shape]
        return call(function, [draw(expressions(theirs, depth - 1)) for theirs in shapes])
    if kind == "other":
        name, (core, result) = draw(st.sampled_from(sorted(OTHERS.items())))
        count = len(shape) - len(result)
        if count >= 0 and shape[count:] == result:
            argument = draw(expressions((*shape[:count], *core), depth - 1))
            return call(lookup(name, (len(core),)), [argument])
    if kind == "solve" and shape:
        n, batches = shape[-1], draw(st.sampled_from([(0, 1), (1, 0), (1, 1)]))
        batch = [shape[:-1] if has else () for has in batches]
        args = [expressions((*batch[0], n, n), depth - 1), expressions((*batch[1], n), depth - 1)]
        return call(lookup("solve", (2, 1)), [draw(arg) for arg in args])
    if kind == "variable" and alike:
        return draw(st.sampled_from(alike))
    return draw(products(shape, max(depth - 1, 0), kind == "relation"))


@st.composite
def products(draw, shape, depth, has_relation):
    sizes = dict(enumerate([N, N, N, M, M]))
    labels = st.sampled_from(sorted(sizes))
    factors, subscripts = [], []
    for _ in range(draw(st.integers(1, 3))):
        theirs = draw(st.lists(labels, max_size=2))
        factors.append(draw(expressions(tuple(sizes[label] for label in theirs), depth)))
        subscripts.append(theirs)
    if has_relation:
        theirs = draw(st.lists(labels, min_size=1, max_size=3, unique=True))
        c = [draw(st.sampled_from([1, -1, 2])) for _ in theirs]
        offset, is_equation = draw(st.integers(-2, 1)), draw(st.booleans())
        factors.append(related([sizes[label] for label in theirs], c, offset, is_equation))
        subscripts.append(theirs)
    output = [draw(st.sampled_from([k for k in sizes if sizes[k] == size])) for size in shape]
    loose = {"loose": "K"} if draw(st.integers(0, 19)) == 0 else {}
    return einsum(factors, subscripts, output, {k: sizes[k] for k in output} | loose)


SHAPES = st.lists(st.sampled_from([N, N, M]), max_size=3).map(tuple)


def normal(node):
    """Bring an expression into the form in which equal ones are the same object."""
    while True:
        (turned,) = flatten([oriented(node)], MOST_COMPARED_FACTORS)
        if turned is node:
            return node
        node = turned


def read_back(text, axes, shape):
    return normal(read(text, KNOWN, dict(zip(axes, shape, strict=True))).node)


@settings(max_examples=500, deadline=None)
@given(SHAPES.flatmap(expressions), st.sampled_from(["ijk", "pqr", "xne"]))
def test_what_is_printed_is_read_back_as_the_same_expression(node, letters):
    node = normal(node)
    axes = tuple(letters[: len(node.shape)])
    text = f"{format_heading(Heading('f', axes))} = {format_index(node, axes, LETTERS)}"
    if len(text) < 2000:
        assert read_back(text, axes, node.shape) is node, text


@settings(max_examples=100, deadline=None)
@given(st.lists(st.just(N), max_size=2).map(tuple).flatmap(lambda shape: expressions(shape, 1)))
def test_derivatives_are_read_back_with_their_left_hand_side(node):
    (J,) = derivatives(node, [POOL[7]])
    J, axes = normal(J), tuple("ij"[: len(node.shape)])
    heading = Heading("f", axes, (("A", ("p", "q")),))
    text = f"{format_heading(heading)} = {format_index(J, heading.letters, LETTERS)}"
    assert read_back(text, axes, node.shape) is J, text


def value(node):
    rng = np.random.default_rng(0)
    program = program_for((node,), (), "float64")
    arrays = {v.name: random_array(rng, v.shape, "float64") / 2 for v in POOL}
    arrays["S"] = arrays["S"] + arrays["S"].T
    arrays = {name: np.abs(array) + 0.5 for name, array in arrays.items()}
    return np.asarray(program.function(*(arrays[v.name] for v in program.inputs)), float)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.just(N), max_size=2).map(tuple).flatmap(lambda shape: expressions(shape, 1)))
def test_the_normal_form_has_the_same_value(node):
    if "K" in repr([getattr(part, "sizes", ()) for part in topological([node])]):
        return  # a size whose number is not known
    with np.errstate(all="ignore"), suppress(np.linalg.LinAlgError):
        np.testing.assert_allclose(value(normal(node)), value(node), rtol=1e-6, atol=1e-6)


x, y = variable("x", (3,)), variable("y", (3,))
A, X, S = variable("A", (2, 3)), variable("X", (3, 3)), variable("S", (3, 3), True)
T, s, n, b = variable("T", (4, 3, 3)), variable("s", ()), variable("n", ()), variable("b", (2,))
v, j = variable("v", ("n",)), variable("j", ())
Ax = einsum([A, x], ["ij", "j"], "i")


def f(name, *args, ranks=None):
    return call(lookup(name, ranks), list(args))


def power(base, exponent):
    return f("power", base, constant(exponent))


def t(node):
    return einsum([node], ["ij"], "ji")


@pytest.mark.parametrize(
    ("node", "text"),
    [
        # products and sums
        (Ax, "A_ij x_j"),
        (einsum([A], ["ij"], "i"), "Σ_j A_ij"),
        (einsum([X], ["ii"], ""), "X_ii"),
        (einsum([x], ["i"], "ii"), "δ_ij x_i"),
        (einsum([x], ["i"], "ij", {"j": 2}), "x_i"),
        (zero((3,)), "0"),
        (add([(-1, x), (Fraction(1, 2), y)]), "1/2 y_i - x_i"),
        (einsum([t(S), x], ["ij", "j"], "i"), "S_ij x_j"),
        (einsum([v], ["i"], "i", {"k": "n"}), "n v_i"),
        (einsum([add([(1, x), (2, y)])], ["i"], "ij", {"j": 2}), "x_i + 2 y_i"),
        (einsum([add([(1, x), (2, y)])], ["i"], "ii"), "δ_ij (x_i + 2 y_i)"),
        # powers
        (einsum([x, x], ["i", "i"], ""), "x_i x_i"),
        (einsum([x] * 3, ["i"] * 3, ""), "Σ_i x_i^3"),
        (einsum([x, x, y], ["i"] * 3, ""), "x_i x_i y_i"),
        (einsum([x, x], ["i", "i"], "i"), "x_i^2"),
        (einsum([x, x, y], ["i", "i", "j"], "ij"), "x_i^2 y_j"),
        (einsum([x] * 20, ["i"] * 20, "i"), "x_i^16 x_i^4"),
        (einsum([f("sin", einsum([X], ["ii"], "i"))] * 2, ["i"] * 2, ""), "Σ_i sin(X_ii)^2"),
        (einsum([add([(1, b), (-1, Ax)])] * 2, "ii", ""), "(b_i - A_ij x_j) (b_i - A_ik x_k)"),
        (power(x, -1), "1 / x_i"),
        (einsum([power(x, -2), y], ["i", "i"], "i"), "y_i / x_i^2"),
        (einsum([power(x, -1), power(y, -1)], ["i", "j"], "ij"), "1 / x_i / y_j"),
        (power(x, Fraction(1, 2)), "sqrt(x_i)"),
        (power(x, Fraction(-1, 2)), "1 / sqrt(x_i)"),
        (power(x, Fraction(3, 2)), "x_i^(3/2)"),
        (power(x, -0.5), "x_i^-0.5"),
        (power(x, 17), "x_i^17"),
        (f("power", x, n), "x_i^n"),
        (f("power", x, add([(-1, n)])), "x_i^(-n)"),
        (power(f("power", x, n), -1), "1 / x_i^n"),
        (f("power", power(x, 0.5), n), "(x_i^0.5)^n"),
        (f("power", power(x, Fraction(1, 2)), n), "sqrt(x_i)^n"),
        (f("power", power(x, -1), n), "(1 / x_i)^n"),
        (power(add([(1, x), (1, y)]), -2), "1 / (x_i + y_i)^2"),
        (einsum([power(s, -1), power(add([(1, x), (1, y)]), -1), x], ["", "i", "i"], "i"),
            "x_i / s / (x_i + y_i)"),
        (einsum([power(einsum([], [], "", {"k": "n"}), -1), v], ["", "i"], ""), "Σ_i v_i / n"),
        # numbers
        (einsum([s], [""], ""), "s"),
        (add([(1 + 2j, x), (complex(0, -2), y)]), "(1+2j) x_i + (0-2j) y_i"),
        (add([(float("inf"), x), (float("-inf"), y)]), "∞ x_i - ∞ y_i"),
        (add([(float("nan"), s)]), "nan s"),
        (f("power", constant(Fraction(1, 2)), n), "(1/2)^n"),
        (f("power", constant(-2), n), "(-2)^n"),
        (f("exp", constant(1 + 2j)), "exp((1+2j))"),
        # functions
        (f("inv", X), "inv(X)_ij"),
        (f("inv", t(X)), "inv_ij(X_ji)_ij"),
        (f("inv", add([(1, X), (1, t(X))])), "inv(X_ij + X_ji)_ij"),
        (einsum([f("inv", X)], ["ii"], ""), "inv(X)_ii"),
        (einsum([f("inv", X), x], ["ij", "j"], "i"), "inv(X)_ij x_j"),
        (f("inv", T), "inv(T)_ijk"),
        (f("det", X), "det(X)"),
        (f("det", T), "det(T)_i"),
        (f("softmax", A), "softmax(A)_ij"),
        (f("softmax", A, ranks=(2,)), "softmax_ij(A_ij)_ij"),
        (f("max", A), "max(A)_i"),
        (f("max", A, ranks=(2,)), "max(A_ij)"),
        (f("max", einsum([s], [""], "i", {"i": 3})), "max_{i<3}(s)"),
        (f("logsumexp", Ax), "logsumexp(A_ij x_j)"),
        (f("solve", X, x), "solve(X, x)_i"),
        (f("solve", X, S, ranks=(2, 2)), "solve(X, S)_ij"),
        (f("solve", X, A), "solve_{jk;j}(X_jk, A_ij)_ij"),
        (f("sin", einsum([x, y], ["i", "j"], "ij")), "sin(x_i y_j)"),
        (f("greater", x, constant(0)), "[x_i > 0]"),
        (f("not_equal", s, n), "[s ≠ n]"),
        (f("equal", constant(2), constant(3)), "equal(2, 3)"),
        (einsum([variable("exp", ()), add([(1, x), (1, y)])], ["", "i"], "i"),
            "exp * (x_i + y_i)"),
        (einsum([variable("max", (3,)), add([(1, x), (1, y)])], ["i", "i"], "i"),
            "max_i * (x_i + y_i)"),
        (einsum([s, add([(1, x), (1, y)])], ["", "i"], "i"), "s (x_i + y_i)"),
        # relations
        (related((3, 3), (1, -1), 0, False), "[i ≥ j]"),
        (related((3, 3), (1, -1), -1, False), "[i ≥ j+1]"),
        (related((2, 3), (1, -1), 1), "δ_{i+1,j}"),
        (related((2, 3), (1, -1), 0), "δ_{i+0,j}"),
        (related((2, 3, 6), (3, 1, -1)), "δ_{3i+j,k}"),
        (related((3,), (1,), -1), "δ_{i,1}"),
        (einsum([related((2, 3), (1, -1), 1), x], ["ip", "p"], "i"), "x_{i+1}"),
        (einsum([related((2, 3), (1, -1), 0), x], ["ip", "p"], "i"), "x_{i+0}"),
        (einsum([related((3, 3), (1, 1), -2), x], ["ip", "p"], "i"), "x_{2-i}"),
        (einsum([related((3, 3), (1, -1), -1), x], ["ip", "p"], "i"), "δ_{j+1,i} x_j"),
        (einsum([related((3,), (1,), 0), X], ["p", "pj"], "j"), "X_0i"),
        (einsum([related((2, 3), (1, -1), 1), x], ["ip", "p"], ""), "Σ_{i<2} x_{i+1}"),
        (einsum([related((3, 3), (1, -1), 0, False), X], ["ij", "ij"], ""), "[i ≥ j] X_ij"),
        (einsum([related((3, 3), (1, -1), 0, False), j], ["ij", ""], "ij"), "[{i} ≥ {j}] j"),
        # names, and derivatives that are symbols
        (variable("x_1", (3,)), "x_1_{i}"),
        (einsum([variable("x_i", ()), x], ["", "i"], "i"), "x_i_{} x_{i}"),
        (partial(U, Z), "∂u_i/∂z_j"),
        (partial(partial(U, Z), Z), "∂²u_i/∂z_j∂z_k"),
        (einsum([partial(U, Z)] * 2, ["ij"] * 2, "ij"), "(∂u_i/∂z_j)^2"),
        (power(partial(U, Z), -1), "1 / (∂u_i/∂z_j)"),
    ],
)  # fmt: skip
def test_expressions_print_as_one_writes_them(node, text):
    letters = Letters({name: ("ijk"[: len(w.shape)],) for name, w in named(node).items()})
    axes = "ijk"[: len(node.shape)]
    assert format_index(node, tuple(axes), letters) == text
    known = {**named(node), "u": U, "z": Z, "v": v}
    left = format_heading(Heading("f", tuple(axes)))
    again = read(f"{left} = {text}", known, dict(zip(axes, node.shape, strict=True))).node
    assert normal(again) is normal(node)


def named(node):
    every = (s, n, A, X, S, T, b, x, y, v, j)
    extra = (
        variable(name, shape)
        for name, shape in (("exp", ()), ("x_1", (3,)), ("x_i", ()), ("max", (3,)))
    )
    there = variables_of([node])
    return {w.name: w for w in (*extra, *every) if w in there}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (lambda x, A: A @ x, "f_i = A_ij x_j"),
        (lambda x, A: x * x + 0.1 * x - 1, "f_i = 0.1 x_i + x_i^2 - 1"),
        (lambda x, A: -x / 2, "f_i = -1/2 x_i"),
        (lambda x, A: A @ (x - 1), "f_i = A_ij (x_j - 1)"),
        (lambda x, A: (x + 1) ** -2, "f_i = 1 / (x_i + 1)^2"),
        (lambda x, A: ed.einsum("i,j->ij", x, x), "f_ij = x_i x_j"),
        (lambda x, A: ed.grad(A @ x, wrt="A"), "∂f_i/∂A_pq = δ_ip x_q"),
        (
            lambda x, A: ed.grad(ed.einsum("mp,mq->pq", A, A), wrt="A"),
            "∂f_pq/∂A_rs = δ_ps A_rq + δ_qs A_rp",
        ),
    ],
)
def test_tensors_print_their_formula(text, expected):
    x, A = ed.tensors(x=(2,), A=(2, 2))
    assert str(text(x, A)) == expected


def test_a_variable_prints_as_itself():
    assert str(ed.tensor("A", "mn")) == "A_ij"
    assert str(ed.tensor("s", ())) == "s"


def test_summed_indices_have_the_users_letters_and_stay_apart():
    y, A, t = ed.tensors(y=(2,), A=(2, 3), t=(3,))
    r = ed.einsum("a->a", y) - ed.einsum("ab,b->a", A, t)
    assert str(ed.einsum("a,a->", r, r)) == "f = (y_a - A_ab t_b) (y_a - A_ai t_i)"


def test_what_is_read_is_printed_with_its_letters_again():
    for text in ("f = Σ_c y_c / (a^2 + b^2)", "f_k = A_kl x_l - B_km z_m", "f = b / (a^2 + b^2)"):
        reading = read(text, {}, {})
        heading = Heading(reading.name, reading.axes, reading.wrt)
        again = format_index(reading.node, heading.letters, Letters(reading.letters))
        assert f"{format_heading(heading)} = {again}" == text


def test_long_shared_expressions_are_summarised():
    x = ed.tensor("x", (2,))
    for _ in range(60):
        x = x * x
    assert "nodes" in str(x)
    assert "when written out" in str(x)


def test_deep_expressions_print_without_recursion():
    node = variable("x", (2,))
    for _ in range(3000):
        node = call(FUNCTIONS["sin"], [node])
    text = format_index(node, "i", Letters())
    assert text.startswith("sin(sin(")
    assert text.count("(") == 3000


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        (Heading("f", ()), "f"),
        (Heading("f", ("i", "j")), "f_ij"),
        (Heading("f", ("i10",)), "f_{i10,}"),
        (Heading("f", ("i10", "j")), "f_{i10,j}"),
        (Heading("f_1", ("i", "j")), "f_1_{ij}"),
        (Heading("f", ("i",), (("A", ("p", "q")),)), "∂f_i/∂A_pq"),
        (Heading("f", (), (("x", ("p",)), ("y", ("q",)))), "∂²f/∂x_p∂y_q"),
        (Heading("f", (), (("x", ("p",)),) * 12), "∂¹²f/" + "∂x_p" * 12),
    ],
)
def test_left_hand_sides(heading, expected):
    assert format_heading(heading) == expected


def test_numbers_print_as_typed():
    assert [format_number(c) for c in (3, -0.25, 1e-9)] == ["3", "-0.25", "1e-09"]
    assert [format_number(c) for c in (1.5 - 1j, complex("nanj"))] == ["(1.5-1j)", "(0+nanj)"]
