r"""The six nodes that every expression is made of, and the functions that build them.

An expression is a tensor whose axes are free indices. With integer labels for indices,

.. math::
    \text{Einsum}:\; f_{ik} = \sum_j A_{ij} B_{jk} \qquad
    \text{Add}:\; f_i = 2\, x_i + \tfrac12\, y_i \qquad
    \text{Delta}:\; \delta_{ij} .

A node is made by its class or by the function of the same name in lower case, which do the same:
``Einsum(...)`` is ``einsum(...)``. What comes back is in canonical form, and may be a node of
another, simpler type.

Nodes are immutable and interned: building the same expression twice gives the same object, so
that equality is identity and a set of nodes is a set of expressions. What makes two expressions
the same is decided once, in the builders `einsum` and `add`:

- A Kronecker delta never stays inside a product. :math:`\delta_{ij} x_j` is substitution: the two
  labels become one. What survives of a delta is a label that stands twice in the *output*:
  ``δ_ip x_q`` is the einsum ``q->iiq``. The node `Delta` is the one case with nothing else in it.
- A delta of indices that are shifted or merged, ``δ_{i+1,p}``, is a `Delta` too (see
  `einsdiff.algebra.nodes.relations`). It stays a factor, unless it can be substituted or always
  holds.
- A label in the output that no operand carries is a broadcast; one that is summed and that no
  operand carries is a factor, its size.
- Numbers leave products and are kept as exact coefficients of `Add`; like terms collect.
- The order of factors and the names of summed labels are made canonical (`canonical`).

>>> A, x = variable("A", (2, 3)), variable("x", (3,))
>>> f = einsum([A, x], ["ij", "j"], "i")
>>> f is einsum([x, A], ["b", "ab"], "a")
True
>>> einsum([delta(3), x], ["ij", "j"], "i") is x
True
>>> einsum([delta(3)], ["ii"], "")
Constant(3)
>>> add([(1, f), (0.5, f), (1, f)])
Add((2.5, <Einsum (2,)>))
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from einsdiff.algebra.nodes.canonical import least
from einsdiff.algebra.nodes.effort import spend
from einsdiff.algebra.nodes.function_records import Function
from einsdiff.algebra.nodes.interning import (
    BUILDERS,
    ONE,
    Add,
    Call,
    Constant,
    Delta,
    Einsum,
    Node,
    Number,
    Variable,
    as_exact,
    constant,
    delta,
    interned_call,
    interned_delta,
    interned_sum,
    is_one,
    ordered_einsum,
    symbol,
    symmetry,
    times,
    variable,
    zero,
)
from einsdiff.algebra.nodes.labels import Labels
from einsdiff.algebra.nodes.levi_civita import has_levi_civita, sorted_symbols
from einsdiff.algebra.nodes.relations import Relation, simplified
from einsdiff.notation.subscripts import Size

#: A sum inside a sum is merged into it when it has at most this many terms. Merging more would
#: copy long sums again and again where sums of sums are built one by one; see `flatten`.
MERGED_TERMS = 4


def partial(x: Variable, by: Variable) -> Node:
    r"""Build the derivative of an unspecified function, a symbol.

    `x` is a function of `by`, as in ``variable("x", ("n",), of=[z])``, or a derivative of one; the
    axes are those of x and then those of `by`. The order of differentiation has no meaning:
    :math:`\partial^2 x/\partial z\,\partial t` and :math:`\partial^2 x/\partial t\,\partial z` are
    one symbol.

    >>> z = variable("z", ("k",))
    >>> partial(variable("x", ("n",), of=[z]), z)
    ∂x/∂z
    """
    base, before = x.derivative or (x, ())
    rank = len(x.shape)
    place = sum(v.name <= by.name for v in before)
    after = (*before[:place], by, *before[place:])
    start = len(base.shape) + sum(len(v.shape) for v in before[:place])
    own = tuple(range(rank, rank + len(by.shape)))
    labels = (*range(start), *own, *range(start, rank))
    return einsum([symbol(base, after)], [labels], range(rank + len(own)))


def related(
    sizes: Sequence[Size], coefficients: Sequence[int], offset: int = 0, is_equation: bool = True
) -> Node:
    """Build the tensor that is 1 where indices of these sizes are related, and 0 elsewhere.

    The sum of the indices times their coefficients, plus the offset, is to be zero, as in
    ``δ_{i+1,p}``; or at least zero, ``[i ≥ j]``, if that is no equation.

    >>> related((2, 3), (1, -1), 1)  # i + 1 = p, the same as p - i = 1
    Delta((2, 3), (-1, 1), -1, =)
    >>> related((3, 3), (1, -1)) is delta(3)
    True
    """
    build = _ProductBuilder()
    labels = [build.new(size) for size in sizes]
    build.relate(Relation(tuple(coefficients), offset, is_equation), labels)
    return build.finish(labels)


# --- sums -------------------------------------------------------------------------------------


def add(terms: Iterable[tuple[Number, Node]], shape: Sequence[Size] | None = None) -> Node:
    """Add terms with coefficients, all of one shape, and collect like terms.

    The shape is needed if there may be no term. What comes back is an `Add`, or the only term left
    if its coefficient is 1, or a `Constant`.

    >>> x, y = variable("x", (3,)), variable("y", (3,))
    >>> add([(2, x), (1, y), (-2, x)]) is y
    True
    """
    collected: dict[Node, Number] = {}
    stack = [(c, node) for c, node in terms][::-1]
    while stack:
        c, node = stack.pop()
        if shape is None:
            shape = node.shape
        assert tuple(shape) == node.shape, f"{shape} + {node.shape}"
        if isinstance(node, Add) and (len(node.terms) <= MERGED_TERMS):
            stack.extend((times(c, inner), term) for inner, term in reversed(node.terms))
            continue
        if isinstance(node, Constant):
            c, node = times(c, node.value), ONE
        collected[node] = as_exact(collected[node] + c) if node in collected else as_exact(c)
    assert shape is not None, "a sum of no terms needs a shape"
    kept = [(c, node) for node, c in collected.items() if c != 0]
    if len(kept) == 1:
        c, node = kept[0]
        if node is ONE:
            return constant(c)
        if is_one(c):
            return node
    return interned_sum(kept, tuple(shape))


def scale(c: Number, node: Node) -> Node:
    """Multiply by a number.

    >>> scale(-1, scale(-1, variable("x", (3,))))
    x
    """
    return node if is_one(c) else add([(c, node)])


# --- products ---------------------------------------------------------------------------------


def einsum(
    operands: Sequence[Node],
    subscripts: Sequence[Sequence[Hashable]],
    output: Sequence[Hashable],
    sizes: Mapping[Any, Size] | None = None,
    inline: Collection[int] = (),
) -> Node:
    """Multiply, and sum over the labels that are not in the output.

    Each axis of the operands has a label, any hashable; those of the output may repeat, and need no
    operand. Sizes of labels that no operand carries, and that are not in the output, count as a
    factor. The factors of operands at the places `inline`, themselves products, become factors of
    this one. What comes back is an `Einsum`, or something simpler that equals it.

    >>> A = variable("A", (2, 2))
    >>> einsum([A], ["ij"], "ji")
    Einsum((A), ((1, 0),), (0, 1))
    >>> einsum([einsum([A], ["ij"], "ji")], ["ij"], "ji") is A
    True
    >>> einsum([], [], "pq", {"p": 2, "q": 3}).shape
    (2, 3)
    """
    build = _ProductBuilder()
    for label, size in (sizes or {}).items():
        build.number(label, size)
    for k, (node, labels) in enumerate(zip(operands, subscripts, strict=True)):
        build.multiply(
            node,
            [build.number(label, size) for label, size in zip(labels, node.shape, strict=True)],
            k in inline,
        )
    return build.finish([build.known(label) for label in output])


class _ProductBuilder(Labels):
    """A product under construction: factors, and labels with the substitutions so far."""

    def __init__(self) -> None:
        super().__init__()
        self.coefficient: Number = 1
        self.factors: list[tuple[Node, list[int]]] = []

    # Factors.

    def multiply(self, node: Node, labels: list[int], inline: bool = False) -> None:
        stack = [(node, labels, inline)]
        while stack:
            node, labels, inline = stack.pop()
            if isinstance(node, Constant):
                self.coefficient = times(self.coefficient, node.value)
            elif isinstance(node, Delta):
                if node.is_identity:
                    self.unite(*labels)
                else:
                    self.relate(node.relation, labels)
            elif isinstance(node, Add):
                c, rest = node.primitive
                self.coefficient = times(self.coefficient, c)
                self.vanishes |= not node.terms
                if isinstance(rest, Add):  # which is primitive itself
                    self.factors.append((rest, labels))
                else:
                    stack.append((rest, labels, inline))
            elif isinstance(node, Einsum):
                # Labels of the inner product: those of its output are the outer labels given
                # here, where an inner label that occurs twice ties two outer ones.
                inner: dict[int, int] = {}
                for theirs, ours in zip(node.output, labels, strict=True):
                    self.unite(inner.setdefault(theirs, ours), ours)
                if inline or node.is_arranged:
                    for theirs, size in enumerate(node.sizes):
                        if theirs not in inner:
                            inner[theirs] = self.new(size)
                    for factor, theirs_all in zip(node.operands, node.subscripts, strict=True):
                        stack.append((factor, [inner[t] for t in theirs_all], False))
                else:
                    core, axes, sizes = node.core
                    for size in sizes:
                        self.new(size)
                    self.factors.append((core, [inner[axis] for axis in axes]))
            else:
                self.factors.append((node, labels))

    # The result.

    def finish(self, output: list[int]) -> Node:
        """Build the node: open what can be opened, then read what is there, once."""
        spend(1 + len(self.factors))
        self.settle(self.kept(output))
        if self.opened(output):
            self.settle(self.kept(output))
        return _built(self.closed(output))

    def kept(self, output: list[int]) -> set[int]:
        """List the labels that stand in the result or in a factor."""
        return {*output, *(label for _, labels in self.factors for label in labels)}

    def opened(self, output: list[int]) -> bool:
        """Put the factors of a product in its place if this one is only a view of it.

        A view of a product is the product with its axes in another order. Returns whether it was.
        """
        if len(self.factors) != 1 or self.relations or self.vanishes:
            return False
        ((node, labels),) = self.factors
        roots, out = [self.find(label) for label in labels], [self.find(n) for n in output]
        if not isinstance(node, Einsum) or len(set(roots)) < len(roots) or not set(roots) <= {*out}:
            return False
        named = any(not isinstance(self.size[label], int) for label in self.loose(out))
        if not named and _same_axes(node, tuple(roots), tuple(out)):
            return False
        self.factors = []
        self.multiply(node, labels, inline=True)
        return True

    def loose(self, out: list[int]) -> list[int]:
        """List the summed labels that no factor carries: each is a factor, its size."""
        present = {*out, *self.eliminated}
        present.update(self.find(label) for _, labels in self.factors for label in labels)
        present.update(self.find(label) for terms, _, _ in self.relations for label in terms)
        roots = dict.fromkeys(self.find(label) for label in range(len(self.parent)))
        return [label for label in roots if label not in present]

    def closed(self, output: list[int]) -> _ClosedProduct:
        """Read the factors, the labels and the coefficient, after which nothing changes them."""
        out = [self.find(label) for label in output]
        sizes = dict(enumerate(self.size))
        if self.vanishes:
            return _ClosedProduct(0, [], [], out, [], sizes)
        coefficient, loose = self.coefficient, []
        for label in self.loose(out):
            size = self.size[label]
            if isinstance(size, int):
                coefficient = times(coefficient, size)
            else:
                loose.append(label)
        factors = [*self.factors, *self.written_relations()]
        subscripts = [tuple([self.find(label) for label in labels]) for _, labels in factors]
        return _ClosedProduct(
            coefficient, [node for node, _ in factors], subscripts, out, loose, sizes
        )

    def written_relations(self) -> list[tuple[Node, list[int]]]:
        """Return the relations that are left as factors."""
        written: list[tuple[Node, list[int]]] = []
        for terms, offset, is_equation in self.relations:
            sizes = [self.size[label] for label in terms]
            relation = simplified(Relation(tuple(terms.values()), offset, is_equation), sizes)
            axes = sorted(
                zip(relation.coefficients, map(str, sizes), terms, sizes, strict=True),
                key=lambda axis: axis[:2],
            )
            relation = relation._replace(coefficients=tuple(c for c, _, _, _ in axes))
            node = interned_delta(tuple(size for _, _, _, size in axes), relation)
            written.append((node, [label for _, _, label, _ in axes]))
        return written


class _ClosedProduct(NamedTuple):
    """A product that is built: nothing in it is opened, united or taken out any more."""

    coefficient: Number
    operands: list[Node]
    subscripts: list[tuple[int, ...]]
    out: list[int]
    loose: list[int]
    sizes: dict[int, Size]


def _built(product: _ClosedProduct) -> Node:
    """Return the node of a product: its coefficient times what its factors are."""
    coefficient, operands, subscripts, out, loose, sizes = product
    if has_levi_civita(operands):
        sign, subscripts = sorted_symbols(operands, subscripts, out, sizes)
        coefficient *= sign
    if coefficient == 0:
        return zero([sizes[label] for label in out])
    if not operands and not loose and (not out or (len(out) == 2 and out[0] == out[1])):
        return scale(coefficient, delta(sizes[out[0]]) if out else ONE)
    if len(operands) == 1 and not loose:
        (operand,), (labels,) = operands, subscripts
        if len(set(labels)) == len(labels) and _same_axes(operand, labels, tuple(out)):
            return scale(coefficient, operand)
    if len(operands) == 1 and isinstance(operands[0], Add) and operands[0].is_flat:
        spread = _distributed(operands[0], subscripts[0], out, loose, sizes)
        if spread is not None:
            return scale(coefficient, spread)
    return scale(coefficient, ordered_einsum(operands, subscripts, out, loose, sizes))


def _distributed(
    whole: Add, labels: tuple[int, ...], out: list[int], loose: list[int], sizes: dict[int, Size]
) -> Node | None:
    """Sum over axes of a sum, or take its diagonal or transpose, term by term.

    Like terms may meet then. With deltas or broadcasts, what they repeat is kept whole.
    """
    plain = len(set(out)) == len(out) and set(out) <= set(labels) and not loose
    free = out if plain else [label for label in dict.fromkeys(labels) if label in out]
    if not plain and tuple(free) == labels:
        return None
    terms = [(c, einsum([term], [labels], free)) for c, term in whole.terms]
    found = add(terms, [sizes[label] for label in free])
    return found if plain else einsum([found], [free], out, {n: sizes[n] for n in (*out, *loose)})


def _same_axes(node: Node, labels: tuple[int, ...], out: tuple[int, ...]) -> bool:
    if labels == out or len(labels) != len(out):
        return labels == out
    orders = symmetry(node)
    return orders is not False and least(labels, orders) == least(out, orders)


# --- functions --------------------------------------------------------------------------------


def call(function: Function, args: Sequence[Node]) -> Node:
    """Apply a function of the table, or return what that simplifies to.

    The batch axes of the arguments are equal; an argument with none is used for the whole batch.

    >>> cosine = Function("cos", ("-sin(x)",), "np.cos({0})")
    >>> call(cosine, [variable("x", (3,))])
    cos(x)
    """
    args = tuple(args)
    if function.at_zero is not None and is_zero(args[0]):
        return scale(function.at_zero, ones(args[0].shape)) if function.at_zero else args[0]
    if function.fold is not None:
        folded = function.fold(*args)
        if folded is not None:
            return cast(Node, folded)
    if function.is_elementwise:
        return _elementwise(function, args)
    return interned_call(function, args)


def ones(shape: Sequence[Size]) -> Node:
    """Build the tensor of ones in this shape.

    >>> ones(())
    Constant(1)
    """
    return einsum([], [], range(len(shape)), dict(enumerate(shape)))


def stretched(node: Node, shape: Sequence[Size]) -> Node:
    """Repeat a node along the axes that it lacks, the last ones of this shape.

    >>> stretched(ONE, (3,)) is ones((3,))
    True
    """
    own = range(len(node.shape))
    return einsum([node], [own], range(len(shape)), dict(enumerate(shape)))


def is_zero(node: Node) -> bool:
    """Tell whether a node is the sum of no terms.

    >>> is_zero(zero((3,))), is_zero(ONE)
    (True, False)
    """
    return isinstance(node, Add) and not node.terms


def _elementwise(function: Function, args: tuple[Node, ...]) -> Node:
    """Apply a function of each entry to what its arguments are views of.

    That of a transpose is the transpose, and what is repeated along an axis is computed once.
    """
    shape = max((arg.shape for arg in args), key=len)
    cores = [_unviewed(arg) for arg in args]
    axes: tuple[int, ...] = ()
    for _, theirs in cores:
        axes = (*axes, *sorted(set(theirs).difference(axes))) if axes else theirs
    if axes == tuple(range(len(shape))):
        return interned_call(function, args)
    own = {axis: shape[axis] for axis in axes}
    aligned = tuple(
        einsum([core], [theirs], axes, own) if theirs else core for core, theirs in cores
    )
    # Without their repetitions the arguments may be numbers, which the function folds.
    return einsum([call(function, aligned)], [axes], range(len(shape)), dict(enumerate(shape)))


def _unviewed(node: Node) -> tuple[Node, tuple[int, ...]]:
    """Return what a node repeats and transposes, and which of its axes that has."""
    c: Number = 1
    inner = node
    if isinstance(node, Add) and len(node.terms) == 1:
        ((c, inner),) = node.terms
    distinct = isinstance(inner, Einsum) and len(set(inner.output)) == len(inner.output)
    if isinstance(inner, Einsum) and distinct and inner.is_view:
        core, labels, _ = inner.core
        return scale(c, core), tuple(inner.output.index(label) for label in labels)
    return node, tuple(range(len(node.shape)))


BUILDERS.update(
    {Variable: variable, Constant: constant, Delta: delta, Einsum: einsum, Add: add, Call: call}
)
