"""Formulas as HTML that needs no JavaScript: indices below the line, powers above it.

>>> formula_html("∂f_i/∂A_pq = δ_ip x_q")
'∂<i>f</i><sub><i>i</i></sub>/∂<i>A</i><sub><i>pq</i></sub> = ...'
"""

from __future__ import annotations

import re
from html import escape

from einsdiff.algebra.nodes.function_records import FAMILIES, FUNCTIONS

_TOKENS = re.compile(
    r"(?P<word>[^\W\d_](?:[^\W\d_]|[\u0300-\u036f])*)(?P<digits>\d*)(?![^\W_])"
    r"(?:_(?P<sub>\{[^{}]*\}|[^\W_]+))?"
    r"|_(?P<below>\{[^{}]*\}|[^\W_]+)|\^(?P<sup>\([^()]*\)|-?[\d.]+|\w)|(?P<other>.)",
    re.DOTALL,
)


#: Words of matrix notation.
_UPRIGHT = ("vec", "diag", "tr")


def formula_html(text: str, is_prose: bool = False) -> str:
    """Write index notation in HTML, with indices below the line and powers above it.

    >>> formula_html("v1_ij x^2 < 1")
    '<i>v</i><sub>1,<i>ij</i></sub> <i>x</i><sup>2</sup> &lt; 1'

    Prose has words in it, which are upright.
    """

    def slanted(indices: str) -> str:
        parts = re.split(r"([^\W\d_]+)", indices[1:-1] if indices[0] == "{" else indices)
        return "".join(f"<i>{p}</i>" if k % 2 else escape(p) for k, p in enumerate(parts))

    def shown(match: re.Match[str]) -> str:
        word, digits, sub = match["word"], match["digits"], match["sub"] or match["below"]
        if match["sup"] is not None:
            return f"<sup>{escape(match['sup'].strip('()'))}</sup>"
        if match["other"] is not None:
            return escape(match["other"])
        below = ",".join([*([digits] if digits else []), *([slanted(sub)] if sub else [])])
        below = f"<sub>{below}</sub>" if below else ""
        if word is None:
            return below
        is_upright = word in FUNCTIONS or word in FAMILIES or word in _UPRIGHT
        is_upright |= is_prose and len(word) > 1 and not below
        return f"{escape(word) if is_upright else f'<i>{escape(word)}</i>'}{below}"

    return _TOKENS.sub(shown, text)
