r"""Products that stand in a part of their result, outside of which it is zero.

A derivative is often nothing but a small array in the right place of a large one:

.. math:: \frac{\partial f_i}{\partial A_{pq}} = \delta_{ip}\, x_q \qquad
    \frac{\partial x_{i+1}}{\partial x_p} = \delta_{i+1,\,p} .

The small one is computed, and written through a view of the zeroed result: a diagonal, a range of
an axis, an axis split into digits, or several of these.

>>> steps = Steps()
>>> out = steps.emit("zeros", [], (3, 4))
>>> ones = Contracted(None, (), (View(1, (0,), (3,), Range(1, 1, 3)),))
>>> write(steps, out, (0, 1), ones)  # 1 where i + 1 = p
>>> for step in steps.instructions[1:]:
...     print(step.op, step.target, step.args, step.detail, step.shape)
slice t1 ('t0',) (':', '1:') (3, 3)
diagonal t2 ('t1',) ii->i (3,)
assign t2 ('t2', '1') None (3,)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from einsdiff.algebra.nodes.interning import Number, is_one
from einsdiff.numeric.planning.steps import Handle, Labels, Range, Steps, literal


class View(NamedTuple):
    """Entries of a result outside of which it is zero."""

    label: int  # of the axis that is viewed
    #: What it becomes: digits (one alone is a new name), one label where `taken` is a range, none
    #: where it is one index.
    labels: Labels
    sizes: tuple[int, ...]  # the sizes of these
    taken: Range | int | None = None  # the indices taken; None for digits


@dataclass(frozen=True, slots=True)
class Contracted:
    """A product: an array, written into a view of zeros, times a number."""

    array: Handle | None  # none for ones
    labels: Labels  # of its axes; labels of the view that it does not have are broadcast
    #: Those of the result, one after the other; a label may stand twice in the end, which is a
    #: diagonal.
    views: tuple[View, ...] = ()
    factor: Number = 1  # the number


class Window(NamedTuple):
    """The entries of a result that a product is written to, as a view of its memory."""

    offset: int  # where the first of them is, counted in entries in C order
    shape: tuple[int, ...]  # how many indices it has
    strides: tuple[int, ...]  # how far apart entries are along each axis, in entries


class PlannedCore(NamedTuple):
    """A term of a result: an array, and where in the result it stands."""

    name: str  # the name of the array, or a number
    window: Window  # the entries of the result that it is written to, or added to
    #: Which axis of the window each axis of the array is; along the others it is repeated.
    axes: tuple[int, ...]
    #: How NumPy's einsum would write it, if it took labels that stand twice in the output:
    #: ``k->iik`` is the diagonal. Empty where more than deltas place it, as for a slice.
    subscripts: str


def window(shape: tuple[int, ...], layout: Labels, views: Iterable[View]) -> tuple[Window, Labels]:
    """Find the entries of a result that a product is written to, and their labels.

    A label of the result that is repeated is a diagonal; the views are those of the product.

    >>> window((3, 3, 4), (0, 0, 1), ())  # δ_ij x_k
    (Window(offset=0, shape=(3, 4), strides=(16, 1)), (0, 1))
    """
    offset, stride = 0, 1
    axes: list[tuple[int, int, int]] = []  # label, size, stride
    for label, size in zip(reversed(layout), reversed(shape), strict=True):
        axes.insert(0, (label, size, stride))
        stride *= size
    for step in views:
        split: list[tuple[int, int, int]] = []
        for label, size, stride in axes:
            if label != step.label:
                split.append((label, size, stride))
            elif isinstance(step.taken, int):
                offset += step.taken * stride
            elif isinstance(step.taken, Range):
                offset += step.taken.start * stride
                split.append((step.labels[0], step.taken.count, step.taken.step * stride))
            else:
                strides = [stride * prod(step.sizes[k + 1 :]) for k in range(len(step.sizes))]
                split.extend(zip(step.labels, step.sizes, strides, strict=True))
        axes = split
    sizes: dict[int, int] = {}
    total: dict[int, int] = {}
    for label, size, stride in axes:
        sizes[label] = size
        total[label] = total.get(label, 0) + stride
    return Window(offset, tuple(sizes.values()), tuple(total.values())), tuple(sizes)


def laid_out(
    steps: Steps, found: Contracted, layout: Labels, shape: tuple[int, ...]
) -> Handle | None:
    """Arrange the array of a product as a result, if nothing is left to be written.

    That is so if the views only split axes, and there are no diagonals and no broadcasts.
    """
    if found.array is None or found.factor != 1 or not is_full(found, layout):
        return None
    for step in found.views:
        layout = viewed(layout, step)
    if not set(layout).issubset(found.labels):
        return None
    array = steps.transpose(found.array, [found.labels.index(label) for label in layout])
    return steps.reshape(array, shape)


def is_full(found: Contracted, layout: Labels) -> bool:
    """Tell whether every entry of a result with these labels is written."""
    for step in found.views:
        if step.taken is not None:
            return False
        layout = viewed(layout, step)
    return len(set(layout)) == len(layout)


def write(
    steps: Steps, out: Handle, layout: Labels, found: Contracted, is_first: bool = True
) -> None:
    """Write a product into a result with these labels, or add it to what was written first."""
    target, layout = view(steps, out, layout, found.views)
    target, layout = steps.diagonal(target, layout)
    c = found.factor
    op = "assign" if is_first else "accumulate"
    if found.array is None:
        steps.write(op, target, [literal(c)])
        return
    array, args = found.array, []
    if is_first and not is_one(c) and prod(array.shape) == prod(target.shape):
        args = [literal(c)]  # in the pass that writes it
    elif c == -1 and not is_first:
        op = "deduct"
    else:
        array = steps.multiple(c, array)
    steps.write(op, target, [steps.arrange(array, found.labels, layout).name, *args])


def view(
    steps: Steps, array: Handle, layout: Labels, views: Iterable[View]
) -> tuple[Handle, Labels]:
    """View an array whose axes have these labels; return also the labels of the view's axes."""
    for step in views:
        at = [k for k, label in enumerate(layout) if label == step.label]
        if step.taken is None:
            array = steps.split(array, dict.fromkeys(at, step.sizes))
        else:
            array = steps.slice(array, dict.fromkeys(at, step.taken))
        layout = viewed(layout, step)
    return array, layout


def viewed(layout: Labels, step: View) -> Labels:
    """Return the labels that axes with these labels have after a view."""
    return tuple(
        new for label in layout for new in (step.labels if label == step.label else (label,))
    )
