r"""Tables: the steps of forward and of reverse mode, and shapes.

A function is taken apart into steps :math:`v_1, v_2, \dots, f`, each one sum, one product or one
function of those before it. Forward mode goes from the variable to the function and reverse mode
back, with the adjoint :math:`\bar v = \partial f/\partial v`:

.. math:: \frac{\partial v_k}{\partial x} =
    \sum_j \frac{\partial v_k}{\partial v_j} \frac{\partial v_j}{\partial x} \qquad
    \bar v_j = \sum_k \bar v_k \frac{\partial v_k}{\partial v_j} .

The derivative of a step is that of `einsdiff.algebra.derivatives.differentiate`: in forward mode
the steps before it are unspecified functions of the variable, whose derivatives stay symbols.

>>> x = variable("x", ())
>>> f = call(FUNCTIONS["sin"], [einsum([x, x], ["", ""], "")])
>>> for step in forward_steps(f, Heading("f", ()), Letters(), [x], x, ()):
...     print(f"{step.definition:12}  {step.rule}")
x             ∂x/∂x = 1
v1 = x^2      ∂v1/∂x = 2 x
f = sin(v1)   ∂f/∂x = cos(v1) ∂v1/∂x
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any, NamedTuple
from unicodedata import normalize

from einsdiff.algebra.derivatives.differentiate import derivatives
from einsdiff.algebra.nodes.graph import (
    children,
    dependencies,
    rebuilt,
    substituted,
    topological,
    use_counts,
    variables_of,
)
from einsdiff.algebra.nodes.interning import (
    Add,
    Call,
    Constant,
    Delta,
    Einsum,
    Node,
    Variable,
    variable,
)
from einsdiff.algebra.nodes.nodes import add, einsum, is_zero, partial
from einsdiff.display.index.index_text import Written, equation, format_heading, indexed
from einsdiff.display.index.lettering import Heading, Letters, axes_of
from einsdiff.display.index.lines import normal_sides, normal_text
from einsdiff.display.index.printer import exact_exponent
from einsdiff.display.tables.table import Column, Table
from einsdiff.errors import SizeError
from einsdiff.notation.letters import first_unused
from einsdiff.notation.trees import Apply, Summary, Symbol, bracketed, product

#: A table has at most so many steps.
MOST_STEPS = 200


# --- steps ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table of forward or of reverse mode."""

    name: str
    definition: Written  # from the steps before it: ``v2 = sin(v1)``
    rule: Written  # of steps that are in the table: ``∂v2/∂x = cos(v1) ∂v1/∂x``
    value: Node  # as a function of the variables
    derivative: Node  # the same of the derivative or adjoint


class _Stage(NamedTuple):
    """A step of a function: its name, its node, and the node as a function of earlier steps."""

    name: str
    node: Node
    local: Node
    stands: Variable  # for it, in the steps after it


def _is_divisor(node: Node) -> bool:
    """Tell whether a node is written after a division sign."""
    return (exact_exponent(node) or 0) < 0


def _is_wrapper(node: Node) -> bool:
    """Tell whether a node is another one times a number, or with its axes in another order."""
    if isinstance(node, Add):
        return len(node.terms) == 1
    return isinstance(node, Einsum) and node.is_view and len(node.operands) == 1


def _is_turned(node: Node) -> bool:
    """Tell whether a wrapper has the axes of what is in it, and no others."""
    if not isinstance(node, Einsum):
        return True
    (labels,) = node.subscripts
    return sorted(labels) == sorted(node.output) and not node.loose


def _in_order(root: Node, variables: Sequence[Variable]) -> list[Node]:
    """List all nodes, children first, and those that are printed first before others."""
    first: dict[Node, int] = {v: k for k, v in enumerate(variables)}
    for node in topological([root]):
        inside = [first[child] for child in children(node)]
        first[node] = min([first.get(node, len(variables)), *inside])

    def place(node: Node) -> tuple[bool, int, str]:
        return _is_divisor(node), first[node], node.function.name if isinstance(node, Call) else ""

    return topological([root], lambda node: tuple(sorted(children(node), key=place)))


