"""What code for NumPy defines itself, because NumPy has no such function.

`einsdiff.Tensor.code` writes out those that are needed as they stand here, with the imports of
this module that they need. They are short where `einsdiff.numeric.running.kernels` are fast. Code
for JAX takes those that `jax_helpers` lacks, with JAX's NumPy in place of NumPy.

>>> float(sigmoid(np.array(0.0))), float(xlogy(0.0, np.array(0.0)))
(0.5, 0.0)
"""

import math

import numpy as np
from scipy.linalg import expm


def sigmoid(x):
    # The exponential of what is not positive does not overflow.
    small = np.exp(np.where(np.real(x) > 0, -x, x))
    return np.where(np.real(x) > 0, 1, small) / (1 + small)


erf = np.vectorize(math.erf, otypes=[float])


def sech2(x):
    # 1 - tanh(x)**2, which is left over where the hyperbolic tangent rounds to 1.
    small = np.exp(-2 * np.where(np.real(x) < 0, -x, x))
    return 4 * small / (1 + small) ** 2


def damped_product(x, factor):
    # Where the factor vanishes, so does the product, however large x is.
    return np.where(factor == 0, 0, x) * factor


def falling_power(x, n, order):
    """Return n (n - 1) .. x**(n - order), which is 0 where a factor is."""
    factor = math.prod([n - k for k in range(order)])
    is_gone = factor == 0
    return factor * np.where(is_gone, 1.0, x) ** np.where(is_gone, 0, n - order)


def hypotenuse(a, b):
    # A square overflows long before the root does.
    is_complex = np.iscomplexobj(a) or np.iscomplexobj(b)
    return np.sqrt(a * a + b * b) if is_complex else np.hypot(a, b)


def unit_part_of_two(a, b):
    root = hypotenuse(a, b)
    is_far = np.isinf(a) & np.isfinite(b)
    return np.where(is_far, np.sign(a), a) / np.where(is_far, 1, root)


def root_of_squares(x, rank):
    """Return the norm of the last axes, whose squares may overflow."""
    axes = tuple(range(-rank, 0))
    top = np.max(np.abs(x), axis=axes, keepdims=True, initial=0)
    top = np.where((top > 0) & np.isfinite(top), top, 1)
    return np.sqrt(np.sum((x / top) ** 2, axis=axes)) * np.squeeze(top, axes)


def unit_part(x, rank):
    return x / root_of_squares(x, rank)[(..., *[None] * rank)]


def cofactor(X):
    """Return the derivative of the determinant, also where X has no inverse."""
    left = cofactor_left(X) * cofactor_rest(X, 1)[..., None, :]
    return left @ np.swapaxes(cofactor_right(X), -1, -2)


def cofactor_left(X):
    return np.linalg.svd(X)[0].conj()


def cofactor_right(X):
    return np.swapaxes(np.linalg.svd(X)[2].conj(), -1, -2)


def cofactor_rest(X, order):
    """Return the products of all singular values but `order` of them, with a sign."""
    U, s, V = np.linalg.svd(X)
    sign = np.linalg.det(U) * np.linalg.det(V)
    return others_of_vectors(s, order) * sign[(..., *[None] * order)]


erfc = np.vectorize(math.erfc, otypes=[float])


def gelu(x):
    share = erfc(-x / math.sqrt(2)) / 2
    return np.where(share == 0, 0, x) * share


def xlogy(a, b):
    return a * np.log(np.where(np.equal(a, 0), 1, b))


def symmetric_part(A):
    return (A + np.swapaxes(A, -1, -2)) / 2


def logsumexp(x, axis):
    top = np.max(np.real(x), axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):
        return np.log(np.sum(np.exp(x - top), axis=axis)) + np.squeeze(top, axis)


def softmax(x, axis):
    powers = np.exp(x - np.max(np.real(x), axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def log_softmax(x, axis):
    shifted = x - np.max(np.real(x), axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def others(x, order, rank):
    """Return the products of all entries of the last axes but `order` of them."""
    core = x.shape[x.ndim - rank :]
    rest = others_of_vectors(x.reshape(*x.shape[: x.ndim - rank], math.prod(core)), order)
    return rest.reshape(*x.shape[: x.ndim - rank], *(core * order))


def others_of_vectors(x, order):
    n = x.shape[-1]
    if order == 1:
        ones = np.ones((*x.shape[:-1], 1), x.dtype)
        before = np.cumprod(np.concatenate([ones, x], -1), -1)[..., :n]
        after = np.cumprod(np.concatenate([ones, np.flip(x, -1)], -1), -1)[..., :n]
        return before * np.flip(after, -1)
    same = np.arange(n)[:, None] == np.arange(n)
    rest = others_of_vectors(np.where(same, 1, x[..., None, :]), order - 1)
    for axis in range(order - 1):  # an entry cannot be left out twice
        shape = [n if k in (0, axis + 1) else 1 for k in range(order)]
        rest = np.where(same.reshape(shape), 0, rest)
    return rest


def dexpm(X, order):
    """Return a derivative of the matrix exponential, from that of block triangular matrices."""
    n, batch = X.shape[-1], X.shape[:-2]
    basis = np.eye(n * n, dtype=X.dtype).reshape(n * n, n, n)
    blocks = X.reshape(*batch, *(1,) * order, n, n)
    for k in range(order):
        along = np.kron(np.eye(2**k, dtype=X.dtype), basis)
        along = along.reshape(*(n * n if j == k else 1 for j in range(order)), *along.shape[1:])
        shape = np.broadcast_shapes(blocks.shape, along.shape)
        blocks = np.broadcast_to(blocks, shape)
        upper = np.concatenate([blocks, np.broadcast_to(along, shape)], -1)
        lower = np.concatenate([np.zeros_like(blocks), blocks], -1)
        blocks = np.concatenate([upper, lower], -2)
    corner = expm(blocks)[..., :n, -n:]
    corner = np.moveaxis(corner, (-2, -1), (len(batch), len(batch) + 1))
    return corner.reshape(*batch, *(n, n) * (order + 1))
