"""Random index notation, against its definition: one index after the other, with loops."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from tests.fuzz import drawing, oracles
from tests.fuzz.drawing import Draw
from tests.fuzz.expressions import Expression, differentiate, displayed, forms, reads_back
from tests.fuzz.trials import Trial

Labels = Mapping[str, int]
Arrays = Mapping[str, np.ndarray]

#: The functions, as NumPy computes them; those with a bar below are only for real numbers.
ANALYTIC: dict[str, Callable[[Any], Any]] = {
    "sin": np.sin,
    "cos": np.cos,
    "exp": np.exp,
    "tanh": np.tanh,
    "arctan": np.arctan,
    "sigmoid": lambda u: 1 / (1 + np.exp(-u)),
    "softplus": lambda u: np.log1p(np.exp(u)),
}
KINKED: dict[str, Callable[[Any], Any]] = {
    "abs": np.abs,
    "relu": lambda u: max(u, 0),
    "sign": np.sign,
    "floor": np.floor,
}
#: Of an example: more characters are hard to read, and more entries looked up take long.
MOST_TEXT = 130
MOST_LOOKUPS = 500
LETTERS = "ijklpqr"
NAMES = (*"xyzABCwuDGTVabcdghXYZWUvtMNPQR", "xx", "yy", "zz", "AA", "BB", "CC", "DD", "GG")


@dataclass(frozen=True)
class Part:
    """A part of a formula: its text, its value for labels and arrays, and how tightly it binds."""

    text: str
    value: Callable[[Labels, Arrays], Any]
    binds: int = 3

    def bracketed(self, at_least: int) -> str:
        return self.text if self.binds >= at_least else f"({self.text})"


SUM, PRODUCT, POWER, ATOM = 0, 1, 2, 3


@dataclass
class Formula:
    """Draws a formula; keeps the variables that stand in it, and the labels that
    are taken, of which those of the heading stand left of the equals sign."""

    draw: Draw
    sizes: dict[str, int]
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    heading: Sequence[str] = ()
    taken: set[str] = field(default_factory=set)
    analytic: bool = True
    lookups: int = 0

    def sum(self, labels: Sequence[str], depth: int) -> Part:
        """Draw a sum of terms, each of which has these labels and no other."""
        count = self.draw.choice([1, 1, 2, 2, 3])
        before, after = set(self.taken), set(self.taken)
        parts: list[tuple[float, Part]] = []
        for _ in range(count):
            sign = self.draw.choice([1, 1, -1])
            parts.append((sign, self.product(labels, depth)))
            after |= self.taken
            # Terms may use one letter, each for itself.
            self.taken = set(before if self.draw.flag(0.4) else after)
        self.taken = after
        if len(parts) == 1 and parts[0][0] == 1:
            return parts[0][1]
        text = ""
        for sign, part in parts:
            text += {1: " + ", -1: " - "}[int(sign)] + part.bracketed(PRODUCT)
        text = text[3:] if text.startswith(" + ") else "-" + text[3:]
        return Part(text, lambda at, a: sum(s * p.value(at, a) for s, p in parts), SUM)

    def product(self, labels: Sequence[str], depth: int) -> Part:
        """Draw a product, with sums over labels that stand twice, or once behind a sign."""
        draw = self.draw
        free = [n for n in LETTERS if n not in self.taken]
        paired = draw.some(free, draw.choice([0, 0, 1, 1, 2]))
        alone = draw.some([n for n in free if n not in paired], draw.choice([0, 0, 0, 0, 1]))
        self.taken |= {*paired, *alone}
        places = [*labels, *paired, *paired, *alone]
        # Only the labels of the left-hand side may stand anywhere without being summed.
        places += [label for label in labels if label in self.heading and draw.flag(0.3)]
        places = draw.shuffled(places)
        factors: list[Part] = []
        while places or not factors:
            here, places = _split(places, draw.integer(0 if not factors else 1, 2))
            factors.append(self.factor(here, depth))
        whole = self._divided(factors, labels, depth)
        number, text = draw.choice([(1, "")] * 5 + [(2, "2 "), (0.5, "1/2 "), (1.5, "1.5 ")])
        text += "".join(f"Σ_{n} " for n in alone) + whole.text
        summed = [*paired, *alone]

        def value(at: Labels, arrays: Arrays) -> Any:
            total: Any = 0
            for index in product(*(range(self.sizes[n]) for n in summed)):
                here = {**at, **dict(zip(summed, index, strict=True))}
                total = total + whole.value(here, arrays)
            return number * total

        return Part(text, value, PRODUCT)

    def _divided(self, factors: list[Part], labels: Sequence[str], depth: int) -> Part:
        """Write factors one after the other, the last perhaps behind a stroke."""
        text = " ".join(part.bracketed(POWER) for part in factors)
        values = [part.value for part in factors]

        def multiplied(at: Labels, arrays: Arrays) -> Any:
            result: Any = 1
            for value in values:
                result = result * value(at, arrays)
            return result

        if not self.draw.flag(0.25):
            return Part(text, multiplied)
        under = self.factor([n for n in labels if n in self.heading][:1], depth - 1)
        if under.binds == ATOM and self.draw.flag():
            return Part(
                f"{text} / {under.text}", lambda at, a: multiplied(at, a) / under.value(at, a)
            )
        divisor = f"(2 + {under.bracketed(ATOM)}^2)"
        return Part(
            f"{text} / {divisor}", lambda at, a: multiplied(at, a) / (2 + under.value(at, a) ** 2)
        )

    def factor(self, labels: Sequence[str], depth: int) -> Part:
        """Draw a factor with these labels, which may repeat."""
        draw, distinct = self.draw, list(dict.fromkeys(labels))
        kind = draw.integer(0, 19)
        if depth > 0 and len(distinct) == len(labels) and kind < 9:
            inner = self.sum(labels, depth - 1)
            if kind < 4:
                return self.function(inner)
            if kind < 6:
                return self.power(inner)
            return Part(f"({inner.text})", inner.value)
        if len(labels) == 2 and len(distinct) == 2 and kind > 16:
            return self.relation(*labels)
        if len(labels) == 1 and kind > 16:
            return self.entry(labels[0])
        part = self.variable(labels)
        # A_ii^2 is the square of a sum, in einsdiff as in most books.
        return self.power(part) if kind == 9 and len(distinct) == len(labels) else part

    def function(self, inner: Part) -> Part:
        kinked = self.draw.flag(0.15)
        name = self.draw.choice(sorted(KINKED if kinked else ANALYTIC))
        function = (KINKED | ANALYTIC)[name]
        self.analytic &= not kinked
        return Part(f"{name}({inner.text})", lambda at, a: function(inner.value(at, a)))

    def power(self, inner: Part) -> Part:
        base = inner.bracketed(ATOM)
        if self.draw.flag(0.7):
            n = self.draw.choice([2, 2, 3])
            return Part(f"{base}^{n}", lambda at, a: inner.value(at, a) ** n, POWER)
        exponent, text = self.draw.choice([(-1, "-1"), (0.5, "(1/2)"), (-0.5, "-0.5"), (-2, "-2")])
        return Part(
            f"(1 + {base}^2)^{text}", lambda at, a: (1 + inner.value(at, a) ** 2) ** exponent, POWER
        )

    def relation(self, one: str, other: str) -> Part:
        draw = self.draw
        if self.sizes[one] != self.sizes[other]:
            return self.variable([one, other])
        offset = draw.choice([0, 0, 0, 1])
        if draw.flag():
            text = f"δ_{one}{other}" if not offset else f"δ_{{{one}+{offset},{other}}}"
            return Part(text, lambda at, a: int(at[one] + offset == at[other]))
        return Part(f"[{one} ≥ {other}]", lambda at, a: int(at[one] >= at[other]))

    def entry(self, label: str) -> Part:
        """Draw a row or a column, or entries further on, of an axis that is long enough."""
        draw, size = self.draw, self.sizes[label]
        if draw.flag():
            name, k = self._named((2, size)), draw.integer(0, 1)
            text = f"{name}_{k}{label}" if draw.flag() else f"{name}_{{{k},{label}}}"
            return Part(text, lambda at, a: a[name][k, at[label]])
        shift = draw.integer(1, 2)
        name = self._named((size + shift,))
        return Part(f"{name}_{{{label}+{shift}}}", lambda at, a: a[name][at[label] + shift])

    def variable(self, labels: Sequence[str]) -> Part:
        name = self._named(tuple(self.sizes[label] for label in labels))
        text = f"{name}_{''.join(labels)}" if labels else name

        def value(at: Labels, arrays: Arrays) -> Any:
            self.lookups += 1
            return arrays[name][tuple(at[label] for label in labels)]

        return Part(text, value)

    def _named(self, shape: tuple[int, ...]) -> str:
        """Choose a variable of a shape, a new one if there is none yet."""
        alike = [name for name in self.shapes if self.shapes[name] == shape]
        unused = [name for name in NAMES if name not in self.shapes]
        if alike and (self.draw.flag(0.7) or not unused):
            return self.draw.choice(alike)
        name = unused[0]
        self.shapes[name] = shape
        return name


def _split(items: list[str], count: int) -> tuple[list[str], list[str]]:
    return items[:count], items[count:]


def drawn(draw: Draw) -> tuple[Formula, str, Part, list[str]]:
    """Draw a formula; return it, its text, what is right of the equals sign, and its axes."""
    small, large = draw.choice([(2, 3), (2, 2), (2, 3), (1, 3), (3, 2)])
    formula = Formula(draw, {n: large if n in "lqr" else small for n in LETTERS})
    labels = draw.some("ijl", draw.choice([0, 0, 1, 1, 2]))
    formula.heading = labels
    formula.taken |= set(labels)
    part = formula.sum(labels, 2)
    heading = f"f_{''.join(labels)} = " if labels else draw.choice(["", "", "f = "])
    return formula, heading + part.text, part, labels


def expression(draw: Draw, trial: Trial, named: bool) -> Expression:
    """Build what a formula says; without arrays if `named`."""
    while True:
        formula, text, part, labels = drawn(draw)
        if not formula.shapes or len(text) > MOST_TEXT:
            continue
        sources = {name: drawing.array(draw, shape) for name, shape in formula.shapes.items()}
        arrays = {name: np.asarray(eval(source, {"np": np})) for name, source in sources.items()}
        truth = partial(_truth, formula, part, labels)
        with np.errstate(all="ignore"):
            truth(arrays)
        if formula.lookups <= MOST_LOOKUPS:
            break
    if named:
        trial.do(f"given = {{{', '.join(f'{n!r}: {s}' for n, s in sources.items())}}}")
        operands = ", ".join(f"{n}={array.shape}" for n, array in arrays.items())
    else:
        trial.do(*(f"{name} = {source}" for name, source in sources.items()))
        operands = ", ".join(f"{name}={name}" for name in sources)
    trial.do(f"f = ed.parse({text!r}, {operands}{_sizes(formula, labels)})")
    return Expression(truth, arrays, formula.analytic)


def _truth(formula: Formula, part: Part, labels: Sequence[str], arrays: Arrays) -> np.ndarray:
    shape = tuple(formula.sizes[label] for label in labels)
    dtype = complex if any(np.iscomplexobj(array) for array in arrays.values()) else float
    result = np.zeros(shape, dtype)
    for index in np.ndindex(*shape):
        result[index] = part.value(dict(zip(labels, index, strict=True)), arrays)
    return result


def _sizes(formula: Formula, labels: Iterable[str]) -> str:
    """Give the sizes of all labels, as a sum or an axis may have none from an operand."""
    used = {n: formula.sizes[n] for n in LETTERS if n in formula.taken or n in labels}
    return f", sizes={used}" if used and formula.draw.flag(0.9) else ""


def check(draw: Draw, trial: Trial) -> None:
    """Claim value and derivatives of random index notation, and that its text is read back."""
    kind = draw.integer(0, 19)
    if kind < 3:
        (meant, meant, linear)[kind](draw, trial)
        return
    named = draw.flag(0.3)
    e = expression(draw, trial, named)
    has_derivative = differentiate(trial, draw, e)
    which = draw.choice(["f", "J"]) if has_derivative else "f"
    displayed(trial, draw, which)
    if has_derivative and not named:
        forms(trial, draw, "J", 2)
    reads_back(trial, which, list(e.arrays), trial.get(trial.numbers(which)))
    if not named:
        if has_derivative:
            entries(draw, trial, e)
        substituted(draw, trial, e)


# --- parts of derivatives, and expressions put in -----------------------------------------------


def entries(draw: Draw, trial: Trial, e: Expression) -> None:
    """Claim that a derivative by entries is the slice of the whole, `J`."""
    name = trial.space["J"].formula.heading.wrt[-1][0]
    shape, whole = e.arrays[name].shape, np.asarray(trial.get("np.asarray(J)"))
    if not shape or 0 in shape or not np.all(np.isfinite(whole)):
        return
    key, texts = [], []
    for size in shape:
        k = draw.integer(0, size - 1)
        run = slice(k, draw.integer(k + 1, size), draw.choice([1, 1, 2]))
        spelled = f"{run.start}:{run.stop}:{run.step}"
        item, text = draw.choice([(k, f"{k}"), (slice(None), ":"), (run, spelled)])
        key.append(item)
        texts.append(text)
    text = f"{name}[{', '.join(texts)}]"
    if slice not in {type(item) for item in key if item != slice(None)} and draw.flag():
        labels = [t if t != ":" else n for t, n in zip(texts, "ijkl", strict=False)]
        text = f"{name}_{{{','.join(labels)}}}"
    trial.do(f"E = ed.grad(f, wrt={text!r})")
    expected = whole[(slice(None),) * e.value.ndim + tuple(key)]
    trial.agrees("derivative by entries", "np.asarray(E)", expected)
    reads_back(trial, "E", list(e.arrays), expected)


def substituted(draw: Draw, trial: Trial, e: Expression) -> None:
    """Claim that what takes the place of a variable is that variable's value."""
    name = draw.choice(sorted(e.arrays))
    array = e.arrays[name]
    labels = "ijkl"[: array.ndim]
    old, new = (f"{n}_{labels}" if labels else n for n in (name, "new"))
    turned = f"new_{{{','.join(labels[::-1])}}}" if labels else "new"
    text, value = draw.choice(
        [
            (f"2 {new}", lambda a: 2 * a),
            (f"{new} - {old}", lambda a: a - array),
            (f"{old} = {turned}", lambda a: a.T),
            (f"sin({new})", np.sin),
        ]
    )
    is_turned = turned in text and turned != new
    source = drawing.array(draw, array.shape[::-1] if is_turned else array.shape)
    given = np.asarray(eval(source, {"np": np}))
    with np.errstate(all="ignore"):
        expected = e.truth({**e.arrays, name: value(given)})
        doubt = oracles.rounding(e.truth, {**e.arrays, name: value(given)}, expected)
    trial.do(f"S = f.substitute({name}={text!r}, new={source})")
    trial.agrees("substitution", "np.asarray(S)", expected, 1e-9, doubt)


