"""The libraries whose arrays are taken: a new one is a file of its own, and a line here."""

from __future__ import annotations

# In the order in which messages list them.
# isort: off
from einsdiff.numeric.libraries.array_library import LIBRARIES
from einsdiff.numeric.libraries.torch_arrays import Torch
from einsdiff.numeric.libraries.jax_arrays import Jax
from einsdiff.numeric.libraries.cupy_arrays import CuPy
from einsdiff.numeric.libraries.dask_arrays import Dask

# isort: on

__all__ = ["LIBRARIES", "CuPy", "Dask", "Jax", "Torch"]
