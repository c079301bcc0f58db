"""NumPy's protocols on tensors, and functions of arrays that are traced."""

from __future__ import annotations

import copy
import functools
import math
import operator
import pickle
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import einsdiff as ed

jax.config.update("jax_enable_x64", True)

A = np.arange(6.0).reshape(2, 3) / 7 + 0.11
B = np.cos(A)
M = np.array([[3.0, 0.5], [0.2, 2.0]])
x = np.array([0.3, 0.7, 1.1])
y = np.array([1.5, -0.4])


def tensors() -> tuple[ed.Tensor, ed.Tensor]:
    return ed.tensor("A", A), ed.tensor("x", x)


def assert_equal_to(t: Any, expected: Any) -> None:
    """Compare a tensor with an array: kind, shape and entries."""
    assert isinstance(t, ed.Tensor)
    assert t.shape == np.shape(expected)
    np.testing.assert_allclose(np.asarray(t), expected, rtol=1e-12, atol=1e-14)


# --- universal functions ----------------------------------------------------------------------


#: What a tensor meets: arrays, lists, numbers of Python's and of NumPy's.
OTHERS = [A, A.tolist(), x, x.tolist(), (1.0, 2.0, 3.0), 2.5, 2, True, np.float64(2.5), np.int64(3),
          np.float32(0.5)]  # fmt: skip
UFUNCS = [np.add, np.subtract, np.multiply, np.divide, np.maximum, np.power, np.greater,
          np.arctan2]  # fmt: skip


@pytest.mark.parametrize("other", OTHERS, ids=repr)
@pytest.mark.parametrize("ufunc", UFUNCS)
def test_a_ufunc_takes_arrays_lists_and_numbers_on_either_side(ufunc, other):
    t, _ = tensors()
    assert_equal_to(ufunc(t, other), ufunc(A, other))
    assert_equal_to(ufunc(other, t), ufunc(other, A))


OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow,
             operator.floordiv, operator.mod, operator.gt, operator.le]  # fmt: skip


@pytest.mark.parametrize("other", OTHERS, ids=repr)
@pytest.mark.parametrize("op", OPERATORS)
def test_an_operator_takes_arrays_lists_and_numbers_on_either_side(op, other):
    t, _ = tensors()
    assert_equal_to(op(t, other), op(A, np.asarray(other)))
    assert_equal_to(op(other, t), op(np.asarray(other), A))


def test_matrix_products_take_arrays_and_lists_on_either_side():
    tA, tx = tensors()
    assert_equal_to(A @ tx, A @ x)
    assert_equal_to(tA @ x, A @ x)
    assert_equal_to(A.tolist() @ tx, A @ x)
    assert_equal_to(tA @ x.tolist(), A @ x)
    assert str(A @ tx) == "f_i = A_ij x_j"


def test_an_array_keeps_the_name_that_it_has_where_it_is_used():
    weights = np.ones((2, 3))
    _, tx = tensors()
    assert str(weights @ tx) == "f_i = weights_ij x_j"
    assert str(np.matmul(weights, tx)) == "f_i = weights_ij x_j"
    assert str(tx + np.ones(3)).startswith("f_i = x_i + array")


@pytest.mark.parametrize(
    "apply",
    [
        lambda a, t: operator.iadd(a, t),
        lambda a, t: operator.isub(a, t),
        lambda a, t: operator.imul(a, t),
        lambda a, t: operator.itruediv(a, t),
        lambda a, t: operator.ipow(a, t),
        lambda a, t: np.add(a, t, out=a),
        lambda a, t: np.add(t, t, a),
        lambda a, t: np.exp(t, out=(a,)),
        lambda a, t: np.multiply.reduce(t, out=a[0]),
    ],
)
def test_an_array_does_not_change_in_place_by_a_tensor(apply):
    array, t = A.copy(), tensors()[0]
    with pytest.raises(ed.OperandError, match=r"cannot write a tensor into an array"):
        apply(array, t)
    np.testing.assert_array_equal(array, A)


def test_the_error_of_an_array_changed_in_place_says_what_to_write():
    array, t = A.copy(), tensors()[0]
    with pytest.raises(ed.OperandError, match=r"y = y \+ t"):
        array += t


def test_a_tensor_is_replaced_by_an_operator_in_place():
    t, _ = tensors()
    before = t
    t += 1
    t *= A
    assert_equal_to(t, (A + 1) * A)
    assert_equal_to(before, A)


REDUCED: dict[str, Callable[[Any], Any]] = {
    "np.add.reduce(A)": lambda A: np.add.reduce(A),
    "np.add.reduce(A, axis=None)": lambda A: np.add.reduce(A, axis=None),
    "np.add.reduce(A, 1)": lambda A: np.add.reduce(A, 1),
    "np.add.reduce(A, axis=(0, 1))": lambda A: np.add.reduce(A, axis=(0, 1)),
    "np.add.reduce(A, axis=1, keepdims=True)": lambda A: np.add.reduce(A, axis=1, keepdims=True),
    "np.multiply.reduce(A)": lambda A: np.multiply.reduce(A),
    "np.multiply.reduce(A, axis=None)": lambda A: np.multiply.reduce(A, axis=None),
    "np.maximum.reduce(A, axis=-1)": lambda A: np.maximum.reduce(A, axis=-1),
    "np.minimum.reduce(A, axis=0)": lambda A: np.minimum.reduce(A, axis=0),
    "np.add.accumulate(A)": lambda A: np.add.accumulate(A),
    "np.add.accumulate(A, axis=1)": lambda A: np.add.accumulate(A, axis=1),
    "np.add.accumulate(A, 1)": lambda A: np.add.accumulate(A, 1),
    "np.multiply.outer(A, x)": lambda A: np.multiply.outer(A, x),
    "np.add.outer(A, A)": lambda A: np.add.outer(A, A),
    "np.subtract.outer(x, A)": lambda A: np.subtract.outer(x, A),
    "np.maximum.outer(A, 0.3)": lambda A: np.maximum.outer(A, 0.3),
    "np.power.outer(A, [1, 2])": lambda A: np.power.outer(A, [1, 2]),
}


@pytest.mark.parametrize("case", REDUCED)
def test_methods_of_ufuncs_are_those_of_numpy(case):
    f = REDUCED[case]
    t = f(ed.tensor("A", A))
    assert_equal_to(t, f(A))
    result = ed.check(t, wrt="A")
    assert result.ok, str(result)


