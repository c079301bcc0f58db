r"""From expressions to straight-line instructions, for given sizes.

The planner walks an expression once, children first. A product is contracted pair by pair in the
order that opt_einsum chooses, and each pair becomes the matrix product or the broadcast product
that it is. A sum, or a product with deltas, is written into one array: the core of

.. math:: \frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q

is ``x``, and it is written through the view of the zeroed result in which ``i`` and ``p`` step
together. No identity matrix is ever formed, nor any product with one. Relations of indices, as a
slice has them, become views as well (`einsdiff.numeric.planning.lowering`).

>>> x = variable("x", (3,))
>>> for step in plan([einsum([x], ["q"], "iiq", {"i": 2})], {}).instructions:
...     print(step.op, step.target, step.args, step.shape)
zeros t0 () (2, 2, 3)
diagonal t1 ('t0',) (2, 3)
assign t1 ('t1', 'x_') (2, 3)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from types import MappingProxyType
from unicodedata import normalize

from einsdiff.algebra.nodes.graph import children, topological, variables_of
from einsdiff.algebra.nodes.interning import (
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
from einsdiff.algebra.nodes.relations import Relation
from einsdiff.algebra.rewriting.flatten import flatten
from einsdiff.errors import OperandError
from einsdiff.notation.subscripts import Size
from einsdiff.notation.threads import cached_property
from einsdiff.numeric.orders.engines import Explicit, Optimizer
from einsdiff.numeric.orders.paths import Finder, given_path
from einsdiff.numeric.orders.slices import NETWORK
from einsdiff.numeric.planning.closed_forms import closed_form
from einsdiff.numeric.planning.contraction import Factor, contract
from einsdiff.numeric.planning.extents import Extent, counted
from einsdiff.numeric.planning.fusing import bases, fused, needed
from einsdiff.numeric.planning.lowering import contract_related
from einsdiff.numeric.planning.operations import Instruction
from einsdiff.numeric.planning.powers import Kind
from einsdiff.numeric.planning.rearrange import rearranged, with_units
from einsdiff.numeric.planning.report import Cost, Report, costs, mode_of
from einsdiff.numeric.planning.slicing import candidates, in_slices, with_numbers
from einsdiff.numeric.planning.steps import ONES, Handle, Labels, Steps, letters, literal
from einsdiff.numeric.planning.strides import broadcast
from einsdiff.numeric.planning.views import (
    Contracted,
    PlannedCore,
    Window,
    is_full,
    laid_out,
    view,
    window,
    write,
)

#: Sizes with names among the factors of products, by the variables that stand for them.
Counts = Mapping[Variable, Extent]


@dataclass(frozen=True)
class Plan:
    """What a program will do."""

    inputs: tuple[tuple[Variable, str], ...]  # the variables it reads, and what each is called
    given: Mapping[str, tuple[int, ...]]  # the shapes of these, by name
    instructions: tuple[Instruction, ...]  # the steps
    results: tuple[str, ...]  # the names of the results
    shapes: tuple[tuple[int, ...], ...]  # their shapes
    #: In place of an array in which they are added up, the cores of each result.
    cores: tuple[tuple[PlannedCore, ...], ...] = ()
    #: The entries of a single result that can be other than zero; None for all.
    pattern: tuple[Window, ...] | None = None
    nodes: tuple[Node, ...] = ()  # the expressions as they are computed
    sizes: Mapping[str, int] = field(default_factory=dict)  # what each named size stands for

    @cached_property
    def makes(self) -> dict[str, Instruction]:
        """The steps that make arrays, by the names of these."""
        return {s.target: s for s in self.instructions if not s.operation.is_write}

    @cached_property
    def costs(self) -> list[Cost]:
        """What each step costs."""
        return costs(self.instructions, self.results, self.given)

    def report(
        self, itemsize: int = 8, domains: Sequence[int | None] = (), copied: int = 0
    ) -> Report:
        """Return what the steps cost, as a table.

        The domains say for each result that is a derivative how many axes are those of its
        variable; so many entries of operands are copied to the program's dtype first.
        """
        modes = {
            mode_of(node, domain, self.sizes)
            for node, domain in zip(self.nodes, domains, strict=False)
            if domain is not None
        }
        mode = "mixed" if len(modes) > 1 else next(iter(modes), "")
        return Report(self.instructions, tuple(self.costs), itemsize, mode, copied)

    @cached_property
    def peak(self) -> int:
        """The most entries that are allocated at one time, without the operands."""
        return max((cost.alive for cost in self.costs), default=0)


def plan(
    outputs: Iterable[Node],
    sizes: Mapping[str, int],
    in_cores: bool = False,
    limit: int | None = None,
    optimizer: Optimizer = None,
    chained: Kind = "all",
) -> Plan:
    """Plan the evaluation of expressions together: what they share is computed once.

    Results in cores are not written into one array. Where more than `limit` entries would be
    allocated at one time, sums and results are computed in slices, if that helps. An optimizer that
    finds no order, or a path that fits no product, is an OperandError. Of powers are `chained`
    those that numbers of the program's dtype allow.
    """
    nodes = rearranged(with_units(outputs), sizes, is_placed=in_cores)
    finder = _finder(optimizer, nodes, sizes)
    made = _planned(nodes, sizes, in_cores, finder=finder, chained=chained)
    if limit is None or made.peak <= limit or in_cores:
        return made
    spare = _planned(nodes, sizes, False, finder=finder, room=limit, chained=chained)
    if spare.peak <= limit:
        return spare
    is_network = any(
        isinstance(node, Einsum) and len(node.operands) > NETWORK for node in topological(nodes)
    )
    if is_network:
        sliced = _with_less_room(nodes, sizes, limit, finder, chained)
        if sliced is not None:
            return sliced
    sliced = _in_slices(nodes, sizes, limit, finder, chained)
    if sliced is None and not is_network:
        sliced = _with_less_room(nodes, sizes, limit, finder, chained)
    return made if sliced is None else sliced


def _with_less_room(
    nodes: Sequence[Node], sizes: Mapping[str, int], limit: int, finder: Finder, chained: Kind
) -> Plan | None:
    """Plan with products for one value of some labels at a time, if that takes no more entries."""
    # What is copied on the way, and what else is alive, is not counted when labels are chosen.
    for part in (1, 2, 4, 8):
        made = _planned(nodes, sizes, False, finder=finder, room=limit // part, chained=chained)
        if made.peak <= limit:
            return made
        if part > 1 and all(step.op != "slices" for step in made.instructions):
            break  # where there is none to be made
    return None


def _in_slices(
    nodes: Sequence[Node], sizes: Mapping[str, int], limit: int, finder: Finder, chained: Kind
) -> Plan | None:
    """Plan with sums and results in slices, if that takes no more entries."""
    nodes = with_numbers(nodes, sizes)
    for cuts in candidates(nodes, limit):
        # Not rearranged again: what slices have in common is what is not to be known as a whole.
        cut = flatten(in_slices(nodes, cuts))
        sliced = _planned(cut, {}, False, finder=finder, chained=chained)
        if sliced.peak <= limit:
            return sliced
    return None


def _finder(optimizer: Optimizer, nodes: Sequence[Node], sizes: Mapping[str, int]) -> Finder:
    """Say for which product a path was given; other optimizers are for all."""
    if not isinstance(optimizer, Explicit):
        return optimizer
    wanted = 1 + sum(len(step) - 1 for step in optimizer.path)
    products = [node for node in topological(nodes) if isinstance(node, Einsum)]
    counts = {
        node: len([o for o in node.operands if not isinstance(o, Delta)]) for node in products
    }
    fitting = [node for node in products if counts[node] == wanted]
    if len(fitting) != 1:
        there = sorted({n for n in counts.values() if n > 1})
        raise _unfitting(wanted, len(fitting), list(map(str, there)))
    (node,) = fitting
    number = tuple(size if isinstance(size, int) else sizes[size] for size in node.sizes)
    rank = {name: k for k, name in enumerate(optimizer.names)}
    slots = [
        (rank.get(part.name, len(rank)) if isinstance(part, Variable) else len(rank), k)
        for k, part in enumerate(node.operands)
        if not isinstance(part, Delta)
    ]
    carried = Counter(set(node.output))
    for _, k in slots:
        carried.update(set(node.subscripts[k]))
    factors = [{n for n in node.subscripts[k] if carried[n] > 1} for _, k in sorted(slots)]
    output = set(node.output).intersection(*[set().union(*factors)])
    own = [tuple(sorted(labels)) for labels in factors]
    return given_path(optimizer, own, tuple(sorted(output)), number)


def _unfitting(wanted: int, fitting: int, there: Sequence[str]) -> OperandError:
    """Say that a path is for so many factors, and not for one product alone."""
    search = "the name of a search, such as optimize='auto-hq', or an optimiser"
    action = f"pass {search}"
    if fitting:
        found = f"{fitting} products have so many"
    elif not there:
        found = "nothing is multiplied"
    else:
        has = "the product has" if len(there) == 1 else "the products have"
        found = f"{has} {', '.join(there)}"
        action = f"pass a path for {' or '.join(there)} factors, {search}"
    return OperandError(f"the path is for {wanted} factors, and {found}", action=action)


def plain_plan(
    outputs: Node | Sequence[Node], sizes: Mapping[str, int], optimizer: Optimizer = None
) -> Plan:
    """Plan the evaluation of one expression, or of several, as a person would write it.

    Each step makes an array of its own, and what stands in a part of the result is written or added
    there. No array is used again for another one, or laid out for speed alone. The number that a
    named size stands for may remember its name.
    """
    numbers = {name: int(size) for name, size in sizes.items()}
    wanted = [outputs] if isinstance(outputs, Node) else outputs
    # Rearranging leaves further factors that are sizes.
    first, before = counted(wanted, sizes)
    nodes, after = counted(rearranged(first, numbers), sizes)
    finder = _finder(optimizer, nodes, numbers)
    return _planned(nodes, sizes, False, is_plain=True, finder=finder, counts=before | after)


def _planned(
    outputs: Sequence[Node],
    sizes: Mapping[str, int],
    in_cores: bool,
    is_plain: bool = False,
    finder: Finder = None,
    room: int | None = None,
    counts: Counts = MappingProxyType({}),
    chained: Kind = "all",
) -> Plan:
    planner = _Planner(outputs, sizes, Steps(is_plain, finder, room), counts)
    cores: tuple[tuple[PlannedCore, ...], ...] = ()
    if in_cores:
        cores = planner.all_cores(outputs)
        wanted = [core.name for found in cores for core in found]
    else:
        wanted = planner.results(outputs)
    if is_plain:
        instructions, results = needed(planner.steps.instructions, wanted), tuple(wanted)
    else:
        instructions, results = fused(planner.steps.instructions, wanted, chained)
    shapes = tuple(planner.shape(node) for node in outputs)
    # Not by its name in the end, since what it is a copy of may have been zero elsewhere.
    zeros = [step for step in instructions if step.op == "zeros" and [step.target] == wanted]
    pattern = zeros[0].detail if zeros and not in_cores else None
    inputs = tuple(planner.inputs.items())
    given = {name: planner.shape(variable) for variable, name in inputs}
    nodes = tuple(outputs)
    return Plan(inputs, given, instructions, results, shapes, cores, pattern, nodes, sizes)


@dataclass(frozen=True, slots=True)
class _PlannedTerm:
    """A coefficient times a core, whose axes have these labels, laid out as these labels."""

    coefficient: Number
    core: Node | None  # None for ones
    labels: Labels
    layout: Labels


class _Planner:
    def __init__(
        self, outputs: Sequence[Node], sizes: Mapping[str, int], steps: Steps, counts: Counts
    ) -> None:
        self.sizes = sizes
        self.steps = steps
        self.inputs: dict[Variable, str] = {}
        taken: set[str] = set()
        for variable in variables_of(outputs):
            if variable in counts:
                continue
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
        for variable, extent in counts.items():
            self.arrays[variable] = steps.emit("size", [], (), extent)
        self.cores: dict[Node, tuple[Contracted, Number]] = {}  # and what they are multiplied by
        self.uses = _core_uses(outputs)
        self.steps.straight = {tuple(sorted(self.shape(node))) for node in outputs}

    def number(self, size: Size) -> int:
        return size if isinstance(size, int) else self.sizes[size]

    def shape(self, node: Node) -> tuple[int, ...]:
        return tuple(self.number(size) for size in node.shape)

    # Nodes.

    def results(self, outputs: Sequence[Node]) -> list[str]:
        """Compute outputs, each in memory of its own."""
        found = [self.result(node) for node in outputs]
        base = bases(self.steps.instructions)
        memory: set[str] = set()
        for k, array in enumerate(found):
            if base.get(array.name, array.name) in memory:
                found[k] = self.steps.fresh(array)
            memory.add(base.get(array.name, array.name))
        return [array.name for array in found]

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
        if array.borrowed:
            return self.steps.entrywise("copy", [array], array.shape)
        if self.steps.has_turned and len(array.shape) > 1:
            return self.steps.emit("pack", [array], array.shape)
        return array

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
        function = node.function
        if not self.steps.is_plain:
            function = closed_form(function, [arg.shape for arg in args])
        call = self.steps.entrywise if function.is_elementwise else self.steps.emit
        array = call("call", args, self.shape(node), function)
        # A function of the user's may return its argument, or what it will change later.
        return self.steps.fresh(array) if callable(node.function.implementation) else array

    def terms(self, node: Node) -> list[_PlannedTerm]:
        """Take a node apart into cores and how each is laid out in the result."""
        if not isinstance(node, Add):
            return [self.taken_apart(1, node)]
        return [self.taken_apart(c, term) for c, term in node.terms]

    def taken_apart(self, c: Number, node: Node) -> _PlannedTerm:
        if isinstance(node, Delta) and node.is_identity:
            return _PlannedTerm(c, None, (), (0, 0))
        if isinstance(node, Constant):
            return _PlannedTerm(c * node.value, None, (), ())
        if isinstance(node, Einsum):
            core, labels, sizes = node.core
            for size in sizes:
                c = c * self.number(size)
            return _PlannedTerm(
                c, None if isinstance(core, Constant) else core, labels, node.output
            )
        labels = tuple(range(len(node.shape)))
        return _PlannedTerm(c, node, labels, labels)

    def contracted(self, term: _PlannedTerm) -> Contracted:
        """Compute the core of a term, with the labels that the term has for it.

        The first term that needs a core decides the order of its axes, which costs nothing then,
        and what it is multiplied by: a factor of the product may be a small array, and is scaled
        instead of the product. Other terms know the core by that number.
        """
        core = term.core
        c = term.coefficient
        if core is None:
            return Contracted(None, (), (), c)
        if not isinstance(core, Einsum | Delta):
            return Contracted(self.array(core), term.labels, (), c)
        own = core.output if isinstance(core, Einsum) else tuple(range(len(core.shape)))
        if core not in self.cores:
            inner = dict(zip(term.labels, own, strict=True))
            order = tuple(inner[n] for n in dict.fromkeys(term.layout) if n in inner)
            scale = c if self.uses[core] == 1 else 1
            self.cores[core] = self.product(core, own, order, scale), scale
        found, scale = self.cores[core]
        c = 1 if c == scale else c if is_one(scale) else c / scale
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
        return Contracted(found.array, labels, views, c * found.factor)

    def product(self, core: Einsum | Delta, output: Labels, order: Labels, c: Number) -> Contracted:
        """Multiply what a core is made of, and a number."""
        if isinstance(core, Delta):
            size = {label: self.number(n) for label, n in enumerate(core.shape)}
            ones = contract_related(self.steps, [], [(core.relation, output)], output, order, size)
            return replace(ones, factor=c * ones.factor)
        size = {label: self.number(n) for label, n in enumerate(core.sizes)}
        factors: list[Factor] = []
        relations: list[tuple[Relation, Labels]] = []
        for part, labels in zip(core.operands, core.subscripts, strict=True):
            if isinstance(part, Delta):
                relations.append((part.relation, labels))
            else:
                factors.append((self.array(part), labels))
        extent = prod(size[label] for label in output)
        is_summed = any(label not in output for _, labels in factors for label in labels)
        is_outside = is_one(c) or self.steps.is_plain
        k = None if is_outside else self.small_factor(factors, extent, is_summed)
        if k is not None:
            factors[k] = self.steps.multiple(c, factors[k][0]), factors[k][1]
            c = 1
        if relations:
            # Labels that are summed may come to stand in views, where a term has others.
            new = {n: n if n in output else self.steps.new_label() for n in size}
            found = contract_related(
                self.steps,
                [(array, tuple(new[n] for n in labels)) for array, labels in factors],
                [(relation, tuple(new[n] for n in labels)) for relation, labels in relations],
                output,
                order,
                {new[n]: count for n, count in size.items()},
            )
            return replace(found, factor=c * found.factor)
        return Contracted(*contract(self.steps, factors, output, order, size), (), c)

    def small_factor(self, factors: Sequence[Factor], extent: int, is_summed: bool) -> int | None:
        """Find a factor that is smaller than the product, to be scaled in its place."""
        names = [array.name for array, _ in factors]
        # A matrix times itself is known to be symmetric, which is worth more.
        single = [k for k, name in enumerate(names) if not is_summed or names.count(name) == 1]
        k = min(single, key=lambda k: prod(factors[k][0].shape), default=None)
        return k if k is not None and prod(factors[k][0].shape) < extent else None

    # Sums and deltas.

    def combine(self, terms: Sequence[_PlannedTerm], shape: tuple[int, ...]) -> Handle:
        """Write terms into one array."""
        plain, rest = self.sorted_out(terms)
        if plain:
            out = self.added(plain, shape)
            if not rest:
                return out
            out = self.steps.fresh(out)  # to which the rest is added
        else:
            pattern = tuple(window(shape, layout, found.views)[0] for found, layout in rest)
            out = self.steps.emit("zeros", [], shape, pattern)
            is_pair = len(rest) == 2 and not any(found.views for found, _ in rest)
            if is_pair and not self.steps.is_plain:
                return self.crossed(out, *rest)
            for found, layout in rest[1:]:
                target, labels = view(self.steps, out, layout, found.views)
                self.steps.write("clear", self.steps.diagonal(target, labels)[0], [])
        for k, (found, layout) in enumerate(rest):
            write(self.steps, out, layout, found, is_first=not (k or plain))
        return out

    def crossed(self, out: Handle, one: _Piece, other: _Piece) -> Handle:
        r"""Write two terms with deltas, and what they add up to where they meet.

        For :math:`\delta_{ps} R_{rq} + \delta_{qs} R_{rp}` that is where p, q and s are one.
        """
        for found, layout in (one, other):
            write(self.steps, out, layout, found)
        root: dict[Hashable, Hashable] = {}

        def find(node: Hashable) -> Hashable:
            while (parent := root.get(node, node)) != node:
                node = parent
            return node

        # Axes are tied by what either term has for them.
        for axis, pair in enumerate(zip(one[1], other[1], strict=True)):
            for side, label in enumerate(pair):
                root[find((side, label))] = find(axis)
        number = {node: k for k, node in enumerate(dict.fromkeys(map(find, range(len(one[1])))))}
        layout = tuple(number[find(axis)] for axis in range(len(one[1])))
        target, labels = self.steps.diagonal(out, layout)
        values = []
        for side, (found, _) in enumerate((one, other)):
            tied = tuple(number[find((side, label))] for label in found.labels)
            array = ONES if found.array is None else found.array
            array, own = self.steps.diagonal(array, tied)
            values.append((found.factor, self.steps.arrange(array, own, labels)))
        total = self.linear_combination(values)
        self.steps.write("assign", target, [total.name])
        return out

    def sorted_out(self, terms: Sequence[_PlannedTerm]) -> tuple[list[_Piece], list[_Piece]]:
        """Compute terms: those that fill the result, and those that stand in a part of it."""
        plain: list[_Piece] = []
        rest: list[_Piece] = []
        for term in terms:
            found = self.contracted(term)
            if found.factor != 0:
                (plain if is_full(found, term.layout) else rest).append((found, term.layout))
        return plain, rest

    def added(self, pieces: Sequence[_Piece], shape: tuple[int, ...]) -> Handle:
        """Add terms that fill the result, entry by entry."""
        values: list[tuple[Number, Handle]] = []
        for found, layout in pieces:
            if found.views:  # axes that are split, each term's in its own way
                found = Contracted(self.whole(found, layout, shape), layout, (), found.factor)
            array = ONES if found.array is None else found.array
            values.append((found.factor, self.steps.arrange(array, found.labels, layout)))
        total = self.linear_combination(values)
        if total.name.isidentifier() and total.shape == shape:
            return total
        out = self.steps.emit("empty", [], shape)
        self.steps.write("assign", out, [total.name])
        return out

    def whole(self, found: Contracted, layout: Labels, shape: tuple[int, ...]) -> Handle:
        """Lay a product out as a result that it fills; its number is left out."""
        found = replace(found, factor=1)
        array = laid_out(self.steps, found, layout, shape)
        if array is None:
            array = self.steps.emit("empty", [], shape)
            write(self.steps, array, layout, found)
        return array

    def linear_combination(self, values: Sequence[tuple[Number, Handle]]) -> Handle:
        """Add multiples of arrays, by as few passes as there are terms."""
        ones = [c for c, array in values if array is ONES]
        if len(ones) > 1:  # of different deltas that always hold
            values = [term for term in values if term[1] is not ONES] + [(sum(ones), ONES)]
        if len(values) == 1:
            return self.steps.multiple(*values[0])
        # A common coefficient is applied once, after the sum.
        common = values[0][0]
        if abs(common) == 1 or any(c not in (common, -common) for c, _ in values):
            common = 1
        left = sorted(
            ((c if is_one(common) else (1 if c == common else -1), array) for c, array in values),
            key=lambda term: (-prod(term[1].shape), not is_one(term[0])),
        )
        total = self.first_of(left)
        while left:
            c, array = left.pop(0)
            sign = -1 if _is_negative(c) else 1
            value = self.steps.multiple(sign * c, array)
            op = "add" if sign > 0 else "subtract"
            shape = broadcast(total.shape, value.shape)
            total = self.steps.entrywise(op, [total, value], shape)
        return self.steps.multiple(common, total)

    def first_of(self, left: list[tuple[Number, Handle]]) -> Handle:
        """Take the term that the others are added to: rather one that is not subtracted."""
        k = next((k for k, (c, _) in enumerate(left) if not _is_negative(c)), 0)
        return self.steps.multiple(*left.pop(k))

    def all_cores(self, outputs: Sequence[Node]) -> tuple[tuple[PlannedCore, ...], ...]:
        """Compute the cores of results, those of each in memory of its own."""
        taken: set[str] = set()
        found = []
        for node in outputs:
            found.append(self.cores_of(node, taken))
            base = bases(self.steps.instructions)
            taken.update(base.get(core.name, core.name) for core in found[-1])
        return tuple(found)

    def cores_of(self, node: Node, taken: Collection[str]) -> tuple[PlannedCore, ...]:
        """Compute the cores of a result, in other memory than what is taken."""
        plain, rest = self.sorted_out(self.terms(node))
        shape = self.shape(node)
        cores = []
        if len(plain) > 1:  # at one place
            every = tuple(range(len(shape)))
            name = self.own(self.added(plain, shape), taken)
            at = window(shape, every, ())[0]
            cores.append(PlannedCore(name, at, every, letters([every], every)))
            plain = []
        for found, layout in plain + rest:
            at, labels = window(shape, layout, found.views)
            name = literal(found.factor)
            if found.array is not None:
                name = self.own(self.steps.multiple(found.factor, found.array), taken)
            # With letters in the order of the result.
            output, core = letters([layout], found.labels).split("->")
            text = "" if found.views else f"{core}->{output}"
            cores.append(PlannedCore(name, at, tuple(map(labels.index, found.labels)), text))
        return tuple(cores)

    def own(self, array: Handle, taken: Collection[str]) -> str:
        """Return the name of an array that is no view of an input, nor of other results."""
        if array.borrowed:
            array = self.steps.entrywise("copy", [array], array.shape)
        base = bases(self.steps.instructions)
        if base.get(array.name, array.name) in taken:
            array = self.steps.fresh(array)
        return array.name


#: A product, and the labels of the result's axes.
_Piece = tuple[Contracted, Labels]


def _is_negative(c: Number) -> bool:
    return not isinstance(c, complex) and c < 0


def _core_uses(outputs: Sequence[Node]) -> Counter[Node]:
    """Count the terms that have a core."""
    uses: Counter[Node] = Counter()
    for parts in (outputs, *map(children, topological(outputs))):
        uses.update(part.core.node if isinstance(part, Einsum) else part for part in parts)
    return uses


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
