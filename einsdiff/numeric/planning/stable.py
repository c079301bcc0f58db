r"""The same values with all their digits: formulas that cancel, and what is computed instead.

Formulas are written as in a textbook, and what is right on paper may have no digits left in
floating-point arithmetic: where :math:`\tanh x` rounds to 1, :math:`1 - \tanh^2 x` is 0 and not
:math:`1/\cosh^2 x`. Such differences are found in an expression before it is planned,

.. math::
    1 - \tanh^2 u = \operatorname{sech}^2 u \qquad 1 - \sigma(u) = \sigma(-u) \qquad
    1 + \operatorname{erf} u = \operatorname{erfc}(-u) \qquad 1 - u^2 = (1 - u)(1 + u) ,

whoever wrote them. Roots of sums of squares are computed by what does not square, since a square
overflows long before a norm does, and a quotient by one is a part of a direction:

.. math:: (x_k x_k)^{-3/2} x_i x_j = \frac{\hat x_i \hat x_j}{\|x\|} \qquad \hat x = x / \|x\| .

What stands on the right is a function of the table or a kernel (see
`einsdiff.algebra.nodes.function_records.KERNELS`), which only computations have.

>>> sigmoid, u = FUNCTIONS["sigmoid"], variable("u", ())
>>> difference = add([(1, constant(1)), (-1, call(sigmoid, [u]))])
>>> stable([difference])[0] is call(sigmoid, [scale(-1, u)])
True
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import permutations
from typing import Any

from einsdiff.algebra.nodes.function_records import FUNCTIONS, Function, kernel, lookup
from einsdiff.algebra.nodes.graph import rewritten, topological
from einsdiff.algebra.nodes.interning import Add, Call, Constant, Einsum, Node, Number, constant
from einsdiff.algebra.nodes.nodes import add, call, einsum, scale
from einsdiff.notation.subscripts import Size
from einsdiff.numeric.planning.cofactors import with_cofactors


def _kernel(name: str, arity: int = 1, **facts: Any) -> Function:
    """Enter a function of entries that only computations have."""
    arguments = tuple("abc"[:arity])
    slots = ", ".join(f"{{{k}}}" for k in range(arity))
    signature = ",".join(["()"] * arity) + "->()"
    return kernel(f"{name}_entry", f"{name}({slots})", signature, arguments=arguments, **facts)


_SECH2 = _kernel("sech2", temporary=1.25)
_ERFC = _kernel("erfc", code={"torch": "torch.special.erfc({0})"})
#: ``a b``, and 0 where b is: what grows, times what vanishes faster.
_DAMPED = _kernel("damped_product", 2, temporary=1.25)

#: The root of ``a^2 + b^2``, and a divided by that.
_HYPOTENUSE = _kernel("hypotenuse", 2, temporary=0.25)
_DIRECTION = _kernel("unit_part_of_two", 2, temporary=2.25)
#: The functions whose value is such a root.
_ROOTS = _HYPOTENUSE, FUNCTIONS["hypot"]


#: ``n (n - 1) .. x^(n - k)``, by k.
_FALLING = {
    k: kernel(
        f"falling_power{k}",
        f"falling_power({{0}}, {{1}}, {k})",
        "(),()->()",
        arguments=("x", "n"),
        temporary=4.25,
    )
    for k in range(1, 4)
}


def _over_axes(name: str, rank: int, keeps: bool) -> Function:
    """Enter a function of the last axes, that of so many."""
    axes = ",".join(f"n{k}" for k in range(rank))
    signature = f"({axes})->({axes if keeps else ''})"
    return kernel(f"{name}{rank}", f"{name}({{0}}, {rank})", signature, temporary=0.25)


#: The norm of the last axes, and what is divided by it, by how many these are.
_NORMS, _UNITS = (
    {rank: _over_axes(name, rank, keeps) for rank in range(1, 5)}
    for name, keeps in (("root_of_squares", False), ("unit_part", True))
)

_EXTREMA = frozenset(["max", "min"])
#: Over how many axes at once: their orders are tried.
_MOST_AXES = 4

#: What an expression has if there is anything to do.
_CONCERNED = frozenset(
    ["tanh", "sigmoid", "erf", "expm1", "power", "exp", "det", "hypot", "max", "min"]
)


def stable(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Put what keeps digits in the place of what loses them, in expressions computed together."""
    names = {part.function.name for part in topological(nodes) if isinstance(part, Call)}
    if names.isdisjoint(_CONCERNED):
        return tuple(nodes)
    found = rewritten(nodes, _stable)
    return with_cofactors(found) if names.issuperset(("det", "inv")) else found


