r"""Functions of tensors: those of NumPy under its names, and those that NumPy lacks.

They take tensors, arrays and numbers, and give tensors. On tensors, NumPy's own functions do the
same: ``np.exp(t)`` is ``ed.exp(t)``. A function of entries is differentiated by its entry of the
table, :math:`\partial f(x_i)/\partial x_p = \delta_{ip}\, f'(x_i)`; `register` adds entries.

>>> import einsdiff as ed
>>> A, x = ed.tensors(A="nn", x="n")
>>> ed.softplus(A @ x)
f_i = softplus(A_ij x_j)
>>> ed.logdet(A)
f = logdet(A)
"""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar
from unicodedata import normalize

from einsdiff.algebra.nodes.function_records import (
    FAMILIES,
    FUNCTIONS,
    RULE_LETTERS,
    Function,
    Unspecified,
    enter,
    unspecified,
)
from einsdiff.algebra.nodes.interning import variable
from einsdiff.algebra.nodes.nodes import call
from einsdiff.algebra.operations.applying import of_record
from einsdiff.algebra.operations.numpy_names import BEYOND_NUMPY, NUMPY, OF_TRIANGLES
from einsdiff.algebra.reading.binding import build
from einsdiff.algebra.reading.choice import is_function
from einsdiff.algebra.reading.equation import read
from einsdiff.errors import OperandError
from einsdiff.expressions.combining import applied
from einsdiff.expressions.explained import documentation
from einsdiff.expressions.tensor_class import Tensor
from einsdiff.notation.index_parser import parse_index
from einsdiff.notation.letters import first_unused
from einsdiff.notation.names import RESERVED
from einsdiff.notation.subscripts import Size

#: What a function of tensors returns: a tensor, or a tuple of tensors.
Result = TypeVar("Result")


class TensorFunction(Generic[Result]):
    """A function of tensors, such as `einsdiff.tanh`.

    It is called with tensors, arrays and numbers. Its `help` says what it computes, and it prints
    how it is differentiated, if the table says so.

    Attributes
    ----------
    name
        What it is called.
    derivative
        For a function of the table how it is differentiated, an index expression of its value
        ``y`` and its arguments, one for each argument; else None, since it is made of others.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.tanh
    tanh(x): y = tanh(x), ∂y/∂x = 1 - y^2
    >>> ed.tanh.derivative
    ('1 - y^2',)
    >>> ed.norm
    norm(x, ord=None, axis=None, keepdims=False)
    """

    def __init__(self, name: str, function: Callable[..., Any], entry: Function | None) -> None:
        self.name = self.__name__ = self.__qualname__ = name
        self.derivative = None if entry is None else entry.jacobians
        self._function = function
        self._entry = entry
        self.__doc__ = documentation(function)
        # Annotations speak of nodes, and users have tensors.
        signature = inspect.signature(function)
        bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
        self.__signature__ = inspect.Signature(bare)

    def __call__(self, *operands: Any, **options: Any) -> Result:
        """Apply the function."""
        if not self.name:
            raise OperandError(
                "this function has no name",
                action="name it: ed.function('φ'), or give it to a text as φ=ed.function()",
            )
        result: Result = applied(Tensor, self._function, operands, options)
        return result

    def __repr__(self) -> str:
        if self._entry is None:
            return f"{self.name}{self.__signature__}"
        return _rule_text(self._entry)

    def __reduce__(self) -> str | tuple[Any, ...]:
        if self._entry is not None and self._entry.is_registered:
            return _of_entry, (self._entry,)
        return self.name  # found in this module again, by `__getattr__`


def _rule_text(entry: Function) -> str:
    given, result = entry.cores
    value = "y" + f"_{RULE_LETTERS[: len(result)]}" * bool(result)
    rules = []
    for name, names, rule in zip(entry.arguments, given, entry.jacobians, strict=True):
        axes = RULE_LETTERS[len(result) : len(result) + len(names)]
        rules.append(f"∂{value}/∂{name}{'_' + axes if axes else ''} = {rule}")
    arguments = ", ".join(entry.arguments)
    return f"{entry.name}({arguments}): y = {entry.name}({arguments}), {', '.join(rules)}"


# --- functions of one's own -------------------------------------------------------------------

#: Names that a program uses itself.
_PYTHON = frozenset(["np", *keyword.kwlist])

_SIGNATURE = re.compile(r"\([\w,]*\)(,\([\w,]*\))*->\([\w,]*\)")


