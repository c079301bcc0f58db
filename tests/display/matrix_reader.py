"""Matrix notation read back to numbers, by none of the code that writes it.

Juxtaposition is the matrix product and binds tighter than ``⊙ ⊘ ⊗``, these tighter than sums;
after ``/`` stands one factor. The reader is strict: numbers are not added to vectors, factors are
conformable as they stand, and what can be read in two ways is refused. The sizes of ``𝟏`` and
``e_k`` follow from what stands around them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce
from math import prod
from typing import Any
from unicodedata import normalize

import numpy as np
import scipy.linalg
import scipy.special


class ReadingError(Exception):
    """The text has no meaning, or two of them."""


# --- tokens -----------------------------------------------------------------------------------

_DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?(?:/[0-9]+)?|∞|nan(?!\w)")
_ZEROS = re.compile(r"0_(?:\{([^{}]*)\}|([0-9]+|[^\W_ᵀ]))")
_COMPLEX = re.compile(r"\(((?:[0-9]|∞|nan|-)[0-9.e∞na+-]*?)([+-][0-9.e∞na+-]+)j\)")
_RAISED = re.compile(rf"⁻¹|⁻ᵀ|⁺ᵀ|⁺|ᵀ|[{_DIGITS}]+")
_SUBSCRIPT = re.compile(rf"_(?:\{{([^{{}}]*)\}}|([^\W{_DIGITS}ᵀ]+))")
#: Signs that no variable can be called, as names are in NFKC.
_BOLD = {"𝐈": "I", "𝐊": "K", "𝐞": "e"}


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    value: Any = None
    is_apart: bool = False  # whether there is space before it


def _is_letter(char: str) -> bool:
    return char == "_" or (char.isalnum() and normalize("NFKC", char) == char)


def _tokens(text: str, names: Mapping[str, Any]) -> list[_Token]:
    symbols = sorted((name for name in names if name[0] == "∂"), key=len, reverse=True)
    found: list[_Token] = []
    at = 0
    while at < len(text):
        apart = text[at] == " " or at == 0
        if text[at] == " ":
            at += 1
            if text[at : at + 1] == " ":
                raise ReadingError(f"two spaces: {text!r}")
        rest = text[at:]
        if match := _COMPLEX.match(rest):
            value = complex(*(float(part.replace("∞", "inf")) for part in match.groups()))
            token = _Token("number", match[0], value, apart)
        elif match := _ZEROS.match(rest):
            sides = (match[1] or match[2]).split("×")
            token = _Token("zeros", match[0], [side.split("·") for side in sides], apart)
        elif (match := _NUMBER.match(rest)) and match[0] not in names:
            part = match[0].replace("∞", "inf")
            value = Fraction(part) if re.fullmatch(r"[0-9/]+", part) else float(part)
            token = _Token("number", match[0], value, apart)
        elif match := _RAISED.match(rest):
            token = _Token("raised", match[0], None, apart)
        elif rest[0] == "∂":
            symbol = next((s for s in symbols if rest.startswith(s)), None)
            if symbol is None or (len(rest) > len(symbol) and _is_letter(rest[len(symbol)])):
                raise ReadingError(f"no such derivative: {rest!r}")
            token = _Token("partial", symbol, None, apart)
        elif rest[0] in _BOLD:
            match = _SUBSCRIPT.match(rest[1:])
            if match is None:
                raise ReadingError(f"{rest[0]} without a size")
            token = _Token("sign", rest[0] + match[0], _BOLD[rest[0]], apart)
        elif _is_letter(rest[0]):
            end = 1
            while end < len(rest) and _is_letter(rest[end]):
                end += 1
            if rest[end - 1] == "_" and rest[end : end + 1] == "{":
                end = rest.index("}") + 1
            token = _Token("name", rest[:end], None, apart)
        elif rest.startswith("^∘"):
            token = _Token("^∘", "^∘", None, apart)
        else:
            token = _Token(rest[0], rest[0], None, apart)
        found.append(token)
        at += len(token.text)
    return [*found, _Token("end", "")]


# --- trees ------------------------------------------------------------------------------------

#: The other size of a vector, and both of a number: not a size that happens to be 1.
ONE = "one"


@dataclass(eq=False)
class _Unknown:
    value: int | None = None


@dataclass(eq=False)
class _Times:
    left: Any
    right: Any


@dataclass
class _Tree:
    op: str
    args: list[_Tree]
    rows: Any
    columns: Any
    value: Any = None

    @property
    def is_number(self) -> bool:
        return self.rows is ONE and self.columns is ONE


def _product(left: Any, right: Any) -> Any:
    if left is ONE:
        return right
    return left if right is ONE else _Times(left, right)


def _number(value: Any) -> _Tree:
    return _Tree("number", [], ONE, ONE, value)


_SIGNS = ("=", "≠", ">", "≥")


@dataclass
class _Parser:
    tokens: list[_Token]
    arrays: Mapping[str, np.ndarray]
    sizes: Mapping[str, int]
    at: int = 0
    bars: list[str] = field(default_factory=list)
    equations: list[tuple[Any, Any]] = field(default_factory=list)

    @property
    def next(self) -> _Token:
        return self.tokens[self.at]

    def take(self, kind: str = "") -> _Token:
        token = self.next
        if kind and token.kind != kind:
            raise ReadingError(f"{token.text!r} in place of {kind!r}")
        self.at += 1
        return token

    def equate(self, left: Any, right: Any) -> None:
        if (left is ONE) != (right is ONE):
            raise ReadingError("a vector stands in place of a matrix")
        self.equations.append((left, right))

    def same_shape(self, trees: list[_Tree]) -> None:
        for tree in trees[1:]:
            self.equate(trees[0].rows, tree.rows)
            self.equate(trees[0].columns, tree.columns)

    # Sums.

    def sum(self) -> _Tree:
        signs = [-1 if self.next.kind == "-" else 1]
        if signs[0] < 0:
            self.take()
        terms = [self.starred()]
        while self.next.kind in "+-":
            signs.append(-1 if self.take().kind == "-" else 1)
            terms.append(self.starred())
        if len(terms) == 1 and signs == [1]:
            return terms[0]
        self.same_shape(terms)
        return _Tree("sum", terms, terms[0].rows, terms[0].columns, signs)

    def starred(self) -> _Tree:
        factors = [self.product()]
        signs = []
        while self.next.kind in ("⊙", "⊘", "⊗"):
            signs.append(self.take().kind)
            factors.append(self.product())
        if not signs:
            return factors[0]
        if "⊗" in signs:
            if set(signs) != {"⊗"}:
                raise ReadingError("⊗ beside another sign")
            rows, columns = factors[0].rows, factors[0].columns
            for factor in factors[1:]:
                rows = _product(rows, factor.rows)
                columns = _product(columns, factor.columns)
            return _Tree("⊗", factors, rows, columns)
        if "⊘" in signs[:-1]:
            raise ReadingError("a factor after a divisor")
        self.same_shape(factors)
        return _Tree("⊙", factors, factors[0].rows, factors[0].columns, signs)

    def product(self) -> _Tree:
        whole = self.factor()
        while self.starts_factor():
            if not self.next.is_apart and self.next.kind not in ("name", "𝟏", "zeros"):
                raise ReadingError(f"no space before {self.next.text!r}")
            whole = self.multiplied(whole, self.factor())
        if self.next.kind == "/":
            self.take()
            divisor = self.factor()
            if not divisor.is_number:
                raise ReadingError("a division by a vector")
            if self.starts_factor() or self.next.kind == "/":
                raise ReadingError("a factor after a divisor")
            whole = _Tree("/", [whole, divisor], whole.rows, whole.columns)
        return whole

    def starts_factor(self) -> bool:
        kind = self.next.kind
        if kind in ("‖", "|"):
            return not self.bars or self.bars[-1] != kind
        return kind in ("name", "number", "partial", "sign", "𝟏", "zeros", "(", "[")

    def multiplied(self, left: _Tree, right: _Tree) -> _Tree:
        if left.is_number or right.is_number:
            if right.is_number and not left.is_number:
                raise ReadingError("a number after a vector or a matrix")
            return _Tree("times", [left, right], right.rows, right.columns)
        self.equate(left.columns, right.rows)
        return _Tree("@", [left, right], left.rows, right.columns)

    # Factors.

    def factor(self) -> _Tree:
        tree = self.atom()
        while True:
            if self.next.kind == "raised":
                tree = self.raised(tree, self.take().text)
            elif self.next.kind == "^":
                self.take()
                exponent = self.atom()
                if not tree.is_number or not exponent.is_number:
                    raise ReadingError("a power of a vector or a matrix")
                tree = _Tree("power", [tree, exponent], ONE, ONE)
            elif self.next.kind == "^∘":
                self.take()
                exponent = self.atom()
                if tree.is_number:
                    raise ReadingError("a power of each entry of a number")
                if not exponent.is_number:
                    self.same_shape([tree, exponent])
                tree = _Tree("power", [tree, exponent], tree.rows, tree.columns)
            else:
                return tree

    def raised(self, tree: _Tree, mark: str) -> _Tree:
        if mark[0] in _DIGITS:
            n = int("".join(str(_DIGITS.index(char)) for char in mark))
            if tree.is_number:
                return _Tree("power", [tree, _number(Fraction(n))], ONE, ONE)
            if ONE in (tree.rows, tree.columns):
                raise ReadingError("a power of a vector")
            self.equate(tree.rows, tree.columns)
            return _Tree("matrix power", [tree], tree.rows, tree.columns, n)
        if tree.is_number:
            raise ReadingError(f"a number with {mark}")
        if mark == "ᵀ":
            return _Tree("transpose", [tree], tree.columns, tree.rows)
        if ONE in (tree.rows, tree.columns):
            raise ReadingError("an inverse of a vector")
        if mark[0] == "⁻":
            self.equate(tree.rows, tree.columns)
        op = "inv" if mark[0] == "⁻" else "pinv"
        turned = _Tree(op, [tree], tree.columns, tree.rows)
        if mark[-1] == "ᵀ":
            return _Tree("transpose", [turned], tree.rows, tree.columns)
        return turned

    def atom(self) -> _Tree:
        token = self.take()
        match token.kind:
            case "number":
                return _number(token.value)
            case "zeros":
                sides = [self.numbers("_{" + ",".join(side) + "}") for side in token.value]
                above, below = (*(reduce(_product, side) for side in sides), ONE)[:2]
                return _Tree("zeros", [], above, below)
            case "partial":
                after = self.next
                if self.tokens[self.at - 2].kind != "(" or after.kind != ")":
                    is_alone = self.tokens[self.at - 2].kind in ("+", "-", "end") or self.at == 1
                    if not is_alone or after.kind not in ("+", "-", "end", ")"):
                        raise ReadingError(f"{token.text} without brackets in a product")
                return self.variable(token.text)
            case "𝟏":
                size: Any = _Unknown()
                if self.next.kind == "name" and self.next.text[0] == "_":
                    (size,) = self.numbers(self.take().text)
                return _Tree("𝟏", [], size, ONE)
            case "sign":
                return self.sign(token.value, token.text)
            case "name":
                return self.name(token.text)
            case "(":
                bars, self.bars = self.bars, []
                tree = self.sum()
                self.take(")")
                self.bars = bars
                return tree
            case "[":
                return self.bracket()
            case "‖" | "|":
                self.bars.append(token.kind)
                tree = self.sum()
                self.bars.pop()
                self.take(token.kind)
                if token.kind == "|":
                    return _Tree("abs", [tree], tree.rows, tree.columns)
                if self.next.kind == "name" and self.next.text == "_F" and not self.next.is_apart:
                    self.take()
                    return _Tree("frobenius", [tree], ONE, ONE)
                if tree.columns is not ONE or tree.rows is ONE:
                    raise ReadingError("a norm of something other than a column")
                return _Tree("norm", [tree], ONE, ONE)
        raise ReadingError(f"{token.text!r} begins nothing")

    def bracket(self) -> _Tree:
        """Read a comparison or a list."""
        bars, self.bars = self.bars, []
        sides = [self.sum()]
        if self.next.kind == ",":
            while self.next.kind == ",":
                self.take()
                sides.append(self.sum())
            self.take("]")
            self.bars = bars
            self.same_shape(sides)
            (first, *_) = sides
            if first.is_number:
                return _Tree("list", sides, ONE, len(sides))
            if first.rows is not ONE:
                raise ReadingError("a list of what is no row")
            return _Tree("list", sides, len(sides), first.columns)
        sign = self.take().kind
        if sign not in _SIGNS:
            raise ReadingError(f"{sign!r} compares nothing")
        sides.append(self.sum())
        self.take("]")
        self.bars = bars
        return self.entrywise(sign, sides)

    def entrywise(self, op: str, args: list[_Tree]) -> _Tree:
        whole = [arg for arg in args if not arg.is_number] or args
        self.same_shape(whole)
        return _Tree(op, args, whole[0].rows, whole[0].columns)

    def variable(self, name: str) -> _Tree:
        array = self.arrays[name]
        rows, columns = (*array.shape, ONE, ONE)[:2] if array.ndim < 2 else array.shape
        return _Tree("variable", [], rows, columns, name)

    def name(self, text: str) -> _Tree:
        if self.next.kind == "(" and not self.next.is_apart:
            if text in self.arrays:
                raise ReadingError(f"{text!r} is a variable and a function")
            return self.call(text)
        if text in self.arrays:
            return self.variable(text)
        readings: list[Callable[[], _Tree]] = []
        if text in self.sizes:
            readings.append(lambda: _number(self.sizes[text]))
        base, _, below = text.partition("_")
        if base in ("I", "K", "e") and below:
            if base in self.arrays:
                raise ReadingError(f"{text!r} is close to the variable {base!r}")
            readings.append(lambda: self.sign(base, text))
        stem, _, digits = text.rpartition("_")
        if stem in self.arrays and re.fullmatch(r"\d+|\{\d+\}", digits):
            readings.append(lambda: self.entry(stem, int(digits.strip("{}"))))
        if len(text) > 1 and all(char in self.arrays for char in text):
            readings.append(lambda: self.run(text))
        if len(readings) != 1:
            raise ReadingError(f"{text!r} has {len(readings)} meanings")
        return readings[0]()

    def run(self, text: str) -> _Tree:
        """Read ``AB`` as a product; what is raised belongs to the last letter."""
        self.tokens[self.at : self.at] = [_Token("name", char, None, True) for char in text[1:]]
        return self.variable(text[0])

    def entry(self, name: str, position: int) -> _Tree:
        if self.arrays[name].ndim != 1:
            raise ReadingError(f"an entry of {name!r}")
        return _number(self.arrays[name][position])

    def sign(self, sign: str, text: str) -> _Tree:
        if sign == "e":
            return _Tree("e", [], _Unknown(), ONE, int(text.partition("_")[2].strip("{}")))
        sizes = self.numbers(text)
        if len(sizes) != {"I": 1, "K": 2}[sign]:
            raise ReadingError(f"{text!r} has {len(sizes)} sizes")
        n = int(np.prod(sizes))
        return _Tree(sign, [], n, n, sizes)

    def numbers(self, text: str) -> list[int]:
        """Read the sizes at a sign."""
        match = _SUBSCRIPT.search(text)
        assert match is not None
        if match[1] is not None:
            parts = match[1].split(",")
        else:
            parts = [match[2]] if match[2].isdigit() else list(match[2])
        return [int(part) if part.isdigit() else self.sizes[part] for part in parts]

    def call(self, name: str) -> _Tree:
        self.take("(")
        bars, self.bars = self.bars, []
        args = [self.sum()]
        while self.next.kind == ",":
            self.take()
            args.append(self.sum())
        self.take(")")
        self.bars = bars
        (first, *_) = args
        match name:
            case "diag":
                if first.columns is ONE:
                    return _Tree("diagonal", args, first.rows, first.rows)
                self.equate(first.rows, first.columns)
                return _Tree("diag", args, first.rows, ONE)
            case "vec":
                return _Tree("vec", args, _product(first.rows, first.columns), ONE)
            case "tr" | "det" | "logdet" | "signdet":
                self.equate(first.rows, first.columns)
                return _Tree(name, args, ONE, ONE)
            case "max" | "min" | "logsumexp" | "prod":
                return _Tree(name, args, ONE, ONE)
            case "expm" | "cholesky" | "eigvectors":
                return _Tree(name, args, first.rows, first.columns)
            case "eigvalsh":
                return _Tree(name, args, first.rows, ONE)
            case "others2":
                return _Tree(name, args, first.rows, first.rows)
        return self.entrywise(name, args)


# --- numbers ----------------------------------------------------------------------------------


def _size(dim: Any) -> int | None:
    if dim is ONE:
        return 1
    if isinstance(dim, _Unknown):
        return dim.value
    if isinstance(dim, _Times):
        left, right = _size(dim.left), _size(dim.right)
        return None if left is None or right is None else left * right
    return int(dim)


def _tell(dim: Any, size: int) -> bool:
    """Give a value to the unknown in a size; tell whether that was news."""
    if isinstance(dim, _Unknown) and dim.value is None:
        dim.value = size
        return True
    if isinstance(dim, _Times):
        for one, other in ((dim.left, dim.right), (dim.right, dim.left)):
            known = _size(one)
            if known and _size(other) is None:
                return _tell(other, size // known)
    return False


def _factors(dim: Any) -> list[Any]:
    return [*_factors(dim.left), *_factors(dim.right)] if isinstance(dim, _Times) else [dim]


def _aligned(equations: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Equate the factors of products one by one: the rows of ``e_0 ⊗ e_1`` are those of vec(A)."""
    found = []
    for left, right in equations:
        pairs = _factors(left), _factors(right)
        if len(pairs[0]) == len(pairs[1]) and None in (_size(left), _size(right)):
            found += zip(*pairs, strict=True)
    return found


