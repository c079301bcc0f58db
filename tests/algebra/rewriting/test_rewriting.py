"""Rewriting keeps the value: every form and every rule, with sizes that are names."""

from __future__ import annotations

import pytest

from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import (
    ONE,
    Add,
    Call,
    Delta,
    Einsum,
    Node,
    Variable,
    delta,
    variable,
)
from einsdiff.algebra.nodes.nodes import add, call, einsum, scale
from einsdiff.algebra.rewriting.flatten import flatten
from einsdiff.algebra.rewriting.orient import normal_form, oriented
from einsdiff.algebra.rewriting.simplification import ALL_RULES, collect, expand, simplify
from einsdiff.errors import OperandError
from tests.algebra.rewriting.test_simplification import EXAMPLES
from tests.random_expressions import Expressions, same_value

FORMS = {
    "flatten": lambda node: flatten([node])[0],
    "oriented": oriented,
    "normal form": normal_form,
    "simplify": simplify,
    "expand": expand,
    "collect": collect,
}


def applied(rule, node):
    """Use a rule once, if it can be used at this node."""
    place = node.function.name if isinstance(node, Call) else ""
    place = {Einsum: "product", Add: "sum"}.get(type(node), place)
    return rule.apply(node) if place in rule.at else None


@pytest.mark.parametrize("block", range(10))
@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_value(form, block):
    compared = 0
    for seed in range(40 * block, 40 * block + 40):
        drawn = Expressions(seed)
        node = drawn.any()
        try:
            other = FORMS[form](node)
        except OperandError:
            assert form == "expand"
            continue
        compared += same_value(node, other, drawn.variables)
    assert compared > 100


@pytest.mark.parametrize("block", range(5))
def test_every_rule_has_the_value_in_random_expressions(block):
    for seed in range(1000 + 40 * block, 1040 + 40 * block):
        drawn = Expressions(seed)
        for node in topological([drawn.any()]):
            for rule in ALL_RULES:
                other = applied(rule, node)
                if other is not None:
                    same_value(node, other, drawn.variables)


# --- every rule at what it is for, with awkward parts ------------------------------------------

m, n = "m", "n"
s = variable("s", ())
u, v, w = variable("u", (n,)), variable("v", (n,)), variable("w", (m,))
P, Q, R = variable("P", (n, n)), variable("Q", (n, n)), variable("R", (n, m))
VARIABLES = {var.name: var for var in (s, u, v, w, P, Q, R)}

#: For each number of axes what is tried in the place of a variable. The first are variables.
PARTS: dict[int, list[Node]] = {
    0: [
        s,
        einsum([], [], "", {"k": m}),  # m
        einsum([s], [""], "", {"k": m, "l": n}),  # m n s
        einsum([w, w], ["a", "a"], ""),
        einsum([w], ["a"], "", {"k": m}),
        scale(-2, s),
    ],
    1: [
        u,
        v,
        einsum([u], ["i"], "i", {"k": m}),  # m u
        einsum([], [], "i", {"i": n, "k": m}),  # m 1
        einsum([s], [""], "i", {"i": n}),
        einsum([w, w], ["a", "a"], "i", {"i": n, "k": m}),
        einsum([R], ["ia"], "i"),
        einsum([P], ["ii"], "i"),
        einsum([u, v], ["i", "j"], "i"),
        add([(-1, u), (2, v)]),
        add([(1, u), (1, einsum([v], ["i"], "i", {"k": m}))]),
    ],
    2: [
        P,
        Q,
        einsum([P], ["ij"], "ji", {"k": m}),  # m Pᵀ
        einsum([P], ["ij"], "ij", {"k": m}),
        einsum([u], ["i"], "ii", {"k": m}),  # m diag(u)
        einsum([], [], "ii", {"i": n, "k": m}),  # m δ
        einsum([R, R], ["ia", "ja"], "ij", {"k": m}),
        add([(1, P), (1, einsum([u], ["i"], "ii", {"k": m}))]),
        einsum([u, v], ["i", "j"], "ij"),
        delta(n),
    ],
}


def with_parts(node, parts):
    """Rebuild an example of `test_simplify` of named size, with other nodes for its variables."""
    done = {}
    for inner in topological([node]):
        if isinstance(inner, Variable):
            new = parts[inner]
        elif isinstance(inner, Einsum):
            sizes = {label: n if size == 2 else size for label, size in enumerate(inner.sizes)}
            operands = [done[operand] for operand in inner.operands]
            new = einsum(operands, inner.subscripts, inner.output, sizes)
        elif isinstance(inner, Add):
            shape = [n if size == 2 else size for size in inner.shape]
            new = add([(c, done[term]) for c, term in inner.terms], shape)
        elif isinstance(inner, Call):
            new = call(inner.function, [done[arg] for arg in inner.args])
        else:
            new = delta(n) if isinstance(inner, Delta) else inner
        done[inner] = new
    return done[node]


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.name)
def test_every_rule_has_the_value_with_awkward_parts(rule):
    before, _ = EXAMPLES[rule.name]
    variables = [node for node in topological([before]) if isinstance(node, Variable)]
    used = 0
    for shift in range(11):
        for step in (0, 1, 3):
            parts = {}
            for k, var in enumerate(variables):
                choice = PARTS[len(var.shape)]
                parts[var] = choice[(shift + step * k) % len(choice)]
            example = with_parts(before, parts)
            # Alone, as a part of a product, and times a size.
            axes = range(len(example.shape))
            longer = einsum([example, example, s], [axes, axes, ()], axes, {"size": m})
            for root in (example, longer):
                for node in topological([root]):
                    other = applied(rule, node)
                    if other is not None:
                        used += same_value(node, other, VARIABLES)
            for form in FORMS.values():
                same_value(longer, form(longer), VARIABLES)
    assert used > 5


# --- named sizes ------------------------------------------------------------------------------


def test_a_core_comes_with_its_sizes():
    node = einsum([u, w], ["i", "a"], "ii", {"k": m, "l": n})
    core, axes, sizes = node.core
    assert sizes == (m, n)
    assert core is einsum([u, w], ["i", "a"], "i")
    assert axes == (0,)
    assert einsum([], [], "", {"k": m}).core == (ONE, (), (m,))
    assert einsum([u], ["i"], "i", {"k": m}).core == (u, (0,), (m,))


def test_what_is_times_a_size_is_no_view():
    assert not einsum([u], ["i"], "i", {"k": m}).is_view
    assert not einsum([], [], "i", {"i": n, "k": m}).is_view
    assert einsum([u], ["i"], "ij", {"j": m}).is_view


def test_sizes_as_factors():
    size = einsum([], [], "", {"k": n})
    reciprocal = EXAMPLES["joined powers"][0].operands[0].function
    over = call(reciprocal, [size, scale(-1, ONE)])
    assert simplify(einsum([size, over, u], ["", "", "i"], "i")) is u
    twice = simplify(einsum([over, over, u], ["", "", "i"], "i"))
    assert twice is einsum([call(reciprocal, [size, scale(-2, ONE)]), u], ["", "i"], "i")
