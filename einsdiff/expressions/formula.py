"""Formulas: expressions and how they are written, with no array in them.

>>> formula = symbol("A", ("m", "n"))
>>> formula.text, formula.expr.shape
('A_ij', ('m', 'n'))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple

from einsdiff.algebra.derivatives.entries import Key
from einsdiff.algebra.nodes.graph import dependencies, topological, variables_of
from einsdiff.algebra.nodes.interning import Node, Number, Variable, constant, variable
from einsdiff.algebra.nodes.records import Graph, digest, structure_hash
from einsdiff.algebra.nodes.records import dumped as dump_nodes
from einsdiff.algebra.nodes.records import loaded as load_nodes
from einsdiff.algebra.rewriting.orient import normal_form
from einsdiff.display.index.lettering import Heading, Letters
from einsdiff.display.index.printer import format_equation
from einsdiff.errors import BindingError, shapes_line
from einsdiff.notation.letters import DUMMY, first_unused, fresh_letters
from einsdiff.notation.subscripts import Size
from einsdiff.notation.threads import cached_property
from einsdiff.numeric.libraries.operands import LEAST


class MadeOf(NamedTuple):
    """Another formula, of which entries were taken, or in which variables became expressions."""

    whole: Formula
    key: Key = ()  # the entries along the last axes, if there are any other than all
    known: tuple[tuple[Variable, Node], ...] = ()  # the variables, and what they stand for


@dataclass(frozen=True, eq=False)
class Formula:
    """What a tensor is apart from its values: the expression and how it is written.

    Formulas hold no arrays, so that what is derived, planned or printed for one of them is kept
    for every call with other data.
    """

    expr: Node
    heading: Heading  # what stands on the left-hand side when it is printed
    letters: Letters  # the letters that the user gave to the axes of the variables
    #: The variables of the function, in order of appearance; also those that a derivative no longer
    #: depends on.
    arguments: tuple[Variable, ...]
    #: The number of axes, the last ones, that belong to what was differentiated by; None if this is
    #: no derivative.
    domain: int | None = None
    #: What a derivative is the derivative of, and by which variable.
    source: tuple[Formula, Variable] | None = None
    #: The least dtype of the value, as `einsdiff.numeric.libraries.operands.dtype_of` takes it.
    least: str = ""
    #: What this was made of, if it is entries of another formula, or has expressions in variables.
    made_of: MadeOf | None = None
    #: The notation that it was written in, "index" or "matrix", and is printed in; "" for what was
    #: not read, such as a variable alone, which is printed in index notation.
    notation: str = ""

    @cached_property
    def normal_form(self) -> Node:
        """The expression with products of products and sums of sums merged, and axes in order."""
        return normal_form(self.expr)

    @cached_property
    def by_name(self) -> dict[str, Variable]:
        """The variables of the function by name."""
        return {argument.name: argument for argument in self.arguments}

    @cached_property
    def required(self) -> frozenset[str]:
        """The names of the variables that the value depends on."""
        return frozenset(v.name for v in variables_of([self.expr]))

    @cached_property
    def named_sizes(self) -> frozenset[str]:
        """The sizes that are names, of which the value needs to know the numbers."""
        nodes = topological([self.expr])
        sizes = {s for node in nodes for s in (*node.shape, *getattr(node, "sizes", ()))}
        return frozenset(s for s in sizes if isinstance(s, str))

    @cached_property
    def text(self) -> str:
        """The formula in index notation."""
        return format_equation(self.normal_form, self.heading, self.letters)

    @cached_property
    def structure_hash(self) -> str:
        """A digest of what formulas are compared by, the same in every process."""
        return structure_hash(self.normal_form, self.domain)

    @cached_property
    def check(self) -> str:
        """A digest of all that the formula is, by which a damaged pickle is found."""
        return _data([self])[0].check

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, dumped([self])

    def __copy__(self) -> Formula:
        return self

    def __deepcopy__(self, memo: object) -> Formula:
        return self


# --- formulas as data -------------------------------------------------------------------------


def dumped(formulas: Iterable[Formula]) -> tuple[Any, ...]:
    """Write formulas as data, which is how they are pickled; what they share is written once.

    Expressions and variables are places in the graph of all of them, which comes first.
    """
    graph, records = _data(formulas)
    return tuple(graph), records


def _data(formulas: Iterable[Formula]) -> tuple[Graph, tuple[Any, ...]]:
    order = list(formulas)
    place = {formula: k for k, formula in enumerate(order)}
    for formula in order:  # which grows
        for before in _before(formula):
            if before not in place:
                place[before] = len(order)
                order.append(before)
    roots: dict[Node, int] = {}
    records = []
    for formula in order:
        heading, source = formula.heading, formula.source
        part: tuple[Any, ...] | None = None
        if formula.made_of is not None:
            whole, key, known = formula.made_of
            pairs = [tuple([roots.setdefault(n, len(roots)) for n in pair]) for pair in known]
            part = place[whole], key, tuple(pairs)
        records.append(
            (
                roots.setdefault(formula.expr, len(roots)),
                (heading.name, heading.axes, heading.wrt),
                tuple(formula.letters.of.items()),
                tuple([roots.setdefault(v, len(roots)) for v in formula.arguments]),
                formula.domain,
                source and (place[source[0]], roots.setdefault(source[1], len(roots))),
                formula.least,
                part,
                formula.notation,
                tuple(formula.letters.levels.items()),
            )
        )
    return dump_nodes(roots, tuple(records)), tuple(records)


def _before(formula: Formula) -> list[Formula]:
    """List the formulas that one comes from."""
    found = [] if formula.source is None else [formula.source[0]]
    return found if formula.made_of is None else [*found, formula.made_of.whole]


def loaded(graph: Sequence[Any], records: Sequence[Any]) -> list[Formula]:
    """Read formulas that were written as data, by this version of the library.

    >>> (formula,) = loaded(*dumped([symbol("A", ("m", "n"))]))
    >>> formula.text
    'A_ij'
    """
    nodes: list[Any] = load_nodes(graph, records)
    made: dict[int, Formula] = {}

    def make(k: int) -> Formula:
        expr, heading, letters, arguments, domain, source, *rest = records[k]
        least, part, notation, levels = rest
        return Formula(
            nodes[expr],
            Heading(*heading),
            Letters(dict(letters), dict(levels)),
            tuple([nodes[n] for n in arguments]),
            domain,
            source and (made[source[0]], nodes[source[1]]),
            least,
            part
            and MadeOf(
                made[part[0]], part[1], tuple([(nodes[v], nodes[node]) for v, node in part[2]])
            ),
            notation,
        )

    for k in range(len(records)):  # what a formula comes from is made first
        chain = [k]
        for n in chain:  # which grows
            chain += [before[0] for before in (records[n][5], *records[n][7:8]) if before]
        for n in reversed(chain):
            if n not in made:
                made[n] = make(n)
    return [made[k] for k in range(len(records))]


def token(kind: type, formulas: Sequence[Formula], values: Mapping[str, Any], *options: Any) -> Any:
    """Return what Dask is to know an object by: the same in every process for equal ones."""
    graph, records = _data(formulas)
    calls = [record[2] for record in graph.records if record[0] == "call"]
    own = {f.name: f.implementation for f in calls if f.is_registered}
    normalised = import_module("dask.base").normalize_token
    parts = (kind.__name__, digest(graph), records, dict(values), own, options)
    return normalised(parts)


def _restored(graph: Sequence[Any], records: Sequence[Any] = (), *_: object) -> Formula:
    return loaded(graph, records)[0]


# --- making formulas --------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def symbol(
    name: str, shape: tuple[Size, ...], symmetric: bool = False, of: tuple[Variable, ...] = ()
) -> Formula:
    """Return the formula of a variable alone."""
    node = variable(name, shape, symmetric, of)
    heading = Heading(name, fresh(len(shape), {name}))
    known = [v for v in topological([node], dependencies) if isinstance(v, Variable)][::-1]
    return Formula(node, heading, Letters().with_axes(name), tuple(known))


@lru_cache(maxsize=1024, typed=True)
def number(value: Number) -> Formula:
    """Return the formula of a number."""
    return Formula(constant(value), Heading("f", ()), Letters(), ())


def joined_arguments(formulas: Iterable[Formula]) -> tuple[Variable, ...]:
    """List the variables of several formulas, each once."""
    formulas = list(formulas)
    arguments = dict(formulas[0].by_name) if formulas else {}
    for formula in formulas[1:]:
        for argument in formula.arguments:
            known = arguments.setdefault(argument.name, argument)
            if known is not argument:
                shapes = [(argument.name, known.shape), (argument.name, argument.shape)]
                raise BindingError(
                    f"'{argument.name}' stands for two different tensors",
                    shapes=shapes_line(shapes),
                    action="give one of them another name with ed.tensor(name, array)",
                )
    return tuple(arguments.values())


def joined_least(given: Iterable[str]) -> str:
    """Return the least dtype of what is made of parts that have these.

    >>> joined_least(["", "integer"])
    'integer'
    """
    return max(given, key=LEAST.index, default="")


def joined_notation(formulas: Iterable[Formula]) -> str:
    """Return the notation of what is made of these formulas: theirs, or index notation.

    >>> joined_notation([symbol("A", ("m", "n"))])
    ''
    """
    found = {formula.notation for formula in formulas if formula.notation}
    return found.pop() if len(found) == 1 else "index" if found else ""


def function_name(names: Iterable[str]) -> str:
    """Choose a name for a function of these variables: f, unless one of them is called so."""
    return first_unused("fghuvwFGH", set(names))


def fresh(count: int, used: Iterable[str]) -> tuple[str, ...]:
    """Return letters for axes that are not used yet."""
    take = fresh_letters(set(used), DUMMY)
    return tuple(next(take) for _ in range(count))
