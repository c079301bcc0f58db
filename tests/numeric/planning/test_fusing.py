"""Programs that compute in place: random expressions against their definition, and what is reused.

An expression is drawn as a graph of sums, products, deltas, relations and functions in which parts
occur again and again, and is computed once by its definition and once by its program: alone and
with others, into new arrays, into strided ones, and into what an earlier call left.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations
from math import prod

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import einsdiff as ed
from einsdiff.algebra.nodes.function_records import Function, lookup
from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import (
    Add,
    Call,
    Constant,
    Delta,
    Variable,
    constant,
    variable,
)
from einsdiff.algebra.nodes.nodes import add, call, einsum, related
from einsdiff.expressions.combining import combined
from einsdiff.numeric.planning.fusing import bases, fused, last_uses
from einsdiff.numeric.planning.operations import Instruction, is_entrywise
from einsdiff.numeric.planning.plan import plan
from einsdiff.numeric.planning.steps import Handle, Steps
from einsdiff.numeric.running.program import program_for
from tests.oracle import random_array
from tests.strategies import awkward

# --- random expressions -----------------------------------------------------------------------

#: Functions with slopes of at most 1, so that errors do not grow. Those that jump are for whole
#: numbers, which have no errors.
WHOLE = ["relu", "abs", "sign", "floor"]
CONTINUOUS = ["relu", "abs", "tanh", "sin", "sigmoid"]
NUMPY = {
    "relu": lambda x: np.maximum(x, 0),
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "tanh": np.tanh,
    "sin": np.sin,
    "sigmoid": lambda x: (1 + np.tanh(x / 2)) / 2,
}
WHOLE_COEFFICIENTS = [1, -1, 2, -2, 3]
COEFFICIENTS = [*WHOLE_COEFFICIENTS, Fraction(1, 2), Fraction(-1, 3), 0.5, -2.25]


@dataclass
class Graph:
    """Expressions of common variables, and the variables' arrays."""

    dtype: np.dtype
    outputs: list = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def copy(self):
        return {name: np.array(array) for name, array in self.arrays.items()}


class _Drawn:
    """Draws expressions; those drawn before are drawn again."""

    def __init__(self, draw, dtype, relations):
        self.draw = draw
        self.dtype = np.dtype(dtype)
        self.sizes = {n: draw(st.sampled_from([2, 3, 2, 3, 1, 2, 0])) for n in "ijkl"}
        self.relations = relations
        self.known: dict = {}  # expressions by shape
        self.variables: list = []
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.memory = self.rng.integers(-2, 3, 200).astype(self.dtype)

    def pick(self, *values):
        return self.draw(st.sampled_from(values))

    def labels(self, most=3):
        return self.draw(st.text(st.sampled_from("ijkl"), max_size=most))

    def shape(self, labels):
        return tuple(self.sizes[n] for n in labels)

    def expression(self, labels, depth):
        """Draw an expression whose axes have these labels, maybe some of them repeated."""
        shape = self.shape(labels)
        known = self.known.setdefault(shape, [])
        if known and self.pick(*([True, False] if depth else [True, True, False])):
            return self.pick(*known)
        kinds = ["product", "product", "sum", "sum", "function"] if depth else ["variable"]
        node = getattr(self, self.pick(*kinds))(labels, depth)
        assert node.shape == shape
        known.append(node)
        return node

    def variable(self, labels, depth):
        if not labels and self.pick(True, False):
            return constant(self.pick(2, -3, *([] if self.dtype.kind == "i" else [0.5])))
        node = variable(f"x{len(self.variables)}", self.shape(labels))
        self.variables.append(node)
        return node

    def sum(self, labels, depth):
        allowed = WHOLE_COEFFICIENTS if self.dtype.kind == "i" else COEFFICIENTS
        terms = [
            (self.pick(*allowed), self.expression(labels, depth - 1))
            for _ in range(self.pick(2, 3, 1, 4))
        ]
        return add(terms, self.shape(labels))

    def function(self, labels, depth):
        kind = self.dtype.kind
        names = WHOLE if kind == "i" else CONTINUOUS if kind == "f" else ["sin"]
        arg = self.expression(labels, depth - 1)
        # A complex sine grows as the exponential does, so it is taken of small numbers only.
        if kind == "c":
            return add([(0.5, arg), (2, arg)], arg.shape)
        return call(lookup(self.pick(*names)), [arg])

    def product(self, labels, depth):
        """Draw a product whose output has these labels under other names, some of them tied."""
        operands, subscripts = [], []
        for _ in range(self.pick(1, 2, 2, 3, 0)):
            own = self.labels()
            operands.append(self.expression(own, depth - 1))
            subscripts.append(own)
        names = {}
        if self.relations and self.pick(True, False, False):
            # An index of its own, tied to one or two others.
            tied = "".join(self.draw(st.permutations("ijkl")))[: self.pick(1, 2)]
            size = self.pick(1, 2, 3, 4, 6)
            c = [1] if len(tied) == 1 else [self.pick(1, self.sizes[tied[1]]), 1]
            if self.pick(True, False):
                c[0] = -c[0]
            offset = self.pick(0, 0, 1, -1, 2)
            operands.append(related((*self.shape(tied), size), (*c, -1), offset))
            subscripts.append(f"{tied}p")
            names["p"] = size
            if self.pick(True, False):
                operands.append(self.fixed(size, depth))
                subscripts.append("p")
        sizes = {**self.sizes, **names}
        used = set().union(*subscripts, labels)
        return einsum(operands, subscripts, labels, {n: sizes[n] for n in used})

    def fixed(self, size, depth):
        node = variable(f"x{len(self.variables)}", (size,))
        self.variables.append(node)
        return node

    def array(self, node):
        """Make an array for a variable: of any layout, or a view of the memory of others."""
        count = prod(node.shape)
        if self.pick(True, False, False):
            start = self.pick(0, 1, 5)
            view = self.memory[start : start + count].reshape(node.shape)
            return view.T if view.shape == view.shape[::-1] and self.pick(True, False) else view
        array = random_array(self.rng, node.shape, self.dtype.name)
        array = np.asarray(awkward(self.draw, array))
        if self.pick(True, False, False):
            array.flags.writeable = False
        return array


