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
>>> add([(1, f), (Fraction(1, 2), f), (1, f)])
Add((5/2, <Einsum (2,)>))
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate
from math import gcd, lcm
from threading import RLock
from typing import Any, NamedTuple, Never, TypeVar, cast
from weakref import WeakValueDictionary

from einsdiff.algebra.nodes.canonical import Canonical, Exchange, Orders, canonical, least
from einsdiff.algebra.nodes.effort import spend
from einsdiff.algebra.nodes.function import Function
from einsdiff.algebra.nodes.labels import Labels
from einsdiff.algebra.nodes.relations import Relation, simplified
from einsdiff.notation.subscripts import Size
from einsdiff.notation.threads import in_child

__all__ = [
    "ONE",
    "Add",
    "Call",
    "Constant",
    "Delta",
    "Einsum",
    "Node",
    "Number",
    "Shape",
    "Variable",
    "add",
    "call",
    "constant",
    "delta",
    "einsum",
    "interned_call",
    "interned_delta",
    "interned_einsum",
    "interned_sum",
    "is_one",
    "is_zero",
    "partial",
    "related",
    "scale",
    "symbol",
    "symmetry",
    "variable",
    "zero",
]

Number = int | Fraction | float | complex
Shape = tuple[Size, ...]

#: A sum inside a sum is merged into it when it has at most this many terms. Merging more would
#: copy long sums again and again where sums of sums are built one by one; see `flatten`.
MERGED_TERMS = 4


class Node:
    """An expression. Compare with ``is``.

    Its `key` is a digest of the structure, the same in every process; it orders factors and terms.
    """

    __slots__ = ("__weakref__", "key", "shape")
    shape: Shape
    key: bytes

    #: Kinds are ordered: constants, variables, deltas, products, calls, sums.
    kind: int

    def short(self) -> str:
        """Describe the node inside of another one, in a few letters."""
        return repr(self) if self.kind < Einsum.kind else f"<{type(self).__name__} {self.shape}>"

    def __setattr__(self, name: str, value: object) -> Never:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __delattr__(self, name: str) -> Never:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __copy__(self) -> Node:
        return self

    def __deepcopy__(self, memo: object) -> Node:
        return self


class Variable(Node):
    """A named tensor, given from outside.

    Permuting the axes of a `symmetric` one changes nothing. `of` are the variables that it is an
    unspecified function of. The symbol ∂x/∂z is a variable too, whose `derivative` is x and the
    variables that it is differentiated by.
    """

    __slots__ = ("derivative", "name", "of", "symmetric")
    name: str
    symmetric: bool
    of: tuple[Variable, ...]
    derivative: tuple[Variable, tuple[Variable, ...]] | None
    kind = 1

    def __new__(
        cls,
        name: str,
        shape: Sequence[Size],
        symmetric: bool = False,
        of: Sequence[Variable] = (),
    ) -> Any:
        """Return what `variable` returns."""
        return variable(name, shape, symmetric, of)

    def __repr__(self) -> str:
        return self.name


class Constant(Node):
    """A number: an integer or a fraction, kept exact, or a float or complex number as it is."""

    __slots__ = ("value",)
    value: Number
    kind = 0

    def __new__(cls, value: Number) -> Any:
        """Return what `constant` returns."""
        return constant(value)

    def __repr__(self) -> str:
        return f"Constant({self.value})"


class Delta(Node):
    """The Kronecker delta: 1 where its indices are related, else 0.

    Of two axes of one size it is the identity matrix; `related` makes the others.
    """

    __slots__ = ("relation",)
    relation: Relation
    kind = 2

    def __new__(cls, size: Size) -> Any:
        """Return what `delta` returns."""
        return delta(size)

    @property
    def is_identity(self) -> bool:
        """Whether it is the delta of two indices that are equal, and of one size."""
        return len(self.shape) == 2 and self.shape[0] == self.shape[1] and self.relation == _EQUAL

    def __repr__(self) -> str:
        if self.is_identity:
            return f"Delta({self.shape[0]})"
        c, offset, is_equation = self.relation
        return f"Delta({self.shape}, {c}, {offset}, {'=' if is_equation else '>='})"


