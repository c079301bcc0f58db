r"""How each array library writes an operation, and each function of the table.

Adding a library is adding a column, adding a function a record of the table, whose spellings are
looked up here. What a library lacks is defined in a few lines, which the code that needs them
carries along: those of `einsdiff.numeric.libraries.helpers`.

.. math:: \sigma(x) = \frac{1}{1 + e^{-x}}

>>> for backend in BACKENDS:
...     print(spelled(FUNCTIONS["sigmoid"], backend))
sigmoid({0})
torch.sigmoid({0})
jax.nn.sigmoid({0})
>>> print(helper("sigmoid", "numpy"))
def sigmoid(x):
    # The exponential of what is not positive does not overflow.
    small = np.exp(np.where(np.real(x) > 0, -x, x))
    return np.where(np.real(x) > 0, 1, small) / (1 + small)
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from einsdiff.algebra.functions.catalogue import FUNCTIONS
from einsdiff.algebra.nodes.function import Function

__all__ = [
    "ALIASES",
    "BACKENDS",
    "RESERVED",
    "helper",
    "imports",
    "is_spelled",
    "operation",
    "spelled",
]

#: The libraries, in the order of the columns below.
BACKENDS = ("numpy", "torch", "jax")

#: What their modules are called.
ALIASES = {"numpy": "np", "torch": "torch", "jax": "jnp"}


def _all(template: str) -> tuple[str, str, str]:
    return template, template, template


def _as_numpy(template: str, torch: str) -> tuple[str, str, str]:
    return template, torch, template


#: For each operation how the libraries write it. ``{np}`` is the module, ``{0}`` an argument, and
#: ``{0}`` one in brackets unless it is a name or the like.
_OPERATIONS = {
    "transpose": _as_numpy("{0}.transpose(*{axes})", "{0}.permute(*{axes})"),
    "reshape": _all("{0}.reshape(*{sizes})"),
    "reshape F": _as_numpy("{0}.reshape({shape}, order='F')", ""),
    "diagonal": _all("{np}.diagonal({0})"),
    "trace": _all("{np}.trace({0})"),
    "view": _all("{np}.einsum({subscripts}, {0})"),
    "einsum": _all("{np}.einsum({subscripts}, {0}, {1})"),
    "einsum by BLAS": (
        "{np}.einsum({subscripts}, {0}, {1}, optimize=True)",
        "{np}.einsum({subscripts}, {0}, {1})",
        "{np}.einsum({subscripts}, {0}, {1})",
    ),
    "flip": _as_numpy("{np}.flip({0}, {axes})", "{np}.flip({0}, ({axes},))"),
    "sum": _as_numpy("{np}.sum({0}, axis={axes})", "{np}.sum({0}, dim={axes})"),
    "sum all": _all("{np}.sum({0})"),
    "cumsum": _as_numpy("{np}.cumsum({0}, axis=0)", "{np}.cumsum({0}, dim=0)"),
    "join": _as_numpy("{np}.concatenate([{0}, {1}])", "{np}.cat([{0}, {1}])"),
    "copy": ("{0}.copy()", "{0}.clone()", "{0}"),
    "broadcast": _all("{np}.broadcast_to({0}, {shape})"),
    "cast": _as_numpy("{0}.astype({dtype})", "{0}.to({dtype})"),
    "where": _all("{np}.where({0}, {1}, {2})"),
    "clip": _as_numpy("{np}.clip({0}, {1}, {2})", "{np}.clamp({0}, {1}, {2})"),
    "tril": _all("{np}.tril({0})"),
    "tril at": _all("{np}.tril({0}, {1})"),
    "triu": _all("{np}.triu({0})"),
    "triu at": _all("{np}.triu({0}, {1})"),
    "range": _as_numpy("{np}.arange({0})", "{np}.arange({0}, device={device})"),
    "zeros": _as_numpy("{np}.zeros({length}, {dtype})", "{np}.zeros({length}, **{made})"),
    "ones": _as_numpy("{np}.ones({length}, {dtype})", "{np}.ones({length}, **{made})"),
    "full": _as_numpy("{np}.full({shape}, {0}, {dtype})", "{np}.full({shape}, {0}, **{made})"),
    "number": _as_numpy("{np}.asarray({0}, {dtype})", "{np}.tensor({0}, **{made})"),
    "eye": _as_numpy("{np}.eye({0}, dtype={dtype})", "{np}.eye({0}, **{made})"),
    # Of the dtype and on the device of an array.
    "zeros like": ("", "{like}.new_zeros({length})", ""),
    "ones like": ("", "{like}.new_ones({length})", ""),
    "full like": ("", "{like}.new_full({shape}, {0})", ""),
    "number like": ("", "{like}.new_tensor({0})", ""),
    "eye like": ("", "", ""),
    # What may be a number, as an array; for PyTorch, which has many dtypes, like another one.
    "number to array": ("{np}.asarray({0})", "as_tensor({0})", "{np}.asarray(1.0 * {0})"),
    "number to array like": (
        "{np}.asarray({0})",
        "as_tensor({0}, {1})",
        "{np}.asarray(1.0 * {0})",
    ),
    "diag": _all("{np}.diag({0})"),
    "sqrt": _all("{np}.sqrt({0})"),
    "solve for vectors": _all("{np}.linalg.solve({0}, {1}[..., None])[..., 0]"),
    # How what is written into a part of an array becomes part of a copy of it.
    "set": ("", "", "{0}.at[{1}].set({2})"),
    "add": ("", "", "{0}.at[{1}].add({2})"),
    # Where positions occur more than once.
    "add at": (
        "{np}.add.at({0}, {1}, {2})",
        "{0}.index_put_(({1},), {2}, accumulate=True)",
        "{0}.at[{1}].add({2})",
    ),
}


def operation(name: str, backend: str) -> str:
    """Return how a library writes an operation.

    >>> operation("copy", "torch")
    '{0}.clone()'
    """
    return _OPERATIONS[name][BACKENDS.index(backend)]


def spelled(function: Function, backend: str) -> str | None:
    """Return how a library writes a function of the table; None for a callable of the user's.

    >>> from einsdiff.algebra.nodes.function import lookup
    >>> spelled(lookup("tanh"), "jax"), spelled(lookup("max", (2,)), "torch")
    ('jnp.tanh({0})', 'torch.amax({0}, dim=(-2, -1))')
    """
    if callable(function.implementation):
        return None
    template = function.code.get(backend) or function.numpy.replace("(-1,)", "-1")
    return _in(backend, template)


def _in(backend: str, text: str) -> str:
    """Exchange NumPy's module for that of another library."""
    return re.sub(r"\bnp\.", f"{ALIASES[backend]}.", text)