@st.composite
def graphs(draw, dtypes=("float64", "float64", "int64", "complex128", "float32"), relations=True):
    """Draw one expression or several, with arrays for their variables."""
    drawn = _Drawn(draw, draw(st.sampled_from(dtypes)), relations)
    graph = Graph(drawn.dtype)
    for _ in range(draw(st.sampled_from([1, 2, 3]))):
        depth = draw(st.sampled_from([2, 3, 1, 4, 0]))
        graph.outputs.append(drawn.expression(drawn.labels(), depth))
    wanted = draw(st.sampled_from([None, None, "again", "variable", "zero"]))
    if wanted == "again":
        graph.outputs.append(draw(st.sampled_from(graph.outputs)))
    elif wanted == "variable" and drawn.variables:
        graph.outputs.append(draw(st.sampled_from(drawn.variables)))
    elif wanted == "zero":
        graph.outputs.append(add([], drawn.shape(drawn.labels())))
    graph.arrays = {v.name: drawn.array(v) for v in drawn.variables}
    return graph


# --- by the definition ------------------------------------------------------------------------


def _einsum(node, operands):
    """Evaluate a product: NumPy sums over distinct labels, and a diagonal is written by index."""
    carried = dict.fromkeys(n for labels in node.subscripts for n in labels)
    distinct = tuple(dict.fromkeys(node.output))
    loose = prod(node.sizes[n] for n in range(len(node.sizes)) if n not in {*carried, *distinct})
    dtype = np.result_type(np.int64, *operands)
    absent = [n for n in distinct if n not in carried]
    terms = [*zip(operands, node.subscripts, strict=True)]
    terms += [(np.ones(node.sizes[n], dtype), (n,)) for n in absent]
    if not terms:
        terms = [(np.ones((), dtype), ())]
    flat = [part for array, labels in terms for part in (array, list(labels))]
    core = np.einsum(*flat, list(distinct)) * loose
    result = np.zeros(node.shape, core.dtype)
    index = np.indices([node.sizes[n] for n in distinct], sparse=True)
    at = dict(zip(distinct, index, strict=True))
    result[tuple(at[n] for n in node.output)] = core
    return result


