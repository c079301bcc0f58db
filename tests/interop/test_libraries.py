"""Derivatives evaluated on arrays of PyTorch and JAX, against NumPy."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import einsdiff as ed
from einsdiff.algebra.nodes.function_records import FUNCTIONS
from tests.catalogue_rows import ROWS
from tests.extras import needs
from tests.strategies import einsums
from tests.test_catalogue import arrays_of, derivative, expression, symbols_of

PLAIN = [row for row in ROWS if not row.of]
every_row = pytest.mark.parametrize("row", PLAIN, ids=str)
every_library = pytest.mark.parametrize("library", ["torch", "jax"])


def module(name: str) -> Any:
    """Import a library, or skip; see `needs`."""
    needs(name)
    return import_module(name)


@pytest.fixture(autouse=True)
def long_floats():
    """Let JAX have float64 for the test, whatever other tests do."""
    needs("jax")
    with import_module("jax").enable_x64(True):
        yield


def array(library: str, values: Any, dtype: str | None = None) -> Any:
    """Make an array of a library."""
    values = np.asarray(values)
    if library == "jax":
        return module("jax").numpy.asarray(values, dtype)
    torch = module("torch")
    return torch.tensor(values, dtype=None if dtype is None else getattr(torch, dtype))


def kind(library: str) -> type:
    return module("torch").Tensor if library == "torch" else module("jax").Array


def name_of(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def assert_alike(found: Any, expected: np.ndarray, library: str, **tolerances: float) -> None:
    """Compare an array of a library with NumPy's."""
    assert isinstance(found, kind(library))
    assert (tuple(found.shape), name_of(found.dtype)) == (expected.shape, str(expected.dtype))
    np.testing.assert_allclose(np.asarray(found), expected, **{"rtol": 1e-10, **tolerances})


# --- the catalogue ----------------------------------------------------------------------------


_BOTH: dict[str, tuple[ed.Tensor, ed.Tensor]] = {}


def both(row) -> tuple[ed.Tensor, ed.Tensor]:
    """Return a row's expression and its derivative, of tensors without values."""
    if str(row) not in _BOTH:
        symbols = symbols_of(row)
        _BOTH[str(row)] = expression(row, "build", symbols), derivative(row, "build", symbols)
    return _BOTH[str(row)]


@cache
def computed_by_jax() -> dict[str, Any]:
    """Compute all rows and their derivatives with JAX, compiled together."""
    jax = module("jax")
    with jax.enable_x64(True):
        functions = {str(row): ed.compile(*both(row)) for row in PLAIN}
        operands = {
            str(row): {n: jax.numpy.asarray(a) for n, a in arrays_of(row).items()} for row in PLAIN
        }

        def all_rows(operands: Any) -> dict[str, Any]:
            return {
                row: function(**{name: operands[row][name] for name in function.names})
                for row, function in functions.items()
            }

        found: dict[str, Any] = jax.jit(all_rows)(operands)
    return found


@every_row
def test_catalogue_on_jax(row):
    arrays = arrays_of(row)
    for t, found in zip(both(row), computed_by_jax()[str(row)], strict=True):
        expected = t(**{name: arrays[name] for name in t.names})
        assert_alike(found, expected, "jax", atol=1e-11)


@every_row
def test_catalogue_on_torch(row):
    arrays = arrays_of(row)
    operands = {name: array("torch", a) for name, a in arrays.items()}
    for t in both(row):
        expected = t(**{name: arrays[name] for name in t.names})
        found = t(**{name: operands[name] for name in t.names})
        assert_alike(found, expected, "torch", atol=1e-11)
        assert not any(found.data_ptr() == a.data_ptr() for a in operands.values() if a.numel())


@every_row
def test_catalogue_has_no_dense_identities(row):
    # Deltas are diagonals that are written to. An identity is formed where it is the result, or a
    # factor of a Kronecker product that is.
    arrays = {name: array("torch", a) for name, a in arrays_of(row).items()}
    compiled = ed.compile(both(row)[1])
    found = compiled(**{name: arrays[name] for name in compiled.names})
    statements = compiled.source[compiled.source.index("def computed") :]
    if "torch.eye" in statements:
        (made,) = re.findall(r".*torch\.eye.*", statements)
        assert "return" in made or found.numel() <= 16, statements


