r"""Standalone source code: a plan as a person would write it, for NumPy, PyTorch or JAX.

The steps of a plan become one function. What is used once is written where it is used, what is
nothing but a view is written as one, and a derivative with deltas,

.. math:: \frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q ,

is an array of zeros into which ``x`` is written along a diagonal. Sizes that are names are read
from the arrays, so that one function serves arrays of any size.

>>> from einsdiff.algebra.nodes import einsum, variable
>>> A, x = variable("A", ("m", "n")), variable("x", ("n",))
>>> node = einsum([x], ["q"], "iiq", {"i": "m"})
>>> code = source(node, [A, x], "jacobian", "∂f_i/∂A_pq = δ_ip x_q", letters="ipq")
>>> print("\n".join(code.splitlines()[5:]))
    m, n = A.shape
    assert x.shape == (n,)
    J = np.zeros((m, m, n), x.dtype)  # (m, m, n)
    i = np.arange(m)
    J[i, i] = x
    return J
"""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count
from math import prod
from textwrap import wrap
from typing import Any
from unicodedata import normalize

from einsdiff.algebra.function import Function
from einsdiff.algebra.graph import rebuilt, topological, variables_of
from einsdiff.algebra.nodes import Delta, Einsum, Node, Variable, einsum, variable
from einsdiff.errors import OperandError, page
from einsdiff.notation.subscripts import Size
from einsdiff.numeric.plan import Plan, plain_plan
from einsdiff.numeric.spelling import (
    ALIASES,
    BACKENDS,
    COMPARISONS,
    HELPERS,
    IMPORTS,
    RESERVED,
    operation,
    spelled,
)
from einsdiff.numeric.steps import ALIASES as VIEWS_OF
from einsdiff.numeric.steps import WRITES, Affine, Instruction

__all__ = ["Extent", "check_code_backend", "docstring", "identifier", "source"]

#: Lines are broken into several statements where an expression is longer than this.
WIDTH = 72
#: Docstrings are broken into lines of this length.
LINE = 86
#: So many places where an array is written are compared with each other.
MOST_COMPARED = 64
#: Formulas longer than this are not shown in full.
MOST_SHOWN = 1000


def check_code_backend(backend: str) -> None:
    """Raise OperandError for array libraries that no code is written for.

    >>> check_code_backend("torch")
    """
    if backend not in BACKENDS:
        raise OperandError(
            page(
                f"there is no code for backend={backend!r}",
                action=f"write one of {', '.join(map(repr, BACKENDS))}",
            )
        )


# --- names and texts of the user's ------------------------------------------------------------


def identifier(text: str, taken: Iterable[str] = ()) -> str:
    r"""Make a Python identifier of a name, other than those that are taken or mean something.

    >>> identifier("∂x/∂z"), identifier("lambda"), identifier("2 'x\n"), identifier("x", {"x"})
    ('dx_dz', 'lambda_', 'x_2_x', 'x_2')
    """
    plain = re.sub(r"\W+", "_", normalize("NFKC", text).replace("∂", "d")).strip("_")
    if not plain.isidentifier():
        plain = f"x_{plain}".rstrip("_")
    if not plain.isidentifier():  # signs that may stand in identifiers, but not everywhere
        plain = "x"
    if keyword.iskeyword(plain) or plain in RESERVED:
        plain += "_"
    taken = set(taken)
    found = plain
    for k in count(2):
        if found not in taken:
            break
        found = f"{plain.rstrip('_')}_{k}"
    return found


def docstring(text: str) -> str:
    r'''Write text as a docstring.

    >>> print(docstring("f_i = x_i"), docstring('"""\n\\'))
    """f_i = x_i""" """\"\"\"\n\\"""
    '''
    text = text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]} …"
    shown = "".join(
        f"\\{c}"
        if c in '\\"'
        else c
        if c.isprintable()
        else c.encode("unicode_escape", "backslashreplace").decode("ascii")
        for c in text
    )
    if len(shown) <= LINE:
        return f'"""{shown}"""'
    lines = wrap(shown, LINE, break_long_words=False, break_on_hyphens=False)
    return "\n    ".join([f'"""{lines[0]}', *(f"    {line}" for line in lines[1:]), '"""'])


# --- sizes that remember their names ----------------------------------------------------------


class Extent(int):
    """A number that stands for a size, and remembers for which, through sums and products.

    >>> m, n = Extent.named("m", 101), Extent.named("n", 103)
    >>> m * n, 2 * m + n - 1, prod((m, m)), int(m)
    (m * n, 2 * m + n - 1, m * m, 101)
    """

    terms: Mapping[tuple[str, ...], int]  # a polynomial: by products of names, their coefficients

    @staticmethod
    def named(name: str, number: int) -> Extent:
        """Make the number that stands for a size."""
        return Extent._made(number, {(name,): 1})

    @staticmethod
    def _made(number: int, terms: Mapping[tuple[str, ...], int]) -> Extent:
        made = Extent(number)
        ordered = sorted(terms.items(), key=lambda term: (-len(term[0]), term[0]))
        made.terms = {names: c for names, c in ordered if c}
        return made

    def _plus(self, other: Any, sign: int) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        terms = Counter(self.terms)
        for names, c in _terms(other).items():
            terms[names] += sign * c
        return Extent._made(int(self) + sign * int(other), terms)

    def __add__(self, other: Any) -> Any:
        return self._plus(other, 1)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._plus(other, -1)

    def __rsub__(self, other: Any) -> Any:
        return (-self)._plus(other, 1)

    def __neg__(self) -> Extent:
        return Extent._made(-int(self), {names: -c for names, c in self.terms.items()})

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        terms: Counter[tuple[str, ...]] = Counter()
        for names, c in self.terms.items():
            for others, d in _terms(other).items():
                terms[tuple(sorted((*names, *others)))] += c * d
        return Extent._made(int(self) * int(other), terms)

    __rmul__ = __mul__

    def __repr__(self) -> str:
        text = ""
        for names, c in self.terms.items():
            sign = ("-" if c < 0 else "") if not text else (" - " if c < 0 else " + ")
            factors = ([] if abs(c) == 1 and names else [str(abs(c))]) + list(names)
            text += sign + " * ".join(factors)
        return text or "0"

    __str__ = __repr__
    __hash__ = int.__hash__


def _terms(number: int) -> Mapping[tuple[str, ...], int]:
    return number.terms if isinstance(number, Extent) else {(): number}


def _numbers(nodes: Iterable[Node]) -> set[int]:
    """Collect the sizes that are numbers."""
    found: set[int] = set()
    for node in nodes:
        sizes = (*node.shape, *getattr(node, "sizes", ()))
        found.update(size for size in sizes if isinstance(size, int))
    return found


def _primes(start: int) -> Iterator[int]:
    return (n for n in count(start) if all(n % d for d in range(2, int(n**0.5) + 1)))


# --- pieces of code ---------------------------------------------------------------------------

#: How tightly expressions bind, as in Python.
COMPARISON, SUM, PRODUCT, UNARY, POWER, ATOM = range(6)

#: What numbers become: they keep integers, make floats of them, or complex numbers.
EXACT, FLOAT, COMPLEX = range(3)


#: Arrays that have memory of their own; that may be views; whose entries may be in one place.
OWN, SHARED, REPEATED = range(3)

#: In place of the names of arrays in what is an array all the same, of indices or ones.
NO_ONE = ""


