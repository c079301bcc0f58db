r"""Functions of matrices: inverses, determinants, factors, exponentials.

.. math:: \frac{\partial (X^{-1})_{ij}}{\partial X_{kl}} = -(X^{-1})_{ik} (X^{-1})_{lj} .

The rules are collected in Petersen and Pedersen, *The Matrix Cookbook* (2012), and in Giles, *An
extended collection of matrix derivative results* (2008).

>>> [entry.name for entry in MATRICES if not entry.about]
['signdet', 'eigvectors']
"""

from __future__ import annotations

from typing import Any

from einsdiff.algebra.nodes.function_records import RULE_LETTERS, About, Function, family

_COOKBOOK = "Petersen and Pedersen, *The Matrix Cookbook* (2012), section"


def _of_matrix(
    name: str, jacobian: str, numpy: str = "", signature: str = "(n,n)->(n,n)", **facts: Any
) -> Function:
    return Function(name, (jacobian,), numpy or f"np.linalg.{name}({{0}})", signature, **facts)


def _of_symmetric(name: str, jacobian: str, spelled: str, **facts: Any) -> Function:
    """Record a function of symmetric matrices as one of the symmetric part of any matrix."""
    code = dict.fromkeys(("numpy", "torch", "jax"), spelled.format("symmetric_part({0})"))
    kernel: dict[str, Any] = {"implementation": name, "code": code, "temporary": 1}
    return _of_matrix(name, jacobian, f"{name}({{0}})", is_analytic=False, **kernel, **facts)


MATRICES = (
    _of_matrix(
        "inv",
        "-y_ik y_lj",
        latex="{0}^{-1}",
        because="differentiating `{x}_ij {y}_jk` = `δ_ik`",
        degree=-1,
        about=About(
            "Invert square matrices: ``y_ij x_jk = δ_ik``.",
            note="The derivative is ``∂y_ij/∂x_kl = -y_ik y_lj``.",
            source=f"{_COOKBOOK} 2.2.",
            example=""">>> A = ed.tensor("A", "nn")
>>> ed.inv(A)
f_ij = inv(A)_ij
>>> ed.grad(ed.inv(A), wrt="A")
∂f_ij/∂A_pq = -inv(A)_ip inv(A)_qj""",
        ),
    ),
    _of_matrix(
        "det",
        "y inv(x)_ji",
        signature="(n,n)->()",
        latex=r"\det",
        because="expanding along row `i`: the cofactor of `{x}_ij` is `{y} inv({x})_ji`",
        about=About(
            "Take determinants of square matrices.",
            note="The derivative is ``∂y/∂x_ij = y (x⁻¹)_ji``, which is not finite for singular "
            "matrices.",
            source=f"{_COOKBOOK} 2.1.",
            example=""">>> A = ed.tensor("A", "nn")
>>> ed.det(A)
f = det(A)
>>> ed.grad(ed.det(A), wrt="A")
∂f/∂A_pq = det(A) inv(A)_qp""",
        ),
    ),
    _of_matrix(
        "logdet",
        "inv(x)_ji",
        "np.linalg.slogdet({0})[1]",
        "(n,n)->()",
        latex=r"\log\det",
        is_analytic=False,
        because="dividing the derivative of `det({x})` by `det({x})`",
        about=About(
            "Take logarithms of absolute values of determinants: ``y = log(abs(det(x)))``.",
            note="It neither overflows nor underflows where the determinant does. The derivative "
            "is ``∂y/∂x_ij = (x⁻¹)_ji``.",
            source=f"{_COOKBOOK} 2.1.",
            example=""">>> A = ed.tensor("A", "nn")
>>> ed.logdet(A)
f = logdet(A)
>>> ed.grad(ed.logdet(A), wrt="A")
∂f/∂A_pq = inv(A)_qp""",
        ),
    ),
    _of_matrix(
        "signdet",
        "0",
        "np.linalg.slogdet({0})[0]",
        "(n,n)->()",
        latex=r"\operatorname{sign}\det",
        is_analytic=False,
    ),
    _of_matrix(
        "pinv",
        "-y_ik y_lj + y_ia y_la (δ_kj - x_kb y_bj) + (δ_il - y_id x_dl) y_ck y_cj",
        signature="(m,n)->(n,m)",
        latex="{0}^{+}",
        is_analytic=False,
        degree=-1,
        temporary=3,
        about=About(
            "Take the Moore-Penrose inverse of matrices: ``(XᵀX)⁻¹ Xᵀ`` if the columns are "
            "independent.",
            note="Of shape ``(.., n, m)`` for ``(.., m, n)``. The derivative is that of matrices "
            "whose rank does not change; where it does, there is none.",
            source="Golub and Pereyra, *The differentiation of pseudo-inverses and nonlinear "
            "least squares problems whose variables separate*, SIAM J. Numer. Anal. 10 (1973), "
            "theorem 4.3.",
            example=""">>> ed.pinv(ed.tensor("A", "mn"))
f_ij = pinv(A)_ij
>>> ed.pinv(ed.tensor("A", [[3.0], [4.0]])).dense()
array([[0.12, 0.16]])""",
        ),
    ),
    _of_symmetric(
        "cholesky",
        "y_ia ([a ≥ b] - 1/2 δ_ab) (1/2 inv(y)_ak inv(y)_bl + 1/2 inv(y)_al inv(y)_bk) δ_bj",
        "np.linalg.cholesky({})",
        because="differentiating `{x}_ij = {y}_ik {y}_jk`",
        about=About(
            "Factorise positive definite matrices: ``x_ij = y_ik y_jk`` with a lower triangle "
            "``y``.",
            note="It is a function of the symmetric part of the matrix, ``1/2 (x_ij + x_ji)``, "
            "and so is its derivative. ``np.linalg.cholesky`` reads the lower triangle, also of a "
            "tensor whose values are not symmetric.",
            source="Murray, *Differentiation of the Cholesky decomposition*, arXiv:1602.07527 "
            "(2016).",
            example=""">>> S = ed.tensor("S", [[4.0, 2.0], [2.0, 10.0]])
>>> ed.cholesky(S).dense()
array([[2., 0.],
       [1., 3.]])""",
        ),
    ),
    _of_symmetric(
        "eigvalsh",
        "eigvectors(x)_ji eigvectors(x)_ki",
        "np.linalg.eigvalsh({})",
        signature="(n,n)->(n)",
        about=About(
            "Take the eigenvalues of symmetric matrices, in ascending order.",
            note="The derivative of an eigenvalue is ``v_i v_j``, of its eigenvector; where "
            "eigenvalues are equal, only functions that treat them alike, such as their sum, are "
            "differentiable. It is a function of the symmetric part of the matrix; "
            "``np.linalg.eigvalsh`` reads the lower triangle, also of a tensor whose values are "
            "not symmetric.",
            source=f"{_COOKBOOK} 2.3; Magnus, *On differentiating eigenvalues and eigenvectors*, "
            "Econometric Theory 1 (1985).",
            example=""">>> S = ed.tensor("S", [[2.0, 0.0], [0.0, 1.0]])
>>> ed.eigvalsh(S).dense()
array([1., 2.])
>>> ed.grad(ed.eigvalsh(S)[0], wrt="S").dense()
array([[0., 0.],
       [0., 1.]])""",
        ),
    ),
    # Of distinct eigenvalues; the columns are the vectors.
    _of_symmetric(
        "eigvectors",
        "1/2 y_ia (y_ka y_lj + y_la y_kj) (1 - δ_aj) / (eigvalsh(x)_j - eigvalsh(x)_a + δ_aj)",
        "np.linalg.eigh({})[1]",
    ),
)


