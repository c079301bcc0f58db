"""The `einsdiff` command: the formula, the shape and, with data, the numbers of a derivative.

>>> main(["ij,j->i", "A", "x", "--wrt", "A"])
∂f_i/∂A_pq = δ_ip x_q
shape: (m, m, n)
0
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from einsdiff.calculus import grad, parse
from einsdiff.errors import EinsdiffError, shape_text
from einsdiff.layout import as_matrix
from einsdiff.notation.index import is_index_notation
from einsdiff.notation.subscripts import parse_subscripts
from einsdiff.numeric.arrays import Array
from einsdiff.tensor import Tensor, tensor

__all__ = ["main"]

_EPILOG = """\
examples:
  einsdiff "mp,mq->pq" R R --wrt R
      the formula and the shape of the derivative of K = RᵀR
  einsdiff "f_i = exp(A_ij x_j)" --wrt x
      the same of index notation, which names its operands itself
  einsdiff "mp,mq->pq" R R --wrt R --data R=table.csv
      the same on real numbers, printed as a matrix
  einsdiff "i,ij,j->" x A x --wrt x --order 2 --data A=A.npy --data x=x.npy --out H.npy
      a Hessian, saved as an array

A .csv file holds numbers parted by commas, one row a line; a first line without any number is
taken as the names of the columns. A single row or column can be a vector.

exit codes: 0 done, 1 the expression or the data are wrong, 2 the command line is wrong
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments
        The words after the command's name; those of the process if left out.

    Returns
    -------
    int
        The exit code: 0, or 1 after an error in the expression or the data, printed on stderr.
    """
    for stream in (sys.stdout, sys.stderr):
        _make_unicode(stream)
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        axes = _axes(options.subscripts, options.operands)
        data: dict[str, Array] = {}
        for item in options.data:
            name, array = _data(item, axes)
            if name in data:
                raise _DataError(f"--data {item}: there are numbers for '{name}' already")
            data[name] = array
        derivative: Tensor = grad(
            options.subscripts,
            *[tensor(n, data[n]) if n in data else n for n in options.operands or axes],
            wrt=_wrt(options.wrt),
            order=options.order,
        )
        _report(derivative, options)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (EinsdiffError, OSError, _DataError) as error:
        print(f"einsdiff: {error}", file=sys.stderr)
        return 1
    return 0


def _make_unicode(stream: object) -> None:
    """Let a stream print ∂ and δ where the system's encoding could not."""
    if isinstance(stream, io.TextIOWrapper) and (stream.encoding or "").lower() not in _UNICODE:
        stream.reconfigure(encoding="utf-8")


#: Matrices with more entries than this are printed in part.
MOST_PRINTED = 100_000

_UNICODE = ("utf-8", "utf8", "utf-16", "utf-32")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="einsdiff",
        description="Differentiate a tensor expression, an einsum string or index notation.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("subscripts", help='such as "ij,j->i" or "A_ij x_j"')
    parser.add_argument(
        "operands", nargs="*", help="a name for each operand of an einsum string; one may repeat"
    )
    parser.add_argument("--wrt", help="the name, or position from 0, to differentiate by")
    parser.add_argument("--order", type=_positive, default=1, help="how often (default: 1)")
    parser.add_argument(
        "--data",
        metavar="NAME=FILE",
        action="append",
        default=[],
        help="an operand's numbers, from a .csv or .npy file; repeat for each operand",
    )
    parser.add_argument("--layout", choices=["numerator", "denominator"], default="numerator")
    parser.add_argument("--vec", choices=["C", "F"], default="C", help="vec order (default: C)")
    parser.add_argument("--out", metavar="FILE.npy", type=Path, help="save the tensor here")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not a number of differentiations")
    return value


def _wrt(text: str | None) -> Any:
    return int(text) if text is not None and text.removeprefix("-").isdigit() else text


class _DataError(Exception):
    """A file of numbers that cannot be read."""


def _axes(subscripts: str, operands: Sequence[str]) -> dict[str, int]:
    """Count the labels of each operand, which is how a file's numbers are to be arranged."""
    if is_index_notation(subscripts, bool(operands)):
        variables = parse(subscripts, *operands).formula.arguments
        return {v.name: len(v.shape) for v in variables if v.derivative is None}
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
        if path.suffix == ".npy":
            return name, np.load(path, allow_pickle=False)
        if path.suffix == ".csv":
            return name, _read_csv(path, axes[name])
    except ValueError as error:
        raise _DataError(f"--data {item}: {error}") from None
    raise _DataError(f"--data {item}: the file is neither .csv nor .npy")


def _read_csv(path: Path, axes: int) -> Array:
    """Read rows of numbers; those of one row or one column are a vector where one is wanted."""
    rows: list[list[float]] = []
    first = True
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        entries = [_number(entry) for entry in line.split(",")]
        wrong = [k for k, entry in enumerate(entries) if entry is None]
        if first and len(wrong) == len(entries):
            first = False  # the names of the columns
            continue
        if wrong:
            entry = line.split(",")[wrong[0]].strip()
            raise ValueError(f"line {number}, entry {wrong[0] + 1}: {entry!r} is not a number")
        rows.append([entry for entry in entries if entry is not None])
        first = False
    if not rows:
        raise ValueError("it holds no row of numbers")
    if len({len(row) for row in rows}) > 1:
        raise ValueError("its rows differ in length")
    table = np.array(rows)
    if axes < 2 and table.size == max(table.shape, default=0):
        return table.reshape((-1,) * axes)
    return table


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _report(derivative: Tensor, options: argparse.Namespace) -> None:
    print(derivative)
    print(f"shape: {shape_text(derivative.shape)}")
    if options.out is None and not options.data:
        return
    missing = sorted(derivative.formula.required - derivative.values.keys())
    if missing:
        raise _DataError(f"there are no numbers for '{missing[0]}'; add --data {missing[0]}=FILE")
    values = derivative.dense()
    if options.data:
        matrix = as_matrix(values, derivative.domain, options.layout, options.vec)
        print(f"matrix ({options.layout} layout, vec order {options.vec}):")
        print(np.array2string(matrix, max_line_width=80, threshold=MOST_PRINTED))
        if matrix.size > MOST_PRINTED:
            print(f"(of {matrix.size} entries only some are shown; --out saves them all)")
    if options.out is not None:
        path = options.out if options.out.suffix == ".npy" else Path(f"{options.out}.npy")
        np.save(path, values)
        print(f"saved: {path}")
