"""Random expressions with named sizes, and values for them.

Everything that a product can have is drawn: labels that repeat in the output, that no factor has,
or that are summed without any factor; sizes that are names, and numbers, 1 among them; relations,
shared parts, functions of entries, of rows and of matrices.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from fractions import Fraction

import numpy as np

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.function_records import lookup
from einsdiff.algebra.nodes.interning import Node, Shape, Variable, constant, variable
from einsdiff.algebra.nodes.nodes import add, call, einsum, related
from tests.grid import NoValueError, evaluate

SHAPES: list[Shape] = [(), ("n",), ("n", "n"), ("n", "m"), (2,), ("n", 1), ("m", 2)]
#: Labels with their sizes. No variable has an axis of size l, which is only ever summed.
LABELS = {
    **dict.fromkeys("ijk", "n"),
    **dict.fromkeys("ab", "m"),
    **dict.fromkeys("pq", 2),
    "o": 1,
    "r": 3,
    "u": "l",
}
ROWS = ["n", "n", "m", 2, 1, 3]
COEFFICIENTS = [1, 1, 1, -1, -1, 2, Fraction(-1, 2), Fraction(1, 3), 0.3, -1.5]
EXPONENTS = [2, 3, -1, -1, -2, Fraction(1, 2), Fraction(-1, 2), Fraction(3, 2), 0.5, 0.3]
UNARY = [
    *("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "abs", "sign", "relu"),
    *("sigmoid", "arcsin", "arctan", "log1p", "expm1", "floor", "softplus", "arctanh"),
]
BINARY = ["maximum", "minimum", "greater", "equal", "hypot"]

#: What the named sizes are: also 0 and 1.
SIZES = [
    {"n": 2, "m": 3, "l": 2},
    {"n": 3, "m": 2, "l": 5},
    {"n": 1, "m": 2, "l": 1},
    {"n": 0, "m": 2, "l": 3},
    {"n": 2, "m": 0, "l": 0},
]


class Expressions:
    """Expressions drawn from one seed; parts that were drawn once are used again."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.variables: dict[str, Variable] = {}
        self.made: dict[Shape, list[Node]] = {}

    def any(self) -> Node:
        """Draw an expression of some shape."""
        return self.of(self.random.choice(SHAPES), self.random.choice([2, 3, 3, 4]))

    def of(self, shape: Shape, depth: int) -> Node:
        """Draw an expression of this shape."""
        if self.made.get(shape) and self.random.random() < 0.25:
            return self.random.choice(self.made[shape])
        node = self.new(shape, depth)
        assert node.shape == shape
        self.made.setdefault(shape, []).append(node)
        return node

    def new(self, shape: Shape, depth: int) -> Node:
        kind = self.random.random()
        if depth <= 0 or kind < 0.1:
            return self.variable(shape)
        if kind < 0.35:
            terms = range(self.random.randint(1, 4))
            choose = self.random.choice
            return add([(choose(COEFFICIENTS), self.of(shape, depth - 1)) for _ in terms], shape)
        return self.product(shape, depth) if kind < 0.7 else self.call(shape, depth)

    def variable(self, shape: Shape) -> Variable:
        name = f"v{self.random.randrange(2)}_" + "_".join(map(str, shape))
        is_square = len(shape) == 2 and shape[0] == shape[1]
        is_symmetric = is_square and self.random.random() < 0.3
        name += "s" * is_symmetric
        return self.variables.setdefault(name, variable(name, shape, is_symmetric))

    def product(self, shape: Shape, depth: int) -> Node:
        choose, chance = self.random.choice, self.random.random
        labels = self.random.sample(list(LABELS), self.random.randint(1, 4))
        factors: list[Node] = []
        subscripts: list[list[str]] = []
        for _ in range(self.random.randint(0, 3)):
            own = [choose(labels) for _ in range(choose([0, 1, 1, 2, 2, 3]))]
            factors.append(self.of(tuple(LABELS[label] for label in own), depth - 1))
            subscripts.append(own)
        if factors and chance() < 0.3:
            k = self.random.randrange(len(factors))
            factors.append(factors[k])
            subscripts.append(subscripts[k])
        if chance() < 0.15:
            own = [choose(labels) for _ in range(choose([2, 2, 3]))]
            coefficients = [choose([1, -1, 1, -1, 2, 3]) for _ in own]
            sizes = [LABELS[label] for label in own]
            factors.append(related(sizes, coefficients, choose([0, 0, 1, -1, 2]), chance() < 0.7))
            subscripts.append(own)
        output = []
        for size in shape:
            some = [label for label in labels if LABELS[label] == size]
            every = [label for label in LABELS if LABELS[label] == size]
            output.append(choose(some if some and chance() < 0.8 else every))
        given = {label: LABELS[label] for label in output}
        given |= {f"summed{k}": choose(["n", "m", "l", 2]) for k in range(choose([0, 0, 0, 1, 2]))}
        inline = [k for k in range(len(factors)) if chance() < 0.3]
        return einsum(factors, subscripts, output, given, inline)

    def call(self, shape: Shape, depth: int) -> Node:
        choose, kind, below = self.random.choice, self.random.random(), depth - 1
        if kind < 0.25 and len(shape) >= 2 and shape[-1] == shape[-2]:
            return call(FUNCTIONS["inv"], [self.of(shape, below)])
        if kind < 0.25 and len(shape) == 1:
            return call(lookup("solve", (2, 1)), [self.of(shape * 2, below), self.of(shape, below)])
        if kind < 0.4 and len(shape) < 3:
            size = choose(ROWS)
            if kind < 0.3:
                matrices = self.of((*shape, size, size), below)
                return call(FUNCTIONS[choose(["det", "logdet"])], [matrices])
            name = choose(["max", "prod", "logsumexp", "min"])
            return call(lookup(name, (1,)), [self.of((*shape, size), below)])
        if kind < 0.45 and shape:
            return call(lookup(choose(["softmax", "cumsum"]), (1,)), [self.of(shape, below)])
        first = self.of(shape, below)
        if kind < 0.65:
            return call(FUNCTIONS["power"], [first, constant(choose(EXPONENTS))])
        if kind < 0.75:
            other = first if self.random.random() < 0.3 else self.of(shape, below)
            return call(FUNCTIONS[choose(BINARY)], [first, other])
        return call(FUNCTIONS[choose(UNARY)], [first])


def points(
    variables: Mapping[str, Variable],
) -> Iterator[tuple[dict[str, np.ndarray], dict[str, int]]]:
    """Yield arrays for variables, of any sign and positive, with each of the `SIZES`."""
    for seed, sizes in enumerate(SIZES):
        for is_positive in (False, True):
            rng = np.random.default_rng(seed)
            arrays = {}
            for name, v in variables.items():
                shape = [sizes.get(size, size) for size in v.shape]
                values = rng.uniform(0.3, 1.7, shape)
                if not is_positive:
                    values = values * rng.choice([-1, 1], shape)
                arrays[name] = values + values.swapaxes(0, 1) if v.symmetric else values
            yield arrays, sizes


def same_value(node: Node, other: Node, variables: Mapping[str, Variable]) -> int:
    """Compare two nodes where the first has a value; return at how many points that was."""
    assert other.shape == node.shape
    compared = 0
    for arrays, sizes in points(variables):
        try:
            expected = evaluate(node, arrays, sizes)
            found = evaluate(other, arrays, sizes, careful=False)
        except NoValueError:
            continue
        # What has no value may come to stand before a sum of no terms, as a factor.
        if 0 in sizes.values() and not np.isfinite(found).all():
            continue
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
        compared += 1
    return compared
