"""Numbers that were computed from a variable, and code that asks an expression for numbers."""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

import einsdiff as ed

x = np.array([1.0, 2.0])
z = np.array([0.3, -0.7])


def filled(t: Any) -> Any:
    out = np.zeros(2)
    out[0] = t[0]
    out[1] = t[1] ** 2
    return out


def rotation(t: Any) -> Any:
    c, s = np.cos(t[0]), np.sin(t[0])
    return np.array([[c, -s], [s, c]])


def with_constants(t: Any) -> Any:
    return np.array([[np.exp(t[0]), 0.0], [1.0, np.exp(t[1])]])


# --- with values ------------------------------------------------------------------------------

#: Numbers computed from a tensor, that meet it again.
LOST: dict[str, Callable[[Any], Any]] = {
    "np.array of entries": lambda t: np.array([t[0], t[1] ** 2]) * t,
    "on the right": lambda t: t * np.array([t[0], t[1] ** 2]),
    "filled": lambda t: filled(t) * t,
    "rotation": lambda t: rotation(t) @ t,
    "among constants": lambda t: with_constants(t) @ t,
    "np.asarray": lambda t: np.asarray(t * t) * t,
    "dense": lambda t: (t * t).dense() + t,
    "view": lambda t: np.asarray(t * t)[::-1] * t,
    "reshaped": lambda t: np.asarray(t * t).reshape(2, 1) * t,
    "np.full": lambda t: np.full(2, np.exp(t[0])) * t,
    "np.fromiter": lambda t: np.fromiter((np.exp(a) for a in t), float) * t,
    "np.r_": lambda t: np.r_[np.exp(t[0]), np.exp(t[1])] * t,
    "list of floats": lambda t: np.array([float(t[0]), float(t[1] ** 3)]) * t,
    "rows": lambda t: np.array([t, t**2]) @ t,
    "function": lambda t: np.dot(np.asarray(t * t), t),
    "np.where": lambda t: np.where(t > 0, np.asarray(t * t), t),
    "np.einsum": lambda t: np.einsum("i,i->", np.asarray(t * t), t),
    "derivative": lambda t: np.asarray(ed.grad(t @ t, wrt="x")) * t,
    "copy": lambda t: 1.0 * np.asarray(t * t) * t,
    "float": lambda t: float(t[0] * t[1]) * t,
    "float on the right": lambda t: t * float(t[0]),
    "divisor": lambda t: t / float(t @ t),
    "math": lambda t: math.exp(t[0]) * t,
    "math of several": lambda t: math.hypot(*t) + t,
    "scipy": lambda t: scipy.special.logsumexp(t) * t,
    "softmax": lambda t: t - scipy.special.softmax(t),
    "exponent": lambda t: t ** float(t[0]),
    "lists": lambda t: np.dot([t[0], t[1] ** 2], [t[1], 1.0]) * t,
    "sum of a list": lambda t: np.sum([t[0] * t[1], t[1]]) * t,
    "inner call": lambda t: rotation(t).sum() * t,
    "arithmetic with it": lambda t: (1 + 2 * np.asarray(t)) * t,
    "inverse": lambda t: np.linalg.inv(np.array([[t[0], 3.0], [3.0, t[1]]])) @ t,
}


@pytest.mark.parametrize("values", [x, z], ids=["whole", "other"])
@pytest.mark.parametrize("case", LOST)
def test_numbers_that_meet_what_they_were_computed_from_are_told(case, values):
    if case == "np.full" and values is x:
        values = x / 3
    t = ed.tensor("x", values)
    with pytest.warns(ed.LostDependenceWarning, match="computed from 'x'") as caught:
        LOST[case](t)
    assert all(warning.filename == __file__ for warning in caught)


def test_the_warning_is_public_and_says_what_to_write():
    assert issubclass(ed.LostDependenceWarning, UserWarning)
    t = ed.tensor("x", x)
    with pytest.warns(ed.LostDependenceWarning, match=r"np\.stack(.|\n)*ed\.tensor\('w', array\)"):
        np.asarray(t * t) * t


def descent(rounds: int) -> np.ndarray:
    A, b, x = np.array([[2.0, 0.3], [0.1, 1.0]]), np.array([1.0, -1.0]), np.zeros(2)
    for _ in range(rounds):
        t = ed.tensor("x", x)
        loss = np.sum((A @ t - b) ** 2)
        assert float(loss) >= 0
        gradient = np.asarray(ed.grad(loss, wrt="x"))
        x = x - 0.1 * gradient
    return x


