r"""Programs: plans written out as Python source, compiled once, kept for the next call.

What runs is a straight-line function of named arrays that needs NumPy and nothing else:

>>> from einsdiff.algebra.nodes.nodes import einsum, variable
>>> A, x = variable("A", (2, 3)), variable("x", (3,))
>>> program = program_for((einsum([A, x], ["ij", "j"], "i"),), (), "float64")
>>> print(program.source)
def program(x_, A_, *, out=None):
    if out is None:
        t0 = A_.dot(x_)  # (2,)
    else:
        t0 = np.matmul(A_, x_, out=out)
    return t0
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from math import prod
from typing import Any

import numpy as np

from einsdiff.algebra.nodes.function import Function
from einsdiff.algebra.nodes.nodes import Node, Variable
from einsdiff.numeric.libraries.registered import checked
from einsdiff.numeric.orders.engines import Optimizer
from einsdiff.numeric.planning.fusing import is_entrywise
from einsdiff.numeric.planning.plan import Plan, plan
from einsdiff.numeric.planning.steps import WRITES, IndexSum, Instruction, Sliced
from einsdiff.numeric.running.parallel import LARGE, assign, entrywise, sparse_zeros, touches_little

__all__ = ["Program", "program_for"]


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A compiled plan.

    Attributes
    ----------
    plan
        What it does.
    inputs
        The variables it takes, in order.
    source
        Its Python source.
    function
        The compiled source: takes one array for each input, all of the program's dtype. A single
        result is returned, or written into ``out=``; several results, or cores, are a tuple.
    """

    plan: Plan
    inputs: tuple[Variable, ...]
    source: str
    function: Callable[..., Any]

    def writes_as(self, other: Program) -> bool:
        """Tell whether another program's result can be other than zero at the same entries."""
        mine, theirs = self.plan, other.plan
        return self is other or (mine.pattern, mine.shapes) == (theirs.pattern, theirs.shapes)


@lru_cache(maxsize=512)
def program_for(
    outputs: tuple[Node, ...],
    sizes: tuple[tuple[str, int], ...],
    dtype: np.dtype[Any] | str,
    in_cores: bool = False,
    limit: int | None = None,
    optimizer: Optimizer = None,
) -> Program:
    """Plan and compile the evaluation of expressions, or return the program made before.

    Parameters
    ----------
    outputs
        The expressions.
    sizes
        Pairs (named size, number).
    dtype
        That of the arrays and of the results.
    in_cores
        Whether the results are left as cores; see `einsdiff.numeric.planning.core.PlannedCore`.
    limit
        The most entries that may be allocated at one time, if slicing can help that.
    optimizer
        Who searches for the order of products.

    Returns
    -------
    Program
        Compiled for these sizes.
    """
    made = plan(outputs, dict(sizes), in_cores, limit, optimizer)
    source = _source(made, np.dtype(dtype).name)
    # The source is made of the planner's own names and numbers, and of how functions are spelled;
    # no user's text is in it but identifiers, each with an underscore appended.
    namespace = {"np": np, **_implementations(made)}
    exec(compile(source, "<einsdiff program>", "exec"), namespace)
    return Program(made, tuple(v for v, _ in made.inputs), source, namespace["program"])


def _implementations(made: Plan) -> dict[str, Any]:
    """Return what a program calls that is not NumPy's, by name."""
    found: dict[str, Any] = {}
    special = import_module("einsdiff.numeric.running.kernels")
    found.update(assign=assign, entrywise=entrywise, sparse_zeros=sparse_zeros)
    for step in made.instructions:
        if step.op in ("gram", "pairs"):
            found[step.op] = getattr(special, step.op)
        if step.op == "call":
            named = step.detail.implementation
            if isinstance(named, str):
                named = getattr(special, named)
            if callable(step.detail.implementation):
                named = checked(step.detail)
            if named is not None:
                found[_called(step.detail).partition("(")[0]] = named
    return found


#: Names that mean something else in a program.
_TAKEN = re.compile(
    r"[tn]\d+|np|out|clear|assign|entrywise|gram|pairs|rows|sparse_zeros|program|float|complex"
)


def _called(function: Function) -> str:
    """Return how a program spells a function.

    >>> _called(Function("t1", ("0",), "t1({0})", implementation=abs))
    't1_function({0})'
    """
    name, bracket, rest = function.numpy.partition("(")
    return f"{name}_function({rest}" if bracket and _TAKEN.fullmatch(name) else function.numpy


