"""Newton's method for a logistic regression whose samples do not fit into memory.

There are n samples with p measurements X_ij each, and a class y_i, 0 or 1. The loss of weights w,

    L = Σ_i softplus(X_ij w_j) - y_i X_ij w_j ,

is smallest where its gradient is zero. Newton's method solves H d = g for the step, with the
gradient g and the Hessian H, which is small: p x p. Only the sums over the samples are large, and
Dask computes them chunk by chunk, on a cluster of worker processes: here on this machine, with
Client("tcp://...") on any other cluster. The samples are made when they are needed and are never
in memory all at once.

    python newton_on_dask.py --samples 50_000_000 --features 100 --workers 8 --memory 4GB
"""

import argparse
import logging
import sys
import time

import dask.array as da
import numpy as np
from dask.utils import format_bytes
from distributed import Client, LocalCluster, progress

import einsdiff as ed

MOST_STEPS = 12


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=400_000, help="how many there are (n)")
    parser.add_argument("--features", type=int, default=20, help="measurements of each (p)")
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--memory", default="1GB", help="memory limit of each worker")
    parser.add_argument("--chunk", default="16MB", help="size of a chunk of samples")
    return parser.parse_args()


# --- the samples ----------------------------------------------------------------------------


def measured(block_info=None):
    """Make the measurements of one chunk, the same ones whenever they are asked for."""
    info = block_info[None]
    return np.random.default_rng(info["chunk-location"][0]).normal(size=info["chunk-shape"])


def classified(X, w, block_id=None):
    """Draw the classes of one chunk with the probabilities that the weights say."""
    draws = np.random.default_rng((1, block_id[0])).random(len(X))
    return (draws < 1 / (1 + np.exp(-X @ w))).astype(float)


def samples(n, weights, chunk):
    """Return lazy arrays of the measurements and of the classes."""
    p = len(weights)
    chunks = da.core.normalize_chunks(("auto", p), (n, p), limit=chunk, dtype=float)
    X = da.map_blocks(measured, chunks=chunks, dtype=float, meta=np.empty((0, 0)))
    y = X.map_blocks(classified, weights, drop_axis=1, dtype=float, meta=np.empty(0))
    return X, y


# --- the method -----------------------------------------------------------------------------


def loss(X, y, w):
    z = X @ w
    return np.sum(np.logaddexp(0, z) - y * z)


def compiled():
    """Return a function of arrays of any size for the loss, its gradient and its Hessian."""
    X, y, w = ed.tensors(X="np", y="n", w="p")
    f, g = ed.value_and_grad(loss, X, y, w, wrt="w")
    H = ed.hessian(loss, X, y, w, wrt="w")
    print(f"The loss:     {f}\nThe gradient: {g}\nThe Hessian:  {H}\n")
    # All three of a chunk are computed together, in one task.
    return ed.compile(f, g, H)


def newton(client, evaluate, X, y):
    """Return the weights at the minimum, and the Hessian there."""
    w = np.zeros(X.shape[1])
    for step in range(MOST_STEPS):
        began = time.perf_counter()
        lazy = evaluate(X=X, y=y, w=w)
        futures = client.compute(lazy)
        progress(futures, width=24, notebook=False)
        f, g, H = client.gather(futures)
        seconds = time.perf_counter() - began
        print(f"\nstep {step}: loss {f:.6f}, largest entry of the gradient {abs(g).max():.1e},")
        print(f"    {len(lazy[2].dask)} tasks for {X.numblocks[0]} chunks, {seconds:.1f} s")
        if abs(g).max() < 1e-9 * len(X):
            return w, H
        w = w - np.linalg.solve(H, g)
    raise SystemExit("Newton's method did not converge.")


def main():
    if hasattr(sys.stdout, "reconfigure"):  # a notebook's output has no encoding to set
        sys.stdout.reconfigure(encoding="utf-8")
    given = arguments()
    weights = np.random.default_rng(7).normal(size=given.features) / np.sqrt(given.features)
    X, y = samples(given.samples, weights, given.chunk)
    print(f"{len(X)} samples of {given.features} measurements: {format_bytes(X.nbytes)},")
    print(f"in {X.numblocks[0]} chunks; {given.workers} workers of {given.memory} each\n")
    evaluate = compiled()

    cluster = LocalCluster(
        n_workers=given.workers,
        threads_per_worker=1,
        memory_limit=given.memory,
        dashboard_address=":0",
        silence_logs=logging.CRITICAL,
    )
    with cluster, Client(cluster) as client:
        print(f"The dashboard: {client.dashboard_link}\n")
        w, H = newton(client, evaluate, X, y)

    errors = np.sqrt(np.diag(np.linalg.inv(H)))
    far = abs(w - weights) / errors
    print(f"\nThe weights that the classes were drawn with are found to {errors.max():.1e}:")
    print(f"the largest of {len(w)} deviations is {far.max():.1f} standard errors.")
    assert far.max() < 6


if __name__ == "__main__":
    main()
