r"""The `einsdiff` command, a pocket calculator for derivatives of tensor expressions.

>>> main(["ij,j->i", "A", "x", "--wrt", "A"])
∂f_i/∂A_pq = δ_ip x_q
shape: (m, m, n)
0
>>> main(["x_i A_ij y_j", "--wrt", "x", "--matrix", "--latex"])
\frac{\partial f}{\partial x} = y^{\top} A^{\top}
0
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import re
import sys
import warnings
from collections.abc import Mapping, Sequence
from itertools import takewhile
from math import isfinite
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from einsdiff.display.index.index_text import part_name
from einsdiff.errors import EinsdiffError, shape_text
from einsdiff.expressions.evaluation import sizes_of
from einsdiff.expressions.layout import as_matrix
from einsdiff.expressions.made import is_derived
from einsdiff.expressions.notations import TABLES
from einsdiff.expressions.tensor_class import Tensor, tensor
from einsdiff.notation.evidence import NOTATIONS
from einsdiff.notation.lexer import is_index_notation
from einsdiff.notation.subscripts import parse_subscripts
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.operands import Array
from einsdiff.numeric.source.spelling import BACKENDS
from einsdiff.verbs.calculus import parse
from einsdiff.verbs.differentiated import differentiated, read_chosen, read_derived
from einsdiff.verbs.sources.source import Arguments

_EPILOG = """\
examples:
  einsdiff "mp,mq->pq" R R --wrt R
      the formula and the shape of the derivative of K = RᵀR
  einsdiff "f_i = exp(A_ij x_j)" --wrt x
      the same of index notation, which names its operands itself
  einsdiff "A_ij x_j" --wrt A --explain
      the derivation, step by step
  einsdiff "(y_i - A_ij x_j)(y_i - A_ik x_k)" --wrt x --matrix --latex
      the gradient of least squares in matrix notation, as LaTeX
  einsdiff "R_mp R_mq" --wrt R --cases
      the derivative by cases
  einsdiff "x_i A_ij x_j" --wrt x --order 2 --code jax
      a function that computes the Hessian, for NumPy, torch or JAX
  einsdiff "y sin(x + y)" --wrt y --table reverse
      the adjoints of reverse mode
  einsdiff "ij,j->i" A x --wrt A --shapes A=2,3 x=3
      with sizes; --shapes alone shows the table of shapes
  einsdiff "mp,mq->pq" R R --wrt R --data R=table.csv
      the same on real numbers, printed as a matrix
  einsdiff "i,ij,j->" x A x --wrt x --order 2 --data A=A.npy --data x=x.npy --out H.npy
      a Hessian, saved as an array

A .csv file holds numbers parted by commas, one row a line; a first line of words is taken for the
names of the columns, which is said. A single row or column can be a vector.

exit codes: 0 done, 1 the expression or the data are wrong, 2 the command line is wrong
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these words, or those of the process; return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        _make_unicode(stream)
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(_with_values(given))
    try:
        with warnings.catch_warnings():  # what is not a number is printed as such
            warnings.simplefilter("ignore", RuntimeWarning)
            text = _report(_asked(options), options)
    except EinsdiffError as error:
        return _failed(re.sub(r"\b(\w+)=''", r"--shapes \1=", str(error)))
    except (OSError, np.linalg.LinAlgError, _DataError) as error:
        return _failed(str(error))
    except MemoryError:
        return _failed("there is not enough memory")
    except KeyboardInterrupt:
        return _failed("interrupted")
    try:
        print(text, flush=True)
    except BrokenPipeError:  # whoever read the output has seen enough
        _drop_output()
    except OSError as error:
        _drop_output()
        return _failed(str(error))
    return 0


def _failed(message: str) -> int:
    _say(f"einsdiff: {message}")
    return 1


def _say(line: str) -> None:
    """Print what is no result."""
    if sys.stderr is not None:  # else it would be printed as a result
        print(line, file=sys.stderr)


