"""NumPy's functions, methods, operators and indexing on tensors, against NumPy and JAX.

An expression is a text, read three times: with arrays and NumPy, with tensors and NumPy, and with
JAX's arrays and JAX. Of a linear map the derivative is what it does with each basis array, exactly.
"""

from __future__ import annotations

import ast
import itertools
import warnings
from collections.abc import Callable
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.operations.numpy_names import NUMPY
from einsdiff.expressions.operators import Operators

jax.config.update("jax_enable_x64", True)

# --- the operands -----------------------------------------------------------------------------

#: Sizes that have names where the operands are symbolic, all different.
SIZES = {"m": 2, "n": 3, "k": 4}
SHAPES: dict[str, tuple[Any, ...]] = {
    "s": (),
    "x": ("n",),
    "y": ("n",),
    "A": ("m", "n"),
    "B": ("m", "n"),
    "C": ("n", "k"),
    "c": ("m", 1),
    "r": (1, "n"),
    "M": ("n", "n"),
    "P": ("n", "n"),
    "T": ("m", "n", "k"),
    "E": (1, "n", 1),
    "Q": ("m", "n", "n"),
}


def operand(name: str) -> np.ndarray:
    """Draw an operand between 0.1 and 0.9, no two entries close, of M both signs."""
    shape = tuple(SIZES.get(size, size) for size in SHAPES[name])
    rng = np.random.default_rng(sum(map(ord, name)))
    n = prod(shape)
    values = (rng.permutation(n) + rng.uniform(0.2, 0.8, n)).reshape(shape) / n * 0.8 + 0.1
    if name in "MQ":
        return np.asarray(2 * np.eye(3) - values)
    return np.diag([2.0, 3, 4]) + (values + values.T) / 2 if name == "P" else values


OPERANDS = {name: operand(name) for name in SHAPES}


def read(text: str, module: Any, operands: dict[str, Any]) -> Any:
    return eval(text, {"np": module, **operands})


def names_in(text: str) -> list[str]:
    found = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    return [name for name in SHAPES if name in found]


def tensors(text: str) -> dict[str, ed.Tensor]:
    return {name: ed.tensor(name, OPERANDS[name]) for name in names_in(text)}


def assert_close(actual: Any, expected: Any, rtol: float = 1e-10) -> None:
    expected = np.asarray(expected) * 1.0
    assert np.shape(actual) == expected.shape
    scale = 1 + np.max(np.abs(expected), initial=0)
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=rtol, atol=rtol * scale)


# --- the expressions --------------------------------------------------------------------------

UNARY = [
    "exp", "expm1", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "arcsin", "arccos",
    "arctan", "sinh", "cosh", "tanh", "arcsinh", "arctanh", "cbrt", "floor", "ceil", "trunc",
    "rint", "negative", "positive", "square", "sqrt", "reciprocal", "exp2", "deg2rad", "radians",
    "rad2deg", "degrees", "logical_not", "copy", "zeros_like", "ones_like", "ravel",
]  # fmt: skip
BINARY = [
    "add", "subtract", "multiply", "divide", "maximum", "minimum", "fmax", "fmin", "hypot",
    "arctan2", "logaddexp", "greater", "greater_equal", "less", "less_equal", "equal",
    "not_equal", "logical_and", "logical_or",
]  # fmt: skip

