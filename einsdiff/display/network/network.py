r"""Expressions as tensor networks: a vertex for each factor, an edge for each index.

Penrose's picture of :math:`f_{ik} = \sum_j A_{ij} B_{jk}` is ``i -(A)-j-(B)- k``: an edge between
two factors is summed over, and an index of the result is a leg that dangles. An index that more
than two ends share, as a delta makes it, is a dot: :math:`\delta_{ip}` joins the legs i and p, and
the diagonal matrix :math:`\delta_{ip} w_i` is a dot with w and two legs. A function is a box
around the network of its argument, and a sum has its terms side by side. What a derivative is
taken by disappears from the network, and leaves the legs that it had: they are of another colour.

The network is that of the printed formula, factor by factor and letter by letter.

>>> A, x = variable("A", (2, 3)), variable("x", (3,))
>>> found = network(einsum([A, x], ["ij", "j"], "i"), ("i",), Letters())
>>> for edge in found.terms[0].edges:
...     print(
...         edge.letters, [found.terms[0].vertices[k].label for k in edge.ends], edge.legs
...     )
('i',) ['A'] ('i',)
('j',) ['A', 'x'] ()
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from einsdiff.algebra.nodes.function_records import lookup
from einsdiff.algebra.nodes.graph import children, rebuilt, topological, variables_of
from einsdiff.algebra.nodes.interning import (
    SUPERSCRIPT,
    Add,
    Call,
    Constant,
    Delta,
    Einsum,
    Node,
    Number,
    Variable,
    is_one,
    variable,
)
from einsdiff.algebra.nodes.nodes import add
from einsdiff.algebra.reading.kinds import (
    Amount,
    Applied,
    Equal,
    Named,
    Part,
    Related,
    SizePart,
    Total,
)
from einsdiff.algebra.reading.kinds import TermPart as Factors
from einsdiff.display.index.index_text import format_number, index_text, indexed
from einsdiff.display.index.lettering import Letters
from einsdiff.display.index.lines import PrintedReader
from einsdiff.display.index.printer import format_index
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.trees import Equation, Summary, in_bracket, letters_of, sides_of

#: A network of more factors than this is summarised: no person follows more lines.
MOST_VERTICES = 60
#: So many equal operands are drawn one by one, and more of them as a power.
MOST_EQUAL = 4
#: So many terms of a longer sum are drawn.
MOST_TERMS = 8


# --- networks ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Vertex:
    """A factor."""

    label: str
    kind: str  # "operand", "function", "sum" (a bracket), "relation" of indices, or "rest"
    axes: tuple[str, ...] = ()  # the letter of each axis
    inside: tuple[Network, ...] = ()  # the networks of its arguments
    between: str = ","  # what stands between these
    is_ordered: bool = False  # whether the picture must tell its axes apart


@dataclass(frozen=True, slots=True)
class Edge:
    """An index, or several that deltas make equal."""

    letters: tuple[str, ...]
    ends: tuple[int, ...]  # vertices by position, each as often as it has the index
    axes: tuple[int, ...]  # which axis of each of these vertices it is
    legs: tuple[str, ...]  # the letters of the free indices among them

    @property
    def is_dot(self) -> bool:
        """Whether it is more than a line between two vertices, or from one of them."""
        return not self.ends or len(self.ends) + len(self.legs) != 2


@dataclass(frozen=True, slots=True)
class Term:
    """A product: its coefficient, its factors, and the indices that these share."""

    coefficient: str
    vertices: tuple[Vertex, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """A sum of products, all of which have the same legs."""

    terms: tuple[Term, ...]  # none of zero
    axes: tuple[str, ...]  # the letters of the legs

    def vertices(self) -> Iterator[Vertex]:
        """Yield all vertices, and those inside of them.

        >>> x = Network((Term("", (Vertex("x", "operand"),), ()),), ())
        >>> exp = Term("", (Vertex("exp", "function", (), (x,)),), ())
        >>> [vertex.label for vertex in Network((exp,), ()).vertices()]
        ['exp', 'x']
        """
        stack = [self]
        while stack:
            for term in stack.pop().terms:
                for vertex in term.vertices:
                    yield vertex
                    stack.extend(vertex.inside)


def network(node: Node, axes: Sequence[str], letters: Letters) -> Network:
    """Make the network of an expression as it is printed, of at most `MOST_VERTICES` factors.

    What is left out is a vertex of the kind ``"rest"``, which says how much that is.
    """
    shown, rests = _summarised(node)
    tree = format_index(shown, axes, letters).tree
    assert not isinstance(tree, Equation | Summary)
    variables = variables_of([shown])
    symmetric = {v.name for v in variables if v.symmetric}
    part = run(PrintedReader(tree, [v.name for v in variables]).whole(tree))
    return run(_NetworkBuilder(rests, symmetric).network(part, tuple(axes)))


class _NetworkBuilder:
    """Makes networks of the parts of a formula; its methods are jobs, see `run`."""

    def __init__(self, rests: Mapping[str, str], symmetric: Collection[str]) -> None:
        self.rests = rests
        self.symmetric = symmetric

    def network(self, part: Part, axes: tuple[str, ...]) -> Job[Network]:
        """Make a sum of products, in which these letters are bound outside."""
        terms: list[Term] = []
        for sign, term in part.terms if isinstance(part, Total) else [(1, part)]:
            made: Term | None = yield self.term(sign, term, axes)
            if made is not None:
                terms.append(made)
        return Network(tuple(terms), axes)

    def term(self, sign: int, part: Part, axes: tuple[str, ...]) -> Job[Term | None]:
        """Make a product; None if it is zero."""
        coefficient: Number = sign
        names: list[str] = []
        factors: list[Part] = []
        letters = dict.fromkeys(axes)
        waiting = [(part, 1)]
        while waiting:
            factor, n = waiting.pop()
            if isinstance(factor, Factors) and n == 1:  # a written sum, over what follows
                counts = [letter for letter, count in factor.counts.items() if count]
                letters.update(dict.fromkeys((*counts, *factor.over)))
                waiting += factor.factors[::-1]
            elif isinstance(factor, Amount):
                coefficient = coefficient * factor.value**n
            elif isinstance(factor, SizePart):
                names += [factor.name] * n
            elif isinstance(factor, Equal) or n == 1:
                factors.append(factor)
            else:
                base = _alone(factor)
                is_short = isinstance(base, Named) and n <= MOST_EQUAL
                factors += [base] * n if is_short else [_power(factor, n)]
        if coefficient == 0:
            return None
        vertices: list[Vertex] = []
        ties: list[tuple[str, ...]] = []
        for factor in factors:
            if isinstance(factor, Equal):
                ties.append(factor.letters)
            else:
                vertices.append((yield self.vertex(factor, tuple(letters))))
        edges = _edges(vertices, ties, tuple(letters), axes)
        return Term(_coefficient_text(coefficient, names), tuple(vertices), edges)

    def vertex(self, part: Part, letters: tuple[str, ...]) -> Job[Vertex]:
        """Make a factor, in a term with these letters."""
        if isinstance(part, Named):
            own = tuple(letters_of(part.indices))
            if part.name in self.rests:
                return Vertex(self.rests[part.name], "rest", own)
            is_plain = all(isinstance(index, str) for index in part.indices)
            label = part.name if is_plain else indexed(part.name, part.indices)
            is_ordered = is_plain and len(own) > 1 and part.name not in self.symmetric
            return Vertex(label, "operand", own, is_ordered=is_ordered)
        if isinstance(part, Related):
            return Vertex(_relation_text(part), "relation", tuple(letters_of([part.index])))
        if isinstance(part, Applied):
            made: Vertex = yield self.applied(part, letters)
            return made
        own = tuple(letter for letter in letters if letter in part.counts)
        return Vertex("", "sum", own, ((yield self.network(part, own)),))

    def applied(self, part: Applied, letters: tuple[str, ...]) -> Job[Vertex]:
        """Make a function's box around its arguments."""
        if part.function is not None:  # of each entry
            own = tuple(letter for letter in letters if letter in part.counts)
            exponent = _exponent(part)
            shown = part.args[:1] if exponent is not None else part.args
            inside: list[Network] = []
            for arg in shown:
                axes = tuple(letter for letter in letters if letter in arg.counts)
                inside.append((yield self.network(arg, axes)))
            if exponent is not None:
                return Vertex(_power_text(exponent), "function", own, tuple(inside))
            text = part.function.text
            if text.startswith("["):
                sign = text.strip("[]").format("", "").strip()
                return Vertex(f"[ {sign} ]", "function", own, tuple(inside), sign)
            if part.name == "power":
                return Vertex("( )ⁿ", "function", own, tuple(inside), "^")
            return Vertex(part.name, "function", own, tuple(inside))
        if part.labels is None:
            acted = {letter for core in part.given or () for letter, _ in core}
            own = tuple(a for a in letters if a in part.counts and a not in acted)
        else:
            own = tuple(letters_of(part.labels))
        inside = []
        for k, arg in enumerate(part.args):
            if isinstance(arg, Named) and not arg.indices:
                inside.append(_whole_operand(arg.name, self.rests))
                continue
            core = [letter for letter, _ in part.given[k]] if part.given else []
            bound = {letter for letter, count in arg.counts.items() if count == 1}
            axes = tuple(a for a in dict.fromkeys((*own, *core, *arg.counts)) if a in arg.counts)
            axes = tuple(a for a in axes if a in bound or a in core or a in own)
            inside.append((yield self.network(arg, axes)))
        seen = {letter for net in inside for letter in net.axes}
        is_ordered = len(own) > 1 and not seen.issuperset(own)
        return Vertex(part.name, "function", own, tuple(inside), is_ordered=is_ordered)