@every_row
@pytest.mark.parametrize("order", ["C", "F"])
def test_catalogue_as_matrices(row, order):
    arrays = arrays_of(row)
    J = both(row)[1]
    known = {name: arrays[name] for name in J.names}
    expected = ed.grad(both(row)[0], wrt=row.wrt, order=row.order, **known).matrix(order=order)
    others = {name: array("torch", a) for name, a in known.items()}
    t = ed.grad(both(row)[0], wrt=row.wrt, order=row.order, **others)
    assert_alike(t.matrix(order=order), expected, "torch", atol=1e-11)
    assert_alike(t.matrix("denominator", order), expected.T, "torch", atol=1e-11)


# --- every way to a result --------------------------------------------------------------------

F = "tanh(A_ij x_j) y_i"
ARRAYS = {
    "A": np.linspace(-1, 1, 12).reshape(3, 4),
    "x": np.linspace(0.5, 2, 4),
    "y": np.linspace(-2, 1, 3),
}


def of(library: str, dtype: str | None = None) -> dict[str, Any]:
    return {name: array(library, a, dtype) for name, a in ARRAYS.items()}


@every_library
def test_every_way_to_a_result(library):
    J = ed.grad(F, wrt="A", **of(library))
    expected = np.asarray(ed.grad(F, wrt="A", **ARRAYS))
    assert_alike(J.dense(), expected, library)
    assert_alike(ed.grad(F, wrt="A")(**of(library)), expected, library)
    assert_alike(J.matrix("denominator", "F"), expected.reshape(-1, 1, order="F"), library)
    assert_alike(J.compile()(), expected, library)
    assert_alike(ed.grad(F, wrt="A").compile()(*of(library).values()), expected, library)
    found = np.asarray(J)
    assert type(found) is np.ndarray
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert (J.shape, name_of(J.dtype)) == ((3, 4), "float64")


@every_library
def test_nested_results(library):
    nested = ed.value_and_grad(F, wrt=("A", "x"))
    expected = ed.compile(nested)(**ARRAYS)
    f, (by_A, by_x) = ed.compile(nested)(**of(library))
    for found, known in zip((f, by_A, by_x), (expected[0], *expected[1]), strict=True):
        assert_alike(found, known, library)


@every_library
def test_second_derivatives_and_products(library):
    H, known = ed.hessian(F, wrt="x", **of(library)), ed.hessian(F, wrt="x", **ARRAYS)
    assert_alike(H.dense(), known.dense(), library)
    v = np.arange(4.0)
    assert_alike(H.jvp(array(library, v)).dense(), known.jvp(v).dense(), library)
    assert_alike(H.vjp(array(library, v)).dense(), known.vjp(v).dense(), library)
    assert_alike(
        ed.hvp(F, wrt="x", v=array(library, v), **of(library)).dense(),
        known.jvp(v).dense(),
        library,
    )
    assert_alike(H.jvp([0, 1, 2, 3]).dense(), known.jvp(v).dense(), library)
    assert_alike(H.diagonal().dense(), known.diagonal().dense(), library)
    assert_alike(H.trace().dense(), known.trace().dense(), library)
    assert_alike(H[1, ::2].dense(), known[1, ::2].dense(), library)
    assert_alike(ed.simplify(H).dense(), known.dense(), library)


@every_library
def test_arrays_are_called_what_the_caller_calls_them(library):
    A, x = of(library)["A"], of(library)["x"]
    J = ed.grad("ij,j->i", A, x, wrt=A)
    assert str(J) == "∂f_i/∂A_pq = δ_ip x_q"
    with pytest.raises(ed.NameNotFoundError, match="array given as wrt is no operand"):
        ed.grad("ij,j->i", A, x, wrt=of(library)["y"])
    nameless, name = ed.einsum("ij,j->i", of(library)["A"], x).names
    assert nameless.startswith("array")
    assert name == "x"


@every_library
def test_functions_are_traced_with_such_arrays(library):
    A, x = of(library)["A"], of(library)["x"]
    found = ed.grad(lambda x: np.sin(A @ x) ** 2, x, wrt="x")
    A, x = ARRAYS["A"], ARRAYS["x"]
    assert_alike(found.dense(), ed.grad(lambda x: np.sin(A @ x) ** 2, x, wrt="x").dense(), library)


def test_functions_of_torch_are_not_traced():
    torch = module("torch")
    with pytest.raises(ed.OperandError, match=r"torch\.sin takes .*\n.*\n.*np\.sin\(t\)"):
        ed.grad(lambda x: torch.sin(x), torch.ones(3))
    with pytest.raises(ed.OperandError, match=r"torch\.stack"):
        torch.stack([ed.tensor("x", 2)])


