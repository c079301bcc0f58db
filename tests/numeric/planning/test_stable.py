"""How many digits the functions of the table and their derivatives have, at every magnitude.

The table is walked: a function that is added is among them, and needs a line here only if mpmath
calls it something else. With e for the precision, a derivative d has to agree with mpmath's up to

    32 e (|d(x)| + |x d'(x)|),

which is what d changes by where x is known to 32 units in its last place: as many digits as the
problem has. A derivative is nan only where the function is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import einsdiff as ed
from einsdiff.algebra.nodes.function_records import FUNCTIONS
from tests.expressions.test_coding import run

ULPS = 32
MAGNITUDES = [1e-300, 1e-8, 0.3, 1.0, 6.0, 40.0, 1e3, 1e8, 1e200]
POINTS = [0.0, *MAGNITUDES, *(-x for x in MAGNITUDES), 1 - 1e-9, np.inf, -np.inf]

#: What mpmath calls otherwise, or lacks.
MPMATH: dict[str, Callable[..., Any]] = {
    "log2": lambda x: mp.log(x, 2),
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
    "gelu": lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2,
    "relu": lambda x: x if x > 0 else mp.mpf(0),
    "abs": abs,
    "trunc": lambda x: mp.sign(x) * mp.floor(abs(x)),
    "rint": mp.nint,
}

#: Where finite differences do not see what a kink's derivative is by convention.
PIECEWISE = {"relu", "abs", "sign", "floor", "ceil", "trunc", "rint"}

ENTRYWISE = [
    name
    for name, entry in FUNCTIONS.items()
    if entry.is_elementwise and len(entry.arguments) == 1 and not callable(entry.implementation)
]


def exact(name: str) -> Callable[..., Any]:
    """Return a function by mpmath, in which NumPy's names of inverse functions are shorter."""
    return MPMATH.get(name) or getattr(mp, name.replace("arc", "a"))


def differentiated(f: Callable[..., Any], x: float, order: int) -> Any:
    """Differentiate in so many digits that differences over a tiny step have enough left."""
    size = abs(mp.log10(abs(x))) if x else 0
    with mp.workdps(200 + 4 * int(size)):
        step = mp.mpf(10) ** -25 * (min(1, abs(mp.mpf(x))) if x else 1)
        try:
            value, other = (mp.diff(f, mp.mpf(x), order, h=h) for h in (step, step / 8))
        except (ZeroDivisionError, ValueError, OverflowError):
            return None
        is_pole = abs(value - other) > abs(value) / 10**9
        is_real = mp.isfinite(value) and not mp.im(value)
        return mp.re(value) if is_real and not (is_pole and abs(value) > 1e9) else None


def derivative(text: str, order: int, **arrays: np.ndarray) -> np.ndarray:
    """Differentiate by x, entry by entry."""
    t = ed.parse(text, **arrays)
    for _ in range(order):
        t = ed.grad(t, wrt="x")
    with np.errstate(all="ignore"):
        value = np.asarray(t)
    for _ in range(order):
        value = np.einsum("i...i->i...", value)
    return value


def assert_digits(found: float, wanted: Any, bound: Any, what: str) -> None:
    limits = np.finfo(found.dtype)  # type: ignore[attr-defined]
    if abs(wanted) > float(limits.max):
        assert np.isinf(found) or abs(found) > float(limits.max) / 2, what
        return
    allowed = ULPS * float(limits.eps) * bound + 4 * float(limits.tiny)
    assert np.isfinite(found), f"{what}: {found} is {mp.nstr(wanted, 8)}"
    assert abs(mp.mpf(float(found)) - wanted) <= allowed, f"{what}: {found}, {mp.nstr(wanted, 20)}"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ENTRYWISE)
def test_derivatives_have_the_digits_that_the_function_has(name, dtype):
    with np.errstate(over="ignore"):
        x = np.unique(np.array(POINTS).astype(dtype))
    f = exact(name)
    values = [derivative(f"{name}(x_i)", order, x=x) for order in (0, 1, 2)]
    for k, order in itertools.product(range(len(x)), (1, 2)):
        what, found = f"{name}, order {order}, at {x[k]}", values[order][k]
        assert values[order].dtype == dtype
        if np.isnan(values[0][k]):
            continue
        if not np.isfinite(x[k]) or name in PIECEWISE:
            assert not np.isnan(found), what
            continue
        wanted = differentiated(f, float(x[k]), order)
        is_pole = differentiated(f, float(x[k]), 1) is None
        if wanted is not None and not is_pole:
            change = differentiated(f, float(x[k]), order + 1) or 0
            assert_digits(found, wanted, abs(wanted) + abs(float(x[k]) * change), what)


# --- functions of two entries -----------------------------------------------------------------

PAIRS = [0.0, 1e-300, 1.0, -1.0, 40.0, -40.0, 1e3, 1e8, -1e8, 1e200]