def _whole_operand(name: str, rests: Mapping[str, str]) -> Network:
    kind = "rest" if name in rests else "operand"
    return Network((Term("", (Vertex(rests.get(name, name), kind),), ()),), ())


def _edges(
    vertices: Sequence[Vertex],
    ties: Iterable[Sequence[str]],
    letters: Sequence[str],
    axes: Sequence[str],
) -> tuple[Edge, ...]:
    """Join the letters that deltas make equal, and find the ends of each index."""
    group = {letter: [letter] for letter in letters}
    for tie in ties:
        first = group[tie[0]]
        for letter in tie[1:]:
            if group[letter] is not first:
                first += group[letter]
                group.update(dict.fromkeys(group[letter], first))
    edges = []
    for letter, joined in group.items():
        if letter != joined[0]:
            continue
        order = sorted(joined, key=list(letters).index)
        ends = [
            (k, axis)
            for k, vertex in enumerate(vertices)
            for axis, letter in enumerate(vertex.axes)
            if letter in joined
        ]
        legs = tuple(axis for axis in axes if axis in joined)
        where, which = (tuple(part) for part in zip(*ends, strict=True)) if ends else ((), ())
        edges.append(Edge(tuple(order), where, which, legs))
    return tuple(edges)


def _coefficient_text(c: Number, names: Sequence[str]) -> str:
    text = "" if is_one(c) else "-" if is_one(-c) else format_number(c)
    return " ".join([*([text] if text else []), *names])


