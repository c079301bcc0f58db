"""Cases: conditions in words, disjoint and exhaustive."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.nodes.interning import variable, zero
from einsdiff.algebra.nodes.nodes import add, einsum, related
from einsdiff.algebra.rewriting.orient import normal_form
from einsdiff.display.index.lettering import Heading, Letters
from einsdiff.display.tables import deltas as module
from einsdiff.display.tables.cases import Cases, Condition, by_cases
from einsdiff.expressions.formula import Formula
from einsdiff.expressions.tensor_class import Tensor
from tests.catalogue_rows import ROWS
from tests.display.expressions import arrays_for, derivatives
from tests.extras import katex_complaints
from tests.grid import NoValueError, evaluate
from tests.random_expressions import Expressions, points
from tests.test_catalogue import arrays_of, derivative, substituted, symbols_of, tensors_of


def values_of(cases: Cases, t: ed.Tensor, arrays=None) -> list[np.ndarray]:
    """Evaluate each case."""
    found = []
    for case in cases:
        heading = Heading("f", case.axes)
        formula = Formula(case.expr, heading, t.formula.letters, t.formula.arguments)
        found.append(np.asarray(Tensor(formula, arrays or t.values).dense()))
    return found


def check(t: ed.Tensor) -> None:
    """Check that exactly one case applies to each index tuple, and has its value."""
    cases = t.cases()
    dense = np.asarray(t.dense())
    values = values_of(cases, t)
    for index in np.ndindex(dense.shape):
        named = dict(zip(cases.axes, index, strict=True))
        (k,) = [k for k, case in enumerate(cases) if case.applies(named)]
        assert cases.at(*index) is cases[k]
        entry = values[k][tuple(named[axis] for axis in cases[k].axes)]
        np.testing.assert_allclose(entry, dense[index], rtol=1e-9, atol=1e-12)


# --- the catalogue ----------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_exactly_one_case_applies_and_has_the_value(row):
    operands = tensors_of(row, arrays_of(row))
    if row.of:
        operands = substituted(row, "sine", operands, np)
    check(derivative(row, "build", operands))


def test_katex_takes_the_cases_of_the_catalogue():
    texts = [derivative(row, "build", symbols_of(row)).cases().latex() for row in ROWS]
    assert [c for c in katex_complaints(texts) if c is not None] == []


# --- how they read ----------------------------------------------------------------------------

GRAM = """\
              ⎧ R_rq    if p = s ≠ q
