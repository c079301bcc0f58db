"""Which letters indices get, and what plain arrays are called."""

from __future__ import annotations

import re
import sys
from itertools import islice

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.notation.letters import DOMAIN, DUMMY, first_unused, fresh_letters
from einsdiff.notation.names import as_name, name_of

table = np.ones(3)


@pytest.mark.parametrize("preferred", [DOMAIN, DUMMY])
def test_fresh_letters_are_distinct_unused_labels_beyond_every_alphabet(preferred):
    used = set("pqij漢")
    letters = list(islice(fresh_letters(used, preferred), 1000))
    assert len(set(letters)) == 1000
    assert not used & set(letters)
    assert all(len(letter) == 1 and letter.isalpha() for letter in letters)
    assert letters[:3] == [letter for letter in preferred if letter not in used][:3]


@pytest.mark.parametrize(
    ("preferred", "used", "expected"), [("pq", "", "p"), ("pq", "p", "q"), ("pq", "pqi", "j")]
)
def test_the_first_unused_letter_is_a_preferred_one_if_there_is_any(preferred, used, expected):
    assert first_unused(preferred, set(used)) == expected


@pytest.mark.parametrize(
    ("subscripts", "names", "wrt", "printed"),
    [
        # the user's letters stay
        ("ij,j->i", "A x", "A", "∂f_i/∂A_pq = δ_ip x_q"),
        ("ab,b->a", "A x", "x", "∂f_a/∂x_p = A_ap"),
        ("αβ,β->α", "A x", "A", "∂f_α/∂A_pq = δ_αp x_q"),
        ("行列,列->行", "A x", "x", "∂f_行/∂x_p = A_行p"),
        ("IJ,JK->IK", "A B", "B", "∂f_IK/∂B_pq = δ_Kq A_Ip"),
        # new ones keep clear of the user's, also of those that are summed
        ("pj,jk->pk", "A B", "A", "∂f_pk/∂A_qr = δ_pq B_rk"),
        ("pq,q->p", "A x", "A", "∂f_p/∂A_rs = δ_pr x_s"),
        ("mp,mq->pq", "R R", "R", "∂f_pq/∂R_rs = δ_ps R_rq + δ_qs R_rp"),
        ("ip,p->i", "A x", "A", "∂f_i/∂A_qr = δ_iq x_r"),
        # ... and of the names of variables
        ("ij,jk->ik", "p q", "p", "∂f_ik/∂p_rs = δ_ir q_sk"),
        ("i,i->i", "p x", "x", "∂f_i/∂x_q = δ_iq p_i"),
        # what stays summed keeps its letter
        ("kl,lm,mn->kn", "A B C", "C", "∂f_kn/∂C_pq = δ_nq A_kl B_lp"),
    ],
)
def test_a_derivative_is_printed_in_the_users_letters_and_new_ones(subscripts, names, wrt, printed):
    assert str(ed.grad(subscripts, *names.split(), wrt=wrt)) == printed


@pytest.mark.parametrize(
    ("subscripts", "names", "wrt", "order", "printed"),
    [
        ("i,ij,j->", "x A x", "x", 2, "∂²f/∂x_p∂x_q = A_pq + A_qp"),
        ("p,pq,q->", "x A x", "x", 2, "∂²f/∂x_r∂x_s = A_rs + A_sr"),
        ("i,i->i", "x x", "x", 2, "∂²f_i/∂x_p∂x_q = 2 δ_ip δ_iq"),
        ("i,i,i->i", "x x x", "x", 3, "∂³f_i/∂x_p∂x_q∂x_r = 6 δ_ip δ_iq δ_ir"),
        ("ij,j->i", "A x", "A", 2, "∂²f_i/∂A_pq∂A_rs = 0"),
    ],
)
def test_each_differentiation_takes_new_letters(subscripts, names, wrt, order, printed):
    assert str(ed.grad(subscripts, *names.split(), wrt=wrt, order=order)) == printed


