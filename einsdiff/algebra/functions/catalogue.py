r"""The function table. Adding a function is adding one entry.

An entry says how a function is differentiated, as an index expression of its value ``y`` and its
arguments: :math:`\tanh' = 1 - y^2`, and :math:`\partial(X^{-1})_{ij}/\partial X_{kl} =
-(X^{-1})_{ik} (X^{-1})_{lj}`. The rules are standard; those of matrices are collected in Petersen
and Pedersen, *The Matrix Cookbook* (2012), and in Giles, *An extended collection of matrix
derivative results* (2008).

>>> FUNCTIONS["tanh"].jacobians
('1 - y^2',)
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import isqrt

from einsdiff.algebra.nodes.function import FAMILIES, FUNCTIONS, RULE_LETTERS, Function, enter
from einsdiff.algebra.nodes.nodes import (
    Add,
    Call,
    Constant,
    Einsum,
    Node,
    call,
    constant,
    einsum,
    is_one,
    is_zero,
    scale,
)

__all__ = ["FUNCTIONS", "MOST_EXPANDED"]

#: Powers up to this one are products, in which equal factors meet and cancel by counting.
MOST_EXPANDED = 16
#: Powers of numbers are computed up to this exponent: others have too many digits.
MOST_EXACT = 1024


# --- powers -----------------------------------------------------------------------------------


def _fold_power(base: Node, exponent: Node) -> Node | None:
    if is_zero(exponent):
        return _ones(base)
    if not isinstance(exponent, Constant):
        return None
    n = exponent.value
    if is_one(n):
        return base
    if isinstance(base, Constant):
        return _power_of_number(base, n)
    if not isinstance(n, int):
        return base if is_zero(base) and isinstance(n, Fraction) and n > 0 else None
    if is_zero(base):
        return base if n > 0 else None
    if isinstance(base, Call) and base.function is FUNCTIONS["power"] and n > 1:
        inner, p = base.args  # (s^p)^n = s^(pn) where s cannot be negative
        if isinstance(p, Constant) and isinstance(p.value, Fraction) and _is_square(inner):
            return call(base.function, [inner, constant(p.value * n)])
    if 1 < n <= MOST_EXPANDED:
        labels = range(len(base.shape))
        return einsum([base] * n, [labels] * n, labels)
    return _whole_power(base, n)


def _is_square(node: Node) -> bool:
    """Tell whether a node is a sum of squares, which is never negative for real values."""
    if isinstance(node, Add):
        return all(
            isinstance(c, int | Fraction) and c > 0 and _is_square(term) for c, term in node.terms
        )
    if not isinstance(node, Einsum):
        return isinstance(node, Constant)
    slots = list(zip(node.operands, node.subscripts, strict=True))
    return all(slots.count(slot) % 2 == 0 or _is_square(slot[0]) for slot in slots)


def _whole_power(base: Node, n: int) -> Node | None:
    """Take a power to a whole exponent apart: that of a product is a product."""
    power = FUNCTIONS["power"]
    if isinstance(base, Add):
        c, rest = base.primitive
        if not is_one(c) and isinstance(c, int | Fraction) and abs(n) <= MOST_EXACT:
            return scale(Fraction(c) ** n, call(power, [rest, constant(n)]))
    if isinstance(base, Call) and base.function is power:
        inner, p = base.args
        # (x^p)^n = x^(pn), but for square roots and the like, whose domain would grow.
        if isinstance(p, Constant) and isinstance(p.value, int | Fraction):
            product = p.value * n
            if isinstance(p.value, int) or Fraction(product).denominator > 1:
                return call(power, [inner, constant(product)])
    if isinstance(base, Einsum) and base.operands and not base.loose:
        out = base.output
        plain = all(len(set(labels)) == len(labels) for labels in base.subscripts)
        if plain and len(set(out)) == len(out) and set(range(len(base.sizes))) == set(out):
            counted: dict[tuple[Node, tuple[int, ...]], int] = {}
            for slot in zip(base.operands, base.subscripts, strict=True):
                counted[slot] = counted.get(slot, 0) + n
            factors = [call(power, [node, constant(k)]) for (node, _), k in counted.items()]
            return einsum(factors, [ls for _, ls in counted], out, dict(enumerate(base.sizes)))
    return None


def _power_of_number(base: Constant, n: int | Fraction | float | complex) -> Node | None:
    value = base.value
    if isinstance(value, int | Fraction) and isinstance(n, int):
        return constant(Fraction(value) ** n) if abs(n) <= MOST_EXACT else None
    if isinstance(value, int | Fraction) and isinstance(n, Fraction) and n.denominator == 2:
        root = _square_root(Fraction(value))
        return None if root is None else constant(root**n.numerator)
    if isinstance(value, float) and isinstance(n, int | Fraction | float):
        try:
            result = value ** float(n)
        except (OverflowError, ZeroDivisionError):
            return None
        return constant(result) if isinstance(result, float) else None
    return None


def _square_root(value: Fraction) -> Fraction | None:
    """Return the root of a square, else None."""
    if value < 0:
        return None
    root = Fraction(isqrt(value.numerator), isqrt(value.denominator))
    return root if root * root == value else None


def _ones(like: Node) -> Node:
    return einsum([], [], range(len(like.shape)), dict(enumerate(like.shape)))


def _fold_maximum(a: Node, b: Node) -> Node | None:
    """Write the larger of a number and 0 as relu, whose derivative at 0 is 0."""
    for one, other in ((a, b), (b, a)):
        if is_zero(one) and not one.shape:
            return call(FUNCTIONS["relu"], [other])
    return a if a is b else None


def _fold_minimum(a: Node, b: Node) -> Node | None:
    for one, other in ((a, b), (b, a)):
        if is_zero(one) and not one.shape:
            return scale(-1, call(FUNCTIONS["relu"], [scale(-1, other)]))
    return a if a is b else None


def _fold_logaddexp(a: Node, b: Node) -> Node | None:
    """``log(exp(0) + exp(x))`` is softplus, whose derivative is the sigmoid."""
    for one, other in ((a, b), (b, a)):
        if is_zero(one) and not one.shape:
            return call(FUNCTIONS["softplus"], [other])
    return None


def _fold_comparison(holds_for_equal: bool) -> object:
    def fold(a: Node, b: Node) -> Node | None:
        if isinstance(a, Constant | Add) and isinstance(b, Constant | Add):
            left, right = (_real(node) for node in (a, b))
            if left is not None and right is not None:
                return constant(int(left > right or (holds_for_equal and left == right)))
        return None

    return fold


def _real(node: Node) -> int | Fraction | float | None:
    """Return the number that a scalar node is, None if it is none."""
    if node.shape:
        return None
    if is_zero(node):
        return 0
    value = node.value if isinstance(node, Constant) else None
    return None if isinstance(value, complex) else value


# --- functions of each entry ------------------------------------------------------------------


def _of_entry(
    name: str,
    jacobian: str,
    numpy: str = "",
    *,
    latex: str = "",
    at_zero: int | None = None,
    is_analytic: bool = True,
    special: bool = False,
    keeps_integers: bool = False,
) -> Function:
    spelled = numpy or (f"{name}({{0}})" if special else f"np.{name}({{0}})")
    return Function(
        name,
        (jacobian,),
        spelled,
        latex=latex or rf"\operatorname{{{name}}}",
        at_zero=at_zero,
        is_analytic=is_analytic,
        implementation=name if special else None,
        keeps_integers=keeps_integers,
    )


#: Signs of comparisons in LaTeX.
_LATEX = {"≥": r"\geq", "≠": r"\neq"}


def _compare(name: str, sign: str, spelled: str, holds_for_equal: bool = False) -> Function:
    return Function(
        name,
        ("0", "0"),
        f"({{0}} {spelled} {{1}}).astype({{dtype}})",
        "(),()->()",
        ("a", "b"),
        latex=rf"\left[{{0}} {_LATEX.get(sign, sign)}{{1}}\right]",
        text=f"[{{0}} {sign} {{1}}]",
        fold=_fold_comparison(holds_for_equal) if spelled[0] == ">" else None,  # type: ignore[arg-type]
        is_analytic=False,
        keeps_integers=True,
    )


enter(
    [
        Function(
            "power",
            ("n x^(n - 1)", "xlogy(y, x)"),
            "{0} ** {1}",
            "(),()->()",
            ("x", "n"),
            "{0}^{1}",
            "{0}^{1}",
            _fold_power,
        ),
        _of_entry("exp", "y", latex=r"\exp", at_zero=1),
        _of_entry("expm1", "y + 1", at_zero=0),
        _of_entry("log", "1 / x", latex=r"\log"),
        _of_entry("log1p", "1 / (1 + x)", latex=r"\log\left(1 + {0}\right)", at_zero=0),
        _of_entry("log2", "1.4426950408889634 / x", latex=r"\log_2"),
        _of_entry("log10", "0.4342944819032518 / x", latex=r"\log_{10}"),
        _of_entry("sin", "cos(x)", latex=r"\sin", at_zero=0),
        _of_entry("cos", "-sin(x)", latex=r"\cos", at_zero=1),
        _of_entry("tan", "1 + y^2", latex=r"\tan", at_zero=0),
        _of_entry("arcsin", "1 / sqrt(1 - x^2)", latex=r"\arcsin", at_zero=0),
        _of_entry("arccos", "-1 / sqrt(1 - x^2)", latex=r"\arccos"),
        _of_entry("arctan", "1 / (1 + x^2)", latex=r"\arctan", at_zero=0),
        _of_entry("sinh", "cosh(x)", latex=r"\sinh", at_zero=0),
        _of_entry("cosh", "sinh(x)", latex=r"\cosh", at_zero=1),
        _of_entry("tanh", "1 - y^2", latex=r"\tanh", at_zero=0),
        _of_entry("arcsinh", "1 / sqrt(1 + x^2)", at_zero=0),
        _of_entry("arccosh", "1 / (sqrt(x - 1) sqrt(x + 1))"),
        _of_entry("arctanh", "1 / (1 - x^2)", at_zero=0),
        _of_entry("cbrt", "1/3 y^-2", latex=r"\sqrt[3]{0}", at_zero=0, is_analytic=False),
        _of_entry("sigmoid", "y (1 - y)", latex=r"\sigma", special=True),
        _of_entry("softplus", "sigmoid(x)", special=True),
        _of_entry("erf", "1.1283791670955126 exp(-x^2)", at_zero=0, special=True),
        _of_entry(
            "gelu",
            "1/2 (1 + erf(0.7071067811865476 x)) + 0.3989422804014327 x exp(-1/2 x^2)",
            at_zero=0,
            special=True,
        ),
        _of_entry(
            "relu",
            "[x > 0]",
            "np.maximum({0}, 0)",
            at_zero=0,
            is_analytic=False,
            keeps_integers=True,
        ),
        _of_entry(
            "abs",
            "sign(x)",
            latex=r"\left|{0}\right|",
            at_zero=0,
            is_analytic=False,
            keeps_integers=True,
        ),
        _of_entry("sign", "0", at_zero=0, is_analytic=False, keeps_integers=True),
        _of_entry(
            "floor",
            "0",
            latex=r"\left\lfloor{0}\right\rfloor",
            at_zero=0,
            is_analytic=False,
            keeps_integers=True,
        ),
        _of_entry(
            "ceil",
            "0",
            latex=r"\left\lceil{0}\right\rceil",
            at_zero=0,
            is_analytic=False,
            keeps_integers=True,
        ),
        _of_entry("trunc", "0", at_zero=0, is_analytic=False, keeps_integers=True),
        _of_entry("rint", "0", at_zero=0, is_analytic=False, keeps_integers=True),
        _compare("greater", ">", ">"),
        _compare("greater_equal", "≥", ">=", True),
        _compare("equal", "=", "=="),
        _compare("not_equal", "≠", "!="),
        Function(
            "maximum",
            ("[a > b] + 1/2 [a = b]", "[b > a] + 1/2 [a = b]"),
            "np.maximum({0}, {1})",
            "(),()->()",
            ("a", "b"),
            r"\max",
            fold=_fold_maximum,
            is_analytic=False,
            keeps_integers=True,
        ),
        Function(
            "minimum",
            ("[b > a] + 1/2 [a = b]", "[a > b] + 1/2 [a = b]"),
            "np.minimum({0}, {1})",
            "(),()->()",
            ("a", "b"),
            r"\min",
            fold=_fold_minimum,
            is_analytic=False,
            keeps_integers=True,
        ),
        Function(
            "where",
            ("0", "[c ≠ 0]", "[c = 0]"),
            "np.where({0}, {1}, {2})",
            "(),(),()->()",
            ("c", "a", "b"),
            keeps_integers=True,
        ),
        Function(
            "arctan2",
            ("b / (a^2 + b^2)", "-a / (a^2 + b^2)"),
            "np.arctan2({0}, {1})",
            "(),()->()",
            ("a", "b"),
            is_analytic=False,
        ),
        Function(
            "hypot",
            ("a / y", "b / y"),
            "np.hypot({0}, {1})",
            "(),()->()",
            ("a", "b"),
            is_analytic=False,
        ),
        Function(
            "logaddexp",
            ("exp(a - y)", "exp(b - y)"),
            "np.logaddexp({0}, {1})",
            "(),()->()",
            ("a", "b"),
            fold=_fold_logaddexp,
            is_analytic=False,
        ),
        Function(
            "floordiv",
            ("0", "0"),
            "np.floor_divide({0}, {1})",
            "(),()->()",
            ("a", "b"),
            r"\left\lfloor\frac{0}{1}\right\rfloor",
            is_analytic=False,
            keeps_integers=True,
        ),
        Function(
            "mod",
            ("1", "-floordiv(a, b)"),
            "np.remainder({0}, {1})",
            "(),()->()",
            ("a", "b"),
            is_analytic=False,
            keeps_integers=True,
        ),
        Function(  # a log(b), and 0 where a is 0
            "xlogy",
            ("log(b)", "a / b"),
            "xlogy({0}, {1})",
            "(),()->()",
            ("a", "b"),
            r"{0} \log\left({1}\right)",
            implementation="xlogy",
        ),
    ]
)


# --- functions of matrices --------------------------------------------------------------------

_MATRIX = "(n,n)->(n,n)"

enter(
    [
        Function(
            "inv",
            ("-y_ik y_lj",),
            "np.linalg.inv({0})",
            _MATRIX,
            latex="{0}^{-1}",
            because="differentiating `{x}_ij {y}_jk` = `δ_ik`",
        ),
        Function(
            "det",
            ("y inv(x)_ji",),
            "np.linalg.det({0})",
            "(n,n)->()",
            latex=r"\det",
            because="expanding along row `i`: the cofactor of `{x}_ij` is `{y} inv({x})_ji`",
        ),
        Function(
            "logdet",
            ("inv(x)_ji",),
            "np.linalg.slogdet({0})[1]",
            "(n,n)->()",
            latex=r"\log\det",
            is_analytic=False,
            because="dividing the derivative of `det({x})` by `det({x})`",
        ),
        Function(
            "signdet",
            ("0",),
            "np.linalg.slogdet({0})[0]",
            "(n,n)->()",
            latex=r"\operatorname{sign}\det",
            is_analytic=False,
        ),
        Function(  # of matrices whose rank does not change
            "pinv",
            ("-y_ik y_lj + y_ia y_la (δ_kj - x_kb y_bj) + (δ_il - y_id x_dl) y_ck y_cj",),
            "np.linalg.pinv({0})",
            "(m,n)->(n,m)",
            latex="{0}^{+}",
            is_analytic=False,
        ),
        # The functions of symmetric matrices are those of the symmetric part of any matrix.
        Function(
            "cholesky",
            ("y_ia ([a ≥ b] - 1/2 δ_ab) (1/2 inv(y)_ak inv(y)_bl + 1/2 inv(y)_al inv(y)_bk) δ_bj",),
            "cholesky({0})",
            _MATRIX,
            is_analytic=False,
            implementation="cholesky",
            because="differentiating `{x}_ij = {y}_ik {y}_jk`",
        ),
        Function(
            "eigvalsh",
            ("eigvectors(x)_ji eigvectors(x)_ki",),
            "eigvalsh({0})",
            "(n,n)->(n)",
            is_analytic=False,
            implementation="eigvalsh",
        ),
        Function(  # of distinct eigenvalues; the columns are the vectors
            "eigvectors",
            (
                "1/2 y_ia (y_ka y_lj + y_la y_kj) (1 - δ_aj)"
                " / (eigvalsh(x)_j - eigvalsh(x)_a + δ_aj)",
            ),
            "eigvectors({0})",
            _MATRIX,
            is_analytic=False,
            implementation="eigvectors",
        ),
    ]
)


# --- functions of any number of axes ----------------------------------------------------------


def _axes(count: int, start: int = 0) -> tuple[str, str]:
    """Return a signature's names of axes, and letters for them."""
    letters = RULE_LETTERS[start : start + count]
    return ",".join(f"n{k}" for k in range(count)), letters


