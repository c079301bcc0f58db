"""What is measured besides the problems: overhead, cold starts, and how cost grows with size.

``python -m tests.benchmarks.extras PART --to FILE`` measures one part in a process of its own:

- ``overhead``: microseconds of a repeated call, of a compiled one beyond its NumPy statements, and
  of the import;
- ``cold``: a first derivative, from the text to the compiled program, with every cache empty,
  beside SymPy's derivative and JAX's trace and compilation of the same problems;
- ``scale``: nodes, searches for contraction paths, and seconds, for expressions of growing size;
- ``networks``: what the derivative of a tensor network by one of its tensors costs, and by all of
  them, in contractions of the network.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import log
from pathlib import Path
from statistics import median
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np

import einsdiff as ed
from tests import networks
from tests.benchmarks.measuring import in_turns
from tests.benchmarks.problems import PROBLEMS, Problem
from tests.benchmarks.systems import forget

__all__ = ["PARTS"]


# --- overhead ---------------------------------------------------------------------------------


def overhead(quick: bool) -> dict[str, Any]:
    """Measure what a call costs besides its arithmetic."""
    budget = 0.3 if quick else 1.0
    A, x = np.ones((3, 4)), np.ones(4)
    calls: dict[str, Callable[[], Any]] = {
        "repeated": lambda: np.asarray(ed.grad("ij,j->i", A, x, wrt="A"))
    }
    repeated = in_turns(calls, budget)["repeated"].summary()
    result: dict[str, Any] = {"repeated": repeated, "compiled": [], "import": _imports(quick)}
    names = "abcdef"
    for count in range(1, len(names) + 1):
        arrays = {name: np.full(4, 1.0 + k) for k, name in enumerate(names[:count])}
        function = ed.parse("f_i = sin(" + " ".join(f"{n}_i" for n in arrays) + ")", **arrays)
        compiled = function.compile()
        given = [arrays[name] for name in compiled.names]
        compiled(*given)
        bare = _bare(compiled.source, arrays)
        times = in_turns({"call": lambda f=compiled, g=given: f(*g), "loop": _loop}, budget / 2)
        statements = min(bare(2000) for _ in range(15)) / 2000
        loop = times["loop"].summary()["fastest"]  # calling a function that does nothing
        result["compiled"].append(
            {
                "operands": count,
                "call": times["call"].summary()["fastest"] - loop,
                "statements": statements,
            }
        )
    return result


def _loop() -> None:
    pass


def _bare(source: str, arrays: Mapping[str, np.ndarray]) -> Callable[[int], float]:
    """Return a timer of a program's statements alone, repeated in a loop."""
    (program,) = ast.parse(source).body
    assert isinstance(program, ast.FunctionDef)
    body: list[ast.stmt] = []
    for statement in program.body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "out is None":
            body += statement.body
        elif not isinstance(statement, ast.Return):
            body.append(statement)
    lines = ["def timed(turns, out=None, clear=True):", "    start = perf_counter()"]
    lines += ["    for _ in range(turns):"]
    lines += ["        " + line for step in body for line in ast.unparse(step).splitlines()] or [
        "        pass"
    ]
    lines += ["    return perf_counter() - start"]
    namespace = {"np": np, "perf_counter": perf_counter}
    namespace |= {f"{name}_": array for name, array in arrays.items()}
    exec("\n".join(lines), namespace)
    return namespace["timed"]


def _imports(quick: bool) -> dict[str, Any]:
    """Import einsdiff in fresh interpreters."""
    text = (
        "import sys, time; start = time.perf_counter(); import einsdiff; "
        "print(time.perf_counter() - start, 'numpy' in sys.modules)"
    )
    seconds, numpy = [], False
    for _ in range(3 if quick else 9):
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
        taken, found = done.stdout.split()
        seconds.append(float(taken))
        numpy = found == "True"
    return {"seconds": median(seconds), "imports_numpy": numpy}


# --- cold -------------------------------------------------------------------------------------


def cold(quick: bool) -> dict[str, Any]:
    """Measure first derivatives."""
    rounds = 2 if quick else 7
    result: dict[str, Any] = {"catalogue": _catalogue(rounds), "problems": {}}
    for name, problem in PROBLEMS.items():
        operands = problem.operands("tiny")
        result["problems"][name] = {
            "einsdiff": median(_first(lambda p=problem, o=operands: p.derivative(**o), rounds)),
            "sympy": _limited(lambda p=problem, o=operands: _sympy(p, o), 3 if quick else 10),
        }
    for name, seconds in _jax(quick).items():
        result["problems"][name]["jax"] = seconds
    return result


