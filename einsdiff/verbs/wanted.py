"""What is differentiated by, where it is less than a variable, or what an expression is made of.

>>> import sys
>>> from einsdiff.verbs.sources.accept import read_expression
>>> f = read_expression(Arguments("A_ij x_j", (), None, {}, sys._getframe()))
>>> read_wrt("A", f, sys._getframe())
A
>>> part = read_wrt("A_0j", f, sys._getframe())
>>> part.variable, part.key, part.shape
(A, (0, None), ('n',))
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any, NoReturn
from unicodedata import normalize

from einsdiff.algebra.derivatives.entries import Key, key_of, shape_of
from einsdiff.algebra.nodes.graph import variables_of
from einsdiff.algebra.nodes.interning import Constant, Node, Shape, Variable, variable
from einsdiff.algebra.rewriting.occurrences import abstracted, inner_parts
from einsdiff.display.index.lettering import axes_of
from einsdiff.display.index.printer import format_index
from einsdiff.errors import (
    EinsdiffError,
    NameNotFoundError,
    OperandError,
    RangeError,
    ShapeError,
    SubscriptsError,
)
from einsdiff.expressions.evaluation import sizes_of
from einsdiff.expressions.formula import Formula, symbol
from einsdiff.expressions.made import definitions
from einsdiff.expressions.refusals import places_of, signature
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.notation.index_parser import parse_equation
from einsdiff.notation.letters import first_unused
from einsdiff.notation.names import name_of
from einsdiff.notation.trees import Index, Literal, Symbol
from einsdiff.verbs.sources.index_notation import read_index
from einsdiff.verbs.sources.source import Arguments, Source, find_variable


@dataclass(frozen=True, slots=True)
class Wanted:
    """Entries of a variable; or an expression that a variable stands for, or entries of it."""

    variable: Variable
    key: Key = ()  # one for each axis, or none at all for the whole
    node: Node | None = None  # what the variable stands for

    @property
    def shape(self) -> Shape:
        """The sizes of the axes that are left."""
        return shape_of(self.key, self.variable.shape) if self.key else self.variable.shape


def read_wrt(wrt: Any, function: Source, frame: FrameType) -> Variable | Wanted:
    """Read what to differentiate by: a variable, entries of one, or a part of the expression.

    Beside what `find_variable` finds, a text may be an entry, ``x_0`` or ``A_{0,1}``, a row or a
    column, ``A_0j``, or a slice as in Python, ``A[:, 1]``; the name of a part that was given as an
    expression; or an expression that occurs, ``A_ij x_j``, with or without a name for it,
    ``y_i = A_ij x_j``. A tensor may be such an expression, too.
    """
    if isinstance(wrt, Tensor) and not isinstance(wrt.expr, Variable):
        reader = _WrtReader(str(wrt), function)
        name = name_of(wrt, frame) or ""
        return reader.inner(wrt.formula, name if name not in reader.known else "")
    try:
        return find_variable(wrt, function, frame)
    except NameNotFoundError:
        part = _WrtReader(wrt, function).part() if isinstance(wrt, str) else None
        if part is None:
            raise
        return part


def names_wanted(wanted: Iterable[Any]) -> list[str]:
    """List the names that texts of entries begin with: they are operands that are wanted too.

    >>> names_wanted(["x_0", 1, "w_1[2]", "A"])
    ['x', 'w_1', 'w']
    """
    found: list[str] = []
    for w in wanted:
        if isinstance(w, str) and ("_" in w or "[" in w):
            head, bracket, _ = normalize("NFKC", w).strip().partition("[")
            found += [head.rstrip()] * bool(bracket)
            found += [head[:k] for k, char in enumerate(head) if char == "_" and k][::-1]
    return found


class _WrtReader:
    """Reads one text."""

    def __init__(self, text: str, function: Source) -> None:
        self.text = text.strip()
        self.function = function.tensor
        self.formula = function.tensor.formula
        #: Variables, and those that stand for expressions of them.
        self.known = {v.name: Wanted(v, (), node) for v, node in definitions(self.formula).items()}
        self.known.update((v.name, Wanted(v)) for v in self.formula.arguments)

    def fail(self, kind: type[EinsdiffError], headline: str, action: str) -> NoReturn:
        """Refuse the text, and list the names there are."""
        every = [part.variable for part in self.known.values()]
        text = self.formula.text
        raise kind(headline, text=text, shapes=signature(every), action=action)

    def part(self) -> Variable | Wanted | None:
        """Return what the text says; None if it is a name that there is not."""
        plain = normalize("NFKC", self.text)
        if plain in self.known:
            return self.known[plain]
        match = re.fullmatch(r"([^\[\]]+?)\s*\[([^\[\]]*)\]", plain)
        if match is not None and match[1] in self.known:
            return self.entries(self.known[match[1]], self.slices(self.known[match[1]], match[2]))
        try:
            equation = parse_equation(self.text, self.known)
        except SubscriptsError:
            if any(places_of(name, self.text) for name in self.known):
                raise
            return None  # it is no expression of these names
        tree = equation.right
        if isinstance(tree, Literal):
            return None
        if equation.left is None and isinstance(tree, Symbol):
            if tree.name not in self.known:
                return None
            return self.entries(self.known[tree.name], self.labels(tree))
        formula = self.read()
        name = formula.heading.name if equation.left is not None else ""
        return self.inner(formula, name)

    # Entries.

    def entries(self, part: Wanted, key: Key) -> Variable | Wanted:
        """Make a part of entries, unless these are all."""
        if all(k is None for k in key):
            return part.variable if part.node is None else part
        return Wanted(part.variable, key, part.node)

    def labels(self, tree: Symbol) -> Key:
        """Read the indices of an entry or a row: numbers, and letters for all there is."""
        v = self.known[tree.name].variable
        self.check_count(v, len(tree.labels))
        letters = [label for label in tree.labels if isinstance(label, str)]
        if len(set(letters)) < len(letters):
            self.fail(
                OperandError,
                f"wrt='{self.text}' has one letter twice",
                f"differentiate by wrt='{v.name}', and take the diagonal of that",
            )
        return tuple(self.label(v, axis, label) for axis, label in enumerate(tree.labels))

    def label(self, v: Variable, axis: int, label: Index) -> int | None:
        if isinstance(label, str):
            return None
        if label.terms:
            where = ", ".join([":"] * axis + ["1:"])
            self.fail(
                OperandError,
                f"wrt='{self.text}' has a sum among its indices",
                f"write a slice as in Python, wrt='{v.name}[{where}]'",
            )
        return self.position(v, axis, label.offset)

    def slices(self, part: Wanted, text: str) -> Key:
        """Read positions and slices as Python spells them."""
        v = part.variable
        items = [item.strip() for item in text.split(",")]
        if len(items) > 1 and not items[-1]:
            items.pop()
        if items.count("...") == 1:
            at = items.index("...")
            rest = [":"] * max(0, len(v.shape) - len(items) + 1)
            items[at : at + 1] = rest
        if len(items) < len(v.shape):
            items += [":"] * (len(v.shape) - len(items))
        self.check_count(v, len(items))
        return tuple(self.slice(v, axis, item) for axis, item in enumerate(items))

    def slice(self, v: Variable, axis: int, item: str) -> int | range | None:
        match = _SLICE.fullmatch(item)
        if match is None:
            self.fail(
                OperandError,
                f"'{item}' is no index, and no slice",
                f"write whole numbers, and slices as in Python: wrt='{v.name}[1:3]'",
            )
        start, colon, stop, step = match.groups()
        if not colon:
            return self.position(v, axis, int(start))
        bounds = [None if part is None else int(part) for part in (start, stop, step)]
        if bounds[0] in (None, 0) and bounds[1] is None and bounds[2] in (None, 1):
            return None
        if bounds[2] is not None and bounds[2] < 1:
            self.fail(
                OperandError,
                f"the slice {item} does not go forwards",
                "write one with a step from 1, and turn the result around: np.flip",
            )
        size = self.size(v, axis)
        if size is None:
            self.fail(
                ShapeError,
                f"the slice {item} needs the size of axis {axis} of '{v.name}', "
                f"which is called {v.shape[axis]}",
                f"give '{v.name}' with numbers for its sizes, or with its array",
            )
        return range(*slice(*bounds).indices(size))

    def position(self, v: Variable, axis: int, k: int) -> int:
        """Check a position, and count it from the start."""
        size = self.size(v, axis)
        if size is None and k < 0:
            self.fail(
                ShapeError,
                f"the index {k} needs the size of axis {axis} of '{v.name}', "
                f"which is called {v.shape[axis]}",
                f"give '{v.name}' with numbers for its sizes, or with its array",
            )
        if size is not None and not -size <= k < size:
            allowed = f"use one from 0 to {size - 1}" if size else "the axis is empty"
            self.fail(
                RangeError,
                f"index {k} is outside of axis {axis} of '{v.name}', whose size is {size}",
                f"{allowed}: indices count from 0",
            )
        return k if size is None else k % size

    def size(self, v: Variable, axis: int) -> int | None:
        """Return the size of an axis, if it is known."""
        size = v.shape[axis]
        if isinstance(size, str):
            return sizes_of(self.formula, self.function.values).get(size)
        return size

    def check_count(self, v: Variable, count: int) -> None:
        """Refuse another number of indices than there are axes."""
        if count == len(v.shape):
            return
        own = "1 axis" if len(v.shape) == 1 else f"{len(v.shape)} axes"
        given = "1 index" if count == 1 else f"{count} indices"
        action = f"write wrt='{v.name}', or an index for each axis"
        if "{" in self.text and "," not in self.text:
            action += f", with commas between: wrt='{v.name}_{{0,j}}'"
        match = re.fullmatch(r"(.+)_([0-9]+)", self.text)
        if len(v.shape) == 1 and match is not None:
            action = f"a number of more than one digit is in braces: wrt='{v.name}_{{{match[2]}}}'"
        self.fail(ShapeError, f"wrt='{self.text}' has {given}, and '{v.name}' {own}", action)

    # Expressions.

    def read(self) -> Formula:
        """Read the text as an expression of the names there are."""
        named: dict[str, Any] = {}
        for name, part in self.known.items():
            if places_of(name, self.text):
                v = part.variable
                formula = symbol(name, v.shape, v.symmetric, v.of)
                if part.node is not None:
                    inside = tuple(variables_of([part.node]))
                    formula = replace(formula, expr=part.node, arguments=inside)
                named[name] = Tensor(formula, {})
        found = read_index(Arguments(self.text, (), None, named, sys._getframe())).tensor.formula
        new = [v.name for v in found.arguments if v.name not in self.known]
        if new and not set(new) <= {v.name for v in definitions(self.formula)}:
            self.fail(
                NameNotFoundError,
                f"wrt='{self.text}' has '{new[0]}', which is not in this expression",
                f"write an expression of {' and '.join(self.known)} that occurs in it",
            )
        return found

    def inner(self, found: Formula, name: str) -> Variable | Wanted:
        """Find an expression within this one, and give it a name."""
        node = found.expr
        if isinstance(node, Variable) and node in self.formula.arguments:
            return node
        entries = key_of(node)
        if entries is not None and entries[0] in self.formula.arguments:
            return Wanted(*entries)
        if isinstance(node, Constant):
            self.fail(
                OperandError, f"wrt='{self.text}' is a number", "write a name, or an expression"
            )
        taken = {*self.known, *self.formula.heading.names}
        taken.update(str(size) for v in self.formula.arguments for size in v.shape)
        if name in self.known:
            self.fail(
                OperandError,
                f"'{name}' is a name in this expression already",
                f"call the part otherwise, as in '{first_unused('yzuvw', taken)}_i = ..'",
            )
        own = variable(name or first_unused("yzuvwstr", taken), node.shape)
        if abstracted(self.formula.expr, node, own) is None:
            there = self.there()
            self.fail(
                NameNotFoundError,
                f"wrt='{self.text}' does not occur in this expression as such",
                f"these do: {', '.join(there)}" if there else "differentiate by a variable",
            )
        return Wanted(own, (), node)

    def there(self) -> list[str]:
        """Write the shortest of the expressions that occur, and the names."""
        found = dict.fromkeys(repr(name) for name in self.known)
        for node in inner_parts(self.formula.expr)[:MOST_LISTED]:
            text = format_index(node, axes_of(node, self.formula.letters), self.formula.letters)
            if len(text) <= LONGEST_LISTED:
                found[repr(str(text))] = None
        return list(found)


#: So many expressions are listed of those that occur, of so many characters.
MOST_LISTED, LONGEST_LISTED = 6, 60

_WHOLE = "([-+]?[0-9]{1,18})?"
_SLICE = re.compile(rf"(?=.){_WHOLE}\s*(?:(:)\s*{_WHOLE}\s*(?::\s*{_WHOLE})?)?")