# --- linear maps ------------------------------------------------------------------------------

#: Terms of a linear function of a matrix X, with square matrices A, B and vectors u, v.
TERMS = (
    *("X_ij", "X_ji", "X_ii", "X_ii u_j", "u_i X_jj", "δ_ij X_kk", "A_ik X_kj", "X_ik B_kj"),
    *(
        "A_ik X_kl B_lj",
        "A_ij X_kk",
        "u_i X_jk v_k",
        "A_ij X_ij",
        "δ_ij X_ij",
        "u_i X_ij",
        "u_i v_j X_kk",
    ),
    *("X_ij v_j", "δ_ij u_k X_ik", "X_ki A_kj", "u_i v_j A_kl X_kl", "δ_ij A_kl X_kl"),
)
#: And of a vector x.
ROWS = (
    "x_i",
    "u_i x_i",
    "A_ij x_j",
    "u_i v_j x_j",
    "u_i Σ_j x_j",
    "A_ji x_j",
    "A_ii x_i",
    "δ_i0 x_i",
)


def linear(draw: Draw, trial: Trial) -> None:
    """Claim that equations with the structures of linear maps are solved."""
    size = draw.choice([1, 2, 2, 3])
    terms = draw.some(*draw.choice([(TERMS, 3), (TERMS, 2), (TERMS, 1), (ROWS, 2)]))
    matrix = "X" in terms[0]
    text = f"f_{'ij' if matrix else 'i'} = {draw.choice(['', '2 ', '-'])}{' + '.join(terms)}"
    name = "X" if matrix else "x"
    shapes = {
        name: (size,) * (1 + matrix),
        "A": (size,) * 2,
        "B": (size,) * 2,
        "u": (size,),
        "v": (size,),
    }
    used = [n for n in shapes if re.search(rf"{n}_", text)]
    trial.do(*(f"{n} = {drawing.array(draw, shapes[n])}" for n in used))
    trial.do(f"f = ed.parse({text!r}, {', '.join(f'{n}={n}' for n in used)})")
    trial.do(f"J = ed.grad(f, wrt={name!r})")
    forms(trial, draw, "J", 4)
    displayed(trial, draw, "J", 1)


