r"""Where an expression occurs in another one, with a variable put in its place.

Both are in their normal forms. Factors of a product and terms of a sum are found too, in any order
of the axes,

.. math:: (z_i\, A_{ij} x_j - 2 b_i)^2,\; y_i = A_{ij} x_j \quad\Rightarrow\quad
    (z_i y_i - 2 b_i)^2 .

>>> A, x, z = variable("A", (2, 3)), variable("x", (3,)), variable("z", (2,))
>>> f = einsum([z, A, x], ["i", "ij", "j"], "")
>>> y = variable("y", (2,))
>>> abstracted(f, einsum([A, x], ["ij", "j"], "i"), y) is einsum([z, y], ["i", "i"], "")
True
>>> abstracted(f, einsum([A, z], ["ij", "i"], "i", {"i": 2}), y)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

from einsdiff.algebra.nodes.graph import rebuilt, topological
from einsdiff.algebra.nodes.interning import Add, Call, Einsum, Node, Number, Variable
from einsdiff.algebra.nodes.nodes import add, einsum
from einsdiff.algebra.rewriting.orient import normal_form
from einsdiff.errors import OperandError

#: Expressions with more axes are found with their axes in the given order only.
MOST_TURNED = 5
#: So many ways are tried to find factors in a product.
MOST_TRIED = 10_000


@lru_cache(maxsize=256)
def abstracted(expr: Node, part: Node, name: Variable) -> Node | None:
    """Put a variable in the place of a part, wherever that occurs; None if it does not.

    It is an `OperandError` if it is not clear where the part is, as that of ``x_i x_j`` in
    ``x_i x_j x_k``.
    """
    value: Node = name
    if isinstance(part, Add) and len(part.terms) == 1:  # 2 A_ij x_j, whose factor is a number
        ((c, part),) = part.terms
        value = add([(1 / Fraction(c) if isinstance(c, int | Fraction) else 1 / c, name)])
    search = _PartFinder(part, value)
    done: dict[Node, Node] = {}
    root = normal_form(expr)
    for node in topological([root]):
        done[node] = search.replaced(node, done)
    return done[root] if search.is_found else None


def inner_parts(expr: Node) -> list[Node]:
    """List the sums, products and functions that an expression is made of, the shortest first.

    >>> x = variable("x", (3,))
    >>> inner_parts(add([(1, einsum([x, x], ["i", "i"], "")), (1, variable("c", ()))]))
    [Einsum((x, x), ((0,), (0,)), ())]
    """
    root = normal_form(expr)
    found = [n for n in topological([root]) if isinstance(n, Add | Einsum | Call) and n is not root]
    return sorted(found, key=lambda node: len(topological([node])))


class _Match(NamedTuple):
    """Factors of a product, and the label that each label of the part is there."""

    places: frozenset[int]
    label: Mapping[int, int]


class _PartFinder:
    """Looks for one part."""

    def __init__(self, part: Node, value: Node) -> None:
        self.value = value
        self.axes = tuple(range(len(part.shape)))
        orders = permutations(self.axes) if len(self.axes) <= MOST_TURNED else [self.axes]
        #: The part with its axes in each order.
        self.forms: dict[Node, tuple[int, ...]] = {}
        for order in orders:
            self.forms.setdefault(normal_form(einsum([part], [self.axes], order)), order)
        self.product = next(iter(self.forms))
        self.is_found = False

    def turned(self, order: tuple[int, ...]) -> Node:
        """Return what takes the place of the part whose axes are in this order."""
        self.is_found = True
        return einsum([self.value], [self.axes], order)

    def replaced(self, node: Node, done: Mapping[Node, Node]) -> Node:
        """Replace what is in a node, of which the nodes below are done."""
        if node in self.forms:
            return self.turned(self.forms[node])
        node = rebuilt(node, done)
        if isinstance(node, Add):
            return self.in_sum(node)
        return self.in_product(node) if isinstance(node, Einsum) else node

    def in_sum(self, node: Add) -> Node:
        """Replace terms that are a multiple of the part."""
        own = {term: c for c, term in node.terms}
        for form, order in self.forms.items():
            if not isinstance(form, Add) or form.shape != node.shape:
                continue
            if any(term not in own for _, term in form.terms):
                continue
            ratios = {_ratio(own[term], c) for c, term in form.terms}
            if len(ratios) == 1:
                (ratio,) = ratios
                theirs = {term for _, term in form.terms}
                rest = [(c, term) for c, term in node.terms if term not in theirs]
                return add([*rest, (ratio, self.turned(order))], node.shape)
        return node

    def in_product(self, node: Einsum) -> Node:
        """Replace factors that are the part, as often as they are there."""
        part = self.product
        if not isinstance(part, Einsum) or len(set(part.output)) < len(part.output) or part.loose:
            return node
        found: dict[frozenset[int], _Match] = {}
        for tried, match in enumerate(_matches(node, part)):
            found.setdefault(match.places, match)
            if tried > MOST_TRIED:
                break
        if sum(map(len, found)) > len(frozenset().union(*found)):
            raise OperandError(
                "what is differentiated by can be found in a product in more than one way",
                action="name the part where the expression is written: "
                "ed.parse('y_i x_k ..', y='..')",
            )
        if not found:
            return node
        taken = frozenset().union(*found)
        order = self.forms[part]
        slots = list(zip(node.operands, node.subscripts, strict=True))
        kept = [slot for k, slot in enumerate(slots) if k not in taken]
        own = self.turned(order)
        new = [(own, [match.label[n] for n in part.output]) for match in found.values()]
        operands, subscripts = zip(*kept, *new, strict=True)
        used = {n for labels in (*subscripts, node.output, node.loose) for n in labels}
        sizes = {n: size for n, size in enumerate(node.sizes) if n in used}
        return einsum(operands, subscripts, node.output, sizes)


def _ratio(a: Number, b: Number) -> Number:
    if isinstance(a, int | Fraction) and isinstance(b, int | Fraction):
        return Fraction(a) / b
    return a / b


def _matches(node: Einsum, part: Einsum) -> Iterator[_Match]:
    """Yield the ways in which factors of a product are those of a part."""
    theirs = list(zip(part.operands, part.subscripts, strict=True))
    slots = list(zip(node.operands, node.subscripts, strict=True))
    summed = set(part.carried) - set(part.output)
    stack: list[tuple[tuple[int, ...], dict[int, int]]] = [((), {})]
    tried = 0
    while stack:
        places, label = stack.pop()
        if len(places) == len(theirs):
            chosen = frozenset(places)
            outside = {n for k, (_, own) in enumerate(slots) if k not in chosen for n in own}
            outside.update(node.output)
            if not any(label[n] in outside for n in summed):
                yield _Match(chosen, label)
            continue
        operand, wanted = theirs[len(places)]
        for k, (other, own) in enumerate(slots):
            tried += 1
            if other is not operand or k in places or tried > MOST_TRIED:
                continue
            new = dict(label)
            if all(new.setdefault(a, b) == b for a, b in zip(wanted, own, strict=True)) and len(
                set(new.values())
            ) == len(new):
                stack.append(((*places, k), new))