def _source(made: Plan, dtype: str) -> str:
    takes_out = len(made.results) == 1 and not made.cores
    out = made.results[0] if takes_out else ""
    names = [name for _, name in made.inputs]
    # An array that this program has written before holds zeros already.
    is_kept = takes_out and made.pattern is not None
    keywords = ["*", "out=None", "clear=True"][: 3 if is_kept else 2]
    lines = [f"def program({', '.join([*names, *keywords] if takes_out else names)}):"]
    last_use: dict[str, int] = {}
    for k, step in enumerate(made.instructions):
        for name in (step.target, *step.args, step.into):
            last_use[name] = k
    kept = {*made.results, *names}
    is_written = False
    rows = _written_in_rows(made) if takes_out else None
    for k, step in enumerate(made.instructions):
        if step.op == "clear":
            if is_kept:
                lines += [f"if not clear:  # {step.shape}", f"    {step.target}[...] = 0"]
            continue
        is_result = step.target == out and step.op not in WRITES
        is_written |= is_result and _takes_out(step)
        if step is rows:
            lines.append(
                "rows = None if out is None or not out.flags.c_contiguous"
                f" else out.reshape({step.shape})"
            )
        if step.op == "slices":
            lines += _loop(step, dtype)
        else:
            lines += _spell(step, dtype, "out" if is_result else "rows" if step is rows else "")
        spent = sorted(
            {
                name
                for name in (step.target, *step.args, step.into)
                if name.isidentifier() and last_use[name] == k and name not in kept
            }
        )
        if spent and k + 1 < len(made.instructions):
            lines.append(f"del {', '.join(spent)}")
    if rows is not None:
        lines += ["if out is not None:", "    if rows is None:", f"        np.copyto(out, {out})"]
        lines += [f"    {out} = out"]
    elif takes_out and not is_written:
        lines += ["if out is not None:", f"    np.copyto(out, {out})", f"    {out} = out"]
    shapes = made.shapes if not made.cores else [()] * len(made.results)
    # NumPy gives sums of small integers in larger ones, and numbers for arrays without axes.
    plain = np.dtype(dtype).kind in "fc"
    returned = ", ".join(
        name if plain and shape else f"np.asarray({name}, {dtype!r})"
        for name, shape in zip(made.results, shapes, strict=True)
    )
    comma = "," if returned else ""
    lines.append(f"return {returned}" if takes_out else f"return ({returned}{comma})")
    return "\n".join([lines[0], *("    " + line for line in lines[1:])])


def _loop(step: Instruction, dtype: str) -> list[str]:
    """Write steps that are taken for each value of some indices."""
    sliced: Sliced = step.detail
    made = "zeros" if sliced.is_sum else "empty"
    lines = [f"{step.target} = np.{made}({step.shape}, dtype={dtype!r})"]
    names = ", ".join(name for name, _ in sliced.indices)
    counts = ", ".join(str(n) for _, n in sliced.indices)
    comma = "," if len(sliced.indices) == 1 else ""
    lines.append(f"for {names}{comma} in np.ndindex({counts}):")
    own = {inner.target for inner in sliced.steps}
    last_use = {
        name: k
        for k, inner in enumerate(sliced.steps)
        for name in (inner.target, *inner.args, inner.into)
        if name in own
    }
    for k, inner in enumerate(sliced.steps):
        lines += (f"    {line}" for line in _spell(inner, dtype, ""))
        spent = sorted(name for name, last in last_use.items() if last == k)
        if spent and k + 1 < len(sliced.steps):
            lines.append(f"    del {', '.join(spent)}")
    place = ", ".join(sliced.place) or "..."
    lines.append(f"    {step.target}[{place}] {'+' if sliced.is_sum else ''}= {sliced.value}")
    return lines


def _written_in_rows(made: Plan) -> Instruction | None:
    """Find the operation whose result, in another shape, is that of the program."""
    last = made.instructions[-1] if made.instructions else None
    if last is None or last.op != "reshape" or last.target != made.results[0]:
        return None
    (source,) = last.args
    uses = sum(source in (*step.args, step.into) for step in made.instructions)
    found = [step for step in made.instructions if step.target == source]
    is_new = len(found) == 1 and is_entrywise(found[0]) and not found[0].into
    return found[0] if is_new and uses == 1 and last.detail == "view" else None


