r"""Programs: plans written out as Python source, compiled once, kept for the next call.

What runs is a straight-line function of named arrays that needs NumPy and nothing else:

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
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from math import prod
from string import Formatter
from typing import Any, NamedTuple

import numpy as np

from einsdiff.algebra.nodes.function_records import Function
from einsdiff.algebra.nodes.interning import Node, Variable
from einsdiff.numeric.libraries.registered import checked
from einsdiff.numeric.orders.engines import Optimizer
from einsdiff.numeric.planning.extents import sum_of_multiples
from einsdiff.numeric.planning.operations import (
    OPERATIONS,
    IndexSum,
    Instruction,
    Sliced,
    is_entrywise,
)
from einsdiff.numeric.planning.plan import Plan, plan
from einsdiff.numeric.planning.powers import Kind
from einsdiff.numeric.running.parallel import LARGE, assign, entrywise, sparse_zeros, touches_little


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A compiled plan."""

    plan: Plan  # what it does
    inputs: tuple[Variable, ...]  # the variables it takes, in order
    source: str  # its Python source
    #: The compiled source: takes one array for each input, all of the program's dtype. A single
    #: result is returned, or written into ``out=``; several results, or cores, are a tuple.
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

    `sizes` are pairs (named size, number). Results may be left as cores; see
    `einsdiff.numeric.planning.views.PlannedCore`. More than `limit` entries are allocated at one
    time only if no slicing helps that.
    """
    dtype = np.dtype(dtype)
    made = plan(outputs, dict(sizes), in_cores, limit, optimizer, _chained(dtype))
    source = _source(made, dtype.name)
    # The source is made of the planner's own names and numbers, and of how functions are spelled;
    # no user's text is in it but identifiers, each with an underscore appended.
    namespace = {"np": np, **_implementations(made)}
    exec(compile(source, "<einsdiff program>", "exec"), namespace)
    return Program(made, tuple(v for v, _ in made.inputs), source, namespace["program"])


def _chained(dtype: np.dtype[Any]) -> Kind:
    """Say which powers may be products."""
    if dtype.itemsize <= 2 and dtype.kind == "f":
        return "none"
    return "whole" if dtype.kind == "c" else "all"


def _implementations(made: Plan) -> dict[str, Any]:
    """Return what a program calls that is not NumPy's, by name."""
    found: dict[str, Any] = {}
    special = import_module("einsdiff.numeric.running.kernels")
    found.update(assign=assign, entrywise=entrywise, sparse_zeros=sparse_zeros)
    found.update(gram=special.gram, pairs=special.pairs)
    for step in made.instructions:
        if step.op == "call" and step.detail.implementation is not None:
            named = step.detail.implementation
            found[_called(step.detail).partition("(")[0]] = (
                getattr(special, named) if isinstance(named, str) else checked(step.detail)
            )
    return found