def _relation(node):
    c, offset, is_equation = node.relation
    total = np.full(node.shape, offset)
    for k, index in enumerate(np.indices(node.shape, sparse=True)):
        total = total + c[k] * index
    return (total == 0 if is_equation else total >= 0).astype(int)


def by_definition(node, arrays):
    """Evaluate a node by its definition; return also a bound of its terms' magnitudes."""
    values, bounds = {}, {}
    for part in topological([node]):
        if isinstance(part, Variable):
            value = np.array(arrays[part.name])
            bound = np.abs(value).astype(float)
        elif isinstance(part, Constant):
            value = np.asarray(float(part.value) if part.value != int(part.value) else part.value)
            bound = np.abs(value).astype(float)
        elif isinstance(part, Delta):
            value = _relation(part)
            bound = value.astype(float)
        elif isinstance(part, Call):
            (arg,) = part.args
            value = NUMPY[part.function.name](values[arg])
            bound = bounds[arg] + 1
        elif isinstance(part, Add):
            value, bound = np.zeros(part.shape, int), np.zeros(part.shape)
            for c, term in part.terms:
                c = float(c) if isinstance(c, Fraction) else c
                value = value + c * values[term]
                bound = bound + abs(c) * bounds[term]
        else:
            value = _einsum(part, [values[operand] for operand in part.operands])
            bound = _einsum(part, [bounds[operand] for operand in part.operands])
        values[part], bounds[part] = value, bound
    return values[node], float(np.max(bounds[node], initial=1.0))


def check(found, node, arrays, dtype):
    expected, bound = by_definition(node, arrays)
    assert found.shape == expected.shape
    assert found.dtype == dtype
    if dtype.kind == "i":
        np.testing.assert_array_equal(found, expected)
    else:
        error = {"float32": 2e-5, "complex64": 2e-5}.get(dtype.name, 1e-12)
        np.testing.assert_allclose(found, expected, rtol=0, atol=error * bound)


def program(graph, outputs=None, in_cores=False):
    """Return the program and the arrays it takes."""
    made = program_for(tuple(outputs or graph.outputs), (), graph.dtype, in_cores)
    return made, [graph.arrays[v.name] for v in made.inputs]


def buffers(shape, dtype):
    """Return arrays of this shape in which nothing is zero, in several memory layouts."""
    wide = np.full((*shape, 2), 7, dtype)
    return [
        np.full(shape, 7, dtype),
        np.full(shape, 7, dtype, order="F"),
        wide[..., 1],
        np.full(shape, 7, dtype)[(*(slice(None, None, -1) for _ in shape), ...)],
    ]


# --- programs against the definition ----------------------------------------------------------


@settings(max_examples=400, deadline=None)
@given(graphs())
def test_one_expression_is_what_it_is_by_definition(graph):
    before = graph.copy()
    for node in graph.outputs:
        made, inputs = program(graph, [node])
        found = made.function(*inputs)
        check(np.asarray(found), node, before, graph.dtype)
        assert not any(np.shares_memory(found, array) for array in graph.arrays.values())
    for name, array in graph.arrays.items():
        np.testing.assert_array_equal(array, before[name])


@settings(max_examples=400, deadline=None)
@given(graphs(), st.integers(0, 3))
def test_a_result_is_written_whole_into_any_buffer_and_again(graph, layout):
    for node in graph.outputs:
        made, inputs = program(graph, [node])
        out = buffers(node.shape, graph.dtype)[layout]
        assert made.function(*inputs, out=out) is out
        check(out, node, graph.arrays, graph.dtype)
        other = {name: -array for name, array in graph.arrays.items()}
        options = {"clear": False} if made.plan.pattern is not None else {}
        again = made.function(*(other[v.name] for v in made.inputs), out=out, **options)
        assert again is out
        check(out, node, other, graph.dtype)


@settings(max_examples=400, deadline=None)
@given(graphs())
def test_expressions_computed_together_are_what_they_are_alone(graph):
    before = graph.copy()
    made, inputs = program(graph)
    results = made.function(*inputs)
    results = results if len(graph.outputs) > 1 else [results]
    for found, node in zip(results, graph.outputs, strict=True):
        check(found, node, before, graph.dtype)
        assert not any(np.shares_memory(found, array) for array in graph.arrays.values())
    assert not any(np.shares_memory(a, b) for a, b in combinations(results, 2))
    for name, array in graph.arrays.items():
        np.testing.assert_array_equal(array, before[name])


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_only_entries_of_the_pattern_can_be_other_than_zero(graph):
    for node in graph.outputs:
        made, inputs = program(graph, [node])
        if made.plan.pattern is None or 0 in node.shape:
            continue
        inside = np.zeros(node.shape, bool)
        for offset, shape, strides in made.plan.pattern:
            np.ndarray(shape, bool, inside, offset, strides)[...] = True
        found = made.function(*inputs)
        np.testing.assert_array_equal(found[~inside], 0)