def _numpy_axes(count: int) -> str:
    return str(tuple(range(-count, 0)))


def _reduction(
    name: str,
    rule: str,
    numpy: str,
    *,
    latex: str = "",
    is_analytic: bool = True,
    keeps_integers: bool = False,
    because: str = "",
) -> None:
    """Enter a function that takes all of its axes to one number.

    In `rule`, ``{x}`` is for the letters of the argument's axes, ``{z}`` for others.
    """

    @cache
    def entry(ranks: tuple[int, ...]) -> Function | None:
        if len(ranks) != 1 or not 0 < ranks[0] < 10:
            return None
        names, letters = _axes(ranks[0])
        _, others = _axes(ranks[0], ranks[0])
        return Function(
            name,
            (rule.format(x=letters, z=others),),
            numpy.replace("{axes}", _numpy_axes(ranks[0])),
            f"({names})->()",
            latex=latex or rf"\operatorname{{{name}}}",
            is_analytic=is_analytic,
            implementation=name if numpy.startswith(name) else None,
            keeps_integers=keeps_integers,
            because=because,
        )

    FAMILIES[name] = entry
    first = entry((1,))
    assert first is not None
    enter([first])


_shared = "[x_{x} = y] / (Σ_{z} [x_{z} = y])"
_reduction(
    "max",
    _shared,
    "np.max({0}, axis={axes})",
    latex=r"\max",
    is_analytic=False,
    keeps_integers=True,
)
_reduction(
    "min",
    _shared,
    "np.min({0}, axis={axes})",
    latex=r"\min",
    is_analytic=False,
    keeps_integers=True,
)
_reduction("logsumexp", "softmax(x)_{x}", "logsumexp({0}, axis={axes})")
_reduction(
    "prod",
    "others(x)_{x}",
    "np.prod({0}, axis={axes})",
    keeps_integers=True,
    because="leaving one factor out: `others({x})` has the products of all other entries",
)


