"""Errors: the exception, and every part of the page that it prints."""

from __future__ import annotations

import re
import tracemalloc
from itertools import permutations
from textwrap import dedent

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.errors import page, shape_text, shapes_line

A = np.arange(6.0).reshape(2, 3)
B = np.ones((3, 4))
x, y, one = np.ones(3), np.ones(4), np.ones(1)
stack = np.ones((5, 2, 3))
tall = np.ones((3, 2))
words, things = np.array(["a", "b"]), np.array([1, "a"], object)
dates = np.array(["2020-01-01"], "M8[D]")
records = np.array([(1, 2.0)], "i4,f8")
S = ed.tensor("S", (2, 2), symmetric=True)
J = ed.grad("ij,j->i", A, x, wrt="A")
f = ed.einsum("ij,j->i", "A", "x")


def blocks(error):
    """Split a page into headline, middle and next action; what is not there is empty."""
    headline, *rest = str(error).split("\n\n")
    assert "\n" not in headline
    middle = dedent("\n".join(rest.pop(0).splitlines())) if rest and rest[0][0] == " " else ""
    assert len(rest) <= 1, "a page has one next action"
    return headline, middle, rest[0] if rest else ""


# The call, the exception, what the headline says, the middle as it is printed, the next action.
PAGES = {
    "label sizes that differ": (
        lambda: ed.einsum("ij,j->i", A, y),
        (ed.ShapeError, ValueError),
        ["label 'j'", "size 3 in operand 0 (A)", "4 in operand 1 (y)"],
        """
        ij,j->i
         ^ ^
        A: (2, 3)   y: (4,)
        """,
        "equal sizes",
    ),
    "label sizes that differ, with spaces and a third operand": (
        lambda: ed.einsum("i j , j k,j->i", A, B, y),
        (ed.ShapeError, ValueError),
        ["label 'j'", "size 3 in operand 0 (A)", "4 in operand 2 (y)"],
        """
        i j , j k,j->i
          ^       ^
        A: (2, 3)   B: (3, 4)   y: (4,)
        """,
        "equal sizes",
    ),
    "a repeated label with two sizes": (
        lambda: ed.einsum("ii->i", A),
        (ed.ShapeError, ValueError),
        ["label 'i'", "size 2 in operand 0 (A)", "3 in operand 0 (A)"],
        """
        ii->i
        ^^
        A: (2, 3)
        """,
        "another label",
    ),
    "a size-1 axis": (
        lambda: ed.einsum("ij,j->i", A, one),
        (ed.ShapeError, ValueError),
        ["label 'j'", "size 3 in operand 0 (A)", "1 in operand 1 (one)"],
        """
        ij,j->i
         ^ ^
        A: (2, 3)   one: (1,)
        """,
        r"size-1 axis .* operand 1 \(one\) a label of its own",
    ),
    "a size-1 axis that comes first": (
        lambda: ed.einsum("j,ij->i", one, A),
        (ed.ShapeError, ValueError),
        ["label 'j'", "size 1 in operand 0 (one)", "3 in operand 1 (A)"],
        """
        j,ij->i
        ^  ^
        one: (1,)   A: (2, 3)
        """,
        r"size-1 axis .* operand 0 \(one\) a label of its own",
    ),
    "axes under an ellipsis that do not broadcast": (
        lambda: ed.einsum("...i,...->...i", A, y),
        (ed.ShapeError, ValueError),
        ["'...'", "size 2 in operand 0 (A)", "4 in operand 1 (y)"],
        """
        ...i,...->...i
        ^    ^
        A: (2, 3)   y: (4,)
        """,
        "from the right",
    ),
    "labels after an ellipsis": (
        lambda: ed.einsum("...i,ji->...j", stack, tall),
        (ed.ShapeError, ValueError),
        ["label 'i'", "size 3 in operand 0 (stack)", "2 in operand 1 (tall)"],
        """
        ...i,ji->...j
           ^  ^
        stack: (5, 2, 3)   tall: (3, 2)
        """,
        "equal sizes",
    ),
    "a declared size that an operand contradicts": (
        lambda: ed.einsum("ij->ij", A, sizes={"j": 4}),
        (ed.ShapeError, ValueError),
        ["label 'j'", "size 4", "sizes=", "3 in operand 0 (A)"],
        """
        ij->ij
         ^
        A: (2, 3)
        """,
        "correct the size",
    ),
    "a named size and a number": (
        lambda: ed.einsum("ij,j->i", ed.tensor("M", "mn"), x),
        (ed.ShapeError, ValueError),
        ["label 'j'", "size n in operand 0 (M)", "3 in operand 1 (x)"],
        """
        ij,j->i
         ^ ^
        M: (m, n)   x: (3,)
        """,
        "same size",
    ),
    "too few operands": (
        lambda: ed.einsum("ij,j->i", A),
        (ed.SubscriptsError, ValueError),
        ["2 operands", "1 operand was given"],
        """
        ij,j->i
           ^
        A: (2, 3)
        """,
        "one comma-separated term for each operand",
    ),
    "too many operands": (
        lambda: ed.einsum("ij->i", A, x),
        (ed.SubscriptsError, ValueError),
        ["1 operand,", "2 operands were given"],
        """
        ij->i
          ^
        A: (2, 3)   x: (3,)
        """,
        "one comma-separated term for each operand",
    ),
    "too many labels for an operand": (
        lambda: ed.einsum("ij,jk->i", A, x),
        (ed.SubscriptsError, ValueError),
        ["operand 1 (x)", "1 axis", "2 labels", "'jk'"],
        """
        ij,jk->i
           ^^
        A: (2, 3)   x: (3,)
        """,
        "one label for each axis",
    ),
    "too few labels for an operand": (
        lambda: ed.einsum("j, i ->j", x, A),
        (ed.SubscriptsError, ValueError),
        ["operand 1 (A)", "2 axes", "1 label:", "'i'"],
        """
        j, i ->j
           ^
        x: (3,)   A: (2, 3)
        """,
        r"one label for each axis, or '\.\.\.'",
    ),
    "too many labels beside an ellipsis": (
        lambda: ed.einsum("j,...ijk->...", x, A),
        (ed.SubscriptsError, ValueError),
        ["operand 1 (A)", "2 axes", "3 labels", "'...ijk'"],
        """
        j,...ijk->...
          ^^^^^^
        x: (3,)   A: (2, 3)
        """,
        "one label for each axis",
    ),
    "one name with two numbers of labels": (
        lambda: ed.einsum("i,ij->", "u", "u"),
        (ed.SubscriptsError, ValueError),
        ["operand 1 (u)", "1 axis", "2 labels", "'ij'"],
        """
        i,ij->
          ^^
        u: (shape not known)   u: (shape not known)
        """,
        "one label for each axis",
    ),
    "an unknown character": (
        lambda: ed.einsum("i j, j1 -> i", A, x),
        (ed.SubscriptsError, ValueError),
        ["'1' is not a label"],
        """
        i j, j1 -> i
              ^
        """,
        "single letters",
    ),
    "half an arrow": (
        lambda: ed.einsum("ij,j-i", A, x),
        (ed.SubscriptsError, ValueError),
        ["'-' is not a label"],
        """
        ij,j-i
            ^
        """,
        "'->' comes before the output",
    ),
    "half an ellipsis": (
        lambda: ed.einsum("..ij->i", A),
        (ed.SubscriptsError, ValueError),
        ["'.' is not a label"],
        """
        ..ij->i
        ^
        """,
        r"'\.\.\.' stands for",
    ),
    "two arrows": (
        lambda: ed.einsum("ij -> i->j", A),
        (ed.SubscriptsError, ValueError),
        ["two '->'"],
        """
        ij -> i->j
           ^   ^
        """,
        "one '->'",
    ),
    "a comma in the output": (
        lambda: ed.einsum("ij->i,j", A),
        (ed.SubscriptsError, ValueError),
        ["the output has a ','"],
        """
        ij->i,j
             ^
        """,
        "labels of one result",
    ),
    "two ellipses": (
        lambda: ed.einsum("j,...i...->i", x, stack),
        (ed.SubscriptsError, ValueError),
        ["two '...'"],
        """
        j,...i...->i
              ^^^
        """,
        r"one '\.\.\.'",
    ),
    "an ellipsis that the output lost": (
        lambda: ed.einsum("j,i...j->i", x, stack),
        (ed.SubscriptsError, ValueError),
        ["'...'", "output"],
        """
        j,i...j->i
           ^^^
        x: (3,)   stack: (5, 2, 3)
        """,
        r"'\.\.\.' in the output",
    ),
    "an output label without a size": (
        lambda: ed.einsum("ij,j-> ik", A, x),
        (ed.SubscriptsError, ValueError),
        ["output label 'k'", "size is not known"],
        """
        ij,j-> ik
                ^
        A: (2, 3)   x: (3,)
        """,
        r"sizes=\{'k': n\}",
    ),
    "a size for no label": (
        lambda: ed.einsum("ij->i", A, sizes={"k": 3}),
        (ed.SubscriptsError, ValueError),
        ["'k'", "no label"],
        """
        ij->i
        """,
        "labels of the string",
    ),
    "an operand without a list of labels": (
        lambda: ed.einsum(A, [0, 1], x, 1, [0]),
        (ed.SubscriptsError, ValueError),
        ["operand 1", "no list of labels"],
        "",
        r"einsum\(A, \[0, 1\], x, \[1\], \[0\]\)",
    ),
    "an unknown wrt": (
        lambda: ed.grad("ij,j->i", A, x, wrt="C"),
        (ed.NameNotFoundError, LookupError),
        ["wrt='C'"],
        """
        ij,j->i
        ^^ ^
        A: (2, 3)   x: (3,)
        """,
        "wrt='A' or wrt='x'",
    ),
    "an unknown wrt in a tuple": (
        lambda: ed.grad("ij,j->i", A, x, wrt=("A", "C")),
        (ed.NameNotFoundError, LookupError),
        ["wrt='C'"],
        """
        ij,j->i
        ^^ ^
        A: (2, 3)   x: (3,)
        """,
        "wrt='A' or wrt='x'",
    ),
    "a wrt out of range": (
        lambda: ed.grad("ij,j->i", A, x, wrt=2),
        (ed.NameNotFoundError, LookupError),
        ["wrt=2", "2 operands", "counted from 0"],
        """
        ij,j->i
        ^^ ^
        A: (2, 3)   x: (3,)
        """,
        "wrt='A' or wrt='x'",
    ),
    "a negative wrt out of range": (
        lambda: ed.grad("i->i", x, wrt=-2),
        (ed.NameNotFoundError, LookupError),
        ["wrt=-2", "1 operand,", "counted from 0"],
        """
        i->i
        ^
        x: (3,)
        """,
        "wrt='x'",
    ),
    "no wrt for two variables": (
        lambda: ed.grad("ij,j->i", A, x),
        (ed.NameNotFoundError, LookupError),
        ["wrt is missing", "more than one variable"],
        """
        ij,j->i
        ^^ ^
        A: (2, 3)   x: (3,)
        """,
        "wrt='A' or wrt='x'",
    ),
    "an array as wrt that is no operand": (
        lambda: ed.grad("ij,j->i", A, x, wrt=y),
        (ed.NameNotFoundError, LookupError),
        ["array", "no operand"],
        """
        ij,j->i
        ^^ ^
        A: (2, 3)   x: (3,)
        """,
        "wrt='A' or wrt='x'",
    ),
    "a tensor as wrt that is another variable": (
        lambda: ed.grad("ij,j->i", A, x, wrt=ed.tensor("A", (3, 3))),
        (ed.NameNotFoundError, LookupError),
        ["wrt=A", "no variable"],
        """
        ij,j->i
        ^^ ^
        A: (2, 3)   x: (3,)
        """,
        "wrt='A' or wrt='x'",
    ),
    "nothing to differentiate by": (
        lambda: ed.grad(",->", 2, 3, wrt="c"),
        (ed.NameNotFoundError, LookupError),
        ["no variable to differentiate by"],
        """
        ,->
        """,
        r"ed\.tensor\('x', array\)",
    ),
    "two arrays under one name": (
        lambda: ed.einsum("i,i->", ed.tensor("u", [1.0, 2.0]), ed.tensor("u", [1.0, 3.0])),
        (ed.BindingError, TypeError),
        ["two different arrays", "'u'"],
        """
        i,i->
          ^
        u: (2,)   u: (2,)
        """,
        r"another name with ed\.tensor",
    ),
    "two shapes under one name": (
        lambda: ed.tensor("u", (2,)) * ed.tensor("u", (3, 2)),
        (ed.BindingError, TypeError),
        ["'u'", "two different tensors"],
        """
        u: (2,)   u: (3, 2)
        """,
        r"another name with ed\.tensor",
    ),
    "an array of objects": (
        lambda: ed.einsum("i->", things),
        (ed.OperandError, TypeError),
        ["(things)", "object"],
        """
        i->
        ^
        """,
        "array of floats, complex numbers or integers",
    ),
    "an array of strings": (
        lambda: ed.tensor("x", [1.0, 2.0]) * words,
        (ed.OperandError, TypeError),
        ["'words'", "<U1"],
        "",
        "array of floats, complex numbers or integers",
    ),
    "an array of dates": (
        lambda: ed.einsum("i->", dates),
        (ed.OperandError, TypeError),
        ["(dates)", "datetime64[D]"],
        """
        i->
        ^
        """,
        "array of floats, complex numbers or integers",
    ),
    "an array of records": (
        lambda: ed.tensor("r", records),
        (ed.OperandError, TypeError),
        ["'r'", "dtype"],
        "",
        "array of floats, complex numbers or integers",
    ),
    "an array of strings in a call": (
        lambda: f(A=A, x=words),
        (ed.OperandError, TypeError),
        ["'x'", "<U1"],
        "",
        "array of floats, complex numbers or integers",
    ),
    "rows that differ in length": (
        lambda: ed.tensor("M", [[1, 2], [3]]),
        (ed.OperandError, TypeError),
        ["'M'", "no array"],
        "",
        "equal lengths",
    ),
    "a string that is no name": (
        lambda: ed.einsum("ij,j->i", "A", "x y"),
        (ed.OperandError, TypeError),
        ["operand 1", "'x y'", "not a name"],
        """
        ij,j->i
           ^
        """,
        "identifier",
    ),
    "a tensor whose name is none": (
        lambda: ed.tensor("2x", 3),
        (ed.OperandError, TypeError),
        ["'2x' is not a name"],
        "",
        "identifiers",
    ),
    "no expression": (
        lambda: ed.einsum(A, A),
        (ed.OperandError, TypeError),
        ["ndarray is no expression"],
        "",
        r"'ij,j->i', A, x",
    ),
    "a call without an array": (
        lambda: f(A=A),
        (ed.BindingError, TypeError),
        ["no array for 'x'"],
        """
        f_i = A_ij x_j
                   ^
        A: (m, n)   x: (n,)
        """,
        r"pass x=\.\.\. in the call",
    ),
    "no call and no array": (
        lambda: np.asarray(f),
        (ed.BindingError, TypeError),
        ["no array for 'A'"],
        """
        f_i = A_ij x_j
              ^
        A: (m, n)   x: (n,)
        """,
        r"ed\.tensor\('A', array\)",
    ),
    "a call with another array": (
        lambda: f(A=A, x=x, z=x),
        (ed.BindingError, TypeError),
        ["no 'z'"],
        """
        f_i = A_ij x_j
        A: (m, n)   x: (n,)
        """,
        "arrays for A and x only",
    ),
    "a keyword that is no operand": (
        lambda: ed.einsum("ij,j->i", "A", "x", z=x),
        (ed.BindingError, TypeError),
        ["there is no 'z'"],
        """
        f_i = A_ij x_j
        A: (m, n)   x: (n,)
        """,
        "arrays for A and x only",
    ),
    "a call with another number of axes": (
        lambda: f(A=A, x=A),
        (ed.ShapeError, ValueError),
        ["'x'", "(2, 3)", "(n,)", "number of axes"],
        """
        f_i = A_ij x_j
                   ^
        A: (m, n)   x: (n,)
        """,
        r"shape \(3,\) for 'x'",
    ),
    "a call with another size": (
        lambda: J(x=y),
        (ed.ShapeError, ValueError),
        ["'x'", "(4,)", "(3,)", "4 is not 3"],
        """
        ∂f_i/∂A_pq = δ_ip x_q
                          ^
        A: (2, 3)   x: (3,)
        """,
        r"shape \(3,\) for 'x'",
    ),
    "a call with inconsistent sizes": (
        lambda: f(A=A, x=y),
        (ed.ShapeError, ValueError),
        ["'x'", "(4,)", "size 'n' is 3 in 'A', but 4 here"],
        """
        f_i = A_ij x_j
                   ^
        A: (m, n)   x: (n,)
        """,
        r"shape \(3,\) for 'x'",
    ),
    "a symmetric tensor whose array is not": (
        lambda: ed.tensor("S", [[1, 2], [3, 4]], symmetric=True),
        (ed.ShapeError, ValueError),
        ["'S'", "symmetric", "array is not"],
        "",
        "symmetric=True",
    ),
    "a call with an array that is not symmetric": (
        lambda: (S @ S)(S=[[1, 2], [3, 4]]),
        (ed.ShapeError, ValueError),
        ["'S'", "symmetric", "array is not"],
        "",
        "symmetric=True",
    ),
    "a symmetric tensor that is not square": (
        lambda: ed.tensor("S", "mn", symmetric=True),
        (ed.ShapeError, ValueError),
        ["'S'", "symmetric", "differ in size"],
        """
        S: (m, n)
        """,
        "one size",
    ),
    "a layout that does not exist": (
        lambda: f.matrix(layout="row"),
        (ed.LayoutError, ValueError),
        ["layout='row'", "layout='numerator' or 'denominator'"],
        "",
        "",
    ),
    "a vec order that does not exist": (
        lambda: f.matrix(order="K"),
        (ed.LayoutError, ValueError),
        ["order='K'", "order='C' (last axis fastest)", "order='F' (first axis fastest)"],
        "",
        "",
    ),
    "a tensor with sizes": (
        lambda: ed.grad(J, wrt="x", sizes={"j": 3}),
        (ed.OperandError, TypeError),
        ["sizes="],
        "",
        "leave it out",
    ),
    "a direction of another shape": (
        lambda: J.jvp(x),
        (ed.ShapeError, ValueError),
        ["v has shape (3,)", "takes (2, 3)"],
        """
        ∂f_i/∂A_pq
        """,
        r"v of shape \(2, 3\)",
    ),
    "a covector of another shape": (
        lambda: J.vjp(A),
        (ed.ShapeError, ValueError),
        ["u has shape (2, 3)", "takes (2,)"],
        """
        ∂f_i/∂A_pq
        """,
        r"u of shape \(2,\)",
    ),
    "an output array of another shape": (
        lambda: J.dense(out=np.zeros((2, 3))),
        (ed.ShapeError, ValueError),
        ["(2, 3)", "float64", "(2, 2, 3)"],
        "",
        "shape and dtype",
    ),
    "an output array of another dtype": (
        lambda: J.dense(out=np.zeros((2, 2, 3), "f4")),
        (ed.ShapeError, ValueError),
        ["float32", "float64"],
        "",
        "shape and dtype",
    ),
    "vectors of different lengths under @": (
        lambda: ed.tensor("u", 3) @ y,
        (ed.ShapeError, ValueError),
        ["sizes 3 and 4"],
        """
        u: (3,)   y: (4,)
        """,
        "need one size",
    ),
    "a scalar under @": (
        lambda: ed.tensor("u", 3) @ ed.tensor("c", ()),
        (ed.ShapeError, ValueError),
        ["matmul", "vector or a matrix"],
        """
        u: (3,)   c: ()
        """,
        r"with \*",
    ),
}