def sigma(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def root(a: Any, b: Any) -> Any:
    return mp.sqrt(a * a + b * b)


#: The first derivative by x and the second, by what a textbook says.
OF_TWO: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "logaddexp": (lambda a, b: sigma(a - b), lambda a, b: sigma(a - b) * sigma(b - a)),
    "hypot": (lambda a, b: a / root(a, b), lambda a, b: b * b / root(a, b) ** 3),
    "arctan2": (lambda a, b: b / (a * a + b * b), lambda a, b: -2 * a * b / (a * a + b * b) ** 2),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OF_TWO)
def test_derivatives_of_functions_of_two_entries(name, dtype):
    with np.errstate(over="ignore"):
        pairs = [(a, b) for a in PAIRS for b in PAIRS if np.isfinite(np.array([a, b], dtype)).all()]
    x, b = np.array(pairs).astype(dtype).T
    for order, reference in enumerate(OF_TWO[name], 1):
        found = derivative(f"{name}(x_i, b_i)", order, x=x, b=b)
        for k in range(len(x)):
            size = np.hypot(float(x[k]), float(b[k]))
            if name != "logaddexp" and size < float(np.finfo(dtype).max) ** (-1 / order):
                continue  # whose inverse is too large
            with mp.workdps(700):
                wanted = reference(mp.mpf(float(x[k])), mp.mpf(float(b[k])))
                bound = abs(wanted)
                if name == "logaddexp":  # the condition of exp(x - b)
                    bound *= 1 + abs(mp.mpf(float(x[k])) - mp.mpf(float(b[k]))) / 16
                assert_digits(found[k], wanted, bound, f"{name}, {order}, at {x[k]}, {b[k]}")


def test_powers_at_zero():
    x, n = np.array([0.0, 0.0, 0.0, 0.0, 2.0]), np.array([0.0, 1.0, 2.0, 3.0, 0.0])
    by_x = np.asarray(ed.grad("power(x_i, n_i)", x=x, n=n, wrt="x")).diagonal()
    with np.errstate(divide="ignore"):  # the logarithm of 0 at 0^0
        by_n = np.asarray(ed.grad("power(x_i, n_i)", x=x, n=n, wrt="n")).diagonal()
    np.testing.assert_array_equal(by_x, [0, 1, 0, 0, 0])
    np.testing.assert_allclose(by_n[1:], [0, 0, 0, np.log(2)])


# --- functions of several entries -------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e-300, 1.0, 1e5, 1e8, 1e30, 1e200])
def test_sums_of_exponentials_at_every_magnitude(size, dtype):
    with np.errstate(over="ignore"):
        x = np.array([size, size, size]).astype(dtype)
    if not np.isfinite(x).all():
        return
    eps = 4 * np.finfo(dtype).eps
    for text in ("logsumexp(x)", "log(Σ_i exp(x_i - logsumexp(x))) + logsumexp(x)"):
        g = np.asarray(ed.grad(text, x=x, wrt="x"))
        np.testing.assert_allclose(g, [1 / 3] * 3, rtol=eps)
    H = np.asarray(ed.hessian("logsumexp(x)", x=x, wrt="x"))
    np.testing.assert_allclose(H, np.eye(3) / 3 - 1 / 9, atol=eps)
    y = x - np.array([0, 1, 2], dtype)
    p = np.exp(y.astype(float) - float(y[0]))
    g = np.asarray(ed.grad("logsumexp(x)", x=y, wrt="x"))
    np.testing.assert_allclose(g, p / p.sum(), rtol=2 * eps)


def test_sums_of_exponentials_with_entries_that_are_minus_infinity():
    x = np.array([-np.inf, 1e8, 1e8])
    np.testing.assert_array_equal(np.asarray(ed.grad("logsumexp(x)", x=x, wrt="x")), [0, 0.5, 0.5])
    H = np.asarray(ed.hessian("logsumexp(x)", x=x, wrt="x"))
    np.testing.assert_array_equal(H, [[0, 0, 0], [0, 0.25, -0.25], [0, -0.25, 0.25]])


def test_the_gradient_of_logsumexp_is_softmax():
    assert str(ed.grad("logsumexp(x)", wrt="x")) == "∂f/∂x_p = softmax(x)_p"
    A = ed.tensor("A", ("m", "n"))
    x = np.random.default_rng(0).normal(size=(2, 3)) + 1e8
    (J,) = [ed.grad(ed.sum(ed.logsumexp(A, axis=axis)), wrt="A") for axis in ((0, 1),)]
    p = np.exp(x - 1e8)
    np.testing.assert_allclose(np.asarray(J(A=x)), p / p.sum(), rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1.0, 1e200, 1e300])