def _drop_output() -> None:
    """Write what is left of the output, which nobody can read, nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _make_unicode(stream: object) -> None:
    """Let a stream print ∂ and δ where the system's encoding could not, and any file's name."""
    if isinstance(stream, io.TextIOWrapper):
        is_unicode = (stream.encoding or "").lower() in _UNICODE
        encoding = stream.encoding if is_unicode else "utf-8"
        stream.reconfigure(encoding=encoding, errors="backslashreplace")


#: Matrices with more entries than this are printed in part.
MOST_PRINTED = 100_000
#: No higher derivatives than these are taken.
MOST_ORDERS = 20

_UNICODE = ("utf-8", "utf8", "utf-16", "utf-32")


#: Options whose value may be left out: what they mean then, and what a value looks like.
_OPTIONAL = {"--explain": ("full", "full|brief"), "--code": ("numpy", "|".join(BACKENDS))}
#: What is taken for sizes: ``A=2,3``. Whether they are is told later.
_SHAPE = re.compile(r"[^\W\d]\w*=[-\d,()]*")
_SIZES = re.compile(r"([^\W\d]\w*)=\(?([0-9]{1,18}(?:,[0-9]{1,18})*)?,?\)?")


def _with_values(arguments: Sequence[str]) -> list[str]:
    """Give options that stand without their value the usual one, so that they may come first."""
    found: list[str] = []
    for k, word in enumerate(arguments):
        if word == "--":  # what follows are no options
            return found + list(arguments[k:])
        if re.match(r"-(?!-|h$|[0-9.]+$).", word):
            word = f" {word}"  # an expression that begins with a minus
        if word in _OPTIONAL:
            usual, pattern = _OPTIONAL[word]
            following = arguments[k + 1] if k + 1 < len(arguments) else ""
            word = word if re.fullmatch(pattern, following) else f"{word}={usual}"
        found.append(word)
        if word == "--shapes":  # takes the sizes that follow it, and no other words
            rest = list(arguments[k + 1 :])
            sizes = list(takewhile(_are_sizes, rest))
            found[-1] = f"--shapes={' '.join(sizes)}"
            return found + _with_values(rest[len(sizes) :])
    return found


def _are_sizes(word: str) -> bool:
    return bool(word.split()) and all(map(_SHAPE.fullmatch, word.split()))


class _Version(argparse.Action):
    """Prints the version, which takes a while to look up."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and stop")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from einsdiff import __version__

        parser.exit(message=f"einsdiff {__version__}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="einsdiff",
        description="Differentiate a tensor expression, an einsum string or index notation.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("expression", help='such as "ij,j->i", "A_ij x_j" or "x\' A x"')
    parser.add_argument(
        "operands", nargs="*", help="a name for each operand of an einsum string; one may repeat"
    )
    what = parser.add_argument_group("what to differentiate")
    what.add_argument("--wrt", metavar="NAME", help="the name, or position from 0, or x_0 or A[0]")
    what.add_argument(
        "--notation", choices=NOTATIONS, help="the one of the expression, where it could be another"
    )
    what.add_argument(
        "--order", type=_count, default=1, metavar="N", help="how often; 0 for the function itself"
    )
    what.add_argument(
        "--shapes",
        metavar="NAME=M,N",
        help="sizes of operands, parted by spaces; without any, show the table of shapes",
    )
    what.add_argument(
        "--data",
        metavar="NAME=FILE",
        action="append",
        default=[],
        help="an operand's numbers, from a .csv or .npy file; repeat for each operand",
    )
    show = parser.add_argument_group("what to show, in place of the formula and the shape")
    show.add_argument("--matrix", action="store_true", help="matrix notation")
    show.add_argument("--einsum", action="store_true", help="einsum strings")
    show.add_argument("--latex", action="store_true", help="all that is shown, as LaTeX")
    show.add_argument(
        "--explain", metavar="full|brief", choices=["full", "brief"], help="the derivation"
    )
    show.add_argument("--cases", action="store_true", help="the derivative by cases")
    show.add_argument("--table", choices=TABLES, help="a table of how it comes about")
    show.add_argument(
        "--code", metavar="|".join(BACKENDS), choices=BACKENDS, help="Python that computes it"
    )
    show.add_argument("--json", action="store_true", help="all of it, for a program to read")
    form = parser.add_argument_group("matrices and files")
    form.add_argument("--layout", choices=["numerator", "denominator"])
    form.add_argument("--vec", choices=["C", "F"], default="C", help="vec order (default: C)")
    form.add_argument("--out", metavar="FILE.npy", type=_file, help="save the tensor here")
    form.add_argument(
        "--diagram", metavar="FILE", type=_file, help="save the tensor network, .svg or .dot"
    )
    form.add_argument("--plot", metavar="FILE", type=_file, help="save a picture of the matrix")
    parser.add_argument("--version", action=_Version)
    return parser


