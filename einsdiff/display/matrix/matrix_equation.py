"""An equation in matrix notation: the shortest of the forms that ways of rewriting give."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from operator import itemgetter

from einsdiff.algebra.nodes.effort import within
from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import Node, Variable
from einsdiff.algebra.rewriting.simplification import collect, expand
from einsdiff.display.index.index_text import Written, bare_partial, part_name
from einsdiff.display.index.latex_names import latex_text
from einsdiff.display.index.lettering import Heading
from einsdiff.display.matrix.failing import NoMatrixFormError
from einsdiff.display.matrix.forms import Form, cost, named, number, subforms, transpose, zeros
from einsdiff.display.matrix.reader import lengths, matrix_form
from einsdiff.display.matrix.stacks import stacked
from einsdiff.display.matrix.writers import SPELLED, write, write_latex
from einsdiff.errors import OperandError
from einsdiff.notation.subscripts import Size
from einsdiff.notation.trees import Index, Symbol, letters_of


@dataclass(frozen=True, slots=True)
class MatrixEquation:
    """A left-hand side and a matrix."""

    function: tuple[str, bool]  # its name, and whether it is a vec
    by: tuple[tuple[str, bool], ...]  # the same of what it is differentiated by
    form: Form  # the right-hand side
    note: str  # the layout and the vec order, or whose shape it has
    rows: tuple[int, ...]  # the axes of the tensor that are rows
    columns: tuple[int, ...]
    names: frozenset[str] = frozenset()  # what variables are called
    owner: str = ""  # whose shape it has, if that is said
    sized: frozenset[Form] = frozenset()  # the vectors of ones and unit vectors written with sizes
    shape: tuple[Size, ...] = ()  # that of the function, if it is said

    @property
    def right(self) -> str:
        """The right-hand side as text."""
        return write(self.form, self.names, self.sized)

    @property
    def left(self) -> str:
        """The left-hand side as text."""
        names = [f"vec({name})" if is_vec else name for name, is_vec in (self.function, *self.by)]
        if not self.by:
            return names[0]
        return bare_partial(names[0], names[1:])

    @property
    def is_unusual(self) -> bool:
        """Whether one would read something else without the note."""
        if self.note.startswith("denominator") or self.shape:
            return True
        has_vec = any(is_vec for _, is_vec in (self.function, *self.by))
        has_order = any(part.op in ("vec", "commutation") for part in subforms(self.form))
        return self.note.endswith("order F") and (has_vec or has_order)

    @property
    def text(self) -> str:
        """The equation, and the note in brackets."""
        whole = self.right if self.left == self.right else f"{self.left} = {self.right}"
        return f"{whole}  ({self.whole_note})" if self.whole_note else whole

    @property
    def whole_note(self) -> str:
        """The note, with the shape of the function."""
        shape = " by ".join(map(str, self.shape))
        said = f"{self.function[0]} has shape {shape}" if shape else ""
        return ", ".join(filter(None, (self.note, said)))

    @property
    def latex(self) -> str:
        """The equation as LaTeX, with the note where the layout or the vec order is not usual."""
        names = [
            rf"\operatorname{{vec}}({_latex_heading(name)})" if is_vec else _latex_heading(name)
            for name, is_vec in (self.function, *self.by)
        ]
        left = names[0]
        if self.by:
            order = f"^{len(self.by)}" if len(self.by) > 1 else ""
            below = r" \, ".join(rf"\partial {name}" for name in names[1:])
            left = rf"\frac{{\partial{order} {left}}}{{{below}}}"
        right = write_latex(self.form, self.names, self.sized)
        text = right if left == right else f"{left} = {right}"
        return rf"{text} \quad {latex_text(f'({self.whole_note})')}" if self.is_unusual else text


def _latex_heading(name: str) -> str:
    return write_latex(named(name, 0))


def matrix_equation(
    node: Node,
    heading: Heading,
    domain: int | None,
    names: Sequence[str],
    layout: str | None = None,
    order: str = "C",
    is_real: bool = True,
) -> MatrixEquation:
    """Write a tensor as a matrix, in the shortest form that is found.

    Without a layout it is what is usual: the derivative of a number by a matrix has the shape of
    the matrix, a second derivative of a number is the Hessian, and everything else is in numerator
    layout. The domain has the last axes; names are in the order in which the user wrote them.
    """
    axes = tuple(range(len(node.shape)))
    split = len(axes) - (domain or 0)
    rows, columns = axes[:split], axes[split:]
    groups = heading.wrt
    owner = "" if domain is None or layout is not None else _owner(heading, rows, columns)
    note = f"{layout or 'numerator'} layout, vec order {order}"
    if domain is None or owner:
        rows, columns = axes[:1], axes[1:]
        note = f"in the shape of {owner}" if owner else ""
    elif layout is None and len(groups) == 2 and not heading.axes:
        note = f"Hessian, vec order {order}"
    is_vec = len(rows) > 1 and bool(heading.axes)
    function = heading.name, is_vec
    by = tuple((_called(name, own), not owner and len(letters_of(own)) > 1) for name, own in groups)
    if is_vec and len(groups) > 1:
        head = bare_partial(heading.name, [_called(*group) for group in groups[:-1]])
        function, by = (head, True), by[-1:]
    known = _names(node).union(names)
    form = _shortest(node, rows, columns, order, names, is_real, known)
    _check_functions(form, known)
    for name, own in ((heading.name, heading.axes), *groups):
        if form == number(0) and len(letters_of(own)) > 2:
            raise NoMatrixFormError(f"{name} has {len(letters_of(own))} axes")
    if form == number(0) and node.shape and (heading.axes or domain is None):
        form = _zeros(node.shape, rows, columns, order)
    if domain is None and len(axes) > 2:
        raise NoMatrixFormError(f"it has {len(axes)} axes")
    if layout == "denominator" and domain is not None:
        form, rows, columns = transpose(form), columns, rows
    if max(len(rows), len(columns)) < 2:
        sizes = [[node.shape[axis] for axis in side] for side in (rows, columns)]
        form = stacked(form, *(side[0] if side else 1 for side in sizes))
    if layout is None and not rows and not columns:  # a number has no layout
        note = ""
    has_order = any(part.op in ("vec", "commutation") for part in subforms(form))
    if has_order and (owner or not note):
        note = f"{note}, vec order {order}".removeprefix(", ")
    return MatrixEquation(function, by, form, note, rows, columns, known, owner)


def _zeros(shape: Sequence[Size], rows: Sequence[int], columns: Sequence[int], order: str) -> Form:
    """Return a matrix of zeros, with the sizes that its rows and its columns are made of."""
    sides = [[shape[axis] for axis in side] for side in (rows, columns)]
    above, below = (side if order == "C" else side[::-1] for side in sides)
    return zeros(above, below or None) if above else transpose(zeros(below, None))


def _owner(heading: Heading, rows: Sequence[int], columns: Sequence[int]) -> str:
    """Return the name of the matrix whose shape a derivative by a number, or of one, has."""
    if sorted((len(rows), len(columns))) != [0, 2]:
        return ""
    shaped = [(heading.name, heading.axes), *heading.wrt]
    found = [name for name, own in shaped if len(letters_of(own)) == 2]
    if found:
        return Written(found[0], Symbol(found[0]))
    return bare_partial(heading.name, [_called(*group) for group in heading.wrt[:-1]])


def _called(name: str, indices: Sequence[Index]) -> str:
    """Write what is differentiated by: a variable or an entry of it."""
    called = part_name(name, indices)
    if called != name and letters_of(indices):
        raise NoMatrixFormError(f"it is a derivative by a part of '{name}'")
    return called


def _names(node: Node) -> frozenset[str]:
    """List the names of variables, and of sizes that could be taken for a product of them."""
    parts = topological([node])
    names = {part.name for part in parts if isinstance(part, Variable)}
    for part in parts:
        if isinstance(part, Variable) and part.derivative is not None:
            base, by = part.derivative
            names.update(variable.name for variable in (base, *by))
    sizes = {size for part in parts for size in part.shape if isinstance(size, str)}
    return frozenset(names.union(size for size in sizes if names.issuperset(size)))


def _check_functions(form: Form, names: Collection[str]) -> None:
    """Raise an error if a variable is called like a function in the form."""
    for part in subforms(form):
        name = part.value[0] if part.op == "apply" else SPELLED.get(part.op, "")
        if part.op == "power" and part.value == Fraction(1, 2):
            name = "sqrt"
        if name in names:
            raise NoMatrixFormError(f"'{name}' is a variable and a function")


def _regrouped(node: Node) -> Node:
    return collect(expand(node))


#: Expressions with more nodes, or more factors when written out, are not rewritten to find a
#: shorter matrix form, nor those for which that takes more steps (see
#: `einsdiff.algebra.nodes.effort`).
MOST_REWRITTEN = 400
MOST_COLLECTED = 3000
MOST_STEPS = 2000
#: Ways to write an expression, and how much its length counts: what is multiplied out says less
#: about where it comes from, and has to be much shorter.
_WAYS = ((collect, 1.0), (expand, 1.25), (_regrouped, 1.5))


def _shortest(
    node: Node,
    rows: tuple[int, ...],
    columns: tuple[int, ...],
    order: str,
    names: Sequence[str],
    is_real: bool,
    known: Collection[str],
) -> Form:
    """Return the shortest form of an expression, also with brackets taken out or written out."""
    place = {name: k for k, name in enumerate(names)}
    found: list[tuple[float, Form]] = []
    reason: NoMatrixFormError | None = None
    for weight, new in _ways(node):
        try:
            form = matrix_form(new, rows, columns, order, place, is_real, known)
            found.append((weight * cost(form), form))
        except NoMatrixFormError as error:
            reason = reason or error
    if not found:
        assert reason is not None
        raise reason
    return min(found, key=itemgetter(0))[1]


@lru_cache(maxsize=16)  # the same for each layout and order
def _ways(node: Node) -> tuple[tuple[float, Node], ...]:
    """Rewrite an expression in all ways that do not take long, each with its weight."""
    is_small = len(topological([node])) <= MOST_REWRITTEN and lengths(node)[0] <= MOST_COLLECTED
    found: dict[Node, float] = {node: 1}
    for rewrite, weight in _WAYS if is_small else ():
        new = within(MOST_STEPS, partial(_rewritten, rewrite, node), lambda: None)
        if new is not None:
            found.setdefault(new, weight)
    return tuple((weight, new) for new, weight in found.items())


def _rewritten(rewrite: Callable[[Node], Node], node: Node) -> Node | None:
    try:
        return rewrite(node)
    except OperandError:  # too long to be written out
        return None
