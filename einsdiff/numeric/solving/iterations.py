"""Equations solved by products alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from einsdiff.algebra.derivatives.linear_terms import diagonal, is_symmetric
from einsdiff.algebra.derivatives.structure import Blocks
from einsdiff.numeric.libraries.extras import needs_scipy, scipy_module
from einsdiff.numeric.libraries.operands import Array
from einsdiff.numeric.solving.failures import SolveError, scipy
from einsdiff.numeric.solving.frames import Evaluation, Factorisation

#: The iterations of a Krylov method, and those of GMRES between its restarts.
MOST_ITERATIONS = 5000


RESTART = 50


def krylov(found: Blocks, e: Evaluation) -> Factorisation:
    """Solve by iterations, with products and no matrix."""
    n = e.count(found.split.codomain)
    if scipy_module("sparse.linalg") is None:
        raise needs_scipy(f"an iteration for {n} unknowns")
    domain = len(found.split.domain)
    entries: Array | None = None
    sign = 0
    if (
        all(
            e.size[c] == e.size[d]
            for c, d in zip(found.split.codomain, found.split.domain, strict=False)
        )
        and len(found.split.codomain) == domain
    ):
        entries = e.matrices(diagonal(found.whole, domain)).ravel()
        if e.dtype.kind != "c" and is_symmetric(found.whole, domain):
            sign = 1 if (entries > 0).all() else -1 if (entries < 0).all() else 0
        if not entries.all():
            entries = None
    return _Krylov(found, e, n, entries, sign)


@dataclass(frozen=True)
class _Krylov:
    """A map that is only multiplied by vectors."""

    found: Blocks
    e: Evaluation
    n: int
    #: Its diagonal, by which the iterations are preconditioned; None where one is zero.
    entries: Array | None
    #: 1 or -1 for a symmetric map whose diagonal is positive or negative, and so may be definite.
    sign: int

    @property
    def method(self) -> str:
        name = "conjugate gradients, else GMRES," if self.sign else "GMRES"
        return f"{name} for {self.n} unknowns"

    def solve(self, b: Array, tolerance: float) -> Array:
        split = self.found.split
        flat = b.reshape(self.n, b.shape[-1])
        columns = [self.column(flat[:, k], tolerance) for k in range(b.shape[-1])]
        x = np.stack(columns, axis=1) if columns else flat
        return x.reshape(*(self.e.size[axis] for axis in split.domain), b.shape[-1])

    def column(self, b: Array, tolerance: float) -> Array:
        size, relative = float(np.linalg.norm(b)), np.inf
        if not np.isfinite(size):
            return np.full_like(b, np.nan)
        for x in self.attempts(b, tolerance):
            residual = float(np.linalg.norm(b - self.product(x)))
            # The residual that an iteration keeps count of drifts from the true one.
            if residual <= 2 * tolerance * size:
                return x
            relative = min(relative, residual / size)
        raise SolveError(
            f"the iteration for {self.n} unknowns did not converge: its residual is "
            f"{relative:.1g} of the right-hand side, and {tolerance:.1g} was asked for",
            action="ask for less with tolerance=, or use operator() with a method and "
            "a preconditioner of your own",
        )

    def attempts(self, b: Array, tolerance: float) -> Iterator[Array]:
        shape = self.n, self.n
        dtype = self.e.dtype
        linalg = scipy("sparse.linalg")
        operator = linalg.LinearOperator
        entries = self.entries
        options = {"rtol": tolerance, "atol": 0.0}
        if self.sign:
            sign = self.sign
            A = operator(shape, lambda v: sign * self.product(v), dtype=dtype)
            assert entries is not None
            M = operator(shape, lambda v: v.ravel() / (sign * entries), dtype=dtype)
            yield linalg.cg(A, sign * b, M=M, maxiter=MOST_ITERATIONS, **options)[0]
        A = operator(shape, self.product, dtype=dtype)
        M = None
        if entries is not None:
            M = operator(shape, lambda v: v.ravel() / entries, dtype=dtype)
        rounds = MOST_ITERATIONS // RESTART
        yield linalg.gmres(A, b, M=M, restart=RESTART, maxiter=rounds, **options)[0]

    def product(self, v: Array) -> Array:
        split = self.found.split
        x = v.reshape(*(self.e.size[axis] for axis in split.domain), 1)
        y = self.e.product(self.found.whole, len(split.domain), x)
        return np.asarray(y, self.e.dtype).reshape(self.n)
