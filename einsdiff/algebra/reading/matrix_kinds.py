"""Which parts of a formula in matrix notation are numbers, columns, rows and matrices.

What is known of the operands comes first, then what fits: each operation is a table of the kinds
that its parts and its value can have, and kinds that no entry of a table allows are crossed out
until nothing changes. What is open then is decided by convention, one name at a time: upper-case
letters are matrices, lower-case ones columns, and Greek ones numbers, unless they stand transposed
or in a norm.

>>> from einsdiff.notation.matrix_parser import parse_matrix
>>> kinds_of("y - Φ θ", parse_matrix("y - Φ θ").right, {}).names == {"y": C, "Φ": M, "θ": C}
True
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import cache
from itertools import product
from typing import NamedTuple, NoReturn

from einsdiff.algebra.nodes.function_records import Function, lookup
from einsdiff.algebra.reading.choice import ALIASES, POWERS
from einsdiff.errors import ShapeError
from einsdiff.notation.matrix_trees import MatrixTree, spine, upward

#: A number, a column, a row and a matrix; several of them are a sum of these.
S, C, R, M = 1, 2, 4, 8

_EVERY = (S, C, R, M)

_NAMES = {S: "a number", C: "a column", R: "a row", M: "a matrix"}

#: Lines of a table: the kind of the value, then those of the parts.
Lines = tuple[tuple[int, ...], ...]

_SCALED: Lines = tuple((k, S, k) for k in _EVERY) + tuple((k, k, S) for k in (C, R, M))

_MATRIX_PRODUCT: Lines = (*_SCALED, (M, M, M), (C, M, C), (R, R, M), (S, R, C), (M, C, R))

_ENTRY_BY_ENTRY: Lines = (*_SCALED, (C, C, C), (R, R, R), (M, M, M))

_SAME: Lines = tuple((k, k) for k in _EVERY)

_TABLES: dict[str, Lines] = {
    "over": tuple((k, k, S) for k in _EVERY),
    "hadamard": _ENTRY_BY_ENTRY,
    "quotient": _ENTRY_BY_ENTRY,
    "entrypower": _ENTRY_BY_ENTRY,
    "compare": _ENTRY_BY_ENTRY,
    "kron": (*_SCALED, (C, C, C), (R, R, R), *((M, a, b) for a, b in product((C, R, M), repeat=2)
             if M in (a, b) or a != b)),
    "power": ((S, S, S), (M, M, S)),
    "exponential": ((S, S), (M, M)),
    "transpose": ((S, S), (R, C), (C, R), (M, M)),
    "norm": tuple((S, k) for k in _EVERY),
    "bars": ((S, S), (C, C), (R, R), (S, M)),
    "inner": ((S, C, C), (S, M, M), (S, R, R)),
    "entry": ((S, C),),
}  # fmt: skip

_PRODUCTS: dict[str, Lines] = {"·": (*_MATRIX_PRODUCT, (S, C, C))}

#: The kind of what has no parts.
_LEAVES = {"number": S, "size": S, "ones": C, "eye": M, "unit": C, "commutation": M}

#: Functions that are none of the table.
_WORDS: dict[str, Lines] = {
    **dict.fromkeys(("tr", "trace"), ((S, M),)),
    "transpose": _TABLES["transpose"],
    **dict.fromkeys(("norm", "norm1", "norm2", "sum", "mean"), _TABLES["norm"]),
    "diag": ((M, C), (C, M), (M, R)),
    "vec": ((C, M), (C, C), (C, R)),
    "kron": _TABLES["kron"],
    "vector": ((C, S),),
    "matrix": ((M, S),),
    "dot": _TABLES["inner"],
    "inner": _TABLES["inner"],
    "outer": ((M, C, C),),
    "σ": _SAME,
    "adj": ((M, M),),
}

#: For each block of a row of blocks the kinds of the whole and of the block.
_BLOCKS: dict[str, Lines] = {
    "across": ((R, S), (R, R), (M, C), (M, M)),
    "down": ((C, S), (C, C), (M, R), (M, M)),
}


class Kinds(NamedTuple):
    """The kind of each part of a formula, by identity, and of each name."""

    of: Mapping[int, int]
    names: Mapping[str, int]


class _Limit(NamedTuple):
    """What limits the kinds of some parts: the lines of a table, by number of the part."""

    parts: tuple[int, ...]
    lines: Lines
    tree: MatrixTree


def canonical_name(name: str) -> str:
    """Return what a function is called in the table.

    >>> canonical_name("ln"), canonical_name("σ")
    ('log', 'sigmoid')
    """
    return {"σ": "sigmoid", "sgn": "sign"}.get(name) or ALIASES.get(name, name)


def function_for(name: str, kinds: Sequence[int]) -> Function | None:
    """Find the function of the table that acts on whole arguments of these kinds."""
    ranks = tuple({S: 0, C: 1, R: 1, M: 2}[kind] for kind in kinds)
    default = lookup(name)
    if default is not None and default.is_elementwise:
        return default
    found = lookup(name, ranks)
    return found if found is not None and found.ranks == ranks else None


@cache
def _entrywise(count: int) -> Lines:
    """List the kinds of a function of each entry: parts of one kind, or numbers."""
    lines = [(S,) * (count + 1)]
    for k in (C, R, M):
        lines += [(k, *kinds) for kinds in product((S, k), repeat=count) if k in kinds]
    return tuple(lines)


def _lines_of_call(name: str, count: int, is_printed: bool) -> Lines | None:
    """List the kinds that a function of the table can have, None if there is no such function.

    In what was printed, softmax of a matrix is that of all entries.
    """
    if name in _WORDS:
        lines = _WORDS[name]
        return lines if len(lines[0]) == count + 1 else None
    name = canonical_name(name)
    if name in POWERS:
        return _entrywise(1) if count == 1 else None
    default = lookup(name)
    if name in ("max", "min") and count == 2:
        return _entrywise(2)
    if count > 3 or (default is not None and len(default.ranks) != count):
        return None
    if default is not None and default.is_elementwise:
        return _entrywise(count)
    found = []
    for kinds in product((S, C, R, M), repeat=count):
        function = function_for(name, kinds)
        if function is None:
            continue
        rank = len(function.cores[1])
        if kinds == (M,) and name.endswith("softmax") and not is_printed:
            continue  # of the rows, or of all entries
        whole = {0: S, 1: R if kinds == (R,) else C, 2: M}.get(rank)
        if whole is not None and not (R in kinds and count > 1):
            found.append((whole, *kinds))
    return tuple(found) or None


def kinds_of(
    text: str,
    tree: MatrixTree,
    known: Mapping[str, int],
    sizes: Iterable[str] = (),
    extra: Callable[[KindSolver], None] | None = None,
) -> Kinds:
    """Find the kind of each part; `known` are those of operands, `sizes` names that are sizes.

    With `extra`, what a layout says of a text that was printed is added before anything is decided.

    >>> from einsdiff.notation.matrix_parser import parse_matrix
    >>> kinds_of("A + 1", parse_matrix("A + 1").right, {"A": M})
    Traceback (most recent call last):
    einsdiff.ShapeError: a matrix and a number are added
    <BLANKLINE>
        A + 1
        ^   ^
        A: a matrix
    <BLANKLINE>
    write A + c I to add to the diagonal, A + c 𝟏 𝟏' to add to every entry
    """
    solver = KindSolver(text, tree, known, frozenset(sizes), extra is not None)
    if extra is not None:
        extra(solver)
    solver.solve()
    return solver.kinds()


class KindSolver:
    """The kinds that each part of a formula can still have."""

    def __init__(
        self,
        text: str,
        tree: MatrixTree,
        known: Mapping[str, int],
        sizes: frozenset[str],
        is_printed: bool = False,
    ) -> None:
        self.text, self.tree, self.known, self.sizes = text, tree, known, sizes
        self.is_printed = is_printed
        self.gives_hints = True
        self.domains: list[int] = []
        self.trees = upward(tree)
        self.number: dict[int, int] = {}
        self.by_name: dict[str, int] = {}
        self.limits: list[_Limit] = []
        self.of: list[list[int]] = []  # for each part the limits that it is in
        self.trail: list[tuple[int, int]] = []
        self.literal: set[int] = set()
        for part in self.trees:
            self.enter(part)
        self.root = self.number[id(tree)]
        #: Names that stand where a number would mean little: transposed, in a norm.
        self.vectors = {
            part.value
            for whole in self.trees
            if whole.op in ("transpose", "norm", "inner")
            for part in whole.args
            if part.op == "name"
        }

    # Building.

    def new(self, domain: int = 15) -> int:
        self.domains.append(domain)
        self.of.append([])
        return len(self.domains) - 1

    def named(self, name: str) -> int:
        """Return the number of a name."""
        if name not in self.by_name:
            is_size = name in self.sizes and name not in self.known
            default = S if is_size else S | C | M
            self.by_name[name] = self.new(self.known.get(name) or default)
        return self.by_name[name]

    def limit(self, parts: tuple[int, ...], lines: Lines, tree: MatrixTree) -> None:
        self.limits.append(_Limit(parts, lines, tree))
        for part in set(parts):
            self.of[part].append(len(self.limits) - 1)

    def enter(self, tree: MatrixTree) -> None:
        if tree.op == "name":
            self.number[id(tree)] = self.named(tree.value)
            return
        domain = _LEAVES.get(tree.op, 15)
        if tree.op == "zeros":
            domain = C if tree.value[1] is None else M
        whole = self.number[id(tree)] = self.new(domain)
        parts = tuple(self.number[id(part)] for part in tree.args)
        are_literal = all(id(part) in self.literal for part in tree.args)
        if tree.op == "number" or (tree.args and are_literal and tree.op in ("sum", "product")):
            self.literal.add(id(tree))
        if tree.op in _LEAVES or tree.op == "zeros":
            return
        if tree.op == "sum":
            for part, number in zip(tree.args, parts, strict=True):
                if id(part) not in self.literal or are_literal:
                    self.limit((whole, number), _SAME, tree)
                elif part.value == 0:
                    continue
                else:
                    self.limit((whole, number), ((S, S), (C, S), (R, S)), tree)
        elif tree.op in _BLOCKS:
            for number in parts:
                self.limit((whole, number), _BLOCKS[tree.op], tree)
        elif tree.op == "partial":
            base, by = tree.value
            ranks = [self.known.get(name) for name in (base, *by)]
            rank = sum({S: 0, C: 1, M: 2}.get(kind or 0, 9) for kind in ranks)
            if rank > 2:
                self.fail(
                    f"'{self.shown(tree)}' is no number, vector or matrix of known operands",
                    [tree],
                    "give the operands as tensors: x = ed.tensor('x', 'n', of=[z])",
                )
            self.domains[whole] = {0: S, 1: C, 2: M}[rank]
        elif tree.op == "product":
            self.limit((whole, *parts), _PRODUCTS.get(tree.value, _MATRIX_PRODUCT), tree)
        elif tree.op == "call":
            self.limit((whole, *parts), self.lines_of_call(tree), tree)
        else:
            self.limit((whole, *parts), _TABLES[tree.op], tree)

    def lines_of_call(self, tree: MatrixTree) -> Lines:
        lines = _lines_of_call(tree.value, len(tree.args), self.is_printed)
        if lines is not None:
            return lines
        if tree.value in ("sqrtm", "logm"):
            return self.fail(
                f"there is no function '{tree.value}'",
                [tree],
                f"ed.register('{tree.value}', ..) adds a function; sqrt and log are entry by entry",
            )
        count = len(tree.args)
        return self.fail(
            f"'{tree.value}' cannot have {count} argument{'s' * (count != 1)}",
            [tree],
            "see the table of functions for what it takes",
        )

    # Solving.

    def solve(self) -> None:
        failed = self.spread(range(len(self.limits)))
        if failed is not None:
            self.refuse(failed)
        for names, wanted, is_last in self.groups():
            group = {self.by_name[name] for name in names}
            for name in names:
                self.decide(name, wanted, is_last, group)
        for tree in self.trees:
            if tree.mixed:
                self.check_mixed(tree)

    def spread(self, start: Iterable[int]) -> _Limit | None:
        """Cross out kinds until nothing changes; return what allows none, if anything does."""
        waiting = deque(start)
        queued = set(waiting)
        while waiting:
            at = waiting.popleft()
            queued.discard(at)
            limit = self.limits[at]
            left = [0] * len(limit.parts)
            for line in limit.lines:
                if all(self.domains[p] & kind for p, kind in zip(limit.parts, line, strict=True)):
                    for k, kind in enumerate(line):
                        left[k] |= kind
            changed = [
                (part, allowed & self.domains[part])
                for part, allowed in zip(limit.parts, left, strict=True)
            ]
            if any(not allowed for _, allowed in changed):
                return limit
            for part, allowed in changed:
                allowed &= self.domains[part]
                if not allowed:
                    return limit
                if allowed != self.domains[part]:
                    self.trail.append((part, self.domains[part]))
                    self.domains[part] = allowed
                    for other in self.of[part]:
                        if other not in queued:
                            queued.add(other)
                            waiting.append(other)
        return None

    def attempt(self, part: int, kind: int) -> _Limit | None:
        """Give a part a kind; where that does not fit, everything is as before."""
        mark = len(self.trail)
        self.trail.append((part, self.domains[part]))
        self.domains[part] = kind
        failed = self.spread(self.of[part])
        if failed is not None:
            self.undo(mark)
        return failed

    def undo(self, mark: int) -> None:
        while len(self.trail) > mark:
            part, domain = self.trail.pop()
            self.domains[part] = domain

    def groups(self) -> list[tuple[list[str], int, bool]]:
        """Sort names into those of one convention, in the order in which they are decided."""
        upper, lower, greek, first = [], [], [], []
        for name in self.by_name:
            letter = name[0]
            is_greek = not letter.isascii() or name.partition("_")[0].lower() in _GREEK
            if letter.isupper():
                upper.append(name)
            elif is_greek:
                greek.append(name)
            elif "a" <= letter <= "g" and len(name.partition("_")[0].rstrip(_DIGITS)) == 1:
                first.append(name)
            else:
                lower.append(name)
        return [(upper, M, False), (lower, C, False), (greek, S, False), (first, C, True)]

    def decide(self, name: str, wanted: int, is_last: bool, group: Set[int]) -> None:
        """Give a name its kind by convention, or the only one that fits."""
        part = self.by_name[name]
        domain = self.domains[part]
        if name in self.known or name in self.sizes:
            return
        if domain in _EVERY and domain != wanted:
            self.check_forced(name, wanted)
            return
        if wanted == S and domain & C and name in self.vectors:
            wanted = C
        mark = len(self.trail)
        if domain & wanted and self.attempt(part, wanted) is None:
            changed = self.trail[mark + 1 :] if is_last else []
            lost = [p for p, before in changed if p in group and before & ~self.domains[p] & C]
            if not lost:
                return
            self.undo(mark)
            for other in (part, *lost):
                self.attempt(other, S)
            return
        if is_last and domain & S and self.attempt(part, S) is None:
            return
        fitting = []
        for kind in (kind for kind in _EVERY if domain & kind and kind != wanted):
            before = len(self.trail)
            if self.attempt(part, kind) is None:
                fitting.append(kind)
            self.undo(before)
        if len(fitting) != 1:
            self.refuse_name(name, wanted, fitting)
        self.attempt(part, fitting[0])
        self.check_forced(name, wanted)

    def check_forced(self, name: str, wanted: int) -> None:
        """Refuse a kind that fits only because nothing else does, where a slip is more likely.

        An upper-case name is a number only in divisors and exponents, and a lower-case one is no
        number in a product with a column or a matrix.
        """
        kind = self.domains[self.by_name[name]]
        if wanted == M:
            amounts = {
                id(part)
                for tree in self.trees
                if tree.op in ("over", "power", "entrypower")
                for part in upward(tree.args[1])
                if kind == S and not self.is_right_division(tree)
            }
            if all(id(tree) in amounts for tree in self.uses(name)):
                return
            self.refuse_name(name, wanted, [kind])
        if wanted == C and kind == S and not "a" <= name <= "g~":
            for tree in self.trees:
                if tree.op != "product":
                    continue
                for part, other in (tree.args, tree.args[::-1]):
                    is_alone = part.op == "name" and part.value == name
                    if is_alone and self.domains[self.number[id(other)]] != S:
                        self.refuse_name(name, wanted, [S])

    def is_right_division(self, tree: MatrixTree) -> bool:
        """Tell whether a division may mean the product with an inverse."""
        above = self.domains[self.number[id(tree.args[0])]]
        return tree.op == "over" and tree.args[1].op == "name" and bool(above & (R | M))

    def uses(self, name: str) -> list[MatrixTree]:
        return [tree for tree in self.trees if tree.op == "name" and tree.value == name]

    # Errors.

    def fail(self, headline: str, trees: Sequence[MatrixTree], action: str) -> NoReturn:
        carets = [at for tree in trees for at in range(tree.start, tree.end)]
        shown = "   ".join(
            f"{name}: {_described(self.domains[part])}"
            for name, part in self.by_name.items()
            if name in self.known
        )
        raise ShapeError(headline, text=self.text, carets=carets, shapes=shown, action=action)

    def shown(self, tree: MatrixTree) -> str:
        return self.text[tree.start : tree.end]

    def refuse_name(self, name: str, wanted: int, fitting: Sequence[int]) -> NoReturn:
        """Refuse a name that cannot be what its letter says."""
        give = {S: f"{name}=''", C: f"{name}='n'", M: f"{name}='mn'"}
        ways = " or ".join(f"{give[kind]} for {_NAMES[kind]}" for kind in fitting)
        known = {**self.known, name: wanted}
        solver = KindSolver(self.text, self.tree, known, self.sizes, self.is_printed)
        solver.gives_hints = False
        try:
            solver.solve()
        except ShapeError as error:
            page = error.args[0]
            action = page.action
            if ways and self.gives_hints:
                action += f"; or say what '{name}' is: {ways}"
            carets = [at for at, char in enumerate(page_carets(page)) if char == "^"]
            raise ShapeError(
                page.headline, text=self.text, carets=carets, shapes=page.shapes, action=action
            ) from None
        self.fail(
            f"'{name}' cannot be {_NAMES[wanted]} here", self.uses(name), f"say what it is: {ways}"
        )

    def refuse(self, limit: _Limit) -> NoReturn:
        """Say why the parts of an operation do not fit."""
        tree = limit.tree
        kinds = [self.domains[self.number[id(part)]] for part in tree.args]
        names = [_described(kind) for kind in kinds]
        match tree.op:
            case "sum":
                self.refuse_sum(tree, limit)
            case "product":
                headline = f"{names[0]} stands before {names[1]} in a product"
                self.fail(headline, tree.args, _PRODUCT_ACTIONS.get(tuple(kinds), _TRANSPOSED))
            case "power":
                base, exponent = (self.shown(part) for part in tree.args)
                if kinds[1] & S:
                    self.fail(
                        f"{names[0]} is raised to a power",
                        [tree],
                        f"write {base} .^ {exponent} for a power of each entry, "
                        f"‖{base}‖^{exponent} for one of the length",
                    )
                self.fail(f"the exponent is {names[1]}", [tree], "write a number, or .^")
            case "exponential":
                self.fail(
                    f"e is raised to {names[0]}",
                    [tree],
                    "write exp(..) for the exponential of each entry",
                )
            case "over":
                divisor = self.shown(tree.args[1])
                self.fail(
                    f"{names[0]} is divided by {names[1]}",
                    [tree],
                    f"write ./ to divide entry by entry, inv({divisor}) for an inverse",
                )
            case "call":
                self.fail(
                    f"'{tree.value}' is taken of {' and '.join(names)}",
                    [tree],
                    _CALL_ACTIONS.get(tree.value, f"it takes {_taken(limit.lines)}"),
                )
        self.fail(
            f"{' and '.join(names)} do not fit here",
            [tree],
            "write brackets, or transposes, so that both have the same rows and columns",
        )

    def refuse_sum(self, tree: MatrixTree, limit: _Limit) -> NoReturn:
        """Say which two terms cannot be added."""
        kinds = [self.domains[self.number[id(part)]] for part in tree.args]
        first = 0
        here = limit.parts[-1]
        at = next((k for k, part in enumerate(tree.args) if self.number[id(part)] == here), 0)
        for k, kind in enumerate(kinds):
            if not kind & kinds[at]:
                first = k
                break
        pair = [tree.args[first], tree.args[at]]
        both = [kinds[first], kinds[at]]
        if first > at:
            pair, both = pair[::-1], both[::-1]
        names = [_described(kind) for kind in both]
        if names[0] == names[1]:  # what surrounds the sum asks for something else
            self.fail(
                f"{names[0]} does not fit here",
                [tree],
                "write a transpose, or a sum of all entries",
            )
        action = _SUM_ACTIONS.get(frozenset(both), "write terms of one kind")
        whole = next((self.shown(p) for p, k in zip(pair, both, strict=True) if k != S), "x")
        self.fail(f"{names[0]} and {names[1]} are added", pair, action.format(whole))

    def check_mixed(self, tree: MatrixTree) -> None:
        """Refuse a row of factors whose value depends on the order of the products."""
        seen: dict[str, MatrixTree] = {}
        for part in spine(tree):
            kinds = [self.domains[self.number[id(arg)]] for arg in part.args]
            if S not in kinds:
                seen["matrix" if part.op == "product" else "entry"] = part
        if len(seen) == 2:
            matrix, entry = seen["matrix"], seen["entry"]
            inner, outer = sorted((matrix, entry), key=lambda part: part.end)
            one = self.text[inner.start : inner.end]
            two = self.text[inner.args[1].start : outer.end]
            self.fail(
                "products of matrices and entry by entry stand side by side",
                [tree],
                f"write brackets: ({one}).. or ..({two})",
            )

    def kinds(self) -> Kinds:
        """Return what was found."""
        of = {id(tree): self.domains[self.number[id(tree)]] for tree in self.trees}
        names = {name: self.domains[part] for name, part in self.by_name.items()}
        return Kinds(of, names)


_DIGITS = "0123456789"

_GREEK = frozenset(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "omicron",
        "pi",
        "rho",
        "sigma",
        "tau",
        "upsilon",
        "phi",
        "chi",
        "psi",
        "omega",
    ]
)

_TRANSPOSED = "write a transpose (x', A'), or .* for a product entry by entry"

_PRODUCT_ACTIONS: dict[tuple[int, ...], str] = {
    (C, C): "write x' y for their inner product, x y' for the matrix, x .* y entry by entry",
    (R, R): "write x' y for their inner product, x y' for the matrix, x .* y entry by entry",
    (C, M): "write x' A for the product of a row and a matrix, or diag(x) A to scale its rows",
    (M, R): "write A x for the product with a column, or A diag(x) to scale its columns",
}

_SUM_ACTIONS = {
    frozenset((S, M)): "write {0} + c I to add to the diagonal, {0} + c 𝟏 𝟏' to add to every entry",
    frozenset((S, C)): "write {0} + c 𝟏 to add to every entry, sum({0}) for a number",
    frozenset((S, R)): "write {0} + c 𝟏' to add to every entry",
    frozenset((C, R)): "write a transpose at one of them, or x 𝟏' + 𝟏 y' for all sums",
    frozenset((C, M)): "write A + x 𝟏' to add it to each column, A + 𝟏 x' to each row, "
    "A + diag(x) to the diagonal",
    frozenset((R, M)): "write A + 𝟏 x' to add it to each row",
}  # fmt: skip

_CALL_ACTIONS = {
    **dict.fromkeys(
        ("softmax", "log_softmax"),
        "they take a vector; of a matrix it may be each row or all entries: "
        "write softmax(A_ij)_ij with labels",
    )
}


def page_carets(page: str) -> str:
    """Return the line of carets of an error."""
    lines = page.splitlines()
    found = [line[4:] for line in lines if line.strip() and not line.strip(" ^")]
    return found[0] if found else ""


def _described(kinds: int) -> str:
    return " or ".join(name for kind, name in _NAMES.items() if kinds & kind)


def _taken(lines: Lines) -> str:
    found = dict.fromkeys(" and ".join(_NAMES[kind] for kind in line[1:]) for line in lines)
    return ", or ".join(found)
