r"""Functions of entries: powers, exponentials, angles, steps, comparisons.

.. math:: y_i = f(x_i) \qquad
    \frac{\partial y_i}{\partial x_p} = \delta_{ip}\, f'(x_i) .

>>> tanh = next(entry for entry in ENTRIES if entry.name == "tanh")
>>> tanh.jacobians, tanh.parity, tanh.about.summary
(('1 - y^2',), -1, 'Take hyperbolic tangents: ``y_i = sinh(x_i) / cosh(x_i)``.')
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from einsdiff.algebra.functions.folds import (
    fold_greater,
    fold_logaddexp,
    fold_maximum,
    fold_minimum,
    fold_power,
)
from einsdiff.algebra.nodes.function_records import About, Function

_FLAT = "The derivative is 0, also at the steps, where there is none."
_CONDITION = "It is a number and can be multiplied. The derivative is 0, also at the step."
_TIES = "Where both are equal, they share the derivative equally."

#: Functions with f(-x) = -f(x), which are 0 at 0.
_ODD = {"cbrt", "erf", "sign", "trunc", "rint"}
_ODD |= {arc + name for arc in ("", "arc") for name in ("sin", "tan", "sinh", "tanh")}
#: Functions that LaTeX has a command for.
_LATEX = ["exp", "log", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"]


def _record(
    name: str,
    jacobians: tuple[str, ...],
    summary: str = "",
    gradient: str = "",
    note: str = "",
    source: str = "",
    **facts: Any,
) -> Function:
    """Record a function that NumPy has under its name, or else a kernel, and tell of it."""
    called = facts.get("implementation") or f"np.{name}"
    slots = ", ".join(f"{{{k}}}" for k in range(len(jacobians)))
    facts = {
        "numpy": f"{called}({slots})",
        "about": About(summary, gradient, note, source) if summary else None,
        "latex": rf"\{name}" if name in _LATEX else "",
        "parity": -1 if name in _ODD else 0,
        "at_zero": 0 if name in _ODD else None,
        "sympy": name.replace("arc", "a"),
        **facts,
    }
    return Function(name, jacobians, **facts)


def _of_one(name: str, jacobian: str, *told: str, **facts: Any) -> Function:
    """Record a function of one number."""
    return _record(name, (jacobian,), *told, **facts)


def _of_two(name: str, jacobians: tuple[str, str], *told: str, **facts: Any) -> Function:
    """Record a function of two numbers."""
    return _record(name, jacobians, *told, signature="(),()->()", arguments=("a", "b"), **facts)


def _flat(name: str, summary: str, **facts: Any) -> Function:
    """Record a function that is constant but for steps."""
    facts = {"at_zero": 0, "is_analytic": False, "keeps_integers": True, **facts}
    return _of_one(name, "0", summary, "∂f/∂x = 0", _FLAT, **facts)


def _comparison(name: str, sign: str, compares: str, latex: str = "", **facts: Any) -> Function:
    return _of_two(
        name,
        ("0", "0"),
        f"Compare: ``y_i = [a_i {sign} b_i]``, 1 where it holds and 0 elsewhere.",
        "∂f/∂a = 0",
        _CONDITION,
        numpy=f"({{0}} {compares} {{1}}).astype({{dtype}})",
        latex=rf"\left[{{0}} {latex or sign}{{1}}\right]",
        text=f"[{{0}} {sign} {{1}}]",
        compares=compares,
        is_analytic=False,
        keeps_integers=True,
        is_nonnegative=True,
        temporary=0.125,
        **facts,
    )


def _holds(sympy: Any, condition: Any) -> Any:
    return sympy.Piecewise((1, condition), (0, True))


def _where(sympy: Any, c: Any, a: Any, b: Any) -> Any:
    """Choose by a number other than 0; of a bracket by what stands in it."""
    condition = sympy.Ne(c, 0)
    if isinstance(c, sympy.Piecewise) and len(c.args) == 2:
        (one, inside), (other, rest) = c.args
        if one == 1 and other == 0 and rest == True:  # noqa: E712 (SymPy's truth)
            condition = inside
    return sympy.Piecewise((a, condition), (b, True))


ENTRIES = (
    Function(
        "power",
        ("n x^(n - 1)", "xlogy(y, x)"),
        "{0} ** {1}",
        "(),()->()",
        ("x", "n"),
        "{0}^{1}",
        "{0}^{1}",
        fold_power,
        sympy=lambda _, x, n: x**n,
    ),
    # Exponentials and logarithms.
    _of_one(
        "exp",
        "y",
        "Take exponentials: ``y_i = exp(x_i)``.",
        "∂f/∂x = exp(x)",
        at_zero=1,
        is_nonnegative=True,
        undoes="log",
    ),
    _of_one(
        "expm1",
        "y + 1",
        "Take exponentials less 1: ``y_i = exp(x_i) - 1``, with all digits where `x` is small.",
        "∂f/∂x = expm1(x) + 1",
        at_zero=0,
        sympy="sympy.codegen.cfunctions:expm1",
        undoes="log1p",
    ),
    _of_one(
        "log",
        "1 / x",
        "Take natural logarithms: ``y_i = log(x_i)``.",
        "∂f/∂x = 1 / x",
        "Of negative real numbers it is nan, and -inf of 0.",
        undoes_real="exp",
    ),
    _of_one(
        "log1p",
        "1 / (1 + x)",
        "Take logarithms of 1 more: ``y_i = log(1 + x_i)``, with all digits where `x` is small.",
        "∂f/∂x = 1 / (x + 1)",
        latex=r"\log\left(1 + {0}\right)",
        at_zero=0,
        sympy="sympy.codegen.cfunctions:log1p",
        undoes_real="expm1",
    ),
    _of_one(
        "log2",
        "1.4426950408889634 / x",
        "Take logarithms to the base 2: ``y_i = log(x_i) / log(2)``.",
        "∂f/∂x = 1.4426950408889634 / x",
        "The number in the derivative is ``1 / log(2)``.",
        latex=r"\log_2",
        sympy="sympy.codegen.cfunctions:log2",
    ),
    _of_one(
        "log10",
        "0.4342944819032518 / x",
        "Take logarithms to the base 10: ``y_i = log(x_i) / log(10)``.",
        "∂f/∂x = 0.4342944819032518 / x",
        "The number in the derivative is ``1 / log(10)``.",
        latex=r"\log_{10}",
        sympy="sympy.codegen.cfunctions:log10",
    ),
    # Angles.
    _of_one(
        "sin",
        "cos(x)",
        "Take sines: ``y_i = sin(x_i)``, of angles in radians.",
        "∂f/∂x = cos(x)",
        undoes="arcsin",
    ),
    _of_one(
        "cos",
        "-sin(x)",
        "Take cosines: ``y_i = cos(x_i)``, of angles in radians.",
        "∂f/∂x = -sin(x)",
        at_zero=1,
        parity=1,
        undoes="arccos",
    ),
    _of_one(
        "tan",
        "1 + y^2",
        "Take tangents: ``y_i = sin(x_i) / cos(x_i)``, of angles in radians.",
        "∂f/∂x = tan(x)^2 + 1",
        undoes="arctan",
    ),
    _of_one(
        "arcsin",
        "1 / sqrt(1 - x^2)",
        "Take inverse sines: ``sin(y_i) = x_i``, between -π/2 and π/2.",
        "∂f/∂x = 1 / sqrt(1 - x^2)",
        "The derivative is inf at -1 and 1; outside, real values are nan.",
    ),
    _of_one(
        "arccos",
        "-1 / sqrt(1 - x^2)",
        "Take inverse cosines: ``cos(y_i) = x_i``, between 0 and π.",
        "∂f/∂x = -1 / sqrt(1 - x^2)",
        "The derivative is -inf at -1 and 1; outside, real values are nan.",
    ),
    _of_one(
        "arctan",
        "1 / (1 + x^2)",
        "Take inverse tangents: ``tan(y_i) = x_i``, between -π/2 and π/2.",
        "∂f/∂x = 1 / (x^2 + 1)",
    ),
    _of_one(
        "sinh",
        "cosh(x)",
        "Take hyperbolic sines: ``y_i = (exp(x_i) - exp(-x_i)) / 2``.",
        "∂f/∂x = cosh(x)",
        undoes="arcsinh",
    ),
    _of_one(
        "cosh",
        "sinh(x)",
        "Take hyperbolic cosines: ``y_i = (exp(x_i) + exp(-x_i)) / 2``.",
        "∂f/∂x = sinh(x)",
        at_zero=1,
        parity=1,
        is_nonnegative=True,
        undoes="arccosh",
    ),
    _of_one(
        "tanh",
        "1 - y^2",
        "Take hyperbolic tangents: ``y_i = sinh(x_i) / cosh(x_i)``.",
        "∂f/∂x = 1 - tanh(x)^2",
        undoes="arctanh",
    ),
    _of_one(
        "arcsinh",
        "1 / sqrt(1 + x^2)",
        "Take inverse hyperbolic sines: ``y_i = log(x_i + sqrt(x_i^2 + 1))``.",
        "∂f/∂x = 1 / sqrt(x^2 + 1)",
        undoes_real="sinh",
    ),
    _of_one(
        "arccosh",
        "1 / (sqrt(x - 1) sqrt(x + 1))",
        "Take inverse hyperbolic cosines: ``y_i = log(x_i + sqrt(x_i^2 - 1))``.",
        "∂f/∂x = 1 / sqrt(x + 1) / sqrt(x - 1)",
        "The derivative is inf at 1; below, real values are nan.",
    ),
    _of_one(
        "arctanh",
        "1 / (1 - x^2)",
        "Take inverse hyperbolic tangents: ``y_i = 1/2 log((1 + x_i) / (1 - x_i))``.",
        "∂f/∂x = 1 / (1 - x^2)",
        "Outside of -1 to 1, real values are nan.",
        undoes_real="tanh",
    ),
    _of_one(
        "cbrt",
        "1/3 y^-2",
        "Take cube roots: ``y_i^3 = x_i``, negative ones of negative numbers.",
        "∂f/∂x = 1/3 / cbrt(x)^2",
        "The derivative is inf at 0.",
        latex=r"\sqrt[3]{0}",
        is_analytic=False,
        code={"torch": "cbrt({0})"},
        sympy=lambda s, x: s.sign(x) * s.Abs(x) ** s.Rational(1, 3),
    ),
    # Functions of networks and of statistics.
    _of_one(
        "sigmoid",
        "y (1 - y)",
        "Take the logistic function: ``y_i = 1 / (1 + exp(-x_i))``.",
        "∂f/∂x = (1 - sigmoid(x)) sigmoid(x)",
        "It is ``scipy.special.expit``, and does not overflow.",
        latex=r"\sigma",
        implementation="sigmoid",
        definition="1 / (1 + exp(-x))",
        code={"torch": "torch.sigmoid({0})", "jax": "jax.nn.sigmoid({0})"},
        sympy=lambda s, x: 1 / (1 + s.exp(-x)),
        scipy="expit",
        is_nonnegative=True,
        temporary=1,
    ),
    _of_one(
        "softplus",
        "sigmoid(x)",
        "Take the softplus function: ``y_i = log(1 + exp(x_i))``, a smooth `relu`.",
        "∂f/∂x = sigmoid(x)",
        "It does not overflow.",
        implementation="softplus",
        code={
            "numpy": "np.logaddexp({0}, 0)",
            "torch": "torch.nn.functional.softplus({0}, threshold=40)",
            "jax": "jax.nn.softplus({0})",
        },
        definition="log(1 + exp(x))",
        sympy=lambda _, x: import_module("sympy.codegen.numpy_nodes").logaddexp(0, x),
        is_nonnegative=True,
        temporary=2.25,
    ),
    _of_one(
        "erf",
        "1.1283791670955126 exp(-x^2)",
        "Take the error function: ``y_i = 2/√π ∫ exp(-t^2) dt`` from 0 to ``x_i``.",
        "∂f/∂x = 1.1283791670955126 exp(-x^2)",
        "The number in the derivative is ``2/√π``.",
        implementation="erf",
        code={"torch": "torch.erf({0})"},
        scipy="erf",
    ),
    _of_one(
        "gelu",
        "1/2 (1 + erf(0.7071067811865476 x)) + 0.3989422804014327 x exp(-1/2 x^2)",
        "Take the Gaussian error linear unit: ``y_i = x_i/2 (1 + erf(x_i/√2))``.",
        "∂f/∂x = 0.3989422804014327 exp(-1/2 x^2) x + 1/2 erf(0.7071067811865476 x) + 1/2",
        "It is the exact one, not the approximation by `tanh`. The numbers in the derivative "
        "are ``1/√2`` and ``1/√(2π)``.",
        "Hendrycks and Gimpel, *Gaussian error linear units*, arXiv:1606.08415 (2016).",
        at_zero=0,
        implementation="gelu",
        definition="1/2 x (1 + erf(0.7071067811865476 x))",
        code={"jax": "jax.nn.gelu({0}, approximate=False)"},
        sympy=lambda s, x: x * (1 + s.erf(x / s.sqrt(2))) / 2,
        temporary=1.25,
    ),
    _of_one(
        "relu",
        "[x > 0]",
        "Take the rectified linear unit: ``y_i = max(x_i, 0)``.",
        "∂f/∂x = [x > 0]",
        "The derivative at 0 is 0.",
        numpy="np.maximum({0}, 0)",
        at_zero=0,
        is_analytic=False,
        keeps_integers=True,
        code={"torch": "torch.relu({0})", "jax": "jax.nn.relu({0})"},
        sympy=lambda s, x: s.Max(x, 0),
        degree=1,
        is_nonnegative=True,
    ),
    # Steps and kinks.
    _of_one(
        "abs",
        "sign(x)",
        "Take absolute values: ``y_i = abs(x_i)``.",
        "∂f/∂x = sign(x)",
        "The derivative at 0 is 0.",
        latex=r"\left|{0}\right|",
        at_zero=0,
        is_analytic=False,
        keeps_integers=True,
        sympy="Abs",
        parity=1,
        degree=1,
        is_nonnegative=True,
    ),
    _flat("sign", "Take signs: -1, 0 or 1 for negative numbers, 0 and positive ones.", degree=0),
    _flat(
        "floor",
        "Round down: the largest whole number that is not larger.",
        latex=r"\left\lfloor{0}\right\rfloor",
    ),
    _flat(
        "ceil",
        "Round up: the smallest whole number that is not smaller.",
        latex=r"\left\lceil{0}\right\rceil",
        sympy="ceiling",
    ),
    _flat("trunc", "Round towards 0.", sympy=lambda s, x: s.sign(x) * s.floor(s.Abs(x))),
    _flat(
        "rint",
        "Round to the nearest whole number, halves to the even one.",
        code={"torch": "torch.round({0})"},
        sympy="",
    ),
    _comparison("greater", ">", ">", fold=fold_greater, sympy=lambda s, a, b: _holds(s, a > b)),
    _comparison(
        "greater_equal",
        "≥",
        ">=",
        r"\geq",
        fold=partial(fold_greater, or_equal=True),
        sympy=lambda s, a, b: _holds(s, a >= b),
    ),
    _comparison("equal", "=", "==", sympy=lambda s, a, b: _holds(s, s.Eq(a, b))),
    _comparison("not_equal", "≠", "!=", r"\neq", sympy=lambda s, a, b: _holds(s, s.Ne(a, b))),
    # Functions of several numbers.
    _of_two(
        "maximum",
        ("[a > b] + 1/2 [a = b]", "[b > a] + 1/2 [a = b]"),
        "Take the larger of two numbers: ``y_i = max(a_i, b_i)``.",
        "∂f/∂a = 1/2 [a = b] + [a > b]",
        _TIES,
        latex=r"\max",
        fold=fold_maximum,
        is_analytic=False,
        keeps_integers=True,
        sympy="Max",
    ),
    _of_two(
        "minimum",
        ("[b > a] + 1/2 [a = b]", "[a > b] + 1/2 [a = b]"),
        "Take the smaller of two numbers: ``y_i = min(a_i, b_i)``.",
        "∂f/∂a = 1/2 [a = b] + [b > a]",
        _TIES,
        latex=r"\min",
        fold=fold_minimum,
        is_analytic=False,
        keeps_integers=True,
        sympy="Min",
    ),
    Function(
        "where",
        ("0", "[c ≠ 0]", "[c = 0]"),
        "np.where({0}, {1}, {2})",
        "(),(),()->()",
        ("c", "a", "b"),
        keeps_integers=True,
        sympy=_where,
    ),
    _of_two(
        "arctan2",
        ("b / (a^2 + b^2)", "-a / (a^2 + b^2)"),
        "Take angles of points: ``tan(y_i) = a_i / b_i``, between -π and π.",
        "∂f/∂a = b / (a^2 + b^2)",
        "The point has the coordinates ``(b_i, a_i)``; at ``(0, 0)`` the derivatives are nan.",
        is_analytic=False,
    ),
    _of_two(
        "hypot",
        ("a / y", "b / y"),
        "Take lengths: ``y_i = sqrt(a_i^2 + b_i^2)``, without overflow.",
        "∂f/∂a = a / hypot(a, b)",
        "At ``(0, 0)`` the derivatives are nan.",
        is_analytic=False,
        sympy="sympy.codegen.cfunctions:hypot",
        is_nonnegative=True,
    ),
    _of_two(
        "logaddexp",
        ("exp(a - y)", "exp(b - y)"),
        "Add numbers given by logarithms: ``y_i = log(exp(a_i) + exp(b_i))``, without overflow.",
        "∂f/∂a = exp(a - logaddexp(a, b))",
        fold=fold_logaddexp,
        is_analytic=False,
        sympy="sympy.codegen.numpy_nodes:logaddexp",
    ),
    _of_two(
        "floordiv",
        ("0", "0"),
        numpy="np.floor_divide({0}, {1})",
        latex=r"\left\lfloor\frac{0}{1}\right\rfloor",
        is_analytic=False,
        keeps_integers=True,
        sympy=lambda s, a, b: s.floor(a / b),
    ),
    _of_two(
        "mod",
        ("1", "-floordiv(a, b)"),
        numpy="np.remainder({0}, {1})",
        is_analytic=False,
        keeps_integers=True,
        sympy="Mod",
    ),
    _of_two(
        "xlogy",
        ("log(b)", "a / b"),
        "Multiply by a logarithm: ``y_i = a_i log(b_i)``, and 0 where ``a_i`` is 0.",
        "∂f/∂a = log(b)",
        latex=r"{0} \log\left({1}\right)",
        implementation="xlogy",
        code={"torch": "torch.special.xlogy({0}, {1})"},
        sympy=lambda s, a, b: s.Piecewise((0, s.Eq(a, 0)), (a * s.log(b), True)),
        scipy="xlogy",
        temporary=1,
    ),
)