@every_library
def test_operators_of_arrays_and_tensors_make_tensors(library):
    A, x, y = of(library).values()
    a, b, c = ARRAYS.values()
    f, g = ed.einsum("ij,j->i", A, x), ed.einsum("ij,j->i", a, b)
    B, d = array(library, np.eye(3) + 1), np.eye(3) + 1
    pairs = [
        (y + f, c + g),
        (f + y, g + c),
        (y - f, c - g),
        (y * f, c * g),
        (y / f, c / g),
        (f / y, g / c),
        (B @ f, d @ g),
        (f @ B, g @ d),
        (2.0 * f, 2.0 * g),
        (f * np.float64(2), g * np.float64(2)),
        (np.exp(f) * y, np.exp(g) * c),
        (np.concatenate([f, y]), np.concatenate([g, c])),
        ((y * y) ** f, (c * c) ** g),
    ]
    for found, known in pairs:
        assert isinstance(found, ed.Tensor)
        assert_alike(found.dense(), known.dense(), library)
    y += f
    assert_alike(y.dense(), c + g.dense(), library)


@every_library
def test_arrays_without_axes(library):
    a = array(library, 2.0)
    x = of(library)["x"]
    found = ed.grad("a^2 x_i x_i", a=a, x=x, wrt="a").dense()
    assert_alike(found, np.asarray(4 * ARRAYS["x"] @ ARRAYS["x"]), library)
    assert_alike(ed.grad("a^3", a=a, wrt="a").dense(), np.asarray(12.0), library)
    assert_alike(ed.grad("3 x_i", x=x, wrt="x").dense(), 3 * np.eye(4), library)
    assert_alike(ed.grad(ed.tensor("x", x) * 0, wrt="x").dense(), np.zeros((4, 4)), library)
    product = ed.einsum("i,i->", x, x) * array(library, 3.0)  # which is no number, but a variable
    assert product.names[0] == "x"
    assert product.names[1].startswith("array")


@every_library
def test_awkward_memory(library):
    a = array(library, np.arange(6.0).reshape(2, 3))
    x = array(library, np.ones(4))[::2]
    found = ed.grad("exp(a_ij x_j)", a=a.T / 9, x=x, wrt="x").dense()
    known = ed.grad("exp(a_ij x_j)", a=np.arange(6.0).reshape(2, 3).T / 9, x=np.ones(2), wrt="x")
    assert_alike(found, known.dense(), library)
    empty, x = array(library, np.ones((0, 3))), array(library, [1.0, 2.0, 3.0])
    assert_alike(ed.grad("A_ij x_j", A=empty, x=x, wrt="x").dense(), np.ones((0, 3)), library)


@every_library
def test_results_share_no_memory(library):
    x = of(library)["x"]
    t = ed.tensor("x", "n")
    one, other, third = ed.compile(t, t, ed.sin(t))(x)
    if library == "torch":
        one[0] = 7
        assert float(x[0]) == float(other[0]) == 0.5
        one, other = ed.compile(ed.sin(t), ed.sin(t))(x)
        one[0] = 7
        assert float(other[0]) == np.sin(0.5)
    assert_alike(third, np.sin(ARRAYS["x"]), library)


# --- structure --------------------------------------------------------------------------------


def test_deltas_are_written_and_not_multiplied():
    J = ed.compile(ed.grad("A_ij x_j", wrt="A"))
    J(**{name: a for name, a in of("jax").items() if name in "Ax"})
    assert ".at[i, i].set(x)" in J.source
    J(**{name: a for name, a in of("torch").items() if name in "Ax"})
    assert "new_zeros((3, 3, 4))" in J.source
    assert "J[i, i] = x" in J.source
    for source in (J.source, ed.grad("sin(x_i)", wrt="x").code("torch")):
        assert "eye" not in source
    trace = ed.compile(ed.einsum("ii->", "A"), ed.einsum("ii->i", "A"))
    trace(array("torch", np.ones((3, 3))))
    assert "torch.diagonal(A)" in trace.source


# --- dtypes -----------------------------------------------------------------------------------


@every_library
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_results_are_of_the_operands_dtype(library, dtype):
    known = {name: a.astype(dtype) for name, a in ARRAYS.items()}
    for order in (1, 2):
        t = ed.grad(F, wrt="x", order=order, **of(library, dtype))
        expected = np.asarray(ed.grad(F, wrt="x", order=order, **known))
        rtol = 1e-4 if dtype in ("float32", "complex64") else 1e-12
        assert_alike(t.dense(), expected, library, rtol=rtol, atol=rtol)
        assert name_of(t.dtype) == dtype


