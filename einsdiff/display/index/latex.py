r"""Formulas in LaTeX, made of index notation as it is printed.

The text is read by the grammar of index notation and its tree is printed, so that letters, order
and brackets are decided at one place only (`einsdiff.display.index.printer`):

.. math:: \frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q .

What is written here is accepted by KaTeX in its strict mode and, without `aligned`, by matplotlib.

>>> print(index_latex("∂f_i/∂A_pq = δ_ip x_q"))
\frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isfinite, isnan
from unicodedata import normalize

from einsdiff.algebra.nodes.function import lookup, parted_names
from einsdiff.algebra.nodes.nodes import Number
from einsdiff.algebra.reading.choice import is_function
from einsdiff.notation.index_parser import parse_equation
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.subscripts import Size
from einsdiff.notation.trees import (
    DEEPEST,
    Affine,
    Apply,
    Compare,
    Equation,
    Index,
    Literal,
    Over,
    Partial,
    Power,
    Product,
    Sum,
    Symbol,
    Tree,
)

__all__ = [
    "aligned",
    "index_latex",
    "index_terms",
    "latex_indices",
    "latex_name",
    "latex_number",
    "latex_text",
    "latex_width",
    "wrapped",
]

#: Macros that are replaced by others are expanded at most 1000 times in one formula by KaTeX.
MOST_EXPANSIONS = 1000
_EXPANSIONS = {r"\,": 3, r"\operatorname": 3, r"\neq": 4, r"\qquad": 1}
#: How wide a line is before a sum is broken, as `latex_width` measures.
WIDTH = 90

#: Greek letters by their names in LaTeX; those that look like Latin ones have none.
_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "ζ": "zeta",
    "η": "eta", "θ": "theta", "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu",
    "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "ς": "varsigma", "τ": "tau", "υ": "upsilon",
    "φ": "varphi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta",
    "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Υ": "Upsilon",
    "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega", "ϕ": "phi", "ϵ": "epsilon", "ϑ": "vartheta",
    "ℓ": "ell",
}  # fmt: skip
_MACROS = {**_GREEK, **{name: name for name in _GREEK.values()}, "epsilon": "varepsilon"}
#: Signs that mean something to LaTeX, as text.
_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
}  # fmt: skip


# --- names and numbers ------------------------------------------------------------------------


def latex_text(text: str) -> str:
    r"""Write plain text.

    Parameters
    ----------
    text
        Any text; what LaTeX or a font would not take is spelled out.

    Returns
    -------
    str
        To stand in a formula.

    Examples
    --------
    >>> print(latex_text("100 % of a_b"))
    \text{100 \% of a\_b}
    """
    return rf"\text{{{''.join(_ESCAPES.get(c) or _letter(c) for c in text)}}}"


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
    r"""Write the name of a variable or a label.

    Parameters
    ----------
    name
        An identifier. What follows an underscore, and the digits at the end, is an index.

    Returns
    -------
    str
        A letter in italics, a word upright.

    Examples
    --------
    >>> for name in ("A", "θ", "theta", "x_1", "x1", "loss", "w_hidden", "_a"):
    ...     print(latex_name(name), end="  ")
    A  \theta  \theta  x_{1}  x_{1}  \mathrm{loss}  w_{\mathrm{hidden}}  \text{\_a}
    """
    apart = normalize("NFD", name)  # names are read in NFKC, where ȳ is one sign
    if "\u0304" in apart:  # the name of an adjoint, x̄
        base, brace, below = latex_name(apart.replace("\u0304", "")).partition("_{")
        return rf"\bar{{{base}}}{brace}{below}"
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
    r"""Write a number.

    Parameters
    ----------
    value
        Integers and fractions are written exactly, floats as Python writes them.

    Returns
    -------
    str
        With its sign.

    Examples
    --------
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
    return (
        int(value) if isfinite(value) and value == int(value) and str(value)[-2:] == ".0" else value
    )


