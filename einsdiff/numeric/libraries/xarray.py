r"""Arrays with named dimensions: which dimension each axis of a result is.

An array of xarray's names its axes. A label of an expression binds axes to each other, so that in

.. math:: f_i = A_{ij} x_j

with A of the dimensions ``time`` and ``space``, i is ``time``, and j is ``space`` in A and has to
be ``space`` in x, with the same coordinates. Expressions are computed from the bare arrays, which
are known here to have come with names; the axes of a result are followed back to those of the
variables, and get their dimensions and coordinates.

Derivatives have axes of one dimension twice, ∂f_i/∂A_pq those of i and p. xarray has names once
only, so that the second one of ``time`` is ``d_time``, the third one ``d2_time``. Back as an
operand, ``d_time`` is a ``time``.

>>> A, x = variable("A", (2, 3)), variable("x", (3,))
>>> followed([einsum([A, x], ["ij", "j"], "i")], {}).of[-1]
(Axis(name='A', place=0, is_whole=True),)
"""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, count
from typing import Any, NamedTuple
from weakref import ref

from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import Add, Call, Delta, Einsum, Node, Variable
from einsdiff.errors import OperandError
from einsdiff.numeric.libraries.lazy import np


def is_named(value: object) -> bool:
    """Tell whether this is an array with named dimensions.

    >>> is_named(np.ones(2))
    False
    """
    kind: Any = type(value)
    return kind is not np.ndarray and _is_data_array(kind)


@lru_cache(maxsize=256)
def _is_data_array(kind: type) -> bool:
    return "xarray" in sys.modules and issubclass(kind, sys.modules["xarray"].DataArray)


def own_name(value: object) -> str | None:
    """Return what an array with named dimensions calls itself, if that can be a variable's name.

    >>> own_name(np.ones(2)) is None
    True
    """
    name = getattr(value, "name", None) if is_named(value) else None
    return name if isinstance(name, str) and name.isidentifier() and name[0] != "_" else None


def shared_dimensions(arrays: Sequence[Any]) -> tuple[list[list[int]], list[int]]:
    """Say what `xarray.dot` multiplies and sums, as labels of the arrays and of the result.

    A dimension that several arrays have is summed.
    """
    number: dict[Hashable, int] = {}
    inputs = [[number.setdefault(d, len(number)) for d in array.dims] for array in arrays]
    found = [label for labels in inputs for label in labels]
    return inputs, [label for label in number.values() if found.count(label) == 1]


# --- bare arrays that came with names ---------------------------------------------------------

#: For bare arrays, by their ids, these and what they were taken from.
KNOWN: dict[int, tuple[ref[Any], Any]] = {}


def bare(value: Any) -> Any:
    """Return the array in one with named dimensions: an object of its own that is known here.

    It is of NumPy, Dask or what else is in it, and of the same memory.
    """
    inner = value.data
    if isinstance(inner, np.ndarray):
        array: Any = np.asarray(inner).view()
    else:
        array = copy.copy(inner)  # another object, of the same data
        if array is inner:
            raise OperandError(
                f"this array of xarray's holds {type(inner).__name__}, which is not taken",
                action="pass the array in it, array.data",
            )
    key = id(array)
    KNOWN[key] = ref(array, lambda _: KNOWN.pop(key, None)), value
    return array


def original(array: object) -> Any:
    """Return what an array was taken from by `bare`; None if it is no such array.

    >>> original(np.ones(2)) is None
    True
    """
    found = KNOWN.get(id(array)) if KNOWN else None
    return found[1] if found is not None and found[0]() is array else None


def are_told_apart(a: object, b: object) -> bool:
    """Tell whether arrays of one memory are two operands: their dimensions or coordinates differ.

    >>> are_told_apart(np.ones(2), np.ones(2))
    False
    """
    one, other = original(a), original(b)
    if one is None or other is None or one is other:
        return False
    return one.dims != other.dims or not one.coords.identical(other.coords)


def _originals(values: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: original(array) for name, array in values.items()} if KNOWN else {}
    return {name: array for name, array in found.items() if array is not None}


# --- following axes ---------------------------------------------------------------------------


class Axis(NamedTuple):
    """An axis of a variable."""

    name: str  # of which variable, and which
    place: int
    #: Whether all of it is meant, in its order; else it has the dimension, and not its coordinates.
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Followed:
    """Which axes of variables are bound to each other, and which of them a result has."""

    #: For each expression its axes; None for one that is no variable's.
    of: tuple[tuple[Axis | None, ...], ...]
    groups: tuple[tuple[Axis, ...], ...]  # the axes that are bound to one another, several each

    def group(self, axis: Axis) -> tuple[Axis, ...]:
        """Return all axes that an axis is bound to, itself first."""
        whole = axis._replace(is_whole=True)
        found = next((group for group in self.groups if whole in group), ())
        return (whole, *(other for other in found if other != whole))


def followed(
    expressions: Sequence[Node], dimensions: Mapping[str, tuple[Hashable, ...]]
) -> Followed:
    """Follow the axes of expressions to those of variables, whose dimensions may have names."""
    return _followed(tuple(expressions), tuple(sorted(dimensions.items())))