REFUSED_METHODS: dict[str, Callable[[Any], Any]] = {
    "add.at": lambda t: np.add.at(t, 0, 1),
    "add.reduceat": lambda t: np.add.reduceat(t, [0, 1]),
    "multiply.accumulate": lambda t: np.multiply.accumulate(t),
    "maximum.accumulate": lambda t: np.maximum.accumulate(t),
    "subtract.reduce": lambda t: np.subtract.reduce(t),
    "logical_and.reduce": lambda t: np.logical_and.reduce(t),
    "gcd.outer": lambda t: np.gcd.outer(t, t),
}


@pytest.mark.parametrize("name", REFUSED_METHODS)
def test_a_method_of_a_ufunc_that_has_no_derivative_is_refused_by_name(name):
    with pytest.raises(ed.OperandError, match=name):
        REFUSED_METHODS[name](ed.tensor("A", A))


ARGUMENTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "np.exp(t, dtype=)": (lambda t: np.exp(t, dtype="f4"), "dtype="),
    "np.exp(t, where=)": (lambda t: np.exp(t, where=np.ones(3, bool)), "where="),
    "np.add(t, t, casting=)": (lambda t: np.add(t, t, casting="unsafe"), "casting="),
    "np.sum(t, dtype=)": (lambda t: np.sum(t, dtype="f4"), "dtype="),
    "np.sum(t, where=)": (lambda t: np.sum(t, where=np.ones(3, bool)), "where="),
    "np.sum(t, initial=)": (lambda t: np.sum(t, initial=1), "initial="),
    "np.sum(t, out=)": (lambda t: np.sum(t, out=np.ones(())), "out="),
    "np.max(t, initial=)": (lambda t: np.max(t, initial=1), "initial="),
    "np.mean(t, dtype=)": (lambda t: np.mean(t, dtype="f4"), "dtype="),
    "np.std(t, correction=)": (lambda t: np.std(t, correction=1), "correction="),
    "np.add.reduce(t, initial=)": (lambda t: np.add.reduce(t, initial=1), "initial="),
    "np.clip(t, out=)": (lambda t: np.clip(t, 0, 1, out=np.ones(3)), "out="),
    "np.concatenate(t, dtype=)": (lambda t: np.concatenate([t, t], dtype="f4"), "dtype="),
    "np.stack(t, casting=)": (lambda t: np.stack([t, t], casting="unsafe"), "casting="),
    "np.linalg.pinv(t, rcond=)": (lambda t: np.linalg.pinv(t[None], rcond=0.1), "rcond="),
    "np.linalg.eigvalsh(t, UPLO=)": (
        lambda t: np.linalg.eigvalsh(t[:, None] * t, UPLO="V"),
        "UPLO=",
    ),
    "np.matmul(t, axes=)": (lambda t: np.matmul(t, t, axes=[0, 0, ()]), "axes="),
    "np.cumsum(t, dtype=)": (lambda t: np.cumsum(t, dtype="f4"), "dtype="),
    "np.diff(t, prepend=)": (lambda t: np.diff(t, prepend=0), "prepend="),
    "np.einsum(out=)": (lambda t: np.einsum("i->i", t, out=np.ones(3)), "out="),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_an_argument_that_is_not_taken_is_refused_by_its_name(case):
    call, name = ARGUMENTS[case]
    t = tensors()[1]
    with pytest.raises(ed.OperandError, match=f"{name}|cannot write") as caught:
        call(t)
    assert "np." in case
    assert case.split("(")[0].removeprefix("np.") in str(caught.value).replace("numpy.", "")


@pytest.mark.parametrize(
    "call",
    [
        lambda t: np.sum(t, axis=None, dtype=None, out=None),
        lambda t: np.clip(t, min=0.5, max=0.6),
        lambda t: np.zeros_like(t, dtype=float),
        lambda t: np.reshape(t, shape=(3, 1)),
        lambda t: np.max(t, axis=None, out=None, keepdims=False),
        lambda t: np.transpose(t, axes=None),
        lambda t: np.mean(a=t),
        lambda t: np.sum(a=t, axis=0),
        lambda t: np.einsum("i,i->", t, t, optimize=True),
    ],
)
def test_an_argument_that_says_what_is_done_anyway_is_taken(call):
    assert_equal_to(call(tensors()[1]), call(x))


# --- functions of numpy -----------------------------------------------------------------------

UNCOVERED: dict[str, Callable[[Any], Any]] = {
    "fft.fft": lambda t: np.fft.fft(t),
    "fft.rfft": lambda t: np.fft.rfft(t),
    "sort": lambda t: np.sort(t),
    "argsort": lambda t: np.argsort(t),
    "frexp": lambda t: np.frexp(t),
    "modf": lambda t: np.modf(t),
    "divmod": lambda t: np.divmod(t, 2),
    "median": lambda t: np.median(t),
    "percentile": lambda t: np.percentile(t, 50),
    "quantile": lambda t: np.quantile(t, 0.5),
    "argmax": lambda t: np.argmax(t),
    "argmin": lambda t: np.argmin(t),
    "isnan": lambda t: np.isnan(t),
    "isfinite": lambda t: np.isfinite(t),
    "signbit": lambda t: np.signbit(t),
    "spacing": lambda t: np.spacing(t),
    "nextafter": lambda t: np.nextafter(t, 1),
    "gcd": lambda t: np.gcd(t, 2),
    "ldexp": lambda t: np.ldexp(t, 2),
    "unique": lambda t: np.unique(t),
    "histogram": lambda t: np.histogram(t),
    "linalg.qr": lambda t: np.linalg.qr(t),
    "linalg.svd": lambda t: np.linalg.svd(t),
    "linalg.eig": lambda t: np.linalg.eig(t),
    "linalg.lstsq": lambda t: np.linalg.lstsq(t, t),
    "linalg.matrix_rank": lambda t: np.linalg.matrix_rank(t),
    "linalg.cond": lambda t: np.linalg.cond(t),
    "any": lambda t: np.any(t),
    "all": lambda t: np.all(t),
    "count_nonzero": lambda t: np.count_nonzero(t),
    "nonzero": lambda t: np.nonzero(t),
    "searchsorted": lambda t: np.searchsorted(t, 1),
    "cumprod": lambda t: np.cumprod(t),
    "cross": lambda t: np.cross(t, t),
    "convolve": lambda t: np.convolve(t, t),
    "interp": lambda t: np.interp(0.5, t, t),
    "pad": lambda t: np.pad(t, 1),
    "tile": lambda t: np.tile(t, 2),
    "repeat": lambda t: np.repeat(t, 2),
    "take": lambda t: np.take(t, [0]),
    "split": lambda t: np.split(t, 1),
    "dsplit": lambda t: np.dsplit(t, 1),
    "average": lambda t: np.average(t),
    "nansum": lambda t: np.nansum(t),
    "round": lambda t: np.round(t),
    "real": lambda t: np.real(t),
    "imag": lambda t: np.imag(t),
    "conj": lambda t: np.conj(t),
    "angle": lambda t: np.angle(t),
    "nan_to_num": lambda t: np.nan_to_num(t),
    "select": lambda t: np.select([t > 0], [t]),
    "meshgrid": lambda t: np.meshgrid(t, t),
    "rot90": lambda t: np.rot90(t),
    "apply_along_axis": lambda t: np.apply_along_axis(np.sum, 0, t),
    "trapezoid": lambda t: np.trapezoid(t),
    "gradient": lambda t: np.gradient(t),
    "cov": lambda t: np.cov(t),
    "corrcoef": lambda t: np.corrcoef(t),
    "copyto": lambda t: np.copyto(np.ones((2, 3)), t),
    "put": lambda t: np.put(t, 0, 1),
    "fill_diagonal": lambda t: np.fill_diagonal(t, 1),
    "bincount": lambda t: np.bincount(t),
    "insert": lambda t: np.insert(t, 0, 1),
    "append": lambda t: np.append(t, 1),
    "delete": lambda t: np.delete(t, 0),
    "sinc": lambda t: np.sinc(t),
    "i0": lambda t: np.i0(t),
}


