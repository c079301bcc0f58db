r"""Pictures of tensors: where a derivative can be other than zero, and its tensor network.

The matrix of :math:`\partial f_i/\partial A_{pq} = \delta_{ip} x_q` has rows i and columns (p, q).
That only the entries with :math:`i = p` can be other than zero is known from the delta, before
there is a number: the picture colours these entries, or shows their values where there are some.

>>> import einsdiff as ed
>>> J = ed.grad("ij,j->i", "A", "x", wrt="A")
>>> figure = J.plot(sizes={"m": 3, "n": 4})
>>> J.diagram()
<Diagram: f_i = A_ij x_j; ∂f_i/∂A_pq = δ_ip x_q>
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from math import ceil, prod
from typing import Any, Literal

from einsdiff.algebra.derivatives.placing import placed
from einsdiff.display.network.palette import broken
from einsdiff.errors import OperandError, SizeError, shape_text
from einsdiff.expressions.cores import evaluate_cores
from einsdiff.expressions.evaluation import sizes_of
from einsdiff.expressions.formula import Formula
from einsdiff.expressions.layout import Layout, VecOrder, check_layout
from einsdiff.notation.subscripts import is_index
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.library import known_values
from einsdiff.numeric.libraries.operands import Array
from einsdiff.numeric.planning.plan import plan
from einsdiff.numeric.sparse import entries, positions

Kind = Literal["matrix", "stack"]

#: A side of a matrix with more entries than this is thinned: a cell stands for several of them.
MOST_CELLS = 400
#: So many entries that can be other than zero are looked at, at most.
MOST_ENTRIES = 4_000_000
#: Up to so many rows and columns, each has a line and a label.
MOST_LABELLED = 40
#: So many blocks of an axis, at most, have lines between them.
MOST_BLOCKS = 110
#: Lines of the formula above a picture.
MOST_LINES = 2
#: So many slices of a stack are drawn.
MOST_SLICES = 12
#: Stand-ins for sizes that are names only, all different.
STAND_INS = (3, 4, 5, 2, 6, 7)

#: From negative over zero to positive: blue, grey and orange, which everyone tells apart. Zero is
#: no white, so that an entry whose value is zero is not taken for one that cannot be another.
DIVERGING = ("#0b3c7d", "#5b8ec4", "#d9d9d9", "#e08a4a", "#8a3200")
STRUCTURE = "#2a6fb0"
INK, FAINT = "#1a1a1a", "#9a9a9a"


def plot(
    formula: Formula,
    values: Mapping[str, Array],
    layout: Layout,
    order: VecOrder,
    ax: Any,
    kind: Kind | None,
    sizes: Mapping[str, int],
) -> Any:
    """Draw a tensor with matplotlib; see `einsdiff.Tensor.plot`."""
    check_layout(layout, order)
    rank = len(formula.expr.shape)
    if kind not in (None, "matrix", "stack"):
        raise OperandError(
            f"kind={kind!r} is no kind of picture", action="write 'matrix' or 'stack'"
        )
    if kind == "stack" and rank != 3:
        raise OperandError(
            f"a stack of matrices has three axes, and this tensor has {rank}",
            text=formula.text,
            action="leave kind='stack' out: the matrix shows the blocks of all axes",
        )
    matplotlib = _matplotlib()
    found = _entries(formula, values, sizes)
    is_stack = rank == 3 if kind is None else kind == "stack"
    picture = _stack(formula, found) if is_stack else _matrix(formula, found, layout, order)
    if ax is None:
        figure = _figure_class()(figsize=picture.inches, layout="constrained", dpi=110)
        figure.get_layout_engine().set(w_pad=0.15, h_pad=0.15)
        ax = figure.add_subplot(anchor="W")
    _draw(picture, ax, matplotlib)
    return ax.figure


# --- matplotlib -------------------------------------------------------------------------------


def _matplotlib() -> Any:
    """Import matplotlib, which need not be installed."""
    try:
        matplotlib = import_module("matplotlib")
        for name in ("colors", "figure", "patches"):
            import_module(f"matplotlib.{name}")
    except ImportError:
        raise OperandError(
            "plot() needs Matplotlib", action='pip install "einsdiff[plot]"'
        ) from None
    return matplotlib


@cache
def _figure_class() -> type[Any]:
    """Return a class of figures that show themselves, with and without pyplot."""
    base: Any = import_module("matplotlib.figure").Figure

    class Picture(base):  # type: ignore[misc]
        def _repr_png_(self) -> bytes:
            stream = import_module("io").BytesIO()
            self.savefig(stream, format="png")
            return bytes(stream.getvalue())

    return Picture


# --- entries ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Entries:
    """The entries of a tensor that can be other than zero."""

    shape: tuple[int, ...]
    index: tuple[Array, ...]  # for each axis the indices of these entries
    #: Their values, of complex numbers the absolute ones; None where some variable has none.
    values: Array | None
    is_complex: bool
    sizes: Mapping[str, int]  # the sizes that are names, and the numbers that were given for them
    stand_ins: Mapping[str, int]  # those that were not given, and what stands for them here


def _entries(formula: Formula, values: Mapping[str, Array], sizes: Mapping[str, int]) -> _Entries:
    """Find the entries that can be other than zero, from the plan."""
    told = sizes_of(formula, values)
    names = sorted(formula.named_sizes - told.keys())
    for name, n in sizes.items():
        if name not in names or not is_index(n) or n < 0:
            raise OperandError(
                f"sizes={{{name!r}: {n!r}}} is no size that is needed here",
                text=formula.text,
                action=f"give whole numbers from 0 for {', '.join(names)}"
                if names
                else "leave sizes= out: all sizes are known",
            )
    unknown = [name for name in names if name not in sizes]
    free = [n for n in STAND_INS if n not in sizes.values()] or STAND_INS
    stand_ins = {name: free[k % len(free)] for k, name in enumerate(unknown)}
    known = {**told, **sizes, **stand_ins}
    shape = tuple(known[s] if isinstance(s, str) else s for s in formula.expr.shape)
    node = placed(formula.expr, formula.domain or 0)
    cores = plan([node], known, in_cores=True).cores[0]
    count = sum(prod(core.window.shape) for core in cores)
    if count > MOST_ENTRIES:
        raise SizeError(
            f"{count:,} entries of this tensor of shape {shape_text(shape)} can be other than "
            f"zero, and a picture shows at most {MOST_ENTRIES:,}",
            text=formula.text,
            action="plot it for smaller arrays, or without arrays and with sizes={..}: "
            "the pattern is the same",
        )
    found = None
    arrays = known_values(values)
    if not names and formula.required <= arrays.keys():
        made = evaluate_cores(formula, arrays)
        cores = made.places
        parts = [entries(c, a) for c, a in zip(cores, made.arrays, strict=True)]
        found = np.concatenate([np.zeros(0), *parts])
    flat = np.concatenate([np.zeros(0, np.int64), *(positions(c.window) for c in cores)])
    flat, inverse = np.unique(flat, return_inverse=True)
    is_complex = found is not None and found.dtype.kind == "c"
    if found is not None:  # what several cores write to one entry is added
        real, imaginary = (np.bincount(inverse, x, len(flat)) for x in (found.real, found.imag))
        found = np.hypot(real, imaginary) if is_complex else real
    index = np.unravel_index(flat, shape) if shape else ()
    return _Entries(shape, tuple(index), found, is_complex, sizes, stand_ins)


# --- the sides of a matrix --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Side:
    """The rows or the columns of a matrix: axes that become one."""

    axes: tuple[int, ...]  # the axes of the tensor, the slowest first
    letters: tuple[str, ...]
    sizes: tuple[int, ...]
    cell: int  # how many entries a cell stands for

    @property
    def count(self) -> int:
        """The number of entries."""
        return prod(self.sizes)

    @property
    def cells(self) -> int:
        """The number of cells."""
        return ceil(self.count / self.cell)

    def at(self, index: Sequence[Array], like: Array) -> Array:
        """Return the cells that entries are in."""
        total = np.zeros(like.shape, np.int64)
        for axis, size in zip(self.axes, self.sizes, strict=True):
            total = total * size + index[axis]
        return total // self.cell

    def in_order(self, items: Sequence[Any]) -> list[Any]:
        """Return what belongs to the axes in the tensor's order."""
        return [item for _, item in sorted(zip(self.axes, items, strict=True))]

    @property
    def name(self) -> str:
        """The letters: ``i``, or ``(p, q)``."""
        names = ", ".join(self.in_order(self.letters))
        return f"({names})" if len(self.letters) > 1 else names

    def label(self, position: int) -> str:
        """Write the indices at a position: ``0,2``."""
        index = np.unravel_index(position, self.sizes) if self.sizes else ()
        return ",".join(map(str, self.in_order(index)))

    def lines(self) -> list[tuple[list[int], int]]:
        """List where blocks end, for each axis that has room for lines, the slowest first.

        With them comes how slow the axis is: 0 for lines between single entries.
        """
        found = []
        block = self.count
        sizes = [size for size in self.sizes if size != 1]
        for k, size in enumerate(sizes):
            block //= max(size, 1)
            speed = len(sizes) - 1 - k
            most = MOST_LABELLED if speed == 0 else MOST_BLOCKS
            if block and self.count // block <= most:
                found.append((list(range(block, self.count, block)), speed))
        return found

    def ticks(self) -> tuple[list[float], list[str]]:
        """Choose places to label, and their labels: every entry, every block, or some of them."""
        if self.count <= MOST_LABELLED:
            return [k + 0.5 for k in range(self.count)], list(map(self.label, range(self.count)))
        slowest = self.sizes[0]
        block = self.count // slowest
        if 1 < slowest <= MOST_LABELLED // 2 < MOST_LABELLED < self.count and block > 1:
            texts = [f"{self.letters[0]} = {k}" for k in range(slowest)]
            return [(k + 0.5) * block for k in range(slowest)], texts
        step = _round_step(slowest / 8) * block if slowest > 1 else _round_step(self.count / 8)
        chosen = range(0, self.count, step)
        return [k + 0.5 for k in chosen], list(map(self.label, chosen))


