"""What code for PyTorch defines itself, because PyTorch has no such function.

`einsdiff.Tensor.code` writes out those that are needed as they stand here, with the imports of
this module that they need. Code takes those that are not here from `numpy_helpers`, with PyTorch in
place of NumPy.

>>> float(cbrt(torch.tensor(-8.0)))
-2.0
"""

import torch


def as_tensor(number, like=None):
    """Return a number as a tensor of the precision of another one, or of the full one."""
    if isinstance(number, torch.Tensor):
        return number
    is_like = like is not None and (like.is_floating_point() or like.is_complex())
    dtype = like.dtype if is_like else torch.float64
    is_complex = torch.as_tensor(number).is_complex()
    device = None if like is None else like.device
    return torch.as_tensor(number, dtype=dtype.to_complex() if is_complex else dtype, device=device)


def hypotenuse(a, b):
    # A square overflows long before the root does.
    is_complex = torch.is_complex(a) or torch.is_complex(b)
    return torch.sqrt(a * a + b * b) if is_complex else torch.hypot(a, b)


def unit_part_of_two(a, b):
    root = hypotenuse(a, b)
    is_far = torch.isinf(a) & torch.isfinite(b)
    return torch.where(is_far, torch.sgn(a), a) / torch.where(is_far, 1, root)


def root_of_squares(x, rank):
    """Return the norm of the last axes, whose squares may overflow."""
    flat = torch.flatten(x, -rank)
    top = torch.nn.functional.pad(torch.abs(flat), (0, 1)).amax(-1)
    top = torch.where((top > 0) & torch.isfinite(top), top, 1)
    return torch.sqrt(torch.sum((flat / top[..., None]) ** 2, dim=-1)) * top


def gelu(x):
    share = torch.special.erfc(-x / 2**0.5) / 2
    return torch.where(share == 0, 0, x) * share


def cbrt(x):
    return torch.sign(x) * torch.abs(x) ** (1 / 3)


def softmax(x, dim):
    powers = torch.exp(x - torch.amax(x, dim=dim, keepdim=True))
    return powers / torch.sum(powers, dim=dim, keepdim=True)


def log_softmax(x, dim):
    return x - torch.logsumexp(x, dim=dim, keepdim=True)


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
