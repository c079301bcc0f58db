r"""Compiled functions: expressions as functions of named arrays, planned once for each shape.

What is differentiated, planned and compiled depends on the structure, the sizes and the dtype of an
expression, and not on data. A `Compiled` keeps that, so that a call is little more than the
statements of NumPy that compute the result:

>>> import einsdiff as ed
>>> import numpy as np
>>> gradient = ed.grad("x_i A_ij x_j", wrt="x").compile()
>>> gradient(A=np.eye(2), x=np.array([1.0, 2.0]))
array([2., 4.])
>>> print(gradient.source)
def program(x_, A_, *, out=None):
    t0 = A_.transpose((1, 0))  # (2, 2)
    t1 = A_ + t0  # (2, 2)
    del t0
    ...
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from einsdiff.algebra.nodes.interning import Variable
from einsdiff.errors import BindingError, OperandError
from einsdiff.expressions.dimensions import check_dimensions, with_dimensions
from einsdiff.expressions.evaluation import check_symmetric, prepare, prepare_anywhere
from einsdiff.expressions.formula import Formula, dumped, joined_arguments, loaded, token
from einsdiff.expressions.prepared import Elsewhere, Prepared
from einsdiff.expressions.refusals import signature
from einsdiff.numeric.libraries.known import LIBRARIES
from einsdiff.numeric.libraries.lazy import np
from einsdiff.numeric.libraries.library import OWNERS, library_of, taken_to
from einsdiff.numeric.libraries.memory import check_limit, memory_limit
from einsdiff.numeric.libraries.operands import (
    Array,
    as_array,
    carried,
    check_intact,
    checksum,
    received,
)
from einsdiff.numeric.libraries.xarray import KNOWN

# What plans and solves is imported where it is needed: a formula is read without it.
if TYPE_CHECKING:
    from einsdiff.numeric.planning.plan import Plan
    from einsdiff.numeric.planning.report import Report

#: What a compiled function can return.
FORMS = ("dense", "cores", "sparse")


class _Absent:
    """Stands for an array that was not given."""

    dtype = shape = None

    def __repr__(self) -> str:
        return "not given"


#: In place of an array that was not given.
ABSENT = _Absent()


class _Ready(NamedTuple):
    """What to do with arrays of certain shapes and dtypes."""

    prepared: Prepared | Elsewhere
    picked: tuple[int, ...]  # which arrays the program takes
    cast: tuple[int, ...]  # which of these are of another dtype
    symmetric: tuple[tuple[Variable, int], ...]


class Compiled:
    """A function of named arrays, made by `Tensor.compile` and `einsdiff.compile`.

    Attributes
    ----------
    names
        The names of the arrays, which may be given in this order or by name. Arrays that were
        bound to the expressions need not be given.
    form
        What is returned for each expression: ``"dense"``, an array; ``"cores"``, a tuple of the
        arrays that make it up, see `einsdiff.Tensor.cores`; or ``"sparse"``, a SciPy matrix.
    backend
        The array library that it is for; None for that of the arrays it is called with.

    Examples
    --------
    >>> import einsdiff as ed
    >>> import numpy as np
    >>> f = ed.compile(*ed.value_and_grad("x_i x_i", wrt="x"))
    >>> f
    <compiled function of x: f = x_i x_i; ∂f/∂x_p = 2 x_p>
    >>> f(np.array([1.0, 2.0]))
    (array(5.), array([2., 4.]))
    """

    __slots__ = (
        "__weakref__",
        "_arguments",
        "_build",
        "_formulas",
        "_is_plain",
        "_limit",
        "_number",
        "_optimize",
        "_ready",
        "_seen",
        "_values",
        "backend",
        "form",
        "names",
    )

    def __init__(
        self,
        formulas: Sequence[Formula],
        values: Mapping[str, Array],
        form: str = "dense",
        build: Callable[[Sequence[Any]], Any] | None = None,
        limit: int | None = None,
        backend: str | None = None,
        optimize: Any = None,
    ) -> None:
        check_limit(limit)
        check_backend(backend)
        if optimize is not None:
            from einsdiff.numeric.orders.engines import as_optimizer

            as_optimizer(optimize)
        if form not in FORMS:
            raise OperandError(
                f"form={form!r} is not what a compiled function can return",
                action=f"write one of {', '.join(map(repr, FORMS))}",
            )
        self._formulas = tuple(formulas)
        self._arguments = joined_arguments(formulas)
        self._values: list[Any] = [
            values.get(argument.name, ABSENT) for argument in self._arguments
        ]
        self._build = build
        self._is_plain = form == "dense" and build is None
        self._limit = limit
        self._optimize = optimize
        self._ready: dict[Any, _Ready] = {}
        self._seen: _Ready | None = None
        self.names = tuple(argument.name for argument in self._arguments)
        self.form = form
        self.backend = backend
        self._number = next(_numbers)
        OWNERS[self._number] = self

    def __reduce__(self) -> tuple[Any, ...]:
        # Programs are made again where this is read: they are functions, and made for a machine.
        pairs = zip(self.names, self._values, strict=True)
        values, fixed = carried({name: array for name, array in pairs if array is not ABSENT})
        formulas, count = dumped(self._formulas), len(self._formulas)
        options = self.form, self._build, self._limit, self.backend, self._optimize
        check = checksum(values, *_marks(self._formulas, fixed, options))
        return _restored, (formulas, count, values, fixed, check, *options)

    def __dask_tokenize__(self) -> Any:
        _, (_, _, values, _, _, *options) = self.__reduce__()
        return token(type(self), self._formulas, values, *options)

    def __repr__(self) -> str:
        return (
            f"<compiled function of {', '.join(self.names)}: "
            f"{'; '.join(formula.text for formula in self._formulas)}>"
        )

    def __call__(self, /, *arrays: Any, out: Array | None = None, **named: Any) -> Any:
        """Compute with these arrays.

        Parameters
        ----------
        *arrays, **named
            Arrays in the order of `names`, or by name.
        out
            For one dense result: an array to write it into. If it is what an earlier call gave or
            wrote, and no one else wrote to it since, only the entries that can be other than zero
            are written. An operand that is called so is that operand.

        Returns
        -------
        array, tuple or sparse matrix
            As `form` says; for several expressions a tuple, nested as they were given.

        Raises
        ------
        BindingError, ShapeError, OperandError, SizeError
            Arrays that are missing or do not fit, and results that memory does not hold.
        """
        given: Sequence[Any] = arrays
        if out is not None:
            if "out" in self.names:  # then it is that operand
                named["out"], out = out, None
            elif not self._is_plain:
                raise OperandError(
                    "out= is for one dense result", action="compile the one expression alone"
                )
        if named or len(arrays) != len(self.names):
            given = self._bound(arrays, named)
        try:
            ready = self._ready[tuple([(type(a), a.dtype, a.shape) for a in given])]
        except (AttributeError, KeyError):  # lists and numbers, or what is new
            if "torch" in sys.modules and sys.modules["torch"].compiler.is_compiling():
                return self._called_in_trace(given)
            given, ready = self._prepared(given)
        if self._limit is None and ready.prepared.bytes > memory_limit():  # which was lowered
            given, ready = self._prepared(given)
        self._seen = ready
        for variable, k in ready.symmetric:
            check_symmetric(variable, given[k])
        inputs = [given[k] for k in ready.picked]
        if ready.cast:
            inputs = ready.prepared.converted(inputs)
        try:
            result = ready.prepared.call(inputs, out)
        except (np.linalg.LinAlgError, RuntimeError) as error:  # the latter of PyTorch
            error.add_note(f"while computing {self}")
            raise
        if KNOWN and out is None and self.form == "dense" and any(id(a) in KNOWN for a in given):
            result = self._with_dimensions(given, result)
        return result if self._is_plain else self._finished(ready.prepared, result)

    def _with_dimensions(self, given: Sequence[Any], result: Any) -> Any:
        """Give results the named dimensions of the arrays."""
        values = dict(zip(self.names, given, strict=True))
        check_dimensions(self._formulas, values)
        if len(self._formulas) == 1:
            return with_dimensions(self._formulas[0], values, result)
        pairs = zip(self._formulas, result, strict=True)
        return tuple(with_dimensions(formula, values, array) for formula, array in pairs)

    # --- arrays -------------------------------------------------------------------------------

    def _bound(self, arrays: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
        """Put arrays in the order of the names."""
        if not arrays and len(named) == len(self.names):
            try:
                return [named[name] for name in self.names]
            except KeyError:
                pass  # which one is told below
        if len(arrays) > len(self.names):
            raise BindingError(
                f"{len(arrays)} arrays for {len(self.names)} names",
                shapes=signature(self._arguments),
                action=f"pass at most {len(self.names)}: {', '.join(self.names)}",
            )
        given = [*arrays, *self._values[len(arrays) :]]
        for name, array in named.items():
            if name not in self.names:
                raise BindingError(
                    f"there is no operand '{name}'",
                    shapes=signature(self._arguments),
                    action=f"pass arrays for {' and '.join(self.names) or 'nothing'} only",
                )
            k = self.names.index(name)
            if k < len(arrays):
                raise BindingError(
                    f"'{name}' is given twice, by its place and by its name",
                    shapes=signature(self._arguments),
                    action="give it once",
                )
            given[k] = array
        return given

    def _prepared(self, given: Sequence[Any]) -> tuple[list[Any], _Ready]:
        """Check arrays of shapes and dtypes that were not seen before."""
        taken: list[Any] = [
            a if a is ABSENT else as_array(a, name)
            for a, name in zip(given, self.names, strict=True)
        ]
        values = {name: a for a, name in zip(taken, self.names, strict=True) if a is not ABSENT}
        prepared: Prepared | Elsewhere
        if self.form != "dense":
            prepared = prepare(
                self._formulas, values, in_cores=True, limit=self._limit, optimize=self._optimize
            )
        else:
            prepared = self._planned(values)
            if self.backend not in (None, prepared.library):
                raise self._other_library(prepared.library, values)
        if isinstance(prepared, Elsewhere):
            # What was written as a number or as a list is taken to the library of the others.
            known = taken_to(prepared.library, values)
            taken = [known.get(name, a) for a, name in zip(taken, self.names, strict=True)]
        picked = tuple(self.names.index(name) for name in prepared.names)
        ready = _Ready(
            prepared,
            picked,
            tuple(n for n, k in enumerate(picked) if taken[k].dtype != prepared.dtype),
            tuple(
                (argument, k)
                for k, argument in enumerate(self._arguments)
                if argument.symmetric and taken[k] is not ABSENT
            ),
        )
        if len(self._ready) >= MOST_KEPT:
            self._ready.clear()
        if isinstance(prepared, Prepared) or prepared.is_kept:
            self._ready[tuple([(type(a), a.dtype, a.shape) for a in taken])] = ready
        return taken, ready

    def _planned(self, values: Mapping[str, Any]) -> Prepared | Elsewhere:
        """Make what computes dense results from arrays that were checked."""
        return prepare_anywhere(self._formulas, values, self._limit, optimize=self._optimize)

    def _called_in_trace(self, given: Sequence[Any]) -> Any:
        """Compute while `torch.compile` traces the call, for shapes that are new."""
        from einsdiff.numeric.libraries import dynamo

        texts = [dynamo.described(None if a is ABSENT else a) for a in given]
        name = dynamo.prepared(self._number, "|".join(texts))
        return getattr(dynamo.functions, name)(*given)

    def function_for(self, arrays: Sequence[Any]) -> Callable[..., Any]:
        """Return what computes from arrays of these shapes and dtypes, without checking others.

        Parameters
        ----------
        arrays
            In the order of `names`; None for those that are not given.

        Returns
        -------
        callable
            Takes arrays as these.

        Examples
        --------
        >>> import einsdiff as ed
        >>> import numpy as np
        >>> double = (2 * ed.tensor("x", 3)).compile().function_for([np.ones(3)])
        >>> double(np.ones(3))
        array([2., 2., 2.])
        """
        _, ready = self._prepared([ABSENT if a is None else a for a in arrays])
        prepared, picked, finished = ready.prepared, ready.picked, self._finished
        is_plain = self._is_plain

        def function(*arrays: Any) -> Any:
            inputs = [arrays[k] for k in picked]
            result = prepared.call(prepared.converted(inputs))
            return result if is_plain else finished(prepared, result)

        return function

    def _other_library(self, library: str, values: Mapping[str, Any]) -> OperandError:
        name = next((name for name, a in values.items() if library_of(a) == library), "")
        assert self.backend is not None
        return OperandError(
            f"this was compiled for {LIBRARIES[self.backend].title}, "
            f"and '{name}' is {LIBRARIES[library].array}",
            shapes=signature(self._arguments),
            action=f"pass arrays of {LIBRARIES[self.backend].title}, or compile without "
            "backend=, for arrays of any library",
        )

    def _finished(self, prepared: Prepared | Elsewhere, result: Any) -> Any:
        """Give results the form that was asked for."""
        if self.form != "dense":
            assert isinstance(prepared, Prepared)
            from einsdiff.numeric.sparse import sparse

            parts, start = [], 0
            for k, found in enumerate(prepared.program.plan.cores):
                arrays = result[start : start + len(found)]
                start += len(found)
                if self.form == "sparse":
                    shape, domain = prepared.shapes[k], self._formulas[k].domain or 0
                    arrays = sparse(found, arrays, shape, domain, prepared.dtype, limit=self._limit)
                parts.append(arrays)
            if self._build is None:
                return parts[0]
            result = parts
        elif len(self._formulas) == 1:
            result = (result,)
        assert self._build is not None
        return self._build(result)

    # --- looking at it ------------------------------------------------------------------------

    def _last(self) -> Prepared | Elsewhere:
        """Return what was prepared for the arrays seen last, or else for those that were bound."""
        if self._seen is None:
            _, self._seen = self._prepared(self._bound((), {}))
        return self._seen.prepared

    @property
    def source(self) -> str:
        """The Python source of the program, for the arrays seen last or those bound.

        Examples
        --------
        >>> import einsdiff as ed
        >>> x = ed.tensor("x", [1.0, 2.0])
        >>> print((x * x).compile().source)
        def program(x_, *, out=None):
            t0 = np.multiply(x_, x_, out=out)  # (2,)
            return t0
        """
        return self._last().source

    @property
    def plan(self) -> Plan:
        """The plan of the program, for the arrays seen last or those bound.

        Examples
        --------
        >>> import einsdiff as ed
        >>> x = ed.tensor("x", [1.0, 2.0])
        >>> [step.op for step in (x * x + 1).compile().plan.instructions]
        ['multiply', 'add']
        """
        return self._last().plan

    def report(self) -> Report:
        """Return what each step costs, for the arrays seen last or those bound.

        Returns
        -------
        Report
            Operations, bytes moved and memory of each step, and whether a derivative is computed in
            forward, reverse or mixed mode; it prints as a table.

        Examples
        --------
        >>> import einsdiff as ed
        >>> import numpy as np
        >>> A, B, x = np.ones((100, 100)), np.ones((100, 100)), np.ones(100)
        >>> ed.compile(lambda A, B, x: (A @ B) @ x, A, B, x).report()
        step  operation              shape        flops      bytes  memory
           2  t1 = dot(x_, t0)       (100,)      20,000   79.7 KiB  800 bytes
           3  t2 = dot(A_, t1)       (100,)      20,000   79.7 KiB  1.56 KiB
        total 40,000 operations, 159 KiB moved, at most 1.56 KiB allocated
        """
        prepared = self._last()
        domains = [formula.domain for formula in self._formulas]
        plan = prepared.plan
        assert isinstance(prepared, Prepared)
        return plan.report(prepared.dtype.itemsize, domains, prepared.copied)


def _restored(
    formulas: Sequence[Any],
    count: int,
    values: Mapping[str, Array],
    fixed: Sequence[str],
    check: int,
    *options: Any,
) -> Compiled:
    found = loaded(*formulas)[:count]
    check_intact(check, values, *_marks(found, fixed, options))
    return Compiled(found, received(values, fixed), *options)


def _marks(formulas: Sequence[Formula], fixed: Sequence[str], options: Sequence[Any]) -> list[Any]:
    """List what tells a compiled function from others, as plain data."""
    plain = [o if isinstance(o, str | int | float | None) else type(o).__name__ for o in options]
    return [[formula.check for formula in formulas], fixed, plain]


def check_backend(backend: str | None) -> None:
    """Raise OperandError for array libraries that are not there.

    >>> check_backend("numpy")
    """
    if backend is not None and backend not in LIBRARIES:
        raise OperandError(
            f"backend={backend!r} is not available",
            action=f"write one of {', '.join(map(repr, LIBRARIES))}, or leave it out",
        )


#: Numbers of compiled functions, by which they are found again.
_numbers = count()

#: A compiled function keeps programs for so many combinations of shapes and dtypes.
MOST_KEPT = 64