def _round_step(step: float) -> int:
    """Return a round number that is not below a step.

    >>> _round_step(0.3), _round_step(6.2), _round_step(123)
    (1, 10, 200)
    """
    power: int = 10 ** (len(str(int(step))) - 1)
    return min(c * power for c in (1, 2, 5, 10) if c * power >= step)


def _side(letters: Sequence[str], shape: Sequence[int], axes: Sequence[int], order: str) -> _Side:
    slowest = tuple(axes) if order == "C" else tuple(axes)[::-1]
    sizes = tuple(shape[k] for k in slowest)
    cell = max(ceil(prod(sizes) / MOST_CELLS), 1)
    return _Side(slowest, tuple(letters[k] for k in slowest), sizes, cell)


def _grid(found: _Entries, rows: _Side, columns: _Side, chosen: Array | None = None) -> Array:
    """Lay entries out in cells: in each its value of the largest magnitude, NaN without any."""
    like = np.zeros(len(found.index[0]) if found.index else 1)
    values = np.ones(len(like)) if found.values is None else found.values
    if not found.index:  # a number
        values = values[:1] if len(values) else np.full(1, np.nan)
    at = rows.at(found.index, like) * max(columns.cells, 1) + columns.at(found.index, like)
    if chosen is not None:
        at, values = at[chosen], values[chosen]
    grid = np.full(rows.cells * columns.cells, np.nan)
    order = np.argsort(np.nan_to_num(np.abs(values), nan=np.inf), kind="stable")
    # Of several entries the last one stays, which is the largest; what is no number is infinite.
    grid[at[order]] = np.where(np.isnan(values), np.inf, values)[order]
    return grid.reshape(rows.cells, columns.cells)


