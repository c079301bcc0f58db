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
from typing import TYPE_CHECKING, Any, NamedTuple

from einsdiff.errors import (
    BindingError,
    EinsdiffError,
    LayoutError,
    LostDependenceWarning,
    NameNotFoundError,
    OperandError,
    RangeError,
    ShapeError,
    SizeError,
    SubscriptsError,
)

if TYPE_CHECKING:
    from einsdiff.display.derivation.derivation import Derivation, Step
    from einsdiff.display.network.diagram import Diagram
    from einsdiff.display.tables.cases import Case, Cases
    from einsdiff.display.tables.table import Table
    from einsdiff.expressions.checking import Check
    from einsdiff.expressions.compiled import Compiled
    from einsdiff.expressions.cores import Cores
    from einsdiff.expressions.solver import Solver
    from einsdiff.expressions.tensor_class import Tensor, tensor, tensors
    from einsdiff.interop.differentiable import Differentiable, as_jax, as_torch
    from einsdiff.interop.scipy.optimization import Problem, problem
    from einsdiff.interop.sympy.importing import from_sympy
    from einsdiff.numeric.libraries.memory import set_memory_limit
    from einsdiff.numeric.solving.failures import SolveError
    from einsdiff.verbs.calculus import (
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
    from einsdiff.verbs.named_functions import TensorFunction, register
    from einsdiff.verbs.rewrite import Equality, collect, equal, expand, simplify

    class _Eigh(NamedTuple):
        eigenvalues: Tensor
        eigenvectors: Tensor

    class _Slogdet(NamedTuple):
        sign: Tensor
        logabsdet: Tensor

    __version__: str
    abs: TensorFunction[Tensor]
    arccos: TensorFunction[Tensor]
    arccosh: TensorFunction[Tensor]
    arcsin: TensorFunction[Tensor]
    arcsinh: TensorFunction[Tensor]
    arctan: TensorFunction[Tensor]
    arctan2: TensorFunction[Tensor]
    arctanh: TensorFunction[Tensor]
    broadcast_to: TensorFunction[Tensor]
    cbrt: TensorFunction[Tensor]
    ceil: TensorFunction[Tensor]
    cholesky: TensorFunction[Tensor]
    clip: TensorFunction[Tensor]
    column_stack: TensorFunction[Tensor]
    concatenate: TensorFunction[Tensor]
    cos: TensorFunction[Tensor]
    cosh: TensorFunction[Tensor]
    cumsum: TensorFunction[Tensor]
    det: TensorFunction[Tensor]
    diag: TensorFunction[Tensor]
    diagonal: TensorFunction[Tensor]
    diff: TensorFunction[Tensor]
    dot: TensorFunction[Tensor]
    eigh: TensorFunction[_Eigh]
    eigvalsh: TensorFunction[Tensor]
    erf: TensorFunction[Tensor]
    exp: TensorFunction[Tensor]
    exp2: TensorFunction[Tensor]
    expand_dims: TensorFunction[Tensor]
    expm: TensorFunction[Tensor]
    expm1: TensorFunction[Tensor]
    flip: TensorFunction[Tensor]
    floor: TensorFunction[Tensor]
    full_like: TensorFunction[Tensor]
    gelu: TensorFunction[Tensor]
    greater: TensorFunction[Tensor]
    greater_equal: TensorFunction[Tensor]
    heaviside: TensorFunction[Tensor]
    hstack: TensorFunction[Tensor]
    hypot: TensorFunction[Tensor]
    inner: TensorFunction[Tensor]
    inv: TensorFunction[Tensor]
    kron: TensorFunction[Tensor]
    less: TensorFunction[Tensor]
    less_equal: TensorFunction[Tensor]
    log: TensorFunction[Tensor]
    log10: TensorFunction[Tensor]
    log1p: TensorFunction[Tensor]
    log2: TensorFunction[Tensor]
    log_softmax: TensorFunction[Tensor]
    logaddexp: TensorFunction[Tensor]
    logdet: TensorFunction[Tensor]
    logsumexp: TensorFunction[Tensor]
    matmul: TensorFunction[Tensor]
    matrix_power: TensorFunction[Tensor]
    max: TensorFunction[Tensor]
    maximum: TensorFunction[Tensor]
    mean: TensorFunction[Tensor]
    min: TensorFunction[Tensor]
    minimum: TensorFunction[Tensor]
    moveaxis: TensorFunction[Tensor]
    multi_dot: TensorFunction[Tensor]
    norm: TensorFunction[Tensor]
    ones_like: TensorFunction[Tensor]
    outer: TensorFunction[Tensor]
    pinv: TensorFunction[Tensor]
    power: TensorFunction[Tensor]
    prod: TensorFunction[Tensor]
    ptp: TensorFunction[Tensor]
    ravel: TensorFunction[Tensor]
    reciprocal: TensorFunction[Tensor]
    relu: TensorFunction[Tensor]
    reshape: TensorFunction[Tensor]
    rint: TensorFunction[Tensor]
    roll: TensorFunction[Tensor]
    sigmoid: TensorFunction[Tensor]
    sign: TensorFunction[Tensor]
    sin: TensorFunction[Tensor]
    sinh: TensorFunction[Tensor]
    slogdet: TensorFunction[_Slogdet]
    softmax: TensorFunction[Tensor]
    softplus: TensorFunction[Tensor]
    solve: TensorFunction[Tensor]
    sqrt: TensorFunction[Tensor]
    square: TensorFunction[Tensor]
    squeeze: TensorFunction[Tensor]
    stack: TensorFunction[Tensor]
    std: TensorFunction[Tensor]
    step: TensorFunction[Tensor]
    sum: TensorFunction[Tensor]
    swapaxes: TensorFunction[Tensor]
    tan: TensorFunction[Tensor]
    tanh: TensorFunction[Tensor]
    tensordot: TensorFunction[Tensor]
    trace: TensorFunction[Tensor]
    transpose: TensorFunction[Tensor]
    tril: TensorFunction[Tensor]
    triu: TensorFunction[Tensor]
    trunc: TensorFunction[Tensor]
    var: TensorFunction[Tensor]
    vdot: TensorFunction[Tensor]
    vstack: TensorFunction[Tensor]
    where: TensorFunction[Tensor]
    xlogy: TensorFunction[Tensor]
    zeros_like: TensorFunction[Tensor]

__all__ = [
    "BindingError",
    "Case",
    "Cases",
    "Check",
    "Compiled",
    "Cores",
    "Derivation",
    "Diagram",
    "Differentiable",
    "EinsdiffError",
    "Equality",
    "LayoutError",
    "LostDependenceWarning",
    "NameNotFoundError",
    "OperandError",
    "Problem",
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
    "as_jax",
    "as_torch",
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
    "from_sympy",
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
    "problem",
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
    "Case": "einsdiff.display.tables.cases",
    "Cases": "einsdiff.display.tables.cases",
    "Check": "einsdiff.expressions.checking",
    "Compiled": "einsdiff.expressions.compiled",
    "Cores": "einsdiff.expressions.cores",
    "Derivation": "einsdiff.display.derivation.derivation",
    "Diagram": "einsdiff.display.network.svg",
    "Differentiable": "einsdiff.interop.differentiable",
    "Equality": "einsdiff.verbs.rewrite",
    "Problem": "einsdiff.interop.scipy.optimization",
    "SolveError": "einsdiff.numeric.solving.factorise",
    "Solver": "einsdiff.expressions.solver",
    "Step": "einsdiff.display.derivation.derivation",
    "Table": "einsdiff.display.tables.modes",
    "Tensor": "einsdiff.expressions.tensor_class",
    "TensorFunction": "einsdiff.verbs.named_functions",
    "as_jax": "einsdiff.interop.differentiable",
    "as_torch": "einsdiff.interop.differentiable",
    "check": "einsdiff.verbs.calculus",
    "collect": "einsdiff.verbs.rewrite",
    "compile": "einsdiff.verbs.calculus",
    "einsum": "einsdiff.verbs.calculus",
    "equal": "einsdiff.verbs.rewrite",
    "expand": "einsdiff.verbs.rewrite",
    "from_sympy": "einsdiff.interop.sympy.importing",
    "grad": "einsdiff.verbs.calculus",
    "hessian": "einsdiff.verbs.calculus",
    "hvp": "einsdiff.verbs.calculus",
    "jacobian": "einsdiff.verbs.calculus",
    "jvp": "einsdiff.verbs.calculus",
    "parse": "einsdiff.verbs.calculus",
    "problem": "einsdiff.interop.scipy.optimization",
    "register": "einsdiff.verbs.named_functions",
    "set_memory_limit": "einsdiff.numeric.libraries.memory",
    "simplify": "einsdiff.verbs.rewrite",
    "tensor": "einsdiff.expressions.tensor_class",
    "tensors": "einsdiff.expressions.tensor_class",
    "value_and_grad": "einsdiff.verbs.calculus",
    "vjp": "einsdiff.verbs.calculus",
}


class _Package(ModuleType):
    def __setattr__(self, name: str, value: object) -> None:
        # The room einsdiff.tensor has the name of the function that it offers; importing the
        # room must not hide the function.
        if not (name == "tensor" and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        # cloudpickle knows modules by their exact type, and functions that use them hold them.
        return import_module, (__name__,)


sys.modules[__name__].__class__ = _Package


import_module("einsdiff.notation.threads")  # from here on, a fork waits for imports


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("einsdiff")
    if name in __all__:
        import_module("einsdiff.verbs.calculus")  # the verbs tell tensors what numpy.einsum does
        room = _ROOMS.get(name, "einsdiff.verbs.named_functions")
        value = globals()[name] = getattr(import_module(room), name)
        return value
    raise AttributeError(f"module 'einsdiff' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