def _relation_text(part: Related) -> str:
    left, right = map(index_text, sides_of(part.index.terms, part.index.offset))
    return f"{left} {'=' if part.is_equation else '≥'} {right}"


def _alone(part: Part) -> Part:
    """Return the only factor of a product, if there is but one."""
    while isinstance(part, Factors) and len(part.factors) == 1 and not part.over:
        ((part, n),) = part.factors
        if n != 1:
            break
    return part


def _power(base: Part, exponent: int) -> Applied:
    above = Factors({}, [(Amount({}, exponent), 1)])
    return Applied(in_bracket([base.counts]), "power", lookup("power"), [base, above], 0)


def _exponent(part: Applied) -> Number | None:
    """Return the exponent of a power, if it is a number."""
    if part.name != "power":
        return None
    above = part.args[1]
    factors = above.factors if isinstance(above, Factors) else []
    if len(factors) == 1 and isinstance(factors[0][0], Amount) and factors[0][1] == 1:
        return factors[0][0].value
    return None


def _power_text(exponent: Number) -> str:
    """Write a power of what is in the box.

    >>> [_power_text(n) for n in (-2, Fraction(1, 2), Fraction(-1, 2), Fraction(3, 2))]
    ['( )⁻²', '√( )', '1/√( )', '( )^(3/2)']
    """
    roots = {Fraction(1, 2): "√( )", Fraction(-1, 2): "1/√( )"}
    if isinstance(exponent, int):
        return "( )" + str(exponent).replace("-", "⁻").translate(SUPERSCRIPT)
    if isinstance(exponent, Fraction):
        return roots.get(exponent, f"( )^({exponent})")
    return f"( )^{format_number(exponent)}"