# --- pictures ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A matrix in a picture: its cells, NaN where nothing but zero can be, and its place."""

    grid: Array
    left: float = 0
    top: float = 0
    title: str = ""


@dataclass(frozen=True, slots=True)
class _Picture:
    """What is drawn in one pair of axes."""

    matrices: tuple[_Matrix, ...]  # with equal sides
    rows: _Side  # these sides, and of all of them the width and the height, in entries
    columns: _Side
    width: float
    height: float
    head: float  # the room above them for their titles
    text: str  # what is written above: the formula, and what is to be known of the picture
    notes: tuple[str, ...]
    has_values: bool

    @property
    def is_square(self) -> bool:
        """Whether a cell is drawn as a square: not if the picture would be a mere line."""
        longest = max(self.width, self.height)
        return longest <= max(8 * min(self.width, self.height), MOST_LABELLED)

    @property
    def inches(self) -> tuple[float, float]:
        """The size of a figure that suits the picture."""
        height = self.height + self.head
        scale = min(0.45, 8 / self.width, 5.5 / height)
        wide, high = self.width * scale, height * scale
        if not self.is_square:
            wide, high = max(wide, 2), max(high, 2)
        return max(wide + 1.3 + 1.1 * self.has_values, 5), high + 1.7

    def room(self, ax: Any) -> tuple[float, float]:
        """Return about how many inches an entry is wide, and high."""
        width, height = ax.figure.get_size_inches()
        place = ax.get_position(original=True)
        across = width * place.width / self.width
        down = height * place.height / (self.height + self.head)
        return (min(across, down),) * 2 if self.is_square else (across, down)


