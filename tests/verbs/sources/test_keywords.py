"""Keywords that are no operands, names that are keywords, and sizes that are names."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

import dask.array as da
import numpy as np
import pytest

import einsdiff as ed

A = np.arange(6.0).reshape(2, 3) / 7
x = np.array([0.3, 0.7, 1.1])


# --- sizes that are names ---------------------------------------------------------------------

SIZED: list[Callable[[Any, Any], Any]] = [
    lambda A, x: x / x.shape[0],
    lambda A, x: x.sum() / (x.shape[0] - 1),
    lambda A, x: A @ x / np.sqrt(x.shape[-1]),
    lambda A, x: np.exp(A / A.shape[0]) * (A.shape[1] / 2),
    lambda A, x: A.sum() / (A.shape[0] * A.shape[1]),
    lambda A, x: 1 / x.shape[0] * x**2 + x.shape[0] // 2 + x.shape[0] % 2,
    lambda A, x: (2 * x.shape[0]) ** 2 * x - (-x.shape[0]),
    lambda A, x: np.add(x, x.shape[0]) * np.log(A.shape[-1]),
    lambda A, x: x.reshape(x.shape[0], 1) + np.broadcast_to(x, (x.shape[0], x.shape[0])),
]


@pytest.mark.parametrize("f", SIZED)
def test_a_size_that_is_a_name_is_computed_with(f):
    t = f(ed.tensor("A", ("m", "n")), ed.tensor("x", "n"))
    known = f(ed.tensor("A", A), ed.tensor("x", x))
    given = {name: array for name, array in {"A": A, "x": x}.items() if name in t.names}
    np.testing.assert_allclose(t(**given), f(A, x))
    for name in t.names:
        J = ed.grad(t, wrt=name)(**given)
        np.testing.assert_allclose(J, np.asarray(ed.grad(known, wrt=name)))


def test_a_size_is_still_its_name():
    t = ed.tensor("A", ("m", "n"))
    assert t.shape == ("m", "n")
    assert repr(t.shape) == "('m', 'n')"
    assert sorted(t.shape, reverse=True) == ["n", "m"]
    assert ed.tensor("B", t.shape).expr.shape == ("m", "n")
    assert type(ed.tensor("B", t.shape).expr.shape[0]) is str


@pytest.mark.parametrize(
    ("f", "piece", "instead"),
    [
        (lambda x: range(x.shape[0]), "range(x.shape[0])", "whole number"),
        (lambda x: np.zeros(x.shape), "np.zeros(x.shape)", "np.zeros_like"),
        (lambda x: np.ones(x.shape), "np.ones(x.shape)", "np.ones_like"),
        (lambda x: np.full(x.shape, 2.0), "np.full(x.shape, 2.0)", "np.full_like"),
        (lambda x: np.eye(x.shape[0]), "np.eye(x.shape[0])", "np.diag"),
        (lambda x: math.sqrt(x.shape[0]), "math.sqrt(x.shape[0])", "np.sqrt"),
        (lambda x: float(x.shape[0]), "float(x.shape[0])", "with a number"),
        (lambda x: int(x.shape[0]), "int(x.shape[0])", "with a number"),
        (lambda x: x.shape[0] > 2, "x.shape[0] > 2", "with a number"),
        (len, "n", "with a number"),
    ],
)
def test_what_needs_the_number_of_a_size_says_so(f, piece, instead):
    with pytest.raises(ed.ShapeError, match="'n'") as caught:
        f(ed.tensor("x", "n"))
    assert piece in str(caught.value)
    assert instead in str(caught.value)


# --- keywords ---------------------------------------------------------------------------------


def test_an_operand_may_be_called_sizes():
    sizes = np.array([1.0, 2.0, 3.0])
    for t in (
        ed.einsum("i,i->", "sizes", "x", sizes=sizes, x=x),
        ed.parse("sizes_i x_i", sizes=sizes, x=x),
        ed.einsum("i,i->", sizes, x),
    ):
        np.testing.assert_allclose(np.asarray(t), sizes @ x)
    J = ed.grad(ed.tensor("sizes", 3) @ ed.tensor("x", x) * 2, sizes=sizes, wrt="x")
    np.testing.assert_allclose(np.asarray(J), 2 * sizes)
    with pytest.raises(ed.OperandError, match="no mapping"):
        ed.einsum("i,i->", "y", "x", sizes=sizes)


@pytest.mark.parametrize("optimize", [True, False, "greedy", ["einsum_path", (0, 1)]])
def test_the_order_of_contraction_is_chosen_later(optimize):
    expected = np.einsum("ij,j->i", A, x)
    for t in (
        ed.einsum("ij,j->i", A, x, optimize=optimize),
        ed.einsum("A_ij x_j", A=A, x=x, optimize=optimize),
        np.einsum("ij,j->i", ed.tensor("A", A), x, optimize=optimize),
    ):
        np.testing.assert_allclose(np.asarray(t), expected)
    assert ed.grad("ij,j->i", A, x, wrt="A", optimize=optimize).shape == (2, 2, 3)
    optimal = ed.einsum("i,i->", "optimize", "x", optimize=x, x=x)
    assert optimal.names == ("optimize", "x")


@pytest.mark.parametrize(
    ("options", "instead"),
    [
        ({"out": np.zeros(2)}, r"dense\(out="),
        ({"dtype": "f4"}, "astype"),
        ({"casting": "safe"}, "astype"),
    ],
)
def test_arguments_of_numpys_einsum_that_are_none_here_are_named(options, instead):
    (name,) = options
    for call in (
        lambda: ed.einsum("ij,j->i", A, x, **options),
        lambda: ed.grad("ij,j->i", A, x, wrt="A", **options),
        lambda: ed.parse("A_ij x_j", A=A, x=x, **options),
    ):
        with pytest.raises(ed.OperandError, match=rf"{name}=(.|\n)*{instead}"):
            call()


# --- what is taken and what is refused --------------------------------------------------------


def test_a_function_is_read_as_an_expression_is():
    t = ed.parse(lambda A, x: np.tanh(A @ x), A, x)
    assert str(t) == "f_i = tanh(A_ij x_j)"
    np.testing.assert_allclose(np.asarray(t), np.tanh(A @ x))


@pytest.mark.parametrize("f", [lambda x: {"loss": x}, lambda x: {}, dict])
def test_results_by_name_are_refused(f):
    with pytest.raises((ed.OperandError, TypeError)):
        ed.grad(f, x, wrt=0)


def test_a_tensor_is_called_with_expressions():
    t = ed.tensor("A", A) @ ed.tensor("x", 3)
    for value, scale in ((ed.tensor("y", 3), 1), (2 * ed.tensor("y", 3), 2), ("2 y_i", 2)):
        found = t(x=value)
        assert found.names == ("A", "y")
        np.testing.assert_allclose(found(y=x), scale * A @ x)
    np.testing.assert_allclose(t(x=2 * ed.tensor("y", x)), 2 * A @ x)


@pytest.mark.parametrize("f", [np.max, np.min, np.ptp])
def test_there_is_no_largest_of_no_entries(f):
    with pytest.raises(ed.ShapeError, match="no entries"):
        f(ed.tensor("x", np.ones(0)))
    t = f(ed.tensor("x", "n"))
    for call in (lambda: t(x=np.ones(0)), lambda: t.compile()(x=np.ones(0))):
        with pytest.raises(ed.ShapeError, match=r"no entries(.|\n)*\(0,\)"):
            call()


def libraries():
    found = [np.zeros]
    for name in ("torch", "jax.numpy"):
        with suppress(ImportError):
            found.append(import_module(name).zeros)
    return found


@pytest.mark.parametrize("zeros", libraries())
@pytest.mark.parametrize("f", [np.max, np.min, np.ptp, lambda x: np.linalg.norm(x, np.inf)])
def test_the_largest_of_no_entries_is_named_in_every_library_and_derivative(f, zeros):
    x, A, B = ed.tensor("x", "n"), ed.tensor("A", "mn"), ed.tensor("B", "nn")
    for t in (f(x), x * f(x), ed.grad(x * f(x), wrt="x"), np.sum(f(x) * A)):
        arrays = {"x": zeros(0), "A": zeros((2, 0))}
        with pytest.raises(ed.ShapeError, match=r"(max|min) of no entries: size 'n' is 0"):
            t(**{name: arrays[name] for name in t.names})
    with pytest.raises(ed.ShapeError, match=r"max of no entries: size 'm' is 0"):
        np.max(A, axis=0)(A=zeros((0, 3)))
    assert np.max(A, axis=0)(A=zeros((3, 0))).shape == (0,)
    with pytest.raises(ed.ShapeError, match=r"max of no entries: size 'n' is 0"):
        np.max(B, axis=0)(B=zeros((0, 0)))  # as NumPy's


@pytest.mark.parametrize("zeros", libraries())
def test_means_of_no_entries_are_nan_in_every_library(zeros):
    x = ed.tensor("x", "n")
    with np.errstate(all="ignore"):
        for t in (np.mean(x), np.var(x), np.mean(x) ** 2 / 3):
            assert np.isnan(float(t(x=zeros(0))))
            assert ed.grad(t, wrt="x")(x=zeros(0)).shape == (0,)
        for ddof in (1, 2, 3):
            assert np.isnan(float(np.var(x, ddof=ddof)(x=zeros(1))))


def test_no_variance_is_negative():
    two = np.array([1.0, 2.0])
    for ddof in (2, 3, 4):
        with np.errstate(all="ignore"):
            assert np.var(ed.tensor("x", "n"), ddof=ddof)(x=two) == np.inf
            assert not np.isfinite(np.asarray(np.var(ed.tensor("x", two), ddof=ddof)))
    many = np.arange(9.0) ** 2
    for name, axis in (("n", None), ("nm", 0), ("nm", None)):
        array = many.reshape(3, 3) if len(name) == 2 else many
        t = np.var(ed.tensor("x", name), axis, ddof=2)
        np.testing.assert_allclose(t(x=array), np.var(array, axis, ddof=2))


def test_the_name_of_a_size_is_one_size():
    size = ed.tensor("y", ("rows",)).shape[0]
    assert ed.tensor("z", size).shape == ed.tensor("z", (size,)).shape == ("rows",)
    for call in (lambda: np.ones(size), lambda: np.full(size, 2.0), lambda: np.zeros((2, size))):
        with pytest.raises(ed.ShapeError, match="size 'rows' is a name"):
            call()
    with pytest.raises(TypeError):
        list(size)


def test_a_chunk_of_another_dtype_than_its_array_says_is_not_cut():
    wrong = da.ones(4, dtype=int, chunks=2).map_blocks(lambda b: b + 0.5, dtype=int)
    with pytest.raises(ed.OperandError, match="float64, and the array says int64"):
        (ed.tensor("d", wrong) * 2).dense().compute()
    narrow = da.ones(4, dtype=float, chunks=2).map_blocks(lambda b: b.astype("f4"), dtype=float)
    np.testing.assert_array_equal((ed.tensor("d", narrow) * 2).dense().compute(), 2)
