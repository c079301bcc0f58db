r"""From expressions to straight-line instructions, for given sizes.

The planner walks an expression once, children first. A product is contracted pair by pair in the
order that opt_einsum chooses, and each pair becomes the matrix product or the broadcast product
that it is. A sum, or a product with deltas, is written into one array: the core of

.. math:: \frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q

is ``x``, and it is written through the view of the zeroed result in which ``i`` and ``p`` step
together. No identity matrix is ever formed, nor any product with one.

>>> from einsdiff.algebra.nodes import einsum, variable
>>> x = variable("x", (3,))
>>> for step in plan([einsum([x], ["q"], "iiq", {"i": 2})], {}).instructions:
...     print(step.op, step.target, step.args, step.shape)
zeros t0 () (2, 2, 3)
diagonal t1 ('t0',) (2, 3)
assign t1 ('t1', 'x_') (2, 3)
"""

from __future__ import annotations

from cmath import isfinite
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any
from unicodedata import normalize

import opt_einsum as oe

from einsdiff.algebra.flatten import flatten
from einsdiff.algebra.nodes import (
    Add,
    Call,
    Constant,
    Delta,
    Einsum,
    Node,
    Number,
    Variable,
    is_one,
    variables_of,
)
from einsdiff.notation.subscripts import Size

__all__ = ["Instruction", "Plan", "plan"]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step of a program.

    Attributes
    ----------
    op
        What to do; `einsdiff.numeric.program` says how NumPy spells it.
    target
        The name of the array that it makes or writes into.
    args
        Names of arrays, or numbers.
    detail
        What else the operation needs: axes, a permutation, subscripts, a function.
    shape
        The shape of the target.
    """

    op: str
    target: str
    args: tuple[str, ...]
    detail: Any
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a program will do.

    Attributes
    ----------
    inputs
        The variables it reads, and the name that each has in it.
    instructions
        The steps.
    results
        The names of the results.
    shapes
        The shapes of the results.
    """

    inputs: tuple[tuple[Variable, str], ...]
    instructions: tuple[Instruction, ...]
    results: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @property
    def largest(self) -> tuple[int, ...]:
        """The shape of the largest array that the program allocates."""
        made = [step.shape for step in self.instructions if step.op not in VIEWS]
        return max([*made, *self.shapes], key=prod)


#: Operations that allocate nothing.
VIEWS = frozenset({"transpose", "expand", "diagonal", "assign", "accumulate"})


@dataclass(frozen=True, slots=True)
class _Array:
    name: str
    shape: tuple[int, ...]
    borrowed: bool = False  # whether it is, or views, an input


Labels = tuple[int, ...]


def plan(outputs: Iterable[Node], sizes: Mapping[str, int]) -> Plan:
    """Plan the evaluation of expressions.

    Parameters
    ----------
    outputs
        Expressions to evaluate together; what they share is computed once.
    sizes
        The number that each named size stands for.

    Returns
    -------
    Plan
        Straight-line instructions.
    """
    outputs = flatten(outputs)
    planner = _Planner(variables_of(outputs), sizes)
    results = [planner.result(node) for node in outputs]
    return Plan(
        tuple(planner.inputs.items()),
        tuple(planner.instructions),
        tuple(array.name for array in results),
        tuple(array.shape for array in results),
    )


@dataclass(frozen=True, slots=True)
class _Term:
    """A coefficient times a core, whose axes have these labels, laid out as these labels."""

    coefficient: Number
    core: Node | None  # None for ones
    labels: Labels
    layout: Labels


