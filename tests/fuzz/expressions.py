"""An expression that a trial has built, and what all families claim of it.

The forms of a derivative are compared with its entries, which the families compare with an oracle.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from tests.fuzz import oracles
from tests.fuzz.drawing import Draw
from tests.fuzz.oracles import Truth
from tests.fuzz.trials import RefusedError, Trial

#: Entries of a derivative.
MOST_ENTRIES = 2000
#: Pairs of entries by which an oracle differentiates twice.
MOST_PAIRS = 81
#: A map with a larger condition number need not be solved, nor one whose entries are what rounding
#: leaves of zeros, as in the softmax of one entry.
MOST_CONDITION, LEAST_ENTRY = 1e6, 1e-12

DISPLAYS = (
    "str({})",
    "{}.latex()",
    "{}.format('matrix')",
    "{}.latex('matrix')",
    "{}.format('einsum')",
    "{}._repr_html_()",
    "{}.diagram()._repr_svg_()",
    "str({}.table('reverse'))",
    # Of derivatives only:
    "str({}.cases())",
    "str({}.explain())",
    "{}.explain('brief').latex()",
    "str({}.table('forward'))",
)
OF_ALL = 7


@dataclass(frozen=True)
class Expression:
    """The tensor that a trial calls `f`.

    Attributes
    ----------
    truth
        Its value for any arrays, by other means.
    arrays
        Of its variables, by name; the trial calls them `given` where they are not bound.
    analytic
        Whether `truth` takes complex arrays and has no kinks.
    """

    truth: Truth
    arrays: Mapping[str, np.ndarray]
    analytic: bool = True

    @property
    def value(self) -> np.ndarray:
        return np.asarray(self.truth(self.arrays))

    def small(self, draw: Draw, axes: int = 0) -> list[str]:
        """Name the variables, shuffled, by which a derivative is not too large."""
        entries = max(self.value.size, 1) * max(axes, 1)
        names = [n for n, a in self.arrays.items() if max(a.size, 1) * entries <= MOST_ENTRIES]
        return draw.shuffled(names)


def differentiate(trial: Trial, draw: Draw, e: Expression) -> bool:
    """Claim the value of `f`, and its first and second derivatives; tell whether there are any.

    The trial calls the derivatives `J` and `H`.
    """
    with np.errstate(all="ignore"):
        value = e.value
        doubt = oracles.rounding(e.truth, e.arrays, value)
    trial.agrees("value", trial.numbers("f"), value, 1e-9, doubt)
    names = e.small(draw)
    # Beside a pole, the zeros of deltas meet infinities, and NumPy's 0 · ∞ is nan.
    if not names or oracles.is_at_pole(e.truth, e.arrays) or np.any(doubt > 1e-4):
        return False
    one = names[0]
    trial.do(f"J = ed.grad(f, wrt={one!r})")
    with np.errstate(all="ignore"):
        expected, doubt = oracles.first(e.truth, e.arrays, one, e.analytic)
        doubt = doubt + oracles.rounding(
            lambda arrays: oracles.first(e.truth, arrays, one, e.analytic)[0], e.arrays, expected
        )
    trial.agrees("first derivative", trial.numbers("J"), expected, doubt=doubt)
    others = e.small(draw, e.arrays[one].size)
    others = [n for n in others if e.arrays[n].size * e.arrays[one].size <= MOST_PAIRS]
    if not others:
        return True
    other = one if one in others and draw.flag(0.6) else others[0]
    trial.do(f"H = ed.grad(J, wrt={other!r})")
    with np.errstate(all="ignore"):
        expected, doubt = oracles.second(e.truth, e.arrays, one, other, e.analytic)
    trial.agrees("second derivative", trial.numbers("H"), expected, 1e-6, doubt)
    if one == other:
        symmetric(trial, e.value.ndim, e.arrays[one].ndim)
    return True


def symmetric(trial: Trial, codomain: int, domain: int) -> None:
    """Claim that `H`, by one variable twice, does not know which came first."""
    turn = [*range(codomain), *range(codomain + domain, codomain + 2 * domain)]
    turn += range(codomain, codomain + domain)
    turned = f"np.transpose(H, {tuple(turn)})" if domain else "H"
    trial.holds("second derivative: not symmetric", f"ed.equal(H, {turned})")


def forms(trial: Trial, draw: Draw, name: str, count: int = 3) -> None:
    """Claim that some of the forms of a derivative, all of whose arrays are bound, agree."""
    t = trial.space[name]
    dense = np.asarray(trial.get(f"np.asarray({name})"))
    if dense.size > MOST_ENTRIES or not np.all(np.isfinite(dense)):
        return
    domain = t.domain or 0
    shape = dense.shape[dense.ndim - domain :]
    matrix = oracles.as_matrix(dense, domain)
    claims = _linear_claims(draw, name, dense, shape) if domain else []
    layout, order = draw.choice(["numerator", "denominator"]), draw.choice("CF")
    arranged = oracles.as_matrix(dense, domain, layout, order)
    claims += [
        (f"{name}.matrix({layout!r}, {order!r})", arranged),
        (f"{name}.sparse(layout={layout!r}, order={order!r}).toarray()", arranged),
        (f"{name}.cores().dense()", dense),
        (f"{name}.compile()()", dense),
        (f"sum(np.asarray(part).size * 0 + part for part in [{name}.dense()])", dense),
        (f"{name}.compile(form='sparse')().toarray()", matrix),
        (f"{name}.dense(out={name}.dense())", dense),
        (f"{name}.dense(out=np.full({dense.shape}, 7, {name}.dtype))", dense),
        (f"np.sum({name}.blocks().dense())", np.sum(dense)),
        (f"{name}.dense(memory_limit=10**5)", dense),
    ]
    solved = [claim for claim in claims if ".solve(" in claim[0]]
    if solved and draw.flag():
        claims = [*solved, *draw.some(claims, count - 1)][:count]
    else:
        claims = draw.some(claims, count)
    for source, expected in claims:
        trial.agrees(f"forms: {source.split('.', 1)[-1].split('(')[0]}", source, expected, 1e-9)
    trial.holds("forms: dtype", f"np.asarray({name}).dtype == {name}.dtype")


def _linear_claims(draw: Draw, name: str, dense: Any, domain: Any) -> list[tuple[str, Any]]:
    """Claim products with a map, its diagonal, and solutions of equations."""
    codomain = dense.shape[: dense.ndim - len(domain)]
    matrix = oracles.as_matrix(dense, len(domain))
    v = [draw.number(-2, 2) for _ in range(prod(domain))]
    u = [draw.number(-2, 2) for _ in range(prod(codomain))]
    right = f"np.reshape(np.array({v}), {tuple(domain)})"
    left = f"np.reshape(np.array({u}), {tuple(codomain)})"
    claims = [
        (f"np.asarray({name}.jvp({right}))", np.reshape(matrix @ np.array(v), codomain)),
        (f"np.asarray({name}.vjp({left}))", np.reshape(np.array(u) @ matrix, domain)),
        (f"{name}.operator() @ np.array({v})", matrix @ np.array(v)),
        (f"{name}.operator().rmatvec(np.array({u}))", np.conj(matrix).T @ np.array(u)),
    ]
    claims = [claim for claim in claims if matrix.size]
    if codomain == domain and len(domain) and matrix.size:
        diagonal = np.reshape(np.diagonal(matrix), domain)
        claims.append((f"np.asarray({name}.diagonal())", diagonal))
        claims.append((f"np.asarray({name}.trace())", np.trace(matrix)))
        if np.linalg.cond(matrix) < MOST_CONDITION and np.max(np.abs(matrix)) > LEAST_ENTRY:
            solved = np.reshape(np.linalg.solve(matrix, np.array(u)), domain)
            claims.append((f"{name}.solve({left})", solved))
    return claims


def displayed(trial: Trial, draw: Draw, name: str, count: int = 2) -> None:
    """Claim that some displays end in time, or are refused."""
    of_all = trial.space[name].formula.domain is None
    for display in draw.some(DISPLAYS[:OF_ALL] if of_all else DISPLAYS, count):
        trial.ends(f"display {display.replace('{}', name)}", display.format(name))


def reads_back(trial: Trial, name: str, names: Collection[str], expected: Any) -> None:
    """Claim that the text of a tensor is the tensor, given what the names in it stand for.

    The sizes of axes are given as well where no operand has them.
    """
    text, t = trial.get(f"str({name})"), trial.space[name]
    if "[an expression of" in text or not set(t.names) <= set(names):
        return  # cut, or with constants that have no name
    used = [n for n in names if re.search(rf"(?<![^\W_]){n}(?![^\W_])", text)]
    named = "given" in trial.space
    operands = "".join(f", {n}={_of_shape(trial, n) if named else n}" for n in used)
    again = f"ed.parse(str({name}){operands})"
    if named or not _has_numbers(trial, again):
        heading = re.match(r"(?:∂²?)?[^\W_]+_(\w+)[ /]", text)
        sizes = dict(zip(heading[1], t.shape, strict=False)) if heading else {}
        again = f"ed.parse(str({name}){operands}, sizes={sizes})"
    bound = f"np.asarray({again})"
    if [n for n in t.names if n not in t.values]:
        bound = f"(g := {again})(**{{n: given[n] for n in g.names}})"
    trial.agrees("read back: value", bound, expected, 1e-9)
    # By canonical form nearly always; some orders of sums with deltas are told by their values.
    trial.holds("read back: equal", f"ed.equal({again}, {name})")


def _has_numbers(trial: Trial, source: str) -> bool:
    """Tell whether a text says all of its sizes."""
    try:
        return not [size for size in trial.get(source).shape if isinstance(size, str)]
    except RefusedError:
        return False


def _of_shape(trial: Trial, name: str) -> str:
    """Write a variable without values: the tensor of that name, or its shape."""
    return name if name in trial.space else f"given[{name!r}].shape"