#: Names that mean something else in a program.
_TAKEN = re.compile(
    r"[tn]\d+\w*|np|out|clear|assign|entrywise|gram|pairs|rows|sparse_zeros|program|float|complex"
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
    spent = _deleted(made.instructions, {*made.results, *names})
    is_written = False
    rows = _written_in_rows(made) if takes_out else None
    for k, step in enumerate(made.instructions):
        if step.op == "clear":
            if is_kept:
                lines += [f"if not clear:  # {step.shape}", f"    {step.target}[...] = 0"]
            continue
        is_result = step.target == out and not step.operation.is_write
        is_written |= is_result and _takes_out(step)
        if step is rows:
            lines.append(
                "rows = None if out is None or not out.flags.c_contiguous"
                f" else out.reshape({step.shape})"
            )
        lines += _spell(step, dtype, "out" if is_result else "rows" if step is rows else "")
        lines += spent[k]
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


def _deleted(steps: Sequence[Instruction], kept: Collection[str]) -> list[list[str]]:
    """Write for each step but the last what deletes the arrays that are not needed after it."""
    last = {name: k for k, step in enumerate(steps) for name in step.names}
    found: list[list[str]] = [[] for _ in steps]
    for name in sorted(last):
        if name.isidentifier() and name not in kept:
            found[last[name]].append(name)
    return [[f"del {', '.join(names)}"] if names else [] for names in found[:-1]] + [[]]


def _loop(line: _Spelling) -> list[str]:
    """Write steps that are taken for each value of some indices."""
    step, dtype = line.step, line.dtype
    sliced: Sliced = step.detail
    made = "zeros" if sliced.is_sum else "empty"
    lines = [f"{step.target} = np.{made}({step.shape}, dtype={dtype!r})"]
    names = ", ".join(name for name, _ in sliced.indices)
    counts = ", ".join(str(n) for _, n in sliced.indices)
    comma = "," if len(sliced.indices) == 1 else ""
    lines.append(f"for {names}{comma} in np.ndindex({counts}):")
    spent = _deleted(sliced.steps, step.args)
    for k, inner in enumerate(sliced.steps):
        lines += (f"    {text}" for text in (*_spell(inner, dtype, ""), *spent[k]))
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
    if step.operation.is_product:
        return bool(step.shape)  # a product of vectors is a number
    return step.operation.takes_out or is_entrywise(step)


class _Spelling(NamedTuple):
    """A step that is to be written."""

    step: Instruction  # the step
    dtype: str  # the name of the program's dtype
    #: The name of an array for the result, or None in a program's call; empty if there is none.
    out: str

    @property
    def is_large(self) -> bool:
        return prod(self.step.shape) * np.dtype(self.dtype).itemsize >= LARGE


def _spell(step: Instruction, dtype: str, out: str) -> Iterable[str]:
    """Write an instruction as NumPy code."""
    line = _Spelling(step, dtype, out)
    if is_entrywise(step):
        return [f"{step.target} = {_entrywise(line)}  # {step.shape}"]
    spelled = _SPELLED[step.op]
    if not isinstance(spelled, str):
        return spelled(line)
    return [f"{step.target} = {_FORMATTER.vformat(spelled, step.args, _Fields(line))}"]


class _Fields(dict[str, Any]):
    """What stands in a template, written when it is asked for."""

    def __init__(self, line: _Spelling) -> None:
        step = line.step
        super().__init__(detail=step.detail, shape=step.shape, dtype=line.dtype)
        self.line = line

    def __missing__(self, name: str) -> str:
        step = self.line.step
        match name:
            case "mask":
                return ", ".join(":" if there else "None" for there in step.detail)
            case "index":
                return ", ".join(step.detail)
            case "sum":
                return _affine(step.detail)
            case "holds":
                sign = "==" if step.detail.is_equation else ">="
                return f"{_affine(step.detail.of)} {sign} 0"
        return _called(step.detail).format(*step.args, dtype=repr(self.line.dtype))


_FORMATTER = Formatter()


def _product(line: _Spelling) -> list[str]:
    step, (a, b) = line.step, line.step.args
    made = (
        f"{step.target} = {f'{a}.dot({b})' if step.op == 'dot' else f'{a} @ {b}'}  # {step.shape}"
    )
    if not step.shape:
        return [made]
    return _either(line, made, f"{step.target} = np.matmul({a}, {b}, out=out)")


#: The dtypes that BLAS multiplies.
_OF_BLAS = frozenset(["float32", "float64", "complex64", "complex128"])
#: So many rows of each matrix of a stack are worth a product.
_LEAST_ROWS = 8


def _sums(line: _Spelling) -> list[str]:
    """Write sums of rows or of columns as products with ones."""
    step, dtype = line.step, line.dtype
    (a,) = step.args
    is_stack = len(step.shape) > 1
    ones = f"np.ones({step.detail}, {dtype!r})"
    if dtype not in _OF_BLAS:
        text = f"{a}.sum(axis={int(step.op == 'row sums' or is_stack)})"
    elif step.op == "row sums":
        text = f"{a}.dot({ones})"
    elif not is_stack:
        text = f"{ones}.dot({a})"
    elif step.detail < _LEAST_ROWS:
        text = f"np.einsum('ijk->ik', {a})"
    else:
        text = f"{ones} @ {a}"
    return [f"{step.target} = {text}  # {step.shape}"]


def _either(line: _Spelling, fresh: str, *given: str) -> list[str]:
    """Write what makes a new array, and what writes into the one that the caller may pass."""
    if not line.out:
        return [fresh]
    return ["if out is None:", f"    {fresh}", "else:", *(f"    {text}" for text in given)]


def _cumsum(line: _Spelling) -> list[str]:
    step, dtype = line.step, line.dtype
    (a,) = step.args
    if not step.detail:
        return [f"{step.target} = np.cumsum({a}, axis=0, dtype={dtype!r})  # {step.shape}"]
    room = f"{step.target} = np.zeros({step.shape}, dtype={dtype!r})"
    return [room, f"np.cumsum({a}, axis=0, out={step.target}[1:])"]


def _copy(line: _Spelling) -> list[str]:
    step = line.step
    fresh = f"{step.target} = np.array({step.args[0]}, dtype={line.dtype!r})  # {step.shape}"
    return _either(line, fresh, f"np.copyto(out, {step.args[0]})", f"{step.target} = out")


def _new(line: _Spelling) -> list[str]:
    step, dtype = line.step, line.dtype
    made = f"np.{step.op}"
    if step.detail and touches_little(step.shape, step.detail, np.dtype(dtype).itemsize):
        made = "sparse_zeros"
    fresh = f"{step.target} = {made}({step.shape}, dtype={dtype!r})"
    clear = ["if clear:", f"    {step.target}[...] = 0"] if step.op == "zeros" else []
    return _either(line, fresh, f"{step.target} = out", *clear)


def _assign(line: _Spelling) -> list[str]:
    step, (_, value, *factor) = line.step, line.step.args
    if factor:
        return [_applied("np.multiply", [value, *factor], step.target, line.is_large)]
    if line.is_large:
        return [f"assign({step.target}, {value})"]
    return [f"{step.target}[...] = {value}"]


def _add(line: _Spelling) -> list[str]:
    """Write what is added to a part of an array, or subtracted from it."""
    step = line.step
    name, sign = ("add", "+") if step.op == "accumulate" else ("subtract", "-")
    if line.is_large:
        return [_applied(f"np.{name}", step.args, step.target, True)]
    target = step.target if step.shape else f"{step.target}[...]"
    return [f"{target} {sign}= {step.args[1]}"]


#: How an operation entry by entry is written where it makes a new array.
_OPERATORS = {"add": "+", "subtract": "-", "multiply": "*", "power": "**"}


def _entrywise(line: _Spelling) -> str:
    """Write an operation entry by entry, into an array if there is one for it."""
    step, out = line.step, line.out
    args = (*step.args, str(step.detail)) if step.op == "power" else step.args
    into = step.into
    if out:
        into = f"{into} if {out} is None else {out}" if into else out
    if not into and not line.is_large and step.op in _OPERATORS:
        return f"{args[0]} {_OPERATORS[step.op]} {args[1]}"
    if not into and not line.is_large and step.op == "negative":
        return f"-{args[0]}"
    if step.op == "call":
        function, _, rest = _called(step.detail).partition("(")
        args = tuple(rest[:-1].format(*args).split(", "))
    else:
        function = f"np.{step.op}"
    return _applied(function, args, into, line.is_large)


def _applied(function: str, args: Iterable[str], into: str, is_large: bool) -> str:
    """Write the call of a function of entries, shared out to all cores for a large array."""
    if is_large:
        args, function = (function, *args), "entrywise"
    return f"{function}({', '.join([*args, *([f'out={into}'] if into else [])])})"


def _affine(affine: IndexSum) -> str:
    """Write an array of sums of indices.

    >>> _affine(IndexSum((3, -1, 0), 2, (4, 5, 6)))
    '3 * np.arange(4)[:, None, None] - np.arange(5)[:, None] + 2'
    """
    rank = len(affine.shape)
    axes = enumerate(zip(affine.coefficients, affine.shape, strict=True))
    terms = [(c, _arange(size, axis, rank)) for axis, (c, size) in axes if c]
    return sum_of_multiples([*terms, *([(affine.offset, "")] if affine.offset else [])])


def _arange(size: int, axis: int, rank: int) -> str:
    index = f"[:{', None' * (rank - 1 - axis)}]" if axis + 1 < rank else ""
    return f"np.arange({size}){index}"


def _gather(line: _Spelling) -> list[str]:
    """Write the entries of an array at positions along its first axis."""
    step, (array, positions) = line.step, line.step.args
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


def _scatter(line: _Spelling) -> list[str]:
    """Write the sum of the entries of an array at positions along a new first axis."""
    step, (array, positions) = line.step, line.step.args
    target = step.target
    size, is_inside, is_injective = step.detail
    if not is_inside:
        inside = f"[({positions} >= 0) & ({positions} < {size})]"
        array, positions = array + inside, positions + inside
    add = f"{target}[{positions}] = {array}"
    if not is_injective:
        add = f"np.add.at({target}, {positions}, {array})"
    return [f"{target} = np.zeros({step.shape}, dtype={line.dtype!r})", add]


#: How an operation is written: what makes its result, or a function that writes lines. Those entry
#: by entry are written by `_entrywise`; ``size`` is for plans that people read.
_SPELLED: Mapping[str, str | Callable[[_Spelling], list[str]]] = {
    "accumulate": _add,
    "assign": _assign,
    "call": "{called}  # {shape}",
    "column sums": _sums,
    "clear": "",  # where the whole program is written, since it depends on the call
    "copy": _copy,
    "cumsum": _cumsum,
    "deduct": _add,
    "diagonal": "np.einsum({detail!r}, {0})  # {shape}",
    "dot": _product,
    "einsum": "np.einsum({detail!r}, {0}, {1})  # {shape}",
    "empty": _new,
    "expand": "{0}[{mask}]  # {shape}",
    "gather": _gather,
    "gram": "gram({0}, {1})  # {shape}",
    "mask": "np.where({holds}, {0}, 0)  # {shape}",
    "matmul": _product,
    "number": "np.{dtype}({0})",
    "pack": "np.ascontiguousarray({0})  # {shape}",
    "pairs": "pairs({0}, {1})  # {shape}",
    "positions": "{sum}  # {shape}",
    "relation": "({holds}).astype({dtype!r})  # {shape}",
    "repeat": "np.ascontiguousarray(np.broadcast_to({0}, {shape}))",
    "reshape": "{0}.reshape({shape})",
    "row sums": _sums,
    "scatter": _scatter,
    "size": "{detail}",
    "slice": "{0}[{index}]  # {shape}",
    "slices": _loop,
    "split": "{0}.reshape({shape})",
    "sum": "{0}.sum(axis={detail})  # {shape}",
    "transpose": "{0}.transpose({detail})  # {shape}",
    "zeros": _new,
}
assert {*_SPELLED} == {name for name, known in OPERATIONS.items() if not known.is_entrywise}
