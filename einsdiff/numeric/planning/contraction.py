r"""Products of arrays, pair by pair, in the order that opt_einsum chooses.

.. math:: f_i = \sum_{jk} A_{ij} B_{jk} x_k

is planned as ``A @ (x @ B.T)``: what a pair becomes, a matrix product or a broadcast product, is
decided here, before anything is computed.

>>> from einsdiff.numeric.planning.steps import Handle, Steps
>>> steps = Steps()
>>> A, B, x = Handle("A", (9, 8)), Handle("B", (8, 7)), Handle("x", (7,))
>>> size = {0: 9, 1: 8, 2: 7}
>>> array, labels = contract(steps, [(A, (0, 1)), (B, (1, 2)), (x, (2,))], (0,), (0,), size)
>>> [(step.op, step.args) for step in steps.instructions]
[('transpose', ('B',)), ('dot', ('x', 't0')), ('dot', ('A', 't1'))]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import count, product
from math import prod

from einsdiff.numeric.orders.networks import Path
from einsdiff.numeric.orders.paths import Given, find_order, find_slices
from einsdiff.numeric.orders.slices import NETWORK
from einsdiff.numeric.planning.fusing import fused
from einsdiff.numeric.planning.operations import Sliced
from einsdiff.numeric.planning.steps import Handle, Labels, Steps, letters
from einsdiff.numeric.planning.strides import entrywise, is_matrix, reshaped

#: An array and the label of each of its axes.
Factor = tuple[Handle, Labels]
Factors = Sequence[Factor]
#: Labels of a product of two: those of a batch, of rows, of columns, and those that are summed.
Groups = tuple[list[int], list[int], list[int], list[int]]
#: The size of each label.
Sizes = Mapping[int, int]

#: So many equal factors are computed as a power.
FEWEST_POWER = 3


def contract(
    steps: Steps, factors: Factors, output: Collection[int], order: Labels, size: Sizes
) -> Factor:
    """Multiply factors, of which there is at least one, and sum over labels not in the output.

    Each label of the output is carried by some factor. About in this order they are arranged in the
    result, whose labels are returned.
    """
    if not isinstance(steps.finder, Given):  # a path counts them all
        factors = _powers(steps, factors)
    found = None if steps.is_plain else _symmetric(steps, factors, output, size)
    if found is not None:
        return found
    carried = _carried(factors, output)
    left = [
        _reduce(steps, array, labels, {n for n in labels if carried[n] > 1 or n in output})
        for array, labels in factors
    ]
    number = {label: k for k, label in enumerate(size)}
    product = (
        tuple(tuple(number[n] for n in labels) for _, labels in left),
        tuple(number[n] for n in output),
        tuple(map(int, size.values())),
        steps.finder,
    )
    place = partial(steps.placed.network, names=[array.name for array, _ in left])
    if steps.finder is None and steps.room is None:
        path = find_order(*product, place)
        return _multiplied(steps, left, path, output, order, size)
    path, sliced = find_slices(*product, steps.room, place)
    if not sliced or steps.is_plain:  # what people read has no loops
        return _multiplied(steps, left, path, output, order, size)
    back = list(size)
    return _in_slices(steps, left, path, output, order, size, {back[k] for k in sliced})


def _carried(factors: Iterable[Factor], output: Iterable[int]) -> Counter[int]:
    """Count by how many factors each label is carried, and by the result."""
    carried = Counter(output)
    for _, labels in factors:
        carried.update(set(labels))
    return carried


def _multiplied(
    steps: Steps, factors: Factors, path: Path, output: Collection[int], order: Labels, size: Sizes
) -> Factor:
    """Multiply factors in the order of a path."""
    left = list(factors)
    carried = _carried(left, output)
    # How many entries it took to compute each: of two the one that takes more comes first, while
    # the other need not be known.
    is_long = len(left) > NETWORK
    needs = [0] * len(left)
    for chosen in path:
        at = sorted(chosen, reverse=True)
        group = [left.pop(k) for k in at]
        took = [needs.pop(k) for k in at]
        for _, labels in group:
            carried.subtract(labels)
        # opt_einsum joins more than two factors at once only where there is no order to choose.
        while len(group) > 1:
            b, a = group.pop(), group.pop()
            need_b, need_a = took.pop(), took.pop()
            if is_long and need_b - prod(b[0].shape) > max(need_a - prod(a[0].shape), 0):
                a, b, need_a, need_b = b, a, need_b, need_a
            kept = [n for n in (*a[1], *b[1]) if carried[n] or any(n in o for _, o in group)]
            final = () if group or left else order
            if is_long and not final:
                result = _pair_once(steps, a, b, set(kept), size)
            else:
                result = _pair(steps, a, b, set(kept), final, size)
            group.append(result)
            held = prod(a[0].shape) if need_a else 0
            entries = prod(result[0].shape)
            took.append(max(need_a, held + need_b, held + prod(b[0].shape) + entries))
        left.append(group[0])
        needs.append(took[0])
        carried.update(group[0][1])
    return left[0]


def _in_slices(
    steps: Steps,
    factors: Factors,
    path: Path,
    output: Collection[int],
    order: Labels,
    size: Sizes,
    sliced: Collection[int],
) -> Factor:
    """Multiply factors for one value of some labels at a time, and add up.

    What has none of these labels is multiplied once, before.
    """
    places = list(range(len(factors)))  # of what is left, the numbers
    fresh = count(len(factors))
    known = dict(enumerate(factors))
    depends = {k for k, (_, labels) in known.items() if not set(labels).isdisjoint(sliced)}
    later: list[tuple[list[int], int]] = []  # steps that are taken for each value
    carried = _carried(factors, output)
    for chosen in path:
        group = [places.pop(k) for k in sorted(chosen, reverse=True)]
        made = next(fresh)
        if depends.isdisjoint(group):
            own = [known.pop(k) for k in group]
            for _, labels in own:
                carried.subtract(labels)
            kept = {n for _, labels in own for n in labels if carried[n]}
            line = ((0, 1), *[(0, k) for k in range(len(own) - 2, 0, -1)])
            known[made] = _multiplied(steps, own, line, kept, (), size)
            carried.update(known[made][1])
        else:
            depends.add(made)
            later.append((group, made))
        places.append(made)
    names = {label: f"n{k}" for k, label in enumerate(sorted(sliced))}
    loop = steps.inside()
    order = tuple([n for n in order if n in output] or output)
    rest = tuple(n for n in order if n not in names)
    parts = {k: _sliced(loop, array, labels, names) for k, (array, labels) in known.items()}
    numbers = list(parts)
    inner_path = []
    for group, made in later:
        inner_path.append(tuple(sorted(map(numbers.index, group))))
        numbers = [*(k for k in numbers if k not in group), made]
    value, labels = _multiplied(loop, list(parts.values()), tuple(inner_path), rest, rest, size)
    value = loop.arrange(value, labels, rest)
    instructions, (name,) = fused(loop.instructions, [value.name])
    detail = Sliced(
        tuple((names[n], size[n]) for n in sorted(sliced)),
        instructions,
        name,
        tuple(names.get(n, ":") for n in order),
        not set(sliced).issubset(order),
    )
    arrays = [array for array, _ in known.values()]
    return steps.emit("slices", arrays, [size[n] for n in order], detail), order


def _sliced(steps: Steps, array: Handle, labels: Labels, names: Mapping[int, str]) -> Factor:
    """Take the part of an array for one value of some labels."""
    rest = [k for k, n in enumerate(labels) if n not in names]
    if len(rest) == len(labels):
        return array, labels
    texts = [names.get(n, ":") for n in labels]
    while texts[-1] == ":":
        del texts[-1]
    shape, strides = ([of[k] for k in rest] for of in (array.shape, array.strides))
    if not rest:
        texts.append("...")  # a view without axes, not a number
    part = steps.emit("slice", [array], shape, tuple(texts), strides)
    return part, tuple(labels[k] for k in rest)


#: Products of fewer multiplications are not worth halving.
LEAST_SYMMETRIC = 2**18


def _symmetric(
    steps: Steps, factors: Factors, output: Collection[int], size: Sizes
) -> Factor | None:
    r"""Recognise products of which half determines all, since two factors can be exchanged.

    These are :math:`\sum_k w_k X_{ki} X_{kj}`, with one weight for each k, and
    :math:`\sum_k X_{ki} X_{kj} R_{k\dots}`.
    """
    if len(factors) < 3:  # a matrix times itself is recognised by NumPy
        return None
    if len({array.name for array, _ in factors}) == len(factors):
        return None
    for k, (array, labels) in enumerate(factors):
        for n, (other, others) in enumerate(factors[:k]):
            if other.name != array.name:
                continue
            rest = [factors[j] for j in range(len(factors)) if j not in (k, n)]
            rows = [a for a, b in zip(labels, others, strict=False) if a != b]
            columns = [b for a, b in zip(labels, others, strict=False) if a != b]
            summed = [a for a, b in zip(labels, others, strict=False) if a == b]
            carried = {label for _, theirs in rest for label in theirs}
            left = [label for label in output if label in carried]
            work = prod(size[label] for label in (*summed, *rows, *columns, *left))
            if (
                rows
                and sorted(output) == sorted([*rows, *columns, *left])
                and len({*labels, *others}) == len(rows) + len(columns) + len(summed)
                and carried.issuperset(summed)
                and carried.isdisjoint([*rows, *columns])
                and not set(summed).intersection(output)
                and work >= LEAST_SYMMETRIC
            ):
                return _halved(steps, (array, labels), rest, (summed, rows, columns, left), size)
    return None


def _halved(steps: Steps, factor: Factor, rest: Factors, groups: Groups, size: Sizes) -> Factor:
    """Compute a product with a factor that stands in it twice."""
    array, labels = factor
    summed, rows, columns, left = groups
    height, extent = (prod(size[label] for label in group) for group in (summed, rows))
    matrix = steps.transpose(array, [labels.index(label) for label in summed + rows])
    matrix = steps.reshape(matrix, [height, extent])
    kept = tuple(summed + left)
    others, theirs = contract(steps, rest, kept, kept, size)
    others = steps.transpose(others, [theirs.index(label) for label in kept])
    if not left:
        others = steps.reshape(others, [height])
        result = steps.emit("gram", [matrix, others], [extent, extent])
    else:
        width = prod(size[label] for label in left)
        others = steps.reshape(others, [height, width])
        result = steps.emit("pairs", [matrix, others], [extent, extent, width])
    both = (*rows, *columns, *left)
    return steps.reshape(result, [size[label] for label in both]), both


def _powers(steps: Steps, factors: Factors) -> Factors:
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
            kept.append((steps.entrywise("power", [array], array.shape, n), labels))
    return kept


def _reduce(steps: Steps, array: Handle, labels: Labels, needed: set[int]) -> Factor:
    """Take the diagonal of axes with one label, and sum over axes that are not needed."""
    array, labels = steps.diagonal(array, labels)
    kept = tuple(label for label in labels if label in needed)
    if len(kept) < len(labels):
        axes = tuple(k for k, label in enumerate(labels) if label not in needed)
        left = [k for k in range(len(labels)) if k not in axes]
        shape = [array.shape[k] for k in left]
        lies = entrywise(shape, [(shape, tuple(array.strides[k] for k in left))])
        array = steps.emit("sum", [array], shape, axes, lies)
    return array, kept


def _pair_once(steps: Steps, a: Factor, b: Factor, needed: set[int], size: Sizes) -> Factor:
    """Contract two factors, unless that was done before with other names of their labels.

    The derivatives of a network have most of their products in common.
    """
    names = list(dict.fromkeys((*a[1], *b[1])))
    number = {label: k for k, label in enumerate(names)}
    axes = tuple(number[n] for n in a[1]), tuple(number[n] for n in b[1])
    key = a[0].name, b[0].name, axes, tuple([n in needed for n in names])
    if key not in steps.pairs:
        array, labels = _pair(steps, a, b, needed, (), size)
        steps.pairs[key] = array, tuple(number[n] for n in labels)
    array, order = steps.pairs[key]
    return array, tuple(names[k] for k in order)


def _pair(
    steps: Steps, a: Factor, b: Factor, needed: set[int], final: Labels, size: Sizes
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
        shape = tuple(size[label] for label in order)
        return _broadcast_product(steps, value_a, value_b, shape), tuple(order)
    if batch and not rows and not columns:
        detail = letters([labels_a, labels_b], batch)
        stack = [size[label] for label in batch]
        lies = entrywise(stack, [(stack, _along(*factor, batch)) for factor in (a, b)])
        return steps.emit("einsum", [array_a, array_b], stack, detail, lies), tuple(batch)
    if steps.is_plain:
        return _plain_product(steps, a, b, (batch, rows, columns, summed), final, size)
    return _matrix_product(steps, a, b, (batch, rows, columns, summed), final, size)


#: Rows of fewer entries cost more for being rows than for their entries. Measured with NumPy 2.4.
SHORT_ROW = 64
LONG_ROW = 256
#: A product of so many entries is worth copying its factors for.
LEAST_PRODUCT = 2**15


def _broadcast_product(steps: Steps, a: Handle, b: Handle, shape: tuple[int, ...]) -> Handle:
    r"""Multiply arrays that are broadcast together, along rows that are long enough.

    NumPy goes through the last axis in a loop of its own. For :math:`A_{ps} B_{qr}` with few s, the
    factors are first repeated along the last axes, which makes one long axis of these.
    """
    values = [a, b]
    rank = len(shape)
    axes = [
        [(1, 0)] * (rank - len(v.shape)) + list(zip(v.shape, v.strides, strict=True))
        for v in values
    ]
    if steps.is_plain or prod(shape) < LEAST_PRODUCT or _row(shape, axes) >= SHORT_ROW:
        return steps.entrywise("multiply", values, shape)
    for start in range(rank - 2, 0, -1):
        length = prod(shape[start:])
        varies = [any(n > 1 for n, _ in own[start:]) for own in axes]
        heads = [tuple(n for n, _ in own[:start]) for own in axes]
        copied = sum(
            prod(head) * length for head, is_long in zip(heads, varies, strict=True) if is_long
        )
        if length >= LONG_ROW and 4 * copied <= prod(shape):
            rows = []
            for value, head, is_long in zip(values, heads, varies, strict=True):
                value = steps.reshape(value, (1,) * (rank - len(value.shape)) + value.shape)
                if is_long and value.shape != (*head, *shape[start:]):
                    value = steps.emit("repeat", [value], head + shape[start:])
                rows.append(steps.reshape(value, (*head, length if is_long else 1)))
            product = steps.entrywise("multiply", rows, (*shape[:start], length))
            return steps.reshape(product, shape)
    return steps.entrywise("multiply", values, shape)


def _row(shape: Sequence[int], operands: Sequence[Sequence[tuple[int, int]]]) -> int:
    """Return how many entries of a product NumPy goes through in one loop."""
    row = 1
    for axis in range(len(shape) - 1, -1, -1):
        if row > 1 and any(
            (own[axis][1] if own[axis][0] > 1 else 0)
            != (own[axis + 1][1] * own[axis + 1][0] if own[axis + 1][0] > 1 else 0)
            for own in operands
        ):
            break
        row *= shape[axis]
    return row


def _plain_product(
    steps: Steps, a: Factor, b: Factor, groups: Groups, final: Labels, size: Sizes
) -> Factor:
    """Contract two factors by ``@`` if that is all it takes, else as an einsum."""
    (array_a, labels_a), (array_b, labels_b) = a, b
    batch, rows, columns, summed = groups
    if not batch and len(summed) == 1 and len(rows) <= 1 and len(columns) <= 1:
        return _matrix_product(steps, a, b, groups, final, size)
    if not batch and not rows and not columns:
        turned = steps.transpose(array_b, [labels_b.index(label) for label in labels_a])
        entries = steps.entrywise("multiply", [array_a, turned], array_a.shape)
        return steps.emit("sum", [entries], (), tuple(range(len(labels_a)))), ()
    stacked = (*batch, *rows, *columns)
    is_stack = len(rows) == len(columns) == len(summed) == 1 and (labels_a, labels_b) == (
        (*batch, *rows, *summed),
        (*batch, *summed, *columns),
    )
    is_last = (labels_a, labels_b) == ((*rows, *summed), (*summed, *columns))
    is_product = is_stack or (is_last and len(summed) == 1 and len(columns) <= 1)
    if is_product and final in ((), stacked):
        return steps.emit("matmul", [array_a, array_b], [size[n] for n in stacked]), stacked
    output = final or stacked
    detail = letters([labels_a, labels_b], output)
    return steps.emit("einsum", [array_a, array_b], [size[n] for n in output], detail), output


def _matrix_product(
    steps: Steps, a: Factor, b: Factor, groups: Groups, final: Labels, size: Sizes
) -> Factor:
    """Contract two factors by a matrix product, or by one for each index of the batch axes.

    Each group of labels becomes one axis. In which order its labels follow each other is free, and
    is chosen so that few arrays are copied.
    """
    (array_a, labels_a), (array_b, labels_b) = a, b
    batch, rows, columns, summed = groups

    def extent(group: Iterable[int]) -> int:
        return prod(size[label] for label in group)

    # With batch axes both operands are matrices, of one row or column if need be.
    height = [extent(rows)] if rows or batch else []
    width = [extent(columns)] if columns or batch else []

    def operands(orders: Sequence[Labels]) -> list[tuple[Handle, list[int], list[int]]]:
        """Return for both factors the order of axes, and the shape that these are merged to."""
        batch, rows, columns, summed = orders
        stack = [size[label] for label in batch]
        return [
            (
                array_a,
                [labels_a.index(n) for n in (*batch, *rows, *summed)],
                [*stack, *height, extent(summed)],
            ),
            (
                array_b,
                [labels_b.index(n) for n in (*batch, *summed, *columns)],
                [*stack, extent(summed), *width],
            ),
        ]

    def copied(orders: Sequence[Labels]) -> float:
        """Count the entries that are copied; a result in another order is copied late or never."""
        found = sum(
            prod(array.shape)
            for array, axes, shape in operands(orders)
            if _copies(array, axes, shape)
        )
        is_final = not final or final == (*orders[0], *orders[1], *orders[2])
        return found + (0 if is_final else extent(batch + rows + columns) / 8)

    in_a, in_b = _memory_order(array_a, labels_a), _memory_order(array_b, labels_b)
    choices = product(
        _orders(batch, final, in_a, in_b),
        _orders(rows, final, in_a),
        _orders(columns, final, in_b),
        _orders(summed, in_a if prod(array_a.shape) >= prod(array_b.shape) else in_b, in_a, in_b),
    )
    orders = min(choices, key=copied)
    values = []
    for array, axes, shape in operands(orders):
        value = steps.reshape(steps.transpose(array, axes), shape)
        # One by one, NumPy multiplies matrices that BLAS does not take without it.
        if batch and not is_matrix(value.shape, value.strides):
            value = steps.emit("pack", [value], value.shape)
        values.append(value)
    labels = (*orders[0], *orders[1], *orders[2])
    shape = [*(size[label] for label in orders[0]), *height, *width]
    if batch:  # the matrices are stacked as those of the operands are
        count = len(batch)
        stack = shape[:count]
        outer = entrywise(stack, [(stack, value.strides[:count]) for value in values])
        lies = (*(prod(height + width) * step for step in outer), prod(width), 1)
        result = steps.emit("matmul", values, shape, None, lies)
    else:  # for small arrays that costs half of matmul
        result = steps.emit("dot", values, shape)
    return steps.reshape(result, [size[label] for label in labels]), labels


def _along(array: Handle, labels: Labels, wanted: Sequence[int]) -> tuple[int, ...]:
    """Return the strides of the axes with these labels."""
    return tuple(array.strides[labels.index(label)] for label in wanted)


def _orders(group: Sequence[int], *preferred: Sequence[int]) -> list[Labels]:
    """List orders of labels, those of sequences that have all of them, each once."""
    found = [
        tuple(sorted(group, key=order.index)) for order in preferred if set(group).issubset(order)
    ]
    return list(dict.fromkeys(found)) or [tuple(group)]


def _memory_order(array: Handle, labels: Labels) -> list[int]:
    """List the labels of an array from the slowest axis to the fastest."""
    order = sorted(range(len(labels)), key=lambda axis: -abs(array.strides[axis]))
    return [labels[axis] for axis in order]


def _copies(array: Handle, axes: Sequence[int], shape: Sequence[int]) -> bool:
    """Tell whether a matrix with these axes merged is a copy, made here or by BLAS."""
    turned = [array.shape[axis] for axis in axes]
    strides = reshaped(turned, tuple(array.strides[axis] for axis in axes), shape)
    return strides is None or (len(shape) > 1 and not is_matrix(shape, strides))
