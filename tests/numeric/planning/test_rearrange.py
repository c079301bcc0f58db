"""The distributive law in both directions: the same values for fewer operations."""

from __future__ import annotations

import random
from math import prod

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.nodes.function_records import lookup
from einsdiff.algebra.nodes.interning import Add, Einsum, variable
from einsdiff.algebra.nodes.nodes import add, call, einsum, scale
from einsdiff.algebra.rewriting.flatten import flatten
from einsdiff.numeric.planning import rearrange
from einsdiff.numeric.planning.plan import plan
from einsdiff.numeric.planning.rearrange import rearranged
from einsdiff.numeric.running import kernels as special
from einsdiff.numeric.running.program import program_for
from tests.numeric.planning.test_fusing import by_definition, check, graphs


def unchanged(outputs, sizes, is_placed=False):
    return flatten(outputs)


def both(monkeypatch, nodes):
    """Return the operations of expressions, as they are planned and if nothing is rearranged."""
    found = plan(nodes, {})
    with monkeypatch.context() as patched:
        patched.setattr("einsdiff.numeric.planning.plan.rearranged", unchanged)
        before = plan(nodes, {})
    return found.report().flops, before.report().flops


# --- values -----------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_the_values_stay_the_same(graph):
    outputs = rearranged(graph.outputs, {})
    for new, old in zip(outputs, graph.outputs, strict=True):
        assert new.shape == old.shape
        expected, bound = by_definition(old, graph.arrays)
        found, _ = by_definition(new, graph.arrays)
        error = 2e-5 if graph.dtype.name == "float32" else 1e-12
        np.testing.assert_allclose(found, expected, rtol=0, atol=error * bound)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(graphs(), st.integers(0, 2**32))
def test_the_values_stay_the_same_whatever_is_thought_to_cost_less(monkeypatch, graph, seed):
    rng = random.Random(seed)
    monkeypatch.setattr(rearrange._Round, "whole", lambda self, node: rng.random())
    monkeypatch.setattr(rearrange._Round, "multiplied", lambda self, node: 10 * rng.random())
    monkeypatch.setattr(rearrange._Round, "added", lambda self, terms, shape: 10 * rng.random())
    outputs = rearranged(graph.outputs, {})
    for new, old in zip(outputs, graph.outputs, strict=True):
        assert new.shape == old.shape
        expected, bound = by_definition(old, graph.arrays)
        found, _ = by_definition(new, graph.arrays)
        error = 2e-5 if graph.dtype.name == "float32" else 1e-12
        np.testing.assert_allclose(found, expected, rtol=0, atol=error * bound)


LETTERS = "ijkl"


@st.composite
def sums(draw, tied):
    """Draw a sum of products of a few factors; each term with a delta, if `tied`."""
    size = draw(st.sampled_from([2, 5, 8]))
    vectors = [variable(name, (size,)) for name in "xyz"]
    matrices = [variable(name, (size, size)) for name in "ABC"]
    rank = draw(st.integers(2, 4))
    terms = []
    for _ in range(draw(st.integers(2, 4))):
        output = list(LETTERS[:rank])
        if tied or draw(st.booleans()):
            a, b = draw(st.lists(st.integers(0, rank - 1), min_size=2, max_size=2, unique=True))
            output[a] = output[b]
        factors, subscripts = [], []
        for label in dict.fromkeys(output):
            if draw(st.integers(0, 3)):
                factors.append(draw(st.sampled_from(vectors)))
                subscripts.append(label)
        for _ in range(draw(st.integers(0, 2))):
            factors.append(draw(st.sampled_from(matrices)))
            pair = draw(st.lists(st.sampled_from([*output, "s"]), min_size=2, max_size=2))
            subscripts.append("".join(pair))
        sizes = dict.fromkeys([*output, *"".join(subscripts)], size)
        c = draw(st.sampled_from([1, -1, 2, 0.5]))
        terms.append((c, einsum(factors, subscripts, output, sizes)))
    node = add(terms, (size,) * rank)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    arrays = {v.name: rng.integers(-2, 3, v.shape).astype(float) for v in vectors + matrices}
    return node, arrays