def _solve(equations: list[tuple[Any, Any]]) -> None:
    is_news = True
    while is_news:
        is_news = False
        for left, right in [*equations, *((b, a) for a, b in equations)]:
            size = _size(left)
            if size is not None and _size(right) is None:
                is_news |= _tell(right, size)
    for left, right in equations:
        sizes = _size(left), _size(right)
        if None not in sizes and sizes[0] != sizes[1]:
            raise ReadingError(f"{sizes[0]} does not fit {sizes[1]}")


def _known(dim: Any) -> int:
    size = _size(dim)
    if size is None:
        raise ReadingError("a size is not known")
    return size


def _symmetric(matrix: np.ndarray) -> np.ndarray:
    return (matrix + matrix.T) / 2


_NUMPY: dict[str, Callable[..., Any]] = {
    "inv": np.linalg.inv,
    "pinv": np.linalg.pinv,
    "transpose": np.transpose,
    "@": np.matmul,
    "times": np.multiply,
    "/": np.divide,
    "power": np.power,
    "=": np.equal,
    "≠": np.not_equal,
    ">": np.greater,
    "≥": np.greater_equal,
    "norm": np.linalg.norm,
    "frobenius": np.linalg.norm,
    "tr": np.trace,
    "det": np.linalg.det,
    "logdet": lambda x: np.linalg.slogdet(x)[1],
    "signdet": lambda x: np.linalg.slogdet(x)[0],
    "diagonal": lambda x: np.diag(x[:, 0]),
    "diag": lambda x: np.diag(x)[:, None],
    "expm": scipy.linalg.expm,
    "cholesky": lambda x: np.linalg.cholesky(_symmetric(x)),
    "eigvalsh": lambda x: np.linalg.eigvalsh(_symmetric(x))[:, None],
    "logsumexp": lambda x: scipy.special.logsumexp(x) if x.size else -np.inf,
    "softmax": lambda x: scipy.special.softmax(x) if x.size else x,
    "log_softmax": lambda x: scipy.special.log_softmax(x) if x.size else x,
    "cumsum": lambda x: np.cumsum(x)[:, None],
    "sigmoid": scipy.special.expit,
    "softplus": lambda x: np.logaddexp(0, x),
    "relu": lambda x: np.maximum(x, 0),
    "others2": lambda x: np.array(
        [[(i != k) * np.prod(np.delete(x, [i, k])) for k in range(x.size)] for i in range(x.size)]
    ),
    "others": lambda x: np.array([np.prod(np.delete(x, k)) for k in range(x.size)])[:, None],
    "erf": scipy.special.erf,
    "gelu": lambda x: x * scipy.special.ndtr(x),
    "xlogy": scipy.special.xlogy,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
}