def _stable(node: Node) -> Node:
    """Write one node so; what it is made of was."""
    match node:
        case Add():
            return _sum(node)
        case Einsum():
            return _product(node)
        case Call(function=function) if function is FUNCTIONS["power"]:
            return _power(node)
        case Call(function=function) if function is FUNCTIONS["exp"]:
            return _share(node)
        case Call(function=function) if function is FUNCTIONS["equal"]:
            return _tie(node)
    return node


#: A factor with its labels.
_Slot = tuple[Node, tuple[int, ...]]

# --- sums -------------------------------------------------------------------------------------


def _sum(node: Add) -> Node:
    """Take differences from 1 together."""
    if len(node.terms) < 2:
        return node
    constants = [c for c, term in node.terms if _is_ones(term)]
    found = {}
    if constants:
        (total,) = constants
        found = {k: pair for k in range(len(node.terms)) if (pair := _saturating(node, k, total))}
        exact = {k: pair for k, pair in found.items() if total + node.terms[k][0] * pair[0] == 0}
        if total + sum(node.terms[k][0] * limit for k, (limit, _) in found.items()) != 0:
            found = dict(list(exact.items())[:1])
    if found:
        terms: list[tuple[Number, Node]] = []
        for k, (c, term) in enumerate(node.terms):
            if k in found:
                limit, rest = found[k]
                terms += [(c * limit, _ones(term)), (-c * limit, rest)]
            else:
                terms.append((c, term))
        return add(terms, node.shape)
    return _paired(node)


def _is_ones(node: Node) -> bool:
    """Tell whether a node is 1 everywhere."""
    if isinstance(node, Einsum):
        return not node.operands and not node.loose and len(set(node.output)) == len(node.output)
    return isinstance(node, Constant)


def _ones(like: Node) -> Node:
    return einsum([], [], range(len(like.shape)), dict(enumerate(like.shape)))


def _saturating(node: Add, k: int, total: Number) -> tuple[int, Node] | None:
    """Write a term as ``limit (1 - rest)``, if a constant is left of it where the rest is small."""
    c, term = node.terms[k]
    if isinstance(c, complex) or isinstance(total, complex):
        return None
    operands, labels, out, sizes = _factors(term)
    first = operands[0] if operands else None
    count = len(operands)
    if not isinstance(first, Call) or any(
        (operand, own) != (first, labels[0]) for operand, own in zip(operands, labels, strict=True)
    ):
        return None
    name, (u, *_) = first.function.name, first.args
    limit, rest = 1, None
    if (name, count) == ("tanh", 2):
        rest = call(_SECH2, [u])
    elif (name, count) == ("sigmoid", 1):
        rest = call(first.function, [scale(-1, u)])
    elif (name, count) == ("erf", 1):
        limit = -1 if (total > 0) == (c > 0) else 1
        rest = call(_ERFC, [scale(limit, u)])
    elif (name, count) == ("expm1", 1):
        limit, rest = -1, call(FUNCTIONS["exp"], [u])
    if rest is None:
        return None
    return limit, einsum([rest], [labels[0]], out, sizes)


