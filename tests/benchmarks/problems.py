"""What is measured: eighteen derivatives, each with the optimum that one would write by hand.

A `Problem` says one derivative in every way that is timed: for einsdiff as a user would write it,
for systems that differentiate programs as one function of a namespace, for CasADi as an expression
of matrices, and by hand in NumPy. The hand-written form is the yardstick. It starts from zeros,
writes each core through a strided view of the diagonal, gives BLAS its operands in the order that
costs least (``B.T @ B`` is a symmetric product, half the work), and scales small arrays rather than
large ones. It is written in whole-array statements, and its result is contiguous.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

import einsdiff as ed

__all__ = ["PROBLEMS", "SIZES", "Problem"]

#: Tiny is overhead, medium a few milliseconds of work by hand, large up to a gigabyte of result.
SIZES = ("tiny", "medium", "large")

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Problem:
    """One derivative, in every way of writing it.

    Attributes
    ----------
    name, title
        What it is called on the command line and in tables.
    wrt
        What is differentiated by, one name for each differentiation.
    structured
        Whether deltas tie axes of the result, so that most of it is zero.
    sizes
        For each of `SIZES` the numbers that the shapes are made of.
    arrays
        Draws the operands, from those numbers and a random generator.
    codomain
        The shape of the function's value.
    held
        How many numbers one evaluation of the function holds between its steps. Systems that
        vectorise over directions hold that many for each direction.
    derivative
        The derivative, written with einsdiff.
    hand, core
        The dense result as a specialist computes it; and what it takes apart from the zeros.
    function
        The function, of a namespace (see `tests.benchmarks.peers`) and the operands.
    casadi
        The function, of the module casadi and matrices of symbols; None if it cannot say it.
    """

    name: str
    title: str
    wrt: tuple[str, ...]
    structured: bool
    sizes: Mapping[str, Mapping[str, int]]
    arrays: Callable[..., dict[str, np.ndarray]]
    codomain: Callable[..., tuple[int, ...]]
    held: Callable[..., int]
    derivative: Callable[..., Any]
    hand: Callable[..., np.ndarray]
    core: Callable[..., Any]
    function: Callable[..., Any]
    casadi: Callable[..., Any] | None = None

    @property
    def order(self) -> int:
        """How often it is differentiated."""
        return len(self.wrt)

    def operands(self, size: str) -> dict[str, np.ndarray]:
        """Draw the operands of a size; they are the same each time."""
        drawn = self.arrays(np.random.default_rng(20), **self.sizes[size])
        return {name: np.ascontiguousarray(array) for name, array in drawn.items()}

    def shapes(self, operands: Arrays, size: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the shape of the matrix's rows and that of its columns."""
        rows = self.codomain(**self.sizes[size])
        for name in self.wrt[:-1]:
            rows += operands[name].shape
        return rows, operands[self.wrt[-1]].shape

    def entries(self, operands: Arrays, size: str) -> int:
        """Return how many entries the dense result has."""
        rows, columns = self.shapes(operands, size)
        return prod(rows) * prod(columns)


def normal(**shapes: str) -> Callable[..., dict[str, np.ndarray]]:
    """Draw normal arrays; a shape is written with the names of sizes, as in ``A="mn"``."""

    def draw(rng: np.random.Generator, **sizes: int) -> dict[str, np.ndarray]:
        return {
            name: rng.normal(size=[sizes[letter] for letter in letters])
            for name, letters in shapes.items()
        }

    return draw


def scalar(**sizes: int) -> tuple[int, ...]:
    """Return the shape of a number."""
    return ()


# --- 1 to 5: products -------------------------------------------------------------------------


def matvec_hand(A, x):
    m, n = A.shape
    J = np.zeros((m, m, n))
    J.reshape(m * m, n)[:: m + 1] = x
    return J


MATVEC = Problem(
    name="matvec",
    title="A x by A",
    wrt=("A",),
    structured=True,
    sizes={"tiny": {"m": 3, "n": 4}, "medium": {"m": 256, "n": 256}, "large": {"m": 512, "n": 512}},
    arrays=normal(A="mn", x="n"),
    codomain=lambda m, n: (m,),
    held=lambda m, n: m,
    derivative=lambda A, x: ed.grad("ij,j->i", A, x, wrt="A"),
    hand=matvec_hand,
    core=lambda A, x: x,
    function=lambda xp, A, x: A @ x,
    casadi=lambda ca, A, x: A @ x,
)


