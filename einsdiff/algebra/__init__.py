"""What expressions mean: nodes, canonical forms, differentiation."""

from einsdiff.algebra.differentiate import derivatives, directional
from einsdiff.algebra.function import Function, lookup
from einsdiff.algebra.functions import FUNCTIONS
from einsdiff.algebra.nodes import (
    Add,
    Call,
    Constant,
    Delta,
    Einsum,
    Node,
    Variable,
    add,
    call,
    constant,
    delta,
    einsum,
    variable,
    zero,
)

__all__ = [
    "FUNCTIONS",
    "Add",
    "Call",
    "Constant",
    "Delta",
    "Einsum",
    "Function",
    "Node",
    "Variable",
    "add",
    "call",
    "constant",
    "delta",
    "derivatives",
    "directional",
    "einsum",
    "lookup",
    "variable",
    "zero",
]