def as_tensors(graph):
    """Return the expressions of a graph as tensors, with their arrays."""
    named = [ed.tensor(name, array) for name, array in graph.arrays.items()]
    named.append(ed.tensor("unused", np.ones(1, graph.dtype)))
    return [combined(node, "ijklmn"[: len(node.shape)], named) for node in graph.outputs]


@settings(max_examples=100, deadline=None)
@given(graphs(), st.integers(0, 40))
def test_within_any_limit_of_memory_the_values_are_the_same(graph, limit):
    made = program_for(tuple(graph.outputs), (), graph.dtype, False, limit)
    results = made.function(*(graph.arrays[v.name] for v in made.inputs))
    results = results if len(graph.outputs) > 1 else [results]
    for found, node in zip(results, graph.outputs, strict=True):
        check(found, node, graph.arrays, graph.dtype)


@pytest.fixture
def everything_is_large(monkeypatch):
    """Let arrays of more than one number be shared out to threads in the smallest tiles."""
    program_for.cache_clear()
    monkeypatch.setattr("einsdiff.numeric.running.program.LARGE", 17)
    monkeypatch.setattr("einsdiff.numeric.running.parallel.LARGE", 0)
    monkeypatch.setattr("einsdiff.numeric.running.parallel.TILE", (2, 1))
    yield
    program_for.cache_clear()


@pytest.mark.usefixtures("everything_is_large")
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(graphs(), st.integers(0, 3))
def test_large_arrays_are_written_in_parts_with_the_same_values(graph, layout):
    for node in graph.outputs:
        made, inputs = program(graph, [node])
        check(np.asarray(made.function(*inputs)), node, graph.arrays, graph.dtype)
        out = buffers(node.shape, graph.dtype)[layout]
        made.function(*inputs, out=out)
        check(out, node, graph.arrays, graph.dtype)


def test_threads_see_what_the_caller_says_of_errors():
    f = ed.parse("f_i = log(x_i) + 1", x=np.zeros(5_000_000)).compile()
    with np.errstate(divide="ignore"):
        assert np.all(f() == -np.inf)
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        f()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*")
def test_a_result_belongs_to_the_process_that_computed_it():
    result = ed.einsum("i->ii", np.ones(3000)).dense()
    child = os.fork()
    if not child:
        result[0, 1] = 5
        os._exit(0)
    os.waitpid(child, 0)
    assert result[0, 1] == 0


# --- steps put off, left out, and in place ----------------------------------------------------


def run(instructions, results, arrays):
    """Carry out a few operations by name, writing where they say; return the results."""
    known = dict(arrays)
    for step in instructions:
        args = [known[name] if name in known else float(name) for name in step.args]
        out = known[step.into] if step.into else None
        match step.op:
            case "zeros" | "empty":
                value = np.zeros(step.shape)
            case "copy":
                value = np.array(args[0])
            case "add" | "subtract" | "multiply" | "negative":
                value = getattr(np, step.op)(*args, out=out)
            case "transpose":
                value = args[0].transpose(step.detail)
            case "reshape" | "split":
                value = args[0].reshape(step.shape)
            case "diagonal":
                value = np.einsum(step.detail, args[0])
            case "slice":
                value = args[0][eval(f"np.s_[{', '.join(step.detail)}]")]
            case "assign":
                known[step.target][...] = args[1] if len(args) == 2 else args[1] * args[2]
                continue
            case "accumulate" | "deduct":
                known[step.target][...] += args[1] if step.op == "accumulate" else -args[1]
                continue
        known[step.target] = value
    return [known[name] for name in results]


