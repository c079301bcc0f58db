"""Hints by meaning, in every notation."""

from __future__ import annotations

import re

import pytest

import einsdiff as ed
from einsdiff.algebra.reading.choice import is_function
from einsdiff.notation.hints import _TOLD, INSTEAD, MEANT, hint
from einsdiff.notation.matrix_parser import WORDS


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("tra(A)", "A_ii; in matrix notation, write tr(A)"),
        ("tra(A X)", "write tr(A);"),
        ("trunk(x_i)", "write trunc(x), or A_ii for a trace"),
        ("sum_of_squares(x)", "one label twice: x_i x_i"),
        ("sum_of_squares(A x)", "write norm(x)^2"),
        ("arcsinus(x)", "write arcsin(x)"),
        ("tg(x)", "write tan(x)"),
        ("tg x", "write tan(x)"),
        ("ctg(A x)", "write 1 ./ tan(x)"),
        ("sh(x)", "write sinh(x)"),
        ("ch x", "write cosh(x)"),
        ("lg(x)", "write log10(x)"),
        ("sqr(x)", "write x^2 for a square, sqrt(x) for a root"),
        ("inverse(A) x", "write inv(X)"),
        ("Inverse(A) x", "write inv(A) x"),
        ("transp(A) x", "write A' or transpose(A)"),
        ("hadamard(A x, y)", "write x ⊙ y"),
        ("frobenius(A B)", "write norm(x), norm(A)"),
        ("cross(a_i, b_i)", "ε_ijk a_j b_k"),
        ("sofmax(A x)", "write softmax(..)"),
        (r"\tg x", r"write \tan"),
        (r"\arsinh(x)", r"write \operatorname{arcsinh}(x)"),
        (r"\operatorname{tg}(x)", "write tan(x)"),
        ("lim x", "there are no limits"),
        ("x ± y", "write + or -"),
        ("A x ≈ b", "an equation names its result"),
    ],
)
def test_what_is_meant_is_named(text, action):
    with pytest.raises(ed.SubscriptsError) as caught:
        ed.parse(text)
    assert action in caught.value.args[0].action


def test_a_word_that_is_given_is_an_operand():
    assert ed.parse("tg x", tg="", x="").names == ("tg", "x")
    assert ed.parse("tra_i x_i").names == ("tra", "x")


@pytest.mark.parametrize("name", sorted(set(MEANT.values())))
def test_functions_that_are_named_are_there(name):
    assert is_function(name)


def test_words_with_a_meaning_are_no_functions_themselves():
    assert not [word for word in INSTEAD if is_function(word)]
    assert not [word for word in _TOLD["index"] if is_function(word)]


@pytest.mark.parametrize("notation", ["index", "matrix"])
def test_what_is_to_be_written_is_read(notation):
    for action in {*_TOLD[notation].values()}:
        for call in re.findall(r"\b([a-z]\w+)\(", action):
            known = is_function(call) or (notation == "matrix" and call in WORDS)
            assert known or call in ("grad", "register"), action


def test_only_what_nobody_means_is_told_by_its_spelling():
    assert hint("tra", "matrix", ["trunc"]) == "write tr(A)"
    assert hint("tanhh", "matrix", ["tanh"]) == "write tanh(..)"
    assert hint("foo", "matrix", ["tanh"]) == ""
