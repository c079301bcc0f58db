r"""What a text of index notation says only by accident: signs and spellings of other notations.

Every word is a name in index notation, so that much can be read that nobody means: ``x^T A x`` is a
product of three numbers, one of them to the power of another, and ``sum_i x_i`` the product of two
vectors. A text of which that is likely is refused, with what to write instead. What is given as an
operand is that operand: then the text is clear.

>>> def fail(headline, columns, action):
...     raise ValueError(f"{headline}; {action.partition(' for')[0]} ..")
>>> Doubts(frozenset(), frozenset(), frozenset(), {}, fail, bool, bool).check(
...     parse_index("x^T x")
... )
Traceback (most recent call last):
ValueError: '^T' would be a power; a transpose is written by the order of the labels: A_ji ..
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from keyword import kwlist
from typing import Never

from einsdiff.algebra.nodes.function_records import FUNCTIONS
from einsdiff.algebra.reading.choice import is_word
from einsdiff.notation.hints import BEFORE_FACTORS, INSTEAD, by_meaning
from einsdiff.notation.trees import (
    Apply,
    Compare,
    Literal,
    Power,
    Product,
    Sum,
    Symbol,
    Tree,
    below,
    inverse,
    walk,
)

#: Names that are always meant as signs, unless they are operands.
_SIGNS = {
    **dict.fromkeys(("sum", "Sum", "SUM"), "write the sign of a sum: Σ_i x_i"),
    "Π": "write the labels of a product below its sign: Π_i x_i",
    **dict.fromkeys(("delta", "Delta", "kronecker"), "write the sign of the delta: δ_ij"),
    **dict.fromkeys(
        ("eps", "epsilon", "levicivita"),
        "write the permutation symbol with its labels: ε_ijk a_j b_k",
    ),
    **dict.fromkeys(("inf", "infty"), "write ∞"),
    **dict.fromkeys(
        set(kwlist) - {"lambda"},
        "a formula has no words; write a condition in brackets: [x_i > 0] y_i",
    ),
}
#: Exponents that stand for a transpose.
_TRANSPOSES = ("T", "H")
_TRANSPOSE = (
    "a transpose is written by the order of the labels: A_ji for the transpose of A_ij, and "
    "x_i A_ij x_j for the product of a row, a matrix and a column"
)
#: What is usually written after a function without brackets: sinx, logp.
_USUAL = frozenset("xyzuvwθφα")


#: Names of letters, which are signs where they have labels.
_LETTERS = ("delta", "Delta", "epsilon")


@dataclass(frozen=True)
class Doubts:
    """Refuses what is likely to mean something else.

    `given` are the names of operands and sizes that are given, `shaped` those of them whose number
    of axes is known, `labels` all labels of the text, `bound` those that a left-hand side or a sum
    names, with whether a sum does. `fail` raises an error of a headline,
    columns, and what to write. `is_index` tells whether a comparison is one of indices, whose names
    are labels, and `is_product` whether a name before a bracket is a factor.
    """

    given: Collection[str]
    shaped: Collection[str]
    labels: Collection[str]
    bound: Mapping[str, bool]
    fail: Callable[[str, Iterable[int], str], Never]
    is_index: Callable[[Compare], bool]
    is_product: Callable[[Apply], bool]

    def check(self, tree: Tree) -> None:
        """Raise what `fail` raises, if something else is likely to be meant."""
        parts = list(self.walk(tree))
        names = (part.symbol if isinstance(part, Apply) else part for part in parts)
        symbols = [name for name in names if isinstance(name, Symbol) and self.is_new(name)]
        powers = [part for part in parts if isinstance(part, Power)]
        raised = {id(power.exponent) for power in powers}
        self.transposes(symbols, powers)
        for symbol in symbols:
            self.name(symbol, id(symbol) in raised)
            self.glued(symbol, {other.name for other in symbols})
        for part in parts:
            if isinstance(part, Power):
                self.power(part)
            elif isinstance(part, Product | Apply):
                self.product(part)

    def walk(self, tree: Tree) -> Iterator[Tree]:
        """Yield the parts of a tree in the order of the text, calls only if they are products.

        The names of indices are not among them, nor is the power in the inverse ``(K^-1)_ij``.
        """

        def into(part: Tree) -> Sequence[Tree]:
            if isinstance(part, Apply) and part.labels is not None:
                return (inverse(part.arguments, ()) or part).arguments
            return [] if isinstance(part, Compare) and self.is_index(part) else below(part)

        for part in walk(tree, into=into):
            if not isinstance(part, Apply) or self.is_product(part):
                yield part

    def is_new(self, symbol: Symbol) -> bool:
        """Tell whether a name stands for what nobody has given."""
        return symbol.name not in self.given and symbol.name != "δ"

    # Names.

    def name(self, symbol: Symbol, is_raised: bool) -> None:
        """Check a name by itself."""
        name, shown = symbol.name, _word(symbol)
        if name in _SIGNS and (symbol.labels or name not in _LETTERS):
            action = _SIGNS[name] if name in kwlist else _given(_SIGNS[name], symbol)
            self.fail(f"'{name}' is no operand here", shown, action)
        is_connection = name == "Γ" and len(symbol.labels) > 1  # of differential geometry
        is_meant = name in INSTEAD and name not in BEFORE_FACTORS and not is_connection
        if is_word(name) or is_meant:
            action = INSTEAD.get(name) or f"write brackets: {name}(x), and {name}(x)^2 for a power"
            self.fail(f"'{name}' is a function", shown, _given(action, symbol))
        if symbol.labels or name not in self.labels:
            return
        if self.bound.get(name, False) if is_raised else name in self.bound:
            return
        if is_raised:
            self.fail(
                f"'{name}' is a label and an exponent",
                shown,
                f"write Σ_{name} before the term for powers, Σ_{name} a_{name} x^{name}, and upper "
                "indices as lower ones, x_i x_i",
            )
        self.fail(
            f"'{name}' is a label and a number",
            shown,
            f"an index as a number counts from 0: write Σ_{name} before the term, or {name} on the "
            f"left-hand side; if '{name}' is a scalar, give it as an operand: {name}=''",
        )

    def glued(self, symbol: Symbol, names: Collection[str]) -> None:
        """Check for a function and its argument in one word: ``sinx``."""
        name, argument = symbol.name[:-1], symbol.name[-1:]
        function = FUNCTIONS.get(name)
        is_one = name == "ln" or (function is not None and function.ranks == (0,))
        if is_one and (argument in _USUAL or argument in names):
            self.fail(
                f"'{symbol.name}' is one name",
                _word(symbol),
                _given(f"write brackets for the function: {name}({argument})", symbol),
            )

    # Powers.

    def transposes(self, symbols: Iterable[Symbol], powers: Iterable[Power]) -> None:
        """Check for exponents that are a sign of the transpose: ``x^T``."""
        raised = [exponent for power in powers for exponent in _exponents(power)]
        for name in _TRANSPOSES:
            all_there = {id(symbol) for symbol in symbols if symbol.name == name}
            signs = [e for e in raised if e.name == name and not e.labels and id(e) in all_there]
            if signs and len(signs) == len(all_there):
                columns = [column for sign in signs for column in _word(sign)]
                self.fail(f"'^{name}' would be a power", columns, _given(_TRANSPOSE, signs[0]))

    def power(self, tree: Power) -> None:
        """Check for upper and lower indices, and for inverses."""
        base, exponent = tree.base, tree.exponent
        if not isinstance(base, Symbol):
            return
        if base.labels:
            self.inverse_of_entries(base, exponent)
            return
        if isinstance(exponent, Symbol) and exponent.labels and base.name != "e":
            if exponent.name in _TRANSPOSES and self.is_new(exponent):
                self.fail(f"'^{exponent.name}' would be a power", _word(exponent), _TRANSPOSE)
            both = {base.name, exponent.name}
            if not both.issubset(self.shaped):
                labels = (n if isinstance(n, str) else str(n.offset) for n in exponent.labels)
                lower = f"_{''.join(labels)}"
                self.fail(
                    f"'{base.name}^{exponent.name}{lower}' has an upper and a lower index, "
                    "or is a power",
                    [*_word(base), *_word(exponent)],
                    f"write {base.name}{lower}^{exponent.name} or "
                    f"{base.name}^({exponent.name}{lower}) for a power, and all indices below: "
                    f"{base.name}_ij",
                )
        if _number(exponent) == -1:
            self.matrix(base, f"write inv({base.name})_ij for its inverse")
        if not self.labels:
            self.matrix(
                base,
                f"write {base.name}_ij {base.name}_jk for its square, {base.name}_ij^2 for "
                "the squares of its entries",
            )

    def inverse_of_entries(self, base: Symbol, exponent: Tree) -> None:
        """Check for ``A_ij^-1``, which some write for entries of the inverse matrix."""
        labels = [label for label in base.labels if isinstance(label, str)]
        if _number(exponent) == -1 and len(labels) == len(set(labels)) == len(base.labels) == 2:
            shown = "".join(labels)
            self.fail(
                f"'{base.name}_{shown}^-1' is a number's inverse or a matrix's",
                _word(base),
                f"write 1 / {base.name}_{shown} for that of each entry, "
                f"({base.name}^-1)_{shown} for that of the matrix",
            )

    # Products.

    def product(self, tree: Product | Apply) -> None:
        """Check for products of matrices, derivatives as fractions, and words."""
        factors = tree.factors if isinstance(tree, Product) else ((tree, 1),)
        flat: list[tuple[Tree, int]] = []
        for factor, exponent in factors:
            if isinstance(factor, Apply) and self.is_product(factor):
                flat += [(factor.symbol, exponent), (factor.arguments[0], 1)]
            else:
                flat.append((factor, exponent))
        self.fraction(flat)
        for (factor, exponent), (_, after) in pairwise(flat):
            is_word = (
                isinstance(factor, Symbol) and factor.name in BEFORE_FACTORS and self.is_new(factor)
            )
            if is_word and exponent == after == 1:
                assert isinstance(factor, Symbol)
                action = by_meaning(factor.name, "index")
                self.fail(
                    f"'{factor.name}' is no operand here", _word(factor), _given(action, factor)
                )
        if self.labels or sum(_number(factor) is None for factor, _ in flat) < 2:
            return
        for factor, _ in flat:
            for part in self.walk(factor):
                if isinstance(part, Symbol):
                    self.matrix(
                        part,
                        "write labels: A_ij x_j is a matrix times a vector, A_ij B_jk a "
                        "product of matrices",
                    )

    def matrix(self, symbol: Symbol, action: str) -> None:
        """Check for a name that matrices have: one that begins with a capital letter."""
        name = symbol.name
        if name[0].isupper() and not (symbol.labels or name in self.shaped or name in self.labels):
            headline = f"'{name}' is likely to be a matrix"
            self.fail(headline, _word(symbol), _given(action, symbol))

    def fraction(self, factors: Iterable[tuple[Tree, int]]) -> None:
        """Check for derivatives as fractions: ``d/dx``, ``dy/dx``."""
        above = [s for factor, n in factors if n == 1 for s in _bases(factor)]
        under_it = [s for factor, n in factors if n == -1 for s in _bases(factor)]
        for over in above:
            for under in under_it:
                is_d = over.name.startswith("d") and under.name.startswith("d")
                if is_d and len(under.name) > 1 and self.is_new(over) and self.is_new(under):
                    self.fail(
                        f"'{over.name}/{under.name}' would be a fraction",
                        [*_word(over), *_word(under)],
                        f"take the derivative with ed.grad(text, wrt='{under.name[1:]}'); "
                        "∂x_i/∂z_p is the derivative of an unspecified function",
                    )


# --- trees ------------------------------------------------------------------------------------


def _exponents(tree: Power) -> list[Symbol]:
    """List the name that an exponent is, with or without brackets and a sign."""
    exponent: Tree = tree.exponent
    while True:
        if isinstance(exponent, Sum) and len(exponent.terms) == 1:
            ((_, exponent),) = exponent.terms
        elif isinstance(exponent, Product) and isinstance(exponent.factors[0][0], Literal):
            exponent = exponent.factors[-1][0]
        elif isinstance(exponent, Apply):  # x^T(..), of which the bracket is a factor
            return [exponent.symbol]
        else:
            return [exponent] if isinstance(exponent, Symbol) else []


def _bases(tree: Tree) -> list[Symbol]:
    """List the name that a factor is, or is a power of, if it has no labels."""
    base = tree.base if isinstance(tree, Power) else tree
    return [base] if isinstance(base, Symbol) and not base.labels else []


def _number(tree: Tree) -> object:
    """Return the number that a tree is, None if it is none."""
    while isinstance(tree, Sum) and len(tree.terms) == 1 and tree.terms[0][0] == 1:
        tree = tree.terms[0][1]
    return tree.value if isinstance(tree, Literal) else None


def _word(symbol: Symbol) -> range:
    return range(symbol.column, symbol.column + len(symbol.name))


def _given(action: str, symbol: Symbol, what: str = "a number") -> str:
    """Say what to write, and how to say that a name is meant."""
    name = symbol.name
    if symbol.labels:
        return f"{action}; if {name} is an operand, give it by name, as an array or a shape"
    return f"{action}; if {name} is {what}, give it as an operand: {name}=''"