@st.composite
def steps_drawn(draw):
    """Draw instructions on square matrices: operations, views, copies that are written to."""
    steps, n = Steps(), 2
    whole = [Handle("A", (n, n), True), Handle("B", (n, n), True)]
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(["add", "subtract", "negative", "view", "copy", "zeros", "2"]))
        one, other = (draw(st.sampled_from(whole)) for _ in range(2))
        if kind in ("add", "subtract"):
            whole.append(steps.entrywise(kind, [one, other], (n, n)))
        elif kind == "negative":
            whole.append(steps.entrywise(kind, [one], (n, n)))
        elif kind == "2":
            whole.append(steps.multiple(2, one))
        elif kind == "view":
            whole.append(steps.transpose(one, (1, 0)))
        else:
            made = steps.fresh(one) if kind == "copy" else steps.emit("zeros", [], (n, n))
            for _ in range(draw(st.integers(1, 3))):
                target, _ = steps.diagonal(made, draw(st.sampled_from([(0, 0), (0, 1)])))
                target = steps.transpose(target, range(len(target.shape))[::-1])
                value = draw(st.sampled_from(whole))
                if len(target.shape) == 1:
                    value, _ = steps.diagonal(value, (0, 0))
                op = draw(st.sampled_from(["assign", "accumulate", "deduct"]))
                steps.write(op, target, [value.name])
            whole.append(made)
    results = draw(st.lists(st.sampled_from([h.name for h in whole[2:]]), min_size=1, max_size=3))
    return steps.instructions, results


@settings(max_examples=500, deadline=None)
@given(steps_drawn())
def test_steps_compute_the_same_in_their_new_order(drawn):
    instructions, results = drawn
    arrays = {"A": np.array([[1.0, 2.0], [3.0, 5.0]]), "B": np.array([[7.0, -1.0], [4.0, 0.5]])}
    expected = run(instructions, results, arrays)
    given = {name: array.copy() for name, array in arrays.items()}
    found = run(*fused(instructions, results), given)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    for name, array in arrays.items():
        np.testing.assert_array_equal(given[name], array)


def vectors(*names):
    return [Handle(name, (3,), True) for name in names]


def test_what_no_result_needs_is_not_computed():
    steps = Steps()
    x, y = vectors("x", "y")
    wanted = steps.entrywise("add", [x, y], (3,))
    steps.entrywise("multiply", [x, y], (3,))
    made, results = fused(steps.instructions, [wanted.name])
    assert [step.op for step in made] == ["add"]
    assert results == (wanted.name,)


def test_steps_are_put_off_until_they_are_needed():
    steps = Steps()
    x, y = vectors("x", "y")
    early = [steps.emit("einsum", [x, y], (3, 3), f"{k},j->{k}j") for k in "ikl"]
    sums = [steps.emit("sum", [array], (3,), (1,)) for array in early]
    total = steps.entrywise("add", sums[:2], (3,))
    total = steps.entrywise("add", [total, sums[2]], (3,))
    made, _ = fused(steps.instructions, [total.name])
    assert [step.op for step in made] == [
        *("einsum", "sum", "einsum", "sum", "add"),
        *("einsum", "sum", "add"),
    ]


def test_an_argument_that_is_not_needed_any_more_is_written_to():
    steps = Steps()
    x, y = vectors("x", "y")
    total = steps.entrywise("add", [x, y], (3,))
    double = steps.multiple(2, total)
    made, _ = fused(steps.instructions, [double.name])
    assert [(step.op, step.into) for step in made] == [("add", ""), ("multiply", total.name)]


@pytest.mark.parametrize("kept", ["operand", "result", "used later", "view used later", "view"])
def test_an_argument_that_is_needed_is_not_written_to(kept):
    steps = Steps()
    x, y = vectors("x", "y")
    array = x if kept == "operand" else steps.entrywise("add", [x, y], (3,))
    if kept == "view used later":
        array = steps.slice(array, {0: 1})
        array = steps.reshape(array, (1,))
    double = steps.multiple(2, array)
    results = [double.name]
    if kept == "result":
        results.append(array.name)
    elif kept == "used later":
        results = [steps.entrywise("multiply", [double, array], (3,)).name]
    elif kept == "view used later":
        whole = Handle(steps.instructions[0].target, (3,))
        results.append(steps.emit("sum", [whole], (), (0,)).name)
    elif kept == "view":
        matrix = steps.emit("einsum", [x, y], (3, 3), "i,j->ij")
        turned = steps.transpose(matrix, (1, 0))
        results = [steps.entrywise("add", [matrix, turned], (3, 3)).name]
    made, _ = fused(steps.instructions, results)
    last = made[-1] if kept == "view" else next(s for s in made if s.target == double.name)
    assert not last.into if kept != "used later" else last.into == ""