def _shaped(name: str, rule: str) -> None:
    """Enter a function that keeps its axes; ``{y}`` and ``{x}`` are for the letters of both."""

    @cache
    def entry(ranks: tuple[int, ...]) -> Function | None:
        if len(ranks) != 1 or not 0 < ranks[0] < 10:
            return None
        names, letters = _axes(ranks[0])
        _, own = _axes(ranks[0], ranks[0])
        delta = " ".join(f"δ_{a}{b}" for a, b in zip(letters, own, strict=True))
        return Function(
            name,
            (rule.format(y=letters, x=own, delta=delta),),
            f"{name}({{0}}, axis={_numpy_axes(ranks[0])})",
            f"({names})->({names})",
            implementation=name,
        )

    FAMILIES[name] = entry
    first = entry((1,))
    assert first is not None
    enter([first])


enter(
    [Function("cumsum", ("[i ≥ j]",), "np.cumsum({0}, axis=-1)", "(n)->(n)", keeps_integers=True)]
)
_shaped("softmax", "y_{y} ({delta} - y_{x})")
_shaped("log_softmax", "{delta} - exp(y_{x})")


def _others(order: int) -> None:
    """Enter the product of all entries but some: the derivatives of a product.

    ``others2(x)_ij`` is the product of all x_k with k neither i nor j, and 0 where i = j.
    """

    @cache
    def entry(ranks: tuple[int, ...]) -> Function | None:
        if len(ranks) != 1 or not 0 < ranks[0] < 10:
            return None
        names, _ = _axes(ranks[0])
        _, letters = _axes(ranks[0] * (order + 1))
        return Function(
            _numbered("others", order),
            (f"{_numbered('others', order + 1)}(x)_{letters}",),
            f"others({{0}}, {order}, {ranks[0]})",
            f"({names})->({','.join([names] * order)})",
            implementation="others",
            keeps_integers=True,
        )

    FAMILIES[_numbered("others", order)] = entry


