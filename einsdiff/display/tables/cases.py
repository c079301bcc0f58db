r"""A derivative by cases, told by its deltas.

Each term of a derivative is a product of deltas of its free indices and of a rest:

.. math:: \frac{\partial f_{pq}}{\partial R_{rs}} = \delta_{ps} R_{rq} + \delta_{qs} R_{rp} .

The equations under the deltas, here :math:`p = s` and :math:`q = s`, hold or do not. Each way in
which that is possible is a case; in it those terms are left whose deltas are all 1, with equal
indices written as one. As every index tuple makes each equation either true or false, it is in
exactly one case.

>>> R = variable("R", ("m", "n"))
>>> J = add(
...     [
...         (1, einsum([R], ["rq"], "pqrp", {"p": "n"})),
...         (1, einsum([R], ["rp"], "pqrq", {"q": "n"})),
...     ]
... )
>>> by_cases(J, Heading("f", ("p", "q"), (("R", ("r", "s")),)), Letters())
              ⎧ R_rq    if p = s ≠ q
∂f_pq/∂R_rs = ⎨ R_rp    if q = s ≠ p
              ⎪ 2 R_rq  if p = q = s
              ⎩ 0       otherwise
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from textwrap import wrap

from einsdiff.algebra.nodes.graph import variables_of
from einsdiff.algebra.nodes.interning import Node, Shape, zero
from einsdiff.algebra.nodes.nodes import add, einsum, is_zero
from einsdiff.algebra.rewriting.orient import normal_form
from einsdiff.display.html import formula_html
from einsdiff.display.index.index_text import format_heading, index_text
from einsdiff.display.index.latex import index_latex
from einsdiff.display.index.latex_names import latex_name
from einsdiff.display.index.lettering import Heading, Letters
from einsdiff.display.index.printer import format_index
from einsdiff.display.tables.deltas import Atom, CaseTerm, Pattern, delta_terms, possible_patterns
from einsdiff.display.tables.table import width_of
from einsdiff.errors import RangeError, SizeError
from einsdiff.notation.trees import sides_of

#: So many cases are still read, and so many terms in all of them before those alike are added.
MOST_CASES = 64
MOST_WRITTEN = 1500
#: Text is at most so wide, where it can be.
WIDTH = 80


# --- what is derived --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Condition:
    """An equation or inequality between indices that holds, or that does not.

    Examples
    --------
    >>> Condition(((1, "i"), (-1, "j")), 0, True, False)
    i ≠ j
    """

    terms: tuple[tuple[int, str], ...]  # (coefficient, letter)
    offset: int  # what is added to the sum of these
    is_equation: bool  # whether the result is to be zero, or else at least zero
    holds: bool  # whether it is

    def __repr__(self) -> str:
        return _conjunction([self])

    def is_met(self, index: Mapping[str, int]) -> bool:
        """Tell whether an index tuple, given by letters, is as the condition says."""
        value = sum(c * index[letter] for c, letter in self.terms) + self.offset
        return (value == 0 if self.is_equation else value >= 0) is self.holds


@dataclass(frozen=True, slots=True, repr=False)
class Case:
    """One of the cases.

    Attributes
    ----------
    conditions
        The alternatives, of which one is met; each is a list of conditions that are all met.
    value
        The value in index notation.
    expr, axes
        The value as an expression, and the letters of its axes.
    is_rest
        Whether it is what is left by the others: written ``otherwise``.

    Examples
    --------
    >>> import einsdiff as ed
    >>> first, *_ = ed.grad("ij,j->i", "A", "x", wrt="A").cases()
    >>> first.value, first.condition
    ('x_q', 'if i = p')
    """

    conditions: tuple[tuple[Condition, ...], ...]
    value: str
    expr: Node
    axes: tuple[str, ...]
    is_rest: bool = False

    @property
    def condition(self) -> str:
        """The condition in words: ``if p = s ≠ q``; nothing where there is none."""
        if self.is_rest:
            return "otherwise"
        if self.conditions == ((),):
            return ""
        return "if " + " or ".join(map(_conjunction, self.conditions))

    def __repr__(self) -> str:
        return f"{self.value} {self.condition}".strip()

    def applies(self, index: Mapping[str, int]) -> bool:
        """Tell whether an index tuple, given by letters, is in this case."""
        return any(all(c.is_met(index) for c in conditions) for conditions in self.conditions)


@dataclass(frozen=True, slots=True, repr=False)
class Cases:
    """An expression by cases, of which exactly one applies to each index tuple.

    Iterating and indexing gives each `Case`; there are `markdown` and `latex`, and notebooks show
    it in mathematical notation.

    Attributes
    ----------
    heading
        The left-hand side.
    axes
        Its letters.
    cases
        The cases.
    names
        The names of the variables in it, which may have underscores.

    Examples
    --------
    >>> import einsdiff as ed
    >>> cases = ed.grad("ij,j->i", "A", "x", wrt="A").cases()
    >>> cases
    ∂f_i/∂A_pq = ⎧ x_q  if i = p
                 ⎩ 0    otherwise
    >>> cases.at(0, 1, 2).value
    '0'
    """

    heading: str
    axes: tuple[str, ...]
    cases: tuple[Case, ...]
    names: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.cases)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)

    def __getitem__(self, k: int) -> Case:
        return self.cases[k]

    def at(self, *index: int) -> Case:
        """Find the case of an index tuple.

        Parameters
        ----------
        *index
            One integer for each axis, from 0.

        Returns
        -------
        Case
            The one that applies.

        Raises
        ------
        RangeError
            There are not as many integers as axes, or one is negative.

        Examples
        --------
        >>> import einsdiff as ed
        >>> ed.grad("A_ij x_j", wrt="A").cases().at(1, 1, 2)
        x_q if i = p
        """
        if len(index) != len(self.axes) or any(k < 0 for k in index):
            raise RangeError(
                f"{index} is no index tuple of {self.heading}",
                action=f"give {len(self.axes)} integers from 0, for {', '.join(self.axes)}",
            )
        named = dict(zip(self.axes, index, strict=True))
        return next(case for case in self.cases if case.applies(named))

    def __str__(self) -> str:
        if len(self) == 1 and not self[0].condition:
            return f"{self.heading} = {self[0].value}"
        left = f"{self.heading} = "
        wide = max(width_of(case.value) for case in self)
        most = max(width_of(case.condition) for case in self)
        before: list[str] = []
        if width_of(left) + 2 + wide + 2 + most > WIDTH:
            before, left = [left.rstrip()], "  "
        if width_of(left) + 2 + wide + 2 + most > WIDTH:  # the condition below the value
            pairs = [(_wrapped(case.value), case.condition) for case in self]
            lines = [line for value, condition in pairs for line in (*value, f"    {condition}")]
        else:
            lines = [
                f"{case.value}{' ' * (wide - width_of(case.value))}  {case.condition}"
                for case in self
            ]
        signs = _brace(len(lines))
        middle = (len(lines) - 1) // 2
        margins = [left if k == middle else " " * width_of(left) for k in range(len(lines))]
        return "\n".join(
            before + [f"{m}{s} {line}" for m, s, line in zip(margins, signs, lines, strict=True)]
        )

    __repr__ = __str__

    def markdown(self) -> str:
        r"""Write it as a formula in Markdown, in LaTeX between two dollar signs.

        Examples
        --------
        >>> import einsdiff as ed
        >>> print(ed.grad("A_ij x_j", wrt="A").cases().markdown())
        $$
        \frac{\partial f_i}{\partial A_{pq}} = \begin{cases}
        x_q & \text{if } i = p \\
        0 & \text{otherwise}
        \end{cases}
        $$
        """
        return f"$$\n{self.latex()}\n$$"

    def latex(self) -> str:
        r"""Write it in LaTeX, with the environment ``cases`` of amsmath, which KaTeX has too."""
        texts = (self.heading, *(case.value for case in self))
        left, *values = (index_latex(text, self.names) for text in texts)
        if len(self) == 1 and not self[0].condition:
            return f"{left} = {values[0]}"
        rows = [
            f"{value} & {_latex_condition(case)}" for value, case in zip(values, self, strict=True)
        ]
        lines = " \\\\\n".join(rows)
        return f"{left} = \\begin{{cases}}\n{lines}\n\\end{{cases}}"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def _repr_html_(self) -> str:
        cell = '<td style="text-align:left;padding:2px 1.2em 2px 0.6em">'
        rows = "".join(
            f"<tr>{cell}{formula_html(case.value)}</td>"
            f"{cell}{formula_html(case.condition, is_prose=True)}</td></tr>"
            for case in self
        )
        return (
            '<div style="display:flex;align-items:center;gap:0.6em">'
            f"<div>{formula_html(self.heading)} =</div>"
            '<table style="border-left:2px solid;border-radius:8px;border-collapse:separate">'
            f"<tbody>{rows}</tbody></table></div>"
        )


def _wrapped(text: str) -> list[str]:
    return wrap(text, WIDTH - 4, subsequent_indent="  ", break_on_hyphens=False)


def _brace(count: int) -> list[str]:
    """Return the parts of a brace that is so many lines high."""
    if count == 1:
        return ["{"]
    parts = ["⎧", *"⎪" * (count - 2), "⎩"]
    if count > 2:
        parts[(count - 1) // 2] = "⎨"
    return parts


# --- cases ------------------------------------------------------------------------------------


def by_cases(expr: Node, heading: Heading, letters: Letters) -> Cases:
    """Write an expression in its normal form by cases, disjoint and exhaustive, zero last."""
    axes = heading.letters
    names = frozenset(v.name for v in variables_of([expr])).union(letters.of, heading.names)
    if 0 in expr.shape:  # there is no index tuple
        whole = Case(((),), format_index(expr, axes, letters), expr, axes)
        return Cases(format_heading(heading), axes, (whole,), names)
    terms = delta_terms(expr)
    atoms = sorted({atom for term in terms for atom in term.atoms})
    patterns = possible_patterns(atoms, expr.shape)
    alike: dict[tuple[int, ...], list[Pattern]] = {}
    for pattern in patterns:
        left = tuple(k for k, term in enumerate(terms) if term.atoms <= pattern)
        alike.setdefault(left, []).append(pattern)
    written = sum(map(len, alike))
    if len(alike) > 2 * MOST_CASES or written > MOST_WRITTEN:
        raise _too_many(f"there are up to {len(alike)} cases with {written} terms in all")
    found: dict[tuple[Node, tuple[int, ...]], list[Pattern]] = {}
    for left, members in alike.items():
        value = _value([terms[k] for k in left], frozenset.intersection(*members), expr.shape)
        found.setdefault(value, []).extend(members)
    if len(found) > MOST_CASES:
        raise _too_many(f"there are {len(found)} cases")
    places = {pattern: k for k, pattern in enumerate(patterns)}
    cases = []
    for (node, own), members in found.items():
        theirs = tuple(axes[axis] for axis in own)
        covers = _covers(members, patterns, atoms)
        conditions = tuple(
            tuple(_condition(atom, truth, axes) for atom, truth in cover) for cover in covers
        )
        text = format_index(node, theirs, letters)
        is_rest = is_zero(node) and len(found) > 1
        case = Case(conditions, text, node, theirs, is_rest)
        order = is_rest, min(len(member) for member in members), min(places[m] for m in members)
        cases.append((order, case))
    cases.sort(key=lambda item: item[0])
    return Cases(format_heading(heading), axes, tuple(case for _, case in cases), names)


def _too_many(what: str) -> SizeError:
    return SizeError(
        f"{what}, and {MOST_CASES} with {MOST_WRITTEN} terms are still read",
        action="take a part of the derivative, such as J[0], or contract some axes",
    )


def _value(
    terms: Sequence[CaseTerm], pattern: Pattern, shape: Shape
) -> tuple[Node, tuple[int, ...]]:
    """Add the terms that are left, with equal indices written as one."""
    pairs = [(a, b) for (a, _), (b, _) in (t.terms for t in pattern if t.is_equality)]
    # Equal indices of different ranges keep their letters.
    root = _united((a, b) for a, b in pairs if shape[a] == shape[b])
    carried = sorted({axis for term in terms for axis in term.axes})
    chosen: dict[int, int] = {}
    for axis in carried:  # of equal indices the one that stands in the last of the terms' cores
        chosen[root.get(axis, axis)] = axis
    out = sorted(chosen.values())
    sizes = {axis: shape[axis] for axis in out}
    parts = []
    for c, _, core, axes in terms:
        labels = [chosen[root.get(axis, axis)] for axis in axes]
        parts.append((c, einsum([core], [labels], out, sizes, [0])))
    node = normal_form(add(parts, tuple(sizes.values())))
    return (zero(()), ()) if is_zero(node) else (node, tuple(out))


def _united(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Return for each index the least one that it is equal to."""
    root: dict[int, int] = {}
    for a, b in pairs:
        a, b = root.setdefault(a, a), root.setdefault(b, b)
        root.update({axis: min(a, b) for axis, r in root.items() if r in (a, b)})
    return root