@dataclass(frozen=True)
class _Piece:
    """An expression in Python.

    Attributes
    ----------
    text
        How it is written.
    shape
        Of its value.
    level
        How tightly its outermost operator binds.
    sign
        That operator, if it is one of a product.
    names
        The arrays that it is made of; none for a number.
    kind
        What it does to integers.
    is_simple
        Whether it costs nothing to be written again: a name, a number, or a view of a name.
    memory
        Whether it has memory of its own.
    number
        Its value, if that is known.
    divisor
        What it is the reciprocal of.
    condition
        The condition of which it is the truth value.
    """

    text: str
    shape: tuple[int, ...] = ()
    level: int = ATOM
    sign: str = ""
    names: frozenset[str] = frozenset()
    kind: int = EXACT
    is_simple: bool = False
    memory: int = 0
    number: int | Fraction | float | complex | None = None
    divisor: _Piece | None = None
    condition: _Piece | None = None

    def at(self, level: int) -> str:
        """Write it as an operand, in brackets if need be."""
        return self.text if self.level >= level else f"({self.text})"


def _read_number(text: str) -> _Piece:
    """Read a number as the planner writes it.

    >>> _read_number("(-1/2)").number, _read_number("(-3)").text
    (Fraction(-1, 2), '-3')
    """
    plain = text[1:-1] if text.startswith("(") and "j" not in text else text
    if "/" in plain:
        value: Any = Fraction(plain)
        shown = plain.replace("/", " / ")
        level = PRODUCT
    else:
        value = complex(text) if "j" in text else None
        if "(" not in plain and value is None:
            value = float(plain) if re.search(r"[.e]", plain) else int(plain)
        shown, level = plain, UNARY if plain.startswith("-") else ATOM
    kind = EXACT if isinstance(value, int) else COMPLEX if "j" in text else FLOAT
    return _Piece(shown, (), level, "/" if "/" in plain else "", kind=kind, number=value)


def _is_number(name: str) -> bool:
    return not name.isidentifier()


@dataclass
class _Target:
    """An array that is being written into.

    Attributes
    ----------
    step
        What makes it.
    writes
        What is written into it, in order: the operation, the view, and what is written.
    """

    step: Instruction
    writes: list[tuple[Instruction, _View]] = field(default_factory=list)


@dataclass(frozen=True)
class _View:
    """A view of an array: each axis of the array as a sum of the view's indices.

    Attributes
    ----------
    shape
        That of the array.
    sizes
        The size of each index, by its number, in the order of the view's axes.
    axes
        For each axis of the array the coefficients of these, and what is added.
    """

    shape: tuple[int, ...]
    sizes: Mapping[int, int]
    axes: tuple[tuple[Mapping[int, int], int], ...]

    def replaced(
        self,
        sizes: Mapping[int, int],
        new: Mapping[int, Mapping[int, int]],
        offsets: Mapping[int, int],
    ) -> _View:
        """Put sums of other indices in the place of indices."""
        axes = []
        for terms, start in self.axes:
            total: Counter[int] = Counter()
            for index, c in terms.items():
                start = start + c * offsets.get(index, 0)
                for other, d in new.get(index, {index: 1}).items():
                    total[other] = total[other] + c * d
            axes.append((dict(total), start))
        return _View(self.shape, sizes, tuple(axes))

    def is_apart(self, other: _View) -> bool:
        """Tell whether an axis shows that two views have no entry in common."""
        return any(
            a[1] < b[0] or b[1] < a[0] for a, b in zip(self._reach(), other._reach(), strict=True)
        )

    def _reach(self) -> list[tuple[int, int]]:
        return [
            (
                start + sum(min(c, 0) * (self.sizes[n] - 1) for n, c in terms.items()),
                start + sum(max(c, 0) * (self.sizes[n] - 1) for n, c in terms.items()),
            )
            for terms, start in self.axes
        ]


# --- the writer -------------------------------------------------------------------------------