def _notes(found: _Entries, rows: _Side, columns: _Side) -> list[str]:
    total = prod(found.shape)
    count = len(found.index[0]) if found.index else total
    some = f"{count:,} of {total:,}" if count < total else f"all {total:,}" if total > 1 else "the"
    notes = [f"{some} {'entries' if total != 1 else 'entry'} can be other than zero"]
    given = ", ".join(f"{name} = {n}" for name, n in found.sizes.items())
    chosen = ", ".join(f"{name} = {n}" for name, n in found.stand_ins.items())
    if found.is_complex:
        notes.append("absolute values of complex numbers")
    if given:
        notes.append(f"for {given}")
    if chosen:
        notes.append(f"sizes chosen for the picture: {chosen}")
    if rows.cell > 1 or columns.cell > 1:
        what = ", of which it shows the largest in magnitude" if found.values is not None else ""
        notes.append(f"each cell stands for {rows.cell} × {columns.cell} entries{what}")
    return notes


def _matrix(formula: Formula, found: _Entries, layout: str, order: str) -> _Picture:
    """Lay out the matrix of a derivative."""
    rank = len(found.shape)
    domain = int(rank > 1) if formula.domain is None else formula.domain
    axes = range(rank - domain), range(rank - domain, rank)
    letters = formula.heading.letters
    rows, columns = (_side(letters, found.shape, side, order) for side in axes)
    if layout == "denominator":
        rows, columns = columns, rows
    fastest = {"C": "last", "F": "first"}[order]
    vec = f", vec order {order}: the {fastest} axis runs fastest" if rank > 2 else ""
    head = f"{rows.count} × {columns.count}"
    if formula.domain is not None or layout == "denominator":
        head = f"{head}, {layout} layout"
    matrix = _Matrix(_grid(found, rows, columns))
    return _picture(formula, found, [matrix], rows, columns, [head + vec])


def _stack(formula: Formula, found: _Entries) -> _Picture:
    """Lay out a tensor of three axes as matrices, one for each index of the function or variable.

    Of a matrix by a number or a vector, each matrix is the derivative by one entry of that.
    """
    letters, shape = formula.heading.letters, found.shape
    first = 2 if formula.domain == 1 else 0
    rest = [axis for axis in range(3) if axis != first]
    rows, columns = (_side(letters, shape, [axis], "C") for axis in rest)
    count = shape[first]
    shown = min(count, MOST_SLICES)
    size = max(rows.count, columns.count)
    apart, head = max(0.08 * size, 0.8), max(0.07 * size, 0.6)  # the second has room for a title
    below = 1.5 * head
    across = min(
        range(1, max(shown, 1) + 1),
        key=lambda n: abs(
            np.log(n * (columns.count + apart) / (ceil(shown / n) * (rows.count + below)) / 2.2)
        ),
    )
    matrices = []
    for k in range(shown):
        down, along = divmod(k, across)
        grid = _grid(found, rows, columns, found.index[first] == k)
        left, top = along * (columns.count + apart), down * (rows.count + below)
        matrices.append(_Matrix(grid, left, top, f"{letters[first]} = {k}"))
    notes = [f"{count} matrices of {rows.count} × {columns.count}, one for each {letters[first]}"]
    if shown < count:
        left_out = f"{shown}" if count == shown + 1 else f"{shown} to {count - 1}"
        notes.append(f"{letters[first]} = {left_out} not drawn")
    return _picture(formula, found, matrices, rows, columns, notes, head)


