r"""Python expressions as trees, and the one place where they become text.

An expression is a tree of Python's own :mod:`ast`, from the first operator to the last statement:

.. math:: w \odot (v\,y / x) \mapsto \texttt{w * (v @ y / x)}

No text is put together from parts, so that no bracket can be forgotten: `written` sets them, by how
tightly operators bind and on which side they lean, and what Python reads in its text is the tree.

>>> w, v, y, x = map(name, "wvyx")
>>> written(operated(w, "*", operated(operated(v, "@", y), "/", x)))
'w * (v @ y / x)'
>>> written(operated(operated(operated(w, "*", v), "@", y), "/", x))
'(w * v) @ y / x'

Calls are written in templates, whose arguments are put in as trees, too:

>>> written(
...     filled(
...         "np.sum({0}, axis={axes})[..., None]",
...         {"0": operated(x, "+", y), "axes": whole(1)},
...     )
... )
'np.sum(x + y, axis=1)[..., None]'
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from math import isfinite
from types import EllipsisType
from typing import Any

from einsdiff.numeric.planning.extents import Extent

#: What stands in brackets after an array.
Index = int | slice | EllipsisType | ast.expr | None

#: How tightly expressions bind, as in Python: comparisons, ``&``, sums, products, signs, powers,
#: and what needs no brackets anywhere.
_COMPARISON, _BOTH, _SUM, _PRODUCT, _UNARY, _POWER, _ATOM = range(7)

_OPERATORS: Mapping[type[ast.AST], tuple[str, int]] = {
    ast.BitAnd: ("&", _BOTH),
    ast.Add: ("+", _SUM),
    ast.Sub: ("-", _SUM),
    ast.Mult: ("*", _PRODUCT),
    ast.Div: ("/", _PRODUCT),
    ast.FloorDiv: ("//", _PRODUCT),
    ast.Mod: ("%", _PRODUCT),
    ast.MatMult: ("@", _PRODUCT),
    ast.Pow: ("**", _POWER),
}
_COMPARISONS: Mapping[type[ast.AST], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_BY_SIGN = {sign: kind for kind, (sign, _) in _OPERATORS.items()} | {
    sign: kind for kind, sign in _COMPARISONS.items()
}


# --- trees ------------------------------------------------------------------------------------


def name(text: str) -> ast.expr:
    """Return a name, or names joined by dots.

    >>> written(name("jax.nn"))
    'jax.nn'
    """
    first, *rest = text.split(".")
    found: ast.expr = ast.Name(first, ast.Load())
    for part in rest:
        found = attribute(found, part)
    return found


def attribute(a: ast.expr, text: str) -> ast.expr:
    """Return an attribute of an expression."""
    return ast.Attribute(a, text, ast.Load())


def called(function: str | ast.expr, *args: ast.expr) -> ast.expr:
    """Call a function.

    >>> written(called("np.exp", operated(name("x"), "+", whole(1))))
    'np.exp(x + 1)'
    """
    return ast.Call(name(function) if isinstance(function, str) else function, list(args), [])


def keywords(parts: Mapping[str, ast.expr]) -> ast.expr:
    """Return arguments by name, for a template that has two stars before them."""
    return ast.Call(name("dict"), [], [ast.keyword(key, part) for key, part in parts.items()])


def string(text: str) -> ast.expr:
    """Return a string."""
    return ast.Constant(text)


def listed(parts: Iterable[ast.expr]) -> ast.expr:
    """Return a tuple.

    >>> written(listed([name("n")]))
    '(n,)'
    """
    return ast.Tuple(list(parts), ast.Load())


def operated(a: ast.expr, sign: str, b: ast.expr) -> ast.expr:
    """Join two expressions by an operator or a comparison.

    >>> written(
    ...     operated(
    ...         operated(name("i"), ">=", whole(0)), "&", operated(name("i"), "<", name("n"))
    ...     )
    ... )
    '(i >= 0) & (i < n)'
    """
    kind = _BY_SIGN[sign]()
    if isinstance(kind, ast.cmpop):
        return ast.Compare(a, [kind], [b])
    assert isinstance(kind, ast.operator)
    return ast.BinOp(a, kind, b)


def negative(a: ast.expr) -> ast.expr:
    """Put a minus sign before an expression: before the first factor of a product.

    >>> x, y = name("x"), name("y")
    >>> [written(negative(operated(x, sign, y))) for sign in "*+@"]
    ['-x * y', '-(x + y)', '-(x @ y)']
    >>> written(negative(negative(x)))
    'x'
    """
    if isinstance(a, ast.UnaryOp):
        return a.operand
    if isinstance(a, ast.BinOp) and is_product(a) and not is_matmul(_first(a)):
        return ast.BinOp(negative(a.left), a.op, a.right)
    return ast.UnaryOp(ast.USub(), a)


def is_product(a: ast.expr) -> bool:
    """Tell products and quotients entry by entry."""
    return isinstance(a, ast.BinOp) and isinstance(a.op, ast.Mult | ast.Div)


def is_matmul(a: ast.expr) -> bool:
    """Tell products of matrices."""
    return isinstance(a, ast.BinOp) and isinstance(a.op, ast.MatMult)


def is_negative(a: ast.expr) -> bool:
    """Tell whether an expression begins with a minus sign that stands for all of it.

    >>> x = name("x")
    >>> is_negative(operated(negative(x), "*", x)), is_negative(operated(negative(x), "+", x))
    (True, False)
    """
    return isinstance(_first(a), ast.UnaryOp)


def _first(a: ast.expr) -> ast.expr:
    """Return the first factor of a product, or of a quotient."""
    while isinstance(a, ast.BinOp) and is_product(a):
        a = a.left
    return a


def multiplied(a: ast.expr, b: ast.expr) -> ast.expr:
    """Multiply; the second may be a product, which goes on then without brackets.

    >>> x, y, z = map(name, "xyz")
    >>> written(multiplied(x, operated(y, "/", z)))
    'x * y / z'
    """
    if isinstance(b, ast.BinOp) and is_product(b):
        first = _first(b)
        if not isinstance(first, ast.UnaryOp) and not is_matmul(first):
            return ast.BinOp(multiplied(a, b.left), b.op, b.right)
    return operated(a, "*", b)


def added(a: ast.expr, sign: str, b: ast.expr) -> ast.expr:
    """Add or subtract; a sum that is added goes on without brackets.

    >>> x, y, z = map(name, "xyz")
    >>> [written(added(x, sign, operated(y, "-", z))) for sign in "+-"]
    ['x + y - z', 'x - (y - z)']
    >>> written(added(x, "+", operated(negative(y), "/", z)))
    'x - y / z'
    """
    if is_negative(b):
        return operated(a, "-" if sign == "+" else "+", negative(b))
    if sign == "+" and isinstance(b, ast.BinOp) and isinstance(b.op, ast.Add | ast.Sub):
        first: ast.expr = b
        while isinstance(first, ast.BinOp) and isinstance(first.op, ast.Add | ast.Sub):
            first = first.left
        if not is_negative(first):
            return ast.BinOp(added(a, "+", b.left), b.op, b.right)
    return operated(a, sign, b)


def whole(n: int) -> ast.expr:
    """Write a whole number, or a size with the names that it has.

    >>> m, n = Extent.named("m", 101), Extent.named("n", 103)
    >>> [written(whole(size)) for size in (3, -3, m, m * n, 2 * m + n - 1, 1 - n, m - m)]
    ['3', '-3', 'm', 'm * n', '2 * m + n - 1', '-n + 1', '0']
    """
    if isinstance(n, Extent):
        return summed(
            (c, None if not names else _product_of(names)) for names, c in n.terms.items()
        )
    return ast.Constant(int(n)) if n >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-int(n)))


def _product_of(names: Sequence[str]) -> ast.expr:
    found = name(names[0])
    for other in names[1:]:
        found = operated(found, "*", name(other))
    return found


def summed(terms: Iterable[tuple[int, ast.expr | None]]) -> ast.expr:
    """Write a sum of multiples of expressions; a number alone is a multiple of none.

    >>> i, j = name("i"), name("j")
    >>> written(summed([(2, j), (3, None), (-1, i)])), written(summed([]))
    ('2 * j + 3 - i', '0')
    """
    total: ast.expr | None = None
    for c, a in terms:
        size = whole(abs(c)) if not isinstance(c, Extent) else whole(c)
        is_minus = c < 0 and not isinstance(c, Extent)
        term = size if a is None else a if abs(c) == 1 else multiplied(size, a)
        if total is None:
            total = negative(term) if is_minus else term
        else:
            total = added(total, "-" if is_minus else "+", term)
    return whole(0) if total is None else total


def literal(value: int | float | complex) -> ast.expr:
    """Write a number.

    >>> [written(literal(value)) for value in (-2, 0.5, -2j, float("-inf"))]
    ['-2', '0.5', '(-0-2j)', "float('-inf')"]
    """
    if isinstance(value, int):
        return whole(value)
    if isinstance(value, complex):
        is_finite = isfinite(value.real) and isfinite(value.imag)
        return ast.Constant(value) if is_finite else called("complex", string(str(value)))
    if not isfinite(value):
        return called("float", string(str(value)))
    sign = str(value).startswith("-")
    return ast.UnaryOp(ast.USub(), ast.Constant(-value)) if sign else ast.Constant(value)


def subscripted(a: ast.expr, indices: Sequence[Index]) -> ast.expr:
    """Return entries of an array, at indices as NumPy has them, or at trees.

    >>> written(subscripted(name("x"), [slice(None), name("i"), None, slice(1, None, 2), -1]))
    'x[:, i, None, 1::2, -1]'
    """
    found = [_index(index) for index in indices]
    return ast.Subscript(a, found[0] if len(found) == 1 else listed(found), ast.Load())


def _index(index: Index) -> ast.expr:
    if isinstance(index, int):
        return whole(index)
    if isinstance(index, slice):
        parts = (index.start, index.stop, index.step)
        return ast.Slice(*(None if part is None else whole(part) for part in parts))
    return ast.Constant(index) if index is None or index is Ellipsis else index


def assigned(target: ast.expr, value: ast.expr) -> ast.stmt:
    """Return an assignment."""
    return ast.Assign([target], value)


def changed(target: ast.expr, sign: str, value: ast.expr) -> ast.stmt:
    """Return a statement that adds to a part of an array, or subtracts from it."""
    kind = _BY_SIGN[sign]()
    assert isinstance(kind, ast.operator)
    return ast.AugAssign(target, kind, value)  # type: ignore[arg-type]


def replaced(tree: ast.expr, names: Mapping[str, ast.expr]) -> ast.expr:
    """Put other expressions in the place of names.

    >>> x, y = name("x"), name("y")
    >>> written(replaced(operated(x, "*", y), {"y": operated(x, "+", y)}))
    'x * (x + y)'
    """
    found = _Filling(names).visit(deepcopy(tree))
    assert isinstance(found, ast.expr)
    return found


def names_of(tree: ast.AST) -> set[str]:
    """Return the names that occur in a tree; attributes are none.

    >>> sorted(names_of(name("np.pi")))
    ['np']
    """
    return {part.id for part in ast.walk(tree) if isinstance(part, ast.Name)}


def numbers_as_arrays(
    statements: Iterable[ast.stmt],
    numbers: Collection[str],
    functions: Collection[str],
    *,
    in_calls: bool,
) -> set[str]:
    """Find names of numbers that stand in statements where it takes an array.

    Some functions, or all of a module, take arrays only; or else all calls do.

    >>> a, x = name("a"), name("x")
    >>> product = operated(a, "*", x)
    >>> copied = called(attribute(operated(a, "*", a), "copy"))
    >>> for tree in (product, copied):
    ...     numbers_as_arrays([assigned(name("t"), tree)], {"a"}, (), in_calls=False)
    set()
    {'a'}
    """
    found = _Numbers(frozenset(numbers), frozenset(functions), in_calls)
    for statement in statements:
        found.visit(statement)
    return found.needed


class _Numbers(ast.NodeVisitor):
    """Finds out which names are needed as arrays."""

    def __init__(self, numbers: frozenset[str], functions: frozenset[str], in_calls: bool) -> None:
        self.numbers = numbers
        self.functions = functions
        self.in_calls = in_calls
        self.needed: set[str] = set()

    def need(self, *trees: ast.expr) -> None:
        """Remember the names in what is a number if they are."""
        for tree in trees:
            if names_of(tree) <= self.numbers and not _is_called(tree):
                self.needed |= names_of(tree)

    def visit_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.targets[0], ast.Name):
            self.need(node.value)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.need(node.value)
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.need(node.value)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if self.in_calls or not self.functions.isdisjoint(names_of(node.func)):
            self.need(*node.args)
        self.generic_visit(node)


def _is_called(tree: ast.expr) -> bool:
    return any(isinstance(part, ast.Call) for part in ast.walk(tree))


# --- templates --------------------------------------------------------------------------------


def filled(template: str, parts: Mapping[str, ast.expr]) -> ast.expr:
    """Put trees in the places of a template, which is an expression with names in braces.

    After a star, a tuple is put in as several arguments; after two, a call as its keywords.

    >>> x, shape = name("x"), listed([name("m"), name("n")])
    >>> written(filled("{0}.reshape(*{shape})", {"0": operated(x, "@", x), "shape": shape}))
    '(x @ x).reshape(m, n)'
    """
    return replaced(_template(template), {f"_{key}_": part for key, part in parts.items()})


@lru_cache(maxsize=1024)
def _template(text: str) -> ast.expr:
    return ast.parse(re.sub(r"\{(\w+)\}", r"_\1_", text), mode="eval").body


class _Filling(ast.NodeTransformer):
    def __init__(self, parts: Mapping[str, ast.expr]) -> None:
        self.parts = parts

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.parts.get(node.id, node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        args: list[ast.expr] = []
        for arg in node.args:
            is_spread = isinstance(arg, ast.Starred) and isinstance(arg.value, ast.Tuple)
            args += arg.value.elts if is_spread else [arg]  # type: ignore[attr-defined]
        named: list[ast.keyword] = []
        for keyword in node.keywords:
            is_spread = keyword.arg is None and isinstance(keyword.value, ast.Call)
            named += keyword.value.keywords if is_spread else [keyword]  # type: ignore[attr-defined]
        return ast.Call(node.func, args, named)


# --- text -------------------------------------------------------------------------------------


def written(tree: ast.AST, level: int = _COMPARISON) -> str:
    """Write an expression or a statement as text, in brackets if it binds less tightly.

    Brackets that Python does not need are set where people read products of matrices:

    >>> A, x, y = map(name, "Axy")
    >>> (
    ...     written(operated(operated(A, "@", x), "*", y)),
    ...     written(operated(operated(A, "@", x), "/", y)),
    ... )
    ('(A @ x) * y', 'A @ x / y')
    """
    text, own = _WRITERS[type(tree)](tree)
    return text if own >= level else f"({text})"


def _binary(tree: ast.BinOp) -> tuple[str, int]:
    sign, level = _OPERATORS[type(tree.op)]
    if sign == "**":
        space = "" if _is_plain(tree.left) and _is_plain(tree.right) else " "
        left, right = written(tree.left, _ATOM), written(tree.right, _UNARY)
        return f"{left}{space}**{space}{right}", level
    is_mixed = isinstance(tree.left, ast.BinOp) and _is_mixed(tree.left.op, tree.op)
    left = written(tree.left, _ATOM if is_mixed else level)
    return f"{left} {sign} {written(tree.right, level + 1)}", level


def _is_mixed(inner: ast.operator, outer: ast.operator) -> bool:
    """Tell where a product of matrices and one of entries stand side by side."""
    if isinstance(outer, ast.MatMult):
        return not isinstance(inner, ast.MatMult)
    return isinstance(inner, ast.MatMult) and isinstance(outer, ast.Mult)


def _is_plain(tree: ast.expr) -> bool:
    """Tell names, their attributes, and numbers."""
    while isinstance(tree, ast.Attribute):
        tree = tree.value
    return isinstance(tree, ast.Name | ast.Constant)


def _unary(tree: ast.UnaryOp) -> tuple[str, int]:
    return f"-{written(tree.operand, _POWER)}", _UNARY


def _compare(tree: ast.Compare) -> tuple[str, int]:
    (op,), (right,) = tree.ops, tree.comparators
    sign = _COMPARISONS[type(op)]
    return f"{written(tree.left, _BOTH)} {sign} {written(right, _BOTH)}", _COMPARISON


def _constant(tree: ast.Constant) -> tuple[str, int]:
    value = tree.value
    if value is Ellipsis:
        return "...", _ATOM
    # Subscripts stand in double quotes, options in single ones.
    return (f'"{value}"' if isinstance(value, str) and "->" in value else repr(value)), _ATOM


def _attribute(tree: ast.Attribute) -> tuple[str, int]:
    text = written(tree.value, _ATOM)
    if isinstance(tree.value, ast.Constant) and isinstance(tree.value.value, int):
        text = f"({text})"
    return f"{text}.{tree.attr}", _ATOM


def _call(tree: ast.Call) -> tuple[str, int]:
    args = [*map(written, tree.args)]
    args += [f"{k.arg}={written(k.value)}" for k in tree.keywords]
    return f"{written(tree.func, _ATOM)}({', '.join(args)})", _ATOM


def _subscript(tree: ast.Subscript) -> tuple[str, int]:
    index = written(tree.slice)
    if isinstance(tree.slice, ast.Tuple) and tree.slice.elts:
        index = index[1:-1]
    return f"{written(tree.value, _ATOM)}[{index}]", _ATOM


def _slice(tree: ast.Slice) -> tuple[str, int]:
    first, last, step = (
        "" if part is None else written(part) for part in (tree.lower, tree.upper, tree.step)
    )
    return f"{first}:{last}" + (f":{step}" if step else ""), _ATOM


def _tuple(tree: ast.Tuple) -> tuple[str, int]:
    comma = "," if len(tree.elts) == 1 else ""
    return f"({', '.join(map(written, tree.elts))}{comma})", _ATOM


_WRITERS: Mapping[type[ast.AST], Any] = {
    ast.Attribute: _attribute,
    ast.BinOp: _binary,
    ast.Call: _call,
    ast.Compare: _compare,
    ast.Constant: _constant,
    ast.List: lambda tree: (f"[{', '.join(map(written, tree.elts))}]", _ATOM),
    ast.Name: lambda tree: (tree.id, _ATOM),
    ast.Slice: _slice,
    ast.Subscript: _subscript,
    ast.Tuple: _tuple,
    ast.UnaryOp: _unary,
    # Statements.
    ast.Assign: lambda tree: (f"{_bare(tree.targets[0])} = {written(tree.value)}", _ATOM),
    ast.AugAssign: lambda tree: (
        f"{written(tree.target)} {_OPERATORS[type(tree.op)][0]}= {written(tree.value)}",
        _ATOM,
    ),
    ast.Expr: lambda tree: (written(tree.value), _ATOM),
    ast.Return: lambda tree: (f"return {written(tree.value)}", _ATOM),
}


def _bare(target: ast.expr) -> str:
    """Write names that are assigned to, without brackets around several."""
    text = written(target)
    return text[1:-1] if isinstance(target, ast.Tuple) else text
