"""Expressions in any form: einsum strings, index notation, tensors, and functions of arrays.

>>> import sys
>>> f = read_expression("A_ij x_j", (), None, {}, sys._getframe(), ())
>>> f.tensor
f_i = A_ij x_j
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from types import FrameType
from typing import Any
from unicodedata import normalize

import numpy as np

from einsdiff.algebra.nodes.function import parted_names, revision
from einsdiff.algebra.nodes.graph import dependencies, topological, variables_of
from einsdiff.algebra.nodes.nodes import Variable
from einsdiff.algebra.nodes.nodes import einsum as einsum_node
from einsdiff.algebra.reading.equation import Reading, read
from einsdiff.display.index.printer import Heading, Letters
from einsdiff.errors import (
    BindingError,
    EinsdiffError,
    NameNotFoundError,
    OperandError,
    SubscriptsError,
    page,
    shapes_line,
)
from einsdiff.expressions.evaluation import check_dimensions, in_conflict, places_of
from einsdiff.expressions.formula import (
    Formula,
    function_name,
    joined_arguments,
    joined_least,
    number,
    symbol,
)
from einsdiff.expressions.tensor_class import (
    TRACED,
    Tensor,
    as_shape,
    as_tensor,
    checked_arrays,
    join_values,
    warn_of_lost,
)
from einsdiff.notation.index_parser import is_index_notation, names_in
from einsdiff.notation.letters import DUMMY, fresh_letters
from einsdiff.notation.names import as_name, name_of, value_of
from einsdiff.notation.subscripts import (
    Size,
    Subscripts,
    as_size,
    from_sublists,
    is_index,
    parse_subscripts,
    resolve,
)
from einsdiff.numeric.libraries.library import library_of
from einsdiff.numeric.libraries.operands import (
    Array,
    anonymous_name,
    as_array,
    as_number,
    is_anonymous,
    same_memory,
)
from einsdiff.numeric.libraries.xarray import KNOWN, conflict, is_named, own_name, shared_dimensions

__all__ = ["Source", "find_variable", "keywords", "read_expression", "read_index", "shapes_in"]


@dataclass(frozen=True, slots=True)
class Source:
    """What is differentiated: the expression, and for each operand its object and its name.

    Attributes
    ----------
    tensor
        The expression with its values.
    sources
        The operands as they were passed, and what they are called.
    subscripts
        The einsum string, if there was one.
    """

    tensor: Tensor
    sources: tuple[tuple[Any, str], ...] = ()
    subscripts: Subscripts | None = None

    def called(self, value: object) -> str:
        """Return what an object is called that is an operand or an operand's array, else ""."""
        held = [*self.sources, *((array, name) for name, array in self.tensor.values.items())]
        return next((name for source, name in held if source is value), "")


def find_variable(wrt: Any, function: Source, frame: FrameType) -> Variable:
    """Find the variable that a `wrt` means.

    Parameters
    ----------
    wrt
        A name, a position, a tensor, or the array itself; None where there is one variable only.
    function
        What is differentiated.
    frame
        The caller's frame, in which a name may be another one of the same array.

    Returns
    -------
    Variable
        One of the function's.

    Raises
    ------
    NameNotFoundError
        There is no such variable; the message lists those there are.
    """
    variables = {v.name: v for v in function.tensor.formula.arguments}
    if not variables:
        raise _not_found("there is no variable to differentiate by", function)
    if wrt is None:
        # A captured array is a variable too, but not an operand.
        names = list(dict.fromkeys(name for _, name in function.sources if name in variables))
        if len(names or variables) == 1:
            return variables[next(iter(names or variables))]
        raise _not_found("wrt is missing: there is more than one variable", function)
    if isinstance(wrt, str):
        name = normalize("NFKC", wrt)
        if name not in variables:  # it may be another name of the same array
            name = function.called(value_of(name, frame)) or name
    elif is_index(wrt) and not (isinstance(wrt, np.generic) and function.called(wrt)):
        places = [name for _, name in function.sources] or list(variables)
        if not -len(places) <= wrt < len(places):
            raise _not_found(
                f"wrt={wrt} is out of range: there "
                f"{'is 1 operand' if len(places) == 1 else f'are {len(places)} operands'}, "
                f"counted from 0",
                function,
            )
        name = places[wrt]
        if name not in variables:
            raise _not_found(f"operand {wrt} is an expression and no variable", function)
    elif isinstance(wrt, Tensor):
        if isinstance(wrt.expr, Variable) and variables.get(wrt.expr.name) is wrt.expr:
            return wrt.expr
        shown = str(wrt.expr) if isinstance(wrt.expr, Variable) else str(wrt)
        raise _not_found(f"wrt={shown} is no variable of this expression", function)
    else:
        name = function.called(wrt)
        alike = sorted({theirs for source, theirs in function.sources if source is wrt})
        if len(alike) > 1:
            raise _not_found(f"the array given as wrt is called {' and '.join(alike)}", function)
        if not name:
            is_array = isinstance(wrt, np.ndarray) or library_of(wrt) != "numpy"
            what = "the array" if is_array else f"the {type(wrt).__name__}"
            raise _not_found(f"{what} given as wrt is no operand of this expression", function)
    if name not in variables:
        raise _not_found(f"wrt={wrt!r} names no operand of this expression", function)
    return variables[name]


