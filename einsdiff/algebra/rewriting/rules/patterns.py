"""What the rules read and write expressions with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.functions.folds import Real, number
from einsdiff.algebra.nodes.factors import Slot, counted, multiplied
from einsdiff.algebra.nodes.interning import ONE, Add, Call, Constant, Delta, Einsum, Node, Number
from einsdiff.algebra.nodes.nodes import call


class Rule(NamedTuple):
    """What a rule does, and where it is tried."""

    apply: Callable[[Node], Node | None]  # returns another node of the same value, or None
    at: tuple[str, ...]  # the names of functions, or "product", or "sum"
    is_real: bool = False  # whether it holds for real numbers only
    widens: bool = False  # whether the result may have a value where the node has none
    #: Functions that it takes out of a product, which is worth it if they are used only there.
    once: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """That of the function."""
        return self.apply.__name__.replace("_", " ")


def rule(
    *at: str, is_real: bool = False, widens: bool = False, once: tuple[str, ...] = ()
) -> Callable[[Callable[[Node], Node | None]], Rule]:
    """Make a rule of the function that follows."""
    return lambda apply: Rule(apply, at, is_real, widens, once)


def is_call(node: Node, *names: str) -> bool:
    """Tell whether a node is one of these functions, applied."""
    return isinstance(node, Call) and node.function.name in names


def apply(name: str, *args: Node) -> Node:
    """Apply the function of this name."""
    return call(FUNCTIONS[name], args)


def again(node: Node, *args: Node) -> Node:
    """Apply the function that a node is one of to other arguments."""
    assert isinstance(node, Call)
    return call(node.function, args)


def arguments(node: Node) -> tuple[Node, ...]:
    """Return the arguments of a function that is applied."""
    assert isinstance(node, Call)
    return node.args


def scaled(node: Node) -> tuple[Number, Node]:
    """Take a number out of a node: the same node is left of all its multiples."""
    if isinstance(node, Constant):
        return node.value, ONE
    return node.primitive if isinstance(node, Add) else (1, node)


def is_negative(node: Node) -> bool:
    """Tell whether a node is written with a minus: of x and -x, of x - y and y - x, one is.

    >>> x, y = variable("x", ()), variable("y", ())
    >>> is_negative(add([(1, x), (-1, y)])), is_negative(add([(1, y), (-1, x)]))
    (False, True)
    """
    c, _ = scaled(node)
    return not isinstance(c, complex) and c < 0


def as_power(node: Node) -> tuple[Node, Real] | None:
    """Return the base and the exponent, if that is a number."""
    if not is_call(node, "power"):
        return None
    base, exponent = arguments(node)
    n = number(exponent)
    return None if n is None else (base, n)


def is_whole(n: Number) -> bool:
    """Tell whether a number is an integer, exact or not."""
    return isinstance(n, int) or (isinstance(n, float) and n.is_integer())


def is_even(n: Number) -> bool:
    """Tell whether a number is an even integer."""
    return not isinstance(n, complex) and is_whole(n) and int(n) % 2 == 0


def is_elementwise(node: Node) -> bool:
    """Tell whether a product is one of each entry: no sum, no delta."""
    if not isinstance(node, Einsum) or not node.operands or node.loose:
        return False
    return len(set(node.output)) == len(node.output) == len(node.sizes)


#: Comparisons, whose values are 0 and 1.
CONDITIONS = {name for name, function in FUNCTIONS.items() if function.compares}


def is_nonnegative(node: Node, depth: int = 3) -> bool:
    """Tell whether all entries are seen to be zero or more."""
    if isinstance(node, Constant):
        return not is_negative(node) and not isinstance(node.value, complex)
    if isinstance(node, Delta):
        return True
    if isinstance(node, Call):
        if node.function.is_nonnegative:
            return True
        power = as_power(node)
        if power is None or depth == 0:
            return False
        return is_even(power[1]) or not is_whole(power[1]) or is_nonnegative(power[0], depth - 1)
    if depth == 0:
        return False
    if isinstance(node, Einsum):
        return all(
            n % 2 == 0 or is_nonnegative(f, depth - 1) for (f, _), n in counted(node).items()
        )
    if isinstance(node, Add):
        return all(
            not isinstance(c, complex) and c >= 0 and is_nonnegative(t, depth - 1)
            for c, t in node.terms
        )
    return False


def product_of(
    node: Einsum, factors: Sequence[Slot], inline: int = 0, drop: Iterable[int] = ()
) -> Node:
    """Write a product with other factors; the last `inline` ones may be products themselves.

    Labels that lose all factors count as before, but for those in `drop`.
    """
    gone = {*node.loose, *drop}
    sizes = {label: size for label, size in enumerate(node.sizes) if label not in gone}
    return multiplied(factors, node.output, sizes, range(len(factors) - inline, len(factors)))


def as_factor(node: Node, labels: Sequence[int]) -> tuple[Number, Node, tuple[int, ...]] | None:
    """Return how a node stands in a product: a number, the factor, and the labels of its axes."""
    c, node = scaled(node)
    if isinstance(node, Einsum):
        if len(set(node.output)) < len(node.output) or not set(node.output) <= node.carried:
            return None
        core, axes, sizes = node.core
        if sizes:
            # A size alone is a factor, see `slots`; a product of them is several.
            return (c, node, ()) if core is ONE and len(sizes) == 1 else None
        name = dict(zip(node.output, labels, strict=True))
        return c, core, tuple(name[axis] for axis in axes)
    return c, node, tuple(labels)
