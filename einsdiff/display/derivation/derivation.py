r"""Derivations, step by step, as one writes them on a board.

.. math::
    f_i = A_{ij} x_j \qquad
    \frac{\partial f_i}{\partial A_{pq}}
    = \frac{\partial A_{ij}}{\partial A_{pq}}\, x_j
    = \delta_{ip}\, \delta_{jq}\, x_j
    = \delta_{ip}\, x_q

A `Derivation` holds the steps as data; `einsdiff.display.derivation.deriving` makes it.

>>> step = Step("contract", "∂f/∂x_p", "2 x_i δ_ip", "2 x_p", "δ_ip: i becomes p")
>>> print(Derivation((step,)))
∂f/∂x_p = 2 x_p    δ_ip: i becomes p
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from textwrap import wrap

from einsdiff.algebra.nodes.interning import Node, Variable
from einsdiff.display.html import formula_html
from einsdiff.display.index.index_text import WIDTH, Written, equation, wrapped_equation
from einsdiff.display.index.latex import aligned, index_latex, index_terms, wrapped
from einsdiff.display.index.latex_names import latex_text
from einsdiff.display.matrix.matrix_equation import MatrixEquation


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a derivation.

    Attributes
    ----------
    rule
        Which rule was used: ``"definition"``, ``"expand"``, ``"product"``, ``"sum"``,
        ``"chain"``, ``"constant"``, ``"delta"``, ``"insert"``, ``"contract"``, ``"collect"`` or
        ``"matrix"``.
    left
        The left-hand side, such as ``∂f_i/∂A_pq``.
    before, after
        The right-hand side before the step and after it; a definition has only the latter.
    comment
        What was done, with formulas between backticks.
    nodes
        The expressions that `before` and `after` are, with symbols of `Derivation.meaning`; those
        of matrix notation are not there.
    latex
        The equation in LaTeX, if it is not in index notation.

    Examples
    --------
    >>> step = Step("contract", "∂f/∂x_p", "2 x_i δ_ip", "2 x_p", "`δ_ip`: `i` becomes `p`")
    >>> step.sentence
    'δ_ip: i becomes p'
    """

    rule: str
    left: str
    before: str
    after: str
    comment: str
    nodes: tuple[Node, Node] | None = field(default=None, repr=False, compare=False)
    latex: str = field(default="", repr=False, compare=False)

    @property
    def _equation(self) -> str:
        """Both sides, whose names are spelled alike in LaTeX."""
        if isinstance(self.left, Written) and isinstance(self.after, Written):
            return equation(self.left, self.after, is_short=False)
        return f"{self.left} = {self.after}"

    @property
    def sentence(self) -> str:
        """What was done, as plain text."""
        return self.comment.replace("`", "")


