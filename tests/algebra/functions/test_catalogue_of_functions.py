"""Every entry of the function table, against NumPy, SciPy, JAX and SymPy.

`ROWS` says for each entry how the other libraries write it and where it is smooth; the tests walk
the rows. What a row leaves out, another library cannot answer:

- SymPy has no derivative of ``floor`` and its relatives, which is 0, and no closed form of
  eigenvectors or of the exponential of a matrix of symbols;
- JAX takes minutes for the fourth derivative of the exponential of a matrix, so that its
  derivatives are compared with their power series, and with JAX to second order.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, combinations, product
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.special
import sympy

import einsdiff as ed
from einsdiff.algebra.derivatives.differentiate import derivatives
from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.function_records import FAMILIES, Function, lookup
from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import Node, constant, variable, zero
from einsdiff.algebra.nodes.nodes import call, einsum
from einsdiff.expressions.combining import combined
from einsdiff.expressions.formula import fresh
from einsdiff.numeric.running.program import program_for

jax.config.update("jax_enable_x64", True)

# --- the rows ---------------------------------------------------------------------------------

#: An interval that entries are drawn from, or the entries themselves.
Domain = tuple[float, float] | list[float] | Callable[[np.random.Generator, tuple[int, ...]], Any]


@dataclass(frozen=True)
class Row:
    """How others compute an entry of the table.

    Attributes
    ----------
    numpy
        The value, by NumPy or SciPy, of arguments with any batch axes; those of `core` only,
        where `is_batched` is False.
    jax
        The value in JAX, of arguments without batch axes.
    sympy
        The value of numbers, lists and matrices of symbols.
    domains
        Where each argument is smooth.
    orders
        How many derivatives there are.
    """

    numpy: Callable[..., Any]
    jax: Callable[..., Any] | None
    sympy: Callable[..., Any] | None
    domains: tuple[Domain, ...]
    size: int = 3
    orders: int = 2
    is_batched: bool = True


def matrix(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw matrices that are far from singular."""
    return rng.uniform(-1, 1, shape) + 3 * np.eye(*shape[-2:])


