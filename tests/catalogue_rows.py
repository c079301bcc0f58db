"""The catalogue of formulas as data: what `tests.test_catalogue` checks, one `Row` for each.

A row says one formula in each way of writing that can say it, its derivative in closed form, and
how that is printed. Functions in a row take what their parameters are called: a variable, `np` for
NumPy's functions, or `dx` for the array of ∂x/∂z.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np

import einsdiff as ed

#: The sizes that the rows name, all different, so that no axis can pass for another.
SIZES = {"k": 2, "m": 3, "n": 4, "d": 5}

#: The ways to write an expression.
WAYS = ("build", "index", "value")


def shape_of(sizes: str) -> tuple[int, ...]:
    """Read sizes, by name or as digits."""
    return tuple(int(size) if size.isdigit() else SIZES[size] for size in sizes)


def called(function: Callable[..., Any], known: Mapping[str, Any]) -> Any:
    """Call a function with what its parameters are called."""
    return function(**{name: known[name] for name in signature(function).parameters})


def names_in(text: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return those whose names stand in index notation."""
    return {
        name: value for name, value in known.items() if re.search(rf"(?<!\w){name}(?![^\W_])", text)
    }


# Why derivatives are equal by their values only.
ROOT = "the square of a norm is the square of a root, which `simplify` removes"
SHARED = "a product that is used twice is kept apart in one of them"
STACKED = "stacked rows are a sum over the rows, each with its deltas"

# Why formulas are not printed as a person would write them.
POWERS = "powers of one base are joined by `simplify` only"
FACTORS = "what the terms of a sum have in common is not taken out"
BRACKETS = "what is used twice stands in brackets that are not needed"


@dataclass(frozen=True)
class Row:
    """One formula of the catalogue.

    Attributes
    ----------
    id, title
        Its number in the catalogue, and which of the formulas of that number it is.
    shapes
        The variables, each with its sizes: names of `SIZES`, or digits.
    wrt, order
        What is differentiated by, and how often.
    build
        Makes the expression of tensors, with einsum strings and operators.
    index
        The expression in index notation.
    value
        The function as one would write it with NumPy; JAX runs it, too.
    inner
        What names in `index` stand for, in index notation.
    sizes
        Of labels in `index` that no operand carries.
    of
        For each unspecified function the variable that it is a function of.
    draws
        Which arrays suit a variable, if not those of both signs; see `tests.test_catalogue`.
    expected
        The closed form of the derivative.
    formula
        How the derivative of `build` is printed; None if no person would write it so.
    badly
        Why no person would.
    formula_of_arrays
        The same with arrays, where that is another formula.
    simplified
        How it is printed after `ed.simplify`, if that is a better formula.
    unsaid
        For each way that cannot say it, why.
    by_values
        The ways whose derivative is equal to that of `build` by random evaluation only.
    bare
        Whether `build` takes arrays in place of tensors.
    """

    id: str
    shapes: Mapping[str, str]
    wrt: str
    expected: Callable[..., Any]
    formula: str | None
    build: Callable[..., ed.Tensor]
    index: str | None = None
    value: Callable[..., Any] | None = None
    title: str = ""
    order: int = 1
    inner: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    of: Mapping[str, str] = field(default_factory=dict)
    symmetric: tuple[str, ...] = ()
    draws: Mapping[str, str] = field(default_factory=dict)
    unsaid: Mapping[str, str] = field(default_factory=dict)
    by_values: Mapping[str, str] = field(default_factory=dict)
    bare: bool = False
    formula_of_arrays: str | None = None
    simplified: str | None = None
    badly: str = ""

    def __str__(self) -> str:
        return f"{self.id}:{self.title}" if self.title else self.id

    def says(self, way: str) -> bool:
        return getattr(self, way) is not None


def entries(sizes: str, entry: Callable[..., Any]) -> np.ndarray:
    """Write a tensor down entry by entry; `sizes` names its sizes."""
    result = np.empty(shape_of(sizes))
    for index in np.ndindex(result.shape):
        result[index] = entry(*index)
    return result


def gram_by_cases(R):
    """Write down the derivative of RᵀR, case by case."""

    def entry(p, q, i, j):
        if j == p == q:
            return 2 * R[i, q]
        if j == p:
            return R[i, q]
        if j == q:
            return R[i, p]
        return 0

    return entries("nnmn", entry)


# --- A. index rules ---------------------------------------------------------------------------

INDEX_RULES = [
    Row(
        "A1",
        {"x": "n"},
        wrt="x",
        build=lambda x: ed.einsum("i->i", x),
        index="x_i",
        value=lambda x: x,
        expected=lambda: np.eye(SIZES["n"]),
        formula="∂f_i/∂x_p = δ_ip",
        bare=True,
    ),
    Row(
        "A2",
        {"A": "mn"},
        wrt="A",
        build=lambda A: ed.einsum("ij->ij", A),
        index="A_ij",
        value=lambda A: A,
        expected=lambda: entries("mnmn", lambda i, j, p, q: i == p and j == q),
        formula="∂f_ij/∂A_pq = δ_ip δ_jq",
        bare=True,
    ),
    Row(
        "A3",
        {"c": "n", "x": "n"},
        wrt="x",
        build=lambda c, x: ed.einsum("i,i->", c, x),
        index="c_i x_i",
        value=lambda c, x: c @ x,
        expected=lambda c: c,
        formula="∂f/∂x_p = c_p",
        bare=True,
    ),
    Row(
        "A4",
        {"x": "n"},
        wrt="x",
        build=lambda x: ed.einsum("i,i->", x, x),
        index="x_i x_i",
        value=lambda x: x @ x,
        expected=lambda x: 2 * x,
        formula="∂f/∂x_p = 2 x_p",
        bare=True,
    ),
    Row(
        "A5",
        {"A": "mn", "x": "n"},
        wrt="x",
        build=lambda A, x: ed.einsum("ij,j->i", A, x),
        index="A_ij x_j",
        value=lambda A, x: A @ x,
        expected=lambda A: A,
        formula="∂f_i/∂x_p = A_ip",
        bare=True,
    ),
    Row(
        "A6",
        {"A": "mn", "x": "n"},
        wrt="A",
        build=lambda A, x: ed.einsum("ij,j->i", A, x),
        index="A_ij x_j",
        value=lambda A, x: A @ x,
        expected=lambda x: entries("mmn", lambda i, p, q: x[q] if i == p else 0),
        formula="∂f_i/∂A_pq = δ_ip x_q",
        bare=True,
    ),
    Row(
        "A7",
        {"R": "mn"},
        wrt="R",
        build=lambda R: ed.einsum("mp,mq->pq", R, R),
        index="K_pq = R_mp R_mq",
        value=lambda R: R.T @ R,
        expected=lambda R: entries(
            "nnmn", lambda p, q, i, j: (j == p) * R[i, q] + (j == q) * R[i, p]
        ),
        formula="∂f_pq/∂R_rs = δ_ps R_rq + δ_qs R_rp",
        bare=True,
    ),
    Row(
        "A8",
        {"R": "mn"},
        wrt="R",
        build=lambda R: ed.einsum("mp,mq->pq", R, R),
        index="K_pq = R_mp R_mq",
        value=lambda np, R: np.einsum("mp,mq->pq", R, R),
        expected=gram_by_cases,
        formula="∂f_pq/∂R_rs = δ_ps R_rq + δ_qs R_rp",
        bare=True,
    ),
    Row(
        "A9",
        {"a": "m", "X": "mn", "b": "n"},
        wrt="X",
        build=lambda a, X, b: ed.einsum("i,ij,j->", a, X, b),
        index="a_i X_ij b_j",
        value=lambda a, X, b: a @ X @ b,
        expected=lambda a, b: np.outer(a, b),
        formula="∂f/∂X_pq = a_p b_q",
        bare=True,
    ),
    Row(
        "A10",
        {"A": "34", "x": "4"},
        title="all rows",
        wrt="A",
        build=lambda A, x: ed.einsum("ij,j->i", A, x),
        index="A_ij x_j",
        value=lambda np, A, x: np.stack([row @ x for row in A]),
        expected=lambda x: [[x * (i == k) for k in range(3)] for i in range(3)],
        formula="∂f_i/∂A_pq = δ_ip x_q",
        bare=True,
        by_values={"value": STACKED},
    ),
    Row(
        "A10",
        {"A": "mn", "x": "n"},
        title="one row",
        wrt="A",
        build=lambda A, x: A[1] @ x,
        index="A_1j x_j",
        value=lambda A, x: A[1] @ x,
        expected=lambda x: np.stack([0 * x, x, 0 * x]),
        formula="∂f/∂A_pq = δ_{p,1} x_q",
    ),
]

