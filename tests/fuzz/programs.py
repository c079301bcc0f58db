"""Random NumPy programs: the same source run on arrays, on tensors, and by JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np

from tests.fuzz import drawing
from tests.fuzz.drawing import Draw
from tests.fuzz.expressions import Expression, differentiate, displayed, forms, reads_back
from tests.fuzz.trials import Trial

#: A size: a number, or a name that stands for one.
Size = int | str
Shape = tuple[Size, ...]

VARIABLES: dict[str, Shape] = {
    "x": ("n",),
    "y": ("n",),
    "b": ("m",),
    "A": ("m", "n"),
    "B": ("n", "n"),
    "T": ("k", "m", "n"),
    "s": (),
}
ENTRYWISE = (
    *(
        "np.sin({})",
        "np.cos({})",
        "np.tanh({})",
        "np.exp({})",
        "np.arctan({})",
        "-{}",
        "np.square({})",
    ),
    *(
        "np.log(1 + {}**2)",
        "np.sqrt(1 + {}**2)",
        "1 / (1 + {}**2)",
        "{}**2",
        "{}**3",
        "np.sinh({})",
    ),
    *(
        "(1 + {}**2)**0.5",
        "(1 + {}**2)**-1",
        "np.expm1({})",
        "2 * {}",
        "{} / 3",
        "{} - 1",
        "1 - {}",
    ),
    "np.reciprocal(2 + {}**2)",
)
KINKED = (
    *("np.abs({})", "np.maximum({}, 0)", "np.sign({})", "np.cbrt(2 + {})", "np.clip({}, -1, 1)"),
    *("np.logaddexp({}, 0)", "np.where({0} > 0, {0}, 2 * {0})", "np.heaviside({}, 0.5)"),
)
OF_TWO = ("{} * {}", "{} + {}", "{} - {}", "{} / (1 + {}**2)", "np.multiply({}, {})")
KINKED_OF_TWO = (
    "np.maximum({}, {})",
    "np.hypot({}, {})",
    "np.logaddexp({}, {})",
    "np.arctan2({}, 2 + {}**2)",
)


@dataclass
class Program:
    """Draws expressions of given shapes, from the inside of which names may be given away.

    An expression is in brackets where it needs them, so that it can stand anywhere.
    """

    draw: Draw
    variables: dict[str, Shape]
    used: set[str] = field(default_factory=set)
    lines: list[tuple[str, str, Shape]] = field(default_factory=list)
    analytic: bool = True
    has_inverse: bool = False

    def of(self, shape: Shape, depth: int) -> str:
        """Draw an expression of this shape."""
        known = [name for name, _, theirs in self.lines if theirs == shape]
        if known and self.draw.flag(0.2):
            return self.draw.choice(known)
        if depth <= 0:
            return self.leaf(shape)
        kind = self.draw.integer(0, 9)
        if kind < 3:
            found = self.entrywise(shape, depth)
        elif kind < 5:
            found = self.of_two(shape, depth)
        else:
            makers: tuple[Callable[..., str], ...] = (
                self.scalar,
                self.vector,
                self.matrix,
                self.block,
            )
            found = makers[len(shape)](*shape, depth=depth - 1)
        found = f"({found})"
        if self.draw.flag(0.15):
            name = f"t{len(self.lines)}"
            self.lines.append((name, found[1:-1], shape))
            return name
        return found

    def leaf(self, shape: Shape) -> str:
        """Write a variable, or what makes the shape of variables."""
        alike = [name for name, theirs in self.variables.items() if theirs == shape]
        if not alike:
            return self.made(shape)
        name = self.draw.choice(alike)
        self.used.add(name)
        return name

    def made(self, shape: Shape) -> str:
        """Make a shape that no variable has by an outer product or a sum."""
        if len(shape) == 0:
            vector = self.draw.choice([s for s in self.variables.values() if len(s) == 1])
            return f"np.sum({self.leaf(vector)})"
        if len(shape) == 1:
            tables = [s for s in self.variables.values() if len(s) == 2 and s[0] == shape[0]]
            if tables:
                return f"np.sum({self.leaf(self.draw.choice(tables))}, axis=1)"
            blocks = [s for s in self.variables.values() if len(s) == 3 and s[0] == shape[0]]
            if blocks:
                return f"np.sum({self.leaf(blocks[0])}, axis=(1, 2))"
            return self.spread(shape[0])
        if len(shape) == 2:
            return f"np.outer({self.leaf(shape[:1])}, {self.leaf(shape[1:])})"
        return f"({self.leaf(shape[:1])}[:, None, None] * {self.leaf(shape[1:])})"

    def spread(self, size: Size) -> str:
        """Make a vector of a size that is not the first of any variable."""
        for name, shape in self.variables.items():
            if size in shape:
                self.used.add(name)
                axes = tuple(k for k in range(len(shape)) if k != shape.index(size))
                return f"np.sum({name}, axis={axes})"
        return f"(np.ones({size}) * {self.leaf(())})"

    def entrywise(self, shape: Shape, depth: int) -> str:
        kinked = self.draw.flag(0.12)
        self.analytic &= not kinked
        return self.draw.choice(KINKED if kinked else ENTRYWISE).format(self.of(shape, depth - 1))

    def of_two(self, shape: Shape, depth: int) -> str:
        kinked = self.draw.flag(0.1)
        self.analytic &= not kinked
        other: Shape = self.draw.choice([shape, shape, shape[1:], ()])
        pair = [self.of(shape, depth - 1), self.of(other, depth - 1)]
        return self.draw.choice(KINKED_OF_TWO if kinked else OF_TWO).format(
            *self.draw.shuffled(pair)
        )

    def scalar(self, depth: int) -> str:
        draw = self.draw
        n = self.size()
        kind = draw.integer(0, 13)
        if kind == 0:
            return f"{self.of((n,), depth)} @ {self.of((n,), depth)}"
        if kind == 1:
            return f"np.trace({self.of((n, n), depth)})"
        if kind == 2:
            return f"np.mean({self.of((n,), depth)})"
        if kind == 3:
            return f"np.prod({self.of((n,), depth)})"
        if kind == 4 and "B" in self.variables:
            self.used.add("B")
            return "np.linalg.det(B)"
        if kind == 5:
            self.analytic = False
            how = draw.choice(["np.var", "np.max", "np.linalg.norm", "np.min", "np.std", "np.ptp"])
            if how == "np.std" and (isinstance(n, str) or n < 2):
                how = "np.var"  # the standard deviation of one number has no derivative
            return f"{how}({self.of((n,), depth)})"
        if kind == 6:
            return f"np.mean({self.of((n,), depth)} * np.mean({self.of((n,), depth)}))"
        if kind == 7:
            m = self.size()
            operands = ", ".join(self.of(shape, depth) for shape in ((m, n), (n,), (m,)))
            return f"np.einsum('ij,j,i', {operands})"
        if kind == 8:
            return f"np.sum(np.stack([{', '.join(self.of((), depth) for _ in range(3))}])**2)"
        if kind == 9 and isinstance(n, int):
            return f"{self.of((n,), depth)}[{draw.choice([0, -1])}]"
        m = self.size()
        return f"np.sum({self.of(draw.choice([(n,), (n,), (m, n)]), depth)})"

    def vector(self, n: Size, depth: int) -> str:
        draw, m = self.draw, self.size()
        kind = draw.integer(0, 15)
        if kind == 0:
            return f"{self.of((n, m), depth)} @ {self.of((m,), depth)}"
        if kind == 1:
            return f"np.sum({self.of((n, m), depth)}, axis={draw.choice([1, -1])})"
        if kind == 2:
            return f"{self.of((m, n), depth)}.sum(0)"
        if kind == 3:
            return f"np.mean({self.of((m, n), depth)}, axis=0)"
        if kind == 4:
            return f"np.diag({self.of((n, n), depth)})"
        if kind == 5:
            return f"np.cumsum({self.of((n,), depth)})"
        if kind == 6 and n == self.variables.get("B", (None,))[0]:
            self.has_inverse = True
            self.used.add("B")
            return f"np.linalg.{draw.choice(['solve(B, {})', 'inv(B) @ {}'])}".format(
                self.of((n,), depth)
            )
        if kind == 7 and isinstance(n, int):
            return f"{self.of((n,), depth)}[::-1]"
        if kind == 8 and isinstance(n, int):
            return f"np.roll({self.of((n,), depth)}, {draw.choice([1, -1, 2])})"
        if kind == 9 and isinstance(n, int) and n > 0:
            return f"np.stack([{', '.join(self.of((), depth) for _ in range(n))}])"
        if kind == 10 and isinstance(n, int) and n > 1:
            parts = [self.of((n - 1,), depth), self.of((1,), depth)]
            return f"np.concatenate([{', '.join(draw.shuffled(parts))}])"
        if kind == 11 and isinstance(n, int) and n > 0:
            more = self.of((n + 1,), depth)
            return draw.choice([f"np.diff({more})", f"{more}[1:]", f"{more}[:-1]"])
        if kind == 12:
            return f"np.einsum('ii->i', {self.of((n, n), depth)})"
        if kind == 13:
            self.analytic = False
            return (
                f"np.{draw.choice(['max', 'min', 'linalg.norm'])}({self.of((m, n), depth)}, axis=0)"
            )
        if kind == 14 and draw.flag(0.2):
            inner = self.of((n,), depth)
            return f"{inner} / {inner}.shape[0]"
        if kind == 14:
            return f"{self.of((n,), depth)} - np.mean({self.of((n,), depth)})"
        inner = self.of((n,), depth)
        return f"np.exp({inner}) / np.sum(np.exp({inner}))"

    def matrix(self, m: Size, n: Size, depth: int) -> str:
        draw, k = self.draw, self.size()
        kind = draw.integer(0, 9)
        if kind == 0:
            return f"{self.of((m, k), depth)} @ {self.of((k, n), depth)}"
        if kind == 1:
            return f"{self.of((n, m), depth)}.T"
        if kind == 2:
            return f"np.outer({self.of((m,), depth)}, {self.of((n,), depth)})"
        if kind == 3:
            return f"{self.of((m,), depth)}[:, None] * {self.of((m, n), depth)}"
        if kind == 4 and m == n:
            return f"np.diag({self.of((n,), depth)})"
        if kind == 5 and m == n == self.variables.get("B", (None,))[0]:
            self.has_inverse = True
            self.used.add("B")
            return "np.linalg.inv(B)"
        if kind == 6:
            return f"np.{draw.choice(['tril', 'triu'])}({self.of((m, n), depth)})"
        if kind == 7:
            return f"{self.of((m,), depth)}[:, None] - {self.of((n,), depth)}"
        if kind == 8:
            return f"np.cumsum({self.of((m, n), depth)}, axis={draw.choice([0, 1])})"
        if isinstance(m, int) and isinstance(n, int):
            return f"np.reshape({self.of((m * n,), depth)}, ({m}, {n}))"
        return f"np.einsum('ik,jk->ij', {self.of((m, k), depth)}, {self.of((n, k), depth)})"

    def block(self, k: Size, m: Size, n: Size, depth: int) -> str:
        if self.draw.flag():
            return f"np.einsum('i,jk->ijk', {self.of((k,), depth)}, {self.of((m, n), depth)})"
        return f"{self.of((k, m), depth)}[:, :, None] * {self.of((m, n), depth)}"

    def size(self) -> Size:
        """Choose a size that some variable has."""
        sizes = sorted({size for shape in self.variables.values() for size in shape}, key=str)
        return self.draw.choice(sizes)


def drawn(draw: Draw, sizes: Mapping[str, int] | None) -> tuple[Program, str]:
    """Draw the source of a function, of named sizes if none are given."""
    names = ["x", *draw.some([n for n in VARIABLES if n != "x"], draw.integer(1, 2))]
    shapes = {n: tuple(sizes[str(size)] if sizes else size for size in VARIABLES[n]) for n in names}
    program = Program(draw, shapes)
    shape: Shape = ()
    for _ in range(draw.choice([0, 0, 0, 1, 1, 2])):
        shape = (*shape, program.size())
    result = program.of(shape, draw.integer(1, 3))
    lines = [f"    {name} = {source}" for name, source, _ in program.lines]
    if not program.used:
        result = f"{result} * np.sum(x)"
        program.used.add("x")
    used = [name for name in shapes if name in program.used]
    return program, "\n".join([f"def program({', '.join(used)}):", *lines, f"    return {result}"])


def sources_of(draw: Draw, program: Program, sizes: Mapping[str, int]) -> dict[str, str]:
    """Draw the arrays that the program uses."""
    found = {}
    for name, shape in program.variables.items():
        if name in program.used:
            numbers = tuple(sizes[size] if isinstance(size, str) else size for size in shape)
            if name == "B" and program.has_inverse:
                found[name] = drawing.square(draw, numbers[0])
            elif name == "B" and draw.flag(0.2):  # singular
                rows = [float(k) for k in range(1, numbers[0] + 1)]
                found[name] = f"np.outer({rows}, {rows[::-1]})"
            else:
                found[name] = drawing.array(draw, numbers)
    return found


def sizes_drawn(draw: Draw) -> dict[str, int]:
    return {n: draw.choice([2, 3, 2, 3, 4, 1]) for n in "mnk"}


def expression(draw: Draw, trial: Trial, named: bool) -> Expression:
    """Build what a program gives: traced, or run on tensors with arrays, or of named sizes."""
    sizes = sizes_drawn(draw)
    program, source = drawn(draw, None if named else sizes)
    while len(source) > 400:
        program, source = drawn(draw, None if named else sizes)
    sources = sources_of(draw, program, sizes)
    trial.do(source)
    if named:
        trial.do(f"given = {{{', '.join(f'{n!r}: {s}' for n, s in sources.items())}}}")
        for name in sources:
            trial.do(f"{name} = ed.tensor({name!r}, {program.variables[name]})")
        trial.do(f"f = program({', '.join(sources)})")
    elif draw.flag():
        trial.do(*(f"{name} = ed.tensor({name!r}, {text})" for name, text in sources.items()))
        trial.do(f"f = program({', '.join(sources)})")
    else:
        trial.do(*(f"{name} = {text}" for name, text in sources.items()))
        arrays = ", ".join(sources)
        trial.do(f"f = ed.value_and_grad(program, {arrays}, wrt={next(iter(sources))!r})[0]")
    return Expression(
        truth_of(source, list(sources)),
        {name: np.asarray(eval(text, {"np": np})) for name, text in sources.items()},
        program.analytic,
    )


def truth_of(source: str, names: Sequence[str], library: Any = np) -> Callable[..., Any]:
    """Run a source on arrays, by NumPy or by a library that looks alike."""
    space: dict[str, Any] = {"np": library}
    exec(source, space)
    return lambda arrays: space["program"](*(arrays[name] for name in names))


# --- programs of other kinds ------------------------------------------------------------------


def recurrence(draw: Draw, trial: Trial) -> Expression:
    """Build a state that is computed from itself a few times, of large and small steps."""
    steps = draw.integer(2, 5)
    step = draw.choice(
        ["h * np.tanh(B @ h)", "np.tanh(B @ h + x)", "h + x * (B @ h)", "h / (1 + h @ h)"]
    )
    end = draw.choice(["h", "np.sum(h)", "np.sum(h**2)"])
    body = f"    h = x\n    for _ in range({steps}):\n        h = {step}\n    return {end}"
    source = f"def program(x, B):\n{body}"
    arrays = {"x": drawing.array(draw, (2,)), "B": drawing.array(draw, (2, 2))}
    trial.do(source, *(f"{name} = ed.tensor({name!r}, {text})" for name, text in arrays.items()))
    trial.do("f = program(x, B)")
    values = {name: np.asarray(eval(text, {"np": np})) for name, text in arrays.items()}
    return Expression(truth_of(source, ["x", "B"]), values)


SLICED = (
    *("{}", "{} * {}", "{} - {}", "np.sum(({} - {})**2)", "np.outer({}, {})", "{} @ {}"),
    *("np.sin({}) * {}", "A[{a}, {b}] @ {}", "np.concatenate([{}, {}])"),
)


def sliced(draw: Draw, trial: Trial) -> None:
    """Claim values, derivatives and texts of parts of vectors and matrices."""
    size, length = draw.integer(3, 5), draw.integer(1, 3)

    def part(axis: int = size) -> str:
        start = draw.integer(0, axis - length)
        stop: Any = start + length
        if stop == axis or draw.flag(0.3):
            stop = "" if stop == axis else stop - axis
        return f"{start or ''}:{stop}"

    parts = [f"x[{part()}]", f"y[{part()}]", f"A[{draw.integer(0, 2)}, {part()}]"]
    parts += [f"A[{part()}, {draw.integer(0, size - 1)}]", f"x[{part()}][::-1]"]
    places = draw.some(parts, 2)
    form = draw.choice(SLICED)
    form = form.replace("{a}", part()).replace("{b}", part())
    source = f"def program(x, y, A):\n    return {form.format(*places)}"
    arrays = {"x": (size,), "y": (size,), "A": (size, size)}
    trial.do(source)
    trial.do(*(f"{n} = ed.tensor({n!r}, {drawing.array(draw, s)})" for n, s in arrays.items()))
    trial.do("f = program(x, y, A)")
    values = {name: np.asarray(trial.get(f"np.asarray({name})")) for name in arrays}
    values = {name: values[name] for name in arrays if name in trial.space["f"].names}
    run = truth_of(source, list(arrays))
    absent = {name: np.zeros(shape) for name, shape in arrays.items()}
    e = Expression(lambda moved: run({**absent, **moved}), values)
    has_derivative = differentiate(trial, draw, e)
    for which in ("f", "J")[: 1 + has_derivative]:
        reads_back(trial, which, list(values), trial.get(trial.numbers(which)))


REDUCTIONS = (
    *(
        "np.sum({})",
        "np.sum({}, axis=0)",
        "np.prod({})",
        "np.cumsum({})",
        "np.trace({})",
        "{}.sum()",
    ),
    *(
        "np.mean({})",
        "np.max({})",
        "np.var({})",
        "{0} + {0}",
        "{0} * {0}",
        "np.einsum('ij->i', {})",
    ),
    *(
        "{} @ {0}.T",
        "-{}",
        "{} + 1",
        "{} / 2",
        "{}**2",
        "np.sqrt({})",
        "np.square({})",
        "np.abs({})",
    ),
)
INTEGERS = ("uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "float32")


def reduced(draw: Draw, trial: Trial) -> None:
    """Claim that functions of small integers have NumPy's values and NumPy's dtypes.

    A negative coefficient makes unsigned integers signed ones, where NumPy's wrap around, and
    functions make all integers double precision, also those of which NumPy makes less.
    """
    dtype = draw.choice(INTEGERS)
    signed = dtype[0] != "u"
    rows = [[draw.integer(-9 * signed, 9) for _ in range(2)] for _ in range(2)]
    array = f"np.array({rows}, {dtype!r})"
    if draw.flag():
        array += " * 10" if dtype != "float32" else ""
    trial.do(f"a = {array}", "x = ed.tensor('x', a)")
    source = draw.choice(REDUCTIONS).replace("{}", "{0}")
    a = trial.space["a"]
    if source.startswith("-") and not signed:
        a = a.astype(np.result_type(a, np.int8))
    if source.startswith("np.sqrt") and a.dtype.kind in "iu":
        a = a.astype(float)
    expected = eval(source.format("a"), {"np": np, "a": a})
    trial.agrees("integers", f"np.asarray({source.format('x')})", expected, 1e-4, dtype=True)
    if draw.flag(0.3) and find_spec("torch") and dtype not in ("uint16", "uint32"):
        trial.do("import torch", f"x = ed.tensor('x', torch.tensor({array}))")
        name = source.format("x")
        trial.holds("integers of torch: dtype", f"({name}).dense().dtype == ({name}).dtype")


def decomposed(draw: Draw, trial: Trial) -> None:
    """Claim that decompositions read the triangle that NumPy's read."""
    size = draw.integer(1, 3)
    array = drawing.square(draw, size)
    source = draw.choice(
        [
            "eigvalsh({})",
            "eigh({})[0]",
            "cholesky({})",
            "eigvalsh({}, UPLO='U')",
            "eigh({}, 'U')[0]",
        ]
    )
    trial.do(f"a = {array}", "x = ed.tensor('x', a)")
    expected = eval(f"np.linalg.{source.format('a')}", {"np": np, "a": trial.space["a"]})
    trial.agrees("decompositions", f"np.asarray(np.linalg.{source.format('x')})", expected)


