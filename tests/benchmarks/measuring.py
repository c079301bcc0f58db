"""How time and memory are measured: medians of alternating rounds, and peaks of what is resident.

Times of systems that are compared are taken in turns, one sample each a round, so that what slows
the machine down for a while slows all of them. A result is freed before the next call begins;
allocating it belongs to the call.
"""

from __future__ import annotations

import gc
import os
import platform
import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from math import ceil
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

__all__ = [
    "PACKAGES",
    "Samples",
    "agree",
    "in_turns",
    "machine",
    "peak_of",
    "reset_peak",
    "resident",
]

#: A sample takes at least so many seconds: short calls are repeated.
SHORTEST_SAMPLE = 200e-6
FEWEST_SAMPLES = 3
MOST_SAMPLES = 400

#: What is compared, by the names of the packages.
PACKAGES = (
    *("einsdiff", "numpy", "scipy", "opt_einsum"),
    *("jax", "jaxlib", "asdex", "torch", "autograd", "casadi", "sympy", "matplotlib"),
)


@dataclass
class Samples:
    """Seconds that one call took, a number for each round."""

    number: int
    seconds: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return what is kept of them."""
        return {
            "seconds": median(self.seconds),
            "fastest": min(self.seconds),
            "samples": len(self.seconds),
            "calls": self.number,
        }


def in_turns(
    calls: Mapping[str, Callable[[], Any]],
    budget: float,
    once: frozenset[str] = frozenset(),
    known: Mapping[str, float] | None = None,
) -> dict[str, Samples]:
    """Time several calls in alternating rounds.

    Parameters
    ----------
    calls
        What is timed, by name. Each has been called before and gives a fresh result.
    budget
        Seconds for each of them. It is exceeded where three samples take longer.
    once
        Those that are never repeated within a sample.
    known
        Seconds that a call took before, so that it need not be tried for that.

    Returns
    -------
    dict
        The samples of each.
    """
    samples = {}
    for name, call in calls.items():
        taken = (known or {}).get(name, 0.0)
        if taken < SHORTEST_SAMPLE:
            taken = min(_sample(call, 1) for _ in range(2))
        repeat = 1 if name in once else max(1, ceil(SHORTEST_SAMPLE / taken))
        samples[name] = Samples(repeat)
    left = dict.fromkeys(calls, budget)
    gc.collect()
    gc.disable()
    try:
        while left:
            for name in list(left):
                taken = samples[name]
                seconds = _sample(calls[name], taken.number)
                taken.seconds.append(seconds / taken.number)
                left[name] -= seconds
                enough = len(taken.seconds) >= FEWEST_SAMPLES
                if enough and (left[name] <= 0 or len(taken.seconds) >= MOST_SAMPLES):
                    del left[name]
    finally:
        gc.enable()
    return samples


def _sample(call: Callable[[], Any], number: int) -> float:
    if number == 1:
        start = perf_counter()
        result = call()
        taken = perf_counter() - start
        del result
        return taken
    turns = range(number)
    start = perf_counter()
    for _ in turns:
        call()
    return perf_counter() - start


def agree(result: Any, expected: np.ndarray, tolerance: float = 1e-8) -> str:
    """Compare a result with what it should be; return what is wrong, or an empty string.

    The error is taken relative to the largest entry. It goes by slices along the first axis, so
    that large results are not copied.
    """
    result = np.asarray(result)
    if result.shape != expected.shape:
        return f"shape {result.shape}, not {expected.shape}"
    if not expected.ndim:
        result, expected = result.reshape(1), expected.reshape(1)
    largest = error = 0.0
    step = max(1, 2**22 // max(1, expected[0].size))
    for start in range(0, len(expected), step):
        part = expected[start : start + step]
        difference = part - result[start : start + step]
        largest = max(largest, part.max(), -part.min())
        error = max(error, difference.max(), -difference.min())
        if not np.isfinite(difference).all():
            return "not finite"
    return "" if error <= tolerance * largest else f"error {error / largest:.1e}"


# --- memory -----------------------------------------------------------------------------------

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def _status(key: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


def resident() -> int:
    """Return the bytes of resident memory now, or its peak where that is all one can know."""
    if _STATUS.exists():
        return _status("VmRSS")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reset_peak() -> bool:
    """Let the peak of resident memory begin anew; return whether that is possible here."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def peak_of(call: Callable[[], Any]) -> int:
    """Return by how many bytes the peak of resident memory rises during one call."""
    gc.collect()
    reset = reset_peak()
    before = resident()
    result = call()
    if reset and _STATUS.exists():
        after = _status("VmHWM")
    else:
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    del result
    return after - before


# --- the machine ------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """Describe what the figures were measured on."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "versions": versions,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
