"""Expressions as functions that PyTorch and JAX differentiate by einsdiff's derivatives."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import einsdiff as ed
from einsdiff.interop.differentiable import Pass
from tests.interop.test_libraries import (
    ARRAYS,
    PLAIN,
    F,
    array,
    assert_alike,
    both,
    every_library,
    long_floats,
    module,
    of,
)
from tests.test_catalogue import arrays_of

__all__ = ["long_floats"]

# PyTorch's forward mode and its compiler use what PyTorch itself deprecates.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning"),
]

#: Rows with functions that have rules of their own; JAX's checks of the second order are slow.
CHOSEN = ["A10", "C3", "D8", "D15", "E5", "F3"]

MORE = {
    "relu": ("relu(A_ij x_j)", None),
    "abs": ("abs(A_ij x_j) y_i", None),
    "largest": (lambda A, x: np.max(A * x, axis=1), None),
    "softmax": (lambda A, x: ed.softmax(A @ x), None),
    "attention": (lambda A, B: ed.softmax(A @ B.T, axis=1) @ B, None),
    "inverse": (lambda S, x: ed.inv(S) @ x, None),
    "determinant": (lambda S: ed.det(S), None),
    "logdet": (lambda S: ed.logdet(S @ S.T), None),
    "cholesky": (lambda S: ed.cholesky(S @ S.T), None),
    "eigenvalues": (lambda S: ed.eigvalsh(S @ S.T), None),
    "einsum": ("A_ij A_ij x_k", None),
}
#: These take JAX long to compile, and have a relative among the others.
SLOW_IN_JAX = ("abs", "determinant", "eigenvalues")
SHAPES = {"A": (3, 4), "B": (2, 4), "S": (3, 3), "x": (4,), "y": (3,)}


def expression_of(name: str) -> ed.Tensor:
    """Read one of the functions above, of tensors without values."""
    f = MORE[name][0]
    if isinstance(f, str):
        return ed.parse(f)
    names = f.__code__.co_varnames[: f.__code__.co_argcount]
    return f(*(ed.tensor(n, shape_of(n, names)) for n in names))


def shape_of(name: str, names: Any) -> tuple[int, ...]:
    return (3,) if name == "x" and "S" in names else SHAPES[name]


def arrays_for(t: ed.Tensor) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    found = {}
    for n in t.names:
        found[n] = rng.normal(size=shape_of(n, t.names)) + (2 * np.eye(3) if n == "S" else 0)
    return found


# --- PyTorch ----------------------------------------------------------------------------------


def checked_by_torch(f: Any, arrays: dict[str, np.ndarray], symmetric: Any = ()) -> None:
    """Run PyTorch's checks: both modes, and the second order."""
    torch = module("torch")
    inputs = [
        array("torch", arrays[name]).requires_grad_(name not in symmetric) for name in f.names
    ]
    if any(a.requires_grad for a in inputs):
        check = torch.autograd.gradcheck
        assert check(f, inputs, check_forward_ad=True, fast_mode=True)
        assert torch.autograd.gradgradcheck(f, inputs, fast_mode=True)


@pytest.mark.parametrize("row", PLAIN, ids=str)
def test_catalogue_by_torch(row):
    checked_by_torch(ed.as_torch(both(row)[0]), arrays_of(row), row.symmetric)


@pytest.mark.parametrize("name", MORE)
def test_functions_by_torch(name):
    t = expression_of(name)
    f, arrays = ed.as_torch(t), arrays_for(t)
    inputs = {n: array("torch", a).requires_grad_() for n, a in arrays.items()}
    assert_alike(f(**inputs).detach(), t(**arrays), "torch", rtol=1e-9)
    checked_by_torch(f, arrays)


def test_all_checks_of_torch():
    torch = module("torch")
    f = ed.as_torch(ed.value_and_grad(F, wrt="x"))
    inputs = [a.requires_grad_() for a in of("torch").values()]
    assert torch.autograd.gradcheck(
        f, inputs, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True
    )
    f = ed.as_torch(F)
    assert torch.autograd.gradgradcheck(
        f, inputs, check_fwd_over_rev=True, check_rev_over_rev=True, check_batched_grad=True
    )


