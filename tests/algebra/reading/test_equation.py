"""Index notation means what it says, and where that is not clear it is refused."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einsdiff.algebra.functions.catalogue import MOST_EXPANDED
from einsdiff.algebra.functions.catalogue import MOST_EXPANDED as READ_AS_PRODUCTS
from einsdiff.algebra.nodes.function_records import FAMILIES, FUNCTIONS, lookup
from einsdiff.algebra.nodes.interning import constant, delta, variable
from einsdiff.algebra.nodes.nodes import add, call, einsum, partial, related, scale
from einsdiff.algebra.reading.binding import build
from einsdiff.algebra.reading.choice import is_function
from einsdiff.algebra.reading.equation import read
from einsdiff.algebra.rewriting.flatten import flatten
from einsdiff.errors import (
    EinsdiffError,
    NameNotFoundError,
    OperandError,
    ShapeError,
    SubscriptsError,
)
from einsdiff.notation.index_parser import parse_index

A, B = variable("A", (2, 3)), variable("B", (2, 4))
x, y, b = variable("x", (3,)), variable("y", (4,)), variable("b", (2,))
X, S, T = variable("X", (3, 3)), variable("S", (3, 3), True), variable("T", (2, 3, 3))
s, n = variable("s", ()), variable("n", ())
z = variable("z", (2,))
u = variable("u", (3,), of=[z])
KNOWN = {v.name: v for v in (A, B, x, y, b, X, S, T, s, n, z, u)}


def f(name, *args, ranks=None):
    return call(lookup(name, ranks), list(args))


def power(base, exponent):
    return f(
        "power", base, exponent if not isinstance(exponent, float | int) else constant(exponent)
    )


def ones(*shape):
    return einsum([], [], range(len(shape)), dict(enumerate(shape)))


Ax = einsum([A, x], ["ij", "j"], "i")
xx = einsum([x, x], ["i", "i"], "")

MEANINGS = [
    # products and sums
    ("A_ij x_j", Ax),
    ("f_i = A_ij x_j + b_i", add([(1, Ax), (1, b)])),
    ("f_ji = A_ij", einsum([A], ["ij"], "ji")),
    ("A_ij", A),
    ("A_ji", A),
    ("2 A_ij / 2", A),
    ("1/2 x_i - 0.1 x_i", add([(Fraction(1, 2), x), (-0.1, x)])),
    ("X_ii", einsum([X], ["ii"], "")),
    ("x_i x_i", xx),
    ("f_i = x_i x_i", einsum([x, x], ["i", "i"], "i")),
    ("x_i + 1", add([(1, x), (1, ones(3))])),
    ("f_ij = b_i x_j", einsum([b, x], ["i", "j"], "ij")),
    ("f_ij = b_i + 2 + 0 A_ij", add([(1, einsum([b], ["i"], "ij", {"j": 3})), (2, ones(2, 3))])),
    ("A_ij x_j + B_ij y_j", add([(1, Ax), (1, einsum([B, y], ["ij", "j"], "i"))])),
    ("(1+2j) x_i", scale(1 + 2j, x)),
    ("∞ x_i", scale(float("inf"), x)),
    ("s (x_i + 1)^2", einsum([s, *[add([(1, x), (1, ones(3))])] * 2], ["", "i", "i"], "i")),
    # sums, and where they are
    ("Σ_i x_i", einsum([x], ["i"], "")),
    ("f_i = Σ_j A_ij", einsum([A], ["ij"], "i")),
    ("x_j Σ_i A_ij", einsum([x, A], ["j", "ij"], "")),
    ("Σ_{i<5} 2", constant(10)),
    ("(x_i x_i) (x_i x_i)", einsum([xx, xx], ["", ""], "")),
    ("(b_i - A_ij x_j) (b_i - A_ij x_j)", einsum([add([(1, b), (-1, Ax)])] * 2, ["i", "i"], "")),
    ("x_i (x_i + 1)", einsum([x, add([(1, x), (1, ones(3))])], ["i", "i"], "")),
    ("sin(X_ii)", f("sin", einsum([X], ["ii"], ""))),
    ("Σ_i sin(X_ii)", einsum([f("sin", einsum([X], ["ii"], "i"))], ["i"], "")),
    ("f_i = sin(X_ii)", f("sin", einsum([X], ["ii"], "i"))),
    ("sin(A_ij x_j)", f("sin", Ax)),
    ("exp(Σ_i x_i)", f("exp", einsum([x], ["i"], ""))),
    # powers
    ("x_i^2 x_i", einsum([x] * 3, ["i"] * 3, "")),
    ("f_i = x_i^2", einsum([x, x], ["i", "i"], "i")),
    ("f_i = x_i²", einsum([x, x], ["i", "i"], "i")),
    ("f_i = x_i^-1", power(x, -1)),
    ("f_i = 1 / x_i", power(x, -1)),
    ("f_i = 1 / x_i^2", power(x, -2)),
    ("f_i = x_i^(1/2)", f("power", x, constant(Fraction(1, 2)))),
    ("f_i = sqrt(x_i)", f("power", x, constant(Fraction(1, 2)))),
    ("f_i = 1 / sqrt(x_i)", f("power", x, constant(Fraction(-1, 2)))),
    ("f_i = square(x_i) reciprocal(x_i)", einsum([x, x, power(x, -1)], ["i"] * 3, "i")),
    ("f_i = x_i^n", power(x, n)),
    ("f_i = x_i^n (x_i + 1)", einsum([power(x, n), add([(1, x), (1, ones(3))])], ["i", "i"], "i")),
    ("f_i = x_i^0.5", power(x, 0.5)),
    ("2^n", power(constant(2), n)),
    ("(A_ij x_j)^2", einsum([Ax, Ax], ["i", "i"], "i")),
    # functions of vectors and matrices
    ("inv(X)_ij", f("inv", X)),
    ("inv(T)_aij", f("inv", T)),
    ("inv(X)_ii", einsum([f("inv", X)], ["ii"], "")),
    ("inv(X)_0j", einsum([f("inv", X), related((3,), (1,))], ["ij", "i"], "j")),
    ("inv(X_ji)_ij", f("inv", einsum([X], ["ij"], "ij"))),
    ("inv_ij(X_ji)_ij", f("inv", einsum([X], ["ji"], "ij"))),
    ("det(X)", f("det", X)),
    ("det(T)_a", f("det", T)),
    ("f_ij = inv(S)_ij", f("inv", S)),
    ("softmax(A_ij)_ij", f("softmax", A)),
    ("softmax(A)_ij", f("softmax", A)),
    ("softmax_ij(A_ij)_kl", f("softmax", A, ranks=(2,))),
    ("log_softmax(x)_i", f("log_softmax", x)),
    ("max(A_ij)_i", f("max", A)),
    ("max(A_ij)_j", f("max", einsum([A], ["ij"], "ji"))),
    ("max(A_ij)", f("max", A, ranks=(2,))),
    ("f_i = max(A_ij)", f("max", A)),
    ("b_i max(A_ij)", einsum([b, f("max", A)], ["i", "i"], "")),
    ("max_{i<2}(s)", f("max", einsum([s], [""], "i", {"i": 2}))),
    ("logsumexp(A_ij x_j)", f("logsumexp", Ax)),
    ("solve(X, x)_i", f("solve", X, x)),
    ("solve(X, S)_ij", f("solve", X, S, ranks=(2, 2))),
    ("solve_{kl;l}(X_kl, A_al)_ak", f("solve", X, A)),
    ("solve(X, S_ji)_jk", f("solve", X, S, ranks=(2, 2))),
    ("solve(T, x)_ai", f("solve", T, x)),
    ("max(x_i, 0)", f("maximum", x, constant(0))),
    ("min(s, n)", f("minimum", s, n)),
    ("f_i = where([x_i > 0], x_i, s)", f("where", f("greater", x, constant(0)), x, s)),
    # comparisons and relations
    ("[x_i > 0]", f("greater", x, constant(0))),
    ("[x_i < s]", f("greater", s, x)),
    ("[s >= n]", f("greater_equal", s, n)),
    ("[s ≤ n]", f("greater_equal", n, s)),
    ("[s = n]", f("equal", s, n)),
    ("[s != n]", f("not_equal", s, n)),
    ("f_ij = [i ≥ j] X_ij", einsum([related((3, 3), (1, -1), 0, False), X], ["ij", "ij"], "ij")),
    ("f_ij = [i < j] X_ij", einsum([related((3, 3), (-1, 1), -1, False), X], ["ij", "ij"], "ij")),
    ("f_ij = [i ≠ j] X_ij", einsum([add([(1, ones(3, 3)), (-1, delta(3))]), X], ["ij"] * 2, "ij")),
    ("f_ij = [i = j] X_ij", einsum([X], ["ii"], "ii")),
    ("f_ij = δ_ij x_i", einsum([x], ["i"], "ii")),
    ("x_{i+1}", einsum([x, related((2, 3), (1, -1), 1)], ["p", "ip"], "i")),
    ("f_i = δ_{i+1,p} b_i x_p", einsum([b, x, related((2, 3), (1, -1), 1)], ["i", "p", "ip"], "i")),
    ("x_0", einsum([x, related((3,), (1,))], ["p", "p"], "")),
    ("x_{2-i}", einsum([x, related((3, 3), (-1, -1), 2)], ["p", "ip"], "i")),
    ("A_0j", einsum([A, related((2,), (1,))], ["ij", "i"], "j")),
    ("Σ_{i<2} x_{i+1}", einsum([x, related((2, 3), (1, -1), 1)], ["p", "ip"], "")),
    # symbols for derivatives, and sizes
    ("∂u_i/∂z_p", partial(u, z)),
    ("A_ij ∂u_j/∂z_p", einsum([A, partial(u, z)], ["ij", "jp"], "ip")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "node"), MEANINGS, ids=[text for text, _ in MEANINGS])
def test_what_a_text_means(text, node):
    assert read(text, KNOWN, {}).node is node


def test_a_size_is_a_factor():
    v, w = variable("v", ("n",)), variable("w", ("m",))
    size = einsum([], [], "", {"k": "n"})
    found = read("n v_i / m", {"v": v, "w": w}, {}).node
    of_m = power(einsum([], [], "", {"k": "m"}), -1)
    assert found is einsum([size, v, of_m], ["", "i", ""], "i")
    assert read("n (v_i + 1)", {"v": v}, {}).node.shape == ("n",)
    assert read("n v_i", {"v": v, "n": n}, {}).node is einsum([n, v], ["", "i"], "i")


def test_powers_become_products_up_to_the_same_exponent_as_in_the_table():
    assert READ_AS_PRODUCTS == MOST_EXPANDED


@pytest.mark.parametrize("name", [*FUNCTIONS, *FAMILIES])
def test_every_function_is_known(name):
    assert is_function(name)


# --- the left-hand side, and what is inferred ------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "axes", "wrt"),
    [
        ("f_i = x_i", "f", ("i",), ()),
        ("loss = s", "loss", (), ()),
        ("∂f_i/∂A_pq = δ_ip x_q", "f", ("i",), (("A", ("p", "q")),)),
        ("∂²f/∂x_p∂x_q = X_pq", "f", (), (("x", ("p",)), ("x", ("q",)))),
        ("x_i x_j", "f", ("i", "j"), ()),
        ("x_j y_i", "f", ("i", "j"), ()),
        ("f_i x_j", "g", ("i", "j"), ()),
        ("A_ji", "A", ("j", "i"), ()),
        ("s", "s", (), ()),
        ("A_ij + A_ij", "f", ("i", "j"), ()),
        ("A_ii", "f", (), ()),
        ("δ_ij", "f", ("i", "j"), ()),
        ("A_{0,}", "f", (), ()),
    ],
)
def test_headings(text, name, axes, wrt):
    reading = read(text, {"A": (3, 3)} if text != "A_{0,}" else {"A": (3,)}, {})
    assert (reading.name, reading.axes, reading.wrt) == (name, axes, wrt)


def test_the_order_of_the_axes_is_that_of_the_left_hand_side():
    reading = read("∂f_i/∂A_pq = δ_ip x_q", {"A": A, "x": x}, {})
    assert reading.node is einsum([x], ["q"], "iiq", {"i": 2})
    assert read("∂f_i/∂A_qp = δ_iq x_p", {"A": A, "x": x}, {}).node is reading.node


def test_sizes_that_nobody_gave_are_named_by_operand_and_axis():
    reading = read("∂f_i/∂A_pq = δ_ip x_q", {}, {})
    assert {name: v.shape for name, v in reading.operands.items()} == {"x": ("n",), "A": ("m", "n")}
    reading = read("b_i + A_ij x_j", {"A": None, "x": ("n",)}, {})
    assert {name: v.shape for name, v in reading.operands.items()} == {
        "b": ("m",),
        "A": ("m", "n"),
        "x": ("n",),
    }
    assert read("f_ij = δ_ij", {}, {}).node is delta("m")
    assert read("f_ij = δ_ij", {}, {"j": 3}).node is delta(3)


def test_unknown_operands_may_be_given_without_labels():
    shapes = {name: v.shape for name, v in read("solve(A, b)_i", {}, {}).operands.items()}
    assert shapes == {"A": ("m", "m"), "b": ("m",)}
    assert read("solve(A, b)_ij", {}, {}).operands["b"].shape == ("m", "n")
    assert read("inv(X)_aij", {}, {}).operands["X"].shape == ("m", "n", "n")


def test_unknown_functions_of_others_are_symbols():
    reading = read("∂f_i/∂z_p = A_ij ∂x_j/∂z_p", {}, {})
    v = reading.operands["x"]
    assert v.of == (reading.operands["z"],)
    assert reading.node is einsum([reading.operands["A"], partial(v, v.of[0])], ["ij", "jp"], "ip")


def test_letters_and_operands_are_listed_in_order_of_appearance():
    reading = read("∂f_i/∂c_p = A_ij x_j - A_ik x_k + x_{i+0} c_i + det(X)", {}, {"i": 2})
    assert reading.letters == {
        "A": (("i", "j"), ("i", "k")),
        "x": (("j",), ("k",)),
        "c": (("i",),),
        "X": (),
    }
    assert list(reading.operands) == ["A", "x", "c", "X"]
    assert list(read("∂f/∂c_p = x_p", {}, {}).operands) == ["x", "c"]


@pytest.mark.parametrize(
    ("text", "names"),
    [("b / (a^2 + b^2)", "ab"), ("a b", "ab"), ("b + a", "ba"), ("c / (b a + c)", "bca")],
)
def test_names_are_ordered_so_that_the_text_is_printed_in_its_order(text, names):
    assert list(read(text, {}, {}).operands) == list(names)


# --- what is refused ---------------------------------------------------------------------------


def page_of(text, operands, sizes=None):
    with pytest.raises(EinsdiffError) as error:
        read(text, operands, sizes or {})
    headline, shown, *_ = str(error.value).split("\n\n")
    lines = shown.split("\n")
    assert lines[0] == f"    {text}"
    carets = [k - 4 for k, char in enumerate(lines[1]) if char == "^"] if len(lines) > 1 else []
    return type(error.value), headline, carets


@pytest.mark.parametrize(
    ("text", "kind", "headline", "carets"),
    [
        ("x_i + b_j", SubscriptsError, "the terms have different labels", [2, 8]),
        (
            "x_i + x_i x_i",
            SubscriptsError,
            "'i' is an axis of one term, and summed in another",
            [2, 8, 12],
        ),
        ("f_i = A_ij", SubscriptsError, "'j' stands once and is not on the left-hand side", [9]),
        ("f = sin(x_i)", SubscriptsError, "'i' stands once and is not on the left-hand side", [10]),
        (
            "inv_kl(T_akl)_ij",
            SubscriptsError,
            "'a' stands once and is not on the left-hand side",
            [9],
        ),
        (
            "f_ij = x_i",
            SubscriptsError,
            "'j' stands on the left only, so that its size is not known",
            [3],
        ),
        ("f_ii = x_i", SubscriptsError, "'i' stands twice on the left-hand side", [3]),
        (
            "f_0 = s",
            SubscriptsError,
            "there is a number or a sum among the labels of the left-hand side",
            [2],
        ),
        ("A_i x_i", SubscriptsError, "'A' has 2 axes, but 1 label", [2]),
        ("s_i x_i", SubscriptsError, "'s' has no axis, but 1 label", [2]),
        ("f = x", SubscriptsError, "'x' has 1 axis, but no label", [4]),
        ("A_ij y_j", ShapeError, "label 'j' has size 3 in A but 4 in y", [3, 7]),
        ("A_ij + B_ij", ShapeError, "label 'j' has size 3 in A but 4 in B", [3, 10]),
        ("δ_ij x_i y_j", ShapeError, "label 'j' has size 3 in x but 4 in y", [7, 11]),
        ("inv(A_ij)_ij", ShapeError, "label 'j' has size 2 in A but 3 in A", [6, 7]),
        ("exp(A)", SubscriptsError, "'A' has 2 axes, but no label", [4]),
        (
            "exp(x_i)_i",
            SubscriptsError,
            "exp is a function of each entry, so that its labels are its argument's",
            [9],
        ),
        ("exp(x_i, x_i)", SubscriptsError, "exp takes 1 argument, not 2", [0, 1, 2]),
        ("solve(X)_i", SubscriptsError, "solve takes 2 arguments, not 1", [0, 1, 2, 3, 4]),
        ("sofmax(x_i)_i", SubscriptsError, "there is no function 'sofmax'", [0, 1, 2, 3, 4, 5]),
        ("s(x_i, x_i)", SubscriptsError, "there is no function 's'", [0]),
        (
            "softmax(x_i)",
            SubscriptsError,
            "the value of softmax has 1 axis, but no label",
            [0, 1, 2, 3, 4, 5, 6],
        ),
        (
            "x_i max(x_i)",
            SubscriptsError,
            "'i' stands outside of max too, so that it is not acted on",
            [4, 5, 6],
        ),
        ("det(T)", SubscriptsError, "det acts on 2 axes, but its argument has 3", [0, 1, 2]),
        (
            "inv(X)_ijk",
            SubscriptsError,
            "the labels do not fit inv, which acts on (n,n)->(n,n)",
            [7, 8, 9],
        ),
        ("x_3", SubscriptsError, "an index of x is 3, outside of 0 to 2", [2]),
        ("f_i = x_{i+1} x_i", SubscriptsError, "an index of x is 1 to 3, outside of 0 to 2", [9]),
        ("f = Σ_i 2", SubscriptsError, "the size of 'i' is not known", [4]),
        ("1 / 0", SubscriptsError, "a division by zero", [4]),
        ("[{i} > x_i]", SubscriptsError, "an index is compared with a value", [0]),
        ("∂x_i/∂z_p", SubscriptsError, "'x' is not declared to be a function of 'z'", [0]),
        ("[w > 0]", SubscriptsError, "'w' is a function of itself", []),
    ],
)
def test_what_is_not_clear_is_refused_with_carets(text, kind, headline, carets):
    if text == "[w > 0]":
        text = "∂w/∂w"
    assert page_of(text, KNOWN) == (kind, headline, carets)


def test_an_index_needs_a_size_where_axes_have_named_sizes():
    kind, headline, carets = page_of("x_{i+1}", {"x": ("n",)})
    assert (kind, headline, carets) == (SubscriptsError, "the size of 'i' is not known", [3])
    assert read("x_{i+1}", {"x": ("n",)}, {"i": "k"}).node.shape == ("k",)


def test_sizes_that_are_given_must_agree():
    assert page_of("A_ij", {"A": A}, {"j": 4})[:2] == (
        ShapeError,
        "label 'j' has size 4 as given but 3 in A",
    )
    # Given sizes are those of free labels; a letter that is summed may be used again.
    assert read("f_i = A_ij x_j", {"A": A, "x": x}, {"i": 2, "j": 7}).node is Ax


def test_numbers_that_are_too_large_are_refused():
    for text in ("((((9^16)^16)^16)^16)^16", "0.5 " + "9" * 2000):
        with pytest.raises(SubscriptsError, match="a number is too large"):
            read(text, {}, {})


@pytest.mark.parametrize("text", ["(" * 140 + "x" + ")" * 140, "sin(" * 140 + "x_i" + ")" * 140])
def test_deep_brackets_are_read_without_recursion(text):
    deep = " + ".join(["s"] * 3000)
    assert read(text, {}, {}).operands["x"]
    assert read(deep, {}, {}).node is scale(3000, s)


ALPHABET = "xAsδΣ∂²_^{}()[]+-*/=<>≥,;012.e∞ijnp'"
TOKENS = """x_i A_ij A_jk B_{ij} x_{i+1} A_0i δ_ij δ_{i+1,j} Σ_i Σ_{i<2} s N 2 0 1.5 (1+2j) ∞ nan +
- * / ^ ^2 ^-1 ( ) ( ) [ ] > = , det(X) inv(X)_ij softmax(A_ij)_ij max( exp( sqrt( solve(A,x)_i _i
inv_kl(A_kl)_ij max_{i<3}( ∂x_i/∂z_p f_i= ∂f/∂x_i= i j where("""


@settings(max_examples=1000, deadline=None)
@given(
    st.one_of(
        st.text(ALPHABET, max_size=30),
        st.lists(st.sampled_from(TOKENS.split()), max_size=12).map(" ".join),
    ),
    st.sampled_from([{}, {"x": (3,), "A": (3, 3), "s": (), "N": ("N",), "X": None, "max": ()}]),
)
def test_any_text_is_read_or_refused(text, operands):
    with suppress(SubscriptsError, ShapeError, OperandError, NameNotFoundError):
        read(text, operands, {})


# --- rules of derivatives -----------------------------------------------------------


def test_rules_have_batch_labels_that_are_not_written():
    v, w = variable("v", (5, 3, 3)), variable("w", (5,))
    found = build(parse_index("w inv(v)_ji"), {"v": v, "w": w}, ["b", "i", "j"], batch=["b"])
    assert found is einsum([w, f("inv", v)], ["b", "bji"], "bij")
    alone = build(parse_index("inv(X)_ji"), {"X": X, "v": v}, "ij", batch=["b"])
    assert alone is einsum([f("inv", X)], ["ji"], "ij")


def test_rules_repeat_along_labels_that_they_do_not_have():
    assert build(parse_index("x_i"), {"x": x}, "ij", sizes={"j": 2}).shape == (3, 2)
    with pytest.raises(SubscriptsError, match="'j' stands once"):
        build(parse_index("A_ij"), {"A": A}, "i")


@settings(max_examples=200, deadline=None)
@given(st.permutations(["A_ij x_j", "b_i", "A_ij A_kj b_k", "-2 b_i", "s b_i"]))
def test_the_order_of_terms_does_not_matter(terms):
    (one,) = flatten([read(" + ".join(terms).replace("+ -", "- "), KNOWN, {}).node])
    (other,) = flatten([read("f_i = A_ij x_j - b_i + A_ij A_kj b_k + s b_i", KNOWN, {}).node])
    assert one is other


def test_the_left_hand_side_of_a_derivative_without_labels_names_its_sizes():
    for text, axes in (("∂f_i/∂A_pq = 0", 3), ("∂f_i/∂ζ = 1", 1), ("∂²f_i/∂t∂t = 2 t", 1)):
        shape = read(text, {}, {}).node.shape
        assert len(set(shape)) == len(shape) == axes
        assert all(isinstance(n, str) for n in shape)
    with pytest.raises(SubscriptsError, match="stands on the left only"):
        read("∂f_i/∂x_p = x_p", {}, {})
