"""Derivatives against two libraries that share nothing with this one: JAX and SymPy.

JAX differentiates numbers, in either mode; SymPy differentiates formulas, one entry at a time. In
both, as here, the axes of the function come before those of the variable.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import einsdiff as ed
from tests.oracle import brute_einsum, random_array
from tests.strategies import Case, einsums

jax.config.update("jax_enable_x64", True)


def as_tensors(arrays: dict[str, np.ndarray]) -> dict[str, ed.Tensor]:
    return {name: ed.tensor(name, array) for name, array in arrays.items()}


def as_tensor(case: Case) -> ed.Tensor:
    tensors = as_tensors(case.arrays)
    operands = [tensors[name] for name in case.names]
    return ed.einsum(case.subscripts, *operands, sizes=case.broadcast)


# --- einsums ----------------------------------------------------------------------------------


def in_jax(case: Case):
    """Make a JAX function of an einsum's arrays, with factors for what JAX's einsum refuses.

    That is an identity matrix for each output label that repeats, and a vector of ones for each
    that no operand carries.
    """
    output, terms, factors = "", list(case.inputs), []
    for label, fresh in zip(case.output, "pqr", strict=False):
        if label in output:
            terms.append(label + fresh)
            factors.append(jnp.eye(case.sizes[label]))
            output += fresh
        else:
            output += label
    for label, size in case.broadcast.items():
        terms.append(label)
        factors.append(jnp.ones(size))
    subscripts = f"{','.join(terms)}->{output}"

    def function(*arrays):
        operands = dict(zip(case.arrays, arrays, strict=True))
        return jnp.einsum(subscripts, *(operands[name] for name in case.names), *factors)

    return function


@settings(max_examples=20, deadline=None)
@given(st.data())
@pytest.mark.parametrize(
    ("jacobian", "dtype"),
    [
        (jax.jacfwd, "float64"),
        (jax.jacrev, "float64"),
        (partial(jax.jacfwd, holomorphic=True), "complex128"),
    ],
    ids=["forward", "reverse", "holomorphic"],
)
def test_first_derivative_is_that_of_jax(jacobian, dtype, data):
    case = data.draw(einsums(most_operands=3, dtypes=[dtype]))
    arrays = [jnp.asarray(array) for array in case.arrays.values()]
    expected = jacobian(in_jax(case), argnums=tuple(range(len(arrays))))(*arrays)
    results = ed.grad(as_tensor(case), wrt=tuple(case.arrays))
    for J, theirs in zip(results, expected, strict=True):
        assert J.dtype == theirs.dtype == dtype
        np.testing.assert_array_equal(np.asarray(J), theirs)  # whole numbers: exact


@settings(max_examples=16, deadline=None)
@given(einsums(most_operands=3, dtypes=["float64"]))
def test_second_derivatives_pure_and_mixed_are_those_of_jax(case):
    arrays = [jnp.asarray(array) for array in case.arrays.values()]
    expected = jax.hessian(in_jax(case), argnums=tuple(range(len(arrays))))(*arrays)
    results = ed.hessian(as_tensor(case), wrt=tuple(case.arrays))
    for row, their_row in zip(results, expected, strict=True):
        for H, theirs in zip(row, their_row, strict=True):
            np.testing.assert_array_equal(np.asarray(H), theirs)


def symbols(arrays):
    """Make an array of SymPy symbols for each array, and the numbers they stand for."""
    letters, numbers = {}, {}
    for name, array in arrays.items():
        letters[name] = np.empty(array.shape, object)
        for index in np.ndindex(array.shape):
            letters[name][index] = symbol = sympy.Symbol("_".join(map(str, (name, *index))))
            numbers[symbol] = sympy.Integer(int(array[index]))
    return letters, numbers


def in_sympy(f, x):
    """Differentiate an array of SymPy expressions by an array of symbols, entry by entry."""
    f = np.asarray(f, object)
    result = np.empty((*f.shape, *x.shape), object)
    for at, by in product(np.ndindex(f.shape), np.ndindex(x.shape)):
        result[at + by] = sympy.diff(f[at], x[by])
    return result


def evaluated(f, numbers):
    """Put integers in place of the symbols: exact, however large."""
    values = [int(sympy.sympify(entry).xreplace(numbers)) for entry in f.flat]
    return np.array(values, np.int64).reshape(f.shape)


@settings(max_examples=100, deadline=None)
@given(einsums(most_operands=3, dtypes=["int64"]), st.data())
def test_derivatives_are_exactly_those_of_sympy(case, data):
    by = [data.draw(st.sampled_from(list(case.arrays))) for _ in range(2)]
    J = ed.grad(as_tensor(case), wrt=by[0])
    H = ed.grad(J, wrt=by[1])
    assume(prod(H.shape) <= 300)
    letters, numbers = symbols(case.arrays)
    f = brute_einsum(case.inputs, case.output, case.sizes, [letters[n] for n in case.names])
    first = in_sympy(f, letters[by[0]])
    second = in_sympy(first, letters[by[1]])
    for result, expected in ((J, first), (H, second)):
        assert result.dtype == np.int64
        np.testing.assert_array_equal(np.asarray(result), evaluated(expected, numbers))


# --- composed expressions ---------------------------------------------------------------------

SHAPES = {"A": (2, 2), "x": (2,), "y": (2,)}
#: Vectors, written in Python: one text is read with tensors, with JAX arrays, and with symbols.
LEAVES = ["x", "y", "(A @ x)", "(y @ A)", "einsum('ii->i', A)", "einsum('ij,i,j->j', A, x, y)"]
POLYNOMIALS = [
    "({} + {})",
    "({} - {})",
    "({} * {})",
    "(2 - 3 * {})",
    "((A.T - A) @ {})",
    "einsum('ij,j->i', A, {})",
    "einsum('ji,i,k->k', A, {}, {})",
    "({} * einsum('i,i->', {}, x))",
]
RATIONALS = [
    *POLYNOMIALS,
    "({} / (1 + {} ** 2))",
    "((1 + y ** 2) ** -1 * {})",
    "({} ** 3)",
    "(-{} / 4)",
]


def vectors(templates):
    """Draw the text of a vector of A, x and y."""

    def filled(inner):
        return st.one_of(
            st.tuples(*[inner] * template.count("{}")).map(
                lambda parts, t=template: t.format(*parts)
            )
            for template in templates
        )

    return st.recursive(st.sampled_from(LEAVES), filled, max_leaves=4)


def read(text, einsum, arrays):
    return eval(text, {"einsum": einsum, **arrays})


def jacobian_in_jax(function, name, mode):
    """Differentiate a function of named arrays; the result is one again."""
    return lambda arrays: mode(lambda v: function({**arrays, name: v}))(arrays[name])


@settings(max_examples=25, deadline=None)
@given(vectors(RATIONALS), st.integers(0, 2**32 - 1), st.data())
def test_derivatives_of_composed_expressions_are_those_of_jax(text, seed, data):
    rng = np.random.default_rng(seed)
    arrays = {name: rng.uniform(0.5, 1.5, shape) for name, shape in SHAPES.items()}
    f = read(text, ed.einsum, as_tensors(arrays))
    by = [data.draw(st.sampled_from(f.names)) for _ in range(2)]
    J = ed.grad(f, wrt=by[0])
    H = ed.grad(J, wrt=by[1])
    theirs = partial(read, text, jnp.einsum)
    first = jacobian_in_jax(theirs, by[0], jax.jacrev)
    second = jacobian_in_jax(first, by[1], jax.jacfwd)
    arrays = {name: jnp.asarray(array) for name, array in arrays.items()}
    for result, expected in ((f, theirs(arrays)), (J, first(arrays)), (H, second(arrays))):
        scale = 1 + np.max(np.abs(expected))
        np.testing.assert_allclose(np.asarray(result), expected, rtol=1e-8, atol=1e-8 * scale)


@settings(max_examples=100, deadline=None)
@given(vectors(POLYNOMIALS), st.integers(0, 2**32 - 1), st.data())
def test_derivatives_of_polynomials_are_exactly_those_of_sympy(text, seed, data):
    rng = np.random.default_rng(seed)
    arrays = {name: random_array(rng, shape, "int64") for name, shape in SHAPES.items()}
    f = read(text, ed.einsum, as_tensors(arrays))
    by = [data.draw(st.sampled_from(f.names)) for _ in range(2)]
    J = ed.grad(f, wrt=by[0])
    H = ed.grad(J, wrt=by[1])
    letters, numbers = symbols(arrays)
    theirs = np.asarray(read(text, np.einsum, letters), object)
    first = in_sympy(theirs, letters[by[0]])
    second = in_sympy(first, letters[by[1]])
    for result, expected in ((f, theirs), (J, first), (H, second)):
        assert result.dtype == np.int64
        np.testing.assert_array_equal(np.asarray(result), evaluated(expected, numbers))
