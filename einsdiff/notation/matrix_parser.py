"""Matrix notation: from a text to a tree.

A transpose and a power belong to the factor before them, factors side by side are a product, and
that binds tighter than signs between factors, these tighter than sums:

>>> parse_matrix("x' A x + b").right.op
'sum'
>>> parse_matrix("A x ⊙ y").right.args[0].op
'product'

Which names are functions is said by who calls; what is a matrix is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Set
from fractions import Fraction
from typing import Any, NoReturn
from unicodedata import normalize

from einsdiff.errors import SubscriptsError
from einsdiff.notation.hints import by_meaning, hint
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.matrix_lexer import MatrixSyntax, MatrixToken, tokens_of
from einsdiff.notation.matrix_trees import MatrixHeading, MatrixText, MatrixTree, written_size
from einsdiff.notation.names import spelled_out
from einsdiff.notation.subscripts import Size
from einsdiff.notation.trees import DEEPEST

#: Functions of matrix notation that are none of the table; all of their arguments are values.
WORDS = frozenset(
    (
        *("tr", "trace", "transpose", "inv", "pinv", "adj", "det", "logdet", "sqrtm", "logm"),
        *("norm", "norm1", "norm2", "sum", "mean", "min", "max", "dot", "inner", "outer", "kron"),
        *("diag", "vec", "ones", "zeros", "vector", "matrix", "eye"),
        *("ln", "sgn", "sqrt", "square", "reciprocal", "σ"),
    )
)

#: The kinds of tokens that begin a factor.
_STARTS = ("number", "complex", "name", "bold", "ones", "zeros", "partial", "(", "[", "⟨")

#: Signs between factors; those on the left side multiply matrices.
_MATRIX, _ENTRYWISE = ("*", "@", "·"), ("⊙", "⊘", "⊗")

_ENTRYWISE_OPS = {"⊙": "hadamard", "⊘": "quotient", "⊗": "kron"}

_COMPARE = ("<", ">", "≥", "≤", "=", "≠")

_PARTIAL = re.compile(r"∂[²³⁴⁵⁶⁷⁸⁹]?(\w+)/((?:∂\w+)+)")

_NAME = r"(?:vec\(\s*)?[^\W\d²³⁴⁵⁶⁷⁸⁹][\w{}]*\)?"

_HEADING = re.compile(
    rf"\s*(?:∂[²³⁴⁵⁶⁷⁸⁹]?(?P<above>{_NAME}|vec\(\(?∂[^()]*\)?\))\s*/\s*(?P<below>(?:∂{_NAME})+)"
    rf"|(?P<alone>{_NAME}))\s*"
)

_NOTE = re.compile(
    r"\s+\((?:(?P<layout>numerator|denominator) layout|(?P<hessian>Hessian)"
    r"|in the shape of (?P<owner>[^(),]*))?(?:(?:, |(?<=\())vec order (?P<order>[CF]))?"
    r"(?:(?:, |(?<=\())\w+ has shape (?P<shape>[^(),]*))?\)\s*"
)

#: Labels of index notation, by which a subscript is told from the end of a name.
_LABELS = re.compile("[i-n]{1,4}|[pq]{1,2}")


def parse_matrix(
    text: str, names: Set[str] = frozenset(), functions: Set[str] = frozenset()
) -> MatrixText:
    """Read an expression in matrix notation, with or without a left-hand side.

    `names` are operands that are known, and `functions` the names of those that the table has.

    >>> parse_matrix("∂f/∂x = 2 xᵀ  (numerator layout, vec order C)").left
    MatrixHeading(function=('f', False), by=(('x', False),))
    >>> parse_matrix("A +")
    Traceback (most recent call last):
    einsdiff.SubscriptsError: something is missing here
    <BLANKLINE>
        A +
           ^
    <BLANKLINE>
    write a name, a number or a bracket
    """
    layout, order, body = "", "C", text
    shape: tuple[Size, ...] | None = None
    note = _NOTE.search(text)
    if note is not None and note.end() == len(text) and note[0].strip() != "()":
        body = text[: note.start()]
        layout = note["layout"] or ("Hessian" if note["hessian"] else "")
        layout, order = "shape" if note["owner"] else layout, note["order"] or "C"
        if note["shape"]:
            shape = tuple(map(written_size, note["shape"].split(" by ")))
    left, start = _heading(text, body)
    body = " " * start + body[start:]
    right = _MatrixParser(text, body, names, functions, bool(layout)).whole()
    return MatrixText(left, right, layout, order, shape)


def _heading(text: str, body: str) -> tuple[MatrixHeading | None, int]:
    """Read a left-hand side, and return it with the place where the right-hand side begins."""
    depth, at = 0, -1
    for column, char in enumerate(body):
        depth += (char in "([{") - (char in ")]}")
        if char == "=" and not depth:
            at = column
            break
    if at < 0:
        return None, 0
    match = _HEADING.fullmatch(body[:at])
    if match is None:
        raise SubscriptsError(
            "this left-hand side cannot be read",
            text=text,
            carets=range(max(at, 1)),
            action="write a name, or a derivative: f = .., ∂f/∂x = ..",
        )
    parts = [match["above"] or match["alone"]]
    parts += re.findall(rf"∂({_NAME})", match["below"] or "")
    if parts[0].startswith(("vec(∂", "vec((∂")):
        above = parts[0][4:-1].strip("()")
        inside = re.fullmatch(rf"∂[²³⁴⁵⁶⁷⁸⁹]?({_NAME})/((?:∂{_NAME})+)", above)
        if inside is None:
            return None, 0
        parts[:1] = [f"vec({inside[1]})", *re.findall(rf"∂({_NAME})", inside[2])]
    bare = [re.sub(r"vec\(\s*|\s*\)", "", part).strip() for part in parts]
    of, *by = [
        (spelled_out(name), name != part.strip()) for name, part in zip(bare, parts, strict=True)
    ]
    every: list[tuple[str, bool]] = []
    for name, is_vec in by:  # ∂x² is twice by x
        count = re.search("[²³⁴⁵⁶⁷⁸⁹]?$", name)
        assert count is not None
        times = int(normalize("NFKC", count[0] or "1"))
        every += [(name.rstrip("²³⁴⁵⁶⁷⁸⁹"), is_vec)] * times
    return MatrixHeading(of, tuple(every)), at + 1


class _MatrixParser(MatrixSyntax):
    """Reads one text."""

    def __init__(
        self, text: str, body: str, names: Set[str], functions: Set[str], is_tight: bool
    ) -> None:
        super().__init__(text)
        self.names, self.functions = names, (functions | WORDS) - names
        self.tokens = tokens_of(body, names, is_tight)
        self.words = {token.text for token in self.tokens if token.kind == "name"}
        self.at = 0
        self.depth = 0
        self.bars: list[str] = []
        self.is_list = False

    def whole(self) -> MatrixTree:
        """Read all of it."""
        self.check_glued()
        tree = run(self.sum())
        if self.next.kind != "end":
            self.unexpected()
        return tree

    # Tokens.

    @property
    def next(self) -> MatrixToken:
        return self.tokens[self.at]

    def take(self, kind: str = "") -> MatrixToken:
        token = self.next
        if kind and token.kind != kind:
            if token.kind == "end":
                self.fail(
                    f"'{kind}' is missing", token.start, token.start + 1, f"close it: '{kind}'"
                )
            self.unexpected()
        self.at += token.kind != "end"
        return token

    def unexpected(self) -> NoReturn:
        token = self.next
        if token.kind == "end":
            self.fail(
                "something is missing here",
                token.start,
                token.start + 1,
                "write a name, a number or a bracket",
            )
        action = "write a name, a number or a bracket before it"
        if token.kind in (")", "]", "}", ">", "⟩", "‖", "|"):
            action = "open what is closed here, or write brackets around what is between bars"
        self.fail(f"'{token.text}' cannot stand here", token.start, token.end, action)

    def check_glued(self) -> None:
        """Refuse a word that is likely to be a product without a space: ``x' Ax``."""
        for token in self.tokens:
            word = token.text
            if token.kind != "name" or word in self.names or word in self.functions:
                continue
            is_short = 1 < len(word) < 4 and word.isalpha() and not word.islower()
            alone = [char for char in word if char in self.words]
            if is_short and alone:
                apart = " ".join(word)
                self.fail(
                    f"'{word}' is one name, but '{alone[0]}' is one too",
                    token.start,
                    token.end,
                    f"write spaces in a product, {apart}; if {word} is a name, "
                    f"give its sizes: {word}='mn'",
                )

    def nested(self, close: str, bars: str = "", is_list: bool = False) -> Job[MatrixTree]:
        """Read a sum inside of brackets or bars, which close with the next token."""
        self.depth += 1
        if self.depth > DEEPEST:
            start = self.next.start
            self.fail("brackets are too deep", start, start + 1, f"{DEEPEST} is the most")
        before = self.bars, self.is_list
        self.bars, self.is_list = [*self.bars, bars] if bars else [], is_list
        tree: MatrixTree = yield self.sum()
        self.bars, self.is_list = before
        self.depth -= 1
        if bars == "|" and self.next.text == "||":
            token = self.next
            half = token._replace(kind="|", text="|", end=token.start + 1)
            other = half._replace(start=token.start + 1, end=token.end, is_apart=False)
            self.tokens[self.at : self.at + 1] = [half, other]
        if close:
            self.take(close)
        return tree

    def made(self, op: str, args: tuple[MatrixTree, ...], value: Any = None) -> MatrixTree:
        return MatrixTree(op, args, value, args[0].start, self.tokens[max(self.at - 1, 0)].end)

    # Sums and products.

    def sum(self) -> Job[MatrixTree]:
        start = self.next.start
        sign = 1
        if self.next.kind in ("+", "-"):
            sign = -1 if self.take().kind == "-" else 1
        terms = [(sign, (yield self.row()))]
        while self.next.kind in ("+", "-"):
            sign = -1 if self.take().kind == "-" else 1
            terms.append((sign, (yield self.row())))
        if len(terms) == 1 and sign == 1:
            tree: MatrixTree = terms[0][1]
            return tree
        if len(terms) == 1 and terms[0][1].op == "number":
            return MatrixTree("number", (), -terms[0][1].value, start, terms[0][1].end)
        signs, trees = zip(*terms, strict=True)
        return MatrixTree("sum", trees, signs, start, self.tokens[self.at - 1].end)

    def row(self) -> Job[MatrixTree]:
        """Read factors with signs between them."""
        whole: MatrixTree = yield self.product()
        seen: set[bool] = set()
        count = 0
        while self.next.kind in _MATRIX or self.next.kind in _ENTRYWISE:
            sign = self.take().kind
            seen.add(sign in _MATRIX)
            right = yield self.product(is_signed=True)
            count += 1
            op, value = _ENTRYWISE_OPS.get(sign, "product"), sign if sign in _MATRIX else None
            mixed = count if len(seen) > 1 else 0
            whole = MatrixTree(op, (whole, right), value, whole.start, right.end, mixed)
        return whole

    def product(self, is_signed: bool = False) -> Job[MatrixTree]:
        """Read factors side by side, and divisions."""
        if is_signed and self.next.kind == "-":
            start = self.take().start
            inner = yield self.product()
            return MatrixTree("sum", (inner,), (-1,), start, inner.end)
        before = self.next
        whole: MatrixTree = yield self.factor()
        while True:
            token = self.next
            if token.kind == "/":
                self.take()
                divisor: MatrixTree = yield self.factor()
                follows = self.next
                if divisor.op == "number" and follows.kind == "name" and not follows.is_apart:
                    self.fail(
                        "it is not clear what is divided by",
                        divisor.start,
                        follows.end,
                        f"write 1/{self.text[divisor.start : divisor.end]} {follows.text}, or "
                        f"brackets: 1/({self.text[divisor.start : divisor.end]} {follows.text})",
                    )
                whole = self.divided(whole, divisor)
            elif self.starts_factor():
                if token.kind == "number" and before.kind == "number" and whole.op == "number":
                    self.fail(
                        "two numbers stand side by side",
                        before.start,
                        token.end,
                        "write one number without spaces, or * between two",
                    )
                right = yield self.factor()
                whole = MatrixTree("product", (whole, right), "", whole.start, right.end)
            else:
                return whole

    def divided(self, whole: MatrixTree, divisor: MatrixTree) -> MatrixTree:
        """Divide; of whole numbers the result is a fraction."""
        a, b = whole, divisor
        are_whole = a.op == b.op == "number" and isinstance(a.value, int | Fraction)
        if are_whole and isinstance(b.value, int) and b.value:
            return MatrixTree("number", (), Fraction(a.value) / b.value, a.start, b.end)
        return MatrixTree("over", (a, b), None, a.start, b.end)

    def starts_factor(self) -> bool:
        token = self.next
        if token.kind in ("‖", "|"):
            if token.text == "||" and self.bars[-1:] == ["|"]:
                return False
            return not self.bars or self.bars[-1] != token.kind
        if token.kind == "<":
            return not self.is_list
        return token.kind in _STARTS

    # Factors.

    def factor(self) -> Job[MatrixTree]:
        tree: MatrixTree = yield self.atom()
        while True:
            token = self.next
            if token.kind == "'":
                self.take()
                tree = self.made("transpose", (tree,))
            elif token.kind == "raised":
                self.take()
                tree = self.raised(tree, token.text)
            elif token.kind == "^":
                tree = yield self.power(tree)
            elif token.kind == ".^":
                self.take()
                exponent = yield self.exponent()
                tree = self.made("entrypower", (tree, exponent))
            else:
                return tree

    def raised(self, tree: MatrixTree, mark: str) -> MatrixTree:
        """Apply a superscript: ``-1``, ``2``, ``T``, ``-T``, ``+``, ``n``."""
        if mark[0] == "+":
            tree = self.made("call", (tree,), "pinv")
        elif mark not in ("T", "-T"):
            here = self.tokens[self.at - 1]
            name = MatrixTree("name", (), "n", here.start, here.end)
            digits = mark.lstrip("-")
            number = MatrixTree("number", (), int(mark)) if digits.isdigit() else name
            return self.made("power", (tree, number))
        elif mark == "-T":
            tree = self.made("power", (tree, MatrixTree("number", (), -1)))
        return self.made("transpose", (tree,)) if mark[-1] == "T" else tree

    def power(self, tree: MatrixTree) -> Job[MatrixTree]:
        sign = self.take("^")
        braces = self.next.kind == "{"
        mark = self.mark(self.at + braces)
        if mark is not None:
            text, self.at = mark
            if braces:
                self.take("}")
            if text in ("T", "-T") and "T" in self.names:
                self.fail(
                    "'T' is an operand, and the sign of a transpose",
                    sign.start,
                    self.tokens[self.at - 1].end,
                    "write ' for a transpose, and brackets around an exponent: x^(T)",
                )
            return self.raised(tree, text)
        exponent: MatrixTree = yield self.exponent()
        if tree.op == "name" and tree.value == "e" and "e" not in self.names:
            return MatrixTree("exponential", (exponent,), None, tree.start, exponent.end)
        return self.made("power", (tree, exponent), "**" if sign.text == "**" else None)

    def mark(self, at: int) -> tuple[str, int] | None:
        """Read what is no number in an exponent: a transpose, an inverse transposed, a plus."""
        sign = self.tokens[at].kind == "-"
        token = self.tokens[at + sign] if sign else self.tokens[at]
        after = at + sign + 1
        if token.kind == "⊤" or (token.kind == "name" and token.text == "T"):
            return ("-T" if sign else "T"), after
        if token.kind == "†":
            return "+", after
        if token.kind == "+" and self.tokens[after].kind not in (*_STARTS, "<", "‖", "|"):
            return "+", after
        return None

    def exponent(self) -> Job[MatrixTree]:
        """Read an exponent: an atom, with a sign, or anything in braces."""
        if self.next.kind == "{":
            self.take()
            tree: MatrixTree = yield self.nested("}")
            return tree
        start = self.next.start
        is_negative = self.next.kind == "-"
        if is_negative:
            self.take()
        inner: MatrixTree = yield self.atom()
        if self.next.kind == "^" and self.mark(self.at + 1) is None:
            self.take()
            above = yield self.deeper(self.exponent())
            inner = self.made("power", (inner, above))
        if not is_negative:
            return inner
        if inner.op == "number":
            return MatrixTree("number", (), -inner.value, start, inner.end)
        return MatrixTree("sum", (inner,), (-1,), start, inner.end)

    def deeper(self, job: Job[MatrixTree]) -> Job[MatrixTree]:
        """Read what is nested without brackets."""
        self.depth += 1
        if self.depth > DEEPEST:
            start = self.next.start
            self.fail("this is nested too deeply", start, start + 1, f"{DEEPEST} is the most")
        tree: MatrixTree = yield job
        self.depth -= 1
        return tree

    def atom(self) -> Job[MatrixTree]:
        token = self.take()
        start, end = token.start, token.end
        match token.kind:
            case "number":
                return MatrixTree("number", (), _value(token.text), start, end)
            case "complex":
                text = token.text.replace(" ", "").replace("∞", "inf")
                return MatrixTree("number", (), complex(text), start, end)
            case "ones" | "bold":
                return self.sign(token)
            case "zeros":
                return self.zeros(token)
            case "partial":
                match = _PARTIAL.fullmatch(token.text)
                assert match is not None
                by = tuple(match[2].split("∂")[1:])
                return MatrixTree("partial", (), (match[1], by), start, end)
            case "name":
                tree: MatrixTree = yield self.name(token)
                return tree
            case "(":
                inner = yield self.nested(")")
                return _spread(inner, start, self.tokens[self.at - 1].end)
            case "[":
                if not token.is_apart and self.text[start - 1 : start].strip("(-+*@·⊙⊘⊗/=|‖[,;"):
                    self.fail(
                        "entries in square brackets are Python's",
                        start,
                        start + 1,
                        "write labels, A_0j for a row; or a space before a block matrix, A [b; c]",
                    )
                tree = yield self.bracket(start)
                return tree
            case "<" | "⟨":
                tree = yield self.inner(start, "⟩" if token.kind == "⟨" else ">")
                return tree
            case "‖" | "|":
                inner = yield self.nested(token.kind, token.kind)
                index = ""
                if self.next.kind == "index":
                    index = self.take().text
                op = "norm" if token.kind == "‖" else "bars"
                end = self.tokens[self.at - 1].end
                return MatrixTree(op, (inner,), index, start, end)
        self.at -= token.kind != "end"
        return self.unexpected()

    def inner(self, start: int, close: str) -> Job[MatrixTree]:
        left = yield self.nested(",")
        right = yield self.nested(close)
        return MatrixTree("inner", (left, right), None, start, self.tokens[self.at - 1].end)

    def bracket(self, start: int) -> Job[MatrixTree]:
        """Read a comparison, or blocks."""
        rows: list[list[MatrixTree]] = [[(yield self.nested("", is_list=True))]]
        if self.next.kind in _COMPARE:
            sign = self.take().kind
            right = yield self.nested("]")
            end = self.tokens[self.at - 1].end
            return MatrixTree("compare", (rows[0][0], right), sign, start, end)
        while self.next.kind in (",", ";"):
            sign = self.take().kind
            part = yield self.nested("", is_list=True)
            if sign == ";":
                rows.append([part])
            else:
                rows[-1].append(part)
        self.take("]")
        end = self.tokens[self.at - 1].end
        made = []
        for row in rows:
            are_rows = len(row) > 1 and all(part.op in ("across", "down") for part in row)
            op = "down" if are_rows else "across"
            block = MatrixTree(op, tuple(row), None, row[0].start, row[-1].end)
            made.append(row[0] if len(row) == 1 else block)
        if len(rows) == 1:
            return _spread(made[0], start, end)
        return MatrixTree("down", tuple(made), None, start, end)

    # Names.

    def sign(self, token: MatrixToken) -> MatrixTree:
        """Read a sign with its sizes: ``𝟏_n``, ``I_n``, ``e_2``, ``K_mn``."""
        base, _, index = token.text.partition("_")
        index = index.strip("{}")
        parts = index.split(",") if "," in index or index.isdigit() else [index]
        if base == "K" and len(parts) == 1 and len(index) == 2:
            parts = [*index]
        sizes = tuple(int(p) if p.strip().isdigit() else p.strip() for p in parts if p.strip())
        op = {"𝟏": "ones", "I": "eye", "e": "unit", "K": "commutation"}[base]
        wanted = {"unit": (1,), "commutation": (2,)}.get(op, (0, 1))
        if len(sizes) not in wanted or (op == "unit" and not isinstance(sizes[0], int)):
            what = {"unit": "a number", "commutation": "two sizes"}.get(op, "one size")
            self.fail(
                f"'{token.text}' has not {what} as its subscript",
                token.start,
                token.end,
                "write I_n, e_0, K_mn, K_{3,n}",
            )
        return MatrixTree(op, (), sizes, token.start, token.end)

    def zeros(self, token: MatrixToken) -> MatrixTree:
        """Read zeros with their sizes: ``0_n``, ``0_{2·3×n}``."""
        sides = [[written_size(n) for n in side.split("·")] for side in token.text.split("×")]
        if len(sides) > 2 or any("" in side for side in sides):
            what, action = "not the sizes of a column or a matrix", "write 0_n, 0_{m×n}"
            self.fail(f"'0_{token.text}' has {what}", token.start, token.end, action)
        return MatrixTree("zeros", (), (*map(tuple, sides), None)[:2], token.start, token.end)

    def name(self, token: MatrixToken) -> Job[MatrixTree]:
        """Read what begins with a word: an operand, a sign or a function."""
        word, start, end = token.text, token.start, token.end
        if word in self.names:
            self.check_entry(token)
            return MatrixTree("name", (), word, start, end)
        base, has_index, index = word.partition("_")
        if base in ("I", "K", "e") and base not in self.names and (has_index or base == "I"):
            is_sized = base == "I" and self.next.kind == "(" and not self.next.is_apart
            if not is_sized:
                return self.sign(token)
        is_applied = self.next.kind == "(" and not self.next.is_apart
        if word in self.functions and (word != "σ" or is_applied):  # σ² I has a number
            tree: MatrixTree = yield self.call(token)
            return tree
        if word == "I":
            tree = yield self.call(token._replace(text="eye"))
            return tree
        stem, has_index, index = word.rpartition("_")
        digits = index.strip("{}")
        if has_index and digits.isdigit() and (stem in self.names or stem in self.words):
            inner = MatrixTree("name", (), stem, start, end)
            return MatrixTree("entry", (inner,), int(digits), start, end)
        if has_index and _LABELS.fullmatch(digits):
            self.fail(
                f"'{word}' has labels, as in index notation, and stands in matrix notation",
                start,
                end,
                f"write {stem} without labels, or labels everywhere; if {word} is a name, "
                f"give its sizes: {word}='mn'",
            )
        if len(word) > 1 and word != word.lower() and word.lower() in self.functions:
            self.fail(
                f"there is no function '{word}'",
                start,
                end,
                f"write {word.lower()}(..); if {word} is a name, give its sizes: {word}='mn'",
            )
        if is_applied and (word[0].islower() or (len(word) > 2 and by_meaning(word, "matrix"))):
            self.check_product(token)
        return MatrixTree("name", (), word, start, end)

    def check_entry(self, token: MatrixToken) -> None:
        """Refuse a whole number in brackets after an operand, which is an entry elsewhere."""
        opened, number, closed = (*self.tokens[self.at : self.at + 3], token, token)[:3]
        if opened.kind != "(" or opened.is_apart or closed.kind != ")":
            return
        if number.kind == "number" and number.text.isdigit():
            below = max(int(number.text[:9]) - 1, 0)
            self.fail(
                f"'{token.text}({number.text})' is an entry elsewhere, and would be a product here",
                token.start,
                closed.end,
                f"write {token.text}_{below} for the entry, if it is counted from 1 there, and "
                f"{token.text} * {number.text} for a product",
            )

    def check_product(self, token: MatrixToken) -> None:
        """Refuse a name before a bracket that looks like a function."""
        word = token.text
        uses = sum(t.kind == "name" and t.text == word for t in self.tokens)
        if uses > 1 or not (word.isascii() or word in "φψϕ"):
            return
        told = hint(word, "matrix", (*self.functions, *WORDS))
        product = f"write a product as {word} * (..)"
        self.fail(
            f"there is no function '{word}'",
            token.start,
            token.end,
            f"{told}; {product}" if told else f"{product}; ed.register adds a function",
        )

    def call(self, token: MatrixToken) -> Job[MatrixTree]:
        """Read a function and its arguments, with or without brackets."""
        name = token.text
        exponent = self.function_power(name)
        args: list[MatrixTree] = []
        if self.next.kind == "(":
            self.take()
            args.append((yield self.nested("")))
            while self.next.kind == ",":
                self.take()
                args.append((yield self.nested("")))
            self.take(")")
        elif not self.starts_factor():
            self.fail(
                f"'{name}' has no argument", token.start, token.end, f"write brackets: {name}(x)"
            )
        else:
            args.append((yield self.deeper(self.factor())))
            self.check_end(token, args[0])
        end = self.tokens[self.at - 1].end
        if name in ("ones", "zeros", "eye"):
            return self.sized(name, args, token.start, end)
        tree = MatrixTree("call", tuple(args), name, token.start, end)
        if exponent is not None:
            return MatrixTree("power", (tree, exponent), None, token.start, end)
        return tree

    def sized(self, name: str, args: list[MatrixTree], start: int, end: int) -> MatrixTree:
        """Return a constant whose sizes are written as arguments: ``ones(n)``."""
        if any(arg.op not in ("name", "number") or isinstance(arg.value, float) for arg in args):
            action = f"write names of sizes or whole numbers: {name}(n)"
            self.fail(f"a size of '{name}' is none", start, end, action)
        sizes = [arg.value for arg in args]
        if len(sizes) > 2 or (name == "eye" and sizes[1:] not in ([], sizes[:1])):
            action = "write one size of a column or of the identity, two of a matrix"
            self.fail(f"'{name}' has {len(sizes)} sizes", start, end, action)
        op = "eye" if name == "eye" else "ones"
        tree = MatrixTree(op, (), tuple(sizes[:1]), start, end)
        if name != "eye" and len(sizes) == 2:
            row = MatrixTree("ones", (), (sizes[1],), start, end)
            turned = MatrixTree("transpose", (row,), None, start, end)
            tree = MatrixTree("product", (tree, turned), "", start, end)
        if name == "zeros":
            zero = MatrixTree("number", (), 0, start, end)
            tree = MatrixTree("product", (zero, tree), "", start, end)
        return tree

    def function_power(self, name: str) -> MatrixTree | None:
        """Read the exponent between a function and its argument: ``sin^2(x)``."""
        token = self.next
        if token.kind == "raised" and token.text.isdigit():
            self.take()
            return MatrixTree("number", (), int(token.text), token.start, token.end)
        if token.kind not in ("^", "raised"):
            return None
        after = self.tokens[self.at + 1]
        if token.kind == "^" and after.kind == "number" and after.text.isdigit():
            self.take()
            self.take()
            return MatrixTree("number", (), int(after.text), after.start, after.end)
        return self.fail(
            f"a power of the function '{name}' is not clear",
            token.start,
            token.end,
            f"write {name}(x)^n for a power of the value, and the inverse function by its name",
        )

    def check_end(self, token: MatrixToken, argument: MatrixTree) -> None:
        """Refuse a factor after the argument of a function without brackets."""
        after = self.next
        is_closed = argument.op in ("call", "norm", "bars")
        if is_closed or not self.starts_factor():
            return
        if after.kind == "name" and after.text in self.functions:
            return
        name, shown = token.text, self.text[argument.start : argument.end]
        self.fail(
            f"it is not clear where the argument of '{name}' ends",
            token.start,
            after.end,
            f"write {name}({shown}) {after.text} or {name}({shown} {after.text})",
        )


def _value(text: str) -> int | float:
    if text.isdigit():
        return int(text)
    return float(text.replace("∞", "inf"))


def _spread(tree: MatrixTree, start: int, end: int) -> MatrixTree:
    """Return a tree that was in brackets; a row of products in brackets is not mixed."""
    return MatrixTree(tree.op, tree.args, tree.value, start, end, tree.mixed)