def test_one_array_is_written_to_again_and_again():
    steps = Steps()
    x, y = vectors("x", "y")
    first = total = steps.entrywise("add", [x, y], (3,))
    for k in range(2, 6):
        total = steps.multiple(k, total)
    made, _ = fused(steps.instructions, [total.name])
    assert [step.into for step in made[:2]] == ["", first.name]
    assert all(step.into == step.args[0] for step in made[1:])


def test_what_was_given_to_a_function_of_the_users_is_not_written_to():
    steps = Steps()
    x, y = vectors("x", "y")
    total = steps.entrywise("add", [x, y], (3,))
    keeps = Function("keeps", ("1",), "keeps({0})", implementation=lambda x: x)
    kept = steps.emit("call", [total], (3,), keeps)
    double = steps.multiple(2, total)
    result = steps.entrywise("multiply", [double, kept], (3,))
    made, _ = fused(steps.instructions, [result.name])
    assert total.name not in [step.into for step in made]
    assert kept.name not in [step.into for step in made]


def test_a_copy_of_what_nobody_needs_is_not_made():
    steps = Steps()
    x, y = vectors("x", "y")
    total = steps.entrywise("add", [x, y], (3,))
    copy = steps.fresh(total)
    steps.write("accumulate", copy, [x.name])
    made, results = fused(steps.instructions, [copy.name])
    assert [step.op for step in made] == ["add", "accumulate"]
    assert results == (total.name,)
    made, results = fused(steps.instructions, [copy.name, total.name])
    assert [step.op for step in made] == ["add", "copy", "accumulate"]
    assert len(set(results)) == 2


def test_what_would_be_copied_into_a_part_is_written_there():
    steps = Steps()
    x, y = vectors("x", "y")
    out = steps.emit("zeros", [], (3, 3))
    product = steps.entrywise("multiply", [x, y], (3,))
    part, _ = steps.diagonal(out, (0, 0))
    steps.write("assign", part, [product.name])
    made, _ = fused(steps.instructions, [out.name])
    assert [(step.op, step.into) for step in made] == [
        ("zeros", ""),
        ("diagonal", ""),
        ("multiply", part.name),
    ]
    # But not where it is needed elsewhere, too.
    made, _ = fused(steps.instructions, [out.name, product.name])
    assert "assign" in [step.op for step in made]


def test_views_belong_to_the_memory_that_they_view():
    steps = Steps()
    A = Handle("A", (2, 3), True)
    turned = steps.transpose(A, (1, 0))
    column = steps.slice(turned, {0: 0})
    total = steps.entrywise("negative", [column], (2,))
    base = bases(steps.instructions)
    assert base == {turned.name: "A", column.name: "A"}
    last = last_uses(steps.instructions, [turned.name], base)
    assert last["A"] == len(steps.instructions)  # a result is used for ever
    assert last[total.name] == 2


def test_which_operations_write_their_result_anywhere():
    def step(name):
        return Instruction("call", "t0", ("x",), lookup(name), (3,))

    assert is_entrywise(step("tanh"))
    assert is_entrywise(step("relu"))
    assert not any(is_entrywise(step(name)) for name in ("sigmoid", "erf", "inv", "greater"))
    assert is_entrywise(Instruction("add", "t0", ("x", "y"), None, (3,)))
    assert not is_entrywise(Instruction("dot", "t0", ("x", "y"), None, (3,)))


# --- in place, in whole programs --------------------------------------------------------------


@pytest.fixture
def same():
    """A function of the user's that returns its argument."""
    return ed.register("same", lambda x: x, "1")


