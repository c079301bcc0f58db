r"""The commands of LaTeX that are read, as data, see `einsdiff.notation.latex_reader`.

A command is written without its backslash. What none of the tables has is refused, with the nearest
of those that they have.
"""

from __future__ import annotations

#: Greek letters by their names in LaTeX; those that look like Latin ones have none.
GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "varepsilon": "ε", "zeta": "ζ",
    "eta": "η", "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν",
    "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "varsigma": "ς", "tau": "τ", "upsilon": "υ",
    "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ",
    "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Upsilon": "Υ",
    "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω", "phi": "ϕ", "epsilon": "ϵ", "vartheta": "ϑ",
    "ell": "ℓ",
}  # fmt: skip

#: Further spellings of Greek letters.
GREEK_VARIANTS = {
    "varrho": "ρ", "varpi": "π", "varkappa": "κ", "varGamma": "Γ", "varDelta": "Δ",
    "varTheta": "Θ", "varLambda": "Λ", "varXi": "Ξ", "varPi": "Π", "varSigma": "Σ", "varPhi": "Φ",
    "varPsi": "Ψ", "varOmega": "Ω",
}  # fmt: skip

#: Signs between things and before them.
SIGNS = {
    "cdot": "·", "times": "×", "ast": "*", "div": "/", "slash": "/", "odot": "⊙", "circ": "⊙",
    "bullet": "⊙", "oslash": "⊘", "otimes": "⊗", "le": "<=", "leq": "<=", "leqslant": "<=",
    "ge": ">=", "geq": ">=", "geqslant": ">=", "ne": "!=", "neq": "!=", "lt": "<", "gt": ">",
    "coloneqq": "=", "triangleq": "=", "equiv": "=", "doteq": "=",
}  # fmt: skip

#: Signs that only matrix notation has.
OF_MATRICES = frozenset("⊙⊘⊗@")

#: Space, and what says how something looks.
IGNORED = frozenset(
    [
        *",;:!>/", "quad", "qquad", "enspace", "enskip", "thinspace", "medspace", "thickspace",
        "negthinspace", "hfill", "displaystyle", "textstyle", "scriptstyle", "scriptscriptstyle",
        "limits", "nolimits", "nonumber", "notag", "allowbreak", "nobreak", "noindent", "relax",
        "strut", "mathstrut",
    ]
) | {" ", "\n", "\t"}  # fmt: skip

#: Commands with an argument that is no part of the formula.
SKIPPED = frozenset(["label", "tag", "hspace", "vspace", "phantom", "hphantom", "vphantom"])

#: Delimiters: the sign, and whether it opens, closes, or does either.
DELIMITERS = {
    "(": ("(", "open"), ")": (")", "close"), "[": ("[", "open"), "]": ("]", "close"),
    "lbrack": ("[", "open"), "rbrack": ("]", "close"), "lparen": ("(", "open"),
    "rparen": (")", "close"), r"\{": ("{", "open"), r"\}": ("}", "close"),
    "lbrace": ("{", "open"), "rbrace": ("}", "close"), "langle": ("<", "open"),
    "rangle": (">", "close"), "lfloor": ("⌊", "open"), "rfloor": ("⌋", "close"),
    "lceil": ("⌈", "open"), "rceil": ("⌉", "close"), "|": ("|", "either"),
    "vert": ("|", "either"), "lvert": ("|", "open"), "rvert": ("|", "close"),
    r"\|": ("‖", "either"), "Vert": ("‖", "either"), "lVert": ("‖", "open"),
    "rVert": ("‖", "close"), "‖": ("‖", "either"), "⟨": ("<", "open"), "⟩": (">", "close"),
    "⌊": ("⌊", "open"), "⌋": ("⌋", "close"), "⌈": ("⌈", "open"), "⌉": ("⌉", "close"),
}  # fmt: skip

#: What a delimiter is closed by.
CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">", "⌊": "⌋", "⌈": "⌉", "|": "|", "‖": "‖"}