#: For each name of NumPy's, expressions in it.
EXPRESSIONS: dict[str, list[str]] = {
    **{
        name: [f"np.{name}(A)"]
        for name in UNARY
    },
    **{
        name: [f"np.{name}(A, B)", f"np.{name}(M, 0.3)", f"np.{name}(0.3, x)", f"np.{name}(c, r)"]
        for name in BINARY
    },
    "arccosh": ["np.arccosh(1 + A)"],
    "sign": ["np.sign(M)", "np.sign(M - M)"],
    "absolute": ["np.absolute(M)", "np.abs(A - 0.5 * B)"],
    "fabs": ["np.fabs(M)"],
    "power": [
        "np.power(A, B)",
        "np.power(A, 2)",
        "np.power(M, 3)",
        "np.power(x, 0.5)",
        "np.power(2, x)",
        "np.power(A, c)",
        "np.power(x, -2)",
        "np.power(M, 20)",
    ],
    "float_power": ["np.float_power(A, B)", "np.float_power(A, 2)"],
    "remainder": ["np.remainder(A, 0.17)", "np.mod(A, B)", "np.remainder(-A, 0.17)"],
    "floor_divide": ["np.floor_divide(A, 0.17)", "np.floor_divide(-A, B)"],
    "heaviside": ["np.heaviside(M, 0.5)", "np.heaviside(M - M, A[0, 0])"],
    "bitwise_and": ["np.bitwise_and(A > 0.3, B > 0.3) * A"],
    "bitwise_or": ["np.bitwise_or(A > 0.3, B > 0.3) * A"],
    "invert": ["np.invert(A > 0.3) * A"],
    "matmul": [
        "np.matmul(A, x)",
        "np.matmul(x, y)",
        "np.matmul(A, C)",
        "np.matmul(x, C)",
        "np.matmul(M, T)",
        "np.matmul(Q, T)",
        "np.matmul(Q, M)",
        "np.matmul(x, T)",
        "np.matmul(Q, y)",
        "np.matmul(r, x)",
        "np.matmul(A, A.T)",
    ],
    "where": [
        "np.where(A > B, A, B)",
        "np.where(A > 0.5, A**2, 0)",
        "np.where(x > y, A, c)",
        "np.where(x > 0.5, 1.0, x)",
        "np.where(r > c, r, c)",
    ],
    "clip": [
        "np.clip(A, 0.3, 0.7)",
        "np.clip(A, None, 0.7)",
        "np.clip(A, 0.3, None)",
        "np.clip(A, c, 0.7)",
        "np.clip(x, y, 2)",
    ],
    "sum": [
        "np.sum(A)",
        "np.sum(A, axis=0)",
        "np.sum(A, -1)",
        "np.sum(T, axis=(0, 2))",
        "np.sum(T, axis=(-1, 0), keepdims=True)",
        "np.sum(T, axis=())",
        "np.sum(s)",
        "np.sum(T, keepdims=True)",
    ],
    "mean": [
        "np.mean(A)",
        "np.mean(A, axis=1)",
        "np.mean(T, axis=(0, -1))",
        "np.mean(T, axis=1, keepdims=True)",
        "np.mean(s)",
    ],
    "var": [
        "np.var(A)",
        "np.var(A, axis=0)",
        "np.var(T, axis=(0, 2), ddof=1)",
        "np.var(T, axis=-1, keepdims=True)",
        "np.var(T, axis=2, ddof=2)",
    ],
    "std": [
        "np.std(A)",
        "np.std(A, axis=1)",
        "np.std(T, axis=(1, 2), ddof=1, keepdims=True)",
    ],
    **{
        name: [
            f"np.{name}(A)",
            f"np.{name}(A, axis=0)",
            f"np.{name}(T, axis=-1)",
            f"np.{name}(T, axis=(0, 2))",
            f"np.{name}(T, axis=(2, 0))",
            f"np.{name}(T, axis=1, keepdims=True)",
            f"np.{name}(x)",
        ]
        for name in ["max", "amax", "min", "amin", "ptp", "prod"]
    },
    "cumsum": ["np.cumsum(x)", "np.cumsum(A)", "np.cumsum(A, axis=0)", "np.cumsum(T, axis=-2)"],
    "dot": [
        "np.dot(x, y)",
        "np.dot(A, x)",
        "np.dot(A, C)",
        "np.dot(s, A)",
        "np.dot(A, 2)",
        "np.dot(A, T)",
        "np.dot(Q, T)",
        "np.dot(Q, x)",
    ],
    "inner": ["np.inner(x, y)", "np.inner(A, x)", "np.inner(A, B)", "np.inner(Q, A)",
              "np.inner(s, A)"],
    "vdot": ["np.vdot(x, y)", "np.vdot(A, B)", "np.vdot(r, y)"],
    "outer": ["np.outer(x, y)", "np.outer(A, x)", "np.outer(s, x)", "np.outer(T, A)"],
    "tensordot": [
        "np.tensordot(A, C, 1)",
        "np.tensordot(A, B)",
        "np.tensordot(x, y, 0)",
        "np.tensordot(T, A, axes=([0, 1], [0, 1]))",
        "np.tensordot(T, A, axes=((1, 0), (1, 0)))",
        "np.tensordot(T, A, axes=([-2], [-1]))",
        "np.tensordot(T, x, axes=(1, 0))",
        "np.tensordot(Q, M, axes=2)",
    ],
    "kron": ["np.kron(A, M)", "np.kron(x, y)", "np.kron(x, A)", "np.kron(A, y)", "np.kron(E, T)",
             "np.kron(s, A)"],
    "trace": ["np.trace(M)", "np.trace(M, 1)", "np.trace(A, -1)", "np.trace(T, 0, 1, 2)",
              "np.trace(Q, axis1=1, axis2=2)", "np.trace(T, offset=-1, axis1=2, axis2=0)"],
    "transpose": ["np.transpose(A)", "np.transpose(T, (2, 0, 1))", "np.transpose(T, [-1, 0, 1])",
                  "np.transpose(x)"],
    "matrix_transpose": ["np.matrix_transpose(T)", "np.matrix_transpose(A)"],
    "swapaxes": ["np.swapaxes(T, 0, 2)", "np.swapaxes(T, -1, 0)", "np.swapaxes(A, 1, 1)"],
    "moveaxis": ["np.moveaxis(T, 0, -1)", "np.moveaxis(T, (0, 1), (-1, 0))",
                 "np.moveaxis(T, [2, 0], [0, 1])"],
    "expand_dims": ["np.expand_dims(A, 1)", "np.expand_dims(x, (0, -1))",
                    "np.expand_dims(A, -1)", "np.expand_dims(s, 0)"],
    "squeeze": ["np.squeeze(E)", "np.squeeze(E, 0)", "np.squeeze(E, axis=(0, -1))",
                "np.squeeze(A)", "np.squeeze(c, -1)"],
    "reshape": [
        "np.reshape(A, (3, 2))",
        "np.reshape(T, (4, -1))",
        "np.reshape(T, (2, -1))",
        "np.reshape(T, -1)",
        "np.reshape(T, (4, 6), order='F')",
        "np.reshape(A, (1, 2, 1, 3))",
        "np.reshape(s, (1, 1))",
    ],
    "broadcast_to": ["np.broadcast_to(x, (2, 3))", "np.broadcast_to(c, (2, 3))",
                     "np.broadcast_to(s, (2, 2))", "np.broadcast_to(E, (4, 1, 3, 2))"],
    "flip": ["np.flip(A)", "np.flip(A, 1)", "np.flip(T, (0, -1))"],
    "diff": ["np.diff(x)", "np.diff(A)", "np.diff(A, axis=0)", "np.diff(T, n=2)",
             "np.diff(T, 2, 1)", "np.diff(x, n=0)", "np.diff(x, 3)"],
    "roll": ["np.roll(x, 1)", "np.roll(A, -2)", "np.roll(A, 1, axis=1)", "np.roll(T, -5, 2)",
             "np.roll(x, 0)", "np.roll(A, 6, 1)",
             "np.roll(A, (1, -1), axis=(0, 1))", "np.roll(T, 2, (0, 2))"],
    "concatenate": ["np.concatenate([A, B])", "np.concatenate((A, M), axis=0)",
                    "np.concatenate([A, c], -1)", "np.concatenate([A, x], axis=None)",
                    "np.concatenate([x])"],
    "stack": ["np.stack([x, y])", "np.stack([A, B], axis=1)", "np.stack((A, B, A), -1)",
              "np.stack([s, 2 * s])"],
    "vstack": ["np.vstack([x, y])", "np.vstack([A, x])", "np.vstack((A, M))",
               "np.vstack([s, 2 * s])"],
    "hstack": ["np.hstack([x, y])", "np.hstack([A, c])", "np.hstack([s, 2 * s, s])",
               "np.hstack([x, s])"],
    "column_stack": ["np.column_stack([x, y])", "np.column_stack([M, x])"],
    "diagonal": ["np.diagonal(M)", "np.diagonal(M, 1)", "np.diagonal(A, -1)",
                 "np.diagonal(T, axis1=1, axis2=2)", "np.diagonal(T, 1, 0, 2)",
                 "np.diagonal(A, 5)", "np.diagonal(Q, axis1=-1, axis2=-2)"],
    "diag": ["np.diag(x)", "np.diag(M)", "np.diag(x, 2)", "np.diag(x, -1)", "np.diag(A, 1)",
             "np.diag(M, -1)"],
    "tril": ["np.tril(M)", "np.tril(A, 1)", "np.tril(T, -1)", "np.tril(A, -5)", "np.tril(A, 5)"],
    "triu": ["np.triu(M)", "np.triu(A, 1)", "np.triu(T, -1)", "np.triu(A, -5)", "np.triu(A, 5)"],
    "full_like": ["np.full_like(A, 2.5)", "np.full_like(A, s)", "np.full_like(A, x)"],
    "linalg.norm": [
        "np.linalg.norm(x)",
        "np.linalg.norm(A)",
        "np.linalg.norm(T)",
        "np.linalg.norm(A, axis=0)",
        "np.linalg.norm(T, axis=(0, 2))",
        "np.linalg.norm(A, axis=-1, keepdims=True)",
        "np.linalg.norm(A, 'fro')",
        "np.linalg.norm(x, 1)",
        "np.linalg.norm(x, 2)",
        "np.linalg.norm(x, 3)",
        "np.linalg.norm(x, -1)",
        "np.linalg.norm(x, 2.5)",
        "np.linalg.norm(x, np.inf)",
        "np.linalg.norm(x, -np.inf)",
        "np.linalg.norm(A, 1)",
        "np.linalg.norm(A, -1)",
        "np.linalg.norm(A, np.inf)",
        "np.linalg.norm(A, -np.inf)",
        "np.linalg.norm(M, 2)",
        "np.linalg.norm(M, -2)",
        "np.linalg.norm(M, 'nuc')",
        "np.linalg.norm(T, 1, axis=1)",
        "np.linalg.norm(T, np.inf, axis=(0, 1))",
        "np.linalg.norm(T, 1, axis=(2, 0), keepdims=True)",
        "np.linalg.norm(Q, 2, axis=(1, 2))",
    ],
    "linalg.inv": ["np.linalg.inv(M)", "np.linalg.inv(Q)"],
    "linalg.pinv": ["np.linalg.pinv(A)", "np.linalg.pinv(C)", "np.linalg.pinv(M)"],
    "linalg.det": ["np.linalg.det(M)", "np.linalg.det(Q)"],
    "linalg.slogdet": ["np.linalg.slogdet(M)[1]", "np.linalg.slogdet(Q).logabsdet",
                       "np.linalg.slogdet(M)[0]", "np.linalg.slogdet(-M).sign"],
    "linalg.cholesky": ["np.linalg.cholesky(P)"],
    "linalg.eigvalsh": ["np.linalg.eigvalsh(P)"],
    "linalg.eigh": ["np.linalg.eigh(P)[0]", "np.abs(np.linalg.eigh(P).eigenvectors)"],
    "linalg.solve": ["np.linalg.solve(M, x)", "np.linalg.solve(M, C)", "np.linalg.solve(Q, T)",
                     "np.linalg.solve(M, T)", "np.linalg.solve(Q, C)"],
    "linalg.matrix_power": [f"np.linalg.matrix_power(M, {n})" for n in (0, 1, 2, 3, 5, -1, -2)]
    + ["np.linalg.matrix_power(Q, 2)"],
    "linalg.multi_dot": ["np.linalg.multi_dot([A, M, C])", "np.linalg.multi_dot([x, M, y])",
                         "np.linalg.multi_dot([A, x])"],
    "linalg.matrix_transpose": ["np.linalg.matrix_transpose(T)"],
    "linalg.outer": ["np.linalg.outer(x, y)"],
    "linalg.trace": ["np.linalg.trace(M)", "np.linalg.trace(T, offset=1)"],
    "linalg.diagonal": ["np.linalg.diagonal(M)", "np.linalg.diagonal(T, offset=-1)"],
}  # fmt: skip