# --- what books write -------------------------------------------------------------------------

#: Texts that are easily read as something else, with what they mean; they may be refused.
MEANT: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("{x}^T {A} {x}", lambda x, y, A, B: x @ A @ x),
    ("{x}ᵀ {A} {y}", lambda x, y, A, B: x @ A @ y),
    ("{A}ᵀ {A}", lambda x, y, A, B: A.T @ A),
    ("{A} {x}", lambda x, y, A, B: A @ x),
    ("{A} {B} {x}", lambda x, y, A, B: A @ B @ x),
    ("{x}' {A} {y}", lambda x, y, A, B: x @ A @ y),
    ("{A}^-1 {x}", lambda x, y, A, B: np.linalg.solve(A, x)),
    ("sin {x}_{i}", lambda x, y, A, B: np.sin(x)),
    ("exp {x}_{i}", lambda x, y, A, B: np.exp(x)),
    ("Σ_{i} {x}_{i} {y}_{i}^{i}", lambda x, y, A, B: x @ y ** np.arange(len(x))),
    ("Σ_{i} {i} {x}_{i}", lambda x, y, A, B: x @ np.arange(len(x))),
    ("sum_{i} {x}_{i} {y}_{i}", lambda x, y, A, B: x @ y),
    ("sum({x}_{i} {y}_{i})", lambda x, y, A, B: x @ y),
    ("prod_{i} {x}_{i}", lambda x, y, A, B: np.prod(x)),
    ("delta_{i}{j} {A}_{i}{j}", lambda x, y, A, B: np.trace(A)),
    ("{x}_{i} {y}^{i}", lambda x, y, A, B: x @ y),
    ("{A}^{i}_{j} {x}_{i}", lambda x, y, A, B: x @ A),
    ("{A}_{i}^{j} {x}_{j}", lambda x, y, A, B: A @ x),
    ("e^({x}_{i})", lambda x, y, A, B: np.exp(x)),
    ("e^{x}_{i}", lambda x, y, A, B: np.exp(x)),
    ("tr({A} {B})", lambda x, y, A, B: np.trace(A @ B)),
    ("tr {A}", lambda x, y, A, B: np.trace(A)),
    ("ln {x}_{i}", lambda x, y, A, B: np.log(x)),
    ("|{x}_{i}|", lambda x, y, A, B: np.abs(x)),
    ("{x}_{i} · {y}_{i}", lambda x, y, A, B: x @ y),
    ("{x} · {y}", lambda x, y, A, B: x @ y),
    ("||{x}||^2", lambda x, y, A, B: x @ x),
    ("‖{x}‖²", lambda x, y, A, B: x @ x),
    ("2{x}_{i}", lambda x, y, A, B: 2 * x),
    ("1/2 {x}_{i} {A}_{i}{j} {x}_{j}", lambda x, y, A, B: x @ A @ x / 2),
    ("1/2{x}_{i}", lambda x, y, A, B: x / 2),
    ("max_{i} {x}_{i}", lambda x, y, A, B: np.max(x)),
    ("{x}[{i}] {y}[{i}]", lambda x, y, A, B: x @ y),
)