def _first(derive: Callable[[], Any], rounds: int) -> list[float]:
    """Time the way from the text to numbers, but for a first round, which imports."""
    seconds = []
    for _ in range(rounds + 1):
        forget()
        start = perf_counter()
        derivative = derive()
        derivative.dense()
        seconds.append(perf_counter() - start)
    return seconds[1:]


def _catalogue(rounds: int) -> dict[str, Any]:
    """Time the rows of the catalogue that are one expression of ordinary variables."""
    from tests.catalogue_rows import ROWS, names_in, shape_of

    rng = np.random.default_rng(3)
    found, failed = {}, {}
    for row in ROWS:
        if row.index is None or row.of or row.inner:
            continue
        arrays = {}
        for name, sizes in row.shapes.items():
            shape = shape_of(sizes)
            array = rng.uniform(0.3, 0.7, shape)
            if len(shape) == 2 and shape[0] == shape[1]:
                array = array + array.T + 3 * np.eye(shape[0])
            symmetric = name in row.symmetric
            arrays[name] = ed.tensor(name, array, symmetric=True) if symmetric else array
        named = names_in(row.index, arrays)
        options = {"wrt": row.wrt, "order": row.order, "sizes": row.sizes}

        def derive(text=row.index, options=options, named=named):
            return ed.grad(text, **options, **named)

        try:
            found[str(row)] = median(_first(derive, rounds))
        except Exception as error:
            failed[str(row)] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return {"median": median(found.values()), "rows": found, "failed": failed}


class _TooLateError(Exception):
    pass


def _late(number: int, frame: Any) -> None:
    raise _TooLateError


def _limited(measure: Callable[[], float | None], limit: int) -> float | None:
    """Return the seconds that something took, or the limit if it would have taken longer."""
    signal.signal(signal.SIGALRM, _late)
    signal.alarm(limit)
    try:
        return measure()
    except _TooLateError:
        return float(limit)
    finally:
        signal.alarm(0)


def _sympy(problem: Problem, operands: Mapping[str, np.ndarray]) -> float | None:
    """Time SymPy's derivative of the problem, entry by entry, of arrays of symbols."""
    try:
        import sympy
    except ImportError:
        return None
    from sympy.core.cache import clear_cache

    def each(function):
        return np.vectorize(function, otypes=[object])

    def softmax(z):
        powers = each(sympy.exp)(z)
        return powers / powers.sum(axis=-1, keepdims=True)

    xp = SimpleNamespace(
        einsum=np.einsum,
        sum=np.sum,
        sin=each(sympy.sin),
        exp=each(sympy.exp),
        tanh=each(sympy.tanh),
        relu=each(lambda z: sympy.Max(z, 0)),
        softplus=each(lambda z: sympy.log(1 + sympy.exp(z))),
        softmax=softmax,
        log_softmax=lambda z: each(sympy.log)(softmax(z)),
        logdet=lambda X: sympy.log(sympy.Matrix(X).det()),
        inv=lambda X: np.array(sympy.Matrix(X).inv().tolist(), dtype=object),
    )
    symbols = {
        name: np.array(
            [sympy.Symbol(f"{name}{k}") for k in range(array.size)], dtype=object
        ).reshape(array.shape)
        for name, array in operands.items()
    }
    clear_cache()
    start = perf_counter()
    derivative: Any = problem.function(xp, **symbols)
    if isinstance(derivative, np.ndarray):
        derivative = sympy.Array(derivative.tolist())
    for name in problem.wrt:
        derivative = sympy.derive_by_array(derivative, sympy.Array(symbols[name].tolist()))
    return perf_counter() - start


def _jax(quick: bool) -> dict[str, float]:
    """Time JAX's tracing and compilation, in the order of sweeps that compiles fastest."""
    try:
        import jax
    except ImportError:
        return {}
    from tests.benchmarks.peers import jax_function, sweeps

    found = {}
    jax.jit(lambda x: x + 1)(1.0)
    for name, problem in PROBLEMS.items():
        operands = problem.operands("tiny")
        function = jax_function(problem)
        arrays = [jax.device_put(array) for array in operands.values()]
        times = []
        ways = sweeps(problem, operands, function, jax.jacfwd, jax.jacrev)
        for derivative in list(ways.values())[: 1 if quick else None]:
            jax.clear_caches()
            start = perf_counter()
            jax.jit(derivative).lower(*arrays).compile()
            times.append(perf_counter() - start)
        found[name] = min(times)
    return found