@pytest.mark.parametrize("case", PAGES)
def test_the_page_says_what_where_and_what_next(case):
    call, kinds, fragments, middle, action = PAGES[case]
    with pytest.raises(ed.EinsdiffError) as caught:
        call()
    assert type(caught.value) is kinds[0]
    assert isinstance(caught.value, kinds[1])
    headline, shown, following = blocks(caught.value)
    for fragment in fragments:
        assert fragment in headline
    assert shown == dedent(middle).strip()
    assert re.search(action, following)
    assert bool(action) == bool(following)


@pytest.mark.parametrize("order", [0, -1, 1.5, "2", True])
def test_the_order_of_a_derivative_is_a_positive_integer(order):
    with pytest.raises(
        ed.OperandError, match=rf"order={order!r} [^\n]+\n\nwrite order=1"
    ) as caught:
        ed.grad("ij,j->i", A, x, wrt="A", order=order)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ed.tensor("u", (2, -1)),
        lambda: ed.tensor("u", -1),
        lambda: ed.einsum("i->ij", x, sizes={"j": -1}),
        lambda: ed.einsum("i->ij", x, j=-1),
    ],
)
def test_a_size_is_not_negative(call):
    with pytest.raises(ed.ShapeError, match=r"-1 is no size"):
        call()


