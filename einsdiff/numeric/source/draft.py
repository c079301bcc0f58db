r"""A function body while it is written: its lines, its names, and what is known of its arrays.

An expression is written where it is used, and is given a name, in a line of its own, where it is
used again or too long:

.. math:: t = \exp(A x), \quad t\,(1 - t)

>>> from einsdiff.numeric.planning.plan import plain_plan
>>> plan = plain_plan(variable("x", (3,)), {})
>>> draft = Draft(plan, "numpy", {"x_": "x"}, uses={}, reference="x")
>>> draft.pieces["t9"] = draft.made("cumsum", [draft.piece("x_")], (3,))
>>> draft.bind("t9", "total").text, *map(str, draft.lines)
('total', 'total = np.cumsum(x, axis=0)  # (3,)')
"""

from __future__ import annotations

import ast
import keyword
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from einsdiff.numeric.libraries.known import LIBRARIES
from einsdiff.numeric.planning.operations import Instruction
from einsdiff.numeric.planning.plan import Plan
from einsdiff.numeric.source.pieces import (
    COMPLEX,
    EXACT,
    FLOAT,
    NO_ONE,
    Piece,
    is_number,
    joined,
    names_in,
    negated,
    number_of,
    read_number,
    shape_of,
    shape_text,
)
from einsdiff.numeric.source.spelling import RESERVED
from einsdiff.numeric.source.syntax import (
    Index,
    assigned,
    called,
    changed,
    filled,
    keywords,
    literal,
    name,
    subscripted,
    whole,
    written,
)

#: Lines are broken into several statements where an expression is longer than this.
WIDTH = 72
#: What can be broken into lines anywhere has lines of this length.
LINE = 86

#: Numbers of each kind, as they are and as small dtypes, and the dtypes of these alone.
_SAMPLES = {EXACT: [], FLOAT: [literal(1.0)], COMPLEX: [literal(1j)]}
_DTYPE_SAMPLES = {EXACT: [], FLOAT: ["float32"], COMPLEX: ["complex64"]}
_DTYPES = {EXACT: "int", FLOAT: "float", COMPLEX: "complex"}


#: The largest integer of 32 bits.
MOST_INTEGER = 2**31 - 1


@dataclass(frozen=True)
class Line:
    """A statement, and the shape of what it makes."""

    statement: ast.stmt
    shape: tuple[int, ...] | None = None

    def __str__(self) -> str:
        comment = "" if self.shape is None else f"  # {shape_text(self.shape)}"
        return written(self.statement) + comment