# --- B. vectors and quadratic forms -----------------------------------------------------------


def residual(y, A, x):
    return y - ed.einsum("ij,j->i", A, x)


def squares(y, A, x):
    """Write down the sum of squares of y - Ax."""
    r = residual(y, A, x)
    return ed.einsum("i,i->", r, r)


VECTORS = [
    Row(
        "B1",
        {"y": "m", "A": "mn", "x": "n"},
        wrt="x",
        build=lambda y, A, x: ed.einsum("i,ij,j->", y, A, x),
        index="y_i A_ij x_j",
        value=lambda y, A, x: y @ A @ x,
        expected=lambda y, A: y @ A,
        formula="∂f/∂x_p = y_i A_ip",
        bare=True,
    ),
    Row(
        "B2",
        {"y": "m", "A": "mn", "x": "n"},
        wrt="y",
        build=lambda y, A, x: ed.einsum("i,ij,j->", y, A, x),
        index="y_i A_ij x_j",
        value=lambda y, A, x: y @ A @ x,
        expected=lambda A, x: x @ A.T,
        formula="∂f/∂y_p = A_pj x_j",
        bare=True,
    ),
    Row(
        "B3",
        {"x": "n", "A": "nn"},
        wrt="x",
        build=lambda x, A: ed.einsum("i,ij,j->", x, A, x),
        index="x_i A_ij x_j",
        value=lambda x, A: x @ A @ x,
        expected=lambda x, A: x @ (A + A.T),
        formula="∂f/∂x_p = x_i A_ip + x_i A_pi",
        bare=True,
    ),
    Row(
        "B4",
        {"x": "n", "A": "nn"},
        symmetric=("A",),
        wrt="x",
        build=lambda x, A: ed.einsum("i,ij,j->", x, A, x),
        index="x_i A_ij x_j",
        value=lambda x, A: x @ A @ x,
        expected=lambda x, A: 2 * x @ A,
        formula="∂f/∂x_p = 2 x_i A_ip",
        bare=True,
    ),
    Row(
        "B5",
        {"x": "n", "A": "nn"},
        wrt="x",
        order=2,
        build=lambda x, A: ed.einsum("i,ij,j->", x, A, x),
        index="x_i A_ij x_j",
        value=lambda x, A: x @ A @ x,
        expected=lambda A: A + A.T,
        formula="∂²f/∂x_p∂x_q = A_pq + A_qp",
        bare=True,
    ),
    Row(
        "B6",
        {"z": "k", "A": "mn", "x": "n"},
        of={"x": "z"},
        wrt="z",
        build=lambda A, x: ed.einsum("ij,j->i", A, x),
        index="A_ij x_j",
        value=lambda A, x: A @ x,
        expected=lambda A, dx: A @ dx,
        formula="∂f_i/∂z_p = A_ij ∂x_j/∂z_p",
    ),
    Row(
        "B7",
        {"z": "k", "y": "n", "x": "n"},
        of={"x": "z", "y": "z"},
        wrt="z",
        build=lambda y, x: ed.einsum("i,i->", y, x),
        index="y_i x_i",
        value=lambda y, x: y @ x,
        expected=lambda y, x, dy, dx: x @ dy + y @ dx,
        formula="∂f/∂z_p = y_i ∂x_i/∂z_p + ∂y_i/∂z_p x_i",
    ),
    Row(
        "B8",
        {"z": "k", "x": "n"},
        of={"x": "z"},
        wrt="z",
        build=lambda x: ed.einsum("i,i->", x, x),
        index="x_i x_i",
        value=lambda x: x @ x,
        expected=lambda x, dx: 2 * x @ dx,
        formula="∂f/∂z_p = 2 x_i ∂x_i/∂z_p",
    ),
    Row(
        "B9",
        {"z": "k", "y": "m", "A": "mn", "x": "n"},
        of={"x": "z", "y": "z"},
        wrt="z",
        build=lambda y, A, x: ed.einsum("i,ij,j->", y, A, x),
        index="y_i A_ij x_j",
        value=lambda y, A, x: y @ A @ x,
        expected=lambda y, A, x, dy, dx: x @ A.T @ dy + y @ A @ dx,
        formula="∂f/∂z_p = y_i A_ij ∂x_j/∂z_p + ∂y_i/∂z_p A_ij x_j",
    ),
    Row(
        "B10",
        {"z": "k", "x": "n", "A": "nn"},
        of={"x": "z"},
        wrt="z",
        build=lambda x, A: ed.einsum("i,ij,j->", x, A, x),
        index="x_i A_ij x_j",
        value=lambda x, A: x @ A @ x,
        expected=lambda x, A, dx: x @ (A + A.T) @ dx,
        formula="∂f/∂z_p = (x_i A_ij + x_i A_ji) ∂x_j/∂z_p",
    ),
    Row(
        "B10",
        {"z": "k", "x": "n", "A": "nn"},
        title="symmetric",
        of={"x": "z"},
        symmetric=("A",),
        wrt="z",
        build=lambda x, A: ed.einsum("i,ij,j->", x, A, x),
        index="x_i A_ij x_j",
        value=lambda x, A: x @ A @ x,
        expected=lambda x, A, dx: 2 * x @ A @ dx,
        formula="∂f/∂z_p = 2 x_i ∂x_j/∂z_p A_ij",
    ),
    Row(
        "B11",
        {"y": "m", "A": "mn", "x": "n"},
        wrt="x",
        build=squares,
        index="(y_i - A_ij x_j) (y_i - A_ik x_k)",
        value=lambda y, A, x: (y - A @ x) @ (y - A @ x),
        expected=lambda y, A, x: -2 * (y - A @ x) @ A,
        formula="∂f/∂x_p = -2 (y_i - A_ij x_j) A_ip",
        bare=True,
    ),
    Row(
        "B12",
        {"y": "m", "A": "mn", "x": "n"},
        wrt="x",
        order=2,
        build=squares,
        index="(y_i - A_ij x_j) (y_i - A_ik x_k)",
        value=lambda y, A, x: (y - A @ x) @ (y - A @ x),
        expected=lambda A: 2 * A.T @ A,
        formula="∂²f/∂x_p∂x_q = 2 A_ip A_iq",
        bare=True,
    ),
    Row(
        "B13",
        {"x": "m", "A": "mn", "s": "n", "W": "mm"},
        symmetric=("W",),
        wrt="s",
        build=lambda x, A, s, W: ed.einsum("i,ij,j->", residual(x, A, s), W, residual(x, A, s)),
        index="(x_i - A_ik s_k) W_ij (x_j - A_jl s_l)",
        value=lambda x, A, s, W: (x - A @ s) @ W @ (x - A @ s),
        expected=lambda x, A, s, W: -2 * (x - A @ s) @ W @ A,
        formula="∂f/∂s_p = -2 (x_i - A_ik s_k) A_jp W_ij",
    ),
    Row(
        "B14",
        {"y": "m", "Φ": "mn", "θ": "n"},
        title="gradient",
        wrt="θ",
        build=lambda y, Φ, θ: ed.norm(y - Φ @ θ) ** 2,
        index="Σ_i (y_i - Φ_ij θ_j)^2",
        value=lambda np, y, Φ, θ: np.linalg.norm(y - Φ @ θ) ** 2,
        expected=lambda y, Φ, θ: -2 * (y - Φ @ θ) @ Φ,
        formula=None,
        simplified="∂f/∂θ_p = -2 (y_i - Φ_ij θ_j) Φ_ip",
        badly=ROOT,
    ),
    Row(
        "B14",
        {"y": "m", "Φ": "mn", "θ": "n"},
        title="Hessian",
        wrt="θ",
        order=2,
        build=lambda y, Φ, θ: ed.norm(y - Φ @ θ) ** 2,
        index="Σ_i (y_i - Φ_ij θ_j)^2",
        value=lambda np, y, Φ, θ: np.linalg.norm(y - Φ @ θ) ** 2,
        expected=lambda Φ: 2 * Φ.T @ Φ,
        formula=None,
        simplified="∂²f/∂θ_p∂θ_q = 2 Φ_ip Φ_iq",
        badly=ROOT,
    ),
]

