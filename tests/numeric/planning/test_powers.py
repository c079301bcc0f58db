"""Powers as products against the powers of NumPy: digits, numbers that are none, and sharing."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.algebra.nodes.function_records import FUNCTIONS
from einsdiff.algebra.nodes.interning import constant, variable
from einsdiff.algebra.nodes.nodes import add, call, einsum
from einsdiff.numeric.planning import powers
from einsdiff.numeric.planning.plan import plan
from einsdiff.numeric.planning.powers import LEAST_ENTRIES, MOST_EXPONENT
from einsdiff.numeric.running.program import program_for

POWER = FUNCTIONS["power"]
WHOLE = [n for n in range(-MOST_EXPONENT, MOST_EXPONENT + 1) if n not in (0, 1)]
HALVES = [Fraction(n, 2) for n in range(-31, 33, 2)]
SIZE = 20_000


def taken(base, n):
    """Take a power as it is built by the library, which makes products of whole ones."""
    return call(POWER, [base, constant(n)])


def powers_of(values, exponents, base=None):
    """Compute powers of one array together, by one program."""
    x = variable("x", values.shape) if base is None else base
    program = program_for(tuple(taken(x, n) for n in exponents), (), values.dtype)
    with np.errstate(all="ignore"):
        found = program.function(values)
    return (found,) if len(exponents) == 1 else found, program


def awkward(dtype, seed=0):
    """Draw numbers of all sizes, with those that are none and those at the borders."""
    rng = np.random.default_rng(seed)
    limits = np.finfo(dtype)
    with np.errstate(all="ignore"):
        logs = rng.uniform(np.log2(limits.smallest_subnormal), np.log2(limits.max), SIZE // 2)
        near = np.concatenate([2.0**logs, rng.uniform(0.3, 3, SIZE // 2)])
        near *= rng.choice([-1, 1], SIZE)
        near = near.astype(dtype)
    special = [0.0, -0.0, np.inf, np.nan, 1, -1, limits.max, -limits.max, limits.tiny, -limits.tiny]
    special += [limits.smallest_subnormal, -limits.smallest_subnormal, limits.eps]
    near[: len(special)] = special
    near[len(special) : 40] = [-np.inf] * (40 - len(special))
    return near


def assert_is_power(found, values, n, units):
    """Compare with NumPy's power: exactly where that is no number, else so many digits."""
    with np.errstate(all="ignore"):
        expected = np.power(values, np.full(values.shape, float(n), values.dtype))
    if n.denominator == 2:  # nan like a root
        expected[np.isneginf(values)] = np.nan
    limits = np.finfo(values.dtype)
    finite = np.isfinite(expected)
    # What is rounded a little differently may be on either side of the border.
    at_border = np.abs(expected) > limits.max * (1 - units * limits.eps)
    at_border |= np.isinf(expected) & (np.abs(found) > limits.max * (1 - units * limits.eps))
    rest = ~at_border & ~finite
    np.testing.assert_array_equal(found[rest], expected[rest])
    at = finite & ~at_border
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(expected[at]), limits.tiny)
        error = np.abs(found[at] - expected[at]) / size / limits.eps
    assert error.max() <= units, f"{n}: {error.max()} units at {values[at][error.argmax()]!r}"
    # A root of -0.0 alone is -0.0, as that of `x ** 0.5`.
    zeros = (expected == 0) & (np.full(values.shape, n != 0.5) | ~np.signbit(values))
    np.testing.assert_array_equal(np.signbit(found[zeros]), np.signbit(expected[zeros]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [*map(Fraction, WHOLE), *HALVES], ids=str)
def test_one_power(n, dtype):
    values = awkward(dtype)
    (found,), program = powers_of(values, [int(n) if n.denominator == 1 else n])
    assert " ** " not in program.source
    assert_is_power(found, values, n, float(abs(n)) + 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("chosen", range(12))
def test_several_powers_of_one_array(chosen, dtype):
    rng = np.random.default_rng(chosen)
    exponents = [
        n if n.denominator == 2 else int(n)
        for n in rng.choice([*map(Fraction, WHOLE), *HALVES], 5, replace=False)
    ]
    values = awkward(dtype, chosen)
    found, program = powers_of(values, exponents)
    assert " ** " not in program.source
    assert program.source.count("np.sqrt") == any(isinstance(n, Fraction) for n in exponents)
    for array, n in zip(found, exponents, strict=True):
        assert_is_power(array, values, Fraction(n), float(abs(n)) + 1)


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "complex128", "float16", "longdouble"])
def test_other_dtypes(dtype):
    rng = np.random.default_rng(1)
    values = rng.integers(-3 if dtype[0] != "u" else 0, 5, 10_000).astype(dtype)
    if dtype == "complex128":
        values += 1j * rng.normal(size=values.shape)
        values[values == 0] = 1
    for n in (3, 4, 7, 16, -1, -2, -5, Fraction(1, 2), Fraction(-3, 2)):
        if values.dtype.kind in "iu" and not (isinstance(n, int) and n > 0):
            continue
        (found,), _ = powers_of(values, [n])
        with np.errstate(all="ignore"):
            expected = values ** (n if isinstance(n, int) else float(n))
        assert found.dtype == values.dtype
        rtol = 0 if found.dtype.kind in "iu" else 40 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(found, expected, rtol=rtol)