#: What makes delimiters large, and what follows from it.
GROWING = {
    "left": "open",
    "right": "close",
    **{
        size + side: meaning
        for size in ("big", "Big", "bigg", "Bigg")
        for side, meaning in (("l", "open"), ("r", "close"), ("m", ""), ("", ""))
    },
}

FRACTIONS = frozenset(["frac", "tfrac", "dfrac", "cfrac", "nicefrac", "sfrac"])

#: Functions that have commands of their own, and are written as words too.
_SPOKEN = [
    "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "exp", "log",
    "det", "max", "min", "tr", "diag", "sign", "inv", "softmax", "abs", "norm",
]  # fmt: skip
_CALLED = {
    **{name: name for name in _SPOKEN},
    "ln": "log",
    "lg": "log10",
    "Tr": "tr",
    "Diag": "diag",
    "sgn": "sign",
}

#: Functions with commands of their own.
FUNCTIONS = {**_CALLED, "trace": "tr", "vect": "vec"}

_WRITTEN = [
    "arcsinh", "arccosh", "arctanh", "asin", "acos", "atan", "asinh", "acosh", "atanh", "log1p",
    "expm1", "log2", "log10", "sqrt", "cbrt", "logdet", "signdet", "pinv", "adj", "trace",
    "vec", "norm1", "norm2", "kron", "expm", "logm", "sqrtm", "maximum", "minimum", "sum",
    "mean", "prod", "log_softmax", "logsumexp", "sigmoid", "relu", "softplus", "silu", "gelu",
    "erf", "erfc", "gamma", "lgamma", "digamma", "where", "floor", "ceil", "logit",
]  # fmt: skip

#: Functions that are written as words, and how they are spelled here; those without a bracket after
#: them as well, and as letters without a command.
WORDS = {
    **_CALLED,
    **{word: word for word in _WRITTEN},
    "Trace": "tr",
    "Vec": "vec",
    "ReLU": "relu",
    "LSE": "logsumexp",
}

#: Functions whose argument is a product as a whole, where it has no bracket.
OF_PRODUCTS = frozenset(["tr", "trace", "det", "logdet", "signdet", "vec"])

#: Functions that only matrix notation has, or that tell that something is a matrix.
OF_MATRIX_NOTATION = frozenset(["tr", "trace", "diag", "vec", "kron", "norm", "norm1", "norm2"])

#: Functions whose power stands before the argument.
POWERED = frozenset(["sin", "cos", "tan", "sinh", "cosh", "tanh", "cot", "coth", "log", "exp"])

#: Letters in another style, which stay one name for each letter.
STYLES = {
    "mathbf": "bold",
    "boldsymbol": "bold",
    "bm": "bold",
    "pmb": "bold",
    "bf": "bold",
    "symbf": "bold",
    "vec": "bold",
    "mathcal": "calligraphic",
    "mathscr": "calligraphic",
    "cal": "calligraphic",
    "mathfrak": "Fraktur",
    "mathnormal": "",
}

#: Several letters as one name.
UPRIGHT = frozenset(
    [
        "mathrm",
        "text",
        "operatorname",
        "operatorname*",
        "textrm",
        "textit",
        "textbf",
        "textsf",
        "texttt",
        "textnormal",
        "mathit",
        "mathsf",
        "mathtt",
        "mathop",
        "rm",
        "mbox",
    ]
)

#: Accents: the sign that is joined to a letter, and the word in a name such as x_hat.
ACCENTS = {
    "hat": ("\u0302", "hat"),
    "widehat": ("\u0302", "hat"),
    "bar": ("\u0304", "bar"),
    "overline": ("\u0304", "bar"),
    "tilde": ("\u0303", "tilde"),
    "widetilde": ("\u0303", "tilde"),
    "dot": ("\u0307", "dot"),
    "ddot": ("\u0308", "ddot"),
    "check": ("\u030c", "check"),
    "breve": ("\u0306", "breve"),
    "acute": ("\u0301", "acute"),
    "grave": ("\u0300", "grave"),
}

