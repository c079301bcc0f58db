r"""From expressions to straight-line instructions, for given sizes.

The planner walks an expression once, children first. A product is contracted pair by pair in the
order that opt_einsum chooses, and each pair becomes the matrix product or the broadcast product
that it is. A sum, or a product with deltas, is written into one array: the core of

.. math:: \frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q

is ``x``, and it is written through the view of the zeroed result in which ``i`` and ``p`` step
together. No identity matrix is ever formed, nor any product with one. Relations of indices, as a
slice has them, become views as well (`einsdiff.numeric.lowering`).

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
from functools import lru_cache
from math import prod
from unicodedata import normalize

from einsdiff.algebra.flatten import flatten
from einsdiff.algebra.function import Function
from einsdiff.algebra.graph import children, topological, variables_of
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
)
from einsdiff.algebra.relations import Relation
from einsdiff.notation.subscripts import Size
from einsdiff.numeric.contraction import Factor, contract
from einsdiff.numeric.lowering import contract_related
from einsdiff.numeric.steps import VIEWS, Handle, Instruction, Labels, Steps
from einsdiff.numeric.views import Contracted, is_full, laid_out, write

__all__ = [
    "VIEWS",
    "Instruction",
    "Plan",
    "literal",
    "not_analytic",
    "plan",
]


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
    planner = _Planner(outputs, sizes)
    results = [planner.result(node) for node in outputs]
    return Plan(
        tuple(planner.inputs.items()),
        tuple(planner.steps.instructions),
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
    def __init__(self, outputs: Sequence[Node], sizes: Mapping[str, int]) -> None:
        self.sizes = sizes
        self.inputs: dict[Variable, str] = {}
        taken: set[str] = set()
        for variable in variables_of(outputs):
            # Trailing underscores keep users' names apart from the program's own t0, t1, ..;
            # Python itself reads identifiers in this normal form, in which two may become one.
            name = normalize("NFKC", variable.name)
            name = name if name.isidentifier() else "operand"
            while f"{name}_" in taken:
                name += "_"
            taken.add(f"{name}_")
            self.inputs[variable] = f"{name}_"
        self.arrays: dict[Node, Handle] = {
            variable: Handle(name, self.shape(variable), True)
            for variable, name in self.inputs.items()
        }
        self.cores: dict[Node, Contracted] = {}
        self.steps = Steps()

    def number(self, size: Size) -> int:
        return size if isinstance(size, int) else self.sizes[size]

    def shape(self, node: Node) -> tuple[int, ...]:
        return tuple(self.number(size) for size in node.shape)

    # Nodes.

    def result(self, node: Node) -> Handle:
        """Compute an output: an array of its own, that is no view of an input."""
        if isinstance(node, Constant):
            array = self.combine(self.terms(node), ())
        elif isinstance(node, Variable | Call):
            array = self.array(node)
        else:
            # The parts of its terms are computed one after the other, so that few arrays are alive.
            array = self.arrays.get(node) or self.compute(node)
            self.arrays[node] = array
        return self.steps.emit("copy", [array], array.shape) if array.borrowed else array

    def array(self, node: Node) -> Handle:
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

    def compute(self, node: Node) -> Handle:
        if isinstance(node, Constant):
            return Handle(literal(node.value), ())
        if isinstance(node, Call):
            return self.called(node)
        terms = self.terms(node)
        shape = self.shape(node)
        if len(terms) == 1 and is_one(terms[0].coefficient) and terms[0].core is not None:
            found = self.contracted(terms[0])
            array = laid_out(self.steps, found, terms[0].layout, shape)
            if array is not None:
                return array
        return self.combine(terms, shape)

    def called(self, node: Call) -> Handle:
        args = [self.arrays[arg] for arg in node.args]
        numbers = [k for k, arg in enumerate(args) if isinstance(node.args[k], Constant)]
        # NumPy makes an array of numbers alone in a dtype of its own, as in np.where(c, 1, 0).
        if node.function.implementation is not None or len(numbers) > 1 or len(args) == 1:
            for k in numbers:
                args[k] = self.steps.emit("number", [args[k]], ())
        array = self.steps.emit("call", args, self.shape(node), node.function)
        # A function of the user's may return its argument.
        is_own = callable(node.function.implementation)
        return Handle(array.name, array.shape, is_own and any(arg.borrowed for arg in args))

    def terms(self, node: Node) -> list[_Term]:
        """Take a node apart into cores and how each is laid out in the result."""
        if not isinstance(node, Add):
            return [self.taken_apart(1, node)]
        return [self.taken_apart(c, term) for c, term in node.terms]

    def taken_apart(self, c: Number, node: Node) -> _Term:
        if isinstance(node, Delta) and node.is_identity:
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

    def contracted(self, term: _Term) -> Contracted:
        """Compute the core of a term, with the labels that the term has for it.

        The first term that needs a core decides the order of its axes, which costs nothing then.
        """
        core = term.core
        if core is None:
            return Contracted(None, ())
        if not isinstance(core, Einsum | Delta):
            return Contracted(self.array(core), term.labels)
        own = core.output if isinstance(core, Einsum) else tuple(range(len(core.shape)))
        if core not in self.cores:
            inner = dict(zip(term.labels, own, strict=True))
            order = tuple(inner[n] for n in dict.fromkeys(term.layout) if n in inner)
            self.cores[core] = self.product(core, own, order)
        found = self.cores[core]
        outer = dict(zip(own, term.labels, strict=True))
        # Labels of views are new ones, which no term has.
        views = tuple(
            step._replace(
                label=outer.get(step.label, step.label),
                labels=tuple(outer.get(n, n) for n in step.labels),
            )
            for step in found.views
        )
        labels = tuple(outer.get(n, n) for n in found.labels)
        return Contracted(found.array, labels, views, found.factor)

    def product(self, core: Einsum | Delta, output: Labels, order: Labels) -> Contracted:
        """Multiply what a core is made of."""
        if isinstance(core, Delta):
            size = {label: self.number(n) for label, n in enumerate(core.shape)}
            return contract_related(self.steps, [], [(core.relation, output)], output, order, size)
        size = {label: self.number(n) for label, n in enumerate(core.sizes)}
        factors: list[Factor] = []
        relations: list[tuple[Relation, Labels]] = []
        for part, labels in zip(core.operands, core.subscripts, strict=True):
            if isinstance(part, Delta):
                relations.append((part.relation, labels))
            else:
                factors.append((self.array(part), labels))
        if relations:
            # Labels that are summed may come to stand in views, where a term has others.
            new = {n: n if n in output else self.steps.new_label() for n in size}
            return contract_related(
                self.steps,
                [(array, tuple(new[n] for n in labels)) for array, labels in factors],
                [(relation, tuple(new[n] for n in labels)) for relation, labels in relations],
                output,
                order,
                {new[n]: count for n, count in size.items()},
            )
        return Contracted(*contract(self.steps, factors, output, order, size))

    # Sums and deltas.

    def combine(self, terms: Sequence[_Term], shape: tuple[int, ...]) -> Handle:
        """Write terms into one array."""
        out: Handle | None = None
        for term in terms:
            found = self.contracted(term)
            if found.factor == 0:
                continue
            is_first = out is None
            if out is None:
                out = self.steps.emit(
                    "empty" if is_full(found, term.layout) else "zeros", [], shape
                )
            c = literal(term.coefficient * found.factor)
            write(self.steps, out, term.layout, found, c, is_first)
        return out if out is not None else self.steps.emit("zeros", [], shape)


def _parts(node: Node) -> Iterable[Node]:
    """List the nodes whose arrays are needed to compute one."""
    if isinstance(node, Einsum):
        return [part for part in node.operands if not isinstance(part, Delta)]
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


# --- functions --------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def not_analytic(node: Node, complex_names: frozenset[str]) -> Function | None:
    """Find a function that has no derivative where it is applied to complex numbers.

    Parameters
    ----------
    node
        An expression.
    complex_names
        The names of the variables whose arrays are complex.

    Returns
    -------
    Function or None
        The first one that is not analytic and is applied to something complex.

    Examples
    --------
    >>> from einsdiff.algebra.function import lookup
    >>> from einsdiff.algebra.nodes import call, variable
    >>> node = call(lookup("floor"), [variable("z", (3,))])
    >>> not_analytic(node, frozenset("z")), not_analytic(node, frozenset())
    (floor, None)
    """
    is_complex: dict[Node, bool] = {}
    for part in topological([node]):
        if isinstance(part, Variable):
            is_complex[part] = part.name in complex_names
        elif isinstance(part, Constant):
            is_complex[part] = isinstance(part.value, complex)
        else:
            is_complex[part] = any(is_complex[child] for child in children(part))
        if isinstance(part, Add):
            is_complex[part] |= any(isinstance(c, complex) for c, _ in part.terms)
        if isinstance(part, Call) and is_complex[part] and not part.function.is_analytic:
            return part.function
    return None


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