@settings(max_examples=200, deadline=None)
@given(sums(tied=False))
def test_sums_of_products_have_the_values_of_their_terms(drawn):
    node, arrays = drawn
    made = program_for((node,), (), "float64")
    found = made.function(*(arrays[v.name] for v in made.inputs))
    check(found, node, arrays, np.dtype("float64"))


@settings(max_examples=200, deadline=None)
@given(sums(tied=True))
def test_a_sum_of_deltas_keeps_its_pattern(drawn):
    node, arrays = drawn
    made = program_for((node,), (), "float64")
    found = made.function(*(arrays[v.name] for v in made.inputs))
    check(found, node, arrays, np.dtype("float64"))
    if not isinstance(node, Add) or not node.terms:
        return
    assert made.plan.pattern is not None
    size = node.shape[0]
    assert all(prod(window.shape) < size ** len(node.shape) for window in made.plan.pattern)
    cores = program_for((node,), (), "float64", True).plan.cores[0]
    assert all(prod(core.window.shape) < size ** len(node.shape) for core in cores)


# --- common factors ---------------------------------------------------------------------------

X = variable("X", (200, 30))
D, E, F = (variable(name, (200, 200)) for name in "DEF")
d, e = variable("d", (200,)), variable("e", (200,))


def sandwich(middle):
    return einsum([X, middle, X], ["ki", "kl", "lj"], "ij")


def test_a_common_factor_is_taken_out(monkeypatch):
    node = add([(1, sandwich(D)), (1, sandwich(E))])
    (new,) = rearranged([node], {})
    assert new is einsum([X, add([(1, D), (1, E)]), X], ["ki", "kl", "lj"], "ij")
    found, before = both(monkeypatch, [node])
    one = plan([sandwich(D)], {}).report().flops
    assert found <= one + 200 * 200
    assert found < 0.6 * before


def test_a_common_factor_of_some_terms_is_taken_out(monkeypatch):
    other = einsum([d, X, e, X], ["k", "ki", "k", "kj"], "ij")
    node = add([(2, sandwich(D)), (-1, sandwich(E)), (1, other), (0.5, sandwich(F))])
    found, before = both(monkeypatch, [node])
    assert found < 0.5 * before


def test_weights_are_added_before_the_product(monkeypatch):
    weighted = [einsum([X, w, X], ["ki", "k", "kj"], "ij") for w in (d, e)]
    found, before = both(monkeypatch, [add([(1, t) for t in weighted])])
    one = plan(weighted[:1], {}).report().flops
    assert found <= one + 2 * 200
    assert found < 0.6 * before


def test_what_is_needed_anyway_stays(monkeypatch):
    terms = [sandwich(D), sandwich(E)]
    node = add([(1, t) for t in terms])
    found, before = both(monkeypatch, [node, *terms])
    assert found == before


def test_nothing_is_taken_out_where_that_costs_more(monkeypatch):
    x, y, z = (variable(name, (50,)) for name in "xyz")
    A = variable("A", (50, 50))
    for node in (
        add([(1, x), (1, y)]),
        add([(1, einsum([x, y], ["i", "i"], "i")), (1, z)]),
        add([(1, einsum([A, x], ["ij", "j"], "i")), (1, y)]),
        add([(1, einsum([x, y], ["i", "j"], "ij")), (1, A)]),
    ):
        found, before = both(monkeypatch, [node])
        assert found <= before
        assert rearranged([node], {})[0] is flatten([node])[0]