def _factors(
    node: Node,
) -> tuple[Sequence[Node], Sequence[Sequence[int]], Sequence[int], dict[Any, Size]]:
    """Return a node as a product: its factors, their labels, those of the result, and sizes."""
    if isinstance(node, Einsum) and not node.loose:
        return node.operands, node.subscripts, node.output, dict(enumerate(node.sizes))
    axes = range(len(node.shape))
    return [node], [axes], axes, dict(enumerate(node.shape))


def _paired(node: Add) -> Node:
    r"""Take two terms together whose difference has fewer digits than what it is.

    They are :math:`\sigma(-u) p - \sigma(u) p = -\tanh(u/2) p`, and :math:`p - q p` where q comes
    close to 1: a sigmoid, the square of a hyperbolic tangent, and that of a cosine, which is what a
    is divided by the root of :math:`a^2 + b^2`.
    """
    terms = {term: c for c, term in node.terms}
    for c, term in node.terms:
        operands, labels, out, sizes = _factors(term)
        slots = list(zip(operands, map(tuple, labels), strict=True))
        for k, slot in enumerate(slots):
            for taken, lone, new in _pairs(slot, slots):
                rest = list(slots[:k] + slots[k + 1 :])
                for other in taken:
                    rest.remove(other)
                partner = _multiplied([*rest, *lone], out, sizes)
                if partner is not term and terms.get(partner) == -c:
                    kept = [(d, t) for d, t in node.terms if t is not term and t is not partner]
                    sign, factors = new
                    kept.append((sign * c, _multiplied([*rest, *factors], out, sizes)))
                    return add(kept, node.shape)
    return node


def _multiplied(slots: Sequence[_Slot], out: Sequence[int], sizes: Mapping[Any, Size]) -> Node:
    return einsum([n for n, _ in slots], [own for _, own in slots], out, sizes)


def _pairs(
    slot: _Slot, slots: Sequence[_Slot]
) -> Iterator[tuple[list[_Slot], list[_Slot], tuple[int, list[_Slot]]]]:
    """Say what else a factor needs, what its partner has in its place, and what the result has."""
    factor, labels = slot
    if not isinstance(factor, Call):
        return
    if factor.function is FUNCTIONS["sigmoid"]:
        (u,) = factor.args
        other = call(factor.function, [scale(-1, u)])
        half = call(FUNCTIONS["tanh"], [scale(Fraction(1, 2), u)])
        yield [], [(other, labels)], (1, [(half, labels)])
        yield [], [], (-1, [(other, labels)])
    if factor.function is FUNCTIONS["tanh"] and slots.count(slot) > 1:
        yield [slot], [], (-1, [(call(_SECH2, factor.args), labels)])
    if factor.function is _DIRECTION and slots.count(slot) > 1:
        across = call(_DIRECTION, factor.args[::-1])
        yield [slot], [], (-1, [(across, labels), (across, labels)])


# --- products and powers ----------------------------------------------------------------------


def _product(node: Einsum) -> Node:
    """Take what grows together with what it is divided by, or with what damps it."""
    slots = list(zip(node.operands, node.subscripts, strict=True))
    for k, (factor, labels) in enumerate(slots):
        rest = slots[:k] + slots[k + 1 :]
        new = (
            _damped(factor, labels, rest)
            or _directed(factor, labels, rest)
            or _falling(factor, labels, rest)
        )
        if new is not None:
            sizes = dict(enumerate(node.sizes))
            product = einsum([n for n, _ in new], [own for _, own in new], node.output, sizes)
            return _product(product) if isinstance(product, Einsum) else product
    return node


def _damped(factor: Node, labels: tuple[int, ...], rest: Sequence[_Slot]) -> list[_Slot] | None:
    """Multiply an exponential by what it damps."""
    squared = _gaussian(factor)
    others = [slot for slot in rest if slot != (squared, labels)]
    if squared is None or len(others) == len(rest):
        return None
    product = factor
    for _ in range(len(rest) - len(others)):
        product = call(_DAMPED, [squared, product])
    return [*others, (product, labels)]


