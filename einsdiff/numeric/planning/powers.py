r"""Powers as products: few multiplications, one quotient and one root for all powers of an array.

A library's power of numbers is a logarithm and an exponential. Whole and half exponents need none:

.. math:: x^3 = x\,x^2 \qquad x^{-6} = (x^{-3})^2 \qquad x^{-3} = x^{-1}\,(x^{-1})^2 \qquad
    x^{-1/2} = 1 / \sqrt x .

All powers of one array are made together, by an addition chain, in which each exponent is the sum
of two that are there already:

>>> steps = [Instruction("power", f"t{n}", ("x",), n, (500,)) for n in (3, 6)]
>>> for step in with_chains(steps, ["t3", "t6"]):
...     print(step.op, step.target, step.args)
multiply t3_2 ('x', 'x')
multiply t3 ('x', 't3_2')
multiply t6 ('t3', 't3')

Negative exponents are powers of the inverse and not inverses of powers, since these overflow where
the result does not. An entry has no more than ``2 |n| - 1`` roundings, and a power of a number that
has none, or that is infinite, is what the library's is; but for a half power of -inf, which is nan
like a root of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from itertools import combinations_with_replacement
from math import prod
from typing import Literal

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.function_records import KERNELS, Function
from einsdiff.numeric.planning.operations import Instruction

#: Which powers are products: all of them, those with whole exponents (of complex numbers, whose
#: roots have a branch), or none (of numbers of 16 bits, which have no digits to lose).
Kind = Literal["all", "whole", "none"]

#: Exponents up to this one are taken apart.
MOST_EXPONENT = 16
#: Arrays of fewer entries take as long as the call does.
LEAST_ENTRIES = 64

#: What operations take, in nanoseconds: a step, and an entry. Measured with NumPy 2.4 where powers
#: are vectorised, and take half as long as is said here; elsewhere they take five times as long.
_STEP, _CALL = 250.0, 400.0
_TIMES, _DIVIDE, _ROOT, _POWER, _INVERSE = 0.17, 0.25, 0.9, 3.0, 0.5


def _function(name: str, arity: int) -> Function:
    """Enter a function of NumPy's that only computations have, since formulas write a power."""
    arguments = tuple("ab"[:arity])
    slots = ", ".join(f"{{{k}}}" for k in range(arity))
    signature = ",".join(["()"] * arity) + "->()"
    entry = Function(f"_{name}", (), f"np.{name}({slots})", signature, arguments)
    return KERNELS.setdefault(entry.name, entry)


_QUOTIENT, _SQUARE_ROOT = _function("divide", 2), _function("sqrt", 1)

#: How a power is made: what of, "times", "over" or "root", of which exponents.
_Line = tuple[Fraction, str, tuple[Fraction, ...]]
_ONE, _HALF = Fraction(1), Fraction(1, 2)


def with_chains(
    steps: Sequence[Instruction], results: Sequence[str], kind: Kind = "all"
) -> Sequence[Instruction]:
    """Make products, quotients and roots of powers, where these are faster.

    The steps are in an order in which they can be taken, and all of them are needed.
    """
    if kind == "none":
        return steps
    found: dict[str, dict[Fraction, Instruction]] = {}
    for step in steps:
        if (power := _as_power(step)) is not None and prod(step.shape) >= LEAST_ENTRIES:
            base, n = power
            if n.denominator == 1 or kind == "all":
                found.setdefault(base, {}).setdefault(n, step)
    found = {base: own for base, own in found.items() if any(n != 2 for n in own)}
    if not found:
        return steps
    makes = {step.target: step for step in steps if not step.operation.is_write}
    made = dict(_chains(found, makes))
    if not made:
        return steps
    written: set[str] = set()
    new: list[Instruction] = []
    for step in steps:
        power = _as_power(step)
        lines = made.get(power[0], []) if power is not None else []
        if not any(line.target == step.target for line in lines):
            new.append(step)
        elif power is not None and power[0] not in written:
            written.add(power[0])
            new += lines
    return _divided(new, results)


def _as_power(step: Instruction) -> tuple[str, Fraction] | None:
    """Read a step as a power of an array to a whole or half exponent."""
    n: Fraction | None = None
    if step.op == "power":
        n = Fraction(step.detail)
    elif step.op == "multiply" and step.args[0] == step.args[1]:
        n = Fraction(2)
    elif step.op == "call" and step.detail is FUNCTIONS["power"]:
        n = _number(step.args[1])
    if n is None or n.denominator > 2 or not 0 < abs(n) <= MOST_EXPONENT:
        return None
    return (step.args[0], n) if step.args[0].isidentifier() else None