_Literals = tuple[tuple[Atom, bool], ...]


def _covers(
    members: Sequence[Pattern], patterns: Sequence[Pattern], atoms: Sequence[Atom]
) -> list[_Literals]:
    """Describe some of the patterns by few conditions, alternatives of conjunctions."""
    bits = {atom: 1 << k for k, atom in enumerate(atoms)}
    codes = [sum(bits[atom] for atom in member) for member in members]
    inside = set(members)
    outside = [sum(bits[atom] for atom in p) for p in patterns if p not in inside]
    covers: list[tuple[int, int]] = []  # which relations are looked at, and what they are
    for code in codes:
        if any(not (code ^ other) & looked_at for looked_at, other in covers):
            continue
        looked_at = (1 << len(atoms)) - 1
        for bit in sorted(bits.values(), key=lambda bit: code & bit != 0):  # what does not hold
            fewer = looked_at & ~bit
            if all((code ^ other) & fewer for other in outside):
                looked_at = fewer
        covers.append((looked_at, code))
    return [
        tuple((atom, code & bit != 0) for atom, bit in bits.items() if looked_at & bit)
        for looked_at, code in covers
    ]


def _condition(atom: Atom, holds: bool, axes: Sequence[str]) -> Condition:
    terms = tuple((c, axes[axis]) for axis, c in atom.terms)
    return Condition(terms, atom.offset, atom.is_equation, holds)