@lru_cache(maxsize=256)
def _followed(
    expressions: tuple[Node, ...], dimensions: tuple[tuple[str, tuple[Hashable, ...]], ...]
) -> Followed:
    follower = _Follower(dict(dimensions))
    for node in topological(expressions):
        follower.follow(node)
    groups: dict[Axis, list[Axis]] = {}
    for axis in follower.parent:
        groups.setdefault(follower.root(axis), []).append(axis)
    bound = tuple(tuple(group) for group in groups.values() if len(group) > 1)
    return Followed(tuple(follower.axes[node] for node in expressions), bound)


class _Follower:
    """Follows the axes of nodes, those first that others are made of."""

    def __init__(self, dimensions: Mapping[str, tuple[Hashable, ...]]) -> None:
        self.dimensions = dimensions
        #: For each node the axes of variables that its axes are.
        self.axes: dict[Node, tuple[Axis | None, ...]] = {}
        self.parent: dict[Axis, Axis] = {}  # those that are bound to each other, as a forest

    def root(self, axis: Axis) -> Axis:
        self.parent.setdefault(axis, axis)
        while self.parent[axis] != axis:
            axis = self.parent[axis] = self.parent[self.parent[axis]]
        return axis

    def joined(self, a: Axis | None, b: Axis | None) -> Axis | None:
        """Bind two axes to each other; return the one that says more."""
        if a is None or b is None:
            return a or b
        if a.is_whole and b.is_whole:
            self.parent[self.root(b)] = self.root(a)
        return a if a.is_whole or not b.is_whole else b

    def follow(self, node: Node) -> None:
        found: list[Axis | None] = [None] * len(node.shape)
        if isinstance(node, Variable):
            found = [Axis(node.name, k) for k in range(len(node.shape))]
            for axis in found:
                if axis is not None:
                    self.root(axis)
            if node.derivative is not None:  # ∂x/∂z has the axes of x and of z
                base, wrt = node.derivative
                parts = [Axis(v.name, k) for v in (base, *wrt) for k in range(len(v.shape))]
                found = [self.joined(a, b) for a, b in zip(parts, found, strict=True)]
        elif isinstance(node, Einsum):
            found = self.of_product(node)
        elif isinstance(node, Add):
            for _, term in node.terms:
                found = [self.joined(*pair) for pair in zip(found, self.axes[term], strict=True)]
        elif isinstance(node, Call):
            found = self.of_call(node)
        self.axes[node] = tuple(found)

    def of_product(self, node: Einsum) -> list[Axis | None]:
        known: dict[int, Axis | None] = {}
        for operand, labels in zip(node.operands, node.subscripts, strict=True):
            for label, axis in zip(labels, self.axes[operand], strict=True):
                known[label] = self.joined(known.get(label), axis)
        for operand, labels in zip(node.operands, node.subscripts, strict=True):
            # An index that is shifted, as by a slice, runs along the same dimension.
            if isinstance(operand, Delta) and sorted(operand.relation.coefficients) == [-1, 1]:
                for one, other in (labels, labels[::-1]):
                    axis = known.get(other)
                    if known.get(one) is None and axis is not None:
                        known[one] = axis._replace(is_whole=False)
        return [known.get(label) for label in node.output]

    def of_call(self, node: Call) -> list[Axis | None]:
        given, result = node.function.cores
        batch: list[Axis | None] = [None] * len(node.batch)
        core: dict[str, list[Axis | None]] = {}
        for arg, names in zip(node.args, given, strict=True):
            axes = self.axes[arg]
            lead = len(axes) - len(names)
            if lead:
                batch = [self.joined(*pair) for pair in zip(batch, axes[:lead], strict=True)]
            for name, axis in zip(names, axes[lead:], strict=True):
                core.setdefault(name, []).append(axis)
        counts = {name: result.count(name) for name in result}
        found = [self.of_core(core.get(n, []), counts[n], k) for k, n in enumerate(result)]
        return [*batch, *found]

    def of_core(self, axes: Sequence[Axis | None], count: int, k: int) -> Axis | None:
        """Choose what an axis of a function's value is.

        Rows and columns of a matrix are of one size; of its inverse they are told only if they
        are of one dimension as well.
        """
        known = [axis for axis in axes if axis is not None]
        if len(axes) == count == 1:
            return axes[0]
        alike = {_plain(self.dimension(axis)) for axis in known}
        if len(known) != len(axes) or len(alike) != 1 or alike == {None}:
            return None
        return known[min(k, len(known) - 1)]

    def dimension(self, axis: Axis) -> Hashable:
        root = self.root(axis._replace(is_whole=True))
        bound = [a for a in self.parent if self.root(a) == root and a.name in self.dimensions]
        return next((self.dimensions[a.name][a.place] for a in bound), None)


#: What a second or further axis of one dimension is called: ``d_time``, ``d2_time``.
_AGAIN = re.compile(r"d\d*_(.+)")


