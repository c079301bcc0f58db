"""Derivations: each line equals the one before, and the last one is the derivative."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.algebra.graph import rebuilt, topological, variables_of
from einsdiff.algebra.nodes import Node
from einsdiff.display.derivation import Derivation, Step
from einsdiff.display.index import Heading, Letters, terms
from einsdiff.formula import Formula
from tests.catalogue_rows import ROWS, SIZES, Row
from tests.test_catalogue import arrays_of, derivative, symbols_of

by_row = pytest.mark.parametrize("row", ROWS, ids=str)


def of_symbols(row: Row) -> ed.Tensor:
    return derivative(row, "build", symbols_of(row))


def meant(node: Node, derivation: Derivation) -> Node:
    """Write what symbols stand for in their places."""
    done: dict[Node, Node] = {}
    for part in topological([node]):
        done[part] = derivation.meaning.get(part, None) or rebuilt(part, done)  # type: ignore[call-overload]
    return done[node]


def sizes_in(shape: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else SIZES[size] for size in shape)


def computed(node: Node, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    variables = tuple(variables_of([node]))
    rng = np.random.default_rng(7)
    known = dict(arrays)
    for v in sorted(variables, key=lambda v: v.name):
        if v.name not in known:
            known[v.name] = rng.uniform(0.5, 1.5, sizes_in(v.shape))
    axes = tuple("abcdefgh"[: len(node.shape)])
    formula = Formula(node, Heading("value", axes), Letters(), variables)
    values = {v.name: known[v.name] for v in variables}
    if not all(isinstance(size, int) for size in node.shape):
        return np.zeros(sizes_in(node.shape)) if not variables else ed.Tensor(formula, {})(**values)
    return np.asarray(ed.Tensor(formula, {})(**values))


@by_row
def test_both_sides_of_each_step_are_equal(row):
    derivation = of_symbols(row).explain()
    arrays = arrays_of(row)
    checked = 0
    for step in derivation:
        if step.nodes is None:
            continue
        before, after = (meant(node, derivation) for node in step.nodes)
        if before is after:
            continue
        left, right = (computed(node, arrays) for node in (before, after))
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9, err_msg=str(step))
        checked += 1
    assert len(derivation) >= 2


@by_row
def test_last_line_is_the_derivative(row):
    J = of_symbols(row)
    steps = [step for step in J.explain() if step.rule != "matrix"]
    assert f"{steps[-1].left} = {steps[-1].after}" == str(J)
    brief = [step for step in J.explain("brief") if step.rule != "matrix"]
    assert brief[-1].after == steps[-1].after
    assert len(brief) <= len(steps)


def spelled(text: str, step: Step, arrays: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Write derivatives in a text as names of arrays, so that it can be parsed as it is."""
    assert step.nodes is not None
    known = dict(arrays)

    def name(match: re.Match[str]) -> str:
        base, own, _, theirs = match.groups()
        known[f"D{base}"] = None
        return f"D{base}_{{{','.join([*(own or ''), *(theirs or '')])}}}"

    pattern = r"∂([^\W_]+)(?:_(\w+))?/∂([^\W_]+)(?:_(\w+))?"
    return re.sub(pattern, name, text), known


TEXTS = [
    ("ij,j->i", {"A": (2, 3), "x": (3,)}, "A"),
    ("ij,j->i", {"A": (2, 3), "x": (3,)}, "x"),
    ("K_pq = R_mp R_mq", {"R": (2, 3)}, "R"),
    ("a_i X_ij b_j", {"a": (2,), "X": (2, 3), "b": (3,)}, "X"),
    ("i,ij,j->", {"x": (3,), "A": (3, 3)}, "x"),
    ("(y_i - A_ij x_j) (y_i - A_ik x_k)", {"y": (2,), "A": (2, 3), "x": (3,)}, "x"),
    ("tanh(A_ij x_j) B_ik", {"A": (2, 3), "x": (3,), "B": (2, 2)}, "A"),
    ("x_i W_ij x_j + c_i x_i x_i", {"x": (3,), "W": (3, 3), "c": (3,)}, "x"),
]


@pytest.mark.parametrize(("text", "shapes", "wrt"), TEXTS, ids=[text for text, *_ in TEXTS])
def test_lines_say_what_they_are(text, shapes, wrt):
    """Each printed line is read again, and computed from what the names in it stand for."""
    rng = np.random.default_rng(3)
    arrays = {name: rng.uniform(0.5, 1.5, shape) for name, shape in shapes.items()}
    if "->" in text:
        names = ["x", "A", "x"] if text == "i,ij,j->" else list(shapes)
        operands = [ed.tensor(name, shapes[name]) for name in names]
        J = ed.grad(text, *operands, wrt=wrt)
    else:
        J = ed.grad(text, wrt=wrt, **{n: ed.tensor(n, s) for n, s in shapes.items()})
    derivation = J.explain()
    inner = {v.name: node for v, node in derivation.meaning.items() if v.name != "δ"}
    values = {name: computed(meant(node, derivation), arrays) for name, node in inner.items()}
    lines = 0
    for step in derivation:
        if step.nodes is None:
            continue
        line, known = spelled(step.after, step, arrays)
        axes = re.findall(r"_(\w+)", step.left)
        for name in list(known):
            if name.startswith("D") and known[name] is None:
                known[name] = values[f"∂{name[1:]}/∂{wrt}"]
        known.update({n: v for n, v in values.items() if not n.startswith("∂")})
        labels = ",".join("".join(axes))
        sizes = dict(zip("".join(axes), step.nodes[1].shape, strict=True))
        there = {n: v for n, v in known.items() if re.search(rf"(?<!\w){n}(?![^\W_])", line)}
        value = np.asarray(
            ed.parse(f"V_{{{labels}}} = {line}" if labels else line, sizes=sizes, **there)
        )
        expected = computed(meant(step.nodes[1], derivation), arrays)
        np.testing.assert_allclose(value, expected, rtol=1e-9, err_msg=step.after)
        lines += 1
    assert lines >= 2