# --- text -------------------------------------------------------------------------------------


def _conjunction(conditions: Sequence[Condition]) -> str:
    """Write conditions in the shortest clear form: ``p = s ≠ q, i ≥ j``."""
    root: dict[str, str] = {}
    chains: list[tuple[str, str]] = []
    others: list[str] = []
    for condition in conditions:
        sides = _equal_sides(condition)
        if sides is None:
            others.append(_relation(condition))
        elif condition.holds:
            a, b = (root.setdefault(side, side) for side in sides)
            root.update({side: a for side, r in root.items() if r == b})
        else:
            chains.append(sides)
    classes: dict[str, list[str]] = {}
    for side, r in root.items():
        classes.setdefault(r, []).append(side)
    # Numbers last: i = j = 0.
    texts = {
        r: " = ".join(sorted(sides, key=lambda side: (side.isdigit(), side)))
        for r, sides in classes.items()
    }
    is_open = set(texts)
    for a, b in chains:
        first, second = (b, a) if root.get(b) in is_open and a not in root else (a, b)
        r = root.get(first, "")
        if r in is_open and second not in root:
            texts[r] += f" ≠ {second}"
            is_open.remove(r)
        else:
            others.append(f"{a} ≠ {b}")
    return ", ".join([*texts.values(), *others])


