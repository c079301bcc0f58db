"""K-means: two closed forms in turn, each of them a zero of a gradient.

Flowers x_i are to be put into K groups with centres m_k, so that the sum of squared distances from
the centres is small. With R_ik = 1 where flower i is in group k, and 0 elsewhere:

    f            = R_ik (X_ij - M_kj) (X_ij - M_kj)
    ∂f/∂M_pq     = -2 R_ip (X_iq - M_pq)
    ∂²f/∂M∂M     = 2 δ_pr δ_qs R_ip

Given M, the best R puts each flower with its nearest centre. Given R, the gradient is zero where
each centre is the mean of its group: the Hessian is diagonal, so that Newton's step divides by it,
and f is quadratic, so that one step is all. Lloyd's algorithm does the two in turn.
"""

import sys
from pathlib import Path

import numpy as np

import einsdiff as ed

CSV = Path(__file__).resolve().parent / "data" / "iris.csv"
K = 3


def load():
    """Return the names of the measurements, these, and the species."""
    with CSV.open(encoding="utf-8") as file:
        *names, _ = file.readline().strip().split(",")
        rows = [line.strip().split(",") for line in file]
    return names, np.array([row[:-1] for row in rows], float), np.array([row[-1] for row in rows])


def inertia(X, M):
    """Sum the squared distances from the nearest centres."""
    distances = np.sum((X[:, None, :] - M[None, :, :]) ** 2, axis=2)
    return np.sum(np.min(distances, axis=1))


def nearest(X, M):
    """Put each row of X into the group of its nearest centre."""
    return np.eye(len(M))[np.argmin(np.sum((X[:, None] - M) ** 2, axis=2), axis=1)]


def lloyd(X, M):
    """Alternate until the groups stay, and return centres, groups and the values of f."""
    f = ed.parse("f = R_ik (X_ij - M_kj) (X_ij - M_kj)", X=X, R=(len(X), K), M=(K, X.shape[1]))
    G, H = ed.grad(f, wrt="M"), ed.hessian(f, wrt="M")
    gradient, curvature = G.compile(), H.diagonal().compile()
    R, history = nearest(X, M), []
    while True:
        M = M - gradient(R=R, M=M) / curvature(R=R, M=M)  # the means of the groups
        history.append(float(f(R=R, M=M)))
        before, R = R, nearest(X, M)
        if np.array_equal(R, before):
            return M, R, history


def main():
    if hasattr(sys.stdout, "reconfigure"):  # a notebook's output has no encoding to set
        sys.stdout.reconfigure(encoding="utf-8")
    names, X, species = load()
    print(f"DATA: {len(X)} flowers, {len(names)} lengths in cm of each\n")
    print("f = R_ik (X_ij - M_kj) (X_ij - M_kj), for groups R and centres M\n")
    M, R, history = lloyd(X, X[[0, 50, 100]])
    for k, value in enumerate(history):
        print(f"    round {k + 1:2}: {value:.6f}")

    # With the groups left free, f is a sum of minima. Its gradient knows nothing of means.
    p = ed.problem(inertia, X, M, wrt="M")
    assert np.isclose(p.fun(p.x0), history[-1])
    print("\nThe sum of the smallest squared distances, as a function of M alone, has there")
    print(f"the value {p.fun(p.x0):.6f} and a gradient of at most {np.abs(p.jac(p.x0)).max():.0e}.")
    assert np.abs(p.jac(p.x0)).max() < 1e-10
    moved = p.x0 + 0.05 * np.random.default_rng(0).standard_normal(p.size)
    assert p.fun(moved) > p.fun(p.x0)
    print("Where no flower changes its group, the Hessian is twice the size of the group:")
    print(f"    {np.unique(np.diag(p.hess(p.x0))).tolist()}\n")

    print("centre    " + "".join(f"{name:>14}" for name in names))
    for k, centre in enumerate(M):
        print(f"{k:6}    " + "".join(f"{value:14.3f}" for value in centre))
    print("\nThe species, which K-means was not told:\n")
    for name in np.unique(species):
        counts = R[species == name].sum(axis=0).astype(int)
        print(f"    {name:12}{'  '.join(f'{n:2} in group {k}' for k, n in enumerate(counts))}")


if __name__ == "__main__":
    main()