def _asked(options: argparse.Namespace) -> Tensor:
    """Return the derivative that is asked for."""
    options.expression = options.expression.lstrip()
    is_index = options.notation != "einsum" and (
        options.notation is not None
        or is_index_notation(options.expression, bool(options.operands))
    )
    if is_index and options.operands:
        raise _DataError(
            f"this notation names its operands itself, so that there is none to be called "
            f"'{options.operands[0]}'; put the whole expression in quotes, "
            'as in einsdiff "A_ij x_j" --wrt A'
        )
    said = {} if options.notation is None else {"notation": options.notation}
    numbers = re.findall(r"(\w+)=(?=\s|$)", options.shapes or "")
    scalars = {name: () for name in numbers if name in options.expression}
    axes = _axes(options.expression, options.operands, is_index, {**scalars, **said})
    data: dict[str, Array] = {}
    for item in options.data:
        name, array = _data(item, axes)
        if name in data:
            raise _DataError(f"--data {item}: there are numbers for '{name}' already")
        data[name] = array
    shapes = _shapes(options.shapes or "", axes)
    operands = [
        tensor(n, data[n]) if n in data else tensor(n, shapes[n]) if n in shapes else n
        for n in options.operands or axes
    ]
    # A single letter is a name here, and no label.
    given = Arguments(
        options.expression,
        operands,
        None,
        {},
        sys._getframe(),
        notation=options.notation,
        is_formula=is_index,
    )
    if options.order == 0:
        return read_derived(given).tensor
    f, chosen, several = read_chosen(given, _wrt(options.wrt), options.order)
    derivative: Tensor = differentiated(f, chosen, options.order, several)
    return derivative


def _shapes(text: str, axes: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """Read ``A=2,3 x=3``."""
    found = {}
    for item in text.split():
        match = _SIZES.fullmatch(item)
        if match is None:
            raise _DataError(f"--shapes {item}: write sizes as in --shapes A=2,3 x=3")
        name, sizes = match.groups()
        if name not in axes:
            raise _DataError(
                f"--shapes {item}: there is no operand '{name}'; there is {' and '.join(axes)}"
            )
        shape = tuple(map(int, sizes.split(","))) if sizes else ()
        if len(shape) != axes[name]:
            count = "1 axis" if axes[name] == 1 else f"{axes[name]} axes"
            given = "1 size is given" if len(shape) == 1 else f"{len(shape)} sizes are given"
            raise _DataError(f"--shapes {item}: '{name}' has {count}, but {given}")
        if name in found:
            raise _DataError(f"--shapes {item}: there are sizes for '{name}' already")
        found[name] = shape
    return found


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is not a number of differentiations")
    if value > MOST_ORDERS:
        raise argparse.ArgumentTypeError(f"{value} is more than {MOST_ORDERS}")
    return value


def _file(text: str) -> Path:
    path = Path(text)
    if not path.name or "\0" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a file")
    return path


def _wrt(text: str | None) -> Any:
    return int(text) if text is not None and re.fullmatch("-?[0-9]{1,9}", text) else text


class _DataError(Exception):
    """A file of numbers that cannot be read."""


def _axes(
    subscripts: str, operands: Sequence[str], is_index: bool, said: Mapping[str, Any]
) -> dict[str, int]:
    """Count the axes of each operand, which is how a file's numbers are to be arranged."""
    if is_index:
        return {v.name: len(v.shape) for v in parse(subscripts, **said).formula.arguments}
    inputs = parse_subscripts(subscripts).inputs
    return {name: len(labels) for name, labels in zip(operands, inputs, strict=False)}


def _data(item: str, axes: Mapping[str, int]) -> tuple[str, Array]:
    """Read one ``NAME=FILE``."""
    name, sign, file = item.partition("=")
    path = Path(file)
    if not sign or not name:
        raise _DataError(f"--data {item}: write --data NAME=FILE, such as --data R=table.csv")
    if name not in axes:
        there = " or ".join(f"--data {other}=FILE" for other in axes)
        raise _DataError(f"--data {item}: there is no operand '{name}'; write {there}")
    try:
        if path.suffix.lower() == ".npy":
            return name, _read_npy(path)
        if path.suffix.lower() == ".csv":
            table, heads = _read_csv(path, axes[name])
            if heads:
                _say(f"--data {item}: its first line is taken for names: {', '.join(heads)}")
            return name, table
    except (ValueError, EOFError, BadZipFile, csv.Error) as error:
        raise _DataError(f"--data {item}: {error}") from None
    raise _DataError(f"--data {item}: the file is neither .csv nor .npy")


def _read_npy(path: Path) -> Array:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a damaged header can make NumPy raise anything
        raise ValueError(f"NumPy cannot read it: {error}") from None
    if not isinstance(array, np.ndarray):
        raise ValueError("it holds several arrays; save one with np.save")
    if array.dtype.kind not in "biufc":
        raise ValueError(f"its entries are no numbers, but {array.dtype}")
    return array


#: A number as files have it. What `float` takes besides, such as 1_000, is likely to mean another.
_NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity|nan)", re.ASCII | re.I)
#: The name of a column has a letter, and does not look like a number that is written otherwise.
_HEAD = re.compile(r"[^\W\d_].*|_\w*[^\W\d].*", re.S)


