"""Examples of all families, in processes that may hang or die, and what is told of them."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from tests.fuzz.drawing import Draw
from tests.fuzz.trials import BrokenError, Disagreement, HangError, RefusedError, Trial

#: The module of each family; its `check` draws an example and makes claims.
FAMILIES = {
    "einsum": "einsums",
    "index": "indexed",
    "numpy": "programs",
    "code": "coded",
    "matrix": "matrices",
    "rewriting": "rewritten",
    "stacks": "stacks",
    "text": "texts",
}
#: Families that are run only where they are asked for.
ASKED = {"strings": "strings"}
#: Seconds of the processor for an example; the clock may go further, but not for ever.
BUDGET = 10.0
PATIENCE = 90.0
MEMORY = 2**30
#: In use, where the system does not tell: more than any peak.
NOT_MEASURED = 2**63


@dataclass
class Outcome:
    """What became of an example."""

    family: str
    number: int
    found: list[Disagreement]
    refused: str = ""
    in_part: list[str] = field(default_factory=list)
    seconds: float = 0.0
    program: str = ""


# --- one example ------------------------------------------------------------------------------


def example(seed: str, family: str, number: int) -> Outcome:
    """Run one example in this process."""
    check = import_module(f"tests.fuzz.{(FAMILIES | ASKED)[family]}").check
    trial = Trial()
    refused = ""
    start = time.process_time()
    try:
        with _bounded(trial), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's, of the oracles
            check(Draw(f"{seed}/{family}/{number}"), trial)
    except RefusedError as error:
        refused = str(error)
    except BrokenError:
        pass
    except Exception as error:
        trial.fails(error)
    seconds = time.process_time() - start
    program = "\n".join(trial.lines)
    return Outcome(family, number, trial.found, refused, trial.refused, seconds, program)


@contextmanager
def _bounded(trial: Trial) -> Iterator[None]:
    """Stop an example that takes too long, and tell of one that takes too much memory."""

    def stop(*_: Any) -> None:
        raise HangError

    previous = signal.signal(signal.SIGPROF, stop)
    # Again and again: the exception could be lost in a callback.
    signal.setitimer(signal.ITIMER_PROF, BUDGET, 1.0)
    before = _reset_peak()
    try:
        yield
    except HangError:
        if not trial.asked:
            raise RefusedError("the oracle takes too long") from None
        trial.hangs(f"does not end in {BUDGET:.0f} s")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
    peak = _status("VmHWM") - before
    if peak > MEMORY:
        trial.hangs(f"takes {peak / 2**20:.0f} MB")


def _reset_peak() -> int:
    """Let the system measure the peak of memory anew; return what is in use."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return NOT_MEASURED
    return _status("VmRSS")


def _status(key: str) -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(key)), 0)


# --- processes --------------------------------------------------------------------------------


def _work(tasks: Connection, seed: str) -> None:
    """Run the examples that are asked for, until there are no more."""
    sys.setswitchinterval(1)
    for name in (*FAMILIES.values(), *ASKED.values()):
        import_module(f"tests.fuzz.{name}")
    # Room for what libraries reserve without using it; beyond, an allocation fails.
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + 6 * MEMORY,) * 2)
    while (task := tasks.recv()) is not None:
        tasks.send(example(seed, *task))


class _Worker:
    """A process with the example that it is at."""

    def __init__(self, seed: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, seed), daemon=True)
        self.process.start()
        theirs.close()
        self.task: tuple[str, int] | None = None
        self.since = 0.0

    def give(self, task: tuple[str, int] | None) -> None:
        self.task, self.since = task, time.monotonic()
        self.pipe.send(task)

    def answer(self) -> Outcome:
        """Receive the outcome; that of a process that died is a disagreement."""
        try:
            outcome: Outcome = self.pipe.recv()
            return outcome
        except (EOFError, ConnectionError):
            return self.lost("the process died")

    def lost(self, what: str) -> Outcome:
        assert self.task is not None
        self.process.kill()
        self.process.join()
        family, number = self.task
        text = f"# rerun: python -m tests.fuzz --only {family}:{number}"
        return Outcome(family, number, [Disagreement(what, text)])