def _picture(
    formula: Formula,
    found: _Entries,
    matrices: Sequence[_Matrix],
    rows: _Side,
    columns: _Side,
    notes: Sequence[str],
    head: float = 0,
) -> _Picture:
    """Make a picture of matrices that are laid out."""
    width = max((m.left for m in matrices), default=0) + max(columns.count, 1)
    height = max((m.top for m in matrices), default=0) + max(rows.count, 1)
    told, has_values = (*notes, *_notes(found, rows, columns)), found.values is not None
    sides = rows, columns, width, height
    return _Picture(tuple(matrices), *sides, head, formula.text, told, has_values)


# --- drawing ----------------------------------------------------------------------------------


def _draw(picture: _Picture, ax: Any, matplotlib: Any) -> None:
    """Draw a picture in matplotlib's axes."""
    rows, columns = picture.rows, picture.columns
    colors = matplotlib.colors
    grids = [matrix.grid.ravel() for matrix in picture.matrices]
    every = np.concatenate([np.zeros(0), *grids])
    norm = colors.Normalize(0, 1)
    cmap = colors.ListedColormap([STRUCTURE])
    top = 1.0
    if picture.has_values:
        top = float(np.abs(every[np.isfinite(every)]).max(initial=0)) or 1.0
        norm = colors.Normalize(-top, top)
        cmap = colors.LinearSegmentedColormap.from_list("einsdiff", DIVERGING)
        cmap = cmap.with_extremes(over="black", under="black")  # infinite, or no number
    across, down = picture.room(ax)
    image = None
    for matrix in picture.matrices:
        right, bottom = matrix.left + columns.count, matrix.top + rows.count
        frame = matplotlib.patches.Rectangle(
            (matrix.left, matrix.top),
            columns.count,
            rows.count,
            fill=False,
            edgecolor=INK,
            linewidth=1.6,
            clip_on=False,
            zorder=3,
        )
        if matrix.grid.size:
            # The last cell may stand for fewer entries than it is drawn for.
            far = columns.cells * columns.cell, rows.cells * rows.cell
            # What is infinite is drawn as beyond the colours: matplotlib leaves it out.
            finite = np.clip(matrix.grid, -2 * top, 2 * top)
            image = ax.imshow(
                np.ma.masked_array(finite, np.isnan(finite)),
                cmap=cmap,
                norm=norm,
                interpolation="nearest",
                extent=(matrix.left, matrix.left + far[0], matrix.top + far[1], matrix.top),
            )
        ax.add_patch(frame)
        if image is not None:
            image.set_clip_path(frame)
        for places, style in _lines(columns, across):
            ax.vlines([matrix.left + x for x in places], matrix.top, bottom, **style)
        for places, style in _lines(rows, down):
            ax.hlines([matrix.top + y for y in places], matrix.left, right, **style)
        if matrix.title:
            ax.text(
                (matrix.left + right) / 2,
                matrix.top - 0.02 * rows.count - 0.08,
                matrix.title,
                ha="center",
                va="bottom",
                fontsize=9.5,
                parse_math=False,
            )
        if picture.has_values and rows.cell == columns.cell == 1 and min(across, 1.4 * down) >= 0.3:
            _write_numbers(matrix, ax, norm, cmap)
    ax.set_aspect("equal" if picture.is_square else "auto")
    ax.set_xlim(0, picture.width)
    ax.set_ylim(picture.height, -picture.head)
    for spine in ax.spines.values():
        spine.set_visible(False)
    _label(picture, ax)
    if picture.has_values and every.size > 1:
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.85, pad=0.03, aspect=16, panchor=False)
        bar.ax.tick_params(labelsize=8)
        bar.set_label("value", fontsize=9)