# --- C. elementwise operations, broadcasting, stacking ----------------------------------------


def of_entries(name: str, derivative: Callable[..., Any], formula: str, **given: Any) -> Row:
    """Make the row of a function of each entry; `derivative` is f'."""
    numpy = given.pop("value", lambda np, x: getattr(np, name)(x))
    return Row(
        "C9",
        {"x": "n"},
        title=name,
        wrt="x",
        build=lambda x: getattr(ed, name)(x),
        index=f"{name}(x_i)",
        value=numpy,
        expected=lambda x: np.diag(derivative(x)),
        formula=f"∂f_i/∂x_p = {formula}",
        **given,
    )


#: 1 / (1 + e^-x)
def logistic(x):
    return 1 / (1 + np.exp(-x))


ELEMENTWISE = [
    Row(
        "C1",
        {"w": "n", "x": "n"},
        title="w + x by w",
        wrt="w",
        build=lambda w, x: w + x,
        index="w_i + x_i",
        value=lambda np, w, x: np.add(w, x),
        expected=lambda: np.eye(SIZES["n"]),
        formula="∂f_i/∂w_p = δ_ip",
    ),
    Row(
        "C1",
        {"w": "n", "x": "n"},
        title="w + x by x",
        wrt="x",
        build=lambda w, x: w + x,
        index="w_i + x_i",
        value=lambda np, w, x: np.add(w, x),
        expected=lambda: np.eye(SIZES["n"]),
        formula="∂f_i/∂x_p = δ_ip",
    ),
    Row(
        "C1",
        {"w": "n", "x": "n"},
        title="w - x by w",
        wrt="w",
        build=lambda w, x: w - x,
        index="w_i - x_i",
        value=lambda np, w, x: np.subtract(w, x),
        expected=lambda: np.eye(SIZES["n"]),
        formula="∂f_i/∂w_p = δ_ip",
    ),
    Row(
        "C1",
        {"w": "n", "x": "n"},
        title="w - x by x",
        wrt="x",
        build=lambda w, x: w - x,
        index="w_i - x_i",
        value=lambda np, w, x: np.subtract(w, x),
        expected=lambda: -np.eye(SIZES["n"]),
        formula="∂f_i/∂x_p = -δ_ip",
    ),
    Row(
        "C2",
        {"w": "n", "x": "n"},
        title="by w",
        wrt="w",
        build=lambda w, x: ed.einsum("i,i->i", w, x),
        index="f_i = w_i x_i",
        value=lambda w, x: w * x,
        expected=lambda x: np.diag(x),
        formula="∂f_i/∂w_p = δ_ip x_i",
        bare=True,
    ),
    Row(
        "C2",
        {"w": "n", "x": "n"},
        title="by x",
        wrt="x",
        build=lambda w, x: ed.einsum("i,i->i", w, x),
        index="f_i = w_i x_i",
        value=lambda w, x: w * x,
        expected=lambda w: np.diag(w),
        formula="∂f_i/∂x_p = δ_ip w_i",
        bare=True,
    ),
    Row(
        "C3",
        {"w": "n", "x": "n"},
        title="by w",
        draws={"x": "apart"},
        wrt="w",
        build=lambda w, x: w / x,
        index="f_i = w_i / x_i",
        value=lambda np, w, x: np.divide(w, x),
        expected=lambda x: np.diag(1 / x),
        formula="∂f_i/∂w_p = δ_ip / x_i",
    ),
    Row(
        "C3",
        {"w": "n", "x": "n"},
        title="by x",
        draws={"x": "apart"},
        wrt="x",
        build=lambda w, x: w / x,
        index="f_i = w_i / x_i",
        value=lambda np, w, x: np.divide(w, x),
        expected=lambda w, x: np.diag(-w / x**2),
        formula="∂f_i/∂x_p = -δ_ip w_i / x_i^2",
    ),
    Row(
        "C4",
        {"x": "n"},
        draws={"x": "apart"},
        wrt="x",
        build=lambda x: ed.relu(x),
        index="relu(x_i)",
        value=lambda np, x: np.maximum(x, 0),
        expected=lambda x: np.diag(np.where(x > 0, 1.0, 0.0)),
        formula="∂f_i/∂x_p = δ_ip [x_i > 0]",
    ),
    Row(
        "C5",
        {"x": "n", "ζ": ""},
        title="by x",
        wrt="x",
        build=lambda x, ζ: x + ζ,
        index="x_i + ζ",
        value=lambda x, ζ: x + ζ,
        expected=lambda: np.eye(SIZES["n"]),
        formula="∂f_i/∂x_p = δ_ip",
    ),
    Row(
        "C5",
        {"x": "n", "ζ": ""},
        title="by ζ",
        wrt="ζ",
        build=lambda x, ζ: x + ζ,
        index="x_i + ζ",
        value=lambda x, ζ: x + ζ,
        expected=lambda: np.ones(SIZES["n"]),
        formula="∂f_i/∂ζ = 1",
    ),
    Row(
        "C6",
        {"x": "n", "ζ": ""},
        title="by x",
        wrt="x",
        build=lambda x, ζ: ed.einsum(",i->i", ζ, x),
        index="ζ x_i",
        value=lambda x, ζ: ζ * x,
        expected=lambda ζ: ζ * np.eye(SIZES["n"]),
        formula="∂f_i/∂x_p = δ_ip ζ",
        bare=True,
    ),
    Row(
        "C6",
        {"x": "n", "ζ": ""},
        title="by ζ",
        wrt="ζ",
        build=lambda x, ζ: ed.einsum(",i->i", ζ, x),
        index="ζ x_i",
        value=lambda x, ζ: ζ * x,
        expected=lambda x: x,
        formula="∂f_i/∂ζ = x_i",
        bare=True,
    ),
    Row(
        "C7",
        {"t": ""},
        draws={"t": "positive"},
        wrt="t",
        build=lambda t: ed.stack([ed.log(t**2), ed.sin(3 * t)]),
        index="f_i = δ_{i,0} log(t^2) + δ_{i,1} sin(3 t)",
        sizes={"i": 2},
        value=lambda np, t: np.stack([np.log(t**2), np.sin(3 * t)]),
        expected=lambda t: [2 / t, 3 * np.cos(3 * t)],
        formula=None,
        simplified="∂f_i/∂t = 2 δ_{i,0} / t + 3 δ_{i,1} cos(3 t)",
        badly=POWERS,
    ),
    Row(
        "C8",
        {"x": "", "y": ""},
        title="by x",
        wrt="x",
        build=lambda x, y: ed.stack([3 * x**2 * y, 2 * x + 4 * y**2]),
        index="f_i = 3 δ_{i,0} x^2 y + δ_{i,1} (2 x + 4 y^2)",
        sizes={"i": 2},
        value=lambda np, x, y: np.stack([3 * x**2 * y, 2 * x + 4 * y**2]),
        expected=lambda x, y: [6 * x * y, 2],
        formula="∂f_i/∂x = 6 δ_{i,0} x y + 2 δ_{i,1}",
    ),
    Row(
        "C8",
        {"x": "", "y": ""},
        title="by y",
        wrt="y",
        build=lambda x, y: ed.stack([3 * x**2 * y, 2 * x + 4 * y**2]),
        index="f_i = 3 δ_{i,0} x^2 y + δ_{i,1} (2 x + 4 y^2)",
        sizes={"i": 2},
        value=lambda np, x, y: np.stack([3 * x**2 * y, 2 * x + 4 * y**2]),
        expected=lambda x, y: [3 * x**2, 8 * y],
        formula="∂f_i/∂y = 3 δ_{i,0} x^2 + 8 δ_{i,1} y",
    ),
    of_entries("exp", np.exp, "δ_ip exp(x_i)"),
    of_entries("log", lambda x: 1 / x, "δ_ip / x_i", draws={"x": "positive"}),
    of_entries(
        "sqrt", lambda x: 1 / (2 * np.sqrt(x)), "1/2 δ_ip / sqrt(x_i)", draws={"x": "positive"}
    ),
    of_entries("sin", np.cos, "δ_ip cos(x_i)"),
    of_entries("cos", lambda x: -np.sin(x), "-δ_ip sin(x_i)"),
    of_entries("tan", lambda x: 1 / np.cos(x) ** 2, "δ_ip (tan(x_i)^2 + 1)"),
    of_entries(
        "arcsin", lambda x: 1 / np.sqrt(1 - x**2), "δ_ip / sqrt(1 - x_i^2)", draws={"x": "inside"}
    ),
    of_entries("arctan", lambda x: 1 / (1 + x**2), "δ_ip / (x_i^2 + 1)"),
    of_entries("sinh", np.cosh, "δ_ip cosh(x_i)"),
    of_entries("tanh", lambda x: 1 / np.cosh(x) ** 2, "δ_ip (1 - tanh(x_i)^2)"),
    of_entries("log1p", lambda x: 1 / (1 + x), "δ_ip / (x_i + 1)", draws={"x": "positive"}),
    of_entries("abs", np.sign, "δ_ip sign(x_i)", draws={"x": "apart"}),
    of_entries(
        "sigmoid",
        lambda x: logistic(x) * (1 - logistic(x)),
        "δ_ip (1 - sigmoid(x_i)) sigmoid(x_i)",
        value=lambda np, x: 1 / (1 + np.exp(-x)),
        by_values={"value": "NumPy has no sigmoid: its definition is another expression"},
    ),
    of_entries(
        "erf",
        lambda x: 2 / np.sqrt(np.pi) * np.exp(-(x**2)),
        "1.1283791670955126 δ_ip exp(-x_i^2)",
        value=None,
        unsaid={"value": "NumPy has no erf"},
    ),
]

