r"""Which names in a text are the permutation symbol: ``ε_ijk``, unless ε is an operand.

A vector ``ε_i`` and a scalar ε are operands, as noise and small numbers are; so is what is given as
one, and what something is differentiated by.

>>> from einsdiff.notation.index_parser import parse_equation
>>> [symbol.labels for symbol in epsilons(parse_equation("f_i = ε_ijk a_j b_k"), (), print)]
[('i', 'j', 'k')]
>>> epsilons(parse_equation("y_i = A_ij x_j + ε_i"), (), print)
[]
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

from einsdiff.algebra.nodes.levi_civita import MOST_PERMUTED
from einsdiff.notation.subscripts import Size
from einsdiff.notation.trees import Apply, Equation, Partial, Symbol, letters_of, symbols_of, walk

#: The names of the symbol.
EPSILONS = ("ε", "eps", "epsilon", "varepsilon")


def epsilons(
    equation: Equation, given: Container[str], fail: Callable[[str, Iterable[int], str], object]
) -> list[Symbol]:
    """List the names in an equation that stand for the permutation symbol.

    Those of `given` names are operands, as are those with fewer than two labels. What has a label
    twice, as a tensor of strains has, or more labels than anyone writes, is refused by `fail`, of a
    headline, columns, and what to write.
    """
    found: dict[str, list[Symbol]] = {}
    operands: set[str] = set()
    if isinstance(equation.left, Partial):
        operands.update(symbol.name for symbol in symbols_of(equation.left))
    for part in walk(equation.right):
        symbol = part.symbol if isinstance(part, Apply) else part
        if isinstance(part, Partial):
            operands.update(inner.name for inner in symbols_of(part))
        elif isinstance(symbol, Symbol) and symbol.name in EPSILONS and symbol.name not in given:
            found.setdefault(symbol.name, []).append(symbol)
    symbols = [
        symbol
        for name, all_there in found.items()
        if name not in operands and all(len(symbol.labels) > 1 for symbol in all_there)
        for symbol in all_there
    ]
    for symbol in symbols:
        name, labels, n = symbol.name, letters_of(symbol.labels), len(symbol.labels)
        twice = [label for label in labels if labels.count(label) > 1]
        if twice:
            fail(
                f"'{twice[0]}' stands twice at the permutation symbol {name}, which is 0 then",
                symbol.columns,
                f"give {name} as an operand, if it is one: {name}='{'n' * n}'; the permutation "
                "symbol has each label once: ε_ijk",
            )
        if n > MOST_PERMUTED:
            fail(
                f"the permutation symbol {name} has {n} labels",
                symbol.columns,
                f"{MOST_PERMUTED} are the most; give {name} as an operand, if it is one",
            )
    return symbols


def epsilon_name(labels: int) -> str:
    """Return what the permutation symbol of so many labels is called among operands.

    >>> epsilon_name(3)
    'ε of 3 labels'
    """
    return f"ε of {labels} labels"


def symbol_sizes(*said: tuple[Size, str, int | None]) -> str:
    """Say what to write where an axis has another size than a symbol's labels; else "".

    >>> symbol_sizes((3, "ε of 3 labels", 2), ("n", "a", 9)).partition(":")[0]
    'the labels of ε are as many as their values'
    """
    names = [epsilon_name(size) for size, _, _ in said if isinstance(size, int)]
    count = next((size for size, by, _ in said if by in names), None)
    if count is None:
        return ""
    return (
        f"the labels of ε are as many as their values: write {count} for the size, a={count} for a "
        f"vector and A=({count}, {count}) for a matrix, or give ε as an operand"
    )
