"""Tensor networks: the factors, the indices that they share, and what is left out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.algebra.nodes.interning import Add, Constant, Delta, Einsum, Variable, variable
from einsdiff.display.index.lettering import Letters
from einsdiff.display.network.network import MOST_EQUAL, MOST_TERMS, MOST_VERTICES, Network, network
from tests.catalogue_rows import ROWS
from tests.test_catalogue import derivative, symbols_of


def network_of(tensor):
    formula = tensor.formula
    return network(formula.normal_form, formula.heading.letters, formula.letters)


def only_term(text, **names):
    (term,) = network_of(ed.parse(text, **names)).terms
    return term


def shown(term):
    """Return for each index the vertices at its ends, and its legs."""
    return {
        "".join(edge.letters): ([term.vertices[k].label for k in edge.ends], "".join(edge.legs))
        for edge in term.edges
    }


def every_network(net):
    yield net
    for term in net.terms:
        for vertex in term.vertices:
            for inner in vertex.inside:
                yield from every_network(inner)


def formulas_of(row):
    J = derivative(row, "build", symbols_of(row))
    source = J.formula.source
    return [J.formula] if source is None else [J.formula, source[0]]


# --- every formula of the catalogue -----------------------------------------------------------


def operands(net):
    """Return for each term its operands by name, and how many indices are summed."""
    return Counter(
        (
            tuple(sorted(v.label.split("_")[0] for v in term.vertices if v.kind == "operand")),
            sum(not edge.legs for edge in term.edges),
        )
        for term in net.terms
    )


def operands_of_node(node):
    """Return the same, counted from the nodes."""
    found = Counter()
    for _, term in node.terms if isinstance(node, Add) else [(1, node)]:
        if isinstance(term, Einsum):
            slots = Counter(zip(term.operands, term.subscripts, strict=True))
            names = [
                part.name
                for (part, _), n in slots.items()
                if isinstance(part, Variable) and n <= MOST_EQUAL
                for _ in range(n)
            ]
            summed = term.carried.difference(term.output)
        else:
            names = [term.name] if isinstance(term, Variable) else []
            summed = set()
        found[tuple(sorted(names)), len(summed)] += 1
    return found


def is_drawn_as_it_is(node):
    """Tell whether no index is a sum of others, and no diagonal is one of a bracket."""
    terms = [term for _, term in node.terms] if isinstance(node, Add) else [node]
    for term in terms:
        if isinstance(term, Einsum):
            if any(isinstance(part, Delta) for part in term.operands):
                return False
            if len(term.operands) == 1 and isinstance(term.operands[0], Add):
                return False
    return True


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_there_is_a_vertex_for_each_factor_and_an_edge_for_each_sum(row):
    for formula in formulas_of(row):
        node = formula.normal_form
        net = network(node, formula.heading.letters, formula.letters)
        if is_drawn_as_it_is(node):
            assert operands(net) == operands_of_node(node)
        else:
            names = {v.label.split("_")[0] for v in net.vertices() if v.kind == "operand"}
            assert names <= {v.name for v in formula.arguments}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_term_has_a_leg_for_each_free_index(row):
    for formula in formulas_of(row):
        net = network(formula.normal_form, formula.heading.letters, formula.letters)
        assert net.axes == formula.heading.letters
        for part in every_network(net):
            for term in part.terms:
                legs = [letter for edge in term.edges for letter in edge.legs]
                assert sorted(legs) == sorted(part.axes)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_axis_of_a_vertex_is_the_end_of_one_edge(row):
    for formula in formulas_of(row):
        net = network(formula.normal_form, formula.heading.letters, formula.letters)
        for part in every_network(net):
            for term in part.terms:
                ends = [
                    end for edge in term.edges for end in zip(edge.ends, edge.axes, strict=True)
                ]
                axes = [(k, n) for k, v in enumerate(term.vertices) for n in range(len(v.axes))]
                assert sorted(ends) == axes
                for edge in term.edges:
                    for k, n in zip(edge.ends, edge.axes, strict=True):
                        assert term.vertices[k].axes[n] in edge.letters


# --- products ---------------------------------------------------------------------------------


def test_a_product_is_a_chain():
    term = only_term("f_il = A_ij X_jk B_kl")
    assert shown(term) == {
        "i": (["A"], "i"),
        "j": (["A", "X"], ""),
        "k": (["X", "B"], ""),
        "l": (["B"], "l"),
    }
    assert not any(edge.is_dot for edge in term.edges)


def test_a_trace_ends_twice_at_one_factor():
    assert shown(only_term("A_ii")) == {"i": (["A", "A"], "")}


def test_a_batch_index_is_a_dot():
    term = only_term("f_b = x_bi A_ij y_bj")
    assert shown(term)["b"] == (["x", "y"], "b")
    assert [edge.letters for edge in term.edges if edge.is_dot] == [("b",)]


def test_an_index_of_three_factors_is_a_dot():
    term = only_term("x_i y_i z_i")
    (edge,) = term.edges
    assert edge.is_dot
    assert edge.ends == (0, 1, 2)
    assert edge.legs == ()


def test_a_delta_is_a_dot_with_two_legs():
    (edge,) = only_term("f_ip = δ_ip").edges
    assert (edge.letters, edge.ends, edge.legs, edge.is_dot) == (("i", "p"), (), ("i", "p"), True)


def test_deltas_join_indices():
    J = ed.grad("f_i = w_i x_i", wrt="x")
    (term,) = network_of(J).terms
    assert shown(term) == {"ip": (["w"], "ip")}
    assert shown(only_term("f_ipq = δ_ip δ_iq x_q")) == {"ipq": (["x"], "ipq")}


def test_a_sum_over_one_factor_is_a_dot_at_its_end():
    (edge, other) = only_term("f_i = Σ_j A_ij").edges
    assert (other.letters, other.ends, other.is_dot) == (("j",), (0,), True)
    assert not edge.is_dot


def test_what_is_repeated_along_an_axis_has_a_dot_with_one_leg():
    net = network_of(ed.parse("f_i = x_i + c", x=(3,), c=()))
    edges = [edge for term in net.terms for edge in term.edges if not edge.ends]
    assert [(edge.legs, edge.is_dot) for edge in edges] == [(("i",), True)]


def test_squares_are_two_factors():
    assert shown(only_term("f_i = x_i^2")) == {"i": (["x", "x"], "i")}
    assert shown(only_term("f_i = x_i^9")) == {"i": (["( )⁹"], "i")}


def test_the_first_axis_is_told_from_the_second_unless_there_is_symmetry():
    A, S = ed.tensor("A", "nn"), ed.tensor("S", "nn", symmetric=True)
    assert [v.is_ordered for v in network_of(A).vertices()] == [True]
    assert [v.is_ordered for v in network_of(S).vertices()] == [False]
    H = ed.hessian("x_i A_ij x_j", wrt="x")
    axes = [term.vertices[0].axes for term in network_of(H).terms]
    assert axes == [("p", "q"), ("q", "p")]


def test_indices_that_are_sums_stand_in_the_vertex():
    x = ed.tensor("x", 5)
    (term,) = network_of(x[1:]).terms
    assert [v.label for v in term.vertices] == ["x_{i+1}"]
    relation = network_of(ed.grad(x[1:], wrt="x"))
    (vertex,) = relation.terms[0].vertices
    assert vertex.kind == "relation"
    assert set(vertex.axes) == {"i", "p"}
    tril = network_of(ed.parse("f_ij = A_ij [i ≥ j]"))
    assert {v.label for v in tril.vertices()} == {"A", "i ≥ j"}


# --- sums, coefficients and functions ---------------------------------------------------------


def test_terms_have_coefficients():
    net = network_of(ed.parse("f_i = -2 x_i + y_i / 3 - z_i + 0.5 w_i"))
    found = {term.vertices[0].label: term.coefficient for term in net.terms}
    assert found == {"x": "-2", "y": "1/3", "z": "-", "w": "0.5"}


def test_zero_has_no_terms_and_a_number_no_factors():
    assert network_of(ed.parse("x_i y_i - x_i y_i")).terms == ()
    (term,) = network(Constant(7), (), Letters()).terms
    assert (term.coefficient, term.vertices, term.edges) == ("7", (), ())


def test_named_sizes_are_coefficients():
    mean = np.mean(ed.tensor("x", "n"))
    (term,) = network_of(mean).terms
    assert [v.label for v in term.vertices if v.kind == "operand"] == ["x"]
    (box,) = [v for v in term.vertices if v.kind == "function"]
    assert box.label == "( )⁻¹"
    assert box.inside[0].terms[0].coefficient == "n"


def test_a_bracket_is_a_vertex_around_its_terms():
    term = only_term("(y_i - A_ij θ_j) (y_i - A_ik θ_k)")
    assert [v.kind for v in term.vertices] == ["sum", "sum"]
    assert [v.axes for v in term.vertices] == [("i",), ("i",)]
    inner = term.vertices[0].inside[0]
    assert inner.axes == ("i",)
    assert len(inner.terms) == 2


def test_functions_are_vertices_around_their_arguments():
    term = only_term("f_i = exp(A_ij x_j) y_i")
    (exp,) = [v for v in term.vertices if v.kind == "function"]
    assert (exp.label, exp.axes) == ("exp", ("i",))
    assert shown(exp.inside[0].terms[0]) == {"i": (["A"], "i"), "j": (["A", "x"], "")}


@pytest.mark.parametrize(
    ("text", "label", "between"),
    [
        ("f_i = [x_i > y_i]", "[ > ]", ">"),
        ("f_i = x_i^-2", "( )⁻²", ","),
        ("f_i = sqrt(x_i)", "√( )", ","),
        ("f_i = x_i^y_i", "( )ⁿ", "^"),
        ("f_i = maximum(x_i, y_i)", "maximum", ","),
        ("f_i = tanh(x_i)^2", "( )²", ","),
    ],
)
def test_functions_are_called_what_they_are(text, label, between):
    (vertex,) = only_term(text).vertices
    assert (vertex.kind, vertex.label, vertex.between) == ("function", label, between)
    assert vertex.axes == ("i",)


def test_functions_of_matrices_bind_the_indices_inside():
    A, b = ed.tensors(A="nn", b="n")
    (inv,) = network_of(np.linalg.inv(A)).terms[0].vertices
    assert inv.axes == ("i", "j")
    assert inv.is_ordered
    assert inv.inside[0].axes == ()
    (solve,) = network_of(np.linalg.solve(A @ A, b)).terms[0].vertices
    assert len(solve.axes) == 1
    assert [len(net.axes) for net in solve.inside] == [2, 0]
    (softmax,) = network_of(ed.softmax(A @ A)).terms[0].vertices
    assert softmax.axes == softmax.inside[0].axes
    assert not softmax.is_ordered


def test_derivatives_of_unspecified_functions_are_factors():
    z = ed.tensor("z", "k")
    J = ed.grad(ed.tensor("A", "mn") @ ed.tensor("x", "n", of=z), wrt=z)
    (term,) = network_of(J).terms
    assert [v.label for v in term.vertices] == ["A", "∂x/∂z"]
    assert term.vertices[1].axes == ("j", "p")


# --- what is left out -------------------------------------------------------------------------


def size(net):
    return sum(1 for _ in net.vertices())


def test_a_long_chain_is_cut():
    x = ed.tensor("x", 3)
    for _ in range(10_000):
        x = np.tanh(x)
    net = network_of(x)
    assert size(net) <= MOST_VERTICES + 1
    (rest,) = [v for v in net.vertices() if v.kind == "rest"]
    assert rest.label == f"… {10_001 - MOST_VERTICES + 1:,} factors"


def test_a_long_sum_is_cut():
    xs = [ed.tensor(f"x{k}", 3) for k in range(1000)]
    net = network_of(sum(xs[1:], xs[0]))
    assert len(net.terms) == MOST_TERMS
    (rest,) = [v for v in net.vertices() if v.kind == "rest"]
    assert rest.label == f"… {1000 - MOST_TERMS + 1} more terms"


def test_a_long_product_is_cut():
    A = ed.tensor("A", "nn")
    text = "f_ij = " + " ".join(f"A{k}_ij" for k in range(MOST_VERTICES + 1))
    net = network_of(ed.parse(text))
    (rest,) = net.vertices()
    assert (rest.label, rest.axes) == (f"… {MOST_VERTICES + 1} factors", ("i", "j"))
    assert size(network_of(A)) == 1


def test_what_is_used_again_and_again_is_cut():
    x = ed.tensor("x", 3)
    for _ in range(70):
        x = np.sin(x) * np.cos(x) + x
    net = network_of(x)
    assert size(net) <= 2 * MOST_VERTICES
    assert any("10^" in v.label for v in net.vertices() if v.kind == "rest")


def test_placeholders_take_no_name_that_is_used():
    rest = ed.tensor("rest0", 3)
    for _ in range(100):
        rest = np.tanh(rest)
    labels = [v.label for v in network_of(rest).vertices()]
    assert "rest0" not in labels


def test_a_name_that_could_not_be_read_is_one_vertex():
    evil = variable("a b<", (3,))
    net = network(evil, ("i",), Letters())
    (vertex,) = net.vertices()
    assert (vertex.kind, vertex.label, vertex.axes) == ("operand", "a b<", ("i",))


def test_networks_are_values():
    one, other = (network_of(ed.parse("A_ij x_j")) for _ in range(2))
    assert isinstance(one, Network)
    assert one == other
    assert hash(one) == hash(other)
