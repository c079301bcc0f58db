"""NumPy, imported when something of it is first used: formulas are read and written without it.

>>> from einsdiff.numeric.libraries.lazy import np
>>> np.ones(2)
array([1., 1.])
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from einsdiff.errors import OperandError

__all__ = ["np"]


class _Lazy(ModuleType):
    """Stands for a module, and becomes one like it when something of it is first asked for."""

    def __getattr__(self, name: str) -> Any:
        try:
            module = import_module(self.__name__)
        except ModuleNotFoundError as error:
            if error.name != self.__name__:
                raise
            raise OperandError(
                f"this takes numbers, and {self.__name__} is not installed",
                action=f"install it, as in: python -m pip install {self.__name__}",
            ) from error
        vars(self).update(vars(module))
        self.__class__ = ModuleType  # type: ignore[assignment]  # its attributes are found faster
        return getattr(self, name)


if TYPE_CHECKING:
    import numpy as np
else:
    np = _Lazy("numpy")
