r"""Trees of index notation in LaTeX.

Letters, order and brackets are those of the tree (see `einsdiff.display.index.printer`), but that a
fraction and a root need none:

.. math:: \frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q .

What is written here is accepted by KaTeX in its strict mode and, without `aligned`, by matplotlib.

>>> print(index_latex("∂f_i/∂A_pq = δ_ip x_q"))
\frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby

from einsdiff.algebra.nodes.function_records import lookup
from einsdiff.display.index.index_text import tree_of
from einsdiff.display.index.latex_names import (
    latex_affine,
    latex_indices,
    latex_labels,
    latex_name,
    latex_number,
    latex_operator,
    latex_text,
)
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.trees import (
    DEEPEST,
    Affine,
    Apply,
    Compare,
    Equation,
    Literal,
    Over,
    Partial,
    Power,
    Product,
    Sum,
    Summary,
    Symbol,
    Tree,
    walk,
)

#: Macros that are replaced by others are expanded at most 1000 times in one formula by KaTeX.
MOST_EXPANSIONS = 1000
_EXPANSIONS = {r"\,": 3, r"\operatorname": 3, r"\neq": 4, r"\qquad": 1}
#: How wide a line is before a sum is broken, as `latex_width` measures.
WIDTH = 90

# --- equations --------------------------------------------------------------------------------


def index_latex(text: str, names: Iterable[str] = ()) -> str:
    r"""Write index notation in LaTeX, with or without a left-hand side, in one line.

    Of what was printed the tree is written; a text of the user's is read, with these names of
    variables.

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
    r"""Write the left-hand side, empty if there is none, and the terms of the right-hand side.

    The terms have their signs, so that one writes them in a row.

    >>> print(*index_terms("f_i = x_i - 2 y_i"))
    f_i ('x_i', ' - 2 y_i')
    """
    tree = tree_of(text, names)
    left, right = (tree.left, tree.right) if isinstance(tree, Equation) else (None, tree)
    depth = max(accumulate((c in "([") - (c in ")]") for c in text))
    if depth > DEEPEST:
        right = Summary(f"[an expression of {depth} brackets in each other]")
    writer = _LatexTreeWriter(_spellings(left, right))
    head = "" if left is None else run(writer.tree(left)).text
    return head, tuple(run(writer.terms(right)))


def _spellings(*trees: object) -> dict[str, str]:
    """Spell the names of an equation, so that two of them do not look the same.

    Where they would, as the variable ``x_1`` and an entry of ``x`` do, the name is shown as it is
    typed.
    """
    looks: dict[str, set[str]] = {}
    for tree in walk(*trees):
        if isinstance(tree, Symbol):
            look = re.sub("[{}]", "", _indexed(latex_name(tree.name), tree))
            looks.setdefault(look, set()).add(tree.name)
    found: dict[str, str] = {}
    for alike in looks.values():
        for name in alike:
            found.setdefault(name, latex_name(name))
            if len(alike) > 1 and len(name) > 1:
                found[name] = latex_text(name)
    return found


def _indexed(name: str, tree: Symbol) -> str:
    """Write a name with its labels, on a left-hand side with their ranges."""
    if not tree.labels:
        return name
    if any(tree.raised):
        return _at_levels(name, tree)
    labels = latex_indices(tree.labels)
    if tree.sizes:
        labels = latex_labels(tree.labels, tree.sizes)
    return (f"({name})" if "_{" in name else name) + _script("_", labels)


def _at_levels(name: str, tree: Symbol) -> str:
    """Write a name with upper and lower labels, each after the one before."""
    text = ""
    slots = list(
        zip(tree.raised, tree.labels, tree.sizes or [None] * len(tree.labels), strict=True)
    )
    for is_upper, own in groupby(slots, key=lambda slot: slot[0]):
        labels = latex_labels(*zip(*(slot[1:] for slot in own), strict=True))
        text += ("{}" if text else "") + _script("^" if is_upper else "_", labels)
    return (f"({name})" if "_{" in name else name) + text


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
    """A part of the formula."""

    text: str
    level: int = ATOM  # `SUM`, `PRODUCT`, `POWER` or `ATOM`
    is_tall: bool = False  # brackets around it are to grow
    is_word: bool = False  # a name of several letters, which needs space around it

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
        if isinstance(tree, Summary):
            return _Tex(latex_text(tree.text))
        job: Job[_Tex]
        if isinstance(tree, Sum):
            job = self.sum(tree, inline)
        elif isinstance(tree, Product):
            job = self.product(tree.factors, inline)
        elif isinstance(tree, Over):
            job = self.over(tree)
        elif isinstance(tree, Compare):
            job = self.compare(tree)
        else:
            job = self.power(tree) if isinstance(tree, Power) else self.call(tree)
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
        return _Tex(_indexed(name, tree), is_word=r"\mathrm" in name or r"\text" in name)

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
        labels = latex_labels(tree.labels, tree.sizes)
        return _Tex(rf"\sum{_script('_', labels)} {body.at(PRODUCT).text}", PRODUCT, True)

    def compare(self, tree: Compare) -> Job[_Tex]:
        sides: list[_Tex] = []
        for side in (tree.left, tree.right):
            if isinstance(side, Affine):
                # An index in braces is no name; here it is seen to be one.
                label = latex_name(side.terms[0][1]) if side.is_label else latex_affine(side)
                sides.append(_Tex(label))
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
        if isinstance(tree.base, Symbol) and any(tree.base.raised):
            base = base.bracketed("()")
        return _Tex(base.text + script, POWER, base.is_tall, base.is_word)

    def call(self, tree: Apply) -> Job[_Tex]:
        args: list[_Tex] = []
        for arg in tree.arguments:
            args.append((yield self.tree(arg)))
        entry = lookup(tree.name)
        latex = _TEMPLATES.get(tree.name) or (entry.latex if entry is not None else "")
        latex = latex or latex_operator(tree.name)
        cores = [
            latex_labels(*zip(*core, strict=True)) if core else "" for core in tree.cores or ()
        ]
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
        return not any(isinstance(part, Symbol) and part.labels for part in walk(inner))
    return isinstance(inner, Power | Compare | Apply)


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
    r"""Break a sum into lines between its terms, see `index_terms` and `latex_width`.

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

    An empty left-hand side continues the equation above it; a right-hand side of several parts is a
    sum in several lines, see `wrapped`.

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
