r"""Other ways to write an expression: simplified, multiplied out, collected.

None of them is done on its own when an expression is built, and none of them changes the value
where there is one:

.. math::
    \frac{2 x \sin x^2 \cos x}{\sin x^2} \to 2 x \cos x \qquad
    (x + 1)^2 \to x^2 + 2 x + 1 \qquad
    X^\top D X + X^\top E X \to X^\top (D + E) X .

`simplify` tries the rules of `einsdiff.algebra.rewriting.rules.rule_table`, takes out what all
terms of a sum share, and multiplies out where terms then cancel. What is simpler is decided by one
number, `weight`, and a rule is used only where its result weighs less; so it ends, whatever the
rules are.

>>> x, A, b = variable("x", ()), variable("A", (3, 3)), variable("b", (3,))
>>> square = call(FUNCTIONS["power"], [add([(1, x), (1, constant(1))]), constant(2)])
>>> simplify(add([(1, square), (-1, einsum([x, x], ["", ""], "")), (-2, x)]))
Constant(1)
>>> simplify(einsum([call(FUNCTIONS["inv"], [A]), b], ["ij", "j"], "i"))
solve(A, b)
>>> len(expand(square).terms)
3
>>> a, c = variable("a", (3,)), variable("c", (3,))
>>> ab, ac = (einsum([a, other], ["i", "i"], "i") for other in (b, c))
>>> collect(add([(1, ab), (1, ac)])) is einsum([a, add([(1, b), (1, c)])], ["i", "i"], "i")
True
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from weakref import WeakKeyDictionary

from einsdiff.algebra.functions.catalogue import MOST_EXPANDED
from einsdiff.algebra.nodes.factors import counted
from einsdiff.algebra.nodes.graph import children, rebuilt, topological, use_counts
from einsdiff.algebra.nodes.interning import ONE, Add, Call, Constant, Einsum, Node, is_one
from einsdiff.algebra.nodes.levi_civita import has_levi_civita
from einsdiff.algebra.rewriting.distribute import (
    MOST_WRITTEN,
    check_terms,
    multiplied_out,
    out_of_reach,
    spread,
)
from einsdiff.algebra.rewriting.factor import factored
from einsdiff.algebra.rewriting.flatten import flatten
from einsdiff.algebra.rewriting.rules.function_rules import COMMUTATIVE, HOMOGENEOUS, SIGNED
from einsdiff.algebra.rewriting.rules.matrix_rules import transposed
from einsdiff.algebra.rewriting.rules.patterns import Rule, is_negative, rule
from einsdiff.algebra.rewriting.rules.rule_table import RULES
from einsdiff.algebra.rewriting.rules.symbol_rules import paired_symbols

#: `simplify` multiplies out sums of at most so many terms, with so many factors in one of them,
#: so many in all, and so many nodes: more costs more than it is likely to save.
MOST_TERMS = 200
MOST_FACTORS = 20
MOST_TOGETHER = 600
MOST_NODES = 300
#: Sums in which the terms that can be multiplied out are also tried one by one.
MOST_TRIED = 8

#: Rules are used at most so often, for each node there is, in one walk. It is never reached, as
#: each use makes something lighter; were a rule ever at fault, the walk would end all the same.
MOST_USES = 100


# --- what is simpler --------------------------------------------------------------------------

#: What a number, a factor or a term of a sum, and a function weigh. Some functions weigh less, as
#: they are written with a sign alone, and those of matrices weigh more, as they are much work.
NUMBER = 2
FACTOR = 4
SYMBOL = 40  # two of them are worth less than the products that they are
FUNCTION = {"power": 2, "abs": 2, **dict.fromkeys(("inv", "pinv", "det", "logdet", "signdet"), 12)}


def weight(node: Node) -> int:
    """Count the factors, terms and functions of an expression when it is written out.

    It is 4 for each variable, product, sum and function; 2 for each number, power and ``abs``; 12
    for an inverse and a determinant; 40 for a permutation symbol; 1 for a transpose or a minus.
    What is shared counts each time that it is written, and equal factors as a power. In functions
    that a sign or a number can be taken out of, such as ``sin(-x)`` and ``abs(2 x)``, it counts 3
    or 2 more, as does the transpose of the argument of ``inv`` or ``det``.

    >>> a, b, c = (variable(name, (3,)) for name in "abc")
    >>> ab, ac = (einsum([a, other], ["i", "i"], "i") for other in (b, c))
    >>> (
    ...     weight(add([(1, ab), (1, ac)])),
    ...     weight(einsum([a, add([(1, b), (1, c)])], ["i", "i"], "i")),
    ... )
    (28, 20)
    """
    found = _weights.get(node)
    if found is None:
        for inner in topological(
            [node], lambda part: tuple(child for child in children(part) if child not in _weights)
        ):
            found = _weights[inner] = _weight(inner)
    assert found is not None
    return found


#: The weights of nodes that were asked for, as long as the nodes are there.
_weights: WeakKeyDictionary[Node, int] = WeakKeyDictionary()


def _weight(node: Node) -> int:
    if isinstance(node, Constant):
        return NUMBER
    if isinstance(node, Einsum):
        return _weight_of_product(node)
    below = sum(_weights[child] for child in children(node))
    if isinstance(node, Add):
        if len(node.terms) == 1:
            ((c, _),) = node.terms
            return below + (1 if c == -1 else NUMBER)
        # The sign of a term takes the place of a plus.
        numbers = sum(not is_one(c) and c != -1 and term is not ONE for c, term in node.terms)
        return below + NUMBER * numbers + (FACTOR if node.terms else 0)
    if isinstance(node, Call):
        if not node.args:
            return SYMBOL
        return below + FUNCTION.get(node.function.name, FACTOR) + _untidy(node)
    return FACTOR


def _weight_of_product(node: Einsum) -> int:
    if not node.operands:
        return NUMBER + FACTOR * len(node.loose)
    found = FACTOR * len(node.loose)
    counts = counted(node)
    for (factor, _), n in counts.items():
        power = FUNCTION["power"] + NUMBER + (n > MOST_EXPANDED)
        found += _weights[factor] + (power if n > 1 else 0)
    if node.is_view:
        return found + 1
    is_one_factor = len(counts) == 1 and not node.loose and node.carried.issubset(node.output)
    return found + (0 if is_one_factor else FACTOR)


def _untidy(node: Call) -> int:
    """Count what stands inside of a function and could be written outside."""
    name = node.function.name
    first = node.args[0]
    extra = 0
    if name in SIGNED and is_negative(first):
        extra += 3
    if name in HOMOGENEOUS and isinstance(first, Add) and not is_one(first.primitive[0]):
        extra += 2
    if name in ("inv", "det", "logdet", "signdet") and transposed(first) is not None:
        extra += 2
    if name in COMMUTATIVE and node.args[1].key < first.key:
        extra += 1
    return extra


# --- walking ----------------------------------------------------------------------------------


def _rewritten(root: Node, step: Callable[[Node], Node | None]) -> Node:
    """Rewrite from below, at each node until `step` has nothing left to do there."""
    done: dict[Node, Node] = {}
    becomes: dict[Node, Node] = {}
    active: set[Node] = set()
    stack = [root]
    left = MOST_USES * len(topological([root]))
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        active.add(node)
        if node not in becomes:
            waiting = [child for child in children(node) if child not in done]
            if waiting:
                stack.extend(child for child in waiting if child not in active)
                if stack[-1] is not node:
                    continue
                done.update({child: child for child in waiting})  # a circle: leave it as it is
            new = rebuilt(node, done)
            if new is node and left:
                new = step(node) or node
                left -= new is not node
            becomes[node] = new
        new = becomes[node]
        if new is node or (new in active and new not in done):
            done[node] = new
        elif new in done:
            done[node] = done[new]
        else:
            stack.append(new)
            continue
        stack.pop()
    return done[root]


# --- the verbs --------------------------------------------------------------------------------


@rule("sum")
def common_factor(node: Node) -> Node | None:
    """``a_i b_i + a_i c_i -> a_i (b_i + c_i)``, for a factor that all terms share."""
    return factored(node, len(node.terms)) if isinstance(node, Add) and node.terms else None


@rule("sum", widens=True)
def cancelled_terms(node: Node) -> Node | None:
    """``(x + 1)^2 - x^2 - 2 x -> 1``: multiply out all of a sum, or one of its terms."""
    if not isinstance(node, Add) or len(node.terms) < 2:
        return None
    if out_of_reach(node, MOST_TERMS, MOST_FACTORS, MOST_TOGETHER, MOST_NODES):
        return None
    below = [multiplied_out(term) for _, term in node.terms]
    changed = [k for k, (_, term) in enumerate(node.terms) if below[k] is not term]
    if not changed:
        return None
    before = weight(node)
    tries = [changed]
    if 1 < len(changed) <= MOST_TRIED:
        tries += [[k] for k in changed]
    for some in tries:
        terms = [below[k] if k in some else term for k, (_, term) in enumerate(node.terms)]
        new = spread(node, terms)
        if weight(new) < before:
            return new
    return None


#: The rules of the table, and those that compare ways to write a whole sum.
ALL_RULES: tuple[Rule, ...] = (*RULES, common_factor, cancelled_terms)


def simplify(node: Node, *, is_complex: bool = False) -> Node:
    """Write an expression in a simpler way, of the same value where it has one and less `weight`.

    What comes back is in normal form (see `einsdiff.algebra.rewriting.flatten`), and the same node
    if nothing is to be done. Where variables may be complex, or a number is, rules that hold for
    real numbers only, such as ``log(exp(x)) -> x``, are left out.

    >>> x = variable("x", (3,))
    >>> simplify(call(FUNCTIONS["cos"], [add([(-1, x)])]))
    cos(x)
    """
    real = not is_complex and not _has_complex_number(node)
    rules: dict[str, list[Rule]] = {}
    for each in ALL_RULES:
        if real or not each.is_real:
            for place in each.at:
                rules.setdefault(place, []).append(each)
    (node,) = flatten([node])
    while True:
        uses = use_counts([node])

        def step(inner: Node, uses: dict[Node, int] = uses) -> Node | None:
            for each in rules.get(_place(inner), ()):
                if each.once and not _is_used_once(inner, each.once, uses):
                    continue
                new = each.apply(inner)
                if new is not None and weight(new) < weight(inner):
                    return new
            return None

        (new,) = flatten([_rewritten(node, step)])
        if new is node or weight(new) >= weight(node):
            return node
        node = new


def _place(node: Node) -> str:
    if isinstance(node, Call):
        return node.function.name
    return "product" if isinstance(node, Einsum) else "sum" if isinstance(node, Add) else ""


def _is_used_once(node: Node, names: Collection[str], uses: Mapping[Node, int]) -> bool:
    """Tell whether the factors that are these functions are needed nowhere else."""
    return all(
        uses.get(child, 2) == 1
        for child in children(node)
        if isinstance(child, Call) and child.function.name in names
    )


def _has_complex_number(node: Node) -> bool:
    return any(
        isinstance(inner.value, complex)
        if isinstance(inner, Constant)
        else isinstance(inner, Add) and any(isinstance(c, complex) for c, _ in inner.terms)
        for inner in topological([node])
    )


def expand(node: Node) -> Node:
    """Multiply out: write products of sums, and their whole powers, as sums of products.

    That is done in arguments of functions too. It is an `OperandError` if a sum would have more
    than 4096 terms, or all sums together more than 262144, or a term more than 64 factors.

    >>> x, y = variable("x", ()), variable("y", ())
    >>> expand(einsum([add([(1, x), (1, y)]), add([(1, x), (-1, y)])], ["", ""], ""))
    Add((1, <Einsum ()>), (-1, <Einsum ()>))
    """
    done: dict[Node, Node] = {}
    written = 0
    for inner in topological([node]):
        new = done[inner] = spread(inner, [done[child] for child in children(inner)])
        if new is not inner:
            written += len(new.terms) if isinstance(new, Add) else 1
            check_terms(written, MOST_WRITTEN)
    expanded = done[node]
    if not has_levi_civita(topological([expanded])):
        return expanded
    return _rewritten(
        expanded, lambda part: paired_symbols.apply(part) if isinstance(part, Einsum) else None
    )


def collect(node: Node) -> Node:
    """Take out what terms of a sum have in common, the factor that most of them share first.

    That is done in arguments of functions too. What comes back is of no more `weight`, and the same
    node if no two terms of a sum share a factor.

    >>> a, b, c, d = (variable(name, (3,)) for name in "abcd")
    >>> terms = [einsum(pair, ["i", "i"], "i") for pair in ((a, b), (a, c), (d, b), (d, c))]
    >>> collect(add([(1, term) for term in terms]))
    Einsum((<Add (3,)>, <Add (3,)>), ((0,), (0,)), (0,))
    """
    (node,) = flatten([node])

    def step(inner: Node) -> Node | None:
        new = factored(inner, least=2) if isinstance(inner, Add) else None
        return new if new is not None and weight(new) < weight(inner) else None

    while True:
        (new,) = flatten([_rewritten(node, step)])
        if new is node or weight(new) >= weight(node):
            return node
        node = new
