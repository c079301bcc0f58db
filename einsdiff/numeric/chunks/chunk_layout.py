r"""How expressions of arrays in chunks are cut: which axis of what is in which chunks.

Arrays that meet in an expression are cut alike along the indices that they share,

.. math:: \sum_n A_{np} w_n \; : \qquad n \in I_1 \cup I_2 \cup \dots \text{ in both.}

Where they are not, the smaller one is cut anew. Some axes have to be in one chunk: those that a
function acts on as a whole, and those along which indices are shifted. An axis over which a result
is diagonal is never cut. Products of many factors are taken apart into products of two, so that
each is computed from chunks of no more indices than it has.

>>> A, w = variable("A", (600, 20)), variable("w", (600,))
>>> cutter = Cutter({A: ((300, 300), (20,)), w: ((200, 200, 200),)}, 8, 2**27)
>>> (gradient,) = cutter.rewritten([einsum([A, w], ["np", "n"], "np")])
>>> cutter.layout(gradient)
((300, 300), (20,))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from math import prod
from typing import NamedTuple

from einsdiff.algebra.nodes.function_records import lookup
from einsdiff.algebra.nodes.graph import children, rebuilt, rewritten, topological
from einsdiff.algebra.nodes.interning import Add, Call, Delta, Einsum, Node, Variable, variable
from einsdiff.algebra.nodes.nodes import add, call, einsum
from einsdiff.errors import OperandError, SizeError, shape_text
from einsdiff.notation.subscripts import Size
from einsdiff.numeric.libraries.memory import format_bytes
from einsdiff.numeric.orders.paths import find_path
from einsdiff.numeric.planning.slicing import restricted

#: The lengths of the chunks of an axis.
Chunks = tuple[int, ...]
#: Those of each axis of an array; None for an axis that can be cut in any way.
Layout = tuple[Chunks | None, ...]

#: Functions of all entries that are put together from those of parts, and how that is done.
REDUCTIONS = {"max": "max", "min": "min", "prod": "prod", "logsumexp": "logsumexp"}


class Chunking(NamedTuple):
    """A node as a function of labelled operands, one label for each index."""

    #: Its children, each with the labels of its axes.
    operands: tuple[tuple[Node, tuple[int, ...]], ...]
    output: tuple[int, ...]  # the labels of its own axes
    sizes: tuple[int, ...]  # the size of each label
    whole: Mapping[int, str]  # labels that have to be in one chunk, each with the reason
    #: How results for parts of the labels that are not in the output are put together.
    combine: str = "sum"


class Slice(NamedTuple):
    """A part of an array: from where to where it goes along an axis."""

    source: Variable
    axis: int
    start: int
    stop: int


# --- nodes as functions of labelled operands --------------------------------------------------


def form_of(node: Node) -> Chunking:
    """Return a node as a function of labelled operands."""
    if isinstance(node, Einsum):
        whole = {n: "delta" for n in node.output if node.output.count(n) > 1}
        slots = tuple(zip(node.operands, node.subscripts, strict=True))
        for operand, labels in slots:
            if isinstance(operand, Delta):
                whole.update(dict.fromkeys(labels, "relation"))
        return Chunking(slots, node.output, _numbers(node.sizes), whole)
    own = tuple(range(len(node.shape)))
    if isinstance(node, Add):
        return Chunking(tuple((term, own) for _, term in node.terms), own, _numbers(node.shape), {})
    if isinstance(node, Call):
        return _form_of_call(node)
    reason = "relation" if isinstance(node, Delta) else ""
    return Chunking((), own, _numbers(node.shape), dict.fromkeys(own, reason) if reason else {})


def _form_of_call(node: Call) -> Chunking:
    given, result = node.function.cores
    batch = tuple(range(len(node.batch)))
    sizes = list(_numbers(node.batch))
    label: dict[str, int] = {}
    operands = []
    for arg, names in zip(node.args, given, strict=True):
        lead = len(arg.shape) - len(names)
        for name, size in zip(names, _numbers(arg.shape[lead:]), strict=True):
            if name not in label:
                label[name] = len(sizes)
                sizes.append(size)
        operands.append((arg, (*batch[:lead], *(label[name] for name in names))))
    output = (*batch, *(label[name] for name in result))
    combine = REDUCTIONS.get(node.function.name, "")
    whole = {} if combine else dict.fromkeys(label.values(), node.function.name)
    return Chunking(tuple(operands), output, tuple(sizes), whole, combine or "sum")


def _numbers(shape: Iterable[Size]) -> tuple[int, ...]:
    found = tuple(shape)
    assert all(isinstance(size, int) for size in found), f"sizes without numbers: {found}"
    return found  # type: ignore[return-value]


def count_of(node: Node) -> int:
    """Return how many entries a node has.

    >>> count_of(variable("A", (2, 3)))
    6
    """
    return prod(_numbers(node.shape))


def _overlap(chunks: Chunks | None, start: int, stop: int) -> Chunks | None:
    """Return the chunks of a slice.

    >>> _overlap((3, 3, 3), 1, 6)
    (2, 3)
    """
    if chunks is None:
        return None
    ends = list(accumulate(chunks, initial=0))
    cut = [min(b, stop) - max(a, start) for a, b in pairwise(ends)]
    return tuple(n for n in cut if n > 0) or (0,)


# --- how everything is cut --------------------------------------------------------------------


class Cutter:
    """Knows for each node how its axes are cut, from how variables are.

    Chunks are put together only to chunks of at most `most` bytes.
    """

    def __init__(self, layouts: Mapping[Variable, Layout], itemsize: int, most: int) -> None:
        self.given = dict(layouts)
        self.slices: dict[Variable, Slice] = {}
        self.layouts: dict[Node, Layout] = {}
        self.itemsize = itemsize
        self.most = most

    def layout(self, node: Node) -> Layout:
        """Return how the axes of a node are cut, which may be new."""
        for part in self._new([node]):
            self.layouts[part] = self._cut(part)
        return self.layouts[node]

    def _cut(self, node: Node) -> Layout:
        if isinstance(node, Variable):
            return self.given[node]
        form = form_of(node)
        chunks = self.chunks(form)
        return tuple(chunks[label] for label in form.output)

    def chunks(self, form: Chunking) -> list[Chunks | None]:
        """Return how each label is cut: as in the largest operand that has it and is in chunks.

        Of two that are cut differently the smaller one is cut anew.
        """
        found: list[tuple[tuple[int, int], Chunks | None]] = [((-1, 0), None)] * len(form.sizes)
        for operand, labels in form.operands:
            for label, chunks in zip(labels, self.layouts[operand], strict=True):
                if chunks is None:
                    continue
                rank = count_of(operand), len(chunks)
                if rank > found[label][0]:
                    found[label] = rank, chunks
        result = [chunks for _, chunks in found]
        for label in form.whole:
            result[label] = (form.sizes[label],)
        self._put_together(form, result)
        return result

    def _put_together(self, form: Chunking, cut: list[Chunks | None]) -> None:
        """Put chunks together along some axes where less has to be moved then.

        In a product whose grid has three axes or more, each chunk of an operand is read by the
        tasks of all chunks of the others. The axis with the most chunks stays as it is.
        """
        many = [label for label, chunks in enumerate(cut) if chunks and len(chunks) > 1]
        if len(many) < 3:
            return
        many.remove(max(many, key=lambda label: len(cut[label] or ())))
        arrays = [*(labels for _, labels in form.operands), form.output]
        least = self._moved(form, cut)
        while many:
            choices = []
            for label in many:
                trial = [*cut]
                trial[label] = (form.sizes[label],)
                largest = max(
                    prod(max(trial[n] or (form.sizes[n],)) for n in labels)
                    for labels in arrays
                    if label in labels
                )
                if largest * self.itemsize <= self.most:
                    choices.append((self._moved(form, trial), label))
            moved, best = min(choices, default=(least, -1))
            if moved >= least:
                return
            least = moved
            cut[best] = (form.sizes[best],)
            many.remove(best)

    def _moved(self, form: Chunking, cut: Sequence[Chunks | None]) -> int:
        """Count the entries that are sent to other tasks than the one that has them."""
        tasks = prod(len(chunks or (0,)) for chunks in cut)
        total = 0
        for operand, labels in form.operands:
            own = prod(len(cut[label] or (0,)) for label in set(labels))
            is_recut = any(
                chunks is not None and chunks != cut[label]
                for label, chunks in zip(labels, self.layouts[operand], strict=True)
            )
            total += count_of(operand) * (tasks // own - 1 + is_recut)
        return total

    # Rewriting.

    def rewritten(self, roots: Sequence[Node]) -> tuple[Node, ...]:
        """Write expressions so that they can be computed chunk by chunk."""
        return rewritten(roots, self._known)

    def _known(self, node: Node) -> Node:
        """Rewrite what is new in an expression."""
        done: dict[Node, Node] = {}
        for part in self._new([node]):
            below = {child: done.get(child, child) for child in children(part)}
            done[part] = self._rewritten(rebuilt(part, below))
        return done.get(node, node)

    def _rewritten(self, node: Node) -> Node:
        """Rewrite a node whose operands are known."""
        for child in children(node):
            self.layout(child)
        if isinstance(node, Call):
            node = self._shifted(node)
        elif isinstance(node, Einsum):
            cut = self._sliced(node)
            if cut is not None:  # in which other slices may be needed
                return self._known(cut)
            node = self._in_pairs(node)
        for part in self._new([node]):
            self._check(part)
            self.layout(part)
        return node

    def _new(self, roots: Sequence[Node]) -> list[Node]:
        """List the nodes under these whose layouts are not known yet."""
        known = self.layouts
        found = topological(roots, lambda n: () if n in known else children(n))
        return [node for node in found if node not in known]

    def _is_many(self, chunks: Chunks | None) -> bool:
        return chunks is not None and len(chunks) > 1

    def _shifted(self, node: Call) -> Node:
        r"""Write a softmax over an index that is in chunks by the sum of exponentials.

        .. math::
            \log \operatorname{softmax}(x)_i = s_i - \log \sum_j e^{s_j} \qquad s = x - \max_k x_k

        Without the maximum the difference would have few digits where x is large.
        """
        if node.function.name not in ("softmax", "log_softmax"):
            return node
        (x,) = node.args
        lead = len(node.batch)
        if not any(self._is_many(chunks) for chunks in self.layouts[x][lead:]):
            return node
        rank = len(x.shape) - lead
        labels = range(len(x.shape))
        shifted: Node = x
        for name in ("max", "logsumexp"):
            function = lookup(name, (rank,))
            assert function is not None
            reduced = call(function, [shifted])
            whole = einsum([reduced], [labels[:lead]], labels, dict(enumerate(x.shape)))
            shifted = add([(1, shifted), (-1, whole)], x.shape)
        exponential = lookup("exp")
        assert exponential is not None
        return shifted if node.function.name == "log_softmax" else call(exponential, [shifted])

    def _sliced(self, node: Einsum) -> Node | None:
        r"""Write a product with a shifted delta of an index in chunks by slices, if it is one.

        .. math:: \delta_{i+1,n} X_{np} = (X_{[1:]})_{ip}
        """
        slots = list(zip(node.operands, node.subscripts, strict=True))
        for k, (operand, labels) in enumerate(slots):
            if not isinstance(operand, Delta) or len(labels) != 2 or labels[0] == labels[1]:
                continue
            coefficients, offset, is_equation = operand.relation
            if not is_equation or sorted(coefficients) != [-1, 1]:
                continue
            rest = slots[:k] + slots[k + 1 :]
            for kept, gone in ((0, 1), (1, 0)):
                own, other = labels[kept], labels[gone]
                start, length = offset * coefficients[kept], _numbers(node.sizes)[own]
                is_inside = 0 <= start <= _numbers(node.sizes)[other] - length
                if other in node.output or not is_inside or not self._is_in_chunks(rest, other):
                    continue
                parts = [
                    self._part(
                        part, [axis for axis, n in enumerate(ns) if n == other], start, length
                    )
                    for part, ns in rest
                ]
                subscripts = [[own if n == other else n for n in ns] for _, ns in rest]
                sizes = {n: size for n, size in enumerate(node.sizes) if n != other}
                return einsum(parts, subscripts, node.output, sizes)
        return None

    def _is_in_chunks(self, slots: Sequence[tuple[Node, Sequence[int]]], label: int) -> bool:
        return any(
            n == label and self._is_many(chunks)
            for part, labels in slots
            for n, chunks in zip(labels, self.layouts[part], strict=True)
        )

    def _part(self, node: Node, axes: Sequence[int], start: int, length: int) -> Node:
        """Return a slice of a node; one of a variable is a variable of its own."""
        if not isinstance(node, Variable):
            return restricted(node, axes, start, length) if axes else node
        for axis in axes:
            shape = [length if k == axis else size for k, size in enumerate(node.shape)]
            part = variable(f"{node.name}[{axis}:{start}:{start + length}]", shape)
            layout = list(self.given[node])
            layout[axis] = _overlap(layout[axis], start, start + length)
            self.given[part] = tuple(layout)
            self.slices[part] = Slice(node, axis, start, start + length)
            node = part
        return node

    def _in_pairs(self, node: Einsum) -> Node:
        """Write a product of many factors that are in chunks as products of two."""
        form = form_of(node)
        if len(form.operands) < 3 or not any(map(self._is_many, self.chunks(form))):
            return node
        factors = list(form.operands)
        # What is summed in one factor only is summed before.
        path, _ = find_path(
            tuple(tuple(dict.fromkeys(labels)) for _, labels in factors),
            tuple(dict.fromkeys(form.output)),
            form.sizes,
        )
        for chosen in path:
            group = [factors.pop(k) for k in sorted(chosen, reverse=True)][::-1]
            needed = {*form.output, *(n for _, labels in factors for n in labels)}
            met = dict.fromkeys(n for _, labels in group for n in labels)
            output = tuple(n for n in met if n in needed) if factors else form.output
            sizes = {n: form.sizes[n] for n in output}
            parts = [labels for _, labels in group]
            factors.append((einsum([part for part, _ in group], parts, output, sizes), output))
        ((result, _),) = factors
        return result

    # What cannot be done.

    def _check(self, node: Node) -> None:
        """Refuse what needs an axis in one chunk that is in many."""
        if isinstance(node, Variable):
            return
        form = form_of(node)
        for operand, labels in form.operands:
            layout = self.layouts[operand]
            for label, chunks in zip(labels, layout, strict=True):
                if label in form.whole and chunks is not None and len(chunks) > 1:
                    self._check_whole(form, operand, labels, label, chunks)

    def _check_whole(
        self, form: Chunking, operand: Node, labels: tuple[int, ...], label: int, chunks: Chunks
    ) -> None:
        reason = form.whole[label]
        axis = f"an axis of size {form.sizes[label]}, which is in {len(chunks)} chunks"
        where = self._where(chunks)
        if reason == "delta":
            shape = shape_text(tuple(form.sizes[n] for n in form.output))
            raise OperandError(
                f"an array of shape {shape} is needed that is zero but on a diagonal over "
                f"{axis}{where}: such an array is not made in chunks",
                action="compute what is needed of it: its product with a vector, by jvp(v), "
                "vjp(u) or ed.hvp(...); or sum over that axis before differentiating",
            )
        size = self.itemsize
        for other, cut in zip(labels, self.layouts[operand], strict=True):
            whole = other in form.whole or cut is None
            size *= form.sizes[other] if whole else max(cut or (0,))
        if size <= self.most:
            return
        is_relation = reason == "relation"
        what = "indices are shifted or compared along" if is_relation else f"'{reason}' acts on"
        instead = "slice, shift or join the Dask arrays themselves, and pass the parts; or "
        raise SizeError(
            f"{what} the whole of {axis}{where}, and a chunk with all of it would be of "
            f"{format_bytes(size)}",
            action=f"{instead if is_relation else ''}pass the operand with that axis in one "
            "chunk, x.rechunk({axis: -1}), if a worker's memory holds it; or raise Dask's "
            f"setting array.chunk-size, now {format_bytes(self.most)}",
        )

    def _where(self, chunks: Chunks) -> str:
        """Say which operand has an axis in these chunks."""
        for v, layout in self.given.items():
            if chunks in layout:
                of = "" if v not in self.slices else "a part of "
                source = v
                while source in self.slices:
                    source = self.slices[source].source
                return f" (axis {layout.index(chunks)} of {of}'{source.name}')"
        return ""
