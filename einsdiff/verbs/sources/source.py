"""An expression that has arrived: its node, arrays and heading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeAlias
from unicodedata import normalize

from einsdiff.algebra.nodes.interning import Variable
from einsdiff.errors import NameNotFoundError, shapes_line
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.notation.names import spelled_out, value_of
from einsdiff.notation.subscripts import Subscripts, is_index
from einsdiff.numeric.libraries.anonymous import is_anonymous
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.library import library_of
from einsdiff.numeric.libraries.operands import AnyArray, Array

#: What names a variable: its name, its position, a tensor that is it, or the array itself.
Wrt: TypeAlias = "str | int | np.integer[Any] | Tensor | Array | AnyArray"


@dataclass(slots=True)
class Arguments:
    """What a verb is called with."""

    #: An einsum string, a string of index notation, a function of arrays, a tensor, or the first
    #: operand of the interleaved form.
    expression: Any
    operands: Sequence[Any]  # what the verbs take after the expression
    sizes: Any
    named: Mapping[str, Any]
    frame: FrameType  # the caller's frame, where arrays find their names
    #: What is to be differentiated by: a name there is a name for an operand.
    wanted: Sequence[Any] = ()
    notation: str | None = None  # the one that the expression is in, if that is said
    is_formula: bool = False  # that it is no einsum string, whatever it looks like


@dataclass(frozen=True, slots=True)
class Source:
    """What is differentiated: the expression, and for each operand its object and its name."""

    tensor: Tensor
    #: The operands as they were passed, and what they are called.
    sources: tuple[tuple[Any, str], ...] = ()
    subscripts: Subscripts | None = None  # the einsum string, if there was one
    asked: tuple[str, ...] = ()  # what the text asks to differentiate by
    #: What the text calls that derivative and the function, "" where it does not.
    called_so: tuple[str, str] = ("", "")

    def called(self, value: object) -> str:
        """Return what an object is called that is an operand or an operand's array, else ""."""
        held = [*self.sources, *((array, name) for name, array in self.tensor.values.items())]
        return next((name for source, name in held if source is value), "")


def without_commands(text: str) -> str:
    r"""Write the commands of a name in LaTeX as letters; other texts are returned as they are.

    >>> without_commands(r"\theta_{1}"), without_commands("x_0")
    ('θ_1', 'x_0')
    """
    if "\\" not in text:
        return text
    from einsdiff.notation.latex_reader import translate  # where it is needed

    return translate(text).text


def find_variable(wrt: Any, function: Source, frame: FrameType) -> Variable:
    """Find the variable that a `wrt` means."""
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
            plain = spelled_out(name)
            name = plain if plain in variables else function.called(value_of(name, frame)) or name
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
        headline,
        shapes=shapes_line([(v.name, v.shape) for v in tensor.formula.arguments]),
        action=f"write {' or '.join(there)}"
        if there
        else "give an operand a name, as in ed.tensor('x', array)",
    )
