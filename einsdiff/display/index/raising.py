r"""Upper and lower indices of what is printed: each stands where it stood at its operand.

A derivative has its label at the level of what it is taken by, :math:`\partial f/\partial x^p`, and
on the right-hand side at the other one. Deltas and permutation symbols, which have no levels of
their own, take those that their labels have on the left, or the ones opposite to a factor's.

>>> left, right = Symbol("f", ("i",)), parse_index("A_ij x_j")
>>> levels = {"A": (True, False), "x": (True,)}
>>> [symbol.raised for symbol, _ in raised(left, right, levels)[1].factors]
[(True, False), (True,)]
>>> raised(left, right, levels)[0].raised
(True,)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from einsdiff.display.index.index_text import Written, write
from einsdiff.display.index.lettering import Letters
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.levels import SIGNS
from einsdiff.notation.trees import (
    Apply,
    Compare,
    Equation,
    Over,
    Partial,
    Power,
    Product,
    Sum,
    Symbol,
    Tree,
    bracketed,
    letters_of,
    symbols_of,
    walk,
)

Levels = Mapping[str, tuple[bool, ...]]


def at_levels(
    left: Written, right: Written, letters: Letters, names: Iterable[str]
) -> tuple[Written, Written]:
    """Write both sides of an equation with upper indices, if there are any.

    >>> letters = Letters({}, {"x": (True,)})
    >>> at_levels(write(Symbol("f", ("i",))), write(Symbol("x", ("i",))), letters, ())
    ('f^i', 'x^i')
    """
    if not letters.levels:
        return left, right
    assert isinstance(left.tree, Symbol | Partial)
    assert not isinstance(right.tree, Equation)
    head, tree = raised(left.tree, right.tree, letters.levels)
    return write(head, names if "{" in left else ()), write(tree, names)


def raised(left: Symbol | Partial, right: Tree, levels: Levels) -> tuple[Symbol | Partial, Tree]:
    """Put the labels of both sides of an equation at their levels, known for some names."""
    known = dict(_known([right], levels))
    free: dict[str, bool] = {}
    for k, symbol in enumerate(symbols_of(left)):
        own = levels.get(symbol.name, ())
        for at, index in enumerate(symbol.labels):
            for letter in letters_of([index]):
                told = own[at] != (k > 0) if len(own) == len(symbol.labels) else None
                free[letter] = known.get(letter, False) if told is None else told
    head: Symbol | Partial
    if isinstance(left, Symbol):
        head = _at(left, free)
    else:
        turned = {letter: not is_upper for letter, is_upper in free.items()}
        head = replace(left, base=_at(left.base, free), wrt=tuple(_at(z, turned) for z in left.wrt))
    return head, run(_raised(right, levels, free))


def _known(trees: Iterable[Tree], levels: Levels) -> Iterator[tuple[str, bool]]:
    """Yield the labels of names whose levels are known; below a derivative they are turned."""
    for tree in walk(*trees, into=_parts):
        for k, symbol in enumerate(symbols_of(tree)):
            own = levels.get(symbol.name, ())
            if len(own) == len(symbol.labels):
                for index, is_upper in zip(symbol.labels, own, strict=True):
                    yield from ((letter, is_upper != (k > 0)) for letter in letters_of([index]))


def _parts(tree: Tree) -> list[Tree]:
    match tree:
        case Sum(terms):
            return [term for _, term in terms]
        case Product(factors):
            return [factor for factor, _ in factors]
        case Over(body=body):
            return [body]
        case Power(base=base):
            return [base]
        case Apply(arguments=arguments):
            return list(arguments)
    return []


def _at(symbol: Symbol, level: Mapping[str, bool]) -> Symbol:
    """Put the labels of a name at their levels, lower ones where nothing is known."""
    found = []
    for index in symbol.labels:
        letter = next(iter(letters_of([index])), "")
        found.append(level.get(letter, False))
    return replace(symbol, raised=tuple(found)) if any(found) else symbol


def _own(symbol: Symbol, levels: Levels) -> Symbol:
    own = levels.get(symbol.name, ())
    is_whole = len(own) == len(symbol.labels)
    return replace(symbol, raised=own) if is_whole and any(own) else symbol


def _raised(tree: Tree, levels: Levels, free: Mapping[str, bool]) -> Job[Tree]:
    """Put the labels of a tree at their levels; those of `free` labels are known."""
    match tree:
        case Symbol(name=name):
            return _at(tree, free) if name in SIGNS and name not in levels else _own(tree, levels)
        case Partial(base, wrt):
            return replace(tree, base=_own(base, levels), wrt=tuple(_own(z, levels) for z in wrt))
        case Product(factors):
            # A label that is summed stands at both levels: a sign has it at the one that is left.
            inner = dict(free)
            for label, is_upper in _known([factor for factor, _ in factors], levels):
                if label not in free:
                    inner[label] = not is_upper
            found: list[tuple[Tree, int]] = []
            for factor, exponent in factors:
                new: Tree = yield _raised(factor, levels, inner)
                found.append((new, exponent))
                if isinstance(factor, Symbol) and factor.name in SIGNS:
                    for label in letters_of(factor.labels):
                        if label not in free:
                            inner[label] = not inner.get(label, False)
            return replace(tree, factors=tuple(found))
        case Sum(terms):
            summands: list[tuple[int, Tree]] = []
            for sign, term in terms:
                summands.append((sign, (yield _raised(term, levels, free))))
            return replace(tree, terms=tuple(summands))
        case Over(body=body):
            return replace(tree, body=(yield _raised(body, levels, free)))
        case Power(base=base, exponent=exponent):
            below: Tree = yield _raised(base, levels, free)
            above: Tree = yield _raised(exponent, levels, free)
            if isinstance(above, Symbol):  # which could be an upper index
                above = bracketed(above)
            return replace(tree, base=below, exponent=above)
        case Compare(left=left, right=right):
            sides = []
            for side in (left, right):
                is_tree = isinstance(side, Symbol) and bool(side.labels)
                is_tree |= isinstance(side, Sum | Product | Power | Apply)
                sides.append((yield _raised(side, levels, free)) if is_tree else side)  # type: ignore[arg-type]
            return replace(tree, left=sides[0], right=sides[1])
        case Apply(arguments=arguments):
            args: list[Tree] = []
            for argument in arguments:
                args.append((yield _raised(argument, levels, free)))
            return replace(tree, arguments=tuple(args))
    return tree
