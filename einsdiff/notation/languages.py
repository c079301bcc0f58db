"""Programming languages and programs whose formulas people type, as data.

How each is recognised, and what its functions and signs are here, for `einsdiff.notation.foreign`.
In what is written for a call, ``{0}`` is its first argument, and ``{0:f}`` the same as a factor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Language:
    """A language: what it is called, how it is recognised, and how it is translated.

    Attributes
    ----------
    title
        What it is called in messages.
    evidence
        What only texts in this language have.
    advice
        What to do in general.
    calls
        For each function, by the number of arguments or for any, what is written here. A function
        of another name alone is that name; what is missing is called so here too.
    signs
        For each sign what is written here.
    brackets
        The bracket after a function, and the one after an array; these may be the same.
    first
        The index of the first entry; None if there is no knowing.
    """

    title: str
    evidence: re.Pattern[str]
    advice: str
    calls: Mapping[str, str | Mapping[int, str]] = field(default_factory=dict)
    signs: Mapping[str, str] = field(default_factory=dict)
    brackets: tuple[str, str] = ("(", "[")
    first: int | None = 0


_SAME = {
    name: name
    for name in (
        *("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "sqrt", "abs", "sign", "det"),
        *("log10", "log2", "log1p", "expm1", "arcsin", "arccos", "arctan", "arcsinh", "arccosh"),
        *("arctanh", "maximum", "minimum", "floor", "ceil", "trunc", "where", "sum", "mean", "max"),
        *("min", "prod", "trace", "diag", "kron", "outer", "square", "sigmoid", "relu", "softmax"),
        *("logaddexp", "hypot", "cbrt", "pinv", "inv", "erf", "expm", "softplus", "gelu", "silu"),
    )
}

_PRODUCT = {2: "{0:f} · {1:f}"}

_OF_ARRAYS: dict[str, str | Mapping[int, str]] = {
    **_SAME,
    **dict.fromkeys(("dot", "vdot", "inner", "matmul", "mm", "mv", "tensordot"), _PRODUCT),
    **dict.fromkeys(("linalg.inv", "inverse"), "inv({0})"),
    "linalg.det": "det({0})",
    "linalg.pinv": "pinv({0})",
    "linalg.norm": {1: "norm({0})", 2: "norm({0})"},
    "norm": {1: "norm({0})"},
    "linalg.slogdet": "logdet({0})",
    "linalg.solve": "inv({0}) {1:f}",
    "solve": "inv({0}) {1:f}",
    "linalg.matrix_power": "{0:f}^{1}",
    "linalg.multi_dot": "{0}",
    "linalg.trace": "tr({0})",
    "linalg.expm": "expm({0})",
    "special.expit": "sigmoid({0})",
    "special.logsumexp": "logsumexp({0})",
    "special.softmax": "softmax({0})",
    "special.erf": "erf({0})",
    "nn.functional.softmax": "softmax({0})",
    "nn.functional.relu": "relu({0})",
    "nn.functional.sigmoid": "sigmoid({0})",
    "transpose": {1: "{0:f}'"},
    "t": {1: "{0:f}'"},
    "multiply": "{0:f} .* {1:f}",
    "divide": "{0:f} ./ {1:f}",
    "add": "{0} + {1}",
    "subtract": "{0} - {1:f}",
    "power": "{0:f} .^ {1:f}",
    "pow": "{0:f} .^ {1:f}",
    "negative": "-{0:f}",
    "absolute": "abs({0})",
    "reciprocal": "1 ./ {0:f}",
    "eye": {1: "eye({0})"},
    "identity": "eye({0})",
    "ones": {1: "ones({0})"},
    "zeros": {1: "zeros({0})"},
    "array": "{0}",
    "asarray": "{0}",
    "ravel": "vec({0})",
    "flatten": "vec({0})",
    "diagonal": "diag({0})",
    "cross": "ε_ijk {0:f}_j {1:f}_k",
    "reduce_sum": "sum({0})",
    "reduce_mean": "mean({0})",
}

_ENTRYWISE = {"**": " .^ ", "*": " .* ", "/": " ./ "}
_PYTHON = "pass the function itself, ed.grad(lambda A, x: .., A, x), or write a formula"

_SYMBOLIC: dict[str, str | Mapping[int, str]] = {
    **_SAME,
    "Abs": "abs({0})",
    "Trace": "tr({0})",
    "Transpose": "{0:f}'",
    "transpose": "{0:f}'",
    "Inverse": "inv({0})",
    "MatrixInverse": "inv({0})",
    "Determinant": "det({0})",
    "Rational": "{0}/{1}",
    "Max": "maximum({0}, {1})",
    "Min": "minimum({0}, {1})",
    "HadamardProduct": "{0:f} ⊙ {1:f}",
    "hadamard_product": "{0:f} ⊙ {1:f}",
    "MatMul": "{0:f} {1:f}",
    "Mul": "{0:f} {1:f}",
    "Add": "{0} + {1}",
    "Pow": "{0:f}^{1:f}",
    "MatPow": "{0:f}^{1:f}",
    "KroneckerProduct": "{0:f} ⊗ {1:f}",
    "KroneckerDelta": "δ_{0}{1}",
    "LeviCivita": "ε_{0}{1}{2}",
    "Identity": "eye({0})",
    "ln": "log({0})",
    "asin": "arcsin({0})",
    "acos": "arccos({0})",
    "atan": "arctan({0})",
    "DotProduct": "{0:f}' {1:f}",
    "simplify": "{0}",
    "expand": "{0}",
    "LinearAlgebra[Trace]": "tr({0})",
}

_MATHEMATICA: dict[str, str | Mapping[int, str]] = {
    **{
        name.title(): f"{name}({{0}})"
        for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "sqrt", "abs", "sign")
    },
    "Log": {1: "log({0})"},
    "Log2": "log2({0})",
    "Log10": "log10({0})",
    "ArcSin": "arcsin({0})",
    "ArcCos": "arccos({0})",
    "ArcTan": {1: "arctan({0})"},
    "Erf": "erf({0})",
    "Max": "max({0})",
    "Min": "min({0})",
    "Floor": "floor({0})",
    "Ceiling": "ceil({0})",
    "Round": "rint({0})",
    "Ramp": "relu({0})",
    "LogisticSigmoid": "sigmoid({0})",
    "Tr": "tr({0})",
    "Transpose": "{0:f}'",
    "ConjugateTranspose": "{0:f}'",
    "Inverse": "inv({0})",
    "PseudoInverse": "pinv({0})",
    "LinearSolve": "inv({0}) {1:f}",
    "Det": "det({0})",
    "Norm": {1: "norm({0})"},
    "Total": "sum({0})",
    "Mean": "mean({0})",
    "Dot": "{0:f} {1:f}",
    "Times": "{0:f} .* {1:f}",
    "Plus": "{0} + {1}",
    "Power": "{0:f}^{1:f}",
    "MatrixPower": "{0:f}^{1:f}",
    "MatrixExp": "expm({0})",
    "Outer": {3: "{1:f} {2:f}'"},
    "KroneckerProduct": "{0:f} ⊗ {1:f}",
    "KroneckerDelta": "δ_{0}{1}",
    "LeviCivitaTensor": "ε_ijk",
    "IdentityMatrix": "eye({0})",
    "DiagonalMatrix": "diag({0})",
    "Diagonal": "diag({0})",
    "Flatten": "vec({0})",
    "Simplify": "{0}",
}

#: The languages, in the order in which they are looked for.
LANGUAGES = (
    Language(
        "a call of einsum",
        re.compile(r"\beinsum\s*\(\s*[\"']"),
        "pass the string and its operands: ed.grad('ij,j->i', A, x, wrt='x')",
    ),
    Language(
        "R",
        re.compile(r"%\*%|%o%|%x%|\bcrossprod\s*\(|\bfunction\s*\(|<-"),
        "products are written side by side here, A x, and transposes A'",
        {
            **_SAME,
            "t": {1: "{0:f}'"},
            "solve": {1: "inv({0})", 2: "inv({0}) {1:f}"},
            "crossprod": {1: "{0:f}' {0:f}", 2: "{0:f}' {1:f}"},
            "tcrossprod": {1: "{0:f} {0:f}'", 2: "{0:f} {1:f}'"},
            "outer": "{0:f} {1:f}'",
            "pmax": "maximum({0}, {1})",
            "pmin": "minimum({0}, {1})",
            "ceiling": "ceil({0})",
            "kronecker": "{0:f} ⊗ {1:f}",
            "norm": {1: "norm({0})", 2: "norm({0})"},
        },
        {"%*%": " ", "%o%": " ⊗ ", "%x%": " ⊗ ", "*": " .* ", "^": " .^ ", "%%": "mod"},
        ("(", "["),
        1,
    ),
    Language(
        "Mathematica",
        re.compile(
            r"\b[A-Z][a-z]+[A-Za-z0-9]*\[|\bD\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*,\s*[{^\W\d]|\w\[\["
            r"|\]\s*\.\s*\w|\bE\^|/\."
        ),
        "functions have round brackets and small letters here, sin(x)",
        _MATHEMATICA,
        {".": " ", "**": " "},
        ("[", "[["),
        1,
    ),
    Language(
        "NumPy",
        re.compile(
            r"\b(?:np|numpy|jnp|jax|torch|tf|tensorflow|cp|cupy|scipy|math|F|K|mx|nn)\.[a-zA-Z]\w*"
        ),
        _PYTHON,
        _OF_ARRAYS,
        _ENTRYWISE,
    ),
    Language(
        "Python",
        re.compile(
            r"\blambda\b[^:]*:|\bdef\s+\w+\s*\(|\breturn\b|\w\.(?:dot|sum|mean|inv|transpose|trace"
            r"|det|norm|max|min|prod|doit|conj|matmul|mm|t|exp|log|diagonal|flatten|ravel|reshape"
            r"|subs|diff|item|pow)\(|\bfor\s+\w+\s+in\b|\w\[[^\[\]]*:[^\[\]]*\]\s*\[|\*\*\s*-?\w+\s*\["
        ),
        _PYTHON,
        _OF_ARRAYS,
        {"**": "^"},
    ),
    Language(
        "Maple",
        re.compile(
            r"=\s*-?\w+\s*\.\.|[)\w]\s+\.\s+[(\w]|\^%T|&\*|&x|\bLinearAlgebra\b|\b(?:Diff|Int)\s*\("
        ),
        "sums are written Σ_{i=1}^{n} x_i here, derivatives d/dx (..)",
        _SYMBOLIC,
        {".": " ", "&*": " ", "^%T": "'", "%T": "T", "&x": " ⊗ "},
        ("(", "["),
        1,
    ),
    Language(
        "SymPy or Maple",
        re.compile(
            r"\b(?:Sum|Derivative|diff|Integral|MatrixSymbol|IndexedBase|Indexed|Symbol|symbols|Idx"
            r"|Matrix|Rational|Transpose|Trace|Inverse|Determinant|HadamardProduct|KroneckerDelta"
            r"|KroneckerProduct|LeviCivita|MatMul|MatAdd|MatPow|Identity|ZeroMatrix|Abs|Product"
            r"|hadamard_product|DotProduct|integrate|summation|sympy|sp|Eq)\s*[(.]"
        ),
        "pass the expression itself, not its text: ed.from_sympy(expression)",
        _SYMBOLIC,
        {"**": "^"},
    ),
    Language(
        "Julia",
        re.compile(r"\w\.\(|\babs2\b|\bLinearAlgebra\b|[^\W\d]\w*\s*->|\bend\b|\.\+|\.-"),
        "functions are taken of each entry here: exp(x)",
        {
            **_SAME,
            "dot": "{0:f}' {1:f}",
            "tr": "tr({0})",
            "norm": {1: "norm({0})", 2: "norm({0})"},
            "transpose": "{0:f}'",
            "adjoint": "{0:f}'",
            "abs2": "abs({0})^2",
            "logdet": "logdet({0})",
            "Diagonal": "diag({0})",
        },
        {".+": " + ", ".-": " - "},
        ("(", "["),
        1,
    ),
    Language(
        "MATLAB",
        re.compile(
            r"[^\W\d]\w*\s*\(\s*(?::|end\b|\d+\s*[,:)])|[^\W\d]\w*\s*\([^()]*,\s*(?::|\d+|end)\s*\)"
            r"|[\w)]'?\s*\\\s*[\w(]|@\(|;\s*$|\bend\b|\w\(:\)|\(\w+:\w|'fro'"
            r"|\bnorm\([^()]*,\s*(?:\d|[iI]nf)"
        ),
        "entries are written with labels that count from 0: A_{0,1}; a row is A_0j",
        {
            **_SAME,
            "dot": "{0:f}' {1:f}",
            "trace": "tr({0})",
            "norm": {1: "norm({0})", 2: "norm({0})"},
            "transpose": "{0:f}'",
            "numel": "n",
            "length": "n",
            "ctranspose": "{0:f}'",
            "mldivide": "inv({0}) {1:f}",
            "times": "{0:f} .* {1:f}",
            "mtimes": "{0:f} {1:f}",
            "eye": {1: "eye({0})"},
        },
        {},
        ("(", "("),
        1,
    ),
    Language(
        "Python, or Julia and R, which count from 1",
        re.compile(r"[^\W\d]\w*\s*\[\s*(?:[-+:\w\s]+,)*\s*[-+:\w\s]*\]"),
        "entries are written with labels that count from 0: x_0, A_{0,1}; a row is A_0j",
        _SAME,
        {"**": "^"},
        ("(", "["),
        0,
    ),
)
