r"""Programs: plans written out as Python source, compiled once, kept for the next call.

What runs is a straight-line function of named arrays that needs NumPy and nothing else:

>>> from einsdiff.algebra.nodes import einsum, variable
>>> A, x = variable("A", (2, 3)), variable("x", (3,))
>>> program = program_for((einsum([A, x], ["ij", "j"], "i"),), (), "float64")
>>> print(program.source)
def program(x_, A_, *, out=None):
    t0 = A_ @ x_  # (2,)
    if out is not None:
        np.copyto(out, t0)
        t0 = out
    return t0
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from einsdiff.algebra.nodes import Node, Variable
from einsdiff.numeric.plan import Instruction, Plan, plan

__all__ = ["Program", "program_for"]


@dataclass(frozen=True, slots=True)
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
        The compiled source: takes one array for each input, and ``out=`` for the first result.
    largest
        The number of entries of the largest array that a run allocates.
    """

    plan: Plan
    inputs: tuple[Variable, ...]
    source: str
    function: Callable[..., Any]
    largest: int


@lru_cache(maxsize=512)
def program_for(
    outputs: tuple[Node, ...], sizes: tuple[tuple[str, int], ...], dtype: np.dtype[Any] | str
) -> Program:
    """Plan and compile the evaluation of expressions, or return the program made before.

    Parameters
    ----------
    outputs
        The expressions.
    sizes
        Pairs (named size, number).
    dtype
        That of the results.

    Returns
    -------
    Program
        Compiled for these sizes.
    """
    made = plan(outputs, dict(sizes))
    source = _source(made, np.dtype(dtype).name)
    # The source is made of the planner's own names and numbers; no user's text is in it but
    # identifiers, each with an underscore appended.
    namespace: dict[str, Any] = {"np": np}
    exec(compile(source, "<einsdiff program>", "exec"), namespace)
    return Program(
        made, tuple(v for v, _ in made.inputs), source, namespace["program"], prod(made.largest)
    )


def _source(made: Plan, dtype: str) -> str:
    lines = [f"def program({', '.join([*(name for _, name in made.inputs), '*', 'out=None'])}):"]
    last_use: dict[str, int] = {}
    for k, step in enumerate(made.instructions):
        for name in (step.target, *step.args):
            last_use[name] = k
    kept = {*made.results, *(name for _, name in made.inputs)}
    for k, step in enumerate(made.instructions):
        lines += _spell(step, dtype, step.target == made.results[0])
        spent = sorted(
            {name for name in (step.target, *step.args) if last_use[name] == k and name not in kept}
            - {name for name in step.args if not name.isidentifier()}
        )
        if spent and k + 1 < len(made.instructions):
            lines.append(f"del {', '.join(spent)}")
    first, *rest = made.results
    written = {step.target for step in made.instructions if step.op in ("zeros", "empty")}
    if first not in written:
        lines += ["if out is not None:", f"    np.copyto(out, {first})", f"    {first} = out"]
    lines.append(f"return {', '.join([first, *rest])}")
    return "\n".join([lines[0], *("    " + line for line in lines[1:])])


def _spell(step: Instruction, dtype: str, is_result: bool) -> Iterable[str]:
    """Write an instruction as NumPy code."""
    target, args, detail, shape = step.target, step.args, step.detail, step.shape
    note = f"  # {shape}"
    match step.op:
        case "transpose":
            return [f"{target} = {args[0]}.transpose({detail}){note}"]
        case "reshape":
            return [f"{target} = {args[0]}.reshape({shape})"]
        case "expand":
            index = ", ".join(":" if there else "None" for there in detail)
            return [f"{target} = {args[0]}[{index}]{note}"]
        case "diagonal":
            return [f"{target} = np.einsum({detail!r}, {args[0]}){note}"]
        case "sum":
            return [f"{target} = {args[0]}.sum(axis={detail}){note}"]
        case "einsum":
            return [f"{target} = np.einsum({detail!r}, {args[0]}, {args[1]}){note}"]
        case "matmul":
            return [f"{target} = {args[0]} @ {args[1]}{note}"]
        case "multiply":
            return [f"{target} = {args[0]} * {args[1]}{note}"]
        case "copy":
            return [f"{target} = np.array({args[0]}, dtype={dtype!r}){note}"]
        case "call":
            return [f"{target} = {detail.numpy.format(*args)}{note}"]
        case "zeros" | "empty" as allocate:
            fresh = f"{target} = np.{allocate}({shape}, dtype={dtype!r})"
            if not is_result:
                return [fresh]
            clear = [f"    {target}[...] = 0"] if allocate == "zeros" else []
            return ["if out is None:", f"    {fresh}", "else:", f"    {target} = out", *clear]
        case "assign" if len(args) == 3:
            return [f"np.multiply({args[1]}, {args[2]}, out={target}, casting='same_kind')"]
        case "assign":
            return [f"{target}[...] = {args[1]}"]
        case "accumulate":
            value = args[1] if len(args) == 2 else f"{args[2]} * {args[1]}"
            return [f"{target} += {value}"] if shape else [f"{target}[...] += {value}"]
    raise AssertionError(f"no such operation: {step.op}")