# --- D. scalar calculus and the chain rule ----------------------------------------------------


def paths(x, y, z, dx, dy, dz):
    """Return the chain rule through (x, y, z) of 3xy + yz²."""
    return 3 * y * dx + (3 * x + z**2) * dy + 2 * y * z * dz


def by_p(p, q, r):
    x, y, z = p * q * r, 2 * p**2 + q + 5 * r, p * np.cos(q + 2 * r)
    return paths(x, y, z, q * r, 4 * p, np.cos(q + 2 * r))


def by_q(p, q, r):
    x, y, z = p * q * r, 2 * p**2 + q + 5 * r, p * np.cos(q + 2 * r)
    return paths(x, y, z, p * r, 1, -p * np.sin(q + 2 * r))


def by_r(p, q, r):
    x, y, z = p * q * r, 2 * p**2 + q + 5 * r, p * np.cos(q + 2 * r)
    return paths(x, y, z, p * q, 5, -2 * p * np.sin(q + 2 * r))


def three_paths(wrt: str, expected: Callable[..., Any], formula: str | None) -> Row:
    def build(p, q, r):
        x, y, z = p * q * r, 2 * p**2 + q + 5 * r, p * ed.cos(q + 2 * r)
        return 3 * x * y + y * z**2

    def value(np, p, q, r):
        x, y, z = p * q * r, 2 * p**2 + q + 5 * r, p * np.cos(q + 2 * r)
        return 3 * x * y + y * z**2

    return Row(
        "D12",
        {"p": "", "q": "", "r": ""},
        title=f"by {wrt}",
        wrt=wrt,
        build=build,
        index="3 x y + y z^2",
        inner={"x": "p q r", "y": "2 p^2 + q + 5 r", "z": "p cos(q + 2 r)"},
        value=value,
        expected=expected,
        formula=formula,
        badly="" if formula else BRACKETS,
    )


def spiral(t):
    """Return exp(x₁x₂²) on x = (t cos t, t sin t) by t, by the chain rule."""
    x1, x2 = t * np.cos(t), t * np.sin(t)
    dx1, dx2 = np.cos(t) - t * np.sin(t), np.sin(t) + t * np.cos(t)
    return np.exp(x1 * x2**2) * (x2**2 * dx1 + 2 * x1 * x2 * dx2)


def layers(A, B, x):
    """Return the Jacobian of sin(A tanh(B x)): an m x n matrix times an n x k one."""
    g = np.tanh(B @ x)
    return (np.cos(A @ g)[:, None] * A) @ ((1 - g**2)[:, None] * B)


