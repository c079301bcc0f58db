r"""How each array library writes an operation, and each function of the table.

Adding a library is adding a column, adding a function a row, and none at all where it is called as
NumPy calls it. What a library lacks is defined in a few lines of its own, which the code that
needs them carries along:

.. math:: \sigma(x) = \frac{1}{1 + e^{-x}}

>>> from einsdiff.algebra.nodes.function import FUNCTIONS
>>> for backend in BACKENDS:
...     print(spelled(FUNCTIONS["sigmoid"], backend))
sigmoid({0})
torch.sigmoid({0})
jax.nn.sigmoid({0})
>>> print(HELPERS["sigmoid"]["numpy"])
def sigmoid(x):
    # The exponential of what is not positive does not overflow.
    small = np.exp(np.where(np.real(x) > 0, -x, x))
    return np.where(np.real(x) > 0, 1, small) / (1 + small)
"""

from __future__ import annotations

import re

from einsdiff.algebra.nodes.function import Function
from einsdiff.numeric.libraries.known import LIBRARIES

__all__ = [
    "ALIASES",
    "BACKENDS",
    "COMPARISONS",
    "HELPERS",
    "IMPORTS",
    "RESERVED",
    "operation",
    "spelled",
]

#: The libraries, in the order of the columns below.
BACKENDS = ("numpy", "torch", "jax")

#: What their modules are called.
ALIASES = {name: LIBRARIES[name].alias for name in BACKENDS}

#: What a name in the code needs to be imported, in the order of the lines.
IMPORTS = {
    "math": dict.fromkeys(BACKENDS, "import math"),
    "jax": {"jax": "import jax"},
    "jnp": {"jax": "import jax.numpy as jnp"},
    "np": {"numpy": "import numpy as np"},
    "torch": {"torch": "import torch"},
    "expm": {"numpy": "from scipy.linalg import expm", "jax": "from jax.scipy.linalg import expm"},
    "erf": {"jax": "from jax.scipy.special import erf"},
    "erfc": {"jax": "from jax.scipy.special import erfc"},
    "logsumexp": {"jax": "from jax.scipy.special import logsumexp"},
    "xlogy": {"jax": "from jax.scipy.special import xlogy"},
}


def _all(template: str) -> tuple[str, str, str]:
    return template, template, template


def operation(name: str, library: str) -> str:
    """Return how a library writes an operation.

    >>> operation("copy", "torch")
    '{0}.clone()'
    """
    return LIBRARIES[library].operations[name]


#: Functions that are comparisons, whose value is 0 or 1.
COMPARISONS = {"greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!="}

#: Functions that are not called as `Function.numpy` says, with the module's name exchanged. Blank
#: where they are. ``{axes}`` are the last axes, which they act on; ``{rank}`` is the number of
#: these, ``{order}`` that of a derivative.
_FUNCTIONS = {
    "cbrt": ("", "cbrt({0})", ""),
    "sigmoid": ("sigmoid({0})", "torch.sigmoid({0})", "jax.nn.sigmoid({0})"),
    "softplus": (
        "np.logaddexp({0}, 0)",
        "torch.nn.functional.softplus({0}, threshold=40)",
        "jax.nn.softplus({0})",
    ),
    "erf": ("erf({0})", "torch.erf({0})", "erf({0})"),
    "erfc": ("erfc({0})", "torch.special.erfc({0})", "erfc({0})"),
    "gelu": ("gelu({0})", "gelu({0})", "jax.nn.gelu({0}, approximate=False)"),
    "relu": ("", "torch.relu({0})", "jax.nn.relu({0})"),
    "rint": ("", "torch.round({0})", ""),
    "xlogy": ("xlogy({0}, {1})", "torch.special.xlogy({0}, {1})", "xlogy({0}, {1})"),
    "mod": ("", "torch.remainder({0}, {1})", ""),
    "cholesky": _all("{np}.linalg.cholesky(symmetric_part({0}))"),
    "eigvalsh": _all("{np}.linalg.eigvalsh(symmetric_part({0}))"),
    "eigvectors": _all("{np}.linalg.eigh(symmetric_part({0}))[1]"),
    "max": ("", "torch.amax({0}, dim={axes})", ""),
    "min": ("", "torch.amin({0}, dim={axes})", ""),
    "logsumexp": (
        "logsumexp({0}, axis={axes})",
        "torch.logsumexp({0}, dim={axes})",
        "logsumexp({0}, axis={axes})",
    ),
    "prod": ("", "torch.prod(torch.flatten({0}, -{rank}), dim=-1)", ""),
    "cumsum": ("", "torch.cumsum({0}, dim=-1)", ""),
    "softmax": (
        "softmax({0}, axis={axes})",
        "softmax({0}, dim={axes})",
        "jax.nn.softmax({0}, axis={axes})",
    ),
    "log_softmax": (
        "log_softmax({0}, axis={axes})",
        "log_softmax({0}, dim={axes})",
        "jax.nn.log_softmax({0}, axis={axes})",
    ),
    "others": _all("others({0}, {order}, {rank})"),
    "expm": ("expm({0})", "torch.linalg.matrix_exp({0})", "expm({0})"),
    "dexpm": _all("dexpm({0}, {order})"),
    "root_of_squares": _all("root_of_squares({0}, {rank})"),
    "unit_part": _all("unit_part({0}, {rank})"),
    "cofactor_left": _all("cofactor_left({0})"),
    "cofactor_right": _all("cofactor_right({0})"),
    "cofactor_rest": _all("cofactor_rest({0}, {results})"),
    "solve": _all("{np}.linalg.solve({0}, {1})"),
}


