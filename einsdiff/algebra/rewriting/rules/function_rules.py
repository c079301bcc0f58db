r"""Rules for functions of functions, and for exponentials, logarithms and powers.

.. math:: \log e^x \to x \qquad \sin(-x) \to -\sin x \qquad \sqrt{x^2} \to |x|
"""

from __future__ import annotations

from collections.abc import Mapping

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.functions.folds import Real, number
from einsdiff.algebra.nodes.factors import Slot, counted, multiplied, slots
from einsdiff.algebra.nodes.function_records import lookup
from einsdiff.algebra.nodes.interning import (
    ONE,
    Add,
    Call,
    Einsum,
    Node,
    Number,
    constant,
    is_one,
    zero,
)
from einsdiff.algebra.nodes.nodes import add, call, einsum, ones, scale, stretched
from einsdiff.algebra.rewriting.rules.patterns import (
    CONDITIONS,
    again,
    apply,
    arguments,
    as_power,
    is_call,
    is_elementwise,
    is_even,
    is_negative,
    is_nonnegative,
    is_whole,
    product_of,
    rule,
    scaled,
)

# --- functions of functions ------------------------------------------------------------------

#: For f the g with f(g(x)) = x wherever g has a value.
_INVERSE = {name: function.undoes for name, function in FUNCTIONS.items() if function.undoes}
#: The same for real x.
_INVERSE_REAL = {name: f.undoes_real for name, f in FUNCTIONS.items() if f.undoes_real}
#: For f and g the h with f(g(x)) = h(x).
_COMPOSED = {("log", "softmax"): "log_softmax", ("exp", "log_softmax"): "softmax"}
#: Functions whose values they map to themselves, and those of the other functions of the group.
_ROUNDING = ("ceil", "floor", "rint", "trunc")


def _of_pair(node: Node, pairs: Mapping[str, str]) -> Node | None:
    (inner,) = arguments(node)
    assert isinstance(node, Call)
    return arguments(inner)[0] if is_call(inner, pairs[node.function.name]) else None


@rule(*_INVERSE, widens=True)
def inverse_function(node: Node) -> Node | None:
    """``exp(log(x)) -> x``, ``sin(arcsin(x)) -> x`` and the like: also where g(x) has no value."""
    return _of_pair(node, _INVERSE)


@rule(*_INVERSE_REAL, is_real=True)
def inverse_function_real(node: Node) -> Node | None:
    """``log(exp(x)) -> x`` and the like, for real x."""
    return _of_pair(node, _INVERSE_REAL)


@rule("log", "exp")
def composed(node: Node) -> Node | None:
    """``log(softmax(x)) -> log_softmax(x)``, and back by ``exp``."""
    (inner,) = arguments(node)
    if not isinstance(node, Call) or not isinstance(inner, Call):
        return None
    name = _COMPOSED.get((node.function.name, inner.function.name))
    function = name and lookup(name, inner.function.ranks)
    return call(function, inner.args) if function else None


@rule(*_ROUNDING, "sign", is_real=True)
def repeated_function(node: Node) -> Node | None:
    """``floor(rint(x)) -> rint(x)``, ``sign(sign(x)) -> sign(x)``."""
    (inner,) = arguments(node)
    return inner if is_call(inner, *(("sign",) if is_call(node, "sign") else _ROUNDING)) else None


@rule("abs", "relu", is_real=True)
def not_negative(node: Node) -> Node | None:
    """``abs(x) -> x`` and ``relu(x) -> x`` for x that cannot be negative, such as ``exp(a)``."""
    (x,) = arguments(node)
    return x if is_nonnegative(x) else None


#: Functions out of which a sign can be taken; `simplify` counts a sign inside of them as more.
SIGNED = frozenset(name for name, function in FUNCTIONS.items() if function.parity)
#: The same for any positive number.
HOMOGENEOUS = frozenset(name for name, function in FUNCTIONS.items() if function.degree)


