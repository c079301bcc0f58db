"""Matrix factorisation by Newton's method, one factor after the other.

T holds a picture of a handwritten digit in each row, and is to be U Vᵀ for matrices of few columns:

    f            = (T_ij - U_ik V_jk) (T_ij - U_il V_jl)
    ∂²f/∂U∂U     = 2 δ_pr V_jq V_js         a matrix of K by K, the same for every row of U
    ∂²f/∂V∂V     = 2 δ_pr U_iq U_is

As a function of U alone f is quadratic, so that one step of Newton's method, `U - H.solve(G)`, ends
at its minimum, and the same goes for V. `solve` sees the delta: it factorises K by K numbers, where
the Hessian has millions. The best that can be had is known, from the singular values of T.
"""

import sys
from pathlib import Path

import numpy as np

import einsdiff as ed

CSV = Path(__file__).resolve().parent / "data" / "digits.csv"
K = 8
SHADES = " .:-=+*#%@"


def load():
    """Return the digits and their pictures, of 8 by 8 shades from 0 to 16."""
    table = np.loadtxt(CSV, delimiter=",", skiprows=1)
    return table[:, 0].astype(int), table[:, 1:]


def factorise(T, U, V, rounds):
    """Alternate the two steps, and return the factors and the losses."""
    f = ed.parse("(T_ij - U_ik V_jk) (T_ij - U_il V_jl)", T=T, U=U, V=V)
    losses = [float(f())]
    for _ in range(rounds):
        for name in ("U", "V"):
            G, H = ed.grad(f, wrt=name), ed.hessian(f, wrt=name)
            new = f.values[name] - H.solve(G)
            f = ed.parse("(T_ij - U_ik V_jk) (T_ij - U_il V_jl)", **{**f.values, name: new})
        losses.append(float(f()))
    return f.values["U"], f.values["V"], losses


def shades(picture):
    """Draw a picture of 8 by 8 numbers with characters."""
    level = np.clip(np.rint(picture.reshape(8, 8) / 16 * 9), 0, 9).astype(int)
    return ["".join(2 * SHADES[k] for k in row) for row in level]


def main():
    if hasattr(sys.stdout, "reconfigure"):  # a notebook's output has no encoding to set
        sys.stdout.reconfigure(encoding="utf-8")
    digits, T = load()
    print(f"DATA: {len(T)} pictures of handwritten digits, {T.shape[1]} shades each\n")
    rng = np.random.default_rng(0)
    U, V = rng.standard_normal((len(T), K)), rng.standard_normal((T.shape[1], K))

    f = ed.parse("(T_ij - U_ik V_jk) (T_ij - U_il V_jl)", T, U, V)
    for name in ("U", "V"):
        H = ed.hessian(f, wrt=name)
        print(f"{H}, of shape {H.shape}:\n    {H.solver().method}")
    U, V, losses = factorise(T, U, V, rounds=60)
    best = float(np.sum(np.linalg.svd(T, compute_uv=False)[K:] ** 2))
    print(f"\nLoss after some rounds, and above the least that {K} columns can have:\n")
    for k in (0, 1, 2, 5, 10, 20, 40, 60):
        print(f"    {k:3}  {losses[k]:14.4f}  {losses[k] - best:14.6f}")
    assert losses[-1] - best < 1e-6 * best

    # Both factors at once: a problem with a Hessian that is neither sparse nor regular, as U and V
    # may be exchanged for U A and V A⁻ᵀ. Products with it are all that an iteration needs.
    p = ed.problem(f, wrt=["U", "V"])
    x, direction = p.pack(U=U, V=V), rng.standard_normal(p.size)
    print(f"\nFor U and V together, {p.size} unknowns: the largest entry of the gradient is")
    print(f"{np.abs(p.jac(x)).max():.0e}, and along a random direction the curvature is positive:")
    print(f"d · (H d) = {direction @ p.hessp(x, direction):.0f}.\n")

    show = [int(np.flatnonzero(digits == d)[0]) for d in (0, 3, 8)]
    print(f"Three of the pictures, above, and what {K} numbers make of each, below:\n")
    for pictures in (T, U @ V.T):
        for line in zip(*(shades(pictures[k]) for k in show), strict=True):
            print("    " + "   ".join(line).rstrip())
        print()


if __name__ == "__main__":
    main()
