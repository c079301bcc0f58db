"""Strings that are nearly right, for everything that reads one: nothing but einsdiff's errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.fuzz.drawing import Draw
from tests.fuzz.trials import RefusedError, Trial

FORMULAS = (
    "f_ij = A_ik B_kj + C_ij",
    "(y_i - A_ij x_j) (y_i - A_ik x_k)",
    "f_i = exp(A_ij x_j) / (1 + x_i^2)^(1/2)",
    "Σ_j A_ij x_i - 1/2 δ_ij B_ji",
    "∂f_i/∂A_pq = δ_ip x_q",
    "∂²f/∂x_p∂x_q = 2 A_pq",
    "x_{i+1} y_i + x_0 z",
    "max(A_ij)_i x_i + det(X) inv(X)_ij Y_ij",
    "[x_i > 0] x_i - [i ≥ j] A_ij",
    "f = einsum",
    "x^T A x + yᵀ y",
    "λ x² + sin x cos(y_1) e^x",
    "1.5e-3 x_i^-2 - 2 (x_i y_i)^0.5",
    "A_{i,0} x_{2 i + 1} log(1e10)",
    "0 x_i + x_i x^i",
)
#: What people type in other notations, and derivatives that they ask for in the text.
TYPED = (
    "x' A x",
    "-2 (y - A x)ᵀ A",
    "x.T @ A @ x + c",
    "tr(A X B) + log det X",
    "1/2 ||T - U V'||^2 + λ/2 ‖U‖²",
    "a' X^-1 b ./ (x .* x)",
    "(A ⊗ B) vec(X) ⊙ 𝟏",
    "sum(log(exp(-y.*(X*w)) + vector(1)))",
    "[a; b]' [A, B] e_2 I_n K_mn",
    "d/dx (x' A x)",
    "∂²/∂x∂y (x_i A_ij y_j)",
    "∇_x ‖A x - y‖",
    "Σ_{i=1}^{n} (y_i - A_ij x_j)^2",
    "ε_ijk ε_imn a_j b_k g_mn x^m",
    r"\frac{1}{2}\lVert y - \Phi\theta\rVert^2",
    r"\sum_{i=1}^N \left(y_i - A_{ij} x_j\right)^2",
    r"\operatorname{tr}(X^\top A X) + \log\det X",
    r"\frac{\partial}{\partial x} \mathbf{x}^{\top} A \mathbf{x}",
    r"\nabla_{x} \begin{bmatrix} a & b \\ c & d \end{bmatrix} x",
)
TYPED_WORDS = (
    "'",
    "^T",
    "^-1",
    "‖",
    "||",
    "⊙",
    "⊗",
    ".*",
    "./",
    "@",
    "tr(",
    "diag(",
    "I",
    "𝟏",
    "d/dx ",
    "∂/∂A ",
    "Σ_{i=1}^{n} ",
    "ε_ijk",
    "\\",
    "\\frac{",
    "\\left(",
    "\\top",
    "}^{",
    "}",
)
#: How many texts one example has, as parsing is fast.
TEXTS = 25

SUBSCRIPTS = (
    "ij,j->i",
    "mp,mq->pq",
    "...ij,...jk",
    "i->ii",
    "ij,jk,kl->il",
    "ii->",
    "ba",
    ",i->i",
    "αβ,β->α",
)
NAMES = ("A", "x", "x_1", "θ", "∂f", "max", "ﬁ", "A'", "np", "sizes", "λ2", "0", "i", "")
SIGNS = (
    "ijkpqxyAB01239 ,.;:_^{}()[]+-*/=<>~!?'\"\\|&%$#@\n\t"
    "ΣΠδε∂∇²³ᵀ⁻¹ˣ₁ᵢ·×≥≤≠→−–“”…αλθﬁ𝐱\u0301\u200b\xa0\0"
)
WORDS = (
    "->",
    "...",
    "Σ_",
    "δ_",
    "∂",
    "^-1",
    "_{",
    "inv(",
    "exp(",
    "nan",
    "inf",
    "1e999",
    "sum",
    "T",
    "²",
    "j",
)

Reader = Callable[[Draw, Trial], None]


def mutated(draw: Draw, text: str, words: Sequence[str] = WORDS) -> str:
    """Change a text at a few places."""
    for _ in range(draw.choice([0, 1, 1, 1, 2, 3, 6])):
        at, end = sorted(draw.integer(0, len(text)) for _ in range(2))
        kind = draw.integer(0, 6)
        if kind == 0:
            text = text[:at] + text[at + 1 :]
        elif kind == 1:
            text = text[:at] + draw.choice(SIGNS) + text[at:]
        elif kind == 2:
            text = text[:at] + draw.choice(words) + text[at:]
        elif kind == 3:
            text = text[:at] + draw.choice(SIGNS) + text[at + 1 :]
        elif kind == 4:
            text = text[:end] + text[at:end] * draw.choice([1, 1, 1, 2, 5]) + text[end:]
        elif kind == 5:
            text = text[:at] + text[end:]
        else:
            text = text[end:] + draw.choice(["", " ", " + "]) + text[:end]
    return text[:200]


def check(draw: Draw, trial: Trial) -> None:
    """Claim that a reader reads a mutated text, or says that it does not, at once."""
    draw.choice(READERS)(draw, trial)


def _formula(draw: Draw, trial: Trial) -> None:
    text = mutated(draw, draw.choice(FORMULAS))
    given = draw.choice(["", "", "", ", x=(3,)", ", A=(2, 3)", ", sizes={'i': 2}"])
    trial.ends("parse", f"ed.parse({text!r}{given})")
    source = draw.choice(
        ["str({})", "{}.shape", "ed.grad({}, wrt='x')", "{}.format('matrix')", "{}.code()"]
    )
    trial.ends("of a text", source.format(f"ed.parse({text!r})"))
    try:
        trial.do(f"f = ed.parse({text!r}{given})")
    except RefusedError:
        return
    names = set(trial.space["f"].names)
    operands = given if "sizes" in given or names & set(given) else ""
    trial.ends("read back", f"ed.parse(str(f){operands})")


def _typed(draw: Draw, trial: Trial) -> None:
    """Claim of many texts that one ends, and of one what is printed of it, too."""
    given = draw.choice(["", "", ", A=(2, 3)", ", x=(3,)", ", notation='matrix'"])
    for _ in range(TEXTS):
        text = mutated(draw, draw.choice(draw.choice([TYPED, TYPED, FORMULAS])), TYPED_WORDS)
        trial.ends("parse", f"ed.parse({text!r}{given})")
    source = draw.choice(["str({})", "ed.grad({}, wrt='x')", "{}.latex()", "{}.code()"])
    trial.ends("of a text", source.format(f"ed.parse({text!r})"))


def _subscripts(draw: Draw, trial: Trial) -> None:
    text = mutated(draw, draw.choice(SUBSCRIPTS))
    operands = [
        draw.choice(["'A'", "'x'", "np.ones((2, 3))", "np.ones(3)"])
        for _ in range(draw.integer(1, 3))
    ]
    if draw.flag(0.7):
        operands = [f"'{'ABCDEFGH'[k % 8]}'" for k in range(text.split("->")[0].count(",") + 1)][:9]
    verb = draw.choice(
        [
            "ed.einsum({})",
            "str(ed.einsum({}))",
            "ed.grad({}, wrt=0)",
            "ed.einsum({}).format('matrix')",
        ]
    )
    trial.ends("einsum", verb.format(f"{text!r}, {', '.join(operands)}"))


def _wrt(draw: Draw, trial: Trial) -> None:
    wrt = mutated(draw, draw.choice(["x", "A", "x_0", "A_0j", "f", "0", "-1"]))
    trial.ends("wrt", f"ed.grad('f_i = A_ij x_j', wrt={wrt!r})")


def _tensor(draw: Draw, trial: Trial) -> None:
    name = mutated(draw, draw.choice(NAMES))
    size = mutated(draw, draw.choice(["mn", "n", "(2, 3)", "ij"]))
    shape = draw.choice([repr(size), f"({size!r}, 2)", "(2, 3)", "3", f"({size!r}, {size!r})"])
    trial.ends("tensor", f"ed.tensor({name!r}, {shape})")
    source = draw.choice(
        [
            "str({}*2)",
            "ed.parse(str({0}.sum()))",
            "{}.latex()",
            "{}.code()",
            "({0} * {0}).format('matrix')",
        ]
    )
    trial.ends("of a name", source.format(f"ed.tensor({name!r}, {shape})"))
    if draw.flag(0.3):
        trial.ends("sizes", f"ed.parse('x_i', sizes={{{name!r}: {shape}}})")
    if draw.flag(0.3):
        trial.ends("sympy", f"ed.from_sympy({name!r})")


COMMANDS = (
    ("ij,j->i", "A", "x", "--wrt", "A"),
    ("f_i = exp(A_ij x_j)", "--wrt", "x", "--explain"),
    ("x_i A_ij x_j", "--wrt", "x", "--order", "2", "--code", "torch"),
    ("A_ij x_j", "--wrt", "A", "--shapes", "A=2,3", "x=3", "--json"),
    ("x' A x", "--wrt", "x"),
    ("d/dx (x' A x)", "--notation", "matrix"),
    ("R_mp R_mq", "--wrt", "R", "--cases", "--latex"),
    ("A_ij x_j", "--wrt", "x", "--matrix", "--layout", "denominator", "--vec", "F"),
    ("mp,mq->pq", "R", "R", "--wrt", "R", "--data", "R=missing.csv"),
    ("y sin(x + y)", "--wrt", "y", "--table", "reverse"),
)


def _command(draw: Draw, trial: Trial) -> None:
    words = list(draw.choice(COMMANDS))
    for _ in range(draw.integer(1, 2)):
        at = draw.integer(0, len(words) - 1)
        words[at] = mutated(draw, words[at])
    if any(word.startswith(("--o", "--di", "--p")) and word != "--order" for word in words):
        return  # nothing is to be written
    trial.do("from tests.fuzz.texts import command")
    trial.ends("command", f"command({words!r})")


def command(words: list[str]) -> int:
    """Run the command; keep what it prints, and take its exits for its answer."""
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    from einsdiff.cli import main

    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        try:
            return main(words)
        except SystemExit as end:
            if end.code not in (0, 2):
                raise
            return int(end.code)


READERS: tuple[Reader, ...] = (*[_formula] * 3, *[_typed] * 3, _subscripts, _wrt, _tensor, _command)