class _Writer:
    """Writes the steps of a plan as statements."""

    def __init__(
        self,
        plan: Plan,
        backend: str,
        names: Mapping[str, str],
        numbers: frozenset[str],
        scalars: frozenset[str],
        reference: str,
        letters: Sequence[str],
        taken: Iterable[str],
        result: str,
    ) -> None:
        self.plan = plan
        self.backend = backend
        self.letters = tuple(letters)
        self.taken = {*taken, *RESERVED, *keyword.kwlist}
        self.reference = reference
        self.result = result
        self.lines: list[str] = []
        self.numbers: dict[str, Iterator[int]] = {}  # of names that differ by these
        self.functions: dict[str, str] = {}  # of the user's, and what they are called
        self.covered: dict[str, frozenset[str]] = {}  # what arrays are made of
        self.meshes: dict[tuple[str, int], str] = {}
        self.pieces: dict[str, _Piece] = {}
        for handle, name in names.items():
            found = () if name in numbers else (name,)
            shape = plan.given[handle]
            piece = _Piece(name, shape, names=frozenset(found), is_simple=True)
            self.pieces[handle] = piece
        self.scalars = scalars
        self.arrays = frozenset(names.values()) - numbers  # as the user calls them
        self.floats: set[str] = set()  # arrays that cannot be of integers
        self.steps = {step.target: step for step in plan.instructions if step.op not in WRITES}
        self.targets, self.views = self._targets()
        self.uses = Counter(plan.results)
        for step in plan.instructions:
            if step.op in WRITES:
                self.uses.update(step.args[1:2])
            elif step.target not in self.views:
                self.uses.update(step.args)

    def write(self) -> _Piece:
        """Write all steps; return what is left of them: the result."""
        for step in self.plan.instructions:
            if step.op in WRITES:
                if step.op != "clear":
                    root, view = self.views[step.target]
                    self.targets[root].writes.append((step, view))
            elif step.target not in self.views:
                self.pieces[step.target] = self.written(step)
                if self.uses[step.target] > 1 and not self.pieces[step.target].is_simple:
                    self.bind(step.target)
        (result,) = self.plan.results
        piece = self.piece(result)
        if not piece.names and not piece.shape:
            return self.constant("number", (), [], piece.kind, piece)
        return self.made("copy", [piece], piece.shape) if piece.memory == REPEATED else piece

    # Names.

    def named(self, *wanted: str) -> str:
        """Choose a name that is not taken: one of these, or else one with a number."""
        for name in wanted:
            if name not in self.taken:
                break
        else:
            stem, first = (wanted[-1], 2) if wanted else ("t", 1)
            numbers = self.numbers.setdefault(stem, count(first))
            name = next(n for k in numbers if (n := f"{stem}{k}") not in self.taken)
        self.taken.add(name)
        return name

    def bind(self, handle: str, *wanted: str) -> _Piece:
        """Give an expression a name of its own."""
        piece = self.piece(handle)
        if piece.level == ATOM and piece.text.isidentifier():
            return piece
        name = self.named(*wanted, *self.suggested(handle))
        self.assign(name, piece.text, piece.shape)
        made = replace(_Piece(name, piece.shape), is_simple=True, memory=piece.memory)
        made = replace(made, names=frozenset([name]))
        self.cover(name, piece.names)
        if piece.kind == FLOAT:
            self.floats.add(name)
        if piece.kind == EXACT:  # of a dtype that is known
            made = replace(made, names=piece.names)
        self.pieces[handle] = made
        return made

    def cover(self, name: str, *sources: frozenset[str]) -> None:
        """Remember what an array is made of: its dtype has room for theirs."""
        found = frozenset[str]().union(*sources)
        self.covered[name] = found.union(*(self.covered.get(n, ()) for n in found))

    def suggested(self, handle: str) -> Iterator[str]:
        """List names that say what an expression is."""
        step = self.steps.get(handle)
        if step is None:
            return
        args = [self.pieces[arg].text for arg in step.args if arg in self.pieces]
        if step.op == "call":
            name = step.detail.name
            if name == "power" or name in COMPARISONS:
                return
            if len(args) == 1 and args[0] in self.arrays:
                yield f"{name}_{args[0]}"
            yield f"{name}_" if name in RESERVED else name
        elif step.op in ("dot", "matmul"):
            if all(len(arg.removesuffix(".T")) <= 2 for arg in args) and all(
                arg.removesuffix(".T") in self.arrays for arg in args
            ):
                yield self.piece(handle).text.replace(" @ ", "").replace(".T", "t")
        elif step.op == "subtract" and args[0] in self.arrays:
            below = self.steps.get(step.args[-1])
            if below is not None and below.op in ("dot", "matmul"):
                yield "residual"

    def assign(self, name: str, text: str, shape: tuple[int, ...]) -> None:
        self.lines.append(f"{name} = {text}  # {_shape(shape)}")

    # Reading.

    def piece(self, handle: str) -> _Piece:
        """Return the expression of an array or number."""
        if _is_number(handle):
            return _read_number(handle)
        if handle in self.views:
            root, _ = self.views[handle]
            if root not in self.pieces:
                self.pieces[root] = self.filled(root)
            if handle not in self.pieces:  # a view that is also read
                self.pieces[handle] = self.written(self.steps[handle])
        return self.pieces[handle]

    def arguments(self, step: Instruction, room: int = WIDTH) -> list[_Piece]:
        """Return the arguments of a step, with names for some if they are long."""
        handles = list(step.args)
        while True:
            pieces = [self.piece(handle) for handle in handles]
            longest = max(pieces, key=lambda piece: len(piece.text), default=None)
            total = sum(len(piece.text) for piece in pieces)
            if longest is None or total <= room or longest.is_simple or not longest.names:
                return pieces
            self.bind(handles[pieces.index(longest)])

    def spell(self, template: str, *pieces: _Piece, **known: object) -> str:
        """Fill in a template of `einsdiff.numeric.spelling`."""
        known = {"np": ALIASES[self.backend], "device": self.device, **known}
        levels = {"": COMPARISON, "a": ATOM, "m": PRODUCT}

        def filled(found: re.Match[str]) -> str:
            key = found[1]
            if key[-1:].isdigit():
                return pieces[int(key[-1])].at(levels[key[:-1]])
            return str(known[key])

        return re.sub(r"\{(\w+)\}", filled, template)

    def made(
        self,
        name: str,
        pieces: Sequence[_Piece],
        shape: tuple[int, ...],
        kind: int = EXACT,
        **known: object,
    ) -> _Piece:
        """Write an operation as the library writes it."""
        text = self.spell(operation(name, self.backend), *pieces, shape=_shape(shape), **known)
        return _joined(text, pieces, shape, kind)

    @property
    def device(self) -> str:
        return f"{self.reference}.device" if self.reference else "None"

    # Steps.

    def written(self, step: Instruction) -> _Piece:
        """Write a step as an expression."""
        method: Callable[[Instruction], _Piece] = getattr(self, f"_{step.op}")
        return method(step)

    def _transpose(self, step: Instruction) -> _Piece:
        (a,) = self.arguments(step)
        return self.transposed(a, step.detail)

    def transposed(self, a: _Piece, axes: Sequence[int]) -> _Piece:
        if list(axes) == list(range(len(axes))):
            return a
        shape = tuple(a.shape[axis] for axis in axes)
        if tuple(axes) == (1, 0):
            made = _joined(f"{a.at(ATOM)}.T", [a], shape)
        else:
            made = self.made("transpose", [a], shape, axes=", ".join(map(str, axes)))
        return _view_of(a, made)

    def _reshape(self, step: Instruction) -> _Piece:
        (a,) = self.arguments(step)
        return self.reshaped(a, step.shape)

    _split = _reshape

    def reshaped(self, a: _Piece, shape: tuple[int, ...]) -> _Piece:
        sizes = ", ".join(map(str, shape)) if shape else "()"
        return _view_of(a, self.made("reshape", [a], shape, sizes=sizes))

    def _expand(self, step: Instruction) -> _Piece:
        (a,) = self.arguments(step)
        return self.expanded(a, step.detail, step.shape)

    def expanded(self, a: _Piece, mask: Sequence[bool], shape: tuple[int, ...]) -> _Piece:
        index = ", ".join(":" if there else "None" for there in mask)
        return _view_of(a, _joined(f"{a.at(ATOM)}[{index}]", [a], shape))

    def _slice(self, step: Instruction) -> _Piece:
        (a,) = self.arguments(step)
        texts = [text for text in step.detail if text != "..."]
        if self.backend == "torch":  # which takes no negative steps
            sizes = iter(step.shape)
            for axis, text in enumerate(texts):
                parts = text.split(":")
                length = next(sizes) if len(parts) > 1 else 0
                if len(parts) == 3 and parts[2].startswith("-"):
                    start, stride = (int(parts[0]) if parts[0] else None), -int(parts[2])
                    first = 0 if start is None else a.shape[axis] - 1 - start
                    a = self.made("flip", [a], a.shape, axes=axis)
                    stop = first + (length - 1) * stride + 1
                    texts[axis] = f"{first}:{stop}:{stride}"
                    if not first and stride == 1:
                        texts[axis] = ":" if length == a.shape[axis] else f":{stop}"
        while texts and texts[-1] == ":":
            del texts[-1]
        if not texts:
            return replace(a, shape=step.shape)
        text = f"{a.at(ATOM)}[{', '.join(texts)}]"
        return _view_of(a, _joined(text, [a], step.shape))

    def _diagonal(self, step: Instruction) -> _Piece:
        (a,) = self.arguments(step)
        if step.detail == "ii->i":
            made = self.made("diagonal", [a], step.shape)
        else:
            made = self.made("view", [a], step.shape, subscripts=f'"{step.detail}"')
        return replace(_view_of(a, made), is_simple=False)

    def _sum(self, step: Instruction) -> _Piece:
        below = self.steps.get(step.args[0])
        is_trace = below is not None and below.op == "diagonal" and below.detail == "ii->i"
        if is_trace and below is not None and self.uses[step.args[0]] == 1:
            return self.made("trace", self.arguments(below), step.shape)
        (a,) = self.arguments(step)
        if not step.shape:
            return self.made("sum all", [a], step.shape)
        axes = step.detail[0] if len(step.detail) == 1 else step.detail
        return self.made("sum", [a], step.shape, axes=axes)

    def _einsum(self, step: Instruction) -> _Piece:
        a, b = self.arguments(step, WIDTH - 20)
        given = step.detail.split("->")[0]
        is_product = len(set(given) - {","}) > len(set.intersection(*map(set, given.split(","))))
        name = "einsum by BLAS" if is_product else "einsum"
        return self.made(name, [a, b], step.shape, subscripts=f'"{step.detail}"')

    def _dot(self, step: Instruction) -> _Piece:
        a, b = self.arguments(step)
        if step.op == "dot" and len(a.shape) == 1 and len(b.shape) == 2:  # the matrix comes first
            below = self.steps.get(step.args[1])
            if below is not None and below.op == "transpose" and b.text.endswith(".T"):
                a, b = self.piece(below.args[0]), a
            else:
                a, b = self.transposed(b, (1, 0)), a
        left = a.text if a.sign == "@" else a.at(UNARY)
        return _joined(f"{left} @ {b.at(UNARY)}", [a, b], step.shape, level=PRODUCT, sign="@")

    _matmul = _dot

    def _multiply(self, step: Instruction) -> _Piece:
        a, b = self.arguments(step)
        if b.number is not None:
            a, b = b, a
        if step.args[0] == step.args[1]:
            return _raised(a, 2)
        return replace(_product(a, b), shape=step.shape)

    def _power(self, step: Instruction) -> _Piece:
        (a,) = self.arguments(step)
        return _raised(a, step.detail)

    def _negative(self, step: Instruction) -> _Piece:
        (a,) = self.arguments(step)
        level = PRODUCT if a.level == PRODUCT else UNARY
        inner = a.text if a.level == PRODUCT else a.at(POWER)
        if inner.startswith("-"):
            inner = f"({inner})"
        return _joined(f"-{inner}", [a], step.shape, level=level, sign=a.sign)

    def _add(self, step: Instruction) -> _Piece:
        a, b = self.arguments(step)
        text = f"{a.at(SUM)} + {b.at(SUM)}"
        if b.level <= UNARY and b.text.startswith("-"):
            text = f"{a.at(SUM)} - {b.text[1:]}" if b.level > SUM else f"{a.at(SUM)} + ({b.text})"
        return _joined(text, [a, b], step.shape, level=SUM)

    def _subtract(self, step: Instruction) -> _Piece:
        a, b = self.arguments(step)
        return _joined(f"{a.at(SUM)} - {b.at(PRODUCT)}", [a, b], step.shape, level=SUM)

    def _number(self, step: Instruction) -> _Piece:
        return replace(self.piece(step.args[0]), is_simple=True)

    def _copy(self, step: Instruction) -> _Piece:
        (a,) = self.arguments(step)
        below = self.steps.get(step.args[0])
        is_own = below is None or below.op != "call" or not callable(below.detail.implementation)
        if a.names and not a.is_simple and a.memory == OWN and is_own:
            return a
        return self.made("copy", [a], step.shape)

    def _repeat(self, step: Instruction) -> _Piece:
        (a,) = self.arguments(step)
        return replace(self.made("broadcast", [a], step.shape), memory=REPEATED)

    def _pack(self, step: Instruction) -> _Piece:
        (a,) = self.arguments(step)
        return a

    # Indices.

    def arange(self, size: int) -> str:
        return self.spell(operation("range", self.backend), _Piece(str(size)))

    def affine(self, affine: Affine) -> _Piece:
        """Write an array of sums of indices."""
        rank = len(affine.shape)
        terms = []
        for axis, (c, size) in enumerate(zip(affine.coefficients, affine.shape, strict=True)):
            if c:
                terms.append((c, self.spell_range(str(size), rank - 1 - axis)))
        text = _sum(terms, affine.offset)
        return _Piece(text, affine.shape, SUM, names=frozenset([NO_ONE]))

    def _positions(self, step: Instruction) -> _Piece:
        return self.affine(step.detail)

    def where(self, condition: str, a: _Piece, shape: tuple[int, ...]) -> _Piece:
        zero = _Piece("0")
        found = self.made("where", [_Piece(condition), a, zero], shape)
        return replace(found, names=a.names)

    def _mask(self, step: Instruction) -> _Piece:
        (a,) = self.arguments(step, WIDTH - 12)
        return self.masked(a, *step.detail)

    def masked(self, a: _Piece, affine: Affine, is_equation: bool) -> _Piece:
        """Put zeros where a relation does not hold."""
        last, c = affine.coefficients[:-2], affine.coefficients[-2:]
        if not is_equation and not any(last) and sorted(c) == [-1, 1]:
            name, k = ("tril", affine.offset) if c[0] > 0 else ("triu", -affine.offset)
            at = _Piece(str(k))
            return replace(self.made(f"{name} at" if k else name, [a, at], a.shape), names=a.names)
        sign = "==" if is_equation else ">="
        return self.where(f"{self.affine(affine).text} {sign} 0", a, a.shape)

    def _relation(self, step: Instruction) -> _Piece:
        ones = self.constant("ones", step.shape, [], EXACT)
        return self.masked(ones, *step.detail)

    def _cumsum(self, step: Instruction) -> _Piece:
        (a,) = self.arguments(step)
        sums = self.made("cumsum", [a], a.shape)
        if not step.detail:
            return sums
        self.pieces[step.args[0]] = a = self.bind(step.args[0])
        sums = self.made("cumsum", [a], a.shape)
        zeros = self.constant("zeros", (1, *a.shape[1:]), [a], EXACT)
        return self.made("join", [zeros, sums], step.shape)

    def _gather(self, step: Instruction) -> _Piece:
        a, at = self.piece(step.args[0]), self.bind(step.args[1], "at")
        size, divisor, outside, rank, shared = step.detail
        index = replace(at, text=f"{at.text} // {divisor}", level=PRODUCT) if divisor > 1 else at
        if outside != "none":
            ends = _Piece("0"), _Piece(str(size - 1))
            index = self.made("clip", [index, *ends], at.shape)
        also = ""
        for axis in shared:
            trailing = ", None" * (rank - 1 - axis)
            also += f", {self.arange(step.shape[axis])}" + (f"[:{trailing}]" if trailing else "")
        text = f"{a.at(ATOM)}[{index.text}{also}]"
        taken = replace(_joined(text, [a], step.shape), kind=a.kind)
        if outside != "zero":
            return taken
        inside = f"({at.text} >= 0) & ({at.text} < {size * divisor})"
        if divisor > 1:
            inside += f" & ({at.text} % {divisor} == 0)"
        rest = len(step.shape) - len(at.shape)
        if rest:
            inside = f"({inside})[(...,{' None,' * rest}{' :,' * 0})]".replace(",)", ")")
        return self.where(inside, taken, step.shape)

    def _scatter(self, step: Instruction) -> _Piece:
        a, at = self.bind(step.args[0]), self.bind(step.args[1], "at")
        size, is_inside, is_injective = step.detail
        length = size if is_inside else size + 1
        shape = (length, *step.shape[1:])
        index = at
        if not is_inside:  # what is outside is added up behind the end
            inside = f"({at.text} >= 0) & ({at.text} < {size})"
            parts = _Piece(inside), at, _Piece(str(size))
            if self.backend == "torch":
                parts = _Piece(inside), at, _Piece(str(size))
            index = self.made("where", parts, at.shape)
        target = self.named("total")
        zeros = self.constant("zeros", shape, [a], EXACT)
        self.assign(target, zeros.text, shape)
        name = "set" if is_injective and is_inside else "add at"
        where = _Piece(index.text)
        self.lines.append(self.spell(operation(name, self.backend), _Piece(target), where, a))
        made = _Piece(target, shape, names=frozenset([target]), is_simple=True)
        if not is_inside:
            made = _joined(f"{target}[:{size}]", [made], step.shape)
        return replace(made, is_simple=True)

    # Functions.

    def _call(self, step: Instruction) -> _Piece:
        function: Function = step.detail
        if function.name == "power":
            return self.power(step)
        pieces = self.arguments(step, WIDTH - len(function.name))
        if function.name in COMPARISONS:
            return self.compared(function, pieces, step.shape)
        kind = EXACT if function.keeps_integers else FLOAT
        if function.name == "where":
            first = pieces[0]
            if not first.names and self.backend == "torch":
                first = self.as_array(first)
            known = _Piece(f"{first.at(SUM)} != 0", level=COMPARISON)
            pieces[0] = replace(first.condition or known, names=first.names)
        is_own = callable(function.implementation)
        is_wanted = self.backend == "torch" or is_own
        for k, piece in enumerate(pieces):
            if not piece.names and is_wanted and not (function.name == "where" and k == 0):
                pieces[k] = self.as_array(piece)
        template = spelled(function, self.backend)
        if template is None:
            name = self.functions.get(function.name)
            if name is None:
                name = self.named(function.name, f"{function.name}_", f"{function.name}_function")
                self.functions[function.name] = name
            template = f"{name}({', '.join(f'{{{k}}}' for k in range(len(pieces)))})"
        elif function.name == "solve" and function.ranks == (2, 1):
            is_batch = len(pieces[0].shape) > 2 or len(pieces[1].shape) > 1
            key = replace_name(function, "solve for vectors" if is_batch else "solve")
            template = spelled(key, self.backend)
            assert template is not None
        return _joined(self.spell(template, *pieces), pieces, step.shape, kind)

    def as_array(self, piece: _Piece) -> _Piece:
        """Write a number where an array is needed."""
        if self.backend == "torch":
            precision = "complex128" if piece.kind == COMPLEX else "float64"
            text = self.spell(operation("argument", "torch"), piece, precision=precision)
        else:
            text = f"{ALIASES[self.backend]}.asarray({piece.text})"
        return replace(piece, text=text, level=ATOM, sign="", kind=max(piece.kind, FLOAT))

    def compared(
        self, function: Function, pieces: Sequence[_Piece], shape: tuple[int, ...]
    ) -> _Piece:
        a, b = pieces
        if not a.names | b.names and self.backend == "torch":
            a, b = self.as_array(a), self.as_array(b)
        text = f"{a.at(SUM)} {COMPARISONS[function.name]} {b.at(SUM)}"
        condition = _joined(text, pieces, shape, level=COMPARISON)
        found_in = (a.names | b.names) - {NO_ONE}
        known = sorted(found_in, key=lambda name: (name in self.scalars, name))
        if not known:
            found = self.made("where", [condition, _Piece("1.0"), _Piece("0.0")], shape)
        else:
            like = next((name for name in known if name == self.reference), known[0])
            found = self.made("cast", [condition], shape, dtype=self.dtype_of([like], EXACT))
        return replace(found, kind=EXACT, condition=condition, names=condition.names)

    def power(self, step: Instruction) -> _Piece:
        a, b = self.arguments(step)
        n = b.number
        if isinstance(n, int | Fraction) and n < 0 and (n == -1 or not isinstance(n, Fraction)):
            return _reciprocal(self.raised(a, -n), step.shape)
        if n == Fraction(-1, 2):
            return _reciprocal(self.raised(a, Fraction(1, 2)), step.shape)
        if isinstance(n, int | Fraction):
            return replace(self.raised(a, n), shape=step.shape)
        text = f"{a.at(ATOM)} ** {b.at(UNARY)}"
        if b.is_simple and b.level == ATOM:
            text = f"{a.at(ATOM)}**{b.text}"
        return _joined(text, [a, b], step.shape, FLOAT, level=POWER)

    def raised(self, a: _Piece, n: int | Fraction) -> _Piece:
        """Write a power."""
        if n == 1:
            return a
        if n == Fraction(1, 2) and a.names:
            return self.made("sqrt", [a], a.shape, FLOAT)
        if isinstance(n, int):
            return _raised(a, n)
        exponent = f"({n.numerator} / {n.denominator})"
        return _joined(f"{a.at(ATOM)} ** {exponent}", [a], a.shape, FLOAT, level=POWER)

    # Arrays that are written into.

    def dtype_of(self, names: Sequence[str], kind: int) -> str:
        """Write the dtype of arrays together with a number of this kind."""
        names = list(names) or ([self.reference] if self.reference else [])
        extra = {EXACT: [], FLOAT: ["1.0"], COMPLEX: ["1j"]}[kind]
        if kind == FLOAT and not self.floats.isdisjoint(names):
            extra = []
        alias = ALIASES[self.backend]
        if not names:
            return {EXACT: "int", FLOAT: "float", COMPLEX: "complex"}[kind]
        is_array = self.backend == "torch" or names[0] not in self.scalars
        if len(names) == 1 and not extra and is_array:
            return f"{names[0]}.dtype"
        if self.backend != "torch":
            return f"{alias}.result_type({', '.join([*names, *extra])})"
        kinds = {"1.0": "torch.float32", "1j": "torch.complex64"}
        text = f"{names[0]}.dtype"
        for other in (*(f"{name}.dtype" for name in names[1:]), *(kinds[n] for n in extra)):
            text = f"torch.promote_types({text}, {other})"
        return text

    def constant(
        self, name: str, shape: tuple[int, ...], like: Sequence[_Piece], kind: int, *args: _Piece
    ) -> _Piece:
        """Write a new array of a dtype in which these expressions have room."""
        found_in = frozenset[str]().union(*(piece.names for piece in like))
        covered = frozenset[str]().union(*(self.covered.get(n, ()) for n in found_in))
        # Of floats that are made of the same arrays one will do.
        distinct = {
            (self.covered[n] if n in self.floats else n): n
            for n in sorted(found_in - covered - {NO_ONE}, reverse=True)
        }
        names = sorted(distinct.values())
        kind = max([kind, *(piece.kind for piece in like)])
        dtype = self.dtype_of(names, kind)
        source = names or ([self.reference] if self.reference else [])
        template = operation(name, self.backend)
        if len(source) == 1 and kind == EXACT:
            template = operation(f"{name} like", self.backend) or template
        found = self.spell(
            template,
            *args,
            like=source[0] if source else "",
            shape=_shape(shape),
            length=str(shape[0]) if len(shape) == 1 else _shape(shape),
            dtype=dtype,
            made=f"dtype={dtype}" + (f", device={self.device}" if self.reference else ""),
        )
        return _Piece(found, shape, names=frozenset(source or [NO_ONE]), kind=kind)

    def _zeros(self, step: Instruction) -> _Piece:
        if not step.shape:
            return _Piece("0", number=0, is_simple=True)
        return self.constant("zeros", step.shape, [], EXACT)

    def _targets(self) -> tuple[dict[str, _Target], dict[str, tuple[str, _View]]]:
        """Find the arrays that are written into, and the views through which they are."""
        targets: dict[str, _Target] = {}
        views: dict[str, tuple[str, _View]] = {}
        for step in self.plan.instructions:
            if step.op not in WRITES or step.target in views:
                continue
            chain = [self.steps[step.target]]
            while chain[-1].op in VIEWS_OF:
                chain.append(self.steps[chain[-1].args[0]])
            root = chain[-1]
            targets.setdefault(root.target, _Target(root))
            axes = range(len(root.shape))
            view = _View(
                root.shape, dict(enumerate(root.shape)), tuple(({axis: 1}, 0) for axis in axes)
            )
            views[root.target] = root.target, view
            for part in reversed(chain[:-1]):
                view = _viewed(view, part)
                views[part.target] = root.target, view
        return targets, views

    def filled(self, root: str) -> _Piece:
        """Write an array, and what is written into it."""
        target = self.targets[root]
        step, writes = target.step, target.writes
        shape = step.shape
        is_result = root in self.plan.results
        if step.op == "copy":
            base = self._copy(step)
            added = [self.piece(arg) for write, _ in writes for arg in write.args[1:]]
            kind = max([base.kind, *(piece.kind for piece in added)])
            if kind > base.kind and self.floats.isdisjoint(base.names):
                dtype = self.dtype_of(sorted(base.names - {NO_ONE}), kind)
                base = self.made("cast", [base], shape, dtype=dtype)
            name = self.named(*self.name_of_target(is_result))
            self.assign(name, base.text, shape)
            self.cover(name, base.names)
            names = base.names
        else:
            first = writes[0]
            if len(writes) == 1:
                short = self.written_at_once(step, *first)
                if short is not None:
                    return short
            like = [self.piece(write.args[1]) for write, _ in writes]
            numbers = [self.piece(n) for write, _ in writes for n in write.args[2:]]
            kind = max((piece.kind for piece in [*like, *numbers]), default=EXACT)
            if kind == FLOAT and len(writes) == 1 and like[0].names and not numbers:
                like = [self.bind(first[0].args[1], "values")]
                kind = EXACT
            if len(writes) <= MOST_COMPARED and all(
                one.is_apart(other) for k, (_, one) in enumerate(writes) for _, other in writes[:k]
            ):
                writes.sort(key=lambda write: [start for _, start in write[1].axes])
            if self.backend == "jax":  # so that the first write can be in the same line
                self.index(writes[0][1], is_result)
            zeros = self.constant("zeros", shape, like, kind)
            names = zeros.names
            name = self.named(*self.name_of_target(is_result))
            self.assign(name, zeros.text, shape)
            self.cover(name, *(piece.names for piece in like))
        is_new = step.op != "copy"
        for k, (write, view) in enumerate(writes):
            before = writes[:k] if k <= MOST_COMPARED else writes
            sets = is_new and all(view.is_apart(other) for _, other in before)
            self.write_into(name, write, view, sets, is_new and k == 0, is_result)
        if kind != EXACT:
            names = frozenset([name])
        if kind == FLOAT:
            self.floats.add(name)
        return _Piece(name, shape, names=names, is_simple=True)

    def name_of_target(self, is_result: bool) -> tuple[str, ...]:
        return (self.result, "result") if is_result else ()

    def written_at_once(self, step: Instruction, write: Instruction, view: _View) -> _Piece | None:
        """Write an array in one expression: repeated, or the diagonal of a matrix."""
        shape = step.shape
        value = self.piece(write.args[1])
        if write.args[2:]:
            value = _product(self.piece(write.args[2]), value)
        if all(terms == {k: 1} and not start for k, (terms, start) in enumerate(view.axes)):
            if not value.names:
                if not shape:
                    return value
                name = "ones" if value.text == "1" else "full"
                return self.constant(name, shape, [], value.kind, value)
            if value.shape == shape:
                return value
            return replace(self.made("broadcast", [value], shape), memory=REPEATED)
        (index, length), *rest = view.sizes.items() or [(-1, -1)]
        is_diagonal = not rest and view.axes == (({index: 1}, 0),) * 2
        if is_diagonal and shape == (length, length):
            if value.number in (1, -1):
                eye = self.constant("eye", shape, [], EXACT, _Piece(str(length)))
                is_one = value.number == 1
                return eye if is_one else replace(eye, text=f"-{eye.text}", level=UNARY)
            if value.names and len(value.shape) == 1:
                return self.made("diag", [value], shape)
        return None

    def write_into(
        self,
        name: str,
        step: Instruction,
        view: _View,
        sets: bool,
        is_first: bool,
        is_result: bool,
    ) -> None:
        """Write into a view of an array, or add to it."""
        index, order = self.index(view, is_result)
        value = self.aligned(step.args[1], view, order)
        if step.args[2:]:
            value = _product(self.piece(step.args[2]), value)
        kind = {"assign": "set", "accumulate": "add", "deduct": "subtract"}[step.op]
        if sets:
            value = _product(_read_number("-1"), value) if kind == "subtract" else value
            kind = "set"
        if kind == "add" and value.text.startswith("-") and value.level >= PRODUCT:
            kind = "subtract"
            value = replace(value, text=value.text[1:])
        if index == ":" or not index:
            sign = {"set": "", "add": "+", "subtract": "-"}[kind]
            if not sign:
                index = "..."
            elif self.backend == "jax":
                self.lines.append(f"{name} = {name} {sign} {value.at(PRODUCT)}")
                return
            else:
                self.lines.append(f"{name} {sign}= {value.text}")
                return
        pieces = _Piece(name), _Piece(index), value
        text = self.spell(operation(kind, self.backend), *pieces)
        if self.backend == "jax" and is_first:  # in the line that makes the zeros
            last, _, comment = self.lines[-1].partition("  # ")
            made = last.removeprefix(f"{name} = ")
            joined = text.replace(f"= {name}.", f"= {made}.", 1)
            if last != made and len(joined) < LINE:
                self.lines[-1] = f"{joined}  # {comment}"
                return
        self.lines.append(text)

    def index(self, view: _View, is_result: bool) -> tuple[str, list[int]]:
        """Write the indices of a view; return also the order of what they leave."""
        counts = Counter(index for terms, _ in view.axes for index in terms)

        def is_plain(terms: Mapping[int, int]) -> bool:
            return all(c > 0 and counts[n] == 1 for n, c in terms.items()) and len(terms) == 1

        meshed = {n for terms, _ in view.axes if not is_plain(terms) for n in terms}
        is_mixed = meshed and any(not terms for terms, _ in view.axes)
        if is_mixed:  # libraries disagree on the order of what numbers and arrays leave
            meshed = set(view.sizes)
        mesh = [n for n in view.sizes if n in meshed]
        names = self.mesh(mesh, view, is_result)
        texts, places = [], []
        for axis, (terms, start) in enumerate(view.axes):
            if not terms:
                texts.append(str(start))
            elif meshed.isdisjoint(terms):
                ((n, step),) = terms.items()
                texts.append(_range(start, step, view.sizes[n], view.shape[axis]))
            else:
                places.append(axis)
                texts.append(_sum([(c, names[n]) for n, c in terms.items()], start))
        order = [n for terms, _ in view.axes for n in terms if n not in meshed]
        together = places == list(range(places[0], places[-1] + 1)) if places else True
        before = 0
        if places and together:
            before = sum(bool(terms) for terms, _ in view.axes[: places[0]])
        order[before:before] = mesh
        while texts and texts[-1] == ":":
            del texts[-1]
        return ", ".join(texts), order

    def mesh(self, mesh: Sequence[int], view: _View, is_result: bool) -> dict[int, str]:
        """Give arrays of indices names, and write what makes them."""
        names: dict[int, str] = {}
        new: list[tuple[str, str]] = []
        for k, n in enumerate(mesh):
            after = len(mesh) - 1 - k
            size = str(view.sizes[n])
            key = (size, after)
            known = self.meshes.get(key)
            if known is not None and known not in names.values():
                names[n] = known
                continue
            axis = next(a for a, (terms, _) in enumerate(view.axes) if n in terms)
            letter = self.letters[axis] if is_result and axis < len(self.letters) else ""
            wanted = [letter] if letter.isidentifier() else []
            names[n] = self.meshes[key] = self.named(*wanted, *"ijkpqr", "i")
            new.append((names[n], self.spell_range(size, after)))
        if len(new) > 1 and len(new) == len(mesh) and self.backend != "torch":
            parts = ", ".join(f":{view.sizes[n]}" for n in mesh)
            left = ", ".join(name for name, _ in new)
            self.lines.append(f"{left} = {ALIASES[self.backend]}.ogrid[{parts}]")
        else:
            self.lines += [f"{name} = {text}" for name, text in new]
        return names

    def spell_range(self, size: str, after: int) -> str:
        text = self.spell(operation("range", self.backend), _Piece(size))
        return text + (f"[:{', None' * after}]" if after else "")

    def aligned(self, handle: str, view: _View, order: Sequence[int]) -> _Piece:
        """Write an array that is laid out as a view with its axes in another order."""
        if _is_number(handle):
            return self.piece(handle)
        axes = list(view.sizes)
        step = self.steps.get(handle)
        if order == axes or list(order) == axes:
            return self.piece(handle)
        if step is not None and step.op == "expand" and handle not in self.views:
            shown = axes[len(axes) - len(step.detail) :]
            carried = [n for n, there in zip(shown, step.detail, strict=True) if there]
            handle, step = step.args[0], self.steps.get(step.args[0])
        else:
            carried = axes[len(axes) - len(self.piece(handle).shape) :]
        piece = self.piece(handle)
        if step is not None and step.op == "transpose" and handle not in self.views:
            below = self.piece(step.args[0])
            if below.is_simple or piece.text.startswith(below.at(ATOM)):
                piece = below
                carried = [carried[step.detail.index(k)] for k in range(len(carried))]
        wanted = [n for n in order if n in carried]
        piece = self.transposed(piece, [carried.index(n) for n in wanted])
        first = next((k for k, n in enumerate(order) if n in carried), len(order))
        mask = [n in carried for n in order[first:]]
        if all(mask):
            return piece
        shape = tuple(view.sizes[n] if n in carried else 1 for n in order[first:])
        return self.expanded(piece, mask, shape)