def _takes_out(step: Instruction) -> bool:
    """Tell whether a step can write its result into the array that the caller passes."""
    if step.op in ("dot", "matmul"):
        return bool(step.shape)  # a product of vectors is a number
    return step.op in ("zeros", "empty", "copy") or is_entrywise(step)


def _spell(step: Instruction, dtype: str, out: str) -> Iterable[str]:
    """Write an instruction as NumPy code; `out` is the name of an array for its result, or None."""
    is_result = bool(out)
    target, args, detail, shape = step.target, step.args, step.detail, step.shape
    note = f"  # {shape}"
    is_large = prod(shape) * np.dtype(dtype).itemsize >= LARGE
    if is_entrywise(step):
        return [f"{target} = {_entrywise(step, out, is_large)}{note}"]
    match step.op:
        case "transpose":
            return [f"{target} = {args[0]}.transpose({detail}){note}"]
        case "reshape" | "split":
            return [f"{target} = {args[0]}.reshape({shape})"]
        case "pack":
            return [f"{target} = np.ascontiguousarray({args[0]}){note}"]
        case "expand":
            index = ", ".join(":" if there else "None" for there in detail)
            return [f"{target} = {args[0]}[{index}]{note}"]
        case "slice":
            return [f"{target} = {args[0]}[{', '.join(detail)}]{note}"]
        case "diagonal":
            return [f"{target} = np.einsum({detail!r}, {args[0]}){note}"]
        case "sum":
            return [f"{target} = {args[0]}.sum(axis={detail}){note}"]
        case "einsum":
            return [f"{target} = np.einsum({detail!r}, {args[0]}, {args[1]}){note}"]
        case "dot" | "matmul":
            product = f"{args[0]}.dot({args[1]})" if step.op == "dot" else f"{args[0]} @ {args[1]}"
            if not is_result or not shape:
                return [f"{target} = {product}{note}"]
            into_out = f"    {target} = np.matmul({args[0]}, {args[1]}, out=out)"
            return ["if out is None:", f"    {target} = {product}{note}", "else:", into_out]
        case "repeat":
            return [f"{target} = np.ascontiguousarray(np.broadcast_to({args[0]}, {shape}))"]
        case "gram" | "pairs":
            return [f"{target} = {step.op}({args[0]}, {args[1]}){note}"]
        case "number":
            return [f"{target} = np.{dtype}({args[0]})"]
        case "positions":
            return [f"{target} = {_affine(detail)}{note}"]
        case "gather":
            return _gathered(step)
        case "scatter":
            return _scattered(step, dtype)
        case "cumsum":
            if not detail:
                return [f"{target} = np.cumsum({args[0]}, axis=0, dtype={dtype!r}){note}"]
            room = f"{target} = np.zeros({shape}, dtype={dtype!r})"
            return [room, f"np.cumsum({args[0]}, axis=0, out={target}[1:])"]
        case "mask":
            return [f"{target} = np.where({_holds(*detail)}, {args[0]}, 0){note}"]
        case "relation":
            return [f"{target} = ({_holds(*detail)}).astype({dtype!r}){note}"]
        case "copy":
            fresh = f"{target} = np.array({args[0]}, dtype={dtype!r}){note}"
            if not is_result:
                return [fresh]
            given = [f"    np.copyto(out, {args[0]})", f"    {target} = out"]
            return ["if out is None:", f"    {fresh}", "else:", *given]
        case "call":
            return [f"{target} = {_called(detail).format(*args, dtype=repr(dtype))}{note}"]
        case "zeros" | "empty" as allocate:
            made = f"np.{allocate}"
            if detail and touches_little(shape, detail, np.dtype(dtype).itemsize):
                made = "sparse_zeros"
            fresh = f"{target} = {made}({shape}, dtype={dtype!r})"
            if not is_result:
                return [fresh]
            lines = ["if out is None:", f"    {fresh}", "else:", f"    {target} = out"]
            if allocate == "zeros":
                lines += ["    if clear:", f"        {target}[...] = 0"]
            return lines
        case "assign" if len(args) == 3:
            return [_applied("np.multiply", args[1:], target, is_large)]
        case "assign" if is_large:
            return [f"assign({target}, {args[1]})"]
        case "assign":
            return [f"{target}[...] = {args[1]}"]
        case "accumulate" | "deduct" if is_large:
            return [
                _applied("np.add" if step.op == "accumulate" else "np.subtract", args, target, True)
            ]
        case "accumulate" | "deduct":
            sign = "+" if step.op == "accumulate" else "-"
            return [f"{target if shape else f'{target}[...]'} {sign}= {args[1]}"]
    raise AssertionError(f"no such operation: {step.op}")


