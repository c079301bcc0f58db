"""CuPy: NumPy's functions, for arrays on a GPU."""

from __future__ import annotations

from typing import Any

from einsdiff.numeric.libraries.array_library import ArrayLibrary


class CuPy(ArrayLibrary):
    """CuPy."""

    name, title, array = "cupy", "CuPy", "a CuPy array"
    packages, module = ("cupy",), "cupy"

    def place_of(self, array: Any) -> Any:
        return array.device

    def as_numpy(self, array: Any) -> Any:
        return array.get()