def replace_name(function: Function, name: str) -> Function:
    """Return a function that is spelled as another one."""
    return replace(function, name=name, implementation=name)


def _joined(
    text: str,
    pieces: Sequence[_Piece],
    shape: tuple[int, ...],
    kind: int = EXACT,
    level: int = ATOM,
    sign: str = "",
) -> _Piece:
    """Make an expression of others."""
    names = frozenset[str]().union(*(piece.names for piece in pieces))
    return _Piece(text, shape, level, sign, names, max([kind, *(p.kind for p in pieces)]))


def _view_of(a: _Piece, piece: _Piece) -> _Piece:
    """Remember that an expression is a view of another."""
    memory = max(a.memory, SHARED if a.is_simple else OWN)
    return replace(piece, is_simple=a.is_simple, memory=memory)


def _raised(a: _Piece, n: int) -> _Piece:
    """Write a whole power, with spaces around the operator unless it is that of a name."""
    space = "" if re.fullmatch(r"[\w.]+", a.text) else " "
    return _joined(f"{a.at(ATOM)}{space}**{space}{n}", [a], a.shape, level=POWER)


def _product(a: _Piece, b: _Piece) -> _Piece:
    """Multiply, a number first and divisors last."""
    shape = max(a.shape, b.shape, key=len)
    c = a.number
    if c == 1 and isinstance(c, int):
        return b
    if c == -1 and isinstance(c, int):
        inner = b.text if b.level >= PRODUCT and b.sign != "@" else b.at(POWER)
        return _joined(f"-{inner}", [b], shape, level=PRODUCT, sign=b.sign)
    if isinstance(c, Fraction):
        sign = "-" if c < 0 else ""
        if b.divisor is not None and not b.divisor.number:
            below = _product(_read_number(str(c.denominator)), b.divisor)
            text = f"{c.numerator} / {below.at(UNARY)}"
            return _joined(text, [b], shape, FLOAT, PRODUCT, "/")
        if abs(c.numerator) == 1:
            inner = b.at(PRODUCT) if b.sign != "@" or not sign else f"({b.text})"
            text = f"{sign}{inner} / {c.denominator}"
            return _joined(text, [b], shape, FLOAT, PRODUCT, "/")
    is_scalar = bool(a.shape) and not b.shape
    is_quotient = a.sign == "/" and b.sign != "/" and a.number is None
    if b.divisor is None and (a.divisor is not None or is_scalar or is_quotient):
        a, b = b, a
    if b.divisor is not None:
        left = a.at(PRODUCT)
        return _joined(f"{left} / {b.divisor.at(UNARY)}", [a, b], shape, FLOAT, PRODUCT, "/")
    left = a.at(PRODUCT) if a.sign != "@" else f"({a.text})"
    right = b.text if b.sign in ("*", "/") and not b.text.startswith("-") else b.at(UNARY)
    return _joined(f"{left} * {right}", [a, b], shape, level=PRODUCT, sign="*")


