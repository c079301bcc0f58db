"""Exchange with SymPy: what is written is read back, and means the same on both sides.

SymPy computes what einsdiff wrote for it, entry by entry, and its own derivatives are read and
compared: two oracles that share no code with einsdiff.
"""

from __future__ import annotations

import builtins
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import einsdiff as ed
from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.display.sympy.vocabulary import SPELLED, named_by_sympy, spelled
from tests.catalogue_rows import ROWS, Row, called
from tests.extras import needs
from tests.strategies import einsums
from tests.test_catalogue import arrays_of, derivative, symbols_of, tensors_of

needs("sympy")

import sympy  # noqa: E402
from sympy.tensor.array.expressions import (  # noqa: E402
    ArrayContraction,
    ArrayDiagonal,
    ArrayElementwiseApplyFunc,
    ArraySymbol,
    ArrayTensorProduct,
    OneArray,
    PermuteDims,
    Reshape,
    ZeroArray,
)

# What comes back equal in value, but in another form, and why.
CANCELS = "SymPy cancels factors of a fraction as it builds it"
POWERS = "a power of a sum that the library keeps apart is one power to SymPy"
SOLVES = "SymPy has no solution of equations but the inverse times the right-hand side"
OTHERWISE = {
    ("C7", "derivative"): CANCELS,
    ("D5", "derivative"): POWERS,
    ("D7", "derivative"): CANCELS,
    ("E11:log of det(X)", "derivative"): CANCELS,
    ("E12:by solving", "function"): SOLVES,
    ("E12:by solving", "derivative"): SOLVES,
}
# What array expressions have no sign for, and why; and what is read as entries of an array.
REFUSED = {
    "A10:one row": "of an index that is a number there is only an array, which needs its size",
    "E9": "the inverse of a function of t is no matrix symbol",
    "E12:by solving": "a solution is no array expression",
}
ENTRIES = "a relation of merged indices is written as an array of ones and zeros"
SPELLED_OUT = {"E14:X ⊗ Y": ENTRIES, "E14:vec(A X B)": ENTRIES}

WHAT = ("function", "derivative")
every_row = pytest.mark.parametrize("row", ROWS, ids=str)
both = pytest.mark.parametrize("what", WHAT)

i, j, k, p, q = sympy.symbols("i j k p q", integer=True)
m, n = sympy.symbols("m n", integer=True, positive=True)
t = sympy.Symbol("t")
A, x, b = (sympy.IndexedBase(name) for name in "Axb")
M, v = sympy.MatrixSymbol("M", n, n), sympy.MatrixSymbol("v", n, 1)


def tensor_of(row: Row, what: str, operands: dict[str, Any]) -> ed.Tensor:
    if what == "function":
        return called(row.build, operands)
    found: ed.Tensor = derivative(row, "build", operands)
    return found


# --- what is written is read ------------------------------------------------------------------


@both
@every_row
def test_the_indexed_form_is_read_back(row, what):
    operands = symbols_of(row)
    t = tensor_of(row, what, operands)
    known = {name: operands[name] for name in row.symmetric if name in str(t).split(" = ")[-1]}
    back = ed.from_sympy(t.to_sympy(), **known)
    assert back.shape == t.shape
    assert back.domain == t.domain
    assert [name for name in back.names if "∂" not in name] == [
        name for name in t.names if "∂" not in name
    ]
    if (str(row), what) in OTHERWISE:
        assert back != t
        assert ed.equal(back, t)
    else:
        assert back == t, f"{back}\n{t}"


@both
@every_row
def test_array_expressions_are_read_back(row, what):
    operands = symbols_of(row)
    t = tensor_of(row, what, operands)
    if str(row) in REFUSED:
        with pytest.raises(ed.OperandError, match="array expressions have no"):
            t.to_sympy("array")
        return
    written = t.to_sympy("array")
    assert tuple(getattr(written, "shape", ())) == tuple(
        sympy.Symbol(s, integer=True, positive=True) if isinstance(s, str) else s for s in t.shape
    )
    names = {part.name for part in written.free_symbols if hasattr(part, "name")}
    mentioned = {part for name in names for part in name.replace("/", "∂").split("∂")}
    needed = {*row.symmetric, *(operands if row.of else ())}
    known = {name: operands[name] for name in needed & mentioned}
    back = ed.from_sympy(written, domain=t.formula.domain, **known)
    if (str(row), what) in OTHERWISE or str(row) in SPELLED_OUT:
        assert ed.equal(back, t)
    else:
        assert back == t, f"{back}\n{t}"


