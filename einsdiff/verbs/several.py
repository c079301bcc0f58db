"""Several expressions at once, nested in tuples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from einsdiff.expressions.combining import join_values
from einsdiff.expressions.formula import Formula
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.numeric.libraries.operands import Array
from einsdiff.verbs.differentiated import read_derived
from einsdiff.verbs.sources.accept import named_arrays, take_notation
from einsdiff.verbs.sources.source import Arguments


def expressions(
    given: Arguments,
) -> tuple[list[Formula], Mapping[str, Array], Callable[[Iterable[Any]], Any] | None]:
    """Read one expression or several, as `compile` takes them.

    The last of what is returned nests several results as they were given.
    """
    expression, operands = given.expression, given.operands
    if isinstance(expression, Tensor | tuple | list) and all(
        isinstance(part, Tensor | tuple | list) for part in operands
    ):
        tree: Any = (expression, *operands) if operands else expression
        tensors = list(_leaves(tree))
        if tensors and all(isinstance(part, Tensor) for part in tensors):
            values: dict[str, Array] = {}
            for part in tensors:
                join_values(values, part.values)
            if given.notation is not None:
                take_notation(given)
            values |= named_arrays(tensors, given)
            single = isinstance(tree, Tensor)
            # No closure over the tensors: a compiled function can be pickled.
            build = None if single else partial(_nested, _nesting(tree))
            return [part.formula for part in tensors], values, build
    f = read_derived(given).tensor
    return [f.formula], f.values, None


def _leaves(tree: Any) -> Iterator[Any]:
    """List what is in nested tuples."""
    if isinstance(tree, tuple | list):
        for part in tree:
            yield from _leaves(part)
    else:
        yield tree


def _nesting(tree: Any) -> Any:
    """Return how a tree is nested: tuples, with None for each leaf."""
    return tuple(map(_nesting, tree)) if isinstance(tree, tuple | list) else None


def _nested(shape: Any, results: Iterable[Any]) -> Any:
    """Nest results like a tree of this shape."""
    left = iter(results)

    def part(shape: Any) -> Any:
        return next(left) if shape is None else tuple(map(part, shape))

    return part(shape)
