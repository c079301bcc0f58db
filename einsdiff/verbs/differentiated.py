"""What the verbs share: what is differentiated, by what, along what, and the new letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeAlias

from einsdiff.algebra.derivatives.differentiate import adjoints, derivatives, directional
from einsdiff.algebra.derivatives.entries import placed, taken
from einsdiff.algebra.derivatives.substitution import with_expressions
from einsdiff.algebra.nodes.effort import budget, within
from einsdiff.algebra.nodes.graph import topological, variables_of
from einsdiff.algebra.nodes.interning import Node, Shape, Variable
from einsdiff.algebra.nodes.nodes import add
from einsdiff.display.index.lettering import Heading
from einsdiff.errors import EinsdiffError, OperandError, SubscriptsError, shapes_line
from einsdiff.expressions.combining import as_direction
from einsdiff.expressions.formula import Formula
from einsdiff.expressions.made import Known, entries_of, filled, outlined
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.notation.letters import fresh_letters
from einsdiff.notation.names import as_name
from einsdiff.numeric.libraries.anonymous import is_anonymous
from einsdiff.numeric.libraries.lazy import np
from einsdiff.verbs.sources.accept import read_expression
from einsdiff.verbs.sources.source import Arguments, Source, without_commands
from einsdiff.verbs.wanted import Wanted, names_wanted, read_wrt

#: What is differentiated by.
Chosen: TypeAlias = "tuple[Variable | Wanted, ...]"


def read_derived(given: Arguments) -> Source:
    """Read an expression; of a text that asks for a derivative, this derivative."""
    source = read_expression(given)
    if not source.asked:
        return source
    name, of = source.called_so
    source = _derived_by(_called(source, of), source.asked, given)
    return _called(source, name)


def _called(source: Source, name: str) -> Source:
    """Call what was read by a name, with letters for its axes or without."""
    if not name:
        return source
    tensor = source.tensor
    base, _, index = name.partition("_")
    letters, before = index.strip("{}"), tensor.formula.heading
    rank = len(tensor.shape)
    if letters and (len(letters) != rank or not letters.isalpha() or len({*letters}) < rank):
        raise SubscriptsError(
            f"'{name}' has other labels than the derivative has axes, of which there are {rank}",
            action=f"write {base} without labels",
        )
    heading = Heading(as_name(base), tuple(letters) or before.letters)
    formula = replace(tensor.formula, heading=heading)
    if before.wrt:  # what has a name of its own is a function like others
        formula = replace(formula, domain=None, source=None, made_of=None)
    return replace(source, tensor=Tensor(formula, tensor.values))


def wanted_of(wrt: Any) -> tuple[Any, ...]:
    """List what a `wrt` has; names in LaTeX become letters."""
    wanted = tuple(wrt) if isinstance(wrt, tuple | list) else (wrt,)
    return tuple(without_commands(w) if isinstance(w, str) else w for w in wanted)


def read_chosen(
    given: Arguments, wrt: Any, order: int | None = None
) -> tuple[Tensor, Chosen, bool]:
    """Read what is differentiated and by what, and whether that is a tuple.

    The text may say by what, ``d/dx (..)``; and also how often, where an `order` is asked for, of
    which all but this many are done then.
    """
    several = isinstance(wrt, tuple | list)
    wanted = wanted_of(wrt)
    names = names_wanted(wanted)
    given.wanted = (*wanted, *names) if names else wanted
    function = read_expression(given)
    try:
        if function.asked:
            wanted, several = (function.asked[-1],), False
            function = _asked(_called(function, function.called_so[1]), wrt, order, given)
        chosen = tuple(read_wrt(w, function, given.frame) for w in wanted)
        _check_overlaps(function.tensor, chosen)
    except EinsdiffError as error:
        if function.subscripts is None:
            raise error.located(str(function.tensor)) from None
        columns = function.subscripts.term_columns
        raise error.located(
            function.subscripts.text, [column for term in columns for column in term]
        ) from None
    return function.tensor, chosen, several


def _asked(function: Source, wrt: Any, order: int | None, given: Arguments) -> Source:
    """Return what is to be differentiated by the last of what the text asks for."""
    *before, last = function.asked
    if wrt is not None and (before or wanted_of(wrt) != (last,)):
        raise OperandError(
            f"the text asks for a derivative by {' and '.join(function.asked)}, "
            f"and wrt={wrt!r} is given",
            action="leave out one of them",
        )
    if not before or (order == len(function.asked) and {*before} == {last}):
        return function
    if order != 1:
        raise OperandError(
            f"the text asks for a derivative of order {len(function.asked)}",
            action="write einsdiff.grad(..), or d/dx in the text",
        )
    return _derived_by(function, before, given)


def _derived_by(source: Source, names: Sequence[str], given: Arguments) -> Source:
    """Differentiate by names, one after the other."""
    for name in names:
        by = read_wrt(name, source, given.frame)
        source = replace(source, tensor=differentiated(source.tensor, (by,), 1, False))
    return source


def read_directions(
    given: Any, name: str, shapes: Sequence[Shape], several: bool, f: Tensor
) -> list[Tensor]:
    """Read directions, one for each shape."""
    parts = list(given) if several and given is not None else [given] * len(shapes)
    if len(parts) != len(shapes):
        raise OperandError(
            f"{len(parts)} directions for {len(shapes)} variables",
            action=f"pass {name}= as a tuple with one direction for each variable",
        )
    names = [name] if len(shapes) == 1 else [f"{name}{k}" for k in range(len(shapes))]
    return [as_direction(*part, f) for part in zip(parts, names, shapes, strict=True)]


def _check_overlaps(f: Tensor, chosen: Chosen) -> None:
    """Refuse views without a name, such as R.T, beside the array that one differentiates by."""
    for part in chosen:
        by = part if isinstance(part, Variable) else part.variable
        array = f.values.get(by.name)
        for name, other in f.values.items():
            if array is None or other is array:
                continue
            if (is_anonymous(array) or is_anonymous(other)) and _overlap(array, other):
                raise OperandError(
                    f"'{by.name}' and an operand without a name ('{name}') share memory, as "
                    "R and R.T do, but are two variables",
                    shapes=shapes_line([(by.name, array.shape), (name, other.shape)]),
                    action="pass the same array in both places, with labels in another order, "
                    "as in ('mp,mq->pq', R, R), or a copy if it is meant to be constant",
                )


#: After this many steps it is left undecided whether two views overlap.
MOST_WORK = 10_000


def _overlap(a: Any, b: Any) -> bool:
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        return False
    try:
        return np.may_share_memory(a, b) and np.shares_memory(
            a,
            b,
            MOST_WORK,  # type: ignore[arg-type]  # NumPy's stubs know -1 and 0 only
        )
    except RuntimeError:  # too hard to tell
        return False


def differentiated(f: Tensor, chosen: Chosen, order: int, several: bool) -> Any:
    """Differentiate so many times; a tuple for a tuple of variables."""
    results = tuple(Tensor(formula, f.values) for formula in _derived(f.formula, chosen))
    if order > 1:
        results = tuple(differentiated(result, chosen, order - 1, several) for result in results)
    return results if several else results[0]


@lru_cache(maxsize=1024)
def _derived(f: Formula, chosen: Chosen) -> tuple[Formula, ...]:
    """Differentiate a formula by variables and parts, all in one sweep where that can be."""
    by = tuple(dict.fromkeys(v for v in map(_variable_in, chosen) if v is not None))
    wholes = dict(zip(by, _by_variables(f, by), strict=True)) if by else {}
    results = []
    for part in chosen:
        if isinstance(part, Variable):
            results.append(wholes[part])
            continue
        known: Known = ()
        if part.node is None:
            found = wholes[part.variable]
        else:
            known = ((part.variable, part.node),)
            (found,) = _by_variables(outlined(f, *known[0]), (part.variable,))
        found = entries_of(found, part.key) if part.key else found
        if known:
            letters = f.letters.joined(found.letters)
            found = replace(filled(found, known), letters=letters)
        results.append(found)
    return tuple(results)


def _variable_in(part: Variable | Wanted) -> Variable | None:
    """Return the variable of an expression that is differentiated by; None of one that is made."""
    if isinstance(part, Variable):
        return part
    return part.variable if part.node is None else None


def _by_variables(f: Formula, chosen: tuple[Variable, ...]) -> tuple[Formula, ...]:
    """Differentiate a formula, and find new letters for the axes of the variables."""
    names = [argument.name for argument in f.arguments]
    used = {*f.letters.all(), *f.heading.letters, *names, f.heading.name}
    results = []
    for by, expr in zip(chosen, _derivatives(f.expr, chosen), strict=True):
        take = fresh_letters(used)
        axes = tuple(next(take) for _ in by.shape)
        heading = replace(f.heading, wrt=(*f.heading.wrt, (by.name, axes)))
        new = [v for v in variables_of([expr]) if v not in f.arguments]  # symbols such as ∂x/∂z
        arguments = (*f.arguments, *new)
        results.append(
            Formula(
                expr,
                heading,
                f.letters,
                arguments,
                len(axes),
                (f, by),
                f.least,
                notation=f.notation,
            )
        )
    return tuple(results)


@lru_cache(maxsize=1024)
def _derivatives(node: Node, chosen: tuple[Variable, ...]) -> tuple[Node, ...]:
    """Differentiate; formulas are told apart by identity, but those that are equal share this."""
    most = budget("derivative", len(topological([node])) * len(chosen))

    def refuse() -> tuple[Node, ...]:
        raise OperandError(
            f"the derivative is too long: it takes more than {most} steps to build",
            action="differentiate less often, or a part of the expression; products with "
            "vectors, ed.jvp, ed.vjp and ed.hvp, stay short",
        )

    return within(most, lambda: tuple(derivatives(node, chosen)), refuse)


# --- products -----------------------------------------------------------------------------------


def forwards(f: Tensor, chosen: Chosen, directions: Sequence[Node]) -> Node:
    """Differentiate along directions, one for each variable or part, and add up."""
    along: dict[Variable, list[tuple[int, Node]]] = {}
    terms: list[tuple[int, Node]] = []
    for part, v in zip(chosen, directions, strict=True):
        if isinstance(part, Variable):
            along.setdefault(part, []).append((1, v))
            continue
        whole = placed(v, part.key, part.variable) if part.key else v
        if part.node is None:
            along.setdefault(part.variable, []).append((1, whole))
            continue
        outer = outlined(f.formula, part.variable, part.node).expr
        (change,) = directional([outer], {part.variable: whole})
        terms.append((1, with_expressions([change], {part.variable: part.node})[0]))
    if along:
        (change,) = directional([f.expr], {v: add(own, v.shape) for v, own in along.items()})
        terms.append((1, change))
    return add(terms, f.expr.shape)


def backwards(f: Tensor, chosen: Chosen, seed: Node | None = None) -> tuple[Node, ...]:
    """Differentiate by each variable or part, multiplied by a seed from the left."""
    if all(isinstance(part, Variable) for part in chosen):
        return derivatives(f.expr, [part for part in chosen if isinstance(part, Variable)], seed)
    found: list[Node] = []
    for part in chosen:
        if isinstance(part, Variable):
            found += derivatives(f.expr, [part], seed)
            continue
        expr = f.expr
        if part.node is not None:
            expr = outlined(f.formula, part.variable, part.node).expr
        (node,) = derivatives(expr, [part.variable], seed)
        node = taken(node, part.key) if part.key else node
        if part.node is not None:
            (node,) = with_expressions([node], {part.variable: part.node})
        found.append(node)
    return tuple(found)


def twice(f: Tensor, chosen: Chosen, directions: Sequence[Node]) -> tuple[Node, ...]:
    """Differentiate by each variable or part, and along directions after that."""
    inner = [part for part in chosen if isinstance(part, Wanted) and part.node is not None]
    if len(inner) > 1 or (inner and len(chosen) > 1):
        raise OperandError(
            f"'{inner[0].variable}' stands for a part of the expression, and there are others "
            "to differentiate by",
            text=str(f),
            action="pass one at a time",
        )
    if all(isinstance(part, Variable) for part in chosen):
        variables = [part for part in chosen if isinstance(part, Variable)]
        along: dict[Variable, list[tuple[int, Node]]] = {}
        for variable, v in zip(variables, directions, strict=True):
            along.setdefault(variable, []).append((1, v))
        return directional(
            adjoints(f.expr, variables), {v: add(own, v.shape) for v, own in along.items()}
        )
    if not inner:
        gradients = [Tensor(replace(f.formula, expr=g), {}) for g in backwards(f, chosen)]
        return tuple(forwards(g, chosen, directions) for g in gradients)
    (part,) = inner
    assert part.node is not None
    outer = Tensor(outlined(f.formula, part.variable, part.node), {})
    entries = Wanted(part.variable, part.key) if part.key else part.variable
    (product,) = twice(outer, (entries,), directions)
    return with_expressions([product], {part.variable: part.node})
