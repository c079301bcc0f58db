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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from einsdiff.errors import OperandError, page
from einsdiff.notation.letters import DUMMY
from einsdiff.notation.threads import cached_property

__all__ = [
    "FAMILIES",
    "FUNCTIONS",
    "KERNELS",
    "RULE_LETTERS",
    "WITHOUT_IDENTITY",
    "Function",
    "enter",
    "lookup",
    "parted_names",
    "revision",
]

#: Letters of the axes in a rule: those of the value, and then those of the argument.
RULE_LETTERS = DUMMY
#: Functions that take axes to one number, and have no value if there are no entries.
WITHOUT_IDENTITY = ("max", "min")


@dataclass(frozen=True, eq=False)
class Function:
    r"""An entry of the function table: what a function is called and how it is differentiated.

    Attributes
    ----------
    name
        As it is written in index notation.
    jacobians
        For each argument the derivative as an index expression. With ``i``, ``j``, .. for the
        axes of the value and the letters after these for the axes of the argument, the inverse
        has ``-y_ik y_lj``, which is ∂y_ij/∂x_kl.
    numpy
        How NumPy spells it, with ``{0}``, ``{1}``, .. for the arguments.
    signature
        The axes that it acts on, as for NumPy's generalised ufuncs: ``()->()`` for a function of
        each entry, ``(n,n)->(n,n)`` for one of matrices. Axes before these are batch axes.
    arguments
        What the arguments are called in `jacobians`; the value is called ``y``.
    latex
        How LaTeX prints it: a name, ``\exp``, or the formula with ``{0}``, ``{1}``, .. for the
        arguments, ``{0}^{-1}``. An argument at the beginning or after a space gets brackets
        where it needs them. Empty for the name in upright letters.
    text
        How index notation prints it, if not as ``name(argument, ..)``.
    fold
        Returns a simpler node for some arguments, such as x for ``x^1``, else None.
    at_zero
        The exact value at zero, if there is one.
    is_analytic
        Whether it is differentiable for complex arguments; if not, they are refused.
    keeps_integers
        Whether the value of integers is an integer.
    implementation
        What the name of the function stands for in `numpy`, if NumPy has no such function: a
        callable, or the name of one in `einsdiff.numeric.running.kernels`.
    because
        How one sees that the derivative is right, if it has a short reason: "by ..", with
        formulas between backticks, in which ``{y}`` and the arguments stand for themselves.
    """

    name: str
    jacobians: tuple[str, ...]
    numpy: str
    signature: str = "()->()"
    arguments: tuple[str, ...] = ("x",)
    latex: str = ""
    text: str = ""
    fold: Callable[..., Any] | None = None
    at_zero: int | None = None
    is_analytic: bool = True
    keeps_integers: bool = False
    implementation: Callable[..., Any] | str | None = None
    because: str = ""

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
        return str(self.implementation) if is_kernel else self.name

    @cached_property
    def cores(self) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
        """The names of the axes acted on, of each argument and of the value."""
        given, result = self.signature.split("->")
        terms = [term.strip("()") for term in given.split("),(")]
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


def enter(entries: Iterable[Function]) -> None:
    """Add entries to the table, in place of those of the same names."""
    FUNCTIONS.update({entry.name: entry for entry in entries})
    global _revision
    _revision += 1


_revision = 0


def revision() -> int:
    """Return how often the table was changed, for what is kept of expressions that were read."""
    return _revision


def parted_names() -> list[str]:
    """List the functions whose names have an underscore, after which a text could have labels.

    >>> "log_softmax" in parted_names()
    True
    """
    return [name for name in (*FUNCTIONS, *FAMILIES) if "_" in name]


def lookup(name: str, ranks: tuple[int, ...] | None = None) -> Function | None:
    """Find a function.

    Parameters
    ----------
    name
        As index notation writes it.
    ranks
        How many axes of each argument it is to act on, where the name alone leaves that open.

    Returns
    -------
    Function or None
        None if there is no such function.
    """
    found = FUNCTIONS.get(name) or KERNELS.get(name)
    if found is not None and (ranks is None or found.ranks == ranks):
        return found
    family = FAMILIES.get(name)
    return family(ranks) if family is not None and ranks is not None else found


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
            page(
                f"this pickle has the function '{name}' of {len(ranks)} arguments, "
                "which this version of einsdiff does not have",
                action="read it with the version of einsdiff that wrote it",
            )
        )
    return found


def _registered(described: Mapping[str, Any], implementation: bytes | None) -> Function:
    """Return a function that a user registered; it is entered here if it is not known yet."""
    name = described["name"]
    known = FUNCTIONS.get(name)
    if known is None:
        entry = Function(**described, implementation=_unpickled(name, implementation))
        enter([entry])
        return entry
    if not known.is_registered or any(getattr(known, key) != described[key] for key in _TOLD):
        theirs, mine = (", ".join(rules) for rules in (described["jacobians"], known.jacobians))
        raise OperandError(
            page(
                f"'{name}' in this pickle is another function than '{name}' in this process",
                text=f"pickled:  ∂y = {theirs}\n    here:     ∂y = {mine}",
                action="register one function by this name in all processes",
            )
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
        page(
            f"this pickle has the function '{name}', which is not registered in this process"
            + reason,
            action=f"call ed.register('{name}', ...) before reading it, as the process that wrote "
            "it did; or pip install cloudpickle there, which pickles functions by value",
        )
    )