def _lines(side: _Side, room: float) -> list[tuple[list[int], dict[str, Any]]]:
    """Choose the lines between entries and between blocks: the slower the axis, the thicker."""
    found = []
    for places, speed in side.lines():
        apart = room * (places[0] if places else 1)
        if apart < 0.05:  # inches
            continue
        style = {"color": FAINT, "linewidth": 0.5, "zorder": 2}
        if speed:
            width = (0.4 + 0.7 * min(speed, 3)) * min(1, apart / 0.3)
            style = {"color": INK, "linewidth": max(width, 0.3), "zorder": 2 + 0.1 * speed}
        found.append((places, style))
    return found


def _write_numbers(matrix: _Matrix, ax: Any, norm: Any, cmap: Any) -> None:
    """Write the values into the cells; a zero that is known from the deltas is faint."""
    for (row, column), value in np.ndenumerate(matrix.grid):
        text, color = "0", "#b5b5b5"
        if not np.isnan(value):
            text = _number(value)
            red, green, blue, _ = cmap(norm(value))
            is_dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
            color = "white" if is_dark else INK
        ax.text(
            matrix.left + column + 0.5,
            matrix.top + row + 0.5,
            text.replace("-", "−"),
            ha="center",
            va="center",
            fontsize=8 if len(text) < 5 else 6.5,
            color=color,
        )


def _number(value: float) -> str:
    """Write a value briefly.

    >>> [_number(value) for value in (3.0, -0.0661, 116.2, 1234567.0, np.inf)]
    ['3', '-0.066', '116', '1.2e+06', '!']
    """
    if not np.isfinite(value):
        return "!"
    return f"{value:.0f}" if 100 <= abs(value) < 10_000 else f"{value:.2g}"


def _label(picture: _Picture, ax: Any) -> None:
    """Write the indices at the sides, and the formula above."""
    rows, columns = picture.rows, picture.columns
    across, down = picture.room(ax)
    tops = sorted({matrix.top for matrix in picture.matrices})
    lefts = [matrix.left for matrix in picture.matrices if matrix.top == max(tops, default=0)]
    small, gap = 7.5, 0.14  # points, and inches from one label to the next
    places, texts = columns.ticks()
    is_long = any(
        len(text) * 0.075 > across * (places[1] - places[0]) for text in texts if len(places) > 1
    )
    step = _step(places, across, gap) if is_long else 1
    places, texts = places[::step], texts[::step]
    ax.set_xticks([left + place for left in lefts for place in places], texts * len(lefts))
    ax.tick_params(axis="x", labelsize=small, rotation=90 * is_long)
    places, texts = rows.ticks()
    step = _step(places, down, gap)
    places, texts = places[::step], texts[::step]
    ax.set_yticks([top + place for top in tops for place in places], texts * len(tops))
    ax.tick_params(axis="y", labelsize=small)
    ax.tick_params(length=2, width=0.5)
    style = {"fontsize": 11, "style": "italic", "parse_math": False}
    ax.set_xlabel(columns.name, **style)
    ax.set_ylabel(rows.name, **style, rotation=0, ha="right", va="center", labelpad=8)
    inches = ax.figure.get_size_inches()[0] * ax.get_position(original=True).width / 0.775 - 0.6
    text = broken(picture.text, int(inches * 9.5), MOST_LINES)
    notes = broken("; ".join(picture.notes), int(inches * 14), 6)
    ax.set_title(
        "\n".join(text), loc="left", fontsize=11, parse_math=False, pad=8 + 11 * len(notes)
    )
    ax.annotate(
        "\n".join(notes),
        (0, 1),
        (0, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        va="bottom",
        fontsize=8,
        color="#555555",
        parse_math=False,
    )


def _step(places: Sequence[float], room: float, gap: float) -> int:
    """Choose which labels are written, so that each has room."""
    if len(places) < 2:
        return 1
    return max(ceil(gap / (room * (places[1] - places[0]))), 1)