def gram_hand(R):
    m, n = R.shape
    RT = np.ascontiguousarray(R.T)
    J = np.zeros((n, n, m, n))
    np.einsum("pqrp->pqr", J)[...] = RT
    np.einsum("pqrq->pqr", J)[...] = RT[:, None]
    np.einsum("pprp->pr", J)[...] = RT + RT
    return J


GRAM = Problem(
    name="gram",
    title="RᵀR by R",
    wrt=("R",),
    structured=True,
    sizes={"tiny": {"m": 4, "n": 3}, "medium": {"m": 60, "n": 60}, "large": {"m": 107, "n": 107}},
    arrays=normal(R="mn"),
    codomain=lambda m, n: (n, n),
    held=lambda m, n: n * n,
    derivative=lambda R: ed.grad("mp,mq->pq", R, R, wrt="R"),
    hand=gram_hand,
    core=lambda R: R,
    function=lambda xp, R: R.T @ R,
    casadi=lambda ca, R: R.T @ R,
)


BILINEAR = Problem(
    name="bilinear",
    title="aᵀX b by X",
    wrt=("X",),
    structured=False,
    sizes={
        "tiny": {"m": 3, "n": 4},
        "medium": {"m": 3000, "n": 3000},
        "large": {"m": 11585, "n": 11585},
    },
    arrays=normal(a="m", X="mn", b="n"),
    codomain=scalar,
    held=lambda m, n: m,
    derivative=lambda a, X, b: ed.grad("i,ij,j->", a, X, b, wrt="X"),
    hand=lambda a, X, b: np.multiply.outer(a, b),
    core=lambda a, X, b: (a, b),
    function=lambda xp, a, X, b: a @ (X @ b),
    casadi=lambda ca, a, X, b: a.T @ X @ b,
)


QUADRATIC = Problem(
    name="quadratic",
    title="Hessian of xᵀA x",
    wrt=("x", "x"),
    structured=False,
    sizes={"tiny": {"n": 4}, "medium": {"n": 1000}, "large": {"n": 8000}},
    arrays=normal(x="n", A="nn"),
    codomain=scalar,
    held=lambda n: n,
    derivative=lambda x, A: ed.hessian("i,ij,j->", x, A, x, wrt="x"),
    hand=lambda x, A: A + A.T,
    core=lambda x, A: A + A.T,
    function=lambda xp, x, A: x @ (A @ x),
    casadi=lambda ca, x, A: x.T @ A @ x,
)


def least_squares_hand(y, A, x):
    H = A.T @ A
    H += H
    return H


LEAST_SQUARES = Problem(
    name="least squares",
    title="Hessian of ‖y - A x‖²",
    wrt=("x", "x"),
    structured=False,
    sizes={
        "tiny": {"m": 4, "n": 3},
        "medium": {"m": 4000, "n": 400},
        "large": {"m": 40000, "n": 1000},
    },
    arrays=normal(y="m", A="mn", x="n"),
    codomain=scalar,
    held=lambda m, n: m,
    derivative=lambda y, A, x: ed.hessian("(y_i - A_ij x_j) (y_i - A_ik x_k)", y, A, x, wrt="x"),
    hand=least_squares_hand,
    core=least_squares_hand,
    function=lambda xp, y, A, x: (y - A @ x) @ (y - A @ x),
    casadi=lambda ca, y, A, x: ca.sumsqr(y - A @ x),
)


# --- 6 and 7: logistic regression -------------------------------------------------------------


def logistic_arrays(rng, m, n):
    return {
        "X": rng.normal(size=(m, n)),
        "y": rng.choice([-1.0, 1.0], size=m),
        "w": rng.normal(size=n) / n**0.5,
    }


def logistic_gradient_hand(X, y, w):
    z = X @ w  # the gradient is -Xᵀ(y / (1 + exp(y z)))
    z *= y
    np.exp(z, out=z)
    z += 1
    np.divide(y, z, out=z)
    np.negative(z, out=z)
    return z @ X