def test_a_factor_of_the_result_is_taken_out_of_deltas_and_others():
    x, b = variable("x", (40,)), variable("b", (40,))
    A = variable("A", (40, 40))
    node = add([(1, einsum([x, A], ["p", "qs"], "pqs")), (1, einsum([x, b], ["p", "q"], "pqq"))])
    (new,) = rearranged([node], {})
    assert isinstance(new, Einsum)
    assert plan([node], {}).report().flops <= 40**3 + 2 * 40**2
    arrays = {"x": np.arange(40.0), "b": np.ones(40), "A": np.ones((40, 40))}
    made = program_for((node,), (), "float64")
    check(made.function(*(arrays[v.name] for v in made.inputs)), node, arrays, np.dtype("float64"))


# --- sums with deltas -------------------------------------------------------------------------


def test_a_sum_with_deltas_is_multiplied_out(monkeypatch):
    n = 30
    s, K, V = variable("s", (n, n)), variable("K", (n, 8)), variable("V", (n, 8))
    bracket = add([(1, einsum([], [], "kl", {"k": n, "l": n}))])
    delta = einsum([], [], "kk", {"k": n})
    bracket = add(
        [(1, einsum([delta], ["kl"], "ikl", {"i": n})), (-1, einsum([s], ["il"], "ikl", {"k": n}))]
    )
    node = einsum([bracket, s, K, V], ["ikl", "ik", "lq", "kj"], "ijq")
    found, before = both(monkeypatch, [node])
    assert found < 0.5 * before
    made = plan([node], {})
    assert max(prod(step.shape) for step in made.instructions) < n**3
    rng = np.random.default_rng(0)
    arrays = {v.name: rng.integers(-2, 3, v.shape).astype(float) for v in (s, K, V)}
    program = program_for((node,), (), "float64")
    found = program.function(*(arrays[v.name] for v in program.inputs))
    check(found, node, arrays, np.dtype("float64"))


def test_a_sum_that_is_used_elsewhere_too_is_right():
    n = 12
    x, A = variable("x", (n,)), variable("A", (n, n))
    bracket = add([(1, einsum([x], ["i"], "ii")), (-1, einsum([x, x], "ij", "ij"))])
    outputs = [
        einsum([bracket, A], ["ij", "jk"], "ik"),
        bracket,
        call(lookup("tanh"), [bracket]),
        einsum([bracket, bracket], ["ij", "jk"], "ik"),
    ]
    rng = np.random.default_rng(0)
    arrays = {v.name: rng.integers(-2, 3, v.shape).astype(float) for v in (x, A)}
    made = program_for(tuple(outputs), (), "float64")
    results = made.function(*(arrays[v.name] for v in made.inputs))
    for found, node in zip(results, outputs, strict=True):
        check(found, node, arrays, np.dtype("float64"))


# --- derivatives ------------------------------------------------------------------------------


def attention(Q, K, V):
    s = np.exp(np.einsum("iq,kq->ik", Q, K))
    return np.einsum("ik,kj->ij", s / s.sum(axis=1, keepdims=True), V)


rng = np.random.default_rng(0)
m, n, h = 1000, 20, 30
data, theta = rng.normal(size=(m, n)), rng.normal(size=n)
Q, K, V = rng.normal(size=(3, 24, 8))
first, second, point = rng.normal(size=(h, n)), rng.normal(size=(5, h)), rng.normal(size=n)