class _Planner:
    def __init__(self, variables: Sequence[Variable], sizes: Mapping[str, int]) -> None:
        self.sizes = sizes
        self.instructions: list[Instruction] = []
        self.inputs: dict[Variable, str] = {}
        taken: set[str] = set()
        for variable in variables:
            # Trailing underscores keep users' names apart from the program's own t0, t1, ..;
            # Python itself reads identifiers in this normal form, in which two may become one.
            name = normalize("NFKC", variable.name)
            name = name if name.isidentifier() else "operand"
            while f"{name}_" in taken:
                name += "_"
            taken.add(f"{name}_")
            self.inputs[variable] = f"{name}_"
        self.arrays: dict[Node, _Array] = {
            variable: _Array(name, self.shape(variable), True)
            for variable, name in self.inputs.items()
        }
        self.cores: dict[Einsum, tuple[_Array, Labels]] = {}
        self.temporaries = 0

    # Instructions.

    def number(self, size: Size) -> int:
        return size if isinstance(size, int) else self.sizes[size]

    def shape(self, node: Node) -> tuple[int, ...]:
        return tuple(self.number(size) for size in node.shape)

    def emit(
        self,
        op: str,
        args: Sequence[_Array],
        shape: Sequence[int],
        detail: Any = None,
    ) -> _Array:
        name = f"t{self.temporaries}"
        self.temporaries += 1
        self.instructions.append(
            Instruction(op, name, tuple(arg.name for arg in args), detail, tuple(shape))
        )
        # A reshape may or may not copy.
        borrowed = (op in VIEWS or op == "reshape") and args[0].borrowed if args else False
        return _Array(name, tuple(shape), borrowed)

    def transpose(self, array: _Array, axes: Sequence[int]) -> _Array:
        if list(axes) == list(range(len(axes))):
            return array
        return self.emit("transpose", [array], [array.shape[axis] for axis in axes], tuple(axes))

    def reshape(self, array: _Array, shape: Sequence[int]) -> _Array:
        if tuple(shape) == array.shape:
            return array
        return self.emit("reshape", [array], shape)

    def arrange(self, array: _Array, labels: Labels, order: Sequence[int]) -> _Array:
        """View an array with its axes in this order, and axes of size 1 for absent labels."""
        present = [label for label in order if label in labels]
        array = self.transpose(array, [labels.index(label) for label in present])
        if len(present) == len(order):
            return array
        # Absent labels in front are added by broadcasting itself.
        first = next((k for k, label in enumerate(order) if label in labels), len(order))
        index = tuple(label in labels for label in order[first:])
        if all(index):
            return array
        sizes = iter(array.shape)
        shape = [next(sizes) if there else 1 for there in index]
        return self.emit("expand", [array], shape, index)

    # Nodes.

    def result(self, node: Node) -> _Array:
        """Compute an output: an array of its own, that is no view of an input."""
        terms = self.terms(node)
        if len(terms) == 1 and _is_plain(terms[0]):
            array = self.array(node)
            return self.emit("copy", [array], array.shape) if array.borrowed else array
        return self.combine(terms, self.shape(node))

    def array(self, node: Node) -> _Array:
        """Compute a node, after what it is made of; never twice."""
        stack = [node]
        while stack:
            top = stack[-1]
            waiting = [part for part in _parts(top) if part not in self.arrays]
            if top in self.arrays:
                stack.pop()
            elif waiting:
                stack.extend(waiting)
            else:
                self.arrays[top] = self.compute(top)
                stack.pop()
        return self.arrays[node]

    def compute(self, node: Node) -> _Array:
        if isinstance(node, Constant):
            return _Array(literal(node.value), ())
        if isinstance(node, Call):
            args = [self.arrays[arg] for arg in node.args]
            return self.emit("call", args, self.shape(node), node.function)
        terms = self.terms(node)
        if len(terms) != 1 or not _is_plain(terms[0]):
            return self.combine(terms, self.shape(node))
        core, labels = self.contracted(terms[0])
        return self.transpose(core, [labels.index(label) for label in terms[0].layout])

    def terms(self, node: Node) -> list[_Term]:
        """Take a node apart into cores and how each is laid out in the result."""
        if not isinstance(node, Add):
            return [self.taken_apart(1, node)]
        return [self.taken_apart(c, term) for c, term in node.terms]

    def taken_apart(self, c: Number, node: Node) -> _Term:
        if isinstance(node, Delta):
            return _Term(c, None, (), (0, 0))
        if isinstance(node, Constant):
            return _Term(c * node.value, None, (), ())
        if isinstance(node, Einsum):
            for label in node.loose:
                c = c * self.number(node.sizes[label])
            core, labels = node.core
            return _Term(c, None if isinstance(core, Constant) else core, labels, node.output)
        labels = tuple(range(len(node.shape)))
        return _Term(c, node, labels, labels)

    def contracted(self, term: _Term) -> tuple[_Array, Labels]:
        """Compute the core of a term; also return the labels of the axes, as the term has them.

        The first term that needs a core decides the order of its axes, which costs nothing then.
        """
        core = term.core
        assert core is not None
        if not isinstance(core, Einsum):
            return self.array(core), term.labels
        if core not in self.cores:
            operands = [
                (self.array(part), labels)
                for part, labels in zip(core.operands, core.subscripts, strict=True)
            ]
            inner = dict(zip(term.labels, core.output, strict=True))
            order = tuple(inner[n] for n in dict.fromkeys(term.layout) if n in inner)
            self.cores[core] = self.contract(operands, core, order)
        array, labels = self.cores[core]
        outer = dict(zip(core.output, term.labels, strict=True))
        return array, tuple(outer[label] for label in labels)

    # Sums and deltas.

    def combine(self, terms: Sequence[_Term], shape: tuple[int, ...]) -> _Array:
        """Write terms into one array."""
        first_is_full = bool(terms) and len(set(terms[0].layout)) == len(shape)
        out: _Array | None = None
        for k, term in enumerate(terms):
            core = None if term.core is None else self.contracted(term)
            if out is None:
                out = self.emit("empty" if first_is_full else "zeros", [], shape)
            self.write(out, term, core, k == 0)
        return out if out is not None else self.emit("zeros", [], shape)

    def write(
        self, out: _Array, term: _Term, core: tuple[_Array, Labels] | None, first: bool
    ) -> None:
        """Add a term to the entries in which its deltas are one."""
        order = tuple(dict.fromkeys(term.layout))
        target = out
        if len(order) < len(term.layout):
            shape = [out.shape[term.layout.index(label)] for label in order]
            target = self.emit("diagonal", [out], shape, _letters([term.layout], order))
        if core is None:
            value, c = _Array(literal(term.coefficient), ()), "1"
        else:
            value = self.arrange(*core, order)
            c = literal(term.coefficient)
        args = (target.name, value.name) if c == "1" else (target.name, value.name, c)
        self.instructions.append(
            Instruction("assign" if first else "accumulate", target.name, args, None, target.shape)
        )

    # Products.

    def contract(
        self, operands: Sequence[tuple[_Array, Labels]], core: Einsum, order: Labels
    ) -> tuple[_Array, Labels]:
        """Contract pair by pair, by opt_einsum's path; the axes come out in about this order."""
        left = [
            self.reduce(
                array,
                labels,
                {
                    label
                    for label in labels
                    if label in core.output
                    or any(label in other for j, (_, other) in enumerate(operands) if j != k)
                },
            )
            for k, (array, labels) in enumerate(operands)
        ]
        size = [self.number(s) for s in core.sizes]
        path: Sequence[Sequence[int]]
        if len(left) <= 2:
            path = [tuple(range(len(left)))] if len(left) == 2 else []
        else:
            path = oe.paths.auto(
                [frozenset(map(str, labels)) for _, labels in left],
                frozenset(map(str, core.output)),
                {str(label): n for label, n in enumerate(size)},
            )
        for chosen in path:
            # opt_einsum joins more than two factors at once only where there is no order to choose.
            group = [left.pop(k) for k in sorted(chosen, reverse=True)]
            while len(group) > 1:
                b, a = group.pop(), group.pop()
                needed = {label for _, labels in (*group, *left) for label in labels}
                needed.update(core.output)
                final = () if group or left else order
                group.append(self.pair(a, b, needed, final, size))
            left.append(group[0])
        return left[0]

    def reduce(self, array: _Array, labels: Labels, needed: set[int]) -> tuple[_Array, Labels]:
        """Take the diagonal of axes with one label, and sum over axes that are not needed."""
        distinct = tuple(dict.fromkeys(labels))
        if len(distinct) < len(labels):
            shape = [array.shape[labels.index(label)] for label in distinct]
            array = self.emit("diagonal", [array], shape, _letters([labels], distinct))
        kept = tuple(label for label in distinct if label in needed)
        if len(kept) < len(distinct):
            axes = tuple(k for k, label in enumerate(distinct) if label not in needed)
            shape = [n for k, n in enumerate(array.shape) if k not in axes]
            array = self.emit("sum", [array], shape, axes)
        return array, kept

    def pair(
        self,
        a: tuple[_Array, Labels],
        b: tuple[_Array, Labels],
        needed: set[int],
        final: Labels,
        size: Sequence[int],
    ) -> tuple[_Array, Labels]:
        """Contract two factors: a broadcast product where nothing is summed, else a matmul."""
        (array_a, labels_a), (array_b, labels_b) = a, b
        shared = [label for label in labels_a if label in labels_b]
        batch = [label for label in shared if label in needed]
        summed = [label for label in shared if label not in needed]
        rows = [label for label in labels_a if label not in labels_b]
        columns = [label for label in labels_b if label not in labels_a]
        if final:
            batch, rows, columns = (sorted(g, key=final.index) for g in (batch, rows, columns))
            outer = [label for label in final if label not in batch]
            if outer and outer[0] in columns:
                return self.pair(b, a, needed, final, size)
        if not summed:
            order = final or tuple(batch + rows + columns)
            value_a = self.arrange(array_a, labels_a, order)
            value_b = self.arrange(array_b, labels_b, order)
            shape = [size[label] for label in order]
            return self.emit("multiply", [value_a, value_b], shape), tuple(order)
        if batch and not rows and not columns:
            detail = _letters([labels_a, labels_b], batch)
            shape = [size[label] for label in batch]
            return self.emit("einsum", [array_a, array_b], shape, detail), tuple(batch)
        if prod(array_a.shape) < prod(array_b.shape):
            summed = [label for label in labels_b if label in summed]

        def extent(group: Iterable[int]) -> int:
            return prod(size[label] for label in group)

        stack = [size[label] for label in batch]
        matrix = bool(batch)  # with batch axes both operands are matrices, of one row if need be
        value_a = self.transpose(array_a, [labels_a.index(n) for n in batch + rows + summed])
        value_a = self.reshape(
            value_a, [*stack, *([extent(rows)] if rows or matrix else []), extent(summed)]
        )
        value_b = self.transpose(array_b, [labels_b.index(n) for n in batch + summed + columns])
        value_b = self.reshape(
            value_b, [*stack, extent(summed), *([extent(columns)] if columns or matrix else [])]
        )
        product = self.emit(
            "matmul",
            [value_a, value_b],
            [
                *stack,
                *([extent(rows)] if rows or matrix else []),
                *([extent(columns)] if columns or matrix else []),
            ],
        )
        labels = tuple(batch + rows + columns)
        return self.reshape(product, [size[label] for label in labels]), labels


