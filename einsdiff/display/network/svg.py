r"""Tensor networks as pictures: SVG for eyes, and DOT for Graphviz.

The factors of a product stand in a row, in an order that keeps lines short. Between neighbours a
line is straight; others run above or below the row, each at a height of its own. Legs point up,
those of what was differentiated by last point down, so that :math:`\partial f_i/\partial x_p` is
drawn as the map from p to i that it is.

>>> from einsdiff.display.network.diagram import diagram
>>> from einsdiff.display.index.lettering import Letters
>>> from einsdiff.display.network.network import network
>>> x = network(variable("x", (3,)), ("i",), Letters())
>>> diagram([Panel(x, "x_i")])
<Diagram: x_i>
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import permutations
from unicodedata import combining, east_asian_width

from einsdiff.display.network.network import Edge, Network, Term, Vertex
from einsdiff.display.network.palette import BLUE, FILL, GREY, INK, RED, Panel, _mark, broken

# --- SVG: drawings and how they are put together ----------------------------------------------

_FONT = "'DejaVu Sans','Segoe UI',Helvetica,Arial,sans-serif"
_NAME, _LETTER, _CAPTION = 17, 13, 14  # sizes of text
_RADIUS, _LANE, _LEG = 19, 24, 24  # of a vertex, between lines that run along, of a leg
#: Rows of terms, and two panels side by side, are at most this wide.
_WIDEST = 900


@dataclass(frozen=True, slots=True)
class _Drawing:
    """SVG elements around an axis: what stands above it and what below, and how wide it is."""

    width: float
    up: float
    down: float
    parts: tuple[str, ...]

    @property
    def height(self) -> float:
        return self.up + self.down


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".").replace("-0", "0", value > -0.05)


def _width(text: str, size: float) -> float:
    """Estimate the width of a text, rather too wide than too narrow."""
    units = 0.0
    for char in text:
        if combining(char):
            continue
        wide = east_asian_width(char) in "WF" or char in "MWmw…"
        narrow = char in "ijlrtf.,;:()[]| '1"
        units += 1.0 if wide else 0.42 if narrow else 0.66
    return units * size


def _text(
    x: float, y: float, text: str, size: float, color: str = INK, style: str = "", halo: str = ""
) -> str:
    behind = (
        f' stroke="{halo}" stroke-width="5" stroke-linejoin="round" paint-order="stroke"'
        if halo
        else ""
    )
    return (
        f'<text x="{_n(x)}" y="{_n(y + 0.36 * size)}" font-size="{_n(size)}" '
        f'text-anchor="middle" fill="{color}"{style}{behind}>{escape(text)}</text>'
    )


_ITALIC = ' font-style="italic"'
_BOLD = ' font-weight="bold"'


def _path(d: str, color: str = INK, kind: str = "edge") -> str:
    return f'<path class="{kind}" d="{d}" fill="none" stroke="{color}" stroke-width="1.8"/>'


def _moved(drawing: _Drawing, x: float, y: float) -> str:
    return f'<g transform="translate({_n(x)} {_n(y)})">{"".join(drawing.parts)}</g>'


def _row(drawings: Sequence[_Drawing], gap: float) -> _Drawing:
    """Put drawings side by side, their axes in one line."""
    parts, x = [], 0.0
    for drawing in drawings:
        parts.append(_moved(drawing, x, 0))
        x += drawing.width + gap
    up = max((d.up for d in drawings), default=0)
    down = max((d.down for d in drawings), default=0)
    return _Drawing(max(x - gap, 0), up, down, tuple(parts))


def _column(drawings: Sequence[_Drawing], gap: float) -> _Drawing:
    """Put drawings one below the other, in the middle; the axis is in the middle as well."""
    width = max(d.width for d in drawings)
    height = sum(d.height for d in drawings) + gap * (len(drawings) - 1)
    parts, y = [], -height / 2
    for drawing in drawings:
        parts.append(_moved(drawing, (width - drawing.width) / 2, y + drawing.up))
        y += drawing.height + gap
    return _Drawing(width, height / 2, height / 2, tuple(parts))


def _words(text: str, size: float = _NAME, style: str = "", color: str = INK) -> _Drawing:
    width = _width(text, size) * (1.08 if "bold" in style else 1)
    return _Drawing(width, size * 0.7, size * 0.7, (_text(width / 2, 0, text, size, color, style),))


# --- SVG: networks ----------------------------------------------------------------------------


def _svg(panels: Sequence[Panel], arrow: str, title: str) -> str:
    drawn = [_Painter(panel).network(panel.network, _WIDEST - 60) for panel in panels]
    is_wide = sum(drawing.width for drawing in drawn) + 150 > _WIDEST
    down = 0 if is_wide else max(drawing.down for drawing in drawn)  # captions in one line
    pictures = [
        _captioned(drawing, panel.caption, max(drawing.down, down))
        for drawing, panel in zip(drawn, panels, strict=True)
    ]
    whole = pictures[0]
    for other in pictures[1:]:
        parts = [whole, _arrow(arrow, is_wide), other]
        whole = _column(parts, 14) if is_wide else _row(parts, 26)
    margin = 18
    width, height = whole.width + 2 * margin, whole.height + 2 * margin
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{_n(width)}" '
        f'height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}" '
        f'style="max-width:100%;height:auto" font-family="{_FONT}">'
        f"<title>{escape('Tensor network of ' + title)}</title>"
        '<rect width="100%" height="100%" rx="8" fill="#ffffff"/>'
        f"{_moved(whole, margin, margin + whole.up)}</svg>\n"
    )


def _captioned(drawing: _Drawing, text: str, down: float) -> _Drawing:
    """Write a formula below a drawing."""
    lines = broken(text, max(46, int(drawing.width / (_CAPTION * 0.6))), 3)
    caption = _column([_words(line, _CAPTION, color="#3a3a3a") for line in lines], 1)
    width = max(drawing.width, caption.width)
    below = down + 14
    return _Drawing(
        width,
        drawing.up,
        below + caption.height,
        (
            _moved(drawing, (width - drawing.width) / 2, 0),
            _moved(caption, (width - caption.width) / 2, below + caption.up),
        ),
    )


def _arrow(text: str, is_down: bool) -> _Drawing:
    width = _width(text, _NAME) + 16
    if is_down:
        d = "M 0 -14 V 12"
        head = f'<path d="M -6 10 L 6 10 L 0 20 Z" fill="{INK}"/>'
        down = f'<g transform="translate({_n(width / 2)} 0)">{_path(d)}{head}</g>'
        return _Drawing(width, 20, 24, (down, _text(width + 6, 0, text, _NAME)))
    parts = (
        _path(f"M 0 0 H {_n(width - 8)}"),
        f'<path d="M {_n(width - 10)} -6 V 6 L {_n(width)} 0 Z" fill="{INK}"/>',
        _text(width / 2 - 3, -18, text, _NAME),
    )
    return _Drawing(width, 30, 8, parts)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What stands in the row of a product: a vertex, or the dot of an edge."""

    drawing: _Drawing
    vertex: int | None = None
    edge: int | None = None
    is_round: bool = False

    def border(self, x: float, side: int) -> float:
        """Return where above (-1) or below (1) the axis it ends, at a distance from its middle."""
        out = abs(x) - (self.drawing.width / 2 - _RADIUS)
        if self.is_round and out > 0:
            return side * float((_RADIUS**2 - min(out, _RADIUS) ** 2) ** 0.5)
        return side * (self.drawing.up if side < 0 else self.drawing.down)


