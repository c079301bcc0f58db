"""Nodes: interning, delta substitution, canonical form, like terms."""

from __future__ import annotations

import copy
import itertools
import os
import pickle
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.graph import children, topological
from einsdiff.algebra.nodes.interning import (
    Add,
    Call,
    Constant,
    Delta,
    Einsum,
    Node,
    Variable,
    constant,
    delta,
    variable,
    zero,
)
from einsdiff.algebra.nodes.nodes import add, call, einsum, related, scale
from einsdiff.numeric.running.program import program_for
from tests.oracle import brute_einsum

x, y = variable("x", (3,)), variable("y", (3,))
A, B = variable("A", (3, 3)), variable("B", (3, 3))
S = variable("S", (3, 3), symmetric=True)


# --- interning --------------------------------------------------------------------------------


def test_equal_expressions_are_the_same_object():
    assert variable("x", (3,)) is x
    assert variable("x", (4,)) is not x
    assert variable("S", (3, 3)) is not S
    assert delta(3) is delta(3)
    assert constant(2) is constant(Fraction(4, 2))
    assert add([(1, x), (2, y)]) is add([(2, y), (1, x)])


def test_the_classes_build_what_the_functions_build():
    sine = FUNCTIONS["sin"]
    assert Variable("x", (3,)) is x
    assert Variable("S", (3, 3), True) is S
    assert Constant(Fraction(4, 2)) is constant(2)
    assert Delta("n") is delta("n")
    assert Einsum([delta(3), x], ["ij", "j"], "i") is x
    assert Einsum([x], ["q"], "iiq", {"i": 2}) is einsum([x], ["q"], "iiq", {"i": 2})
    assert Add([(1, x), (1, x)]) is scale(2, x)
    assert Add((), (2,)) is zero((2,))
    assert Call(sine, [x]) is call(sine, [x])


def test_numbers_that_were_typed_differently_are_different():
    assert len({constant(1), constant(1.0), constant(1 + 0j), constant(True)}) == 3
    assert scale(1.0, x) is not x


def test_nodes_cannot_be_changed():
    with pytest.raises(AttributeError, match="immutable"):
        x.name = "z"
    with pytest.raises(AttributeError, match="immutable"):
        del x.name


@pytest.mark.parametrize(
    "node",
    [
        x,
        S,
        constant(Fraction(1, 3)),
        delta("n"),
        zero((2, "n")),
        einsum([x], ["q"], "iiq", {"i": "m"}),
        einsum([], [], "", {"k": "n"}),
        add([(2, einsum([A, x], ["ij", "j"], "i")), (0.5, y)]),
        call(FUNCTIONS["tanh"], [x]),
    ],
    ids=repr,
)
def test_copies_and_pickles_are_the_same_object(node):
    assert copy.deepcopy(node) is copy.copy(node) is node
    assert pickle.loads(pickle.dumps(node)) is node


def test_threads_intern_the_same_objects():
    def build(seed: int) -> list[Node]:
        order = list(range(200))
        random.Random(seed).shuffle(order)
        built = {k: einsum([variable(f"t{k}", (2,)), x], ["i", "j"], "ij") for k in order}
        return [built[k] for k in range(200)]

    with ThreadPoolExecutor(8) as pool:
        first, *others = pool.map(build, range(16))
    assert all(one is other for result in others for one, other in zip(first, result, strict=True))


# --- deltas -----------------------------------------------------------------------------------


def test_a_delta_with_a_summed_label_renames_it():
    assert einsum([delta(3), x], ["ij", "j"], "i") is x
    assert einsum([delta(3), delta(3)], ["ij", "jk"], "ik") is delta(3)
    assert einsum([delta(3), A], ["ij", "ij"], "") is einsum([A], ["ii"], "")


def test_a_delta_that_ties_output_labels_is_a_repeated_label():
    node = einsum([delta(2), x], ["ip", "q"], "ipq")
    assert node is einsum([x], ["q"], "iiq", {"i": 2})
    assert isinstance(node, Einsum)
    assert node.operands == (x,)
    assert node.output == (0, 0, 1)


def test_no_delta_and_no_number_stays_among_factors():
    inner = einsum([delta(3), x], ["ip", "q"], "ipq")
    outer = einsum([inner, scale(2, A), delta(3)], ["ipq", "pj", "jk"], "iqk")
    assert isinstance(outer, Add)
    ((c, term),) = outer.terms
    assert c == 2
    assert set(term.operands) == {x, A}


