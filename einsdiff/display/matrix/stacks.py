"""Forms of which the entries are known: sums of unit vectors, written out row by row."""

from __future__ import annotations

from einsdiff.algebra.nodes.interning import Number
from einsdiff.display.matrix.forms import Form, number, times, total
from einsdiff.notation.subscripts import Size

#: Rows and columns that are written out, at most.
MOST_STACKED = 4


def stacked(form: Form, rows: Size, columns: Size) -> Form:
    """Write out the entries of a sum of unit vectors, or of products of two.

    Other forms are returned as they are, and such of which more zeros than others would be written.

    >>> from einsdiff.display.matrix.forms import named, unit
    >>> t = named("t", 0)
    >>> write(stacked(total([(1, times(2, [t, unit(1)])), (1, unit(0))]), 2, 1))
    '[1, 2 t]ᵀ'
    """
    if not isinstance(rows, int) or not isinstance(columns, int):
        return form
    if max(rows, columns) > MOST_STACKED or form.op == "number":
        return form
    entries = _entries(form)
    if entries is None or len(entries) < 2 or 2 * len(entries) < rows * columns:
        return form
    args = tuple(entries.get((i, j), number(0)) for i in range(rows) for j in range(columns))
    return Form("stack", args, (rows, columns, form.rank), form.rank)


def tells_size(form: Form, side: int = 0, shows_ones: bool = False) -> bool:
    """Tell whether one sees how many rows a form has, or with side 1 how many columns.

    Of unit vectors alone one does not, and of ones only where their sizes are written.

    >>> from einsdiff.display.matrix.forms import named, unit
    >>> x = named("x", 1)
    >>> (
    ...     tells_size(total([(1, unit(0)), (1, x)])),
    ...     tells_size(total([(1, unit(0)), (2, unit(1))])),
    ... )
    (True, False)
    """
    if form.rank < 2 and side >= form.rank:
        return True

    def tells(arg: Form, side: int = side) -> bool:
        return tells_size(arg, side, shows_ones)

    match form.op:
        case "unit":
            return False
        case "ones":
            return shows_ones and form.value is not None
        case "transpose":
            return tells(form.args[0], 1 - side)
        case "times":
            return tells(form.args[form.value[1]])
        case "chain":
            return tells(form.args[-side])
        case "kron":
            return all(map(tells, form.args))
        case "total" | "hadamard" | "power" | "apply" | "compare" | "abs":
            return any(tells(arg) for arg in form.args if arg.rank)
        case "diag" | "diagonal" | "vec" | "inverse":
            sides = [tells(form.args[0], k) for k in (0, 1)]
            return all(sides) if form.op == "vec" else any(sides[: form.args[0].rank])
    return True


def _entries(form: Form) -> dict[tuple[int, int], Form] | None:
    """Return the entries of a sum of unit vectors by row and column, None if it is no such sum."""
    match form.op:
        case "unit":
            return {(form.value[0], 0): number(1)}
        case "transpose":
            turned = _entries(form.args[0])
            return turned and {(j, i): part for (i, j), part in turned.items()}
        case "times" if form.rank:
            c, n = form.value
            whole = _entries(form.args[n])
            above, below = form.args[:n], form.args[n + 1 :]
            return whole and {at: times(c, [*above, part], below) for at, part in whole.items()}
        case "chain" if len(form.args) == 2 and form.args[0].rank == 1:
            left, right = (_entries(arg) for arg in form.args)
            if left is None or right is None:
                return None
            return {
                (i, j): times(1, [a, b])
                for (i, _), a in left.items()
                for (_, j), b in right.items()
            }
        case "total":
            terms: dict[tuple[int, int], list[tuple[Number, Form]]] = {}
            for sign, arg in zip(form.value, form.args, strict=True):
                parts = _entries(arg)
                if parts is None:
                    return None
                for at, part in parts.items():
                    terms.setdefault(at, []).append((sign, part))
            return {at: total(parts) for at, parts in terms.items()}
    return None