∂K_pq/∂R_rs = ⎨ R_rp    if q = s ≠ p
              ⎪ 2 R_rq  if p = q = s
              ⎩ 0       otherwise"""

SHOWN = {
    "gram": ("K_pq = R_mp R_mq", "R", GRAM),
    "one delta": ("A_ij x_j", "A", "∂f_i/∂A_pq = ⎧ x_q  if i = p\n             ⎩ 0    otherwise"),
    "two deltas": (
        "f_ij = A_ij",
        "A",
        "∂f_ij/∂A_pq = ⎧ 1  if i = p, j = q\n              ⎩ 0  otherwise",
    ),
    "no delta": ("a_i X_ij b_j", "X", "∂f/∂X_pq = a_p b_q"),
    "an entry": ("A_1j x_j", "A", "∂f/∂A_pq = ⎧ x_q  if p = 1\n           ⎩ 0    otherwise"),
    "two values": (
        "f_ij = x_i y_j + δ_ij",
        "y",
        "∂f_ij/∂y_p = ⎧ x_i  if j = p\n             ⎩ 0    otherwise",
    ),
    "a shift": ("f_i = x_{i+1}", "x", "∂f_i/∂x_p = ⎧ 1  if p = i+1\n            ⎩ 0  otherwise"),
    "a triangle": (
        "f_ij = [i ≥ j] A_ij",
        "A",
        "∂f_ij/∂A_pq = ⎧ 1  if i = p, j = q, i ≥ j\n              ⎩ 0  otherwise",
    ),
}


@pytest.mark.parametrize("name", SHOWN)
def test_cases_are_printed(name):
    text, wrt, expected = SHOWN[name]
    assert str(ed.grad(text, wrt=wrt, sizes={"i": 3} if name == "a shift" else None).cases()) == (
        expected
    )


def test_a_case_for_each_entry_of_a_small_vector():
    f = ed.grad(ed.stack([ed.tensor("t", ()) ** 2, ed.sin(ed.tensor("t", ()))]), wrt="t")
    assert str(f.cases()) == "∂f_i/∂t = ⎧ 2 t     if i = 0\n          ⎩ cos(t)  if i = 1"


def test_cases_with_one_value_are_one_case():
    x = ed.tensor("x", 2)
    H = ed.hessian(x[0] ** 2 * x[1] + x[0] * x[1] ** 3, wrt="x")
    assert [case.condition for case in H.cases()] == [
        "if p = q = 0",
        "if p = 0, q = 1 or p = 1, q = 0",
        "if p = q = 1",
    ]


def test_a_term_without_deltas_is_in_every_case():
    cases = ed.grad("f_i = x_i + Σ_j x_j", wrt="x").cases()
    assert str(cases) == "∂f_i/∂x_p = ⎧ 1  if i ≠ p\n            ⎩ 2  if i = p"


def test_terms_that_cancel_are_no_case():
    R = variable("R", ("m", "n"))
    J = add(
        [
            (1, einsum([R], ["rq"], "pqrp", {"p": "n"})),
            (-1, einsum([R], ["rp"], "pqrq", {"q": "n"})),
        ]
    )
    cases = by_cases(J, Heading("f", ("p", "q"), (("R", ("r", "s")),)), Letters())
    assert [str(case) for case in cases] == [
        "R_rq if p = s ≠ q",
        "-R_rp if q = s ≠ p",
        "0 otherwise",
    ]


def test_zero_is_one_case():
    cases = by_cases(zero((2,)), Heading("f", ("i",)), Letters())
    assert str(cases) == "f_i = 0"
    assert cases.at(1) is cases[0]


def test_a_wide_value_stands_above_its_condition():
    cases = ed.grad("x_i x_i x_j A_jk x_k", wrt="x", order=2).cases()
    lines = str(cases).splitlines()
    assert lines[0] == "∂²f/∂x_p∂x_q ="
    assert max(map(len, lines)) <= 80
    assert lines[-1] == "  ⎩     if p = q"


def test_conditions_are_data():
    case = ed.grad("K_pq = R_mp R_mq", wrt="R").cases()[0]
    ((holds, fails),) = case.conditions
    assert holds == Condition(((1, "p"), (-1, "s")), 0, True, True)
    assert fails == Condition(((1, "q"), (-1, "s")), 0, True, False)
    assert case.applies({"p": 1, "s": 1, "q": 0, "r": 5})
    assert not case.applies({"p": 1, "s": 1, "q": 1, "r": 5})
    assert str(case) == repr(case) == "R_rq if p = s ≠ q"
    assert case.axes == ("q", "r")


def test_markup_is_escaped_and_complete():
    cases = ed.grad("K_pq = R_mp R_mq", wrt="R").cases()
    html = cases._repr_html_()
    assert html.count("<tr>") == 4
    assert "if <i>p</i> = <i>s</i> ≠ <i>q</i>" in html
    assert cases._repr_latex_() == f"$\\displaystyle {cases.latex()}$"
    assert cases.markdown() == f"$$\n{cases.latex()}\n$$"
    assert r"2 R_{rq} & \text{if } p = q = s \\" in cases.latex()
    text = ed.grad("f_ij = [i ≥ j] A_ij", wrt="A").cases()
    assert r"i \geq j" in text.latex()


def test_alternatives_are_told_apart():
    x = ed.tensor("x", 2)
    H = ed.hessian(x[0] ** 2 * x[1] + x[0] * x[1] ** 3, wrt="x")
    assert r"p = 0,\; q = 1 \text{ or } p = 1,\; q = 0" in H.cases().latex()


def test_too_many_cases_are_refused():
    x = ed.tensor("x", 100)
    with pytest.raises(ed.SizeError, match="there are 70 cases"):
        ed.stack([k * x[k] for k in range(1, 71)]).cases()


def test_too_many_patterns_are_refused():
    x = ed.tensor("x", "n")
    J = ed.grad(ed.einsum(",".join("abcdefghijklm") + "->abcdefghijklm", *[x] * 13), wrt="x")
    with pytest.raises(ed.SizeError, match=f"more than {module.MOST_PATTERNS} ways"):
        J.cases()


# --- what is possible -------------------------------------------------------------------------


def chain_of(n: int, size) -> ed.Tensor:
    """Add products of deltas of n indices, and one of all."""
    letters = "ijklm"[:n]
    x = variable("x", (size,))
    terms = [
        (k + 1, einsum([x], [a], letters.replace(b, a), dict.fromkeys(letters, size)))
        for k, (a, b) in enumerate((a, b) for a in letters for b in letters if a < b)
    ]
    heading = Heading("f", tuple(letters))
    return Tensor(Formula(add(terms), heading, Letters(), (x,)), {})


@pytest.mark.parametrize("n", [2, 3, 4])
def test_cases_are_the_set_partitions(n):
    """Where all pairs are compared, the cases are the partitions of the indices."""
    bell = {2: 2, 3: 5, 4: 15}[n]
    t = chain_of(n, "n")
    cases = t.cases()
    assert len(cases) == bell
    partitions = {
        tuple(min(k for k in range(n) if index[k] == index[at]) for at in range(n)): cases.at(
            *index
        )
        for index in product(range(n), repeat=n)
    }
    assert len(partitions) == bell
    assert len({id(case) for case in partitions.values()}) == bell


def test_what_sizes_exclude_is_no_case():
    assert len(chain_of(3, "n").cases()) == 5
    assert len(chain_of(3, 2).cases()) == 4  # three numbers below 2 are not all different


def test_shifts_of_large_axes_exclude_each_other():
    x = variable("x", (5000,))
    y = variable("y", (5000,))
    node = add(
        [
            (1, einsum([related((5000, 5000), (1, -1), 1), x], ["ip", "p"], "ip")),
            (1, einsum([related((5000, 5000), (1, -1), 2), y], ["ip", "p"], "ip")),
        ]
    )
    cases = by_cases(node, Heading("f", ("i", "p")), Letters())
    assert [str(case) for case in cases] == ["x_p if p = i+1", "y_p if p = i+2", "0 otherwise"]


def test_inequalities_of_large_axes_exclude_each_other():
    A = variable("A", ("n", "n"))
    lower = einsum([related(("n", "n"), (1, -1)), A], ["ij", "ij"], "ij")
    upper = einsum([related(("n", "n"), (-1, 1), -1, False), A], ["ij", "ij"], "ij")
    triangle = einsum([related(("n", "n"), (1, -1), 0, False), A], ["ij", "ij"], "ij")
    cases = by_cases(
        add([(1, lower), (2, upper), (4, triangle)]), Heading("f", ("i", "j")), Letters()
    )
    # i = j and i < j exclude each other, and so do i < j and i ≥ j.
    assert {case.value for case in cases} >= {"2 A_ij", "4 A_ij"}
    for i, j in product(range(3), repeat=2):
        assert sum(case.applies({"i": i, "j": j}) for case in cases) == 1
    assert "6 A_ij" not in {case.value for case in cases}


@st.composite
def expressions(draw):
    """Draw a sum of products with deltas and relations of up to four free indices."""
    n = draw(st.integers(1, 4))
    axes = "ijkl"[:n]
    size = draw(st.integers(1, 3))
    x, A = variable("x", (size,)), variable("A", (size, size))
    sizes = dict.fromkeys(axes + "z", size)
    terms = []
    for _ in range(draw(st.integers(1, 4))):
        operands, subscripts = [], []
        for _ in range(draw(st.integers(0, 2))):
            node = draw(st.sampled_from([x, A]))
            operands.append(node)
            subscripts.append([draw(st.sampled_from(axes + "z")) for _ in node.shape])
        for _ in range(draw(st.integers(0, 3))):
            kind = draw(st.sampled_from(["delta", "shift", "at", "least"]))
            a, b = draw(st.sampled_from(axes)), draw(st.sampled_from(axes))
            if kind == "at" or a == b:
                node = related((size,), (1,), -draw(st.integers(0, size - 1)))
                subscripts.append([a])
            else:
                offset = draw(st.integers(-1, 1)) if kind != "delta" else 0
                node = related((size, size), (1, -1), offset, kind != "least")
                subscripts.append([a, b])
            operands.append(node)
        used = {label for labels in subscripts for label in labels}
        inside = {label: sizes[label] for label in (*axes, *(used & {"z"}))}
        terms.append(
            (draw(st.sampled_from([1, -1, 2])), einsum(operands, subscripts, axes, inside))
        )
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    arrays = {"x": rng.normal(size=size), "A": rng.normal(size=(size, size))}
    formula = Formula(add(terms), Heading("f", tuple(axes)), Letters(), (x, A))
    return Tensor(formula, arrays)


@settings(max_examples=150, deadline=None)
@given(expressions(), st.booleans())
def test_any_deltas_give_disjoint_and_exhaustive_cases(t, by_search):
    before = module.MOST_TUPLES
    try:
        module.MOST_TUPLES = 0 if by_search else before
        check(t)
    finally:
        module.MOST_TUPLES = before


@given(derivatives())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_derivatives_by_cases(J):
    assume(np.prod(J.shape) < 1000)
    try:
        cases = J.cases()
    except ed.SizeError:
        reject()
    assert all((str(cases), cases.latex(), cases._repr_html_()))
    arrays = arrays_for(J)
    t = Tensor(J.formula, {v.name: arrays[v.name] for v in J.formula.arguments})
    try:
        with np.errstate(all="ignore"):
            dense, values = t.dense(), values_of(cases, t)
    except np.linalg.LinAlgError:
        reject()
    for index in np.ndindex(dense.shape):
        named = dict(zip(cases.axes, index, strict=True))
        (k,) = [k for k, case in enumerate(cases) if case.applies(named)]
        entry = values[k][tuple(named[axis] for axis in cases[k].axes)]
        if np.isfinite(entry) and np.isfinite(dense[index]):
            np.testing.assert_allclose(entry, dense[index], rtol=1e-6, atol=1e-8)


def test_what_has_no_entry_has_one_case():
    cases = ed.grad("A_ij x_j", wrt="A", A=(0, 2)).cases()
    assert str(cases) == "∂f_i/∂A_pq = δ_ip x_q"
    assert len(cases) == 1


@pytest.mark.parametrize("index", [(1, 2), (1, 2, 3, 4), (-1, 0, 0)])
def test_no_index_tuple_has_no_case(index):
    cases = ed.grad("A_ij x_j", wrt="A").cases()
    with pytest.raises(ed.RangeError, match="give 3 integers from 0, for i, p, q"):
        cases.at(*index)


def test_equal_indices_may_have_different_ranges():
    S = ed.tensor("S", np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]))
    J = ed.grad(ed.sin(ed.concatenate([S, S])), wrt="S")
    check(J)
    assert "i = q" in str(J.cases()) or "p = i" in str(J.cases()) or "i = p" in str(J.cases())


# --- random expressions of named sizes --------------------------------------------------------


@pytest.mark.parametrize("block", range(6))
def test_cases_of_any_expression_have_its_values(block):
    for seed in range(30 * block, 30 * block + 30):
        drawn = Expressions(seed)
        node = normal_form(drawn.any())
        letters = tuple("pqrs"[: len(node.shape)])
        try:
            cases = by_cases(node, Heading("f", letters), Letters())
        except ed.SizeError:
            continue
        for arrays, sizes in points(drawn.variables):
            try:
                whole = evaluate(node, arrays, sizes)
                values = [evaluate(case.expr, arrays, sizes) for case in cases]
            except NoValueError:
                continue
            for index in np.ndindex(whole.shape):
                named = dict(zip(letters, index, strict=True))
                (k,) = [k for k, case in enumerate(cases) if case.applies(named)]
                entry = values[k][tuple(named[axis] for axis in cases[k].axes)]
                np.testing.assert_allclose(entry, whole[index], rtol=1e-7, atol=1e-7)


def test_cases_are_counted_before_a_value_is_computed(monkeypatch):
    computed = []
    monkeypatch.setattr("einsdiff.display.tables.cases._value", lambda *args: computed.append(args))
    J = ed.grad("f_i = x_i / sqrt(x_j x_j)", wrt="x", order=5)
    with pytest.raises(ed.SizeError, match="up to 203 cases with 1635 terms in all"):
        J.cases()
    assert not computed


@pytest.mark.parametrize("pairs", ["ab ac ad", "ab bc cd de", "ab bc ac cd", "ab cd ac bd"])
def test_equalities_hold_or_not_as_partitions_do(pairs):
    axes = sorted(set(pairs) - {" "})
    atoms = [module._atom([(axes.index(a), 1), (axes.index(b), -1)], 0, True)
             for a, b in pairs.split()]  # fmt: skip
    seen = set()
    for index in product(range(len(axes)), repeat=len(axes)):
        at = dict(enumerate(index))
        seen.add(frozenset(atom for atom in atoms if module._is_true(atom, at)))
    found = module._partitions(atoms)
    assert len(found) == len(set(found))
    assert set(found) == seen
