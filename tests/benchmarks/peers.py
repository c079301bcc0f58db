"""Other systems, each at its best: JAX, asdex, torch.func, autograd and CasADi.

A peer has as many variants as it has ways to the same derivative (forward, reverse, one over the
other). Each that fits into memory is tried, and the fastest is what counts. What is done once for a
function, such as compiling it, or finding and colouring its sparsity, is reported apart.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.benchmarks.measuring import agree
from tests.benchmarks.problems import Arrays, Problem
from tests.benchmarks.systems import MissingError

__all__ = ["FAMILIES", "LARGEST", "PEERS", "Variant", "measure", "modes"]

#: Bytes; a variant that is estimated to need more is not tried.
LARGEST = 10 * 2**30


@dataclass
class Variant:
    """One way of a peer to a derivative.

    Attributes
    ----------
    system
        What it counts for: the fastest variant of a system is reported.
    name
        Which way it is.
    build
        Returns what is called; it does what is done once.
    check
        Compares a result with the dense one.
    bytes, work
        Estimates: of memory, and of what the time is proportional to.
    """

    system: str
    name: str
    build: Callable[[], Callable[[], Any]]
    check: Callable[[Any, np.ndarray], str] = agree
    bytes: int = 0
    work: int = 1


def modes(problem: Problem, operands: Arrays, size: str) -> dict[str, tuple[int, int]]:
    """Estimate for each order of sweeps the memory and the work that it takes.

    Systems that vectorise hold what the function holds once for each direction, and the directions.
    """
    values = prod(problem.codomain(**problem.sizes[size]))
    held = problem.held(**problem.sizes[size])
    columns = operands[problem.wrt[-1]].size
    inner = operands[problem.wrt[0]].size
    if problem.order == 1:
        passes = {"forward": columns, "reverse": values}
    else:
        passes = {"forward over reverse": columns * values, "reverse over reverse": inner * values}
    result = 8 * problem.entries(operands, size)
    each = held + columns + inner + values
    return {mode: (8 * number * each + result, number * each) for mode, number in passes.items()}


def sweeps(
    problem: Problem,
    operands: Arrays,
    function: Callable[..., Any],
    forward: Callable[..., Any],
    reverse: Callable[..., Any],
) -> dict[str, Callable[..., Any]]:
    """Return the derivative in each order of sweeps, of functions like jacfwd and jacrev."""
    names = list(operands)
    at = [names.index(name) for name in problem.wrt]
    if problem.order == 1:
        return {"forward": forward(function, at[0]), "reverse": reverse(function, at[0])}
    return {
        "forward over reverse": forward(reverse(function, at[0]), at[1]),
        "reverse over reverse": reverse(reverse(function, at[0]), at[1]),
    }


def _direction(operands: Arrays, problem: Problem) -> np.ndarray:
    return np.random.default_rng(1).normal(size=operands[problem.wrt[-1]].shape)


def _check_product(operands: Arrays, problem: Problem) -> Callable[[Any, np.ndarray], str]:
    v = _direction(operands, problem)

    def check(result: Any, expected: np.ndarray) -> str:
        rows = expected.shape[: expected.ndim - v.ndim]
        return agree(result, (expected.reshape(-1, v.size) @ v.ravel()).reshape(rows))

    return check


# --- JAX --------------------------------------------------------------------------------------


def jax_function(problem: Problem) -> Callable[..., Any]:
    """Return the function as JAX takes it, in double precision."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    xp = SimpleNamespace(
        einsum=jnp.einsum,
        sum=jnp.sum,
        sin=jnp.sin,
        exp=jnp.exp,
        tanh=jnp.tanh,
        relu=jax.nn.relu,
        softplus=jax.nn.softplus,
        softmax=jax.nn.softmax,
        log_softmax=jax.nn.log_softmax,
        logdet=lambda X: jnp.linalg.slogdet(X)[1],
        inv=jnp.linalg.inv,
    )
    return lambda *operands: problem.function(xp, *operands)