def symmetric(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw symmetric positive definite matrices whose eigenvalues are distinct."""
    array = rng.uniform(-0.3, 0.3, shape)
    return array + np.swapaxes(array, -1, -2) + np.diag(np.arange(2.0, 2 + shape[-1]))


REAL = (-2.0, 2.0)
POSITIVE = (0.5, 2.0)
#: Far from each other and from zero, from whole numbers and from halves of them.
KINKED = [-1.7, -0.6, 0.4, 1.9, 2.3, -2.2]
KINKED_TOO = [1.3, 0.7, -0.8, -1.4, 2.8, -0.3]


def flat(x: Any) -> list[Any]:
    """Return the entries of lists of lists, or of a matrix."""
    return list(np.array(x, object).ravel())


def like(values: list[Any], x: Any) -> Any:
    """Arrange entries as they are in `x`."""
    return np.array(values, object).reshape(np.array(x, object).shape)


def step_of(condition: Any) -> Any:
    return sympy.Piecewise((1, condition), (0, True))


#: Functions of entries: by NumPy or SciPy, by JAX, by SymPy, and where.
ELEMENTWISE: dict[str, Row] = {
    "power": Row(np.power, jnp.power, lambda x, n: x**n, (POSITIVE, REAL)),
    "exp": Row(np.exp, jnp.exp, sympy.exp, (REAL,)),
    "expm1": Row(np.expm1, jnp.expm1, lambda x: sympy.exp(x) - 1, (REAL,)),
    "log": Row(np.log, jnp.log, sympy.log, (POSITIVE,)),
    "log1p": Row(np.log1p, jnp.log1p, lambda x: sympy.log(1 + x), ((-0.5, 2),)),
    "log2": Row(np.log2, jnp.log2, lambda x: sympy.log(x, 2), (POSITIVE,)),
    "log10": Row(np.log10, jnp.log10, lambda x: sympy.log(x, 10), (POSITIVE,)),
    "sin": Row(np.sin, jnp.sin, sympy.sin, (REAL,)),
    "cos": Row(np.cos, jnp.cos, sympy.cos, (REAL,)),
    "tan": Row(np.tan, jnp.tan, sympy.tan, ((-1.2, 1.2),)),
    "arcsin": Row(np.arcsin, jnp.arcsin, sympy.asin, ((-0.8, 0.8),)),
    "arccos": Row(np.arccos, jnp.arccos, sympy.acos, ((-0.8, 0.8),)),
    "arctan": Row(np.arctan, jnp.arctan, sympy.atan, (REAL,)),
    "sinh": Row(np.sinh, jnp.sinh, sympy.sinh, (REAL,)),
    "cosh": Row(np.cosh, jnp.cosh, sympy.cosh, (REAL,)),
    "tanh": Row(np.tanh, jnp.tanh, sympy.tanh, (REAL,)),
    "arcsinh": Row(np.arcsinh, jnp.arcsinh, sympy.asinh, (REAL,)),
    "arccosh": Row(np.arccosh, jnp.arccosh, sympy.acosh, ((1.3, 3.0),)),
    "arctanh": Row(np.arctanh, jnp.arctanh, sympy.atanh, ((-0.8, 0.8),)),
    "cbrt": Row(
        np.cbrt, jnp.cbrt, lambda x: sympy.sign(x) * sympy.Abs(x) ** sympy.Rational(1, 3), (KINKED,)
    ),
    "sigmoid": Row(scipy.special.expit, jax.nn.sigmoid, lambda x: 1 / (1 + sympy.exp(-x)), (REAL,)),
    "softplus": Row(
        lambda x: np.logaddexp(0, x),
        jax.nn.softplus,
        lambda x: sympy.log(1 + sympy.exp(x)),
        (REAL,),
    ),
    "erf": Row(scipy.special.erf, jax.scipy.special.erf, sympy.erf, (REAL,)),
    "gelu": Row(
        lambda x: x * scipy.special.ndtr(x),
        lambda x: jax.nn.gelu(x, approximate=False),
        lambda x: x * (1 + sympy.erf(x / sympy.sqrt(2))) / 2,
        (REAL,),
    ),
    "relu": Row(lambda x: np.where(x > 0, x, 0), jax.nn.relu, lambda x: sympy.Max(x, 0), (KINKED,)),
    "abs": Row(np.abs, jnp.abs, sympy.Abs, (KINKED,)),
    "sign": Row(np.sign, jnp.sign, sympy.sign, (KINKED,)),
    "floor": Row(np.floor, jnp.floor, None, (KINKED,)),
    "ceil": Row(np.ceil, jnp.ceil, None, (KINKED,)),
    "trunc": Row(np.trunc, jnp.trunc, None, (KINKED,)),
    "rint": Row(np.rint, jnp.rint, None, (KINKED,)),
    "greater": Row(
        np.greater, lambda a, b: 1.0 * (a > b), lambda a, b: step_of(a > b), (KINKED, KINKED_TOO)
    ),
    "greater_equal": Row(
        np.greater_equal,
        lambda a, b: 1.0 * (a >= b),
        lambda a, b: step_of(a >= b),
        (KINKED, KINKED_TOO),
    ),
    "equal": Row(
        np.equal,
        lambda a, b: 1.0 * (a == b),
        lambda a, b: step_of(sympy.Eq(a, b)),
        (KINKED, KINKED_TOO),
    ),
    "not_equal": Row(
        np.not_equal,
        lambda a, b: 1.0 * (a != b),
        lambda a, b: step_of(sympy.Ne(a, b)),
        (KINKED, KINKED_TOO),
    ),
    "maximum": Row(np.maximum, jnp.maximum, sympy.Max, (KINKED, KINKED_TOO)),
    "minimum": Row(np.minimum, jnp.minimum, sympy.Min, (KINKED, KINKED_TOO)),
    "where": Row(
        np.where,
        lambda c, a, b: jnp.where(c != 0, a, b),
        lambda c, a, b: sympy.Piecewise((a, sympy.Ne(c, 0)), (b, True)),
        ([1.0, 0.0, 2.0, 0.0, 0.0, -1.0], REAL, REAL),
    ),
    "arctan2": Row(np.arctan2, jnp.arctan2, sympy.atan2, (KINKED, KINKED_TOO)),
    "hypot": Row(np.hypot, jnp.hypot, lambda a, b: sympy.sqrt(a**2 + b**2), (REAL, KINKED)),
    "logaddexp": Row(
        np.logaddexp,
        jnp.logaddexp,
        lambda a, b: sympy.log(sympy.exp(a) + sympy.exp(b)),
        (REAL, REAL),
    ),
    "floordiv": Row(np.floor_divide, jnp.floor_divide, None, (REAL, KINKED)),
    "mod": Row(np.remainder, jnp.remainder, None, (REAL, KINKED)),
    "xlogy": Row(
        scipy.special.xlogy,
        jax.scipy.special.xlogy,
        lambda a, b: a * sympy.log(b),
        (KINKED, POSITIVE),
    ),
}


# Functions of matrices.


def by_columns(solve: Callable[..., Any]) -> Callable[..., Any]:
    """Make a solver of matrices one of vectors, with batch axes."""
    return lambda A, b: solve(A, b[..., None])[..., 0]


def symmetrised(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: f((x + np.swapaxes(x, -1, -2)) / 2)


def cholesky_in_sympy(X: Any) -> Any:
    a, b, c = X[0, 0], (X[0, 1] + X[1, 0]) / 2, X[1, 1]
    corner = sympy.sqrt(a)
    return [[corner, sympy.Integer(0)], [b / corner, sympy.sqrt(c - b**2 / a)]]


def eigenvalues_in_sympy(X: Any) -> Any:
    mean, half = (X[0, 0] + X[1, 1]) / 2, (X[0, 0] - X[1, 1]) / 2
    root = sympy.sqrt(half**2 + ((X[0, 1] + X[1, 0]) / 2) ** 2)
    return [mean - root, mean + root]


MATRICES: dict[tuple[str, tuple[int, ...]], Row] = {
    ("inv", (2,)): Row(np.linalg.inv, jnp.linalg.inv, lambda X: X.inv(), (matrix,)),
    ("det", (2,)): Row(np.linalg.det, jnp.linalg.det, lambda X: X.det(), (matrix,)),
    ("logdet", (2,)): Row(
        lambda x: np.linalg.slogdet(x)[1],
        lambda x: jnp.linalg.slogdet(x)[1],
        lambda X: sympy.log(sympy.Abs(X.det())),
        (matrix,),
    ),
    ("signdet", (2,)): Row(
        lambda x: np.linalg.slogdet(x)[0],
        lambda x: jnp.linalg.slogdet(x)[0],
        lambda X: sympy.sign(X.det()),
        (matrix,),
    ),
    ("pinv", (2,)): Row(
        np.linalg.pinv,
        jnp.linalg.pinv,
        lambda X: (X.T * X).inv() * X.T if X.rows >= X.cols else X.T * (X * X.T).inv(),
        (matrix,),
    ),
    ("cholesky", (2,)): Row(
        symmetrised(np.linalg.cholesky), jnp.linalg.cholesky, cholesky_in_sympy, (symmetric,)
    ),
    ("eigvalsh", (2,)): Row(
        symmetrised(np.linalg.eigvalsh), jnp.linalg.eigvalsh, eigenvalues_in_sympy, (symmetric,)
    ),
    ("eigvectors", (2,)): Row(
        symmetrised(lambda x: np.linalg.eigh(x)[1]), jnp.linalg.eigh, None, (symmetric,)
    ),
    ("expm", (2,)): Row(scipy.linalg.expm, jax.scipy.linalg.expm, None, ((-0.7, 0.7),), size=2),
    ("solve", (2, 1)): Row(
        by_columns(np.linalg.solve),
        lambda A, b: jnp.linalg.solve(A, b[:, None])[:, 0],
        lambda A, b: list(A.inv() * sympy.Matrix(b)),
        (matrix, REAL),
    ),
    ("solve", (2, 2)): Row(
        np.linalg.solve, jnp.linalg.solve, lambda A, b: A.inv() * b, (matrix, REAL)
    ),
}


# Functions of all entries along one axis or two.


def over(count: int, f: Callable[..., Any]) -> Callable[..., Any]:
    """Give a reduction of NumPy, SciPy or JAX the last axes."""
    return lambda x: f(x, axis=tuple(range(-count, 0)))


def softmax_in_sympy(x: Any) -> Any:
    values = [sympy.exp(entry) for entry in flat(x)]
    return like([value / sum(values) for value in values], x)


def log_softmax_in_sympy(x: Any) -> Any:
    total = sympy.log(sum(sympy.exp(entry) for entry in flat(x)))
    return like([entry - total for entry in flat(x)], x)


def products_of_others(count: int, order: int) -> Callable[..., Any]:
    """Return the derivative of a product by its definition, for `order` entries taken out."""

    def value(x: np.ndarray) -> np.ndarray:
        batch, core = x.shape[: x.ndim - count], x.shape[x.ndim - count :]
        entries = x.reshape(prod(batch), prod(core))
        n = entries.shape[1]
        result = np.zeros((len(entries), *(n,) * order))
        for at in product(range(n), repeat=order):
            if len(set(at)) == order:
                rest = [k for k in range(n) if k not in at]
                result[(..., *at)] = entries[:, rest].prod(axis=1)
        return result.reshape(*batch, *core * order)

    return value


def products_of_others_in(prod_: Callable[..., Any], order: int) -> Callable[..., Any]:
    for _ in range(order):
        prod_ = jax.jacfwd(prod_)
    return prod_


def products_of_others_in_sympy(order: int) -> Callable[..., Any]:
    def value(x: Any) -> Any:
        result = np.array(sympy.prod(flat(x)), object)
        for _ in range(order):
            result = differentiated(result, np.array(x, object))
        return result

    return value


def along(order: int) -> Callable[..., Any]:
    """Return derivatives of the matrix exponential, by its power series.

    With X for the matrix and E, F, .. for directions, the derivative of ``X^m`` along a set of
    them is ``X`` times that of ``X^(m-1)`` plus the sum over E of E times that along the others.
    """

    def value(x: np.ndarray) -> np.ndarray:
        n = x.shape[-1]
        basis = np.eye(n * n).reshape(n * n, n, n)
        result = np.empty((*x.shape, *(n, n) * order))
        for at in product(range(n * n), repeat=order):
            below = {s: np.zeros(x.shape) for k in range(order + 1) for s in subsets(order, k)}
            below[()] = np.broadcast_to(np.eye(n), x.shape)
            total, factor = below[tuple(range(order))].copy(), 1.0
            for m in range(1, 40):
                below = {
                    s: x @ below[s]
                    + sum(basis[at[e]] @ below[tuple(k for k in s if k != e)] for e in s)
                    for s in below
                }
                factor /= m
                total += factor * below[tuple(range(order))]
            pairs = [k for e in at for k in divmod(e, n)]
            result[(..., *pairs)] = total
        return result

    return value


def subsets(count: int, size: int) -> list[tuple[int, ...]]:
    return list(combinations(range(count), size))


def spread(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw entries of which no two are close: the largest stays so in a neighbourhood."""
    return rng.permutation(prod(shape)).reshape(shape) / 2 + rng.uniform(0, 0.1, shape) - 1.3


def differentiated(f: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Differentiate an array of SymPy expressions by an array of symbols."""
    result = np.empty((*f.shape, *x.shape), object)
    for at, by in product(np.ndindex(f.shape), np.ndindex(x.shape)):
        result[at + by] = sympy.diff(f[at], x[by])
    return result


REDUCTIONS: dict[tuple[str, tuple[int, ...]], Row] = {
    ("cumsum", (1,)): Row(
        over(1, lambda x, axis: np.cumsum(x, axis[0])),
        jnp.cumsum,
        lambda x: list(accumulate(x)),
        (REAL,),
    )
}
for _count in (1, 2):
    REDUCTIONS |= {
        ("max", (_count,)): Row(
            over(_count, np.max), jnp.max, lambda x: sympy.Max(*flat(x)), (spread,)
        ),
        ("min", (_count,)): Row(
            over(_count, np.min), jnp.min, lambda x: sympy.Min(*flat(x)), (spread,)
        ),
        ("prod", (_count,)): Row(
            over(_count, np.prod), jnp.prod, lambda x: sympy.prod(flat(x)), (KINKED,)
        ),
        ("logsumexp", (_count,)): Row(
            over(_count, scipy.special.logsumexp),
            jax.scipy.special.logsumexp,
            lambda x: sympy.log(sum(sympy.exp(entry) for entry in flat(x))),
            (REAL,),
        ),
        ("softmax", (_count,)): Row(
            over(_count, scipy.special.softmax),
            over(_count, jax.nn.softmax),
            softmax_in_sympy,
            (REAL,),
        ),
        ("log_softmax", (_count,)): Row(
            over(_count, scipy.special.log_softmax),
            over(_count, jax.nn.log_softmax),
            log_softmax_in_sympy,
            (REAL,),
        ),
    }
    for _order in range(1, 9):
        REDUCTIONS[f"others{_order if _order > 1 else ''}", (_count,)] = Row(
            products_of_others(_count, _order),
            products_of_others_in(jnp.prod, _order) if _order <= 2 else None,
            products_of_others_in_sympy(_order) if _order <= 2 else None,
            (KINKED,),
            size=4 if _count == 1 else 2,
            orders=min(2, 8 - _order),
        )
#: The derivatives of the exponential, of 2 by 2 matrices as long as they are not too large.
EXPONENTIALS: dict[tuple[str, tuple[int, ...]], Row] = {
    (f"dexpm{_order if _order > 1 else ''}", (2,)): Row(
        along(_order),
        None,
        None,
        ((-0.7, 0.7),),
        size=2 if _order <= 2 else 1,
        orders=min(2, 7 - _order),
    )
    for _order in range(1, 8)
}

ROWS: dict[tuple[str, tuple[int, ...]], Row] = {
    **{(name, (0,) * len(row.domains)): row for name, row in ELEMENTWISE.items()},
    **MATRICES,
    **REDUCTIONS,
    **EXPONENTIALS,
}


def entries() -> dict[tuple[str, tuple[int, ...]], Function]:
    """Return every entry of the table, those for one and two axes of what takes any number."""
    found = [f for f in FUNCTIONS.values() if not callable(f.implementation)]
    for family in FAMILIES.values():
        found += filter(None, map(family, [(1,), (2,), (2, 1), (2, 2)]))
    return {(f.name, f.ranks): f for f in found}


ENTRIES = entries()


def test_no_entry_of_the_table_is_missing_here():
    assert ROWS.keys() == ENTRIES.keys()
    assert len(ROWS) == 91
    for key, row in ROWS.items():
        assert len(row.domains) == len(ENTRIES[key].arguments)


def test_an_entry_is_found_by_its_name_and_the_number_of_axes():
    for (name, ranks), entry in ENTRIES.items():
        assert lookup(name, ranks) is entry
        assert (entry.name, entry.ranks) == (name, ranks)


def rows(has: Callable[[Row], Any] = lambda row: True) -> Any:
    chosen = [pytest.param(*key, id=name_of(*key)) for key, row in ROWS.items() if has(row)]
    return pytest.mark.parametrize(("name", "ranks"), chosen)


def name_of(name: str, ranks: tuple[int, ...]) -> str:
    counted = "x".join(map(str, ranks))
    return f"{name}-{counted}" if name in FAMILIES else name


# --- arguments --------------------------------------------------------------------------------


def arguments(
    entry: Function, row: Row, batch: tuple[int, ...] = (2,), size: int | None = None
) -> dict[str, np.ndarray]:
    """Draw arguments with batch axes, and axes of different sizes for different letters."""
    rng = np.random.default_rng(7)
    names = dict.fromkeys(n for core in entry.cores[0] for n in core)
    steps = (0, -1) if row.size == 3 else (0, 0)
    sizes = {n: (size or row.size) + steps[k] * (size is None) for k, n in enumerate(names)}
    if entry.is_elementwise and batch:
        batch = (*batch, 3)
    arrays = {}
    for name, core, domain in zip(entry.arguments, entry.cores[0], row.domains, strict=True):
        shape = (*batch, *(sizes[n] for n in core))
        if callable(domain):
            arrays[name] = domain(rng, shape)
        elif isinstance(domain, tuple):
            arrays[name] = rng.uniform(*domain, shape)
        else:
            arrays[name] = np.resize(domain, shape)
    return arrays


def as_tensor(entry: Function, tensors: list[ed.Tensor]) -> ed.Tensor:
    expr = call(entry, [t.expr for t in tensors])
    return combined(expr, fresh(len(expr.shape), entry.arguments), tensors)


def applied(entry: Function, arrays: dict[str, np.ndarray]) -> ed.Tensor:
    return as_tensor(entry, [ed.tensor(name, array) for name, array in arrays.items()])


def symbolic(entry: Function, arrays: dict[str, np.ndarray]) -> ed.Tensor:
    return as_tensor(entry, [ed.tensor(name, array.shape) for name, array in arrays.items()])


@dataclass(frozen=True)
class Case:
    """An entry of the table, and arguments for it."""

    entry: Function
    row: Row
    arrays: dict[str, np.ndarray]

    @property
    def f(self) -> ed.Tensor:
        return applied(self.entry, self.arrays)


def case_of(name: str, ranks: tuple[int, ...], **how: Any) -> Case:
    entry, row = ENTRIES[name, ranks], ROWS[name, ranks]
    return Case(entry, row, arguments(entry, row, **how))


def assert_close(actual: Any, expected: Any, rtol: float = 1e-10) -> None:
    """Compare, relative to the largest entry: small ones are differences of large ones."""
    expected = np.asarray(expected)
    scale = 1 + np.max(np.abs(expected), initial=0)
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=rtol, atol=rtol * scale)


# --- values and derivatives -------------------------------------------------------------------


@rows()
@pytest.mark.parametrize("batch", [(), (2,), (2, 1)], ids=["single", "batch", "two axes"])
def test_the_value_is_that_of_numpy_or_scipy(name, ranks, batch):
    case = case_of(name, ranks, batch=batch)
    expected = np.asarray(case.row.numpy(*case.arrays.values()))
    assert case.f.shape == expected.shape
    assert_close(case.f, expected)


@rows(lambda row: row.orders)
def test_both_derivatives_agree_with_differences(name, ranks):
    for order in range(1, ROWS[name, ranks].orders + 1):
        # A batch squares the size of the second derivative by a matrix.
        case = case_of(name, ranks, batch=() if order == 2 and max(ranks) == 2 else (2,))
        for result in flat(ed.check(case.f, wrt=case.entry.arguments, order=order)):
            assert result.ok, str(result)
            assert not result.skipped


@rows(lambda row: row.jax)
def test_both_derivatives_are_those_of_jax(name, ranks):
    case = case_of(name, ranks, batch=(2,) if max(ranks) == 0 else ())
    by = tuple(range(len(case.arrays)))
    first = jax.jacfwd(case.row.jax, argnums=by)
    second = jax.jacfwd(first, argnums=by)
    if name == "eigvectors":
        first, second = eigenvector_derivatives()
    points = [jnp.asarray(array) for array in case.arrays.values()]
    gradients, hessians = (ed.grad(case.f, wrt=case.entry.arguments, order=k) for k in (1, 2))
    for ours, expected in zip(gradients, first(*points), strict=True):
        assert_close(ours, expected, 1e-9)
    for ours_by, expected_by in zip(hessians, second(*points), strict=True):
        for ours, expected in zip(ours_by, expected_by, strict=True):
            assert_close(ours, expected, 1e-8)


def eigenvector_derivatives() -> tuple[Any, Any]:
    """Differentiate eigenvectors in JAX with the signs that NumPy gives them."""

    def vectors(x: Any, signs: Any) -> Any:
        return jnp.linalg.eigh(x)[1] * signs

    def aligned(derivative: Any) -> Any:
        def at(x: Any) -> Any:
            theirs = np.linalg.eigh(np.asarray(x + x.T) / 2)[1]
            signs = np.sign(np.sum(np.asarray(vectors(x, 1)) * theirs, axis=0))
            return derivative(x, signs)

        return at

    first = jax.jacfwd(vectors)
    second = jax.jacfwd(first)
    return aligned(lambda x, s: (first(x, s),)), aligned(lambda x, s: ((second(x, s),),))


@rows(lambda row: row.sympy)
def test_both_derivatives_are_those_of_sympy_in_50_digits(name, ranks):
    """For functions of entries at six points; for others at one, of size 2."""
    entry, row = ENTRIES[name, ranks], ROWS[name, ranks]
    scalars = entry.is_elementwise
    arrays = arguments(entry, row, batch=(2,) if scalars else (), size=None if scalars else 2)
    symbols = {
        argument: letters(argument, () if scalars else a.shape) for argument, a in arrays.items()
    }
    f = applied(entry, arrays)
    theirs = np.array(row.sympy(*map(as_sympy, symbols.values())), object)
    numbers = partial(in_numbers, symbols=symbols, arrays=arrays, scalars=scalars)
    assert_close(f, numbers(theirs), 1e-13)
    is_small = theirs.size * sum(s.size for s in symbols.values()) ** 2 <= 64
    for a, gradient in zip(symbols, ed.grad(f, wrt=tuple(symbols)), strict=True):
        their_gradient = differentiated(theirs, symbols[a])
        assert_close(diagonal_of(gradient, f.shape, scalars, 1), numbers(their_gradient), 1e-13)
        for b in symbols if row.orders == 2 and is_small else ():
            second = diagonal_of(ed.grad(gradient, wrt=b), f.shape, scalars, 2)
            assert_close(second, numbers(differentiated(their_gradient, symbols[b])), 1e-12)


def letters(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array of symbols."""
    result = np.empty(shape, object)
    for at in np.ndindex(shape):
        result[at] = sympy.Symbol("_".join(map(str, (name, *at))), real=True)
    return result


def as_sympy(letters: np.ndarray) -> Any:
    """Write symbols as SymPy does: a number, a list, or a matrix."""
    if not letters.shape:
        return letters.item()
    return sympy.Matrix(letters) if letters.ndim == 2 else list(letters)


def in_numbers(f: np.ndarray, symbols: Any, arrays: Any, scalars: bool) -> np.ndarray:
    """Evaluate expressions of SymPy in 50 digits, for scalars at every point."""

    def at(points: dict[Any, Any]) -> np.ndarray:
        numbers = {s: sympy.Rational(float(v)) for s, v in points.items()}  # exactly this float
        values = [complex(sympy.sympify(e).subs(numbers).evalf(50)) for e in f.flat]
        assert all(abs(value.imag) < 1e-40 for value in values)
        return np.array([value.real for value in values]).reshape(f.shape)

    found = [symbol for name in arrays for symbol in symbols[name].flat]
    if not scalars:
        return at(
            dict(zip(found, np.concatenate([a.ravel() for a in arrays.values()]), strict=True))
        )
    points = zip(*(array.flat for array in arrays.values()), strict=True)
    values = [at(dict(zip(found, point, strict=True))) for point in points]
    return np.array(values).reshape(next(iter(arrays.values())).shape)


def diagonal_of(t: ed.Tensor, shape: Any, scalars: bool, order: int) -> np.ndarray:
    """Return the entries of a derivative that can be other than 0, for functions of entries."""
    dense = np.asarray(t)
    if not scalars:
        return dense
    n = prod(shape)
    cube = dense.reshape((n,) * (order + 1))
    found = cube[(np.arange(n),) * (order + 1)]
    assert np.count_nonzero(cube) == np.count_nonzero(found)
    return found.reshape(shape)


@rows(lambda row: row.orders)
def test_the_derivative_of_a_batch_is_that_of_each_of_it(name, ranks):
    case = case_of(name, ranks)
    wrt = case.entry.arguments
    singles = []
    for b in range(2):
        single = {n: array[b] for n, array in case.arrays.items()}
        singles.append(ed.grad(applied(case.entry, single), wrt=wrt))
    for k, (J, argument) in enumerate(
        zip(ed.grad(case.f, wrt=wrt), case.arrays.values(), strict=True)
    ):
        dense = np.asarray(J)
        for b, other in product(range(2), repeat=2):
            part = np.take(np.take(dense, other, axis=dense.ndim - argument.ndim), b, axis=0)
            expected = np.asarray(singles[b][k]) if b == other else np.zeros(part.shape)
            assert_close(part, expected, 1e-12)


@rows()
def test_single_precision_in_is_single_precision_out(name, ranks):
    case = case_of(name, ranks)
    single = applied(case.entry, {n: array.astype("f4") for n, array in case.arrays.items()})
    assert single.dtype == np.asarray(single).dtype == np.float32
    assert_close(single, np.asarray(case.f), 1e-4)
    if case.row.orders:
        by = case.entry.arguments[-1]
        J = ed.grad(single, wrt=by)
        assert J.dtype == np.asarray(J).dtype == np.float32
        assert_close(J, np.asarray(ed.grad(case.f, wrt=by)), 1e-3)


@rows()
def test_whole_numbers_give_floats_unless_the_function_keeps_them(name, ranks):
    case = case_of(name, ranks)
    whole = {}
    for (argument, array), domain in zip(case.arrays.items(), case.row.domains, strict=True):
        is_matrix = domain in (matrix, symmetric)
        whole[argument] = np.rint(array).astype(int) if is_matrix else np.full(array.shape, 1)
        if isinstance(domain, tuple) and domain[1] < 1:  # such as that of arctanh
            whole[argument] *= 0
    t = applied(case.entry, whole)
    expected = applied(case.entry, {n: array.astype(float) for n, array in whole.items()})
    kept = case.entry.keeps_integers
    assert t.dtype == np.asarray(t).dtype == (np.int64 if kept else np.float64)
    assert_close(t, np.asarray(expected))


# --- printing ---------------------------------------------------------------------------------


@rows()
@pytest.mark.parametrize("batch", [(), (2,)], ids=["single", "batch"])
def test_what_is_printed_is_read_back(name, ranks, batch):
    case = case_of(name, ranks, batch=batch)
    wrt = case.entry.arguments
    f = symbolic(case.entry, case.arrays)
    shapes = {argument: array.shape for argument, array in case.arrays.items()}
    printed = [f]
    if case.row.orders:
        printed += ed.grad(f, wrt=wrt)
    if case.row.orders == 2:
        printed += [ed.grad(J, wrt=wrt[-1]) for J in printed[1:]]
    for t in printed:
        stands = {n: shape for n, shape in shapes.items() if stands_in(n, t)}
        read = ed.parse(str(t), sizes=sizes_to_tell(t), **stands)
        assert read == t, str(t)


def stands_in(name: str, t: ed.Tensor) -> bool:
    return name in t.formula.required or f"∂{name}" in str(t)


def sizes_to_tell(t: ed.Tensor) -> dict[str, Any]:
    """Return the sizes of the function's labels that no tensor carries: of ``[i ≥ p]``, of 0."""
    right = str(t).partition(" = ")[2]
    carried = "".join(re.findall(r"_(\w+)", re.sub(r"δ_\w+|\[[^]]*\]", "", right)))
    heading = t.formula.heading
    own = t.ndim - sum(len(axes) for _, axes in heading.wrt)
    labels = zip(heading.letters[:own], t.shape, strict=False)
    return {label: size for label, size in labels if label not in carried}


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("f_i = power(x_i, n)", {"x": (3,), "n": ()}),
        ("f_ij = xlogy(a_i, b_j)", {"a": (2,), "b": (3,)}),
        ("f = max(x_i)", {"x": (3,)}),
        ("f_i = max(A_ij)", {"A": (2, 3)}),
        ("f = max(A_ij)", {"A": (2, 3)}),
        ("f_ij = inv(A)_ij", {"A": (3, 3)}),
        ("f_aij = inv(A)_aij", {"A": (2, 3, 3)}),
        ("f_i = solve(A, b)_i", {"A": (3, 3), "b": (3,)}),
        ("f_ij = solve(A, b)_ij", {"A": (3, 3), "b": (3, 2)}),
    ],
)
def test_a_function_in_index_notation_is_read(text, shapes):
    t = ed.parse(text, **shapes)
    assert ed.parse(str(t), **shapes) == t