def _named(order: Sequence[Node]) -> list[Node]:
    """Choose the nodes that become steps: operations, but no numbers, views and divisors."""
    root = order[-1]
    uses = use_counts([root])
    parents = {child: node for node in order for child in children(node)}
    written: set[Node] = set()  # inside of the step that they are part of
    for node in order:
        if isinstance(node, Variable):
            if node.derivative is None:
                written.add(node)
        elif isinstance(node, Constant | Delta) or not children(node):
            written.add(node)
        elif _is_wrapper(node):
            (inner,) = children(node)
            if inner not in written and uses[inner] == 1 and _is_turned(node):
                written.add(inner)
            else:
                written.add(node)
        elif _is_divisor(node) and uses[node] == 1 and isinstance(parents.get(node), Einsum):
            written.add(node)
    return [node for node in order[:-1] if node not in written]


def _parts(
    root: Node, variables: Sequence[Variable], name: str, by: Variable | None
) -> list[_Stage]:
    """Take an expression apart; the last part is itself.

    Where there is a variable, steps that change with it stand for functions of it.
    """
    order = _in_order(root, variables)
    names = [name, *(v.name for v in variables)]
    chosen = _named(order)
    if len(chosen) >= MOST_STEPS:
        raise SizeError(
            f"the table would have {len(chosen) + 1} steps, and it has at most {MOST_STEPS}",
            action="make a table of a part of the function",
        )
    stem = next(
        stem
        for stem in chain("vwuzsh", (f"v{k}_" for k in count()))
        if not any(re.fullmatch(rf"{stem}\d+", other) for other in names)
    )
    active: set[Node] = set()
    for node in topological([root], dependencies):
        if node is by or any(child in active for child in dependencies(node)):
            active.add(node)
    place = {node: k for k, node in enumerate(chosen, 1)}
    shown: dict[Node, Node] = {}
    parts = []
    for node in order:
        local = rebuilt(node, shown)
        shown[node] = local
        if node in place:
            of = [by] if by is not None and node in active else []
            stands = variable(f"{stem}{place[node]}", node.shape, of=of)
            parts.append(_Stage(stands.name, node, local, stands))
            shown[node] = stands
    stands = variable(name, root.shape)
    return [*parts, _Stage(name, root, shown[root], stands)]


def _variables(root: Node, arguments: Iterable[Variable], last: Variable | None) -> list[Variable]:
    """List the variables in the order of the user, those that others are functions of first."""
    inside = [v for v in topological([root], dependencies) if isinstance(v, Variable)]
    inside = [v for v in inside if v.derivative is None]
    wanted = {*inside} | ({last} if last is not None else set())
    known = [v for v in arguments if v in wanted]
    known += [v for v in inside if v not in known]
    ordered = topological(known, lambda node: getattr(node, "of", ()))
    return [v for v in ordered if isinstance(v, Variable) and v in wanted]


def _spellings(letters: Letters, node: Node, axis: int) -> Iterator[str]:
    """Yield the letters that the user gave to an axis of what a step is made of."""
    stack = [(node, axis)]
    while stack:
        part, at = stack.pop()
        below: list[tuple[Node, int]] = []
        if isinstance(part, Variable):
            base, _ = part.derivative or (part, ())
            for axes in letters.of.get(base.name, ()):
                yield from axes[at : at + 1]
        elif isinstance(part, Einsum):
            below = [
                (operand, k)
                for operand, labels in zip(part.operands, part.subscripts, strict=True)
                for k, label in enumerate(labels)
                if label == part.output[at]
            ]
        elif isinstance(part, Call) and at >= len(part.batch):
            below = [(arg, at) for arg in part.args if len(arg.shape) == len(part.shape)]
        else:
            below = [(child, at) for child in children(part) if at < len(child.shape)]
        stack.extend(reversed(below))