def _equal_sides(condition: Condition) -> tuple[str, str] | None:
    """Return the sides of an equation between two indices, or of an index and a number."""
    if not condition.is_equation:
        return None
    coefficients = sorted(c for c, _ in condition.terms)
    if coefficients == [-1, 1] and not condition.offset:
        first, second = (letter for _, letter in condition.terms)
        return first, second
    if coefficients == [1] and condition.offset <= 0:
        return condition.terms[0][1], str(-condition.offset)
    return None


def _relation(condition: Condition) -> str:
    """Write an equation or an inequality with sums on its sides."""
    sides = sides_of(condition.terms, condition.offset)
    left, right = (index_text(side).removesuffix("+0") for side in sides)
    if condition.is_equation:
        if len(right) < len(left):
            left, right = right, left
        return f"{left} {'=' if condition.holds else '≠'} {right}"
    return f"{left} {'≥' if condition.holds else '<'} {right}"


_SIGNS = {"≠": r"\neq", "≥": r"\geq"}


def _latex_condition(case: Case) -> str:
    if case.is_rest:
        return r"\text{otherwise}"
    if not case.condition:
        return ""
    written = []
    for conditions in case.conditions:
        named = [(c, tuple((k, latex_name(a)) for k, a in c.terms)) for c in conditions]
        text = _conjunction([replace(c, terms=terms) for c, terms in named])
        written.append("".join(_SIGNS.get(char, char) for char in text).replace(", ", r",\; "))
    return r"\text{if } " + r" \text{ or } ".join(written)