def own_gradient(rounds: int) -> np.ndarray:
    x = np.array([1.0, -0.3])
    for _ in range(rounds):
        x = np.asarray(ed.grad("i,i,i->", x, x, x, wrt="x"))
    return x


#: What is right, and looks alike.
FINE: dict[str, Callable[[Any], Any]] = {
    "own array": lambda t: t.values["x"] * t,
    "own array after conversions": lambda t: [*map(float, t)] and t.values["x"] * t,
    "own array as a view": lambda t: t.values["x"][:] * t,
    "another array": lambda t: (np.float64(t.sum()), np.array([1.0, 0.5]) * t),
    "array of another": lambda t: np.asarray(ed.tensor("y", z) ** 2) * t,
    "expression without it": lambda t: np.asarray(t * t) * ed.tensor("y", z),
    "same name, another array": lambda t: np.asarray(t * t) * ed.tensor("x", z),
    "named": lambda t: ed.tensor("w", np.asarray(t * t)) * t,
    "copy, named": lambda t: ed.tensor("w", 1.0 * np.asarray(t * t)) * t,
    "literals": lambda t: (2.5 * t, t / 0.5, [np.asarray(t * t), 1.5 * t + 0.1], (t * t + 3.25)),
    "a number beside it": lambda t: (np.asarray(t).sum(), z.sum() * t, t / z.max(), z * t),
    "an index": lambda t: z[1] * t[int(np.asarray(t).argmax())] * (2 * len(z)),
    "entries of another": lambda t: (np.maximum(t, z[:1]), np.maximum(z, 0 * t).dense(), z * t),
    "descent": lambda t: descent(20),
    "own gradient": lambda t: own_gradient(3),
    "direction": lambda t: ed.grad(t @ t * t, wrt="x").jvp(np.asarray(t * t)),
    "symbolic": lambda t: np.asarray(t * t) * ed.tensor("x", 2),
}


@pytest.mark.parametrize("case", FINE)
def test_nothing_is_told_where_nothing_is_lost(case):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FINE[case](ed.tensor("x", x.copy()))


def test_a_result_that_becomes_the_variable_is_the_variable():
    np.testing.assert_allclose(descent(200), np.linalg.solve([[2, 0.3], [0.1, 1]], [1, -1]), 1e-6)


def test_what_is_remembered_is_bounded_and_keeps_nothing_alive():
    from einsdiff.expressions import dependence

    for n in range(2000):
        t = ed.tensor("x", np.array([n, 1.0, *range(20)]))
        float(t[0])
        np.asarray(2 * t)
    assert len(dependence._arrays) <= dependence.MOST_ARRAYS
    assert len(dependence._conversions) <= dependence.MOST_VARIABLES
    values = np.ones(50)
    found = np.asarray(ed.tensor("x", values) * 2)
    import gc
    import weakref

    gone = weakref.ref(values), weakref.ref(found)
    del t, values, found
    gc.collect()
    assert [r() for r in gone] == [None, None]


# --- arrays of objects ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda t: np.sum(np.array([t[0], t[1] ** 2], dtype=object) * t), [2, 12]),
        (lambda t: np.array([t[0], t[1] ** 2], dtype=object).sum(), [1, 4]),
        (lambda t: (np.array([[t[0], 0], [1, t[1]]], dtype=object) @ t).sum(), [3, 4]),
        (lambda t: np.sum(t * np.exp(np.array([t[0], 2 * t[1]], dtype=object))), None),
        (lambda t: np.array([t, 2 * t], dtype=object).sum(), [3, 3]),
        (lambda t: (np.stack(np.array([t[0], t[1]], dtype=object)) * t).sum(), [2, 4]),
    ],
)
def test_an_array_of_objects_is_the_stack_of_its_entries(f, expected):
    values = np.array([1.0, 2.0])
    if expected is None:
        expected = [2 * np.e, 5 * np.exp(4)]
    np.testing.assert_allclose(np.asarray(ed.grad(f(ed.tensor("t", values)), wrt="t")), expected)
    np.testing.assert_allclose(np.asarray(ed.grad(f, values, wrt="t")), expected)


