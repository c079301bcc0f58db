r"""The function table. Adding a function is adding one record.

A record says how a function is differentiated, as an index expression of its value ``y`` and its
arguments, :math:`\tanh' = 1 - y^2`, and all else that the library knows of it: how NumPy, PyTorch,
JAX, SymPy and LaTeX write it, and which rules of `einsdiff.simplify` it takes part in. One that is
not complete is refused here.

>>> FUNCTIONS["tanh"].jacobians
('1 - y^2',)
"""

from __future__ import annotations

from einsdiff.algebra.functions import of_axes  # noqa: F401 (it enters its records)
from einsdiff.algebra.functions.folds import MOST_EXPANDED
from einsdiff.algebra.functions.of_entries import ENTRIES
from einsdiff.algebra.functions.of_matrices import MATRICES
from einsdiff.algebra.nodes.function_records import FUNCTIONS, enter

__all__ = ["FUNCTIONS", "MOST_EXPANDED"]

enter(*ENTRIES, *MATRICES)
