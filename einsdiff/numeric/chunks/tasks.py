r"""Tasks for Dask: one for each chunk of a region, a tree for what is summed over the chunks.

A sum of many terms is made of sums of few, so that no task reads more than a few of them, and their
number is that of the chunks and a fraction,

.. math:: s_0 + s_1 + \dots + s_{63} = (s_0 + \dots + s_7) + \dots + (s_{56} + \dots + s_{63}) ,

in an order that is fixed: the result does not depend on which worker was faster.

NumPy arrays are handed to the workers once, before anything is computed, and are not part of the
graph.

>>> total = combined([(np.ones(2),), (np.ones(2),)], ("sum",), (0,))
>>> total
(array([2., 2.]),)
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from itertools import pairwise, product
from math import prod
from operator import getitem
from typing import Any

import numpy as np

from einsdiff.algebra.nodes.function_records import Function
from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import Call, Node
from einsdiff.algebra.nodes.records import digest, dumped
from einsdiff.errors import OperandError
from einsdiff.numeric.chunks.chunk_layout import Chunks
from einsdiff.numeric.chunks.fused import ChunkTask, Output, Spread, Symbol
from einsdiff.numeric.libraries.memory import format_bytes, memory_limit
from einsdiff.numeric.libraries.operands import Array
from einsdiff.numeric.running.kernels import logsumexp
from einsdiff.numeric.running.program import program_for

#: A task that adds results of chunks reads so many of them, fewer if they are large.
MOST_ADDED = 8
#: The bytes of what it reads, if they are.
LARGE_SUM = 2**27
#: Operands of so few bytes are part of the graph.
TINY = 2**10
#: Operands of so many bytes are copied where Dask runs in this process: they may change later.
COPIED = 2**20
#: Operands of so many bytes are kept by a cluster's scheduler, larger ones by its workers only.
KEPT = 2**23


# --- what tasks do ----------------------------------------------------------------------------


class Kernel:
    """What a task computes from one chunk of each operand."""

    __slots__ = ("_pickled", "dtype", "inputs", "nodes", "sizes")

    def __init__(
        self,
        nodes: tuple[Node, ...],  # with names for the sizes of chunks
        inputs: tuple[str, ...],  # the names of the arrays it takes
        sizes: tuple[str, ...],  # the names of sizes, in the order of the grid
        dtype: str,
    ) -> None:
        self.nodes = nodes
        self.inputs = inputs
        self.sizes = sizes
        self.dtype = dtype
        self._pickled: bytes | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        if self._pickled is None:
            self._pickled = pickle.dumps((self.nodes, self.inputs, self.sizes, self.dtype))
        return _kernel, (self._pickled,)

    def __repr__(self) -> str:
        return f"<einsdiff kernel of {', '.join(self.inputs)}>"

    def __call__(self, lengths: Sequence[int], *blocks: Any) -> tuple[Array, ...]:
        """Compute the expressions from a chunk of each operand, in the order of the names.

        The `lengths` are those of the chunk along the axes of the grid.
        """
        sizes = tuple(zip(self.sizes, lengths, strict=False))
        program = program_for(self.nodes, sizes, self.dtype)
        room = _room() // np.dtype(self.dtype).itemsize
        if program.plan.peak > room:
            program = program_for(self.nodes, sizes, self.dtype, limit=room)
        given = dict(zip(self.inputs, blocks, strict=True))
        taken = [_as_declared(given[v.name], self.dtype) for v in program.inputs]
        results = program.function(*taken)
        return results if isinstance(results, tuple) else (results,)


@lru_cache(maxsize=256)
def _kernel(pickled: bytes) -> Kernel:
    """Return the kernel of many tasks; it is read once in each process."""
    return Kernel(*pickle.loads(pickled))


def _room() -> int:
    """Return how many bytes a task may allocate: its share of the worker's memory."""
    room = memory_limit()
    if "distributed" in sys.modules:
        try:
            worker = sys.modules["distributed"].get_worker()
        except ValueError:  # computed elsewhere
            return room
        limit = worker.memory_manager.memory_limit
        if limit:
            room = min(room, limit // (2 * worker.state.nthreads))
    return room


#: How two arrays are put together.
_PAIRWISE: Mapping[str, Callable[..., Any]] = {
    "sum": np.add,
    "prod": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
}


def combined(
    parts: Sequence[Sequence[Array]], kinds: Sequence[str], places: Sequence[int]
) -> tuple[Array, ...]:
    """Put together what was computed from several chunks, as tuples of arrays.

    For each result it is said how, by "sum" or a reduction's name, and where in the tuples it
    stands.
    """
    results = []
    for kind, k in zip(kinds, places, strict=True):
        arrays = [part[k] for part in parts]
        if kind == "logsumexp" and len(arrays) > 1:
            result = logsumexp(np.stack(arrays), axis=(0,))
        else:
            result = arrays[0]
            for n, array in enumerate(arrays[1:]):
                into = {"out": result} if n and result.ndim else {}
                result = np.asarray(_PAIRWISE[kind](result, array, **into))
        results.append(np.asarray(result, arrays[0].dtype))
    return tuple(results)


# --- operands ---------------------------------------------------------------------------------


def _as_declared(block: Any, dtype: str) -> Array:
    """Return a chunk in the dtype that its array says it has; refuse one that this would cut."""
    array = np.asarray(block)
    if array.dtype == dtype:
        return array
    if not np.can_cast(array.dtype, dtype):
        raise OperandError(
            f"a chunk of an operand has dtype {array.dtype}, and the array says {dtype}",
            action=f"say which it is where the array is made, as in dtype={array.dtype}, or "
            f"convert it with .map_blocks(np.asarray, dtype={array.dtype})",
        )
    return array.astype(dtype)


def _blocks(chunks: tuple[Chunks, ...]) -> Iterable[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """List the positions of chunks, and where they are in the array."""
    cuts = []
    for lengths in chunks:
        starts = np.cumsum([0, *lengths]).tolist()
        cuts.append([slice(a, b) for a, b in pairwise(starts)])
    for position in product(*(range(len(lengths)) for lengths in chunks)):
        yield position, tuple(cut[k] for cut, k in zip(cuts, position, strict=True))


def handed_out(array: Array, chunks: tuple[Chunks, ...]) -> Any:
    """Make a Dask array of a NumPy array, in these chunks.

    With a client of a cluster its chunks are sent there, and the graph refers to them; else they
    are views of the array, or copies of a small one.
    """
    base, da = import_module("dask.base"), import_module("dask.array")
    name = f"einsdiff-operand-{base.tokenize(array, chunks)}"
    parts: dict[Any, Any] = {(name, *at): array[index] for at, index in _blocks(chunks)}
    client = None if array.nbytes <= TINY else _client()
    if client is not None:
        parts = _sent(client, parts, array.nbytes)
    elif array.nbytes <= COPIED:
        parts = {key: part.copy() for key, part in parts.items()}
    return da.Array(parts, name, chunks, meta=np.empty((0,) * array.ndim, array.dtype))


def _client() -> Any:
    """Return the client of the cluster that will compute; None if Dask runs in this process."""
    if "distributed" not in sys.modules:
        return None
    distributed, config = sys.modules["distributed"], import_module("dask.config")
    scheduler = config.get("scheduler", None)
    if isinstance(scheduler, distributed.Client):
        return scheduler
    if scheduler not in (None, "dask.distributed", "distributed"):
        return None
    try:
        return distributed.default_client()
    except ValueError:  # there is none
        return None


def _sent(client: Any, parts: Mapping[Any, Array], size: int) -> dict[Any, Any]:
    """Send arrays to a cluster, those that are not there yet; return futures."""
    future = sys.modules["distributed"].Future
    found = {key: future(key, client) for key in parts if _is_there(client, key)}
    missing = {key: np.ascontiguousarray(part) for key, part in parts.items() if key not in found}
    if not missing:
        return found
    if size <= KEPT:  # by the scheduler, so that a worker may be lost
        sent = client.map(same, list(missing.values()), key=list(missing))
        return {**found, **dict(zip(missing, sent, strict=True))}
    if client.asynchronous:
        raise OperandError(
            f"a NumPy array of {format_bytes(size)} cannot be sent to the workers by a client "
            "that is asynchronous",
            action="make a Dask array of it, as in da.from_array(x, chunks=...)",
        )
    try:
        return {**found, **client.scatter(missing)}
    except (OSError, TimeoutError) as error:
        raise OperandError(
            f"the Dask cluster does not take operands: {str(error) or type(error).__name__}",
            action="see whether it has workers that run; client.close() if it is gone",
        ) from error


def _is_there(client: Any, key: Any) -> bool:
    return key in client.futures and client.futures[key].status not in ("cancelled", "lost")


def same(array: Array) -> Array:
    """Return an array: the task that an operand is for a cluster."""
    return array


# --- graphs -----------------------------------------------------------------------------------


def arrays_of(spread: Spread, given: Mapping[Node, Any], dtype: Any) -> list[Any]:
    """Return expressions as lazy arrays, from arrays of their variables, of Dask or of NumPy."""
    known = _KnownChunks(given)
    for part, (source, axis, start, stop) in spread.slices:
        index = (slice(None),) * axis + (slice(start, stop),)
        known.arrays[part] = known.arrays[source][index]
    for region in spread.regions:
        known.arrays.update(_computed(region, known, np.dtype(dtype)))
    return [known.whole(root) for root in spread.roots]


class _KnownChunks:
    """Arrays by node, each as it is needed."""

    def __init__(self, given: Mapping[Node, Any]) -> None:
        self.arrays: dict[Node, Any] = dict(given)
        self.made: dict[tuple[Node, tuple[Chunks, ...]], Any] = {}

    def cut(self, node: Node, chunks: tuple[Chunks, ...]) -> Any:
        """Return an array in these chunks."""
        array = self.arrays[node]
        if not isinstance(array, np.ndarray):
            return array if array.chunks == chunks else array.rechunk(chunks)
        key = node, chunks
        if key not in self.made:
            self.made[key] = handed_out(array, chunks)
        return self.made[key]

    def whole(self, node: Node) -> Any:
        """Return an array of Dask's."""
        return self.cut(node, _chunks(self.arrays[node]))


def _chunks(array: Any) -> tuple[Chunks, ...]:
    if isinstance(array, np.ndarray):
        return tuple((size,) for size in array.shape)
    chunks: tuple[Chunks, ...] = array.chunks
    return chunks


def _computed(region: ChunkTask, known: _KnownChunks, dtype: np.dtype[Any]) -> dict[Node, Any]:
    """Return the arrays that a region gives."""
    base, layers = import_module("dask.base"), import_module("dask.layers")
    blockwise = import_module("dask.blockwise").blockwise
    graphs = import_module("dask.highlevelgraph").HighLevelGraph
    inputs = [known.cut(found.node, found.chunks) for found in region.inputs]
    kernel = Kernel(
        region.nodes,
        tuple(found.name for found in region.inputs),
        tuple(f"c{k}" for k in range(len(region.grid))),
        dtype.name,
    )
    token = base.tokenize(
        digest(dumped(region.nodes), dtype.str),
        _own_functions(region.nodes),
        region.grid,
        [(found.name, found.symbols) for found in region.inputs],
        [array.name for array in inputs],
    )
    name = f"einsdiff-chunk-{token}"
    index: dict[Symbol | None, str] = {symbol: f"b{k}" for k, symbol in enumerate(region.grid)}
    index[None] = "o"
    lengths = layers.ArrayChunkShapeDep((*(chunks for chunks, _ in region.grid), (1,)))
    pairs: list[Any] = [lengths, tuple(index.values())]
    for found, array in zip(region.inputs, inputs, strict=True):
        pairs += [array.name, tuple(index[symbol] for symbol in found.symbols)]
    layer = blockwise(
        kernel,
        name,
        tuple(index.values()),
        *pairs,
        numblocks={array.name: array.numblocks for array in inputs},
    )
    graph = graphs.from_collections(name, layer, dependencies=inputs)
    return _unpacked(region, graph, name, token, dtype)


def _own_functions(nodes: Iterable[Node]) -> list[Any]:
    """List what computes the functions that a user registered: others may have their names."""
    found: list[Function] = [n.function for n in topological(nodes) if isinstance(n, Call)]
    return [function.implementation for function in found if function.is_registered]


def _unpacked(
    region: ChunkTask, graph: Any, name: str, token: str, dtype: np.dtype[Any]
) -> dict[Node, Any]:
    """Return the arrays whose chunks the tasks of a region give, or parts of them."""
    graphs = import_module("dask.highlevelgraph").HighLevelGraph
    da, tokenize = import_module("dask.array"), import_module("dask.base").tokenize
    groups: dict[frozenset[Symbol], list[int]] = {}
    for k, output in enumerate(region.outputs):
        groups.setdefault(frozenset(output.summed), []).append(k)
    arrays: dict[Node, Any] = {}
    for number, (summed, members) in enumerate(groups.items()):
        kept = [symbol for symbol in region.grid if symbol not in summed]
        outputs = [region.outputs[k] for k in members]
        source, below, places = name, graph, members
        if summed:
            source = f"einsdiff-sum-{tokenize(token, number)}"
            places = list(range(len(members)))
            tree = _tree(region.grid, kept, outputs, members, name, source, dtype)
            below = graphs({**graph.layers, source: tree}, {**graph.dependencies, source: {name}})
        for k, output in zip(places, outputs, strict=True):
            own = f"einsdiff-{tokenize(token, number, k)}"
            axes = [kept.index(s) if s is not None else None for s in output.symbols]
            tasks = {}
            for at in product(*(range(len(chunks)) for chunks, _ in kept)):
                place = tuple(0 if axis is None else at[axis] for axis in axes)
                tasks[(own, *place)] = (getitem, (source, *at, 0), k)
            layer = graphs({**below.layers, own: tasks}, {**below.dependencies, own: {source}})
            meta = np.empty((0,) * len(output.chunks), dtype)
            arrays[output.node] = da.Array(layer, own, output.chunks, meta=meta)
    return arrays


def _tree(
    grid: Sequence[Symbol],
    kept: Sequence[Symbol],
    outputs: Sequence[Output],
    places: Sequence[int],
    name: str,
    source: str,
    dtype: np.dtype[Any],
) -> dict[Any, Any]:
    """Write the tasks that put together what was computed from chunks."""
    kinds = tuple(output.combine for output in outputs)
    size = sum(prod(map(max, output.chunks)) for output in outputs) * dtype.itemsize
    many = max(2, min(MOST_ADDED, LARGE_SUM // max(size, 1)))
    counts = [len(chunks) for chunks, _ in grid]
    tasks: dict[Any, Any] = {}
    for at in product(*(range(len(chunks)) for chunks, _ in kept)):
        fixed = dict(zip(kept, at, strict=True))
        choices = [
            [fixed[s]] if s in fixed else range(n) for s, n in zip(grid, counts, strict=True)
        ]
        keys: list[Any] = [(name, *position, 0) for position in product(*choices)]
        picked, level = tuple(places), 0
        while True:
            groups = [keys[k : k + many] for k in range(0, len(keys), many)]
            is_last = len(groups) == 1
            keys = [
                (source, *at, 0) if is_last else (f"{source}-{level}", *at, k)
                for k in range(len(groups))
            ]
            for key, group in zip(keys, groups, strict=True):
                tasks[key] = (combined, group, kinds, picked)
            if is_last:
                break
            picked, level = tuple(range(len(places))), level + 1
    return tasks