@pytest.mark.parametrize("text", ["exp(A_ij x_j) y_i", "A_ij x_j / y_i"])
def test_complex_numbers_by_torch(text):
    # PyTorch's cotangents are conjugates.
    torch = module("torch")
    rng = np.random.default_rng(3)
    f = ed.as_torch(text)
    arrays = {
        n: rng.normal(size=a.shape) + 1j * rng.normal(size=a.shape) for n, a in ARRAYS.items()
    }
    checked_by_torch(f, arrays)
    # With a real operand among complex ones the gradient is real.
    inputs = {n: array("torch", a if n == "A" else a.real) for n, a in arrays.items()}
    for a in inputs.values():
        a.requires_grad_()
    assert torch.autograd.gradcheck(f, [inputs[n] for n in f.names], fast_mode=True)


def test_backward_is_einsdiffs():
    torch = module("torch")
    f = ed.as_torch(F)
    A, x, y = of("torch").values()
    x.requires_grad_()
    value = f(A, x, y)
    assert type(value.grad_fn).__name__ == "_ComputedBackward"
    (found,) = torch.autograd.grad(value, x, create_graph=True)
    np.testing.assert_allclose(found.detach(), ed.grad(F, wrt="x", **ARRAYS), rtol=1e-12)
    (second,) = torch.autograd.grad(found[0], x)
    np.testing.assert_allclose(second, np.asarray(ed.hessian(F, wrt="x", **ARRAYS))[0], rtol=1e-10)


def test_only_what_is_needed_is_computed_and_kept():
    f = ed.as_torch("A_ij x_j y_i")
    A, x, y = of("torch").values()
    A.requires_grad_()
    value = f(A, x, y)
    # The derivative by A does not depend on A.
    assert {tuple(t.shape) for t in value.grad_fn.saved_tensors} == {(4,), (3,)}
    step = value.grad_fn.step
    (pulled,) = (found for found in step._derived.values() if isinstance(found, Pass))
    assert len(pulled.nodes) == 1
    assert {argument.name for argument in pulled.arguments} == {"x", "y", "u"}
    value.backward()
    assert x.grad is None
    np.testing.assert_allclose(A.grad, np.outer(ARRAYS["y"], ARRAYS["x"]))
    assert f(A.detach(), x, y).grad_fn is None


def test_names_that_are_taken():
    torch = module("torch")
    f = ed.as_torch("sin(u_i) v_i u1_i")
    inputs = [torch.ones(3, dtype=torch.float64, requires_grad=True) for _ in f.names]
    assert torch.autograd.gradcheck(f, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(f, inputs)


def test_integers_and_other_dtypes_in_torch():
    torch = module("torch")
    f = ed.as_torch("n_i x_i x_i")
    n = torch.tensor([1, 2])
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        x = torch.ones(2, dtype=dtype, requires_grad=True)
        f(n, x).backward()
        assert x.grad.dtype == dtype
        assert x.grad.tolist() == [2, 4]
    whole = f(n, n)
    assert (whole.dtype, whole.requires_grad) == (torch.int64, False)
    with pytest.raises(ed.OperandError, match="has dtype"):
        f(torch.ones(2, dtype=torch.float64), torch.ones(2))
    with pytest.raises(ed.OperandError, match="function of PyTorch, and 'n' is a NumPy array"):
        f(np.ones(2), np.ones(2))


def test_transforms_of_torch():
    func = module("torch").func
    torch = module("torch")
    f, (A, x, y) = ed.as_torch(F), of("torch").values()
    gradient, H = ed.grad(F, wrt="x", **ARRAYS), np.asarray(ed.hessian(F, wrt="x", **ARRAYS))
    close = np.testing.assert_allclose
    close(func.grad(f, argnums=1)(A, x, y), gradient, rtol=1e-10)
    close(func.hessian(f, argnums=1)(A, x, y), H, rtol=1e-9)
    close(func.jacrev(func.jacrev(f, argnums=1), argnums=1)(A, x, y), H, rtol=1e-9)
    close(func.jacfwd(func.grad(f, argnums=1), argnums=1)(A, x, y), H, rtol=1e-9)
    many = func.vmap(func.grad(f, argnums=1), in_dims=(None, 0, None))(A, torch.stack([x, x]), y)
    close(many, [gradient, gradient], rtol=1e-10)
    nested = ed.as_torch(ed.value_and_grad(F, wrt="x"))
    batch = torch.stack([x, x])
    many = func.vmap(func.grad(lambda x: nested(A, x, y)[0]))(batch)  # of one of two results
    close(many, [gradient, gradient], rtol=1e-10)
    v = torch.ones(4).double()
    _, along = func.jvp(lambda x: f(A, x, y), (x,), (v,))
    close(along, np.asarray(gradient).sum(), rtol=1e-10)
    _, (value, slope) = func.jvp(lambda x: nested(A, x, y), (x,), (v,))
    close(value, along)
    close(slope, H.sum(axis=0), rtol=1e-9)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_torch_compiles_as_one_graph(backend):
    torch = module("torch")
    f = ed.as_torch(ed.value_and_grad(F, wrt="x"), y=ARRAYS["y"])

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.ones(4))
            self.f = f

        def forward(self, A, z):
            value, slope = self.f(A=A, x=self.w * z)
            return value + (slope**2).sum()

    model = Model()
    A, z = of("torch", "float32")["A"], of("torch", "float32")["x"]
    expected = torch.autograd.grad(model(A, z), model.w)[0]
    torch._dynamo.reset()
    compiled = torch.compile(model, backend=backend, fullgraph=True)
    for _ in range(2):
        model.zero_grad()
        compiled(A, z).backward()
        np.testing.assert_allclose(model.w.grad, expected, rtol=1e-5)
    other = copy.deepcopy(model)
    np.testing.assert_allclose(torch.autograd.grad(other(A, z), other.w)[0], expected, rtol=1e-5)
    again = pickle.loads(pickle.dumps(f))
    np.testing.assert_allclose(again(A=A, x=z)[0], f(A=A, x=z)[0], rtol=1e-6)


