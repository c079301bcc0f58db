r"""Formulas in LaTeX, translated into the notations of plain text.

Each letter of LaTeX is a name of its own, as it is typeset: ``Ax`` is a product. A word in
``\mathrm``, ``\text`` or ``\operatorname`` is one name, and so is a longer name of an operand.

>>> translate(r"\frac{1}{2} \lVert y - \Phi\theta \rVert^2").text
'1/2 ‖y - Φ θ‖^2'
>>> translate(r"\sum_{i=1}^{N} (y_i - A_{ij} x_j)^2").text
'Σ_{i=1}^{N} (y_i - A_{ij} x_j)^2'
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from unicodedata import normalize

from einsdiff.errors import pointing
from einsdiff.notation.jobs import Job, run
from einsdiff.notation.latex_commands import FRACTIONS, MATRICES, SKIPPED
from einsdiff.notation.latex_groups import LatexGroups
from einsdiff.notation.latex_pieces import (
    LatexPiece,
    atoms,
    bracketed,
    has_labels,
    has_matrix_product,
    is_loose,
    rendered,
    upper_labels,
)
from einsdiff.notation.latex_tokens import LatexToken, LatexTokens

#: What is written behind matrix notation, of a layout that is not usual.
_NOTE = re.compile(r"(?:\\q?quad|\s)\s*\\(?:text|mathrm)\{(\([^(){}\\$]*\))\}[\s.,;]*(?=\$*$)")


@dataclass(frozen=True, slots=True)
class Translated:
    """A formula in plain text, and where it stands in LaTeX.

    Attributes
    ----------
    text
        The formula in index or matrix notation.
    notation
        ``"index"`` or ``"matrix"``; None if nothing in it tells.
    columns
        For each character of `text`, and for its end, the column in `latex`.
    latex
        What was translated, in one line.
    """

    text: str
    notation: str | None
    columns: tuple[int, ...]
    latex: str

    @contextmanager
    def pointing(self) -> Iterator[None]:
        r"""Let errors that show the plain text show the LaTeX text, with carets there.

        >>> from einsdiff.notation.index_parser import parse_index
        >>> formula = translate(r"\frac{\theta_i}{2} ⊙ x_i")
        >>> with formula.pointing():
        ...     parse_index(formula.text)
        Traceback (most recent call last):
        einsdiff.SubscriptsError: '⊙' cannot stand here
        <BLANKLINE>
            \frac{\theta_i}{2} ⊙ x_i
                               ^
        <BLANKLINE>
        a product entry by entry has the same label at both: f_i = x_i y_i, f_i = x_i / y_i
        """
        with pointing(self.text, self.latex, self.columns):
            yield


def translate(text: str, names: Iterable[str] = (), notation: str | None = None) -> Translated:
    r"""Translate LaTeX into index notation or matrix notation.

    Index notation is what has a subscript that is a label, or a sum over one; matrix notation what
    has transposes, norms, or signs and functions of matrices.

    Parameters
    ----------
    text
        A formula, with or without what surrounds it: dollar signs, ``\[ \]``, ``equation``.
    names
        The names of operands: longer ones are recognised in rows of letters, and letters with
        accents or indices are spelled as they are.
    notation
        ``"index"`` or ``"matrix"``, where that is known.

    Raises
    ------
    SubscriptsError
        A command is not known, or the text is no formula.

    Examples
    --------
    >>> translate(r"\mathbf{x}^\top A \mathbf{x}")
    Translated(text='xᵀ A x', notation='matrix', columns=(8, 11, 16, 16, 26, 26, 28), ...)
    >>> translate(r"\frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q").text
    '∂f_i/∂A_{pq} = δ_{ip} x_q'
    >>> translate(r"\foo x")
    Traceback (most recent call last):
    einsdiff.SubscriptsError: '\foo' is no command that is read
    <BLANKLINE>
        \foo x
        ^^^^
    <BLANKLINE>
    write the formula without it
    """
    note = _NOTE.search(text)
    formula = LatexTokens(text if note is None else text[: note.start()])
    reader = _LatexReader(formula, frozenset(normalize("NFKC", n) for n in names))
    return reader.translated(notation, "" if note is None else note[1])


class _LatexReader(LatexGroups):
    """Reads commands that have a form of their own as well; methods that return jobs are run."""

    def translated(self, notation: str | None, note: str) -> Translated:
        """Read the formula, and write it in a notation, with the note that stands behind it."""
        out: list[LatexPiece] = run(self.sequence())
        if not out:
            self.fail("there is no formula", 0, "write one, such as A_{ij} x_j", 0)
        left = next((k for k, piece in enumerate(out) if piece.text.strip() == "="), 0)
        above = {letter for piece in out[:left] for letter in piece.letters}
        if above and above != {"T"}:  # no power stands on the left
            self.is_index = True
            self.labels.update(above)
        if notation is None and (self.is_index or self.is_matrix or has_matrix_product(out)):
            notation = "index" if self.is_index else "matrix"
        if notation is None and _owner(out):
            notation = "matrix"
        if note:
            out.append(LatexPiece("sign", note, self.column()))
            notation = "matrix"
        labels = upper_labels(out, self.labels)
        text, columns = rendered(_without_arguments(out), notation == "matrix", labels)
        return Translated(text, notation, (*columns, self.column()), self.source.text)

    def form(self, out: list[LatexPiece], token: LatexToken) -> Job[None]:
        """Read a fraction, a root, a sum, a derivative, or an environment."""
        name = token.name
        if name in FRACTIONS:
            yield self.fraction(out, token)
        elif name == "sqrt":
            yield self.root(out, token)
        elif name in ("sum", "prod"):
            self.big(out, token)
        elif name in ("partial", "nabla"):
            yield self.operator(out, token)
        elif name == "infty":
            out.append(LatexPiece("number", "∞", token.column))
        elif name in ("top", "prime") and out:
            self.is_matrix = True
            out.append(LatexPiece("script", "ᵀ" if name == "top" else "'", token.column))
        elif name == "begin":
            yield self.environment(out, token)
        elif name == "\\":
            self.line(token)
        elif name in SKIPPED:
            self.argument()
        else:
            self.source.no_command(token)

    def line(self, token: LatexToken) -> None:
        """Go on in the next line of an environment, which may go on with a sum only."""
        while self.is_next("&", "{", "}"):
            self.next()
        if not self.is_next("+", "-"):
            self.fail(
                "there is more than one formula", token.column, "give one at a time, in one line", 2
            )

    # Fractions and roots.

    def fraction(self, out: list[LatexPiece], token: LatexToken) -> Job[None]:
        """Read a fraction, or a derivative that is written as one."""
        above, below = self.argument(), self.argument()
        sign = self.derivative_sign(above, below)
        if sign:
            yield self.derivative(out, token, sign, (above, below))
            return
        over: list[LatexPiece] = yield self.inside(above)
        under: list[LatexPiece] = yield self.inside(below)
        start, middle = token.column, self.tokens[below[0] - 1].column
        end = self.tokens[self.at - 1].end - 1
        for what, inner, span in (("numerator", over, above), ("denominator", under, below)):
            if not inner:
                self.fail(f"the {what} is missing", self.tokens[span[0]].column, "write it here")
        is_free = not is_loose(over) and not (atoms(over) > 1 and has_labels(over))
        if not is_free:
            over = [bracketed(over, start, middle)]
        if atoms(under) > 1 or is_loose(under):
            under = [bracketed(under, middle, end)]
        whole = [*over, LatexPiece("sign", "/", middle), *under]
        is_inner = bool(out) and out[-1].text == "/" and out[-1].kind == "sign"
        if is_inner or self.is_next("^", "_", "'"):
            whole = [bracketed(whole, start, end, "(", token.apart)]
        whole[0].apart = token.apart
        out += whole

    def root(self, out: list[LatexPiece], token: LatexToken) -> Job[None]:
        """Read a square root, or one of another degree."""
        degree: list[LatexPiece] = []
        if self.is_next("["):
            self.next()
            degree = yield self.sequence("]")
            if not self.is_next("]"):
                self.fail("'[' is not closed", token.column, r"write \sqrt[3]{x}")
            self.next()
        column = self.column()
        inner: list[LatexPiece] = yield self.inside(self.argument())
        group = bracketed(inner, column, self.tokens[self.at - 1].column)
        number = degree[0].text if len(degree) == 1 else ""
        if degree and number not in ("2", "3"):
            group.apart = token.apart
            power = [LatexPiece("number", "1", column), LatexPiece("sign", "/", column)]
            power += degree if len(degree) == 1 else [bracketed(degree, column, column)]
            raised = [bracketed(power, column, column)]
            out += [group, LatexPiece("script", "^", column, inner=raised)]
            return
        name = "cbrt" if number == "3" else "sqrt"
        out += [LatexPiece("function", name, token.column, apart=token.apart), group]

    # Sums and derivatives.

    def big(self, out: list[LatexPiece], token: LatexToken) -> None:
        """Read the sign of a sum or a product, with its labels and bounds."""
        below: list[LatexPiece] = []
        above: list[LatexPiece] = []
        while self.is_next("_", "^"):
            mark = self.next().text
            span = self.argument()
            text, columns, labels = self.source.labels(span)
            column = columns[0]
            shown = f"{mark}{text}" if len(text) == 1 else f"{mark}{{{text}}}"
            if mark == "_":
                first = text.replace("=", " ").replace("<", " ").split()[:1]
                self.labels.update(labels if "=" not in text else labels & {*first})
                shown = shown if mark == "_" and len(text) == 1 else f"_{{{text}}}"
                places = (column, *(column,) * (len(shown) > len(text) + 1), *columns, column)
                below.append(LatexPiece("script", shown, column, columns=places))
            else:
                above.append(LatexPiece("script", f"^{{{text}}}", column))
        if not below:
            self.fail(
                f"'{token.text}' has no label",
                token.column,
                rf"write it below: {token.text}_i x_i, {token.text}_{{i=1}}^{{n}} x_i",
                token.end - token.column,
            )
        self.is_index = True
        out.append(LatexPiece("name", "Σ" if token.name == "sum" else "Π", token.column))
        out += [*below, *above]
        out[-1].apart = True

    def derivative_sign(self, above: tuple[int, int], below: tuple[int, int]) -> str:
        r"""Return the sign of a derivative, ∂ or d, if a fraction is one: ``\frac{d f}{d x}``."""
        signs = []
        for start, stop in (above, below):
            key = self.source.key(start, min(stop, start + 6))
            first = key[0] if key else ""
            signs.append({"partial": "∂", "d": "d", "∂": "∂"}.get(first, ""))
            if first == "d" and stop - start < 2 and (start, stop) == below:
                return ""
        is_one = signs[0] == signs[1] and not (signs[0] == "d" and "d" in self.names)
        return signs[0] if is_one else ""

    def derivative(
        self,
        out: list[LatexPiece],
        token: LatexToken,
        sign: str,
        spans: tuple[tuple[int, int], tuple[int, int]],
    ) -> Job[None]:
        r"""Read ``\frac{\partial f}{\partial x}``, or ``\frac{d}{dx}`` alone."""
        above, below = spans
        order = "²³⁴⁵⁶⁷⁸⁹"
        self.deeper()
        outer = self.at, self.end
        self.at, self.end = above
        count = self.sign_of_derivative() or 1
        base: list[LatexPiece] = yield self.sequence()
        self.at, self.end = below
        under: list[list[LatexPiece]] = []
        while self.at < self.end:
            column = self.column()
            if not (
                self.is_next("\\partial", "∂") if sign == "∂" else self.is_next("d", "\\mathrm")
            ):
                self.fail(
                    f"'{sign}' is missing",
                    column,
                    r"write it before each variable: \frac{\partial^2 f}{\partial x \partial y}",
                )
            self.sign_of_derivative(raised=False)
            if self.at >= self.end:
                self.fail("a variable is missing", self.column(), r"write it, as in \partial x")
            found: list[LatexPiece] = []
            yield self.variable(found)
            times = self.sign_of_derivative(has_sign=False) or 1
            under += [[LatexPiece("tied", sign, column), *found]] * times
        self.at, self.end = outer
        self.depth -= 1
        if len(under) != count:
            self.fail(
                f"the derivative is of order {count}, but by {len(under)} variables",
                token.column,
                r"write \frac{\partial^2 f}{\partial x \partial y}, or {\partial x^2} for both",
                token.end - token.column,
            )
        text = sign if count == 1 else sign + order[count - 2]
        whole = [LatexPiece("glue", text, token.column)]
        is_name = atoms(base) == 1 and base[0].kind in ("name", "function")
        whole += base if is_name else []
        whole.append(LatexPiece("tied", "/", self.tokens[below[0]].column))
        for part in under:
            whole += part
        if is_name:
            is_alone = self.at >= self.end or self.is_next("=")
            has_before = bool(out) and out[-1].kind != "sign"
            if has_before or not is_alone:
                end = self.tokens[self.at - 1].column
                whole = [bracketed(whole, token.column, end, "(", token.apart)]
            out += whole
            return
        out += whole
        if atoms(base) == 1 and len(base) == 1:
            base[0].apart = True
            out += base
        elif base:
            end = self.tokens[self.at - 1].column
            out.append(bracketed(base, token.column, end, "(", True))
        elif self.at < self.end:
            out[-1].apart = True

    def sign_of_derivative(self, has_sign: bool = True, raised: bool = True) -> int:
        """Skip the sign of a derivative, and return the power that is raised after it."""
        if has_sign:
            token = self.next()
            if token.kind == "command" and token.name not in ("partial",):
                self.argument()
        if not raised or not self.is_next("^"):
            return 0
        column = self.next().column
        text = "".join(self.source.key(*self.argument()))
        if text not in "23456789" or not text:
            self.fail("the order of the derivative is no number", column, "write 1 to 9")
        return int(text)

    def variable(self, found: list[LatexPiece]) -> Job[None]:
        """Read a variable, with labels but without what is raised."""
        start = self.at
        limit = start
        while limit < self.end and not (
            self.tokens[limit].text == "^" and not self.has_upper_labels(limit + 1)
        ):
            limit = self.source.match.get(limit, limit) + 1
            if limit < self.end and self.tokens[limit].name == "partial":
                break
        outer, self.end = self.end, min(limit, self.end)
        yield self.item(found)
        self.end = outer

    def has_upper_labels(self, start: int) -> bool:
        """Tell whether what is raised, from here on, are labels."""
        stop = self.source.match.get(start)
        span = (start, start + 1) if stop is None else (start + 1, stop)
        return start < self.end and bool(self.source.upper_labels(*span))

    def operator(self, out: list[LatexPiece], token: LatexToken) -> Job[None]:
        r"""Read ``\nabla_x`` and ``\partial``."""
        sign = "∂" if token.name == "partial" else "∇"
        if not self.is_next("_"):
            out.append(LatexPiece("glue", sign, token.column, apart=token.apart))
            return
        self.next()
        inner: list[LatexPiece] = yield self.inside(self.argument())
        if len(inner) != 1 or inner[0].kind != "name":
            self.fail(
                f"'{token.text}' stands with what is no variable",
                token.column,
                rf"write the name of one below it: {token.text}_{{x}}",
                token.end - token.column,
            )
        column = token.column
        if sign == "∂":
            out += [LatexPiece("glue", "∂/∂", column), inner[0]]
        else:
            out += [LatexPiece("glue", "∇_", column), inner[0]]
        if self.at < self.end:  # the variable is no function of what follows
            out.append(LatexPiece("script", "", column, apart=True))
            out[-2].apart = True

    # Environments.

    def environment(self, out: list[LatexPiece], token: LatexToken) -> Job[None]:
        """Read a matrix of entries, or cases."""
        name, self.at = self.source.environment(self.at - 1)
        if name == "cases":
            yield self.cases(out, token)
            return
        if name not in MATRICES:
            self.source.no_command(token)
        if name == "array":
            self.argument()
        rows: list[list[list[LatexPiece]]] = yield self.rows(token)
        if len({len(row) for row in rows}) > 1:
            self.fail(
                "the rows have different lengths", token.column, "write & between all entries"
            )
        self.is_matrix = True
        column, end = token.column, self.tokens[self.at - 1].column
        inner: list[LatexPiece] = []
        for k, row in enumerate(rows):
            for m, cell in enumerate(row):
                if not cell:
                    self.fail("an entry is missing", column, "write it, 0 where there is none")
                if k or m:
                    inner.append(LatexPiece("sign", "," if m else ";", cell[0].column))
                inner += cell
        group = bracketed(inner, column, end, "[", token.apart)
        if name == "vmatrix":
            out.append(LatexPiece("function", "det", column, apart=token.apart))
            group = bracketed([group], column, end)
        elif name == "Vmatrix":
            self.fail("a norm of entries", column, r"write \| \begin{bmatrix} .. \end{bmatrix} \|")
        out.append(group)

    def rows(self, token: LatexToken) -> Job[list[list[list[LatexPiece]]]]:
        """Read the cells of an environment, row by row."""
        self.deeper()
        rows: list[list[list[LatexPiece]]] = [[]]
        while True:
            cell: list[LatexPiece] = yield self.sequence("cell")
            rows[-1].append(cell)
            if self.at >= self.end:
                self.fail("the environment is not closed", token.column, r"write \end after it")
            sign = self.next()
            if sign.name == "end":
                _, self.at = self.source.environment(self.at - 1)
                break
            if sign.text != "&":
                rows.append([])
        self.depth -= 1
        return rows[:-1] if rows[-1] == [[]] and len(rows) > 1 else rows

    def cases(self, out: list[LatexPiece], token: LatexToken) -> Job[None]:
        """Read two cases, of which the second one is all the rest: ``where([x > 0], x, 0)``."""
        start = self.at
        rows: list[list[list[LatexPiece]]] = []
        stop = next((k for k in range(start, self.end) if self.tokens[k].text == "\\end"), self.end)
        words = [k for k in range(start, stop) if self.tokens[k].name in ("text", "mathrm", "mbox")]
        texts = ["".join(self.source.key(k + 1, self.source.match.get(k + 1, k))) for k in words]
        is_rest = bool(texts) and texts[-1] in ("otherwise", "else")
        if is_rest:  # a condition in words is left out
            last = words[-1]
            outer, self.end = self.end, last
            self.deeper()
            self.in_cases = True
            rows = yield self.cells_until(last)
            self.in_cases = False
            self.end = outer
            self.depth -= 1
            self.at = self.source.match.get(last + 1, last) + 1
            while self.is_next("\\\\", ".", ","):
                self.next()
        if not is_rest or [len(row) for row in rows] != [2, 2] or not self.is_next("\\end"):
            self.fail(
                "these cases are not read",
                token.column,
                r"write two rows, of which the second is for \text{otherwise}, or comparisons in "
                "brackets: [x > 0] x",
                token.end - token.column,
            )
        _, self.at = self.source.environment(self.at)
        (first, condition), (second, _) = rows
        column, end = token.column, self.tokens[self.at - 1].column
        condition = [piece for piece in condition if piece.text not in ",;"]
        comma = partial(LatexPiece, "sign", ",")
        inner = [bracketed(condition, column, column, "["), comma(column), *first]
        inner += [comma(column), *(p for p in second if p.text not in ",;")]
        out.append(LatexPiece("function", "where", column, apart=token.apart))
        out.append(bracketed(inner, column, end))

    def cells_until(self, stop: int) -> Job[list[list[list[LatexPiece]]]]:
        """Read cells up to a token."""
        rows: list[list[list[LatexPiece]]] = [[]]
        while True:
            cell: list[LatexPiece] = yield self.sequence("cell")
            rows[-1].append(cell)
            if self.at >= stop:
                return rows
            sign = self.next()
            if sign.name == "end":
                return []
            if sign.text != "&":
                rows.append([])


def _owner(out: list[LatexPiece]) -> str:
    r"""Return the matrix that a derivative is by: X of ``\frac{..}{\partial X} =``."""
    texts = [piece.text for piece in out[:6]]
    is_heading = len(texts) == 6 and texts[0] == "∂" and texts[2:4] == ["/", "∂"]
    return texts[4] if is_heading and texts[5] == "=" and texts[4][0].isupper() else ""


def _without_arguments(out: list[LatexPiece]) -> list[LatexPiece]:
    """Leave out what a function on the left is said to depend on: ``f(x) = ..``."""
    equals = next((k for k, piece in enumerate(out) if piece.text == "="), 0)
    if equals < 2 or out[0].kind != "name" or out[equals - 1].kind != "group":
        return out
    inside = out[equals - 1].inner
    is_list = all(piece.kind in ("name", "script") or piece.text in ",;" for piece in inside)
    is_plain = all(piece.kind == "script" for piece in out[1 : equals - 1])
    is_round = out[equals - 1].text == "(" and out[equals - 1].matrix is None
    return out[: equals - 1] + out[equals:] if is_list and is_plain and is_round else out