_EQUAL = Relation((-1, 1), 0)


class Core(NamedTuple):
    """What an einsum is made of: its value is ``node``, laid out, times ``sizes``.

    The three belong together: a core without the sizes is another value.

    Attributes
    ----------
    node
        The product of the factors, a node that all expressions with these factors share.
    axes
        The label of the einsum that each axis of the node has.
    sizes
        Named sizes that the node is to be multiplied by: those of the summed labels that no
        factor has.
    """

    node: Node
    axes: tuple[int, ...]
    sizes: tuple[str, ...]


class Einsum(Node):
    """A sum of products.

    Attributes
    ----------
    operands
        The factors in canonical order; none of them is a number or a delta.
    subscripts
        For each factor the labels of its axes, integers from 0.
    output
        The labels of the result's axes. A label that occurs twice is a delta.
    sizes
        The size of each label.
    """

    __slots__ = ("_core", "_symmetric", "operands", "output", "sizes", "subscripts")
    operands: tuple[Node, ...]
    subscripts: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    sizes: Shape
    _core: Core | None
    _symmetric: bool | None
    kind = 3

    def __new__(
        cls,
        operands: Sequence[Node],
        subscripts: Sequence[Sequence[Hashable]],
        output: Sequence[Hashable],
        sizes: Mapping[Any, Size] | None = None,
    ) -> Any:
        """Return what `einsum` returns."""
        return einsum(operands, subscripts, output, sizes)

    def __repr__(self) -> str:
        operands = ", ".join(operand.short() for operand in self.operands)
        return f"Einsum(({operands}), {self.subscripts}, {self.output})"

    @property
    def core(self) -> Core:
        """What is left without deltas, broadcasts, named sizes and the order of axes."""
        if self._core is None:
            object.__setattr__(self, "_core", _core(self))
        assert self._core is not None
        return self._core

    @property
    def carried(self) -> frozenset[int]:
        """The labels that some operand carries."""
        return frozenset(label for labels in self.subscripts for label in labels)

    @property
    def loose(self) -> tuple[int, ...]:
        """The summed labels that no operand carries: factors, each its named size."""
        absent = self.carried.union(self.output)
        return tuple(label for label in range(len(self.sizes)) if label not in absent)

    @property
    def is_view(self) -> bool:
        """Whether there is nothing to compute: at most one factor, and no sum or named size."""
        return _is_arranged(self) and not self.loose


class Add(Node):
    """A sum of terms, pairs (coefficient, term), like ones collected; without terms it is zero."""

    __slots__ = ("_primitive", "terms")
    terms: tuple[tuple[Number, Node], ...]
    _primitive: tuple[Number, Node] | None
    kind = 5

    def __new__(
        cls, terms: Iterable[tuple[Number, Node]], shape: Sequence[Size] | None = None
    ) -> Any:
        """Return what `add` returns."""
        return add(terms, shape)

    def __repr__(self) -> str:
        return f"Add({', '.join(f'({c}, {term.short()})' for c, term in self.terms)})"

    @property
    def is_flat(self) -> bool:
        """Whether no term is a sum."""
        return not any(isinstance(term, Add) for _, term in self.terms)

    @property
    def primitive(self) -> tuple[Number, Node]:
        """A number and a node of which this is the product; the same node for all multiples."""
        if self._primitive is None:
            object.__setattr__(self, "_primitive", _primitive(self))
        assert self._primitive is not None
        return self._primitive


class Call(Node):
    """A function of the table, applied.

    Arguments of one entry each may have no axes where others have batch axes.
    """

    __slots__ = ("args", "function")
    function: Function
    args: tuple[Node, ...]
    kind = 4

    def __new__(cls, function: Function, args: Sequence[Node]) -> Any:
        """Return what `call` returns."""
        return call(function, args)

    def __repr__(self) -> str:
        return f"{self.function.name}({', '.join(arg.short() for arg in self.args)})"

    @property
    def batch(self) -> Shape:
        """The sizes of the axes before those that the function acts on."""
        return self.shape[: len(self.shape) - len(self.function.cores[1])]