def outcomes(
    seed: str, tasks: Iterable[tuple[str, int]], jobs: int, seconds: float | None = None
) -> Iterator[Outcome]:
    """Run examples in several processes, and give their outcomes as they come."""
    end = None if seconds is None else time.monotonic() + seconds
    left = iter(tasks)
    workers: list[_Worker] = []

    def next_task() -> tuple[str, int] | None:
        return None if end is not None and time.monotonic() > end else next(left, None)

    try:
        for _ in range(jobs):
            workers.append(_Worker(seed))
            workers[-1].give(next_task())
        while busy := [w for w in workers if w.task is not None]:
            ready = wait([w.pipe for w in busy], timeout=5)
            for worker in busy:
                if worker.pipe in ready:
                    outcome = worker.answer()
                elif time.monotonic() - worker.since > PATIENCE:
                    outcome = worker.lost(f"does not answer for {PATIENCE:.0f} s")
                else:
                    continue
                yield outcome
                if not worker.process.is_alive():
                    workers.remove(worker)
                    worker = _Worker(seed)
                    workers.append(worker)
                worker.give(next_task())
    finally:
        for worker in workers:
            worker.process.kill()


def default_jobs() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# --- what is told -----------------------------------------------------------------------------


@dataclass
class Tally:
    """What became of the examples of a family."""

    count: int = 0
    disagreeing: int = 0
    seconds: float = 0.0
    refusals: Counter[str] = field(default_factory=Counter)
    in_part: Counter[str] = field(default_factory=Counter)
    slowest: Outcome | None = None

    def add(self, outcome: Outcome) -> None:
        self.count += 1
        self.disagreeing += bool(outcome.found)
        self.seconds += outcome.seconds
        if outcome.refused:
            self.refusals[outcome.refused] += 1
        self.in_part.update(outcome.in_part)
        if self.slowest is None or outcome.seconds > self.slowest.seconds:
            self.slowest = outcome


class Report:
    """The outcomes so far: a tally for each family, and the disagreements by kind."""

    #: Of each kind, so many reproducers are printed.
    MOST_SHOWN = 3

    def __init__(self, quiet: bool = False) -> None:
        self.tallies: dict[str, Tally] = {}
        self.kinds: dict[str, list[tuple[str, str]]] = {}
        self.quiet = quiet

    def add(self, outcome: Outcome) -> None:
        """Count an outcome, and print the reproducers of kinds that are still new."""
        self.tallies.setdefault(outcome.family, Tally()).add(outcome)
        key = f"{outcome.family}:{outcome.number}"
        for disagreement in outcome.found:
            alike = self.kinds.setdefault(f"{outcome.family}: {disagreement.kind}", [])
            alike.append((disagreement.reproducer, key))
            if len(alike) <= self.MOST_SHOWN and not self.quiet:
                print(f"--- {key}: {disagreement.kind}\n{disagreement.reproducer}\n", flush=True)

    @property
    def disagreements(self) -> int:
        return sum(tally.disagreeing for tally in self.tallies.values())

    def __str__(self) -> str:
        heads = ("examples", "disagree", "refused", "seconds", "slowest")
        lines = [f"{'family':<10}" + "".join(f"{head:>10}" for head in heads)]
        for family, tally in sorted(self.tallies.items()):
            slow = tally.slowest
            assert slow is not None
            refused = sum(tally.refusals.values()) / tally.count
            lines.append(
                f"{family:<10}{tally.count:>10}{tally.disagreeing:>10}{refused:>10.1%}"
                f"{tally.seconds:>10.1f}{slow.seconds:>8.2f} s  {family}:{slow.number}"
            )
        for family, tally in sorted(self.tallies.items()):
            lines += [f"  {family}: {n} x {why}" for why, n in tally.refusals.most_common(4)]
            some = tally.in_part.most_common(3)
            lines += [f"  {family}, of one claim: {n} x {why}" for why, n in some]
        if self.kinds:
            lines.append("")
        for kind, alike in sorted(self.kinds.items(), key=lambda item: -len(item[1])):
            keys = " ".join(key for _, key in alike[:5])
            lines.append(f"{len(alike):>5} x {kind}  ({keys}{' ..' if len(alike) > 5 else ''})")
        return "\n".join(lines)