@every_library
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_short_floats(library, dtype):
    t = ed.grad(F, wrt="x", **of(library, dtype))
    found = t.dense()
    assert name_of(found.dtype) == name_of(t.dtype) == dtype
    values = np.asarray(t)
    assert values.dtype == ("float32" if dtype == "bfloat16" else "float16")
    np.testing.assert_allclose(values, ed.grad(F, wrt="x", **ARRAYS), atol=0.05)
    assert t._repr_html_()


@every_library
@pytest.mark.parametrize("dtype", ["int64", "int32", "int8", "uint8", "bool"])
def test_integers(library, dtype):
    x = np.array([1, 0]) if dtype == "bool" else np.array([1, 2])
    found = ed.grad("x_i x_i x_j", x=array(library, x, dtype), wrt="x").dense()
    expected = ed.grad("x_i x_i x_j", x=x.astype(dtype), wrt="x").dense()
    assert_alike(found, expected, library)
    halves = ed.einsum("i->i", array(library, x, dtype)) / 2
    assert_alike(
        halves.dense().to(module("torch").float64) if library == "torch" else halves.dense(),
        x / 2,
        library,
    )


def test_torch_makes_its_default_floats_of_integers():
    torch = module("torch")
    x = torch.tensor([1, 2])
    assert (ed.tensor("x", x) / 2).dense().dtype == torch.float32
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        assert (ed.tensor("x", x) / 3).dense().dtype == torch.float64
        assert ed.exp(ed.tensor("x", x)).dtype == torch.float64
    finally:
        torch.set_default_dtype(before)
    assert (ed.tensor("x", x) * 1j).dense().dtype == torch.complex64
    assert (ed.tensor("x", torch.ones(2)) * 1j).dense().dtype == torch.complex64
    # Integers among floats become floats.
    assert (
        ed.einsum("i,i->", x, torch.ones(2, dtype=torch.bfloat16)).dense().dtype == torch.bfloat16
    )


def test_jax_without_long_types():
    jax = module("jax")
    with jax.enable_x64(False):
        x = jax.numpy.array([1, 2])
        assert (ed.tensor("x", x) / 2).dense().dtype == "float32"
        cube = ed.grad("x_i x_i x_j", x=jax.numpy.array([True, False]), wrt="x").dense()
        assert cube.dtype == "int32"
        # What 32 bits do not hold becomes a float, and is not wrong.
        found = (ed.tensor("x", x) * 3_000_000_000).dense()
        np.testing.assert_allclose(found, [3e9, 6e9])
        found = (ed.tensor("x", jax.numpy.ones(2)) * 3_000_000_000 + 10**30).dense()
        np.testing.assert_allclose(found, [1e30, 1e30])
        t = ed.grad(F, wrt="x", **{n: jax.numpy.asarray(a) for n, a in ARRAYS.items()})
        assert t.dense().dtype == t.dtype == "float32"


@every_library
def test_large_numbers(library):
    x = array(library, [1, 2])
    np.testing.assert_array_equal(
        np.asarray((ed.tensor("x", x) * 3_000_000_000).dense()), [3_000_000_000, 6_000_000_000]
    )
    np.testing.assert_allclose(np.asarray(ed.tensor("x", x) * 10**30), [1e30, 2e30])
    np.testing.assert_array_equal(
        np.asarray(ed.tensor("x", array(library, [200], "uint8")) * 2 - 300), [100]
    )


def test_jax_numbers_give_way_to_arrays():
    jnp = module("jax").numpy
    f = ed.compile("a x_i")
    x = jnp.ones(3, "bfloat16")
    weak, strong = jnp.asarray(2.0), jnp.float32(2.0)
    assert [f(a, x).dtype.name for a in (weak, strong, weak)] == ["bfloat16", "float32", "bfloat16"]
    assert ed.tensor("x", x).dtype == "bfloat16"


@every_library
def test_numbers_and_lists_are_taken_along(library):
    A = array(library, ARRAYS["A"], "float32")
    f = ed.compile("A_ij x_j")
    expected = ARRAYS["A"].astype("float32").sum(axis=1)
    for _ in range(2):
        assert_alike(f(A, [1, 1, 1, 1]), expected, library, rtol=1e-6, atol=1e-6)
    found = ed.compile("a A_ij")(a=2.0, A=A)
    assert_alike(found, 2 * ARRAYS["A"].astype("float32"), library)
    found = ed.compile("a A_ij")(a=1j, A=A)
    assert name_of(found.dtype) == "complex64"
    assert_alike((ed.tensor("A", A) * np.float64(2)).dense(), 2 * ARRAYS["A"].astype("f4"), library)


