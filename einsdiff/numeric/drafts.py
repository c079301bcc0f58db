r"""A function body while it is written: its lines, its names, and what is known of its arrays.

An expression is written where it is used, and is given a name, in a line of its own, where it is
used again or too long:

.. math:: t = \exp(A x), \quad t\,(1 - t)

>>> from einsdiff.algebra.nodes import variable
>>> from einsdiff.numeric.plan import plain_plan
>>> plan = plain_plan(variable("x", (3,)), {})
>>> draft = Draft(plan, "numpy", {"x_": "x"}, uses={}, reference="x")
>>> draft.pieces["t9"] = draft.made("cumsum", [draft.piece("x_")], (3,))
>>> draft.bind("t9", "total").text, draft.lines
('total', ['total = np.cumsum(x, axis=0)  # (3,)'])
"""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count

from einsdiff.numeric.pieces import (
    ATOM,
    COMPARISON,
    COMPLEX,
    EXACT,
    FLOAT,
    NO_ONE,
    PRODUCT,
    Piece,
    is_number,
    joined,
    names_in,
    read_number,
    shape_text,
)
from einsdiff.numeric.plan import Plan
from einsdiff.numeric.spelling import ALIASES, COMPARISONS, RESERVED, operation
from einsdiff.numeric.steps import WRITES, Instruction

__all__ = ["LINE", "WIDTH", "Draft", "Writer"]

#: Lines are broken into several statements where an expression is longer than this.
WIDTH = 72
#: What can be broken into lines anywhere has lines of this length.
LINE = 86

#: The levels at which templates ask for their arguments, by the letter before the number.
_LEVELS = {"": COMPARISON, "a": ATOM, "m": PRODUCT}

#: Numbers of each kind, as they are and as PyTorch's dtypes, and the dtypes of these alone.
_SAMPLES = {EXACT: [], FLOAT: ["1.0"], COMPLEX: ["1j"]}
_TORCH_SAMPLES = {EXACT: [], FLOAT: ["torch.float32"], COMPLEX: ["torch.complex64"]}
_DTYPES = {EXACT: "int", FLOAT: "float", COMPLEX: "complex"}


#: The largest integer of 32 bits.
MOST_INTEGER = 2**31 - 1