# --- interning --------------------------------------------------------------------------------

_nodes: WeakValueDictionary[Hashable, Node] = WeakValueDictionary()
# One that the same thread may take again: what is collected meanwhile may build expressions.
_lock = RLock()


def _open_lock() -> None:
    global _lock
    _lock = RLock()


in_child(_open_lock)
_N = TypeVar("_N", bound=Node)


def _intern(cls: type[_N], identity: Hashable, text: bytes, **fields: object) -> _N:
    """Return the node of this identity, made with these fields if there is none yet."""
    found = _nodes.get(identity)
    if found is None:
        node = object.__new__(cls)
        fields["key"] = blake2b(cls.__name__.encode() + text, digest_size=16).digest()
        for name, value in fields.items():
            object.__setattr__(node, name, value)
        with _lock:
            found = _nodes.setdefault(identity, node)
    return cast(_N, found)


def _exact(value: Number) -> Number:
    """Write whole fractions as integers and booleans as numbers."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    return value


def _number_id(value: Number) -> Hashable:
    # 1, 1.0 and Fraction(1) are equal to Python, but not to a person who typed one of them.
    return value if type(value) is int else (type(value).__name__, repr(value))


def variable(
    name: str, shape: Sequence[Size], symmetric: bool = False, of: Sequence[Variable] = ()
) -> Variable:
    """Build a named tensor.

    >>> variable("A", ("m", 3)) is variable("A", ("m", 3))
    True
    """
    return _variable(name, tuple(shape), symmetric, tuple(of), None)


def _variable(
    name: str,
    shape: Shape,
    symmetric: bool,
    of: tuple[Variable, ...],
    derivative: tuple[Variable, tuple[Variable, ...]] | None,
) -> Variable:
    fields = (name, shape, symmetric, of, derivative)
    text = repr((name, shape, symmetric)).encode() + b"".join(v.key for v in of)
    return _intern(
        Variable,
        (Variable, *fields),
        text,
        name=name,
        shape=shape,
        symmetric=symmetric,
        of=of,
        derivative=derivative,
    )


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


def symbol(base: Variable, wrt: tuple[Variable, ...]) -> Variable:
    """Build the variable that is the symbol ∂x/∂z, of variables in order; see `partial`.

    >>> z = variable("z", ("k",))
    >>> symbol(variable("x", ("n",), of=[z]), (z,))
    ∂x/∂z
    """
    power = str(len(wrt)).translate(SUPERSCRIPT) if len(wrt) > 1 else ""
    name = f"∂{power}{base.name}/{''.join('∂' + v.name for v in wrt)}"
    shape = base.shape + tuple(size for v in wrt for size in v.shape)
    return _variable(name, shape, False, base.of, (base, wrt))


#: Digits as exponents.
SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def constant(value: Number) -> Constant | Add:
    """Build a number; integers and fractions stay exact, floats stay floats, zero is `zero`.

    >>> constant(Fraction(4, 2)), constant(0.5)
    (Constant(2), Constant(0.5))
    """
    value = _exact(value)
    if value == 0:
        return zero(())
    identity = _number_id(value)
    return _intern(Constant, (Constant, identity), repr(identity).encode(), value=value, shape=())


ONE = cast(Constant, constant(1))


def delta(size: Size) -> Delta:
    """Build the Kronecker delta of two axes of this size.

    >>> delta(3).shape
    (3, 3)
    """
    return interned_delta((size, size), _EQUAL)


def related(
    sizes: Sequence[Size],
    coefficients: Sequence[int],
    offset: int = 0,
    is_equation: bool = True,
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


def interned_delta(shape: Shape, relation: Relation) -> Delta:
    """Return the node of a relation that is canonical already.

    >>> interned_delta((3, 3), Relation((-1, 1), 0)) is delta(3)
    True
    """
    text = repr((shape, relation)).encode()
    return _intern(Delta, (Delta, shape, relation), text, relation=relation, shape=shape)


def zero(shape: Sequence[Size]) -> Add:
    """Build the sum of no terms, in this shape.

    >>> zero((2, 3))
    Add()
    """
    shape = tuple(shape)
    return _intern(
        Add, (Add, (), shape), repr(shape).encode(), terms=(), shape=shape, _primitive=None
    )


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
            stack.extend((_times(c, inner), term) for inner, term in reversed(node.terms))
            continue
        if isinstance(node, Constant):
            c, node = _times(c, node.value), ONE
        collected[node] = _exact(collected[node] + c) if node in collected else _exact(c)
    assert shape is not None, "a sum of no terms needs a shape"
    kept = [(c, node) for node, c in collected.items() if c != 0]
    if len(kept) == 1:
        c, node = kept[0]
        if node is ONE:
            return constant(c)
        if is_one(c):
            return node
    return interned_sum(kept, tuple(shape))


def interned_sum(terms: list[tuple[Number, Node]], shape: Shape) -> Add:
    """Return the sum of terms that are different and need not be merged.

    >>> interned_sum([(2, variable("x", (3,)))], (3,))
    Add((2, x))
    """
    if not terms:
        return zero(shape)
    terms.sort(key=_place)
    identity = (Add, tuple((_number_id(c), node) for c, node in terms))
    text = b"".join(repr(_number_id(c)).encode() + node.key for c, node in terms)
    return _intern(Add, identity, text, terms=tuple(terms), shape=shape, _primitive=None)


def _place(term: tuple[Number, Node]) -> tuple[int, str, bytes]:
    # Variables by name, then numbers: the first term of a sum decides its sign inside products.
    node = term[1]
    if isinstance(node, Variable):
        return 0, node.name, node.key
    is_number = isinstance(node, Constant) or (isinstance(node, Einsum) and not node.operands)
    return 1 if is_number else node.kind, "", node.key


def is_one(c: Number) -> bool:
    """Tell whether a coefficient is the exact one; 1.0 is a float, which was typed.

    >>> is_one(1), is_one(1.0)
    (True, False)
    """
    return type(c) is int and c == 1


def scale(c: Number, node: Node) -> Node:
    """Multiply by a number.

    >>> scale(2, scale(Fraction(1, 2), variable("x", (3,))))
    x
    """
    return node if is_one(c) else add([(c, node)])


def _times(a: Number, b: Number) -> Number:
    return _exact(a * b)


def _primitive(node: Add) -> tuple[Number, Node]:
    if len(node.terms) == 1:
        # A multiple of a long sum, which may itself be a multiple.
        ((c, term),) = node.terms
        if not isinstance(term, Add):
            return c, term
        inner, rest = term.primitive
        return _times(c, inner), rest
    if not node.terms:
        return 1, node
    coefficients = [c for c, _ in node.terms]
    exact = [Fraction(c) for c in coefficients if isinstance(c, int | Fraction)]
    content: int | Fraction = 1
    if len(exact) == len(coefficients):
        content = Fraction(gcd(*(c.numerator for c in exact)), lcm(*(c.denominator for c in exact)))
    first = coefficients[0]
    if not isinstance(first, complex) and first < 0:
        content = -content
    if content == 1:
        return 1, node
    if len(exact) == len(coefficients):
        divided = [
            (_exact(c / Fraction(content)), t) for c, (_, t) in zip(exact, node.terms, strict=True)
        ]
    else:
        divided = [(-c, term) for c, term in node.terms]
    return _exact(content), interned_sum(divided, node.shape)


# --- products ---------------------------------------------------------------------------------


def einsum(
    operands: Sequence[Node],
    subscripts: Sequence[Sequence[Hashable]],
    output: Sequence[Hashable],
    sizes: Mapping[Any, Size] | None = None,
    inline: Collection[int] = (),
) -> Node:
    """Multiply, and sum over the labels that are not in the output.

    Parameters
    ----------
    operands, subscripts
        The factors, and for each of them one label (any hashable) for each axis.
    output
        The labels of the result's axes. They may repeat, and need no operand.
    sizes
        Sizes of labels that no operand carries. Those not in the output count as a factor.
    inline
        Positions of operands, themselves products, whose factors become factors of this one.

    Returns
    -------
    Node
        In canonical form: an `Einsum`, or something simpler that equals it.

    Examples
    --------
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
                self.coefficient = _times(self.coefficient, node.value)
            elif isinstance(node, Delta):
                if node.is_identity:
                    self.unite(*labels)
                else:
                    self.relate(node.relation, labels)
            elif isinstance(node, Add):
                c, rest = node.primitive
                self.coefficient = _times(self.coefficient, c)
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
                if inline or _is_arranged(node):
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
                coefficient = _times(coefficient, size)
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
    return scale(coefficient, _product(operands, subscripts, out, loose, sizes))


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