@dataclass(slots=True)
class _Wire:
    """A line between items of a row."""

    ends: tuple[tuple[int, str], ...]  # positions of items, and marks
    label: str
    legs: tuple[str, ...] = ()  # the letters of those that hang on it
    is_dot: bool = False
    side: int = 0  # above (-1) or below (1) the row; 0 if that is still to be chosen
    lane: int = 0  # how far away

    @property
    def items(self) -> tuple[int, ...]:
        """The positions of the items that it joins."""
        return tuple(k for k, _ in self.ends)


@dataclass(frozen=True, slots=True)
class _Leg:
    """A line that dangles from an item."""

    item: int
    mark: str
    letter: str
    side: int


class _Painter:
    """Draws the networks of a panel."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel

    def color(self, letter: str) -> str:
        return RED if letter in self.panel.by else INK

    def side(self, letter: str) -> int:
        return 1 if letter in self.panel.domain else -1

    # Sums and boxes.

    def network(self, net: Network, widest: float = float("inf")) -> _Drawing:
        """Draw the terms side by side, or in several rows."""
        if not net.terms:
            return _words("0")
        rows: list[list[_Drawing]] = [[]]
        for k, term in enumerate(net.terms):
            c = term.coefficient
            sign = "−" if c.startswith("-") else "+" if k else ""
            text = c.removeprefix("-")
            if not (term.vertices or term.edges):
                text = text or "1"
            if k == 0:
                sign, text = "", sign + text
            parts = [_words(part, size) for part, size in ((sign, 20), (text, _NAME)) if part]
            if term.vertices or term.edges:
                parts.append(self.term(term))
            drawing = _row(parts, 7)
            width = sum(d.width + 16 for d in rows[-1]) + drawing.width
            if rows[-1] and width > widest:
                rows.append([])
            rows[-1].append(drawing)
        drawn = [_row(row, 16) for row in rows]
        return drawn[0] if len(drawn) == 1 else _column(drawn, 26)

    def vertex(self, vertex: Vertex) -> _Drawing:
        """Draw a circle with a name, or a box around networks."""
        if vertex.inside:
            return self.box(vertex)
        width = _width(vertex.label, _NAME)
        is_wrt = vertex.kind == "operand" and vertex.label == self.panel.wrt
        fill = FILL["wrt" if is_wrt else "operand"] if vertex.kind == "operand" else "#ffffff"
        stroke = RED if is_wrt else BLUE if vertex.kind == "operand" else GREY
        dash = ' stroke-dasharray="4 3"' if vertex.kind == "rest" else ""
        half = max(_RADIUS, width / 2 + 11)
        rx = 5 if vertex.kind in ("relation", "rest") else _RADIUS
        look = f'fill="{fill}" stroke="{stroke}" stroke-width="{2.6 if is_wrt else 1.8}"{dash}'
        shape = (
            f'<rect class="{vertex.kind}" x="0" y="{-_RADIUS}" width="{_n(2 * half)}" '
            f'height="{2 * _RADIUS}" rx="{rx}" {look}/>'
        )
        size = _NAME if vertex.kind == "operand" else _LETTER + 1
        label = _text(half, 0, vertex.label, size, INK)
        return _Drawing(2 * half, _RADIUS, _RADIUS, (shape, label))

    def box(self, vertex: Vertex) -> _Drawing:
        """Draw a function around its arguments, or a bracket around a sum."""
        drawn: list[_Drawing] = []
        for k, net in enumerate(vertex.inside):
            if k:
                drawn.append(_words(vertex.between))
            drawn.append(self.network(net))
        inner = _row(drawn, 10)
        is_function = vertex.kind == "function"
        head = 22 if is_function else 6
        pad = 10
        title = _words(vertex.label, _NAME - 2, _BOLD) if is_function else None
        width = max(inner.width, title.width if title else 0) + 2 * pad
        height = inner.height + head + 8
        top = -height / 2
        fill = FILL[vertex.kind]
        dash = "" if is_function else ' stroke-dasharray="5 3"'
        parts = [
            f'<rect class="{vertex.kind}" x="0" y="{_n(top)}" width="{_n(width)}" '
            f'height="{_n(height)}" rx="7" fill="{fill}" stroke="{GREY}" '
            f'stroke-width="1.5"{dash}/>',
            _moved(inner, (width - inner.width) / 2, top + head + inner.up),
        ]
        if title:
            parts.append(_moved(title, pad - 1, top + 13))
        return _Drawing(width, height / 2, height / 2, tuple(parts))

    # Products.

    def term(self, term: Term) -> _Drawing:
        """Draw a product: its factors in a row, and lines between, above and below them."""
        items = [
            _Shape(_Drawing(12, 6, 6, ()), edge=k)
            for k, edge in enumerate(term.edges)
            if self.stands_in_row(edge)
        ]
        for k, vertex in enumerate(term.vertices):
            is_round = not vertex.inside and vertex.kind == "operand"
            items.append(_Shape(self.vertex(vertex), vertex=k, is_round=is_round))
        lines, legs = self.lines(term, items)
        order = _best_order(len(items), [line.items for line in lines])
        place = {old: new for new, old in enumerate(order)}
        for line in lines:
            line.ends = tuple(sorted((place[k], mark) for k, mark in line.ends))
        legs = [replace(leg, item=place[leg.item]) for leg in legs]
        return _ProductPainter(self, [items[k] for k in order], lines, legs).drawing()

    def stands_in_row(self, edge: Edge) -> bool:
        """Tell whether the dot of an edge stands beside the factors, and not above or below."""
        if not edge.is_dot:
            return False
        sides = {self.side(letter) for letter in edge.legs}
        return len(edge.ends) < 2 or len(sides) > 1

    def lines(self, term: Term, items: Sequence[_Shape]) -> tuple[list[_Wire], list[_Leg]]:
        """List the lines between the items, and the legs of each of them."""
        at = {item.vertex: k for k, item in enumerate(items) if item.vertex is not None}
        dots = {item.edge: k for k, item in enumerate(items) if item.edge is not None}
        lines: list[_Wire] = []
        legs: list[_Leg] = []
        for n, edge in enumerate(term.edges):
            ends = tuple(
                (at[k], _mark(term.vertices[k], axis))
                for k, axis in zip(edge.ends, edge.axes, strict=True)
            )
            name = ",".join(edge.letters)
            sides = [self.side(letter) for letter in edge.legs]
            if n in dots:
                shown = "" if edge.legs else name
                lines += [_Wire(((dots[n], ""), end), shown) for end in ends]
                legs += [_Leg(dots[n], "", a, s) for a, s in zip(edge.legs, sides, strict=True)]
            elif edge.is_dot:
                side = sides[0] if sides else 0
                lines.append(_Wire(ends, "" if edge.legs else name, edge.legs, True, side))
            elif edge.legs:
                legs.append(_Leg(*ends[0], edge.legs[0], sides[0]))
            else:
                lines.append(_Wire(ends, name))
        return lines, legs


class _ProductPainter:
    """Draws a row of items with their lines and legs."""

    def __init__(
        self,
        painter: _Painter,
        items: Sequence[_Shape],
        lines: Sequence[_Wire],
        legs: Sequence[_Leg],
    ) -> None:
        self.painter, self.items, self.legs = painter, items, legs
        self.curved: list[_Wire] = []
        straight: dict[int, list[_Wire]] = {}
        for line in lines:
            if len(line.ends) == 2 and not line.is_dot and line.items[1] - line.items[0] == 1:
                straight.setdefault(line.items[0], []).append(line)
            else:
                self.curved.append(line)
        for line in self.curved:
            line.side = line.side or self.free_side(line)
        self.slots = _slots(items, self.curved, legs)
        self.middle, self.width = _spread(items, straight, self.slots)
        self.tops = {
            -1: max(item.drawing.up for item in items),
            1: max(item.drawing.down for item in items),
        }
        self.extent: dict[int, float] = dict(self.tops)  # above and below the axis
        self.parts: list[str] = []
        self.labels: list[str] = []  # on top of the parts
        for k, group in straight.items():
            self.between(k, group)
        for side in (-1, 1):
            self.beside(side, [line for line in self.curved if line.side == side])

    def drawing(self) -> _Drawing:
        """Return the drawing: lines, items on top of these, and labels on top of all."""
        parts = list(self.parts)
        for x, item in zip(self.middle, self.items, strict=True):
            if item.edge is not None:
                parts.append(_dot_mark(x, 0))
            else:
                parts.append(_moved(item.drawing, x - item.drawing.width / 2, 0))
        return _Drawing(self.width, self.extent[-1], self.extent[1], (*parts, *self.labels))

    def free_side(self, line: _Wire) -> int:
        """Choose the side on which a line meets fewer legs."""
        low, high = line.items[0], line.items[-1]
        met = {
            s: sum(low <= leg.item <= high and leg.side == s for leg in self.legs) for s in (-1, 1)
        }
        return -1 if met[-1] <= met[1] else 1

    def between(self, k: int, group: Sequence[_Wire]) -> None:
        """Draw the lines between two neighbours."""
        one, other = self.items[k : k + 2]
        borders = (
            self.middle[k] + one.drawing.width / 2,
            self.middle[k + 1] - other.drawing.width / 2,
        )
        start = borders[0] - min(8, one.drawing.width / 2)
        end = borders[1] + min(8, other.drawing.width / 2)
        for n, line in enumerate(group):
            bulge = 34.0 * (n - (len(group) - 1) / 2)
            x, y = (start + end) / 2, bulge / 2
            curve = f"Q {_n(x)} {_n(bulge)} {_n(end)} 0" if bulge else f"H {_n(end)}"
            self.parts.append(_path(f"M {_n(start)} 0 {curve}"))
            for border, way, (_, mark) in zip(borders, (1, -1), line.ends, strict=True):
                near = 0.32 * bulge if mark else 0.0
                self.labels += _marked(mark, border, near, (way, 0))
            if line.label:
                lift = -11 if bulge <= 0 else 11
                self.labels.append(_text(x, y + lift, line.label, _LETTER, INK, _ITALIC))

    def beside(self, side: int, lines: Sequence[_Wire]) -> None:
        """Draw what stands above or below the row."""
        _take_lanes(lines, self.slots, self.middle)
        far = self.tops[side] + _LANE * max((line.lane + 1 for line in lines), default=0)
        if lines:
            self.extent[side] = far + 8
        hanging = [leg for leg in self.legs if leg.side == side]
        xs = [self.middle[leg.item] + self.slots[side, leg.item, leg] for leg in hanging]
        for line in lines:
            y = side * (self.tops[side] + 14 + _LANE * line.lane)
            for x, letter in self.curve(line, y, xs):
                self.leg(f"M {_n(x)} {_n(y)}", x, side * (far + 14 + _LEG - 8), letter)
        for leg, x in zip(hanging, xs, strict=True):
            item, middle = self.items[leg.item], self.middle[leg.item]
            own = item.drawing.up if side < 0 else item.drawing.down
            end = side * ((far + 14 if lines else max(own, _RADIUS)) + _LEG - 6)
            start = f"M {_n(x)} 0"
            if item.edge is not None and x != middle:  # legs of one dot fan out
                start = f"M {_n(middle)} 0 L {_n(x)} {_n(side * 14)}"
            self.leg(start, x, end, leg.letter)
            self.labels += _marked(leg.mark, x, item.border(x - middle, side), (0, side))

    def leg(self, start: str, x: float, end: float, letter: str) -> None:
        """Draw a leg with its letter."""
        side = 1 if end > 0 else -1
        color = self.painter.color(letter)
        self.parts.append(_path(f"{start} V {_n(end)}", color, "leg"))
        self.labels.append(_text(x, end + side * 11, letter, _LETTER + 2, color, _ITALIC))
        self.extent[side] = max(self.extent[side], abs(end) + 20)

    def curve(self, line: _Wire, y: float, avoid: Sequence[float]) -> list[tuple[float, str]]:
        """Draw a line that runs along the row; return where its legs start, and their letters."""
        ends = []
        for n, (k, mark) in enumerate(line.ends):
            slot = self.slots[line.side, k, (id(line), n)]
            ends.append(self.middle[k] + slot)
            border = self.items[k].border(slot, line.side)
            self.labels += _marked(mark, ends[-1], border, (0, line.side))
        first, last = ends[0], ends[-1]
        r = min(9.0, (last - first) / 2)
        up = y - line.side * r
        self.parts.append(
            _path(
                f"M {_n(first)} 0 V {_n(up)} Q {_n(first)} {_n(y)} {_n(first + r)} {_n(y)} "
                f"H {_n(last - r)} Q {_n(last)} {_n(y)} {_n(last)} {_n(up)} V 0"
            )
        )
        self.parts += [_path(f"M {_n(x)} 0 V {_n(y)}") for x in ends[1:-1]]
        centre = (first + last) / 2
        if not line.is_dot:
            is_short = last - first < 36
            x = centre if is_short else _clear_of(centre, avoid, first, last)
            beside = y + line.side * 10 * is_short
            self.labels.append(_text(x, beside, line.label, _LETTER, INK, _ITALIC, "#ffffff"))
            self.extent[line.side] = max(self.extent[line.side], abs(beside) + 9)
            return []
        self.parts.append(_dot_mark(centre, y))
        if line.label:
            at = centre + 11, y + line.side * 11
            self.labels.append(_text(*at, line.label, _LETTER, INK, _ITALIC))
        step = 18
        start = centre - step * (len(line.legs) - 1) / 2
        return [(start + step * n, letter) for n, letter in enumerate(line.legs)]


def _marked(mark: str, x: float, y: float, way: tuple[int, int]) -> list[str]:
    """Mark the end of a line at the border of a vertex, which it leaves this way."""
    across, down = way
    if not mark:
        return []
    if mark != "first":
        return [_text(x + 5 * across + 6 * down**2, y + 8 * across**2 + 6 * down, mark, 9, GREY)]
    a, b = 4.5 * down**2, 4.5 * across**2
    tip = x + 8 * across, y + 8 * down
    return [
        f'<path class="first" d="M {_n(x - a)} {_n(y - b)} L {_n(x + a)} {_n(y + b)} '
        f'L {_n(tip[0])} {_n(tip[1])} Z" fill="{BLUE}"/>'
    ]


def _dot_mark(x: float, y: float) -> str:
    return f'<circle class="dot" cx="{_n(x)}" cy="{_n(y)}" r="5" fill="#000000"/>'


def _clear_of(x: float, avoid: Sequence[float], low: float, high: float) -> float:
    """Move a label along its line, away from the lines that cross it."""
    tries = [x + sign * step for step in range(0, 200, 8) for sign in (1, -1)]
    inside = [t for t in tries if low + 10 <= t <= high - 10]
    return next((t for t in inside if all(abs(t - other) > 12 for other in avoid)), x)


def _best_order(count: int, lines: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Order the items of a row so that lines are short; the printed order if it is as good."""
    if count > 6:
        return tuple(range(count))

    def length(order: tuple[int, ...]) -> int:
        place = {k: n for n, k in enumerate(order)}
        spans = ([place[k] for k in line] for line in lines)
        return sum((max(span) - min(span)) ** 2 for span in spans)

    return min(permutations(range(count)), key=length)  # the first one of the best


