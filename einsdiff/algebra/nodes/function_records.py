r"""What a function of the table is: its name, its signature, and its derivative as an expression.

The derivative is written in index notation, of the value ``y`` and the arguments, so that it is an
expression like any other and higher derivatives need nothing more:

.. math:: \tanh' = 1 - y^2 \qquad
    \frac{\partial (X^{-1})_{ij}}{\partial X_{kl}} = -(X^{-1})_{ik} (X^{-1})_{lj} .

>>> lookup("tanh").jacobians
('1 - y^2',)
>>> lookup("max", (2,)).signature
'(n0,n1)->()'
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple, cast

from einsdiff.errors import OperandError
from einsdiff.notation.letters import DUMMY
from einsdiff.notation.threads import cached_property

#: Letters of the axes in a rule: those of the value, and then those of the argument.
RULE_LETTERS = DUMMY


class About(NamedTuple):
    """What is told of a function besides its rule."""

    summary: str
    #: What its derivative by its first argument prints, for functions of each entry.
    gradient: str = ""
    note: str = ""  # what happens at kinks and borders
    source: str = ""  # where it comes from, if it is not elementary
    #: Lines of a program that show it, in place of those that `gradient` gives.
    example: str = ""


@dataclass(frozen=True, eq=False)
class Function:
    """The record of a function: all that the library knows of it."""

    name: str  # as it is written in index notation
    #: For each argument the derivative as an index expression. With ``i``, ``j``, .. for the axes
    #: of the value and the letters after these for the axes of the argument, the inverse has
    #: ``-y_ik y_lj``, which is ∂y_ij/∂x_kl. They may be left out where there is a `definition`.
    jacobians: tuple[str, ...] = ()
    #: How NumPy spells it, with ``{0}``, ``{1}``, .. for the arguments. Empty for what is only
    #: computed by its `definition`.
    numpy: str = ""
    #: The axes that it acts on, as for NumPy's generalised ufuncs: ``()->()`` for a function of
    #: each entry, ``(n,n)->(n,n)`` for one of matrices. Axes before these are batch axes. A
    #: constant, ``->(3,3,3)``, has no argument, and sizes that are numbers.
    signature: str = "()->()"
    #: What the arguments are called in `jacobians`; the value is called ``y``.
    arguments: tuple[str, ...] = ("x",)
    #: How LaTeX prints it: a name, ``\exp``, or the formula with ``{0}``, ``{1}``, .. for the
    #: arguments, ``{0}^{-1}``. An argument at the beginning or after a space gets brackets where it
    #: needs them. Empty for the name in upright letters.
    latex: str = ""
    text: str = ""  # how index notation prints it, if not as ``name(argument, ..)``
    #: Returns a simpler node for some arguments, such as x for ``x^1``, else None.
    fold: Callable[..., Any] | None = None
    at_zero: int | None = None  # the exact value at zero, if there is one
    #: Whether it is differentiable for complex arguments; if not, they are refused.
    is_analytic: bool = True
    keeps_integers: bool = False  # whether the value of integers is an integer
    #: What the name of the function stands for in `numpy`, if NumPy has no such function: a
    #: callable, or the name of one in `einsdiff.numeric.running.kernels`.
    implementation: Callable[..., Any] | str | None = None
    #: How one sees that the derivative is right, if it has a short reason: "by ..", with formulas
    #: between backticks, in which ``{y}`` and the arguments stand for themselves.
    because: str = ""
    #: What it is in index notation, by its arguments: ``x sigmoid(x)``. A library that has no
    #: spelling, SymPy and a derivative that is not given go by it.
    definition: str = ""
    #: How code for a library writes it, by library, where it is not `numpy` with the name of the
    #: module exchanged. What NumPy's module is called, ``np``, is exchanged here too.
    code: Mapping[str, str] = field(default_factory=dict)
    #: What SymPy calls it: an attribute of SymPy, or of the module before a colon; or what gives
    #: it, of SymPy and the arguments.
    sympy: str | Callable[..., Any] = ""
    scipy: str = ""  # the name of the ufunc of SciPy's that it is
    compares: str = ""  # the sign in Python, of a comparison, whose value is 0 or 1
    parity: int = 0  # 1 if f(-x) is f(x), -1 if it is -f(x)
    #: The n with f(c x) = c^n f(x) for positive numbers c, where `simplify` takes these out.
    degree: int | None = None
    is_nonnegative: bool = False  # whether its values are never negative
    undoes: str = ""  # the function g with f(g(x)) = x wherever g has a value
    undoes_real: str = ""  # the same for real x only
    #: Whether it takes axes to one number, and has no value if there are no entries.
    needs_entries: bool = False
    #: What it allocates on its way, in multiples of the larger of argument and result. Measured
    #: with NumPy 2.4 and SciPy 1.17, which may need a little more or less elsewhere.
    temporary: float = 0
    about: About | None = None  # what is told of it, if it is public

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        if self.is_registered:
            described = {name: getattr(self, name) for name in _DESCRIBED}
            return _registered, (described, _pickled(self.implementation))
        return _known, (self.name, self.ranks)

    @property
    def is_registered(self) -> bool:
        """Whether a user entered it, with an implementation of their own."""
        return callable(self.implementation)

    @property
    def title(self) -> str:
        """What it is called in code and reports, where kernels go by what computes them."""
        is_kernel = self.name.startswith("_") and isinstance(self.implementation, str)
        if is_kernel:
            return str(self.implementation)
        return self.name.lstrip("_").replace("'", "_prime")

    @cached_property
    def cores(self) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
        """The names of the axes acted on, of each argument and of the value."""
        given, result = self.signature.split("->")
        terms = [term.strip("()") for term in given.split("),(")] if given else []
        return tuple(_names(term) for term in terms), _names(result.strip("()"))

    @property
    def ranks(self) -> tuple[int, ...]:
        """How many axes of each argument it acts on."""
        return tuple(len(names) for names in self.cores[0])

    @cached_property
    def is_elementwise(self) -> bool:
        """Whether it is a function of each entry."""
        given, result = self.cores
        return not result and not any(given)


def _names(term: str) -> tuple[str, ...]:
    return tuple(name for name in term.split(",") if name)


#: The functions by name.
FUNCTIONS: dict[str, Function] = {}

#: Functions that act on any number of axes, such as ``max``: for the numbers of axes acted on in
#: each argument the entry, None if there is none.
FAMILIES: dict[str, Callable[[tuple[int, ...]], Function | None]] = {}

#: Functions that only a computation has, never a formula: no text reads as one of their names,
#: which begin with ``_``, and none is differentiated.
KERNELS: dict[str, Function] = {}


def enter(*entries: Function) -> None:
    """Add entries to the table, in place of those of the same names.

    >>> enter(Function("half", numpy="half({0})"))
    Traceback (most recent call last):
        ...
    TypeError: the record of 'half' is incomplete: it has no derivative by x, and no definition; \
    nothing says what 'half' is in half({0}): it has no implementation
    """
    for entry in entries:
        if missing := list(_missing(entry)):
            raise TypeError(f"the record of '{entry.name}' is incomplete: {'; '.join(missing)}")
    FUNCTIONS.update({entry.name: entry for entry in entries})
    global _revision
    _revision += 1


def kernel(name: str, numpy: str, signature: str, **facts: Any) -> Function:
    """Enter a function that only computations have, by what computes it."""
    computes = numpy.partition("(")[0]
    entry = Function(f"_{name}", (), numpy, signature, implementation=computes, **facts)
    return KERNELS.setdefault(entry.name, entry)


def family(
    name: str, entry: Callable[[tuple[int, ...]], Function | None], is_public: bool = True
) -> None:
    """Add a function of any number of axes, and to the table that of one axis, or one matrix."""
    FAMILIES[name] = entry = cache(entry)
    if is_public:
        found = (entry(ranks) for ranks in ((1,), (2,), (2, 1)))
        enter(next(first for first in found if first is not None))


def _missing(entry: Function) -> Iterator[str]:
    """Tell what a record lacks, so that it is found where it is made and not where it is used."""
    if len(entry.arguments) != len(entry.ranks):
        yield f"{entry.signature} has not the arguments {', '.join(entry.arguments)}"
    given, wanted = len(entry.jacobians), len(entry.arguments)
    if given > wanted or (entry.definition and 0 < given < wanted):
        yield f"it has {given} derivatives for {wanted} arguments"
    elif not entry.definition:
        for argument in entry.arguments[given:]:
            yield f"it has no derivative by {argument}, and no definition"
    called = re.match(r"(\w+)\(", entry.numpy)
    if called is not None and entry.implementation is None:
        yield f"nothing says what '{called[1]}' is in {entry.numpy}: it has no implementation"
    if not entry.numpy and not entry.definition:
        yield "it has no spelling for NumPy, and no definition"


@dataclass(frozen=True)
class Unspecified:
    """What stands in the place of the computation of a function that is a name only."""

    name: str

    def __call__(self, *_arrays: Any) -> Any:
        """Refuse to compute anything."""
        plain = self.name.rstrip("'")
        raise OperandError(
            f"the function '{plain}' is not specified, so that '{self.name}' has no values",
            action=f"say what it is, ed.register('{plain}', function, derivative), and read the "
            "expression again",
        )


def unspecified(name: str, latex: str = "") -> Function:
    """Return the record of a function of each entry of which nothing is known but its name.

    Its derivatives are such functions, too, with a prime each: φ', φ''.

    >>> unspecified("φ").jacobians
    ("φ'(x)",)
    """
    prime = "'"
    return Function(
        name,
        (f"{name}'(x)",),
        f"{name.replace(prime, '_prime')}({{0}})",
        latex=latex or rf"\operatorname{{{name}}}",
        implementation=Unspecified(name),
    )


def _primed(name: str) -> Function | None:
    """Return the derivative of a function that is not specified; None if there is no such."""
    base = FUNCTIONS.get(name.rstrip("'"))
    if base is None or not isinstance(base.implementation, Unspecified):
        return None
    latex = base.latex + name[len(base.name) :]
    return FUNCTIONS.setdefault(name, unspecified(name, latex))


_revision = 0


def revision() -> int:
    """Return how often the table was changed, for what is kept of expressions that were read."""
    return _revision


def parted_names() -> list[str]:
    """List the functions whose names have an underscore, after which a text could have labels.

    Those that are not specified are among them with a prime, as their derivatives have.

    >>> "log_softmax" in parted_names()
    True
    """
    parted = [name for name in (*FUNCTIONS, *FAMILIES) if "_" in name]
    unknown = (f for f in FUNCTIONS.values() if isinstance(f.implementation, Unspecified))
    return [*parted, *(f"{f.name}'" for f in unknown)]


def lookup(name: str, ranks: tuple[int, ...] | None = None) -> Function | None:
    """Find a function by its name, and by how many axes of each argument it is to act on."""
    found = FUNCTIONS.get(name) or KERNELS.get(name)
    if found is None and name.endswith("'"):
        found = _primed(name)
    if found is not None and (ranks is None or found.ranks == ranks):
        return found
    entry = FAMILIES.get(name)
    return entry(ranks) if entry is not None and ranks is not None else found


# --- pickling ---------------------------------------------------------------------------------

#: What tells a registered function apart from another one of its name.
_TOLD = ("signature", "arguments", "jacobians")

#: What describes a registered function, apart from its implementation.
_DESCRIBED = ("name", "numpy", "latex", "text", "is_analytic", "keeps_integers", "because", *_TOLD)


def _known(name: str, ranks: tuple[int, ...]) -> Function:
    """Return a function of the library's, which is how they are unpickled."""
    found = lookup(name, ranks)
    if found is None or found.ranks != ranks or found.is_registered:
        raise OperandError(
            f"this pickle has the function '{name}' of {len(ranks)} arguments, "
            "which this version of einsdiff does not have",
            action="read it with the version of einsdiff that wrote it",
        )
    return found


