r"""How each array library writes each function of the table.

Adding a function is adding a record of the table, whose spellings are looked up here. How a library
writes operations is told by its own class. What it lacks is defined in a few lines, which the code
that needs them carries along: those of `einsdiff.numeric.libraries.helpers`.

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
from einsdiff.algebra.nodes.function_records import Function
from einsdiff.numeric.libraries.known import LIBRARIES

#: The libraries that have code of their own.
BACKENDS = ("numpy", "torch", "jax")


def spelled(function: Function, backend: str) -> str | None:
    """Return how a library writes a function of the table; None for a callable of the user's.

    >>> spelled(lookup("tanh"), "jax"), spelled(lookup("max", (2,)), "torch")
    ('jnp.tanh({0})', 'torch.amax({0}, dim=(-2, -1))')
    """
    if callable(function.implementation):
        return None
    template = function.code.get(backend) or function.numpy.replace("(-1,)", "-1")
    return _in(backend, template)


def _in(backend: str, text: str) -> str:
    """Exchange NumPy's module for that of another library."""
    return re.sub(r"\bnp\.", f"{LIBRARIES[backend].alias}.", text)


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
    file = _HELPERS / f"{backend}_helpers.py"
    if not file.exists():
        library = LIBRARIES[backend]
        return {library.alias: f"import {library.module} as {library.alias}"}, {}
    text = file.read_text(encoding="utf-8")
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