# --- scale ------------------------------------------------------------------------------------


def network(depth: int) -> Any:
    """Return the Hessian of a network of so many tanh layers in its first layer's weights."""
    rng = np.random.default_rng(0)
    z = ed.tensor("x", rng.normal(size=(5, 4)))
    for layer in range(depth):
        z = np.tanh(z @ ed.tensor(f"W{layer}", rng.normal(size=(4, 4)) / 2))
    return ed.hessian(np.sum(z * z), wrt="W0")


def einsum_terms(count: int) -> Any:
    """Return the gradient of a sum of so many products."""
    rng = np.random.default_rng(0)
    x = ed.tensor("x", rng.normal(size=4))
    terms = [
        ed.einsum("i,ij,j->", x, ed.tensor(f"A{k}", rng.normal(size=(4, 4))), x)
        for k in range(count)
    ]
    while len(terms) > 1:  # in pairs, as the order does not matter
        terms = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)] + (
            terms[-1:] if len(terms) % 2 else []
        )
    return ed.grad(terms[0], wrt="x")


def cp(factors: int) -> tuple[Any, ...]:
    """Return the gradients of an inner product of two CP tensors with so many factors."""
    rng = np.random.default_rng(0)
    operands, subscripts = [], []
    for rank, letter in ((0, "A"), (1, "B")):
        for k in range(factors):
            operands.append(ed.tensor(f"{letter}{k}", rng.normal(size=(3, 2))))
            subscripts.append([k + 2, rank])
    interleaved = [part for pair in zip(operands, subscripts, strict=True) for part in pair]
    f = ed.einsum(*interleaved, [])
    return ed.grad(f, wrt=tuple(f"A{k}" for k in range(factors)))


def chain(steps: int) -> Any:
    """Return the gradient of so many functions of each other."""
    z = ed.tensor("x", np.ones(4))
    for _ in range(steps):
        z = np.sin(z)
    return ed.grad(np.sum(z), wrt="x")


#: What grows: how it is made, the numbers that it is made of, and the power with which it may
#: grow. The gradients by n factors are n products of n factors, so that they grow with its square.
GROWING: dict[str, tuple[str, Callable[[int], Any], tuple[int, ...], float]] = {
    "network Hessian": ("layers", network, (10, 30, 100), 1.2),
    "sum of einsums": ("terms", einsum_terms, (20, 200, 2000), 1.2),
    "chain of functions": ("steps", chain, (100, 1000, 10000), 1.2),
    "CP gradients": ("factors", cp, (5, 10, 20, 50), 2.2),
}


def scale(quick: bool) -> dict[str, Any]:
    """Measure how nodes, searches and seconds grow."""
    from einsdiff.algebra.nodes.graph import topological

    result: dict[str, Any] = {}
    for name, (unit, make, sizes, limit) in GROWING.items():
        ed.compile(make(2))()  # imports what is needed
        points = []
        for size in sizes[:-1] if quick else sizes:
            forget()
            with _counted_searches() as searches:
                start = perf_counter()
                derivative = make(size)
                derived = perf_counter()
                ed.compile(derivative)()
                done = perf_counter()
            parts = derivative if isinstance(derivative, tuple) else (derivative,)
            points.append(
                {
                    "size": size,
                    "nodes": len(topological([part.expr for part in parts])),
                    "searches": len(searches),
                    "differentiate": derived - start,
                    "plan": done - derived,
                }
            )
        result[name] = {
            "unit": unit,
            "points": points,
            "exponent": _exponent(points),
            "limit": limit,
        }
    return result


def _exponent(points: list[dict[str, Any]]) -> float | None:
    """Return the power with which the seconds grow, between the two largest sizes."""
    if len(points) < 2:
        return None
    a, b = points[-2:]
    seconds = [p["differentiate"] + p["plan"] for p in (a, b)]
    return log(seconds[1] / seconds[0]) / log(b["size"] / a["size"])


