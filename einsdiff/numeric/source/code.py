r"""Standalone source code: a plan as a person would write it, for NumPy, PyTorch or JAX.

The steps of a plan become one function. What is used once is written where it is used, what is
nothing but a view is written as one, and a derivative with deltas,

.. math:: \frac{\partial f_i}{\partial A_{pq}} = \delta_{ip} x_q ,

is an array of zeros into which ``x`` is written along a diagonal. Sizes that are names are read
from the arrays, so that one function serves arrays of any size.

>>> A, x = variable("A", ("m", "n")), variable("x", ("n",))
>>> node = einsum([x], ["q"], "iiq", {"i": "m"})
>>> code = source(node, [A, x], "jacobian", "∂f_i/∂A_pq = δ_ip x_q", letters="ipq")
>>> print("\n".join(code.splitlines()[5:]))
    m, n = A.shape
    assert x.shape == (n,)
    J = np.zeros((m, m, n), x.dtype)  # (m, m, n)
    i = np.arange(m)
    J[i, i] = x
    return J
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import count
from math import prod
from textwrap import wrap
from typing import NamedTuple, TypeVar
from unicodedata import normalize

from einsdiff.algebra.nodes.graph import topological
from einsdiff.algebra.nodes.interning import Delta, Node, Variable
from einsdiff.algebra.reading.definitions import with_definitions
from einsdiff.errors import OperandError
from einsdiff.notation.subscripts import Size
from einsdiff.numeric.libraries.array_library import LIBRARIES, ArrayLibrary
from einsdiff.numeric.orders.engines import Optimizer
from einsdiff.numeric.planning.extents import check_extents, extents_of
from einsdiff.numeric.planning.plan import plain_plan
from einsdiff.numeric.source.draft import LINE, Draft, Line
from einsdiff.numeric.source.pieces import OWN, Piece
from einsdiff.numeric.source.spelling import BACKENDS, RESERVED, helper, imports, is_spelled
from einsdiff.numeric.source.statements import reshaped, transposed
from einsdiff.numeric.source.syntax import assigned, listed, names_of, numbers_as_arrays
from einsdiff.numeric.source.syntax import name as identity
from einsdiff.numeric.source.writes import targets_of, uses_of, write_plan

#: What is given a name: variables and sizes.
_K = TypeVar("_K")

#: Formulas longer than this are not shown in full.
MOST_SHOWN = 1000


def check_code_backend(backend: str) -> None:
    """Raise OperandError for array libraries that no code is written for.

    >>> check_code_backend("torch")
    """
    if backend not in BACKENDS:
        raise OperandError(
            f"there is no code for backend={backend!r}",
            action=f"write one of {', '.join(map(repr, BACKENDS))}",
        )


# --- names and texts of the user's ------------------------------------------------------------


def identifier(text: str, taken: Iterable[str] = ()) -> str:
    r"""Make a Python identifier of a name, other than those that are taken or mean something.

    >>> identifier("∂x/∂z"), identifier("lambda"), identifier("2 'x\n"), identifier("x", {"x"})
    ('dx_dz', 'lambda_', 'x_2_x', 'x_2')
    """
    plain = re.sub(r"\W+", "_", normalize("NFKC", text).replace("∂", "d")).strip("_")
    if not plain.isidentifier():
        plain = f"x_{plain}".rstrip("_")
    if not plain.isidentifier():  # signs that may stand in identifiers, but not everywhere
        plain = "x"
    if keyword.iskeyword(plain) or plain in RESERVED:
        plain += "_"
    taken = set(taken)
    found = plain
    for k in count(2):
        if found not in taken:
            break
        found = f"{plain.rstrip('_')}_{k}"
    return found


def docstring(text: str) -> str:
    r'''Write text as a docstring.

    >>> print(docstring("f_i = x_i"), docstring('"""\n\\'))
    """f_i = x_i""" """\"\"\"\n\\"""
    '''
    text = text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]} …"
    shown = "".join(
        f"\\{c}"
        if c in '\\"'
        else c
        if c.isprintable()
        else c.encode("unicode_escape", "backslashreplace").decode("ascii")
        for c in text
    )
    if len(shown) <= LINE:
        return f'"""{shown}"""'
    lines = wrap(shown, LINE, break_long_words=False, break_on_hyphens=False)
    return "\n    ".join([f'"""{lines[0]}', *(f"    {line}" for line in lines[1:]), '"""'])


# --- whole functions --------------------------------------------------------------------------


def source(
    node: Node,
    arguments: Sequence[Variable],
    name: str,
    text: str,
    backend: str = "numpy",
    *,
    letters: Sequence[str] = (),
    result: str = "J",
    reference: str = "",
    matrix: tuple[int, str, str] | None = None,
) -> str:
    """Write a function that computes an expression, with the imports that it needs.

    The arguments need not occur in the expression. The letters are those of the result's axes,
    `result` is what an array is called into which it is written, and the reference is the argument
    whose dtype and device are those of results in which no array occurs. `matrix` is the number of
    domain axes, the layout and the vec order, if the result is to be a matrix. Indices that are
    related in a way that depends on numbers, and a name that its code needs for something else, are
    OperandErrors.
    """
    draft, (piece,), known = _drafted([node], arguments, name, backend, letters, result, reference)
    if matrix is not None:
        piece = _as_matrix(draft, piece, *matrix)
    shown = None if re.fullmatch(r"\w+", piece.text) else piece.shape
    last = Line(ast.Return(piece.tree), shown)
    return _whole(draft, name, known, docstring(text), last, with_numbers=True)


def function_source(
    nodes: Sequence[Node],
    arguments: Sequence[Variable],
    backend: str,
    matrix: tuple[int, str, str] | None = None,
    *,
    has_floats: bool = False,
    optimizer: Optimizer = None,
) -> tuple[str, dict[str, str]]:
    """Write a function that is only called, and computes expressions of numbers as sizes.

    The source is that of a function called ``computed``, which returns a tuple of arrays that share
    no memory with its arguments; also returned is what the functions of the user's are called that
    it takes as keywords, by their names. If it has floats, all arrays are of floating-point or
    complex numbers.

    >>> A = variable("A", (2, 3))
    >>> text, _ = function_source([einsum([A], ["ij"], "i"), A], [A], "torch")
    >>> print(text[text.index("    assert") :])
        assert A.shape == (2, 3)
        return (torch.sum(A, dim=1), A.clone())
    """
    draft, pieces, known = _drafted(
        nodes,
        arguments,
        "computed",
        backend,
        "",
        "J",
        "",
        has_floats=has_floats,
        optimizer=optimizer,
    )
    if matrix is not None:
        pieces = [_as_matrix(draft, pieces[0], *matrix)]
    names = set(known.names.values())
    for k, piece in enumerate(pieces):
        if piece.memory != OWN or piece.text in names:
            pieces[k] = draft.made("copy", [piece], piece.shape)
        names.add(piece.text)
    last = Line(ast.Return(listed(piece.tree for piece in pieces)))
    return _whole(draft, "computed", known, "", last), dict(draft.functions)


class _Known(NamedTuple):
    """What variables and sizes are called in the code."""

    names: dict[Variable, str]
    sizes: dict[str, str]


def _drafted(
    nodes: Sequence[Node],
    arguments: Sequence[Variable],
    name: str,
    backend: str,
    letters: Sequence[str],
    result: str,
    reference: str,
    *,
    has_floats: bool = False,
    optimizer: Optimizer = None,
) -> tuple[Draft, list[Piece], _Known]:
    """Write the lines of a function, and what it returns."""
    code = LIBRARIES[backend].code
    nodes = with_definitions(nodes, lambda function: is_spelled(function, code))
    _check_relations(topological(nodes))
    parts = topological(nodes)
    names = _identified({argument: argument.name for argument in arguments}, ())
    found = [*_sizes_in(arguments), *_sizes_in(parts)]
    sizes = _identified({size: size for size in found if isinstance(size, str)}, names.values())

    plan = plain_plan(nodes, extents_of(parts, sizes), optimizer)
    check_extents(plan.instructions, parts)
    targets = targets_of(plan, result, letters)
    draft = Draft(
        plan,
        backend,
        {handle: names[v] for v, handle in plan.inputs},
        uses=uses_of(plan, targets),
        scalars=[n for v, n in names.items() if not v.shape],
        reference=_reference(names, reference),
        taken={*names.values(), *sizes.values(), name},
        has_floats=has_floats,
    )
    return draft, write_plan(draft, plan, targets), _Known(names, sizes)


def _whole(
    draft: Draft, name: str, known: _Known, text: str, last: Line, with_numbers: bool = False
) -> str:
    """Put together a function: its docstring, its lines, and the imports that it needs.

    A function that is called as something that its code needs is an OperandError.
    """
    unpacked, told = _unpacked(known.names, known.sizes)
    lines = [*draft.lines, last]
    if with_numbers:
        lines = [*_made_arrays(draft, known, [line.statement for line in lines]), *lines]
    used = set[str]().union(*(names_of(line.statement) for line in lines))
    missing = [n for s, n in known.sizes.items() if s not in told and n in used]
    functions = draft.functions.values()
    parameters = [*known.names.values(), *missing, *(["*", *functions] if functions else [])]
    body = [*([text] if text else []), *unpacked, *map(str, lines)]
    definition = [*_head(name, parameters), *("    " + line for line in body)]
    needed, before = _helpers(used.difference(parameters), draft.library)
    if normalize("NFKC", name) in needed:
        raise OperandError(
            f"the function cannot be called {name!r}, which means something else in its code",
            action="pass another name",
        )
    return "\n".join([*before, "", "", *definition] if before else definition)


def _made_arrays(draft: Draft, known: _Known, statements: Sequence[ast.stmt]) -> list[Line]:
    """Write lines that make arrays of arguments that may be numbers, where it takes arrays."""
    scalars = {name for v, name in known.names.items() if not v.shape}
    functions = [*draft.functions.values()]
    library = draft.library
    if library.is_strict:  # whose functions other than NumPy's take no integers
        functions += [name for name in imports(library.code) if name != library.alias]
    found = numbers_as_arrays(statements, scalars, functions, in_calls=not library.takes_numbers)
    like = [identity(name) for v, name in known.names.items() if v.shape][:1]
    op = library.operations["number to array like" if like else "number to array"]
    return [
        Line(assigned(identity(name), draft.spell(op, *map(Piece, [identity(name), *like]))))
        for name in known.names.values()
        if name in found
    ]


def _check_relations(nodes: Iterable[Node]) -> None:
    """Raise OperandError if it takes numbers to know what a relation of indices is."""
    for node in nodes:
        if not isinstance(node, Delta) or node.is_identity:
            continue
        named = [size for size in node.shape if isinstance(size, str)]
        is_triangle = sorted(node.relation.coefficients) == [-1, 1] and not node.relation.offset
        if named and len(node.shape) > 1 and not (is_triangle and len(set(node.shape)) == 1):
            raise OperandError(
                f"which indices fit together depends on how large "
                f"{' and '.join(map(repr, dict.fromkeys(named)))} is",
                action="give these sizes as numbers, as in ed.tensor('x', (5,))",
            )


def _sizes_in(nodes: Iterable[Node]) -> list[Size]:
    return [size for node in nodes for size in (*node.shape, *getattr(node, "sizes", ()))]


def _identified(texts: Mapping[_K, str], taken: Iterable[str]) -> dict[_K, str]:
    """Make identifiers of names, all of them different."""
    names: dict[_K, str] = {}
    for key, text in texts.items():
        names[key] = identifier(text, (*taken, *names.values()))
    return names


def _reference(names: Mapping[Variable, str], reference: str) -> str:
    """Return the argument that other arrays are like: the one asked for, or the first array."""
    named = [name for v, name in names.items() if v.name == reference]
    arrays = [name for v, name in names.items() if v.shape]
    return next(iter([*named, *arrays, *names.values()]), "")


def _as_matrix(draft: Draft, piece: Piece, domain: int, layout: str, order: str) -> Piece:
    """Write a derivative as a matrix."""
    split = len(piece.shape) - domain
    rows, columns = piece.shape[:split], piece.shape[split:]
    shape = (prod(rows), prod(columns))
    if order == "F" and max(len(rows), len(columns)) > 1:
        if not draft.library.operations["reshape F"]:  # which knows one order only
            axes = [*reversed(range(split)), *reversed(range(split, len(piece.shape)))]
            piece = reshaped(draft, transposed(draft, piece, axes), shape)
        else:
            piece = draft.made("reshape F", [piece], shape)
    elif piece.shape != shape:
        piece = reshaped(draft, piece, shape)
    return piece if layout == "numerator" else transposed(draft, piece, (1, 0))


# --- what stands around the statements --------------------------------------------------------


def _unpacked(
    names: Mapping[Variable, str], sizes: Mapping[str, str]
) -> tuple[list[str], set[Size]]:
    """Write how sizes are read from arrays, and what shapes these have; return what is known."""
    lines: list[str] = []
    checks: list[str] = []
    known: set[Size] = set()
    for argument in sorted(names, key=lambda a: -len(a.shape) * (len(set(a.shape)) > 1)):
        name, shape = names[argument], argument.shape
        texts = [str(size) if isinstance(size, int) else sizes[size] for size in shape]
        comma = "," * (len(shape) == 1)
        new = [s for s in dict.fromkeys(shape) if isinstance(s, str) and s not in known]
        if shape and len(new) == len(shape):
            lines.append(f"{f'({texts[0]},)' if comma else ', '.join(texts)} = {name}.shape")
        elif shape:
            lines += [f"{sizes[size]} = {name}.shape[{shape.index(size)}]" for size in new]
            checks.append(f"{name}.shape == ({', '.join(texts)}{comma})")
        known.update(new)
    while checks:
        line = f"assert {checks.pop(0)}"
        while checks and len(line) + len(checks[0]) < LINE:
            line += f" and {checks.pop(0)}"
        lines.append(line)
    return lines, known


def _head(name: str, parameters: Sequence[str]) -> list[str]:
    """Write the first line of a function, or the first lines if it is long."""
    listed = ", ".join(parameters)
    head = f"def {name}({listed}):"
    if len(head) <= LINE:
        return [head]
    lines = wrap(listed, LINE, break_long_words=False)
    return [f"def {name}(", *("    " + line for line in lines), "):"]


def _helpers(used: Collection[str], library: ArrayLibrary) -> tuple[frozenset[str], list[str]]:
    """Return what is needed for names that are used: which ones, and the lines that define them."""
    backend = library.code
    needed: dict[str, str] = {}
    names, known = sorted(used), imports(backend)
    for name in names:
        if name not in known and name not in needed and (text := helper(name, backend)):
            needed[name] = text
            names += sorted(names_of(ast.parse(text)))
    lines = [library.imported(line) for name, line in known.items() if name in names]
    helpers = [text for name in reversed(needed) for text in ("", "", needed[name])]
    return RESERVED.intersection(names), [*lines, *helpers]