def latex_indices(indices: Sequence[Index]) -> str:
    r"""Write indices, as they stand below a name, without the braces.

    Parameters
    ----------
    indices
        Labels, or sums of labels and whole numbers.

    Returns
    -------
    str
        Side by side where each is one letter or digit, else with commas.

    Examples
    --------
    >>> print(latex_indices("pq"), latex_indices(["i", Affine((), 0)]), latex_indices("μj"))
    pq i0 \mu j
    >>> print(latex_indices(["i10", "j"]), latex_indices([Affine(((2, "i"), (-1, "μ")), 1)]))
    i_{10},j 2i-\mu+1
    """
    parts = [latex_name(i) if isinstance(i, str) else _affine(i) for i in indices]
    is_short = all(re.fullmatch(r"\w|\\[A-Za-z]+|\\text\{.\}", part) for part in parts)
    return _spaced(parts) if is_short else ",".join(parts)


def _affine(index: Affine) -> str:
    terms = sorted(index.terms, key=lambda term: term[0] < 0)
    text = ""
    for c, label in terms:
        text += f"{c:+d}".removesuffix("1" if abs(c) == 1 else "") + latex_name(label)
    text += f"{index.offset:+d}" if index.offset or not terms else ""
    return text.removeprefix("+")


def _spaced(parts: Iterable[str]) -> str:
    """Join parts, with a space only where a macro would swallow the letter after it."""
    text = ""
    for part in parts:
        text += " " if re.search(r"\\[A-Za-z]+$", text) and part[:1].isalpha() else ""
        text += part
    return text


# --- equations --------------------------------------------------------------------------------


def index_latex(text: str, names: Iterable[str] = ()) -> str:
    r"""Write index notation in LaTeX.

    Parameters
    ----------
    text
        As `einsdiff.display.index.printer` prints it, with or without a left-hand side.
    names
        The names of the variables, which may have underscores.

    Returns
    -------
    str
        One line.

    Examples
    --------
    >>> print(index_latex("f_i = 1/2 (A_ij x_j + 1)^2 / sqrt(x_i)"))
    f_i = \frac{(A_{ij} x_j + 1)^2}{2 \sqrt{x_i}}
    >>> print(index_latex("-inv(X)_ip [x_i > 0]"))
    -(X^{-1})_{ip}\, [x_i > 0]
    """
    left, terms = index_terms(text, names)
    right = "".join(terms)
    return _expandable(f"{left} = {right}" if left else right)


def _expandable(text: str) -> str:
    """Leave out the finer spacing where there would be too much of it, see `MOST_EXPANSIONS`."""
    if sum(text.count(macro) * n for macro, n in _EXPANSIONS.items()) < MOST_EXPANSIONS:
        return text
    return text.replace(r"\,", "").replace(r"\operatorname", r"\mathrm")


def index_terms(text: str, names: Iterable[str] = ()) -> tuple[str, tuple[str, ...]]:
    r"""Write index notation in LaTeX, with the terms of the sum on the right-hand side apart.

    Parameters
    ----------
    text, names
        As for `index_latex`.

    Returns
    -------
    str
        The left-hand side, empty if there is none.
    tuple of str
        The terms with their signs, which one writes in a row.

    Examples
    --------
    >>> print(*index_terms("f_i = x_i - 2 y_i"))
    f_i ('x_i', ' - 2 y_i')
    """
    left, summary = _summary(text)
    if summary:
        return (index_latex(left, names) if left else ""), (latex_text(summary),)
    equation = parse_equation(text, (*names, *parted_names()))
    writer = _LatexTreeWriter(_spellings(equation))
    head = "" if equation.left is None else run(writer.tree(equation.left)).text
    return head, tuple(run(writer.terms(equation.right)))