@contextmanager
def _counted_searches() -> Iterator[list[int]]:
    """Count the searches for an order to multiply three or more factors in."""
    from einsdiff.numeric.orders import paths

    found = paths._found
    searches: list[int] = []

    def counting(search: Any, factors: Any, *rest: Any) -> Any:
        if len(factors) > 2:
            searches.append(len(factors))
        return found(search, factors, *rest)

    paths._found = counting
    try:
        yield searches
    finally:
        paths._found = found


# --- networks ---------------------------------------------------------------------------------

#: Networks, and within how many bytes they are computed once more, if they are.
NETWORKS: dict[str, tuple[networks.Net, int]] = {
    "tree of 100, bonds of 8": (networks.tree(100, 8), 0),
    "tree of 500, bonds of 4": (networks.tree(500, 4), 0),
    "ring of 500, bonds of 16": (
        networks.of_bonds(500, [(k, (k + 1) % 500) for k in range(500)], 16),
        0,
    ),
    "strip of 4 × 100, bonds of 4": (networks.grid(4, 100, 4), 0),
    "strip of 6 × 80, bonds of 3": (networks.grid(6, 80, 3), 0),
    "grid of 10 × 10, bonds of 3": (networks.grid(10, 10, 3), 2**19),
    "grid of 15 × 15, bonds of 2": (networks.grid(15, 15), 2**19),
    "grid of 20 × 20, bonds of 2": (networks.grid(20, 20), 2**24),
    "3-regular, 100, bonds of 2": (networks.regular(100), 2**16),
    "3-regular, 100, bonds of 3": (networks.regular(100, 3), 2**22),
    "3-regular, 150, bonds of 2": (networks.regular(150), 2**22),
    "3-regular, 500, bonds of 2": (networks.regular(500), 0),
}
#: Networks with more operations than this are planned and not contracted.
MOST_FLOPS = 10**11
#: Networks with at most so many tensors are differentiated by all of them at once.
MOST_AT_ONCE = 150


def environments(quick: bool) -> dict[str, Any]:
    """Measure derivatives of networks by one of their tensors."""
    result = {}
    warm = networks.tree(20)
    ed.einsum(warm.text, *warm.arrays()).dense()  # imports what is needed
    for name, (net, limit) in list(NETWORKS.items())[:: 4 if quick else 1]:
        forget()
        arrays = net.arrays()
        middle = len(arrays) // 2
        start = perf_counter()
        f = ed.einsum(net.text, *arrays)
        derivative = ed.grad(f, wrt=f.names[middle])
        read = perf_counter()
        plans = []
        for t in (f, derivative):
            began = perf_counter()
            compiled = t.compile(memory_limit=2**62)
            report = compiled.report()
            plans.append((compiled, report.flops, report.peak, perf_counter() - began))
        (whole, flops, peak, searched), (environment, flops_by_one, _, planned) = plans
        found: dict[str, Any] = {
            "tensors": len(arrays),
            "flops": flops,
            "by one": flops_by_one,
            "peak": peak,
            "read": read - start,
            "search": searched,
            "plan": planned,
        }
        result[name] = found
        if flops > MOST_FLOPS:
            continue
        times = in_turns({"whole": whole, "one": environment}, 0.2 if quick else 1.0)
        found["seconds"] = [times[way].summary()["seconds"] for way in ("whole", "one")]
        value = whole()
        found["error"] = float(abs(np.sum(environment() * arrays[middle]) / value - 1))
        if limit:
            inner = [t.compile(memory_limit=limit) for t in (f, derivative)]
            reports = [compiled.report() for compiled in inner]
            found["limit"] = limit
            found["within"] = [report.flops for report in reports]
            found["difference"] = float(abs(inner[0]() / value - 1))
        if len(arrays) <= MOST_AT_ONCE and not quick:
            every = ed.compile(*ed.grad(f, wrt=f.names))
            found["by all"] = every.report().flops
    return result


PARTS: dict[str, Callable[[bool], dict[str, Any]]] = {
    "overhead": overhead,
    "cold": cold,
    "scale": scale,
    "networks": environments,
}


def main() -> None:
    """Measure one part, and write its figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--cores", type=int, default=0)
    parser.add_argument("--to", type=Path, required=True)
    given = parser.parse_args()
    if given.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-given.cores :])
    given.to.write_text(json.dumps(PARTS[given.part](given.quick)))


if __name__ == "__main__":
    sys.exit(main())