def spelled(function: Function, backend: str) -> str | None:
    """Return how a library writes a function of the table.

    Parameters
    ----------
    function
        The function.
    backend
        One of `BACKENDS`.

    Returns
    -------
    str or None
        None for a function that is a callable of the user's.

    Examples
    --------
    >>> from einsdiff.algebra.nodes.function import lookup
    >>> spelled(lookup("tanh"), "jax"), spelled(lookup("max", (2,)), "torch")
    ('jnp.tanh({0})', 'torch.amax({0}, dim=(-2, -1))')
    """
    if callable(function.implementation):
        return None
    column = BACKENDS.index(backend)
    name = function.implementation or function.name
    template = _FUNCTIONS.get(name, ("", "", ""))[column]
    if not template:
        called = function.numpy.replace("(-1,)", "-1")
        return re.sub(r"\bnp\.", f"{ALIASES[backend]}.", called)
    rank = function.ranks[0]
    results = len(function.cores[1])
    axes = tuple(range(-rank, 0))
    known = {
        "np": ALIASES[backend],
        "rank": rank,
        "results": results,
        "axes": axes if rank != 1 else -1,
        # others(x) has rank axes for each order, dexpm(x) as many and those of its value.
        "order": results // rank - (name == "dexpm") if rank else 0,
    }
    return re.sub(r"\{([a-z]+)\}", lambda found: str(known[found[1]]), template)


# --- what a library lacks ---------------------------------------------------------------------


def _helper(numpy: str = "", torch: str = "", jax: str | None = None) -> dict[str, str]:
    """Return the definitions of a function, that of JAX being NumPy's unless it is given."""
    like_numpy = re.sub(r"\bnp\.", "jnp.", numpy)
    found = {"numpy": numpy, "torch": torch, "jax": like_numpy if jax is None else jax}
    return {backend: text.strip("\n") for backend, text in found.items() if text}


#: The same for every library.
_OTHERS = '''
def others(x, order, rank):
    """Return the products of all entries of the last axes but `order` of them."""
    core = x.shape[x.ndim - rank :]
    rest = others_of_vectors(x.reshape(*x.shape[: x.ndim - rank], math.prod(core)), order)
    return rest.reshape(*x.shape[: x.ndim - rank], *(core * order))
'''

