"""Einsum strings: what NumPy takes is compared with NumPy, what it refuses with the definition."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.notation.subscripts import from_sublists, parse_subscripts, resolve
from tests.oracle import brute_einsum, random_array

STRINGS = [
    ("ij,j->i", [(2, 3), (3,)]),
    (" i j ,  j ->  i ", [(2, 3), (3,)]),
    ("ij->ji", [(2, 3)]),
    ("ij->", [(2, 3)]),
    ("i,j->ji", [(2,), (3,)]),
    # implicit output: labels that occur once, in the order of their code points
    ("ij,j", [(2, 3), (3,)]),
    ("ba", [(2, 3)]),
    ("i,i", [(3,), (3,)]),
    ("ij,jk", [(2, 3), (3, 4)]),
    ("aB", [(2, 3)]),
    ("Zj,ja", [(2, 3), (3, 4)]),
    # upper case
    ("IJ,J->I", [(2, 3), (3,)]),
    ("iI,Ii->iI", [(2, 3), (3, 2)]),
    # labels that repeat in an operand
    ("ii", [(3, 3)]),
    ("ii->i", [(3, 3)]),
    ("iij->ji", [(2, 2, 3)]),
    ("iijj->ij", [(2, 2, 3, 3)]),
    ("iii->i", [(3, 3, 3)]),
    ("ijj,i->j", [(2, 3, 3), (2,)]),
    ("ii,ii->i", [(3, 3), (3, 3)]),
    # scalars
    ("", [()]),
    ("->", [()]),
    (",", [(), ()]),
    (",ij,->ij", [(), (2, 3), ()]),
    # empty axes
    ("ij,j->i", [(2, 0), (0,)]),
    ("ij->j", [(0, 3)]),
    # up to six operands
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]),
    ("i,ij,j,k->k", [(2,), (2, 3), (3,), (4,)]),
    ("i,j,k,l,m->mlkji", [(2,), (3,), (1,), (2,), (3,)]),
    ("ab,bc,cd,de,ef,fa->", [(2, 3), (3, 2), (2, 4), (4, 2), (2, 3), (3, 2)]),
    ("i,i,i,i,i,i->i", [(3,)] * 6),
    # axes without labels
    ("...", [(2, 3)]),
    ("...->...", [(2, 3)]),
    ("...i->...", [(2, 3, 4)]),
    ("i...->i", [(2,)]),
    ("...i->i...", [(2, 3, 4)]),
    ("i...j,j->i...", [(2, 5, 3), (3,)]),
    ("...ij,j->...i", [(5, 2, 3), (3,)]),
    ("...ij,...jk->...ik", [(5, 2, 3), (3, 4)]),
    ("...ij,...jk", [(5, 2, 3), (5, 3, 4)]),
    ("...ba", [(5, 2, 3)]),
    ("...ii->...i", [(4, 3, 3)]),
    ("i...,...i", [(3, 2), (2, 3)]),
    ("...a,...b->...ab", [(4, 2, 3), (5,)]),
    ("...ij,...->ij...", [(4, 2, 3), ()]),
    (" ... i , ... i -> ... ", [(4, 3), (4, 3)]),
    # ... of different ranks, with size-1 axes
    ("...,...", [(2, 1), (1, 3)]),
    ("...,...,...->...", [(3, 1, 2), (4, 1), (2,)]),
    ("...ij,...jk", [(1, 2, 3), (5, 3, 4)]),
    ("...i,...i->...", [(1, 3), (4, 3)]),
    ("...,...", [(0, 1), (1, 3)]),
]

SUBLISTS = [
    ([[0, 1], [1]], [0]),
    ([[0, 1], [1]], None),
    ([[1, 0]], None),
    ([(0, 1)], (1, 0)),
    ([range(2)], None),
    ([np.array([10, 2])], None),
    ([[np.int64(10), np.int64(2)]], None),
    ([[10, 2], [2, 7]], None),
    ([[51, 2], [2, 7]], [7, 51]),
    ([[0, 0]], [0]),
    ([[0, 0]], None),
    ([[]], []),
    ([[], [0]], [0]),
    ([[..., 0, 1], [..., 1]], [..., 0]),
    ([[..., 1, 0], [1]], None),
    ([[0, ..., 1]], [1, ...]),
    ([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [5, 0]], []),
]


def arrays_of(*shapes):
    rng = np.random.default_rng(0)
    return [random_array(rng, shape, "float64") for shape in shapes]


@pytest.mark.parametrize(("subscripts", "shapes"), STRINGS)
def test_a_string_means_what_it_means_to_numpy(subscripts, shapes):
    arrays = arrays_of(*shapes)
    f = ed.einsum(subscripts, *arrays)
    expected = np.einsum(subscripts, *arrays)
    assert f.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(f), expected)


@pytest.mark.parametrize(("sublists", "output"), SUBLISTS)
def test_interleaved_operands_mean_what_they_mean_to_numpy(sublists, output):
    sizes = {label: 2 + k % 3 for k, label in enumerate(sorted({0, 1, 2, 3, 4, 5, 7, 10, 51}))}
    shapes = [
        [n for label in term for n in ([3, 2] if label is ... else [sizes[label]])]
        for term in sublists
    ]
    pairs = zip(arrays_of(*shapes), sublists, strict=True)
    arguments = [part for pair in pairs for part in pair] + ([] if output is None else [output])
    expected = np.einsum(*arguments)
    f = ed.einsum(*arguments)
    assert f.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(f), expected)


def test_operands_may_be_nested_lists_in_both_forms():
    A, x = [[1, 2], [3, 4]], [5, 6]
    np.testing.assert_array_equal(np.asarray(ed.einsum("ij,j", A, x)), [17, 39])
    np.testing.assert_array_equal(np.asarray(ed.einsum(A, [0, 1], x, [1])), [17, 39])


@pytest.mark.parametrize(
    ("subscripts", "sizes"),
    [
        ("i->ii", {"i": 3}),
        ("i->iii", {"i": 3}),
        ("ij->iijj", {"i": 2, "j": 3}),
        ("ij->jij", {"i": 2, "j": 3}),
        ("ii->ii", {"i": 3}),
        ("i,j->iji", {"i": 2, "j": 3}),
        ("i->ij", {"i": 2, "j": 3}),
        ("i->jik", {"i": 2, "j": 3, "k": 4}),
        ("i->j", {"i": 2, "j": 3}),
        ("->ij", {"i": 2, "j": 3}),
        ("i->jj", {"i": 2, "j": 3}),
        ("i->ij", {"i": 2, "j": 0}),
    ],
)
def test_output_labels_that_numpy_refuses_follow_the_definition(subscripts, sizes):
    inputs, output = subscripts.split("->")
    arrays = arrays_of(*(tuple(sizes[label] for label in term) for term in inputs.split(",")))
    expected = brute_einsum(inputs.split(","), output, sizes, arrays)
    broadcast = {label: sizes[label] for label in output if label not in inputs}
    for f in (
        ed.einsum(subscripts, *arrays, sizes=broadcast),
        ed.einsum(subscripts, *arrays, **broadcast),
    ):
        assert f.shape == expected.shape
        np.testing.assert_array_equal(np.asarray(f), expected)


@pytest.mark.parametrize("size", [3, np.int64(3)])
def test_a_size_may_be_given_as_a_keyword(size):
    assert ed.einsum("i->ij", np.ones(2), j=size).shape == (2, 3)


def test_a_keyword_that_is_a_label_and_an_operand_is_the_operand():
    f = ed.einsum("i,j->ij", "i", "j", i=[1, 2], j=[3, 4, 5])
    np.testing.assert_array_equal(np.asarray(f), [[3, 4, 5], [6, 8, 10]])


def test_a_declared_size_holds_for_operands_known_by_name():
    assert ed.einsum("ij,j->i", "A", "x", sizes={"i": 4, "j": "n"}).shape == (4,)
    assert ed.einsum("i->ij", "x", sizes={"j": "n"}).shape == ("m", "n")


def test_a_declared_size_may_repeat_what_an_operand_says():
    assert ed.einsum("ij->ji", np.ones((2, 3)), sizes={"j": 3}).shape == (3, 2)


@pytest.mark.parametrize(
    ("subscripts", "latin"),
    [
        ("αβ,β->α", "ab,b->a"),
        ("δε,ε", "de,e"),
        ("жщ,щ->ж", "ab,b->a"),
        ("行列,列->行", "ab,b->a"),
        ("Ωi, i -> Ω", "ai,i->a"),
        ("éà,à->é", "ab,b->a"),
        ("𝛼𝛽,𝛽->𝛼", "ab,b->a"),
    ],
)
def test_labels_are_letters_of_any_alphabet(subscripts, latin):
    A, x = arrays_of((2, 3), (3,))
    result = np.asarray(ed.einsum(subscripts, A, x))
    np.testing.assert_array_equal(result, np.einsum(latin, A, x))


def test_implicit_output_of_unicode_labels_is_sorted():
    assert ed.einsum("βα", np.ones((2, 3))).shape == (3, 2)


def chain(labels):
    """Multiply 59 matrices along 60 labels; also return the product, and two of its parts."""
    matrices = [np.array([[1, k % 3], [0, 1]]) for k in range(len(labels) - 1)]
    product = np.linalg.multi_dot
    return matrices, product(matrices), product(matrices[:30]), product(matrices[31:])


@pytest.mark.parametrize("form", ["string", "interleaved"])
def test_there_may_be_more_than_52_labels(form):
    labels = [chr(0x4E00 + k) if form == "string" else k for k in range(60)]
    matrices, expected, left, right = chain(labels)
    pairs = list(pairwise(labels))
    if form == "string":
        text = ",".join(a + b for a, b in pairs) + "->" + labels[0] + labels[-1]
        arguments = [text, *matrices]
    else:
        arguments = [part for M, ab in zip(matrices, pairs, strict=True) for part in (M, ab)]
        arguments.append((0, 59))
    np.testing.assert_array_equal(np.asarray(ed.einsum(*arguments)), expected)
    J = np.asarray(ed.grad(*arguments, wrt=30))
    np.testing.assert_array_equal(J, np.einsum("ip,qj->ijpq", left, right))


def test_one_operand_may_have_more_labels_than_the_alphabet_has_letters():
    x = np.arange(2.0).reshape(2, *[1] * 29)
    y = np.arange(3.0).reshape(*[1] * 29, 3)
    result = np.asarray(ed.einsum(x, [*range(30)], y, [*range(30, 60)], [0, 59]))
    np.testing.assert_array_equal(result, np.outer(x, y))


def test_parsing_keeps_the_columns_of_labels():
    parsed = parse_subscripts(" i ...j, j -> i")
    assert parsed.inputs == (("i", "...", "j"), ("j",))
    assert parsed.output == ("i",)
    assert parsed.columns == ((1, 3, 6), (9,))
    assert parsed.output_columns == (14,)
    assert parse_subscripts("ij").output is None
    assert parse_subscripts("ij->").output == ()


@pytest.mark.parametrize(
    ("sublists", "output", "text"),
    [
        ([[0, 1], [1]], [0], "ij,j->i"),
        ([[7, 3], [3]], None, "ji,i->j"),
        ([[..., 0], [0, 1]], None, "...i,ij->...j"),
        ([["row", "column"]], ["column", "row"], "ji->ij"),
    ],
)
def test_sublists_become_the_string_with_the_same_meaning(sublists, output, text):
    assert from_sublists(sublists, output)[0].text == text


def test_operands_of_one_name_have_one_shape():
    axes = resolve(parse_subscripts("mp,mq->pq"), [None, None], ["R", "R"])
    assert axes.shapes == (("m", "n"), ("m", "n"))
    assert axes.sizes == {"m": "m", "p": "n", "q": "n"}


def test_an_operand_known_by_name_takes_the_sizes_that_its_labels_have_elsewhere():
    assert ed.einsum("ij,j->i", "A", np.ones(3)).shape == ("m",)
    assert ed.grad("ij,j->i", "A", np.ones(3), wrt="A").shape == ("m", "m", 3)


def test_a_stretched_axis_is_differentiated_as_the_sum_that_it_is():
    x, y = arrays_of((1, 3), (4, 3))
    J = ed.grad("...i,...i->...", x, y, wrt=0)
    np.testing.assert_array_equal(np.asarray(J), y.reshape(4, 1, 3))


@pytest.mark.parametrize(
    "other",
    [
        lambda: ed.einsum("kl,lm->km", "A", "B"),
        lambda: ed.einsum("jk,ij->ik", "B", "A"),
        lambda: ed.einsum(" bc , ab -> ac ", "B", "A"),
        lambda: ed.einsum("ij,jk", "A", "B"),
    ],
)
def test_other_labels_and_another_order_are_the_same_expression(other):
    f = ed.einsum("ij,jk->ik", "A", "B")
    assert other() == f
    assert other().shape == f.shape == ("m", "k")
    assert ed.grad(other(), wrt="A") == ed.grad(f, wrt="A")