def test_a_named_size_that_no_array_settles_is_an_error():
    with pytest.raises(ed.EinsdiffError, match="'n'"):
        ed.einsum("i->ij", x, sizes={"j": "n"}).dense()


def test_the_second_ellipsis_of_the_output_is_not_said_to_be_in_an_operand():
    with pytest.raises(ed.SubscriptsError) as caught:
        ed.einsum("...i->...i...", A)
    headline, middle, _ = blocks(caught.value)
    assert "the output has two '...'" in headline
    assert middle == "...i->...i...\n          ^^^"


TERMS = ("ij", "jk", "kl")
SIZES = {"i": 2, "j": 3, "k": 4, "l": 5}


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize(("at", "axis"), [(0, 1), (1, 0), (1, 1), (2, 0)])
def test_each_size_is_attributed_to_the_operand_that_has_it(order, at, axis):
    shapes = [[SIZES[label] for label in term] for term in TERMS]
    shapes[at][axis] = 7
    terms = [TERMS[k] for k in order]
    tensors = [ed.tensor("ABC"[k], tuple(shapes[k])) for k in order]
    text = ",".join(terms) + "->"
    with pytest.raises(ed.ShapeError) as caught:
        ed.einsum(text, *tensors)
    headline, middle, _ = blocks(caught.value)
    said = re.findall(r"(\d+) in operand (\d) \((\w)\)", headline)
    label = re.search(r"label '(\w)'", headline)[1]
    assert len({operand for _, operand, _ in said}) == 2
    for size, operand, name in said:
        position = int(operand)
        assert tensors[position].names == (name,)
        assert tensors[position].shape[terms[position].index(label)] == int(size)
    shown, carets = middle.splitlines()[:2]
    columns = [column for column, char in enumerate(carets) if char == "^"]
    starts = [3 * int(operand) + terms[int(operand)].index(label) for _, operand, _ in said]
    assert shown == text
    assert columns == sorted(starts)


