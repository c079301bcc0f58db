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
    RangeError,
    ShapeError,
    SizeError,
    SubscriptsError,
)

if TYPE_CHECKING:
    from einsdiff.calculus import (
        check,
        compile,
        einsum,
        grad,
        hessian,
        hvp,
        jacobian,
        jvp,
        parse,
        value_and_grad,
        vjp,
    )
    from einsdiff.checking import Check
    from einsdiff.compiled import Compiled
    from einsdiff.cores import Cores
    from einsdiff.display.cases import Case, Cases
    from einsdiff.display.derivation import Derivation, Step
    from einsdiff.display.diagrams import Diagram
    from einsdiff.display.tables import Table
    from einsdiff.functions import TensorFunction, register
    from einsdiff.numeric.memory import set_memory_limit
    from einsdiff.numeric.solving import SolveError
    from einsdiff.rewriting import Equality, collect, equal, expand, simplify
    from einsdiff.structured import Solver
    from einsdiff.tensor import Tensor, tensor, tensors

    __version__: str
    abs: TensorFunction
    arccos: TensorFunction
    arccosh: TensorFunction
    arcsin: TensorFunction
    arcsinh: TensorFunction
    arctan: TensorFunction
    arctan2: TensorFunction
    arctanh: TensorFunction
    broadcast_to: TensorFunction
    cbrt: TensorFunction
    ceil: TensorFunction
    cholesky: TensorFunction
    clip: TensorFunction
    column_stack: TensorFunction
    concatenate: TensorFunction
    cos: TensorFunction
    cosh: TensorFunction
    cumsum: TensorFunction
    det: TensorFunction
    diag: TensorFunction
    diagonal: TensorFunction
    diff: TensorFunction
    dot: TensorFunction
    eigh: TensorFunction
    eigvalsh: TensorFunction
    erf: TensorFunction
    exp: TensorFunction
    exp2: TensorFunction
    expand_dims: TensorFunction
    expm: TensorFunction
    expm1: TensorFunction
    flip: TensorFunction
    floor: TensorFunction
    full_like: TensorFunction
    gelu: TensorFunction
    greater: TensorFunction
    greater_equal: TensorFunction
    heaviside: TensorFunction
    hstack: TensorFunction
    hypot: TensorFunction
    inner: TensorFunction
    inv: TensorFunction
    kron: TensorFunction
    less: TensorFunction
    less_equal: TensorFunction
    log: TensorFunction
    log10: TensorFunction
    log1p: TensorFunction
    log2: TensorFunction
    log_softmax: TensorFunction
    logaddexp: TensorFunction
    logdet: TensorFunction
    logsumexp: TensorFunction
    matmul: TensorFunction
    matrix_power: TensorFunction
    max: TensorFunction
    maximum: TensorFunction
    mean: TensorFunction
    min: TensorFunction
    minimum: TensorFunction
    moveaxis: TensorFunction
    multi_dot: TensorFunction
    norm: TensorFunction
    ones_like: TensorFunction
    outer: TensorFunction
    pinv: TensorFunction
    power: TensorFunction
    prod: TensorFunction
    ptp: TensorFunction
    ravel: TensorFunction
    reciprocal: TensorFunction
    relu: TensorFunction
    reshape: TensorFunction
    rint: TensorFunction
    roll: TensorFunction
    sigmoid: TensorFunction
    sign: TensorFunction
    sin: TensorFunction
    sinh: TensorFunction
    slogdet: TensorFunction
    softmax: TensorFunction
    softplus: TensorFunction
    solve: TensorFunction
    sqrt: TensorFunction
    square: TensorFunction
    squeeze: TensorFunction
    stack: TensorFunction
    std: TensorFunction
    step: TensorFunction
    sum: TensorFunction
    swapaxes: TensorFunction
    tan: TensorFunction
    tanh: TensorFunction
    tensordot: TensorFunction
    trace: TensorFunction
    transpose: TensorFunction
    tril: TensorFunction
    triu: TensorFunction
    trunc: TensorFunction
    var: TensorFunction
    vdot: TensorFunction
    vstack: TensorFunction
    where: TensorFunction
    xlogy: TensorFunction
    zeros_like: TensorFunction

