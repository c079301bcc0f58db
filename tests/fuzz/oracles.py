"""What the results are compared with. Nothing of the library is used here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from typing import Any
from unittest.mock import patch

import numpy as np

Arrays = Mapping[str, np.ndarray]
#: A value by the definition of the example, for any arrays.
Truth = Callable[[Arrays], np.ndarray]

STEP = 1e-3
COMPLEX_STEP = 1e-30
#: By how much arrays are moved to tell how far results are off, as they may by so much of that.
MOVED, ROUNDED = 1e-12, 1e-2
#: By how much the slopes of two sides may differ without a kink, a thousandth of the step apart.
MOST_BENT = 0.05
#: How far a first derivative may be off, so that the second is told.
MOST_DOUBT = 1e-3


# --- derivatives by differences ---------------------------------------------------------------


def first(truth: Truth, arrays: Arrays, name: str, analytic: bool) -> tuple[Any, Any]:
    """Differentiate by a variable; return the derivative and how far it may be off.

    The complex step, Im f(x + ih)/h, subtracts nothing. It is for functions that NumPy computes
    for complex arguments and that have no kinks; others are differentiated by `differences`.
    """
    if not analytic:
        return differences(truth, arrays, name)
    x = np.asarray(arrays[name])
    columns = []
    for index in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[index] += 1j * COMPLEX_STEP
        value = np.asarray(truth({**arrays, name: moved}))
        columns.append(np.imag(value) / COMPLEX_STEP)
    return _joined(columns, truth, arrays, x), 0.0


def rounding(oracle: Callable[[Arrays], Any], arrays: Arrays, result: Any) -> np.ndarray:
    """Return how far an oracle's result may be off since digits are lost, as in the cosine of 1e9.

    It is compared with that of arrays that are moved a little.
    """
    moved = {}
    for name, array in arrays.items():
        signs = np.where(np.arange(array.size).reshape(array.shape) % 3, 1, -1)
        moved[name] = array * (1 + MOVED * signs) if array.dtype.kind in "fc" else array
    return ROUNDED * np.abs(np.asarray(oracle(moved)) - np.asarray(result))


def is_at_pole(truth: Truth, arrays: Arrays) -> bool:
    """Tell whether something is divided by zero on the way to a value, as in arctan(1/0).

    A norm or a standard deviation that is 0 counts, since the derivative divides by it.
    """

    def above_zero(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **options: Any) -> Any:
            found = np.asarray(function(*args, **options))
            if np.any(np.abs(found) < 1e-12):
                raise ZeroDivisionError
            return found

        return called

    try:
        with (
            np.errstate(divide="raise", invalid="raise", over="ignore", under="ignore"),
            patch.object(np.linalg, "norm", above_zero(np.linalg.norm)),
            patch.object(np, "std", above_zero(np.std)),
        ):
            return not np.all(np.isfinite(truth(arrays)))
    except (FloatingPointError, ZeroDivisionError):
        return True


def second(truth: Truth, arrays: Arrays, one: str, other: str, analytic: bool) -> tuple[Any, Any]:
    """Differentiate by one variable and then by another.

    Where the first derivative is doubtful, as beside a jump, the second is nan.
    """

    def sure(moved: Arrays) -> Any:
        found, doubt = first(truth, moved, one, analytic)
        return np.where(doubt > MOST_DOUBT * np.maximum(1, np.abs(found)), np.nan, found)

    return differences(sure, arrays, other)


def differences(truth: Truth, arrays: Arrays, name: str) -> tuple[Any, Any]:
    """Differentiate by central differences, extrapolated to the step 0.

    Two extrapolations that differ tell how far they may be off. At a kink, where the slopes of the
    two sides differ, the derivative is nan.
    """
    x = np.asarray(arrays[name])
    x = x.astype(np.result_type(x, 1.0))

    here = np.asarray(truth({**arrays, name: x}))

    def central(index: tuple[int, ...], step: float) -> tuple[np.ndarray, np.ndarray]:
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[index] += sign * step
            ends.append(np.asarray(truth({**arrays, name: moved})))
        bend = np.abs(ends[0] - 2 * here + ends[1]) / step
        return (ends[0] - ends[1]) / (2 * step), bend

    columns, doubts = [], []
    for index in np.ndindex(x.shape):
        (wide, _), (middle, _), (narrow, bend) = (central(index, STEP / 2**k) for k in range(3))
        coarse, fine = (4 * middle - wide) / 3, (4 * narrow - middle) / 3
        columns.append(np.where(bend > MOST_BENT * np.maximum(1, np.abs(fine)), np.nan, fine))
        doubts.append(np.abs(fine - coarse))
    return tuple(_joined(part, truth, arrays, x) for part in (columns, doubts))


def _joined(columns: Sequence[Any], truth: Truth, arrays: Arrays, x: np.ndarray) -> np.ndarray:
    """Put the derivatives by the entries of x together, with the axes of x at the end."""
    if not columns:
        return np.zeros((*np.shape(truth(arrays)), *x.shape))
    whole = np.stack(columns, -1)
    return np.reshape(whole, (*whole.shape[:-1], *x.shape))


# --- einsums ----------------------------------------------------------------------------------


def einsum(terms: Sequence[str], output: str, sizes: Mapping[str, int], operands: Any) -> Any:
    """Evaluate an einsum by NumPy's, with factors for what NumPy's refuses.

    That is an identity matrix for each output label that repeats, and ones for each that no
    operand carries.
    """
    terms, operands = list(terms), list(operands)
    fresh = iter("αβγδεζηθικλμ")
    unique = ""
    for label in output:
        if label in unique:
            twin = next(fresh)
            terms.append(label + twin)
            operands.append(np.eye(sizes[label], dtype=np.int8))
            label = twin
        unique += label
    for label in dict.fromkeys(output):
        if label not in "".join(terms):
            terms.append(label)
            operands.append(np.ones(sizes[label], np.int8))
    numbers = {label: k for k, label in enumerate(dict.fromkeys("".join(terms) + unique))}
    given: list[Any] = []
    for term, operand in zip(terms, operands, strict=True):
        given += [operand, [numbers[label] for label in term]]
    return np.einsum(*given, [numbers[label] for label in unique], optimize="greedy")


def einsum_derivative(
    terms: Sequence[str],
    output: str,
    sizes: Mapping[str, int],
    operands: Sequence[Any],
    slots: Sequence[Sequence[int]],
) -> Any:
    """Differentiate an einsum, by the operand at each of the slots, one set of slots an order.

    An operand in its place is replaced by identities that tie its labels to new ones.
    """
    if not slots:
        return einsum(terms, output, sizes, operands)
    (here, *rest) = slots
    fresh = "ПРСТУФХЦЧШЩЪЫЬЭЮЯабвгд"[6 * len(rest) :]
    total: Any = None
    for slot in here:
        term = terms[slot]
        new = fresh[: len(term)]
        kept = [k for k in range(len(terms)) if k != slot]
        theirs = [terms[k] for k in kept] + [a + b for a, b in zip(term, new, strict=True)] + [""]
        eyes = [np.eye(sizes[a], dtype=np.int8) for a in term]
        factors = [operands[k] for k in kept] + eyes + [np.array(1, np.int8)]
        known = {**sizes, **{b: sizes[a] for a, b in zip(term, new, strict=True)}}
        places = [[kept.index(k) for k in others if k != slot] for others in rest]
        part = einsum_derivative(theirs, output + new, known, factors, places)
        total = part if total is None else total + part
    if total is None:  # no occurrence is left: the derivative is 0
        total = np.zeros(())
    return total


def symmetrised(array: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """Take the mean over all orders of some axes, as symmetric variables ask for."""
    orders = list(permutations(axes))
    total: Any = 0
    for order in orders:
        turned = list(range(array.ndim))
        for axis, other in zip(axes, order, strict=True):
            turned[axis] = other
        total = total + np.transpose(array, turned)
    return total / len(orders)


# --- derivatives as linear maps ---------------------------------------------------------------


def as_matrix(array: Any, domain: int, layout: str = "numerator", order: str = "C") -> np.ndarray:
    """Flatten the codomain to rows and the domain, the last axes, to columns."""
    array = np.asarray(array)
    split = array.ndim - domain
    rows = int(np.prod(array.shape[:split], dtype=int))
    columns = int(np.prod(array.shape[split:], dtype=int))
    matrix = np.zeros((rows, columns), array.dtype)
    for row, index in enumerate(_indices(array.shape[:split], order)):
        for column, other in enumerate(_indices(array.shape[split:], order)):
            matrix[row, column] = array[(*index, *other)]
    return matrix if layout == "numerator" else matrix.T


def _indices(shape: Sequence[int], order: str) -> list[tuple[int, ...]]:
    if order == "C":
        return list(np.ndindex(*shape))
    return [index[::-1] for index in np.ndindex(*shape[::-1])]