def _read_csv(path: Path, axes: int) -> tuple[Array, list[str]]:
    """Read rows of numbers, and the names of their columns if there are any.

    Those of one row or one column are a vector where one is wanted.
    """
    rows: list[list[float]] = []
    heads: list[str] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, skipinitialspace=True, strict=True)
        for line in reader:
            entries = [entry.strip() for entry in line]
            if len(entries) < 2 and not any(entries):
                continue
            if not rows and not heads and _are_heads(entries):
                heads = entries
                continue
            for k, entry in enumerate(entries, start=1):
                if not _NUMBER.fullmatch(entry):
                    raise ValueError(f"line {reader.line_num}, entry {k}: {_no_number(entry)}")
            rows.append(list(map(float, entries)))
    if not rows:
        raise ValueError("it holds no row of numbers")
    if len({len(row) for row in rows}) > 1:
        raise ValueError("its rows differ in length")
    table = np.array(rows)
    if axes < 2 and table.size == max(table.shape, default=0):
        return table.reshape((-1,) * axes), heads
    return table, heads


def _are_heads(entries: Sequence[str]) -> bool:
    """Tell whether a line is one of names; some may be left out, and none is a number."""
    found = [entry for entry in entries if entry]
    return all(_HEAD.fullmatch(entry) and not _NUMBER.fullmatch(entry) for entry in found)


def _no_number(entry: str) -> str:
    """Say that an entry is no number, and how to write it if it seems to be meant as one."""
    said = f"{entry!r} is not a number"
    plain = entry.replace("\N{MINUS SIGN}", "-").replace("_", "")
    if _NUMBER.fullmatch(plain):
        return f"{said}; write {plain}"
    for sign in ";\t ":
        if sign in entry and _NUMBER.fullmatch(entry.split(sign)[0]):
            return f"{said}; part numbers by commas"
    return said


def _report(result: Tensor, options: argparse.Namespace) -> str:
    """Save what is to be saved, and return what is to be printed."""
    missing = sorted(result.formula.required - result.values.keys())
    if (options.out or options.data) and missing and not options.explain:
        raise _DataError(f"there are no numbers for '{missing[0]}'; add --data {missing[0]}=FILE")
    sizes = sizes_of(result.formula, result.values)
    has_values = not missing and result.formula.named_sizes <= sizes.keys()
    said = []
    if options.json:
        data = _as_data(result, options, has_values)
        said.append(json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False))
    else:
        shown, is_alone = _shown(result, options), False
        if not shown:
            is_matrix = result.formula.notation == "matrix"
            equation = str(result) if is_matrix else repr(result)
            shown = [f"{equation}\nshape: {shape_text(result.shape)}"]
            is_alone = True
        said.append("\n\n".join(shown))
        if options.data and not missing and (is_alone or options.matrix):
            said += _matrix(result, options)
    saved = _save(result, options)
    if options.json:
        for line in saved:
            _say(line)
    else:
        said += saved
    return "\n".join(said)


