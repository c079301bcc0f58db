"""Formulas in matrix notation as data, each with its sizes and with NumPy's way to compute it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
import scipy.linalg

inv, det, norm, kron = np.linalg.inv, np.linalg.det, np.linalg.norm, np.kron

#: The sizes that the rows name, all different.
SIZES = {"m": 4, "n": 3, "k": 2}


def shape_of(sizes: str) -> tuple[int, ...]:
    return tuple(SIZES[size] for size in sizes)


@dataclass(frozen=True)
class Spelled:
    """A text, the sizes of its operands, and its value; operands are what `value` takes."""

    text: str
    shapes: Mapping[str, str]
    value: Callable[..., Any]
    named: bool = True  # whether it is read with sizes that are names
    wrt: str = ""  # if not by all operands

    def __str__(self) -> str:
        return self.text

    def arrays(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(len(self.text))
        found = {}
        for name, sizes in self.shapes.items():
            array = rng.uniform(0.2, 1, shape_of(sizes))
            if len(sizes) == 2 and sizes[0] == sizes[1]:
                array = array + 2 * np.eye(len(array))
            found[name] = array
        return found

    def expected(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        known = {name: arrays[name] for name in signature(self.value).parameters}
        return np.asarray(self.value(**known))


def row(text: str, value: Callable[..., Any], named: bool = True, wrt: str = "", **shapes: str):
    return Spelled(text, shapes, value, named, wrt)


def sigmoid(t):
    return 1 / (1 + np.exp(-t))


def softplus(t):
    return np.log(1 + np.exp(t))


SPELLINGS = [
    *(
        row(text, lambda x, A: x @ A @ x, x="n", A="nn")
        for text in (
            "x' A x", "x^T A x", "xᵀ A x", "x.T @ A @ x", "x'A x", "x^⊤ A x", "transpose(x) A x",
            "x^{T} A x", "x' * A * x", "x'(A x)", "<x, A x>", "x·(A x)", "dot(x, A x)",
            "sum(x .* (A x))", "tr(A x x')", "xᵀ·A·x", "x.' A x", "x′ A x",
        )
    ),
    *(
        row(text, lambda A, x, y: norm(A @ x - y) ** 2, A="mn", x="n", y="m")
        for text in (
            "norm(A x - y)^2", "||A x - y||^2", "‖A x - y‖²", "‖A x - y‖_2^2", "‖A x - y‖₂²",
            "norm2(A*x-y)^2", "(A x - y)'(A x - y)", "‖y - A x‖^{2}", "sum((A x - y) .^ 2)",
        )
    ),
    *(
        row(text, lambda X: np.log(abs(det(X))), X="nn")
        for text in ("log det X", "ln det(X)", "logdet(X)", "log(det(X))", "log |X|", "ln(|X|)")
    ),
    *(
        row(text, lambda X: inv(X), X="nn")
        for text in ("X⁻¹", "X^-1", "X^{-1}", "inv(X)", "X^(-1)", "X**-1")
    ),
    *(row(text, lambda X: inv(X).T, X="nn") for text in ("X⁻ᵀ", "X^-T", "X^{-T}", "(X')⁻¹")),
    *(row(text, lambda X: X @ X, X="nn") for text in ("X²", "X^2", "X X", "X*X", "X^{2}")),
    row("-2 (y - A x)ᵀ A", lambda A, x, y: -2 * (y - A @ x) @ A, A="mn", x="n", y="m"),
    row("A x", lambda A, x: A @ x, A="mn", x="n"),
    row("R^T R", lambda R: R.T @ R, R="mn"),
    row("tr(A X B)", lambda A, X, B: np.trace(A @ X @ B), A="mn", X="nk", B="km"),
    row("tr(X' A X)", lambda A, X: np.trace(X.T @ A @ X), A="mm", X="mn"),
    row("a' X^-1 b", lambda a, X, b: a @ inv(X) @ b, a="n", X="nn", b="n"),
    row(
        "(x - A s)' W (x - A s)", lambda x, A, s, W: (x - A @ s) @ W @ (x - A @ s),
        x="m", A="mn", s="n", W="mm",
    ),
    row("sum(log(exp(X w) + 1))", lambda X, w: softplus(X @ w).sum(), X="mn", w="n"),
    row(
        "1/2 ||T - U V'||^2 + λ/2 ||U||^2",
        lambda T, U, V, λ: norm(T - U @ V.T) ** 2 / 2 + λ / 2 * norm(U) ** 2,
        T="mn", U="mk", V="nk", λ="",
    ),
    row("exp(-x' A x)", lambda x, A: np.exp(-x @ A @ x), x="n", A="nn"),
    row("A diag(x) B", lambda A, x, B: A @ np.diag(x) @ B, A="mn", x="n", B="nk"),
    row("x x'", lambda x: np.outer(x, x), x="n"),
    row(
        "(A ⊗ B) vec(X)", lambda A, B, X: kron(A, B) @ X.ravel(),
        named=False, A="mn", B="nk", X="nk",
    ),
    row("σ(W x + b)", lambda W, x, b: sigmoid(W @ x + b), W="mn", x="n", b="m"),
    row("‖y - Φθ‖²", lambda y, Φ, θ: norm(y - Φ @ θ) ** 2, y="m", Φ="mn", θ="n"),
    # The examples of matrixcalculus.org.
    row("0.5*x'*A*x", lambda x, A: x @ A @ x / 2, x="n", A="nn"),
    row("A*exp(x)", lambda x, A: A @ np.exp(x), x="n", A="mn"),
    row("(y.*v)'*x", lambda y, v, x: (y * v) @ x, x="n", y="n", v="n"),
    row("a^b", lambda a, b: a**b, a="", b=""),
    row("norm1(A*x-y)", lambda A, x, y: abs(A @ x - y).sum(), A="mn", x="n", y="m"),
    row(
        "sum(log(exp(-y.*(X*w)) + vector(1)))", lambda y, X, w: softplus(-y * (X @ w)).sum(),
        y="m", X="mn", w="n",
    ),
    row(
        "tr(A*X'*B*X*C)", lambda A, B, C, X: np.trace(A @ X.T @ B @ X @ C),
        A="kn", X="mn", B="mm", C="nk",
    ),
    row("log(det(inv(X)))", lambda X: -np.log(abs(det(X))), X="nn"),
    # Entry by entry.
    row("x ⊙ y", lambda x, y: x * y, x="n", y="n"),
    row("x ∘ y", lambda x, y: x * y, x="n", y="n"),
    row("x ./ y", lambda x, y: x / y, x="n", y="n"),
    row("x ⊘ y", lambda x, y: x / y, x="n", y="n"),
    row("1 ./ x", lambda x: 1 / x, x="n"),
    row("x .^ 2", lambda x: x**2, x="n"),
    row("x.^2", lambda x: x**2, x="n"),
    row("2.*x", lambda x: 2 * x, x="n"),
    row("X^∘3", lambda X: X**3, X="mn"),
    row("2 .^ x", lambda x: 2**x, x="n"),
    row("x .^ y", lambda x, y: x**y, x="n", y="n"),
    row("A x ⊙ y", lambda A, x, y: (A @ x) * y, A="mn", x="n", y="m"),
    row("y .* (A * x)", lambda A, x, y: (A @ x) * y, A="mn", x="n", y="m"),
    row("0.5 * x .* y", lambda x, y: x * y / 2, x="n", y="n"),
    row("sin(x)' cos(x)", lambda x: np.sin(x) @ np.cos(x), x="n"),
    row("maximum(A x, 0)", lambda A, x: np.maximum(A @ x, 0), A="mn", x="n"),
    row("[x > y] ⊙ x", lambda x, y: (x > y) * x, x="n", y="n"),
    row("(1 + x)' y", lambda x, y: (1 + x) @ y, x="n", y="n"),
    row("sqrt(x'x)", lambda x: norm(x), x="n"),
    row("√(x'x)", lambda x: norm(x), x="n"),
    row("sin^2(x'y)", lambda x, y: np.sin(x @ y) ** 2, x="n", y="n"),
    row("sin² (x'y)", lambda x, y: np.sin(x @ y) ** 2, x="n", y="n"),
    row("e^(x'y)", lambda x, y: np.exp(x @ y), x="n", y="n"),
    row("e^{-x'y}", lambda x, y: np.exp(-x @ y), x="n", y="n"),
    row("log(x'x)^2", lambda x: np.log(x @ x) ** 2, x="n"),
    # Norms, sums, functions of matrices.
    row("‖x‖_1", lambda x: abs(x).sum(), x="n"),
    row("‖x‖_1^2", lambda x: abs(x).sum() ** 2, x="n"),
    row("‖x‖_∞^2", lambda x: abs(x).max() ** 2, x="n"),
    row("solve(A, b)", lambda A, b: np.linalg.solve(A, b), A="nn", b="n"),
    row("log_softmax(A x)", lambda A, x: A @ x - np.log(np.exp(A @ x).sum()), A="mn", x="n"),
    row("‖X‖_F", lambda X: norm(X), X="mn"),
    row("‖X‖", lambda X: norm(X), X="mn"),
    row("|x'y|", lambda x, y: abs(x @ y), x="n", y="n"),
    row("|x'y||y'y|", lambda x, y: abs(x @ y) * (y @ y), x="n", y="n"),
    row("|X| x", lambda X, x: det(X) * x, X="nn", x="n"),
    row("sum(X)", lambda X: X.sum(), X="mn"),
    row("mean(X x)", lambda X, x: (X @ x).mean(), X="mn", x="n"),
    row("max(A x)", lambda A, x: (A @ x).max(), A="mn", x="n"),
    row("𝟏' x", lambda x: x.sum(), x="n"),
    row("ones(n)' x", lambda x: x.sum(), x="n"),
    row("𝟏ᵀ X 𝟏", lambda X: X.sum(), X="mn"),
    row("X - 1/3 X 𝟏 𝟏'", lambda X: X - X.mean(1)[:, None], X="mn"),
    row("expm(A)", lambda A: scipy.linalg.expm(A), A="nn"),
    row("e^A", lambda A: scipy.linalg.expm(A), A="nn"),
    row("adj(A)", lambda A: det(A) * inv(A), A="nn"),
    row("pinv(A) y", lambda A, y: np.linalg.pinv(A) @ y, A="mn", y="m"),
    row("A⁺ y", lambda A, y: np.linalg.pinv(A) @ y, A="mn", y="m"),
    row("A^{+} y", lambda A, y: np.linalg.pinv(A) @ y, A="mn", y="m"),
    row("softmax(A x)", lambda A, x: np.exp(A @ x) / np.exp(A @ x).sum(), A="mn", x="n"),
    row("diag(X)", lambda X: np.diag(X), X="nn"),
    row("diag(X x) X", lambda X, x: np.diag(X @ x) @ X, X="nn", x="n"),
    row("vec(X)' vec(X)", lambda X: (X * X).sum(), X="mn"),
    row("<X, X>", lambda X: (X * X).sum(), X="mn"),
    row("⟨x, y⟩", lambda x, y: x @ y, x="n", y="n"),
    row("outer(x, y)", lambda x, y: np.outer(x, y), x="n", y="m"),
    row("x y'", lambda x, y: np.outer(x, y), x="n", y="m"),
    row("A ⊗ B", lambda A, B: kron(A, B), named=False, A="mn", B="nk"),
    row("kron(x, y)", lambda x, y: kron(x, y), named=False, x="m", y="n"),
    row("x ⊗ y'", lambda x, y: np.outer(x, y), x="m", y="n"),
    row("vec(X)", lambda X: X.ravel(), named=False, X="mn"),
    row("K_mn vec(X)", lambda X: X.T.ravel(), named=False, X="mn"),
    # Identities and numbers.
    row("A + λ I", lambda A, λ: A + λ * np.eye(3), A="nn", λ=""),
    row("(X'X + λI)⁻¹ X'y", lambda X, λ, y: inv(X.T @ X + λ * np.eye(3)) @ X.T @ y,
        X="mn", λ="", y="m"),
    row("A + I_n", lambda A: A + np.eye(3), A="nn"),
    row("A + Iₙ", lambda A: A + np.eye(3), A="nn"),
    row("A + eye(n)", lambda A: A + np.eye(3), A="nn"),
    row("A + 2 matrix(1)", lambda A: A + 2, A="mn"),
    row("e_2' x", lambda x: x[2], x="n"),
    row("x_0 x'x", lambda x: x[0] * (x @ x), x="n"),
    row("c x", lambda c, x: c * x, c="", x="n"),
    row("x / c + x", lambda c, x: x / c + x, c="", x="n"),
    row("2x'y", lambda x, y: 2 * x @ y, x="n", y="n"),
    row("-x' A' y", lambda A, x, y: -(x @ A.T @ y), A="mn", x="n", y="m"),
    row("y' (A - B)x", lambda A, B, x, y: y @ (A - B) @ x, A="mn", B="mn", x="n", y="m"),
    row("x' x / (y' y)", lambda x, y: x @ x / (y @ y), x="n", y="n"),
    row("X^3 x", lambda X, x: X @ X @ X @ x, X="nn", x="n"),
    row("X^-2", lambda X: inv(X @ X), X="nn"),
    # Blocks.
    row("[x; y]", lambda x, y: np.concatenate([x, y]), named=False, x="n", y="m"),
    row("[A, B]", lambda A, B: np.hstack([A, B]), named=False, A="mn", B="mk"),
    row("[A; B]", lambda A, B: np.vstack([A, B]), named=False, A="nk", B="mk"),
    row("[A, x]", lambda A, x: np.column_stack([A, x]), named=False, A="mn", x="m"),
    row("[A; x']", lambda A, x: np.vstack([A, x]), named=False, A="mn", x="n"),
    row("[c; x]", lambda c, x: np.concatenate([[c], x]), named=False, c="", x="n"),
    row("[[A, B]; [B, A]]", lambda A, B: np.block([[A, B], [B, A]]), named=False, A="nk", B="nk"),
    row("[A, B; B, A]", lambda A, B: np.block([[A, B], [B, A]]), named=False, A="nk", B="nk"),
    row("[c, 2 c]", lambda c: np.array([c, 2 * c]), c=""),
]  # fmt: skip
