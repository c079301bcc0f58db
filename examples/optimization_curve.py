"""Nonlinear least squares with a sparse Jacobian: a curve through points that err both ways.

A block of metal answers ultrasound with y_i at a distance x_i. NIST fits the curve

    y = g(x, b) = exp(-b_1 x) / (b_2 + b_3 x)

by least squares of y - g(x, b), as if the distances were exact. If these err too, the true ones ξ_i
are unknowns beside b, and there are two residuals for each point:

    (y_i - g(ξ_i, b)) / s        and        (x_i - ξ_i) / t

No residual knows of another point's ξ. The formula of the Jacobian says so by a δ_ip, and SciPy is
given a sparse matrix whose pattern was found without looking at a number.
"""

import sys
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

import einsdiff as ed

CSV = Path(__file__).resolve().parent / "data" / "chwirut1.csv"
CERTIFIED = {"b": [1.9027818370e-01, 6.1314004477e-03, 1.0530908399e-02], "sum": 2.3844771393e03}
START = [0.1, 0.01, 0.02]  # NIST's first one


def load():
    """Return the distances and the responses."""
    y, x = np.loadtxt(CSV, delimiter=",", skiprows=1).T
    return x, y


def curve(x, b):
    return np.exp(-b[0] * x) / (b[1] + b[2] * x)


def vertical(x, y, b):
    return y - curve(x, b)


def both_ways(x, y, s, t, ξ, b):
    return np.concatenate([(y - curve(ξ, b)) / s, (x - ξ) / t])


def errors_in_both(x, y, s, t, b, form="sparse"):
    """Return the problem whose unknowns are the true distances and the curve's parameters."""
    return ed.problem(both_ways, x, y, s, t, x, b, wrt=["ξ", "b"], form=form)


def main():
    if hasattr(sys.stdout, "reconfigure"):  # a notebook's output has no encoding to set
        sys.stdout.reconfigure(encoding="utf-8")
    x, y = load()
    print(f"DATA: {len(x)} responses of a metal block to ultrasound\n")
    print("1. ERRORS OF THE RESPONSE ONLY\n")
    p = ed.problem(vertical, x, y, START, wrt="b")
    fit = least_squares(p.fun, p.x0, jac=p.jac, method="lm", xtol=1e-15, ftol=1e-15, gtol=1e-15)
    b = p.unpack(fit.x)["b"]
    print(f"{'':20}{'einsdiff and SciPy':>20}{'certified by NIST':>20}")
    for k in range(3):
        print(f"    {f'b_{k + 1}':16}{b[k]:20.10e}{CERTIFIED['b'][k]:20.10e}")
    print(f"    {'sum of squares':16}{2 * fit.cost:20.10e}{CERTIFIED['sum']:20.10e}\n")
    assert np.allclose(b, CERTIFIED["b"], rtol=1e-7, atol=0)
    assert np.isclose(2 * fit.cost, CERTIFIED["sum"], rtol=1e-10)

    print("2. ERRORS OF THE DISTANCE TOO\n")
    s, t = np.sqrt(2 * fit.cost / (len(x) - 3)), 0.02
    print(f"Say responses err by {s:.2f}, and distances by {t}.\n")
    p = errors_in_both(x, y, s, t, b)
    pattern = p.jac_sparsity()
    rows, columns = pattern.shape
    print(f"Unknowns: {', '.join(f'{n} {shape}' for n, shape in p.parameters.items())}")
    print(f"Jacobian: {rows} x {columns}, where {pattern.nnz} entries are stored")
    fit = least_squares(
        p.fun, p.x0, jac=p.jac, tr_solver="lsmr", x_scale="jac", xtol=1e-12, ftol=1e-12, gtol=1e-10
    )
    assert fit.success
    answer = p.unpack(fit.x)
    print(
        f"SciPy takes {fit.nfev} evaluations; {type(fit.jac).__name__} with {fit.jac.nnz} entries\n"
    )
    print(f"{'':20}{'response only':>20}{'distance too':>20}")
    for k in range(3):
        print(f"    {f'b_{k + 1}':16}{b[k]:20.6f}{answer['b'][k]:20.6f}")
    moved = np.abs(answer["ξ"] - x)
    k = int(np.argmax(moved))
    print(
        f"\nThe point moved most is the one at {x[k]:g} with response {y[k]:g}: by {moved[k]:.4f}."
    )
    print("Where the curve is steep, distances move; where it is flat, they stay:")
    for low, high in ((0.0, 0.6), (0.6, 1.1), (1.1, 2.6), (2.6, 6.1)):
        here = (low < x) & (x < high)
        print(f"    from {low:.1f} to {high:.1f}: {moved[here].mean():.5f} on average")


if __name__ == "__main__":
    main()