def _not_found(headline: str, function: Source) -> NameNotFoundError:
    tensor = function.tensor
    there = []
    for v in tensor.formula.arguments:
        nameless = v.name in tensor.values and is_anonymous(tensor.values[v.name])
        places = [k for k, (_, name) in enumerate(function.sources) if name == v.name]
        there.append(f"wrt={places[0]}" if nameless and places else f"wrt='{v.name}'")
    return NameNotFoundError(
        page(
            headline,
            shapes=shapes_line([(v.name, v.shape) for v in tensor.formula.arguments]),
            action=f"write {' or '.join(there)}"
            if there
            else "give an operand a name, as in ed.tensor('x', array)",
        )
    )


# --- expressions in any form ----------------------------------------------------------------


def read_expression(
    expression: Any,
    operands: Sequence[Any],
    sizes: Mapping[str, Size] | None,
    named: Mapping[str, Any],
    frame: FrameType,
    wanted: Sequence[Any],
) -> Source:
    """Make one tensor of an expression in any form and its operands.

    Parameters
    ----------
    expression
        An einsum string, a string of index notation, a function of arrays, a tensor, or the first
        operand of the interleaved form.
    operands, sizes, named
        What the verbs take after it.
    frame
        The caller's frame, where arrays find their names.
    wanted
        What is to be differentiated by: a name there is a name for an operand.

    Returns
    -------
    Source
        The tensor, and what it was made of.
    """
    if isinstance(expression, Tensor) and not operands:
        sizes, named = keywords(expression, operands, sizes, named)
        if named or sizes:
            expression = _bind(expression, named, sizes)
        return Source(expression)
    if callable(expression) and not isinstance(expression, Tensor):
        return _traced(expression, operands, sizes, named, wanted)
    sizes, named = keywords(expression, operands, sizes, named)
    if isinstance(expression, str):
        if is_index_notation(expression, bool(operands)):
            return read_index(expression, operands, sizes or {}, named, frame)
        subscripts = parse_subscripts(expression)
    elif is_named(expression) and all(map(is_named, operands)):  # as xarray.dot takes them
        operands = (expression, *operands)
        subscripts, letters = from_sublists(*shared_dimensions(operands))
    elif operands and _are_labels(operands[0]):
        subscripts, letters, operands = _interleaved((expression, *operands))
        sizes = {letters.get(label, label): size for label, size in (sizes or {}).items()}
    else:
        raise OperandError(
            page(
                f"{type(expression).__name__} is no expression",
                action="pass a string and its operands, such as ('ij,j->i', A, x), a Tensor, "
                "or a function of arrays",
            )
        )
    return _product(subscripts, operands, sizes or {}, named, frame, wanted)


#: Arguments of ``numpy.einsum`` that are none here, and what is written in their place.
_OF_EINSUM = {
    "out": "write t.dense(out=array): an expression is computed when it is asked for",
    "dtype": "convert the operands, as in x.astype('float32'): the result has their dtype",
    "casting": "convert the operands, as in x.astype('float32'): the result has their dtype",
}