def test_norms_of_any_size(scale):
    x = np.array([3.0, 4.0]) * scale
    unit = np.array([0.6, 0.8])
    for text in ("sqrt(x_i x_i)", "(x_i x_i)^(1/2)"):
        with np.errstate(all="raise", under="ignore"):
            np.testing.assert_allclose(np.asarray(ed.parse(text, x=x)), 5 * scale, rtol=1e-15)
            g = np.asarray(ed.grad(text, x=x, wrt="x"))
        np.testing.assert_allclose(g, unit, rtol=1e-15)
        if scale > 1e-300:  # whose inverse is too large
            H = np.asarray(ed.hessian(text, x=x, wrt="x"))
            wanted = (np.eye(2) - np.outer(unit, unit)) / (5 * scale)
            np.testing.assert_allclose(H, wanted, rtol=1e-14)
    X = ed.tensor("X", np.stack([x, 2 * x]))
    J = ed.grad(ed.sum(ed.norm(X, axis=1)), wrt="X")
    np.testing.assert_allclose(np.asarray(J), [unit, unit], rtol=1e-15)
    F = ed.grad(ed.norm(X), wrt="X")
    np.testing.assert_allclose(np.asarray(F), np.stack([unit, 2 * unit]) / np.sqrt(5), rtol=1e-15)


def test_products_whose_parts_overflow():
    x = np.array([1e200, 1e200, 1.0, 1e-300])
    with np.errstate(over="ignore"):
        g = np.asarray(ed.grad("prod(x)", x=x, wrt="x"))
    np.testing.assert_allclose(g, [1e-100, 1e-100, 1e100, np.inf], rtol=1e-14)
    for zeros in ([0.0, 2, 3], [0.0, 0, 3], [0.0, 0, 0]):
        x = np.array(zeros)
        wanted = [np.prod(np.delete(x, k)) for k in range(3)]
        np.testing.assert_array_equal(np.asarray(ed.grad("prod(x)", x=x, wrt="x")), wanted)


def test_differences_that_somebody_wrote_have_the_same_digits():
    x = np.array([40.0, 300.0])
    for text, wanted in {
        "1 - tanh(x_i)^2": 4 * np.exp(-2 * x),
        "1 - sigmoid(x_i)": np.exp(-x),
        "log(1 - sigmoid(x_i))": -x,
        "3 - tanh(x_i)^2 - 2 sigmoid(x_i)": 4 * np.exp(-2 * x) + 2 * np.exp(-x),
        "1 - erf(x_i / 10)": [mp.erfc(4), mp.erfc(30)],
        "1 + expm1(-x_i)": np.exp(-x),
    }.items():
        wanted = np.array(wanted, float)
        np.testing.assert_allclose(np.asarray(ed.parse(text, x=x)), wanted, rtol=1e-13)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_chunks_have_the_same_digits(name):
    da = pytest.importorskip("dask.array")
    x = np.arange(12.0) % 3 + 1e8
    wanted = np.asarray(ed.parse(f"f_i = {name}(x)_i", x=x))
    found = ed.parse(f"f_i = {name}(x)_i", x=da.from_array(x, chunks=4)).dense()
    np.testing.assert_allclose(np.asarray(found), wanted, rtol=1e-14)


# --- code -------------------------------------------------------------------------------------

CODED = [
    "tanh(x_i)",
    "sigmoid(x_i)",
    "softplus(x_i)",
    "expm1(x_i)",
    "erf(x_i)",
    "gelu(x_i)",
    "arcsinh(x_i)",
    "arctan(x_i)",
    "logaddexp(x_i, 1)",
    "hypot(x_i, 2)",
    "logsumexp(x)",
    "sqrt(x_i x_i)",
]


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("text", CODED)
def test_code_has_the_same_digits(text, backend):
    pytest.importorskip(backend)
    for x in (
        np.array([-40.0, -1e-8, 0.5, 40.0]),
        np.array([1e8, 1e8, 3.0]),
        np.array([1e170] * 2),
    ):
        for order in (1, 2):
            t = ed.grad(text, x=x, wrt="x", order=order)
            with np.errstate(all="ignore"):
                wanted = np.asarray(t)
                found = np.asarray(run(t.code(backend), {"x": x}, backend))
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("name", ["max", "min"])
def test_some_entry_is_the_largest_whichever_half_of_a_symmetric_array_is_read(name):
    product = "y_c x_c x_k x_i"  # whose two halves are rounded differently
    across, along = (
        f"[{product} = {name}(y_a x_a x_{{{labels[0]}}} x_{{{labels[1]}}})_{{{free}}}]"
        for labels, free in (("mi", "i"), ("km", "k"))
    )
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(2, 5))
        counts = ed.parse(f"Σ_k {across}", x=x, y=y), ed.parse(f"Σ_i {along}", x=x, y=y)
        both = np.asarray(counts[0]) + np.asarray(counts[1])
        assert np.all(both == 2), (seed, both)
