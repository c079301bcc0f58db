r"""Rules that make an expression smaller: one small function each, and a table of them.

A rule takes a node and returns one of the same value, or None where it does not apply, as in
:math:`\log e^x \to x`, :math:`A^{-1}_{ij} A_{jk} \to \delta_{ik}` or
:math:`\sin^2 x + \cos^2 x \to 1`. It looks at the node and at what is right below it; that it is
used where it helps, again and again, is the business of
`einsdiff.algebra.rewriting.simplification`. Adding a rule is adding one entry to `RULES`.

A rule keeps the value wherever there is one. Some give a value also where there was none before,
as :math:`x / x \to 1` does at zero and :math:`\sin^2 u + \cos^2 u \to 1` where u has none: these
are marked ``widens``. Those marked ``is_real`` hold for real numbers only.

>>> from einsdiff.algebra.functions.catalogue import FUNCTIONS
>>> from einsdiff.algebra.nodes.nodes import call, einsum, variable
>>> A, x = variable("A", (3, 3)), variable("x", (3,))
>>> log, exp, inv = (FUNCTIONS[name] for name in ("log", "exp", "inv"))
>>> inverse_function_real(call(log, [call(exp, [x])]))
x
>>> cancelled_inverse(einsum([call(inv, [A]), A], ["ij", "jk"], "ik"))
Delta(3)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from einsdiff.algebra.nodes.nodes import Node
from einsdiff.algebra.rewriting.rules.function_rules import (
    COMMUTATIVE,
    COMPOSED,
    HOMOGENEOUS,
    INVERSE,
    INVERSE_REAL,
    ROUNDING,
    SIGNED,
    composed,
    equal_choices,
    equal_sides,
    exponential_of_logarithms,
    inverse_function,
    inverse_function_real,
    known_choice,
    logarithm_of_exponential,
    logarithm_of_power,
    multiple_of_argument,
    not_negative,
    order_of_arguments,
    power_of_exponential,
    power_of_exponential_real,
    power_of_power,
    power_of_power_real,
    repeated_function,
    root_of_squares,
    sign_of_argument,
)
from einsdiff.algebra.rewriting.rules.matrix_rules import (
    cancelled_inverse,
    determinant_of_diagonal,
    determinant_of_inverse,
    determinant_of_transpose,
    inverse_of_diagonal,
    inverse_of_inverse,
    inverse_of_multiple,
    inverse_of_transpose,
    inverse_to_solution,
    solution_of_product,
    transposed,
)
from einsdiff.algebra.rewriting.rules.patterns import CONDITIONS, is_negative
from einsdiff.algebra.rewriting.rules.product_rules import (
    joined_exponentials,
    joined_powers,
    quotient_of_functions,
    repeated_condition,
    sigmoids,
    sign_and_size,
    squares_of_functions,
)

__all__ = ["COMMUTATIVE", "HOMOGENEOUS", "RULES", "SIGNED", "Rule", "is_negative", "transposed"]


class Rule(NamedTuple):
    """An entry of the table.

    Attributes
    ----------
    apply
        Returns another node of the same value, or None.
    at
        The names of the functions that it is tried at, or ``"product"``, or ``"sum"``.
    is_real
        Whether it holds for real numbers only.
    widens
        Whether the result may have a value at points where the node has none.
    once
        Functions that it takes out of a product, which is worth it if they are used only there.
    """

    apply: Callable[[Node], Node | None]
    at: tuple[str, ...]
    is_real: bool = False
    widens: bool = False
    once: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """That of the function."""
        return self.apply.__name__.replace("_", " ")


_LOGARITHMIC = ("det", "logdet", "signdet")

RULES: tuple[Rule, ...] = (
    Rule(inverse_function, tuple(f for f, _ in sorted(INVERSE)), widens=True),
    Rule(inverse_function_real, tuple(f for f, _ in sorted(INVERSE_REAL)), is_real=True),
    Rule(composed, tuple(f for f, _ in COMPOSED)),
    Rule(repeated_function, (*sorted(ROUNDING), "sign"), is_real=True),
    Rule(not_negative, ("abs", "relu"), is_real=True),
    Rule(sign_of_argument, tuple(sorted(SIGNED))),
    Rule(multiple_of_argument, ("abs", "relu", "sign")),
    Rule(logarithm_of_power, ("log",), is_real=True),
    Rule(logarithm_of_exponential, ("log",), is_real=True),
    Rule(exponential_of_logarithms, ("exp",), widens=True),
    Rule(power_of_power, ("power",), widens=True),
    Rule(power_of_power_real, ("power",), is_real=True, widens=True),
    Rule(root_of_squares, ("power",), is_real=True),
    Rule(power_of_exponential, ("power",)),
    Rule(power_of_exponential_real, ("power",), is_real=True),
    Rule(equal_choices, ("where", "maximum", "minimum"), widens=True),
    Rule(known_choice, ("where",)),
    Rule(equal_sides, tuple(sorted(CONDITIONS)), widens=True),
    Rule(order_of_arguments, tuple(sorted(COMMUTATIVE))),
    Rule(inverse_of_inverse, ("inv",), widens=True),
    Rule(inverse_of_transpose, ("inv",)),
    Rule(inverse_of_multiple, ("inv",)),
    Rule(inverse_of_diagonal, ("inv",)),
    Rule(determinant_of_transpose, _LOGARITHMIC),
    Rule(determinant_of_diagonal, ("det", "logdet")),
    Rule(determinant_of_inverse, _LOGARITHMIC),
    Rule(solution_of_product, ("solve",), widens=True),
    Rule(cancelled_inverse, ("product",), widens=True),
    Rule(inverse_to_solution, ("product",), once=("inv",)),
    Rule(joined_powers, ("product",), widens=True),
    Rule(joined_exponentials, ("product",), widens=True),
    Rule(repeated_condition, ("product",)),
    Rule(quotient_of_functions, ("product",)),
    Rule(sign_and_size, ("product",), is_real=True, widens=True),
    Rule(squares_of_functions, ("sum",), widens=True),
    Rule(sigmoids, ("sum",), widens=True),
)