#: What goes around NumPy's protocols, of a vector of two entries: refused, or right.
AROUND = (
    "np.sum(np.array([x[0], x[1]**2]) * x)",
    "np.array([x[1], 2.0]) @ np.sin(x)",
    "np.sum(np.asarray(x) * x)",
    "np.full(2, x[0]) * x",
    "np.r_[x[0], x[1]] * x",
    "np.fromiter((v * v for v in x), float) * x",
    "float(x[0]) * x",
    "math.exp(x[0]) * x",
    "np.sum([x[0] * x[1], x[1]]) * x",
    "np.float64(x[0]) * x",
    "sum(x) * x",
    "sum(v * v for v in x) * x",
    "np.array(x) * x",
    "np.outer(np.asarray(x), x)",
    "np.concatenate([[x[0]], x]) @ np.ones(3) * x",
    "np.stack([[x[0], 1.0], x]) @ x",
    "np.array([[x[0], x[1]], [x[1], 1.0]]) @ x",
    "np.array([x, x * x]) @ x",
    "np.dot([x[0], 1.0], x)",
    "np.interp(x[0], [0.0, 2.0], [0.0, 1.0]) * x",
    "np.linspace(x[0], x[1], 2) * x",
    "np.vectorize(lambda v: v * v)(x) * x",
    "scipy.special.logsumexp(x) * x",
    "(x if x[0] > 0 else -x) * x[0]",
    "max(x[0], x[1]) * x",
    "x / len(x)",
    "x / x.shape[0]",
    "x * np.sqrt(x.shape[-1])",
    "x / x.size",
)
#: With values, a tensor gives numbers where it is asked for them; this can be seen of some.
SEEN = tuple(AROUND[k] for k in (0, 2, 5, 10, 11, 12, 13, 14, 15, 25, 26, 27, 28))
ASSIGNED = ("out[0] = x[0] * x[1]", "out[:] = x * x", "out += x", "out[0] += x[1]")


