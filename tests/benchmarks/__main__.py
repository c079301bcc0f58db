"""Run the benchmarks: ``python -m tests.benchmarks`` from the root of the repository.

Every system is timed on every problem that it can do; what cannot be measured is listed with the
reason. Figures, tables and a plot are written to ``--out``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from tests.benchmarks import measuring, peers, plot, report
from tests.benchmarks.problems import PROBLEMS, SIZES
from tests.benchmarks.systems import SYSTEMS

#: What has a peak of memory worth telling.
WEIGHED = ("hand", "einsdiff repeated", "einsdiff compiled", "einsdiff into buffer")
EXTRAS = ("overhead", "cold", "scale", "networks")
#: Seconds for the samples of one system.
BUDGET = {"tiny": 0.3, "medium": 0.8, "large": 1.0}
#: Seconds; a peer's call that takes longer is given up.
SLOWEST = 6.0
#: Seconds that a process may take.
HARD_TIMEOUT = 100
#: These stand for the peers in a quick run, unless others are asked for.
QUICK = ("jax", "asdex")
#: What tells libraries how many threads to start.
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> int:
    """Read the command line, measure, and write the files."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--problem", action="append", choices=list(PROBLEMS), metavar="NAME")
    parser.add_argument("--size", action="append", choices=SIZES)
    parser.add_argument(
        "--system", action="append", metavar="NAME", help="a system, or how its name begins"
    )
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    parser.add_argument(
        "--quick",
        action="store_true",
        help="fewer samples; JAX and asdex for the peers and no large sizes, unless asked for",
    )
    parser.add_argument(
        "--cores", type=int, default=0, help="use so many cores (1 on a machine that is busy)"
    )
    parser.add_argument("--list", action="store_true", help="list problems and systems")
    given = parser.parse_args()
    systems = [*SYSTEMS, *(name for names, _ in peers.FAMILIES.values() for name in names)]
    if given.list:
        print("problems:", *(f"  {p.name:18} {p.title}" for p in PROBLEMS.values()), sep="\n")
        print("systems:", *(f"  {name}" for name in [*systems, "memory", *EXTRAS]), sep="\n")
        return 0
    wanted = [
        name
        for name in [*systems, "memory", *EXTRAS]
        if not given.system or any(name.startswith(start) for start in given.system)
    ]
    if not wanted:
        parser.error(f"no system begins so; there are {', '.join(systems)}")
    sizes = given.size or (SIZES[:2] if given.quick else SIZES)
    run = Run(wanted, bool(given.system), given.quick, given.cores)
    for name in given.problem or PROBLEMS:
        for size in sizes:
            run.measure(name, size)
    for part in EXTRAS:
        if part in wanted and not given.problem:
            run.measure_extra(part)
    figures = run.figures()
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "benchmarks.json").write_text(json.dumps(figures, indent=1, ensure_ascii=False))
    text = report.markdown(figures)
    (given.out / "benchmarks.md").write_text(text)
    plot.draw(figures, given.out)
    print("\n" + report.summary(figures))
    print(f"written to {given.out}")
    return 0


