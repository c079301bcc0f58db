"""Large networks: the contraction's tree gives all derivatives, within the room there is."""

from __future__ import annotations

import random

import numpy as np
import opt_einsum as oe
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.numeric.orders.networks import annealed, cuts, hung, lightest, network_of, tree_of
from einsdiff.numeric.orders.paths import find_order, find_path, find_slices
from einsdiff.numeric.orders.slices import NETWORK
from tests import networks
from tests.networks import Net, grid, mixed, regular, tree

NETS = {
    "tree of 100": tree(100, 4),
    "grid of 8 x 8": grid(8, 8),
    "strip of 4 x 25": grid(4, 25, 3),
    "ring of 120": networks.of_bonds(120, [(k, (k + 1) % 120) for k in range(120)], 3),
    "regular network of 60": regular(60),
    "network of 40 with hyperedges": mixed(40, axes=0),
}


def multiplications(net: Net, path) -> float:
    """Count what opt_einsum counts: one for each index of all that is multiplied."""
    left = [frozenset(labels) for labels in net.tensors]
    total = 0.0
    for chosen in path:
        group = [left.pop(k) for k in sorted(chosen, reverse=True)]
        union = frozenset().union(*group)
        total += np.prod([float(net.sizes[n]) for n in union])
        left.append(union & frozenset(net.output).union(*left))
    assert len(left) == 1
    return total


def without(net: Net, k: int) -> Net:
    """Return the network of the derivative by a tensor."""
    rest = (*net.tensors[:k], *net.tensors[k + 1 :])
    return Net(rest, tuple(net.tensors[k]), net.sizes)


def order(net: Net):
    sizes = tuple(net.sizes[n] for n in range(len(net.sizes)))
    carried = [n for labels in net.tensors for n in labels] + list(net.output)
    left = tuple(tuple(n for n in labels if carried.count(n) > 1) for labels in net.tensors)
    return left, net.output, sizes


# --- structure --------------------------------------------------------------------------------


def shuffled(net: Net, rng) -> tuple[list[tuple[int, ...]], dict[int, int]]:
    new = rng.permutation(len(net.sizes))
    tensors = [tuple(int(new[n]) for n in rng.permutation(labels)) for labels in net.tensors]
    order = rng.permutation(len(tensors))
    return [tensors[k] for k in order], {int(new[n]): size for n, size in net.sizes.items()}


@pytest.mark.parametrize("name", NETS)
def test_a_network_is_recognised_however_it_is_written(name):
    net = NETS[name]
    rng = np.random.default_rng(1)
    key = network_of(net.tensors, net.sizes).key
    for _ in range(4):
        tensors, sizes = shuffled(net, rng)
        assert network_of(tensors, sizes).key == key


def test_other_networks_have_other_keys():
    keys = {network_of(net.tensors, net.sizes).key for net in NETS.values()}
    assert len(keys) == len(NETS)
    assert network_of(*grid(8, 8, 3)[::2]).key not in keys
    # Two triangles and a ring of six look alike from every tensor.
    rings = [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)]
    ring = [(k, (k + 1) % 6) for k in range(6)]
    nets = [networks.of_bonds(6, bonds) for bonds in (rings, ring)]
    assert network_of(*nets[0][::2]).key != network_of(*nets[1][::2]).key


@settings(max_examples=100, deadline=None)
@given(st.integers(3, 12), st.randoms(use_true_random=False))
def test_places_say_where_tensors_are_in_the_key(count, chance):
    bonds = [tuple(chance.sample(range(count), chance.randint(1, min(3, count)))) for _ in range(9)]
    net = networks.of_bonds(count, bonds)
    net = net._replace(sizes={n: chance.randint(1, 3) for n in net.sizes})
    found = network_of(net.tensors, net.sizes)
    assert sorted(found.place) == list(range(count))
    for label, (size, places) in zip(found.labels, found.key, strict=True):
        assert size == net.sizes[label]
        carried = [k for k, labels in enumerate(net.tensors) if label in labels]
        assert sorted(found.place[k] for k in carried) == list(places)


# --- trees ------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.integers(3, 9), st.randoms(use_true_random=False))
def test_a_tree_costs_the_same_from_every_end(count, chance):
    bonds = [tuple(chance.sample(range(count), 2)) for _ in range(2 * count)]
    net = networks.of_bonds(count, bonds)._replace(
        sizes={n: chance.randint(2, 5) for n in range(2 * count)}
    )
    left, path = count, []
    while left > 1:
        path.append(tuple(sorted(chance.sample(range(left), 2))))
        left -= 1
    found = tree_of(path, count)
    costs = [multiplications(without(net, k), hung(found, k)) for k in range(count)]
    assert costs == pytest.approx([costs[0]] * count)
    branch = lightest(found, net.tensors, [net.sizes[n] for n in range(2 * count)])
    size = np.prod([float(net.sizes[n]) for n in cuts(found, net.tensors)[branch]])
    assert multiplications(net, hung(found, *branch)) == pytest.approx(costs[0] + size)
    assert multiplications(net, path) >= costs[0] + size


