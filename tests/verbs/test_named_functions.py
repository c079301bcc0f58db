"""The public functions: that they are NumPy's, what they do at the edges, and registered ones.

NumPy's warnings are errors in these tests (see pyproject.toml), so that a value that is compared
here came without one, unless it is expected.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Callable, Iterator
from itertools import product
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.special
import sympy

import einsdiff as ed
from einsdiff.algebra.nodes.function_records import FUNCTIONS
from einsdiff.algebra.operations.numpy_names import BEYOND_NUMPY, NUMPY
from einsdiff.verbs.named_functions import PUBLIC
from tests.algebra.operations.test_numpy_names import (
    EXPRESSIONS,
    OPERANDS,
    assert_close,
    read,
    tensors,
)

jax.config.update("jax_enable_x64", True)


def derivatives(f: Callable[..., ed.Tensor], *arrays: Any, order: int = 2) -> list[np.ndarray]:
    """Return the value and the derivatives by the first argument."""
    x, *rest = (np.asarray(array, float) for array in arrays)
    t = f(ed.tensor("x", x), *rest)
    return [np.asarray(t), *(np.asarray(ed.grad(t, wrt="x", order=k + 1)) for k in range(order))]


def of_entries(f: Callable[..., ed.Tensor], x: Any, order: int = 2) -> list[np.ndarray]:
    """Return the value and the derivatives of a function of entries, at each entry."""
    x = np.asarray(x, float)
    n = np.arange(x.size)
    found = derivatives(f, x, order=order)
    return [array[(n,) * array.ndim] for array in found]


# --- what there is ----------------------------------------------------------------------------


def test_every_function_is_public():
    names = {path.rpartition(".")[2] for path in {**NUMPY, **BEYOND_NUMPY}}
    renamed = {"absolute": "abs", "amax": "max", "amin": "min", "invert": "logical_not"}
    assert PUBLIC.keys() == {renamed.get(name, name) for name in names} - {"copy"}
    for name, function in PUBLIC.items():
        assert isinstance(function, ed.TensorFunction)
        assert function.__name__ == name
        assert function.__doc__
        assert pickle.loads(pickle.dumps(function)) is function


#: ``ed.equal`` compares expressions, and comparisons of entries are written with NumPy's names.
NOT_OFFERED = {"equal", "not_equal"}


def test_the_package_offers_the_functions_under_their_names():
    offered = PUBLIC.keys() & set(ed.__all__) - NOT_OFFERED
    assert len(offered) > 100
    for name in offered:
        assert getattr(ed, name) is PUBLIC[name]


class Public:
    """The public functions under the names that they have in NumPy."""

    def __getattr__(self, name: str) -> Any:
        if name == "linalg":
            return self
        return PUBLIC.get({"abs": "abs", "mod": "remainder"}.get(name, name)) or getattr(np, name)


@pytest.mark.parametrize(
    "text",
    [
        text
        for name, texts in EXPRESSIONS.items()
        for text in texts
        if name not in ("linalg.trace", "linalg.diagonal")  # not those of numpy.trace
    ],
)
def test_a_public_function_is_that_of_numpy_on_tensors(text):
    operands = tensors(text)
    assert read(text, Public(), operands) == read(text, np, operands)


def test_arrays_and_numbers_are_taken_as_tensors():
    A, x = OPERANDS["A"], OPERANDS["x"]
    assert str(ed.exp(x)) == "f_i = exp(x_i)"
    assert str(ed.tanh(ed.matmul(A, x))) == "f_i = tanh(A_ij x_j)"
    np.testing.assert_allclose(np.asarray(ed.tanh(ed.matmul(A, x))), np.tanh(A @ x))
    assert float(ed.exp(2.0)) == np.exp(2.0)
    assert float(ed.sqrt(4)) == 2
    np.testing.assert_allclose(np.asarray(ed.exp([0.0, 1.0])), np.exp([0.0, 1.0]))
    assert ed.grad(ed.softplus(ed.matmul(A, x)), wrt="A").shape == (2, 2, 3)


def test_a_function_says_how_it_is_differentiated():
    assert repr(ed.tanh) == "tanh(x): y = tanh(x), ∂y/∂x = 1 - y^2"
    assert ed.inv.derivative == ("-y_ik y_lj",)
    assert repr(ed.inv) == "inv(x): y = inv(x), ∂y_ij/∂x_kl = -y_ik y_lj"
    assert ed.mean.derivative is None  # it is made of others
    for function in PUBLIC.values():
        assert repr(function).startswith(function.name)


BEYOND: dict[str, tuple[str, Callable[..., Any]]] = {
    "sigmoid": ("ed.sigmoid(M)", lambda M: scipy.special.expit(M)),
    "softplus": ("ed.softplus(M)", lambda M: np.logaddexp(0, M)),
    "relu": ("ed.relu(M)", lambda M: np.where(M > 0, M, 0)),
    "gelu": ("ed.gelu(M)", lambda M: M * scipy.special.ndtr(M)),
    "erf": ("ed.erf(M)", lambda M: scipy.special.erf(M)),
    "step": ("ed.step(M)", lambda M: 1.0 * (M > 0)),
    "xlogy": ("ed.xlogy(A, c)", lambda A, c: scipy.special.xlogy(A, c)),
    "floordiv": ("ed.floordiv(M, 0.17)", lambda M: M // 0.17),
    "mod": ("ed.mod(M, 0.17)", lambda M: M % 0.17),
    "logdet": ("ed.logdet(Q)", lambda Q: np.linalg.slogdet(Q)[1]),
    "expm": ("ed.expm(Q)", lambda Q: scipy.linalg.expm(Q)),
}
for _axis, _keep in product([None, 0, -1, (0, 2), (2, 0, 1)], [False, True]):
    BEYOND[f"logsumexp over {_axis}{', kept' * _keep}"] = (
        f"ed.logsumexp(T, axis={_axis}, keepdims={_keep})",
        lambda T, a=_axis, k=_keep: scipy.special.logsumexp(T, axis=a, keepdims=k),
    )
for _name, _axis in product(["softmax", "log_softmax"], [None, 0, -1, (0, 2), (2, 0, 1)]):
    BEYOND[f"{_name} over {_axis}"] = (
        f"ed.{_name}(T, axis={_axis})",
        lambda T, n=_name, a=_axis: getattr(scipy.special, n)(T, axis=a),
    )


@pytest.mark.parametrize("case", BEYOND)
def test_functions_that_numpy_lacks_are_those_of_scipy(case):
    text, theirs = BEYOND[case]
    names = [name for name in OPERANDS if re.search(rf"\b{name}\b", text)]
    given = {name: ed.tensor(name, OPERANDS[name]) for name in names}
    f = eval(text, {"ed": SimpleNamespace(**PUBLIC), **given})
    assert_close(f, theirs(*(OPERANDS[name] for name in names)))
    for order, name in product((1, 2), names):
        if f.size * OPERANDS[name].size ** order <= 1e5:
            result = ed.check(f, wrt=name, order=order)
            assert result.ok, str(result)


def test_no_function_that_numpy_lacks_is_missing_here():
    assert {case.split()[0] for case in BEYOND} == BEYOND_NUMPY.keys()
    assert len(BEYOND_NUMPY) == 14


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_a_number_is_refused(name):
    with pytest.raises(ed.OperandError, match="axis"):
        getattr(ed, name)(ed.tensor("s", ()))


# --- kinks, jumps and ties --------------------------------------------------------------------

#: At 0: the value, and the first two derivatives.
AT_ZERO: dict[str, tuple[Callable[..., ed.Tensor], float, float, float]] = {
    "relu": (ed.relu, 0, 0, 0),
    "abs": (ed.abs, 0, 0, 0),
    "sign": (ed.sign, 0, 0, 0),
    "step": (ed.step, 0, 0, 0),
    "floor": (ed.floor, 0, 0, 0),
    "ceil": (ed.ceil, 0, 0, 0),
    "trunc": (ed.trunc, 0, 0, 0),
    "rint": (ed.rint, 0, 0, 0),
    "heaviside with 1/2": (lambda x: ed.heaviside(x, 0.5), 0.5, 0, 0),
    "x > 0": (lambda x: x > 0, 0, 0, 0),
    "x >= 0": (lambda x: x >= 0, 1, 0, 0),
    "maximum(x, 0), which is relu": (lambda x: ed.maximum(x, 0), 0, 0, 0),
    "maximum(0, x)": (lambda x: ed.maximum(0, x), 0, 0, 0),
    "minimum(x, 0), which is -relu(-x)": (lambda x: ed.minimum(x, 0), 0, 0, 0),
    "clip(x, 0, 1)": (lambda x: ed.clip(x, 0, 1), 0, 0, 0),
    "maximum(x + 1, 1)": (lambda x: ed.maximum(x + 1, 1), 1, 0.5, 0),
    "maximum(x, -x)": (lambda x: ed.maximum(x, -x), 0, 0, 0),
    "maximum(x, x)": (lambda x: ed.maximum(x, x), 0, 1, 0),
    "where(x > 0, x, 0)": (lambda x: ed.where(x > 0, x, 0), 0, 0, 0),
    "relu(x)^2": (lambda x: ed.relu(x) ** 2, 0, 0, 0),
    "x |x|": (lambda x: x * ed.abs(x), 0, 0, 0),
    "|x|^2": (lambda x: ed.abs(x) ** 2, 0, 0, 0),
    "x^2": (lambda x: x**2, 0, 0, 2),
    "x^1": (lambda x: x**1, 0, 1, 0),
    "x^0": (lambda x: x**0, 1, 0, 0),
    "x^3": (lambda x: x**3, 0, 0, 0),
    "x^20": (lambda x: x**20, 0, 0, 0),
    "x^2.5": (lambda x: x**2.5, 0, 0, 0),
    "x^2.0": (lambda x: x**2.0, 0, 0, 2),
    "x^1.0": (lambda x: x**1.0, 0, 1, 0),
    "x^0.0": (lambda x: x**0.0, 1, 0, 0),
    "sin(x)/1": (ed.sin, 0, 1, 0),
    "xlogy(x^2, 1)": (lambda x: ed.xlogy(x**2, 1), 0, 0, 0),
    "logaddexp(x, 0)": (lambda x: ed.logaddexp(x, 0), np.log(2), 0.5, 0.25),
}


@pytest.mark.parametrize("case", AT_ZERO)
def test_value_and_derivatives_at_zero(case):
    f, *expected = AT_ZERO[case]
    np.testing.assert_allclose(np.ravel(of_entries(f, [0.0])), expected, rtol=1e-15)


def test_the_derivative_of_relu_at_zero_is_zero_as_in_jax():
    (_, ours, _), theirs = of_entries(ed.relu, [0.0]), jax.grad(jax.nn.relu)(0.0)
    assert ours == theirs == 0


def test_the_derivatives_of_powers_at_zero_whose_exponents_are_an_array_are_those_of_jax():
    n = np.array([0.0, 1.0, 2.0, 3.0])
    f, first, second = of_entries(lambda x: ed.power(x, n), np.zeros(4))
    np.testing.assert_array_equal(f, [1, 0, 0, 0])
    theirs = [
        jax.vmap(d)(np.zeros(4), n) for d in (jax.grad(jnp.power), jax.grad(jax.grad(jnp.power)))
    ]
    # 0 times infinity is nan there, and x^0 is 1 for all x, whose derivative is 0.
    np.testing.assert_array_equal(first, np.nan_to_num(theirs[0]))
    np.testing.assert_array_equal(second, np.nan_to_num(theirs[1]))
    np.testing.assert_array_equal(first, [0, 1, 0, 0])
    np.testing.assert_array_equal(second, [0, 0, 2, 0])


def test_the_derivative_by_an_exponent_where_the_base_is_zero_is_zero():
    n = ed.tensor("n", np.array([1.0, 2.0, 0.5]))
    J = ed.grad(ed.power(np.zeros(3), n), wrt="n")
    np.testing.assert_array_equal(np.asarray(J), np.zeros((3, 3)))


#: At 0 the derivative is infinite, and NumPy warns of the division.
INFINITE = {
    "x^0.5": (lambda x: x**0.5, 0, np.inf),
    "sqrt": (ed.sqrt, 0, np.inf),
    "x^-1": (lambda x: x**-1, np.inf, -np.inf),
    "1/x": (lambda x: 1 / x, np.inf, -np.inf),
    "reciprocal": (ed.reciprocal, np.inf, -np.inf),
    "cbrt": (ed.cbrt, 0, np.inf),
    "log": (ed.log, -np.inf, np.inf),
    "x^-2": (lambda x: x**-2, np.inf, -np.inf),
}


@pytest.mark.parametrize("case", INFINITE)
def test_an_infinite_derivative_is_infinite_and_numpy_warns(case):
    f, value, slope = INFINITE[case]
    x = ed.tensor("x", np.array([0.0]))
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        J = np.asarray(ed.grad(f(x), wrt="x"))
    assert J.item() == slope
    with np.errstate(divide="ignore"):
        assert np.asarray(f(x)) == value


TIES: dict[str, tuple[Callable[..., ed.Tensor], Any, Any]] = {
    "max of two that are largest": (np.max, [3.0, 1, 3], [0.5, 0, 0.5]),
    "max of equal ones": (np.max, np.ones(4), np.full(4, 0.25)),
    "min of two that are smallest": (np.min, [1.0, 3, 1], [0.5, 0, 0.5]),
    "max over two axes": (np.max, [[2.0, 2], [2, 0]], [[1 / 3, 1 / 3], [1 / 3, 0]]),
    "max over two axes, named in another order": (
        lambda x: np.max(x, axis=(1, 0)),
        [[2.0, 2], [2, 0]],
        [[1 / 3, 1 / 3], [1 / 3, 0]],
    ),
    "min over two axes": (np.min, [[2.0, 0], [0, 0]], [[0, 1 / 3], [1 / 3, 1 / 3]]),
    "the range of equal ones": (np.ptp, np.ones(3), np.zeros(3)),
    "the largest absolute value": (
        lambda x: np.linalg.norm(x, np.inf),
        [-2.0, 1, 2],
        [-0.5, 0, 0.5],
    ),
    "the largest row sum": (
        lambda A: np.linalg.norm(A, np.inf),
        [[1.0, 2], [2, 1]],
        [[0.5, 0.5], [0.5, 0.5]],
    ),
    "max of a reversed tensor": (lambda x: x[::-1].max(), [3.0, 1, 3], [0.5, 0, 0.5]),
    "max of a transpose": (lambda A: A.T.max(), [[3.0, 1], [0, 3]], [[0.5, 0], [0, 0.5]]),
    "infinities that tie": (np.max, [np.inf, 1, np.inf], [0.5, 0, 0.5]),
}


@pytest.mark.parametrize("case", TIES)
def test_ties_share_equally_and_the_second_derivative_is_zero(case):
    f, x, expected = TIES[case]
    _, first, second = derivatives(f, x)
    np.testing.assert_allclose(first, expected, rtol=1e-15)
    np.testing.assert_array_equal(second, 0)


@pytest.mark.parametrize("axis", [0, 1, -1, (0, 2), (2, 0), (0, 1, 2)], ids=str)
@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_share_equally_over_any_axes(name, axis):
    x = np.random.default_rng(1).integers(0, 3, (3, 4, 2)).astype(float)
    f = getattr(np, name)(ed.tensor("x", x), axis=axis)
    chosen = x == getattr(np, name)(x, axis=axis, keepdims=True)
    expected = chosen / chosen.sum(axis=axis, keepdims=True)
    np.testing.assert_allclose(np.asarray(ed.grad(f.sum(), wrt="x")), expected, rtol=1e-15)
    assert np.count_nonzero(np.asarray(ed.grad(f, wrt="x"))) == np.count_nonzero(chosen)


def test_ties_are_those_of_jax():
    x = np.array([[3.0, 1, 3], [2, 2, 2]])
    _, first = derivatives(lambda x: np.max(x, axis=1), x, order=1)
    np.testing.assert_allclose(first, jax.jacrev(lambda x: jnp.max(x, axis=1))(x), rtol=1e-15)


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin"])
def test_two_equal_numbers_share_the_derivative_of_the_larger(name):
    a, b = ed.tensors(a=np.array([1.0, 2, 3]), b=np.array([1.0, 3, 2]))
    larger = [0.5, 0, 1] if name.endswith("x") or name == "maximum" else [0.5, 1, 0]
    f = getattr(np, name)(a, b)
    for by, expected in (("a", np.array(larger)), ("b", 1 - np.array(larger))):
        np.testing.assert_array_equal(np.asarray(ed.grad(f, wrt=by)), np.diag(expected))
        np.testing.assert_array_equal(np.asarray(ed.grad(f, wrt=by, order=2)), 0)


@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "rint", "sign", "step"])
def test_the_derivative_of_a_step_function_is_zero_everywhere(name):
    x = np.array([-1.5, -1.0, -0.5, 0.0, 0.3, 0.5, 2.0, 1e300, np.inf])
    J = ed.grad(getattr(ed, name)(ed.tensor("x", x)), wrt="x")
    assert str(J).endswith("= 0")
    np.testing.assert_array_equal(np.asarray(J), np.zeros((9, 9)))


# --- large arguments --------------------------------------------------------------------------

FAR = [-1e4, -1000.0, -745.0, -40.0, -20.0, 0.0, 20.0, 40.0, 745.0, 1000.0, 1e4]
LARGE: dict[str, tuple[Callable[..., ed.Tensor], Callable[..., Any]]] = {
    "sigmoid": (ed.sigmoid, lambda x: 1 / (1 + mpmath.exp(-x))),
    "softplus": (ed.softplus, lambda x: mpmath.log(1 + mpmath.exp(x))),
    "tanh": (ed.tanh, mpmath.tanh),
    "erf": (ed.erf, mpmath.erf),
    "gelu": (ed.gelu, lambda x: x * (1 + mpmath.erf(x / mpmath.sqrt(2))) / 2),
    "logaddexp(x, 0)": (lambda x: ed.logaddexp(x, 0), lambda x: mpmath.log(1 + mpmath.exp(x))),
    "logaddexp(0, -x)": (lambda x: ed.logaddexp(0, -x), lambda x: mpmath.log(1 + mpmath.exp(-x))),
    "arctan": (ed.arctan, mpmath.atan),
    "exp(-x^2)": (lambda x: ed.exp(-(x**2)), lambda x: mpmath.exp(-(x**2))),
    "log1p(exp(-|x|))": (
        lambda x: ed.log1p(ed.exp(-ed.abs(x))),
        lambda x: mpmath.log(1 + mpmath.exp(-abs(x))),
    ),
}


@pytest.mark.parametrize("case", LARGE)
def test_values_and_derivatives_are_finite_and_right_far_from_zero(case):
    ours, theirs = LARGE[case]
    kink = "|x|" in case
    points = FAR
    found = of_entries(ours, points)
    with mpmath.workdps(60):
        expected = [[float(theirs(mpmath.mpf(x))) for x in points]]
        for order in (1, 2):
            h = mpmath.mpf(10) ** -12
            slopes = []
            for x in map(mpmath.mpf, points):
                mpmath.mp.dps = 60 + max(0, int(mpmath.log10(abs(x) + 1)))
                ends = [theirs(x + k * h) for k in (-1, 0, 1)]
                if order == 1:
                    slopes.append(float((ends[2] - ends[0]) / (2 * h)))
                else:
                    slopes.append(float((ends[2] - 2 * ends[1] + ends[0]) / h**2))
            expected.append(slopes)
    for k, (ours_k, theirs_k) in enumerate(zip(found, expected, strict=True)):
        assert np.all(np.isfinite(ours_k))
        away = np.array(points) != 0 if kink and k else slice(None)
        np.testing.assert_allclose(ours_k[away], np.array(theirs_k)[away], rtol=1e-12, atol=1e-15)


ROWS = [
    [1000.0, 0.0, -1000.0],
    [1000.0, 1000.0, 999.0],
    [-1000.0, -1000.0, -1001.0],
    [1e300, -1e300, 0.0],
    [-745.0, 0.0, 745.0],
    [1e-300, 0.0, -1e-300],
    [700.0, 710.0, 720.0],
]


@pytest.mark.parametrize("x", ROWS, ids=str)
@pytest.mark.parametrize("name", ["logsumexp", "softmax", "log_softmax"])
def test_normalised_exponentials_are_finite_and_right_far_from_zero(name, x):
    function = getattr(ed, name)
    found = derivatives(lambda x: function(x, axis=0), x)
    with mpmath.workdps(50):
        top = max(x)
        exps = [mpmath.exp(mpmath.mpf(v) - top) for v in x]
        p = [e / sum(exps) for e in exps]
        value = mpmath.log(sum(exps)) + top
        one = [[mpmath.mpf(i == j) for j in range(3)] for i in range(3)]
        slope = [[p[i] * (one[i][j] - p[j]) for j in range(3)] for i in range(3)]
        r = range(3)
        if name == "logsumexp":
            expected = [value, p, slope]
        elif name == "log_softmax":
            expected = [
                [v - value for v in x],
                [[one[i][j] - p[j] for j in r] for i in r],
                [[[-slope[j][k] for k in r] for j in r] for i in r],
            ]
        else:
            curve = [
                [[slope[i][k] * (one[i][j] - p[j]) - p[i] * slope[j][k] for k in r] for j in r]
                for i in r
            ]
            expected = [p, slope, curve]
        expected = [np.array(array, object).astype(float) for array in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert np.all(np.isfinite(ours))
        # The logarithm of the sum has 16 digits, so that its exponential has as many less as it
        # is large.
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_logaddexp_of_two_large_numbers_and_its_mixed_derivatives():
    for value in (1000.0, -1000.0):
        a, b = ed.tensors(a=np.array(value), b=np.array(value))
        f = ed.logaddexp(a, b)
        assert float(f) == value + np.log(2)
        first = [float(d) for d in ed.grad(f, wrt=("a", "b"))]
        second = [[float(d) for d in row] for row in ed.hessian(f, wrt=("a", "b"))]
        np.testing.assert_allclose(first, [0.5, 0.5], rtol=1e-12)
        np.testing.assert_allclose(second, [[0.25, -0.25], [-0.25, 0.25]], rtol=1e-12)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_an_entry_that_is_masked_by_minus_infinity_has_no_weight(name):
    x = np.array([0.5, -np.inf, 1.5])
    value, first, second = derivatives(lambda x: getattr(ed, name)(x, axis=0), x)
    short, short_first, short_second = derivatives(
        lambda x: getattr(ed, name)(x, axis=0), x[[0, 2]]
    )
    keep = [0, 2]
    if name == "logsumexp":
        assert value == short
        np.testing.assert_allclose(first[keep], short_first)
        np.testing.assert_allclose(second[np.ix_(keep, keep)], short_second)
        assert first[1] == 0
    else:
        np.testing.assert_allclose(value[keep], short)
        np.testing.assert_allclose(first[np.ix_(keep, keep)], short_first)
        np.testing.assert_allclose(second[np.ix_(keep, keep, keep)], short_second)
        np.testing.assert_array_equal(first[keep, 1], 0)
    assert not np.any(np.isnan(first))
    assert not np.any(np.isnan(second))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("sigmoid", [0, 1]), ("tanh", [-1, 1]), ("erf", [-1, 1]), ("softplus", [0, np.inf]),
     ("relu", [0, np.inf]), ("exp", [0, np.inf]), ("arctan", [-np.pi / 2, np.pi / 2])],
)  # fmt: skip
def test_limits_at_infinity(name, expected):
    value, first = of_entries(getattr(ed, name), [-np.inf, np.inf], order=1)
    np.testing.assert_array_equal(value, expected)
    slopes = {"softplus": [0, 1], "relu": [0, 1], "exp": [0, np.inf]}.get(name, [0, 0])
    np.testing.assert_array_equal(first, slopes)


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "tanh", "gelu", "erf"])
def test_single_precision_is_stable_as_well(name):
    x = ed.tensor("x", np.array([-1000, -100, 0, 100, 1000], "f4"))
    for order in (1, 2):
        J = np.asarray(ed.grad(getattr(ed, name)(x), wrt="x", order=order))
        assert J.dtype == np.float32
        assert np.all(np.isfinite(J))


@pytest.mark.parametrize("name", ["exp", "sinh", "cosh", "expm1", "square"])
def test_an_overflow_is_infinity_and_numpy_warns(name):
    x = np.array([1e200 if name == "square" else 1000.0])
    with pytest.warns(RuntimeWarning, match="overflow"):
        value = np.asarray(getattr(ed, name)(ed.tensor("x", x)))
    assert value == np.inf


# --- outside of the domain --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "x"),
    [("log", -1.0), ("log2", -1.0), ("log10", -2.0), ("log1p", -2.0), ("sqrt", -1.0),
     ("arcsin", 2.0), ("arccos", -2.0), ("arccosh", 0.5), ("arctanh", 2.0)],
)  # fmt: skip
def test_outside_of_the_domain_numpy_warns_and_gives_nan(name, x):
    t = getattr(ed, name)(ed.tensor("x", np.array([x, 0.9 if name != "arccosh" else 1.5])))
    with pytest.warns(RuntimeWarning, match="invalid value"):
        value = np.asarray(t)
    assert np.isnan(value[0])
    assert np.isfinite(value[1])


@pytest.mark.parametrize("name", ["log", "log2", "log10"])
def test_the_logarithm_of_zero_is_minus_infinity_and_numpy_warns(name):
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert np.asarray(getattr(ed, name)(ed.tensor("x", np.array(0.0)))) == -np.inf


SMOOTH = [
    name
    for name, entry in FUNCTIONS.items()
    if entry.is_elementwise and name in PUBLIC and len(entry.arguments) == 1
]


@pytest.mark.parametrize("name", SMOOTH)
def test_nan_in_is_nan_out_in_value_and_derivatives(name):
    zero = name in ("floor", "ceil", "trunc", "rint", "sign", "relu")
    t = getattr(ed, name)(ed.tensor("x", np.array(np.nan)))
    assert np.isnan(np.asarray(t))
    for order in (1, 2):
        result = np.asarray(ed.grad(t, wrt="x", order=order))
        assert np.isnan(result) or zero or (name == "abs" and order == 2)


@pytest.mark.parametrize("name", ["power", "maximum", "minimum", "arctan2", "hypot", "logaddexp"])
def test_nan_in_one_of_two_is_nan_out(name):
    a, b = np.array([np.nan, 2.0]), np.array([2.0, np.nan])
    t = getattr(ed, name)(ed.tensor("a", a), ed.tensor("b", b))
    with np.errstate(invalid="ignore"):  # NumPy warns of the logaddexp of nan
        assert np.all(np.isnan(np.asarray(t)))


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod", "logsumexp", "var", "norm"])
def test_nan_in_a_reduction_is_nan_out(name):
    x = ed.tensor("x", np.array([1.0, np.nan, 2.0]))
    assert np.isnan(float(getattr(ed, name)(x)))


def test_a_logarithm_of_zero_weight_is_zero():
    a, b = ed.tensors(a=np.array([0.0, 0.0, 2.0]), b=np.array([0.0, 3.0, 3.0]))
    f = ed.xlogy(a, b)
    np.testing.assert_allclose(np.asarray(f), [0, 0, 2 * np.log(3)])


# --- complex arguments ------------------------------------------------------------------------

REAL_ONLY = [
    name
    for name, entry in FUNCTIONS.items()
    if name in PUBLIC and not entry.is_analytic and not callable(entry.implementation)
]


@pytest.mark.parametrize("name", REAL_ONLY)
def test_a_function_of_real_numbers_refuses_complex_ones_by_name(name):
    entry = FUNCTIONS[name]
    z = np.eye(2) * (2 + 1j)
    t = PUBLIC[name](*(ed.tensor(f"z{k}", z) for k in range(len(entry.arguments))))
    with pytest.raises(ed.OperandError, match=f"'{name}' is a function of real numbers") as caught:
        np.asarray(t)
    assert str(t) in str(caught.value)


@pytest.mark.parametrize("name", ["relu", "abs", "maximum", "hypot", "logaddexp", "cbrt", "max"])
def test_its_derivative_refuses_complex_numbers_as_well(name):
    z = np.array([2 + 1j, 3.0])
    t = PUBLIC[name](*(ed.tensor(f"z{k}", z) for k in range(len(FUNCTIONS[name].arguments))))
    with pytest.raises(ed.OperandError, match="is a function of real numbers"):
        np.asarray(ed.grad(t, wrt="z0"))


def test_the_functions_of_real_numbers_are_these():
    assert {"abs", "sign", "relu", "max", "min", "maximum", "floor", "cbrt"} <= set(REAL_ONLY)
    assert not {"exp", "log", "inv", "det", "solve", "softmax", "erf", "prod"} & set(REAL_ONLY)


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "erf", "gelu", "logsumexp", "softmax"])
def test_an_analytic_function_takes_complex_numbers(name):
    z = np.array([0.3 + 0.2j, -0.4 + 0.1j, 0.2 - 0.3j])
    f = getattr(ed, name)
    t = f(ed.tensor("z", z))
    h = 1e-6
    J = np.asarray(ed.grad(t, wrt="z"))
    for k, direction in product(range(3), (1, 1j)):
        moved = [
            np.asarray(f(ed.tensor("z", z + s * h * direction * np.eye(3)[k]))) for s in (1, -1)
        ]
        estimate = (moved[0] - moved[1]) / (2 * h * direction)
        np.testing.assert_allclose(J[..., k], estimate, atol=1e-8)


# --- matrices ---------------------------------------------------------------------------------

SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])
NOT_INVERTIBLE: dict[str, tuple[Callable[..., Any], str]] = {
    "inv": (lambda A: ed.inv(A), "f_ij = inv(A"),
    "solve": (lambda A: ed.solve(A, np.ones(2)), "solve(A"),
    "the derivative of inv": (lambda A: ed.grad(ed.inv(A), wrt="A"), "∂f_ij/∂A_pq = -inv(A"),
    "the derivative of logdet": (lambda A: ed.grad(ed.logdet(A), wrt="A"), "∂f/∂A_pq = inv(A"),
    "matrix_power": (lambda A: ed.matrix_power(A, -1), "inv(A"),
    "one of a batch": (lambda A: ed.inv(ed.stack([A + np.eye(2), A])), "inv("),
}


@pytest.mark.parametrize("case", NOT_INVERTIBLE)
def test_a_singular_matrix_is_an_error_of_numpy_with_the_formula_in_a_note(case):
    make, text = NOT_INVERTIBLE[case]
    t = make(ed.tensor("A", SINGULAR))
    with pytest.raises(np.linalg.LinAlgError, match=r"[Ss]ingular") as caught:
        np.asarray(t)
    (note,) = caught.value.__notes__
    assert note.startswith("while computing ")
    assert text in note


def test_a_matrix_that_is_not_positive_is_an_error_of_numpy_with_the_formula_in_a_note():
    t = ed.cholesky(ed.tensor("A", -np.eye(2)))
    with pytest.raises(np.linalg.LinAlgError, match="positive definite") as caught:
        np.asarray(t)
    assert "cholesky(A" in caught.value.__notes__[0]


def test_the_determinant_of_a_singular_matrix_is_zero():
    A = ed.tensor("A", SINGULAR)
    assert abs(float(ed.det(A))) < 1e-15
    with np.errstate(divide="ignore"):
        assert float(ed.logdet(ed.tensor("Z", np.zeros((2, 2))))) == -np.inf


def test_logdet_is_of_the_absolute_value_and_its_sign_has_no_derivative():
    A = np.array([[0.0, 2.0], [3.0, 0.0]])
    sign, logdet = ed.slogdet(ed.tensor("A", A))
    assert (float(sign), float(logdet)) == (-1, pytest.approx(np.log(6)))
    np.testing.assert_allclose(np.asarray(ed.grad(logdet, wrt="A")), np.linalg.inv(A).T)
    np.testing.assert_array_equal(np.asarray(ed.grad(sign, wrt="A")), 0)


def test_functions_of_symmetric_matrices_are_those_of_the_symmetric_part():
    A = np.array([[2.0, 1.0], [0.0, 3.0]])
    part = (A + A.T) / 2
    t = ed.tensor("A", A)
    np.testing.assert_allclose(np.asarray(ed.eigvalsh(t)), np.linalg.eigvalsh(part))
    np.testing.assert_allclose(np.asarray(ed.cholesky(t)), np.linalg.cholesky(part))
    for f in (ed.eigvalsh(t), ed.cholesky(t), ed.eigh(t).eigenvectors):
        J = np.asarray(ed.grad(f, wrt="A"))
        np.testing.assert_allclose(J, np.swapaxes(J, -1, -2), atol=1e-14)


def test_the_gradient_of_a_function_of_equal_eigenvalues_is_that_of_the_trace():
    f = ed.eigvalsh(ed.tensor("A", np.eye(3))).sum()
    np.testing.assert_allclose(np.asarray(ed.grad(f, wrt="A")), np.eye(3), atol=1e-14)


def test_the_derivative_of_the_norm_at_zero_is_nan_as_in_jax():
    x = np.zeros(3)
    theirs = jax.grad(jnp.linalg.norm)(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        value, ours = derivatives(np.linalg.norm, x, order=1)
    assert value == 0
    np.testing.assert_array_equal(ours, theirs)
    assert np.all(np.isnan(ours))


@pytest.mark.parametrize("order", [1, np.inf])
def test_the_derivative_of_other_norms_at_zero_is_zero(order):
    value, first = derivatives(lambda x: np.linalg.norm(x, order), np.zeros(3), order=1)
    assert value == 0
    np.testing.assert_array_equal(first, 0)


# --- products with zeros ----------------------------------------------------------------------

ZEROS = [[2.0, 3, 5, 7], [0.0, 3, 5, 7], [0.0, 3, 0, 7], [0.0, 0, 0, 7], [0.0, 0, 0, 0]]


@pytest.mark.parametrize("x", ZEROS, ids=str)
@pytest.mark.parametrize("shape", [(4,), (2, 2)], ids=str)
def test_three_derivatives_of_a_product_with_zeros(x, shape):
    letters = sympy.symbols("a:4")
    values = dict(zip(letters, x, strict=True))
    found = derivatives(np.prod, np.reshape(x, shape), order=3)
    for order, ours in enumerate(found):
        expected = np.empty((4,) * order)
        for at in product(range(4), repeat=order):
            polynomial = sympy.prod(letters)
            for k in at:
                polynomial = sympy.diff(polynomial, letters[k])
            expected[at] = polynomial.subs(values)
        np.testing.assert_array_equal(ours, expected.reshape(shape * order))


def test_three_derivatives_of_products_along_an_axis_with_zeros():
    x = np.array([ZEROS[0], ZEROS[1], ZEROS[2], ZEROS[3]])
    found = derivatives(lambda x: np.prod(x, axis=1), x, order=2)
    theirs = [
        np.prod(x, axis=1),
        jax.jacfwd(lambda x: jnp.prod(x, axis=1))(x),
        jax.jacfwd(jax.jacfwd(lambda x: jnp.prod(x, axis=1)))(x),
    ]
    for ours, expected in zip(found, theirs, strict=True):
        np.testing.assert_allclose(ours, expected)


def test_many_derivatives_of_a_product_and_no_more():
    t = ed.prod(ed.tensor("x", np.array([2.0, 3.0])))
    for order in range(1, 9):
        t = ed.grad(t, wrt="x")
        assert np.asarray(t).shape == (2,) * order
        if order > 2:
            np.testing.assert_array_equal(np.asarray(t), 0)
    with pytest.raises(ed.EinsdiffError):
        np.asarray(ed.grad(t, wrt="x"))


def test_the_product_of_nothing_is_one():
    value, first, second = derivatives(np.prod, np.ones(0))
    assert value == 1
    assert (first.shape, second.shape) == ((0,), (0, 0))


# --- empty arrays -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)], ids=str)
@pytest.mark.parametrize("name", SMOOTH)
def test_functions_of_no_entries(name, shape):
    t = getattr(ed, name)(ed.tensor("x", np.ones(shape)))
    assert np.asarray(t).shape == shape
    assert np.asarray(ed.grad(t, wrt="x")).shape == shape * 2
    assert np.asarray(ed.grad(t, wrt="x", order=2)).shape == shape * 3


@pytest.mark.parametrize("name", ["inv", "expm", "pinv", "cholesky"])
def test_functions_of_an_empty_matrix(name):
    t = getattr(ed, name)(ed.tensor("A", np.ones((0, 0))))
    assert np.asarray(t).shape == (0, 0)
    assert np.asarray(ed.grad(t, wrt="A")).shape == (0, 0, 0, 0)
    assert float(ed.det(ed.tensor("A", np.ones((0, 0))))) == 1
    assert np.asarray(ed.inv(ed.tensor("A", np.ones((0, 2, 2))))).shape == (0, 2, 2)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "cumsum"])
def test_functions_that_keep_an_empty_axis(name):
    for shape, axis in (((0,), 0), ((0, 3), 1), ((0, 3), 0), ((2, 0), 1)):
        t = getattr(ed, name)(ed.tensor("x", np.ones(shape)), axis=axis)
        assert np.asarray(t).shape == shape
        assert np.asarray(ed.grad(t, wrt="x")).shape == shape * 2


def test_logsumexp_of_nothing_is_minus_infinity_as_in_scipy():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        t = ed.logsumexp(ed.tensor("x", np.ones((2, 0))), axis=1)
        np.testing.assert_array_equal(np.asarray(t), [-np.inf, -np.inf])


# --- registered functions ---------------------------------------------------------------------


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    """Leave the table as it was."""
    before = dict(FUNCTIONS)
    yield
    FUNCTIONS.clear()
    FUNCTIONS.update(before)


def swish() -> Any:
    return ed.register("swish", lambda x: x / (1 + np.exp(-x)), "sigmoid(x) + y sigmoid(-x)")


def test_a_registered_function_is_like_one_of_the_table():
    f = swish()
    x = np.array([[-2.0, -0.5, 0.3], [1.0, 2.0, 3.0]])
    t = f(ed.tensor("x", x))
    assert isinstance(f, ed.TensorFunction)
    assert str(t) == "f_ij = swish(x_ij)"
    theirs: Any = jax.nn.swish
    np.testing.assert_allclose(np.asarray(t), theirs(x))
    for order in (1, 2, 3):
        theirs = jax.jacfwd(theirs)
        J = ed.grad(t, wrt="x", order=order)
        np.testing.assert_allclose(np.asarray(J), theirs(x), atol=1e-14)
        if order < 3:
            assert ed.parse(str(J), x=(2, 3)) == J
    assert ed.check(t, wrt="x", order=2).ok
    assert ed.parse("swish(x_ij)", x=x) == t
    assert ed.parse("f_i = swish(A_ij x_j)", A=(2, 3)).shape == (2,)


@pytest.mark.parametrize("name", ["tanh", "gelu", "sigmoid", "softplus", "arctan", "erf"])
def test_the_third_derivative_is_read_as_it_is_printed(name):
    J = ed.grad(PUBLIC[name](ed.tensor("x", (2, 3))), wrt="x", order=3)
    assert ed.parse(str(J), x=(2, 3)) == J


def test_the_third_derivative_of_a_registered_function_is_read_as_it_is_printed():
    J = ed.grad(swish()(ed.tensor("x", (2, 3))), wrt="x", order=3)
    assert ed.parse(str(J), x=(2, 3)) == J


def test_a_registered_function_keeps_single_precision_and_takes_empty_arrays():
    f = swish()
    for dtype in ("f4", "f8"):
        t = f(ed.tensor("x", np.ones(3, dtype)))
        assert np.asarray(t).dtype == dtype
        assert np.asarray(ed.grad(t, wrt="x")).dtype == dtype
    assert np.asarray(ed.grad(f(ed.tensor("x", np.ones(0))), wrt="x")).shape == (0, 0)


def test_a_registered_function_broadcasts_its_arguments():
    f = ed.register(
        "huber",
        lambda a, b: np.where(np.abs(a) <= b, a**2 / 2, b * (np.abs(a) - b / 2)),
        ("minimum(maximum(a, -b), b)", "relu(abs(a) - b)"),
        signature="(),()->()",
    )
    a, b = np.array([[-3.0], [0.3]]), np.array([1.0, 2.0, 4.0])
    t = f(ed.tensor("a", a), ed.tensor("b", b))
    assert t.shape == (2, 3)
    for name in "ab":
        result = ed.check(t, wrt=name)
        assert result.ok, str(result)
    assert float(f(2.0, 1.0)) == 1.5
    assert str(f(ed.tensor("a", "n"), 1)) == "f_i = huber(a_i, 1)"


def test_a_registered_function_of_three_arguments():
    f = ed.register("fma", lambda a, b, c: a * b + c, ("b", "a", "1"), signature="(),(),()->()")
    a, b, c = (ed.tensor(n, np.arange(3.0) + k) for k, n in enumerate("abc"))
    for name in "abc":
        assert ed.check(f(a, b, c), wrt=name, order=1).ok
    np.testing.assert_array_equal(np.asarray(f(a, b, c)), [2, 5, 10])


SIGNATURES: dict[str, tuple[dict[str, Any], dict[str, tuple[int, ...]], Callable[..., Any]]] = {
    "(n)->()": (
        {
            "function": lambda x: np.log(np.mean(np.exp(x), axis=-1)),
            "derivative": "exp(x_i) / (Σ_j exp(x_j))",
        },
        {"x": (3,)},
        lambda x: jnp.log(jnp.mean(jnp.exp(x))),
    ),
    "(n)->(n)": (
        {"function": lambda x: x - np.mean(x, axis=-1, keepdims=True), "derivative": "δ_ij - 1/3"},
        {"x": (3,)},
        lambda x: x - jnp.mean(x),
    ),
    "(n,n)->()": (
        {"function": lambda x: np.trace(x @ x, axis1=-1, axis2=-2), "derivative": "2 x_ji"},
        {"x": (3, 3)},
        lambda x: jnp.trace(x @ x),
    ),
    "(m,n)->(n,m)": (
        {"function": lambda x: 2 * np.swapaxes(x, -1, -2), "derivative": "2 δ_il δ_jk"},
        {"x": (2, 3)},
        lambda x: 2 * x.T,
    ),
    "(n,n),(n)->()": (
        {
            "function": lambda A, b: np.einsum("...i,...ij,...j->...", b, A, b),
            "derivative": ("b_i b_j", "A_ij b_j + A_ji b_j"),
            "arguments": ("A", "b"),
        },
        {"A": (3, 3), "b": (3,)},
        lambda A, b: b @ A @ b,
    ),
    "(n),(n)->(n,n)": (
        {
            "function": lambda a, b: a[..., :, None] * b[..., None, :],
            "derivative": ("δ_ik b_j", "a_i δ_jk"),
        },
        {"a": (3,), "b": (3,)},
        jnp.outer,
    ),
}


@pytest.mark.parametrize("batch", [(), (2,), (2, 2)], ids=["single", "batch", "two axes"])
@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_registered_function_of_axes(signature, batch):
    given, shapes, theirs = SIGNATURES[signature]
    name = f"mine{list(SIGNATURES).index(signature)}"
    f = ed.register(name, **given, signature=signature)
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=(*batch, *shape)) for name, shape in shapes.items()}
    t = f(*(ed.tensor(name, array) for name, array in arrays.items()))
    batched = theirs
    for _ in batch:
        batched = jax.vmap(batched)
    np.testing.assert_allclose(np.asarray(t), batched(*arrays.values()), rtol=1e-12)
    first = jax.jacfwd(batched, argnums=tuple(range(len(arrays))))
    for name, J, expected in zip(
        arrays, ed.grad(t, wrt=tuple(arrays)), first(*arrays.values()), strict=True
    ):
        np.testing.assert_allclose(np.asarray(J), expected, atol=1e-12)
        assert ed.check(t, wrt=name, order=2).ok
        stands = {n: a.shape for n, a in arrays.items() if re.search(rf"\b{n}_|∂{n}", str(J))}
        assert ed.parse(str(J), **stands) == J
    assert ed.parse(str(t), **{n: array.shape for n, array in arrays.items()}) == t


def test_a_wrong_derivative_is_found_by_check():
    f = ed.register("wrong", np.sin, "-cos(x)")
    result = ed.check(f(ed.tensor("x", np.array([0.1, 0.2]))), wrt="x")
    assert not result
    assert "DIFFERS" in str(result)


def test_a_function_is_registered_again_in_place_of_the_first():
    first = ed.register("again", np.sin, "cos(x)")
    before = ed.parse("again(x_i)", x=(2,))
    second = ed.register("again", np.cos, "-sin(x)")
    after = ed.parse("again(x_i)", x=(2,))
    x = np.array([0.1, 0.2])
    np.testing.assert_array_equal(before(x=x), np.sin(x))
    np.testing.assert_array_equal(after(x=x), np.cos(x))
    np.testing.assert_array_equal(np.asarray(first(x)), np.sin(x))
    np.testing.assert_array_equal(np.asarray(second(x)), np.cos(x))
    np.testing.assert_allclose(np.diag(ed.grad(after, wrt="x")(x=x)), -np.sin(x))


def test_a_registered_function_refuses_complex_numbers_unless_it_says_otherwise():
    z = np.array([1 + 1j])
    plain = ed.register("plain", np.sin, "cos(x)")
    with pytest.raises(ed.OperandError, match="'plain' is a function of real numbers"):
        np.asarray(plain(ed.tensor("z", z)))
    analytic = ed.register("analytic", np.sin, "cos(x)", is_analytic=True)
    np.testing.assert_allclose(np.asarray(analytic(ed.tensor("z", z))), np.sin(z))
    assert ed.check(analytic(ed.tensor("x", np.ones(2))), wrt="x").method == "complex step"


NO_FUNCTION: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "the name of a function of the table": ({"name": "exp"}, ed.OperandError, "already"),
    "the name of a family": ({"name": "solve"}, ed.OperandError, "already"),
    "the name of a derivative": ({"name": "others2"}, ed.OperandError, "already"),
    "the name of a power": ({"name": "sqrt"}, ed.OperandError, "already"),
    "a keyword": ({"name": "lambda"}, ed.OperandError, "cannot be a function's name"),
    "a space": ({"name": "my f"}, ed.OperandError, "cannot be a function's name"),
    "an underscore": ({"name": "my_f"}, ed.OperandError, "cannot be a function's name"),
    "NumPy's name": ({"name": "np"}, ed.OperandError, "cannot be a function's name"),
    "no name": ({"name": ""}, ed.OperandError, "cannot be a function's name"),
    "a derivative too many": (
        {"derivative": ("1", "2")},
        ed.OperandError,
        "1 arguments?, and there are 2 derivatives",
    ),
    "a derivative too few": (
        {"derivative": "1", "signature": "(),()->()"},
        ed.OperandError,
        "2 arguments, and there are 1 derivatives",
    ),
    "names of arguments too many": (
        {"arguments": ("a", "b")},
        ed.OperandError,
        "2 names of arguments",
    ),
    "a signature that cannot be read": ({"signature": "n->n"}, ed.OperandError, "is no signature"),
    "a derivative that cannot be read": ({"derivative": "1 +"}, ed.SubscriptsError, ""),
    "an open bracket": ({"derivative": "sin(x"}, ed.SubscriptsError, ""),
    "an unknown name": ({"derivative": "z x"}, ed.EinsdiffError, "z"),
    "an unknown function": ({"derivative": "snark(x)"}, ed.EinsdiffError, "snark"),
    "a label too many": ({"derivative": "x_i"}, ed.EinsdiffError, "x"),
    "a label that is no axis": (
        {"derivative": "x_k", "signature": "(n)->()"},
        ed.EinsdiffError,
        "k",
    ),
    "no function at all": ({"function": "sin"}, ed.OperandError, "callable|function"),
    "a ligature, which Python reads as two letters": (
        {"name": "ﬁ"},
        ed.OperandError,
        "cannot be a function's name",
    ),
    "a name that is no text": ({"name": 3}, ed.OperandError, "cannot be a function's name"),
    "an argument of two words": ({"arguments": ["a b"]}, ed.OperandError, "'a b' cannot be"),
    "an argument with a label": ({"arguments": ["a_i"]}, ed.OperandError, "'a_i' cannot be"),
    "an argument that is the value": ({"arguments": ["y"]}, ed.OperandError, "'y' cannot be"),
    "an argument that is a function": ({"arguments": ["exp"]}, ed.OperandError, "'exp' cannot"),
    "an argument that is a ligature": ({"arguments": ["ﬁ"]}, ed.OperandError, "cannot be"),
    "two arguments of one name": (
        {"derivative": ["1", "1"], "arguments": ["a", "a"], "signature": "(),()->()"},
        ed.OperandError,
        "a name of its own",
    ),
    "arguments that are no list": ({"arguments": 3}, ed.OperandError, "no names of arguments"),
    "no derivative": ({"derivative": None}, ed.OperandError, "no derivative of 'mine'"),
    "a derivative that is a number": ({"derivative": [1]}, ed.OperandError, "no derivative"),
    "an axis of the value alone": (
        {"signature": "(n)->(m)"},
        ed.OperandError,
        "does not say how long 'm' is",
    ),
    "a signature that is no text": ({"signature": 3}, ed.OperandError, "is no signature"),
}


@pytest.mark.parametrize("case", NO_FUNCTION)
def test_what_cannot_be_registered_is_refused_and_not_registered(case):
    changed, error, text = NO_FUNCTION[case]
    before = dict(FUNCTIONS)
    given = {"name": "mine", "function": np.sin, "derivative": "cos(x)", **changed}
    with pytest.raises(error, match=text or None) as caught:
        ed.register(**given)
    assert isinstance(caught.value, ed.EinsdiffError)
    assert before == FUNCTIONS


WRONG: dict[str, tuple[Callable[..., Any], str]] = {
    "entries are lost": (lambda x: x[:1], r"returned the shape \(1,\), not \(3,\)"),
    "an axis too many": (lambda x: np.outer(x, x), r"returned the shape \(3, 3\)"),
    "a sum": (np.sum, r"returned the shape \(\), not \(3,\)"),
    "complex numbers": (lambda x: x * 1j, "complex numbers for real ones"),
    "nothing": (lambda x: None, "returned None"),
    "a mask": (lambda x: np.ma.masked_less(x, 1.5), "returned a masked array"),
    "text": (lambda x: "no", "returned str"),
    "a list of objects": (lambda x: [object()] * 3, "no array of numbers"),
    "changed in place": (lambda x: x.__iadd__(1), "changes its argument"),
    "filled": (lambda x: x.fill(0) or x, "changes its argument"),
    "written by out": (lambda x: np.sin(x, out=x), "changes its argument"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_a_registered_function_returns_is_checked(case):
    function, text = WRONG[case]
    f = ed.register("wrong", function, "1")
    given = np.array([1.0, 2.0, 3.0])
    with pytest.raises(ed.OperandError, match=f"'wrong'.*{text}"):
        np.asarray(f(ed.tensor("x", given)))
    np.testing.assert_array_equal(given, [1, 2, 3])
    if "changes" not in text:
        with pytest.raises(ed.OperandError, match="'wrong'"):
            np.asarray(ed.grad(f(ed.tensor("x", given)) * f(ed.tensor("z", given)), wrt="x"))


def test_a_registered_function_of_axes_is_checked_against_its_signature():
    f = ed.register("total", lambda x: x, "1", signature="(n)->()")
    with pytest.raises(ed.OperandError, match=r"'total' returned the shape \(2, 3\), not \(2,\)"):
        np.asarray(f(ed.tensor("X", np.ones((2, 3)))))


def test_a_registered_function_of_matrices_refuses_other_shapes():
    f = ed.register(
        "trsq", lambda x: np.trace(x @ x, axis1=-1, axis2=-2), "2 x_ji", signature="(n,n)->()"
    )
    for shape in [(3,), (2, 3), ()]:
        with pytest.raises(ed.ShapeError):
            f(ed.tensor("x", shape))
    with pytest.raises((ed.EinsdiffError, TypeError)):
        f(ed.tensor("x", (2, 2)), ed.tensor("y", (2, 2)))


def test_the_wrong_number_of_arguments_is_refused():
    for call in (lambda: ed.exp(), lambda: ed.exp(1, 2), lambda: ed.exp(1, axis=0)):
        with pytest.raises(TypeError):
            call()


# --- one triangle -----------------------------------------------------------------------------

TRIANGLES: list[Callable[[Any], Any]] = [
    lambda A: np.linalg.eigvalsh(A),
    lambda A: np.linalg.eigvalsh(A, UPLO="U"),
    lambda A: np.linalg.eigvalsh(A, "L"),
    lambda A: np.linalg.eigh(A)[0],
    lambda A: np.linalg.eigh(A, "U").eigenvectors ** 2,
    lambda A: np.linalg.cholesky(A),
    lambda A: np.linalg.eigvalsh(A + 0.1 * A @ A),
]


@pytest.mark.parametrize("f", TRIANGLES)
def test_numpys_functions_read_the_triangle_that_numpy_reads(f):
    A = np.array([[4.0, 0.5], [1.0, 3.0]])
    t = f(ed.tensor("A", A))
    np.testing.assert_allclose(np.asarray(t), f(A))
    J = np.asarray(ed.grad(f, A, wrt="A"))
    h = 1e-6
    for i, j in np.ndindex(2, 2):
        step = h * np.outer(np.eye(2)[i], np.eye(2)[j])
        np.testing.assert_allclose(J[..., i, j], (f(A + step) - f(A - step)) / (2 * h), atol=1e-7)


@pytest.mark.parametrize("f", TRIANGLES)
def test_of_a_symmetric_matrix_the_derivative_is_symmetric(f):
    A = np.array([[4.0, 0.5], [0.5, 3.0]])
    for t in (f(ed.tensor("A", A)), f(ed.tensor("A", "nn")), f(ed.tensor("A", (2, 2)))):
        assert "≥" not in str(t)
        J = ed.grad(t, wrt="A")
        J = np.asarray(J if t.values else J(A=A))
        np.testing.assert_allclose(J, np.swapaxes(J, -1, -2), atol=1e-14)


def test_what_is_symmetric_in_any_case_is_read_as_it_is():
    A = ed.tensor("A", np.array([[4.0, 0.5], [1.0, 3.0]]))
    assert str(np.linalg.eigvalsh(A @ A.T)) == "f_i = eigvalsh(A_ik A_jk)_i"
    assert str(np.linalg.cholesky(ed.tensor("S", "nn", symmetric=True))) == "f_ij = cholesky(S)_ij"