def _plain(dimension: Hashable) -> Hashable:
    """Return the dimension that a name means.

    >>> _plain("d_time"), _plain("time")
    ('time', 'time')
    """
    while isinstance(dimension, str) and (found := _AGAIN.fullmatch(dimension)):
        dimension = found[1]
    return dimension


# --- what does not fit ------------------------------------------------------------------------


class Conflict(NamedTuple):
    """Two axes that are bound to each other, and are of different dimensions or coordinates."""

    first: Axis
    second: Axis
    dimensions: tuple[Hashable, Hashable]

    @property
    def is_of_names(self) -> bool:
        """Whether the dimensions differ."""
        return _plain(self.dimensions[0]) != _plain(self.dimensions[1])


def conflict(expressions: Sequence[Node], values: Mapping[str, Any]) -> Conflict | None:
    """Find the first axes that expressions bind to each other, and that do not belong together."""
    arrays = _originals(values)
    if not arrays:
        return None
    order = {name: k for k, name in enumerate(values)}
    for group in followed(expressions, dimensions(arrays)).groups:
        known = sorted((a for a in group if a.name in arrays), key=lambda a: order[a.name])
        for axis in known[1:]:
            a, b = (arrays[x.name] for x in (known[0], axis))
            one, other = a.dims[known[0].place], b.dims[axis.place]
            found = Conflict(known[0], axis, (one, other))
            if found.is_of_names:
                return found
            both = one in a.indexes and other in b.indexes
            if both and not a.indexes[one].equals(b.indexes[other]):
                return found
    return None


def dimensions(arrays: Mapping[str, Any]) -> dict[str, tuple[Hashable, ...]]:
    """Return the dimensions of arrays of xarray's."""
    return {name: array.dims for name, array in arrays.items()}


# --- results ----------------------------------------------------------------------------------


def named(
    result: Any, expressions: Sequence[Node], by: Sequence[Axis], values: Mapping[str, Any]
) -> Any:
    """Give a result the dimensions and coordinates of the arrays that it was computed from.

    The expressions are what was computed, and what that is a derivative of, up to the function
    itself; `by` are the axes of what was differentiated by, of the first one first.
    """
    arrays = _originals(values)
    if not arrays:
        return result
    xarray = sys.modules["xarray"]
    found = followed([*expressions], dimensions(arrays))
    axes: list[Axis | None] = [*found.of[-1], *by]
    taken: list[Hashable] = []
    firsts: dict[Axis, Hashable] = {}  # what the first axis of each group is called
    parts = []
    for k, axis in enumerate(axes):
        known = [a for a in found.group(axis) if a.name in arrays] if axis is not None else []
        own = [arrays[a.name].dims[a.place] for a in known]
        taken.append(_free(own, f"dim_{k}", taken))
        if axis is None or not axis.is_whole or not known:
            continue
        if known[0] not in firsts:
            firsts.update(dict.fromkeys(known, taken[-1]))
        else:
            parts += [
                _coordinates(arrays[a.name], {dimension: taken[-1]}, with_scalars=False)
                for a, dimension in zip(known, own, strict=True)
            ]
    for name, array in arrays.items():
        kept: dict[Hashable, Hashable] = {}
        for k, dimension in enumerate(array.dims):
            new = firsts.get(Axis(name, k))
            if new is not None and new not in kept.values():
                kept[dimension] = new
        parts.append(_coordinates(array, kept))
    coords = xarray.merge(parts, compat="minimal", join="exact", combine_attrs="drop").coords
    return xarray.DataArray(result, dims=taken, coords=coords)


def _free(own: Sequence[Hashable], else_: str, taken: Sequence[Hashable]) -> Hashable:
    """Choose a name for a dimension.

    >>> _free(["d_time", "time"], "", []), _free(["time"], "", ["time"])
    ('time', 'd_time')
    >>> _free(["time"], "", ["time", "d_time"]), _free(["d_model"], "", [])
    ('d2_time', 'd_model')
    """
    wanted = next((name for name in own if name == _plain(name)), own[0] if own else else_)
    again = (f"d{k if k > 1 else ''}_{wanted}" for k in count(1))
    return next(name for name in chain([wanted], again) if name not in taken)


def _coordinates(array: Any, kept: Mapping[Hashable, Hashable], with_scalars: bool = True) -> Any:
    """Return the coordinates along some dimensions, under new names where these are new."""
    coords = array.coords.to_dataset().drop_dims(
        [d for d in array.dims if d not in kept], errors="ignore"
    )
    if not with_scalars:
        coords = coords.drop_vars([name for name, c in coords.coords.items() if not c.dims])
    renamed: dict[Hashable, Hashable] = {}
    for old, new in kept.items():
        if old == new or old not in coords.dims:  # it has no coordinates
            continue
        before, after = (str(d).removesuffix(str(_plain(d))) for d in (old, new))
        for name in [name for name, c in coords.coords.items() if old in c.dims]:
            renamed[name] = after + str(name).removeprefix(before)
        renamed[old] = new
    lost = [old for old, new in renamed.items() if new in coords.coords and new not in renamed]
    return coords.drop_vars([name for name in lost if name in coords.coords]).rename(
        {old: new for old, new in renamed.items() if old not in lost or old in kept}
    )
