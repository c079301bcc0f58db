"""Tables of the shapes of derivatives, and of the matrices that they are laid out as."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

from einsdiff.algebra.nodes.interning import Shape
from einsdiff.display.index.lettering import Heading
from einsdiff.display.tables.table import Block, Column, Table
from einsdiff.notation.subscripts import Size

_KINDS = ("scalar", "vector", "matrix", "tensor")


#: Sizes of the axes of a function and of a variable.
_SIZES = (("m", "k", "l"), ("n", "p", "q"))


def kind_of(rank: int) -> str:
    """Say what an array of so many axes is called.

    >>> kind_of(0), kind_of(5)
    ('scalar', 'tensor')
    """
    return _KINDS[min(rank, 3)]


def sizes_text(shape: Sequence[Size]) -> str:
    """Write a shape: ``(m, 3)``, ``(n,)``.

    >>> sizes_text(("m", 3)), sizes_text(("n",)), sizes_text(())
    ('(m, 3)', '(n,)', '()')
    """
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def product_text(shape: Sequence[Size]) -> str:
    """Write the number of entries: ``mn``, ``6``.

    >>> (product_text(("m", "n")), product_text((2, 3)), product_text((2, "rows", "n")))
    ('mn', '6', '2·rows·n')
    >>> product_text(())
    '1'
    """
    number = prod(size for size in shape if isinstance(size, int))
    names = [size for size in shape if isinstance(size, str)]
    if number == 0:
        return "0"
    parts = [str(number)] * (number != 1 or not names) + names
    is_short = all(len(part) == 1 and part.isalpha() for part in parts)
    return "".join(parts) if is_short else "·".join(parts)


def matrix_shape_text(rows: Sequence[Size], columns: Sequence[Size]) -> str:
    """Write the shape of a matrix: ``m × np``.

    >>> matrix_shape_text(("m",), ("n", "p"))
    'm × np'
    """
    return f"{product_text(rows)} × {product_text(columns)}"


def shapes_table(
    name: str, codomain: Shape, wrt: str, domain: Shape, operands: Iterable[tuple[str, Shape]]
) -> Table:
    """Make the table of the shapes of derivatives, with one of them pointed out.

    It has a row for each kind of function and a column for each kind of variable.

    >>> shapes_table("f", ("m",), "A", ("m", "n"), [("A", ("m", "n")), ("x", ("n",))])[1]
    ('vector (m,)', ('m',), ('m', 'n'), ('m', 'n', 'p'), ('m', 'n', 'p', 'q'))
    """
    columns = [Column("function \\ variable")]
    columns += [
        Column(f"{kind} {_tight(_SIZES[1][:k])}" if k else kind) for k, kind in enumerate(_KINDS)
    ]
    rows, cells = [], []
    for j, kind in enumerate(_KINDS):
        above = _SIZES[0][:j]
        head = f"{kind} {_tight(above)}" if j else kind
        shapes = [above + _SIZES[1][:k] for k in range(4)]
        rows.append((head, *shapes))
        cells.append(
            (
                head,
                *(
                    f"{_tight(shape)}\n{matrix_shape_text(above, shape[j:])}\n"
                    f"{matrix_shape_text(shape[j:], above)}"
                    for shape in shapes
                ),
            )
        )
    whole = codomain + domain
    shown = ", ".join(f"{operand} {sizes_text(shape)}" for operand, shape in operands)
    notes = (
        "In each cell: the shape, axes of the function first; then that of the matrix in numerator "
        "layout, and in denominator layout.",
        f"▸ here: {name} is a {kind_of(len(codomain))} {sizes_text(codomain)}, "
        f"{wrt} is a {kind_of(len(domain))} {sizes_text(domain)}; "
        f"the derivative has shape {sizes_text(whole)}, and as a matrix "
        f"{matrix_shape_text(codomain, domain)} in numerator layout, "
        f"{matrix_shape_text(domain, codomain)} in denominator layout.",
        f"Variables: {shown}.",
    )
    mark = (min(len(codomain), 3), 1 + min(len(domain), 3))
    title = "Shapes of derivatives"
    return Table(title, tuple(columns), tuple(rows), tuple(cells), notes, frozenset({mark}))


def _tight(shape: Sequence[Size]) -> str:
    return sizes_text(shape).replace(", ", ",")


def layouts_table(
    title: str,
    heading: Heading,
    shape: Shape,
    domain: int,
    blocks: Sequence[tuple[Any, Block]] | None = None,
    notations: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> Table:
    """Make the table of the matrices of one derivative, by layout and vec order.

    The last axes, as many as `domain`, are those of the variable. For each of the four rows there
    may be the matrix, as data and as text, and how it is written in matrix notation.

    >>> layouts_table("", Heading("f", ("i",), (("A", ("p", "q")),)), ("m", "m", "n"), 2)
    layout       vec order  shape   rows           columns
    ───────────  ─────────  ──────  ─────────────  ─────────────
    numerator    C          m × mn  i              pq, q fastest
    numerator    F          m × mn  i              pq, p fastest
    denominator  C          mn × m  pq, q fastest  i
    denominator  F          mn × m  pq, p fastest  i
    """
    split = len(shape) - domain
    sides = [(heading.letters[:split], shape[:split]), (heading.letters[split:], shape[split:])]
    columns = tuple(map(Column, ("layout", "vec order", "shape", "rows", "columns")))
    rows: list[tuple[Any, ...]] = []
    for layout, (rows_of, columns_of) in (("numerator", sides), ("denominator", sides[::-1])):
        for order in "CF":
            texts = [_fastest(letters, order) for letters, _ in (rows_of, columns_of)]
            rows.append((layout, order, matrix_shape_text(rows_of[1], columns_of[1]), *texts))
    if split < 2 and domain < 2:
        notes = ("With one axis on each side at most, both vec orders are the same.", *notes)
    table = Table(title, columns, tuple(rows), tuple(rows), tuple(notes))
    if notations is not None:
        table = table.with_column(Column("matrix notation"), notations)
    if blocks is not None:
        data, shown = zip(*blocks, strict=True)
        table = table.with_column(Column("values", "block"), data, shown)
    return table


def _fastest(letters: Sequence[str], order: str) -> str:
    """Say which index runs fastest where several become one."""
    if not letters:
        return "(only one)"
    text = "".join(letters) if all(len(a) == 1 for a in letters) else ", ".join(letters)
    return f"{text}, {letters[-1 if order == 'C' else 0]} fastest" if len(letters) > 1 else text