@pytest.mark.parametrize(("size", "expected"), [(3, Constant), ("n", Einsum)])
def test_a_free_trace_is_its_size(size, expected):
    trace = einsum([delta(size)], ["ii"], "")
    assert isinstance(trace, expected)
    assert trace is einsum([], [], "", {"i": size})
    if size == 3:
        assert trace is constant(3)


def test_a_named_size_and_a_number_do_not_mix():
    with pytest.raises(AssertionError):
        einsum([variable("a", ("n",)), x], ["i", "i"], "")


# --- sums -------------------------------------------------------------------------------------


def test_like_terms_collect_exactly():
    third = Fraction(1, 3)
    assert add([(third, x), (third, x), (third, x)]) is x
    assert add([(1, x), (-1, x)]) is zero((3,))
    assert add([(0.1, x), (0.2, x)]).terms == ((0.1 + 0.2, x),)


def test_sums_do_not_depend_on_order_or_grouping():
    z = variable("z", (3,))
    left = add([(1, add([(1, x), (1, y)])), (1, z)])
    right = add([(1, x), (1, add([(1, z), (1, y)]))])
    assert left is right


def test_numbers_leave_products():
    assert einsum([scale(2, x), scale(Fraction(1, 2), y)], ["i", "i"], "") is einsum(
        [x, y], ["i", "i"], ""
    )
    assert einsum([constant(3), x], ["", "i"], "i") is scale(3, x)
    assert einsum([zero((3,)), x], ["i", "j"], "ij") is zero((3, 3))


def test_multiples_of_one_sum_share_it_inside_products():
    r = add([(1, x), (-1, y)])
    opposite = add([(-2, x), (2, y)])
    assert einsum([opposite, A], ["i", "ij"], "j") is scale(-2, einsum([r, A], ["i", "ij"], "j"))


def test_views_of_products_are_products():
    product = einsum([A, B], ["ij", "jk"], "ik")
    assert einsum([product], ["ik"], "ki") is einsum([B, A], ["jk", "ij"], "ki")
    assert einsum([einsum([A], ["ij"], "ji")], ["ij"], "ji") is A


def test_the_order_of_a_symmetric_tensors_axes_has_no_meaning():
    assert einsum([S], ["ij"], "ji") is S
    assert einsum([S, x], ["ij", "j"], "i") is einsum([S, x], ["ji", "j"], "i")
    assert einsum([A, x], ["ij", "j"], "i") is not einsum([A, x], ["ji", "j"], "i")


def test_transposed_products_share_their_core():
    one = einsum([A, B], ["ij", "jk"], "ik")
    other = einsum([A, B], ["ij", "jk"], "ki")
    spread = einsum([one], ["ik"], "kiip", {"p": 2})
    assert one.core[0] is other.core[0] is spread.core[0]


# --- canonical form ---------------------------------------------------------------------------


@st.composite
def products(draw):
    """Products with many equal factors, of plain and of symmetric tensors."""
    pool = [x, A, S, variable("T", (3, 3, 3)), variable("a", ())]
    operands = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=7))
    subscripts = [[draw(st.integers(0, 5)) for _ in node.shape] for node in operands]
    used = sorted({label for labels in subscripts for label in labels})
    output = draw(st.lists(st.sampled_from(used), max_size=3)) if used else []
    return operands, subscripts, output


@settings(max_examples=400, deadline=None)
@given(products(), st.randoms(use_true_random=False))
def test_names_of_labels_and_order_of_factors_do_not_matter(product, rng):
    operands, subscripts, output = product
    order = list(range(len(operands)))
    rng.shuffle(order)
    names = list(range(10, 16))
    rng.shuffle(names)
    renamed = []
    for k in order:
        labels = [names[label] for label in subscripts[k]]
        if operands[k] is S:
            rng.shuffle(labels)
        renamed.append(labels)
    again = einsum([operands[k] for k in order], renamed, [names[label] for label in output])
    assert again is einsum(operands, subscripts, output)


