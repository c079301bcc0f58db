"""PyTorch: which dtypes and devices its tensors have, and what it calls otherwise than NumPy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from einsdiff.errors import OperandError
from einsdiff.numeric.libraries.array_library import ArrayLibrary, at_least, kind_of, numpy_dtype

#: The attribute of an array without values that says where the array is that it stands for.
PLACE = "_einsdiff_place"


class Torch(ArrayLibrary):
    """PyTorch."""

    name, title, array = "torch", "PyTorch", "a PyTorch tensor"
    packages, module, alias, code = ("torch",), "torch", "torch", "torch"
    takes_numbers = has_ogrid = has_negative_steps = False
    promote = "torch.promote_types"

    operations: ClassVar[Mapping[str, str]] = {
        **ArrayLibrary.operations,
        "transpose": "{0}.permute(*{axes})",
        "reshape F": "",  # it knows one order only
        "einsum by BLAS": "{np}.einsum({subscripts}, {0}, {1})",
        "flip": "{np}.flip({0}, ({axes},))",
        "sum": "{np}.sum({0}, dim={axes})",
        "cumsum": "{np}.cumsum({0}, dim=0)",
        "join": "{np}.cat([{0}, {1}])",
        "copy": "{0}.clone()",
        "cast": "{0}.to({dtype})",
        "clip": "{np}.clamp({0}, {1}, {2})",
        "range": "{np}.arange({0}, device={device})",
        "zeros": "{np}.zeros({length}, **{made})",
        "ones": "{np}.ones({length}, **{made})",
        "full": "{np}.full({shape}, {0}, **{made})",
        "number": "{np}.tensor({0}, **{made})",
        "eye": "{np}.eye({0}, **{made})",
        "zeros like": "{like}.new_zeros({length})",
        "ones like": "{like}.new_ones({length})",
        "full like": "{like}.new_full({shape}, {0})",
        "number like": "{like}.new_tensor({0})",
        "number to array": "as_tensor({0})",
        "number to array like": "as_tensor({0}, {1})",  # which has many dtypes
        "add at": "{0}.index_put_(({1},), {2}, accumulate=True)",
    }

    def is_traced(self, array: Any) -> bool:
        torch = self.functions
        is_wrapped = torch._C._functorch.is_functorch_wrapped_tensor(array)
        return bool(is_wrapped or array.is_meta or torch.compiler.is_compiling())

    def place_of(self, array: Any) -> Any:
        return getattr(array, PLACE, array.device) if array.is_meta else array.device

    def as_numpy(self, array: Any) -> Any:
        if array.is_meta:
            raise OperandError(
                "the result is on device meta, where tensors have no values",
                action="use dense(), whose result is a tensor of that device",
            )
        array = array.detach().cpu().resolve_conj().resolve_neg()
        return array.float() if array.dtype == self.functions.bfloat16 else array

    def check_operand(self, array: Any, name: str) -> None:
        """Raise OperandError for tensors that are sparse or nested."""
        layout = getattr(array, "layout", None)
        if array.is_nested or "strided" not in str(layout):
            what = "nested" if array.is_nested else str(layout).removeprefix("torch.")
            raise OperandError(
                f"{name} is a {what} tensor", action="pass one that is dense: t.to_dense()"
            )

    def check_dtypes(self, values: Mapping[str, Any]) -> None:
        """Raise OperandError for tensors of several precisions; integers become floats."""
        known = {name: value for name, value in values.items() if kind_of(value.dtype) in "fc"}
        first = next(iter(known), "")
        for name, value in known.items():
            if value.dtype.to_real() != known[first].dtype.to_real():
                dtype = known[first].dtype
                raise OperandError(
                    f"'{first}' has dtype {dtype} and '{name}' has {value.dtype}, "
                    "and PyTorch does not multiply these",
                    action=f"convert one of them, as in {name}.to({dtype})",
                )

    def taken(self, value: Any, others: Sequence[Any]) -> Any:
        dtype = next((v.dtype for v in others if kind_of(v.dtype) in "fc"), None)
        if dtype is not None and kind_of(value.dtype) == "c":
            dtype = dtype.to_complex()
        return self.functions.tensor(value, dtype=dtype, device=self.place_of(others[0]))

    def converted(self, array: Any, dtype: Any) -> Any:
        return array.to(dtype)

    def result_dtype(
        self, needed: Callable[[Sequence[Any], str], Any], arrays: Sequence[Any], least: str
    ) -> Any:
        """Return the dtype of the tensors that are of floats, or the default one."""
        torch, dtypes = self.functions, [array.dtype for array in arrays]
        wanted = needed([numpy_dtype(dtype) for dtype in dtypes], "")
        if least == "integer" and wanted.kind in "iu":
            wanted = sys.modules["numpy"].dtype(int)
        else:
            wanted = at_least(wanted, least)
        floats = [dtype for dtype in dtypes if kind_of(dtype) in "fc"]
        if not floats and wanted.kind in "iub":
            return getattr(torch, wanted.name, torch.int64)
        found = next((dtype for dtype in floats if dtype.is_complex), None)
        found = found or next(iter(floats), torch.get_default_dtype())
        return found.to_complex() if wanted.kind == "c" else found
