r"""Derivatives checked by numbers, independently of the rules that made them.

The difference quotient :math:`(f(x + \epsilon) - f(x)) / \epsilon` tends to the derivative. Two of
its relatives are exact enough to tell a wrong rule from a rounding error:

- the complex step, :math:`\operatorname{Im} f(x + i\epsilon) / \epsilon` with
  :math:`\epsilon = 10^{-30}`, which subtracts nothing and so loses nothing (Squire and Trapp,
  *Using complex variables to estimate derivatives of real functions*, 1998). It needs functions
  that are differentiable for complex arguments.
- central differences for steps :math:`h, h/2, h/4, ..`, extrapolated to step 0 (Richardson, 1911;
  Ridders, 1982), for all others.

>>> from einsdiff.algebra.derivatives.differentiate import derivatives
>>> from einsdiff.algebra.nodes.nodes import einsum
>>> from einsdiff.algebra.nodes.interning import variable
>>> from einsdiff.display.index.lettering import Heading, Letters
>>> x = variable("x", (3,))
>>> f = Formula(einsum([x, x], ["i", "i"], ""), Heading("f", ()), Letters(), (x,))
>>> J = Formula(
...     derivatives(f.expr, [x])[0], Heading("f", ("p",)), Letters(), (x,), 1, (f, x)
... )
>>> checked(J, {"x": np.array([1.0, 2.0, 3.0])}).ok
True
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from einsdiff.algebra.nodes.canonical import Exchange
from einsdiff.algebra.nodes.graph import not_analytic
from einsdiff.algebra.nodes.interning import Variable, symmetry
from einsdiff.errors import OperandError
from einsdiff.expressions.evaluation import evaluate, sizes_of
from einsdiff.expressions.formula import Formula, symbol
from einsdiff.numeric.libraries.known import LIBRARIES
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.library import known_values, library_of
from einsdiff.numeric.libraries.operands import Array

#: Of a variable with more entries than this, a random choice is checked.
MOST_ENTRIES = 256

#: The step of the complex step; its square is below every float.
STEP = 1e-30


@dataclass(frozen=True)
class Check:
    """How far a derivative is from a numerical estimate of it. True if that is not far.

    Attributes
    ----------
    error
        The largest deviation, relative to the size of the estimates, or absolute if they are
        below 1.
    where
        The index of the entry of the derivative that deviates most.
    derivative, estimate
        Its value, and what the differences say.
    method
        ``"complex step"`` or ``"differences"``.
    tolerance
        The largest error that passes.
    entries
        How many entries were compared.
    skipped
        How many were not, because the function is not finite there.

    Examples
    --------
    >>> import einsdiff as ed
    >>> result = ed.check("f_i = sin(x_i)", wrt="x")
    >>> result.ok, result.method
    (True, 'complex step')
    """

    error: float
    where: tuple[int, ...]
    derivative: complex
    estimate: complex
    method: str
    tolerance: float
    entries: int
    skipped: int

    @property
    def ok(self) -> bool:
        """Whether the largest error is below the tolerance."""
        return self.entries > 0 and self.error <= self.tolerance

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        verdict = "agrees with" if self.ok else "DIFFERS from"
        if not self.entries:
            return f"nothing to compare: {self.skipped} entries are not finite"
        at = f" at {list(self.where)}" if self.where else ""
        text = (
            f"the derivative {verdict} the {self.method}: largest error {self.error:.1e}{at} "
            f"({self.derivative:.6g}, estimated {self.estimate:.6g}) in {self.entries} entries"
        )
        return text + (f"; {self.skipped} not finite" if self.skipped else "")

    __repr__ = __str__


def checked(
    derivative: Formula,
    values: Mapping[str, Array],
    *,
    tolerance: float | None = None,
    seed: int = 0,
) -> Check:
    """Compare a derivative with a numerical estimate."""
    if derivative.source is None and derivative.made_of is not None:
        whole, _, known = derivative.made_of
        if known:
            values = sampled(derivative, known_values(values), np.random.default_rng(seed))
            for v, node in known:
                made = replace(symbol(v.name, v.shape), expr=node, arguments=derivative.arguments)
                values[v.name] = evaluate(made, values)
        return checked(whole, values, tolerance=tolerance, seed=seed)
    if derivative.source is None:
        raise OperandError(
            "this is no derivative of a known function, so there is nothing to compare with",
            text=derivative.text,
            action="check what ed.grad returned, or write ed.check(expression, wrt=...)",
        )
    function, by = derivative.source
    rng = np.random.default_rng(seed)
    _check_known(derivative, values)
    values = sampled(derivative, known_values(values), rng)
    values = {n: a if a.dtype.kind in "fc" else a.astype(float) for n, a in values.items()}
    x = values[by.name]
    exact = evaluate(derivative, values)
    value = np.asarray(evaluate(function, values))
    count = x.size
    chosen: Sequence[int] = range(count)
    if count > MOST_ENTRIES:
        chosen = sorted(rng.choice(count, MOST_ENTRIES, replace=False).tolist())
    is_real = all(array.dtype == np.float64 for array in values.values())
    complex_step = is_real and not_analytic(function.expr, frozenset([by.name])) is None
    directions = _basis(by, x)
    estimated = _complex_step if complex_step else _differences
    flat = exact.reshape(*value.shape, count)
    worst: tuple[float, tuple[int, ...], Any, Any] = (0.0, (), 0.0, 0.0)
    compared = skipped = 0
    finite = np.isfinite(value)
    for k in chosen:
        direction = directions(k)
        estimate = estimated(function, values, by, direction)
        analytic = flat[..., k]
        usable = finite & np.isfinite(estimate)
        compared += int(usable.sum())
        skipped += int(usable.size - usable.sum())
        error = np.abs(analytic - estimate) / np.maximum(1, np.abs(estimate))
        error = np.where(usable, np.where(np.isnan(error), np.inf, error), 0)
        if error.size and (error.max() > worst[0] or not worst[1]):
            at = np.unravel_index(int(error.argmax()), error.shape)
            where = (*map(int, at), *map(int, np.unravel_index(k, x.shape)))
            worst = (float(error.max()), where, analytic[at], estimate[at])
    coarse = min(np.finfo(a.dtype).eps for a in (exact, value, x)) > 1e-10
    if tolerance is None:
        tolerance = 1e-2 if coarse else 1e-8 if complex_step else 1e-5
    error, where, own, theirs = worst
    method = "complex step" if complex_step else "differences"
    number = complex if exact.dtype.kind == "c" else float
    return Check(error, where, number(own), number(theirs), method, tolerance, compared, skipped)


def _check_known(derivative: Formula, values: Mapping[str, Any]) -> None:
    """Refuse arrays in chunks: neither they nor others of their sizes are computed for this."""
    for name, value in values.items():
        if LIBRARIES[library_of(value)].is_lazy:
            raise OperandError(
                f"'{name}' is a Dask array, and a derivative is checked with NumPy arrays",
                text=derivative.text,
                action=f"check it with a part, ed.check(..., {name}={name}[:100].compute()), "
                "or without arrays: small ones are drawn then",
            )


def _basis(by: Variable, x: Array) -> Any:
    """Return the directions of the entries; symmetric ones for a symmetric variable."""

    def direction(k: int) -> Array:
        basis = np.zeros(x.size, x.dtype)
        basis[k] = 1
        return _symmetrised(by, basis.reshape(x.shape))

    return direction


def _symmetrised(by: Variable, array: Array) -> Array:
    """Average over the orders of the axes that change nothing."""
    orders = symmetry(by)
    if orders is False:
        return array
    if orders is True:
        orders = (Exchange((tuple(range(array.ndim)),), inside=True),)
    for blocks, inside in orders:
        for units in (blocks, *([(axis,) for axis in block] for block in blocks if inside)):
            # The average over all orders of k units is that over the places of the last one, of
            # the average over all orders of the others: n² exchanges instead of n! orders.
            for k in range(1, len(units)):
                array = sum((_swapped(array, units[j], units[k]) for j in range(k)), array) / (
                    k + 1
                )
    return array


def _swapped(array: Array, a: Sequence[int], b: Sequence[int]) -> Array:
    """Exchange two blocks of axes."""
    order = list(range(array.ndim))
    for one, other in zip(a, b, strict=True):
        order[one], order[other] = other, one
    return array.transpose(order)


def _complex_step(
    function: Formula, values: Mapping[str, Array], by: Variable, direction: Array
) -> Array:
    moved = values[by.name] + 1j * STEP * direction
    return np.asarray(evaluate(function, {**values, by.name: moved}).imag / STEP)


#: How many times the step is halved.
HALVINGS = 6


def _differences(
    function: Formula, values: Mapping[str, Array], by: Variable, direction: Array
) -> Array:
    """Extrapolate central differences; of all extrapolations the one that changed least."""
    x = values[by.name]
    step = 2e-2 * max(1.0, float(np.abs(x).max(initial=0)) / 4)
    rows: list[list[Array]] = []
    best: Array | None = None
    least: Array | None = None
    for k in range(HALVINGS):
        h = step / 2**k
        ends = [
            np.asarray(evaluate(function, {**values, by.name: (x + s * h * direction)}))
            for s in (1, -1)
        ]
        row = [np.asarray((ends[0] - ends[1]) / (2 * h))]
        for j in range(k):
            better = (4 ** (j + 1) * row[j] - rows[-1][j]) / (4 ** (j + 1) - 1)
            change = np.maximum(abs(better - row[j]), abs(better - rows[-1][j]))
            change = np.where(np.isfinite(change), change, np.inf)
            row.append(np.asarray(better))
            if best is None or least is None:
                best, least = row[-1], change
            else:
                improves = change < least
                best, least = np.where(improves, better, best), np.where(improves, change, least)
        rows.append(row)
    assert best is not None
    return np.asarray(best)


# --- random values ----------------------------------------------------------------------------


def sampled(
    formula: Formula, values: Mapping[str, Array], rng: np.random.Generator, kind: str = "normal"
) -> dict[str, Array]:
    """Give every variable that the value depends on an array, drawn at random if it has none.

    Named sizes become small numbers, different ones for different names.
    """
    sizes = sizes_of(formula, values)
    of_variables = {n for v in formula.arguments for n in v.shape if isinstance(n, str)}
    names = sorted((formula.named_sizes | of_variables) - sizes.keys())
    for k, name in enumerate(names):
        sizes[name] = 2 + k % 3
    found = dict(values)
    for v in formula.arguments:
        if v.name not in found:
            found[v.name] = sample(v, [sizes.get(str(n), n) for n in v.shape], rng, kind)
    return found


def sample(variable: Variable, shape: Any, rng: np.random.Generator, kind: str = "normal") -> Array:
    """Draw an array for a variable, with its symmetry.

    Of both signs if `kind` is ``"normal"``; ``"positive"``: between 1/2 and 3/2, matrices with a
    dominant diagonal; ``"unit"``: between 0 and 1.
    """
    shape = tuple(shape)
    if kind == "normal":
        array = rng.normal(size=shape)
    else:
        array = rng.uniform(0.5, 1.5, shape) if kind == "positive" else rng.uniform(0, 1, shape)
    if kind == "positive" and len(shape) > 1 and shape[-1] == shape[-2]:
        array = (array + np.swapaxes(array, -1, -2)) / 2 + 2 * prod(shape[-1:]) * np.eye(shape[-1])
    return _symmetrised(variable, array)
