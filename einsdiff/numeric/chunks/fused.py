r"""Which part of an expression is computed from which chunks: what Dask is told to do.

Arrays in chunks are computed chunk by chunk. Where an index that is in chunks is summed, each chunk
gives one term,

.. math:: \sum_n A_{np} w_n A_{nq} = \sum_c \; \sum_{n \in I_c} A_{np} w_n A_{nq}
    \qquad I_1 \cup I_2 \cup \dots = \{1, \dots, N\} ,

and these terms are added in a tree. So an expression falls apart into *regions*: all that can be
computed from one chunk of each operand, before something is summed over all of them, is one region,
and becomes one task for each chunk. The tasks of a region compute a program of einsdiff's, planned
for the sizes of the chunk.

An index of a region that is in more than one chunk is an axis of its *grid*. Grids have no more
axes than the products in them need: products of many factors are taken apart into products of two
first.

>>> A, w = variable("A", (600, 20)), variable("w", (20,))
>>> gradient = einsum([A, A, w], ["np", "nq", "q"], "p")
>>> spread = spread_out([gradient], {A: ((300, 300), (20,)), w: (None,)}, 8, 2**27)
>>> for region in spread.regions:
...     print(
...         [chunks for chunks, _ in region.grid],
...         [v.node for v in region.inputs],
...         region.nodes,
...     )
[(300, 300)] [A, w] (Einsum((x0, <Einsum ('c0',)>), ((1, 0), (1,)), (0,)),)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from einsdiff.algebra.nodes.graph import remade, topological
from einsdiff.algebra.nodes.interning import Add, Constant, Delta, Einsum, Node, Variable, variable
from einsdiff.algebra.nodes.nodes import add, einsum
from einsdiff.notation.subscripts import Size
from einsdiff.numeric.chunks.chunk_layout import (
    Chunking,
    Chunks,
    Cutter,
    Layout,
    Slice,
    count_of,
    form_of,
)

#: An axis of a grid: its chunks, and a number, since two axes may have the same.
Symbol = tuple[Chunks, int]


class Input(NamedTuple):
    """What a region reads: an array, cut as it needs it."""

    node: Node  # a variable, or what another region computes
    chunks: tuple[Chunks, ...]  # the chunks that it is to have
    #: The axis of the grid that each of its axes is; None for those in one chunk.
    symbols: tuple[Symbol | None, ...]
    name: str  # what it is called in the expressions of the region


class Output(NamedTuple):
    """What a region computes for others."""

    node: Node  # which part of the whole expression it is
    chunks: tuple[Chunks, ...]  # as for `Input`
    symbols: tuple[Symbol | None, ...]
    summed: tuple[Symbol, ...]  # the axes of the grid over which its parts are put together
    combine: str  # how: "sum", or one of `REDUCTIONS`


class ChunkTask(NamedTuple):
    """What is computed from one chunk of each operand, in one task."""

    grid: tuple[Symbol, ...]  # which chunks there are: one task for each combination
    inputs: tuple[Input, ...]  # what it reads and what it gives
    outputs: tuple[Output, ...]
    #: An expression for each output, of the inputs' names, with names for the sizes of chunks.
    nodes: tuple[Node, ...]


class Spread(NamedTuple):
    """Expressions in regions."""

    regions: tuple[ChunkTask, ...]  # in an order in which they can be computed
    roots: tuple[Node, ...]  # what the expressions are: variables, or outputs of regions
    #: Parts of the given arrays that are variables themselves, each after what it is a part of.
    slices: tuple[tuple[Variable, Slice], ...] = ()


def spread_out(
    roots: Sequence[Node], layouts: Mapping[Variable, Layout], itemsize: int, most: int
) -> Spread:
    """Find out what is computed from which chunks.

    Chunks are put together only to chunks of at most `most` bytes. What needs an axis in one chunk
    that is in many, and too large for that, is an OperandError or a SizeError.
    """
    cutter = Cutter(layouts, itemsize, most)
    nodes = cutter.rewritten(roots)
    return _Regions(nodes, cutter).spread()._replace(slices=tuple(cutter.slices.items()))


class _Member(NamedTuple):
    """A node, how its labels are cut, and which axes of the grid they are."""

    form: Chunking
    chunks: tuple[Chunks, ...]
    symbols: tuple[Symbol | None, ...]

    @property
    def grid(self) -> frozenset[Symbol]:
        return frozenset(symbol for symbol in self.symbols if symbol is not None)

    @property
    def summed(self) -> tuple[Symbol, ...]:
        """The axes of the grid that the node has not."""
        own = {self.symbols[label] for label in self.form.output}
        return tuple(s for s in self.symbols if s is not None and s not in own)

    def of(self, labels: Sequence[int]) -> tuple[Symbol | None, ...]:
        return tuple(self.symbols[label] for label in labels)

    def cut(self, labels: Sequence[int]) -> tuple[Chunks, ...]:
        return tuple(self.chunks[label] for label in labels)


class _Regions:
    """Gathers the nodes of expressions in regions."""

    def __init__(self, roots: tuple[Node, ...], cutter: Cutter) -> None:
        self.roots = roots
        self.order = [
            node
            for node in topological(roots)
            if not isinstance(node, Variable) and (node in roots or not _is_leaf(node))
        ]
        self.members = self._members(cutter)
        # Deltas that are needed as a whole, in one chunk, are made where they are needed.
        self.inside = {
            node
            for node in self.order
            if isinstance(node, Delta)
            and node not in roots
            and not any(
                any(member.of(labels))
                for member in self.members.values()
                for operand, labels in member.form.operands
                if operand is node
            )
        }
        self.order = [node for node in self.order if node not in self.inside]
        self.levels = self._levels()

    def _members(self, cutter: Cutter) -> dict[Node, _Member]:
        """Settle how everything is cut: what can be cut in any way is cut as it is needed."""
        wanted = {node: list(cutter.layout(node)) for node in self.order}
        members: dict[Node, _Member] = {}
        for node in reversed(self.order):
            form = form_of(node)
            chunks = cutter.chunks(form)
            for label, asked in zip(form.output, wanted[node], strict=True):
                chunks[label] = chunks[label] or asked
            cut = tuple(found or (size,) for found, size in zip(chunks, form.sizes, strict=True))
            for operand, labels in form.operands:
                if operand in wanted:
                    asked_of = wanted[operand]
                    for axis, label in enumerate(labels):
                        asked_of[axis] = asked_of[axis] or cut[label]
            members[node] = _Member(form, cut, _symbols(form, cut))
        return members

    def _is_aligned(self, node: Node, member: _Member, labels: Sequence[int]) -> bool:
        """Tell whether a node is cut as another one needs it, by the same axes of the grid."""
        own = self.members[node]
        mine = own.form.output
        return own.cut(mine) == member.cut(labels) and own.of(mine) == member.of(labels)

    def _levels(self) -> dict[Node, int]:
        """Count for each node after how many sums over all chunks it comes."""
        levels: dict[Node, int] = {}
        for node in self.order:
            member = self.members[node]
            levels[node] = 0
            for operand, labels in member.form.operands:
                if operand not in levels:
                    continue
                theirs = self.members[operand]
                is_later = (
                    bool(theirs.summed)
                    or theirs.cut(theirs.form.output) != member.cut(labels)
                    or (
                        theirs.grid == member.grid and not self._is_aligned(operand, member, labels)
                    )
                )
                levels[node] = max(levels[node], levels[operand] + is_later)
        self._put_off(levels)
        return levels

    def _put_off(self, levels: dict[Node, int]) -> None:
        """Compute as late as it is needed what is no smaller than what it is computed from.

        Otherwise it would be kept in memory, of all chunks, until the sum before is known.
        """
        used: dict[Node, list[tuple[Node, tuple[int, ...]]]] = {node: [] for node in self.order}
        for node in self.order:
            for operand, labels in self.members[node].form.operands:
                if operand in used:
                    used[operand].append((node, labels))
        for node in reversed(self.order):
            member = self.members[node]
            if node in self.roots or member.summed or not used[node]:
                continue
            first = min(levels[user] for user, _ in used[node])
            is_small = any(
                count_of(operand) > count_of(node) for operand, _ in member.form.operands
            )
            if (
                first > levels[node]
                and not is_small
                and all(
                    self.members[user].grid == member.grid
                    and self._is_aligned(node, self.members[user], labels)
                    for user, labels in used[node]
                )
            ):
                levels[node] = first

    def spread(self) -> Spread:
        """Return the regions."""
        gathered: dict[tuple[int, frozenset[Symbol]], list[Node]] = {}
        for node in self.order:
            gathered.setdefault((self.levels[node], self.members[node].grid), []).append(node)
        place = {node: key for key, nodes in gathered.items() for node in nodes}
        exported = set(self.roots)
        for node in self.order:
            for operand, _ in self.members[node].form.operands:
                if operand in place and place[operand] != place[node]:
                    exported.add(operand)
        # At one level what has fewer axes comes first.
        keys = sorted(gathered, key=lambda key: (key[0], len(key[1]), sorted(key[1])))
        regions = []
        for key in keys:
            outputs = [n for n in gathered[key] if n in exported or self.members[n].summed]
            regions.append(self._region(sorted(key[1]), gathered[key], outputs))
        return Spread(tuple(regions), self.roots)

    def _region(
        self, grid: Sequence[Symbol], nodes: Sequence[Node], outputs: Sequence[Node]
    ) -> ChunkTask:
        size_of = {symbol: f"c{k}" for k, symbol in enumerate(grid)}
        built: dict[Node, Node] = {}
        inputs: dict[tuple[Node, tuple[Symbol | None, ...]], tuple[Input, Node]] = {}
        for node in nodes:
            member = self.members[node]
            sizes: list[Size] = [
                size_of[symbol] if symbol is not None else size
                for symbol, size in zip(member.symbols, member.form.sizes, strict=True)
            ]
            parts = []
            for operand, labels in member.form.operands:
                shape = tuple(sizes[label] for label in labels)
                if _is_leaf(operand):
                    parts.append(_resized(operand, shape))
                elif operand in built:
                    parts.append(built[operand])
                elif operand in self.inside:
                    parts.append(operand)
                else:
                    key = operand, member.of(labels)
                    if key not in inputs:
                        name = f"x{len(inputs)}"
                        symmetric = isinstance(operand, Variable) and operand.symmetric
                        v = variable(name, shape, symmetric and not any(key[1]))
                        cut = member.cut(labels)
                        inputs[key] = Input(operand, cut, key[1], name), v
                    parts.append(inputs[key][1])
            built[node] = remade(node, parts, sizes)
        given = []
        for node in outputs:
            member = self.members[node]
            out = member.form.output
            given.append(
                Output(node, member.cut(out), member.of(out), member.summed, member.form.combine)
            )
        read = tuple(found for found, _ in inputs.values())
        return ChunkTask(tuple(grid), read, tuple(given), tuple(built[node] for node in outputs))


def _symbols(form: Chunking, chunks: Sequence[Chunks]) -> tuple[Symbol | None, ...]:
    """Return the axes of the grid, numbered where several have the same chunks."""
    symbols: list[Symbol | None] = [None] * len(chunks)
    count: dict[Chunks, int] = {}
    for label in dict.fromkeys((*form.output, *range(len(chunks)))):
        cut = chunks[label]
        if len(cut) > 1:
            symbols[label] = cut, count.get(cut, 0)
            count[cut] = count.get(cut, 0) + 1
    return tuple(symbols)


def _is_leaf(node: Node) -> bool:
    """Tell whether a node is made anew wherever it is needed: a number, ones or zeros."""
    if isinstance(node, Einsum):
        return not node.operands and len(set(node.output)) == len(node.output)
    return isinstance(node, Constant) or (isinstance(node, Add) and not node.terms)


def _resized(node: Node, shape: tuple[Size, ...]) -> Node:
    """Return a number, ones or zeros in another shape."""
    if isinstance(node, Einsum):
        return einsum([], [], range(len(shape)), dict(enumerate(shape)))
    return add([], shape) if isinstance(node, Add) else node
