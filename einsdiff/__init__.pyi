from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, overload

from einsdiff.display.derivation.derivation import Derivation as Derivation
from einsdiff.display.derivation.derivation import Step as Step
from einsdiff.display.network.diagram import Diagram as Diagram
from einsdiff.display.tables.cases import Case as Case
from einsdiff.display.tables.cases import Cases as Cases
from einsdiff.display.tables.table import Table as Table
from einsdiff.errors import BindingError as BindingError
from einsdiff.errors import EinsdiffError as EinsdiffError
from einsdiff.errors import LayoutError as LayoutError
from einsdiff.errors import LostDependenceWarning as LostDependenceWarning
from einsdiff.errors import NameNotFoundError as NameNotFoundError
from einsdiff.errors import OperandError as OperandError
from einsdiff.errors import RangeError as RangeError
from einsdiff.errors import ShapeError as ShapeError
from einsdiff.errors import SizeError as SizeError
from einsdiff.errors import SubscriptsError as SubscriptsError
from einsdiff.expressions.checking import Check as Check
from einsdiff.expressions.compiled import Compiled as Compiled
from einsdiff.expressions.cores import Cores as Cores
from einsdiff.expressions.solver import Solver as Solver
from einsdiff.expressions.tensor_class import Tensor as Tensor
from einsdiff.expressions.tensor_class import tensor as tensor
from einsdiff.expressions.tensor_class import tensors as tensors
from einsdiff.interop.differentiable import Differentiable as Differentiable
from einsdiff.interop.differentiable import as_jax as as_jax
from einsdiff.interop.differentiable import as_torch as as_torch
from einsdiff.interop.scipy.optimization import Problem as Problem
from einsdiff.interop.scipy.optimization import problem as problem
from einsdiff.interop.sympy.importing import from_sympy as from_sympy
from einsdiff.notation.subscripts import Size
from einsdiff.numeric.libraries.memory import set_memory_limit as set_memory_limit
from einsdiff.numeric.solving.failures import SolveError as SolveError
from einsdiff.verbs.calculus import compile as compile
from einsdiff.verbs.calculus import einsum as einsum
from einsdiff.verbs.calculus import jvp as jvp
from einsdiff.verbs.calculus import parse as parse
from einsdiff.verbs.named_functions import TensorFunction as TensorFunction
from einsdiff.verbs.named_functions import function as function
from einsdiff.verbs.named_functions import register as register
from einsdiff.verbs.rewrite import Equality as Equality
from einsdiff.verbs.rewrite import collect as collect
from einsdiff.verbs.rewrite import equal as equal
from einsdiff.verbs.rewrite import expand as expand
from einsdiff.verbs.rewrite import simplify as simplify
from einsdiff.verbs.sources.source import Wrt

class _Eigh(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor

class _Slogdet(NamedTuple):
    sign: Tensor
    logabsdet: Tensor

@overload
def grad(
    expression: Any,
    /,
    *operands: Any,
    wrt: Wrt | None = ...,
    order: int = ...,
    sizes: Mapping[str, Size] | None = ...,
    notation: str | None = ...,
    **named: Any,
) -> Tensor: ...
@overload
def grad(
    expression: Any,
    /,
    *operands: Any,
    wrt: tuple[Wrt, ...] | list[Wrt],
    order: Literal[1] = ...,
    sizes: Mapping[str, Size] | None = ...,
    notation: str | None = ...,
    **named: Any,
) -> tuple[Tensor, ...]: ...
@overload
def grad(
    expression: Any,
    /,
    *operands: Any,
    wrt: tuple[Wrt, ...] | list[Wrt],
    order: int = ...,
    sizes: Mapping[str, Size] | None = ...,
    notation: str | None = ...,
    **named: Any,
) -> tuple[Any, ...]: ...
@overload
def hessian(
    expression: Any,
    /,
    *operands: Any,
    wrt: Wrt | None = ...,
    sizes: Mapping[str, Size] | None = ...,
    notation: str | None = ...,
    **named: Any,
) -> Tensor: ...
@overload
def hessian(
    expression: Any,
    /,
    *operands: Any,
    wrt: tuple[Wrt, ...] | list[Wrt],
    sizes: Mapping[str, Size] | None = ...,
    notation: str | None = ...,
    **named: Any,
) -> tuple[tuple[Tensor, ...], ...]: ...
@overload
def value_and_grad(
    expression: Any,
    /,
    *operands: Any,
    wrt: Wrt | None = ...,
    sizes: Mapping[str, Size] | None = ...,
    notation: str | None = ...,
    **named: Any,
) -> tuple[Tensor, Tensor]: ...
@overload
def value_and_grad(
    expression: Any,
    /,
    *operands: Any,
    wrt: tuple[Wrt, ...] | list[Wrt],
    sizes: Mapping[str, Size] | None = ...,
    notation: str | None = ...,
    **named: Any,
) -> tuple[Tensor, tuple[Tensor, ...]]: ...
@overload
def vjp(
    expression: Any,
    /,
    *operands: Any,
    wrt: Wrt | None = ...,
    u: Any = ...,
    sizes: Mapping[str, Size] | None = ...,
    notation: str | None = ...,
    **named: Any,
) -> Tensor: ...
@overload
def vjp(
    expression: Any,
    /,
    *operands: Any,
    wrt: tuple[Wrt, ...] | list[Wrt],
    u: Any = ...,
    sizes: Mapping[str, Size] | None = ...,
    notation: str | None = ...,
    **named: Any,
) -> tuple[Tensor, ...]: ...
@overload
def hvp(
    expression: Any,
    /,
    *operands: Any,
    wrt: Wrt | None = ...,
    v: Any = ...,
    sizes: Mapping[str, Size] | None = ...,
    notation: str | None = ...,
    **named: Any,
) -> Tensor: ...
@overload
def hvp(
    expression: Any,
    /,
    *operands: Any,
    wrt: tuple[Wrt, ...] | list[Wrt],
    v: Any = ...,
    sizes: Mapping[str, Size] | None = ...,
    notation: str | None = ...,
    **named: Any,
) -> tuple[Tensor, ...]: ...
@overload
def check(
    expression: Any,
    /,
    *operands: Any,
    wrt: Wrt | None = ...,
    order: int = ...,
    tolerance: float | None = ...,
    seed: int = ...,
    sizes: Mapping[str, Size] | None = ...,
    notation: str | None = ...,
    **named: Any,
) -> Check: ...
@overload
def check(
    expression: Any,
    /,
    *operands: Any,
    wrt: tuple[Wrt, ...] | list[Wrt],
    order: int = ...,
    tolerance: float | None = ...,
    seed: int = ...,
    sizes: Mapping[str, Size] | None = ...,
    notation: str | None = ...,
    **named: Any,
) -> tuple[Any, ...]: ...

jacobian = grad

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