# --- devices ----------------------------------------------------------------------------------


def test_devices_of_torch():
    torch = module("torch")
    operands = {name: a.to("meta") for name, a in of("torch").items()}
    t = ed.grad(F, wrt="A", **operands)
    assert (t.dense().device.type, tuple(t.dense().shape)) == ("meta", (3, 4))
    assert t.check()  # with random values
    assert "tanh" in t._repr_html_()
    with pytest.raises(ed.OperandError, match=r"device meta, where .* no values"):
        np.asarray(t)
    with pytest.raises(ed.OperandError, match="'A' is on device meta and 'x' is on device cpu"):
        ed.grad(F, wrt="A", **{**of("torch"), "A": operands["A"]}).dense()
    f = ed.compile(F)
    f(**of("torch"))
    with pytest.raises(ed.OperandError, match="'y' is on device meta"):
        f(**{**of("torch"), "y": operands["y"]})
    assert ed.tensor("S", torch.ones(2, 2, device="meta"), symmetric=True).shape == (2, 2)


DEVICES = """
import jax, numpy as np, einsdiff as ed
one, other = jax.devices()
A, x = jax.device_put(np.ones((2, 3)), other), jax.device_put(np.ones(3), other)
J = ed.grad("ij,j->i", A, x, wrt="A").dense()
assert J.devices() == {other}, J.devices()
assert ed.grad("ij,j->i", A, np.float32(2) * jax.numpy.ones(3), wrt=1).dense().devices() == {other}
try:
    ed.einsum("ij,j->i", A, jax.device_put(x, one)).dense()
except ed.OperandError as error:
    print(str(error).splitlines()[0])
"""