def _number(text: str) -> Fraction | None:
    """Read a literal of a program as an exact number.

    >>> _number("(-3/2)"), _number("0.5"), _number("t1")
    (Fraction(-3, 2), Fraction(1, 2), None)
    """
    text = text.strip("()")
    return Fraction(text) if re.fullmatch(r"-?\d+(/\d+|\.\d+)?", text) else None


def _chains(
    found: Mapping[str, Mapping[Fraction, Instruction]], makes: Mapping[str, Instruction]
) -> Iterator[tuple[str, list[Instruction]]]:
    """Make the steps for all powers of each array, where they take less time."""
    for base, wanted in found.items():
        first = next(iter(wanted.values()))
        entries = prod(first.shape)
        halves = {n for n in wanted if n.denominator == 2}
        groups = [(base, first.target, wanted)]
        clean = None
        # Half powers of -0.0 have no sign, unlike roots.
        if halves - {_HALF} and not _has_no_minus_zero(base, makes):
            clean = Instruction("add", f"{first.target}_0", (base, "0"), None, first.shape)
            groups = [
                (base, first.target, {n: step for n, step in wanted.items() if n not in halves}),
                (clean.target, clean.target, {n: wanted[n] for n in halves}),
            ]
        made = [clean] if clean else []
        after = sum(_STEP + _TIMES * entries for _ in made)
        for start, prefix, own in groups:
            lines = _lines(frozenset(own))
            after += sum(_time(line, entries) for line in lines)
            made += (_step(line, start, prefix, own, first.shape) for line in lines)
        if after < sum(_time_of_power(n, entries) for n in wanted):
            yield base, made


def _step(
    line: _Line,
    base: str,
    prefix: str,
    wanted: Mapping[Fraction, Instruction],
    shape: tuple[int, ...],
) -> Instruction:
    """Make the step for one power; what is between has names that planner and users do not give."""

    def name(n: Fraction) -> str:
        if n == 1:
            return base
        text = f"{prefix}_{'over_' * (n < 0)}{abs(n)}".replace("/", "_over_")
        return wanted[n].target if n in wanted else text

    n, how, parts = line
    args = tuple(map(name, parts))
    if how == "times":
        return Instruction("multiply", name(n), args, None, shape)
    if how == "root":
        return Instruction("call", name(n), args, _SQUARE_ROOT, shape)
    above = args[:-1] or ("1",)
    return Instruction("call", name(n), (*above, args[-1]), _QUOTIENT, shape)


def _time_of_power(n: Fraction, entries: int) -> float:
    """Estimate what a power takes: NumPy knows square roots, squares and inverses."""
    fast = {Fraction(2): _TIMES, Fraction(-1): _INVERSE, _HALF: _ROOT + 0.05}
    return _STEP + fast[n] * entries if n in fast else _CALL + _POWER * entries


def _time(line: _Line, entries: int) -> float:
    """Estimate what it takes to make a power."""
    step = {"times": _TIMES, "over": _DIVIDE, "root": _ROOT}[line[1]]
    return (_STEP if line[1] == "times" or len(line[2]) > 1 else _CALL) + step * entries


@lru_cache(maxsize=256)
def _lines(wanted: frozenset[Fraction]) -> tuple[_Line, ...]:
    """Say how to make powers.

    >>> [(str(n), how) for n, how, _ in _lines(frozenset([_HALF, -_HALF]))]
    [('1/2', 'root'), ('-1/2', 'over')]
    """
    lines: list[_Line] = []
    whole = {n for n in wanted if n.denominator == 1}
    halves = sorted(n for n in wanted if n.denominator == 2)
    above = {int(n) for n in whole if n > 0} | {int(n) for n in halves if n > 1}
    below = {int(-n) for n in whole if n < 0}
    # A root's inverse is divided once more where no other inverse is needed.
    if below or any(n < -2 for n in halves):
        below |= {int(-n) for n in halves if n < -1}
    for sign, exponents in ((1, above), (-1, below)):
        if exponents and sign < 0:
            lines.append((-_ONE, "over", (_ONE,)))
        for a, b in _chain(frozenset(exponents)):
            lines.append((Fraction(sign * (a + b)), "times", (_ONE * sign * a, _ONE * sign * b)))
    if halves:
        lines.append((_HALF, "root", (_ONE,)))
    if any(n < 0 for n in halves):
        lines.append((-_HALF, "over", (_HALF,)))
    for n in halves:
        root = _HALF if n > 0 else -_HALF
        if n == root:
            continue
        if n < 0 and not below:
            lines.append((n, "over", (root, _ONE)))
        else:
            lines.append((n, "times", (n - root, root)))
    return tuple(lines)