#: Where on each item lines and legs begin, as distances from its middle: by the side, the item,
#: and the leg, or the identity of the line and which of its ends it is.
_Slots = Mapping[tuple[int, int, object], float]


def _slots(items: Sequence[_Shape], curved: Sequence[_Wire], legs: Sequence[_Leg]) -> _Slots:
    """Find where on each item lines and legs begin, so that they do not cross there."""
    wanted: dict[tuple[int, int], list[tuple[float, object]]] = {}
    for line in curved:
        for n, k in enumerate(line.items):
            others = [other for other in line.items if other != k]
            mean = sum(others) / len(others) - k if others else 0
            # Long lines outside of short ones, which run nearer to the row.
            wanted.setdefault((line.side, k), []).append((-1 / mean if mean else 0, (id(line), n)))
    for leg in legs:
        wanted.setdefault((leg.side, leg.item), []).append((0, leg))
    slots: dict[tuple[int, int, object], float] = {}
    for (side, k), keys in wanted.items():
        keys.sort(key=lambda key: key[0])
        room = items[k].drawing.width - 14 if items[k].vertex is not None else 36
        step = min(18.0, room / max(len(keys) - 1, 1))
        for n, (_, key) in enumerate(keys):
            slots[side, k, key] = step * (n - (len(keys) - 1) / 2)
    return slots


