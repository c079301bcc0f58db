"""The table of the documentation: each of its cells is tried."""

from __future__ import annotations

import copy
import pickle
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import einsdiff as ed
from tests.extras import needs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "libraries.md"
MATRIX, VECTOR = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, 2.0])
PACKAGES = {
    "NumPy": "numpy",
    "PyTorch": "torch",
    "JAX": "jax.numpy",
    "CuPy": "cupy",
    "Dask": "dask.array",
    "xarray": "xarray",
}


def cells() -> list[tuple[str, str, str]]:
    """Read the table: row, column, cell."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    heading = rows[0][-len(PACKAGES) :]
    return [
        (row[0], column, cell)
        for row in rows[2:]
        for column, cell in zip(heading, row[1:], strict=True)
    ]


def array(library: str, values: np.ndarray) -> Any:
    package = import_module(PACKAGES[library])
    if library == "PyTorch":
        return package.tensor(values)
    if library == "xarray":
        return package.DataArray(values, dims=["row", "column"][-values.ndim :])
    if library == "Dask":
        return package.from_array(values)
    return package.asarray(values)


class Tried:
    """A derivative of arrays of a library, and what can be done with it."""

    def __init__(self, library: str) -> None:
        self.library = library
        self.A, self.x = A, x = array(library, MATRIX.copy()), array(library, VECTOR.copy())
        self.J = ed.grad("ij,j->i", A, x, wrt="x")

    def kind(self, *results: Any) -> str:
        """Tell of which library results are."""
        found = set()
        for result in results:
            owner = type(result).__module__.partition(".")[0].replace("jaxlib", "jax")
            if isinstance(result, np.generic | float):
                owner = "numpy"
            known = {package.partition(".")[0]: name for name, package in PACKAGES.items()}
            found.add(known.get(owner, owner))
        (only,) = found
        return {"Dask": "lazy"}.get(only, "yes") if only == self.library else only

    # What the rows of the table say.

    def dense(self) -> str:
        called = ed.grad("ij,j->i", "A", "x", wrt="x")(A=self.A, x=self.x)
        compiled = ed.compile("A_ij x_j")
        return self.kind(self.J.dense(), called, self.J.compile()(), compiled(self.A, self.x))

    def matrix(self) -> str:
        return self.kind(self.J.matrix(), self.J.matrix("denominator", "F"))

    def products(self) -> str:
        H = ed.hvp("exp(A_ij x_j)", A=self.A, x=self.x, wrt="x", v=self.x)
        return self.kind(self.J.jvp(self.x).dense(), self.J.vjp(VECTOR.tolist()).dense(), H.dense())

    def as_numpy(self) -> str:
        total = float(ed.einsum("i,i->", ed.tensor("x", self.x), ed.tensor("x", self.x)))
        found = np.asarray(self.J)
        assert type(found) is np.ndarray
        return "NumPy" if total == 5 else "wrong"

    def copied(self) -> str:
        again = pickle.loads(pickle.dumps(self.J)), copy.deepcopy(self.J)
        return self.kind(*(t.dense() for t in again))

    def limited(self) -> str:
        self.J.dense(memory_limit=10**6)
        try:
            self.J.dense(memory_limit=8)
        except ed.SizeError:
            # Of a product of three the second is large, and is computed in slices.
            ones = array(self.library, np.ones(100))
            t = ed.tensor("x", ones if self.library != "xarray" else ones.data)
            product = np.exp(t[:, None] * t).sum()
            limit = 8 * 100 * 20
            product.dense(memory_limit=limit)
            code = product.compile(memory_limit=limit)
            code()
            if self.library not in ("NumPy", "xarray"):
                return "result only"
            return "yes" if 8 * code.plan.peak <= limit else "wrong"
        return "ignored"

    def out(self) -> str:
        return "NumPy" if type(self.J.dense(out=np.zeros((2, 2)))) is np.ndarray else "wrong"

    def plan(self) -> str:
        compiled = self.J.compile()
        compiled()
        assert compiled.plan is not None
        assert compiled.report()
        return "yes"

    def cores(self) -> str:
        needs("scipy")
        assert self.J.cores().count
        return "NumPy" if self.J.sparse().shape == (2, 2) else "wrong"

    def solve(self) -> str:
        needs("scipy")
        self.J.operator()
        self.J.solver()
        found = self.J.solve(VECTOR)
        np.testing.assert_allclose(found, np.linalg.solve(MATRIX, VECTOR))
        return "NumPy"

    def problem(self) -> str:
        needs("scipy")
        p = ed.problem("(A_ij x_j) (A_ik x_k)", A=self.A, x=self.x, wrt="x")
        assert p.fun(VECTOR) == (MATRIX @ VECTOR) @ (MATRIX @ VECTOR)
        return "NumPy"

    def check(self) -> str:
        return "values" if self.J.check() else "wrong"

    def shown(self) -> str:
        needs("matplotlib")
        self.J.plot()
        self.J.table("layouts")
        f = ed.parse("A_ij x_j", A=self.A, x=self.x)
        return "values" if "[4. 7.]" in f._repr_html_() else "shapes"

    def jax(self) -> str:
        jax = import_module("jax")
        compiled = ed.compile("A_ij x_j")
        try:
            found = jax.jit(compiled)(self.A, self.x)
            jax.vmap(compiled, in_axes=(None, 0))(self.A, jax.numpy.stack([self.x, self.x]))
            jax.grad(lambda x: compiled(self.A, x).sum())(self.x)
        except Exception:
            return "no"
        return self.kind(found)

    def torch(self) -> str:
        torch = import_module("torch")
        compiled = ed.compile("A_ij x_j")
        try:
            torch._dynamo.reset()
            found = torch.compile(compiled, backend="eager", fullgraph=True)(self.A, self.x)
            torch.func.vmap(compiled, in_dims=(None, 0))(self.A, torch.stack([self.x, self.x]))
        except Exception:
            return "no"
        return self.kind(found)

    def as_torch(self) -> str:
        found = ed.as_torch("A_ij x_j")(self.A, self.x)
        return "yes" if isinstance(found, import_module("torch").Tensor) else "wrong"

    def bound_in_torch(self) -> str:
        torch = import_module("torch")
        x = torch.tensor(VECTOR, requires_grad=True)
        ed.as_torch("A_ij x_j", A=self.A)(x=x).sum().backward()
        return "yes" if x.grad.tolist() == [3, 4] else "wrong"

    def as_jax(self) -> str:
        found = ed.as_jax("A_ij x_j")(self.A, self.x)
        return "yes" if isinstance(found, import_module("jax").Array) else "wrong"

    def bound_in_jax(self) -> str:
        jax = import_module("jax")
        f = ed.as_jax("A_ij x_j", A=self.A)
        found = jax.grad(lambda x: f(x=x).sum())(jax.numpy.asarray(VECTOR))
        return "yes" if found.tolist() == [3, 4] else "wrong"


#: What tries a row of the table.
ROWS = {
    "`t.dense()`, `t(A=..)`, `t.compile()`": Tried.dense,
    "`t.matrix()`": Tried.matrix,
    "`t.jvp(v)`, `t.vjp(u)`, `ed.hvp`": Tried.products,
    "`np.asarray(t)`, `float(t)`": Tried.as_numpy,
    "pickling, `copy.deepcopy`": Tried.copied,
    "`memory_limit=`": Tried.limited,
    "`out=`": Tried.out,
    "`plan`, `report()`": Tried.plan,
    "`t.cores()`, `t.sparse()`": Tried.cores,
    "`t.solver()`, `t.solve(b)`, `t.operator()`": Tried.solve,
    "`ed.problem`": Tried.problem,
    "`t.check()`": Tried.check,
    "`t.plot()`, `t.table(..)`, notebooks": Tried.shown,
    "traced by `jax.jit`, `vmap`, `grad`": Tried.jax,
    "traced by `torch.compile`, `torch.func`": Tried.torch,
    "called as `ed.as_torch(expr)(..)`": Tried.as_torch,
    "bound in `ed.as_torch(expr, A=..)`": Tried.bound_in_torch,
    "called as `ed.as_jax(expr)(..)`": Tried.as_jax,
    "bound in `ed.as_jax(expr, A=..)`": Tried.bound_in_jax,
}


def test_all_rows_and_columns_are_tried():
    assert list(dict.fromkeys(row for row, _, _ in cells())) == list(ROWS)
    assert list(dict.fromkeys(column for _, column, _ in cells())) == list(PACKAGES)


@pytest.mark.parametrize(
    ("row", "library", "cell"), cells(), ids=[f"{r}-{c}" for r, c, _ in cells()]
)
def test_a_cell_of_the_table_is_true(row, library, cell):
    if library == "CuPy":
        if not pytest.importorskip("cupy").cuda.is_available():
            pytest.skip("needs a GPU")
    else:
        needs(PACKAGES[library])
    for package in ("torch", "jax"):
        if package in row:
            needs(package)
    tried = Tried(library)
    try:
        found = ROWS[row](tried)
    except ed.OperandError:
        found = "refused"
    assert found == cell