def keywords(
    expression: Any, operands: Sequence[Any], sizes: Any, named: Mapping[str, Any]
) -> tuple[Mapping[str, Size] | None, Mapping[str, Any]]:
    """Tell operands by keyword from arguments, which a name may collide with.

    Parameters
    ----------
    expression, operands
        A string and its operands, or a tensor.
    sizes
        Sizes of labels, or the array of an operand that is called so.
    named
        Other keywords.

    Returns
    -------
    tuple
        The sizes, and the operands by keyword. ``optimize=`` is left out: the order of products is
        chosen when they are computed.

    Raises
    ------
    OperandError
        An argument of ``numpy.einsum`` that is none here.
    """
    if not named and (sizes is None or isinstance(sizes, Mapping)):
        return sizes, named
    names = {normalize("NFKC", operand) for operand in operands if isinstance(operand, str)}
    names.update(expression.names if isinstance(expression, Tensor) else ())
    if isinstance(expression, str) and is_index_notation(expression, bool(operands)):
        names.update(n for n in ("sizes", "optimize", *_OF_EINSUM) if places_of(n, expression))
    if sizes is not None and not isinstance(sizes, Mapping):
        if "sizes" not in names:
            raise OperandError(
                page(f"sizes={sizes!r} is no mapping", action="write sizes={'j': 3}, or j=3")
            )
        sizes, named = None, {**named, "sizes": sizes}
    for name in named.keys() - names:
        if name in _OF_EINSUM:
            raise OperandError(page(f"{name}= is not taken here", action=_OF_EINSUM[name]))
    if "optimize" in named and "optimize" not in names:
        named = {name: value for name, value in named.items() if name != "optimize"}
    return sizes, named


def _bind(f: Tensor, named: Mapping[str, Any], sizes: Mapping[str, Size] | None) -> Tensor:
    if sizes:
        raise OperandError(
            page("sizes= goes with an einsum string", action="leave it out for a Tensor")
        )
    return Tensor(f.formula, {**f.values, **checked_arrays(f, named)})


def _are_labels(value: object) -> bool:
    """Tell whether this is a list of labels, as in the interleaved form."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and value.dtype.kind in "iu"
    return isinstance(value, list | tuple | range)


def _interleaved(
    arguments: Sequence[Any],
) -> tuple[Subscripts, dict[Any, str], list[Any]]:
    output = arguments[-1] if len(arguments) % 2 else None
    pairs = len(arguments) // 2
    operands = [arguments[2 * k] for k in range(pairs)]
    lists = [arguments[2 * k + 1] for k in range(pairs)]
    for k, labels in enumerate([*lists, *([] if output is None else [output])]):
        if not _are_labels(labels):
            place = f"operand {k}" if k < pairs else "the output"
            raise SubscriptsError(
                page(
                    f"{place} has no list of labels",
                    action="alternate operands and lists: einsum(A, [0, 1], x, [1], [0])",
                )
            )
    return *from_sublists(lists, output), operands


def _product(
    subscripts: Subscripts,
    operands: Sequence[Any],
    sizes: Mapping[str, Size],
    named: Mapping[str, Any],
    frame: FrameType,
    wanted: Sequence[Any],
) -> Source:
    later: Mapping[str, Any] = {}
    expressions = [operand for operand in operands if isinstance(operand, Tensor)]
    if expressions:
        plain = {k: v for k, v in enumerate(operands) if not isinstance(v, Tensor)}
        warn_of_lost(plain, expressions)
    if sizes or named:
        sizes, named, later = _sorted_keywords(subscripts, operands, sizes, named)
    sources: list[tuple[Any, str]] = []
    signature: list[_Operand] = []
    values: dict[str, Array] = {}
    parts = _named(operands, named, frame, wanted)
    for k, source in enumerate(operands):
        name = ""
        try:
            part = next(parts)
            if isinstance(part, Tensor):
                signature.append(part.formula)
                join_values(values, part.values)
            else:
                name, array = part
                signature.append((name, None if array is None else array.shape))
                if array is not None:
                    join_values(values, {name: array})
        except EinsdiffError as error:
            alike = [j for j, (_, theirs) in enumerate(sources) if theirs == name]
            carets = [column for j in (*alike, k) for column in _term(subscripts, j)]
            raise error.located(subscripts.text, carets) from None
        sources.append((source, _name(signature[k], k)))
    try:
        formula = _einsum(subscripts, tuple(signature), tuple(sizes.items()))
        tensor = Tensor(formula, values)
        if later:  # arrays for variables of tensors among the operands
            tensor = Tensor(formula, {**values, **checked_arrays(tensor, later)})
        if KNOWN:
            _check_labels(tensor, subscripts, [name for _, name in sources])
    except EinsdiffError as error:
        raise error.located(subscripts.text) from None
    return Source(tensor, tuple(sources), subscripts)


def _check_labels(tensor: Tensor, subscripts: Subscripts, names: Sequence[str]) -> None:
    """Raise ShapeError where a label binds axes of different dimensions or coordinates."""
    found = conflict([tensor.expr], tensor.values)
    if found is None:
        return
    places = [
        [
            (term[axis.place], columns[axis.place])
            for term, columns, name in zip(
                subscripts.inputs, subscripts.columns, names, strict=True
            )
            if name == axis.name and len(term) == len(tensor.values[name].shape)
        ]
        for axis in (found.first, found.second)
    ]
    bound = [(a, [at, b_at]) for a, at in places[0] for b, b_at in places[1] if a == b]
    label, carets = bound[0] if bound else ("", [])
    raise in_conflict(found, tensor.values, subscripts.text, label, carets)


def _sorted_keywords(
    subscripts: Subscripts,
    operands: Sequence[Any],
    sizes: Mapping[str, Any],
    named: Mapping[str, Any],
) -> tuple[dict[str, Size], dict[str, Any], dict[str, Any]]:
    """Tell sizes of labels, arrays of operands given by name, and other arrays apart."""
    labels = {label for term in (*subscripts.inputs, subscripts.output or ()) for label in term}
    given = {normalize("NFKC", operand) for operand in operands if isinstance(operand, str)}
    all_sizes = dict(sizes)
    arrays: dict[str, Any] = {}
    later: dict[str, Any] = {}
    for name, value in named.items():
        if name in given:
            arrays[name] = value
        elif name in labels and as_number(value) is not None:
            all_sizes[name] = value
        else:
            later[name] = value
    checked = {n: _checked_size(n, size, labels, subscripts) for n, size in all_sizes.items()}
    return checked, arrays, later


def _term(subscripts: Subscripts, k: int) -> Sequence[int]:
    """Return the columns of an operand's labels."""
    return subscripts.term_columns[k] if k < len(subscripts.inputs) else ()