def test_half_precision_keeps_the_library_s_power():
    (found,), program = powers_of(np.linspace(0.5, 2, 1000).astype("float16"), [7])
    assert "power" in program.source or " ** 7" in program.source
    assert found.dtype == np.float16


def test_integers_are_converted_first():
    values = np.arange(-500, 500)
    with np.errstate(divide="ignore"):
        found = ed.tensor("x", values) ** -2
        np.testing.assert_allclose(found.dense(), values.astype(float) ** -2)


def test_zero_to_the_power_of_zero_is_one():
    values = np.zeros(1000)
    np.testing.assert_array_equal((ed.tensor("x", values) ** 0).dense(), np.ones(1000))


def test_zeros_warn_as_they_did():
    x = ed.tensor("x", np.zeros(1000))
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert np.isposinf((x**-2).dense()).all()


@pytest.mark.parametrize(
    ("exponents", "calls", "products"),
    [
        ([3, 6], 0, 3),
        ([-3, -6, -4, -7], 1, 5),
        ([Fraction(1, 2), Fraction(-1, 2)], 2, 0),
        ([2, 3, 4], 0, 3),
        ([15], 0, 5),
        ([Fraction(3, 2)], 1, 1),
    ],
)
def test_what_powers_share(exponents, calls, products):
    x = add([(1, variable("x", (5000,))), (1, constant_row(5000))])
    steps = plan([taken(x, n) for n in exponents], {}).instructions
    ops = [step.op for step in steps]
    assert ops.count("call") == calls
    assert ops.count("multiply") == products
    assert "power" not in ops


def constant_row(n):
    return einsum([], [], [0], {0: n})


def test_a_product_with_an_inverse_is_a_quotient():
    x, y = (variable(name, (5000,)) for name in "xy")
    (step,) = plan([einsum([y, taken(x, -1)], ["i", "i"], "i")], {}).instructions
    assert (step.op, step.detail.name, step.args) == ("call", "_divide", ("y_", "x_"))
    # But not where it is needed twice, or where it is the smaller of the two.
    Y = variable("Y", (50, 5000))
    steps = plan([einsum([Y, taken(x, -1)], ["ij", "j"], "ij")], {}).instructions
    assert [step.op for step in steps] == ["call", "multiply"]


def test_small_arrays_keep_their_powers():
    x = variable("x", (LEAST_ENTRIES - 1,))
    assert [step.op for step in plan([taken(x, 5)], {}).instructions] == ["power"]


#: The lengths of shortest addition chains for 1, 2, ..
SHORTEST = [0, 1, 2, 2, 3, 3, 4, 3, 4, 4, 5, 4, 5, 5, 5, 4]


def test_chains_are_as_short_as_they_can_be():
    for n, length in enumerate(SHORTEST, start=1):
        assert len(powers._chain(frozenset([n]))) == length
    for some in combinations(range(2, MOST_EXPONENT + 1), 3):
        there = {1}
        for a, b in powers._chain(frozenset(some)):
            assert {a, b} <= there
            there.add(a + b)
        assert there.issuperset(some)
    assert len(powers._chain(frozenset(range(1, MOST_EXPONENT + 1)))) == MOST_EXPONENT - 1


@pytest.mark.parametrize(
    "text",
    ["Σ_i x_i^-3", "Σ_i (sqrt(x_i)^3 + x_i^4)", "Σ_i (1/sqrt(x_i) + x_i^-6)", "x_i^-2 / sqrt(x_i)"],
)
@pytest.mark.parametrize("backend", ["numpy", "torch", "jax"])
def test_derivatives_and_code(text, backend):
    values = np.random.default_rng(3).uniform(0.5, 2, 100)
    f = ed.parse(text, x=values)
    assert ed.check(f, wrt="x")
    second = ed.hessian(f, wrt="x") if not f.shape else ed.grad(f, wrt="x")
    module = pytest.importorskip(backend)
    namespace = {}
    exec(second.code(backend=backend, name="f"), namespace)
    given = module.numpy.asarray(values) if backend == "jax" else values
    given = module.from_numpy(values) if backend == "torch" else given
    np.testing.assert_allclose(np.asarray(namespace["f"](given)), second.dense(), rtol=1e-5)
