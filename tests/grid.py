"""Expressions evaluated by their definition, node by node, with nothing rewritten.

A product is what `numpy.einsum` makes of it, where a vector of ones stands for each label: labels
that no factor has are summed like any other. Sizes may be names; they are given with the values.

>>> from einsdiff.algebra.nodes.nodes import einsum
>>> from einsdiff.algebra.nodes.interning import variable
>>> x = variable("x", ("n",))
>>> float(
...     evaluate(
...         einsum([x], ["i"], "", {"k": "n"}), {"x": np.array([1.0, 2.0, 4.0])}, {"n": 3}
...     )
... )
21.0
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import permutations
from string import ascii_letters

import numpy as np

from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import Add, Call, Constant, Delta, Einsum, Node, Variable
from einsdiff.numeric.running import kernels as special


class NoValueError(Exception):
    """Something on the way is not finite."""


class TooManyError(NoValueError):
    """A product has more labels than NumPy has letters."""


def evaluate(
    root: Node,
    arrays: Mapping[str, np.ndarray],
    sizes: Mapping[str, int] | None = None,
    careful: bool = True,
) -> np.ndarray:
    """Compute a node.

    If `careful`, raise NoValueError where anything on the way is not finite, or a rounding error
    decides the value.
    """
    named = dict(sizes or {})
    values: dict[Node, np.ndarray] = {}
    for node in topological([root]):
        shape = tuple(_size(size, named) for size in node.shape)
        value = np.asarray(_value(node, shape, values, arrays, named, careful))
        assert value.shape == shape, f"{value.shape} for {node.shape}"
        if careful and not np.abs(value).max(initial=0) < 1e6:
            raise NoValueError
        values[node] = value
    return values[root]


def whole_einsum(
    arrays: Sequence[np.ndarray],
    subscripts: Sequence[Sequence[Hashable]],
    output: Sequence[Hashable],
    sizes: Mapping[Hashable, int],
) -> np.ndarray:
    """Multiply, and sum over all labels in `sizes` that are not in the output."""
    labels = list(sizes)
    if len(labels) > len(ascii_letters):
        raise TooManyError
    letter = dict(zip(labels, ascii_letters, strict=False))
    kept = list(dict.fromkeys(output))
    # Each label also stands at a vector of ones, so that none is left out.
    terms = [
        *("".join(letter[label] for label in theirs) for theirs in subscripts),
        *(letter[label] for label in labels),
    ]
    ones = [np.ones(sizes[label]) for label in labels]
    text = ",".join(terms) + "->" + "".join(letter[label] for label in kept)
    core = np.einsum(text, *arrays, *ones, optimize=True) if terms else np.array(1.0)
    result = np.zeros([sizes[label] for label in output], core.dtype)
    at = np.indices(core.shape)
    result[tuple(at[kept.index(label)] for label in output)] = core
    return result


def _size(size: int | str, named: Mapping[str, int]) -> int:
    return named[size] if isinstance(size, str) else size


def _value(
    node: Node,
    shape: tuple[int, ...],
    values: Mapping[Node, np.ndarray],
    arrays: Mapping[str, np.ndarray],
    named: Mapping[str, int],
    careful: bool,
) -> np.ndarray:
    if isinstance(node, Variable):
        return arrays[node.name]
    if isinstance(node, Constant):
        return np.array(_number(node.value))
    if isinstance(node, Delta):
        c, offset, is_equation = node.relation
        total = offset + sum(k * i for k, i in zip(c, np.indices(shape), strict=True))
        return (total == 0 if is_equation else total >= 0).astype(float)
    if isinstance(node, Einsum):
        operands = [values[operand] for operand in node.operands]
        every = {label: _size(size, named) for label, size in enumerate(node.sizes)}
        return whole_einsum(operands, node.subscripts, node.output, every)
    if isinstance(node, Add):
        return sum((_number(c) * values[term] for c, term in node.terms), np.zeros(shape))
    assert isinstance(node, Call)
    if not node.args:
        return _permutations(shape)
    return _called(node, shape, [values[arg] for arg in node.args], careful)


def _permutations(shape: tuple[int, ...]) -> np.ndarray:
    """Make the permutation symbol: the determinant of the unit vectors of its indices."""
    unit = np.eye(len(shape))
    symbol = np.zeros(shape)
    for index in permutations(range(len(shape))):
        symbol[index] = round(np.linalg.det(unit[list(index)]))
    return symbol


def _number(c: object) -> float | complex:
    return c if isinstance(c, complex) else float(c)  # type: ignore[arg-type]


def _called(
    node: Call, shape: tuple[int, ...], args: list[np.ndarray], careful: bool
) -> np.ndarray:
    if careful and on_the_edge(node, args):
        raise NoValueError
    names = {"np": np, "dtype": "float"}
    names |= vars(special)
    spelled = node.function.numpy.replace("{dtype}", "float")
    code = spelled.format(*(f"a{k}" for k in range(len(args))))
    names |= {f"a{k}": arg for k, arg in enumerate(args)}
    try:
        with np.errstate(all="ignore"):
            return np.broadcast_to(eval(code, names), shape)
    except (np.linalg.LinAlgError, ValueError):
        # A singular matrix; the largest of no entries.
        if careful:
            raise NoValueError from None
        return np.full(shape, np.nan)


def on_the_edge(node: Call, args: Sequence[np.ndarray]) -> bool:
    """Tell whether a rounding error decides the value: a step, a pole, a singular matrix."""
    name, first = node.function.name, args[0]

    def between() -> np.ndarray:
        return first - args[1] if node.args[0] is not node.args[1] else np.array(1.0)

    def regular() -> np.ndarray:
        return 1 / np.linalg.cond(first) if first.shape[-1] else np.array(1.0)

    distance = {
        "sign": lambda: first,
        "floor": lambda: first - np.rint(first),
        "rint": lambda: 2 * first - np.rint(2 * first),
        "log": lambda: first,
        "log1p": lambda: first + 1,
        "arcsin": lambda: np.abs(first) - 1,
        "arctanh": lambda: np.abs(first) - 1,
        "power": lambda: first if np.any(args[1] < 1) or np.any(args[1] % 1) else np.array(1.0),
        "tan": lambda: np.cos(first),
        "greater": between,
        "equal": between,
        "logdet": regular,
        "inv": regular,
        "solve": regular,
    }.get(name)
    try:
        with np.errstate(all="ignore"):
            return distance is not None and np.abs(distance()).min(initial=1) < 1e-5
    except np.linalg.LinAlgError:
        return True