#: What stands above a name without being a power, and how it is written: a transpose, an inverse.
RAISED = {
    ("top",): "ᵀ", ("intercal",): "ᵀ", ("⊤",): "ᵀ", ("transpose",): "ᵀ", ("tp",): "ᵀ",
    ("T",): "^T", ("-", "1"): "^-1", ("-", "top"): "⁻ᵀ", ("-", "T"): "⁻ᵀ",
    ("-", "1", "top"): "⁻ᵀ", ("-", "⊤"): "⁻ᵀ", ("+",): "⁺", ("dagger",): "⁺", ("dag",): "⁺",
    ("+", "top"): "⁺ᵀ", ("+", "T"): "⁺ᵀ", ("prime",): "'", ("H",): "ᴴ",
}  # fmt: skip

#: Surroundings of a whole formula, and of matrices.
WRAPPERS = frozenset(
    name + star
    for name in [
        "equation",
        "align",
        "aligned",
        "gather",
        "gathered",
        "split",
        "displaymath",
        "math",
        "multline",
    ]
    for star in ("", "*")
)
MATRICES = frozenset(
    ["matrix", "pmatrix", "bmatrix", "Bmatrix", "smallmatrix", "array", "vmatrix", "Vmatrix"]
)

#: Commands that are refused, and what to write in their place.
REFUSED = {
    **dict.fromkeys(
        ["dots", "cdots", "ldots", "vdots", "ddots", "dotsc", "dotsb"],
        r"write the sum with its index: \sum_{i=1}^{n} x_i",
    ),
    **dict.fromkeys(["int", "iint", "oint"], "einsdiff has no integrals"),
    **dict.fromkeys(["argmin", "argmax"], "give the function that is to be minimised or maximised"),
    **dict.fromkeys(
        [
            "in",
            "forall",
            "exists",
            "subset",
            "colon",
            "mid",
            "to",
            "mapsto",
            "rightarrow",
            "implies",
            "iff",
            "Rightarrow",
        ],
        "give the formula only, and sizes with the operands: x='n'",
    ),
    **dict.fromkeys(
        ["approx", "sim", "simeq", "propto", "cong"], "an equation names its result: y = A x"
    ),
    **dict.fromkeys(["pm", "mp"], "write + or -, for one of the two"),
    "lim": "einsdiff has no limits; write the function itself",
    "mathbb": r"\mathbb{1} is read only; give expectations and sets in words of the program",
    "substack": "write one sum for each line",
    "cross": "write a cross product with the Levi-Civita symbol: ε_{ijk} a_j b_k",
    "begin": "equation, align with one line, bmatrix, pmatrix, matrix and cases are read",
    "end": "it closes nothing",
    "right": "it closes nothing",
    "middle": "write a bracket, or none",
    "binom": "write the number",
    "star": r"write \cdot for a product",
    "hbar": "give it another name",
    "imath": "write i",
    "jmath": "write j",
    "stackrel": "write =",
    "overset": "write the sign alone",
    "underset": "write what stands below as an index",
    "overbrace": "write what it spans without the brace",
    "underbrace": "write what it spans without the brace",
}

#: Every command that is read, to find the one that was meant.
KNOWN = frozenset(
    {
        *GREEK, *GREEK_VARIANTS, *SIGNS, *GROWING, *FUNCTIONS, *STYLES, *UPRIGHT, *ACCENTS,
        *(name for name in DELIMITERS if name.isalpha()), *FRACTIONS, "sqrt", "sum", "prod",
        "partial", "nabla", "infty", "top", "intercal", "dagger", "prime", "mathbb", "begin",
        "end", "mathds", "mathbbm", "quad", "qquad", "displaystyle", "limits",
    }
)  # fmt: skip