def test_a_function_may_return_an_array_of_objects():
    J = ed.grad(lambda x: np.array([x[0] * x[1], x[1]], dtype=object), x, wrt="x")
    np.testing.assert_array_equal(np.asarray(J), [[2, 1], [0, 1]])


# --- without values ---------------------------------------------------------------------------


def branch(x: Any) -> Any:
    if x[0] > 0:
        return x
    return -x


#: What asks for numbers: what is named, and what is to be written.
ASKING: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "array": (lambda x: np.array([x[0], x[1] ** 2]), "np.array([x[0], x[1] ** 2])", "np.stack"),
    "matrix": (lambda x: np.array([[x[0], 0], [0, x[1]]]), "np.array([[x[0], 0]", "np.stack"),
    "asarray": (lambda x: np.asarray(x) * 2, "np.asarray(x)", "without this call"),
    "full": (lambda x: np.full(2, x[0]), "np.full(2, x[0])", "np.ones"),
    "r_": (lambda x: np.r_[x[0], x[1]], "np.r_[x[0], x[1]]", "np.concatenate"),
    "c_": (lambda x: np.c_[x, x], "np.c_[x, x]", "np.column_stack"),
    "fromiter": (lambda x: np.fromiter((2 * a for a in x), float), "np.fromiter(", "np.stack"),
    "float": (lambda x: x * float(x[0]), "float(x[0])", "without this call"),
    "int": (lambda x: x * int(x[0]), "int(x[0])", "without this call"),
    "complex": (lambda x: x * complex(x[0]), "complex(x[0])", "without this call"),
    "math.exp": (lambda x: x * math.exp(x[0]), "math.exp(x[0])", "np.exp"),
    "math.sqrt": (lambda x: x * math.sqrt(x @ x), "math.sqrt(x @ x)", "np.sqrt"),
    "if": (branch, "x[0] > 0", "np.where"),
    "conditional": (lambda x: x if x[0] > 0 else -x, "x[0] > 0", "np.where"),
    "and": (lambda x: x[0] > 0 and x[1] > 0, "x[0] > 0", "np.logical_and"),
    "max": (lambda x: max(x[0], x[1]), "max(x[0], x[1])", "np.maximum"),
    "range": (lambda x: sum(x for _ in range(x[0])), "range(x[0])", "np.where"),
    "round": (lambda x: round(x[0]), "round(x[0])", "np.rint"),
    "filled": (lambda x: filled(x) * x, "out[0]", "np.stack"),
    "scipy": (lambda x: scipy.special.logsumexp(x), "scipy.special.logsumexp(x)", "ed.logsumexp"),
    "allclose": (lambda x: x if np.allclose(x, 0) else -x, "x", "tensors"),
    "operator": (lambda x: operator.index(x[0]) * x, "operator.index(x[0])", "np.where"),
}


@pytest.mark.parametrize("case", ASKING)
def test_what_asks_a_traced_function_for_numbers_is_named(case):
    f, piece, instead = ASKING[case]
    with pytest.raises(ed.BindingError, match="no array for 'x'") as caught:
        ed.grad(f, x, wrt="x")
    told = str(caught.value)
    assert piece in told.partition("\n")[0]
    assert instead in told
    assert "ed.tensor" not in told
    assert "x=" not in told
    assert "while tracing" in caught.value.__notes__[0]


@pytest.mark.parametrize("case", [case for case in ASKING if case not in ("asarray", "allclose")])
def test_without_values_the_advice_is_never_to_give_them(case):
    f, piece, instead = ASKING[case]
    with pytest.raises((ed.BindingError, ValueError)) as caught:
        f(ed.tensor("x", (2,)))
    error = caught.value.__cause__ or caught.value  # NumPy's own where an entry is assigned to
    assert piece in str(error).partition("\n")[0]
    assert instead in str(error)
    assert "ed.tensor" not in str(error)


def test_an_index_that_depends_on_values_is_refused():
    with pytest.raises(ed.OperandError, match=r"np\.where"):
        ed.grad(lambda x: x[x[0]], x, wrt="x")


def test_code_without_a_source_is_asked_too():
    scope: dict[str, Any] = {}
    exec("def f(x):\n    return float(x[0]) * x", scope)
    with pytest.raises(ed.BindingError, match="no array for 'x'"):
        ed.grad(scope["f"], x, wrt="x")
