"""Logistic regression by a trust region, with products of the Hessian and a vector.

Is a breast tumour malignant (y_i = 1) or not (y_i = 0)? The model says so with probability
σ(X_ij w_j + b), where X holds ten standardised measurements of each tumour. A vector w and a number
b are sought that make the penalised loss smallest:

    L = Σ_i [softplus(z_i) - y_i z_i] + λ/2 w_j w_j        with z_i = X_ij w_j + b

`ed.problem` makes one vector x of w and b, and of L what SciPy calls: the value, the gradient and
the product of the Hessian and a vector, which takes no Hessian.
"""

import sys
from pathlib import Path

import numpy as np
from scipy.optimize import check_grad, minimize

import einsdiff as ed

CSV = Path(__file__).resolve().parent / "data" / "breast_cancer.csv"


def load():
    """Return the names of the measurements, these, and what the tumours are."""
    with CSV.open(encoding="utf-8") as file:
        *names, _ = file.readline().strip().split(",")
        table = np.loadtxt(file, delimiter=",")
    X = table[:, :-1]
    return names, (X - X.mean(axis=0)) / X.std(axis=0), table[:, -1]


def loss(X, y, λ, w, b):
    z = X @ w + b
    return np.sum(np.logaddexp(0, z) - y * z) + λ / 2 * (w @ w)


def logistic_regression(X, y, λ):
    """Return the problem, with w = 0 and b = 0 to start from."""
    return ed.problem(loss, X, y, λ, w=np.zeros(X.shape[1]), b=0.0, wrt=["w", "b"])


def main():
    if hasattr(sys.stdout, "reconfigure"):  # a notebook's output has no encoding to set
        sys.stdout.reconfigure(encoding="utf-8")
    names, X, y = load()
    print(f"DATA: {len(y)} tumours, {int(y.sum())} of them malignant, {len(names)} measurements\n")

    p = logistic_regression(X, y, λ=1.0)
    print(f"The vector x has {p.size} entries:")
    for name, shape in p.parameters.items():
        print(f"    {name} of shape {shape}")
    error = check_grad(p.fun, p.jac, p.x0)
    print(f"At x = 0 the loss is {p.fun(p.x0):.4f}, which is {len(y)} log 2. The gradient")
    print(f"differs from SciPy's difference quotients by {error:.0e}.\n")
    assert error < 1e-3

    result = minimize(p.fun, p.x0, jac=p.jac, hessp=p.hessp, method="trust-ncg", tol=1e-6)
    assert result.success
    print("minimize(p.fun, p.x0, jac=p.jac, hessp=p.hessp, method='trust-ncg'):")
    print(f"    {result.nit} steps, {result.nhev} products of the Hessian and a vector")
    print(f"    loss {result.fun:.6f}, largest entry of the gradient {abs(result.jac).max():.0e}\n")

    # The other forms are those of other methods; they end at the same point.
    other = minimize(p.fun_and_jac, p.x0, jac=True, hess=p.hess, method="trust-exact")
    assert np.allclose(other.x, result.x, atol=1e-4)

    answer = p.unpack(result.x)
    print("What speaks for a malignant tumour, by the size of w:\n")
    for k in np.argsort(-np.abs(answer["w"])):
        print(f"    {names[k]:20}{answer['w'][k]:8.3f}")
    print(f"    {'constant b':20}{answer['b']:8.3f}\n")
    right = np.mean((X @ answer["w"] + answer["b"] > 0) == (y == 1))
    print(f"{right:.1%} of these tumours are on the right side.")

    # The Hessian at the minimum tells how well w and b are determined.
    errors = p.unpack(np.sqrt(np.diag(np.linalg.inv(p.hess(result.x)))))
    k = names.index("texture")
    print(f"Standard error of the w of texture, from p.hess: {errors['w'][k]:.3f}.")


if __name__ == "__main__":
    main()
