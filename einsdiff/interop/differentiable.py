r"""Expressions as differentiable functions of PyTorch or JAX, whose derivatives are einsdiff's.

Such a library differentiates a program by the products of each step's derivative with vectors: with
cotangents from the left, or with tangents from the right. For a step :math:`y = f(x_1, .., x_n)`
these are

.. math:: \bar x_k = \sum_c \bar y_c \frac{\partial f_c}{\partial x_k},
    \qquad \dot y = \sum_k \frac{\partial f}{\partial x_k} \dot x_k .

Both are expressions again. They are derived here, for those :math:`x_k` that are asked for, and are
functions of the library in the same way, so that they can be differentiated once more.

>>> from einsdiff.algebra.nodes.nodes import einsum
>>> from einsdiff.algebra.nodes.interning import variable
>>> A, x = variable("A", (2, 3)), variable("x", (3,))
>>> step = Pass((einsum([A, x], ["ij", "j"], "i"),), (A, x), (), "numpy")
>>> step.pullback((False, True), (True,)).arguments
(A, u)
>>> step.pushforward((True, False)).arguments
(A, x, v)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from importlib import import_module
from itertools import compress, count, permutations
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from einsdiff.algebra.derivatives.differentiate import derivatives, directional
from einsdiff.algebra.nodes.graph import variables_of
from einsdiff.algebra.nodes.interning import Node, Variable, variable
from einsdiff.algebra.nodes.nodes import add, einsum, scale
from einsdiff.errors import OperandError
from einsdiff.expressions.asked import outside
from einsdiff.expressions.compiled import ABSENT, Compiled
from einsdiff.expressions.evaluation import sizes_of
from einsdiff.expressions.formula import Formula, dumped, loaded
from einsdiff.expressions.prepared import Elsewhere, Prepared
from einsdiff.expressions.refusals import signature
from einsdiff.notation.subscripts import Size
from einsdiff.notation.threads import cached_property
from einsdiff.numeric.libraries.array_library import kind_of
from einsdiff.numeric.libraries.extras import needs_extra
from einsdiff.numeric.libraries.known import LIBRARIES
from einsdiff.numeric.libraries.library import dtype_kind, library_of, place_of, taken_to
from einsdiff.numeric.libraries.operands import check_intact, checksum
from einsdiff.numeric.running.portable import Portable, portable
from einsdiff.verbs.several import expressions
from einsdiff.verbs.sources.source import Arguments

# --- steps ------------------------------------------------------------------------------------

#: All steps by number; where `torch.compile` traces, a number stands for a step.
STEPS: WeakValueDictionary[int, Pass] = WeakValueDictionary()


@dataclass(frozen=True, eq=False)
class Pass:
    """Expressions of arrays of known shapes, computed together by one library."""

    nodes: tuple[Node, ...]
    arguments: tuple[Variable, ...]  # of the expressions, one for each array that the step takes
    sizes: tuple[tuple[str, int], ...]  # pairs (named size, number)
    library: str
    number: int = field(default_factory=count().__next__, init=False)  # by which `STEPS` has it

    def __post_init__(self) -> None:
        STEPS[self.number] = self

    @cached_property
    def _function(self) -> Portable:
        return portable(self.nodes, self.sizes, self.library, self.arguments)

    @cached_property
    def _places(self) -> tuple[int, ...]:
        names = [argument.name for argument in self.arguments]
        return tuple(names.index(name) for name in self._function.names)

    @cached_property
    def _derived(self) -> dict[Any, Any]:
        return {}

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        """Compute from arrays of one dtype, in the order of the arguments."""
        result = self._function([inputs[k] for k in self._places])
        return result if len(self.nodes) > 1 else (result,)

    def plain(self) -> Callable[..., tuple[Any, ...]]:
        """Return the same as a function that is little more than the library's statements."""
        function, places = self._function.function, self._places

        def computed(*inputs: Any) -> tuple[Any, ...]:
            return function(*[inputs[k] for k in places])

        return computed

    def pullback(self, needed: tuple[bool, ...], given: tuple[bool, ...]) -> Pass:
        """Return the products of cotangents with the derivatives by the arguments that need one.

        Expressions for which no cotangent is given have a zero one. The arguments are those that
        are needed, see `kept`, and then the cotangents.
        """
        key = needed, given
        if key not in self._derived:
            outputs = list(compress(self.nodes, given))
            cotangents = self._new("u", [node.shape for node in outputs])
            pairs = zip(outputs, cotangents, strict=True)
            total = add([(1, _inner(node, u)) for node, u in pairs], ())
            nodes = derivatives(total, list(compress(self.arguments, needed)))
            used = set(variables_of(nodes))
            kept = [v for v in self.arguments if v in used]
            self._derived[key] = replace(self, nodes=nodes, arguments=(*kept, *cotangents))
        found: Pass = self._derived[key]
        return found

    def kept(self, derived: Pass) -> tuple[int, ...]:
        """Return which of the arguments are arguments of a pullback, in its order."""
        if derived not in self._derived:
            known = {argument: k for k, argument in enumerate(self.arguments)}
            self._derived[derived] = tuple(known[v] for v in derived.arguments if v in known)
        found: tuple[int, ...] = self._derived[derived]
        return found

    def pushforward(self, needed: tuple[bool, ...], *, with_values: bool = False) -> Pass:
        """Return the products of the derivatives with tangents, summed.

        Arguments that need none have a zero tangent. The arguments are these, and then the
        tangents; with values, the expressions themselves are computed first.
        """
        key = needed, with_values
        if key not in self._derived:
            chosen = list(compress(self.arguments, needed))
            tangents = self._new("v", [by.shape for by in chosen])
            along = {by: _symmetric(v, by) for by, v in zip(chosen, tangents, strict=True)}
            nodes = directional(self.nodes, along)
            nodes = (*self.nodes, *nodes) if with_values else nodes
            self._derived[key] = replace(self, nodes=nodes, arguments=(*self.arguments, *tangents))
        found: Pass = self._derived[key]
        return found

    def _new(self, name: str, shapes: Sequence[Sequence[Size]]) -> list[Variable]:
        """Make variables whose names are not taken."""
        taken = {argument.name for argument in self.arguments}
        names = (n for k in count() if (n := f"{name}{k or ''}") not in taken)
        return [variable(n, tuple(shape)) for shape, n in zip(shapes, names, strict=False)]