__all__ = [
    "BindingError",
    "Case",
    "Cases",
    "Check",
    "Compiled",
    "Cores",
    "Derivation",
    "Diagram",
    "EinsdiffError",
    "Equality",
    "LayoutError",
    "NameNotFoundError",
    "OperandError",
    "RangeError",
    "ShapeError",
    "SizeError",
    "SolveError",
    "Solver",
    "Step",
    "SubscriptsError",
    "Table",
    "Tensor",
    "TensorFunction",
    "abs",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "broadcast_to",
    "cbrt",
    "ceil",
    "check",
    "cholesky",
    "clip",
    "collect",
    "column_stack",
    "compile",
    "concatenate",
    "cos",
    "cosh",
    "cumsum",
    "det",
    "diag",
    "diagonal",
    "diff",
    "dot",
    "eigh",
    "eigvalsh",
    "einsum",
    "equal",
    "erf",
    "exp",
    "exp2",
    "expand",
    "expand_dims",
    "expm",
    "expm1",
    "flip",
    "floor",
    "full_like",
    "gelu",
    "grad",
    "greater",
    "greater_equal",
    "heaviside",
    "hessian",
    "hstack",
    "hvp",
    "hypot",
    "inner",
    "inv",
    "jacobian",
    "jvp",
    "kron",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_softmax",
    "logaddexp",
    "logdet",
    "logsumexp",
    "matmul",
    "matrix_power",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "moveaxis",
    "multi_dot",
    "norm",
    "ones_like",
    "outer",
    "parse",
    "pinv",
    "power",
    "prod",
    "ptp",
    "ravel",
    "reciprocal",
    "register",
    "relu",
    "reshape",
    "rint",
    "roll",
    "set_memory_limit",
    "sigmoid",
    "sign",
    "simplify",
    "sin",
    "sinh",
    "slogdet",
    "softmax",
    "softplus",
    "solve",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "step",
    "sum",
    "swapaxes",
    "tan",
    "tanh",
    "tensor",
    "tensordot",
    "tensors",
    "trace",
    "transpose",
    "tril",
    "triu",
    "trunc",
    "value_and_grad",
    "var",
    "vdot",
    "vjp",
    "vstack",
    "where",
    "xlogy",
    "zeros_like",
]

# Most of these rooms import NumPy, which takes longer to import than all of einsdiff. They are
# imported when one of their names is first used.
_ROOMS = {
    "Case": "einsdiff.display.cases",
    "Cases": "einsdiff.display.cases",
    "Check": "einsdiff.checking",
    "Compiled": "einsdiff.compiled",
    "Cores": "einsdiff.cores",
    "Derivation": "einsdiff.display.derivation",
    "Diagram": "einsdiff.display.diagrams",
    "Equality": "einsdiff.rewriting",
    "SolveError": "einsdiff.numeric.solving",
    "Solver": "einsdiff.structured",
    "Step": "einsdiff.display.derivation",
    "Table": "einsdiff.display.tables",
    "Tensor": "einsdiff.tensor",
    "TensorFunction": "einsdiff.functions",
    "check": "einsdiff.calculus",
    "collect": "einsdiff.rewriting",
    "compile": "einsdiff.calculus",
    "einsum": "einsdiff.calculus",
    "equal": "einsdiff.rewriting",
    "expand": "einsdiff.rewriting",
    "grad": "einsdiff.calculus",
    "hessian": "einsdiff.calculus",
    "hvp": "einsdiff.calculus",
    "jacobian": "einsdiff.calculus",
    "jvp": "einsdiff.calculus",
    "parse": "einsdiff.calculus",
    "register": "einsdiff.functions",
    "set_memory_limit": "einsdiff.numeric.memory",
    "simplify": "einsdiff.rewriting",
    "tensor": "einsdiff.tensor",
    "tensors": "einsdiff.tensor",
    "value_and_grad": "einsdiff.calculus",
    "vjp": "einsdiff.calculus",
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
    if name in __all__:
        import_module("einsdiff.calculus")  # the verbs tell tensors what numpy.einsum does
        room = _ROOMS.get(name, "einsdiff.functions")
        value = globals()[name] = getattr(import_module(room), name)
        return value
    raise AttributeError(f"module 'einsdiff' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