class Draft:
    """A function body while it is written.

    Parameters
    ----------
    plan
        What is to be written.
    backend
        The array library.
    names
        What the function's arguments are called, by their names in the plan.
    uses
        How often each array of the plan is read.
    numbers
        Those arguments that are sizes.
    scalars
        Those that are arrays without axes, or numbers.
    reference
        The argument whose dtype and device are those of results in which no array occurs.
    taken
        Further names that cannot be used.
    has_floats
        Whether all arrays are known to be of floating-point numbers.

    Attributes
    ----------
    lines
        The lines written so far.
    pieces
        The expressions of the plan's arrays that are known so far.
    steps
        The steps of the plan, by what they make.
    functions
        The user's functions, and what they are called.
    ranges
        Arrays of indices: their names by size, and by how many axes they have after the first.
    floats
        Arrays that cannot be of integers.
    """

    def __init__(
        self,
        plan: Plan,
        backend: str,
        names: Mapping[str, str],
        *,
        uses: Mapping[str, int],
        numbers: Collection[str] = (),
        scalars: Collection[str] = (),
        reference: str = "",
        taken: Collection[str] = (),
        has_floats: bool = False,
    ) -> None:
        self.has_floats = has_floats
        self.backend = backend
        self.reference = reference
        self.uses = Counter(uses)
        self.lines: list[str] = []
        self.functions: dict[str, str] = {}
        self.ranges: dict[tuple[str, int], str] = {}
        self.floats: set[str] = set()
        self.steps = {step.target: step for step in plan.instructions if step.op not in WRITES}
        self.pieces: dict[str, Piece] = {}
        for handle, name in names.items():
            found = frozenset[str]() if name in numbers else frozenset([name])
            self.pieces[handle] = Piece(name, plan.given[handle], names=found, is_simple=True)
        self._scalars = frozenset(scalars)
        self._arrays = frozenset(names.values()).difference(numbers)
        self._taken = {*taken, *RESERVED, *keyword.kwlist}
        self._numbers: dict[str, Iterator[int]] = {}  # of names that differ by these
        self._sources: dict[str, frozenset[str]] = {}  # what arrays are made of

    # Names.

    def named(self, *wanted: str) -> str:
        """Choose a name that is not taken: one of these, or else one with a number."""
        for name in wanted:
            if name not in self._taken:
                break
        else:
            stem, first = (wanted[-1], 2) if wanted else ("t", 1)
            numbers = self._numbers.setdefault(stem, count(first))
            name = next(n for k in numbers if (n := f"{stem}{k}") not in self._taken)
        self._taken.add(name)
        return name

    def assign(self, name: str, text: str, shape: tuple[int, ...]) -> None:
        """Write a line that gives an expression a name."""
        self.lines.append(f"{name} = {text}  # {shape_text(shape)}")

    def bind(self, handle: str, *wanted: str) -> Piece:
        """Give an expression a name of its own."""
        piece = self.piece(handle)
        if piece.level == ATOM and piece.text.isidentifier():
            return piece
        name = self.named(*wanted, *self._suggested(handle))
        self.assign(name, piece.text, piece.shape)
        self.cover(name, piece.names)
        if piece.kind == FLOAT:
            self.floats.add(name)
        # What keeps integers has the dtype of what it is made of.
        names = piece.names if piece.kind == EXACT else frozenset([name])
        made = Piece(name, piece.shape, names=names, is_simple=True, memory=piece.memory)
        self.pieces[handle] = made
        return made

    def _suggested(self, handle: str) -> Iterator[str]:
        """List names that say what an expression is."""
        step = self.steps.get(handle)
        if step is None:
            return
        args = [self.pieces[arg].text for arg in step.args if arg in self.pieces]
        if step.op == "call":
            name = step.detail.title
            if name == "power" or name in COMPARISONS:
                return
            if len(args) == 1 and args[0] in self._arrays:
                yield f"{name}_{args[0]}"
            yield f"{name}_" if name in RESERVED else name
        elif _is_product(step):
            plain = [arg.removesuffix(".T") for arg in args]
            if all(len(arg) <= 2 and arg in self._arrays for arg in plain):
                yield self.piece(handle).text.replace(" @ ", "").replace(".T", "t")
        elif step.op == "subtract" and args[0] in self._arrays:
            below = self.steps.get(step.args[-1])
            if below is not None and _is_product(below):
                yield "residual"

    # Expressions.

    def piece(self, handle: str) -> Piece:
        """Return the expression of an array or number."""
        if not is_number(handle):
            return self.pieces[handle]
        found = read_number(handle)
        # JAX takes no longer integers unless it is told to.
        if self.has_floats and isinstance(found.number, int) and abs(found.number) > MOST_INTEGER:
            return read_number(repr(float(found.number)))
        return found

    def arguments(self, step: Instruction, room: int = WIDTH) -> list[Piece]:
        """Return the arguments of a step, with names for some if they are long."""
        while True:
            pieces = [self.piece(handle) for handle in step.args]
            longest = max(pieces, key=lambda piece: len(piece.text), default=None)
            total = sum(len(piece.text) for piece in pieces)
            if longest is None or total <= room or longest.is_simple or not longest.names:
                return pieces
            self.bind(step.args[pieces.index(longest)])

    def spell(self, template: str, *pieces: Piece, **known: object) -> str:
        """Fill in a template of `einsdiff.numeric.spelling`."""
        known = {"np": ALIASES[self.backend], "device": self.device, **known}

        def filled(found: re.Match[str]) -> str:
            key = found[1]
            if key[-1:].isdigit():
                return pieces[int(key[-1])].at(_LEVELS[key[:-1]])
            return str(known[key])

        return re.sub(r"\{(\w+)\}", filled, template)

    def spell_operation(self, name: str, *pieces: Piece, **known: object) -> str:
        """Write an operation as the library writes it."""
        return self.spell(operation(name, self.backend), *pieces, **known)

    def made(
        self,
        name: str,
        pieces: Sequence[Piece],
        shape: tuple[int, ...],
        kind: int = EXACT,
        **known: object,
    ) -> Piece:
        """Return an operation as the library writes it, for a result of this shape."""
        text = self.spell_operation(name, *pieces, shape=shape_text(shape), **known)
        return joined(text, pieces, shape, kind)

    def where(self, condition: str, a: Piece, shape: tuple[int, ...]) -> Piece:
        """Put zeros where a condition does not hold."""
        found = self.made("where", [Piece(condition), a, Piece("0")], shape)
        return replace(found, names=a.names)

    # Dtypes and devices.

    @property
    def device(self) -> str:
        """Where new arrays are made."""
        return f"{self.reference}.device" if self.reference else "None"

    def cover(self, name: str, sources: frozenset[str]) -> None:
        """Remember what an array is made of: its dtype has room for theirs."""
        self._sources[name] = sources.union(*(self._sources.get(n, ()) for n in sources))

    def dtype_of(self, names: Collection[str], kind: int) -> str:
        """Write the dtype of arrays together with a number of this kind.

        Parameters
        ----------
        names
            The arrays; the reference if there are none.
        kind
            That of the number: ``EXACT`` for integers, which change nothing, ``FLOAT`` or
            ``COMPLEX``.
        """
        arrays = sorted(set(names) - {NO_ONE}) or ([self.reference] if self.reference else [])
        if not arrays:
            return _DTYPES[kind]
        if kind == FLOAT and not self.floats.isdisjoint(arrays):
            kind = EXACT
        is_torch = self.backend == "torch"
        if len(arrays) == 1 and kind == EXACT and (is_torch or arrays[0] not in self._scalars):
            return f"{arrays[0]}.dtype"
        if not is_torch:
            known = ", ".join([*arrays, *_SAMPLES[kind]])
            return f"{ALIASES[self.backend]}.result_type({known})"
        text, *others = [*(f"{name}.dtype" for name in arrays), *_TORCH_SAMPLES[kind]]
        for other in others:
            text = f"torch.promote_types({text}, {other})"
        return text

    def dtype_of_conditions(self, names: frozenset[str]) -> str | None:
        """Write the dtype in which a comparison of arrays is 0 or 1; None if there are none."""
        known = sorted(names - {NO_ONE}, key=lambda name: (name in self._scalars, name))
        if not known:
            return None
        like = self.reference if self.reference in known else known[0]
        return self.dtype_of([like], EXACT)

    def constant(
        self, name: str, shape: tuple[int, ...], like: Sequence[Piece], kind: int, *args: Piece
    ) -> Piece:
        """Write a new array of a dtype in which these expressions have room.

        Parameters
        ----------
        name
            The operation: zeros, ones, full, eye, or number.
        shape
            The shape of the array.
        like, kind
            The expressions, and what has to fit in besides.
        args
            The arguments of the operation.
        """
        names = self._distinct(names_in(like)) or ([self.reference] if self.reference else [])
        kind = max([kind, *(piece.kind for piece in like)])
        dtype = self.dtype_of(names, kind)
        template = operation(name, self.backend)
        if len(names) == 1 and kind == EXACT:
            template = operation(f"{name} like", self.backend) or template
        found = self.spell(
            template,
            *args,
            like=names[0] if names else "",
            shape=shape_text(shape),
            length=str(shape[0]) if len(shape) == 1 else shape_text(shape),
            dtype=dtype,
            made=f"dtype={dtype}" + (f", device={self.device}" if self.reference else ""),
        )
        return Piece(found, shape, names=frozenset(names or [NO_ONE]), kind=kind)

    def _distinct(self, names: frozenset[str]) -> list[str]:
        """Leave out arrays of whose dtypes others are known to have room."""
        covered = frozenset[str]().union(*(self._sources.get(n, ()) for n in names))
        # Of floats that are made of the same arrays one will do.
        distinct = {
            (self._sources[n] if n in self.floats else n): n
            for n in sorted(names - covered - {NO_ONE}, reverse=True)
        }
        return sorted(distinct.values())


#: Writes a step of a plan as an expression.
Writer = Callable[[Draft, Instruction], Piece]


def _is_product(step: Instruction) -> bool:
    return step.op in ("dot", "matmul")
