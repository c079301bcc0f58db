r"""Rules for factors of a product that meet, and for terms of a sum that do.

.. math:: x^a x^b \to x^{a+b} \qquad \sin^2 x + \cos^2 x \to 1
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from einsdiff.algebra.functions.catalogue import MOST_EXPANDED
from einsdiff.algebra.nodes.factors import Slot, multiplied, slots
from einsdiff.algebra.nodes.interning import ONE, Add, Call, Einsum, Node, Number, constant, is_one
from einsdiff.algebra.nodes.nodes import add, is_zero, scale, stretched
from einsdiff.algebra.rewriting.rules.patterns import (
    CONDITIONS,
    apply,
    arguments,
    as_factor,
    as_power,
    is_call,
    is_negative,
    product_of,
    rule,
)

__all__: list[str] = []

# --- products --------------------------------------------------------------------------------


@rule("product", widens=True)
def joined_powers(node: Node) -> Node | None:
    """``x^a x^b -> x^(a + b)``, ``x / x -> 1``: also where x is 0, or negative with roots."""
    assert isinstance(node, Einsum)
    groups: dict[Slot, list[tuple[Slot, Node]]] = {}
    for slot in slots(node):
        of, exponent = _base(*slot)
        groups.setdefault(of, []).append((slot, exponent))
    kept: list[Slot] = []
    joined: list[Slot] = []
    for (base, labels), members in groups.items():
        plain = all(exponent is ONE for _, exponent in members)
        if len(members) == 1 or (plain and len(members) <= MOST_EXPANDED):
            kept += [slot for slot, _ in members]
            continue
        exponents = [exponent for _, exponent in members]
        shape = max((exponent.shape for exponent in exponents), key=len)
        total = add([(1, stretched(exponent, shape)) for exponent in exponents])
        joined.append((apply("power", base, total), labels))
    return product_of(node, [*kept, *joined], len(joined)) if joined else None


def _base(node: Node, labels: tuple[int, ...]) -> tuple[Slot, Node]:
    """Read a factor as a power."""
    if is_call(node, "power"):
        base, exponent = arguments(node)
        found = as_factor(base, labels) if base.shape == node.shape else None
        if found is not None and is_one(found[0]):
            _, core, theirs = found
            if not exponent.shape or theirs == labels:
                return (core, theirs), exponent
        if base.shape == node.shape:
            return (base, labels), exponent
    return (node, labels), ONE


@rule("product")
def joined_exponentials(node: Node) -> Node | None:
    """``exp(a) exp(b) -> exp(a + b)``."""
    assert isinstance(node, Einsum)
    groups: dict[tuple[int, ...], list[Node]] = {}
    kept: list[Slot] = []
    for factor, labels in slots(node):
        if is_call(factor, "exp"):
            groups.setdefault(labels, []).extend(arguments(factor))
        else:
            kept.append((factor, labels))
    if all(len(members) == 1 for members in groups.values()):
        return None
    joined = [(apply("exp", add([(1, a) for a in members])), ls) for ls, members in groups.items()]
    return product_of(node, [*kept, *joined], len(joined))


@rule("product")
def repeated_condition(node: Node) -> Node | None:
    """``[c] [c] -> [c]``, for conditions, which are 0 or 1."""
    assert isinstance(node, Einsum)
    factors = slots(node)
    once = [
        slot
        for k, slot in enumerate(factors)
        if not is_call(slot[0], *CONDITIONS) or slot not in factors[:k]
    ]
    return product_of(node, once) if len(once) < len(factors) else None


#: Products of two functions of one argument, each "" for the argument itself, "/f" for 1/f, and
#: "[>0]" for where it is positive; and what they are.
_PAIRS: dict[tuple[str, str], tuple[str, ...]] = {
    ("sin", "/cos"): ("tan",),
    ("sinh", "/cosh"): ("tanh",),
}
_PAIRS_REAL: dict[tuple[str, str], tuple[str, ...]] = {
    ("abs", "abs"): ("", ""),
    ("sign", "abs"): ("",),
    ("sign", ""): ("abs",),
    ("abs", "/"): ("sign",),
    ("", "/abs"): ("sign",),
    ("[>0]", "relu"): ("relu",),
    ("[>0]", ""): ("relu",),
    ("[>0]", "abs"): ("relu",),
}


@rule("product")
def quotient_of_functions(node: Node) -> Node | None:
    """``sin(x) / cos(x) -> tan(x)``, ``sinh(x) / cosh(x) -> tanh(x)``."""
    return _paired(node, _PAIRS)


@rule("product", is_real=True, widens=True)
def sign_and_size(node: Node) -> Node | None:
    """``abs(x)^2 -> x^2``, ``sign(x) abs(x) -> x``, ``sign(x) x -> abs(x)``.

    And ``[x > 0] x -> relu(x)``, and ``abs(x) / x -> sign(x)``, also where x is 0.
    """
    return _paired(node, _PAIRS_REAL)


def _readings(factor: Node, labels: tuple[int, ...]) -> list[tuple[str, Slot]]:
    """List how a factor may be read: as a function of what."""
    found = [("", (factor, labels))]
    inside, prefix = factor, ""
    power = _reciprocal(factor)
    if power is not None:
        inside, prefix = power[0], "/"
        found = [(prefix, (inside, labels))]
    if isinstance(inside, Call) and inside.args and inside.args[0].shape == factor.shape:
        name = inside.function.name
        x = inside.args[0]
        if name == "greater" and is_zero(inside.args[1]):
            found.append((prefix + "[>0]", (x, labels)))
        elif len(inside.args) == 1 and inside.function.is_elementwise:
            found.append((prefix + name, (x, labels)))
    return [(kind, slot) for kind, (x, ls) in found if (slot := _primitive_slot(x, ls)) is not None]


def _primitive_slot(x: Node, labels: tuple[int, ...]) -> Slot | None:
    found = as_factor(x, labels)
    return found[1:] if found is not None and is_one(found[0]) else None


def _paired(node: Node, table: dict[tuple[str, str], tuple[str, ...]]) -> Node | None:
    assert isinstance(node, Einsum)
    factors = slots(node)
    places: dict[Slot, dict[str, list[int]]] = {}
    for k, (factor, labels) in enumerate(factors):
        for kind, of in _readings(factor, labels):
            places.setdefault(of, {}).setdefault(kind, []).append(k)
    used: set[int] = set()
    new: list[Slot] = []
    for (x, labels), kinds in places.items():
        for (one, other), result in table.items():
            if one not in kinds or other not in kinds:
                continue
            left, right = ([k for k in kinds[kind] if k not in used] for kind in (one, other))
            pairs = (
                list(zip(left[::2], left[1::2], strict=False))
                if one == other
                else list(zip(left, right, strict=False))
            )
            for p, q in pairs:
                used |= {p, q}
                new += [(apply(name, x) if name else x, labels) for name in result]
                for factor, own in (factors[p], factors[q]):
                    if (power := _reciprocal(factor)) is not None:  # without one 1/x
                        new.append((apply("power", power[0], constant(power[1] + 1)), own))
    if not new:
        return None
    return product_of(node, [*(s for k, s in enumerate(factors) if k not in used), *new], len(new))


def _reciprocal(factor: Node) -> tuple[Node, int] | None:
    """Return the base and the exponent of ``x^-n``."""
    base, n = as_power(factor) or (factor, 1)
    return (base, n) if isinstance(n, int) and n < 0 else None


# --- sums ------------------------------------------------------------------------------------


@rule("sum", widens=True)
def squares_of_functions(node: Node) -> Node | None:
    """``sin(x)^2 + cos(x)^2 -> 1``, ``cosh(x)^2 - sinh(x)^2 -> 1``, ``1 - sin(x)^2 -> cos(x)^2``.

    With any common factor before the terms.
    """
    return _related(node, _square_relations)


#: f: (g, a, b) with a f(x)^2 + b g(x)^2 = 1.
_SQUARES = {
    "sin": ("cos", 1, 1),
    "cos": ("sin", 1, 1),
    "cosh": ("sinh", 1, -1),
    "sinh": ("cosh", -1, 1),
}


def _square_relations(term: Node) -> Iterable[tuple[tuple[int, Node], ...]]:
    for k, (factor, labels) in enumerate(factors := slots(term)):
        if is_call(factor, *_SQUARES) and (factor, labels) in factors[:k]:
            assert isinstance(factor, Call)
            g, a, b = _SQUARES[factor.function.name]
            rest = list(factors)
            rest.remove((factor, labels))
            rest.remove((factor, labels))
            other = apply(g, factor.args[0])
            squared = _with(term, [*rest, (other, labels), (other, labels)])
            yield ((a, term), (b, squared), (-1, _with(term, rest)))


@rule("sum", widens=True)
def sigmoids(node: Node) -> Node | None:
    """``sigmoid(x) + sigmoid(-x) -> 1``, ``1 - sigmoid(-x) -> sigmoid(x)``.

    Not ``sigmoid(-x) -> 1 - sigmoid(x)`` on its own: for large x the difference is 0, and its
    logarithm has no value.
    """
    return _related(node, _sigmoid_relations)


def _sigmoid_relations(term: Node) -> Iterable[tuple[tuple[int, Node], ...]]:
    for k, (factor, labels) in enumerate(factors := slots(term)):
        if is_call(factor, "sigmoid") and is_negative(arguments(factor)[0]):
            rest = [slot for n, slot in enumerate(factors) if n != k]
            other = apply("sigmoid", scale(-1, arguments(factor)[0]))
            yield ((1, term), (1, _with(term, [*rest, (other, labels)])), (-1, _with(term, rest)))


def _with(term: Node, factors: Sequence[Slot]) -> Node:
    if isinstance(term, Einsum):
        return product_of(term, factors)
    return multiplied(factors, range(len(term.shape)), dict(enumerate(term.shape)))


def _related(
    node: Node, relations: Callable[[Node], Iterable[tuple[tuple[int, Node], ...]]]
) -> Node | None:
    """Replace two terms by the third where ``a T + b U + c V = 0``."""
    assert isinstance(node, Add)
    left: dict[Node, Number] = {term: c for c, term in node.terms}
    new: list[tuple[Number, Node]] = []
    for _, term in node.terms:
        if term not in left:
            continue
        for (a, first), *others in relations(term):
            if first not in left:
                break
            c = left[first]
            for (b, other), (third, result) in (others, others[::-1]):
                # c T + d U = -(c/a) v V, if d/b is c/a as well; a, b and v are 1 or -1.
                if other in left and other is not first and left[other] * b == c * a:
                    del left[first], left[other]
                    new.append((-c * a * third, result))
                    break
    if not new:
        return None
    return add([*((c, term) for term, c in left.items()), *new], node.shape)
