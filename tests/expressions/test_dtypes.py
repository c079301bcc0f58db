"""The dtypes and values of NumPy's functions, on tensors as on arrays; those of PyTorch and JAX."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch

import einsdiff as ed

DTYPES = ["bool", "int8", "uint8", "int16", "int32", "int64", "uint64", "float16", "float32",
          "float64", "complex64"]  # fmt: skip
CONDITIONS = ["greater", "greater_equal", "less", "less_equal", "equal", "not_equal",
              "logical_and", "logical_or", "logical_not"]  # fmt: skip
UNARY = ["exp", "log1p", "sin", "arctan", "tanh", "cbrt", "absolute", "fabs", "sign", "floor",
         "ceil", "trunc", "rint", "negative", "positive", "square", "sqrt", "exp2", "deg2rad",
         "logical_not"]  # fmt: skip
BINARY = ["add", "subtract", "multiply", "divide", "float_power", "floor_divide", "remainder",
          "maximum", "minimum", "fmax", "fmin", "greater", "less_equal", "equal", "not_equal",
          "arctan2", "hypot", "logaddexp", "logical_and", "logical_or"]  # fmt: skip

TABLE: dict[str, Callable[[Any, Any, Any], Any]] = {
    **{n: lambda x, y, M, n=n: getattr(np, n)(x) for n in UNARY},
    **{n: lambda x, y, M, n=n: getattr(np, n)(x, y) for n in BINARY},
    **{f"{n}, 2": lambda x, y, M, n=n: getattr(np, n)(x, 2) for n in BINARY},
    **{f"{n}, 2.5": lambda x, y, M, n=n: getattr(np, n)(x, 2.5) for n in BINARY},
    **{n: lambda x, y, M, n=n: getattr(np, n)(x) for n in
       ["sum", "prod", "cumsum", "mean", "var", "std", "max", "min", "ravel", "flip", "copy"]},
    "sum, axis": lambda x, y, M: np.sum(M, axis=1, keepdims=True),
    "method": lambda x, y, M: x.sum() + x.prod(),
    "add.reduce": lambda x, y, M: np.add.reduce(x),
    "add.accumulate": lambda x, y, M: np.add.accumulate(x),
    "multiply.reduce": lambda x, y, M: np.multiply.reduce(x),
    "sum times": lambda x, y, M: np.sum(x) * y,
    "trace": lambda x, y, M: np.trace(M),
    "linalg.trace": lambda x, y, M: np.linalg.trace(M),
    "dot": lambda x, y, M: np.dot(x, y),
    "matmul": lambda x, y, M: M @ M,
    "outer": lambda x, y, M: np.outer(x, y),
    "einsum": lambda x, y, M: np.einsum("i,i->", x, y),
    "where": lambda x, y, M: np.where(x > y, x, y),
    "where, 2.5": lambda x, y, M: np.where(x > y, x, 2.5),
    "clip": lambda x, y, M: np.clip(x, 1, 2),
    "stack": lambda x, y, M: np.stack([x, y]),
    "index": lambda x, y, M: x[1:],
    "norm": lambda x, y, M: np.linalg.norm(x),
    "inv": lambda x, y, M: np.linalg.inv(M),
    "solve": lambda x, y, M: np.linalg.solve(M, x),
}  # fmt: skip


def expected_dtype(case: str, dtype: str, theirs: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype that the conventions promise, where they differ from NumPy's."""
    name, _, scalar = case.partition(", ")
    if name in CONDITIONS:  # a number
        return np.result_type(np.int64 if dtype == "bool" else dtype, *([2.5] * (scalar == "2.5")))
    if dtype == "bool" and theirs.kind in "bi":
        return np.dtype(np.int64)
    if name == "float_power" and np.dtype(dtype).kind in "fc":  # which stays as precise as it is
        return np.dtype(dtype)
    if theirs.kind == "f" and np.dtype(dtype).kind in "biu":
        return np.dtype(np.float64)
    if name in ("negative", "subtract") and theirs.kind == "u":
        return np.promote_types(theirs, np.int8)
    return theirs


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", TABLE)
def test_functions_of_tensors_have_the_dtype_and_the_value_of_numpys(case, dtype):
    large = {"uint8": [200, 200], "int32": [2**30, 2**30], "int8": [100, 27]}.get(dtype, [3, 1])
    arrays = [np.array(large, dtype), np.array([2, 1], dtype), np.array([[3, 1], [1, 2]], dtype)]
    f = TABLE[case]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            theirs = np.asarray(f(*arrays))
        except (TypeError, ValueError):
            pytest.skip("NumPy does not take this dtype")
        try:
            t = f(*(ed.tensor(n, a) for n, a in zip("xyM", arrays, strict=True)))
            ours = np.asarray(t)
        except ed.OperandError:
            assert dtype == "complex64"
            return
    wanted = expected_dtype(case, dtype, theirs.dtype)
    assert t.dtype == ours.dtype == wanted
    sums = ("add", "dot", "matmul", "einsum")
    if dtype == "bool" and case in sums:
        ours = ours != 0  # NumPy's are truths, and einsdiff's count
    if wanted.kind in "iu" and theirs.dtype.kind in "iu":
        np.testing.assert_array_equal(ours.astype(theirs.dtype), theirs)
    elif wanted != theirs.dtype and theirs.dtype == np.uint64:  # there, -1 is 2^64 - 1
        np.testing.assert_array_equal(ours.astype(np.int64).astype(np.uint64), theirs)
    elif np.all(np.isfinite(theirs)):  # halves overflow
        is_half = "16" in f"{theirs.dtype} {wanted}"
        np.testing.assert_allclose(ours, theirs, 2e-3 if is_half else 1e-4)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sqrt(x) ** 2,
        lambda x: np.linalg.norm(x) ** 2,
        lambda x: x / 2 * 2,
        lambda x: np.divide(x, 4) * 4 * x,
        lambda x: np.mean(x) * 2,
        lambda x: (x / x) * x,
        lambda x: np.exp(np.log(x)),
    ],
)
def test_what_was_a_float_stays_one_when_it_is_simplified(f):
    x = np.array([100, 120], "i1")
    for t in (f(ed.tensor("x", x)), ed.simplify(f(ed.tensor("x", x)))):
        assert t.dtype == np.asarray(t).dtype == np.float64
        np.testing.assert_allclose(np.asarray(t), f(x.astype(float)))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32"])
