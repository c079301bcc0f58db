"""Expressions and arrays in the place of variables of an expression, all at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from unicodedata import normalize

from einsdiff.algebra.derivatives.substitution import with_expressions
from einsdiff.algebra.nodes.graph import resized, variables_of
from einsdiff.algebra.nodes.interning import Variable
from einsdiff.display.index.lettering import Letters
from einsdiff.errors import BindingError, OperandError, ShapeError, shape_text
from einsdiff.expressions.base import Bound
from einsdiff.expressions.combining import as_tensor, checked_arrays, join_values
from einsdiff.expressions.evaluation import sizes_of
from einsdiff.expressions.formula import (
    Formula,
    MadeOf,
    function_name,
    joined_arguments,
    joined_least,
    symbol,
)
from einsdiff.expressions.refusals import places_of, signature
from einsdiff.notation.letters import fresh_letters
from einsdiff.notation.subscripts import SIZES, Size
from einsdiff.numeric.libraries.operands import Array, as_number

_B = TypeVar("_B", bound=Bound)

#: What reads a text with its operands by name; the verbs say what.
READERS: dict[str, Callable[..., Any]] = {}


def is_expression(value: object) -> bool:
    """Tell whether a value for a variable is an expression, which has no numbers yet."""
    if isinstance(value, str):
        return True
    return isinstance(value, Bound) and not value.formula.required <= value.values.keys()


def with_replaced(f: _B, given: Mapping[str, Any]) -> _B:
    """Put expressions in the place of variables, and bind arrays; see `Tensor.substitute`."""
    formula = f.formula
    given = {normalize("NFKC", name): value for name, value in given.items()}
    texts = [value for value in given.values() if isinstance(value, str)]
    arrays: dict[str, Any] = {}  # for variables of the expression
    operands: dict[str, Any] = {}  # for names that texts bring, in any form
    expressions: dict[str, Any] = {}
    for name, value in given.items():
        known = formula.by_name.get(name)
        if known is None and not any(places_of(name, text) for text in texts):
            raise BindingError(
                f"there is no '{name}' in this expression",
                text=str(f),
                shapes=signature(formula.arguments),
                action=f"replace {' and '.join(formula.by_name) or 'nothing'} only",
            )
        is_number = known is not None and not known.shape and as_number(value) is not None
        if known is None:
            operands[name] = value
        elif is_number or isinstance(value, str | Bound):
            expressions[name] = value
        else:
            arrays[name] = value
    fresh = _FreshSizes(formula)
    parts: dict[Variable, _B] = {}
    for name, value in expressions.items():
        node = formula.by_name[name]
        if node.derivative is not None:
            raise OperandError(
                f"'{name}' is a derivative, which follows from what takes the place of "
                f"'{node.derivative[0]}'",
                text=str(f),
                action=f"replace '{node.derivative[0]}'",
            )
        if isinstance(value, str):
            parts[node] = _read(value, name, f, operands, fresh)
        else:
            parts[node] = as_tensor(value, type(f))
        _check_axes(node, parts[node], value)
    result = _replaced(f, parts, fresh)
    found: dict[str, Array] = {**result.values, **checked_arrays(result, arrays)}
    sizes_of(result.formula, found)  # whether they fit
    return type(f)(result.formula, found)


def _check_axes(node: Variable, part: Bound, given: Any) -> None:
    """Refuse an expression with another number of axes than the variable."""
    if len(part.expr.shape) == len(node.shape):
        return
    counts = [
        f"{len(shape)} axis" if len(shape) == 1 else f"{len(shape)} axes"
        for shape in (node.shape, part.expr.shape)
    ]
    letters = "ijklmn"[: len(node.shape)]
    example = f"{node.name}_{letters} = .." if letters else "..; an expression without labels left"
    raise ShapeError(
        f"'{node.name}' has {counts[0]}, and what is put in its place {counts[1]}",
        text=given if isinstance(given, str) else str(part),
        shapes=signature(dict.fromkeys((node, *part.formula.arguments))),
        action=f"write one label for each axis that is left: {example}"
        if isinstance(given, str)
        else f"give an expression of shape {shape_text(node.shape)} for '{node.name}'",
    )


def _parsed(text: str, name: str, known: Mapping[str, Any]) -> Any:
    """Read a text; names of sizes that are called otherwise there are found to be others."""
    is_named = {
        n: isinstance(given, Bound)
        and not (given.formula.arguments[0].symmetric or given.formula.arguments[0].of)
        and any(isinstance(size, str) for size in given.expr.shape)
        for n, given in known.items()
    }
    try:
        try:
            return READERS["text"](text, known)
        except ShapeError:
            if not any(is_named.values()):
                raise
            return READERS["text"](text, {n: g for n, g in known.items() if not is_named[n]})
    except (OperandError, ShapeError, BindingError) as error:
        error.add_note(f"this was to take the place of '{name}'")
        raise


class _FreshSizes:
    """Names for the sizes that texts bring, which are none of the expression's."""

    def __init__(self, formula: Formula) -> None:
        self.own = frozenset(
            {size for v in formula.arguments for size in v.shape if isinstance(size, str)}
            | formula.named_sizes
        )
        self.made: dict[str, None] = {}
        self.texts: set[str] = set()  # the variables that texts take the place of

    def take(self, taken: Iterable[str]) -> str:
        size = next(fresh_letters({*self.own, *self.made, *taken}, SIZES))
        self.made[size] = None
        return size