def around(draw: Draw, trial: Trial) -> None:
    """Claim that no dependence is lost where code asks tensors for numbers."""
    how = draw.integer(0, 2)
    if how == 1:
        body = f"    return {draw.choice(SEEN)}"
    elif draw.flag(0.2):
        body = f"    out = np.zeros(2)\n    {draw.choice(ASSIGNED)}\n    return out * x"
    else:
        body = f"    return {draw.choice(AROUND)}"
    source = f"def program(x):\n{body}"
    array = drawing.array(draw, (2,), 0.2, 1.5)
    trial.do("import math, scipy.special", source)
    if how == 0:
        trial.do(f"x = {array}", "f = ed.value_and_grad(program, x, wrt='x')[0]")
    elif how == 1:
        trial.do(f"x = ed.tensor('x', {array})", "f = program(x)")
    else:
        shape = draw.choice(["2", "'n'"])
        trial.do(f"given = {{'x': {array}}}", f"x = ed.tensor('x', {shape})", "f = program(x)")
    truth = truth_of(f"import math, scipy.special\n{source}", ["x"])
    values = {"x": np.asarray(eval(array, {"np": np}))}
    differentiate(trial, draw, Expression(truth, values, analytic=False))


def check(draw: Draw, trial: Trial) -> None:
    """Claim value and derivatives of a random program, and what JAX says of its gradient."""
    kind = draw.integer(0, 19)
    if kind < 4:
        return (reduced, decomposed, around, sliced)[kind](draw, trial)
    if kind == 4:
        differentiate(trial, draw, recurrence(draw, trial))
        return displayed(trial, draw, draw.choice(["f", "J"]), 3)
    named = draw.flag(0.3)
    e = expression(draw, trial, named)
    if not differentiate(trial, draw, e):
        return None
    if draw.flag(0.1):
        _jax(draw, trial, e)
    which = draw.choice(["f", "J"])
    displayed(trial, draw, which)
    if not named:
        forms(trial, draw, draw.choice(["J", "J", "H"]) if "H" in trial.space else "J", 2)
    return reads_back(trial, which, list(e.arrays), trial.get(trial.numbers(which)))


def _jax(draw: Draw, trial: Trial, e: Expression) -> None:
    """Compare a first derivative with JAX's."""
    if find_spec("jax") is None:
        return
    import jax

    jax.config.update("jax_enable_x64", True)
    (source,) = [line for line in trial.lines if line.startswith("def program")]
    names = list(e.arrays)
    run = truth_of(source, names, jax.numpy)
    one = draw.choice(names)
    try:
        expected = jax.jacfwd(lambda a: run({**e.arrays, one: a}))(e.arrays[one])
    except (TypeError, ValueError, AttributeError, NotImplementedError):
        return  # what JAX calls otherwise
    trial.do(f"K = ed.grad(f, wrt={one!r})")
    trial.agrees("first derivative: JAX", trial.numbers("K"), np.asarray(expected))