def _directed(factor: Node, labels: tuple[int, ...], rest: Sequence[_Slot]) -> list[_Slot] | None:
    """Divide by a root of a sum of squares what is one of these."""
    root, n = _exponent(factor)
    if not isinstance(root, Call) or n >= 0:
        return None
    for slot in rest:
        part, own = slot
        if root.function in _ROOTS and part in root.args and own == labels:
            a, b = root.args if part is root.args[0] else root.args[::-1]
            unit = call(_DIRECTION, [a, b])
        elif root.function in _NORMS.values() and part is root.args[0]:
            if own[: len(labels)] != labels:
                continue
            unit = call(_UNITS[root.function.ranks[0]], [part])
        else:
            continue
        others = list(rest)
        others.remove(slot)
        left = call(FUNCTIONS["power"], [root, constant(n + 1)])
        return [*others, (unit, own), (left, labels)]
    return None


def _falling(factor: Node, labels: tuple[int, ...], rest: Sequence[_Slot]) -> list[_Slot] | None:
    """Take ``n x^(n-1)`` and the like together, which is 0 where n is, also at 0."""
    if not isinstance(factor, Call) or factor.function is not FUNCTIONS["power"]:
        return None
    x, exponent = factor.args
    if not isinstance(exponent, Add) or len(exponent.terms) != 2:
        return None
    orders = [-c for c, term in exponent.terms if _is_ones(term)]
    exponents = [term for c, term in exponent.terms if c == 1 and not _is_ones(term)]
    if len(orders) != 1 or len(exponents) != 1 or orders[0] not in _FALLING:
        return None
    order, n = int(orders[0].real), exponents[0]
    others = list(rest)
    for k in range(order):
        own = add([(1, n), (-k, _ones(n))]), labels[: len(n.shape)]
        if own not in others:
            return None
        others.remove(own)
    return [*others, (call(_FALLING[order], [x, n]), labels)]


def _exponent(node: Node) -> tuple[Node, int]:
    """Return a node as a whole power."""
    if isinstance(node, Call) and node.function is FUNCTIONS["power"]:
        base, exponent = node.args
        if isinstance(exponent, Constant) and isinstance(exponent.value, int):
            return base, exponent.value
    return node, 1


def _gaussian(node: Node) -> Node | None:
    """Return u where a node is ``exp(-c u^2)`` with a positive number c."""
    if not isinstance(node, Call) or node.function is not FUNCTIONS["exp"]:
        return None
    (exponent,) = node.args
    if not isinstance(exponent, Add) or len(exponent.terms) != 1:
        return None
    ((c, square),) = exponent.terms
    if isinstance(c, complex) or c >= 0:
        return None
    return _root(square)


def _root(node: Node) -> Node | None:
    """Return u where a node is ``u^2``, entry by entry."""
    if not isinstance(node, Einsum) or len(node.operands) != 2 or node.loose:
        return None
    (a, b), (left, right) = node.operands, node.subscripts
    is_square = a is b and left == right == tuple(node.output)
    return a if is_square and len(set(left)) == len(left) else None


def _power(node: Call) -> Node:
    """Take a root of a difference or of a sum of squares, or an inverse, without squaring."""
    base, exponent = node.args
    if not isinstance(exponent, Constant) or isinstance(exponent.value, complex):
        return node
    n = exponent.value
    if isinstance(n, int) and n > 0:
        return node
    root = _root_of_sum(base)
    if root is not None:
        twice = constant(2 * n)
        return call(node.function, [root, twice])
    product = _difference_of_squares(base)
    return node if product is None else call(node.function, [product, exponent])


def _difference_of_squares(base: Node) -> Node | None:
    """Write ``1 - u^2`` as ``(1 - u)(1 + u)``."""
    if not isinstance(base, Add) or len(base.terms) != 2:
        return None
    squares = [(c, u) for c, term in base.terms if (u := _root(term)) is not None]
    ones = [c for c, term in base.terms if _is_ones(term)]
    if len(squares) != 1 or len(ones) != 1 or squares[0][0] != -ones[0]:
        return None
    ((_, u),) = squares
    axes = range(len(u.shape))
    below, above = (add([(1, _ones(u)), (sign, u)]) for sign in (-1, 1))
    return scale(ones[0], einsum([below, above], [axes, axes], axes))