def test_devices_of_jax():
    needs("jax")
    found = subprocess.run(
        [sys.executable, "-c", DEVICES],
        env={
            **__import__("os").environ,
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
            "JAX_PLATFORMS": "cpu",
        },
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert re.search(r"'A' is on cpu:1 and '\w+' is on cpu:0", found.stdout)


def test_cupy():
    """Where CuPy and a GPU are, the result is there, too."""
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("needs a GPU")
    for row in PLAIN:
        arrays = arrays_of(row)
        for t in both(row):
            found = t(**{name: cupy.asarray(arrays[name]) for name in t.names})
            assert isinstance(found, cupy.ndarray)
            expected = t(**{name: arrays[name] for name in t.names})
            np.testing.assert_allclose(found.get(), expected, rtol=1e-9, atol=1e-10)


# --- what the libraries do with it ------------------------------------------------------------


def test_jax_transforms():
    jax = module("jax")
    jnp = jax.numpy
    gradient, operands = ed.grad(F, wrt="x").compile(), list(of("jax").values())
    A, x, y = operands
    expected = np.asarray(ed.grad(F, wrt="x", **ARRAYS))
    np.testing.assert_allclose(jax.jit(gradient)(*operands), expected, rtol=1e-12)
    np.testing.assert_allclose(jax.jit(gradient)(y=y, A=A, x=x), expected, rtol=1e-12)
    many = jax.vmap(gradient, in_axes=(None, 0, None))(A, jnp.stack([x, 2 * x]), y)
    np.testing.assert_allclose(many[0], expected, rtol=1e-12)
    hessian = np.asarray(ed.hessian(F, wrt="x", **ARRAYS))
    np.testing.assert_allclose(jax.jacobian(gradient, argnums=1)(*operands), hessian, rtol=1e-10)
    value = ed.compile(F)
    np.testing.assert_allclose(jax.grad(value, argnums=1)(*operands), expected, rtol=1e-12)
    assert jax.eval_shape(gradient, *operands).shape == (4,)
    # Expressions may be made inside of what is traced, too.
    inside = jax.jit(lambda A, x: ed.grad("ij,j->i", A, x, wrt="A").jvp(A).dense())
    np.testing.assert_allclose(inside(A, x), ARRAYS["A"] @ ARRAYS["x"], rtol=1e-12)
    S = jnp.eye(4)
    square = ed.einsum("i,ij,j->", "x", ed.tensor("S", "nn", symmetric=True), "x").compile()
    np.testing.assert_allclose(jax.jit(square)(x=x, S=S), x @ x, rtol=1e-12)


def test_torch_transforms():
    torch = module("torch")
    gradient, (A, x, y) = ed.grad(F, wrt="x").compile(), of("torch").values()
    expected = np.asarray(ed.grad(F, wrt="x", **ARRAYS))
    many = torch.func.vmap(gradient, in_dims=(None, 0, None))(A, torch.stack([x, 2 * x]), y)
    np.testing.assert_allclose(many[0], expected, rtol=1e-12)
    value = ed.compile(F)
    np.testing.assert_allclose(torch.func.grad(value, argnums=1)(A, x, y), expected, rtol=1e-12)
    found = torch.func.jacrev(gradient, argnums=1)(A, x, y)
    np.testing.assert_allclose(found, ed.hessian(F, wrt="x", **ARRAYS), rtol=1e-10)
    found = torch.func.vmap(lambda x: ed.einsum("i,i->", x, x).dense())(torch.stack([x, x]))
    np.testing.assert_allclose(found, [ARRAYS["x"] @ ARRAYS["x"]] * 2, rtol=1e-12)
    S = ed.tensor("S", "nn", symmetric=True)
    square = ed.einsum("i,ij,j->", "x", S, "x").compile()
    found = torch.func.vmap(square, in_dims=(None, 0))(x, torch.eye(4).double().expand(2, 4, 4))
    np.testing.assert_allclose(found, [ARRAYS["x"] @ ARRAYS["x"]] * 2, rtol=1e-12)


def test_autograd_flows_through_the_evaluation():
    torch = module("torch")
    operands = of("torch")
    operands["x"].requires_grad_()
    J = ed.grad(F, wrt="x", **operands)
    (found,) = torch.autograd.grad(J.dense().sum(), operands["x"])
    H = np.asarray(ed.hessian(F, wrt="x", **ARRAYS))
    np.testing.assert_allclose(found, H.sum(axis=0), rtol=1e-10)
    np.testing.assert_allclose(np.asarray(J), ed.grad(F, wrt="x", **ARRAYS), rtol=1e-12)
    assert J.check()
    assert J._repr_html_()
    parameter = torch.nn.Parameter(operands["x"].detach())
    assert ed.einsum("i,i->", parameter, parameter).dense().requires_grad


@pytest.mark.parametrize("is_warm", [False, True])
def test_torch_compiles_it_as_one_graph(is_warm):
    torch = module("torch")
    A, x, y = of("torch").values()
    f = ed.compile(ed.value_and_grad(F, wrt="x"), backend="torch")
    if is_warm:
        f(A, x, y)
    torch._dynamo.reset()
    compiled = torch.compile(lambda A, x, y: f(A, y=y, x=2 * x), backend="eager", fullgraph=True)
    expected = ed.compile(ed.value_and_grad(F, wrt="x"))(ARRAYS["A"], 2 * ARRAYS["x"], ARRAYS["y"])
    for _ in range(2):
        for found, known in zip(compiled(A, x, y), expected, strict=True):
            assert_alike(found, known, "torch")
    # Other shapes and dtypes are planned and traced anew.
    wide = compiled(torch.ones(5, 4), torch.ones(4), torch.ones(5))
    assert (wide[1].dtype, tuple(wide[1].shape)) == (torch.float32, (4,))


def test_torch_compiles_bound_arrays():
    torch = module("torch")
    A, x, y = of("torch").values()
    f = ed.grad(F, wrt="x", A=A, y=y).compile()
    torch._dynamo.reset()
    found = torch.compile(lambda x: f(x=x), backend="aot_eager", fullgraph=True)(x)
    assert_alike(found, np.asarray(ed.grad(F, wrt="x", **ARRAYS)), "torch")


# --- what is read and shown -------------------------------------------------------------------


@every_library
def test_check_and_displays_take_the_values(library):
    J, known = ed.grad(F, wrt="x", **of(library)), ed.grad(F, wrt="x", **ARRAYS)
    assert J.check()
    assert ed.check(F, wrt="x", **of(library))
    assert str(J) == str(known)
    assert repr(J) == repr(known)
    assert J._repr_html_() == known._repr_html_()
    assert str(J.cases()) == str(known.cases())
    assert str(J.explain()) == str(known.explain())
    for kind in ("forward", "reverse", "layouts", "shapes", "chain"):
        assert str(J.table(kind)) == str(known.table(kind))


@every_library
def test_plots_take_the_values(library):
    needs("matplotlib")
    picture = ed.grad("A_ij x_j", wrt="x", A=of(library)["A"], x=of(library)["x"]).plot()
    assert picture is not None


@every_library
def test_symmetric_arrays(library):
    S = array(library, [[2.0, 1.0], [1.0, 3.0]])
    t = ed.grad(ed.logdet(ed.tensor("S", S, symmetric=True)), wrt="S")
    expected = np.linalg.inv(np.asarray(S))
    assert_alike(t.dense(), expected, library)
    with pytest.raises(ed.ShapeError, match="'S' is declared symmetric"):
        ed.tensor("S", array(library, [[2.0, 1.0], [0.0, 3.0]]), symmetric=True)
    with pytest.raises(ed.ShapeError, match="'S' is declared symmetric"):
        t.compile()(S=array(library, [[2.0, 1.0], [0.0, 3.0]]))


@every_library
def test_copies(library):
    t = ed.grad(F, wrt="x", **of(library))
    for other in (copy.deepcopy(t), pickle.loads(pickle.dumps(t))):
        assert_alike(other.dense(), np.asarray(ed.grad(F, wrt="x", **ARRAYS)), library)


@every_library
def test_numpy_functions_that_look_at_values(library):
    f = ed.einsum("ij,j->i", of(library)["A"], of(library)["x"])
    assert np.allclose(f, ARRAYS["A"] @ ARRAYS["x"])
    assert np.shape(f) == (3,)
    assert bool(ed.einsum("i,i->", of(library)["x"], of(library)["x"]))
    assert float(ed.einsum("i,i->", of(library)["x"], of(library)["x"])) == pytest.approx(
        ARRAYS["x"] @ ARRAYS["x"]
    )


# --- functions of one's own -------------------------------------------------------------------


@pytest.fixture
def table():
    before = dict(FUNCTIONS)
    yield
    FUNCTIONS.clear()
    FUNCTIONS.update(before)


@every_library
def test_functions_of_ones_own(library, table):
    half = ed.register("softhalf", lambda x: x / (1 + x * x), "(1 - x^2) / (1 + x^2)^2")
    t = half(ed.tensor("x", of(library)["x"]))
    x = ARRAYS["x"]
    assert_alike(t.dense(), x / (1 + x * x), library)
    assert_alike(ed.grad(t, wrt="x").dense(), np.diag((1 - x**2) / (1 + x**2) ** 2), library)
    ones = ed.register("oneof", lambda x: np.ones(x.shape), "0 x")
    assert_alike(ones(ed.tensor("x", of(library)["x"])).dense(), np.ones(4), library)


def test_a_function_that_takes_numpy_arrays_only_is_named(table):
    jax, torch = module("jax"), module("torch")
    softer = ed.register("softer", lambda x: np.sinh(np.asarray(x)), "cosh(x)")
    t = softer(ed.tensor("x", "n"))
    message = r"'softer' was registered with a function that does not take a {}: .*own library"
    with pytest.raises(ed.OperandError, match="(?s)" + message.format("JAX array")):
        jax.jit(t.compile())(jax.numpy.ones(2))
    with pytest.raises(ed.OperandError, match="(?s)" + message.format("PyTorch tensor")):
        t(x=torch.ones(2, requires_grad=True))


# --- refusals ---------------------------------------------------------------------------------


def test_kinds_are_not_mixed():
    torch, jax = of("torch"), of("jax")
    message = "'{}' is a {} and '{}' is a {}"
    cases = [
        (torch["A"], jax["x"], message.format("A", "PyTorch tensor", "x", "JAX array")),
        (torch["A"], ARRAYS["x"], message.format("A", "PyTorch tensor", "x", "NumPy array")),
        (ARRAYS["A"], jax["x"], message.format("A", "NumPy array", "x", "JAX array")),
    ]
    for A, x, text in cases:
        with pytest.raises(ed.OperandError, match=text):
            ed.grad("ij,j->i", A, x, wrt="A").dense()
        with pytest.raises(ed.OperandError, match=text):
            ed.compile("A_ij x_j")(A, x)
        with pytest.raises(ed.OperandError, match=text):
            ed.grad("ij,j->i", A, x, wrt="A").matrix()
    with pytest.raises(ed.OperandError, match="compiled for PyTorch, and 'A' is a JAX array"):
        ed.compile("A_ij x_j", backend="torch")(jax["A"], jax["x"])
    with pytest.raises(ed.OperandError, match="compiled for JAX, and 'A' is a NumPy array"):
        ed.compile("A_ij x_j", backend="jax")(ARRAYS["A"], ARRAYS["x"])


def test_torch_dtypes_are_not_mixed():
    torch = of("torch")
    with pytest.raises(ed.OperandError, match=r"'A' has dtype torch\.float64 and 'x' has torch\.f"):
        ed.einsum("ij,j->i", ed.tensor("A", torch["A"]), ed.tensor("x", torch["x"].float())).dense()


@every_library
def test_what_numpy_alone_computes_refuses_by_name(library):
    S = array(library, [[2.0, 1.0], [1.0, 3.0]])
    J = ed.grad("ij,j->i", S, array(library, [1.0, 2.0]), wrt=1)
    what = {"torch": "'S' is a PyTorch tensor", "jax": "'S' is a JAX array"}[library]
    calls = [
        J.cores,
        J.sparse,
        J.operator,
        J.solver,
        lambda: J.solve([1.0, 2.0]),
        lambda: J.compile(form="cores")(),
        lambda: J.compile(form="sparse")(),
    ]
    for call in calls:
        with pytest.raises(ed.OperandError, match=what):
            call()
    known = ed.grad("ij,j->i", [[2.0, 1.0], [1.0, 3.0]], [1.0, 2.0], wrt=1)
    with pytest.raises(ed.OperandError, match=r"solve\(\) is computed from NumPy arrays only"):
        known.solve(array(library, [1.0, 2.0]))
    with pytest.raises(ed.OperandError, match="out= is for NumPy arrays"):
        J.dense(out=np.zeros((2, 2)))
    compiled = J.compile()
    with pytest.raises(ed.OperandError, match="out= is for NumPy arrays"):
        compiled(out=np.zeros((2, 2)))
    compiled()
    for look in (lambda: compiled.plan, compiled.report):
        with pytest.raises(ed.OperandError, match="no plan"):
            look()
    with pytest.raises(ed.SizeError, match=r"result of shape \(2, 2\).* limit is 8 bytes"):
        J.dense(memory_limit=8)


def test_arrays_that_are_not_dense_are_named():
    torch = module("torch")
    with pytest.raises(ed.OperandError, match="sparse_coo tensor"):
        ed.einsum("ij,j->i", torch.eye(2).to_sparse(), torch.ones(2))
    with pytest.raises(ed.OperandError, match=r"float8_e4m3fn, which has no derivative"):
        ed.einsum("i->", torch.ones(2).to(torch.float8_e4m3fn))
    jax = module("jax")
    with pytest.raises(ed.OperandError, match="has dtype key"):
        ed.einsum("i->", jax.random.split(jax.random.key(0), 2))
    with pytest.raises(ed.OperandError, match="has dtype object"):
        ed.einsum("i->", jax.ShapeDtypeStruct((3,), np.float32))


@every_library
def test_errors_of_shapes_and_domains(library):
    with pytest.raises(ed.ShapeError, match="size 'n' is 4 in 'A', but 3 here"):
        ed.einsum("ij,j->i", "A", "x")(A=of(library)["A"], x=of(library)["y"])
    with pytest.raises(ed.OperandError, match="'relu' is a function of real numbers"):
        ed.relu(ed.tensor("x", of(library, "complex128")["x"])).dense()
    with pytest.raises(ed.BindingError, match="no array for 'x'"):
        ed.compile("A_ij x_j")(A=of(library)["A"])


def test_singular_matrices():
    torch = module("torch")
    t = ed.inv(ed.tensor("Z", "nn"))
    for call in (t, t.compile()):
        with pytest.raises(torch.linalg.LinAlgError) as caught:
            call(Z=torch.zeros(2, 2))
        assert "while computing" in caught.value.__notes__[0]
    found = t(Z=array("jax", np.zeros((2, 2))))  # JAX does not raise: there is no finite inverse
    assert not np.isfinite(np.asarray(found)).any()


# --- random einsums ---------------------------------------------------------------------------


@given(case=einsums(dtypes=["float64", "int64", "complex128"]))
@settings(max_examples=40, deadline=None)
def test_random_einsums_on_torch(case):
    if len({a.dtype for a in case.arrays.values() if a.dtype.kind in "fc"}) > 1:
        return  # which is refused
    others = {name: array("torch", a.copy()) for name, a in case.arrays.items()}
    compare(case, others)


@given(case=einsums(most_operands=3, dtypes=["float64"]))
@settings(max_examples=8, deadline=None)
def test_random_einsums_on_jax(case):
    with module("jax").enable_x64(True):
        compare(case, {name: array("jax", a) for name, a in case.arrays.items()})


def compare(case, others):
    def einsum(arrays):
        operands = [ed.tensor(name, arrays[name]) for name in case.names]
        return ed.einsum(case.subscripts, *operands, sizes=case.broadcast)

    for name in case.arrays:
        found = ed.grad(einsum(others), wrt=name).dense()
        expected = ed.grad(einsum(case.arrays), wrt=name).dense()
        assert tuple(found.shape) == expected.shape
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-10, atol=1e-10)
