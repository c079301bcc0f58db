r"""Groups of LaTeX: names, numbers, brackets and functions, with what is raised and lowered.

`einsdiff.notation.latex_reader` adds the commands that have a form of their own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from unicodedata import normalize

from einsdiff.notation.jobs import Job
from einsdiff.notation.latex_commands import (
    ACCENTS,
    CLOSING,
    FRACTIONS,
    FUNCTIONS,
    GREEK,
    GREEK_VARIANTS,
    OF_MATRICES,
    OF_MATRIX_NOTATION,
    OF_PRODUCTS,
    POWERED,
    RAISED,
    SIGNS,
    STYLES,
    UPRIGHT,
    WORDS,
)
from einsdiff.notation.latex_pieces import (
    LatexPiece,
    atoms,
    bracketed,
    is_loose,
    lowered_script,
    of_matrix,
)
from einsdiff.notation.latex_tokens import LatexToken, LatexTokens
from einsdiff.notation.names import spelled_out
from einsdiff.notation.trees import DEEPEST

#: Groups and brackets inside of each other, at most.
DEEPEST_GROUPS = 4 * DEEPEST

#: Names that have sizes or positions for indices in matrix notation: I_n, e_2, K_mn, 𝟏_n.
_SIZED = frozenset("IeK𝟏")

_COMPARISONS = frozenset((">", "<", "=", "<=", ">=", "!="))


class LatexGroups(ABC):
    """Reads tokens into pieces of plain text; methods that return jobs are run by `run`."""

    def __init__(self, tokens: LatexTokens, names: frozenset[str]) -> None:
        self.source, self.tokens, self.names = tokens, tokens.tokens, names
        self.fail = tokens.fail
        self.at, self.end = tokens.within_wrappers()
        self.longest = min(max(map(len, names), default=0), 100)
        self.depth = 0
        self.run_end = 0
        self.labels: set[str] = set()
        self.is_index = self.is_matrix = False
        #: In which style each name stands first.
        self.styles: dict[str, tuple[str, int]] = {}
        self.style = ""
        self.in_cases = False

    # Moving along.

    def peek(self, ahead: int = 0) -> LatexToken | None:
        """Return a token that comes, None at the end."""
        at = self.at + ahead
        return self.tokens[at] if at < self.end else None

    def is_next(self, *texts: str) -> bool:
        """Tell whether one of these tokens comes next."""
        token = self.peek()
        return token is not None and token.text in texts

    def next(self) -> LatexToken:
        """Take the next token."""
        self.at += 1
        return self.tokens[self.at - 1]

    def column(self) -> int:
        """Return the column of the token that comes next, or of the end."""
        token = self.peek()
        if token is not None:
            return token.column
        return self.tokens[self.at - 1].end if self.at else 0

    def argument(self) -> tuple[int, int]:
        """Skip an argument of a command, and return where its tokens are."""
        token = self.peek()
        if token is None:
            self.fail("the formula ends too early", self.column(), "write an argument here")
        if token.text == "{":
            start, stop = self.at + 1, self.source.match[self.at]
            self.at = stop + 1
            return start, stop
        start = self.at
        if token.kind == "number" and len(token.text) > 1:
            self.source.several(token)
        self.next()
        if token.name in (*UPRIGHT, *STYLES, *ACCENTS, *FRACTIONS, "sqrt"):
            for _ in range(2 if token.name in FRACTIONS else 1):
                self.skip_argument()
        return start, self.at

    def skip_argument(self) -> None:
        """Skip a group, or one token."""
        if self.at < self.end:
            self.at = self.source.match.get(self.at, self.at) + 1

    def inside(self, span: tuple[int, int], closer: str = "") -> Job[list[LatexPiece]]:
        """Read the tokens of an argument."""
        self.deeper()
        outer = self.at, self.end
        self.at, self.end = span
        out: list[LatexPiece] = yield self.sequence(closer)
        self.at, self.end = outer
        self.depth -= 1
        return out

    def deeper(self) -> None:
        """Count a group or bracket, of which there may be only so many in each other."""
        self.depth += 1
        if self.depth > DEEPEST_GROUPS:
            self.fail(
                "brackets are nested too deeply",
                self.column(),
                f"{DEEPEST} inside of each other are the most; name a part, and write the name",
            )

    # What a formula is made of.

    def sequence(self, closer: str = "") -> Job[list[LatexPiece]]:
        """Read until what closes it, which is left for the caller, or to the end."""
        out: list[LatexPiece] = []
        while self.at < self.end:
            if closer == "cell":
                if self.is_next("&", "\\\\", "\\end"):
                    break
            elif closer:
                sign, side, _ = self.delimiter() or ("", "", 0)
                may_close = bool(out) and out[-1].kind != "sign"  # what follows a sign opens
                if sign == closer and (side == "close" or (side == "either" and may_close)):
                    break
            yield self.item(out)
        return out

    def delimiter(self) -> tuple[str, str, int] | None:
        """Return the delimiter that comes next, what it does, and how many tokens it has."""
        return self.source.delimiter(self.at, self.end)

    def item(self, out: list[LatexPiece]) -> Job[None]:
        """Read one thing with what is raised and lowered after it, and append it."""
        token = self.tokens[self.at]
        start = len(out)
        found = self.delimiter()
        if found is not None:
            if found[1] == "close":
                what = "".join(t.text for t in self.tokens[self.at : self.at + found[2]])
                self.fail(f"'{what}' closes nothing", token.column, "remove it, or open it before")
            yield self.enclosed(out, found)
        elif token.kind == "number":
            self.number(out)
        elif token.kind == "letter":
            yield self.letters(out)
        elif token.text == "{":
            yield self.group(out)
        elif token.kind == "command":
            yield self.command(out)
        elif token.text == "&":
            self.next()
        elif token.text in "^_":
            self.fail(
                f"'{token.text}' has nothing before it", token.column, "write a name before it"
            )
        else:
            self.sign(out)
        if len(out) > start and out[-1].kind in ("name", "number", "group", "script"):
            yield self.scripts(out)

    def sign(self, out: list[LatexPiece]) -> None:
        """Append a sign as it stands."""
        token = self.next()
        text = token.text
        if text == ":" and self.is_next("="):
            token, text = self.next(), "="
        if text in OF_MATRICES or text == "'":
            self.is_matrix = True
        kind = "script" if text in "'′" or token.kind == "raised" else "sign"
        out.append(LatexPiece(kind, text, token.column))

    def number(self, out: list[LatexPiece]) -> None:
        r"""Read a number, also one in powers of ten: ``2.5 \cdot 10^{20}``."""
        token = self.next()
        piece = LatexPiece("number", token.text, token.column, apart=token.apart)
        if token.text == "0" and self.is_next("_"):
            self.next()
            self.is_matrix = True
            piece.text = f"0_{{{self.source.sizes_of(self.argument())}}}"
            out.append(piece)
            return None
        exponent = self.whole_exponent() if token.text == "10" else None
        if exponent is not None:
            number = out[-2:-1]
            if number and number[0].kind == "number" and out[-1].text == "·":
                out.pop()
                out[-1] = LatexPiece("number", f"{number[0].text}e{exponent}", number[0].column)
                return self.skip_script()
            if exponent < 0 or exponent > 15:
                piece.text = f"1e{exponent}"
                self.skip_script()
        out.append(piece)
        return None

    def whole_exponent(self) -> int | None:
        """Return the whole number in braces that is an exponent here."""
        if not self.is_next("^") or self.at + 1 not in self.source.match:
            return None
        start, stop = self.at + 2, self.source.match[self.at + 1]
        text = "".join(token.text for token in self.tokens[start : min(stop, start + 3)])
        is_whole = text.removeprefix("-").isdecimal() and stop - start <= 2 and len(text) < 6
        return int(text) if is_whole else None

    def skip_script(self) -> None:
        """Skip what is raised."""
        self.next()
        self.argument()

    # Names.

    def letters(self, out: list[LatexPiece]) -> Job[None]:
        """Read a letter, a name of an operand, or the name of a function."""
        tokens, at = self.tokens, self.at
        if at >= self.run_end:
            stop = at + 1
            while stop < self.end and tokens[stop].kind == "letter" and not tokens[stop].apart:
                stop += 1
            self.run_end = stop
            word = "".join(token.text for token in tokens[at : min(stop, at + 100)])
            if stop - at > 1 and word not in self.names:
                longer, end = self.numbered(word, stop)
                if longer in WORDS:
                    self.at = end
                    yield self.function(out, WORDS[longer], tokens[at]._replace(text=longer))
                    return
                is_word = len(word) > 3 and word.isascii() and word.islower()
                if is_word and self.longest < 2:
                    self.fail(
                        f"'{word}' is a product of {len(word)} letters in LaTeX",
                        tokens[at].column,
                        rf"write \mathrm{{{word}}} for one name, spaces for a product",
                        len(word),
                    )
        name, stop = self.known(at)
        first = tokens[at]
        self.at = stop
        follows = self.peek()
        if follows is not None and follows.kind == "number" and not follows.apart:
            text = name + follows.text
            self.fail(
                f"'{text}' is a letter and a number side by side",
                first.column,
                f"write {name}_{{{follows.text}}} for a name or an entry, "
                f"{name}^{{{follows.text}}} for a power, {follows.text} {name} for a product",
                follows.end - first.column,
            )
        self.name(out, name, first)

    def numbered(self, word: str, stop: int) -> tuple[str, int]:
        """Return a word with the number in it, if that is a function: log1p, norm2."""
        longer, at = word, stop
        while at < min(self.end, stop + 2) and not self.tokens[at].apart:
            longer += self.tokens[at].text
            at += 1
            if longer in WORDS:
                return longer, at
        return word, stop

    def known(self, at: int) -> tuple[str, int]:
        """Return the longest operand that is spelled here, else a letter, and where it ends."""
        found, stop, text = self.tokens[at].text, at + 1, ""
        for k in range(at, min(self.end, at + self.longest)):
            token = self.tokens[k]
            if k > at and (token.apart or token.kind not in ("letter", "number")):
                break
            text += token.text
            if normalize("NFKC", text) in self.names:
                found, stop = text, k + 1
        return found, stop

    def name(self, out: list[LatexPiece], name: str, token: LatexToken, style: str = "") -> None:
        """Append a name, which may stand in one style only."""
        style = style or self.style
        first, _ = self.styles.setdefault(name, (style, token.column))
        if first != style and {first, style} != {"", "upright"}:
            self.fail(
                f"'{name}' stands here in two styles, which are read as one name",
                token.column,
                "write both in the same style, or take another letter for one of them",
                token.end - token.column,
            )
        self.is_matrix |= style == "bold"
        out.append(LatexPiece("name", name, token.column, apart=token.apart))

    def greek(self, out: list[LatexPiece], token: LatexToken) -> None:
        """Append a Greek letter, spelled as the operand is."""
        char = GREEK.get(token.name) or GREEK_VARIANTS[token.name]
        spellings = (normalize("NFKC", char), token.name, token.name + "_")
        known = [name for name in spellings if name in self.names]
        sign, side, _ = self.delimiter() or ("", "", 0)
        is_called = (sign, side) == ("(", "open") and not self.tokens[self.at].apart
        if char == "σ" and not known and is_called:
            out.append(LatexPiece("function", "sigmoid", token.column, apart=token.apart))
            return
        # δ stays a sign, of the Kronecker delta.
        spelled = known[0] if known else char if char == "δ" else spelled_out(char)
        self.name(out, spelled, token)
        if spelled != char and not known:
            out[-1].matrix = char

    def word(self, out: list[LatexPiece], token: LatexToken) -> Job[None]:
        """Read several letters as one name, or a function."""
        text, first = self.source.word(*self.argument(), token)
        if self.in_cases and text in ("if", "for", "when", "where"):
            return
        name = WORDS.get(text, text)
        follows = self.delimiter()
        if text == "i" and out and out[-1].kind == "number":
            out.append(LatexPiece("script", "j", first))  # of a complex number
        elif text in ("T", "d") or text in self.names or not (text in WORDS or follows):
            self.name(out, text, token._replace(column=first, end=first + len(text)), "upright")
        elif text in WORDS:
            yield self.function(out, name, token._replace(text=text, column=first))
        else:
            self.name(out, text, token._replace(column=first, end=first + len(text)), "upright")

    def styled(self, out: list[LatexPiece], token: LatexToken) -> Job[None]:
        """Read what stands in another style."""
        span = self.argument()
        texts = [part.text for part in self.tokens[span[0] : span[1]] if part.text not in "{}"]
        style = STYLES[token.name]
        if texts in (["1"], ["0"]) and style == "bold":
            self.is_matrix = True
            out.append(LatexPiece("name", "𝟏" if texts == ["1"] else "0", token.column))
        elif texts in (["I"], ["K"], ["e"]) and style == "bold" and texts[0] in self.names:
            bold = {"I": "𝐈", "K": "𝐊", "e": "𝐞"}[texts[0]]
            self.is_matrix = True
            out.append(LatexPiece("name", bold, token.column))
        else:
            outer, self.style = self.style, style
            inner: list[LatexPiece] = yield self.inside(span)
            self.style = outer
            if inner:
                inner[0].apart = token.apart
            out += inner

    def accented(self, out: list[LatexPiece], token: LatexToken) -> Job[None]:
        r"""Read a letter with an accent: ``\hat{x}`` is x̂, or the operand x_hat."""
        mark, word = ACCENTS[token.name]
        inner: list[LatexPiece] = yield self.inside(self.argument())
        if not inner or inner[0].kind != "name" or any(p.kind != "script" for p in inner[1:]):
            self.fail(
                f"'{token.text}' stands over more than a letter",
                token.column,
                r"write it over one letter, as in \hat{x}, or leave it out",
                token.end - token.column,
            )
        base = inner[0].text
        spellings = [normalize("NFKC", base + mark), f"{base}_{word}", base + word]
        known = [name for name in spellings if name in self.names]
        inner[0].text = (known or [base + mark])[0]
        inner[0].apart = token.apart
        out += inner

    def ones(self, out: list[LatexPiece], token: LatexToken) -> Job[None]:
        r"""Read ``\mathbb{1}``: the vector of ones, or 1 where a comparison holds."""
        text, _ = self.source.word(*self.argument(), token)
        if text != "1":
            self.fail(
                rf"'\{token.name}{{{text}}}' is no command that is read",
                token.column,
                r"\mathbb{1} is read; give sets and expectations in the program",
            )
        found = self.delimiter()
        if found is not None and found[0] in "[({" and found[1] == "open":
            yield self.enclosed(out, found, "[")
            return
        if self.is_next("_") and self.at + 1 in self.source.match:
            start, stop = self.at + 2, self.source.match[self.at + 1]
            signs = [SIGNS.get(t.name, t.text) for t in self.tokens[start:stop]]
            if _COMPARISONS.intersection(signs):
                self.at = stop + 1
                inner: list[LatexPiece] = yield self.inside((start, stop))
                out.append(bracketed(inner, token.column, self.column() - 1, "["))
                return
        self.is_matrix = True
        out.append(LatexPiece("name", "𝟏", token.column, apart=token.apart))

    # Brackets.

    def enclosed(
        self, out: list[LatexPiece], found: tuple[str, str, int], shown: str = ""
    ) -> Job[None]:
        """Read what stands between delimiters, and write it in those of plain text."""
        sign, _, count = found
        first = self.tokens[self.at]
        if sign not in CLOSING:
            self.fail(f"'{sign}' opens nothing", first.column, r"write \left( .. \right)")
        self.at += count
        self.deeper()
        inner: list[LatexPiece] = yield self.sequence(CLOSING[sign])
        self.depth -= 1
        last = self.delimiter()
        if last is None:
            self.fail(
                f"'{first.text}' is not closed", first.column, f"write '{CLOSING[sign]}' after it"
            )
        end = self.column()
        self.at += last[2]
        if sign in "([{<":
            bracket = shown or ("<" if sign == "<" else "(")
            texts = {piece.text for piece in inner if piece.kind == "sign"}
            if sign == "[" and not shown and texts & {*_COMPARISONS, ",", ";"}:
                bracket = "["
            self.is_matrix |= sign == "<"
            out.append(bracketed(inner, first.column, end, bracket, first.apart))
        elif sign in "⌊⌈":
            name = "floor" if sign == "⌊" else "ceil"
            out.append(LatexPiece("function", name, first.column, apart=first.apart))
            out.append(bracketed(inner, first.column, end))
        else:
            self.bars(out, inner, sign, first, end)

    def bars(
        self, out: list[LatexPiece], inner: list[LatexPiece], sign: str, first: LatexToken, end: int
    ) -> None:
        """Write a norm, an absolute value or a determinant."""
        is_norm = sign == "‖"
        capital = any(piece.kind == "name" and piece.text[0].isupper() for piece in inner)
        self.is_matrix |= is_norm or capital
        for piece in inner:  # bars within bars stand in brackets
            if piece.kind == "group" and piece.matrix in ("‖", "|"):
                piece.matrix = f"({piece.matrix}"
        name = "norm" if is_norm else "abs"
        out.append(LatexPiece("function", name, first.column, matrix="", apart=first.apart))
        out.append(bracketed(inner, first.column, end, "(", first.apart))
        out[-1].matrix = sign

    def group(self, out: list[LatexPiece]) -> Job[None]:
        """Read a group in braces, which is one thing for what is raised after it."""
        token = self.peek()
        assert token is not None
        end = self.source.match[self.at]
        inner: list[LatexPiece] = yield self.inside(self.argument())
        is_raised = any(piece.kind == "script" for piece in inner)
        if self.is_next("^", "_") and (atoms(inner) > 1 or is_loose(inner) or is_raised):
            column = self.tokens[end].column
            inner = [bracketed(inner, token.column, column, "(", token.apart)]
        out += inner

    # Commands.

    def command(self, out: list[LatexPiece]) -> Job[None]:
        """Read a command with its arguments."""
        token = self.next()
        name = token.name
        if name in GREEK or name in GREEK_VARIANTS:
            self.greek(out, token)
        elif name in SIGNS:
            text = SIGNS[name]
            follows = self.peek()
            is_number = follows is not None and follows.kind == "number"
            if text == "×" and (is_number or (out and out[-1].kind == "number")):
                text = "*"
            self.is_matrix |= text in OF_MATRICES
            out.append(LatexPiece("sign", text, token.column))
        elif name in FUNCTIONS:
            yield self.function(out, FUNCTIONS[name], token)
        elif name in UPRIGHT:
            yield self.word(out, token)
        elif name in STYLES:
            yield self.styled(out, token)
        elif name in ACCENTS:
            yield self.accented(out, token)
        elif name in ("mathbb", "mathds", "mathbbm"):
            yield self.ones(out, token)
        else:
            yield self.form(out, token)

    @abstractmethod
    def form(self, out: list[LatexPiece], token: LatexToken) -> Job[None]:
        """Read a command that has a form of its own, and append it."""

    # Functions.

    def function(self, out: list[LatexPiece], name: str, token: LatexToken) -> Job[None]:
        """Read a function with its argument, which need not stand in brackets."""
        below: list[LatexPiece] = []
        above: list[LatexPiece] = []
        self.is_matrix |= name in OF_MATRIX_NOTATION
        start = len(out)
        out.append(LatexPiece("function", name, token.column, apart=token.apart))
        while self.is_next("^", "_"):
            if self.next().text == "_":
                below += self.lowered(self.argument(), None)
            else:
                yield self.raised(above, name, self.argument())
        if name == "log" and [p.text for p in below] in (["_2"], ["_{10}"]):
            out[start].text = "log" + below.pop().text.strip("_{}")
        if above and (name not in POWERED or above[0].text.startswith("^-")):
            self.fail(
                f"a power of '{name}' stands before its argument",
                above[0].column,
                f"write {name}(x)^2 for a power; the inverses of functions have names: arcsin(x)",
            )
        out += below
        joined = {"log": "logdet", "sign": "signdet"}.get(name)
        if joined is not None and not below and not above and self.is_next("\\det"):
            self.next()
            out[start].text = name = joined
        found = self.delimiter()
        if found is not None and found[0] in "([{" and found[1] != "close":
            yield self.enclosed(out, found, "(")
            out[-1].apart = False
        else:
            yield self.bare_argument(out, name, token)
        if self.is_next("_"):  # labels of the value
            self.next()
            out += self.lowered(self.argument(), out[-1])
        out += above

    def bare_argument(self, out: list[LatexPiece], name: str, token: LatexToken) -> Job[None]:
        r"""Read an argument without brackets: one factor, or a product where that is clear."""
        inner: list[LatexPiece] = []
        column = self.column()
        is_product = name in OF_PRODUCTS
        while self.at < self.end and self.is_factor(inner, is_product):
            yield self.item(inner)
        count = sum(piece.kind in ("name", "group") for piece in inner)
        found = self.delimiter()
        is_open = found is not None and found[1] == "open"
        if not inner:
            self.fail(
                f"the argument of '{name}' is missing",
                column,
                rf"write it in brackets: {token.text}(x)",
                0 if self.peek() is None else 1,
            )
        if not is_product and (count > 1 or is_open):
            self.fail(
                f"where the argument of '{name}' ends is not clear",
                column,
                rf"write brackets: {token.text}(x y), or {token.text}(x) y",
                max(self.column() - column, 1),
            )
        out.append(bracketed(inner, column, self.tokens[self.at - 1].end - 1))

    def is_factor(self, before: list[LatexPiece], is_product: bool) -> bool:
        """Tell whether what comes next belongs to an argument without brackets."""
        token = self.tokens[self.at]
        found = self.delimiter()
        has_some = any(piece.kind != "number" for piece in before)
        if found is not None:
            is_sigmoid = len(before) == 1 and before[0].text == "sigmoid" and not token.apart
            goes_on = is_product or not before or is_sigmoid
            return goes_on and (found[1] == "open" or (found[1] == "either" and not before))
        if token.kind in ("number", "letter") or token.text == "{":
            return True
        if token.kind != "command":
            return is_product and has_some and token.text in OF_MATRICES
        if token.name in SIGNS:
            return is_product and has_some and token.name in ("cdot", "odot", "otimes")
        if token.name in FUNCTIONS or token.name == "operatorname":
            return not before
        return token.name not in ("sum", "prod", "begin", "end", "partial", "nabla")

    # What is raised and lowered.

    def scripts(self, out: list[LatexPiece]) -> Job[None]:
        """Read all that is raised or lowered after a thing."""
        found: list[LatexPiece] = []
        below: list[LatexPiece] = []
        base = out[-1]
        while (token := self.peek()) is not None:
            if token.text == "_":
                self.next()
                span = self.argument()
                merged = self.merged(base, span)
                if merged is not None and base.kind == "group":
                    below += self.lowered(span, merged)
                    found += below
                if merged is None:
                    self.check_letters(span)
                    out[-1:] = of_matrix(base)
                    lowered = self.lowered(span, base)
                    below += lowered
                    found += lowered
                else:
                    out[-1] = base = merged
            elif token.text == "^":
                self.next()
                yield self.raised(found, base.text, self.argument())
            elif token.text in ("'", "′") or token.kind == "raised":
                self.is_matrix |= token.text in ("'", "ᵀ", "′")
                found.append(LatexPiece("script", self.next().text, token.column))
            else:
                break
        if not any(piece.letters for piece in found):  # labels below come first
            found = below + [piece for piece in found if all(piece is not b for b in below)]
        out += found

    def check_letters(self, span: tuple[int, int]) -> None:
        """Refuse ``A_ij``, of which LaTeX lowers the first letter only."""
        token, follows = self.tokens[span[0]], self.peek()
        if follows is None or span[1] != self.at or token.kind != "letter":
            return
        if follows.kind == "letter" and not follows.apart and not follows.text.isupper():
            after = self.peek(1)
            if after is None or after.text not in ("_", "^") or after.apart:
                letters = token.text + follows.text
                self.fail(
                    f"of '_{letters}' LaTeX lowers the first letter only",
                    token.column,
                    f"write _{{{letters}}} for both, or a space after _{token.text}",
                    2,
                )

    def merged(self, base: LatexPiece, span: tuple[int, int]) -> LatexPiece | None:
        r"""Return a name with what is lowered after it, if that is no label: x_max, x1."""
        if base.kind == "group" and base.inner and base.inner[0].kind == "name":
            whole, *index = base.inner  # (x_{1})_{i}, an index of a name that has one
            is_bare = whole.text in self.names and base.matrix not in ("‖", "|")
            if not index and (whole.is_whole or is_bare):
                return whole
            digits = index[0].text.strip("_{}") if len(index) == 1 else ""
            if digits.isdecimal() and index[0].text.startswith("_"):
                joined = f"{whole.text}_{digits}"
                return replace(whole, text=joined, columns=(), is_whole=joined not in self.names)
        if base.kind != "name":
            return None
        parts = self.source.indices(span)
        if not parts or any(kind not in ("word", "number") for kind, _, _ in parts):
            return None
        words = [text for _, text, _ in parts]
        joined = "_".join([base.text, *words])
        if joined not in self.names and base.text + "".join(words) in self.names:
            joined = base.text + "".join(words)
        is_known = joined in self.names
        if not is_known and (
            all(kind == "number" for kind, _, _ in parts) or base.text in self.names
        ):
            return None
        return LatexPiece("name", joined, base.column, apart=base.apart, is_whole=not is_known)

    def lowered(self, span: tuple[int, int], base: LatexPiece | None) -> list[LatexPiece]:
        """Read labels, or the sizes and numbers of signs that have those."""
        text, columns, labels = self.source.labels(span)
        column = columns[0] if columns else self.column()
        is_sized = base is not None and base.kind == "group" and base.matrix in ("‖", "|")
        is_sized |= base is not None and base.kind == "name" and base.text in _SIZED
        if labels and not is_sized:
            self.is_index = True
            self.labels.update(labels)
        return [lowered_script(text, columns, column)]

    def raised(self, found: list[LatexPiece], base: str, span: tuple[int, int]) -> Job[None]:
        """Read a power, a mark such as that of a transpose, or upper labels."""
        start, stop = span
        if start == stop:
            self.fail("an exponent is missing", self.column() - 1, "write one in the braces")
        column = self.tokens[start].column
        key = self.source.key(start, stop)
        mark = RAISED.get(key)
        if mark is not None:
            is_name = key == ("T",) and "T" in self.names
            self.is_matrix |= mark not in ("^-1", "'") and not is_name
            shown = "^T" if is_name else mark.replace("^T", "ᵀ")
            found.append(LatexPiece("script", shown, column))
            return
        letters = self.source.upper_labels(start, stop) if base != "e" else ()
        if letters:
            found.append(LatexPiece("script", f"^{letters[0]}", column, letters=letters))
            return
        is_entrywise = self.tokens[start].name in ("circ", "odot")
        if is_entrywise:
            self.is_matrix = True
            start += 1
        self.source.check_marks(start, stop)
        inner: list[LatexPiece] = yield self.inside((start, stop))
        is_plain = len(inner) - (inner[:1] != [] and inner[0].text == "-") == 1 and (
            inner[-1].kind in ("name", "number", "group")
        )
        if not is_plain:
            inner = [bracketed(inner, column, self.tokens[stop - 1].end - 1)]
        mark = ".^" if is_entrywise else "^"
        found.append(LatexPiece("script", "^", column, matrix=mark, inner=inner))