def test_every_exception_is_an_einsdiff_error_shown_as_einsdiffs():
    errors = [getattr(ed, name) for name in ed.__all__ if name.endswith("Error")]
    assert len(errors) == 10
    for error in errors:
        assert issubclass(error, ed.EinsdiffError)
        assert error.__module__ == "einsdiff"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "wrong"),
        ({"action": "do"}, "wrong\n\ndo"),
        ({"text": "ij", "carets": [1]}, "wrong\n\n    ij\n     ^"),
        ({"text": "ij", "carets": [0, 1], "shapes": "A: ()"}, "wrong\n\n    ij\n    ^^\n    A: ()"),
        ({"shapes": "A: ()", "action": "do"}, "wrong\n\n    A: ()\n\ndo"),
        ({"text": "ij", "carets": ()}, "wrong\n\n    ij"),
    ],
)
def test_a_page_has_a_line_only_for_what_is_given(arguments, expected):
    assert page("wrong", **arguments) == expected


def test_shapes_are_written_as_python_writes_them_with_named_sizes_bare():
    assert [shape_text(shape) for shape in [(), (2,), ("m", 3), None]] == [
        "()",
        "(2,)",
        "(m, 3)",
        "(shape not known)",
    ]
    assert shapes_line([("A", (2, "n")), ("A", ())]) == "A: (2, n)   A: ()"


