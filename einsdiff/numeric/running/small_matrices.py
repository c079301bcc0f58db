r"""Matrices of two or three rows, many at once, by closed forms.

LAPACK takes one matrix after the other, and longer for the call than for its numbers. Here entries
of the same place stand in one row, for some thousand matrices at a time, and

.. math:: A^{-1} = C^{\mathsf T} / \det A \qquad \det A = \sum_j A_{0j} C_{0j}

with the cofactors C, differences of products, is a few dozen operations entry by entry.

Such a formula loses more digits than a factorisation where a matrix is nearly singular. With
:math:`|\det A| \ge \tau \lVert A \rVert^3` it does not, and the residuals are those of LAPACK;
all other matrices are left to LAPACK, with all its errors for singular ones.

>>> A = np.array([[[2.0, 1.0], [1.0, 1.0]], [[2.0, 0.0], [0.0, 4.0]]])
>>> determinants(A), inverses(A)[1]
(array([1., 8.]), array([[0.5 , 0.  ],
       [0.  , 0.25]]))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

#: So many matrices are taken at a time: all that is known of them stays in the cache.
BLOCK = 4096
#: The least determinant, in units of the norm to the power of the rows.
LEAST_DETERMINANT = 1e-3

#: For the entries of the adjugate of three rows, row by row, the two products whose difference they
#: are, by places of entries.
_MINORS = (
    (4, 8, 5, 7),
    (2, 7, 1, 8),
    (1, 5, 2, 4),
    (5, 6, 3, 8),
    (0, 8, 2, 6),
    (2, 3, 0, 5),
    (3, 7, 4, 6),
    (1, 6, 0, 7),
    (0, 4, 1, 3),
)
#: And of two rows: a place and a sign.
_TURNED = ((3, 1), (1, -1), (2, -1), (0, 1))


class _Bunch(NamedTuple):
    """Some matrices: places of entries first."""

    at: slice  # which matrices they are
    entries: Array  # row by row
    adjugate: Array  # row by row, or its first column only
    det: Array
    is_good: Array  # those whose closed form has its digits


def _blocks(A: Array, places: Sequence[int]) -> Iterator[_Bunch]:
    """Compute some places of adjugates, and determinants, some matrices at a time."""
    n = A.shape[-1]
    flat = A.reshape(-1, n * n)
    room = np.empty((2 * n * n + 1, min(BLOCK, len(flat))), A.dtype)
    limits = np.finfo(A.dtype)
    least = float(limits.tiny / limits.eps)
    for start in range(0, len(flat), BLOCK):
        at = slice(start, min(start + BLOCK, len(flat)))
        own = room[:, : at.stop - start]
        entries, adjugate, spare = own[: n * n], own[n * n : -1], own[-1]
        np.copyto(entries, flat[at].T)
        _adjugate(entries, adjugate, spare, places)
        det = entries[0] * adjugate[0]
        for k in range(1, n):
            np.multiply(entries[k], adjugate[k * n], out=spare)
            det += spare
        norm = np.einsum("ij,ij->j", entries, entries)
        bound = norm * LEAST_DETERMINANT**2
        for _ in range(n - 1):
            bound *= norm
        np.maximum(bound, least, out=bound)
        np.multiply(det, det, out=spare)
        yield _Bunch(at, entries, adjugate, det, spare > bound)


def _adjugate(
    entries: Array, out: Array | Sequence[Array], spare: Array, places: Iterable[int]
) -> None:
    """Write some places of adjugates, of two or three rows."""
    for place in places:
        if len(entries) == 4:
            k, sign = _TURNED[place]
            if sign > 0:
                np.copyto(out[place], entries[k])
            else:  # which gives 0.0 for 0.0
                np.subtract(0, entries[k], out=out[place])
            continue
        a, b, c, d = _MINORS[place]
        difference = out[place]
        np.multiply(entries[a], entries[b], out=difference)
        np.multiply(entries[c], entries[d], out=spare)
        difference -= spare


def _by_either(
    A: Array,
    out: Array,
    closed: Callable[[_Bunch, Array], None],
    factorised: Callable[[Array], Array],
    step: int = 1,
) -> None:
    """Compute something of each matrix by a closed form, or else by LAPACK.

    Of the adjugate there is each place, or as many steps apart.
    """
    places = range(0, A.shape[-1] ** 2, step)
    rest: list[Array] = []
    with np.errstate(all="ignore"):
        for block in _blocks(A, places):
            closed(block, out[block.at])
            if not block.is_good.all():
                rest.append(block.at.start + np.flatnonzero(~block.is_good))
    if rest:
        left = np.concatenate(rest)
        out[left] = factorised(left)


def _is_real(A: Array) -> bool:
    """Tell whether the matrices are of two or three rows, of numbers that are taken here."""
    return A.shape[-1] in (2, 3) and A.dtype.char in ("f", "d") and A.size > 0


def inverses(A: Array, is_turned: bool = False) -> Array:
    """Invert matrices, and transpose the inverses if they are to be turned."""
    n = A.shape[-1]
    flat = A.reshape(-1, n, n)

    def factorised(A: Array) -> Array:
        found = np.linalg.inv(A)
        return np.asarray(np.swapaxes(found, -1, -2) if is_turned else found)

    if not _is_real(A):
        return factorised(A)
    out = np.empty((len(flat), n, n), A.dtype)

    def closed(block: _Bunch, out: Array) -> None:
        block.adjugate[...] /= block.det
        shaped = block.adjugate.reshape(n, n, -1)
        np.copyto(out, shaped.transpose(2, 1, 0) if is_turned else shaped.transpose(2, 0, 1))

    _by_either(A, out, closed, lambda left: factorised(flat[left]))
    return out.reshape(A.shape)


def transposed_inverses(A: Array) -> Array:
    """Invert matrices and transpose the inverses, which lie in memory as that."""
    return inverses(A, is_turned=True)


def _of_det(
    A: Array, closed: Callable[[Array, Array], Any], factorised: Callable[[Array], Array]
) -> Array:
    """Compute a function of determinants."""
    n = A.shape[-1]
    flat = A.reshape(-1, n, n)
    out = np.empty(len(flat), A.dtype)
    _by_either(A, out, lambda block, own: closed(block.det, own), lambda k: factorised(flat[k]), n)
    return out.reshape(A.shape[:-2])


def determinants(A: Array) -> Array:
    """Take determinants of matrices."""
    if not _is_real(A):
        return np.asarray(np.linalg.det(A))
    return _of_det(A, lambda det, out: np.copyto(out, det), np.linalg.det)


def log_determinants(A: Array) -> Array:
    """Take logarithms of absolute values of determinants."""
    if not _is_real(A):
        return np.asarray(np.linalg.slogdet(A)[1])

    def closed(det: Array, out: Array) -> None:
        np.abs(det, out=out)
        np.log(out, out=out)

    return _of_det(A, closed, lambda left: np.asarray(np.linalg.slogdet(left)[1]))


def signs_of_determinants(A: Array) -> Array:
    """Take signs of determinants."""
    if not _is_real(A):
        return np.asarray(np.linalg.slogdet(A)[0])
    return _of_det(
        A,
        lambda det, out: np.sign(det, out=out),
        lambda left: np.asarray(np.linalg.slogdet(left)[0]),
    )


def solutions(A: Array, b: Array) -> Array:
    """Solve ``A x = b`` for the columns of b, whose batch axes are those of A.

    A step of refinement makes residuals as small as those of a factorisation.
    """
    if not _is_real(A) or A.dtype != b.dtype or A.shape[:-2] != b.shape[:-2]:
        return np.asarray(np.linalg.solve(A, b))
    n, width = b.shape[-2:]
    flat, right = A.reshape(-1, n, n), b.reshape(-1, n, width)
    out = np.empty_like(right)
    size = min(BLOCK, len(flat))
    room = np.empty((3, n, size), A.dtype)

    def closed(block: _Bunch, out: Array) -> None:
        x, residual, given = room[:, :, : len(out)]
        spare = np.divide(1, block.det)

        def multiplied(matrix: Array, vector: Array, result: Array, sign: int) -> None:
            """Add a product of matrices and vectors to others."""
            for i in range(n):
                for j in range(n):
                    product = matrix[n * i + j] * vector[j]
                    (np.add if sign > 0 else np.subtract)(result[i], product, out=result[i])

        for k in range(width):
            np.copyto(given, right[block.at, :, k].T)
            x[...] = 0
            multiplied(block.adjugate, given, x, 1)
            x *= spare
            np.copyto(residual, given)
            multiplied(block.entries, x, residual, -1)
            residual *= spare
            multiplied(block.adjugate, residual, x, 1)
            np.copyto(out[:, :, k], x.T)

    _by_either(A, out, closed, lambda k: np.asarray(np.linalg.solve(flat[k], right[k])))
    return out.reshape(b.shape)


def cofactors(X: Array) -> Array:
    """Return the matrices of cofactors, which are differences of products whatever the matrix."""
    n = X.shape[-1]
    flat = X.reshape(-1, n * n)
    out = np.ones_like(flat)
    room = np.empty((2 * n * n + 1, min(BLOCK, len(flat))), X.dtype)
    order = np.arange(n * n).reshape(n, n).T.ravel()
    for start in range(0, len(flat) if n > 1 else 0, BLOCK):
        own = room[:, : len(flat[start : start + BLOCK])]
        entries, result, spare = own[: n * n], own[n * n : -1], own[-1]
        np.copyto(entries, flat[start : start + BLOCK].T)
        with np.errstate(over="ignore", invalid="ignore"):
            _adjugate(entries, [result[k] for k in order], spare, range(n * n))
        np.copyto(out[start : start + BLOCK], result.T)
    is_known = np.isfinite(flat).all(1)
    if not is_known.all():
        out[~is_known] = np.nan
    return out.reshape(X.shape)
