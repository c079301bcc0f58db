r"""Text with einsum in it, as ``format("einsum")`` writes it: ``f_i = einsum("ij,j->i", A, x)``.

It has the grammar of Python's expressions, is taken apart by Python's own parser, and is not run:
names are operands, calls are functions of einsdiff, and all else is refused.

>>> import sys
>>> text = '∂f_i/∂x_p = einsum("i,ip->ip", exp(einsum("ij,j->i", A, x)), A)'
>>> read_einsum_text(
...     Arguments(text, (), None, {"A": (2, 3), "x": (3,)}, sys._getframe())
... ).tensor
∂f_i/∂x_p = exp(A_ij x_j) A_ip
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from operator import add, ge, gt, mul, neg, pos, sub, truediv
from operator import pow as power
from typing import Any, NoReturn

from einsdiff.errors import OperandError, SubscriptsError
from einsdiff.expressions.tensor_class import Tensor, tensor
from einsdiff.notation.index_parser import parse_equation
from einsdiff.notation.letters import first_unused
from einsdiff.notation.lexer import LONGEST_TEXT
from einsdiff.notation.subscripts import parse_subscripts
from einsdiff.notation.trees import DEEPEST, letters_of, symbols_of
from einsdiff.verbs.named_functions import PUBLIC
from einsdiff.verbs.sources.einsum_strings import product
from einsdiff.verbs.sources.index_notation import read_index
from einsdiff.verbs.sources.source import Arguments, Source

#: Numbers are raised to at most this.
MOST_RAISED = 1000

_HEADED = re.compile(r"([^=('\"]*) = (.*)", re.DOTALL)

_BINARY: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: add,
    ast.Sub: sub,
    ast.Mult: mul,
    ast.Div: truediv,
    ast.Pow: power,
    ast.Gt: gt,
    ast.GtE: ge,
}
_UNARY: Mapping[type[ast.AST], Callable[[Any], Any]] = {ast.USub: neg, ast.UAdd: pos}


def read_einsum_text(arguments: Arguments) -> Source:
    """Read a text in which einsum is called; operands are given by name.

    What is no expression of operands and of functions of einsdiff is a `SubscriptsError`, an
    operand that is not given is an `OperandError`.
    """
    text = arguments.expression
    match = _HEADED.match(text)
    left, right = match.groups() if match is not None else ("", text)
    reader = _TextReader(arguments, text, right.strip())
    found = reader.value()
    if left:
        found = _headed(found, left.strip(), arguments)
    given = tuple((arguments.named[name], name) for name in reader.operands)
    return Source(found, given)


def _headed(found: Tensor, left: str, arguments: Arguments) -> Tensor:
    """Give a tensor the left-hand side that is written."""
    heading = parse_equation(f"{left} = 0").left
    letters = [a for symbol in symbols_of(heading) for a in letters_of(symbol.labels)]
    name = first_unused("zwvuyts", {*found.names, *(s.name for s in symbols_of(heading))})
    whole = f"{left} = {name}_{{{','.join(letters)},}}" if letters else f"{left} = {name}"
    named = {name: found}
    read = read_index(replace(arguments, expression=whole, operands=(), named=named, sizes=None))
    formula = read.tensor.formula
    named_so = replace(found.formula, heading=formula.heading, domain=formula.domain)
    return Tensor(named_so, found.values)


class _TextReader:
    """Makes a tensor of one text."""

    def __init__(self, arguments: Arguments, text: str, right: str) -> None:
        self.arguments, self.text = arguments, text
        self.operands: dict[str, Tensor] = {}
        self.depth = 0
        if len(right) > LONGEST_TEXT:
            self.fail(f"the text has {len(right)} characters", f"{LONGEST_TEXT} are the most")
        try:
            self.tree = ast.parse(right, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            self.fail("this is no expression", 'write calls as in einsum("ij,j->i", A, x)')

    def fail(self, headline: str, action: str) -> NoReturn:
        shown = re.sub(r"\s", " ", self.text[:200])
        raise SubscriptsError(headline, text=shown, action=action)

    def value(self) -> Tensor:
        """Return what the text is."""
        try:
            found = self.read(self.tree)
        except (ArithmeticError, TypeError, ValueError, AttributeError, IndexError) as error:
            self.fail(f"this cannot be computed: {error}", "write what format('einsum') writes")
        if not isinstance(found, Tensor):
            self.fail("this is no tensor", "write an expression of operands")
        return found

    def read(self, tree: ast.expr) -> Any:
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail("brackets are nested too deeply", f"{DEEPEST} inside of each other are most")
        found = self.one(tree)
        self.depth -= 1
        return found

    def one(self, tree: ast.expr) -> Any:
        match tree:
            case ast.Constant(value=int() | float() | complex()) if tree.value is not True:
                return tree.value
            case ast.Name(id=name):
                return self.operand(name)
            case ast.BinOp(left, op, right) if type(op) in _BINARY:
                a, b = self.read(left), self.read(right)
                is_large = isinstance(b, int) and abs(b) > MOST_RAISED
                if isinstance(op, ast.Pow) and is_large and not isinstance(a, Tensor):
                    self.fail("a power of a number is too large", "write the number")
                return _BINARY[type(op)](a, b)
            case ast.Compare(left, [op], [right]) if type(op) in _BINARY:
                return _BINARY[type(op)](self.read(left), self.read(right))
            case ast.UnaryOp(op, operand) if type(op) in _UNARY:
                return _UNARY[type(op)](self.read(operand))
            case ast.Subscript(value, index):
                return self.read(value)[self.index(index)]
            case ast.Call():
                return self.call(tree)
        return self.fail(
            f"'{ast.unparse(tree)[:40]}' is not read here",
            "write operands, numbers, + - * / **, and calls of functions of einsdiff",
        )

    def operand(self, name: str) -> Tensor:
        if name not in self.operands:
            if name not in self.arguments.named:
                raise OperandError(
                    f"the operand '{name}' is not given",
                    text=self.text[:200],
                    action=f"give it by name, as an array or a shape: {name}='mn'",
                )
            value = self.arguments.named[name]
            self.operands[name] = value if isinstance(value, Tensor) else tensor(name, value)
        return self.operands[name]

    def index(self, tree: ast.expr) -> Any:
        """Read what stands in square brackets: numbers, slices of numbers."""
        if isinstance(tree, ast.Tuple):
            return tuple(self.index(part) for part in tree.elts)
        if isinstance(tree, ast.Slice):
            ends = (tree.lower, tree.upper, tree.step)
            return slice(*(None if end is None else self.plain(end) for end in ends))
        return self.plain(tree)

    def plain(self, tree: ast.expr) -> Any:
        """Read a number, a text, or several of these."""
        try:
            return ast.literal_eval(tree)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return self.fail(f"'{ast.unparse(tree)[:40]}' is no number here", "write a number")

    def call(self, tree: ast.Call) -> Any:
        """Apply einsum, or a function of einsdiff."""
        name = re.sub(r"^(einsdiff|ed|np|numpy)\.", "", ast.unparse(tree.func))
        options = {str(option.arg): self.plain(option.value) for option in tree.keywords}
        if name in ("einsum", "parse"):
            if not tree.args or not isinstance(tree.args[0], ast.Constant):
                self.fail(f"{name} has no text", 'write einsum("ij,j->i", A, x)')
            first = str(tree.args[0].value)
            sizes = options.pop("sizes", None)
            rest = [self.read(arg) for arg in tree.args[1:]]
            given = replace(self.arguments, expression=first, operands=rest, sizes=sizes, named={})
            if name == "einsum":
                return product(parse_subscripts(first), replace(given, named=options)).tensor
            own = {str(option.arg): option.value for option in tree.keywords}
            named = {key: self.read(value) for key, value in own.items() if key != "sizes"}
            return read_index(replace(given, named=named)).tensor
        if name == "Fraction":
            return Fraction(*(self.plain(arg) for arg in tree.args))
        if name not in PUBLIC:
            self.fail(f"there is no function '{name[:40]}'", "write functions of einsdiff")
        return PUBLIC[name](*(self.read(arg) for arg in tree.args), **options)