@rule(*sorted(SIGNED))
def sign_of_argument(node: Node) -> Node | None:
    """``sin(-x) -> -sin(x)``, ``cos(-x) -> cos(x)``, for odd and even functions."""
    (x,) = arguments(node)
    if not is_negative(x):
        return None
    assert isinstance(node, Call)
    return scale(node.function.parity, again(node, scale(-1, x)))


@rule("abs", "relu", "sign")
def multiple_of_argument(node: Node) -> Node | None:
    """``abs(c x) -> |c| abs(x)``; for c > 0 also ``relu(c x) -> c relu(x)`` and for ``sign``."""
    c, rest = scaled(arguments(node)[0])
    assert isinstance(node, Call)
    if isinstance(c, complex) or is_one(c) or rest is ONE:
        return None
    if c < 0 and node.function.parity != 1:
        return None
    degree, size = node.function.degree, -c if c < 0 else c
    return scale(size**degree if degree else 1, again(node, rest))


# --- exponentials, logarithms, powers --------------------------------------------------------


@rule("log", is_real=True)
def logarithm_of_power(node: Node) -> Node | None:
    """``log(x^n) -> n log(x)``, for even n only if x is not negative.

    For negative x, ``log(x^2)`` has a value, and ``log(x)`` has none.
    """
    (inner,) = arguments(node)
    power = as_power(inner)
    if power is not None:
        x, n = power
        if is_even(n) and not is_nonnegative(x):
            return None
        return scale(n, apply("log", x))
    if isinstance(inner, Einsum) and is_elementwise(inner):
        ((x, labels), n), *others = counted(inner).items()
        if n > 1 and not others and (n % 2 or is_nonnegative(x)):
            log = scale(n, apply("log", x))
            return einsum([log], [labels], inner.output, dict(enumerate(inner.sizes)))
    return None


@rule("log", is_real=True)
def logarithm_of_exponential(node: Node) -> Node | None:
    """``log(exp(a) b) -> a + log(b)``."""
    (inner,) = arguments(node)
    if not isinstance(inner, Einsum) or not is_elementwise(inner):
        return None
    sizes = dict(enumerate(inner.sizes))
    factors = slots(inner)
    exponents = [(arguments(f)[0], ls) for f, ls in factors if is_call(f, "exp")]
    if not exponents:
        return None
    rest = product_of(inner, [slot for slot in factors if not is_call(slot[0], "exp")])
    terms = [(1, einsum([a], [ls], inner.output, sizes)) for a, ls in exponents]
    return add([*terms, (1, apply("log", rest))])


@rule("exp", widens=True)
def exponential_of_logarithms(node: Node) -> Node | None:
    """``exp(n log(x) + a) -> x^n exp(a)``: also where x is negative."""
    (argument,) = arguments(node)
    terms = argument.terms if isinstance(argument, Add) else ((1, argument),)
    full = tuple(range(len(node.shape)))
    factors: list[Slot] = []
    rest: list[tuple[Number, Node]] = []
    for c, term in terms:
        logarithm = _exponent_of_logarithm(c, term, full)
        if logarithm is None:
            rest.append((c, term))
        else:
            factors.append(logarithm)
    if not factors:
        return None
    if rest:
        factors.append((apply("exp", add(rest)), full))
    return multiplied(factors, full, dict(enumerate(node.shape)), range(len(factors)))


def _exponent_of_logarithm(c: Number, term: Node, full: tuple[int, ...]) -> Slot | None:
    """Read ``c n log(x)`` as ``x^(c n)``."""
    if is_call(term, "log"):
        return apply("power", arguments(term)[0], constant(c)), full
    if not isinstance(term, Einsum) or not term.carried.issubset(term.output):
        return None
    if len(set(term.output)) < len(term.output):
        return None
    factors = slots(term)
    at = next((k for k, (f, _) in enumerate(factors) if is_call(f, "log")), None)
    if at is None:
        return None
    log, labels = factors.pop(at)
    if factors and labels != full:
        return None
    exponent: Node = constant(c)
    if factors:
        # A number for all entries, or else one for each.
        out = labels if any(ls for _, ls in factors) else ()
        sizes = {label: term.sizes[label] for label in out}
        exponent = scale(c, multiplied(factors, out, sizes))
    return apply("power", arguments(log)[0], exponent), labels