@settings(max_examples=300, deadline=None)
@given(products())
def test_the_canonical_form_has_the_value_of_what_was_written(product):
    operands, subscripts, output = product
    rng = np.random.default_rng(0)
    half = rng.integers(-2, 3, (3, 3))
    arrays = {node.name: rng.integers(-2, 3, node.shape) for node in operands} | {
        "S": half + half.T
    }
    node = einsum(operands, subscripts, output)
    program = program_for((node,), (), "int64")
    value = program.function(*(arrays[v.name] for v in program.inputs))
    sizes = dict.fromkeys(range(6), 3)
    expected = brute_einsum(subscripts, output, sizes, [arrays[n.name] for n in operands])
    np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize(
    ("count", "edges"),
    [
        (20, [(k, (k + 1) % 20) for k in range(20)]),  # a cycle
        (7, [(i, j) for i in range(7) for j in range(i)]),  # a complete graph
        (  # the Petersen graph
            10,
            [(k, (k + 1) % 5) for k in range(5)]
            + [(k, k + 5) for k in range(5)]
            + [(5 + k, 5 + (k + 2) % 5) for k in range(5)],
        ),
        (40, [(2 * k, 2 * k + 1) for k in range(20)]),  # twenty like parts
    ],
    ids=["cycle", "complete", "petersen", "parts"],
)
def test_networks_of_one_symmetric_tensor_are_recognised(count, edges):
    rng = random.Random(1)
    expected = einsum([S] * len(edges), edges, "")
    for _ in range(5):
        names = list(range(count))
        rng.shuffle(names)
        shuffled = [rng.sample([names[i], names[j]], 2) for i, j in edges]
        rng.shuffle(shuffled)
        assert einsum([S] * len(edges), shuffled, "") is expected


def test_two_networks_that_colour_refinement_cannot_tell_apart():
    hexagon = [(k, (k + 1) % 6) for k in range(6)]
    triangles = [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)]
    assert einsum([S] * 6, hexagon, "") is not einsum([S] * 6, triangles, "")


def test_the_key_of_a_node_is_the_same_in_every_process():
    code = (
        "from einsdiff.algebra.nodes.nodes import *\n"
        "A, x = variable('A', (2, 'n')), variable('x', 'n')\n"
        "print(add([(2, einsum([A, x], ['ij', 'j'], 'i')), (0.5, variable('y', (2,)))]).key.hex())"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in "123"
    }
    assert len(keys) == 1


# --- graphs -----------------------------------------------------------------------------------


def test_children_come_before_parents_once_each():
    f = einsum([A, call(FUNCTIONS["sin"], [x]), x], ["ij", "j", "i"], "")
    order = topological([f, f])
    assert len(order) == len(set(order)) == 4
    assert all(order.index(c) < order.index(node) for node in order for c in children(node))


def test_deep_expressions_overflow_nothing():
    node: Node = x
    for _ in range(20_000):
        node = call(FUNCTIONS["sin"], [node])
    assert len(topological([node])) == 20_001
    del node


def test_values_of_equal_nodes_are_computed_once():
    product = einsum([A, B], ["ij", "jk"], "ik")
    both = add([(1, call(FUNCTIONS["sin"], [product])), (1, einsum([product], ["ik"], "ki"))])
    source = program_for((both,), (), "float64").source
    assert source.count(".dot(") == 1


def test_delta_alone_is_a_node():
    assert isinstance(einsum([], [], "ii", {"i": 3}), Delta)


# --- functions of entries ---------------------------------------------------------------------


def test_a_transpose_leaves_a_function_of_entries():
    exp, T = FUNCTIONS["exp"], variable("T", (2, 3))
    assert call(exp, [einsum([T], ["ij"], "ji")]) is einsum([call(exp, [T])], ["ij"], "ji")


def test_what_is_repeated_along_an_axis_is_computed_once():
    repeated = einsum([x], ["i"], "ij", {"j": 4})
    assert call(FUNCTIONS["exp"], [repeated]) is einsum(
        [call(FUNCTIONS["exp"], [x])], ["i"], "ij", {"j": 4}
    )
    larger = call(
        FUNCTIONS["maximum"], [repeated, einsum([variable("s", ())], [""], "ij", {"i": 3, "j": 4})]
    )
    assert larger.shape == (3, 4)
    assert children(larger)[0].shape == (3,)


def test_an_index_that_was_just_united_is_not_summed_away():
    D = related((3, 3), (1, 1), -2)  # i + j = 2: in reverse order
    twice = [D, D, D, x, y]
    labels = ["ij", "jk", "km", "m", "k"]
    expected = einsum([D, x, y], ["im", "m", "i"], "i")
    for order in itertools.permutations(range(3)):
        places = [*order, 3, 4]
        found = einsum([twice[k] for k in places], [labels[k] for k in places], "i")
        assert found is expected