#: The methods and attributes of arrays, and those that a tensor takes from Python.
METHODS: dict[str, list[str]] = {
    "T": ["A.T", "T.T", "x.T", "s.T"],
    "mT": ["T.mT"],
    "transpose": ["A.transpose()", "T.transpose(2, 0, 1)", "T.transpose((1, 2, 0))",
                  "T.transpose([1, 2, 0])", "T.transpose(None)", "T.transpose(-1, 0, 1)"],
    "reshape": ["A.reshape(3, 2)", "A.reshape((6,))", "T.reshape(-1, 4)", "T.reshape([4, 6])",
                "A.reshape(-1)", "A.reshape(3, 2, order='F')"],
    "ravel": ["T.ravel()", "A.ravel('F')", "s.ravel()"],
    "flatten": ["T.flatten()", "A.flatten(order='F')"],
    "swapaxes": ["T.swapaxes(0, -1)"],
    "squeeze": ["E.squeeze()", "E.squeeze(axis=0)"],
    "sum": ["A.sum()", "A.sum(0)", "T.sum(axis=(0, -1), keepdims=True)"],
    "mean": ["A.mean()", "T.mean(axis=(1, 2))", "T.mean(0, keepdims=True)"],
    "var": ["A.var()", "A.var(axis=1, ddof=1)"],
    "std": ["A.std()", "A.std(axis=0, keepdims=True)"],
    "prod": ["A.prod()", "T.prod(axis=1)"],
    "max": ["A.max()", "T.max(axis=-1, keepdims=True)"],
    "min": ["A.min()", "T.min(axis=(0, 1))"],
    "cumsum": ["A.cumsum()", "A.cumsum(axis=1)"],
    "dot": ["A.dot(x)", "x.dot(y)", "A.dot(C)"],
    "trace": ["M.trace()", "T.trace(1, 0, 2)", "M.trace(offset=-1)"],
    "diagonal": ["M.diagonal()", "T.diagonal(0, 1, 2)", "A.diagonal(offset=1)"],
    "clip": ["A.clip(0.3, 0.7)", "A.clip(min=0.3)", "A.clip(max=0.7)"],
    "copy": ["A.copy()"],
    "size": ["A.size * A"],
    "ndim": ["T.ndim * T"],
    "shape": ["T.shape[1] * T"],
    "__abs__": ["abs(M)"],
    "__pos__": ["+A"],
    "__neg__": ["-A"],
    "__add__": ["A + B", "A + 1", "A + x", "c + r", "A + s", "A + np.ones(3)"],
    "__radd__": ["1 + A", "0.5 + x", "np.ones((2, 1)) + x"],
    "__sub__": ["A - B", "A - 1.5", "c - r", "A - A"],
    "__rsub__": ["1 - A", "np.ones(3) - A"],
    "__mul__": ["A * B", "A * 2", "c * r", "s * T", "A * np.float64(2)"],
    "__rmul__": ["2 * A", "0.5 * x", "np.arange(3.0) * A", "np.float64(2) * A"],
    "__truediv__": ["A / B", "A / 2", "x / s", "A / c", "A / np.arange(1.0, 4.0)"],
    "__rtruediv__": ["1 / A", "2.5 / x", "np.arange(3.0) / A"],
    "__floordiv__": ["A // 0.17", "A // B"],
    "__rfloordiv__": ["2 // (1 + A)", "np.ones(3) // (1 + A)"],
    "__mod__": ["A % 0.17", "A % B"],
    "__rmod__": ["2 % (1 + A)", "np.ones(3) % (1 + A)"],
    "__pow__": ["A**2", "A**B", "A**0.5", "A**-1", "M**3", "A**0", "A**1", "A ** np.arange(3.0)"],
    "__rpow__": ["2**A", "0.5**x", "np.arange(1.0, 4.0) ** A"],
    "__matmul__": ["A @ x", "x @ y", "A @ C", "Q @ T", "A @ np.ones(3)"],
    "__rmatmul__": ["np.ones(2) @ A", "np.ones((4, 2)) @ A"],
    "__gt__": ["(A > B) * A", "(A > 0.5) * A", "(0.5 > A) * A", "(np.full(3, 0.5) > A) * A"],
    "__ge__": ["(A >= B) * A"],
    "__lt__": ["(A < B) * A", "(0.5 < A) * A"],
    "__le__": ["(A <= B) * A"],
    "__and__": ["((A > 0.3) & (B > 0.3)) * A"],
    "__or__": ["((A > 0.3) | (B > 0.3)) * A"],
    "__invert__": ["~(A > 0.3) * A"],
    "__len__": ["len(T) * T"],
    "__iter__": ["sum(row * row for row in A)", "np.stack([2 * row for row in A])"],
    "__getitem__": [
        "A[0]",
        "A[-1]",
        "A[:, 1]",
        "A[1, 2]",
        "A[:, ::-1]",
        "A[..., 0]",
        "T[..., None]",
        "T[0, ..., 1]",
        "T[None, 1:, :, ::2]",
        "T[:, -1:0:-1]",
        "x[5:]",
        "x[np.int64(1)]",
        "s[()]",
        "s[...]",
        "s[None]",
        "x[:-1] * x[1:]",
    ],
}  # fmt: skip
#: What changes a tensor, which is refused, and what does not concern its entries.
NOT_HERE = {"__setitem__", "__slots__", "__module__", "__doc__", "__abstractmethods__"}

#: What needs to know a size that is a name.
NEEDS_NUMBERS = {
    "kron", "roll", "diff", "concatenate", "stack", "vstack", "hstack", "column_stack", "flip",
    "reshape", "ravel", "flatten", "size", "shape", "__len__", "__iter__", "outer",
    "linalg.outer", "vdot", "diagonal", "diag", "trace", "linalg.diagonal", "linalg.trace",
    "cumsum", "__getitem__",
}  # fmt: skip

#: Functions of what is a view of something smaller: transposed, broadcast, a diagonal.
VIEWS = [
    "np.exp(A.T)",
    "A.T ** s",
    "s ** A.T",
    "np.where(A.T > s, s, A.T)",
    "A.T.max()",
    "np.max(A.T, axis=0)",
    "np.max(T, axis=(2, 1, 0))",
    "np.prod(A.T, axis=1)",
    "np.prod(T, axis=(1, 0, 2))",
    "np.linalg.inv(M.T)",
    "np.linalg.det(Q.mT)",
    "np.linalg.solve(M.T, x)",
    "np.linalg.solve(M, A.T)",
    "np.linalg.norm(A.T, axis=0)",
    "np.tanh(c + 0 * A)",
    "np.maximum(np.broadcast_to(x, (2, 3)), c)",
    "np.exp(np.broadcast_to(s, (2, 3)))",
    "np.diag(np.exp(x))",
    "np.exp(np.diag(x))",
    "np.exp(np.diagonal(M))",
    "np.tanh(np.stack([x, x]))",
    "np.exp(x[::-1]) * np.exp(x)",
    "np.exp(A)[:, ::-1] @ np.exp(x)",
    "np.cumsum(A.T, axis=1)",
    "np.exp(np.sum(A.T, axis=0))",
    "np.exp(np.reshape(A.T, (2, 3)))",
    "np.sum(np.exp(np.outer(x, x)) * M)",
    "np.max(np.outer(x, y), axis=0)",
    "np.linalg.inv(np.kron(M, P))",
]
TEXTS = list(dict.fromkeys(text for texts in EXPRESSIONS.values() for text in texts))
METHOD_TEXTS = list(dict.fromkeys(text for texts in METHODS.values() for text in texts))
ALL = list(dict.fromkeys(TEXTS + METHOD_TEXTS + VIEWS))
ALL += [f"np.{f}({args})" for f in BINARY for args in ("A.T, s", "s, A.T", "c.T, x[:, None]")]