def _value(tree: _Tree, parser: _Parser, order: str) -> np.ndarray:
    args = [_value(arg, parser, order) for arg in tree.args]
    shape = _known(tree.rows), _known(tree.columns)
    match tree.op:
        case "number":
            number = tree.value
            found: Any = float(number) if isinstance(number, Fraction) else number
        case "variable":
            found = parser.arrays[tree.value]
        case "𝟏":
            found = np.ones(shape)
        case "zeros":
            found = np.zeros(shape)
        case "e":
            found = np.eye(*shape, k=-tree.value)
        case "I":
            found = np.eye(shape[0])
        case "K":
            rows, columns = tree.value
            found = np.zeros(shape)
            for k in range(shape[0]):
                unit = np.reshape(np.eye(shape[0])[k], (rows, columns), order=order)
                found[:, k] = np.ravel(unit.T, order)
        case "matrix power":
            found = np.linalg.matrix_power(args[0], tree.value)
        case "list":
            found = np.stack(args)
        case "sum":
            found = sum(sign * arg for sign, arg in zip(tree.value, args, strict=True))
        case "⊙":
            found = args[0]
            for sign, arg in zip(tree.value, args[1:], strict=True):
                found = found * arg if sign == "⊙" else found / arg
        case "⊗":
            found = args[0]
            for arg in args[1:]:
                found = np.kron(found, arg)
        case "vec":
            found = np.ravel(args[0], order)
        case op if op in _NUMPY:
            found = _NUMPY[op](*args)
        case op if hasattr(np, op):
            found = getattr(np, op)(*args)
        case op:
            raise ReadingError(f"no function {op!r}")
    return np.reshape(found, shape)