def _summary(text: str) -> tuple[str, str]:
    """Part the left-hand side from a summary in brackets; the latter is empty if there is none."""
    match = re.fullmatch(r"(?:(.*) = )?(\[an expression of .*\])", text)
    if match is not None:
        return match[1] or "", match[2]
    depth = deepest = 0
    for char in text:
        depth += (char in "([") - (char in ")]")
        deepest = max(deepest, depth)
    if deepest <= DEEPEST:
        return "", ""
    left, equals, _ = text.partition(" = ")
    is_equation = bool(equals) and not set(left) & set("([")
    return left if is_equation else "", f"[an expression of {deepest} brackets in each other]"


def _spellings(equation: Equation) -> dict[str, str]:
    """Spell the names of an equation, so that two of them do not look the same.

    Where they would, as the variable ``x_1`` and an entry of ``x`` do, the name is shown as it is
    typed.
    """
    looks: dict[str, set[str]] = {}
    for tree in _all(equation.left, equation.right):
        if isinstance(tree, Symbol):
            look = re.sub("[{}]", "", _indexed(latex_name(tree.name), tree.labels))
            looks.setdefault(look, set()).add(tree.name)
    found: dict[str, str] = {}
    for alike in looks.values():
        for name in alike:
            found.setdefault(name, latex_name(name))
            if len(alike) > 1 and len(name) > 1:
                found[name] = latex_text(name)
    return found


def _all(*trees: object) -> Iterator[object]:
    """Yield trees and everything in them."""
    stack = list(trees)
    while stack:
        tree = stack.pop()
        yield tree
        stack.extend(_below(tree))


def _below(tree: object) -> Iterable[object]:
    """List what a tree is made of."""
    if isinstance(tree, Sum):
        return [term for _, term in tree.terms]
    if isinstance(tree, Product):
        return [factor for factor, _ in tree.factors]
    if isinstance(tree, Over):
        return [tree.body]
    if isinstance(tree, Power):
        return [tree.base, tree.exponent]
    if isinstance(tree, Compare):
        return [tree.left, tree.right]
    if isinstance(tree, Apply):
        return [*([] if _is_call(tree) else [tree.symbol]), *tree.arguments]
    return [tree.base, *tree.wrt] if isinstance(tree, Partial) else []


def _is_call(tree: Apply) -> bool:
    """Tell a call from a name that is multiplied by a bracket."""
    return is_function(tree.name) or tree.labels is not None or len(tree.arguments) > 1


def _indexed(name: str, indices: Sequence[Index]) -> str:
    if not indices:
        return name
    return (f"({name})" if "_{" in name else name) + _script("_", latex_indices(indices))


def _ranged(name: str, tree: Symbol) -> str:
    """Write a name of a left-hand side with the ranges of its labels."""
    labels = [label for label in tree.labels if isinstance(label, str)]
    listed = _list(tuple(zip(labels, tree.sizes, strict=True)))
    return (f"({name})" if "_{" in name else name) + _script("_", listed)


def _script(sign: str, text: str) -> str:
    return sign + (text if len(text) == 1 else f"{{{text}}}")


# --- trees ------------------------------------------------------------------------------------

#: How tightly a part holds together: what stands in a power or product gets brackets if looser.
SUM, PRODUCT, POWER, ATOM = range(4)

#: Functions with templates that are not in the table.
_TEMPLATES = {"sqrt": r"\sqrt{0}"}
#: Functions of which one writes a power before the argument: sin²(x).
_POWERED = {
    rf"\{name}": name for name in ("sin", "cos", "tan", "cot", "sinh", "cosh", "tanh", "coth")
}
_SIGNS = {">": ">", "<": "<", ">=": r"\geq", "<=": r"\leq", "=": "=", "!=": r"\neq"}


