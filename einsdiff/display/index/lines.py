"""What a line of index notation says: which labels it sums, and which deltas it has.

Lines are read as a person reads them, by counting labels (see `einsdiff.notation.index_parser`).

>>> summed("A_ij x_j", "i")
['j']
>>> is_reordered("2 x_i δ_ip + y_p", "y_p + 2 δ_pi x_i")
True
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from einsdiff.algebra.nodes.interning import Node
from einsdiff.algebra.reading.parts import PartReader
from einsdiff.algebra.rewriting.orient import normal_form
from einsdiff.display.index.index_text import (
    Written,
    bare_partial,
    format_heading,
    is_elementwise,
    tree_of,
    write,
)
from einsdiff.display.index.lettering import MOST_FACTORS, Heading, Letters, places, summary
from einsdiff.display.index.printer import format_sides
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.trees import (
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
    Summary,
    Symbol,
    Tree,
    parts_of,
    walk,
)


def normal_text(node: Node, axes: Sequence[str], letters: Letters) -> Written:
    """Write the normal form of an expression in index notation.

    What is far too long to be written is not brought to its normal form first.

    >>> normal_text(einsum([variable("x", (3,))] * 2, ["i", "i"], "i"), ("i",), Letters())
    'x_i^2'
    """
    return normal_sides(node, Heading("", tuple(axes)), letters)[1]


def normal_sides(node: Node, heading: Heading, letters: Letters) -> tuple[Written, Written]:
    """Write both sides of the equation of an expression in its normal form.

    The left-hand side has the ranges that one cannot see, see `format_sides`.

    >>> x = variable("x", (3,))
    >>> normal_sides(einsum([x], ["i"], ""), Heading("f", ()), Letters())
    ('f', 'Σ_i x_i')
    """
    order, _, length = places(node, letters)
    if length[node] > 4 * MOST_FACTORS:
        return format_heading(heading), write(Summary(summary(order, length)))
    return format_sides(normal_form(node), heading, letters)


def _read(text: str, names: Iterable[str]) -> Tree:
    """Return the tree of a line, of an equation that of its right-hand side."""
    tree = tree_of(text, names)
    return tree.right if isinstance(tree, Equation) else tree


# --- labels -----------------------------------------------------------------------------------


class PrintedReader(PartReader):
    """A reader of what was printed, in which derivatives are operands.

    Names without labels that are not among those of the variables are names of sizes.
    """

    def __init__(self, tree: Tree, names: Iterable[str]) -> None:
        symbols = [part for part in walk(tree) if isinstance(part, Symbol)]
        ranks = dict.fromkeys([*names, *(symbol.name for symbol in symbols if symbol.labels)])
        sizes = {symbol.name for symbol in symbols}.difference(ranks)
        super().__init__(ranks, size_names=frozenset(sizes))

    def derivative(self, tree: Partial) -> Symbol:
        """Return a derivative with its labels as an operand."""
        name = bare_partial(tree.base.name, [symbol.name for symbol in tree.wrt])
        self.ranks[name] = None
        return Symbol(name, tuple(a for part in (tree.base, *tree.wrt) for a in part.labels))


def counts(text: str, names: Collection[str] = ()) -> dict[str, int]:
    """Count the labels of a line with these operands, as who reads it does.

    >>> counts("δ_{2i+j,k} x_i (a_l b_l + 1)")
    {'i': 2, 'j': 1, 'k': 1, 'l': 0}
    """
    tree = _read(text, names)
    return {} if isinstance(tree, Summary) else run(PrintedReader(tree, names).whole(tree)).counts


def summed(text: str, free: Iterable[str], names: Collection[str] = ()) -> list[str]:
    """List the labels that are summed in a product, without a sign that says so, in order.

    >>> summed("x_i (a_j b_j + 1) y_i", "")
    ['i']
    """
    free = set(free)
    return [label for label, n in counts(text, names).items() if n > 1 and label not in free]


def derivatives_in(text: str, names: Collection[str] = ()) -> list[Partial]:
    """List the derivatives that stand as symbols in a line.

    >>> [symbol] = derivatives_in("a_i ∂x_i/∂x_p")
    >>> symbol.base.labels, symbol.wrt[0].labels
    (('i',), ('p',))
    """
    return [part for part in walk(_read(text, names)) if isinstance(part, Partial)]


# --- deltas -----------------------------------------------------------------------------------


def contracted(
    before: str, after: str, free: Iterable[str], names: Collection[str] = ()
) -> list[tuple[Written, str, str]]:
    """Tell which deltas of a line are gone in the next one, and which labels they rename.

    Each delta comes with the label that is gone, which was not free, and what it became.

    >>> contracted("δ_ip δ_jq x_j", "δ_ip x_q", "ipq")
    [('δ_jq', 'j', 'q')]
    >>> contracted("δ_ip δ_iq", "δ_pq", "pq")
    [('δ_ip', 'i', 'p')]
    """
    first, second = _read(before, names), _read(after, names)
    if isinstance(second, Summary):
        return []
    free = set(free)
    left = {frozenset(delta) for product in _products(second) for delta in _deltas(product)}
    found: dict[tuple[Written, str, str], None] = {}
    for product in _products(first):
        became: dict[str, str] = {}
        for delta in _deltas(product):
            one, other = (became.get(label, label) for label in delta)
            if one == other or {one, other} <= free or frozenset(delta) in left:
                continue
            gone, kept = (other, one) if one in free else (one, other)
            became = {label: kept if to == gone else to for label, to in became.items()}
            became[gone] = kept
            found[write(Symbol("δ", delta)), gone, kept] = None
    return list(found)


def _products(tree: Tree) -> Iterator[Tree]:
    """Yield the products of a line, but for those that a function of matrices has in it."""
    stack = [tree]
    while stack:
        one = stack.pop()
        if isinstance(one, Apply) and not is_elementwise(one):
            continue
        below = parts_of(one)
        if isinstance(one, Sum | Power | Apply):
            yield from (part for part in below if isinstance(part, Symbol))
        elif isinstance(one, Product) or one is tree:
            yield one
        stack += reversed(below)


def _deltas(tree: Tree) -> Iterator[tuple[str, str]]:
    """Yield the labels of the deltas that are factors of a product."""
    for factor in parts_of(tree) if isinstance(tree, Product) else [tree]:
        if isinstance(factor, Symbol) and factor.name == "δ" and len(factor.labels) == 2:
            one, other = factor.labels
            if isinstance(one, str) and isinstance(other, str):
                yield one, other


# --- comparing lines --------------------------------------------------------------------------


def is_reordered(
    one: str, other: str, names: Collection[str] = (), symmetric: Collection[str] = ()
) -> bool:
    """Tell whether two lines differ at most in the order of factors and of terms.

    The labels of symmetric operands have no order.
    """
    a, b = (run(_sorted(_read(text, names), {"δ", *symmetric}, None)) for text in (one, other))
    return bool(a == b)


def skeleton(text: str, free: Iterable[str], names: Collection[str] = ()) -> Any:
    """Return a line without its summed labels: what is equal may differ in these only.

    >>> skeleton("A_ij x_j", "i") == skeleton("A_ik x_k", "i")
    True
    """
    return run(_sorted(_read(text, names), {"δ"}, frozenset(free)))


def _sorted(tree: Tree, symmetric: Collection[str], free: Collection[str] | None) -> Job[Any]:
    """Put what has no order in one, as nested tuples; labels that are not free become dots."""

    def shown(symbol: Symbol) -> tuple[Any, ...]:
        labels = [_label(label, free) for label in symbol.labels]
        return symbol.name, *(sorted(labels) if symbol.name in symmetric else labels)

    if isinstance(tree, Literal):
        return ("number", repr(tree.value))
    if isinstance(tree, Summary):
        return ("…", tree.text)
    if isinstance(tree, Symbol):
        return shown(tree)
    if isinstance(tree, Partial):
        return ("∂", *map(shown, (tree.base, *tree.wrt)))
    parts: list[Any] = []
    for part in parts_of(tree):
        parts.append((yield _sorted(part, symmetric, free)))
    if isinstance(tree, Sum):
        signs = [sign for sign, _ in tree.terms]
        return ("+", *sorted(zip(signs, parts, strict=True), key=repr))
    if isinstance(tree, Product):
        powers = [power for _, power in tree.factors]
        return ("*", *sorted(zip(powers, parts, strict=True), key=repr))
    if isinstance(tree, Over):
        return ("Σ", len(tree.labels), *parts) if free is not None else ("Σ", tree.labels, *parts)
    if isinstance(tree, Compare):
        sides = [_label(s, free) for s in (tree.left, tree.right) if isinstance(s, Affine)]
        return ("[", tree.sign, *sides, *parts)
    if isinstance(tree, Apply):
        labels = [_label(label, free) for label in tree.labels or ()]
        return (tree.name, *parts, "_", *labels)
    return ("^", *parts)


def _label(index: Index, free: Collection[str] | None) -> str:
    if isinstance(index, str):
        return index if free is None or index in free or index.isdigit() else "·"
    if not index.terms:
        return str(index.offset)
    terms = sorted((_label(label, free), c) for c, label in index.terms)
    return repr((terms, index.offset))