@pytest.mark.parametrize("name", UNCOVERED)
def test_what_has_no_derivative_is_refused_by_name_or_does_what_numpy_does(name):
    """Some of NumPy's functions are Python code that calls others, which are differentiated."""
    call = UNCOVERED[name]
    t = ed.tensor("A", A)
    try:
        result = call(t)
    except ed.OperandError as error:
        told = str(error)
    else:
        expected = call(A)
        for ours, theirs in zip(
            *((r if isinstance(r, tuple | list) else [r]) for r in (result, expected)), strict=True
        ):
            assert not isinstance(ours, np.ndarray) or ours.dtype != object
            np.testing.assert_allclose(np.asarray(ours), theirs)
        return
    assert "numpy." in told, told
    assert f"numpy.{name}" in told or name in ("round", "select", "real", "imag"), told


@pytest.mark.parametrize("name", ["fft.fft", "sort", "frexp", "median", "argmax", "isnan",
                                  "linalg.svd", "cumprod", "any"])  # fmt: skip
def test_the_error_says_what_to_do_instead(name):
    with pytest.raises(ed.OperandError, match=rf"numpy\.{name} has no derivative here") as caught:
        UNCOVERED[name](ed.tensor("A", A))
    assert "ed.register" in str(caught.value)


def test_tensors_never_become_an_array_of_objects():
    tA, tx = tensors()
    for make in (
        lambda: np.array([tx, tx]),
        lambda: np.asarray([tx[0], tx[1]]),
        lambda: np.array([[tx[0], 1], [2, tx[1]]]),
        lambda: np.asarray(tA),
        lambda: np.array(tx, dtype=float),
    ):
        result = make()
        assert isinstance(result, np.ndarray)
        assert result.dtype == np.float64
    unknown = ed.tensor("u", (3,))
    for make in (
        lambda: np.array([unknown, unknown]),
        lambda: np.array([unknown[0], 1.0]),
        lambda: np.asarray(unknown),
    ):
        with pytest.raises(ed.BindingError, match="no array for 'u'"):
            make()


def test_an_array_of_objects_is_refused():
    for make in (
        lambda: np.array([None, 1]) + tensors()[1],
        lambda: np.add(tensors()[1], ["a"] * 3),
    ):
        with pytest.raises(ed.OperandError, match="dtype"):
            make()


def test_functions_about_numbers_are_given_the_numbers():
    _, tx = tensors()
    J = ed.grad("ij,j->i", A, x, wrt="A")
    expected = np.einsum("ip,q->ipq", np.eye(2), x)
    assert np.allclose(J, expected)
    assert not np.allclose(J, expected + 1)
    assert np.array_equal(J, expected)
    assert np.array_equal(expected, J)
    assert np.array_equiv(tx, x)
    np.testing.assert_array_equal(np.isclose(tx, x), True)
    for compare in (np.testing.assert_allclose, np.testing.assert_array_equal,
                    np.testing.assert_array_almost_equal, np.testing.assert_equal):  # fmt: skip
        compare(J, expected)
        compare(expected, J)
    for compare in (np.testing.assert_allclose, np.testing.assert_array_equal):
        with pytest.raises(AssertionError):
            compare(J, expected + 1)
    assert np.array2string(tx) == np.array2string(x)
    assert np.array_repr(tx) == np.array_repr(x)


def test_saving_a_tensor_saves_its_numbers(tmp_path):
    tA, tx = tensors()
    np.save(tmp_path / "a.npy", tA)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), A)
    np.savez(tmp_path / "b.npz", A=tA, x=tx)
    np.testing.assert_array_equal(np.load(tmp_path / "b.npz")["x"], x)


def test_shape_ndim_and_size():
    tA, _ = tensors()
    assert (np.shape(tA), np.ndim(tA), np.size(tA), tA.size) == ((2, 3), 2, 6, 6)
    assert (np.size(tA, 0), np.size(tA, 1), np.size(tA, axis=-1)) == (2, 3, 3)
    assert np.shape(a=tA) == (2, 3)
    assert np.isscalar(tA) is False
    symbolic = ed.tensor("S", ("m", 3))
    assert (np.shape(symbolic), np.ndim(symbolic)) == (("m", 3), 2)
    with pytest.raises(ed.ShapeError, match="'m'"):
        np.size(symbolic)


def test_einsum_of_numpy_is_that_of_einsdiff():
    tA, tx = tensors()
    t = np.einsum("ij,j->i", tA, tx)
    assert t == ed.einsum("ij,j->i", tA, tx)
    assert_equal_to(t, A @ x)
    assert_equal_to(np.einsum("ij,j", A, tx), A @ x)
    assert_equal_to(np.einsum(tA, [0, 1], tx, [1], [0]), A @ x)
    assert_equal_to(np.einsum("...j,j->...", tA, x), A @ x)
    assert_equal_to(np.einsum("ii", ed.tensor("M", M)), np.trace(M))


