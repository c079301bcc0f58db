"""Expressions whose operands are matched by their names, in any notation that has names."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from types import FrameType
from typing import Any, NamedTuple
from unicodedata import normalize

from einsdiff.algebra.nodes.function_records import parted_names
from einsdiff.algebra.nodes.graph import dependencies, topological, variables_of
from einsdiff.algebra.nodes.interning import Variable
from einsdiff.algebra.reading.equation import Reading
from einsdiff.display.index.lettering import Heading, Letters
from einsdiff.errors import BindingError, OperandError
from einsdiff.expressions.combining import checked_arrays, join_values
from einsdiff.expressions.dimensions import check_dimensions
from einsdiff.expressions.formula import Formula, joined_arguments, joined_least
from einsdiff.expressions.refusals import places_of
from einsdiff.expressions.tensor_class import Tensor, as_shape
from einsdiff.notation.names import as_name, name_of
from einsdiff.notation.subscripts import Size, as_size, is_index
from einsdiff.notation.trees import letters_of
from einsdiff.numeric.libraries.operands import Array, as_array
from einsdiff.numeric.libraries.xarray import KNOWN, own_name
from einsdiff.verbs.sources.named_texts import texts_among, with_texts
from einsdiff.verbs.sources.source import Arguments, Source

#: What is known of operands: for each name the formula of a tensor, a shape, or nothing more.
Known = tuple[tuple[str, Formula | tuple[Size, ...] | None], ...]


class Grammar(NamedTuple):
    """What a notation says of a text."""

    #: The names in a text, if these are known.
    names_in: Callable[[str, frozenset[str]], Container[str]]
    #: The shapes of the operands, with names for all sizes.
    shapes_in: Callable[[str], Mapping[str, tuple[Size, ...]]]
    #: Whether a name that has a number stands for a size.
    is_size: Callable[[str, str], bool]
    #: What the text says, with what is known of operands and sizes.
    reading: Callable[[str, Known, tuple[tuple[str, Size], ...]], Reading]
    notation: str  # what it is called


def read_named(arguments: Arguments, grammar: Grammar) -> Source:
    """Read a text; operands are matched by name, nameless ones by order."""
    texts = texts_among(arguments.named)
    if texts:
        return with_texts(arguments, texts, lambda given: read_named(given, grammar))
    text, named = arguments.expression, arguments.named
    sizes, frame = arguments.sizes or {}, arguments.frame
    given: dict[str, Any] = {}
    sources: list[tuple[Any, str]] = []
    nameless: list[Any] = []
    called = [called_like(source, k, frame) for k, source in enumerate(arguments.operands)]
    spoken = frozenset(name for name in called if name is not None)
    of_text = grammar.names_in(text, spoken.union(named, parted_names())) if spoken else ()
    for source, name in zip(arguments.operands, called, strict=True):
        if name is None or (name not in of_text and not isinstance(source, str)):
            nameless.append(source)
            continue
        if name in given and given[name] is not source:
            raise BindingError(
                f"two operands are called '{name}'",
                text=text,
                carets=places_of(name, text),
                action="give each operand once, or by keyword",
            )
        given[name] = None if isinstance(source, str) else source
        sources.append((source, name))
    if nameless:
        rest = [name for name in grammar.shapes_in(text) if name not in given]
        if len(rest) != len(nameless):
            raise OperandError(
                f"{len(nameless)} operands have no name of this expression, "
                f"and it has {len(rest)} names without an operand",
                text=text,
                action="give operands by keyword, as in x=array",
            )
        given.update(zip(rest, nameless, strict=True))
        sources += list(zip(nameless, rest, strict=True))
    label_sizes = {label: as_size(size, f"label '{label}'") for label, size in sizes.items()}
    there = grammar.names_in(text, frozenset([*given, *named, *parted_names()]))
    for name, value in named.items():
        if name in given and given[name] is not None:
            raise BindingError(f"'{name}' is given twice", text=text, action="give it once")
        if name in there and not (is_index(value) and grammar.is_size(name, text)):
            given[name] = value
        elif is_index(value) and name in normalize("NFKC", text):
            label_sizes[name] = int(value)
        else:
            raise BindingError(
                f"there is no '{name}' in this expression",
                text=text,
                action="pass arrays for the names that stand there",
            )
    known: list[tuple[str, Formula | tuple[Size, ...] | None]] = []
    values: dict[str, Array] = {}
    for name, value in given.items():
        known.append((name, _specified(text, name, value, values, grammar)))
    reading = grammar.reading(text, tuple(known), tuple(sorted(label_sizes.items())))
    formulas = [formula for _, formula in known if isinstance(formula, Formula)]
    variables = {v.name: v for v in joined_arguments(formulas)}
    own = [node for node in reading.operands.values() if isinstance(node, Variable)]
    found = [v for v in topological([*own, reading.node], dependencies) if isinstance(v, Variable)]
    for v in [*own, *found]:
        if v.derivative is None or v in variables_of([reading.node]):
            variables.setdefault(v.name, v)
    letters = Letters(reading.letters)
    for formula in formulas:
        letters = letters.joined(formula.letters)
    heading = Heading(reading.name, reading.axes, reading.wrt)
    domain = len(letters_of(reading.wrt[-1][1])) if reading.wrt else None
    order = {name: k for k, name in enumerate(reading.operands)}
    ordered = sorted(variables.values(), key=lambda v: order.get(v.name, len(order)))
    least = joined_least(f.least for f in formulas)
    formula = Formula(
        reading.node,
        heading,
        letters,
        tuple(ordered),
        domain,
        least=least,
        notation=grammar.notation,
    )
    tensor = Tensor(formula, checked_arrays(Tensor(formula, {}), values))
    if KNOWN:
        check_dimensions([formula], tensor.values)
    return Source(tensor, tuple(sources))


def called_like(source: Any, k: int, frame: FrameType) -> str | None:
    """Return what an operand is called, None if it has no name."""
    if isinstance(source, str):
        return as_name(source, f"operand {k}: ")
    if isinstance(source, Tensor):
        return source.expr.name if isinstance(source.expr, Variable) else None
    return name_of(source, frame) or own_name(source)


def _specified(
    text: str, name: str, value: Any, values: dict[str, Array], grammar: Grammar
) -> Formula | tuple[Size, ...] | None:
    """Read what a name stands for: a tensor, an array, whose values are noted, or a shape."""
    if value is None:
        return None
    if isinstance(value, Tensor):
        join_values(values, value.values)
        formula: Formula = value.formula
        return formula
    # A shape is what `einsdiff.tensor` takes for one; but a number is one only of a vector.
    shape = as_shape(value, name)
    is_vector = not is_index(value) or len(grammar.shapes_in(text)[name]) == 1
    if shape is not None and is_vector:
        return shape
    values[name] = as_array(value, f"operand '{name}'")
    given: tuple[Size, ...] = values[name].shape
    return given
