"""einsdiff: derivatives of tensor expressions in index notation.

>>> import einsdiff as ed
>>> import numpy as np
>>> A, x = np.ones((2, 3)), np.arange(3.0)
>>> J = ed.grad("ij,j->i", A, x, wrt="A")
>>> print(J)
∂f_i/∂A_pq = δ_ip x_q
>>> np.asarray(J).shape
(2, 2, 3)
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from einsdiff.errors import (
    BindingError,
    EinsdiffError,
    LayoutError,
    NameNotFoundError,
    OperandError,
    ShapeError,
    SizeError,
    SubscriptsError,
)

if TYPE_CHECKING:
    from einsdiff.calculus import einsum, grad, hessian, jacobian
    from einsdiff.numeric.memory import set_memory_limit
    from einsdiff.tensor import Tensor, tensor, tensors

    __version__: str

__all__ = [
    "BindingError",
    "EinsdiffError",
    "LayoutError",
    "NameNotFoundError",
    "OperandError",
    "ShapeError",
    "SizeError",
    "SubscriptsError",
    "Tensor",
    "einsum",
    "grad",
    "hessian",
    "jacobian",
    "set_memory_limit",
    "tensor",
    "tensors",
]

# These rooms import NumPy, which takes longer to import than all of einsdiff. They are imported
# when one of their names is first used.
_ROOMS = {
    "Tensor": "einsdiff.tensor",
    "einsum": "einsdiff.calculus",
    "grad": "einsdiff.calculus",
    "hessian": "einsdiff.calculus",
    "jacobian": "einsdiff.calculus",
    "set_memory_limit": "einsdiff.numeric.memory",
    "tensor": "einsdiff.tensor",
    "tensors": "einsdiff.tensor",
}


class _Package(ModuleType):
    def __setattr__(self, name: str, value: object) -> None:
        # The room einsdiff.tensor has the name of the function that it offers; importing the
        # room must not hide the function.
        if not (name == "tensor" and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("einsdiff")
    if name not in _ROOMS:
        raise AttributeError(f"module 'einsdiff' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_ROOMS[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
