"""Expressions in any form: einsum strings, index notation, tensors, and functions of arrays.

>>> import sys
>>> f = read_expression(Arguments("A_ij x_j", (), None, {}, sys._getframe()))
>>> f.tensor
f_i = A_ij x_j
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from unicodedata import normalize

from einsdiff.algebra.nodes.function_records import parted_names
from einsdiff.algebra.reading.epsilons import EPSILONS
from einsdiff.errors import EinsdiffError, OperandError, ShapeError, SubscriptsError, pointing
from einsdiff.expressions.combining import checked_arrays
from einsdiff.expressions.refusals import places_of
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.notation.evidence import NOTATIONS, Asked, asked, which
from einsdiff.notation.lexer import is_index_notation, is_latex
from einsdiff.notation.subscripts import from_sublists, is_index, parse_subscripts
from einsdiff.numeric.libraries.operands import Array
from einsdiff.numeric.libraries.xarray import is_named, shared_dimensions
from einsdiff.verbs.named_functions import function, is_nameless
from einsdiff.verbs.sources.einsum_strings import are_labels, interleaved, product
from einsdiff.verbs.sources.index_notation import read_index
from einsdiff.verbs.sources.named_operands import called_like
from einsdiff.verbs.sources.named_texts import texts_among
from einsdiff.verbs.sources.source import Arguments, Source, without_commands
from einsdiff.verbs.sources.traced import traced

#: What ``format("einsum")`` writes: a call of einsum, or of what reads index notation.
_CALLED = re.compile(r"(?<![.\w])(?:einsum|parse)\(\s*['\"]")


def read_expression(given: Arguments) -> Source:
    """Make one tensor of an expression in any form and its operands."""
    if given.notation is not None:
        take_notation(given)
    expression, operands = given.expression, given.operands
    if isinstance(expression, Tensor) and not operands:
        take_keywords(given)
        if given.named or given.sizes:
            arrays = named_arrays([expression], given)
            expression = Tensor(expression.formula, {**expression.values, **arrays})
        return Source(expression)
    if callable(expression) and not isinstance(expression, Tensor):
        return traced(given)
    if isinstance(expression, str):
        return _read_string(given)
    take_keywords(given)
    if is_named(expression) and all(map(is_named, operands)):  # as xarray.dot takes them
        given.operands = (expression, *operands)
        subscripts, letters = from_sublists(*shared_dimensions(given.operands))
    elif operands and are_labels(operands[0]):
        subscripts, letters, given.operands = interleaved((expression, *operands))
        given.sizes = {letters.get(label, label): n for label, n in (given.sizes or {}).items()}
    else:
        raise OperandError(
            f"{type(expression).__name__} is no expression",
            action="pass a string and its operands, such as ('ij,j->i', A, x), a Tensor, "
            "or a function of arrays",
        )
    return product(subscripts, given)


def _read_string(given: Arguments) -> Source:
    """Read a text; where it cannot be read, look whether it is in another language."""
    text = given.expression
    is_einsum = "->" in text and not re.search(r"[\^*/+()=\[\]]", text)
    if is_einsum and given.notation is None and not given.is_formula:
        take_keywords(given)
        return _read_einsum(given)
    if _CALLED.search(text) and given.notation in (None, "einsum"):
        from einsdiff.verbs.sources.einsum_texts import read_einsum_text  # where it is needed

        return read_einsum_text(given)
    try:
        return _read_text(given)
    except (SubscriptsError, ShapeError) as error:
        from einsdiff.verbs.sources.unread import told_elsewhere  # where it is needed

        def read(other: str) -> Tensor | None:
            try:
                given = Arguments(other, (), None, {}, frame, is_formula=True)
                return _read_text(given).tensor
            except EinsdiffError:
                return None

        frame = given.frame
        told = told_elsewhere(text, error, read)
        if told is None:
            raise
        raise told from None


def _read_text(given: Arguments) -> Source:
    """Read a text in the notation that it is in; errors show the text as it was given."""
    for name in [name for name, value in given.named.items() if is_nameless(value)]:
        function(name)
        given.named = {key: value for key, value in given.named.items() if key != name}
    notation = given.notation
    given.named = _with_letters(given.named)
    if isinstance(given.sizes, Mapping):
        given.sizes = _with_letters(given.sizes)
    called = [called_like(source, k, given.frame) for k, source in enumerate(given.operands)]
    names = {*given.named, *(name for name in called if name is not None)}
    with ExitStack() as shown:
        if notation == "latex" or (notation is None and is_latex(given.expression)):
            notation = _translated(given, called, names, shown)
        formulas = texts_among(given.named) if "∂" in given.expression else ()
        front = asked(given.expression, names, formulas) if notation != "einsum" else None
        if front is not None:
            whole = given.expression
            given.expression = whole[front.start : front.end]
            columns = range(front.start, front.start + len(given.expression) + 1)
            shown.enter_context(pointing(given.expression, whole, columns))
            given.wanted = (*given.wanted, *front.by)
            front = _alone(given, front)
        take_keywords(given)
        notation = notation or _notation_of(given, called)
        lower = _lowered(given, called, shown) if notation == "index" else None
        asked_for = [w for w in given.wanted if isinstance(w, str) and w in EPSILONS]
        if asked_for and notation == "index":  # which is an operand then, and no sign
            there = [w for w in asked_for if w not in names and places_of(w, given.expression)]
            given.named = {**given.named, **dict.fromkeys(there)}
        source = _READERS[notation](given)
        if lower is not None:
            source = replace(source, tensor=_at_levels(source.tensor, *lower))
    return source if front is None else replace(source, asked=front.by, called_so=front[3:])


def _alone(given: Arguments, front: Asked) -> Asked:
    """Put the text of an operand in the place of its name, if that is all there is."""
    name = given.expression.strip()
    text = texts_among({name: given.named[name]}) if name in given.named else {}
    if not text:
        return front
    given.expression, given.is_formula = text[name], True
    given.named = {other: value for other, value in given.named.items() if other != name}
    return front._replace(of=front.of or name)


def _with_letters(named: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Write names that are given in LaTeX as letters."""
    if not any(isinstance(name, str) and "\\" in name for name in named):
        return named
    return {without_commands(name): value for name, value in named.items()}


