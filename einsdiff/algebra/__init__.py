"""What expressions mean: nodes, canonical forms, differentiation."""

from einsdiff.algebra.differentiate import derivatives
from einsdiff.algebra.nodes import (
    Add,
    Call,
    Constant,
    Delta,
    Einsum,
    Function,
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
    "einsum",
    "variable",
    "zero",
]
