"""How derivatives come about, order by order.

>>> import einsdiff as ed
>>> print(derivation_of(ed.grad("x_i x_i", wrt="x_0").formula).steps[-1].sentence)
p is 0
"""

from __future__ import annotations

from einsdiff.display.derivation.board import Board
from einsdiff.display.derivation.derivation import Derivation, Step
from einsdiff.display.derivation.deriving import derive
from einsdiff.display.index.index_text import equation, format_heading, index_text
from einsdiff.display.index.lettering import Heading, axes_of
from einsdiff.display.index.printer import format_index, format_sides
from einsdiff.errors import OperandError
from einsdiff.expressions.formula import Formula
from einsdiff.expressions.made import before, is_derived
from einsdiff.notation.trees import letters_of


def derivation_of(formula: Formula, board: Board | None = None) -> Derivation:
    """Derive a formula from the function that it is the derivative of."""
    if not is_derived(formula):
        raise OperandError(
            "this is no derivative, so there is nothing to derive",
            text=formula.text,
            action="differentiate first, as in ed.grad(t, wrt=...).explain(); of what is "
            "computed from derivatives, as 2 * ed.grad(f, wrt=...), explain the derivative, "
            "or differentiate last: ed.grad(2 * f, wrt=...).explain()",
        )
    orders = [formula]
    while is_derived(orders[-1]):
        orders.append(before(orders[-1]))
    board = Board() if board is None else board
    board.avoided = frozenset(letter for each in orders for letter in each.heading.letters)
    found: Derivation | None = None
    for each in orders[-2::-1]:  # from the first derivative to the last
        if each.source is None:
            assert found is not None
            found = found.with_step(_made_step(each))
            continue
        function, wrt = each.source
        step = derive(
            function.normal_form, wrt, each.normal_form, each.heading, each.letters, board
        )
        found = step if found is None else found.followed_by(step)
    assert found is not None
    return found


def _made_step(formula: Formula) -> Step:
    """Write the step from the whole to a formula that is made of it."""
    assert formula.made_of is not None
    whole, key, known = formula.made_of
    left, right = format_sides(formula.normal_form, formula.heading, formula.letters)
    said = [
        f"`{letters_of([index])[0]}` is {k}"
        if isinstance(k, int)
        else f"`{letters_of([index])[0]}` becomes `{index_text(new)}`"
        for index, new, k in zip(
            whole.heading.wrt[-1][1] if key else (),
            formula.heading.wrt[-1][1] if key else (),
            key,
            strict=True,
        )
        if k is not None
    ]
    for v, node in known:
        axes = axes_of(node, formula.letters)
        text = equation(
            format_heading(Heading(v.name, axes)), format_index(node, axes, formula.letters)
        )
        said.append(f"`{text}`")
    nodes = (whole.normal_form, formula.normal_form)
    return Step("insert" if known else "entries", left, "", right, "; ".join(said), nodes)