class Draft:
    """A function body while it is written."""

    def __init__(
        self,
        plan: Plan,
        backend: str,
        names: Mapping[str, str],  # what its arguments are called, by their names in the plan
        *,
        uses: Mapping[str, int],  # how often each array of the plan is read
        scalars: Collection[str] = (),  # names of arrays without axes, or numbers
        reference: str = "",  # whose dtype and device results have in which no array occurs
        taken: Collection[str] = (),  # further names that cannot be used
        has_floats: bool = False,  # whether all arrays are known to be of such
    ) -> None:
        self.has_floats = has_floats
        self.library = LIBRARIES[backend]
        self.reference = reference
        self.uses = Counter(uses)
        self.steps = plan.makes
        self.lines: list[Line] = []  # those written so far
        self.functions: dict[str, str] = {}  # the user's, and what they are called
        self.ranges: list[Piece] = []  # arrays of indices: one axis each is longer than one
        self.floats: set[str] = set()  # arrays that cannot be of integers
        self.numbers: dict[str, Piece] = {}  # as arrays: their names, by how they are made
        self.pieces: dict[str, Piece] = {}  # the expressions of the plan's arrays so far
        for handle, text in names.items():
            self.pieces[handle] = Piece(
                name(text), plan.given[handle], frozenset([text]), is_simple=True
            )
        self._scalars = frozenset(scalars)
        self._arrays = frozenset(names.values())
        self._taken = {*taken, *RESERVED, *keyword.kwlist}
        self._numbers: dict[str, Iterator[int]] = {}  # of names that differ by these
        self._sources: dict[str, frozenset[str]] = {}  # what arrays are made of

    # Names.

    def named(self, *wanted: str) -> str:
        """Choose a name that is not taken: one of these, or else one with a number."""
        for found in wanted:
            if found not in self._taken:
                break
        else:
            stem, first = (wanted[-1], 2) if wanted else ("t", 1)
            numbers = self._numbers.setdefault(stem, count(first))
            found = next(n for k in numbers if (n := f"{stem}{k}") not in self._taken)
        self._taken.add(found)
        return found

    def assign(self, target: str, piece: Piece) -> None:
        """Write a line that gives an expression a name."""
        self.lines.append(Line(assigned(name(target), piece.tree), piece.shape))

    def write(self, statement: ast.stmt) -> None:
        """Write a line that needs no comment."""
        self.lines.append(Line(statement))

    def bind(self, handle: str, *wanted: str) -> Piece:
        """Give an expression a name of its own."""
        piece = self.piece(handle)
        if piece.is_name:
            return piece
        chosen = self.named(*wanted, *self._suggested(handle))
        self.assign(chosen, piece)
        self.cover(chosen, piece.names)
        if piece.kind == FLOAT:
            self.floats.add(chosen)
        # What keeps integers has the dtype of what it is made of; what no array is in, has none.
        is_like = piece.kind == EXACT or not piece.names
        names = piece.names if is_like else frozenset([chosen])
        kind = EXACT if piece.names else piece.kind
        made = Piece(name(chosen), piece.shape, names, kind, is_simple=True, memory=piece.memory)
        self.pieces[handle] = made
        return made

    def _suggested(self, handle: str) -> Iterator[str]:
        """List names that say what an expression is."""
        step = self.steps.get(handle)
        if step is None:
            return
        args = [self.pieces[arg].text for arg in step.args if arg in self.pieces]
        if step.op == "call":
            function = step.detail.title
            if function == "power" or step.detail.compares:
                return
            if len(args) == 1 and args[0] in self._arrays:
                yield f"{function}_{args[0]}"
            yield f"{function}_" if function in RESERVED else function
        elif step.operation.is_product:
            plain = [arg.removesuffix(".T") for arg in args]
            if all(len(arg) <= 2 and arg in self._arrays for arg in plain):
                yield self.piece(handle).text.replace(" @ ", "").replace(".T", "t")
        elif step.op == "subtract" and args[0] in self._arrays:
            below = self.steps.get(step.args[-1])
            if below is not None and below.operation.is_product:
                yield "residual"

    # Expressions.

    def piece(self, handle: str) -> Piece:
        """Return the expression of an array or number."""
        if not is_number(handle):
            return self.pieces[handle]
        found = read_number(handle)
        # JAX takes no longer integers unless it is told to.
        if self.has_floats and isinstance(found.number, int) and abs(found.number) > MOST_INTEGER:
            return number_of(float(found.number))
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

    def spell(self, template: str, *pieces: Piece, **known: ast.expr) -> ast.expr:
        """Fill in a template of the library's operations, or of a function."""
        parts = {str(k): piece.tree for k, piece in enumerate(pieces)}
        return filled(
            template, {"np": name(self.library.alias), "device": self.device, **parts, **known}
        )

    def made(
        self,
        op: str,
        pieces: Sequence[Piece],
        shape: tuple[int, ...],
        kind: int = EXACT,
        **known: ast.expr,
    ) -> Piece:
        """Return an operation as the library writes it, for a result of this shape."""
        template = self.library.operations[op]
        return joined(
            self.spell(template, *pieces, shape=shape_of(shape), **known), pieces, shape, kind
        )

    def change(self, op: str, target: str, indices: Sequence[Index], value: Piece) -> None:
        """Write a statement that changes a part of an array.

        What is done is "set", "add" or "subtract", or "add at" where an entry may be in it more
        than once.
        """
        at = subscripted(name(target), indices or [...])
        assert isinstance(at, ast.Subscript)
        if not self.library.changes_in_place:
            value, op = (negated(value), "add") if op == "subtract" else (value, op)
            template = self.library.operations[op]
            made = self.spell(template, Piece(name(target)), Piece(at.slice), value)
            statement = assigned(name(target), made)
        elif op == "add at":
            template = self.library.operations[op]
            statement = ast.Expr(self.spell(template, Piece(name(target)), Piece(at.slice), value))
        elif op == "set":
            statement = assigned(at, value.tree)
        else:
            statement = changed(at, "+" if op == "add" else "-", value.tree)
        self.write(statement)

    def where(self, condition: Piece, a: Piece, shape: tuple[int, ...]) -> Piece:
        """Put zeros where a condition does not hold."""
        found = self.made("where", [condition, a, number_of(0)], shape)
        return replace(found, names=a.names)

    # Dtypes and devices.

    @property
    def device(self) -> ast.expr:
        """Where new arrays are made."""
        return name(f"{self.reference}.device") if self.reference else ast.Constant(None)

    def cover(self, target: str, sources: frozenset[str]) -> None:
        """Remember what an array is made of: its dtype has room for theirs."""
        self._sources[target] = sources.union(*(self._sources.get(n, ()) for n in sources))

    def dtype_of(self, names: Collection[str], kind: int) -> ast.expr:
        """Write the dtype of arrays, or else of the reference, with a number of this kind.

        Integers, which are ``EXACT``, change nothing.
        """
        arrays = sorted(set(names) - {NO_ONE}) or ([self.reference] if self.reference else [])
        if not arrays:
            return name(_DTYPES[kind])
        if kind == FLOAT and not self.floats.isdisjoint(arrays):
            kind = EXACT
        alias, promote = self.library.alias, self.library.promote
        if len(arrays) == 1 and kind == EXACT and (promote or arrays[0] not in self._scalars):
            return name(f"{arrays[0]}.dtype")
        if not promote:
            return called(f"{alias}.result_type", *map(name, arrays), *_SAMPLES[kind])
        samples = [name(f"{alias}.{sample}") for sample in _DTYPE_SAMPLES[kind]]
        found, *others = [*(name(f"{n}.dtype") for n in arrays), *samples]
        for other in others:
            found = called(promote, found, other)
        return found

    def dtype_of_conditions(self, names: frozenset[str]) -> ast.expr | None:
        """Write the dtype in which a comparison of arrays is 0 or 1; None if there are none."""
        known = sorted(names - {NO_ONE}, key=lambda n: (n in self._scalars, n))
        if not known:
            return None
        like = self.reference if self.reference in known else known[0]
        return self.dtype_of([like], EXACT)

    def constant(
        self, op: str, shape: tuple[int, ...], like: Sequence[Piece], kind: int, *args: Piece
    ) -> Piece:
        """Write a new array of a dtype in which expressions and numbers of this kind have room.

        It is made by zeros, ones, full, eye or number, which have these arguments.
        """
        names = self._distinct(names_in(like)) or ([self.reference] if self.reference else [])
        kind = max([kind, *(piece.kind for piece in like)])
        dtype = self.dtype_of(names, kind)
        template = self.library.operations[op]
        if len(names) == 1 and kind == EXACT:
            template = self.library.operations[f"{op} like"] or template
        made = {"dtype": dtype} | ({"device": self.device} if self.reference else {})
        found = self.spell(
            template,
            *args,
            like=name(names[0] if names else "None"),
            shape=shape_of(shape),
            length=whole(shape[0]) if len(shape) == 1 else shape_of(shape),
            dtype=dtype,
            made=keywords(made),
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