@settings(deadline=None, max_examples=60)
@given(case=einsums(dtypes=["float64"]))
def test_every_einsum_is_read_back(case):
    tensors = [ed.tensor(name, case.arrays[name].shape) for name in case.names]
    f = ed.einsum(case.subscripts, *tensors, sizes=case.broadcast)
    for t in (f, ed.grad(f, wrt=case.names[0])):
        assert ed.from_sympy(t.to_sympy()) == t
        back = ed.from_sympy(t.to_sympy("array"), domain=t.formula.domain)
        assert back == t


# --- SymPy computes the same ------------------------------------------------------------------


def computed(equation: Any, arrays: dict[str, Any]) -> np.ndarray:
    """Compute an equation in the indexed form entry by entry, with SymPy's own translation."""
    left = equation.lhs
    indices = left.indices if isinstance(left, sympy.Indexed) else ()
    shape = tuple(int(size) for size in left.base.shape) if indices else ()
    names = {name: sympy.Symbol(name) for name in arrays}
    modules: list[Any] = [{"Determinant": np.linalg.det}, "numpy", "scipy"]
    right = equation.rhs.replace(sympy.Determinant, sympy.Function("Determinant"))
    entry = sympy.lambdify([*indices, *names.values()], right, modules=modules)
    result = np.empty(shape)
    for at in np.ndindex(shape):
        result[at] = entry(*at, *arrays.values())
    return result


PLAIN = [row for row in ROWS if not row.of]


@both
@pytest.mark.parametrize("row", PLAIN, ids=str)
def test_sympy_computes_the_entries(row, what):
    arrays = arrays_of(row)
    t = tensor_of(row, what, tensors_of(row, arrays))
    found = computed(t.to_sympy(), arrays)
    np.testing.assert_allclose(found, np.asarray(t), rtol=1e-9, atol=1e-9)