SCALARS = [
    Row(
        "D1",
        {"x": "", "n": ""},
        title="power rule",
        draws={"x": "positive"},
        wrt="x",
        build=lambda x, n: x**n,
        index="x^n",
        value=lambda np, x, n: np.power(x, n),
        expected=lambda x, n: n * x ** (n - 1),
        formula="∂f/∂x = x^(n - 1) n",
    ),
    Row(
        "D1",
        {"x": ""},
        title="power rule for a number",
        wrt="x",
        build=lambda x: x**5,
        index="x^5",
        value=lambda x: x**5,
        expected=lambda x: 5 * x**4,
        formula="∂f/∂x = 5 x^4",
    ),
    Row(
        "D1",
        {"x": ""},
        title="exponential",
        wrt="x",
        build=lambda x: ed.exp(x),
        index="exp(x)",
        value=lambda np, x: np.exp(x),
        expected=lambda x: np.exp(x),
        formula="∂f/∂x = exp(x)",
    ),
    Row(
        "D1",
        {"x": "", "f": "", "g": ""},
        title="sum rule",
        of={"f": "x", "g": "x"},
        wrt="x",
        build=lambda f, g: f + g,
        index="f + g",
        value=lambda f, g: f + g,
        expected=lambda df, dg: df + dg,
        formula="∂h/∂x = ∂f/∂x + ∂g/∂x",
    ),
    Row(
        "D1",
        {"x": "", "f": "", "g": ""},
        title="product rule",
        of={"f": "x", "g": "x"},
        wrt="x",
        build=lambda f, g: f * g,
        index="f g",
        value=lambda f, g: f * g,
        expected=lambda f, g, df, dg: df * g + f * dg,
        formula="∂h/∂x = f ∂g/∂x + ∂f/∂x g",
    ),
    Row(
        "D1",
        {"x": "", "f": "", "g": ""},
        title="quotient rule",
        of={"f": "x", "g": "x"},
        draws={"g": "positive", "x": "positive"},
        wrt="x",
        build=lambda f, g: f / g,
        index="f / g",
        value=lambda f, g: f / g,
        expected=lambda f, g, df, dg: (df * g - f * dg) / g**2,
        formula="∂h/∂x = ∂f/∂x / g - f ∂g/∂x / g^2",
    ),
    Row(
        "D1",
        {"x": "", "f": "", "g": ""},
        title="chain rule",
        of={"f": "g", "g": "x"},
        wrt="x",
        build=lambda f: ed.einsum("->", f),
        index="f",
        value=lambda f: f,
        expected=lambda df, dg: df * dg,
        formula="∂h/∂x = ∂f/∂g ∂g/∂x",
    ),
    Row(
        "D1",
        {"x": "", "f": "", "g": "", "h": ""},
        title="triple product rule",
        of={"f": "x", "g": "x", "h": "x"},
        wrt="x",
        build=lambda f, g, h: f * g * h,
        index="f g h",
        value=lambda f, g, h: f * g * h,
        expected=lambda f, g, h, df, dg, dh: df * g * h + f * dg * h + f * g * dh,
        formula="∂u/∂x = f g ∂h/∂x + f ∂g/∂x h + ∂f/∂x g h",
    ),
    Row(
        "D2",
        {"x": ""},
        wrt="x",
        build=lambda x: ed.sin(2 * x + 1),
        index="sin(2 x + 1)",
        value=lambda np, x: np.sin(2 * x + 1),
        expected=lambda x: 2 * np.cos(2 * x + 1),
        formula="∂f/∂x = 2 cos(2 x + 1)",
    ),
    Row(
        "D3",
        {"x": ""},
        wrt="x",
        build=lambda x: ed.sin(x**4) ** 5,
        index="sin(x^4)^5",
        value=lambda np, x: np.sin(x**4) ** 5,
        expected=lambda x: 20 * x**3 * np.sin(x**4) ** 4 * np.cos(x**4),
        formula="∂f/∂x = 20 cos(x^4) sin(x^4)^4 x^3",
    ),
    Row(
        "D4",
        {"x": ""},
        wrt="x",
        build=lambda x: x**3 * ed.sin(x),
        index="x^3 sin(x)",
        value=lambda np, x: x**3 * np.sin(x),
        expected=lambda x: 3 * x**2 * np.sin(x) + x**3 * np.cos(x),
        formula="∂f/∂x = 3 sin(x) x^2 + cos(x) x^3",
    ),
    Row(
        "D5",
        {"x": ""},
        wrt="x",
        build=lambda x: (x**2 + 5 * x + 6) ** 10,
        index="(x^2 + 5 x + 6)^10",
        value=lambda x: (x**2 + 5 * x + 6) ** 10,
        expected=lambda x: 10 * (x**2 + 5 * x + 6) ** 9 * (2 * x + 5),
        formula=None,
        simplified="∂f/∂x = 10 (2 x + 5) (5 x + x^2 + 6)^9",
        badly=FACTORS,
    ),
    Row(
        "D6",
        {"x": ""},
        wrt="x",
        build=lambda x: ed.log(x**2 + 1),
        index="log(x^2 + 1)",
        value=lambda np, x: np.log(x**2 + 1),
        expected=lambda x: 2 * x / (x**2 + 1),
        formula="∂f/∂x = 2 x / (x^2 + 1)",
    ),
    Row(
        "D7",
        {"x": ""},
        wrt="x",
        build=lambda x: ed.log(ed.sin(x**3) ** 2),
        index="log(sin(x^3)^2)",
        value=lambda np, x: np.log(np.sin(x**3) ** 2),
        expected=lambda x: 6 * x**2 * np.cos(x**3) / np.sin(x**3),
        formula=None,
        simplified="∂f/∂x = 6 cos(x^3) x^2 / sin(x^3)",
        badly=POWERS,
    ),
    Row(
        "D8",
        {"x": "", "y": ""},
        title="by x",
        wrt="x",
        build=lambda x, y: (x + 2 * y**3) ** 2,
        index="(x + 2 y^3)^2",
        value=lambda x, y: (x + 2 * y**3) ** 2,
        expected=lambda x, y: 2 * (x + 2 * y**3),
        formula="∂f/∂x = 2 x + 4 y^3",
    ),
    Row(
        "D8",
        {"x": "", "y": ""},
        title="by y",
        wrt="y",
        build=lambda x, y: (x + 2 * y**3) ** 2,
        index="(x + 2 y^3)^2",
        value=lambda x, y: (x + 2 * y**3) ** 2,
        expected=lambda x, y: 12 * (x + 2 * y**3) * y**2,
        formula="∂f/∂y = 12 (x + 2 y^3) y^2",
    ),
    Row(
        "D9",
        {"x": "2"},
        wrt="x",
        build=lambda x: x[0] ** 2 * x[1] + x[0] * x[1] ** 3,
        index="x_0^2 x_1 + x_0 x_1^3",
        value=lambda x: x[0] ** 2 * x[1] + x[0] * x[1] ** 3,
        expected=lambda x: [2 * x[0] * x[1] + x[1] ** 3, x[0] ** 2 + 3 * x[0] * x[1] ** 2],
        formula=None,
        badly=BRACKETS,
        by_values={"index": SHARED},
    ),
    Row(
        "D10",
        {"t": ""},
        wrt="t",
        build=lambda t: ed.sin(t) ** 2 + 2 * ed.cos(t),
        index="x1^2 + 2 x2",
        inner={"x1": "sin(t)", "x2": "cos(t)"},
        value=lambda np, t: np.sin(t) ** 2 + 2 * np.cos(t),
        expected=lambda t: 2 * np.sin(t) * np.cos(t) - 2 * np.sin(t),
        formula="∂f/∂t = 2 cos(t) sin(t) - 2 sin(t)",
    ),
    Row(
        "D11",
        {"t": ""},
        wrt="t",
        build=lambda t: ed.sin(t) ** 2 * ed.exp(2 * t) + 3 * ed.sin(t) + 6 * ed.exp(2 * t),
        index="x1^2 x2 + 3 x1 + 6 x2",
        inner={"x1": "sin(t)", "x2": "exp(2 t)"},
        value=lambda np, t: np.sin(t) ** 2 * np.exp(2 * t) + 3 * np.sin(t) + 6 * np.exp(2 * t),
        expected=lambda t: (
            (2 * np.sin(t) * np.exp(2 * t) + 3) * np.cos(t)
            + (np.sin(t) ** 2 + 6) * 2 * np.exp(2 * t)
        ),
        formula="∂f/∂t = (2 exp(2 t) sin(t) + 3) cos(t) + 2 (sin(t)^2 + 6) exp(2 t)",
    ),
    three_paths(
        "p",
        by_p,
        "∂f/∂p = 2 (2 p^2 + q + 5 r) p cos(q + 2 r)^2 + 3 (2 p^2 + q + 5 r) q r"
        " + 4 (3 p q r + p^2 cos(q + 2 r)^2) p",
    ),
    three_paths(
        "q",
        by_q,
        "∂f/∂q = 3 (2 p^2 + q + 5 r) p r - 2 (2 p^2 + q + 5 r) p^2 cos(q + 2 r) sin(q + 2 r)"
        " + 3 p q r + p^2 cos(q + 2 r)^2",
    ),
    three_paths("r", by_r, None),
    Row(
        "D13",
        {"t": ""},
        wrt="t",
        build=lambda t: ed.exp((t * ed.cos(t)) * (t * ed.sin(t)) ** 2),
        index="exp(x1 x2^2)",
        inner={"x1": "t cos(t)", "x2": "t sin(t)"},
        value=lambda np, t: np.exp((t * np.cos(t)) * (t * np.sin(t)) ** 2),
        expected=spiral,
        formula=None,
        simplified="∂f/∂t = (2 cos(t)^2 t + 3 cos(t) sin(t) - sin(t)^2 t) "
        "exp(cos(t) sin(t)^2 t^3) sin(t) t^2",
        badly=BRACKETS,
    ),
    Row(
        "D13",
        {"t": ""},
        title="through a vector",
        wrt="t",
        build=lambda t: (lambda x: ed.exp(x[0] * x[1] ** 2))(
            ed.stack([t * ed.cos(t), t * ed.sin(t)])
        ),
        index="exp(x_0 x_1^2)",
        inner={"x": "x_i = δ_{i,0} t cos(t) + δ_{i,1} t sin(t)"},
        sizes={"i": 2},
        value=lambda np, t: (lambda x: np.exp(x[0] * x[1] ** 2))(
            np.stack([t * np.cos(t), t * np.sin(t)])
        ),
        expected=spiral,
        formula=None,
        badly=BRACKETS,
    ),
    Row(
        "D14",
        {"x": "", "y": ""},
        title="by x",
        wrt="x",
        build=lambda x, y: y * ed.sin(x + y),
        index="y sin(x + y)",
        value=lambda np, x, y: y * np.sin(x + y),
        expected=lambda x, y: y * np.cos(x + y),
        formula="∂f/∂x = cos(y + x) y",
    ),
    Row(
        "D14",
        {"x": "", "y": ""},
        title="by y",
        wrt="y",
        build=lambda x, y: y * ed.sin(x + y),
        index="y sin(x + y)",
        value=lambda np, x, y: y * np.sin(x + y),
        expected=lambda x, y: np.sin(x + y) + y * np.cos(x + y),
        formula="∂f/∂y = cos(y + x) y + sin(y + x)",
    ),
    Row(
        "D15",
        {"A": "mn", "B": "nk", "x": "k"},
        wrt="x",
        build=lambda A, B, x: ed.sin(A @ ed.tanh(B @ x)),
        index="sin(A_ij g_j)",
        inner={"g": "tanh(B_ij x_j)"},
        value=lambda np, A, B, x: np.sin(A @ np.tanh(B @ x)),
        expected=layers,
        formula="∂f_i/∂x_p = cos(A_il tanh(B_lm x_m)) A_ij (1 - tanh(B_jk x_k)^2) B_jp",
    ),
    Row(
        "D15",
        {"x": "k", "g": "n", "f": "m"},
        title="unspecified functions",
        of={"f": "g", "g": "x"},
        wrt="x",
        build=lambda f: ed.einsum("i->i", f),
        index="f_i",
        value=lambda f: f,
        expected=lambda df, dg: df @ dg,
        formula="∂h_i/∂x_p = ∂f_i/∂g_j ∂g_j/∂x_p",
    ),
    Row(
        "D16",
        {"x": "2"},
        wrt="x",
        order=2,
        build=lambda x: x[0] ** 2 * x[1] + x[0] * x[1] ** 3,
        index="x_0^2 x_1 + x_0 x_1^3",
        value=lambda x: x[0] ** 2 * x[1] + x[0] * x[1] ** 3,
        expected=lambda x: [
            [2 * x[1], 2 * x[0] + 3 * x[1] ** 2],
            [2 * x[0] + 3 * x[1] ** 2, 6 * x[0] * x[1]],
        ],
        formula=None,
        badly=BRACKETS,
        by_values={"index": SHARED},
    ),
]

