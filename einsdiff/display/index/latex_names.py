r"""Names, numbers and indices in LaTeX.

>>> print(latex_name("w_hidden"), latex_number(2.5e20), latex_indices(["i10", "j"]))
w_{\mathrm{hidden}} 2.5 \cdot 10^{20} i_{10},j
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from math import isfinite, isnan
from unicodedata import normalize

from einsdiff.algebra.nodes.interning import Number
from einsdiff.notation.latex_commands import ACCENTS, GREEK
from einsdiff.notation.subscripts import Size
from einsdiff.notation.trees import Affine, Index

#: The names of Greek letters in LaTeX; those that look like Latin ones have none.
_GREEK = {letter: name for name, letter in GREEK.items()}
#: The names of accents that are joined to a letter.
_ACCENTS = {mark: name for name, (mark, _) in reversed(ACCENTS.items()) if len(name) < 6}
_MACROS = {**_GREEK, **{name: name for name in _GREEK.values()}, "epsilon": "varepsilon"}
#: Signs that mean something to LaTeX, as text.
_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
}  # fmt: skip


def latex_text(text: str) -> str:
    r"""Write plain text in a formula; what LaTeX or a font would not take is spelled out.

    >>> print(latex_text("100 % of a_b"))
    \text{100 \% of a\_b}
    """
    return rf"\text{{{''.join(_ESCAPES.get(c) or _letter(c) for c in text)}}}"


def latex_operator(name: str) -> str:
    r"""Write the name of a function, upright.

    >>> print(latex_operator("log_softmax"))
    \operatorname{log\_softmax}
    """
    return latex_text(name).replace(r"\text", r"\operatorname", 1)


#: Scripts that KaTeX has in text, in its strict mode: Latin, Cyrillic, Armenian, those of India and
#: beyond, Japanese, Chinese, Korean.
_SCRIPTS = (
    (0x20, 0x7E),
    (0xC0, 0xD6),
    (0xD8, 0xF6),
    (0xF8, 0x24F),
    (0x400, 0x4FF),
    (0x530, 0x58F),
    (0x900, 0x10FF),
    (0x3040, 0x30FF),
    (0x4E00, 0x9FAF),
    (0xAC00, 0xD7AF),
)


def _letter(char: str) -> str:
    """Write a letter in text: itself where KaTeX has its script, else its code point."""
    is_known = any(low <= ord(char) <= high for low, high in _SCRIPTS)
    return char if is_known else f"U+{ord(char):04X}"


def latex_name(name: str) -> str:
    r"""Write the name of a variable or a label: a letter in italics, a word upright.

    What follows an underscore, and the digits at the end, is an index.

    >>> for name in ("A", "θ", "theta", "x_1", "x1", "loss", "w_hidden", "_a"):
    ...     print(latex_name(name), end="  ")
    A  \theta  \theta  x_{1}  x_{1}  \mathrm{loss}  w_{\mathrm{hidden}}  \text{\_a}
    """
    apart = normalize("NFD", name)  # names are read in NFKC, where ȳ is one sign
    accent = next((char for char in apart if char in _ACCENTS), "")
    if (
        re.fullmatch(rf"\w{re.escape(accent)}\d*(_.*)?", apart) and accent
    ):  # such as the name of an adjoint, x̄
        base, brace, below = latex_name(apart.replace(accent, "")).partition("_{")
        return rf"\{_ACCENTS[accent]}{{{base}}}{brace}{below}"
    numbered = re.fullmatch(r"([^\W\d_]+)([0-9]+)", name)
    parts = list(numbered.groups()) if numbered else name.split("_")
    if not name.isidentifier() or not all(parts):
        return latex_text(name)
    stem, *rest = (_word(part) for part in parts)
    return f"{stem}_{{{','.join(rest)}}}" if rest else stem


def _word(text: str) -> str:
    if text in _MACROS:
        return "\\" + _MACROS[text]
    if not text.isascii():
        return latex_text(text)
    return text if len(text) == 1 or text.isdigit() else rf"\mathrm{{{text}}}"


def latex_number(value: Number) -> str:
    r"""Write a number with its sign: integers and fractions exactly, floats as Python does.

    >>> print(latex_number(Fraction(-1, 2)), latex_number(1e-06), latex_number(2.5e20))
    -\frac{1}{2} 10^{-6} 2.5 \cdot 10^{20}
    >>> print(latex_number(float("-inf")), latex_number(1 + 2j))
    -\infty (1 + 2\mathrm{i})
    """
    if isinstance(value, complex):
        real, imaginary = (latex_number(_whole(part)) for part in (value.real, value.imag))
        sign = "-" if imaginary.startswith("-") else "+"
        return rf"({real} {sign} {imaginary.removeprefix('-')}\mathrm{{i}})"
    if isinstance(value, Fraction):
        sign = "-" if value < 0 else ""
        return rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
    if isinstance(value, float) and not isfinite(value):
        return r"\mathrm{nan}" if isnan(value) else r"-\infty" if value < 0 else r"\infty"
    digits, _, exponent = repr(value).partition("e")
    if not exponent:
        return digits
    power = f"10^{{{int(exponent)}}}"
    return {"1": power, "-1": f"-{power}"}.get(digits, rf"{digits} \cdot {power}")


def _whole(value: float) -> float | int:
    return int(value) if repr(value).endswith(".0") else value


def latex_indices(indices: Sequence[Index]) -> str:
    r"""Write indices below a name: side by side where each is a letter, and where that is clear.

    >>> print(latex_indices("pq"), latex_indices(["i", Affine((), 0)]), latex_indices("μj"))
    pq i0 \mu j
    >>> print(latex_indices(["i10", "j"]), latex_indices([Affine(((2, "i"), (-1, "μ")), 1)]))
    i_{10},j 2i-\mu+1
    """
    parts = [latex_name(i) if isinstance(i, str) else latex_affine(i) for i in indices]
    # A digit before another index could be a part of it: 12 is one index, and so is 2i.
    is_clear = not any(part.isdecimal() for part in parts[:-1])
    is_short = all(re.fullmatch(r"\w|\\[A-Za-z]+|\\text\{.\}", part) for part in parts)
    if not (is_clear and is_short):
        return ",".join(parts)
    text = ""
    for part in parts:  # with a space only where a macro would swallow the letter after it
        text += " " if re.search(r"\\[A-Za-z]+$", text) and part[:1].isalpha() else ""
        text += part
    return text


def latex_affine(index: Affine) -> str:
    """Write an index that is a sum."""
    terms = sorted(index.terms, key=lambda term: term[0] < 0)
    text = ""
    for c, label in terms:
        text += f"{c:+d}".removesuffix("1" if abs(c) == 1 else "") + latex_name(label)
    is_shifted = index.offset or (len(terms) < 2 and all(c == 1 for c, _ in terms))
    text += f"{index.offset:+d}" if is_shifted else ""  # x_{i+0} is a part of x
    return text.removeprefix("+")


def latex_labels(labels: Sequence[Index], sizes: Sequence[Size | None]) -> str:
    """Write labels that are summed or acted on, each with its range where that is known."""
    if all(size is None for size in sizes):
        return latex_indices(labels)
    return ",".join(
        (latex_name(label) if isinstance(label, str) else latex_affine(label))
        + ("" if size is None else f"<{_size(size)}")
        for label, size in zip(labels, sizes, strict=True)
    )


def _size(size: Size) -> str:
    return str(size) if isinstance(size, int) else latex_name(size)