@pytest.mark.parametrize("labels", ["ij", "pq", "qr", "pu", "αp"])
@pytest.mark.parametrize("name", ["A", "p", "s", "r"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_letters_on_the_left_are_distinct_and_no_names(labels, name, order):
    i, j = labels
    H = ed.grad(f"{i}{j},{j}{i}->{i}", name, name, wrt=name, order=order)
    left = str(H).partition(" = ")[0]
    groups = re.findall(r"_(\w+)", left)
    letters = "".join(groups)
    assert groups[0] == i
    assert len(groups) == 1 + order
    assert len(set(letters)) == len(letters) == 1 + 2 * order
    assert not set(letters[1:]) & {i, j, name}


def test_letters_beyond_the_latin_ones_are_printed_one_each():
    n = 20
    J = ed.grad("->", "T", wrt="T")
    assert str(J) == "∂f/∂T = 1"
    letters = "abcdefghijklmnopqrst"
    J = ed.grad(f"{letters}->{letters}", "T", wrt="T")
    left = str(J).partition(" = ")[0]
    domain = left.rpartition("_")[2]
    assert left.startswith(f"∂f_{letters}/∂T_")
    assert len(set(domain)) == len(domain) == n
    assert not set(domain) & set(letters)


@pytest.mark.parametrize(
    ("call", "printed"),
    [
        (lambda A, x: ed.einsum("ij,j->i", A, x), "f_i = A_ij x_j"),
        (lambda A, x: ed.einsum(A, [0, 1], x, [1], [0]), "f_i = A_ij x_j"),
        (lambda A, x: ed.einsum("i->ii", x), "f_ij = δ_ij x_i"),
        (lambda A, x: ed.einsum("i->ij", x, j=4), "f_{i,j<4} = x_i"),
        (lambda A, x: ed.einsum("...j,j->...", A, x), "f_a = A_aj x_j"),
        (lambda A, x: ed.einsum("aj,j->a", A, x), "f_a = A_aj x_j"),
    ],
)
def test_an_expression_is_printed_in_the_users_letters(call, printed):
    A, x = ed.tensors(A=(2, 3), x=(3,))
    assert str(call(A, x)) == printed


def test_a_local_variable_hides_a_global_one():
    here = sys._getframe()
    assert name_of(table, here) == "table"
    outer, hidden = table, [4]

    def inner():
        table = hidden
        return name_of(table, sys._getframe()), name_of(outer, sys._getframe())

    assert inner() == ("table", "outer")


def test_a_value_without_a_public_name_has_none():
    _private, frame = np.ones(2), sys._getframe()
    name = name_of(_private, frame)
    assert name is None
    name = name_of(np.ones(2), frame)
    assert name is None
    assert name_of(table, None) is None


def test_a_variable_that_no_one_can_write_gives_no_name():
    # pytest keeps the parts of an assert statement in such variables
    scope = {"ed": ed, "@py_assert1": table, "parts": [table]}
    exec("f = ed.einsum('i,i->', parts[0], parts[0])", scope)
    assert "@" not in str(scope["f"])
    np.testing.assert_array_equal(np.asarray(scope["f"]), 3.0)


def test_values_are_found_by_identity_and_not_by_equality():
    one, other = np.ones(2), np.ones(2)
    assert name_of(other, sys._getframe()) == "other"
    assert name_of(one, sys._getframe()) == "one"


@pytest.mark.parametrize("text", ["A", "θ", "θ_1", "x1", "行", "lambda"])
def test_identifiers_of_any_alphabet_are_names(text):
    assert as_name(text) == text
    assert ed.tensor(text, (2,)).names == (text,)
    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(ed.einsum("i,i->", text, text)(**{text: x}), 5.0)


@pytest.mark.parametrize("text", ["", "2x", "a b", "A'", "x.y", "-"])
def test_other_strings_are_no_names(text):
    with pytest.raises(ed.OperandError, match="is not a name"):
        as_name(text)


def test_letters_that_python_reads_alike_are_one_name():
    micro, mu = "\u00b5", "\u03bc"  # Python reads both spellings of a variable as the second one
    assert as_name(micro) == mu
    f = ed.einsum("i->", micro)
    np.testing.assert_array_equal(f(**{mu: np.ones(3)}), 3.0)