# --- what is left out -------------------------------------------------------------------------


def _weight(roots: Iterable[Node]) -> dict[Node, int]:
    """Count the factors of each node, written out."""
    weight: dict[Node, int] = {}
    for node in topological(roots):
        own = int(not isinstance(node, Einsum | Add | Constant | Delta))
        weight[node] = own + sum(weight[child] for child in children(node))
    return weight


def _left_out(count: int) -> str:
    shown = f"{count:,}" if count < 10**6 else f"10^{len(str(count)) - 1}"
    return f"… {shown} factor{'' if count == 1 else 's'}"


def _summarised(node: Node) -> tuple[Node, dict[str, str]]:
    """Put variables in place of parts, so that no more factors are left than can be drawn.

    With the expression comes what these variables say, by their names.
    """
    order = topological([node])
    weight = _weight([node])
    if weight[node] <= MOST_VERTICES and all(
        not isinstance(part, Add) or len(part.terms) <= MOST_TERMS for part in order
    ):
        return node, {}
    depth = dict.fromkeys(order, 0)
    for part in reversed(order):
        for child in children(part):
            depth[child] = max(depth[child], depth[part] + 1)
    # From the top, level by level: how often each node stands in what is drawn.
    times = dict.fromkeys(order, 0)
    times[node] = total = 1
    is_cut: set[Node] = set()
    for part in sorted(order, key=depth.__getitem__):
        below = _shown_children(part)
        gain = times[part] * (len(below) - (not isinstance(part, Call)))
        if not below or not times[part]:
            continue
        if total + gain > MOST_VERTICES:
            is_cut.add(part)
            continue
        total += gain
        for child in below:
            times[child] += times[part]
    names = {part.name for part in order if isinstance(part, Variable)}
    rests: dict[str, str] = {}

    def rest(shape: Sequence[int | str], text: str) -> Variable:
        name = next(n for k in range(len(order) + len(names) + 2) if (n := f"rest{k}") not in names)
        names.add(name)
        rests[name] = text
        return variable(name, shape)

    done: dict[Node, Node] = {}
    for part in order:
        if not times[part]:
            continue
        if part in is_cut:
            done[part] = rest(part.shape, _left_out(weight[part]))
        elif isinstance(part, Add) and len(part.terms) > MOST_TERMS:
            kept = [(c, done[term]) for c, term in part.terms[: MOST_TERMS - 1]]
            text = f"… {len(part.terms) - len(kept):,} more terms"
            done[part] = add([*kept, (1, rest(part.shape, text))])
        else:
            done[part] = rebuilt(part, done)
    return done[node], rests


def _shown_children(node: Node) -> tuple[Node, ...]:
    below = children(node)
    if isinstance(node, Add) and len(below) > MOST_TERMS:
        return below[: MOST_TERMS - 1]
    return below