# --- memory -----------------------------------------------------------------------------------


@pytest.fixture
def limit():
    """Set a memory limit for a test, and restore the one before."""
    before = ed.set_memory_limit(20_000)
    yield 20_000
    ed.set_memory_limit(before)


@pytest.mark.parametrize(
    ("call", "shape", "size", "forms"),
    [
        # domain and codomain fit
        (
            lambda n: ed.grad("i,i->i", "x", "x", wrt="x", x=np.ones(n)),
            2,
            "30.5 MiB",
            ["jvp", "vjp"],
        ),
        # one of them fits
        (
            lambda n: ed.grad("i,j->ij", "x", "y", wrt="x", x=np.ones(n), y=np.ones(n)),
            3,
            "59.6 GiB",
            ["vjp"],
        ),
        (lambda n: ed.grad("ij->i", "A", wrt="A", A=np.ones((n, n))), 3, "59.6 GiB", ["jvp"]),
        # none fits, or there is none
        (lambda n: ed.grad("ij->ij", "A", wrt="A", A=np.ones((n, n))), 4, "116 TiB", []),
        (lambda n: ed.einsum("i,j->ij", np.ones(n), np.ones(n)), 2, "30.5 MiB", []),
    ],
)
def test_what_is_too_large_is_refused_with_the_forms_that_fit(limit, call, shape, size, forms):
    n = 2000
    t = call(n)
    with pytest.raises(ed.SizeError) as caught:
        np.asarray(t)
    assert isinstance(caught.value, MemoryError)
    headline, middle, action = blocks(caught.value)
    assert f"the result of shape ({', '.join([str(n)] * shape)})" in headline
    assert "float64" in headline
    assert f"{size}, and the limit is 19.5 KiB" in headline
    assert middle == str(t)
    assert "ed.set_memory_limit(bytes)" in action
    named = re.findall(r"(jvp|vjp)\(\w\), of shape (\(.*?\)), ([\d.]+ \w+)", action)
    assert [form for form, _, _ in named] == forms
    split = t.ndim - t.domain
    for form, text, count in named:
        given, kept = (t.shape[split:], t.shape[:split])[:: 1 if form == "jvp" else -1]
        result = getattr(t, form)(np.ones(given)).dense()
        assert result.shape == kept
        assert text == shape_text(kept)
        assert count == f"{result.nbytes / 1024:.3g} KiB"


