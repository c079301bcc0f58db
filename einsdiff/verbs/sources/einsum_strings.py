"""Expressions that arrive as einsum strings or as einsum's lists of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from unicodedata import normalize

from einsdiff.algebra.nodes.interning import Variable
from einsdiff.algebra.nodes.nodes import einsum as einsum_node
from einsdiff.display.index.lettering import Heading, Letters
from einsdiff.errors import EinsdiffError, SubscriptsError
from einsdiff.expressions.combining import checked_arrays, join_values, warn_of_lost
from einsdiff.expressions.formula import (
    Formula,
    function_name,
    joined_arguments,
    joined_least,
    symbol,
)
from einsdiff.expressions.refusals import in_conflict
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.notation.letters import DUMMY, fresh_letters
from einsdiff.notation.subscripts import Size, Subscripts, as_size, from_sublists, resolve
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.operands import Array, as_number
from einsdiff.numeric.libraries.xarray import KNOWN, conflict
from einsdiff.verbs.sources.given import Operand, name_of_operand, operands_named
from einsdiff.verbs.sources.source import Arguments, Source


def are_labels(value: object) -> bool:
    """Tell whether this is a list of labels, as in the interleaved form."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and value.dtype.kind in "iu"
    return isinstance(value, list | tuple | range)


def interleaved(arguments: Sequence[Any]) -> tuple[Subscripts, dict[Any, str], list[Any]]:
    """Read einsum's other form: operands and lists of labels in turns."""
    output = arguments[-1] if len(arguments) % 2 else None
    pairs = len(arguments) // 2
    operands = [arguments[2 * k] for k in range(pairs)]
    lists = [arguments[2 * k + 1] for k in range(pairs)]
    for k, labels in enumerate([*lists, *([] if output is None else [output])]):
        if not are_labels(labels):
            place = f"operand {k}" if k < pairs else "the output"
            raise SubscriptsError(
                f"{place} has no list of labels",
                action="alternate operands and lists: einsum(A, [0, 1], x, [1], [0])",
            )
    return *from_sublists(lists, output), operands


def product(subscripts: Subscripts, given: Arguments) -> Source:
    """Read the product that an einsum string and its operands are."""
    operands, sizes, named = given.operands, given.sizes or {}, given.named
    later: Mapping[str, Any] = {}
    expressions = [operand for operand in operands if isinstance(operand, Tensor)]
    if expressions:
        plain = {k: v for k, v in enumerate(operands) if not isinstance(v, Tensor)}
        warn_of_lost(plain, expressions)
    if sizes or named:
        sizes, named, later = _sorted_keywords(subscripts, operands, sizes, named)
    sources: list[tuple[Any, str]] = []
    signature: list[Operand] = []
    values: dict[str, Array] = {}
    parts = operands_named(operands, named, given.frame, given.wanted)
    for k, source in enumerate(operands):
        name = ""
        try:
            part = next(parts)
            if isinstance(part, Tensor):
                signature.append(part.formula)
                join_values(values, part.values)
            else:
                name, array = part
                signature.append((name, None if array is None else array.shape))
                if array is not None:
                    join_values(values, {name: array})
        except EinsdiffError as error:
            alike = [j for j, (_, theirs) in enumerate(sources) if theirs == name]
            carets = [column for j in (*alike, k) for column in _term(subscripts, j)]
            raise error.located(subscripts.text, carets) from None
        sources.append((source, name_of_operand(signature[k], k)))
    try:
        formula = _einsum(subscripts, tuple(signature), tuple(sizes.items()))
        tensor = Tensor(formula, values)
        if later:  # arrays for variables of tensors among the operands
            tensor = Tensor(formula, {**values, **checked_arrays(tensor, later)})
        if KNOWN:
            _check_labels(tensor, subscripts, [name for _, name in sources])
    except EinsdiffError as error:
        raise error.located(subscripts.text) from None
    return Source(tensor, tuple(sources), subscripts)