@dataclass(frozen=True, slots=True)
class _Tex:
    """A part of the formula.

    Attributes
    ----------
    text
        The text.
    level
        `SUM`, `PRODUCT`, `POWER` or `ATOM`.
    is_tall
        Whether brackets around it are to grow.
    is_word
        Whether it has a name of several letters, which needs space around it.
    """

    text: str
    level: int = ATOM
    is_tall: bool = False
    is_word: bool = False

    def at(self, level: int) -> _Tex:
        """Return it with brackets, unless it holds together as tightly as that."""
        return self if self.level >= level else self.bracketed("()")

    def bracketed(self, pair: str) -> _Tex:
        return _Tex(_enclosed(self.text, pair, self.is_tall), ATOM, self.is_tall)


def _enclosed(text: str, pair: str, is_tall: bool) -> str:
    first, last = pair[0], pair[1]
    return rf"\left{first} {text} \right{last}" if is_tall else f"{first}{text}{last}"


class _LatexTreeWriter:
    """Writes the trees of one equation; its methods are jobs, see `run`."""

    def __init__(self, spellings: Mapping[str, str]) -> None:
        self.spellings = spellings

    def tree(self, tree: Tree, inline: bool = False) -> Job[_Tex]:
        """Write a tree; fractions are `inline` in exponents."""
        if isinstance(tree, Literal):
            return _literal(tree)
        if isinstance(tree, Symbol):
            return self.symbol(tree)
        if isinstance(tree, Partial):
            return self.partial(tree)
        job: Job[_Tex]
        if isinstance(tree, Sum):
            job = self.sum(tree, inline)
        elif isinstance(tree, Over):
            job = self.over(tree)
        elif isinstance(tree, Compare):
            job = self.compare(tree)
        else:
            factors = _factors(tree)
            ((first, _), *others) = factors
            if others:
                job = self.product(factors, inline)
            else:
                assert isinstance(first, Power | Apply)
                job = self.power(first) if isinstance(first, Power) else self.call(first)
        written: _Tex = yield job
        return written

    def sum(self, tree: Sum, inline: bool) -> Job[_Tex]:
        parts: list[tuple[int, _Tex]] = yield self.parts(tree, inline)
        if len(parts) == 1 and parts[0][0] > 0:
            return parts[0][1]
        return _Tex("".join(_signed(parts)), SUM, any(part.is_tall for _, part in parts))

    def terms(self, tree: Tree) -> Job[list[str]]:
        """Write the terms of a sum with their signs."""
        whole = tree if isinstance(tree, Sum) else Sum(((1, tree),))
        return _signed((yield self.parts(whole, False)))

    def parts(self, tree: Sum, inline: bool) -> Job[list[tuple[int, _Tex]]]:
        """Write the terms of a sum, each with its sign."""
        parts: list[tuple[int, _Tex]] = []
        for sign, term in tree.terms:
            part: _Tex = yield self.tree(term, inline)
            is_alone = len(tree.terms) == 1 and sign > 0
            parts.append((sign, part if is_alone else part.at(PRODUCT)))
        return parts

    def symbol(self, tree: Symbol) -> _Tex:
        name = self.spellings.get(tree.name) or latex_name(tree.name)
        if tree.name == "δ":
            name = r"\delta"
        shown = _ranged(name, tree) if tree.sizes else _indexed(name, tree.labels)
        return _Tex(shown, is_word=r"\mathrm" in name or r"\text" in name)

    def partial(self, tree: Partial) -> _Tex:
        order = len(tree.wrt)
        above = r"\partial" + (f"^{order}" if order > 1 else "")
        texts = [self.symbol(part).text for part in tree.wrt]
        below: list[str] = []
        for k, text in enumerate(texts):
            if tree.wrt[k].labels or text not in texts[:k]:
                count = 1 if tree.wrt[k].labels else texts.count(text)
                below.append(rf"\partial {text}" + (f"^{count}" if count > 1 else ""))
        over, under = f"{above} {self.symbol(tree.base).text}", r" \, ".join(below)
        return _Tex(rf"\frac{{{over}}}{{{under}}}", PRODUCT, True)

    def over(self, tree: Over) -> Job[_Tex]:
        body: _Tex = yield self.tree(tree.body)
        labels = _list(tuple(zip(tree.labels, tree.sizes, strict=True)))
        return _Tex(rf"\sum{_script('_', labels)} {body.at(PRODUCT).text}", PRODUCT, True)

    def compare(self, tree: Compare) -> Job[_Tex]:
        sides: list[_Tex] = []
        for side in (tree.left, tree.right):
            if isinstance(side, Affine):
                sides.append(_Tex(_affine(side)))
            else:
                sides.append((yield self.tree(side)))
        text = f" {_SIGNS[tree.sign]} ".join(side.text for side in sides)
        return _Tex(text, is_tall=any(side.is_tall for side in sides)).bracketed("[]")

    # Products.

    def product(self, factors: Sequence[tuple[Tree, int]], inline: bool) -> Job[_Tex]:
        """Write a product; what would make a fraction hard to read stands beside it."""
        above: list[_Tex] = []
        below: list[_Tex] = []
        beside: list[_Tex] = []
        sign = ""
        divisors = [tree for tree, exponent in factors if exponent < 0]
        is_fraction = bool(divisors) and not inline
        is_only = len(factors) == len(divisors) + 1
        for tree, exponent in factors:
            if isinstance(tree, Literal) and tree.value in (-1, 1):
                sign = "-" if tree.value == -1 else sign
                continue
            part: _Tex = yield self.tree(tree, inline)
            if isinstance(tree, Sum) and not _is_bare(tree):
                is_free = is_fraction and (len(divisors) == 1 if exponent < 0 else is_only)
                part = part if is_free and not part.is_tall else part.bracketed("()")
            elif not is_fraction or not is_only:
                part = part.at(PRODUCT)
            if exponent < 0:
                below.append(part)
            elif is_fraction and (beside or _stands_beside(tree, part, is_only, divisors)):
                beside.append(part)
            else:
                above.append(part)
        if not below:
            return _juxtaposed(above, sign)
        over, under = (_juxtaposed(parts, "").text for parts in (above, below))
        if inline:
            return _Tex(f"{sign}{over}/{under if len(below) == 1 else f'({under})'}", PRODUCT)
        fraction = _Tex(rf"\frac{{{over}}}{{{under}}}", PRODUCT, True)
        return _juxtaposed([fraction, *beside], sign)

    # Powers and functions.

    def power(self, tree: Power) -> Job[_Tex]:
        base: _Tex = yield self.tree(tree.base)
        above: _Tex = yield self.tree(tree.exponent, True)
        script = _script("^", above.text)
        if re.fullmatch(r"\^[0-9]", script):
            for name in _POWERED:  # of a function, sin^2(x)
                if base.text.startswith((name + "(", name + r"\left(")) and base.level == ATOM:
                    return replace(base, text=name + script + base.text.removeprefix(name))
        base = base.at(ATOM)
        return _Tex(base.text + script, POWER, base.is_tall, base.is_word)

    def call(self, tree: Apply) -> Job[_Tex]:
        args: list[_Tex] = []
        for arg in tree.arguments:
            args.append((yield self.tree(arg)))
        entry = lookup(tree.name)
        latex = _TEMPLATES.get(tree.name) or (entry.latex if entry is not None else "")
        latex = latex or rf"\operatorname{{{_plain(tree.name)}}}"
        cores = [_list(core) for core in tree.cores or ()]
        if "{0}" in latex:
            for k, core in enumerate(cores):
                args[k] = replace(args[k].bracketed("()"), level=ATOM)
                args[k] = replace(args[k], text=args[k].text + _script("_", core))
            found = _filled(latex, args)
        else:
            groups = ";".join(cores)
            is_tall = any(arg.is_tall for arg in args)
            shown = _enclosed(", ".join(arg.text for arg in args), "()", is_tall)
            found = _Tex(latex + (_script("_", groups) if groups else "") + shown, ATOM, is_tall)
        if tree.labels is None:
            return found
        whole = found.bracketed("()") if "{0}" in latex else found
        return replace(whole, text=whole.text + _script("_", latex_indices(tree.labels)))