def take_notation(given: Arguments) -> None:
    """Check ``notation=``, which may be the name of an operand, and is that for what is no text."""
    expression, notation = given.expression, given.notation
    if not isinstance(expression, str) or places_of("notation", expression):
        given.named, given.notation = {**given.named, "notation": notation}, None
    elif notation not in NOTATIONS:
        raise OperandError(
            f"{notation!r} is not a notation",
            action=f"write one of {', '.join(map(repr, NOTATIONS))}, or leave it out",
        )


def _translated(
    given: Arguments, called: Sequence[str | None], names: Collection[str], shown: ExitStack
) -> str:
    """Put plain text in the place of LaTeX; return the notation that it is in."""
    from einsdiff.notation.latex_reader import translate  # where it is needed

    latex = given.expression
    formula = translate(latex, names)
    if formula.notation is None:
        front = asked(formula.text, names) or Asked((), 0)
        plain = replace(given, expression=formula.text[front.start : front.end], is_formula=True)
        formula = translate(latex, names, _notation_of(plain, called))
    given.expression = formula.text
    shown.enter_context(formula.pointing())
    return formula.notation or "index"


def _notation_of(given: Arguments, called: Sequence[str | None]) -> str:
    """Tell by the text, and by the axes of operands, in which notation it is."""
    text = given.expression
    for name in parted_names():
        if name.endswith("'"):  # a derivative of a function, and no transpose
            text = re.sub(rf"(?<!\w){name}+(?=\()", name[:-1], text)
    ranks = _ranks(given, called)
    if not given.is_formula and not is_index_notation(text, bool(given.operands)):
        # Labels of one operand may be parted by spaces, unless they are what operands are called.
        words = set(re.findall(r"\w+", text))
        if re.search("->|,|[.]{3}", text) or len(words) < 2 or not words <= ranks.keys():
            return "einsum"
    return which(text, ranks)