@dataclass(frozen=True, slots=True)
class Derivation:
    """A derivation: the steps from a function to its derivative.

    It prints as text; `markdown`, `latex` and `html` write it in other ways.

    Attributes
    ----------
    steps
        All steps in order.
    meaning
        For symbols that the steps are written with, such as names of inner functions, the
        expressions that they stand for.
    names
        The names of all variables in it.
    formulas
        Those in the comments, which carry their trees.

    Examples
    --------
    >>> import einsdiff as ed
    >>> derivation = ed.grad("x_i x_i", wrt="x").explain()
    >>> [step.rule for step in derivation]
    ['definition', 'expand', 'product', 'delta', 'contract', 'matrix']
    >>> print(derivation.brief())
    f = x_i x_i
    <BLANKLINE>
    ∂f/∂x_p = 2 x_i ∂x_i/∂x_p           product rule, the factors are equal
            = 2 x_p                     ∂x_i/∂x_p = δ_ip; δ_ip: i becomes p
    <BLANKLINE>
    In matrix notation, numerator layout, vec order C:
      ∂f/∂x = 2 xᵀ
    """

    steps: tuple[Step, ...]
    meaning: Mapping[Variable, Node] = field(default_factory=dict, repr=False, compare=False)
    names: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    formulas: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __getitem__(self, position: int) -> Step:
        return self.steps[position]

    def __str__(self) -> str:
        column = _column(self.blocks)
        return "\n\n".join(_block_text(block, column) for block in self.blocks)

    __repr__ = __str__

    @property
    def blocks(self) -> tuple[tuple[Step, ...], ...]:
        """The steps in groups that share a left-hand side."""
        found: list[list[Step]] = []
        for step in self.steps:
            is_new = step.rule in ("definition", "matrix")
            if not found or is_new or step.left != found[-1][-1].left:
                found.append([])
            found[-1].append(step)
        return tuple(tuple(block) for block in found)

    def markdown(self) -> str:
        """Write it as Markdown, with formulas between dollar signs.

        Returns
        -------
        str
            For a notebook or a web page that typesets LaTeX.
        """
        parts = []
        for block in self.blocks:
            said = [step.comment for step, _, _, said in _lines(block) if said]
            text = " ".join(f"{s[0].upper()}{s[1:]}." for s in said)
            prose = _mixed(text, _markdown_text, lambda part: f"${self._latex(part)}$")
            formulas = self._block_latex(block, comments=False)
            parts.append(f"{prose}\n\n$$\n{formulas}\n$$".lstrip())
        return "\n\n".join(parts)

    def latex(self) -> str:
        """Write it as LaTeX, one ``aligned`` for each block.

        Returns
        -------
        str
            Environments to stand in display mode, with an empty line between them.
        """
        return "\n\n".join(self._block_latex(block, comments=True) for block in self.blocks)

    def _latex(self, text: str) -> str:
        """Write a formula of a comment."""
        return index_latex(self.formulas.get(text, text), self.names)

    def _block_latex(self, block: Sequence[Step], comments: bool) -> str:
        lines: list[tuple[str, Sequence[str]]] = []
        for step, word, left, said in _lines(block):
            if step.latex:
                head, _, right = step.latex.partition(" = ")
                parts: tuple[str, ...] = (right,)
            else:
                head, found = index_terms(step._equation, self.names)
                head, parts = head if left else "", wrapped(found)
            head = rf"{latex_text(f'{word} ')} {head}" if word else head
            if said and comments:
                comment = _mixed(step.comment, latex_text, self._latex)
                parts = (f"{parts[0]} && {comment}", *parts[1:])
            lines.append((head, parts))
        return aligned(lines)

    def html(self) -> str:
        """Write it as an HTML table, which needs no JavaScript to be read.

        Returns
        -------
        str
            A ``<table>`` for each block.
        """
        return "".join(_block_html(block) for block in self.blocks)

    def _repr_html_(self) -> str:
        return self.html()

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def followed_by(self, other: Derivation) -> Derivation:
        """Return this derivation and then another one.

        Parameters
        ----------
        other
            The derivation of what this one ends with.

        Returns
        -------
        Derivation
            The steps of both.
        """
        meaning = {**self.meaning, **other.meaning}
        formulas = {**self.formulas, **other.formulas}
        steps = (*self.steps, *other.steps)
        return Derivation(steps, meaning, self.names | other.names, formulas)

    def with_step(self, step: Step) -> Derivation:
        """Return the derivation with one more step at its end.

        Parameters
        ----------
        step
            What was done with the result.

        Returns
        -------
        Derivation
            With one more step.
        """
        return replace(self, steps=(*self.steps, step))

    def named(self, equation: MatrixEquation) -> Derivation:
        """Return the derivation with its result in matrix notation at the end.

        Parameters
        ----------
        equation
            The result.

        Returns
        -------
        Derivation
            With one more step.
        """
        note = f", {equation.note}" if equation.note else ""
        formulas = self.formulas
        if equation.owner:
            note = note.replace(f"shape of {equation.owner}", f"shape of `{equation.owner}`")
            formulas = {**formulas, equation.owner: equation.owner}
        step = Step(
            "matrix",
            equation.left,
            self.steps[-1].after,
            equation.right,
            f"in matrix notation{note}",
            latex=equation.latex,
        )
        return replace(self.with_step(step), formulas=formulas)

    def brief(self) -> Derivation:
        """Leave the steps out that a practised reader does in his head.

        Returns
        -------
        Derivation
            With definitions, and of each derivative the rule and the result.
        """
        kept: list[Step] = []
        for block in self.blocks:
            first, *rest = (step for step in block if step.rule != "expand")
            kept.append(first)
            if rest:  # the last line, for the reasons of all lines that are left out
                last = rest[-1]
                said = "; ".join(dict.fromkeys(step.comment for step in rest if step.comment))
                nodes = first.nodes and last.nodes and (first.nodes[1], last.nodes[1])
                kept.append(replace(last, before=first.after, comment=said, nodes=nodes))
        return replace(self, steps=tuple(kept))