def _literal(tree: Literal) -> _Tex:
    text = latex_number(tree.value)
    level = PRODUCT if r"\cdot" in text or text.startswith("-") else POWER if "^" in text else ATOM
    return _Tex(text, level)


def _list(labels: Sequence[tuple[str, Size | None]]) -> str:
    """Write labels that are summed or acted on, each with its range where that is known."""
    if all(size is None for _, size in labels):
        return latex_indices([label for label, _ in labels])
    texts = [
        latex_name(label) + ("" if size is None else f"<{_size(size)}") for label, size in labels
    ]
    return ",".join(texts)


def _size(size: Size) -> str:
    return str(size) if isinstance(size, int) else latex_name(size)


def _plain(name: str) -> str:
    return latex_text(name).removeprefix(r"\text{").removesuffix("}")


def _signed(parts: Sequence[tuple[int, _Tex]]) -> list[str]:
    """Write terms with their signs; the first one with a minus only."""
    signs = {1: " + ", -1: " - "}
    texts = [signs[sign] + part.text for sign, part in parts]
    if texts:
        sign, part = parts[0]
        texts[0] = "-" * (sign < 0) + part.text
    return texts


def _is_bare(tree: Tree) -> bool:
    """Tell whether a bracket holds only what needs none in a product."""
    if not isinstance(tree, Sum) or len(tree.terms) > 1 or tree.terms[0][0] < 0:
        return False
    ((_, inner),) = tree.terms
    if isinstance(inner, Product):  # without labels no sum can be moved
        return not any(isinstance(part, Symbol) and part.labels for part in _all(inner))
    return isinstance(inner, Power | Compare) or (isinstance(inner, Apply) and _is_call(inner))