def _registered(described: Mapping[str, Any], implementation: bytes | None) -> Function:
    """Return a function that a user registered; it is entered here if it is not known yet."""
    name = described["name"]
    known = FUNCTIONS.get(name)
    if known is None:
        entry = Function(**described, implementation=_unpickled(name, implementation))
        enter(entry)
        return entry
    if not known.is_registered or any(getattr(known, key) != described[key] for key in _TOLD):
        theirs, mine = (", ".join(rules) for rules in (described["jacobians"], known.jacobians))
        raise OperandError(
            f"'{name}' in this pickle is another function than '{name}' in this process",
            text=f"pickled:  ∂y = {theirs}\n    here:     ∂y = {mine}",
            action="register one function by this name in all processes",
        )
    return known


def _pickled(implementation: Any) -> bytes | None:
    """Pickle what computes a function, by reference where it can be imported, else by value.

    None without cloudpickle, or if it cannot be pickled: a process that reads it must have
    registered the function itself.
    """
    if getattr(implementation, "__module__", "__main__") not in ("__main__", "__mp_main__"):
        try:
            return pickle.dumps(implementation)
        except (pickle.PicklingError, AttributeError, TypeError):
            pass  # a lambda, or a function inside of another one
    try:
        return bytes(import_module("cloudpickle").dumps(implementation))
    except (ImportError, pickle.PicklingError, AttributeError, TypeError):
        return None


def _unpickled(name: str, implementation: bytes | None) -> Callable[..., Any]:
    reason = ""
    if implementation is not None:
        try:
            return cast("Callable[..., Any]", pickle.loads(implementation))
        except (ImportError, AttributeError) as error:
            reason = f": {error}"
    raise OperandError(
        f"this pickle has the function '{name}', which is not registered in this process" + reason,
        action=f"call ed.register('{name}', ...) before reading it, as the process that wrote "
        "it did; or pip install cloudpickle there, which pickles functions by value",
    )