def _check_labels(tensor: Tensor, subscripts: Subscripts, names: Sequence[str]) -> None:
    """Raise ShapeError where a label binds axes of different dimensions or coordinates."""
    found = conflict([tensor.expr], tensor.values)
    if found is None:
        return
    places = [
        [
            (term[axis.place], columns[axis.place])
            for term, columns, name in zip(
                subscripts.inputs, subscripts.columns, names, strict=True
            )
            if name == axis.name and len(term) == len(tensor.values[name].shape)
        ]
        for axis in (found.first, found.second)
    ]
    bound = [(a, [at, b_at]) for a, at in places[0] for b, b_at in places[1] if a == b]
    label, carets = bound[0] if bound else ("", [])
    raise in_conflict(found, tensor.values, subscripts.text, label, carets)


def _sorted_keywords(
    subscripts: Subscripts,
    operands: Sequence[Any],
    sizes: Mapping[str, Any],
    named: Mapping[str, Any],
) -> tuple[dict[str, Size], dict[str, Any], dict[str, Any]]:
    """Tell sizes of labels, arrays of operands given by name, and other arrays apart."""
    labels = {label for term in (*subscripts.inputs, subscripts.output or ()) for label in term}
    given = {normalize("NFKC", operand) for operand in operands if isinstance(operand, str)}
    all_sizes = dict(sizes)
    arrays: dict[str, Any] = {}
    later: dict[str, Any] = {}
    for name, value in named.items():
        if name in given:
            arrays[name] = value
        elif name in labels and as_number(value) is not None:
            all_sizes[name] = value
        else:
            later[name] = value
    checked = {n: _checked_size(n, size, labels, subscripts) for n, size in all_sizes.items()}
    return checked, arrays, later


def _term(subscripts: Subscripts, k: int) -> Sequence[int]:
    """Return the columns of an operand's labels."""
    return subscripts.term_columns[k] if k < len(subscripts.inputs) else ()


def _checked_size(label: str, size: Any, labels: set[str], subscripts: Subscripts) -> Size:
    if label not in labels:
        raise SubscriptsError(
            f"a size is given for '{label}', which is no label of this string",
            text=subscripts.text,
            action="give sizes for labels of the string only",
        )
    try:
        return as_size(size, f"label '{label}'")
    except EinsdiffError as error:
        places = [column for column, char in enumerate(subscripts.text) if char == label]
        raise error.located(subscripts.text, places) from None


@lru_cache(maxsize=1024)
def _einsum(
    subscripts: Subscripts, operands: tuple[Operand, ...], sizes: tuple[tuple[str, Size], ...]
) -> Formula:
    """Build the formula of a string and operands of these names and shapes."""
    shapes = [
        operand[1] if isinstance(operand, tuple) else operand.expr.shape for operand in operands
    ]
    names = [name_of_operand(operand, k) for k, operand in enumerate(operands)]
    axes = resolve(subscripts, shapes, names, dict(sizes))
    formulas = []
    letters = Letters()
    for operand, shape, labels in zip(operands, axes.shapes, axes.inputs, strict=True):
        formula = symbol(operand[0], shape) if isinstance(operand, tuple) else operand
        if isinstance(formula.expr, Variable):
            letters = letters.with_axes(formula.expr.name, labels)
        letters = letters.joined(formula.letters)
        formulas.append(formula)
    arguments = joined_arguments(formulas)
    expr = einsum_node([f.expr for f in formulas], axes.inputs, axes.output, axes.sizes)
    name = function_name(argument.name for argument in arguments)
    heading = Heading(name, _distinct(axes.output, set(axes.sizes)))
    least = joined_least(f.least for f in formulas)
    return Formula(expr, heading, letters, arguments, least=least, notation="index")


def _distinct(labels: Sequence[str], used: set[str]) -> tuple[str, ...]:
    """Give a second occurrence of a label a letter of its own."""
    if len(set(labels)) == len(labels):
        return tuple(labels)
    fresh = fresh_letters(used, DUMMY)
    seen: set[str] = set()
    letters = []
    for label in labels:
        letters.append(next(fresh) if label in seen else label)
        seen.add(label)
    return tuple(letters)