@dataclass
class _Mode:
    """What both modes begin with: the variables and the steps of a function, and their letters."""

    root: Node
    heading: Heading
    letters: Letters
    arguments: Sequence[Variable]
    last: Variable | None
    by: Variable | None = None

    def __post_init__(self) -> None:
        self.variables = _variables(self.root, self.arguments, self.last)
        names = [v.name for v in self.variables]
        # A derivative gets a name of its own.
        wanted = "ghuw" if self.heading.wrt else [self.heading.name, *"fghuw"]
        self.parts = _parts(self.root, self.variables, first_unused(wanted, names), self.by)
        for v in self.variables:
            self.letters = self.letters.with_axes(v.name, *self.letters.of.get(v.name, ()))

    def stages(self, variables: Sequence[Variable]) -> list[_Stage]:
        return [*(_Stage(v.name, v, v, v) for v in variables), *self.parts]

    def axes(self, part: _Stage, used: Iterable[str]) -> tuple[str, ...]:
        """Choose letters for the axes of a step, and note them."""
        axes = axes_of(part.local, self.letters, used, _spellings)
        axes = self.heading.letters if part is self.parts[-1] else axes
        self.letters = self.letters.with_axes(part.name, axes)
        return axes

    def row(self, part: _Stage, axes: tuple[str, ...], rule: Written, derivative: Node) -> Row:
        is_variable = part.stands is part.local
        definition = _definition(part, axes, self.letters, is_variable)
        return Row(part.name, definition, rule, part.node, derivative)


def _entry(name: str, axes: tuple[str, ...]) -> Written:
    return Written(indexed(name, axes), Symbol(name, axes))


def _definition(
    part: _Stage, axes: tuple[str, ...], letters: Letters, is_variable: bool
) -> Written:
    left, symbol = _entry(part.name, axes), Symbol(part.name, axes)
    if not is_variable:
        ranged, right = normal_sides(part.local, Heading(part.name, axes), letters)
        return equation(ranged if axes else left, right)
    of = [Symbol(v.name) for v in part.stands.of]
    if not of:
        return left
    text = f"{left}({', '.join(v.name for v in of)})"
    if len(of) == 1:
        return Written(text, product([(symbol, 1), (bracketed(of[0]), 1)]))
    return Written(text, Summary(text) if axes else Apply(symbol, tuple(of)))


def forward_steps(
    expr: Node,
    heading: Heading,
    letters: Letters,
    arguments: Sequence[Variable],
    by: Variable,
    by_axes: Sequence[str],
) -> list[Row]:
    """Differentiate a function step by step, from its variables to itself.

    The axes of what is differentiated by have these letters in derivatives.
    """
    mode = _Mode(expr, heading, letters, arguments, by, by)
    known: dict[Node, Node] = {}
    rows = []
    for part in mode.stages(mode.variables):
        axes = mode.axes(part, by_axes)
        (local,) = derivatives(part.local, [by])
        derivative = substituted(local, known)
        if part.stands is not part.local:
            known[part.stands] = part.node
            if part.stands.of:
                known[partial(part.stands, by)] = derivative
        left = format_heading(Heading(part.name, axes, ((by.name, tuple(by_axes)),)))
        rule = equation(left, normal_text(local, (*axes, *by_axes), mode.letters))
        rows.append(mode.row(part, axes, rule, derivative))
    return rows


def _barred(name: str, taken: Collection[str]) -> str:
    """Write a bar over a name.

    >>> _barred("x1", ()) == "x\u03041"
    True
    """
    found = normalize("NFC", re.sub(r"([^\W\d_])", "\\1\u0304", name))
    while found in taken:
        found += "ʹ"
    return found