def test_devices_of_constants():
    torch = module("torch")
    f = ed.as_torch("A_ij x_j", A=ARRAYS["A"])
    x = torch.ones(4, device="meta", requires_grad=True)
    assert f(x=x).device.type == "meta"
    f(x=x).sum().backward()
    assert x.grad.device.type == "meta"
    assert f(x=torch.ones(4)).dtype == torch.float32
    assert f(x=torch.ones(4).double()).dtype == torch.float64
    assert f(x=[1.0, 2.0, 3.0, 4.0], A=of("torch")["A"]).dtype == torch.float64
    # A constant is what it was when the function was made.
    A = ARRAYS["A"].copy()
    g = ed.as_torch("A_ij x_j", A=A)
    A[:] = 0
    np.testing.assert_allclose(g(x=torch.ones(4).double()), ARRAYS["A"].sum(axis=1))


# --- JAX --------------------------------------------------------------------------------------


def checked_by_jax(
    functions: dict[str, Any],
    arrays: dict[str, dict[str, np.ndarray]],
    modes: tuple[str, ...] = ("fwd", "rev"),
    order: int = 2,
) -> None:
    """Run JAX's checks of both modes to the second order, of all functions at once."""
    jax = module("jax")
    from jax.test_util import check_grads

    operands = {k: {n: array("jax", arrays[k][n]) for n in functions[k].names} for k in functions}
    together = jax.jit(lambda operands: {k: f(**operands[k]) for k, f in functions.items()})
    check_grads(together, [operands], order=order, modes=modes, rtol=1e-5, atol=1e-5)


def test_catalogue_by_jax():
    rows = [row for row in PLAIN if row.id in CHOSEN and not row.symmetric]
    assert {row.id for row in rows} == set(CHOSEN)
    functions = {str(row): ed.as_jax(both(row)[0]) for row in rows}
    checked_by_jax(functions, {str(row): arrays_of(row) for row in rows}, modes=("rev",))


def test_functions_by_jax():
    tensors = {name: expression_of(name) for name in MORE if name not in SLOW_IN_JAX}
    arrays = {name: arrays_for(t) for name, t in tensors.items()}
    checked_by_jax({name: ed.as_jax(t) for name, t in tensors.items()}, arrays)


def test_derivatives_by_jax_are_those_of_the_catalogue():
    jax = module("jax")
    rows = [row for row in PLAIN if row.order == 1]
    functions = {str(row): ed.as_jax(both(row)[0]) for row in rows}
    operands = {str(row): {n: array("jax", a) for n, a in arrays_of(row).items()} for row in rows}

    def derivatives(operands: Any) -> dict[str, Any]:
        found = {}
        for row in rows:
            f, known = functions[str(row)], operands[str(row)]
            given = {name: known[name] for name in f.names}
            one = lambda v, f=f, given=given, wrt=row.wrt: f(**{**given, wrt: v})  # noqa: E731
            found[str(row)] = jax.jacrev(one)(known[row.wrt])
        return found

    found = jax.jit(derivatives)(operands)
    for row in rows:
        arrays = arrays_of(row)
        J = both(row)[1]
        expected = J(**{name: arrays[name] for name in J.names})
        np.testing.assert_allclose(found[str(row)], expected, rtol=1e-9, atol=1e-10)


