"""Reports: operations, bytes and memory of programs, against counting and against tracemalloc."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings

import einsdiff as ed
from einsdiff.algebra.nodes.function_records import lookup
from einsdiff.algebra.nodes.interning import variable
from einsdiff.algebra.nodes.nodes import add, call, einsum
from einsdiff.numeric.planning.operations import Instruction
from einsdiff.numeric.planning.plan import plan
from einsdiff.numeric.planning.report import Cost, costs, mode_of
from einsdiff.numeric.planning.steps import Handle, Steps
from tests.numeric.planning.test_fusing import graphs
from tests.numeric.running.test_program import peak_bytes

A, B, C = (variable(name, (30, 30)) for name in "ABC")
x, y = variable("x", (30,)), variable("y", (30,))
X, w = variable("X", (2000, 20)), variable("w", (2000,))


def flops(*outputs):
    return plan(outputs, {}).report().flops


# --- operations -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (einsum([A, x], ["ij", "j"], "i"), 2 * 30**2),
        (einsum([A, B], ["ij", "jk"], "ik"), 2 * 30**3),
        (einsum([A, B, x], ["ij", "jk", "k"], "i"), 4 * 30**2),
        (einsum([x, y], ["i", "i"], ""), 2 * 30),
        (einsum([x, y], ["i", "j"], "ij"), 30**2),
        (einsum([A, B], ["ij", "ij"], "ij"), 30**2),
        (einsum([A, B], ["ij", "ij"], "i"), 2 * 30**2),
        (einsum([A], ["ij"], "i"), 30**2),
        (einsum([A], ["ij"], "ji"), 0),
        (einsum([A], ["ii"], "i"), 0),
        (einsum([x], ["i"], "ii"), 0),
        (einsum([A, x], ["ij", "i"], "iij"), 30**2),
        (add([(1, A), (1, B)]), 30**2),
        (add([(1, A), (2, B), (-1, C)]), 3 * 30**2),
        (add([(1, einsum([x], ["i"], "ii")), (1, einsum([y], ["i"], "ii"))]), 30),
        (call(lookup("tanh"), [A]), 30**2),
        (call(lookup("inv"), [A]), 30**3),
        (einsum([X, w, X], ["ki", "k", "kj"], "ij"), 2000 * 20**2 + 2 * 2000 * 20),
    ],
)
def test_operations_of_known_expressions(node, expected):
    assert flops(node) == expected


def test_what_is_shared_is_counted_once():
    product = einsum([A, B], ["ij", "jk"], "ik")
    total = einsum([product], ["ik"], "i")
    assert flops(product, product) == flops(product)
    assert flops(product, total) == flops(product) + 30**2


def test_bytes_are_what_is_read_and_written():
    report = plan([einsum([A, x], ["ij", "j"], "i")], {}).report()
    assert report.bytes == 8 * (30**2 + 30 + 30)
    assert plan([einsum([A, x], ["ij", "j"], "i")], {}).report(4).bytes == report.bytes // 2


def test_views_cost_nothing():
    steps = Steps()
    M = Handle("M", (4, 6), True)
    turned = steps.transpose(M, (1, 0))
    flat = steps.reshape(M, (24,))
    found = costs(steps.instructions, [turned.name, flat.name], {"M": (4, 6)})
    assert found == [Cost(0, 0, 0), Cost(0, 0, 0)]


def test_a_reshape_that_copies_costs_what_it_copies():
    steps = Steps()
    turned = steps.transpose(Handle("M", (4, 6), True), (1, 0))
    flat = steps.reshape(turned, (24,))
    found = costs(steps.instructions, [flat.name], {"M": (4, 6)})
    assert found[1] == Cost(0, 48, 24)


# --- memory -----------------------------------------------------------------------------------


def test_memory_is_what_is_alive_at_one_time():
    steps = Steps()
    u, v = (Handle(name, (10,), True) for name in "uv")
    one = steps.emit("multiply", [u, v], (10, 10))
    two = steps.emit("sum", [one], (10,), (0,))
    three = steps.emit("multiply", [two, v], (10, 10))
    given = {"u": (10,), "v": (10,)}
    found = costs(steps.instructions, [three.name], given)
    assert [cost.alive for cost in found] == [100, 110, 110]
    found = costs(steps.instructions, [three.name, one.name], given)
    assert [cost.alive for cost in found] == [100, 110, 210]


def test_what_is_written_into_another_array_needs_no_memory():
    written = [
        Instruction("negative", "t0", ("u",), None, (10,)),
        Instruction("negative", "t1", ("t0",), None, (10,), into="t0"),
        Instruction("zeros", "t2", (), None, (10, 10)),
        Instruction("diagonal", "t3", ("t2",), "ii->i", (10,)),
        Instruction("assign", "t3", ("t3", "t1"), None, (10,)),
    ]
    found = costs(written, ["t2"], {"u": (10,)})
    assert [cost.alive for cost in found] == [10, 10, 110, 110, 110]


def test_operands_are_not_counted():
    assert plan([einsum([A, x], ["ij", "j"], "i")], {}).peak == 30


rng = np.random.default_rng(0)
M, N, P = rng.normal(size=(3, 60, 60))
S = M @ M.T + 60 * np.eye(60)
v = rng.normal(size=60)
R = rng.normal(size=(60, 40))
D = rng.normal(size=(4000, 40))
d = rng.normal(size=4000)
L = rng.normal(size=(400, 500))
Q, K, V = rng.normal(size=(3, 40, 10))
T = rng.normal(size=(16, 8, 60, 5))


def attention(Q, K, V):
    s = np.exp(np.einsum("iq,kq->ik", Q, K))
    return np.einsum("ik,kj->ij", s / s.sum(axis=1, keepdims=True), V)


MEASURED = {
    "one delta": lambda: ed.grad("ij,j->i", M, v, wrt=0),
    "two deltas": lambda: ed.grad("mp,mq->pq", R, R, wrt=0),
    "diagonal": lambda: ed.grad("f_ij = sin(M_ij) exp(N_ij)", M=M[:30], N=N[:30], wrt="M"),
    "weights of both signs": lambda: ed.einsum("ki,k,kj->ij", D, d, D),
    "positive weights": lambda: ed.einsum("ki,k,kj->ij", D, d**2, D),
    "negative weights": lambda: ed.einsum("ki,k,kj->ij", D, -(d**2), D),
    "pairs": lambda: ed.einsum("ki,kj,km->ijm", D, D, D[:, :7]),
    "logistic Hessian": lambda: ed.hessian(
        lambda D, t: np.log(1 + np.exp(D @ t)).sum(), D, v[:40], wrt=1
    ),
    "attention by keys": lambda: ed.grad(attention, Q, K, V, wrt=1),
    "attention by queries": lambda: ed.grad(attention, Q, K, V, wrt=0),
    "network": lambda: ed.hessian(
        ed.parse("f = u_i W_ij tanh(V_jk x_k)", u=np.ones(5), W=R[:5], V=R.T[:40, :20], x=v[:20]),
        wrt="V",
    ),
    "products": lambda: ed.grad(lambda M, N, P: np.tanh(M @ N) @ P, M, N[:, :30], P[:30], wrt=1),
    "stacks": lambda: ed.einsum(
        "bhqk,hqk->b", np.exp(ed.einsum("hbqd,hbkd->bhqk", T, T + 0)), np.ones((16, 60, 60))
    ),
    "inverse": lambda: ed.grad("inv(M)_ij", M=S[:25, :25], wrt="M"),
    "logdet": lambda: ed.hessian("logdet(S)", S=S[:25, :25], wrt="S"),
    "solve": lambda: ed.grad("solve(A, b)_i", A=S, b=v, wrt="A"),
    "entry by entry": lambda: ed.parse("f_ij = sin(a_ij) exp(b_ij) + tanh(c_ij)", a=L, b=L, c=L),
    "turned": lambda: ed.parse("f_ij = sin(a_ji) exp(b_ij) + tanh(a_ij)", a=M[:60], b=N),
    "sigmoid": lambda: ed.parse("f_ij = sigmoid(L_ij)", L=L),
    "softplus": lambda: ed.parse("f_ij = softplus(L_ij)", L=L),
    "gelu": lambda: ed.parse("f_ij = gelu(L_ij)", L=L),
    "softmax": lambda: ed.grad("f_i = softmax(x)_i", x=L[0], wrt="x"),
    "logsumexp": lambda: ed.parse("logsumexp(L)", L=L),
    "prod": lambda: ed.grad("prod(x)", x=L.ravel(), wrt="x"),
    "comparison": lambda: ed.grad("f = relu(L_ij) o_ij", L=L, o=L, wrt="L"),
    "triangle": lambda: np.tril(ed.tensor("M", L)) * 2,
    "kron": lambda: np.kron(ed.tensor("M", M[:20, :20]), ed.tensor("N", N[:20, :20])),
    "slices": lambda: ed.tensor("L", L)[1:] * 2 + ed.tensor("L", L)[:-1],
    "whole numbers": lambda: ed.grad("mp,mq->pq", *(R.astype("i4"),) * 2, wrt=0),
    "single": lambda: ed.hessian("x_i M_ij x_j x_j", M=M.astype("f4"), x=v.astype("f4"), wrt="x"),
}
#: NumPy's own buffers, of 8192 entries for each of three operands.
BUFFERS = 3 * 8192 * 8 + 8192


@pytest.mark.parametrize("name", MEASURED)
def test_the_memory_that_is_planned_is_what_a_run_allocates(name):
    f = MEASURED[name]().compile()
    peak, _ = peak_bytes(f)
    planned = f.report().peak
    assert peak <= planned + BUFFERS
    assert planned <= 2 * peak


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_costs_of_random_programs_are_consistent(graph):
    made = plan(graph.outputs, {})
    found = made.costs
    assert len(found) == len(made.instructions)
    assert all(cost.flops >= 0 and cost.entries >= 0 and cost.alive >= 0 for cost in found)
    report = made.report(graph.dtype.itemsize)
    assert report.flops == sum(cost.flops for cost in found)
    assert report.peak == graph.dtype.itemsize * made.peak
    results = sum(int(np.prod(shape)) for shape in made.shapes if shape)
    assert made.peak >= results
    assert len(str(report).splitlines()) <= len(made.instructions) + 2


# --- as text ----------------------------------------------------------------------------------


def test_a_report_is_a_table():
    lines = str(plan([einsum([A, B, x], ["ij", "jk", "k"], "i")], {}).report()).splitlines()
    assert lines[0].split() == ["step", "operation", "shape", "flops", "bytes", "memory"]
    assert [line.split()[0] for line in lines[1:-1]] == ["2", "3"]
    assert "dot" in lines[1]
    assert "(30,)" in lines[1]
    assert "1,800" in lines[1]
    assert lines[-1].startswith("total 3,600 operations, 15 KiB moved, at most 480 bytes")
    starts = [line.index("(30,)") for line in lines[1:-1]]
    assert all(a == b for a, b in pairwise(starts))


def test_a_table_says_what_is_written_where():
    text = str(plan([add([(2, einsum([A, B], ["ij", "jk"], "ik")), (1, A)])], {}).report())
    assert "into" in text
    text = str(plan([einsum([A, B], ["ij", "ij"], "i")], {}).report())
    assert "einsum(" in text


def test_a_report_of_nothing_is_a_table_too():
    report = plan([einsum([A], ["ij"], "ij")], {}).report()
    assert report.flops == 0
    assert str(report).splitlines()[0].startswith("step")
    assert repr(report) == str(report)


def test_long_lines_are_cut():
    names = [variable("a" * 40 + str(k), (3,)) for k in range(2)]
    text = str(plan([einsum(names, ["i", "i"], "i")], {}).report())
    assert "…" in text
    assert max(map(len, text.splitlines())) < 110


# --- modes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "mode"),
    [
        ((2, 50, 50, 50), "reverse"),
        ((50, 50, 50, 2), "forward"),
        ((50, 50, 2, 50), "reverse"),
        ((50, 2, 50, 50), "forward"),
    ],
)
def test_the_mode_is_told_by_the_order_of_the_products(sizes, mode):
    chain = [variable(f"J{k}", pair) for k, pair in enumerate(pairwise(sizes))]
    node = einsum(chain, ["ij", "jk", "kl"], "il")
    assert mode_of(node, 1, {}) == mode


def test_the_gradient_of_a_number_is_found_backwards():
    assert mode_of(einsum([A, x], ["ij", "j"], "i"), 1, {}) == "reverse"


def test_there_is_no_mode_where_there_is_no_choice():
    assert mode_of(A, 1, {}) == ""
    assert mode_of(einsum([x], ["j"], "iij", {"i": 30}), 2, {}) == ""


# --- conversions ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float32, bool])
@pytest.mark.parametrize("text", ["A_ij x_j", "exp(A_ij) x_j", "A_ij A_jk x_k + x_i"])
def test_operands_that_are_converted_are_counted(text, dtype):
    given = {"A": np.ones((300, 300), dtype), "x": np.linspace(0, 1, 300)}
    compiled = ed.parse(text, **given).compile()
    peak, _ = peak_bytes(lambda: compiled(**given))
    promised = compiled.report().peak
    assert 0.8 * promised <= peak <= 1.1 * promised + 20_000
    assert "703 KiB by conversions" in str(compiled.report())
    limited = ed.parse(text, **given).compile(memory_limit=8 * 300**2)
    with pytest.raises(ed.SizeError, match="with operands converted, and the limit is 703 KiB"):
        limited(**given)