def logistic_hessian_hand(X, y, w):
    z = X @ w  # the weight y² σ(z) σ(-z) is the square of y / (2 cosh(z/2))
    z *= 0.5
    np.cosh(z, out=z)
    np.divide(0.5 * y, z, out=z)
    B = X * z[:, None]
    return B.T @ B


def logistic_derivative(X, y, w, order):
    def loss(X, y, w):
        return np.sum(np.logaddexp(0, -y * (X @ w)))

    return ed.grad(loss, X, y, w, wrt="w", order=order)


def logistic_casadi(ca, X, y, w):
    return ca.sum1(ca.log(1 + ca.exp(-y * (X @ w))))


LOGISTIC_GRADIENT = Problem(
    name="logistic gradient",
    title="gradient of logistic regression",
    wrt=("w",),
    structured=False,
    sizes={
        "tiny": {"m": 4, "n": 3},
        "medium": {"m": 20000, "n": 200},
        "large": {"m": 500000, "n": 200},
    },
    arrays=logistic_arrays,
    codomain=scalar,
    held=lambda m, n: m,
    derivative=lambda X, y, w: logistic_derivative(X, y, w, 1),
    hand=logistic_gradient_hand,
    core=logistic_gradient_hand,
    function=lambda xp, X, y, w: xp.sum(xp.softplus(-y * (X @ w))),
    casadi=logistic_casadi,
)

LOGISTIC_HESSIAN = Problem(
    name="logistic Hessian",
    title="Hessian of logistic regression",
    wrt=("w", "w"),
    structured=False,
    sizes={
        "tiny": {"m": 4, "n": 3},
        "medium": {"m": 4000, "n": 300},
        "large": {"m": 40000, "n": 1000},
    },
    arrays=logistic_arrays,
    codomain=scalar,
    held=lambda m, n: m,
    derivative=lambda X, y, w: logistic_derivative(X, y, w, 2),
    hand=logistic_hessian_hand,
    core=logistic_hessian_hand,
    function=lambda xp, X, y, w: xp.sum(xp.softplus(-y * (X @ w))),
    casadi=logistic_casadi,
)


# --- 8: factorisation -------------------------------------------------------------------------


def factorisation_core(T, U, V):
    core = V.T @ V
    core += core
    return core


def factorisation_hand(T, U, V):
    m, k = U.shape
    H = np.zeros((m, k, m, k))
    np.einsum("ikil->ikl", H)[...] = factorisation_core(T, U, V)
    return H


FACTORISATION = Problem(
    name="factorisation",
    title="Hessian of ‖T - U Vᵀ‖² in U",
    wrt=("U", "U"),
    structured=True,
    sizes={
        "tiny": {"m": 3, "n": 4, "k": 2},
        "medium": {"m": 200, "n": 300, "k": 15},
        "large": {"m": 1000, "n": 50, "k": 11},
    },
    arrays=normal(T="mn", U="mk", V="nk"),
    codomain=scalar,
    held=lambda m, n, k: m * n,
    derivative=lambda T, U, V: ed.hessian(
        "(T_ij - U_ik V_jk) (T_ij - U_il V_jl)", T, U, V, wrt="U"
    ),
    hand=factorisation_hand,
    core=factorisation_core,
    function=lambda xp, T, U, V: xp.sum((T - U @ V.T) ** 2),
    casadi=lambda ca, T, U, V: ca.sumsqr(T - U @ V.T),
)


# --- 9 and 10: networks -----------------------------------------------------------------------
#
# With z the pre-activations of the first layer, the Hessian of the loss by z is one matrix M_b for
# each sample, and that by the weights is Σ_b x_bp x_bq M_bij, in which p and q can be exchanged.


def network_arrays(rng, b, d, h, g, c):
    return {
        "X": rng.normal(size=(b, d)),
        "W1": rng.normal(size=(d, h)) / d**0.5,
        "W2": rng.normal(size=(h, g)) / h**0.5,
        "W3": rng.normal(size=(g, c)) / g**0.5,
        "L": np.eye(c)[rng.integers(c, size=b)],
    }