def symmetry(node: Node) -> Orders:
    """Return the orders of a node's axes that change nothing.

    True for all of them, False for none but its own, or else the blocks that change places.

    >>> x = variable("x", (3,))
    >>> symmetry(einsum([x, x], ["i", "j"], "ij"))
    True
    """
    if isinstance(node, Variable):
        return _partial_orders(node) if node.derivative is not None else node.symmetric
    if isinstance(node, Delta):
        return _relation_orders(node)
    if not isinstance(node, Einsum) or len(node.shape) < 2 or len(set(node.shape)) > 1:
        return False
    if node._symmetric is None:
        out = node.output
        swapped = [(*out[:k], out[k + 1], out[k], *out[k + 2 :]) for k in range(len(out) - 1)]
        same = all(
            _product(node.operands, node.subscripts, other, node.loose, dict(enumerate(node.sizes)))
            is node
            for other in swapped
        )
        object.__setattr__(node, "_symmetric", same)
    return bool(node._symmetric)


@lru_cache(maxsize=1024)
def _partial_orders(node: Variable) -> Orders:
    """Return the orders of ∂²x/∂z∂z: those of symmetric variables, and of equal denominators."""
    assert node.derivative is not None
    base, wrt = node.derivative
    ends = list(accumulate(len(part.shape) for part in (base, *wrt)))
    blocks: dict[Variable | None, list[tuple[int, ...]]] = {None: [tuple(range(ends[0]))]}
    for part, start in zip(wrt, ends, strict=False):
        blocks.setdefault(part, []).append(tuple(range(start, start + len(part.shape))))
    return _exchanges(
        Exchange(tuple(alike), (part or base).symmetric) for part, alike in blocks.items()
    )


