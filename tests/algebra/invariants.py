"""What holds of every node of every expression, however it was built."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import (
    ONE,
    Add,
    Call,
    Constant,
    Delta,
    Einsum,
    Node,
    constant,
    delta,
    is_one,
    variable,
)
from einsdiff.algebra.nodes.nodes import MERGED_TERMS, add, call, einsum, is_zero, related, scale


def assert_canonical(roots: Iterable[Node]) -> None:
    """Check each node under the roots against what the module of nodes promises."""
    for node in topological(roots):
        if isinstance(node, Einsum):
            _check_product(node)
        elif isinstance(node, Add):
            _check_sum(node)
        elif isinstance(node, Call):
            assert call(node.function, node.args) is node


def _check_product(node: Einsum) -> None:
    for operand in node.operands:
        assert not isinstance(operand, Constant), "a number stays in a product"
        assert not (isinstance(operand, Delta) and operand.is_identity), "a delta stays"
        assert not is_zero(operand), "a product with zero stays"
        if isinstance(operand, Add):
            assert len(operand.terms) > 1, "a number times a node stays"
            assert operand.primitive == (1, operand), "a number can be taken out of a sum"
        if isinstance(operand, Einsum):
            assert not operand.is_view, "a view stays in a product"
            assert operand.core[0] is operand, "deltas or size factors stay inside of a factor"
    # Every label stands somewhere: in the result, in a factor, or as a size factor.
    carried = [label for labels in node.subscripts for label in labels]
    met = list(dict.fromkeys([*node.output, *carried, *node.loose]))
    assert sorted(met) == list(range(len(node.sizes)))
    for operand, labels in zip(node.operands, node.subscripts, strict=True):
        assert operand.shape == tuple(node.sizes[label] for label in labels)
    assert not any(isinstance(node.sizes[label], int) for label in node.loose)
    sizes = dict(enumerate(node.sizes))
    assert einsum(node.operands, node.subscripts, node.output, sizes) is node
    # ... and in another order, with other names.
    order = random.Random(0).sample(range(len(node.operands)), len(node.operands))
    name = {label: f"n{(7 * label) % 1009}" for label in sizes}
    again = einsum(
        [node.operands[k] for k in order],
        [[name[label] for label in node.subscripts[k]] for k in order],
        [name[label] for label in node.output],
        {name[label]: size for label, size in reversed(sizes.items())},
    )
    assert again is node
    core, axes, loose = node.core
    assert sorted(loose) == sorted(sizes[label] for label in node.loose)
    around = {label: sizes[label] for label in (*node.output, *node.loose)}
    assert einsum([core], [axes], node.output, around) is node


def _check_sum(node: Add) -> None:
    terms = [term for _, term in node.terms]
    assert len(set(terms)) == len(terms), "like terms are apart"
    for c, term in node.terms:
        assert c != 0
        assert term is ONE or not isinstance(term, Constant)
        assert term.shape == node.shape
        assert not (isinstance(term, Add) and len(term.terms) <= MERGED_TERMS)
    if len(terms) == 1:
        assert not is_one(node.terms[0][0])
        assert terms[0] is not ONE
    assert add(node.terms, node.shape) is node
    assert add(node.terms[::-1], node.shape) is node
    c, rest = node.primitive
    if isinstance(rest, Add) and rest.terms:
        assert rest.primitive == (1, rest)
    axes = range(len(node.shape))
    assert einsum([node], [axes], axes) is scale(c, rest)


class Builder:
    """Random expressions over a few variables, with deltas, relations, broadcasts and functions."""

    def __init__(self, seed: int, sizes: Sequence[int | str] = (2, 3, 1, "n")) -> None:
        self.rng = random.Random(seed)
        self.sizes = list(sizes)
        self.pool: list[Node] = [
            node
            for k, size in enumerate(self.sizes)
            for node in (
                variable(f"x{k}", (size,)),
                variable(f"A{k}", (size, self.sizes[k - 1])),
                variable(f"S{k}", (size, size), symmetric=True),
                delta(size),
            )
        ]
        self.pool += [variable("a", ()), constant(3)]
        for m in (2, 3):
            for offset in (-1, 0, 1):
                self.pool.append(related((2, m), (1, -1), offset))
        self.pool.append(related((2, 3, 6), (3, 1, -1)))

    def grow(self, steps: int) -> list[Node]:
        """Build that many expressions, from variables and from each other."""
        return [self.step() for _ in range(steps)]

    def step(self) -> Node:
        made = self.rng.choice([self.product, self.product, self.sum, self.sum, self.function])()
        if len(made.shape) <= 4:
            self.pool.append(made)
        return made

    def pick(self) -> Node:
        recent = self.pool[-8:] if self.rng.random() < 0.5 else self.pool
        return self.rng.choice(recent)

    def product(self) -> Node:
        rng = self.rng
        operands = [self.pick() for _ in range(rng.randint(1, 3))]
        label: dict[int | str, list[str]] = {
            size: [f"{size}{letter}" for letter in "ijk"] for size in (*self.sizes, 6)
        }
        subscripts = [
            [rng.choice(label.setdefault(s, [f"{s}i", f"{s}j"])) for s in node.shape]
            for node in operands
        ]
        used = {
            name: size
            for node, labels in zip(operands, subscripts, strict=True)
            for name, size in zip(labels, node.shape, strict=True)
        }
        for _ in range(rng.choice([0, 0, 0, 1])):
            size = rng.choice(self.sizes)
            used[f"{size}m"] = size
        most = rng.randint(0, min(4, len(used) + 1))
        output = [rng.choice(list(used)) for _ in range(most)] if used else []
        if rng.random() < 0.4:
            output = list(used)[:4]
        inline = [k for k in range(len(operands)) if rng.random() < 0.3]
        return einsum(operands, subscripts, output, used, inline)

    def sum(self) -> Node:
        first = self.pick()
        alike = [node for node in self.pool if node.shape == first.shape]
        if self.rng.random() < 0.4:  # a long sum, which sums do not merge
            alike = [variable(f"{letter}{first.shape}", first.shape) for letter in "pqrstuv"]
        terms = [self.rng.choice(alike) for _ in range(self.rng.choice([1, 2, 3, 12]))]
        common = self.rng.choice([1, 1, 2, 6, -1])
        numbers = [1, -1, 2, 3, 1]
        return add([(common * self.rng.choice(numbers), t) for t in [first, *terms]], first.shape)

    def function(self) -> Node:
        name = self.rng.choice(["sin", "exp", "abs", "tanh", "power"])
        node = self.pick()
        if name != "power":
            return call(FUNCTIONS[name], [node])
        return call(FUNCTIONS[name], [node, constant(self.rng.choice([2, 3, -1, -2]))])
