r"""Products of arrays, pair by pair, in the order that opt_einsum chooses.

.. math:: f_i = \sum_{jk} A_{ij} B_{jk} x_k

is planned as ``A @ (x @ B.T)``: what a pair becomes, a matrix product or a broadcast product, is
decided here, before anything is computed.

>>> from einsdiff.numeric.steps import Handle, Steps
>>> steps = Steps()
>>> A, B, x = Handle("A", (9, 8)), Handle("B", (8, 7)), Handle("x", (7,))
>>> size = {0: 9, 1: 8, 2: 7}
>>> array, labels = contract(steps, [(A, (0, 1)), (B, (1, 2)), (x, (2,))], (0,), (0,), size)
>>> [(step.op, step.args) for step in steps.instructions]
[('transpose', ('B',)), ('dot', ('x', 't0')), ('dot', ('A', 't1'))]
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import prod

import opt_einsum as oe

from einsdiff.numeric.steps import Handle, Labels, Steps, letters

__all__ = ["Factor", "contract"]

#: An array and the label of each of its axes.
Factor = tuple[Handle, Labels]

#: So many equal factors are computed as a power.
FEWEST_POWER = 3


def contract(
    steps: Steps,
    factors: Sequence[Factor],
    output: Collection[int],
    order: Labels,
    size: Mapping[int, int],
) -> Factor:
    """Multiply factors, of which there is at least one, and sum over labels not in the output.

    Parameters
    ----------
    steps
        Where the instructions go.
    factors
        Arrays and their labels.
    output
        The labels to keep, each carried by some factor.
    order
        About how they should be arranged in the result.
    size
        The size of each label.

    Returns
    -------
    Factor
        The product, and the labels of its axes.
    """
    factors = _powers(steps, factors)
    left = [
        _reduce(
            steps,
            array,
            labels,
            {
                label
                for label in labels
                if label in output
                or any(label in other for j, (_, other) in enumerate(factors) if j != k)
            },
        )
        for k, (array, labels) in enumerate(factors)
    ]
    path: Sequence[Sequence[int]]
    if len(left) <= 2:
        path = [tuple(range(len(left)))] if len(left) == 2 else []
    else:
        path = oe.paths.auto(
            [frozenset(map(str, labels)) for _, labels in left],
            frozenset(map(str, output)),
            {str(label): n for label, n in size.items()},
        )
    for chosen in path:
        # opt_einsum joins more than two factors at once only where there is no order to choose.
        group = [left.pop(k) for k in sorted(chosen, reverse=True)]
        while len(group) > 1:
            b, a = group.pop(), group.pop()
            needed = {label for _, labels in (*group, *left) for label in labels}
            needed.update(output)
            final = () if group or left else order
            group.append(_pair(steps, a, b, needed, final, size))
        left.append(group[0])
    return left[0]


def _powers(steps: Steps, factors: Sequence[Factor]) -> Sequence[Factor]:
    """Make one power of each three or more equal factors."""
    if len(factors) < FEWEST_POWER:
        return factors
    counted: dict[Factor, int] = {}
    for factor in factors:
        counted[factor] = counted.get(factor, 0) + 1
    kept: list[Factor] = []
    for (array, labels), n in counted.items():
        if n < FEWEST_POWER:
            kept.extend([(array, labels)] * n)
        else:
            array, labels = steps.diagonal(array, labels)
            kept.append((steps.emit("power", [array], array.shape, n), labels))
    return kept


def _reduce(steps: Steps, array: Handle, labels: Labels, needed: set[int]) -> Factor:
    """Take the diagonal of axes with one label, and sum over axes that are not needed."""
    array, labels = steps.diagonal(array, labels)
    kept = tuple(label for label in labels if label in needed)
    if len(kept) < len(labels):
        axes = tuple(k for k, label in enumerate(labels) if label not in needed)
        shape = [n for k, n in enumerate(array.shape) if k not in axes]
        array = steps.emit("sum", [array], shape, axes)
    return array, kept


def _pair(
    steps: Steps,
    a: Factor,
    b: Factor,
    needed: set[int],
    final: Labels,
    size: Mapping[int, int],
) -> Factor:
    """Contract two factors: a broadcast product where nothing is summed, else a matmul."""
    (array_a, labels_a), (array_b, labels_b) = a, b
    shared = [label for label in labels_a if label in labels_b]
    batch = [label for label in shared if label in needed]
    summed = [label for label in shared if label not in needed]
    rows = [label for label in labels_a if label not in labels_b]
    columns = [label for label in labels_b if label not in labels_a]
    if final:
        batch, rows, columns = (sorted(g, key=final.index) for g in (batch, rows, columns))
        outer = [label for label in final if label not in batch]
        if outer and outer[0] in columns:
            return _pair(steps, b, a, needed, final, size)
    if not summed:
        order = final or tuple(batch + rows + columns)
        value_a = steps.arrange(array_a, labels_a, order)
        value_b = steps.arrange(array_b, labels_b, order)
        shape = [size[label] for label in order]
        return steps.emit("multiply", [value_a, value_b], shape), tuple(order)
    if batch and not rows and not columns:
        detail = letters([labels_a, labels_b], batch)
        shape = [size[label] for label in batch]
        return steps.emit("einsum", [array_a, array_b], shape, detail), tuple(batch)
    if prod(array_a.shape) < prod(array_b.shape):
        summed = [label for label in labels_b if label in summed]

    def extent(group: Iterable[int]) -> int:
        return prod(size[label] for label in group)

    stack = [size[label] for label in batch]
    matrix = bool(batch)  # with batch axes both operands are matrices, of one row if need be
    value_a = steps.transpose(array_a, [labels_a.index(n) for n in batch + rows + summed])
    value_a = steps.reshape(
        value_a, [*stack, *([extent(rows)] if rows or matrix else []), extent(summed)]
    )
    value_b = steps.transpose(array_b, [labels_b.index(n) for n in batch + summed + columns])
    value_b = steps.reshape(
        value_b, [*stack, extent(summed), *([extent(columns)] if columns or matrix else [])]
    )
    product = steps.emit(
        "matmul" if matrix else "dot",  # which costs half as much for small arrays
        [value_a, value_b],
        [
            *stack,
            *([extent(rows)] if rows or matrix else []),
            *([extent(columns)] if columns or matrix else []),
        ],
    )
    labels = tuple(batch + rows + columns)
    return steps.reshape(product, [size[label] for label in labels]), labels