class Run:
    """One run of the benchmarks: what was asked for, and the figures so far."""

    def __init__(self, wanted: list[str], chosen: bool, quick: bool, cores: int) -> None:
        self.wanted = wanted
        self.quick = quick
        self.cores = cores
        self.environment = dict(os.environ)
        if cores:
            self.environment |= dict.fromkeys(THREADS, str(cores))
        self.start = perf_counter()
        self.machine = measuring.machine()
        self.results: dict[str, dict[str, dict[str, Any]]] = {}
        self.extras: dict[str, Any] = {}
        self.families = {}
        for family, (names, packages) in peers.FAMILIES.items():
            asked = [name for name in names if name in wanted]
            lacking = [p for p in packages.split() if importlib.util.find_spec(p) is None]
            if quick and not chosen and family not in QUICK:
                continue
            if asked and lacking:
                print(f"{family} is left out; it comes with: pip install {' '.join(lacking)}")
            elif asked:
                self.families[family] = asked

    def measure(self, name: str, size: str) -> None:
        """Measure all systems on one problem of one size."""
        budget = BUDGET[size] * (0.4 if self.quick else 1)
        slowest = 1.0 if self.quick else SLOWEST
        results = self.results.setdefault(name, {}).setdefault(size, {})
        own = [system for system in self.wanted if system in SYSTEMS]
        if own:
            results.update(self.work("numpy", name, size, own, budget, slowest))
        for family, systems in self.families.items():
            reason = self.hopeless(family, name, size, slowest)
            if reason:
                results.update({system: {"skipped": reason} for system in systems})
                continue
            results.update(self.work(family, name, size, systems, budget, slowest))
        if "memory" in self.wanted and size != "tiny":
            for system in WEIGHED:
                found = self.work("memory", name, size, [system], budget, slowest)
                if "bytes" in found.get(system, {}):
                    results.setdefault(system, {})["bytes"] = found[system]["bytes"]

    def measure_extra(self, part: str) -> None:
        """Measure what is no derivative of an array: overhead, cold starts, growth."""
        options = ["--quick"] if self.quick else []
        found = self.process("extras", [part, *options], 60 if self.quick else 300)
        self.extras[part] = found
        said = next((f"{k}: {v}" for k, v in found.items() if k in ("failed", "skipped")), "done")
        print(f"[{perf_counter() - self.start:5.0f} s] {part}: {said}", flush=True)

    def hopeless(self, family: str, name: str, size: str, slowest: float) -> str:
        """Tell from the smaller sizes whether a family would take too long, and why."""
        problem = PROBLEMS[name]
        smaller = SIZES[: SIZES.index(size)]
        for less in reversed(smaller):
            found = self.results[name].get(less, {}).get(peers.FAMILIES[family][0][0], {})
            if "timeout" in found:
                return f"{less} took too long"
            if less != "medium" or "work" not in found or found["work"] <= 1:
                continue
            estimates = peers.modes(problem, problem.operands(size), size)
            work = estimates.get(found["variant"], (0, 0))[1]
            expected = found["seconds"] * work / found["work"]
            if expected > slowest:
                return f"would take about {expected:.0f} s"
        return ""

    def work(
        self, family: str, name: str, size: str, systems: list[str], budget: float, slowest: float
    ) -> dict[str, Any]:
        """Let a process of its own do the work."""
        start = perf_counter()
        arguments = [family, name, size, f"--budget={budget}", f"--slowest={slowest}"]
        arguments += [f"--system={system}" for system in systems]
        is_short = self.quick and family != "numpy"
        told = self.process("worker", arguments, 20 if is_short else HARD_TIMEOUT)
        lost = {k: told.pop(k) for k in ("failed", "skipped", "timeout") if k in told}
        found = (dict.fromkeys(systems, lost) if lost else {}) | told
        taken = perf_counter() - start
        shown = ", ".join(f"{k} {brief(v)}" for k, v in found.items())
        print(f"[{perf_counter() - self.start:5.0f} s] {name}, {size}: {shown} ({taken:.1f} s)")
        sys.stdout.flush()
        return found

    def process(self, module: str, arguments: list[str], timeout: int) -> dict[str, Any]:
        """Run a module in a process of its own; return what it told, and why there is no more."""
        with tempfile.TemporaryDirectory() as folder:
            to = Path(folder) / "figures.json"
            command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
            command += [f"--cores={self.cores}", f"--to={to}"]
            lost: dict[str, Any] = {}
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=timeout, env=self.environment
                )
                if done.returncode:
                    lines = done.stderr.strip().splitlines() or [f"ended by {done.returncode}"]
                    lost = {"failed": lines[-1][:200]}
            except subprocess.TimeoutExpired:
                lost = {"skipped": f"took more than {timeout} s", "timeout": True}
            return (json.loads(to.read_text()) if to.exists() else {}) | lost

    def figures(self) -> dict[str, Any]:
        """Return everything that was measured."""
        return {
            "machine": self.machine,
            "quick": self.quick,
            "cores": self.cores or os.cpu_count(),
            "seconds": perf_counter() - self.start,
            "problems": {
                name: {"title": PROBLEMS[name].title, "structured": PROBLEMS[name].structured}
                for name in self.results
            },
            "results": self.results,
            "extras": self.extras,
        }


def brief(found: dict[str, Any]) -> str:
    """Say a figure in few characters, or why there is none."""
    if "seconds" in found:
        return report.duration(found["seconds"])
    if "bytes" in found:
        return f"{found['bytes'] / 2**20:.0f} MiB"
    return next((f"{k}: {v}" for k, v in found.items()), "")


if __name__ == "__main__":
    sys.exit(main())