def test_derivatives_of_wide_sums_are_wide(dtype):
    x = np.array([100, 120], dtype)
    t = ed.tensor("x", x)
    J = ed.grad(np.sum(t * t), wrt="x")
    assert J.dtype == np.asarray(J).dtype == np.sum(x).dtype
    np.testing.assert_array_equal(np.asarray(J), [200, 240])
    np.testing.assert_array_equal(J.jvp(np.array([100, 100])).dense(), 44_000)
    np.testing.assert_array_equal(ed.grad(lambda x: np.sum(x * x), x, wrt="x").dense(), [200, 240])


def test_the_dtype_of_a_sum_is_kept_by_copies_compilation_and_rewriting():
    import pickle

    x = np.array([200, 200], "u1")
    t = np.sum(ed.tensor("x", x))
    assert pickle.loads(pickle.dumps(t)).dtype == np.uint64
    assert t.compile()() == 400
    assert ed.simplify(t).dtype == ed.expand(t).dtype == np.uint64
    assert np.sum(ed.tensor("x", 2))(x=x) == 400
    assert ed.einsum("i,->i", ed.tensor("x", x), t).dtype == np.uint64
    assert ed.einsum("i->", x).dtype == np.uint8  # as np.einsum


def test_what_is_cut_off_or_is_about_bits_is_refused():
    n = ed.tensor("n", np.array([3, 1, 2]))
    for f in (lambda: n & 1, lambda: ~n, lambda: np.bitwise_or(n, n), lambda: (n > 1).sum() & True):
        with pytest.raises(ed.OperandError, match=r"bits(.|\n)*logical_and"):
            f()
    with pytest.raises(ed.OperandError, match="dtype=float"):
        np.full_like(n, 2.5)
    np.testing.assert_array_equal(np.full_like(n, 2).dense(), 2)
    np.testing.assert_array_equal(np.full_like(n, 2.5, dtype=float).dense(), 2.5)


def test_conditions_and_booleans_are_combined():
    x, b = np.array([0.1, 0.5, 0.9]), np.array([True, False, True])
    for f in (
        lambda x, b: (x > 0.3) & (x < 0.7),
        lambda x, b: (x > 0.3)[1:] | ~(x < 0.7)[:-1],
        lambda x, b: ~b,
        lambda x, b: (x[:, None] > x) & b,
        lambda x, b: ~((x > 0.3) & b) | (x == 0.5),
        lambda x, b: (x > 0.3).reshape(3, 1) & b & True,
    ):
        ours = f(ed.tensor("x", x), ed.tensor("b", b))
        np.testing.assert_array_equal(np.asarray(ours, bool), f(x, b))


OTHERS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda t: t.sum(),
    "cumsum": lambda t: np.cumsum(t),
    "prod": lambda t: np.prod(t),
    "trace": lambda t: np.trace(t[:, None] * t),
    "product": lambda t: t * t,
    "negative": lambda t: -t,
    "large": lambda t: 300 * t,
    "sin": lambda t: np.sin(t),
    "half": lambda t: t / 2,
    "einsum": lambda t: ed.einsum("i,i->", t, t),
    "condition": lambda t: t > 0,
    "where": lambda t: np.where(t > 0, t, 2),
    "max": lambda t: np.max(t),
    "gradient": lambda t: ed.grad(np.sum(t * t), wrt="x"),
    "delta": lambda t: ed.grad(t, wrt="x"),
}


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int16", "int32", "int64", "float32"])
@pytest.mark.parametrize("case", OTHERS)
def test_the_dtype_is_that_of_the_result_in_every_library(case, dtype):
    values = np.array([1, 1], dtype)
    for x in (values, torch.tensor(values), jnp.asarray(values)):
        t = OTHERS[case](ed.tensor("x", x))
        result = t.dense()
        assert t.dtype == result.dtype
        assert str(np.asarray(t).dtype) == str(result.dtype).removeprefix("torch.")
    sums = {"sum": torch.sum, "prod": torch.prod}
    if case in sums and dtype != "bool":
        assert (
            OTHERS[case](ed.tensor("x", torch.tensor(values))).dtype
            == sums[case](torch.tensor(values)).dtype
        )
        theirs = getattr(jnp, case)(jnp.asarray(values)).dtype
        assert OTHERS[case](ed.tensor("x", jnp.asarray(values))).dtype == theirs
