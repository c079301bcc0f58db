"""Dask arrays on a cluster of two worker processes, with more data than they have memory.

The four gigabytes are made chunk by chunk when they are needed, and never exist at one time.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
import psutil
import pytest

import einsdiff as ed
from tests.extras import needs
from tests.losses import logistic, squares

needs("distributed")
import cloudpickle  # noqa: E402
import dask  # noqa: E402
import dask.array as da  # noqa: E402
from dask.base import collections_to_expr  # noqa: E402
from distributed import Client, LocalCluster, WorkerPlugin  # noqa: E402

# What is left open when processes are killed, and what distributed itself warns of.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::pytest.PytestUnhandledThreadExceptionWarning",
    "ignore:.*:UserWarning:distributed",
    "ignore:.*:DeprecationWarning:distributed",
    "ignore:.*:DeprecationWarning:tornado",
)

#: Nothing here may wait longer than this, in seconds.
PATIENCE = 120

MEMORY_LIMIT = 10**9
FEATURES = 100
ROWS = 80_000  # in a chunk of 64 megabytes
CHUNKS = 63


class Peak(WorkerPlugin):
    """Watches how much memory a worker has."""

    def setup(self, worker: Any) -> None:
        self.bytes = 0
        self.is_over = False
        threading.Thread(target=self.watch, daemon=True).start()

    def teardown(self, worker: Any) -> None:
        self.is_over = True

    def watch(self) -> None:
        process = psutil.Process()
        while not self.is_over:
            self.bytes = max(self.bytes, process.memory_info().rss)
            time.sleep(0.01)


def peak(dask_worker: Any) -> int:
    return int(dask_worker.plugins["peak"].bytes)


def cluster_of_two() -> LocalCluster:
    return LocalCluster(
        n_workers=2,
        processes=True,
        threads_per_worker=1,
        memory_limit=MEMORY_LIMIT,
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
    )


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with cluster_of_two() as cluster, Client(cluster, timeout=PATIENCE) as client:
        client.register_plugin(Peak(), name="peak")
        yield client


def uniform(rows: int, columns: int, k: int) -> np.ndarray:
    X = np.random.Generator(np.random.SFC64(k)).random((rows, columns))
    X -= 0.5
    return X


def chunk_of_samples(block_info: Any = None) -> np.ndarray:
    rows, columns = block_info[None]["chunk-shape"]
    return uniform(rows, columns, block_info[None]["chunk-location"][0])


def samples(chunks: int, rows: int = ROWS, columns: int = FEATURES) -> tuple[Any, Any]:
    """Return measurements and which class each is of, as lazy arrays."""
    X = da.map_blocks(
        chunk_of_samples, chunks=((rows,) * chunks, (columns,)), dtype=float, meta=np.empty((0, 0))
    )
    y = X.map_blocks(above, drop_axis=1, dtype=float, meta=np.empty(0))
    return X, y


def above(X: np.ndarray) -> np.ndarray:
    return (X.sum(axis=1) > 0).astype(float)


def results_of(columns: int = FEATURES) -> Any:
    """Return a function of the value, gradient, Hessian and a product of both losses."""
    sizes = {"X": ("n", "p"), "y": ("n",), "w": ("p",)}
    X, y, w = (ed.tensor(name, shape) for name, shape in sizes.items())
    v = ed.tensor("v", ("p",))
    tensors = []
    for loss in (logistic, squares):
        tensors += ed.value_and_grad(loss, X, y, w, wrt="w")
        tensors += [ed.hessian(loss, X, y, w, wrt="w"), ed.hvp(loss, X, y, w, wrt="w", v=v)]
    return ed.compile(*tensors)


def tasks(*lazy: Any) -> int:
    return len(collections_to_expr(lazy).optimize().__dask_graph__())


def closeness(found: Any, wanted: Any) -> float:
    return float(np.max(np.abs(found - wanted)) / np.max(np.abs(wanted)))


# --- more data than memory --------------------------------------------------------------------


def test_four_gigabytes_with_workers_of_one(client):
    X, y = samples(CHUNKS)
    assert X.nbytes > 4e9 > 2 * MEMORY_LIMIT
    arrays = {"w": np.linspace(-0.5, 1, FEATURES), "v": np.linspace(1, -1, FEATURES)}
    compute = results_of()
    found = dask.compute(*compute(X=X, y=y, **arrays))

    # One chunk, what is computed of it and what it is added to: far below the limit.
    peaks = client.run(peak)
    assert len(peaks) == 2
    assert max(peaks.values()) < 0.7 * MEMORY_LIMIT

    # What is known of all of it: symmetric Hessians, whose products are products with them.
    assert found[6].shape == (FEATURES, FEATURES)
    np.testing.assert_allclose(found[7], found[6] @ arrays["v"], rtol=1e-9)
    np.testing.assert_allclose(found[3], found[2] @ arrays["v"], rtol=1e-9)
    np.testing.assert_allclose(found[6], found[6].T, rtol=1e-12)

    # On a slice, NumPy computes all of it.
    few = 2
    wanted = by_hand(*(np.asarray(a) for a in dask.compute(*samples(few))), **arrays)
    some = dask.compute(*compute(X=X[: few * ROWS], y=y[: few * ROWS], **arrays))
    assert all(closeness(a, b) < 1e-11 for a, b in zip(some, wanted, strict=True))


def by_hand(X: np.ndarray, y: np.ndarray, w: np.ndarray, v: np.ndarray) -> list[np.ndarray]:
    z = X @ w
    s = 1 / (1 + np.exp(-z))
    r = y - z
    return [
        np.sum(np.logaddexp(0, z) - y * z),
        X.T @ (s - y),
        X.T @ (X * (s * (1 - s))[:, None]),
        X.T @ (s * (1 - s) * (X @ v)),
        r @ r,
        -2 * (X.T @ r),
        2 * (X.T @ X),
        2 * (X.T @ (X @ v)),
    ]


def test_tasks_are_proportional_to_chunks(client):
    counts = []
    compute = results_of(4)
    for chunks in (20, 40, 80):
        X, y = samples(chunks, 10, 4)
        counts.append(tasks(*compute(X=X, y=y, w=np.ones(4), v=np.ones(4))))
    few, more, many = counts
    assert many <= 3.2 * 80 + 30  # X, y, and one task for all results; and the sums
    assert many - more <= 2 * (more - few) + 8  # the levels of the trees


# --- NumPy operands ---------------------------------------------------------------------------


def test_numpy_operands_are_sent_once_and_are_not_in_the_graph(client, monkeypatch):
    X, _ = samples(4, 500, 200)
    sizes, names = [], []
    for count in (20, 20_000):  # the latter of 32 megabytes
        W, y = np.ones((200, count)), np.arange(2000.0)
        lazy = ed.einsum("np,pk,n->k", X, W, y).dense()
        sizes.append(len(cloudpickle.dumps(collections_to_expr([lazy]).optimize())))
        np.testing.assert_allclose(lazy.compute()[0], float(X.sum(axis=1).compute() @ y))
        names.append(lazy.name)
        with monkeypatch.context() as patch:  # the workers have it already
            patch.setattr(client, "map", None)
            patch.setattr(client, "scatter", None)
            W = W.copy()
            assert ed.einsum("np,pk,n->k", X, W, y).dense().name == lazy.name
    assert abs(sizes[1] - sizes[0]) < 200
    assert sizes[0] < 20_000
    assert names[0] != names[1]


def test_slices_of_numpy_operands_go_where_they_are_needed(client):
    X, y = samples(5, 2000, 3)
    y = y.compute()
    lazy = ed.einsum("np,n->p", X, y).dense()
    parts = [key for key in lazy.dask if "operand" in str(key)]
    assert len(parts) == 5
    np.testing.assert_allclose(lazy.compute(), X.compute().T @ y)


def test_a_scheduler_of_this_process_takes_no_futures(client):
    X, y = samples(3, 10, 3)
    w = np.linspace(0, 1, 3)
    with dask.config.set(scheduler="synchronous"):
        lazy = ed.einsum("np,p,n->", X, w, y).dense()
        wanted = lazy.compute()
    assert ed.einsum("np,p,n->", X, w, y).dense().compute() == pytest.approx(wanted)


# --- what may go wrong ------------------------------------------------------------------------


def dying(marker: str, block_info: Any = None) -> np.ndarray:
    """Make a chunk; the worker that is the first to make the eighth one is killed."""
    k = block_info[None]["chunk-location"][0]
    if k == 7 and not os.path.exists(marker):
        with open(marker, "w"):
            pass
        os.kill(os.getpid(), signal.SIGKILL)
    return uniform(*block_info[None]["chunk-shape"], k)


def test_a_worker_is_killed_and_the_answer_is_the_same(client, tmp_path):
    marker = str(tmp_path / "killed")
    chunks, rows, columns = 24, 500, 200
    X = da.map_blocks(
        dying, marker, chunks=((rows,) * chunks, (columns,)), dtype=float, meta=np.empty((0, 0))
    )
    y = np.linspace(-1, 1, chunks * rows)
    w = np.linspace(0, 1, columns)
    made = [*ed.value_and_grad(squares, X, y, w, wrt="w"), ed.hessian(squares, X, y, w, wrt="w")]
    workers = set(client.run(os.getpid).values())
    lazy = ed.compile(*made)()
    time.sleep(3)  # what several workers have in memory is kept by one of them only then
    found = dask.compute(*lazy)
    assert os.path.exists(marker)
    client.wait_for_workers(2, timeout=PATIENCE)
    assert set(client.run(os.getpid).values()) != workers
    again = dask.compute(*ed.compile(*made)())
    X = np.concatenate([uniform(rows, columns, k) for k in range(chunks)])
    r = y - X @ w
    for a, b, wanted in zip(found, again, (r @ r, -2 * (X.T @ r), 2 * (X.T @ X)), strict=True):
        np.testing.assert_array_equal(a, b)
        assert closeness(a, wanted) < 1e-11


def slow(block_info: Any = None) -> np.ndarray:
    time.sleep(0.2)
    return np.ones(block_info[None]["chunk-shape"])


def test_a_cluster_that_goes_away_raises_and_leaves_no_process():
    me = psutil.Process()
    before = set(me.children(recursive=True))
    cluster = cluster_of_two()
    with Client(cluster, timeout=PATIENCE, set_as_default=True) as own:
        workers = set(me.children(recursive=True)) - before
        assert len(workers) >= 2
        with own.as_current():
            X = da.map_blocks(
                slow, chunks=((10,) * 1000, (200,)), dtype=float, meta=np.empty((0, 0))
            )
            lazy = ed.einsum("np,p->", X, np.ones(200)).dense()
            found: list[Any] = []

            def compute() -> None:
                try:
                    with own.as_current():
                        found.append(lazy.compute())
                except BaseException as error:
                    found.append(error)

            thread = threading.Thread(target=compute, daemon=True)
            thread.start()
            time.sleep(1)
            assert not found
            cluster.close()
            thread.join(PATIENCE)
            assert not thread.is_alive()
            assert isinstance(found[0], CancelledError)
    _, alive = psutil.wait_procs(workers, timeout=PATIENCE)
    assert not [p for p in alive if "tracker" not in " ".join(p.cmdline())]


def test_operands_for_a_cluster_that_is_gone_are_an_error(client, monkeypatch):
    def scatter(*args: Any, **kwargs: Any) -> Any:
        raise OSError("Timed out trying to connect")

    monkeypatch.setattr(client, "scatter", scatter)
    X, _ = samples(2, 10, 200)
    with pytest.raises(ed.OperandError, match="cluster does not take operands: Timed out"):
        ed.einsum("np,pk->", X, np.full((200, 10_000), 17.0)).dense()


def test_large_operands_for_a_client_that_is_asynchronous_are_an_error(client, monkeypatch):
    monkeypatch.setattr(type(client), "asynchronous", True)
    X, _ = samples(2, 10, 200)
    with pytest.raises(ed.OperandError, match="asynchronous"):
        ed.einsum("np,pk->", X, np.full((200, 10_000), 18.0)).dense()


def test_workers_can_build_and_compute_themselves(client):
    X, y = samples(3, 10, 3)
    w = np.linspace(0, 1, 3)
    here = ed.compile(squares, X, y, w)()
    assert client.submit(built_there, X, y, w, pure=False).result(PATIENCE) == here.name
    assert here.compute() == pytest.approx(
        client.submit(computed_there, X, y, w, pure=False).result(PATIENCE)
    )


def built_there(X: Any, y: Any, w: np.ndarray) -> str:
    return str(ed.compile(squares, X, y, w)().name)


def computed_there(X: Any, y: Any, w: np.ndarray) -> float:
    return float(ed.compile(squares, np.asarray(X), np.asarray(y), w)())