DERIVATIVES = {
    # the derivative, and about how many operations a specialist needs
    "logistic Hessian": (
        lambda: ed.hessian(lambda X, t: np.log(1 + np.exp(X @ t)).sum(), data, theta, wrt=1),
        m * n * n + 4 * m * n + 12 * m,
    ),
    "attention by queries": (
        lambda: ed.grad(attention, Q, K, V, wrt=0),
        # softmax, and Σ_k s_ik V_kj K_kq - (Σ_k s_ik V_kj) (Σ_k s_ik K_kq)
        3 * 2 * 24 * 24 * 8 + 2 * 24 * 24 * 8 * 8 + 4 * 24 * 64 + 8 * 24 * 24 + 24 * 64,
    ),
    "attention by keys": (
        lambda: ed.grad(attention, Q, K, V, wrt=1),
        # s_ik (V_kj - Σ_l s_il V_lj) Q_iq: as many as there are entries, and a small rest
        24 * 8 * 24 * 8 + 2 * 24 * 24 * 8 + 4 * 24 * 24 * 8 + 8 * 24 * 24,
    ),
    "network Hessian": (
        lambda: ed.hessian(
            ed.parse("f = u_i W_ij tanh(V_jk x_k)", u=np.ones(5), W=second, V=first, x=point),
            wrt="x",
        ),
        2 * h * n + 2 * 5 * h + 6 * h + h * n + 2 * h * n * n,
    ),
    "least squares": (
        lambda: ed.hessian(
            "(y_i - X_ij t_j) (y_i - X_ik t_k)", y=data[:, 0], X=data, t=theta, wrt="t"
        ),
        2 * m * n * n + n * n,
    ),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_need_about_as_many_operations_as_by_hand(name, monkeypatch):
    make, by_hand = DERIVATIVES[name]
    t = make()
    found, before = both(monkeypatch, [t.formula.expr])
    assert found <= before
    assert found <= 1.5 * by_hand
    f = t.compile()
    f()
    assert f.report().flops == found


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_are_not_changed(name, monkeypatch):
    t = DERIVATIVES[name][0]()
    found = t.dense()
    program_for.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr("einsdiff.numeric.planning.plan.rearranged", unchanged)
        made = program_for((t.formula.expr,), (), "float64")
        expected = made.function(*(t.values[v.name] for v in made.inputs))
    program_for.cache_clear()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)


# --- products with a factor that stands twice -------------------------------------------------

WEIGHTS = {
    "positive": np.arange(1.0, 61.0),
    "negative": -np.arange(1.0, 61.0),
    "both": np.arange(60.0) - 30,
    "zero": np.zeros(60),
    "one": np.eye(60)[7],
    "minus one": -np.eye(60)[7],
    "minus zero": -np.zeros(60),
    "tiny": np.full(60, 1e-300),
    "huge": np.full(60, 1e300),
    "huge of both signs": np.where(np.arange(60) % 2, 1e300, -1e299),
}


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128", "complex64", "int64"])
@pytest.mark.parametrize("name", WEIGHTS)
def test_weighted_products_of_a_matrix_with_itself(name, dtype):
    weights = WEIGHTS[name]
    if np.dtype(dtype).itemsize == 4 or dtype in ("int64", "complex64"):
        weights = np.clip(weights, -1e30, 1e30) if dtype != "int64" else np.clip(weights, -60, 60)
    x = np.random.default_rng(1).integers(-3, 4, (60, 5)).astype(dtype)
    if np.dtype(dtype).kind == "c":
        x = (x + 1j * x[::-1]).astype(dtype)
        weights = weights * (1 - 2j)
    weights = weights.astype(dtype)
    before = x.copy(), weights.copy()
    found = special.gram(x, weights)
    expected = (x.T * weights) @ x
    assert found.dtype == dtype
    assert found.shape == (5, 5)
    tolerance = 2e-5 if np.dtype(dtype).itemsize == 4 or dtype == "complex64" else 1e-12
    scale = np.max((np.abs(x).T * np.abs(weights)) @ np.abs(x))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(weights, before[1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("other", [1.0, -1.0])
def test_weights_that_are_no_numbers_are_seen_in_the_result(value, other):
    weights = np.full(6, other)
    weights[2] = value
    x = np.random.default_rng(1).integers(1, 4, (6, 3)).astype(float)
    expected = (x.T * weights) @ x
    np.testing.assert_array_equal(special.gram(x, weights), expected)


@pytest.mark.parametrize("dtype", ["float64", "int64", "complex128"])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (1, 1), (1, 4)])
def test_weighted_products_of_few_or_no_rows(shape, dtype):
    x = np.arange(prod(shape)).reshape(shape).astype(dtype)
    weights = (1 - np.arange(shape[0])).astype(dtype)
    found = special.gram(x, weights)
    np.testing.assert_allclose(found, (x.T * weights) @ x)
    rest = np.ones((shape[0], 2), dtype)
    expected = np.einsum("ki,kj,km->ijm", x, x, rest)
    np.testing.assert_allclose(special.pairs(x, rest), expected)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "complex128"])