def test_iteration_length_and_unpacking():
    tA, tx = tensors()
    assert len(tA) == 2
    first, second = tA
    assert_equal_to(first, A[0])
    assert_equal_to(second, A[1])
    assert [float(entry) for entry in tx] == x.tolist()
    assert_equal_to(sum(tx), x.sum())
    assert len(list(zip(tA, y, strict=True))) == 2
    assert_equal_to(functools.reduce(operator.mul, tx), x.prod())
    assert list(ed.tensor("e", np.ones((0, 2)))) == []
    for scalar in (ed.tensor("s", ()), tx[0]):
        with pytest.raises(TypeError, match="without axes"):
            len(scalar)
        with pytest.raises(TypeError, match="without axes"):
            iter(scalar)
    with pytest.raises(ed.ShapeError, match="'n'"):
        len(ed.tensor("x", "n"))
    with pytest.raises(ed.ShapeError, match="'n'"):
        list(ed.tensor("x", "n"))


def test_an_entry_of_a_tensor_cannot_be_assigned_to():
    tA, _ = tensors()
    for assign in (
        lambda: operator.setitem(tA, 0, 1),
        lambda: operator.setitem(tA, (0, 1), 1.0),
        lambda: operator.setitem(tA, slice(None), A),
    ):
        with pytest.raises(ed.OperandError, match=r"np\.where, np\.stack or np\.concatenate"):
            assign()


def test_comparisons_are_conditions_and_equality_compares_expressions():
    tA, tx = tensors()
    assert_equal_to(tA > 0.5, A > 0.5)
    assert_equal_to(tA < B, A < B)
    assert_equal_to(operator.gt(B, tA), B > A)
    assert_equal_to(tx >= x, x >= x)
    assert_equal_to(np.where(tA > 0.5, tA, -tA), np.where(A > 0.5, A, -A))
    assert_equal_to(np.where(A > 0.5, tA, 0), np.where(A > 0.5, A, 0))
    assert_equal_to((tA > 0.2) & (tA < 0.6), (A > 0.2) & (A < 0.6))
    assert (tA == tA) is True
    assert (tA == tx) is False
    assert (tA + tA) == 2 * tA
    assert {tA, ed.tensor("A", A)} == {tA}


def test_truth_is_that_of_the_numbers_or_an_error():
    assert bool(ed.tensor("s", np.array(2.0)))
    assert not bool(ed.tensor("s", np.array(0.0)))
    assert bool(ed.tensor("x", x).sum() > 0)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(ed.tensor("x", x) > 0)
    with pytest.raises(ed.BindingError, match="no array for 's'"):
        bool(ed.tensor("s", ()) > 0)
    for convert in (int, float, complex, math.exp):
        assert convert(ed.tensor("s", np.array(2.0))) == convert(2.0)
        with pytest.raises(ed.BindingError, match="no array for 's'"):
            convert(ed.tensor("s", ()))


def test_a_tensor_is_copied_and_pickled():
    t = ed.tanh(ed.tensor("A", A) @ x)
    for other in (copy.copy(t), copy.deepcopy(t), pickle.loads(pickle.dumps(t)), t.copy()):
        assert other == t
        np.testing.assert_array_equal(np.asarray(other), np.asarray(t))


def test_an_array_of_another_library_is_not_mixed_up():
    """An array of JAX's has operators of its own, which must not swallow a tensor."""
    t = ed.tensor("x", jnp.asarray(x))
    for result in (t * jnp.ones(3), jnp.ones(3) * t):
        assert isinstance(result, ed.Tensor)
        assert isinstance(result.dense(), jax.Array)
        np.testing.assert_allclose(result, x, rtol=1e-6)
    mixed = r"'x' is a NumPy array and 'array\d+' is a JAX array"
    with pytest.raises(ed.OperandError, match=mixed):
        (ed.tensor("x", x) * jnp.ones(3)).dense()


@pytest.mark.parametrize(
    ("ufunc", "name"),
    [(scipy.special.expit, "sigmoid"), (scipy.special.erf, "erf"), (scipy.special.xlogy, "xlogy")],
)
def test_functions_of_scipy_that_are_in_the_table(ufunc, name):
    _, tx = tensors()
    count = ufunc.nin
    t = ufunc(*[tx] * count)
    assert_equal_to(t, ufunc(*[x] * count))
    assert f"{name}(x_i" in str(t)
    assert ed.check(t, wrt="x", order=2).ok


def test_a_function_of_scipy_that_is_not_in_the_table_is_refused_by_name():
    with pytest.raises(ed.OperandError, match="gamma"):
        scipy.special.gamma(tensors()[1])


# --- tracing: functions, and what they are the same as ----------------------------------------


def product_of(A, x):
    return A @ x


def helper(A, x):
    return np.tanh(A @ x)


def with_helper(A, x):
    return helper(A, x).sum()


def loop(A, x, steps=3):
    for _ in range(steps):
        x = A.T @ np.tanh(A @ x)
    return x


def branches_on_shape(A, x):
    if A.ndim == 2 and len(x) == 3:
        return A @ x
    return x


def norms(A, x):
    return np.linalg.norm(A @ x) + np.linalg.norm(A) ** 2


def solved(M, y):
    return np.linalg.solve(M, y) @ np.linalg.inv(M) @ y + np.log(np.linalg.det(M))


def logistic(A, x):
    return scipy.special.expit(A @ x) + scipy.special.erf(A @ x)


def network(A, x):
    hidden = np.maximum(A @ x, 0)
    return np.sum(np.where(hidden > 0.5, hidden**2, hidden))


def indexing(A, x):
    return A[0] * x[::-1] + A[1, :2].sum()


def stacked(A, x):
    return np.stack([x[0] * A[0, 0], np.sin(x[1]), A[1, 2]])


