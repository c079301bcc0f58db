"""Every exception of einsdiff, and the page that each one prints.

An error is a small page: what is wrong, the string that was given with a caret under the place,
the operands with their shapes, and what to do next::

    label 'j' has size 3 in operand 0 (A) but 4 in operand 1 (x)

        ij,j->i
         ^ ^
        A: (2, 3)   x: (4,)

    pass arrays whose 'j' axes have equal sizes, or give one of the two axes another label

>>> print(page("label 'j' is odd", text="ij->i", carets=[1], action="write another one"))
label 'j' is odd
<BLANKLINE>
    ij->i
     ^
<BLANKLINE>
write another one
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self


class EinsdiffError(Exception):
    """The base of every error that einsdiff raises on purpose.

    Catch it to catch them all; each subclass is also the built-in exception that a NumPy user
    would expect at that place. The message is a small page, see `page`.

    Examples
    --------
    >>> import einsdiff as ed
    >>> issubclass(ed.ShapeError, ed.EinsdiffError) and issubclass(ed.ShapeError, ValueError)
    True
    """

    def __init__(self, headline: str, **parts: Any) -> None:
        super().__init__(headline if isinstance(headline, Page) else page(headline, **parts))

    def located(self, text: str, carets: Iterable[int] = ()) -> Self:
        """Return the error with the string in question, if it does not show one yet.

        Parameters
        ----------
        text
            The string as the user gave it, or a formula.
        carets
            Columns of it that get a caret.

        Returns
        -------
        EinsdiffError
            Of the same class; the same object if it shows a string already.
        """
        told = self.args[0] if self.args else ""
        if not isinstance(told, Page) or told.text:
            return self
        shapes, action = told.shapes, told.action
        return type(self)(told.headline, text=text, carets=carets, shapes=shapes, action=action)

    def moved(self, shown: str, text: str, columns: Sequence[int]) -> Self:
        """Return the error with another text in place of the one that it shows.

        Parameters
        ----------
        shown
            The text that was read. An error that shows another one is returned as it is.
        text
            The text as the user gave it.
        columns
            For each character of `shown`, and for its end, the column in `text`.

        Returns
        -------
        EinsdiffError
            Of the same class, with carets below what they were below.
        """
        told = self.args[0] if self.args else ""
        if not isinstance(told, Page) or told.text != shown or not columns:
            return self
        carets = [columns[min(caret, len(columns) - 1)] for caret in told.carets]
        parts = {"shapes": told.shapes, "action": told.action}
        return type(self)(told.headline, text=text, carets=carets, **parts)


@contextmanager
def pointing(shown: str, text: str, columns: Sequence[int]) -> Iterator[None]:
    """Let errors that show a text show the one that it was made of, see `EinsdiffError.moved`.

    >>> with pointing("x +", "d/dx x +", range(5, 9)):
    ...     raise SubscriptsError("something is missing here", text="x +", carets=[3])
    Traceback (most recent call last):
    einsdiff.SubscriptsError: something is missing here
    <BLANKLINE>
        d/dx x +
                ^
    """
    try:
        yield
    except EinsdiffError as error:
        moved = error.moved(shown, text, columns)
        if moved is error:
            raise
        raise moved from None


class SubscriptsError(EinsdiffError, ValueError):
    """An einsum or index string that cannot be read, or does not fit its operands.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.einsum("ij->i->j", "A")
    Traceback (most recent call last):
    einsdiff.SubscriptsError: the subscripts have two '->'
    <BLANKLINE>
        ij->i->j
          ^  ^
    <BLANKLINE>
    write one '->' between the operands' labels and the output's
    """


class ShapeError(EinsdiffError, ValueError):
    """Axes under one label whose sizes differ, or an array whose shape does not fit.

    Examples
    --------
    >>> import einsdiff as ed
    >>> A, x = ed.tensors(A=(2, 3), x=4)
    >>> ed.einsum("ij,j->i", A, x)
    Traceback (most recent call last):
    einsdiff.ShapeError: label 'j' has size 3 in operand 0 (A) but 4 in operand 1 (x)
    <BLANKLINE>
        ij,j->i
         ^ ^
        A: (2, 3)   x: (4,)
    <BLANKLINE>
    pass arrays whose 'j' axes have equal sizes, or give one of the two axes another label
    """


class RangeError(EinsdiffError, IndexError):
    """An axis that a tensor does not have, or an index outside of its axis.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.tensor("x", 3)[5]
    Traceback (most recent call last):
    einsdiff.RangeError: index 5 is outside of axis 0, whose size is 3
    <BLANKLINE>
        x: (3,)
    <BLANKLINE>
    use an index from -3 to 2
    """


class OperandError(EinsdiffError, TypeError):
    """An operand that einsdiff cannot differentiate, such as an array of objects or of strings.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.tensor("A", ["one", "two"])
    Traceback (most recent call last):
    einsdiff.OperandError: operand 'A' has dtype <U3, which has no derivative
    <BLANKLINE>
    pass an array of floats, complex numbers or integers
    """


class NameNotFoundError(EinsdiffError, LookupError):
    """A `wrt` that names nothing in the expression; the message lists the names there are.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.grad("ij,j->i", "A", "x", wrt="B")
    Traceback (most recent call last):
    einsdiff.NameNotFoundError: wrt='B' names no operand of this expression
    <BLANKLINE>
        ij,j->i
        ^^ ^
        A: (m, n)   x: (n,)
    <BLANKLINE>
    write wrt='A' or wrt='x'
    """


class BindingError(EinsdiffError, TypeError):
    """A call with an array missing, with one too many, or two arrays under one name.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.einsum("i,i->", "x", "y")(x=[1.0, 2.0])
    Traceback (most recent call last):
    einsdiff.BindingError: no array for 'y'
    <BLANKLINE>
        f = x_i y_i
                ^
        x: (m,)   y: (m,)
    <BLANKLINE>
    pass y=... in the call, or bind it with ed.tensor('y', array)
    """


class LayoutError(EinsdiffError, ValueError):
    """A layout or vec order that does not exist.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.einsum("i,i->", "x", "x").matrix(layout="row")
    Traceback (most recent call last):
    einsdiff.LayoutError: layout='row' is not a layout; write layout='numerator' or 'denominator'
    """


class SizeError(MemoryError, EinsdiffError):  # in this order it is made as MemoryError is
    """A result, or an array on the way to it, above the memory limit; nothing was allocated.

    Examples
    --------
    >>> import einsdiff as ed
    >>> import numpy as np
    >>> x = np.ones(10**6)
    >>> np.asarray(ed.grad("i,i->i", x, x, wrt="x"))
    Traceback (most recent call last):
    einsdiff.SizeError: the result of shape (1000000, 1000000) and dtype float64 needs 7.28 TiB, ...
    """

    def __init__(self, headline: str, **parts: Any) -> None:
        EinsdiffError.__init__(self, headline, **parts)


class LostDependenceWarning(UserWarning):
    """An array that was computed from a variable meets an expression in that variable.

    A number has no derivative: the array counts as a constant there. Where that is meant, say so
    with a name of its own, ``ed.tensor("w", array)``.

    Examples
    --------
    >>> import warnings
    >>> import einsdiff as ed
    >>> import numpy as np
    >>> x = ed.tensor("x", [1.0, 2.0])
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     f = np.sum(np.array([x[0], x[1] ** 2]) * x)
    >>> print(caught[0].message)
    an array that was computed from 'x' meets an expression in 'x', and counts as a constant
    <BLANKLINE>
        x: (2,)
    <BLANKLINE>
    keep it an expression: np.stack([..]) in place of np.array([..]), and no np.asarray or float;
    if a constant is meant, name it: ed.tensor('w', array)
    >>> np.asarray(ed.grad(np.sum(np.stack([x[0], x[1] ** 2]) * x), wrt="x"))
    array([ 2., 12.])
    """


for _error in list(globals().values()):
    if isinstance(_error, type) and issubclass(_error, EinsdiffError | LostDependenceWarning):
        _error.__module__ = "einsdiff"  # where people import it from, and so what tracebacks show


class Page(str):
    """A message that remembers what it was laid out from."""

    __slots__ = ("action", "carets", "headline", "shapes", "text")
    headline: str
    text: str
    shapes: str
    action: str
    carets: tuple[int, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self.headline, self.text, self.shapes, self.action, self.carets)
        return _laid_out, (str(self), *parts)


def _laid_out(
    message: str, headline: str, text: str, shapes: str, action: str, carets: tuple[int, ...] = ()
) -> Page:
    made = Page(message)
    made.headline, made.text, made.shapes, made.action = headline, text, shapes, action
    made.carets = carets
    return made


def page(
    headline: str, *, text: str = "", carets: Iterable[int] = (), shapes: str = "", action: str = ""
) -> Page:
    """Lay out an error: headline, the given string with carets, the shapes, the next action.

    Parameters
    ----------
    headline
        What is wrong, in one line.
    text
        The string as the user gave it.
    carets
        Columns of `text`, from 0, that get a caret.
    shapes
        A line made by `shapes_line`.
    action
        What to do next, in one line.

    Returns
    -------
    Page
        The message, without a line for what was not given.
    """
    middle = []
    carets = tuple(carets)
    if text:
        middle.append(text)
        columns = set(carets)
        if columns:
            middle.append("".join("^" if k in columns else " " for k in range(max(columns) + 1)))
    if shapes:
        middle.append(shapes)
    blocks = [headline, "\n".join("    " + line for line in middle), action]
    message = "\n\n".join(block for block in blocks if block)
    return _laid_out(message, headline, text, shapes, action, carets)


def shapes_line(shapes: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> str:
    """Write operands and their shapes on one line: ``A: (2, 3)   x: (3,)``.

    >>> shapes_line({"A": ("m", 3), "x": (3,)})
    'A: (m, 3)   x: (3,)'
    """
    pairs = shapes.items() if isinstance(shapes, Mapping) else shapes
    return "   ".join(f"{name}: {shape_text(shape)}" for name, shape in pairs)


def shape_text(shape: Any) -> str:
    """Write a shape as Python does, with named sizes bare.

    >>> shape_text(("m", 3)), shape_text((4,)), shape_text(())
    ('(m, 3)', '(4,)', '()')
    """
    if shape is None:
        return "(shape not known)"
    inner = ", ".join(str(size) for size in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