def test_products_of_pairs_of_columns(dtype):
    rng = np.random.default_rng(2)
    x, rest = (rng.integers(-3, 4, shape).astype(dtype) for shape in [(50, 6), (50, 3)])
    for columns in (x, np.asfortranarray(x), x[::-1]):
        found = special.pairs(columns, rest)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, np.einsum("ki,kj,km->ijm", columns, columns, rest))


def ops(text, *arrays):
    f = ed.einsum(text, *arrays).compile()
    f()
    return [step.op for step in f.report().steps]


@pytest.mark.parametrize(
    ("text", "shapes", "op"),
    [
        ("ki,k,kj->ij", [(400, 40), (400,), (400, 40)], "gram"),
        ("ki,kj,k->ji", [(400, 40), (400, 40), (400,)], "gram"),
        ("ik,k,jk->ij", [(40, 400), (400,), (40, 400)], "gram"),
        ("kli,kl,klj->ij", [(20, 20, 40), (20, 20), (20, 20, 40)], "gram"),
        ("kia,k,kjb->iajb", [(400, 4, 10), (400,), (400, 4, 10)], "gram"),
        ("ki,kj,km->ijm", [(400, 40), (400, 40), (400, 5)], "pairs"),
        ("ki,kj,km->mij", [(400, 40), (400, 40), (400, 5)], "pairs"),
    ],
)
def test_a_factor_that_stands_twice_is_recognised_in_large_products(text, shapes, op):
    rng = np.random.default_rng(3)
    distinct = {shape: rng.integers(-3, 4, shape).astype(float) for shape in set(shapes)}
    arrays = [distinct[shape] for shape in shapes]
    assert op in ops(text, *arrays)
    for dtype in ("float64", "float32", "complex128", "int64"):
        cast = {shape: array.astype(dtype) for shape, array in distinct.items()}
        arrays = [cast[shape] for shape in shapes]
        found, expected = ed.einsum(text, *arrays).dense(), np.einsum(text, *arrays)
        # Roots of weights are not exact.
        atol = {"float32": 1e-2, "int64": 0}.get(dtype, 1e-10)
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("ki,k,kj->ij", [(20, 10), (20,), (20, 10)]),  # small
        ("ki,k,kj->ij", [(400, 40), (400,), (400, 41)]),  # another matrix
        ("ki,kj->ij", [(400, 40), (400, 40)]),  # known to be symmetric to BLAS
        ("ki,k,kj->", [(400, 40), (400,), (400, 40)]),
        ("ki,k,ki->i", [(400, 40), (400,), (400, 40)]),
        ("ki,k,kj->kij", [(400, 40), (400,), (400, 40)]),
        ("ik,k,kj->ij", [(400, 400), (400,), (400, 400)]),  # not the same axis
    ],
)
def test_other_products_are_left_alone(text, shapes):
    rng = np.random.default_rng(3)
    distinct = {shape: rng.integers(-3, 4, shape).astype(float) for shape in set(shapes)}
    arrays = [distinct[shape] for shape in shapes]
    assert not {"gram", "pairs"}.intersection(ops(text, *arrays))
    np.testing.assert_array_equal(ed.einsum(text, *arrays).dense(), np.einsum(text, *arrays))


@pytest.fixture
def nothing_is_small(monkeypatch):
    """Let products of any size be computed as large ones are."""
    program_for.cache_clear()
    monkeypatch.setattr("einsdiff.numeric.planning.contraction.LEAST_SYMMETRIC", 0)
    monkeypatch.setattr("einsdiff.numeric.planning.contraction.LEAST_PRODUCT", 0)
    monkeypatch.setattr("einsdiff.numeric.planning.contraction.LONG_ROW", 2)
    yield
    program_for.cache_clear()


