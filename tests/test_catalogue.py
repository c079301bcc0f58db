"""The catalogue of formulas, each in every way of writing that can say it.

Every derivative is compared with the closed form, with differences of the order below, and with
JAX, those of scalar calculus with SymPy as well; the ways of writing are compared with each other;
the formula, its shape and its matrices are checked. The rows are in `tests.catalogue_rows`; what
they say beyond one derivative each is in `tests.test_catalogue_relations`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from inspect import signature
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

import einsdiff as ed
from tests.catalogue_rows import ROWS, WAYS, Row, called, names_in, shape_of
from tests.oracle import finite_differences

jax.config.update("jax_enable_x64", True)

#: The ids of the catalogue: a letter, and how many formulas it has.
CATALOGUE = {"A": 10, "B": 14, "C": 9, "D": 16, "E": 14, "F": 6}

#: How many rows there are, and how many of them each way can say: a lost row is missed here.
COUNTS = {"rows": 124, "build": 124, "index": 123, "value": 123}

#: Rows of ordinary variables, and rows with unspecified functions of them.
PLAIN = [row for row in ROWS if not row.of]
UNSPECIFIED = [row for row in ROWS if row.of]

every_row = pytest.mark.parametrize("row", ROWS, ids=str)
every_plain_row = pytest.mark.parametrize("row", PLAIN, ids=str)


def rows_and_ways(rows: list[Row]) -> pytest.MarkDecorator:
    """Parametrise by the rows and, of each, the ways that can say it."""
    pairs = [(row, way) for row in rows for way in WAYS if row.says(way)]
    return pytest.mark.parametrize(
        ("row", "way"), pairs, ids=[f"{row}-{way}" for row, way in pairs]
    )


every_row_and_way = rows_and_ways(ROWS)
every_plain_row_and_way = rows_and_ways(PLAIN)
every_row_and_way_of_numpy = rows_and_ways([row for row in PLAIN if row.says("value")])


# --- arrays and tensors -----------------------------------------------------------------------


def drawn(kind: str, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw an array that suits a variable."""
    if kind == "positive":
        return np.asarray(rng.uniform(0.5, 1.5, shape))
    if kind == "inside":  # of the interval from -1 to 1
        return np.asarray(rng.uniform(-0.7, 0.7, shape))
    if kind == "apart":  # from 0, of both signs
        signs = np.resize([1.0, -1.0], shape)
        return np.asarray(signs * rng.uniform(0.5, 1.5, shape))
    if kind == "invertible":  # and of positive determinant
        return np.asarray(2 * np.eye(shape[0]) + rng.uniform(-0.4, 0.4, shape))
    offset = {"normal": 0.0, "large": 20.0, "very negative": -20.0}[kind]
    return np.asarray(offset + rng.normal(size=shape))


def arrays_of(row: Row) -> dict[str, np.ndarray]:
    """Draw an array for each variable that is no function of another."""
    rng = np.random.default_rng(20240229)
    arrays = {}
    for name, sizes in row.shapes.items():
        array = drawn(row.draws.get(name, "normal"), rng, shape_of(sizes))
        if name not in row.of:
            arrays[name] = array + array.T if name in row.symmetric else array
    return arrays


def symbols_of(row: Row) -> dict[str, ed.Tensor]:
    """Make the variables as tensors without values, whose sizes are names."""
    tensors: dict[str, ed.Tensor] = {}
    while len(tensors) < len(row.shapes):  # functions after what they are functions of
        for name, sizes in row.shapes.items():
            if name not in tensors and row.of.get(name, name) in {*tensors, name}:
                shape = tuple(int(size) if size.isdigit() else size for size in sizes)
                of = tensors[row.of[name]] if name in row.of else ()
                tensors[name] = ed.tensor(name, shape, symmetric=name in row.symmetric, of=of)
    return tensors


def tensors_of(row: Row, arrays: Mapping[str, np.ndarray]) -> dict[str, ed.Tensor]:
    return {
        name: ed.tensor(name, array, symmetric=name in row.symmetric)
        for name, array in arrays.items()
    }


