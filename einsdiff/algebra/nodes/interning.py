r"""The six nodes, each of them there once, and what is told from a node alone.

A node is found by its identity: the parts that it is made of, in canonical order. The functions
here return the node of parts that are canonical already; those of `einsdiff.algebra.nodes.nodes`
make them so. What follows from a node alone are its core, its number and the orders of its axes.

>>> x = variable("x", (3,))
>>> interned_sum([(2, x)], (3,)) is interned_sum([(2, variable("x", (3,)))], (3,))
True
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate
from math import gcd, lcm
from threading import RLock
from typing import Any, NamedTuple, Never, TypeVar, cast
from weakref import WeakValueDictionary

from einsdiff.algebra.nodes.canonical import Canonical, Exchange, Orders, canonical
from einsdiff.algebra.nodes.function_records import Function
from einsdiff.algebra.nodes.relations import Relation
from einsdiff.notation.subscripts import Size
from einsdiff.notation.threads import in_child

Number = int | Fraction | float | complex
Shape = tuple[Size, ...]


class Node:
    """An expression. Compare with ``is``.

    Its `key` is a digest of the structure, the same in every process; it orders factors and terms.
    """

    __slots__ = ("__weakref__", "key", "shape")
    shape: Shape
    key: bytes

    #: Kinds are ordered: constants, variables, deltas, products, calls, sums.
    kind: int

    def __new__(cls, *parts: Any, **named: Any) -> Any:
        """Return what the function of the same name in lower case returns."""
        return BUILDERS[cls](*parts, **named)

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

    def __repr__(self) -> str:
        return self.name


class Constant(Node):
    """A number: an integer or a fraction, kept exact, or a float or complex number as it is."""

    __slots__ = ("value",)
    value: Number
    kind = 0

    def __repr__(self) -> str:
        return f"Constant({self.value})"


class Delta(Node):
    """The Kronecker delta: 1 where its indices are related, else 0.

    Of two axes of one size it is the identity matrix; `related` makes the others.
    """

    __slots__ = ("relation",)
    relation: Relation
    kind = 2

    @property
    def is_identity(self) -> bool:
        """Whether it is the delta of two indices that are equal, and of one size."""
        return len(self.shape) == 2 and self.shape[0] == self.shape[1] and self.relation == EQUAL

    def __repr__(self) -> str:
        if self.is_identity:
            return f"Delta({self.shape[0]})"
        c, offset, is_equation = self.relation
        return f"Delta({self.shape}, {c}, {offset}, {'=' if is_equation else '>='})"


EQUAL = Relation((-1, 1), 0)


class Core(NamedTuple):
    """What an einsum is made of: its value is ``node``, laid out, times ``sizes``.

    The three belong together: a core without the sizes is another value. All expressions with
    these factors share the node, of whose axes each has a label of the einsum. The sizes, by name,
    are those of the summed labels that no factor has.
    """

    node: Node
    axes: tuple[int, ...]
    sizes: tuple[str, ...]


class Einsum(Node):
    """A sum of products.

    The operands are the factors in canonical order; none of them is a number or a delta. For each
    the subscripts have the labels of its axes, integers from 0. The output has those of the
    result's axes, where a label that occurs twice is a delta; each label has a size.
    """

    __slots__ = ("_core", "_symmetric", "operands", "output", "sizes", "subscripts")
    operands: tuple[Node, ...]
    subscripts: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    sizes: Shape
    _core: Core | None
    _symmetric: bool | None
    kind = 3

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
        return self.is_arranged and not self.loose

    @property
    def is_arranged(self) -> bool:
        """Whether it is one factor, or none, laid out along axes, and perhaps times sizes."""
        return len(self.operands) <= 1 and self.carried.issubset(self.output)


class Add(Node):
    """A sum of terms, pairs (coefficient, term), like ones collected; without terms it is zero."""

    __slots__ = ("_primitive", "terms")
    terms: tuple[tuple[Number, Node], ...]
    _primitive: tuple[Number, Node] | None
    kind = 5

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

    def __repr__(self) -> str:
        return f"{self.function.name}({', '.join(arg.short() for arg in self.args)})"

    @property
    def batch(self) -> Shape:
        """The sizes of the axes before those that the function acts on."""
        return self.shape[: len(self.shape) - len(self.function.cores[1])]


#: What a class does when it is called: that of products, sums and calls is in `nodes`.
BUILDERS: dict[type[Node], Callable[..., Node]] = {}


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


def as_exact(value: Number) -> Number:
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
    value = as_exact(value)
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
    return interned_delta((size, size), EQUAL)


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


def times(a: Number, b: Number) -> Number:
    """Multiply, and write whole fractions as integers."""
    return as_exact(a * b)


def reciprocal(c: Number) -> Number:
    """Divide 1 by a number; of an exact one that is a fraction.

    >>> reciprocal(2), reciprocal(2.0)
    (Fraction(1, 2), 0.5)
    """
    return as_exact(Fraction(1) / c if isinstance(c, int | Fraction) else 1 / c)


def _primitive(node: Add) -> tuple[Number, Node]:
    if len(node.terms) == 1:
        # A multiple of a long sum, which may itself be a multiple.
        ((c, term),) = node.terms
        if not isinstance(term, Add):
            return c, term
        inner, rest = term.primitive
        return times(c, inner), rest
    if not node.terms:
        return 1, node
    exact = [c for c, _ in node.terms if isinstance(c, int | Fraction)]
    is_exact = len(exact) == len(node.terms)
    content, first = Fraction(1), node.terms[0][0]
    if is_exact:
        content = Fraction(gcd(*(c.numerator for c in exact)), lcm(*(c.denominator for c in exact)))
    if not isinstance(first, complex) and first < 0:
        content = -content
    if content == 1:
        return 1, node
    divided = [
        (as_exact(exact[k] / content) if is_exact else -c, term)
        for k, (c, term) in enumerate(node.terms)
    ]
    return as_exact(content), interned_sum(divided, node.shape)


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
            ordered_einsum(
                node.operands, node.subscripts, other, node.loose, dict(enumerate(node.sizes))
            )
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


def ordered_einsum(
    operands: Sequence[Node],
    subscripts: Sequence[tuple[int, ...]],
    out: Sequence[int],
    loose: Iterable[int],
    sizes: Mapping[int, Size],
) -> Einsum:
    """Return the product of factors, whose order and labels are made canonical here."""
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


def _core(node: Einsum) -> Core:
    carried = node.carried
    free = [label for label in dict.fromkeys(node.output) if label in carried]
    loose = tuple(str(node.sizes[label]) for label in node.loose)
    if node.is_arranged:
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
    core = ordered_einsum(node.operands, node.subscripts, axes, (), sizes)
    # With some of its axes in another order, a product may be itself, and is left as it is then.
    return Core(node, node.output, ()) if core is node else Core(core, axes, loose)


def interned_call(function: Function, args: tuple[Node, ...]) -> Call:
    """Return the application of a function to arguments that nothing is to be taken out of.

    >>> interned_call(Function("cos", ("-sin(x)",), "np.cos({0})"), (variable("x", (3,)),))
    cos(x)
    """
    given, result = function.cores
    batch: Shape = ()
    core: dict[str, Size] = {} if args else {name: int(name) for name in result}
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