# --- linear equations -------------------------------------------------------------------------


def _solve(ranks: tuple[int, ...]) -> Function | None:
    if ranks not in ((2, 1), (2, 2)):
        return None
    is_vector = ranks == (2, 1)
    rules = ("-inv(A)_ij y_k", "inv(A)_ij") if is_vector else ("-inv(A)_ik y_lj", "inv(A)_ik δ_lj")
    spelled = "np.linalg.solve({0}, {1})"
    b, y = ("`{b}_i`", "_j") if is_vector else ("`{b}_ik`", "_jk")
    return Function(
        "solve",
        rules,
        "solve({0}, {1})" if is_vector else spelled,
        "(n,n),(n)->(n)" if is_vector else "(n,n),(n,k)->(n,k)",
        ("A", "b"),
        "{0}^{-1} {1}",
        implementation="solve" if is_vector else None,
        code=dict.fromkeys(("numpy", "torch", "jax"), spelled),
        because=f"differentiating `{{A}}_ij {{y}}{y}` = {b}",
    )


family("solve", _solve)


# --- the exponential, and its derivatives -----------------------------------------------------


def numbered(name: str, k: int) -> str:
    """Return what a derivative of some order is called: ``others``, ``others2``, .."""
    return f"{name}{k}" if k > 1 else name


def _dexpm(order: int) -> None:
    """Enter a derivative of the matrix exponential: a tensor of 2 + 2 order axes."""
    name = numbered("dexpm", order) if order else "expm"
    facts: dict[str, Any] = {"latex": "", "temporary": 14}
    if not order:
        about = About(
            "Take the exponential of square matrices: ``y = Σ_k x^k / k!``, with products of "
            "matrices.",
            note="The derivative in the direction E is ``∫ exp((1-t)x) E exp(tx) dt`` from 0 to "
            "1; it is computed as a block of the exponential of a larger matrix.",
            source="Higham, *Functions of Matrices* (2008), chapter 10.",
            example=""">>> ed.expm(ed.tensor("A", [[0.0, 1.0], [0.0, 0.0]])).dense()
array([[1., 1.],
       [0., 1.]])""",
        )
        code = {"torch": "torch.linalg.matrix_exp({0})"}
        facts = {"latex": "e^{0}", "code": code, "temporary": 7, "about": about}

    def entry(ranks: tuple[int, ...]) -> Function | None:
        if ranks != (2,):
            return None
        letters = RULE_LETTERS[: 2 * (order + 2)]
        return Function(
            name,
            (f"{numbered('dexpm', order + 1)}(x)_{letters}",),
            f"dexpm({{0}}, {order})" if order else "expm({0})",
            f"(n,n)->({','.join(['n'] * (2 * order + 2))})",
            implementation="dexpm" if order else "expm",
            **facts,
        )

    family(name, entry, is_public=not order)


for _order in range(8):
    _dexpm(_order)