def _dexpm(order: int) -> None:
    """Enter the derivatives of the matrix exponential: tensors of 2 + 2 order axes."""

    @cache
    def entry(ranks: tuple[int, ...]) -> Function | None:
        if ranks != (2,):
            return None
        _, letters = _axes(2 * (order + 2))
        name = _numbered("dexpm", order) if order else "expm"
        return Function(
            name,
            (f"{_numbered('dexpm', order + 1)}(x)_{letters}",),
            f"dexpm({{0}}, {order})" if order else "expm({0})",
            f"(n,n)->({','.join(['n'] * (2 * order + 2))})",
            latex="" if order else "e^{0}",
            implementation="dexpm" if order else "expm",
        )

    FAMILIES[_numbered("dexpm", order) if order else "expm"] = entry


def _numbered(name: str, k: int) -> str:
    return f"{name}{k}" if k > 1 else name


for _order in range(1, 9):
    _others(_order)
for _order in range(8):
    _dexpm(_order)
enter([FAMILIES["expm"]((2,))])  # type: ignore[list-item]


@cache
def _solve(ranks: tuple[int, ...]) -> Function | None:
    if ranks == (2, 1):
        return Function(
            "solve",
            ("-inv(A)_ij y_k", "inv(A)_ij"),
            "solve({0}, {1})",
            "(n,n),(n)->(n)",
            ("A", "b"),
            "{0}^{-1} {1}",
            implementation="solve",
            because="differentiating `{A}_ij {y}_j` = `{b}_i`",
        )
    if ranks == (2, 2):
        return Function(
            "solve",
            ("-inv(A)_ik y_lj", "inv(A)_ik δ_lj"),
            "np.linalg.solve({0}, {1})",
            "(n,n),(n,k)->(n,k)",
            ("A", "b"),
            "{0}^{-1} {1}",
            because="differentiating `{A}_ij {y}_jk` = `{b}_ik`",
        )
    return None


FAMILIES["solve"] = _solve
enter([_solve((2, 1))])  # type: ignore[list-item]