def _factors(tree: Product | Power | Apply) -> list[tuple[Tree, int]]:
    """List the factors of a product; a name before a bracket is one, if it is no function."""
    found: list[tuple[Tree, int]] = []
    for factor, exponent in tree.factors if isinstance(tree, Product) else ((tree, 1),):
        base = factor.base if isinstance(factor, Power) else factor
        if isinstance(base, Apply) and not _is_call(base):
            bracket: Tree = Sum(((1, base.arguments[0]),))
            if isinstance(factor, Power):
                bracket = Power(bracket, factor.exponent)
            found += [(base.symbol, exponent), (bracket, exponent)]
        else:
            found.append((factor, exponent))
    return found


def _juxtaposed(parts: Sequence[_Tex], sign: str) -> _Tex:
    """Write factors side by side, with space where they could be taken for something else."""
    text = ""
    for k, part in enumerate(parts):
        if k:
            last = parts[k - 1]
            if re.match(r"[0-9]|-|10\^", part.text):
                text += r" \cdot "
            elif last.is_word or part.is_word or _needs_space(last.text, part.text):
                text += r"\, "
            else:
                text += " "
        text += part.text
    if len(parts) == 1 and not sign:
        return parts[0]
    return _Tex(sign + (text or "1"), PRODUCT, any(part.is_tall for part in parts))


def _stands_beside(tree: Tree, part: _Tex, is_only: bool, divisors: Sequence[Tree]) -> bool:
    """Tell whether a factor, and all that follow, are written after a fraction and not on it."""
    if isinstance(tree, Literal):
        return False
    is_bracket = isinstance(tree, Sum | Compare) and not _is_bare(tree) and not is_only
    return part.is_tall or is_bracket or all(isinstance(d, Literal) for d in divisors)


def _needs_space(left: str, right: str) -> bool:
    """Tell whether two factors would stand too close: a bracket, and what is no round bracket."""
    if right.startswith("["):
        return True
    opens = re.match(r"\(|\\left|\\operatorname|\\(arc)?(sin|cos|tan|exp|log|det|max|min)", right)
    return left.endswith((")", "]")) and not left.endswith((r"\right)", r"\right]")) and not opens