@pytest.mark.usefixtures("nothing_is_small")
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(graphs())
def test_small_products_have_the_same_values_if_computed_as_large_ones(graph):
    made = program_for(tuple(graph.outputs), (), graph.dtype)
    results = made.function(*(graph.arrays[v.name] for v in made.inputs))
    results = results if len(graph.outputs) > 1 else [results]
    for found, node in zip(results, graph.outputs, strict=True):
        # Roots of weights are not exact.
        check(np.asarray(found), node, graph.arrays, graph.dtype)


@st.composite
def symmetric_products(draw):
    """Draw products in which a factor stands twice."""
    size = {n: draw(st.sampled_from([1, 2, 3, 4])) for n in "abcd"}
    size |= {"A": size["a"], "B": size["b"]}
    own = "".join(draw(st.permutations("abc"))[: draw(st.integers(1, 3))])
    other = own.translate(str.maketrans("ab", "AB"))
    x = variable("x", [size[n] for n in own])
    factors, subscripts = [x, x], [own, other]
    for k in range(draw(st.integers(0, 2))):
        labels = "".join(draw(st.permutations("abcdAB"))[: draw(st.integers(0, 2))])
        factors.append(variable(f"w{k}", [size[n] for n in labels]))
        subscripts.append(labels)
    carried = "".join(dict.fromkeys("".join(subscripts)))
    output = "".join(n for n in draw(st.permutations(carried)) if draw(st.booleans()))
    node = einsum(factors, subscripts, output)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    arrays = {v.name: rng.integers(-3, 4, v.shape).astype(float) for v in factors}
    return node, arrays


@pytest.mark.usefixtures("nothing_is_small")
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(symmetric_products(), st.sampled_from(["float64", "int64", "complex128"]))
def test_products_with_a_factor_twice_have_their_values(drawn, dtype):
    node, arrays = drawn
    arrays = {name: array.astype(dtype) for name, array in arrays.items()}
    if dtype == "complex128":
        arrays = {name: array * (1 - 2j) for name, array in arrays.items()}
    made = program_for((node,), (), dtype)
    found = made.function(*(arrays[v.name] for v in made.inputs))
    check(np.asarray(found), node, arrays, np.dtype(dtype))


# --- floats in sums ---------------------------------------------------------------------------


def test_floats_that_all_terms_have_leave_a_sum():
    x, y = variable("x", (3,)), variable("y", (3,))
    difference = add([(1, x), (-1, y)])
    assert rearrange.with_units([add([(2.5, x), (-2.5, y)])])[0] is scale(2.5, difference)
    assert rearrange.with_units([add([(-1.0, x), (1.0, y)])])[0] is scale(-1, difference)
    mixed = add([(1.0, x), (0.5, y)])
    assert rearrange.with_units([mixed])[0] is add([(1, x), (0.5, y)])
    assert rearrange.with_units([scale(1.0, x)])[0] is x
    exact = add([(2, x), (-2, y)])
    assert rearrange.with_units([exact])[0] is exact


def test_half_a_square_and_its_derivative_have_one_residual():
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(50, 4)), rng.normal(size=50), rng.normal(size=4)
    f, gradient = ed.value_and_grad(lambda w: 0.5 * np.sum((X @ w - y) ** 2), w, wrt=0)
    made = plan([f.expr, gradient.expr], {})
    long = [step.op for step in made.instructions if step.shape == (50,)]
    assert sorted(long) in (["dot", "subtract"], ["add", "dot"])
    np.testing.assert_allclose(np.asarray(gradient), X.T @ (X @ w - y))


def test_one_point_zero_makes_integers_floats():
    x = np.array([1, 2, 3])
    gradient = ed.grad("0.5 x_i x_i", x=x, wrt="x")
    for found in (np.asarray(gradient), ed.compile(gradient)(x), gradient.cores().dense()):
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, x)
        assert not np.shares_memory(found, x)
    assert "1.0" in gradient.code()
