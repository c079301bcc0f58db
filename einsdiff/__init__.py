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

from importlib import import_module
from typing import Any

import_module("einsdiff.notation.threads")  # from here on, a fork waits for imports

# Where each public name is. A room is imported when one of its names is first used: most of them
# need NumPy, which takes longer to import than all of einsdiff. Types are in `__init__.pyi`.
_NAMES = {
    "errors": """
        BindingError EinsdiffError LayoutError LostDependenceWarning NameNotFoundError OperandError
        RangeError ShapeError SizeError SubscriptsError
    """,
    "verbs.calculus": "check compile einsum grad hessian hvp jacobian jvp parse value_and_grad vjp",
    "verbs.named_functions": """
        TensorFunction abs arccos arccosh arcsin arcsinh arctan arctan2 arctanh broadcast_to cbrt
        ceil cholesky clip column_stack concatenate cos cosh cumsum det diag diagonal diff dot eigh
        eigvalsh erf exp exp2 expand_dims expm expm1 flip floor full_like function gelu greater
        greater_equal
        heaviside hstack hypot inner inv kron less less_equal log log10 log1p log2 log_softmax
        logaddexp logdet logsumexp matmul matrix_power max maximum mean min minimum moveaxis
        multi_dot norm ones_like outer pinv power prod ptp ravel reciprocal register relu reshape
        rint roll sigmoid sign sin sinh slogdet softmax softplus solve sqrt square squeeze stack std
        step sum swapaxes tan tanh tensordot trace transpose tril triu trunc var vdot vstack where
        xlogy zeros_like
    """,
    "verbs.rewrite": "Equality collect equal expand simplify",
    "expressions.checking": "Check",
    "expressions.compiled": "Compiled",
    "expressions.cores": "Cores",
    "expressions.solver": "Solver",
    "expressions.tensor_class": "Tensor tensor tensors",
    "display.derivation.derivation": "Derivation Step",
    "display.network.diagram": "Diagram",
    "display.tables.cases": "Case Cases",
    "display.tables.table": "Table",
    "numeric.libraries.memory": "set_memory_limit",
    "numeric.solving.failures": "SolveError",
    "interop.differentiable": "Differentiable as_jax as_torch",
    "interop.scipy.optimization": "Problem problem",
    "interop.sympy.importing": "from_sympy",
}
_ROOMS = {name: f"einsdiff.{room}" for room, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_ROOMS)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("einsdiff")
    if name in _ROOMS:
        import_module("einsdiff.verbs.calculus")  # the verbs tell tensors what numpy.einsum does
        value = globals()[name] = getattr(import_module(_ROOMS[name]), name)
        return value
    raise AttributeError(f"module 'einsdiff' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