def _inner(a: Node, b: Node) -> Node:
    labels = range(len(a.shape))
    return einsum([a, b], [labels, labels], ())


def _symmetric(v: Variable, by: Variable) -> Node:
    """Average over the orders of a symmetric variable's axes: it changes along no other."""
    if not by.symmetric:
        return v
    axes = range(len(v.shape))
    orders = list(permutations(axes))
    return scale(Fraction(1, len(orders)), add([(1, einsum([v], [axes], o)) for o in orders]))


# --- functions --------------------------------------------------------------------------------

_TAKEN_BY_JAX = np.ndarray, np.generic, bool, int, float, complex


class Differentiable(Compiled):
    """A function of a library's arrays, made by `einsdiff.as_torch` and `einsdiff.as_jax`.

    It is called as a `Compiled` is, and the library differentiates it by einsdiff's derivatives.

    Attributes
    ----------
    names
        The names of the arrays, which may be given in this order or by name. Arrays that were
        bound to the expressions need not be given.
    backend
        The library: ``"torch"`` or ``"jax"``.

    Examples
    --------
    >>> import einsdiff as ed
    >>> ed.as_torch("A_ij x_j")
    <PyTorch function of A, x: f_i = A_ij x_j>
    """

    __slots__ = ("_fixed", "_made", "_run")

    def __init__(
        self,
        formulas: Sequence[Formula],
        values: Mapping[str, Any],
        build: Callable[[Sequence[Any]], Any] | None,
        library: str,
    ) -> None:
        for formula in formulas:
            _check_specified(formula)
        # NumPy arrays that were bound are constants, which go where the others are.
        fixed = {
            name: _written(array) if library_of(array) == "numpy" else array
            for name, array in values.items()
        }
        super().__init__(formulas, fixed, build=build, backend=library)
        self._fixed = frozenset(
            k for k, array in enumerate(self._values) if type(array) is np.ndarray
        )
        self._made: dict[Any, dict[int, Any]] = {}
        self._run = import_module(f"einsdiff.interop.{library}_autodiff").run

    def __reduce__(self) -> tuple[Any, ...]:
        known = zip(self.names, self._values, strict=True)
        values = {name: a for name, a in known if getattr(a, "shape", None) is not None}
        formulas, number = dumped(self._formulas), len(self._formulas)
        check = checksum(values, [formula.check for formula in self._formulas], self.backend)
        return _restored, (formulas, number, values, check, self._build, self.backend)

    def __repr__(self) -> str:
        assert self.backend is not None
        texts = "; ".join(formula.text for formula in self._formulas)
        title = LIBRARIES[self.backend].title
        return f"<{title} function of {', '.join(self.names)}: {texts}>"

    def _planned(self, values: Mapping[str, Any]) -> Prepared | Elsewhere:
        prepared = super()._planned(values)
        if not isinstance(prepared, Elsewhere) or prepared.library != self.backend:
            return prepared
        if isinstance(prepared.function, Portable) and kind_of(prepared.dtype) in "fc":
            known = {v.name: v for v in self._arguments}
            sizes = {s: n for f in self._formulas for s, n in sizes_of(f, values).items()}
            step = Pass(
                tuple(f.expr for f in self._formulas),
                tuple(known[name] for name in prepared.names),
                tuple(sorted(sizes.items())),
                prepared.library,
            )
            return replace(prepared, function=partial(self._run, step))
        return prepared

    # --- arrays -------------------------------------------------------------------------------

    def _bound(self, arrays: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
        given = super()._bound(arrays, named)
        if self.backend != "torch" or not sys.modules["torch"].compiler.is_compiling():
            return self._taken(given)
        # What is traced has no NumPy arrays: they are put there in `function_for`.
        here = {name for name, _ in zip(self.names, arrays, strict=False)}.union(named)
        fixed = [k in self._fixed and name not in here for k, name in enumerate(self.names)]
        return [ABSENT if is_fixed else a for is_fixed, a in zip(fixed, given, strict=True)]

    def _taken(self, given: list[Any]) -> list[Any]:
        """Put arrays of the library in the place of NumPy arrays that were bound."""
        held = [k for k, a in enumerate(given) if type(a) is np.ndarray and a is self._values[k]]
        others = [a for a in given if library_of(a) == self.backend]
        if not held or not others:
            return given
        assert self.backend is not None
        like = next((a for a in others if dtype_kind(a) in "fc"), others[0])
        key = like.dtype, place_of(like) if self.backend == "torch" else None
        if key not in self._made:
            bound = {str(k): self._values[k] for k in self._fixed}
            with _concretely(self.backend):
                taken = taken_to(self.backend, {"": like, **bound})
            self._made[key] = {k: taken[str(k)] for k in self._fixed}
        return [self._made[key][k] if k in held else a for k, a in enumerate(given)]

    def _prepared(self, given: Sequence[Any]) -> tuple[list[Any], Any]:
        if self.backend == "jax":  # whose functions take NumPy arrays and numbers, too
            asarray = sys.modules["jax"].numpy.asarray
            given = [asarray(a) if isinstance(a, _TAKEN_BY_JAX) else a for a in given]
        return super()._prepared(given)

    def _other_library(self, library: str, values: Mapping[str, Any]) -> OperandError:
        assert self.backend is not None
        mine = LIBRARIES[self.backend]
        name = next(name for name, array in values.items() if library_of(array) == library)
        return OperandError(
            f"this is a function of {mine.title}, and '{name}' is {LIBRARIES[library].array}",
            shapes=signature(self._arguments),
            action=f"pass {mine.array}; constants may be NumPy arrays that are bound before, "
            f"as in ed.as_{self.backend}(expression, {name}=array)",
        )

    def function_for(self, arrays: Sequence[Any]) -> Callable[..., Any]:
        """Return what computes from arrays of these shapes; see `Compiled.function_for`."""
        known = [bound if a is None else a for a, bound in zip(arrays, self._values, strict=True)]
        taken = self._taken(known)
        function = super().function_for(taken)
        held = {k: a for k, a in enumerate(taken) if a is not known[k]}
        return partial(_with_constants, function, held) if held else function


def _with_constants(
    function: Callable[..., Any], constants: Mapping[int, Any], *arrays: Any
) -> Any:
    return function(*[constants.get(k, a) for k, a in enumerate(arrays)])


def _written(array: Any) -> Any:
    """Copy an array, so that it is what its values are; see `taken_to`."""
    array = np.array(array)
    array.flags.writeable = False
    return array


def _concretely(library: str) -> AbstractContextManager[None]:
    """Make arrays that do not belong to what JAX traces at the moment."""
    if library == "torch":
        return nullcontext()
    found: AbstractContextManager[None] = sys.modules["jax"].ensure_compile_time_eval()
    return found


def _check_specified(formula: Formula) -> None:
    """Refuse a function whose derivative by its variable is not known."""
    for argument in formula.arguments:
        if argument.of:
            names = " and ".join(f"'{v.name}'" for v in argument.of)
            raise OperandError(
                f"'{argument.name}' is a function of {names} that is not specified, and so "
                "has no derivative",
                text=formula.text,
                shapes=signature(formula.arguments),
                action=f"make '{argument.name}' a variable of its own: the library "
                "differentiates what its array is made of",
            )


def _restored(
    formulas: Sequence[Any], number: int, values: Mapping[str, Any], check: int, *options: Any
) -> Differentiable:
    found = loaded(*formulas)[:number]
    check_intact(check, values, [formula.check for formula in found], options[-1])
    return Differentiable(found, values, *options)


# --- verbs ------------------------------------------------------------------------------------


def as_torch(
    expression: Any,
    /,
    *operands: Any,
    sizes: Mapping[str, Size] | None = None,
    notation: str | None = None,
    **named: Any,
) -> Differentiable:
    """Make a function of PyTorch tensors that PyTorch differentiates by einsdiff's derivatives.

    Parameters
    ----------
    expression, *operands, sizes, notation, **named
        An expression or several, as for `compile`. Arrays that are bound need not be given in the
        call: PyTorch tensors are what they are, and NumPy arrays are constants, copied here,
        which take the dtype and the device of the others.

    Returns
    -------
    Differentiable
        Takes tensors by name or by their place, and returns a tensor, or for several expressions a
        tuple, nested as they were. Its backward and its forward mode are einsdiff's derivatives,
        of all orders, and only those by tensors that need one; tensors of integers have none.

    Raises
    ------
    OperandError
        PyTorch is not installed, or a function in the expression is not specified.
    NameNotFoundError, SubscriptsError, ShapeError, BindingError
        As for `compile`.

    Examples
    --------
    >>> import torch
    >>> import einsdiff as ed
    >>> loss = ed.as_torch("Σ_i (y_i - A_ij x_j)^2")
    >>> loss.names
    ('y', 'A', 'x')
    >>> y, A, x = torch.ones(2), torch.eye(2), torch.zeros(2, requires_grad=True)
    >>> loss(y, A, x).backward()
    >>> x.grad
    tensor([-2., -2.])
    """
    return _read("torch", "PyTorch", expression, operands, sizes, named, notation)


def as_jax(
    expression: Any,
    /,
    *operands: Any,
    sizes: Mapping[str, Size] | None = None,
    notation: str | None = None,
    **named: Any,
) -> Differentiable:
    """Make a function of JAX arrays that JAX differentiates by einsdiff's derivatives.

    Parameters
    ----------
    expression, *operands, sizes, notation, **named
        An expression or several, as for `compile`. Arrays that are bound need not be given in the
        call: JAX arrays are what they are, and NumPy arrays are constants, copied here, which
        take the dtype of the others.

    Returns
    -------
    Differentiable
        Takes arrays by name or by their place, and returns an array, or for several expressions a
        tuple, nested as they were. It is a ``jax.custom_jvp`` whose rule is einsdiff's product of
        the derivative with a direction; JAX transposes it for the reverse mode. `jax.jit`,
        `jax.vmap`, `jax.grad` and the others take it.

    Raises
    ------
    OperandError
        JAX is not installed, or a function in the expression is not specified.
    NameNotFoundError, SubscriptsError, ShapeError, BindingError
        As for `compile`.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> import einsdiff as ed
    >>> loss = ed.as_jax("Σ_i (y_i - A_ij x_j)^2", y=[1.0, 1.0], A=[[1.0, 0.0], [0.0, 1.0]])
    >>> gradient = jax.jit(jax.grad(lambda x: loss(x=x)))
    >>> gradient(jnp.zeros(2)).tolist()
    [-2.0, -2.0]
    """
    return _read("jax", "JAX", expression, operands, sizes, named, notation)


def _read(
    library: str,
    title: str,
    expression: Any,
    operands: Sequence[Any],
    sizes: Mapping[str, Size] | None,
    named: Mapping[str, Any],
    notation: str | None,
) -> Differentiable:
    try:
        import_module(library)
    except ImportError:
        raise needs_extra(f"as_{library}()", title, library) from None
    formulas, values, build = expressions(
        Arguments(expression, operands, sizes, named, outside(), notation=notation)
    )
    return Differentiable(formulas, values, build, library)