# --- how nodes are made -----------------------------------------------------------------------


def value(node: Node, arrays: dict[str, np.ndarray]) -> np.ndarray:
    program = program_for((node,), (), "float64")
    return np.asarray(program.function(*(arrays[v.name] for v in program.inputs)))


def test_power_folds_trivial_exponents():
    x = variable("x", (3,))
    power = FUNCTIONS["power"]
    assert call(power, [x, constant(1)]) is x
    assert call(power, [x, constant(0)]) is einsum([], [], "i", {"i": 3})
    assert call(power, [constant(3), constant(4)]) is constant(81)
    assert call(power, [zero((3,)), constant(2)]) is zero((3,))


def test_an_argument_without_batch_axes_is_used_for_the_whole_batch():
    x, n = variable("x", (3,)), variable("n", ())
    f = call(FUNCTIONS["power"], [x, n])
    (df,) = derivatives(f, [n])
    assert df.shape == (3,)
    arrays = {"x": np.array([1.0, 2.0, 3.0]), "n": np.array(2.0)}
    np.testing.assert_allclose(value(df, arrays), arrays["x"] ** 2 * np.log(arrays["x"]))


@pytest.mark.parametrize("wrt", ["A", "b"])
@pytest.mark.parametrize("columns", [(), (2,)], ids=["vector", "matrix"])
@pytest.mark.parametrize("batched", ["A", "b"])
def test_one_side_of_solve_may_have_no_batch_axes(batched, columns, wrt):
    rng = np.random.default_rng(0)
    arrays = {"A": matrix(rng, (3, 3)), "b": rng.normal(size=(3, *columns))}
    arrays[batched] = np.stack([arrays[batched], 2 * arrays[batched], arrays[batched] + 1])
    f = as_tensor(
        ENTRIES["solve", (2, 1 + len(columns))], [ed.tensor(n, v) for n, v in arrays.items()]
    )
    b = arrays["b"] if columns else arrays["b"][..., None]
    expected = np.linalg.solve(arrays["A"], b)
    assert_close(f, expected if columns else expected[..., 0])
    for order in (1, 2):
        result = ed.check(f, wrt=wrt, order=order)
        assert result.ok, str(result)


@pytest.mark.parametrize("length", [100, 400])
def test_the_derivative_of_a_chain_has_nodes_in_proportion(length):
    x = variable("x", (3,))
    f: Node = x
    for k in range(length):
        f = call(FUNCTIONS["sin" if k % 2 else "tanh"], [f])
    (df,) = derivatives(f, [x])
    assert len(topological([df])) <= 6 * len(topological([f]))


def test_gradients_by_many_variables_share_one_sweep():
    variables = [variable(f"x{k}", (3,)) for k in range(60)]
    f: Node = variables[0]
    for x in variables[1:]:
        f = einsum([f, x], ["i", "i"], "i")
    together = derivatives(f, variables)
    assert len(topological(together)) <= 6 * len(topological([f]))
