"""Sums over samples on a Dask cluster: einsdiff beside what one writes by hand with dask.array.

``python -m tests.benchmarks.on_dask`` starts a cluster of two worker processes on this machine and
measures, for logistic regression and for least squares, the loss, its gradient, its Hessian and the
product of the Hessian with a vector, each alone and all of them together:

- the seconds from the expression to its values, and those of them before anything is computed;
- the tasks that are left when Dask has optimised the graph;

with samples that are in the workers' memory, and once with more of them than memory holds, which
are made chunk by chunk. Both are compared before they are timed. A table is printed.
"""

from __future__ import annotations

import argparse
import logging
import threading
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import dask
import dask.array as da
import numpy as np
import psutil
from dask.base import collections_to_expr
from distributed import Client, LocalCluster, WorkerPlugin, wait

import einsdiff as ed
from tests.benchmarks.measuring import machine
from tests.losses import logistic, squares

FEATURES = 100
NAMES = ("loss", "gradient", "Hessian", "Hessian times vector")


# --- the samples ------------------------------------------------------------------------------


def chunk_of_samples(block_info: Any = None) -> np.ndarray:
    info = block_info[None]
    rng = np.random.Generator(np.random.SFC64(info["chunk-location"][0]))
    X = rng.random(info["chunk-shape"])
    X -= 0.5
    return X


def above(X: np.ndarray) -> np.ndarray:
    return (X.sum(axis=1) > 0).astype(float)


def samples(chunks: int, rows: int) -> tuple[Any, Any]:
    X = da.map_blocks(
        chunk_of_samples, chunks=((rows,) * chunks, (FEATURES,)), dtype=float, meta=np.empty((0, 0))
    )
    return X, X.map_blocks(above, drop_axis=1, dtype=float, meta=np.empty(0))


# --- by hand and by einsdiff ------------------------------------------------------------------


def logistic_by_hand(X, y, w, v):
    z = X @ w
    s = 1 / (1 + da.exp(-z))
    d = s * (1 - s)
    return (
        lambda: da.sum(da.logaddexp(0, z) - y * z),
        lambda: X.T @ (s - y),
        lambda: (X * d[:, None]).T @ X,
        lambda: X.T @ (d * (X @ v)),
    )


def squares_by_hand(X, y, w, v):
    r = y - X @ w
    return (
        lambda: r @ r,
        lambda: -2 * (X.T @ r),
        lambda: 2 * (X.T @ X),
        lambda: 2 * (X.T @ (X @ v)),
    )


LOSSES = {"logistic": (logistic, logistic_by_hand), "squares": (squares, squares_by_hand)}


def functions_of(loss: Callable[..., Any]) -> list[Any]:
    """Return compiled functions of arrays of any size: one for each result, and one for all."""
    X, y, w, v = ed.tensors(X="np", y="n", w="p", v="p")
    made = [
        *ed.value_and_grad(loss, X, y, w, wrt="w"),
        ed.hessian(loss, X, y, w, wrt="w"),
        ed.hvp(loss, X, y, w, wrt="w", v=v),
    ]
    return [ed.compile(*made), *map(ed.compile, made)]


# --- measuring --------------------------------------------------------------------------------


class Peak(WorkerPlugin):
    """Watches how much memory a worker has."""

    def setup(self, worker: Any) -> None:
        self.bytes = 0
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self) -> None:
        process = psutil.Process()
        while True:
            self.bytes = max(self.bytes, process.memory_info().rss)
            time.sleep(0.01)


def peak(dask_worker: Any) -> int:
    plugin = dask_worker.plugins["peak"]
    found, plugin.bytes = plugin.bytes, 0
    return int(found)


def tasks(lazy: Sequence[Any]) -> int:
    return len(collections_to_expr(lazy).optimize().__dask_graph__())


def timed(build: Callable[[], Any]) -> tuple[float, float, list[Any]]:
    """Return the seconds to the values, the seconds before, and the values."""
    start = time.perf_counter()
    lazy = build()
    lazy = lazy if isinstance(lazy, tuple) else (lazy,)
    built = time.perf_counter() - start
    values = dask.compute(*lazy)
    return time.perf_counter() - start, built, list(values)


