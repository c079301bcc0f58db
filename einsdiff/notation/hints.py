"""What to write for functions and signs that are not known: by what they mean, else by spelling.

A word that people use for something is in the tables here, with what to write for it in index
notation and in matrix notation; a word that nobody uses is likely to be a slip of a known one.

>>> hint("tra", "index", ["trunc"])
'write a trace with one label twice: A_ii'
>>> hint("tra", "matrix", ["trunc"])
'write tr(A)'
>>> hint("sofmax", "matrix", ["softmax"])
'write softmax(..)'
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple


class Meaning(NamedTuple):
    """Words that mean something, and what to write for it.

    `words` are never operands unless they are given as such; `others` may be names of operands,
    and are meant so only before a bracket.
    """

    words: str
    others: str
    with_labels: str
    without: str


_REGISTER = "it is not in the table; ed.register adds a function"

_MEANINGS = (
    Meaning(
        "tr Tr trace Trace",
        "tra trac trc trac traza spur Spur track matrix_trace",
        "write a trace with one label twice: A_ii",
        "write tr(A)",
    ),
    Meaning(
        "",
        "trunk trunct truncate",
        "write trunc(x), or A_ii for a trace",
        "write trunc(x) or tr(A)",
    ),
    Meaning(
        "sum Sum", "summe total summation add", "write a sum with its sign: Σ_i x_i", "write sum(x)"
    ),
    Meaning(
        "mean avg average E",
        "expectation expected",
        "write a mean as a sum: Σ_i x_i / n, of n values",
        "write mean(x)",
    ),
    Meaning(
        "var std",
        "variance stdev stddev",
        "write a variance with labels: (x_i - m) (x_i - m) / n, of the mean m",
        "write mean((x - mean(x)) .^ 2) for the variance, and its sqrt(..) for the deviation",
    ),
    Meaning(
        "",
        "cov covariance corr",
        "write it with labels: (x_i - m) (y_i - n), summed and divided by how many there are",
        "write it as a product of vectors: (x - mean(x))' (y - mean(y))",
    ),
    Meaning(
        "norm norm2 length",
        "frobenius fro frob frobnorm normf l2 l2norm euclidean magnitude nrm vecnorm",
        "write a norm with labels: sqrt(x_i x_i), sqrt(A_ij A_ij)",
        "write norm(x), norm(A)",
    ),
    Meaning("norm1", "l1 l1norm", "write Σ_i abs(x_i)", "write norm1(x)"),
    Meaning(
        "",
        "sum_of_squares sumsq sumsqr sumsquares sumofsquares ssq sos norm_squared normsq sqnorm",
        "write a sum of squares with one label twice: x_i x_i, A_ij A_ij",
        "write norm(x)^2, norm(A)^2",
    ),
    Meaning(
        "",
        "mse rmse mae rss",
        "write the mean with labels: Σ_i (y_i - z_i)^2 / n",
        "write mean((y - z) .^ 2)",
    ),
    Meaning(
        "diag",
        "diagonal diagm Diag diagflat diagonalize",
        "write δ_ij x_i for a diagonal matrix, f_i = A_ii for the diagonal of a matrix",
        "write diag(x) for a diagonal matrix, diag(A) for the diagonal of a matrix",
    ),
    Meaning(
        "transpose trans",
        "transp Transpose tran trp transposed ctranspose adjoint hermitian",
        "a transpose is written by the order of the labels: A_ji",
        "write A' or transpose(A)",
    ),
    Meaning(
        "inverse", "invert inversion minv matinv Inverse invers", "write inv(X)_ij", "write inv(X)"
    ),
    Meaning(
        "",
        "pseudoinverse pseudo_inverse ginv moore_penrose pinverse",
        "write pinv(X)_ij",
        "write pinv(X)",
    ),
    Meaning("adj", "adjugate adjungate cofactor", "write det(X) inv(X)_ij", "write adj(X)"),
    Meaning("", "determinant determinante Det deter dett", "write det(X)", "write det(X)"),
    Meaning(
        "", "log_det logabsdet slogdet lndet logdeterminant", "write logdet(X)", "write logdet(X)"
    ),
    Meaning(
        "ones zeros vector matrix", "", "write the number: x_i + 1", "write ones(n), ones(m, n)"
    ),
    Meaning(
        "len",
        "size numel nops",
        "write the name of the size: x_i / n, of x='n'",
        "write the name of the size: sum(x) / n, of x='n'",
    ),
    Meaning("logm sqrtm", "matrix_log matrix_sqrt funm", _REGISTER, _REGISTER),
    Meaning("", "matrix_exp expmat mexp", "write expm(X)_ij", "write expm(X)"),
    Meaning(
        "dot inner",
        "scalar scalarproduct dotprod dot_product innerproduct inner_product vdot skp",
        "write a product of vectors with one label: x_i y_i",
        "write x' y or dot(x, y)",
    ),
    Meaning("outer", "outer_product dyad tensorprod tensorproduct", "write x_i y_j", "write x y'"),
    Meaning(
        "",
        "matmul mul mult multiply mm mv bmm mtimes matrix_multiply",
        "write a product with one label twice: A_ij x_j",
        "write factors side by side: A x",
    ),
    Meaning(
        "",
        "hadamard had elementwise entrywise hadamard_product schur times",
        "write the same label at both: f_i = x_i y_i",
        "write x ⊙ y, or x .* y",
    ),
    Meaning("cumprod", "", _REGISTER, _REGISTER),
    Meaning(
        "kron vec",
        "kronecker kroneckerproduct tensor_product vectorize vech flatten ravel",
        "write labels: f_ikjl = A_ij B_kl; axes are joined later",
        "write kron(A, B), A ⊗ B, or vec(A)",
    ),
    Meaning(
        "cross",
        "cross_product crossproduct vectorproduct curlprod",
        "write ε_ijk a_j b_k",
        "write it with labels: ε_ijk a_j b_k, of the permutation symbol ε",
    ),
    Meaning("eye identity", "delta δ", "write the delta: δ_ij", "write I, I_n or eye(n)"),
    Meaning("lg", "logten lg10", "write log10(x)", "write log10(x)"),
    Meaning("", "ld lb lg2", "write log2(x)", "write log2(x)"),
    Meaning("cot", "", "write 1 / tan(x)", "write 1 ./ tan(x)"),
    Meaning("ctg cotg", "cotan cotangent ctan", "write 1 / tan(x)", "write 1 ./ tan(x)"),
    Meaning("sec", "secant", "write 1 / cos(x)", "write 1 ./ cos(x)"),
    Meaning("csc cosec", "cosecant", "write 1 / sin(x)", "write 1 ./ sin(x)"),
    Meaning("coth", "cth cotanh ctgh", "write 1 / tanh(x)", "write 1 ./ tanh(x)"),
    Meaning("sech", "", "write 1 / cosh(x)", "write 1 ./ cosh(x)"),
    Meaning("csch cosech", "", "write 1 / sinh(x)", "write 1 ./ sinh(x)"),
    Meaning("arccot arcctg acot", "arccotan", "write arctan(1 / x)", "write arctan(1 ./ x)"),
    Meaning("arcsec asec", "", "write arccos(1 / x)", "write arccos(1 ./ x)"),
    Meaning("arccsc acsc", "", "write arcsin(1 / x)", "write arcsin(1 ./ x)"),
    Meaning("pow", "", "write x^n", "write x .^ n, or A^n for a power of a matrix"),
    Meaning(
        "",
        "sqr squared quad",
        "write x^2 for a square, sqrt(x) for a root",
        "write x .^ 2 for a square, sqrt(x) for a root",
    ),
    Meaning("", "cube cubed", "write x^3", "write x .^ 3"),
    Meaning(
        "",
        "root squareroot square_root sqroot wurzel radical sqrtt rt",
        "write sqrt(x)",
        "write sqrt(x)",
    ),
    Meaning("", "rsqrt invsqrt", "write x^(-1/2)", "write x .^ (-1/2)"),
    Meaning("", "cuberoot cube_root curt", "write cbrt(x)", "write cbrt(x)"),
    Meaning("round", "rnd nint", "write rint(x)", "write rint(x)"),
    Meaning(
        "σ logistic expit",
        "sigm sig sigmoidal logit_inv inv_logit",
        "write sigmoid(x)",
        "write sigmoid(x)",
    ),
    Meaning("", "logit", "write log(x / (1 - x))", "write log(x ./ (1 - x))"),
    Meaning(
        "argmax argmin",
        "",
        "it has no derivative; max(x_i) and min(x_i) have one",
        "it has no derivative; max(x) and min(x) have one",
    ),
    Meaning("gamma Γ lgamma digamma", "gammaln psi beta_function", _REGISTER, _REGISTER),
    Meaning("", "erfc", "write 1 - erf(x)", "write 1 - erf(x)"),
    Meaning(
        "",
        "normcdf Phi_cdf ndtr phi_cdf",
        "write (1 + erf(x / sqrt(2))) / 2",
        "write (1 + erf(x / sqrt(2))) / 2",
    ),
    Meaning(
        "grad div curl rot",
        "gradient jacobian hessian laplacian derivative deriv derive differentiate",
        "take derivatives with ed.grad(text, wrt='x')",
        "take derivatives with ed.grad(text, wrt='x')",
    ),
    Meaning(
        "",
        "d D",
        "write a derivative in front of all that is differentiated: d/dx (..)",
        "write a derivative in front of all that is differentiated: d/dx (..)",
    ),
    Meaning(
        "",
        "lim limit",
        "there are no limits; write the function itself",
        "there are no limits; write the function itself",
    ),
    Meaning("", "integral integrate int", "there are no integrals", "there are no integrals"),
    Meaning("", "rank cond nullspace null", "it has no derivative", "it has no derivative"),
    Meaning(
        "",
        "eig eigenvalues eigvals eigs svd",
        "write eigvalsh(A)_i, for a symmetric matrix",
        "write eigvalsh(A), for a symmetric matrix",
    ),
    Meaning("", "silu", "write x sigmoid(x)", "write x .* sigmoid(x)"),
    Meaning(
        "", "crossentropy cross_entropy xent nll bce", "write -y_i log(p_i)", "write -y' log(p)"
    ),
    Meaning("", "entropy", "write -p_i log(p_i)", "write -p' log(p)"),
    Meaning("", "heaviside step unitstep", "write [x > 0]", "write [x > 0]"),
    Meaning("", "clip clamp", "write minimum(maximum(x, a), b)", "write minimum(maximum(x, a), b)"),
    Meaning(
        "",
        "re im real imag conj conjugate arg angle phase",
        "the derivatives are those by real variables",
        "the derivatives are those by real variables",
    ),
    Meaning(
        "",
        "factorial binom binomial",
        "it has no derivative; give its value as an operand",
        "it has no derivative; give its value as an operand",
    ),
)

#: Functions of the table, and what others call them; the first are never operands.
_SPELLED = {
    "sin": ("sinus", "sine seno"),
    "cos": ("cosinus", "cosine coseno"),
    "tan": ("tg tang", "tangent tangens tangente"),
    "arcsin": ("arcsinus", "asn arcsine arsin arc_sin sininv"),
    "arccos": ("arccosinus", "acs arccosine arcos arc_cos cosinv"),
    "arctan": ("arctg", "atg arctang arctangent arctangens artan arc_tan taninv"),
    "arctan2": ("atan2", "arctg2"),
    "sinh": ("", "sh sinhyp shin hsin"),
    "cosh": ("", "ch coshyp hcos"),
    "tanh": ("", "th tgh tanhyp htan"),
    "arcsinh": ("arsinh", "arsh argsh asinhyp"),
    "arccosh": ("arcosh", "arch argch"),
    "arctanh": ("artanh", "arth argth"),
    "exp": ("", "exponential expo e_to"),
    "log": ("", "logarithm loge nlog natlog"),
    "log1p": ("", "log_1p logp1 ln1p"),
    "expm1": ("", "exp_m1 expminus1"),
    "abs": ("fabs", "absolute absval betrag mod_abs modulus"),
    "sign": ("signum", "sgnum"),
    "max": ("amax", "maximal biggest largest"),
    "min": ("amin", "minimal smallest"),
    "maximum": ("fmax", "pmax"),
    "minimum": ("fmin", "pmin"),
    "prod": ("", "product Product"),
    "mod": ("fmod", "modulo rem remainder"),
    "ceil": ("", "ceiling roof"),
    "floor": ("", "flr entier"),
    "trunc": ("", "fix"),
    "relu": ("", "relU rectifier ramp plus pos positive_part"),
    "softplus": ("", "log1pexp"),
    "softmax": ("", "soft_max smax"),
    "log_softmax": ("", "logsoftmax"),
    "logsumexp": ("", "log_sum_exp lse LSE"),
    "logaddexp": ("", "log_add_exp"),
    "where": ("", "ifelse piecewise Piecewise select"),
    "erf": ("", "errorfunction error_function"),
    "hypot": ("", "hypotenuse"),
    "cholesky": ("", "chol"),
    "solve": ("", "linsolve mldivide lstsq"),
    "expm": ("", "matexp"),
}  # fmt: skip

#: Words that are also good names of operands, and mean a function where a factor follows.
BEFORE_FACTORS = ("mean", "avg", "average", "var", "std", "vec", "diag", "rank", "dot", "norm", "E",
                  "sh", "ch", "th", "lim")  # fmt: skip

#: What to write for signs that no notation has.
SIGNS_OF_OTHERS = {
    **dict.fromkeys("±∓", "write + or -, for one of the two"),
    **dict.fromkeys("≈≃≅∼≡≔≜∝", "an equation names its result, with =: y = A x"),
    **dict.fromkeys("∈∉∀∃⊂⊆∪∩", "give sizes with the operands, as in x='n', and no sets"),
    **dict.fromkeys("∧∨¬", "write a product of conditions: [x > 0] [y > 0]"),
    **dict.fromkeys("∫∬∮", "there are no integrals"),
    **dict.fromkeys("⌊⌋", "write floor(x)"),
    **dict.fromkeys("⌈⌉", "write ceil(x)"),
    **dict.fromkeys("⊕⊖", "write + or - between arrays of the same shape"),
    **dict.fromkeys("⋆★∗∙•", "write * for a product"),
    **dict.fromkeys("…⋯", "write the sum with its index: Σ_i x_i"),
    **dict.fromkeys("←↦⇒⇐↔", "write the formula alone; an equation names its result: y = A x"),
    "∛": "write cbrt(x)",
    "∜": "write x^(1/4)",
    "Δ": "write the difference as it is: x - y",
    "∏": "write Π_i x_i, or prod(x) for all entries",
    "¼": "write 1/4",
    "¾": "write 3/4",
    "⅓": "write 1/3",
    "⅔": "write 2/3",
    "°": "write the angle in radians: x * 3.14159265358979 / 180",
    "~": "write = for an equation, and functions by their names",
    "#": "write the formula without comments",
    "&": "write a product of conditions: [x > 0] [y > 0]",
    "?": "write where(x > 0, y, z), or [x > 0] y",
}

_COLUMNS = {"index": 2, "matrix": 3}


def _instead(column: int) -> dict[str, str]:
    """List what to write for each word of the tables, which may be no function of the notation."""
    found: dict[str, str] = {}
    for row in _MEANINGS:
        for word in f"{row.words} {row.others}".split():
            found.setdefault(word, row[column])
    for name, words in _SPELLED.items():
        for word in " ".join(words).split():
            found.setdefault(word, f"write {name}(x)")
    return found


_TOLD = {notation: _instead(column) for notation, column in _COLUMNS.items()}
_TOLD["either"] = {
    word: told if told == other else f"{told}; in matrix notation, {other}"
    for (word, told), other in zip(_TOLD["index"].items(), _TOLD["matrix"].values(), strict=True)
}

_SURE = {word for row in _MEANINGS for word in row.words.split()} | {
    word for sure, _ in _SPELLED.values() for word in sure.split()
}

#: What to write in index notation for words that are no operands unless they are given as such.
INSTEAD = {word: action for word, action in _TOLD["index"].items() if word in _SURE}

#: For each word that means one function, the function.
MEANT = {word: name for name, words in _SPELLED.items() for word in " ".join(words).split()}


def by_meaning(word: str, notation: str) -> str:
    """Say what to write for a word that means something, "" if it is in no table.

    The notation is ``"index"``, ``"matrix"``, or ``"either"`` where the text does not tell.

    >>> by_meaning("tg", "index"), by_meaning("frobenius", "matrix"), by_meaning("foo", "index")
    ('write tan(x)', 'write norm(x), norm(A)', '')
    """
    told = _TOLD[notation]
    return told.get(word) or (told.get(word.lower(), "") if len(word) > 2 else "")


def near(word: str, known: Iterable[str]) -> str:
    """Return the known word that is spelled nearly so, "" if there is none.

    >>> near("sofmax", ["softmax", "max"]), near("m", ["min"])
    ('softmax', '')
    """
    if len(word) < 3 or len(word) > 40:
        return ""
    close: Sequence[str] = get_close_matches(word, list(known), 1, 0.8)
    return close[0] if close else ""


def hint(word: str, notation: str, known: Iterable[str]) -> str:
    """Say what to write for a function that is not known, "" if nothing is near.

    >>> hint("arcsinus", "index", ["arcsinh"]), hint("foo", "index", ["sin"])
    ('write arcsin(x)', '')
    """
    told = by_meaning(word, notation)
    if told:
        return told
    close = near(word, known)
    return f"write {close}(..)" if close else ""