def _read(text: str, name: str, f: _B, operands: Mapping[str, Any], fresh: _FreshSizes) -> _B:
    """Read a text whose names are those of the expression, or new ones."""
    known: dict[str, Any] = {}
    for v in f.formula.arguments:
        if v.derivative is None and places_of(v.name, text):
            known[v.name] = type(f)(symbol(v.name, v.shape, v.symmetric, v.of), {})
    known.update((n, value) for n, value in operands.items() if places_of(n, text))
    part = _parsed(text, name, known)
    letters = part.formula.heading.axes
    if isinstance(part.expr, Variable) and "=" not in text and list(letters) != sorted(letters):
        shown = "".join(sorted(letters))
        raise OperandError(
            f"'{text.strip()}' could be '{part.expr}' itself or its transpose",
            text=text,
            action=f"write the order of the axes on the left, {name}_{shown} = {text.strip()}, "
            "or the labels in alphabetical order",
        )
    # The sizes of new names are called m, n, .. in each text; here they are others.
    old = {s for tensor in known.values() for s in getattr(tensor, "shape", ())}
    written = set(re.findall(r"<\s*([^\W\d]\w*)", text))
    formula = part.formula
    sizes = {s for v in formula.arguments for s in v.shape if isinstance(s, str)}
    new = sorted((sizes | formula.named_sizes) - old - written, key=SIZES.find)
    fresh.texts.add(name)
    taken = {size: fresh.take({*sizes, *formula.named_sizes}) for size in new}
    return type(f)(_resized(formula, taken), part.values)


def _resized(formula: Formula, sizes: Mapping[str, Size]) -> Formula:
    """Put sizes in the place of named ones."""
    own = formula.named_sizes.union(size for v in formula.arguments for size in v.shape)
    if own.isdisjoint(sizes):
        return formula
    expr, *arguments = resized([formula.expr, *formula.arguments], sizes)
    variables = tuple(v for v in arguments if isinstance(v, Variable))
    made = formula.made_of
    if made is not None:
        flat = resized([node for pair in made.known for node in pair], sizes)
        pairs = zip(flat[::2], flat[1::2], strict=True)
        known = tuple((v, e) for v, e in pairs if isinstance(v, Variable))
        made = MadeOf(_resized(made.whole, sizes), made.key, known)
    return replace(formula, expr=expr, arguments=variables, source=None, made_of=made)