def jax_variants(problem: Problem, operands: Arrays, size: str) -> Iterator[Variant]:
    import jax

    function = jax_function(problem)
    arrays = [jax.device_put(array) for array in operands.values()]

    def compiled(derivative, *arguments):
        def build():
            jitted = jax.jit(derivative)
            return lambda: jitted(*arguments).block_until_ready()

        return build

    estimates = modes(problem, operands, size)
    for mode, derivative in sweeps(problem, operands, function, jax.jacfwd, jax.jacrev).items():
        yield Variant("jax", mode, compiled(derivative, *arrays), agree, *estimates[mode])

    at = list(operands).index(problem.wrt[-1])
    inner = function
    if problem.order == 2:
        inner = jax.jacrev(function, list(operands).index(problem.wrt[0]))

    def product(v, *arrays):
        before, after = arrays[:at], arrays[at + 1 :]
        along = lambda x: inner(*before, x, *after)  # noqa: E731  # a function of one operand
        return jax.jvp(along, (arrays[at],), (v,))[1]

    v = jax.device_put(_direction(operands, problem))
    check = _check_product(operands, problem)
    yield Variant("jax product", "jvp", compiled(product, v, *arrays), check)


def asdex_variants(problem: Problem, operands: Arrays, size: str) -> Iterator[Variant]:
    import asdex
    import jax

    if not problem.structured:
        raise MissingError("no zeros to find")
    function = jax_function(problem)
    arrays = [jax.device_put(array) for array in operands.values()]
    names = list(operands)
    at = names.index(problem.wrt[-1])
    symmetric = problem.order == 2 and not problem.codomain(**problem.sizes[size])
    if problem.order == 2 and not symmetric:
        function = jax.jacrev(function, names.index(problem.wrt[0]))
    kept: list[Any] = []

    def coloring():
        if not kept:
            color = asdex.hessian_coloring if symmetric else asdex.jacobian_coloring
            kept.append(color(function, *arrays, argnums=at))
        return kept[0]

    def build(form):
        derive = asdex.hessian_from_coloring if symmetric else asdex.jacobian_from_coloring
        jitted = jax.jit(derive(function, coloring(), form))
        if form == "dense":
            return lambda: jitted(*arrays).block_until_ready()

        def run():
            result = jitted(*arrays)
            result.data.block_until_ready()
            return result

        return run

    def check(result, expected):
        product = _check_product(operands, problem)
        columns = operands[problem.wrt[-1]].shape
        rows = expected.shape[: expected.ndim - len(columns)]
        data, indices = np.asarray(result.data), np.asarray(result.indices)
        v = _direction(operands, problem)
        row = np.zeros(len(data), int) if not rows else None
        if rows:
            row = np.ravel_multi_index(tuple(indices[:, : len(rows)].T), rows)
        values = data * v[tuple(indices[:, len(rows) :].T)]
        return product(np.bincount(row, values, prod(rows)).reshape(rows), expected)

    entries = 8 * problem.entries(operands, size)
    yield Variant("asdex", "dense", lambda: build("dense"), agree, 2 * entries)
    yield Variant("asdex sparse", "BCOO", lambda: build("bcoo"), check)


# --- torch and autograd -----------------------------------------------------------------------


def torch_variants(problem: Problem, operands: Arrays, size: str) -> Iterator[Variant]:
    import torch
    from torch.nn import functional

    xp = SimpleNamespace(
        einsum=torch.einsum,
        sum=torch.sum,
        sin=torch.sin,
        exp=torch.exp,
        tanh=torch.tanh,
        relu=torch.relu,
        softplus=lambda z: functional.softplus(z, threshold=40.0),
        softmax=lambda z: torch.softmax(z, -1),
        log_softmax=lambda z: torch.log_softmax(z, -1),
        logdet=lambda X: torch.linalg.slogdet(X)[1],
        inv=torch.linalg.inv,
    )

    def function(*arrays):
        return problem.function(xp, *arrays)

    arrays = [torch.from_numpy(array) for array in operands.values()]

    def calling(derivative):
        return lambda: lambda: derivative(*arrays)

    def check(result, expected):
        return agree(result.detach().numpy(), expected)

    derivatives = sweeps(problem, operands, function, torch.func.jacfwd, torch.func.jacrev)
    for mode, (needed, work) in modes(problem, operands, size).items():
        # Nothing is fused, so that several steps are held at once.
        yield Variant("torch", mode, calling(derivatives[mode]), check, 2 * needed, work)


