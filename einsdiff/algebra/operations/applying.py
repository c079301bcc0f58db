r"""Records of the function table as functions of nodes, with NumPy's arguments and broadcasting.

.. math:: y_{ij} = f(x_{ij}) \qquad y_i = \max_j x_{ij} \qquad Y_{bij} = (X_b^{-1})_{ij} .

How a record is applied follows from the axes that it acts on: none, all of some, or those of
matrices. What it is called by users, and how it is explained, stands in the record.

>>> from inspect import signature
>>> for name in ("maximum", "max", "softmax", "inv"):
...     print(name, signature(of_record(FUNCTIONS[name])))
maximum (a: 'Node', b: 'Node') -> 'Node'
max (a: 'Node', axis: 'Axis' = None, keepdims: 'bool' = False) -> 'Node'
softmax (x: 'Node', axis: 'Axis' = None) -> 'Node'
inv (a: 'Node') -> 'Node'
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from inspect import Parameter, Signature

from einsdiff.algebra.nodes.function_records import FAMILIES, Function, lookup
from einsdiff.algebra.nodes.interning import Node, zero
from einsdiff.algebra.nodes.nodes import call, einsum
from einsdiff.algebra.operations.arithmetic import entrywise
from einsdiff.algebra.operations.explaining import explained
from einsdiff.algebra.operations.shapes import (
    Axis,
    axes_of,
    broadcast_shape,
    broadcast_to,
    operands_line,
    permuted,
)
from einsdiff.errors import OperandError, ShapeError, shapes_line
from einsdiff.notation.subscripts import Size


@cache
def of_record(entry: Function) -> Callable[..., Node]:
    """Return the function of nodes that applies a record, under its name and explained by it."""
    given, result = entry.cores
    apply: Callable[..., Node]
    if not entry.is_registered and given == (("n0",),) and entry.name in FAMILIES:

        def reduced(a: Node, axis: Axis = None, keepdims: bool = False) -> Node:
            return _reduced(entry, a, axis, keepdims)

        def kept_along(x: Node, axis: Axis = None) -> Node:
            return along(entry.name, x, axes_of(x, axis))

        apply = kept_along if result else reduced
    elif not entry.is_registered and len(given) == 1 and len(given[0]) == 2:

        def of_matrices(a: Node) -> Node:
            if given[0] == ("n", "n"):
                check_square(entry.name, a)
            elif len(a.shape) < 2:
                what = f"{entry.name} takes matrices"
                raise ShapeError(what, shapes=operands_line([a]), action="pass a matrix")
            return call(entry, [a])

        apply = of_matrices
    else:
        apply = _by_signature(entry)
    apply.__name__ = apply.__qualname__ = entry.name
    apply.__doc__ = explained(entry)
    return apply


def _by_signature(entry: Function) -> Callable[..., Node]:
    """Return what applies a record to arguments that it calls by their names."""
    kind = Parameter.POSITIONAL_OR_KEYWORD
    parameters = [Parameter(name, kind, annotation="Node") for name in entry.arguments]
    known = Signature(parameters, return_annotation="Node")
    act = partial(entrywise if entry.is_elementwise else _broadcast, entry)

    def apply(*args: Node, **named: Node) -> Node:
        return act(*known.bind(*args, **named).args)

    apply.__signature__ = known  # type: ignore[attr-defined]
    return apply


def _broadcast(entry: Function, *args: Node) -> Node:
    """Apply a record to arguments with batch axes before those of its signature."""
    given, _ = entry.cores
    sizes: dict[str, Size] = {}
    for node, names in zip(args, given, strict=True):
        own = node.shape[len(node.shape) - len(names) :] if names else ()
        fits = len(own) == len(names)
        if not fits or any(sizes.setdefault(n, k) != k for n, k in zip(names, own, strict=True)):
            raise ShapeError(
                f"{entry.name} has the signature {entry.signature}",
                shapes=shapes_line(
                    [(name, a.shape) for name, a in zip(entry.arguments, args, strict=True)]
                ),
                action="pass operands whose last axes are these, equal names of equal sizes",
            )
    batches = [a.shape[: len(a.shape) - len(names)] for a, names in zip(args, given, strict=True)]
    batch = broadcast_shape([zero(own) for own in batches])
    # An argument without batch axes is used for the whole batch as it is.
    wide = [
        broadcast_to(node, (*batch, *node.shape[len(own) :])) if own else node
        for node, own in zip(args, batches, strict=True)
    ]
    return call(entry, wide)


def check_square(name: str, a: Node) -> None:
    """Raise `ShapeError` unless the last two axes are of one size."""
    rank = len(a.shape)
    if rank < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError(
            f"{name} takes square matrices",
            shapes=operands_line([a]),
            action="the last two axes need one size" if rank > 1 else "pass a matrix",
        )


# --- axes -------------------------------------------------------------------------------------


def kept(result: Node, axes: Sequence[int], rank: int, keepdims: bool) -> Node:
    """Put axes of size 1 where `axes` of `rank` axes were reduced, if that is wanted."""
    if not keepdims:
        return result
    rest = [k for k in range(rank) if k not in axes]
    return einsum([result], [rest], range(rank), dict.fromkeys(axes, 1))


def _reduced(entry: Function, a: Node, axis: Axis, keepdims: bool) -> Node:
    """Apply a function that takes axes to a number."""
    axes = axes_of(a, axis)
    if not axes:
        return a
    rank = len(a.shape)
    rest = [k for k in range(rank) if k not in axes]
    if entry.needs_entries and any(a.shape[k] == 0 for k in axes):
        raise ShapeError(
            f"{entry.name} of no entries",
            shapes=operands_line([a]),
            action="there is no largest of none: leave out the empty axis",
        )
    function = _of_axes(entry.name, a, axes)
    return kept(call(function, [permuted(a, [*rest, *axes])]), axes, rank, keepdims)


def along(name: str, a: Node, axes: Sequence[int]) -> Node:
    """Apply a function that keeps the axes that it acts on."""
    function = _of_axes(name, a, axes)
    order = [*(k for k in range(len(a.shape)) if k not in axes), *axes]
    result = call(function, [permuted(a, order)])
    return einsum([result], [order], range(len(order)))


def _of_axes(name: str, a: Node, axes: Sequence[int]) -> Function:
    """Find a function that acts on so many axes."""
    function = lookup(name, (len(axes),))
    if function is not None:
        return function
    what, action = f"{name} over no axis", f"{name} acts on one axis or more"
    if axes:
        what = f"{name} over {len(axes)} axes at once"
        action = "reshape the tensor, so that these axes are fewer"
    raise OperandError(what, shapes=operands_line([a]), action=action)