def meant(draw: Draw, trial: Trial) -> None:
    """Claim that what books write is read as they mean it, or not at all."""
    pattern, value = draw.choice(MEANT)
    x, y, p, q = draw.some("xyuvwab", 2) + draw.some("ABCDMXRQ", 2)
    i, j = draw.some("ijkl", 2)
    text = pattern
    for name, letter in zip("xyABij", (x, y, p, q, i, j), strict=True):
        text = text.replace(f"{{{name}}}", letter)
    sources = {n: drawing.array(draw, (2,), 0.5, 1.5) for n in (x, y)}
    sources |= {n: drawing.square(draw, 2) for n in (p, q)}
    arrays = {n: np.asarray(eval(source, {"np": np})) for n, source in sources.items()}
    used = [n for n in sources if n in text]
    if draw.flag():
        trial.do(*(f"{n} = {sources[n]}" for n in used))
        trial.do(f"f = ed.parse({text!r}, {', '.join(f'{n}={n}' for n in used)})")
        found = "np.asarray(f)"
    else:
        trial.do(f"f = ed.parse({text!r})")
        trial.do(f"given = dict({', '.join(f'{n}={sources[n]}' for n in used)})")
        found = "f(**given)"
    expected = value(*(arrays[n] for n in (x, y, p, q)))
    trial.holds("meant: variables", f"set(f.names) <= set({used})")
    trial.holds("meant: axes", f"f.ndim == {np.ndim(expected)}")
    trial.agrees("meant", found, expected)
