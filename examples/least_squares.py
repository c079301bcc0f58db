"""Least squares, and the derivative of a matrix by a matrix.

A plant is described by numbers A_ij (day i, quantity j) and loses y_i on day i. The model
y_i ≈ A_ij θ_j is fitted by making the sum of squared residuals as small as it can be. An index that
is not on the left of a formula is summed:

    L            = (y_i - A_ij θ_j) (y_i - A_ik θ_k)
    ∂L/∂θ_p      = -2 (y_i - A_ij θ_j) A_ip         in matrices: -2 (y - Aθ)ᵀA
    ∂²L/∂θ_p∂θ_q = 2 A_ip A_iq                                   2AᵀA

L is quadratic in θ, so a single Newton step reaches its minimum from any start. The second part
takes the whole table of data, R, and differentiates K = RᵀR by it, which gives four axes:

    K_pq         = R_mp R_mq
    ∂K_pq/∂R_rs  = δ_ps R_rq + δ_qs R_rp
"""

import sys
from pathlib import Path
from textwrap import indent

import numpy as np

import einsdiff as ed

# Beside this file, so that the script runs from any folder.
CSV = Path(__file__).resolve().parent / "data" / "stackloss.csv"
PUBLISHED = [-39.9197, 0.7156, 1.2953, -0.1521]  # see data/README.md


def show(array):
    print(indent(str(np.asarray(array)), "    "), end="\n\n")


def main():
    if hasattr(sys.stdout, "reconfigure"):  # a notebook's output has no encoding to set
        sys.stdout.reconfigure(encoding="utf-8")  # not every terminal or pipe expects δ and ∂
    np.set_printoptions(precision=4, suppress=True, linewidth=76)

    with CSV.open(encoding="utf-8") as file:
        columns = file.readline().strip().split(",")
        R = np.loadtxt(file, delimiter=",")

    # einsdiff calls arrays what the variables are called, hence names as in the mathematics.
    y = R[:, 3]
    A = np.column_stack([np.ones(len(R)), R[:, :3]])  # the ones are for the constant term
    θ = np.zeros(4)
    names = ["constant", *columns[:3]]

    print(f"DATA: {len(R)} days of a plant that oxidises ammonia to nitric acid\n")
    print(f"y_i is {columns[3]} on day i, A_ij is {', '.join(names)}.")
    print("Below, f is what is computed, and an index that is not on the left is summed.\n")
    print("1. LEAST SQUARES\n")
    r = y - ed.einsum("ij,j->i", A, θ)
    L = ed.einsum("i,i->", r, r)
    print(f"The residual:   {r}")
    print(f"The loss:       {L}")
    print("The second factor sums over k, so that the two sums do not get mixed up.")
    print(f"At θ = 0 the loss is {float(L()):.0f}, the sum of the y_i squared.\n")

    g = ed.grad(L, wrt="θ")
    print(f"The gradient:   {g}")
    print(f"shape {g.shape}, one number for each θ_p; at θ = 0:\n")
    show(g)

    H = ed.hessian(L, wrt="θ")
    print(f"The Hessian:    {H}")
    print(f"shape {H.shape}; symmetric, and the same for every θ, as there is no θ in it:\n")
    show(H)

    # The minimum is where the gradient is zero: solve g + H (θ_min - θ) = 0.
    θ_min = θ - np.linalg.solve(H(), g())
    θ_lstsq = np.linalg.lstsq(A, y, rcond=None)[0]
    difference = np.abs(θ_min - θ_lstsq).max()
    assert difference < 1e-8, difference
    assert np.abs(θ_min - PUBLISHED).max() < 5e-5  # they have four decimals

    print("One Newton step from θ = 0, beside np.linalg.lstsq and the published fit:\n")
    print(f"    {'':12}{'Newton':>10}{'lstsq':>10}{'published':>11}")
    for row in zip(names, θ_min, θ_lstsq, PUBLISHED, strict=True):
        print("    {:12}{:10.4f}{:10.4f}{:11.4f}".format(*row))
    print(f"\nThe largest difference from lstsq is {difference:.0e}: rounding.")
    # Called with an array, an expression takes that in place of the one it was written with.
    loss, before, after = float(L(θ=θ_min)), np.abs(g()).max(), np.abs(g(θ=θ_min)).max()
    print(f"The loss is now {loss:.2f}. The gradient is zero up to rounding: its")
    print(f"largest entry was {before:.0f} in size, and is {after:.0e}.\n")

    print("2. A MATRIX BY A MATRIX\n")
    K = ed.einsum("mp,mq->pq", R, R)
    J = ed.grad("mp,mq->pq", R, R, wrt="R")
    print(f"K = RᵀR:        {K}")
    print(f"Its derivative: {J}")
    print(f"shape {J.shape}: the axes p, q of K, then the axes r, s of R.")
    print(f"matrix, numerator layout:   {J.matrix().shape}, a row for each entry of K")
    print(f"matrix, denominator layout: {J.matrix(layout='denominator').shape}, the transpose\n")

    dense = np.asarray(J)
    print(f"Move one entry, R[0, 1] (the {columns[1]} of the first day). The rates of")
    print("change of all of K are the slice J[:, :, 0, 1]:\n")
    show(dense[:, :, 0, 1])
    print("δ_ps is zero unless p = s, and here s = 1: the term δ_ps R_rq fills row 1 with")
    print("the first day's data, R[0] (rows and columns count from 0). δ_qs R_rp fills")
    print("column 1 with the same. They meet in J[1, 1, 0, 1], which is twice R[0, 1].")
    print(f"In all of J, {np.count_nonzero(dense)} of {dense.size} entries are not zero.\n")

    # A central difference is exact for a quadratic such as K, up to rounding, so h may be large.
    V, h = np.random.default_rng(0).standard_normal(R.shape), 0.5
    quotient = (K(R=R + h * V) - K(R=R - h * V)) / (2 * h)
    error = np.abs(quotient - np.einsum("pqrs,rs->pq", dense, V)).max()
    error = max(error, np.abs(quotient - J.jvp(V)()).max())
    assert error < 1e-8, error
    print("Check, along a random direction V: the difference quotient")
    print(f"[K(R + hV) - K(R - hV)] / 2h agrees with the sum J_pqrs V_rs to {error:.0e}.")
    print("So does J.jvp(V), which is that sum without forming the four axes of J.")


if __name__ == "__main__":
    main()
