r"""What NumPy's functions mean: sums, products, index relations and calls of the table.

Every function here takes and returns nodes, under the name, the arguments and the broadcasting
rules that it has in NumPy. Whatever moves entries without changing them is an einsum with an index
relation (see `einsdiff.algebra.nodes.relations`), so that it is differentiated like any product:

.. math:: x_{[1:]} = \delta_{i+1,\,p}\, x_p \qquad
    A \otimes B = \delta_{p,\,ki+k'}\, \delta_{q,\,lj+l'}\, A_{ij} B_{k'l'} .

Their docstrings are written for the users of `einsdiff.verbs.named_functions`, who apply them to
tensors.

>>> from einsdiff.algebra.operations.indexing import index
>>> A, x = variable("A", (2, 3)), variable("x", (3,))
>>> NUMPY["matmul"](A, x).shape, NUMPY["outer"](x, x).shape, index(x, slice(1, None)).shape
((2,), (3, 3), (2,))
>>> (
...     NUMPY["mean"](A, axis=0).shape,
...     NUMPY["linalg.norm"](A).shape,
...     NUMPY["stack"]([x, x]).shape,
... )
((3,), (), (2, 3))
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.operations import matrices, norms, symmetric  # noqa: F401 (they name some)
from einsdiff.algebra.operations.applying import of_record
from einsdiff.algebra.operations.naming import BEYOND_NUMPY, NUMPY

__all__ = ["BEYOND_NUMPY", "NUMPY", "OF_TRIANGLES"]

#: What NumPy reads one triangle for, and what it is a function of the symmetric part of.
OF_TRIANGLES: dict[Callable[..., Any], Callable[..., Any]] = {
    symmetric.cholesky_of_triangle: symmetric.cholesky,
    symmetric.eigvalsh_of_triangle: symmetric.eigvalsh,
    symmetric.eigh_of_triangle: symmetric.eigh,
}

#: NumPy's names that are not those of the table.
_RENAMED = {"abs": ("absolute",), "max": ("max", "amax"), "min": ("min", "amin")}

for _entry in FUNCTIONS.values():
    _function = of_record(_entry)
    if _entry.about is None and not _entry.is_elementwise:
        continue
    if _entry.compares or re.match(rf"np\.(linalg\.)?{_entry.name}\(", _entry.numpy):
        _room = "linalg." * _entry.numpy.startswith("np.linalg")
        for _name in _RENAMED.get(_entry.name, (_entry.name,)):
            NUMPY.setdefault(_room + _name, _function)
    elif _entry.name not in NUMPY and _function not in OF_TRIANGLES.values():
        BEYOND_NUMPY[_entry.name] = _function