def _lowered(
    given: Arguments, called: Sequence[str | None], shown: ExitStack
) -> tuple[Mapping[str, tuple[bool, ...]], Mapping[str, bool]] | None:
    """Put lower indices in the place of upper ones; return the levels of names and open labels."""
    text = given.expression
    if "^" not in text:
        return None
    from einsdiff.notation.levels import lowered, open_levels  # where it is needed

    named = given.named
    ranks = {n: rank for n, rank in _ranks(given, called).items() if not is_index(named.get(n))}
    sizes = [size for shape in named.values() if isinstance(shape, str) for size in shape]
    found = lowered(text, ranks, sizes)
    if found is None:
        return None
    given.expression = found.text
    shown.enter_context(pointing(found.text, text, found.columns))
    return found.of, open_levels(found, (*ranks, *parted_names()))


def _at_levels(
    tensor: Tensor, names: Mapping[str, tuple[bool, ...]], labels: Mapping[str, bool]
) -> Tensor:
    """Return a tensor that is printed with indices at the levels where they stood."""
    formula = tensor.formula
    own = tuple(labels.get(letter, False) for letter in formula.heading.axes)
    levels = {formula.heading.name: own, **names} if any(own) else names
    return Tensor(replace(formula, letters=formula.letters.at_levels(levels)), tensor.values)


def _read_matrix(given: Arguments) -> Source:
    from einsdiff.verbs.sources.matrix_notation import read_matrix  # where it is needed

    return read_matrix(given)


def _read_einsum(given: Arguments) -> Source:
    return product(parse_subscripts(given.expression), given)


_READERS: dict[str, Callable[[Arguments], Source]] = {
    "index": read_index,
    "matrix": _read_matrix,
    "einsum": _read_einsum,
}


def _ranks(given: Arguments, called: Sequence[str | None]) -> dict[str, int | None]:
    """Return the number of axes of each operand with a name, None where it is not known."""
    ranks: dict[str, int | None] = {}
    for source, name in zip(given.operands, called, strict=True):
        if name is not None:
            shape = None if isinstance(source, str) else getattr(source, "shape", None)
            ranks[name] = None if shape is None else len(shape)
    for name, value in given.named.items():
        shape = value if isinstance(value, str | tuple) else getattr(value, "shape", None)
        is_number = isinstance(value, float | complex)
        ranks[name] = 0 if is_number else None if shape is None else len(shape)
    return ranks


#: Arguments of ``numpy.einsum`` that are none here, and what is written in their place.
_OF_EINSUM = {
    "out": "write t.dense(out=array): an expression is computed when it is asked for",
    "dtype": "convert the operands, as in x.astype('float32'): the result has their dtype",
    "casting": "convert the operands, as in x.astype('float32'): the result has their dtype",
}


def take_keywords(given: Arguments) -> None:
    """Tell operands by keyword from arguments, which a name may collide with.

    ``optimize=`` is left out: the order of products is chosen when they are computed.
    """
    expression, operands, sizes, named = given.expression, given.operands, given.sizes, given.named
    if not named and (sizes is None or isinstance(sizes, Mapping)):
        return
    names = {normalize("NFKC", operand) for operand in operands if isinstance(operand, str)}
    names.update(expression.names if isinstance(expression, Tensor) else ())
    if isinstance(expression, str) and is_index_notation(expression, bool(operands)):
        names.update(n for n in ("sizes", "optimize", *_OF_EINSUM) if places_of(n, expression))
    if sizes is not None and not isinstance(sizes, Mapping):
        if "sizes" not in names:
            raise OperandError(
                f"sizes={sizes!r} is no mapping", action="write sizes={'j': 3}, or j=3"
            )
        given.sizes, named = None, {**named, "sizes": sizes}
    for name in named.keys() - names:
        if name in _OF_EINSUM:
            raise OperandError(f"{name}= is not taken here", action=_OF_EINSUM[name])
    if "optimize" in named and "optimize" not in names:
        named = {name: value for name, value in named.items() if name != "optimize"}
    given.named = named


def named_arrays(tensors: Sequence[Tensor], given: Arguments) -> dict[str, Array]:
    """Check arrays that are given by name for tensors."""
    if given.sizes:
        raise OperandError("sizes= goes with an einsum string", action="leave it out for a Tensor")
    found: dict[str, Array] = {}
    for name, array in given.named.items():
        owner = next((part for part in tensors if name in part.names), tensors[0])
        found |= checked_arrays(owner, {name: array})
    return found