def _common_sizes(f: Bound, parts: Mapping[Variable, Bound], fresh: _FreshSizes) -> dict[str, Size]:
    """Find what each named size becomes so that variables and what replaces them have one shape.

    Sizes of a text are those of the expression, and those of the expression the numbers and names
    that tensors bring.
    """
    found: dict[str, Size] = {}

    def now(size: Size) -> Size:
        while isinstance(size, str) and size in found:
            size = found[size]
        return size

    def tie(a: Size, b: Size) -> tuple[Size, Size] | None:
        """Make two sizes one; return them if they cannot be."""
        ours, theirs = now(a), now(b)
        if ours == theirs:
            return None
        if theirs in fresh.made or (theirs in fresh.own and ours not in fresh.own):
            found[str(theirs)] = ours
        elif ours in fresh.made or (ours in fresh.own and theirs not in fresh.own):
            found[str(ours)] = theirs
        else:
            return ours, theirs
        return None

    brought: dict[str, Variable] = {}
    for node, part in parts.items():
        for k, (a, b) in enumerate(zip(node.shape, part.expr.shape, strict=True)):
            clash = tie(a, b)
            if clash is not None:
                raise _clash(f, node, part, k, *clash)
        for v in part.formula.arguments:  # what two texts bring, or is there, is one
            if node.name in fresh.texts:
                brought.setdefault(v.name, f.formula.by_name.get(v.name, v))
            other = brought.setdefault(v.name, v)
            if len(other.shape) == len(v.shape):
                for a, b in zip(other.shape, v.shape, strict=True):
                    tie(a, b)
    shapes = [v.shape for v in (*f.formula.arguments, *brought.values())]
    every = {str(now(size)) for shape in shapes for size in shape} | {
        *map(str, map(now, fresh.own))
    }
    kept = [size for size in fresh.made if now(size) == size]
    names = fresh_letters(every - set(kept), SIZES)
    final = dict(zip(kept, names, strict=False))
    return {
        size: final.get(str(now(size)), now(size)) for size in dict.fromkeys((*found, *fresh.made))
    }


def _clash(
    f: Bound, node: Variable, part: Bound, axis: int, ours: Size, theirs: Size
) -> ShapeError:
    where = f"axis {axis} of " if len(node.shape) > 1 else ""
    are_names = isinstance(ours, str) and isinstance(theirs, str)
    instead = f", or call both sizes {ours} where the tensors are made" if are_names else ""
    action = f"put an expression of shape {shape_text(node.shape)} in the place of '{node.name}'"
    return ShapeError(
        f"{where}'{node.name}' has size {ours}, and what is put in its place {theirs}",
        text=str(part),
        shapes=signature(dict.fromkeys((*f.formula.arguments, *part.formula.arguments))),
        action=action + instead,
    )


def _replaced(f: _B, parts: Mapping[Variable, _B], fresh: _FreshSizes) -> _B:
    """Make the tensor, of expressions whose sizes are made to fit."""
    sizes = _common_sizes(f, parts, fresh)
    own = _resized(f.formula, sizes)
    new = {own.by_name[v.name]: _resized(part.formula, sizes) for v, part in parts.items()}
    (expr,) = with_expressions([own.expr], {v: part.expr for v, part in new.items()})
    there = variables_of([expr])
    kept = [
        new[v] if v in new else replace(own, arguments=(v,))
        for v in own.arguments
        if v.derivative is None or v in there
    ]
    known = joined_arguments([replace(own, arguments=()), *kept])
    arguments = (*known, *(v for v in there if v not in known))
    brought = {name for part in parts.values() for name in part.values}
    values = {
        n: array
        for n, array in f.values.items()
        if own.by_name[n] in arguments and not (own.by_name[n] in new and n in brought)
    }
    for part in parts.values():
        join_values(values, part.values)
    letters = Letters()
    by_name = {v.name: part.formula.letters for v, part in parts.items()}
    for name, axes in own.letters.of.items():
        letters = letters.joined(by_name.get(name) or Letters({name: axes}))
    levels = {n: level for n, level in own.letters.levels.items() if n not in by_name}
    letters = letters.at_levels(levels) if levels else letters
    heading, names = own.heading, [v.name for v in arguments]
    if heading.name in names or isinstance(own.expr, Variable):
        heading = replace(heading, name=function_name(names))
    made = replace(
        own,
        expr=expr,
        heading=heading,
        letters=letters,
        arguments=arguments,
        source=None,
        made_of=MadeOf(own, (), tuple((v, part.expr) for v, part in new.items())) if new else None,
        least=joined_least([own.least, *(part.formula.least for part in parts.values())]),
    )
    return type(f)(made, values)