def _root_of_sum(base: Node) -> Node | None:
    """Return the root of ``1 + u^2``, of ``a^2 + b^2``, or of a sum of squares over axes."""
    if isinstance(base, Add) and len(base.terms) == 2 and all(c == 1 for c, _ in base.terms):
        parts = [constant(1) if _is_ones(t) else _root(t) for _, t in base.terms]
        a, b = parts
        return None if a is None or b is None else call(_HYPOTENUSE, [a, b])
    if not isinstance(base, Einsum) or len(base.operands) != 2 or base.loose:
        return None
    (x, other), (labels, its) = base.operands, base.subscripts
    batch = base.output
    rank = len(labels) - len(batch)
    is_plain = labels[: len(batch)] == tuple(batch) and len(set(labels)) == len(labels)
    if x is not other or labels != its or not is_plain or rank not in _NORMS:
        return None
    return call(_NORMS[rank], [x])


def _share(node: Call) -> Node:
    """Write an exponential over a sum of exponentials, ``exp(a - log(exp(a) + exp(b)))``, as one.

    Where a is large, the difference of the logarithms has few digits.
    """
    (exponent,) = node.args
    if not isinstance(exponent, Add) or len(exponent.terms) != 2:
        return node
    for k, (c, total) in enumerate(exponent.terms):
        d, own = exponent.terms[1 - k]
        operands, labels, out, sizes = _factors(total)
        if c != -1 or d != 1 or len(operands) != 1 or not isinstance(operands[0], Call):
            continue
        function, args = operands[0].function, operands[0].args
        if function.name == "logaddexp":
            for a, b in (args, args[::-1]):
                if einsum([_filled(a, operands[0])], labels, out, sizes) is own:
                    difference = add([(1, _filled(a, operands[0])), (-1, _filled(b, operands[0]))])
                    share = call(FUNCTIONS["sigmoid"], [difference])
                    return einsum([share], labels, out, sizes)
        elif function.name == "logsumexp" and args[0] is own:
            is_plain = list(labels[0]) == list(range(len(labels[0])))
            if is_plain and list(out) == list(range(len(out))):
                softmax = lookup("softmax", function.ranks)
                assert softmax is not None
                return call(softmax, [own])
    return node


def _tie(node: Call) -> Node:
    """Compare the largest or smallest entries with the very array of which they are such.

    ``[a_ij = max(a_ji)_j]`` of a symmetric product a may be read from either half of an array whose
    halves are rounded differently, so that no entry is equal to the largest.
    """
    for array, extremum in (node.args, node.args[::-1]):
        operands, (own, *_), out, _ = _factors(extremum)
        core = operands[0]
        if len(operands) > 1 or not isinstance(core, Call) or core.function.name not in _EXTREMA:
            continue
        if not len(set(own)) == len(own) == len(set(own).intersection(out)):
            continue
        (entries,) = core.args
        batch = tuple(map(list(out).index, own))
        rest = [axis for axis in range(len(out)) if axis not in batch]
        if len(batch) + len(rest) != len(entries.shape) or len(rest) > _MOST_AXES:
            continue
        # The layout in which the array has its axes comes first, for then nothing is to do.
        for order in permutations(rest):
            places = (*batch, *order)
            if einsum([entries], [places], range(len(out))) is array:
                axes, sizes = range(len(out)), dict(enumerate(entries.shape))
                repeated = einsum([core], [axes[: len(batch)]], axes, sizes)
                return einsum([call(node.function, [entries, repeated])], [places], axes)
    return node


def _filled(node: Node, like: Node) -> Node:
    """Repeat a number, so that it has the axes of another node."""
    if node.shape == like.shape:
        return node
    return einsum([node], [()], range(len(like.shape)), dict(enumerate(like.shape)))