def test_what_a_function_returns_may_be_its_argument(same):
    x, y = np.array([1.0, 2.0]), np.array([0.5, -1.0])
    f = ed.parse("f_i = same(x_i + y_i) exp(x_i + y_i)", x=x, y=y)
    np.testing.assert_allclose(f.dense(), (x + y) * np.exp(x + y))
    f = ed.parse("f_i = exp(same(x_i + y_i)) + same(x_i + y_i)", x=x, y=y)
    np.testing.assert_allclose(f.dense(), np.exp(x + y) + x + y)
    g = ed.parse("f_i = exp(same(x_i))", x=x)
    np.testing.assert_allclose(g.dense(), np.exp(x))
    np.testing.assert_array_equal(x, [1.0, 2.0])


def test_what_a_function_returns_is_copied_where_others_have_it(same):
    x, y = np.array([1.0, 2.0]), np.array([0.5, -1.0])
    total = ed.parse("x_i + y_i", x=x, y=y)
    outputs = [same(total), total, same(ed.tensor("x", x)), ed.tensor("x", x), same(same(total))]
    results = ed.compile(*outputs)()
    assert not any(np.shares_memory(a, b) for a, b in combinations([*results, x, y], 2))
    for found, expected in zip(results, [x + y, x + y, x, x, x + y], strict=True):
        np.testing.assert_array_equal(found, expected)


def test_what_is_repeated_may_be_a_view():
    rng = np.random.default_rng(0)
    c, d = rng.normal(size=(2, 50, 20, 20))
    a = ed.tensor("c", c) + ed.tensor("d", d)
    f = ed.einsum("ikl,jk->ijkl", a, ed.einsum("jkl->jk", np.exp(a)))
    expected = np.einsum("ikl,jk->ijkl", c + d, np.exp(c + d).sum(2))
    np.testing.assert_allclose(f.dense(), expected, rtol=1e-12)


def test_common_parts_of_several_expressions_are_computed_once():
    x = variable("x", (3, 3))
    e = call(lookup("exp"), [x])
    outputs = [
        einsum([e, e], ["ij", "jk"], "ik"),
        einsum([e], ["ij"], "i"),
        add([(2, e), (1, x)]),
        einsum([einsum([e, e], ["ij", "jk"], "ik"), e], ["ij", "ij"], "ij"),
    ]
    ops = [step.op for step in plan(outputs, {}).instructions]
    assert ops.count("call") == 1
    assert ops.count("dot") == 1


def test_equal_products_are_found_whatever_the_order_of_factors():
    A, B, x = variable("A", (9, 9)), variable("B", (9, 9)), variable("x", (9,))
    one = einsum([A, B, x], ["ij", "jk", "k"], "i")
    other = einsum([x, B], ["k", "jk"], "j")
    ops = [step.op for step in plan([one, other], {}).instructions]
    assert ops.count("dot") == 2


def test_a_sum_is_added_up_in_the_memory_of_one_of_its_terms():
    A, B, C = (variable(name, (40, 40)) for name in "ABC")
    terms = [(1, einsum([m, n], ["ij", "jk"], "ik")) for m, n in [(A, B), (B, C), (C, A)]]
    made = plan([add(terms)], {})
    allocated = [s for s in made.instructions if s.op == "dot"]
    others = [s for s in made.instructions if s.op in ("add", "copy")]
    assert len(allocated) == 3
    assert all(step.into for step in others)
    assert made.peak == 2 * 1600


def test_several_deltas_need_no_array_but_the_result():
    x, y, z = (variable(name, (20,)) for name in "xyz")
    terms = [
        (1, einsum([x, y], "ij", "ijj")),
        (2, einsum([y, z], "ij", "iji")),
        (-1, einsum([z, x], "ij", "iij")),
    ]
    made = plan([add(terms)], {})
    assert made.peak <= 20**3 + 2 * 20**2
    assert len(made.pattern) == 3


def test_a_result_that_ends_in_place_is_written_into_out():
    x, y = np.arange(3.0), np.ones(3)
    source = ed.parse("f_i = tanh(exp(x_i + y_i))", x=x, y=y).compile().source
    assert "copyto" not in source
    assert source.count("out=") >= 3


def test_a_view_that_is_written_through_may_be_read_too():
    S = ed.tensor("S", (3, 3), symmetric=True)
    v = ed.reshape(S, (-1,))
    J = ed.grad(ed.einsum("i,i->", v, v), wrt="S", order=2)
    node = J.formula.normal_form
    value = program_for((node,), (), "float64").function()
    np.testing.assert_array_equal(value, J.dense())
    assert value.sum() == 18