def test_complex_numbers_by_jax():
    rng = np.random.default_rng(3)
    f = ed.as_jax("exp(A_ij x_j) y_i")
    arrays = {
        n: rng.normal(size=a.shape) + 1j * rng.normal(size=a.shape) for n, a in ARRAYS.items()
    }
    mixed = {**arrays, "A": arrays["A"].real}  # in which the gradient by A is real
    checked_by_jax({"complex": f, "mixed": f}, {"complex": arrays, "mixed": mixed}, order=1)


def test_the_rule_is_einsdiffs():
    jax = module("jax")
    f = ed.as_jax(F)
    operands = list(of("jax").values())
    assert "custom_jvp_call" in str(jax.make_jaxpr(f)(*operands))
    jaxpr = str(jax.make_jaxpr(jax.grad(f, argnums=1))(*operands))
    assert "custom_jvp_call" not in jaxpr
    # Only the directions that are asked for: A_ij x_j twice would be one more product.
    assert jaxpr.count("dot_general") <= 4


def test_transforms_of_jax():
    jax = module("jax")
    f, operands = ed.as_jax(F), list(of("jax").values())
    A, x, y = operands
    gradient, H = ed.grad(F, wrt="x", **ARRAYS), np.asarray(ed.hessian(F, wrt="x", **ARRAYS))
    close = np.testing.assert_allclose
    close(jax.jit(jax.grad(f, argnums=1))(*operands), gradient, rtol=1e-10)
    close(jax.hessian(f, argnums=1)(*operands), H, rtol=1e-9)
    close(jax.jit(jax.jacfwd(jax.jacfwd(f, argnums=1), argnums=1))(*operands), H, rtol=1e-9)
    close(jax.jit(jax.jacrev(jax.jacrev(f, argnums=1), argnums=1))(*operands), H, rtol=1e-9)
    xs = jax.numpy.stack([x, x])
    many = jax.jit(jax.vmap(jax.grad(f, argnums=1), in_axes=(None, 0, None)))(A, xs, y)
    close(many, [gradient, gradient], rtol=1e-10)
    nested = ed.as_jax(ed.value_and_grad(F, wrt="x"))
    _, slope = jax.jit(nested)(*operands)
    close(slope, gradient, rtol=1e-12)
    close(jax.jacrev(lambda x: nested(A, x, y)[1])(x), H, rtol=1e-9)
    _, along = jax.jvp(lambda x: nested(A, x, y), (x,), (jax.numpy.ones(4),))
    close(along[1], H.sum(axis=0), rtol=1e-9)
    # A loop that is traced once.
    last, _ = jax.lax.scan(
        lambda x, _: (x - 0.1 * jax.grad(f, argnums=1)(A, x, y), None), x, None, 3
    )
    expected = ARRAYS["x"]
    for _ in range(3):
        expected = expected - 0.1 * np.asarray(ed.grad(F, wrt="x", **{**ARRAYS, "x": expected}))
    close(last, expected, rtol=1e-9)


def test_what_jax_functions_take():
    jax = module("jax")
    f = ed.as_jax("n_i x_i x_i")
    n = jax.numpy.array([1, 2])
    assert jax.grad(f, argnums=1)(n, jax.numpy.ones(2)).tolist() == [2, 4]
    assert jax.grad(lambda x: f(n, x))(jax.numpy.ones(2, "float32")).dtype == "float32"
    assert f(n, n).dtype == "int64"
    assert f(np.array([1, 2]), np.ones(2)) == 3  # NumPy arrays, as all functions of JAX
    assert isinstance(f([1, 2], np.ones(2)), jax.Array)
    assert ed.as_jax("a b^2")(2.0, 3) == 18
    with pytest.raises(ed.OperandError, match="'n' is a PyTorch tensor"):
        f(array("torch", [1, 2]), jax.numpy.ones(2))
    # Constants that were bound have the dtype of the others, also in what is traced.
    g = ed.as_jax("A_ij x_j", A=ARRAYS["A"])
    for dtype in ("float32", "float64"):
        x = jax.numpy.ones(4, dtype)
        for _ in range(2):
            assert jax.jit(lambda x: g(x=x))(x).dtype == g(x=x).dtype == dtype


# --- both -------------------------------------------------------------------------------------


