r"""Functions of small matrices, many at once, by what is computed without LAPACK.

.. math:: A^{-1} = \frac{1}{a d - b c} \begin{pmatrix} d & -b \\ -c & a \end{pmatrix}

Sizes are known when a program is planned, and so is how many matrices there are:

>>> closed_form(FUNCTIONS["inv"], [(100_000, 3, 3)]).numpy
'inverses({0})'
>>> closed_form(FUNCTIONS["inv"], [(3, 3)]), closed_form(FUNCTIONS["inv"], [(1000, 4, 4)])
(inv, inv)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.function_records import Function, kernel, lookup
from einsdiff.numeric.planning.operations import Instruction

#: So many matrices are worth it, and so many systems of equations. Measured with NumPy 2.4.
LEAST_MATRICES = 200
LEAST_SYSTEMS = 800
#: Systems with more columns than this are LAPACK's.
MOST_COLUMNS = 4


def _kernel(
    name: str, called: str, like: str, turned: str = "{}", ranks: Any = None, **facts: Any
) -> Function:
    """Enter what computes a function, or its transpose; code has the library's own."""
    function = lookup(like, ranks) if ranks else FUNCTIONS[like]
    assert function is not None
    code = {
        library: turned.replace("np.", module).format(
            function.code.get(library, "") or function.numpy.replace("np.", module)
        )
        for library, module in (("numpy", "np."), ("torch", "torch."), ("jax", "jnp."))
    }
    return kernel(f"small_{name}", called, function.signature, code=code, temporary=0.1, **facts)


_FORMS = {
    "inv": _kernel("inv", "inverses({0})", "inv"),
    "det": _kernel("det", "determinants({0})", "det"),
    "logdet": _kernel("logdet", "log_determinants({0})", "logdet"),
    "signdet": _kernel("signdet", "signs_of_determinants({0})", "signdet"),
}
#: Inverses that lie in memory as their transposes, which is what derivatives have.
_TRANSPOSED = _kernel("inv_T", "transposed_inverses({0})", "inv", "np.swapaxes({}, -1, -2)")
_SYSTEMS = _kernel("systems", "solutions({0}, {1})", "solve", ranks=(2, 2), arguments=("A", "b"))


#: The largest and the smallest entry of rows that are too short for NumPy's loops.
_OF_ROWS = {
    name: _kernel(f"rows_{name}", f"{called}({{0}})", name, ranks=(1,))
    for name, called in (("max", "largest"), ("min", "smallest"))
}
SHORT_ROW = 32
LEAST_ROWS = 200


def closed_form(function: Function, shapes: Sequence[tuple[int, ...]]) -> Function:
    """Return what computes a function of arrays of these shapes: another one, or itself."""
    if function.name not in _FORMS and function.name not in ("solve", *_OF_ROWS):
        return function
    if lookup(function.name, function.ranks) is not function:  # one that a user entered
        return function
    if function.name in _OF_ROWS:
        *batch, row = shapes[0]
        is_short = function.ranks == (1,) and 1 < row <= SHORT_ROW and prod(batch) >= LEAST_ROWS
        return _OF_ROWS[function.name] if is_short else function
    if function.ranks[1:] == (1,):  # whose batch shares a matrix
        return function
    *batch, rows, columns = shapes[0]
    if rows != columns or rows not in (2, 3):
        return function
    if function.name in _FORMS:
        return _FORMS[function.name] if prod(batch) >= LEAST_MATRICES else function
    *right, _, columns = shapes[1]
    if batch != right or prod(batch) < LEAST_SYSTEMS or columns > MOST_COLUMNS:
        return function
    return _SYSTEMS


def with_transposes(steps: Sequence[Instruction], results: Sequence[str]) -> Sequence[Instruction]:
    """Make transposes of inverses that are needed for nothing else.

    They come in an order in which they can be taken.
    """
    inverses = {
        step.target: step
        for step in steps
        if step.op == "call" and step.detail is _FORMS["inv"] and step.target not in results
    }
    if not inverses:
        return steps
    uses: dict[str, list[Instruction]] = {name: [] for name in inverses}
    for step in steps:
        for name in {*step.args, step.into}.intersection(inverses):
            uses[name].append(step)
    new: dict[str, Instruction | None] = {}  # in place of what makes an array
    for name, users in uses.items():
        rank = len(inverses[name].shape)
        turned = (*range(rank - 2), rank - 1, rank - 2)
        if len(users) == 1 and users[0].op == "transpose" and users[0].detail == turned:
            target = users[0].target
            new[target] = replace(inverses[name], target=target, detail=_TRANSPOSED)
            new[name] = None
    made = (step if step.operation.is_write else new.get(step.target, step) for step in steps)
    return [step for step in made if step is not None]
