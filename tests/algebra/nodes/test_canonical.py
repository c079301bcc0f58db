"""The canonical order of factors and labels: symmetries, large networks, and the budget."""

from __future__ import annotations

import random
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einsdiff.algebra.nodes import canonical as search
from einsdiff.algebra.nodes.canonical import Exchange, canonical, least
from einsdiff.algebra.nodes.interning import Node, symbol, symmetry, variable
from einsdiff.algebra.nodes.nodes import einsum, partial, related

S = variable("S", (3, 3), symmetric=True)
A = variable("A", (3, 3))
z, w = variable("z", (2,)), variable("w", (2, 2))
t = variable("t", (2, 2), symmetric=True)
y = variable("y", (2,), of=[z, w, t])


def _members(orders: tuple[Exchange, ...], rank: int) -> list[list[int]]:
    """List every order of the axes that exchanges make."""
    found = [list(range(rank))]
    for blocks, inside in orders:
        ways = []
        for chosen in permutations(blocks):
            insides = [permutations(block) if inside else [block] for block in chosen]
            ways += [list(zip(blocks, turned, strict=True)) for turned in product(*insides)]
        found = [
            [dict(_pairs(way)).get(axis, old) for axis, old in enumerate(order)]
            for order in found
            for way in ways
        ]
    return found


def _pairs(way):
    return [(to, at) for target, source in way for to, at in zip(target, source, strict=True)]


def _symbols() -> list[Node]:
    return [
        symbol(y, (z, z)),
        symbol(y, (z, z, z, z)),
        symbol(y, (w, w)),
        symbol(y, (t, t, z)),
        symbol(variable("g", (2, 2), symmetric=True, of=[z]), (z, z)),
        related((3, 3, 3, 4), (1, 1, -2, -1), 0).operands[0],
    ]


@pytest.mark.parametrize("node", _symbols(), ids=repr)
def test_the_least_arrangement_is_the_least_of_all_orders(node):
    orders = symmetry(node)
    members = _members(orders, len(node.shape))
    rng = random.Random(3)
    for _ in range(30):
        values = [rng.randrange(4) for _ in node.shape]
        every = [tuple(values[axis] for axis in order) for order in members]
        assert least(values, orders) == min(every)


@settings(max_examples=200, deadline=None)
@given(st.data(), st.randoms(use_true_random=False))
def test_products_of_symbols_are_recognised_in_any_order_of_their_axes(data, rng):
    pool = [node for node in _symbols() if set(node.shape) == {2}] + [z, w, t]
    operands = data.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3))
    subscripts = [[data.draw(st.integers(0, 6)) for _ in node.shape] for node in operands]
    used = sorted({label for labels in subscripts for label in labels})
    output = data.draw(st.lists(st.sampled_from(used), max_size=3, unique=True))
    names = dict(zip(used, rng.sample(range(20, 40), len(used)), strict=True))
    renamed = []
    for node, labels in zip(operands, subscripts, strict=True):
        orders = symmetry(node)
        if orders is True:
            orders = (Exchange((tuple(range(len(node.shape))),), inside=True),)
        order = rng.choice(_members(orders or (), len(node.shape)))
        renamed.append([names[labels[axis]] for axis in order])
    places = rng.sample(range(len(operands)), len(operands))
    again = einsum(
        [operands[k] for k in places],
        [renamed[k] for k in places],
        [names[label] for label in output],
    )
    assert again is einsum(operands, subscripts, output)


def test_a_derivative_of_high_order_has_blocks_and_not_all_their_orders():
    orders = symmetry(symbol(y, (z,) * 12))
    assert [len(exchange.blocks) for exchange in orders] == [1, 12]
    high: Node = y
    for _ in range(30):
        high = partial(high, z)
    labels = list(range(31))
    turned = [0, *random.Random(0).sample(labels[1:], 30)]
    assert einsum([high, high], [labels, labels], "") is einsum(
        [high, high], [turned, [0, *reversed(turned[1:])]], ""
    )


# --- large networks ---------------------------------------------------------------------------

PETERSEN = [
    edge for k in range(5) for edge in [(k, (k + 1) % 5), (k, k + 5), (5 + k, 5 + (k + 2) % 5)]
]
ROOK = [
    (4 * a + b, 4 * c + d)
    for a, b, c, d in product(range(4), repeat=4)
    if (a, b) < (c, d) and (a == c) != (b == d)
]
NETWORKS = {
    "chain": [(k, k + 1) for k in range(300)],
    "ring": [(k, (k + 1) % 300) for k in range(300)],
    "star": [(0, k) for k in range(1, 300)],
    "cube": [(i, i ^ bit) for i in range(16) for bit in (1, 2, 4, 8) if i < i ^ bit],
    "cocktail": [(i, j) for i in range(12) for j in range(i) if i // 2 != j // 2],
    "bipartite": [(i, 5 + j) for i in range(5) for j in range(5)],
    "four petersens": [(a + 10 * k, b + 10 * k) for k in range(4) for a, b in PETERSEN],
    "rook": ROOK,
    "paley": [(i, j) for i in range(29) for j in range(i) if pow(i - j, 14, 29) == 1],
}


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_large_networks_of_one_tensor_are_recognised(name, symmetric):
    rng = random.Random(1)
    edges = NETWORKS[name]
    operands = [S if symmetric else A] * len(edges)
    expected = einsum(operands, edges, "")
    count = 1 + max(max(edge) for edge in edges)
    for _ in range(2):
        names = rng.sample(range(count), count)
        shuffled = [[names[i], names[j]] for i, j in edges]
        if symmetric:
            shuffled = [rng.sample(edge, 2) for edge in shuffled]
        assert einsum(operands, rng.sample(shuffled, len(shuffled)), "") is expected
    assert einsum(operands, expected.subscripts, "") is expected


def _views(monkeypatch, edges, orders) -> int:
    """Count the surroundings of labels that are looked at to order a network."""
    made = []
    monkeypatch.setattr(
        search, "_Search", lambda *args, of=search._Search: made.append(of(*args)) or made[-1]
    )
    labels = {label for edge in edges for label in edge}
    canonical([b"x"] * len(edges), edges, (), dict.fromkeys(labels, 3), [orders] * len(edges))
    (one,) = made
    return one.views


@pytest.mark.parametrize("name", ["chain", "ring", "star"])
@pytest.mark.parametrize("symmetric", [True, False])
def test_the_search_is_linear_in_the_length_of_a_chain(monkeypatch, name, symmetric):
    edges = NETWORKS[name]
    assert _views(monkeypatch, edges, symmetric) <= 20 * len(edges)


def test_the_search_has_a_budget_and_is_right_beyond_it(monkeypatch):
    # Strongly regular graphs are what refinement sees least in.
    expected = sorted(sorted(edge) for edge in ROOK)
    monkeypatch.setattr(search, "MOST_VIEWS", 0)
    views = _views(monkeypatch, ROOK, True)
    assert views <= 300
    form = canonical([b"x"] * len(ROOK), ROOK, (), dict.fromkeys(range(16), 3), [True] * len(ROOK))
    back = {number: label for label, number in form.number.items()}
    found = sorted(sorted(back[n] for n in labels) for labels in form.subscripts)
    assert found == expected
    again = canonical([b"x"] * len(ROOK), ROOK, (), dict.fromkeys(range(16), 3), [True] * len(ROOK))
    assert again == form
