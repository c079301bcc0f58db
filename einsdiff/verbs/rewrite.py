"""Equality of expressions, and other ways to write them.

>>> from einsdiff.verbs.calculus import parse
>>> equal(parse("tr = A_ij B_ji"), parse("tr = B_ij A_ji"))
equal, by canonical form
>>> equal(parse("sin(x)^2 + cos(x)^2"), parse("1"))
equal, by random evaluation
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from einsdiff.algebra.nodes.effort import budget, within
from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import Node
from einsdiff.algebra.rewriting import simplification as rewrite
from einsdiff.errors import EinsdiffError, OperandError
from einsdiff.expressions.checking import sampled
from einsdiff.expressions.combining import as_tensor
from einsdiff.expressions.evaluation import evaluate
from einsdiff.expressions.formula import Formula, joined_arguments, symbol
from einsdiff.expressions.refusals import places_of
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.library import dtype_kind
from einsdiff.numeric.libraries.operands import Array
from einsdiff.verbs.calculus import parse


@dataclass(frozen=True)
class Equality:
    """Whether two expressions are equal, and how that is known. True if they are.

    Attributes
    ----------
    equal
        Whether they are.
    how
        ``"canonical form"``, which proves it; ``"random evaluation"``, which proves a difference,
        and makes equality certain for all practical purposes; or ``"shape"``.
    difference
        The largest difference that was found between their values.

    Examples
    --------
    >>> import einsdiff as ed
    >>> result = ed.equal("x_i y_i", "y_k x_k")
    >>> bool(result), result.how
    (True, 'canonical form')
    """

    equal: bool
    how: str
    difference: float = 0.0

    def __bool__(self) -> bool:
        return self.equal

    def __repr__(self) -> str:
        if self.equal:
            return f"equal, by {self.how}"
        if self.how == "shape":
            return "not equal: the shapes differ"
        return f"not equal, by {self.how}: they differ by {self.difference:.3g}"


def equal(a: Any, b: Any, *, seed: int = 0) -> Equality:
    """Decide whether two expressions are equal for all values of their variables.

    Parameters
    ----------
    a, b
        Tensors, strings of index notation, or numbers. Values are ignored; variables are matched
        by name.
    seed
        For the random evaluation.

    Returns
    -------
    Equality
        True or false, and how it was decided: by canonical form, else by evaluating both at
        random points. Points where one of them is not finite decide nothing.

    Raises
    ------
    BindingError
        One name stands for tensors of different shapes.
    OperandError
        No point was found at which both are finite.

    Examples
    --------
    >>> import einsdiff as ed
    >>> A, B, C = ed.tensors(A="nn", B="nn", C="nn")
    >>> ed.equal((A @ B @ C).trace(), (B @ C @ A).trace())
    equal, by canonical form
    >>> x = ed.tensor("x", "n")
    >>> ed.equal(ed.exp(x) * ed.exp(-x), x / x)
    equal, by random evaluation
    >>> bool(ed.equal(x, 2 * x))
    False
    """
    left, right = _read_together(a, b)
    if left.expr.shape != right.expr.shape:
        return Equality(False, "shape")
    if left.formula.normal_form is right.formula.normal_form:
        return Equality(True, "canonical form")
    arguments = joined_arguments([left.formula, right.formula])
    formulas = [replace(t.formula, arguments=arguments) for t in (left, right)]
    rng = np.random.default_rng(seed)
    compared = 0
    largest = 0.0
    for kind in ("normal", "positive", "unit", "positive", "normal"):
        found = _both(formulas, kind, rng)
        if found is None:
            continue
        one, other, values = found
        usable = np.isfinite(one) & np.isfinite(other)
        scale = max(1.0, float(np.abs(one[usable]).max(initial=0)))
        difference = float(np.abs(one[usable] - other[usable]).max(initial=0))
        if difference > 1e-8 * scale:
            if _is_rounding(formulas, values, (one, other), difference):
                continue
            return Equality(False, "random evaluation", difference)
        compared += int(usable.sum())
        largest = max(largest, difference)
    if not compared and 0 not in left.expr.shape:
        raise OperandError(
            "no point was found at which both expressions are finite",
            text=f"{left}\n    {right}",
            action="compare them at points of your own, with np.allclose(a(x=..), b(x=..))",
        )
    return Equality(True, "random evaluation", largest)


def _read_together(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Read two expressions; a string has the variables of the other side."""
    if not isinstance(b, str):
        right = as_tensor(b, Tensor)
        return (_read_with(a, right) if isinstance(a, str) else as_tensor(a, Tensor)), right
    left = _read(a)
    try:
        return left, _read_with(b, left)
    except EinsdiffError:
        if not isinstance(a, str):
            raise
        right = parse(b)  # it may tie sizes that the other leaves open
        return _read_with(a, right), right


