r"""What NumPy's functions mean: sums, products, index relations and calls of the table.

Every function here takes and returns nodes, under the name, the arguments and the broadcasting
rules that it has in NumPy. Whatever moves entries without changing them is an einsum with an index
relation (see `einsdiff.algebra.nodes.relations`), so that it is differentiated like any product:

.. math:: x_{[1:]} = \delta_{i+1,\,p}\, x_p \qquad
    A \otimes B = \delta_{p,\,ki+k'}\, \delta_{q,\,lj+l'}\, A_{ij} B_{k'l'} .

Their docstrings are written for the users of `einsdiff.verbs.named_functions`, who apply them to
tensors.

>>> from einsdiff.algebra.nodes.nodes import variable
>>> A, x = variable("A", (2, 3)), variable("x", (3,))
>>> matmul(A, x).shape, outer(x, x).shape, index(x, slice(1, None)).shape
((2,), (3, 3), (2,))
>>> mean(A, axis=0).shape, norm(A).shape, stack([x, x]).shape
((3,), (), (2, 3))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.operations.arithmetic import (
    add_,
    deg2rad,
    divide,
    entrywise,
    exp2,
    fabs,
    float_power,
    floor_divide,
    multiply,
    negative,
    positive,
    power,
    rad2deg,
    reciprocal,
    remainder,
    sqrt,
    square,
    subtract,
)
from einsdiff.algebra.operations.conditions import (
    bitwise_and,
    bitwise_or,
    clip,
    fmax,
    fmin,
    heaviside,
    invert,
    is_condition,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    step,
    where,
)
from einsdiff.algebra.operations.diagonals import (
    diag,
    diagonal,
    matrix_diagonal,
    matrix_trace,
    trace,
    tril,
    triu,
)
from einsdiff.algebra.operations.entries import of_entries
from einsdiff.algebra.operations.indexing import diff, flip, index, roll
from einsdiff.algebra.operations.joining import column_stack, concatenate, hstack, stack, vstack
from einsdiff.algebra.operations.matrices import (
    Slogdet,
    det,
    expm,
    inv,
    logdet,
    matrix_power,
    pinv,
    slogdet,
    solve,
)
from einsdiff.algebra.operations.norms import norm
from einsdiff.algebra.operations.products import (
    dot,
    inner,
    kron,
    matmul,
    multi_dot,
    outer,
    tensordot,
    vdot,
)
from einsdiff.algebra.operations.reductions import (
    cumsum,
    log_softmax,
    logsumexp,
    max_,
    mean,
    min_,
    prod_,
    ptp,
    softmax,
    std,
    sum_,
    var,
)
from einsdiff.algebra.operations.reshaping import ravel, reshape
from einsdiff.algebra.operations.shapes import (
    Axis,
    broadcast_shape,
    broadcast_to,
    copy,
    full_like,
    ones_like,
    zeros_like,
)
from einsdiff.algebra.operations.symmetric import (
    Eigh,
    cholesky,
    cholesky_of_triangle,
    eigh,
    eigh_of_triangle,
    eigvalsh,
    eigvalsh_of_triangle,
    is_symmetric,
)
from einsdiff.algebra.operations.transposing import (
    expand_dims,
    matrix_transpose,
    moveaxis,
    squeeze,
    swapaxes,
    transpose,
)

__all__ = [
    "BEYOND_NUMPY",
    "NUMPY",
    "OF_TRIANGLES",
    "Axis",
    "Eigh",
    "Slogdet",
    "add_",
    "bitwise_and",
    "bitwise_or",
    "broadcast_shape",
    "broadcast_to",
    "clip",
    "cumsum",
    "diagonal",
    "divide",
    "dot",
    "entrywise",
    "floor_divide",
    "full_like",
    "index",
    "invert",
    "is_condition",
    "is_symmetric",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "matmul",
    "matrix_transpose",
    "max_",
    "mean",
    "min_",
    "multiply",
    "of_entries",
    "ones_like",
    "power",
    "prod_",
    "ravel",
    "remainder",
    "reshape",
    "squeeze",
    "std",
    "subtract",
    "sum_",
    "swapaxes",
    "trace",
    "transpose",
    "var",
    "zeros_like",
]

#: The functions of entries of the table.
_ENTRIES = {entry.name: of_entries(entry) for entry in FUNCTIONS.values() if entry.is_elementwise}

#: NumPy's name of each function, and what it does with nodes.
NUMPY: dict[str, Callable[..., Any]] = {
    **{
        name: function
        for name, function in _ENTRIES.items()
        if FUNCTIONS[name].numpy.startswith(f"np.{name}(") and name != "abs"
    },
    "absolute": _ENTRIES["abs"],
    "fabs": fabs,
    "fmax": fmax,
    "fmin": fmin,
    "greater": _ENTRIES["greater"],
    "greater_equal": _ENTRIES["greater_equal"],
    "equal": _ENTRIES["equal"],
    "not_equal": _ENTRIES["not_equal"],
    "add": add_,
    "subtract": subtract,
    "multiply": multiply,
    "divide": divide,
    "power": power,
    "float_power": float_power,
    "negative": negative,
    "positive": positive,
    "square": square,
    "sqrt": sqrt,
    "reciprocal": reciprocal,
    "exp2": exp2,
    "deg2rad": deg2rad,
    "radians": deg2rad,
    "rad2deg": rad2deg,
    "degrees": rad2deg,
    "remainder": remainder,
    "floor_divide": floor_divide,
    "less": less,
    "less_equal": less_equal,
    "heaviside": heaviside,
    "logical_and": logical_and,
    "logical_or": logical_or,
    "logical_not": logical_not,
    "bitwise_and": bitwise_and,
    "bitwise_or": bitwise_or,
    "invert": invert,
    "matmul": matmul,
    "where": where,
    "clip": clip,
    "sum": sum_,
    "mean": mean,
    "var": var,
    "std": std,
    "max": max_,
    "amax": max_,
    "min": min_,
    "amin": min_,
    "prod": prod_,
    "ptp": ptp,
    "cumsum": cumsum,
    "dot": dot,
    "inner": inner,
    "vdot": vdot,
    "outer": outer,
    "tensordot": tensordot,
    "kron": kron,
    "trace": trace,
    "transpose": transpose,
    "matrix_transpose": matrix_transpose,
    "swapaxes": swapaxes,
    "moveaxis": moveaxis,
    "expand_dims": expand_dims,
    "squeeze": squeeze,
    "reshape": reshape,
    "ravel": ravel,
    "broadcast_to": broadcast_to,
    "flip": flip,
    "diff": diff,
    "roll": roll,
    "concatenate": concatenate,
    "stack": stack,
    "vstack": vstack,
    "hstack": hstack,
    "column_stack": column_stack,
    "diagonal": diagonal,
    "diag": diag,
    "tril": tril,
    "triu": triu,
    "zeros_like": zeros_like,
    "ones_like": ones_like,
    "full_like": full_like,
    "copy": copy,
    "linalg.norm": norm,
    "linalg.inv": inv,
    "linalg.pinv": pinv,
    "linalg.det": det,
    "linalg.slogdet": slogdet,
    "linalg.cholesky": cholesky_of_triangle,
    "linalg.eigvalsh": eigvalsh_of_triangle,
    "linalg.eigh": eigh_of_triangle,
    "linalg.solve": solve,
    "linalg.matrix_power": matrix_power,
    "linalg.multi_dot": multi_dot,
    "linalg.matrix_transpose": matrix_transpose,
    "linalg.outer": outer,
    "linalg.trace": matrix_trace,
    "linalg.diagonal": matrix_diagonal,
}

#: What NumPy reads one triangle for, and what it is a function of the symmetric part of.
OF_TRIANGLES = {
    cholesky_of_triangle: cholesky,
    eigvalsh_of_triangle: eigvalsh,
    eigh_of_triangle: eigh,
}

#: Functions that NumPy lacks.
BEYOND_NUMPY: dict[str, Callable[..., Any]] = {
    **{name: f for name, f in _ENTRIES.items() if f not in NUMPY.values() and name not in NUMPY},
    "step": step,
    "logsumexp": logsumexp,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "logdet": logdet,
    "expm": expm,
}
