r"""Expressions as plain data: what is pickled, and what the structure hash is a hash of.

An expression is a graph whose nodes are interned, so that it cannot be copied piece by piece. It
is written down as a list of *records* instead, one for each node, that name the nodes below them by
their places in the list,

.. math:: A_{ij} x_j: \quad 0\colon A,\; 1\colon x,\; 2\colon \textstyle\sum_b r^0_{ab} r^1_b ,

and read again by the functions that make nodes. The list is as long as the graph has nodes, and
neither way is recursive. It depends on the structure alone: the same expression has the same
records in every process.

>>> A, x = variable("A", ("m", 3)), variable("x", (3,))
>>> for record in dumped([einsum([A, x], ["ij", "j"], "i")]).records:
...     print(record)
('variable', (), 'x', (3,), False)
('variable', (), 'A', ('m', 3), False)
('einsum', (0, 1), ((1,), (0, 1)), (0,), ('m', 3))
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

from einsdiff.algebra.nodes.function_records import Function
from einsdiff.algebra.nodes.graph import children, topological
from einsdiff.algebra.nodes.interning import (
    Add,
    Call,
    Constant,
    Delta,
    Einsum,
    Node,
    Variable,
    constant,
    interned_call,
    interned_delta,
    interned_einsum,
    interned_sum,
    symbol,
    variable,
)
from einsdiff.algebra.nodes.nodes import add, call, einsum
from einsdiff.algebra.nodes.relations import Relation
from einsdiff.errors import OperandError

#: The number of this way of writing expressions down. It is raised when records change.
FORMAT = 2

Record = tuple[Any, ...]


class Graph(NamedTuple):
    """Expressions as data."""

    format: int  # in which way the records are written; see `FORMAT`
    version: str  # that of the library; another one may find other forms canonical
    records: tuple[Record, ...]  # for each node, those below it first, its kind and what makes it
    roots: tuple[int, ...]  # which of the records are the expressions
    #: A digest of the records, the roots and what else belongs to them, by which damage is found.
    #: It is no protection from malice: whoever can change a pickle can have it call anything.
    check: str = ""


@cache
def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("einsdiff")
    except PackageNotFoundError:  # run from its folder
        return ""


# --- writing ----------------------------------------------------------------------------------


def _below(node: Node) -> tuple[Node, ...]:
    """Return the nodes that one is made of, for a variable those it is a function of."""
    if not isinstance(node, Variable):
        return children(node)
    if node.derivative is None:
        return node.of
    base, wrt = node.derivative
    return (base, *wrt)


def _record(node: Node, place: Mapping[Node, int]) -> Record:
    """Return the kind of a node, the places of those below it, and what else makes it."""
    below = tuple([place[child] for child in _below(node)])
    if isinstance(node, Variable):
        if node.derivative is not None:
            return "symbol", below
        return "variable", below, node.name, node.shape, node.symmetric
    if isinstance(node, Constant):
        return "constant", below, node.value
    if isinstance(node, Delta):
        return "delta", below, node.shape, *node.relation
    if isinstance(node, Einsum):
        return "einsum", below, node.subscripts, node.output, node.sizes
    if isinstance(node, Add):
        return "add", below, tuple(c for c, _ in node.terms), node.shape
    assert isinstance(node, Call)
    return "call", below, node.function


def dumped(roots: Iterable[Node], *marks: object) -> Graph:
    """Write expressions as data, to be read by `loaded`; what they share is written once.

    The marks are what belongs to them, plain data that is to be read unchanged as well.
    """
    roots = tuple(roots)
    order = topological(roots, _below)
    place = {node: k for k, node in enumerate(order)}
    records = tuple(_record(node, place) for node in order)
    graph = Graph(FORMAT, _version(), records, tuple(place[root] for root in roots))
    return graph._replace(check=digest(graph, *marks))


# --- reading ----------------------------------------------------------------------------------


#: What makes a node from those below it and the rest of its record, as it was.
_AS_IT_WAS: Mapping[str, Callable[..., Node]] = {
    "variable": lambda below, name, shape, symmetric: variable(name, shape, symmetric, below),
    "symbol": lambda below: symbol(below[0], below[1:]),
    "constant": lambda _, value: constant(value),
    "delta": lambda _, shape, *relation: interned_delta(shape, Relation(*relation)),
    "einsum": lambda below, *rest: interned_einsum(below, *rest),
    "add": lambda below, numbers, shape: interned_sum(
        list(zip(numbers, below, strict=True)), shape
    ),
    "call": lambda below, function: interned_call(function, below),
}

#: The same, where another version of the library may have found another form canonical.
_ANEW: Mapping[str, Callable[..., Node]] = {
    **_AS_IT_WAS,
    "einsum": lambda below, subscripts, output, sizes: einsum(
        below, subscripts, output, dict(enumerate(sizes))
    ),
    "add": lambda below, coefficients, shape: add(zip(coefficients, below, strict=True), shape),
    "call": lambda below, function: call(function, below),
}


def loaded(graph: Sequence[Any], *marks: object) -> list[Node]:
    """Read expressions that were written as data, by `dumped` with the same marks, maybe elsewhere.

    They are interned: in the process that wrote them, they are the same objects. It is an
    `OperandError` if the data was written in a way that this version of the library does not know,
    or is not what was written.

    >>> x = variable("x", (3,))
    >>> loaded(dumped([x]))[0] is x
    True
    """
    data: Any = graph
    if not isinstance(data, tuple | list) or not data:
        raise damaged("the expressions")
    if graph[0] != FORMAT:
        raise OperandError(
            f"this pickle is of format {graph[0]}, and this version of einsdiff reads {FORMAT}",
            action="read it with the version of einsdiff that wrote it, and write it again",
        )
    if not _is_intact(graph, marks):
        raise damaged("the expressions")
    _, version, records, roots, _ = graph
    make = _AS_IT_WAS if version == _version() else _ANEW
    nodes: list[Node] = []
    for kind, below, *rest in records:
        nodes.append(make[kind](tuple([nodes[k] for k in below]), *rest))
    return [nodes[k] for k in roots]


def _is_intact(graph: Sequence[Any], marks: Sequence[object]) -> bool:
    try:
        return bool(digest(Graph(*graph), *marks) == graph[4])
    except Exception:  # whatever the records have become
        return False


def damaged(what: str) -> OperandError:
    """Return the error for a pickle whose checksum does not fit.

    >>> raise damaged("the arrays")
    Traceback (most recent call last):
    einsdiff.OperandError: this pickle is damaged: the arrays in it are not those that were written
    <BLANKLINE>
    read another copy of it, or write it again
    """
    return OperandError(
        f"this pickle is damaged: {what} in it are not those that were written",
        action="read another copy of it, or write it again",
    )


def restored(graph: Sequence[Any]) -> Node:
    """Read the one expression of a graph, which is how nodes are unpickled.

    >>> x = variable("x", (3,))
    >>> restored(dumped([x]))
    x
    """
    (node,) = loaded(graph)
    return node


def _reduced(node: Node) -> tuple[Any, ...]:
    """Pickle the data of the whole graph: one node after the other would be a deep recursion."""
    return restored, (tuple(dumped([node])),)


for _kind in (Variable, Constant, Delta, Einsum, Add, Call):
    copyreg.pickle(_kind, _reduced)


# --- the structure hash -----------------------------------------------------------------------


def _plain(record: Record) -> Record:
    """Replace a function by what it is known by: the same for equal ones in every process."""
    kind, below, *rest = record
    if kind == "call":
        function: Function = rest[0]
        rules = function.jacobians if function.is_registered else ()
        return kind, below, function.name, function.signature, rules
    return record


def structure_hash(root: Node, *marks: object) -> str:
    """Return a digest of an expression, SHA-256 of its records, the same in every process.

    The expression is in the form that is to be compared; the marks (numbers, strings or None) are
    what else tells it from others.

    >>> x, y = variable("x", (3,)), variable("y", (3,))
    >>> structure_hash(x) == structure_hash(x), structure_hash(x) == structure_hash(y)
    (True, False)
    """
    return digest(dumped([root]), *marks)


def digest(graph: Graph, *marks: object) -> str:
    """Return a digest of expressions as data, and of what else they are to be told by.

    >>> x = variable("x", (3,))
    >>> digest(dumped([x]), None) == structure_hash(x, None)
    True
    """
    found = sha256(ascii((marks, graph.roots)).encode())
    for record in graph.records:
        found.update(ascii(_plain(record)).encode())
    return found.hexdigest()
