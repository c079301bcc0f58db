r"""The function table. Adding a function is adding one entry.

An entry says how a function is differentiated, as an index expression of its value ``y`` and its
arguments: :math:`\tanh' = 1 - y^2`, and :math:`\partial(X^{-1})_{ij}/\partial X_{kl} =
-(X^{-1})_{ik} (X^{-1})_{lj}`. The rules are standard; those of matrices are collected in Petersen
and Pedersen, *The Matrix Cookbook* (2012).

>>> FUNCTIONS["tanh"].jacobians
('1 - y^2',)
"""

from __future__ import annotations

from types import MappingProxyType

from einsdiff.algebra.nodes import Add, Constant, Function, Node, constant, einsum

__all__ = ["FUNCTIONS"]


def _fold_power(base: Node, exponent: Node) -> Node | None:
    if _is_zero(exponent):
        labels = range(len(base.shape))
        return einsum([], [], labels, dict(enumerate(base.shape)))
    if not isinstance(exponent, Constant):
        return None
    value = exponent.value
    if value == 1:
        return base
    if isinstance(value, int) and value > 0:
        if isinstance(base, Constant) and isinstance(base.value, int):
            return constant(base.value**value)
        if _is_zero(base):
            return base
    return None


def _is_zero(node: Node) -> bool:
    return isinstance(node, Add) and not node.terms


def _elementwise(name: str, jacobian: str) -> Function:
    return Function(name, "()->()", ("x",), (jacobian,), f"np.{name}({{0}})", f"\\{name}")


FUNCTIONS = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            Function(
                "power",
                "(),()->()",
                ("x", "n"),
                ("n x^(n - 1)", "y log(x)"),
                "{0} ** {1}",
                "{0}^{{{1}}}",
                "{0}^{1}",
                _fold_power,
            ),
            _elementwise("exp", "y"),
            _elementwise("log", "1 / x"),
            _elementwise("sin", "cos(x)"),
            _elementwise("cos", "-sin(x)"),
            _elementwise("tanh", "1 - y^2"),
            Function(
                "inv", "(n,n)->(n,n)", ("x",), ("-y_ik y_lj",), "np.linalg.inv({0})", "{0}^{{-1}}"
            ),
        )
    }
)