def test_no_function_of_numpy_is_missing_here():
    assert EXPRESSIONS.keys() == NUMPY.keys()
    assert len(EXPRESSIONS) == 125
    for name, texts in EXPRESSIONS.items():
        function: Any = np
        for part in name.split("."):
            function = getattr(function, part)
        others = [alias for alias in dir(np) if getattr(np, alias) is function]
        assert any(f"np.{n}(" in text for n in (name, *others) for text in texts), name


def test_no_method_of_arrays_is_missing_here():
    own = {name for name in vars(Operators) if name.startswith("__") or name[0] != "_"}
    protocols = {"__array_ufunc__", "__array_function__", "__torch_function__"}
    assert METHODS.keys() == (own | {"ndim", "shape"}) - NOT_HERE - protocols


@pytest.mark.parametrize("text", ALL)
def test_the_value_is_that_of_numpy(text):
    t = read(text, np, tensors(text))
    assert isinstance(t, ed.Tensor)
    expected = read(text, np, OPERANDS)
    assert t.shape == np.shape(expected)
    assert_close(t, expected)


@pytest.mark.parametrize("text", ALL)
def test_the_derivative_agrees_with_differences(text):
    f = read(text, np, tensors(text))
    for name in f.names:
        if f.size:
            result = ed.check(f, wrt=name)
            assert result.ok, f"∂/∂{name}: {result}"
            assert not result.skipped


@pytest.mark.parametrize(
    "text", [*dict.fromkeys(texts[0] for texts in EXPRESSIONS.values()), *VIEWS]
)
def test_the_derivative_along_a_direction_is_that_of_jax(text):
    names = names_in(text)
    f = read(text, np, tensors(text))
    rng = np.random.default_rng(0)
    directions = {name: rng.normal(size=OPERANDS[name].shape) for name in names}

    def theirs(*arrays: Any) -> Any:
        return 1.0 * read(text, jnp, dict(zip(names, arrays, strict=True)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of JAX's functions that have a newer name
        value, expected = jax.jvp(
            theirs, [jnp.asarray(OPERANDS[name]) for name in names], list(directions.values())
        )
    assert_close(f, value, 1e-9)
    by = tuple(name for name in names if name in f.names)
    along = ed.jvp(f, wrt=by, v=tuple(directions[name] for name in by)) if by else np.zeros(f.shape)
    assert_close(along, expected, 1e-9)


#: Numbers in a text stand for no names of sizes.
NUMBERS_IN_TEXT = ("np.ones(", "np.arange(", "np.full(", "np.broadcast_to(", ".shape[", ".size *")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param(name, text, id=text)
        for group in (EXPRESSIONS, METHODS)
        for name, texts in group.items()
        for text in texts
        if not any(part in text for part in NUMBERS_IN_TEXT)
    ],
)
def test_sizes_may_be_names_unless_their_number_is_needed(name, text):
    try:
        t = read(text, np, {n: ed.tensor(n, SHAPES[n]) for n in names_in(text)})
    except ed.ShapeError as error:
        told = str(error)
    else:
        assert_close(t(**{n: OPERANDS[n] for n in t.names}), read(text, np, OPERANDS))
        known = read(text, np, tensors(text))
        for wrt in t.names:
            J = ed.grad(t, wrt=wrt)
            assert_close(J(**{n: OPERANDS[n] for n in J.names}), ed.grad(known, wrt=wrt))
        return
    assert name in NEEDS_NUMBERS, told
    assert any(f"'{size}'" in told for size in SIZES), told


#: What makes doubles itself.
DOUBLES = ("np.ones", "np.arange", "np.full(", "np.float64")


@pytest.mark.parametrize("text", [text for text in ALL if not any(d in text for d in DOUBLES)])
def test_single_precision_stays_single(text):
    single = {name: OPERANDS[name].astype("f4") for name in names_in(text)}
    t = read(text, np, {name: ed.tensor(name, array) for name, array in single.items()})
    assert np.asarray(t).dtype == np.float32
    assert_close(t, read(text, np, OPERANDS), 1e-3)


# --- whole numbers and complex ones -----------------------------------------------------------

WHOLE = {
    name: np.random.default_rng(5).integers(-9, 10, [SIZES.get(n, n) for n in shape])
    for name, shape in SHAPES.items()
}
#: What moves, adds and multiplies entries, so that whole numbers stay whole.
LINEAR = [
    "add", "subtract", "multiply", "negative", "positive", "square", "matmul", "sum", "dot",
    "inner", "vdot", "outer", "tensordot", "kron", "trace", "transpose", "swapaxes", "moveaxis",
    "expand_dims", "squeeze", "reshape", "ravel", "broadcast_to", "flip", "diff", "roll",
    "concatenate", "stack", "vstack", "hstack", "column_stack", "diagonal", "diag", "tril", "triu",
    "zeros_like", "ones_like", "copy", "cumsum", "linalg.multi_dot", "matrix_transpose",
]  # fmt: skip
EXACT = [text for name in LINEAR for text in EXPRESSIONS[name] if "0.3" not in text]
EXACT += METHODS["__getitem__"]


@pytest.mark.parametrize("text", EXACT)
def test_whole_numbers_stay_whole(text):
    t = read(text, np, {name: ed.tensor(name, WHOLE[name]) for name in names_in(text)})
    assert t.dtype == np.asarray(t).dtype == np.int64
    np.testing.assert_array_equal(np.asarray(t), read(text, np, WHOLE))


COMPLEX = {
    name: OPERANDS[name] + 1j * np.random.default_rng(2).normal(size=OPERANDS[name].shape)
    for name in SHAPES
}
#: What has a derivative for complex numbers.
HOLOMORPHIC = [
    *(
        f"np.{name}(A)"
        for name in UNARY
        if name not in ("cbrt floor ceil trunc rint logical_not deg2rad radians rad2deg degrees")
    ),
    "np.arccosh(A)",
    "A + 2j * B",
    "A * B",
    "A / B",
    "A ** 2",
    "A ** 0.5",
    "A ** B",
    "A @ x",
    "np.dot(A, x)",
    "np.inner(A, B)",
    "np.outer(x, y)",
    "np.sum(A)",
    "np.mean(A, axis=0)",
    "np.prod(A)",
    "np.prod(A, axis=1)",
    "np.cumsum(x)",
    "np.kron(A, M)",
    "np.linalg.inv(M)",
    "np.linalg.det(M)",
    "np.linalg.solve(M, x)",
    "np.linalg.solve(M, C)",
    "np.where(np.ones(3) > 0, A, B)",
    "np.diag(x)",
    "np.tril(M)",
    "A[::-1, 1]",
    "np.concatenate([A, B])",
    "np.reshape(A, (3, 2))",
]


@pytest.mark.parametrize("text", HOLOMORPHIC)
def test_complex_arrays_are_differentiated_holomorphically(text):
    names = names_in(text)
    f = read(text, np, {name: ed.tensor(name, COMPLEX[name]) for name in names})
    assert_close(f, read(text, np, COMPLEX))
    rng = np.random.default_rng(0)
    v = [np.exp(1j * rng.normal(size=COMPLEX[name].shape)) for name in names]
    _, expected = jax.jvp(
        lambda *arrays: read(text, jnp, dict(zip(names, arrays, strict=True))),
        [jnp.asarray(COMPLEX[name]) for name in names],
        v,
    )
    assert_close(ed.jvp(f, wrt=tuple(names), v=tuple(v)), expected)