def evaluate(
    text: str,
    arrays: Mapping[str, np.ndarray],
    shape: tuple[Sequence[int], Sequence[int]],
    order: str = "C",
    sizes: Mapping[str, int] | None = None,
) -> np.ndarray:
    """Read matrix notation.

    Parameters
    ----------
    text
        Without a left-hand side and without a note.
    arrays
        The variables, numbers, vectors or matrices; derivatives of functions as ``∂x/∂z``.
    shape
        Of the value: for rows and columns the sizes of the axes that they are made of, in vec
        order; none for a number.
    order
        The vec order.
    sizes
        The sizes that are names.

    Returns
    -------
    array
        With two axes.

    >>> A, x = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 2.0])
    >>> evaluate("xᵀ (A + Aᵀ)", {"A": A, "x": x}, ((), (2,)))
    array([[12., 21.]])
    """
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    parser = _Parser(_tokens(text, arrays), arrays, sizes or {})
    tree = parser.sum()
    parser.take("end")
    if tree.op == "number" and not tree.value:
        return np.zeros([prod(sizes) for sizes in shape])
    for dim, sizes in zip((tree.rows, tree.columns), shape, strict=True):
        parser.equate(dim, reduce(_product, sizes if order == "C" else reversed(sizes), ONE))
    _solve(parser.equations)
    _solve(_aligned(parser.equations))
    _solve(parser.equations)
    with np.errstate(all="ignore"):
        return _value(tree, parser, order)


def parted(text: str) -> tuple[str, str, str]:
    """Part an equation into its left-hand side, its right-hand side and the note.

    >>> parted("∂f/∂x = 2 xᵀ  (numerator layout, vec order C)")
    ('∂f/∂x', '2 xᵀ', 'numerator layout, vec order C')
    """
    match = re.fullmatch(r"(?:([^\[\]=]*?) = )?(.*?)(?:  \(([^()]*)\))?", text)
    assert match is not None
    note = re.sub(r"(?:, )?\w+ has shape .*", "", match[3] or "")  # which the tests know
    return match[1] or "", match[2], note