def _checked_size(label: str, size: Any, labels: set[str], subscripts: Subscripts) -> Size:
    if label not in labels:
        raise SubscriptsError(
            page(
                f"a size is given for '{label}', which is no label of this string",
                text=subscripts.text,
                action="give sizes for labels of the string only",
            )
        )
    try:
        return as_size(size, f"label '{label}'")
    except EinsdiffError as error:
        places = [column for column, char in enumerate(subscripts.text) if char == label]
        raise error.located(subscripts.text, places) from None


#: What is known of an operand apart from its values: the formula of a tensor or a number, or the
#: name and the shape, if known, of an array.
_Operand = Formula | tuple[str, tuple[Size, ...] | None]


def _name(operand: _Operand, position: int) -> str:
    if isinstance(operand, tuple):
        return operand[0]
    return operand.expr.name if isinstance(operand.expr, Variable) else f"op{position}"


@lru_cache(maxsize=1024)
def _einsum(
    subscripts: Subscripts,
    operands: tuple[_Operand, ...],
    sizes: tuple[tuple[str, Size], ...],
) -> Formula:
    """Build the formula of a string and operands of these names and shapes."""
    shapes = [
        operand[1] if isinstance(operand, tuple) else operand.expr.shape for operand in operands
    ]
    names = [_name(operand, k) for k, operand in enumerate(operands)]
    axes = resolve(subscripts, shapes, names, dict(sizes))
    formulas = []
    letters = Letters()
    for operand, shape, labels in zip(operands, axes.shapes, axes.inputs, strict=True):
        formula = symbol(operand[0], shape) if isinstance(operand, tuple) else operand
        if isinstance(formula.expr, Variable):
            letters = letters.with_axes(formula.expr.name, labels)
        letters = letters.joined(formula.letters)
        formulas.append(formula)
    arguments = joined_arguments(formulas)
    expr = einsum_node([f.expr for f in formulas], axes.inputs, axes.output, axes.sizes)
    name = function_name(argument.name for argument in arguments)
    heading = Heading(name, _distinct(axes.output, set(axes.sizes)))
    return Formula(expr, heading, letters, arguments, least=joined_least(f.least for f in formulas))