def autograd_variants(problem: Problem, operands: Arrays, size: str) -> Iterator[Variant]:
    import autograd
    import autograd.numpy as anp
    from autograd.scipy.special import logsumexp

    def log_softmax(z):
        return z - logsumexp(z, axis=-1, keepdims=True)

    xp = SimpleNamespace(
        einsum=anp.einsum,
        sum=anp.sum,
        sin=anp.sin,
        exp=anp.exp,
        tanh=anp.tanh,
        relu=lambda z: anp.maximum(z, 0),
        softplus=lambda z: anp.logaddexp(0, z),
        softmax=lambda z: anp.exp(log_softmax(z)),
        log_softmax=log_softmax,
        logdet=lambda X: anp.linalg.slogdet(X)[1],
        inv=anp.linalg.inv,
    )

    def derive(function, at, is_scalar):
        return autograd.grad(function, at) if is_scalar else autograd.jacobian(function, at)

    def derivative(*arrays):
        return problem.function(xp, *arrays)

    is_scalar = not problem.codomain(**problem.sizes[size])
    for name in problem.wrt:
        derivative = derive(derivative, list(operands).index(name), is_scalar)
        is_scalar = False
    arrays = list(operands.values())
    # Rows are computed one after another: a list of them, and then the array.
    result = 2 * 8 * problem.entries(operands, size)
    mode = "reverse" if problem.order == 1 else "reverse over reverse"
    work = modes(problem, operands, size)[mode][1]
    yield Variant("autograd", mode, lambda: lambda: derivative(*arrays), agree, result, work)


# --- CasADi -----------------------------------------------------------------------------------

#: CasADi's scalar graphs have a node for each operation; beyond this they take minutes to build.
MOST_OPERATIONS = 300_000


def casadi_variants(problem: Problem, operands: Arrays, size: str) -> Iterator[Variant]:
    import casadi as ca

    if problem.casadi is None:
        raise MissingError("CasADi has no such function")
    entries = problem.entries(operands, size)
    operations = sum(array.size for array in operands.values()) + entries
    if operations > MOST_OPERATIONS:
        raise MissingError(f"a graph of scalars with more than {operations:,} operations")
    rows, columns = problem.shapes(operands, size)
    # Matrices only, in column-major order; a third axis joins the second.
    matrices = {name: array.reshape(len(array), -1) for name, array in operands.items()}
    kept: list[Any] = []

    def function():
        if not kept:
            symbols = {
                name: ca.SX.sym(f"s{k}", *matrix.shape)
                for k, (name, matrix) in enumerate(matrices.items())
            }
            value = problem.casadi(ca, **symbols)
            for name in problem.wrt:
                value = ca.jacobian(ca.vec(value), ca.vec(symbols[name]))
            kept.append(ca.Function("f", list(symbols.values()), [value]))
        return kept[0]

    def dense():
        evaluate = function()
        return lambda: evaluate(*matrices.values()).full()

    def sparse():
        evaluate = function()
        buffer, run = evaluate.buffer()
        given = [matrix.ravel(order="F") for matrix in matrices.values()]
        for k, matrix in enumerate(given):
            buffer.set_arg(k, memoryview(matrix))
        values = np.zeros(evaluate.nnz_out(0))
        buffer.set_res(0, memoryview(values))

        def call():
            run()
            return values

        call.kept = (buffer, given)
        return call

    def check(result, expected):
        axes = len(rows)
        split = result.reshape(rows[::-1] + columns[::-1])
        order = [*range(axes)][::-1] + [*range(axes, expected.ndim)][::-1]
        return agree(split.transpose(order), expected)

    def check_values(result, expected):
        matrix = ca.DM(function().sparsity_out(0), result)
        return check(matrix.full(), expected)

    yield Variant("casadi", "SX", dense, check)
    yield Variant("casadi sparse", "SX, values only", sparse, check_values)