def board(J: ed.Tensor, detail: str = "full") -> str:
    return str(J.explain(detail))


def test_a6_product_of_a_matrix_and_a_vector_by_the_matrix():
    J = ed.grad("ij,j->i", "A", "x", wrt="A")
    assert (
        board(J)
        == """\
f_i = A_ij x_j
    = Σ_j A_ij x_j                  the sum written out

∂f_i/∂A_pq = ∂A_ij/∂A_pq x_j        x does not depend on A
           = δ_ip δ_jq x_j          ∂A_ij/∂A_pq = δ_ip δ_jq
           = δ_ip x_q               δ_jq: j becomes q

In matrix notation, numerator layout, vec order C:
  ∂f/∂vec(A) = I_m ⊗ xᵀ"""
    )
    assert (
        board(J, "brief")
        == """\
f_i = A_ij x_j

∂f_i/∂A_pq = ∂A_ij/∂A_pq x_j        x does not depend on A
           = δ_ip x_q               δ_jq: j becomes q

In matrix notation, numerator layout, vec order C:
  ∂f/∂vec(A) = I_m ⊗ xᵀ"""
    )


def test_a7_gram_matrix():
    assert (
        board(ed.grad("K_pq = R_mp R_mq", wrt="R"))
        == """\
K_pq = R_mp R_mq
     = Σ_m R_mp R_mq                             the sum written out

∂K_pq/∂R_rs = ∂R_mp/∂R_rs R_mq + R_mp ∂R_mq/∂R_rs  product rule
            = δ_mr δ_ps R_mq + δ_mr δ_qs R_mp    ∂R_mp/∂R_rs = δ_mr δ_ps
            = δ_ps R_rq + δ_qs R_rp              δ_mr: m becomes r

In matrix notation, numerator layout, vec order C:
  ∂vec(K)/∂vec(R) = Rᵀ ⊗ I_n + (I_n ⊗ Rᵀ) K_mn"""
    )


def test_b11_least_squares():
    assert (
        board(ed.grad("(y_i - A_ij x_j) (y_i - A_ik x_k)", wrt="x"))
        == """\
Let u_i = y_i - A_ij x_j

∂u_i/∂x_p = -A_ij ∂x_j/∂x_p           term by term; y and A do not depend on x
          = -δ_jp A_ij                ∂x_j/∂x_p = δ_jp
          = -A_ip                     δ_jp: j becomes p

f = u_i u_i
  = Σ_i u_i u_i                       the sum written out

∂f/∂x_p = 2 u_i ∂u_i/∂x_p             product rule, the factors are equal
        = -2 A_ip u_i                 ∂u/∂x inserted
        = -2 (y_i - A_ij x_j) A_ip    u inserted

In matrix notation, numerator layout, vec order C:
  ∂f/∂x = -2 (y - A x)ᵀ A"""
    )


@by_row
def test_lines_fit_in_eighty_columns(row):
    for line in board(of_symbols(row)).splitlines():
        if len(line) > 80:  # then it is one term, or one comment
            _, _, right = line.partition(" = ")
            assert len(list(terms((right or line).strip().removeprefix("- ")))) == 1, line


def test_second_derivative_begins_with_the_first():
    rules = [step.left for step in ed.hessian("i,ij,j->", "x", "A", "x", wrt="x").explain()]
    assert rules.index("∂f/∂x_p") < rules.index("∂²f/∂x_p∂x_q")


def test_steps_are_data():
    derivation = ed.grad("ij,j->i", "A", "x", wrt="A").explain()
    assert [step.rule for step in derivation] == [
        "definition",
        "expand",
        "product",
        "delta",
        "contract",
        "matrix",
    ]
    step = derivation[4]
    assert (step.before, step.after) == ("δ_ip δ_jq x_j", "δ_ip x_q")
    assert step.sentence == "δ_jq: j becomes q"
    assert len(derivation) == 6


def test_names_of_inner_functions_are_not_those_of_the_user():
    J = ed.grad("(u_i - v_i w_i) (u_i - v_i w_i)", wrt="w")
    assert "Let r_i = u_i - v_i w_i" in board(J)


def test_constant_function():
    f = ed.tensor("x", 3) * 0 + ed.tensor("a", 3)
    assert "x does not occur" in board(ed.grad(f, wrt="x"))


def test_signs_of_html_are_escaped():
    html = ed.grad(ed.relu(ed.tensor("x", 3)), wrt="x").explain().html()
    assert " &gt; 0]" in html
    assert " > 0]" not in html


def test_markdown_latex_and_html_have_each_line():
    derivation = ed.grad("ij,j->i", "A", "x", wrt="A").explain()
    assert r"&= \delta_{ip} \delta_{jq} x_j" in derivation.latex()
    assert derivation.latex().count(r"\begin{aligned}") == 3
    assert derivation.markdown().count("$$") == 6
    assert "<i>δ</i><sub><i>jq</i></sub> <i>x</i><sub><i>j</i></sub>" in derivation.html()
    assert derivation._repr_html_() == derivation.html()


def test_what_cannot_be_explained_says_so():
    with pytest.raises(ed.OperandError, match="no derivative"):
        ed.tensor("x", 3).explain()
    with pytest.raises(ed.OperandError, match="level of detail"):
        ed.grad("x_i x_i", wrt="x").explain("long")
    y = ed.tensor("x", ())
    for _ in range(100):
        y = ed.sin(y)
    with pytest.raises(ed.OperandError, match="too long"):
        ed.grad(y, wrt="x").explain()