@every_library
def test_symmetric_variables_change_symmetrically(library):
    S = np.array([[2.0, 1.0], [1.0, 3.0]])
    t = ed.logdet(ed.tensor("S", "nn", symmetric=True)) + ed.tensor("S", "nn", symmetric=True)[0, 1]
    expected = ed.grad(t, wrt="S")(S=S)
    if library == "jax":
        found = module("jax").grad(ed.as_jax(t))(array("jax", S))
    else:
        found = array("torch", S).requires_grad_()
        ed.as_torch(t)(found).backward()
        found = found.grad
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@every_library
def test_what_it_is(library):
    make = {"torch": ed.as_torch, "jax": ed.as_jax}[library]
    title = {"torch": "PyTorch", "jax": "JAX"}[library]
    f = make("A_ij x_j")
    assert repr(f) == f"<{title} function of A, x: f_i = A_ij x_j>"
    assert isinstance(f, ed.Differentiable)
    assert (f.names, f.backend) == (("A", "x"), library)
    A, x = of(library)["A"], of(library)["x"]
    for t in (f(A, x), f(x=x, A=A), make("ij,j->i", A, x)(), make(lambda A: A @ x, A)()):
        assert_alike(t, ARRAYS["A"] @ ARRAYS["x"], library)
    again = pickle.loads(pickle.dumps(make("A_ij x_j", A=ARRAYS["A"])))
    assert_alike(again(x=x), ARRAYS["A"] @ ARRAYS["x"], library)
    assert "def computed" in f.source
    one, (other,) = make([ed.tensor("x", "n"), [2 * ed.tensor("x", "n")]])(x)
    assert_alike(one, ARRAYS["x"], library)
    assert_alike(other, 2 * ARRAYS["x"], library)
    with pytest.raises(ed.ShapeError, match="size 'n' is 4 in 'A', but 3 here"):
        f(A, of(library)["y"])
    with pytest.raises(ed.BindingError, match="no array for 'x'"):
        f(A)
    with pytest.raises(ed.OperandError, match="out= is for NumPy arrays"):
        f(A, x, out=np.zeros(3))


@every_library
def test_results_that_do_not_depend_on_a_variable(library):
    make = {"torch": ed.as_torch, "jax": ed.as_jax}[library]
    t = ed.tensor("x", "n") * 0 + ed.tensor("y", "n")
    f = make(t)
    x, y = array(library, [1.0, 2.0]), array(library, [3.0, 4.0])
    if library == "jax":
        by_x, by_y = module("jax").grad(lambda x, y: f(x=x, y=y).sum(), argnums=(0, 1))(x, y)
    else:
        for a in (x, y):
            a.requires_grad_()
        f(x=x, y=y).sum().backward()
        by_x, by_y = x.grad, y.grad
        assert by_x is None  # it is no input at all
        by_x = np.zeros(2)
    np.testing.assert_array_equal(by_x, [0, 0])
    np.testing.assert_array_equal(by_y, [1, 1])


@every_library
def test_functions_that_are_not_specified_are_refused(library):
    make = {"torch": ed.as_torch, "jax": ed.as_jax}[library]
    z = ed.tensor("z", "k")
    x = ed.tensor("x", "n", of=z)
    with pytest.raises(ed.OperandError, match="'x' is a function of 'z' that is not specified"):
        make(x * x)


@pytest.mark.parametrize(("library", "title"), [("torch", "PyTorch"), ("jax", "JAX")])
def test_a_missing_library_is_named(library, title):
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "import einsdiff as ed\n"
        f"try: ed.as_{library}('x_i x_i')\n"
        "except ed.OperandError as error: print(error)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    expected = f'as_{library}() needs {title}\n\npip install "einsdiff[{library}]"\n'
    assert (found.stdout, found.stderr) == (expected, "")


def test_steps():
    A, x = (ed.tensor(n, s).expr for n, s in (("A", (2, 3)), ("x", (3,))))
    f = ed.einsum("ij,j->i", ed.tensor("A", (2, 3)), ed.tensor("x", (3,))).expr
    step = Pass((f, x), (A, x), (), "numpy")
    a, b = np.arange(6.0).reshape(2, 3), np.ones(3)
    np.testing.assert_array_equal(step(a, b)[0], a @ b)
    pulled = step.pullback((False, True), (True, True))
    assert pulled is step.pullback((False, True), (True, True))
    assert step.kept(pulled) == (0,)
    (found,) = pulled(a, np.array([1.0, 10.0]), b)
    np.testing.assert_array_equal(found, a.T @ [1, 10] + b)
    moved = step.pushforward((True, False), with_values=True)
    values = moved(a, b, a)
    np.testing.assert_array_equal(values[2], a @ b)
    np.testing.assert_array_equal(values[3], np.zeros(3))