def _filled(template: str, args: Sequence[_Tex]) -> _Tex:
    """Fill the slots of a template; one that stands openly gets brackets where it needs them."""
    is_tall = any(arg.is_tall for arg in args) or r"\frac" in template
    if not is_tall:
        template = re.sub(r"\\(?:left|right)([()\[\]])", r"\1", template)

    def fill(match: re.Match[str]) -> str:
        part = args[int(match[1])]
        if match.start() == 0 or template[match.start() - 1] == " ":
            return part.at(ATOM if template.startswith("^", match.end()) else PRODUCT).text
        return f"{{{part.text}}}"

    text = re.sub(r"\{([0-9])\}", fill, template)
    level = ATOM if re.match(r"\[|\\left|\\sqrt", template) else PRODUCT
    return _Tex(text, POWER if "^" in template and " " not in template else level, is_tall)


# --- lines ------------------------------------------------------------------------------------


def latex_width(text: str) -> int:
    r"""Estimate how many letters wide a formula is; fractions are as wide as their wider part.

    >>> latex_width(r"\frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q")
    10
    """
    text = text.replace(r"\frac", "/")
    text = re.sub(r"\\(left|right|mathrm|operatorname|text|,|quad|qquad)(?![a-z])", "", text)
    text = re.sub(r"\\(sin|cos|tan|exp|log|det|max|min)(?![a-z])", "abc", text)
    text = re.sub(r"\\[A-Za-z]+|\\.", "m", text)
    text = re.sub(r"[\s_^]", "", text)
    before = ""
    while text != before:  # from the innermost groups outwards
        before = text
        text = re.sub(r"/\{([^{}]*)\}\{([^{}]*)\}", _wider, text)
        text = re.sub(r"(?<![/}])\{([^{}]*)\}", r"\1", text)
    return len(text)


def _wider(match: re.Match[str]) -> str:
    return max(match[1], match[2], key=len)


def wrapped(terms: Sequence[str], width: int = WIDTH) -> tuple[str, ...]:
    r"""Break a sum into lines.

    Parameters
    ----------
    terms
        Its terms with their signs, see `index_terms`.
    width
        How wide a line may be, as `latex_width` measures; a term is never broken.

    Returns
    -------
    tuple of str
        The lines; all but the first begin with a sign.

    Examples
    --------
    >>> wrapped(["a_{ij}", " + b_{ij}", " - c_{ij}"], 8)
    ('a_{ij} + b_{ij}', '- c_{ij}')
    """
    lines: list[str] = []
    room = 0
    for term in terms:
        size = latex_width(term)
        if lines and size <= room:
            lines[-1] += term
        else:
            lines.append(term.lstrip())
            room = width
        room -= size
    return tuple(lines)


def aligned(lines: Iterable[tuple[str, str | Sequence[str]]]) -> str:
    r"""Write equations below each other, aligned at their signs of equality.

    Parameters
    ----------
    lines
        Left-hand and right-hand sides in LaTeX. An empty left-hand side continues the equation
        above it; a right-hand side of several parts is a sum in several lines, see `wrapped`.

    Returns
    -------
    str
        The environment ``aligned``.

    Examples
    --------
    >>> print(aligned([("a", "b + c"), ("", ("d", "+ e"))]))
    \begin{aligned}
    a &= b + c \\
    &= d \\
    &\qquad {}+ e
    \end{aligned}
    """
    rows = []
    for left, right in lines:
        first, *rest = (right,) if isinstance(right, str) else right
        rows.append(f"{left} &= {first}".lstrip())
        rows += [rf"&\qquad {{}}{part}" for part in rest]
    text = " \\\\\n".join(rows)
    return _expandable(f"\\begin{{aligned}}\n{text}\n\\end{{aligned}}")