def _distinct(labels: Sequence[str], used: set[str]) -> tuple[str, ...]:
    """Give a second occurrence of a label a letter of its own."""
    if len(set(labels)) == len(labels):
        return tuple(labels)
    fresh = fresh_letters(used, DUMMY)
    seen: set[str] = set()
    letters = []
    for label in labels:
        letters.append(next(fresh) if label in seen else label)
        seen.add(label)
    return tuple(letters)


def _named(
    operands: Sequence[Any], named: Mapping[str, Any], frame: FrameType, wanted: Sequence[Any]
) -> Iterator[Tensor | tuple[str, Array | None]]:
    """Give each operand its name: tensors and numbers as they are, arrays with what they hold."""
    positions = {w % len(operands) for w in wanted if is_index(w) and operands}
    hoped = [normalize("NFKC", w) for w in wanted if isinstance(w, str)]
    arrays: dict[int, Array] = {}
    seen: list[tuple[Array, str]] = []
    for k, source in enumerate(operands):
        if isinstance(source, Tensor):
            yield source
        elif isinstance(source, str):
            name = as_name(source, f"operand {k}: ")
            value = named.get(name)
            yield name, as_array(value, f"operand '{name}'") if name in named else None
        else:
            name = next((w for w in hoped if value_of(w, frame) is source), "")
            constant = as_number(source)
            if constant is not None and not name and k not in positions:
                yield Tensor(number(constant), {})
                continue
            if name and isinstance(source, int | float | complex | Fraction | tuple):
                _check_alone(source, k, name, operands)
            name = name or name_of(source, frame) or own_name(source) or ""
            if id(source) not in arrays:  # a list that stands twice is one array
                value = source if constant is None else np.array(_inexact(constant))
                arrays[id(source)] = as_array(value, f"operand {k}" + f" ({name})" * bool(name))
            array = arrays[id(source)]
            for other, theirs in seen:  # x[:] is x
                if other is array or (0 not in array.shape and same_memory(other, array)):
                    name = theirs
            name = name or _free_name(array, frame)
            seen.append((array, name))
            yield name, array


def _check_alone(source: object, k: int, name: str, operands: Sequence[Any]) -> None:
    """Refuse to guess which of two operands a name means that Python keeps as one object."""
    same = [j for j, other in enumerate(operands) if other is source and j != k]
    if same:
        raise OperandError(
            page(
                f"operands {k} and {same[0]} are one object of Python's, {source!r}, "
                f"so that '{name}' may mean either",
                action=f"name the one that is meant: ed.tensor('{name}', np.array({source!r}))",
            )
        )


def _free_name(array: Array, frame: FrameType) -> str:
    name = anonymous_name(array)
    while value_of(name, frame) is not None:
        name += "_"
    return name


def _inexact(value: Any) -> Any:
    return float(value) if isinstance(value, Fraction) else value


# --- index notation ---------------------------------------------------------------------------


