"""Strings that are nearly formulas, very many of them, which are only read.

One example is `STRINGS` texts: of the catalogue in all notations, changed in a few places, joined,
cut and shuffled. Each is read or refused within a second, with nothing but einsdiff's errors.
"""

from __future__ import annotations

from functools import cache

import einsdiff as ed
from tests.catalogue_rows import ROWS
from tests.fuzz.drawing import Draw
from tests.fuzz.texts import FORMULAS, SIGNS, SUBSCRIPTS, TYPED, TYPED_WORDS, WORDS
from tests.fuzz.trials import Trial
from tests.matrix_rows import SPELLINGS

#: How many texts one example has.
STRINGS = 200
#: Seconds of the processor that one may take.
MOST = 1.0
#: Characters of a text at most, of nearly all of them and of a few.
LENGTH, LONG = 120, 2000

ELSEWHERE = (
    "Sum(x[i], (i, 1, n))",
    "diff(sin(x)**2, x, 2)",
    "A(1,:) * x(2)",
    r"A \ (b + c)",
    "D[x^2 Sin[x], {x, 2}]",
    "Transpose[A].x + Tr[A.B]",
    "np.linalg.norm(A @ x - y)**2",
    "lambda A, x: x.T.dot(A).dot(x)",
    "t(A) %*% solve(A, b)",
    "sum(x[i]^2, i=1..n)",
    "g = ∂²(x' A x)/∂x∂x",
    "df/dx where f = x_i x_i",
    "D_x [x' A_ij x_j]",
    "tra(A) + sum_of_squares(x) ctg x",
)
GIVEN = ("", "", "", "", ", A=(2, 3)", ", x=(3,)", ", A='mn', x='n'", ", sizes={'i': 2}")
SAID = ("", "", "", "", ", notation='index'", ", notation='matrix'", ", notation='latex'")


@cache
def texts() -> tuple[str, ...]:
    """List texts in every notation: those of the catalogue, and as LaTeX what they are."""
    found = [*FORMULAS, *TYPED, *SUBSCRIPTS, *ELSEWHERE]
    for row in ROWS:
        if row.index is not None:
            found.append(row.index)
        if row.formula is not None:
            found.append(row.formula)
    found += [row.text for row in SPELLINGS]
    for text in found[:]:
        try:
            tensor = ed.parse(text)
            found += [tensor.latex(), tensor.format("matrix")]
        except ed.EinsdiffError:
            continue
    return tuple(dict.fromkeys(found))


def string(draw: Draw) -> str:
    """Draw a text of the catalogue, and change it."""
    every, words = texts(), (*WORDS, *TYPED_WORDS)
    text = draw.choice(every)
    for _ in range(draw.choice([1, 1, 1, 1, 1, 1, 2, 2, 3, 6])):
        at, end = sorted(draw.integer(0, len(text)) for _ in range(2))
        kind = draw.integer(0, 9)
        if kind == 0:
            text = text[:at] + text[at + 1 :]
        elif kind == 1:
            text = text[:at] + draw.choice(SIGNS) + text[at:]
        elif kind == 2:
            text = text[:at] + draw.choice(words) + text[at:]
        elif kind == 3:
            text = text[:at] + draw.choice(SIGNS) + text[at + 1 :]
        elif kind == 4:
            text = text[:end] + text[at:end] * draw.choice([1, 1, 2, 5, 40]) + text[end:]
        elif kind == 5:
            text = text[:at] + text[end:]
        elif kind == 6:
            text = text[end:] + draw.choice(["", " ", " + ", " = "]) + text[:end]
        elif kind == 7 and end - at > 1:  # two characters change places
            text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        elif kind == 8:
            text = text[:at] + chr(draw.choice(POINTS)) + text[at:]
        else:
            other = draw.choice(every)
            start = draw.integer(0, len(other))
            text = text[:at] + other[start : start + draw.integer(1, 12)] + text[at:]
    return text[: LONG if draw.flag(0.01) else LENGTH]


#: Letters and signs of all planes: accents, wide and raised letters, other alphabets, joiners.
POINTS = (
    *range(0x00A0, 0x0180),
    *range(0x0300, 0x0320),
    *range(0x0370, 0x0400),
    *range(0x2000, 0x2070),
    *range(0x2070, 0x20A0),
    *range(0x2190, 0x2240),
    *range(0x2260, 0x22D0),
    *range(0x1D400, 0x1D434),
    *(0x05D0, 0x0661, 0x0967, 0x3042, 0x4E00, 0xAC00, 0xFB01, 0xFEFF, 0xFF21, 0xFF3F, 0x1D7CF),
    *(0x1F600, 0xE000, 0xD800, 0x10FFFF, 0x202E, 0x0345, 0x1E9E, 0x0130, 0x00DF),
)


def check(draw: Draw, trial: Trial) -> None:
    """Claim of many texts that each is read, or refused by an error of einsdiff's, at once."""
    for _ in range(STRINGS):
        text = string(draw)
        source = f"ed.parse({text!r}{draw.choice(GIVEN)}{draw.choice(SAID)})"
        trial.ends("parse", source, MOST)
    trial.refused.clear()