def _is_plain(term: _Term) -> bool:
    """Whether the core is the whole, up to the order of axes."""
    return (
        term.core is not None and is_one(term.coefficient) and len(term.layout) == len(term.labels)
    )


def _parts(node: Node) -> Iterable[Node]:
    """List the nodes whose arrays are needed to compute one."""
    if isinstance(node, Einsum):
        return node.operands
    if isinstance(node, Call):
        return node.args
    if isinstance(node, Add):
        return [
            part
            for _, term in node.terms
            for part in (term.operands if isinstance(term, Einsum) else [term])
            if not isinstance(part, Delta)
        ]
    return ()


def _letters(inputs: Sequence[Labels], output: Sequence[int]) -> str:
    """Write integer labels as an einsum string."""
    letter: dict[int, str] = {}
    for label in (*(label for labels in inputs for label in labels), *output):
        # i, j, .. and then the rest of the 52 letters that NumPy knows
        letter.setdefault(label, oe.get_symbol((8 + len(letter)) % 52))
    terms = ["".join(letter[label] for label in labels) for labels in (*inputs, output)]
    return ",".join(terms[:-1]) + "->" + terms[-1]


def literal(value: Number) -> str:
    """Write a number as Python source.

    >>> from fractions import Fraction
    >>> literal(3), literal(-3), literal(Fraction(-1, 2)), literal(float("inf"))
    ('3', '(-3)', '(-1/2)', "float('inf')")
    """
    if isinstance(value, int) and abs(value) >= 2**63:  # more than NumPy's integers hold
        try:
            value = float(value)
        except OverflowError:
            value = float("inf") if value > 0 else float("-inf")
    if isinstance(value, float | complex) and not isfinite(value):
        return f"{type(value).__name__}('{value}')"
    if isinstance(value, Fraction):
        return f"({value})"
    text = repr(value)
    return f"({text})" if text.startswith("-") else text
