# mypy: disable-error-code="no-any-return"
"""What scripts ask and do now and then: devices, storages, element by element in Python."""

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from dtrain.autograd.functions.arguments import tensor_of
from dtrain.autograd.functions.linalg import outer
from dtrain.autograd.functions.picking import narrow
from dtrain.autograd.functions.registry import alias, public
from dtrain.autograd.functions.typed import TensorType
from dtrain.autograd.inplace import require_writable
from dtrain.autograd.tensor import Tensor

__all__ = ["ger", "get_device", "typename"]


@public()
def get_device(input: Tensor) -> int:
    """-1: the CPU."""
    tensor_of(input, who="get_device")
    return -1


@public(method=False)
def typename(obj: Any) -> str:
    """The type's name: "torch.FloatTensor" of a tensor."""
    if isinstance(obj, Tensor):
        return str(obj.type())
    kind = obj if isinstance(obj, type | TensorType) or hasattr(obj, "__qualname__") else type(obj)
    module = getattr(kind, "__module__", "")
    name = kind.__qualname__
    return name if module in ("", "builtins") else f"{module}.{name}"


def _no(name: str, why: str) -> None:
    def function(input: Tensor) -> bool:
        return False

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"False: {why}."
    public(function=False)(function)


_no("is_conj", "there are no complex tensors")
_no("is_neg", "a tensor is never stored by its negative")
_no("is_pinned", "there is no GPU to copy to")
_no("is_shared", "memory belongs to one process")
_no("is_distributed", "tensors are whole")


@public(function=False)
def share_memory_(input: Tensor) -> NoReturn:
    """Raises RuntimeError: no memory is shared between processes."""
    raise RuntimeError(
        "dtrain shares no tensors between processes; to train with several, see `dtrain run "
        "--workers`"
    )


@public(function=False)
def to_dense(input: Tensor) -> Tensor:
    """Itself: all tensors are dense."""
    return input


@public(function=False)
def dim_order(input: Tensor) -> tuple[int, ...]:
    """Dimensions by stride, the greatest first."""
    strides = input.stride()
    return tuple(sorted(range(input.ndim), key=lambda dim: -strides[dim]))


@public(function=False)
def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A copy of `narrow`."""
    return narrow(input, dim, start, length).clone()


@public(function=False)
def apply_(input: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Put callable(x) in the place of each element x: slow, and not recorded."""
    return _filled_with(input, [callable(each) for each in input._array.ravel().tolist()])


@public(function=False)
def map_(input: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Put callable(x, y) in the place of each element x, y being the tensor's: slow, unrecorded."""
    others = tensor.detach().expand(input.shape)._array.ravel().tolist()
    pairs = zip(input._array.ravel().tolist(), others, strict=True)
    return _filled_with(input, [callable(*pair) for pair in pairs])


def _filled_with(input: Tensor, values: list[Any]) -> Tensor:
    if input.requires_grad:
        raise RuntimeError("Can't call apply_() or map_() on Variable that requires grad.")
    require_writable(input)
    input._array[...] = np.asarray(values, input._array.dtype).reshape(input._array.shape)
    input._bump()
    return input


class Storage:
    """The memory behind a tensor, as far as scripts ask about it."""

    def __init__(self, tensor: Tensor) -> None:
        base = tensor
        while base._base is not None:
            base = base._base
        self._tensor = base

    def data_ptr(self) -> int:
        """Address of the first byte."""
        return self._tensor.data_ptr()

    def nbytes(self) -> int:
        """How many bytes there are."""
        return self._tensor.nbytes

    def __len__(self) -> int:
        return self._tensor.numel()

    size = __len__

    def tolist(self) -> Any:
        """The elements in the order of memory."""
        return self._tensor._array.ravel().tolist()


@public(function=False)
def storage(input: Tensor) -> Storage:
    """The memory that it shares with its views."""
    return Storage(input)


alias("untyped_storage", "storage")
alias("ger", "outer")
ger = outer