def cases(name: str, X: Any, y: Any) -> list[tuple[str, Callable[[], Any], Callable[[], Any]]]:
    """List what is measured: its name, how einsdiff builds it, and how one does by hand."""
    loss, by_hand = LOSSES[name]
    arrays = {"w": np.linspace(-0.5, 1, FEATURES), "v": np.linspace(1, -1, FEATURES)}
    together, *single = functions_of(loss)
    known = {"X": X, "y": y, **arrays}

    def own(function: Any) -> Callable[[], Any]:
        return lambda: function(**{n: known[n] for n in function.names})

    def hand(k: int) -> Callable[[], Any]:
        return lambda: by_hand(X, y, **arrays)[k]()

    found = [(f"{name} {NAMES[k]}", own(single[k]), hand(k)) for k in range(len(NAMES))]
    both = (
        f"{name}, all together",
        own(together),
        lambda: tuple(f() for f in by_hand(X, y, **arrays)),
    )
    return [*found, both]


def measure(title: str, own: Any, hand: Any, rounds: int, client: Client) -> dict[str, Any]:
    """Time both in turns, after comparing their results."""
    figures: dict[str, Any] = {"title": title}
    results = {}
    for which, build in (("einsdiff", own), ("hand", hand)):
        lazy = build()
        figures[which] = {"tasks": tasks(lazy if isinstance(lazy, tuple) else (lazy,))}
        client.run(peak)
        *_, results[which] = timed(build)
        figures[which]["peak"] = max(client.run(peak).values())
    figures["difference"] = max(
        float(np.max(np.abs(a - b)) / np.max(np.abs(b)))
        for a, b in zip(results["einsdiff"], results["hand"], strict=True)
    )
    assert figures["difference"] < 1e-10, figures
    times: dict[str, list[tuple[float, float]]] = {"einsdiff": [], "hand": []}
    for _ in range(rounds):
        for which, build in (("einsdiff", own), ("hand", hand)):
            times[which].append(timed(build)[:2])
    for which, found in times.items():
        figures[which]["seconds"] = median(total for total, _ in found)
        figures[which]["built"] = median(built for _, built in found)
    return figures


def row(figures: dict[str, Any]) -> str:
    own, hand = figures["einsdiff"], figures["hand"]
    return (
        f"| {figures['title']} | {hand['tasks']} | {own['tasks']} | {hand['seconds']:.2f} s "
        f"| {own['seconds']:.2f} s ({own['seconds'] / hand['seconds']:.2f}) "
        f"| {1e3 * hand['built']:.0f} ms | {1e3 * own['built']:.0f} ms "
        f"| {hand['peak'] / 1e6:.0f} MB | {own['peak'] / 1e6:.0f} MB "
        f"| {figures['difference']:.0e} |"
    )


HEAD = (
    "| what | tasks by hand | einsdiff | time by hand | einsdiff | graph by hand | einsdiff "
    "| peak memory by hand | einsdiff | difference |\n|---|---|---|---|---|---|---|---|---|---|"
)


def headed(X: Any, how: str) -> str:
    return f"\n{X.nbytes / 1e6:.0f} MB in {X.numblocks[0]} chunks, {how}\n\n{HEAD}"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.on_dask")
    parser.add_argument("--quick", action="store_true", help="fewer samples and rounds")
    given = parser.parse_args()
    rounds = 2 if given.quick else 7
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            memory_limit="1GB",
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(Peak(), name="peak")
        print(machine(), flush=True)
        X, y = client.persist(samples(8 if given.quick else 24, 20_000))
        wait([X, y])
        print(headed(X, "in memory"))
        for name in LOSSES:
            for case in cases(name, X, y):
                print(row(measure(*case, rounds, client)), flush=True)
        X, y = samples(4 if given.quick else 63, 80_000)
        print(headed(X, "made as they are needed"))
        for name in LOSSES:
            case = cases(name, X, y)[-1]
            print(row(measure(*case, 1 if given.quick else 3, client)), flush=True)


if __name__ == "__main__":
    main()