def _save(result: Tensor, options: argparse.Namespace) -> list[str]:
    """Save arrays and pictures, and say where."""
    saved = []
    if options.out is not None:
        path = options.out
        # A name without its ending gets it, but not that of a device or a pipe.
        if path.suffix != ".npy" and (path.is_file() or not path.exists()):
            path = Path(f"{path}.npy")
        values = result.dense()
        with path.open("wb") as file:
            np.save(file, values)
        saved.append(path)
    if options.diagram is not None:
        result.diagram().save(options.diagram)
        saved.append(options.diagram)
    if options.plot is not None:
        picture = result.plot(layout=options.layout or "numerator", order=options.vec)
        try:
            picture.savefig(options.plot)
        except ValueError as error:  # a kind of file that matplotlib does not write
            raise _DataError(f"--plot {options.plot}: {error}") from None
        saved.append(options.plot)
    return [f"saved: {path}" for path in saved]


def _shown(result: Tensor, options: argparse.Namespace) -> list[str]:
    """Write what is asked for, one text for each option."""
    latex = options.latex
    form = {"layout": options.layout, "order": options.vec}
    shown = []
    if options.matrix:
        shown.append(result.latex("matrix", **form) if latex else result.format("matrix", **form))
    if options.einsum:
        shown.append(result.format("einsum"))
    if options.shapes == "" and options.order:
        shown.append(_written(result.table("shapes"), latex))
    if options.explain:
        shown.append(_written(result.explain(options.explain), latex))
    if options.cases:
        shown.append(_written(result.cases(), latex))
    if options.table:
        shown.append(_written(result.table(options.table), latex))
    if options.code:
        shown.append(result.code(options.code, **form).rstrip())
    if latex and not shown:
        shown.append(result.latex())
    return shown


def _written(part: Any, latex: bool) -> str:
    return str(part.latex() if latex else part)


def _matrix(result: Tensor, options: argparse.Namespace) -> list[str]:
    """Write the values as a matrix."""
    layout = options.layout or "numerator"
    matrix = as_matrix(result.dense(), result.domain, layout, options.vec)
    said = [
        f"matrix ({layout} layout, vec order {options.vec}):",
        np.array2string(matrix, max_line_width=80, threshold=MOST_PRINTED),
    ]
    if matrix.size > MOST_PRINTED:
        said.append(f"(of {matrix.size} entries only some are shown; --out saves them all)")
    return said


def _as_data(result: Tensor, options: argparse.Namespace, has_values: bool) -> dict[str, Any]:
    """Collect everything for a program to read."""
    form = {"layout": options.layout, "order": options.vec}
    formula = result.formula
    data: dict[str, Any] = {
        "expression": options.expression,
        "wrt": part_name(*formula.heading.wrt[-1]) if is_derived(formula) else None,
        "order": options.order,
        "shape": list(result.shape),
        "domain": result.domain,
        "index": result.format("index"),
        "matrix": result.format("matrix", **form),
        "einsum": result.format("einsum"),
        "latex": {"index": result.latex("index"), "matrix": result.latex("matrix", **form)},
        "layout": options.layout or "numerator",
        "vec": options.vec,
    }
    if options.explain:
        fields = ("rule", "left", "before", "after", "sentence")
        steps = result.explain(options.explain)
        data["explain"] = [{name: getattr(step, name) for name in fields} for step in steps]
    if options.cases:
        data["cases"] = [{"value": c.value, "condition": c.condition} for c in result.cases()]
    if options.table:
        data["table"] = str(result.table(options.table))
    if options.code:
        data["code"] = result.code(options.code, **form)
    if has_values:
        values = result.dense()
        data["values"] = _nested(values)
        layout = options.layout or "numerator"
        data["values_as_matrix"] = _nested(as_matrix(values, result.domain, layout, options.vec))
    return data


def _nested(values: Any) -> Any:
    """Write an array as nested lists of what JSON knows."""
    if np.iscomplexobj(values):
        values = np.stack([values.real, values.imag], -1)

    def entry(value: Any) -> Any:
        if isinstance(value, list):
            return [entry(part) for part in value]
        return value if not isinstance(value, float) or isfinite(value) else str(value)

    return entry(np.asarray(values).tolist())