def test_a_step_may_multiply_more_than_two():
    found = tree_of([(0, 1, 2), (0, 1)], 4)
    assert hung(found, 3) == ((0, 1, 2),)
    assert hung(found, 0) == ((0, 1, 2),)


@pytest.mark.parametrize("name", ["strip of 4 x 25", "regular network of 60"])
def test_annealing_makes_a_network_cheaper(name):
    net = NETS[name]
    sizes = [net.sizes[n] for n in range(len(net.sizes))]
    path = oe.paths.greedy(list(map(frozenset, net.tensors)), frozenset(), net.sizes)
    start = tree_of(path, len(net.tensors))
    found = annealed(start, net.tensors, sizes, 80)
    costs = [
        multiplications(net, hung(t, *lightest(t, net.tensors, sizes))) for t in (start, found)
    ]
    assert costs[1] < 0.9 * costs[0]
    assert found == annealed(start, net.tensors, sizes, 80)


# --- derivatives ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_the_environment_of_a_tensor_costs_what_the_contraction_does(name):
    net = NETS[name]
    whole = multiplications(net, find_order(*order(net)))
    for k in range(0, len(net.tensors), 9):
        assert multiplications(without(net, k), find_order(*order(without(net, k)))) <= whole


@pytest.mark.parametrize("name", NETS)
def test_a_network_and_its_derivatives_are_what_opt_einsum_finds(name):
    net = NETS[name]
    arrays = net.arrays()
    f = ed.einsum(net.text, *arrays)
    value = oe.contract(net.text, *arrays, optimize="greedy")
    np.testing.assert_allclose(f.dense(), value, rtol=1e-9)
    report = f.compile().report()
    for k in (0, len(arrays) // 2, len(arrays) - 1):
        derivative = ed.grad(f, wrt=f.names[k])
        compiled = derivative.compile()
        assert compiled.report().flops <= 1.25 * report.flops
        rest = without(net, k)
        others = [*arrays[:k], *arrays[k + 1 :]]
        expected = oe.contract(rest.text, *others, optimize="greedy")
        np.testing.assert_allclose(compiled(), expected, rtol=1e-8, atol=1e-10 * abs(value))
        # f is linear in each tensor.
        np.testing.assert_allclose(np.sum(compiled() * arrays[k]), value, rtol=1e-9)


@pytest.mark.parametrize("name", ["tree of 100", "grid of 8 x 8", "ring of 120"])
def test_all_environments_together_cost_three_contractions(name):
    net = NETS[name]
    arrays = net.arrays()
    f = ed.einsum(net.text, *arrays)
    compiled = ed.compile(ed.value_and_grad(f, wrt=f.names))
    assert compiled.report().flops <= 3.1 * f.compile().report().flops
    value, gradients = compiled()
    for array, gradient in zip(arrays, gradients, strict=True):
        np.testing.assert_allclose(np.sum(array * gradient), value, rtol=1e-9)


def test_a_network_with_axes_and_one_tensor_many_times():
    net = mixed(30)
    arrays = net.arrays()
    shapes = [array.shape for array in arrays]
    alike = [k for k, shape in enumerate(shapes) if shapes.count(shape) > 1]
    first = next(k for k in alike if shapes.count(shapes[k]) > 2)
    alike = [k for k in alike if shapes[k] == shapes[first]]
    for k in alike:
        arrays[k] = arrays[first]
    operands = [
        ed.tensor(f"T{first if k in alike else k}", array) for k, array in enumerate(arrays)
    ]
    f = ed.einsum(net.text, *operands)
    np.testing.assert_allclose(f.dense(), oe.contract(net.text, *arrays), rtol=1e-9)
    seed = np.random.default_rng(2).normal(size=f.shape)
    u = ed.tensor("u", seed)
    g = ed.einsum("ij,ij->", u, f)
    gradient = ed.grad(g, wrt=f"T{first}").dense()
    step = 1e-6
    direction = np.random.default_rng(3).normal(size=gradient.shape)
    ends = []
    for sign in (1, -1):
        moved = [a + sign * step * direction if k in alike else a for k, a in enumerate(arrays)]
        ends.append(np.sum(seed * oe.contract(net.text, *moved)))
    slope = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-5)