# --- writing ----------------------------------------------------------------------------------


def _lines(block: Sequence[Step]) -> list[tuple[Step, str, str, str]]:
    """Return the steps, each with a word before it, its left-hand side if new, and a comment."""
    found = []
    for k, step in enumerate(block):
        is_definition = step.rule == "definition"
        left = "" if k and step.left == block[k - 1].left else step.left
        said = "" if is_definition else step.sentence
        found.append((step, step.sentence if is_definition else "", left, said))
    return found


#: Where comments stand, if there is room.
COLUMN = 36


def _column(blocks: Sequence[Sequence[Step]]) -> int:
    """Choose the column of the comments, the same for all blocks."""
    widths = [
        len(block[0].left) + 3 + len(step.after)
        for block in blocks
        for step in block
        if step.sentence and step.rule not in ("definition", "matrix")
    ]
    fitting = [width for width in widths if width + 4 <= WIDTH - 28]
    return max([COLUMN * (len(widths) > 1), *(width + 4 for width in fitting)])


def _block_text(block: Sequence[Step], column: int) -> str:
    text = []
    indent = 0
    for step, word, left, said in _lines(block):
        if step.rule == "matrix":
            text += [
                f"{said[:1].upper()}{said[1:]}:",
                *wrapped_equation(f"  {left} = ", step.after),
            ]
            continue
        head = f"{word} {left}".lstrip() or " " * indent
        indent = len(head)
        head += " = "
        shown = head + step.after
        place = max(len(shown) + 2, column)
        if said and place + len(said) <= WIDTH:
            text.append(f"{shown:{place}}{said}")
            continue
        text += wrapped_equation(head, step.after)
        margin = " " * (indent + 5)
        if said:
            text += _wrapped_comment(f"({step.comment})", margin)
    return "\n".join(text)


#: Stands for a space at which no line is broken.
_GLUE = "\u00a0"


def _wrapped_comment(comment: str, margin: str) -> list[str]:
    """Break a comment into lines, where possible not within a formula."""
    room = WIDTH - len(margin) - 2
    whole = _mixed(
        comment, str, lambda part: part.replace(" ", _GLUE) if len(part) < room else part
    )
    lines = wrap(whole, WIDTH, initial_indent=margin, subsequent_indent=f"{margin} ")
    return [line.replace(_GLUE, " ") for line in lines]


def _mixed(text: str, prose: Callable[[str], str], formula: Callable[[str], str]) -> str:
    """Write prose with formulas between backticks."""
    parts = text.split("`")
    return "".join(formula(p) if k % 2 else prose(p) if p else "" for k, p in enumerate(parts))


def _markdown_text(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+!|" else c for c in text)


def _block_html(block: Sequence[Step]) -> str:
    rows = ""
    for step, word, left, said in _lines(block):
        head = f"{word} {formula_html(left)}".lstrip()
        rows += (
            f'<tr><td style="text-align:right;white-space:nowrap">{head}</td>'
            f'<td style="text-align:left">= {formula_html(step.after)}</td>'
            '<td style="text-align:left;padding-left:2em;opacity:0.7">'
            f"{_mixed(step.comment if said else '', escape, formula_html)}</td></tr>"
        )
    return f'<table style="border:0;font-family:serif">{rows}</table>'