def is_spelled(function: Function, backend: str) -> bool:
    """Tell whether a library writes a function; if not, it is written by its definition."""
    template = spelled(function, backend)
    if template is None:
        return True
    names = re.findall(r"(?<![\w.])([a-z]\w*)\(", template)
    known = imports(backend)
    return bool(template) and all(n in known or helper(n, backend) for n in names)


# --- what a library lacks ---------------------------------------------------------------------

#: Where that is defined, in modules that are read and not imported: not all libraries are there.
_HELPERS = Path(__file__).parent.parent / "libraries" / "helpers"


@cache
def _module(backend: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Read a module of helpers: the lines that import a name, and those that define one."""
    text = (_HELPERS / f"{backend}_helpers.py").read_text(encoding="utf-8")
    lines = text.splitlines()
    imported, defined = {}, {}
    for part in ast.parse(text).body:
        match part:
            case ast.Import() | ast.ImportFrom():
                start = f"from {part.module} " if isinstance(part, ast.ImportFrom) else ""
                for alias in part.names:
                    imported[alias.asname or alias.name] = f"{start}import {ast.unparse(alias)}"
            case ast.FunctionDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
                defined[name] = "\n".join(lines[part.lineno - 1 : part.end_lineno])
    return imported, defined


def imports(backend: str) -> Mapping[str, str]:
    """Return what names in the code need to be imported, in the order of the lines.

    >>> list(imports("numpy").values()), list(imports("torch").values())
    (['import math', 'import numpy as np', 'from scipy.linalg import expm'],
     ['import math', 'import torch'])
    """
    plain = {name: line for name, line in _module("numpy")[0].items() if line == f"import {name}"}
    return {**plain, **_module(backend)[0]}


def helper(name: str, backend: str) -> str:
    """Return the definition of a function that a library lacks; empty if there is none.

    Where a library has none of its own, it is NumPy's.

    >>> print(helper("damped_product", "torch"))
    def damped_product(x, factor):
        # Where the factor vanishes, so does the product, however large x is.
        return torch.where(factor == 0, 0, x) * factor
    """
    own = _module(backend)[1].get(name)
    return _in(backend, _module("numpy")[1].get(name, "")) if own is None else own


#: Names that mean something in the code, so that no variable is called so.
RESERVED = frozenset(
    [
        *(name for backend in BACKENDS for names in _module(backend) for name in names),
        *("bool", "complex", "float", "int", "range", "tuple"),
    ]
) - {"__all__"}

for _entry in FUNCTIONS.values():
    for _backend in BACKENDS:
        if not _entry.definition and not is_spelled(_entry, _backend):
            raise TypeError(
                f"the record of '{_entry.name}' is incomplete: code for {_backend} would say "
                f"{spelled(_entry, _backend)}, which nothing defines; add a spelling to 'code', a "
                f"function to {_backend}_helpers.py, or a definition"
            )