def test_an_array_on_the_way_to_a_small_result_counts_too(limit):
    u = ed.tensor("u", np.ones(2000))
    t = ed.einsum("ij->", 1 / (ed.einsum("i,j->ij", u, u) + 1))
    with pytest.raises(ed.SizeError, match=r"on the way .* shape \(2000, 2000\) .* 30\.5 MiB"):
        t.dense()


@pytest.mark.parametrize("how", ["dense", "matrix", "asarray", "call"])
def test_nothing_is_allocated_before_the_error(limit, how):
    u = np.ones(2000)
    t = ed.grad("i,i->i", u, u, wrt="u")
    ways = {
        "dense": t.dense,
        "matrix": t.matrix,
        "asarray": lambda: np.asarray(t),
        "call": lambda: t(u=u),
    }
    for attempt in range(2):  # the first one plans
        tracemalloc.start()
        with pytest.raises(ed.SizeError):
            ways[how]()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < (5_000_000, 200_000)[attempt] < 32_000_000


def test_a_result_at_the_limit_is_computed(limit):
    n = limit // 8
    assert ed.einsum("i->i", np.ones(n)).dense().nbytes == limit
    with pytest.raises(ed.SizeError):
        ed.einsum("i->i", np.ones(n + 1)).dense()


def test_the_limit_is_set_returned_and_reset(limit):
    assert ed.set_memory_limit(10**6) == limit
    assert ed.set_memory_limit(None) == 10**6
    default = ed.set_memory_limit(0)
    assert default > 2**20
    with pytest.raises(ed.SizeError):
        ed.einsum("i->i", np.ones(1)).dense()
    with pytest.raises(ed.OperandError, match="-1"):
        ed.set_memory_limit(-1)
    assert ed.set_memory_limit(limit) == 0