def attention(A, x):
    scores = A @ A.T / np.sqrt(A.shape[1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return (weights / weights.sum(axis=-1, keepdims=True)) @ A @ x


def variance(A, x):
    return np.var(A, axis=0) @ x + np.std(x)


def comprehension(A, x):
    return sum(np.dot(row, x) ** 2 for row in A)


def cases(A, x):
    return np.concatenate([np.exp(A).ravel(), x])


FUNCTIONS: list[tuple[Callable[..., Any], dict[str, np.ndarray]]] = [
    *(
        (f, {"A": A, "x": x})
        for f in (
            product_of, helper, with_helper, loop, branches_on_shape, norms, logistic, network,
            indexing, stacked, attention, variance, comprehension, cases,
        )
    ),
    (solved, {"M": M, "y": y}),
]  # fmt: skip


def in_jax(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function with JAX's NumPy in place of NumPy, and of SciPy's functions."""

    def replaced(f: Callable[..., Any]) -> Callable[..., Any]:
        names = {
            **f.__globals__,
            "np": jnp,
            "scipy": jax.scipy,
            "helper": None if f is helper else replaced(helper),
        }
        copied = type(f)(f.__code__, names, f.__name__, f.__defaults__, f.__closure__)
        copied.__kwdefaults__ = f.__kwdefaults__
        return copied

    return replaced(function)


@pytest.mark.parametrize(
    ("function", "arrays"), FUNCTIONS, ids=[function.__name__ for function, _ in FUNCTIONS]
)
def test_a_traced_function_has_the_value_and_derivatives_of_jax(function, arrays):
    names = list(arrays)
    value, gradients = ed.value_and_grad(function, *arrays.values(), wrt=tuple(names))
    assert_equal_to(value, function(*arrays.values()))
    for name, J in zip(names, gradients, strict=True):
        for order in (1, 2):
            result = ed.check(function, *arrays.values(), wrt=name, order=order)
            assert result.ok, str(result)
        v = np.cos(np.arange(arrays[name].size)).reshape(arrays[name].shape)
        points = [jnp.asarray(array) for array in arrays.values()]
        zeros = [jnp.asarray(v if n == name else np.zeros_like(a)) for n, a in arrays.items()]
        _, expected = jax.jvp(in_jax(function), points, zeros)
        np.testing.assert_allclose(np.asarray(J.jvp(v)), expected, rtol=1e-10, atol=1e-12)


SAME: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "a product": (lambda A, x: A @ x, ("ij,j->i", A, x)),
    "np.einsum": (lambda A, x: np.einsum("ij,j->i", A, x), ("ij,j->i", A, x)),
    "np.dot": (lambda A, x: np.dot(A, x), ("ij,j->i", A, x)),
    "a sum of products": (lambda A, x: (A * x).sum(axis=1), ("ij,j->i", A, x)),
    "a method": (lambda A, x: A.dot(x), ("ij,j->i", A, x)),
    "a transpose": (lambda A, x: x @ A.T, ("ij,j->i", A, x)),
    "tensordot": (lambda A, x: np.tensordot(A, x, 1), ("ij,j->i", A, x)),
    "a loop over rows": (lambda A, x: np.stack([row @ x for row in A]), ("ij,j->i", A, x)),
}


@pytest.mark.parametrize("case", SAME)
@pytest.mark.parametrize("wrt", ["A", "x"])
def test_a_traced_function_is_the_same_as_the_einsum_string(case, wrt):
    function, (subscripts, *operands) = SAME[case]
    ours = ed.grad(function, *operands, wrt=wrt)
    theirs = ed.grad(subscripts, *operands, wrt=wrt)
    if case == "a loop over rows":  # entries that are cut out and put together are other factors
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
        return
    assert ours == theirs
    assert str(ours) == str(theirs)
    assert ours.names == theirs.names == ("A", "x")


def test_the_first_line_of_the_documentation_holds_for_functions():
    def f(A, x):
        return A @ x

    J = ed.grad(f, A, x, wrt="A")
    assert str(J) == "∂f_i/∂A_pq = δ_ip x_q"
    assert J.shape == (2, 2, 3)


# --- tracing: operands and names --------------------------------------------------------------


def test_names_come_from_the_signature():
    def f(weights, data, *rest, scale=1.0, **more):
        return scale * (weights @ data) + sum(rest) + sum(more.values())

    J = ed.grad(f, A, x, y, y + 1, scale=2.0, b=y, wrt="weights")
    assert J.names == ("weights", "data", "rest0", "rest1", "scale", "b")
    np.testing.assert_allclose(np.asarray(J), 2 * np.einsum("ip,q->ipq", np.eye(2), x))
    for wrt in ("rest0", "rest1", "b"):
        assert_equal_to(ed.grad(f, A, x, y, y + 1, scale=2.0, b=y, wrt=wrt), np.eye(2))
    assert_equal_to(ed.grad(f, A, x, y, y + 1, scale=2.0, b=y, wrt="scale"), A @ x)


@pytest.mark.parametrize("wrt", ["M", 0, -2, M], ids=["name", "position", "from the end", "array"])
def test_wrt_is_a_name_a_position_or_the_array(wrt):
    def f(M, v):
        return M @ v

    assert_equal_to(ed.grad(f, M, y, wrt=wrt), np.einsum("ip,q->ipq", np.eye(2), y))


def test_wrt_may_be_the_callers_name_of_an_array():
    def f(weights, data):
        return weights @ data

    assert ed.grad(f, A, x, wrt="A") == ed.grad(f, A, x, wrt="weights")
    assert ed.grad(f, A, x, wrt="A").names == ("weights", "data")


def test_wrt_is_a_tuple_and_a_tuple_comes_back():
    def f(M, v):
        return v @ M @ v

    by_M, by_v = ed.grad(f, M, y, wrt=("M", 1))
    assert_equal_to(by_M, np.outer(y, y))
    assert_equal_to(by_v, (M + M.T) @ y)
    ((HMM, HMv), (HvM, Hvv)) = ed.hessian(f, M, y, wrt=("M", "v"))
    assert_equal_to(Hvv, M + M.T)
    np.testing.assert_array_equal(np.asarray(HMM), 0)
    np.testing.assert_allclose(np.asarray(HMv), np.moveaxis(np.asarray(HvM), 0, -1))


def test_wrt_may_be_left_out_where_there_is_one_operand():
    def f(v):
        return v @ M @ v

    def g(v, w):
        return v @ w

    assert_equal_to(ed.grad(lambda v: (v**2).sum(), y), 2 * y)
    with pytest.raises(ed.NameNotFoundError, match="wrt is missing"):
        ed.grad(g, y, y + 1)
    # A captured array is a variable too, but not an operand.
    assert_equal_to(ed.grad(f, y), (M + M.T) @ y)


def test_one_array_for_two_parameters_is_differentiated_where_it_is_named():
    def f(a, b):
        return a @ b

    assert_equal_to(ed.grad(f, y, y, wrt="a"), y)
    assert_equal_to(ed.grad(f, y, y, wrt="b"), y)
    with pytest.raises(ed.EinsdiffError):  # which of the two is meant?
        ed.grad(f, y, y, wrt=y)


def test_operands_by_keyword():
    def f(A, x, *, scale):
        return scale * (A @ x)

    assert ed.grad(f, x=x, A=A, scale=2.0, wrt="A").shape == (2, 2, 3)
    assert_equal_to(ed.grad(f, A, x=x, scale=2.0, wrt="x"), 2 * A)
    assert_equal_to(ed.grad(f, A, x, scale=np.array(3.0), wrt="scale"), A @ x)


def test_defaults_that_are_not_given_are_constants_of_that_name():
    def f(x, A=A, power=2):
        return ((A @ x) ** power).sum()

    J = ed.grad(f, x, wrt="x")
    assert_equal_to(J, 2 * A.T @ (A @ x))
    assert set(J.names) == {"x", "A"}
    assert_equal_to(ed.grad(f, x, wrt="A"), 2 * np.outer(A @ x, x))
    assert_equal_to(ed.grad(f, x, B, 3, wrt="x"), 3 * B.T @ (B @ x) ** 2)


def test_numbers_that_are_not_differentiated_by_are_constants():
    def f(x, axis, keep, name, function):
        assert axis == 0
        assert keep is True
        assert name == "tanh"
        return function(np.sum(x, axis=axis, keepdims=keep))

    assert_equal_to(
        ed.grad(f, x, 0, True, "tanh", np.tanh, wrt="x"),
        (1 - np.tanh(x.sum()) ** 2) * np.ones((1, 3)),
    )


def test_a_tuple_of_axes_or_of_sizes_is_passed_on_as_it_is():
    def f(A, axis, shape):
        return np.sum(A.reshape(shape), axis=axis)

    assert_equal_to(ed.grad(f, A, (0, 2), (2, 1, 3), wrt="A"), np.ones((1, 2, 3)))


def test_a_slice_and_none_are_passed_on_as_they_are():
    def f(x, part, bias):
        return x[part] if bias is None else x[part] + bias

    assert_equal_to(ed.grad(f, x, slice(0, 2), None, wrt="x"), np.eye(3)[:2])


def test_a_number_may_be_differentiated_by():
    def f(t, x):
        return np.exp(t * x)

    assert_equal_to(ed.grad(f, 2.0, x, wrt="t"), x * np.exp(2 * x))
    assert_equal_to(ed.grad(f, 2, x, wrt="t"), x * np.exp(2 * x))
    assert_equal_to(ed.grad(lambda t: t**3, 2, wrt="t"), 12.0)
    assert_equal_to(ed.grad(lambda t: t**3, 2.0, wrt="t", order=2), 12.0)


def test_lists_and_tensors_are_operands_too():
    def f(A, x):
        return A @ x

    assert_equal_to(ed.grad(f, A.tolist(), x.tolist(), wrt="A"), ed.grad(f, A, x, wrt="A").dense())
    t = ed.tensor("theta", x)
    J = ed.grad(f, A, t, wrt="theta")
    assert J.names == ("A", "theta")
    assert_equal_to(J, A)
    assert_equal_to(ed.grad(f, A, t, wrt=t), A)
    assert_equal_to(ed.grad(f, A, t, wrt="x"), A)
    symbolic = ed.grad(f, ed.tensor("W", "mn"), ed.tensor("v", "n"), wrt="W")
    assert str(symbolic) == "∂f_i/∂W_pq = δ_ip v_q"
    assert symbolic.shape == ("m", "m", "n")


def test_an_expression_is_an_operand_too():
    def f(v):
        return (v**2).sum()

    t = ed.tensor("x", x)
    assert_equal_to(ed.grad(f, A @ t, wrt="x"), 2 * A.T @ (A @ x))


# --- tracing: what a function reaches beyond its arguments ------------------------------------

BIAS = np.array([0.5, -0.5])


def test_captured_arrays_are_constants_that_are_called_what_they_are_called():
    local = np.array([1.0, 2.0])

    def f(x):
        return (A @ x + BIAS) * local

    t, J = ed.value_and_grad(f, x, wrt="x")
    assert set(t.names) == {"x", "A", "BIAS", "local"}
    assert_equal_to(t, (A @ x + BIAS) * local)
    assert_equal_to(J, local[:, None] * A)
    assert str(t) == "f_i = (A_ij x_j + BIAS_i) local_i"


def test_captured_arrays_can_be_differentiated_by():
    def f(x):
        return A @ x

    assert_equal_to(ed.grad(f, x, wrt="A"), np.einsum("ip,q->ipq", np.eye(2), x))


def test_arrays_that_are_made_inside_have_no_name_and_are_constants():
    def f(x):
        return np.linspace(0, 1, 3) * x + np.ones(3) @ x * np.arange(3)

    assert_equal_to(
        ed.grad(f, x, wrt="x"), np.diag([0, 0.5, 1]) + np.outer(np.arange(3), np.ones(3))
    )


def test_a_captured_tensor_keeps_its_values():
    W = ed.tensor("W", A)

    def f(x):
        return W @ x

    assert_equal_to(ed.grad(f, x, wrt="x"), A)
    assert_equal_to(ed.grad(f, x, wrt=W), np.einsum("ip,q->ipq", np.eye(2), x))


def affine(weights, inputs):
    return weights @ inputs


def test_a_helper_may_be_used_for_two_captured_arrays():
    W1, W2 = M, M.T + 1

    def f(v):
        return affine(W2, np.tanh(affine(W1, v)))

    value, J = ed.value_and_grad(f, y, wrt="v")
    assert_equal_to(value, W2 @ np.tanh(W1 @ y))
    assert_equal_to(J, W2 @ np.diag(1 - np.tanh(W1 @ y) ** 2) @ W1)


def test_a_loop_over_captured_arrays():
    layers = [M, M.T + 1, M - 1]

    def f(v):
        for W in layers:
            v = np.tanh(W @ v)
        return v

    value, J = ed.value_and_grad(f, y, wrt="v")
    assert_equal_to(value, f(y))
    np.testing.assert_allclose(np.asarray(J), jax.jacfwd(in_jax(f))(jnp.asarray(y)), rtol=1e-10)


def test_a_helper_whose_parameter_is_called_like_another_operand():
    def inner(x):
        return x @ x

    def f(x, w):
        return inner(A[:, 0]) * x.sum() + inner(w)

    assert_equal_to(ed.grad(f, x, y, wrt="x"), (A[:, 0] @ A[:, 0]) * np.ones(3))


def test_a_recursive_function():
    def power(A, n):
        return A if n == 1 else A @ power(A, n - 1)

    J = ed.grad(power, M, 3, wrt="A")
    np.testing.assert_allclose(np.asarray(J), jax.jacfwd(lambda A: A @ A @ A)(M), rtol=1e-12)


def test_functions_of_einsdiff_inside():
    def f(A, x):
        return ed.softmax(A @ x, axis=0) @ ed.einsum("ij,j->i", A, x) + ed.logsumexp(x)

    def theirs(A, x):
        return jax.nn.softmax(A @ x) @ (A @ x) + jax.scipy.special.logsumexp(x)

    for k, name in enumerate("Ax"):
        np.testing.assert_allclose(
            np.asarray(ed.grad(f, A, x, wrt=name)), jax.jacfwd(theirs, k)(A, x), rtol=1e-10
        )


def test_a_derivative_inside_of_a_function():
    def f(v):
        g = ed.grad(v @ M @ v, wrt="v")
        return g @ g

    assert_equal_to(ed.grad(f, y, wrt="v"), 2 * (M + M.T) @ (M + M.T) @ y)


def test_a_derivative_of_a_traced_function_inside_of_a_function():
    def energy(v):
        return (v**4).sum()

    def f(v):
        return (ed.grad(energy, v, wrt="v") ** 2).sum()

    assert_equal_to(ed.grad(f, y, wrt="v"), 96 * y**5)


def test_lambdas_methods_partials_and_callable_objects():
    class Model:
        def __init__(self, A):
            self.A = A

        def predict(self, x):
            return self.A @ x

        def __call__(self, x):
            return self.predict(x)

        @staticmethod
        def double(x):
            return 2 * x

        @classmethod
        def triple(cls, x):
            return 3 * x

    model = Model(A)
    assert_equal_to(ed.grad(lambda x: A @ x, x, wrt="x"), A)
    assert_equal_to(ed.grad(model.predict, x, wrt="x"), A)
    assert_equal_to(ed.grad(model, x, wrt="x"), A)
    assert_equal_to(ed.grad(Model.double, x, wrt="x"), 2 * np.eye(3))
    assert_equal_to(ed.grad(Model.triple, x, wrt="x"), 3 * np.eye(3))
    assert_equal_to(ed.grad(functools.partial(product_of, A), x, wrt="x"), A)
    assert_equal_to(ed.grad(functools.partial(product_of, x=x), A, wrt="A").vjp(y), np.outer(y, x))


def test_functions_of_numpy_themselves():
    assert_equal_to(ed.grad(np.tanh, x, wrt=0), np.diag(1 - np.tanh(x) ** 2))
    assert_equal_to(ed.grad(np.linalg.norm, x, wrt="x"), x / np.linalg.norm(x))
    assert_equal_to(ed.grad(ed.tanh, x, wrt="x"), np.diag(1 - np.tanh(x) ** 2))
    assert_equal_to(ed.grad(np.linalg.det, M, wrt="a"), np.linalg.det(M) * np.linalg.inv(M).T)


def test_a_decorated_function_has_the_signature_of_what_it_wraps():
    def logged(function):
        @functools.wraps(function)
        def wrapper(*args, **options):
            return function(*args, **options)

        return wrapper

    assert_equal_to(ed.grad(logged(product_of), A, x, wrt="x"), A)


def test_a_function_is_called_once_and_later_calls_need_no_function():
    calls = []

    def f(x):
        calls.append(1)
        return (x**2).sum()

    J = ed.grad(f, x, wrt="x")
    assert len(calls) == 1
    np.asarray(J)
    np.testing.assert_allclose(J(x=[1.0, 2.0, 3.0]), [2, 4, 6])
    assert len(calls) == 1


def test_a_function_that_does_not_depend_on_its_operand_has_derivative_zero():
    def f(x, y):
        return y @ y

    J = ed.grad(f, x, y, wrt="x")
    assert J.shape == (3,)
    np.testing.assert_array_equal(np.asarray(J), np.zeros(3))
    np.testing.assert_array_equal(np.asarray(ed.grad(lambda x: 3.0, x, wrt="x")), np.zeros(3))
    np.testing.assert_array_equal(np.asarray(ed.grad(lambda x: A, x, wrt="x")), np.zeros((2, 3, 3)))


def test_a_function_that_returns_its_operand_has_the_identity_for_a_derivative():
    assert_equal_to(ed.grad(lambda x: x, x, wrt="x"), np.eye(3))


# --- tracing: the other verbs -----------------------------------------------------------------


def quartic(A, x):
    return ((A @ x) ** 4).sum() / 4


def test_all_verbs_take_functions():
    r = A @ x
    gradient = A.T @ r**3
    H = A.T @ np.diag(3 * r**2) @ A
    v = np.array([0.1, -0.2, 0.3])
    value, J = ed.value_and_grad(quartic, A, x, wrt="x")
    assert_equal_to(value, (r**4).sum() / 4)
    assert_equal_to(J, gradient)
    assert_equal_to(ed.jacobian(quartic, A, x, wrt="x"), gradient)
    assert_equal_to(ed.hessian(quartic, A, x, wrt="x"), H)
    assert_equal_to(ed.grad(quartic, A, x, wrt="x", order=2), H)
    assert_equal_to(ed.jvp(quartic, A, x, wrt="x", v=v), gradient @ v)
    assert_equal_to(ed.vjp(quartic, A, x, wrt="x", u=2.0), 2 * gradient)
    assert_equal_to(ed.hvp(quartic, A, x, wrt="x", v=v), H @ v)
    assert_equal_to(ed.jvp(product_of, A, x, wrt=("A", "x"), v=(B, v)), B @ x + A @ v)
    by_A, by_x = ed.vjp(product_of, A, x, wrt=("A", "x"), u=y)
    assert_equal_to(by_A, np.outer(y, x))
    assert_equal_to(by_x, A.T @ y)
    assert ed.check(quartic, A, x, wrt="x", order=3).ok
    assert ed.grad(quartic, A, x, wrt="A").check()
    assert_equal_to(ed.grad(quartic, A, x, wrt="x", order=3),
                    jax.jacfwd(jax.hessian(quartic, 1), 1)(A, x))  # fmt: skip


# --- tracing: what cannot be traced -----------------------------------------------------------


def takes_a_branch(x):
    if x.sum() > 0:
        return x
    return -x


UNTRACEABLE: dict[str, Callable[[Any], Any]] = {
    "if": takes_a_branch,
    "while": lambda x: next(iter([x for _ in iter(lambda: bool(x.sum() > 9), True)])),
    "float": lambda x: x * float(x[0]),
    "int": lambda x: x[int(x[0])],
    "math": lambda x: x * math.exp(x[0]),
    "and": lambda x: x if (x[0] > 0 and x[1] > 0) else -x,
    "not": lambda x: x if not x[0] > 0 else -x,
    "max of Python": lambda x: max(x[0], x[1]) * x,
    "sorted": lambda x: sorted(x)[0] * x,
    "abs of a bool": lambda x: x * bool(x[0]),
    "np.asarray": lambda x: np.asarray(x) * 2,
    "np.array of entries": lambda x: np.array([x[0], 2 * x[1]]),
    "an array that is filled": lambda x: [out := np.zeros(3), operator.setitem(out, 0, x[0])][0],
    "np.allclose": lambda x: x if np.allclose(x, 0) else -x,
    "range": lambda x: sum(x for _ in range(x[0])),
    "formatting with a number": lambda x: x * float(f"{float(x[0]):.3f}"),
    "math.fsum": lambda x: x * math.fsum(x),
    "round": lambda x: x * round(x[0]),
}


@pytest.mark.parametrize("case", UNTRACEABLE)
def test_what_depends_on_numbers_is_an_error_and_never_a_constant(case):
    with pytest.raises((ed.EinsdiffError, TypeError, ValueError)) as caught:
        ed.grad(UNTRACEABLE[case], x, wrt="x")
    error = caught.value
    if case == "an array that is filled":  # NumPy's own error, with the reason as its cause
        error = error.__cause__ or error
    if case in ("range", "round"):  # a tensor is no index, and has no rounding of Python's
        assert isinstance(error, TypeError)
        return
    assert isinstance(error, ed.BindingError)
    assert "no array for 'x'" in str(error)
    if error is caught.value:
        (note,) = error.__notes__
        assert "while tracing" in note
        assert "np.where" in note


def test_the_note_names_the_function():
    with pytest.raises(ed.BindingError) as caught:
        ed.grad(takes_a_branch, x, wrt="x")
    assert "while tracing takes_a_branch" in caught.value.__notes__[0]


def test_an_error_inside_of_a_function_is_the_functions_own():
    def f(x):
        raise KeyError("mine")

    def g(A, x):
        return x @ A

    with pytest.raises(KeyError, match="mine"):
        ed.grad(f, x, wrt="x")
    with pytest.raises(ed.ShapeError, match="matmul"):
        ed.grad(g, A, x, wrt="x")


@pytest.mark.parametrize(
    ("returns", "text"),
    [
        (lambda x: (x, x), "returns 2 results"),
        (lambda x: [x, 2 * x, x], "returns 3 results"),
        (lambda x: (x, 1.0), "returns 2 results"),
        (lambda x: None, "None|no array|dtype object"),
        (lambda x: "text", "dtype"),
        (lambda x: {"loss": x}, "dtype object"),
        (lambda x: np.linalg.slogdet(np.eye(3) * x), "returns 2 results"),
    ],
)
def test_a_function_returns_one_tensor(returns, text):
    with pytest.raises(ed.OperandError, match=text):
        ed.grad(returns, x, wrt="x")


def test_the_error_of_several_results_names_the_function_and_says_what_to_do():
    def pair(x):
        return x, x

    with pytest.raises(ed.OperandError, match=r"pair returns 2 results") as caught:
        ed.grad(pair, x, wrt="x")
    assert "np.stack" in str(caught.value)


def test_a_function_that_returns_an_array_is_a_constant():
    J = ed.grad(lambda x: np.ones(2), x, wrt="x")
    np.testing.assert_array_equal(np.asarray(J), np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: ed.grad(product_of, A, wrt="A"), ed.BindingError, "missing a required argument"),
        (lambda: ed.grad(product_of, A, x, y, wrt="A"), ed.BindingError, "too many positional"),
        (lambda: ed.grad(product_of, A, x, z=y, wrt="A"), ed.BindingError, "'z'"),
        (lambda: ed.grad(product_of, A, x, A=A, wrt="A"), ed.BindingError, "multiple values"),
        (lambda: ed.grad(product_of, A, x, wrt="B"), ed.NameNotFoundError, "wrt='A' or wrt='x'"),
        (lambda: ed.grad(product_of, A, x, wrt=2), ed.NameNotFoundError, "out of range"),
        (lambda: ed.grad(product_of, A, x, wrt=-3), ed.NameNotFoundError, "out of range"),
        (lambda: ed.grad(product_of, A, x, wrt=y), ed.NameNotFoundError, "no operand"),
        (lambda: ed.grad(product_of, A, x, wrt="A", sizes={"i": 2}), ed.OperandError, "sizes="),
        (lambda: ed.grad(product_of, A, "x", wrt="A"), ed.EinsdiffError, ""),
        (lambda: ed.grad(product_of, A, np.array(["a"]), wrt="A"), ed.OperandError, "dtype"),
        (lambda: ed.grad(product_of, [[1, 2], [3]], x, wrt="x"), ed.OperandError, "no array"),
        (lambda: ed.grad(lambda x, n: x * n, x, 2, wrt="n", order=0), ed.OperandError, "order=0"),
        (lambda: ed.grad(max, x, wrt=0), (ed.EinsdiffError, TypeError, ValueError), ""),
    ],
)
def test_a_call_that_does_not_fit_is_refused(call, error, text):
    with pytest.raises(error, match=text or None) as caught:
        call()
    assert isinstance(caught.value, ed.EinsdiffError)


def test_the_dtype_of_an_operand_is_known_inside():
    seen = []

    def f(x):
        seen.append((x.dtype, x.shape, x.ndim, x.size, len(x)))
        return (x**2).sum()

    J = ed.grad(f, x.astype("f4"), wrt="x")
    assert seen == [(np.dtype("f4"), (3,), 1, 3, 3)]
    assert np.asarray(J).dtype == np.float32


def test_zeros_like_and_masks_inside():
    def f(x):
        start = np.zeros_like(x)
        mask = x > 0.5
        return (start + np.where(mask, x, start)).sum() + (mask * x).sum()

    assert_equal_to(ed.grad(f, x, wrt="x"), 2.0 * (x > 0.5))


def test_whole_numbers_are_differentiated_as_floats():
    whole = np.array([1, 2, 3])
    assert_equal_to(ed.grad(lambda n: (n / 2).sum(), whole, wrt="n"), np.full(3, 0.5))
    assert_equal_to(ed.grad(lambda n: (n * n).sum(), whole, wrt="n"), 2 * whole)


def test_complex_arrays_are_differentiated_holomorphically():
    z = np.array([1 + 1j, 2 - 1j])
    assert_equal_to(ed.grad(lambda z: np.exp(z) * z, z, wrt="z"), np.diag(np.exp(z) * (z + 1)))


def test_empty_arrays_are_traced():
    J = ed.grad(lambda A, x: np.tanh(A @ x), np.ones((2, 0)), np.ones(0), wrt="A")
    assert np.asarray(J).shape == (2, 2, 0)