#: Definitions of functions, by what they are called in the code.
HELPERS = {
    "as_tensor": _helper(
        torch='''
def as_tensor(number, like=None):
    """Return a number as a tensor of the precision of another one, or of the full one."""
    if isinstance(number, torch.Tensor):
        return number
    is_like = like is not None and (like.is_floating_point() or like.is_complex())
    dtype = like.dtype if is_like else torch.float64
    is_complex = torch.as_tensor(number).is_complex()
    device = None if like is None else like.device
    return torch.as_tensor(number, dtype=dtype.to_complex() if is_complex else dtype, device=device)
'''
    ),
    "sigmoid": _helper(
        """
def sigmoid(x):
    # The exponential of what is not positive does not overflow.
    small = np.exp(np.where(np.real(x) > 0, -x, x))
    return np.where(np.real(x) > 0, 1, small) / (1 + small)
""",
        jax="",
    ),
    "erf": _helper("erf = np.vectorize(math.erf, otypes=[float])", jax=""),
    "sech2": _helper(
        """
def sech2(x):
    # 1 - tanh(x)**2, which is left over where the hyperbolic tangent rounds to 1.
    small = np.exp(-2 * np.where(np.real(x) < 0, -x, x))
    return 4 * small / (1 + small) ** 2
""",
        """
def sech2(x):
    # 1 - tanh(x)**2, which is left over where the hyperbolic tangent rounds to 1.
    small = torch.exp(-2 * torch.where(torch.real(x) < 0, -x, x))
    return 4 * small / (1 + small) ** 2
""",
    ),
    "damped_product": _helper(
        """
def damped_product(x, factor):
    # Where the factor vanishes, so does the product, however large x is.
    return np.where(factor == 0, 0, x) * factor
""",
        """
def damped_product(x, factor):
    # Where the factor vanishes, so does the product, however large x is.
    return torch.where(factor == 0, 0, x) * factor
""",
    ),
    "falling_power": _helper(
        '''
def falling_power(x, n, order):
    """Return n (n - 1) .. x**(n - order), which is 0 where a factor is."""
    factor = math.prod([n - k for k in range(order)])
    is_gone = factor == 0
    return factor * np.where(is_gone, 1.0, x) ** np.where(is_gone, 0, n - order)
''',
        '''
def falling_power(x, n, order):
    """Return n (n - 1) .. x**(n - order), which is 0 where a factor is."""
    factor = math.prod([n - k for k in range(order)])
    is_gone = factor == 0
    return factor * torch.where(is_gone, 1.0, x) ** torch.where(is_gone, 0, n - order)
''',
    ),
    "hypotenuse": _helper(
        """
def hypotenuse(a, b):
    # A square overflows long before the root does.
    is_complex = np.iscomplexobj(a) or np.iscomplexobj(b)
    return np.sqrt(a * a + b * b) if is_complex else np.hypot(a, b)
""",
        """
def hypotenuse(a, b):
    # A square overflows long before the root does.
    is_complex = torch.is_complex(a) or torch.is_complex(b)
    return torch.sqrt(a * a + b * b) if is_complex else torch.hypot(a, b)
""",
    ),
    "unit_part_of_two": _helper(
        """
def unit_part_of_two(a, b):
    root = hypotenuse(a, b)
    is_far = np.isinf(a) & np.isfinite(b)
    return np.where(is_far, np.sign(a), a) / np.where(is_far, 1, root)
""",
        """
def unit_part_of_two(a, b):
    root = hypotenuse(a, b)
    is_far = torch.isinf(a) & torch.isfinite(b)
    return torch.where(is_far, torch.sgn(a), a) / torch.where(is_far, 1, root)
""",
    ),
    "root_of_squares": _helper(
        '''
def root_of_squares(x, rank):
    """Return the norm of the last axes, whose squares may overflow."""
    axes = tuple(range(-rank, 0))
    top = np.max(np.abs(x), axis=axes, keepdims=True, initial=0)
    top = np.where((top > 0) & np.isfinite(top), top, 1)
    return np.sqrt(np.sum((x / top) ** 2, axis=axes)) * np.squeeze(top, axes)
''',
        '''
def root_of_squares(x, rank):
    """Return the norm of the last axes, whose squares may overflow."""
    flat = torch.flatten(x, -rank)
    top = torch.nn.functional.pad(torch.abs(flat), (0, 1)).amax(-1)
    top = torch.where((top > 0) & torch.isfinite(top), top, 1)
    return torch.sqrt(torch.sum((flat / top[..., None]) ** 2, dim=-1)) * top
''',
    ),
    "unit_part": _helper(
        """
def unit_part(x, rank):
    return x / root_of_squares(x, rank)[(..., *[None] * rank)]
""",
        """
def unit_part(x, rank):
    return x / root_of_squares(x, rank)[(..., *[None] * rank)]
""",
    ),
    "cofactor": _helper(
        '''
def cofactor(X):
    """Return the derivative of the determinant, also where X has no inverse."""
    left = cofactor_left(X) * cofactor_rest(X, 1)[..., None, :]
    return left @ np.swapaxes(cofactor_right(X), -1, -2)
''',
        '''
def cofactor(X):
    """Return the derivative of the determinant, also where X has no inverse."""
    left = cofactor_left(X) * cofactor_rest(X, 1)[..., None, :]
    return left @ cofactor_right(X).mT
''',
    ),
    "cofactor_left": _helper(
        """
def cofactor_left(X):
    return np.linalg.svd(X)[0].conj()
""",
        """
def cofactor_left(X):
    return torch.linalg.svd(X)[0].conj()
""",
    ),
    "cofactor_right": _helper(
        """
def cofactor_right(X):
    return np.swapaxes(np.linalg.svd(X)[2].conj(), -1, -2)
""",
        """
def cofactor_right(X):
    return torch.linalg.svd(X)[2].conj().mT
""",
    ),
    "cofactor_rest": _helper(
        '''
def cofactor_rest(X, order):
    """Return the products of all singular values but `order` of them, with a sign."""
    U, s, V = np.linalg.svd(X)
    sign = np.linalg.det(U) * np.linalg.det(V)
    return others_of_vectors(s, order) * sign[(..., *[None] * order)]
''',
        '''
def cofactor_rest(X, order):
    """Return the products of all singular values but `order` of them, with a sign."""
    U, s, V = torch.linalg.svd(X)
    sign = torch.linalg.det(U) * torch.linalg.det(V)
    return others_of_vectors(s, order) * sign[(..., *[None] * order)]
''',
    ),
    "erfc": _helper("erfc = np.vectorize(math.erfc, otypes=[float])", jax=""),
    "gelu": _helper(
        """
def gelu(x):
    share = erfc(-x / math.sqrt(2)) / 2
    return np.where(share == 0, 0, x) * share
""",
        """
def gelu(x):
    share = torch.special.erfc(-x / 2**0.5) / 2
    return torch.where(share == 0, 0, x) * share
""",
        jax="",
    ),
    "cbrt": _helper(
        torch="""
def cbrt(x):
    return torch.sign(x) * torch.abs(x) ** (1 / 3)
"""
    ),
    "xlogy": _helper(
        """
def xlogy(a, b):
    return a * np.log(np.where(np.equal(a, 0), 1, b))
""",
        jax="",
    ),
    "symmetric_part": _helper(
        """
def symmetric_part(A):
    return (A + np.swapaxes(A, -1, -2)) / 2
""",
        """
def symmetric_part(A):
    return (A + A.mT) / 2
""",
    ),
    "logsumexp": _helper(
        """
def logsumexp(x, axis):
    top = np.max(np.real(x), axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):
        return np.log(np.sum(np.exp(x - top), axis=axis)) + np.squeeze(top, axis)
""",
        jax="",
    ),
    "softmax": _helper(
        """
def softmax(x, axis):
    powers = np.exp(x - np.max(np.real(x), axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)
""",
        """
def softmax(x, dim):
    powers = torch.exp(x - torch.amax(x, dim=dim, keepdim=True))
    return powers / torch.sum(powers, dim=dim, keepdim=True)
""",
        jax="",
    ),
    "log_softmax": _helper(
        """
def log_softmax(x, axis):
    shifted = x - np.max(np.real(x), axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
""",
        """
def log_softmax(x, dim):
    return x - torch.logsumexp(x, dim=dim, keepdim=True)
""",
        jax="",
    ),
    "others": _helper(_OTHERS, _OTHERS),
    "others_of_vectors": _helper(
        """
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
""",
        """
def others_of_vectors(x, order):
    n = x.shape[-1]
    if order == 1:
        ones = x.new_ones((*x.shape[:-1], 1))
        before = torch.cumprod(torch.cat([ones, x], -1), -1)[..., :n]
        after = torch.cumprod(torch.cat([ones, torch.flip(x, (-1,))], -1), -1)[..., :n]
        return before * torch.flip(after, (-1,))
    at = torch.arange(n, device=x.device)
    same = at[:, None] == at
    rest = others_of_vectors(torch.where(same, 1, x[..., None, :]), order - 1)
    for axis in range(order - 1):  # an entry cannot be left out twice
        shape = [n if k in (0, axis + 1) else 1 for k in range(order)]
        rest = torch.where(same.reshape(shape), 0, rest)
    return rest
""",
    ),
    "dexpm": _helper(
        '''
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
''',
        '''
def dexpm(X, order):
    """Return a derivative of the matrix exponential, from that of block triangular matrices."""
    n, batch = X.shape[-1], X.shape[:-2]
    basis = torch.eye(n * n, dtype=X.dtype, device=X.device).reshape(n * n, n, n)
    blocks = X.reshape(*batch, *(1,) * order, n, n)
    for k in range(order):
        size = 2**k * n
        along = torch.kron(torch.eye(2**k, dtype=X.dtype, device=X.device), basis)
        along = along.reshape(*(n * n if j == k else 1 for j in range(order)), size, size)
        shape = torch.broadcast_shapes(blocks.shape, along.shape)
        blocks = torch.broadcast_to(blocks, shape)
        upper = torch.cat([blocks, torch.broadcast_to(along, shape)], -1)
        lower = torch.cat([torch.zeros_like(blocks), blocks], -1)
        blocks = torch.cat([upper, lower], -2)
    corner = torch.linalg.matrix_exp(blocks)[..., :n, -n:]
    corner = torch.moveaxis(corner, (-2, -1), (len(batch), len(batch) + 1))
    return corner.reshape(*batch, *(n, n) * (order + 1))
''',
    ),
}

#: Names that mean something in the code, so that no variable is called so.
RESERVED = frozenset((*IMPORTS, *HELPERS, "bool", "complex", "float", "int", "range", "tuple"))