def read_index(
    text: str,
    operands: Sequence[Any],
    sizes: Mapping[str, Any],
    named: Mapping[str, Any],
    frame: FrameType,
) -> Source:
    """Read index notation; operands are matched by name, nameless ones by order.

    Parameters
    ----------
    text
        The expression.
    operands, sizes, named
        As for `einsdiff.parse`.
    frame
        The caller's frame, where arrays find their names.

    Returns
    -------
    Source
        The tensor, and the operands it was made of.
    """
    given: dict[str, Any] = {}
    sources: list[tuple[Any, str]] = []
    nameless: list[Any] = []
    for k, source in enumerate(operands):
        name = _name_in(text, source, k, frame)
        if name is None:
            nameless.append(source)
            continue
        if name in given and given[name] is not source:
            raise BindingError(
                page(
                    f"two operands are called '{name}'",
                    text=text,
                    carets=places_of(name, text),
                    action="give each operand once, or by keyword",
                )
            )
        given[name] = None if isinstance(source, str) else source
        sources.append((source, name))
    if nameless:
        rest = [name for name in shapes_in(text) if name not in given]
        if len(rest) != len(nameless):
            raise OperandError(
                page(
                    f"{len(nameless)} operands have no name of this expression, "
                    f"and it has {len(rest)} names without an operand",
                    text=text,
                    action="give operands by keyword, as in x=array",
                )
            )
        given.update(zip(rest, nameless, strict=True))
        sources += list(zip(nameless, rest, strict=True))
    label_sizes = {label: as_size(size, f"label '{label}'") for label, size in sizes.items()}
    there = names_in(text, frozenset([*given, *named, *parted_names()]))
    for name, value in named.items():
        if name in given and given[name] is not None:
            raise BindingError(page(f"'{name}' is given twice", text=text, action="give it once"))
        if name in there and not (is_index(value) and _is_label(name, text)):
            given[name] = value
        elif is_index(value) and name in text:
            label_sizes[name] = int(value)
        else:
            raise BindingError(
                page(
                    f"there is no '{name}' in this expression",
                    text=text,
                    action="pass arrays for the names that stand there",
                )
            )
    known: list[tuple[str, Formula | tuple[Size, ...] | None]] = []
    values: dict[str, Array] = {}
    for name, value in given.items():
        known.append((name, _specified(text, name, value, values)))
    reading = _reading(text, tuple(known), tuple(sorted(label_sizes.items())), revision())
    formulas = [formula for _, formula in known if isinstance(formula, Formula)]
    arguments = {v.name: v for v in joined_arguments(formulas)}
    own = [node for node in reading.operands.values() if isinstance(node, Variable)]
    found = [v for v in topological([*own, reading.node], dependencies) if isinstance(v, Variable)]
    for v in [*own, *found]:
        if v.derivative is None or v in variables_of([reading.node]):
            arguments.setdefault(v.name, v)
    letters = Letters(reading.letters)
    for formula in formulas:
        letters = letters.joined(formula.letters)
    heading = Heading(reading.name, reading.axes, reading.wrt)
    domain = len(reading.wrt[-1][1]) if reading.wrt else None
    order = {name: k for k, name in enumerate(reading.operands)}
    ordered = sorted(arguments.values(), key=lambda v: order.get(v.name, len(order)))
    least = joined_least(f.least for f in formulas)
    formula = Formula(reading.node, heading, letters, tuple(ordered), domain, None, least)
    tensor = Tensor(formula, checked_arrays(Tensor(formula, {}), values))
    if KNOWN:
        check_dimensions([formula], tensor.values)
    return Source(tensor, tuple(sources))


def _name_in(text: str, source: Any, k: int, frame: FrameType) -> str | None:
    """Return what an operand is called, if a name of the expression is that."""
    if isinstance(source, str):
        return as_name(source, f"operand {k}: ")
    if isinstance(source, Tensor):
        name = source.expr.name if isinstance(source.expr, Variable) else None
    else:
        name = name_of(source, frame) or own_name(source)
    return (
        name
        if name is not None and name in names_in(text, frozenset([name, *parted_names()]))
        else None
    )