def register(
    name: str,
    function: Callable[..., Any],
    derivative: str | Sequence[str],
    *,
    signature: str = "()->()",
    arguments: Sequence[str] = (),
    latex: str = "",
    is_analytic: bool = False,
) -> TensorFunction[Any]:
    """Add a function to the table.

    Parameters
    ----------
    name
        What it is called in formulas: letters and digits.
    function
        Computes it: takes NumPy arrays, gives one. For a signature other than ``()->()``, axes
        before those that it acts on are batch axes.
    derivative
        An index expression of the value ``y`` and the arguments, for several arguments one each.
        With ``i``, ``j``, .. for the axes of the value, and the letters after these for those of
        the argument.
    signature
        The axes that it acts on, as for NumPy's generalised ufuncs.
    arguments
        What the arguments are called in `derivative`: ``x`` if there is one, else ``a``, ``b``, ..
    latex
        How LaTeX prints it.
    is_analytic
        Whether it takes complex arguments and is differentiable there.

    Returns
    -------
    TensorFunction
        To be applied to tensors; in index notation it is known by its name.

    Raises
    ------
    OperandError
        The name is taken or is no name, the function is not callable, or the number of derivatives
        is not that of arguments.
    SubscriptsError
        A derivative cannot be read.

    Examples
    --------
    >>> import einsdiff as ed
    >>> import numpy as np
    >>> swish = ed.register(
    ...     "swish", lambda x: x / (1 + np.exp(-x)), "sigmoid(x) + y sigmoid(-x)"
    ... )
    >>> swish
    swish(x): y = swish(x), ∂y/∂x = sigmoid(x) + y sigmoid(-x)
    >>> ed.check("swish(x_i)", wrt="x").ok
    True
    """
    _check_name(name)
    if not callable(function):
        raise OperandError(
            f"{function!r} is no function",
            action=f"pass the callable that computes '{name}' of NumPy arrays",
        )
    rules = (derivative,) if isinstance(derivative, str) else _texts(name, derivative)
    if not _SIGNATURE.fullmatch(str(signature)):
        raise OperandError(
            f"{signature!r} is no signature",
            action="write one like '()->()', '(n)->()' or '(n,n),(n)->(n)'",
        )
    if not isinstance(arguments, Sequence):
        raise OperandError(
            f"{arguments!r} are no names of arguments", action="pass a list of strings"
        )
    count = signature.count("(") - 1
    given = tuple(arguments) or (("x",) if count == 1 else tuple("abcdefgh"[:count]))
    if not len(rules) == len(given) == count:
        raise OperandError(
            f"'{name}' has {count} arguments, and there are {len(rules)} derivatives and "
            f"{len(given)} names of arguments",
            action="give one derivative for each argument",
        )
    _check_arguments(name, given)
    slots = ", ".join(f"{{{k}}}" for k in range(count))
    entry = Function(
        name,
        rules,
        f"{name}({slots})",
        signature,
        given,
        latex or rf"\operatorname{{{name}}}",
        is_analytic=is_analytic,
        implementation=function,
    )
    _check_rules(entry)
    enter(entry)
    return _of_entry(entry)


def function(name: str = "", *, latex: str = "") -> TensorFunction[Any]:
    r"""Declare a function of each entry, of which nothing is known but its name.

    Its derivative is another one, with a prime: :math:`\partial \varphi(u_i)/\partial u_p =
    \delta_{ip}\, \varphi'(u_i)`.

    Parameters
    ----------
    name
        What it is called in formulas: letters and digits. Without a name it is called as the
        keyword that it is given by, ``ed.grad("φ(A_ij x_j)", φ=ed.function(), wrt="x")``.
    latex
        How LaTeX prints it.

    Returns
    -------
    TensorFunction
        To be applied to tensors of any shape, whose shape the value has; in index notation it is
        known by its name. It has no values: what has it in it is differentiated, rewritten and
        printed, and computed once `register` has said what it is.

    Raises
    ------
    OperandError
        The name is no name, or there is a function of that name.

    Examples
    --------
    >>> import numpy as np
    >>> import einsdiff as ed
    >>> phi = ed.function("φ", latex=r"\varphi")
    >>> ed.grad("φ(A_ij x_j)", wrt="x")
    ∂f_i/∂x_p = φ'(A_ij x_j) A_ip
    >>> A, x = ed.tensors(A="mn", x="n")
    >>> ed.hessian(np.sum(phi(x)), wrt="x")
    ∂²f/∂x_p∂x_q = δ_pq φ''(x_p)
    """
    if not name:
        return TensorFunction("", of_record(unspecified("f")), None)
    _check_name(name)
    entry = FUNCTIONS.get(name)
    is_known = entry is not None and isinstance(entry.implementation, Unspecified)
    if entry is None or not is_known or (latex and entry.latex != latex):
        for known in [known for known in FUNCTIONS if known.rstrip("'") == name]:
            del FUNCTIONS[known]  # with its derivatives
        enter(entry := unspecified(name, latex))
    return _of_entry(entry)


def is_nameless(value: object) -> bool:
    """Tell whether a value is a function that is called as the keyword that it is given by.

    >>> is_nameless(function()), is_nameless(function("φ"))
    (True, False)
    """
    return isinstance(value, TensorFunction) and not value.name


