r"""Rules that make an expression smaller: one small function each, in a table of all of them.

A rule takes a node and returns one of the same value, or None where it does not apply, as in
:math:`\log e^x \to x`, :math:`A^{-1}_{ij} A_{jk} \to \delta_{ik}` or
:math:`\sin^2 x + \cos^2 x \to 1`. It looks at the node and at what is right below it; that it is
used where it helps, again and again, is the business of
`einsdiff.algebra.rewriting.simplification`. Adding a rule is writing a function below `rule`, which
says where it is tried; of those for one place, the first that helps is used.

A rule keeps the value wherever there is one. Some give a value also where there was none before,
as :math:`x / x \to 1` does at zero and :math:`\sin^2 u + \cos^2 u \to 1` where u has none: these
are marked ``widens``. Those marked ``is_real`` hold for real numbers only.

>>> A, x = variable("A", (3, 3)), variable("x", (3,))
>>> log, exp, inv = (FUNCTIONS[name] for name in ("log", "exp", "inv"))
>>> function_rules.inverse_function_real.apply(call(log, [call(exp, [x])]))
x
>>> matrix_rules.cancelled_inverse.apply(einsum([call(inv, [A]), A], ["ij", "jk"], "ik"))
Delta(3)
"""

from __future__ import annotations

from einsdiff.algebra.rewriting.rules import (
    function_rules,
    matrix_rules,
    product_rules,
    symbol_rules,
)
from einsdiff.algebra.rewriting.rules.patterns import Rule

#: The rules of the four modules, in the order in which they stand there.
RULES: tuple[Rule, ...] = tuple(
    found
    for module in (symbol_rules, function_rules, matrix_rules, product_rules)
    for found in vars(module).values()
    if isinstance(found, Rule)
)
