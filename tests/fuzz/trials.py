"""An example under test: the lines that build it, what is claimed of it, and how it failed.

What einsdiff is asked to do is Python text, run here line by line. A disagreement therefore knows
the program that shows it: the lines so far, the line in question, and what was expected.
"""

from __future__ import annotations

import re
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

import einsdiff as ed

IMPORTS = ("import numpy as np", "import einsdiff as ed")
PACKAGE = Path(ed.__file__).parent
#: Here einsdiff reads what it has written itself.
OWN_TEXT = ("display", "read back")
LOST = getattr(ed, "LostDependenceWarning", None)
#: Of larger arrays a reproducer shows the entry that is furthest off.
MOST_SHOWN = 40
#: Seconds of the processor for anything displayed: a second is the aim, busy machines take more.
DISPLAY = 3.0


class RefusedError(Exception):
    """The library said that it does not do this, which is allowed."""


class BrokenError(Exception):
    """The example cannot go on after a disagreement that has been noted."""


class HangError(BaseException):
    """The example took too long; no `except Exception` on the way keeps it."""


@dataclass
class Disagreement:
    """What went wrong: of which kind, and a program that shows it."""

    kind: str
    reproducer: str


@dataclass
class Trial:
    """One example.

    Attributes
    ----------
    lines
        What was done so far, a program.
    space
        Its variables.
    found
        The disagreements.
    refused
        Why claims could not be looked at.
    asked
        What einsdiff is doing now, empty while an oracle is at work.
    """

    lines: list[str] = field(default_factory=lambda: list(IMPORTS))
    space: dict[str, Any] = field(default_factory=lambda: {"np": np, "ed": ed})
    found: list[Disagreement] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    asked: str = ""

    # --- what is done -------------------------------------------------------------------------

    def do(self, *lines: str) -> None:
        """Run lines of Python, which the rest of the example needs."""
        for line in lines:
            self._guarded(line, partial(exec, line, self.space))
            self.lines.append(line)

    def get(self, source: str) -> Any:
        """Evaluate an expression that the rest of the example needs."""
        return self._guarded(source, partial(eval, source, self.space))

    def numbers(self, name: str) -> str:
        """Write how the tensor of a name becomes numbers, with arrays from `given` if need be."""
        t = self.space[name]
        if not isinstance(t, ed.Tensor):  # such as np.array([x[0], x[1]]) of tensors with values
            raise RefusedError("numbers in place of a tensor")
        missing = [n for n in t.names if n not in t.values]
        if missing and not set(missing) <= self.space.get("given", {}).keys():
            # Such as those of [r ≥ j], which are labels only where an operand has them.
            raise RefusedError(f"read as operands: {', '.join(missing)}")
        if not missing:
            return f"np.asarray({name})"
        return f"{name}(**{{n: given[n] for n in {name}.names}})"

    # --- what is claimed ----------------------------------------------------------------------

    def agrees(
        self,
        kind: str,
        source: str,
        expected: Any,
        tolerance: float = 1e-8,
        doubt: Any = 0.0,
        dtype: bool = False,
    ) -> None:
        """Claim what an expression gives.

        Parameters
        ----------
        kind
            What is compared, for the summary.
        source
            An expression.
        expected
            What an oracle says. Where it is not finite nothing is claimed.
        tolerance
            Relative to the largest of the expected numbers, or absolute if they are below 1.
        doubt
            How far the oracle may be off itself.
        dtype
            Whether the dtype is claimed, too.
        """
        ran, found = self._tried(source, kind)
        if not ran:
            return
        found, expected = np.asarray(found), np.asarray(expected)
        if found.dtype == object:
            self._note(f"{kind}: no numbers", [f"print(repr({source}))  # {found!r:.80}"])
            return
        if found.shape != expected.shape:
            claim = f"assert np.shape({source}) == {expected.shape}"
            self._note(f"{kind}: shape", [f"{claim}  # it is {found.shape}"])
            return
        if dtype and found.dtype != expected.dtype:
            claim = f"assert ({source}).dtype == {str(expected.dtype)!r}"
            self._note(f"{kind}: dtype", [f"{claim}  # it is {found.dtype}"])
            return
        with np.errstate(all="ignore"):
            told = np.isfinite(expected) & np.isfinite(doubt)
            size = max(1.0, float(np.max(np.abs(expected[told]), initial=0)))
            allowed = tolerance * size + 10 * np.asarray(doubt)
            told = told & (allowed < 1e-2 * size)
            off = np.abs(np.subtract(found, expected, dtype=np.result_type(found, expected, 1.0)))
            wrong = told & ~(off <= allowed)
        if np.any(wrong):
            worst = np.unravel_index(
                np.argmax(np.where(wrong, np.nan_to_num(off, nan=1e300), -1)), off.shape
            )
            self._note(kind, self._claim(source, found, expected, worst, float(np.max(allowed))))

    def holds(self, kind: str, source: str) -> None:
        """Claim that an expression is true."""
        ran, found = self._tried(source, kind)
        if ran and not found:
            self._note(kind, [f"assert {source}"])

    def ends(self, kind: str, source: str, most: float = DISPLAY) -> bool:
        """Claim, and tell, that an expression is evaluated or refused in time."""
        start = process_time()
        self._tried(source, kind)
        took = process_time() - start
        if took > most:
            self._note(f"{kind}: slow", [f"{source}  # takes {took:.1f} s"])
        return took <= most

    # --- how it goes wrong --------------------------------------------------------------------

    def hangs(self, what: str) -> None:
        """Note that what is being done does not end."""
        self._note(f"{what} in {_verb(self.asked)}", [f"{self.asked}  # {what}"])

    def fails(self, error: Exception) -> None:
        """Note that the fuzzer itself met what it did not expect."""
        trace = "".join(traceback.format_exception(error)).replace("\n", "\n# ")
        self._note(f"the fuzzer: {_where(error)}", [f"# {trace}"])

    def _tried(self, source: str, kind: str) -> tuple[bool, Any]:
        """Evaluate what the rest does not need; tell whether there is a value."""
        try:
            return True, self._guarded(source, partial(eval, source, self.space), kind)
        except RefusedError as error:
            self.refused.append(f"{kind}: {error}")
            if kind.startswith(OWN_TEXT) and "SubscriptsError" in str(error):
                self._note(f"{kind}: not read", [source, f"# {error}"])
        except BrokenError:
            pass
        return False, None

    def _guarded(self, source: str, run: Callable[[], Any], kind: str = "") -> Any:
        """Run something of einsdiff's; `asked` says what, and still does after a `HangError`."""
        self.asked = source
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                if LOST is not None:  # saying that something is lost is a refusal
                    warnings.simplefilter("error", LOST)
                result = run()
        except Exception as error:
            self.asked = ""
            # NumPy replaces what an entry says when it is assigned by an error of its own.
            for said in (error, error.__cause__):
                if isinstance(said, (ed.EinsdiffError, np.linalg.LinAlgError, Warning)):
                    raise RefusedError(reason(said)) from error
            message = " ".join(str(error).split())[:100]
            comment = f"# {type(error).__name__}: {message}"
            self._note(f"{kind or _verb(source)}: {_where(error)}", [source, comment])
            raise BrokenError from error
        self.asked = ""
        return result

    def _claim(
        self, source: str, found: Any, expected: Any, worst: tuple[Any, ...], allowed: float
    ) -> list[str]:
        at = tuple(int(k) for k in worst)
        if expected.size > MOST_SHOWN:
            source = f"({source})[{', '.join(map(str, at))}]"
            found, expected = found[at], expected[at]
        lines = [f"found = {source}", f"expected = np.array({expected.tolist()})"]
        lines.append(f"assert np.allclose(found, expected, rtol=0, atol={allowed:.1e}), found")
        return [*lines, f"# found: {np.asarray(found).tolist()}"]

    def _note(self, kind: str, lines: list[str]) -> None:
        if kind not in [disagreement.kind for disagreement in self.found]:
            program = [*needed(self.lines, "\n".join(lines)), *lines]
            self.found.append(Disagreement(kind, "\n".join(program)))