@lru_cache(maxsize=1024)
def _chain(wanted: frozenset[int]) -> tuple[tuple[int, int], ...]:
    """Find a shortest addition chain: pairs of what is there, whose sums are to be there.

    >>> _chain(frozenset([3, 4, 6, 7]))
    ((1, 1), (1, 2), (2, 2), (3, 3), (3, 4))
    """
    most = max(wanted, default=1)
    for length in range(len(wanted - {1}), 2 * most):
        found = _extended((1,), wanted, most, length)
        if found is not None:
            pairs = []
            for k, n in enumerate(found[1:], start=1):
                # The two that are closest to each other: the fewest roundings after another.
                there = combinations_with_replacement(found[:k], 2)
                pairs.append(max((pair for pair in there if sum(pair) == n), key=lambda p: p[0]))
            return tuple(pairs)
    raise AssertionError(f"{sorted(wanted)} has a chain")


def _extended(
    chain: tuple[int, ...], wanted: frozenset[int], most: int, left: int
) -> tuple[int, ...] | None:
    """Extend an ascending chain by so many sums until it has all that is wanted."""
    missing = [n for n in wanted if n not in chain]
    if not missing:
        return chain
    if len(missing) > left or chain[-1] << left < most or min(missing) < chain[-1]:
        return None
    sums = {a + b for a, b in combinations_with_replacement(chain, 2)}
    for n in sorted((n for n in sums if chain[-1] < n <= most), reverse=True):
        found = _extended((*chain, n), wanted, most, left - 1)
        if found is not None:
            return found
    return None


# --- zeros without a sign -----------------------------------------------------------------------

#: Functions whose values are never -0.0, beside those that are positive.
_UNSIGNED = frozenset(["exp", "cosh", "softplus", "sigmoid", "abs", "softmax"])
#: So many steps back are looked at.
_FAR = 12


def _has_no_minus_zero(name: str, makes: Mapping[str, Instruction], far: int = _FAR) -> bool:
    """Tell whether an array is known to have no entry that is -0.0.

    A sum is -0.0 only where both terms are.
    """
    step = makes.get(name)
    if step is None:  # an operand, or a number
        return _number(name) not in (None, 0)
    if not far or step.into:
        return False

    def has_none(arg: str) -> bool:
        return _has_no_minus_zero(arg, makes, far - 1)

    match step.op:
        case "add":
            return any(map(has_none, step.args))
        case "subtract":  # -0.0 - 0.0
            return has_none(step.args[0]) or _number(step.args[1]) not in (None, 0)
        case "multiply" | "einsum":
            return step.args[0] == step.args[1] and _is_of_squares(step)
        case "power":
            return bool(step.detail % 2 == 0)
        case "call":
            return step.detail.name in _UNSIGNED
        case "sum" | "row sums" | "column sums":
            return has_none(step.args[0])
    return step.operation.is_view and has_none(step.args[0])


def _is_of_squares(step: Instruction) -> bool:
    """Tell whether a product of an array with itself takes each entry times itself."""
    if step.op == "multiply":
        return True
    one, other = step.detail.partition("->")[0].split(",")
    return bool(one == other)


# --- quotients ----------------------------------------------------------------------------------


def _divided(steps: Sequence[Instruction], results: Iterable[str]) -> list[Instruction]:
    """Divide by what is inverted for one product only."""
    uses: dict[str, int] = dict.fromkeys(results, 2)
    for step in steps:
        for name in (*step.args, step.into):
            uses[name] = uses.get(name, 0) + 1
    inverses = {
        step.target: step
        for step in steps
        if step.op == "call"
        and step.detail is _QUOTIENT
        and step.args[0] == "1"
        and uses.get(step.target) == 1
    }
    gone: set[str] = set()
    new: list[Instruction] = []
    for step in steps:
        if step.op == "multiply":
            for name, other in (step.args, step.args[::-1]):
                inverse = inverses.get(name)
                if inverse is not None and inverse.shape == step.shape and name not in gone:
                    gone.add(name)
                    args = (other, inverse.args[1])
                    new.append(replace(step, op="call", args=args, detail=_QUOTIENT))
                    break
            else:
                new.append(step)
        else:
            new.append(step)
    return [step for step in new if step.target not in gone]
