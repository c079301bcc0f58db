"""Forms of matrix notation as text and as LaTeX, with the brackets that they need."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from itertools import groupby
from typing import TypeVar

from einsdiff.algebra.nodes.interning import SUPERSCRIPT, Number, is_one
from einsdiff.display.index.index_text import format_number
from einsdiff.display.index.latex_names import latex_name, latex_number, latex_operator, latex_text
from einsdiff.display.matrix.forms import (
    BOLD,
    Form,
    is_negative,
    is_ones,
    number,
    subforms,
    times,
    transpose,
)
from einsdiff.notation.subscripts import Size

_T = TypeVar("_T")

#: How tightly things bind: a sum least; a factor needs no brackets in a product, and an atom none
#: where it is raised.
_SUM, _STAR, _PRODUCT, _FACTOR, _ATOM = range(5)


def write(form: Form, names: Collection[str] = (), sized: Collection[Form] = ()) -> str:
    """Write a form as text; names of one letter stand side by side if all have one letter.

    Vectors of ones and unit vectors that are `sized` are written with their sizes.
    """
    return _MatrixWriter(names, sized).sum(form)


def write_latex(form: Form, names: Collection[str] = (), sized: Collection[Form] = ()) -> str:
    r"""Write a form as LaTeX, see `write`.

    >>> from einsdiff.display.matrix.forms import chain, named
    >>> print(write_latex(chain([named("A", 2), transpose(named("x", 1))])))
    A x^{\top}
    """
    return _LatexWriter(names, sized).sum(form)


def _has_name_of(sign: str, names: Iterable[str]) -> bool:
    """Tell whether a variable is called like a sign, also with an index."""
    return any(
        spelled == sign or spelled.startswith(f"{sign}_")
        for name in names
        for spelled in (name, latex_name(name))
    )


class _MatrixWriter:
    """Writes text; `_LatexWriter` writes LaTeX.

    For each kind of form there is a method that returns its text and how tightly it binds.
    """

    ones, root = "𝟏", "sqrt({})"
    marks: Mapping[str, str] = {"T": "ᵀ", "-1": "⁻¹", "-T": "⁻ᵀ", "+": "⁺", "+T": "⁺ᵀ"}
    operators: Mapping[str, str] = {"⊙": "⊙", "⊘": "⊘", "⊗": "⊗"}
    bold: Mapping[str, str] = BOLD
    #: Between sizes that are multiplied, and between those of rows and of columns.
    times_sign, by_sign = "·", "×"
    #: Whether names of one letter stand side by side.
    is_tight = True

    def __init__(self, names: Collection[str], sized: Collection[Form]) -> None:
        self.names, self.sized = names, sized
        self.is_tight &= all(len(name) == 1 for name in names if "∂" not in name)
        self.in_bars = False
        self.shows_sizes = False

    # How the pieces are spelled.

    def spelled(self, name: str) -> tuple[str, int]:
        return name, _STAR if "/" in name else _ATOM

    def numeral(self, value: Number) -> tuple[str, int]:
        text = format_number(value)
        is_plain = not text.startswith("-") and "/" not in text
        return text, _ATOM if is_plain else _SUM if text.startswith("-") else _FACTOR

    def sign(self, name: str, sizes: Sequence[Size]) -> tuple[str, int]:
        is_taken = _has_name_of(name, self.names)
        return self.indexed(self.bold[name] if is_taken else name, sizes), _ATOM

    def indexed(self, name: str, sizes: Sequence[Size]) -> str:
        texts = [str(size) for size in sizes]
        if len("".join(texts)) == 1 or all(len(text) == 1 and text.isalpha() for text in texts):
            return f"{name}_{''.join(texts)}"
        return f"{name}_{{{','.join(texts)}}}"

    def nothing(self, rows: Sequence[Size], columns: Sequence[Size] | None) -> str:
        """Write zeros with their sizes."""
        sides = [self.times_sign.join(map(self.size, side)) for side in (rows, columns or ())]
        if len(rows) == 1 and columns is None:
            return self.indexed("0", rows)
        return f"0_{{{self.by_sign.join(side for side in sides if side)}}}"

    def size(self, size: Size) -> str:
        return str(size)

    def raised(self, base: str, mark: str) -> str:
        return base + self.marks[mark]

    def bracketed(self, text: str) -> str:
        return f"({text})"

    def listed(self, texts: Sequence[str]) -> str:
        return f"[{', '.join(texts)}]"

    def function(self, name: str, text: str) -> str:
        return f"{name}({text})"

    def barred(self, text: str, bars: str, index: str) -> str:
        return f"{bars}{text}{bars}{index}"

    def called(self, form: Form) -> tuple[str, int]:
        name, _, _ = form.value
        return f"{name}({', '.join(self.sum(arg) for arg in form.args)})", _ATOM

    def compared(self, form: Form) -> str:
        return str(form.value[0]).format(*(self.sum(arg) for arg in form.args))

    def powered(self, form: Form) -> str:
        base = self.within(form.args[0], _ATOM)
        exponent = form.value
        if not form.rank and isinstance(exponent, int) and exponent >= 0:
            return self.exponent(base, exponent)
        shown = exponent if isinstance(exponent, Form) else number(exponent)
        return f"{base}^{'∘' * bool(form.rank)}{self.within(shown, _ATOM)}"

    def exponent(self, base: str, n: int) -> str:
        return base + str(n).translate(SUPERSCRIPT)

    def divided(self, c: Number, parts: list[str], whole: str, below: Form, rank: int) -> str:
        parts = [*parts, whole] if whole else parts
        del rank  # in one line, a vector is divided as a number is
        return f"{self.multiplied(c, parts)} / {self.within(below, _FACTOR)}"

    def multiplied(self, c: Number, parts: list[str]) -> str:
        return " ".join([self.numeral(c)[0], *parts] if not parts or not is_one(c) else parts)

    # What is the same in both.

    def sum(self, form: Form) -> str:
        """Write a form with nothing around it."""
        return self.parts(form)[0]

    def within(self, form: Form, least: int) -> str:
        """Write a form, in brackets if it binds less tightly than what is around it."""
        text, binds = self.parts(form)
        return text if binds >= least else self.bracketed(text)

    def parts(self, form: Form) -> tuple[str, int]:
        """Return the text and how tightly it binds."""
        write: Callable[[Form], tuple[str, int]]
        write = self.named if form.op in SPELLED else getattr(self, f"write_{form.op}")
        return write(form)

    def showing(self, sizes: bool, write: Callable[[], _T]) -> _T:
        """Write something with or without the sizes of vectors of ones."""
        before, self.shows_sizes = self.shows_sizes, sizes
        found = write()
        self.shows_sizes = before
        return found

    def write_name(self, form: Form) -> tuple[str, int]:
        return self.spelled(form.value[0])

    def write_number(self, form: Form) -> tuple[str, int]:
        return self.numeral(form.value)

    def write_ones(self, form: Form) -> tuple[str, int]:
        is_sized = (self.shows_sizes or form in self.sized) and form.value is not None
        return self.indexed(self.ones, [form.value]) if is_sized else self.ones, _ATOM

    def write_unit(self, form: Form) -> tuple[str, int]:
        position, size = form.value
        text, binds = self.sign("e", [position])
        if form not in self.sized or size is None:
            return text, binds
        return f"{self.sign('I', [size])[0]} {text}", _PRODUCT

    def write_zeros(self, form: Form) -> tuple[str, int]:
        return self.nothing(*form.value), _ATOM

    def write_eye(self, form: Form) -> tuple[str, int]:
        return self.sign("I", form.value)

    def write_commutation(self, form: Form) -> tuple[str, int]:
        return self.sign("K", form.value)

    def write_entry(self, form: Form) -> tuple[str, int]:
        return self.indexed(self.within(form.args[0], _ATOM), [form.value]), _ATOM

    def write_transpose(self, form: Form) -> tuple[str, int]:
        (inner,) = form.args
        mark = "T"
        if inner.op == "inverse":
            mark = "-T" if inner.value == "-1" else "+T"
            (inner,) = inner.args
        return self.raised(self.within(inner, _ATOM), mark), _FACTOR

    def write_inverse(self, form: Form) -> tuple[str, int]:
        return self.raised(self.within(form.args[0], _ATOM), form.value), _FACTOR

    def write_power(self, form: Form) -> tuple[str, int]:
        if form.value == Fraction(1, 2):
            return self.root.format(self.sum(form.args[0])), _ATOM
        return self.powered(form), _FACTOR

    def write_apply(self, form: Form) -> tuple[str, int]:
        return self.showing(not form.value[2], lambda: self.called(form))

    def write_compare(self, form: Form) -> tuple[str, int]:
        return self.compared(form), _ATOM

    def named(self, form: Form) -> tuple[str, int]:
        """Write a function that is none of the table."""
        (inner,) = form.args
        shown = self.shows_sizes
        if form.op == "vec":  # of a matrix of ones
            shown |= any(f.op == "chain" and is_ones(f) for f in subforms(form))
        text = self.showing(shown, lambda: self.sum(inner))
        return self.function(SPELLED[form.op], text), _ATOM

    def write_total(self, form: Form) -> tuple[str, int]:
        text = ""
        for sign, term in zip(form.value, form.args, strict=True):
            text += {1: " + ", -1: " - "}[sign] if text else {1: "", -1: "-"}[sign]
            text += self.within(term, _STAR)
        return text, _SUM

    def write_chain(self, form: Form) -> tuple[str, int]:
        """Write a product; a matrix that stands there several times in a row is a power."""
        text = ""
        before: Form | None = None
        for factor, same in groupby(form.args):
            n = len(list(same))
            power = n if factor.op == "name" else 1
            for _ in range(n // power):
                if before is not None:
                    text += "" if self.is_tight and _is_close(before, factor) else " "
                shown = self.within(factor, _FACTOR)
                text += self.exponent(shown, power) if power > 1 else shown
                before = factor
        return text, _PRODUCT

    def write_kron(self, form: Form) -> tuple[str, int]:
        texts = []
        for factor in form.args:
            shown = self.shows_sizes or is_ones(factor) or is_ones(transpose(factor))
            texts.append(self.showing(shown, partial(self.within, factor, _PRODUCT)))
        return f" {self.operators['⊗']} ".join(texts), _STAR

    def write_hadamard(self, form: Form) -> tuple[str, int]:
        above, below = form.args[: form.value], form.args[form.value :]
        sign = f" {self.operators['⊙']} "
        text = sign.join(self.within(factor, _PRODUCT) for factor in above)
        if below:
            whole = Form("hadamard", below, len(below), form.rank)
            divisor = whole if len(below) > 1 else below[0]
            text += f" {self.operators['⊘']} {self.within(divisor, _FACTOR)}"
        return text, _STAR

    def write_times(self, form: Form) -> tuple[str, int]:
        """Write a product with numbers; a minus sign makes it bind like a sum."""
        c, n = form.value
        whole = form.args[n]
        sign, c = ("-", -c) if is_negative(c) else ("", c)
        numbers = [self.within(factor, _FACTOR) for factor in form.args[:n]]
        binds = _PRODUCT
        if whole.op == "number":
            text = ""
        elif whole.op in ("hadamard", "kron") and not numbers:
            binds = _STAR
            text = self.sum(whole)
        else:
            is_first = whole.rank or not numbers
            text = self.within(whole, _PRODUCT if is_first else _FACTOR)
        below = form.args[n + 1 :]
        if below:
            divisor = below[0] if len(below) == 1 else times(1, below)
            if binds == _STAR:
                text = self.bracketed(text)
            text, binds = self.divided(c, numbers, text, divisor, form.rank), _PRODUCT
        else:
            text = self.multiplied(c, [*numbers, text] if text else numbers)
        return sign + text, _SUM if sign else binds

    def write_stack(self, form: Form) -> tuple[str, int]:
        """Write the entries of a row, a column or a matrix."""
        rows, columns, rank = form.value
        texts = [self.sum(arg) for arg in form.args]
        if rank == 1:
            return self.raised(self.listed(texts), "T"), _FACTOR
        lines = [self.listed(texts[k * columns : (k + 1) * columns]) for k in range(rows)]
        return lines[0] if rows == 1 else self.listed(lines), _FACTOR

    def write_norm(self, form: Form) -> tuple[str, int]:
        """Write a norm or an absolute value; one within another stands in brackets."""
        outer, self.in_bars = self.in_bars, True
        text = self.sum(form.args[0])
        self.in_bars = outer
        is_norm = form.op == "norm"
        is_matrix = is_norm and form.args[0].rank == 2
        text = self.barred(text, "‖" if is_norm else "|", "_F" if is_matrix else "")
        return self.bracketed(text) if outer else text, _ATOM

    def write_abs(self, form: Form) -> tuple[str, int]:
        """Write absolute values; bars around a matrix would be its determinant."""
        if form.args[0].rank == 2:
            return self.function("abs", self.showing(True, lambda: self.sum(form.args[0]))), _ATOM
        return self.write_norm(form)


#: Functions that are none of the table, by what makes them.
SPELLED = {"diag": "diag", "diagonal": "diag", "vec": "vec", "tr": "tr"}


def _is_close(left: Form, right: Form) -> bool:
    """Tell whether no space is left between factors, as before a matrix: ``xᵀA x``, ``a bᵀ``."""

    def letter(form: Form) -> str:
        inner = form.args[0] if form.op == "transpose" else form
        return str(inner.value[0]) if inner.op == "name" else ""

    texts = letter(left), letter(right)
    is_word = all(text.isascii() and text.islower() for text in texts) and left.op == "name"
    inner = right.args[0] if right.op == "transpose" else right
    return all(len(text) == 1 for text in texts) and inner.rank == 2 and not is_word


class _LatexWriter(_MatrixWriter):
    ones, root = r"\mathbf{1}", r"\sqrt{{{}}}"
    marks: Mapping[str, str] = {
        mark: f"^{{{mark}}}".replace("T", r"\top") for mark in _MatrixWriter.marks
    }
    operators: Mapping[str, str] = {"⊙": r"\odot", "⊘": r"\oslash", "⊗": r"\otimes"}
    bold: Mapping[str, str] = {name: rf"\mathbf{{{name}}}" for name in BOLD}
    times_sign, by_sign = r" \cdot ", r" \times "
    is_tight = False

    def __init__(self, names: Collection[str], sized: Collection[Form]) -> None:
        super().__init__(names, sized)
        looks = Counter(latex_name(name) for name in {*names})
        self.spellings = {
            name: latex_text(name) if looks[latex_name(name)] > 1 else latex_name(name)
            for name in names
        }

    def spelled(self, name: str) -> tuple[str, int]:
        if "/" in name:
            above, *below = (self.spelled(part)[0] for part in _partial_parts(name))
            order = f"^{len(below)}" if len(below) > 1 else ""
            under = r" \, ".join(rf"\partial {part}" for part in below)
            return rf"\frac{{\partial{order} {above}}}{{{under}}}", _FACTOR
        return self.spellings.get(name) or latex_name(name), _ATOM

    def numeral(self, value: Number) -> tuple[str, int]:
        text = latex_number(value)
        is_plain = re.fullmatch(r"[0-9.]+|\\infty|\(.*\)", text)
        return text, _ATOM if is_plain else _SUM if text.startswith("-") else _FACTOR

    def indexed(self, name: str, sizes: Sequence[Size]) -> str:
        texts = [self.size(size) for size in sizes]
        is_short = all(len(text) == 1 and text.isalpha() for text in texts)
        return f"{name}_{{{('' if is_short else ',').join(texts)}}}"

    def size(self, size: Size) -> str:
        return latex_name(size) if isinstance(size, str) else str(size)

    def bracketed(self, text: str) -> str:
        return rf"\left({text}\right)" if _is_tall(text) else f"({text})"

    def listed(self, texts: Sequence[str]) -> str:
        inside = r",\; ".join(texts)
        return rf"\left[{inside}\right]"

    def function(self, name: str, text: str) -> str:
        return rf"\operatorname{{{name}}}{self.bracketed(text)}"

    def barred(self, text: str, bars: str, index: str) -> str:
        sign = r"\Vert" if bars == "‖" else "|"
        return rf"\left{sign} {text} \right{sign}{index}"

    def called(self, form: Form) -> tuple[str, int]:
        name, template, _ = form.value
        if "{0}" in template:
            text = self.filled(template, form.args)
            return text, _ATOM if text.startswith((r"\left", r"\sqrt")) else _PRODUCT
        spelled = template or latex_operator(name)
        return spelled + self.bracketed(", ".join(self.sum(arg) for arg in form.args)), _ATOM

    def compared(self, form: Form) -> str:
        return self.filled(form.value[1], form.args)

    def filled(self, template: str, args: Sequence[Form]) -> str:
        """Fill the slots of a template; one that stands openly gets brackets if it needs them."""
        is_closed = template.startswith(r"\left[")

        def fill(match: re.Match[str]) -> str:
            arg = args[int(match[1])]
            if is_closed:
                return " " * (match.start() > len(r"\left[")) + self.sum(arg)
            if match.start() == 0 or template[match.start() - 1] == " ":
                is_base = template.startswith("^", match.end())
                return self.within(arg, _ATOM if is_base else _PRODUCT)
            return f"{{{self.sum(arg)}}}"

        return re.sub(r"\{([0-9])\}", fill, template)

    def exponent(self, base: str, n: int) -> str:
        return f"{base}^{{{n}}}"

    def powered(self, form: Form) -> str:
        exponent = form.value
        shown = self.sum(exponent if isinstance(exponent, Form) else number(exponent))
        ring = r"\circ " * bool(form.rank)
        return f"{self.within(form.args[0], _ATOM)}^{{{ring}{shown}}}"

    def divided(self, c: Number, parts: list[str], whole: str, below: Form, rank: int) -> str:
        """Write a fraction, with a vector or matrix after it."""
        under = self.sum(below)
        if isinstance(c, Fraction):
            under = f"{c.denominator} {self.within(below, _PRODUCT)}"
            c = c.numerator
        if rank:
            return rf"\frac{{{self.multiplied(c, parts)}}}{{{under}}} {whole}"
        return rf"\frac{{{self.multiplied(c, [*parts, whole] if whole else parts)}}}{{{under}}}"


def _is_tall(text: str) -> bool:
    return r"\frac" in text or r"\left" in text


def _partial_parts(name: str) -> list[str]:
    """Part the name of a derivative: what is differentiated, and by what.

    >>> _partial_parts("∂²x/∂z∂t")
    ['x', 'z', 't']
    """
    above, below = name[1:].split("/")
    return [above.lstrip("⁰¹²³⁴⁵⁶⁷⁸⁹"), *below.split("∂")[1:]]