@lru_cache(maxsize=1024)
def _relation_orders(node: Delta) -> Orders:
    """Return the orders of the axes of a relation: those of equal coefficients and sizes."""
    if node.is_identity:
        return True
    blocks: dict[tuple[int, Size], list[tuple[int, ...]]] = {}
    for axis, kind in enumerate(zip(node.relation.coefficients, node.shape, strict=True)):
        blocks.setdefault(kind, []).append((axis,))
    return _exchanges(Exchange(tuple(alike)) for alike in blocks.values())


def _exchanges(found: Iterable[Exchange]) -> Orders:
    """Return exchanges, or False if they exchange nothing."""
    orders = tuple(found)
    moves = any(len(e.blocks) > 1 or (e.inside and len(e.blocks[0]) > 1) for e in orders)
    return orders if moves else False


def _product(
    operands: Sequence[Node],
    subscripts: Sequence[tuple[int, ...]],
    out: Sequence[int],
    loose: Iterable[int],
    sizes: Mapping[int, Size],
) -> Einsum:
    form = _form(operands, subscripts, out, sizes)
    return interned_einsum(
        tuple(operands[k] for k in form.order),
        form.subscripts,
        tuple(form.number[label] for label in out),
        (*(sizes[label] for label in form.number), *sorted(str(sizes[label]) for label in loose)),
    )