def softmax_hand(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return p


def tanh_network_core(X, W1, W2, W3, L):
    b = len(X)
    a1 = np.tanh(X @ W1)
    a2 = np.tanh(a1 @ W2)
    p = softmax_hand(a2 @ W3)
    d1, d2 = 1 - a1 * a1, 1 - a2 * a2
    g2 = (p - L) @ W3.T * d2 / b  # the gradients by the pre-activations
    g1 = g2 @ W2.T * d1
    p /= b
    to_a2 = d2[:, :, None] * W3  # what the output changes by, for each pre-activation
    M2 = (to_a2 * p[:, None]) @ to_a2.transpose(0, 2, 1)
    mean = (to_a2 @ p[:, :, None])[:, :, 0]
    M2 -= (b * mean)[:, :, None] * mean[:, None]
    np.einsum("bii->bi", M2)[...] -= 2 * a2 * g2
    to_a1 = d1[:, :, None] * W2
    M1 = to_a1 @ M2 @ to_a1.transpose(0, 2, 1)
    np.einsum("bii->bi", M1)[...] -= 2 * a1 * g1
    return X, M1


def relu_network_core(X, W1, W2, W3, L):
    b = len(X)
    z1 = X @ W1
    z2 = np.maximum(z1, 0) @ W2
    p = softmax_hand(np.maximum(z2, 0) @ W3)
    to_z1 = ((z2 > 0)[:, :, None] * W3).transpose(0, 2, 1) @ W2.T  # from outputs to layer one
    to_z1 *= (z1 > 0)[:, None]
    # diag(p) - p pᵀ is BᵀB with B = diag(√p) (1 - 1 pᵀ), so that M is a product of one factor.
    to_z1 -= p[:, None] @ to_z1
    to_z1 *= np.sqrt(p / b)[:, :, None]
    return X, to_z1.transpose(0, 2, 1) @ to_z1


def network_dense(X, M):
    d, h = X.shape[1], M.shape[1]
    p, q = np.triu_indices(d)
    blocks = ((X[:, p] * X[:, q]).T @ M.reshape(len(X), h * h)).reshape(-1, h, h)
    H = np.empty((d, h, d, h))
    view = H.transpose(0, 2, 1, 3)
    view[p, q] = blocks
    view[q, p] = blocks
    return H


def tanh_network(X, W1, W2, W3, L):
    def loss(W1):
        outputs = np.tanh(np.tanh(X @ W1) @ W2) @ W3
        return -np.sum(L * ed.log_softmax(outputs, axis=-1)) / len(L)

    return ed.hessian(loss, W1, wrt="W1")


def relu_network(X, W1, W2, W3, L):
    def loss(W1):
        outputs = ed.relu(ed.relu(X @ W1) @ W2) @ W3
        return -np.sum(L * ed.log_softmax(outputs, axis=-1)) / len(L)

    return ed.hessian(loss, W1, wrt="W1")


def network_casadi(activation):
    def loss(ca, X, W1, W2, W3, L):
        z = activation(ca, activation(ca, X @ W1) @ W2) @ W3
        return -ca.sum1(ca.sum2(L * z) - ca.log(ca.sum2(ca.exp(z)))) / L.shape[0]

    return loss


NETWORK_SIZES = {
    "tiny": {"b": 5, "d": 4, "h": 3, "g": 3, "c": 2},
    "medium": {"b": 256, "d": 20, "h": 16, "g": 12, "c": 5},
    "large": {"b": 1024, "d": 64, "h": 48, "g": 32, "c": 10},
}

TANH_NETWORK = Problem(
    name="tanh network",
    title="Hessian of a tanh network in its first layer",
    wrt=("W1", "W1"),
    structured=False,
    sizes=NETWORK_SIZES,
    arrays=network_arrays,
    codomain=scalar,
    held=lambda b, d, h, g, c: b * (h + g + c),
    derivative=tanh_network,
    hand=lambda **arrays: network_dense(*tanh_network_core(**arrays)),
    core=tanh_network_core,
    function=lambda xp, X, W1, W2, W3, L: (
        -xp.sum(L * xp.log_softmax(xp.tanh(xp.tanh(X @ W1) @ W2) @ W3)) / len(L)
    ),
    casadi=network_casadi(lambda ca, z: ca.tanh(z)),
)

RELU_NETWORK = Problem(
    name="relu network",
    title="Hessian of a ReLU network in its first layer",
    wrt=("W1", "W1"),
    structured=False,
    sizes=NETWORK_SIZES,
    arrays=network_arrays,
    codomain=scalar,
    held=lambda b, d, h, g, c: b * (h + g + c),
    derivative=relu_network,
    hand=lambda **arrays: network_dense(*relu_network_core(**arrays)),
    core=relu_network_core,
    function=lambda xp, X, W1, W2, W3, L: (
        -xp.sum(L * xp.log_softmax(xp.relu(xp.relu(X @ W1) @ W2) @ W3)) / len(L)
    ),
    casadi=network_casadi(lambda ca, z: ca.fmax(z, 0)),
)


# --- 11 to 15: sums of squares, matrix functions, batches -------------------------------------


def kmeans_arrays(rng, n, k, d):
    return {
        "r": rng.uniform(size=(n, k)),
        "x": rng.normal(size=(n, d)),
        "μ": rng.normal(size=(k, d)),
    }


def kmeans_core(r, x, μ):
    core = r.sum(axis=0)
    core += core
    return core


def kmeans_hand(r, x, μ):
    k, d = μ.shape
    H = np.zeros((k, d, k, d))
    H.reshape(-1)[:: k * d + 1].reshape(k, d)[...] = kmeans_core(r, x, μ)[:, None]
    return H


def kmeans_casadi(ca, r, x, μ):
    n, k = r.shape
    return sum(ca.sum1(r[:, j] * ca.sum2((x - ca.repmat(μ[j, :], n, 1)) ** 2)) for j in range(k))


KMEANS = Problem(
    name="k-means",
    title="Hessian of K-means in the centres",
    wrt=("μ", "μ"),
    structured=True,
    sizes={
        "tiny": {"n": 5, "k": 2, "d": 3},
        "medium": {"n": 120, "k": 40, "d": 60},
        "large": {"n": 100, "k": 100, "d": 115},
    },
    arrays=kmeans_arrays,
    codomain=scalar,
    held=lambda n, k, d: n * k * d,
    derivative=lambda r, x, μ: ed.hessian("Σ_nkd r_nk (x_nd - μ_kd)^2", r, x, μ, wrt="μ"),
    hand=kmeans_hand,
    core=kmeans_core,
    function=lambda xp, r, x, μ: xp.sum(r[:, :, None] * (x[:, None, :] - μ) ** 2),
    casadi=kmeans_casadi,
)


def invertible(rng, n):
    return {"X": rng.normal(size=(n, n)) + 2 * n**0.5 * np.eye(n)}


def outer_of_inverse(Y, mine, others):
    """Multiply -Y by Yᵀ, along rows that are long enough to be worth a loop of NumPy's."""
    n = len(Y)
    negative = np.repeat(-Y, n, axis=1)
    transposed = np.tile(np.ascontiguousarray(Y.T), (1, n))
    return (negative[mine] * transposed[others]).reshape(n, n, n, n)


LOGDET = Problem(
    name="log det",
    title="Hessian of log det X",
    wrt=("X", "X"),
    structured=False,
    sizes={"tiny": {"n": 3}, "medium": {"n": 40}, "large": {"n": 107}},
    arrays=invertible,
    codomain=scalar,
    held=lambda n: 3 * n * n,
    derivative=lambda X: ed.hessian("logdet(X)", X, wrt="X"),
    # H_pqrs = -Y_qr Y_sp with Y the inverse
    hand=lambda X: outer_of_inverse(np.linalg.inv(X), np.s_[None, :], np.s_[:, None]),
    core=lambda X: np.linalg.inv(X),
    function=lambda xp, X: xp.logdet(X),
    casadi=lambda ca, X: ca.log(ca.det(X)),
)


def batched_hand(x, S):
    b, i = x.shape
    H = np.zeros((b, b, i, b, i))
    np.einsum("bbpbq->bpq", H)[...] = S + S.T
    return H


BATCHED = Problem(
    name="batched",
    title="Hessian of x_bᵀS x_b",
    wrt=("x", "x"),
    structured=True,
    sizes={"tiny": {"b": 3, "i": 4}, "medium": {"b": 20, "i": 32}, "large": {"b": 48, "i": 34}},
    arrays=normal(x="bi", S="ii"),
    codomain=lambda b, i: (b,),
    held=lambda b, i: b * i,
    derivative=lambda x, S: ed.hessian("bi,ij,bj->b", x, S, x, wrt="x"),
    hand=batched_hand,
    core=lambda x, S: S + S.T,
    function=lambda xp, x, S: xp.sum((x @ S) * x, -1),
    casadi=lambda ca, x, S: ca.sum2((x @ S) * x),
)


INVERSE = Problem(
    name="inverse",
    title="inverse of X by X",
    wrt=("X",),
    structured=False,
    sizes={"tiny": {"n": 3}, "medium": {"n": 40}, "large": {"n": 107}},
    arrays=invertible,
    codomain=lambda n: (n, n),
    held=lambda n: 2 * n * n,
    derivative=lambda X: ed.grad("inv(X)_ij", X, wrt="X"),
    # J_ijpq = -Y_ip Y_qj with Y the inverse
    hand=lambda X: outer_of_inverse(np.linalg.inv(X), np.s_[:, None], np.s_[None, :]),
    core=lambda X: np.linalg.inv(X),
    function=lambda xp, X: xp.inv(X),
    casadi=lambda ca, X: ca.inv(X),
)


def elementwise_core(x):
    core = np.sin(x)
    core += np.cos(x)
    core *= np.exp(x)
    return core


def elementwise_hand(x):
    n = len(x)
    J = np.zeros((n, n))
    J.reshape(-1)[:: n + 1] = elementwise_core(x)
    return J


ELEMENTWISE = Problem(
    name="elementwise",
    title="sin(x) exp(x) by x",
    wrt=("x",),
    structured=True,
    sizes={"tiny": {"n": 4}, "medium": {"n": 3000}, "large": {"n": 11585}},
    arrays=normal(x="n"),
    codomain=lambda n: (n,),
    held=lambda n: 3 * n,
    derivative=lambda x: ed.grad("f_i = sin(x_i) exp(x_i)", x, wrt="x"),
    hand=elementwise_hand,
    core=elementwise_core,
    function=lambda xp, x: xp.sin(x) * xp.exp(x),
    casadi=lambda ca, x: ca.sin(x) * ca.exp(x),
)


# --- 16: attention ----------------------------------------------------------------------------


def attention_arrays(rng, n, m, d, e):
    return {
        "Q": rng.normal(size=(n, d)) / d**0.5,
        "K": rng.normal(size=(m, d)),
        "V": rng.normal(size=(m, e)),
    }


def attention_parts(Q, K, V):
    m, d, e = *K.shape, V.shape[1]
    P = softmax_hand(Q @ K.T)
    products = (V[:, :, None] * K[:, None]).reshape(m, e * d)
    return (P @ products).reshape(-1, e, d), P @ V, P @ K


def attention_core(Q, K, V):
    core, outputs, keys = attention_parts(Q, K, V)
    core -= outputs[:, :, None] * keys[:, None]
    return core


def attention_hand(Q, K, V):
    core, outputs, keys = attention_parts(Q, K, V)
    n, e, d = core.shape
    J = np.zeros((n, e, n, d))
    view = np.einsum("ijiq->ijq", J)
    np.multiply(outputs[:, :, None], keys[:, None], out=view)
    np.subtract(core, view, out=view)
    return J


def attention_casadi(ca, Q, K, V):
    weights = ca.exp(Q @ K.T)
    return (weights / ca.repmat(ca.sum2(weights), 1, K.shape[0])) @ V


def attention_derivative(Q, K, V):
    def attention(Q, K, V):
        return ed.softmax(Q @ K.T, axis=-1) @ V

    return ed.grad(attention, Q, K, V, wrt="Q")


ATTENTION = Problem(
    name="attention",
    title="softmax(Q Kᵀ) V by Q",
    wrt=("Q",),
    structured=True,
    sizes={
        "tiny": {"n": 3, "m": 4, "d": 4, "e": 2},
        "medium": {"n": 48, "m": 64, "d": 32, "e": 32},
        "large": {"n": 128, "m": 512, "d": 64, "e": 64},
    },
    arrays=attention_arrays,
    codomain=lambda n, m, d, e: (n, e),
    held=lambda n, m, d, e: n * (2 * m + e),
    derivative=attention_derivative,
    hand=attention_hand,
    core=attention_core,
    function=lambda xp, Q, K, V: xp.softmax(Q @ K.T) @ V,
    casadi=attention_casadi,
)


# --- 17: CP decomposition ---------------------------------------------------------------------

CP = "1/2 (T_ijk - A_ir B_jr C_kr) (T_ijk - A_is B_js C_ks)"


def cp_function(xp, T, A, B, C):
    rest = T - xp.einsum("ir,jr,kr->ijk", A, B, C)
    return xp.sum(rest * rest) / 2


def cp_casadi(ca, T, A, B, C):
    (i, _), k = A.shape, C.shape[0]  # T is a matrix with one column for each jk
    parts = (ca.sumsqr(T[:, j::k] - (A * ca.repmat(C[j, :], i, 1)) @ B.T) for j in range(k))
    return sum(parts) / 2


def cp_same_core(T, A, B, C):
    core = B.T @ B
    core *= C.T @ C
    return core


def cp_same_hand(T, A, B, C):
    i, r = A.shape
    H = np.zeros((i, r, i, r))
    np.einsum("iris->irs", H)[...] = cp_same_core(T, A, B, C)
    return H


def cp_mixed_core(T, A, B, C):
    """Return C'C, and what T and the model differ by, times C: the two terms have a core each."""
    i, j, k = T.shape
    r = A.shape[1]
    G = C.T @ C
    rest = T.reshape(i * j, k) @ C
    rest -= (A[:, None] * B).reshape(i * j, r) @ G
    return G, rest.reshape(i, j, r)


def cp_mixed_hand(T, A, B, C):
    (i, r), j = A.shape, len(B)
    G, rest = cp_mixed_core(T, A, B, C)
    columns = (G[:, None] * B.T[:, :, None]).reshape(r, j * r)
    H = (columns * np.tile(A, (1, j))[:, None]).reshape(i, r, j, r)
    np.einsum("iqjq->ijq", H)[...] -= rest
    return H


CP_SAME = Problem(
    name="cp same",
    title="Hessian of a CP decomposition in A, A",
    wrt=("A", "A"),
    structured=True,
    sizes={
        "tiny": {"i": 3, "j": 4, "k": 5, "r": 2},
        "medium": {"i": 100, "j": 30, "k": 20, "r": 25},
        "large": {"i": 300, "j": 24, "k": 16, "r": 20},
    },
    arrays=normal(T="ijk", A="ir", B="jr", C="kr"),
    codomain=scalar,
    held=lambda i, j, k, r: i * j * k,
    derivative=lambda T, A, B, C: ed.hessian(CP, T, A, B, C, wrt="A"),
    hand=cp_same_hand,
    core=cp_same_core,
    function=cp_function,
    casadi=cp_casadi,
)

CP_MIXED = Problem(
    name="cp mixed",
    title="Hessian of a CP decomposition in A, B",
    wrt=("A", "B"),
    structured=False,
    sizes={
        "tiny": {"i": 3, "j": 4, "k": 5, "r": 2},
        "medium": {"i": 80, "j": 60, "k": 30, "r": 15},
        "large": {"i": 120, "j": 100, "k": 20, "r": 24},
    },
    arrays=normal(T="ijk", A="ir", B="jr", C="kr"),
    codomain=scalar,
    held=lambda i, j, k, r: i * j * k,
    derivative=lambda T, A, B, C: ed.grad(ed.grad(CP, T, A, B, C, wrt="A"), wrt="B"),
    hand=cp_mixed_hand,
    core=cp_mixed_core,
    function=cp_function,
    casadi=cp_casadi,
)


PROBLEMS = {
    problem.name: problem
    for problem in (
        MATVEC,
        GRAM,
        BILINEAR,
        QUADRATIC,
        LEAST_SQUARES,
        LOGISTIC_GRADIENT,
        LOGISTIC_HESSIAN,
        FACTORISATION,
        TANH_NETWORK,
        RELU_NETWORK,
        KMEANS,
        LOGDET,
        BATCHED,
        INVERSE,
        ELEMENTWISE,
        ATTENTION,
        CP_SAME,
        CP_MIXED,
    )
}
