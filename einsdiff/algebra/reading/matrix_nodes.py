"""The node that a formula in matrix notation means.

Every part becomes a node whose axes are those of its rows, and then those of its columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import Any

from einsdiff.algebra.functions.catalogue import FUNCTIONS, MOST_EXPANDED
from einsdiff.algebra.nodes.interning import (
    Einsum,
    Node,
    Number,
    Variable,
    constant,
    delta,
    variable,
    zero,
)
from einsdiff.algebra.nodes.nodes import add, call, einsum, ones, partial, related, stretched
from einsdiff.algebra.reading.choice import POWERS
from einsdiff.algebra.reading.matrix_kinds import C, Kinds, M, S, canonical_name, function_for
from einsdiff.algebra.reading.matrix_sizes import MatrixSizes
from einsdiff.errors import ShapeError
from einsdiff.notation.matrix_trees import MatrixTree
from einsdiff.notation.subscripts import Size

#: Products with more factors are not written out when they are multiplied further.
_MOST_INLINE = 32

_COMPARE = {
    ">": ("greater", False),
    "≥": ("greater_equal", False),
    "<": ("greater", True),
    "≤": ("greater_equal", True),
    "=": ("equal", False),
    "≠": ("not_equal", False),
}


class MatrixBuilder(MatrixSizes):
    """Builds the node of a formula, whose sides it finds.

    For each kind of tree there is a method that returns its node. `powers` are exponents of
    matrices that are names.
    """

    def __init__(
        self,
        text: str,
        tree: MatrixTree,
        kinds: Kinds,
        known: Mapping[str, Node],
        powers: Mapping[str, int],
        order: str,
    ) -> None:
        super().__init__(text, tree, kinds, known, order)
        self.powers = powers
        self.nodes: dict[int, Node] = {}
        self.variables: dict[str, Node] = {}
        self.squares = {
            id(part.args[0])
            for part in self.trees
            if part.op == "power" and _is_root(part.args[0]) and part.args[1].value == 2
        }

    def build(self) -> Node:
        """Return the node of the whole."""
        for tree in self.trees:
            self.nodes[id(tree)] = self.made(tree, [self.nodes[id(part)] for part in tree.args])
        return self.nodes[id(self.tree)]

    def variable(self, name: str) -> Node:
        if name not in self.variables:
            sizes = [s for side in self.names[name] for s in self.sides.sizes(side)]
            known = tuple(size for size in sizes if size is not None)
            self.variables[name] = self.known.get(name) or variable(name, known)
        return self.variables[name]

    def multiplied(
        self,
        factors: Sequence[tuple[Node, Sequence[Any]]],
        output: Sequence[Any],
        sizes: Mapping[Any, Size] | None = None,
    ) -> Node:
        """Multiply; what is a product already becomes factors of this one, if it is short."""
        found: dict[Any, Size] = {}
        for node, own in factors:
            for label, size in zip(own, node.shape, strict=True):
                if found.setdefault(label, size) != size:
                    raise ShapeError(
                        f"an axis has size {found[label]} in one factor, and {size} in another",
                        action="give operands whose products and traces fit: the trace of A ⊗ B is "
                        "that of two square matrices",
                    )
        inline = [
            k
            for k, (node, _) in enumerate(factors)
            if isinstance(node, Einsum) and len(node.operands) <= _MOST_INLINE
        ]
        return einsum(
            [node for node, _ in factors], [own for _, own in factors], output, sizes, inline
        )

    def regrouped(
        self,
        node: Node,
        have: Sequence[tuple[Size, ...]],
        want: Sequence[tuple[Size, ...]],
        tree: MatrixTree,
    ) -> Node:
        """Merge and part axes, so that each side is made of the sizes that are wanted."""
        if list(have) == list(want):
            return node
        factors: list[tuple[Node, Sequence[Any]]] = []
        sizes: dict[Any, Size] = {}
        own: list[Any] = []
        output: list[Any] = []
        for k, (old, new) in enumerate(zip(have, want, strict=True)):
            labels = [(k, "old", i) for i in range(len(old))]
            own += labels
            if old == new:
                output += labels
                continue
            if not all(isinstance(size, int) for size in (*old, *new)):
                self.fail(
                    f"the entries of '{self.shown(tree)}' cannot be counted: "
                    f"{' · '.join(map(str, old))} in place of {' · '.join(map(str, new))}",
                    [tree],
                    "give sizes as numbers, or arrays",
                )
            made = [(k, "new", i) for i in range(len(new))]
            output += made
            whole: Any = (k, "whole")
            sizes[whole] = prod(int(size) for size in old)
            for group, group_labels in ((old, labels), (new, made)):
                factors.append(_digits(sizes[whole], group, whole, group_labels))
                sizes.update(zip(group_labels, group, strict=True))
        return self.multiplied([(node, own), *factors], output, sizes)

    def aligned(self, tree: MatrixTree, part: MatrixTree) -> Node:
        """Return the node of a part, with the axes of the whole."""
        node = self.nodes[id(part)]
        if self.kind(part) == S:
            return node
        return self.regrouped(node, self.shape(part), self.shape(tree), part)

    def made(self, tree: MatrixTree, args: list[Node]) -> Node:
        """Build the node of one part from those of its parts."""
        build: Callable[[MatrixTree, list[Node]], Node]
        build = getattr(self, f"make_{tree.op}")
        return build(tree, args)

    def make_number(self, tree: MatrixTree, args: list[Node]) -> Node:
        return constant(tree.value)

    def make_name(self, tree: MatrixTree, args: list[Node]) -> Node:
        if tree.value in self.named_sizes and tree.value not in self.known:
            size = self.named_sizes[tree.value].found().size
            return einsum([], [], (), {0: tree.value if size is None else size})
        return self.variable(tree.value)

    def make_entry(self, tree: MatrixTree, args: list[Node]) -> Node:
        (size,) = args[0].shape
        if isinstance(size, int) and tree.value >= size:
            self.fail(
                f"entry {tree.value} is outside of '{tree.args[0].value}', whose size is {size}",
                [tree],
                f"entries are counted from 0, so that the last one is {size - 1}",
            )
        return einsum([args[0], related((size,), (1,), -tree.value)], ["i", "i"], "")

    def make_ones(self, tree: MatrixTree, args: list[Node]) -> Node:
        return ones(self.shape(tree)[0])

    def make_zeros(self, tree: MatrixTree, args: list[Node]) -> Node:
        rows, columns = self.shape(tree)
        return zero((*rows, *columns))

    def make_unit(self, tree: MatrixTree, args: list[Node]) -> Node:
        sizes = self.shape(tree)[0]
        (place,) = tree.value
        if len(sizes) > 1 or (isinstance(sizes[0], int) and place >= sizes[0]):
            self.fail(
                f"'{self.shown(tree)}' has {' · '.join(map(str, sizes))} entries",
                [tree],
                "entries are counted from 0",
            )
        return related(sizes, (1,), -place)

    def make_eye(self, tree: MatrixTree, args: list[Node]) -> Node:
        sizes = self.shape(tree)[0]
        if len(sizes) == 1:
            return delta(sizes[0])
        labels = range(len(sizes))
        return einsum([], [], [*labels, *labels], dict(enumerate(sizes)))

    def make_commutation(self, tree: MatrixTree, args: list[Node]) -> Node:
        first, second = self.shape(tree)[1]
        return einsum([], [], [1, 0, 0, 1], {0: first, 1: second})

    def make_partial(self, tree: MatrixTree, args: list[Node]) -> Node:
        base, by = tree.value
        node = self.known[base]
        for name in by:
            other = self.known[name]
            if not isinstance(node, Variable) or not isinstance(other, Variable):
                self.fail("a derivative of what is no variable", [tree], "write its name")
            node = partial(node, other)
        return node

    def make_sum(self, tree: MatrixTree, args: list[Node]) -> Node:
        rows, columns = self.shape(tree)
        terms = []
        for sign, part in zip(tree.value, tree.args, strict=True):
            node = self.aligned(tree, part)
            terms.append((sign, stretched(node, (*rows, *columns)) if not node.shape else node))
        return add(terms, (*rows, *columns))

    def make_product(self, tree: MatrixTree, args: list[Node]) -> Node:
        left, right = tree.args
        kinds = self.kind(left), self.kind(right)
        ranks = [len(node.shape) for node in args]
        if S in kinds:
            labels = [[(k, i) for i in range(rank)] for k, rank in enumerate(ranks)]
            return self.multiplied(list(zip(args, labels, strict=True)), labels[0] + labels[1])
        shapes = [self.shape(left), self.shape(right)]
        if kinds == (C, C):
            return self.inner(tree, args)
        rows, inner = shapes[0]
        other, columns = shapes[1]
        if inner != other:
            shared = inner if len(inner) < len(other) else other
            args = [
                self.regrouped(args[0], shapes[0], (rows, shared), left),
                self.regrouped(args[1], shapes[1], (shared, columns), right),
            ]
            inner = shared
        summed = [("j", k) for k in range(len(inner))]
        above = [("i", k) for k in range(len(rows))]
        below = [("k", k) for k in range(len(columns))]
        return self.multiplied(
            [(args[0], above + summed), (args[1], summed + below)], above + below
        )

    def inner(self, tree: MatrixTree, args: list[Node]) -> Node:
        """Sum the products of entries in the same places."""
        left, right = tree.args
        other = self.regrouped(args[1], self.shape(right), self.shape(left), right)
        labels = range(len(other.shape))
        return self.multiplied([(args[0], labels), (other, labels)], ())

    make_inner = inner

    def make_over(self, tree: MatrixTree, args: list[Node]) -> Node:
        whole, divisor = args
        labels = range(len(whole.shape))
        return self.multiplied([(whole, labels), (self.raised(divisor, -1), ())], labels)

    def entrywise(self, tree: MatrixTree, factors: Sequence[Node]) -> Node:
        """Multiply entry by entry; numbers are factors."""
        labels = range(sum(map(len, self.shape(tree))))
        own = [(node, labels if node.shape else ()) for node in factors]
        return self.multiplied(own, labels)

    def make_hadamard(self, tree: MatrixTree, args: list[Node]) -> Node:
        return self.entrywise(tree, [self.aligned(tree, part) for part in tree.args])

    def make_quotient(self, tree: MatrixTree, args: list[Node]) -> Node:
        above, below = (self.aligned(tree, part) for part in tree.args)
        return self.entrywise(tree, [above, self.raised(below, -1)])

    def make_kron(self, tree: MatrixTree, args: list[Node]) -> Node:
        (a, b), (c, d) = ([len(side) for side in self.shape(part)] for part in tree.args)
        left = [("a", k) for k in range(a)], [("b", k) for k in range(b)]
        right = [("c", k) for k in range(c)], [("d", k) for k in range(d)]
        return self.multiplied(
            [(args[0], left[0] + left[1]), (args[1], right[0] + right[1])],
            left[0] + right[0] + left[1] + right[1],
        )

    def make_power(self, tree: MatrixTree, args: list[Node]) -> Node:
        base, exponent = tree.args
        if self.kind(base) == M:
            return self.matrix_power(tree, args[0])
        if id(base) in self.squares:
            return args[0]  # the norm is squared already
        value = exponent.value if exponent.op == "number" else None
        if exponent.op == "name":
            value = self.powers.get(exponent.value)
        if value is not None:
            return self.raised(args[0], value)
        return call(FUNCTIONS["power"], args)

    def raised(self, node: Node, exponent: Number) -> Node:
        """Raise each entry to a power that is a number."""
        if isinstance(exponent, int) and 2 <= exponent <= MOST_EXPANDED:
            labels = range(len(node.shape))
            return einsum([node] * exponent, [labels] * exponent, labels)
        return call(FUNCTIONS["power"], [node, constant(exponent)])

    def matrix_power(self, tree: MatrixTree, node: Node) -> Node:
        base, exponent = tree.args
        n = exponent.value if exponent.op == "number" else self.powers.get(str(exponent.value))
        if exponent.op == "sum" and len(exponent.args) == 1:
            inner = self.powers.get(str(exponent.args[0].value))
            n = None if inner is None else inner * exponent.value[0]
        if not isinstance(n, int):
            self.fail(
                "the exponent of a matrix is no whole number",
                [exponent],
                f"give it: {self.shown(exponent)}=3; or write .^ for the power of each entry"
                if exponent.op == "name"
                else "write sqrtm or .^, whichever is meant",
            )
        if tree.value == "**" and n != -1:
            self.fail(
                "'**' is a power of each entry in NumPy, and a product of matrices elsewhere",
                [tree],
                f"write {self.shown(base)} .^ {n} or {self.shown(base)}^{n}",
            )
        rows, columns = self.shape(base)
        if rows != columns or len(rows) != 1:
            whole = self.regrouped(node, (rows, columns), ((prod_of(rows),),) * 2, base)
            return self.regrouped(_power(whole, n), ((prod_of(rows),),) * 2, (rows, rows), base)
        return _power(node, n)

    def make_entrypower(self, tree: MatrixTree, args: list[Node]) -> Node:
        exponent = tree.args[1]
        base = self.aligned(tree, tree.args[0])
        if exponent.op == "number":
            return self.raised(base, exponent.value)
        above = self.aligned(tree, exponent)
        if not base.shape and above.shape:
            base = stretched(base, above.shape)
        return call(FUNCTIONS["power"], [base, above])

    def make_exponential(self, tree: MatrixTree, args: list[Node]) -> Node:
        name = "expm" if self.kind(tree) == M else "exp"
        return call(FUNCTIONS[name], args)

    def make_transpose(self, tree: MatrixTree, args: list[Node]) -> Node:
        rows = self.shape(tree.args[0])[0]
        labels = range(len(args[0].shape))
        return einsum([args[0]], [labels], [*labels[len(rows) :], *labels[: len(rows)]])

    def make_norm(self, tree: MatrixTree, args: list[Node]) -> Node:
        return self.norm(tree, args[0], tree.value or "")

    def norm(self, tree: MatrixTree, node: Node, index: str) -> Node:
        """Take the norm of a vector, or that of Frobenius, of a matrix."""
        kind = self.kind(tree.args[0])
        shown = self.shown(tree.args[0])
        index = {"∞": "inf", "max": "inf"}.get(index, index)
        if index not in ("", "1", "2", "F", "inf"):
            self.fail(
                f"there is no norm with the index '{index}'", [tree], "write ‖x‖, ‖x‖_1, ‖A‖_F"
            )
        if kind == M and index in ("1", "2", "inf"):
            way = {
                "inf": f"max(abs({shown})) for the largest absolute value",
                "1": f"sum(abs({shown})) for the sum of all absolute values",
                "2": f"‖{shown}‖_F for the root of the sum of squares",
            }[index]
            self.fail(
                f"norm {index} of a matrix may be that of its entries, or that of the map",
                [tree],
                f"write {way}; ed.norm has the others",
            )
        labels = range(len(node.shape))
        if index == "inf":
            largest = function_for("max", [kind])
            sizes = call(FUNCTIONS["abs"], [node])
            return call(largest, [sizes]) if largest is not None and labels else sizes
        if index == "1":
            return einsum([call(FUNCTIONS["abs"], [node])], [labels], ())
        squares = self.multiplied([(node, labels), (node, labels)], ())
        return squares if id(tree) in self.squares else self.raised(squares, Fraction(1, 2))

    def make_bars(self, tree: MatrixTree, args: list[Node]) -> Node:
        return call(FUNCTIONS["det" if self.kind(tree.args[0]) == M else "abs"], args)

    def make_compare(self, tree: MatrixTree, args: list[Node]) -> Node:
        name, is_swapped = _COMPARE[tree.value]
        sides = [self.aligned(tree, part) for part in tree.args]
        return self.applied(tree, name, sides[::-1] if is_swapped else sides)

    def applied(self, tree: MatrixTree, name: str, sides: Sequence[Node]) -> Node:
        """Apply a function of each entry."""
        shape = tuple(size for side in self.shape(tree) for size in side)
        node = call(FUNCTIONS[name], sides)
        return node if node.shape == shape else stretched(node, shape)

    def make_across(self, tree: MatrixTree, args: list[Node]) -> Node:
        return self.stacked(tree, args, 1)

    def make_down(self, tree: MatrixTree, args: list[Node]) -> Node:
        return self.stacked(tree, args, 0)

    def stacked(self, tree: MatrixTree, args: list[Node], side: int) -> Node:
        """Put blocks into a larger matrix, each at its place."""
        shape = self.shape(tree)
        (total,) = shape[side]
        start = 0
        terms = []
        for part, node in zip(tree.args, args, strict=True):
            own = self.shape(part)
            other = shape[1 - side]
            width: Size = own[side][0] if own[side] else 1
            if not isinstance(width, int) or not isinstance(total, int):
                self.need_numbers(tree)
            fixed = (other, own[1]) if side else (own[0], other)
            node = self.regrouped(node, own, fixed, part)
            across = [("o", k) for k in range(len(other))]
            labels = ["i"] if own[side] else []
            inside = across + labels if side else labels + across
            place = related((width, total), (1, -1), start)
            whole = [*across, "p"] if side else ["p", *across]
            terms.append((1, self.multiplied([(node, inside), (place, ["i", "p"])], whole)))
            start += width
        return add(terms)

    def make_call(self, tree: MatrixTree, args: list[Node]) -> Node:
        name = tree.value
        (first, *_) = args
        part = tree.args[0]
        labels = range(len(first.shape))
        match name:
            case "norm" | "norm1" | "norm2":
                return self.norm(tree, first, name[4:])
            case "tr" | "trace" | "diag" if self.kind(part) == M:
                rows, columns = self.shape(part)
                first = self.regrouped(first, (rows, columns), (rows, rows), part)
                half = range(len(rows))
                return self.multiplied([(first, [*half, *half])], half if name == "diag" else ())
            case "diag":
                return self.multiplied([(first, labels)], [*labels, *labels])
            case "transpose":
                return self.make_transpose(tree, args)
            case "vec":
                rows, _ = self.shape(part)
                turned = [*labels[len(rows) :], *labels[: len(rows)]]
                return einsum([first], [labels], labels if self.order == "C" else turned)
            case "sum":
                return self.multiplied([(first, labels)], ())
            case "mean":
                size: dict[Any, Size] = {("n", k): n for k, n in enumerate(first.shape)}
                count = einsum([], [], (), size)
                return self.multiplied([(first, labels), (self.raised(count, -1), ())], ())
            case "vector" | "matrix":
                shape = tuple(size for side in self.shape(tree) for size in side)
                return stretched(first, shape)
            case "kron":
                return self.make_kron(tree, args)
            case "dot" | "inner":
                return self.inner(tree, args)
            case "outer":
                pair = [[(k, i) for i in range(len(node.shape))] for k, node in enumerate(args)]
                return self.multiplied(list(zip(args, pair, strict=True)), pair[0] + pair[1])
            case "adj":
                whole = self.squared(part, first)
                found = call(FUNCTIONS["inv"], [whole])
                two = range(2)
                return einsum([call(FUNCTIONS["det"], [whole]), found], [(), two], two)
        return self.of_table(tree, args)

    def squared(self, part: MatrixTree, node: Node) -> Node:
        """Return a square matrix with one axis for its rows and one for its columns."""
        have = self.shape(part)
        return self.regrouped(node, have, [(prod_of(side),) for side in have], part)

    def of_table(self, tree: MatrixTree, args: list[Node]) -> Node:
        """Apply a function of the table."""
        name = canonical_name(tree.value)
        if name in POWERS:
            return self.raised(args[0], POWERS[name])
        part = tree.args[0]
        if name == "log" and self.kind(tree) == S:
            inner = part.args[0] if part.args else part
            is_det = part.op == "call" and part.value == "det"
            if is_det or (part.op == "bars" and self.kind(inner) == M):
                return call(FUNCTIONS["logdet"], [self.squared(inner, self.nodes[id(inner)])])
        function = self.function(tree)
        if function.is_elementwise:
            sides = [self.aligned(tree, arg) for arg in tree.args]
            shape = tuple(size for side in self.shape(tree) for size in side)
            node = call(function, sides)
            return node if node.shape == shape else stretched(node, shape)
        merged = []
        for arg, node in zip(tree.args, args, strict=True):
            have = self.shape(arg)
            want = [(prod_of(side),) if side else () for side in have]
            merged.append(self.regrouped(node, have, want, arg))
        return call(function, merged)

    def whole(self, node: Node) -> Node:
        """Return the node of the whole, with at most one axis for its rows and its columns.

        Where a size is a name, the axes of ``vec(A)`` and of ``A ⊗ B`` stay apart.
        """
        have = self.shape(self.tree)
        if any(isinstance(size, str) for side in have if len(side) > 1 for size in side):
            return node
        want = [(prod_of(side),) if side else () for side in have]
        return self.regrouped(node, have, want, self.tree)


def _is_root(tree: MatrixTree) -> bool:
    """Tell whether a tree is a norm that is a root of a sum of squares."""
    if tree.op == "call":
        return tree.value in ("norm", "norm2")
    return tree.op == "norm" and tree.value in ("", "2", "F")


def prod_of(sizes: Sequence[Size]) -> Size:
    """Multiply sizes; a single one may be a name.

    >>> prod_of(["n"]), prod_of([2, 3])
    ('n', 6)
    """
    if len(sizes) == 1:
        return sizes[0]
    if all(isinstance(size, int) for size in sizes):
        return prod(int(size) for size in sizes)
    return "·".join(map(str, sizes))


def _power(node: Node, n: int) -> Node:
    """Multiply a matrix by itself."""
    if n < 0:
        return _power(call(FUNCTIONS["inv"], [node]), -n)
    if n == 0:
        return delta(node.shape[0])
    if n <= MOST_EXPANDED:
        return einsum([node] * n, [(k, k + 1) for k in range(n)], (0, n))
    half = _power(node, n // 2)
    factors = [half, half, *[node] * (n % 2)]
    count = len(factors)
    return einsum(factors, [(k, k + 1) for k in range(count)], (0, count))


def _digits(
    whole: Size, sizes: Sequence[Size], label: Any, labels: Sequence[Any]
) -> tuple[Node, Sequence[Any]]:
    """Return the delta of an index and those that count its digits, as a factor."""
    if len(sizes) == 1:
        return delta(sizes[0]), [label, *labels]
    weights = [prod(int(size) for size in sizes[k + 1 :]) for k in range(len(sizes))]
    node = related((whole, *sizes), (1, *(-weight for weight in weights)))
    return node, [label, *labels]