def valued(written: Any, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Put numbers into an array or matrix expression, and let SymPy compute it."""
    numbers: dict[Any, Any] = {}
    for name, array in arrays.items():
        shape = array.shape
        if not shape:
            numbers[sympy.Symbol(name)] = sympy.Float(float(array))
        else:
            numbers[ArraySymbol(name, shape)] = sympy.ImmutableDenseNDimArray(
                [sympy.Float(float(entry)) for entry in array.flat], shape
            )
        if 0 < len(shape) < 3:
            column = (*shape, 1)[:2]
            numbers[sympy.MatrixSymbol(name, *column)] = sympy.ImmutableMatrix(
                *column, [sympy.Float(float(entry)) for entry in array.flat]
            )
    written = sympy.sympify(written)
    numbers.update({one: one.as_explicit() for one in written.atoms(sympy.OneMatrix)})
    found = written.xreplace(numbers)
    if hasattr(found, "as_explicit"):
        found = found.as_explicit()
    found = found.doit()
    if not hasattr(found, "shape"):
        return np.array(float(found))
    entries = [float(found[at]) for at in np.ndindex(*map(int, found.shape))]
    return np.array(entries).reshape([int(size) for size in found.shape])


NUMBERS = "SymPy computes no function of an array without axes"
NOT_COMPUTED = {"D13:through a vector": NUMBERS, "E5": NUMBERS, "F2": NUMBERS}
ARRAYS = [row for row in PLAIN if not {row.id, str(row)} & {*NOT_COMPUTED, "E12:by solving"}]


@both
@pytest.mark.parametrize("row", ARRAYS, ids=str)
def test_sympy_computes_array_expressions(row, what):
    arrays = arrays_of(row)
    t = tensor_of(row, what, tensors_of(row, arrays))
    found = valued(t.to_sympy("array"), arrays)
    np.testing.assert_allclose(found, np.asarray(t), rtol=1e-9, atol=1e-9)


@both
@pytest.mark.parametrize("row", PLAIN, ids=str)
def test_sympy_computes_matrix_expressions(row, what):
    arrays = arrays_of(row)
    t = tensor_of(row, what, tensors_of(row, arrays))
    shown = t.format("matrix", layout="numerator")
    if "no matrix form" in shown or "vec(" in shown.partition("=")[2] or "K_" in shown:
        with pytest.raises(ed.OperandError, match="no matrix"):
            t.to_sympy("matrix", layout="numerator")
        return
    found = valued(t.to_sympy("matrix", layout="numerator"), arrays)
    np.testing.assert_allclose(found.reshape(-1), t.matrix().reshape(-1), rtol=1e-9, atol=1e-9)


# --- SymPy's own derivatives ------------------------------------------------------------------

B, X = sympy.MatrixSymbol("B", n, n), sympy.MatrixSymbol("X", n, n)
N = sympy.MatrixSymbol("N", m, n)
MATRIX_FUNCTIONS = [
    (sympy.Trace(X), X),
    (sympy.Trace(M * X * B), X),
    (sympy.Trace(X.T * M * X), X),
    (sympy.Trace(X * X * X), X),
    (sympy.Trace(X.inv() * M), X),
    (v.T * M * v, v),
    (v.T * X.T * X * v, X),
    (M * v, v),
    (M * v, M),
    (X.T * X, X),
    (X.inv(), X),
    (N * v, N),
    (M * X * B, X),
    (v * v.T, v),
    (sympy.HadamardProduct(X, M), X),
]


@pytest.mark.parametrize(("f", "by"), MATRIX_FUNCTIONS, ids=str)
def test_matrix_derivatives_are_those_of_sympy(f, by):
    ours = ed.grad(ed.from_sympy(f), wrt=str(by))
    theirs = ed.from_sympy(f.diff(by))
    theirs = ed.einsum(  # array expressions have axes of size 1
        [*"abcdefgh"][: theirs.ndim]
        and "".join("abcdefgh"[: theirs.ndim])
        + "->"
        + "".join(a for a, size in zip("abcdefgh", theirs.shape, strict=False) if size != 1),
        theirs,
    )
    split = ours.ndim - ours.domain
    order = [*range(split, ours.ndim), *range(split)]  # SymPy has the axes of the variable first
    equality = ed.equal(np.transpose(ours, order) if order else ours, theirs)
    assert equality, f"{ours}\n{theirs}"


@pytest.mark.parametrize(
    ("text", "by"),
    [
        ("A_ij x_j", "A"),
        ("A_ij x_j", "x"),
        ("x_i A_ij x_j", "x"),
        ("exp(A_ij x_j) x_i", "x"),
        ("A_ij A_ik", "A"),
        ("sin(x_i) / (1 + x_j x_j)", "x"),
    ],
)
def test_derivatives_by_arrays_are_those_of_sympy(text, by):
    f = ed.parse(
        text, **{name: shape for name, shape in (("A", (2, 2)), ("x", (2,))) if name in text}
    )
    ours = ed.grad(f, wrt=by)
    entries = explicit(f.to_sympy())
    shape = (2, 2) if by == "A" else (2,)
    base = sympy.IndexedBase(by, shape=shape)
    variables = sympy.Array([base[at] for at in np.ndindex(shape)], shape)
    theirs = ed.from_sympy(sympy.derive_by_array(entries, variables))
    split = ours.ndim - ours.domain
    assert theirs.shape == (*ours.shape[split:], *ours.shape[:split])
    assert ed.equal(np.transpose(ours, [*range(split, ours.ndim), *range(split)]), theirs)


def explicit(equation: Any) -> Any:
    """Write out the entries of an equation."""
    left = equation.lhs
    if not isinstance(left, sympy.Indexed):
        return equation.rhs.doit()
    shape = [int(size) for size in left.base.shape]
    entries = [
        equation.rhs.xreplace(dict(zip(left.indices, map(sympy.Integer, at), strict=True))).doit()
        for at in np.ndindex(*shape)
    ]
    return sympy.Array(entries, shape)


# --- functions --------------------------------------------------------------------------------

ENTRYWISE = sorted(name for name, entry in FUNCTIONS.items() if entry.is_elementwise)
#: What is another function, of the same values, when it is read.
DEFINED = ["cbrt", "floordiv", "gelu", "trunc", "where", "xlogy"]
POINTS = {
    "arccosh": (1.5, 2.5),
    "arctanh": (-0.4, 0.3),
    "arcsin": (-0.4, 0.3),
    "arccos": (0.1, 0.9),
}


@pytest.mark.parametrize("name", ENTRYWISE)
def test_each_function_of_entries_is_written_and_read(name):
    entry = FUNCTIONS[name]
    names = "xyz"[: len(entry.arguments)]
    letters = ", ".join(f"{letter}_i" for letter in names)
    text = (
        entry.text.format(*letters.split(", "))
        if entry.text.startswith("[")
        else f"{name}({letters})"
    )
    text = "x_i^y_i" if name == "power" else text
    values = {"x": POINTS.get(name, (0.5, 1.25)), "y": (1.25, 0.5), "z": (2.0, 3.0)}
    arrays = {letter: np.array(values[letter]) for letter in names}
    f = ed.parse(text, **arrays)
    back = ed.from_sympy(f.to_sympy(), **arrays)
    np.testing.assert_allclose(np.asarray(back), np.asarray(f), rtol=1e-12)
    if name not in DEFINED:
        assert back == f
    if name != "rint":  # SymPy has no such function, only its name
        np.testing.assert_allclose(computed(f.to_sympy(), arrays), np.asarray(f), rtol=1e-12)
    else:
        assert f.to_sympy().rhs == sympy.Function("rint")(sympy.IndexedBase("x", shape=(2,))[i])


@pytest.mark.parametrize(
    "text",
    [
        "det(X)",
        "logdet(X)",
        "signdet(X)",
        "inv(X)_ij",
        "inv(X_ik X_jk)_ij",
        "logdet(X_ij + X_ji)",
        "X_ij inv(X)_jk x_k",
        "solve(X, x)_i",
        "prod(x)",
        "prod(X)",
        "logsumexp(x)",
        "logsumexp(X_ij)_i",
        "softmax(X_ij)_ij",
        "log_softmax(x)_i",
        "cumsum(x)_i",
        "prod(X_ij)_i",
    ],
)
def test_functions_of_axes_are_written_and_read(text):
    rng = np.random.default_rng(5)
    arrays = {"X": 2 * np.eye(3) + rng.uniform(-0.4, 0.4, (3, 3)), "x": rng.uniform(1, 2, 3)}
    arrays = {
        name: array for name, array in arrays.items() if re.search(rf"\b{name}(?![a-z])", text)
    }
    f = ed.parse(text, **arrays)
    back = ed.from_sympy(f.to_sympy(), **arrays)
    np.testing.assert_allclose(np.asarray(back), np.asarray(f), rtol=1e-12)
    alike = not {"solve", "logsumexp", "softmax", "cumsum"} & {
        text.replace("log_", "").split("(")[0]
    }
    assert (back == f) == alike


def test_a_batch_of_inverses_is_written_and_read():
    f = ed.parse("inv(A_bij)_bij", A=(5, 2, 2))
    assert ed.from_sympy(f.to_sympy()) == f
    f = ed.parse("det(A_bij)_b", A=("b", "n", "n"))
    assert ed.from_sympy(f.to_sympy()) == f


@pytest.mark.parametrize("text", ["max(x)", "expm(X)_ij", "pinv(X)_ij", "eigvalsh(X)_i"])
def test_functions_that_sympy_lacks_are_refused_by_name(text):
    with pytest.raises(ed.OperandError, match=rf"SymPy has no {text.partition('(')[0]} "):
        ed.parse(text).to_sympy()


# --- what is read -----------------------------------------------------------------------------

T = ArraySymbol("T", (m, n, n))
y = sympy.IndexedBase("y", shape=(n,))
u = sympy.Function("u")
READ = [
    (A[i, j] * x[j] + b[i], "f_i = A_ij x_j + b_i"),
    (A[i, i], "f = A_ii"),
    (x[i] ** 2, "f_i = x_i^2"),
    (x[i] * b[j], "f_ij = x_i b_j"),
    (sympy.Sum(x[i] ** 2, (i, 0, n - 1)), "f = x_i x_i"),
    (sympy.Sum(y[i], (i, 1, 2)), "f = Σ_{i<2} y_{i+1}"),
    (x[sympy.Idx("i", 3)], "f_i = x_i"),
    (sympy.Sum(x[i] * sympy.Sum(b[i], (i, 0, n - 1)), (i, 0, n - 1)), "f = Σ_ij x_i b_j"),
    (x[i] * sympy.Sum(b[i], (i, 0, n - 1)), "f_i = Σ_j x_i b_j"),
    (sympy.exp(x[i] * y[i]), "f = exp(x_i y_i)"),
    (sympy.KroneckerDelta(i, j) * x[j], "f_i = x_i"),
    (x[2 * i + 1] * sympy.KroneckerDelta(i, j) * y[i], "f_j = x_{2j+1} y_j"),
    (sympy.Piecewise((y[i], y[i] > 0), (0, True)), "f_i = where([y_i > 0], y_i, 0)"),
    (sympy.Sum(sympy.Piecewise((y[i], y[i] > 0), (0, True)), (i, 0, n - 1)), "f = [y_i > 0] y_i"),
    (
        sympy.Piecewise((1, (y[i] > 0) & (y[i] < 2)), (0, True)),
        "f_i = minimum([y_i > 0], [2 > y_i])",
    ),
    (
        sympy.Piecewise((1, (y[i] > 1) | (y[i] < 0)), (0, True)),
        "f_i = maximum([y_i > 1], [0 > y_i])",
    ),
    (sympy.Piecewise((t, t > 0), (-t, True)), "f = where([t > 0], t, -t)"),
    (sympy.Piecewise((1, (t > 0) & (t < 2)), (0, True)), "f = [2 > t] [t > 0]"),
    (sympy.Piecewise((1, ~((t > 0) | (t < -2))), (0, True)), "f = 1 - maximum([t > 0], [-2 > t])"),
    (sympy.Heaviside(t), "f = 1/2 [t = 0] + [t > 0]"),
    (sympy.Max(2, t), "f = maximum(2, t)"),
    (sympy.pi * t, "f = 3.141592653589793 t"),
    (t / 3 + sympy.Float(0.1), "f = 1/3 t + 0.1"),
    (sympy.sec(t), "f = 1 / cos(t)"),
    (n * t, "f = n t"),
    (y[i] / n, "f_i = y_i / n"),
    (sympy.I * t, "f = (0+1j) t"),
    (u(t) ** 2, "f = u^2"),
    (sympy.Derivative(u(t), t), "f = ∂u/∂t"),
    (sympy.Derivative(sympy.sin(t), t), "f = cos(t)"),
    (sympy.log(sympy.Abs(sympy.Determinant(M))), "f = logdet(M)"),
    (sympy.Lambda((j, i), y[i] * y[j] ** 2), "f_ji = y_i y_j^2"),
    (sympy.Eq(sympy.IndexedBase("g")[j, i], y[i] * b[j]), "g_ji = y_i b_j"),
    (M * v + v, "f_i = M_ij v_j + v_i"),
    (v.T * M * v, "f = v_i M_ij v_j"),
    (v * v.T, "f_ij = v_i v_j"),
    (M.inv() * v, "f_i = inv(M)_ij v_j"),
    (M**3, "f_ij = M_ik M_kl M_lj"),
    (M**-2, "f_ij = inv(M)_ik inv(M)_kj"),
    ((v.T * v).inv() * v.T, "f_i = v_i / (v_j v_j)"),
    (sympy.HadamardProduct(M, M), "f_ij = M_ij^2"),
    (sympy.HadamardPower(M, 3), "f_ij = M_ij^3"),
    (M.applyfunc(sympy.sin), "f_ij = sin(M_ij)"),
    (sympy.DiagMatrix(v), "f_ij = δ_ij v_i"),
    (sympy.DiagonalMatrix(M), "f_ij = δ_ij M_ii"),
    (sympy.DiagonalOf(M), "f_i = M_ii"),
    (sympy.Identity(3) + sympy.OneMatrix(3, 3), "f_{i<3,j<3} = 1 + δ_ij"),
    (sympy.ZeroMatrix(2, 3), "f_{i<2,j<3} = 0"),
    (t * M + 2 * sympy.Determinant(M) * M.T, "f_ij = 2 det(M) M_ji + t M_ij"),
    (M[0, 1], "f = M_01"),
    (M[i, j] * y[j], "f_i = M_ij y_j"),
    (sympy.Matrix([[t, 0], [1, 0]]), "f_ij = δ_{i,0} δ_{j,0} t + δ_{i,1} δ_{j,0}"),
    (sympy.Array([t, 2]), "f_i = δ_{i,0} t + 2 δ_{i,1}"),
    (T, "f_ijk = T_ijk"),
    (T[0, i, j] * y[j], "f_i = T_0ij y_j"),
    (ArrayContraction(ArrayTensorProduct(T, 2), (1, 2)), "f_i = 2 T_ijj"),
    (ArrayDiagonal(T, (1, 2)), "f_ij = T_ijj"),
    (PermuteDims(T, [2, 0, 1]), "f_ijk = T_jki"),
    (ArrayElementwiseApplyFunc(sympy.exp, T), "f_ijk = exp(T_ijk)"),
    (ArrayTensorProduct(OneArray(2), ArraySymbol("a", (n,))), "f_ij = a_j"),
    (ZeroArray(2, 3), "f_{i<2,j<3} = 0"),
    (Reshape(ArraySymbol("a", (2, 3)), (6,)), "f_i = δ_{3j+k,i} a_jk"),
]


@pytest.mark.parametrize(("written", "text"), READ, ids=lambda value: str(value)[:50])
def test_what_is_read(written, text):
    found = ed.from_sympy(written)
    variables = found.formula.arguments
    if not variables or any(v.of for v in variables):
        assert str(found) == text
    else:
        labels = [*text.partition(" = ")[0].partition("_")[2]]
        sizes = dict(zip(labels, found.shape, strict=True))
        assert found == ed.parse(text, sizes=sizes, **{v.name: v.shape for v in variables})


def test_blocks_slices_and_kronecker_products():
    P, Q = sympy.MatrixSymbol("P", 2, 3), sympy.MatrixSymbol("Q", 2, 2)
    rng = np.random.default_rng(0)
    arrays = {"P": rng.normal(size=(2, 3)), "Q": rng.normal(size=(2, 2))}
    for written, expected in [
        (sympy.BlockMatrix([[P, Q]]), np.hstack([arrays["P"], arrays["Q"]])),
        (sympy.KroneckerProduct(P, Q), np.kron(arrays["P"], arrays["Q"])),
        (P[:, 1:3] * sympy.OneMatrix(2, 2) + Q, arrays["P"][:, 1:] @ np.ones((2, 2)) + arrays["Q"]),
    ]:
        known = {name: arrays[name] for name in map(str, written.atoms(sympy.MatrixSymbol))}
        np.testing.assert_allclose(np.asarray(ed.from_sympy(written, **known)), expected)


@pytest.mark.parametrize(("kind", "middle", "first"), [("Product", 105, 6), ("Sum", 15, 5)])
def test_products_take_a_part_of_an_axis_as_sums_do(kind, middle, first):
    z = sympy.IndexedBase("z", shape=(5,))
    for ends, expected in (((1, 3), middle), ((0, 1), first)):
        f = ed.from_sympy(getattr(sympy, kind)(z[i], (i, *ends)), z=np.array([2.0, 3, 5, 7, 11]))
        assert np.asarray(f) == expected


@pytest.mark.parametrize("name", sorted(SPELLED))
def test_the_table_is_read_in_both_directions(name):
    arguments = sympy.symbols("x y z")[: len(FUNCTIONS[name].arguments)]
    written = spelled(name, *arguments)
    if isinstance(SPELLED[name], str):
        assert named_by_sympy()[type(written)] == name
    else:
        assert type(written).__name__ != name  # it is written out


@pytest.mark.parametrize(
    "text",
    ["δ_{i,0} x_j", "δ_{i,1} + x_i", "x_1 δ_{i,2}", "1 / A_ij", "1 / x_i", "1 / A_ij + A_ij"],
)
def test_unit_vectors_and_ones_have_the_size_that_they_need(text):
    arrays = {"A": np.array([[1.0, 2.0, 4.0], [5.0, 8.0, 10.0]]), "x": np.array([1.0, 2.0, 4.0])}
    arrays = {name: array for name, array in arrays.items() if name in text}
    f = ed.parse(text, **arrays, **({"i": 3} if "δ" in text else {}))
    written = f.to_sympy("matrix")
    assert tuple(map(int, written.shape)) == (*f.shape, 1)[:2]
    found = valued(written, arrays)
    np.testing.assert_allclose(found.reshape(f.shape), np.asarray(f), rtol=1e-12)


def test_operands_are_given_by_name():
    f = ed.from_sympy(M * v, M=np.eye(2), v=np.array([[1.0], [2.0]]))
    np.testing.assert_array_equal(np.asarray(f), [1.0, 2.0])
    f = ed.from_sympy(A[i, j] * x[j], A=(5, 3))
    assert f.shape == (5,)
    S = ed.tensor("M", (3, 3), symmetric=True)
    assert ed.grad(ed.from_sympy(v.T * M * v, M=S), wrt="v") == ed.grad(
        "v_i M_ij v_j", M=S, v=(3,), wrt="v"
    )
    z = ed.tensor("z", "k")
    g = ed.grad(ed.tensor("A", "mn") @ ed.tensor("x", "n", of=z), wrt="z")
    assert ed.from_sympy(g.to_sympy("array"), domain=1, x=ed.tensor("x", "n", of=z), z=z) == g


def test_the_axes_are_said_or_alphabetical():
    product = y[i] * b[j]
    assert ed.from_sympy(product) == ed.from_sympy(product, axes=[i, j])
    turned = ed.from_sympy(product, axes="ji")
    assert ed.from_sympy(product) == turned.T
    assert turned != ed.from_sympy(product)
    assert ed.from_sympy(y[i] * b[i], axes=[i]).ndim == 1
    assert ed.from_sympy(product, domain=1).domain == 1


def test_indices_of_any_name_are_read():
    first, second = sympy.symbols(r"z_1 \alpha", integer=True)
    f = ed.from_sympy(y[first] * b[second] * A[second, sympy.Idx("i", 2)], b=5)
    assert f == ed.parse("f_ij = y_j b_k A_ki", y=("n",), b=5, A=(5, 2))
    one, other = sympy.Symbol("i", integer=True), sympy.Symbol("i")
    assert ed.from_sympy(y[one] * b[other], axes=[one, other]).ndim == 2


def test_numbers_stay_what_they_are():
    (f,) = [ed.parse("1/3 x + 0.1 y + 2")]
    right = f.to_sympy().rhs
    assert right.coeff(sympy.Symbol("x")) == sympy.Rational(1, 3)
    assert isinstance(right.coeff(sympy.Symbol("y")), sympy.Float)
    assert ed.from_sympy(right) == f
    assert ed.from_sympy(sympy.Rational(10**30 + 1, 7)).expr.value.numerator == 10**30 + 1


def test_symmetric_and_complex_numbers():
    f = ed.parse("(1+2j) x_i")
    assert ed.from_sympy(f.to_sympy()) == f


# --- errors -----------------------------------------------------------------------------------

REFUSED_PARTS = [
    (sympy.gamma(t), ed.OperandError, "gamma has no counterpart"),
    (sympy.Integral(t, t), ed.OperandError, "Integral has no counterpart"),
    (sympy.Adjoint(M), ed.OperandError, "Adjoint has no counterpart"),
    (sympy.conjugate(t), ed.OperandError, "conjugate has no counterpart"),
    (sympy.nan, ed.OperandError, "NaN has no counterpart"),
    (M**t, ed.OperandError, "a matrix to the power t"),
    (sympy.Determinant(M).diff(M), ed.OperandError, "SymPy leaves this derivative as it is"),
    (sympy.Piecewise((t, t > 0)), ed.OperandError, "no value elsewhere"),
    (sympy.Sum(A[i, j], (j, 0, i)), ed.OperandError, "the range of j depends on i"),
    (sympy.Sum(y[i] * i, (i, 0, n - 1)), ed.OperandError, "the index i is taken for a number"),
    (sympy.Sum(y[i], (i, 1, n)), ed.OperandError, "indices count from 0"),
    (sympy.Sum(y[i], (i, 0, sympy.oo)), ed.OperandError, "neither a number nor a name"),
    (y[n - 1], ed.OperandError, "no sum of index symbols"),
    (x[-1], ed.OperandError, "negative"),
    (x[i] + b[j], ed.SubscriptsError, "different indices"),
    (y[2 * i], ed.SubscriptsError, "the size of 'i' is not known"),
    (sympy.KroneckerDelta(i, j), ed.SubscriptsError, "the size of 'i' is not known"),
    (sympy.Symbol("x", real=True) * sympy.Symbol("x"), ed.OperandError, "two different symbols"),
    (sympy.Symbol("x") * x[i], ed.OperandError, "'x' has 1 axes in one place and 0"),
    (A[i, j] * A[i, j, k], ed.OperandError, "axes in one place"),
    (sympy.Symbol("a b") * t, ed.OperandError, "is not a name"),
    (x[i] * M, ed.OperandError, "the shape of 'x' is not known"),
    (v.T * v * M, ed.OperandError, "a matrix of n rows stands after one of 1 columns"),
    (sympy.Product(y[i], (i, 1, n)), ed.OperandError, "indices count from 0"),
    (sympy.KroneckerProduct(M, M), ed.ShapeError, "needs the number"),
    (sympy.Lambda(((i,), (j,)), y[i] * b[j]), ed.OperandError, "nested"),
    (sympy.Eq(t + 1, y[0]), ed.OperandError, "left-hand side is no name"),
    ("x", ed.OperandError, "str is no expression of SymPy"),
]


@pytest.mark.parametrize(
    ("written", "kind", "message"), REFUSED_PARTS, ids=lambda value: str(value)[:40]
)
def test_what_cannot_be_read_is_named(written, kind, message):
    with pytest.raises(kind, match=message):
        ed.from_sympy(written)


def test_operands_that_do_not_fit_are_named():
    with pytest.raises(ed.BindingError, match="there is no 'B'"):
        ed.from_sympy(t**2, B=3)
    with pytest.raises(ed.ShapeError, match="domain=2"):
        ed.from_sympy(y[i], domain=2)
    with pytest.raises(ed.OperandError, match="derivative of a function"):
        ed.from_sympy(ArraySymbol("∂x/∂z", (m, n)))
    with pytest.raises(ed.EinsdiffError):
        np.asarray(ed.from_sympy(M * v, M=np.eye(2), v=np.ones(3)))
    with pytest.raises(ed.EinsdiffError):
        ed.from_sympy(x[5], x=3)
    with pytest.raises(ed.ShapeError, match="size 2 in the expression, and 3 as given"):
        ed.from_sympy(sympy.MatrixSymbol("a", 2, 1), a=ed.tensor("a", 3))
    with pytest.raises(ed.ShapeError, match="size 3 in the expression, and 4 as given"):
        ed.from_sympy(M * v, M=ed.tensor("M", (3, 3)), v=ed.tensor("v", 4))


def test_forms_that_there_are_not_are_named():
    f = ed.tensor("A", "mn")
    with pytest.raises(ed.OperandError, match="'tensor' is not a notation"):
        f.to_sympy("tensor")
    with pytest.raises(ed.LayoutError):
        f.to_sympy("matrix", layout="row")
    with pytest.raises(ed.OperandError, match="no matrix form: T has 3 axes"):
        ed.tensor("T", "mnk").to_sympy("matrix")
    with pytest.raises(ed.OperandError, match="the commutation matrix"):
        ed.grad("R_mp R_mq", wrt="R").to_sympy("matrix")


def test_deep_expressions_are_read_and_not_written():
    f = ed.tensor("x", "n")
    for _ in range(200):
        f = np.sin(f) + 1
    for form in ("indexed", "array"):
        with pytest.raises(ed.OperandError, match="levels deep"):
            f.to_sympy(form)
    with pytest.raises(ed.OperandError, match="no matrix form"):
        f.to_sympy("matrix")
    g: Any = t
    for _ in range(3000):
        g = sympy.sin(g, evaluate=False)
    assert ed.from_sympy(g)(t=0.0) == 0


def test_shared_expressions_do_not_explode():
    g: Any = t
    for _ in range(60):
        g = sympy.Mul(sympy.cos(g), sympy.sin(g), evaluate=False)
    with pytest.raises(ed.OperandError, match="more than"):
        ed.from_sympy(g)
    f = ed.tensor("x", "n")
    for _ in range(40):
        f = np.sin(f) * np.cos(f)
    with pytest.raises(ed.OperandError, match="SymPy would get"):
        f.to_sympy()


def test_without_sympy_the_extra_is_named(monkeypatch):
    f = ed.tensor("A", "mn")
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "sympy" or name.startswith("sympy."):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    for call in (f.to_sympy, lambda: f.to_sympy("array"), lambda: ed.from_sympy(t)):
        with pytest.raises(ed.OperandError, match=r'pip install "einsdiff\[sympy\]"'):
            call()