def needed(lines: Sequence[str], end: str) -> list[str]:
    """Leave out the lines that make what is not used behind them.

    >>> needed(["import numpy as np", "x = 1", "y = 2", "f = x"], "print(f)")
    ['import numpy as np', 'x = 1', 'f = x']
    """
    kept: list[str] = []
    used = set(re.findall(r"\w+", end))
    for line in reversed(lines):
        makes = re.match(r"(?:def )?(\w+)(?: = |\()", line)
        if makes is None or makes[1] in used:
            kept.append(line)
            if makes is not None:
                used.discard(makes[1])  # what was called so before is another thing
            used |= set(re.findall(r"\w+", line[makes.end() :] if makes else line))
    return kept[::-1]


def reason(error: BaseException) -> str:
    """Say why something was refused, without what is particular to the example.

    >>> reason(ValueError("label 'j' has size 3 in x but 4\\n\\n  write another"))
    "ValueError: label '..' has size # in x but #"
    """
    headline = (str(error).splitlines() or [""])[0]
    headline = re.sub(r"'[^']*'", "'..'", headline)
    return f"{type(error).__name__}: {re.sub(r'[0-9]+', '#', headline)[:70]}"


def _verb(source: str) -> str:
    """Name what a line does: `code` of `J.code('numpy')`, `simplify` of `g = ed.simplify(f)`."""
    match = re.search(r"\bed\.(\w+)\(|\.([a-z]\w+)\(", source)
    return next(filter(None, match.groups())) if match else "evaluation"


def _where(error: BaseException) -> str:
    """Name an exception and the place in the library, or the last place, that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if Path(frame.filename).is_relative_to(PACKAGE)]
    frame = (inside or frames)[-1]
    path = Path(frame.filename)
    name = path.relative_to(PACKAGE) if inside else path.name
    return f"{type(error).__name__} in {name}, {frame.name}"