# --- E. matrices ------------------------------------------------------------------------------

MATRICES = [
    Row(
        "E1",
        {"X": "nn"},
        wrt="X",
        build=lambda X: ed.einsum("ii", X),
        index="X_ii",
        value=lambda np, X: np.trace(X),
        expected=lambda: np.eye(SIZES["n"]),
        formula="∂f/∂X_pq = δ_pq",
        bare=True,
    ),
    Row(
        "E2",
        {"A": "nm", "X": "mn"},
        title="tr(A X)",
        wrt="X",
        build=lambda A, X: ed.einsum("ij,ji->", A, X),
        index="A_ij X_ji",
        value=lambda np, A, X: np.trace(A @ X),
        expected=lambda A: A.T,
        formula="∂f/∂X_pq = A_qp",
        bare=True,
    ),
    Row(
        "E2",
        {"X": "mn", "A": "nm"},
        title="tr(X A)",
        wrt="X",
        build=lambda X, A: ed.einsum("ij,ji->", X, A),
        index="X_ij A_ji",
        value=lambda np, X, A: np.trace(X @ A),
        expected=lambda A: A.T,
        formula="∂f/∂X_pq = A_qp",
        bare=True,
    ),
    Row(
        "E2",
        {"A": "mn", "X": "mn"},
        title="tr(A Xᵀ)",
        wrt="X",
        build=lambda A, X: ed.einsum("ij,ij->", A, X),
        index="A_ij X_ij",
        value=lambda np, A, X: np.trace(A @ X.T),
        expected=lambda A: A,
        formula="∂f/∂X_pq = A_pq",
        bare=True,
    ),
    Row(
        "E3",
        {"A": "km", "X": "mn", "B": "nk"},
        wrt="X",
        build=lambda A, X, B: ed.einsum("ij,jk,ki->", A, X, B),
        index="A_ij X_jk B_ki",
        value=lambda A, X, B: (A @ X @ B).trace(),
        expected=lambda A, B: A.T @ B.T,
        formula="∂f/∂X_pq = A_ip B_qi",
        bare=True,
    ),
    Row(
        "E4",
        {"X": "mn"},
        title="tr(Xᵀ X)",
        wrt="X",
        build=lambda X: ed.einsum("ji,ji->", X, X),
        index="X_ji X_ji",
        value=lambda X: (X.T @ X).trace(),
        expected=lambda X: 2 * X,
        formula="∂f/∂X_pq = 2 X_pq",
        bare=True,
    ),
    Row(
        "E4",
        {"X": "mn"},
        title="square of the norm",
        wrt="X",
        build=lambda X: ed.norm(X) ** 2,
        index="sqrt(X_ij X_ij)^2",
        value=lambda np, X: np.linalg.norm(X) ** 2,
        expected=lambda X: 2 * X,
        formula=None,
        simplified="∂f/∂X_pq = 2 X_pq",
        badly=ROOT,
        by_values={"index": ROOT},
    ),
    Row(
        "E5",
        {"X": "mn"},
        wrt="X",
        build=lambda X: ed.norm(X),
        index="sqrt(X_ij X_ij)",
        value=lambda np, X: np.linalg.norm(X, "fro"),
        expected=lambda X: X / np.linalg.norm(X),
        formula="∂f/∂X_pq = X_pq / sqrt(X_ij X_ij)",
    ),
    Row(
        "E6",
        {"X": "mn", "A": "mm"},
        wrt="X",
        build=lambda X, A: ed.einsum("ji,jk,ki->", X, A, X),
        index="X_ji A_jk X_ki",
        value=lambda X, A: (X.T @ A @ X).trace(),
        expected=lambda X, A: (A + A.T) @ X,
        formula="∂f/∂X_pq = X_jq A_jp + X_jq A_pj",
        bare=True,
    ),
    Row(
        "E7",
        {"A": "km", "B": "mn", "C": "nk"},
        title="tr(A B C)",
        wrt="B",
        build=lambda A, B, C: (A @ B @ C).trace(),
        index="B_jk C_ki A_ij",
        value=lambda np, A, B, C: np.trace(C @ A @ B),
        expected=lambda A, C: A.T @ C.T,
        formula="∂f/∂B_pq = A_ip C_qi",
    ),
    Row(
        "E7",
        {"A": "nn"},
        title="tr(A)",
        wrt="A",
        build=lambda A: A.T.trace(),
        index="A_ii",
        value=lambda np, A: np.trace(A),
        expected=lambda: np.eye(SIZES["n"]),
        formula="∂f/∂A_pq = δ_pq",
    ),
    Row(
        "E7",
        {"A": "nn", "B": "nn"},
        title="tr(A + B)",
        wrt="A",
        build=lambda A, B: (A + B).trace(),
        index="A_ii + B_ii",
        value=lambda np, A, B: np.trace(A) + np.trace(B),
        expected=lambda: np.eye(SIZES["n"]),
        formula="∂f/∂A_pq = δ_pq",
    ),
    Row(
        "E7",
        {"c": "", "A": "nn"},
        title="tr(c A)",
        wrt="A",
        build=lambda c, A: (c * A).trace(),
        index="c A_ii",
        value=lambda np, c, A: c * np.trace(A),
        expected=lambda c: c * np.eye(SIZES["n"]),
        formula="∂f/∂A_pq = δ_pq c",
    ),
    Row(
        "E8",
        {"t": "", "U": "km", "V": "kn"},
        of={"U": "t", "V": "t"},
        wrt="t",
        build=lambda U, V: ed.einsum("ki,kj->ij", U, V),
        index="f_ij = U_ki V_kj",
        value=lambda U, V: U.T @ V,
        expected=lambda U, V, dU, dV: U.T @ dV + dU.T @ V,
        formula="∂f_ij/∂t = U_ki ∂V_kj/∂t + ∂U_ki/∂t V_kj",
    ),
    Row(
        "E9",
        {"t": "", "A": "nn"},
        of={"A": "t"},
        draws={"A": "invertible", "t": "positive"},
        wrt="t",
        build=lambda A: ed.inv(A),
        index="inv(A)_ij",
        value=lambda np, A: np.linalg.inv(A),
        expected=lambda A, dA: -np.linalg.inv(A) @ dA @ np.linalg.inv(A),
        formula="∂f_ij/∂t = -inv(A)_ik ∂A_kl/∂t inv(A)_lj",
    ),
    Row(
        "E10",
        {"X": "nn"},
        draws={"X": "invertible"},
        wrt="X",
        build=lambda X: ed.inv(X),
        index="inv(X)_ij",
        value=lambda np, X: np.linalg.inv(X),
        expected=lambda X: -np.einsum("ip,qj->ijpq", np.linalg.inv(X), np.linalg.inv(X)),
        formula="∂f_ij/∂X_pq = -inv(X)_ip inv(X)_qj",
    ),
    Row(
        "E11",
        {"X": "nn"},
        title="det(X)",
        draws={"X": "invertible"},
        wrt="X",
        build=lambda X: ed.det(X),
        index="det(X)",
        value=lambda np, X: np.linalg.det(X),
        expected=lambda X: np.linalg.det(X) * np.linalg.inv(X).T,
        formula="∂f/∂X_pq = det(X) inv(X)_qp",
    ),
    Row(
        "E11",
        {"X": "nn"},
        title="log det(X)",
        draws={"X": "invertible"},
        wrt="X",
        build=lambda X: ed.logdet(X),
        index="logdet(X)",
        value=lambda np, X: np.linalg.slogdet(X)[1],
        expected=lambda X: np.linalg.inv(X).T,
        formula="∂f/∂X_pq = inv(X)_qp",
    ),
    Row(
        "E11",
        {"X": "nn"},
        title="log of det(X)",
        draws={"X": "invertible"},
        wrt="X",
        build=lambda X: ed.log(ed.det(X)),
        index="log(det(X))",
        value=lambda np, X: np.log(np.linalg.det(X)),
        expected=lambda X: np.linalg.inv(X).T,
        formula=None,
        simplified="∂f/∂X_pq = inv(X)_qp",
        badly=POWERS,
    ),
    Row(
        "E12",
        {"a": "n", "X": "nn", "b": "n"},
        draws={"X": "invertible"},
        wrt="X",
        build=lambda a, X, b: a @ ed.inv(X) @ b,
        index="a_i inv(X)_ij b_j",
        value=lambda np, a, X, b: a @ np.linalg.inv(X) @ b,
        expected=lambda a, X, b: -np.linalg.inv(X).T @ np.outer(a, b) @ np.linalg.inv(X).T,
        formula="∂f/∂X_pq = -a_i inv(X)_ip inv(X)_qj b_j",
    ),
    Row(
        "E12",
        {"a": "n", "X": "nn", "b": "n"},
        title="by solving",
        draws={"X": "invertible"},
        wrt="X",
        build=lambda a, X, b: a @ ed.solve(X, b),
        index="a_i solve(X, b)_i",
        value=lambda np, a, X, b: np.linalg.solve(X.T, a) @ b,
        expected=lambda a, X, b: -np.linalg.inv(X).T @ np.outer(a, b) @ np.linalg.inv(X).T,
        formula="∂f/∂X_pq = -a_i inv(X)_ip solve(X, b)_q",
        by_values={"value": "aᵀ X⁻¹ b is solved from the other side"},
    ),
    Row(
        "E13",
        {"X": "nn", "A": "nn"},
        draws={"X": "invertible"},
        wrt="X",
        build=lambda X, A: (ed.inv(X) @ A).trace(),
        index="inv(X)_ij A_ji",
        value=lambda np, X, A: np.trace(np.linalg.inv(X) @ A),
        expected=lambda X, A: -(np.linalg.inv(X) @ A @ np.linalg.inv(X)).T,
        formula="∂f/∂X_pq = -inv(X)_jp inv(X)_qi A_ij",
    ),
    Row(
        "E14",
        {"X": "23", "Y": "32"},
        title="X ⊗ Y",
        wrt="X",
        build=lambda X, Y: ed.kron(X, Y),
        index="f_pq = δ_{p,3i+k} δ_{q,2j+l} X_ij Y_kl",
        sizes={"p": 6, "q": 6},
        value=lambda np, X, Y: np.kron(X, Y),
        expected=lambda Y: entries(
            "6623", lambda p, q, i, j: Y[p % 3, q % 2] * ((p // 3, q // 2) == (i, j))
        ),
        formula="∂f_ij/∂X_pq = δ_{3p+k,i} δ_{2q+l,j} Y_kl",
    ),
    Row(
        "E14",
        {"A": "km", "X": "mn", "B": "nd"},
        title="A X B",
        wrt="X",
        build=lambda A, X, B: ed.einsum("ij,jk,kl->il", A, X, B),
        index="A_ij X_jk B_kl",
        value=lambda A, X, B: A @ X @ B,
        expected=lambda A, B: np.einsum("ip,qj->ijpq", A, B),
        formula="∂f_il/∂X_pq = A_ip B_ql",
        bare=True,
    ),
    Row(
        "E14",
        {"A": "23", "X": "32", "B": "23"},
        title="vec(A X B)",
        wrt="X",
        build=lambda A, X, B: (A @ X @ B).ravel("F"),
        index="f_p = δ_{p,2l+i} A_ij X_jk B_kl",
        sizes={"p": 6},
        value=lambda np, A, X, B: np.kron(B.T, A) @ np.ravel(X, order="F"),
        expected=lambda A, B: np.kron(B.T, A).reshape(6, 2, 3).transpose(0, 2, 1),
        formula="∂f_i/∂X_pq = δ_{2k+j,i} A_jp B_qk",
    ),
]

# --- F. losses and algorithms -----------------------------------------------------------------


def active(X, w, b):
    return X @ w + b > 0


LOSSES = [
    Row(
        "F1",
        {"r": "nk", "x": "nd", "μ": "kd"},
        draws={"r": "positive"},
        wrt="μ",
        build=lambda r, x, μ: (r * ((x[:, None] - μ) ** 2).sum(axis=-1)).sum(),
        index="Σ_nkd r_nk (x_nd - μ_kd)^2",
        value=lambda np, r, x, μ: np.sum(r * np.sum((x[:, None] - μ) ** 2, axis=-1)),
        expected=lambda r, x, μ: np.stack(
            [sum(r[n, k] * 2 * (μ[k] - x[n]) for n in range(len(x))) for k in range(len(μ))]
        ),
        formula="∂f/∂μ_pq = 2 r_ip (μ_pq - x_iq)",
    ),
    Row(
        "F2",
        {"w": "n", "x": "n", "b": ""},
        title="active, by w",
        draws={"b": "large"},
        wrt="w",
        build=lambda w, x, b: ed.relu(w @ x + b),
        index="relu(w_i x_i + b)",
        value=lambda np, w, x, b: np.maximum(0, w @ x + b),
        expected=lambda x: x,
        formula="∂f/∂w_p = [w_i x_i + b > 0] x_p",
    ),
    Row(
        "F2",
        {"w": "n", "x": "n", "b": ""},
        title="active, by b",
        draws={"b": "large"},
        wrt="b",
        build=lambda w, x, b: ed.relu(w @ x + b),
        index="relu(w_i x_i + b)",
        value=lambda np, w, x, b: np.maximum(0, w @ x + b),
        expected=lambda: 1,
        formula="∂f/∂b = [w_i x_i + b > 0]",
    ),
    Row(
        "F2",
        {"w": "n", "x": "n", "b": ""},
        title="inactive, by w",
        draws={"b": "very negative"},
        wrt="w",
        build=lambda w, x, b: ed.relu(w @ x + b),
        index="relu(w_i x_i + b)",
        value=lambda np, w, x, b: np.maximum(0, w @ x + b),
        expected=lambda x: 0 * x,
        formula="∂f/∂w_p = [w_i x_i + b > 0] x_p",
    ),
    Row(
        "F2",
        {"w": "n", "x": "n", "b": ""},
        title="inactive, by b",
        draws={"b": "very negative"},
        wrt="b",
        build=lambda w, x, b: ed.relu(w @ x + b),
        index="relu(w_i x_i + b)",
        value=lambda np, w, x, b: np.maximum(0, w @ x + b),
        expected=lambda: 0,
        formula="∂f/∂b = [w_i x_i + b > 0]",
    ),
    Row(
        "F3",
        {"y": "m", "X": "mn", "w": "n", "b": "", "N": ""},
        title="by w",
        draws={"N": "positive"},
        wrt="w",
        build=lambda y, X, w, b, N: ((y - ed.relu(X @ w + b)) ** 2).sum() / N,
        index="Σ_i (y_i - relu(X_ij w_j + b))^2 / N",
        value=lambda np, y, X, w, b, N: np.sum((y - np.maximum(0, X @ w + b)) ** 2) / N,
        expected=lambda y, X, w, b, N: 2 / N * ((X @ w + b - y) * active(X, w, b)) @ X,
        formula="∂f/∂w_p = -2 (y_i - relu(X_ik w_k + b)) [X_ij w_j + b > 0] X_ip / N",
    ),
    Row(
        "F3",
        {"y": "m", "X": "mn", "w": "n", "b": "", "N": ""},
        title="by b",
        draws={"N": "positive"},
        wrt="b",
        build=lambda y, X, w, b, N: ((y - ed.relu(X @ w + b)) ** 2).sum() / N,
        index="Σ_i (y_i - relu(X_ij w_j + b))^2 / N",
        value=lambda np, y, X, w, b, N: np.sum((y - np.maximum(0, X @ w + b)) ** 2) / N,
        expected=lambda y, X, w, b, N: 2 / N * np.sum((X @ w + b - y) * active(X, w, b)),
        formula="∂f/∂b = -2 (y_i - relu(X_ik w_k + b)) [X_ij w_j + b > 0] / N",
    ),
    Row(
        "F4",
        {"y": "m", "A": "mn", "θ": "n", "N": ""},
        title="gradient",
        draws={"N": "positive"},
        wrt="θ",
        build=lambda y, A, θ, N: squares(y, A, θ) / N,
        index="(y_i - A_ij θ_j) (y_i - A_ik θ_k) / N",
        value=lambda np, y, A, θ, N: np.linalg.norm(y - A @ θ) ** 2 / N,
        expected=lambda y, A, θ, N: -2 / N * (y - A @ θ) @ A,
        formula="∂f/∂θ_p = -2 (y_i - A_ij θ_j) A_ip / N",
    ),
    Row(
        "F4",
        {"y": "m", "A": "mn", "θ": "n", "N": ""},
        title="Hessian",
        draws={"N": "positive"},
        wrt="θ",
        order=2,
        build=lambda y, A, θ, N: squares(y, A, θ) / N,
        index="(y_i - A_ij θ_j) (y_i - A_ik θ_k) / N",
        value=lambda np, y, A, θ, N: np.linalg.norm(y - A @ θ) ** 2 / N,
        expected=lambda A, N: 2 / N * A.T @ A,
        formula="∂²f/∂θ_p∂θ_q = 2 A_ip A_iq / N",
    ),
    Row(
        "F4",
        {"y": "5", "A": "54", "θ": "4"},
        title="mean",
        wrt="θ",
        build=lambda y, A, θ: ((y - A @ θ) ** 2).mean(),
        index="1/5 (y_i - A_ij θ_j) (y_i - A_ik θ_k)",
        value=lambda np, y, A, θ: np.mean((y - A @ θ) ** 2),
        expected=lambda y, A, θ: -2 / 5 * (y - A @ θ) @ A,
        formula="∂f/∂θ_p = -2/5 (y_i - A_ij θ_j) A_ip",
    ),
    Row(
        "F4",
        {"y": "m", "A": "mn", "θ": "n"},
        title="mean over a named size",
        wrt="θ",
        build=lambda y, A, θ: ((y - A @ θ) ** 2).mean(),
        value=lambda np, y, A, θ: np.mean((y - A @ θ) ** 2),
        expected=lambda y, A, θ: -2 / 3 * (y - A @ θ) @ A,
        formula="∂f/∂θ_p = -2 (y_i - A_ij θ_j) A_ip / m",
        formula_of_arrays="∂f/∂θ_p = -2/3 (y_i - A_ij θ_j) A_ip",
        unsaid={"index": "the name of a size has no number where arrays are given"},
    ),
    Row(
        "F5",
        {"x": ""},
        wrt="x",
        build=lambda x: x**2 - 4 * x + 3,
        index="x^2 - 4 x + 3",
        value=lambda x: x**2 - 4 * x + 3,
        expected=lambda x: 2 * x - 4,
        formula="∂f/∂x = 2 x - 4",
    ),
    Row(
        "F6",
        {"x": ""},
        wrt="x",
        build=lambda x: x**2,
        index="x^2",
        value=lambda x: x**2,
        expected=lambda x: 2 * x,
        formula="∂f/∂x = 2 x",
    ),
]

ROWS = [*INDEX_RULES, *VECTORS, *ELEMENTWISE, *SCALARS, *MATRICES, *LOSSES]