#: The systems of each family, which share a process, by the family's name.
PEERS: dict[str, Callable[[Problem, Arrays, str], Iterator[Variant]]] = {
    "jax": jax_variants,
    "asdex": asdex_variants,
    "torch": torch_variants,
    "autograd": autograd_variants,
    "casadi": casadi_variants,
}

#: What each family's systems are called, and what must be installed.
FAMILIES: dict[str, tuple[tuple[str, ...], str]] = {
    "jax": (("jax", "jax product"), "jax jaxlib"),
    "asdex": (("asdex", "asdex sparse"), "asdex jax jaxlib"),
    "torch": (("torch",), "torch"),
    "autograd": (("autograd",), "autograd"),
    "casadi": (("casadi", "casadi sparse"), "casadi"),
}


class TooSlowError(Exception):
    """A call that takes too long."""


def _too_slow(number: int, frame: Any) -> None:
    raise TooSlowError


def _see_whether_sensible(variant: Variant, best: tuple[float, Variant, Any] | None) -> None:
    """Refuse a variant that would not fit, or slow ones that cannot beat the best so far."""
    if variant.bytes > LARGEST:
        raise MissingError(f"needs {variant.bytes / 2**30:.0f} GiB")
    if best:
        seconds, fastest, _ = best
        ratio = variant.work / fastest.work
        if seconds * ratio > 2 and ratio > 0.9:
            raise MissingError(f"{ratio:.1f} times the work of the other order")


def _tried(
    variant: Variant, expected: np.ndarray, slowest: float
) -> tuple[Callable[[], Any], float, float]:
    """Build and run a variant, check it, and run it again; return it and the seconds of both."""
    signal.alarm(max(1, round(2 * slowest)))
    try:
        start = perf_counter()
        run = variant.build()
        result = run()
        setup = perf_counter() - start
        signal.alarm(0)
        wrong = variant.check(result, expected)
        if wrong:
            raise MissingError(f"wrong: {wrong}")
        del result
        signal.alarm(max(1, round(slowest)))
        start = perf_counter()
        run()
        return run, setup, perf_counter() - start
    except TooSlowError:
        raise MissingError(f"a call takes more than {slowest:.0f} s") from None
    except (MissingError, KeyboardInterrupt):
        raise
    except Exception as error:
        first = (str(error).splitlines() or [""])[0][:120]
        raise MissingError(f"{type(error).__name__}: {first}") from None
    finally:
        signal.alarm(0)


def measure(
    variants: Iterator[Variant],
    expected: np.ndarray,
    time_call: Callable[[Callable[[], Any], float], dict[str, Any]],
    slowest: float,
    tell: Callable[[dict[str, Any]], None],
) -> None:
    """Try each variant, check it, and time the fastest of each system.

    Parameters
    ----------
    variants
        Of one family.
    expected
        The dense result.
    time_call
        Takes samples of a call that took so many seconds.
    slowest
        Seconds; what takes longer is given up, where it can be interrupted, and not repeated.
    tell
        Is told the figures by system, or why there are none, whenever there are new ones.
    """
    best: dict[str, tuple[float, Variant, Callable[[], Any]]] = {}
    results: dict[str, dict[str, Any]] = {}
    tried: dict[str, dict[str, str]] = {}
    signal.signal(signal.SIGALRM, _too_slow)
    for variant in variants:
        system = variant.system
        notes = tried.setdefault(system, {})
        try:
            _see_whether_sensible(variant, best.get(system))
            run, setup, taken = _tried(variant, expected, slowest)
        except MissingError as reason:
            notes[variant.name] = str(reason)
        else:
            notes[variant.name] = f"{taken:.2e} s"
            if system in best and taken > best[system][0]:
                continue
            best[system] = (taken, variant, run)
            results[system] = {
                "seconds": taken,
                "samples": 1,
                "calls": 1,
                "setup": setup,
                "variant": variant.name,
                "work": variant.work,
            }
        if system not in best:
            results[system] = {"skipped": "; ".join(f"{k}: {v}" for k, v in notes.items())}
        results[system]["tried"] = notes
        tell(results)
    for system, (taken, _, run) in best.items():
        if taken < slowest:
            results[system] |= time_call(run, taken)
            tell(results)