def reverse_steps(
    expr: Node,
    heading: Heading,
    letters: Letters,
    arguments: Sequence[Variable],
    last: Variable | None = None,
    last_axes: Sequence[str] = (),
) -> list[Row]:
    """Differentiate a function by all that it is made of, from itself to its variables.

    The adjoint of the last variable comes last, in derivatives with these letters of its axes.
    """
    mode = _Mode(expr, heading, letters, arguments, last)
    own = mode.variables
    if last is not None:  # the adjoints of what it is a function of would come after it
        above = topological([last], dependencies)
        own = [last, *(v for v in own if v not in above)]
    outer, codomain = heading.letters, expr.shape
    every = mode.stages(own)
    own_axes = {part.name: mode.axes(part, ()) for part in every}
    bars: dict[str, Variable] = {}
    for part in every:
        taken = {p.name for p in every}.union(v.name for v in bars.values())
        bars[part.name] = variable(_barred(part.name, taken), codomain + part.node.shape)
    # Bars come first in products: v̄1 = v̄2 cos(v1).
    mode.letters = Letters(dict.fromkeys((v.name for v in bars.values()), ())).joined(mode.letters)
    # What stands for a variable that is a function of others, so that only it is meant.
    alone: dict[Node, Node] = {
        part.stands: variable(part.name, part.node.shape, part.stands.symmetric)
        for part in every
        if part.stands.of
    }
    back: dict[Node, Node] = {stands: v for v, stands in alone.items()}
    terms: dict[str, list[Node]] = {part.name: [] for part in every}
    nodes: dict[Node, Node] = {part.stands: part.node for part in mode.parts}
    labels = range(len(codomain))
    seed = einsum([], [], (*labels, *labels), dict(enumerate(codomain)))
    terms[every[-1].name].append(seed)
    rows = []
    for part in reversed(every):
        adjoint = add([(1, term) for term in terms[part.name]], codomain + part.node.shape)
        bar = bars[part.name]
        is_last = part.stands is last
        inner = last_axes if is_last else axes_of(part.local, mode.letters, outer, _spellings)
        rule = normal_text(adjoint, (*outer, *inner), mode.letters)
        nodes[bar] = value = substituted(adjoint, nodes)
        rule = equation(_entry(bar.name, (*outer, *inner)), rule)
        rows.append(mode.row(part, own_axes[part.name], rule, value))
        local = part.local
        if part.stands is local:
            below = list(part.stands.of)
        elif isinstance(local, Variable) and local.derivative is not None:
            below = list(local.of)
        else:
            local = substituted(local, alone)
            below = variables_of([local])
        found = derivatives(local, below, bar) if below else ()
        for v, term in zip(below, found, strict=True):
            real = back.get(v, v)
            assert isinstance(real, Variable)
            # What `last` is a function of has no row: no way leads from it back to `last`.
            if real.name in terms and not is_zero(term):
                terms[real.name].append(substituted(term, back))
    return rows


def steps_table(
    title: str,
    steps: Sequence[Row],
    what: str,
    names: Sequence[str],
    values: Sequence[tuple[tuple[Any, str], tuple[Any, str]]] | None = None,
    notes: Sequence[str] = (),
) -> Table:
    """Make the table of forward or of reverse mode, whose rules are `what`.

    There are columns for numbers if there are values: for each row those of the step and of its
    rule, each as data and as text.

    >>> x = variable("x", ())
    >>> steps = reverse_steps(x, Heading("f", ()), Letters(), [x])
    >>> steps_table("", steps, "adjoint", ["x"])
    step   adjoint
    ─────  ───────
    f = x  f̄ = 1
    x      x̄ = f̄
    """
    known = (*names, *(step.name for step in steps))
    table = Table(title, (), ((),) * len(steps), ((),) * len(steps), tuple(notes), names=known)
    for k, name in enumerate(("step", what)):
        texts = [(step.definition, step.rule)[k] for step in steps]
        table = table.with_column(Column(name, "formula"), texts, texts)
        if values is not None:
            rows, cells = [[pair[k][n] for pair in values] for n in (0, 1)]
            table = table.with_column(Column(("value", "its value")[k], "number"), rows, cells)
    return table
