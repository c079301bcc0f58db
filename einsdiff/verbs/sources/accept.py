"""Expressions in any form: einsum strings, index notation, tensors, and functions of arrays.

>>> import sys
>>> f = read_expression(Arguments("A_ij x_j", (), None, {}, sys._getframe()))
>>> f.tensor
f_i = A_ij x_j
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from unicodedata import normalize

from einsdiff.errors import OperandError
from einsdiff.expressions.combining import checked_arrays
from einsdiff.expressions.refusals import places_of
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.notation.lexer import is_index_notation
from einsdiff.notation.matrix_parser import is_matrix_notation
from einsdiff.notation.subscripts import from_sublists, parse_subscripts
from einsdiff.numeric.libraries.operands import Array
from einsdiff.numeric.libraries.xarray import is_named, shared_dimensions
from einsdiff.verbs.sources.einsum_strings import are_labels, interleaved, product
from einsdiff.verbs.sources.index_notation import read_index
from einsdiff.verbs.sources.source import Arguments, Source
from einsdiff.verbs.sources.traced import traced


def read_expression(given: Arguments) -> Source:
    """Make one tensor of an expression in any form and its operands."""
    expression, operands = given.expression, given.operands
    if isinstance(expression, Tensor) and not operands:
        take_keywords(given)
        if given.named or given.sizes:
            arrays = named_arrays([expression], given)
            expression = Tensor(expression.formula, {**expression.values, **arrays})
        return Source(expression)
    if callable(expression) and not isinstance(expression, Tensor):
        return traced(given)
    take_keywords(given)
    if isinstance(expression, str):
        if "->" not in expression and is_matrix_notation(expression, _ranks(given)):
            return _read_matrix(given)
        if is_index_notation(expression, bool(operands)):
            return read_index(given)
        subscripts = parse_subscripts(expression)
    elif is_named(expression) and all(map(is_named, operands)):  # as xarray.dot takes them
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


def read_text(given: Arguments) -> Source:
    """Read a text in index notation or in matrix notation."""
    is_matrix = is_matrix_notation(given.expression, _ranks(given))
    return _read_matrix(given) if is_matrix else read_index(given)


def _read_matrix(given: Arguments) -> Source:
    from einsdiff.verbs.sources.matrix_notation import read_matrix  # where it is needed

    return read_matrix(given)


def _ranks(given: Arguments) -> dict[str, int | None]:
    """Return the number of axes of each operand given by name, None where it is not known."""
    ranks: dict[str, int | None] = dict.fromkeys(
        name for name in given.operands if isinstance(name, str)
    )
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