def _specified(
    text: str, name: str, value: Any, values: dict[str, Array]
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
    is_vector = not is_index(value) or len(shapes_in(text)[name]) == 1
    if shape is not None and is_vector:
        return shape
    values[name] = as_array(value, f"operand '{name}'")
    given: tuple[Size, ...] = values[name].shape
    return given


def _is_label(name: str, text: str) -> bool:
    """Tell whether a name that has a number stands for a label, whose size the number is."""
    try:
        return name not in shapes_in(text)
    except SubscriptsError:  # the size of a label is not known yet
        return True


def shapes_in(text: str) -> dict[str, tuple[Size, ...]]:
    """Return the shapes of the operands of index notation, with names for all sizes.

    What is meant is not doubted: who asks may be about to say that the names are operands.

    >>> shapes_in("A x_i")
    {'A': (), 'x': ('m',)}
    """
    operands = _reading(text, (), (), revision(), doubts=False).operands
    return {name: node.shape for name, node in operands.items()}


@lru_cache(maxsize=1024)
def _reading(
    text: str,
    operands: tuple[tuple[str, Formula | tuple[Size, ...] | None], ...],
    sizes: tuple[tuple[str, Size], ...],
    revision: int,  # of the function table, in whose names the text is written
    doubts: bool = True,
) -> Reading:
    del revision
    known = {name: o.expr if isinstance(o, Formula) else o for name, o in operands}
    return read(text, known, dict(sizes), doubts=doubts)


# --- functions of arrays ----------------------------------------------------------------------


def _traced(
    function: Callable[..., Any],
    operands: Sequence[Any],
    sizes: Mapping[str, Any] | None,
    named: Mapping[str, Any],
    wanted: Sequence[Any],
) -> Source:
    """Call a function with tensors without values in place of its arrays, and see what it does."""
    shown = getattr(function, "__name__", type(function).__name__)
    if sizes:
        raise OperandError(page("sizes= goes with a string", action="leave it out for a function"))
    try:
        bound = inspect.signature(function).bind(*operands, **named)
    except (TypeError, ValueError) as error:
        raise BindingError(
            page(
                f"{shown} cannot be called with these operands: {error}",
                action="pass one operand for each parameter that has no default",
            )
        ) from None
    names: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = inspect.signature(function).parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            names.update({f"{name}{k}": item for k, item in enumerate(value)})
        elif kind is inspect.Parameter.VAR_KEYWORD:
            names.update(value)
        else:
            names[name] = value
    places = list(names)
    by = {w for w in wanted if isinstance(w, str)}
    by |= {places[w] for w in wanted if is_index(w) and -len(places) <= w < len(places)}
    values: dict[str, Array] = {}
    sources: list[tuple[Any, str]] = []
    stand_ins: dict[str, Any] = {}
    for name, value in names.items():
        stand_in = _stand_in(name, value, name in by, values)
        stand_ins[name] = stand_in
        called = name
        if isinstance(stand_in, Tensor) and isinstance(stand_in.expr, Variable):
            called = stand_in.expr.name
        sources.append((value, called))
    args, kwargs = _arranged(bound, stand_ins)
    token = TRACED.set(dict(values))
    try:
        result = function(*args, **kwargs)
    except (TypeError, ValueError) as error:
        # NumPy gives an error of its own where an entry is assigned to.
        found = error if isinstance(error, BindingError) else error.__cause__
        if not isinstance(found, BindingError):
            raise
        found.add_note(
            f"while tracing {shown}: its arrays have no values yet, so that nothing that depends "
            "on them can be taken for a constant. Use np.where in place of `if`, and np.stack in "
            "place of np.array([..])."
        )
        if found is error:
            raise
        raise found from None
    finally:
        TRACED.reset(token)
    if isinstance(result, Mapping):
        raise OperandError(
            page(
                f"{shown} returns a {type(result).__name__}, which is no tensor: of dtype object",
                action="return one of its entries, or join them with np.stack or np.concatenate",
            )
        )
    if isinstance(result, list | tuple) and any(isinstance(part, Tensor) for part in result):
        raise OperandError(
            page(
                f"{shown} returns {len(result)} results",
                action="return one, or join them with np.stack or np.concatenate",
            )
        )
    try:
        tensor = as_tensor(result)
    except EinsdiffError as error:
        error.add_note(f"this is what {shown} returned")
        raise
    formulas = [t.formula for t in stand_ins.values() if isinstance(t, Tensor)]
    arguments = joined_arguments([*formulas, tensor.formula])
    join_values(values, tensor.values)
    return Source(Tensor(replace(tensor.formula, arguments=arguments), values), tuple(sources))


def _stand_in(name: str, value: Any, is_wanted: bool, values: dict[str, Array]) -> Any:
    """Return what a function is called with: a tensor for an array, other things as they are."""
    if isinstance(value, Tensor):
        join_values(values, value.values)
        return Tensor(value.formula, {})
    is_whole = isinstance(value, int) and not is_wanted  # such as axis=0
    is_shape = isinstance(value, tuple | list) and all(is_index(n) for n in value)
    if not is_wanted and (is_whole or is_shape):
        return value
    if value is None or callable(value) or isinstance(value, str | slice | bool):
        return value
    array = as_array(_inexact(value) if is_wanted else value, f"operand '{name}'")
    join_values(values, {name: array})
    return Tensor(symbol(name, array.shape), {})


def _arranged(
    bound: inspect.BoundArguments, stand_ins: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Put the stand-ins where the arguments stood."""
    for name in bound.arguments:
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            count = len(bound.arguments[name])
            bound.arguments[name] = tuple(stand_ins[f"{name}{k}"] for k in range(count))
        elif kind is inspect.Parameter.VAR_KEYWORD:
            bound.arguments[name] = {key: stand_ins[key] for key in bound.arguments[name]}
        else:
            bound.arguments[name] = stand_ins[name]
    return list(bound.args), dict(bound.kwargs)