#: How an operation entry by entry is written where it makes a new array.
_OPERATORS = {"add": "+", "subtract": "-", "multiply": "*", "power": "**"}


def _entrywise(step: Instruction, out: str, is_large: bool) -> str:
    """Write an operation entry by entry, into an array if there is one for it."""
    args = (*step.args, str(step.detail)) if step.op == "power" else step.args
    into = step.into
    if out:
        into = f"{into} if {out} is None else {out}" if into else out
    if not into and not is_large and step.op in _OPERATORS:
        return f"{args[0]} {_OPERATORS[step.op]} {args[1]}"
    if not into and not is_large and step.op == "negative":
        return f"-{args[0]}"
    if step.op == "call":
        function, _, rest = _called(step.detail).partition("(")
        args = tuple(rest[:-1].format(*args).split(", "))
    else:
        function = f"np.{step.op}"
    return _applied(function, args, into, is_large)


def _applied(function: str, args: Iterable[str], into: str, is_large: bool) -> str:
    """Write the call of a function of entries, shared out to all cores for a large array."""
    if is_large:
        args, function = (function, *args), "entrywise"
    return f"{function}({', '.join([*args, *([f'out={into}'] if into else [])])})"


def _holds(affine: IndexSum, is_equation: bool) -> str:
    return f"{_affine(affine)} {'==' if is_equation else '>='} 0"


def _affine(affine: IndexSum) -> str:
    """Write an array of sums of indices.

    >>> _affine(IndexSum((3, -1, 0), 2, (4, 5, 6)))
    '3 * np.arange(4)[:, None, None] - np.arange(5)[:, None] + 2'
    """
    rank = len(affine.shape)
    text = ""
    for axis, (c, size) in enumerate(zip(affine.coefficients, affine.shape, strict=True)):
        if c:
            sign = ("-" if c < 0 else "") if not text else (" - " if c < 0 else " + ")
            factor = f"{abs(c)} * " if abs(c) != 1 else ""
            text += f"{sign}{factor}{_arange(size, axis, rank)}"
    if affine.offset:
        text += f" {'-' if affine.offset < 0 else '+'} {abs(affine.offset)}"
    return text


def _arange(size: int, axis: int, rank: int) -> str:
    index = f"[:{', None' * (rank - 1 - axis)}]" if axis + 1 < rank else ""
    return f"np.arange({size}){index}"


def _gathered(step: Instruction) -> list[str]:
    """Write the entries of an array at positions along its first axis."""
    array, positions = step.args
    size, divisor, outside, rank, shared = step.detail
    at = f"{positions} // {divisor}" if divisor > 1 else positions
    if outside != "none":
        at = f"np.clip({at}, 0, {size - 1})"
    also = "".join(f", {_arange(step.shape[axis], axis, rank)}" for axis in shared)
    lines = [f"{step.target} = {array}[{at}{also}]  # {step.shape}"]
    if outside == "zero":
        beyond = f"({positions} < 0) | ({positions} >= {size * divisor})"
        if divisor > 1:
            beyond += f" | ({positions} % {divisor} != 0)"
        lines.append(f"{step.target}[{beyond}] = 0")
    return lines


def _scattered(step: Instruction, dtype: str) -> list[str]:
    """Write the sum of the entries of an array at positions along a new first axis."""
    target, (array, positions) = step.target, step.args
    size, is_inside, is_injective = step.detail
    if not is_inside:
        inside = f"[({positions} >= 0) & ({positions} < {size})]"
        array, positions = array + inside, positions + inside
    add = f"{target}[{positions}] = {array}"
    if not is_injective:
        add = f"np.add.at({target}, {positions}, {array})"
    return [f"{target} = np.zeros({step.shape}, dtype={dtype!r})", add]