def _reciprocal(a: _Piece, shape: tuple[int, ...]) -> _Piece:
    found = _joined(f"1 / {a.at(UNARY)}", [a], shape, FLOAT, PRODUCT, "/")
    return replace(found, divisor=a)


def _shape(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _sum(terms: Sequence[tuple[int, str]], offset: int) -> str:
    """Write a sum of multiples, with what is not subtracted first.

    >>> _sum([(-1, "i"), (2, "j")], 3), _sum([(-1, "i")], 3), _sum([], 0)
    ('2 * j + 3 - i', '3 - i', '0')
    """
    every = [*terms, (offset, "")] if offset or not terms else list(terms)
    every.sort(key=lambda term: (term[0] < 0, not term[1]))
    text = ""
    for c, name in every:
        sign = ("-" if c < 0 else "") if not text else (" - " if c < 0 else " + ")
        factor = "" if abs(c) == 1 and name else str(abs(c))
        text += sign + factor + (" * " if factor and name else "") + name
    return text


def _range(start: int, step: int, length: int, size: int) -> str:
    """Write indices as a slice."""
    stop = start + (length - 1) * step + 1
    first = "" if not start else str(start)
    last = "" if stop == size else str(stop)
    return f"{first}:{last}" + (f":{step}" if step != 1 else "")


def _viewed(view: _View, step: Instruction) -> _View:
    """Return a view of a view."""
    new = count(max(view.sizes, default=-1) + 1)
    sizes: dict[int, int] = {}
    terms: dict[int, dict[int, int]] = {}
    offsets: dict[int, int] = {}
    axes = list(view.sizes)
    if step.op == "transpose":
        return replace(view, sizes={axes[k]: view.sizes[axes[k]] for k in step.detail})
    if step.op == "diagonal":
        letters = step.detail.partition("->")[0]
        first: dict[str, int] = {}
        for axis, letter in zip(axes, letters, strict=True):
            if letter in first:
                terms[axis] = {first[letter]: 1}
            else:
                first[letter] = axis
                sizes[axis] = view.sizes[axis]
    elif step.op == "split":
        for axis, digits in zip(axes, step.detail, strict=True):
            if len(digits) == 1:
                sizes[axis] = view.sizes[axis]
                continue
            terms[axis] = {}
            for k, size in enumerate(digits):
                n = next(new)
                sizes[n] = size
                terms[axis][n] = prod(digits[k + 1 :])
    elif step.op == "slice":
        texts = [text for text in step.detail if text != "..."]
        lengths = iter(step.shape)
        for axis, text in zip(axes, [*texts, *[":"] * (len(axes) - len(texts))], strict=True):
            if ":" not in text:
                terms[axis], offsets[axis] = {}, int(text)
                continue
            length = next(lengths)
            parts = text.split(":")
            stride = int(parts[2]) if len(parts) > 2 else 1
            start = int(parts[0]) if parts[0] else 0 if stride > 0 else view.sizes[axis] - 1
            n = next(new)
            sizes[n] = length
            terms[axis], offsets[axis] = {n: stride}, start
    else:
        raise AssertionError(f"no array is written through a {step.op}")
    return view.replaced(sizes, terms, offsets)


# --- whole functions --------------------------------------------------------------------------


def source(
    node: Node,
    arguments: Sequence[Variable],
    name: str,
    text: str,
    backend: str = "numpy",
    *,
    letters: Sequence[str] = (),
    result: str = "J",
    reference: str = "",
    matrix: tuple[int, str, str] | None = None,
) -> str:
    """Write a function that computes an expression.

    Parameters
    ----------
    node
        The expression.
    arguments
        Its variables, in order; they need not occur in it.
    name
        What the function is called, an identifier.
    text
        Its docstring.
    backend
        One of `einsdiff.numeric.spelling.BACKENDS`.
    letters
        What indices of the result's axes are called.
    result
        What an array is called into which the result is written.
    reference
        The argument whose dtype and device are those of results in which no array occurs.
    matrix
        The number of domain axes, the layout and the vec order, if the result is to be a matrix.

    Returns
    -------
    str
        Python source, with the imports that it needs.

    Raises
    ------
    OperandError
        Indices are related in a way that depends on the numbers that named sizes stand for.
    """
    _check_relations(topological([node]))
    node = _counted(node)
    order = list(arguments)
    taken: set[str] = set()
    names: dict[Variable, str] = {}
    for argument in order:
        names[argument] = identifier(argument.name, taken)
        taken.add(names[argument])
    sizes: dict[str, str] = {}
    found = [size for a in order for size in a.shape]
    nodes = topological([node])
    found += [s for part in nodes for s in (*part.shape, *getattr(part, "sizes", ()))]
    found += [v.name.partition(" ")[2] for v in variables_of([node]) if _is_count(v)]
    for size in found:
        if isinstance(size, str) and size not in sizes:
            sizes[size] = identifier(size, taken)
            taken.add(sizes[size])
    base = 1009 + prod(n for n in _numbers(nodes) if n)
    extents = {
        size: Extent.named(sizes[size], prime)
        for size, prime in zip(sizes, _primes(base), strict=False)
    }
    made = plain_plan(node, extents)
    _check_extents(made, base)
    handles = {
        handle: sizes[v.name.partition(" ")[2]] if _is_count(v) else names[v]
        for v, handle in made.inputs
    }
    known = {n: v for v, n in names.items()}
    wanted = [n for v, n in names.items() if v.name == reference] + [
        *(n for n, v in known.items() if v.shape),
        *known,
    ]
    writer = _Writer(
        made,
        backend,
        handles,
        frozenset(sizes.values()),
        frozenset(n for v, n in names.items() if not v.shape),
        wanted[0] if wanted else "",
        letters,
        {*taken, name},
        result,
    )
    piece = writer.write()
    if matrix is not None:
        piece = _as_matrix(writer, piece, *matrix)
    free = _unpacked(order, names, sizes)
    body = [docstring(text), *free.lines, *writer.lines]
    body.append(f"return {piece.text}  # {_shape(piece.shape)}")
    code = "\n".join(body[1:])
    missing = [
        sizes[s] for s in sizes if s not in free.known and re.search(rf"\b{sizes[s]}\b", code)
    ]
    parameters = [names[a] for a in order] + missing
    own = list(writer.functions.values())
    if own:
        parameters += ["*", *own]
    if re.fullmatch(r"\w+", piece.text):
        body[-1] = f"return {piece.text}"
    head = [f"def {name}({', '.join(parameters)}):"]
    if len(head[0]) > LINE:
        lines = wrap(", ".join(parameters), LINE, break_long_words=False)
        head = [f"def {name}(", *("    " + line for line in lines), "):"]
    definition = [*head, *("    " + line for line in body)]
    return "\n".join(_with_helpers(code, definition, backend))


def _check_relations(nodes: Iterable[Node]) -> None:
    """Raise OperandError if it takes numbers to know what a relation of indices is."""
    for node in nodes:
        if not isinstance(node, Delta) or node.is_identity:
            continue
        named = [size for size in node.shape if isinstance(size, str)]
        is_triangle = sorted(node.relation.coefficients) == [-1, 1] and not node.relation.offset
        if named and len(node.shape) > 1 and not (is_triangle and len(set(node.shape)) == 1):
            raise OperandError(
                page(
                    f"which indices fit together depends on how large "
                    f"{' and '.join(map(repr, dict.fromkeys(named)))} is",
                    action="give these sizes as numbers, as in ed.tensor('x', (5,))",
                )
            )


def _is_count(node: Variable) -> bool:
    return node.name.startswith("count ")


def _counted(node: Node) -> Node:
    """Put a variable in the place of each factor that is a named size."""
    done: dict[Node, Node] = {}
    for part in topological([node]):
        new = rebuilt(part, done)
        if isinstance(new, Einsum) and new.loose:
            counts = [variable(f"count {new.sizes[n]}", ()) for n in new.loose]
            sizes = {n: size for n, size in enumerate(new.sizes) if n not in new.loose}
            operands = [*new.operands, *counts]
            subscripts = [*new.subscripts, *[()] * len(counts)]
            new = einsum(operands, subscripts, new.output, sizes)
        done[part] = new
    return done[node]


def _check_extents(made: Plan, base: int) -> None:
    """Make sure that no number in a plan is a size whose name was forgotten."""

    def values(detail: object) -> Iterator[int]:
        if isinstance(detail, tuple):
            for part in detail:
                yield from values(part)
        elif isinstance(detail, int):
            yield detail

    for step in made.instructions:
        if step.op == "zeros":  # whose detail is not written
            continue
        for number in (*step.shape, *values(step.detail)):
            assert abs(number) < base or isinstance(number, Extent), f"a size was lost in {step}"


@dataclass
class _Unpacked:
    known: set[Size]
    lines: list[str]


def _unpacked(
    arguments: Sequence[Variable], names: Mapping[Variable, str], sizes: Mapping[str, str]
) -> _Unpacked:
    """Write how sizes are read from arrays, and what shapes the arrays must have."""
    found = _Unpacked(set(), [])
    checks = []
    for argument in sorted(arguments, key=lambda a: -len(a.shape) * (len(set(a.shape)) > 1)):
        name, shape = names[argument], argument.shape
        texts = [str(size) if isinstance(size, int) else sizes[size] for size in shape]
        new = [s for s in dict.fromkeys(shape) if isinstance(s, str) and s not in found.known]
        if shape and len(new) == len(shape):
            left = f"({texts[0]},)" if len(shape) == 1 else ", ".join(texts)
            found.lines.append(f"{left} = {name}.shape")
        else:
            for size in new:
                found.lines.append(f"{sizes[size]} = {name}.shape[{shape.index(size)}]")
            check = f"{name}.shape == ({', '.join(texts)}{',' * (len(shape) == 1)})"
            if shape:
                checks.append(check)
        found.known.update(new)
    while checks:
        line = f"assert {checks.pop(0)}"
        while checks and len(line) + len(checks[0]) < LINE:
            line += f" and {checks.pop(0)}"
        found.lines.append(line)
    return found


def _as_matrix(writer: _Writer, piece: _Piece, domain: int, layout: str, order: str) -> _Piece:
    """Write a derivative as a matrix."""
    split = len(piece.shape) - domain
    rows, columns = piece.shape[:split], piece.shape[split:]
    shape = (prod(rows), prod(columns))
    if order == "F" and max(len(rows), len(columns)) > 1:
        if writer.backend == "torch":  # which knows one order only
            axes = [*reversed(range(split)), *reversed(range(split, len(piece.shape)))]
            piece = writer.reshaped(writer.transposed(piece, axes), shape)
        else:
            piece = writer.made("reshape F", [piece], shape)
    elif piece.shape != shape:
        piece = writer.reshaped(piece, shape)
    return piece if layout == "numerator" else writer.transposed(piece, (1, 0))


def _with_helpers(code: str, definition: Sequence[str], backend: str) -> list[str]:
    """Put before a function what it needs."""
    needed: dict[str, str] = {}
    words = [code]
    for text in words:
        for word in re.findall(r"[^\W\d]\w*", text):
            if word in HELPERS and backend in HELPERS[word] and word not in needed:
                needed[word] = HELPERS[word][backend]
                words.append(HELPERS[word][backend])
    used = {word for text in words for word in re.findall(r"(?<![.\w])[^\W\d]\w*", text)}
    imports = []
    for word, line in IMPORTS.items():
        if word in used:
            imports += [line[backend]] if backend in line else []
    helpers = [text for word in reversed(needed) for text in ("", "", needed[word])]
    before = [*imports, *helpers]
    return [*before, "", "", *definition] if before else list(definition)
