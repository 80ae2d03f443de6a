# mypy: disable-error-code="no-any-return"
"""Other dtypes, and devices, of which there is one."""

from typing import Any

from dtrain.autograd import dtypes
from dtrain.autograd.device import device as Device
from dtrain.autograd.device import require_cpu
from dtrain.autograd.functions.registry import public
from dtrain.autograd.functions.typed import TensorType
from dtrain.autograd.ops import shape
from dtrain.autograd.ops.promotion import KINDS
from dtrain.autograd.tensor import Tensor

__all__: list[str] = []


@public(function=False)
def to(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """In another dtype: `to(dtype)`, `to("cpu")`, `to("cpu", dtype)`, `to(other)`. Itself if it has
    that dtype already, unless `copy=True`."""
    dtype, copy = destination(*args, **kwargs)
    if dtype is None or dtype == input._array.dtype:
        return input.clone() if copy else input
    return shape.cast(input, dtype=dtype)


def destination(
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Any = None,
) -> tuple[Any, bool]:
    """The NumPy dtype (or None) and `copy` that the arguments of `to` ask for.

    Raises AssertionError for another device than the CPU, TypeError for what is no dtype.
    """
    flags = [each for each in args if isinstance(each, bool)]
    copy = flags[1] if len(flags) > 1 else copy  # the one before it is non_blocking
    for each in args:
        if isinstance(each, Tensor):
            dtype = each.dtype
        elif isinstance(each, Device) or (isinstance(each, str) and not _is_dtype(each)):
            device = each
        elif each is not None and not isinstance(each, bool):
            dtype = each
    require_cpu(device)
    return (None if dtype is None else dtypes.of(dtype).dtype), copy


def _is_dtype(name: str) -> bool:
    return name in {str(each.name) for each in dtypes.ALL}


@public(function=False)
def type(input: Tensor, dtype: Any = None) -> Any:
    """In another dtype, which may be the name of a type, "torch.DoubleTensor"; without one, the
    name of the tensor's type."""
    if dtype is None:
        return f"torch.{KINDS[input._array.dtype.name]}Tensor"
    if isinstance(dtype, TensorType):
        dtype = dtype.dtype
    elif dtype is Tensor:
        dtype = dtypes.get_default_dtype()
    elif isinstance(dtype, str):
        dtype = {f"torch.{kind}Tensor": name for name, kind in KINDS.items()}.get(dtype, dtype)
        if dtype not in KINDS:
            raise ValueError(f"invalid type: {dtype!r}")
    return to(input, dtype)


def _cast(name: str, dtype: dtypes.DType) -> None:
    def function(input: Tensor, memory_format: Any = None) -> Tensor:
        return to(input, dtype)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As {dtype.name}."
    public(function=False)(function)


for _name, _dtype in {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16,
    "long": dtypes.int64, "int": dtypes.int32, "short": dtypes.int16, "char": dtypes.int8,
    "byte": dtypes.uint8, "bool": dtypes.bool_,
}.items():  # fmt: skip
    _cast(_name, _dtype)


@public(function=False)
def type_as(input: Tensor, other: Tensor) -> Tensor:
    """In the dtype of another tensor."""
    return to(input, other.dtype)


@public(function=False)
def cpu(input: Tensor, memory_format: Any = None) -> Tensor:
    """Itself: every tensor is on the CPU."""
    return input


@public(function=False)
def cuda(input: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """Raises AssertionError: dtrain computes on the CPU."""
    return to(input, "cuda")


@public(function=False)
def pin_memory(input: Tensor) -> Tensor:
    """Itself."""
    return input