def _form(
    operands: Sequence[Node],
    subscripts: Sequence[tuple[int, ...]],
    out: Sequence[int],
    sizes: Mapping[int, Size],
    unordered: Collection[int] = (),
) -> Canonical:
    keys = [node.key for node in operands]
    orders = [symmetry(node) for node in operands]
    return canonical(keys, subscripts, out, sizes, orders, unordered)


def interned_einsum(
    operands: tuple[Node, ...],
    subscripts: tuple[tuple[int, ...], ...],
    output: tuple[int, ...],
    sizes: Shape,
) -> Einsum:
    """Return the product of factors whose order and labels are canonical already.

    >>> x = variable("x", (3,))
    >>> interned_einsum((x, x), ((0,), (0,)), (), (3,)) is einsum([x, x], ["i", "i"], "")
    True
    """
    identity = (Einsum, operands, subscripts, output, sizes)
    text = b"".join(node.key for node in operands) + repr(identity[2:]).encode()
    return _intern(
        Einsum,
        identity,
        text,
        operands=operands,
        subscripts=subscripts,
        output=output,
        sizes=sizes,
        shape=tuple(sizes[label] for label in output),
        _core=None,
        _symmetric=None,
    )


def _is_arranged(node: Einsum) -> bool:
    """Tell whether it is one factor, or none, laid out along axes, and perhaps times sizes."""
    return len(node.operands) <= 1 and node.carried.issubset(node.output)


def _core(node: Einsum) -> Core:
    carried = node.carried
    free = [label for label in dict.fromkeys(node.output) if label in carried]
    loose = tuple(str(node.sizes[label]) for label in node.loose)
    if _is_arranged(node):
        if not node.operands:
            return Core(ONE, (), loose)
        labels = node.subscripts[0]
        if len(set(labels)) == len(labels):
            return Core(node.operands[0], labels, loose)
    sizes = dict(enumerate(node.sizes))
    form = _form(node.operands, node.subscripts, (), sizes, free)
    axes = tuple(label for label in form.number if label in free)
    if axes == node.output and not loose:
        return Core(node, node.output, ())
    core = _product(node.operands, node.subscripts, axes, (), sizes)
    # With some of its axes in another order, a product may be itself, and is left as it is then.
    return Core(node, node.output, ()) if core is node else Core(core, axes, loose)


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
        shape = args[0].shape
        return (
            scale(function.at_zero, einsum([], [], range(len(shape)), dict(enumerate(shape))))
            if function.at_zero
            else args[0]
        )
    if function.fold is not None:
        folded = function.fold(*args)
        if folded is not None:
            return cast(Node, folded)
    if function.is_elementwise:
        return _elementwise(function, args)
    return interned_call(function, args)


def is_zero(node: Node) -> bool:
    """Tell whether a node is the sum of no terms.

    >>> is_zero(zero((3,))), is_zero(ONE)
    (True, False)
    """
    return isinstance(node, Add) and not node.terms


def interned_call(function: Function, args: tuple[Node, ...]) -> Call:
    """Return the application of a function to arguments that nothing is to be taken out of.

    >>> interned_call(Function("cos", ("-sin(x)",), "np.cos({0})"), (variable("x", (3,)),))
    cos(x)
    """
    given, result = function.cores
    batch: Shape = ()
    core: dict[str, Size] = {}
    for arg, names in zip(args, given, strict=True):
        lead = len(arg.shape) - len(names)
        assert lead >= 0, f"{function.name} acts on {len(names)} axes, not {len(arg.shape)}"
        for name, size in zip(names, arg.shape[lead:], strict=True):
            assert core.setdefault(name, size) == size, f"{function.name}: {core[name]} and {size}"
        assert not lead or not batch or batch == arg.shape[:lead], f"{function.name}: batch axes"
        batch = arg.shape[:lead] or batch
    text = repr((function.name, function.signature)).encode() + b"".join(arg.key for arg in args)
    shape = batch + tuple(core[name] for name in result)
    return _intern(Call, (Call, function, args), text, function=function, args=args, shape=shape)


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