def _power_of_power(node: Node) -> tuple[Node, Real, Real] | None:
    """Read x, a and b in ``(x^a)^b``."""
    outer = as_power(node)
    inner = as_power(outer[0]) if outer is not None else None
    return None if outer is None or inner is None else (*inner, outer[1])


@rule("power", widens=True)
def power_of_power(node: Node) -> Node | None:
    """``(x^a)^n -> x^(a n)`` for whole n: also for x < 0 if that is not so for ``x^a``."""
    found = _power_of_power(node)
    if found is None or not is_whole(found[2]):
        return None
    x, a, n = found
    return apply("power", x, constant(a * n))


@rule("power", is_real=True, widens=True)
def power_of_power_real(node: Node) -> Node | None:
    """``(x^a)^b -> x^(a b)``, but ``(x^2)^b -> abs(x)^(2 b)``, for real x and b not whole."""
    found = _power_of_power(node)
    if found is None or is_whole(found[2]):
        return None
    x, a, b = found
    return apply("power", apply("abs", x) if is_even(a) else x, constant(a * b))


@rule("power", is_real=True)
def root_of_squares(node: Node) -> Node | None:
    """``sqrt(x^2 y^2) -> abs(x) abs(y)``, for any power that is not whole, and factors >= 0."""
    outer = as_power(node)
    if outer is None or is_whole(outer[1]):
        return None
    product, b = outer
    if not isinstance(product, Einsum) or not is_elementwise(product):
        return None
    factors: list[Slot] = []
    for (x, labels), n in counted(product).items():
        if n % 2 and not is_nonnegative(x):
            return None
        base = x if n % 2 else apply("abs", x)
        factors.append((apply("power", base, constant(n * b)), labels))
    return product_of(product, factors, len(factors))


@rule("power")
def power_of_exponential(node: Node) -> Node | None:
    """``exp(a)^n -> exp(n a)`` for whole n."""
    outer = as_power(node)
    is_for_all = outer is not None and is_whole(outer[1])
    return power_of_exponential_real.apply(node) if is_for_all else None


@rule("power", is_real=True)
def power_of_exponential_real(node: Node) -> Node | None:
    """``exp(a)^n -> exp(n a)`` for real a."""
    outer = as_power(node)
    if outer is None or not is_call(outer[0], "exp"):
        return None
    return apply("exp", scale(outer[1], arguments(outer[0])[0]))


# --- choices and conditions ------------------------------------------------------------------


@rule("where", "maximum", "minimum", widens=True)
def equal_choices(node: Node) -> Node | None:
    """``where(c, a, a) -> a``, ``maximum(a, a) -> a``, ``minimum(a, a) -> a``."""
    *_, a, b = arguments(node)
    return stretched(a, node.shape) if a is b else None


@rule("where")
def known_choice(node: Node) -> Node | None:
    """``where(1, a, b) -> a``, ``where(0, a, b) -> b``."""
    condition, a, b = arguments(node)
    c = number(condition)
    return None if c is None else stretched(a if c else b, node.shape)


@rule(*sorted(CONDITIONS), widens=True)
def equal_sides(node: Node) -> Node | None:
    """Compare a node with itself: ``[a > a] -> 0``, ``[a = a] -> 1``, also if a has no value."""
    a, b = arguments(node)
    if a is not b:
        return None
    return zero(node.shape) if is_call(node, "greater", "not_equal") else ones(node.shape)


#: Functions of two arguments whose order means nothing.
COMMUTATIVE = frozenset({"maximum", "minimum", "equal", "not_equal", "hypot", "logaddexp"})


@rule(*sorted(COMMUTATIVE))
def order_of_arguments(node: Node) -> Node | None:
    """``maximum(b, a) -> maximum(a, b)``: one order for both."""
    a, b = arguments(node)
    return again(node, b, a) if b.key < a.key else None
