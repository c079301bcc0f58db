"""One process for one family of systems, one problem and one size, so that none disturbs another.

``python -m tests.benchmarks.worker FAMILY PROBLEM SIZE --to FILE`` writes its figures as JSON. The
families are ``numpy`` (hand and einsdiff, in alternating rounds), ``memory`` (one system, given by
``--system``) and those of `tests.benchmarks.peers`.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks import peers
from tests.benchmarks.measuring import in_turns, peak_of
from tests.benchmarks.problems import PROBLEMS, Problem
from tests.benchmarks.systems import SYSTEMS, Call, MissingError

#: Address space; a process that asks for more fails by itself and leaves the machine alone.
MOST_MEMORY = 18 * 2**30


def main() -> None:
    """Measure, and write what was measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("family")
    parser.add_argument("problem", choices=list(PROBLEMS))
    parser.add_argument("size")
    parser.add_argument("--system", action="append", default=[])
    parser.add_argument("--budget", type=float, default=1.0)
    parser.add_argument("--slowest", type=float, default=6.0)
    parser.add_argument("--cores", type=int, default=0)
    parser.add_argument("--to", type=Path, required=True)
    given = parser.parse_args()
    if given.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-given.cores :])
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    warnings.simplefilter("ignore")
    problem = PROBLEMS[given.problem]
    if given.family == "numpy":
        results = numpy_family(problem, given.size, given.system, given.budget, given.slowest)
    elif given.family == "memory":
        results = memory(problem, given.size, given.system[0])
    else:
        results = peer_family(
            given.family, problem, given.size, given.system, given.budget, given.slowest, given.to
        )
    given.to.write_text(json.dumps(results))


def numpy_family(
    problem: Problem, size: str, wanted: list[str], budget: float, slowest: float
) -> dict[str, Any]:
    """Time what runs on NumPy; see the results checked first."""
    operands = problem.operands(size)
    expected = problem.hand(**operands)
    results: dict[str, Any] = {}
    calls: dict[str, Call] = {}
    for name in SYSTEMS:
        if wanted and name not in wanted:
            continue
        try:
            call = SYSTEMS[name](problem, operands)
            wrong = call.check(call.run(), expected)
        except MissingError as reason:
            results[name] = {"skipped": str(reason)}
        except Exception as error:  # what einsdiff cannot do yet is a figure, too
            results[name] = {"failed": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
        else:
            if wrong:
                results[name] = {"wrong": wrong}
            else:
                calls[name] = call
    del expected
    # Each form is compared with what it is to be compared with, in rounds of their own: what is
    # cold, or leaves a large array to be freed, would disturb short calls between it.
    dense = [n for n in calls if n not in ("einsdiff first", *SHORT)]
    for group in (dense, [n for n in calls if n in SHORT], ["einsdiff first"]):
        runs = {name: calls[name].run for name in group if name in calls}
        once = frozenset({"einsdiff first"})
        for name, samples in in_turns(runs, budget, once).items():
            results[name] = {**samples.summary(), "note": calls[name].note}
    return {name: results[name] for name in SYSTEMS if name in results}


#: These give no dense array.
SHORT = ("hand core", "einsdiff core", "einsdiff sparse", "einsdiff operator")


def memory(problem: Problem, size: str, name: str) -> dict[str, Any]:
    """Measure by how much one call raises the peak of resident memory."""
    try:
        tiny = SYSTEMS[name](problem, problem.operands("tiny"))
        call = SYSTEMS[name](problem, problem.operands(size))
    except MissingError as reason:
        return {name: {"skipped": str(reason)}}
    for _ in range(3):
        tiny.run()
    square = np.ones((700, 700))
    square = square @ square  # the threads of BLAS have their buffers now
    del tiny, square
    _trim()
    return {name: {"bytes": peak_of(call.run)}}


def _trim() -> None:
    """Give back to the system what was freed, so that it does not hide what is taken next."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def peer_family(
    family: str,
    problem: Problem,
    size: str,
    wanted: list[str],
    budget: float,
    slowest: float,
    to: Path,
) -> dict[str, Any]:
    """Time the systems of a peer; what is known is written whenever there is more of it."""
    operands = problem.operands(size)
    names = [name for name in peers.FAMILIES[family][0] if not wanted or name in wanted]
    known: dict[str, Any] = {}

    def tell(results: dict[str, Any]) -> None:
        known.update(results)
        to.write_text(json.dumps(known))

    def time_call(run: Any, taken: float) -> dict[str, Any]:
        return in_turns({"it": run}, budget, known={"it": taken})["it"].summary()

    variants = peers.PEERS[family](problem, operands, size)
    asked = (variant for variant in variants if variant.system in names)
    try:
        peers.measure(asked, problem.hand(**operands), time_call, slowest, tell)
    except MissingError as reason:
        known.update({name: {"skipped": str(reason)} for name in names})
    return known


if __name__ == "__main__":
    sys.exit(main())