def _check_name(name: Any) -> None:
    """Raise OperandError unless a function can be called so."""
    if not _is_name(name) or "_" in name or name in _PYTHON or name in RESERVED:
        reason = f"it is {RESERVED[name]}" if name in RESERVED else "use letters and digits only"
        raise OperandError(f"{name!r} cannot be a function's name", action=reason)
    known = FUNCTIONS.get(name)
    is_registered = known is not None and known.is_registered
    if (is_function(name) or name in FAMILIES) and not is_registered:
        raise OperandError(f"there is a function '{name}' already", action="choose another name")


def _is_name(name: Any) -> bool:
    """Tell whether something is a name, and the one that Python reads it as."""
    return isinstance(name, str) and name.isidentifier() and normalize("NFKC", name) == name


def _texts(name: str, derivative: Any) -> tuple[str, ...]:
    """Return several derivatives, each an index expression."""
    is_several = isinstance(derivative, Sequence)
    if not is_several or not all(isinstance(rule, str) for rule in derivative):
        raise OperandError(
            f"{derivative!r} is no derivative of '{name}'",
            action="write an index expression of the value y and the arguments, for several "
            "arguments a list with one each",
        )
    return tuple(derivative)


def _check_arguments(name: str, given: Sequence[Any]) -> None:
    """Raise OperandError unless derivatives can speak of arguments by these names."""
    for k, argument in enumerate(given):
        reason = ""
        if not _is_name(argument) or "_" in argument or argument in _PYTHON:
            reason = "use letters and digits only"
        elif argument == "y":
            reason = "y is the value of the function"
        elif argument in given[:k]:
            reason = "give each argument a name of its own"
        elif is_function(argument) or argument == "δ":
            reason = "there is a function of this name"
        if reason:
            raise OperandError(
                f"{argument!r} cannot be the name of an argument of '{name}'", action=reason
            )


def _of_entry(entry: Function) -> TensorFunction[Any]:
    """Return the function that applies an entry of the user's."""
    found = _REGISTERED.get(entry.name)
    if found is None or found._entry is not entry:
        found = _REGISTERED[entry.name] = TensorFunction(entry.name, of_record(entry), entry)
    return found


def _check_rules(entry: Function) -> None:
    """Read the derivatives once, with stand-ins for the arguments, so that errors come early."""
    given, result = entry.cores
    lost = [n for n in result if not any(n in names for names in given)]
    if lost:
        raise OperandError(
            f"the signature {entry.signature!r} of '{entry.name}' does not say how long "
            f"{lost[0]!r} is",
            action="let each axis of the value be one of an argument",
        )
    sizes: dict[str, int] = {}
    for names in (*given, result):
        for n in names:
            sizes.setdefault(n, 2 + len(sizes))
    args = [
        variable(name, [sizes[n] for n in names])
        for name, names in zip(entry.arguments, given, strict=True)
    ]
    known = {"y": call(entry, args), **dict(zip(entry.arguments, args, strict=True))}
    for names, rule in zip(given, entry.jacobians, strict=True):
        axes = RULE_LETTERS[: len(result) + len(names)]
        numbers: list[Size] = [sizes[n] for n in (*result, *names)]
        try:
            build(parse_index(rule), known, axes, sizes=dict(zip(axes, numbers, strict=True)))
            left = first_unused("fgh", known) + f"_{axes}" * bool(axes)
            read(f"{left} = {rule}", known, dict(zip(axes, numbers, strict=True)))
        except (AssertionError, KeyError) as error:
            raise OperandError(
                f"the derivative of '{entry.name}' does not fit its signature: {error}",
                text=rule,
                action=f"the value's axes are called {', '.join(RULE_LETTERS[: len(result)])}, "
                "the argument's by the letters after these",
            ) from None


# --- the functions there are ------------------------------------------------------------------

#: Functions that have another name here than in NumPy, or (empty) none.
_RENAMED = {"absolute": "abs", "amax": "", "amin": "", "invert": "logical_not", "copy": ""}


def _public() -> dict[str, TensorFunction[Any]]:
    found: dict[str, TensorFunction[Any]] = {}
    for path, function in {**NUMPY, **BEYOND_NUMPY}.items():
        name = path.rpartition(".")[2]
        name = _RENAMED.get(name, name)
        if name and name not in found:
            of = OF_TRIANGLES.get(function, function)
            found[name] = TensorFunction(name, of, FUNCTIONS.get(name))
    return found


#: The functions by name.
PUBLIC = _public()

#: Those that were registered, by name.
_REGISTERED: dict[str, TensorFunction[Any]] = {}


def __getattr__(name: str) -> TensorFunction[Any]:
    try:
        return PUBLIC.get(name) or _REGISTERED[name]
    except KeyError:
        raise AttributeError(f"there is no function {name!r}") from None