#: NumPy conjugates here, which has no holomorphic derivative.
CONJUGATED = [
    "np.linalg.norm(x)",
    "np.linalg.norm(A)",
    "np.linalg.norm(A, axis=0)",
    "np.var(A)",
    "np.std(A, axis=0)",
    "np.vdot(x, y)",
    "np.abs(A)",
    "np.linalg.norm(x, 1)",
    "np.max(A)",
    "np.maximum(A, B)",
    "np.hypot(A, B)",
    "np.sign(A)",
    "np.cbrt(A)",
    "np.floor(A)",
    "A > B",
    "np.logaddexp(A, B)",
    "np.arctan2(A, B)",
    "np.clip(A, 0, 1)",
    "np.linalg.slogdet(M)[1]",
    "np.linalg.eigvalsh(P)",
    "np.linalg.cholesky(P)",
    "np.linalg.pinv(A)",
]


@pytest.mark.parametrize("text", CONJUGATED)
def test_what_is_not_holomorphic_is_refused(text):
    """A value that differs from NumPy's without a word would be the worst."""
    tensors = {name: ed.tensor(name, COMPLEX[name]) for name in names_in(text)}
    with pytest.raises(ed.OperandError, match="real"):
        np.asarray(read(text, np, tensors))


# --- broadcasting -----------------------------------------------------------------------------

shapes = st.lists(st.sampled_from([1, 2, 3, 1, 0]), max_size=4).map(tuple)


def distinct(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Draw an array whose entries are whole, all different and not 0."""
    n = prod(shape)
    values = np.random.default_rng(seed).permutation(n) + 1.0
    return values.reshape(shape)


def basis_images(f: Callable[[np.ndarray], Any], shape: tuple[int, ...]) -> np.ndarray:
    """Return the derivative of a linear map: what it does with each basis array."""
    image = np.asarray(f(np.zeros(shape)))
    result = np.zeros((*image.shape, *shape))
    for at in np.ndindex(shape):
        basis = np.zeros(shape)
        basis[at] = 1
        result[(..., *at)] = np.asarray(f(basis)) - image
    return result


def assert_linear(f: Callable[[Any], Any], array: np.ndarray) -> None:
    """Compare a linear map of one tensor with NumPy's: shape, entries and derivative, exactly."""
    t = f(ed.tensor("t", array))
    expected = np.asarray(f(array))
    assert t.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(t), expected)
    np.testing.assert_array_equal(np.asarray(ed.grad(t, wrt="t")), basis_images(f, array.shape))


@st.composite
def broadcastable(draw: st.DrawFn, count: int = 2) -> list[tuple[int, ...]]:
    """Draw shapes that broadcast to one: of different ranks, with ones in different places."""
    whole = draw(st.lists(st.sampled_from([2, 3, 1, 2, 0]), max_size=3))
    found = []
    for _ in range(count):
        start = draw(st.integers(0, len(whole)))
        found.append(tuple(draw(st.sampled_from([n, n, 1])) for n in whole[start:]))
    return found


BROADCAST: list[Callable[..., Any]] = [
    np.add, np.subtract, np.multiply, np.divide, np.power, np.maximum, np.minimum, np.hypot,
    np.arctan2, np.logaddexp, np.greater, np.where, np.heaviside, np.remainder,
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(BROADCAST), broadcastable(3))
def test_operands_of_different_ranks_are_broadcast(function, given_shapes):
    a, b, c = (distinct(shape, k) / 4 + 0.1 * k for k, shape in enumerate(given_shapes))
    operands = {"c": c > 1, "a": a, "b": b} if function is np.where else {"a": a, "b": b}
    t = function(*(ed.tensor(n, v) for n, v in operands.items()))
    expected = function(*operands.values())
    assert t.shape == expected.shape
    np.testing.assert_allclose(np.asarray(t), expected, rtol=1e-12)
    ties = np.equal(*np.broadcast_arrays(a, b)).any()
    if expected.size and not ties and function is not np.remainder:
        for name in ("a", "b"):
            result = ed.check(t, wrt=name)
            assert result.ok, str(result)


@settings(max_examples=60, deadline=None)
@given(broadcastable(2), st.booleans(), st.data())
def test_batches_of_matrix_products_are_broadcast(batches, as_vector, data):
    m, k, n = (data.draw(st.sampled_from([1, 2, 3, 0])) for _ in range(3))
    a = distinct((*batches[0], m, k))
    b = distinct((k,) if as_vector else (*batches[1], k, n), 1)
    np.testing.assert_array_equal(np.asarray(ed.tensor("a", a) @ ed.tensor("b", b)), a @ b)
    assert_linear(lambda a: a @ b, a)
    assert_linear(lambda b: a @ b, b)


@settings(max_examples=60, deadline=None)
@given(broadcastable(2))
def test_broadcast_to_is_that_of_numpy(given_shapes):
    shape = np.broadcast_shapes(*given_shapes)
    assert_linear(lambda a: np.broadcast_to(a, shape), distinct(given_shapes[0]))


# --- reductions -------------------------------------------------------------------------------

REDUCTIONS = [np.sum, np.mean, np.var, np.std, np.max, np.min, np.prod, np.ptp, np.linalg.norm]


@st.composite
def axes_of(draw: st.DrawFn, rank: int) -> Any:
    """Draw axes: all, one, or some in any order, counted from either end."""
    chosen = (
        draw(st.lists(st.sampled_from(range(rank)), unique=True, max_size=rank)) if rank else []
    )
    chosen = [k - rank if draw(st.booleans()) else k for k in chosen]
    if len(chosen) == 1 and draw(st.booleans()):
        return chosen[0]
    return draw(st.sampled_from([None, tuple(chosen)]))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(REDUCTIONS), st.data())