def _spread(
    items: Sequence[_Shape], straight: Mapping[int, Sequence[_Wire]], slots: _Slots
) -> tuple[list[float], float]:
    """Place the items from left to right; return their middles, and the width of all."""
    reach = [item.drawing.width / 2 for item in items]
    for (_, k, _), slot in slots.items():  # legs of a dot stand out
        reach[k] = max(reach[k], abs(slot) + 8)
    middle: list[float] = []
    x = 0.0
    for k, half in enumerate(reach):
        if k:
            group = straight.get(k - 1, ())
            x += max([20.0, *(_width(line.label, _LETTER) + 26 for line in group)])
        middle.append(x + half)
        x += 2 * half
    return middle, x


def _take_lanes(lines: Sequence[_Wire], slots: _Slots, middle: Sequence[float]) -> None:
    """Give lines that run along the row heights at which they do not meet, short ones the lower."""

    def span(line: _Wire) -> tuple[float, float]:
        xs = [middle[k] + slots[line.side, k, (id(line), n)] for n, k in enumerate(line.items)]
        return min(xs) - 6, max(xs) + 6

    taken: list[list[tuple[float, float]]] = []
    for line in sorted(lines, key=lambda line: span(line)[1] - span(line)[0]):
        low, high = span(line)
        free = [all(high < a or b < low for a, b in lane) for lane in taken]
        line.lane = free.index(True) if True in free else len(taken)
        if line.lane == len(taken):
            taken.append([])
        taken[line.lane].append((low, high))