# --- the ways of writing ----------------------------------------------------------------------


def traced(row: Row, operands: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the row's NumPy function, and its arguments."""
    assert row.value is not None
    parameters = [name for name in signature(row.value).parameters if name != "np"]
    needs_numpy = "np" in signature(row.value).parameters
    function = partial(row.value, np) if needs_numpy else row.value
    return function, {name: operands[name] for name in parameters}


def parsed(row: Row, operands: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the row's index notation, and the operands whose names stand there."""
    assert row.index is not None
    known = dict(operands)
    for name, text in row.inner.items():
        known[name] = ed.parse(text, sizes=row.sizes, **names_in(text, known))
    return row.index, names_in(row.index, known)


def derivative(row: Row, way: str, operands: Mapping[str, Any], order: int | None = None) -> Any:
    """Differentiate the expression as one way writes it."""
    order = row.order if order is None else order
    if way == "build":
        return ed.grad(called(row.build, operands), wrt=row.wrt, order=order)
    if way == "index":
        text, named = parsed(row, operands)
        sizes = {} if row.inner else row.sizes
        return ed.grad(text, wrt=row.wrt, order=order, sizes=sizes, **named)
    function, named = traced(row, operands)
    return ed.grad(function, wrt=row.wrt, order=order, **named)


def expression(row: Row, way: str, operands: Mapping[str, Any]) -> ed.Tensor:
    """Make the expression as one way writes it, by `value_and_grad`."""
    if way == "build":
        return called(row.build, operands)
    if way == "index":
        text, named = parsed(row, operands)
        sizes = {} if row.inner else row.sizes
        return ed.value_and_grad(text, wrt=row.wrt, sizes=sizes, **named)[0]
    function, named = traced(row, operands)
    return ed.value_and_grad(function, wrt=row.wrt, **named)[0]


def closed_form(row: Row, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.asarray(called(row.expected, arrays), float)


def below(row: Row, way: str, operands: Mapping[str, Any]) -> ed.Tensor:
    """Return what the derivative of the row's order is the first derivative of."""
    if row.order == 1:
        return expression(row, way, operands)
    result: ed.Tensor = derivative(row, way, operands, row.order - 1)
    return result


# --- the catalogue is complete ----------------------------------------------------------------


def test_every_id_of_the_catalogue_has_a_row():
    ids = {f"{letter}{k + 1}" for letter, count in CATALOGUE.items() for k in range(count)}
    assert {row.id for row in ROWS} == ids


def test_every_row_is_there_once():
    assert [name for name, count in Counter(map(str, ROWS)).items() if count > 1] == []


def test_no_row_is_lost():
    found = {way: sum(row.says(way) for row in ROWS) for way in WAYS}
    assert {"rows": len(ROWS), **found} == COUNTS


def test_what_a_way_cannot_say_has_a_reason():
    for row in ROWS:
        assert set(row.unsaid) == {way for way in WAYS if not row.says(way)}, row
        assert all(row.unsaid.values()), row
        assert all(row.by_values.values()), row


def test_what_is_printed_badly_has_a_reason():
    assert [str(row) for row in ROWS if (row.formula is None) != bool(row.badly)] == []


# --- formulas ---------------------------------------------------------------------------------


@every_row_and_way
def test_all_ways_have_one_derivative(row, way):
    operands = symbols_of(row)
    J, first = derivative(row, way, operands), derivative(row, "build", operands)
    equality = ed.equal(J, first)
    assert equality, f"{J}\n{first}\n{equality}"
    assert equality.how == ("random evaluation" if way in row.by_values else "canonical form")
    assert (first == J) is (way not in row.by_values)


@pytest.mark.parametrize("row", [row for row in ROWS if row.formula is not None], ids=str)
def test_formula_is_printed(row):
    assert str(derivative(row, "build", symbols_of(row))) == row.formula


@pytest.mark.parametrize("row", [row for row in PLAIN if row.formula is not None], ids=str)
def test_formula_of_arrays_is_that_of_names(row):
    J = derivative(row, "build", tensors_of(row, arrays_of(row)))
    assert str(J) == (row.formula_of_arrays or row.formula)


@every_row
def test_simplified_derivative_has_the_same_values(row):
    J = derivative(row, "build", symbols_of(row))
    assert ed.equal(ed.simplify(J), J)


@pytest.mark.parametrize("row", [row for row in ROWS if row.simplified is not None], ids=str)
def test_simplified_formula_is_printed(row):
    assert str(ed.simplify(derivative(row, "build", symbols_of(row)))) == row.simplified


@every_row_and_way
def test_what_is_printed_is_read(row, way):
    operands = symbols_of(row)
    J = derivative(row, way, operands)
    text = str(J)
    sizes = dict(zip(J.formula.heading.letters, J.shape, strict=True))
    again = ed.parse(text, sizes=sizes, **names_in(text, operands))
    assert again == J


@pytest.mark.parametrize("row", [row for row in ROWS if row.bare], ids=str)
def test_plain_arrays_are_called_what_the_variables_are_called(row):
    operands: dict[str, Any] = arrays_of(row)
    for name in row.symmetric:  # this is known of tensors only
        operands[name] = ed.tensor(name, operands[name], symmetric=True)
    J = derivative(row, "build", operands)
    assert str(J) == row.formula
    np.testing.assert_array_equal(J, derivative(row, "build", tensors_of(row, arrays_of(row))))


# --- numbers ----------------------------------------------------------------------------------


@every_row_and_way_of_numpy
def test_expression_is_that_of_numpy(row, way):
    arrays = arrays_of(row)
    value = called(row.value, {**arrays, "np": np})
    found = expression(row, way, tensors_of(row, arrays))
    np.testing.assert_allclose(found, value, rtol=1e-12, atol=1e-12)


@every_plain_row_and_way
def test_numbers_are_those_of_the_closed_form(row, way):
    arrays = arrays_of(row)
    operands: dict[str, Any] = dict(arrays)
    if way == "build" or row.symmetric:  # the other ways take arrays as they are
        operands = dict(tensors_of(row, arrays))
    J = derivative(row, way, operands)
    np.testing.assert_allclose(J, closed_form(row, arrays), rtol=1e-11, atol=1e-12)
    by_name = derivative(row, way, symbols_of(row))
    given = {name: arrays[name] for name in by_name.names}
    np.testing.assert_allclose(by_name(**given), J, rtol=1e-12, atol=1e-12)


@every_plain_row_and_way
def test_numbers_are_the_differences_of_the_order_below(row, way):
    arrays = arrays_of(row)
    operands = tensors_of(row, arrays)
    function = below(row, way, operands)
    expected = finite_differences(lambda v: function(**{row.wrt: v}), arrays[row.wrt])
    J = np.asarray(derivative(row, way, operands))
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(J, expected, rtol=1e-7, atol=1e-7 * scale)


@pytest.mark.parametrize("row", [row for row in PLAIN if row.says("value")], ids=str)
def test_numbers_are_those_of_jax(row):
    arrays = arrays_of(row)
    others = {name: jnp.asarray(array) for name, array in arrays.items()}
    oracle = {1: jax.jacobian, 2: jax.hessian}[row.order]
    expected = oracle(lambda v: called(row.value, {**others, row.wrt: v, "np": jnp}))(
        others[row.wrt]
    )
    assert expected.dtype == np.float64
    J = derivative(row, "build", tensors_of(row, arrays))
    np.testing.assert_allclose(J, expected, rtol=1e-11, atol=1e-12)


@every_plain_row
@pytest.mark.parametrize("vec", ["C", "F"])
def test_shape_and_matrix_are_codomain_by_domain(row, vec):
    arrays = arrays_of(row)
    operands = tensors_of(row, arrays)
    J, expected, x = derivative(row, "build", operands), closed_form(row, arrays), arrays[row.wrt]
    codomain = called(row.build, operands).shape + x.shape * (row.order - 1)
    assert J.shape == np.asarray(J).shape == codomain + x.shape

    matrix = np.reshape(expected, (prod(codomain), prod(x.shape)), order=vec)
    numerator = J.matrix(order=vec)
    np.testing.assert_allclose(numerator, matrix, rtol=1e-11, atol=1e-12)
    np.testing.assert_array_equal(J.matrix("denominator", vec), numerator.T)

    v, u = np.cos(np.arange(x.size)), np.sin(1.0 + np.arange(prod(codomain)))
    jvp = J.jvp(np.reshape(v, x.shape, order=vec))
    vjp = J.vjp(np.reshape(u, codomain, order=vec))
    np.testing.assert_allclose(np.ravel(jvp, vec), matrix @ v, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(np.ravel(vjp, vec), u @ matrix, rtol=1e-11, atol=1e-12)


@every_plain_row_and_way
def test_products_with_directions_need_no_derivative(row, way):
    arrays = arrays_of(row)
    operands = tensors_of(row, arrays)
    f, expected, x = expression(row, way, operands), closed_form(row, arrays), arrays[row.wrt]
    v = drawn("normal", np.random.default_rng(7), x.shape)
    if row.wrt in row.symmetric:
        v = v + v.T
    along = np.tensordot(expected, v, x.ndim)
    if row.order == 2:
        np.testing.assert_allclose(ed.hvp(f, wrt=row.wrt, v=v), along, rtol=1e-11, atol=1e-12)
        return
    u = drawn("normal", np.random.default_rng(8), f.shape)
    against = np.tensordot(u, expected, f.ndim)
    np.testing.assert_allclose(ed.jvp(f, wrt=row.wrt, v=v), along, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(ed.vjp(f, wrt=row.wrt, u=u), against, rtol=1e-11, atol=1e-12)


@every_plain_row_and_way
def test_library_checks_its_own_derivative(row, way):
    assert derivative(row, way, tensors_of(row, arrays_of(row))).check()


# --- unspecified functions --------------------------------------------------------------------

#: What the tests put in place of x(z): x = B z, and x = sin(B z); with the derivative by B z.
INNER = {
    "linear": (lambda np, y: y, lambda y: np.ones_like(y)),
    "sine": (lambda np, y: np.sin(y), np.cos),
}

every_function = pytest.mark.parametrize("inner", list(INNER))


def matrices_of(row: Row) -> dict[str, np.ndarray]:
    """Draw the B of each function, with the axes of the function and then those of its variable."""
    rng = np.random.default_rng(20240301)
    found = {}
    for name, of in row.of.items():
        rows, columns = shape_of(row.shapes[name]), shape_of(row.shapes[of])
        kind = row.draws.get(name, "normal")
        found[name] = drawn(kind, rng, rows + columns) / max(1, prod(columns))
    return found


def substituted(row: Row, inner: str, values: Mapping[str, Any], np: Any) -> dict[str, Any]:
    """Put inner(B z) in place of each unspecified function of z; for tensors, arrays and JAX."""
    found = dict(values)
    matrices = matrices_of(row)
    while set(found) < set(row.shapes):
        for name, of in row.of.items():
            if of in found and name not in found:
                rank = len(row.shapes[of])
                B = matrices[name]
                constant = ed.tensor(f"B_{name}", B) if isinstance(found[of], ed.Tensor) else B
                found[name] = INNER[inner][0](np, np.tensordot(constant, found[of], rank))
    return found


def bound(row: Row, inner: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the arrays of the variables, those of the functions, and of their derivatives.

    The second dictionary has the derivatives by the names that the closed forms use.
    """
    arrays = substituted(row, inner, arrays_of(row), np)
    short, long = {}, {}
    for name, of in row.of.items():
        B = matrices_of(row)[name]
        slope = INNER[inner][1](np.tensordot(B, arrays[of], len(row.shapes[of])))
        slope = np.reshape(slope, slope.shape + (1,) * (B.ndim - np.ndim(slope)))
        short[f"d{name}"] = long[f"∂{name}/∂{of}"] = slope * B
    return {**arrays, **long}, {**arrays, **short}


@every_function
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("row", UNSPECIFIED, ids=str)
def test_symbols_for_derivatives_take_arrays(row, way, inner):
    arrays, known = bound(row, inner)
    J = derivative(row, way, symbols_of(row))
    assert set(J.formula.required) <= set(arrays)
    given = {name: array for name, array in arrays.items() if name in J.names}
    np.testing.assert_allclose(J(**given), closed_form(row, known), rtol=1e-11, atol=1e-12)


@every_function
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("row", UNSPECIFIED, ids=str)
def test_unspecified_functions_give_what_known_ones_give(row, way, inner):
    operands = substituted(row, inner, tensors_of(row, arrays_of(row)), np)
    J = derivative(row, way, operands)
    _, known = bound(row, inner)
    np.testing.assert_allclose(J, closed_form(row, known), rtol=1e-11, atol=1e-12)
    function = expression(row, way, operands)
    expected = finite_differences(lambda v: function(**{row.wrt: v}), known[row.wrt])
    np.testing.assert_allclose(J, expected, rtol=1e-7, atol=1e-7)


@every_function
@pytest.mark.parametrize("row", UNSPECIFIED, ids=str)
def test_unspecified_functions_give_what_jax_gives(row, inner):
    arrays = {name: jnp.asarray(array) for name, array in arrays_of(row).items()}

    def function(v):
        known = substituted(row, inner, {**arrays, row.wrt: v}, jnp)
        return called(row.value, {**known, "np": jnp})

    _, known = bound(row, inner)
    expected = jax.jacobian(function)(arrays[row.wrt])
    np.testing.assert_allclose(closed_form(row, known), expected, rtol=1e-11, atol=1e-12)


# --- SymPy ------------------------------------------------------------------------------------


class SymbolicNumPy:
    """The functions of NumPy that the rows of scalar calculus use, for SymPy's symbols."""

    def __getattr__(self, name: str) -> Any:
        return np.vectorize(getattr(sympy, name), otypes=[object])

    def power(self, base: Any, exponent: Any) -> Any:
        return base**exponent

    def stack(self, parts: Any) -> np.ndarray:
        return np.array([np.asarray(part).item() for part in parts], object)


def differentiated(value: Any, variable: Any, order: int) -> np.ndarray:
    """Differentiate each entry by each symbol."""
    found = np.asarray(value, object)
    for _ in range(order):
        symbols = np.asarray(variable, object)
        result = np.empty(found.shape + symbols.shape, object)
        for at in np.ndindex(found.shape):
            for by in np.ndindex(symbols.shape):
                result[(*at, *by)] = sympy.diff(found[at], symbols[by])
        found = result
    return found


@pytest.mark.parametrize("row", [row for row in PLAIN if row.id[0] == "D"], ids=str)
def test_scalar_calculus_is_that_of_sympy(row):
    arrays = arrays_of(row)
    symbols = {}
    for name, array in arrays.items():
        symbols[name] = np.empty(array.shape, object)
        for at in np.ndindex(array.shape):
            symbols[name][at] = sympy.Symbol(f"{name}{''.join(map(str, at))}", real=True)
    value = called(row.value, {**{n: s[()] for n, s in symbols.items()}, "np": SymbolicNumPy()})
    formulas = differentiated(value, symbols[row.wrt], row.order)
    point = {
        symbols[name][at]: sympy.Float(float(array[at]), 40)
        for name, array in arrays.items()
        for at in np.ndindex(array.shape)
    }
    expected = np.empty(formulas.shape)
    for at in np.ndindex(formulas.shape):
        expected[at] = sympy.sympify(formulas[at]).evalf(30, subs=point)
    J = derivative(row, "build", tensors_of(row, arrays))
    np.testing.assert_allclose(J, expected, rtol=1e-12, atol=1e-13)