def test_reductions_over_any_axes_are_those_of_numpy(function, data):
    shape = tuple(data.draw(st.lists(st.sampled_from([1, 2, 3]), max_size=4)))
    axis = data.draw(axes_of(len(shape)))
    options: dict[str, Any] = {"axis": axis, "keepdims": data.draw(st.booleans())}
    if function in (np.var, np.std):
        count = np.ones(shape).size // max(np.sum(np.ones(shape), axis).size, 1)
        options["ddof"] = data.draw(st.integers(0, max(count - 1, 0)))
    if function is np.linalg.norm:
        assume(shape)
        assume(axis is None or isinstance(axis, int) or len(axis) in (1, 2))
    array = distinct(shape, len(shape)) / 2
    t = function(ed.tensor("t", array), **options)
    expected = function(array, **options)
    assert t.shape == np.shape(expected)
    np.testing.assert_allclose(np.asarray(t), expected, rtol=1e-12, atol=1e-14)
    if function is not np.std or np.all(np.asarray(expected) > 0):  # else a root of 0
        result = ed.check(t, wrt="t")
        assert result.ok, str(result)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var"])
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)])
def test_reductions_of_no_entries_are_those_of_numpy(name, axis):
    array = np.ones((2, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns of means of nothing
        expected = getattr(np, name)(array, axis=axis)
        t = getattr(np, name)(ed.tensor("t", array), axis=axis)
        np.testing.assert_array_equal(np.asarray(t), expected)
        assert np.asarray(ed.grad(t, wrt="t")).shape == (*np.shape(expected), 2, 0)


@pytest.mark.parametrize("name", ["max", "min", "ptp", "amax", "amin"])
def test_there_is_no_largest_of_no_entries(name):
    with pytest.raises(ValueError, match="no entries"):
        getattr(np, name)(ed.tensor("t", np.ones((2, 0))), axis=1)
    assert getattr(np, name)(ed.tensor("t", np.ones((2, 0))), axis=0).shape == (0,)


REDUCTIONS = [np.sum, np.mean, np.max, np.prod, np.linalg.norm]


@pytest.mark.parametrize(
    ("function", "axis"),
    [*itertools.product(REDUCTIONS, [2, -3, (0, 2)]), (np.cumsum, 2), (np.cumsum, -3)],
)
def test_an_axis_that_there_is_not_is_refused(function, axis):
    with pytest.raises(IndexError, match=r"there is no axis -?\d: the tensor has 2 axes"):
        function(ed.tensor("A", (2, 3)), axis=axis)


def test_an_axis_named_twice_is_refused():
    for axis in ((0, 0), (0, -2)):
        with pytest.raises(ed.OperandError, match="twice"):
            np.sum(ed.tensor("A", (2, 3)), axis=axis)
    with pytest.raises(ed.OperandError, match="is no axis"):
        np.sum(ed.tensor("A", (2, 3)), axis=0.5)


# --- moving entries ---------------------------------------------------------------------------


@st.composite
def reshapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Draw two shapes of equal products, such as (2, 3, 4) and (4, 6)."""
    factors = draw(st.lists(st.sampled_from([2, 3, 2, 1, 2]), max_size=5))
    if draw(st.integers(0, 9)) == 0:
        factors.append(0)

    def grouped(parts: list[int]) -> tuple[int, ...]:
        shape: list[int] = []
        for factor in parts:
            if shape and draw(st.booleans()):
                shape[-1] *= factor
            else:
                shape.append(factor)
        for _ in range(draw(st.integers(0, 2))):
            shape.insert(draw(st.integers(0, len(shape))), 1)
        return tuple(shape)

    return grouped(draw(st.permutations(factors))), grouped(draw(st.permutations(factors)))


@settings(max_examples=200, deadline=None)
@given(reshapes(), st.sampled_from("CF"), st.data())
def test_reshape_is_that_of_numpy(given_shapes, order, data):
    old, new = given_shapes
    assume(prod(old) <= 48)
    if new and 0 not in new and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(new) - 1))
        new = (*new[:at], -1, *new[at + 1 :])
    assert_linear(lambda a: np.reshape(a, new, order=order), distinct(old))
    assert_linear(lambda a: a.reshape(*new, order=order) if new else a.reshape(new), distinct(old))
    assert_linear(lambda a: np.ravel(a, order=order), distinct(old))


def test_the_second_derivative_through_a_reshape_is_right():
    A = ed.tensor("A", distinct((2, 3, 4)))
    f = (A.reshape(4, 6) * A.reshape(4, 6)[::-1]).sum()
    H = np.asarray(ed.hessian(f, wrt="A")).reshape(24, 24)
    expected = 2 * np.kron(np.eye(4)[::-1], np.eye(6))
    np.testing.assert_array_equal(H, expected)


@pytest.mark.parametrize(
    ("old", "new"),
    [((2, 3), (4, 2)), ((2, 3), (-1, 4)), ((2, 3), ()), ((0, 2), (3,)), ((2,), (0, -1)),
     ((2, 3), (7, -1))],
)  # fmt: skip
def test_a_shape_with_another_number_of_entries_is_refused(old, new):
    with pytest.raises(ValueError, match=r"reshape|size"):
        np.reshape(np.ones(old), new)
    with pytest.raises(ed.ShapeError, match="entries"):
        ed.tensor("A", np.ones(old)).reshape(new)


@pytest.mark.parametrize("new", [(-1, -1), (-2, 3), (2, -3)])
def test_a_shape_with_two_unknown_sizes_is_refused(new):
    with pytest.raises(ed.ShapeError, match="is no shape"):
        ed.tensor("A", (2, 3)).reshape(new)
    with pytest.raises(ed.OperandError, match="no order 'K'"):
        ed.tensor("A", (2, 3)).reshape(6, order="K")


@pytest.mark.parametrize(
    ("old", "new", "result"),
    [
        (("m", "n"), ("m", 1, "n"), ("m", 1, "n")),
        (("m", 6), ("m", 2, 3), ("m", 2, 3)),
        (("m", 2, 3), ("m", -1), ("m", 6)),
        ((2, 3, "n"), (6, -1), (6, "n")),
        ((1, "n"), (-1,), ("n",)),
        (("n",), (-1, 1), ("n", 1)),
        ((2, "n", 6), (2, "n", 3, 2), (2, "n", 3, 2)),
    ],
)
def test_named_sizes_may_be_kept_in_a_reshape(old, new, result):
    t = ed.tensor("A", old).reshape(new)
    assert t.shape == result
    A = distinct([SIZES.get(size, size) for size in old])
    wanted = [SIZES.get(size, size) for size in new]
    np.testing.assert_array_equal(t(A=A), A.reshape(wanted))
    J = ed.grad(t, wrt="A")
    expected = basis_images(lambda a: a.reshape(wanted), A.shape)
    np.testing.assert_array_equal(J(A=A), expected)


@pytest.mark.parametrize("new", [(-1,), ("n", "m"), (6,), ("m", 2, -1)])
def test_named_sizes_cannot_be_merged(new):
    with pytest.raises(ed.ShapeError, match=r"number|entries"):
        ed.tensor("A", ("m", "n")).reshape(new)


@st.composite
def keys(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    """Draw an index: integers, slices of either direction, None, an ellipsis."""
    found: list[Any] = []
    bound = st.one_of(st.none(), st.integers(-6, 6))
    for size in shape[: draw(st.integers(0, len(shape)))]:
        kinds = ["slice", "slice", "whole"] + ["integer"] * (size > 0)
        kind = draw(st.sampled_from(kinds))
        if kind == "integer":
            found.append(draw(st.integers(-size, size - 1)))
        elif kind == "whole":
            found.append(slice(None))
        else:
            step = draw(st.sampled_from([None, 1, 2, -1, -2, 3]))
            found.append(slice(draw(bound), draw(bound), step))
    if draw(st.booleans()):
        # Indices after the ellipsis count from the end, where other sizes are.
        found = [k for k in found if not isinstance(k, int)]
        found.insert(draw(st.integers(0, len(found))), Ellipsis)
    for _ in range(draw(st.integers(0, 2))):
        found.insert(draw(st.integers(0, len(found))), None)
    return found[0] if len(found) == 1 and draw(st.booleans()) else tuple(found)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([2, 3, 1, 4, 0]), max_size=3), st.data())
def test_indexing_is_that_of_numpy_and_so_is_its_derivative(sizes, data):
    shape = tuple(sizes)
    key = data.draw(keys(shape))
    assert_linear(lambda a: a[key], distinct(shape))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_an_index_of_an_index_is_one_of_the_whole(data):
    array = distinct((4, 3))
    first = data.draw(keys(array.shape))
    second = data.draw(keys(array[first].shape))
    assert_linear(lambda a: a[first][second], array)


@pytest.mark.parametrize(
    ("key", "error", "text"),
    [
        (5, ed.RangeError, "index 5 is outside of axis 0, whose size is 3"),
        (-4, ed.RangeError, "index -4 is outside"),
        ((0, 0, 0), ed.RangeError, "3 indices for 2 axes"),
        ([0, 1], ed.OperandError, "list"),
        (np.array([0, 1]), ed.OperandError, "ndarray"),
        (1.0, ed.OperandError, "float"),
        (True, ed.OperandError, "bool"),
        ("a", ed.OperandError, "str"),
        (slice(0.5, None), ed.OperandError, "slice"),
        (slice(None, None, 0), ed.OperandError, "slice"),
        ((..., 0, ...), (ed.RangeError, ed.OperandError), "[.][.][.]"),
        (np.ones((3, 4), bool), ed.OperandError, "ndarray"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(key, error, text):
    with pytest.raises(error, match=text):
        ed.tensor("A", (3, 4))[key]


def test_a_whole_slice_and_an_integer_are_fine_with_a_named_size():
    A = ed.tensor("A", ("m", 3))
    assert A[:, 1].shape == ("m",)
    assert A[0].shape == (3,)
    np.testing.assert_array_equal(A[1](A=distinct((2, 3))), distinct((2, 3))[1])
    for key in (-1, slice(1, None), slice(None, None, -1)):
        with pytest.raises(ed.ShapeError, match="'m'"):
            A[key]


@pytest.mark.parametrize("offset", range(-5, 6))
@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2), (1, 3), (0, 2), (2, 3, 4)], ids=str)
def test_diagonals_and_triangles_at_any_offset(shape, offset):
    array = distinct(shape)
    for function in (np.tril, np.triu, np.diagonal, np.trace):
        assert_linear(lambda a, f=function: f(a, offset), array)
    if len(shape) == 2:
        assert_linear(lambda a: np.diag(a, offset), array)
        assert_linear(lambda a: np.diag(a, offset), array.ravel()[:3])
    else:
        assert_linear(lambda a: np.diagonal(a, offset, axis1=2, axis2=0), array)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_concatenation_along_any_axis(data):
    rank = data.draw(st.integers(1, 3))
    common = data.draw(st.lists(st.sampled_from([1, 2, 3]), min_size=rank, max_size=rank))
    axis = data.draw(st.integers(-rank, rank - 1))
    arrays = []
    for k in range(data.draw(st.integers(1, 3))):
        common[axis] = data.draw(st.sampled_from([1, 2, 0]))
        arrays.append(distinct(tuple(common), k))
    at = data.draw(st.integers(0, len(arrays) - 1))
    join = data.draw(st.sampled_from([axis, None]))

    def joined(a: Any) -> Any:
        return np.concatenate([a if k == at else b for k, b in enumerate(arrays)], axis=join)

    assert_linear(joined, arrays[at])


@settings(max_examples=60, deadline=None)
@given(shapes, st.data())
def test_stacks_along_any_axis(shape, data):
    assume(len(shape) < 4)
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    count = data.draw(st.integers(1, 3))
    assert_linear(lambda a: np.stack([a * k for k in range(count)], axis), distinct(shape))
    if shape:
        assert_linear(lambda a: np.vstack([a, 2 * a]), distinct(shape))
    assert_linear(lambda a: np.hstack([2 * a, a]), distinct(shape))
    if len(shape) in (1, 2):
        assert_linear(lambda a: np.column_stack([2 * a, a]), distinct(shape))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([1, 2, 3]), max_size=3), st.lists(st.sampled_from([1, 2]), max_size=3)
)
def test_kronecker_products_of_any_ranks(left, right):
    a, b = distinct(tuple(left)), distinct(tuple(right), 1)
    assert_linear(lambda a: np.kron(a, b), a)
    assert_linear(lambda b: np.kron(a, b), b)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_tensordot_over_any_axes(data):
    count = data.draw(st.integers(0, 2))
    common = data.draw(st.lists(st.sampled_from([1, 2, 3]), min_size=count, max_size=count))
    sides, positions = [], []
    for _ in range(2):
        rest = data.draw(st.lists(st.sampled_from([2, 3]), max_size=2))
        order = data.draw(st.permutations(range(count + len(rest))))
        sides.append(tuple([*common, *rest][k] for k in order))
        positions.append([order.index(k) for k in range(count)])
    axes = [[k - len(s) if data.draw(st.booleans()) else k for k in p]
            for p, s in zip(positions, sides, strict=True)]  # fmt: skip
    a, b = (distinct(shape) for shape in sides)
    assert_linear(lambda a: np.tensordot(a, b, axes), a)
    assert_linear(lambda b: np.tensordot(a, b, axes), b)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from([1, 2, 3, 0]), min_size=1, max_size=4), st.data())
def test_axes_are_moved_as_numpy_moves_them(sizes, data):
    array, rank = distinct(tuple(sizes)), len(sizes)
    order = data.draw(st.permutations([k - rank * data.draw(st.booleans()) for k in range(rank)]))
    assert_linear(lambda a: np.transpose(a, order), array)
    i, j = (data.draw(st.integers(-rank, rank - 1)) for _ in range(2))
    assert_linear(lambda a: np.swapaxes(a, i, j), array)
    assert_linear(lambda a: np.moveaxis(a, i, j), array)
    some = data.draw(st.lists(st.sampled_from(range(rank)), unique=True))
    places = data.draw(st.permutations(range(rank)))[: len(some)]
    assert_linear(lambda a: np.moveaxis(a, some, places), array)
    assert_linear(lambda a: np.flip(a, i), array)
    assert_linear(lambda a: np.roll(a, j, i), array)
    assert_linear(lambda a: np.roll(a, j), array)
    assert_linear(lambda a: np.diff(a, axis=i), array)
    assert_linear(lambda a: np.cumsum(a, axis=i), array)
    assert_linear(lambda a: np.expand_dims(a, i), array)
    assert_linear(np.squeeze, array)


# --- entries near each other ------------------------------------------------------------------


@pytest.mark.parametrize("by", [0.1, 0.3, 3.0, 7.0, 10.0, -3.0, 49.0])
def test_quotients_are_rounded_down_as_numpy_rounds_them(by):
    x = np.concatenate([np.arange(-100.0, 101.0), np.arange(-20, 21) * by, np.arange(0, 3, 0.1)])
    t = ed.tensor("x", x)
    np.testing.assert_array_equal(np.asarray(t // by), x // by)
    np.testing.assert_array_equal(np.asarray(np.floor_divide(t, by)), np.floor_divide(x, by))
    np.testing.assert_allclose(np.asarray(t % by), x % by, atol=1e-12)


def test_whole_quotients_are_exact():
    a, b = np.meshgrid(np.arange(-60, 61), np.arange(1, 60))
    s, t = ed.tensors(a=a, b=b)
    np.testing.assert_array_equal(np.asarray(s // t), a // b)
    np.testing.assert_array_equal(np.asarray(s % t), a % b)


NAN = np.array([np.nan, 1.0, -1.0, np.inf, -np.inf, 0.0])


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin"])
def test_a_nan_is_passed_on_by_maximum_and_passed_over_by_fmax(name):
    function = getattr(np, name)
    other = np.array([2.0, np.nan, 0.0, 1.0, 1.0, np.nan])
    t = function(ed.tensor("x", NAN), ed.tensor("y", other))
    np.testing.assert_array_equal(np.asarray(t), function(NAN, other))


def test_the_step_at_nan_is_nan_as_in_numpy():
    np.testing.assert_array_equal(
        np.asarray(np.heaviside(ed.tensor("x", NAN), 0.5)), np.heaviside(NAN, 0.5)
    )


@pytest.mark.parametrize("name", ["greater", "greater_equal", "less", "less_equal", "equal",
                                  "not_equal"])  # fmt: skip
def test_comparisons_with_nan_and_infinities_are_those_of_numpy(name):
    function = getattr(np, name)
    for other in (0.0, 1.0, np.inf, np.nan):
        t = function(ed.tensor("x", NAN), other)
        np.testing.assert_array_equal(np.asarray(t), function(NAN, other))
        np.testing.assert_array_equal(np.asarray(ed.grad(t, wrt="x")), 0)


def test_conditions_are_one_and_zero_and_their_derivative_is_zero():
    x = ed.tensor("x", np.array([-1.0, 0.0, 2.0]))
    for condition in (x > 0, x >= 0, x < 0, x <= 0, np.equal(x, 0), np.not_equal(x, 0), ~(x > 0)):
        values = np.asarray(condition)
        assert set(values.tolist()) <= {0.0, 1.0}
        np.testing.assert_array_equal(np.asarray(ed.grad(condition, wrt="x")), 0)
    np.testing.assert_array_equal(np.asarray((x > -2) & (x < 1)), [1, 1, 0])
    np.testing.assert_array_equal(np.asarray((x < 0) | (x > 1)), [1, 0, 1])


# --- functions of functions -------------------------------------------------------------------

#: Arrays of shape (2, 3), made of others.
TEMPLATES = [
    "np.tanh({})",
    "np.exp(-({}**2))",
    "np.sqrt(1 + {}**2)",
    "({} * {})",
    "({} + {})",
    "({} - 2 * {})",
    "({} / (2 + np.cos({})))",
    "np.maximum({}, {})",
    "np.logaddexp({}, {})",
    "np.where({} > 0.3, {}, {})",
    "({} @ M)",
    "({} @ {}.T @ {})",
    "np.linalg.solve(P, {}.T).T",
    "{}[::-1]",
    "{}[:, ::-1]",
    "np.cumsum({}, axis=1)",
    "np.roll({}, 1, axis=1)",
    "np.tril({})",
    "np.reshape(np.reshape({}, (3, 2)).T, (2, 3))",
    "np.reshape({}.T, (2, 3))",
    "({} - np.mean({}, axis=0))",
    "({} / (1 + np.sum({}**2, axis=1, keepdims=True)))",
    "(np.prod({}, axis=0) * {})",
    "(np.max({}, axis=1, keepdims=True) * {})",
    "(np.linalg.norm({}) * {})",
    "(np.var({}, axis=1, keepdims=True) + {})",
    "np.stack([{}[0], {}[1]])",
    "np.concatenate([{}[:, :1], {}[:, 1:]], axis=1)",
    "np.outer({}[:, 0], {}[1])",
    "(np.linalg.det(P + {}.T @ {}) * {})",
    "np.broadcast_to({}[0], (2, 3))",
    "(np.einsum('ij,ij->i', {}, {})[:, None] * {})",
    "(np.diagonal({}[:, :2])[:, None] + {})",
]


def filled(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def parts(template: str) -> st.SearchStrategy[str]:
        count = template.count("{}")
        return st.tuples(*[inner] * count).map(lambda found: template.format(*found))

    return st.sampled_from(TEMPLATES).flatmap(parts)


composed = st.recursive(st.sampled_from(["A", "B", "np.outer(y[:2], x)"]), filled, max_leaves=8)


@settings(max_examples=30, deadline=None)
@given(composed)
def test_gradients_and_their_directional_derivatives_of_composed_functions_are_those_of_jax(text):
    names = names_in(text)
    f = read(f"np.sum({text})", np, tensors(text))
    directions = {name: np.cos(np.arange(OPERANDS[name].size)).reshape(OPERANDS[name].shape)
                  for name in names}  # fmt: skip
    arrays = {name: jnp.asarray(OPERANDS[name]) for name in names}

    def theirs(given: dict[str, Any]) -> Any:
        return jnp.sum(read(text, jnp, given))

    gradient, along = jax.jvp(jax.grad(theirs), (arrays,), (directions,))
    assert_close(f, theirs(arrays), 1e-9)
    v = tuple(directions.values())
    ours = zip(ed.grad(f, wrt=tuple(names)), ed.hvp(f, wrt=tuple(names), v=v), strict=True)
    for name, (first, second) in zip(names, ours, strict=True):
        assert_close(first, gradient[name], 1e-8)
        assert_close(second, along[name], 1e-7)


# --- operands that do not fit -----------------------------------------------------------------

REFUSED: dict[str, tuple[Callable[..., Any], type[Exception], str]] = {
    "sizes that do not broadcast": (lambda A, x: A + A.T, ed.ShapeError, "do not go together"),
    "sizes that do not meet": (lambda A, x: A @ A, ed.ShapeError, "matmul.*sizes 3 and 2"),
    "a scalar in a matrix product": (lambda A, x: A @ 2, ed.ShapeError, "multiply by a scalar"),
    "tensordot of unequal axes": (lambda A, x: np.tensordot(A, A, 1), ed.ShapeError, "tensordot"),
    "tensordot of different numbers of axes": (
        lambda A, x: np.tensordot(A, x, ([0, 1], [0])),
        ed.OperandError,
        "2 axes of one operand and 1",
    ),
    "the inverse of a matrix that is not square": (
        lambda A, x: np.linalg.inv(A),
        ed.ShapeError,
        "square",
    ),
    "the determinant of a vector": (lambda A, x: np.linalg.det(x), ed.ShapeError, "square"),
    "solve with a wrong right-hand side": (
        lambda A, x: np.linalg.solve(A @ A.T, x),
        ed.ShapeError,
        "solve.*sizes 2 and 3",
    ),
    "solve with a wide matrix": (lambda A, x: np.linalg.solve(A, x), ed.ShapeError, "square"),
    "the power of a wide matrix": (
        lambda A, x: np.linalg.matrix_power(A, 2),
        ed.ShapeError,
        "square",
    ),
    "a power that is no whole number": (
        lambda A, x: np.linalg.matrix_power(A @ A.T, 0.5),
        ed.OperandError,
        "0.5",
    ),
    "the trace of a vector": (lambda A, x: np.trace(x), ed.ShapeError, "two axes"),
    "a diagonal of one axis": (
        lambda A, x: np.diagonal(A, axis1=0, axis2=-2),
        ed.OperandError,
        "two different axes",
    ),
    "diag of a tensor of three axes": (lambda A, x: np.diag(A[None]), ed.ShapeError, "diag"),
    "a triangle of a vector": (lambda A, x: np.tril(x), ed.ShapeError, "two axes"),
    "transpose with too few axes": (lambda A, x: np.transpose(A, (0,)), ed.OperandError, "1 axes"),
    "transpose with an axis twice": (
        lambda A, x: np.transpose(A, (0, 0)),
        ed.OperandError,
        "twice",
    ),
    "squeeze of an axis of size 3": (lambda A, x: np.squeeze(A, 1), ed.ShapeError, "size 3"),
    "broadcast to a smaller shape": (
        lambda A, x: np.broadcast_to(A, (3,)),
        ed.ShapeError,
        "does not broadcast",
    ),
    "broadcast to another size": (
        lambda A, x: np.broadcast_to(A, (2, 4)),
        ed.ShapeError,
        "broadcast|do not go together",
    ),
    "concatenate with other axes that differ": (
        lambda A, x: np.concatenate([A, A.T]),
        ed.ShapeError,
        "differ in more than axis 0",
    ),
    "concatenate of different ranks": (
        lambda A, x: np.concatenate([A, x]),
        ed.ShapeError,
        "differ",
    ),
    "stack of different shapes": (lambda A, x: np.stack([A, x]), ed.ShapeError, "differ"),
    "nothing to stack": (lambda A, x: ed.stack([]), ed.OperandError, "nothing to stack"),
    "nothing to concatenate": (lambda A, x: ed.concatenate([]), ed.OperandError, "nothing"),
    "moveaxis with lists of different lengths": (
        lambda A, x: np.moveaxis(A, (0, 1), (0,)),
        ed.OperandError,
        "differ in length",
    ),
    "a norm that there is not": (
        lambda A, x: np.linalg.norm(A, 3),
        ed.OperandError,
        "no norm .* ord=3",
    ),
    "a norm of three axes": (
        lambda A, x: np.linalg.norm(A[None], 2),
        ed.OperandError,
        "say which axes",
    ),
    "a norm that counts": (lambda A, x: np.linalg.norm(x, 0), ed.OperandError, "no norm"),
    "diff of a scalar": (lambda A, x: np.diff(x[0]), IndexError, "no axis"),
    "a negative number of differences": (lambda A, x: np.diff(x, -1), ed.EinsdiffError, "-1"),
    "cumsum over two axes": (lambda A, x: np.cumsum(A, axis=(0, 1)), ed.OperandError, "axis"),
    "where with a condition alone": (lambda A, x: np.where(A > 0), ed.OperandError, "where"),
    "division by the number 0": (lambda A, x: A / 0, ed.OperandError, "number 0"),
    "a list of tensors": (lambda A, x: A * [x, x], ed.OperandError, "np.stack"),
    "an empty product of matrices": (lambda A, x: ed.multi_dot([]), ed.OperandError, "multi_dot"),
    "max along no axis of a name": (lambda A, x: np.max(A, axis="m"), ed.OperandError, "axis"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_operands_that_do_not_fit_are_refused(case):
    call, error, text = REFUSED[case]
    with pytest.raises(error, match=text) as caught:
        call(ed.tensor("A", (2, 3)), ed.tensor("x", (3,)))
    assert isinstance(caught.value, ed.EinsdiffError)