def test_five_hundred_tensors():
    net = tree(500, 3)
    arrays = net.arrays()
    f = ed.einsum(net.text, *arrays)
    gradient = ed.grad(f, wrt=f.names[250]).compile()
    assert gradient.report().flops <= 1.25 * f.compile().report().flops
    np.testing.assert_allclose(np.sum(gradient() * arrays[250]), f.dense(), rtol=1e-8)


def test_labels_as_opt_einsum_writes_them():
    net = tree(150)
    text = net.text
    for n in range(len(net.sizes)):
        text = text.replace(networks.letter(n), oe.get_symbol(n))
    arrays = net.arrays()
    assert "×" in text
    np.testing.assert_allclose(
        ed.einsum(text, *arrays).dense(), ed.einsum(net.text, *arrays).dense()
    )


def test_the_search_leaves_random_numbers_alone():
    find_path.cache_clear()
    random.seed(5)
    expected = random.random()
    random.seed(5)
    net = regular(60, seed=4)
    find_order(*order(net))
    ring = tuple((k, (k + 1) % 10) for k in range(10))
    find_path(ring, (), (60,) * 10)
    assert random.random() == expected


# --- memory -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "part"), [("grid of 8 x 8", 6), ("regular network of 60", 12)])
def test_within_a_limit_a_network_is_computed_in_slices(name, part):
    net = NETS[name]
    arrays = net.arrays()
    f = ed.einsum(net.text, *arrays)
    value = f.dense()
    derivative = ed.grad(f, wrt=f.names[5])
    expected = derivative.dense()
    flops = []
    for t, result in ((f, value), (derivative, expected)):
        limit = t.compile().report().peak // part
        compiled = t.compile(memory_limit=limit)
        report = compiled.report()
        assert report.peak <= limit
        assert any(step.op == "slices" for step in report.steps)
        flops.append(report.flops)
        np.testing.assert_allclose(compiled(), result, rtol=1e-9, atol=1e-12 * abs(value))
        out = np.full(t.shape, 7.0)
        np.testing.assert_allclose(compiled(out=out), result, rtol=1e-9, atol=1e-12 * abs(value))
        assert compiled(out=out) is out


@pytest.mark.parametrize("seed", range(6))
def test_what_fits_in_slices_is_found_however_operands_are_called(seed):
    net = grid(5, 5)
    names = np.random.default_rng(seed).permutation(1000)
    operands = [ed.tensor(f"T{n}", array) for n, array in zip(names, net.arrays(), strict=False)]
    f = ed.einsum(net.text, *operands)
    compiled = f.compile(memory_limit=400)
    np.testing.assert_allclose(compiled(), f.dense(), rtol=1e-10)


def test_slices_of_the_result_are_put_where_they_belong():
    # Of (A B C)_il, which has to be kept, and of X Y Z with it, which have not.
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(30, 30)) for _ in range(6)]
    f = ed.einsum("ij,jk,kl,lm,mn,no->iojm", *arrays)
    limit = 8 * (30**4 + 3 * 30**3)
    compiled = f.compile(memory_limit=limit)
    assert compiled.report().peak <= limit
    np.testing.assert_allclose(compiled(), f.dense(), rtol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "complex128", "int64"])
def test_slices_have_the_dtype_of_the_operands(dtype):
    net = grid(5, 5)
    rng = np.random.default_rng(0)
    arrays = [rng.integers(-2, 3, [2] * len(labels)).astype(dtype) for labels in net.tensors]
    f = ed.einsum(net.text, *arrays)
    compiled = f.compile(memory_limit=40 * arrays[0].itemsize)
    assert any(step.op == "slices" for step in compiled.report().steps)
    assert compiled().dtype == dtype
    np.testing.assert_allclose(compiled(), f.dense(), rtol=1e-5)


def test_what_no_slices_make_small_enough_is_refused():
    net = grid(8, 8)
    f = ed.einsum(net.text, *net.arrays())
    with pytest.raises(ed.SizeError, match="the limit is 64 bytes"):
        f.dense(memory_limit=64)


def test_slices_are_written_as_a_loop():
    net = grid(5, 5)
    compiled = ed.einsum(net.text, *net.arrays()).compile(memory_limit=400)
    assert "for n0" in compiled.source
    assert "in np.ndindex(2" in compiled.source
    step = next(step for step in compiled.report().steps if step.op == "slices")
    assert step.detail.is_sum
    assert compiled.report().flops >= step.detail.count


def test_only_as_many_labels_are_sliced_as_need_be():
    ring = tuple((k, (k + 1) % 20) for k in range(20))
    assert len(ring) > NETWORK
    sizes = (10,) * 20
    assert find_slices(ring, (), sizes, room=10**4)[1] == frozenset()
    path, sliced = find_slices(ring, (), sizes, room=50)
    assert len(sliced) == 1
    assert len(path) == len(ring) - 1