def _read_with(text: str, other: Tensor) -> Tensor:
    known = [
        Tensor(symbol(v.name, v.shape, v.symmetric, v.of), {})
        for v in other.formula.arguments
        if v.derivative is None and places_of(v.name, text)
    ]
    return parse(text, *known)


def _read(value: Any) -> Tensor:
    return parse(value) if isinstance(value, str) else as_tensor(value, Tensor)


def _both(
    formulas: list[Formula], kind: str, rng: np.random.Generator
) -> tuple[Array, Array, dict[str, Array]] | None:
    """Evaluate both at one random point, and return it; None where a matrix is singular."""
    values = sampled(formulas[1], sampled(formulas[0], {}, rng, kind), rng, kind)
    try:
        with np.errstate(all="ignore"):
            one, other = (np.asarray(evaluate(formula, values)) for formula in formulas)
    except np.linalg.LinAlgError:
        return None
    return one, other, values


def _is_rounding(
    formulas: list[Formula], values: dict[str, Array], found: Sequence[Array], difference: float
) -> bool:
    """Tell whether results may be so far apart since digits are lost, as where a softmax saturates.

    They would move about as far with a point that is moved by some thousand times the rounding.
    What overflows or vanishes on the way, as powers of large exponentials, tells nothing either.
    """
    moved = {
        name: value * (1 + 1e-12) if np.asarray(value).dtype.kind in "fc" else value
        for name, value in values.items()
    }
    try:
        with np.errstate(all="ignore", over="raise", under="raise"):
            for formula in formulas:
                evaluate(formula, values)
    except FloatingPointError:
        return True
    with np.errstate(all="ignore"):
        changes = [
            np.abs(np.asarray(evaluate(formula, moved)) - before)
            for formula, before in zip(formulas, found, strict=True)
        ]
    return any(float(np.nanmax(change, initial=0)) > 1e-2 * difference for change in changes)


def _rewritten(t: Tensor, rule: Callable[[Node], Node]) -> Tensor:
    most = budget("rewriting", len(topological([t.expr])))

    def refuse() -> Node:
        raise OperandError(
            f"the expression is too long to be rewritten: it takes more than {most} steps",
            action="rewrite its parts, or differentiate what was rewritten",
        )

    return Tensor(replace(t.formula, expr=within(most, lambda: rule(t.expr), refuse)), t.values)


def simplify(expression: Any) -> Tensor:
    """Write an expression in a simpler way, with the same value wherever it is defined.

    Parameters
    ----------
    expression
        A tensor, or a string of index notation.

    Returns
    -------
    Tensor
        With like terms collected, common factors taken out, ``inv(A) b`` as ``solve(A, b)``,
        powers of one base joined, and inverse functions of each other left out.

    Raises
    ------
    OperandError
        It is too long to be rewritten.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.simplify("f_i = log(exp(a_i)) + x_i^2 / x_i")
    f_i = a_i + x_i
    >>> ed.simplify("f_i = inv(A)_ij b_j")
    f_i = solve(A, b)_i
    """
    t = _read(expression)
    is_complex = any(dtype_kind(array) == "c" for array in t.values.values())
    return _rewritten(t, partial(rewrite.simplify, is_complex=is_complex))


def expand(expression: Any) -> Tensor:
    """Multiply out: write products of sums as sums of products.

    Parameters
    ----------
    expression
        A tensor, or a string of index notation.

    Returns
    -------
    Tensor
        A sum of products without sums in them.

    Raises
    ------
    OperandError
        There would be too many terms.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.expand("(x + 1) (x - 1)")
    f = x^2 - 1
    """
    return _rewritten(_read(expression), rewrite.expand)


def collect(expression: Any) -> Tensor:
    """Take out what the terms of a sum have in common.

    Parameters
    ----------
    expression
        A tensor, or a string of index notation.

    Returns
    -------
    Tensor
        With common factors before brackets.

    Raises
    ------
    OperandError
        It is too long to be rewritten.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.collect("f_i = a_i b_i + a_i c_i")
    f_i = a_i (b_i + c_i)
    """
    return _rewritten(_read(expression), rewrite.collect)
